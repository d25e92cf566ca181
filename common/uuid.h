#ifndef KA_UUID_H
#define KA_UUID_H
/*
 * Ids: a UUID in the database, exactly 32 lower-case hex digits as a user name. libc alone.
 * Thread safety: no state is kept; any number of threads.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/result.h"

#define KA_UUID_LEN      16
#define KA_UUID_NAME_LEN 33 /* 32 hex digits, NUL: the user name */
#define KA_UUID_TEXT_LEN 37 /* with hyphens, NUL */
#define KA_UUID_PREFIX   8  /* hex digits that a prefix needs at least */

/**
 * ka_uuid_from_name(name, uuid):
 * Read a project's user name: exactly 32 characters of [0-9a-f]. Every name of the host passes through here, so it
 * looks at nothing else. Returns KA_OK; KA_INVALID: this is no project's name.
 */
enum ka_result ka_uuid_from_name(const char *name, uint8_t uuid[static KA_UUID_LEN]);

/**
 * ka_uuid_parse_prefix(text, low, high):
 * Read a UUID as people type it: hex digits in either case, with or without hyphens, all 32 or at least KA_UUID_PREFIX
 * of them. ${low} and ${high} become the first and the last UUID that begins so; they are equal for a whole one.
 * Returns KA_OK; KA_INVALID.
 */
enum ka_result ka_uuid_parse_prefix(
    const char *text, uint8_t low[static KA_UUID_LEN], uint8_t high[static KA_UUID_LEN]);

/**
 * ka_uuid_parse(text, uuid):
 * Read a whole UUID, with or without hyphens, in either case.
 * Returns KA_OK; KA_INVALID.
 */
enum ka_result ka_uuid_parse(const char *text, uint8_t uuid[static KA_UUID_LEN]);

/**
 * ka_uuid_name(uuid, name), ka_uuid_text(uuid, text):
 * Write it as a user name, or hyphenated in lower case.
 */
void ka_uuid_name(const uint8_t uuid[static KA_UUID_LEN], char name[static KA_UUID_NAME_LEN]);
void ka_uuid_text(const uint8_t uuid[static KA_UUID_LEN], char text[static KA_UUID_TEXT_LEN]);

/**
 * ka_uuid_random(uuid):
 * A new random UUID (version 4), never one whose 32 digits are all decimal: getpwnam users such as ps and systemd take
 * an all-digit name for a uid.
 * Returns KA_OK; KA_UNAVAIL (no randomness).
 */
enum ka_result ka_uuid_random(uint8_t uuid[static KA_UUID_LEN]);

#endif
