/*
 * The lines of an import, one after the other, in batches each of which is in as a whole or not at all. A line that
 * cannot be taken is told, and the others go on.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/catalog.h"
#include "common/text.h"
#include "keyacct/command.h"
#include "keyacct/import_run.h"

/* Lines are kept as long as there is room. */
#define KEPT_MAX (256U * 1024 * 1024)

/* How many refusals go into a report in JSON; without it all of them are said. */
#define REFUSALS_MAX 1000U

enum ka_result
run_open(struct run *run, struct ka_error *err)
{
	const char *account = cli_value(run->cli, "account", 0);
	struct ka_store *store = NULL;
	enum ka_result r;

	if (run->im.store != NULL)
		return KA_OK;
	if ((r = command_open(run->cli, &store, err)) == KA_OK &&
	    (r = ka_store_fail(store, ka_store_settings(store, &run->im.settings), err)) == KA_OK && account != NULL)
		r = ka_catalog_find_account(store, account, &run->account, err);
	if (r == KA_OK)
		run->im.store = store; /* now the run's */
	else
		ka_store_close(store);
	return r;
}

enum ka_result
run_commit(struct run *run, struct ka_error *err)
{
	enum ka_result r = KA_OK;

	run->uncommitted = 0;
	if (!run->dry && run->im.store != NULL)
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
	run->im.told = run->im.ended = false;
	if ((object = json_loads(text, JSON_REJECT_DUPLICATES, &why)) == NULL)
		return refuse_json(&why, err);
	if (json_is_object(object))
		r = import_row(&run->im, object, outcome, err);
	else
		r = ka_result_fail(err, KA_INVALID, "no JSON object, but an array");
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
	run->untold += !run->im.told;
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
keep(struct run *run, const struct kept *line)
{
	struct kept *grown;
	char *copy;

	if (run->kept_bytes + strlen(line->text) > KEPT_MAX)
		return false;
	if ((run->nkept & (run->nkept - 1)) == 0) {
		grown = realloc(run->kept, (run->nkept > 0 ? 2 * run->nkept : 1) * sizeof(*grown));
		if (grown == NULL)
			return false;
		run->kept = grown;
	}
	if ((copy = strdup(line->text)) == NULL)
		return false;
	run->kept[run->nkept++] = (struct kept){.line = line->line, .text = copy, .told = run->im.told};
	run->kept_bytes += strlen(copy);
	return true;
}

static void
count(struct counts *counts, enum import_outcome outcome)
{
	switch (outcome) {
	case IMPORT_NOTHING:
		break;
	case IMPORT_ADDED:
		counts->added++;
		break;
	case IMPORT_CHANGED:
		counts->changed++;
		break;
	case IMPORT_UNCHANGED:
		counts->unchanged++;
		break;
	}
}

/* One line. ${last} says that no other can make it right any more. KA_NOTFOUND and so on are told and done with. */
static enum ka_result
take(struct run *run, const struct kept *line, bool last, struct ka_error *err)
{
	enum import_outcome outcome;
	struct ka_error why = {""};
	enum ka_result r;

	run->im.line = line->line;
	r = import_text(run, line->text, &outcome, &why);
	switch (r) {
	case KA_OK:
		count(&run->done, outcome == IMPORT_UNCHANGED && line->moved ? IMPORT_CHANGED : outcome);
		break;
	case KA_NOTFOUND:
	case KA_CONFLICT:
		if (last || !keep(run, line))
			refuse(run, line->line, &why);
		break;
	case KA_INVALID:
		refuse(run, line->line, &why);
		break;
	case KA_BUSY:
	case KA_UNAVAIL:
	case KA_CORRUPT:
	case KA_FAILED:
		return ka_result_fail(err, r, "line %zu: %.400s", line->line, why.text);
	}
	return ++run->uncommitted < IMPORT_BATCH ? KA_OK : run_commit(run, err);
}

static void
refuse_unfit(struct run *run, size_t line, size_t len)
{
	struct ka_error why;

	run->im.told = run->im.ended = false;
	if (len > LINES_MAX)
		(void)ka_result_fail(
		    &why, KA_INVALID, "%zu bytes are too long for a line: %u are the most", len, LINES_MAX);
	else
		(void)ka_result_fail(&why, KA_INVALID, "this line has a NUL byte");
	refuse(run, line, &why);
}

/* How many lines there are, as far as those that were read tell; 0 when nothing does. */
static uint64_t
lines_in(const struct run *run, size_t read)
{
	if (run->size == 0 || run->in.passed == 0)
		return 0;
	return (uint64_t)((double)read * (double)run->size / (double)run->in.passed);
}

enum ka_result
run_read(struct run *run, struct ka_error *err)
{
	struct kept line = {.line = 0};
	enum lines_state state;
	enum ka_result r = KA_OK;
	size_t len;

	while (r == KA_OK && (state = lines_next(&run->in, &line.text, &len)) != LINES_END) {
		line.line++;
		if (state == LINES_FAILED)
			return ka_result_fail(err, KA_FAILED, "cannot read %s: %s", run->name, strerror(errno));
		if ((r = run_open(run, err)) != KA_OK)
			return r;
		if (state == LINES_UNFIT)
			refuse_unfit(run, line.line, len);
		else
			r = take(run, &line, false, err);
		ka_watch_tell(&run->progress.watch, "reading", "lines", line.line, lines_in(run, line.line));
	}
	return r;
}

/* Once more the lines that were kept. */
static enum ka_result
take_kept(struct run *run, bool last, struct ka_error *err)
{
	struct kept *kept = run->kept;
	size_t n = run->nkept;
	bool ended = run->im.ended; /* they are not the last lines */
	enum ka_result r = KA_OK;

	names_begin(&run->im.names);
	run->kept = NULL;
	run->nkept = run->kept_bytes = 0;
	for (size_t i = 0; i < n; i++) {
		if (r == KA_OK)
			r = take(run, &kept[i], last, err);
		free(kept[i].text);
		ka_watch_tell(&run->progress.watch, "trying again", "lines", i, n);
	}
	free(kept);
	run->im.ended = ended;
	return r;
}

/* Accounts that exchange their handles can only do it together. Their lines say more, and are still to be taken. */
static enum ka_result
exchange_handles(struct run *run, struct ka_error *err)
{
	const struct names *names = &run->im.names;
	size_t at = 0;
	enum ka_result r = import_exchange_handles(&run->im, err);

	/* Both are in the order of the lines. */
	for (size_t i = 0; r == KA_OK && i < names->n; i++)
		while (names->clashes[i].moves && at < run->nkept && run->kept[at].line <= names->clashes[i].line) {
			run->kept[at].moved = run->kept[at].line == names->clashes[i].line;
			at++;
		}
	return r;
}

enum ka_result
run_retry(struct run *run, struct ka_error *err)
{
	size_t before = SIZE_MAX;
	enum ka_result r = KA_OK;

	while (r == KA_OK && run->nkept > 0 && run->nkept < before) {
		before = run->nkept;
		if ((r = exchange_handles(run, err)) == KA_OK)
			r = take_kept(run, false, err);
	}
	return r;
}

enum ka_result
run_refuse_kept(struct run *run, struct ka_error *err)
{
	return take_kept(run, true, err);
}

size_t
run_count_untold(const struct run *run)
{
	size_t n = run->untold;

	for (size_t i = 0; i < run->nkept; i++)
		n += !run->kept[i].told;
	return n;
}

void
run_free_kept(struct run *run)
{
	for (size_t i = 0; i < run->nkept; i++)
		free(run->kept[i].text);
	free(run->kept);
	run->kept = NULL;
	run->nkept = 0;
}
