/*
 * keyacct ssh-config: what a person puts into ~/.ssh/config.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/access.h"
#include "common/catalog.h"
#include "common/time.h"
#include "keyacct/cli.h"
#include "keyacct/host_sshd.h"
#include "keyacct/json.h"
#include "keyacct/show.h"

/* A short name for a project: its title's letters and digits, with the beginning of the id to tell two apart. */
static void
alias_of(const struct ka_project *project, char *alias, size_t size)
{
	char name[KA_UUID_NAME_LEN];
	size_t at = 0;

	for (const char *c = project->title; *c != '\0' && at < 32 && at + 12 < size; c++) {
		if (isascii((unsigned char)*c) && isalnum((unsigned char)*c))
			alias[at++] = (char)tolower((unsigned char)*c);
		else if (at > 0 && alias[at - 1] != '-')
			alias[at++] = '-';
	}
	if (at == 0)
		at += (size_t)snprintf(alias, size, "project");
	if (alias[at - 1] != '-')
		alias[at++] = '-';
	ka_uuid_name(project->id, name);
	(void)snprintf(alias + at, size - at, "%.*s", KA_UUID_PREFIX, name);
}

/* The fingerprints of the host keys that this host's sshd shows, to compare at the first connection. */
static json_t *
json_host_keys(void)
{
	json_t *keys = json_array();
	struct ka_sshkey key;
	unsigned nth = 0;
	char *config;

	(void)host_sshd_ask("root", "localhost", "127.0.0.1", &config, NULL);
	while (config != NULL && host_sshd_key(config, &nth, &key)) {
		char fingerprint[KA_SHA256_TEXT_LEN];

		ka_fingerprint_format(key.sha256, fingerprint);
		(void)json_array_append_new(keys, json_sprintf("%s %s", key.type, fingerprint));
	}
	free(config);
	return keys;
}

static json_t *
json_host(const struct cli *cli, const char *hostname, const struct ka_project *project, json_t *host_keys)
{
	const char *identity = cli_value(cli, "identity", 0);
	char alias[64], name[KA_UUID_NAME_LEN];

	alias_of(project, alias, sizeof(alias));
	ka_uuid_name(project->id, name);
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:O}", "host", alias, "hostname", hostname, "user", name,
	    "identity_file", identity != NULL ? identity : "~/.ssh/id_ed25519", "title", project->title, "host_keys",
	    host_keys);
}

/* KA_NOTFOUND: nobody can enter the project now, so its lines would be of no use. */
static enum ka_result
is_open(const struct cli *cli, const uint8_t id[static KA_UUID_LEN])
{
	static struct ka_access_answer answer;
	struct ka_access_question q = {.at_s = ka_time_now()};
	enum ka_result r;

	memcpy(q.project, id, KA_UUID_LEN);
	if ((r = ka_access_ask_project(cli->dir, &q, &answer)) != KA_OK)
		return r;
	return answer.reason == KA_REASON_GRANTED ? KA_OK : KA_NOTFOUND;
}

/* A word of the file: a line break would begin another keyword, and a quote cannot be written at all (ssh_config(5)).
 */
static enum ka_result
check_word(const struct cli *cli, const char *name, struct ka_error *err)
{
	const char *value = cli_value(cli, name, 0);

	for (const char *c = value; c != NULL && *c != '\0'; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f || *c == '"')
			return ka_result_fail(
			    err, KA_INVALID, "--%s \"%s\" has a character that ssh_config cannot hold", name, value);
	return KA_OK;
}

static enum ka_result
collect(const struct cli *cli, struct ka_store *store, const struct ka_account *account, const struct ka_project *only,
    json_t *rows)
{
	struct ka_project_of at = {.groups = false};
	json_t *host_keys = json_host_keys();
	struct ka_project project;
	uint8_t id[KA_UUID_LEN];
	const char *host;
	enum ka_result r;

	if ((r = cli_host(cli, store, &host)) != KA_OK || !ka_access_account_is_active(account)) {
		json_decref(host_keys);
		return r;
	}
	while ((r = ka_catalog_next_project_of(store, account->id, ka_time_now(), &at, id)) == KA_OK) {
		if (only != NULL && memcmp(only->id, id, KA_UUID_LEN) != 0)
			continue;
		if ((r = is_open(cli, id)) == KA_NOTFOUND)
			continue;
		if (r == KA_OK && ka_catalog_get_project(store, id, &project) != KA_OK)
			r = KA_CORRUPT;
		if (r == KA_OK && json_array_append_new(rows, json_host(cli, host, &project, host_keys)) != 0)
			r = KA_UNAVAIL;
		if (r != KA_OK)
			break;
	}
	json_decref(host_keys);
	return r == KA_NOTFOUND ? KA_OK : r;
}

static void
print_hosts(json_t *rows)
{
	json_t *row, *key;
	size_t i, n;

	json_array_foreach(rows, i, row)
	{
		(void)printf("%s# %s\n", i > 0 ? "\n" : "", json_string_value(json_object_get(row, "title")));
		json_array_foreach(json_object_get(row, "host_keys"), n, key)
		{
			(void)printf("#   host key %s\n", json_string_value(key));
		}
		/* Everybody in a project could use an agent that is forwarded into it: not without being asked for. */
		(void)printf("Host %s\n    HostName \"%s\"\n    User %s\n    IdentityFile \"%s\"\n    "
			     "IdentitiesOnly yes\n    ForwardAgent no\n",
		    json_string_value(json_object_get(row, "host")),
		    json_string_value(json_object_get(row, "hostname")),
		    json_string_value(json_object_get(row, "user")),
		    json_string_value(json_object_get(row, "identity_file")));
	}
}

static enum cli_status
run_ssh_config(struct cli *cli)
{
	const char *only = cli_value(cli, "project", 0);
	struct ka_store *store = NULL;
	struct ka_account account;
	struct ka_project project;
	struct ka_error err = {""};
	json_t *rows = json_array();
	enum ka_result r;

	if ((r = check_word(cli, "host", &err)) == KA_OK && (r = check_word(cli, "identity", &err)) == KA_OK &&
	    (r = ka_store_open(cli->dir, false, &store, &err)) == KA_OK &&
	    (r = ka_catalog_find_account(store, cli->args[0], &account, &err)) == KA_OK &&
	    (only == NULL || (r = ka_catalog_find_project(store, only, &project, &err)) == KA_OK)) {
		r = collect(cli, store, &account, only != NULL ? &project : NULL, rows);
		if (r != KA_OK)
			(void)ka_store_fail(store, r, &err);
		else if (json_array_size(rows) == 0)
			r = ka_result_fail(&err, KA_NOTFOUND,
			    "\"%s\" can enter %s now; 'keyacct member add PROJECT %s' may change that", account.handle,
			    only != NULL ? "no such project" : "no project", account.handle);
	}
	ka_store_close(store);
	if (r != KA_OK) {
		json_decref(rows);
		return cli_fail(cli, r, &err);
	}
	if (cli->json)
		return show_list(cli, rows, NULL, "");
	print_hosts(rows);
	json_decref(rows);
	return CLI_DONE;
}

static const struct cli_option options[] = {
    {"project", "PROJECT", "only this project", false},
    {"host", "HOST", "the host name to write (the setting host)", false},
    {"identity", "FILE", "the private key's file (~/.ssh/id_ed25519)", false},
    {0},
};

const struct cli_verb ssh_config_verbs[] = {
    {"ssh-config", NULL, "ACCOUNT", 1, 1, options, "Write the lines for a person's ~/.ssh/config.",
	"keyacct ssh-config student --host ssh.example.org", CLI_KEEPS_ACCESS, run_ssh_config},
    {0},
};
