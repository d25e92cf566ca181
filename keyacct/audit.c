/*
 * keyacct audit: what deserves a look. What it asks of roles, states, times and settings, common/access answers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/access.h"
#include "common/catalog.h"
#include "common/membership.h"
#include "common/settings.h"
#include "common/usage.h"
#include "keyacct/cli.h"
#include "keyacct/json.h"
#include "keyacct/show.h"

#define DAY_S        86400
#define UNUSED_DAYS  90
#define EXPIRES_DAYS 30
#define DAYS_MAX     36500
#define DETAIL_LEN   (KA_HOSTS_LEN + KA_TITLE_LEN + 64)

/* In the order in which they are listed. Where a login has a word for it, it is that one. */
enum what {
	KEY_TYPE,
	KEY_BITS,
	KEY_NO_TOKEN,
	KEY_HOST,
	KEY_EXPIRED,
	KEY_EXPIRES,
	KEY_UNUSED,
	PROJECT_NO_OWNER,
	ACCOUNT_NO_KEYS,
	MEMBER_EXPIRED,
	WHATS
};
static const char *const what_names[WHATS] = {
    [KEY_TYPE] = "key-type",
    [KEY_BITS] = "key-bits",
    [KEY_NO_TOKEN] = "key-no-token",
    [KEY_HOST] = "key-host",
    [KEY_EXPIRED] = "key-expired",
    [KEY_EXPIRES] = "key-expires",
    [KEY_UNUSED] = "key-unused",
    [PROJECT_NO_OWNER] = "project-no-owner",
    [ACCOUNT_NO_KEYS] = "account-no-keys",
    [MEMBER_EXPIRED] = "member-expired",
};

static const struct show_column columns[] = {
    {"WHAT", "what", SHOW_TEXT},
    {"ACCOUNT", "handle", SHOW_TEXT},
    {"TITLE", "title", SHOW_TEXT},
    {"ID", "id", SHOW_TEXT},
    {"DETAIL", "detail", SHOW_TEXT},
    {NULL, NULL, SHOW_TEXT},
};

struct audit {
	const struct cli *cli;
	struct ka_store *store;
	struct ka_usage *usage;
	struct ka_settings settings;
	int64_t now_s, unused_since_s, expires_before_s;
	json_t *rows[WHATS];
};

/* What a row is about; what does not apply is NULL. */
struct about {
	const uint8_t *account, *group, *project;
	const char *handle, *fingerprint, *title;
};

static json_t *
json_id(const uint8_t *id)
{
	return id != NULL ? json_uuid(id) : json_null();
}

/* ${at_s} is the time that the sentence ${detail} tells, or 0. */
static enum ka_result
add_row(struct audit *a, enum what what, const struct about *of, int64_t at_s, const char *detail)
{
	char name[KA_UUID_NAME_LEN];
	json_t *row = json_pack("{s:s,s:o,s:o,s:s?,s:o,s:s?,s:s?,s:o,s:s}", "what", what_names[what], "account",
	    json_id(of->account), "group", json_id(of->group), "handle", of->handle, "project", json_id(of->project),
	    "fingerprint", of->fingerprint, "title", of->title, "at", json_time(at_s), "detail", detail);

	/* For people: what to give to the next command. */
	if (row != NULL && !a->cli->json) {
		if (of->project != NULL)
			ka_uuid_name(of->project, name);
		(void)json_object_set_new(
		    row, "id", of->project != NULL ? json_string(name) : json_pack("s?", of->fingerprint));
	}
	return row != NULL && json_array_append_new(a->rows[what], row) == 0 ? KA_OK : KA_UNAVAIL;
}

/* A time inside a sentence, in the form that goes with the output. */
static void
format_time(const struct audit *a, int64_t at_s, char text[static KA_TIME_TEXT_LEN])
{
	if (a->cli->json)
		ka_time_format_utc(at_s, text);
	else
		show_format_time(at_s, text);
}

/* Keys */

/* Which setting the key breaks, and how. */
static enum ka_result
audit_settings(struct audit *a, const struct ka_key *key, const struct about *of)
{
	const struct ka_settings *s = &a->settings;
	enum ka_reason reason = ka_access_judge_settings(s, key);
	char detail[DETAIL_LEN];

	if (reason == KA_REASON_KEY_TYPE) {
		(void)snprintf(detail, sizeof(detail), "Its type is %s, and key-types is %s.", key->type, s->key_types);
		return add_row(a, KEY_TYPE, of, 0, detail);
	}
	if (reason == KA_REASON_KEY_BITS) {
		(void)snprintf(
		    detail, sizeof(detail), "It has %u bits, and rsa-bits is %u.", key->bits, s->rsa_bits_min);
		return add_row(a, KEY_BITS, of, 0, detail);
	}
	if (reason == KA_REASON_KEY_NO_TOKEN) {
		(void)snprintf(
		    detail, sizeof(detail), "Its type is %s, and security-keys wants a security key's.", key->type);
		return add_row(a, KEY_NO_TOKEN, of, 0, detail);
	}
	if (reason == KA_REASON_KEY_HOST) {
		(void)snprintf(detail, sizeof(detail), "It is for %s, and host is %s.", key->hosts, s->host);
		return add_row(a, KEY_HOST, of, 0, detail);
	}
	return KA_OK;
}

static enum ka_result
audit_end(struct audit *a, const struct ka_key *key, const struct about *of)
{
	bool ended = ka_access_has_ended(key->expires_s, a->now_s);
	char text[KA_TIME_TEXT_LEN], detail[DETAIL_LEN];

	if (!ended && !ka_access_has_ended(key->expires_s, a->expires_before_s))
		return KA_OK;
	format_time(a, key->expires_s, text);
	(void)snprintf(detail, sizeof(detail), ended ? "It expired at %s." : "It expires at %s.", text);
	return add_row(a, ended ? KEY_EXPIRED : KEY_EXPIRES, of, key->expires_s, detail);
}

static enum ka_result
audit_use(struct audit *a, const struct ka_key *key, const struct about *of)
{
	char text[KA_TIME_TEXT_LEN], detail[DETAIL_LEN];
	struct ka_use use;
	enum ka_result r;

	if ((r = ka_usage_of_key(a->usage, key->sha256, key->account, &use)) != KA_OK)
		return r;
	if ((use.count > 0 ? use.at_s : key->created_s) >= a->unused_since_s)
		return KA_OK;
	format_time(a, use.count > 0 ? use.at_s : key->created_s, text);
	(void)snprintf(detail, sizeof(detail),
	    use.count > 0 ? "It was last used at %s." : "It was added at %s and never used.", text);
	return add_row(a, KEY_UNUSED, of, use.at_s, detail);
}

static enum ka_result
audit_keys(struct audit *a)
{
	char fingerprint[KA_SHA256_TEXT_LEN];
	struct ka_row row = {.keylen = 0};
	struct ka_account account;
	struct ka_key key;
	enum ka_result r;

	while ((r = ka_catalog_next_key(a->store, &row, &key)) == KA_OK) {
		struct about of = {
		    .account = key.account, .handle = account.handle, .fingerprint = fingerprint, .title = key.title};

		ka_fingerprint_format(key.sha256, fingerprint);
		if ((r = ka_catalog_get_account(a->store, key.account, &account)) != KA_OK)
			return r == KA_NOTFOUND ? KA_CORRUPT : r;
		if ((r = audit_settings(a, &key, &of)) != KA_OK || (r = audit_end(a, &key, &of)) != KA_OK ||
		    (r = audit_use(a, &key, &of)) != KA_OK)
			return r;
	}
	return r == KA_NOTFOUND ? KA_OK : r;
}

/* Projects and their members */

static enum ka_result
audit_members(struct audit *a, const struct ka_project *project)
{
	char name[KA_SUBJECT_NAME_LEN], text[KA_TIME_TEXT_LEN], detail[DETAIL_LEN];
	struct ka_row row = {.keylen = 0};
	struct ka_member member;
	enum ka_result r;

	while ((r = ka_catalog_next_member(a->store, project->id, &row, &member)) == KA_OK) {
		bool group = member.kind == KA_SUBJECT_GROUP;
		struct about of = {.account = group ? NULL : member.subject,
		    .group = group ? member.subject : NULL,
		    .project = project->id,
		    .handle = name,
		    .title = project->title};

		if (!ka_access_has_ended(member.expires_s, a->now_s))
			continue;
		if (ka_catalog_subject_name(a->store, member.kind, member.subject, name) != KA_OK)
			return KA_CORRUPT;
		format_time(a, member.expires_s, text);
		(void)snprintf(detail, sizeof(detail), "It was %s until %s.", ka_access_role_name(member.role), text);
		if ((r = add_row(a, MEMBER_EXPIRED, &of, member.expires_s, detail)) != KA_OK)
			return r;
	}
	return r == KA_NOTFOUND ? KA_OK : r;
}

static enum ka_result
audit_projects(struct audit *a)
{
	struct ka_row row = {.keylen = 0};
	struct ka_project project;
	enum ka_result r;

	while ((r = ka_catalog_next_project(a->store, &row, &project)) == KA_OK) {
		const struct about of = {.project = project.id, .title = project.title};

		if (project.state == KA_PROJECT_DELETED)
			continue;
		if ((r = ka_membership_has_owner(a->store, project.id, NULL)) == KA_NOTFOUND)
			r = add_row(a, PROJECT_NO_OWNER, &of, 0, "No active account owns it for good.");
		if (r != KA_OK || (r = audit_members(a, &project)) != KA_OK)
			return r;
	}
	return r == KA_NOTFOUND ? KA_OK : r;
}

static enum ka_result
audit_accounts(struct audit *a)
{
	struct ka_row row = {.keylen = 0};
	struct ka_account account;
	enum ka_result r;

	while ((r = ka_catalog_next_account(a->store, &row, &account)) == KA_OK) {
		const struct about of = {.account = account.id, .handle = account.handle};
		struct ka_row key_row = {.keylen = 0};
		struct ka_key key;

		if ((r = ka_catalog_next_key_of(a->store, account.id, &key_row, &key)) == KA_NOTFOUND)
			r = add_row(a, ACCOUNT_NO_KEYS, &of, 0, "It has no key.");
		if (r != KA_OK)
			return r;
	}
	return r == KA_NOTFOUND ? KA_OK : r;
}

/* Options */

/* --unused: a number of days, or since when. */
static enum ka_result
read_unused(const struct cli *cli, struct audit *a, struct ka_error *err)
{
	const char *value = cli_value(cli, "unused", 0);
	unsigned long days = value != NULL ? strtoul(value, NULL, 10) : UNUSED_DAYS;

	if (value == NULL || value[strspn(value, "0123456789")] == '\0') {
		if (days < 1 || days > DAYS_MAX)
			return ka_result_fail(err, KA_INVALID,
			    "--unused \"%s\" is no number of days: write one from 1 to %d, or a time such as "
			    "2026-01-31",
			    value, DAYS_MAX);
		a->unused_since_s = a->now_s - (int64_t)days * DAY_S;
		return KA_OK;
	}
	if (cli_time(cli, "unused", &a->unused_since_s, err) != KA_OK || a->unused_since_s > a->now_s)
		return ka_result_fail(err, KA_INVALID,
		    "--unused \"%s\" is neither a number of days nor a time that has passed: write 90, or 2026-01-31",
		    value);
	return KA_OK;
}

static enum ka_result
read_options(const struct cli *cli, struct audit *a, struct ka_error *err)
{
	a->now_s = ka_time_now();
	a->expires_before_s = a->now_s + EXPIRES_DAYS * (int64_t)DAY_S;
	if (cli_time(cli, "expires-before", &a->expires_before_s, err) != KA_OK)
		return KA_INVALID;
	return read_unused(cli, a, err);
}

/* All kinds of rows in one array, in their order; NULL when memory ran out. */
static json_t *
join_rows(struct audit *a)
{
	json_t *all = json_array();
	int rc = 0;

	for (unsigned i = 0; i < WHATS; i++) {
		rc |= json_array_extend(all, a->rows[i]);
		json_decref(a->rows[i]);
	}
	if (rc == 0)
		return all;
	json_decref(all);
	return NULL;
}

static enum cli_status
run_audit(struct cli *cli)
{
	struct audit a = {.cli = cli};
	struct ka_error err = {""};
	json_t *all;
	enum ka_result r;

	if ((r = read_options(cli, &a, &err)) != KA_OK)
		return cli_fail(cli, r, &err);
	for (unsigned i = 0; i < WHATS; i++)
		a.rows[i] = json_array();
	if ((r = cli_open_with_usage(cli, &a.store, &a.usage, &err)) == KA_OK &&
	    ((r = ka_store_settings(a.store, &a.settings)) != KA_OK || (r = audit_keys(&a)) != KA_OK ||
		(r = audit_projects(&a)) != KA_OK || (r = audit_accounts(&a)) != KA_OK))
		(void)ka_store_fail(a.store, r, &err);
	ka_usage_close(a.usage);
	ka_store_close(a.store);
	all = join_rows(&a);
	if (r == KA_OK)
		return show_list(cli, all, columns, "Nothing deserves a look.");
	json_decref(all);
	return cli_fail(cli, r, &err);
}

static const struct cli_option options[] = {
    {"unused", "DAYS|TIME", "keys that were not used for so many days (90), or since then", false},
    {"expires-before", "TIME", "keys that expire before then (+30d)", false},
    {"csv", NULL, "print comma-separated values", false},
    {0},
};

const struct cli_verb audit_verbs[] = {
    {"audit", NULL, "", 0, 0, options, "List keys, accounts and projects that deserve a look.",
	"keyacct audit --unused 180", CLI_KEEPS_ACCESS, run_audit},
    {0},
};
