#ifndef PAM_KEYACCT_LOGIN_H
#define PAM_KEYACCT_LOGIN_H
/*
 * One login into a project, from the account phase to the end of its session. Every function answers with a PAM code.
 */
#include <security/pam_appl.h>
#include <stdbool.h>

#include "common/access.h"
#include "pam_keyacct/options.h"

struct login {
	pam_handle_t *pamh;
	struct options options;
	bool silent; /* PAM_SILENT: say nothing to the user */
	char host[256];
	struct ka_access_question question;
	struct ka_access_answer answer;
};

/**
 * login_new(pamh, flags, argc, argv, login):
 * Begin with what every phase needs. PAM_IGNORE: the user is no project, and not ours to judge; nothing was touched.
 * Ownership: login_free gives ${login} back; login_free(NULL) is fine.
 */
int login_new(pam_handle_t *pamh, int flags, int argc, const char **argv, struct login **login);
void login_free(struct login *login);

/**
 * login_account(login): may anyone enter the project, or, when sshd names the key already, may this key?
 * login_open(login): may this key? Then enter the session into the registry and record the use.
 */
int login_account(struct login *login);
int login_open(struct login *login);

/**
 * login_close(pamh, argc, argv):
 * Take the session out of the registry. PAM_SUCCESS, also when it was not ours.
 */
int login_close(pam_handle_t *pamh, int argc, const char **argv);

#endif
