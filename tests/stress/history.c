#include "tests/stress/history.h"

#include <string.h>

/* splitmix64 */
static uint64_t
mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

bool
history_whole(const struct history *h, uint64_t t)
{
	return t == HISTORY_FIRST || (h->whole_every != 0 && t % h->whole_every == 0);
}

/* In each round of ${slots} transactions every slot has its turn once, in another order each time. */
uint64_t
history_slot(const struct history *h, uint64_t t)
{
	return (t ^ mix(t / h->slots)) & (h->slots - 1);
}

static uint64_t
turn(const struct history *h, uint64_t slot, uint64_t round)
{
	return round * h->slots + ((slot ^ mix(round)) & (h->slots - 1));
}

/* The last transaction up to ${t} that wrote ${slot}. */
static uint64_t
last_write(const struct history *h, uint64_t slot, uint64_t t)
{
	uint64_t round = t / h->slots, last = turn(h, slot, round);

	if (last > t)
		last = round > 0 ? turn(h, slot, round - 1) : HISTORY_FIRST;
	if (last < HISTORY_FIRST)
		last = HISTORY_FIRST;
	if (h->whole_every != 0 && t - t % h->whole_every > last)
		last = t - t % h->whole_every;
	return last;
}

/* The first transaction after ${t} that writes ${slot}. */
static uint64_t
next_write(const struct history *h, uint64_t slot, uint64_t t)
{
	uint64_t round = t / h->slots, next = turn(h, slot, round);

	if (next <= t)
		next = turn(h, slot, round + 1);
	if (h->whole_every != 0 && t - t % h->whole_every + h->whole_every < next)
		next = t - t % h->whole_every + h->whole_every;
	return next;
}

/* Never twice in a row: a transaction that removes what is not there is none to LMDB, and takes no number. */
bool
history_removes(const struct history *h, uint64_t slot, uint64_t t)
{
	if (h->removed == 0 || mix(mix(t) + slot) % h->removed != 0)
		return false;
	return t == HISTORY_FIRST || mix(mix(last_write(h, slot, t - 1)) + slot) % h->removed != 0;
}

size_t
history_payload(const struct history *h, uint64_t id, uint64_t t, uint8_t *payload)
{
	uint64_t x = mix(mix(t) ^ id);
	size_t len = 8 + (size_t)(x % (h->filler + 1));

	ka_table_be64(t, payload);
	for (size_t i = 8; i < len; i += 8, x += 0x9e3779b97f4a7c15ULL)
		memcpy(payload + i, &x, len - i < 8 ? len - i : 8);
	return len;
}

/* What is not there says nothing by itself about when: try the moments that are left, from one change to the next. */
static bool
absences_hold(const struct history *h, const struct answers *answers, uint64_t *t, uint64_t last)
{
	bool again = true;

	while (again) {
		again = false;
		for (size_t i = 0; i < answers->n && !again; i++) {
			uint64_t slot = answers->a[i].id;

			if (answers->a[i].t != 0)
				continue;
			again = !history_removes(h, slot, last_write(h, slot, *t));
			if (again)
				*t = next_write(h, slot, *t);
		}
		if (*t > last)
			return false;
	}
	return true;
}

bool
history_judge(const struct history *h, const struct answers *answers, uint64_t first, uint64_t last, uint64_t *when)
{
	if (answers->lie)
		return false;
	for (size_t i = 0; i < answers->n; i++) {
		const struct answer *a = &answers->a[i];
		uint64_t until = a->t;

		if (a->id < h->slots) {
			if (a->t == 0)
				continue;
			if (last_write(h, a->id, a->t) != a->t || history_removes(h, a->id, a->t))
				return false;
			until = next_write(h, a->id, a->t) - 1;
		}
		first = a->t > first ? a->t : first;
		last = until < last ? until : last;
	}
	*when = first;
	return first <= last && absences_hold(h, answers, when, last);
}
