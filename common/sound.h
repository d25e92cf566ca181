#ifndef KA_SOUND_H
#define KA_SOUND_H
/*
 * Is a file of the database sound, to the last row? LMDB maps it, so a damaged page may end the process that reads it:
 * therefore it is read in a process of its own. Root's tool alone.
 * Thread safety: none; ${dir}'s file must not be open in this process.
 */
#include <stdint.h>

#include "common/record.h"
#include "common/result.h"
#include "common/table.h"
#include "common/watch.h"

struct ka_sound {
	struct ka_error err;      /* why not */
	struct ka_meta meta;      /* the counters, as far as they could be read; all zero in usage.mdb */
	uint64_t rows[KA_TABLES]; /* how many there are in each table */
	uint64_t unread;          /* of a damaged file: that so many rows cannot be read is all that is wrong with it */
};

/**
 * ka_sound_check(dir, file, watch, sound):
 * Read all of ${dir}'s ${file}.
 * Returns KA_OK; KA_NOTFOUND: it is missing; KA_CORRUPT: it is damaged, or something else is in its place; KA_CONFLICT:
 * a newer version wrote it; KA_UNAVAIL: nobody can tell.
 */
enum ka_result ka_sound_check(const char *dir, enum ka_file file, const struct ka_watch *watch, struct ka_sound *sound);

#endif
