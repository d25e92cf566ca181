/*
 * pairs N LIMIT LABEL COMMAND_A... -- COMMAND_B...: run two commands in turn, A B A B …, N times each after a warm-up,
 * and print the medians of their wall-clock times and of the ratio A/B within each pair, which holds when the machine's
 * speed drifts, with its quartiles. LIMIT is the ratio to reach; exit status 1 above it. Each run is a whole process:
 * fork, exec, exit.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WARM_UP 5

extern char **environ;

static double
run(char **argv)
{
	posix_spawn_file_actions_t actions;
	struct timespec a, b;
	int status, rc;
	pid_t pid;

	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	(void)posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	(void)clock_gettime(CLOCK_MONOTONIC, &a);
	rc = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	if (rc != 0 || waitpid(pid, &status, 0) != pid || status != 0) {
		(void)fprintf(
		    stderr, "pairs: %s failed (%s %d)\n", argv[0], rc != 0 ? "spawn" : "status", rc != 0 ? rc : status);
		exit(2);
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &b);
	(void)posix_spawn_file_actions_destroy(&actions);
	return (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
median(double *times, size_t n)
{
	qsort(times, n, sizeof(*times), compare);
	return n % 2 == 1 ? times[n / 2] : (times[n / 2 - 1] + times[n / 2]) / 2;
}

int
main(int argc, char **argv)
{
	double *a, *b, *ratio, limit, reached;
	char **second = NULL;
	size_t n;

	for (int i = 4; i < argc; i++)
		if (strcmp(argv[i], "--") == 0 && i > 4 && i + 1 < argc) {
			argv[i] = NULL;
			second = argv + i + 1;
			break;
		}
	if (second == NULL || (n = (size_t)strtoul(argv[1], NULL, 10)) == 0) {
		(void)fprintf(stderr, "usage: pairs N LIMIT LABEL COMMAND... -- COMMAND...\n");
		return 2;
	}
	limit = strtod(argv[2], NULL);
	a = calloc(n, sizeof(*a));
	b = calloc(n, sizeof(*b));
	ratio = calloc(n, sizeof(*ratio));
	if (a == NULL || b == NULL || ratio == NULL)
		return 2;
	for (int i = 0; i < WARM_UP; i++) {
		(void)run(argv + 4);
		(void)run(second);
	}
	for (size_t i = 0; i < n; i++) {
		a[i] = run(argv + 4);
		b[i] = run(second);
		ratio[i] = a[i] / b[i];
	}
	reached = median(ratio, n);
	/* The median has sorted them. */
	(void)printf("%-44s %9.3f ms %9.3f ms %7.3f  (half of %zu pairs: %.3f to %.3f; at most %.2f: %s)\n", argv[3],
	    median(a, n), median(b, n), reached, n, ratio[n / 4], ratio[n - 1 - n / 4], limit,
	    reached <= limit ? "yes" : "NO");
	free(a);
	free(b);
	free(ratio);
	return reached <= limit ? 0 : 1;
}
