#ifndef KA_BACKUP_H
#define KA_BACKUP_H
/*
 * A copy of the whole database, taken while logins and changes go on. Root's tool alone.
 * Thread safety: none; not while a store or a ka_usage is open in the same process.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/record.h"
#include "common/result.h"
#include "common/watch.h"

struct ka_backup {
	uint64_t bytes;           /* of the files */
	uint64_t rows[KA_TABLES]; /* of each table of access.mdb */
	uint64_t changes;         /* the last change that is in it */
	struct ka_error drain;    /* why the latest uses may be missing in it; "": they are not */
	struct ka_error usage;    /* why no last uses are in it; "": they are */
};

/**
 * ka_backup_write(dir, to, compact, watch, backup, err):
 * Copy the database in ${dir} to ${to}, which must be missing or an empty directory, and is then root's alone and laid
 * out as ${dir} is. What is in the copy is one state of the database; every row of it has been read back. It appears
 * whole or not at all: until then it is called ${to}.partial. ${compact} leaves unused pages out. No writer is held up
 * for longer than it takes to write a page. Returns KA_OK; KA_CONFLICT: ${to} is there and not empty; KA_INVALID: it is
 * no name for a copy; KA_BUSY: another backup writes it; KA_UNAVAIL; KA_CORRUPT.
 */
enum ka_result ka_backup_write(const char *dir, const char *to, bool compact, const struct ka_watch *watch,
    struct ka_backup *backup, struct ka_error *err);

#endif
