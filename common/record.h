#ifndef KA_RECORD_H
#define KA_RECORD_H
/*
 * The rows of the database: which tables there are, how their keys are laid out, and how a row becomes bytes and back.
 * A stored value is a version byte, a checksum over table, key and payload, and the payload. libc alone.
 * Thread safety: no state is kept; any number of threads.
 *
 * The version byte: its low four bits are incompatible, and a reader that does not know their value answers KA_CORRUPT;
 * its high four are compatible, and readers ignore those that they do not know. What is added to a payload goes at its
 * end, where an older reader ignores it. A table that is added is not looked at by older readers, and is empty to newer
 * ones until the tool has written to the file (ka_table_is_later). Modules of older versions stay mapped in
 * running processes for months, so almost every change has to be a compatible one.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/fingerprint.h"
#include "common/policy.h"
#include "common/result.h"
#include "common/table.h"
#include "common/uuid.h"

/* Sizes of strings, NUL included. A key registration with all of them full still fits half a 4 KiB page of LMDB. */
#define KA_HANDLE_LEN 65
#define KA_TITLE_LEN  256
#define KA_EMAIL_LEN  256
#define KA_HOME_LEN   512
#define KA_SHELL_LEN  256
#define KA_TYPE_LEN   48
#define KA_TAGS_LEN   256
#define KA_NOTE_LEN   384
#define KA_ORIGIN_LEN 64
#define KA_HOSTS_LEN  256
#define KA_FROM_LEN   384
#define KA_VERB_LEN   48
#define KA_ACTOR_LEN  33 /* LOGIN_NAME_MAX of useradd(8) */
#define KA_TYPES_LEN  256
#define KA_GRACE_LEN  256

#define KA_CHANGE_MAX (2 * KA_RECORD_MAX + 256) /* bytes of a stored change: two rows, and what happened to them */

/* How many accounts may register one key, and in how many groups one account may be: they bound what a login may cost.
 */
#define KA_REGISTRATIONS_MAX 32
#define KA_GROUPS_MAX        64

/* uids: handed out from one range; adopted ones may come from outside, never a system's or a special one. */
#define KA_UID_FIRST 1879048192U /* 0x70000000 */
#define KA_UID_LAST  2147352575U /* 0x7ffdffff */

enum ka_project_state { KA_PROJECT_ACTIVE = 1, KA_PROJECT_ARCHIVED, KA_PROJECT_DELETED };
enum ka_account_state { KA_ACCOUNT_ACTIVE = 1, KA_ACCOUNT_SUSPENDED };
enum ka_key_state { KA_KEY_ACTIVE = 1, KA_KEY_INACTIVE };
enum ka_role { KA_ROLE_COLLABORATOR = 1, KA_ROLE_OWNER }; /* a higher role counts more */

struct ka_project {
	uint8_t id[KA_UUID_LEN];
	enum ka_project_state state;
	bool ssh;
	uint32_t policy; /* common/policy.h */
	uint32_t uid;    /* and gid */
	int64_t created_s;
	char title[KA_TITLE_LEN];
	char home[KA_HOME_LEN];
	char shell[KA_SHELL_LEN];
};

struct ka_account {
	uint8_t id[KA_UUID_LEN];
	enum ka_account_state state;
	int64_t created_s;
	char handle[KA_HANDLE_LEN];
	char name[KA_TITLE_LEN];
	char email[KA_EMAIL_LEN];
};

struct ka_member {
	uint8_t project[KA_UUID_LEN];
	enum ka_subject kind;
	uint8_t subject[KA_UUID_LEN];
	enum ka_role role;
	int64_t created_s, not_before_s, expires_s;
};

struct ka_key {
	uint8_t sha256[KA_SHA256_LEN];
	uint8_t account[KA_UUID_LEN];
	enum ka_key_state state;
	bool named; /* reaches only the projects in KA_TABLE_REACH; otherwise all of its account's */
	uint32_t bits;
	int64_t created_s, not_before_s, expires_s;
	uint8_t md5[KA_MD5_LEN];
	char type[KA_TYPE_LEN];
	char title[KA_TITLE_LEN];
	char tags[KA_TAGS_LEN]; /* separated by commas */
	char note[KA_NOTE_LEN];
	char origin[KA_ORIGIN_LEN];
	char hosts[KA_HOSTS_LEN]; /* host names, separated by commas; "" means every host */
	char from[KA_FROM_LEN];   /* addresses and CIDR blocks, separated by commas; "" means everywhere */
};

struct ka_group {
	uint8_t id[KA_UUID_LEN];
	int64_t created_s;
	char name[KA_HANDLE_LEN]; /* as a handle */
};

/* What an administrator decides for all keys and projects. A field that is not set has the value of an empty database.
 */
enum ka_security_keys {
	KA_SECURITY_KEYS_OPTIONAL = 1, /* any type */
	KA_SECURITY_KEYS_REQUIRED,     /* only sk- types */
	KA_SECURITY_KEYS_VERIFIED,     /* and their holder is verified, by PIN or biometrics, at each use */
};
struct ka_settings {
	char host[KA_TITLE_LEN];      /* this host's name for the limits of keys and for people; "": as uname says */
	char key_types[KA_TYPES_LEN]; /* those that may be used, separated by commas; "": all that are known */
	uint32_t rsa_bits_min;
	enum ka_security_keys security_keys;
	bool git_author; /* sessions are told GIT_AUTHOR_NAME and GIT_AUTHOR_EMAIL */
	/* new projects */
	char homes[KA_HOME_LEN]; /* where their homes are */
	char shell[KA_SHELL_LEN];
	uint32_t policy;
	char grace_text[KA_GRACE_LEN]; /* for the terminals of a session that is ended; "": none */
};

struct ka_name {
	uint8_t id[KA_UUID_LEN];
	bool deleted;
	uint32_t uid;
	char home[KA_HOME_LEN];
	char shell[KA_SHELL_LEN];
};

struct ka_meta {
	uint64_t changes;  /* access: changes so far; names: how many of them are projected */
	uint32_t uid_next; /* never lowered */
};

/*
 * One row that changed, as the change log keeps it: the row itself before and after, so that nothing of it is lost. A
 * row that was not there before, or is not there after, has a keylen of 0.
 */
struct ka_change {
	uint64_t seq;
	int64_t at_s;
	uint32_t actor;               /* the uid of the administrator: the login uid if there is one */
	char sudo_user[KA_ACTOR_LEN]; /* who called sudo, or "" */
	enum ka_table table;
	char verb[KA_VERB_LEN]; /* the command: "project add" */
	struct ka_row before, after;
};

/* How far the change log was pruned. */
struct ka_pruned {
	uint64_t last;    /* the last entry that is not kept */
	int64_t before_s; /* what was removed is older */
};

struct ka_use {
	int64_t at_s;
	uint64_t count;
	uint8_t project[KA_UUID_LEN];
	uint8_t address[16]; /* IPv6, or IPv4 as ::ffff:a.b.c.d; all zero if it is not known */
};

/**
 * ka_record_default_settings(settings): those of an empty database.
 */
void ka_record_default_settings(struct ka_settings *settings);

/**
 * ka_record_uid_ok(uid):
 * Can ${uid} belong to a project? Never root's, a system user's (< 1000), one of systemd's dynamic or nobody's ranges
 * (60001..65535), or above KA_UID_LAST. Checked when a uid is written and again whenever one is read.
 */
bool ka_record_uid_ok(uint32_t uid);

/**
 * ka_record_path_ok(path):
 * Can ${path} stand in a passwd entry: absolute, no colon, no control character?
 */
bool ka_record_path_ok(const char *path);

/**
 * ka_record_handle_ok(handle):
 * [a-z0-9][a-z0-9._@+-]{0,63} and nothing that reads as an id or its prefix ([0-9a-f-]{8,}).
 */
bool ka_record_handle_ok(const char *handle);

/**
 * ka_record_seal(table, key, keylen, payload, len, out, outlen, n):
 * Make the stored value of ${payload} in ${out} (room for ${outlen}) and set ${n} to its length.
 * Returns KA_OK; KA_INVALID when it does not fit.
 */
enum ka_result ka_record_seal(enum ka_table table, const void *key, size_t keylen, const void *payload, size_t len,
    uint8_t *out, size_t outlen, size_t *n);

/**
 * ka_record_unseal(table, key, keylen, value, len, payload, n):
 * Check the stored ${value} of ${len} bytes and point ${payload} (inside ${value}) at its ${n} bytes. It proves that
 * the row was written so once; that it is the current one is the snapshot's business. Returns KA_OK; KA_CORRUPT:
 * unknown version, wrong checksum, too short.
 */
enum ka_result ka_record_unseal(enum ka_table table, const void *key, size_t keylen, const uint8_t *value, size_t len,
    const uint8_t **payload, size_t *n);

/**
 * ka_record_put_X(x, payload, n), ka_record_get_X(payload, len, x):
 * Write the fields that are not in the key to ${payload} (KA_RECORD_MAX bytes), or read them back. What belongs to the
 * key (ids, fingerprint, sequence) is zero after get, and the caller's to fill in. Both check every field.
 * put returns KA_OK; KA_INVALID: a field is out of its range or too long. get returns KA_OK; KA_CORRUPT.
 */
enum ka_result ka_record_put_project(const struct ka_project *project, uint8_t *payload, size_t *n);
enum ka_result ka_record_get_project(const uint8_t *payload, size_t len, struct ka_project *project);
enum ka_result ka_record_put_account(const struct ka_account *account, uint8_t *payload, size_t *n);
enum ka_result ka_record_get_account(const uint8_t *payload, size_t len, struct ka_account *account);
enum ka_result ka_record_put_member(const struct ka_member *member, uint8_t *payload, size_t *n);
enum ka_result ka_record_get_member(const uint8_t *payload, size_t len, struct ka_member *member);
enum ka_result ka_record_put_group(const struct ka_group *group, uint8_t *payload, size_t *n);
enum ka_result ka_record_get_group(const uint8_t *payload, size_t len, struct ka_group *group);
enum ka_result ka_record_put_key(const struct ka_key *key, uint8_t *payload, size_t *n);
enum ka_result ka_record_get_key(const uint8_t *payload, size_t len, struct ka_key *key);
enum ka_result ka_record_put_name(const struct ka_name *name, uint8_t *payload, size_t *n);
enum ka_result ka_record_get_name(const uint8_t *payload, size_t len, struct ka_name *name);
enum ka_result ka_record_put_meta(const struct ka_meta *meta, uint8_t *payload, size_t *n);
enum ka_result ka_record_get_meta(const uint8_t *payload, size_t len, struct ka_meta *meta);
enum ka_result ka_record_put_settings(const struct ka_settings *settings, uint8_t *payload, size_t *n);
enum ka_result ka_record_get_settings(const uint8_t *payload, size_t len, struct ka_settings *settings);
enum ka_result ka_record_put_pruned(const struct ka_pruned *pruned, uint8_t *payload, size_t *n);
enum ka_result ka_record_get_pruned(const uint8_t *payload, size_t len, struct ka_pruned *pruned);
/* The payload of a change may have KA_CHANGE_MAX bytes; it is never in a struct ka_row. */
enum ka_result ka_record_put_change(const struct ka_change *change, uint8_t *payload, size_t *n);
enum ka_result ka_record_get_change(const uint8_t *payload, size_t len, struct ka_change *change);
enum ka_result ka_record_put_use(const struct ka_use *use, uint8_t *payload, size_t *n);
enum ka_result ka_record_get_use(const uint8_t *payload, size_t len, struct ka_use *use);

/**
 * ka_record_row_project(row, project), and so on:
 * A whole row: what is in its key as well as what is in its payload.
 * Returns KA_OK; KA_CORRUPT, also when the key has another length than this table's.
 */
enum ka_result ka_record_row_project(const struct ka_row *row, struct ka_project *project);
enum ka_result ka_record_row_account(const struct ka_row *row, struct ka_account *account);
enum ka_result ka_record_row_group(const struct ka_row *row, struct ka_group *group);
enum ka_result ka_record_row_member(const struct ka_row *row, struct ka_member *member);
enum ka_result ka_record_row_key(const struct ka_row *row, struct ka_key *key);

/**
 * ka_record_checksum(sum, bytes, len):
 * 64-bit FNV-1a over ${bytes}, continued from ${sum} (KA_CHECKSUM_START at first). Against damage, not against forgery:
 * whoever can write the file needs no forged checksum. A change of any one byte always changes it.
 */
#define KA_CHECKSUM_START 14695981039346656037ULL
uint64_t ka_record_checksum(uint64_t sum, const void *bytes, size_t len);

#endif
