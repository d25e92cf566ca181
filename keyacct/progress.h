#ifndef KEYACCT_PROGRESS_H
#define KEYACCT_PROGRESS_H
/*
 * How far a long command is: one line on standard error, written over, with the rate and the time left. Only on a
 * terminal, and only once it has taken two seconds.
 */
#include <stdbool.h>
#include <stdint.h>

struct progress {
	const char *what; /* "rows" */
	uint64_t began_ms;
	uint64_t shown_ms; /* when it was last written; 0: never */
	bool terminal;
};

/**
 * progress_begin(p, what): ${what} is what is counted, in the plural.
 */
void progress_begin(struct progress *p, const char *what);

/**
 * progress_show(p, done, part):
 * ${done} of them are done, which is ${part} (0..1) of all the work; a ${part} below 0 is not known.
 */
void progress_show(struct progress *p, uint64_t done, double part);

/**
 * progress_end(p): take the line away. What is said after it begins on a clean line.
 */
void progress_end(struct progress *p);

#endif
