#include "common/chase.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <time.h>
#include <unistd.h>

#define BEHIND 64 /* so many numbers before the newest are looked at, too: others begin processes as well */

static int64_t
now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

/* The number that was given out last: the fifth field of /proc/loadavg. */
static pid_t
newest(int fd)
{
	char text[128];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	const char *at;

	text[n > 0 ? n : 0] = '\0';
	return (at = strrchr(text, ' ')) != NULL ? (pid_t)strtol(at, NULL, 10) : 0;
}

static bool
is_of(const struct ka_tree *trees, size_t n, pid_t pid)
{
	struct ka_process p = {.pid = 0};
	uint32_t audit;

	/* One file for most of them; the rest for those that it is worth it. */
	if (ka_process_audit(pid, &audit) != KA_OK || audit == KA_PROCESS_UNSET)
		return false;
	for (size_t t = 0; t < n; t++)
		if (trees[t].audit == audit)
			return ka_process_read(pid, &p) == KA_OK && ka_tree_has_uid(&p, trees[t].uid) &&
			       !ka_process_has_ended(&p);
	return false;
}

/* The descriptor is taken first: if what was read was another's, this one has ended, and the signal goes nowhere. */
static bool
take(const struct ka_tree *trees, size_t n, pid_t pid)
{
	int fd = pidfd_open(pid, 0);
	bool caught;

	if (fd < 0)
		return false;
	caught = is_of(trees, n, pid) && ka_process_signal(fd, SIGKILL) == 0;
	(void)close(fd);
	return caught;
}

pid_t
ka_chase_run(const struct ka_tree *trees, size_t n, int for_us)
{
	int fd = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
	int64_t until_us = now_us() + for_us;
	pid_t last = fd >= 0 ? newest(fd) : 0, seen = last - BEHIND, caught = 0;

	while (fd >= 0 && now_us() < until_us) {
		last = newest(fd);
		if (last < seen || last - seen > BEHIND)
			seen = last - BEHIND;
		for (pid_t pid = last; pid > seen && pid > 0; pid--)
			if (take(trees, n, pid))
				caught = pid;
		seen = last;
	}
	if (fd >= 0)
		(void)close(fd);
	return caught;
}
