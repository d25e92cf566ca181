/*
 * keyacct doctor: does the sshd that runs know its configuration? It writes its pid file when it has read that, anew
 * after each SIGHUP.
 */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/process.h"
#include "keyacct/doctor.h"
#include "keyacct/host_sshd.h"

#define PID_FILE "/run/sshd.pid"

static bool
is_sshd(const char *pid_file)
{
	char *text = doctor_read(pid_file), path[64];
	long pid = text != NULL ? strtol(text, NULL, 10) : 0;
	struct ka_process p;
	bool found;

	free(text);
	if (pid <= 0 || pid > INT_MAX || ka_process_stat((pid_t)pid, &p) != KA_OK || ka_process_has_ended(&p))
		return false;
	(void)snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
	text = doctor_read(path);
	found = text != NULL && strncmp(text, "sshd", 4) == 0;
	free(text);
	return found;
}

static bool
is_newer(const char *path, const struct timespec *than)
{
	struct stat st;

	return stat(path, &st) == 0 && (st.st_mtim.tv_sec > than->tv_sec ||
					   (st.st_mtim.tv_sec == than->tv_sec && st.st_mtim.tv_nsec > than->tv_nsec));
}

/* The first file of sshd's configuration that was written after that. */
static bool
find_newer(const struct timespec *than, char path[static PATH_MAX])
{
	glob_t files = {.gl_pathc = 0};
	bool found = false;

	(void)glob("/etc/ssh/sshd_config", GLOB_NOSORT, NULL, &files);
	(void)glob("/etc/ssh/sshd_config.d/*.conf", GLOB_APPEND, NULL, &files);
	for (size_t i = 0; i < files.gl_pathc && !found; i++)
		if ((found = is_newer(files.gl_pathv[i], than)))
			(void)snprintf(path, PATH_MAX, "%s", files.gl_pathv[i]);
	globfree(&files);
	return found;
}

void
doctor_look_reloaded(struct doctor *d)
{
	char pid_file[PATH_MAX], newer[PATH_MAX];
	struct stat st;

	if (d->sshd == NULL || !host_sshd_value(d->sshd, "PidFile", 0, pid_file, sizeof(pid_file)) ||
	    pid_file[0] != '/')
		(void)snprintf(pid_file, sizeof(pid_file), PID_FILE);
	if (stat(pid_file, &st) != 0 || !is_sshd(pid_file)) {
		doctor_skip(d, "%s names no sshd that runs: nobody knows when it read its configuration", pid_file);
		return;
	}
	if (find_newer(&st.st_mtim, newer)) {
		doctor_warn(d, "%s was written after sshd read its configuration", newer);
		if (access("/run/systemd/system", F_OK) == 0)
			doctor_mend(d, DOCTOR_RELOAD);
		else
			doctor_mend(d, "kill -HUP $(cat %s)", doctor_quote(pid_file));
	}
	doctor_ok(d, "sshd has read its configuration since that was written");
}
