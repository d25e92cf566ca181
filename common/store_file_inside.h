#ifndef KA_STORE_FILE_INSIDE_H
#define KA_STORE_FILE_INSIDE_H
/*
 * What the two files that include <lmdb.h> share, and nobody else includes: store_file.c (a file's transaction and
 * rows) and store_file_whole.c (a file made, copied, checked, put out of the way).
 */
#include <lmdb.h>

#include "common/store_file.h"

/* The handle of LMDB's free list stands for a table that is not there: no table of ours ever has it. */
#define KA_NO_TABLE 0U

/**
 * ka_store_file_check_trust(path, err):
 * Is ${path}, and what liblmdb opens beside it, this user's alone to write, and no link? liblmdb maps both files, makes
 * the lock file where there is none, and follows links.
 * Returns KA_OK, also when there is no such file; KA_CORRUPT.
 */
enum ka_result ka_store_file_check_trust(const char *path, struct ka_error *err);

/**
 * ka_store_file_open_env(path, flags, env):
 * Open ${path} the way all our files are. Returns 0 or LMDB's error code; ${env} is NULL then.
 */
int ka_store_file_open_env(const char *path, unsigned flags, MDB_env **env);

/**
 * ka_store_file_open_tables(file, flags):
 * Find, or with MDB_CREATE make, the tables of the file's kind. Returns 0 or LMDB's error code.
 */
int ka_store_file_open_tables(struct ka_store_file *file, unsigned flags);

/**
 * ka_store_file_failed(err, rc, path):
 * The sentence for an error code of LMDB's or the system's. Returns the result that goes with it.
 */
enum ka_result ka_store_file_failed(struct ka_error *err, int rc, const char *path);

#endif
