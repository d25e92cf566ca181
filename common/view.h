#ifndef KA_VIEW_H
#define KA_VIEW_H
/*
 * Read an LMDB file without locks, from any process, whatever a writer is doing: no mapping, no state between calls,
 * nothing that blocks or is blocked. libc alone: this runs inside every process of the host.
 * Thread safety: no state is kept; any number of threads.
 *
 * What makes it sound: the pages of snapshot S are first overwritten by transaction S+3, which starts only after the
 * meta page of S+2 is written. So if, after a walk, no meta page is newer than S+1 and the one that the walk started
 * from is unchanged, then every page that was read belonged to S (LMDB 0.9.24 mdb.c, mdb_page_alloc: oldest = W-1, and
 * the loop over the free list). Otherwise the walk is done again. The meta page itself is whole only if, when it was
 * read, the other one was older: S+2 writes over it, and a write that fails leaves its old number with new roots
 * (mdb_env_write_meta).
 */
#include <stddef.h>
#include <stdint.h>

#include "common/record.h"
#include "common/result.h"

struct ka_view;

/**
 * ka_view_read(path, walk, arg):
 * Call ${walk}(view, ${arg}) on one snapshot of the file ${path} and return what it returned. All that it reads belongs
 * to that snapshot. When a writer overran it, ${walk} is called again, on a fresh one: it must start from scratch each
 * time and must not act on what it read before ka_view_read has returned. Returns ${walk}'s answer; KA_BUSY (a writer
 * outran every retry); KA_UNAVAIL (cannot open or read, no memory); KA_CORRUPT (not an LMDB file that this version can
 * read); KA_INVALID (another user's, or others can write it). errno is not preserved.
 */
enum ka_result ka_view_read(const char *path, enum ka_result (*walk)(struct ka_view *, void *), void *arg);

/**
 * ka_view_get(view, table, key, keylen, row):
 * Read the row under ${key} (1..KA_KEY_MAX bytes).
 * Returns KA_OK; KA_NOTFOUND; KA_UNAVAIL; KA_CORRUPT, also when the file has no such table.
 */
enum ka_result ka_view_get(
    struct ka_view *view, enum ka_table table, const void *key, size_t keylen, struct ka_row *row);

/**
 * ka_view_seek(view, table, key, keylen, row):
 * Read the first row whose key is ${key} or comes after it. To go on, seek from the row's key with a zero byte added.
 * Returns as ka_view_get; KA_NOTFOUND at the end of the table.
 */
enum ka_result ka_view_seek(
    struct ka_view *view, enum ka_table table, const void *key, size_t keylen, struct ka_row *row);

/**
 * ka_view_next(view, table, prefix, prefixlen, row):
 * Step through the rows whose key begins with ${prefix}: the first one when ${row}->keylen is 0, else the one after
 * ${row}. Returns as ka_view_get; KA_NOTFOUND after the last one.
 */
enum ka_result ka_view_next(
    struct ka_view *view, enum ka_table table, const void *prefix, size_t prefixlen, struct ka_row *row);

#endif
