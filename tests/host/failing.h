#ifndef TESTS_HOST_FAILING_H
#define TESTS_HOST_FAILING_H
/*
 * System and library calls that fail on purpose, in a program that loads the real modules: its own open, pread, malloc
 * and so on stand before the C library's. They fail only for callers inside a keyacct module, so that what is tested is
 * what the module makes of it and not what libpam or the C library do. Link with -rdynamic. One thread.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <stdarg.h>
#include <stdint.h>

#include "tests/host/guest.h"

enum call {
	CALL_OPEN,
	CALL_FSTAT,
	CALL_PREAD,
	CALL_MALLOC,
	CALL_OPENAT,
	CALL_WRITE,
	CALL_FLOCK,
	CALL_FCNTL,
	CALL_RENAMEAT,
	CALL_GETRANDOM,
	CALL_MKDIR,
	CALL_READ,
	CALL_STAT,
	CALLS
};

static const char *const call_names[CALLS] __attribute__((unused)) = {"open", "fstat", "pread", "malloc", "openat",
    "write", "flock", "fcntl", "renameat", "getrandom", "mkdir", "read", "stat"};

/* What is to fail: the calls ${first}, ${first} + 1 … ${last} of one kind, counted from 1, with ${err}; 0: none. */
static struct {
	enum call call;
	unsigned first, last;
	int err;
	size_t cut; /* with err 0: pread gives no more than this */
} plan;

/* Inside the modules: how often each call was made, how many failed, and what has not been given back. */
static unsigned made[CALLS], failed;
static long descriptors_open, blocks_open;
static void *blocks[64];
static bool access_refused; /* an open of access.mdb failed */

static struct range {
	uintptr_t from, to;
} modules[4];
static size_t nmodules;

static int
add_module(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	if (strstr(info->dlpi_name, "keyacct") == NULL)
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_LOAD && (info->dlpi_phdr[i].p_flags & PF_X) != 0 && nmodules < 4) {
			uintptr_t from = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;

			modules[nmodules++] = (struct range){from, from + info->dlpi_phdr[i].p_memsz};
		}
	return 0;
}

/* Once the modules are loaded; again when they may have moved. */
static inline void
find_modules(void)
{
	nmodules = 0;
	(void)dl_iterate_phdr(add_module, NULL);
}

static bool
from_module(const void *caller)
{
	for (size_t i = 0; i < nmodules; i++)
		if ((uintptr_t)caller >= modules[i].from && (uintptr_t)caller < modules[i].to)
			return true;
	return false;
}

static bool
fails(enum call call)
{
	made[call]++;
	if (plan.call != call || made[call] < plan.first || made[call] > plan.last || plan.first == 0)
		return false;
	failed++;
	if (plan.err != 0)
		errno = plan.err;
	return plan.err != 0;
}

static inline void
plan_none(void)
{
	memset(&plan, 0, sizeof(plan));
	memset(made, 0, sizeof(made));
	failed = 0;
	access_refused = false;
}

/* The C library's own. malloc is asked for before there is a dlsym that works. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void __libc_free(void *p);

/* dlsym gives functions as data pointers. */
#define REAL(name)                                     \
	static __typeof__(name) *real;                 \
	if (real == NULL) {                            \
		void *found = dlsym(RTLD_NEXT, #name); \
		memcpy(&real, &found, sizeof(real));   \
	}
#define CALLER (__builtin_extract_return_addr(__builtin_return_address(0)))

static int
opened(bool mine, int fd)
{
	if (mine && fd >= 0)
		descriptors_open++;
	return fd;
}

int
open(const char *path, int flags, ...)
{
	REAL(open)
	bool mine = from_module(CALLER);
	mode_t mode = 0;
	va_list ap;

	if ((flags & O_CREAT) != 0) {
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
	}
	if (mine && fails(CALL_OPEN)) {
		access_refused = access_refused || strstr(path, "/access.mdb") != NULL;
		return -1;
	}
	return opened(mine, real(path, flags, mode));
}

int
openat(int dir, const char *path, int flags, ...)
{
	REAL(openat)
	bool mine = from_module(CALLER);
	mode_t mode = 0;
	va_list ap;

	if ((flags & O_CREAT) != 0) {
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
	}
	return mine && fails(CALL_OPENAT) ? -1 : opened(mine, real(dir, path, flags, mode));
}

int
close(int fd)
{
	REAL(close)

	if (!from_module(CALLER))
		return real(fd);
	/* Never a descriptor that is not open: it could be another thread's. */
	descriptors_open--;
	CHECK(real(fd) == 0);
	return 0;
}

ssize_t
pread(int fd, void *buf, size_t len, off_t at)
{
	REAL(pread)

	if (from_module(CALLER)) {
		unsigned before = failed;

		if (fails(CALL_PREAD))
			return -1;
		if (failed > before && len > plan.cut)
			len = plan.cut;
	}
	return real(fd, buf, len, at);
}

ssize_t
read(int fd, void *buf, size_t len)
{
	REAL(read)

	return from_module(CALLER) && fails(CALL_READ) ? -1 : real(fd, buf, len);
}

ssize_t
write(int fd, const void *buf, size_t len)
{
	REAL(write)

	if (from_module(CALLER)) {
		unsigned before = failed;

		if (fails(CALL_WRITE))
			return -1;
		if (failed > before && len > plan.cut)
			len = plan.cut;
	}
	return real(fd, buf, len);
}

int
fstat(int fd, struct stat *st)
{
	REAL(fstat)

	return from_module(CALLER) && fails(CALL_FSTAT) ? -1 : real(fd, st);
}

int
stat(const char *path, struct stat *st)
{
	REAL(stat)

	return from_module(CALLER) && fails(CALL_STAT) ? -1 : real(path, st);
}

int
mkdir(const char *path, mode_t mode)
{
	REAL(mkdir)

	return from_module(CALLER) && fails(CALL_MKDIR) ? -1 : real(path, mode);
}

int
flock(int fd, int how)
{
	REAL(flock)

	return from_module(CALLER) && fails(CALL_FLOCK) ? -1 : real(fd, how);
}

int
fcntl(int fd, int command, ...)
{
	REAL(fcntl)
	va_list ap;
	void *arg;

	va_start(ap, command);
	arg = va_arg(ap, void *);
	va_end(ap);
	return from_module(CALLER) && fails(CALL_FCNTL) ? -1 : real(fd, command, arg);
}

int
renameat(int from, const char *old, int to, const char *new)
{
	REAL(renameat)

	return from_module(CALLER) && fails(CALL_RENAMEAT) ? -1 : real(from, old, to, new);
}

ssize_t
getrandom(void *buf, size_t len, unsigned flags)
{
	REAL(getrandom)

	return from_module(CALLER) && fails(CALL_GETRANDOM) ? -1 : real(buf, len, flags);
}

/* By address, since free can be a function's last jump and then has the caller's caller. */
static void *
allocated(bool mine, void *p)
{
	size_t i = 0;

	if (!mine || p == NULL)
		return p;
	while (blocks[i] != NULL)
		CHECK(++i < sizeof(blocks) / sizeof(blocks[0]));
	blocks[i] = p;
	blocks_open++;
	return p;
}

void *
malloc(size_t size)
{
	bool mine = from_module(CALLER);

	return mine && fails(CALL_MALLOC) ? NULL : allocated(mine, __libc_malloc(size));
}

void *
calloc(size_t n, size_t size)
{
	bool mine = from_module(CALLER);

	return mine && fails(CALL_MALLOC) ? NULL : allocated(mine, __libc_calloc(n, size));
}

char *
strdup(const char *text)
{
	bool mine = from_module(CALLER);
	size_t len = strlen(text) + 1;
	char *p = mine && fails(CALL_MALLOC) ? NULL : allocated(mine, __libc_malloc(len));

	return p != NULL ? memcpy(p, text, len) : NULL;
}

void
free(void *p)
{
	for (size_t i = 0; p != NULL && blocks_open > 0 && i < sizeof(blocks) / sizeof(blocks[0]); i++)
		if (blocks[i] == p) {
			blocks[i] = NULL;
			blocks_open--;
			break;
		}
	__libc_free(p);
}

#endif
