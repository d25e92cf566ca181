/*
 * keyacct check: is the database whole?
 */
#include "common/check.h"

#include <stdio.h>
#include <string.h>

#include "common/sound.h"
#include "common/usage.h"
#include "keyacct/cli.h"
#include "keyacct/cutoff.h"
#include "keyacct/command.h"
#include "keyacct/progress.h"
#include "keyacct/show.h"

static const struct show_column columns[] = {
    {"FINDING", "finding", SHOW_TEXT},
    {"MENDED", "mended", SHOW_TEXT},
    {NULL, NULL, SHOW_TEXT},
};

struct checking {
	const struct cli *cli;
	bool repair;
	struct progress progress;
	struct ka_sound sound[KA_FILES];
	enum ka_result
	    file[KA_FILES]; /* KA_OK, also when it is single rows that are wrong; KA_NOTFOUND or KA_CORRUPT */
	json_t *rows;
	size_t left; /* findings that were not mended */
};

static void
add(struct checking *c, const char *file, const char *table, const char *text, bool mended)
{
	c->left += !mended;
	(void)json_array_append_new(c->rows,
	    json_pack("{s:s,s:s?,s:s,s:b}", "file", file, "table", table, "finding", text, "mended", (int)mended));
}

static void
found(void *arg, const struct ka_finding *finding)
{
	add(arg, ka_table_file_name(finding->file), ka_table_name(finding->table), finding->text, finding->mended);
}

static void
add_file(struct checking *c, enum ka_file file, bool mended)
{
	const char *way = !mended && file != KA_FILE_ACCESS ? "; 'keyacct check --repair' makes it anew" : "";
	struct ka_error text;

	(void)ka_result_fail(&text, KA_OK, "%.400s%s", c->sound[file].err.text, way);
	add(c, ka_table_file_name(file), NULL, text.text, mended);
}

/* Each file by itself, to the last page. */
static enum ka_result
look_at_files(struct checking *c, struct ka_error *err)
{
	for (int i = 0; i < KA_FILES; i++) {
		enum ka_result *r = &c->file[i];

		*r = ka_sound_check(c->cli->dir, (enum ka_file)i, &c->progress.watch, &c->sound[i]);
		if (*r != KA_OK && *r != KA_NOTFOUND && *r != KA_CORRUPT)
			return ka_result_fail(err, *r == KA_CONFLICT ? KA_CORRUPT : *r, "%s", c->sound[i].err.text);
		/* Which rows they are is told one by one; last uses are nothing but rows. */
		if (c->sound[i].unread > 0 && i != KA_FILE_USAGE)
			*r = KA_OK;
	}
	/* Only one of them was put back by hand. */
	if (c->file[KA_FILE_ACCESS] == KA_OK && c->file[KA_FILE_NAMES] == KA_OK &&
	    c->sound[KA_FILE_NAMES].meta.changes > c->sound[KA_FILE_ACCESS].meta.changes)
		c->file[KA_FILE_ACCESS] = ka_result_fail(&c->sound[KA_FILE_ACCESS].err, KA_CORRUPT,
		    "private/access.mdb is older than names.mdb: 'keyacct restore' brings them together");
	return KA_OK;
}

/* Nothing follows from last uses, and they follow from nothing. */
static enum ka_result
mend_usage(struct checking *c, struct ka_error *err)
{
	enum ka_result r = KA_OK;

	if (c->file[KA_FILE_USAGE] == KA_OK)
		return KA_OK;
	if (c->repair)
		r = ka_usage_mend(c->cli->dir, err);
	add_file(c, KA_FILE_USAGE, c->repair && r == KA_OK);
	return r;
}

/* names.mdb follows from access.mdb, and is made anew when it is gone. */
static enum ka_result
open_whole(struct checking *c, struct ka_store **store, struct ka_error *err)
{
	struct ka_store_mend mend;
	enum ka_result r;
	gid_t gid;

	if (!c->repair)
		return ka_store_open(c->cli->dir, false, store, err);
	if (c->file[KA_FILE_NAMES] == KA_OK)
		return command_open(c->cli, store, err);
	if ((r = cli_group(&gid, err)) == KA_OK &&
	    (r = ka_store_open_mended(c->cli->dir, gid, false, &c->progress.watch, store, &mend, err)) == KA_OK)
		ka_store_begin_command(*store, "check --repair");
	return r;
}

static enum ka_result
look_at_rows(struct checking *c, struct ka_error *err)
{
	bool has_names = c->file[KA_FILE_NAMES] == KA_OK;
	struct ka_store *store = NULL;
	enum ka_result r;

	if ((r = open_whole(c, &store, err)) == KA_OK) {
		r = has_names || c->repair ? ka_check_run(store, c->repair, found, c) : KA_OK;
		if (r == KA_OK && c->repair)
			r = ka_store_commit(store, err);
		else if (r != KA_OK)
			r = ka_store_fail(store, r, err);
	}
	ka_store_close(store);
	if (!has_names)
		add_file(c, KA_FILE_NAMES, c->repair && r == KA_OK);
	return r;
}

static enum ka_result
look(struct checking *c, struct ka_error *err)
{
	enum ka_result r;

	if ((r = look_at_files(c, err)) != KA_OK)
		return r;
	/* All three: nothing was ever there, or its directory is another. */
	if (c->file[KA_FILE_ACCESS] == KA_NOTFOUND && c->file[KA_FILE_NAMES] == KA_NOTFOUND) {
		struct ka_store *store = NULL;

		r = ka_store_open(c->cli->dir, false, &store, err);
		ka_store_close(store);
		return r;
	}
	if (c->file[KA_FILE_ACCESS] != KA_OK) {
		add_file(c, KA_FILE_ACCESS, false);
		if (c->file[KA_FILE_NAMES] != KA_OK)
			add_file(c, KA_FILE_NAMES, false);
		return mend_usage(c, err);
	}
	return (r = look_at_rows(c, err)) == KA_OK ? mend_usage(c, err) : r;
}

static enum cli_status
run_check(struct cli *cli)
{
	struct checking c = {.cli = cli, .repair = cli_value(cli, "repair", 0) != NULL, .rows = json_array()};
	enum cli_status shown = CLI_DONE;
	struct ka_error err = {""};
	enum ka_result r;

	progress_begin(&c.progress, cli);
	r = look(&c, &err);
	progress_end(&c.progress);
	/* What was removed may have been somebody's access. */
	if (c.repair)
		cutoff_after_change(cli);
	if (r == KA_OK && json_array_size(c.rows) == 0 && !cli->json) {
		json_decref(c.rows);
		(void)puts("Everything reads, and fits together.");
		return CLI_DONE;
	}
	if (r == KA_OK || json_array_size(c.rows) > 0)
		shown = show_list(cli, c.rows, columns, "");
	else
		json_decref(c.rows);
	if (r != KA_OK)
		return cli_fail(cli, r, &err);
	if (shown != CLI_DONE)
		return shown;
	return c.left == 0 ? CLI_DONE : CLI_UNAVAIL;
}

static const struct cli_option options[] = {
    {"repair", NULL, "write again what follows from the rest, remove what refers to nothing", false},
    {0},
};

const struct cli_verb check_verbs[] = {
    {"check", NULL, "", 0, 0, options, "Look at every row of the database: is it whole?", "keyacct check",
	CLI_CHANGES_ACCESS, run_check},
    {0},
};
