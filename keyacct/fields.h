#ifndef KEYACCT_FIELDS_H
#define KEYACCT_FIELDS_H
/*
 * The fields of a row as JSON, described once for both directions: what a listing and an export print is what an import
 * reads.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/result.h"

enum field_kind {
	FIELD_UUID,
	FIELD_TEXT, /* null for "" */
	FIELD_WORD, /* to the letter: a handle, a type; never null */
	FIELD_PATH,
	FIELD_LIST, /* "a,b" as ["a", "b"]; null for "" */
	FIELD_TIME, /* null for 0 */
	FIELD_NUMBER,
	FIELD_BOOL,
	FIELD_POLICY, /* one setting of a project's policy: true and false, or its word */
	FIELD_CHOICE, /* an enumeration that begins with 1 */
	FIELD_SHA256,
	FIELD_MD5,
};

struct field {
	const char *name; /* NULL ends a table */
	enum field_kind kind;
	size_t offset, size; /* in its structure */
	bool derived;        /* printed, and left alone when it is read: it follows from the others */
	const char *const *choices;
	const char *setting; /* of a policy */
};

/**
 * fields_print(fields, row):
 * ${row}, a structure, as a new object; NULL when memory ran out.
 */
json_t *fields_print(const struct field *fields, const void *row);

/**
 * fields_read(fields, object, row, err):
 * Lay what ${object} says over ${row}: a field that is absent stays, null clears it. Fields that are not in the table
 * are the caller's to know (fields_check). What cannot be such a field is KA_INVALID, and ${err} names it.
 */
enum ka_result fields_read(const struct field *fields, json_t *object, void *row, struct ka_error *err);

/**
 * fields_check(fields, others, object, err):
 * Has ${object} only fields of the table, and of ${others}, names separated by blanks? A misspelt one would otherwise
 * say nothing. Returns KA_OK; KA_INVALID.
 */
enum ka_result fields_check(const struct field *fields, const char *others, json_t *object, struct ka_error *err);

#endif
