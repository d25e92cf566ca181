/*
 * keyacct doctor: the settings of sshd that hold for a project, one by one, wherever they come from.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "keyacct/doctor.h"
#include "keyacct/host_sshd.h"

/* What has to hold, and what follows when it does not. */
struct keyword {
	const struct host_sshd_need *need; /* NULL: as the drop-in that ships has it */
	enum doctor_result result;
	bool global;     /* no Match can set it */
	const char *why; /* NULL: as the need has it */
};

/* What the drop-in that ships says. */
static bool
read_shipped(const char *keyword, char *value, size_t size)
{
	char *text = doctor_read(HOST_DROP_IN_SHIPPED), line[1024];
	const char *at = text != NULL ? text : "";
	bool found = false;

	while (!found && doctor_next_line(&at, line, sizeof(line))) {
		const char *word = line + strspn(line, " \t");
		size_t len = strlen(keyword);

		found = strncasecmp(word, keyword, len) == 0 && word[len] == ' ';
		if (found)
			(void)snprintf(value, size, "%s", word + len + 1);
	}
	free(text);
	return found;
}

static bool
is_same_file(const char *a, const char *b)
{
	char *first = doctor_read(a), *second = doctor_read(b);
	bool same = first != NULL && second != NULL && strcmp(first, second) == 0;

	free(first);
	free(second);
	return same;
}

/* A line of somebody else's that came first: out of the way, for projects and for nobody else where that can be. */
static void
mend_place(struct doctor *d, const struct keyword *k, const char *value, const struct doctor_place *place)
{
	const char *name = strrchr(place->path, '/') + 1;
	char setting[1280];

	if (k->global) {
		doctor_mend(d, "sed -i '%uc %s %s' %s && " DOCTOR_RELOAD, place->line, d->check->name, value,
		    doctor_quote(place->path));
	} else if (!place->in_match) {
		(void)snprintf(setting, sizeof(setting), "%s %s", d->check->name, value);
		doctor_mend(d,
		    "printf '%%s\\n' 'Match User " DOCTOR_PATTERN
		    "' %s >/etc/ssh/sshd_config.d/01-projects-%s.conf && " DOCTOR_RELOAD,
		    doctor_quote(setting), d->check->name);
	} else if (strncmp(place->path, "/etc/ssh/sshd_config.d/", 23) == 0) {
		doctor_mend(d, "mv %s /etc/ssh/sshd_config.d/50-%s && " DOCTOR_RELOAD, doctor_quote(place->path),
		    doctor_quote(name));
	} else {
		doctor_mend(d, "sed -i '%us/^/#/' %s && " DOCTOR_RELOAD, place->line, doctor_quote(place->path));
	}
}

static void
mend(struct doctor *d, const struct keyword *k, const char *value, const char *found)
{
	struct doctor_place place;

	if (doctor_find_keyword(d->check->name, found, &place) || doctor_find_keyword(d->check->name, NULL, &place))
		mend_place(d, k, value, &place);
	else if (k->need != NULL)
		doctor_mend(d, "sed -i '1i %s %s' /etc/ssh/sshd_config && " DOCTOR_RELOAD, d->check->name, value);
	else if (!doctor_reads_drop_in())
		doctor_mend(
		    d, "sed -i '1i Include /etc/ssh/sshd_config.d/*.conf' /etc/ssh/sshd_config && " DOCTOR_RELOAD);
	else if (access(HOST_DROP_IN, F_OK) == 0)
		doctor_mend(d, "mv " HOST_DROP_IN " " HOST_DROP_IN ".old && %s setup --yes && " DOCTOR_RELOAD, d->tool);
	else
		doctor_mend(d, "%s setup --yes && " DOCTOR_RELOAD, d->tool);
}

/* To the letter, but that more factors than the key may be asked for. */
static bool
is_enough(const char *keyword, const char *found, const char *wanted)
{
	char lists[1024], *rest = NULL;

	if (strcasecmp(keyword, "AuthenticationMethods") != 0)
		return host_sshd_same(found, wanted);
	(void)snprintf(lists, sizeof(lists), "%s", found);
	for (char *list = strtok_r(lists, " ", &rest); list != NULL; list = strtok_r(NULL, " ", &rest))
		if (strstr(list, wanted) == NULL)
			return false;
	return found[0] != '\0';
}

static void
judge(struct doctor *d, const struct keyword *k)
{
	char wanted[1024], found[1024] = "none";

	if (!doctor_needs_root(d))
		return;
	if (d->sshd == NULL) {
		doctor_skip(d, "sshd does not say what it is configured to do");
		return;
	}
	(void)snprintf(wanted, sizeof(wanted), "%s", k->need != NULL ? k->need->value : "");
	if (k->need == NULL && !read_shipped(d->check->name, wanted, sizeof(wanted))) {
		doctor_fail(d, HOST_DROP_IN_SHIPPED " is missing or says nothing of %s", d->check->name);
		doctor_mend(d, "%s", doctor_reinstall("keyacct"));
		return;
	}
	(void)host_sshd_value(d->sshd, d->check->name, 0, found, sizeof(found));
	if (is_enough(d->check->name, found, wanted)) {
		doctor_ok(d, "%s %s", d->check->name, found);
		return;
	}
	(k->result == DOCTOR_FAILURE ? doctor_fail : doctor_warn)(d,
	    "sshd has \"%s %s\" for projects, and not \"%s\": %s", d->check->name, found, wanted,
	    k->need != NULL ? k->need->why : k->why);
	mend(d, k, wanted, found);
}

static void
look_keyword(struct doctor *d)
{
	judge(d, d->check->about);
}

static void
look_drop_in(struct doctor *d)
{
	if (access(HOST_DROP_IN, F_OK) != 0 && d->sshd != NULL &&
	    host_sshd_is(d->sshd, "AuthorizedKeysCommandUser", "keyacct")) {
		doctor_ok(d, "sshd has our settings from elsewhere than " HOST_DROP_IN);
	} else if (access(HOST_DROP_IN, F_OK) != 0) {
		doctor_fail(d, HOST_DROP_IN " is missing: keyacct is not in service here");
		doctor_mend(d, "%s setup --yes && " DOCTOR_RELOAD, d->tool);
	} else if (!doctor_reads_drop_in() && access("/etc/ssh/sshd_config", R_OK) == 0) {
		doctor_fail(d, "/etc/ssh/sshd_config does not include " HOST_DROP_IN);
		doctor_mend(
		    d, "sed -i '1i Include /etc/ssh/sshd_config.d/*.conf' /etc/ssh/sshd_config && " DOCTOR_RELOAD);
	} else if (!is_same_file(HOST_DROP_IN, HOST_DROP_IN_SHIPPED)) {
		doctor_warn(d, HOST_DROP_IN " is not as it ships (" HOST_DROP_IN_SHIPPED ")");
		doctor_mend(d, "mv " HOST_DROP_IN " " HOST_DROP_IN ".old && %s setup --yes && " DOCTOR_RELOAD, d->tool);
	} else if (doctor_must_be_roots(d, HOST_DROP_IN, "what sshd does for projects")) {
		doctor_ok(d, HOST_DROP_IN " is as it ships");
	}
}

#define NEED(need, global)                                                        \
	&(const struct keyword)                                                   \
	{                                                                         \
		&host_sshd_needed[HOST_SSHD_##need], DOCTOR_FAILURE, global, NULL \
	}
#define SHIPPED_IS(result, why)          \
	&(const struct keyword)          \
	{                                \
		NULL, result, false, why \
	}

const struct doctor_check doctor_keyword_checks[] = {
    {"drop-in", look_drop_in, NULL},
    {"UsePAM", look_keyword, NEED(NEEDS_PAM, true)},
    {"FingerprintHash", look_keyword, NEED(NEEDS_HASH, true)},
    {"PubkeyAuthentication", look_keyword, NEED(NEEDS_KEYS, false)},
    {"AuthorizedKeysCommand", look_keyword, SHIPPED_IS(DOCTOR_FAILURE, "nobody asks keyacct about a key")},
    {"AuthorizedKeysCommandUser", look_keyword,
	SHIPPED_IS(DOCTOR_FAILURE, "the helper has to read the database, and no more")},
    {"AuthorizedKeysFile", look_keyword,
	SHIPPED_IS(DOCTOR_FAILURE, "whoever can write into the home lets in keys that keyacct does not know")},
    {"AuthenticationMethods", look_keyword,
	SHIPPED_IS(DOCTOR_FAILURE, "a project is entered by its members' keys alone")},
    {"TrustedUserCAKeys", look_keyword,
	SHIPPED_IS(DOCTOR_FAILURE, "a certificate lets in who is no member, without asking keyacct")},
    {"ForceCommand", look_keyword, NEED(NEEDS_NO_COMMAND, false)},
    {"PermitTunnel", look_keyword, SHIPPED_IS(DOCTOR_WARNING, "a project's member can reach the host's network layer")},
    {"AllowStreamLocalForwarding", look_keyword,
	SHIPPED_IS(DOCTOR_WARNING, "a project's policy about forwarded ports does not cover Unix sockets")},
    {"GatewayPorts", look_keyword, SHIPPED_IS(DOCTOR_WARNING, "a forwarded port is open to the network")},
    {"PermitUserRC", look_keyword,
	SHIPPED_IS(DOCTOR_WARNING, "~/.ssh/rc, which every member can write, runs before a restricted command")},
    {.name = NULL},
};
