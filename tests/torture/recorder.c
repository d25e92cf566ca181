/*
 * A library that notes what its process does to the files below RECORD_DIR, in the order in which it does it, for
 * powercut: each call is a line, and after a write its bytes. O_APPEND keeps the lines of several processes apart.
 *
 *   W SYNCED OFFSET LENGTH PATH   a write; SYNCED: 1 when the descriptor is O_DSYNC
 *   T SIZE PATH                   ftruncate
 *   S PATH                        fsync or fdatasync, of a file or a directory
 *   R FROM TO                     rename
 *   U PATH                        unlink
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static void
note(const char *line, const struct iovec *data, int n, size_t len)
{
	struct iovec all[64] = {{(void *)(size_t)line, strlen(line)}};
	int saved = errno, fd = open(getenv("RECORD_LOG"), O_WRONLY | O_APPEND | O_CLOEXEC), used = 1;

	for (int i = 0; i < n && used < 64 && len > 0; i++) {
		all[used] = data[i];
		if (all[used].iov_len > len)
			all[used].iov_len = len;
		len -= all[used++].iov_len;
	}
	/* Not by name: that would be noted too. */
	if (fd < 0 || len > 0 || syscall(SYS_writev, fd, all, used) < 0)
		abort();
	(void)syscall(SYS_close, fd);
	errno = saved;
}

/* The path below RECORD_DIR, or NULL. */
static const char *
below(const char *path)
{
	const char *dir = getenv("RECORD_DIR");
	size_t len = dir != NULL ? strlen(dir) : 0;

	if (len == 0 || strncmp(path, dir, len) != 0 || (path[len] != '/' && path[len] != '\0'))
		return NULL;
	return path[len] == '/' ? path + len + 1 : ".";
}

static const char *
path_of(int fd, char path[static PATH_MAX])
{
	char link[64];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if ((n = readlink(link, path, PATH_MAX - 1)) < 0)
		return NULL;
	path[n] = '\0';
	return below(path);
}

static void
note_write(int fd, const struct iovec *v, int n, off_t at, ssize_t done)
{
	char path[PATH_MAX], line[PATH_MAX + 64];
	const char *name;

	if (done <= 0 || (name = path_of(fd, path)) == NULL)
		return;
	(void)snprintf(
	    line, sizeof(line), "W %d %lld %zd %s\n", (fcntl(fd, F_GETFL) & O_DSYNC) != 0, (long long)at, done, name);
	note(line, v, n, (size_t)done);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static void
note_name(const char *what, const char *name)
{
	char line[PATH_MAX + 8];

	if (name == NULL)
		return;
	(void)snprintf(line, sizeof(line), "%s %s\n", what, name);
	note(line, NULL, 0, 0);
}

static void
note_sync(int fd, int rc)
{
	char path[PATH_MAX];

	if (rc == 0)
		note_name("S", path_of(fd, path));
}

ssize_t
pwrite64(int fd, const void *b, size_t n, off64_t at)
{
	ssize_t done = NEXT(pwrite64)(fd, b, n, at);
	struct iovec v = {(void *)(size_t)b, n};

	note_write(fd, &v, 1, at, done);
	return done;
}

ssize_t
pwrite(int fd, const void *b, size_t n, off_t at)
{
	return pwrite64(fd, b, n, at);
}

ssize_t
pwritev64(int fd, const struct iovec *v, int n, off64_t at)
{
	ssize_t done = NEXT(pwritev64)(fd, v, n, at);

	note_write(fd, v, n, at, done);
	return done;
}

ssize_t
pwritev(int fd, const struct iovec *v, int n, off_t at)
{
	return pwritev64(fd, v, n, at);
}

ssize_t
writev(int fd, const struct iovec *v, int n)
{
	ssize_t done = NEXT(writev)(fd, v, n);

	/* Where it has written, also when the end of the file was the place. */
	note_write(fd, v, n, lseek(fd, 0, SEEK_CUR) - done, done);
	return done;
}

ssize_t
write(int fd, const void *b, size_t n)
{
	ssize_t done = NEXT(write)(fd, b, n);
	struct iovec v = {(void *)(size_t)b, n};

	note_write(fd, &v, 1, lseek(fd, 0, SEEK_CUR) - done, done);
	return done;
}

int
fdatasync(int fd)
{
	int rc = NEXT(fdatasync)(fd);

	note_sync(fd, rc);
	return rc;
}

int
fsync(int fd)
{
	int rc = NEXT(fsync)(fd);

	note_sync(fd, rc);
	return rc;
}

int
ftruncate64(int fd, off64_t size)
{
	int rc = NEXT(ftruncate64)(fd, size);
	char path[PATH_MAX], what[32];

	(void)snprintf(what, sizeof(what), "T %lld", (long long)size);
	if (rc == 0)
		note_name(what, path_of(fd, path));
	return rc;
}

int
ftruncate(int fd, off_t size)
{
	return ftruncate64(fd, size);
}

/* A path below a directory that is open. */
static const char *
path_at(int fd, const char *name, char path[static PATH_MAX])
{
	size_t len;

	if (name[0] == '/')
		return below(name);
	if (path_of(fd, path) == NULL)
		return NULL;
	len = strlen(path);
	(void)snprintf(path + len, PATH_MAX - len, "/%s", name);
	return below(path);
}

static void
note_rename(const char *from, const char *to)
{
	char what[PATH_MAX + 8];

	if (from == NULL || to == NULL)
		return;
	(void)snprintf(what, sizeof(what), "R %s", from);
	note_name(what, to);
}

int
rename(const char *from, const char *to)
{
	int rc = NEXT(rename)(from, to);

	if (rc == 0)
		note_rename(below(from), below(to));
	return rc;
}

int
renameat(int fromfd, const char *from, int tofd, const char *to)
{
	char before[PATH_MAX], after[PATH_MAX];
	int rc = NEXT(renameat)(fromfd, from, tofd, to);

	if (rc == 0)
		note_rename(path_at(fromfd, from, before), path_at(tofd, to, after));
	return rc;
}

int
unlink(const char *name)
{
	int rc = NEXT(unlink)(name);

	if (rc == 0)
		note_name("U", below(name));
	return rc;
}

int
unlinkat(int fd, const char *name, int flags)
{
	char path[PATH_MAX];
	int rc = NEXT(unlinkat)(fd, name, flags);

	if (rc == 0)
		note_name("U", path_at(fd, name, path));
	return rc;
}
