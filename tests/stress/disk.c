#include "tests/stress/disk.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* liblmdb writes a meta page from the map's size on; the root is the last number but two of it (MDB_meta). */
#define META_ROOT 96

static struct disk_plan now;
static bool armed, saw_meta;

static void
pause_here(enum stage stage)
{
	uint64_t position = now.t * STAGES + stage;
	unsigned turns = 0;

	if (now.gated) {
		atomic_store(&now.shared->at, position);
		while (atomic_load(&now.shared->limit) <= position && !atomic_load(&now.shared->stop))
			shared_spin(&turns);
	} else if (now.pauses && shared_random(now.seed, 64) == 0) {
		for (uint64_t n = shared_random(now.seed, 1000); turns < n;)
			shared_spin(&turns);
	}
}

void
disk_begin(const struct disk_plan *plan)
{
	now = *plan;
	armed = true;
	saw_meta = false;
	pause_here(STAGE_BEGIN);
}

bool
disk_end(void)
{
	armed = false;
	return saw_meta;
}

/* At this stage of a transaction that is to die, it dies. */
static void
die_here(void)
{
	if (now.fault == FAULT_DIE && shared_random(now.seed, 3) == 0)
		(void)raise(SIGKILL);
}

static ssize_t
fail(void)
{
	now.fault = FAULT_NONE;
	errno = shared_random(now.seed, 2) == 0 ? EIO : ENOSPC;
	return -1;
}

static ssize_t
real_pwrite(int fd, const void *bytes, size_t len, off_t at)
{
	return syscall(SYS_pwrite64, fd, bytes, len, at);
}

static ssize_t
real_writev(int fd, const struct iovec *v, int n)
{
	return syscall(SYS_writev, fd, v, n);
}

static bool
in_halves(uint64_t one_in)
{
	return now.gated || (now.pauses && shared_random(now.seed, one_in) == 0);
}

/* Two writes in the place of one. It begins at the front, as the kernel's copying does. */
static ssize_t
write_halves(int fd, const uint8_t *bytes, size_t len, size_t half, off_t at, enum stage stage)
{
	ssize_t first, second;

	if ((first = real_pwrite(fd, bytes, half, at)) != (ssize_t)half)
		return first;
	pause_here(stage);
	if ((second = real_pwrite(fd, bytes + half, len - half, at + (off_t)half)) < 0)
		return second;
	return first + second;
}

static ssize_t
write_meta(int fd, const uint8_t *bytes, size_t len, off_t at)
{
	ssize_t n;

	saw_meta = true;
	shared_raise(&now.shared->flushed, now.t);
	pause_here(STAGE_FLUSHED);
	die_here();
	/* Before a byte is written: a commit that fails was never to be seen. */
	if (now.fault == FAULT_META)
		return fail();
	if (len > META_ROOT + 16 && in_halves(8))
		n = write_halves(fd, bytes, len, META_ROOT + 1 + (size_t)shared_random(now.seed, 16), at, STAGE_TORN);
	else
		n = real_pwrite(fd, bytes, len, at);
	pause_here(STAGE_META);
	die_here();
	return n;
}

ssize_t
pwrite(int fd, const void *bytes, size_t len, off_t at)
{
	if (!armed)
		return real_pwrite(fd, bytes, len, at);
	/* The meta pages are the first two, and a page is the system's. */
	if (at < 2 * sysconf(_SC_PAGESIZE))
		return write_meta(fd, bytes, len, at);
	if (now.fault == FAULT_PAGES && shared_random(now.seed, 2) == 0) {
		/* A short write, or none. */
		if (shared_random(now.seed, 2) == 0)
			return fail();
		now.fault = FAULT_NONE;
		return real_pwrite(fd, bytes, len / 2, at);
	}
	die_here();
	if (!in_halves(16))
		return real_pwrite(fd, bytes, len, at);
	return write_halves(fd, bytes, len, len / 2, at, STAGE_PART);
}

ssize_t
writev(int fd, const struct iovec *v, int n)
{
	ssize_t first, second;

	if (!armed)
		return real_writev(fd, v, n);
	if (now.fault == FAULT_PAGES && shared_random(now.seed, 2) == 0)
		return fail();
	if (now.fault == FAULT_NONE && !in_halves(16))
		return real_writev(fd, v, n);
	if ((first = real_writev(fd, v, n / 2)) < 0)
		return first;
	pause_here(STAGE_PART);
	die_here();
	if (now.fault == FAULT_PAGES && shared_random(now.seed, 2) == 0) {
		now.fault = FAULT_NONE;
		return first;
	}
	if ((second = real_writev(fd, v + n / 2, n - n / 2)) < 0)
		return second;
	return first + second;
}
