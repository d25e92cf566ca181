#ifndef KA_STORE_FILE_H
#define KA_STORE_FILE_H
/*
 * One LMDB file of ours: opened, created, read and written the way all of them are. What belongs together in several
 * files is common/store's business. Only common/store and common/usage use this. Thread safety: none; one file once in
 * a process (LMDB loses its locks when a file is opened twice).
 */
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/record.h"
#include "common/result.h"

/* Address space, not disk: far beyond what any host's projects need, so that no administrator ever meets the limit. */
#define KA_STORE_MAP_SIZE ((size_t)1 << 38)

struct MDB_env;
struct MDB_txn;

/* A row inside a file: ${payload} is good until the transaction writes or ends. */
struct ka_store_value {
	uint8_t key[KA_KEY_MAX];
	size_t keylen;
	const uint8_t *payload;
	size_t len;
};

struct ka_store_file {
	char path[PATH_MAX];
	enum ka_file kind;
	bool write;
	int failed; /* LMDB's last error code, or 0 */
	struct MDB_env *env;
	struct MDB_txn *txn;     /* NULL between a commit and the next begin */
	unsigned dbi[KA_TABLES]; /* 0 is LMDB's own: a table that an older file does not have */
};

/**
 * ka_store_file_path(dir, name, path, err):
 * Put "${dir}/${name}" into ${path}.
 * Returns KA_OK; KA_INVALID: too long.
 */
enum ka_result ka_store_file_path(const char *dir, const char *name, char path[static PATH_MAX], struct ka_error *err);

/**
 * ka_store_file_sync_directory(path, err):
 * Make what was created, renamed and removed in the directory durable.
 * Returns KA_OK; KA_UNAVAIL.
 */
enum ka_result ka_store_file_sync_directory(const char *path, struct ka_error *err);

/**
 * ka_store_file_create(path, kind, gid, fill, arg, err):
 * Make a file of ${kind} with empty tables, and what ${fill}(file, ${arg}) (NULL: nothing) puts into them. It appears
 * whole, with its mode and its group (${gid} if the helper reads it, otherwise root's), or not at all; one that is
 * there is replaced. Returns KA_OK; KA_UNAVAIL.
 */
enum ka_result ka_store_file_create(const char *path, enum ka_file kind, gid_t gid,
    enum ka_result (*fill)(struct ka_store_file *, void *), void *arg, struct ka_error *err);

/**
 * ka_store_file_copy(from, to, compact, tell, arg, err):
 * Copy the file as it is now to ${to}, which must not be there, with its mode and group, and sync it. ${from} must not
 * be open in this process. ${tell}(${arg}, bytes, fixed) is called every few milliseconds: how many bytes are written,
 * and whether it is fixed what the rest of them will be. Until then, unless it is ${compact}, the copy waits for a
 * transaction that is open and keeps others from beginning: the caller sees to it that there is none that never ends.
 * Returns KA_OK; KA_UNAVAIL; KA_CORRUPT. ${to} is there only after KA_OK.
 */
enum ka_result ka_store_file_copy(const char *from, const char *to, bool compact, void (*tell)(void *, uint64_t, bool),
    void *arg, struct ka_error *err);

/**
 * ka_store_file_verify(file, rows, unread, tell, arg, err):
 * Read all of it: each row's checksum, the order of the keys, whether a look-up finds each, and whether there are as
 * many rows as the table says. ${rows} is how many there are in each table, ${unread} how many of all of them cannot be
 * read, when nothing else is wrong; ${tell}(${arg}, done, total) is called now and then. Returns KA_OK; KA_CORRUPT;
 * KA_CONFLICT: there is a table that this version does not know; KA_UNAVAIL.
 */
enum ka_result ka_store_file_verify(struct ka_store_file *file, uint64_t rows[static KA_TABLES], uint64_t *unread,
    void (*tell)(void *, uint64_t, uint64_t), void *arg, struct ka_error *err);

/**
 * ka_store_file_aside(path, aside, err):
 * A free name beside ${path}, for keeping what is damaged.
 * Returns KA_OK; KA_UNAVAIL.
 *
 * ka_store_file_replace(from, path, aside, err):
 * Let the closed file ${from} take the place of ${path}, which goes to ${aside} ("": there is none).
 * Returns KA_OK; KA_UNAVAIL.
 */
enum ka_result ka_store_file_aside(const char *path, char aside[static PATH_MAX], struct ka_error *err);
enum ka_result ka_store_file_replace(const char *from, const char *path, const char *aside, struct ka_error *err);

/**
 * ka_store_file_open(path, kind, write, file, err):
 * Open the file, begin a transaction and find its tables.
 * Ownership: ka_store_file_close drops what was not committed; it is fine on a file that is all zero or failed to open.
 * Returns KA_OK; KA_UNAVAIL; KA_CORRUPT.
 */
enum ka_result ka_store_file_open(
    const char *path, enum ka_file kind, bool write, struct ka_store_file *file, struct ka_error *err);
void ka_store_file_close(struct ka_store_file *file);

/**
 * ka_store_file_begin(file, err), ka_store_file_commit(file, err):
 * Begin the next transaction unless one is open; make what was written durable.
 * Returns KA_OK; KA_UNAVAIL; KA_CORRUPT.
 */
enum ka_result ka_store_file_begin(struct ka_store_file *file, struct ka_error *err);
enum ka_result ka_store_file_commit(struct ka_store_file *file, struct ka_error *err);

/**
 * ka_store_file_value(file, table, key, keylen, payload, n):
 * Point ${payload} at the row's bytes inside the file: good until the transaction writes or ends.
 * Returns KA_OK; KA_NOTFOUND; KA_UNAVAIL; KA_CORRUPT.
 */
enum ka_result ka_store_file_value(struct ka_store_file *file, enum ka_table table, const void *key, size_t keylen,
    const uint8_t **payload, size_t *n);

/**
 * ka_store_file_fail(file, r, err):
 * The sentence for a row that could not be read or written although it should, for callers that have no better one. A
 * KA_NOTFOUND is damage then.
 * Returns ${r}, or KA_CORRUPT instead of KA_NOTFOUND.
 */
enum ka_result ka_store_file_fail(const struct ka_store_file *file, enum ka_result r, struct ka_error *err);

/**
 * ka_store_file_seek_value(file, table, key, keylen, value):
 * As ka_store_file_seek, without copying the payload: for every table, also those with longer rows.
 *
 * ka_store_file_get, _seek, _next: as ka_view_get, ka_view_seek and ka_view_next, inside the transaction.
 * ka_store_file_put, _remove: write or remove one row; removing what is not there is fine. KA_INVALID: it does not fit.
 */
enum ka_result ka_store_file_seek_value(
    struct ka_store_file *file, enum ka_table table, const void *key, size_t keylen, struct ka_store_value *value);
enum ka_result ka_store_file_get(
    struct ka_store_file *file, enum ka_table table, const void *key, size_t keylen, struct ka_row *row);
enum ka_result ka_store_file_seek(
    struct ka_store_file *file, enum ka_table table, const void *key, size_t keylen, struct ka_row *row);
enum ka_result ka_store_file_next(
    struct ka_store_file *file, enum ka_table table, const void *prefix, size_t prefixlen, struct ka_row *row);
enum ka_result ka_store_file_put(
    struct ka_store_file *file, enum ka_table table, const void *key, size_t keylen, const void *payload, size_t len);
enum ka_result ka_store_file_remove(struct ka_store_file *file, enum ka_table table, const void *key, size_t keylen);

#endif
