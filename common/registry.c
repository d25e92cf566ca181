#include "common/registry.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/process.h"
#include "common/time.h"

/* Writing an entry takes no time; a process that has been at it for so long is not going to be done. */
#define WRITING_S 3600

/* "KEY=VALUE" out of ${*at}, which moves behind it and the blank or line end that ends it. */
static bool
take(const char **at, const char *key, char end, char *value, size_t room)
{
	size_t keylen = strlen(key), len;

	if (strncmp(*at, key, keylen) != 0 || (*at)[keylen] != '=')
		return false;
	*at += keylen + 1;
	len = strcspn(*at, " \n");
	if (len == 0 || len >= room || (*at)[len] != end)
		return false;
	memcpy(value, *at, len);
	value[len] = '\0';
	*at += len + 1;
	return true;
}

/* Digits alone, no zero in front, 1..${max}. */
static bool
read_number(const char *text, unsigned long long max, unsigned long long *n)
{
	if (text[0] < '1' || text[0] > '9' || text[strspn(text, "0123456789")] != '\0')
		return false;
	errno = 0;
	*n = strtoull(text, NULL, 10);
	return errno == 0 && *n <= max;
}

static bool
read_address(const char *text, struct ka_registry_entry *e)
{
	e->address_known = strcmp(text, "-") != 0;
	return !e->address_known || ka_address_parse(text, e->address) == KA_OK;
}

static bool
read_role(const char *text, enum ka_role *role)
{
	for (*role = KA_ROLE_COLLABORATOR; *role <= KA_ROLE_OWNER; (*role)++)
		if (strcmp(text, ka_access_role_name(*role)) == 0)
			return true;
	return false;
}

/* What stands behind since=, once it is decided. */
static bool
read_identity(const char **at, struct ka_registry_entry *e)
{
	char account[KA_UUID_TEXT_LEN], text[KA_UUID_TEXT_LEN], role[16];

	e->identified = true;
	if (!take(at, "account", ' ', account, sizeof(account)) ||
	    !take(at, "handle", ' ', e->handle, sizeof(e->handle)) || !take(at, "role", '\n', role, sizeof(role)) ||
	    ka_uuid_parse(account, e->account) != KA_OK)
		return false;
	ka_uuid_text(e->account, text);
	return strcmp(account, text) == 0 && ka_record_handle_ok(e->handle) && read_role(role, &e->role);
}

static bool
read_line(const char *at, struct ka_registry_entry *e)
{
	char project[KA_UUID_NAME_LEN], key[KA_SHA256_TEXT_LEN], address[KA_ADDRESS_TEXT_LEN], pid[24], start[24],
	    since[24];
	bool identified = strstr(at, " account=") != NULL;
	unsigned long long pid_n, since_n;

	if (!take(&at, "project", ' ', project, sizeof(project)) || ka_uuid_from_name(project, e->project) != KA_OK ||
	    !take(&at, "fingerprint", ' ', key, sizeof(key)) || ka_fingerprint_parse(key, e->sha256) != KA_OK ||
	    !take(&at, "address", ' ', address, sizeof(address)) || !read_address(address, e) ||
	    !take(&at, "pid", ' ', pid, sizeof(pid)) || !read_number(pid, INT_MAX, &pid_n) ||
	    !take(&at, "start", ' ', start, sizeof(start)) || !read_number(start, ULLONG_MAX, &e->start) ||
	    !take(&at, "since", identified ? ' ' : '\n', since, sizeof(since)) ||
	    !read_number(since, KA_TIME_MAX, &since_n) || (identified && !read_identity(&at, e)))
		return false;
	e->pid = (pid_t)pid_n;
	e->since_s = (int64_t)since_n;
	return *at == '\0';
}

/* The pid in PID-NUMBER; 0: it is no name of an entry. */
static pid_t
pid_of_name(const char *name)
{
	size_t digits = strspn(name, "0123456789");
	char text[24];
	unsigned long long pid;

	if (digits >= sizeof(text) || name[digits] != '-' || strlen(name + digits) != 9 ||
	    strspn(name + digits + 1, "0123456789abcdef") != 8)
		return 0;
	(void)snprintf(text, sizeof(text), "%.*s", (int)digits, name);
	return read_number(text, INT_MAX, &pid) ? (pid_t)pid : 0;
}

enum ka_result
ka_registry_parse(const char *name, const char *line, size_t len, struct ka_registry_entry *e)
{
	char text[KA_SESSION_LINE_LEN];

	memset(e, 0, sizeof(*e));
	if (len >= sizeof(text) || memchr(line, '\0', len) != NULL)
		return KA_INVALID;
	memcpy(text, line, len);
	text[len] = '\0';
	if (!read_line(text, e) || e->pid != pid_of_name(name))
		return KA_INVALID;
	(void)snprintf(e->name, sizeof(e->name), "%s", name);
	return KA_OK;
}

/* KA_NOTFOUND: it has been removed meanwhile. KA_INVALID: it is no entry. */
static enum ka_result
read_entry(int dirfd, const char *name, struct ka_registry_entry *e)
{
	char line[KA_SESSION_LINE_LEN];
	struct stat st;
	ssize_t n = -1;
	int fd;

	if ((fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)) < 0)
		return errno == ENOENT ? KA_NOTFOUND : KA_INVALID;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		n = read(fd, line, sizeof(line));
	(void)close(fd);
	return n < 0 ? KA_INVALID : ka_registry_parse(name, line, (size_t)n, e);
}

/* KA_NOTFOUND: its process has ended, and a pid that was used again is another process. */
static enum ka_result
check_lives(const struct ka_registry_entry *e)
{
	struct ka_process p;
	enum ka_result r = ka_process_stat(e->pid, &p);

	if (r == KA_OK && (p.start != e->start || ka_process_has_ended(&p)))
		return KA_NOTFOUND;
	return r;
}

/* ".PID-NUMBER" is an entry that is being written, unless that was cut off. */
static enum ka_result
clean_unfinished(int dirfd, const char *name)
{
	struct ka_process p;
	struct stat st;
	enum ka_result r = ka_process_stat(pid_of_name(name + 1), &p);

	if (r == KA_OK && (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || time(NULL) - st.st_mtime < WRITING_S))
		return KA_OK;
	if (r != KA_UNAVAIL)
		(void)unlinkat(dirfd, name, 0);
	return r == KA_NOTFOUND ? KA_OK : r;
}

static enum ka_result
add_entry(struct ka_registry *reg, const struct ka_registry_entry *e)
{
	/* Room for a power of two: it is full when the number is one. */
	if ((reg->n & (reg->n - 1)) == 0) {
		struct ka_registry_entry *more = realloc(reg->entries, (reg->n == 0 ? 1 : 2 * reg->n) * sizeof(*more));

		if (more == NULL)
			return KA_UNAVAIL;
		reg->entries = more;
	}
	reg->entries[reg->n++] = *e;
	return KA_OK;
}

/* What is noted about a session is worth nothing without its entry. */
static bool
clean_note(int dirfd, const char *name)
{
	size_t len = strcspn(name, ".");
	char entry[KA_SESSION_NAME_LEN];

	if ((strcmp(name + len, "." KA_SESSION_ENDED) != 0 && strcmp(name + len, "." KA_SESSION_KEPT) != 0) ||
	    len >= sizeof(entry))
		return false;
	(void)snprintf(entry, sizeof(entry), "%.*s", (int)len, name);
	if (pid_of_name(entry) == 0)
		return false;
	if (faccessat(dirfd, entry, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT)
		(void)unlinkat(dirfd, name, 0);
	return true;
}

static enum ka_result
read_name(int dirfd, const char *name, struct ka_registry *reg)
{
	struct ka_registry_entry e;
	enum ka_result r;

	if (name[0] == '.' && pid_of_name(name + 1) != 0)
		return clean_unfinished(dirfd, name);
	if (clean_note(dirfd, name))
		return KA_OK;
	if ((r = read_entry(dirfd, name, &e)) == KA_INVALID) {
		if (reg->strange++ == 0)
			(void)snprintf(reg->a_strange, sizeof(reg->a_strange), "%.*s", KA_SESSION_NAME_LEN - 1, name);
		return KA_OK;
	}
	if (r != KA_OK)
		return KA_OK;
	if ((r = check_lives(&e)) == KA_OK)
		return add_entry(reg, &e);
	if (r == KA_NOTFOUND)
		(void)unlinkat(dirfd, name, 0);
	return r == KA_NOTFOUND ? KA_OK : r;
}

static int
older(const void *a, const void *b)
{
	const struct ka_registry_entry *x = a, *y = b;

	if (x->since_s != y->since_s)
		return x->since_s < y->since_s ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* Whoever could put a file there could have any process ended. */
static enum ka_result
check_directory(int dirfd, const char *path, struct ka_error *err)
{
	struct stat st;

	if (fstat(dirfd, &st) != 0)
		return ka_result_fail(err, KA_UNAVAIL, "cannot look at %s: %s", path, strerror(errno));
	if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return ka_result_fail(err, KA_UNAVAIL,
		    "%s is not used, because others could write to it: it has to be root's, with mode 700", path);
	return KA_OK;
}

static enum ka_result
read_all(DIR *dir, const char *path, struct ka_registry *reg, struct ka_error *err)
{
	enum ka_result r = KA_OK;
	struct dirent *d;

	errno = 0;
	while (r == KA_OK && (d = readdir(dir)) != NULL)
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0) {
			r = read_name(dirfd(dir), d->d_name, reg);
			if (r == KA_OK)
				errno = 0;
		}
	if (r == KA_OK && errno != 0)
		r = KA_UNAVAIL;
	return r == KA_OK ? r : ka_result_fail(err, r, "cannot read the sessions in %s: %s", path, strerror(errno));
}

enum ka_result
ka_registry_read(const char *run, struct ka_registry *reg, struct ka_error *err)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/sessions", run), fd;
	enum ka_result r;
	DIR *dir;

	memset(reg, 0, sizeof(*reg));
	if (n < 0 || (size_t)n >= sizeof(path))
		return ka_result_fail(err, KA_INVALID, "the path of the registry is too long");
	if ((fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)) < 0 && errno == ENOENT)
		return KA_OK;
	if (fd < 0 || (dir = fdopendir(fd)) == NULL) {
		r = ka_result_fail(err, KA_UNAVAIL, "cannot open %s: %s", path, strerror(errno));
		if (fd >= 0)
			(void)close(fd);
		return r;
	}
	if ((r = check_directory(fd, path, err)) == KA_OK)
		r = read_all(dir, path, reg, err);
	(void)closedir(dir);
	for (size_t i = 0; r == KA_OK && i < reg->n; i++)
		(void)ka_session_read_note(run, reg->entries[i].name, KA_SESSION_KEPT, reg->entries[i].kept);
	if (r == KA_OK && reg->n > 0)
		qsort(reg->entries, reg->n, sizeof(*reg->entries), older);
	return r;
}

enum ka_result
ka_registry_keep(const char *run, const char *name, const char *note)
{
	char path[PATH_MAX];
	enum ka_result r = KA_UNAVAIL;
	int fd;

	if (ka_session_note_path(run, name, KA_SESSION_KEPT, path) != KA_OK)
		return KA_UNAVAIL;
	if (note == NULL)
		return unlink(path) == 0 || errno == ENOENT ? KA_OK : KA_UNAVAIL;
	if ((fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600)) < 0)
		return KA_UNAVAIL;
	if (dprintf(fd, "%s\n", note) > 0)
		r = KA_OK;
	(void)close(fd);
	return r;
}

void
ka_registry_free(struct ka_registry *reg)
{
	free(reg->entries);
	memset(reg, 0, sizeof(*reg));
}
