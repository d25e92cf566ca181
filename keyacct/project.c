/*
 * keyacct project: the shared workspaces, one Unix user each.
 */
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/catalog.h"
#include "common/membership.h"
#include "common/model.h"
#include "common/usage.h"
#include "keyacct/cli.h"
#include "keyacct/command.h"
#include "keyacct/json.h"
#include "keyacct/project.h"
#include "keyacct/show.h"

static const struct show_column list_columns[] = {
    {"ID", "id", SHOW_ID},
    {"TITLE", "title", SHOW_TEXT},
    {"STATE", "state", SHOW_TEXT},
    {"SSH", "ssh", SHOW_TEXT},
    {"OWNERS", "owners", SHOW_TEXT},
    {"LAST USED", "last_used.at", SHOW_TIME},
    {NULL, NULL, SHOW_TEXT},
};

/* Add "owners" and "collaborators", as handles and "@group"s. */
static enum ka_result
add_members(struct ka_store *store, const struct ka_project *project, json_t *object)
{
	json_t *owners = json_array(), *collaborators = json_array();
	struct ka_row row = {.keylen = 0};
	struct ka_member member;
	enum ka_result r;

	if (json_object_set_new(object, "owners", owners) != 0 ||
	    json_object_set_new(object, "collaborators", collaborators) != 0)
		return KA_UNAVAIL;
	while ((r = ka_catalog_next_member(store, project->id, &row, &member)) == KA_OK) {
		char name[KA_SUBJECT_NAME_LEN];

		if (ka_catalog_subject_name(store, member.kind, member.subject, name) != KA_OK)
			return KA_CORRUPT;
		if (json_array_append_new(member.role == KA_ROLE_OWNER ? owners : collaborators, json_string(name)) !=
		    0)
			return KA_UNAVAIL;
	}
	return r == KA_NOTFOUND ? KA_OK : r;
}

enum ka_result
project_describe(
    struct cli *cli, struct ka_store *store, struct ka_usage *usage, const struct ka_project *project, json_t **object)
{
	char name[KA_UUID_NAME_LEN], login[300];
	struct ka_use use;
	const char *host;
	enum ka_result r;

	if ((r = ka_usage_of_project(usage, project->id, &use)) != KA_OK || (r = cli_host(cli, store, &host)) != KA_OK)
		return r;
	ka_uuid_name(project->id, name);
	(void)snprintf(login, sizeof(login), "ssh %s@%s", name, host);
	if ((*object = json_project(project)) == NULL)
		return KA_UNAVAIL;
	if (json_object_set_new(*object, "last_used", json_last_used(&use)) != 0 ||
	    json_object_set_new(
		*object, "login", project->state == KA_PROJECT_DELETED ? json_null() : json_string(login)) != 0)
		return KA_UNAVAIL;
	return add_members(store, project, *object);
}

/* What --agent, --tcp and so on say, laid over ${policy}. */
static enum ka_result
read_policy(const struct cli *cli, uint32_t *policy, struct ka_error *err)
{
	for (const char *const *name = ka_policy_settings; *name != NULL; name++) {
		const char *value = cli_value(cli, *name, 0);

		if (value != NULL && ka_policy_set(policy, *name, value) != KA_OK)
			return ka_result_fail(err, KA_INVALID, "--%s \"%s\": write %s", *name, value,
			    ka_policy_is_switch(*name) ? "on or off" : "off, loopback or on");
	}
	return KA_OK;
}

/* What --title, --home and so on say, laid over ${project}. */
static enum ka_result
read_fields(const struct cli *cli, struct ka_project *project, struct ka_error *err)
{
	const char *ssh = cli_value(cli, "ssh", 0);
	enum ka_result r;

	if ((r = cli_text(cli, "title", project->title, sizeof(project->title), err)) != KA_OK ||
	    (r = cli_path(cli, "home", project->home, sizeof(project->home), err)) != KA_OK ||
	    (r = cli_path(cli, "shell", project->shell, sizeof(project->shell), err)) != KA_OK)
		return r;
	if (ssh != NULL && strcmp(ssh, "on") != 0 && strcmp(ssh, "off") != 0)
		return ka_result_fail(err, KA_INVALID, "--ssh \"%s\": write on or off", ssh);
	if (ssh != NULL)
		project->ssh = strcmp(ssh, "on") == 0;
	return read_policy(cli, &project->policy, err);
}

/* --uid adopts the files of a user who is gone. While that user is there, two people would own the same files. */
static enum ka_result
read_uid(const struct cli *cli, struct ka_project *project, struct ka_error *err)
{
	const char *text = cli_value(cli, "uid", 0);
	uint8_t id[KA_UUID_LEN];
	struct passwd *pw;
	struct group *gr;
	unsigned long uid;
	char *end;

	if (text == NULL)
		return KA_OK;
	uid = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || uid > UINT32_MAX || !ka_record_uid_ok((uint32_t)uid))
		return ka_result_fail(err, KA_INVALID,
		    "--uid \"%s\" cannot be a project's: 1000 to %u without 60001 to 65535, which are the system's",
		    text, KA_UID_LAST);
	/* On a host in service another project answers too; the database refuses that one, and says so. */
	if ((pw = getpwuid((uid_t)uid)) != NULL && ka_uuid_from_name(pw->pw_name, id) != KA_OK)
		return ka_result_fail(err, KA_CONFLICT,
		    "the uid %lu belongs to \"%s\" on this host: remove that user first, or "
		    "choose another uid",
		    uid, pw->pw_name);
	if ((gr = getgrgid((gid_t)uid)) != NULL && ka_uuid_from_name(gr->gr_name, id) != KA_OK)
		return ka_result_fail(err, KA_CONFLICT,
		    "the gid %lu, which would be the project's too, belongs to the group \"%s\" on "
		    "this host: remove that group first, or choose another uid",
		    uid, gr->gr_name);
	project->uid = (uint32_t)uid;
	return KA_OK;
}

static enum ka_result
add_owner(struct ka_store *store, const struct ka_project *project, const char *owner, struct ka_error *err)
{
	struct ka_member member = {.kind = KA_SUBJECT_ACCOUNT, .role = KA_ROLE_OWNER};
	struct ka_account account;
	enum ka_result r;

	if ((r = ka_catalog_find_account(store, owner, &account, err)) != KA_OK)
		return r;
	memcpy(member.project, project->id, KA_UUID_LEN);
	memcpy(member.subject, account.id, KA_UUID_LEN);
	return ka_membership_add(store, &member, KA_OWNER_KEPT, err);
}

static enum cli_status
run_add(struct cli *cli)
{
	struct ka_project project = {.ssh = true};
	char name[KA_UUID_NAME_LEN];
	struct ka_settings settings;
	struct ka_store *store = NULL;
	struct ka_error err = {""};
	enum cli_status status;
	const char *host = "";
	enum ka_result r = KA_OK;

	if (cli->nargs > 0)
		r = cli_id(cli->args[0], project.id, &err);
	/* Once before the database is opened, for what is wrong with the options themselves. */
	if (r != KA_OK || (r = read_fields(cli, &project, &err)) != KA_OK ||
	    (r = read_uid(cli, &project, &err)) != KA_OK)
		return cli_fail(cli, r, &err);
	if ((r = command_open(cli, &store, &err)) == KA_OK &&
	    (r = ka_store_fail(store, ka_store_settings(store, &settings), &err)) == KA_OK) {
		project.policy = settings.policy;
		if ((r = read_fields(cli, &project, &err)) == KA_OK)
			r = ka_model_add_project(store, &project, &err);
	}
	for (size_t i = 0; r == KA_OK && cli_value(cli, "owner", i) != NULL; i++)
		r = add_owner(store, &project, cli_value(cli, "owner", i), &err);
	if (r == KA_OK)
		r = ka_store_fail(store, cli_host(cli, store, &host), &err);
	if ((status = command_finish(cli, store, r, &err)) != CLI_DONE)
		return status;
	cli_check_shell(cli, project.shell);
	if (cli->json)
		return show_object(cli, json_project(&project), project_columns);
	ka_uuid_name(project.id, name);
	(void)printf("Project %s is added. Its members log in with: ssh %s@%s\n", name, name, host);
	if (cli_value(cli, "owner", 0) == NULL)
		(void)printf("It has no members yet. Next: keyacct member add %.8s ACCOUNT --role owner\n", name);
	if (name[strspn(name, "0123456789")] == '\0')
		cli_warn(cli, "this id is all digits: ssh works, but 'ps -u' and systemd take it for a uid");
	return CLI_DONE;
}

static enum ka_result
collect(struct cli *cli, struct ka_store *store, struct ka_usage *usage, json_t *rows)
{
	struct ka_row row = {.keylen = 0};
	struct ka_project project;
	enum ka_result r;

	while ((r = ka_catalog_next_project(store, &row, &project)) == KA_OK) {
		json_t *object = NULL;

		if (project.state == KA_PROJECT_DELETED && cli_value(cli, "all", 0) == NULL)
			continue;
		if ((r = project_describe(cli, store, usage, &project, &object)) != KA_OK) {
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
	struct ka_usage *usage = NULL;
	struct ka_error err = {""};
	json_t *rows = json_array();
	enum ka_result r;

	if ((r = cli_open_with_usage(cli, &store, &usage, &err)) == KA_OK &&
	    (r = collect(cli, store, usage, rows)) != KA_OK)
		(void)ka_store_fail(store, r, &err);
	ka_usage_close(usage);
	ka_store_close(store);
	if (r == KA_OK)
		return show_list(
		    cli, rows, list_columns, "There are no projects yet: keyacct project add --owner ACCOUNT");
	json_decref(rows);
	return cli_fail(cli, r, &err);
}

/* Open the database, find the project that the first argument names, and let ${change} work on it. */
static enum cli_status
with_project(struct cli *cli,
    enum ka_result (*change)(const struct cli *, struct ka_store *, struct ka_project *, struct ka_error *),
    const char *said)
{
	char name[KA_UUID_NAME_LEN];
	struct ka_store *store = NULL;
	struct ka_project project;
	struct ka_error err = {""};
	enum cli_status status;
	enum ka_result r;

	if ((r = command_open(cli, &store, &err)) == KA_OK &&
	    (r = ka_catalog_find_project(store, cli->args[0], &project, &err)) == KA_OK)
		r = change(cli, store, &project, &err);
	if ((status = command_finish(cli, store, r, &err)) != CLI_DONE)
		return status;
	if (cli->json)
		return show_object(cli, json_project(&project), NULL);
	ka_uuid_name(project.id, name);
	(void)printf("Project %s %s\n", name, said);
	return CLI_DONE;
}

static const struct cli_option set_options[] = {
    {"title", "TITLE", "what people call it", false},
    {"home", "DIR", "its home; files are not moved", false},
    {"shell", "FILE", "its login shell", false},
    {"ssh", "on|off", "may anyone log in", false},
    {"agent", "on|off", "agent forwarding", false},
    {"tcp", "off|loopback|on", "port forwarding: none, to this host, to any", false},
    {"x11", "on|off", "X11 forwarding", false},
    {"pty", "on|off", "terminals", false},
    {"sftp-only", "on|off", "file transfer by SFTP, and nothing else", false},
    {0},
};

static enum ka_result
set(const struct cli *cli, struct ka_store *store, struct ka_project *project, struct ka_error *err)
{
	enum ka_result r;

	if (!cli_given(cli, set_options))
		return ka_result_fail(err, KA_INVALID,
		    "nothing to change: give one of --title, --home, --shell, --ssh, --agent, "
		    "--tcp, --x11, --pty and --sftp-only");
	if ((r = read_fields(cli, project, err)) != KA_OK)
		return r;
	cli_check_shell(cli, project->shell);
	return ka_model_change_project(store, project, err);
}

static enum ka_result
archive(const struct cli *cli, struct ka_store *store, struct ka_project *project, struct ka_error *err)
{
	(void)cli;
	project->state = KA_PROJECT_ARCHIVED;
	return ka_model_change_project(store, project, err);
}

static enum ka_result
unarchive(const struct cli *cli, struct ka_store *store, struct ka_project *project, struct ka_error *err)
{
	(void)cli;
	project->state = KA_PROJECT_ACTIVE;
	return ka_model_change_project(store, project, err);
}

static enum cli_status
run_set(struct cli *cli)
{
	return with_project(cli, set, "is changed.");
}

static enum cli_status
run_archive(struct cli *cli)
{
	return with_project(cli, archive, "is archived: nobody gets in any more.");
}

static enum cli_status
run_unarchive(struct cli *cli)
{
	return with_project(cli, unarchive, "is active again.");
}

static const struct cli_option add_options[] = {
    {"title", "TITLE", "what people call it", false},
    {"owner", "ACCOUNT", "its owner; may be given again", true},
    {"uid", "N", "adopt the files of this uid, instead of a new one", false},
    {"home", "DIR", "its home (UUID, where the setting homes says)", false},
    {"shell", "FILE", "its login shell (the setting shell)", false},
    {"ssh", "on|off", "may anyone log in (on)", false},
    {"agent", "on|off", "agent forwarding (the setting agent)", false},
    {"tcp", "off|loopback|on", "port forwarding: none, to this host, to any (the setting tcp)", false},
    {"x11", "on|off", "X11 forwarding (the setting x11)", false},
    {"pty", "on|off", "terminals (the setting pty)", false},
    {"sftp-only", "on|off", "file transfer by SFTP, and nothing else (the setting sftp-only)", false},
    {"host", "HOST", "the host name to show", false},
    {0},
};

static const struct cli_option list_options[] = {
    {"all", NULL, "deleted projects too", false},
    {"host", "HOST", "the host name to show", false},
    {0},
};

static const struct cli_option remove_options[] = {
    {"stop", NULL, "end its processes, crontab and timers", false},
    {0},
};

const struct cli_verb project_verbs[] = {
    {"project", "add", "[UUID]", 0, 1, add_options, "Add a project.",
	"keyacct project add --title 'Climate data' --owner owner", CLI_CHANGES_ACCESS, run_add},
    {"project", "list", "", 0, 0, list_options, "List the projects.", "keyacct project list", CLI_KEEPS_ACCESS,
	run_list},
    {"project", "show", "PROJECT", 1, 1, project_show_options, "Show one project, and who is in it now.",
	"keyacct project show 829e7b56", CLI_KEEPS_ACCESS, project_show},
    {"project", "set", "PROJECT", 1, 1, set_options, "Change a project.", "keyacct project set 829e7b56 --ssh off",
	CLI_CHANGES_ACCESS, run_set},
    {"project", "archive", "PROJECT", 1, 1, NULL, "Let nobody in until it is unarchived.",
	"keyacct project archive 829e7b56", CLI_CHANGES_ACCESS, run_archive},
    {"project", "unarchive", "PROJECT", 1, 1, NULL, "Let its members in again.", "keyacct project unarchive 829e7b56",
	CLI_CHANGES_ACCESS, run_unarchive},
    {"project", "remove", "PROJECT", 1, 1, remove_options, "Remove a project for good; its name and uid stay reserved.",
	"keyacct project remove 829e7b56", CLI_CHANGES_ACCESS, project_remove},
    {0},
};
