/* The NSS module against names.mdb files made with the installed liblmdb, whole ones and damaged ones. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* The module knows its directory at compile time: here it is the one that main() makes and enters. */
#undef KA_DATADIR
#define KA_DATADIR "."
#include "nss_keyacct/nss_keyacct.c"

#define ROWS    4
#define UID_AT  1 /* where ka_record_put_name puts the uid */
#define GUARD   64
#define PAT     0xa5
#define MISSING "00000000000000000000000000000abc"

enum way { PWNAM, PWUID, GRNAM, GRGID, WAYS };

static const char *const ids[ROWS] = {
    "829e7b5693d611e7ae8ee70cea5e8cd7",
    "00000000000000000000000000000001",
    "ffffffffffffffffffffffffffffffff",
    "01234567890123456789012345678901",
};

static struct ka_name rows[ROWS];
static size_t descriptors;

/* An active project, a tombstone, the longest strings with the last uid, the shortest ones with an adopted uid. */
static void
make_rows(void)
{
	static const uint32_t uids[ROWS] = {KA_UID_FIRST, KA_UID_FIRST + 1, KA_UID_LAST, 1000};

	for (int i = 0; i < ROWS; i++) {
		memset(&rows[i], 0, sizeof(rows[i]));
		assert_int_equal(ka_uuid_from_name(ids[i], rows[i].id), KA_OK);
		rows[i].uid = uids[i];
		(void)snprintf(rows[i].home, sizeof(rows[i].home), "/projects/%s", ids[i]);
		(void)strcpy(rows[i].shell, "/bin/bash");
	}
	rows[1].deleted = true;
	memset(rows[2].home, '/', sizeof(rows[2].home) - 1);
	memset(rows[2].shell, '/', sizeof(rows[2].shell) - 1);
	(void)strcpy(rows[3].home, "/");
	(void)strcpy(rows[3].shell, "/");
}

/* The writer: one transaction at a time on names.mdb. */
struct writer {
	MDB_env *env;
	MDB_txn *txn;
};

static void
writer_open(struct writer *w)
{
	assert_int_equal(mdb_env_create(&w->env), 0);
	assert_int_equal(mdb_env_set_maxdbs(w->env, 4), 0);
	assert_int_equal(mdb_env_open(w->env, NAMES_FILE, MDB_NOSUBDIR | MDB_NOSYNC, 0600), 0);
	assert_int_equal(mdb_txn_begin(w->env, NULL, 0, &w->txn), 0);
}

static void
writer_commit(struct writer *w)
{
	assert_int_equal(mdb_txn_commit(w->txn), 0);
	assert_int_equal(mdb_txn_begin(w->env, NULL, 0, &w->txn), 0);
}

static void
writer_close(struct writer *w)
{
	assert_int_equal(mdb_txn_commit(w->txn), 0);
	mdb_env_close(w->env);
}

/* Make the table and put a value as it stands; ${len} 0: only make the table. */
static void
put_raw(struct writer *w, enum ka_table table, const void *key, size_t keylen, uint8_t *value, size_t len)
{
	uint8_t copy[KA_KEY_MAX];
	MDB_val k = {keylen, copy}, v = {len, value};
	MDB_dbi dbi;

	assert_int_equal(mdb_dbi_open(w->txn, ka_table_name(table), MDB_CREATE, &dbi), 0);
	if (len == 0)
		return;
	memcpy(copy, key, keylen);
	assert_int_equal(mdb_put(w->txn, dbi, &k, &v, 0), 0);
}

static void
put(struct writer *w, enum ka_table table, const void *key, size_t keylen, const uint8_t *payload, size_t len)
{
	uint8_t value[KA_RECORD_MAX];
	size_t n;

	assert_int_equal(ka_record_seal(table, key, keylen, payload, len, value, sizeof(value), &n), KA_OK);
	put_raw(w, table, key, keylen, value, n);
}

static void
put_name(struct writer *w, const struct ka_name *row)
{
	uint8_t payload[KA_RECORD_MAX];
	size_t n;

	assert_int_equal(ka_record_put_name(row, payload, &n), KA_OK);
	put(w, KA_TABLE_NAME, row->id, KA_UUID_LEN, payload, n);
}

static void
put_uid(struct writer *w, uint32_t uid, const uint8_t *id, size_t len)
{
	uint8_t key[4];

	ka_table_be32(uid, key);
	put(w, KA_TABLE_NAME_UID, key, sizeof(key), id, len);
}

static void
put_rows(struct writer *w)
{
	for (int i = 0; i < ROWS; i++) {
		put_name(w, &rows[i]);
		put_uid(w, rows[i].uid, rows[i].id, KA_UUID_LEN);
	}
}

static size_t
count_descriptors(void)
{
	size_t n = 0;
	DIR *dir = opendir("/proc/self/fd");

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	(void)closedir(dir);
	return n;
}

static int
remove_file(void)
{
	if (unlink(NAMES_FILE) != 0 && errno == EISDIR)
		(void)rmdir(NAMES_FILE);
	(void)unlink(NAMES_FILE "-lock");
	return 0;
}

static int
setup(void **state)
{
	struct writer w;

	(void)state;
	make_rows();
	writer_open(&w);
	put_rows(&w);
	writer_close(&w);
	descriptors = count_descriptors();
	return 0;
}

/* No test may leave a descriptor behind. */
static int
teardown(void **state)
{
	(void)state;
	return remove_file() != 0 || count_descriptors() != descriptors;
}

/* One answer of the module, whichever function gave it. */
struct answer {
	enum nss_status status;
	int err;
	struct passwd pwd;
	struct group grp;
};

static bool
by_group(enum way way)
{
	return way == GRNAM || way == GRGID;
}

static void
ask(enum way way, const char *name, uint32_t uid, char *buf, size_t len, struct answer *a)
{
	memset(a, PAT, sizeof(*a));
	a->err = -1;
	errno = 77;
	switch (way) {
	case PWNAM:
		a->status = _nss_keyacct_getpwnam_r(name, &a->pwd, buf, len, &a->err);
		break;
	case PWUID:
		a->status = _nss_keyacct_getpwuid_r(uid, &a->pwd, buf, len, &a->err);
		break;
	case GRNAM:
		a->status = _nss_keyacct_getgrnam_r(name, &a->grp, buf, len, &a->err);
		break;
	case GRGID:
		a->status = _nss_keyacct_getgrgid_r(uid, &a->grp, buf, len, &a->err);
		break;
	case WAYS:
		fail();
	}
	/* Whatever the answer, the host's errno is its own unless the module is told to write there. */
	assert_int_equal(errno, 77);
}

static void
assert_untouched(const void *bytes, size_t len)
{
	const uint8_t *b = bytes;

	for (size_t i = 0; i < len; i++)
		assert_int_equal(b[i], PAT);
}

static void
assert_failure(const struct answer *a, enum nss_status status, int err)
{
	assert_int_equal(a->status, status);
	assert_int_equal(a->err, err);
	assert_untouched(&a->pwd, sizeof(a->pwd));
	assert_untouched(&a->grp, sizeof(a->grp));
}

static void
assert_answer(enum way way, const char *name, uint32_t uid, enum nss_status status, int err)
{
	char buf[1024];
	struct answer a;

	ask(way, name, uid, buf, sizeof(buf), &a);
	assert_failure(&a, status, err);
}

/* The text ${s} is ${want}, and all of it lies in the buffer. */
static void
assert_text(const char *s, const char *want, const char *buf, size_t len)
{
	size_t size = strlen(want) + 1;

	assert_true(s >= buf && size <= len && s <= buf + len - size);
	assert_string_equal(s, want);
}

static void
assert_row(enum way way, const struct answer *a, int i, const char *buf, size_t len)
{
	const struct ka_name *row = &rows[i];

	assert_int_equal(a->status, NSS_STATUS_SUCCESS);
	assert_int_equal(a->err, -1);
	if (by_group(way)) {
		const char *mem = (const char *)a->grp.gr_mem;

		assert_text(a->grp.gr_name, ids[i], buf, len);
		assert_text(a->grp.gr_passwd, "*", buf, len);
		assert_int_equal(a->grp.gr_gid, row->uid);
		assert_true(mem >= buf && mem <= buf + len - sizeof(char *));
		assert_int_equal((uintptr_t)mem % alignof(char *), 0);
		assert_null(a->grp.gr_mem[0]);
		assert_untouched(&a->pwd, sizeof(a->pwd));
		return;
	}
	assert_text(a->pwd.pw_name, ids[i], buf, len);
	assert_text(a->pwd.pw_passwd, "*", buf, len);
	assert_text(a->pwd.pw_gecos, "", buf, len);
	assert_text(a->pwd.pw_dir, row->home, buf, len);
	assert_text(a->pwd.pw_shell, row->deleted ? "/usr/sbin/nologin" : row->shell, buf, len);
	assert_int_equal(a->pwd.pw_uid, row->uid);
	assert_int_equal(a->pwd.pw_gid, row->uid);
	assert_untouched(&a->grp, sizeof(a->grp));
}

static void
assert_found(enum way way, int i)
{
	char buf[1024];
	struct answer a;

	ask(way, ids[i], rows[i].uid, buf, sizeof(buf), &a);
	assert_row(way, &a, i, buf, sizeof(buf));
}

/* Project 0 by every way. */
static void
assert_all_unavailable(void)
{
	for (enum way way = PWNAM; way < WAYS; way++)
		assert_answer(way, ids[0], rows[0].uid, NSS_STATUS_UNAVAIL, EIO);
}

/* For damage that may or may not lie on the lookup's path: the true answer or none, never "no such user". */
static void
assert_right_or_unavailable(void)
{
	for (enum way way = PWNAM; way < WAYS; way++) {
		char buf[1024];
		struct answer a;

		ask(way, ids[0], rows[0].uid, buf, sizeof(buf), &a);
		if (a.status == NSS_STATUS_SUCCESS)
			assert_row(way, &a, 0, buf, sizeof(buf));
		else
			assert_failure(&a, NSS_STATUS_UNAVAIL, EIO);
	}
}

static size_t
read_file(uint8_t *bytes, size_t size)
{
	FILE *f = fopen(NAMES_FILE, "rb");
	size_t n;

	assert_non_null(f);
	n = fread(bytes, 1, size, f);
	assert_true(n > 0 && n < size);
	(void)fclose(f);
	return n;
}

static void
write_file(const uint8_t *bytes, size_t len)
{
	FILE *f = fopen(NAMES_FILE, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

/* A new file with what ${fill} puts there. */
static void
rewrite(void (*fill)(struct writer *))
{
	struct writer w;

	(void)remove_file();
	writer_open(&w);
	fill(&w);
	writer_close(&w);
}

static void
every_row_by_every_way(void **state)
{
	(void)state;
	for (enum way way = PWNAM; way < WAYS; way++)
		for (int i = 0; i < ROWS; i++)
			assert_found(way, i);
}

static void
absent_rows_are_not_found(void **state)
{
	(void)state;
	for (enum way way = PWNAM; way < WAYS; way++) {
		assert_answer(way, MISSING, KA_UID_FIRST + 2, NSS_STATUS_NOTFOUND, ENOENT);
		assert_answer(way, MISSING, 1001, NSS_STATUS_NOTFOUND, ENOENT);
	}
}

/* Bytes that the answer needs in a buffer at ${buf}. */
static size_t
needed(enum way way, int i, const char *buf)
{
	if (by_group(way))
		return (8 - (uintptr_t)buf % 8) % 8 + sizeof(char *) + 33 + 2;
	return 33 + 2 + 1 + strlen(rows[i].home) + 1 + strlen(rows[i].deleted ? "/usr/sbin/nologin" : rows[i].shell) +
	       1;
}

static void
every_length_at_every_alignment(void **state)
{
	static alignas(16) char block[GUARD + 16 + 1024 + GUARD];

	(void)state;
	for (enum way way = PWNAM; way < WAYS; way++)
		for (size_t shift = 0; shift < 16; shift++)
			for (size_t len = 0; len <= needed(way, 0, block + GUARD + shift) + 9; len++) {
				char *buf = block + GUARD + shift;
				struct answer a;

				memset(block, PAT, sizeof(block));
				ask(way, ids[0], rows[0].uid, buf, len, &a);
				if (len < needed(way, 0, buf))
					assert_failure(&a, NSS_STATUS_TRYAGAIN, ERANGE);
				else
					assert_row(way, &a, 0, buf, len);
				assert_untouched(block, GUARD + shift);
				assert_untouched(buf + len, sizeof(block) - GUARD - shift - len);
			}
}

/* A sanitizer sees one byte too many here. */
static void
every_row_in_a_buffer_of_its_size(void **state)
{
	(void)state;
	for (enum way way = PWNAM; way < WAYS; way++)
		for (int i = 0; i < ROWS; i++)
			for (size_t shift = 0; shift < 16; shift++)
				for (size_t less = 0; less < 2; less++) {
					char *block = malloc(shift + 1024);
					size_t len = needed(way, i, block + shift) - less;
					struct answer a;

					/* cppcheck-suppress memleakOnRealloc ; a test that fails ends the program */
					assert_non_null(block = realloc(block, shift + len));
					ask(way, ids[i], rows[i].uid, block + shift, len, &a);
					if (a.status == NSS_STATUS_SUCCESS)
						assert_row(way, &a, i, block + shift, len);
					else
						assert_failure(&a, NSS_STATUS_TRYAGAIN, ERANGE);
					assert_int_equal(a.status == NSS_STATUS_SUCCESS, less == 0);
					free(block);
				}
}

static void
no_buffer_at_all(void **state)
{
	struct answer a;

	(void)state;
	for (enum way way = PWNAM; way < WAYS; way++) {
		ask(way, ids[0], rows[0].uid, NULL, 0, &a);
		assert_failure(&a, NSS_STATUS_TRYAGAIN, ERANGE);
	}
}

/* With the file missing every lookup that opens it is UNAVAIL, so NOTFOUND proves that none did. */
static void
other_names_open_no_file(void **state)
{
	static const char *const names[] = {"root", "", "0", "829E7B5693D611E7AE8EE70CEA5E8CD7",
	    "829e7b5693d611e7ae8ee70cea5e8cd", "829e7b5693d611e7ae8ee70cea5e8cd70",
	    "829e7b56-93d6-11e7-ae8e-e70cea5e8cd7", "829e7b5693d611e7ae8ee70cea5e8cdg",
	    " 29e7b5693d611e7ae8ee70cea5e8cd7", "829e7b5693d611e7ae8ee70cea5e8cd\n",
	    "829e7b5693d611e7ae8ee70cea5e8cd7 ", "829e7b5693d611e7ae8ee70cea5e8cd7\n", "../names", "%s%n"};

	(void)state;
	(void)remove_file();
	assert_all_unavailable();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_answer(PWNAM, names[i], 0, NSS_STATUS_NOTFOUND, ENOENT);
		assert_answer(GRNAM, names[i], 0, NSS_STATUS_NOTFOUND, ENOENT);
	}
}

static void
other_uids_open_no_file(void **state)
{
	static const uint32_t uids[] = {0, 1, 999, 60001, 61184, 65519, 65534, 65535, KA_UID_LAST + 1, 0x7fffffff,
	    0x80000000, 0xfffffffe, 0xffffffff};

	(void)state;
	(void)remove_file();
	for (size_t i = 0; i < sizeof(uids) / sizeof(uids[0]); i++) {
		assert_answer(PWUID, "", uids[i], NSS_STATUS_NOTFOUND, ENOENT);
		assert_answer(GRGID, "", uids[i], NSS_STATUS_NOTFOUND, ENOENT);
	}
	assert_answer(PWUID, "", 1000, NSS_STATUS_UNAVAIL, EIO);
	assert_answer(GRGID, "", KA_UID_LAST, NSS_STATUS_UNAVAIL, EIO);
}

static void
empty_file_is_unavailable(void **state)
{
	(void)state;
	write_file((const uint8_t *)"", 0);
	assert_all_unavailable();
}

static void
directory_in_its_place_is_unavailable(void **state)
{
	(void)state;
	(void)remove_file();
	assert_int_equal(mkdir(NAMES_FILE, 0700), 0);
	assert_all_unavailable();
}

/* Without O_NONBLOCK the open waits for a writer: main()'s alarm would end the program. */
static void
fifo_in_its_place_is_unavailable(void **state)
{
	(void)state;
	(void)remove_file();
	assert_int_equal(mkfifo(NAMES_FILE, 0600), 0);
	assert_all_unavailable();
}

static void
symlink_in_its_place_is_unavailable(void **state)
{
	(void)state;
	assert_int_equal(rename(NAMES_FILE, "other.mdb"), 0);
	assert_int_equal(symlink("other.mdb", NAMES_FILE), 0);
	assert_all_unavailable();
	assert_int_equal(rename("other.mdb", NAMES_FILE), 0);
	assert_found(PWNAM, 0);
}

static void
unreadable_file_is_unavailable(void **state)
{
	bool root = geteuid() == 0;

	(void)state;
	assert_int_equal(chmod(".", 0711), 0);
	assert_int_equal(chmod(NAMES_FILE, 0), 0);
	/* No mode keeps root out. */
	if (root)
		assert_int_equal(seteuid(65534), 0);
	assert_all_unavailable();
	if (root)
		assert_int_equal(seteuid(0), 0);
}

static void
no_free_descriptor_is_unavailable(void **state)
{
	struct rlimit before, none;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_all_unavailable();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_found(PWNAM, 0);
}

static void
truncated_file_is_unavailable(void **state)
{
	uint8_t bytes[65536];
	size_t len = read_file(bytes, sizeof(bytes));

	(void)state;
	for (size_t cut = 0; cut < len; cut += 512) {
		write_file(bytes, cut);
		/* Two meta pages alone lead nowhere. */
		if (cut <= 8192)
			assert_all_unavailable();
		else
			assert_right_or_unavailable();
	}
}

static void
random_bytes_are_unavailable(void **state)
{
	uint8_t bytes[65536];
	uint64_t seed = 88172645463325252ULL;
	size_t len = read_file(bytes, sizeof(bytes)), from[] = {0, 8192};

	(void)state;
	for (size_t k = 0; k < 2; k++) {
		size_t start = from[1 - k];

		for (size_t i = start; i < len; i++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			bytes[i] = (uint8_t)(seed >> 32);
		}
		write_file(bytes, len);
		assert_all_unavailable();
	}
}

static void
zeroed_page_is_unavailable(void **state)
{
	uint8_t bytes[65536], damaged[65536];
	size_t len = read_file(bytes, sizeof(bytes));

	(void)state;
	for (size_t page = 0; page < len; page += 4096) {
		memcpy(damaged, bytes, len);
		memset(damaged + page, 0, 4096);
		write_file(damaged, len);
		if (page < 8192)
			assert_all_unavailable();
		else
			assert_right_or_unavailable();
	}
	memset(bytes + 8192, 0, len - 8192);
	write_file(bytes, len);
	assert_all_unavailable();
}

/* The sealed row of project 0 with one byte changed. */
static void
put_name_changed(struct writer *w, size_t at, uint8_t change)
{
	uint8_t payload[KA_RECORD_MAX], value[KA_RECORD_MAX];
	size_t n;

	put_rows(w);
	assert_int_equal(ka_record_put_name(&rows[0], payload, &n), KA_OK);
	assert_int_equal(
	    ka_record_seal(KA_TABLE_NAME, rows[0].id, KA_UUID_LEN, payload, n, value, sizeof(value), &n), KA_OK);
	value[at] ^= change;
	put_raw(w, KA_TABLE_NAME, rows[0].id, KA_UUID_LEN, value, n);
}

static void
fill_wrong_checksum(struct writer *w)
{
	put_name_changed(w, 1, 0x01);
}

static void
fill_changed_home(struct writer *w)
{
	put_name_changed(w, 20, 0x01);
}

static void
fill_unknown_version(struct writer *w)
{
	put_name_changed(w, 0, 0x02);
}

static void
fill_uid_zero(struct writer *w)
{
	uint8_t payload[KA_RECORD_MAX];
	size_t n;

	put_rows(w);
	assert_int_equal(ka_record_put_name(&rows[0], payload, &n), KA_OK);
	memset(payload + UID_AT, 0, 4);
	put(w, KA_TABLE_NAME, rows[0].id, KA_UUID_LEN, payload, n);
	put_uid(w, 0, rows[0].id, KA_UUID_LEN);
}

static void
fill_cut_payload(struct writer *w)
{
	uint8_t payload[KA_RECORD_MAX];
	size_t n;

	put_rows(w);
	assert_int_equal(ka_record_put_name(&rows[0], payload, &n), KA_OK);
	put(w, KA_TABLE_NAME, rows[0].id, KA_UUID_LEN, payload, n - 1);
}

static void
fill_other_row(struct writer *w)
{
	uint8_t payload[KA_RECORD_MAX], value[KA_RECORD_MAX];
	size_t n;

	put_rows(w);
	assert_int_equal(ka_record_put_name(&rows[1], payload, &n), KA_OK);
	assert_int_equal(
	    ka_record_seal(KA_TABLE_NAME, rows[1].id, KA_UUID_LEN, payload, n, value, sizeof(value), &n), KA_OK);
	put_raw(w, KA_TABLE_NAME, rows[0].id, KA_UUID_LEN, value, n);
}

static void
damaged_row_is_unavailable(void **state)
{
	static void (*const fill[])(struct writer *) = {fill_wrong_checksum, fill_changed_home, fill_unknown_version,
	    fill_uid_zero, fill_cut_payload, fill_other_row};

	(void)state;
	for (size_t i = 0; i < sizeof(fill) / sizeof(fill[0]); i++) {
		rewrite(fill[i]);
		assert_all_unavailable();
		assert_answer(PWUID, "", 0, NSS_STATUS_NOTFOUND, ENOENT);
		assert_found(PWNAM, 2);
		assert_found(GRGID, 3);
	}
}

static void
fill_no_table(struct writer *w)
{
	(void)w;
}

static void
fill_no_name_table(struct writer *w)
{
	put_uid(w, rows[0].uid, rows[0].id, KA_UUID_LEN);
}

static void
fill_no_uid_table(struct writer *w)
{
	put_name(w, &rows[0]);
}

static void
missing_table_is_unavailable(void **state)
{
	(void)state;
	rewrite(fill_no_table);
	assert_all_unavailable();
	rewrite(fill_no_name_table);
	assert_all_unavailable();
	rewrite(fill_no_uid_table);
	assert_found(PWNAM, 0);
	assert_found(GRNAM, 0);
	assert_answer(PWUID, "", rows[0].uid, NSS_STATUS_UNAVAIL, EIO);
	assert_answer(GRGID, "", rows[0].uid, NSS_STATUS_UNAVAIL, EIO);
}

static void
fill_empty_tables(struct writer *w)
{
	put_raw(w, KA_TABLE_NAME, NULL, 0, NULL, 0);
	put_raw(w, KA_TABLE_NAME_UID, NULL, 0, NULL, 0);
}

static void
empty_tables_say_not_found(void **state)
{
	(void)state;
	rewrite(fill_empty_tables);
	for (enum way way = PWNAM; way < WAYS; way++)
		assert_answer(way, ids[0], rows[0].uid, NSS_STATUS_NOTFOUND, ENOENT);
}

static void
fill_wrong_owner(struct writer *w)
{
	put_rows(w);
	put_uid(w, rows[0].uid, rows[1].id, KA_UUID_LEN);
}

static void
fill_missing_owner(struct writer *w)
{
	uint8_t id[KA_UUID_LEN];

	put_rows(w);
	assert_int_equal(ka_uuid_from_name(MISSING, id), KA_OK);
	put_uid(w, rows[0].uid, id, KA_UUID_LEN);
}

static void
fill_short_owner(struct writer *w)
{
	put_rows(w);
	put_uid(w, rows[0].uid, rows[0].id, KA_UUID_LEN - 1);
}

static void
fill_long_owner(struct writer *w)
{
	uint8_t id[KA_UUID_LEN + 1] = {0};

	put_rows(w);
	memcpy(id, rows[0].id, KA_UUID_LEN);
	put_uid(w, rows[0].uid, id, sizeof(id));
}

static void
wrong_owner_of_a_uid_is_unavailable(void **state)
{
	static void (*const fill[])(struct writer *) = {
	    fill_wrong_owner, fill_missing_owner, fill_short_owner, fill_long_owner};

	(void)state;
	for (size_t i = 0; i < sizeof(fill) / sizeof(fill[0]); i++) {
		rewrite(fill[i]);
		assert_answer(PWUID, "", rows[0].uid, NSS_STATUS_UNAVAIL, EIO);
		assert_answer(GRGID, "", rows[0].uid, NSS_STATUS_UNAVAIL, EIO);
		assert_found(PWNAM, 0);
	}
}

/* A walk that is overrun by two commits, which also mend the row that it found damaged. */
struct overrun {
	struct query *q;
	int calls;
};

static enum ka_result
walk_and_mend(struct ka_view *view, void *arg)
{
	struct overrun *o = arg;
	enum ka_result r = walk(view, o->q);

	if (o->calls++ == 0) {
		struct writer w;

		assert_int_equal(r, KA_CORRUPT);
		writer_open(&w);
		put_rows(&w);
		writer_commit(&w);
		put_uid(&w, 2000, rows[0].id, KA_UUID_LEN);
		writer_close(&w);
	}
	return r;
}

static void
overrun_walk_starts_from_scratch(void **state)
{
	(void)state;
	for (int by_uid = 0; by_uid < 2; by_uid++) {
		struct ka_name found;
		struct query q = {.id = by_uid ? NULL : rows[0].id, .uid = rows[0].uid, .found = &found};
		struct overrun o = {.q = &q};

		rewrite(fill_uid_zero);
		assert_int_equal(ka_view_read(NAMES_FILE, walk_and_mend, &o), KA_OK);
		assert_int_equal(o.calls, 2);
		assert_memory_equal(found.id, rows[0].id, KA_UUID_LEN);
		assert_int_equal(found.uid, rows[0].uid);
	}
}

static void
every_result_has_its_status(void **state)
{
	static const struct {
		enum ka_result r;
		enum nss_status status;
		int err;
	} cases[] = {
	    {KA_OK, NSS_STATUS_SUCCESS, -1},
	    {KA_NOTFOUND, NSS_STATUS_NOTFOUND, ENOENT},
	    {KA_BUSY, NSS_STATUS_TRYAGAIN, EAGAIN},
	    {KA_UNAVAIL, NSS_STATUS_UNAVAIL, EIO},
	    {KA_CORRUPT, NSS_STATUS_UNAVAIL, EIO},
	    {KA_CONFLICT, NSS_STATUS_UNAVAIL, EIO},
	    {KA_INVALID, NSS_STATUS_UNAVAIL, EIO},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int err = -1;

		assert_int_equal(status_of(cases[i].r, &err), cases[i].status);
		assert_int_equal(err, cases[i].err);
	}
}

/* glibc passes &errno: success leaves it alone, failure sets it. */
static void
errno_is_kept_on_success(void **state)
{
	struct passwd pwd;
	char buf[1024];

	(void)state;
	errno = 0;
	assert_int_equal(_nss_keyacct_getpwnam_r(ids[0], &pwd, buf, sizeof(buf), &errno), NSS_STATUS_SUCCESS);
	assert_int_equal(errno, 0);
	errno = ENOTTY;
	assert_int_equal(_nss_keyacct_getpwuid_r(rows[0].uid, &pwd, buf, sizeof(buf), &errno), NSS_STATUS_SUCCESS);
	assert_int_equal(errno, ENOTTY);
	assert_int_equal(_nss_keyacct_getpwnam_r(ids[0], &pwd, buf, 3, &errno), NSS_STATUS_TRYAGAIN);
	assert_int_equal(errno, ERANGE);
	(void)remove_file();
	assert_int_equal(_nss_keyacct_getpwnam_r(ids[0], &pwd, buf, sizeof(buf), &errno), NSS_STATUS_UNAVAIL);
	assert_int_equal(errno, EIO);
}

static void
cancellation_state_is_restored(void **state)
{
	static const int states[] = {PTHREAD_CANCEL_ENABLE, PTHREAD_CANCEL_DISABLE, PTHREAD_CANCEL_ENABLE};
	char buf[1024];
	struct answer a;

	(void)state;
	for (int damaged = 0; damaged < 2; damaged++) {
		for (enum way way = PWNAM; way < WAYS; way++)
			for (size_t i = 0; i < 3; i++) {
				int after;

				assert_int_equal(pthread_setcancelstate(states[i], NULL), 0);
				ask(way, ids[0], rows[0].uid, buf, sizeof(buf), &a);
				assert_int_equal(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &after), 0);
				assert_int_equal(after, states[i]);
			}
		(void)remove_file();
	}
}

__attribute__((noinline)) static enum nss_status
look_up_once(void)
{
	struct passwd pwd;
	char buf[1024];
	int err;

	return _nss_keyacct_getpwnam_r(ids[0], &pwd, buf, sizeof(buf), &err);
}

/* The thread ends in a frame without arrays: gcc's AddressSanitizer does not clear the marks of one that is unwound. */
static void *
look_up_cancelled(void *arg)
{
	enum nss_status *status = arg;

	(void)pthread_cancel(pthread_self());
	*status = look_up_once();
	pthread_testcancel();
	return arg;
}

/* open() and pread() are cancellation points: the lookup must end first, and leave no descriptor. */
static void
cancelled_thread_finishes_its_lookup(void **state)
{
	enum nss_status status = NSS_STATUS_UNAVAIL;
	pthread_t thread;
	void *result;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, look_up_cancelled, &status), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_true(result == PTHREAD_CANCELED);
	assert_int_equal(status, NSS_STATUS_SUCCESS);
}

static void *
look_up_often(void *arg)
{
	size_t *wrong = arg;
	struct passwd pwd;
	struct group grp;
	char buf[1024];
	int err;

	for (int i = 0; i < 2000; i++) {
		int k = i % ROWS;

		*wrong += _nss_keyacct_getpwnam_r(ids[k], &pwd, buf, sizeof(buf), &err) != NSS_STATUS_SUCCESS ||
			  strcmp(pwd.pw_name, ids[k]) != 0 || pwd.pw_uid != rows[k].uid;
		*wrong += _nss_keyacct_getgrgid_r(rows[k].uid, &grp, buf, sizeof(buf), &err) != NSS_STATUS_SUCCESS ||
			  strcmp(grp.gr_name, ids[k]) != 0;
	}
	return NULL;
}

static void
threads_do_not_disturb_each_other(void **state)
{
	pthread_t threads[4];
	size_t wrong[4] = {0};

	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, look_up_often, &wrong[i]), 0);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(wrong[i], 0);
	}
}

static void
supplementary_groups_are_none(void **state)
{
	const char *const users[] = {ids[0], MISSING, "root", ""};

	(void)state;
	(void)remove_file();
	for (size_t i = 0; i < 4; i++) {
		gid_t list[3] = {11, 12, 13}, *groups = list;
		long start = 1, size = 3;
		int err = 0;

		assert_int_equal(
		    _nss_keyacct_initgroups_dyn(users[i], 11, &start, &size, &groups, -1, &err), NSS_STATUS_NOTFOUND);
		assert_int_equal(err, ENOENT);
		assert_true(start == 1 && size == 3 && groups == list);
		assert_true(list[0] == 11 && list[1] == 12 && list[2] == 13);
	}
}

static void
enumeration_is_off(void **state)
{
	char buf[1024];
	struct answer a;

	(void)state;
	memset(&a, PAT, sizeof(a));
	memset(buf, PAT, sizeof(buf));
	for (int stayopen = 0; stayopen < 2; stayopen++) {
		a.err = 0;
		assert_int_equal(_nss_keyacct_setpwent(stayopen), NSS_STATUS_SUCCESS);
		a.status = _nss_keyacct_getpwent_r(&a.pwd, buf, sizeof(buf), &a.err);
		assert_failure(&a, NSS_STATUS_NOTFOUND, ENOENT);
		assert_int_equal(_nss_keyacct_endpwent(), NSS_STATUS_SUCCESS);
		a.err = 0;
		assert_int_equal(_nss_keyacct_setgrent(stayopen), NSS_STATUS_SUCCESS);
		a.status = _nss_keyacct_getgrent_r(&a.grp, buf, 0, &a.err);
		assert_failure(&a, NSS_STATUS_NOTFOUND, ENOENT);
		assert_int_equal(_nss_keyacct_endgrent(), NSS_STATUS_SUCCESS);
	}
	assert_untouched(buf, sizeof(buf));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(every_row_by_every_way),
	    CASE(absent_rows_are_not_found),
	    CASE(every_length_at_every_alignment),
	    CASE(every_row_in_a_buffer_of_its_size),
	    CASE(no_buffer_at_all),
	    CASE(other_names_open_no_file),
	    CASE(other_uids_open_no_file),
	    CASE(empty_file_is_unavailable),
	    CASE(directory_in_its_place_is_unavailable),
	    CASE(fifo_in_its_place_is_unavailable),
	    CASE(symlink_in_its_place_is_unavailable),
	    CASE(unreadable_file_is_unavailable),
	    CASE(no_free_descriptor_is_unavailable),
	    CASE(truncated_file_is_unavailable),
	    CASE(random_bytes_are_unavailable),
	    CASE(zeroed_page_is_unavailable),
	    CASE(damaged_row_is_unavailable),
	    CASE(missing_table_is_unavailable),
	    CASE(empty_tables_say_not_found),
	    CASE(wrong_owner_of_a_uid_is_unavailable),
	    CASE(overrun_walk_starts_from_scratch),
	    CASE(every_result_has_its_status),
	    CASE(errno_is_kept_on_success),
	    CASE(cancellation_state_is_restored),
	    CASE(cancelled_thread_finishes_its_lookup),
	    CASE(threads_do_not_disturb_each_other),
	    CASE(supplementary_groups_are_none),
	    CASE(enumeration_is_off),
	};
	char dir[] = "/tmp/test_nss.XXXXXX";
	int failed;

	if (mkdtemp(dir) == NULL || chdir(dir) != 0)
		return 1;
	(void)alarm(60);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	(void)remove_file();
	(void)rmdir(dir);
	return failed;
}
