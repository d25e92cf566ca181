#ifndef PAM_KEYACCT_OPTIONS_H
#define PAM_KEYACCT_OPTIONS_H
/*
 * The module's arguments in a PAM stack.
 */
#include <security/pam_appl.h>
#include <stdbool.h>

struct options {
	const char *dir;  /* the database; KA_DATADIR */
	const char *run;  /* the registry of live sessions; KA_RUNDIR */
	const char *tool; /* what drains last use; KA_TOOL */
	bool jobs;        /* no login over SSH, so that its being off does not count */
};

/**
 * options_parse(pamh, argc, argv, options):
 * Read the arguments. One that is not known, or no absolute path, is logged and makes the answer PAM_SERVICE_ERR: a
 * typing error must not send a login to another database. The strings stay libpam's.
 */
int options_parse(pam_handle_t *pamh, int argc, const char **argv, struct options *options);

#endif
