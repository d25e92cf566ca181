#ifndef KA_SESSION_H
#define KA_SESSION_H
/*
 * The registry of live sessions: one file for each, under /run/keyacct/sessions, which only root reads. A login enters
 * itself before it is decided, so that whoever takes access away and then looks here misses nobody. libc alone.
 * Thread safety: no state is kept; any number of threads and processes.
 */
#include <limits.h>
#include <stdint.h>

#include "common/access.h"
#include "common/result.h"

#define KA_SESSION_NAME_LEN 64
#define KA_SESSION_LINE_LEN 768

/**
 * ka_session_enter(run, question, name):
 * Enter the session of this process for ${question}'s project, key and address. The directories are made when they are
 * missing. The entry appears whole or not at all; ${name} becomes its name.
 * An entry is one line: project=ID fingerprint=SHA256:… address=ADDRESS pid=PID start=TICKS since=SECONDS
 * where TICKS is the process's start as /proc/PID/stat has it, so that a pid used again is not mistaken for it.
 * Returns KA_OK; KA_UNAVAIL (errno says why).
 */
enum ka_result ka_session_enter(
    const char *run, const struct ka_access_question *question, char name[static KA_SESSION_NAME_LEN]);

/**
 * ka_session_identify(run, name, question, registration):
 * Write into the entry, behind what it says already, whom the session is taken for:
 *  account=ID handle=HANDLE role=ROLE
 * The entry is replaced as a whole. Returns KA_OK; KA_UNAVAIL (errno says why): it says what it did before.
 */
enum ka_result ka_session_identify(const char *run, const char *name, const struct ka_access_question *question,
    const struct ka_access_registration *registration);

/**
 * ka_session_leave(run, name):
 * Remove the entry, and then what root's tool noted about it. One that is gone already is fine.
 * Returns KA_OK; KA_UNAVAIL (errno says why).
 */
enum ka_result ka_session_leave(const char *run, const char *name);

/*
 * What root's tool notes about a session, each in a file beside its entry, which is called NAME.WORD and has one line.
 */
#define KA_SESSION_ENDED "ended" /* why it is being ended, and by whom: "reason=REASON by=WHO" */
#define KA_SESSION_KEPT \
	"kept" /* without access, but not to be ended for that: "reason=REASON project=REASON lacks=SUM" */
#define KA_SESSION_NOTE_LEN 128

/**
 * ka_session_note_path(run, name, word, path): where that is. Returns KA_OK; KA_UNAVAIL: the path is too long.
 *
 * ka_session_read_note(run, name, word, text):
 * Read it, without the line's end. Returns KA_OK; KA_NOTFOUND; KA_UNAVAIL: there is something else.
 */
enum ka_result ka_session_note_path(const char *run, const char *name, const char *word, char path[static PATH_MAX]);
enum ka_result ka_session_read_note(
    const char *run, const char *name, const char *word, char text[static KA_SESSION_NOTE_LEN]);

#endif
