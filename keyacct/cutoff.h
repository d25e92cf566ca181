#ifndef KEYACCT_CUTOFF_H
#define KEYACCT_CUTOFF_H
/*
 * Cutting off sessions: those that nothing allows any more, by the decision that a login takes, and those that an
 * administrator names.
 */
#include <jansson.h>

#include "common/ending.h"
#include "keyacct/cli.h"

#define CUTOFF_BY_HAND "session-end" /* the reason of those that are named */

#define CUTOFF_BY_LEN 64

struct cutoff {
	struct ka_ending *endings;
	const char **reasons; /* as keyacct(5) has them */
	size_t n;
	char by[CUTOFF_BY_LEN];  /* who is at the keyboard */
	size_t undecided;        /* sessions that the database told nothing about */
	char text[KA_GRACE_LEN]; /* for their terminals */
	pid_t unread; /* a process that may be of any of them, and could not be looked at; 0: there is none */
};

/**
 * cutoff_find(cli, cutoff, err):
 * Which sessions have no access any more. One that cannot be decided is not one of them, nor is one that is kept: with
 * --keep-sessions, all of them are from now on, until a login would be refused for another reason.
 *
 * cutoff_name(cli, registry, cutoff, err):
 * All of ${registry}, because an administrator says so.
 *
 * Both end nobody yet. Ownership: cutoff_free, also after a failure.
 * Returns KA_OK; KA_UNAVAIL; KA_FAILED.
 */
enum ka_result cutoff_find(const struct cli *cli, struct cutoff *cutoff, struct ka_error *err);
enum ka_result cutoff_name(
    const struct cli *cli, const struct ka_registry *registry, struct cutoff *cutoff, struct ka_error *err);
void cutoff_free(struct cutoff *cutoff);

/**
 * cutoff_end(cli, cutoff, err): end them, and log each end that no other command has logged.
 * Returns KA_OK, also when some are not gone; KA_UNAVAIL: not one was ended.
 */
enum ka_result cutoff_end(const struct cli *cli, struct cutoff *cutoff, struct ka_error *err);

/**
 * cutoff_show(cli, cutoff, done):
 * Say who was cut off, or with ${done} false who would be: a line each, or one array with --json. What did not end is
 * a warning. Returns CLI_DONE; CLI_OTHER when something did not end, or could not be looked at.
 */
enum cli_status cutoff_show(const struct cli *cli, const struct cutoff *cutoff, bool done);

/**
 * cutoff_is_in_service(cli):
 * Is this command's database the one that let in the sessions of its registry: the host's own, unless --run says so?
 * Another one, a copy say, would allow none of them.
 */
bool cutoff_is_in_service(const struct cli *cli);

/**
 * cutoff_after_change(cli), cutoff_report(cli):
 * After a change was committed, end what it left without access, unless --keep-sessions is given; and, once the command
 * has said its own, say whom: a line each, or, because standard output has one object, a line
 *   {"ended":{...}}
 * each on standard error with --json. The change stands, whatever comes of it.
 */
void cutoff_after_change(const struct cli *cli);
void cutoff_report(const struct cli *cli);

#endif
