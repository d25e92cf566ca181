#ifndef KEYACCT_CLI_H
#define KEYACCT_CLI_H
/*
 * What the subcommands of keyacct share: a table of verbs, their options, and how results and failures are shown to
 * people and to scripts.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/result.h"
#include "common/store.h"
#include "common/time.h"

#define CLI_VALUES_MAX 64

enum cli_status {
	CLI_DONE = 0,
	CLI_REFUSED = 1,
	CLI_USAGE = 2,
	CLI_NOTFOUND = 3,
	CLI_CONFLICT = 4,
	CLI_UNAVAIL = 5,
	CLI_OTHER = 6,
};

struct cli_option {
	const char *name;  /* without the hyphens; NULL ends a table */
	const char *value; /* what its value is called in help; NULL: it takes none. DIR and FILE are taken to the
			      letter, no other may have a control character in it */
	const char *help;
	bool many; /* may be given more than once */
};

struct cli;

enum cli_access {
	CLI_KEEPS_ACCESS = 1,
	CLI_CHANGES_ACCESS, /* it may take some away, and ends the sessions of that: see keyacct/command */
};

struct cli_verb {
	const char *noun; /* "project"; NULL ends a table */
	const char *verb; /* "list"; NULL: the noun alone is the command */
	const char *args; /* "PROJECT [ACCOUNT]" */
	int min, max;     /* how many of them */
	const struct cli_option *options;
	const char *help;    /* one sentence */
	const char *example; /* one command line */
	enum cli_access access;
	enum cli_status (*run)(struct cli *cli);
};

struct cli {
	const char *dir;
	bool json;
	const struct cli_verb *verb;
	int nargs;
	char **args;
	struct {
		const char *name, *value;
	} values[CLI_VALUES_MAX];
	size_t nvalues;
};

/* The tables of verbs, one in each noun's file. */
extern const struct cli_verb account_verbs[], audit_verbs[], authorized_keys_verbs[], backup_verbs[], changes_verbs[],
    check_verbs[], config_verbs[], doctor_verbs[], drain_verbs[], explain_verbs[], export_verbs[], group_verbs[],
    import_verbs[], init_verbs[], key_verbs[], member_verbs[], project_verbs[], restore_verbs[], session_verbs[],
    setup_verbs[], ssh_config_verbs[], sweep_verbs[], who_verbs[];

/**
 * cli_parse(cli, argc, argv):
 * Sort the words after the verb into options and arguments.
 * Returns CLI_DONE; CLI_USAGE after saying why.
 */
enum cli_status cli_parse(struct cli *cli, int argc, char **argv);

/**
 * cli_value(cli, name, nth):
 * The value of the ${nth} (0: the first) use of an option; "" for one without a value; NULL: not given so often.
 */
const char *cli_value(const struct cli *cli, const char *name, size_t nth);

/**
 * cli_given(cli, options): is any option of that table given?
 */
bool cli_given(const struct cli *cli, const struct cli_option *options);

/**
 * cli_text(cli, name, out, outlen, err), cli_time(cli, name, at_s, err):
 * The value of an option as clean text that fits, or as a time; ${out} and ${at_s} stay as they are when it is not
 * given. Returns KA_OK; KA_INVALID.
 */
enum ka_result cli_text(const struct cli *cli, const char *name, char *out, size_t outlen, struct ka_error *err);
enum ka_result cli_time(const struct cli *cli, const char *name, int64_t *at_s, struct ka_error *err);

/**
 * cli_path(cli, name, out, outlen, err): the value of an option as a path, to the letter.
 * cli_id(text, id, err): a whole UUID that is to become an id.
 * Returns KA_OK; KA_INVALID.
 */
enum ka_result cli_path(const struct cli *cli, const char *name, char *out, size_t outlen, struct ka_error *err);
enum ka_result cli_id(const char *text, uint8_t id[static KA_UUID_LEN], struct ka_error *err);

/**
 * cli_usage(verb, stream): the help of one command.
 */
void cli_usage(const struct cli_verb *verb, FILE *stream);

/**
 * cli_fail(cli, r, err):
 * Say what went wrong on standard error, as JSON with --json. KA_INVALID is a usage error.
 * Returns the exit status that goes with ${r}.
 */
enum cli_status cli_fail(const struct cli *cli, enum ka_result r, const struct ka_error *err);

/**
 * cli_warn(cli, text): say on standard error what does not keep the command from succeeding.
 */
void cli_warn(const struct cli *cli, const char *text);

/**
 * cli_status_of(r): the exit status that goes with ${r}.
 */
enum cli_status cli_status_of(enum ka_result r);

/**
 * cli_open_with_usage(cli, store, usage, err):
 * Open for reading with the last uses up to date. That some of them are held up is a warning, not a failure.
 * Ownership: the caller closes both, also after a failure.
 */
struct ka_usage;
enum ka_result cli_open_with_usage(
    const struct cli *cli, struct ka_store **store, struct ka_usage **usage, struct ka_error *err);

/**
 * cli_limit(cli, name, at_s, err): as cli_time, and "never" for 0.
 * cli_end(cli, name, at_s, err): the same for a time that must not have passed.
 */
enum ka_result cli_limit(const struct cli *cli, const char *name, int64_t *at_s, struct ka_error *err);
enum ka_result cli_end(const struct cli *cli, const char *name, int64_t *at_s, struct ka_error *err);

/**
 * cli_group(gid, err):
 * The group under which sshd's helper reads the database.
 * Returns KA_OK; KA_NOTFOUND: the host has none.
 */
enum ka_result cli_group(gid_t *gid, struct ka_error *err);

/**
 * cli_run(cli):
 * Where the registry of live sessions is: --run, or /run/keyacct.
 */
const char *cli_run(const struct cli *cli);

/**
 * cli_host(cli, store, host):
 * The host name to show in "ssh PROJECT@HOST": --host, or the setting, or what uname says. Ownership: nothing to free;
 * it stays until the next call. Returns KA_OK; KA_UNAVAIL; KA_CORRUPT, without a sentence.
 */
enum ka_result cli_host(const struct cli *cli, struct ka_store *store, const char **host);

/**
 * cli_is_shell(shell): is it a program on this host, to sshd, which refuses the user otherwise?
 * cli_check_shell(cli, shell): warn when it is none.
 */
bool cli_is_shell(const char *shell);
void cli_check_shell(const struct cli *cli, const char *shell);

#endif
