/*
 * keyacct config: what is decided for all keys and projects.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/settings.h"
#include "keyacct/cli.h"
#include "keyacct/command.h"
#include "keyacct/show.h"

static const struct show_column list_columns[] = {
    {"NAME", "name", SHOW_TEXT},
    {"VALUE", "value", SHOW_TEXT},
    {"DEFAULT", "default", SHOW_TEXT},
    {"MEANING", "meaning", SHOW_TEXT},
    {NULL, NULL, SHOW_TEXT},
};

/* The value that holds: a host name that is not set is what this host calls itself. */
static void
format_value(
    const struct ka_setting *setting, const struct ka_settings *settings, char text[static KA_SETTINGS_VALUE_LEN])
{
	setting->format(settings, text);
	if (text[0] == '\0')
		(void)gethostname(text, KA_SETTINGS_VALUE_LEN - 1);
}

static bool
is_default(const struct ka_setting *setting, const struct ka_settings *settings)
{
	char text[KA_SETTINGS_VALUE_LEN], of_default[KA_SETTINGS_VALUE_LEN];
	struct ka_settings defaults;

	ka_record_default_settings(&defaults);
	setting->format(settings, text);
	setting->format(&defaults, of_default);
	return strcmp(text, of_default) == 0;
}

static json_t *
json_setting(const struct ka_setting *setting, const struct ka_settings *settings)
{
	char text[KA_SETTINGS_VALUE_LEN] = "";

	format_value(setting, settings, text);
	return json_pack("{s:s,s:s,s:b,s:s}", "name", setting->name, "value", text, "default",
	    is_default(setting, settings), "meaning", setting->meaning);
}

static enum ka_result
read_settings(const struct cli *cli, struct ka_settings *settings, struct ka_error *err)
{
	struct ka_store *store = NULL;
	enum ka_result r;

	if ((r = ka_store_open(cli->dir, false, &store, err)) == KA_OK)
		r = ka_store_fail(store, ka_store_settings(store, settings), err);
	ka_store_close(store);
	return r;
}

static enum cli_status
run_list(struct cli *cli)
{
	struct ka_settings settings;
	struct ka_error err = {""};
	json_t *rows;
	enum ka_result r;

	if ((r = read_settings(cli, &settings, &err)) != KA_OK)
		return cli_fail(cli, r, &err);
	rows = json_array();
	for (const struct ka_setting *s = ka_settings_table; s->name != NULL; s++)
		if (json_array_append_new(rows, json_setting(s, &settings)) != 0) {
			json_decref(rows);
			rows = NULL;
			break;
		}
	return show_list(cli, rows, list_columns, "");
}

static enum cli_status
run_get(struct cli *cli)
{
	char text[KA_SETTINGS_VALUE_LEN] = "";
	const struct ka_setting *setting;
	struct ka_settings settings;
	struct ka_error err = {""};
	enum ka_result r;

	if ((r = ka_settings_find(cli->args[0], &setting, &err)) != KA_OK ||
	    (r = read_settings(cli, &settings, &err)) != KA_OK)
		return cli_fail(cli, r, &err);
	if (cli->json)
		return show_object(cli, json_setting(setting, &settings), NULL);
	format_value(setting, &settings, text);
	(void)puts(text);
	return CLI_DONE;
}

/* Write the one setting; ${before} is what it was, and ${refused} how many registrations that locks out. */
static enum ka_result
write_value(struct ka_store *store, const struct ka_setting *setting, const char *value, struct ka_settings *before,
    struct ka_settings *after, size_t *refused, struct ka_error *err)
{
	enum ka_result r;

	if ((r = ka_store_settings(store, before)) != KA_OK)
		return ka_store_fail(store, r, err);
	*after = *before;
	if ((r = setting->parse(value, after, err)) != KA_OK || (r = ka_settings_write(store, after, err)) != KA_OK)
		return r;
	return ka_store_fail(store, ka_settings_count_refused(store, before, after, refused), err);
}

static void
warn_refused(const struct cli *cli, size_t n)
{
	char text[128];

	if (n == 0)
		return;
	(void)snprintf(text, sizeof(text), "%zu registration%s refused now; 'keyacct audit' shows which", n,
	    n == 1 ? " is" : "s are");
	cli_warn(cli, text);
}

static enum cli_status
change(struct cli *cli, const struct ka_setting *setting, const char *value)
{
	char old[KA_SETTINGS_VALUE_LEN] = "", new[KA_SETTINGS_VALUE_LEN] = "";
	struct ka_settings before, after;
	struct ka_store *store = NULL;
	struct ka_error err = {""};
	enum cli_status status;
	size_t refused = 0;
	enum ka_result r;

	if ((r = command_open(cli, &store, &err)) == KA_OK)
		r = write_value(store, setting, value, &before, &after, &refused, &err);
	if ((status = command_finish(cli, store, r, &err)) != CLI_DONE)
		return status;
	warn_refused(cli, refused);
	if (strcmp(before.shell, after.shell) != 0)
		cli_check_shell(cli, after.shell);
	if (cli->json)
		return show_object(cli, json_setting(setting, &after), NULL);
	format_value(setting, &before, old);
	format_value(setting, &after, new);
	if (strcmp(old, new) == 0)
		(void)printf("%s is %s already.\n", setting->name, new);
	else
		(void)printf("%s is %s now; it was %s.\n", setting->name, new, old);
	return CLI_DONE;
}

static enum cli_status
run_set(struct cli *cli)
{
	const struct ka_setting *setting;
	struct ka_settings scratch;
	struct ka_error err = {""};
	enum ka_result r;

	ka_record_default_settings(&scratch);
	/* Before the database is opened, for what is wrong with the words themselves. A value that comes out empty, say
	 * of a variable that was not set, would take the host's name away. */
	if ((r = ka_settings_find(cli->args[0], &setting, &err)) == KA_OK && cli->args[1][0] == '\0')
		r = ka_result_fail(&err, KA_INVALID,
		    "the value for %s is empty: 'keyacct config reset %s' takes it back", setting->name, setting->name);
	if (r != KA_OK || (r = setting->parse(cli->args[1], &scratch, &err)) != KA_OK)
		return cli_fail(cli, r, &err);
	return change(cli, setting, cli->args[1]);
}

static enum cli_status
reset_all(struct cli *cli)
{
	struct ka_store *store = NULL;
	struct ka_error err = {""};
	enum cli_status status;
	enum ka_result r;

	if ((r = command_open(cli, &store, &err)) == KA_OK)
		r = ka_settings_reset(store, &err);
	if ((status = command_finish(cli, store, r, &err)) != CLI_DONE)
		return status;
	if (cli->json)
		return run_list(cli);
	(void)puts("All settings have their defaults now.");
	return CLI_DONE;
}

static enum cli_status
run_reset(struct cli *cli)
{
	char value[KA_SETTINGS_VALUE_LEN];
	const struct ka_setting *setting;
	struct ka_settings defaults;
	bool all = cli_value(cli, "all", 0) != NULL;
	struct ka_error err = {""};
	enum ka_result r;

	if (all != (cli->nargs == 0)) {
		(void)ka_result_fail(&err, KA_INVALID, "name one setting, or say --all");
		return cli_fail(cli, KA_INVALID, &err);
	}
	if (all)
		return reset_all(cli);
	if ((r = ka_settings_find(cli->args[0], &setting, &err)) != KA_OK)
		return cli_fail(cli, r, &err);
	ka_record_default_settings(&defaults);
	setting->format(&defaults, value);
	return change(cli, setting, value);
}

static const struct cli_option reset_options[] = {
    {"all", NULL, "every setting, also when what they were cannot be read", false},
    {0},
};

const struct cli_verb config_verbs[] = {
    {"config", "list", "", 0, 0, NULL, "List the settings, with their meanings.", "keyacct config list",
	CLI_KEEPS_ACCESS, run_list},
    {"config", "get", "NAME", 1, 1, NULL, "Print the value of a setting.", "keyacct config get host", CLI_KEEPS_ACCESS,
	run_get},
    {"config", "set", "NAME VALUE", 2, 2, NULL, "Change a setting; 'config list' shows the names and values.",
	"keyacct config set rsa-bits 3072", CLI_CHANGES_ACCESS, run_set},
    {"config", "reset", "[NAME]", 0, 1, reset_options, "Give a setting, or all of them, its default value again.",
	"keyacct config reset rsa-bits", CLI_CHANGES_ACCESS, run_reset},
    {0},
};
