/*
 * keyacct authorized-keys: a complete file for a host without the modules.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/access.h"
#include "common/base64.h"
#include "common/catalog.h"
#include "common/sshkey.h"
#include "common/time.h"
#include "keyacct/admitted.h"
#include "keyacct/cli.h"
#include "keyacct/show.h"

/* What a line says beyond the key: ${options} may be empty, and expiry-time= comes last. */
static enum ka_result
append_line(struct ka_store *store, const struct ka_key *key, int64_t until_s, const char *options, const char *handle,
    json_t *lines)
{
	char base64[KA_BASE64_LEN(KA_SSHKEY_BLOB_MAX)], expires[64] = "";
	const char *comma = options[0] != '\0' && until_s != 0 ? "," : "";
	const char *blank = options[0] != '\0' || until_s != 0 ? " " : "";
	uint8_t blob[KA_SSHKEY_BLOB_MAX];
	size_t len = sizeof(blob);
	enum ka_result r;

	if ((r = ka_store_get_blob(store, key->sha256, blob, &len)) != KA_OK)
		return r == KA_NOTFOUND ? KA_CORRUPT : r;
	if (ka_base64_encode(blob, len, base64, sizeof(base64)) != KA_OK)
		return KA_CORRUPT;
	if (until_s != 0) {
		char utc[KA_TIME_TEXT_LEN];

		/* YYYYMMDDHHMMSSZ: sshd reads the Z since 9.1, and takes local time without it. */
		ka_time_format_utc(until_s, utc);
		(void)snprintf(expires, sizeof(expires), "expiry-time=\"%.4s%.2s%.2s%.2s%.2s%.2sZ\"", utc, utc + 5,
		    utc + 8, utc + 11, utc + 14, utc + 17);
	}
	if (json_array_append_new(lines,
		json_sprintf("%s%s%s%s%s %s %s", options, comma, expires, blank, key->type, base64, handle)) != 0)
		return KA_UNAVAIL;
	return KA_OK;
}

/* A line for one registration that may enter the project. */
static enum ka_result
append_admitted(struct ka_store *store, const struct ka_access_answer *answer,
    const struct ka_access_registration *registration, void *lines)
{
	char options[KA_ACCESS_OPTIONS_LEN];

	ka_access_options(answer, &registration->key, options);
	return append_line(
	    store, &registration->key, registration->until_s, options, registration->account.handle, lines);
}

/* All of a person's keys that are valid now, for a machine of that person's own: keys for single projects stay out. */
static enum ka_result
collect_account(struct ka_store *store, const struct ka_account *account, json_t *lines)
{
	struct ka_access_question q = {.at_s = ka_time_now(), .address_to_sshd = true};
	static char host[256];
	struct ka_row row = {.keylen = 0};
	struct ka_settings settings;
	struct ka_key key;
	enum ka_result r;

	if ((r = ka_store_settings(store, &settings)) != KA_OK)
		return r;
	(void)gethostname(host, sizeof(host) - 1);
	q.host = host;
	while ((r = ka_catalog_next_key_of(store, account->id, &row, &key)) == KA_OK) {
		char options[KA_FROM_LEN + 16] = "";

		if (key.named || ka_access_judge_key(&settings, account, &key, &q) != KA_REASON_GRANTED)
			continue;
		if (key.from[0] != '\0')
			(void)snprintf(options, sizeof(options), "from=\"%s\"", key.from);
		if ((r = append_line(store, &key, key.expires_s, options, account->handle, lines)) != KA_OK)
			return r;
	}
	return r == KA_NOTFOUND ? KA_OK : r;
}

/* The argument is a handle or an id; an id is a project's before it is an account's. */
static enum ka_result
collect(const struct cli *cli, struct ka_store *store, json_t *lines, struct ka_error *err)
{
	struct ka_account account;
	struct ka_project project;
	enum ka_result r = KA_NOTFOUND;

	if (!ka_record_handle_ok(cli->args[0]))
		r = ka_catalog_find_project(store, cli->args[0], &project, err);
	if (r == KA_OK) {
		r = admitted_each(cli, store, &project, append_admitted, lines);
	} else {
		if (r != KA_NOTFOUND)
			return r;
		if ((r = ka_catalog_find_account(store, cli->args[0], &account, err)) == KA_NOTFOUND)
			return ka_result_fail(err, r, "there is no project or account \"%s\"", cli->args[0]);
		if (r != KA_OK)
			return r;
		r = collect_account(store, &account, lines);
	}
	return ka_store_fail(store, r, err);
}

static enum cli_status
run_authorized_keys(struct cli *cli)
{
	struct ka_store *store = NULL;
	struct ka_error err = {""};
	json_t *lines = json_array(), *line;
	enum ka_result r;
	size_t i;

	if ((r = ka_store_open(cli->dir, false, &store, &err)) == KA_OK)
		r = collect(cli, store, lines, &err);
	ka_store_close(store);
	if (r != KA_OK) {
		json_decref(lines);
		return cli_fail(cli, r, &err);
	}
	if (cli->json || json_array_size(lines) == 0)
		return show_list(cli, lines, NULL, "No key is valid there now.");
	json_array_foreach(lines, i, line)
	{
		(void)puts(json_string_value(line));
	}
	json_decref(lines);
	return CLI_DONE;
}

const struct cli_verb authorized_keys_verbs[] = {
    {"authorized-keys", NULL, "ACCOUNT|PROJECT", 1, 1, NULL,
	"Write an authorized_keys file for a host without the modules.",
	"keyacct authorized-keys student > authorized_keys", CLI_KEEPS_ACCESS, run_authorized_keys},
    {0},
};
