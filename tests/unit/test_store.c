/*
 * The store: locks, the two commits and the gap between them, uids that never come twice; and the model's rules.
 */
#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/access.h"
#include "common/catalog.h"
#include "common/time.h"
#include "common/view.h"
#include "tests/unit/fixture.h"

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

static void
copy_file(const char *from, const char *to)
{
	char command[300];

	(void)snprintf(command, sizeof(command), "cp -p '%s/%s' '%s/%s'", f.dir, from, f.dir, to);
	assert_int_equal(system(command), 0);
}

struct name_query {
	const uint8_t *id;
	struct ka_name name;
};

static enum ka_result
read_name(struct ka_view *view, void *arg)
{
	struct name_query *q = arg;
	struct ka_row row;
	enum ka_result r = ka_view_get(view, KA_TABLE_NAME, q->id, KA_UUID_LEN, &row);

	return r == KA_OK ? ka_record_get_name(row.payload, row.len, &q->name) : r;
}

/* What NSS would find in names.mdb. */
static enum ka_result
name_of(const struct ka_project *project, struct ka_name *name)
{
	struct name_query q = {.id = project->id};
	char path[128];
	enum ka_result r;

	(void)snprintf(path, sizeof(path), "%s/names.mdb", f.dir);
	r = ka_view_read(path, read_name, &q);
	*name = q.name;
	return r;
}

static mode_t
mode_of(const char *name)
{
	char path[128];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s", f.dir, name);
	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void
modes(void **state)
{
	(void)state;
	assert_int_equal(mode_of("names.mdb"), 0644);
	assert_int_equal(mode_of("names.mdb-lock"), 0600);
	assert_int_equal(mode_of("private"), 0750);
	assert_int_equal(mode_of("private/access.mdb"), 0640);
	assert_int_equal(mode_of("private/access.mdb-lock"), 0600);
	assert_int_equal(mode_of("private/usage.mdb"), 0600);
	assert_int_equal(mode_of("private/lock"), 0600);
}

static void
create_refuses_to_overwrite(void **state)
{
	struct ka_error err = {""};

	(void)state;
	assert_int_equal(ka_store_create(f.dir, getgid(), &err), KA_CONFLICT);
	assert_non_null(strstr(err.text, "private/access.mdb"));
}

static void
uncommitted_is_gone(void **state)
{
	struct ka_project project = fixture_project(&f, "lost", KA_PROJECT_ACTIVE, true);
	struct ka_name name;
	struct ka_project found;

	(void)state;
	fixture_close(&f);
	fixture_open(&f);
	assert_int_equal(ka_catalog_get_project(f.store, project.id, &found), KA_NOTFOUND);
	assert_int_equal(name_of(&project, &name), KA_NOTFOUND);
}

static void
commit_reaches_both_files(void **state)
{
	struct ka_project project = fixture_project(&f, "kept", KA_PROJECT_ACTIVE, true);
	struct ka_name name;

	(void)state;
	fixture_commit(&f);
	assert_int_equal(name_of(&project, &name), KA_OK);
	assert_int_equal(name.uid, project.uid);
	assert_string_equal(name.home, project.home);
}

/* Of one writer's many commits each brings the projects that it changed, wherever they stand among its changes. */
static void
every_commit_reaches_both_files(void **state)
{
	struct ka_project projects[4];
	struct ka_error err = {""};
	struct ka_name name;

	(void)state;
	for (int i = 0; i < 4; i++) {
		(void)fixture_account(&f, (const char *[]){"a", "b", "c", "d"}[i]);
		if (i != 1)
			projects[i] = fixture_project(&f, "p", KA_PROJECT_ACTIVE, true);
		(void)fixture_account(&f, (const char *[]){"e", "f", "g", "h"}[i]);
		if (i == 3)
			assert_int_equal(ka_model_remove_project(f.store, &projects[0], &err), KA_OK);
		fixture_commit(&f);
		if (i != 1)
			assert_int_equal(name_of(&projects[i], &name), KA_OK);
	}
	assert_int_equal(name_of(&projects[0], &name), KA_OK);
	assert_true(name.deleted);
	assert_int_equal(name_of(&projects[2], &name), KA_OK);
	assert_false(name.deleted);
}

/* A writer killed between its two commits: the name is unknown until the next writer, which then has it. */
static void
gap_is_closed_by_the_next_writer(void **state)
{
	struct ka_project first = fixture_project(&f, "first", KA_PROJECT_ACTIVE, true), second, third;
	struct ka_name name;

	(void)state;
	fixture_commit(&f);
	fixture_close(&f);
	copy_file("names.mdb", "names.old");
	fixture_open(&f);
	second = fixture_project(&f, "second", KA_PROJECT_ACTIVE, true);
	fixture_commit(&f);
	third = fixture_project(&f, "third", KA_PROJECT_ACTIVE, true);
	fixture_commit(&f);
	fixture_close(&f);
	copy_file("names.old", "names.mdb");
	assert_int_equal(name_of(&second, &name), KA_NOTFOUND);
	fixture_open(&f);
	assert_int_equal(name_of(&first, &name), KA_OK);
	assert_int_equal(name_of(&second, &name), KA_OK);
	assert_int_equal(name.uid, second.uid);
	assert_int_equal(name_of(&third, &name), KA_OK);
}

/* The same when the change log does not tell any more what was done in the gap. */
static void
gap_is_closed_after_pruning(void **state)
{
	struct ka_project first = fixture_project(&f, "first", KA_PROJECT_ACTIVE, true), second;
	struct ka_name name;

	(void)state;
	fixture_commit(&f);
	fixture_close(&f);
	copy_file("names.mdb", "names.old");
	fixture_open(&f);
	(void)strcpy(first.home, "/srv/first");
	assert_int_equal(ka_model_change_project(f.store, &first, NULL), KA_OK);
	second = fixture_project(&f, "second", KA_PROJECT_ACTIVE, true);
	fixture_commit(&f);
	assert_int_equal(ka_store_prune_changes(f.store, &(struct ka_pruned){.last = 2}), KA_OK);
	fixture_commit(&f);
	fixture_close(&f);
	copy_file("names.old", "names.mdb");
	assert_int_equal(name_of(&second, &name), KA_NOTFOUND);
	fixture_open(&f);
	assert_int_equal(name_of(&first, &name), KA_OK);
	assert_string_equal(name.home, "/srv/first");
	assert_int_equal(name_of(&second, &name), KA_OK);
	assert_int_equal(name.uid, second.uid);
}

/* An old access.mdb beside a new names.mdb would hand out uids that have been used. */
static void
older_access_is_refused(void **state)
{
	struct ka_error err = {""};

	(void)state;
	fixture_commit(&f);
	fixture_close(&f);
	copy_file("private/access.mdb", "private/access.old");
	fixture_open(&f);
	(void)fixture_project(&f, "later", KA_PROJECT_ACTIVE, true);
	fixture_commit(&f);
	fixture_close(&f);
	copy_file("private/access.old", "private/access.mdb");
	assert_int_equal(ka_store_open(f.dir, true, &f.store, &err), KA_CORRUPT);
	assert_null(f.store);
	assert_non_null(strstr(err.text, "newer"));
	assert_int_equal(ka_store_open(f.dir, false, &f.store, &err), KA_OK);
}

static void
uids_go_up_and_never_come_back(void **state)
{
	struct ka_project a = fixture_project(&f, "a", KA_PROJECT_ACTIVE, true), b, c;
	struct ka_project adopted = {.uid = KA_UID_FIRST + 2, .ssh = true}, again = {.ssh = true};
	struct ka_error err = {""};

	(void)state;
	assert_int_equal(a.uid, KA_UID_FIRST);
	assert_int_equal(ka_model_add_project(f.store, &adopted, &err), KA_OK);
	b = fixture_project(&f, "b", KA_PROJECT_ACTIVE, true);
	assert_int_equal(b.uid, KA_UID_FIRST + 1);
	c = fixture_project(&f, "c", KA_PROJECT_ACTIVE, true);
	assert_int_equal(c.uid, KA_UID_FIRST + 3); /* it stepped over the adopted one */
	assert_int_equal(ka_model_remove_project(f.store, &c, &err), KA_OK);
	fixture_commit(&f);
	fixture_close(&f);
	fixture_open(&f);
	assert_int_equal(ka_model_add_project(f.store, &again, &err), KA_OK);
	assert_int_equal(again.uid, KA_UID_FIRST + 4);
	again = (struct ka_project){.uid = c.uid, .ssh = true};
	assert_int_equal(ka_model_add_project(f.store, &again, &err), KA_CONFLICT);
	again = (struct ka_project){.ssh = true};
	memcpy(again.id, c.id, KA_UUID_LEN);
	assert_int_equal(ka_model_add_project(f.store, &again, &err), KA_CONFLICT);
	assert_non_null(strstr(err.text, "deleted"));
}

static void
tombstones_keep_their_name(void **state)
{
	struct ka_project project = fixture_project(&f, "gone", KA_PROJECT_ACTIVE, true);
	struct ka_error err = {""};
	struct ka_name name;

	(void)state;
	assert_int_equal(ka_model_remove_project(f.store, &project, &err), KA_OK);
	fixture_commit(&f);
	assert_int_equal(name_of(&project, &name), KA_OK);
	assert_true(name.deleted);
	assert_int_equal(name.uid, project.uid);
	assert_int_equal(ka_model_change_project(f.store, &project, &err), KA_CONFLICT);
}

/* Another writer has the lock: a sentence that names it, and no change. */
static void
second_writer_is_told_who_writes(void **state)
{
	char pid[32];
	int status;
	pid_t child;

	(void)state;
	(void)snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
	if ((child = fork()) == 0) {
		struct ka_store *store = NULL;
		struct ka_error err = {""};
		enum ka_result r = ka_store_open(f.dir, true, &store, &err);

		_exit(r == KA_BUSY && store == NULL && strstr(err.text, pid) != NULL ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void
readers_do_not_wait_for_the_writer(void **state)
{
	int status;
	pid_t child;

	(void)state;
	fixture_commit(&f);
	if ((child = fork()) == 0) {
		struct ka_store *store = NULL;
		struct ka_error err = {""};

		_exit(ka_store_open(f.dir, false, &store, &err) == KA_OK ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static enum ka_result
remove_member(const struct ka_project *project, const struct ka_account *account, struct ka_error *err)
{
	struct ka_member member = {.kind = KA_SUBJECT_ACCOUNT};

	memcpy(member.project, project->id, KA_UUID_LEN);
	memcpy(member.subject, account->id, KA_UUID_LEN);
	return ka_membership_remove(f.store, &member, KA_OWNER_KEPT, err);
}

/* A file of a version that did not know groups: logins and listings go on, and the next writer adds the tables. */
static void
older_file_lacks_later_tables(void **state)
{
	struct ka_account owner = fixture_account(&f, "owner");
	struct ka_project project = fixture_project(&f, "p", KA_PROJECT_ACTIVE, true);
	struct ka_access_question q = {.at_s = ka_time_now(), .host = "here"};
	static struct ka_access_answer answer;
	struct ka_row row = {.keylen = 0};
	struct ka_group group;
	struct ka_error err = {""};
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	char path[128];

	(void)state;
	fixture_member(&f, &project, &owner, KA_ROLE_OWNER, 0, 0);
	fixture_key(&f, 1, &owner, &(struct ka_key){.title = "laptop"});
	fixture_commit(&f);
	fixture_close(&f);
	(void)snprintf(path, sizeof(path), "%s/private/access.mdb", f.dir);
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, KA_TABLES), 0);
	assert_int_equal(mdb_env_open(env, path, MDB_NOSUBDIR, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	for (unsigned t = 0; t < KA_TABLES; t++)
		if (ka_table_is_later((enum ka_table)t)) {
			assert_int_equal(mdb_dbi_open(txn, ka_table_name((enum ka_table)t), 0, &dbi), 0);
			assert_int_equal(mdb_drop(txn, dbi, 1), 0);
		}
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);

	memcpy(q.project, project.id, KA_UUID_LEN);
	memset(q.sha256, 1, sizeof(q.sha256));
	assert_int_equal(ka_access_ask(f.dir, &q, &answer), KA_OK);
	assert_int_equal(answer.reason, KA_REASON_GRANTED);
	assert_int_equal(ka_store_open(f.dir, false, &f.store, &err), KA_OK);
	assert_int_equal(ka_catalog_next_group(f.store, &row, &group), KA_NOTFOUND);
	assert_int_equal(ka_catalog_find_group(f.store, "staff", &group, &err), KA_NOTFOUND);
	fixture_close(&f);
	fixture_open(&f);
	memset(&group, 0, sizeof(group));
	(void)snprintf(group.name, sizeof(group.name), "staff");
	assert_int_equal(ka_model_add_group(f.store, &group, &err), KA_OK);
	assert_int_equal(ka_membership_join_group(f.store, &group, &owner, &err), KA_OK);
	fixture_commit(&f);
	assert_int_equal(ka_access_ask(f.dir, &q, &answer), KA_OK);
	assert_int_equal(answer.reason, KA_REASON_GRANTED);
}

static struct ka_account
found_by(const char *handle)
{
	struct ka_account account = {.handle = ""};

	(void)ka_catalog_find_account(f.store, handle, &account, NULL);
	return account;
}

/* Two handles change hands; a third one cannot, and then none does. */
static void
handles_are_exchanged(void **state)
{
	struct ka_account owner = fixture_account(&f, "owner"), student = fixture_account(&f, "student");
	struct ka_account outsider = fixture_account(&f, "outsider"), both[3] = {owner, student, outsider};
	struct ka_error err = {""};
	uint64_t changes;

	(void)state;
	(void)strcpy(both[0].handle, "student");
	(void)strcpy(both[1].handle, "owner");
	(void)strcpy(both[1].name, "Exchanged");
	/* One alone cannot. */
	changes = ka_store_count_changes(f.store);
	assert_int_equal(ka_model_change_accounts(f.store, both, 1, &err), KA_CONFLICT);
	assert_non_null(strstr(err.text, "the handle \"student\" is taken by"));
	assert_int_equal(ka_model_change_accounts(f.store, both + 1, 2, &err), KA_CONFLICT);
	(void)strcpy(both[2].handle, "owner");
	assert_int_equal(ka_model_change_accounts(f.store, both, 3, &err), KA_CONFLICT);
	assert_non_null(strstr(err.text, "cannot be that of two"));
	(void)strcpy(both[2].handle, "Owner");
	assert_int_equal(ka_model_change_accounts(f.store, both, 3, &err), KA_INVALID);
	assert_int_equal(ka_store_count_changes(f.store), changes);
	assert_memory_equal(found_by("owner").id, owner.id, KA_UUID_LEN);

	(void)strcpy(both[2].handle, "free");
	assert_int_equal(ka_model_change_accounts(f.store, both, 3, &err), KA_OK);
	assert_int_equal(ka_store_count_changes(f.store), changes + 3);
	assert_memory_equal(found_by("owner").id, student.id, KA_UUID_LEN);
	assert_string_equal(found_by("owner").name, "Exchanged");
	assert_memory_equal(found_by("student").id, owner.id, KA_UUID_LEN);
	assert_memory_equal(found_by("free").id, outsider.id, KA_UUID_LEN);
	assert_string_equal(found_by("outsider").handle, "");
	assert_int_equal(ka_model_change_accounts(f.store, both, 0, &err), KA_OK);
}

/* Asking whether an account can join writes nothing. */
static void
joining_can_be_asked(void **state)
{
	struct ka_account owner = fixture_account(&f, "owner");
	struct ka_group group = {.name = "staff"}, more;
	struct ka_error err = {""};
	uint64_t changes;

	(void)state;
	assert_int_equal(ka_model_add_group(f.store, &group, &err), KA_OK);
	changes = ka_store_count_changes(f.store);
	assert_int_equal(ka_membership_check_join(f.store, &group, &owner, &err), KA_OK);
	assert_int_equal(ka_store_count_changes(f.store), changes);
	for (int i = 0; i < KA_GROUPS_MAX; i++) {
		more = (struct ka_group){.created_s = 0};
		(void)snprintf(more.name, sizeof(more.name), "group-%d", i);
		assert_int_equal(ka_model_add_group(f.store, &more, &err), KA_OK);
		assert_int_equal(ka_membership_join_group(f.store, &more, &owner, &err), KA_OK);
	}
	assert_int_equal(ka_membership_check_join(f.store, &group, &owner, &err), KA_CONFLICT);
	/* Where it is already it stays. */
	assert_int_equal(ka_membership_check_join(f.store, &more, &owner, &err), KA_OK);
	assert_int_equal(ka_membership_join_group(f.store, &more, &owner, &err), KA_OK);
	/* One that is not there yet is a further one. */
	memset(&more, 0, sizeof(more));
	assert_int_equal(ka_membership_check_join(f.store, &more, &owner, &err), KA_CONFLICT);
}

/* An owner on whom nobody can rely is no reason to let the last one go; one whose time is over may go. */
static void
suspended_owner_does_not_count(void **state)
{
	struct ka_account owner = fixture_account(&f, "owner"), second = fixture_account(&f, "second");
	struct ka_project project = fixture_project(&f, "p", KA_PROJECT_ACTIVE, true);
	struct ka_error err = {""};

	(void)state;
	fixture_member(&f, &project, &owner, KA_ROLE_OWNER, 0, 0);
	fixture_member(&f, &project, &second, KA_ROLE_OWNER, 0, 0);
	second.state = KA_ACCOUNT_SUSPENDED;
	assert_int_equal(ka_model_change_account(f.store, &second, &err), KA_OK);
	assert_int_equal(remove_member(&project, &owner, &err), KA_CONFLICT);
	assert_int_equal(remove_member(&project, &second, &err), KA_OK);
}

/* Rules of the model that no command shows directly. */

static void
last_owner_stays(void **state)
{
	struct ka_account owner = fixture_account(&f, "owner"), second = fixture_account(&f, "second");
	struct ka_project project = fixture_project(&f, "p", KA_PROJECT_ACTIVE, true);
	struct ka_member member = {.kind = KA_SUBJECT_ACCOUNT, .role = KA_ROLE_COLLABORATOR};
	struct ka_error err = {""};

	(void)state;
	memcpy(member.project, project.id, KA_UUID_LEN);
	memcpy(member.subject, owner.id, KA_UUID_LEN);
	fixture_member(&f, &project, &owner, KA_ROLE_OWNER, 0, 0);
	assert_int_equal(ka_membership_add(f.store, &member, KA_OWNER_KEPT, &err), KA_CONFLICT);
	member = (struct ka_member){.kind = KA_SUBJECT_ACCOUNT, .role = KA_ROLE_OWNER, .expires_s = 5000};
	memcpy(member.project, project.id, KA_UUID_LEN);
	memcpy(member.subject, owner.id, KA_UUID_LEN);
	assert_int_equal(ka_membership_add(f.store, &member, KA_OWNER_KEPT, &err), KA_CONFLICT);
	assert_int_equal(remove_member(&project, &owner, &err), KA_CONFLICT);
	assert_non_null(strstr(err.text, "\"owner\" is the last owner"));
	assert_int_equal(ka_model_remove_account(f.store, &owner, KA_OWNER_KEPT, &err), KA_CONFLICT);
	/* One whose ownership ends, or has not begun, is no owner to rely on. */
	fixture_member(&f, &project, &second, KA_ROLE_OWNER, 0, 5000);
	assert_int_equal(remove_member(&project, &owner, &err), KA_CONFLICT);
	fixture_member(&f, &project, &second, KA_ROLE_OWNER, INT64_C(4000000000), 0);
	assert_int_equal(remove_member(&project, &owner, &err), KA_CONFLICT);
	fixture_member(&f, &project, &second, KA_ROLE_OWNER, 0, 0);
	assert_int_equal(remove_member(&project, &owner, &err), KA_OK);
}

static void
project_key_goes_with_the_membership(void **state)
{
	struct ka_account owner = fixture_account(&f, "owner"), student = fixture_account(&f, "student");
	struct ka_project project = fixture_project(&f, "p", KA_PROJECT_ACTIVE, true);
	struct ka_key key = {.named = true};
	struct ka_row row = {.keylen = 0};
	struct ka_error err = {""};
	uint8_t id[KA_UUID_LEN];

	(void)state;
	fixture_member(&f, &project, &owner, KA_ROLE_OWNER, 0, 0);
	fixture_member(&f, &project, &student, KA_ROLE_COLLABORATOR, 0, 0);
	fixture_key(&f, 1, &student, &key);
	assert_int_equal(ka_registration_add_reach(f.store, &key, &project, &err), KA_OK);
	assert_int_equal(ka_catalog_next_reach(f.store, &key, &row, id), KA_OK);
	assert_int_equal(remove_member(&project, &student, &err), KA_OK);
	fixture_member(&f, &project, &student, KA_ROLE_COLLABORATOR, 0, 0);
	row.keylen = 0;
	assert_int_equal(ka_catalog_next_reach(f.store, &key, &row, id), KA_NOTFOUND);
}

/* What an account leaves behind must not come back with the next account or key. */
static void
removed_account_leaves_no_rows(void **state)
{
	static const enum ka_table tables[] = {KA_TABLE_ACCOUNT, KA_TABLE_HANDLE, KA_TABLE_MEMBER, KA_TABLE_MEMBER_OF,
	    KA_TABLE_KEY, KA_TABLE_KEY_OF, KA_TABLE_REACH};
	struct ka_account student = fixture_account(&f, "student");
	struct ka_project project = fixture_project(&f, "p", KA_PROJECT_ACTIVE, true);
	struct ka_key key = {.named = true};
	uint8_t blob[KA_SSHKEY_BLOB_MAX];
	size_t len = sizeof(blob);
	struct ka_error err = {""};

	(void)state;
	fixture_member(&f, &project, &student, KA_ROLE_COLLABORATOR, 0, 0);
	fixture_key(&f, 1, &student, &key);
	assert_int_equal(ka_registration_add_reach(f.store, &key, &project, &err), KA_OK);
	assert_int_equal(ka_store_get_blob(f.store, key.sha256, blob, &len), KA_OK);
	assert_int_equal(ka_model_remove_account(f.store, &student, KA_OWNER_KEPT, &err), KA_OK);
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		struct ka_row row = {.keylen = 0};

		assert_int_equal(ka_store_next(f.store, tables[i], "", 0, &row), KA_NOTFOUND);
	}
	len = sizeof(blob);
	assert_int_equal(ka_store_get_blob(f.store, key.sha256, blob, &len), KA_NOTFOUND);
}

static void
every_change_is_in_the_log(void **state)
{
	struct ka_account owner = fixture_account(&f, "owner");
	struct ka_project project = fixture_project(&f, "p", KA_PROJECT_ACTIVE, true);
	struct ka_key key = {.title = "laptop"};
	static const struct {
		enum ka_table table;
		bool before, after;
	} want[] = {
	    {KA_TABLE_ACCOUNT, false, true},
	    {KA_TABLE_PROJECT, false, true},
	    {KA_TABLE_MEMBER, false, true},
	    {KA_TABLE_KEY, false, true},
	    {KA_TABLE_PROJECT, true, true},
	    {KA_TABLE_KEY, true, false},
	};
	struct ka_error err = {""};
	struct ka_project was;
	struct ka_change change;
	uint64_t first, last;

	(void)state;
	ka_store_begin_command(f.store, "a command");
	fixture_member(&f, &project, &owner, KA_ROLE_OWNER, 0, 0);
	fixture_key(&f, 1, &owner, &key);
	(void)strcpy(project.title, "q");
	assert_int_equal(ka_model_change_project(f.store, &project, &err), KA_OK);
	/* Nothing changes, so nothing is noted. */
	assert_int_equal(ka_model_change_project(f.store, &project, &err), KA_OK);
	assert_int_equal(ka_registration_remove(f.store, &key, &err), KA_OK);
	fixture_commit(&f);
	assert_int_equal(ka_store_changes(f.store, &first, &last), KA_OK);
	assert_int_equal(first, 1);
	assert_int_equal(last, sizeof(want) / sizeof(want[0]));
	for (uint64_t seq = 1; seq <= last; seq++) {
		assert_int_equal(ka_store_get_change(f.store, seq, &change), KA_OK);
		assert_int_equal(change.table, want[seq - 1].table);
		assert_int_equal(change.before.keylen > 0, want[seq - 1].before);
		assert_int_equal(change.after.keylen > 0, want[seq - 1].after);
		assert_string_equal(change.verb, seq > 2 ? "a command" : "");
	}
	assert_int_equal(ka_store_get_change(f.store, 5, &change), KA_OK);
	assert_int_equal(ka_record_row_project(&change.before, &was), KA_OK);
	assert_string_equal(was.title, "p");
	assert_int_equal(ka_record_row_project(&change.after, &was), KA_OK);
	assert_string_equal(was.title, "q");
	assert_memory_equal(was.id, project.id, KA_UUID_LEN);
}

/* What is pruned is gone, what is kept stays readable, and what comes next has the next number. */
static void
changes_are_pruned(void **state)
{
	struct ka_pruned pruned = {.last = 3, .before_s = 5000}, noted;
	struct ka_change change;
	uint64_t first, last;

	(void)state;
	for (int i = 0; i < 5; i++)
		(void)fixture_account(&f, (const char *[]){"a", "b", "c", "d", "e"}[i]);
	fixture_commit(&f);
	ka_store_begin_command(f.store, "changes");
	assert_int_equal(ka_store_prune_changes(f.store, &pruned), KA_OK);
	fixture_commit(&f);
	assert_int_equal(ka_store_changes(f.store, &first, &last), KA_OK);
	assert_int_equal(first, 4);
	assert_int_equal(last, 6);
	assert_int_equal(ka_store_get_change(f.store, 3, &change), KA_NOTFOUND);
	assert_int_equal(ka_store_get_change(f.store, 4, &change), KA_OK);
	/* That it was done stays, as what comes next. */
	assert_int_equal(ka_store_get_change(f.store, 6, &change), KA_OK);
	assert_string_equal(change.verb, "changes");
	assert_int_equal(change.table, KA_TABLE_META);
	assert_int_equal(change.before.keylen, 0);
	assert_int_equal(ka_record_get_pruned(change.after.payload, change.after.len, &noted), KA_OK);
	assert_int_equal(noted.last, 3);
	assert_int_equal(noted.before_s, 5000);
	/* There is nothing more to remove: nothing happens. */
	pruned.before_s = 6000;
	assert_int_equal(ka_store_prune_changes(f.store, &pruned), KA_OK);
	(void)fixture_account(&f, "f");
	/* No more than there is, and not what is being written: names.mdb has not seen it. */
	pruned.last = 1000;
	assert_int_equal(ka_store_prune_changes(f.store, &pruned), KA_OK);
	fixture_commit(&f);
	assert_int_equal(ka_store_changes(f.store, &first, &last), KA_OK);
	assert_int_equal(first, 7);
	assert_int_equal(last, 8);
	assert_int_equal(ka_store_get_change(f.store, 8, &change), KA_OK);
	assert_int_equal(ka_record_get_pruned(change.before.payload, change.before.len, &noted), KA_OK);
	assert_int_equal(noted.last, 3);
	assert_int_equal(ka_record_get_pruned(change.after.payload, change.after.len, &noted), KA_OK);
	assert_int_equal(noted.last, 6);
	fixture_close(&f);
	fixture_open(&f);
	(void)fixture_account(&f, "g");
	fixture_commit(&f);
	assert_int_equal(ka_store_get_change(f.store, 9, &change), KA_OK);
}

static void
too_many_registrations_of_one_key(void **state)
{
	struct ka_sshkey sshkey = {.type = "ssh-ed25519", .bits = 256, .bloblen = 4};
	struct ka_account account;
	struct ka_key key = {.title = "shared"};
	struct ka_error err = {""};
	char handle[32];

	(void)state;
	memset(sshkey.sha256, 1, sizeof(sshkey.sha256));
	for (int i = 0; i < KA_REGISTRATIONS_MAX; i++) {
		(void)snprintf(handle, sizeof(handle), "student.%d", i);
		account = fixture_account(&f, handle);
		fixture_key(&f, 1, &account, &(struct ka_key){.title = "shared"});
	}
	account = fixture_account(&f, "one-too-many");
	memcpy(key.account, account.id, KA_UUID_LEN);
	assert_int_equal(ka_registration_add(f.store, &key, &sshkey, &err), KA_CONFLICT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(modes, setup, teardown),
	    cmocka_unit_test_setup_teardown(create_refuses_to_overwrite, setup, teardown),
	    cmocka_unit_test_setup_teardown(uncommitted_is_gone, setup, teardown),
	    cmocka_unit_test_setup_teardown(commit_reaches_both_files, setup, teardown),
	    cmocka_unit_test_setup_teardown(every_commit_reaches_both_files, setup, teardown),
	    cmocka_unit_test_setup_teardown(gap_is_closed_by_the_next_writer, setup, teardown),
	    cmocka_unit_test_setup_teardown(gap_is_closed_after_pruning, setup, teardown),
	    cmocka_unit_test_setup_teardown(older_access_is_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(uids_go_up_and_never_come_back, setup, teardown),
	    cmocka_unit_test_setup_teardown(tombstones_keep_their_name, setup, teardown),
	    cmocka_unit_test_setup_teardown(second_writer_is_told_who_writes, setup, teardown),
	    cmocka_unit_test_setup_teardown(readers_do_not_wait_for_the_writer, setup, teardown),
	    cmocka_unit_test_setup_teardown(older_file_lacks_later_tables, setup, teardown),
	    cmocka_unit_test_setup_teardown(handles_are_exchanged, setup, teardown),
	    cmocka_unit_test_setup_teardown(joining_can_be_asked, setup, teardown),
	    cmocka_unit_test_setup_teardown(suspended_owner_does_not_count, setup, teardown),
	    cmocka_unit_test_setup_teardown(last_owner_stays, setup, teardown),
	    cmocka_unit_test_setup_teardown(project_key_goes_with_the_membership, setup, teardown),
	    cmocka_unit_test_setup_teardown(removed_account_leaves_no_rows, setup, teardown),
	    cmocka_unit_test_setup_teardown(every_change_is_in_the_log, setup, teardown),
	    cmocka_unit_test_setup_teardown(changes_are_pruned, setup, teardown),
	    cmocka_unit_test_setup_teardown(too_many_registrations_of_one_key, setup, teardown),
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
