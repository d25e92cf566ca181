#include "common/session.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* When this process started, in clock ticks since boot: field 22 of /proc/self/stat. 0 if it cannot be read. */
static unsigned long long
start_ticks(void)
{
	char line[1024];
	unsigned long long ticks = 0;
	char *at;
	ssize_t n;
	int fd;

	if ((fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC)) < 0)
		return 0;
	n = read(fd, line, sizeof(line) - 1);
	(void)close(fd);
	if (n <= 0)
		return 0;
	line[n] = '\0';
	/* The program's name, field 2, stands in parentheses and may hold blanks. */
	if ((at = strrchr(line, ')')) == NULL)
		return 0;
	for (int field = 2; field < 22 && at != NULL; field++)
		at = strchr(at + 1, ' ');
	if (at != NULL)
		ticks = strtoull(at + 1, NULL, 10);
	return ticks;
}

/* The directory of the entries, open; both levels are root's alone from their first moment. */
static int
open_sessions(const char *run)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/sessions", run);

	if (n < 0 || (size_t)n >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if ((mkdir(run, 0700) != 0 && errno != EEXIST) || (mkdir(path, 0700) != 0 && errno != EEXIST))
		return -1;
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

/* Who it is follows once that is decided: ${reg} is NULL before. */
static int
format_entry(
    const struct ka_access_question *q, const struct ka_access_registration *reg, char line[static KA_SESSION_LINE_LEN])
{
	char project[KA_UUID_NAME_LEN], key[KA_SHA256_TEXT_LEN], address[KA_ADDRESS_TEXT_LEN] = "-";
	char who[KA_UUID_TEXT_LEN + KA_HANDLE_LEN + 64] = "";

	ka_uuid_name(q->project, project);
	ka_fingerprint_format(q->sha256, key);
	if (q->address_known)
		ka_address_format(q->address, address);
	if (reg != NULL) {
		char account[KA_UUID_TEXT_LEN];

		ka_uuid_text(reg->account.id, account);
		(void)snprintf(who, sizeof(who), " account=%s handle=%s role=%s", account, reg->account.handle,
		    ka_access_role_name(reg->role));
	}
	return snprintf(line, KA_SESSION_LINE_LEN,
	    "project=%s fingerprint=%s address=%s pid=%ld start=%llu since=%lld%s\n", project, key, address,
	    (long)getpid(), start_ticks(), (long long)q->at_s, who);
}

/* Written beside its name and renamed, because O_TMPFILE is not to be had on every file system of a container's /run.
 */
static enum ka_result
write_entry(int dirfd, const char *name, const char *line, size_t len)
{
	char temporary[KA_SESSION_NAME_LEN + 8];
	enum ka_result r = KA_UNAVAIL;
	int fd, saved;

	(void)snprintf(temporary, sizeof(temporary), ".%s", name);
	if ((fd = openat(dirfd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)) < 0)
		return KA_UNAVAIL;
	errno = ENOSPC;
	if (write(fd, line, len) == (ssize_t)len && renameat(dirfd, temporary, dirfd, name) == 0)
		r = KA_OK;
	saved = errno;
	if (r != KA_OK)
		(void)unlinkat(dirfd, temporary, 0);
	(void)close(fd);
	errno = saved;
	return r;
}

static enum ka_result
write_line(const char *run, const char *name, const char *line, size_t len)
{
	enum ka_result r;
	int dirfd, saved;

	if ((dirfd = open_sessions(run)) < 0)
		return KA_UNAVAIL;
	r = write_entry(dirfd, name, line, len);
	saved = errno;
	(void)close(dirfd);
	errno = saved;
	return r;
}

enum ka_result
ka_session_enter(const char *run, const struct ka_access_question *q, char name[static KA_SESSION_NAME_LEN])
{
	char line[KA_SESSION_LINE_LEN];
	uint32_t unique;

	if (getrandom(&unique, sizeof(unique), GRND_NONBLOCK) != sizeof(unique))
		return KA_UNAVAIL;
	(void)snprintf(name, KA_SESSION_NAME_LEN, "%ld-%08x", (long)getpid(), unique);
	return write_line(run, name, line, (size_t)format_entry(q, NULL, line));
}

enum ka_result
ka_session_identify(const char *run, const char *name, const struct ka_access_question *q,
    const struct ka_access_registration *registration)
{
	char line[KA_SESSION_LINE_LEN];

	return write_line(run, name, line, (size_t)format_entry(q, registration, line));
}

enum ka_result
ka_session_leave(const char *run, const char *name)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/sessions/%s", run, name);

	if (n < 0 || (size_t)n >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return KA_UNAVAIL;
	}
	return unlink(path) == 0 || errno == ENOENT ? KA_OK : KA_UNAVAIL;
}
