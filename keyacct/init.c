/*
 * keyacct init: an empty database.
 */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "keyacct/cli.h"
#include "keyacct/show.h"

#define GROUP "keyacct"

static enum cli_status
run_init(struct cli *cli)
{
	struct ka_error err;
	struct group *group;
	enum ka_result r;

	if (geteuid() != 0) {
		(void)ka_result_fail(&err, KA_UNAVAIL, "only root can make the database: run this as root");
		return cli_fail(cli, KA_UNAVAIL, &err);
	}
	errno = 0;
	if ((group = getgrnam(GROUP)) == NULL) {
		(void)ka_result_fail(&err, KA_NOTFOUND,
		    "there is no group \"" GROUP
		    "\", under which sshd's helper reads the database: make the system user with "
		    "'systemd-sysusers keyacct.conf' or 'adduser --system --group --no-create-home " GROUP "'");
		return cli_fail(cli, KA_NOTFOUND, &err);
	}
	if ((r = ka_store_create(cli->dir, group->gr_gid, &err)) != KA_OK)
		return cli_fail(cli, r, &err);
	if (cli->json)
		return show_object(cli, json_pack("{s:s}", "dir", cli->dir), NULL);
	(void)printf("There is an empty database in %s now. Next: keyacct account add HANDLE\n", cli->dir);
	return CLI_DONE;
}

const struct cli_verb init_verbs[] = {
    {"init", NULL, "", 0, 0, NULL, "Make an empty database.", "keyacct init", run_init},
    {0},
};
