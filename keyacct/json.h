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

json_t *json_uuid(const uint8_t id[static KA_UUID_LEN]);

/**
 * json_time(at_s): RFC 3339 in UTC; null for 0.
 */
json_t *json_time(int64_t at_s);

json_t *json_account(const struct ka_account *account);
json_t *json_project(const struct ka_project *project);
json_t *json_group(const struct ka_group *group);

/**
 * json_member(member, name): ${name} is the account's handle, or the group's behind "@".
 */
json_t *json_member(const struct ka_member *member, const char *name);

/**
 * json_key(key, account, projects):
 * A registration; ${projects}, its reach, is taken over, and NULL means all. Its last use is the caller's to add.
 */
json_t *json_key(const struct ka_key *key, const struct ka_account *account, json_t *projects);

/**
 * json_last_used(use): {at, project, from, count}, or null when it was never used.
 */
json_t *json_last_used(const struct ka_use *use);

#endif
