/*
 * keyacct project show: all that there is to know about one project, and who is in it.
 */
#include <stdio.h>
#include <string.h>

#include "common/catalog.h"
#include "keyacct/admitted.h"
#include "keyacct/cutoff.h"
#include "keyacct/project.h"
#include "keyacct/sessions.h"

const struct cli_option project_show_options[] = {
    {"host", "HOST", "the host name to show", false},
    {"run", "DIR", "the registry of its sessions (" KA_RUNDIR ")", false},
    {0},
};

const struct show_column project_columns[] = {
    {"id", "id", SHOW_TEXT},
    {"title", "title", SHOW_TEXT},
    {"state", "state", SHOW_TEXT},
    {"ssh", "ssh", SHOW_TEXT},
    {"agent", "agent", SHOW_TEXT},
    {"tcp", "tcp", SHOW_TEXT},
    {"x11", "x11", SHOW_TEXT},
    {"pty", "pty", SHOW_TEXT},
    {"sftp-only", "sftp_only", SHOW_TEXT},
    {"uid", "uid", SHOW_TEXT},
    {"home", "home", SHOW_TEXT},
    {"shell", "shell", SHOW_TEXT},
    {"owners", "owners", SHOW_TEXT},
    {"collaborators", "collaborators", SHOW_TEXT},
    {"created", "created", SHOW_TIME},
    {"last used", "last_used.at", SHOW_TIME},
    {"from", "last_used.from", SHOW_TEXT},
    {"times used", "last_used.count", SHOW_TEXT},
    {NULL, NULL, SHOW_TEXT},
};

/* One key that opens the project: whose it is, and what it is called. */
static enum ka_result
append_key(struct ka_store *store, const struct ka_access_answer *answer,
    const struct ka_access_registration *registration, void *keys)
{
	char fingerprint[KA_SHA256_TEXT_LEN];

	(void)store;
	(void)answer;
	ka_fingerprint_format(registration->key.sha256, fingerprint);
	if (json_array_append_new(keys, json_pack("{s:s,s:s,s:s}", "handle", registration->account.handle, "title",
					    registration->key.title, "fingerprint", fingerprint)) != 0)
		return KA_UNAVAIL;
	return KA_OK;
}

/* What one project shows beyond a listing: the keys that open it now. */
static enum ka_result
add_keys(struct cli *cli, struct ka_store *store, const struct ka_project *project, json_t *object)
{
	json_t *keys = json_array();

	if (json_object_set_new(object, "keys", keys) != 0)
		return KA_UNAVAIL;
	return admitted_each(cli, store, project, append_key, keys);
}

/* Who is in it now; null where that is not known. */
static void
add_sessions(struct cli *cli, const struct ka_project *project, json_t *object)
{
	json_t *rows = NULL;
	struct ka_error err;

	/* This host's sessions were let in by its own database, and not by a copy. */
	if (cutoff_is_in_service(cli)) {
		rows = json_array();
		if (sessions_in(cli, project->id, rows, &err) != KA_OK) {
			cli_warn(cli, err.text);
			json_decref(rows);
			rows = NULL;
		}
	}
	(void)json_object_set_new(object, "sessions", rows != NULL ? rows : json_null());
}

/* One line each, the first behind what they are. */
static void
print_keys(json_t *keys)
{
	json_t *key;
	size_t i;

	if (json_array_size(keys) == 0)
		(void)printf("%-16s none\n", "keys");
	json_array_foreach(keys, i, key)
	{
		(void)printf("%-16s %s of %s, \"%s\"\n", i == 0 ? "keys" : "",
		    json_string_value(json_object_get(key, "fingerprint")),
		    json_string_value(json_object_get(key, "handle")),
		    json_string_value(json_object_get(key, "title")));
	}
}

static void
print_sessions(json_t *sessions)
{
	json_t *session;
	size_t i;

	if (!json_is_array(sessions) || json_array_size(sessions) == 0) {
		(void)printf("%-16s %s\n", "sessions", json_is_array(sessions) ? "none" : "-");
		return;
	}
	(void)printf("%-16s %zu\n", "sessions", json_array_size(sessions));
	json_array_foreach(sessions, i, session)
	{
		const char *handle = json_string_value(json_object_get(session, "handle"));
		char since[KA_TIME_TEXT_LEN] = "-";
		int64_t since_s;

		if (ka_time_parse(json_string_value(json_object_get(session, "since")), 0, &since_s) == KA_OK)
			show_format_time(since_s, since);
		(void)printf("%-16s %s from %s since %s\n", "", handle != NULL ? handle : "-",
		    json_string_value(json_object_get(session, "from")), since);
	}
}

/* For people: first what everybody wants to know, last what may be many. */
static enum cli_status
print_project(struct cli *cli, json_t *object)
{
	const char *login = json_string_value(json_object_get(object, "login"));
	enum cli_status status;

	if (!cli->json && login != NULL)
		(void)printf("Use the following username@host: %s\n\n", login + strlen("ssh "));
	json_incref(object);
	status = show_object(cli, object, project_columns);
	if (!cli->json) {
		print_sessions(json_object_get(object, "sessions"));
		print_keys(json_object_get(object, "keys"));
	}
	json_decref(object);
	return status;
}

enum cli_status
project_show(struct cli *cli)
{
	struct ka_store *store = NULL;
	struct ka_usage *usage = NULL;
	struct ka_project project;
	struct ka_error err = {""};
	json_t *object = NULL;
	enum ka_result r;

	if ((r = cli_open_with_usage(cli, &store, &usage, &err)) == KA_OK &&
	    (r = ka_catalog_find_project(store, cli->args[0], &project, &err)) == KA_OK &&
	    ((r = project_describe(cli, store, usage, &project, &object)) != KA_OK ||
		(r = add_keys(cli, store, &project, object)) != KA_OK))
		(void)ka_store_fail(store, r, &err);
	ka_usage_close(usage);
	ka_store_close(store);
	if (r == KA_OK) {
		add_sessions(cli, &project, object);
		return print_project(cli, object);
	}
	json_decref(object);
	return cli_fail(cli, r, &err);
}
