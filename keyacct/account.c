/*
 * keyacct account: the people.
 */
#include <stdio.h>
#include <string.h>

#include "common/catalog.h"
#include "common/model.h"
#include "keyacct/cli.h"
#include "keyacct/json.h"
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
	if (r != KA_OK || (r = cli_text(cli, "name", account.name, sizeof(account.name), &err)) != KA_OK ||
	    (r = cli_text(cli, "email", account.email, sizeof(account.email), &err)) != KA_OK)
		return cli_fail(cli, r, &err);
	if (strlen(cli->args[0]) >= sizeof(account.handle))
		return cli_fail(
		    cli, ka_result_fail(&err, KA_INVALID, "the handle \"%.80s...\" is too long", cli->args[0]), &err);
	(void)snprintf(account.handle, sizeof(account.handle), "%s", cli->args[0]);
	if ((r = cli_open_for_change(cli, &store, &err)) == KA_OK)
		r = ka_model_add_account(store, &account, &err);
	if ((status = cli_finish(cli, store, r, &err)) != CLI_DONE)
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
with_account(struct cli *cli, enum ka_result (*change)(struct ka_store *, struct ka_account *, struct ka_error *),
    const char *said)
{
	struct ka_store *store = NULL;
	struct ka_account account;
	struct ka_error err = {""};
	enum cli_status status;
	enum ka_result r;

	if ((r = cli_open_for_change(cli, &store, &err)) == KA_OK &&
	    (r = ka_catalog_find_account(store, cli->args[0], &account, &err)) == KA_OK)
		r = change(store, &account, &err);
	if ((status = cli_finish(cli, store, r, &err)) != CLI_DONE)
		return status;
	if (cli->json)
		return show_object(cli, json_account(&account), NULL);
	(void)printf("Account \"%s\" %s\n", account.handle, said);
	return CLI_DONE;
}

static enum ka_result
suspend(struct ka_store *store, struct ka_account *account, struct ka_error *err)
{
	account->state = KA_ACCOUNT_SUSPENDED;
	return ka_model_change_account(store, account, err);
}

static enum ka_result
resume(struct ka_store *store, struct ka_account *account, struct ka_error *err)
{
	account->state = KA_ACCOUNT_ACTIVE;
	return ka_model_change_account(store, account, err);
}

static enum ka_result
remove_account(struct ka_store *store, struct ka_account *account, struct ka_error *err)
{
	return ka_model_remove_account(store, account, KA_OWNER_KEPT, err);
}

static enum cli_status
run_suspend(struct cli *cli)
{
	return with_account(
	    cli, suspend, "is suspended: from the next login on none of its keys opens anything on its account.");
}

static enum cli_status
run_resume(struct cli *cli)
{
	return with_account(cli, resume, "is active again, with all its keys.");
}

static enum cli_status
run_remove(struct cli *cli)
{
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

const struct cli_verb account_verbs[] = {
    {"account", "add", "HANDLE", 1, 1, add_options, "Add an account.", "keyacct account add student --name 'A Student'",
	run_add},
    {"account", "list", "", 0, 0, NULL, "List the accounts.", "keyacct account list", run_list},
    {"account", "show", "ACCOUNT", 1, 1, NULL, "Show one account.", "keyacct account show student", run_show},
    {"account", "suspend", "ACCOUNT", 1, 1, NULL, "Switch all of an account's access off; keys are kept.",
	"keyacct account suspend student", run_suspend},
    {"account", "resume", "ACCOUNT", 1, 1, NULL, "Switch it on again.", "keyacct account resume student", run_resume},
    {"account", "remove", "ACCOUNT", 1, 1, NULL, "Remove an account with its keys and memberships.",
	"keyacct account remove student", run_remove},
    {0},
};
