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
 * ones until the tool has written to the file (ka_record_table_is_later). Modules of older versions stay mapped in
 * running processes for months, so almost every change has to be a compatible one.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/fingerprint.h"
#include "common/result.h"
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

#define KA_KEY_MAX    64   /* bytes of a table key: fingerprint, account, project */
#define KA_RECORD_MAX 1966 /* bytes of a stored value: 2,038 of a 4 KiB page less node header and key, LMDB 0.9.24 */

/* How many accounts may register one key, and in how many groups one account may be: they bound what a login may cost.
 */
#define KA_REGISTRATIONS_MAX 32
#define KA_GROUPS_MAX        64

/* uids: handed out from one range; adopted ones may come from outside, never a system's or a special one. */
#define KA_UID_FIRST 1879048192U /* 0x70000000 */
#define KA_UID_LAST  2147352575U /* 0x7ffdffff */

/* The change log stores these numbers: a new table comes last. */
enum ka_table {
	/* access.mdb */
	KA_TABLE_PROJECT,   /* project                       -> struct ka_project */
	KA_TABLE_UID,       /* uid (4 bytes)                 -> project */
	KA_TABLE_ACCOUNT,   /* account                       -> struct ka_account */
	KA_TABLE_HANDLE,    /* handle                        -> account */
	KA_TABLE_MEMBER,    /* project, kind, subject        -> struct ka_member */
	KA_TABLE_MEMBER_OF, /* kind, subject, project        -> nothing */
	KA_TABLE_KEY,       /* fingerprint, account          -> struct ka_key */
	KA_TABLE_KEY_OF,    /* account, fingerprint          -> nothing */
	KA_TABLE_REACH,     /* fingerprint, account, project -> nothing */
	KA_TABLE_BLOB,      /* fingerprint                   -> the key itself, for the tool alone */
	KA_TABLE_CHANGE,    /* sequence number (8 bytes)     -> struct ka_change */
	/* access.mdb and names.mdb */
	KA_TABLE_META, /* "state" -> struct ka_meta */
	/* names.mdb */
	KA_TABLE_NAME,     /* project       -> struct ka_name */
	KA_TABLE_NAME_UID, /* uid (4 bytes) -> project */
	/* usage.mdb */
	KA_TABLE_KEY_USE,     /* fingerprint, account -> struct ka_use */
	KA_TABLE_PROJECT_USE, /* project              -> struct ka_use */
	KA_TABLE_DRAINED,     /* "spool"              -> number of the last spool that is in here */
	/* access.mdb again */
	KA_TABLE_GROUP,        /* group          -> struct ka_group */
	KA_TABLE_GROUP_NAME,   /* name           -> group */
	KA_TABLE_GROUP_MEMBER, /* group, account -> nothing */
	KA_TABLE_GROUP_OF,     /* account, group -> nothing */
	KA_TABLES
};

enum ka_project_state { KA_PROJECT_ACTIVE = 1, KA_PROJECT_ARCHIVED, KA_PROJECT_DELETED };
enum ka_account_state { KA_ACCOUNT_ACTIVE = 1, KA_ACCOUNT_SUSPENDED };
enum ka_key_state { KA_KEY_ACTIVE = 1, KA_KEY_INACTIVE };
enum ka_role { KA_ROLE_COLLABORATOR = 1, KA_ROLE_OWNER }; /* a higher role counts more */
enum ka_subject { KA_SUBJECT_ACCOUNT = 'a', KA_SUBJECT_GROUP = 'g' };

#define KA_POLICY_AGENT 1U /* agent forwarding is allowed */

struct ka_project {
	uint8_t id[KA_UUID_LEN];
	enum ka_project_state state;
	bool ssh;
	uint32_t policy; /* KA_POLICY_* */
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

struct ka_change {
	uint64_t seq;
	int64_t at_s;
	uint32_t actor; /* the uid of the administrator: the login uid if there is one */
	enum ka_table table;
	uint8_t id[KA_UUID_LEN]; /* the project or the account */
	char verb[KA_VERB_LEN];  /* "project add" */
	char detail[KA_TITLE_LEN];
};

struct ka_use {
	int64_t at_s;
	uint64_t count;
	uint8_t project[KA_UUID_LEN];
	uint8_t address[16]; /* IPv6, or IPv4 as ::ffff:a.b.c.d; all zero if it is not known */
};

/* One row: its key and its payload. Both are copies; nothing points into a file. */
struct ka_row {
	uint8_t key[KA_KEY_MAX];
	size_t keylen;
	uint8_t payload[KA_RECORD_MAX];
	size_t len;
};

/* Keys of more than one part. */
#define KA_MEMBER_KEY_LEN (KA_UUID_LEN + 1 + KA_UUID_LEN)
#define KA_KEY_KEY_LEN    (KA_SHA256_LEN + KA_UUID_LEN)
#define KA_PAIR_KEY_LEN   (KA_UUID_LEN + KA_UUID_LEN)
#define KA_REACH_KEY_LEN  (KA_SHA256_LEN + KA_UUID_LEN + KA_UUID_LEN)

/**
 * ka_record_table_name(table):
 * The name of ${table} in the file. It changes when its rows change so that an older reader would misread them.
 */
const char *ka_record_table_name(enum ka_table table);

/**
 * ka_record_table_is_later(table):
 * Was ${table} added after the first version, so that a file without it is an older one and the table empty?
 */
bool ka_record_table_is_later(enum ka_table table);

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
 * ka_record_after(row, prefix, prefixlen, from), ka_record_begins(row, prefix, prefixlen):
 * Stepping through the rows whose key begins with ${prefix}: where the next one is looked for, which is behind ${row},
 * or at the prefix itself when ${row}->keylen is 0; and whether what was found is still one of them. Returns the length
 * of ${from}.
 */
size_t ka_record_after(
    const struct ka_row *row, const void *prefix, size_t prefixlen, uint8_t from[static KA_KEY_MAX + 1]);
bool ka_record_begins(const struct ka_row *row, const void *prefix, size_t prefixlen);

/**
 * ka_record_member_key(project, kind, subject, key), ka_record_member_of_key(project, kind, subject, key):
 * The keys of KA_TABLE_MEMBER and KA_TABLE_MEMBER_OF.
 */
void ka_record_member_key(const uint8_t project[static KA_UUID_LEN], enum ka_subject kind,
    const uint8_t subject[static KA_UUID_LEN], uint8_t key[static KA_MEMBER_KEY_LEN]);
void ka_record_member_of_key(const uint8_t project[static KA_UUID_LEN], enum ka_subject kind,
    const uint8_t subject[static KA_UUID_LEN], uint8_t key[static KA_MEMBER_KEY_LEN]);

/**
 * ka_record_key_key(sha256, account, key), ka_record_key_of_key(sha256, account, key),
 * ka_record_reach_key(sha256, account, project, key):
 * The keys of KA_TABLE_KEY and KA_TABLE_KEY_USE, KA_TABLE_KEY_OF, and KA_TABLE_REACH.
 */
void ka_record_key_key(const uint8_t sha256[static KA_SHA256_LEN], const uint8_t account[static KA_UUID_LEN],
    uint8_t key[static KA_KEY_KEY_LEN]);
void ka_record_key_of_key(const uint8_t sha256[static KA_SHA256_LEN], const uint8_t account[static KA_UUID_LEN],
    uint8_t key[static KA_KEY_KEY_LEN]);
void ka_record_reach_key(const uint8_t sha256[static KA_SHA256_LEN], const uint8_t account[static KA_UUID_LEN],
    const uint8_t project[static KA_UUID_LEN], uint8_t key[static KA_REACH_KEY_LEN]);

/**
 * ka_record_pair_key(first, second, key):
 * The keys of KA_TABLE_GROUP_MEMBER and KA_TABLE_GROUP_OF.
 */
void ka_record_pair_key(const uint8_t first[static KA_UUID_LEN], const uint8_t second[static KA_UUID_LEN],
    uint8_t key[static KA_PAIR_KEY_LEN]);

/**
 * ka_record_be32(n, bytes), ka_record_be64(n, bytes), ka_record_from_be64(bytes):
 * Numbers in keys, most significant byte first, so that the order of keys is the order of numbers.
 */
void ka_record_be32(uint32_t n, uint8_t bytes[static 4]);
void ka_record_be64(uint64_t n, uint8_t bytes[static 8]);
uint64_t ka_record_from_be64(const uint8_t bytes[static 8]);

/**
 * ka_record_checksum(sum, bytes, len):
 * 64-bit FNV-1a over ${bytes}, continued from ${sum} (KA_CHECKSUM_START at first). Against damage, not against forgery:
 * whoever can write the file needs no forged checksum. A change of any one byte always changes it.
 */
#define KA_CHECKSUM_START 14695981039346656037ULL
uint64_t ka_record_checksum(uint64_t sum, const void *bytes, size_t len);

#endif
