#ifndef KA_LOGLINE_H
#define KA_LOGLINE_H
/*
 * The one line that a login leaves in authpriv, and a session's end by the tool, as keyacct(5) documents them. libc
 * alone.
 * Thread safety: no state is kept; any number of threads.
 */
#include "common/access.h"

#define KA_LOGLINE_LEN 2560

/**
 * ka_logline(question, answer, line):
 * Write, for a grant,
 *   granted project=ID account=HANDLE role=ROLE fingerprint=SHA256:… address=ADDRESS registrations=HANDLE[,HANDLE]…
 * with the one that the person is taken for first, or for a refusal
 *   refused project=ID account=HANDLE fingerprint=SHA256:… address=ADDRESS reason=REASON
 * with "-" for what is not known. A fingerprint of zeros is not known.
 */
void ka_logline(
    const struct ka_access_question *question, const struct ka_access_answer *answer, char line[static KA_LOGLINE_LEN]);

/**
 * ka_logline_undecided(question, answer, dir, r, line):
 * Write why nothing could be decided: ${r} is what ka_access_ask answered, beside ${answer}. For LOG_ERR.
 *
 * ka_logline_trouble(r): what ${r} says of a file: "damaged", "missing or unreadable" and so on.
 */
void ka_logline_undecided(const struct ka_access_question *question, const struct ka_access_answer *answer,
    const char *dir, enum ka_result r, char line[static KA_LOGLINE_LEN]);
const char *ka_logline_trouble(enum ka_result r);

/**
 * ka_logline_ended(question, handle, session, reason, by, line):
 * Write that a session was ended, for LOG_NOTICE:
 *   ended project=ID account=HANDLE fingerprint=SHA256:… address=ADDRESS session=PID-NUMBER reason=REASON by=WHO
 * ${handle} is whom it was taken for, "" if that is not known.
 */
void ka_logline_ended(const struct ka_access_question *question, const char *handle, const char *session,
    const char *reason, const char *by, char line[static KA_LOGLINE_LEN]);

/**
 * ka_logline_priority(reason):
 * The syslog priority of that line: LOG_INFO for a grant, LOG_NOTICE for a refusal, LOG_DEBUG for strangers' keys and
 * unknown projects, which any scanner can produce without end.
 */
int ka_logline_priority(enum ka_reason reason);

#endif
