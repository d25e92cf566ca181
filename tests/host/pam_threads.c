/*
 * pam_threads NAME CLOSED KEY: a host with 64 threads, each with PAM handles of its own, in the account phase. libpam
 * loads and unloads the module as they come and go. Into NAME the answer is yes, into CLOSED no, every time.
 */
#include <pthread.h>

#include "tests/host/guest.h"
#include "tests/host/pam.h"

#define THREADS 64
#define ROUNDS  40

static const char *open_to_key, *closed, *key;
static pthread_barrier_t barrier;

static void *
log_in_often(void *arg)
{
	unsigned thread = *(const unsigned *)arg;

	(void)pthread_barrier_wait(&barrier);
	for (unsigned i = thread; i < thread + ROUNDS; i++) {
		pam_handle_t *pamh = NULL;
		int rc;

		CHECK(pam_begin(i % 2 == 0 ? open_to_key : closed, i / 2 % 2 == 0 ? key : NULL, &pamh) == PAM_SUCCESS);
		rc = pam_acct_mgmt(pamh, PAM_SILENT);
		CHECK(rc == (i % 2 == 0 ? PAM_SUCCESS : PAM_PERM_DENIED));
		CHECK(pam_end(pamh, rc) == PAM_SUCCESS);
	}
	return NULL;
}

int
main(int argc, char **argv)
{
	pthread_t thread[THREADS];
	unsigned number[THREADS];

	if (argc != 4)
		return 2;
	open_to_key = argv[1];
	closed = argv[2];
	key = argv[3];
	(void)alarm(60);
	CHECK(pthread_barrier_init(&barrier, NULL, THREADS) == 0);
	for (unsigned i = 0; i < THREADS; i++) {
		number[i] = i;
		CHECK(pthread_create(&thread[i], NULL, log_in_often, &number[i]) == 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		CHECK(pthread_join(thread[i], NULL) == 0);
	return 0;
}
