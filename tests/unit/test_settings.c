/*
 * The settings: which values each takes, that one changes without the others, how a change is logged, and what they
 * decide about keys.
 */
#include <unistd.h>

#include "common/access.h"
#include "common/settings.h"
#include "tests/unit/fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct fixture f;

static int
setup(void **state)
{
	(void)state;
	fixture_new(&f);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	fixture_free(&f);
	return 0;
}

static const struct ka_setting *
find(const char *name)
{
	const struct ka_setting *setting = NULL;

	assert_int_equal(ka_settings_find(name, &setting, NULL), KA_OK);
	return setting;
}

/* 63 characters, the longest label of a host name. */
#define LABEL "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz-0123456789"

static const struct {
	const char *name, *value;
	const char *shown; /* NULL: it is refused */
} values[] = {
    {"host", "", ""},
    {"host", "ssh", "ssh"},
    {"host", "ssh.example.org", "ssh.example.org"},
    {"host", "SSH-1.Example.ORG", "SSH-1.Example.ORG"},
    {"host", "192.0.2.7", "192.0.2.7"},
    {"host", LABEL ".org", LABEL ".org"},
    {"host", LABEL "x.org", NULL},
    {"host", LABEL "." LABEL "." LABEL "." LABEL, NULL},
    {"host", "ssh.", NULL},
    {"host", ".ssh", NULL},
    {"host", "a..b", NULL},
    {"host", "-ssh", NULL},
    {"host", "ssh-", NULL},
    {"host", "ssh-.org", NULL},
    {"host", "ss h", NULL},
    {"host", "ssh,gate", NULL},
    {"host", "ssh_1", NULL},
    {"host", "ssh\n", NULL},
    {"host", "s\xc3\xbcss", NULL},
    {"host", "root@ssh", NULL},
    {"host", "::1", NULL},
    {"key-types", "all", "all"},
    {"key-types", "ssh-ed25519", "ssh-ed25519"},
    {"key-types", "ssh-ed25519,ssh-rsa", "ssh-ed25519,ssh-rsa"},
    {"key-types", " ssh-rsa , ssh-ed25519 ", "ssh-rsa,ssh-ed25519"},
    {"key-types", "ssh-rsa,ssh-ed25519,ssh-rsa", "ssh-rsa,ssh-ed25519"},
    {"key-types", "sk-ssh-ed25519@openssh.com,ssh-ed25519", "sk-ssh-ed25519@openssh.com,ssh-ed25519"},
    {"key-types",
	"sk-ecdsa-sha2-nistp256@openssh.com,sk-ssh-ed25519@openssh.com,ecdsa-sha2-nistp521,ecdsa-sha2-nistp384,"
	"ecdsa-sha2-nistp256,ssh-rsa,ssh-ed25519",
	"sk-ecdsa-sha2-nistp256@openssh.com,sk-ssh-ed25519@openssh.com,ecdsa-sha2-nistp521,ecdsa-sha2-nistp384,"
	"ecdsa-sha2-nistp256,ssh-rsa,ssh-ed25519"},
    {"key-types", "", NULL},
    {"key-types", " ", NULL},
    {"key-types", ",", NULL},
    {"key-types", "ssh-rsa,", NULL},
    {"key-types", ",ssh-rsa", NULL},
    {"key-types", "ssh-rsa,,ssh-ed25519", NULL},
    {"key-types", "ssh-rsa ssh-ed25519", NULL},
    {"key-types", "ssh-rsa,all", NULL},
    {"key-types", "All", NULL},
    {"key-types", "ssh-dss", NULL},
    {"key-types", "SSH-RSA", NULL},
    {"key-types", "ssh-ed25519-cert-v01@openssh.com", NULL},
    {"rsa-bits", "2048", "2048"},
    {"rsa-bits", "03072", "3072"},
    {"rsa-bits", "16384", "16384"},
    {"rsa-bits", "2047", NULL},
    {"rsa-bits", "16385", NULL},
    {"rsa-bits", "0", NULL},
    {"rsa-bits", "", NULL},
    {"rsa-bits", "-2048", NULL},
    {"rsa-bits", "+2048", NULL},
    {"rsa-bits", " 2048", NULL},
    {"rsa-bits", "2048 ", NULL},
    {"rsa-bits", "2048.5", NULL},
    {"rsa-bits", "0x1000", NULL},
    {"rsa-bits", "4294971392", NULL},           /* 2^32 + 4096 */
    {"rsa-bits", "18446744073709555712", NULL}, /* 2^64 + 4096 */
    {"security-keys", "optional", "optional"},
    {"security-keys", "required", "required"},
    {"security-keys", "verified", "verified"},
    {"security-keys", "", NULL},
    {"security-keys", "Required", NULL},
    {"security-keys", "require", NULL},
    {"security-keys", "on", NULL},
    {"git-author", "on", "on"},
    {"git-author", "off", "off"},
    {"git-author", "", NULL},
    {"git-author", "yes", NULL},
    {"git-author", "ON", NULL},
    {"grace-text", "", "none"},
    {"grace-text", "none", "none"},
    {"grace-text", "Your time \xe2\x80\x94 is  up.", "Your time \xe2\x80\x94 is  up."},
    {"grace-text", "two\nlines", NULL},
    {"grace-text", "\x1b[2J", NULL},
    {"grace-text", "bell\a", NULL},
    {"grace-text",
	"\xc2\x9b"
	"2J",
	NULL},                                         /* C1: CSI */
    {"grace-text", "\xe2\x80\xaeright to left", NULL}, /* turns the line around */
    {"grace-text", "\xff", NULL},
    {"homes", "/srv", "/srv"},
    {"homes", "/srv/two  words", "/srv/two  words"},
    {"homes", "/srv/\xc3\xbc", "/srv/\xc3\xbc"},
    {"homes", "", NULL},
    {"homes", "/", NULL},
    {"homes", "/srv/", NULL},
    {"homes", "srv", NULL},
    {"homes", "/srv:x", NULL},
    {"homes", "/srv\n", NULL},
    {"homes", "/srv\x7f", NULL},
    {"homes", "/srv\xff", NULL},
    {"homes", "/srv\xe2\x80\x8bx", NULL}, /* zero width */
    {"homes", "/srv\xc2\xa0x", NULL},     /* looks like a space */
    {"shell", "/usr/libexec/enter", "/usr/libexec/enter"},
    {"shell", "bash", NULL},
    {"shell", "/bin/", NULL},
    {"shell", "/bin/ba\tsh", NULL},
    {"agent", "on", "on"},
    {"agent", "off", "off"},
    {"agent", "", NULL},
    {"agent", "true", NULL},
};

/* Every field away from its default, so that a change of a wrong one shows. */
static void
fill_settings(struct ka_settings *s)
{
	memset(s, 0, sizeof(*s));
	(void)strcpy(s->host, "gate");
	(void)strcpy(s->key_types, "ssh-rsa,sk-ssh-ed25519@openssh.com");
	s->rsa_bits_min = 5000;
	s->security_keys = KA_SECURITY_KEYS_REQUIRED;
	s->git_author = true;
	(void)strcpy(s->grace_text, "over");
	(void)strcpy(s->homes, "/homes");
	(void)strcpy(s->shell, "/enter");
	s->policy = 0xf0;
}

static void
all_but(const struct ka_setting *but, const struct ka_settings *a, const struct ka_settings *b)
{
	for (const struct ka_setting *s = ka_settings_table; s->name != NULL; s++) {
		char of_a[KA_SETTINGS_VALUE_LEN], of_b[KA_SETTINGS_VALUE_LEN];

		s->format(a, of_a);
		s->format(b, of_b);
		if (s != but)
			assert_string_equal(of_a, of_b);
	}
	assert_int_equal(a->policy & ~KA_POLICY_AGENT, b->policy & ~KA_POLICY_AGENT);
}

static void
values_are_checked(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(values); i++) {
		const struct ka_setting *setting = find(values[i].name);
		char text[KA_SETTINGS_VALUE_LEN];
		struct ka_settings before, after;
		struct ka_error err = {""};

		fill_settings(&before);
		after = before;
		if (values[i].shown == NULL) {
			if (setting->parse(values[i].value, &after, &err) != KA_INVALID)
				fail_msg("%s \"%s\" was taken", values[i].name, values[i].value);
			/* It names the setting and, but for the longest, the value. */
			assert_non_null(strstr(err.text, values[i].name));
			all_but(NULL, &before, &after);
			continue;
		}
		if (setting->parse(values[i].value, &after, &err) != KA_OK)
			fail_msg("%s", err.text);
		setting->format(&after, text);
		assert_string_equal(text, values[i].shown);
		all_but(setting, &before, &after);
	}
}

static void
the_longest_paths(void **state)
{
	static const struct {
		const char *name;
		size_t max;
	} paths[] = {{"homes", KA_SETTINGS_HOMES_MAX}, {"shell", KA_SHELL_LEN - 1}, {"grace-text", KA_GRACE_LEN - 1}};

	(void)state;
	for (size_t i = 0; i < COUNT(paths); i++) {
		const struct ka_setting *setting = find(paths[i].name);
		char path[KA_HOME_LEN + 1] = "", text[KA_SETTINGS_VALUE_LEN];
		struct ka_settings s;
		struct ka_error err = {""};

		fill_settings(&s);
		memset(path, 'x', paths[i].max);
		path[0] = '/';
		assert_int_equal(setting->parse(path, &s, &err), KA_OK);
		setting->format(&s, text);
		assert_string_equal(text, path);
		path[paths[i].max] = 'x';
		assert_int_equal(setting->parse(path, &s, &err), KA_INVALID);
		assert_non_null(strstr(err.text, "too long"));
	}
}

/* The home of a new project holds all of the longest setting, and the whole id. */
static void
a_home_under_the_longest_path_is_whole(void **state)
{
	struct ka_settings s;
	struct ka_project project;
	struct ka_error err = {""};
	char id[KA_UUID_TEXT_LEN];

	(void)state;
	ka_record_default_settings(&s);
	memset(s.homes, 'x', KA_SETTINGS_HOMES_MAX);
	s.homes[0] = '/';
	assert_int_equal(ka_settings_write(f.store, &s, &err), KA_OK);
	project = fixture_project(&f, "deep", KA_PROJECT_ACTIVE, true);
	ka_uuid_text(project.id, id);
	assert_int_equal(strlen(project.home), KA_SETTINGS_HOMES_MAX + 1 + strlen(id));
	assert_memory_equal(project.home, s.homes, KA_SETTINGS_HOMES_MAX);
	assert_string_equal(project.home + KA_SETTINGS_HOMES_MAX + 1, id);
}

/* What format writes, parse reads: resetting depends on it. */
static void
defaults_survive_the_way_through_text(void **state)
{
	(void)state;
	for (const struct ka_setting *s = ka_settings_table; s->name != NULL; s++) {
		struct ka_settings defaults, other;
		char text[KA_SETTINGS_VALUE_LEN], back[KA_SETTINGS_VALUE_LEN];

		ka_record_default_settings(&defaults);
		fill_settings(&other);
		s->format(&defaults, text);
		assert_int_equal(s->parse(text, &other, NULL), KA_OK);
		s->format(&other, back);
		assert_string_equal(back, text);
	}
}

static void
an_unknown_name_lists_the_names(void **state)
{
	const struct ka_setting *setting = NULL;
	struct ka_error err = {""};

	(void)state;
	assert_int_equal(ka_settings_find("rsa_bits", &setting, &err), KA_NOTFOUND);
	for (const struct ka_setting *s = ka_settings_table; s->name != NULL; s++)
		assert_non_null(strstr(err.text, s->name));
	assert_int_equal(ka_settings_find("", &setting, &err), KA_NOTFOUND);
}

/* Writing */

static void
a_change_is_logged_with_what_was_and_is(void **state)
{
	struct ka_settings s, was, is;
	struct ka_change change;
	struct ka_error err = {""};
	uint64_t first, last;

	(void)state;
	ka_store_begin_command(f.store, "config set");
	ka_record_default_settings(&s);
	/* The defaults are so without a row. */
	assert_int_equal(ka_settings_write(f.store, &s, &err), KA_OK);
	assert_int_equal(ka_store_changes(f.store, &first, &last), KA_OK);
	s.rsa_bits_min = 3072;
	assert_int_equal(ka_settings_write(f.store, &s, &err), KA_OK);
	assert_int_equal(ka_settings_write(f.store, &s, &err), KA_OK);
	s.rsa_bits_min = 4096;
	assert_int_equal(ka_settings_write(f.store, &s, &err), KA_OK);
	fixture_commit(&f);
	assert_int_equal(ka_store_changes(f.store, &first, &last), KA_OK);
	assert_int_equal(last - first + 1, 2);
	assert_int_equal(ka_store_get_change(f.store, last, &change), KA_OK);
	assert_int_equal(change.table, KA_TABLE_SETTINGS);
	assert_string_equal(change.verb, "config set");
	assert_int_equal(ka_record_get_settings(change.before.payload, change.before.len, &was), KA_OK);
	assert_int_equal(ka_record_get_settings(change.after.payload, change.after.len, &is), KA_OK);
	assert_int_equal(was.rsa_bits_min, 3072);
	assert_int_equal(is.rsa_bits_min, 4096);
	assert_int_equal(ka_store_settings(f.store, &is), KA_OK);
	assert_int_equal(is.rsa_bits_min, 4096);
}

static void
settings_that_let_no_key_in_are_refused(void **state)
{
	static const struct {
		const char *types;
		enum ka_security_keys security_keys;
		enum ka_result r;
	} pairs[] = {{"", KA_SECURITY_KEYS_VERIFIED, KA_OK}, {"ssh-ed25519,ssh-rsa", KA_SECURITY_KEYS_OPTIONAL, KA_OK},
	    {"ssh-rsa", KA_SECURITY_KEYS_OPTIONAL, KA_OK},
	    {"ssh-ed25519,ssh-rsa", KA_SECURITY_KEYS_REQUIRED, KA_CONFLICT},
	    {"ssh-rsa", KA_SECURITY_KEYS_VERIFIED, KA_CONFLICT},
	    {"ssh-rsa,sk-ecdsa-sha2-nistp256@openssh.com", KA_SECURITY_KEYS_VERIFIED, KA_OK}};

	(void)state;
	for (size_t i = 0; i < COUNT(pairs); i++) {
		struct ka_settings s;
		struct ka_error err = {""};

		ka_record_default_settings(&s);
		s.rsa_bits_min = KA_SETTINGS_RSA_MOST;
		(void)strcpy(s.key_types, pairs[i].types);
		s.security_keys = pairs[i].security_keys;
		assert_int_equal(ka_settings_write(f.store, &s, &err), pairs[i].r);
	}
}

/* What comes as a structure, out of an import for instance. */
static void
what_no_text_could_set_is_refused(void **state)
{
	struct ka_settings good, s, is;
	struct ka_error err = {""};

	(void)state;
	ka_record_default_settings(&good);
	for (int i = 0; i < 6; i++) {
		s = good;
		if (i == 0)
			s.rsa_bits_min = 1024;
		else if (i == 1)
			(void)strcpy(s.homes, "/srv/");
		else if (i == 2)
			(void)strcpy(s.host, "two words");
		else if (i == 3)
			(void)strcpy(s.key_types, "ssh-dss");
		else if (i == 4)
			(void)strcpy(s.shell, "bash");
		else
			s.security_keys = (enum ka_security_keys)4;
		assert_int_equal(ka_settings_write(f.store, &s, &err), KA_INVALID);
		assert_true(strlen(err.text) > 10);
	}
	fixture_commit(&f);
	assert_int_equal(ka_store_settings(f.store, &is), KA_OK);
	assert_int_equal(is.rsa_bits_min, good.rsa_bits_min);
	assert_string_equal(is.homes, good.homes);
}

/* What they decide */

static void
policy_judges_type_and_size(void **state)
{
	static const struct {
		const char *types;
		uint32_t rsa_bits;
		enum ka_security_keys security_keys;
		const char *type;
		uint32_t bits;
		enum ka_reason reason;
	} cases[] = {
	    {"", 2048, KA_SECURITY_KEYS_OPTIONAL, "ssh-ed25519", 256, KA_REASON_GRANTED},
	    {"", 2048, KA_SECURITY_KEYS_OPTIONAL, "ssh-rsa", 2048, KA_REASON_GRANTED},
	    {"", 2048, KA_SECURITY_KEYS_OPTIONAL, "ssh-rsa", 2047, KA_REASON_KEY_BITS},
	    {"", 3072, KA_SECURITY_KEYS_OPTIONAL, "ssh-rsa", 3071, KA_REASON_KEY_BITS},
	    {"", 3072, KA_SECURITY_KEYS_OPTIONAL, "ssh-rsa", 3072, KA_REASON_GRANTED},
	    {"", 3072, KA_SECURITY_KEYS_OPTIONAL, "ecdsa-sha2-nistp256", 256, KA_REASON_GRANTED},
	    {"ssh-ed25519", 2048, KA_SECURITY_KEYS_OPTIONAL, "ssh-rsa", 4096, KA_REASON_KEY_TYPE},
	    {"ssh-rsa,ssh-ed25519", 2048, KA_SECURITY_KEYS_OPTIONAL, "ssh-ed25519", 256, KA_REASON_GRANTED},
	    {"sk-ssh-ed25519@openssh.com", 2048, KA_SECURITY_KEYS_OPTIONAL, "ssh-ed25519", 256, KA_REASON_KEY_TYPE},
	    {"ecdsa-sha2-nistp521", 2048, KA_SECURITY_KEYS_OPTIONAL, "ecdsa-sha2-nistp52", 256, KA_REASON_KEY_TYPE},
	    {"", 2048, KA_SECURITY_KEYS_REQUIRED, "ssh-ed25519", 256, KA_REASON_KEY_NO_TOKEN},
	    {"", 2048, KA_SECURITY_KEYS_REQUIRED, "sk-ssh-ed25519@openssh.com", 256, KA_REASON_GRANTED},
	    {"", 2048, KA_SECURITY_KEYS_VERIFIED, "ssh-ed25519", 256, KA_REASON_KEY_NO_TOKEN},
	    {"", 2048, KA_SECURITY_KEYS_VERIFIED, "sk-ecdsa-sha2-nistp256@openssh.com", 256, KA_REASON_GRANTED},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ka_settings s;
		struct ka_key key = {.bits = cases[i].bits};

		ka_record_default_settings(&s);
		(void)strcpy(s.key_types, cases[i].types);
		(void)strcpy(key.type, cases[i].type);
		s.rsa_bits_min = cases[i].rsa_bits;
		s.security_keys = cases[i].security_keys;
		assert_string_equal(
		    ka_access_reason_name(ka_access_judge_policy(&s, &key)), ka_access_reason_name(cases[i].reason));
		assert_int_equal(ka_access_judge_settings(&s, &key), cases[i].reason);
	}
}

/* Only when the settings name this host is a key for others one that breaks them. */
static void
the_named_host_judges_limits_to_hosts(void **state)
{
	struct ka_key key = {.type = "ssh-ed25519", .hosts = "gate,Lab"};
	struct ka_settings s;

	(void)state;
	ka_record_default_settings(&s);
	assert_int_equal(ka_access_judge_settings(&s, &key), KA_REASON_GRANTED);
	(void)strcpy(s.host, "lab");
	assert_int_equal(ka_access_judge_settings(&s, &key), KA_REASON_GRANTED);
	(void)strcpy(s.host, "desk");
	assert_int_equal(ka_access_judge_settings(&s, &key), KA_REASON_KEY_HOST);
	assert_int_equal(ka_access_judge_policy(&s, &key), KA_REASON_GRANTED);
	key.hosts[0] = '\0';
	assert_int_equal(ka_access_judge_settings(&s, &key), KA_REASON_GRANTED);
}

static void
an_end_comes_with_its_second(void **state)
{
	(void)state;
	assert_false(ka_access_has_ended(0, 1000));
	assert_false(ka_access_has_ended(1001, 1000));
	assert_true(ka_access_has_ended(1000, 1000));
	assert_true(ka_access_has_ended(999, 1000));
}

static void
those_who_are_locked_out_are_counted(void **state)
{
	struct ka_account owner = fixture_account(&f, "owner"), student = fixture_account(&f, "student");
	struct ka_settings before, after;
	size_t n = 99;

	(void)state;
	fixture_key(&f, 1, &owner, &(struct ka_key){.created_s = 10});
	fixture_key(&f, 1, &student, &(struct ka_key){.created_s = 10, .state = KA_KEY_INACTIVE});
	fixture_key(&f, 2, &student, &(struct ka_key){.created_s = 10, .expires_s = 20});
	fixture_key(&f, 3, &student, &(struct ka_key){.created_s = 10, .hosts = "gate"});
	ka_record_default_settings(&before);
	after = before;
	assert_int_equal(ka_settings_count_refused(f.store, &before, &after, &n), KA_OK);
	assert_int_equal(n, 0);
	(void)strcpy(after.host, "desk");
	assert_int_equal(ka_settings_count_refused(f.store, &before, &after, &n), KA_OK);
	assert_int_equal(n, 1);
	/* Those that are locked out already do not count again. */
	before = after;
	(void)strcpy(after.key_types, "ssh-rsa");
	assert_int_equal(ka_settings_count_refused(f.store, &before, &after, &n), KA_OK);
	assert_int_equal(n, 3);
	/* And nobody is locked out by what lets them in. */
	assert_int_equal(ka_settings_count_refused(f.store, &after, &before, &n), KA_OK);
	assert_int_equal(n, 0);
}

static void
decide(struct ka_access_question *q, enum ka_result r, enum ka_reason reason)
{
	static struct ka_access_answer answer;

	assert_int_equal(ka_access_ask(f.dir, q, &answer), r);
	if (r == KA_OK)
		assert_string_equal(ka_access_reason_name(answer.reason), ka_access_reason_name(reason));
}

/* A key that was registered before is judged by what is set now; the project alone is judged without the settings. */
static void
the_next_decision_knows_a_change(void **state)
{
	static struct ka_access_answer answer;
	struct ka_access_question q = {.at_s = 1000, .host = "projects"};
	struct ka_account owner = fixture_account(&f, "owner");
	struct ka_project project = fixture_project(&f, "open", KA_PROJECT_ACTIVE, true);
	struct ka_settings s;
	struct ka_error err = {""};

	(void)state;
	fixture_member(&f, &project, &owner, KA_ROLE_OWNER, 0, 0);
	fixture_key(&f, 1, &owner, &(struct ka_key){.created_s = 10, .hosts = "gate"});
	fixture_commit(&f);
	memcpy(q.project, project.id, KA_UUID_LEN);
	memset(q.sha256, 1, KA_SHA256_LEN);
	decide(&q, KA_OK, KA_REASON_KEY_HOST);
	ka_record_default_settings(&s);
	(void)strcpy(s.host, "gate");
	assert_int_equal(ka_settings_write(f.store, &s, &err), KA_OK);
	fixture_commit(&f);
	decide(&q, KA_OK, KA_REASON_GRANTED);
	(void)strcpy(s.key_types, "ssh-rsa");
	assert_int_equal(ka_settings_write(f.store, &s, &err), KA_OK);
	fixture_commit(&f);
	decide(&q, KA_OK, KA_REASON_KEY_TYPE);
	/* Settings that cannot be read let nobody in, and cost the account phase nothing: it does not look at them. */
	assert_int_equal(
	    ka_store_put(f.store, KA_TABLE_SETTINGS, KA_SETTINGS_KEY, strlen(KA_SETTINGS_KEY), "x", 1), KA_OK);
	fixture_commit(&f);
	decide(&q, KA_CORRUPT, KA_REASON_GRANTED);
	assert_int_equal(ka_access_ask_project(f.dir, &q, &answer), KA_OK);
	assert_int_equal(answer.reason, KA_REASON_GRANTED);
	/* Then they can be written anew. */
	assert_int_equal(ka_settings_reset(f.store, &err), KA_OK);
	fixture_commit(&f);
	decide(&q, KA_OK, KA_REASON_KEY_HOST);
	assert_int_equal(ka_store_settings(f.store, &s), KA_OK);
	assert_string_equal(s.key_types, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(values_are_checked),
	    cmocka_unit_test(the_longest_paths),
	    cmocka_unit_test_setup_teardown(a_home_under_the_longest_path_is_whole, setup, teardown),
	    cmocka_unit_test(defaults_survive_the_way_through_text),
	    cmocka_unit_test(an_unknown_name_lists_the_names),
	    cmocka_unit_test_setup_teardown(a_change_is_logged_with_what_was_and_is, setup, teardown),
	    cmocka_unit_test_setup_teardown(settings_that_let_no_key_in_are_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_no_text_could_set_is_refused, setup, teardown),
	    cmocka_unit_test(policy_judges_type_and_size),
	    cmocka_unit_test(the_named_host_judges_limits_to_hosts),
	    cmocka_unit_test(an_end_comes_with_its_second),
	    cmocka_unit_test_setup_teardown(those_who_are_locked_out_are_counted, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_next_decision_knows_a_change, setup, teardown),
	};

	return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
