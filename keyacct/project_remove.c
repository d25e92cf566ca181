/*
 * keyacct project remove: a tombstone in the database, and what is left of the project on the host.
 */
#include "keyacct/command.h"
#include "keyacct/project.h"

#include <stdio.h>

#include "common/catalog.h"
#include "common/model.h"
#include "keyacct/json.h"
#include "keyacct/leftover.h"
#include "keyacct/show.h"

static enum cli_status
show(struct cli *cli, const struct ka_project *project, bool stopped)
{
	char name[KA_UUID_NAME_LEN];
	struct leftover left;
	json_t *object;

	leftover_find(project, &left);
	if (cli->json) {
		object = json_project(project);
		if (object != NULL)
			(void)json_object_set_new(object, "left", leftover_json(&left));
		return show_object(cli, object, NULL);
	}
	ka_uuid_name(project->id, name);
	(void)printf(
	    "Project %s is removed: nobody gets in. Its name and uid stay reserved, so that its files keep their "
	    "owner.\n",
	    name);
	if (stopped && !leftover_runs(&left))
		(void)puts("Nothing of it runs any more, or will.");
	if (left.home[0] != '\0' || leftover_runs(&left))
		(void)puts("Left on this host:");
	leftover_print(&left);
	if (leftover_runs(&left))
		(void)printf("To end what runs, or will: keyacct project remove %.8s --stop\n", name);
	return CLI_DONE;
}

enum cli_status
project_remove(struct cli *cli)
{
	bool stop = cli_value(cli, "stop", 0) != NULL;
	struct ka_store *store = NULL;
	struct ka_project project;
	struct ka_error err = {""};
	enum cli_status status;
	enum ka_result r;

	/* One that is removed already may be stopped later. */
	if ((r = command_open(cli, &store, &err)) == KA_OK &&
	    (r = ka_catalog_find_project(store, cli->args[0], &project, &err)) == KA_OK &&
	    !(stop && project.state == KA_PROJECT_DELETED))
		r = ka_model_remove_project(store, &project, &err);
	if ((status = command_finish(cli, store, r, &err)) != CLI_DONE)
		return status;
	/* After the commit: whoever logs in from now on is refused, so nothing comes back. */
	if (stop && (r = leftover_stop(&project, &err)) != KA_OK)
		return cli_fail(cli, r, &err);
	return show(cli, &project, stop);
}
