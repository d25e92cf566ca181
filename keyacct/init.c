/*
 * keyacct init: an empty database.
 */
#include <stdio.h>
#include <unistd.h>

#include "keyacct/cli.h"
#include "keyacct/show.h"

static enum cli_status
run_init(struct cli *cli)
{
	struct ka_error err;
	enum ka_result r;
	gid_t gid;

	if (geteuid() != 0) {
		(void)ka_result_fail(&err, KA_UNAVAIL, "only root can make the database: run this as root");
		return cli_fail(cli, KA_UNAVAIL, &err);
	}
	if ((r = cli_group(&gid, &err)) != KA_OK || (r = ka_store_create(cli->dir, gid, &err)) != KA_OK)
		return cli_fail(cli, r, &err);
	if (cli->json)
		return show_object(cli, json_pack("{s:s}", "dir", cli->dir), NULL);
	(void)printf("There is an empty database in %s now. Next: keyacct account add HANDLE\n", cli->dir);
	return CLI_DONE;
}

const struct cli_verb init_verbs[] = {
    {"init", NULL, "", 0, 0, NULL, "Make an empty database.", "keyacct init", CLI_KEEPS_ACCESS, run_init},
    {0},
};
