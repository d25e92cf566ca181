/*
 * keyacct doctor: what goes on around logins: the clock, the timer that ends sessions, and a backup.
 */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/spool.h"
#include "common/time.h"
#include "keyacct/doctor.h"
#include "keyacct/run.h"

#define YEAR_2025 1735689600 /* before keyacct was */

/* The disk may have been written by a host whose clock is not to the second ours. */
#define SLACK_S 60

static void
look_clock(struct doctor *d)
{
	const char *const names[] = {ka_table_file_name(KA_FILE_NAMES), ka_table_file_name(KA_FILE_ACCESS),
	    ka_table_file_name(KA_FILE_USAGE), KA_SPOOL_NAME};
	char path[PATH_MAX], now[KA_TIME_TEXT_LEN], then[KA_TIME_TEXT_LEN];
	int64_t now_s = ka_time_now(), newest_s = 0;
	struct stat st;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", d->dir, names[i]);
		if (lstat(path, &st) == 0 && st.st_mtime > newest_s)
			newest_s = st.st_mtime;
	}
	ka_time_format_utc(now_s, now);
	ka_time_format_utc(newest_s, then);
	if (now_s < YEAR_2025)
		doctor_fail(d, "the clock says %s: keys and memberships begin and end at the wrong time", now);
	else if (newest_s > now_s + SLACK_S)
		doctor_fail(d, "the clock says %s, and the database was written at %s: what has ended may be let in",
		    now, then);
	if (d->said > 0)
		doctor_mend(d, "timedatectl set-ntp true");
	doctor_ok(d, "the clock says %s, and the database is not newer", now);
}

/* Without systemd, cron has to. */
static bool
cron_sweeps(void)
{
	static const char *const patterns[] = {"/etc/crontab", "/etc/cron.d/*", "/var/spool/cron/crontabs/root"};
	char line[1024];
	bool found = false;

	for (size_t i = 0; i < 3 && !found; i++) {
		glob_t files;

		if (glob(patterns[i], 0, NULL, &files) != 0)
			continue;
		for (size_t n = 0; n < files.gl_pathc && !found; n++) {
			char *text = doctor_read(files.gl_pathv[n]);
			const char *at = text != NULL ? text : "";

			while (!found && doctor_next_line(&at, line, sizeof(line)))
				found = line[0] != '#' && strstr(line, "keyacct sweep") != NULL;
			free(text);
		}
		globfree(&files);
	}
	return found;
}

static bool
systemctl_says(const char *question)
{
	const char *const argv[] = {"systemctl", "--quiet", question, "keyacct-sweep.timer", NULL};
	char *output = NULL;
	int status = run_program(argv, NULL, &output);

	free(output);
	return status == 0;
}

static void
look_sweep(struct doctor *d)
{
	bool systemd = access("/run/systemd/system", F_OK) == 0;

	if (systemd ? systemctl_says("is-active") && systemctl_says("is-enabled") : cron_sweeps()) {
		doctor_ok(
		    d, "sessions whose access has run out are ended by %s", systemd ? "keyacct-sweep.timer" : "cron");
		return;
	}
	if (!systemd && !d->root) {
		doctor_skip(d, "only root can read root's crontab");
		return;
	}
	if (systemd && cron_sweeps()) {
		doctor_ok(d, "sessions whose access has run out are ended by cron");
		return;
	}
	doctor_warn(d, "nobody runs 'keyacct sweep': sessions go on when a key or a membership has run out");
	doctor_mend(d, systemd ? "systemctl enable --now keyacct-sweep.timer"
			       : "echo '* * * * * root " KA_TOOL " sweep' >/etc/cron.d/keyacct");
}

/*
 * A place for each uid, 292 bytes each. Each login on a terminal makes it as long again: a warning would come back for
 * good.
 */
#define LASTLOG       "/var/log/lastlog"
#define LASTLOG_LARGE (1024LL * 1024 * 1024)

static void
look_lastlog(struct doctor *d)
{
	struct stat st;

	if (stat(LASTLOG, &st) != 0) {
		doctor_ok(d, LASTLOG " is not kept here");
		return;
	}
	if ((long long)st.st_size > LASTLOG_LARGE)
		doctor_ok(d,
		    LASTLOG " seems to have %lld GB, and takes %lld kB: a backup that does not know sparse files "
			    "writes all of it, and had better leave it out",
		    (long long)st.st_size / 1000000000, (long long)st.st_blocks / 2);
	else
		doctor_ok(d, LASTLOG " has %lld kB", (long long)st.st_size / 1024);
}

const struct doctor_check doctor_host_checks[] = {
    {"sweep", look_sweep, NULL},
    {"clock", look_clock, NULL},
    {"lastlog", look_lastlog, NULL},
    {.name = NULL},
};
