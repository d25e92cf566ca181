#ifndef TESTS_STRESS_HISTORY_H
#define TESTS_STRESS_HISTORY_H
/*
 * The history that the writers play: which rows transaction t writes, and so what is true at any moment. All of it
 * follows from the number t alone, which is LMDB's own transaction number, so that no writer has to remember anything
 * when it is killed, and no reader has to ask.
 *
 * KA_TABLE_KEY holds slots 0..slots-1, each written, or removed, by every transaction that history_writes.
 * KA_TABLE_META holds "now". KA_TABLE_CHANGE holds a queue: t adds row t and removes row t - queue. Every payload
 * begins with t.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/record.h"

#define HISTORY_FIRST   1ULL         /* the transaction that makes the tables and every slot */
#define HISTORY_ABORTED (1ULL << 63) /* added to t in rows that no commit ever shows */
#define HISTORY_NOW     UINT64_MAX   /* in the place of a slot's number */
#define HISTORY_QUEUE   (UINT64_MAX - 1)

struct history {
	uint64_t slots;       /* a power of two */
	uint64_t whole_every; /* one transaction in so many writes all of the slots; 0: only the first */
	uint64_t filler;      /* payloads have 0 to so many bytes more */
	uint64_t removed;     /* one write of a slot in so many removes it; 0: none */
	uint64_t queue;       /* rows in the queue; 0: there is none */
	bool now;             /* is there a row "now"? */
};

/* One statement about a snapshot. */
struct answer {
	uint64_t id; /* slot, HISTORY_NOW, HISTORY_QUEUE */
	uint64_t t;  /* what wrote it, or the queue's last row; 0: it is not there */
};

#define ANSWERS_MAX 1024
struct answers {
	size_t n;
	bool lie; /* a row that no transaction ever committed, or a gap in the queue */
	struct answer a[ANSWERS_MAX];
};

/**
 * history_whole(h, t), history_slot(h, t):
 * Does ${t} write every slot? If not, the one it writes.
 */
bool history_whole(const struct history *h, uint64_t t);
uint64_t history_slot(const struct history *h, uint64_t t);

/**
 * history_removes(h, slot, t):
 * Does ${t}, which writes ${slot}, remove it?
 */
bool history_removes(const struct history *h, uint64_t slot, uint64_t t);

/**
 * history_payload(h, id, t, payload):
 * The bytes that ${t} writes into row ${id}, at most KA_RECORD_MAX. Returns how many.
 */
size_t history_payload(const struct history *h, uint64_t id, uint64_t t, uint8_t *payload);

/**
 * history_judge(h, answers, first, last, when):
 * Is there one moment from ${first} to ${last} at which all of ${answers} are true? The earliest one goes to ${when}.
 */
bool history_judge(
    const struct history *h, const struct answers *answers, uint64_t first, uint64_t last, uint64_t *when);

#endif
