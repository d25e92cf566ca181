#ifndef KA_SPOOL_H
#define KA_SPOOL_H
/*
 * Where a login leaves the note that a key was used: appended to private/usage.spool, taken into usage.mdb later by the
 * tool (common/usage). An append waits for nobody and nothing. libc alone: it runs inside sshd.
 * Thread safety: no state is kept; any number of threads and processes.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/address.h"
#include "common/fingerprint.h"
#include "common/result.h"
#include "common/uuid.h"

#define KA_SPOOL_NAME       "private/usage.spool"
#define KA_SPOOL_LOCK       "private/usage.lock" /* held by whoever drains */
#define KA_SPOOL_MAGIC      "kaUSE\x01\r\n"
#define KA_SPOOL_RECORD_LEN 112

struct ka_spool_use {
	int64_t at_s;
	uint8_t project[KA_UUID_LEN];
	uint8_t account[KA_UUID_LEN];
	uint8_t sha256[KA_SHA256_LEN];
	uint8_t address[KA_ADDRESS_LEN]; /* all zero: not known */
	bool first; /* of the records of one login: it counts for the project, each of them for its registration */
};

/**
 * ka_spool_append(dir, uses, n):
 * Append ${n} uses, at most KA_REGISTRATIONS_MAX, in one write. It is not synced: what the kernel has not written yet
 * is lost with the power. Returns KA_OK; KA_UNAVAIL (errno says why): nothing, or an incomplete record that draining
 * steps over, was written; KA_BUSY: the file was replaced faster than it could be opened; errno is EAGAIN.
 */
enum ka_result ka_spool_append(const char *dir, const struct ka_spool_use *uses, size_t n);

/**
 * ka_spool_wants_drain(dir):
 * Is there so much in the spool that it should be drained, and nobody doing it? A stale answer does no harm.
 */
bool ka_spool_wants_drain(const char *dir);

/**
 * ka_spool_decode(bytes, use):
 * Read one record.
 * Returns KA_OK; KA_CORRUPT: no record begins here.
 */
enum ka_result ka_spool_decode(const uint8_t bytes[static KA_SPOOL_RECORD_LEN], struct ka_spool_use *use);

#endif
