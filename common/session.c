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

#include "common/process.h"

#define NOTE_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789=._@+- "

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

/* Who it is follows once that is decided: ${reg} is NULL before. Returns the line's length. */
static size_t
format_entry(const struct ka_access_question *q, const struct ka_access_registration *reg,
    const struct ka_process *self, char line[static KA_SESSION_LINE_LEN])
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
	return (size_t)snprintf(line, KA_SESSION_LINE_LEN,
	    "project=%s fingerprint=%s address=%s pid=%ld start=%llu since=%lld%s\n", project, key, address,
	    (long)self->pid, self->start, (long long)q->at_s, who);
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
write_line(
    const char *run, const char *name, const struct ka_access_question *q, const struct ka_access_registration *reg)
{
	char line[KA_SESSION_LINE_LEN];
	struct ka_process self;
	enum ka_result r;
	int dirfd, saved;

	/* An entry without its process's start would be taken for one that was left behind. */
	if (ka_process_stat(getpid(), &self) != KA_OK || (dirfd = open_sessions(run)) < 0)
		return KA_UNAVAIL;
	r = write_entry(dirfd, name, line, format_entry(q, reg, &self, line));
	saved = errno;
	(void)close(dirfd);
	errno = saved;
	return r;
}

enum ka_result
ka_session_enter(const char *run, const struct ka_access_question *q, char name[static KA_SESSION_NAME_LEN])
{
	uint32_t unique;

	if (getrandom(&unique, sizeof(unique), GRND_NONBLOCK) != sizeof(unique))
		return KA_UNAVAIL;
	(void)snprintf(name, KA_SESSION_NAME_LEN, "%ld-%08x", (long)getpid(), unique);
	return write_line(run, name, q, NULL);
}

enum ka_result
ka_session_identify(const char *run, const char *name, const struct ka_access_question *q,
    const struct ka_access_registration *registration)
{
	return write_line(run, name, q, registration);
}

enum ka_result
ka_session_note_path(const char *run, const char *name, const char *word, char path[static PATH_MAX])
{
	int n = snprintf(path, PATH_MAX, "%s/sessions/%s%s%s", run, name, word[0] != '\0' ? "." : "", word);

	if (n >= 0 && n < PATH_MAX)
		return KA_OK;
	errno = ENAMETOOLONG;
	return KA_UNAVAIL;
}

enum ka_result
ka_session_read_note(const char *run, const char *name, const char *word, char text[static KA_SESSION_NOTE_LEN])
{
	char path[PATH_MAX];
	ssize_t n;
	int fd;

	text[0] = '\0';
	if (ka_session_note_path(run, name, word, path) != KA_OK)
		return KA_UNAVAIL;
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)) < 0)
		return errno == ENOENT ? KA_NOTFOUND : KA_UNAVAIL;
	n = read(fd, text, KA_SESSION_NOTE_LEN - 1);
	(void)close(fd);
	text[n > 0 ? n : 0] = '\0';
	/* It goes into the log: whole, and nothing that the tool does not write. */
	if (n <= 0 || text[n - 1] != '\n' || strspn(text, NOTE_CHARACTERS) != (size_t)n - 1) {
		text[0] = '\0';
		return KA_UNAVAIL;
	}
	text[n - 1] = '\0';
	return KA_OK;
}

static enum ka_result
remove_file(const char *run, const char *name, const char *word)
{
	char path[PATH_MAX];

	if (ka_session_note_path(run, name, word, path) != KA_OK)
		return KA_UNAVAIL;
	return unlink(path) == 0 || errno == ENOENT ? KA_OK : KA_UNAVAIL;
}

enum ka_result
ka_session_leave(const char *run, const char *name)
{
	/* The entry first: who finds no note and the entry knows that there has been none (common/claim). */
	enum ka_result r = remove_file(run, name, "");
	int saved = errno;

	(void)remove_file(run, name, KA_SESSION_ENDED);
	(void)remove_file(run, name, KA_SESSION_KEPT);
	errno = saved;
	return r;
}
