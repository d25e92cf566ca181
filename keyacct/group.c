/*
 * keyacct group: sets of accounts that can be members as one.
 */
#include <stdio.h>
#include <string.h>

#include "common/catalog.h"
#include "common/membership.h"
#include "common/model.h"
#include "keyacct/cli.h"
#include "keyacct/command.h"
#include "keyacct/json.h"
#include "keyacct/show.h"

static const struct show_column list_columns[] = {
    {"NAME", "name", SHOW_TEXT},
    {"ACCOUNTS", "accounts", SHOW_TEXT},
    {"PROJECTS", "projects", SHOW_TEXT},
    {NULL, NULL, SHOW_TEXT},
};

static const struct show_column show_columns[] = {
    {"name", "name", SHOW_TEXT},
    {"id", "id", SHOW_TEXT},
    {"created", "created", SHOW_TIME},
    {"accounts", "accounts", SHOW_TEXT},
    {"projects", "projects", SHOW_TEXT},
    {NULL, NULL, SHOW_TEXT},
};

static enum ka_result
add_accounts(struct ka_store *store, const struct ka_group *group, json_t *accounts)
{
	struct ka_row row = {.keylen = 0};
	struct ka_account account;
	enum ka_result r;

	while ((r = ka_catalog_next_group_member(store, group->id, &row, &account)) == KA_OK)
		if (json_array_append_new(accounts, json_string(account.handle)) != 0)
			return KA_UNAVAIL;
	return r == KA_NOTFOUND ? KA_OK : r;
}

static enum ka_result
add_projects(struct ka_store *store, const struct ka_group *group, json_t *projects)
{
	struct ka_row row = {.keylen = 0};
	struct ka_member member;
	enum ka_result r;

	while ((r = ka_catalog_next_membership(store, KA_SUBJECT_GROUP, group->id, &row, &member)) == KA_OK)
		if (json_array_append_new(projects, json_uuid(member.project)) != 0)
			return KA_UNAVAIL;
	return r == KA_NOTFOUND ? KA_OK : r;
}

static enum ka_result
describe(struct ka_store *store, const struct ka_group *group, json_t **object)
{
	json_t *accounts = json_array(), *projects = json_array();
	enum ka_result r;

	*object = json_group(group);
	if (json_object_set_new(*object, "accounts", accounts) != 0 ||
	    json_object_set_new(*object, "projects", projects) != 0)
		return KA_UNAVAIL;
	if ((r = add_accounts(store, group, accounts)) != KA_OK)
		return r;
	return add_projects(store, group, projects);
}

static enum ka_result
collect(struct ka_store *store, json_t *rows)
{
	struct ka_row row = {.keylen = 0};
	struct ka_group group;
	enum ka_result r;

	while ((r = ka_catalog_next_group(store, &row, &group)) == KA_OK) {
		json_t *object = NULL;

		if ((r = describe(store, &group, &object)) != KA_OK) {
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
		return show_list(cli, rows, list_columns, "There are no groups yet: keyacct group add NAME");
	json_decref(rows);
	return cli_fail(cli, r, &err);
}

static enum cli_status
run_show(struct cli *cli)
{
	struct ka_store *store = NULL;
	struct ka_error err = {""};
	struct ka_group group;
	json_t *object = NULL;
	enum ka_result r;

	if ((r = ka_store_open(cli->dir, false, &store, &err)) == KA_OK &&
	    (r = ka_catalog_find_group(store, cli->args[0], &group, &err)) == KA_OK &&
	    (r = describe(store, &group, &object)) != KA_OK)
		(void)ka_store_fail(store, r, &err);
	ka_store_close(store);
	if (r == KA_OK)
		return show_object(cli, object, show_columns);
	json_decref(object);
	return cli_fail(cli, r, &err);
}

static enum cli_status
run_add(struct cli *cli)
{
	const char *name = cli->args[0][0] == '@' ? cli->args[0] + 1 : cli->args[0];
	struct ka_group group = {.created_s = 0};
	struct ka_store *store = NULL;
	struct ka_error err = {""};
	enum cli_status status;
	enum ka_result r;

	if (strlen(name) >= sizeof(group.name))
		return cli_fail(cli, ka_result_fail(&err, KA_INVALID, "the name \"%.80s...\" is too long", name), &err);
	(void)snprintf(group.name, sizeof(group.name), "%s", name);
	if ((r = command_open(cli, &store, &err)) == KA_OK)
		r = ka_model_add_group(store, &group, &err);
	if ((status = command_finish(cli, store, r, &err)) != CLI_DONE)
		return status;
	if (cli->json)
		return show_object(cli, json_group(&group), show_columns);
	(void)printf("Group \"%s\" is added. Next: keyacct group add-member %s ACCOUNT\n", group.name, group.name);
	return CLI_DONE;
}

/* Open the database, find the group, and let ${change} work on it and on the account that the second argument names, if
 * any. */
static enum cli_status
with_group(struct cli *cli,
    enum ka_result (*change)(struct ka_store *, const struct ka_group *, const struct ka_account *, struct ka_error *),
    const char *said)
{
	struct ka_account account = {.handle = ""};
	struct ka_store *store = NULL;
	struct ka_error err = {""};
	struct ka_group group;
	enum cli_status status;
	enum ka_result r;

	if ((r = command_open(cli, &store, &err)) == KA_OK &&
	    (r = ka_catalog_find_group(store, cli->args[0], &group, &err)) == KA_OK &&
	    (cli->nargs < 2 || (r = ka_catalog_find_account(store, cli->args[1], &account, &err)) == KA_OK))
		r = change(store, &group, &account, &err);
	if ((status = command_finish(cli, store, r, &err)) != CLI_DONE)
		return status;
	if (cli->json)
		return show_object(cli, json_group(&group), NULL);
	if (account.handle[0] != '\0')
		(void)printf("\"%s\" %s the group \"%s\" now.\n", account.handle, said, group.name);
	else
		(void)printf("The group \"%s\" %s\n", group.name, said);
	return CLI_DONE;
}

static enum ka_result
remove_group(
    struct ka_store *store, const struct ka_group *group, const struct ka_account *account, struct ka_error *err)
{
	(void)account;
	return ka_model_remove_group(store, group, err);
}

static enum cli_status
run_remove(struct cli *cli)
{
	return with_group(cli, remove_group, "is removed, with its memberships; its accounts stay.");
}

static enum cli_status
run_add_member(struct cli *cli)
{
	return with_group(cli, ka_membership_join_group, "is in");
}

static enum cli_status
run_remove_member(struct cli *cli)
{
	return with_group(cli, ka_membership_leave_group, "is no longer in");
}

const struct cli_verb group_verbs[] = {
    {"group", "add", "NAME", 1, 1, NULL, "Add a group of accounts.", "keyacct group add staff", CLI_CHANGES_ACCESS,
	run_add},
    {"group", "list", "", 0, 0, NULL, "List the groups.", "keyacct group list", CLI_KEEPS_ACCESS, run_list},
    {"group", "show", "NAME", 1, 1, NULL, "Show one group.", "keyacct group show staff", CLI_KEEPS_ACCESS, run_show},
    {"group", "add-member", "NAME ACCOUNT", 2, 2, NULL, "Put an account into a group.",
	"keyacct group add-member staff student", CLI_CHANGES_ACCESS, run_add_member},
    {"group", "remove-member", "NAME ACCOUNT", 2, 2, NULL, "Take an account out of a group.",
	"keyacct group remove-member staff student", CLI_CHANGES_ACCESS, run_remove_member},
    {"group", "remove", "NAME", 1, 1, NULL, "Remove a group with its memberships.", "keyacct group remove staff",
	CLI_CHANGES_ACCESS, run_remove},
    {0},
};
