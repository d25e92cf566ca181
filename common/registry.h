#ifndef KA_REGISTRY_H
#define KA_REGISTRY_H
/*
 * The registry of live sessions (common/session) as root's tool reads it, and what has to be cleaned up in it: the
 * entries of sshd processes that were killed. Thread safety: no state is kept; any number of threads and processes.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/record.h"
#include "common/result.h"
#include "common/session.h"

struct ka_registry_entry {
	char name[KA_SESSION_NAME_LEN]; /* what the session is called: PID-NUMBER */
	uint8_t project[KA_UUID_LEN];
	uint8_t sha256[KA_SHA256_LEN];
	bool address_known;
	uint8_t address[KA_ADDRESS_LEN];
	pid_t pid; /* sshd as root, which holds the connection */
	unsigned long long start;
	int64_t since_s;
	/* whom it is taken for; zero while it is being decided, and when /run was full */
	bool identified;
	uint8_t account[KA_UUID_LEN];
	char handle[KA_HANDLE_LEN];
	enum ka_role role;
	char kept[KA_SESSION_NOTE_LEN]; /* "", or for which lack of access it is not to be ended */
};

struct ka_registry {
	struct ka_registry_entry *entries; /* the oldest first */
	size_t n;
	size_t strange; /* files that are no entries; they are left alone */
	char a_strange[KA_SESSION_NAME_LEN];
};

/**
 * ka_registry_parse(name, line, len, entry):
 * Read the one line of the file ${name}, to the letter: another order, a blank too many, a number that is out of its
 * range, another pid than the name's are errors. ${line} need not end with a NUL.
 * Returns KA_OK; KA_INVALID.
 */
enum ka_result ka_registry_parse(const char *name, const char *line, size_t len, struct ka_registry_entry *entry);

/**
 * ka_registry_read(run, registry, err):
 * The sessions that live now. Entries whose process has ended are removed, and so is what was being written when its
 * sshd was killed. No directory is no session. Ownership: ka_registry_free, also after a failure.
 * Returns KA_OK; KA_UNAVAIL: the registry cannot be read, others than root may write to it, or /proc does not show our
 * processes, so that nobody knows which sessions live.
 */
enum ka_result ka_registry_read(const char *run, struct ka_registry *registry, struct ka_error *err);
/**
 * ka_registry_keep(run, name, note):
 * Note that the session ${name} is kept, or with ${note} NULL that it is not any more. The note goes with the session.
 * Returns KA_OK; KA_UNAVAIL (errno says why).
 */
enum ka_result ka_registry_keep(const char *run, const char *name, const char *note);
void ka_registry_free(struct ka_registry *registry);

#endif
