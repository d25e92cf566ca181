#include "pam_keyacct/drain.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* Between fork and exec: only what POSIX allows in a signal handler. */
static void
become_tool(char *const argv[])
{
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	char *const env[] = {path, NULL};
	sigset_t none;

	(void)setsid();
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	if (chdir("/") != 0)
		_exit(127);
	/* sshd's sockets would stay open with us, and the client would wait for their end. */
	(void)close_range(0, ~0U, 0);
	if (open("/dev/null", O_RDWR) == 0 && dup(0) == 1 && dup(0) == 2)
		(void)execve(argv[0], argv, env);
	_exit(127);
}

void
drain_start(const char *tool, const char *dir)
{
	static char option[] = "--dir", command[] = "drain";
	/* execve takes no const, and changes nothing. */
	union {
		const char *in;
		char *out;
	} program = {.in = tool}, directory = {.in = dir};
	char *const argv[] = {program.out, option, directory.out, command, NULL};
	pid_t child = fork();

	if (child == 0) {
		/* The second fork makes it init's child: sshd never meets a child that it does not know. */
		if (fork() == 0)
			become_tool(argv);
		_exit(0);
	}
	if (child > 0)
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			;
}
