/*
 * The lock-free reader on damaged files. The input is a list of damages to one of four files that the installed liblmdb
 * wrote: bytes and 16-bit numbers anywhere, page headers, nodes and meta pages in particular, pages copied, swapped,
 * torn and zeroed, the end cut off; those after a mark happen in mid-walk. Whatever is done, every row that is returned
 * was written into that file once, each call reads a bounded number of pages, and iteration goes up and ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

/* The file is in memory: fast, and it can change between two reads. */
static int fake_open(const char *path, int flags);
static ssize_t fake_pread(int fd, void *buf, size_t len, off_t at);
static int fake_fstat(int fd, struct stat *st);
static int fake_close(int fd);

#define open  fake_open
#define pread fake_pread
#define fstat fake_fstat
#define close fake_close
#include "common/view.c"
#undef open
#undef pread
#undef fstat
#undef close

#define PAGE      4096U
#define FILES     4
#define KNOWN_MAX 16384
#define STEPS_MAX 110
#define GETS      32
#define FD        1000

/* One get or seek: two walks of at most DEPTH_MAX pages and the table's own, each page in at most two pieces. */
#define READS_MAX (3 * DEPTH_MAX * 2)

struct known {
	enum ka_table table;
	uint8_t key[KA_KEY_MAX];
	size_t keylen;
	uint64_t sum; /* of the payload; its length is in it */
};

struct file {
	uint8_t *whole, *now;
	size_t len;
	struct known known[KNOWN_MAX];
	size_t nknown;
};

static struct file files[FILES];
static struct file *file;
static size_t length; /* of the file as it is now */
static unsigned reads, late_at, open_files;
static struct input late; /* what happens at the read number late_at */
static bool dirty[1024];

static uint64_t
sum_of(const void *payload, size_t len)
{
	return ka_record_checksum(ka_record_checksum(KA_CHECKSUM_START, &len, sizeof(len)), payload, len);
}

static int
compare_known(const void *a, const void *b)
{
	const struct known *x = a, *y = b;
	int c;

	if (x->table != y->table)
		return x->table > y->table ? 1 : -1;
	if ((c = compare_keys(x->key, x->keylen, y->key, y->keylen)) != 0)
		return c;
	return (x->sum > y->sum) - (x->sum < y->sum);
}

static bool
was_written(enum ka_table table, const struct ka_row *row)
{
	struct known k = {.table = table, .keylen = row->keylen, .sum = sum_of(row->payload, row->len)};

	memcpy(k.key, row->key, row->keylen);
	return bsearch(&k, file->known, file->nknown, sizeof(k), compare_known) != NULL;
}

/* Making the files */

static uint64_t seed;

static unsigned
number(unsigned below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)((seed >> 11) % below);
}

static void
put(struct file *f, MDB_txn *txn, enum ka_table table, unsigned row, size_t keylen, size_t len)
{
	uint8_t payload[KA_RECORD_MAX], value[KA_RECORD_MAX];
	struct known *k = &f->known[f->nknown++];
	MDB_val key = {keylen, k->key}, v = {0, value};
	MDB_dbi dbi;

	CHECK(f->nknown < KNOWN_MAX && keylen >= 4 && keylen <= KA_KEY_MAX);
	k->table = table;
	k->keylen = keylen;
	ka_table_be32(row * 2654435761U, k->key);
	memset(k->key + 4, (int)(row % 251), keylen - 4);
	for (size_t i = 0; i < len; i++)
		payload[i] = (uint8_t)number(256);
	k->sum = sum_of(payload, len);
	CHECK(ka_record_seal(table, k->key, keylen, payload, len, value, sizeof(value), &v.mv_size) == KA_OK);
	CHECK(mdb_dbi_open(txn, ka_table_name(table), MDB_CREATE, &dbi) == 0);
	CHECK(mdb_put(txn, dbi, &key, &v, 0) == 0);
}

static void
make_tables(MDB_txn *txn)
{
	static const enum ka_table tables[] = {KA_TABLE_META, KA_TABLE_NAME, KA_TABLE_NAME_UID, KA_TABLE_KEY};
	MDB_dbi dbi;

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		CHECK(mdb_dbi_open(txn, ka_table_name(tables[i]), MDB_CREATE, &dbi) == 0);
}

/* 0: empty tables. 1: names.mdb, one transaction. 2: rows changed in many transactions, old pages left. 3: three
 * levels. */
static void
fill(struct file *f, int kind, MDB_env *env)
{
	MDB_txn *txn = NULL;

	for (unsigned t = 0; t < (kind == 2 ? 12U : 1U); t++) {
		CHECK(mdb_txn_begin(env, NULL, 0, &txn) == 0);
		make_tables(txn);
		for (unsigned i = 0; i < 100 && kind == 1; i++) {
			put(f, txn, KA_TABLE_NAME, i, 16, 40 + number(40));
			put(f, txn, KA_TABLE_NAME_UID, i, 4, 16);
		}
		for (unsigned i = 0; i < 100 && kind == 2; i++)
			if (t == 0 || number(8) == 0)
				put(f, txn, KA_TABLE_KEY, i, 48, 200 + number(200));
		for (unsigned i = 0; i < 4000 && kind == 3; i++)
			put(f, txn, KA_TABLE_KEY, i, KA_KEY_MAX, number(300));
		if (kind == 1)
			put(f, txn, KA_TABLE_META, 1, 5, 12);
		CHECK(mdb_txn_commit(txn) == 0);
	}
}

static void
make(struct file *f, int kind)
{
	char dir[] = "/tmp/keyacct-fuzz.XXXXXX", path[64], lock[80];
	MDB_env *env = NULL;
	struct stat st;
	FILE *in;

	CHECK(mkdtemp(dir) != NULL);
	(void)snprintf(path, sizeof(path), "%s/file", dir);
	(void)snprintf(lock, sizeof(lock), "%s-lock", path);
	CHECK(mdb_env_create(&env) == 0 && mdb_env_set_maxdbs(env, 8) == 0 && mdb_env_set_mapsize(env, 1U << 26) == 0);
	CHECK(mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOSYNC, 0600) == 0);
	fill(f, kind, env);
	mdb_env_close(env);
	CHECK(stat(path, &st) == 0 && (in = fopen(path, "rb")) != NULL);
	f->len = (size_t)st.st_size;
	f->whole = malloc(f->len);
	f->now = malloc(f->len);
	CHECK(f->whole != NULL && f->now != NULL && fread(f->whole, 1, f->len, in) == f->len);
	(void)fclose(in);
	(void)unlink(lock);
	(void)unlink(path);
	(void)rmdir(dir);
	memcpy(f->now, f->whole, f->len);
	qsort(f->known, f->nknown, sizeof(f->known[0]), compare_known);
	CHECK(f->len / PAGE <= sizeof(dirty));
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	seed = 88172645463325252ULL;
	for (int i = 0; i < FILES; i++)
		make(&files[i], i);
	return 0;
}

/* Damage */

static uint8_t *
page_at(unsigned page)
{
	size_t n = page % (file->len / PAGE);

	dirty[n] = true;
	return file->now + n * PAGE;
}

static void
set16(uint8_t *page, size_t at, uint16_t value)
{
	if (at + 2 <= PAGE)
		memcpy(page + at, &value, 2);
}

/* A number that is near what the page holds anyway is worth more than any other. */
static uint16_t
changed(const uint8_t *page, size_t at, struct input *in)
{
	unsigned way = take8(in);
	uint16_t old = at + 2 <= PAGE ? load16(page + at) : 0;

	if (way % 4 == 0)
		return take16(in);
	return way % 4 == 1   ? (uint16_t)(old + way / 4)
	       : way % 4 == 2 ? (uint16_t)(old - way / 4)
			      : (uint16_t)(old ^ (1U << way / 4 % 16));
}

static void
copy_pages(uint8_t *to, uint8_t *from, bool swap)
{
	uint8_t saved[PAGE];

	memcpy(saved, to, PAGE);
	memmove(to, from, PAGE);
	if (swap)
		memcpy(from, saved, PAGE);
}

static void
damage_node(uint8_t *page, struct input *in)
{
	size_t slot = PAGE_HEADER + 2 * (size_t)(take8(in) % 128), node = load16(page + slot);
	unsigned field = take8(in) % 6;
	size_t at = field == 0 ? slot : node + 2 * (size_t)(field - 1);

	/* A node at the very end of the page, whose key or data would not be inside. */
	if (field == 5)
		set16(page, slot, (uint16_t)(PAGE - take8(in) % 128));
	else
		set16(page, at, changed(page, at, in));
}

/* Do what the input says, up to its end or the mark. */
static void
damage(struct input *in)
{
	while (in->left > 0) {
		unsigned what = take8(in) % 12;
		uint8_t *page, *other;
		size_t at, len;

		if (what == 11)
			return;
		page = page_at(take8(in));
		switch (what) {
		case 0:
			at = take16(in) % PAGE;
			page[at] = take8(in);
			break;
		case 1:
			at = take16(in) % PAGE;
			set16(page, at, changed(page, at, in));
			break;
		case 2:
		case 3:
			copy_pages(page, page_at(take8(in)), what == 3);
			break;
		case 4:
			len = (size_t)(page - file->now) + take16(in) % (PAGE + 1);
			length = len < length ? len : length;
			break;
		case 5:
			memset(page, 0, PAGE);
			break;
		case 6:
			at = 2 * (size_t)(take8(in) % 8);
			set16(page, at, changed(page, at, in));
			break;
		case 7:
		case 8:
			damage_node(page, in);
			break;
		case 9:
			other = page_at(take8(in));
			at = take16(in) % PAGE;
			len = take16(in) % (PAGE - at);
			memmove(page + at, other + at, len);
			break;
		default:
			page = page_at(take8(in) % 2);
			at = PAGE_HEADER + 2 * (size_t)(take8(in) % (META_LEN / 2));
			set16(page, at, changed(page, at, in));
			break;
		}
	}
}

static void
restore(void)
{
	for (size_t i = 0; i < file->len / PAGE; i++)
		if (dirty[i]) {
			memcpy(file->now + i * PAGE, file->whole + i * PAGE, PAGE);
			dirty[i] = false;
		}
}

/* The system calls */

static int
fake_open(const char *path, int flags)
{
	(void)path;
	(void)flags;
	CHECK(open_files == 0);
	open_files++;
	return FD;
}

static int
fake_close(int fd)
{
	CHECK(fd == FD && open_files == 1);
	open_files--;
	return 0;
}

static ssize_t
fake_pread(int fd, void *buf, size_t len, off_t at)
{
	CHECK(fd == FD && at >= 0);
	if (++reads == late_at)
		damage(&late);
	if ((size_t)at >= length)
		return 0;
	if (len > length - (size_t)at)
		len = length - (size_t)at;
	memcpy(buf, file->now + at, len);
	return (ssize_t)len;
}

static int
fake_fstat(int fd, struct stat *st)
{
	CHECK(fd == FD);
	memset(st, 0, sizeof(*st));
	st->st_mode = S_IFREG | 0644;
	st->st_size = (off_t)length;
	return 0;
}

/* The walk */

static void
check_answer(enum ka_result r, enum ka_table table, const struct ka_row *row, unsigned before)
{
	CHECK(reads - before <= READS_MAX);
	CHECK(r == KA_OK || r == KA_NOTFOUND || r == KA_CORRUPT || r == KA_UNAVAIL);
	if (r == KA_OK)
		CHECK(was_written(table, row));
}

static void
walk_table(struct ka_view *view, enum ka_table table, const uint8_t *prefix, size_t prefixlen)
{
	struct ka_row row = {.keylen = 0}, last;

	for (unsigned steps = 0; steps < STEPS_MAX; steps++) {
		unsigned before = reads;
		enum ka_result r = ka_view_next(view, table, prefix, prefixlen, &row);

		check_answer(r, table, &row, before);
		if (r != KA_OK)
			return;
		CHECK(row.keylen >= prefixlen && memcmp(row.key, prefix, prefixlen) == 0);
		CHECK(steps == 0 || compare_keys(row.key, row.keylen, last.key, last.keylen) > 0);
		last = row;
	}
	CHECK(file->nknown >= STEPS_MAX);
}

static enum ka_result
walk(struct ka_view *view, void *arg)
{
	static const enum ka_table tables[] = {
	    KA_TABLE_NAME, KA_TABLE_NAME_UID, KA_TABLE_KEY, KA_TABLE_META, KA_TABLE_BLOB};
	size_t stride = file->nknown / GETS + 1;
	struct ka_row row;

	(void)arg;
	for (size_t i = 0; i < file->nknown; i += stride) {
		struct known k = file->known[i];
		unsigned before = reads;
		enum ka_result r = ka_view_get(view, k.table, k.key, k.keylen, &row);

		check_answer(r, k.table, &row, before);
		CHECK(r != KA_OK || (row.keylen == k.keylen && memcmp(row.key, k.key, k.keylen) == 0));
		k.key[k.keylen - 1] ^= 0x80;
		before = reads;
		check_answer(ka_view_seek(view, k.table, k.key, k.keylen, &row), k.table, &row, before);
	}
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		walk_table(view, tables[i], (const uint8_t *)"", 0);
		walk_table(view, tables[i], (const uint8_t *)"\x9e", 1);
	}
	return KA_OK;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	enum ka_result r;

	if (size < 2)
		return 0;
	file = &files[take8(&in) % FILES];
	length = file->len;
	reads = 0;
	late_at = 1 + take8(&in);
	damage(&in);
	late = in;
	r = ka_view_read("", walk, NULL);
	CHECK(open_files == 0);
	CHECK(r == KA_OK || r == KA_BUSY || r == KA_CORRUPT || r == KA_UNAVAIL);
	restore();
	return 0;
}
