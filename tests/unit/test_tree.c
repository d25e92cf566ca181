#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/tree.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define UID      KA_UID_FIRST
#define NO       KA_PROCESS_UNSET

/* pid, parent, sid, uid, login, audit; a process starts at ten times its pid */
#define P(p, pp, s, u, l, a)                                                                                           \
	{                                                                                                              \
		.pid = (p), .parent = (pp), .sid = (s), .state = 'S', .start = (p)*10, .uid = {u, u, u}, .login = (l), \
		.audit = (a)                                                                                           \
	}

/* An sshd (10) with two sessions of one project: 100 of one person, 200 of another, and what they started. */
static const struct ka_process with_audit[] = {
    P(1, 0, 1, 0, NO, NO),
    P(10, 1, 10, 0, NO, NO),
    P(50, 1, 50, UID, UID, 3), /* of a login that is over */
    P(60, 1, 60, UID, NO, NO), /* cron's */
    P(100, 10, 100, 0, UID, 5),
    P(101, 100, 100, UID, UID, 5),
    P(102, 101, 102, UID, UID, 5), /* a shell */
    P(103, 102, 102, UID, UID, 5),
    P(104, 1, 104, UID, UID, 5), /* setsid */
    P(105, 1, 105, 0, UID, 5),   /* left behind by sudo */
    P(106, 102, 106, 0, UID, 5), /* sudo in the shell */
    P(107, 100, 107, 0, UID, 5), /* a PAM module's */
    P(200, 10, 200, 0, UID, 6),
    P(201, 200, 200, UID, UID, 6),
    P(202, 201, 202, UID, UID, 6),
    P(203, 1, 203, UID, UID, 6),
    P(300, 10, 300, 0, 1000, 7), /* an administrator */
    P(301, 300, 300, 1000, 1000, 7),
};

static const struct ka_registry_entry entries[] = {{.pid = 100, .start = 1000}, {.pid = 200, .start = 2000}};

struct marked {
	struct ka_tree trees[2];
	size_t owner[64];
};

static void
mark(const struct ka_process *table, size_t n, uint32_t uid, struct marked *m)
{
	memset(m, 0, sizeof(*m));
	for (size_t i = 0; i < 2; i++) {
		m->trees[i].uid = uid;
		m->trees[i].audit = NO;
		ka_tree_look(table, n, &entries[i], &m->trees[i]);
	}
	ka_tree_drop_shared(m->trees, 2);
	ka_tree_mark(table, n, m->trees, 2, m->owner);
}

/* Exactly these are the first's, and these the second's. */
static void
expect(const struct ka_process *table, size_t n, const struct marked *m, const char *first, const char *second)
{
	char got[2][512] = {"", ""};

	for (size_t i = 0; i < n; i++)
		if (m->owner[i] != KA_TREE_NONE) {
			char *at = got[m->owner[i]];

			(void)snprintf(at + strlen(at), 512 - strlen(at), " %d", (int)table[i].pid);
		}
	assert_string_equal(got[0], first);
	assert_string_equal(got[1], second);
}

static void
test_audit(void **state)
{
	struct marked m;

	(void)state;
	mark(with_audit, COUNT(with_audit), UID, &m);
	assert_true(m.trees[0].lives && m.trees[0].established);
	assert_int_equal(m.trees[0].audit, 5);
	expect(with_audit, COUNT(with_audit), &m, " 100 101 102 103 104 106", " 200 201 202 203");
}

static void
test_uid_from_processes(void **state)
{
	struct marked m;

	(void)state;
	mark(with_audit, COUNT(with_audit), NO, &m);
	assert_int_equal(m.trees[0].uid, UID);
	expect(with_audit, COUNT(with_audit), &m, " 100 101 102 103 104 106", " 200 201 202 203");
}

static void
copy(struct ka_process *table)
{
	memcpy(table, with_audit, sizeof(with_audit));
}

static void
test_no_audit(void **state)
{
	struct ka_process table[COUNT(with_audit)];
	struct marked m;

	(void)state;
	copy(table);
	for (size_t i = 0; i < COUNT(table); i++)
		table[i].audit = table[i].login = NO;
	mark(table, COUNT(table), UID, &m);
	expect(table, COUNT(table), &m, " 100 101 102 103 106", " 200 201 202");
	/* 103 lost its parent, but is of the terminal that the shell leads */
	table[7].parent = 1;
	mark(table, COUNT(table), UID, &m);
	expect(table, COUNT(table), &m, " 100 101 102 103 106", " 200 201 202");
	/* what is in the monitor's own is not by that of the session */
	table[8].sid = 100;
	mark(table, COUNT(table), UID, &m);
	expect(table, COUNT(table), &m, " 100 101 102 103 106", " 200 201 202");
}

/* Until the project's sshd is forked, what the monitor started is the session's, PAM's helpers too. */
static void
test_not_begun(void **state)
{
	const struct ka_process table[] = {P(1, 0, 1, 0, NO, NO), P(10, 1, 10, 0, NO, NO), P(100, 10, 100, 0, UID, 5),
	    P(107, 100, 107, 0, UID, 5), P(108, 107, 107, 0, UID, 5)};
	struct marked m;

	(void)state;
	mark(table, COUNT(table), UID, &m);
	assert_false(m.trees[0].established);
	expect(table, COUNT(table), &m, " 100 107 108", "");
}

/* That it was forked is not forgotten when it is gone: then PAM closes, and its helpers are not the session's. */
static void
test_closing(void **state)
{
	const struct ka_process before[] = {
	    P(10, 1, 10, 0, NO, NO), P(100, 10, 100, 0, UID, 5), P(101, 100, 100, UID, UID, 5)};
	const struct ka_process after[] = {
	    P(10, 1, 10, 0, NO, NO), P(100, 10, 100, 0, UID, 5), P(107, 100, 107, 0, UID, 5)};
	struct ka_tree tree = {.uid = UID, .audit = NO};
	size_t owner[3];

	(void)state;
	ka_tree_look(before, 3, &entries[0], &tree);
	ka_tree_look(after, 3, &entries[0], &tree);
	assert_true(tree.established);
	ka_tree_mark(after, 3, &tree, 1, owner);
	assert_int_equal(owner[1], 0);
	assert_true(owner[2] == KA_TREE_NONE);
}

/* The number of audit is no session's when the sshd that waits has it too, or another session, or it is another's
 * login. */
static void
test_shared_audit(void **state)
{
	struct ka_process table[COUNT(with_audit)];
	struct marked m;

	(void)state;
	copy(table);
	table[1].audit = 5;
	mark(table, COUNT(table), UID, &m);
	assert_int_equal(m.trees[0].audit, NO);
	expect(table, COUNT(table), &m, " 100 101 102 103 106", " 200 201 202 203");

	copy(table);
	for (size_t i = 0; i < COUNT(table); i++)
		if (table[i].audit == 6)
			table[i].audit = 5;
	mark(table, COUNT(table), UID, &m);
	assert_int_equal(m.trees[0].audit, NO);
	assert_int_equal(m.trees[1].audit, NO);
	expect(table, COUNT(table), &m, " 100 101 102 103 106", " 200 201 202");

	copy(table);
	for (size_t i = 0; i < COUNT(table); i++)
		if (table[i].audit == 5)
			table[i].login = 1000;
	mark(table, COUNT(table), UID, &m);
	assert_int_equal(m.trees[0].audit, NO);
	expect(table, COUNT(table), &m, " 100 101 102 103 106", " 200 201 202 203");
}

/* The pid is another process's now. */
static void
test_other_start(void **state)
{
	struct ka_process table[COUNT(with_audit)];
	struct marked m;

	(void)state;
	copy(table);
	table[4].start++;
	mark(table, COUNT(table), UID, &m);
	assert_false(m.trees[0].lives);
	expect(table, COUNT(table), &m, "", " 200 201 202 203");
}

static void
test_not_ourselves(void **state)
{
	struct ka_process table[COUNT(with_audit)];
	struct marked m;

	(void)state;
	copy(table);
	for (size_t i = 0; i < COUNT(table); i++) {
		if (table[i].pid >= 300)
			table[i].pid += 100000000;
	}
	/* as if typed in the session's shell; and what we start */
	table[16] = (struct ka_process)P(0, 102, 102, UID, UID, 5);
	table[16].pid = getpid();
	if (table[16].pid < 203)
		skip();
	table[17] = (struct ka_process)P(0, 0, 0, 0, NO, NO);
	table[17].pid = getpid() + 1;
	table[17].parent = getpid();
	mark(table, COUNT(table), UID, &m);
	assert_true(m.owner[16] == KA_TREE_NONE);
	assert_true(m.owner[17] == KA_TREE_NONE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_audit),
	    cmocka_unit_test(test_uid_from_processes),
	    cmocka_unit_test(test_no_audit),
	    cmocka_unit_test(test_not_begun),
	    cmocka_unit_test(test_closing),
	    cmocka_unit_test(test_shared_audit),
	    cmocka_unit_test(test_other_start),
	    cmocka_unit_test(test_not_ourselves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
