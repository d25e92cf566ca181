#ifndef KEYACCT_LEFTOVER_H
#define KEYACCT_LEFTOVER_H
/*
 * What a project has on this host beside its rows: a home, processes, and what starts processes later. Access that ends
 * ends none of it.
 */
#include <jansson.h>
#include <limits.h>
#include <stdbool.h>

#include "common/record.h"
#include "common/result.h"

struct leftover {
	char home[KA_HOME_LEN]; /* "" if there is no such directory, and so on */
	char crontab[PATH_MAX];
	unsigned at_jobs;
	unsigned timers; /* of the user's systemd, that start with it */
	bool lingers;    /* the user's systemd runs without a login */
	unsigned processes;
};

/**
 * leftover_find(project, left): what of it is there now. What cannot be read counts as not there.
 */
void leftover_find(const struct ka_project *project, struct leftover *left);

/**
 * leftover_runs(left): is there anything that runs, or will?
 */
bool leftover_runs(const struct leftover *left);

/**
 * leftover_json(left): as keyacct(5) has it. leftover_print(left): a line for each thing that is there.
 */
json_t *leftover_json(const struct leftover *left);
void leftover_print(const struct leftover *left);

/**
 * leftover_stop(project, err):
 * Remove the crontab, the jobs of at and the lingering, and end all processes of the project's uid: first SIGTERM,
 * then, after five seconds, SIGKILL. The home stays as it is. Returns KA_OK; KA_CONFLICT: this host does not take the
 * uid for this project's, and nothing was done; KA_FAILED.
 */
enum ka_result leftover_stop(const struct ka_project *project, struct ka_error *err);

#endif
