#ifndef KA_STORE_INSIDE_H
#define KA_STORE_INSIDE_H
/*
 * What the files of common/store share, and nobody else includes: store.c (opening, rows, changes, commit) and
 * store_create.c (an empty database). Thread safety: none, as the store.
 */
#include <stdint.h>

#include "common/store.h"
#include "common/store_file.h"

#define KA_LOCK_NAME  "private/lock"
#define KA_META_KEY   "state"
#define KA_PRUNED_KEY "pruned"

struct ka_store {
	int lock;
	struct ka_store_file access, names;
	struct ka_meta meta; /* as it will be when this transaction commits */
	uint64_t projected;  /* changes that names.mdb has */
	/* what the changes are made by */
	const char *verb;
	uint32_t actor;
	char sudo_user[KA_ACTOR_LEN];
};

/**
 * ka_store_read_meta(file, meta), ka_store_write_meta(file, meta):
 * The counters of access.mdb or names.mdb.
 * Returns KA_OK; KA_UNAVAIL; KA_CORRUPT, also when there are none.
 */
enum ka_result ka_store_read_meta(struct ka_store_file *file, struct ka_meta *meta);
enum ka_result ka_store_write_meta(struct ka_store_file *file, const struct ka_meta *meta);

/**
 * ka_store_damaged(path, r, err):
 * The sentence for a file whose counters cannot be read.
 * Returns ${r}, or KA_CORRUPT instead of KA_NOTFOUND.
 */
enum ka_result ka_store_damaged(const char *path, enum ka_result r, struct ka_error *err);

#endif
