/*
 * keyacct changes: who changed what, when, and how it was before.
 */
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/catalog.h"
#include "keyacct/change.h"
#include "keyacct/cli.h"
#include "keyacct/command.h"
#include "keyacct/json.h"
#include "keyacct/show.h"
#include "keyacct/follow.h"

/* Entries that are described at a time: how many there are must not say how much memory it takes. */
#define PART 500

/* What most names of users and commands fit into. */
#define BY_WIDTH      8
#define COMMAND_WIDTH 16

struct filter {
	int64_t since_s, until_s; /* 0: no limit */
	const char *by;           /* NULL: anybody */
	bool by_known;
	uint32_t by_uid;
	const char *command; /* NULL: any */
	bool by_project, by_account;
	uint8_t project[KA_UUID_LEN], account[KA_UUID_LEN];
	uint64_t limit;
};

/* A number of digits alone. */
static enum ka_result
read_number(const char *text, uint64_t max, uint64_t *n)
{
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || digits > 18 || text[digits] != '\0')
		return KA_INVALID;
	*n = strtoull(text, NULL, 10);
	return *n <= max ? KA_OK : KA_INVALID;
}

/* A user of this host, or a uid. One that is neither may still have called sudo once. */
static void
read_user(const char *text, struct filter *f)
{
	const struct passwd *pw;
	uint64_t uid;

	f->by = text;
	if (read_number(text, UINT32_MAX, &uid) == KA_OK) {
		f->by_known = true;
		f->by_uid = (uint32_t)uid;
	} else if ((pw = getpwnam(text)) != NULL) {
		f->by_known = true;
		f->by_uid = pw->pw_uid;
	}
}

static enum ka_result
read_filter(const struct cli *cli, struct filter *f, struct ka_error *err)
{
	const char *limit = cli_value(cli, "limit", 0), *by = cli_value(cli, "by", 0);
	enum ka_result r;

	memset(f, 0, sizeof(*f));
	f->limit = UINT64_MAX;
	if ((r = cli_time(cli, "since", &f->since_s, err)) != KA_OK ||
	    (r = cli_time(cli, "until", &f->until_s, err)) != KA_OK)
		return r;
	if (limit != NULL && read_number(limit, UINT64_MAX, &f->limit) != KA_OK)
		return ka_result_fail(
		    err, KA_INVALID, "--limit \"%s\" is no number: write how many entries to show", limit);
	if (by != NULL)
		read_user(by, f);
	f->command = cli_value(cli, "command", 0);
	if (cli_value(cli, "follow", 0) != NULL && f->until_s != 0)
		return ka_result_fail(err, KA_INVALID, "--follow shows what is to come: leave --until out");
	return KA_OK;
}

/* What an account or project that is gone has left in the log is found by its whole id. */
static enum ka_result
find_ids(const struct cli *cli, struct ka_store *store, struct filter *f, struct ka_error *err)
{
	const char *project = cli_value(cli, "project", 0), *account = cli_value(cli, "account", 0);
	struct ka_project p;
	struct ka_account a;
	enum ka_result r;

	f->by_project = project != NULL;
	f->by_account = account != NULL;
	if (f->by_project && ka_uuid_parse(project, f->project) != KA_OK) {
		if ((r = ka_catalog_find_project(store, project, &p, err)) != KA_OK)
			return r;
		memcpy(f->project, p.id, KA_UUID_LEN);
	}
	if (f->by_account && ka_uuid_parse(account, f->account) != KA_OK) {
		if ((r = ka_catalog_find_account(store, account, &a, err)) != KA_OK)
			return r;
		memcpy(f->account, a.id, KA_UUID_LEN);
	}
	return KA_OK;
}

/* Once: a handle that is followed means the same account after it is removed. */
static enum ka_result
read_ids(const struct cli *cli, struct filter *f, struct ka_error *err)
{
	struct ka_store *store = NULL;
	enum ka_result r;

	if ((r = ka_store_open(cli->dir, false, &store, err)) == KA_OK)
		r = find_ids(cli, store, f, err);
	ka_store_close(store);
	return r;
}

/* "member" is "member add" and "member remove". */
static bool
is_command(const char *verb, const char *text)
{
	size_t len = strlen(text);

	return strncmp(verb, text, len) == 0 && (verb[len] == '\0' || verb[len] == ' ');
}

static bool
passes(const struct filter *f, const struct ka_change *change)
{
	struct change_ids ids;

	if ((f->since_s != 0 && change->at_s < f->since_s) || (f->until_s != 0 && change->at_s >= f->until_s))
		return false;
	if (f->by != NULL && !(f->by_known && f->by_uid == change->actor) && strcmp(f->by, change->sudo_user) != 0)
		return false;
	if (f->command != NULL && !is_command(change->verb, f->command))
		return false;
	if (!f->by_project && !f->by_account)
		return true;
	change_ids(change, &ids);
	if (f->by_project && (ids.project == NULL || memcmp(ids.project, f->project, KA_UUID_LEN) != 0))
		return false;
	return !f->by_account || (ids.account != NULL && memcmp(ids.account, f->account, KA_UUID_LEN) == 0);
}

/* What is to be shown, out of one snapshot: numbers alone, the newest first. */
struct found {
	uint64_t *seqs;
	size_t n, room;
	uint64_t last; /* of the log */
	struct change_names names;
};

static enum ka_result
remember(struct found *found, uint64_t seq)
{
	size_t room = found->room > 0 ? 2 * found->room : PART;
	uint64_t *seqs;

	if (found->n == found->room) {
		if ((seqs = reallocarray(found->seqs, room, sizeof(*seqs))) == NULL)
			return KA_UNAVAIL;
		found->seqs = seqs;
		found->room = room;
	}
	found->seqs[found->n++] = seq;
	return KA_OK;
}

/* The entries behind ${after} that pass. From the end, so that a limit ends the search, and names are known in time. */
static enum ka_result
find(struct ka_store *store, const struct filter *filter, uint64_t after, struct found *found)
{
	static struct ka_change change;
	uint64_t first;
	enum ka_result r;

	if ((r = ka_store_changes(store, &first, &found->last)) != KA_OK)
		return r;
	if (first <= after)
		first = after + 1;
	for (uint64_t seq = found->last; seq >= first && found->n < filter->limit; seq--)
		if ((r = ka_store_get_change(store, seq, &change)) != KA_OK ||
		    (r = change_names_note(&found->names, &change)) != KA_OK ||
		    (passes(filter, &change) && (r = remember(found, seq)) != KA_OK))
			return r;
	return KA_OK;
}

/* The next entries, the oldest first. */
static enum ka_result
collect(struct ka_store *store, struct found *found, json_t *rows)
{
	static struct ka_change change;
	enum ka_result r;

	while (found->n > 0 && json_array_size(rows) < PART) {
		r = ka_store_get_change(store, found->seqs[--found->n], &change);
		/* Pruned since it was found. */
		if (r == KA_NOTFOUND)
			continue;
		if (r != KA_OK)
			return r;
		if (json_array_append_new(rows, change_json(store, &found->names, &change)) != 0)
			return KA_UNAVAIL;
	}
	return KA_OK;
}

static const struct show_column csv_columns[] = {
    {"SEQ", "seq", SHOW_TEXT},
    {"AT", "at", SHOW_FROM},
    {"UID", "by.uid", SHOW_TEXT},
    {"USER", "by.user", SHOW_TEXT},
    {"SUDO USER", "by.sudo_user", SHOW_TEXT},
    {"COMMAND", "command", SHOW_TEXT},
    {"WHAT", "text.what", SHOW_TEXT},
    {"CHANGE", "text.how", SHOW_TEXT},
    {NULL, NULL, SHOW_TEXT},
};

/* How far the output is. */
struct output {
	const struct cli *cli;
	bool follow;
	uint64_t printed;
	int by_width, command_width; /* of the widest so far, so that the lines are a table */
};

static const char *
text_of(json_t *object, const char *field)
{
	const char *text = json_string_value(json_object_get(object, field));

	return text != NULL ? text : "";
}

static void
print_line(struct output *out, json_t *entry)
{
	json_t *text = json_object_get(entry, "text");
	const char *by = text_of(text, "by"), *command = text_of(entry, "command");
	char at[KA_TIME_TEXT_LEN] = "-";
	int64_t at_s;

	if (ka_time_parse(text_of(entry, "at"), 0, &at_s) == KA_OK)
		show_format_time(at_s, at);
	if ((int)strlen(by) > out->by_width)
		out->by_width = (int)strlen(by);
	if ((int)strlen(command) > out->command_width)
		out->command_width = (int)strlen(command);
	(void)printf("%5" JSON_INTEGER_FORMAT "  %s  %-*s  %-*s  %s: %s\n",
	    json_integer_value(json_object_get(entry, "seq")), at, out->by_width, by, out->command_width, command,
	    text_of(text, "what"), text_of(text, "how"));
}

/* An array has no end while it is followed: then each entry is a line of its own. */
static void
print_json(const struct output *out, json_t *entry)
{
	if (!out->follow)
		(void)fputs(out->printed > 0 ? ",\n" : "[\n", stdout);
	(void)json_dumpf(entry, stdout, JSON_COMPACT);
	(void)fputs(out->follow ? "\n" : "", stdout);
}

static enum ka_result
print_part(struct output *out, json_t *rows)
{
	bool csv = !out->cli->json && cli_value(out->cli, "csv", 0) != NULL;
	json_t *entry;
	size_t i;

	json_array_foreach(rows, i, entry)
	{
		if (change_sign(entry) != KA_OK || (!out->cli->json && change_say(entry) != KA_OK))
			return KA_UNAVAIL;
		if (out->cli->json)
			print_json(out, entry);
		else if (!csv)
			print_line(out, entry);
		out->printed += !csv;
	}
	if (csv && show_csv(rows, csv_columns, out->printed == 0) != 0)
		return KA_UNAVAIL;
	out->printed += csv;
	return KA_OK;
}

/* One part of what was found: read, let go of the database, print. */
static enum ka_result
show_part(struct output *out, struct found *found, struct ka_error *err)
{
	struct ka_store *store = NULL;
	json_t *rows = json_array();
	enum ka_result r;

	if ((r = ka_store_open(out->cli->dir, false, &store, err)) == KA_OK)
		r = ka_store_fail(store, collect(store, found, rows), err);
	ka_store_close(store);
	if (r == KA_OK && print_part(out, rows) != KA_OK)
		r = ka_result_fail(err, KA_UNAVAIL, "out of memory");
	json_decref(rows);
	return r;
}

/* Everything behind ${last} that passes; ${last} becomes the end of the log. */
static enum ka_result
show_changes(struct output *out, const struct filter *filter, uint64_t *last, struct ka_error *err)
{
	struct found found = {.n = 0};
	struct ka_store *store = NULL;
	enum ka_result r;

	if ((r = ka_store_open(out->cli->dir, false, &store, err)) == KA_OK)
		r = ka_store_fail(store, find(store, filter, *last, &found), err);
	ka_store_close(store);
	*last = found.last;
	while (r == KA_OK && found.n > 0)
		r = show_part(out, &found, err);
	free(found.seqs);
	change_names_free(&found.names);
	return r;
}

static void
finish_list(struct output *out)
{
	json_t *none = json_array();

	if (out->cli->json)
		(void)fputs(out->printed > 0 ? "\n]\n" : "[]\n", stdout);
	else if (out->printed == 0 && cli_value(out->cli, "csv", 0) != NULL)
		(void)show_csv(none, csv_columns, true);
	else if (out->printed == 0)
		(void)fputs("There are no such changes.\n", stderr);
	json_decref(none);
}

static enum cli_status
run_list(const struct cli *cli, const struct filter *filter)
{
	struct output out = {.cli = cli, .by_width = BY_WIDTH, .command_width = COMMAND_WIDTH};
	struct ka_error err = {""};
	uint64_t last = 0;
	enum ka_result r;

	if ((r = show_changes(&out, filter, &last, &err)) != KA_OK)
		return cli_fail(cli, r, &err);
	finish_list(&out);
	return CLI_DONE;
}

static enum cli_status
run_follow(const struct cli *cli, struct filter *filter)
{
	struct output out = {.cli = cli, .follow = true, .by_width = BY_WIDTH, .command_width = COMMAND_WIDTH};
	struct ka_error err = {""};
	struct follow follow;
	uint64_t last = 0;
	bool wanted = true;
	enum ka_result r;

	/* Watched before it is read, so that nothing is missed in between. */
	r = follow_begin(&follow, cli->dir, &err);
	while (r == KA_OK && wanted && (r = show_changes(&out, filter, &last, &err)) == KA_OK) {
		/* Only what was there has a limit. */
		filter->limit = UINT64_MAX;
		wanted = fflush(stdout) == 0;
		if (wanted)
			r = follow_wait(&follow, &wanted, &err);
	}
	follow_end(&follow);
	return r == KA_OK ? CLI_DONE : cli_fail(cli, r, &err);
}

static const struct cli_option options[] = {
    {"since", "TIME", "only what was changed then or later", false},
    {"until", "TIME", "only what was changed before then", false},
    {"by", "USER", "only by this user: a name or a uid, behind sudo too", false},
    {"command", "TEXT", "only by this command, such as 'member add' or 'member'", false},
    {"project", "PROJECT", "only what is about this project", false},
    {"account", "ACCOUNT", "only what is about this account", false},
    {"limit", "N", "only the last N", false},
    {"follow", NULL, "go on printing what is changed, until interrupted", false},
    {"csv", NULL, "print comma-separated values", false},
    {"prune", "TIME", "remove the entries that are older, such as -90d", false},
    {0},
};

/* Pruning */

/* What filters a list does not filter what is removed. */
static bool
is_alone(const struct cli *cli)
{
	for (const struct cli_option *o = options; o->name != NULL; o++)
		if (strcmp(o->name, "prune") != 0 && cli_value(cli, o->name, 0) != NULL)
			return false;
	return true;
}

/* The last of the entries before the first that is not older: what a clock that was wrong once put behind it stays. */
static enum ka_result
find_older(struct ka_store *store, struct ka_pruned *pruned, uint64_t *n)
{
	static struct ka_change change;
	uint64_t first, last, seq;
	enum ka_result r;

	if ((r = ka_store_changes(store, &first, &last)) != KA_OK)
		return r;
	for (seq = first; seq <= last; seq++)
		if ((r = ka_store_get_change(store, seq, &change)) != KA_OK)
			return r;
		else if (change.at_s >= pruned->before_s)
			break;
	pruned->last = seq - 1;
	*n = seq - first;
	return KA_OK;
}

static enum cli_status
say_pruned(const struct cli *cli, const struct ka_pruned *pruned, uint64_t n)
{
	char text[KA_TIME_TEXT_LEN];

	if (cli->json)
		return show_object(
		    cli, json_pack("{s:I,s:o}", "removed", (json_int_t)n, "before", json_time(pruned->before_s)), NULL);
	show_format_time(pruned->before_s, text);
	(void)printf("%" PRIu64 " entr%s of the change log, older than %s, %s removed.\n", n, n == 1 ? "y" : "ies",
	    text, n == 1 ? "is" : "are");
	return CLI_DONE;
}

static enum cli_status
run_prune(const struct cli *cli)
{
	struct ka_pruned pruned = {.last = 0};
	struct ka_store *store = NULL;
	struct ka_error err = {""};
	enum cli_status status;
	uint64_t n = 0;
	enum ka_result r;

	if (!is_alone(cli))
		return cli_fail(cli, ka_result_fail(&err, KA_INVALID, "--prune takes no other option"), &err);
	if ((r = cli_time(cli, "prune", &pruned.before_s, &err)) != KA_OK)
		return cli_fail(cli, r, &err);
	if (pruned.before_s > ka_time_now())
		return cli_fail(cli,
		    ka_result_fail(&err, KA_INVALID,
			"--prune \"%s\" is to come: -90d removes what is older than 90 days",
			cli_value(cli, "prune", 0)),
		    &err);
	if ((r = command_open(cli, &store, &err)) == KA_OK &&
	    ((r = find_older(store, &pruned, &n)) != KA_OK || (r = ka_store_prune_changes(store, &pruned)) != KA_OK))
		(void)ka_store_fail(store, r, &err);
	if ((status = command_finish(cli, store, r, &err)) != CLI_DONE)
		return status;
	return say_pruned(cli, &pruned, n);
}

static enum cli_status
run_changes(struct cli *cli)
{
	struct filter filter;
	struct ka_error err = {""};
	enum ka_result r;

	if (cli_value(cli, "prune", 0) != NULL)
		return run_prune(cli);
	if ((r = read_filter(cli, &filter, &err)) != KA_OK || (r = read_ids(cli, &filter, &err)) != KA_OK)
		return cli_fail(cli, r, &err);
	return cli_value(cli, "follow", 0) != NULL ? run_follow(cli, &filter) : run_list(cli, &filter);
}

const struct cli_verb changes_verbs[] = {
    {"changes", NULL, "", 0, 0, options, "List who changed what, or prune that log.",
	"keyacct changes --since -1d --by student", CLI_KEEPS_ACCESS, run_changes},
    {0},
};
