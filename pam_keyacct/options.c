#include "pam_keyacct/options.h"

#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <stddef.h>
#include <string.h>
#include <syslog.h>

static const struct {
	const char *name;
	size_t offset;
} known[] = {
    {"dir=", offsetof(struct options, dir)},
    {"run=", offsetof(struct options, run)},
    {"tool=", offsetof(struct options, tool)},
};

static int
parse_one(const char *arg, struct options *options)
{
	if (strcmp(arg, "jobs") == 0) {
		options->jobs = true;
		return PAM_SUCCESS;
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t len = strlen(known[i].name);

		if (strncmp(arg, known[i].name, len) != 0 || arg[len] != '/')
			continue;
		arg += len;
		memcpy((char *)options + known[i].offset, &arg, sizeof(arg));
		return PAM_SUCCESS;
	}
	return PAM_SERVICE_ERR;
}

int
options_parse(pam_handle_t *pamh, int argc, const char **argv, struct options *options)
{
	options->dir = KA_DATADIR;
	options->run = KA_RUNDIR;
	options->tool = KA_TOOL;
	options->jobs = false;
	for (int i = 0; i < argc; i++)
		if (parse_one(argv[i], options) != PAM_SUCCESS) {
			pam_syslog(pamh, LOG_ERR,
			    "\"%s\" is no argument of this module: jobs, and dir=, run= and tool= with an absolute "
			    "path are",
			    argv[i]);
			return PAM_SERVICE_ERR;
		}
	return PAM_SUCCESS;
}
