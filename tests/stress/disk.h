#ifndef TESTS_STRESS_DISK_H
#define TESTS_STRESS_DISK_H
/*
 * The writes of liblmdb's commits, which pass through pwrite and writev of this program: here they are stopped between
 * any two steps, torn, made to fail, or the process dies in them. A page of transaction t that stands in the file
 * before t's meta page is also what readers see of a transaction that spills: liblmdb 0.9.24 spills only from 131,071
 * dirty pages on (MDB_IDL_UM_MAX), through the same mdb_page_flush. Thread safety: one writer in a process.
 */
#include <stdbool.h>
#include <stdint.h>

#include "tests/stress/shared.h"

enum fault { FAULT_NONE, FAULT_PAGES, FAULT_META, FAULT_DIE };

struct disk_plan {
	struct shared *shared;
	uint64_t t;
	bool gated;
	bool pauses; /* stand still for a moment, now and then */
	enum fault fault;
	uint64_t *seed;
};

/**
 * disk_begin(plan), disk_end():
 * What happens to the writes between the two. disk_end returns whether a meta page was among them: if a commit
 * succeeded without, then liblmdb writes by other calls and nothing of this was tested.
 */
void disk_begin(const struct disk_plan *plan);
bool disk_end(void);

#endif
