/*
 * keyacct member: who owns a project, and who collaborates in it.
 */
#include <stdio.h>
#include <string.h>

#include "common/catalog.h"
#include "common/model.h"
#include "keyacct/cli.h"
#include "keyacct/json.h"

static const struct cli_column list_columns[] = {
    {"HANDLE", "handle", CLI_TEXT},
    {"ROLE", "role", CLI_TEXT},
    {"SINCE", "created", CLI_TIME},
    {"EXPIRES", "expires", CLI_TIME},
    {"ACCOUNT", "account", CLI_TEXT},
    {NULL, NULL, CLI_TEXT},
};

static enum ka_result
read_role(const struct cli *cli, enum ka_role *role, struct ka_error *err)
{
	const char *text = cli_value(cli, "role", 0);

	*role = KA_ROLE_COLLABORATOR;
	if (text == NULL || strcmp(text, "collaborator") == 0)
		return KA_OK;
	if (strcmp(text, "owner") != 0)
		return ka_result_fail(err, KA_INVALID, "--role \"%s\": write owner or collaborator", text);
	*role = KA_ROLE_OWNER;
	return KA_OK;
}

static enum ka_result
find_both(const struct cli *cli, struct ka_store *store, struct ka_project *project, struct ka_account *account,
    struct ka_error *err)
{
	enum ka_result r = ka_catalog_find_project(store, cli->args[0], project, err);

	return r == KA_OK ? ka_catalog_find_account(store, cli->args[1], account, err) : r;
}

static enum cli_status
run_add(struct cli *cli)
{
	struct ka_member member = {.kind = KA_SUBJECT_ACCOUNT};
	struct ka_store *store = NULL;
	struct ka_project project;
	struct ka_account account;
	struct ka_error err = {""};
	enum cli_status status;
	enum ka_result r;

	if ((r = read_role(cli, &member.role, &err)) != KA_OK ||
	    (r = cli_time(cli, "not-before", &member.not_before_s, &err)) != KA_OK ||
	    (r = cli_time(cli, "expires", &member.expires_s, &err)) != KA_OK)
		return cli_fail(cli, r, &err);
	if ((r = ka_store_open(cli->dir, true, &store, &err)) == KA_OK &&
	    (r = find_both(cli, store, &project, &account, &err)) == KA_OK) {
		memcpy(member.project, project.id, KA_UUID_LEN);
		memcpy(member.subject, account.id, KA_UUID_LEN);
		r = ka_model_add_member(store, &member, &err);
	}
	if ((status = cli_finish(cli, store, r, &err)) != CLI_DONE)
		return status;
	if (!cli->json)
		(void)printf("\"%s\" is %s of the project now.\n", account.handle,
		    member.role == KA_ROLE_OWNER ? "an owner" : "a collaborator");
	return CLI_DONE;
}

static enum cli_status
run_remove(struct cli *cli)
{
	struct ka_store *store = NULL;
	struct ka_project project;
	struct ka_account account;
	struct ka_error err = {""};
	enum cli_status status;
	enum ka_result r;

	if ((r = ka_store_open(cli->dir, true, &store, &err)) == KA_OK &&
	    (r = find_both(cli, store, &project, &account, &err)) == KA_OK)
		r = ka_model_remove_member(store, &project, &account, &err);
	if ((status = cli_finish(cli, store, r, &err)) != CLI_DONE)
		return status;
	if (!cli->json)
		(void)printf("\"%s\" is no member of the project any more, and gets in no more from the next login on.\n",
		    account.handle);
	return CLI_DONE;
}

static enum ka_result
collect(struct ka_store *store, const struct ka_project *project, json_t *rows)
{
	struct ka_row row = {.keylen = 0};
	struct ka_account account;
	struct ka_member member;
	enum ka_result r;

	while ((r = ka_catalog_next_member(store, project->id, &row, &member)) == KA_OK) {
		if (ka_catalog_get_account(store, member.subject, &account) != KA_OK)
			return KA_CORRUPT;
		if (json_array_append_new(rows, json_member(&member, &account)) != 0)
			return KA_UNAVAIL;
	}
	return r == KA_NOTFOUND ? KA_OK : r;
}

static enum cli_status
run_list(struct cli *cli)
{
	struct ka_store *store = NULL;
	struct ka_project project;
	struct ka_error err = {""};
	json_t *rows = json_array();
	enum ka_result r;

	if ((r = ka_store_open(cli->dir, false, &store, &err)) == KA_OK &&
	    (r = ka_catalog_find_project(store, cli->args[0], &project, &err)) == KA_OK &&
	    (r = collect(store, &project, rows)) != KA_OK)
		(void)ka_result_fail(&err, r, "the members could not be read");
	ka_store_close(store);
	if (r == KA_OK)
		return cli_list(cli, rows, list_columns, "The project has no members: keyacct member add PROJECT ACCOUNT");
	json_decref(rows);
	return cli_fail(cli, r, &err);
}

static const struct cli_option add_options[] = {
    {"role", "ROLE", "owner or collaborator (collaborator)"},
    {"not-before", "TIME", "not a member before then"},
    {"expires", "TIME", "no longer a member from then on"},
    {NULL, NULL, NULL},
};

const struct cli_verb member_verbs[] = {
    {"member", "add", NULL, "PROJECT ACCOUNT", 2, 2, add_options, "Add a member, or change its role.",
	"keyacct member add 829e7b56 student --expires +90d", run_add},
    {"member", "list", NULL, "PROJECT", 1, 1, NULL, "List a project's members.", "keyacct member list 829e7b56", run_list},
    {"member", "remove", NULL, "PROJECT ACCOUNT", 2, 2, NULL, "Remove a member.", "keyacct member remove 829e7b56 student",
	run_remove},
    {0},
};
