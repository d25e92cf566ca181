/*
 * What libpam calls. The work is in login.c.
 */
#include <security/pam_modules.h>

#include "pam_keyacct/login.h"

int
pam_sm_acct_mgmt(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	struct login *login;
	int rc = login_new(pamh, flags, argc, argv, &login);

	if (rc == PAM_SUCCESS)
		rc = login_account(login);
	login_free(login);
	return rc;
}

int
pam_sm_open_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	struct login *login;
	int rc = login_new(pamh, flags, argc, argv, &login);

	if (rc == PAM_SUCCESS)
		rc = login_open(login);
	login_free(login);
	return rc;
}

int
pam_sm_close_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)flags;
	return login_close(pamh, argc, argv);
}
