#include "tests/stress/reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#include "common/view.h"

/* How long a delayed reader waits for the writer at most, in turns of shared_spin: some milliseconds. */
#define TURNS_MAX 20000

struct reader {
	struct shared *shared;
	const struct mode *mode;
	struct counts *counts;
	uint64_t seed;
	uint64_t first; /* the earliest moment of this call */
	/* What this call asks for. */
	bool now, queue, delayed;
	unsigned gets;
	uint64_t slots[32];
	uint64_t scan_from, scan_n;
	uint64_t target; /* the leader: where the writer is sent in mid-walk; 0: nowhere */
	/* What it has found. */
	unsigned walks;
	enum ka_result result;
	uint64_t lookups;
	struct answers answers;
};

static _Thread_local struct reader *self;

ssize_t __real_pread(int fd, void *bytes, size_t len, off_t at);
ssize_t __wrap_pread(int fd, void *bytes, size_t len, off_t at);

/* Stand still until the writer is some commits further, or has the pages of a later one written: nearly one too many.
 */
static void
wait_for_writer(struct reader *r)
{
	_Atomic uint64_t *what = shared_random(&r->seed, 2) == 0 ? &r->shared->committed : &r->shared->flushed;
	uint64_t until = atomic_load(&r->shared->committed) + 1 + shared_random(&r->seed, 4);
	unsigned turns = 0;

	while (atomic_load(what) < until && turns < TURNS_MAX && !atomic_load(&r->shared->stop))
		shared_spin(&turns);
}

static void
delay(struct reader *r)
{
	unsigned turns = 0;

	if (shared_random(&r->seed, 1024) != 0)
		return;
	switch (shared_random(&r->seed, 3)) {
	case 0:
		(void)sched_yield();
		break;
	case 1:
		for (uint64_t n = shared_random(&r->seed, 2000); turns < n;)
			shared_spin(&turns);
		break;
	default:
		wait_for_writer(r);
	}
}

/* All that common/view reads. Linked with --wrap=pread. */
ssize_t
__wrap_pread(int fd, void *bytes, size_t len, off_t at)
{
	ssize_t n;

	if (self == NULL || !self->delayed)
		return __real_pread(fd, bytes, len, at);
	delay(self);
	n = __real_pread(fd, bytes, len, at);
	delay(self);
	return n;
}

static void
add(struct reader *r, uint64_t id, uint64_t t)
{
	if (r->answers.n < ANSWERS_MAX)
		r->answers.a[r->answers.n++] = (struct answer){id, t};
	else
		r->answers.lie = true;
}

/* The transaction that wrote the row; a payload that is not that transaction's is a lie. */
static uint64_t
row_writer(struct reader *r, uint64_t id, const struct ka_row *row)
{
	uint8_t want[KA_RECORD_MAX];
	uint64_t t = row->len >= 8 ? ka_table_from_be64(row->payload) : 0;

	if (t == 0 || t >= HISTORY_ABORTED || history_payload(r->mode->history, id, t, want) != row->len ||
	    memcmp(want, row->payload, row->len) != 0)
		r->answers.lie = true;
	return t;
}

static enum ka_result
get(struct reader *r, struct ka_view *view, enum ka_table table, const void *key, size_t keylen, uint64_t id)
{
	struct ka_row row;
	enum ka_result result = ka_view_get(view, table, key, keylen, &row);

	r->lookups++;
	if (result == KA_NOTFOUND && id < r->mode->history->slots)
		add(r, id, 0);
	else if (result == KA_OK)
		add(r, id, row_writer(r, id, &row));
	else
		return result;
	return KA_OK;
}

static enum ka_result
get_slots(struct reader *r, struct ka_view *view, unsigned from, unsigned to)
{
	enum ka_result result = KA_OK;
	uint8_t key[8];

	for (unsigned i = from; i < to && result == KA_OK; i++) {
		ka_table_be64(r->slots[i], key);
		result = get(r, view, KA_TABLE_KEY, key, sizeof(key), r->slots[i]);
	}
	return result;
}

/* Every slot of a range: those that the walk steps over are not there. */
static enum ka_result
scan_slots(struct reader *r, struct ka_view *view)
{
	uint64_t slot = r->scan_from, end = r->scan_from + r->scan_n;

	while (slot < end) {
		uint8_t key[8];
		uint64_t found = UINT64_MAX;
		struct ka_row row;
		enum ka_result result;

		ka_table_be64(slot, key);
		result = ka_view_seek(view, KA_TABLE_KEY, key, sizeof(key), &row);
		r->lookups++;
		if (result != KA_OK && result != KA_NOTFOUND)
			return result;
		if (result == KA_OK && row.keylen == 8)
			found = ka_table_from_be64(row.key);
		while (slot < found && slot < end)
			add(r, slot++, 0);
		if (slot < end)
			add(r, slot++, row_writer(r, found, &row));
	}
	return KA_OK;
}

/* The whole queue: rows t - queue + 1 to t, none missing, none too many. */
static enum ka_result
scan_queue(struct reader *r, struct ka_view *view)
{
	uint64_t last = 0, rows = 0;
	struct ka_row row = {.keylen = 0};
	enum ka_result result;

	while ((result = ka_view_next(view, KA_TABLE_CHANGE, "", 0, &row)) == KA_OK) {
		uint64_t t = row_writer(r, HISTORY_QUEUE, &row);

		if (row.keylen != 8 || ka_table_from_be64(row.key) != t || (rows > 0 && t != last + 1))
			r->answers.lie = true;
		last = t;
		rows++;
	}
	r->lookups += rows + 1;
	if (result != KA_NOTFOUND)
		return result;
	if (rows != (last < r->mode->history->queue ? last : r->mode->history->queue))
		r->answers.lie = true;
	add(r, HISTORY_QUEUE, last);
	return KA_OK;
}

/* Send the writer to a position, and go on when it stands there. */
static void
lead(struct shared *shared, uint64_t position)
{
	unsigned turns = 0;

	atomic_store(&shared->limit, position);
	while (atomic_load(&shared->at) < position && !atomic_load(&shared->stop))
		shared_spin(&turns);
}

static enum ka_result
collect(struct reader *r, struct ka_view *view)
{
	enum ka_result result;

	if (r->now && (result = get(r, view, KA_TABLE_META, "now", 3, HISTORY_NOW)) != KA_OK)
		return result;
	if ((result = get_slots(r, view, 0, r->gets / 2)) != KA_OK)
		return result;
	/* Once: when the walk is repeated, the writer stands still. */
	if (r->target != 0 && r->walks == 1)
		lead(r->shared, r->target);
	if ((result = get_slots(r, view, r->gets / 2, r->gets)) != KA_OK || (result = scan_slots(r, view)) != KA_OK)
		return result;
	return r->queue ? scan_queue(r, view) : KA_OK;
}

/* Of walks that the reader rejects, some must be false: otherwise this test would not show what the rejecting is good
 * for. */
static void
look_at_rejected(struct reader *r)
{
	uint64_t when;

	if (r->result != KA_OK ||
	    !history_judge(r->mode->history, &r->answers, r->first, atomic_load(&r->shared->started), &when))
		(void)atomic_fetch_add(&r->counts->torn, 1);
}

static enum ka_result
walk(struct ka_view *view, void *arg)
{
	struct reader *r = arg;

	if (r->walks++ > 0)
		look_at_rejected(r);
	r->answers.n = 0;
	r->answers.lie = false;
	r->lookups = 0;
	return r->result = collect(r, view);
}

static void
plan(struct reader *r)
{
	static const unsigned gets[] = {1, 1, 1, 4, 8, 8, 8, 16, 16, 32};
	const struct history *h = r->mode->history;
	uint64_t kind = shared_random(&r->seed, 10);

	r->gets = gets[kind];
	for (unsigned i = 0; i < r->gets; i++)
		r->slots[i] = shared_random(&r->seed, h->slots);
	r->now = h->now && r->gets > 1;
	r->queue = h->queue > 0 && kind % 3 == 2;
	r->scan_n = kind > 7 ? 1 + shared_random(&r->seed, 32) : 0;
	r->scan_from = shared_random(&r->seed, h->slots - r->scan_n);
	r->delayed = true;
	r->target = 0;
}

static const char *
result_name(enum ka_result result)
{
	static const char *const names[] = {"ok", "not found", "conflict", "invalid", "busy", "unavailable", "corrupt"};

	return (size_t)result < sizeof(names) / sizeof(names[0]) ? names[result] : "?";
}

/* Which answers contradict which? The bounds that each sets say enough. */
static void
say_wrong(struct reader *r, uint64_t last)
{
	char text[160];
	int n = 0;

	for (size_t i = 0; i < r->answers.n && n < (int)sizeof(text) - 48; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, " %" PRId64 "=%" PRIu64, (int64_t)r->answers.a[i].id,
		    r->answers.a[i].t);
	shared_say(r->shared, "wrong: from %" PRIu64 " to %" PRIu64 "%s:%.*s", r->first, last,
	    r->answers.lie ? ", with a row never committed" : "", n, text);
}

static void
call(struct reader *r, const char *path)
{
	enum ka_result result;
	uint64_t last, when;

	r->walks = 0;
	r->first = atomic_load(&r->shared->committed);
	self = r;
	result = ka_view_read(path, walk, r);
	self = NULL;
	last = atomic_load(&r->shared->started);
	(void)atomic_fetch_add(&r->counts->calls, 1);
	(void)atomic_fetch_add(&r->counts->walks, r->walks);
	if (result == KA_BUSY) {
		(void)atomic_fetch_add(&r->counts->busy, 1);
	} else if (result != KA_OK) {
		(void)atomic_fetch_add(&r->counts->errors, 1);
		shared_say(r->shared, "error: a walk of transaction %" PRIu64 " to %" PRIu64 " answered %s", r->first,
		    last, result_name(result));
	} else if (!history_judge(r->mode->history, &r->answers, r->first, last, &when)) {
		(void)atomic_fetch_add(&r->counts->wrong, 1);
		say_wrong(r, last);
	} else {
		(void)atomic_fetch_add(&r->counts->lookups, r->lookups);
		/* What was seen once must be seen by every call from now on, whoever makes it. */
		shared_raise(&r->shared->committed, when);
	}
}

/*
 * From a writer that is about to write transaction S+1, to anywhere in the five that follow, in the middle of a walk of
 * S. Up to the torn meta page of S+2 the walk holds; when it is repeated even so, the rule is stricter than it has to
 * be.
 */
static void
leading_call(struct reader *r, const char *path)
{
	uint64_t at = atomic_load(&r->shared->at);

	lead(r->shared, at - at % STAGES + STAGES + STAGE_BEGIN);
	at = atomic_load(&r->shared->at);
	plan(r);
	r->delayed = false;
	r->target = at + shared_random(&r->seed, 5 * STAGES);
	call(r, path);
	if (!atomic_load(&r->shared->stop) && r->walks > 1 && r->target < at + STAGES + STAGE_TORN) {
		(void)atomic_fetch_add(&r->counts->errors, 1);
		shared_say(r->shared, "error: a walk of %" PRIu64 " was repeated at position %" PRIu64 " of %d",
		    at / STAGES - 1, r->target - at, STAGES);
	}
}

void
reader_run(struct shared *shared, const struct mode *mode, const char *path, unsigned number, uint64_t seed)
{
	struct reader r = {.shared = shared, .mode = mode, .counts = &shared->readers[number], .seed = seed};

	while (!atomic_load(&shared->stop))
		if (mode->gated && number == 0) {
			leading_call(&r, path);
		} else {
			plan(&r);
			call(&r, path);
		}
}
