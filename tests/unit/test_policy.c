#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/policy.h"

#define LOOPBACK                                                                                        \
	",port-forwarding,permitopen=\"localhost:*\",permitopen=\"127.0.0.1:*\",permitopen=\"[::1]:*\"" \
	",permitlisten=\"localhost:*\",permitlisten=\"127.0.0.1:*\",permitlisten=\"[::1]:*\""

static const struct {
	uint32_t policy;
	const char *options;
} cases[] = {
    {0, ",pty"}, {KA_POLICY_AGENT, ",pty,agent-forwarding"}, {KA_POLICY_TCP_LOOPBACK, ",pty" LOOPBACK},
    {KA_POLICY_TCP_ON, ",pty,port-forwarding"}, {KA_POLICY_TCP, ",pty"}, /* no value: off */
    {KA_POLICY_X11, ",pty,X11-forwarding"}, {KA_POLICY_NO_PTY, ""},
    {KA_POLICY_NO_PTY | KA_POLICY_AGENT, ",agent-forwarding"}, {KA_POLICY_SFTP_ONLY, ",command=\"internal-sftp\""},
    {KA_POLICY_SFTP_ONLY | KA_POLICY_AGENT | KA_POLICY_TCP_ON | KA_POLICY_X11, ",command=\"internal-sftp\""},
    {KA_POLICY_AGENT | KA_POLICY_TCP_LOOPBACK | KA_POLICY_X11, ",pty,agent-forwarding" LOOPBACK ",X11-forwarding"},
    {0xffffffc0U | KA_POLICY_AGENT, ",pty,agent-forwarding"}, /* bits of a newer version */
};

static void
options_are_what_the_policy_gives_back(void **state)
{
	char options[KA_POLICY_OPTIONS_LEN];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ka_policy_options(cases[i].policy, options);
		assert_string_equal(options, cases[i].options);
	}
}

static void
no_policy_is_too_long_for_its_options(void **state)
{
	char options[KA_POLICY_OPTIONS_LEN];

	(void)state;
	for (uint32_t policy = 0; policy < 64; policy++) {
		ka_policy_options(policy, options);
		assert_true(strlen(options) < KA_POLICY_OPTIONS_LEN - 1);
	}
}

static void
each_setting_changes_itself_alone(void **state)
{
	static const char *const written[][2] = {{"agent", "on"}, {"agent", "off"}, {"tcp", "loopback"}, {"tcp", "on"},
	    {"tcp", "off"}, {"x11", "on"}, {"x11", "off"}, {"pty", "off"}, {"pty", "on"}, {"sftp-only", "on"},
	    {"sftp-only", "off"}};

	(void)state;
	for (uint32_t policy = 0; policy < 128; policy++)
		for (size_t i = 0; i < sizeof(written) / sizeof(written[0]); i++) {
			uint32_t changed = policy;

			assert_int_equal(ka_policy_set(&changed, written[i][0], written[i][1]), KA_OK);
			for (const char *const *s = ka_policy_settings; *s != NULL; s++)
				assert_string_equal(ka_policy_get(changed, *s),
				    strcmp(*s, written[i][0]) == 0 ? written[i][1] : ka_policy_get(policy, *s));
			assert_int_equal(changed & 64, policy & 64);
		}
}

static void
what_is_no_setting_or_value_changes_nothing(void **state)
{
	static const char *const wrong[][2] = {{"agent", "yes"}, {"agent", ""}, {"agent", "loopback"}, {"tcp", "ON"},
	    {"tcp", "localhost"}, {"ssh", "on"}, {"", "on"}, {"sftp_only", "on"}};
	uint32_t policy = KA_POLICY_AGENT | KA_POLICY_TCP_LOOPBACK;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(ka_policy_set(&policy, wrong[i][0], wrong[i][1]), KA_INVALID);
		assert_int_equal(policy, KA_POLICY_AGENT | KA_POLICY_TCP_LOOPBACK);
	}
}

static void
what_rows_said_before_there_were_more_bits_holds(void **state)
{
	(void)state;
	assert_string_equal(ka_policy_get(KA_POLICY_AGENT, "agent"), "on");
	assert_string_equal(ka_policy_get(0, "agent"), "off");
	for (uint32_t policy = 0; policy <= KA_POLICY_AGENT; policy++) {
		assert_string_equal(ka_policy_get(policy, "tcp"), "off");
		assert_string_equal(ka_policy_get(policy, "x11"), "off");
		assert_string_equal(ka_policy_get(policy, "pty"), "on");
		assert_string_equal(ka_policy_get(policy, "sftp-only"), "off");
	}
}

static void
refused(uint32_t policy, enum ka_request request, const char *setting)
{
	const char *got = ka_policy_refusal(policy, request);

	if (setting == NULL) {
		assert_null(got);
		return;
	}
	assert_non_null(got);
	assert_string_equal(got, setting);
}

static void
the_setting_that_refuses_is_named(void **state)
{
	(void)state;
	refused(0, KA_REQUEST_COMMANDS, NULL);
	refused(0, KA_REQUEST_AGENT, "agent off");
	refused(0, KA_REQUEST_PORTS, "tcp off");
	refused(KA_POLICY_TCP, KA_REQUEST_PORTS, "tcp off");
	refused(0, KA_REQUEST_OTHER_HOSTS, "tcp off");
	refused(0, KA_REQUEST_X11, "x11 off");
	refused(0, KA_REQUEST_PTY, NULL);
	refused(0, KA_REQUEST_SOCKETS, "tcp off");
	refused(KA_POLICY_TCP_LOOPBACK, KA_REQUEST_PORTS, NULL);
	refused(KA_POLICY_TCP_LOOPBACK, KA_REQUEST_OTHER_HOSTS, "tcp loopback");
	refused(KA_POLICY_TCP_ON, KA_REQUEST_OTHER_HOSTS, NULL);
	refused(KA_POLICY_NO_PTY, KA_REQUEST_PTY, "pty off");
	for (unsigned r = 0; r < KA_REQUESTS; r++)
		refused(~(uint32_t)KA_POLICY_NO_PTY, (enum ka_request)r, "sftp-only on");
}

static void
every_request_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (unsigned a = 0; a < KA_REQUESTS; a++)
		for (unsigned b = 0; b < a; b++)
			assert_string_not_equal(
			    ka_policy_request_name((enum ka_request)a), ka_policy_request_name((enum ka_request)b));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(options_are_what_the_policy_gives_back),
	    cmocka_unit_test(no_policy_is_too_long_for_its_options),
	    cmocka_unit_test(each_setting_changes_itself_alone),
	    cmocka_unit_test(what_is_no_setting_or_value_changes_nothing),
	    cmocka_unit_test(what_rows_said_before_there_were_more_bits_holds),
	    cmocka_unit_test(the_setting_that_refuses_is_named),
	    cmocka_unit_test(every_request_has_a_name_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
