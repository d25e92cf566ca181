#include "keyacct/follow.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

/* The directory and not the file, which a restore replaces. */
#define DIRECTORY "private"
#define NAME      "access.mdb"

/*
 * LMDB writes the file by pwrite(2). The last write of a commit is its meta page, but readers go by the lock file,
 * which is told after that (LMDB 0.9.24 mdb.c, end of mdb_env_write_meta): whoever was too fast comes again when the
 * writer closes the file.
 */
#define CHANGED (IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO)
#define GONE    (IN_MOVE_SELF | IN_DELETE_SELF)

static enum ka_result
failed(const struct follow *f, struct ka_error *err)
{
	if (errno == EMFILE || errno == ENOSPC)
		return ka_result_fail(err, KA_UNAVAIL,
		    "%s cannot be watched: too much is watched already; see fs.inotify in sysctl", f->path);
	return ka_result_fail(err, KA_UNAVAIL, "%s cannot be watched: %s", f->path, strerror(errno));
}

enum ka_result
follow_begin(struct follow *f, const char *dir, struct ka_error *err)
{
	int n = snprintf(f->path, sizeof(f->path), "%s/%s", dir, DIRECTORY);

	f->fd = -1;
	if (n < 0 || (size_t)n >= sizeof(f->path))
		return ka_result_fail(err, KA_INVALID, "the directory name is too long: %s", dir);
	if ((f->fd = inotify_init1(IN_CLOEXEC)) < 0 ||
	    inotify_add_watch(f->fd, f->path, CHANGED | GONE | IN_ONLYDIR) < 0)
		return failed(f, err);
	return KA_OK;
}

void
follow_end(struct follow *f)
{
	if (f->fd >= 0)
		(void)close(f->fd);
	f->fd = -1;
}

/* Take what there is to read; ${mask} becomes all that happened to the file or to the directory. */
static enum ka_result
take_events(struct follow *f, uint32_t *mask, struct ka_error *err)
{
	_Alignas(struct inotify_event) char buffer[4096];
	const struct inotify_event *event;
	ssize_t n = read(f->fd, buffer, sizeof(buffer));

	*mask = 0;
	if (n < 0)
		return errno == EINTR ? KA_OK : failed(f, err);
	for (ssize_t at = 0; at < n; at += (ssize_t)(sizeof(*event) + event->len)) {
		event = (const struct inotify_event *)(const void *)(buffer + at);
		if (event->len == 0 || strcmp(event->name, NAME) == 0)
			*mask |= event->mask;
	}
	return KA_OK;
}

enum ka_result
follow_wait(struct follow *f, bool *wanted, struct ka_error *err)
{
	uint32_t mask = 0;
	enum ka_result r;

	*wanted = true;
	while (mask == 0) {
		/* Asked for no event, poll tells errors and the end of a pipe. */
		struct pollfd fds[] = {{.fd = f->fd, .events = POLLIN}, {.fd = STDOUT_FILENO, .events = 0}};

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return failed(f, err);
		if (fds[1].revents != 0) {
			*wanted = false;
			return KA_OK;
		}
		if (fds[0].revents != 0 && (r = take_events(f, &mask, err)) != KA_OK)
			return r;
	}
	if ((mask & GONE) != 0)
		return ka_result_fail(err, KA_UNAVAIL, "%s was moved or removed: begin again", f->path);
	return KA_OK;
}
