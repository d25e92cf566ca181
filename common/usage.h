#ifndef KA_USAGE_H
#define KA_USAGE_H
/*
 * Last use, per key registration and per project: usage.mdb, and the draining of the spool into it. Root's tool alone.
 * Thread safety: none; not while a ka_usage is open in the same process.
 */
#include <stdint.h>

#include "common/record.h"
#include "common/result.h"

/**
 * ka_usage_create(dir, err):
 * Make an empty ${dir}/private/usage.mdb, 0600.
 * Returns KA_OK; KA_UNAVAIL.
 */
enum ka_result ka_usage_create(const char *dir, struct ka_error *err);

/**
 * ka_usage_drain(dir, err):
 * Take everything that logins have appended so far into usage.mdb. Each record counts exactly once, whenever and
 * however often a drain is killed; one torn by a crash is stepped over. Returns KA_OK; KA_BUSY (another drain or a
 * stopped login held on for KA_USAGE_WAIT_S: what it holds follows later); KA_UNAVAIL; KA_CORRUPT.
 */
#define KA_USAGE_WAIT_S 2
enum ka_result ka_usage_drain(const char *dir, struct ka_error *err);

/**
 * ka_usage_merge(dir, from, err):
 * Take over what ${from}/private/usage.mdb has counted and ${dir}'s has not: the higher count and the later use stand.
 * A damaged file of ${dir}'s is put aside, and a new one made. Returns KA_OK; KA_NOTFOUND: ${from} has none; KA_BUSY;
 * KA_UNAVAIL; KA_CORRUPT.
 */
enum ka_result ka_usage_merge(const char *dir, const char *from, struct ka_error *err);

/**
 * ka_usage_mend(dir, err):
 * Put a damaged file aside, and begin a new one in the place of one that is damaged or lost. Returns KA_OK; KA_BUSY;
 * KA_UNAVAIL.
 */
enum ka_result ka_usage_mend(const char *dir, struct ka_error *err);

/**
 * ka_usage_open(dir, usage, err), ka_usage_close(usage):
 * Open usage.mdb for reading, on one snapshot. ka_usage_close(NULL) is fine.
 * Returns KA_OK; KA_UNAVAIL; KA_CORRUPT.
 */
struct ka_usage;
enum ka_result ka_usage_open(const char *dir, struct ka_usage **usage, struct ka_error *err);
void ka_usage_close(struct ka_usage *usage);

/**
 * ka_usage_of_key(usage, sha256, account, use), ka_usage_of_project(usage, project, use):
 * The last use. Never used: ${use} is all zero and the answer KA_OK.
 * Returns KA_OK; KA_UNAVAIL; KA_CORRUPT.
 */
enum ka_result ka_usage_of_key(struct ka_usage *usage, const uint8_t sha256[static KA_SHA256_LEN],
    const uint8_t account[static KA_UUID_LEN], struct ka_use *use);
enum ka_result ka_usage_of_project(
    struct ka_usage *usage, const uint8_t project[static KA_UUID_LEN], struct ka_use *use);

#endif
