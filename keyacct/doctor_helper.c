/*
 * keyacct doctor: the helper that sshd runs, and the user that it runs as.
 */
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/access.h"
#include "common/logline.h"
#include "keyacct/doctor.h"
#include "keyacct/host_sshd.h"

#define USER   "keyacct"
#define WAIT_S 10

static bool
is_of(const struct passwd *pw, const struct group *gr)
{
	bool found = pw->pw_gid == gr->gr_gid;

	for (char **member = gr->gr_mem; *member != NULL && !found; member++)
		found = strcmp(*member, pw->pw_name) == 0;
	return found;
}

static void
look_user(struct doctor *d)
{
	struct passwd *pw = getpwnam(USER);
	struct group *gr = getgrnam(USER);

	if (pw == NULL || gr == NULL) {
		doctor_fail(
		    d, "there is no %s \"" USER "\", as which sshd runs the helper", pw == NULL ? "user" : "group");
		doctor_mend(d, "systemd-sysusers keyacct.conf");
	} else if (pw->pw_uid == 0) {
		doctor_fail(d, "the user \"" USER "\" has root's uid: what sshd asks of it runs with every right");
		doctor_mend(d, "sed -i '/^" USER ":/d' /etc/passwd /etc/shadow && systemd-sysusers keyacct.conf");
	} else if (!is_of(pw, gr)) {
		doctor_fail(d, "the user \"" USER "\" is not of the group \"" USER "\": it cannot read the database");
		doctor_mend(d, "usermod --gid " USER " " USER);
	} else {
		doctor_ok(d, "the user \"" USER "\" is there, of the group \"" USER "\"");
	}
}

/* The program of AuthorizedKeysCommand. */
static bool
find_helper(struct doctor *d, char path[static PATH_MAX])
{
	char value[1024];

	(void)snprintf(path, PATH_MAX, "%s", KA_HELPER);
	if (d->sshd != NULL && host_sshd_value(d->sshd, "AuthorizedKeysCommand", 0, value, sizeof(value)) &&
	    value[0] == '/') {
		value[strcspn(value, " \t")] = '\0';
		(void)snprintf(path, PATH_MAX, "%s", value);
	}
	return access(path, F_OK) == 0;
}

static void
look_helper(struct doctor *d)
{
	char path[PATH_MAX];
	struct stat st;

	if (!find_helper(d, path) || stat(path, &st) != 0 || !S_ISREG(st.st_mode)) {
		doctor_fail(d, "%s, which sshd runs for each key, is no program here", path);
		doctor_mend(d, "%s", doctor_reinstall("keyacct"));
	} else if ((st.st_mode & (S_IXOTH | S_IROTH)) != (S_IXOTH | S_IROTH)) {
		doctor_fail(d, "%s cannot be run by the user \"" USER "\" (mode %04o)", path, st.st_mode & 07777U);
		doctor_mend(d, "chmod 755 %s", doctor_quote(path));
	} else if (doctor_must_be_roots(d, path, "the helper, so sshd refuses to run it")) {
		doctor_ok(d, "sshd will run %s: nobody but root can replace it", path);
	}
}

/* Become what sshd makes of itself before it runs the helper (misc.c, subprocess()), and read what the helper reads. */
static enum ka_result
read_as(const struct passwd *pw, const char *dir, enum ka_file *file)
{
	static struct ka_access_answer answer;
	const struct ka_access_question q = {.at_s = 1, .host = ""};
	enum ka_result r;

	if (initgroups(pw->pw_name, pw->pw_gid) != 0 || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) != 0 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) != 0)
		return KA_FAILED;
	r = ka_access_ask(dir, &q, &answer);
	*file = answer.file;
	return r == KA_BUSY ? KA_OK : r;
}

/* A directory on the way that others may not pass. */
static bool
find_closed(const char *dir, char part[static PATH_MAX])
{
	char real[PATH_MAX];
	struct stat st;

	if (realpath(dir, real) == NULL)
		return false;
	for (size_t i = 1; i <= strlen(real); i++) {
		if (real[i] != '/' && real[i] != '\0')
			continue;
		(void)snprintf(part, PATH_MAX, "%.*s", (int)i, real);
		if (stat(part, &st) == 0 && (st.st_mode & S_IXOTH) == 0)
			return true;
	}
	return false;
}

static void
mend_reading(struct doctor *d)
{
	char part[PATH_MAX];
	const char *dir = doctor_quote(d->dir);

	if (access(d->access, F_OK) != 0 && access(d->names, F_OK) != 0)
		doctor_mend(d, "%s init", d->tool);
	else if (access(d->access, F_OK) != 0)
		doctor_mend(d, "%s", doctor_anew(d, KA_FILE_ACCESS));
	else if (find_closed(d->dir, part))
		doctor_mend(d, "chmod o+x %s", doctor_quote(part));
	else
		doctor_mend(d,
		    "chown root %s/names.mdb %s/private/access.mdb && chgrp " USER
		    " %s/private %s/private/access.mdb && "
		    "chmod 644 %s/names.mdb && chmod 750 %s/private && chmod 640 %s/private/access.mdb",
		    dir, dir, dir, dir, dir, dir, dir);
}

static void
judge_reading(struct doctor *d, enum ka_result r, enum ka_file file)
{
	const char *name = ka_table_file_name(file);

	switch (r) {
	case KA_OK:
	case KA_BUSY:
		doctor_ok(d, "the helper can read the database in %s", d->dir);
		return;
	case KA_FAILED:
		doctor_fail(d, "nothing can be run as the user \"" USER "\": is its uid mapped here?");
		doctor_mend(d, "cat /proc/self/uid_map");
		return;
	case KA_CORRUPT:
	case KA_CONFLICT:
		doctor_fail(d, "%s/%s is %s: nobody gets in", d->dir, name, ka_logline_trouble(r));
		doctor_mend(d, "%s", doctor_anew(d, file));
		return;
	case KA_INVALID:
		doctor_fail(d, "%s/%s is %s: nobody gets in", d->dir, name, ka_logline_trouble(r));
		break;
	case KA_NOTFOUND:
	case KA_UNAVAIL:
		doctor_fail(d, "the user \"" USER "\" cannot read the database in %s: nobody gets in", d->dir);
		break;
	}
	mend_reading(d);
}

/*
 * Wait for the child, which any process of its user can stop, and for no longer than that. Returns 1; 0: it did not
 * end; -1 with errno: it cannot be watched.
 */
static int
wait_for(pid_t pid, int *status)
{
	struct pollfd p = {.fd = pidfd_open(pid, 0), .events = POLLIN};
	int ready = -1, saved;

	while (p.fd >= 0 && (ready = poll(&p, 1, WAIT_S * 1000)) < 0 && errno == EINTR)
		;
	saved = errno;
	if (ready <= 0)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, status, 0) < 0 && errno == EINTR)
		;
	if (p.fd >= 0)
		(void)close(p.fd);
	errno = saved;
	return ready;
}

static void
look_helper_reads(struct doctor *d)
{
	const struct passwd *pw = getpwnam(USER);
	enum ka_file file = KA_FILE_ACCESS;
	int status = 0, ended = -1;
	enum ka_result r;
	pid_t pid;

	if (!doctor_needs_root(d))
		return;
	if (pw == NULL) {
		doctor_skip(d, "there is no user \"" USER "\"");
		return;
	}
	(void)fflush(NULL);
	if ((pid = fork()) == 0) {
		r = read_as(pw, d->dir, &file);
		_exit((int)r * KA_FILES + (int)file);
	}
	if (pid < 0 || (ended = wait_for(pid, &status)) < 0) {
		doctor_skip(d, "no process can be started and watched: %s", strerror(errno));
	} else if (ended == 0) {
		doctor_fail(d,
		    "a process of the user \"" USER "\" did not read the database within %d seconds: does another one "
		    "of it stop it?",
		    WAIT_S);
		doctor_mend(d, "ps -u " USER " -f");
	} else if (WIFSIGNALED(status)) {
		doctor_fail(d, "a process of the user \"" USER "\" was killed by signal %d while it read the database",
		    WTERMSIG(status));
		doctor_mend(d, "ps -u " USER " -f");
	} else {
		judge_reading(d, (enum ka_result)(WEXITSTATUS(status) / KA_FILES),
		    (enum ka_file)(WEXITSTATUS(status) % KA_FILES));
	}
}

const struct doctor_check doctor_helper_checks[] = {
    {"user", look_user, NULL},
    {"helper", look_helper, NULL},
    {"helper-reads", look_helper_reads, NULL},
    {.name = NULL},
};
