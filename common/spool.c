#include "common/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/record.h"
#include "common/time.h"

/* A drain costs about two milliseconds of a core: once in a thousand logins, not beside each. Listings drain first. */
#define DRAIN_AT ((off_t)1000 * KA_SPOOL_RECORD_LEN)

/* Between open and lock the drain may rename the file; it does so at most once per drain. */
#define TRIES 16

#define MAGIC_LEN 8
#define BODY_LEN  96 /* time, project, account, fingerprint, address, first */
_Static_assert(MAGIC_LEN + 8 + BODY_LEN == KA_SPOOL_RECORD_LEN, "magic, checksum, body");
_Static_assert(sizeof(KA_SPOOL_MAGIC) - 1 == MAGIC_LEN, "the record's layout counts on it");

static void
encode(const struct ka_spool_use *use, uint8_t bytes[static KA_SPOOL_RECORD_LEN])
{
	uint8_t *p = bytes + MAGIC_LEN + 8;

	memcpy(bytes, KA_SPOOL_MAGIC, MAGIC_LEN);
	ka_table_be64((uint64_t)use->at_s, p);
	memcpy(p + 8, use->project, KA_UUID_LEN);
	memcpy(p + 24, use->account, KA_UUID_LEN);
	memcpy(p + 40, use->sha256, KA_SHA256_LEN);
	memcpy(p + 72, use->address, KA_ADDRESS_LEN);
	ka_table_be64(use->first, p + 88);
	ka_table_be64(ka_record_checksum(KA_CHECKSUM_START, p, BODY_LEN), bytes + MAGIC_LEN);
}

enum ka_result
ka_spool_decode(const uint8_t bytes[static KA_SPOOL_RECORD_LEN], struct ka_spool_use *use)
{
	const uint8_t *p = bytes + MAGIC_LEN + 8;

	if (memcmp(bytes, KA_SPOOL_MAGIC, MAGIC_LEN) != 0 ||
	    ka_table_from_be64(bytes + MAGIC_LEN) != ka_record_checksum(KA_CHECKSUM_START, p, BODY_LEN))
		return KA_CORRUPT;
	use->at_s = (int64_t)ka_table_from_be64(p);
	if (use->at_s < 0 || use->at_s > KA_TIME_MAX)
		return KA_CORRUPT;
	memcpy(use->project, p + 8, KA_UUID_LEN);
	memcpy(use->account, p + 24, KA_UUID_LEN);
	memcpy(use->sha256, p + 40, KA_SHA256_LEN);
	memcpy(use->address, p + 72, KA_ADDRESS_LEN);
	use->first = ka_table_from_be64(p + 88) != 0;
	return KA_OK;
}

static enum ka_result
spool_path(char path[static PATH_MAX], const char *dir, const char *name)
{
	int n = snprintf(path, PATH_MAX, "%s/%s", dir, name);

	return n > 0 && n < PATH_MAX ? KA_OK : KA_UNAVAIL;
}

/*
 * Open the spool and hold it with a shared lock, so that a drain that renames it leaves it alone until the write is
 * done. KA_BUSY: it was renamed in between; there is, or can be made, a new one.
 */
static enum ka_result
open_spool(const char *path, int *fd)
{
	struct stat mine, there;

	/* O_NONBLOCK: a fifo in the file's place must not hold up a login. */
	*fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
	if (*fd < 0)
		return KA_UNAVAIL;
	if (flock(*fd, LOCK_SH | LOCK_NB) != 0)
		return errno == EWOULDBLOCK ? KA_BUSY : KA_UNAVAIL;
	if (fstat(*fd, &mine) != 0)
		return KA_UNAVAIL;
	if (!S_ISREG(mine.st_mode)) {
		errno = EINVAL;
		return KA_UNAVAIL;
	}
	if (stat(path, &there) != 0)
		return errno == ENOENT ? KA_BUSY : KA_UNAVAIL;
	return mine.st_ino == there.st_ino && mine.st_dev == there.st_dev ? KA_OK : KA_BUSY;
}

static enum ka_result
append_once(const char *path, const uint8_t *bytes, size_t len)
{
	enum ka_result r;
	ssize_t n;
	int fd, saved;

	if ((r = open_spool(path, &fd)) == KA_OK) {
		n = write(fd, bytes, len);
		if (n >= 0 && (size_t)n < len)
			errno = ENOSPC;
		if (n != (ssize_t)len)
			r = KA_UNAVAIL;
	}
	saved = errno;
	if (fd >= 0)
		(void)close(fd);
	errno = saved;
	return r;
}

enum ka_result
ka_spool_append(const char *dir, const struct ka_spool_use *uses, size_t n)
{
	uint8_t bytes[KA_REGISTRATIONS_MAX * KA_SPOOL_RECORD_LEN];
	char path[PATH_MAX];
	enum ka_result r;

	if (n > KA_REGISTRATIONS_MAX || spool_path(path, dir, KA_SPOOL_NAME) != KA_OK) {
		errno = ENAMETOOLONG;
		return KA_UNAVAIL;
	}
	for (size_t i = 0; i < n; i++)
		encode(&uses[i], bytes + i * KA_SPOOL_RECORD_LEN);
	r = KA_BUSY;
	for (int i = 0; i < TRIES && r == KA_BUSY; i++)
		r = append_once(path, bytes, n * KA_SPOOL_RECORD_LEN);
	if (r == KA_BUSY)
		errno = EAGAIN;
	return r;
}

bool
ka_spool_wants_drain(const char *dir)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[PATH_MAX];
	struct stat st;
	bool is_free;
	int fd;

	if (spool_path(path, dir, KA_SPOOL_NAME) != KA_OK || stat(path, &st) != 0 || st.st_size < DRAIN_AT ||
	    spool_path(path, dir, KA_SPOOL_LOCK) != KA_OK)
		return false;
	if ((fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)) < 0)
		return errno == ENOENT;
	is_free = fcntl(fd, F_GETLK, &l) == 0 && l.l_type == F_UNLCK;
	(void)close(fd);
	return is_free;
}
