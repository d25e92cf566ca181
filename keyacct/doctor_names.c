/*
 * keyacct doctor: is a project a user of this host? nsswitch.conf, the module, what glibc answers, and who answers
 * instead.
 */
#include <errno.h>
#include <nss.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "keyacct/doctor.h"
#include "keyacct/run.h"

#define MODULE "libnss_keyacct.so.2"
#define BLANKS " \t"

/* Takes us out of both lines, with the actions that are ours; setup puts us where we belong. */
#define ANEW "sed -i -E '/^(passwd|group):/s/[[:space:]]+keyacct([[:space:]]*\\[[^]]*\\])?//' " HOST_NSSWITCH

/* One word of a line: a service, or the actions behind it. */
struct word {
	char text[128];
};

#define WORDS_MAX 32

static size_t
split(const char *line, struct word words[static WORDS_MAX])
{
	size_t n = 0;

	line += strcspn(line, ":") + 1;
	while (n < WORDS_MAX && *(line += strspn(line, BLANKS)) != '\0' && *line != '#') {
		size_t len = *line == '[' ? strcspn(line, "]") + 1 : strcspn(line, BLANKS "[#");

		if (len > strlen(line))
			len = strlen(line);
		(void)snprintf(words[n++].text, sizeof(words[0].text), "%.*s", (int)len, line);
		line += len;
	}
	return n;
}

static bool
has_action(const struct word *w, const char *action)
{
	return w->text[0] == '[' && strcasestr(w->text, action) != NULL;
}

/* The line of ${database}: where do we stand, who before us ends the search, and who answers when we cannot? */
static void
judge_line(struct doctor *d, const char *database, const char *line)
{
	struct word words[WORDS_MAX];
	size_t n = split(line, words), at = 0, files = n;

	while (at < n && strcmp(words[at].text, "keyacct") != 0)
		at++;
	for (size_t i = 0; i < n; i++)
		if (strcmp(words[i].text, "files") == 0)
			files = i;
	if (at == n) {
		doctor_fail(
		    d, "the line \"%s:\" of " HOST_NSSWITCH " does not name keyacct: no project is a user", database);
		doctor_mend(d, "%s setup --yes", d->tool);
		return;
	}
	for (size_t i = 0; i < at; i++)
		if (has_action(&words[i], "NOTFOUND=return") || has_action(&words[i], "!SUCCESS=return")) {
			doctor_fail(d, "the line \"%s:\" of " HOST_NSSWITCH " ends at %s, before keyacct is asked",
			    database, words[i].text);
			doctor_mend(d,
			    "sed -i -E '/^%s:/s/\\[[^]]*(NOTFOUND|!SUCCESS)=return[^]]*\\] *//I' " HOST_NSSWITCH,
			    database);
			return;
		}
	if (files < n && at < files) {
		doctor_warn(d,
		    "the line \"%s:\" of " HOST_NSSWITCH
		    " asks keyacct before files: a project could hide a local user",
		    database);
		doctor_mend(d, ANEW " && %s setup --yes", d->tool);
	} else if (at + 1 < n &&
		   !(has_action(&words[at + 1], "UNAVAIL=return") && has_action(&words[at + 1], "TRYAGAIN=return")) &&
		   !has_action(&words[at + 1], "!SUCCESS=return")) {
		doctor_warn(d,
		    "the line \"%s:\" of " HOST_NSSWITCH
		    " goes on behind keyacct when the database is unavailable: %s would say that there is no such user",
		    database, words[n - 1].text);
		doctor_mend(d, ANEW " && %s setup --yes", d->tool);
	}
}

static void
look_nsswitch(struct doctor *d)
{
	static const char *const databases[] = {"passwd", "group"};
	char *text = doctor_read(HOST_NSSWITCH), line[1024];

	if (text == NULL) {
		doctor_fail(d, HOST_NSSWITCH " cannot be read: %s", strerror(errno));
		doctor_mend(d,
		    "printf 'passwd: files\\ngroup: files\\nhosts: files dns\\n' >" HOST_NSSWITCH
		    " && chmod 644 " HOST_NSSWITCH " && %s setup --yes",
		    d->tool);
		return;
	}
	for (size_t i = 0; i < 2; i++) {
		bool found = false;
		const char *at = text;

		while (!found && doctor_next_line(&at, line, sizeof(line))) {
			size_t len = strlen(databases[i]);

			found = strncmp(line, databases[i], len) == 0 && line[len + strspn(line + len, BLANKS)] == ':';
		}
		if (found) {
			judge_line(d, databases[i], line);
			continue;
		}
		doctor_fail(d, HOST_NSSWITCH " has no line \"%s:\"", databases[i]);
		doctor_mend(d, "echo '%s: files' >>" HOST_NSSWITCH " && %s setup --yes", databases[i], d->tool);
	}
	free(text);
	doctor_ok(d, "passwd and group ask keyacct, and nobody behind it when the database is unavailable");
}

/* A module that answers "there is no such user" about nobody has looked; one that cannot look says so. */
static bool
answers(void *function)
{
	union {
		void *address;
		enum nss_status (*getpwnam)(const char *, struct passwd *, char *, size_t, int *);
	} f = {.address = function};
	struct passwd pw;
	char buf[1024];
	int saved = 0;

	return f.getpwnam(HOST_SSHD_NOBODY, &pw, buf, sizeof(buf), &saved) == NSS_STATUS_NOTFOUND;
}

/* Why the module could not read names.mdb: this process has the same rights. */
static void
mend_names(struct doctor *d)
{
	const char *names = doctor_quote(d->names);

	switch (doctor_try_file(d, KA_FILE_NAMES)) {
	case KA_OK:
	case KA_BUSY:
	case KA_NOTFOUND:
	case KA_CONFLICT:
	case KA_FAILED:
		doctor_mend(d, "%s", doctor_reinstall("libnss-keyacct"));
		return;
	case KA_CORRUPT:
		doctor_mend(d, "%s", doctor_anew(d, KA_FILE_NAMES));
		return;
	case KA_INVALID:
	case KA_UNAVAIL:
		break;
	}
	if (access(d->names, F_OK) == 0)
		doctor_mend(d, "chown root:root %s && chmod 644 %s", names, names);
	else if (access(d->access, F_OK) == 0 || errno == EACCES)
		doctor_mend(d, "%s", doctor_anew(d, KA_FILE_NAMES));
	else
		doctor_mend(d, "%s init", d->tool);
}

static void
look_module(struct doctor *d)
{
	char path[PATH_MAX];
	struct ka_error err;

	switch (doctor_load(MODULE, "_nss_keyacct_getpwnam_r", answers, path, &err)) {
	case KA_OK:
		break;
	case KA_FAILED:
		if (strcmp(d->dir, KA_DATADIR) != 0) {
			doctor_skip(d, "%s reads " KA_DATADIR ", and not %s", path, d->dir);
			return;
		}
		doctor_fail(d, "%s can be loaded, but not read " KA_DATADIR "/names.mdb: no project is a user", path);
		mend_names(d);
		return;
	case KA_NOTFOUND:
	case KA_CONFLICT:
	case KA_INVALID:
	case KA_BUSY:
	case KA_UNAVAIL:
	case KA_CORRUPT:
		doctor_fail(d, "glibc cannot load " MODULE ": %s", err.text);
		doctor_mend(d, "%s",
		    access(KA_LIBDIR "/" MODULE, F_OK) == 0 && strstr(err.text, "No such file") != NULL
			? "ldconfig"
			: doctor_reinstall("libnss-keyacct"));
		return;
	}
	if (doctor_must_be_roots(d, path, "what every process of this host loads"))
		doctor_ok(d, "%s is loaded and answers", path);
}

/* In a process of its own, and through nscd if there is one, as sshd will ask. */
static bool
asks(const char *database, const char *user, unsigned long *id)
{
	const char *const argv[] = {"getent", database, user, NULL};
	char *output = NULL, *at;
	int status = run_program(argv, NULL, &output);
	bool found = false;

	if (status == 0 && output != NULL && (at = strchr(output, ':')) != NULL && (at = strchr(at + 1, ':')) != NULL) {
		*id = strtoul(at + 1, NULL, 10);
		found = true;
	}
	free(output);
	return found;
}

static void
look_up(struct doctor *d)
{
	static const char *const databases[] = {"passwd", "group"};
	unsigned long id = 0;

	if (strcmp(d->dir, KA_DATADIR) != 0) {
		doctor_skip(d, "NSS reads " KA_DATADIR ", and not %s", d->dir);
		return;
	}
	if (!d->has_name && d->has_project) {
		doctor_fail(d, "%s does not have the project %s: it is no user", d->names, d->user);
		doctor_mend(d, "%s check --repair", d->tool);
		return;
	}
	if (!d->has_name || d->name.deleted) {
		doctor_skip(d, "there is no project to look up in %s", d->names);
		return;
	}
	/* getent takes digits alone for a number. */
	if (strspn(d->user, "0123456789") == strlen(d->user)) {
		doctor_skip(d, "getent(1) takes %s for a number", d->user);
		return;
	}
	for (size_t i = 0; i < 2; i++)
		if (!asks(databases[i], d->user, &id)) {
			doctor_fail(d, "'getent %s %s' finds nothing: sshd knows no such user", databases[i], d->user);
			doctor_mend(d, "%s setup --yes", d->tool);
		} else if (id != d->name.uid) {
			doctor_fail(d, "'getent %s %s' says %lu, and the project is %lu: somebody else answers for it",
			    databases[i], d->user, id, (unsigned long)d->name.uid);
			doctor_mend(d, "%s %s", i == 0 ? "userdel" : "groupdel", d->user);
		}
	doctor_ok(d, "the project %s is a user of this host, with uid %lu", d->user, id);
}

static bool
nscd_runs(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/run/nscd/socket"};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool runs = fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;

	if (fd >= 0)
		(void)close(fd);
	return runs;
}

static void
look_nscd(struct doctor *d)
{
	char *text, line[512], database[32], value[32];
	const char *at;

	if (!nscd_runs()) {
		doctor_ok(d, "nscd does not run here");
		return;
	}
	text = doctor_read("/etc/nscd.conf");
	at = text != NULL ? text : "";
	while (doctor_next_line(&at, line, sizeof(line))) {
		if (sscanf(line, " enable-cache %31s %31s", database, value) != 2 || strcmp(value, "yes") != 0 ||
		    (strcmp(database, "passwd") != 0 && strcmp(database, "group") != 0))
			continue;
		doctor_warn(d,
		    "nscd remembers %s: a new project may be unknown to sshd for a while, and a removed one known",
		    database);
		doctor_mend(d,
		    "sed -i -E 's/^([[:space:]]*enable-cache[[:space:]]+(passwd|group)[[:space:]]+)yes/\\1no/' "
		    "/etc/nscd.conf && systemctl restart nscd");
	}
	free(text);
	doctor_ok(d, "nscd runs, and remembers neither passwd nor group");
}

/* Match User has no digits, only a length: a local user of that length loses the keys in the home. */
static void
look_local_names(struct doctor *d)
{
	char *text = doctor_read("/etc/passwd"), line[1024], other[16];
	const char *at = text != NULL ? text : "";
	uint8_t id[KA_UUID_LEN];

	while (doctor_next_line(&at, line, sizeof(line))) {
		line[strcspn(line, ":")] = '\0';
		if (ka_uuid_from_name(line, id) == KA_OK)
			doctor_fail(
			    d, "the local user %s has a project id's name: PAM and sshd take it for a project", line);
		else if (strlen(line) == sizeof(DOCTOR_PATTERN) - 1)
			doctor_warn(d,
			    "the local user %s has a name of 32 characters: sshd does not read its authorized_keys",
			    line);
		else
			continue;
		(void)snprintf(other, sizeof(other), "local-%.8s", line);
		doctor_mend(d, "usermod --login %s %s", doctor_quote(other), doctor_quote(line));
	}
	free(text);
	doctor_ok(d, "no local user's name is as long as a project's");
}

const struct doctor_check doctor_name_checks[] = {
    {"nsswitch", look_nsswitch, NULL},
    {"nss-module", look_module, NULL},
    {"lookup", look_up, NULL},
    {"nscd", look_nscd, NULL},
    {"local-names", look_local_names, NULL},
    {.name = NULL},
};
