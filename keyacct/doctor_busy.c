/*
 * keyacct doctor: who holds what others wait for, and what waits to be taken in. Nothing is locked to find out: the
 * kernel says who holds a lock.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/process.h"
#include "common/spool.h"
#include "common/time.h"
#include "keyacct/doctor.h"

/* No command but a big import or a backup takes so long. */
#define LONG_S 60

/* Draining begins at a thousand uses (common/spool): ten times that says that nobody could. */
#define SPOOL_LONG  ((off_t)10 * 1000 * KA_SPOOL_RECORD_LEN)
#define SPOOL_OLD_S (30LL * 24 * 60 * 60)

/* What a process of root was started as. Of another's all is as its user likes: the name, which is short, and who. */
static void
command_of(const struct ka_process *p, char command[static 128])
{
	bool of_root = p->uid[0] == 0 && p->uid[1] == 0 && p->uid[2] == 0;
	char path[64];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%ld/%s", (long)p->pid, of_root ? "cmdline" : "comm");
	(void)snprintf(command, 128, "%s", "?");
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return;
	if ((n = read(fd, command, of_root ? 127 : 64)) > 0) {
		command[n] = '\0';
		for (ssize_t i = 0; i + 1 < n; i++)
			if (command[i] == '\0')
				command[i] = ' ';
		n = (ssize_t)strlen(command);
		n -= n > 0 && command[n - 1] == '\n';
		if (!of_root)
			(void)snprintf(command + n, 128 - (size_t)n, ", uid %lu", (unsigned long)p->uid[0]);
	}
	(void)close(fd);
}

/* How long a process lives: its lock is not older than that. */
static long long
age_of(const struct ka_process *p)
{
	char *text = doctor_read("/proc/uptime");
	double up = text != NULL ? strtod(text, NULL) : 0;

	free(text);
	return (long long)(up - (double)p->start / (double)sysconf(_SC_CLK_TCK));
}

static void
judge_holder(struct doctor *d, pid_t pid, const char *what)
{
	struct ka_process p;
	char command[128];

	if (ka_process_read(pid, &p) != KA_OK)
		return;
	command_of(&p, command);
	if (p.state == 'T' || p.state == 't') {
		doctor_fail(
		    d, "process %ld (%s) is stopped and holds %s: others wait for it", (long)pid, command, what);
		doctor_mend(d, "kill -CONT %ld", (long)pid);
	} else if (age_of(&p) > LONG_S) {
		doctor_warn(d, "process %ld (%s), which began %lld seconds ago, holds %s: others wait for it",
		    (long)pid, command, age_of(&p), what);
		doctor_mend(d, "kill %ld", (long)pid);
	}
}

/* Who holds the lock on that file, without taking it. */
static void
look_at_lock(struct doctor *d, const char *name, const char *what)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[PATH_MAX];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", d->dir, name);
	/* Closing it gives back no lock: this process has none. */
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)) < 0)
		return;
	if (fcntl(fd, F_GETLK, &l) == 0 && l.l_type != F_UNLCK) {
		if (l.l_pid > 0)
			judge_holder(d, l.l_pid, what);
		else {
			doctor_warn(d, "a process that cannot be seen from here holds %s", what);
			doctor_mend(d, "lsof %s", doctor_quote(path));
		}
	}
	(void)close(fd);
}

static void
look_writer(struct doctor *d)
{
	if (!doctor_needs_root(d))
		return;
	look_at_lock(d, KA_STORE_LOCK, "the lock of who changes the database");
	doctor_ok(d, "nobody keeps others from changing the database");
}

/* The spool */

/* Is there a lock on that descriptor? */
static bool
is_locked(pid_t pid, const char *fd)
{
	char path[64], *text;
	bool locked;

	(void)snprintf(path, sizeof(path), "/proc/%ld/fdinfo/%.20s", (long)pid, fd);
	text = doctor_read(path);
	locked = text != NULL && strstr(text, "\nlock:") != NULL;
	free(text);
	return locked;
}

/*
 * Does that process have this very file open, and locked? Its other files may be on a file system that answers when its
 * owner likes: what the kernel knows without asking is enough.
 */
static bool
holds(pid_t pid, const struct stat *st)
{
	char path[64];
	struct dirent *entry;
	struct statx sx;
	bool found = false;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%ld/fd", (long)pid);
	if ((dir = opendir(path)) == NULL)
		return false;
	while (!found && (entry = readdir(dir)) != NULL)
		found = entry->d_name[0] != '.' &&
			statx(dirfd(dir), entry->d_name, AT_STATX_DONT_SYNC, STATX_INO, &sx) == 0 &&
			sx.stx_ino == st->st_ino && makedev(sx.stx_dev_major, sx.stx_dev_minor) == st->st_dev &&
			is_locked(pid, entry->d_name);
	(void)closedir(dir);
	return found;
}

/*
 * Of a login that was stopped while it noted a use. /proc/locks has the file by its inode, which another file system
 * may have as well, and by a device that need not be what stat() says: it tells whom to look at, and no more.
 */
static void
look_at_spool_holders(struct doctor *d, const struct stat *st)
{
	char *text = doctor_read("/proc/locks"), line[256], kind[16];
	const char *at = text != NULL ? text : "";
	unsigned long long inode;
	long pid;

	while (doctor_next_line(&at, line, sizeof(line)))
		if (sscanf(line, "%*s %15s %*s %*s %ld %*x:%*x:%llu", kind, &pid, &inode) == 3 &&
		    strcmp(kind, "FLOCK") == 0 && inode == st->st_ino && pid > 0 && holds((pid_t)pid, st))
			judge_holder(d, (pid_t)pid, "the spool of last uses");
	free(text);
}

static int64_t
oldest_in(const char *path)
{
	uint8_t bytes[KA_SPOOL_RECORD_LEN];
	struct ka_spool_use use;
	int64_t at_s = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd >= 0 && read(fd, bytes, sizeof(bytes)) == sizeof(bytes) && ka_spool_decode(bytes, &use) == KA_OK)
		at_s = use.at_s;
	if (fd >= 0)
		(void)close(fd);
	return at_s;
}

/* The spool and those that were put aside to be drained. */
struct spools {
	off_t bytes;
	int64_t oldest_s;
};

static void
count_spools(struct doctor *d, struct spools *s)
{
	char path[PATH_MAX];
	struct dirent *entry;
	struct stat st;
	int64_t oldest;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "%s/private", d->dir);
	if ((dir = opendir(path)) == NULL)
		return;
	while ((entry = readdir(dir)) != NULL) {
		if (strncmp(entry->d_name, "usage.spool", 11) != 0)
			continue;
		(void)snprintf(path, sizeof(path), "%s/private/%s", d->dir, entry->d_name);
		if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode))
			continue;
		s->bytes += st.st_size;
		if ((oldest = oldest_in(path)) > 0 && (s->oldest_s == 0 || oldest < s->oldest_s))
			s->oldest_s = oldest;
		look_at_spool_holders(d, &st);
	}
	(void)closedir(dir);
}

static void
look_spool(struct doctor *d)
{
	struct spools s = {0};
	char oldest[KA_TIME_TEXT_LEN];

	if (!doctor_needs_root(d))
		return;
	look_at_lock(d, KA_SPOOL_LOCK, "the lock of who takes in last uses");
	count_spools(d, &s);
	ka_time_format_utc(s.oldest_s, oldest);
	if (s.bytes > SPOOL_LONG || (s.oldest_s > 0 && ka_time_now() - s.oldest_s > SPOOL_OLD_S)) {
		doctor_warn(d, "%lld last uses, the oldest of %s, wait to be taken in",
		    (long long)(s.bytes / KA_SPOOL_RECORD_LEN), oldest);
		doctor_mend(d, "%s drain", d->tool);
	}
	if (s.bytes == 0)
		doctor_ok(d, "no last use waits to be taken in");
	else
		doctor_ok(d, "%lld last uses, the oldest of %s, wait to be taken in: few enough",
		    (long long)(s.bytes / KA_SPOOL_RECORD_LEN), oldest);
}

const struct doctor_check doctor_busy_checks[] = {
    {"writer", look_writer, NULL},
    {"spool", look_spool, NULL},
    {.name = NULL},
};
