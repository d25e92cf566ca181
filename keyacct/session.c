/*
 * keyacct session: who is in which project now.
 */
#include <stdio.h>

#include "keyacct/cli.h"
#include "keyacct/sessions.h"
#include "keyacct/show.h"

/* What is there and is no entry may be one of a newer version: a session that this tool does not see. */
static void
warn_strange(const struct cli *cli, const struct ka_registry *reg)
{
	char text[KA_SESSION_NAME_LEN + 192];

	if (reg->strange == 0)
		return;
	(void)snprintf(text, sizeof(text),
	    "%zu file%s in %s/sessions %s not looked at, such as \"%s\": remove it, or use the keyacct that wrote it",
	    reg->strange, reg->strange == 1 ? " that is no entry" : "s that are no entries", cli_run(cli),
	    reg->strange == 1 ? "is" : "are", reg->a_strange);
	cli_warn(cli, text);
}

static enum cli_status
run_list(struct cli *cli)
{
	struct ka_registry reg;
	struct ka_error err = {""};
	json_t *rows = json_array();
	enum ka_result r = sessions_find(cli, &reg, &err);

	for (size_t i = 0; r == KA_OK && i < reg.n; i++)
		if (json_array_append_new(rows, sessions_json(&reg.entries[i])) != 0)
			r = ka_result_fail(&err, KA_FAILED, "out of memory");
	warn_strange(cli, &reg);
	ka_registry_free(&reg);
	if (r == KA_OK)
		return show_list(cli, rows, sessions_columns, "No session is open.");
	json_decref(rows);
	return cli_fail(cli, r, &err);
}

static const struct cli_option list_options[] = {
    {"project", "PROJECT", "only sessions in this project", false},
    {"account", "ACCOUNT", "only sessions of this account", false},
    {"key", "KEY", "only sessions by this key", false},
    {"run", "DIR", "the registry (" KA_RUNDIR ")", false},
    {"csv", NULL, "print comma-separated values", false},
    {0},
};

const struct cli_verb session_verbs[] = {
    {"session", "list", "", 0, 0, list_options, "List who is in which project now.", "keyacct session list", run_list},
    {0},
};

const struct cli_verb who_verbs[] = {
    {"who", NULL, "", 0, 0, list_options, "The same, for short.", "keyacct who", run_list},
    {0},
};
