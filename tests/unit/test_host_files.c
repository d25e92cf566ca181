/*
 * Our lines in the host's files: where they go, that they go once, and that taking them away restores every byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "keyacct/host_files.h"

#define KEYACCT " keyacct [UNAVAIL=return TRYAGAIN=return]"

static const struct {
	const char *old, *new;
} nsswitch[] = {
    {"passwd: files systemd\ngroup: files systemd\n",
	"passwd: files" KEYACCT " systemd\ngroup: files" KEYACCT " systemd\n"},
    {"passwd:\t\tfiles   systemd  # ours\ngroup:files systemd", /* no newline at the end */
	"passwd:\t\tfiles" KEYACCT "   systemd  # ours\ngroup:files" KEYACCT " systemd"},
    {"# passwd: files systemd\npasswd: files\ngroup: files  \n",
	"# passwd: files systemd\npasswd: files keyacct\ngroup: files keyacct  \n"},
    {"passwd: files sss # a comment\ngroup: compat systemd\n",
	"passwd: files sss keyacct # a comment\ngroup: compat systemd keyacct\n"},
    {"passwd: files systemd sss\ngroup: db files systemd\n",
	"passwd: files systemd sss keyacct\ngroup: db files" KEYACCT " systemd\n"},
    {"passwd: myfiles systemd\ngroup: files systemd-foo\n",
	"passwd: myfiles systemd keyacct\ngroup: files systemd-foo keyacct\n"},
    {"passwd: files [NOTFOUND=continue] systemd\ngroup: files\n",
	"passwd: files [NOTFOUND=continue] systemd keyacct\ngroup: files keyacct\n"},
    {"shadow: files\ngroup : files\npasswd :files\n", "shadow: files\ngroup : files keyacct\npasswd :files keyacct\n"},
};

static void
nsswitch_gains_us_and_loses_us_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(nsswitch) / sizeof(nsswitch[0]); i++) {
		struct ka_error err = {""};
		char *new, *again, *back;

		assert_int_equal(host_nsswitch_add(nsswitch[i].old, &new, &err), KA_OK);
		assert_string_equal(new, nsswitch[i].new);
		assert_int_equal(host_nsswitch_add(new, &again, &err), KA_OK);
		assert_string_equal(again, new);
		assert_int_equal(host_nsswitch_remove(new, &back, &err), KA_OK);
		assert_string_equal(back, nsswitch[i].old);
		free(new);
		free(again);
		free(back);
		/* Without us there is nothing to take away. */
		assert_int_equal(host_nsswitch_remove(nsswitch[i].old, &back, &err), KA_OK);
		assert_string_equal(back, nsswitch[i].old);
		free(back);
	}
}

static void
nsswitch_without_a_place_is_refused(void **state)
{
	static const char *const bad[] = {"", "passwd: files\n", "group: files\n", "hosts: files\n"};
	struct ka_error err = {""};
	char *new;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(host_nsswitch_add(bad[i], &new, &err), KA_CONFLICT);
		assert_null(new);
		assert_non_null(strstr(err.text, "no line"));
	}
	assert_int_equal(host_nsswitch_add(NULL, &new, &err), KA_CONFLICT);
}

/* Somebody may have put it elsewhere in the line, with other actions: it stays there, and goes as a whole. */
static void
keyacct_by_hand_is_left_and_removed_whole(void **state)
{
	static const char old[] = "passwd: keyacct [NOTFOUND=continue] files\ngroup: files keyacct\n";
	struct ka_error err = {""};
	char *new;

	(void)state;
	assert_int_equal(host_nsswitch_add(old, &new, &err), KA_OK);
	assert_string_equal(new, old);
	free(new);
	assert_int_equal(host_nsswitch_remove(old, &new, &err), KA_OK);
	assert_string_equal(new, "passwd: files\ngroup: files\n");
	free(new);
}

#define ACCOUNT "# keyacct\naccount [success=ignore] pam_succeed_if.so\naccount required pam_keyacct.so\n"
#define SESSION "# keyacct\nsession requisite pam_keyacct.so\n"

static const struct {
	const char *old, *new;
} pam[] = {
    {"auth x\n@include common-account\nsession optional a.so\nsession b.so\n",
	"auth x\n" ACCOUNT "@include common-account\n" SESSION "session optional a.so\nsession b.so\n"},
    {"@include\tcommon-account # here\n-session [a=b c=d] a.so",
	ACCOUNT "@include\tcommon-account # here\n" SESSION "-session [a=b c=d] a.so"},
    {"#@include common-account\nsessionx y\n@include common-account\nsession\tz\n",
	"#@include common-account\nsessionx y\n" ACCOUNT "@include common-account\n" SESSION "session\tz\n"},
};

static void
pam_gains_us_and_loses_us_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(pam) / sizeof(pam[0]); i++) {
		struct ka_error err = {""};
		char *new, *again, *back;

		assert_int_equal(host_pam_add(pam[i].old, ACCOUNT, SESSION, &new, &err), KA_OK);
		assert_string_equal(new, pam[i].new);
		assert_int_equal(host_pam_add(new, ACCOUNT, SESSION, &again, &err), KA_OK);
		assert_string_equal(again, new);
		assert_int_equal(host_pam_remove(new, ACCOUNT, SESSION, &back, &err), KA_OK);
		assert_string_equal(back, pam[i].old);
		free(new);
		free(again);
		free(back);
	}
}

static void
pam_without_a_place_or_with_other_lines_is_refused(void **state)
{
	static const struct {
		const char *old, *why;
	} bad[] = {
	    {"session a.so\n", "common-account"},
	    {"@include common-account\n", "no session line"},
	    {"account required pam_keyacct.so\n@include common-account\nsession a.so\n", "not as they ship"},
	    {ACCOUNT "@include common-account\nsession required pam_keyacct.so\n", "not as they ship"},
	    {"account [success=ignore default=1] pam_succeed_if.so quiet user =~ ????????????????????????????????\n"
	     "@include common-account\nsession a.so\n",
		"not as they ship"},
	};
	struct ka_error err = {""};
	char *new;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(host_pam_add(bad[i].old, ACCOUNT, SESSION, &new, &err), KA_CONFLICT);
		assert_non_null(strstr(err.text, bad[i].why));
		assert_null(new);
	}
	assert_int_equal(host_pam_add(NULL, ACCOUNT, SESSION, &new, &err), KA_CONFLICT);
	/* In a comment it is no line of ours. */
	assert_int_equal(
	    host_pam_add("# pam_keyacct.so\n@include common-account\nsession a.so\n", ACCOUNT, SESSION, &new, &err),
	    KA_OK);
	free(new);
}

/* cron's file has an account part alone. */
static void
pam_account_alone(void **state)
{
	static const char old[] = "auth x\n@include common-account\n@include common-session\n";
	struct ka_error err = {""};
	char *new, *back;

	(void)state;
	assert_int_equal(host_pam_add(old, ACCOUNT, "", &new, &err), KA_OK);
	assert_string_equal(new, "auth x\n" ACCOUNT "@include common-account\n@include common-session\n");
	assert_int_equal(host_pam_remove(new, ACCOUNT, "", &back, &err), KA_OK);
	assert_string_equal(back, old);
	free(new);
	free(back);
}

#define MARK  HOST_LINES_MARK "\n"
#define LINES "127.0.0.1 ssh" MARK
#define OTHER "127.0.0.1 near" MARK "::1 near" MARK

static void
lines_come_and_go(void **state)
{
	static const struct {
		const char *old, *new;
	} rows[] = {
	    {"", LINES}, {"a\n", "a\n" LINES}, {"a\nb", "a\n" LINES "b"}, {"b", LINES "b"},
	    {"127.0.0.1 ssh\n", "127.0.0.1 ssh\n" LINES}, {"\n\n", "\n\n" LINES},
	    {"# keyacct setup\n", "# keyacct setup\n" LINES}, /* nothing stands before it: a remark of somebody's */
	};
	struct ka_error err = {""};
	char *new, *again, *other, *back;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(host_lines_set(rows[i].old, LINES, 2, &new, &err), KA_OK);
		assert_string_equal(new, rows[i].new);
		assert_int_equal(host_lines_set(new, LINES, 2, &again, &err), KA_OK);
		assert_string_equal(again, new);
		assert_int_equal(host_lines_set(new, OTHER, 2, &other, &err), KA_OK);
		assert_null(strstr(other, LINES));
		assert_non_null(strstr(other, OTHER));
		assert_int_equal(host_lines_set(other, "", 2, &back, &err), KA_OK);
		assert_string_equal(back, rows[i].old);
		free(new);
		free(again);
		free(other);
		free(back);
	}
}

static void
a_file_of_our_lines_alone_comes_and_goes(void **state)
{
	struct ka_error err = {""};
	char *new, *back, *more;

	(void)state;
	assert_int_equal(host_lines_set(NULL, LINES, 2, &new, &err), KA_OK);
	assert_string_equal(new, HOST_LINES_MADE LINES);
	assert_int_equal(host_lines_set(new, "", 2, &back, &err), KA_OK);
	assert_null(back);
	/* Not with what somebody wrote into it meanwhile. */
	assert_true(asprintf(&more, "%sa\n", new) > 0);
	assert_int_equal(host_lines_set(more, "", 2, &back, &err), KA_OK);
	assert_string_equal(back, "a\n");
	free(back);
	free(more);
	free(new);
	assert_int_equal(host_lines_set(NULL, "", 2, &back, &err), KA_OK);
	assert_null(back);
}

/* Beside others by hand it stays where it is; changed by hand it is nobody's to overwrite. */
static void
lines_by_hand_stay_or_are_refused(void **state)
{
	static const char moved[] = LINES "a\n", *const changed[] = {
						     "127.0.0.1 ssh web" MARK,
						     "a\n127.0.0.1" MARK "b\n",
						     "127.0.0.1 ssh # web" MARK,
						 };
	struct ka_error err = {""};
	char *new;

	(void)state;
	assert_int_equal(host_lines_set(moved, LINES, 2, &new, &err), KA_OK);
	assert_string_equal(new, moved);
	free(new);
	for (size_t i = 0; i < sizeof(changed) / sizeof(changed[0]); i++) {
		assert_int_equal(host_lines_set(changed[i], LINES, 2, &new, &err), KA_CONFLICT);
		assert_null(new);
		assert_non_null(strstr(err.text, "is not as setup wrote it"));
		assert_int_equal(host_lines_set(changed[i], "", 2, &new, &err), KA_CONFLICT);
		assert_null(new);
	}
}

static void
names_are_found_in_hosts(void **state)
{
	static const struct {
		const char *text, *address;
	} rows[] = {
	    {"127.0.0.1 localhost ssh\n", "127.0.0.1"},
	    {"# 192.0.2.1 ssh\n192.0.2.2\tweb  SSH # x", "192.0.2.2"},
	    {"192.0.2.1 web # ssh\n::1 ssh", "::1"},
	    {"192.0.2.1 sshd xssh ssh.example.org\nssh web\n", NULL},
	    {"127.0.0.1 ssh" MARK, NULL},
	    {"", NULL},
	};
	char address[64], name[64];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool found = host_hosts_find(rows[i].text, "ssh", address, sizeof(address));

		assert_int_equal(found, rows[i].address != NULL);
		if (found)
			assert_string_equal(address, rows[i].address);
	}
	assert_true(host_hosts_ours("a b\n" LINES, name, sizeof(name)));
	assert_string_equal(name, "ssh");
	assert_false(host_hosts_ours("127.0.0.1 ssh\n", name, sizeof(name)));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nsswitch_gains_us_and_loses_us_again),
	    cmocka_unit_test(nsswitch_without_a_place_is_refused),
	    cmocka_unit_test(keyacct_by_hand_is_left_and_removed_whole),
	    cmocka_unit_test(pam_gains_us_and_loses_us_again),
	    cmocka_unit_test(pam_without_a_place_or_with_other_lines_is_refused),
	    cmocka_unit_test(pam_account_alone),
	    cmocka_unit_test(lines_come_and_go),
	    cmocka_unit_test(a_file_of_our_lines_alone_comes_and_goes),
	    cmocka_unit_test(lines_by_hand_stay_or_are_refused),
	    cmocka_unit_test(names_are_found_in_hosts),
	};

	return cmocka_run_group_tests_name("host_files", tests, NULL, NULL);
}
