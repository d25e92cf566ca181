/*
 * keyacct member: who owns a project, and who collaborates in it.
 */
#include <stdio.h>
#include <string.h>

#include "common/access.h"
#include "common/catalog.h"
#include "common/membership.h"
#include "keyacct/cli.h"
#include "keyacct/command.h"
#include "keyacct/json.h"
#include "keyacct/leftover.h"
#include "keyacct/show.h"

static const struct show_column list_columns[] = {
    {"HANDLE", "handle", SHOW_TEXT},
    {"ROLE", "role", SHOW_TEXT},
    {"SINCE", "created", SHOW_TIME},
    {"EXPIRES", "expires", SHOW_TIME},
    {"NOT BEFORE", "not_before", SHOW_FROM},
    {NULL, NULL, SHOW_TEXT},
};

/* What the options say, laid over the membership as it stands: what is not given stays. */
static enum ka_result
read_fields(const struct cli *cli, struct ka_member *member, struct ka_error *err)
{
	const char *role = cli_value(cli, "role", 0);
	enum ka_result r;

	if (role != NULL && strcmp(role, "collaborator") != 0 && strcmp(role, "owner") != 0)
		return ka_result_fail(err, KA_INVALID, "--role \"%s\": write owner or collaborator", role);
	if (role != NULL)
		member->role = strcmp(role, "owner") == 0 ? KA_ROLE_OWNER : KA_ROLE_COLLABORATOR;
	if ((r = cli_limit(cli, "not-before", &member->not_before_s, err)) != KA_OK)
		return r;
	return cli_end(cli, "expires", &member->expires_s, err);
}

/* The project and, as ACCOUNT or @GROUP, the member that the two arguments name. */
static enum ka_result
find_both(const struct cli *cli, struct ka_store *store, struct ka_member *member, struct ka_error *err)
{
	struct ka_project project;
	struct ka_account account;
	struct ka_group group;
	enum ka_result r;

	if ((r = ka_catalog_find_project(store, cli->args[0], &project, err)) != KA_OK)
		return r;
	memcpy(member->project, project.id, KA_UUID_LEN);
	if (cli->args[1][0] == '@') {
		member->kind = KA_SUBJECT_GROUP;
		if ((r = ka_catalog_find_group(store, cli->args[1], &group, err)) == KA_OK)
			memcpy(member->subject, group.id, KA_UUID_LEN);
		return r;
	}
	member->kind = KA_SUBJECT_ACCOUNT;
	if ((r = ka_catalog_find_account(store, cli->args[1], &account, err)) == KA_OK)
		memcpy(member->subject, account.id, KA_UUID_LEN);
	return r;
}

/* The membership as it stands, if there is one. */
static enum ka_result
read_old(struct ka_store *store, struct ka_member *member, struct ka_error *err)
{
	struct ka_member old;
	enum ka_result r = ka_catalog_get_member(store, member->project, member->kind, member->subject, &old);

	if (r == KA_OK)
		*member = old;
	return r == KA_NOTFOUND ? KA_OK : ka_store_fail(store, r, err);
}

/* What is not given stays as it was, an end that has passed too: nobody would be let in by that. */
static enum ka_result
check_end(const struct ka_member *member, struct ka_error *err)
{
	if (!ka_access_has_ended(member->expires_s, ka_time_now()))
		return KA_OK;
	return ka_result_fail(err, KA_CONFLICT,
	    "the membership is there already, and has ended: give it another end with --expires TIME, or none with "
	    "--expires never");
}

static enum cli_status
run_add(struct cli *cli)
{
	struct ka_member member = {.role = KA_ROLE_COLLABORATOR};
	char name[KA_SUBJECT_NAME_LEN] = "";
	struct ka_store *store = NULL;
	struct ka_error err = {""};
	enum cli_status status;
	enum ka_result r;

	/* Once before the database is opened, for what is wrong with the options themselves. */
	if ((r = read_fields(cli, &member, &err)) != KA_OK)
		return cli_fail(cli, r, &err);
	if ((r = command_open(cli, &store, &err)) == KA_OK && (r = find_both(cli, store, &member, &err)) == KA_OK &&
	    (r = read_old(store, &member, &err)) == KA_OK && (r = read_fields(cli, &member, &err)) == KA_OK &&
	    (r = check_end(&member, &err)) == KA_OK &&
	    (r = ka_membership_add(store, &member, KA_OWNER_KEPT, &err)) == KA_OK)
		r = ka_store_fail(store, ka_catalog_subject_name(store, member.kind, member.subject, name), &err);
	if ((status = command_finish(cli, store, r, &err)) != CLI_DONE)
		return status;
	if (cli->json)
		return show_object(cli, json_member(&member, name), NULL);
	(void)printf(
	    "\"%s\" is %s of the project now", name, member.role == KA_ROLE_OWNER ? "an owner" : "a collaborator");
	show_window(member.not_before_s, member.expires_s);
	(void)printf(".\n");
	return CLI_DONE;
}

static enum cli_status
run_remove(struct cli *cli)
{
	struct ka_member member = {.role = KA_ROLE_COLLABORATOR};
	char name[KA_SUBJECT_NAME_LEN] = "";
	struct ka_project project = {.uid = 0};
	struct ka_store *store = NULL;
	struct ka_error err = {""};
	struct leftover left;
	enum cli_status status;
	enum ka_result r;

	if ((r = command_open(cli, &store, &err)) == KA_OK && (r = find_both(cli, store, &member, &err)) == KA_OK &&
	    (r = ka_store_fail(store, ka_catalog_get_project(store, member.project, &project), &err)) == KA_OK &&
	    (r = ka_membership_remove(store, &member, KA_OWNER_KEPT, &err)) == KA_OK)
		r = ka_store_fail(store, ka_catalog_subject_name(store, member.kind, member.subject, name), &err);
	if ((status = command_finish(cli, store, r, &err)) != CLI_DONE)
		return status;
	leftover_find(&project, &left);
	if (cli->json) {
		json_t *object = json_member(&member, name);

		if (object != NULL)
			(void)json_object_set_new(object, "left", leftover_json(&left));
		return show_object(cli, object, NULL);
	}
	(void)printf("\"%s\" is no member of the project any more.\n", name);
	if (!leftover_runs(&left))
		return CLI_DONE;
	/* All members are one Unix user: nothing on the host says whose it is. */
	(void)puts("What still runs in the project, or will, may be theirs:");
	leftover_print(&left);
	return CLI_DONE;
}

static enum ka_result
collect(struct ka_store *store, const struct ka_project *project, json_t *rows)
{
	struct ka_row row = {.keylen = 0};
	struct ka_member member;
	enum ka_result r;

	while ((r = ka_catalog_next_member(store, project->id, &row, &member)) == KA_OK) {
		char name[KA_SUBJECT_NAME_LEN];

		if (ka_catalog_subject_name(store, member.kind, member.subject, name) != KA_OK)
			return KA_CORRUPT;
		if (json_array_append_new(rows, json_member(&member, name)) != 0)
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
		(void)ka_store_fail(store, r, &err);
	ka_store_close(store);
	if (r == KA_OK)
		return show_list(
		    cli, rows, list_columns, "The project has no members: keyacct member add PROJECT ACCOUNT");
	json_decref(rows);
	return cli_fail(cli, r, &err);
}

static const struct cli_option add_options[] = {
    {"role", "owner|collaborator", "what it may do (collaborator)", false},
    {"not-before", "TIME|never", "not a member before then", false},
    {"expires", "TIME|never", "no longer a member from then on", false},
    {0},
};

const struct cli_verb member_verbs[] = {
    {"member", "add", "PROJECT ACCOUNT|@GROUP", 2, 2, add_options, "Add a member, or change its role or times.",
	"keyacct member add 829e7b56 student --expires +90d", CLI_CHANGES_ACCESS, run_add},
    {"member", "list", "PROJECT", 1, 1, NULL, "List a project's members.", "keyacct member list 829e7b56",
	CLI_KEEPS_ACCESS, run_list},
    {"member", "remove", "PROJECT ACCOUNT|@GROUP", 2, 2, NULL, "Remove a member.",
	"keyacct member remove 829e7b56 student", CLI_CHANGES_ACCESS, run_remove},
    {0},
};
