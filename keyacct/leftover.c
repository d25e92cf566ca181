#include "keyacct/leftover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/process.h"
#include "common/tree.h"

/* Debian's places first, then those of others. */
static const char *const crontabs[] = {"/var/spool/cron/crontabs", "/var/spool/cron"};
static const char *const at_jobs[] = {"/var/spool/cron/atjobs", "/var/spool/at"};
#define LINGER "/var/lib/systemd/linger"

#define PLACES(list) (sizeof(list) / sizeof((list)[0]))

#define TERM_MS 5000
#define KILL_MS 5000

/* Behind all that systemd and we give away, and before what a signed number cannot hold. */
#define NOBODYS_UID 0x7fff7fffU

/* How many entries of ${path} ${counts}; what it does on the way is its own. */
static unsigned
count_entries(const char *path, uid_t uid, bool (*counts)(int dir, const char *name, uid_t uid))
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	unsigned n = 0;

	while (dir != NULL && (entry = readdir(dir)) != NULL)
		n += counts(dirfd(dir), entry->d_name, uid);
	if (dir != NULL)
		(void)closedir(dir);
	return n;
}

static bool
is_file_of(int dir, const char *name, uid_t uid)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) && st.st_uid == uid;
}

static bool
remove_file_of(int dir, const char *name, uid_t uid)
{
	return is_file_of(dir, name, uid) && unlinkat(dir, name, 0) == 0;
}

static bool
is_timer(int dir, const char *name, uid_t uid)
{
	size_t len = strlen(name);

	(void)dir;
	(void)uid;
	return len > 6 && strcmp(name + len - 6, ".timer") == 0;
}

/* How many processes have the uid among theirs and have not ended. What cannot be read counts as none. */
static unsigned
count_processes(uid_t uid)
{
	struct ka_process *table = NULL;
	unsigned count = 0;
	size_t n = 0;

	if (ka_process_table(&table, &n) != KA_OK)
		return 0;
	for (size_t i = 0; i < n; i++)
		count += !ka_process_has_ended(&table[i]) && ka_tree_has_uid(&table[i], uid);
	free(table);
	return count;
}

static void
find_crontab(const char *name, char path[static PATH_MAX])
{
	struct stat st;

	for (size_t i = 0; i < PLACES(crontabs); i++) {
		(void)snprintf(path, PATH_MAX, "%s/%s", crontabs[i], name);
		if (lstat(path, &st) == 0)
			return;
	}
	path[0] = '\0';
}

void
leftover_find(const struct ka_project *project, struct leftover *left)
{
	char name[KA_UUID_NAME_LEN], path[PATH_MAX];
	struct stat st;

	memset(left, 0, sizeof(*left));
	ka_uuid_name(project->id, name);
	if (stat(project->home, &st) == 0 && S_ISDIR(st.st_mode))
		(void)snprintf(left->home, sizeof(left->home), "%s", project->home);
	find_crontab(name, left->crontab);
	for (size_t i = 0; i < PLACES(at_jobs); i++)
		left->at_jobs += count_entries(at_jobs[i], project->uid, is_file_of);
	(void)snprintf(path, sizeof(path), "%s/.config/systemd/user/timers.target.wants", project->home);
	left->timers = count_entries(path, project->uid, is_timer);
	(void)snprintf(path, sizeof(path), LINGER "/%s", name);
	left->lingers = lstat(path, &st) == 0;
	left->processes = count_processes(project->uid);
}

bool
leftover_runs(const struct leftover *left)
{
	return left->crontab[0] != '\0' || left->at_jobs > 0 || left->lingers || left->processes > 0;
}

json_t *
leftover_json(const struct leftover *left)
{
	return json_pack("{s:o,s:o,s:i,s:i,s:b,s:i}", "home",
	    left->home[0] != '\0' ? json_string(left->home) : json_null(), "crontab",
	    left->crontab[0] != '\0' ? json_string(left->crontab) : json_null(), "at_jobs", (int)left->at_jobs,
	    "timers", (int)left->timers, "lingers", left->lingers, "processes", (int)left->processes);
}

void
leftover_print(const struct leftover *left)
{
	if (left->home[0] != '\0')
		(void)printf("  home       %s\n", left->home);
	if (left->crontab[0] != '\0')
		(void)printf("  crontab    %s\n", left->crontab);
	if (left->at_jobs > 0)
		(void)printf("  at jobs    %u\n", left->at_jobs);
	if (left->timers > 0 || left->lingers)
		(void)printf("  timers     %u, and its systemd runs %s\n", left->timers,
		    left->lingers ? "without a login" : "during logins only");
	if (left->processes > 0)
		(void)printf("  processes  %u\n", left->processes);
}

/* The helper that sends the signals. kill(-1) goes to all processes of its effective uid at once, so that none can fork
 * its way out of a list; and to those of its real uid, which has to be nobody's: with the project's own, which would do
 * too, any of its processes could kill the helper first. (kernel/signal.c, kill_ok_by_cred) */
static void
run_helper(uid_t uid, uid_t real, int sig)
{
	if (setgroups(0, NULL) != 0 || setresgid(uid, uid, uid) != 0 || setresuid(real, uid, real) != 0 ||
	    getuid() != real || geteuid() != uid)
		_exit(1);
	_exit(kill(-1, sig) == 0 || errno == ESRCH ? 0 : 1);
}

static bool
is_helper_done(uid_t uid, uid_t real, int sig)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		run_helper(uid, real, sig);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static enum ka_result
signal_all(const struct ka_project *project, int sig)
{
	/* A container may have no such uid. */
	if (count_processes(NOBODYS_UID) == 0 && is_helper_done(project->uid, NOBODYS_UID, sig))
		return KA_OK;
	return is_helper_done(project->uid, project->uid, sig) ? KA_OK : KA_FAILED;
}

static enum ka_result
end_processes(const struct ka_project *project, struct ka_error *err)
{
	static const struct {
		int sig, ms;
	} ways[] = {{SIGTERM, TERM_MS}, {SIGKILL, KILL_MS}};
	const struct timespec pause = {.tv_nsec = 20000000};

	for (size_t i = 0; i < PLACES(ways); i++) {
		if (count_processes(project->uid) == 0)
			return KA_OK;
		if (signal_all(project, ways[i].sig) != KA_OK)
			return ka_result_fail(err, KA_FAILED, "cannot end the processes of uid %u", project->uid);
		for (int ms = 0; ms < ways[i].ms && count_processes(project->uid) > 0; ms += 20)
			(void)nanosleep(&pause, NULL);
	}
	if (count_processes(project->uid) == 0)
		return KA_OK;
	return ka_result_fail(err, KA_FAILED, "%u processes of uid %u do not end: see 'ps -U %u'",
	    count_processes(project->uid), project->uid, project->uid);
}

/* Does this host take the uid for this project's? Another database's project, or a user of /etc/passwd, is not ours to
 * end. */
static enum ka_result
check_uid(const struct ka_project *project, struct ka_error *err)
{
	const struct passwd *pw = getpwuid(project->uid);
	char name[KA_UUID_NAME_LEN];

	ka_uuid_name(project->id, name);
	if (ka_record_uid_ok(project->uid) && pw != NULL && strcmp(pw->pw_name, name) == 0)
		return KA_OK;
	return ka_result_fail(err, KA_CONFLICT,
	    "nothing is stopped: this host takes the uid %u for %s, not for this project. Is it the database of this "
	    "host, "
	    "and keyacct in nsswitch.conf?",
	    project->uid, pw != NULL ? pw->pw_name : "nobody's");
}

/* What starts processes of the project. */
static enum ka_result
remove_starters(const struct ka_project *project, struct ka_error *err)
{
	char name[KA_UUID_NAME_LEN], path[PATH_MAX];

	ka_uuid_name(project->id, name);
	for (find_crontab(name, path); path[0] != '\0'; find_crontab(name, path))
		if (unlink(path) != 0)
			return ka_result_fail(err, KA_FAILED, "cannot remove %s: %s", path, strerror(errno));
	for (size_t i = 0; i < PLACES(at_jobs); i++)
		(void)count_entries(at_jobs[i], project->uid, remove_file_of);
	(void)snprintf(path, sizeof(path), LINGER "/%s", name);
	if (unlink(path) != 0 && errno != ENOENT && errno != ENOTDIR)
		return ka_result_fail(err, KA_FAILED, "cannot remove %s: %s", path, strerror(errno));
	return KA_OK;
}

enum ka_result
leftover_stop(const struct ka_project *project, struct ka_error *err)
{
	enum ka_result r;

	if ((r = check_uid(project, err)) != KA_OK || (r = remove_starters(project, err)) != KA_OK ||
	    (r = end_processes(project, err)) != KA_OK)
		return r;
	/* What ran until just now may have put them back. */
	return remove_starters(project, err);
}
