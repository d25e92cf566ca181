#include "keyacct/cutoff.h"

#include <inttypes.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "common/access.h"
#include "common/logline.h"
#include "common/process.h"
#include "keyacct/json.h"
#include "keyacct/sessions.h"

/* The question that the session's login asked, now. */
static void
ask_again(const struct ka_registry_entry *e, struct ka_access_question *q)
{
	static char host[256];

	(void)gethostname(host, sizeof(host) - 1);
	memset(q, 0, sizeof(*q));
	memcpy(q->project, e->project, KA_UUID_LEN);
	memcpy(q->sha256, e->sha256, KA_SHA256_LEN);
	q->at_s = ka_time_now();
	q->host = host;
	q->address_known = e->address_known;
	memcpy(q->address, e->address, KA_ADDRESS_LEN);
}

/* Who is at the keyboard: the login outlives su and sudo. */
static void
name_actor(char text[static CUTOFF_BY_LEN])
{
	static const char usual[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-";
	struct ka_process self;
	const struct passwd *pw;
	uid_t uid = getuid();

	if (ka_process_read(getpid(), &self) == KA_OK && self.login != KA_PROCESS_UNSET)
		uid = self.login;
	if ((pw = getpwuid(uid)) != NULL && strspn(pw->pw_name, usual) == strlen(pw->pw_name) &&
	    strlen(pw->pw_name) < CUTOFF_BY_LEN)
		(void)snprintf(text, CUTOFF_BY_LEN, "%s", pw->pw_name);
	else
		(void)snprintf(text, CUTOFF_BY_LEN, "%lu", (unsigned long)uid);
}

static enum ka_result
prepare(struct cutoff *c, size_t n, struct ka_error *err)
{
	memset(c, 0, sizeof(*c));
	name_actor(c->by);
	c->endings = calloc(n + 1, sizeof(*c->endings));
	c->reasons = calloc(n + 1, sizeof(*c->reasons));
	if (c->endings != NULL && c->reasons != NULL)
		return KA_OK;
	return ka_result_fail(err, KA_FAILED, "out of memory");
}

static void
add(struct cutoff *c, const struct ka_registry_entry *e, const struct ka_access_answer *answer, const char *reason)
{
	struct ka_ending *ending = &c->endings[c->n];

	ending->entry = *e;
	ending->uid = ka_record_uid_ok(answer->project.uid) ? answer->project.uid : KA_PROCESS_UNSET;
	(void)snprintf(ending->note, sizeof(ending->note), "reason=%s by=%s", reason, c->by);
	memcpy(c->text, answer->settings.grace_text, sizeof(c->text));
	c->reasons[c->n++] = reason;
}

/* What every registration of the key lacks, its membership and apart from that: of several lacks a reason tells one. */
static uint64_t
sum_lacks(const struct ka_access_question *q, const struct ka_access_answer *answer)
{
	uint64_t sum = KA_CHECKSUM_START;

	for (size_t i = 0; i < answer->registrations; i++) {
		const struct ka_access_registration *reg = &answer->registration[i];
		const enum ka_reason lacks[] = {
		    reg->reason, ka_access_judge_key(&answer->settings, &reg->account, &reg->key, q)};

		sum = ka_record_checksum(sum, reg->account.id, sizeof(reg->account.id));
		sum = ka_record_checksum(sum, lacks, sizeof(lacks));
	}
	return sum;
}

/* For which lack of access a session is kept. */
static void
write_kept(const struct cli *cli, const struct ka_access_question *q, const struct ka_access_answer *answer,
    char note[static KA_SESSION_NOTE_LEN])
{
	static struct ka_access_answer of_project;
	bool known = ka_access_ask_project(cli->dir, q, &of_project) == KA_OK;

	(void)snprintf(note, KA_SESSION_NOTE_LEN, "reason=%s project=%s lacks=%016" PRIx64,
	    ka_access_reason_name(answer->reason), known ? ka_access_reason_name(of_project.reason) : "-",
	    sum_lacks(q, answer));
}

/* Is it left, because it was kept for just this, or because this command keeps it? */
static bool
is_kept(const struct cli *cli, const struct ka_registry_entry *e, const struct ka_access_question *q,
    const struct ka_access_answer *answer)
{
	bool keeps = cli_value(cli, "keep-sessions", 0) != NULL;
	char note[KA_SESSION_NOTE_LEN];

	if (e->kept[0] == '\0' && !keeps)
		return false;
	write_kept(cli, q, answer, note);
	if (strcmp(e->kept, note) == 0)
		return true;
	if (keeps && ka_registry_keep(cli_run(cli), e->name, note) != KA_OK)
		cli_warn(cli, "a session is left, but only until the next change: the registry cannot be written");
	return keeps;
}

enum ka_result
cutoff_find(const struct cli *cli, struct cutoff *c, struct ka_error *err)
{
	static struct ka_access_answer answer;
	struct ka_registry reg;
	enum ka_result r;

	memset(c, 0, sizeof(*c));
	if ((r = ka_registry_read(cli_run(cli), &reg, err)) == KA_OK)
		r = prepare(c, reg.n, err);
	for (size_t i = 0; r == KA_OK && i < reg.n; i++) {
		struct ka_access_question q;

		ask_again(&reg.entries[i], &q);
		if (ka_access_ask(cli->dir, &q, &answer) != KA_OK)
			c->undecided++;
		else if (answer.reason == KA_REASON_GRANTED && reg.entries[i].kept[0] != '\0')
			(void)ka_registry_keep(cli_run(cli), reg.entries[i].name, NULL);
		else if (answer.reason != KA_REASON_GRANTED && !is_kept(cli, &reg.entries[i], &q, &answer))
			add(c, &reg.entries[i], &answer, ka_access_reason_name(answer.reason));
	}
	ka_registry_free(&reg);
	return r;
}

enum ka_result
cutoff_name(const struct cli *cli, const struct ka_registry *reg, struct cutoff *c, struct ka_error *err)
{
	static struct ka_access_answer answer;
	enum ka_result r = prepare(c, reg->n, err);

	for (size_t i = 0; r == KA_OK && i < reg->n; i++) {
		struct ka_access_question q;

		/* For the uid and the text alone: what the database cannot tell, the session's processes do. */
		ask_again(&reg->entries[i], &q);
		if (ka_access_ask(cli->dir, &q, &answer) != KA_OK)
			memset(&answer, 0, sizeof(answer));
		add(c, &reg->entries[i], &answer, CUTOFF_BY_HAND);
	}
	return r;
}

void
cutoff_free(struct cutoff *c)
{
	free(c->endings);
	free(c->reasons);
	memset(c, 0, sizeof(*c));
}

static void
log_end(const struct ka_ending *e, const char *reason, const char *by)
{
	struct ka_access_question q;
	char line[KA_LOGLINE_LEN];

	ask_again(&e->entry, &q);
	ka_logline_ended(&q, e->entry.handle, e->entry.name, reason, by, line);
	syslog(LOG_AUTHPRIV | LOG_NOTICE, "%s", line);
}

enum ka_result
cutoff_end(const struct cli *cli, struct cutoff *c, struct ka_error *err)
{
	enum ka_result r;

	if (c->n == 0)
		return KA_OK;
	/* The terminal that this is typed at may be the one that goes. */
	(void)signal(SIGHUP, SIG_IGN);
	r = ka_ending_run(cli_run(cli), c->endings, c->n, c->text, &c->unread, err);
	openlog("keyacct", LOG_PID, LOG_AUTHPRIV);
	for (size_t i = 0; r == KA_OK && i < c->n; i++)
		if (c->endings[i].ended && c->endings[i].ours)
			log_end(&c->endings[i], c->reasons[i], c->by);
	closelog();
	return r;
}

static json_t *
json_ending(const struct ka_ending *e, const char *reason, bool done)
{
	json_t *object = sessions_json(&e->entry), *stays = json_array();

	for (size_t i = 0; i < e->nstays && i < KA_ENDING_STAYS; i++)
		(void)json_array_append_new(stays, json_integer(e->stays[i]));
	if (json_object_set_new(object, "reason", json_string(reason)) != 0 ||
	    json_object_set_new(object, "ended", json_boolean(done && e->ended)) != 0 ||
	    json_object_set_new(object, "stays", stays) != 0) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static void
say_ending(const struct ka_ending *e, const char *reason, bool done)
{
	char project[KA_UUID_NAME_LEN], address[KA_ADDRESS_TEXT_LEN] = "-", since[KA_TIME_TEXT_LEN];

	ka_uuid_name(e->entry.project, project);
	if (e->entry.address_known)
		ka_address_format(e->entry.address, address);
	show_format_time(e->entry.since_s, since);
	(void)printf("%s the session %s of \"%s\" in %s, from %s since %s: %s\n", done ? "Ended" : "Would end",
	    e->entry.name, e->entry.identified ? e->entry.handle : "-", project, address, since, reason);
	if (e->nstays == 0)
		return;
	(void)printf("Processes of this project that are of no open session go on:");
	for (size_t i = 0; i < e->nstays && i < KA_ENDING_STAYS; i++)
		(void)printf(" %ld", (long)e->stays[i]);
	(void)printf(e->nstays > KA_ENDING_STAYS ? " and %zu more\n" : "\n", e->nstays - KA_ENDING_STAYS);
}

static void
warn_stuck(const struct cli *cli, const struct ka_ending *e)
{
	char text[KA_SESSION_NAME_LEN + 160];

	(void)snprintf(text, sizeof(text),
	    "the session %s is not gone: process %ld does not end; look at it, and run keyacct session end again",
	    e->entry.name, (long)e->stuck);
	cli_warn(cli, text);
}

static void
warn_undecided(const struct cli *cli, const struct cutoff *c)
{
	char text[160];

	if (c->undecided == 0)
		return;
	(void)snprintf(text, sizeof(text),
	    "%zu open session%s could not be decided, and %s left: the database cannot be read", c->undecided,
	    c->undecided == 1 ? "" : "s", c->undecided == 1 ? "is" : "are");
	cli_warn(cli, text);
}

/* Nobody knows whose it is: as with any process that is left, its number is told. */
static void
warn_unread(const struct cli *cli, const struct cutoff *c)
{
	char text[192];

	if (c->unread == 0)
		return;
	(void)snprintf(text, sizeof(text),
	    "process %ld could not be looked at, and may belong to a session that was ended: see what keeps "
	    "/proc/%ld from being read",
	    (long)c->unread, (long)c->unread);
	cli_warn(cli, text);
}

enum cli_status
cutoff_show(const struct cli *cli, const struct cutoff *c, bool done)
{
	enum cli_status status = CLI_DONE;
	json_t *rows = json_array();

	for (size_t i = 0; i < c->n; i++) {
		const struct ka_ending *e = &c->endings[i];

		if (cli->json)
			(void)json_array_append_new(rows, json_ending(e, c->reasons[i], done));
		else if (!done || e->ended)
			say_ending(e, c->reasons[i], done);
		if (!done || e->ended)
			continue;
		warn_stuck(cli, e);
		status = CLI_OTHER;
	}
	warn_unread(cli, c);
	if (c->unread != 0)
		status = CLI_OTHER;
	warn_undecided(cli, c);
	if (cli->json)
		(void)show_list(cli, rows, NULL, "");
	else
		json_decref(rows);
	return status;
}

/* What the change of this command led to: it is said after the command's own message. */
static struct cutoff after_change;

bool
cutoff_is_in_service(const struct cli *cli)
{
	struct stat given, own;

	/* The sessions of this host were let in by its own database; another's would allow none of them. */
	return cli_value(cli, "run", 0) != NULL || strcmp(cli->dir, KA_DATADIR) == 0 ||
	       (stat(cli->dir, &given) == 0 && stat(KA_DATADIR, &own) == 0 && given.st_dev == own.st_dev &&
		   given.st_ino == own.st_ino);
}

void
cutoff_after_change(const struct cli *cli)
{
	char text[sizeof(((struct ka_error *)NULL)->text) + 64];
	struct ka_error err;

	if (!cutoff_is_in_service(cli))
		return;
	if (cutoff_find(cli, &after_change, &err) == KA_OK && cutoff_end(cli, &after_change, &err) == KA_OK)
		return;
	after_change.n = 0;
	(void)snprintf(text, sizeof(text), "the change is made, but no open session was ended: %s", err.text);
	cli_warn(cli, text);
}

void
cutoff_report(const struct cli *cli)
{
	struct cutoff *c = &after_change;

	for (size_t i = 0; i < c->n; i++) {
		json_t *line = NULL;

		if (!c->endings[i].ended) {
			warn_stuck(cli, &c->endings[i]);
		} else if (!cli->json) {
			say_ending(&c->endings[i], c->reasons[i], true);
		} else if ((line = json_pack("{s:o}", "ended", json_ending(&c->endings[i], c->reasons[i], true))) !=
			   NULL) {
			(void)json_dumpf(line, stderr, JSON_COMPACT);
			(void)fputc('\n', stderr);
		}
		json_decref(line);
	}
	warn_unread(cli, c);
	warn_undecided(cli, c);
	cutoff_free(c);
}
