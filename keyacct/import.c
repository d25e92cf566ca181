/*
 * keyacct import: a platform's data, or what a host without keyacct has, line by line. Lines are committed in batches,
 * each of which is in as a whole or not at all; a line that cannot be taken is told, and the others go on.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/catalog.h"
#include "common/text.h"
#include "keyacct/import.h"
#include "keyacct/lines.h"
#include "keyacct/progress.h"
#include "keyacct/show.h"

#define BATCH 20000U /* lines that are committed together */

/* Lines that may be right once others are in are kept, as long as there is room. */
#define LATER_MAX (256U * 1024 * 1024)

/* How many refusals go into a report in JSON; without it all of them are said. */
#define REFUSALS_MAX 1000U

/* What may be removed without --force: a little always, and never a whole table by mistake. */
#define REMOVE_MAX    1000U
#define REMOVE_ALWAYS 10U

struct later {
	size_t line;
	char *text;
};

struct counts {
	size_t added, changed, unchanged, removed;
};

struct run {
	const struct cli *cli;
	struct import im;
	struct lines in;
	const char *name;
	off_t size; /* 0: a pipe's is not known */
	struct ka_account account;
	bool unreadable; /* a line was none of ours: nobody knows what it named */
	size_t lines, uncommitted, later_bytes;
	struct counts done, committed;
	size_t refused;
	struct later *later;
	size_t nlater;
	json_t *refusals;
	struct progress progress;
};

static bool
is_dry(const struct run *run)
{
	return cli_value(run->cli, "dry-run", 0) != NULL;
}

static enum ka_result
commit(struct run *run, struct ka_error *err)
{
	enum ka_result r = KA_OK;

	run->uncommitted = 0;
	if (!is_dry(run) && run->im.store != NULL)
		r = ka_store_commit(run->im.store, err);
	if (r == KA_OK)
		run->committed = run->done;
	return r;
}

/* Where jansson stumbled. What it was near is not repeated: it may be a piece of a private key. */
static enum ka_result
refuse_json(json_error_t *why, struct ka_error *err)
{
	char *near = strstr(why->text, " near '");

	if (near != NULL)
		*near = '\0';
	return ka_result_fail(err, KA_INVALID, "no JSON object: %.100s (column %d)", why->text, why->column);
}

static enum ka_result
import_json(struct run *run, const char *text, enum import_outcome *outcome, struct ka_error *err)
{
	json_error_t why;
	json_t *object;
	enum ka_result r;

	*outcome = IMPORT_NOTHING;
	if (text[strspn(text, " \t\r")] == '\0')
		return KA_OK;
	if ((object = json_loads(text, JSON_REJECT_DUPLICATES, &why)) == NULL) {
		run->unreadable = true;
		return refuse_json(&why, err);
	}
	if (json_is_object(object)) {
		r = import_row(&run->im, object, outcome, err);
	} else {
		run->unreadable = true;
		r = ka_result_fail(err, KA_INVALID, "no JSON object, but an array");
	}
	json_decref(object);
	return r;
}

/* One line in whatever form the options say. */
static enum ka_result
import_text(struct run *run, const char *text, enum import_outcome *outcome, struct ka_error *err)
{
	const struct ka_account *account = cli_value(run->cli, "account", 0) != NULL ? &run->account : NULL;

	if (cli_value(run->cli, "authorized-keys", 0) != NULL)
		return import_authorized_key(&run->im, account, text, outcome, err);
	if (cli_value(run->cli, "passwd", 0) != NULL)
		return import_passwd(&run->im, account, text, outcome, err);
	return import_json(run, text, outcome, err);
}

static void
refuse(struct run *run, size_t line, const struct ka_error *err)
{
	char text[sizeof(err->text) + 32], clean[sizeof(err->text)];

	run->refused++;
	progress_end(&run->progress);
	if (!run->cli->json) {
		(void)snprintf(text, sizeof(text), "line %zu: %s", line, err->text);
		cli_warn(run->cli, text);
	} else if (json_array_size(run->refusals) < REFUSALS_MAX) {
		/* Where the sentence was cut may be the middle of a character. */
		(void)ka_text_clean(err->text, strlen(err->text), clean, sizeof(clean));
		(void)json_array_append_new(
		    run->refusals, json_pack("{s:I,s:s}", "line", (json_int_t)line, "message", clean));
	}
}

/* Keep the line for later. False when there is no room: then it is refused as it is. */
static bool
keep(struct run *run, size_t line, const char *text)
{
	struct later *grown;
	char *copy;

	if (run->later_bytes + strlen(text) > LATER_MAX)
		return false;
	if ((run->nlater & (run->nlater - 1)) == 0) {
		grown = realloc(run->later, (run->nlater > 0 ? 2 * run->nlater : 1) * sizeof(*grown));
		if (grown == NULL)
			return false;
		run->later = grown;
	}
	if ((copy = strdup(text)) == NULL)
		return false;
	run->later[run->nlater++] = (struct later){line, copy};
	run->later_bytes += strlen(text);
	return true;
}

static void
count(struct run *run, enum import_outcome outcome)
{
	switch (outcome) {
	case IMPORT_NOTHING:
		break;
	case IMPORT_ADDED:
		run->done.added++;
		break;
	case IMPORT_CHANGED:
		run->done.changed++;
		break;
	case IMPORT_UNCHANGED:
		run->done.unchanged++;
		break;
	}
}

/* One line. ${last} says that no other can make it right any more. KA_NOTFOUND and so on are told and done with. */
static enum ka_result
take_line(struct run *run, size_t line, const char *text, bool last, struct ka_error *err)
{
	enum import_outcome outcome;
	struct ka_error why = {""};
	enum ka_result r = import_text(run, text, &outcome, &why);

	switch (r) {
	case KA_OK:
		count(run, outcome);
		break;
	case KA_NOTFOUND:
	case KA_CONFLICT:
		if (last || !keep(run, line, text))
			refuse(run, line, &why);
		break;
	case KA_INVALID:
		refuse(run, line, &why);
		break;
	case KA_BUSY:
	case KA_UNAVAIL:
	case KA_CORRUPT:
	case KA_FAILED:
		return ka_result_fail(err, r, "line %zu: %.400s", line, why.text);
	}
	return ++run->uncommitted < BATCH ? KA_OK : commit(run, err);
}

/* The lock is taken when there is something to write: whoever makes the lines may think for a while. */
static enum ka_result
open_store(struct run *run, struct ka_error *err)
{
	const char *account = cli_value(run->cli, "account", 0);
	struct ka_store *store = NULL;
	enum ka_result r;

	if ((r = cli_open_for_change(run->cli, &store, err)) == KA_OK &&
	    (r = ka_store_fail(store, ka_store_settings(store, &run->im.settings), err)) == KA_OK && account != NULL)
		r = ka_catalog_find_account(store, account, &run->account, err);
	if (r == KA_OK)
		run->im.store = store; /* now the run's */
	else
		ka_store_close(store);
	return r;
}

static void
refuse_unfit(struct run *run, size_t len)
{
	struct ka_error why;

	run->unreadable = true;
	if (len > LINES_MAX)
		(void)ka_result_fail(
		    &why, KA_INVALID, "%zu bytes are too long for a line: %u are the most", len, LINES_MAX);
	else
		(void)ka_result_fail(&why, KA_INVALID, "this line has a NUL byte");
	refuse(run, run->lines, &why);
}

static enum ka_result
read_lines(struct run *run, struct ka_error *err)
{
	enum lines_state state;
	enum ka_result r = KA_OK;
	char *text;
	size_t len;

	while (r == KA_OK && (state = lines_next(&run->in, &text, &len)) != LINES_END) {
		run->lines++;
		if (state == LINES_FAILED)
			return ka_result_fail(err, KA_FAILED, "cannot read %s: %s", run->name, strerror(errno));
		if (run->im.store == NULL && (r = open_store(run, err)) != KA_OK)
			return r;
		if (state == LINES_UNFIT)
			refuse_unfit(run, len);
		else
			r = take_line(run, run->lines, text, false, err);
		progress_show(
		    &run->progress, run->lines, run->size > 0 ? (double)run->in.passed / (double)run->size : -1);
	}
	return r;
}

/* The lines that were kept, again and again, as long as that makes more of them right. */
static enum ka_result
retry(struct run *run, struct ka_error *err)
{
	size_t before = SIZE_MAX;
	enum ka_result r = KA_OK;

	while (r == KA_OK && run->nlater > 0) {
		struct later *later = run->later;
		size_t n = run->nlater;
		bool last = n >= before;

		before = n;
		run->later = NULL;
		run->nlater = run->later_bytes = 0;
		for (size_t i = 0; i < n; i++) {
			if (r == KA_OK)
				r = take_line(run, later[i].line, later[i].text, last, err);
			free(later[i].text);
			progress_show(&run->progress, i, (double)i / (double)n);
		}
		free(later);
	}
	return r;
}

/* May the mirror remove anything at all, and so much? */
static enum ka_result
check_removal(struct run *run, struct ka_error *err)
{
	size_t absent, all, limit;
	enum ka_result r;

	if (!run->im.ended)
		return ka_result_fail(err, KA_INVALID,
		    "%s does not end with {\"type\":\"end\"}: it may be cut off, so nothing was removed", run->name);
	if (run->unreadable)
		return ka_result_fail(err, KA_INVALID,
		    "%s has lines that cannot be read: nobody knows what they name, so nothing was removed", run->name);
	if ((r = import_count_absent(&run->im, &absent, &all)) != KA_OK)
		return ka_store_fail(run->im.store, r, err);
	limit = all / 100 < REMOVE_MAX ? all / 100 : REMOVE_MAX;
	if (limit < REMOVE_ALWAYS)
		limit = REMOVE_ALWAYS;
	if (absent <= limit || cli_value(run->cli, "force", 0) != NULL || is_dry(run))
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
	if (run->im.store == NULL && (r = open_store(run, err)) != KA_OK)
		return r;
	if ((r = check_removal(run, err)) != KA_OK)
		return r;
	do {
		if ((r = import_remove_absent(&run->im, BATCH, &removed, err)) != KA_OK)
			return r;
		run->done.removed += removed;
		if ((r = commit(run, err)) != KA_OK)
			return r;
		progress_show(&run->progress, run->done.removed, -1);
	} while (removed > 0);
	return KA_OK;
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

	if ((r = open_input(run, &fd, err)) == KA_OK && (r = read_lines(run, err)) == KA_OK &&
	    (r = retry(run, err)) == KA_OK && (r = commit(run, err)) == KA_OK && run->im.mirror)
		r = remove_absent(run, err);
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
			"dry_run", is_dry(run)),
		    NULL);
	(void)printf("%s%zu added, %zu changed, %zu unchanged, %zu removed, %zu refused\n",
	    is_dry(run) ? "would be " : "", n->added, n->changed, n->unchanged, n->removed, run->refused);
	return CLI_DONE;
}

static enum ka_result
read_options(struct run *run, struct ka_error *err)
{
	const struct cli *cli = run->cli;
	bool unix_file = cli_value(cli, "authorized-keys", 0) != NULL || cli_value(cli, "passwd", 0) != NULL;

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
	enum ka_result r;

	if ((r = read_options(&run, &err)) != KA_OK)
		return cli_fail(cli, r, &err);
	progress_begin(&run.progress, "lines");
	r = do_import(&run, &err);
	progress_end(&run.progress);
	seen_free(&run.im.seen);
	/* What was committed stays, so it is told also when the rest failed. */
	if (r == KA_OK || run.im.store != NULL)
		status = report(&run);
	json_decref(run.refusals);
	ka_store_close(run.im.store);
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
	"keyacct import --mirror --dry-run platform.jsonl", run_import},
    {0},
};
