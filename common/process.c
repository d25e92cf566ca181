#include "common/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

/* Read one small file of /proc/PID. KA_NOTFOUND when the process is gone. */
static enum ka_result
read_file(pid_t pid, const char *name, char *text, size_t len)
{
	char path[64];
	ssize_t n;
	int fd, saved;

	(void)snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, name);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return errno == ENOENT ? KA_NOTFOUND : KA_UNAVAIL;
	n = read(fd, text, len - 1);
	saved = errno;
	(void)close(fd);
	errno = saved;
	if (n < 0)
		return errno == ESRCH ? KA_NOTFOUND : KA_UNAVAIL;
	text[n] = '\0';
	return KA_OK;
}

enum ka_result
ka_process_parse(const char *line, struct ka_process *p)
{
	/* The program's name, field 2, stands in parentheses and may hold anything, parentheses and line ends too. */
	const char *at = strrchr(line, ')');
	int pid, parent, sid, terminal;

	memset(p, 0, sizeof(*p));
	for (size_t i = 0; i < 3; i++)
		p->uid[i] = KA_PROCESS_UNSET;
	p->login = p->audit = KA_PROCESS_UNSET;
	if (at == NULL || sscanf(line, "%d (", &pid) != 1 ||
	    sscanf(at, ") %c %d %*d %d %d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %d %*d %llu", &p->state,
		&parent, &sid, &terminal, &p->threads, &p->start) != 6)
		return KA_INVALID;
	p->pid = pid;
	p->parent = parent;
	p->sid = sid;
	p->terminal = (uint32_t)terminal;
	return KA_OK;
}

/* A /proc of another pid namespace, or none, would make everything that lives look dead. */
static enum ka_result
check_proc(void)
{
	char self[24];
	ssize_t n = readlink("/proc/self", self, sizeof(self) - 1);

	if (n > 0) {
		self[n] = '\0';
		if (strtol(self, NULL, 10) == getpid())
			return KA_OK;
	}
	errno = ENOENT;
	return KA_UNAVAIL;
}

bool
ka_process_has_ended(const struct ka_process *p)
{
	return (p->state == 'Z' || p->state == 'X') && p->threads <= 1;
}

enum ka_result
ka_process_stat(pid_t pid, struct ka_process *p)
{
	char line[1024];
	enum ka_result r;

	if ((r = read_file(pid, "stat", line, sizeof(line))) != KA_OK)
		return r == KA_NOTFOUND && check_proc() != KA_OK ? KA_UNAVAIL : r;
	if (ka_process_parse(line, p) == KA_OK && p->pid == pid)
		return KA_OK;
	errno = EIO;
	return KA_UNAVAIL;
}

/* What the kernel does not keep, a kernel without audit say, stays unset. */
static enum ka_result
read_number(pid_t pid, const char *name, uint32_t *number)
{
	char text[32];
	unsigned long n;
	enum ka_result r;
	char *end;

	if ((r = read_file(pid, name, text, sizeof(text))) != KA_OK)
		return r;
	n = strtoul(text, &end, 10);
	if (end != text && n <= UINT32_MAX)
		*number = (uint32_t)n;
	return KA_OK;
}

static enum ka_result
read_status(pid_t pid, struct ka_process *p)
{
	char text[4096];
	const char *at;
	enum ka_result r;

	if ((r = read_file(pid, "status", text, sizeof(text))) != KA_OK)
		return r;
	/* Behind all groups: a process in very many would have it cut off. */
	if ((at = strstr(text, "\nvoluntary_ctxt_switches:\t")) != NULL)
		p->sleeps = strtoull(strchr(at, '\t'), NULL, 10);
	/* The name comes before, with its line ends escaped. */
	if ((at = strstr(text, "\nUid:\t")) != NULL &&
	    sscanf(at, "\nUid:\t%u\t%u\t%u", &p->uid[0], &p->uid[1], &p->uid[2]) == 3)
		return KA_OK;
	errno = EIO;
	return KA_UNAVAIL;
}

enum ka_result
ka_process_read(pid_t pid, struct ka_process *p)
{
	enum ka_result r;

	if ((r = ka_process_stat(pid, p)) != KA_OK || (r = read_status(pid, p)) != KA_OK)
		return r;
	(void)read_number(pid, "loginuid", &p->login);
	(void)read_number(pid, "sessionid", &p->audit);
	return KA_OK;
}

enum ka_result
ka_process_audit(pid_t pid, uint32_t *audit)
{
	*audit = KA_PROCESS_UNSET;
	return read_number(pid, "sessionid", audit);
}

int
ka_process_open(pid_t pid, unsigned long long start)
{
	struct ka_process p;
	int fd = pidfd_open(pid, 0);
	enum ka_result r;

	if (fd < 0)
		return -1;
	/* The descriptor is of whoever has the pid now; that this is the one follows from its start, read after that.
	 */
	if ((r = ka_process_stat(pid, &p)) == KA_OK && p.start == start)
		return fd;
	(void)close(fd);
	if (r != KA_UNAVAIL)
		errno = ESRCH;
	return -1;
}

int
ka_process_signal(int fd, int signal)
{
	return pidfd_send_signal(fd, signal, NULL, 0);
}

/* One more at the end of the array, which has room for ${*room}. */
static struct ka_process *
add_process(struct ka_process **all, size_t n, size_t *room)
{
	struct ka_process *more;

	if (n == *room) {
		if ((more = realloc(*all, (*room + 256) * 2 * sizeof(*more))) == NULL)
			return NULL;
		*all = more;
		*room = (*room + 256) * 2;
	}
	return &(*all)[n];
}

/* What cannot be read is there all the same: to leave it out would be to say that it has ended. */
static size_t
read_known(pid_t pid, struct ka_process *p)
{
	switch (ka_process_read(pid, p)) {
	case KA_OK:
		return 1;
	case KA_NOTFOUND:
		return 0;
	default:
		(void)ka_process_parse("", p);
		p->pid = pid;
		p->unread = true;
		return 1;
	}
}

enum ka_result
ka_process_table(struct ka_process **table, size_t *n)
{
	struct ka_process *all = NULL, *p = NULL;
	size_t room = 0;
	struct dirent *d;
	int saved = 0;
	DIR *dir;

	*n = 0;
	if (check_proc() != KA_OK || (dir = opendir("/proc")) == NULL)
		return KA_UNAVAIL;
	while (errno = 0, (d = readdir(dir)) != NULL) {
		long pid = strtol(d->d_name, NULL, 10);

		if (pid <= 0 || pid > INT_MAX)
			continue;
		if ((p = add_process(&all, *n, &room)) == NULL)
			break;
		*n += read_known((pid_t)pid, p);
	}
	/* A list that was cut short would make all that is missing look dead. */
	saved = errno;
	(void)closedir(dir);
	*table = all;
	if (saved == 0)
		return KA_OK;
	free(all);
	*table = NULL;
	errno = saved;
	return KA_UNAVAIL;
}
