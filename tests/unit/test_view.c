/* The lock-free reader against files made with the installed liblmdb, at rest, under a writer, and damaged. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <lmdb.h>
#include <stdio.h>
#include <sys/wait.h>

#include <sys/syscall.h>
#include <sys/types.h>

/* The source itself: its idea of the format is compared with liblmdb's, and a test can step in between two of its
 * reads. */
static ssize_t view_pread(int fd, void *buf, size_t len, off_t at);
#define pread view_pread
#include "common/view.c"
#undef pread

static void (*between_reads)(int nth);
static int reads;

static ssize_t
view_pread(int fd, void *buf, size_t len, off_t at)
{
	reads++;
	if (between_reads != NULL)
		between_reads(reads);
	return pread(fd, buf, len, at);
}

/* liblmdb's: the next write of a meta page fails when it is told to. */
static bool fail_meta;

ssize_t pwrite(int fd, const void *buf, size_t len, off_t at);
ssize_t
pwrite(int fd, const void *buf, size_t len, off_t at)
{
	if (fail_meta && at < 8192) {
		fail_meta = false;
		errno = EIO;
		return -1;
	}
	return syscall(SYS_pwrite64, fd, buf, len, at);
}

#define FILE_NAME "view.mdb"
#define TABLE     KA_TABLE_KEY /* keys of any length up to KA_KEY_MAX are good for these tests */
#define ROWS_MAX  20000

/* Room for long payloads, so that a few rows make a tree of two levels; a thousand rows have short ones. */
#define PAYLOAD_MAX   512
#define PAYLOAD_SHORT 64

struct row {
	uint8_t key[KA_KEY_MAX];
	size_t keylen;
	uint8_t payload[PAYLOAD_MAX];
	size_t len;
};

static struct row rows[ROWS_MAX];
static uint64_t seed;

static uint64_t
random_number(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 11) % below;
}

static void
random_bytes(uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)random_number(256);
}

/* The writer: one transaction at a time. */
struct writer {
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
};

static void
writer_begin(struct writer *w)
{
	assert_int_equal(mdb_txn_begin(w->env, NULL, 0, &w->txn), 0);
	assert_int_equal(mdb_dbi_open(w->txn, ka_table_name(TABLE), MDB_CREATE, &w->dbi), 0);
}

static void
writer_open(struct writer *w)
{
	assert_int_equal(mdb_env_create(&w->env), 0);
	assert_int_equal(mdb_env_set_maxdbs(w->env, 4), 0);
	assert_int_equal(mdb_env_set_mapsize(w->env, 1U << 28), 0);
	assert_int_equal(mdb_env_open(w->env, FILE_NAME, MDB_NOSUBDIR | MDB_NOSYNC, 0600), 0);
	writer_begin(w);
}

static void
writer_commit(struct writer *w)
{
	assert_int_equal(mdb_txn_commit(w->txn), 0);
	writer_begin(w);
}

static void
writer_close(struct writer *w)
{
	assert_int_equal(mdb_txn_commit(w->txn), 0);
	mdb_env_close(w->env);
}

static void
put(struct writer *w, const struct row *row)
{
	uint8_t key[KA_KEY_MAX], value[KA_RECORD_MAX];
	MDB_val k = {row->keylen, key}, v = {0, value};

	memcpy(key, row->key, row->keylen);
	assert_int_equal(
	    ka_record_seal(TABLE, key, row->keylen, row->payload, row->len, value, sizeof(value), &v.mv_size), KA_OK);
	assert_int_equal(mdb_put(w->txn, w->dbi, &k, &v, 0), 0);
}

static void
remove_row(struct writer *w, const struct row *row)
{
	uint8_t key[KA_KEY_MAX];
	MDB_val k = {row->keylen, key};

	memcpy(key, row->key, row->keylen);
	assert_int_equal(mdb_del(w->txn, w->dbi, &k, NULL), 0);
}

static int
compare_rows(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	size_t len = x->keylen < y->keylen ? x->keylen : y->keylen;
	int c = memcmp(x->key, y->key, len);

	return c != 0 ? c : (x->keylen > y->keylen) - (x->keylen < y->keylen);
}

/* ${n} different rows in random order: short keys too, so that one is often the beginning of the next. */
static void
make_rows(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		rows[i].keylen = 4 + (size_t)random_number(KA_KEY_MAX - 3);
		if (i > 0 && random_number(4) == 0) {
			/* The row before, cut or made longer. */
			memcpy(rows[i].key, rows[i - 1].key, KA_KEY_MAX);
			random_bytes(rows[i].key + rows[i].keylen - 2, 2);
		} else {
			random_bytes(rows[i].key, KA_KEY_MAX);
		}
		/* The number makes it unique. */
		ka_table_be32((uint32_t)i, rows[i].key + rows[i].keylen - 4);
		rows[i].len = (size_t)random_number(PAYLOAD_SHORT + 1);
		random_bytes(rows[i].payload, rows[i].len);
	}
}

static void
remove_file(void)
{
	(void)unlink(FILE_NAME);
	(void)unlink(FILE_NAME "-lock");
}

/* A new file with the first ${n} rows. */
static void
write_rows(size_t n)
{
	struct writer w;

	remove_file();
	writer_open(&w);
	for (size_t i = 0; i < n; i++)
		put(&w, &rows[i]);
	writer_close(&w);
}

static void
assert_same(const struct row *want, const struct ka_row *got)
{
	assert_int_equal(got->keylen, want->keylen);
	assert_memory_equal(got->key, want->key, want->keylen);
	assert_int_equal(got->len, want->len);
	assert_memory_equal(got->payload, want->payload, want->len);
}

static int
setup(void **state)
{
	(void)state;
	seed = 88172645463325252ULL;
	remove_file();
	return 0;
}

/* What a walk is told: how many of rows[], sorted, are in the file. */
struct told {
	size_t n;
	int calls;
};

/* The longest key that comes before that of ${row}: nothing lies between the two, unless it ends in a zero byte. */
static bool
key_before(const struct row *row, struct row *before)
{
	*before = *row;
	if (before->key[before->keylen - 1] == 0)
		return false;
	before->key[before->keylen - 1]--;
	memset(before->key + before->keylen, 0xff, KA_KEY_MAX - before->keylen);
	before->keylen = KA_KEY_MAX;
	return true;
}

static bool
is_there(const struct row *row, size_t n)
{
	return bsearch(row, rows, n, sizeof(*rows), compare_rows) != NULL;
}

/* Ask for each row, and for keys that are not there: beside each row, its beginning, and with a byte more. */
static enum ka_result
walk_get(struct ka_view *view, void *arg)
{
	const struct told *told = arg;
	struct ka_row got;

	for (size_t i = 0; i < told->n; i++) {
		struct row other = rows[i];

		assert_int_equal(ka_view_get(view, TABLE, rows[i].key, rows[i].keylen, &got), KA_OK);
		assert_same(&rows[i], &got);
		other.keylen--;
		if (other.keylen > 0 && !is_there(&other, told->n))
			assert_int_equal(ka_view_get(view, TABLE, other.key, other.keylen, &got), KA_NOTFOUND);
		if (key_before(&rows[i], &other) && !is_there(&other, told->n))
			assert_int_equal(ka_view_get(view, TABLE, other.key, other.keylen, &got), KA_NOTFOUND);
		other = rows[i];
		if (other.keylen < KA_KEY_MAX) {
			other.key[other.keylen++] = 0;
			if (!is_there(&other, told->n))
				assert_int_equal(ka_view_get(view, TABLE, other.key, other.keylen, &got), KA_NOTFOUND);
		}
	}
	assert_int_equal(ka_view_get(view, TABLE, "", 1, &got), KA_NOTFOUND);
	return KA_OK;
}

/* Seek each row, the place right before it, the one right after it, and both ends. */
static enum ka_result
walk_seek(struct ka_view *view, void *arg)
{
	const struct told *told = arg;
	uint8_t last[KA_KEY_MAX];
	struct ka_row got;

	for (size_t i = 0; i < told->n; i++) {
		uint8_t after[KA_KEY_MAX + 1];
		struct row before;

		assert_int_equal(ka_view_seek(view, TABLE, rows[i].key, rows[i].keylen, &got), KA_OK);
		assert_same(&rows[i], &got);
		if (key_before(&rows[i], &before) && (i == 0 || compare_rows(&rows[i - 1], &before) < 0)) {
			assert_int_equal(ka_view_seek(view, TABLE, before.key, before.keylen, &got), KA_OK);
			assert_same(&rows[i], &got);
		}
		memcpy(after, rows[i].key, rows[i].keylen);
		after[rows[i].keylen] = 0;
		assert_int_equal(
		    ka_view_seek(view, TABLE, after, rows[i].keylen + 1, &got), i + 1 < told->n ? KA_OK : KA_NOTFOUND);
		if (i + 1 < told->n)
			assert_same(&rows[i + 1], &got);
	}
	assert_int_equal(ka_view_seek(view, TABLE, "", 0, &got), told->n > 0 ? KA_OK : KA_NOTFOUND);
	if (told->n > 0)
		assert_same(&rows[0], &got);
	memset(last, 0xff, sizeof(last));
	assert_int_equal(ka_view_seek(view, TABLE, last, sizeof(last), &got), KA_NOTFOUND);
	return KA_OK;
}

/* All rows in order, and for some of them all that share a beginning of 0 to 3 bytes. */
static enum ka_result
walk_next(struct ka_view *view, void *arg)
{
	const struct told *told = arg;
	struct ka_row got;

	for (size_t i = 0; i < told->n; i += 1 + told->n / 50)
		for (size_t len = i == 0 ? 0 : 1; len <= 3; len++) {
			size_t k = 0;

			got.keylen = 0;
			while (ka_view_next(view, TABLE, rows[i].key, len, &got) == KA_OK) {
				while (k < told->n && memcmp(rows[k].key, rows[i].key, len) != 0)
					k++;
				assert_true(k < told->n);
				assert_same(&rows[k++], &got);
			}
			while (k < told->n && memcmp(rows[k].key, rows[i].key, len) != 0)
				k++;
			assert_int_equal(k, told->n);
		}
	got.keylen = 0;
	assert_int_equal(ka_view_next(view, TABLE, "\xff\xff\xff\xff", 4, &got), KA_NOTFOUND);
	return KA_OK;
}

/* The rows in the order of liblmdb's own cursor become rows[]. */
static size_t
read_cursor(void)
{
	struct writer w;
	MDB_cursor *cursor;
	MDB_val k, v;
	size_t n = 0;

	writer_open(&w);
	assert_int_equal(mdb_cursor_open(w.txn, w.dbi, &cursor), 0);
	while (mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0) {
		const uint8_t *payload;

		assert_true(n < ROWS_MAX);
		rows[n].keylen = k.mv_size;
		memcpy(rows[n].key, k.mv_data, k.mv_size);
		assert_int_equal(
		    ka_record_unseal(TABLE, k.mv_data, k.mv_size, v.mv_data, v.mv_size, &payload, &rows[n].len), KA_OK);
		memcpy(rows[n].payload, payload, rows[n].len);
		n++;
	}
	mdb_cursor_close(cursor);
	mdb_txn_abort(w.txn);
	mdb_env_close(w.env);
	return n;
}

static void
assert_reads_all(size_t n)
{
	struct told told = {.n = read_cursor()};

	assert_int_equal(told.n, n);
	assert_int_equal(ka_view_read(FILE_NAME, walk_get, &told), KA_OK);
	assert_int_equal(ka_view_read(FILE_NAME, walk_seek, &told), KA_OK);
	assert_int_equal(ka_view_read(FILE_NAME, walk_next, &told), KA_OK);
}

static void
every_size_reads_as_with_liblmdb(void **state)
{
	static const size_t sizes[] = {0, 1, 2, 3, 10, 40, 100, 1000, ROWS_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		make_rows(sizes[i]);
		write_rows(sizes[i]);
		assert_reads_all(sizes[i]);
	}
}

static void
deleted_rows_are_gone(void **state)
{
	struct writer w;

	(void)state;
	make_rows(3000);
	write_rows(3000);
	writer_open(&w);
	for (size_t i = 0; i < 3000; i++)
		if (i % 3 != 0)
			remove_row(&w, &rows[i]);
	writer_close(&w);
	assert_reads_all(1000);
	for (size_t left = 1000; left > 0; left /= 8) {
		writer_open(&w);
		for (size_t i = left / 8; i < left; i++)
			remove_row(&w, &rows[i]);
		writer_close(&w);
		assert_reads_all(left / 8);
	}
	assert_reads_all(0);
}

/* The longest value and the longest key that the tree allows, two to a page. */
static enum ka_result
walk_longest(struct ka_view *view, void *arg)
{
	const uint8_t *payload = arg;
	uint8_t key[KA_KEY_MAX] = {0};
	struct ka_row got;

	for (key[0] = 0; key[0] < 20; key[0]++) {
		assert_int_equal(ka_view_get(view, TABLE, key, sizeof(key), &got), KA_OK);
		assert_int_equal(got.len, KA_RECORD_MAX - 9);
		assert_memory_equal(got.payload, payload, got.len);
	}
	return KA_OK;
}

static void
longest_rows_fit_a_page(void **state)
{
	uint8_t payload[KA_RECORD_MAX - 9], key[KA_KEY_MAX] = {0}, value[KA_RECORD_MAX];
	struct writer w;
	MDB_stat stat;

	(void)state;
	random_bytes(payload, sizeof(payload));
	writer_open(&w);
	for (key[0] = 0; key[0] < 20; key[0]++) {
		MDB_val k = {sizeof(key), key}, v = {0, value};

		assert_int_equal(
		    ka_record_seal(TABLE, key, sizeof(key), payload, sizeof(payload), value, sizeof(value), &v.mv_size),
		    KA_OK);
		assert_int_equal(v.mv_size, KA_RECORD_MAX);
		assert_int_equal(mdb_put(w.txn, w.dbi, &k, &v, 0), 0);
	}
	assert_int_equal(mdb_stat(w.txn, w.dbi, &stat), 0);
	assert_int_equal(stat.ms_overflow_pages, 0);
	writer_close(&w);
	assert_int_equal(ka_view_read(FILE_NAME, walk_longest, payload), KA_OK);
}

/* A value that went to an overflow page, or a key that no record has, is not ours. */
static void
foreign_rows_are_corrupt(void **state)
{
	static uint8_t large[5000];
	uint8_t key[511] = {0};
	struct writer w;
	MDB_val k = {4, key}, v = {sizeof(large), large};
	struct ka_view view;
	struct ka_row got;

	(void)state;
	writer_open(&w);
	assert_int_equal(mdb_put(w.txn, w.dbi, &k, &v, 0), 0);
	v.mv_size = 8;
	k.mv_size = 3;
	assert_int_equal(mdb_put(w.txn, w.dbi, &k, &v, 0), 0);
	v.mv_size = 20;
	k.mv_size = sizeof(key);
	assert_int_equal(mdb_put(w.txn, w.dbi, &k, &v, 0), 0);
	writer_close(&w);
	assert_int_equal(snapshot_begin(&view, FILE_NAME), KA_OK);
	assert_int_equal(ka_view_get(&view, TABLE, key, 4, &got), KA_CORRUPT);
	assert_int_equal(ka_view_get(&view, TABLE, key, 3, &got), KA_CORRUPT);
	memset(&got, 0, sizeof(got));
	assert_int_equal(ka_view_seek(&view, TABLE, key, KA_KEY_MAX, &got), KA_CORRUPT);
	/* No byte of the long key went beyond the row's own. */
	assert_true(got.keylen == sizeof(key) && got.len == 0);
	for (size_t i = 0; i < sizeof(got.payload); i++)
		assert_int_equal(got.payload[i], 0);
	free(view.page);
	(void)close(view.fd);
}

/* In the main table: one real table, one with sorted duplicates, and a row that looks like the record of an empty
 * table. */
static void
foreign_tables_are_corrupt(void **state)
{
	uint8_t record[48];
	struct writer w;
	MDB_dbi main_dbi, other;
	MDB_val k = {4, record}, v = {sizeof(record), record};
	struct ka_view view;
	struct ka_row got;

	(void)state;
	make_rows(10);
	writer_open(&w);
	for (size_t i = 0; i < 10; i++)
		put(&w, &rows[i]);
	assert_int_equal(mdb_dbi_open(w.txn, ka_table_name(KA_TABLE_MEMBER), MDB_CREATE | MDB_DUPSORT, &other), 0);
	assert_int_equal(mdb_dbi_open(w.txn, NULL, 0, &main_dbi), 0);
	assert_string_equal(ka_table_name(KA_TABLE_META), "meta");
	memset(record, 0xff, sizeof(record));
	memset(record + 4, 0, 2);
	k.mv_data = (char[]){"meta"};
	assert_int_equal(mdb_put(w.txn, main_dbi, &k, &v, 0), 0);
	writer_close(&w);
	assert_int_equal(snapshot_begin(&view, FILE_NAME), KA_OK);
	assert_int_equal(ka_view_get(&view, TABLE, rows[0].key, rows[0].keylen, &got), KA_OK);
	assert_int_equal(ka_view_get(&view, TABLE, "absent", 6, &got), KA_NOTFOUND);
	for (unsigned table = 0; table < KA_TABLES; table++)
		if (table != TABLE)
			assert_int_equal(ka_view_get(&view, (enum ka_table)table, "absent", 6, &got),
			    ka_table_is_later((enum ka_table)table) ? KA_NOTFOUND : KA_CORRUPT);
	free(view.page);
	(void)close(view.fd);
}

/* Every offset of meta pages, page headers and table records, by what liblmdb says of the same file. */
static void
format_is_that_of_liblmdb(void **state)
{
	static const size_t sizes[] = {0, 1, 30, 2000};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		const uint8_t *m;
		struct writer w;
		struct ka_view view;
		MDB_envinfo info;
		MDB_stat main_stat, stat;
		MDB_dbi main_dbi;
		uint64_t root;

		make_rows(sizes[i]);
		write_rows(sizes[i]);
		writer_open(&w);
		assert_int_equal(mdb_env_info(w.env, &info), 0);
		assert_int_equal(mdb_dbi_open(w.txn, NULL, 0, &main_dbi), 0);
		assert_int_equal(mdb_stat(w.txn, main_dbi, &main_stat), 0);
		assert_int_equal(mdb_stat(w.txn, w.dbi, &stat), 0);

		assert_int_equal(snapshot_begin(&view, FILE_NAME), KA_OK);
		m = view.meta.bytes + PAGE_HEADER;
		assert_int_equal(view.meta.txnid, info.me_last_txnid);
		assert_int_equal(view.slot, info.me_last_txnid % 2);
		assert_int_equal(view.pagesize, main_stat.ms_psize);
		assert_int_equal(load64(m + 16), info.me_mapsize);
		assert_int_equal(load64(m + 120), info.me_last_pgno);
		assert_true(view.pages >= info.me_last_pgno + 1);
		m += 24 + DB_LEN;
		assert_int_equal(load16(m + 6), main_stat.ms_depth);
		assert_int_equal(load64(m + 8), main_stat.ms_branch_pages);
		assert_int_equal(load64(m + 16), main_stat.ms_leaf_pages);
		assert_int_equal(load64(m + 24), main_stat.ms_overflow_pages);
		assert_int_equal(load64(m + 32), main_stat.ms_entries);

		assert_int_equal(table_root(&view, TABLE, &root), KA_OK);
		assert_int_equal(root == NO_PAGE, sizes[i] == 0);
		/* A branch's child, as LMDB's SETPGNO lays its 48 bits down. */
		assert_true(
		    branch_child((const uint8_t *)(const uint16_t[]){0x1111, 0x2222, 0x3333}) == 0x333322221111ULL);
		if (root != NO_PAGE) {
			assert_int_equal(load_page(&view, root), KA_OK);
			assert_int_equal(page_is_leaf(&view), stat.ms_depth == 1);
			if (stat.ms_depth == 1)
				assert_int_equal(page_nodes(&view), stat.ms_entries);
			else if (stat.ms_depth == 2)
				assert_int_equal(page_nodes(&view), stat.ms_leaf_pages);
		}
		free(view.page);
		(void)close(view.fd);
		mdb_txn_abort(w.txn);
		mdb_env_close(w.env);
	}
}

/* A row that says which transaction wrote it. */
static void
put_txnid(struct writer *w)
{
	struct row row = {.key = "txn", .keylen = 3, .len = 8};

	ka_table_be64(mdb_txn_id(w->txn), row.payload);
	put(w, &row);
}

static enum ka_result
walk_txnid(struct ka_view *view, void *arg)
{
	uint64_t *txnid = arg;
	struct ka_row got;
	enum ka_result r = ka_view_get(view, TABLE, "txn", 3, &got);

	*txnid = r == KA_OK && got.len == 8 ? ka_table_from_be64(got.payload) : 0;
	return r;
}

static void
every_commit_is_seen_at_once(void **state)
{
	struct writer w;

	(void)state;
	writer_open(&w);
	for (int i = 0; i < 50; i++) {
		MDB_envinfo info;
		uint64_t txnid;

		put_txnid(&w);
		writer_commit(&w);
		assert_int_equal(mdb_env_info(w.env, &info), 0);
		assert_int_equal(ka_view_read(FILE_NAME, walk_txnid, &txnid), KA_OK);
		assert_int_equal(txnid, info.me_last_txnid);
		/* What is not committed is not there. */
		put_txnid(&w);
		assert_int_equal(ka_view_read(FILE_NAME, walk_txnid, &txnid), KA_OK);
		assert_int_equal(txnid, info.me_last_txnid);
	}
	writer_close(&w);
}

/* Commits that happen while a walk is under way. */
struct overrun {
	struct writer *w;
	int commits; /* in the first call, or in each if ${always} */
	bool always;
	int calls;
	uint64_t first, last; /* what the walk reads before the commits and after them */
};

static enum ka_result
walk_overrun(struct ka_view *view, void *arg)
{
	struct overrun *o = arg;
	enum ka_result r;

	if ((r = walk_txnid(view, &o->first)) != KA_OK)
		return r;
	if (o->calls++ == 0 || o->always)
		for (int i = 0; i < o->commits; i++) {
			put_txnid(o->w);
			writer_commit(o->w);
		}
	return walk_txnid(view, &o->last);
}

static void
one_commit_within_a_walk_is_harmless(void **state)
{
	struct writer w;

	(void)state;
	writer_open(&w);
	put_txnid(&w);
	writer_commit(&w);
	for (int commits = 0; commits < 2; commits++)
		/* Both meta pages have their turn. */
		for (int i = 0; i < 4; i++) {
			struct overrun o = {.w = &w, .commits = commits};
			uint64_t txnid;

			assert_int_equal(ka_view_read(FILE_NAME, walk_txnid, &txnid), KA_OK);
			assert_int_equal(ka_view_read(FILE_NAME, walk_overrun, &o), KA_OK);
			assert_int_equal(o.calls, 1);
			assert_int_equal(o.first, txnid);
			assert_int_equal(o.last, txnid);
		}
	writer_close(&w);
}

static void
two_commits_within_a_walk_repeat_it(void **state)
{
	struct writer w;

	(void)state;
	writer_open(&w);
	put_txnid(&w);
	writer_commit(&w);
	for (int commits = 2; commits < 6; commits++) {
		struct overrun o = {.w = &w, .commits = commits};
		uint64_t before, after;

		assert_int_equal(ka_view_read(FILE_NAME, walk_txnid, &before), KA_OK);
		assert_int_equal(ka_view_read(FILE_NAME, walk_overrun, &o), KA_OK);
		assert_int_equal(o.calls, 2);
		assert_int_equal(ka_view_read(FILE_NAME, walk_txnid, &after), KA_OK);
		assert_int_equal(o.first, after);
		assert_int_equal(o.last, after);
		assert_true(after > before);
	}
	writer_close(&w);
}

static void
endless_overrun_is_busy(void **state)
{
	struct writer w;
	struct overrun o = {.w = &w, .commits = 2, .always = true};

	(void)state;
	writer_open(&w);
	put_txnid(&w);
	writer_commit(&w);
	assert_int_equal(ka_view_read(FILE_NAME, walk_overrun, &o), KA_BUSY);
	assert_true(o.calls > 10);
	writer_close(&w);
}

/* What a walk answers after an overrun counts for nothing, whatever it is. */
static enum ka_result
walk_overrun_then_fail(struct ka_view *view, void *arg)
{
	struct overrun *o = arg;
	bool again = o->calls > 0;

	return walk_overrun(view, o) == KA_OK && again ? KA_OK : KA_CORRUPT;
}

static void
answer_of_an_overrun_walk_is_dropped(void **state)
{
	struct writer w;
	struct overrun o = {.w = &w, .commits = 2};

	(void)state;
	writer_open(&w);
	put_txnid(&w);
	writer_commit(&w);
	assert_int_equal(ka_view_read(FILE_NAME, walk_overrun_then_fail, &o), KA_OK);
	assert_int_equal(o.calls, 2);
	o = (struct overrun){.w = &w, .commits = 1};
	assert_int_equal(ka_view_read(FILE_NAME, walk_overrun_then_fail, &o), KA_CORRUPT);
	writer_close(&w);
}

/* A write to a meta page during the walk: ${at} within it, of the page that the walk started from or of the other. */
struct meddler {
	bool other;
	size_t at, len;
	uint64_t add; /* to the number of ${len} bytes, 1 or 8, that stands there */
	int calls;
};

static enum ka_result
walk_meddle(struct ka_view *view, void *arg)
{
	struct meddler *m = arg;
	off_t at = (off_t)((view->slot ^ (m->other ? 1U : 0U)) * view->pagesize + m->at);
	uint64_t number = 0;
	int fd;

	if (m->calls++ > 0)
		return KA_OK;
	fd = open(FILE_NAME, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &number, m->len, at), m->len);
	number += m->add;
	assert_int_equal(pwrite(fd, &number, m->len, at), m->len);
	assert_int_equal(close(fd), 0);
	return KA_OK;
}

/* The rule itself, with meta pages that no commit leaves behind: half-written ones, and a number alone. */
static void
meta_pages_decide_whether_a_walk_holds(void **state)
{
	const struct {
		struct meddler m;
		int calls;
	} cases[] = {
	    {{.other = true, .at = PAGE_HEADER + 128, .len = 8, .add = 0}, 1},
	    {{.other = true, .at = PAGE_HEADER + 128, .len = 8, .add = 2}, 1}, /* S-1 becomes S+1 */
	    {{.other = true, .at = PAGE_HEADER + 128, .len = 8, .add = 3}, 2},
	    {{.other = true, .at = PAGE_HEADER + 120, .len = 1, .add = 1}, 1},
	    {{.at = PAGE_HEADER + 128, .len = 8, .add = 1}, 2},
	    {{.at = PAGE_HEADER + 16, .len = 1, .add = 1}, 2},
	    {{.at = PAGE_HEADER + 24 + DB_LEN + 40, .len = 1, .add = 1}, 2},
	    {{.at = PAGE_HEADER + 120, .len = 1, .add = 1}, 2},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct meddler m = cases[i].m;
		struct writer w;

		remove_file();
		writer_open(&w);
		put_txnid(&w);
		writer_commit(&w);
		writer_close(&w);
		assert_int_equal(ka_view_read(FILE_NAME, walk_meddle, &m), KA_OK);
		assert_int_equal(m.calls, cases[i].calls);
	}
}

/* Remove or change every row, so that no page of the old tree is still needed. */
static enum ka_result
walk_over_old_pages(struct ka_view *view, void *arg)
{
	struct overrun *o = arg;
	struct told told = {.n = 2000};

	for (int c = 0; c < o->commits && o->calls == 0; c++) {
		for (size_t i = 0; i < told.n; i++) {
			struct row changed = rows[i];

			changed.len = PAYLOAD_SHORT;
			memset(changed.payload, 'a' + c, changed.len);
			put(o->w, &changed);
		}
		writer_commit(o->w);
	}
	if (o->calls++ > 0)
		return KA_OK;
	assert_int_equal(walk_get(view, &told), KA_OK);
	assert_int_equal(walk_next(view, &told), KA_OK);
	return KA_OK;
}

/* The rule on which view.h builds, in this liblmdb: S+1 and S+2 overwrite no page of S. */
/* Between the reads of the two meta pages: one commit, and one that fails in its meta page after its pages were
 * written. */
static struct writer *meddler;

static void
commit_and_fail(int nth)
{
	if (nth != 2)
		return;
	between_reads = NULL;
	put_txnid(meddler);
	writer_commit(meddler);
	put_txnid(meddler);
	fail_meta = true;
	assert_int_equal(mdb_txn_commit(meddler->txn), EIO);
	assert_false(fail_meta);
	meddler->txn = NULL; /* liblmdb lets this environment write no more */
}

static void
snapshot_begins_at_a_whole_meta_page(void **state)
{
	(void)state;
	/* The commit that fails goes to slot 0 and to slot 1 in turn. */
	for (int commits = 3; commits < 7; commits++) {
		struct writer w;
		uint64_t before, got;

		remove_file();
		writer_open(&w);
		for (int c = 0; c < commits; c++) {
			put_txnid(&w);
			writer_commit(&w);
		}
		assert_int_equal(ka_view_read(FILE_NAME, walk_txnid, &before), KA_OK);
		meddler = &w;
		reads = 0;
		between_reads = commit_and_fail;
		assert_int_equal(ka_view_read(FILE_NAME, walk_txnid, &got), KA_OK);
		assert_null(between_reads);
		/* The commit before or the one that came in between; never the one that failed. */
		assert_in_range(got, before, before + 1);
		mdb_env_close(w.env);
	}
}

static void
two_commits_spare_the_pages_of_a_snapshot(void **state)
{
	(void)state;
	for (int commits = 1; commits < 3; commits++) {
		struct writer w;
		struct overrun o = {.w = &w, .commits = commits};

		remove_file();
		make_rows(2000);
		qsort(rows, 2000, sizeof(*rows), compare_rows);
		writer_open(&w);
		/* A few commits first, so that there are free pages to reuse. */
		for (int c = 0; c < 4; c++) {
			for (size_t i = 0; i < 2000; i++)
				put(&w, &rows[i]);
			writer_commit(&w);
		}
		assert_int_equal(ka_view_read(FILE_NAME, walk_over_old_pages, &o), KA_OK);
		assert_int_equal(o.calls, commits);
		writer_close(&w);
	}
}

#define TWINS 40

static void
put_twins(struct writer *w)
{
	struct row row = {.keylen = 64, .len = 8};

	for (uint8_t i = 0; i < TWINS; i++) {
		memset(row.key, i, row.keylen);
		ka_table_be64(mdb_txn_id(w->txn), row.payload);
		put(w, &row);
	}
}

/* Every row of a snapshot was written by one transaction. */
static enum ka_result
walk_twins(struct ka_view *view, void *arg)
{
	uint64_t *txnid = arg;

	*txnid = 0;
	for (uint8_t i = 0; i < TWINS; i += 13) {
		uint8_t key[64];
		struct ka_row got;
		enum ka_result r;

		memset(key, i, sizeof(key));
		if ((r = ka_view_get(view, TABLE, key, sizeof(key), &got)) != KA_OK)
			return r;
		if (*txnid != 0 && ka_table_from_be64(got.payload) != *txnid)
			return KA_CONFLICT;
		*txnid = ka_table_from_be64(got.payload);
	}
	return KA_OK;
}

static void
walks_beside_a_writer_are_whole(void **state)
{
	struct writer w;
	uint64_t last = 0;
	size_t ok = 0;
	pid_t child;
	int status;

	(void)state;
	writer_open(&w);
	put_twins(&w);
	writer_close(&w);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		writer_open(&w);
		for (int i = 0; i < 20000; i++) {
			put_twins(&w);
			writer_commit(&w);
		}
		_exit(0);
	}
	while (waitpid(child, &status, WNOHANG) == 0) {
		uint64_t txnid;
		enum ka_result r = ka_view_read(FILE_NAME, walk_twins, &txnid);

		if (r == KA_BUSY)
			continue;
		assert_int_equal(r, KA_OK);
		assert_true(txnid >= last);
		last = txnid;
		ok++;
	}
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_true(ok > 10);
}

/* Damaged files. The answers about a row of rows[] that are not lies: the row itself, or no answer. */
static uint8_t bytes[1U << 20];

static size_t
read_file(void)
{
	FILE *f = fopen(FILE_NAME, "rb");
	size_t n;

	assert_non_null(f);
	n = fread(bytes, 1, sizeof(bytes), f);
	assert_true(n > 0 && n < sizeof(bytes));
	(void)fclose(f);
	return n;
}

static void
write_file(const uint8_t *from, size_t len)
{
	FILE *f = fopen(FILE_NAME, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(from, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static bool
is_row(const struct ka_row *got, size_t n)
{
	struct row key = {.keylen = got->keylen}, *row;

	memcpy(key.key, got->key, got->keylen);
	row = bsearch(&key, rows, n, sizeof(*rows), compare_rows);
	return row != NULL && row->len == got->len && memcmp(row->payload, got->payload, got->len) == 0;
}

/* Every answer is a row of the file or none, iteration always goes up, and so it ends. */
static enum ka_result
walk_damaged(struct ka_view *view, void *arg)
{
	const struct told *told = arg;
	enum ka_result r = KA_OK, worst = KA_OK;
	struct ka_row got, before;

	for (size_t i = 0; i < told->n; i++) {
		r = ka_view_get(view, TABLE, rows[i].key, rows[i].keylen, &got);
		assert_true(r == KA_OK || r == KA_NOTFOUND || r == KA_CORRUPT || r == KA_UNAVAIL);
		if (r == KA_OK)
			assert_same(&rows[i], &got);
		else
			worst = worst == KA_CORRUPT ? worst : r;
	}
	got.keylen = 0;
	for (size_t steps = 0; (r = ka_view_next(view, TABLE, "", 0, &got)) == KA_OK; steps++) {
		assert_true(is_row(&got, told->n));
		if (steps > 0)
			assert_true(compare_keys(got.key, got.keylen, before.key, before.keylen) > 0);
		before = got;
	}
	assert_true(r == KA_NOTFOUND || r == KA_CORRUPT || r == KA_UNAVAIL);
	return worst;
}

/* A small file of two levels, written by one transaction: it holds no older row that damage could bring back. */
static size_t
write_small_file(size_t n)
{
	make_rows(n);
	for (size_t i = 0; i < n; i++) {
		rows[i].len = PAYLOAD_MAX;
		random_bytes(rows[i].payload, PAYLOAD_MAX);
	}
	write_rows(n);
	assert_int_equal(read_cursor(), n);
	return read_file();
}

static enum ka_result
read_damaged(size_t n)
{
	struct told told = {.n = n};
	enum ka_result r = ka_view_read(FILE_NAME, walk_damaged, &told);

	assert_true(r == KA_OK || r == KA_NOTFOUND || r == KA_CORRUPT || r == KA_UNAVAIL);
	return r;
}

static void
missing_file_is_unavailable(void **state)
{
	(void)state;
	assert_int_equal(read_damaged(0), KA_UNAVAIL);
}

static void
truncated_file_never_says_not_found(void **state)
{
	size_t len = write_small_file(20);
	bool whole = false;

	(void)state;
	for (size_t cut = 0; cut <= len; cut += 256) {
		enum ka_result r;

		write_file(bytes, cut);
		r = read_damaged(20);
		assert_true(r == KA_CORRUPT || (cut > 8192 && r == KA_OK));
		whole = r == KA_OK;
	}
	assert_true(whole);
}

static void
zeroed_page_never_says_not_found(void **state)
{
	static const uint8_t zero[4096];
	size_t len = write_small_file(20), corrupt = 0;

	(void)state;
	for (size_t page = 0; page < len; page += sizeof(zero)) {
		uint8_t saved[sizeof(zero)];
		enum ka_result r;

		memcpy(saved, bytes + page, sizeof(saved));
		memcpy(bytes + page, zero, sizeof(zero));
		write_file(bytes, len);
		memcpy(bytes + page, saved, sizeof(saved));
		r = read_damaged(20);
		assert_true(r == KA_OK || r == KA_CORRUPT);
		corrupt += r == KA_CORRUPT;
	}
	/* Both meta pages, the tables' page, the table's branch and its leaves. */
	assert_true(corrupt >= 6);
}

/* One page in the place of another, as after a misdirected write. */
static void
misplaced_page_never_says_not_found(void **state)
{
	size_t len = write_small_file(20);

	(void)state;
	for (size_t to = 0; to < len; to += 4096)
		for (size_t from = 0; from < len; from += 4096) {
			uint8_t saved[4096];
			enum ka_result r;

			memcpy(saved, bytes + to, sizeof(saved));
			memmove(bytes + to, bytes + from, sizeof(saved));
			write_file(bytes, len);
			memcpy(bytes + to, saved, sizeof(saved));
			r = read_damaged(20);
			assert_true(r == KA_OK || r == KA_CORRUPT);
		}
}

static void
flip(int fd, size_t at, uint8_t change)
{
	uint8_t byte = bytes[at] ^ change;

	assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
}

static void
flipped_byte_never_lies(void **state)
{
	size_t len = write_small_file(9), wrong = 0;
	int fd = open(FILE_NAME, O_RDWR | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	for (size_t at = 0; at < len; at++) {
		/* One bit makes a neighbour of a page number or a length, all bits make an absurd one. */
		flip(fd, at, (uint8_t)(random_number(2) == 0 ? 0xffU : 1U << random_number(8)));
		wrong += read_damaged(9) != KA_OK;
		flip(fd, at, 0);
	}
	(void)close(fd);
	assert_int_equal(read_damaged(9), KA_OK);
	/* The rows alone are that many bytes, and not one of them may change unseen. */
	assert_true(wrong > 9 * PAYLOAD_MAX);
}

/* What this version does not know, it does not read: in both meta pages, byte by byte. */
static void
foreign_format_is_corrupt(void **state)
{
	static const size_t at[] = {10, 16, 17, 18, 19, 20, 21, 22, 23, 41};
	size_t len = write_small_file(9);

	(void)state;
	for (size_t slot = 0; slot < 2; slot++)
		/* The page size is taken from the first one. */
		for (size_t i = 0; i < sizeof(at) / sizeof(at[0]) - slot; i++) {
			bytes[slot * 4096 + at[i]] ^= 0x09;
			write_file(bytes, len);
			assert_int_equal(read_damaged(9), KA_CORRUPT);
			bytes[slot * 4096 + at[i]] ^= 0x09;
		}
}

/* A table's record that is a byte too short or too long, in the node that the table's name is in. */
static void
foreign_table_record_is_corrupt(void **state)
{
	static const uint8_t node[] = {DB_LEN, 0, 0, 0, NODE_SUBDATA, 0, 3, 0, 'k', 'e', 'y'};
	size_t len = write_small_file(9), found = 0;

	(void)state;
	for (size_t at = 0; at + sizeof(node) < len; at++)
		if (memcmp(bytes + at, node, sizeof(node)) == 0)
			for (uint8_t size = 0; size < 2 * DB_LEN; size++) {
				bytes[at] = size;
				write_file(bytes, len);
				assert_int_equal(read_damaged(9), size == DB_LEN ? KA_OK : KA_CORRUPT);
				bytes[at] = DB_LEN;
				found++;
			}
	assert_int_equal(found, 2 * DB_LEN);
}

/* Node offsets that would stand behind the page. */
static void
page_that_ends_behind_itself_is_corrupt(void **state)
{
	static const uint16_t ends[] = {4098, 8192, 0xfff0};
	size_t len = write_small_file(9), corrupt = 0;

	(void)state;
	for (size_t page = 8192; page < len; page += 4096)
		for (size_t i = 0; i < 3; i++) {
			uint8_t saved[4];

			memcpy(saved, bytes + page + 12, sizeof(saved));
			memcpy(bytes + page + 12, &ends[i], 2);
			memcpy(bytes + page + 14, &ends[i], 2);
			write_file(bytes, len);
			memcpy(bytes + page + 12, saved, sizeof(saved));
			corrupt += read_damaged(9) == KA_CORRUPT;
		}
	/* The tables' page, the table's branch and two leaves. */
	assert_true(corrupt >= 3 * 4);
}

/* Several numbers of one page at once: page headers, node offsets, node headers. A sanitizer watches. */
static void
damaged_numbers_never_lie(void **state)
{
	static const uint16_t numbers[] = {0, 1, 15, 16, 17, 18, 47, 48, 64, 3000, 4080, 4086, 4087, 4088, 4094, 4095,
	    4096, 4097, 4104, 0x7fff, 0x8000, 0xfff0, 0xfffe, 0xffff};
	size_t len = write_small_file(9);
	int fd = open(FILE_NAME, O_RDWR | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	for (int round = 0; round < 4000; round++) {
		size_t page = 4096 * (size_t)random_number(len / 4096);
		uint8_t damaged[4096];

		memcpy(damaged, bytes + page, sizeof(damaged));
		for (uint64_t n = 1 + random_number(3); n > 0; n--) {
			size_t at = 10 + 2 * (size_t)random_number(12);

			/* Through a node's offset to the node. */
			if (at >= PAGE_HEADER && random_number(2) == 0)
				at = load16(bytes + page + at) + 2 * (size_t)random_number(4);
			if (at + 2 <= sizeof(damaged))
				memcpy(damaged + at, &numbers[random_number(sizeof(numbers) / sizeof(numbers[0]))], 2);
		}
		assert_int_equal(pwrite(fd, damaged, sizeof(damaged), (off_t)page), sizeof(damaged));
		(void)read_damaged(9);
		assert_int_equal(pwrite(fd, bytes + page, sizeof(damaged), (off_t)page), sizeof(damaged));
	}
	(void)close(fd);
	assert_int_equal(read_damaged(9), KA_OK);
}

/* A tree whose branch page leads back to an earlier leaf: iteration must end. */
static void
circle_of_pages_ends(void **state)
{
	struct ka_view view;
	const uint8_t *node = NULL;
	uint64_t root, child[2] = {0};
	size_t len = write_small_file(20), room, at[2] = {0};

	(void)state;
	assert_int_equal(snapshot_begin(&view, FILE_NAME), KA_OK);
	assert_int_equal(table_root(&view, TABLE, &root), KA_OK);
	assert_int_equal(load_page(&view, root), KA_OK);
	assert_false(page_is_leaf(&view));
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(page_node(&view, i, &node, &room), KA_OK);
		child[i] = branch_child(node);
		at[i] = (size_t)root * view.pagesize + (size_t)(node - view.page);
	}
	/* To the first leaf again; then to the branch itself. */
	for (int i = 0; i < 2; i++) {
		uint32_t to = (uint32_t)(i == 0 ? child[0] : root);

		memcpy(bytes + at[1], &to, sizeof(to));
		write_file(bytes, len);
		assert_int_not_equal(read_damaged(20), KA_OK);
	}
	free(view.page);
	(void)close(view.fd);
}

#define CASE(f) cmocka_unit_test_setup(f, setup)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(every_size_reads_as_with_liblmdb),
	    CASE(deleted_rows_are_gone),
	    CASE(longest_rows_fit_a_page),
	    CASE(foreign_rows_are_corrupt),
	    CASE(foreign_tables_are_corrupt),
	    CASE(format_is_that_of_liblmdb),
	    CASE(every_commit_is_seen_at_once),
	    CASE(one_commit_within_a_walk_is_harmless),
	    CASE(two_commits_within_a_walk_repeat_it),
	    CASE(endless_overrun_is_busy),
	    CASE(answer_of_an_overrun_walk_is_dropped),
	    CASE(meta_pages_decide_whether_a_walk_holds),
	    CASE(two_commits_spare_the_pages_of_a_snapshot),
	    CASE(snapshot_begins_at_a_whole_meta_page),
	    CASE(walks_beside_a_writer_are_whole),
	    CASE(missing_file_is_unavailable),
	    CASE(truncated_file_never_says_not_found),
	    CASE(zeroed_page_never_says_not_found),
	    CASE(misplaced_page_never_says_not_found),
	    CASE(flipped_byte_never_lies),
	    CASE(foreign_format_is_corrupt),
	    CASE(foreign_table_record_is_corrupt),
	    CASE(page_that_ends_behind_itself_is_corrupt),
	    CASE(damaged_numbers_never_lie),
	    CASE(circle_of_pages_ends),
	};
	char dir[] = "/tmp/test_view.XXXXXX";
	int failed;

	if (mkdtemp(dir) == NULL || chdir(dir) != 0)
		return 1;
	(void)alarm(60);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	remove_file();
	(void)rmdir(dir);
	return failed;
}
