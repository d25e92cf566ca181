/*
 * Every kind of damage is found, what follows from the rest is mended, and a whole database has nothing to find.
 */
#include "fixture.h"

#include "common/access.h"
#include "common/catalog.h"
#include "common/check.h"
#include "common/paste.h"

static struct fixture f;
static struct ka_account owner, student;
static struct ka_project project, other;
static struct ka_group group;
static struct ka_key key;

static void
put_member(const struct ka_project *of, enum ka_subject kind, const uint8_t *subject, enum ka_role role)
{
	struct ka_member member = {.kind = kind, .role = role};
	struct ka_error err;

	memcpy(member.project, of->id, KA_UUID_LEN);
	memcpy(member.subject, subject, KA_UUID_LEN);
	assert_int_equal(ka_membership_add(f.store, &member, KA_OWNER_KEPT, &err), KA_OK);
}

static int
setup(void **state)
{
	static const char pub[] =
	    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH2SsIiIprNLI0H/ZNCKV/oYvzEX/P/o+p+d2JUVoWwb laptop";
	struct ka_sshkey sshkey;
	struct ka_error err = {""};

	(void)state;
	fixture_new(&f);
	owner = fixture_account(&f, "owner");
	student = fixture_account(&f, "student");
	project = fixture_project(&f, "p", KA_PROJECT_ACTIVE, true);
	other = fixture_project(&f, "q", KA_PROJECT_ACTIVE, true);
	group = (struct ka_group){.name = "staff"};
	assert_int_equal(ka_model_add_group(f.store, &group, &err), KA_OK);
	assert_int_equal(ka_membership_join_group(f.store, &group, &student, &err), KA_OK);
	put_member(&project, KA_SUBJECT_ACCOUNT, owner.id, KA_ROLE_OWNER);
	put_member(&project, KA_SUBJECT_GROUP, group.id, KA_ROLE_COLLABORATOR);
	assert_int_equal(ka_paste_parse(pub, strlen(pub), &sshkey, &err), KA_OK);
	key = (struct ka_key){.named = true};
	memcpy(key.account, student.id, KA_UUID_LEN);
	assert_int_equal(ka_registration_add(f.store, &key, &sshkey, &err), KA_OK);
	assert_int_equal(ka_registration_add_reach(f.store, &key, &project, &err), KA_OK);
	fixture_commit(&f);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	fixture_free(&f);
	return 0;
}

struct findings {
	size_t n, mended;
	enum ka_table first;
};

static void
found(void *arg, const struct ka_finding *finding)
{
	struct findings *findings = arg;

	if (findings->n++ == 0)
		findings->first = finding->table;
	findings->mended += finding->mended;
	assert_true(strlen(finding->text) > 10);
}

static struct findings
check(bool repair)
{
	struct findings findings = {.n = 0};

	assert_int_equal(ka_check_run(f.store, repair, found, &findings), KA_OK);
	return findings;
}

static void
whole_database_has_nothing_to_find(void **state)
{
	(void)state;
	assert_int_equal(check(false).n, 0);
	assert_int_equal(check(true).n, 0);
}

/* The row of a table: the first, or the first under a key that begins so. */
static struct ka_row
row_of(enum ka_table table, const void *prefix, size_t len)
{
	struct ka_row row = {.keylen = 0};

	assert_int_equal(ka_store_next(f.store, table, prefix, len, &row), KA_OK);
	return row;
}

/* Each table loses its first row, and then has one that cannot be read instead. */
static const struct {
	enum ka_table table;
	bool when_lost, lost_mended;     /* is it found when the row is lost, and is all of it mended? */
	bool when_unread, unread_mended; /* when the row cannot be read */
} damages[] = {
    {KA_TABLE_PROJECT, true, true, true, false},
    {KA_TABLE_UID, true, true, true, true},
    {KA_TABLE_ACCOUNT, true, true, true, false},
    {KA_TABLE_HANDLE, true, true, true, true},
    {KA_TABLE_MEMBER, true, true, true, false},
    {KA_TABLE_MEMBER_OF, true, true, true, true},
    {KA_TABLE_KEY, true, true, true, false},
    {KA_TABLE_KEY_OF, true, true, true, true},
    {KA_TABLE_BLOB, true, false, true, false},
    {KA_TABLE_GROUP, true, true, true, false},
    {KA_TABLE_GROUP_NAME, true, true, true, true},
    {KA_TABLE_GROUP_MEMBER, true, true, false, true},
    {KA_TABLE_GROUP_OF, true, true, true, true},
    {KA_TABLE_CHANGE, true, false, true, false},
};

static void
expect_found(size_t i, bool wanted, bool mended)
{
	struct findings before = check(false), during = check(true), after;

	fixture_commit(&f);
	after = check(false);
	if ((before.n > 0) != wanted || (wanted && during.n == 0) || (wanted && (after.n == 0) != mended))
		fail_msg("%s: %zu found, %zu of %zu mended, %zu left", ka_table_name(damages[i].table), before.n,
		    during.mended, during.n, after.n);
}

static void
lost_rows_are_found(void **state)
{
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		uint8_t first[8] = {0, 0, 0, 0, 0, 0, 0, 1};
		struct ka_row row;

		if (damages[i].table == KA_TABLE_BLOB) {
			memcpy(row.key, key.sha256, KA_SHA256_LEN);
			row.keylen = KA_SHA256_LEN;
		} else if (damages[i].table == KA_TABLE_CHANGE) {
			memcpy(row.key, first, sizeof(first));
			row.keylen = sizeof(first);
		} else {
			row = row_of(damages[i].table, "", 0);
		}
		assert_int_equal(ka_store_remove(f.store, damages[i].table, row.key, row.keylen), KA_OK);
		expect_found(i, damages[i].when_lost, damages[i].lost_mended);
		(void)teardown(state);
		(void)setup(state);
		/* Two zero bytes are no row of any table that has more than ids in it. */
		if (damages[i].table != KA_TABLE_BLOB && damages[i].table != KA_TABLE_CHANGE)
			row = row_of(damages[i].table, "", 0);
		if (damages[i].table == KA_TABLE_BLOB)
			memcpy(row.key, key.sha256, KA_SHA256_LEN);
		assert_int_equal(ka_store_put(f.store, damages[i].table, row.key, row.keylen, "\0", 2), KA_OK);
		expect_found(i, damages[i].when_unread, damages[i].unread_mended);
		(void)teardown(state);
		(void)setup(state);
	}
}

/* What refers to nothing is removed, and takes access away, never gives any. */
static void
orphans_are_removed(void **state)
{
	uint8_t full[KA_REACH_KEY_LEN], blob[KA_MEMBER_KEY_LEN];
	uint8_t nobody[KA_UUID_LEN] = {9};

	(void)state;
	ka_table_reach_key(key.sha256, key.account, other.id, full);
	assert_int_equal(ka_store_put(f.store, KA_TABLE_REACH, full, sizeof(full), "", 0), KA_OK);
	ka_table_member_of_key(other.id, KA_SUBJECT_ACCOUNT, owner.id, blob);
	assert_int_equal(ka_store_put(f.store, KA_TABLE_MEMBER_OF, blob, sizeof(blob), "", 0), KA_OK);
	assert_int_equal(ka_store_put(f.store, KA_TABLE_HANDLE, "ghost", 5, nobody, sizeof(nobody)), KA_OK);
	assert_int_equal(check(true).mended, 3);
	fixture_commit(&f);
	assert_int_equal(check(false).n, 0);
	assert_int_equal(ka_catalog_is_member(f.store, other.id, owner.id), KA_NOTFOUND);
	/* A registration whose account is gone, with the project that it reaches. */
	assert_int_equal(ka_store_remove(f.store, KA_TABLE_ACCOUNT, student.id, KA_UUID_LEN), KA_OK);
	assert_true(check(true).n > 0);
	fixture_commit(&f);
	assert_int_equal(check(false).n, 0);
	assert_int_equal(ka_catalog_get_registration(f.store, key.sha256, key.account, &key), KA_NOTFOUND);
}

/* A key for all projects names none. */
static void
reach_of_a_key_for_all_is_removed(void **state)
{
	uint8_t payload[KA_RECORD_MAX], full[KA_KEY_KEY_LEN];
	size_t len;

	(void)state;
	key.named = false;
	assert_int_equal(ka_record_put_key(&key, payload, &len), KA_OK);
	ka_table_key_key(key.sha256, key.account, full);
	assert_int_equal(ka_store_put(f.store, KA_TABLE_KEY, full, sizeof(full), payload, len), KA_OK);
	assert_int_equal(check(false).first, KA_TABLE_REACH);
	assert_int_equal(check(true).mended, 1);
	assert_int_equal(check(false).n, 0);
}

/* names.mdb says what access.mdb says, or is written again. */
static void
names_are_compared(void **state)
{
	struct ka_project moved = project;
	uint8_t payload[KA_RECORD_MAX];
	size_t len;

	(void)state;
	(void)strcpy(moved.home, "/elsewhere");
	assert_int_equal(ka_record_put_project(&moved, payload, &len), KA_OK);
	/* Behind the log's back: the projection does not follow. */
	assert_int_equal(ka_store_put(f.store, KA_TABLE_PROJECT, moved.id, KA_UUID_LEN, payload, len), KA_OK);
	fixture_commit(&f);
	assert_int_equal(check(false).n, 1);
	assert_int_equal(check(false).first, KA_TABLE_NAME);
	assert_int_equal(check(true).mended, 1);
	fixture_commit(&f);
	assert_int_equal(check(false).n, 0);
}

/* A row that cannot be read is left, and so is all that refers to it: a backup brings it back. */
static void
what_refers_to_an_unreadable_row_stays(void **state)
{
	static const enum ka_table truths[] = {KA_TABLE_PROJECT, KA_TABLE_ACCOUNT, KA_TABLE_GROUP, KA_TABLE_KEY};

	for (size_t i = 0; i < sizeof(truths) / sizeof(truths[0]); i++) {
		struct ka_row row = {.keylen = 0};
		struct findings findings;

		while (ka_store_next(f.store, truths[i], "", 0, &row) != KA_NOTFOUND) {
			struct ka_row whole = row;

			assert_int_equal(ka_store_put(f.store, truths[i], row.key, row.keylen, "\0", 2), KA_OK);
			findings = check(true);
			assert_true(findings.n > 0);
			assert_int_equal(findings.mended, 0);
			assert_int_equal(
			    ka_store_put(f.store, truths[i], whole.key, whole.keylen, whole.payload, whole.len), KA_OK);
		}
		assert_int_equal(check(false).n, 0);
	}
	(void)state;
}

/* A project that only names.mdb knows is kept as a deleted one, so that neither its id nor its uid comes again. */
static void
name_without_a_project_becomes_a_tombstone(void **state)
{
	struct ka_project found_;
	struct findings findings;

	(void)state;
	assert_int_equal(ka_store_remove(f.store, KA_TABLE_PROJECT, other.id, KA_UUID_LEN), KA_OK);
	findings = check(true);
	assert_int_equal(findings.first, KA_TABLE_NAME);
	assert_int_equal(findings.mended, findings.n);
	fixture_commit(&f);
	assert_int_equal(check(false).n, 0);
	assert_int_equal(ka_catalog_get_project(f.store, other.id, &found_), KA_OK);
	assert_int_equal(found_.state, KA_PROJECT_DELETED);
	assert_int_equal(found_.uid, other.uid);
}

/* An entry behind the last one would be written over by the next change. */
static void
entry_behind_the_last_is_found(void **state)
{
	(void)state;
	assert_int_equal(ka_store_put(f.store, KA_TABLE_CHANGE, "\0\0\0\1\0\0\0", 8, "x", 1), KA_OK);
	assert_int_equal(check(false).n, 1);
	assert_int_equal(check(false).first, KA_TABLE_CHANGE);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(whole_database_has_nothing_to_find, setup, teardown),
	    cmocka_unit_test_setup_teardown(lost_rows_are_found, setup, teardown),
	    cmocka_unit_test_setup_teardown(orphans_are_removed, setup, teardown),
	    cmocka_unit_test_setup_teardown(reach_of_a_key_for_all_is_removed, setup, teardown),
	    cmocka_unit_test_setup_teardown(names_are_compared, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_refers_to_an_unreadable_row_stays, setup, teardown),
	    cmocka_unit_test_setup_teardown(name_without_a_project_becomes_a_tombstone, setup, teardown),
	    cmocka_unit_test_setup_teardown(entry_behind_the_last_is_found, setup, teardown),
	};

	return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
