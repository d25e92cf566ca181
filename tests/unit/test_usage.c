/*
 * Last use: what logins append, whenever a drain runs, is killed or finds damage, counts exactly once.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/spool.h"
#include "common/time.h"
#include "common/usage.h"
#include "tests/unit/fixture.h"

static struct fixture f;

static int
setup(void **state)
{
	(void)state;
	fixture_new(&f);
	fixture_close(&f);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	fixture_free(&f);
	return 0;
}

static struct ka_spool_use
use_of(uint8_t mark, int64_t at_s)
{
	struct ka_spool_use use = {.at_s = at_s, .first = true};

	memset(use.sha256, mark, sizeof(use.sha256));
	memset(use.account, mark, sizeof(use.account));
	memset(use.project, 7, sizeof(use.project));
	assert_int_equal(ka_address_parse("192.0.2.7", use.address), KA_OK);
	return use;
}

static void
append(uint8_t mark, int64_t at_s)
{
	struct ka_spool_use use = use_of(mark, at_s);

	assert_int_equal(ka_spool_append(f.dir, &use, 1), KA_OK);
}

static void
drain(void)
{
	struct ka_error err = {""};

	if (ka_usage_drain(f.dir, &err) != KA_OK)
		fail_msg("%s", err.text);
}

static struct ka_use
key_use(uint8_t mark)
{
	struct ka_spool_use like = use_of(mark, 1);
	struct ka_usage *usage;
	struct ka_use use;
	struct ka_error err = {""};

	assert_int_equal(ka_usage_open(f.dir, &usage, &err), KA_OK);
	assert_int_equal(ka_usage_of_key(usage, like.sha256, like.account, &use), KA_OK);
	ka_usage_close(usage);
	return use;
}

static struct ka_use
project_use(void)
{
	struct ka_spool_use like = use_of(1, 1);
	struct ka_usage *usage;
	struct ka_use use;
	struct ka_error err = {""};

	assert_int_equal(ka_usage_open(f.dir, &usage, &err), KA_OK);
	assert_int_equal(ka_usage_of_project(usage, like.project, &use), KA_OK);
	ka_usage_close(usage);
	return use;
}

static int
exists(const char *name)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/private/%s", f.dir, name);
	return access(path, F_OK) == 0;
}

static int
open_private(const char *name, int flags)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/private/%s", f.dir, name);
	fd = open(path, flags | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	return fd;
}

static void
nothing_to_drain(void **state)
{
	(void)state;
	drain();
	assert_int_equal(key_use(1).count, 0);
	assert_int_equal(key_use(1).at_s, 0);
}

static void
counts_and_the_latest(void **state)
{
	struct ka_use use;

	(void)state;
	append(1, 300);
	append(1, 500);
	append(1, 400); /* processes append in no order */
	append(2, 100);
	drain();
	use = key_use(1);
	assert_int_equal(use.count, 3);
	assert_int_equal(use.at_s, 500);
	assert_int_equal(key_use(2).count, 1);
	assert_int_equal(project_use().count, 4);
	assert_int_equal(project_use().at_s, 500);
	drain();
	append(1, 600);
	drain();
	assert_int_equal(key_use(1).count, 4);
	assert_int_equal(key_use(1).at_s, 600);
	assert_false(exists("usage.spool"));
}

/* One login through a key of two accounts: each registration's use, and one use of the project. */
static void
two_registrations_are_one_use_of_the_project(void **state)
{
	struct ka_spool_use uses[2] = {use_of(1, 300), use_of(1, 300)};

	(void)state;
	memset(uses[1].account, 2, sizeof(uses[1].account));
	uses[1].first = false;
	/* Twice within one second. */
	assert_int_equal(ka_spool_append(f.dir, uses, 2), KA_OK);
	assert_int_equal(ka_spool_append(f.dir, uses, 2), KA_OK);
	drain();
	assert_int_equal(key_use(1).count, 2);
	assert_int_equal(project_use().count, 2);
}

static void
spool_is_roots_alone(void **state)
{
	struct stat st;
	char path[128];

	(void)state;
	append(1, 1);
	(void)snprintf(path, sizeof(path), "%s/" KA_SPOOL_NAME, f.dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, KA_SPOOL_RECORD_LEN);
}

/* A login while the clock was ahead. */
static void
future_does_not_last(void **state)
{
	(void)state;
	append(1, INT64_C(4102444800));
	drain();
	assert_in_range(key_use(1).at_s, 1, ka_time_now());
	append(1, ka_time_now());
	drain();
	assert_in_range(key_use(1).at_s, 1, ka_time_now());
	assert_int_equal(key_use(1).count, 2);
}

/* Last uses are no more than that: a lost file begins anew. */
static void
lost_file_begins_anew(void **state)
{
	char path[128];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/private/usage.mdb", f.dir);
	assert_int_equal(unlink(path), 0);
	append(1, 10);
	drain();
	assert_int_equal(key_use(1).count, 1);
}

/* A crash in mid-write leaves half a record, garbage may follow: every whole record still counts, and nothing else. */
static void
torn_records_are_stepped_over(void **state)
{
	struct ka_spool_use use = use_of(1, 50);
	uint8_t bytes[KA_SPOOL_RECORD_LEN];
	char path[128];
	int fd;

	(void)state;
	assert_int_equal(ka_spool_append(f.dir, &use, 1), KA_OK);
	fd = open_private("usage.spool", O_RDONLY);
	assert_int_equal(read(fd, bytes, sizeof(bytes)), sizeof(bytes));
	assert_int_equal(close(fd), 0);
	(void)snprintf(path, sizeof(path), "%s/" KA_SPOOL_NAME, f.dir);
	for (size_t cut = 0; cut < KA_SPOOL_RECORD_LEN; cut++) {
		fd = open_private("usage.spool", O_WRONLY | O_APPEND);
		assert_int_equal(write(fd, bytes, cut), cut);
		assert_int_equal(close(fd), 0);
		append(1, 60);
	}
	for (size_t at = 0; at < KA_SPOOL_RECORD_LEN; at++) {
		uint8_t damaged[KA_SPOOL_RECORD_LEN];

		memcpy(damaged, bytes, sizeof(damaged));
		damaged[at] ^= 0x40;
		fd = open_private("usage.spool", O_WRONLY | O_APPEND);
		assert_int_equal(write(fd, damaged, sizeof(damaged)), sizeof(damaged));
		assert_int_equal(close(fd), 0);
	}
	append(1, 70);
	drain();
	assert_int_equal(key_use(1).count, 1 + KA_SPOOL_RECORD_LEN + 1);
	assert_int_equal(key_use(1).at_s, 70);
}

static void
more_than_one_buffer(void **state)
{
	(void)state;
	for (int i = 0; i < 2000; i++)
		append((uint8_t)(1 + i % 2), 1 + i);
	drain();
	assert_int_equal(key_use(1).count, 1000);
	assert_int_equal(key_use(2).count, 1000);
}

/* A drain that was killed after its commit leaves the file: it must not be counted again. Before its commit: it must
 * be. */
static void
killed_drains(void **state)
{
	char from[128], to[128];

	(void)state;
	append(1, 10);
	drain(); /* this was spool 1 */
	append(1, 20);
	(void)snprintf(from, sizeof(from), "%s/private/usage.spool", f.dir);
	(void)snprintf(to, sizeof(to), "%s/private/usage.spool.1", f.dir);
	assert_int_equal(rename(from, to), 0);
	drain();
	assert_false(exists("usage.spool.1"));
	assert_int_equal(key_use(1).count, 1);

	append(1, 30);
	(void)snprintf(to, sizeof(to), "%s/private/usage.spool.2", f.dir);
	assert_int_equal(rename(from, to), 0);
	append(1, 40);
	drain();
	assert_int_equal(key_use(1).count, 3);
	assert_int_equal(key_use(1).at_s, 40);
}

/* A login that was stopped in mid-write holds its lock: the file waits, other logins go on, and nothing is lost. */
static void
stopped_login(void **state)
{
	struct ka_error err = {""};
	int fd;

	(void)state;
	append(1, 10);
	fd = open_private("usage.spool", O_WRONLY | O_APPEND);
	assert_int_equal(flock(fd, LOCK_SH), 0);
	assert_int_equal(ka_usage_drain(f.dir, &err), KA_BUSY);
	append(1, 20);
	assert_int_equal(key_use(1).count, 0);
	assert_int_equal(close(fd), 0);
	drain();
	assert_int_equal(key_use(1).count, 2);
}

/* A drain holds a file for itself: a login that opened the old name goes to the new one. */
static void
login_meets_a_drain(void **state)
{
	char from[128], to[128];
	int fd;

	(void)state;
	append(1, 10);
	fd = open_private("usage.spool", O_RDONLY);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	{
		struct ka_spool_use use = use_of(1, 20);

		/* Locked and not yet renamed cannot happen to a drain, which renames first; a login must not wait all
		 * the same. */
		assert_int_equal(ka_spool_append(f.dir, &use, 1), KA_BUSY);
	}
	(void)snprintf(from, sizeof(from), "%s/private/usage.spool", f.dir);
	(void)snprintf(to, sizeof(to), "%s/private/usage.spool.1", f.dir);
	assert_int_equal(rename(from, to), 0);
	append(1, 30);
	assert_int_equal(close(fd), 0);
	drain();
	assert_int_equal(key_use(1).count, 2);
}

/* Many logins at once beside drains that never rest, some of them killed: every count is exact. */
static void
storm(void **state)
{
	enum { LOGINS = 8, EACH = 400, DRAINS = 60 };
	pid_t logins[LOGINS];

	(void)state;
	for (int i = 0; i < LOGINS; i++) {
		logins[i] = fork();
		assert_true(logins[i] >= 0);
		if (logins[i] == 0) {
			for (int n = 0; n < EACH; n++) {
				struct ka_spool_use use = use_of((uint8_t)(1 + i % 2), 1 + n);

				if (ka_spool_append(f.dir, &use, 1) != KA_OK)
					_exit(1);
			}
			_exit(0);
		}
	}
	for (int i = 0; i < DRAINS; i++) {
		pid_t drainer = fork();

		if (drainer == 0) {
			struct ka_error err;

			_exit(ka_usage_drain(f.dir, &err) == KA_OK ? 0 : 1);
		}
		/* Killed at whatever point it has reached. */
		for (volatile int spin = 0; i % 2 == 0 && spin < i * 20000; spin++)
			;
		if (i % 2 == 0)
			(void)kill(drainer, SIGKILL);
		assert_int_equal(waitpid(drainer, NULL, 0), drainer);
	}
	for (int i = 0; i < LOGINS; i++) {
		int status;

		assert_int_equal(waitpid(logins[i], &status, 0), logins[i]);
		assert_int_equal(status, 0);
	}
	drain();
	assert_int_equal(key_use(1).count, LOGINS / 2 * EACH);
	assert_int_equal(key_use(2).count, LOGINS / 2 * EACH);
	assert_int_equal(project_use().count, LOGINS * EACH);
}

static void
odd_files_in_the_spools_place(void **state)
{
	struct ka_spool_use use = use_of(1, 1);
	char path[128];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/" KA_SPOOL_NAME, f.dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(ka_spool_append(f.dir, &use, 1), KA_UNAVAIL); /* and it has not waited for a reader */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/tmp/elsewhere", path), 0);
	assert_int_equal(ka_spool_append(f.dir, &use, 1), KA_UNAVAIL);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(ka_spool_append(f.dir, &use, 1), KA_UNAVAIL);
}

static void
drain_is_wanted_when_much_is_there(void **state)
{
	int fd;
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	pid_t holder;
	int ready[2], status;
	char byte;

	(void)state;
	assert_false(ka_spool_wants_drain(f.dir));
	for (int i = 0; i < 999; i++)
		append(1, 1);
	assert_false(ka_spool_wants_drain(f.dir));
	append(1, 1);
	assert_true(ka_spool_wants_drain(f.dir));
	/* Not while somebody else is at it. */
	assert_int_equal(pipe(ready), 0);
	if ((holder = fork()) == 0) {
		fd = open_private("usage.lock", O_RDWR | O_CREAT);
		if (fcntl(fd, F_SETLK, &l) != 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		(void)pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_false(ka_spool_wants_drain(f.dir));
	assert_int_equal(kill(holder, SIGKILL), 0);
	assert_int_equal(waitpid(holder, &status, 0), holder);
	assert_true(ka_spool_wants_drain(f.dir));
	(void)close(ready[0]);
	(void)close(ready[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(nothing_to_drain, setup, teardown),
	    cmocka_unit_test_setup_teardown(counts_and_the_latest, setup, teardown),
	    cmocka_unit_test_setup_teardown(two_registrations_are_one_use_of_the_project, setup, teardown),
	    cmocka_unit_test_setup_teardown(spool_is_roots_alone, setup, teardown),
	    cmocka_unit_test_setup_teardown(future_does_not_last, setup, teardown),
	    cmocka_unit_test_setup_teardown(lost_file_begins_anew, setup, teardown),
	    cmocka_unit_test_setup_teardown(torn_records_are_stepped_over, setup, teardown),
	    cmocka_unit_test_setup_teardown(more_than_one_buffer, setup, teardown),
	    cmocka_unit_test_setup_teardown(killed_drains, setup, teardown),
	    cmocka_unit_test_setup_teardown(stopped_login, setup, teardown),
	    cmocka_unit_test_setup_teardown(login_meets_a_drain, setup, teardown),
	    cmocka_unit_test_setup_teardown(storm, setup, teardown),
	    cmocka_unit_test_setup_teardown(odd_files_in_the_spools_place, setup, teardown),
	    cmocka_unit_test_setup_teardown(drain_is_wanted_when_much_is_there, setup, teardown),
	};

	return cmocka_run_group_tests_name("usage", tests, NULL, NULL);
}
