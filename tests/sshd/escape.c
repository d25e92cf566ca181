/*
 * What a member could try in order to stay when the session is ended, each by its name:
 *   escape first-thread     the first thread ends, and the process looks like a zombie; another thread goes on
 *   escape traced           a parent holds the first thread by tracing it, and another thread forks on and on
 *   escape waiting          the first thread waits in vfork, and another thread forks on and on
 *   escape forks            each forks the next, in a setsid session of its own, and ends
 *   escape namespace        in a user and a pid namespace of its own, behind two forks and setsid
 *   escape ignoring         ignores all signals, under a name that reads like a line of /proc
 *   escape trace PID        attach to that process: 0 when that is allowed
 * Each says "ready" once it is at it.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

static void
ready(void)
{
	(void)!write(STDOUT_FILENO, "ready\n", 6);
}

/* Ends by itself after a while, so that a test that fails leaves nothing. As long as there is one, the number in the
 * file "hops" grows: a system call would only slow it down. */
static void
hop(void)
{
	int fd = open("hops", O_RDWR | O_CREAT, 0600);
	volatile unsigned long *hops;

	if (fd < 0 || ftruncate(fd, sizeof(*hops)) != 0)
		_exit(1);
	hops = mmap(NULL, sizeof(*hops), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	for (int i = 0; i < 200000; i++) {
		pid_t pid = fork();

		(*hops)++;
		if (pid > 0)
			_exit(0);
		if (pid == 0)
			(void)setsid();
	}
	_exit(0);
}

static void *
spawn_hops(void *unused)
{
	ready();
	for (int i = 0; i < 20; i++)
		if (fork() == 0)
			hop();
	for (int i = 0; i < 200000; i++)
		if (fork() == 0)
			_exit(0);
	return unused;
}

static void *
stay(void *unused)
{
	ready();
	(void)sleep(60);
	_exit(0);
	return unused;
}

static void
start(void *(*run)(void *))
{
	pthread_t thread;

	(void)signal(SIGCHLD, SIG_IGN);
	if (pthread_create(&thread, NULL, run, NULL) != 0)
		exit(1);
}

static void
first_thread(void)
{
	start(stay);
	pthread_exit(NULL);
}

static void
traced(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		start(spawn_hops);
		(void)raise(SIGTRAP);
		for (;;)
			(void)pause();
	}
	/* It stays in its tracing stop: nobody lets it go on. */
	(void)sleep(60);
}

static void
waiting(void)
{
	start(spawn_hops);
	if (vfork() == 0) {
		(void)sleep(60);
		_exit(0);
	}
}

static void namespace(void)
{
	if (fork() != 0)
		_exit(0);
	(void)setsid();
	if (unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0)
		_exit(1);
	if (fork() == 0 && fork() == 0) {
		(void)setsid();
		ready();
	}
	(void)sleep(60);
}

static void
ignoring(void)
{
	sigset_t all;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, NULL);
	(void)prctl(PR_SET_NAME, "x) Z 1 1 1 (", 0, 0, 0);
	(void)setsid();
	ready();
	(void)sleep(60);
}

int
main(int argc, char **argv)
{
	const struct rlimit few = {200, 200};
	const struct {
		const char *name;
		void (*run)(void);
	} ways[] = {{"first-thread", first_thread}, {"traced", traced}, {"waiting", waiting}, {"forks", hop},
	    {"namespace", namespace}, {"ignoring", ignoring}};

	/* Enough to get away with, and not so many that the host suffers. */
	(void)setrlimit(RLIMIT_NPROC, &few);
	if (argc > 2 && strcmp(argv[1], "trace") == 0)
		return ptrace(PTRACE_ATTACH, (pid_t)atoi(argv[2]), NULL, NULL) == 0 ? 0 : 1;
	if (argc > 1 && strcmp(argv[1], "forks") == 0)
		ready();
	for (size_t i = 0; argc > 1 && i < sizeof(ways) / sizeof(ways[0]); i++)
		if (strcmp(argv[1], ways[i].name) == 0)
			ways[i].run();
	return 2;
}
