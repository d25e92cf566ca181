#ifndef KA_WATCH_H
#define KA_WATCH_H
/*
 * Whoever waits for something long wants to know how far it is. Thread safety: none; all calls come from the thread
 * that waits.
 */
#include <stddef.h>
#include <stdint.h>

/* ${tell} may be called often: it decides what is worth showing. ${unit} is what is counted: "bytes", "rows". */
struct ka_watch {
	void (*tell)(void *arg, const char *what, const char *unit, uint64_t done, uint64_t total);
	void *arg;
};

/**
 * ka_watch_tell(watch, what, unit, done, total): nobody watches when ${watch}, or its ${tell}, is NULL.
 */
static inline void
ka_watch_tell(const struct ka_watch *watch, const char *what, const char *unit, uint64_t done, uint64_t total)
{
	if (watch != NULL && watch->tell != NULL)
		watch->tell(watch->arg, what, unit, done, total);
}

#endif
