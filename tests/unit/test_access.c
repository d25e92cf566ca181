/*
 * The decision, as one table of cases over one database: who asks with which key, when and from where, and what is
 * decided.
 */
#include <unistd.h>

#include "common/access.h"
#include "common/logline.h"
#include "tests/unit/fixture.h"

#define NOW   1000000
#define LATER 2000000

/* Keys are named by the byte that fills their fingerprints. */
enum {
	K_OWNER = 1,   /* owner's account key */
	K_STUDENT,     /* student's account key */
	K_OUTSIDER,    /* the account key of somebody who is in no project */
	K_OF_OPEN,     /* owner's key, pasted for the project "open" alone */
	K_SHARED,      /* registered by student, then by owner, then by outsider */
	K_SUSPENDED,   /* of a suspended account that is a member */
	K_OFF,         /* switched off */
	K_SOON,        /* valid from LATER on */
	K_OVER,        /* expired at NOW */
	K_HERE,        /* only from 192.0.2.0/24 */
	K_TWO_PLACES,  /* student's from 192.0.2.7 only, owner's from 198.51.100.0/24 only */
	K_HOST,        /* only on the hosts gate and "Lab" */
	K_TWO_OWNERS,  /* registered by two owners, the one with the higher id first */
	K_NOBODYS = 99 /* never registered */
};

static struct fixture f;
static struct ka_project open_, other, archived, deleted, ssh_off, window;
static struct ka_account owner, student, outsider, suspended;

static const struct {
	const char *what;
	const struct ka_project *project; /* NULL: one that does not exist */
	int key;
	int64_t at_s;
	const char *from; /* NULL: unknown; "sshd": left to sshd */
	enum ka_reason reason;
	const char *taken_for; /* and what follows is only for a grant or a project's own reason */
	enum ka_role role;
	size_t admitting;
} cases[] = {
    {"an owner's key opens the project", &open_, K_OWNER, NOW, "192.0.2.7", KA_REASON_GRANTED, "owner", KA_ROLE_OWNER,
	1},
    {"and the owner's other project", &other, K_OWNER, NOW, "192.0.2.7", KA_REASON_GRANTED, "owner", KA_ROLE_OWNER, 1},
    {"a collaborator's key opens the project", &open_, K_STUDENT, NOW, "192.0.2.7", KA_REASON_GRANTED, "student",
	KA_ROLE_COLLABORATOR, 1},
    {"but not another one", &other, K_STUDENT, NOW, "192.0.2.7", KA_REASON_NOT_MEMBER, NULL, 0, 0},
    {"an outsider's key opens nothing", &open_, K_OUTSIDER, NOW, "192.0.2.7", KA_REASON_NOT_MEMBER, NULL, 0, 0},
    {"a key that nobody registered", &open_, K_NOBODYS, NOW, "192.0.2.7", KA_REASON_UNKNOWN_KEY, NULL, 0, 0},
    {"a project that does not exist", NULL, K_OWNER, NOW, "192.0.2.7", KA_REASON_UNKNOWN_PROJECT, NULL, 0, 0},

    {"a project key opens its project", &open_, K_OF_OPEN, NOW, "192.0.2.7", KA_REASON_GRANTED, "owner", KA_ROLE_OWNER,
	1},
    {"and not the owner's other one", &other, K_OF_OPEN, NOW, "192.0.2.7", KA_REASON_KEY_REACH, NULL, 0, 0},

    {"of two who have the key the owner comes first", &open_, K_SHARED, NOW, "192.0.2.7", KA_REASON_GRANTED, "owner",
	KA_ROLE_OWNER, 2},
    {"where only one of them is a member it is that one", &other, K_SHARED, NOW, "192.0.2.7", KA_REASON_GRANTED,
	"owner", KA_ROLE_OWNER, 1},
    {"of two owners the older registration comes first", &open_, K_TWO_OWNERS, NOW, "192.0.2.7", KA_REASON_GRANTED,
	"owner", KA_ROLE_OWNER, 2},

    {"a suspended account", &open_, K_SUSPENDED, NOW, "192.0.2.7", KA_REASON_ACCOUNT_SUSPENDED, NULL, 0, 0},
    {"a key that is switched off", &open_, K_OFF, NOW, "192.0.2.7", KA_REASON_KEY_INACTIVE, NULL, 0, 0},
    {"a key before its time", &open_, K_SOON, LATER - 1, "192.0.2.7", KA_REASON_KEY_NOT_YET, NULL, 0, 0},
    {"the same key at its first second", &open_, K_SOON, LATER, "192.0.2.7", KA_REASON_GRANTED, "owner", KA_ROLE_OWNER,
	1},
    {"a key in its last second", &open_, K_OVER, NOW - 1, "192.0.2.7", KA_REASON_GRANTED, "owner", KA_ROLE_OWNER, 1},
    {"the same key when it expires", &open_, K_OVER, NOW, "192.0.2.7", KA_REASON_KEY_EXPIRED, NULL, 0, 0},

    {"a membership before its time", &window, K_STUDENT, NOW - 1, "192.0.2.7", KA_REASON_MEMBER_NOT_YET, NULL, 0, 0},
    {"in its first second", &window, K_STUDENT, NOW, "192.0.2.7", KA_REASON_GRANTED, "student", KA_ROLE_COLLABORATOR,
	1},
    {"in its last second", &window, K_STUDENT, LATER - 1, "192.0.2.7", KA_REASON_GRANTED, "student",
	KA_ROLE_COLLABORATOR, 1},
    {"when it expires", &window, K_STUDENT, LATER, "192.0.2.7", KA_REASON_MEMBER_EXPIRED, NULL, 0, 0},

    {"an address inside the key's limits", &open_, K_HERE, NOW, "192.0.2.200", KA_REASON_GRANTED, "owner",
	KA_ROLE_OWNER, 1},
    {"an address outside of them", &open_, K_HERE, NOW, "192.0.3.1", KA_REASON_KEY_ADDRESS, NULL, 0, 0},
    {"an IPv6 address outside of them", &open_, K_HERE, NOW, "2001:db8::7", KA_REASON_KEY_ADDRESS, NULL, 0, 0},
    {"an unknown address is outside of every limit", &open_, K_HERE, NOW, NULL, KA_REASON_KEY_ADDRESS, NULL, 0, 0},
    {"an unknown address matters only where there is a limit", &open_, K_OWNER, NOW, NULL, KA_REASON_GRANTED, "owner",
	KA_ROLE_OWNER, 1},
    {"limits that are left to sshd", &open_, K_HERE, NOW, "sshd", KA_REASON_GRANTED, "owner", KA_ROLE_OWNER, 1},
    {"of two limited registrations the one that fits: student's", &open_, K_TWO_PLACES, NOW, "192.0.2.7",
	KA_REASON_GRANTED, "student", KA_ROLE_COLLABORATOR, 1},
    {"of two limited registrations the one that fits: owner's", &open_, K_TWO_PLACES, NOW, "198.51.100.3",
	KA_REASON_GRANTED, "owner", KA_ROLE_OWNER, 1},
    {"of two limited registrations none fits", &open_, K_TWO_PLACES, NOW, "203.0.113.1", KA_REASON_KEY_ADDRESS, NULL, 0,
	0},
    {"a key for other hosts", &open_, K_HOST, NOW, "192.0.2.7", KA_REASON_KEY_HOST, NULL, 0, 0},

    {"an archived project tells its member", &archived, K_OWNER, NOW, "192.0.2.7", KA_REASON_PROJECT_ARCHIVED, "owner",
	KA_ROLE_OWNER, 1},
    {"but not an outsider", &archived, K_OUTSIDER, NOW, "192.0.2.7", KA_REASON_NOT_MEMBER, NULL, 0, 0},
    {"and not a stranger", &archived, K_NOBODYS, NOW, "192.0.2.7", KA_REASON_UNKNOWN_KEY, NULL, 0, 0},
    {"ssh is off", &ssh_off, K_OWNER, NOW, "192.0.2.7", KA_REASON_SSH_OFF, "owner", KA_ROLE_OWNER, 1},
    {"ssh is off, for an expired key: the key's reason", &ssh_off, K_OVER, NOW, "192.0.2.7", KA_REASON_KEY_EXPIRED,
	NULL, 0, 0},
    {"a deleted project lets in nobody who is known", &deleted, K_OWNER, NOW, "192.0.2.7", KA_REASON_PROJECT_DELETED,
	NULL, 0, 0},
    {"and is as unknown as ever to a stranger", &deleted, K_NOBODYS, NOW, "192.0.2.7", KA_REASON_UNKNOWN_KEY, NULL, 0,
	0},
};

#define CASES (sizeof(cases) / sizeof(cases[0]))

static int
fill(void **state)
{
	struct ka_key key;
	struct ka_error err = {""};
	struct ka_account first;

	(void)state;
	fixture_new(&f);
	owner = fixture_account(&f, "owner");
	student = fixture_account(&f, "student");
	outsider = fixture_account(&f, "outsider");
	suspended = fixture_account(&f, "suspended");
	first = fixture_account(&f, "second-owner");
	open_ = fixture_project(&f, "open", KA_PROJECT_ACTIVE, true);
	other = fixture_project(&f, "other", KA_PROJECT_ACTIVE, true);
	archived = fixture_project(&f, "archived", KA_PROJECT_ARCHIVED, true);
	deleted = fixture_project(&f, "deleted", KA_PROJECT_ACTIVE, true);
	ssh_off = fixture_project(&f, "ssh off", KA_PROJECT_ACTIVE, false);
	window = fixture_project(&f, "window", KA_PROJECT_ACTIVE, true);
	fixture_member(&f, &open_, &owner, KA_ROLE_OWNER, 0, 0);
	fixture_member(&f, &other, &owner, KA_ROLE_OWNER, 0, 0);
	fixture_member(&f, &archived, &owner, KA_ROLE_OWNER, 0, 0);
	fixture_member(&f, &deleted, &owner, KA_ROLE_OWNER, 0, 0);
	fixture_member(&f, &ssh_off, &owner, KA_ROLE_OWNER, 0, 0);
	fixture_member(&f, &open_, &student, KA_ROLE_COLLABORATOR, 0, 0);
	fixture_member(&f, &open_, &suspended, KA_ROLE_COLLABORATOR, 0, 0);
	fixture_member(&f, &open_, &first, KA_ROLE_OWNER, 0, 0);
	fixture_member(&f, &window, &student, KA_ROLE_COLLABORATOR, NOW, LATER);

	fixture_key(&f, K_OWNER, &owner, &(struct ka_key){.created_s = 10});
	fixture_key(&f, K_STUDENT, &student, &(struct ka_key){.created_s = 10});
	fixture_key(&f, K_OUTSIDER, &outsider, &(struct ka_key){.created_s = 10});
	key = (struct ka_key){.created_s = 10, .named = true};
	fixture_key(&f, K_OF_OPEN, &owner, &key);
	assert_int_equal(ka_registration_add_reach(f.store, &key, &open_, &err), KA_OK);
	fixture_key(&f, K_SHARED, &student, &(struct ka_key){.created_s = 10});
	fixture_key(&f, K_SHARED, &owner, &(struct ka_key){.created_s = 20});
	fixture_key(&f, K_SHARED, &outsider, &(struct ka_key){.created_s = 5});
	fixture_key(&f, K_SUSPENDED, &suspended, &(struct ka_key){.created_s = 10});
	fixture_key(&f, K_OFF, &owner, &(struct ka_key){.created_s = 10, .state = KA_KEY_INACTIVE});
	fixture_key(&f, K_SOON, &owner, &(struct ka_key){.created_s = 10, .not_before_s = LATER});
	fixture_key(&f, K_OVER, &owner, &(struct ka_key){.created_s = 10, .expires_s = NOW});
	fixture_key(&f, K_HERE, &owner, &(struct ka_key){.created_s = 10, .from = "192.0.2.0/24"});
	fixture_key(&f, K_TWO_PLACES, &student, &(struct ka_key){.created_s = 10, .from = "192.0.2.7"});
	fixture_key(&f, K_TWO_PLACES, &owner, &(struct ka_key){.created_s = 10, .from = "10.0.0.1,198.51.100.0/24"});
	fixture_key(&f, K_HOST, &owner, &(struct ka_key){.created_s = 10, .hosts = "gate,Lab"});
	/* The file's order of these two is that of the accounts' ids, which are random: both orders come up over time.
	 */
	fixture_key(&f, K_TWO_OWNERS, &first, &(struct ka_key){.created_s = 20});
	fixture_key(&f, K_TWO_OWNERS, &owner, &(struct ka_key){.created_s = 10});

	suspended.state = KA_ACCOUNT_SUSPENDED;

	assert_int_equal(ka_model_change_account(f.store, &suspended, &err), KA_OK);
	assert_int_equal(ka_model_remove_project(f.store, &deleted, &err), KA_OK);
	fixture_commit(&f);
	fixture_close(&f);
	return 0;
}

static int
clear(void **state)
{
	(void)state;
	fixture_free(&f);
	return 0;
}

static void
ask_about(const struct ka_project *project, int key, struct ka_access_question *q)
{
	memset(q, 0, sizeof(*q));
	if (project != NULL)
		memcpy(q->project, project->id, KA_UUID_LEN);
	memset(q->sha256, key, KA_SHA256_LEN);
	q->at_s = NOW;
	q->host = "elsewhere";
}

static void
one_case(void **state)
{
	size_t i = *(size_t *)*state;
	static struct ka_access_answer answer;
	struct ka_access_question q;

	ask_about(cases[i].project, cases[i].key, &q);
	q.at_s = cases[i].at_s;
	if (cases[i].from != NULL && strcmp(cases[i].from, "sshd") == 0) {
		q.address_to_sshd = true;
	} else if (cases[i].from != NULL) {
		q.address_known = true;
		assert_int_equal(ka_address_parse(cases[i].from, q.address), KA_OK);
	}
	assert_int_equal(ka_access_ask(f.dir, &q, &answer), KA_OK);
	assert_string_equal(ka_access_reason_name(answer.reason), ka_access_reason_name(cases[i].reason));
	assert_int_equal(answer.admitting, cases[i].admitting);
	if (cases[i].taken_for != NULL) {
		assert_string_equal(answer.registration[0].account.handle, cases[i].taken_for);
		assert_int_equal(answer.registration[0].role, cases[i].role);
	}
	/* Those that admit come first. */
	for (size_t n = 0; n < answer.registrations; n++)
		assert_int_equal(answer.registration[n].reason == KA_REASON_GRANTED, n < answer.admitting);
}

static void
hosts_have_no_case(void **state)
{
	static struct ka_access_answer answer;
	struct ka_access_question q;
	static const struct {
		const char *host;
		enum ka_reason reason;
	} hosts[] = {{"gate", KA_REASON_GRANTED}, {"LAB", KA_REASON_GRANTED}, {"gat", KA_REASON_KEY_HOST},
	    {"gate,lab", KA_REASON_KEY_HOST}, {"", KA_REASON_KEY_HOST}, {NULL, KA_REASON_KEY_HOST}};

	(void)state;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		ask_about(&open_, K_HOST, &q);
		q.host = hosts[i].host;
		assert_int_equal(ka_access_ask(f.dir, &q, &answer), KA_OK);
		assert_int_equal(answer.reason, hosts[i].reason);
	}
}

static void
uid_must_agree(void **state)
{
	static struct ka_access_answer answer;
	struct ka_access_question q;

	(void)state;
	ask_about(&open_, K_OWNER, &q);
	q.uid_known = true;
	q.uid = open_.uid;
	assert_int_equal(ka_access_ask(f.dir, &q, &answer), KA_OK);
	assert_int_equal(answer.reason, KA_REASON_GRANTED);
	q.uid = open_.uid + 1;
	assert_int_equal(ka_access_ask(f.dir, &q, &answer), KA_OK);
	assert_int_equal(answer.reason, KA_REASON_UID_MISMATCH);
	q.uid = 0; /* a local user of that name with root's uid */
	assert_int_equal(ka_access_ask(f.dir, &q, &answer), KA_OK);
	assert_int_equal(answer.reason, KA_REASON_UID_MISMATCH);
	assert_int_equal(ka_access_ask_project(f.dir, &q, &answer), KA_OK);
	assert_int_equal(answer.reason, KA_REASON_UID_MISMATCH);
}

static void
project_alone(void **state)
{
	static struct ka_access_answer answer;
	struct ka_access_question q;
	const struct {
		const struct ka_project *project;
		enum ka_reason reason;
	} projects[] = {{&open_, KA_REASON_GRANTED}, {&archived, KA_REASON_PROJECT_ARCHIVED},
	    {&deleted, KA_REASON_PROJECT_DELETED}, {&ssh_off, KA_REASON_SSH_OFF}, {NULL, KA_REASON_UNKNOWN_PROJECT}};

	(void)state;
	for (size_t i = 0; i < sizeof(projects) / sizeof(projects[0]); i++) {
		ask_about(projects[i].project, K_NOBODYS, &q);
		assert_int_equal(ka_access_ask_project(f.dir, &q, &answer), KA_OK);
		assert_int_equal(answer.reason, projects[i].reason);
		assert_int_equal(answer.admitting, 0);
	}
}

static void
options_follow_the_policy(void **state)
{
	static struct ka_access_answer answer;
	struct ka_key key = {.from = ""};
	char options[KA_ACCESS_OPTIONS_LEN];

	(void)state;
	answer.reason = KA_REASON_GRANTED;
	answer.project.policy = KA_POLICY_AGENT;
	ka_access_options(&answer, &key, options);
	assert_string_equal(options, "restrict,pty,agent-forwarding");
	(void)snprintf(key.from, sizeof(key.from), "192.0.2.0/24,2001:db8::/32");
	ka_access_options(&answer, &key, options);
	assert_string_equal(options, "restrict,pty,agent-forwarding,from=\"192.0.2.0/24,2001:db8::/32\"");
	answer.settings.security_keys = KA_SECURITY_KEYS_VERIFIED;
	ka_access_options(&answer, &key, options);
	assert_string_equal(
	    options, "restrict,pty,agent-forwarding,verify-required,from=\"192.0.2.0/24,2001:db8::/32\"");
	answer.reason = KA_REASON_PROJECT_ARCHIVED;
	ka_access_options(&answer, &key, options);
	assert_string_equal(options, "restrict,verify-required,from=\"192.0.2.0/24,2001:db8::/32\"");
	answer.reason = KA_REASON_GRANTED;
	answer.settings.security_keys = KA_SECURITY_KEYS_REQUIRED;
	answer.project.policy = 0;
	key.from[0] = '\0';
	ka_access_options(&answer, &key, options);
	assert_string_equal(options, "restrict,pty");
}

static void
without_a_database_nothing_is_decided(void **state)
{
	static struct ka_access_answer answer;
	struct ka_access_question q;

	(void)state;
	ask_about(&open_, K_OWNER, &q);
	assert_int_equal(ka_access_ask("/nonexistent", &q, &answer), KA_UNAVAIL);
	assert_int_equal(ka_access_ask_project("/nonexistent", &q, &answer), KA_UNAVAIL);
}

/* access.mdb put back alone, as it was before: what was taken away since must not be granted again. */
static void
older_than_names_nothing_is_decided(void **state)
{
	static struct ka_access_answer answer;
	struct ka_access_question q;

	(void)state;
	fixture_run(&f, "cp private/access.mdb old");
	fixture_open(&f);
	(void)fixture_account(&f, "later");
	fixture_commit(&f);
	fixture_close(&f);
	ask_about(&open_, K_OWNER, &q);
	assert_int_equal(ka_access_ask(f.dir, &q, &answer), KA_OK);

	fixture_run(&f, "mv private/access.mdb new && mv old private/access.mdb");
	assert_int_equal(ka_access_ask(f.dir, &q, &answer), KA_CONFLICT);
	assert_int_equal(ka_access_ask_project(f.dir, &q, &answer), KA_CONFLICT);
	fixture_run(&f, "mv new private/access.mdb && mv names.mdb aside");
	assert_int_equal(ka_access_ask(f.dir, &q, &answer), KA_OK);
	fixture_run(&f, "echo damaged >names.mdb");
	assert_int_equal(ka_access_ask(f.dir, &q, &answer), KA_CORRUPT);
	assert_int_equal(answer.file, KA_FILE_NAMES);
	fixture_run(&f, "mv aside names.mdb");
	assert_int_equal(ka_access_ask(f.dir, &q, &answer), KA_OK);
}

static void
every_reason_has_words(void **state)
{
	(void)state;
	for (unsigned r = 0; r < KA_REASONS; r++) {
		const char *name = ka_access_reason_name((enum ka_reason)r),
			   *text = ka_access_reason_text((enum ka_reason)r);

		assert_int_equal(name[strspn(name, "abcdefghijklmnopqrstuvwxyz-")], '\0');
		assert_true(strlen(text) > 10 && text[strlen(text) - 1] == '.');
	}
}

/* The longest line that there can be has every registration in it, and its end. */
static void
longest_log_line_fits(void **state)
{
	static struct ka_access_answer answer;
	struct ka_access_question q;
	char line[KA_LOGLINE_LEN];

	(void)state;
	ask_about(&open_, K_OWNER, &q);
	q.address_known = true;
	assert_int_equal(ka_address_parse("2001:db8:1111:2222:3333:4444:5555:6666", q.address), KA_OK);
	memset(&answer, 0, sizeof(answer));
	answer.admitting = answer.registrations = KA_REGISTRATIONS_MAX;
	for (size_t i = 0; i < KA_REGISTRATIONS_MAX; i++) {
		memset(answer.registration[i].account.handle, 'x', KA_HANDLE_LEN - 1);
		answer.registration[i].role = KA_ROLE_COLLABORATOR;
	}
	memcpy(answer.registration[KA_REGISTRATIONS_MAX - 1].account.handle + KA_HANDLE_LEN - 4, "end", 3);
	ka_logline(&q, &answer, line);
	assert_string_equal(line + strlen(line) - 3, "end");
}

static void
lists_of_addresses(void **state)
{
	static const struct {
		const char *list;
		bool ok;
	} lists[] = {{"192.0.2.1", true}, {"192.0.2.0/24", true}, {"192.0.2.1/24", false}, {"0.0.0.0/0", true},
	    {"::/0", true}, {"2001:db8::/32,192.0.2.7", true}, {"", false}, {",", false}, {"192.0.2.1,", false},
	    {"192.0.2.1 ", false}, {"*.example.org", false}, {"192.0.2.0/33", false}, {"2001:db8::/129", false},
	    {"192.0.2.0/", false}, {"192.0.2.0/-1", false}, {"!192.0.2.1", false}, {"192.0.2.0/024", true},
	    {"192.0.2.1\"", false}, {"::1%lo", false}};

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		if (ka_address_list_ok(lists[i].list) != lists[i].ok)
			fail_msg("\"%s\"", lists[i].list);
}

int
main(void)
{
	static size_t number[CASES];
	struct CMUnitTest tests[CASES + 16];
	size_t n = 0;

	memset(tests, 0, sizeof(tests));
	for (; n < CASES; n++) {
		number[n] = n;
		tests[n] = (struct CMUnitTest){cases[n].what, one_case, NULL, NULL, &number[n]};
	}
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(hosts_have_no_case);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(uid_must_agree);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(project_alone);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(options_follow_the_policy);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(without_a_database_nothing_is_decided);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(older_than_names_nothing_is_decided);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(every_reason_has_words);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(longest_log_line_fits);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(lists_of_addresses);
	return _cmocka_run_group_tests("access", tests, n, fill, clear);
}
