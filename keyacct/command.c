#include "keyacct/command.h"

#include <limits.h>
#include <stdio.h>

#include "keyacct/cutoff.h"

enum ka_result
command_open(const struct cli *cli, struct ka_store **store, struct ka_error *err)
{
	static char verb[KA_VERB_LEN];
	char run[PATH_MAX - 256]; /* the names of entries follow */
	enum ka_result r;

	*store = NULL;
	/* Before anything is changed: afterwards it would be too late to say that no session can be ended. */
	if ((r = cli_path(cli, "run", run, sizeof(run), err)) != KA_OK)
		return r;
	r = ka_store_open(cli->dir, true, store, err);
	(void)snprintf(verb, sizeof(verb), "%s%s%s", cli->verb->noun, cli->verb->verb != NULL ? " " : "",
	    cli->verb->verb != NULL ? cli->verb->verb : "");
	if (r == KA_OK)
		ka_store_begin_command(*store, verb);
	return r;
}

enum cli_status
command_finish(const struct cli *cli, struct ka_store *store, enum ka_result r, struct ka_error *err)
{
	bool committed;

	if (r == KA_OK)
		r = ka_store_commit(store, err);
	committed = ka_store_has_committed(store);
	ka_store_close(store);
	/* First the commit, then the registry: a login enters itself first and decides then, so one sees the other.
	 * Also when names.mdb could not follow: the access is gone all the same. */
	if (committed)
		cutoff_after_change(cli);
	return r == KA_OK ? CLI_DONE : cli_fail(cli, r, err);
}
