#ifndef KEYACCT_DOCTOR_H
#define KEYACCT_DOCTOR_H
/*
 * keyacct doctor: what its checks share. A check looks at one thing on the way that a login takes, and says what it
 * saw: one sentence, and the command that mends it. It only reads: it changes nothing and holds no lock.
 */
#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "common/access.h"
#include "common/record.h"
#include "common/result.h"
#include "keyacct/cli.h"
#include "keyacct/host_files.h"
#include "keyacct/host_sshd.h"

/* The later one is the worse. */
enum doctor_result { DOCTOR_OK, DOCTOR_SKIPPED, DOCTOR_WARNING, DOCTOR_FAILURE, DOCTOR_RESULTS };

/* What sshd's Match User has for the names of projects. */
#define DOCTOR_PATTERN "????????????????????????????????"

struct doctor {
	const struct cli *cli;
	const char *dir;
	char *tool; /* a command of ours begins so: "keyacct", with --dir for another database than the host's */
	bool root;  /* nothing is hidden */
	const char *access; /* its path in ${dir}, and names.mdb's */
	const char *names;
	/* the project that would log in */
	bool asked;                  /* it was named */
	char user[KA_UUID_NAME_LEN]; /* HOST_SSHD_NOBODY: there is none */
	bool has_project, has_name;  /* whether access.mdb and names.mdb have it */
	struct ka_project project;
	enum ka_reason closed; /* why nobody enters it, whatever the key; KA_REASON_GRANTED: it is open */
	struct ka_name name;
	/* what sshd is configured to do for it; NULL: it does not say */
	char *sshd;
	enum ka_result sshd_result;
	struct ka_error sshd_err;
	/* the output */
	const struct doctor_check *check;
	json_t *lines, *line;
	unsigned said; /* by this check */
	unsigned counts[DOCTOR_RESULTS];
};

struct doctor_check {
	const char *name;
	void (*look)(struct doctor *d);
	const void *about; /* where several checks have one look: the check's own */
};

/* The checks, one table in each file, in the order of a login. */
extern const struct doctor_check doctor_name_checks[], doctor_sshd_checks[], doctor_keyword_checks[],
    doctor_helper_checks[], doctor_file_checks[], doctor_busy_checks[], doctor_pam_checks[], doctor_project_checks[],
    doctor_uid_checks[], doctor_host_checks[];

/**
 * doctor_ok(d, format, ...), doctor_skip, doctor_warn, doctor_fail:
 * What the check saw. doctor_ok says nothing when the check has said something worse before.
 *
 * doctor_mend(d, format, ...):
 * The command that mends what was said last, a shell's, as it is to be run. One that cannot be shown to the letter,
 * because a file's text in it has control characters or the like, is not: the sentence says so then.
 */
void doctor_ok(struct doctor *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
void doctor_skip(struct doctor *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
void doctor_warn(struct doctor *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
void doctor_fail(struct doctor *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
void doctor_mend(struct doctor *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

/**
 * doctor_needs_root(d): skip the check unless root runs it. Returns false when it was skipped.
 */
bool doctor_needs_root(struct doctor *d);

/**
 * doctor_find_project(d, text, err):
 * Find the project that ${text} names by its id or the beginning of it, or, when that is NULL, the first one that can
 * be entered. Returns KA_OK, also when there is none at all; KA_NOTFOUND, KA_INVALID and KA_CONFLICT are about ${text}.
 */
enum ka_result doctor_find_project(struct doctor *d, const char *text, struct ka_error *err);

/**
 * doctor_find_uid(d, first, last, name):
 * The first project of names.mdb with a uid from ${first} to ${last}.
 * Returns KA_OK; KA_NOTFOUND; KA_BUSY; KA_UNAVAIL; KA_CORRUPT.
 */
enum ka_result doctor_find_uid(struct doctor *d, uint32_t first, uint32_t last, struct ka_name *name);

/* Tools */

/**
 * doctor_read(path): the text of a file. Ownership: free it. NULL: errno says why.
 */
char *doctor_read(const char *path);

/**
 * doctor_next_line(at, line, size):
 * The next line of a text, cut to ${size}, and step ${at} behind it. Returns false at the end.
 */
bool doctor_next_line(const char **at, char *line, size_t size);

/**
 * doctor_quote(text): ${text} as one word of a shell's command.
 * doctor_pattern(text): as what fits it alone, in a basic regular expression between slashes.
 * Ownership: nothing to free; each stays for the next five calls of the two.
 */
const char *doctor_quote(const char *text);
const char *doctor_pattern(const char *text);

/**
 * doctor_find_unsafe(path, part, st):
 * The first part of the real ${path}, from the root on, that somebody else than root can replace: it is not root's, or
 * its group or others may write to it. That is how sshd judges the programs it runs. Returns KA_OK: there is none;
 * KA_CONFLICT: it is ${part}; KA_UNAVAIL: errno says why it is not there.
 */
enum ka_result doctor_find_unsafe(const char *path, char part[static PATH_MAX], struct stat *st);

/**
 * doctor_must_be_roots(d, path, what):
 * Fail, with the mending, unless ${path} is there and nobody but root can replace it. Returns whether that is so.
 */
bool doctor_must_be_roots(struct doctor *d, const char *path, const char *what);

/**
 * doctor_load(library, symbol, ask, path, err):
 * Load a module as its host would, in a process of its own, and see that it has ${symbol}; then ${ask}(function) (NULL:
 * nothing) says whether it works. ${path} is the file that it was. Returns KA_OK; KA_UNAVAIL: it cannot be loaded;
 * KA_FAILED: ${ask} says no.
 */
enum ka_result doctor_load(const char *library, const char *symbol, bool (*ask)(void *function),
    char path[static PATH_MAX], struct ka_error *err);

/**
 * doctor_reinstall(package): the command that brings back the files of a package, as they were installed here.
 */
const char *doctor_reinstall(const char *package);

/**
 * doctor_is_readable(table):
 * Changes and key blobs may be longer than what the view reads: only 'keyacct check' reads them.
 */
bool doctor_is_readable(enum ka_table table);

/**
 * doctor_try_file(d, file): read the first row of each table. Returns as ka_view_read, KA_OK when there are none.
 */
enum ka_result doctor_try_file(const struct doctor *d, enum ka_file file);

/**
 * doctor_anew(d, file):
 * The command that makes a damaged or missing file of the database anew. access.mdb comes out of the newest backup,
 * which grants again what was revoked since; while it can be read, names.mdb is made out of it, and usage.mdb begins
 * anew.
 */
const char *doctor_anew(const struct doctor *d, enum ka_file file);

/* Where something stands in sshd's configuration. */
struct doctor_place {
	char path[PATH_MAX];
	unsigned line;
	char value[1024]; /* what stands behind the keyword there */
	bool in_match;    /* in a Match block, rather than for everybody */
};

/**
 * doctor_find_keyword(keyword, value, place):
 * The first line of /etc/ssh/sshd_config, and of what it includes, that sets ${keyword}, and has ${value} (NULL:
 * anything) in it, outside the drop-in of ours. Returns false when there is none.
 */
bool doctor_find_keyword(const char *keyword, const char *value, struct doctor_place *place);

/**
 * doctor_reads_drop_in(): does sshd's configuration include the drop-in of ours?
 */
bool doctor_reads_drop_in(void);

/**
 * doctor_look_reloaded(d): the check that the sshd that runs has read its configuration as it is now.
 */
void doctor_look_reloaded(struct doctor *d);

#define DOCTOR_RELOAD "systemctl reload ssh"

#endif
