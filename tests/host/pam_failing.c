/*
 * pam_failing NAME UID HOME SHELL CLOSED KEY MODULE: every call that the installed PAM module and, below it, the NSS
 * module make to the system fails in turn. NAME is a project that KEY ("SSH_AUTH_INFO_0=…") may enter, CLOSED one that
 * is archived. Nobody enters CLOSED, whatever fails; into NAME the answer is yes or an error; never yes when access
 * could not be read, and never "no" as if it had been. Nothing stays: no descriptor, no memory, no session in the
 * registry.
 */
#include <dirent.h>

#include "tests/host/failing.h"
#include "tests/host/pam.h"

#define NTH_MAX  256
#define ALWAYS   1000000
#define SESSIONS "/run/keyacct/sessions"
#define SPOOL    "/var/lib/keyacct/private/usage.spool"

enum phase { PROJECT, KEY, SESSION, PHASES };

static const char *closed, *key;
static unsigned cases, errors;

static unsigned
count_sessions(void)
{
	DIR *dir = opendir(SESSIONS);
	struct dirent *e;
	unsigned n = 0;

	while (dir != NULL && (e = readdir(dir)) != NULL)
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	if (dir != NULL)
		(void)closedir(dir);
	return n;
}

static void
remove_sessions(void)
{
	DIR *dir = opendir(SESSIONS);
	struct dirent *e;

	while (dir != NULL && (e = readdir(dir)) != NULL)
		(void)unlinkat(dirfd(dir), e->d_name, 0);
	if (dir != NULL)
		(void)closedir(dir);
}

static int
log_in(enum phase phase, const char *user)
{
	pam_handle_t *pamh = NULL;
	int rc;

	CHECK(pam_begin(user, phase == PROJECT ? NULL : key, &pamh) == PAM_SUCCESS);
	if (phase != SESSION) {
		rc = pam_acct_mgmt(pamh, PAM_SILENT);
	} else if ((rc = pam_open_session(pamh, 0)) == PAM_SUCCESS) {
		unsigned was = failed;

		memset(&plan, 0, sizeof(plan));
		CHECK(count_sessions() <= 1 && pam_close_session(pamh, 0) == PAM_SUCCESS);
		failed = was;
	}
	memset(&plan, 0, sizeof(plan));
	CHECK(pam_end(pamh, rc) == PAM_SUCCESS);
	(void)unlink(SPOOL);
	return rc;
}

/* Not the ones that say "decided: no". PAM_USER_UNKNOWN is what a passwd database that fails looks like to a PAM
 * module. */
static bool
is_error(int rc)
{
	return rc == PAM_AUTH_ERR || rc == PAM_SESSION_ERR || rc == PAM_USER_UNKNOWN || rc == PAM_BUF_ERR;
}

static bool
fail_nth(enum phase phase, bool open_to_key, enum call call, unsigned n, bool for_good, int err)
{
	bool reached;
	int rc;

	plan_none();
	plan.call = call;
	plan.first = n;
	plan.last = for_good ? ALWAYS : n;
	plan.err = err;
	rc = log_in(phase, open_to_key ? known.name : closed);
	reached = failed > 0;
	CHECK(rc >= 0 && rc < _PAM_RETURN_VALUES && rc != PAM_IGNORE);
	CHECK(open_to_key ? rc == PAM_SUCCESS || is_error(rc) : rc != PAM_SUCCESS);
	CHECK(!access_refused || rc != PAM_SUCCESS);
	if (reached && for_good && (call == CALL_PREAD || call == CALL_FSTAT || call == CALL_MALLOC) &&
	    phase != SESSION)
		CHECK(rc != PAM_SUCCESS);
	if (reached && for_good && call == CALL_PREAD)
		CHECK(rc != PAM_SUCCESS);
	CHECK(descriptors_open == 0 && blocks_open == 0);
	/* Without memory for its name the entry stays for who lists sessions to clear away; the log says so. */
	CHECK(count_sessions() == 0 ||
	      (count_sessions() == 1 && call == CALL_MALLOC && phase == SESSION && rc == PAM_SUCCESS));
	remove_sessions();
	errors += rc != PAM_SUCCESS;
	cases++;
	plan_none();
	return reached;
}

static void
fail_each(enum call call, int err)
{
	for (enum phase phase = PROJECT; phase < PHASES; phase++)
		for (int open_to_key = 0; open_to_key < 2; open_to_key++)
			for (int for_good = 0; for_good < 2; for_good++)
				for (unsigned n = 1; fail_nth(phase, open_to_key, call, n, for_good, err); n++)
					CHECK(n < NTH_MAX);
}

int
main(int argc, char **argv)
{
	static const int errs[] = {EIO, EACCES, ENOENT, ENOSPC};
	void *module;

	if (argc != 8)
		return 2;
	know(argv + 1);
	closed = argv[5];
	key = argv[6];
	(void)alarm(120);
	/* pam_end unloads it: held here, its place is known. */
	CHECK((module = dlopen(argv[7], RTLD_NOW)) != NULL);
	check_answers();
	find_modules();
	CHECK(nmodules == 2);
	plan_none();
	for (enum phase phase = PROJECT; phase < PHASES; phase++) {
		CHECK(log_in(phase, known.name) == PAM_SUCCESS);
		CHECK(log_in(phase, closed) != PAM_SUCCESS);
	}
	/* What this is about was called at all. */
	for (enum call call = 0; call < CALLS; call++)
		CHECK(made[call] > 0 || call == CALL_FCNTL);
	for (enum call call = 0; call < CALLS; call++)
		for (size_t i = 0; i < (call == CALL_MALLOC ? 1 : sizeof(errs) / sizeof(errs[0])); i++)
			fail_each(call, call == CALL_MALLOC ? ENOMEM : errs[i]);
	CHECK(errors > 0 && log_in(SESSION, known.name) == PAM_SUCCESS);
	(void)dlclose(module);
	printf("%u logins, %u of them refused\n", cases, errors);
	return 0;
}
