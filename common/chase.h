#ifndef KA_CHASE_H
#define KA_CHASE_H
/*
 * Processes that live too short to be seen in a list of all: each begins the next one and ends. For root's tool.
 * Thread safety: no state is kept; any number of threads.
 */
#include <stddef.h>
#include <sys/types.h>

#include "common/tree.h"

/**
 * ka_chase_run(trees, n, for_us):
 * For ${for_us} microseconds look at each process as soon as it has begun, and kill those that the number of audit
 * counts to one of ${trees}. Returns the last one that was killed; 0: there was none.
 */
pid_t ka_chase_run(const struct ka_tree *trees, size_t n, int for_us);

#endif
