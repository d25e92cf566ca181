#ifndef KA_STORE_H
#define KA_STORE_H
/*
 * The database as its only writer sees it: three LMDB files in one directory, their locks, transactions and rows, the
 * change log, and the projection of access.mdb into names.mdb. What may change, and when, is common/model's business.
 * Only root's tool uses this: liblmdb never runs in a module or in the helper.
 * Thread safety: none; one store at a time in a process (LMDB loses its locks when one file is opened twice).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/record.h"
#include "common/result.h"
#include "common/watch.h"

struct ka_store;
struct ka_store_value; /* common/store_file.h */

/**
 * ka_store_create(dir, gid, err):
 * Make an empty database in ${dir}, which is created when it is missing: names.mdb 0644, private/ 0750 and
 * private/access.mdb 0640 with group ${gid}, private/usage.mdb 0600. Each file appears whole or not at all.
 * Returns KA_OK; KA_CONFLICT (there is one already, or names.mdb is left of one); KA_INVALID (${dir} is too long);
 * KA_BUSY; KA_UNAVAIL; KA_CORRUPT.
 */
enum ka_result ka_store_create(const char *dir, gid_t gid, struct ka_error *err);

/**
 * ka_store_open(dir, write, store, err):
 * Open the database and begin a transaction. For writing, first wait up to KA_STORE_WAIT_S for another writer, and
 * close the gap that a writer killed between its two commits left in names.mdb. Ownership: ka_store_close gives
 * everything back and drops what was not committed; ka_store_close(NULL) is fine. Returns KA_OK; KA_BUSY (another
 * writer holds the lock: ${err} names it); KA_UNAVAIL; KA_CORRUPT (damaged, or names.mdb is newer than access.mdb).
 */
#define KA_STORE_WAIT_S 10
#define KA_STORE_LOCK   "private/lock" /* held by whoever writes */
enum ka_result ka_store_open(const char *dir, bool write, struct ka_store **store, struct ka_error *err);
void ka_store_close(struct ka_store *store);

/**
 * ka_store_open_mended(dir, gid, force, watch, store, mend, err):
 * As ka_store_open for writing, also where files are missing, damaged, or do not belong together: a new file is written
 * in the place of each such one, and takes that place when the store is committed; without a commit, nothing is
 * changed. What was there is kept beside it. A new names.mdb is the projection of access.mdb. A new access.mdb has the
 * counters of names.mdb and a deleted project for each that names.mdb knows, so that no id and no uid comes twice.
 * Where neither can be read, both are empty, and only ${force} allows that. ${mend} says what is wrong. Returns as
 * ka_store_open.
 */
struct ka_store_mend {
	struct ka_error access, names; /* "": nothing */
};
enum ka_result ka_store_open_mended(const char *dir, gid_t gid, bool force, const struct ka_watch *watch,
    struct ka_store **store, struct ka_store_mend *mend, struct ka_error *err);

/**
 * ka_store_commit(store, err):
 * Make what was written durable, access.mdb first, then names.mdb, and begin the next transaction.
 * Returns KA_OK; KA_UNAVAIL; KA_CORRUPT. When only names.mdb could not be written, ${err} says that the change itself
 * is recorded.
 */
enum ka_result ka_store_commit(struct ka_store *store, struct ka_error *err);

/**
 * ka_store_has_committed(store):
 * Has any commit made its changes durable, whatever it returned about names.mdb? No for NULL.
 */
bool ka_store_has_committed(const struct ka_store *store);

/**
 * ka_store_get(store, table, key, keylen, row), ka_store_next(store, table, prefix, prefixlen, row):
 * As ka_view_get and ka_view_next, inside the store's transaction. Not for KA_TABLE_BLOB and KA_TABLE_CHANGE.
 * Returns KA_OK; KA_NOTFOUND; KA_UNAVAIL; KA_CORRUPT.
 *
 * ka_store_seek_value(store, table, key, keylen, value): as ka_store_seek, for these two as well.
 */
enum ka_result ka_store_get(
    struct ka_store *store, enum ka_table table, const void *key, size_t keylen, struct ka_row *row);
enum ka_result ka_store_seek(
    struct ka_store *store, enum ka_table table, const void *key, size_t keylen, struct ka_row *row);
enum ka_result ka_store_seek_value(
    struct ka_store *store, enum ka_table table, const void *key, size_t keylen, struct ka_store_value *value);
enum ka_result ka_store_next(
    struct ka_store *store, enum ka_table table, const void *prefix, size_t prefixlen, struct ka_row *row);

/**
 * ka_store_put(store, table, key, keylen, payload, len), ka_store_remove(store, table, key, keylen):
 * Write or remove one row of access.mdb, of an index or of KA_TABLE_BLOB. Removing what is not there is fine.
 * Returns KA_OK; KA_INVALID (it does not fit a page); KA_UNAVAIL.
 */
enum ka_result ka_store_put(
    struct ka_store *store, enum ka_table table, const void *key, size_t keylen, const void *payload, size_t len);
enum ka_result ka_store_remove(struct ka_store *store, enum ka_table table, const void *key, size_t keylen);

/**
 * ka_store_get_blob(store, sha256, blob, bloblen):
 * Read a key itself: ${bloblen} holds the room in ${blob} and then its length.
 * Returns KA_OK; KA_NOTFOUND; KA_UNAVAIL; KA_CORRUPT.
 */
enum ka_result ka_store_get_blob(
    struct ka_store *store, const uint8_t sha256[static KA_SHA256_LEN], uint8_t *blob, size_t *bloblen);

/**
 * ka_store_change(store, table, key, keylen, payload, len):
 * Write one row of a table that people change, or remove it when ${payload} is NULL, and append what it was and what it
 * is to the change log, in the same transaction. Nothing happens when it is so already. Indexes, which follow from such
 * rows, are written by ka_store_put and ka_store_remove. What is projected into names.mdb is what the log names, so a
 * project is never written in another way. Returns KA_OK; KA_INVALID (it does not fit a page); KA_UNAVAIL; KA_CORRUPT.
 */
enum ka_result ka_store_change(
    struct ka_store *store, enum ka_table table, const void *key, size_t keylen, const void *payload, size_t len);

/**
 * ka_store_begin_command(store, verb):
 * What the changes from here on are made by: "project add". ${verb} is the caller's, and stays as long as the store.
 */
void ka_store_begin_command(struct ka_store *store, const char *verb);

/**
 * ka_store_get_change(store, seq, change), ka_store_changes(store, first, last):
 * One entry of the change log, and which there are: ${first}..${last}, none when ${last} < ${first}.
 * Returns KA_OK; KA_NOTFOUND; KA_UNAVAIL; KA_CORRUPT.
 *
 * ka_store_prune_changes(store, pruned):
 * Keep no change up to and with ${pruned}->last, of those that were committed; that this was done is a change itself,
 * with the next number. Nothing happens when none is left to remove. Returns KA_OK; KA_UNAVAIL; KA_CORRUPT.
 */
enum ka_result ka_store_get_change(struct ka_store *store, uint64_t seq, struct ka_change *change);
enum ka_result ka_store_changes(struct ka_store *store, uint64_t *first, uint64_t *last);
enum ka_result ka_store_prune_changes(struct ka_store *store, const struct ka_pruned *pruned);

/**
 * ka_store_settings(store, settings):
 * The settings, or the defaults when none was ever set.
 * Returns KA_OK; KA_UNAVAIL; KA_CORRUPT.
 */
enum ka_result ka_store_settings(struct ka_store *store, struct ka_settings *settings);

/**
 * ka_store_next_uid(store, uid):
 * Take the next uid out of the range. None is ever handed out twice, not even after a restore of one of the two files.
 * Returns KA_OK; KA_CONFLICT (the range is used up); KA_UNAVAIL; KA_CORRUPT.
 */
enum ka_result ka_store_next_uid(struct ka_store *store, uint32_t *uid);

/**
 * ka_store_uid_counter(store), ka_store_raise_uid_counter(store, uid):
 * The uid that will be handed out next, and letting it begin at ${uid}, never at a lower one than before.
 * Returns KA_OK; KA_INVALID: no counter can be ${uid}.
 */
uint32_t ka_store_uid_counter(const struct ka_store *store);
enum ka_result ka_store_raise_uid_counter(struct ka_store *store, uint32_t uid);

/**
 * ka_store_check_name(store, project), ka_store_project_again(store, project):
 * Does names.mdb say of ${project} what follows from it? KA_OK; KA_NOTFOUND, KA_CONFLICT and KA_CORRUPT: no;
 * KA_UNAVAIL. And: let the commit write it there again.
 */
enum ka_result ka_store_check_name(struct ka_store *store, const struct ka_project *project);
enum ka_result ka_store_project_again(struct ka_store *store, const uint8_t project[static KA_UUID_LEN]);

/**
 * ka_store_next_in_names(store, table, row):
 * Step through a table of names.mdb: the first row when ${row}->keylen is 0, else the one after ${row}.
 * Returns as ka_store_next.
 *
 * ka_store_tombstone(name, project):
 * What is left of a project of which nothing but ${name}, a row of KA_TABLE_NAME, is known: its id and uid stay taken.
 * Returns KA_OK; KA_CORRUPT: the row cannot be read.
 */
enum ka_result ka_store_next_in_names(struct ka_store *store, enum ka_table table, struct ka_row *row);
enum ka_result ka_store_tombstone(const struct ka_row *name, struct ka_project *project);

/**
 * ka_store_count_changes(store):
 * How many changes there have been, those of the open transaction included.
 */
uint64_t ka_store_count_changes(const struct ka_store *store);

/**
 * ka_store_fail(store, r, err):
 * As ka_store_file_fail, for access.mdb.
 */
enum ka_result ka_store_fail(const struct ka_store *store, enum ka_result r, struct ka_error *err);

#endif
