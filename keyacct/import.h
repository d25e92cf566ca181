#ifndef KEYACCT_IMPORT_H
#define KEYACCT_IMPORT_H
/*
 * What the files of keyacct import share: import_lines.c reads lines and commits in batches, import_row.c lays one
 * object over the database, import_key.c one with a key and import_group.c one with a group, import_refer.c finds what
 * they refer to, import_name.c knows which handles are on the move, import_mirror.c removes what was not there,
 * import_unix.c reads what a host without keyacct has.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/membership.h"
#include "common/store.h"
#include "keyacct/cli.h"

/* Which rows an import has named: a digest of each one's table and key. */
struct seen {
	uint8_t (*marks)[16];
	size_t n, room;
	bool sorted;
};

/* An account that should have a handle which is another's, and the line that says so. */
struct clash {
	uint8_t id[KA_UUID_LEN];
	char handle[KA_HANDLE_LEN];
	size_t line;
	bool moves; /* it can have the handle together with others */
};

/* Handles and names of groups that are on their way from one to another. */
struct names {
	json_t *moving; /* an object, as a set: "owner", "@staff" */
	struct clash *clashes;
	size_t n;
};

struct import {
	struct ka_store *store;
	struct ka_settings settings;
	const char *origin;      /* the label of keys that the lines give none; NULL: none */
	enum ka_owner_rule rule; /* a mirror follows the platform also where a project loses its last owner */
	bool mirror;
	size_t line;
	bool told; /* whatever is wrong with this line: which row it is about is known, and marked if it is there */
	struct names names;
	struct seen seen; /* of a mirror alone */
	size_t mirrored;  /* how many tables are through with */
	struct ka_row at; /* in the one after these */
	bool ended;       /* the last line said so */
};

/* What came of one line. */
enum import_outcome { IMPORT_NOTHING, IMPORT_ADDED, IMPORT_CHANGED, IMPORT_UNCHANGED };

/**
 * import_row(im, object, outcome, err):
 * Lay one object over the database. What it refers to and cannot be found is KA_NOTFOUND, what clashes KA_CONFLICT:
 * both may be right once the lines that follow are in. Nothing has changed after KA_NOTFOUND, KA_CONFLICT and
 * KA_INVALID. Returns KA_OK; KA_NOTFOUND; KA_CONFLICT; KA_INVALID; KA_UNAVAIL; KA_CORRUPT.
 */
enum ka_result import_row(struct import *im, json_t *object, enum import_outcome *outcome, struct ka_error *err);

/**
 * import_mark(im, table, key, keylen, err):
 * This line is about that row, which is not absent then. Returns KA_OK; KA_UNAVAIL.
 *
 * import_outcome_of(im, found, changes): what a line came to, by how many changes there were before.
 */
enum ka_result import_mark(
    struct import *im, enum ka_table table, const void *key, size_t keylen, struct ka_error *err);
enum import_outcome import_outcome_of(const struct import *im, bool found, uint64_t changes);

/**
 * import_need_text(object, name, text, err), import_read_id(object, id, err):
 * A text that has to be there; the "id", zero when there is none, which no id is. Returns KA_OK; KA_INVALID.
 *
 * import_refer_account(im, text, account, err), and so on:
 * What a line refers to, by a whole id, or an account by its handle and a group by its name, with or without "@".
 * KA_NOTFOUND: it is not there yet; KA_CONFLICT: the name is on its way to another, so that nobody knows whom the line
 * means. Returns as import_row.
 */
enum ka_result import_need_text(json_t *object, const char *name, const char **text, struct ka_error *err);
enum ka_result import_read_id(json_t *object, uint8_t id[static KA_UUID_LEN], struct ka_error *err);
enum ka_result import_refer_account(
    struct import *im, const char *text, struct ka_account *account, struct ka_error *err);
enum ka_result import_refer_project(
    struct import *im, const char *text, uint8_t id[static KA_UUID_LEN], struct ka_error *err);
enum ka_result import_refer_group(struct import *im, const char *text, struct ka_group *group, struct ka_error *err);

/**
 * import_group(im, object, outcome, err), import_key_object(im, object, outcome, err):
 * Two of the types. Return as import_row.
 *
 * import_key(im, key, found, sshkey, projects, n, outcome, err):
 * Register ${sshkey} for ${key}->account with the fields of ${key}, or give them to that registration when it was
 * ${found}. It reaches exactly the ${n} ${projects} when ${key}->named. Returns as import_row.
 */
struct ka_sshkey;
enum ka_result import_group(struct import *im, json_t *object, enum import_outcome *outcome, struct ka_error *err);
enum ka_result import_key_object(struct import *im, json_t *object, enum import_outcome *outcome, struct ka_error *err);
enum ka_result import_key(struct import *im, struct ka_key *key, bool found, const struct ka_sshkey *sshkey,
    const uint8_t (*projects)[KA_UUID_LEN], size_t n, enum import_outcome *outcome, struct ka_error *err);

/**
 * import_check_uid(uid, project, err):
 * KA_CONFLICT when a user or group of this host has it, other than one with ${project}'s name: two would own the same
 * files. What lies in our own range is not asked.
 */
enum ka_result import_check_uid(uint32_t uid, const uint8_t project[static KA_UUID_LEN], struct ka_error *err);

/**
 * names_begin(names), names_free(names):
 * No handle is on the move (any more).
 *
 * names_move(names, mark, name), names_is_moving(names, mark, name):
 * A line clashed over ${name}, of a group when ${mark} is "@". Until that line is in, nobody knows whom ${name} means.
 *
 * names_clash(names, account, line):
 * ${account}, which is there, should have the handle that it has here. Returns KA_OK; KA_UNAVAIL.
 */
void names_begin(struct names *names);
void names_free(struct names *names);
void names_move(struct names *names, const char *mark, const char *name);
bool names_is_moving(const struct names *names, const char *mark, const char *name);
enum ka_result names_clash(struct names *names, const struct ka_account *account, size_t line);

/**
 * import_exchange_handles(im, err):
 * Of the clashes those can be solved in which each handle is one's who gets another: give these accounts their handles
 * together, and leave clash->moves set for them. Returns KA_OK; KA_UNAVAIL; KA_CORRUPT.
 */
enum ka_result import_exchange_handles(struct import *im, struct ka_error *err);

/**
 * seen_mark(seen, table, key, keylen), seen_has(seen, table, key, keylen), seen_free(seen):
 * seen_has sorts first; nothing is marked after it. seen_mark returns KA_OK; KA_UNAVAIL: no memory.
 */
enum ka_result seen_mark(struct seen *seen, enum ka_table table, const void *key, size_t keylen);
bool seen_has(struct seen *seen, enum ka_table table, const void *key, size_t keylen);
void seen_free(struct seen *seen);

/**
 * import_count_absent(im, absent, all), import_remove_absent(im, batch, removed, err):
 * How many rows no line named, of how many there are; and remove up to ${batch} of them, access first: keys, members,
 * groups, projects, accounts. ${removed} becomes how many: 0 when none is left. The caller commits between batches.
 * Returns KA_OK; KA_UNAVAIL; KA_CORRUPT.
 */
enum ka_result import_count_absent(struct import *im, size_t *absent, size_t *all);
enum ka_result import_remove_absent(struct import *im, size_t batch, size_t *removed, struct ka_error *err);

/**
 * import_authorized_key(im, account, line, outcome, err), import_passwd(im, owner, line, outcome, err):
 * One line of an authorized_keys file for ${account}; one line of a passwd file, for a project that ${owner} (NULL: the
 * account of the line's own name) owns. A line that holds nothing is IMPORT_NOTHING. Returns as import_row.
 */
enum ka_result import_authorized_key(struct import *im, const struct ka_account *account, const char *line,
    enum import_outcome *outcome, struct ka_error *err);
enum ka_result import_passwd(struct import *im, const struct ka_account *owner, const char *line,
    enum import_outcome *outcome, struct ka_error *err);

#endif
