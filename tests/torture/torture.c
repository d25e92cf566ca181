/*
 * Changing commands, logins' notes and drains, each killed at a random moment. What was acknowledged is there,
 * everything else is there whole or not at all, and the database is of one piece.
 *
 *   torture --kills N [--seed N] TOOL        TAP on standard output; the seed is printed, and gives the same beginning
 *   torture --note DIR                       note a use, as a login does, for powercut
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "common/catalog.h"
#include "common/registration.h"
#include "common/spool.h"
#include "common/sshkey.h"
#include "common/usage.h"

#define SLOTS   24   /* projects, accounts and keys that commands change */
#define BATCH   40   /* accounts of one import: all come in or none */
#define ROUND   100  /* kills between two looks at everything */
#define SLOWEST 4000 /* us until the first command is killed, at most */

#define USED "11111111-2222-4333-8444-555555555555" /* the project that is used */

#define DIE(...) (printf("not ok 1 - "), printf(__VA_ARGS__), printf("; see %s\n", t.dir), exit(1))

enum state { ABSENT, ACTIVE, CLOSED, DELETED }; /* CLOSED: archived, suspended, switched off */

struct slot {
	char id[KA_UUID_TEXT_LEN];
	enum state project;
	bool student; /* is in the project */
	char handle[KA_HANDLE_LEN];
	enum state account;
	char pub[128], fingerprint[KA_SHA256_TEXT_LEN];
	uint8_t sha256[KA_SHA256_LEN];
	enum state key;
};

/* What a command is to do to a slot. */
struct step {
	struct slot after;
	const char *args[8]; /* after the tool's name */
	const char *input;
};

static struct {
	char dir[64];
	const char *tool;
	struct slot slot[SLOTS];
	uint8_t owner[KA_UUID_LEN], student[KA_UUID_LEN];
	long slowest_us;
	unsigned kills, acknowledged, taken; /* taken: killed, and done all the same */
	unsigned batches;
	unsigned notes_sure, notes_maybe;
} t = {.slowest_us = SLOWEST};

static unsigned
below(unsigned n)
{
	return (unsigned)random() % n;
}

/* Processes */

static pid_t
start(const char *const *args, const char *input)
{
	char words[12][128], *argv[13] = {NULL}, messages[96];
	int in[2], out;
	pid_t pid;

	(void)snprintf(words[0], sizeof(words[0]), "%s", t.tool);
	(void)snprintf(words[1], sizeof(words[1]), "--dir");
	(void)snprintf(words[2], sizeof(words[2]), "%s", t.dir);
	for (int i = 0; i < 9 && args[i] != NULL; i++)
		(void)snprintf(words[3 + i], sizeof(words[0]), "%s", args[i]), argv[3 + i] = words[3 + i];
	for (int i = 0; i < 3; i++)
		argv[i] = words[i];
	if (pipe2(in, O_CLOEXEC) != 0 || (pid = fork()) < 0)
		DIE("fork: %s", strerror(errno));
	if (pid == 0) {
		(void)snprintf(messages, sizeof(messages), "%s/messages", t.dir);
		out = open(messages, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		if (dup2(in[0], 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
			_exit(126);
		execv(t.tool, argv);
		_exit(127);
	}
	(void)close(in[0]);
	if (input != NULL && write(in[1], input, strlen(input)) != (ssize_t)strlen(input))
		DIE("write: %s", strerror(errno));
	(void)close(in[1]);
	return pid;
}

static int
status_of(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			DIE("waitpid: %s", strerror(errno));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Its exit status, or -1: it was killed, at a moment somewhere in the time that such commands take. */
static int
run_and_kill(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0), status;
	long us = (long)below((unsigned)t.slowest_us);
	struct timespec moment = {.tv_nsec = us * 1000};
	struct pollfd ended = {.fd = fd, .events = POLLIN};

	if (fd < 0)
		DIE("pidfd_open: %s", strerror(errno));
	if (ppoll(&ended, 1, &moment, NULL) == 0)
		(void)kill(pid, SIGKILL);
	(void)close(fd);
	status = status_of(pid);
	/* Two of three are to be killed, on a machine of whatever speed. */
	t.slowest_us = status < 0 ? t.slowest_us * 102 / 100 + 1 : t.slowest_us * 96 / 100 + 1;
	t.kills += status < 0;
	return status;
}

static void
sure(const char *const *args, const char *input)
{
	int status = status_of(start(args, input));

	if (status != 0)
		DIE("keyacct %s %s: exit status %d", args[0], args[1] != NULL ? args[1] : "", status);
}
#define SURE(input, ...) sure((const char *const[]){__VA_ARGS__, NULL}, input)

/* The model */

static void
new_id(char text[static KA_UUID_TEXT_LEN])
{
	uint8_t id[KA_UUID_LEN];

	for (size_t i = 0; i < sizeof(id); i++)
		id[i] = (uint8_t)below(256);
	id[6] = (uint8_t)((id[6] & 0x0f) | 0x40);
	id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
	ka_uuid_text(id, text);
}

static void
new_key(struct slot *s)
{
	uint8_t blob[51] = "\0\0\0\13ssh-ed25519\0\0\0\40";
	EVP_PKEY *pair = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	struct ka_sshkey key;
	struct ka_error err;
	uint8_t text[96];
	size_t len = 32;

	if (pair == NULL || EVP_PKEY_get_raw_public_key(pair, blob + 19, &len) != 1)
		DIE("OpenSSL makes no key");
	EVP_PKEY_free(pair);
	(void)EVP_EncodeBlock(text, blob, sizeof(blob));
	(void)snprintf(s->pub, sizeof(s->pub), "ssh-ed25519 %s\n", (const char *)text);
	if (ka_sshkey_read("ssh-ed25519", blob, sizeof(blob), &key, &err) != KA_OK)
		DIE("%s", err.text);
	memcpy(s->sha256, key.sha256, sizeof(s->sha256));
	ka_fingerprint_format(key.sha256, s->fingerprint);
}

#define STEP(...) (void)memcpy(step->args, (const char *[8]){__VA_ARGS__}, sizeof(step->args))

static void
step_project(struct slot *s, struct step *step)
{
	struct slot *after = &step->after;

	if (s->project == DELETED) {
		new_id(s->id);
		s->project = ABSENT;
		*after = *s;
	}
	if (s->project == ABSENT) {
		STEP("project", "add", s->id, "--owner", "owner");
		after->project = ACTIVE;
		after->student = false;
	} else if (s->project == CLOSED) {
		STEP("project", "unarchive", s->id);
		after->project = ACTIVE;
	} else if (below(3) > 0) {
		STEP("member", s->student ? "remove" : "add", s->id, "student");
		after->student = !s->student;
	} else if (below(2) == 0) {
		STEP("project", "archive", s->id);
		after->project = CLOSED;
	} else {
		STEP("project", "remove", s->id);
		after->project = DELETED;
		after->student = false;
	}
}

static void
step_account(struct slot *s, struct step *step)
{
	static const char *const verbs[] = {"add", "suspend", "resume"};

	if (s->account == ACTIVE && below(3) == 0) {
		STEP("account", "remove", s->handle);
		step->after.account = ABSENT;
		return;
	}
	STEP("account", verbs[s->account], s->handle);
	step->after.account = s->account == ACTIVE ? CLOSED : ACTIVE;
}

static void
step_key(struct slot *s, struct step *step)
{
	if (s->key == ABSENT) {
		STEP("key", "add", "owner", "-");
		step->input = s->pub;
		step->after.key = ACTIVE;
	} else if (below(3) == 0) {
		STEP("key", "remove", s->fingerprint);
		step->after.key = ABSENT;
	} else {
		STEP("key", s->key == ACTIVE ? "deactivate" : "activate", s->fingerprint);
		step->after.key = s->key == ACTIVE ? CLOSED : ACTIVE;
	}
}

/* What the database says of a slot. */
static struct slot
look_at(struct ka_store *store, const struct slot *model)
{
	struct slot s = *model;
	struct ka_project project;
	struct ka_account account;
	struct ka_error err;
	struct ka_key key;
	enum ka_result r;

	s.project = s.account = s.key = ABSENT;
	s.student = false;
	if ((r = ka_catalog_find_project(store, s.id, &project, &err)) == KA_OK) {
		s.project = project.state == KA_PROJECT_ACTIVE     ? ACTIVE
			    : project.state == KA_PROJECT_ARCHIVED ? CLOSED
								   : DELETED;
		s.student = ka_catalog_is_member(store, project.id, t.student) == KA_OK;
	} else if (r != KA_NOTFOUND) {
		DIE("%s", err.text);
	}
	if ((r = ka_catalog_find_account(store, s.handle, &account, &err)) == KA_OK)
		s.account = account.state == KA_ACCOUNT_ACTIVE ? ACTIVE : CLOSED;
	else if (r != KA_NOTFOUND)
		DIE("%s", err.text);
	if ((r = ka_catalog_get_registration(store, s.sha256, t.owner, &key)) == KA_OK)
		s.key = key.state == KA_KEY_ACTIVE ? ACTIVE : CLOSED;
	else if (r != KA_NOTFOUND)
		DIE("the key %s cannot be read", s.fingerprint);
	return s;
}

static bool
is_same(const struct slot *a, const struct slot *b)
{
	return a->project == b->project && a->student == b->student && a->account == b->account && a->key == b->key;
}

static void
open_store(struct ka_store **store)
{
	struct ka_error err;

	if (ka_store_open(t.dir, false, store, &err) != KA_OK)
		DIE("%s", err.text);
}

static void
change_slot(void)
{
	static void (*const steps[])(struct slot *, struct step *) = {step_project, step_account, step_key};
	struct slot *s = &t.slot[below(SLOTS)], now;
	struct step step = {.after = *s};
	struct ka_store *store;
	int status;

	steps[below(3)](s, &step);
	status = run_and_kill(start(step.args, step.input));
	if (status > 0)
		DIE("keyacct %s %s %s: exit status %d", step.args[0], step.args[1], step.args[2], status);
	open_store(&store);
	now = look_at(store, s);
	ka_store_close(store);
	if (status == 0 && !is_same(&now, &step.after))
		DIE("keyacct %s %s %s was acknowledged, and is not there", step.args[0], step.args[1], step.args[2]);
	if (!is_same(&now, s) && !is_same(&now, &step.after))
		DIE("keyacct %s %s %s left a half", step.args[0], step.args[1], step.args[2]);
	t.acknowledged += status == 0;
	t.taken += status != 0 && is_same(&now, &step.after);
	*s = now;
}

/* An import is one transaction when it is no longer than a batch. */
static void
import_batch(void)
{
	char lines[BATCH * 64], handle[32];
	struct ka_account account;
	struct ka_store *store;
	struct ka_error err;
	unsigned there = 0;
	size_t at = 0;
	int status;

	t.batches++;
	for (int i = 0; i < BATCH; i++)
		at += (size_t)snprintf(lines + at, sizeof(lines) - at,
		    "{\"type\":\"account\",\"handle\":\"batch-%u-%d\"}\n", t.batches, i);
	status = run_and_kill(start((const char *const[]){"import", "-", NULL}, lines));
	open_store(&store);
	for (int i = 0; i < BATCH; i++) {
		(void)snprintf(handle, sizeof(handle), "batch-%u-%d", t.batches, i);
		there += ka_catalog_find_account(store, handle, &account, &err) == KA_OK;
	}
	ka_store_close(store);
	if (status > 0 || (status == 0 && there != BATCH) || (there != 0 && there != BATCH))
		DIE("an import of %d accounts ended with %d and left %u", BATCH, status, there);
	t.acknowledged += status == 0;
	t.taken += status != 0 && there != 0;
}

/* What PAM does at session open. */
static int
append_note(const char *dir, const char *project)
{
	struct ka_spool_use use = {.at_s = 1, .first = true};

	if (ka_uuid_parse(project, use.project) != KA_OK)
		return 1;
	return ka_spool_append(dir, &use, 1) == KA_OK ? 0 : 1;
}

static void
note_use(void)
{
	int status;
	pid_t pid;

	if ((pid = fork()) < 0)
		DIE("fork: %s", strerror(errno));
	if (pid == 0)
		_exit(append_note(t.dir, USED));
	status = below(2) == 0 ? status_of(pid) : run_and_kill(pid);
	if (status > 0)
		DIE("a note of a use could not be written");
	*(status == 0 ? &t.notes_sure : &t.notes_maybe) += 1;
}

static void
drain_or_prune(void)
{
	static const char *const drain[] = {"drain", NULL}, *const prune[] = {"changes", "--prune", "+0d", NULL};
	int status = run_and_kill(start(below(4) > 0 ? drain : prune, NULL));

	if (status > 0)
		DIE("drain or prune: exit status %d", status);
}

/* Everything */

static void
look_at_everything(void)
{
	struct ka_usage *usage;
	struct ka_store *store;
	struct ka_error err;
	struct ka_use use;
	uint8_t project[KA_UUID_LEN];

	/* A commit that was killed half way is finished by the next one. */
	SURE(NULL, "config", "set", "rsa-bits", t.kills % 2 == 0 ? "3072" : "4096");
	SURE(NULL, "check");
	open_store(&store);
	for (size_t i = 0; i < SLOTS; i++) {
		struct slot now = look_at(store, &t.slot[i]);

		if (!is_same(&now, &t.slot[i]))
			DIE("%s, %s or %s has changed by itself", now.id, now.handle, now.fingerprint);
	}
	ka_store_close(store);
	SURE(NULL, "drain");
	if (ka_uuid_parse(USED, project) != KA_OK || ka_usage_open(t.dir, &usage, &err) != KA_OK ||
	    ka_usage_of_project(usage, project, &use) != KA_OK)
		DIE("%s", err.text);
	ka_usage_close(usage);
	if (use.count < t.notes_sure || use.count > t.notes_sure + t.notes_maybe)
		DIE("%llu uses, of %u that were noted and %u that were killed", (unsigned long long)use.count,
		    t.notes_sure, t.notes_maybe);
	/* What was killed and counted is known from now on. */
	t.notes_sure = (unsigned)use.count;
	t.notes_maybe = 0;
}

static void
begin(void)
{
	struct ka_account account;
	struct ka_store *store;
	struct ka_error err;

	(void)snprintf(t.dir, sizeof(t.dir), "/tmp/keyacct-torture-XXXXXX");
	if (mkdtemp(t.dir) == NULL)
		DIE("%s: %s", t.dir, strerror(errno));
	SURE(NULL, "init");
	SURE(NULL, "account", "add", "owner");
	SURE(NULL, "account", "add", "student");
	open_store(&store);
	if (ka_catalog_find_account(store, "owner", &account, &err) != KA_OK)
		DIE("%s", err.text);
	memcpy(t.owner, account.id, KA_UUID_LEN);
	if (ka_catalog_find_account(store, "student", &account, &err) != KA_OK)
		DIE("%s", err.text);
	memcpy(t.student, account.id, KA_UUID_LEN);
	ka_store_close(store);
	for (unsigned i = 0; i < SLOTS; i++) {
		new_id(t.slot[i].id);
		new_key(&t.slot[i]);
		(void)snprintf(t.slot[i].handle, sizeof(t.slot[i].handle), "account-%u", i);
	}
}

static void
end(void)
{
	char command[96];

	(void)snprintf(command, sizeof(command), "rm -rf '%s'", t.dir);
	if (system(command) != 0)
		DIE("cannot remove %s", t.dir);
}

int
main(int argc, char **argv)
{
	unsigned kills = 200, seed = (unsigned)getpid(), round = ROUND;

	if (argc == 3 && strcmp(argv[1], "--note") == 0)
		return append_note(argv[2], USED);
	for (; argc > 2; argc -= 2, argv += 2)
		*(strcmp(argv[1], "--seed") == 0 ? &seed : &kills) = (unsigned)strtoul(argv[2], NULL, 10);
	t.tool = argv[1];
	srandom(seed);
	printf("1..1\n# seed %u\n", seed);
	begin();
	while (t.kills < kills) {
		unsigned kind = below(16);

		if (kind < 10)
			change_slot();
		else if (kind < 12)
			import_batch();
		else if (kind < 15)
			note_use();
		else
			drain_or_prune();
		if (t.kills >= round) {
			look_at_everything();
			round = t.kills + ROUND;
		}
	}
	look_at_everything();
	end();
	printf("ok 1 - %u killed, %u acknowledged, %u killed and done; %u uses, each of them counted\n", t.kills,
	    t.acknowledged, t.taken, t.notes_sure);
	return 0;
}
