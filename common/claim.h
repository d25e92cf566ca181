#ifndef KA_CLAIM_H
#define KA_CLAIM_H
/*
 * Which of several commands that end a session at the same time is the one to say so: the note in the registry of why
 * it ends (common/session) is locked by it. For root's tool.
 * Thread safety: no state is kept; any number of threads and processes.
 */
#include <stdbool.h>

#include "common/result.h"

struct ka_claim {
	int fd; /* the lock; -1 */
	bool ours;
};

/**
 * ka_claim_take(run, name, note, claim):
 * Claim the end of the session ${name}, and write ${note}, which PAM reads when the session closes. It is ours unless
 * another command has it, or the session is not in the registry any more; also when nothing can be written, because to
 * say it twice is better than not at all. Ownership: ka_claim_release.
 */
void ka_claim_take(const char *run, const char *name, const char *note, struct ka_claim *claim);
void ka_claim_release(struct ka_claim *claim);

#endif
