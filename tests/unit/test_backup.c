/*
 * Copies of the database, and the database out of a copy: what is damaged is told, what was given out is never given
 * out again, and every difference is in the change log.
 */
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/backup.h"
#include "common/catalog.h"
#include "common/restore.h"
#include "common/sound.h"
#include "common/spool.h"
#include "common/usage.h"
#include "tests/unit/fixture.h"

static struct fixture f;
static char copy[80];

static int
setup(void **state)
{
	const struct rlimit no_core = {0, 0};

	(void)state;
	(void)setrlimit(RLIMIT_CORE, &no_core);
	fixture_new(&f);
	(void)snprintf(copy, sizeof(copy), "%s.copy", f.dir);
	return 0;
}

static void
run_command(const char *format, const char *a, const char *b)
{
	char command[400];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	(void)snprintf(command, sizeof(command), format, a, b);
#pragma GCC diagnostic pop
	assert_int_equal(system(command), 0);
}

static int
teardown(void **state)
{
	(void)state;
	run_command("rm -rf '%s'%s", copy, "");
	fixture_free(&f);
	return 0;
}

/* Close the database, and copy it. */
static void
back_up_as(bool compact)
{
	struct ka_backup backup;
	struct ka_error err = {""};

	fixture_commit(&f);
	fixture_close(&f);
	if (ka_backup_write(f.dir, copy, compact, NULL, &backup, &err) != KA_OK)
		fail_msg("%s", err.text);
}

static void
back_up(void)
{
	back_up_as(false);
}

static enum ka_result
restore_as(struct ka_restore *restore, struct ka_error *err)
{
	restore->gid = getgid();
	return ka_restore_run(f.dir, copy, restore, err);
}

/* It succeeds, and leaves the database open. */
static struct ka_restore
restore_with(bool force)
{
	struct ka_restore r = {.force = force};
	struct ka_error err = {""};

	if (restore_as(&r, &err) != KA_OK)
		fail_msg("%s", err.text);
	fixture_open(&f);
	return r;
}

static struct ka_restore
restore(void)
{
	return restore_with(false);
}

static uint64_t
differences(const struct ka_restore *r)
{
	return r->added + r->changed + r->removed + r->tombstones;
}

/* A little of everything. */
static void
fill(void)
{
	struct ka_account owner = fixture_account(&f, "owner"), student = fixture_account(&f, "student");
	struct ka_project project = fixture_project(&f, "p", KA_PROJECT_ACTIVE, true);
	struct ka_project gone = fixture_project(&f, "gone", KA_PROJECT_ACTIVE, true);
	struct ka_group group = {.name = "staff"};
	struct ka_key key = {.title = "laptop", .named = true};
	struct ka_error err = {""};

	fixture_member(&f, &project, &owner, KA_ROLE_OWNER, 0, 0);
	fixture_member(&f, &project, &student, KA_ROLE_COLLABORATOR, 0, 5000);
	fixture_key(&f, 1, &owner, &(struct ka_key){.title = "desktop"});
	fixture_key(&f, 2, &owner, &key);
	assert_int_equal(ka_registration_add_reach(f.store, &key, &project, &err), KA_OK);
	assert_int_equal(ka_model_add_group(f.store, &group, &err), KA_OK);
	assert_int_equal(ka_membership_join_group(f.store, &group, &student, &err), KA_OK);
	assert_int_equal(ka_model_remove_project(f.store, &gone, &err), KA_OK);
}

/* Tables of more than one page. */
static void
fill_pages(void)
{
	for (int i = 0; i < 80; i++) {
		struct ka_account account = {.state = KA_ACCOUNT_ACTIVE};

		(void)snprintf(account.handle, sizeof(account.handle), "student-number-%016d", i);
		(void)snprintf(account.name, sizeof(account.name), "%060d", i);
		assert_int_equal(ka_model_add_account(f.store, &account, NULL), KA_OK);
	}
}

/* Damage */

static void
flip(const char *path, off_t at)
{
	uint8_t byte;
	int fd = open(path, O_RDWR);

	if (fd < 0)
		fail_msg("%s: %m", path);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 0x40;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	(void)close(fd);
}

/*
 * Wherever a byte of the copy is wrong: it is refused, or the byte did not matter, and what it would make is what the
 * sound one would.
 */
static void
no_wrong_byte_is_restored(void **state)
{
	static const char *const files[] = {"private/access.mdb", "names.mdb"};
	static const enum ka_file kinds[] = {KA_FILE_ACCESS, KA_FILE_NAMES};
	unsigned refused[2] = {0, 0};

	(void)state;
	fill();
	back_up_as(true); /* every page of it is in use */
	for (size_t i = 0; i < 2; i++) {
		char path[128];
		struct stat st;

		(void)snprintf(path, sizeof(path), "%s/%s", copy, files[i]);
		assert_int_equal(stat(path, &st), 0);
		for (off_t at = 0; at < st.st_size; at += at < 8192 && at % 4096 < 168 ? 1 : 167) {
			struct ka_restore r = {.dry_run = true};
			struct ka_error err = {""};
			struct ka_sound sound;
			enum ka_result result;

			flip(path, at);
			result = ka_sound_check(copy, kinds[i], NULL, &sound);
			if (result == KA_CORRUPT || result == KA_CONFLICT ||
			    (result = restore_as(&r, &err)) == KA_CORRUPT)
				refused[i]++;
			else if (result != KA_OK || differences(&r) != 0)
				fail_msg("byte %ld of %s: %d, %llu differences: %s", (long)at, files[i], (int)result,
				    (unsigned long long)differences(&r), err.text);
			flip(path, at);
		}
	}
	assert_true(refused[0] > 40);
	assert_true(refused[1] > 10);
	fixture_open(&f);
}

/* What LMDB's pages look like: LMDB 0.9.24 mdb.c, MDB_page and MDB_node. */
enum { PAGE = 4096, BRANCH = 1, LEAF = 2, FLAGS = 10, LOWER = 12, POINTERS = 16, NODE_KEY = 8 };

static uint8_t image[1 << 20];
static size_t image_len;

static uint16_t
load16(const uint8_t *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

static void
load_image(const char *path)
{
	FILE *in = fopen(path, "r");

	assert_non_null(in);
	image_len = fread(image, 1, sizeof(image), in);
	(void)fclose(in);
}

static void
store_image(const char *path)
{
	FILE *out = fopen(path, "r+");

	assert_non_null(out);
	assert_int_equal(fwrite(image, 1, image_len, out), image_len);
	assert_int_equal(fclose(out), 0);
}

/* The page of that kind in which the ${nth} node's key begins with ${key}, if there is one behind it. */
static uint8_t *
find_page(int flags, const char *key, size_t *nth)
{
	for (uint8_t *page = image + 2 * PAGE; page < image + image_len; page += PAGE)
		for (size_t i = 0; load16(page + FLAGS) == flags && POINTERS + 2 * (i + 1) < load16(page + LOWER);
		     i++) {
			const uint8_t *node = page + load16(page + POINTERS + 2 * i);

			*nth = i;
			if (memcmp(node + NODE_KEY, key, strlen(key)) == 0)
				return page;
		}
	fail_msg("no page with %s", key);
	return NULL;
}

static void
lose_last_row(void)
{
	size_t nth;
	uint8_t *page = find_page(LEAF, "student-number-", &nth);

	page[LOWER] = (uint8_t)(page[LOWER] - 2);
}

static void
repeat_row(void)
{
	size_t nth;
	uint8_t *page = find_page(LEAF, "student-number-", &nth);

	memcpy(page + POINTERS + 2 * (nth + 1), page + POINTERS + 2 * nth, 2);
}

/* A table that an older version does not have seems to be missing; in its place its neighbour is named twice. */
static void
lose_table(void)
{
	size_t nth;
	uint8_t *page = find_page(LEAF, "group_member", &nth);

	memcpy(page + POINTERS + 2 * nth, page + POINTERS + 2 * (nth + 1), 2);
}

/* An inner page sends everything to the left. */
static void
lead_astray(void)
{
	size_t nth;
	uint8_t *page = find_page(BRANCH, "", &nth);

	memset(page + load16(page + POINTERS + 2 * (nth + 1)) + NODE_KEY, 0xff, KA_UUID_LEN);
}

/* Every row's checksum is right, and still it is not the table that was written. */
static void
wrong_ways_are_damage(void **state)
{
	static void (*const ways[])(void) = {lose_last_row, repeat_row, lose_table, lead_astray};
	char path[128];

	(void)state;
	fill();
	fill_pages();
	back_up_as(true);
	(void)snprintf(path, sizeof(path), "%s/private/access.mdb", copy);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct ka_sound sound;

		load_image(path);
		ways[i]();
		run_command("cp '%s' '%s.sound'", path, path);
		store_image(path);
		if (ka_sound_check(copy, KA_FILE_ACCESS, NULL, &sound) != KA_CORRUPT)
			fail_msg("way %zu: %s", i, sound.err.text);
		run_command("mv '%s.sound' '%s'", path, path);
		assert_int_equal(ka_sound_check(copy, KA_FILE_ACCESS, NULL, &sound), KA_OK);
		assert_int_equal(sound.rows[KA_TABLE_ACCOUNT], 82);
	}
	fixture_open(&f);
}

static void
add_table(const char *dir)
{
	char path[128];
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	(void)snprintf(path, sizeof(path), "%s/private/access.mdb", dir);
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, KA_TABLES), 0);
	assert_int_equal(mdb_env_open(env, path, MDB_NOSUBDIR, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, "later", MDB_CREATE, &dbi), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

/* What a newer version keeps, this one would lose: in the copy as in the database itself. */
static void
newer_versions_are_refused(void **state)
{
	struct ka_restore r = {.force = true};
	struct ka_error err = {""};

	(void)state;
	fill();
	back_up();
	add_table(copy);
	assert_int_equal(restore_as(&r, &err), KA_CORRUPT);
	assert_non_null(strstr(err.text, "\"later\""));
	run_command("rm -rf '%s'%s", copy, "");
	fixture_open(&f);
	back_up();
	add_table(f.dir);
	assert_int_equal(restore_as(&r, &err), KA_CORRUPT);
	assert_non_null(strstr(err.text, "\"later\""));
	fixture_open(&f);
}

static int end_by; /* the signal that ends the next process that is forked; 0: none */

static void
end_child(void)
{
	if (end_by != 0)
		(void)raise(end_by);
}

/* Somebody ended the process that checked: the file is not to blame, and must not be put aside. A page may have. */
static void
an_ended_check_is_no_damage(void **state)
{
	static const struct {
		int signal;
		enum ka_result r;
	} ends[] = {{SIGKILL, KA_UNAVAIL}, {SIGTERM, KA_UNAVAIL}, {SIGBUS, KA_CORRUPT}, {SIGSEGV, KA_CORRUPT}};

	(void)state;
	fixture_close(&f);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct ka_sound sound;

		(void)signal(ends[i].signal, SIG_DFL); /* a sanitizer's handler would exit */
		end_by = ends[i].signal;
		assert_int_equal(ka_sound_check(f.dir, KA_FILE_ACCESS, NULL, &sound), ends[i].r);
		end_by = 0;
		assert_non_null(strstr(sound.err.text, "access.mdb"));
		assert_int_equal(ka_sound_check(f.dir, KA_FILE_ACCESS, NULL, &sound), KA_OK);
	}
	fixture_open(&f);
}

/* The change log */

static void
put_settings(const struct ka_settings *settings)
{
	uint8_t payload[KA_RECORD_MAX];
	size_t len;

	assert_int_equal(ka_record_put_settings(settings, payload, &len), KA_OK);
	assert_int_equal(
	    ka_store_change(f.store, KA_TABLE_SETTINGS, KA_SETTINGS_KEY, strlen(KA_SETTINGS_KEY), payload, len), KA_OK);
}

static void
every_difference_is_in_the_log(void **state)
{
	struct ka_account owner = fixture_account(&f, "owner"), student = fixture_account(&f, "student"), later;
	struct ka_project project = fixture_project(&f, "p", KA_PROJECT_ACTIVE, true), was;
	struct ka_key key = {.title = "laptop"};
	struct ka_error err = {""};
	struct ka_change change;
	struct ka_restore r;
	uint64_t first, before, last;

	(void)state;
	fixture_member(&f, &project, &owner, KA_ROLE_OWNER, 0, 0);
	fixture_key(&f, 1, &owner, &key);
	back_up();
	fixture_open(&f);
	(void)strcpy(project.title, "q");
	assert_int_equal(ka_model_change_project(f.store, &project, &err), KA_OK);
	assert_int_equal(ka_registration_remove(f.store, &key, &err), KA_OK);
	later = fixture_account(&f, "later");
	assert_int_equal(ka_model_remove_account(f.store, &student, KA_OWNER_KEPT, &err), KA_OK);
	fixture_commit(&f);
	assert_int_equal(ka_store_changes(f.store, &first, &before), KA_OK);
	fixture_close(&f);
	r = restore();
	assert_int_equal(r.changed, 1);
	assert_int_equal(r.added, 2);
	assert_int_equal(r.removed, 1);
	assert_int_equal(r.tombstones, 0);
	assert_int_equal(ka_store_changes(f.store, &first, &last), KA_OK);
	assert_int_equal(last, before + 4);
	for (uint64_t seq = before + 1; seq <= last; seq++) {
		assert_int_equal(ka_store_get_change(f.store, seq, &change), KA_OK);
		assert_string_equal(change.verb, "restore");
		if (change.table == KA_TABLE_PROJECT) {
			assert_int_equal(ka_record_row_project(&change.before, &was), KA_OK);
			assert_string_equal(was.title, "q");
			assert_int_equal(ka_record_row_project(&change.after, &was), KA_OK);
			assert_string_equal(was.title, "p");
		} else if (change.table == KA_TABLE_ACCOUNT && change.before.keylen > 0) {
			assert_memory_equal(change.before.key, later.id, KA_UUID_LEN);
			assert_int_equal(change.after.keylen, 0);
		}
	}
	/* What was before the copy is still told. */
	assert_int_equal(ka_store_get_change(f.store, 1, &change), KA_OK);
	assert_int_equal(change.table, KA_TABLE_ACCOUNT);
}

/* Settings are what people change, too; and a copy without them has the defaults. */
static void
settings_come_back(void **state)
{
	struct ka_settings settings;
	struct ka_restore r;

	(void)state;
	back_up();
	fixture_open(&f);
	ka_record_default_settings(&settings);
	settings.rsa_bits_min = 4096;
	put_settings(&settings);
	fixture_commit(&f);
	fixture_close(&f);
	r = restore();
	assert_int_equal(r.removed, 1);
	assert_int_equal(ka_store_settings(f.store, &settings), KA_OK);
	assert_int_equal(settings.rsa_bits_min, 2048);
	settings.rsa_bits_min = 3072;
	put_settings(&settings);
	run_command("rm -r '%s'%s", copy, "");
	back_up();
	fixture_open(&f);
	settings.rsa_bits_min = 4096;
	put_settings(&settings);
	fixture_commit(&f);
	fixture_close(&f);
	r = restore();
	assert_int_equal(r.changed, 1);
	assert_int_equal(ka_store_settings(f.store, &settings), KA_OK);
	assert_int_equal(settings.rsa_bits_min, 3072);
}

/* Keys of the longest kind are longer than the rows that readers see. */
static void
long_keys_come_back(void **state)
{
	struct ka_account owner = fixture_account(&f, "owner");
	struct ka_sshkey sshkey = {.type = "ssh-rsa", .bits = 16384, .bloblen = 2077, .comment = "long"};
	struct ka_key key = {.title = "long"};
	uint8_t blob[KA_SSHKEY_BLOB_MAX];
	size_t len = sizeof(blob);
	struct ka_error err = {""};

	(void)state;
	memset(sshkey.sha256, 9, sizeof(sshkey.sha256));
	for (size_t i = 0; i < sshkey.bloblen; i++)
		sshkey.blob[i] = (uint8_t)(i * 7);
	memcpy(key.account, owner.id, KA_UUID_LEN);
	assert_int_equal(ka_registration_add(f.store, &key, &sshkey, &err), KA_OK);
	back_up();
	fixture_open(&f);
	assert_int_equal(ka_registration_remove(f.store, &key, &err), KA_OK);
	fixture_commit(&f);
	assert_int_equal(ka_store_get_blob(f.store, key.sha256, blob, &len), KA_NOTFOUND);
	fixture_close(&f);
	(void)restore();
	len = sizeof(blob);
	assert_int_equal(ka_store_get_blob(f.store, key.sha256, blob, &len), KA_OK);
	assert_int_equal(len, sshkey.bloblen);
	assert_memory_equal(blob, sshkey.blob, len);
}

/* uids */

static uint32_t
next_uid(void)
{
	return fixture_project(&f, "next", KA_PROJECT_ACTIVE, true).uid;
}

/* The copy knows of more uids than the database: of another branch of its history, or the database was made anew. */
static void
the_higher_counter_stands(void **state)
{
	uint32_t uid;

	(void)state;
	(void)next_uid();
	assert_int_equal(ka_store_next_uid(f.store, &uid), KA_OK); /* handed out, and seen by nobody since */
	back_up();
	/* The database behind the copy. */
	run_command("rm -rf '%s'%s", f.dir, "");
	assert_int_equal(ka_store_create(f.dir, getgid(), NULL), KA_OK);
	(void)restore();
	assert_int_equal(next_uid(), KA_UID_FIRST + 2);
	/* And in front of it. */
	assert_int_equal(next_uid(), KA_UID_FIRST + 3);
	fixture_commit(&f);
	fixture_close(&f);
	(void)restore();
	assert_int_equal(next_uid(), KA_UID_FIRST + 4);
}

static void
refuses_as_another(const char *word)
{
	struct ka_restore r = {.force = true};
	struct ka_error err = {""};
	uint64_t first, before, last;

	fixture_commit(&f);
	assert_int_equal(ka_store_changes(f.store, &first, &before), KA_OK);
	fixture_close(&f);
	assert_int_equal(restore_as(&r, &err), KA_CONFLICT);
	assert_non_null(strstr(err.text, word));
	assert_non_null(strstr(err.text, "another database"));
	fixture_open(&f);
	assert_int_equal(ka_store_changes(f.store, &first, &last), KA_OK);
	assert_int_equal(before, last);
}

/* Two databases gave out the same uid, or two for one project: no file may change its owner. */
static void
uids_of_another_database_are_refused(void **state)
{
	struct ka_project project = fixture_project(&f, "p", KA_PROJECT_ACTIVE, true);
	struct ka_project same = {.ssh = true, .uid = KA_UID_FIRST + 7};
	struct ka_error err = {""};

	(void)state;
	back_up();
	run_command("rm -rf '%s'%s", f.dir, "");
	assert_int_equal(ka_store_create(f.dir, getgid(), NULL), KA_OK);
	fixture_open(&f);
	assert_int_equal(next_uid(), project.uid);
	refuses_as_another("belongs to project");
	fixture_close(&f);
	run_command("rm -rf '%s'%s", f.dir, "");
	assert_int_equal(ka_store_create(f.dir, getgid(), NULL), KA_OK);
	fixture_open(&f);
	memcpy(same.id, project.id, KA_UUID_LEN);
	assert_int_equal(ka_model_add_project(f.store, &same, &err), KA_OK);
	refuses_as_another("here and");
}

/* Lost files */

/* As high as anything that can still be read says, a damaged file too. */
static void
counters_go_on_when_access_is_lost(void **state)
{
	struct ka_project p = fixture_project(&f, "p", KA_PROJECT_ACTIVE, true), later;
	struct ka_error err = {""};
	struct ka_project found;
	uint64_t first, before, last;
	struct ka_change change;
	struct ka_restore r;

	(void)state;
	back_up();
	fixture_open(&f);
	later = fixture_project(&f, "later", KA_PROJECT_ACTIVE, true);
	fixture_commit(&f);
	assert_int_equal(ka_store_changes(f.store, &first, &before), KA_OK);
	fixture_close(&f);
	run_command("rm '%s/private/access.mdb'%s", f.dir, "");
	r = restore();
	assert_non_null(strstr(r.mend.access.text, "access.mdb is missing"));
	assert_string_equal(r.mend.names.text, "");
	assert_int_equal(ka_store_changes(f.store, &first, &last), KA_OK);
	assert_true(last > before);
	assert_true(first > before);
	for (uint64_t seq = first; seq <= last; seq++)
		assert_int_equal(ka_store_get_change(f.store, seq, &change), KA_OK);
	assert_int_equal(ka_catalog_get_project(f.store, p.id, &found), KA_OK);
	assert_int_equal(found.state, KA_PROJECT_ACTIVE);
	assert_int_equal(ka_catalog_get_project(f.store, later.id, &found), KA_OK);
	assert_int_equal(found.state, KA_PROJECT_DELETED);
	assert_int_equal(found.uid, later.uid);
	assert_string_equal(found.home, later.home);
	assert_int_equal(next_uid(), later.uid + 1);
	assert_int_equal(ka_model_add_project(f.store, &later, &err), KA_CONFLICT);
}

static void
counters_go_on_when_a_row_is_damaged(void **state)
{
	struct ka_project later;
	char path[128], *at, bytes[1 << 20];
	struct ka_restore r;
	ssize_t n;
	int fd;

	(void)state;
	fill();
	back_up();
	fixture_open(&f);
	later = fixture_project(&f, "a title that is to be damaged", KA_PROJECT_ACTIVE, true);
	fixture_commit(&f);
	fixture_close(&f);
	/* names.mdb lags behind: a writer was killed. */
	run_command("cp '%s/names.mdb' '%s/names.mdb'", copy, f.dir);
	(void)snprintf(path, sizeof(path), "%s/private/access.mdb", f.dir);
	fd = open(path, O_RDONLY);
	n = read(fd, bytes, sizeof(bytes));
	(void)close(fd);
	assert_true(n > 0);
	for (at = bytes; (at = memmem(at, (size_t)(n - (at - bytes)), later.title, strlen(later.title))) != NULL; at++)
		flip(path, at - bytes);
	r = restore();
	assert_non_null(strstr(r.mend.access.text, "damaged"));
	assert_int_equal(next_uid(), later.uid + 1);
	run_command("test -s '%s/private/access.mdb.damaged'%s", f.dir, "");
}

/* What is not committed was never there. */
static void
nothing_is_left_of_a_dry_run(void **state)
{
	struct ka_restore r = {.dry_run = true, .force = true};
	struct ka_error err = {""};

	(void)state;
	fill();
	back_up();
	run_command("rm '%s/private/access.mdb' '%s/names.mdb'", f.dir, f.dir);
	assert_int_equal(restore_as(&r, &err), KA_OK);
	assert_true(r.added > 5);
	run_command("test -z \"$(find '%s' -name '*access*' ! -name '*-lock' -o -name '*names*' ! -name '*-lock')\"%s",
	    f.dir, "");
	r = restore_with(true);
	assert_true(r.added > 5);
}

/* Last uses */

static void
append_use(uint8_t mark, int64_t at_s, int times)
{
	struct ka_spool_use use = {.at_s = at_s, .first = true};

	memset(use.sha256, mark, sizeof(use.sha256));
	memset(use.project, mark, sizeof(use.project));
	for (int i = 0; i < times; i++)
		assert_int_equal(ka_spool_append(f.dir, &use, 1), KA_OK);
	assert_int_equal(ka_usage_drain(f.dir, NULL), KA_OK);
}

static void
use_is(uint8_t mark, uint64_t count, int64_t at_s)
{
	uint8_t sha256[KA_SHA256_LEN], account[KA_UUID_LEN] = {0}, project[KA_UUID_LEN];
	struct ka_usage *usage;
	struct ka_use use;

	memset(sha256, mark, sizeof(sha256));
	memset(project, mark, sizeof(project));
	assert_int_equal(ka_usage_open(f.dir, &usage, NULL), KA_OK);
	assert_int_equal(ka_usage_of_key(usage, sha256, account, &use), KA_OK);
	assert_int_equal(use.count, count);
	assert_int_equal(use.at_s, at_s);
	assert_int_equal(ka_usage_of_project(usage, project, &use), KA_OK);
	assert_int_equal(use.count, count);
	ka_usage_close(usage);
}

static void
uses_are_merged(void **state)
{
	struct ka_restore dry = {.dry_run = true};
	struct ka_error err = {""};

	(void)state;
	append_use(1, 1000, 3); /* lost since */
	append_use(2, 1000, 3); /* fewer since, but later */
	append_use(3, 1000, 1); /* more since */
	back_up();
	run_command("rm '%s/private/usage.mdb'%s", f.dir, "");
	append_use(2, 2000, 2);
	append_use(3, 2000, 4);
	append_use(4, 2000, 1); /* new since */
	assert_int_equal(restore_as(&dry, &err), KA_OK);
	use_is(1, 0, 0);
	(void)restore();
	use_is(1, 3, 1000);
	use_is(2, 3, 2000);
	use_is(3, 4, 2000);
	use_is(4, 1, 2000);
	/* And spools go on where they were. */
	append_use(1, 3000, 1);
	use_is(1, 4, 3000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(no_wrong_byte_is_restored, setup, teardown),
	    cmocka_unit_test_setup_teardown(wrong_ways_are_damage, setup, teardown),
	    cmocka_unit_test_setup_teardown(newer_versions_are_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(an_ended_check_is_no_damage, setup, teardown),
	    cmocka_unit_test_setup_teardown(every_difference_is_in_the_log, setup, teardown),
	    cmocka_unit_test_setup_teardown(settings_come_back, setup, teardown),
	    cmocka_unit_test_setup_teardown(long_keys_come_back, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_higher_counter_stands, setup, teardown),
	    cmocka_unit_test_setup_teardown(uids_of_another_database_are_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(counters_go_on_when_access_is_lost, setup, teardown),
	    cmocka_unit_test_setup_teardown(counters_go_on_when_a_row_is_damaged, setup, teardown),
	    cmocka_unit_test_setup_teardown(nothing_is_left_of_a_dry_run, setup, teardown),
	    cmocka_unit_test_setup_teardown(uses_are_merged, setup, teardown),
	};

	assert_int_equal(pthread_atfork(NULL, NULL, end_child), 0);
	return cmocka_run_group_tests_name("backup", tests, NULL, NULL);
}
