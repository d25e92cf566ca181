#ifndef KA_CHECK_H
#define KA_CHECK_H
/*
 * Is the database whole: does every row read, has every index what it follows from and nothing else, does what refers
 * to something refer to something that is there, and do the files agree? And mending what follows from the rest.
 * Thread safety: none, as the store.
 */
#include <stdbool.h>

#include "common/result.h"
#include "common/store.h"

/* One row that is wrong. */
struct ka_finding {
	enum ka_file file;
	enum ka_table table;
	char text[256]; /* a sentence without a full stop */
	bool mended;    /* in the open transaction */
};

/**
 * ka_check_run(store, repair, found, arg):
 * Look at every row of access.mdb and names.mdb, and call ${found} for each that is wrong. With ${repair}, of a store
 * that is open for writing, what follows from other rows is written again, and what refers to nothing is removed:
 * access can only become less by it. The caller commits. A row that cannot be read, and is no index, is never mended: a
 * backup has it. Returns KA_OK when everything was looked at, whatever was found; KA_UNAVAIL; KA_CORRUPT: a page leads
 * nowhere, so there is more that was not looked at.
 */
enum ka_result ka_check_run(
    struct ka_store *store, bool repair, void (*found)(void *arg, const struct ka_finding *finding), void *arg);

#endif
