#include "tests/stress/writer.h"

#include <errno.h>
#include <lmdb.h>
#include <string.h>

#include "tests/stress/disk.h"

#define MAP_SIZE ((size_t)1 << 26) /* the files stay far below: one that grows without end is a fault */

static const enum ka_table tables[] = {KA_TABLE_KEY, KA_TABLE_META, KA_TABLE_CHANGE};

struct writer {
	struct shared *shared;
	const struct mode *mode;
	const char *path;
	uint64_t seed;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi[KA_TABLES];
};

static int
writer_open(struct writer *w, unsigned create)
{
	/*
	 * As common/store opens it. MDB_NOSYNC leaves out the fdatasync and writes the meta page through the other
	 * descriptor (mdb_env_sync :2512, mdb_env_write_meta :3881); which pages are reused is decided in
	 * mdb_page_alloc, which knows nothing of it, and the order of the writes, which is all that readers of the page
	 * cache see, is the same.
	 */
	unsigned flags = MDB_NOSUBDIR | MDB_NOTLS | (w->mode->sync ? 0 : MDB_NOSYNC);
	int rc;

	if ((rc = mdb_env_create(&w->env)) != 0 || (rc = mdb_env_set_mapsize(w->env, MAP_SIZE)) != 0 ||
	    (rc = mdb_env_set_maxdbs(w->env, KA_TABLES)) != 0 ||
	    (rc = mdb_env_open(w->env, w->path, flags, 0600)) != 0 ||
	    (rc = mdb_txn_begin(w->env, NULL, 0, &w->txn)) != 0)
		return rc;
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		if ((rc = mdb_dbi_open(w->txn, ka_table_name(tables[i]), create, &w->dbi[tables[i]])) != 0)
			return rc;
	/* The handles are kept; without a change this takes no transaction number. */
	return create == 0 ? mdb_txn_commit(w->txn) : 0;
}

static int
put(struct writer *w, enum ka_table table, const void *key, size_t keylen, uint64_t id, uint64_t t)
{
	uint8_t keybytes[KA_KEY_MAX], payload[KA_RECORD_MAX], value[KA_RECORD_MAX];
	size_t len = history_payload(w->mode->history, id, t, payload);
	MDB_val k = {keylen, keybytes}, v = {0, value};

	memcpy(keybytes, key, keylen);
	if (ka_record_seal(table, key, keylen, payload, len, value, sizeof(value), &v.mv_size) != KA_OK)
		return EINVAL;
	return mdb_put(w->txn, w->dbi[table], &k, &v, 0);
}

static int
drop(struct writer *w, enum ka_table table, uint64_t number)
{
	uint8_t key[8];
	MDB_val k = {sizeof(key), key};
	int rc;

	ka_table_be64(number, key);
	rc = mdb_del(w->txn, w->dbi[table], &k, NULL);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int
write_slot(struct writer *w, uint64_t slot, uint64_t t, uint64_t mark)
{
	uint8_t key[8];

	if (history_removes(w->mode->history, slot, t))
		return drop(w, KA_TABLE_KEY, slot);
	ka_table_be64(slot, key);
	return put(w, KA_TABLE_KEY, key, sizeof(key), slot, t | mark);
}

/* Transaction ${t}; with ${mark} its rows are none that may ever be seen. */
static int
write_rows(struct writer *w, uint64_t t, uint64_t mark)
{
	const struct history *h = w->mode->history;
	uint8_t key[8];
	int rc = 0;

	if (history_whole(h, t))
		for (uint64_t slot = 0; slot < h->slots && rc == 0; slot++)
			rc = write_slot(w, slot, t, mark);
	else
		rc = write_slot(w, history_slot(h, t), t, mark);
	if (rc == 0 && h->now)
		rc = put(w, KA_TABLE_META, "now", 3, HISTORY_NOW, t | mark);
	if (rc == 0 && h->queue > 0) {
		ka_table_be64(t, key);
		rc = put(w, KA_TABLE_CHANGE, key, sizeof(key), HISTORY_QUEUE, t | mark);
		if (rc == 0 && t > h->queue)
			rc = drop(w, KA_TABLE_CHANGE, t - h->queue);
	}
	return rc;
}

static int
commit(struct writer *w, uint64_t t, enum fault fault)
{
	struct disk_plan plan = {.shared = w->shared,
	    .t = t,
	    .gated = w->mode->gated,
	    .pauses = w->mode->faults,
	    .fault = fault,
	    .seed = &w->seed};
	int rc;

	disk_begin(&plan);
	rc = mdb_txn_commit(w->txn);
	if (!disk_end() && rc == 0) {
		shared_say(w->shared, "writer: liblmdb's writes do not pass through disk.c");
		return EPROTO;
	}
	if (rc == 0) {
		shared_raise(&w->shared->committed, t);
		(void)atomic_fetch_add(&w->shared->commits, 1);
	} else if (fault != FAULT_NONE && (rc == EIO || rc == ENOSPC)) {
		(void)atomic_fetch_add(&w->shared->failures, 1);
		/* liblmdb refuses this environment from now on (MDB_FATAL_ERROR, :3915): open another. */
		return fault == FAULT_META ? MDB_PANIC : 0;
	}
	return rc;
}

static enum fault
choose_fault(struct writer *w)
{
	if (!w->mode->faults)
		return FAULT_NONE;
	switch (shared_random(&w->seed, 2048)) {
	case 0:
		return FAULT_DIE;
	case 1:
		return FAULT_META;
	case 2:
	case 3:
	case 4:
	case 5:
		return FAULT_PAGES;
	default:
		return FAULT_NONE;
	}
}

static int
transact(struct writer *w)
{
	enum fault fault = choose_fault(w);
	uint64_t t;
	int rc;

	if ((rc = mdb_txn_begin(w->env, NULL, 0, &w->txn)) != 0)
		return rc;
	t = mdb_txn_id(w->txn);
	shared_raise(&w->shared->committed, t - 1);
	shared_raise(&w->shared->started, t);
	if (w->mode->faults && shared_random(&w->seed, 16) == 0) {
		rc = write_rows(w, t, HISTORY_ABORTED);
		mdb_txn_abort(w->txn);
		(void)atomic_fetch_add(&w->shared->aborts, 1);
		return rc;
	}
	/* A commit that is sure to fail leaves pages in the file of which nobody may ever see a row. */
	if ((rc = write_rows(w, t, fault == FAULT_META ? HISTORY_ABORTED : 0)) != 0) {
		mdb_txn_abort(w->txn);
		return rc;
	}
	return commit(w, t, fault);
}

static int
failed(struct writer *w, int rc)
{
	if (rc != 0)
		shared_say(w->shared, "writer: %s", mdb_strerror(rc));
	return rc != 0;
}

int
writer_create(struct shared *shared, const struct mode *mode, const char *path)
{
	struct writer w = {.shared = shared, .mode = mode, .path = path, .seed = 1};
	struct mode plain = *mode;
	int rc;

	plain.gated = plain.faults = false;
	w.mode = &plain;
	if ((rc = writer_open(&w, MDB_CREATE)) == 0 && (rc = write_rows(&w, HISTORY_FIRST, 0)) == 0) {
		shared_raise(&shared->started, HISTORY_FIRST);
		rc = mdb_txn_id(w.txn) == HISTORY_FIRST ? commit(&w, HISTORY_FIRST, FAULT_NONE) : EPROTO;
	}
	mdb_env_close(w.env);
	return failed(&w, rc);
}

int
writer_run(struct shared *shared, const struct mode *mode, const char *path, uint64_t seed)
{
	struct writer w = {.shared = shared, .mode = mode, .path = path, .seed = seed};
	int rc = 0;

	while (rc == 0 && !atomic_load(&shared->stop)) {
		rc = writer_open(&w, 0);
		while (rc == 0 && !atomic_load(&shared->stop))
			rc = transact(&w);
		mdb_env_close(w.env);
		if (rc == MDB_PANIC)
			rc = 0;
	}
	return failed(&w, rc);
}
