#include "common/view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * The file format, as in LMDB 0.9.x mdb.c (MDB_page, MDB_meta, MDB_db, MDB_node). Numbers are in the host's byte order:
 * the file never leaves the kind of host that wrote it. The unit test pins every offset against the installed liblmdb.
 */
_Static_assert(sizeof(size_t) == 8, "the offsets below are those of a 64-bit LMDB");

#define MDB_MAGIC     0xBEEFC0DEU
#define MDB_VERSION   1U
#define PAGE_HEADER   16U
#define PAGE_BRANCH   0x01U
#define PAGE_LEAF     0x02U
#define PAGE_META     0x08U
#define PAGE_KINDS    0x6fU /* branch, leaf, overflow, meta, leaf2, subpage */
#define META_LEN      136U  /* magic to transaction id */
#define DB_LEN        48U
#define NODE_HEADER   8U
#define NODE_BIGDATA  0x01U
#define NODE_SUBDATA  0x02U
#define NODE_DUPDATA  0x04U
#define NO_PAGE       UINT64_MAX
#define PAGE_SIZE_MIN 4096U
#define PAGE_SIZE_MAX 65536U
#define DEPTH_MAX     32 /* CURSOR_STACK */
#define SLOT_SIZE     (PAGE_HEADER + META_LEN)

/*
 * How far newer than the snapshot a meta page may be after the walk. Only the stress test builds with another number:
 * its mutants do not compare the slot either, which S+2 rewrites, or they would be no looser than the rule.
 */
#ifndef KA_VIEW_SLACK
#define KA_VIEW_SLACK 1
#endif

/* A walk of a few pages is overrun only by two commits within it; even beside a writer that never rests, 1 in 50 was.
 */
#define TRIES 64

struct meta {
	uint8_t bytes[SLOT_SIZE];
	uint64_t txnid, root;
};

struct ka_view {
	int fd;
	uint64_t pages; /* whole pages in the file */
	uint32_t pagesize;
	unsigned slot; /* 0 or 1: the meta page that the snapshot started from */
	struct meta meta;
	uint8_t *page; /* one page, the walk's only buffer */
};

/* Where a walk stands: the leaf's node, and the nearest subtree to its right. */
struct place {
	const uint8_t *node;
	size_t nodelen; /* bytes from node to the end of the page */
	uint64_t right;
	bool exact;
};

static uint16_t
load16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint32_t
load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t
load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static enum ka_result
read_at(int fd, uint8_t *buf, size_t len, uint64_t at)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, buf + done, len - done, (off_t)(at + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return KA_UNAVAIL;
		if (n == 0)
			return KA_CORRUPT;
		done += (size_t)n;
	}
	return KA_OK;
}

static enum ka_result
read_meta(int fd, uint64_t at, struct meta *meta)
{
	const uint8_t *m = meta->bytes + PAGE_HEADER;
	enum ka_result r;

	if ((r = read_at(fd, meta->bytes, SLOT_SIZE, at)) != KA_OK)
		return r;
	if ((load16(meta->bytes + 10) & PAGE_KINDS) != PAGE_META || load32(m) != MDB_MAGIC ||
	    load32(m + 4) != MDB_VERSION)
		return KA_CORRUPT;
	meta->root = load64(m + 24 + DB_LEN + 40);
	meta->txnid = load64(m + 128);
	return KA_OK;
}

/* The page size stands in both meta pages, in the field that is padding elsewhere (mm_psize is mm_dbs[0].md_pad). */
static enum ka_result
page_size(const struct meta *meta, uint32_t *size)
{
	*size = load32(meta->bytes + PAGE_HEADER + 24);
	if (*size < PAGE_SIZE_MIN || *size > PAGE_SIZE_MAX || (*size & (*size - 1)) != 0)
		return KA_CORRUPT;
	return KA_OK;
}

static enum ka_result
snapshot_begin(struct ka_view *v, const char *path)
{
	struct meta first, second;
	struct stat st;
	enum ka_result r;

	memset(v, 0, sizeof(*v));
	/* O_NONBLOCK: a fifo in the file's place must not stop the host. */
	if ((v->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)) < 0)
		return KA_UNAVAIL;
	if ((r = read_meta(v->fd, 0, &v->meta)) != KA_OK || (r = page_size(&v->meta, &v->pagesize)) != KA_OK ||
	    (r = read_meta(v->fd, v->pagesize, &second)) != KA_OK)
		return r;
	/* Only now: pages are written before the meta page that leads to them, so none of this snapshot can be missing.
	 */
	if (fstat(v->fd, &st) != 0)
		return KA_UNAVAIL;
	if (!S_ISREG(st.st_mode))
		return KA_CORRUPT;
	if (!ka_table_is_trusted(st.st_uid, st.st_mode))
		return KA_INVALID;
	v->pages = (uint64_t)st.st_size / v->pagesize;
	if (second.txnid > v->meta.txnid) {
		/* S+1 may be committed by now, and S+2 half way through the slot of S: then this slot may be torn. */
		if ((r = read_meta(v->fd, 0, &first)) != KA_OK)
			return r;
		if (first.txnid > second.txnid)
			return KA_BUSY;
		v->meta = second;
		v->slot = 1;
	}
	if ((v->page = malloc(v->pagesize)) == NULL)
		return KA_UNAVAIL;
	return KA_OK;
}

/* Was the whole walk within the snapshot? See the top of view.h. */
static bool
snapshot_holds(const struct ka_view *v)
{
	struct meta now[2];

	atomic_thread_fence(memory_order_acquire);
	for (unsigned i = 0; i < 2; i++)
		if (read_meta(v->fd, (uint64_t)i * v->pagesize, &now[i]) != KA_OK ||
		    now[i].txnid > v->meta.txnid + KA_VIEW_SLACK)
			return false;
	return KA_VIEW_SLACK > 1 || memcmp(now[v->slot].bytes, v->meta.bytes, SLOT_SIZE) == 0;
}

enum ka_result
ka_view_read(const char *path, enum ka_result (*walk)(struct ka_view *, void *), void *arg)
{
	enum ka_result r = KA_BUSY;

	for (int i = 0; i < TRIES && r == KA_BUSY; i++) {
		struct ka_view v;

		r = snapshot_begin(&v, path);
		if (r == KA_OK) {
			r = walk(&v, arg);
			if (!snapshot_holds(&v))
				r = KA_BUSY;
		}
		free(v.page);
		if (v.fd >= 0)
			(void)close(v.fd);
	}
	return r;
}

static enum ka_result
load_page(struct ka_view *v, uint64_t number)
{
	unsigned kind, lower, upper;
	enum ka_result r;

	if (number < 2 || number >= v->pages)
		return KA_CORRUPT;
	if ((r = read_at(v->fd, v->page, v->pagesize, number * v->pagesize)) != KA_OK)
		return r;
	kind = load16(v->page + 10) & PAGE_KINDS;
	lower = load16(v->page + 12);
	upper = load16(v->page + 14);
	if (load64(v->page) != number || (kind != PAGE_BRANCH && kind != PAGE_LEAF) || lower < PAGE_HEADER + 2 ||
	    lower > upper || upper > v->pagesize || lower % 2 != 0)
		return KA_CORRUPT;
	return KA_OK;
}

static unsigned
page_nodes(const struct ka_view *v)
{
	return (load16(v->page + 12) - PAGE_HEADER) / 2;
}

static bool
page_is_leaf(const struct ka_view *v)
{
	return (load16(v->page + 10) & PAGE_LEAF) != 0;
}

/* Node ${i} of the page, checked so far that its header and key lie inside. */
static enum ka_result
page_node(const struct ka_view *v, unsigned i, const uint8_t **node, size_t *room)
{
	size_t at = load16(v->page + PAGE_HEADER + 2 * (size_t)i);

	if (at < load16(v->page + 14) || at + NODE_HEADER > v->pagesize)
		return KA_CORRUPT;
	*node = v->page + at;
	*room = v->pagesize - at;
	return NODE_HEADER + load16(*node + 6) <= *room ? KA_OK : KA_CORRUPT;
}

static uint64_t
branch_child(const uint8_t *node)
{
	uint64_t number;

	/* mn_lo and mn_hi stand in the host's order, so the two of them are one number; mn_flags is its top. */
	number = load32(node);
	return number | (uint64_t)load16(node + 4) << 32;
}

static int
compare_keys(const void *a, size_t alen, const void *b, size_t blen)
{
	int c = memcmp(a, b, alen < blen ? alen : blen);

	return c != 0 ? c : (alen > blen) - (alen < blen);
}

/* The first node whose key is ${key} or later: ${at}; the number of nodes if there is none. Node 0 of a branch has no
 * key. */
static enum ka_result
page_search(const struct ka_view *v, const void *key, size_t keylen, unsigned *at, bool *exact)
{
	unsigned low = page_is_leaf(v) ? 0 : 1, high = page_nodes(v);

	*exact = false;
	while (low < high) {
		unsigned mid = low + (high - low) / 2;
		const uint8_t *node;
		size_t room;
		int c;

		if (page_node(v, mid, &node, &room) != KA_OK)
			return KA_CORRUPT;
		c = compare_keys(key, keylen, node + NODE_HEADER, load16(node + 6));
		if (c == 0) {
			*exact = true;
			low = high = mid;
		} else if (c < 0) {
			high = mid;
		} else {
			low = mid + 1;
		}
	}
	*at = low;
	return KA_OK;
}

/*
 * Go down from page ${root} to the first node that is ${key} or later, within the leaf where ${key} belongs.
 * ${place}->node is NULL when that leaf has none; then the row, if there is one, is the first of the subtree
 * ${place}->right.
 */
static enum ka_result
descend(struct ka_view *v, uint64_t root, const void *key, size_t keylen, struct place *place)
{
	uint64_t number = root;

	place->node = NULL;
	place->right = NO_PAGE;
	for (int depth = 0; depth < DEPTH_MAX; depth++) {
		enum ka_result r;
		unsigned at;
		bool exact;
		const uint8_t *node;

		if ((r = load_page(v, number)) != KA_OK || (r = page_search(v, key, keylen, &at, &exact)) != KA_OK)
			return r;
		if (page_is_leaf(v)) {
			place->exact = exact;
			return at == page_nodes(v) ? KA_OK : page_node(v, at, &place->node, &place->nodelen);
		}
		if (!exact)
			at--;
		if (at + 1 < page_nodes(v)) {
			if (page_node(v, at + 1, &node, &place->nodelen) != KA_OK)
				return KA_CORRUPT;
			place->right = branch_child(node);
		}
		if (page_node(v, at, &node, &place->nodelen) != KA_OK)
			return KA_CORRUPT;
		number = branch_child(node);
	}
	return KA_CORRUPT;
}

/* The data of a leaf node, checked to lie inside the page. */
static enum ka_result
node_data(const struct place *p, unsigned flags, const uint8_t **data, size_t *len)
{
	size_t keylen = load16(p->node + 6);

	*data = p->node + NODE_HEADER + keylen;
	*len = load32(p->node);
	if (load16(p->node + 4) != flags || *len > p->nodelen - NODE_HEADER - keylen)
		return KA_CORRUPT;
	return KA_OK;
}

/* The root page of a named table; NO_PAGE when it is empty. */
static enum ka_result
table_root(struct ka_view *v, enum ka_table table, uint64_t *root)
{
	const char *name = ka_table_name(table);
	const uint8_t *data;
	struct place p;
	size_t len;
	enum ka_result r;

	if (v->meta.root == NO_PAGE)
		return KA_CORRUPT;
	if ((r = descend(v, v->meta.root, name, strlen(name), &p)) != KA_OK)
		return r;
	if ((p.node == NULL || !p.exact) && ka_table_is_later(table)) {
		*root = NO_PAGE;
		return KA_OK;
	}
	/* The others are made together with the file: one that is missing is damage, or an incompatible version's
	 * layout. */
	if (p.node == NULL || !p.exact || node_data(&p, NODE_SUBDATA, &data, &len) != KA_OK || len != DB_LEN ||
	    load16(data + 4) != 0)
		return KA_CORRUPT;
	*root = load64(data + 40);
	return KA_OK;
}

static enum ka_result
copy_row(const struct place *p, enum ka_table table, struct ka_row *row)
{
	const uint8_t *value, *payload;
	size_t len;

	row->keylen = load16(p->node + 6);
	if (row->keylen == 0 || row->keylen > KA_KEY_MAX || node_data(p, 0, &value, &len) != KA_OK)
		return KA_CORRUPT;
	memcpy(row->key, p->node + NODE_HEADER, row->keylen);
	if (ka_record_unseal(table, row->key, row->keylen, value, len, &payload, &row->len) != KA_OK ||
	    row->len > sizeof(row->payload))
		return KA_CORRUPT;
	memcpy(row->payload, payload, row->len);
	return KA_OK;
}

enum ka_result
ka_view_get(struct ka_view *v, enum ka_table table, const void *key, size_t keylen, struct ka_row *row)
{
	struct place p;
	uint64_t root;
	enum ka_result r;

	if ((r = table_root(v, table, &root)) != KA_OK)
		return r;
	if (root == NO_PAGE)
		return KA_NOTFOUND;
	if ((r = descend(v, root, key, keylen, &p)) != KA_OK)
		return r;
	return p.node != NULL && p.exact ? copy_row(&p, table, row) : KA_NOTFOUND;
}

enum ka_result
ka_view_seek(struct ka_view *v, enum ka_table table, const void *key, size_t keylen, struct ka_row *row)
{
	struct place p;
	uint64_t root;
	enum ka_result r;

	if ((r = table_root(v, table, &root)) != KA_OK)
		return r;
	if (root == NO_PAGE)
		return KA_NOTFOUND;
	if ((r = descend(v, root, key, keylen, &p)) != KA_OK)
		return r;
	/* Everything to the right is later than ${key}: its first row has the empty key or a later one. */
	if (p.node == NULL && p.right != NO_PAGE && (r = descend(v, p.right, "", 0, &p)) != KA_OK)
		return r;
	if (p.node == NULL)
		return KA_NOTFOUND;
	if ((r = copy_row(&p, table, row)) != KA_OK)
		return r;
	/* In a damaged file a walk could go backwards, and a loop over it would never end. */
	return compare_keys(row->key, row->keylen, key, keylen) >= 0 ? KA_OK : KA_CORRUPT;
}

enum ka_result
ka_view_next(struct ka_view *v, enum ka_table table, const void *prefix, size_t prefixlen, struct ka_row *row)
{
	uint8_t from[KA_KEY_MAX + 1];
	size_t len = ka_table_after(row, prefix, prefixlen, from);
	enum ka_result r;

	if ((r = ka_view_seek(v, table, from, len, row)) != KA_OK)
		return r;
	return ka_table_begins(row, prefix, prefixlen) ? KA_OK : KA_NOTFOUND;
}
