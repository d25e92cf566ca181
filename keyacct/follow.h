#ifndef KEYACCT_FOLLOW_H
#define KEYACCT_FOLLOW_H
/*
 * Wait until the database changes, without looking again and again.
 */
#include <limits.h>
#include <stdbool.h>

#include "common/result.h"

struct follow {
	int fd;
	char path[PATH_MAX];
};

/**
 * follow_begin(follow, dir, err), follow_end(follow):
 * Watch the database in ${dir}. What is committed from here on ends the next wait.
 * Returns KA_OK; KA_INVALID (${dir} is too long); KA_UNAVAIL. follow_end is fine after a failure.
 */
enum ka_result follow_begin(struct follow *follow, const char *dir, struct ka_error *err);
void follow_end(struct follow *follow);

/**
 * follow_wait(follow, wanted, err):
 * Wait until access.mdb may have changed, or nobody reads standard output any more: ${wanted} is false then.
 * Returns KA_OK; KA_UNAVAIL, also when the directory was moved or removed.
 */
enum ka_result follow_wait(struct follow *follow, bool *wanted, struct ka_error *err);

#endif
