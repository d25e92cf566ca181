/*
 * The lock-free reader beside writers that commit as fast as they can: is every set of answers of one call true at one
 * moment of that call?
 *
 * usage: stress --seconds N [--gated | --random] [--until-caught] [--memory DIR] [--disk DIR] [--seed N]
 *
 * Each mode below has its share of the time. This process stops and continues the readers and the writers, and kills
 * the writers. A line for each mode and one for all of them; progress goes to a terminal only. --until-caught goes
 * through the modes in short turns and ends with the first wrong answer, for readers that are broken on purpose. Exit
 * status: 0; 1 when any answer was wrong, anything failed or a process crashed; 2 usage.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/stress/reader.h"
#include "tests/stress/shared.h"
#include "tests/stress/writer.h"

/* One row of one page; then more tables, pages and rows in a transaction. */
static const struct history single = {.slots = 64, .filler = 24, .removed = 8};
static const struct history small = {
    .slots = 64, .whole_every = 1, .filler = 200, .removed = 8, .queue = 4, .now = true};
static const struct history mixed = {
    .slots = 256, .whole_every = 256, .filler = 160, .removed = 8, .queue = 20, .now = true};
static const struct history large = {
    .slots = 512, .whole_every = 1, .filler = 700, .removed = 16, .queue = 20, .now = true};
static const struct history huge = {
    .slots = 4096, .whole_every = 64, .filler = 700, .removed = 16, .queue = 20, .now = true};

static const struct mode modes[] = {
    {.name = "led, single rows", .gated = true, .writers = 1, .share = 4, .history = &single},
    {.name = "led, whole table", .gated = true, .writers = 1, .share = 4, .history = &small},
    {.name = "single rows", .writers = 1, .share = 30, .history = &single},
    {.name = "single rows", .on_disk = true, .faults = true, .writers = 2, .share = 20, .history = &single},
    {.name = "mixed", .faults = true, .writers = 2, .share = 20, .history = &mixed},
    {.name = "large", .faults = true, .writers = 1, .share = 7, .history = &large},
    {.name = "small and huge", .on_disk = true, .faults = true, .writers = 2, .share = 7, .history = &huge},
    {.name = "synchronous", .on_disk = true, .sync = true, .faults = true, .writers = 2, .share = 8, .history = &mixed},
};

#define MODES         (sizeof(modes) / sizeof(modes[0]))
#define TURN_S        0.5 /* with --until-caught */
#define END_S         20  /* a process that has not ended then hangs */
#define WRITERS_MAX   2
#define READER_GROUPS 3

/* Readers are processes; the last one has three threads. */
static const unsigned reader_threads[READER_GROUPS] = {1, 1, 3};

struct process {
	pid_t pid;
	bool writer;
	double stopped_until; /* 0: it runs */
};

struct totals {
	double seconds;
	uint64_t calls, lookups, walks, busy, wrong, errors, torn, commits, aborts, failures, kills, stops, crashes;
};

/* One mode, while it runs. */
struct run {
	const struct mode *mode;
	struct shared *shared;
	char dir[400], path[440];
	struct process processes[WRITERS_MAX + READER_GROUPS];
	size_t n;
	uint64_t *seed;
	struct totals totals;
};

struct options {
	double seconds;
	bool gated, random, until_caught;
	const char *memory, *disk;
	uint64_t seed;
};

struct thread {
	struct run *run;
	unsigned number;
	uint64_t seed;
};

void
shared_say(struct shared *shared, const char *format, ...)
{
	unsigned i = atomic_fetch_add(&shared->messages, 1);
	va_list ap;

	if (i >= MESSAGES_MAX)
		return;
	va_start(ap, format);
	(void)vsnprintf(shared->message[i], sizeof(shared->message[i]), format, ap);
	va_end(ap);
}

static volatile sig_atomic_t interrupted;

static void
interrupt(int sig)
{
	interrupted = sig;
}

static double
seconds_now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void
nap(double seconds)
{
	struct timespec ts = {0, (long)(seconds * 1e9)};

	(void)nanosleep(&ts, NULL);
}

static void
die(const char *what)
{
	(void)fprintf(stderr, "stress: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void *
thread_main(void *arg)
{
	struct thread *t = arg;

	reader_run(t->run->shared, t->run->mode, t->run->path, t->number, t->seed);
	return NULL;
}

static int
reader_group(struct run *run, unsigned group, uint64_t seed)
{
	struct thread threads[READERS_MAX];
	pthread_t ids[READERS_MAX];
	unsigned first = 0;

	for (unsigned g = 0; g < group; g++)
		first += reader_threads[g];
	for (unsigned i = 0; i < reader_threads[group]; i++) {
		threads[i] = (struct thread){run, first + i, seed + i};
		if (pthread_create(&ids[i], NULL, thread_main, &threads[i]) != 0)
			return 1;
	}
	for (unsigned i = 0; i < reader_threads[group]; i++)
		if (pthread_join(ids[i], NULL) != 0)
			return 1;
	return 0;
}

enum job { JOB_CREATE, JOB_WRITE, JOB_READ };

static pid_t
start(struct run *run, enum job job, unsigned group)
{
	uint64_t seed = 1 + shared_random(run->seed, UINT32_MAX);
	pid_t pid = fork();
	int status = 1;

	if (pid < 0)
		die("fork");
	if (pid > 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	switch (job) {
	case JOB_CREATE:
		status = writer_create(run->shared, run->mode, run->path);
		break;
	case JOB_WRITE:
		status = writer_run(run->shared, run->mode, run->path, seed);
		break;
	case JOB_READ:
		status = reader_group(run, group, seed);
		break;
	}
	_exit(status);
}

static void
run_begin(struct run *run, const struct mode *mode, const struct options *o, uint64_t *seed)
{
	int status;

	*run = (struct run){.mode = mode, .seed = seed};
	run->shared = mmap(NULL, sizeof(*run->shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (run->shared == MAP_FAILED)
		die("mmap");
	(void)snprintf(run->dir, sizeof(run->dir), "%s/keyacct-stress.XXXXXX", mode->on_disk ? o->disk : o->memory);
	if (mkdtemp(run->dir) == NULL)
		die(run->dir);
	(void)snprintf(run->path, sizeof(run->path), "%s/db.mdb", run->dir);
	if (waitpid(start(run, JOB_CREATE, 0), &status, 0) < 0 || status != 0)
		shared_say(run->shared, "the file could not be made");
	for (unsigned i = 0; i < mode->writers; i++)
		run->processes[run->n++] = (struct process){.pid = start(run, JOB_WRITE, 0), .writer = true};
	for (unsigned i = 0; i < READER_GROUPS; i++)
		run->processes[run->n++] = (struct process){.pid = start(run, JOB_READ, i)};
}

/* One of the processes has ended before its time. */
static void
ended(struct run *run, struct process *p, int status)
{
	if (p->writer && run->mode->faults && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
		run->totals.kills++;
		p->pid = start(run, JOB_WRITE, 0);
		p->stopped_until = 0;
		return;
	}
	run->totals.crashes++;
	shared_say(run->shared, "a %s ended with status %#x", p->writer ? "writer" : "reader", (unsigned)status);
	p->pid = 0;
}

/* The leading reader and the writer that it leads are left alone: a mode of its own does this to them. */
static bool
may_stop(const struct run *run, const struct process *p)
{
	return p->pid != 0 && !(run->mode->gated && (p->writer || p == &run->processes[run->mode->writers]));
}

static void
disturb(struct run *run, double now)
{
	struct process *p = &run->processes[shared_random(run->seed, run->n)];
	int status;

	for (size_t i = 0; i < run->n; i++) {
		struct process *q = &run->processes[i];

		if (q->pid != 0 && waitpid(q->pid, &status, WNOHANG) == q->pid)
			ended(run, q, status);
		if (q->pid != 0 && q->stopped_until != 0 && q->stopped_until <= now) {
			(void)kill(q->pid, SIGCONT);
			q->stopped_until = 0;
		}
	}
	if (p->writer && p->pid != 0 && run->mode->faults && shared_random(run->seed, 20) == 0) {
		(void)kill(p->pid, SIGKILL);
	} else if (may_stop(run, p) && p->stopped_until == 0 && shared_random(run->seed, 3) == 0) {
		(void)kill(p->pid, SIGSTOP);
		p->stopped_until = now + 0.0001 * (double)shared_random(run->seed, p->writer ? 20 : 100);
		run->totals.stops++;
	}
}

static void
run_end(struct run *run)
{
	atomic_store(&run->shared->stop, true);
	/* All of them first: one may hold what another waits for. */
	for (size_t i = 0; i < run->n; i++)
		if (run->processes[i].pid != 0)
			(void)kill(run->processes[i].pid, SIGCONT);
	for (size_t i = 0; i < run->n; i++) {
		struct process *p = &run->processes[i];
		double until = seconds_now() + END_S;
		pid_t pid = 0;
		int status = 0;

		if (p->pid == 0)
			continue;
		while ((pid = waitpid(p->pid, &status, WNOHANG)) == 0 && seconds_now() < until)
			nap(0.001);
		if (pid == 0) {
			shared_say(run->shared, "a %s hangs", p->writer ? "writer" : "reader");
			run->totals.crashes++;
			(void)kill(p->pid, SIGKILL);
			(void)waitpid(p->pid, &status, 0);
		} else if (status != 0 && !(p->writer && run->mode->faults && status == SIGKILL)) {
			shared_say(run->shared, "a %s ended with status %#x", p->writer ? "writer" : "reader",
			    (unsigned)status);
			run->totals.crashes++;
		}
	}
}

static void
count(struct run *run, double seconds)
{
	struct shared *s = run->shared;
	struct totals *t = &run->totals;

	t->calls = t->lookups = t->walks = t->busy = t->wrong = t->errors = t->torn = 0;
	for (unsigned i = 0; i < READERS_MAX; i++) {
		t->calls += atomic_load(&s->readers[i].calls);
		t->lookups += atomic_load(&s->readers[i].lookups);
		t->walks += atomic_load(&s->readers[i].walks);
		t->busy += atomic_load(&s->readers[i].busy);
		t->wrong += atomic_load(&s->readers[i].wrong);
		t->errors += atomic_load(&s->readers[i].errors);
		t->torn += atomic_load(&s->readers[i].torn);
	}
	t->commits = atomic_load(&s->commits);
	t->aborts = atomic_load(&s->aborts);
	t->failures = atomic_load(&s->failures);
	t->seconds = seconds;
}

static bool
is_bad(const struct totals *t)
{
	return t->wrong + t->errors + t->crashes > 0;
}

static void
add_totals(struct totals *all, const struct totals *t)
{
	all->seconds += t->seconds;
	all->calls += t->calls;
	all->lookups += t->lookups;
	all->walks += t->walks;
	all->busy += t->busy;
	all->wrong += t->wrong;
	all->errors += t->errors;
	all->torn += t->torn;
	all->commits += t->commits;
	all->aborts += t->aborts;
	all->failures += t->failures;
	all->kills += t->kills;
	all->stops += t->stops;
	all->crashes += t->crashes;
}

static void
print_line(const char *name, const char *where, const struct totals *t)
{
	(void)printf("%-17s %-5s %6.1f s  lookups %" PRIu64 " calls %" PRIu64 " commits %" PRIu64 " aborted %" PRIu64
		     " failed %" PRIu64 " killed %" PRIu64 " stopped %" PRIu64 " retried %.2f%% torn %" PRIu64
		     " busy %" PRIu64 " wrong %" PRIu64 " errors %" PRIu64 " crashes %" PRIu64 "\n",
	    name, where, t->seconds, t->lookups, t->calls, t->commits, t->aborts, t->failures, t->kills, t->stops,
	    t->calls == 0 ? 0 : 100 * (double)(t->walks - t->calls) / (double)t->calls, t->torn, t->busy, t->wrong,
	    t->errors, t->crashes);
	(void)fflush(stdout);
}

static bool
is_tmpfs(const char *dir)
{
	struct statfs fs;

	if (statfs(dir, &fs) != 0)
		die(dir);
	return fs.f_type == TMPFS_MAGIC;
}

static void
progress(const struct run *run, double left)
{
	if (isatty(STDERR_FILENO) != 0)
		(void)fprintf(stderr, "\r%-17s %4.0f s left  %.0f lookups/s  %.0f commits/s\033[K", run->mode->name,
		    left, (double)run->totals.lookups / run->totals.seconds,
		    (double)run->totals.commits / run->totals.seconds);
}

static void
print_messages(const struct run *run)
{
	for (unsigned i = 0; i < atomic_load(&run->shared->messages) && i < MESSAGES_MAX; i++)
		(void)printf("  %s\n", run->shared->message[i]);
}

static void
run_mode(const struct mode *mode, double seconds, const struct options *o, uint64_t *seed, struct totals *all)
{
	const char *where = is_tmpfs(mode->on_disk ? o->disk : o->memory) ? "tmpfs" : "disk";
	double start_s, now, shown = 0;
	struct run run;

	run_begin(&run, mode, o, seed);
	start_s = seconds_now();
	while ((now = seconds_now()) < start_s + seconds && !interrupted) {
		disturb(&run, now);
		if (now > shown + 0.1) {
			count(&run, now - start_s);
			progress(&run, o->seconds - all->seconds - run.totals.seconds);
			shown = now;
			if (o->until_caught && is_bad(&run.totals))
				break;
		}
		nap(0.001);
	}
	run_end(&run);
	count(&run, seconds_now() - start_s);
	if (!o->until_caught && !interrupted && (run.totals.lookups == 0 || run.totals.commits == 0)) {
		run.totals.errors++;
		shared_say(run.shared, "error: nothing happened");
	}
	if (isatty(STDERR_FILENO) != 0)
		(void)fputs("\r\033[K", stderr);
	if (!o->until_caught || is_bad(&run.totals)) {
		print_line(mode->name, where, &run.totals);
		print_messages(&run);
	}
	add_totals(all, &run.totals);
	(void)unlink(run.path);
	(void)strcat(run.path, "-lock");
	(void)unlink(run.path);
	(void)rmdir(run.dir);
	(void)munmap(run.shared, sizeof(*run.shared));
}

static bool
chosen(const struct mode *mode, const struct options *o)
{
	return mode->gated ? !o->random : !o->gated;
}

static void
usage(void)
{
	(void)fputs(
	    "usage: stress --seconds N [--gated | --random] [--until-caught] [--memory DIR] [--disk DIR] [--seed N]\n",
	    stderr);
	exit(2);
}

static void
parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {{"seconds", 1, NULL, 's'}, {"gated", 0, NULL, 'g'},
	    {"random", 0, NULL, 'r'}, {"until-caught", 0, NULL, 'u'}, {"memory", 1, NULL, 'm'}, {"disk", 1, NULL, 'd'},
	    {"seed", 1, NULL, 'S'}, {NULL, 0, NULL, 0}};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		switch (c) {
		case 's':
			o->seconds = strtod(optarg, NULL);
			break;
		case 'g':
			o->gated = true;
			break;
		case 'r':
			o->random = true;
			break;
		case 'u':
			o->until_caught = true;
			break;
		case 'm':
			o->memory = optarg;
			break;
		case 'd':
			o->disk = optarg;
			break;
		case 'S':
			o->seed = strtoull(optarg, NULL, 10);
			break;
		default:
			usage();
		}
	if (optind != argc || !(o->seconds > 0) || o->seed == 0 || (o->gated && o->random))
		usage();
}

/* Each mode for its share of the time, or all of them in turn until something is wrong. */
static void
run_modes(const struct options *o, struct totals *all)
{
	uint64_t seed = o->seed;
	double shares = 0;

	for (size_t i = 0; i < MODES; i++)
		shares += chosen(&modes[i], o) ? modes[i].share : 0;
	for (size_t i = 0; !interrupted && (o->until_caught ? all->seconds < o->seconds && !is_bad(all) : i < MODES);
	     i++) {
		const struct mode *mode = &modes[i % MODES];

		if (chosen(mode, o))
			run_mode(mode, o->until_caught ? TURN_S : o->seconds * mode->share / shares, o, &seed, all);
	}
}

int
main(int argc, char **argv)
{
	struct options o = {.memory = "/dev/shm", .disk = ".", .seed = (uint64_t)time(NULL)};
	struct totals all = {0};

	parse(argc, argv, &o);
	(void)signal(SIGINT, interrupt);
	(void)signal(SIGTERM, interrupt);
	run_modes(&o, &all);
	print_line("total", "", &all);
	return is_bad(&all) || interrupted ? 1 : 0;
}
