#ifndef KEYACCT_LINES_H
#define KEYACCT_LINES_H
/*
 * The lines of a file or pipe, one after the other, in memory that their number does not fill: a line that is longer
 * than any of ours is stepped over.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINES_MAX (16U * 1024 * 1024) /* bytes of a line: a group of 400,000 accounts */

struct lines {
	int fd;
	char *buf;
	size_t room, at, end; /* what was read and not given yet is buf[at..end) */
	uint64_t passed;      /* bytes of the lines that were given */
};

enum lines_state {
	LINES_OK,
	LINES_UNFIT, /* too long, or with a NUL byte */
	LINES_END,
	LINES_FAILED, /* errno says why */
};

/**
 * lines_begin(lines, fd), lines_end(lines):
 * Ownership: ${fd} stays the caller's; lines_end gives back the rest, and is fine on one that is all zero.
 */
void lines_begin(struct lines *lines, int fd);
void lines_end(struct lines *lines);

/**
 * lines_next(lines, text, len):
 * The next line, without its end and with a NUL instead, and without a byte order mark if it is the first. ${text} is
 * good until the next call; ${len} is set for LINES_UNFIT too.
 */
enum lines_state lines_next(struct lines *lines, char **text, size_t *len);

#endif
