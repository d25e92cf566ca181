/*
 * races NAME UID CLOSED KEY: both modules' own code, built with the thread sanitizer, called from 64 threads at once on
 * the installed database while somebody else writes to it. KEY is what sshd says in SSH_AUTH_INFO_0.
 */
#include <nss.h>
#include <pthread.h>
#include <stdint.h>

#include "common/access.h"
#include "common/time.h"
#include "pam_keyacct/authinfo.h"
#include "tests/host/guest.h"

#define THREADS 64
#define ROUNDS  20

NSS_DECLARE_MODULE_FUNCTIONS(keyacct)

static const char *closed, *key;

static void
look_up(void)
{
	struct passwd pw;
	struct group gr;
	char buf[2048];
	int err;

	CHECK(_nss_keyacct_getpwnam_r(known.name, &pw, buf, sizeof(buf), &err) == NSS_STATUS_SUCCESS &&
	      pw.pw_uid == known.uid);
	CHECK(_nss_keyacct_getpwuid_r(known.uid, &pw, buf, sizeof(buf), &err) == NSS_STATUS_SUCCESS &&
	      strcmp(pw.pw_name, known.name) == 0);
	CHECK(_nss_keyacct_getgrgid_r(known.uid, &gr, buf, sizeof(buf), &err) == NSS_STATUS_SUCCESS);
	CHECK(_nss_keyacct_getgrnam_r(known.name, &gr, buf, sizeof(buf), &err) == NSS_STATUS_SUCCESS);
	CHECK(_nss_keyacct_getpwnam_r("root", &pw, buf, sizeof(buf), &err) == NSS_STATUS_NOTFOUND);
}

/* What the PAM module asks in its account phase, below what libpam alone may call. */
static void
decide(const char *project, enum ka_reason want)
{
	struct ka_access_question question = {.at_s = ka_time_now(), .host = "projects"};
	struct ka_access_answer *answer = malloc(sizeof(*answer));

	CHECK(answer != NULL && ka_uuid_from_name(project, question.project) == KA_OK);
	CHECK(authinfo_key(key, question.sha256) == KA_OK);
	CHECK(authinfo_address("192.0.2.1 50000 192.0.2.2 22", question.address) == KA_OK);
	CHECK(ka_access_ask_project(KA_DATADIR, &question, answer) == KA_OK && answer->reason == want);
	CHECK(ka_access_ask(KA_DATADIR, &question, answer) == KA_OK && answer->reason == want);
	free(answer);
}

static void *
run(void *arg)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		look_up();
		decide(known.name, KA_REASON_GRANTED);
		decide(closed, KA_REASON_PROJECT_ARCHIVED);
	}
	return arg;
}

int
main(int argc, char **argv)
{
	pthread_t thread[THREADS];

	if (argc != 5)
		return 2;
	known.name = argv[1];
	known.uid = (uid_t)strtoul(argv[2], NULL, 10);
	closed = argv[3];
	key = argv[4];
	(void)alarm(120);
	for (unsigned i = 0; i < THREADS; i++)
		CHECK(pthread_create(&thread[i], NULL, run, NULL) == 0);
	for (unsigned i = 0; i < THREADS; i++)
		CHECK(pthread_join(thread[i], NULL) == 0);
	return 0;
}
