/*
 * keyacct account: the people.
 */
#include <stdio.h>
#include <string.h>

#include "common/catalog.h"
#include "common/model.h"
#include "keyacct/cli.h"
#include "keyacct/command.h"
#include "keyacct/json.h"
#include "keyacct/key.h"
#include "keyacct/show.h"

static const struct show_column list_columns[] = {
    {"HANDLE", "handle", SHOW_TEXT},
    {"NAME", "name", SHOW_TEXT},
    {"STATE", "state", SHOW_TEXT},
    {"KEYS", "keys", SHOW_TEXT},
    {"PROJECTS", "projects", SHOW_TEXT},
    {"ID", "id", SHOW_TEXT},
    {NULL, NULL, SHOW_TEXT},
};

static const struct show_column show_columns[] = {
    {"handle", "handle", SHOW_TEXT},
    {"id", "id", SHOW_TEXT},
    {"name", "name", SHOW_TEXT},
    {"email", "email", SHOW_TEXT},
    {"state", "state", SHOW_TEXT},
    {"created", "created", SHOW_TIME},
    {"keys", "keys", SHOW_TEXT},
    {"projects", "projects", SHOW_TEXT},
    {NULL, NULL, SHOW_TEXT},
};

/* The account with how many keys and projects it has. */
static enum ka_result
describe(struct ka_store *store, const struct ka_account *account, json_t **object)
{
	struct ka_row row = {.keylen = 0};
	json_int_t keys = 0, projects = 0;
	struct ka_project_of at = {.groups = false};
	uint8_t project[KA_UUID_LEN];
	struct ka_key key;
	enum ka_result r;

	while ((r = ka_catalog_next_key_of(store, account->id, &row, &key)) == KA_OK)
		keys++;
	if (r != KA_NOTFOUND)
		return r;
	while ((r = ka_catalog_next_project_of(store, account->id, 0, &at, project)) == KA_OK)
		projects++;
	if (r != KA_NOTFOUND)
		return r;
	*object = json_account(account);
	if (*object == NULL || json_object_set_new(*object, "keys", json_integer(keys)) != 0 ||
	    json_object_set_new(*object, "projects", json_integer(projects)) != 0)
		return KA_UNAVAIL;
	return KA_OK;
}

static enum ka_result
read_handle(const char *text, struct ka_account *account, struct ka_error *err)
{
	if (strlen(text) >= sizeof(account->handle))
		return ka_result_fail(err, KA_INVALID, "the handle \"%.80s...\" is too long: at most %zu characters",
		    text, sizeof(account->handle) - 1);
	(void)snprintf(account->handle, sizeof(account->handle), "%s", text);
	return KA_OK;
}

/* What --name and --email say, laid over ${account}. */
static enum ka_result
read_fields(const struct cli *cli, struct ka_account *account, struct ka_error *err)
{
	enum ka_result r;

	if ((r = cli_text(cli, "name", account->name, sizeof(account->name), err)) != KA_OK)
		return r;
	return cli_text(cli, "email", account->email, sizeof(account->email), err);
}

static enum cli_status
run_add(struct cli *cli)
{
	struct ka_account account = {.state = KA_ACCOUNT_ACTIVE};
	struct ka_store *store = NULL;
	struct ka_error err = {""};
	enum cli_status status;
	enum ka_result r = KA_OK;

	if (cli_value(cli, "id", 0) != NULL)
		r = cli_id(cli_value(cli, "id", 0), account.id, &err);
	if (r != KA_OK || (r = read_fields(cli, &account, &err)) != KA_OK ||
	    (r = read_handle(cli->args[0], &account, &err)) != KA_OK)
		return cli_fail(cli, r, &err);
	if ((r = command_open(cli, &store, &err)) == KA_OK)
		r = ka_model_add_account(store, &account, &err);
	if ((status = command_finish(cli, store, r, &err)) != CLI_DONE)
		return status;
	if (cli->json)
		return show_object(cli, json_account(&account), show_columns);
	(void)printf("Account \"%s\" is added. Next: keyacct key add %s\n", account.handle, account.handle);
	return CLI_DONE;
}

static enum ka_result
collect(struct ka_store *store, json_t *rows)
{
	struct ka_row row = {.keylen = 0};
	struct ka_account account;
	enum ka_result r;

	while ((r = ka_catalog_next_account(store, &row, &account)) == KA_OK) {
		json_t *object = NULL;

		if ((r = describe(store, &account, &object)) != KA_OK) {
			json_decref(object);
			return r;
		}
		if (json_array_append_new(rows, object) != 0)
			return KA_UNAVAIL;
	}
	return r == KA_NOTFOUND ? KA_OK : r;
}

static enum cli_status
run_list(struct cli *cli)
{
	struct ka_store *store = NULL;
	struct ka_error err = {""};
	json_t *rows = json_array();
	enum ka_result r;

	if ((r = ka_store_open(cli->dir, false, &store, &err)) == KA_OK && (r = collect(store, rows)) != KA_OK)
		(void)ka_store_fail(store, r, &err);
	ka_store_close(store);
	if (r == KA_OK)
		return show_list(cli, rows, list_columns, "There are no accounts yet: keyacct account add HANDLE");
	json_decref(rows);
	return cli_fail(cli, r, &err);
}

/* Open the database, find the account that the first argument names, and let ${change} work on it. */
static enum cli_status
with_account(struct cli *cli,
    enum ka_result (*change)(const struct cli *, struct ka_store *, struct ka_account *, struct ka_error *),
    const char *said)
{
	struct ka_store *store = NULL;
	struct ka_account account;
	struct ka_error err = {""};
	enum cli_status status;
	enum ka_result r;

	if ((r = command_open(cli, &store, &err)) == KA_OK &&
	    (r = ka_catalog_find_account(store, cli->args[0], &account, &err)) == KA_OK)
		r = change(cli, store, &account, &err);
	if ((status = command_finish(cli, store, r, &err)) != CLI_DONE)
		return status;
	if (cli->json)
		return show_object(cli, json_account(&account), NULL);
	(void)printf("Account \"%s\" %s\n", account.handle, said);
	return CLI_DONE;
}

static const struct cli_option set_options[] = {
    {"handle", "HANDLE", "what to call it; its keys and memberships stay", false},
    {"name", "NAME", "the person's name; empty: none", false},
    {"email", "EMAIL", "where to reach the person; empty: none", false},
    {0},
};

static enum ka_result
set(const struct cli *cli, struct ka_store *store, struct ka_account *account, struct ka_error *err)
{
	const char *handle = cli_value(cli, "handle", 0);
	enum ka_result r;

	if (!cli_given(cli, set_options))
		return ka_result_fail(err, KA_INVALID, "nothing to change: give one of --handle, --name and --email");
	if ((r = read_fields(cli, account, err)) != KA_OK ||
	    (handle != NULL && (r = read_handle(handle, account, err)) != KA_OK))
		return r;
	return ka_model_change_account(store, account, err);
}

static enum ka_result
suspend(const struct cli *cli, struct ka_store *store, struct ka_account *account, struct ka_error *err)
{
	(void)cli;
	account->state = KA_ACCOUNT_SUSPENDED;
	return ka_model_change_account(store, account, err);
}

static enum ka_result
resume(const struct cli *cli, struct ka_store *store, struct ka_account *account, struct ka_error *err)
{
	(void)cli;
	account->state = KA_ACCOUNT_ACTIVE;
	return ka_model_change_account(store, account, err);
}

static enum ka_result
remove_account(const struct cli *cli, struct ka_store *store, struct ka_account *account, struct ka_error *err)
{
	(void)cli;
	return ka_model_remove_account(store, account, KA_OWNER_KEPT, err);
}

static enum cli_status
run_set(struct cli *cli)
{
	return with_account(cli, set, "is changed; its keys and memberships stay.");
}

static enum cli_status
run_suspend(struct cli *cli)
{
	return with_account(cli, suspend, "is suspended: none of its keys opens anything on its account any more.");
}

static enum cli_status
run_resume(struct cli *cli)
{
	return with_account(cli, resume, "is active again, with all its keys.");
}

/* What goes with an account: "keys" and "members" as objects, "groups" as names. */

static enum ka_result
add_keys(struct ka_store *store, const struct ka_account *account, json_t *keys)
{
	struct ka_row row = {.keylen = 0};
	struct ka_key key;
	json_t *projects;
	enum ka_result r;

	while ((r = ka_catalog_next_key_of(store, account->id, &row, &key)) == KA_OK) {
		if ((r = key_read_reach(store, &key, &projects)) != KA_OK)
			return r;
		if (json_array_append_new(keys, json_key(&key, account, projects)) != 0)
			return KA_UNAVAIL;
	}
	return r == KA_NOTFOUND ? KA_OK : r;
}

static enum ka_result
add_members(struct ka_store *store, const struct ka_account *account, json_t *members)
{
	struct ka_row row = {.keylen = 0};
	struct ka_member member;
	enum ka_result r;

	while ((r = ka_catalog_next_membership(store, KA_SUBJECT_ACCOUNT, account->id, &row, &member)) == KA_OK)
		if (json_array_append_new(members, json_member(&member, account->handle)) != 0)
			return KA_UNAVAIL;
	return r == KA_NOTFOUND ? KA_OK : r;
}

static enum ka_result
add_groups(struct ka_store *store, const struct ka_account *account, json_t *groups)
{
	struct ka_row row = {.keylen = 0};
	struct ka_group group;
	enum ka_result r;

	while ((r = ka_catalog_next_group_of(store, account->id, &row, &group)) == KA_OK)
		if (json_array_append_new(groups, json_string(group.name)) != 0)
			return KA_UNAVAIL;
	return r == KA_NOTFOUND ? KA_OK : r;
}

static enum ka_result
describe_removal(struct ka_store *store, const struct ka_account *account, json_t **object)
{
	json_t *keys = json_array(), *members = json_array(), *groups = json_array();
	enum ka_result r;

	*object = json_pack(
	    "{s:o,s:o,s:o,s:o}", "account", json_account(account), "keys", keys, "members", members, "groups", groups);
	if (*object == NULL)
		return KA_UNAVAIL;
	if ((r = add_keys(store, account, keys)) != KA_OK || (r = add_members(store, account, members)) != KA_OK)
		return r;
	return add_groups(store, account, groups);
}

static void
print_removal(json_t *object)
{
	const char *handle = json_string_value(json_object_get(json_object_get(object, "account"), "handle"));
	json_t *each;
	size_t i;

	(void)printf("Account \"%s\" would be removed", handle);
	json_array_foreach(json_object_get(object, "keys"), i, each)
	{
		(void)printf(",\n  its key %s \"%s\"", json_string_value(json_object_get(each, "fingerprint")),
		    json_string_value(json_object_get(each, "title")));
	}
	json_array_foreach(json_object_get(object, "members"), i, each)
	{
		(void)printf(",\n  as %s of project %s", json_string_value(json_object_get(each, "role")),
		    json_string_value(json_object_get(each, "project")));
	}
	json_array_foreach(json_object_get(object, "groups"), i, each)
	{
		(void)printf(",\n  from the group \"%s\"", json_string_value(each));
	}
	(void)printf(".\nNothing is changed.\n");
}

/* Remove it and do not commit: so it fails where the removal would. */
static enum cli_status
try_remove(struct cli *cli)
{
	struct ka_store *store = NULL;
	struct ka_account account;
	struct ka_error err = {""};
	json_t *object = NULL;
	enum ka_result r;

	if ((r = command_open(cli, &store, &err)) == KA_OK &&
	    (r = ka_catalog_find_account(store, cli->args[0], &account, &err)) == KA_OK &&
	    (r = ka_store_fail(store, describe_removal(store, &account, &object), &err)) == KA_OK)
		r = ka_model_remove_account(store, &account, KA_OWNER_KEPT, &err);
	ka_store_close(store);
	if (r == KA_OK && cli->json)
		return show_object(cli, object, NULL);
	if (r == KA_OK)
		print_removal(object);
	json_decref(object);
	return r == KA_OK ? CLI_DONE : cli_fail(cli, r, &err);
}

static enum cli_status
run_remove(struct cli *cli)
{
	if (cli_value(cli, "dry-run", 0) != NULL)
		return try_remove(cli);
	return with_account(cli, remove_account, "is removed, with its keys and memberships.");
}

static enum cli_status
run_show(struct cli *cli)
{
	struct ka_store *store = NULL;
	struct ka_account account;
	struct ka_error err = {""};
	json_t *object = NULL;
	enum ka_result r;

	if ((r = ka_store_open(cli->dir, false, &store, &err)) == KA_OK &&
	    (r = ka_catalog_find_account(store, cli->args[0], &account, &err)) == KA_OK &&
	    (r = describe(store, &account, &object)) != KA_OK)
		(void)ka_store_fail(store, r, &err);
	ka_store_close(store);
	if (r == KA_OK)
		return show_object(cli, object, show_columns);
	json_decref(object);
	return cli_fail(cli, r, &err);
}

static const struct cli_option add_options[] = {
    {"id", "UUID", "its id, instead of a new one", false},
    {"name", "NAME", "the person's name", false},
    {"email", "EMAIL", "where to reach the person", false},
    {0},
};

static const struct cli_option remove_options[] = {
    {"dry-run", NULL, "say what would go with it, and change nothing", false},
    {0},
};

const struct cli_verb account_verbs[] = {
    {"account", "add", "HANDLE", 1, 1, add_options, "Add an account.", "keyacct account add student --name 'A Student'",
	CLI_CHANGES_ACCESS, run_add},
    {"account", "list", "", 0, 0, NULL, "List the accounts.", "keyacct account list", CLI_KEEPS_ACCESS, run_list},
    {"account", "show", "ACCOUNT", 1, 1, NULL, "Show one account.", "keyacct account show student", CLI_KEEPS_ACCESS,
	run_show},
    {"account", "set", "ACCOUNT", 1, 1, set_options, "Change what an account is called, or whose it is.",
	"keyacct account set student --name 'A Student'", CLI_CHANGES_ACCESS, run_set},
    {"account", "suspend", "ACCOUNT", 1, 1, NULL, "Switch all of an account's access off; keys are kept.",
	"keyacct account suspend student", CLI_CHANGES_ACCESS, run_suspend},
    {"account", "resume", "ACCOUNT", 1, 1, NULL, "Switch it on again.", "keyacct account resume student",
	CLI_CHANGES_ACCESS, run_resume},
    {"account", "remove", "ACCOUNT", 1, 1, remove_options, "Remove an account with its keys and memberships.",
	"keyacct account remove student", CLI_CHANGES_ACCESS, run_remove},
    {0},
};
