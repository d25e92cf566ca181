#include "common/ending.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/tree.h"

#define STEP_MS   5
#define FREEZE_MS 1000 /* for all processes of a session to stop; then they are killed as they are */
#define CLOSE_MS  5000 /* for the monitor to close PAM's session; then it is killed */

/* How many at once: each holds a descriptor. */
#define BATCH 128

enum phase { FREEZING, CLOSING, KILLED };

struct ending {
	struct ka_ending *result;
	int fd; /* of the monitor; -1 when it has ended, or could not be looked at */
	bool unseen;
	enum phase phase;
	int64_t since_ms; /* this phase */
	pid_t alive;      /* one that was seen in this round, the monitor at last */
	bool moving;      /* something of it was not stopped in this round */
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

static enum ka_result
look(struct work *w)
{
	size_t *owner;

	free(w->table);
	w->table = NULL;
	w->nprocesses = 0;
	if (ka_process_table(&w->table, &w->nprocesses) != KA_OK)
		return KA_UNAVAIL;
	if ((owner = realloc(w->owner, (w->nprocesses + 1) * sizeof(*owner))) == NULL) {
		w->nprocesses = 0;
		return KA_UNAVAIL;
	}
	w->owner = owner;
	for (size_t i = 0; i < w->ntrees; i++)
		ka_tree_look(w->table, w->nprocesses, &w->entries[i], &w->trees[i]);
	ka_tree_drop_shared(w->trees, w->ntrees);
	ka_tree_mark(w->table, w->nprocesses, w->trees, w->ntrees, w->owner);
	return KA_OK;
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

static bool
is_frozen(const struct ka_process *p)
{
	/* D: the signal waits for it, and comes before it can fork. */
	return p->state == 'T' || p->state == 't' || p->state == 'D';
}

static bool
has_ended(const struct ka_process *p)
{
	return p->state == 'Z' || p->state == 'X';
}

/* Do to each process of the session what its phase asks for. */
static void
treat(struct work *w, size_t t)
{
	struct ending *e = &w->endings[t];
	int signal = e->phase == FREEZING ? SIGSTOP : SIGKILL;

	e->alive = 0;
	e->moving = false;
	for (size_t i = 0; i < w->nprocesses; i++) {
		const struct ka_process *p = &w->table[i];
		bool monitor = p->pid == w->trees[t].pid && p->start == w->trees[t].start;

		if (w->owner[i] != t || has_ended(p))
			continue;
		e->alive = p->pid;
		if (e->phase == FREEZING && is_frozen(p))
			continue;
		e->moving = true;
		if (!monitor)
			send(p, signal);
	}
	if (e->phase == FREEZING && e->moving && e->fd >= 0)
		(void)ka_process_signal(e->fd, SIGSTOP);
}

static void
kill_all_but_monitor(struct work *w, size_t t)
{
	for (size_t i = 0; i < w->nprocesses; i++)
		if (w->owner[i] == t && !has_ended(&w->table[i]) && w->table[i].pid != w->trees[t].pid)
			send(&w->table[i], SIGKILL);
}

/* From stopped to gone. */
static void
advance(struct work *w, size_t t)
{
	struct ending *e = &w->endings[t];
	int64_t ms = now_ms() - e->since_ms;

	if (e->phase == FREEZING && (!e->moving || ms >= FREEZE_MS)) {
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

		if (w->owner[i] != KA_TREE_NONE || has_ended(p) || p->pid == getpid())
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

		e->result->ended = e->fd < 0 && !e->unseen && e->alive == 0;
		e->result->stuck = e->result->ended ? 0 : e->alive != 0 ? e->alive : w->trees[t].pid;
		if (e->fd < 0 && !e->unseen && e->alive == 0)
			(void)ka_session_leave(run, e->result->entry.name);
		note_stays(w, t);
		if (e->fd >= 0)
			(void)close(e->fd);
	}
}

static void
begin(struct work *w, struct ka_ending *results, size_t n)
{
	w->n = n;
	for (size_t i = 0; i < n; i++) {
		struct ending *e = &w->endings[i];

		e->result = &results[i];
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

static enum ka_result
run_batch(const char *run, struct ka_ending *results, size_t n, const struct ka_registry *live)
{
	struct work w = {.n = 0};
	int64_t until_ms = now_ms() + KA_ENDING_MAX_MS;
	enum ka_result r = KA_UNAVAIL;

	w.endings = calloc(n, sizeof(*w.endings));
	w.trees = calloc(n + live->n, sizeof(*w.trees));
	w.entries = calloc(n + live->n, sizeof(*w.entries));
	if (w.endings == NULL || w.trees == NULL || w.entries == NULL)
		goto out;
	begin(&w, results, n);
	add_others(&w, results, n, live);
	while ((r = look(&w)) == KA_OK && step(&w) > 0 && now_ms() < until_ms)
		wait_step(&w);
	conclude(&w, run);
out:
	free(w.endings);
	free(w.trees);
	free(w.entries);
	free(w.table);
	free(w.owner);
	return r;
}

enum ka_result
ka_ending_run(const char *run, struct ka_ending *endings, size_t n, struct ka_error *err)
{
	struct ka_registry live = {.n = 0};
	enum ka_result r = KA_OK;

	if (n > 0)
		r = ka_registry_read(run, &live, err);
	for (size_t i = 0; r == KA_OK && i < n; i += BATCH)
		if ((r = run_batch(run, endings + i, n - i < BATCH ? n - i : BATCH, &live)) != KA_OK)
			(void)ka_result_fail(err, r, "cannot look at the processes to end: %s", strerror(errno));
	ka_registry_free(&live);
	return r;
}
