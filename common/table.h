#ifndef KA_TABLE_H
#define KA_TABLE_H
/*
 * The tables of the database: what they are called in the files, how their keys are laid out, and how one steps through
 * their rows. What is in a row is common/record's business. libc alone.
 * Thread safety: no state is kept; any number of threads.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/fingerprint.h"
#include "common/uuid.h"

#define KA_KEY_MAX    64   /* bytes of a table key: fingerprint, account, project */
#define KA_RECORD_MAX 1966 /* bytes of a stored value: 2,038 of a 4 KiB page less node header and key, LMDB 0.9.24 */

enum ka_subject { KA_SUBJECT_ACCOUNT = 'a', KA_SUBJECT_GROUP = 'g' };

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
	KA_TABLE_META, /* "state" -> struct ka_meta; in access.mdb also "pruned" -> struct ka_pruned */
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
	KA_TABLE_SETTINGS,     /* "all"          -> struct ka_settings; no row: the defaults */
	KA_TABLES
};

/* The files of the database, each for another audience. */
enum ka_file {
	KA_FILE_NAMES,  /* for everyone */
	KA_FILE_ACCESS, /* for sshd's helper and PAM */
	KA_FILE_USAGE,  /* for root */
	KA_FILES
};

/* One row: its key and its payload. Both are copies; nothing points into a file. */
struct ka_row {
	uint8_t key[KA_KEY_MAX];
	size_t keylen;
	uint8_t payload[KA_RECORD_MAX];
	size_t len;
};

/* The one row of KA_TABLE_SETTINGS, and the counters in KA_TABLE_META. */
#define KA_SETTINGS_KEY "all"
#define KA_META_KEY     "state"

/* Keys of more than one part. */
#define KA_MEMBER_KEY_LEN (KA_UUID_LEN + 1 + KA_UUID_LEN)
#define KA_KEY_KEY_LEN    (KA_SHA256_LEN + KA_UUID_LEN)
#define KA_PAIR_KEY_LEN   (KA_UUID_LEN + KA_UUID_LEN)
#define KA_REACH_KEY_LEN  (KA_SHA256_LEN + KA_UUID_LEN + KA_UUID_LEN)

/**
 * ka_table_name(table):
 * The name of ${table} in the file. It changes when its rows change so that an older reader would misread them.
 */
const char *ka_table_name(enum ka_table table);

/**
 * ka_table_file_name(file), ka_table_list(file, n):
 * The path of ${file} below the database's directory, and the ${n} tables in it.
 */
const char *ka_table_file_name(enum ka_file file);
const enum ka_table *ka_table_list(enum ka_file file, size_t *n);

/**
 * ka_table_is_trusted(uid, mode):
 * May what a file of this owner and mode says be believed? It is root's, or belongs to who asks, and nobody else can
 * write it. In a user namespace, files of users that it does not know belong to 65534 (user_namespaces(7)): there, and
 * nowhere else, such a file is taken for root's.
 */
bool ka_table_is_trusted(uid_t uid, mode_t mode);

/**
 * ka_table_is_later(table):
 * Was ${table} added after the first version, so that a file without it is an older one and the table empty?
 */
bool ka_table_is_later(enum ka_table table);

/**
 * ka_table_after(row, prefix, prefixlen, from), ka_table_begins(row, prefix, prefixlen):
 * Stepping through the rows whose key begins with ${prefix}: where the next one is looked for, which is behind ${row},
 * or at the prefix itself when ${row}->keylen is 0; and whether what was found is still one of them. Returns the length
 * of ${from}.
 */
size_t ka_table_after(
    const struct ka_row *row, const void *prefix, size_t prefixlen, uint8_t from[static KA_KEY_MAX + 1]);
bool ka_table_begins(const struct ka_row *row, const void *prefix, size_t prefixlen);

/**
 * ka_table_member_key(project, kind, subject, key), ka_table_member_of_key(project, kind, subject, key):
 * The keys of KA_TABLE_MEMBER and KA_TABLE_MEMBER_OF.
 */
void ka_table_member_key(const uint8_t project[static KA_UUID_LEN], enum ka_subject kind,
    const uint8_t subject[static KA_UUID_LEN], uint8_t key[static KA_MEMBER_KEY_LEN]);
void ka_table_member_of_key(const uint8_t project[static KA_UUID_LEN], enum ka_subject kind,
    const uint8_t subject[static KA_UUID_LEN], uint8_t key[static KA_MEMBER_KEY_LEN]);

/**
 * ka_table_key_key(sha256, account, key), ka_table_key_of_key(sha256, account, key),
 * ka_table_reach_key(sha256, account, project, key):
 * The keys of KA_TABLE_KEY and KA_TABLE_KEY_USE, KA_TABLE_KEY_OF, and KA_TABLE_REACH.
 */
void ka_table_key_key(const uint8_t sha256[static KA_SHA256_LEN], const uint8_t account[static KA_UUID_LEN],
    uint8_t key[static KA_KEY_KEY_LEN]);
void ka_table_key_of_key(const uint8_t sha256[static KA_SHA256_LEN], const uint8_t account[static KA_UUID_LEN],
    uint8_t key[static KA_KEY_KEY_LEN]);
void ka_table_reach_key(const uint8_t sha256[static KA_SHA256_LEN], const uint8_t account[static KA_UUID_LEN],
    const uint8_t project[static KA_UUID_LEN], uint8_t key[static KA_REACH_KEY_LEN]);

/**
 * ka_table_pair_key(first, second, key):
 * The keys of KA_TABLE_GROUP_MEMBER and KA_TABLE_GROUP_OF.
 */
void ka_table_pair_key(const uint8_t first[static KA_UUID_LEN], const uint8_t second[static KA_UUID_LEN],
    uint8_t key[static KA_PAIR_KEY_LEN]);

/**
 * ka_table_be32(n, bytes), ka_table_be64(n, bytes), ka_table_from_be64(bytes):
 * Numbers in keys, most significant byte first, so that the order of keys is the order of numbers.
 */
void ka_table_be32(uint32_t n, uint8_t bytes[static 4]);
void ka_table_be64(uint64_t n, uint8_t bytes[static 8]);
uint64_t ka_table_from_be64(const uint8_t bytes[static 8]);

#endif
