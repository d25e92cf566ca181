#include "keyacct/run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Never what the caller's environment says: this runs as root. */
#define PATH "PATH=/usr/sbin:/usr/bin:/sbin:/bin"

static void
run_child(const char *const argv[], int in, int out)
{
	static char path[] = PATH, locale[] = "LC_ALL=C.UTF-8";
	char *environment[] = {path, locale, NULL};
	union {
		const char *const *in;
		char *const *out;
	} words = {.in = argv}; /* exec changes nothing of it */

	if (in < 0)
		in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (dup2(in, STDIN_FILENO) < 0 || (out >= 0 && (dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0)))
		_exit(127);
	(void)putenv(path); /* where execvpe looks */
	(void)execvpe(argv[0], words.out, environment);
	_exit(127);
}

/* The input goes through a file, so that neither side ever waits for the other. */
static int
open_input(const char *input)
{
	FILE *f = input != NULL ? tmpfile() : NULL;
	int fd = -1;

	if (f == NULL)
		return -1;
	if (fputs(input, f) >= 0 && fflush(f) == 0 && lseek(fileno(f), 0, SEEK_SET) == 0)
		fd = fcntl(fileno(f), F_DUPFD_CLOEXEC, 3);
	(void)fclose(f);
	return fd;
}

static char *
read_all(int fd)
{
	char buf[4096], *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	ssize_t n;

	while (out != NULL && ((n = read(fd, buf, sizeof(buf))) > 0 || (n < 0 && errno == EINTR)))
		if (n > 0)
			(void)fwrite(buf, 1, (size_t)n, out);
	if (out != NULL)
		(void)fclose(out);
	return text;
}

static int
wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) && WEXITSTATUS(status) != 127 ? WEXITSTATUS(status) : -1;
}

int
run_program(const char *const argv[], const char *input, char **output)
{
	int pipes[2] = {-1, -1}, in = open_input(input), status = -1;
	pid_t pid;

	if (output != NULL)
		*output = NULL;
	if ((input != NULL && in < 0) || (output != NULL && pipe2(pipes, O_CLOEXEC) != 0))
		goto out;
	(void)fflush(NULL);
	if ((pid = fork()) == 0)
		run_child(argv, in, pipes[1]);
	if (pipes[1] >= 0)
		(void)close(pipes[1]);
	if (pid > 0) {
		if (output != NULL)
			*output = read_all(pipes[0]);
		status = wait_for(pid);
	}
	if (pipes[0] >= 0)
		(void)close(pipes[0]);
out:
	if (in >= 0)
		(void)close(in);
	if (status < 0 && output != NULL) {
		free(*output);
		*output = NULL;
	}
	return status;
}
