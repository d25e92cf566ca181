#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/process.h"
#include "common/registry.h"
#include "common/time.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define NAME    "136-00c0ffee"
#define PROJECT "project=829e7b5693d611e7ae8ee70cea5e8cd7"
#define KEY     "fingerprint=SHA256:7bP8DNkRYhrK1KxKVB1HYL98XdED+emEkSa4IQbDmek"
#define WHERE   "address=192.0.2.7"
#define PROCESS "pid=136 start=1193377"
#define SINCE   "since=1795171692"
#define WHO     "account=f645e7b9-927a-4dd1-8c8d-81a4d33422cc handle=owner role=owner"
#define BEGUN   PROJECT " " KEY " " WHERE " " PROCESS " " SINCE
#define WHOLE   BEGUN " " WHO "\n"

static enum ka_result
parse(const char *line, struct ka_registry_entry *e)
{
	return ka_registry_parse(NAME, line, strlen(line), e);
}

static void
test_whole(void **state)
{
	struct ka_registry_entry e;

	(void)state;
	assert_int_equal(parse(WHOLE, &e), KA_OK);
	assert_string_equal(e.name, NAME);
	assert_int_equal(e.project[0], 0x82);
	assert_int_equal(e.project[15], 0xd7);
	assert_int_equal(e.sha256[0], 0xed);
	assert_true(e.address_known);
	assert_int_equal(e.address[12], 192);
	assert_int_equal(e.address[15], 7);
	assert_int_equal(e.pid, 136);
	assert_int_equal(e.start, 1193377);
	assert_int_equal(e.since_s, 1795171692);
	assert_true(e.identified);
	assert_int_equal(e.account[0], 0xf6);
	assert_string_equal(e.handle, "owner");
	assert_int_equal(e.role, KA_ROLE_OWNER);
}

static void
test_undecided(void **state)
{
	struct ka_registry_entry e;

	(void)state;
	assert_int_equal(parse(BEGUN "\n", &e), KA_OK);
	assert_false(e.identified);
	assert_string_equal(e.handle, "");
	assert_int_equal(parse(PROJECT " " KEY " address=- " PROCESS " " SINCE "\n", &e), KA_OK);
	assert_false(e.address_known);
	assert_int_equal(parse(PROJECT " " KEY " address=2001:db8::7 " PROCESS " " SINCE "\n", &e), KA_OK);
	assert_true(e.address_known);
	assert_int_equal(
	    parse(BEGUN " account=f645e7b9-927a-4dd1-8c8d-81a4d33422cc handle=a@b.c role=collaborator\n", &e), KA_OK);
	assert_string_equal(e.handle, "a@b.c");
	assert_int_equal(e.role, KA_ROLE_COLLABORATOR);
}

/* Each is one step away from an entry. */
static void
test_malformed(void **state)
{
	static const char *const bad[] = {"", "\n", " ", BEGUN, BEGUN " ", BEGUN " \n", BEGUN "\n\n", BEGUN "\n ",
	    " " BEGUN "\n", BEGUN "\r\n", WHOLE "x", WHOLE WHOLE, BEGUN " " WHO, BEGUN "  " WHO "\n",
	    BEGUN "\n" WHO "\n", PROJECT "  " KEY " " WHERE " " PROCESS " " SINCE "\n",
	    PROJECT "\t" KEY " " WHERE " " PROCESS " " SINCE "\n", KEY " " PROJECT " " WHERE " " PROCESS " " SINCE "\n",
	    PROJECT " " KEY " " PROCESS " " SINCE "\n", PROJECT " " KEY " " WHERE " " SINCE "\n",
	    PROJECT " " KEY " " WHERE " " PROCESS "\n", PROJECT " " WHERE " " PROCESS " " SINCE "\n",
	    KEY " " WHERE " " PROCESS " " SINCE "\n",
	    /* the project */
	    "project= " KEY " " WHERE " " PROCESS " " SINCE "\n", "project " KEY " " WHERE " " PROCESS " " SINCE "\n",
	    "project=829e7b5693d611e7ae8ee70cea5e8cd " KEY " " WHERE " " PROCESS " " SINCE "\n",
	    "project=829e7b5693d611e7ae8ee70cea5e8cd77 " KEY " " WHERE " " PROCESS " " SINCE "\n",
	    "project=829E7B5693D611E7AE8EE70CEA5E8CD7 " KEY " " WHERE " " PROCESS " " SINCE "\n",
	    "Project=829e7b5693d611e7ae8ee70cea5e8cd7 " KEY " " WHERE " " PROCESS " " SINCE "\n",
	    "project=829e7b56-93d6-11e7-ae8e-e70cea5e8cd7 " KEY " " WHERE " " PROCESS " " SINCE "\n",
	    /* the key */
	    PROJECT " fingerprint=- " WHERE " " PROCESS " " SINCE "\n",
	    PROJECT " fingerprint=SHA256: " WHERE " " PROCESS " " SINCE "\n",
	    PROJECT " fingerprint=SHA256:7bP8DNkRYhrK1KxKVB1HYL98XdED+emEkSa4IQbDme " WHERE " " PROCESS " " SINCE "\n",
	    PROJECT " fingerprint=SHA256:7bP8DNkRYhrK1KxKVB1HYL98XdED+emEkSa4IQbDmek= " WHERE " " PROCESS " " SINCE
		    "\n",
	    PROJECT " fingerprint=25:63:71:67:cd:e8:64:03:f7:8e:f1:78:67:dd:d7:35 " WHERE " " PROCESS " " SINCE "\n",
	    /* the address */
	    PROJECT " " KEY " address= " PROCESS " " SINCE "\n", PROJECT " " KEY " address=-- " PROCESS " " SINCE "\n",
	    PROJECT " " KEY " address=host.example.org " PROCESS " " SINCE "\n",
	    PROJECT " " KEY " address=192.0.2 " PROCESS " " SINCE "\n",
	    PROJECT " " KEY " address=192.0.2.0/24 " PROCESS " " SINCE "\n",
	    /* the process */
	    PROJECT " " KEY " " WHERE " pid=137 start=1193377 " SINCE "\n",
	    PROJECT " " KEY " " WHERE " pid=0 start=1193377 " SINCE "\n",
	    PROJECT " " KEY " " WHERE " pid=-136 start=1193377 " SINCE "\n",
	    PROJECT " " KEY " " WHERE " pid=+136 start=1193377 " SINCE "\n",
	    PROJECT " " KEY " " WHERE " pid=0136 start=1193377 " SINCE "\n",
	    PROJECT " " KEY " " WHERE " pid=136x start=1193377 " SINCE "\n",
	    PROJECT " " KEY " " WHERE " pid=4294967432 start=1193377 " SINCE "\n",
	    PROJECT " " KEY " " WHERE " pid=18446744073709551752 start=1193377 " SINCE "\n",
	    PROJECT " " KEY " " WHERE " pid=136 start=0 " SINCE "\n",
	    PROJECT " " KEY " " WHERE " pid=136 start=18446744073709551616 " SINCE "\n",
	    PROJECT " " KEY " " WHERE " pid=136 start=99999999999999999999999 " SINCE "\n",
	    PROJECT " " KEY " " WHERE " start=1193377 pid=136 " SINCE "\n",
	    /* when */
	    PROJECT " " KEY " " WHERE " " PROCESS " since=0\n", PROJECT " " KEY " " WHERE " " PROCESS " since=-1\n",
	    PROJECT " " KEY " " WHERE " " PROCESS " since=253402300800\n",
	    PROJECT " " KEY " " WHERE " " PROCESS " since=2026-11-20\n",
	    /* who */
	    BEGUN " account=f645e7b9-927a-4dd1-8c8d-81a4d33422cc\n",
	    BEGUN " account=f645e7b9-927a-4dd1-8c8d-81a4d33422cc handle=owner\n", BEGUN " handle=owner role=owner\n",
	    BEGUN " account=f645e7b9927a4dd18c8d81a4d33422cc handle=owner role=owner\n",
	    BEGUN " account=f645e7b9-927a-4dd1-8c8d-81a4d33422c handle=owner role=owner\n",
	    BEGUN " account=F645e7b9-927a-4dd1-8c8d-81a4d33422cc handle=owner role=owner\n",
	    BEGUN " account=- handle=owner role=owner\n",
	    BEGUN " account=f645e7b9-927a-4dd1-8c8d-81a4d33422cc handle= role=owner\n",
	    BEGUN " account=f645e7b9-927a-4dd1-8c8d-81a4d33422cc handle=Owner role=owner\n",
	    BEGUN " account=f645e7b9-927a-4dd1-8c8d-81a4d33422cc handle=a\033[2J role=owner\n",
	    BEGUN " account=f645e7b9-927a-4dd1-8c8d-81a4d33422cc handle=owner role=root\n",
	    BEGUN " account=f645e7b9-927a-4dd1-8c8d-81a4d33422cc handle=owner role=owner more=1\n",
	    BEGUN " account=f645e7b9-927a-4dd1-8c8d-81a4d33422cc role=owner handle=owner\n"};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct ka_registry_entry e;

		if (parse(bad[i], &e) != KA_INVALID)
			fail_msg("taken for an entry: %s", bad[i]);
	}
}

/* Cut short, or with any one byte changed, it is no entry, or one that says something else. */
static void
test_damaged(void **state)
{
	char line[] = WHOLE;
	struct ka_registry_entry whole, e;

	(void)state;
	assert_int_equal(parse(WHOLE, &whole), KA_OK);
	for (size_t len = 0; len < strlen(WHOLE); len++)
		assert_int_equal(ka_registry_parse(NAME, WHOLE, len, &e), KA_INVALID);
	for (size_t i = 0; i < strlen(WHOLE); i++)
		for (int byte = 0; byte < 256; byte++) {
			line[i] = (char)byte;
			if (line[i] != WHOLE[i] && ka_registry_parse(NAME, line, strlen(WHOLE), &e) == KA_OK &&
			    memcmp(&e, &whole, sizeof(e)) == 0)
				fail_msg("byte %zu may be %d", i, byte);
			line[i] = WHOLE[i];
		}
}

static void
test_names(void **state)
{
	static const char *const bad[] = {"", "136", "136-", "-00c0ffee", "136-00c0ffe", "136-00c0ffeee",
	    "136-00C0FFEE", "0136-00c0ffee", "137-00c0ffee", ".136-00c0ffee", "136-00c0ffee ", "+136-00c0ffee",
	    "136-00c0ff/e", "999999999999999999999999999999999999136-00c0ffee"};
	struct ka_registry_entry e;

	(void)state;
	assert_int_equal(ka_registry_parse(NAME, WHOLE, strlen(WHOLE), &e), KA_OK);
	for (size_t i = 0; i < COUNT(bad); i++)
		if (ka_registry_parse(bad[i], WHOLE, strlen(WHOLE), &e) != KA_INVALID)
			fail_msg("taken for a name: %s", bad[i]);
}

/* A registry of its own, with an entry of a process that waits. */
struct place {
	char run[64];
	pid_t child;
	struct ka_registry reg;
	struct ka_error err;
};

static pid_t
start_child(void)
{
	pid_t child = fork();

	if (child == 0)
		for (;;)
			(void)pause();
	assert_true(child > 0);
	return child;
}

static void
end_child(pid_t child)
{
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

static void
put_file(const struct place *p, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/sessions/%s", p->run, name);
	assert_non_null(f = fopen(path, "w"));
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static bool
has_file(const struct place *p, const char *name)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/sessions/%s", p->run, name);
	return access(path, F_OK) == 0;
}

/* An entry of ${pid}, which started ${later} ticks after it did. */
static void
put_entry(const struct place *p, pid_t pid, const char *number, unsigned later, long since)
{
	char name[64], line[512];
	struct ka_process process = {.start = 1};

	(void)ka_process_stat(pid, &process);
	(void)snprintf(name, sizeof(name), "%d-%s", (int)pid, number);
	(void)snprintf(line, sizeof(line), PROJECT " " KEY " " WHERE " pid=%d start=%llu since=%ld\n", (int)pid,
	    process.start + later, since);
	put_file(p, name, line);
}

static int
new_place(void **state)
{
	static struct place p;
	char path[128];

	memset(&p, 0, sizeof(p));
	(void)snprintf(p.run, sizeof(p.run), "/tmp/keyacct-test-XXXXXX");
	assert_non_null(mkdtemp(p.run));
	(void)snprintf(path, sizeof(path), "%s/sessions", p.run);
	assert_int_equal(mkdir(path, 0700), 0);
	p.child = start_child();
	*state = &p;
	return 0;
}

static int
free_place(void **state)
{
	struct place *p = *state;
	char command[128];

	end_child(p->child);
	ka_registry_free(&p->reg);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", p->run);
	return system(command);
}

static void
test_read(void **state)
{
	struct place *p = *state;
	pid_t dead = start_child();
	char name[64];

	put_entry(p, p->child, "00000002", 0, 2000);
	put_entry(p, p->child, "00000001", 0, 3000);
	put_entry(p, p->child, "00000003", 1, 1000); /* the pid is used again */
	put_entry(p, dead, "00000004", 0, 1000);
	end_child(dead);
	assert_int_equal(ka_registry_read(p->run, &p->reg, &p->err), KA_OK);
	assert_int_equal(p->reg.n, 2);
	assert_int_equal(p->reg.entries[0].since_s, 2000);
	assert_int_equal(p->reg.entries[1].since_s, 3000);
	assert_int_equal(p->reg.strange, 0);
	(void)snprintf(name, sizeof(name), "%d-00000002", (int)p->child);
	assert_true(has_file(p, name));
	(void)snprintf(name, sizeof(name), "%d-00000003", (int)p->child);
	assert_false(has_file(p, name));
	(void)snprintf(name, sizeof(name), "%d-00000004", (int)dead);
	assert_false(has_file(p, name));
}

/* A process that has ended and was not waited for has no session either. */
static void
test_zombie(void **state)
{
	struct place *p = *state;
	pid_t zombie = start_child();
	siginfo_t info;

	put_entry(p, zombie, "00000001", 0, 1000);
	assert_int_equal(kill(zombie, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)zombie, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(ka_registry_read(p->run, &p->reg, &p->err), KA_OK);
	assert_int_equal(p->reg.n, 0);
	assert_int_equal(waitpid(zombie, NULL, 0), zombie);
}

static void
test_unfinished(void **state)
{
	struct place *p = *state;
	struct timespec times[2] = {{.tv_sec = ka_time_now() - 7200}, {.tv_sec = ka_time_now() - 7200}};
	pid_t dead = start_child();
	char of_dead[64], being_written[64], given_up[64], path[256];

	end_child(dead);
	(void)snprintf(of_dead, sizeof(of_dead), ".%d-00000001", (int)dead);
	(void)snprintf(being_written, sizeof(being_written), ".%d-00000001", (int)p->child);
	(void)snprintf(given_up, sizeof(given_up), ".%d-00000002", (int)p->child);
	put_file(p, of_dead, "project=");
	put_file(p, being_written, "project=");
	put_file(p, given_up, "project=");
	(void)snprintf(path, sizeof(path), "%s/sessions/%s", p->run, given_up);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	assert_int_equal(ka_registry_read(p->run, &p->reg, &p->err), KA_OK);
	assert_int_equal(p->reg.n, 0);
	assert_int_equal(p->reg.strange, 0);
	assert_false(has_file(p, of_dead));
	assert_true(has_file(p, being_written));
	assert_false(has_file(p, given_up));
}

static void
test_strange(void **state)
{
	struct place *p = *state;
	char path[256];

	put_entry(p, p->child, "00000001", 0, 1000);
	put_file(p, "README", "this is no entry\n");
	put_file(p, "1-00000001", "");
	put_file(p, ".hidden", "");
	(void)snprintf(path, sizeof(path), "%s/sessions/1-00000002", p->run);
	assert_int_equal(mkfifo(path, 0600), 0);
	(void)snprintf(path, sizeof(path), "%s/sessions/1-00000003", p->run);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	(void)snprintf(path, sizeof(path), "%s/sessions/1-00000004", p->run);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(ka_registry_read(p->run, &p->reg, &p->err), KA_OK);
	assert_int_equal(p->reg.n, 1);
	assert_int_equal(p->reg.strange, 6);
	assert_true(p->reg.a_strange[0] != '\0');
	assert_true(has_file(p, "README"));
	assert_true(has_file(p, "1-00000002"));
}

static void
test_nobody(void **state)
{
	struct place *p = *state;
	char path[256];

	assert_int_equal(ka_registry_read(p->run, &p->reg, &p->err), KA_OK);
	assert_int_equal(p->reg.n, 0);
	(void)snprintf(path, sizeof(path), "%s/sessions", p->run);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(ka_registry_read(p->run, &p->reg, &p->err), KA_OK);
	assert_int_equal(p->reg.n, 0);
}

/* What others can write to would let them have any process ended. */
static void
test_not_roots(void **state)
{
	struct place *p = *state;
	char path[256];

	put_entry(p, p->child, "00000001", 0, 1000);
	(void)snprintf(path, sizeof(path), "%s/sessions", p->run);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(chmod(path, i == 0 ? 0720 : 0702), 0);
		assert_int_equal(ka_registry_read(p->run, &p->reg, &p->err), KA_UNAVAIL);
		assert_non_null(strstr(p->err.text, "others could write to it"));
	}
	assert_int_equal(chmod(path, 0700), 0);
	assert_int_equal(ka_registry_read(p->run, &p->reg, &p->err), KA_OK);
	assert_int_equal(p->reg.n, 1);
}

static void
test_many(void **state)
{
	struct place *p = *state;
	char number[16];

	for (unsigned i = 0; i < 1000; i++) {
		(void)snprintf(number, sizeof(number), "%08x", i);
		put_entry(p, p->child, number, 0, 1000 + (long)i * 7919 % 1000);
	}
	assert_int_equal(ka_registry_read(p->run, &p->reg, &p->err), KA_OK);
	assert_int_equal(p->reg.n, 1000);
	for (size_t i = 1; i < p->reg.n; i++)
		assert_true(p->reg.entries[i - 1].since_s < p->reg.entries[i].since_s);
}

/* Processes */

static void
test_stat_line(void **state)
{
	/* fields 3 to 22: state, parent, group, session, 15 more, start */
#define REST " 12 136 99 34817 -1 4194304 1 2 3 4 5 6 7 8 20 0 3 0 "
	struct ka_process process;

	(void)state;
	assert_int_equal(ka_process_parse("136 (sshd) S" REST "1193377 5 6\n", &process), KA_OK);
	assert_int_equal(process.pid, 136);
	assert_int_equal(process.parent, 12);
	assert_int_equal(process.sid, 99);
	assert_int_equal(process.terminal, 34817);
	assert_int_equal(process.threads, 3);
	assert_int_equal(process.state, 'S');
	assert_int_equal(process.start, 1193377);
	assert_int_equal(process.audit, KA_PROCESS_UNSET);
	/* whatever it is called */
	assert_int_equal(ka_process_parse("136 (a) R 1 (b\n) T" REST "18446744073709551615 5\n", &process), KA_OK);
	assert_int_equal(process.state, 'T');
	assert_true(process.start == 18446744073709551615ULL);
	assert_int_equal(ka_process_parse("", &process), KA_INVALID);
	assert_int_equal(ka_process_parse("136 (sshd", &process), KA_INVALID);
	assert_int_equal(ka_process_parse("136 (sshd) S 12 136", &process), KA_INVALID);
	assert_int_equal(ka_process_parse("136 (sshd) S" REST, &process), KA_INVALID);
}

static void
test_self(void **state)
{
	struct ka_process process, *table = NULL;
	size_t n, found = 0;

	(void)state;
	assert_int_equal(ka_process_read(getpid(), &process), KA_OK);
	assert_int_equal(process.pid, getpid());
	assert_int_equal(process.parent, getppid());
	assert_int_equal(process.sid, getsid(0));
	assert_int_equal(process.uid[0], getuid());
	assert_int_equal(process.uid[1], geteuid());
	assert_int_equal(ka_process_table(&table, &n), KA_OK);
	for (size_t i = 0; i < n; i++)
		found += table[i].pid == getpid() && table[i].start == process.start;
	assert_int_equal(found, 1);
	free(table);
}

static void
test_open(void **state)
{
	pid_t child = start_child();
	struct ka_process process;
	int fd, status;

	(void)state;
	assert_int_equal(ka_process_stat(child, &process), KA_OK);
	assert_int_equal(ka_process_open(child, process.start + 1), -1);
	assert_int_equal(errno, ESRCH);
	assert_true((fd = ka_process_open(child, process.start)) >= 0);
	assert_int_equal(ka_process_signal(fd, SIGTERM), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(WTERMSIG(status), SIGTERM);
	assert_int_equal(ka_process_signal(fd, SIGTERM), -1);
	assert_int_equal(close(fd), 0);
	assert_int_equal(ka_process_open(child, process.start), -1);
	assert_int_equal(ka_process_stat(child, &process), KA_NOTFOUND);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_whole),
	    cmocka_unit_test(test_undecided),
	    cmocka_unit_test(test_malformed),
	    cmocka_unit_test(test_damaged),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test_setup_teardown(test_read, new_place, free_place),
	    cmocka_unit_test_setup_teardown(test_zombie, new_place, free_place),
	    cmocka_unit_test_setup_teardown(test_unfinished, new_place, free_place),
	    cmocka_unit_test_setup_teardown(test_strange, new_place, free_place),
	    cmocka_unit_test_setup_teardown(test_nobody, new_place, free_place),
	    cmocka_unit_test_setup_teardown(test_not_roots, new_place, free_place),
	    cmocka_unit_test_setup_teardown(test_many, new_place, free_place),
	    cmocka_unit_test(test_stat_line),
	    cmocka_unit_test(test_self),
	    cmocka_unit_test(test_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
