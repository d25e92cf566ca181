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
	int pid, parent, sid;

	memset(p, 0, sizeof(*p));
	for (size_t i = 0; i < 3; i++)
		p->uid[i] = KA_PROCESS_UNSET;
	p->login = p->audit = KA_PROCESS_UNSET;
	if (at == NULL || sscanf(line, "%d (", &pid) != 1 ||
	    sscanf(at, ") %c %d %*d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &p->state,
		&parent, &sid, &p->start) != 4)
		return KA_INVALID;
	p->pid = pid;
	p->parent = parent;
	p->sid = sid;
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
static void
read_number(pid_t pid, const char *name, uint32_t *number)
{
	char text[32];
	unsigned long n;
	char *end;

	if (read_file(pid, name, text, sizeof(text)) != KA_OK)
		return;
	n = strtoul(text, &end, 10);
	if (end != text && n <= UINT32_MAX)
		*number = (uint32_t)n;
}

static enum ka_result
read_uids(pid_t pid, uint32_t uid[static 3])
{
	char text[4096];
	const char *at;
	enum ka_result r;

	if ((r = read_file(pid, "status", text, sizeof(text))) != KA_OK)
		return r;
	/* The name comes before, with its line ends escaped. */
	if ((at = strstr(text, "\nUid:\t")) != NULL && sscanf(at, "\nUid:\t%u\t%u\t%u", &uid[0], &uid[1], &uid[2]) == 3)
		return KA_OK;
	errno = EIO;
	return KA_UNAVAIL;
}

enum ka_result
ka_process_read(pid_t pid, struct ka_process *p)
{
	enum ka_result r;

	if ((r = ka_process_stat(pid, p)) != KA_OK || (r = read_uids(pid, p->uid)) != KA_OK)
		return r;
	read_number(pid, "loginuid", &p->login);
	read_number(pid, "sessionid", &p->audit);
	return KA_OK;
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

enum ka_result
ka_process_table(struct ka_process **table, size_t *n)
{
	struct ka_process *all = NULL, *more;
	size_t room = 0;
	struct dirent *d;
	DIR *dir;

	*n = 0;
	if (check_proc() != KA_OK || (dir = opendir("/proc")) == NULL)
		return KA_UNAVAIL;
	while ((d = readdir(dir)) != NULL) {
		long pid = strtol(d->d_name, NULL, 10);

		if (pid <= 0 || pid > INT_MAX)
			continue;
		if (*n == room) {
			room = room == 0 ? 256 : room * 2;
			if ((more = realloc(all, room * sizeof(*all))) == NULL)
				break;
			all = more;
		}
		*n += ka_process_read((pid_t)pid, &all[*n]) == KA_OK;
	}
	(void)closedir(dir);
	*table = all;
	if (d == NULL)
		return KA_OK;
	free(all);
	errno = ENOMEM;
	return KA_UNAVAIL;
}
