#ifndef KA_RESTORE_H
#define KA_RESTORE_H
/*
 * Make the database equal to a copy of it, in one transaction: whoever reads sees what was before or what is after.
 * Root's tool alone. Thread safety: none; not while a store or a ka_usage is open in the same process.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/result.h"
#include "common/store.h"
#include "common/watch.h"

struct ka_restore {
	/* how */
	gid_t gid;    /* the group under which the helper reads a file that has to be made anew */
	bool force;   /* also when nothing tells which uids were handed out since */
	bool dry_run; /* change nothing */
	/* is it a user's of this host? NULL: nobody asks */
	enum ka_result (*check_uid)(uint32_t uid, const uint8_t project[static KA_UUID_LEN], struct ka_error *err);
	const struct ka_watch *watch;
	/* what came of it: rows of what people change, each of them a change in the log */
	uint64_t added, changed, removed;
	uint64_t tombstones;       /* projects that the copy does not have, and that are deleted now */
	struct ka_store_mend mend; /* what was wrong with the database's own files */
	struct ka_error usage;     /* why last uses were not merged in; "": they were */
};

/**
 * ka_restore_run(dir, from, restore, err):
 * Make the database in ${dir} equal to the one in ${from}, of which all is read first. The change log goes on and has
 * every difference, and the counters only go up: a project that was added after the copy was taken is deleted, so that
 * its id and its uid stay taken. Last uses are merged. Files of ${dir} that are missing or damaged are made anew.
 * Returns KA_OK; KA_NOTFOUND: there is no copy in ${from}; KA_CONFLICT: ${from} is ${dir} itself, or a copy of another
 * database, in which a uid or a project is another's; KA_BUSY; KA_UNAVAIL; KA_CORRUPT: the copy is damaged, or a newer
 * version wrote it. Nothing has changed then.
 */
enum ka_result ka_restore_run(const char *dir, const char *from, struct ka_restore *restore, struct ka_error *err);

#endif
