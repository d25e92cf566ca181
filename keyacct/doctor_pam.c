/*
 * keyacct doctor: does PAM ask us, before it asks anybody else, about projects alone, and with a no that counts? And
 * can it, and does the registry of sessions that it writes belong to root?
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keyacct/doctor.h"

#define SERVICE "/etc/pam.d/sshd"
#define OURS    "pam_keyacct.so"
#define GATE    "pam_succeed_if.so"
#define BLANKS  " \t"

/* Takes every line of ours out, also changed ones; setup puts the shipped ones in where they belong. */
#define ANEW                                                                                                       \
	"sed -i -E -e '/^# keyacct:/,/^([^#]|$)/{/^#/d}' -e '/pam_keyacct\\.so/d' -e '/pam_succeed_if\\.so quiet " \
	"user =~ \\?{32}$/d' "                                                                                     \
	"-e '/pam_mkhomedir\\.so silent umask=0077$/d' -e '/^account optional +pam_permit\\.so$/d' " SERVICE

/* One line of a stack. */
struct entry {
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

/* The entries of ${type}, and every "@include" as one of its own. */
static bool
read_stack(const char *type, struct stack *stack)
{
	char *text = doctor_read(SERVICE), line[1024];
	const char *at = text, *rest;

	stack->n = 0;
	while (text != NULL && stack->n < ENTRIES_MAX && doctor_next_line(&at, line, sizeof(line))) {
		struct entry *e = &stack->entry[stack->n];

		memset(e, 0, sizeof(*e));
		line[strcspn(line, "#")] = '\0';
		rest = word_of(line, e->type, sizeof(e->type));
		if (strcmp(e->type, "@include") == 0) {
			(void)word_of(rest, e->module, sizeof(e->module));
			/* Debian has a file for each type. */
			stack->n += strstr(e->module, type) != NULL;
			continue;
		}
		if (strcmp(e->type + (e->type[0] == '-'), type) != 0)
			continue;
		rest = word_of(word_of(rest, e->control, sizeof(e->control)), e->module, sizeof(e->module));
		(void)snprintf(e->args, sizeof(e->args), "%s", rest + strspn(rest, BLANKS));
		stack->n++;
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

/* Does a yes of this entry end the stack before we are asked? */
static bool
ends_before_us(const struct entry *e)
{
	return strcmp(e->type, "@include") == 0 || strcmp(e->control, "sufficient") == 0 ||
	       strstr(e->control, "success=done") != NULL || strcmp(e->control, "include") == 0;
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
		doctor_warn(d, "nothing keeps root and local users out of " OURS " in " SERVICE
			       ": were the module missing, they could not log in");
		doctor_mend(d, ANEW " && %s setup --yes", d->tool);
	} else if (skips != entries_of_ours(s, at)) {
		doctor_fail(d,
		    "the line before " OURS " in " SERVICE " skips %d lines for who is no project, and not %d", skips,
		    entries_of_ours(s, at));
		doctor_mend(d, ANEW " && %s setup --yes", d->tool);
	}
}

static void
judge_stack(struct doctor *d, const char *type, const struct stack *s)
{
	bool session = strcmp(type, "session") == 0;
	const char *control;
	size_t at = 0;

	while (at < s->n && !is_module(&s->entry[at], OURS))
		at++;
	if (at == s->n) {
		doctor_fail(d, SERVICE " has no %s line with " OURS ": %s", type,
		    session ? "no key is checked again, and no use is noted" : "archived projects can be entered");
		doctor_mend(d, ANEW " && %s setup --yes", d->tool);
		return;
	}
	control = s->entry[at].control;
	if (strcmp(control, "requisite") != 0 && (session || strcmp(control, "required") != 0)) {
		doctor_fail(d, OURS " is \"%s\" in the %s lines of " SERVICE ": %s", control, type,
		    strcmp(control, "required") == 0 ? "a session that it refuses is begun all the same"
						     : "its no does not count");
		doctor_mend(d, ANEW " && %s setup --yes", d->tool);
	}
	for (size_t i = 0; i < at; i++)
		if (ends_before_us(&s->entry[i])) {
			doctor_fail(d,
			    "\"%s %s\" stands before " OURS " in the %s lines of " SERVICE ", which may not be reached",
			    s->entry[i].control[0] != '\0' ? s->entry[i].control : s->entry[i].type, s->entry[i].module,
			    type);
			doctor_mend(d, ANEW " && %s setup --yes", d->tool);
			break;
		}
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
		doctor_fail(d, SERVICE " cannot be read: %s", strerror(errno));
		doctor_mend(d, "%s && %s setup --yes",
		    access(SERVICE, F_OK) == 0
			? "chmod 644 " SERVICE
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
			doctor_warn(d, OURS " asks another database than %s in the %s lines of " SERVICE ": %s", d->dir,
			    types[i], dir != NULL ? dir : KA_DATADIR);
			doctor_mend(d, ANEW " && %s setup --yes", d->tool);
		}
	}
	if (!found)
		doctor_skip(d, SERVICE " has no line of ours");
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
		doctor_fail(d, "%s is missing, which a line of ours in " SERVICE " needs", path);
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
