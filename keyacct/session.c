/*
 * keyacct session: who is in which project now, and out of it; keyacct sweep: whose time is up.
 */
#include <stdio.h>

#include "keyacct/cli.h"
#include "keyacct/cutoff.h"
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
		return show_list(cli, rows, sessions_columns,
		    cli_value(cli, "project", 0) != NULL || cli_value(cli, "account", 0) != NULL
			? "No open session fits."
			: "No session is open.");
	json_decref(rows);
	return cli_fail(cli, r, &err);
}

static const struct cli_option named[] = {
    {"project", "", "", false}, {"account", "", "", false}, {"key", "", "", false}, {0}};

static enum cli_status
run_end(struct cli *cli)
{
	bool dry = cli_value(cli, "dry-run", 0) != NULL, by_option = cli_given(cli, named);
	enum cli_status status = CLI_DONE;
	struct cutoff cutoff = {.n = 0};
	struct ka_error err = {""};
	struct ka_registry reg;
	enum ka_result r;

	if ((cli->nargs > 0) == by_option)
		return cli_fail(cli,
		    ka_result_fail(&err, KA_INVALID,
			"say which: the id of one session, or --project, --account or --key for all that fit"),
		    &err);
	if ((r = sessions_find(cli, &reg, &err)) == KA_OK && (r = cutoff_name(cli, &reg, &cutoff, &err)) == KA_OK &&
	    !dry)
		r = cutoff_end(cli, &cutoff, &err);
	warn_strange(cli, &reg);
	ka_registry_free(&reg);
	if (r == KA_OK && cutoff.n == 0 && !cli->json)
		(void)fputs("No open session fits.\n", stderr);
	if (r == KA_OK)
		status = cutoff_show(cli, &cutoff, !dry);
	cutoff_free(&cutoff);
	return r == KA_OK ? status : cli_fail(cli, r, &err);
}

static const struct cli_option list_options[] = {
    {"project", "PROJECT", "only sessions in this project", false},
    {"account", "ACCOUNT", "only sessions of this account", false},
    {"key", "KEY", "only sessions by this key", false},
    {"run", "DIR", "the registry (" KA_RUNDIR ")", false},
    {"csv", NULL, "print comma-separated values", false},
    {0},
};

static const struct cli_option end_options[] = {
    {"project", "PROJECT", "the sessions in this project", false},
    {"account", "ACCOUNT", "the sessions of this account", false},
    {"key", "KEY", "the sessions by this key", false},
    {"dry-run", NULL, "only say which would end", false},
    {"run", "DIR", "the registry (" KA_RUNDIR ")", false},
    {0},
};

const struct cli_verb session_verbs[] = {
    {"session", "list", "", 0, 0, list_options, "List who is in which project now.", "keyacct session list",
	CLI_KEEPS_ACCESS, run_list},
    {"session", "end", "[ID]", 0, 1, end_options, "End a session, or all that fit: connection and processes.",
	"keyacct session end --account student --project 829e7b56", CLI_KEEPS_ACCESS, run_end},
    {0},
};

const struct cli_verb who_verbs[] = {
    {"who", NULL, "", 0, 0, list_options, "List who is in which project now, as session list does.", "keyacct who",
	CLI_KEEPS_ACCESS, run_list},
    {0},
};

static enum cli_status
run_sweep(struct cli *cli)
{
	bool dry = cli_value(cli, "dry-run", 0) != NULL;
	enum cli_status status = CLI_DONE;
	struct cutoff cutoff;
	struct ka_error err = {""};
	enum ka_result r;

	if (!cutoff_is_in_service(cli))
		return cli_fail(cli,
		    ka_result_fail(&err, KA_INVALID,
			"%s did not let in the sessions of " KA_RUNDIR ": name their registry with --run", cli->dir),
		    &err);
	if ((r = cutoff_find(cli, &cutoff, &err)) == KA_OK && !dry)
		r = cutoff_end(cli, &cutoff, &err);
	if (r == KA_OK)
		status = cutoff_show(cli, &cutoff, !dry);
	if (r == KA_OK && status == CLI_DONE && cutoff.undecided > 0)
		status = CLI_UNAVAIL;
	cutoff_free(&cutoff);
	return r == KA_OK ? status : cli_fail(cli, r, &err);
}

static const struct cli_option sweep_options[] = {
    {"dry-run", NULL, "only say which would end", false},
    {"run", "DIR", "the registry (" KA_RUNDIR ")", false},
    {0},
};

const struct cli_verb sweep_verbs[] = {
    {"sweep", NULL, "", 0, 0, sweep_options, "End the sessions whose access has run out.", "keyacct sweep",
	CLI_KEEPS_ACCESS, run_sweep},
    {0},
};
