#include "pam_keyacct/login.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <pwd.h>
#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <security/pam_modutil.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "common/logline.h"
#include "common/session.h"
#include "common/spool.h"
#include "common/time.h"
#include "pam_keyacct/authinfo.h"
#include "pam_keyacct/drain.h"

#define SESSION_DATA "keyacct_session"

#define UNAVAILABLE \
	"This project cannot be entered right now: its access records are unavailable. Please tell the administrator."

int
login_new(pam_handle_t *pamh, int flags, int argc, const char **argv, struct login **login)
{
	uint8_t project[KA_UUID_LEN];
	const void *user = NULL;
	struct login *l;
	int rc;

	*login = NULL;
	/* The gate in the stack lets only names of this length through; this is for stacks without it. */
	if (pam_get_item(pamh, PAM_USER, &user) != PAM_SUCCESS || user == NULL ||
	    ka_uuid_from_name(user, project) != KA_OK)
		return PAM_IGNORE;
	if ((l = calloc(1, sizeof(*l))) == NULL)
		return PAM_BUF_ERR;
	l->pamh = pamh;
	l->silent = ((unsigned)flags & PAM_SILENT) != 0;
	if ((rc = options_parse(pamh, argc, argv, &l->options)) != PAM_SUCCESS) {
		free(l);
		return rc;
	}
	(void)gethostname(l->host, sizeof(l->host) - 1);
	memcpy(l->question.project, project, KA_UUID_LEN);
	l->question.at_s = ka_time_now();
	l->question.host = l->host;
	l->question.not_ssh = l->options.jobs;
	*login = l;
	return PAM_SUCCESS;
}

void
login_free(struct login *l)
{
	free(l);
}

static void
tell(struct login *l, const char *text)
{
	if (!l->silent)
		(void)pam_error(l->pamh, "%s", text);
}

/* The uid that the host will run the session under, to be compared with the database's. */
static int
ask_nss(struct login *l)
{
	char name[KA_UUID_NAME_LEN];
	struct passwd *pw;

	ka_uuid_name(l->question.project, name);
	errno = 0;
	pw = pam_modutil_getpwnam(l->pamh, name);
	if (pw == NULL && errno != 0 && errno != ENOENT) {
		pam_syslog(l->pamh, LOG_ERR, "undecided project=%s: this host's passwd database is unavailable: %s",
		    name, strerror(errno));
		tell(l, UNAVAILABLE);
		return PAM_AUTH_ERR;
	}
	if (pw == NULL) {
		pam_syslog(l->pamh, LOG_ERR,
		    "project %s is unknown to this host's passwd database: check keyacct in nsswitch.conf and "
		    "names.mdb",
		    name);
		return PAM_USER_UNKNOWN;
	}
	l->question.uid_known = true;
	l->question.uid = pw->pw_uid;
	return PAM_SUCCESS;
}

static void
log_unavailable(struct login *l, enum ka_result r)
{
	char line[KA_LOGLINE_LEN];

	ka_logline_undecided(&l->question, &l->answer, l->options.dir, r, line);
	pam_syslog(l->pamh, LOG_ERR, "%s", line);
}

static void
log_decision(struct login *l)
{
	char line[KA_LOGLINE_LEN];

	ka_logline(&l->question, &l->answer, line);
	pam_syslog(l->pamh, ka_logline_priority(l->answer.reason), "%s", line);
}

/* Does SSH_AUTH_INFO_0 name a key? KA_NOTFOUND: not (yet). */
static enum ka_result
read_key(struct login *l)
{
	enum ka_result r = authinfo_key(pam_getenv(l->pamh, "SSH_AUTH_INFO_0"), l->question.sha256);

	if (r == KA_INVALID)
		pam_syslog(l->pamh, LOG_NOTICE, "sshd names a key that is none of ours: a certificate, or unreadable");
	if (r == KA_UNAVAIL)
		pam_syslog(l->pamh, LOG_ERR, "OpenSSL gives no SHA256 digest");
	l->question.address_known =
	    authinfo_address(pam_getenv(l->pamh, "SSH_CONNECTION"), l->question.address) == KA_OK;
	return r;
}

int
login_account(struct login *l)
{
	enum ka_result r;
	int rc;

	if ((rc = ask_nss(l)) != PAM_SUCCESS)
		return rc;
	/* For a single public key sshd asks before it tells the key: then the project alone is judged, the key at open.
	 */
	r = read_key(l);
	if (r == KA_NOTFOUND)
		r = ka_access_ask_project(l->options.dir, &l->question, &l->answer);
	else if (r == KA_OK)
		r = ka_access_ask(l->options.dir, &l->question, &l->answer);
	else
		return PAM_AUTH_ERR;
	if (r != KA_OK) {
		log_unavailable(l, r);
		tell(l, UNAVAILABLE);
		return PAM_AUTH_ERR;
	}
	if (l->answer.reason == KA_REASON_GRANTED)
		return PAM_SUCCESS;
	log_decision(l);
	if (ka_access_reason_is_project(l->answer.reason))
		tell(l, ka_access_reason_text(l->answer.reason));
	return l->answer.reason == KA_REASON_UNKNOWN_PROJECT ? PAM_USER_UNKNOWN : PAM_PERM_DENIED;
}

/* The entries of this handle's sessions, the latest first: sshd opens one, a stack with our line twice opens two. */
struct entry {
	struct entry *next;
	pid_t pid; /* who opened: a fork of it ends the handle too */
	char name[KA_SESSION_NAME_LEN];
	char run[PATH_MAX];
};

static void
free_entries(pam_handle_t *pamh, void *data, int status)
{
	struct entry *e = data, *next;

	(void)pamh;
	/* The new list has the old one in it. */
	if (((unsigned)status & PAM_DATA_REPLACE) != 0)
		return;
	for (; e != NULL; e = next) {
		next = e->next;
		/* When a module behind us refuses the session, sshd never closes it. */
		if (e->pid == getpid())
			(void)ka_session_leave(e->run, e->name);
		free(e);
	}
}

static void
keep_entry(struct login *l, const char *name)
{
	union {
		const void *in;
		struct entry *out;
	} before = {.in = NULL}; /* what we gave to libpam was not const */
	struct entry *e = calloc(1, sizeof(*e));

	(void)pam_get_data(l->pamh, SESSION_DATA, &before.in);
	if (e != NULL) {
		e->next = before.out;
		e->pid = getpid();
		(void)snprintf(e->name, sizeof(e->name), "%s", name);
		(void)snprintf(e->run, sizeof(e->run), "%s", l->options.run);
	}
	if (e == NULL || pam_set_data(l->pamh, SESSION_DATA, e, free_entries) != PAM_SUCCESS) {
		free(e);
		pam_syslog(l->pamh, LOG_ERR, "out of memory: the entry %s stays in %s/sessions", name, l->options.run);
	}
}

/*
 * Enter the session into the registry. When that fails the login goes on: /run being full must not lock everyone out,
 * and the decision below does not depend on it. The log says that this session cannot be found by its entry.
 */
static void
enter_session(struct login *l, char name[static KA_SESSION_NAME_LEN])
{
	if (ka_session_enter(l->options.run, &l->question, name) == KA_OK)
		return;
	pam_syslog(l->pamh, LOG_ERR, "cannot enter the session into %s/sessions: %s", l->options.run, strerror(errno));
	name[0] = '\0';
}

static void
record_use(struct login *l)
{
	struct ka_spool_use uses[KA_REGISTRATIONS_MAX] = {{.at_s = 0}};

	for (size_t i = 0; i < l->answer.admitting; i++) {
		uses[i].at_s = l->question.at_s;
		uses[i].first = i == 0;
		memcpy(uses[i].project, l->question.project, KA_UUID_LEN);
		memcpy(uses[i].account, l->answer.registration[i].account.id, KA_UUID_LEN);
		memcpy(uses[i].sha256, l->question.sha256, KA_SHA256_LEN);
		if (l->question.address_known)
			memcpy(uses[i].address, l->question.address, KA_ADDRESS_LEN);
	}
	if (ka_spool_append(l->options.dir, uses, l->answer.admitting) != KA_OK)
		pam_syslog(l->pamh, LOG_ERR, "cannot record the use of the key in %s/" KA_SPOOL_NAME ": %s",
		    l->options.dir, strerror(errno));
	if (ka_spool_wants_drain(l->options.dir))
		drain_start(l->options.tool, l->options.dir);
}

static void
export_text(struct login *l, const char *name, const char *value)
{
	char text[KA_EMAIL_LEN + 64];

	(void)snprintf(text, sizeof(text), "%s=%s", name, value);
	(void)pam_putenv(l->pamh, text);
}

/* For the user's convenience; what counts is the log and the registry, since a member can override these. */
static void
export_environment(struct login *l)
{
	const struct ka_access_registration *best = &l->answer.registration[0];
	char project[KA_UUID_NAME_LEN], key[KA_SHA256_TEXT_LEN];

	ka_uuid_name(l->question.project, project);
	ka_fingerprint_format(l->question.sha256, key);
	export_text(l, "KEYACCT_PROJECT", project);
	export_text(l, "KEYACCT_ACCOUNT", best->account.handle);
	export_text(l, "KEYACCT_ROLE", ka_access_role_name(best->role));
	export_text(l, "KEYACCT_KEY", key);
	if (!l->answer.settings.git_author)
		return;
	export_text(l, "GIT_AUTHOR_NAME", best->account.name[0] != '\0' ? best->account.name : best->account.handle);
	if (best->account.email[0] != '\0')
		export_text(l, "GIT_AUTHOR_EMAIL", best->account.email);
}

/* Whom the session is taken for. The entry stands all the same when /run is full: who came in is in the log. */
static void
identify_session(struct login *l, const char *name)
{
	if (ka_session_identify(l->options.run, name, &l->question, &l->answer.registration[0]) != KA_OK)
		pam_syslog(l->pamh, LOG_ERR, "cannot write the account into %s/sessions/%s: %s", l->options.run, name,
		    strerror(errno));
}

static void
leave_session(pam_handle_t *pamh, const struct options *options, const char *name)
{
	if (name[0] != '\0' && ka_session_leave(options->run, name) != KA_OK)
		pam_syslog(pamh, LOG_ERR, "cannot remove %s/sessions/%s: %s", options->run, name, strerror(errno));
}

/* A file size limit that sshd inherited must be an error of a write, not the end of sshd. */
static void
hold_sigxfsz(sigset_t *before)
{
	sigset_t xfsz;

	(void)sigemptyset(&xfsz);
	(void)sigaddset(&xfsz, SIGXFSZ);
	(void)pthread_sigmask(SIG_BLOCK, &xfsz, before);
}

static void
release_sigxfsz(const sigset_t *before)
{
	const struct timespec none = {.tv_sec = 0};
	sigset_t xfsz;

	(void)sigemptyset(&xfsz);
	(void)sigaddset(&xfsz, SIGXFSZ);
	if (sigismember(before, SIGXFSZ) == 0)
		while (sigtimedwait(&xfsz, NULL, &none) == SIGXFSZ)
			;
	(void)pthread_sigmask(SIG_SETMASK, before, NULL);
}

static int
open_session(struct login *l)
{
	char name[KA_SESSION_NAME_LEN];
	enum ka_result r;

	if (ask_nss(l) != PAM_SUCCESS)
		return PAM_SESSION_ERR;
	if ((r = read_key(l)) != KA_OK) {
		if (r == KA_NOTFOUND)
			pam_syslog(
			    l->pamh, LOG_NOTICE, "a session without a public key: projects are entered with keys only");
		return PAM_SESSION_ERR;
	}
	/* First the entry, then the decision: whoever revokes commits first and then reads the registry, so that one of
	 * the two always sees the other. */
	enter_session(l, name);
	if ((r = ka_access_ask(l->options.dir, &l->question, &l->answer)) != KA_OK) {
		leave_session(l->pamh, &l->options, name);
		log_unavailable(l, r);
		return PAM_SESSION_ERR;
	}
	log_decision(l);
	if (l->answer.reason != KA_REASON_GRANTED) {
		leave_session(l->pamh, &l->options, name);
		return PAM_SESSION_ERR;
	}
	if (name[0] != '\0') {
		identify_session(l, name);
		keep_entry(l, name);
	}
	record_use(l);
	export_environment(l);
	return PAM_SUCCESS;
}

int
login_open(struct login *l)
{
	sigset_t before;
	int rc;

	hold_sigxfsz(&before);
	rc = open_session(l);
	release_sigxfsz(&before);
	return rc;
}

/* What closes was ended by root's tool: it says so here too, beside all that sshd logged about this connection. */
static void
log_end(pam_handle_t *pamh, const char *run, const char *name)
{
	char note[KA_SESSION_NOTE_LEN];

	if (ka_session_read_note(run, name, KA_SESSION_ENDED, note) == KA_OK)
		pam_syslog(pamh, LOG_NOTICE, "closed session=%s %s", name, note);
}

int
login_close(pam_handle_t *pamh, int argc, const char **argv)
{
	struct options options;
	const void *data = NULL;

	if (pam_get_data(pamh, SESSION_DATA, &data) != PAM_SUCCESS ||
	    options_parse(pamh, argc, argv, &options) != PAM_SUCCESS)
		return PAM_SUCCESS;
	for (const struct entry *e = data; e != NULL; e = e->next) {
		log_end(pamh, options.run, e->name);
		leave_session(pamh, &options, e->name);
	}
	return PAM_SUCCESS;
}
