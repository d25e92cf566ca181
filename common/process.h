#ifndef KA_PROCESS_H
#define KA_PROCESS_H
/*
 * Processes as /proc shows them. A pid and the time of its start name a process for good; a pid alone does not. libc
 * alone.
 * Thread safety: no state is kept; any number of threads.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/result.h"

#define KA_PROCESS_UNSET UINT32_MAX /* of a login that the kernel was not told */

struct ka_process {
	bool unread;            /* it is there, and but for its pid nothing could be learnt about it */
	pid_t pid, parent, sid; /* sid: setsid's session, not a login's */
	char state;             /* of its first thread: T is stopped, Z has ended */
	int threads;
	uint32_t terminal;         /* the device that controls it, as the kernel counts; 0: none */
	unsigned long long start;  /* in clock ticks since boot */
	unsigned long long sleeps; /* how often it had to wait so far */
	uint32_t uid[3];           /* real, effective, saved */
	uint32_t login, audit;     /* the user who logged in, and the number of that login; a child inherits both */
};

/**
 * ka_process_stat(pid, process):
 * Read what /proc/PID/stat has: ${process} up to start; the rest becomes zero or unset.
 * Returns KA_OK; KA_NOTFOUND: there is none; KA_UNAVAIL (errno says why): /proc cannot be read, or is that of other
 * processes than ours.
 *
 * ka_process_read(pid, process):
 * The same and the rest.
 *
 * ka_process_audit(pid, audit): that number alone, KA_PROCESS_UNSET where there is none. Returns KA_OK; KA_NOTFOUND.
 */
enum ka_result ka_process_stat(pid_t pid, struct ka_process *process);
enum ka_result ka_process_read(pid_t pid, struct ka_process *process);
enum ka_result ka_process_audit(pid_t pid, uint32_t *audit);

/**
 * ka_process_parse(line, process):
 * What ka_process_stat makes of a line of /proc/PID/stat. Returns KA_OK; KA_INVALID.
 */
enum ka_result ka_process_parse(const char *line, struct ka_process *process);

/**
 * ka_process_has_ended(process):
 * Is it a zombie? One whose first thread alone has ended looks like it, and runs.
 */
bool ka_process_has_ended(const struct ka_process *process);

/**
 * ka_process_open(pid, start):
 * A descriptor of the process that has this pid and this start, so that a signal sent to it goes to no other.
 * Returns it, close-on-exec; -1 with errno, ESRCH when that process has ended.
 */
int ka_process_open(pid_t pid, unsigned long long start);

/**
 * ka_process_signal(fd, signal):
 * Send a signal to the process that ${fd} is of. Returns 0; -1 with errno.
 */
int ka_process_signal(int fd, int signal);

/**
 * ka_process_table(table, n):
 * All processes by their pids, in a new array: the caller frees it. Those that ended meanwhile may be in it or not;
 * those that live are, also when they cannot be read. Returns KA_OK; KA_UNAVAIL (errno says why).
 */
enum ka_result ka_process_table(struct ka_process **table, size_t *n);

#endif
