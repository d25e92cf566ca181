#include "common/ending.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/chase.h"
#include "common/claim.h"
#include "common/terminal.h"
#include "common/tree.h"

#define STEP_MS   5
#define FREEZE_MS 1000 /* for all processes of a session to stop; then they are killed as they are */
#define CHASE_US  2000 /* for what is too short-lived to be seen in a look */
/* What a process started after the list was made, and before it stopped, is in the next list alone. */
#define QUIET_LOOKS 2

#define UNREAD_MS 1000 /* for what cannot be read to be read after all */
#define CLOSE_MS  5000 /* for the monitor to close PAM's session; then it is killed */

/* How many at once: each holds a descriptor. */
#define BATCH 128

enum phase {
	TELLING, /* all but its sshd is stopped, which sends a text that is written to its terminals */
	FREEZING,
	CLOSING,
	KILLED
};

struct ending {
	struct ka_ending *result;
	struct ka_claim claim;
	int fd; /* of the monitor; -1 when it has ended, or could not be looked at */
	bool unseen;
	bool told;                 /* its terminals were */
	unsigned long long sleeps; /* of its sshd, before it had that to send */
	enum phase phase;
	int64_t since_ms; /* this phase */
	pid_t alive;      /* one that was seen in this round, the monitor at last */
	bool moving;      /* something of it was not stopped in this round */
	unsigned quiet;   /* so many rounds ago it was last so */
};

/* One batch: its endings first, then the sessions that stay. */
struct work {
	struct ending *endings;
	size_t n;
	struct ka_tree *trees;
	struct ka_registry_entry *entries; /* of the trees */
	size_t ntrees;
	struct ka_process *table;
	size_t *owner;
	size_t nprocesses;
	pid_t unread;     /* one, in this round */
	pid_t caught;     /* one that was seen by none of the rounds; of which ending is not known */
	const char *text; /* for terminals; "": none */
};

static int64_t
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

static void
enter_phase(struct ending *e, enum phase phase)
{
	e->phase = phase;
	e->since_ms = now_ms();
}

/* What was of a session once is of it until it has ended, also when its parent went first. Both tables are by pids. */
static void
remember(struct work *w, const struct ka_process *table, const size_t *owner, size_t n)
{
	for (size_t i = 0, j = 0; i < w->nprocesses; i++) {
		while (j < n && table[j].pid < w->table[i].pid)
			j++;
		if (j < n && table[j].pid == w->table[i].pid && table[j].start == w->table[i].start &&
		    w->owner[i] == KA_TREE_NONE)
			w->owner[i] = owner[j];
	}
	ka_tree_spread(w->table, w->nprocesses, w->trees, w->owner);
}

static enum ka_result
look_again(struct work *w)
{
	size_t *owner;

	w->table = NULL;
	w->owner = NULL;
	w->nprocesses = 0;
	if (ka_process_table(&w->table, &w->nprocesses) != KA_OK)
		return KA_UNAVAIL;
	if ((owner = calloc(w->nprocesses + 1, sizeof(*owner))) == NULL) {
		w->nprocesses = 0;
		return KA_UNAVAIL;
	}
	w->owner = owner;
	w->unread = 0;
	for (size_t i = 0; i < w->nprocesses; i++)
		if (w->table[i].unread)
			w->unread = w->table[i].pid;
	for (size_t i = 0; i < w->ntrees; i++)
		ka_tree_look(w->table, w->nprocesses, &w->entries[i], &w->trees[i]);
	ka_tree_drop_shared(w->trees, w->ntrees);
	ka_tree_mark(w->table, w->nprocesses, w->trees, w->ntrees, w->owner);
	return KA_OK;
}

static enum ka_result
look(struct work *w)
{
	struct ka_process *table = w->table;
	size_t *owner = w->owner, n = w->nprocesses;
	enum ka_result r = look_again(w);

	if (r == KA_OK)
		remember(w, table, owner, n);
	free(table);
	free(owner);
	return r;
}

static void
send(const struct ka_process *p, int signal)
{
	int fd = ka_process_open(p->pid, p->start);

	if (fd < 0)
		return;
	(void)ka_process_signal(fd, signal);
	(void)close(fd);
}

/* D: the signal waits for it, and comes before it can fork. Of several threads only the first one's state is known,
 * which another process may hold by tracing it, or which may have ended: those are never sure to be stopped. */
static bool
is_frozen(const struct ka_process *p)
{
	return p->state == 'T' || ((p->state == 't' || p->state == 'D') && p->threads == 1);
}

static bool
is_monitor(const struct work *w, size_t t, const struct ka_process *p)
{
	return p->pid == w->trees[t].pid && p->start == w->trees[t].start;
}

/* Is it the sshd that runs as the project's user, and carries what is sent to the client? */
static bool
is_carrier(const struct work *w, size_t t, const struct ka_process *p)
{
	return w->trees[t].lives && p->parent == w->trees[t].pid && p->uid[0] != 0;
}

/* Do to each process of the session what its phase asks for. */
static void
treat(struct work *w, size_t t)
{
	struct ending *e = &w->endings[t];
	bool stops = e->phase == TELLING || e->phase == FREEZING;

	e->alive = 0;
	e->moving = false;
	for (size_t i = 0; i < w->nprocesses; i++) {
		const struct ka_process *p = &w->table[i];

		if (w->owner[i] != t || ka_process_has_ended(p))
			continue;
		e->alive = p->pid;
		if ((stops && p->state == 'T') || (e->phase == TELLING && (is_monitor(w, t, p) || is_carrier(w, t, p))))
			continue;
		e->moving = e->moving || !stops || !is_frozen(p);
		if (!is_monitor(w, t, p))
			send(p, stops ? SIGSTOP : SIGKILL);
	}
	e->quiet = e->moving ? 0 : e->quiet + 1;
	if (e->phase == FREEZING && e->moving && e->fd >= 0)
		(void)ka_process_signal(e->fd, SIGSTOP);
}

static void
kill_all_but_monitor(struct work *w, size_t t)
{
	for (size_t i = 0; i < w->nprocesses; i++)
		if (w->owner[i] == t && !ka_process_has_ended(&w->table[i]) && !is_monitor(w, t, &w->table[i]))
			send(&w->table[i], SIGKILL);
}

static const struct ka_process *
find_carrier(const struct work *w, size_t t)
{
	for (size_t i = 0; i < w->nprocesses; i++)
		if (w->owner[i] == t && is_carrier(w, t, &w->table[i]))
			return &w->table[i];
	return NULL;
}

/* Is it a shell, or what is in its place, on a terminal that sshd opened? What runs in there, or in a container, may
 * have others, whose numbers may be those of somebody else's terminals here. */
static bool
leads_terminal(const struct work *w, size_t t, const struct ka_process *p, const struct ka_process *carrier)
{
	return w->owner[p - w->table] == t && p->parent == carrier->pid && p->sid == p->pid && p->terminal != 0;
}

static bool
has_terminal(const struct work *w, size_t t)
{
	const struct ka_process *carrier = find_carrier(w, t);

	for (size_t i = 0; carrier != NULL && i < w->nprocesses; i++)
		if (leads_terminal(w, t, &w->table[i], carrier))
			return true;
	return false;
}

/* Returns false when nothing is to be waited for. */
static bool
tell(struct work *w, size_t t)
{
	const struct ka_process *carrier = find_carrier(w, t);
	bool told = false;

	for (size_t i = 0; carrier != NULL && i < w->nprocesses; i++)
		if (leads_terminal(w, t, &w->table[i], carrier))
			told = ka_terminal_say(w->table[i].terminal, w->trees[t].uid, w->text) || told;
	w->endings[t].told = told;
	if (told)
		w->endings[t].sleeps = carrier->sleeps;
	return told;
}

/* It reads, encrypts and sends in one go, and waits again only when nothing is left to do. */
static bool
has_sent(const struct work *w, size_t t)
{
	const struct ka_process *carrier = find_carrier(w, t);

	return carrier == NULL || (carrier->state == 'S' && carrier->sleeps != w->endings[t].sleeps);
}

/* First all else has to be quiet, so that what sshd sends is this. Returns false when that is over. */
static bool
is_telling(struct work *w, size_t t)
{
	struct ending *e = &w->endings[t];
	const struct ka_process *carrier = find_carrier(w, t);

	if (now_ms() - e->since_ms >= KA_ENDING_TELL_MS || carrier == NULL)
		return false;
	if (e->told)
		return !has_sent(w, t);
	return e->moving || carrier->state != 'S' || tell(w, t);
}

/* From stopped to gone. */
static void
advance(struct work *w, size_t t)
{
	struct ending *e = &w->endings[t];
	int64_t ms = now_ms() - e->since_ms;

	if (e->phase == TELLING) {
		if (!is_telling(w, t))
			enter_phase(e, FREEZING);
	} else if (e->phase == FREEZING && (e->quiet >= QUIET_LOOKS || ms >= FREEZE_MS)) {
		kill_all_but_monitor(w, t);
		/* A monitor with a user's sshd notices that this is gone, and cleans up. One without would fork it. */
		if (e->fd >= 0)
			(void)ka_process_signal(e->fd, w->trees[t].established ? SIGCONT : SIGKILL);
		enter_phase(e, w->trees[t].established ? CLOSING : KILLED);
	} else if (e->phase == CLOSING && ms >= CLOSE_MS && e->fd >= 0) {
		(void)ka_process_signal(e->fd, SIGKILL);
		enter_phase(e, KILLED);
	}
}

/* Wait a moment, or less if a monitor ends; note those that have. */
static void
wait_step(struct work *w)
{
	struct pollfd fds[BATCH];

	for (size_t i = 0; i < w->n; i++) {
		fds[i].fd = w->endings[i].fd;
		fds[i].events = POLLIN;
		fds[i].revents = 0;
	}
	(void)poll(fds, w->n, STEP_MS);
	for (size_t i = 0; i < w->n; i++)
		if ((fds[i].revents & POLLIN) != 0) {
			(void)close(w->endings[i].fd);
			w->endings[i].fd = -1;
		}
}

/* One look at all of them. Returns how many are not gone yet. */
static size_t
step(struct work *w)
{
	size_t left = 0;

	for (size_t t = 0; t < w->n; t++) {
		struct ending *e = &w->endings[t];

		treat(w, t);
		if (e->fd < 0 && e->alive == 0)
			continue;
		advance(w, t);
		left++;
	}
	return left;
}

static void
note_stay(struct ka_ending *result, pid_t pid)
{
	if (result->nstays < KA_ENDING_STAYS)
		result->stays[result->nstays] = pid;
	result->nstays++;
}

/* Does an ending before this one speak for the same project? */
static bool
is_first(const struct work *w, size_t t)
{
	for (size_t i = 0; i < t; i++)
		if (w->trees[i].uid == w->trees[t].uid)
			return false;
	return true;
}

/* What runs as the project's user, or was left behind by this login as another user, and is of no open session. */
static void
note_stays(struct work *w, size_t t)
{
	const struct ka_tree *tree = &w->trees[t];
	bool first = is_first(w, t);

	for (size_t i = 0; i < w->nprocesses; i++) {
		const struct ka_process *p = &w->table[i];

		if (w->owner[i] != KA_TREE_NONE || ka_process_has_ended(p) || p->pid == getpid())
			continue;
		if ((first && ka_tree_has_uid(p, tree->uid)) ||
		    (tree->audit != KA_PROCESS_UNSET && p->audit == tree->audit && !ka_tree_has_uid(p, tree->uid)))
			note_stay(w->endings[t].result, p->pid);
	}
}

static void
conclude(struct work *w, const char *run)
{
	for (size_t t = 0; t < w->n; t++) {
		struct ending *e = &w->endings[t];

		e->alive = e->alive != 0 ? e->alive : w->caught;
		e->result->ended = e->fd < 0 && !e->unseen && e->alive == 0;
		e->result->stuck = e->result->ended ? 0 : e->alive != 0 ? e->alive : w->trees[t].pid;
		e->result->ours = e->claim.ours;
		if (e->result->ended)
			(void)ka_session_leave(run, e->result->entry.name);
		ka_claim_release(&e->claim);
		note_stays(w, t);
		if (e->fd >= 0)
			(void)close(e->fd);
	}
}

static void
begin(struct work *w, const char *run, struct ka_ending *results, size_t n)
{
	w->n = n;
	for (size_t i = 0; i < n; i++) {
		struct ending *e = &w->endings[i];

		e->result = &results[i];
		ka_claim_take(run, results[i].entry.name, results[i].note, &e->claim);
		e->fd = ka_process_open(results[i].entry.pid, results[i].entry.start);
		/* Only what is proven gone has ended: no descriptor may be left, or a sandbox may forbid it. */
		e->unseen = e->fd < 0 && errno != ESRCH;
		enter_phase(e, FREEZING);
		w->entries[i] = results[i].entry;
		w->trees[i] = (struct ka_tree){.uid = results[i].uid, .audit = KA_PROCESS_UNSET};
	}
	w->ntrees = n;
}

static bool
is_ending(const struct ka_ending *results, size_t n, const struct ka_registry_entry *entry)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(results[i].entry.name, entry->name) == 0)
			return true;
	return false;
}

/* The sessions that are not to be ended, so that what belongs to them is known. */
static void
add_others(struct work *w, const struct ka_ending *results, size_t n, const struct ka_registry *live)
{
	for (size_t i = 0; i < live->n; i++)
		if (!is_ending(results, n, &live->entries[i])) {
			w->entries[w->ntrees] = live->entries[i];
			w->trees[w->ntrees++] = (struct ka_tree){.uid = KA_PROCESS_UNSET, .audit = KA_PROCESS_UNSET};
		}
}

/* Who can be told something is, by one of several commands that end the session. */
static void
begin_telling(struct work *w)
{
	for (size_t t = 0; w->text[0] != '\0' && t < w->n; t++)
		if (w->endings[t].claim.ours && has_terminal(w, t))
			enter_phase(&w->endings[t], TELLING);
}

/* One round: is another wanted? */
static bool
is_at_it(struct work *w, int64_t until_ms)
{
	int64_t ms = now_ms();
	size_t left = step(w);

	/* Nothing is seen any more: then for those that would not be. */
	if (left == 0 && (w->caught = ka_chase_run(w->trees, w->n, CHASE_US)) != 0)
		left = 1;
	return ms < until_ms && (left > 0 || (w->unread != 0 && ms < until_ms - KA_ENDING_MAX_MS + UNREAD_MS));
}

static enum ka_result
run_batch(const char *run, struct ka_ending *results, size_t n, const struct ka_registry *live, const char *text,
    pid_t *unread)
{
	struct work w = {.text = text};
	int64_t until_ms = now_ms() + KA_ENDING_MAX_MS;
	enum ka_result r = KA_UNAVAIL;

	w.endings = calloc(n, sizeof(*w.endings));
	w.trees = calloc(n + live->n, sizeof(*w.trees));
	w.entries = calloc(n + live->n, sizeof(*w.entries));
	if (w.endings == NULL || w.trees == NULL || w.entries == NULL)
		goto out;
	begin(&w, run, results, n);
	add_others(&w, results, n, live);
	if ((r = look(&w)) == KA_OK)
		begin_telling(&w);
	while (r == KA_OK && is_at_it(&w, until_ms)) {
		wait_step(&w);
		r = look(&w);
	}
	conclude(&w, run);
	*unread = w.unread != 0 ? w.unread : *unread;
out:
	free(w.endings);
	free(w.trees);
	free(w.entries);
	free(w.table);
	free(w.owner);
	return r;
}

enum ka_result
ka_ending_run(
    const char *run, struct ka_ending *endings, size_t n, const char *text, pid_t *unread, struct ka_error *err)
{
	struct ka_registry live = {.n = 0};
	enum ka_result r = KA_OK;

	*unread = 0;
	if (n > 0)
		r = ka_registry_read(run, &live, err);
	for (size_t i = 0; r == KA_OK && i < n; i += BATCH)
		if ((r = run_batch(run, endings + i, n - i < BATCH ? n - i : BATCH, &live, text, unread)) != KA_OK)
			(void)ka_result_fail(err, r, "cannot look at the processes to end: %s", strerror(errno));
	ka_registry_free(&live);
	return r;
}
