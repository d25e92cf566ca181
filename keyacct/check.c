/*
 * keyacct check: is the database whole?
 */
#include "common/check.h"

#include <stdio.h>

#include "keyacct/cli.h"
#include "keyacct/show.h"

static const struct show_column columns[] = {
    {"FINDING", "finding", SHOW_TEXT},
    {"MENDED", "mended", SHOW_TEXT},
    {NULL, NULL, SHOW_TEXT},
};

struct findings {
	json_t *rows;
	size_t left; /* those that were not mended */
};

static void
found(void *arg, const struct ka_finding *finding)
{
	struct findings *f = arg;

	f->left += !finding->mended;
	(void)json_array_append_new(f->rows, json_pack("{s:s,s:s,s:b}", "table", ka_table_name(finding->table),
						 "finding", finding->text, "mended", finding->mended));
}

static enum ka_result
look(const struct cli *cli, struct ka_store **store, struct findings *f, struct ka_error *err)
{
	bool repair = cli_value(cli, "repair", 0) != NULL;
	enum ka_result r;

	r = repair ? cli_open_for_change(cli, store, err) : ka_store_open(cli->dir, false, store, err);
	if (r == KA_OK && (r = ka_check_run(*store, repair, found, f)) != KA_OK)
		return ka_store_fail(*store, r, err);
	return r == KA_OK && repair ? ka_store_commit(*store, err) : r;
}

static enum cli_status
run_check(struct cli *cli)
{
	struct findings f = {.rows = json_array()};
	struct ka_store *store = NULL;
	struct ka_error err = {""};
	enum ka_result r = look(cli, &store, &f, &err);

	ka_store_close(store);
	if (r != KA_OK && json_array_size(f.rows) == 0) {
		json_decref(f.rows);
		return cli_fail(cli, r, &err);
	}
	if (r == KA_OK && json_array_size(f.rows) == 0 && !cli->json) {
		json_decref(f.rows);
		(void)puts("Everything reads, and fits together.");
		return CLI_DONE;
	}
	if (show_list(cli, f.rows, columns, "") != CLI_DONE)
		return CLI_OTHER;
	if (r != KA_OK)
		return cli_fail(cli, r, &err);
	return f.left == 0 ? CLI_DONE : CLI_UNAVAIL;
}

static const struct cli_option options[] = {
    {"repair", NULL, "write again what follows from the rest, remove what refers to nothing", false},
    {0},
};

const struct cli_verb check_verbs[] = {
    {"check", NULL, "", 0, 0, options, "Look at every row of the database: is it whole?", "keyacct check", run_check},
    {0},
};
