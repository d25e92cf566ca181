/*
 * keyacct key list and show: the keys that people registered, with their last use.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/access.h"
#include "common/base64.h"
#include "common/sshkey.h"
#include "common/catalog.h"
#include "common/usage.h"
#include "keyacct/cli.h"
#include "keyacct/json.h"
#include "keyacct/show.h"
#include "keyacct/key.h"

static const struct show_column list_columns[] = {
    {"TITLE", "title", SHOW_TEXT},
    {"ACCOUNT", "handle", SHOW_TEXT},
    {"FINGERPRINT", "fingerprint", SHOW_TEXT},
    {"MD5", "fingerprint_md5", SHOW_TEXT},
    {"PROJECTS", "reach", SHOW_TEXT},
    {"VALID", "valid", SHOW_TEXT},
    {"LAST USED", "last_used.at", SHOW_TIME},
    {NULL, NULL, SHOW_TEXT},
};

static const struct show_column show_columns[] = {
    {"title", "title", SHOW_TEXT},
    {"account", "handle", SHOW_TEXT},
    {"state", "state", SHOW_TEXT},
    {"valid", "valid", SHOW_TEXT},
    {"type", "key_type", SHOW_TEXT},
    {"bits", "bits", SHOW_TEXT},
    {"SHA256", "fingerprint", SHOW_TEXT},
    {"MD5", "fingerprint_md5", SHOW_TEXT},
    {"opens", "reach", SHOW_TEXT},
    {"from", "from", SHOW_TEXT},
    {"hosts", "hosts", SHOW_TEXT},
    {"tags", "tags", SHOW_TEXT},
    {"note", "note", SHOW_TEXT},
    {"created", "created", SHOW_TIME},
    {"not before", "not_before", SHOW_FROM},
    {"expires", "expires", SHOW_TIME},
    {"last used", "last_used.at", SHOW_TIME},
    {"in project", "last_used.project", SHOW_ID},
    {"used from", "last_used.from", SHOW_TEXT},
    {"times used", "last_used.count", SHOW_TEXT},
    {NULL, NULL, SHOW_TEXT},
};

/* The projects that a registration names; NULL in ${projects} when it reaches all. */
enum ka_result
key_read_reach(struct ka_store *store, const struct ka_key *key, json_t **projects)
{
	struct ka_row row = {.keylen = 0};
	uint8_t project[KA_UUID_LEN];
	enum ka_result r;

	*projects = NULL;
	if (!key->named)
		return KA_OK;
	*projects = json_array();
	while ((r = ka_catalog_next_reach(store, key, &row, project)) == KA_OK)
		if (json_array_append_new(*projects, json_uuid(project)) != 0) {
			r = KA_UNAVAIL;
			break;
		}
	if (r == KA_NOTFOUND)
		return KA_OK;
	json_decref(*projects);
	*projects = NULL;
	return r;
}

enum ka_result
key_next_reached(
    struct ka_store *store, const struct ka_key *key, struct key_reach *of, uint8_t project[static KA_UUID_LEN])
{
	return key->named ? ka_catalog_next_reach(store, key, &of->row, project)
			  : ka_catalog_next_project_of(store, key->account, 0, &of->at, project);
}

/* The registration that the first argument and --account name. */
enum ka_result
key_find(const struct cli *cli, struct ka_store *store, struct ka_key *key, struct ka_error *err)
{
	const char *of = cli_value(cli, "account", 0);
	struct ka_account account;
	enum ka_result r;

	if (of != NULL && (r = ka_catalog_find_account(store, of, &account, err)) != KA_OK)
		return r;
	return ka_catalog_find_key(store, cli->args[0], of != NULL ? &account : NULL, key, err);
}

/* "all", or the first eight digits of each project that the key names. For the table; scripts read "projects". */
static json_t *
short_reach(json_t *projects)
{
	json_t *list, *project;
	size_t i;

	if (projects == NULL)
		return json_string("all");
	list = json_array();
	json_array_foreach(projects, i, project)
	{
		if (json_array_append_new(list, json_stringn(json_string_value(project), KA_UUID_PREFIX)) != 0)
			break;
	}
	return list;
}

/* "yes", or why this key of this account opens nothing now. */
static enum ka_result
add_validity(struct ka_store *store, const struct ka_account *account, const struct ka_key *key, json_t *object)
{
	struct ka_access_question q = {.at_s = ka_time_now(), .address_to_sshd = true};
	struct ka_settings settings;
	char host[256] = "";
	enum ka_reason reason;
	enum ka_result r;

	if ((r = ka_store_settings(store, &settings)) != KA_OK)
		return r;
	(void)gethostname(host, sizeof(host) - 1);
	q.host = host;
	reason = ka_access_judge_key(&settings, account, key, &q);
	/* One that names no project any more reaches none. */
	if (reason == KA_REASON_GRANTED && key->named && json_array_size(json_object_get(object, "projects")) == 0)
		reason = KA_REASON_KEY_REACH;
	return json_object_set_new(object, "valid",
		   json_string(reason == KA_REASON_GRANTED ? "yes" : ka_access_reason_name(reason))) == 0
		   ? KA_OK
		   : KA_UNAVAIL;
}

/* Type and base64, as in a .pub file. */
json_t *
key_public(struct ka_store *store, const struct ka_key *key)
{
	char base64[KA_BASE64_LEN(KA_SSHKEY_BLOB_MAX)];
	uint8_t blob[KA_SSHKEY_BLOB_MAX];
	size_t len = sizeof(blob);

	if (ka_store_get_blob(store, key->sha256, blob, &len) != KA_OK ||
	    ka_base64_encode(blob, len, base64, sizeof(base64)) != KA_OK)
		return NULL;
	return json_sprintf("%s %s", key->type, base64);
}

static enum ka_result
describe(
    const struct cli *cli, struct ka_store *store, const struct ka_key *key, const struct ka_use *use, json_t **object)
{
	struct ka_account account;
	json_t *projects;
	enum ka_result r;

	if (ka_catalog_get_account(store, key->account, &account) != KA_OK)
		return KA_CORRUPT;
	if ((r = key_read_reach(store, key, &projects)) != KA_OK)
		return r;
	if ((*object = json_key(key, &account, projects)) == NULL ||
	    json_object_set_new(*object, "key", key_public(store, key)) != 0 ||
	    json_object_set_new(*object, "last_used", json_last_used(use)) != 0)
		return KA_UNAVAIL;
	if (cli->json)
		return KA_OK;
	if (json_object_set_new(*object, "reach", short_reach(projects)) != 0)
		return KA_UNAVAIL;
	return add_validity(store, &account, key, *object);
}

enum ka_result
key_reaches(struct ka_store *store, const struct ka_key *key, const struct ka_project *project)
{
	struct key_reach of = {.row = {.keylen = 0}};
	uint8_t id[KA_UUID_LEN];
	enum ka_result r;

	while ((r = key_next_reached(store, key, &of, id)) == KA_OK && memcmp(id, project->id, KA_UUID_LEN) != 0)
		;
	return r;
}

struct filter {
	struct ka_account account;
	struct ka_project project;
	bool by_account, by_project;
	const char *tag, *type, *state, *origin;  /* NULL: any */
	int64_t unused_since_s, expires_before_s; /* 0: any */
};

static enum ka_result
read_filter(const struct cli *cli, struct ka_store *store, struct filter *filter, struct ka_error *err)
{
	const char *project = cli_value(cli, "project", 0);
	enum ka_result r;

	memset(filter, 0, sizeof(*filter));
	filter->by_account = cli->nargs > 0;
	filter->by_project = project != NULL;
	filter->tag = cli_value(cli, "tag", 0);
	filter->type = cli_value(cli, "type", 0);
	filter->state = cli_value(cli, "state", 0);
	filter->origin = cli_value(cli, "origin", 0);
	if (filter->state != NULL && strcmp(filter->state, "active") != 0 && strcmp(filter->state, "inactive") != 0)
		return ka_result_fail(err, KA_INVALID, "--state \"%s\": write active or inactive", filter->state);
	if ((r = cli_time(cli, "unused-since", &filter->unused_since_s, err)) != KA_OK ||
	    (r = cli_time(cli, "expires-before", &filter->expires_before_s, err)) != KA_OK)
		return r;
	if (filter->by_account && (r = ka_catalog_find_account(store, cli->args[0], &filter->account, err)) != KA_OK)
		return r;
	if (filter->by_project && (r = ka_catalog_find_project(store, project, &filter->project, err)) != KA_OK)
		return r;
	return KA_OK;
}

static bool
has_tag(const struct ka_key *key, const char *tag)
{
	size_t len = strlen(tag);

	for (const char *at = key->tags; *at != '\0'; at += *at == ',') {
		size_t n = strcspn(at, ",");

		if (n == len && strncmp(at, tag, n) == 0)
			return true;
		at += n;
	}
	return false;
}

/* Does the key pass the filters that need no look into the database? ${use} is its last use. */
static bool
passes(const struct filter *f, const struct ka_key *key, const struct ka_use *use)
{
	if (f->tag != NULL && !has_tag(key, f->tag))
		return false;
	if (f->type != NULL && strcmp(key->type, f->type) != 0)
		return false;
	if (f->origin != NULL && strcmp(key->origin, f->origin) != 0)
		return false;
	if (f->state != NULL && (strcmp(f->state, "active") == 0) != (key->state == KA_KEY_ACTIVE))
		return false;
	if (f->unused_since_s != 0 && use->at_s >= f->unused_since_s)
		return false;
	return f->expires_before_s == 0 || (key->expires_s != 0 && key->expires_s < f->expires_before_s);
}

/* Append the key, if it passes. */
static enum ka_result
collect_one(const struct cli *cli, struct ka_store *store, struct ka_usage *usage, const struct filter *filter,
    const struct ka_key *key, json_t *rows)
{
	json_t *object = NULL;
	struct ka_use use;
	enum ka_result r;

	if ((r = ka_usage_of_key(usage, key->sha256, key->account, &use)) != KA_OK)
		return r;
	if (!passes(filter, key, &use))
		return KA_OK;
	if (filter->by_project && (r = key_reaches(store, key, &filter->project)) != KA_OK)
		return r == KA_NOTFOUND ? KA_OK : r;
	if ((r = describe(cli, store, key, &use, &object)) != KA_OK) {
		json_decref(object);
		return r;
	}
	return json_array_append_new(rows, object) == 0 ? KA_OK : KA_UNAVAIL;
}

static enum ka_result
collect(
    const struct cli *cli, struct ka_store *store, struct ka_usage *usage, const struct filter *filter, json_t *rows)
{
	struct ka_row row = {.keylen = 0};
	struct ka_key key;
	enum ka_result r;

	while ((r = filter->by_account ? ka_catalog_next_key_of(store, filter->account.id, &row, &key)
				       : ka_catalog_next_key(store, &row, &key)) == KA_OK)
		if ((r = collect_one(cli, store, usage, filter, &key, rows)) != KA_OK)
			return r;
	return r == KA_NOTFOUND ? KA_OK : r;
}

enum cli_status
key_run_list(struct cli *cli)
{
	struct ka_store *store = NULL;
	struct ka_usage *usage = NULL;
	const struct key_order *order;
	struct filter filter;
	struct ka_error err = {""};
	json_t *rows = json_array();
	enum ka_result r;

	if ((r = key_read_order(cli, &order, &err)) == KA_OK &&
	    (r = cli_open_with_usage(cli, &store, &usage, &err)) == KA_OK &&
	    (r = read_filter(cli, store, &filter, &err)) == KA_OK &&
	    (r = collect(cli, store, usage, &filter, rows)) != KA_OK)
		(void)ka_store_fail(store, r, &err);
	ka_usage_close(usage);
	ka_store_close(store);
	if (r == KA_OK)
		return show_list(cli, key_sort_rows(rows, order), list_columns,
		    "There are no such keys: keyacct key add ACCOUNT FILE");
	json_decref(rows);
	return cli_fail(cli, r, &err);
}

enum cli_status
key_run_show(struct cli *cli)
{
	struct ka_store *store = NULL;
	struct ka_usage *usage = NULL;
	struct ka_key key;
	struct ka_use use;
	struct ka_error err = {""};
	json_t *object = NULL;
	enum ka_result r;

	if ((r = cli_open_with_usage(cli, &store, &usage, &err)) == KA_OK &&
	    (r = key_find(cli, store, &key, &err)) == KA_OK &&
	    ((r = ka_usage_of_key(usage, key.sha256, key.account, &use)) != KA_OK ||
		(r = describe(cli, store, &key, &use, &object)) != KA_OK))
		(void)ka_store_fail(store, r, &err);
	ka_usage_close(usage);
	ka_store_close(store);
	if (r == KA_OK)
		return show_object(cli, object, show_columns);
	json_decref(object);
	return cli_fail(cli, r, &err);
}
