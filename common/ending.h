#ifndef KA_ENDING_H
#define KA_ENDING_H
/*
 * Ending sessions: the connection, and every process that belongs to it, whoever has stopped it. For root's tool.
 * Thread safety: no state is kept; several that end the same session at once are all right.
 */
#include <stddef.h>

#include "common/registry.h"
#include "common/result.h"

#define KA_ENDING_STAYS 16

struct ka_ending {
	struct ka_registry_entry entry;
	uint32_t uid;                   /* the project's if it is known, or KA_PROCESS_UNSET */
	char note[KA_SESSION_NOTE_LEN]; /* why, and by whom, for the session's own record: KA_SESSION_ENDED */
	/* what came of it */
	bool ended;  /* the connection and all processes of it are gone */
	bool ours;   /* and no other command says so */
	pid_t stuck; /* otherwise: one that is not */
	pid_t
	    stays[KA_ENDING_STAYS]; /* processes of the project, or of the login, that are of no open session: it may */
	size_t nstays;              /* have started them, or somebody else, or cron; they go on. How many in all. */
};

/**
 * ka_ending_run(run, endings, n, text, unread, err):
 * End ${n} sessions at once. First everything of a session is stopped, so that nothing forks while it is looked for;
 * before that ${text}, unless it is "", is written to the terminals that sshd opened for it, and sshd alone goes on for
 * as long as it takes to send it, KA_ENDING_TELL_MS at most. Then all but the monitor is killed, and the monitor closes
 * the connection and PAM's session. One that has no user's sshd yet, or does not come to an end, is killed. Signals go
 * to processes that are known by pid and start. Other sessions of the same project are not touched. Of several endings
 * in one project the first names what stays. The entries are removed from the registry ${run}. Takes some milliseconds,
 * and KA_ENDING_MAX_MS at most. ${unread} becomes the pid of a process that nothing could be learnt about, so that it
 * may be of any session; 0: there is none. Returns KA_OK: look at each; KA_UNAVAIL: not one was ended.
 */
#define KA_ENDING_MAX_MS  10000
#define KA_ENDING_TELL_MS 500
enum ka_result ka_ending_run(
    const char *run, struct ka_ending *endings, size_t n, const char *text, pid_t *unread, struct ka_error *err);

#endif
