/*
 * keyacct import: a platform's data, or what a host without keyacct has, line by line.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keyacct/cutoff.h"
#include "keyacct/import_run.h"
#include "keyacct/show.h"

/* What may be removed without --force: a little always, and never a whole table by mistake. */
#define REMOVE_MAX    1000U
#define REMOVE_ALWAYS 10U

/* May the mirror remove anything at all, and so much? */
static enum ka_result
check_removal(struct run *run, struct ka_error *err)
{
	size_t absent, all, limit, untold = run_count_untold(run);
	enum ka_result r;

	if (!run->im.ended)
		return ka_result_fail(err, KA_INVALID,
		    "%s does not end with {\"type\":\"end\"}: it may be cut off, so nothing was removed", run->name);
	if (untold > 0)
		return ka_result_fail(err, KA_INVALID,
		    "%s has %zu line%s of which nobody knows what they are about: nothing was removed", run->name,
		    untold, untold > 1 ? "s" : "");
	if (run->im.seen.n == 0 && cli_value(run->cli, "force", 0) == NULL && !run->dry)
		return ka_result_fail(err, KA_CONFLICT,
		    "%s names nothing, so everything would be removed: was the right database asked? say --force if it "
		    "was",
		    run->name);
	if ((r = import_count_absent(&run->im, &absent, &all)) != KA_OK)
		return ka_store_fail(run->im.store, r, err);
	limit = all / 100 < REMOVE_MAX ? all / 100 : REMOVE_MAX;
	if (limit < REMOVE_ALWAYS)
		limit = REMOVE_ALWAYS;
	if (absent <= limit || cli_value(run->cli, "force", 0) != NULL || run->dry)
		return KA_OK;
	return ka_result_fail(err, KA_CONFLICT,
	    "%zu of %zu rows are not in %s, and would be removed: that is more than 1 %% or %u, so nothing was; look "
	    "with --dry-run, and say --force if it is right",
	    absent, all, run->name, REMOVE_MAX);
}

static enum ka_result
remove_absent(struct run *run, struct ka_error *err)
{
	size_t removed;
	enum ka_result r;

	/* An empty file is no platform's either. */
	if ((r = run_open(run, err)) != KA_OK || (r = check_removal(run, err)) != KA_OK)
		return r;
	do {
		if ((r = import_remove_absent(&run->im, IMPORT_BATCH, &removed, err)) != KA_OK)
			return r;
		run->done.removed += removed;
		if ((r = run_commit(run, err)) != KA_OK)
			return r;
		ka_watch_tell(&run->progress.watch, "removing", "rows", run->done.removed, 0);
	} while (removed > 0);
	return KA_OK;
}

static enum ka_result
import_all(struct run *run, struct ka_error *err)
{
	struct ka_error after = {""};
	enum ka_result r, removal = KA_OK;

	if ((r = run_read(run, err)) != KA_OK || (r = run_retry(run, err)) != KA_OK ||
	    (r = run_commit(run, err)) != KA_OK)
		return r;
	/* A line that clashed with what the mirror then removed is right after that. */
	if (run->im.mirror && (removal = remove_absent(run, err)) == KA_OK)
		r = run_retry(run, &after);
	if (r == KA_OK && (r = run_refuse_kept(run, &after)) == KA_OK)
		r = run_commit(run, &after);
	if (removal != KA_OK || r == KA_OK)
		return removal;
	*err = after;
	return r;
}

static enum ka_result
open_input(struct run *run, int *fd, struct ka_error *err)
{
	struct stat st;

	*fd = STDIN_FILENO;
	if (strcmp(run->name, "-") == 0)
		run->name = "standard input";
	else if ((*fd = open(run->name, O_RDONLY | O_CLOEXEC)) < 0)
		return ka_result_fail(
		    err, errno == ENOENT ? KA_NOTFOUND : KA_FAILED, "cannot read %s: %s", run->name, strerror(errno));
	if (fstat(*fd, &st) == 0 && S_ISREG(st.st_mode))
		run->size = st.st_size;
	lines_begin(&run->in, *fd);
	return KA_OK;
}

static enum ka_result
do_import(struct run *run, struct ka_error *err)
{
	int fd = -1;
	enum ka_result r;

	progress_begin(&run->progress, run->cli);
	if ((r = open_input(run, &fd, err)) == KA_OK)
		r = import_all(run, err);
	progress_end(&run->progress);
	run_free_kept(run);
	seen_free(&run->im.seen);
	names_free(&run->im.names);
	lines_end(&run->in);
	if (fd > STDIN_FILENO)
		(void)close(fd);
	return r;
}

static enum cli_status
report(struct run *run)
{
	const struct counts *n = &run->committed;

	if (run->cli->json)
		return show_object(run->cli,
		    json_pack("{s:I,s:I,s:I,s:I,s:I,s:O,s:b}", "added", (json_int_t)n->added, "changed",
			(json_int_t)n->changed, "unchanged", (json_int_t)n->unchanged, "removed",
			(json_int_t)n->removed, "refused", (json_int_t)run->refused, "refusals", run->refusals,
			"dry_run", run->dry),
		    NULL);
	(void)printf("%s%zu added, %zu changed, %zu unchanged, %zu removed, %zu refused\n", run->dry ? "would be " : "",
	    n->added, n->changed, n->unchanged, n->removed, run->refused);
	return CLI_DONE;
}

static enum ka_result
read_options(struct run *run, struct ka_error *err)
{
	const struct cli *cli = run->cli;
	bool unix_file = cli_value(cli, "authorized-keys", 0) != NULL || cli_value(cli, "passwd", 0) != NULL;

	run->dry = cli_value(cli, "dry-run", 0) != NULL;
	run->im.origin = cli_value(cli, "origin", 0);
	run->im.mirror = cli_value(cli, "mirror", 0) != NULL;
	run->im.rule = run->im.mirror ? KA_OWNER_FREE : KA_OWNER_KEPT;
	run->name = cli->nargs > 0 ? cli->args[0] : "-";
	if (cli_value(cli, "authorized-keys", 0) != NULL)
		run->name = cli_value(cli, "authorized-keys", 0);
	if (cli_value(cli, "passwd", 0) != NULL)
		run->name = cli_value(cli, "passwd", 0);
	if (unix_file && cli->nargs > 0)
		return ka_result_fail(err, KA_INVALID, "\"%.80s\" is one file too many", cli->args[0]);
	if (run->im.origin != NULL && (run->im.origin[0] == '\0' || strlen(run->im.origin) >= KA_ORIGIN_LEN ||
					  !ka_record_handle_ok(run->im.origin)))
		return ka_result_fail(
		    err, KA_INVALID, "--origin \"%.80s\" is no label: the rules are those of a handle", run->im.origin);
	if (unix_file && run->im.mirror)
		return ka_result_fail(err, KA_INVALID, "--mirror goes with JSON lines alone");
	if (cli_value(cli, "authorized-keys", 0) != NULL && cli_value(cli, "passwd", 0) != NULL)
		return ka_result_fail(err, KA_INVALID, "--authorized-keys and --passwd are two imports");
	if (cli_value(cli, "authorized-keys", 0) != NULL && cli_value(cli, "account", 0) == NULL)
		return ka_result_fail(err, KA_INVALID, "--authorized-keys needs --account: whose keys are they?");
	return KA_OK;
}

static enum cli_status
run_import(struct cli *cli)
{
	struct run run = {.cli = cli, .refusals = json_array()};
	struct ka_error err = {""};
	enum cli_status status = CLI_DONE;
	bool wrote;
	enum ka_result r;

	if ((r = read_options(&run, &err)) == KA_OK)
		r = do_import(&run, &err);
	/* What was committed stays, so it is told also when the rest failed. */
	if (r == KA_OK || run.im.store != NULL)
		status = report(&run);
	json_decref(run.refusals);
	/* Also what was committed before it failed can have taken access away. */
	wrote = run.im.store != NULL && !run.dry;
	ka_store_close(run.im.store);
	if (wrote)
		cutoff_after_change(cli);
	if (r != KA_OK)
		return cli_fail(cli, r, &err);
	return status == CLI_DONE && run.refused > 0 ? CLI_OTHER : status;
}

static const struct cli_option options[] = {
    {"mirror", NULL, "remove what the lines do not name", false},
    {"dry-run", NULL, "change nothing, only say what would be", false},
    {"force", NULL, "let --mirror remove more than 1 % or 1,000 rows", false},
    {"origin", "LABEL", "mark the keys that come in; with --mirror only these are removed", false},
    {"authorized-keys", "FILE", "instead, the keys of --account out of an authorized_keys file", false},
    {"passwd", "FILE", "instead, a project for each user of a passwd file, with its uid and home", false},
    {"account", "ACCOUNT", "whose keys they are; who owns the projects of a passwd file", false},
    {0},
};

const struct cli_verb import_verbs[] = {
    {"import", NULL, "[FILE|-]", 0, 1, options, "Bring a platform's data in, one JSON object a line.",
	"keyacct import --mirror --dry-run platform.jsonl", CLI_CHANGES_ACCESS, run_import},
    {0},
};
