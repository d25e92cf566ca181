/*
 * keyacct key: register public keys, and change what they may be used for. Showing them is in key_list.c.
 */
#include <stdio.h>
#include <string.h>

#include "common/catalog.h"
#include "common/registration.h"
#include "common/text.h"
#include "keyacct/cli.h"
#include "keyacct/command.h"
#include "keyacct/input.h"
#include "keyacct/json.h"
#include "keyacct/show.h"
#include "keyacct/key.h"

/* How many of an account's projects are named after a key was added; more would bury the message. */
#define LOGINS_SHOWN 5

/* Lists of words: "a, b" is stored as "a,b". */
static enum ka_result
read_list(const struct cli *cli, const char *name, char *out, size_t outlen, struct ka_error *err)
{
	size_t n = 0;
	enum ka_result r;

	if (cli_value(cli, name, 0) == NULL)
		return KA_OK;
	if ((r = cli_text(cli, name, out, outlen, err)) != KA_OK)
		return r;
	for (const char *c = out; *c != '\0'; c++)
		if (*c != ' ' || (n > 0 && out[n - 1] != ',' && c[1] != ',' && c[1] != '\0'))
			out[n++] = *c;
	out[n] = '\0';
	if (n > 0 && (out[0] == ',' || out[n - 1] == ',' || strstr(out, ",,") != NULL))
		return ka_result_fail(
		    err, KA_INVALID, "--%s \"%s\" has an empty element", name, cli_value(cli, name, 0));
	return KA_OK;
}

/* What the options say, laid over ${key}. An empty value takes a limit away. */
static enum ka_result
read_fields(const struct cli *cli, struct ka_key *key, struct ka_error *err)
{
	enum ka_result r;

	if ((r = cli_text(cli, "title", key->title, sizeof(key->title), err)) != KA_OK ||
	    (r = cli_text(cli, "note", key->note, sizeof(key->note), err)) != KA_OK ||
	    (r = read_list(cli, "tags", key->tags, sizeof(key->tags), err)) != KA_OK ||
	    (r = read_list(cli, "from", key->from, sizeof(key->from), err)) != KA_OK ||
	    (r = read_list(cli, "hosts", key->hosts, sizeof(key->hosts), err)) != KA_OK ||
	    (r = cli_limit(cli, "not-before", &key->not_before_s, err)) != KA_OK)
		return r;
	return cli_end(cli, "expires", &key->expires_s, err);
}

/* A limit that comes out empty, say of a variable that was not set, would be none. */
static enum ka_result
check_limits(const struct cli *cli, const struct ka_key *key, struct ka_error *err)
{
	if (cli_value(cli, "from", 0) != NULL && key->from[0] == '\0')
		return ka_result_fail(
		    err, KA_INVALID, "--from is empty: leave it out for a key that may come from everywhere");
	if (cli_value(cli, "hosts", 0) != NULL && key->hosts[0] == '\0')
		return ka_result_fail(
		    err, KA_INVALID, "--hosts is empty: leave it out for a key that is for every host");
	return KA_OK;
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
collect_logins(
    struct ka_store *store, const struct ka_key *key, char logins[static LOGINS_SHOWN][KA_UUID_NAME_LEN], size_t *total)
{
	struct key_reach of = {.row = {.keylen = 0}};
	uint8_t id[KA_UUID_LEN];
	enum ka_result r;

	*total = 0;
	while ((r = key_next_reached(store, key, &of, id)) == KA_OK) {
		if (*total < LOGINS_SHOWN)
			ka_uuid_name(id, logins[*total]);
		(*total)++;
	}
	return r == KA_NOTFOUND ? KA_OK : r;
}

static void
say_added(const struct ka_key *key, const struct ka_account *account, const char *host,
    char logins[static LOGINS_SHOWN][KA_UUID_NAME_LEN], size_t total)
{
	char fingerprint[KA_SHA256_TEXT_LEN];

	ka_fingerprint_format(key->sha256, fingerprint);
	(void)printf("The key \"%s\" (%s) of \"%s\" opens %s", key->title, fingerprint, account->handle,
	    key->named ? "nothing but this" : "every project that the account owns or collaborates in");
	if (key->from[0] != '\0')
		(void)printf(", from %s", key->from);
	if (key->hosts[0] != '\0')
		(void)printf(", on %s", key->hosts);
	show_window(key->not_before_s, key->expires_s);
	(void)printf(":\n");
	if (total == 0)
		(void)printf(
		    "there is none yet; next: keyacct project add --owner %s, or keyacct member add PROJECT %s\n",
		    account->handle, account->handle);
	if (total > LOGINS_SHOWN)
		(void)printf("%zu projects, among them:\n", total);
	for (size_t i = 0; i < total && i < LOGINS_SHOWN; i++)
		(void)printf("ssh %s@%s\n", logins[i], host);
}

static enum ka_result
check_account(const struct cli *cli, struct ka_error *err)
{
	struct ka_store *store = NULL;
	struct ka_account account;
	enum ka_result r;

	if ((r = ka_store_open(cli->dir, false, &store, err)) == KA_OK)
		r = ka_catalog_find_account(store, cli->args[0], &account, err);
	ka_store_close(store);
	return r;
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
	const char *host = "";
	size_t total = 0;
	enum ka_result r;

	/* Read before the lock is taken, since a person may think for a while before pasting; but not for nobody. */
	if ((r = read_fields(cli, &key, &err)) != KA_OK || (r = check_limits(cli, &key, &err)) != KA_OK ||
	    (r = check_account(cli, &err)) != KA_OK ||
	    (r = input_key(cli->nargs > 1 ? cli->args[1] : NULL, &sshkey, &err)) != KA_OK)
		return cli_fail(cli, r, &err);
	if ((r = command_open(cli, &store, &err)) == KA_OK &&
	    (r = ka_catalog_find_account(store, cli->args[0], &account, &err)) == KA_OK) {
		memcpy(key.account, account.id, KA_UUID_LEN);
		if ((r = ka_registration_add(store, &key, &sshkey, &err)) == KA_OK &&
		    (r = add_reach(cli, store, &key, &err)) == KA_OK &&
		    ((r = collect_logins(store, &key, logins, &total)) != KA_OK ||
			(r = cli_host(cli, store, &host)) != KA_OK ||
			(r = key_read_reach(store, &key, &projects)) != KA_OK))
			(void)ka_store_fail(store, r, &err);
	}
	if ((status = command_finish(cli, store, r, &err)) != CLI_DONE) {
		json_decref(projects);
		return status;
	}
	if (cli->json)
		return show_object(cli, json_key(&key, &account, projects), NULL);
	json_decref(projects);
	say_added(&key, &account, host, logins, total);
	return CLI_DONE;
}

/* Who has the same key is not stopped by what happens to this registration: the administrator should know. */
static enum ka_result
count_others(struct ka_store *store, const struct ka_key *key, size_t *n)
{
	struct ka_row row = {.keylen = 0};
	struct ka_key other;
	enum ka_result r;

	*n = 0;
	while ((r = ka_catalog_next_registration(store, key->sha256, &row, &other)) == KA_OK)
		*n += memcmp(other.account, key->account, KA_UUID_LEN) != 0;
	return r == KA_NOTFOUND ? KA_OK : r;
}

/* Open the database, find the registration, and let ${change} work on it. */
static enum cli_status
with_key(struct cli *cli,
    enum ka_result (*change)(const struct cli *, struct ka_store *, struct ka_key *, struct ka_error *),
    const char *said)
{
	struct ka_store *store = NULL;
	struct ka_error err = {""};
	struct ka_account account;
	json_t *projects = NULL;
	enum cli_status status;
	struct ka_key key;
	size_t others = 0;
	enum ka_result r;

	if ((r = command_open(cli, &store, &err)) == KA_OK && (r = key_find(cli, store, &key, &err)) == KA_OK &&
	    (r = ka_store_fail(store, ka_catalog_get_account(store, key.account, &account), &err)) == KA_OK &&
	    (r = change(cli, store, &key, &err)) == KA_OK)
		r = ka_store_fail(store, key_read_reach(store, &key, &projects), &err);
	if (r == KA_OK)
		r = ka_store_fail(store, count_others(store, &key, &others), &err);
	if ((status = command_finish(cli, store, r, &err)) != CLI_DONE) {
		json_decref(projects);
		return status;
	}
	if (cli->json)
		return show_object(cli, json_key(&key, &account, projects), NULL);
	json_decref(projects);
	(void)printf("The key \"%s\" of \"%s\" %s\n", key.title, account.handle, said);
	if (others > 0)
		(void)printf(
		    "%zu other account%s registered the same key, and still use%s it: keyacct key list shows who.\n",
		    others, others == 1 ? " has" : "s have", others == 1 ? "s" : "");
	return CLI_DONE;
}

static enum ka_result
activate(const struct cli *cli, struct ka_store *store, struct ka_key *key, struct ka_error *err)
{
	(void)cli;
	key->state = KA_KEY_ACTIVE;
	return ka_registration_change(store, key, err);
}

static enum ka_result
deactivate(const struct cli *cli, struct ka_store *store, struct ka_key *key, struct ka_error *err)
{
	(void)cli;
	key->state = KA_KEY_INACTIVE;
	return ka_registration_change(store, key, err);
}

static enum ka_result
remove_key(const struct cli *cli, struct ka_store *store, struct ka_key *key, struct ka_error *err)
{
	(void)cli;
	return ka_registration_remove(store, key, err);
}

/* Take out what --no-project names. A key that names no project any more opens nothing: that is worth a word. */
static enum ka_result
drop_reach(const struct cli *cli, struct ka_store *store, const struct ka_key *key, struct ka_error *err)
{
	struct ka_row row = {.keylen = 0};
	uint8_t id[KA_UUID_LEN];
	char text[KA_UUID_TEXT_LEN];
	struct ka_project project;
	const char *name;
	enum ka_result r;

	for (size_t i = 0; (name = cli_value(cli, "no-project", i)) != NULL; i++) {
		if ((r = ka_catalog_find_project(store, name, &project, err)) != KA_OK)
			return r;
		ka_uuid_text(project.id, text);
		if ((r = key_reaches(store, key, &project)) == KA_NOTFOUND)
			return ka_result_fail(err, KA_NOTFOUND,
			    "the key \"%s\" is not for project %s; 'keyacct key show' tells which it is for",
			    key->title, text);
		if (r != KA_OK || (r = ka_registration_remove_reach(store, key, project.id)) != KA_OK)
			return ka_store_fail(store, r, err);
	}
	if (cli_value(cli, "no-project", 0) == NULL || (r = ka_catalog_next_reach(store, key, &row, id)) == KA_OK)
		return KA_OK;
	if (r == KA_NOTFOUND)
		cli_warn(cli, "this key is for no project any more, and opens nothing: keyacct key set KEY --project "
			      "PROJECT, or keyacct key remove KEY");
	return r == KA_NOTFOUND ? KA_OK : ka_store_fail(store, r, err);
}

static const struct cli_option set_options[] = {
    {"account", "ACCOUNT", "whose registration, if several have the key", false},
    {"title", "TITLE", "what to call it", false},
    {"project", "PROJECT", "let it open this project too; may be given again", true},
    {"no-project", "PROJECT", "let it open this one no more; may be given again", true},
    {"not-before", "TIME|never", "not valid before then", false},
    {"expires", "TIME|never", "not valid from then on", false},
    {"from", "ADDRESSES", "only from these addresses or blocks; empty: everywhere", false},
    {"hosts", "HOSTS", "only on these hosts; empty: on every one", false},
    {"tags", "TAGS", "words to find it by; empty: none", false},
    {"note", "TEXT", "a remark", false},
    {0},
};

static enum ka_result
set(const struct cli *cli, struct ka_store *store, struct ka_key *key, struct ka_error *err)
{
	enum ka_result r;

	if (!cli_given(cli, set_options + 1)) /* behind --account, which says whose it is */
		return ka_result_fail(err, KA_INVALID, "nothing to change: 'keyacct key set --help' shows what can be");
	if ((r = read_fields(cli, key, err)) != KA_OK)
		return r;
	if (!key->named && (cli_value(cli, "project", 0) != NULL || cli_value(cli, "no-project", 0) != NULL))
		return ka_result_fail(err, KA_CONFLICT,
		    "the key \"%s\" opens all of its account's projects; to narrow it down, remove it and add it again "
		    "with --project",
		    key->title);
	if ((r = add_reach(cli, store, key, err)) != KA_OK || (r = drop_reach(cli, store, key, err)) != KA_OK)
		return r;
	return ka_registration_change(store, key, err);
}

static enum cli_status
run_activate(struct cli *cli)
{
	return with_key(cli, activate, "is switched on.");
}

static enum cli_status
run_deactivate(struct cli *cli)
{
	return with_key(cli, deactivate, "is switched off, and opens nothing any more.");
}

static enum cli_status
run_remove(struct cli *cli)
{
	bool origin = cli_value(cli, "origin", 0) != NULL;
	struct ka_error err;

	if (origin != (cli->nargs == 0))
		return cli_fail(cli,
		    ka_result_fail(&err, KA_INVALID, "it takes a KEY or --origin, %s",
			origin ? "and not both" : "and neither is given"),
		    &err);
	if (origin)
		return key_run_remove_origin(cli);
	if (cli_value(cli, "dry-run", 0) != NULL)
		return cli_fail(cli, ka_result_fail(&err, KA_INVALID, "--dry-run goes with --origin"), &err);
	return with_key(cli, remove_key, "is removed, and opens nothing any more.");
}

static enum cli_status
run_set(struct cli *cli)
{
	return with_key(cli, set, "is changed; it holds at once.");
}

static const struct cli_option add_options[] = {
    {"project", "PROJECT", "only for this project; may be given again", true},
    {"title", "TITLE", "what to call it (the first word of its comment)", false},
    {"not-before", "TIME|never", "not valid before then", false},
    {"expires", "TIME|never", "not valid from then on", false},
    {"from", "ADDRESSES", "only from these addresses or blocks, separated by commas", false},
    {"hosts", "HOSTS", "only on these hosts, separated by commas", false},
    {"tags", "TAGS", "words to find it by, separated by commas", false},
    {"note", "TEXT", "a remark", false},
    {"host", "HOST", "the host name to show", false},
    {0},
};

static const struct cli_option list_options[] = {
    {"project", "PROJECT", "only keys that are for this project", false},
    {"tag", "TAG", "only keys with this tag", false},
    {"type", "TYPE", "only keys of this type, such as ssh-rsa", false},
    {"state", "active|inactive", "only keys in this state", false},
    {"unused-since", "TIME", "only keys that were not used since then", false},
    {"expires-before", "TIME", "only keys that expire before then", false},
    {"origin", "LABEL", "only keys that an import brought under this label", false},
    {"sort", "FIELD", "by " KEY_ORDERS " (used)", false},
    {"csv", NULL, "print comma-separated values", false},
    {0},
};

static const struct cli_option one_options[] = {
    {"account", "ACCOUNT", "whose registration, if several have the key", false},
    {0},
};

static const struct cli_option remove_options[] = {
    {"account", "ACCOUNT", "whose registration, if several have the key", false},
    {"origin", "LABEL", "instead of KEY: all that an import brought under this label", false},
    {"dry-run", NULL, "with --origin: say which, and change nothing", false},
    {0},
};

const struct cli_verb key_verbs[] = {
    {"key", "add", "ACCOUNT [FILE|-]", 1, 2, add_options, "Register a public key, pasted or from a file.",
	"keyacct key add student --title laptop id_ed25519.pub", CLI_CHANGES_ACCESS, run_add},
    {"key", "list", "[ACCOUNT]", 0, 1, list_options, "List keys, the last used first if not sorted otherwise.",
	"keyacct key list student", CLI_KEEPS_ACCESS, key_run_list},
    {"key", "show", "KEY", 1, 1, one_options, "Show one key; KEY is its fingerprint.",
	"keyacct key show SHA256:nThbg6kX --account student", CLI_KEEPS_ACCESS, key_run_show},
    {"key", "set", "KEY", 1, 1, set_options, "Change what a key is called and where it may be used.",
	"keyacct key set SHA256:nThbg6kX --title desktop --expires +90d", CLI_CHANGES_ACCESS, run_set},
    {"key", "activate", "KEY", 1, 1, one_options, "Switch a key on again.", "keyacct key activate SHA256:nThbg6kX",
	CLI_CHANGES_ACCESS, run_activate},
    {"key", "deactivate", "KEY", 1, 1, one_options, "Switch a key off, without removing it.",
	"keyacct key deactivate SHA256:nThbg6kX", CLI_CHANGES_ACCESS, run_deactivate},
    {"key", "remove", "[KEY]", 0, 1, remove_options, "Remove a key, or all that one import brought.",
	"keyacct key remove SHA256:nThbg6kX", CLI_CHANGES_ACCESS, run_remove},
    {0},
};
