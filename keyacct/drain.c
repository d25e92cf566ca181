/*
 * keyacct drain: bring last use up to date. PAM starts it when much has gathered; a timer may; listings do it
 * themselves.
 */
#include "common/usage.h"
#include "keyacct/cli.h"

static enum cli_status
run_drain(struct cli *cli)
{
	struct ka_error err;
	enum ka_result r = ka_usage_drain(cli->dir, &err);

	return r == KA_OK ? CLI_DONE : cli_fail(cli, r, &err);
}

const struct cli_verb drain_verbs[] = {
    {"drain", NULL, "", 0, 0, NULL, "Take what logins noted of last use into the database.", "keyacct drain",
	CLI_KEEPS_ACCESS, run_drain},
    {0},
};
