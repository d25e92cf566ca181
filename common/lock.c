#include "common/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/process.h"

#define STEP_MS 5

static enum ka_result
tell_holder(int fd, const char *path, const char *what, struct ka_error *err)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct ka_process holder;
	bool stopped;

	if (fcntl(fd, F_GETLK, &l) != 0 || l.l_type == F_UNLCK || l.l_pid <= 0)
		return ka_result_fail(err, KA_BUSY, "%s and holds %s; try again", what, path);
	stopped = ka_process_stat(l.l_pid, &holder) == KA_OK && holder.state == 'T';
	return ka_result_fail(err, KA_BUSY, "%s: process %ld%s holds %s; wait for it%s, then try again", what,
	    (long)l.l_pid, stopped ? ", which is stopped," : "", path,
	    stopped ? ", continue it (kill -CONT) or end it" : "");
}

enum ka_result
ka_lock_take(const char *path, int wait_ms, const char *what, int *fd, struct ka_error *err)
{
	const struct timespec step = {.tv_nsec = STEP_MS * 1000L * 1000};
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	enum ka_result r = KA_BUSY;

	if ((*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600)) < 0)
		return ka_result_fail(err, KA_UNAVAIL, "cannot open %s: %s", path, strerror(errno));
	for (int waited_ms = 0; waited_ms <= wait_ms; waited_ms += STEP_MS) {
		if (fcntl(*fd, F_SETLK, &l) == 0)
			return KA_OK;
		if (errno != EAGAIN && errno != EACCES && errno != EINTR) {
			r = ka_result_fail(err, KA_UNAVAIL, "cannot lock %s: %s", path, strerror(errno));
			goto out;
		}
		(void)nanosleep(&step, NULL);
	}
	r = tell_holder(*fd, path, what, err);
out:
	(void)close(*fd);
	*fd = -1;
	return r;
}
