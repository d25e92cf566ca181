#ifndef TESTS_STRESS_SHARED_H
#define TESTS_STRESS_SHARED_H
/*
 * What the processes of one run share: one anonymous mapping, made before they are forked.
 */
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/result.h"
#include "tests/stress/history.h"

/*
 * How liblmdb commits transaction t, one stage after the other. A gated writer stands still at each of them until it
 * may go on; "position" is t * STAGES + stage.
 */
enum stage {
	STAGE_BEGIN,   /* nothing is written yet */
	STAGE_PART,    /* half of the first page or run of pages is */
	STAGE_FLUSHED, /* every page is; the meta page is not */
	STAGE_TORN,    /* half of the meta page is: its roots, not its number */
	STAGE_META,    /* the meta page is; mdb_txn_commit has not returned */
	STAGES
};

/* One way to run. */
struct mode {
	const char *name;
	bool on_disk, sync;
	bool gated;              /* one reader decides how far the writer gets while it is in mid-walk */
	bool faults;             /* transactions are aborted, writes fail, writers are killed */
	unsigned writers, share; /* share of the time */
	const struct history *history;
};

struct counts {
	_Alignas(64) _Atomic uint64_t calls, lookups, walks, busy, wrong, errors;
	_Atomic uint64_t torn; /* walks that were rejected, and whose answers did contradict each other */
};

#define READERS_MAX  8
#define MESSAGES_MAX 6

struct shared {
	/* Every transaction up to this one has been seen committed, by a writer or by a reader. */
	_Alignas(64) _Atomic uint64_t committed;
	/* None after this one can have been. */
	_Alignas(64) _Atomic uint64_t started;
	/* The pages of every transaction up to this one are written. */
	_Alignas(64) _Atomic uint64_t flushed;
	/* Where the gated writer stands, and the position up to which it may go. */
	_Alignas(64) _Atomic uint64_t at;
	_Alignas(64) _Atomic uint64_t limit;
	_Alignas(64) atomic_bool stop;
	_Alignas(64) _Atomic uint64_t commits, aborts, failures; /* failures: commits that an injected error ended */
	atomic_uint messages;
	char message[MESSAGES_MAX][256];
	struct counts readers[READERS_MAX];
};

/**
 * shared_say(shared, format, ...):
 * Keep one of the first few sentences about what went wrong, for the report.
 */
void shared_say(struct shared *shared, const char *format, ...) __attribute__((format(printf, 2, 3)));

static inline void
shared_raise(_Atomic uint64_t *to, uint64_t n)
{
	uint64_t old = atomic_load(to);

	while (old < n && !atomic_compare_exchange_weak(to, &old, n))
		;
}

static inline uint64_t
shared_random(uint64_t *seed, uint64_t below)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (*seed >> 11) % below;
}

/* Wait a moment without sleeping; now and then let another process have the processor. */
static inline void
shared_spin(unsigned *turns)
{
	if (++*turns % 64 == 0)
		(void)sched_yield();
#ifdef __x86_64__
	__builtin_ia32_pause();
#endif
}

#endif
