#ifndef KEYACCT_SETUP_TRY_H
#define KEYACCT_SETUP_TRY_H
/*
 * Does a host let projects in, keep out who belongs out, and leave everybody else as they were? Looked at before setup
 * changes anything, and after it.
 */
#include "common/result.h"

#define SETUP_SERVICES 3

/* What PAM says of root's account, by service; -1 where the host has no such service. */
struct setup_pam {
	int answer[SETUP_SERVICES];
};

/**
 * setup_try_before(dir, err):
 * What has to hold whether we are there or not: settings of sshd, our system user, and no local user that would be
 * taken for a project which ${dir}'s database does not have. Returns KA_OK; KA_CONFLICT; KA_NOTFOUND; KA_FAILED.
 */
enum ka_result setup_try_before(const char *dir, struct ka_error *err);

/**
 * setup_try_pam(answers): ask PAM about root.
 */
void setup_try_pam(struct setup_pam *answers);

/**
 * setup_try_after(drop_in, before, err):
 * Does sshd go by every setting of our ${drop_in} (NULL: out of service), does PAM answer as ${before}, and is root
 * still found? Returns as setup_try_before.
 */
enum ka_result setup_try_after(const char *drop_in, const struct setup_pam *before, struct ka_error *err);

#endif
