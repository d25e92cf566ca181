/*
 * keyacct key: the public keys that people registered.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/access.h"
#include "common/catalog.h"
#include "common/registration.h"
#include "common/usage.h"
#include "keyacct/cli.h"
#include "keyacct/input.h"
#include "keyacct/json.h"

/* How many of an account's projects are named after a key was added; more would bury the message. */
#define LOGINS_SHOWN 5

static const struct cli_column list_columns[] = {
    {"TITLE", "title", CLI_TEXT},
    {"ACCOUNT", "handle", CLI_TEXT},
    {"FINGERPRINT", "fingerprint", CLI_TEXT},
    {"MD5", "fingerprint_md5", CLI_TEXT},
    {"PROJECTS", "reach", CLI_TEXT},
    {"VALID", "valid", CLI_TEXT},
    {"LAST USED", "last_used.at", CLI_TIME},
    {NULL, NULL, CLI_TEXT},
};

static const struct cli_column show_columns[] = {
    {"title", "title", CLI_TEXT},
    {"account", "handle", CLI_TEXT},
    {"state", "state", CLI_TEXT},
    {"valid", "valid", CLI_TEXT},
    {"type", "key_type", CLI_TEXT},
    {"bits", "bits", CLI_TEXT},
    {"SHA256", "fingerprint", CLI_TEXT},
    {"MD5", "fingerprint_md5", CLI_TEXT},
    {"opens", "reach", CLI_TEXT},
    {"from", "from", CLI_TEXT},
    {"created", "created", CLI_TIME},
    {"not before", "not_before", CLI_FROM},
    {"expires", "expires", CLI_TIME},
    {"last used", "last_used.at", CLI_TIME},
    {"in project", "last_used.project", CLI_ID},
    {"used from", "last_used.from", CLI_TEXT},
    {"times used", "last_used.count", CLI_TEXT},
    {NULL, NULL, CLI_TEXT},
};

/* The projects that a registration names; NULL in ${projects} when it reaches all. */
static enum ka_result
read_reach(struct ka_store *store, const struct ka_key *key, json_t **projects)
{
	struct ka_row row = {.keylen = 0};
	uint8_t project[KA_UUID_LEN];
	enum ka_result r;

	*projects = NULL;
	if (!key->named)
		return KA_OK;
	*projects = json_array();
	while ((r = ka_catalog_next_reach(store, key, &row, project)) == KA_OK)
		if (json_array_append_new(*projects, json_uuid(project)) != 0)
			return KA_UNAVAIL;
	return r == KA_NOTFOUND ? KA_OK : r;
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
static json_t *
validity(const struct ka_account *account, const struct ka_key *key)
{
	struct ka_access_question q = {.at_s = ka_time_now(), .address_to_sshd = true};
	char host[256] = "";
	enum ka_reason reason;

	(void)gethostname(host, sizeof(host) - 1);
	q.host = host;
	reason = ka_access_judge_key(account, key, &q);
	return json_string(reason == KA_REASON_GRANTED ? "yes" : ka_access_reason_name(reason));
}

static enum ka_result
describe(const struct cli *cli, struct ka_store *store, struct ka_usage *usage, const struct ka_key *key, json_t **object)
{
	struct ka_account account;
	struct ka_use use;
	json_t *projects;
	enum ka_result r;

	if (ka_catalog_get_account(store, key->account, &account) != KA_OK)
		return KA_CORRUPT;
	if ((r = ka_usage_of_key(usage, key->sha256, key->account, &use)) != KA_OK ||
	    (r = read_reach(store, key, &projects)) != KA_OK)
		return r;
	if ((*object = json_key(key, &account, projects)) == NULL ||
	    json_object_set_new(*object, "last_used", json_last_used(&use)) != 0)
		return KA_UNAVAIL;
	if (!cli->json &&
	    (json_object_set_new(*object, "reach", short_reach(projects)) != 0 ||
		json_object_set_new(*object, "valid", validity(&account, key)) != 0))
		return KA_UNAVAIL;
	return KA_OK;
}

/* Step through the projects that a key reaches: those that it names, or all of its account's. */
struct reach_of {
	struct ka_row row;
	struct ka_project_of at;
};

static enum ka_result
next_reached(struct ka_store *store, const struct ka_key *key, struct reach_of *of, uint8_t project[static KA_UUID_LEN])
{
	return key->named ? ka_catalog_next_reach(store, key, &of->row, project)
			  : ka_catalog_next_project_of(store, key->account, &of->at, project);
}

static bool
reaches(struct ka_store *store, const struct ka_key *key, const struct ka_project *project)
{
	struct reach_of of = {.row = {.keylen = 0}};
	uint8_t id[KA_UUID_LEN];

	while (next_reached(store, key, &of, id) == KA_OK)
		if (memcmp(id, project->id, KA_UUID_LEN) == 0)
			return true;
	return false;
}

struct filter {
	struct ka_account account;
	struct ka_project project;
	bool by_account, by_project;
};

static enum ka_result
read_filter(const struct cli *cli, struct ka_store *store, struct filter *filter, struct ka_error *err)
{
	const char *project = cli_value(cli, "project", 0);
	enum ka_result r;

	filter->by_account = cli->nargs > 0;
	filter->by_project = project != NULL;
	if (filter->by_account && (r = ka_catalog_find_account(store, cli->args[0], &filter->account, err)) != KA_OK)
		return r;
	if (filter->by_project && (r = ka_catalog_find_project(store, project, &filter->project, err)) != KA_OK)
		return r;
	return KA_OK;
}

static enum ka_result
collect(const struct cli *cli, struct ka_store *store, struct ka_usage *usage, const struct filter *filter, json_t *rows)
{
	struct ka_row row = {.keylen = 0};
	struct ka_key key;
	enum ka_result r;

	while ((r = filter->by_account ? ka_catalog_next_key_of(store, filter->account.id, &row, &key)
				       : ka_catalog_next_key(store, &row, &key)) == KA_OK) {
		json_t *object = NULL;

		if (filter->by_project && !reaches(store, &key, &filter->project))
			continue;
		if ((r = describe(cli, store, usage, &key, &object)) != KA_OK)
			return r;
		if (json_array_append_new(rows, object) != 0)
			return KA_UNAVAIL;
	}
	return r == KA_NOTFOUND ? KA_OK : r;
}

/* Newest use first, never used last, then by fingerprint. */
static int
compare_rows(const void *a, const void *b)
{
	json_t *const *x = a, *const *y = b;
	const char *used_x = json_string_value(json_object_get(json_object_get(*x, "last_used"), "at"));
	const char *used_y = json_string_value(json_object_get(json_object_get(*y, "last_used"), "at"));
	int c = strcmp(used_y != NULL ? used_y : "", used_x != NULL ? used_x : "");

	if (c != 0)
		return c;
	return strcmp(json_string_value(json_object_get(*x, "fingerprint")),
	    json_string_value(json_object_get(*y, "fingerprint")));
}

/* jansson sorts no arrays: the references are taken out, sorted and put into a new one. */
static json_t *
sort_rows(json_t *rows)
{
	size_t n = json_array_size(rows);
	json_t *sorted = json_array();
	json_t **refs = calloc(n + 1, sizeof(json_t *));

	for (size_t i = 0; refs != NULL && i < n; i++)
		refs[i] = json_array_get(rows, i);
	if (refs != NULL)
		qsort(refs, n, sizeof(json_t *), compare_rows);
	for (size_t i = 0; refs != NULL && i < n; i++)
		if (json_array_append(sorted, refs[i]) != 0)
			break;
	free(refs);
	if (json_array_size(sorted) != n) {
		json_decref(sorted);
		sorted = NULL;
	}
	json_decref(rows);
	return sorted;
}

static enum cli_status
run_list(struct cli *cli)
{
	struct ka_store *store = NULL;
	struct ka_usage *usage = NULL;
	struct filter filter;
	struct ka_error err = {""};
	json_t *rows = json_array();
	enum ka_result r;

	if ((r = cli_open_with_usage(cli, &store, &usage, &err)) == KA_OK &&
	    (r = read_filter(cli, store, &filter, &err)) == KA_OK &&
	    (r = collect(cli, store, usage, &filter, rows)) != KA_OK)
		(void)ka_result_fail(&err, r, "the keys could not be read");
	ka_usage_close(usage);
	ka_store_close(store);
	if (r == KA_OK)
		return cli_list(cli, sort_rows(rows), list_columns, "There are no such keys: keyacct key add ACCOUNT FILE");
	json_decref(rows);
	return cli_fail(cli, r, &err);
}

/* The registration that the first argument and --account name. */
static enum ka_result
find_key(const struct cli *cli, struct ka_store *store, struct ka_key *key, struct ka_error *err)
{
	const char *of = cli_value(cli, "account", 0);
	struct ka_account account;
	enum ka_result r;

	if (of != NULL && (r = ka_catalog_find_account(store, of, &account, err)) != KA_OK)
		return r;
	return ka_catalog_find_key(store, cli->args[0], of != NULL ? &account : NULL, key, err);
}

static enum cli_status
run_show(struct cli *cli)
{
	struct ka_store *store = NULL;
	struct ka_usage *usage = NULL;
	struct ka_key key;
	struct ka_error err = {""};
	json_t *object = NULL;
	enum ka_result r;

	if ((r = cli_open_with_usage(cli, &store, &usage, &err)) == KA_OK && (r = find_key(cli, store, &key, &err)) == KA_OK &&
	    (r = describe(cli, store, usage, &key, &object)) != KA_OK)
		(void)ka_result_fail(&err, r, "the key could not be read");
	ka_usage_close(usage);
	ka_store_close(store);
	return r == KA_OK ? cli_show(cli, object, show_columns) : cli_fail(cli, r, &err);
}

static enum cli_status
run_remove(struct cli *cli)
{
	struct ka_store *store = NULL;
	struct ka_key key;
	struct ka_error err = {""};
	enum cli_status status;
	enum ka_result r;

	if ((r = ka_store_open(cli->dir, true, &store, &err)) == KA_OK && (r = find_key(cli, store, &key, &err)) == KA_OK)
		r = ka_registration_remove(store, &key, &err);
	if ((status = cli_finish(cli, store, r, &err)) != CLI_DONE)
		return status;
	if (!cli->json)
		(void)printf("The key \"%s\" is removed, and opens nothing from the next login on.\n", key.title);
	return CLI_DONE;
}

static enum ka_result
read_fields(const struct cli *cli, struct ka_key *key, struct ka_error *err)
{
	enum ka_result r;

	if ((r = cli_text(cli, "title", key->title, sizeof(key->title), err)) != KA_OK ||
	    (r = cli_text(cli, "note", key->note, sizeof(key->note), err)) != KA_OK ||
	    (r = cli_text(cli, "from", key->from, sizeof(key->from), err)) != KA_OK ||
	    (r = cli_time(cli, "not-before", &key->not_before_s, err)) != KA_OK)
		return r;
	if ((r = cli_time(cli, "expires", &key->expires_s, err)) != KA_OK)
		return r;
	return cli_future(cli, "expires", key->expires_s, err);
}

static enum ka_result
add_reach(const struct cli *cli, struct ka_store *store, const struct ka_key *key, struct ka_error *err)
{
	const char *name;
	enum ka_result r = KA_OK;

	for (size_t i = 0; r == KA_OK && (name = cli_value(cli, "project", i)) != NULL; i++) {
		struct ka_project project;

		if ((r = ka_catalog_find_project(store, name, &project, err)) == KA_OK)
			r = ka_registration_add_reach(store, key, &project, err);
	}
	return r;
}

/* The projects that the new key opens, so that the message can end with the line to type. */
static enum ka_result
collect_logins(struct ka_store *store, const struct ka_key *key, char logins[static LOGINS_SHOWN][KA_UUID_NAME_LEN],
    size_t *total)
{
	struct reach_of of = {.row = {.keylen = 0}};
	uint8_t id[KA_UUID_LEN];
	enum ka_result r;

	*total = 0;
	while ((r = next_reached(store, key, &of, id)) == KA_OK) {
		if (*total < LOGINS_SHOWN)
			ka_uuid_name(id, logins[*total]);
		(*total)++;
	}
	return r == KA_NOTFOUND ? KA_OK : r;
}

static void
say_added(const struct cli *cli, const struct ka_key *key, const struct ka_account *account,
    char logins[static LOGINS_SHOWN][KA_UUID_NAME_LEN], size_t total)
{
	char fingerprint[KA_SHA256_TEXT_LEN];

	ka_fingerprint_format(key->sha256, fingerprint);
	(void)printf("The key \"%s\" (%s) of \"%s\" opens %s:\n", key->title, fingerprint, account->handle,
	    key->named ? "nothing but this" : "every project that the account owns or collaborates in");
	if (total == 0)
		(void)printf("there is none yet; next: keyacct project add --owner %s\n", account->handle);
	if (total > LOGINS_SHOWN)
		(void)printf("%zu projects, among them:\n", total);
	for (size_t i = 0; i < total && i < LOGINS_SHOWN; i++)
		(void)printf("ssh %s@%s\n", logins[i], cli_host(cli));
}

static enum cli_status
run_add(struct cli *cli)
{
	struct ka_key key = {.state = KA_KEY_ACTIVE, .named = cli_value(cli, "project", 0) != NULL};
	char logins[LOGINS_SHOWN][KA_UUID_NAME_LEN];
	struct ka_store *store = NULL;
	struct ka_account account;
	struct ka_sshkey sshkey;
	struct ka_error err = {""};
	enum cli_status status;
	json_t *projects = NULL;
	size_t total = 0;
	enum ka_result r;

	/* Read before the lock is taken: a person may think for a while before pasting. */
	if ((r = read_fields(cli, &key, &err)) != KA_OK ||
	    (r = input_key(cli->nargs > 1 ? cli->args[1] : NULL, &sshkey, &err)) != KA_OK)
		return cli_fail(cli, r, &err);
	if ((r = ka_store_open(cli->dir, true, &store, &err)) == KA_OK &&
	    (r = ka_catalog_find_account(store, cli->args[0], &account, &err)) == KA_OK) {
		memcpy(key.account, account.id, KA_UUID_LEN);
		if ((r = ka_registration_add(store, &key, &sshkey, &err)) == KA_OK &&
		    (r = add_reach(cli, store, &key, &err)) == KA_OK &&
		    ((r = collect_logins(store, &key, logins, &total)) != KA_OK ||
			(r = read_reach(store, &key, &projects)) != KA_OK))
			(void)ka_result_fail(&err, r, "the account's projects could not be read");
	}
	if ((status = cli_finish(cli, store, r, &err)) != CLI_DONE) {
		json_decref(projects);
		return status;
	}
	if (cli->json)
		return cli_show(cli, json_key(&key, &account, projects), show_columns);
	json_decref(projects);
	say_added(cli, &key, &account, logins, total);
	return CLI_DONE;
}

static const struct cli_option add_options[] = {
    {"project", "PROJECT", "only for this project; may be given again"},
    {"title", "TITLE", "what to call it (the first word of its comment)"},
    {"not-before", "TIME", "not valid before then"},
    {"expires", "TIME", "not valid from then on"},
    {"from", "ADDRESSES", "only from these addresses or blocks, separated by commas"},
    {"note", "TEXT", "a remark"},
    {"host", "HOST", "the host name to show"},
    {NULL, NULL, NULL},
};

static const struct cli_option list_options[] = {
    {"project", "PROJECT", "only keys that are for this project"},
    {NULL, NULL, NULL},
};

static const struct cli_option one_options[] = {
    {"account", "ACCOUNT", "whose registration, if several have the key"},
    {NULL, NULL, NULL},
};

const struct cli_verb key_verbs[] = {
    {"key", "add", NULL, "ACCOUNT [FILE|-]", 1, 2, add_options, "Register a public key, pasted or from a file.",
	"keyacct key add student --title laptop id_ed25519.pub", run_add},
    {"key", "list", NULL, "[ACCOUNT]", 0, 1, list_options, "List keys, the last used first.", "keyacct key list student",
	run_list},
    {"key", "show", NULL, "KEY", 1, 1, one_options, "Show one key; KEY is its fingerprint.",
	"keyacct key show SHA256:nThbg6kX --account student", run_show},
    {"key", "remove", NULL, "KEY", 1, 1, one_options, "Remove a key.", "keyacct key remove SHA256:nThbg6kX", run_remove},
    {0},
};
