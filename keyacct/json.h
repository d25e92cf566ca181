#ifndef KEYACCT_JSON_H
#define KEYACCT_JSON_H
/*
 * Rows as JSON objects, with the field names of listings, import and export.
 * Ownership: every function gives a new reference, or NULL when memory ran out.
 */
#include <jansson.h>
#include <stdint.h>

#include "common/record.h"
#include "common/result.h"
#include "common/store.h"
#include "keyacct/fields.h"

/* What a row of each kind has, but for what stands in another table: a member's ends, a key's account and projects. */
extern const struct field json_account_fields[], json_project_fields[], json_member_fields[], json_group_fields[],
    json_key_fields[], json_settings_fields[];

json_t *json_uuid(const uint8_t id[static KA_UUID_LEN]);

/**
 * json_time(at_s): RFC 3339 in UTC; null for 0.
 */
json_t *json_time(int64_t at_s);

json_t *json_account(const struct ka_account *account);
json_t *json_project(const struct ka_project *project);
json_t *json_group(const struct ka_group *group);
json_t *json_settings(const struct ka_settings *settings);

/**
 * json_member(member, name): ${name} is the account's handle, or the group's behind "@"; NULL leaves it out.
 */
json_t *json_member(const struct ka_member *member, const char *name);

/**
 * json_key(key, account, projects):
 * A registration; ${account} (NULL leaves it out) gives the handle; ${projects}, its reach, is taken over, and NULL
 * means all. Its last use is the caller's to add.
 */
json_t *json_key(const struct ka_key *key, const struct ka_account *account, json_t *projects);

/**
 * json_last_used(use): {at, project, from, count}, or null when it was never used.
 */
json_t *json_last_used(const struct ka_use *use);

#endif
