#ifndef KEYACCT_SHOW_H
#define KEYACCT_SHOW_H
/*
 * How results are shown: to people as tables and lines, to scripts as JSON and CSV. What is shown is always a JSON
 * value, so that all forms say the same.
 */
#include <jansson.h>
#include <stdint.h>

#include "common/time.h"
#include "keyacct/cli.h"

enum show_format {
	SHOW_TEXT, /* as it is; a list with commas; true and false as yes and no; "-" for null */
	SHOW_TIME, /* local time on a terminal; "never" for null */
	SHOW_FROM, /* the same, "-" for null */
	SHOW_ID,   /* a UUID as the 32 digits that one types */
};

struct show_column {
	const char *title; /* NULL ends a table */
	const char *field; /* of the JSON object; "last_used.at" looks inside */
	enum show_format format;
};

/**
 * show_list(cli, rows, columns, none), show_object(cli, object, columns):
 * Show an array of objects as a table, or as one JSON array; one object as lines, or as JSON. ${none} is said, on
 * standard error, when there are no rows and people read it. Ownership: takes ${rows} or ${object}; NULL stands for
 * memory that ran out.
 */
enum cli_status show_list(const struct cli *cli, json_t *rows, const struct show_column *columns, const char *none);
enum cli_status show_object(const struct cli *cli, json_t *object, const struct show_column *columns);

/**
 * show_csv(rows, columns, heading):
 * Print ${rows} as RFC 4180 has it, with line ends of Unix: every value in quotes, quotes doubled. For a list that is
 * printed in parts; only the first has a heading. Returns 0; -1: no memory.
 */
int show_csv(json_t *rows, const struct show_column *columns, bool heading);

/**
 * show_format_time(at_s, text):
 * For people: local time on a terminal, RFC 3339 in UTC otherwise.
 */
void show_format_time(int64_t at_s, char text[static KA_TIME_TEXT_LEN]);

/**
 * show_window(not_before_s, expires_s): print ", not before …, until …", as far as they are set.
 */
void show_window(int64_t not_before_s, int64_t expires_s);

#endif
