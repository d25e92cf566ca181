/*
 * keyacct doctor: does sshd run, does it take its configuration, and does it let projects in by name?
 */
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

/* A list that names projects one by one is meant so: only who asks about one that it keeps out has to be helped. */
static void
judge_allow(struct doctor *d, const char *keyword)
{
	struct doctor_place place;
	char pattern[256];
	const char *all = DOCTOR_PATTERN;

	switch (host_sshd_judge_list(d->sshd, keyword, d->user, pattern, sizeof(pattern))) {
	case HOST_SSHD_NO_LIST:
	case HOST_SSHD_LISTED:
		return;
	case HOST_SSHD_BY_HOST:
		doctor_warn(d, "%s \"%s\" of sshd lets projects in from some hosts alone", keyword, pattern);
		break;
	case HOST_SSHD_PROJECTS:
		(d->asked ? doctor_fail : doctor_warn)(
		    d, "%s of sshd names projects one by one, and not %s: nobody can log in to it", keyword, d->user);
		all = d->user;
		break;
	case HOST_SSHD_OTHERS:
		doctor_fail(d, "%s of sshd leaves projects out: nobody can log in to %s", keyword, d->user);
		break;
	}
	if (doctor_find_keyword(keyword, NULL, &place))
		doctor_mend(d, "sed -i '%us/$/ %s/' %s && " DOCTOR_RELOAD, place.line, all, doctor_quote(place.path));
}

/* Out of a line's list, or the line, when it has nothing else. */
static void
mend_deny(struct doctor *d, const struct doctor_place *place, const char *pattern)
{
	char script[1024];

	if (strlen(place->value) == strlen(pattern)) {
		doctor_mend(d, "sed -i '%us/^/#/' %s && " DOCTOR_RELOAD, place->line, doctor_quote(place->path));
		return;
	}
	(void)snprintf(script, sizeof(script), "%us/[[:space:]]%s\\([[:space:]]\\|$\\)/\\1/", place->line,
	    doctor_pattern(pattern));
	doctor_mend(d, "sed -i %s %s && " DOCTOR_RELOAD, doctor_quote(script), doctor_quote(place->path));
}

static void
judge_deny(struct doctor *d, const char *keyword)
{
	struct doctor_place place;
	char pattern[256];

	switch (host_sshd_judge_list(d->sshd, keyword, d->user, pattern, sizeof(pattern))) {
	case HOST_SSHD_NO_LIST:
	case HOST_SSHD_OTHERS:
	case HOST_SSHD_PROJECTS:
		return;
	case HOST_SSHD_BY_HOST:
		doctor_warn(d, "%s \"%s\" of sshd keeps %s out from some hosts", keyword, pattern, d->user);
		break;
	case HOST_SSHD_LISTED:
		(host_sshd_is_project(pattern) && !d->asked ? doctor_warn : doctor_fail)(
		    d, "%s \"%s\" of sshd keeps %s out", keyword, pattern, d->user);
		break;
	}
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
    {"sshd-config", look_config, NULL},
    {"sshd-listens", look_listens, NULL},
    {"sshd-reloaded", doctor_look_reloaded, NULL},
    {"sshd-allowed", look_allowed, NULL},
    {.name = NULL},
};
