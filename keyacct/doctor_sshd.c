/*
 * keyacct doctor: does sshd run, does it take its configuration, and does it let projects in by name?
 */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keyacct/doctor.h"
#include "keyacct/host_sshd.h"

/* sshd names the line that it does not take: "FILE: line 12: Bad ..." or "FILE line 12: ...". */
static bool
find_bad_line(const char *text, struct doctor_place *place)
{
	const char *at = strstr(text, " line "), *file;

	if (at == NULL || sscanf(at, " line %u", &place->line) != 1)
		return false;
	for (file = at; file > text && file[-1] != ' '; file--)
		;
	(void)snprintf(place->path, sizeof(place->path), "%.*s", (int)(at - file - (at[-1] == ':')), file);
	return place->path[0] == '/';
}

static void
look_config(struct doctor *d)
{
	struct doctor_place place;
	const char *why = d->sshd_err.text;

	if (!doctor_needs_root(d))
		return;
	if (d->sshd != NULL) {
		doctor_ok(d, "sshd takes its configuration");
		return;
	}
	doctor_fail(d, "%s", why);
	if (d->sshd_result == KA_NOTFOUND)
		doctor_mend(d, "apt-get install openssh-server");
	else if (strstr(why, "privilege separation directory") != NULL)
		doctor_mend(d, "mkdir -m 755 /run/sshd");
	else if (strstr(why, "hostkeys") != NULL)
		doctor_mend(d, "ssh-keygen -A");
	else if (find_bad_line(why, &place))
		doctor_mend(d, "sed -i '%us/^/#/' %s && " DOCTOR_RELOAD, place.line, doctor_quote(place.path));
	else
		doctor_mend(d, "sshd -t");
}

/* Is there a socket of this host, in ${file} of /proc/net, that listens on ${port}? */
static bool
listens(const char *file, unsigned port)
{
	char *text = doctor_read(file), line[512];
	const char *at = text != NULL ? text : "";
	bool found = false;

	while (!found && doctor_next_line(&at, line, sizeof(line))) {
		unsigned local, state;

		/* 0A: TCP_LISTEN */
		found = sscanf(line, " %*u: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x", &local, &state) == 2 &&
			local == port && state == 0x0a;
	}
	free(text);
	return found;
}

static void
look_listens(struct doctor *d)
{
	char value[64];
	unsigned port = 22;

	if (d->sshd != NULL && host_sshd_value(d->sshd, "Port", 0, value, sizeof(value)))
		port = (unsigned)strtoul(value, NULL, 10);
	if (!listens("/proc/net/tcp", port) && !listens("/proc/net/tcp6", port)) {
		doctor_fail(d, "nobody listens on port %u: \"Connection refused\"", port);
		doctor_mend(d, "systemctl enable --now ssh");
	}
	doctor_ok(d, "port %u is listened on", port);
}

/* By name */

static bool
skips_sshd(struct doctor *d)
{
	if (!doctor_needs_root(d))
		return true;
	if (d->sshd == NULL)
		doctor_skip(d, "sshd does not say what it is configured to do");
	return d->sshd == NULL;
}

/* "USER@HOST" limits where from. */
static bool
matches(const char *pattern, const char *user, bool *by_host)
{
	const char *host = strrchr(pattern, '@');
	char name[256];

	(void)snprintf(
	    name, sizeof(name), "%.*s", host != NULL ? (int)(host - pattern) : (int)strlen(pattern), pattern);
	*by_host = host != NULL;
	return fnmatch(name, user, FNM_NOESCAPE) == 0;
}

/* How a list names the project, whose one group is called as it is. */
enum listed { LIST_NONE, LIST_OTHERS, LIST_BY_HOST, LIST_NAMED };

static enum listed
find_in_list(const struct doctor *d, const char *keyword, char pattern[static 256])
{
	enum listed listed = LIST_NONE, one;
	char value[256];
	bool by_host;

	for (unsigned i = 0; host_sshd_value(d->sshd, keyword, i, value, sizeof(value)); i++) {
		one = !matches(value, d->user, &by_host) ? LIST_OTHERS : by_host ? LIST_BY_HOST : LIST_NAMED;
		if (one <= listed)
			continue;
		listed = one;
		(void)snprintf(pattern, 256, "%s", value);
	}
	return listed;
}

static void
judge_allow(struct doctor *d, const char *keyword)
{
	struct doctor_place place;
	char pattern[256];

	switch (find_in_list(d, keyword, pattern)) {
	case LIST_NONE:
	case LIST_NAMED:
		return;
	case LIST_BY_HOST:
		doctor_warn(d, "%s \"%s\" of sshd lets projects in from some hosts alone", keyword, pattern);
		break;
	case LIST_OTHERS:
		doctor_fail(d, "%s of sshd leaves projects out: nobody can log in to one", keyword);
		break;
	}
	if (doctor_find_keyword(keyword, NULL, &place))
		doctor_mend(d, "sed -i '%us/$/ " DOCTOR_PATTERN "/' %s && " DOCTOR_RELOAD, place.line,
		    doctor_quote(place.path));
}

/* Out of a line's list, or the line, when it has nothing else. */
static void
mend_deny(struct doctor *d, const struct doctor_place *place, const char *pattern)
{
	char escaped[512], *to = escaped;

	if (strlen(place->value) == strlen(pattern)) {
		doctor_mend(d, "sed -i '%us/^/#/' %s && " DOCTOR_RELOAD, place->line, doctor_quote(place->path));
		return;
	}
	for (; *pattern != '\0'; *to++ = *pattern++)
		if (strchr(".*[]^$/\\", *pattern) != NULL)
			*to++ = '\\';
	*to = '\0';
	doctor_mend(d, "sed -i '%us/[[:space:]]%s\\([[:space:]]\\|$\\)/\\1/' %s && " DOCTOR_RELOAD, place->line,
	    escaped, doctor_quote(place->path));
}

static void
judge_deny(struct doctor *d, const char *keyword)
{
	struct doctor_place place;
	char pattern[256];
	enum listed listed = find_in_list(d, keyword, pattern);

	if (listed != LIST_BY_HOST && listed != LIST_NAMED)
		return;
	doctor_fail(d, "%s \"%s\" of sshd keeps %s out%s", keyword, pattern, d->user,
	    listed == LIST_BY_HOST ? " from some hosts" : "");
	if (doctor_find_keyword(keyword, pattern, &place))
		mend_deny(d, &place, pattern);
}

static void
look_allowed(struct doctor *d)
{
	if (skips_sshd(d))
		return;
	judge_deny(d, "DenyUsers");
	judge_allow(d, "AllowUsers");
	judge_deny(d, "DenyGroups");
	judge_allow(d, "AllowGroups");
	doctor_ok(d, "neither AllowUsers nor AllowGroups, DenyUsers or DenyGroups keeps projects out");
}

const struct doctor_check doctor_sshd_checks[] = {
    {"sshd-config", look_config},
    {"sshd-listens", look_listens},
    {"sshd-reloaded", doctor_look_reloaded},
    {"sshd-allowed", look_allowed},
    {NULL, NULL},
};
