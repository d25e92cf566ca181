/*
 * A library that ends its process by SIGKILL instead of the KILL_AT'th call that reaches a file: so a command dies at
 * every moment that can matter, and not at some moment. With STOP_AT it is stopped there instead, once.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static void
tick(void)
{
	static int n = -1, by = SIGKILL;
	const char *at = getenv("KILL_AT");

	if (n < 0) {
		if (at == NULL) {
			at = getenv("STOP_AT");
			by = SIGSTOP;
		}
		n = at != NULL ? atoi(at) : 0;
	}
	if (n > 0 && --n == 0)
		(void)kill(getpid(), by);
}

#define CALL(name, ...) \
	tick();         \
	return ((__typeof__(&name))dlsym(RTLD_NEXT, #name))(__VA_ARGS__)

ssize_t
pwrite(int fd, const void *b, size_t n, off_t o)
{
	CALL(pwrite, fd, b, n, o);
}

ssize_t
pwrite64(int fd, const void *b, size_t n, off64_t o)
{
	CALL(pwrite64, fd, b, n, o);
}

ssize_t
pwritev(int fd, const struct iovec *v, int n, off_t o)
{
	CALL(pwritev, fd, v, n, o);
}

ssize_t
pwritev64(int fd, const struct iovec *v, int n, off64_t o)
{
	CALL(pwritev64, fd, v, n, o);
}

ssize_t
writev(int fd, const struct iovec *v, int n)
{
	CALL(writev, fd, v, n);
}

ssize_t
write(int fd, const void *b, size_t n)
{
	CALL(write, fd, b, n);
}

int
fdatasync(int fd)
{
	CALL(fdatasync, fd);
}

int
fsync(int fd)
{
	CALL(fsync, fd);
}

int
ftruncate(int fd, off_t n)
{
	CALL(ftruncate, fd, n);
}

int
ftruncate64(int fd, off64_t n)
{
	CALL(ftruncate64, fd, n);
}

int
rename(const char *a, const char *b)
{
	CALL(rename, a, b);
}

int
unlink(const char *a)
{
	CALL(unlink, a);
}

int
unlinkat(int fd, const char *a, int flags)
{
	CALL(unlinkat, fd, a, flags);
}

int
mkdir(const char *a, mode_t m)
{
	CALL(mkdir, a, m);
}

int
fchmod(int fd, mode_t m)
{
	CALL(fchmod, fd, m);
}

int
close(int fd)
{
	CALL(close, fd);
}
