#include "keyacct/show.h"

#include <libsmartcols/libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/time.h"

static json_t *
field_of(json_t *object, const char *field)
{
	size_t len = strcspn(field, ".");
	char name[64];
	json_t *value;

	(void)snprintf(name, sizeof(name), "%.*s", (int)len, field);
	value = json_object_get(object, name);
	return field[len] == '.' ? field_of(value, field + len + 1) : value;
}

void
show_format_time(int64_t at_s, char text[static KA_TIME_TEXT_LEN])
{
	if (isatty(STDOUT_FILENO))
		ka_time_format_local(at_s, text);
	else
		ka_time_format_utc(at_s, text);
}

void
show_window(int64_t not_before_s, int64_t expires_s)
{
	char text[KA_TIME_TEXT_LEN];

	if (not_before_s != 0) {
		show_format_time(not_before_s, text);
		(void)printf(", not before %s", text);
	}
	if (expires_s != 0) {
		show_format_time(expires_s, text);
		(void)printf(", until %s", text);
	}
}

static void
format_time(json_t *value, const char *none, char *out, size_t outlen)
{
	char text[KA_TIME_TEXT_LEN];
	int64_t at_s;

	if (!json_is_string(value) || ka_time_parse(json_string_value(value), 0, &at_s) != KA_OK) {
		(void)snprintf(out, outlen, "%s", none);
		return;
	}
	show_format_time(at_s, text);
	(void)snprintf(out, outlen, "%s", text);
}

static void
print_value(FILE *out, json_t *value, enum show_format format)
{
	char text[KA_TIME_TEXT_LEN + 8];
	json_t *element;
	size_t i;

	if (format == SHOW_TIME || format == SHOW_FROM) {
		format_time(value, format == SHOW_TIME ? "never" : "-", text, sizeof(text));
		(void)fputs(text, out);
	} else if (json_is_array(value)) {
		json_array_foreach(value, i, element)
		{
			(void)fputs(i > 0 ? "," : "", out);
			print_value(out, element, format);
		}
		(void)fputs(json_array_size(value) == 0 ? "none" : "", out);
	} else if (json_is_string(value)) {
		for (const char *c = json_string_value(value); *c != '\0'; c++)
			if (format != SHOW_ID || *c != '-')
				(void)fputc(*c, out);
	} else if (json_is_integer(value)) {
		(void)fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	} else if (json_is_boolean(value)) {
		(void)fputs(json_is_true(value) ? "yes" : "no", out);
	} else {
		(void)fputc('-', out);
	}
}

/* A field as people read it; the caller frees it. NULL when memory ran out. */
static char *
format_field(json_t *object, const struct show_column *column)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		return NULL;
	print_value(out, field_of(object, column->field), column->format);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

static enum cli_status
out_of_memory(const struct cli *cli)
{
	struct ka_error err;

	(void)ka_result_fail(&err, KA_UNAVAIL, "out of memory");
	(void)cli_fail(cli, KA_UNAVAIL, &err);
	return CLI_OTHER;
}

static int
fill_table(struct libscols_table *table, json_t *rows, const struct show_column *columns)
{
	size_t i;
	json_t *row;

	for (const struct show_column *c = columns; c->title != NULL; c++)
		if (scols_table_new_column(table, c->title, 0, 0) == NULL)
			return -1;
	json_array_foreach(rows, i, row)
	{
		struct libscols_line *line = scols_table_new_line(table, NULL);

		if (line == NULL)
			return -1;
		for (size_t n = 0; columns[n].title != NULL; n++) {
			char *text = format_field(row, &columns[n]);

			if (text == NULL || scols_line_refer_data(line, n, text) != 0) { /* now the line's */
				free(text);
				return -1;
			}
		}
	}
	return scols_print_table(table) < 0 ? -1 : 0;
}

int
show_csv(json_t *rows, const struct show_column *columns, bool heading)
{
	json_t *row;
	size_t i;

	for (const struct show_column *c = columns; heading && c->title != NULL; c++)
		(void)printf("%s\"%s\"%s", c > columns ? "," : "", c->title, c[1].title == NULL ? "\n" : "");
	json_array_foreach(rows, i, row)
	{
		for (const struct show_column *c = columns; c->title != NULL; c++) {
			char *text = format_field(row, c);

			if (text == NULL)
				return -1;
			(void)fputs(c > columns ? ",\"" : "\"", stdout);
			for (const char *at = text; *at != '\0'; at++)
				(void)fputs(*at == '"' ? "\"\"" : (const char[]){*at, '\0'}, stdout);
			(void)putchar('"');
			free(text);
		}
		(void)putchar('\n');
	}
	return 0;
}

enum cli_status
show_list(const struct cli *cli, json_t *rows, const struct show_column *columns, const char *none)
{
	struct libscols_table *table = NULL;
	int rc = 0;

	if (rows == NULL)
		return out_of_memory(cli);
	if (cli->json) {
		(void)json_dumpf(rows, stdout, JSON_INDENT(2));
		(void)putchar('\n');
	} else if (cli_value(cli, "csv", 0) != NULL) {
		rc = show_csv(rows, columns, true);
	} else if (json_array_size(rows) == 0) {
		(void)fprintf(stderr, "%s\n", none);
	} else if ((table = scols_new_table()) == NULL || fill_table(table, rows, columns) != 0) {
		rc = -1;
	}
	scols_unref_table(table);
	json_decref(rows);
	return rc == 0 ? CLI_DONE : out_of_memory(cli);
}

enum cli_status
show_object(const struct cli *cli, json_t *object, const struct show_column *columns)
{
	if (object == NULL)
		return out_of_memory(cli);
	if (cli->json) {
		(void)json_dumpf(object, stdout, JSON_INDENT(2));
		(void)putchar('\n');
	}
	for (const struct show_column *c = columns; !cli->json && c->title != NULL; c++) {
		(void)printf("%-16s ", c->title);
		print_value(stdout, field_of(object, c->field), c->format);
		(void)putchar('\n');
	}
	json_decref(object);
	return CLI_DONE;
}
