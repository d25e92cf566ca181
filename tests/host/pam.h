#ifndef TESTS_HOST_PAM_H
#define TESTS_HOST_PAM_H
/*
 * One login through the real libpam and the installed module, service "keyacct-host": account pam_keyacct, session
 * pam_keyacct and nothing else.
 */
#include <security/pam_appl.h>
#include <stdlib.h>
#include <string.h>

#define SERVICE "keyacct-host"

static inline int
pam_talk(int n, const struct pam_message **messages, struct pam_response **answers, void *arg)
{
	(void)messages;
	(void)arg;
	*answers = calloc((size_t)n, sizeof(**answers));
	return *answers != NULL ? PAM_SUCCESS : PAM_BUF_ERR;
}

/* ${key} is what sshd says in SSH_AUTH_INFO_0; NULL: nothing yet. */
static inline int
pam_begin(const char *user, const char *key, pam_handle_t **pamh)
{
	static const struct pam_conv conv = {.conv = pam_talk};
	int rc;

	if ((rc = pam_start(SERVICE, user, &conv, pamh)) != PAM_SUCCESS)
		return rc;
	if (key != NULL)
		rc = pam_putenv(*pamh, key);
	if (rc == PAM_SUCCESS)
		rc = pam_putenv(*pamh, "SSH_CONNECTION=192.0.2.1 50000 192.0.2.2 22");
	return rc;
}

#endif
