#ifndef KA_STORE_INSIDE_H
#define KA_STORE_INSIDE_H
/*
 * What the files of common/store share, and nobody else includes: store.c (opening, rows, changes, commit),
 * store_names.c (the projection into names.mdb), store_create.c (an empty database) and store_mend.c (a new file in the
 * place of a lost one). Thread safety: none, as the store.
 */
#include <limits.h>
#include <stdint.h>

#include "common/store.h"
#include "common/store_file.h"

#define KA_PRUNED_KEY "pruned"

/* A file that takes the place of a lost one when it is committed. */
struct ka_store_anew {
	char place[PATH_MAX]; /* "": the file is where it belongs */
	char aside[PATH_MAX]; /* where that goes which is in its place; "": nothing is */
};

struct ka_store {
	int lock;
	char dir[PATH_MAX];
	struct ka_store_file access,
	    names; /* names is open for writing with access, for reading when it is asked for */
	struct ka_store_anew access_anew, names_anew;
	struct ka_meta meta; /* as it will be when this transaction commits */
	uint64_t projected;  /* changes that names.mdb has */
	bool follows;        /* names.mdb has been brought up to access.mdb by this store */
	uint64_t project_at; /* then the first change of a project since; 0: none */
	bool committed;      /* something is durable in access.mdb */
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

/**
 * ka_store_new(store, err): one without files. Returns KA_OK; KA_UNAVAIL.
 *
 * ka_store_catch_up(store, err):
 * Bring names.mdb up to access.mdb. Returns KA_OK; KA_UNAVAIL; KA_CORRUPT, also when names.mdb is the newer one.
 *
 * ka_store_read_pruned(store, pruned): how far the log was pruned; all zero when never. KA_OK; KA_UNAVAIL; KA_CORRUPT.
 * ka_store_write_pruned(file, last): the log begins behind the change ${last}. Returns KA_OK; KA_UNAVAIL.
 */
enum ka_result ka_store_new(struct ka_store **store, struct ka_error *err);
enum ka_result ka_store_catch_up(struct ka_store *store, struct ka_error *err);
enum ka_result ka_store_read_pruned(struct ka_store *store, struct ka_pruned *pruned);
enum ka_result ka_store_write_pruned(struct ka_store_file *file, uint64_t last);

/**
 * ka_store_directories(dir, gid, err): make the two directories, or give them their modes. KA_OK; KA_UNAVAIL.
 *
 * ka_store_fill_empty(file, arg): the counters of a database in which nothing has happened.
 */
enum ka_result ka_store_directories(const char *dir, gid_t gid, struct ka_error *err);
enum ka_result ka_store_fill_empty(struct ka_store_file *file, void *arg);

/**
 * ka_store_settle(file, anew, err): let a file that was made anew, and is committed, take its place, and open it there.
 * ka_store_drop(file, anew): close a file; one that has not taken its place is removed.
 */
enum ka_result ka_store_settle(struct ka_store_file *file, struct ka_store_anew *anew, struct ka_error *err);
void ka_store_drop(struct ka_store_file *file, const struct ka_store_anew *anew);

#endif
