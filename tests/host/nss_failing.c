/*
 * nss_failing NAME UID HOME SHELL: every call that the installed NSS module makes to the system fails in turn: the
 * first alone, the second alone …, and from each one on for good, with every error that fits. The answer about a
 * project that is there is right or an error, and never "no such user"; about one that is not there it is never another
 * one's; and nothing that was opened or allocated stays.
 */
#include "tests/host/failing.h"

#define NTH_MAX 256
#define ALWAYS  1000000

static unsigned cases, errors;

/* From callers' view (getpwnam(3)) these mean "no such user". */
static bool
means_no_user(int rc)
{
	return rc == ENOENT || rc == ESRCH || rc == EBADF || rc == EPERM || rc == ERANGE;
}

static void
check_one(enum way way, bool there, struct answer *a)
{
	errno = 0;
	ask(way, there ? known.name : absent_name, there ? known.uid : ABSENT_UID, a);
	if (there)
		CHECK(is_right(way, a) || (a->rc != 0 && !a->found && !means_no_user(a->rc)));
	else
		CHECK(!a->found && (a->rc == 0 || !means_no_user(a->rc)));
	CHECK(descriptors_open == 0 && blocks_open == 0);
	errors += a->rc != 0;
	cases++;
}

/* True while the n-th call is still made. */
static bool
fail_nth(enum call call, enum way way, bool there, unsigned n, bool for_good, int err, size_t cut)
{
	struct answer a;
	bool reached;

	plan_none();
	plan.call = call;
	plan.first = n;
	plan.last = for_good ? ALWAYS : n;
	plan.err = err;
	plan.cut = cut;
	check_one(way, there, &a);
	reached = failed > 0;
	/* No answer that was computed without what could not be had. A short read is completed, an interrupted one
	 * repeated. */
	if (reached && for_good && err != 0)
		CHECK(a.rc == EIO || a.rc == EAGAIN);
	if (reached && err == 0 && cut > 0)
		CHECK(a.rc == 0 && a.found == there);
	if (reached && !for_good && err == EINTR && call == CALL_PREAD)
		CHECK(a.rc == 0 && a.found == there);
	plan_none();
	return reached;
}

static void
fail_each(enum call call, int err, size_t cut)
{
	for (enum way way = PWNAM; way < WAYS; way++)
		for (int there = 0; there < 2; there++)
			for (int for_good = 0; for_good < 2; for_good++) {
				unsigned n = 1;

				/* A read that is interrupted for good would be read for good. */
				if (for_good && err == EINTR)
					continue;
				while (fail_nth(call, way, there, n, for_good, err, cut))
					CHECK(++n < NTH_MAX);
				CHECK(n > 1);
			}
}

int
main(int argc, char **argv)
{
	static const int open_errors[] = {EACCES, EMFILE, ENFILE, ENOENT, EIO, ELOOP, EINTR, ENOMEM, EPERM, ETXTBSY};
	static const int read_errors[] = {EIO, EACCES, EBADF, EINTR, EAGAIN, EINVAL, EISDIR, ESPIPE, EPERM};
	static const size_t cuts[] = {1, 7, 100, 4095};

	if (argc != 5)
		return 2;
	know(argv + 1);
	(void)alarm(120);
	check_answers();
	find_modules();
	CHECK(nmodules == 1);
	check_answers();
	CHECK(made[CALL_OPEN] > 0 && made[CALL_PREAD] > 0 && made[CALL_FSTAT] > 0 && made[CALL_MALLOC] > 0);
	for (size_t i = 0; i < sizeof(open_errors) / sizeof(open_errors[0]); i++)
		fail_each(CALL_OPEN, open_errors[i], 0);
	for (size_t i = 0; i < sizeof(read_errors) / sizeof(read_errors[0]); i++)
		fail_each(CALL_PREAD, read_errors[i], 0);
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++)
		fail_each(CALL_PREAD, 0, cuts[i]);
	fail_each(CALL_PREAD, 0, 0);
	fail_each(CALL_FSTAT, EIO, 0);
	fail_each(CALL_FSTAT, EBADF, 0);
	fail_each(CALL_FSTAT, EPERM, 0);
	fail_each(CALL_MALLOC, ENOMEM, 0);
	CHECK(errors > 0);
	check_answers();
	printf("%u lookups, %u of them failed\n", cases, errors);
	return 0;
}
