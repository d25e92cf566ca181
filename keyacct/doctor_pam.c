/*
 * keyacct doctor: does PAM ask us, before it asks anybody else, about projects alone, and with a no that counts? And
 * can it, and does the registry of sessions that it writes belong to root?
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "keyacct/doctor.h"

#define OURS   "pam_keyacct.so"
#define GATE   "pam_succeed_if.so"
#define BLANKS " \t" JOINED
#define JOINED "\v"

/* Takes every line of ours out, also changed ones; setup puts the shipped ones in where they belong. */
#define ANEW                                                                                                       \
	"sed -i -E -e '/^# keyacct:/,/^([^#]|$)/{/^#/d}' -e '/pam_keyacct\\.so/d' -e '/pam_succeed_if\\.so quiet " \
	"user =~ \\?{32}$/d' "                                                                                     \
	"-e '/pam_mkhomedir\\.so silent umask=0077$/d' -e '/^account optional +pam_permit\\.so$/d' " HOST_PAM_SSHD

/* One line of a stack. */
struct entry {
	unsigned first, last; /* its lines */
	char type[16], control[256], module[256], args[512];
};

#define ENTRIES_MAX 128

struct stack {
	struct entry entry[ENTRIES_MAX];
	size_t n;
};

static const char *
word_of(const char *at, char *out, size_t size)
{
	size_t len;

	at += strspn(at, BLANKS);
	len = *at == '[' ? strcspn(at, "]") + 1 : strcspn(at, BLANKS);
	if (len > strlen(at))
		len = strlen(at);
	(void)snprintf(out, size, "%.*s", (int)len, at);
	return at + len;
}

/* As PAM reads it: without comments, and a backslash at the end of a line joins the next to it. */
static void
join_lines(char *text)
{
	for (char *line = text, *end; *line != '\0'; line = end + (*end != '\0')) {
		char *hash = line + strcspn(line, "#\n"), *last;

		end = hash + strcspn(hash, "\n");
		memset(hash, ' ', (size_t)(end - hash));
		for (last = end; last > line && strchr(BLANKS, last[-1]) != NULL; last--)
			;
		if (last == line || last[-1] != '\\' || *end == '\0')
			continue;
		last[-1] = ' ';
		*end = JOINED[0];
	}
}

/* Has an included file lines of ${type}? Debian has a file for each. */
static bool
is_about(const char *file, const char *type)
{
	static const char *const others[] = {"common-auth", "common-account", "common-password", "common-session"};

	for (size_t i = 0; i < 4; i++)
		if (strncmp(file, others[i], strlen(others[i])) == 0)
			return strcmp(others[i] + strlen("common-"), type) == 0;
	return true;
}

/* The entry of a line. Returns whether it is of ${type}, as every "@include" is that may have one. */
static bool
read_entry(const char *line, const char *type, struct entry *e)
{
	const char *rest = word_of(line, e->type, sizeof(e->type));

	if (strcasecmp(e->type, "@include") == 0) {
		(void)word_of(rest, e->module, sizeof(e->module));
		return is_about(e->module, type);
	}
	rest = word_of(word_of(rest, e->control, sizeof(e->control)), e->module, sizeof(e->module));
	(void)snprintf(e->args, sizeof(e->args), "%s", rest + strspn(rest, BLANKS));
	return strcasecmp(e->type + (e->type[0] == '-'), type) == 0;
}

static bool
read_stack(const char *type, struct stack *stack)
{
	char *text = doctor_read(HOST_PAM_SSHD), line[1024];
	const char *at = text, *begin = text;
	unsigned n = 1;

	if (text != NULL)
		join_lines(text);
	stack->n = 0;
	while (text != NULL && stack->n < ENTRIES_MAX && doctor_next_line(&at, line, sizeof(line))) {
		struct entry *e = &stack->entry[stack->n];

		memset(e, 0, sizeof(*e));
		for (e->first = e->last = n; begin < at; begin++, n += begin[-1] == '\n')
			if (*begin == JOINED[0])
				e->last = ++n;
		stack->n += read_entry(line, type, e);
	}
	free(text);
	return text != NULL;
}

static bool
is_module(const struct entry *e, const char *name)
{
	const char *slash = strrchr(e->module, '/');

	return strcmp(slash != NULL ? slash + 1 : e->module, name) == 0;
}

/* How many entries the gate skips for everybody who is no project, or -1: it is none of ours. */
static int
gate_skips(const struct entry *e)
{
	const char *at = strstr(e->control, "auth_err=");

	if (!is_module(e, GATE) || strstr(e->args, "user =~ " DOCTOR_PATTERN) == NULL ||
	    strstr(e->control, "success=ignore") == NULL)
		return -1;
	if (at != NULL)
		return atoi(at + strlen("auth_err="));
	return (at = strstr(e->control, "default=")) != NULL ? atoi(at + strlen("default=")) : -1;
}

/* What a control in brackets does with a return value: the word behind its name, or behind "default", or nothing. */
static void
action_of(const char *control, const char *value, char action[static 16])
{
	const char *at = control + 1;
	bool exact = false;
	char name[32];

	action[0] = '\0';
	while (at += strspn(at, BLANKS), *at != '\0' && *at != ']') {
		size_t len = strcspn(at, "=]" BLANKS);

		(void)snprintf(name, sizeof(name), "%.*s", (int)len, at);
		at += len + strspn(at + len, "=" BLANKS);
		len = strcspn(at, "]" BLANKS);
		if (strcmp(name, value) == 0 || (!exact && strcmp(name, "default") == 0))
			(void)snprintf(action, 16, "%.*s", (int)len, at);
		exact = exact || strcmp(name, value) == 0;
		at += len;
	}
}

/* Does any action of this control jump over more than ${most} entries? */
static bool
jumps_over(const char *control, size_t most)
{
	for (const char *at = strchr(control, '='); at != NULL; at = strchr(at, '=')) {
		at += 1 + strspn(at + 1, BLANKS);
		if (strtoul(at, NULL, 10) > most)
			return true;
	}
	return false;
}

/*
 * Can the stack go on without us, or end well, after the entry ${i}, when ours is ${at}? A failure that ends it is none
 * of our business. PAM takes "done" for an end also of what an earlier entry said, when this one says "ignore":
 * libpam, pam_dispatch.c.
 */
static bool
ends_before_us(const struct stack *s, size_t i, size_t at)
{
	static const char *const keywords[] = {"sufficient", "include", "substack"};
	static const char *const good[] = {"success", "new_authtok_reqd", "ignore"};
	const struct entry *e = &s->entry[i];
	char action[16];

	if (strcasecmp(e->type, "@include") == 0)
		return true;
	for (size_t n = 0; n < 3; n++)
		if (strcasecmp(e->control, keywords[n]) == 0)
			return true;
	if (e->control[0] != '[' || gate_skips(e) >= 0)
		return false;
	for (size_t n = 0; n < 3; n++) {
		action_of(e->control, good[n], action);
		if (strcmp(action, "done") == 0)
			return true;
	}
	return jumps_over(e->control, at - i - 1);
}

/* As many as follow it and are there for projects alone. */
static int
entries_of_ours(const struct stack *s, size_t at)
{
	int n = 0;

	for (size_t i = at; i < s->n && (is_module(&s->entry[i], OURS) || is_module(&s->entry[i], "pam_mkhomedir.so"));
	     i++)
		n++;
	return n;
}

static void
judge_gate(struct doctor *d, const struct stack *s, size_t at)
{
	int skips = at > 0 ? gate_skips(&s->entry[at - 1]) : -1;

	if (skips < 0) {
		doctor_warn(d, "nothing keeps root and local users out of " OURS " in " HOST_PAM_SSHD
			       ": were the module missing, they could not log in");
		doctor_mend(d, ANEW " && %s setup --yes", d->tool);
	} else if (skips != entries_of_ours(s, at)) {
		doctor_fail(d,
		    "the line before " OURS " in " HOST_PAM_SSHD " skips %d lines for who is no project, and not %d",
		    skips, entries_of_ours(s, at));
		doctor_mend(d, ANEW " && %s setup --yes", d->tool);
	}
}

/*
 * setup puts ours before every session line, and before "@include common-account". Of what stands before that, a line
 * of account goes to the end of the file, and one that jumps is put out of action: it would jump over others there.
 */
static void
mend_before(struct doctor *d, const char *type, const struct entry *e, bool jumps)
{
	if (strcmp(type, "session") == 0 || (e->type[0] == '@' && strcmp(e->module, "common-account") == 0))
		doctor_mend(d, ANEW " && %s setup --yes", d->tool);
	else if (e->type[0] == '@')
		doctor_mend(d, "editor " HOST_PAM_SSHD);
	else if (jumps)
		doctor_mend(d, "sed -i '%u,%us/^/#/' " HOST_PAM_SSHD, e->first, e->last);
	else
		doctor_mend(d, "sed -i -e '%u,%u{H;d}' -e '${G;s/\\n\\n/\\n/}' " HOST_PAM_SSHD, e->first, e->last);
}

static void
judge_before(struct doctor *d, const char *type, const struct stack *s, size_t at)
{
	for (size_t i = 0; i < at; i++) {
		const struct entry *e = &s->entry[i];

		if (!ends_before_us(s, i, at))
			continue;
		doctor_fail(d,
		    "\"%s %s\" stands before " OURS " in the %s lines of " HOST_PAM_SSHD ", which may not be reached",
		    e->control[0] != '\0' ? e->control : e->type, e->module, type);
		mend_before(d, type, e, e->control[0] == '[' && jumps_over(e->control, at - i - 1));
		return;
	}
}

/* Our line is gone, and what stands in front of it is not: does it skip a line now that others need? */
static void
judge_lone_gate(struct doctor *d, const char *type, const struct stack *s)
{
	for (size_t i = 0; i < s->n; i++)
		for (int skips = gate_skips(&s->entry[i]), n = 1; n <= skips; n++) {
			size_t next = i + (size_t)n;

			if (next < s->n && (is_module(&s->entry[next], "pam_permit.so") ||
					       is_module(&s->entry[next], "pam_mkhomedir.so")))
				continue;
			doctor_fail(d,
			    "the line that keeps others out of " OURS " is still in the %s lines of " HOST_PAM_SSHD
			    " and skips \"%s\" in its place: root and local users may be locked out",
			    type, next < s->n ? s->entry[next].module : "the end");
			doctor_mend(d, ANEW " && %s setup --yes", d->tool);
			return;
		}
}

static void
judge_control(struct doctor *d, const char *type, const char *control)
{
	bool session = strcmp(type, "session") == 0;

	if (strcmp(control, "requisite") == 0 || (!session && strcmp(control, "required") == 0))
		return;
	doctor_fail(d, OURS " is \"%s\" in the %s lines of " HOST_PAM_SSHD ": %s", control, type,
	    strcmp(control, "required") == 0 ? "a session that it refuses is begun all the same"
					     : "its no does not count");
	doctor_mend(d, ANEW " && %s setup --yes", d->tool);
}

static void
judge_stack(struct doctor *d, const char *type, const struct stack *s)
{
	size_t at = 0;

	while (at < s->n && !is_module(&s->entry[at], OURS))
		at++;
	if (at == s->n) {
		doctor_fail(d, HOST_PAM_SSHD " has no %s line with " OURS ": %s", type,
		    strcmp(type, "session") == 0 ? "no key is checked again, and no use is noted"
						 : "archived projects can be entered");
		doctor_mend(d, ANEW " && %s setup --yes", d->tool);
		judge_lone_gate(d, type, s);
		return;
	}
	judge_control(d, type, s->entry[at].control);
	judge_before(d, type, s, at);
	judge_gate(d, s, at);
	doctor_ok(d, OURS " is asked first, about projects alone, and its no counts");
}

static void
look_stack(struct doctor *d)
{
	static struct stack stack;
	const char *type = d->check->about;

	if (read_stack(type, &stack)) {
		judge_stack(d, type, &stack);
	} else {
		doctor_fail(d, HOST_PAM_SSHD " cannot be read: %s", strerror(errno));
		doctor_mend(d, "%s && %s setup --yes",
		    access(HOST_PAM_SSHD, F_OK) == 0
			? "chmod 644 " HOST_PAM_SSHD
			: "apt-get install --reinstall -o Dpkg::Options::=--force-confmiss openssh-server",
		    d->tool);
	}
}

/* What an argument of ours says about the directory: another than the one that is looked at here is another database.
 */
static void
look_arguments(struct doctor *d)
{
	static const char *const types[] = {"account", "session"};
	static struct stack stack;
	char want[PATH_MAX + 8];
	bool found = false;

	(void)snprintf(want, sizeof(want), "dir=%s", d->dir);
	for (size_t i = 0; i < 2; i++) {
		(void)read_stack(types[i], &stack);
		for (size_t n = 0; n < stack.n; n++) {
			const struct entry *e = &stack.entry[n];
			const char *dir = strstr(e->args, "dir=");

			if (!is_module(e, OURS))
				continue;
			found = true;
			if (dir == NULL
				? strcmp(d->dir, KA_DATADIR) == 0
				: strncmp(dir, want, strlen(want)) == 0 && strchr(BLANKS, dir[strlen(want)]) != NULL)
				continue;
			doctor_warn(d, OURS " asks another database than %s in the %s lines of " HOST_PAM_SSHD ": %s",
			    d->dir, types[i], dir != NULL ? dir : KA_DATADIR);
			doctor_mend(d, ANEW " && %s setup --yes", d->tool);
		}
	}
	if (!found)
		doctor_skip(d, HOST_PAM_SSHD " has no line of ours");
	doctor_ok(d, OURS " asks the database %s", d->dir);
}

static void
look_module(struct doctor *d)
{
	static const char *const stock[] = {GATE, "pam_mkhomedir.so"};
	char path[PATH_MAX];
	struct ka_error err;

	for (size_t i = 0; i < 2; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", KA_PAMDIR, stock[i]);
		if (access(path, F_OK) == 0)
			continue;
		doctor_fail(d, "%s is missing, which a line of ours in " HOST_PAM_SSHD " needs", path);
		doctor_mend(d, "apt-get install --reinstall libpam-modules");
	}
	if (doctor_load(KA_PAMDIR "/" OURS, "pam_sm_open_session", NULL, path, &err) != KA_OK) {
		doctor_fail(d, "PAM cannot load " OURS ", so no project can be entered: %s", err.text);
		doctor_mend(d, "%s", doctor_reinstall("libpam-keyacct"));
	} else if (doctor_must_be_roots(d, path, "what sshd runs as root")) {
		doctor_ok(d, "%s can be loaded", path);
	}
}

static void
look_registry(struct doctor *d)
{
	static const char *const paths[] = {KA_RUNDIR, KA_RUNDIR "/sessions"};
	struct stat st;

	for (size_t i = 0; i < 2; i++) {
		if (lstat(paths[i], &st) != 0) {
			if (errno == EACCES)
				doctor_skip(d, "only root can look at %s", paths[i]);
			break;
		}
		if (!S_ISDIR(st.st_mode)) {
			doctor_fail(d, "%s is no directory: no session can be entered there", paths[i]);
			doctor_mend(
			    d, "mv %s %s.strange && systemd-tmpfiles --create keyacct.conf", paths[i], paths[i]);
			break;
		}
		if (st.st_uid != 0 || (st.st_mode & 077) != 0) {
			doctor_fail(d,
			    "%s is not root's alone (uid %lu, mode %04o): others could hide sessions or invent them",
			    paths[i], (unsigned long)st.st_uid, st.st_mode & 07777U);
			doctor_mend(d, "chown root:root %s && chmod 700 %s", paths[i], paths[i]);
		}
	}
	doctor_ok(d, "the registry of sessions, " KA_RUNDIR ", is root's alone");
}

const struct doctor_check doctor_pam_checks[] = {
    {"pam-account", look_stack, "account"},
    {"pam-session", look_stack, "session"},
    {"pam-arguments", look_arguments, NULL},
    {"pam-module", look_module, NULL},
    {"registry", look_registry, NULL},
    {.name = NULL},
};
