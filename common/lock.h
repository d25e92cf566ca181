#ifndef KA_LOCK_H
#define KA_LOCK_H
/*
 * A lock between root's tools: an fcntl lock on a file that only root can open. The kernel gives it back when its
 * holder ends, however it ends. Thread safety: no state is kept, but fcntl locks belong to the process: closing any
 * descriptor of the file gives it back.
 */
#include "common/result.h"

/**
 * ka_lock_take(path, wait_ms, what, fd, err):
 * Make the file ${path} if it is missing, 0600, and lock it, waiting at most ${wait_ms} for another holder. ${what}
 * begins the sentence about that one: "another keyacct is writing". Ownership: close ${fd} to give the lock back; it is
 * -1 after a failure. Returns KA_OK; KA_BUSY: ${err} names the process, and says so when it is stopped; KA_UNAVAIL.
 */
enum ka_result ka_lock_take(const char *path, int wait_ms, const char *what, int *fd, struct ka_error *err);

#endif
