#ifndef KA_CATALOG_H
#define KA_CATALOG_H
/*
 * What is in the database: accounts, projects, members and key registrations, found by what people call them and read
 * as structures, inside the store's open transaction. Thread safety: none, as the store.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/record.h"
#include "common/result.h"
#include "common/store.h"

/**
 * ka_catalog_find_account(store, text, account, err), ka_catalog_find_project(store, text, project, err):
 * What ${text} names: an account's handle, an id in any form, or the unique beginning of one. Several that begin so are
 * a conflict. Deleted projects are found.
 *
 * ka_catalog_find_group(store, text, group, err): by id, or by name with or without the "@" that marks it as a group's.
 */
enum ka_result ka_catalog_find_group(
    struct ka_store *store, const char *text, struct ka_group *group, struct ka_error *err);
enum ka_result ka_catalog_find_account(
    struct ka_store *store, const char *text, struct ka_account *account, struct ka_error *err);
enum ka_result ka_catalog_find_project(
    struct ka_store *store, const char *text, struct ka_project *project, struct ka_error *err);

/**
 * ka_catalog_get_account(store, id, account), ka_catalog_get_project(store, id, project):
 * The same by id, without a sentence: KA_OK; KA_NOTFOUND; KA_UNAVAIL; KA_CORRUPT.
 */
enum ka_result ka_catalog_get_account(
    struct ka_store *store, const uint8_t id[static KA_UUID_LEN], struct ka_account *account);
enum ka_result ka_catalog_get_project(
    struct ka_store *store, const uint8_t id[static KA_UUID_LEN], struct ka_project *project);

enum ka_result ka_catalog_get_group(
    struct ka_store *store, const uint8_t id[static KA_UUID_LEN], struct ka_group *group);

/**
 * ka_catalog_subject_name(store, kind, id, name):
 * What people call a member: an account's handle, or a group's name behind "@".
 * Returns KA_OK; KA_NOTFOUND; KA_UNAVAIL; KA_CORRUPT.
 */
#define KA_SUBJECT_NAME_LEN (KA_HANDLE_LEN + 1)
enum ka_result ka_catalog_subject_name(struct ka_store *store, enum ka_subject kind,
    const uint8_t id[static KA_UUID_LEN], char name[static KA_SUBJECT_NAME_LEN]);

/**
 * ka_catalog_get_member(store, project, kind, subject, member):
 * The membership as it stands, whatever its window: KA_OK; KA_NOTFOUND; KA_UNAVAIL; KA_CORRUPT.
 *
 * ka_catalog_is_member(store, project, account): has the account one, itself or through a group? As above.
 */
enum ka_result ka_catalog_get_member(struct ka_store *store, const uint8_t project[static KA_UUID_LEN],
    enum ka_subject kind, const uint8_t subject[static KA_UUID_LEN], struct ka_member *member);
enum ka_result ka_catalog_is_member(
    struct ka_store *store, const uint8_t project[static KA_UUID_LEN], const uint8_t account[static KA_UUID_LEN]);

/**
 * ka_catalog_next_account(store, row, account), and so on:
 * Step through a table: ${row}->keylen is 0 before the first. KA_NOTFOUND after the last.
 * next_member goes through one project's members, next_membership through the projects of one account or group,
 * next_group_member through a group's accounts, next_group_of through an account's groups, next_registration
 * through one key's accounts, next_key_of through one account's registrations, next_key through all of them, next_reach
 * through the projects that a registration names.
 */
enum ka_result ka_catalog_next_account(struct ka_store *store, struct ka_row *row, struct ka_account *account);
enum ka_result ka_catalog_next_project(struct ka_store *store, struct ka_row *row, struct ka_project *project);
enum ka_result ka_catalog_next_member(
    struct ka_store *store, const uint8_t project[static KA_UUID_LEN], struct ka_row *row, struct ka_member *member);
enum ka_result ka_catalog_next_membership(struct ka_store *store, enum ka_subject kind,
    const uint8_t subject[static KA_UUID_LEN], struct ka_row *row, struct ka_member *member);
enum ka_result ka_catalog_next_group(struct ka_store *store, struct ka_row *row, struct ka_group *group);
enum ka_result ka_catalog_next_group_member(
    struct ka_store *store, const uint8_t group[static KA_UUID_LEN], struct ka_row *row, struct ka_account *account);
enum ka_result ka_catalog_next_group_of(
    struct ka_store *store, const uint8_t account[static KA_UUID_LEN], struct ka_row *row, struct ka_group *group);
enum ka_result ka_catalog_next_registration(
    struct ka_store *store, const uint8_t sha256[static KA_SHA256_LEN], struct ka_row *row, struct ka_key *key);
enum ka_result ka_catalog_next_key_of(
    struct ka_store *store, const uint8_t account[static KA_UUID_LEN], struct ka_row *row, struct ka_key *key);
enum ka_result ka_catalog_next_key(struct ka_store *store, struct ka_row *row, struct ka_key *key);
enum ka_result ka_catalog_next_reach(
    struct ka_store *store, const struct ka_key *key, struct ka_row *row, uint8_t project[static KA_UUID_LEN]);

/**
 * ka_catalog_get_registration(store, sha256, account, key):
 * The registration of that key by that account: KA_OK; KA_NOTFOUND; KA_UNAVAIL; KA_CORRUPT.
 */
enum ka_result ka_catalog_get_registration(struct ka_store *store, const uint8_t sha256[static KA_SHA256_LEN],
    const uint8_t account[static KA_UUID_LEN], struct ka_key *key);

/**
 * ka_catalog_find_key(store, text, account, key, err):
 * The registration that ${text} names: a SHA256 fingerprint or its beginning (8 characters after "SHA256:"), or a whole
 * MD5 fingerprint; ${account} (NULL: any) narrows it down. KA_CONFLICT: several fit.
 */
enum ka_result ka_catalog_find_key(struct ka_store *store, const char *text, const struct ka_account *account,
    struct ka_key *key, struct ka_error *err);

/**
 * ka_catalog_find_fingerprint(store, text, sha256, err):
 * The key that ${text} names: a whole SHA256 fingerprint, registered or not, or the beginning of one or an MD5
 * fingerprint of a registered key. KA_CONFLICT: several keys fit.
 */
enum ka_result ka_catalog_find_fingerprint(
    struct ka_store *store, const char *text, uint8_t sha256[static KA_SHA256_LEN], struct ka_error *err);

/**
 * ka_catalog_next_project_of(store, account, at_s, at, project):
 * Step through the projects that an account is in, itself or through groups, each once: by memberships that hold at
 * ${at_s}, or by all of them when it is 0. ${at} is all zero before the first.
 */
struct ka_project_of {
	bool groups;
	struct ka_row row, group_row;
	struct ka_group group;
};
enum ka_result ka_catalog_next_project_of(struct ka_store *store, const uint8_t account[static KA_UUID_LEN],
    int64_t at_s, struct ka_project_of *at, uint8_t project[static KA_UUID_LEN]);

#endif
