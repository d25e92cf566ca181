#include "keyacct/cli.h"

#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/text.h"
#include "common/time.h"
#include "common/usage.h"

#define HOST_MAX 253

#define GROUP "keyacct"

static const struct cli_option everywhere[] = {
    {"dir", "DIR", "the database (" KA_DATADIR ")", false},
    {"json", NULL, "print JSON, errors included", true},
    {"help", NULL, "show this", true},
    {0},
};

/* The verbs that change access take these too. */
static const struct cli_option changing[] = {
    {"keep-sessions", NULL, "leave open sessions, also those without access", false},
    {"run", "DIR", "where the open sessions are (" KA_RUNDIR ")", false},
    {0},
};

static const struct cli_option *
find_option(const struct cli_option *options, const char *name, size_t len)
{
	for (; options != NULL && options->name != NULL; options++)
		if (strlen(options->name) == len && strncmp(options->name, name, len) == 0)
			return options;
	return NULL;
}

static void
print_options(const struct cli_option *options, FILE *stream)
{
	for (; options != NULL && options->name != NULL; options++) {
		char left[64];

		(void)snprintf(left, sizeof(left), "--%s%s%s", options->name, options->value != NULL ? " " : "",
		    options->value != NULL ? options->value : "");
		(void)fprintf(stream, "  %-24s %s\n", left, options->help);
	}
}

void
cli_usage(const struct cli_verb *v, FILE *stream)
{
	(void)fprintf(stream, "usage: keyacct %s%s%s%s%s [OPTION]...\n%s\n\n", v->noun, v->verb != NULL ? " " : "",
	    v->verb != NULL ? v->verb : "", v->args[0] != '\0' ? " " : "", v->args, v->help);
	print_options(v->options, stream);
	if (v->access == CLI_CHANGES_ACCESS)
		print_options(changing, stream);
	print_options(everywhere, stream);
	(void)fprintf(stream, "\nexample: %s\n", v->example);
}

static enum cli_status
usage_error(const struct cli *cli, const struct ka_error *err)
{
	(void)cli_fail(cli, KA_INVALID, err);
	if (!cli->json)
		(void)fprintf(stderr, "'keyacct %s%s%s --help' shows what it takes.\n", cli->verb->noun,
		    cli->verb->verb != NULL ? " " : "", cli->verb->verb != NULL ? cli->verb->verb : "");
	return CLI_USAGE;
}

/* What no option can take. A path is taken to the letter: by cli_path, or by the kernel, which knows whether it is
 * there.
 */
static enum ka_result
check_value(const struct cli_option *option, const char *value, struct ka_error *err)
{
	char fault[KA_TEXT_FAULT_LEN];

	if (strcmp(option->value, "FILE") == 0 || strcmp(option->value, "DIR") == 0)
		return KA_OK;
	if (!ka_text_is_plain(value, fault))
		return ka_result_fail(
		    err, KA_INVALID, "--%s \"%.200s\" has %s in it: leave that out", option->name, value, fault);
	/* It is only shown; a name that the DNS can hold is wanted. */
	if (strcmp(option->value, "HOST") == 0 && (value[0] == '\0' || strlen(value) > HOST_MAX))
		return ka_result_fail(err, KA_INVALID, "--%s \"%.80s\" can be no host's name: 1 to %d characters",
		    option->name, value, HOST_MAX);
	return KA_OK;
}

/* One option: "--name", "--name VALUE" or "--name=VALUE". Moves ${i} on when it takes the next word. */
static enum cli_status
parse_option(struct cli *cli, int argc, char **argv, int *i)
{
	const char *name = argv[*i] + 2, *value = "";
	size_t len = strcspn(name, "=");
	const struct cli_option *option = find_option(cli->verb->options, name, len);
	struct ka_error err;

	if (option == NULL && cli->verb->access == CLI_CHANGES_ACCESS)
		option = find_option(changing, name, len);
	if (option == NULL)
		option = find_option(everywhere, name, len);
	if (option == NULL) {
		(void)ka_result_fail(&err, KA_INVALID, "there is no option --%.*s here", (int)len, name);
		return usage_error(cli, &err);
	}
	if (option->value == NULL && name[len] == '=') {
		(void)ka_result_fail(&err, KA_INVALID, "--%s takes no value", option->name);
		return usage_error(cli, &err);
	}
	if (option->value != NULL && name[len] == '=') {
		value = name + len + 1;
	} else if (option->value != NULL) {
		if (*i + 1 >= argc) {
			(void)ka_result_fail(&err, KA_INVALID, "--%s needs a %s", option->name, option->value);
			return usage_error(cli, &err);
		}
		value = argv[++*i];
	}
	if (option->value != NULL && check_value(option, value, &err) != KA_OK)
		return usage_error(cli, &err);
	if (!option->many && cli_value(cli, option->name, 0) != NULL) {
		(void)ka_result_fail(&err, KA_INVALID, "--%s is given twice", option->name);
		return usage_error(cli, &err);
	}
	if (cli->nvalues == CLI_VALUES_MAX) {
		(void)ka_result_fail(&err, KA_INVALID, "more than %d options", CLI_VALUES_MAX);
		return usage_error(cli, &err);
	}
	cli->values[cli->nvalues].name = option->name;
	cli->values[cli->nvalues++].value = value;
	return CLI_DONE;
}

enum cli_status
cli_parse(struct cli *cli, int argc, char **argv)
{
	bool options = true;
	struct ka_error err;

	cli->args = argv;
	/* First, so that every error is told in the form that was asked for. */
	for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
		cli->json = cli->json || strcmp(argv[i], "--json") == 0;
	for (int i = 0; i < argc; i++) {
		if (options && strcmp(argv[i], "--") == 0) {
			options = false;
		} else if (options && strncmp(argv[i], "--", 2) == 0) {
			if (parse_option(cli, argc, argv, &i) != CLI_DONE)
				return CLI_USAGE;
		} else {
			argv[cli->nargs++] = argv[i];
		}
	}
	if (cli_value(cli, "dir", 0) != NULL)
		cli->dir = cli_value(cli, "dir", 0);
	if (cli_value(cli, "help", 0) == NULL && (cli->nargs < cli->verb->min || cli->nargs > cli->verb->max)) {
		(void)ka_result_fail(&err, KA_INVALID, "%s: it takes %s",
		    cli->nargs < cli->verb->min ? "something is missing" : "that is one word too many",
		    cli->verb->args[0] != '\0' ? cli->verb->args : "no arguments");
		return usage_error(cli, &err);
	}
	return CLI_DONE;
}

const char *
cli_value(const struct cli *cli, const char *name, size_t nth)
{
	for (size_t i = 0; i < cli->nvalues; i++)
		if (strcmp(cli->values[i].name, name) == 0 && nth-- == 0)
			return cli->values[i].value;
	return NULL;
}

bool
cli_given(const struct cli *cli, const struct cli_option *options)
{
	for (; options->name != NULL; options++)
		if (cli_value(cli, options->name, 0) != NULL)
			return true;
	return false;
}

static enum ka_result
too_long(const char *name, const char *value, size_t outlen, struct ka_error *err)
{
	return ka_result_fail(
	    err, KA_INVALID, "--%s is too long: at most %zu bytes, and this has %zu", name, outlen - 1, strlen(value));
}

enum ka_result
cli_text(const struct cli *cli, const char *name, char *out, size_t outlen, struct ka_error *err)
{
	const char *value = cli_value(cli, name, 0);

	if (value == NULL)
		return KA_OK;
	if (strlen(value) >= outlen)
		return too_long(name, value, outlen, err);
	(void)ka_text_clean(value, strlen(value), out, outlen);
	return KA_OK;
}

enum ka_result
cli_path(const struct cli *cli, const char *name, char *out, size_t outlen, struct ka_error *err)
{
	const char *value = cli_value(cli, name, 0);

	if (value == NULL)
		return KA_OK;
	if (strlen(value) >= outlen)
		return too_long(name, value, outlen, err);
	if (!ka_record_path_ok(value) || !ka_text_is_visible(value))
		return ka_result_fail(err, KA_INVALID,
		    "--%s \"%s\" cannot be used: an absolute path is wanted, without a colon, control or "
		    "invisible characters",
		    name, value);
	(void)snprintf(out, outlen, "%s", value);
	return KA_OK;
}

enum ka_result
cli_id(const char *text, uint8_t id[static KA_UUID_LEN], struct ka_error *err)
{
	static const uint8_t nil[KA_UUID_LEN];

	if (ka_uuid_parse(text, id) != KA_OK || memcmp(id, nil, KA_UUID_LEN) == 0)
		return ka_result_fail(
		    err, KA_INVALID, "\"%s\" is no UUID that can be an id; leave it out for a new one", text);
	return KA_OK;
}

enum ka_result
cli_time(const struct cli *cli, const char *name, int64_t *at_s, struct ka_error *err)
{
	const char *value = cli_value(cli, name, 0);

	if (value != NULL && ka_time_parse(value, ka_time_now(), at_s) != KA_OK)
		return ka_result_fail(err, KA_INVALID,
		    "--%s \"%s\" is no time: write 2026-12-31, 2026-12-31T12:00:00Z, or a distance in s, min, h, d or "
		    "w such as +30d, or -30d for what is past",
		    name, value);
	return KA_OK;
}

enum ka_result
cli_limit(const struct cli *cli, const char *name, int64_t *at_s, struct ka_error *err)
{
	const char *value = cli_value(cli, name, 0);

	if (value != NULL && strcmp(value, "never") == 0) {
		*at_s = 0;
		return KA_OK;
	}
	return cli_time(cli, name, at_s, err);
}

enum ka_result
cli_end(const struct cli *cli, const char *name, int64_t *at_s, struct ka_error *err)
{
	enum ka_result r = cli_limit(cli, name, at_s, err);

	if (r != KA_OK || cli_value(cli, name, 0) == NULL || *at_s == 0 || *at_s > ka_time_now())
		return r;
	return ka_result_fail(
	    err, KA_INVALID, "--%s \"%s\" has passed: give a time to come", name, cli_value(cli, name, 0));
}

enum cli_status
cli_status_of(enum ka_result r)
{
	switch (r) {
	case KA_OK:
		return CLI_DONE;
	case KA_NOTFOUND:
		return CLI_NOTFOUND;
	case KA_CONFLICT:
		return CLI_CONFLICT;
	case KA_INVALID:
		return CLI_USAGE;
	case KA_BUSY:
	case KA_UNAVAIL:
	case KA_CORRUPT:
		return CLI_UNAVAIL;
	case KA_FAILED:
		break;
	}
	return CLI_OTHER;
}

static const char *
status_name(enum cli_status status)
{
	switch (status) {
	case CLI_DONE:
		return "done";
	case CLI_REFUSED:
		return "refused";
	case CLI_USAGE:
		return "usage";
	case CLI_NOTFOUND:
		return "not-found";
	case CLI_CONFLICT:
		return "conflict";
	case CLI_UNAVAIL:
		return "unavailable";
	case CLI_OTHER:
		break;
	}
	return "other";
}

/* One sentence on standard error. What people typed is in it: nothing of that may move a cursor or break the JSON. */
static void
say(const struct cli *cli, const char *kind, const char *code, const char *sentence)
{
	char text[sizeof(((struct ka_error *)NULL)->text)];
	json_t *object;

	(void)ka_text_clean(sentence, strlen(sentence), text, sizeof(text));
	if (!cli->json) {
		(void)fprintf(stderr, "keyacct: %s\n", text);
		return;
	}
	object = json_pack("{s:{s:s,s:s}}", kind, "code", code, "message", text);
	if (object != NULL)
		(void)json_dumpf(object, stderr, JSON_COMPACT);
	(void)fputc('\n', stderr);
	json_decref(object);
}

enum cli_status
cli_fail(const struct cli *cli, enum ka_result r, const struct ka_error *err)
{
	enum cli_status status = cli_status_of(r);

	say(cli, "error", status_name(status), err->text);
	return status;
}

void
cli_warn(const struct cli *cli, const char *text)
{
	say(cli, "warning", "warning", text);
}

enum ka_result
cli_open_with_usage(const struct cli *cli, struct ka_store **store, struct ka_usage **usage, struct ka_error *err)
{
	struct ka_error drain_err;
	enum ka_result drained = ka_usage_drain(cli->dir, &drain_err), r;

	if ((r = ka_store_open(cli->dir, false, store, err)) != KA_OK ||
	    (r = ka_usage_open(cli->dir, usage, err)) != KA_OK)
		return r;
	/* What can be read is shown, on a full disk or a read-only one too. */
	if (drained != KA_OK) {
		struct ka_error warning;

		(void)ka_result_fail(&warning, drained, "some of the last uses may be missing: %.400s", drain_err.text);
		cli_warn(cli, warning.text);
	}
	return KA_OK;
}

enum ka_result
cli_group(gid_t *gid, struct ka_error *err)
{
	struct group *group = getgrnam(GROUP);

	if (group == NULL)
		return ka_result_fail(err, KA_NOTFOUND,
		    "there is no group \"" GROUP
		    "\", under which sshd's helper reads the database: make the system user with "
		    "'systemd-sysusers keyacct.conf' or 'adduser --system --group --no-create-home " GROUP "'");
	*gid = group->gr_gid;
	return KA_OK;
}

const char *
cli_run(const struct cli *cli)
{
	const char *given = cli_value(cli, "run", 0);

	return given != NULL ? given : KA_RUNDIR;
}

enum ka_result
cli_host(const struct cli *cli, struct ka_store *store, const char **host)
{
	static char name[KA_TITLE_LEN];
	struct ka_settings settings;
	enum ka_result r;

	if ((*host = cli_value(cli, "host", 0)) != NULL)
		return KA_OK;
	if ((r = ka_store_settings(store, &settings)) != KA_OK)
		return r;
	memcpy(name, settings.host, sizeof(name));
	if (name[0] == '\0' && (gethostname(name, sizeof(name) - 1) != 0 || name[0] == '\0'))
		(void)snprintf(name, sizeof(name), "HOST");
	*host = name;
	return KA_OK;
}

/* auth.c, allowed_user(). */
bool
cli_is_shell(const char *shell)
{
	struct stat st;

	return stat(shell, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) != 0;
}

void
cli_check_shell(const struct cli *cli, const char *shell)
{
	char text[KA_SHELL_LEN + 128];

	/* Nobody else says so but sshd, in its log. */
	if (cli_is_shell(shell))
		return;
	(void)snprintf(text, sizeof(text), "%s is no program on this host: nobody can log in until it is", shell);
	cli_warn(cli, text);
}
