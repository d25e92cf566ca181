#include "keyacct/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS  2000U /* what is done within it needs no words */
#define EVERY_MS 200U

static uint64_t
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void
progress_begin(struct progress *p, const char *what)
{
	*p = (struct progress){.what = what, .began_ms = now_ms(), .terminal = isatty(STDERR_FILENO) == 1};
}

void
progress_show(struct progress *p, uint64_t done, double part)
{
	uint64_t ms, passed_ms;

	if (!p->terminal)
		return;
	ms = now_ms();
	passed_ms = ms - p->began_ms;
	if (passed_ms < WAIT_MS || (p->shown_ms != 0 && ms - p->shown_ms < EVERY_MS))
		return;
	p->shown_ms = ms;
	(void)fprintf(stderr, "\r\033[K%" PRIu64 " %s, %" PRIu64 " a second", done, p->what, done * 1000 / passed_ms);
	if (part > 0) {
		uint64_t left_s = (uint64_t)((double)passed_ms / 1000 * (1 - part) / part);

		(void)fprintf(
		    stderr, ", %d %%, %" PRIu64 ":%02" PRIu64 " min left", (int)(part * 100), left_s / 60, left_s % 60);
	}
	(void)fflush(stderr);
}

void
progress_end(struct progress *p)
{
	if (p->shown_ms != 0)
		(void)fputs("\r\033[K", stderr);
	p->shown_ms = 0;
}
