/*
 * guest SCENARIO NAME UID HOME SHELL: a host program in one of the states that hosts get into, and what the module must
 * answer there and leave behind. NAME is a project of the installed database. Silent; status 0 when all was as it must
 * be.
 */
#include <fcntl.h>
#include <dirent.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <locale.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "tests/host/guest.h"

#define LOOKUPS    100000
#define THREADS    64
#define PER_THREAD 500

/* Everything about the process that a caller could miss: descriptors, threads, mappings, signals, locale, directory,
 * limits. */
struct process {
	char text[16384];
	size_t len;
};

__attribute__((format(printf, 2, 3))) static void
note(struct process *p, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(p->text + p->len, sizeof(p->text) - p->len, format, ap);
	va_end(ap);
	CHECK(n >= 0 && p->len + (size_t)n < sizeof(p->text));
	p->len += (size_t)n;
}

static void
note_descriptors(struct process *p)
{
	char path[64], target[256];

	for (int fd = 0; fd < 256; fd++) {
		ssize_t n;

		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if ((n = readlink(path, target, sizeof(target) - 1)) < 0)
			continue;
		target[n] = '\0';
		note(p, "fd %d %s flags %x %x\n", fd, target, (unsigned)fcntl(fd, F_GETFD),
		    (unsigned)fcntl(fd, F_GETFL));
	}
}

static size_t
count_entries(const char *path)
{
	DIR *dir = opendir(path);
	size_t n = 0;

	CHECK(dir != NULL);
	while (readdir(dir) != NULL)
		n++;
	(void)closedir(dir);
	return n;
}

static size_t
count_mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	size_t n = 0;
	int c;

	CHECK(maps != NULL);
	while ((c = getc(maps)) != EOF)
		n += c == '\n';
	(void)fclose(maps);
	return n;
}

static void
describe(struct process *p)
{
	struct itimerval timer;
	struct sigaction sa;
	struct rlimit limit;
	sigset_t mask;
	mode_t um = umask(0);
	char cwd[PATH_MAX];
	int state, type;

	(void)umask(um);
	p->len = 0;
	note_descriptors(p);
	note(p, "threads %zu mappings %zu umask %o cwd %s\n", count_entries("/proc/self/task"), count_mappings(), um,
	    getcwd(cwd, sizeof(cwd)));
	for (int sig = 1; sig < 65; sig++)
		if (sigaction(sig, NULL, &sa) == 0)
			note(p, "%d:%p:%x ", sig, (void *)(uintptr_t)sa.sa_handler, (unsigned)sa.sa_flags);
	CHECK(pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0);
	for (int sig = 1; sig < 65; sig++)
		note(p, "%d", sigismember(&mask, sig));
	CHECK(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state) == 0 && pthread_setcancelstate(state, NULL) == 0);
	CHECK(pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &type) == 0 && pthread_setcanceltype(type, NULL) == 0);
	note(p, "\ncancel %d %d locale %s %p\n", state, type, setlocale(LC_ALL, NULL), (void *)uselocale((locale_t)0));
	/* The real timer is main()'s alarm. */
	CHECK(getitimer(ITIMER_VIRTUAL, &timer) == 0 && timer.it_value.tv_sec == 0 && timer.it_value.tv_usec == 0);
	CHECK(getitimer(ITIMER_PROF, &timer) == 0 && timer.it_value.tv_sec == 0 && timer.it_value.tv_usec == 0);
	for (int i = 0; i < 16; i++)
		if (getrlimit((__rlimit_resource_t)i, &limit) == 0)
			note(p, "%lu %lu ", (unsigned long)limit.rlim_cur, (unsigned long)limit.rlim_max);
	for (char **e = environ; *e != NULL; e++)
		note(p, "%s\n", *e);
}

static void
check_same(const struct process *a, const struct process *b)
{
	if (a->len == b->len && memcmp(a->text, b->text, a->len) == 0)
		return;
	dprintf(2, "before:\n%.*s\nafter:\n%.*s\n", (int)a->len, a->text, (int)b->len, b->text);
	_exit(1);
}

static void
ask_in_turn(unsigned i)
{
	struct answer a;
	enum way way = (enum way)(i % WAYS);

	if (i / WAYS % 3 == 0) {
		ask(way, known.name, known.uid, &a);
		CHECK(is_right(way, &a));
	} else if (i / WAYS % 3 == 1) {
		ask(way, absent_name, ABSENT_UID, &a);
		CHECK(a.rc == 0 && !a.found);
	} else {
		ask(way, other_names[0], other_uids[0], &a);
		CHECK(a.rc == 0 && !a.found);
	}
}

static void
leaves_nothing(void)
{
	static struct process before, after;
	size_t used;

	CHECK(setlocale(LC_ALL, "C.UTF-8") != NULL);
	CHECK(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL) == 0);
	for (unsigned i = 0; i < 1000; i++)
		ask_in_turn(i);
	describe(&before);
	describe(&after);
	describe(&before);
	used = mallinfo2().uordblks + mallinfo2().hblkhd;
	for (unsigned i = 0; i < LOOKUPS; i++)
		ask_in_turn(i);
	CHECK(mallinfo2().uordblks + mallinfo2().hblkhd == used);
	describe(&after);
	check_same(&before, &after);
}

/* A caller may look at errno after "not found" as getpwnam(3) has it: 0 or one of the four, whatever the module did
 * inside. */
static void
errno_surprises_nobody(void)
{
	struct answer a;

	for (enum way way = PWNAM; way < WAYS; way++) {
		errno = 0;
		ask(way, absent_name, ABSENT_UID, &a);
		CHECK(a.rc == 0 && !a.found && (errno == 0 || errno == ENOENT || errno == ESRCH));
		errno = 0;
		ask(way, known.name, known.uid, &a);
		CHECK(is_right(way, &a) && (errno == 0 || errno == ENOENT));
	}
	errno = 0;
	CHECK(getpwnam(absent_name) == NULL && (errno == 0 || errno == ENOENT || errno == ESRCH));
	errno = 0;
	CHECK(getpwnam(known.name) != NULL);
}

/* glibc answers ERANGE with a larger buffer, from one byte on; it must come to an end, and at the right answer. */
static void
any_buffer(void)
{
	struct passwd pw, *found;
	char *buf;
	size_t len;
	int rc = ERANGE;

	for (len = 0; rc == ERANGE; len++) {
		CHECK(len < 4096 && (buf = malloc(len + 1)) != NULL);
		rc = getpwnam_r(known.name, &pw, buf, len, &found);
		CHECK(rc == ERANGE || (rc == 0 && found != NULL && strcmp(pw.pw_shell, known.shell) == 0));
		free(buf);
	}
	CHECK(len > strlen(known.name) + strlen(known.home) + strlen(known.shell));
}

/* Forks, also while other threads are in the middle of a lookup. */

static volatile sig_atomic_t stop;

static void *
ask_until_stopped(void *arg)
{
	for (unsigned i = 0; !stop; i++)
		ask_in_turn(i);
	return arg;
}

static void
check_child(void)
{
	int status;
	pid_t child = fork();

	CHECK(child >= 0);
	if (child == 0) {
		(void)alarm(20);
		check_answers();
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void
after_fork(void)
{
	pthread_t thread[4];

	check_child();
	check_answers();
	check_child();
	for (int i = 0; i < 4; i++)
		CHECK(pthread_create(&thread[i], NULL, ask_until_stopped, NULL) == 0);
	for (int i = 0; i < 100; i++)
		check_child();
	stop = 1;
	for (int i = 0; i < 4; i++)
		CHECK(pthread_join(thread[i], NULL) == 0);
}

/* sshd and sudo close everything from 3 on; a daemon closes all, and opens its own files where a library had its. */
static void
after_closefrom(void)
{
	struct stat before[32], after;
	char path[] = "/tmp/guest.XXXXXX", byte;
	int file;

	check_answers();
	closefrom(3);
	check_answers();
	CHECK(open("/dev/null", O_RDONLY) == 3);
	check_answers();
	CHECK((file = mkstemp(path)) == 4 && unlink(path) == 0 && write(file, "host", 4) == 4);
	closefrom(5);
	for (int fd = 0; fd < 32; fd++) {
		if (fd != file)
			CHECK(dup2(file, fd) == fd);
		CHECK(fstat(fd, &before[fd]) == 0);
	}
	CHECK(lseek(file, 2, SEEK_SET) == 2);
	for (int i = 0; i < 100; i++)
		check_answers();
	for (int fd = 0; fd < 32; fd++)
		CHECK(fstat(fd, &after) == 0 && after.st_ino == before[fd].st_ino && after.st_size == 4 &&
		      lseek(fd, 0, SEEK_CUR) == 2 && fcntl(fd, F_GETFD) == 0);
	CHECK(read(file, &byte, 1) == 1 && byte == 's');
	/* None at all: the lookup's own descriptor is then 0. */
	closefrom(0);
	for (int i = 0; i < 100; i++)
		check_answers();
	CHECK(fcntl(0, F_GETFD) < 0 && fcntl(1, F_GETFD) < 0 && fcntl(2, F_GETFD) < 0);
}

static void
in_empty_root(void)
{
	char dir[] = "/tmp/guest.XXXXXX";

	check_answers();
	CHECK(mkdtemp(dir) != NULL && chroot(dir) == 0 && chdir("/") == 0);
	check_unavailable();
	check_unavailable();
}

static void
without_database(void)
{
	check_unavailable();
	check_root();
}

/* Limits */

static void
set_limit(__rlimit_resource_t what, rlim_t soft)
{
	struct rlimit limit;

	CHECK(getrlimit(what, &limit) == 0);
	limit.rlim_cur = soft;
	CHECK(setrlimit(what, &limit) == 0);
}

/* Right, or an error: never "no such user" about one that is there. Returns the number of errors. */
static unsigned
check_right_or_error(void)
{
	unsigned errors = 0;
	struct answer a;

	for (enum way way = PWNAM; way < WAYS; way++) {
		ask(way, known.name, known.uid, &a);
		CHECK(is_right(way, &a) ||
		      (a.rc != 0 && a.rc != ENOENT && a.rc != ESRCH && a.rc != EBADF && a.rc != EPERM && !a.found));
		errors += a.rc != 0;
		ask(way, absent_name, ABSENT_UID, &a);
		CHECK(!a.found);
		errors += a.rc != 0;
	}
	return errors;
}

static size_t
address_space(void)
{
	unsigned long pages = 0;
	FILE *statm = fopen("/proc/self/statm", "re");

	CHECK(statm != NULL && fscanf(statm, "%lu", &pages) == 1);
	(void)fclose(statm);
	return pages * 4096;
}

static void
without_memory(void)
{
	void **chain = NULL, **p;
	unsigned errors = 0;

	check_answers();
	set_limit(RLIMIT_AS, address_space());
	/* All that the allocator still has, in ever smaller pieces. */
	for (size_t size = 65536; size >= 16; size /= 2)
		while ((p = malloc(size)) != NULL) {
			*p = chain;
			chain = p;
		}
	for (unsigned i = 0; i < 100; i++)
		errors += check_right_or_error();
	CHECK(errors > 0);
	/* A page's room, freed, is enough for one lookup again. */
	while ((p = chain) != NULL) {
		chain = *p;
		free(p);
	}
	check_answers();
}

static void
without_descriptors(void)
{
	check_answers();
	set_limit(RLIMIT_NOFILE, 0);
	check_unavailable();
	set_limit(RLIMIT_NOFILE, 64);
	for (int fd; (fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;)
		;
	CHECK(errno == EMFILE);
	check_unavailable();
	(void)close(63);
	check_answers();
}

static void
without_file_size(void)
{
	set_limit(RLIMIT_FSIZE, 0);
	for (int i = 0; i < 100; i++)
		check_answers();
}

static void
under_other_limits(void)
{
	set_limit(RLIMIT_CORE, 0);
	set_limit(RLIMIT_NPROC, 0);
	set_limit(RLIMIT_MEMLOCK, 0);
	set_limit(RLIMIT_STACK, 65536);
	check_answers();
}

/* A seccomp filter: ${calls} get ${action}; with ${others}, so does everything that is not among them. */
static void
filter(const int *calls, size_t n, unsigned action, unsigned others)
{
	struct sock_filter code[64] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	};
	struct sock_fprog program = {.filter = code};
	unsigned short at = 1;

	for (size_t i = 0; i < n; i++) {
		code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[i], 0, 1);
		code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action);
	}
	code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, others);
	program.len = at;
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

#define REFUSE(err) (SECCOMP_RET_ERRNO | ((unsigned)(err)&SECCOMP_RET_DATA))

static void
refused_open(void)
{
	static const int calls[] = {SYS_open, SYS_openat, SYS_openat2};

	check_answers();
	filter(calls, 3, REFUSE(EACCES), SECCOMP_RET_ALLOW);
	check_unavailable();
}

static void
refused_pread(void)
{
	static const int calls[] = {SYS_pread64};

	check_answers();
	filter(calls, 1, REFUSE(EACCES), SECCOMP_RET_ALLOW);
	check_unavailable();
	check_root();
}

static void
refused_fstat(void)
{
	static const int calls[] = {SYS_fstat, SYS_newfstatat};

	check_answers();
	filter(calls, 2, REFUSE(EPERM), SECCOMP_RET_ALLOW);
	check_unavailable();
}

/* What "files" and the module need together, and the end of the process for all else: above all no lock, map, socket or
 * fork. */
static void
only_reading_allowed(void)
{
	static const int calls[] = {SYS_openat, SYS_newfstatat, SYS_fstat, SYS_pread64, SYS_close, SYS_read, SYS_lseek,
	    SYS_brk, SYS_exit_group};

	check_answers();
	filter(calls, sizeof(calls) / sizeof(calls[0]), SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS);
	/* Not a hundred: then glibc looks for nscd's socket again. */
	for (unsigned i = 0; i < 24; i++)
		ask_in_turn(i);
}

/* Threads and signals */

static pthread_barrier_t barrier;

static void *
ask_many(void *arg)
{
	unsigned from = *(const unsigned *)arg;

	(void)pthread_barrier_wait(&barrier);
	for (unsigned i = from; i < from + PER_THREAD; i++)
		ask_in_turn(i);
	return NULL;
}

static void
run_threads(size_t stack)
{
	pthread_t thread[THREADS];
	unsigned from[THREADS];
	pthread_attr_t attr;

	CHECK(pthread_barrier_init(&barrier, NULL, THREADS) == 0 && pthread_attr_init(&attr) == 0);
	CHECK(stack == 0 || pthread_attr_setstacksize(&attr, stack) == 0);
	for (unsigned i = 0; i < THREADS; i++) {
		from[i] = i;
		CHECK(pthread_create(&thread[i], &attr, ask_many, &from[i]) == 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		CHECK(pthread_join(thread[i], NULL) == 0);
	(void)pthread_attr_destroy(&attr);
	(void)pthread_barrier_destroy(&barrier);
}

/* The module is loaded by whichever of the 64 comes first. */
static void
in_threads(void)
{
	size_t descriptors = count_entries("/proc/self/fd");

	run_threads(0);
	CHECK(count_entries("/proc/self/fd") == descriptors);
}

/* The least that pthread allows, doubled because glibc's own part takes most of it. */
static void
on_small_stacks(void)
{
	check_answers();
	run_threads((size_t)PTHREAD_STACK_MIN * 2);
}

static volatile sig_atomic_t ticks;

static void
tick(int sig)
{
	(void)sig;
	ticks++;
}

static void
under_signals(void)
{
	const struct itimerval often = {{0, 50}, {0, 50}}, never = {{0, 0}, {0, 0}};
	struct sigaction sa = {.sa_handler = tick};

	CHECK(sigaction(SIGALRM, &sa, NULL) == 0 && setitimer(ITIMER_REAL, &often, NULL) == 0);
	for (unsigned i = 0; i < 20000; i++)
		ask_in_turn(i);
	CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0 && ticks > 100);
}

/* A host that lost every right: names.mdb is for everyone. */
static void
without_rights(void)
{
	CHECK(setgroups(0, NULL) == 0 && setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
	check_answers();
}

/* For comparisons: every answer as text. Also what initgroups gives, and that a listing shows no project. */
static void
print(void)
{
	gid_t groups[8];
	int n = 8;
	struct answer a;
	struct passwd *pw;

	for (enum way way = PWNAM; way < WAYS; way++) {
		ask(way, known.name, known.uid, &a);
		if (way == PWNAM || way == PWUID)
			printf("%d %s:%s:%u:%u:%s:%s:%s\n", a.rc, a.pw.pw_name, a.pw.pw_passwd, a.pw.pw_uid,
			    a.pw.pw_gid, a.pw.pw_gecos, a.pw.pw_dir, a.pw.pw_shell);
		else
			printf("%d %s:%s:%u\n", a.rc, a.gr.gr_name, a.gr.gr_passwd, a.gr.gr_gid);
		ask(way, absent_name, ABSENT_UID, &a);
		printf("%d %d\n", a.rc, a.found);
	}
	CHECK(getgrouplist(known.name, known.uid, groups, &n) == 1 && groups[0] == known.uid);
	while ((pw = getpwent()) != NULL)
		CHECK(strcmp(pw->pw_name, known.name) != 0);
	printf("uid %u euid %u\n", getuid(), geteuid());
}

static const struct {
	const char *name;
	void (*run)(void);
} scenarios[] = {
    {"leaves-nothing", leaves_nothing},
    {"errno", errno_surprises_nobody},
    {"any-buffer", any_buffer},
    {"after-fork", after_fork},
    {"after-closefrom", after_closefrom},
    {"in-empty-root", in_empty_root},
    {"without-database", without_database},
    {"without-memory", without_memory},
    {"without-descriptors", without_descriptors},
    {"without-file-size", without_file_size},
    {"other-limits", under_other_limits},
    {"refused-open", refused_open},
    {"refused-pread", refused_pread},
    {"refused-fstat", refused_fstat},
    {"only-reading", only_reading_allowed},
    {"in-threads", in_threads},
    {"on-small-stacks", on_small_stacks},
    {"under-signals", under_signals},
    {"without-rights", without_rights},
    {"answers", check_answers},
    {"print", print},
};

int
main(int argc, char **argv)
{
	if (argc != 6)
		return 2;
	know(argv + 2);
	(void)alarm(60);
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
		if (strcmp(argv[1], scenarios[i].name) == 0) {
			scenarios[i].run();
			return 0;
		}
	return 2;
}
