#ifndef KEYACCT_PROGRESS_H
#define KEYACCT_PROGRESS_H
/*
 * How far something long is, in one line on a terminal: how much is done, how fast, and how long it will take. What is
 * over within two seconds shows nothing.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/watch.h"
#include "keyacct/cli.h"

struct progress {
	struct ka_watch watch; /* what is to be told */
	bool is_shown;
	int64_t begun_ms, told_ms; /* the command; the last line */
	char what[256];            /* the step that is under way */
	int64_t step_ms;           /* since when */
};

/**
 * progress_begin(progress, cli), progress_end(progress):
 * Show what is told to ${progress}->watch, if people look at standard error; take the line away again.
 */
void progress_begin(struct progress *progress, const struct cli *cli);
void progress_end(struct progress *progress);

#endif
