/*
 * keyacct doctor: walk the way that a login takes and say, at each step, whether it holds and what mends it.
 */
#include "keyacct/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/text.h"
#include "keyacct/host_sshd.h"
#include "keyacct/show.h"

#define LINE_MAX_LEN 4096

static const struct doctor_check *const tables[] = {doctor_name_checks, doctor_sshd_checks, doctor_keyword_checks,
    doctor_helper_checks, doctor_file_checks, doctor_busy_checks, doctor_pam_checks, doctor_project_checks,
    doctor_uid_checks, doctor_host_checks};

#define TABLES (sizeof(tables) / sizeof(tables[0]))

static const char *const result_names[DOCTOR_RESULTS] = {"ok", "skipped", "warning", "failure"};

/* What a check says */

/* Parts of it come out of files: nothing may move a cursor. */
static json_t *
json_line(const char *text)
{
	char clean[LINE_MAX_LEN];

	(void)ka_text_clean(text, strlen(text), clean, sizeof(clean));
	return json_string(clean);
}

__attribute__((format(printf, 3, 0))) static void
say(struct doctor *d, enum doctor_result result, const char *format, va_list args)
{
	char text[LINE_MAX_LEN];

	if (vsnprintf(text, sizeof(text), format, args) < 0)
		text[0] = '\0';
	d->line = json_pack("{s:s,s:s,s:o,s:n}", "check", d->check->name, "result", result_names[result], "message",
	    json_line(text), "remedy");
	(void)json_array_append_new(d->lines, d->line);
	d->said++;
	d->counts[result]++;
}

void
doctor_ok(struct doctor *d, const char *format, ...)
{
	va_list args;

	if (d->said > 0)
		return;
	va_start(args, format);
	say(d, DOCTOR_OK, format, args);
	va_end(args);
}

void
doctor_skip(struct doctor *d, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(d, DOCTOR_SKIPPED, format, args);
	va_end(args);
}

void
doctor_warn(struct doctor *d, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(d, DOCTOR_WARNING, format, args);
	va_end(args);
}

void
doctor_fail(struct doctor *d, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(d, DOCTOR_FAILURE, format, args);
	va_end(args);
}

void
doctor_mend(struct doctor *d, const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	/* Neither cut nor cleaned: either would be another command. */
	if (text != NULL && ka_text_is_visible(text))
		(void)json_object_set_new(d->line, "remedy", json_string(text));
	else
		(void)json_object_set_new(d->line, "message",
		    json_sprintf("%s; mend it by hand: the command has characters that cannot be shown",
			json_string_value(json_object_get(d->line, "message"))));
	free(text);
}

bool
doctor_needs_root(struct doctor *d)
{
	if (!d->root)
		doctor_skip(d, "only root can look at this");
	return d->root;
}

/* The walk */

static void
walk(struct doctor *d)
{
	for (size_t i = 0; i < TABLES; i++)
		for (const struct doctor_check *c = tables[i]; c->name != NULL; c++) {
			d->check = c;
			d->said = 0;
			c->look(d);
		}
}

static bool
wants_colour(void)
{
	const char *no = getenv("NO_COLOR"), *terminal = getenv("TERM");

	return isatty(STDOUT_FILENO) == 1 && (no == NULL || no[0] == '\0') && terminal != NULL &&
	       strcmp(terminal, "dumb") != 0;
}

static void
print_line(json_t *line, bool colour)
{
	static const char *const colours[DOCTOR_RESULTS] = {"\033[32m", "\033[36m", "\033[33m", "\033[31m"};
	const char *result = json_string_value(json_object_get(line, "result"));
	json_t *remedy = json_object_get(line, "remedy");
	size_t i = 0;

	while (i + 1 < DOCTOR_RESULTS && strcmp(result_names[i], result) != 0)
		i++;
	(void)printf("%s%-7s%s  %-26s  %s\n", colour ? colours[i] : "", result, colour ? "\033[0m" : "",
	    json_string_value(json_object_get(line, "check")), json_string_value(json_object_get(line, "message")));
	if (json_is_string(remedy))
		(void)printf("%37smend it: %s\n", "", json_string_value(remedy));
}

static void
print_lines(const struct doctor *d)
{
	bool colour = wants_colour();
	json_t *line;
	size_t i;

	json_array_foreach(d->lines, i, line)
	{
		print_line(line, colour);
	}
	(void)printf("%u ok, %u warning%s, %u failure%s, %u skipped%s\n", d->counts[DOCTOR_OK],
	    d->counts[DOCTOR_WARNING], d->counts[DOCTOR_WARNING] == 1 ? "" : "s", d->counts[DOCTOR_FAILURE],
	    d->counts[DOCTOR_FAILURE] == 1 ? "" : "s", d->counts[DOCTOR_SKIPPED],
	    d->root ? "" : "; run this as root to look at everything");
}

static enum cli_status
status_of(const struct doctor *d)
{
	if (d->counts[DOCTOR_FAILURE] > 0)
		return CLI_UNAVAIL;
	return d->counts[DOCTOR_WARNING] > 0 ? CLI_REFUSED : CLI_DONE;
}

/* NULL: out of memory. */
static char *
name_tool(const char *dir)
{
	char *tool;

	if (strcmp(dir, KA_DATADIR) == 0)
		return strdup("keyacct");
	return asprintf(&tool, "keyacct --dir %s", doctor_quote(dir)) < 0 ? NULL : tool;
}

static enum cli_status
run_doctor(struct cli *cli)
{
	char access_path[PATH_MAX], names[PATH_MAX];
	struct doctor d = {.cli = cli, .dir = cli->dir, .asked = cli->nargs > 0, .access = access_path, .names = names};
	struct ka_error err = {""};
	enum cli_status status = CLI_DONE;
	enum ka_result r;

	d.root = geteuid() == 0;
	if ((d.tool = name_tool(d.dir)) == NULL)
		return cli_fail(cli, ka_result_fail(&err, KA_UNAVAIL, "out of memory"), &err);
	(void)snprintf(access_path, sizeof(access_path), "%s/%s", d.dir, ka_table_file_name(KA_FILE_ACCESS));
	(void)snprintf(names, sizeof(names), "%s/%s", d.dir, ka_table_file_name(KA_FILE_NAMES));
	if ((r = doctor_find_project(&d, cli->nargs > 0 ? cli->args[0] : NULL, &err)) != KA_OK)
		goto out;
	if (d.root)
		d.sshd_result = host_sshd_ask(d.user, "localhost", "127.0.0.1", &d.sshd, &d.sshd_err);
	d.lines = json_array();
	walk(&d);
	if (cli->json)
		status = show_list(cli, json_incref(d.lines), NULL, NULL);
	else
		print_lines(&d);
	json_decref(d.lines);
	free(d.sshd);
out:
	free(d.tool);
	if (r != KA_OK)
		return cli_fail(cli, r, &err);
	return status == CLI_DONE ? status_of(&d) : status;
}

const struct cli_verb doctor_verbs[] = {
    {"doctor", NULL, "[PROJECT]", 0, 1, NULL, "Is there anything on this host in the way of a login?", "keyacct doctor",
	CLI_KEEPS_ACCESS, run_doctor},
    {0},
};
