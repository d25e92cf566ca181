#include "keyacct/progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "common/text.h"

#define PATIENCE_MS 2000
#define BETWEEN_MS  200

static int64_t
now_ms(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* "1234567 rows", "12.3 MB" */
static void
format_amount(double n, const char *unit, char *out, size_t outlen)
{
	static const char *const sizes[] = {"bytes", "kB", "MB", "GB", "TB"};
	size_t i = 0;

	if (strcmp(unit, "bytes") != 0) {
		(void)snprintf(out, outlen, "%.0f %s", n, unit);
		return;
	}
	for (; n >= 1000 && i + 1 < sizeof(sizes) / sizeof(sizes[0]); i++)
		n /= 1000;
	(void)snprintf(out, outlen, i == 0 ? "%.0f %s" : "%.1f %s", n, sizes[i]);
}

/* Longer than a line, it would stay on the screen. */
static void
print_line(const char *line)
{
	struct winsize size;
	int width = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1 : 79;

	(void)fprintf(stderr, "\r%.*s\033[K", width, line);
	(void)fflush(stderr);
}

static void
show(const struct progress *p, const char *unit, uint64_t done, uint64_t total)
{
	double seconds = (double)(p->told_ms - p->step_ms) / 1000, rate;
	char line[512], amount[64], speed[64];

	rate = (double)done / seconds;
	format_amount((double)done, unit, amount, sizeof(amount));
	format_amount(rate, unit, speed, sizeof(speed));
	if (done == 0)
		(void)snprintf(line, sizeof(line), "%s", p->what);
	else if (total == 0 || done > total || rate <= 0)
		(void)snprintf(line, sizeof(line), "%s: %s, %s/s", p->what, amount, speed);
	else
		(void)snprintf(line, sizeof(line), "%s: %s, %.0f%%, %s/s, %.0f s left", p->what, amount,
		    100 * (double)done / (double)total, speed, (double)(total - done) / rate);
	print_line(line);
}

static void
tell(void *arg, const char *what, const char *unit, uint64_t done, uint64_t total)
{
	struct progress *p = arg;
	int64_t at_ms = now_ms();
	char clean[sizeof(p->what)];

	(void)ka_text_clean(what, strlen(what), clean, sizeof(clean));
	if (strcmp(clean, p->what) != 0) {
		memcpy(p->what, clean, sizeof(p->what));
		p->step_ms = at_ms;
	}
	/* At its beginning nobody can tell how fast a step is. */
	if (at_ms - p->begun_ms < PATIENCE_MS || at_ms - p->told_ms < BETWEEN_MS || at_ms - p->step_ms < BETWEEN_MS)
		return;
	p->told_ms = at_ms;
	p->is_shown = true;
	show(p, unit, done, total);
}

static void
tell_nobody(void *arg, const char *what, const char *unit, uint64_t done, uint64_t total)
{
	(void)arg;
	(void)what;
	(void)unit;
	(void)done;
	(void)total;
}

void
progress_begin(struct progress *p, const struct cli *cli)
{
	memset(p, 0, sizeof(*p));
	p->begun_ms = p->step_ms = now_ms();
	p->watch.tell = !cli->json && isatty(STDERR_FILENO) ? tell : tell_nobody;
	p->watch.arg = p;
}

void
progress_end(struct progress *p)
{
	if (p->is_shown)
		print_line("");
}
