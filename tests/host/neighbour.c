/*
 * What an unprivileged user of the same host can do. Started as such a user; nothing here needs a right.
 *
 *   neighbour hold DIR    open names.mdb until no more fits, lock it in every way there is, map it, watch the
 * directories, read it in a loop and throw it out of the cache. Prints "ready" and goes on until its end. neighbour
 * fill PATH…  fill these directories until nothing more fits, and take processes. Prints "ready" and waits. neighbour
 * try DIR RUN try to open for writing, make, replace, link, remove, change or lock what is in these directories. Prints
 * what succeeded, which must be nothing. neighbour race DIR    the same for the moment in which a database is made:
 * open whatever appears in DIR except names.mdb, which is for everyone also under its name while it is being made.
 * Prints "ready", then what succeeded, until its end.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOLDERS      6
#define OPEN_MAX_ALL 1000 /* descriptors of one process */
#define PROCESSES    200

static unsigned allowed;

static void
report(bool succeeded, const char *what, const char *path)
{
	if (!succeeded)
		return;
	printf("%s %s\n", what, path);
	(void)fflush(stdout);
	allowed++;
}

static void
join(char out[static PATH_MAX], const char *dir, const char *name)
{
	if (snprintf(out, PATH_MAX, "%s/%s", dir, name) >= PATH_MAX)
		exit(2);
}

/* Dies with the one that started it. */
static pid_t
start(void)
{
	pid_t parent = getpid(), child = fork();

	if (child == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(0);
	}
	return child;
}

__attribute__((noreturn)) static void
wait_for_the_end(void)
{
	for (;;)
		(void)pause();
}

/* hold */

static void
watch(const char *path)
{
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (fd >= 0)
		(void)inotify_add_watch(fd, path, IN_ALL_EVENTS);
	/* dnotify too: another way to be told, with signals that are left pending. */
	if ((fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0)
		(void)fcntl(fd, F_NOTIFY, DN_ACCESS | DN_MODIFY | DN_CREATE | DN_RENAME | DN_ATTRIB | DN_MULTISHOT);
}

static unsigned
take_descriptors(const char *path, unsigned number)
{
	struct flock whole = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	unsigned n = 0;
	int fd;

	for (; n < OPEN_MAX_ALL && (fd = open(path, O_RDONLY | O_CLOEXEC)) >= 0; n++) {
		(void)flock(fd, ((n + number) % 7 == 0 ? LOCK_EX : LOCK_SH) | LOCK_NB);
		(void)fcntl(fd, F_SETLK, &whole);
		(void)fcntl(fd, F_OFD_SETLK, &whole);
		(void)fcntl(fd, F_SETLEASE, F_RDLCK);
		(void)fcntl(fd, F_SETOWN, getpid());
	}
	return n;
}

static void
read_for_ever(const char *path)
{
	char buf[4096];

	for (;;) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		while (fd >= 0 && read(fd, buf, sizeof(buf)) > 0)
			;
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		(void)close(fd);
	}
}

static int
hold(const char *dir)
{
	struct rlimit limit;
	char path[PATH_MAX], count[16];
	unsigned total = 0;
	int told[2];

	join(path, dir, "names.mdb");
	if (pipe2(told, O_CLOEXEC) != 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 2;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	for (unsigned i = 0; i < HOLDERS; i++) {
		int fd;

		if (start() != 0)
			continue;
		(void)signal(SIGIO, SIG_IGN);
		watch(dir);
		watch("/run");
		watch("/etc");
		watch(path);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		(void)mmap(NULL, 65536, PROT_READ, MAP_SHARED, fd, 0);
		(void)snprintf(count, sizeof(count), "%15u", take_descriptors(path, i));
		if (write(told[1], count, sizeof(count)) != sizeof(count))
			_exit(1);
		wait_for_the_end();
	}
	if (start() == 0)
		read_for_ever(path);
	for (unsigned i = 0; i < HOLDERS; i++)
		if (read(told[0], count, sizeof(count)) == sizeof(count))
			total += (unsigned)strtoul(count, NULL, 10);
	printf("ready %u\n", total);
	(void)fflush(stdout);
	wait_for_the_end();
}

/* fill */

static int
fill(char **dirs)
{
	static char block[65536];
	char path[PATH_MAX];

	for (; *dirs != NULL; dirs++) {
		/* Its space, and then its names. */
		for (unsigned i = 0; i < 100000; i++) {
			char name[64];
			int fd;

			(void)snprintf(name, sizeof(name), "filler-%d-%u", (int)getpid(), i);
			join(path, *dirs, name);
			if ((fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)) < 0)
				break;
			while (i == 0 && write(fd, block, sizeof(block)) > 0)
				;
			(void)close(fd);
		}
	}
	for (unsigned i = 0; i < PROCESSES; i++)
		if (start() == 0)
			wait_for_the_end();
	(void)puts("ready");
	(void)fflush(stdout);
	wait_for_the_end();
}

/* try */

static void
try_file(const char *path, const char *mine)
{
	struct flock write_lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd;

	report((fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK)) >= 0, "opened for writing", path);
	report(open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK) >= 0, "opened for appending", path);
	report(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666) >= 0, "made", path);
	report(truncate(path, 0) == 0, "truncated", path);
	report(chmod(path, 0666) == 0, "changed the mode of", path);
	report(chown(path, getuid(), getgid()) == 0, "took", path);
	report(utimensat(AT_FDCWD, path, NULL, 0) == 0, "changed the times of", path);
	report(rename(mine, path) == 0, "renamed onto", path);
	report(rename(path, mine) == 0, "renamed away", path);
	report(link(mine, path) == 0, "linked to", path);
	report(symlink(mine, path) == 0, "linked symbolically to", path);
	report(mkdir(path, 0777) == 0, "made a directory at", path);
	report(mkfifo(path, 0666) == 0, "made a fifo at", path);
	report(unlink(path) == 0, "removed", path);
	report(rmdir(path) == 0, "removed the directory", path);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) < 0)
		return;
	report(fcntl(fd, F_SETLK, &write_lock) == 0, "locked for writing", path);
	report(fcntl(fd, F_SETLEASE, F_RDLCK) == 0, "took a lease on", path);
	report(ftruncate(fd, 0) == 0, "truncated by descriptor", path);
	report(fchmod(fd, 0666) == 0, "changed the mode by descriptor of", path);
	report(write(fd, "", 1) == 1, "wrote to", path);
	report(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED, "mapped for writing", path);
	(void)close(fd);
}

static int
try(const char *db, const char *run)
{
	static const char *const in_db[] = {"names.mdb", "names.mdb-lock", "new", ".names.mdb.new", "names.mdb.new",
	    "private", "private/access.mdb", "private/access.mdb-lock", "private/usage.mdb", "private/usage.mdb-lock",
	    "private/lock", "private/usage.lock", "private/usage.spool", "private/usage.spool.1", "private/new"};
	static const char *const in_run[] = {"sessions", "sessions/1-00000000", "sessions/.1-00000000", "new"};
	static const char *const hidden[] = {"private/access.mdb", "private/usage.mdb", "private/lock",
	    "private/usage.lock", "private/usage.spool", "private/access.mdb-lock", "names.mdb-lock"};
	char path[PATH_MAX], mine[] = "/tmp/neighbour.XXXXXX";
	DIR *d;

	if (mkstemp(mine) < 0)
		return 2;
	for (size_t i = 0; i < sizeof(in_db) / sizeof(in_db[0]); i++) {
		join(path, db, in_db[i]);
		try_file(path, mine);
	}
	for (size_t i = 0; i < sizeof(in_run) / sizeof(in_run[0]); i++) {
		join(path, run, in_run[i]);
		try_file(path, mine);
	}
	try_file(db, mine);
	try_file(run, mine);
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
		join(path, db, hidden[i]);
		report(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) >= 0, "read", path);
	}
	join(path, db, "private");
	report((d = opendir(path)) != NULL, "listed", path);
	report((d = opendir(run)) != NULL, "listed", run);
	report(chdir(run) == 0, "entered", run);
	(void)d;
	(void)unlink(mine);
	return allowed != 0;
}

/* race */

__attribute__((noreturn)) static void
race(const char *dir)
{
	static const char *const names[] = {"names.mdb-lock", "names.mdb.new-lock", "private/access.mdb",
	    "private/access.mdb-lock", "private/access.mdb.new", "private/access.mdb.new-lock", "private/usage.mdb",
	    "private/usage.mdb-lock", "private/usage.mdb.new", "private/usage.mdb.new-lock", "private/lock",
	    "private/usage.lock"};
	char path[PATH_MAX];

	(void)puts("ready");
	(void)fflush(stdout);
	for (;;) {
		struct dirent *e;
		DIR *d = opendir(dir);

		/* By name, and whatever else there is. */
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			join(path, dir, names[i]);
			report(open(path, O_RDONLY | O_CLOEXEC) >= 0, "read", path);
		}
		while (d != NULL && (e = readdir(d)) != NULL) {
			join(path, dir, e->d_name);
			if (e->d_name[0] != '.' && strcmp(e->d_name, "names.mdb") != 0 &&
			    strcmp(e->d_name, "names.mdb.new") != 0)
				report(open(path, O_RDONLY | O_CLOEXEC) >= 0, "read", path);
			report(open(path, O_WRONLY | O_CLOEXEC) >= 0, "opened for writing", path);
		}
		if (d != NULL)
			(void)closedir(d);
	}
}

int
main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "hold") == 0)
		return hold(argv[2]);
	if (argc > 2 && strcmp(argv[1], "fill") == 0)
		return fill(argv + 2);
	if (argc == 4 && strcmp(argv[1], "try") == 0)
		return try(argv[2], argv[3]);
	if (argc == 3 && strcmp(argv[1], "race") == 0)
		race(argv[2]);
	return 2;
}
