#ifndef KA_CATALOG_H
#define KA_CATALOG_H
/*
 * What is in the database: accounts, projects, members and key registrations, found by what people call them and read as
 * structures, inside the store's open transaction.
 * Thread safety: none, as the store.
 */
#include <stdint.h>

#include "common/record.h"
#include "common/result.h"
#include "common/store.h"

/**
 * ka_catalog_find_account(store, text, account, err), ka_catalog_find_project(store, text, project, err):
 * What ${text} names: an account's handle, an id in any form, or the unique beginning of one. Several that begin so are a
 * conflict. Deleted projects are found.
 */
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

/**
 * ka_catalog_get_member(store, project, account, member):
 * The membership as it stands, begun and ended ones included: KA_OK; KA_NOTFOUND; KA_UNAVAIL; KA_CORRUPT.
 */
enum ka_result ka_catalog_get_member(struct ka_store *store, const uint8_t project[static KA_UUID_LEN],
    const uint8_t account[static KA_UUID_LEN], struct ka_member *member);

/**
 * ka_catalog_next_account(store, row, account), and so on:
 * Step through a table: ${row}->keylen is 0 before the first. KA_NOTFOUND after the last.
 * next_member goes through one project's members, next_membership through one account's projects, next_registration
 * through one key's accounts, next_key_of through one account's registrations, next_key through all of them, next_reach
 * through the projects that a registration names.
 */
enum ka_result ka_catalog_next_account(struct ka_store *store, struct ka_row *row, struct ka_account *account);
enum ka_result ka_catalog_next_project(struct ka_store *store, struct ka_row *row, struct ka_project *project);
enum ka_result ka_catalog_next_member(struct ka_store *store, const uint8_t project[static KA_UUID_LEN],
    struct ka_row *row, struct ka_member *member);
enum ka_result ka_catalog_next_membership(struct ka_store *store, const uint8_t account[static KA_UUID_LEN],
    struct ka_row *row, struct ka_member *member);
enum ka_result ka_catalog_next_registration(struct ka_store *store, const uint8_t sha256[static KA_SHA256_LEN],
    struct ka_row *row, struct ka_key *key);
enum ka_result ka_catalog_next_key_of(
    struct ka_store *store, const uint8_t account[static KA_UUID_LEN], struct ka_row *row, struct ka_key *key);
enum ka_result ka_catalog_next_key(struct ka_store *store, struct ka_row *row, struct ka_key *key);
enum ka_result ka_catalog_next_reach(struct ka_store *store, const struct ka_key *key, struct ka_row *row,
    uint8_t project[static KA_UUID_LEN]);

/**
 * ka_catalog_find_key(store, text, account, key, err):
 * The registration that ${text} names: a SHA256 fingerprint or its beginning (8 characters after "SHA256:"), or a whole
 * MD5 fingerprint; ${account} (NULL: any) narrows it down. KA_CONFLICT: several fit.
 */
enum ka_result ka_catalog_find_key(struct ka_store *store, const char *text, const struct ka_account *account,
    struct ka_key *key, struct ka_error *err);

#endif
