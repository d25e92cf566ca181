#ifndef KEYACCT_IMPORT_RUN_H
#define KEYACCT_IMPORT_RUN_H
/*
 * One run of keyacct import: import.c says what is imported and what came of it, import_lines.c takes the lines.
 */
#include <sys/types.h>

#include "keyacct/import.h"
#include "keyacct/lines.h"
#include "keyacct/progress.h"

/* A line that is kept: it may be right once others are in. */
struct kept {
	size_t line;
	char *text;
	bool told;  /* as im->told */
	bool moved; /* its account has got its handle already, together with others */
};

struct counts {
	size_t added, changed, unchanged, removed;
};

struct run {
	const struct cli *cli;
	bool dry;
	struct import im;
	struct lines in;
	const char *name;
	off_t size; /* 0: a pipe's is not known */
	struct ka_account account;
	struct kept *kept;
	size_t nkept, kept_bytes, uncommitted;
	struct counts done, committed;
	size_t refused, untold; /* untold: nobody knows what they are about */
	json_t *refusals;
	struct progress progress;
};

/* Lines, or rows to remove, that are committed together. */
#define IMPORT_BATCH 20000U

/**
 * run_commit(run, err): end the batch. A dry run commits nothing, and counts all the same.
 *
 * run_read(run, err):
 * Take the lines as they come; those that cannot be taken yet are kept. The database is opened, and locked, when the
 * first one is there: whoever makes the lines may think for a while.
 *
 * run_retry(run, err):
 * Take the kept ones again and again, as long as that makes more of them right.
 *
 * run_refuse_kept(run, err): the same a last time; what is still wrong is refused.
 *
 * run_count_untold(run): of how many lines, refused or kept, nobody knows what they are about.
 *
 * run_open(run, err): the database, unless it is open already.
 *
 * Return KA_OK, whatever is wrong with single lines; KA_NOTFOUND (--account); KA_BUSY; KA_UNAVAIL; KA_CORRUPT;
 * KA_FAILED.
 */
enum ka_result run_open(struct run *run, struct ka_error *err);
enum ka_result run_commit(struct run *run, struct ka_error *err);
enum ka_result run_read(struct run *run, struct ka_error *err);
enum ka_result run_retry(struct run *run, struct ka_error *err);
enum ka_result run_refuse_kept(struct run *run, struct ka_error *err);
size_t run_count_untold(const struct run *run);
void run_free_kept(struct run *run);

#endif
