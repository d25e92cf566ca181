/*
 * Run one script of PAM calls against the real libpam and the real module. Every result, every log line of the module
 * and every word to the user stands in the script; anything else fails. What it prints is TAP, with one test.
 *
 *   pam_runner SCRIPT VARIABLES
 *
 * VARIABLES is a file of NAME=VALUE lines; {NAME} in a script becomes VALUE. "module" and "share" have to be there.
 * {pid}, {start} (of this process) and {now} are known, {X*N} is N times X; \n, \r and \t are control characters. The
 * commands, one in a line:
 *
 *   title TEXT                    what the script shows
 *   stack KIND [ARG]...           the stack, with arguments for the module:
 *       gate                          the shipped pieces, then pam_permit
 *       module                        the module, then pam_permit
 *       alone                         the module, and nothing else
 *       ignored                       success if the module says PAM_IGNORE, and nothing else is
 *   user NAME, nobody             begin (after ending the one before): pam_start, with a user or without one
 *   end                           pam_end
 *   env NAME = VALUE, env NAME    set or remove a variable of the PAM environment
 *   account [silent] = RESULT     pam_acct_mgmt; then open and close: pam_open_session, pam_close_session
 *   log PRIORITY TEXT             what the last call logged, in order
 *   says TEXT, informs TEXT       what it told the user, as an error or not, in order
 *   environment NAME...           all variables that there are now, sorted
 *   getenv NAME = VALUE           one of them
 *   sessions = N                  entries in the registry of live sessions, files being written included
 *   entered = N                   entries in it when the last call began to read access.mdb
 *   spool = N                     records in the spool
 *   forks = N                     processes begun since the last "forks", or since the script began
 *   clock TIME                    stop the clock (RFC 3339, UTC)
 *   powerless                     from now on file modes count for this process, although it is root
 *   lock FILE                     lock a file against everyone else
 *   run COMMAND                   a shell command (sh -e) that has to succeed
 *   show COMMAND                  the same, and what it prints is compared with
 *   prints LINE                   this, line by line
 *   let NAME COMMAND              {NAME} becomes the one line that the command prints
 *   wait COMMAND                  until the command succeeds, at most half a minute
 *   rounds N                      N times user, env, account, open, close, end: nothing may pile up
 *
 * After every call the process has to be as before: descriptors, children, working directory, umask, signals.
 */
#include <ctype.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <malloc.h>
#include <sched.h>
#include <security/pam_appl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define SERVICE    "sshd"
#define SESSIONS   "/run/keyacct/sessions"
#define SPOOL      "/var/lib/keyacct/private/usage.spool"
#define SPOOL_LEN  112
#define EVENTS_MAX 64
#define VARS_MAX   64
#define ENV_MAX    16
#define WAIT_S     30
#define HANG_S     300 /* a thousand logins under valgrind take one minute of a quiet machine */

struct variable {
	char *name, *value;
};

static const char *script_path;
static unsigned script_line;
static char *title;

static struct variable vars[VARS_MAX];
static size_t nvars;

static pam_handle_t *pamh;
static char *user;          /* NULL: none */
static char *envs[ENV_MAX]; /* "NAME=VALUE", as set since "user" */
static size_t nenvs;
static char confdir[] = "/tmp/pam_runner.XXXXXX";
static const char *type = "?"; /* of the running call, as libpam writes it before a log line */
static char *before;           /* the process, as describe_process has it */

/* What happened and was not asked for yet, in the words of a script. */
static char *events[EVENTS_MAX];
static size_t nevents, asked;

static unsigned forks;
static long entered;         /* see the command; -1: not read */
static time_t stopped_clock; /* 0: the clock goes */

static void
remove_confdir(void)
{
	char path[sizeof(confdir) + sizeof(SERVICE) + 1];

	(void)snprintf(path, sizeof(path), "%s/%s", confdir, SERVICE);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/other", confdir);
	(void)unlink(path);
	(void)rmdir(confdir);
}

__attribute__((format(printf, 1, 2), noreturn)) static void
fail(const char *format, ...)
{
	va_list ap;

	printf("not ok 1 - %s\n# %s:%u: ", title != NULL ? title : script_path, script_path, script_line);
	va_start(ap, format);
	(void)vprintf(format, ap);
	va_end(ap);
	putchar('\n');
	for (size_t i = asked; i < nevents; i++)
		printf("# came: %s\n", events[i]);
	remove_confdir();
	(void)fflush(stdout);
	_exit(1);
}

static void *
must(void *p)
{
	if (p == NULL)
		fail("out of memory");
	return p;
}

__attribute__((format(printf, 1, 2))) static char *
format_text(const char *format, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, format);
	if (vasprintf(&text, format, ap) < 0)
		fail("out of memory");
	va_end(ap);
	return text;
}

static void
happened(char *event)
{
	if (nevents == EVENTS_MAX)
		fail("more than %d lines at once", EVENTS_MAX);
	events[nevents++] = event;
}

/*
 * The functions of libc that the module meets here instead. A definition in the program comes before libc's own; the
 * labels keep the headers' inline versions out of the way.
 */
void caught_syslog(int priority, const char *format, ...) __asm__("syslog") __attribute__((format(printf, 2, 3)));
void caught_syslog_chk(int priority, int flag, const char *format, ...) __asm__("__syslog_chk")
    __attribute__((format(printf, 3, 4)));
void caught_vsyslog(int priority, const char *format, va_list ap) __asm__("vsyslog")
    __attribute__((format(printf, 2, 0)));
void caught_vsyslog_chk(int priority, int flag, const char *format, va_list ap) __asm__("__vsyslog_chk")
    __attribute__((format(printf, 3, 0)));
time_t caught_time(time_t *t) __asm__("time");
pid_t caught_fork(void) __asm__("fork");
ssize_t caught_pread(int fd, void *buf, size_t len, off_t at) __asm__("pread");

void
caught_vsyslog(int priority, const char *format, va_list ap)
{
	static const char *const names[] = {"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"};
	int facility = priority & LOG_FACMASK;
	char *text = NULL, *prefix;

	if (vasprintf(&text, format, ap) < 0)
		fail("out of memory");
	prefix = format_text("pam_keyacct(" SERVICE ":%s): ", type);
	if (strncmp(text, "pam_keyacct", strlen("pam_keyacct")) != 0)
		printf("# another module: %s\n", text);
	else if (strncmp(text, prefix, strlen(prefix)) != 0 || facility != LOG_AUTHPRIV)
		happened(format_text("log %d %s", priority, text));
	else
		happened(format_text("log %s %s", names[LOG_PRI(priority)], text + strlen(prefix)));
	free(prefix);
	free(text);
}

void
caught_vsyslog_chk(int priority, int flag, const char *format, va_list ap)
{
	(void)flag;
	caught_vsyslog(priority, format, ap);
}

void
caught_syslog(int priority, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	caught_vsyslog(priority, format, ap);
	va_end(ap);
}

void
caught_syslog_chk(int priority, int flag, const char *format, ...)
{
	va_list ap;

	(void)flag;
	va_start(ap, format);
	caught_vsyslog(priority, format, ap);
	va_end(ap);
}

time_t
caught_time(time_t *t)
{
	struct timespec now = {.tv_sec = stopped_clock};

	if (stopped_clock == 0)
		(void)clock_gettime(CLOCK_REALTIME, &now);
	if (t != NULL)
		*t = now.tv_sec;
	return now.tv_sec;
}

pid_t
caught_fork(void)
{
	union {
		void *object;
		pid_t (*function)(void);
	} real = {.object = dlsym(RTLD_NEXT, "fork")};

	forks++;
	return real.function();
}

/* Entries in the registry of live sessions, whole or still being written. */
static long
count_sessions(void)
{
	DIR *dir = opendir(SESSIONS);
	const struct dirent *entry;
	long n = 0;

	while (dir != NULL && (entry = readdir(dir)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			n++;
	if (dir != NULL)
		(void)closedir(dir);
	return n;
}

ssize_t
caught_pread(int fd, void *buf, size_t len, off_t at)
{
	union {
		void *object;
		ssize_t (*function)(int, void *, size_t, off_t);
	} real = {.object = dlsym(RTLD_NEXT, "pread")};
	char link[64], path[PATH_MAX] = "";

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (entered < 0 && readlink(link, path, sizeof(path) - 1) > 0 && strstr(path, "/access.mdb") != NULL)
		entered = count_sessions();
	return real.function(fd, buf, len, at);
}

static int
converse(int n, const struct pam_message **messages, struct pam_response **responses, void *arg)
{
	(void)arg;
	for (int i = 0; i < n; i++) {
		const char *verb = messages[i]->msg_style == PAM_ERROR_MSG   ? "says"
				   : messages[i]->msg_style == PAM_TEXT_INFO ? "informs"
									     : "asks";

		happened(format_text("%s %s", verb, messages[i]->msg));
	}
	*responses = calloc((size_t)n, sizeof(**responses));
	return *responses != NULL ? PAM_SUCCESS : PAM_BUF_ERR;
}

/* When this process started, in clock ticks since boot: field 22 of /proc/self/stat. */
static unsigned long long
start_ticks(void)
{
	char line[1024] = "";
	const char *at;
	FILE *f = fopen("/proc/self/stat", "re");
	unsigned long long ticks = 0;

	if (f == NULL || fgets(line, sizeof(line), f) == NULL || (at = strrchr(line, ')')) == NULL ||
	    sscanf(at, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &ticks) !=
		1)
		fail("/proc/self/stat cannot be read");
	(void)fclose(f);
	return ticks;
}

static const char *
variable(const char *name)
{
	for (size_t i = 0; i < nvars; i++)
		if (strcmp(vars[i].name, name) == 0)
			return vars[i].value;
	fail("{%s} is not known", name);
}

/* What ${name} in braces stands for, written to ${out}. */
static void
expand_name(FILE *out, const char *name)
{
	if (name[1] == '*') {
		for (unsigned long n = strtoul(name + 2, NULL, 10); n > 0; n--)
			(void)fputc(name[0], out);
	} else if (strcmp(name, "pid") == 0) {
		(void)fprintf(out, "%ld", (long)getpid());
	} else if (strcmp(name, "start") == 0) {
		(void)fprintf(out, "%llu", start_ticks());
	} else if (strcmp(name, "now") == 0) {
		(void)fprintf(out, "%lld", (long long)caught_time(NULL));
	} else {
		(void)fputs(variable(name), out);
	}
}

/* How long is the name or the X*N up to the closing brace? 0: it is neither, and the brace stands for itself. */
static size_t
name_length(const char *text)
{
	size_t start = text[0] != '\0' && text[1] == '*' ? 2 : 0;
	size_t len = start + strspn(text + start, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return text[len] == '}' ? len : 0;
}

static char *
expand(const char *text)
{
	char *result = NULL;
	size_t room, len;
	FILE *out = must(open_memstream(&result, &room));

	while (*text != '\0') {
		static const char letters[] = "nrt", meanings[] = "\n\r\t";
		const char *letter = text[0] == '\\' && text[1] != '\0' ? strchr(letters, text[1]) : NULL;

		if (letter != NULL) {
			(void)fputc(meanings[letter - letters], out);
			text += 2;
		} else if (*text == '{' && (len = name_length(text + 1)) > 0) {
			char *name = must(strndup(text + 1, len));

			expand_name(out, name);
			free(name);
			text += len + 2;
		} else {
			(void)fputc(*text++, out);
		}
	}
	if (fclose(out) != 0)
		fail("out of memory");
	return result;
}

static void
read_variables(const char *path)
{
	FILE *f = fopen(path, "re");
	char *line = NULL, *value;
	size_t room = 0;
	ssize_t n;

	if (f == NULL)
		fail("%s: %s", path, strerror(errno));
	while ((n = getline(&line, &room, f)) > 0) {
		if (line[n - 1] == '\n')
			line[n - 1] = '\0';
		if ((value = strchr(line, '=')) == NULL || nvars == VARS_MAX)
			fail("%s: \"%s\" is no NAME=VALUE, or one too many", path, line);
		*value++ = '\0';
		vars[nvars].name = must(strdup(line));
		vars[nvars++].value = must(strdup(value));
	}
	free(line);
	(void)fclose(f);
}

/* Everything about this process that a module may disturb, as text. */
static char *
describe_process(void)
{
	char *text = NULL, cwd[PATH_MAX] = "?";
	struct sigaction action;
	size_t len;
	FILE *out = must(open_memstream(&text, &len));
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	mode_t mask = umask(0);
	sigset_t blocked;

	(void)umask(mask);
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		char target[PATH_MAX] = "";

		if (entry->d_name[0] == '.' || atoi(entry->d_name) == dirfd(dir))
			continue;
		(void)!readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		(void)fprintf(out, "fd %s %s, ", entry->d_name, target);
	}
	if (dir != NULL)
		(void)closedir(dir);
	(void)fprintf(out, "cwd %s, umask %o, signals", getcwd(cwd, sizeof(cwd)), (unsigned)mask);
	(void)sigprocmask(SIG_BLOCK, NULL, &blocked);
	for (int i = 1; i < NSIG; i++)
		if (sigismember(&blocked, i) == 1 || (sigaction(i, NULL, &action) == 0 && action.sa_handler != SIG_DFL))
			(void)fprintf(out, " %d", i);
	if (fclose(out) != 0)
		fail("out of memory");
	return text;
}

static void
remember_process(void)
{
	free(before);
	before = describe_process();
}

static void
check_process(void)
{
	char *now = describe_process();

	if (strcmp(now, before) != 0)
		fail("the process was: %s\n# and is now: %s", before, now);
	free(now);
	if (waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD)
		fail("a child process was left behind");
}

/* The shipped piece ${name}, with the module under test in it. */
static void
write_piece(FILE *out, const char *name, const char *module)
{
	char *path = format_text("%s/%s", variable("share"), name), *line = NULL, *at;
	static const char shipped[] = "pam_keyacct.so";
	FILE *in = fopen(path, "re");
	size_t room = 0;

	if (in == NULL)
		fail("%s: %s", path, strerror(errno));
	while (getline(&line, &room, in) > 0) {
		if (line[0] != '#' && (at = strstr(line, shipped)) != NULL)
			(void)fprintf(out, "%.*s%s%s", (int)(at - line), line, module, at + strlen(shipped));
		else
			(void)fputs(line, out);
	}
	free(line);
	free(path);
	(void)fclose(in);
}

static void
write_stack(FILE *out, const char *kind, const char *module)
{
	static const char *const types[] = {"account", "session"};

	if (strcmp(kind, "gate") == 0) {
		write_piece(out, "sshd.account.pam", module);
		write_piece(out, "sshd.session.pam", module);
	}
	for (size_t i = 0; i < 2; i++) {
		if (strcmp(kind, "ignored") == 0)
			(void)fprintf(out, "%s [ignore=1 default=die] %s\n%s requisite pam_deny.so\n", types[i], module,
			    types[i]);
		else if (strcmp(kind, "module") == 0 || strcmp(kind, "alone") == 0)
			(void)fprintf(out, "%s required %s\n", types[i], module);
		else if (strcmp(kind, "gate") != 0)
			fail("there is no stack \"%s\"", kind);
		if (strcmp(kind, "alone") != 0)
			(void)fprintf(out, "%s required pam_permit.so\n", types[i]);
	}
}

static void
write_service(const char *name, const char *kind, const char *module)
{
	char *path = format_text("%s/%s", confdir, name);
	FILE *out = fopen(path, "we");

	if (out == NULL)
		fail("%s: %s", path, strerror(errno));
	write_stack(out, kind, module);
	if (fclose(out) != 0)
		fail("%s: %s", path, strerror(errno));
	free(path);
}

static void
do_stack(char *arg)
{
	char *args = strchr(arg, ' '), *module;

	if (args != NULL)
		*args++ = '\0';
	module = format_text("%s%s%s", variable("module"), args != NULL ? " " : "", args != NULL ? args : "");
	write_service(SERVICE, arg, module);
	/* For the types that a stack of ours does not have. libpam wants the file. */
	write_service("other", "alone", "pam_deny.so");
	free(module);
}

/* libpam unloads its modules in the end. One that stays, by a handler or a thread of its own, is one that may be
 * called. */
static void
check_unloaded(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char *line = NULL;
	size_t room = 0;

	if (f == NULL)
		fail("/proc/self/maps cannot be read");
	while (getline(&line, &room, f) > 0)
		if (strstr(line, "/pam_keyacct.so") != NULL)
			fail("still loaded: %s", line);
	free(line);
	(void)fclose(f);
}

static void
do_end(char *arg)
{
	(void)arg;
	if (pamh != NULL && pam_end(pamh, PAM_SUCCESS) != PAM_SUCCESS)
		fail("pam_end failed");
	pamh = NULL;
	check_unloaded();
}

static void
begin(void)
{
	static const struct pam_conv conv = {.conv = converse};
	int rc;

	do_end(NULL);
	if ((rc = pam_start_confdir(SERVICE, user, &conv, confdir, &pamh)) != PAM_SUCCESS)
		fail("pam_start_confdir: %s", pam_strerror(pamh, rc));
}

static void
do_user(char *arg)
{
	free(user);
	user = must(strdup(arg));
	for (size_t i = 0; i < nenvs; i++)
		free(envs[i]);
	nenvs = 0;
	begin();
}

static void
do_nobody(char *arg)
{
	do_user(arg);
	free(user);
	user = NULL;
	begin();
}

/* Part "LEFT = RIGHT" in place; ${right} is NULL when there is no equals sign. */
static char *
part(char *arg, char **right)
{
	char *equals = strchr(arg, '='), *end;

	*right = NULL;
	if (equals != NULL) {
		*right = equals + 1 + (equals[1] == ' ' ? 1 : 0);
		*equals = '\0';
	}
	for (end = arg + strlen(arg); end > arg && end[-1] == ' '; end--)
		end[-1] = '\0';
	return arg;
}

static void
do_env(char *arg)
{
	char *value, *name = part(arg, &value), *setting;

	if (pamh == NULL || nenvs == ENV_MAX)
		fail("no user yet, or too many variables");
	setting = value != NULL ? format_text("%s=%s", name, value) : format_text("%s", name);
	if (pam_putenv(pamh, setting) != PAM_SUCCESS)
		fail("pam_putenv failed");
	envs[nenvs++] = setting;
}

static const char *
result_name(int rc)
{
	static const struct {
		int rc;
		const char *name;
	} names[] = {{PAM_SUCCESS, "PAM_SUCCESS"}, {PAM_IGNORE, "PAM_IGNORE"}, {PAM_PERM_DENIED, "PAM_PERM_DENIED"},
	    {PAM_AUTH_ERR, "PAM_AUTH_ERR"}, {PAM_SESSION_ERR, "PAM_SESSION_ERR"},
	    {PAM_USER_UNKNOWN, "PAM_USER_UNKNOWN"}, {PAM_SERVICE_ERR, "PAM_SERVICE_ERR"}, {PAM_BUF_ERR, "PAM_BUF_ERR"},
	    {PAM_MODULE_UNKNOWN, "PAM_MODULE_UNKNOWN"}};
	static char number[32];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].rc == rc)
			return names[i].name;
	(void)snprintf(number, sizeof(number), "%d", rc);
	return number;
}

static void
call(int (*function)(pam_handle_t *, int), const char *its_type, char *arg)
{
	char *wanted, *flag = part(arg, &wanted);
	const char *came;

	if (pamh == NULL || wanted == NULL || (*flag != '\0' && strcmp(flag, "silent") != 0))
		fail("no user yet, or not \"[silent] = RESULT\"");
	type = its_type;
	entered = -1;
	came = result_name(function(pamh, *flag != '\0' ? PAM_SILENT : 0));
	if (strcmp(came, wanted) != 0)
		fail("%s instead of %s", came, wanted);
	check_process();
}

static void
do_account(char *arg)
{
	call(pam_acct_mgmt, "account", arg);
}

static void
do_open(char *arg)
{
	call(pam_open_session, "session", arg);
}

static void
do_close(char *arg)
{
	call(pam_close_session, "session", arg);
}

static int
compare_texts(const void *a, const void *b)
{
	char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

static void
do_environment(char *arg)
{
	char **list = must(pam_getenvlist(pamh)), *text = NULL;
	size_t n = 0, len;
	FILE *out = must(open_memstream(&text, &len));

	while (list[n] != NULL)
		n++;
	qsort(list, n, sizeof(*list), compare_texts);
	for (size_t i = 0; i < n; i++) {
		(void)fprintf(out, "%s%.*s", i > 0 ? " " : "", (int)strcspn(list[i], "="), list[i]);
		free(list[i]);
	}
	free(list);
	(void)fclose(out);
	if (strcmp(text, arg) != 0)
		fail("the variables are: %s", text);
	free(text);
}

static void
do_getenv(char *arg)
{
	char *wanted, *name = part(arg, &wanted);
	const char *value = pam_getenv(pamh, name);

	if (wanted == NULL || value == NULL || strcmp(value, wanted) != 0)
		fail("%s is \"%s\"", name, value != NULL ? value : "not set");
}

static void
compare_count(long count, char *arg)
{
	char *wanted;

	(void)part(arg, &wanted);
	if (wanted == NULL || strtol(wanted, NULL, 10) != count)
		fail("%ld instead of %s", count, wanted != NULL ? wanted : "a number");
}

static void
do_sessions(char *arg)
{
	compare_count(count_sessions(), arg);
}

static void
do_entered(char *arg)
{
	compare_count(entered, arg);
}

static void
do_spool(char *arg)
{
	struct stat st = {.st_size = 0};

	if (stat(SPOOL, &st) == 0 && st.st_size % SPOOL_LEN != 0)
		fail("%s has %lld bytes: no whole records", SPOOL, (long long)st.st_size);
	compare_count((long)(st.st_size / SPOOL_LEN), arg);
}

static void
do_forks(char *arg)
{
	compare_count((long)forks, arg);
	forks = 0;
}

static void
do_clock(char *arg)
{
	struct tm tm = {.tm_year = 0};
	const char *end = strptime(arg, "%Y-%m-%dT%H:%M:%SZ", &tm);

	if (end == NULL || *end != '\0')
		fail("\"%s\" is no time", arg);
	stopped_clock = timegm(&tm);
}

static void
do_powerless(char *arg)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	(void)arg;
	if (syscall(SYS_capget, &header, data) != 0)
		fail("capget: %s", strerror(errno));
	data[0].effective &= ~(1U << CAP_DAC_OVERRIDE | 1U << CAP_DAC_READ_SEARCH);
	if (syscall(SYS_capset, &header, data) != 0)
		fail("capset: %s", strerror(errno));
}

/* Both kinds of lock: of this descriptor, so that they stand in this process's own way too. */
static void
do_lock(char *arg)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = open(arg, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0 || fcntl(fd, F_OFD_SETLK, &l) != 0)
		fail("%s: %s", arg, strerror(errno));
	remember_process();
}

/* Run a shell command; its output goes to ${fd}. Returns its status as waitpid has it. */
static int
shell(char *command, int fd)
{
	char name[] = "sh", option[] = "-ec", *const argv[] = {name, option, command, NULL};
	posix_spawn_file_actions_t actions;
	int status = -1;
	pid_t pid;

	if (posix_spawn_file_actions_init(&actions) != 0 || posix_spawn_file_actions_adddup2(&actions, fd, 1) != 0 ||
	    posix_spawn(&pid, "/bin/sh", &actions, NULL, argv, environ) != 0 || waitpid(pid, &status, 0) != pid)
		fail("cannot run: %s", command);
	(void)posix_spawn_file_actions_destroy(&actions);
	return status;
}

static void
do_run(char *arg)
{
	int status = shell(arg, 2);

	if (status != 0)
		fail("the command ended with status %d", WEXITSTATUS(status));
}

/* Run a command that has to succeed, and give back the file with what it printed. */
static FILE *
output_of(char *command)
{
	FILE *f = tmpfile();
	int status;

	if (f == NULL)
		fail("no temporary file");
	if ((status = shell(command, fileno(f))) != 0)
		fail("the command ended with status %d", WEXITSTATUS(status));
	rewind(f);
	return f;
}

static void
do_show(char *arg)
{
	FILE *f = output_of(arg);
	char *line = NULL;
	size_t room = 0;

	while (getline(&line, &room, f) > 0)
		happened(format_text("prints %.*s", (int)strcspn(line, "\n"), line));
	free(line);
	(void)fclose(f);
}

static void
do_let(char *arg)
{
	char *command = strchr(arg, ' '), *line = NULL;
	size_t room = 0;
	FILE *f;

	if (command == NULL || nvars == VARS_MAX)
		fail("not \"NAME COMMAND\", or too many names");
	*command++ = '\0';
	f = output_of(command);
	if (getline(&line, &room, f) < 0)
		fail("the command printed nothing");
	(void)fclose(f);
	line[strcspn(line, "\n")] = '\0';
	vars[nvars].name = must(strdup(arg));
	vars[nvars++].value = line;
}

static void
do_wait(char *arg)
{
	struct timespec now, end;

	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += WAIT_S;
	while (shell(arg, 2) != 0) {
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec >= end.tv_sec)
			fail("not after %d seconds either", WAIT_S);
		(void)sched_yield();
	}
}

static void
do_title(char *arg)
{
	title = must(strdup(arg));
}

static void
one_round(void)
{
	char wanted[3][32] = {"= PAM_SUCCESS", "= PAM_SUCCESS", "= PAM_SUCCESS"};

	begin();
	for (size_t i = 0; i < nenvs; i++)
		if (pam_putenv(pamh, envs[i]) != PAM_SUCCESS)
			fail("pam_putenv failed");
	do_account(wanted[0]);
	do_open(wanted[1]);
	do_close(wanted[2]);
	do_end(NULL);
}

static long
resident_kb(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long pages = 0;

	if (f == NULL || fscanf(f, "%*d %ld", &pages) != 1)
		fail("/proc/self/statm cannot be read");
	(void)fclose(f);
	return pages * sysconf(_SC_PAGESIZE) / 1024;
}

/*
 * The first hundred rounds fill caches; after them nothing may grow but the allocator's own. One block that is left in
 * every round would be 32 bytes at least.
 */
static void
do_rounds(char *arg)
{
	const long warm = 100, rounds = strtol(arg, NULL, 10);
	size_t heap = 0;
	long rss = 0;

	for (long i = 0; i < rounds; i++) {
		if (i == warm) {
			heap = mallinfo2().uordblks;
			rss = resident_kb();
		}
		one_round();
		if (nevents != 1 || strncmp(events[0], "log info granted ", 17) != 0)
			fail("round %ld logged something else", i);
		free(events[0]);
		nevents = 0;
	}
	printf("# heap %zu -> %zu bytes, resident %ld -> %ld KB\n", heap, (size_t)mallinfo2().uordblks, rss,
	    resident_kb());
#ifndef __SANITIZE_ADDRESS__
	/* valgrind counts by itself, and grows by itself with every module that is loaded. */
	if (getenv("LD_PRELOAD") == NULL &&
	    (mallinfo2().uordblks > heap + 20 * (size_t)(rounds - warm) || resident_kb() > rss + 256))
		fail("memory grew");
#endif
}

static const struct {
	const char *name;
	void (*function)(char *arg);
} commands[] = {
    {"title", do_title},
    {"stack", do_stack},
    {"user", do_user},
    {"nobody", do_nobody},
    {"end", do_end},
    {"env", do_env},
    {"account", do_account},
    {"open", do_open},
    {"close", do_close},
    {"environment", do_environment},
    {"getenv", do_getenv},
    {"sessions", do_sessions},
    {"entered", do_entered},
    {"spool", do_spool},
    {"forks", do_forks},
    {"clock", do_clock},
    {"powerless", do_powerless},
    {"lock", do_lock},
    {"run", do_run},
    {"show", do_show},
    {"let", do_let},
    {"wait", do_wait},
    {"rounds", do_rounds},
};

/* With these, the next thing that happened has to be this one. */
static bool
is_event(const char *command)
{
	static const char *const words[] = {"log", "says", "informs", "prints"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(command, words[i]) == 0)
			return true;
	return false;
}

static void
expect_event(const char *command, const char *arg)
{
	char *wanted = format_text("%s %s", command, arg);

	if (asked == nevents || strcmp(events[asked], wanted) != 0)
		fail("did not come: %s", wanted);
	free(wanted);
	free(events[asked++]);
}

static void
expect_no_more(void)
{
	if (asked < nevents)
		fail("the lines before this one do not tell all");
	asked = nevents = 0;
}

static void
run_line(char *line)
{
	char *command = line + strspn(line, " \t"), *arg = command + strcspn(command, " \t"), *expanded;
	size_t i = 0;

	if (*arg != '\0')
		*arg++ = '\0';
	arg += strspn(arg, " \t");
	expanded = expand(arg);
	if (is_event(command)) {
		expect_event(command, expanded);
	} else {
		expect_no_more();
		while (i < sizeof(commands) / sizeof(commands[0]) && strcmp(commands[i].name, command) != 0)
			i++;
		if (i == sizeof(commands) / sizeof(commands[0]))
			fail("\"%s\" is no command", command);
		commands[i].function(expanded);
	}
	free(expanded);
}

static void
run_script(FILE *f)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t n;

	for (script_line = 1; (n = getline(&line, &room, f)) > 0; script_line++) {
		while (n > 0 && isspace((unsigned char)line[n - 1]))
			line[--n] = '\0';
		if (n > 0 && line[0] != '#')
			run_line(line);
	}
	expect_no_more();
	free(line);
}

int
main(int argc, char **argv)
{
	FILE *f;

	puts("1..1");
	if (argc != 3 || (f = fopen(argv[1], "re")) == NULL || mkdtemp(confdir) == NULL) {
		(void)fputs("usage: pam_runner SCRIPT VARIABLES\n", stderr);
		return 2;
	}
	script_path = argv[1];
	(void)alarm(HANG_S);
	read_variables(argv[2]);
	remember_process();
	run_script(f);
	do_end(NULL);
	/* pam_end cleans up: what it logs counts as well. */
	expect_no_more();
	check_process();
	(void)fclose(f);
	remove_confdir();
	printf("ok 1 - %s\n", title != NULL ? title : script_path);
	return 0;
}
