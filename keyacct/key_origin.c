/*
 * keyacct key remove --origin: what one import brought, taken away at once.
 */
#include <stdio.h>
#include <string.h>

#include "common/catalog.h"
#include "common/registration.h"
#include "keyacct/cli.h"
#include "keyacct/command.h"
#include "keyacct/json.h"
#include "keyacct/key.h"
#include "keyacct/show.h"

static enum ka_result
describe(struct ka_store *store, const struct ka_key *key, json_t *rows)
{
	struct ka_account account;
	json_t *projects;
	enum ka_result r;

	if (ka_catalog_get_account(store, key->account, &account) != KA_OK)
		return KA_CORRUPT;
	if ((r = key_read_reach(store, key, &projects)) != KA_OK)
		return r;
	return json_array_append_new(rows, json_key(key, &account, projects)) == 0 ? KA_OK : KA_UNAVAIL;
}

/* What --origin and --account name, and what became of it. */
struct removal {
	const char *origin;
	bool by_account;
	struct ka_account account;
	size_t n;
	json_t *rows; /* what they were; NULL: nobody asks, and they may be many */
};

static enum ka_result
read_arguments(const struct cli *cli, struct ka_store *store, struct removal *m, struct ka_error *err)
{
	const char *of = cli_value(cli, "account", 0);

	m->by_account = of != NULL;
	return of != NULL ? ka_catalog_find_account(store, of, &m->account, err) : KA_OK;
}

static enum ka_result
remove_all(struct ka_store *store, struct removal *m, struct ka_error *err)
{
	struct ka_row row = {.keylen = 0};
	struct ka_key key;
	enum ka_result r;

	while ((r = m->by_account ? ka_catalog_next_key_of(store, m->account.id, &row, &key)
				  : ka_catalog_next_key(store, &row, &key)) == KA_OK) {
		if (strcmp(key.origin, m->origin) != 0)
			continue;
		if (m->rows != NULL && (r = describe(store, &key, m->rows)) != KA_OK)
			return ka_store_fail(store, r, err);
		if ((r = ka_registration_remove(store, &key, err)) != KA_OK)
			return r;
		m->n++;
	}
	if (r != KA_NOTFOUND)
		return ka_store_fail(store, r, err);
	if (m->n > 0)
		return KA_OK;
	return ka_result_fail(err, KA_NOTFOUND,
	    "no key%s%s has the origin \"%s\"; 'keyacct key list --json' shows each key's", m->by_account ? " of " : "",
	    m->by_account ? m->account.handle : "", m->origin);
}

static void
print_dry(const struct removal *m)
{
	json_t *each;
	size_t i;

	(void)printf("%zu key%s with the origin \"%s\" would be removed:\n", m->n, m->n == 1 ? "" : "s", m->origin);
	json_array_foreach(m->rows, i, each)
	{
		(void)printf("  %s \"%s\" of \"%s\"\n", json_string_value(json_object_get(each, "fingerprint")),
		    json_string_value(json_object_get(each, "title")),
		    json_string_value(json_object_get(each, "handle")));
	}
	(void)printf("Nothing is changed.\n");
}

enum cli_status
key_run_remove_origin(struct cli *cli)
{
	bool dry = cli_value(cli, "dry-run", 0) != NULL;
	struct removal m = {.origin = cli_value(cli, "origin", 0), .rows = cli->json || dry ? json_array() : NULL};
	struct ka_store *store = NULL;
	struct ka_error err = {""};
	enum cli_status status = CLI_DONE;
	enum ka_result r;

	/* Say of a variable that was not set: it would stand for the keys that came in no import. */
	if (m.origin[0] == '\0')
		r = ka_result_fail(&err, KA_INVALID, "--origin is empty: give the label of an import");
	else if ((r = command_open(cli, &store, &err)) == KA_OK && (r = read_arguments(cli, store, &m, &err)) == KA_OK)
		r = remove_all(store, &m, &err);
	if (dry && r == KA_OK)
		ka_store_close(store); /* and nothing was changed */
	else
		status = command_finish(cli, store, r, &err);
	if (status == CLI_DONE && cli->json)
		return show_list(cli, m.rows, NULL, "");
	if (status == CLI_DONE && dry)
		print_dry(&m);
	else if (status == CLI_DONE)
		(void)printf("%zu key%s with the origin \"%s\" %s nothing any more.\n", m.n, m.n == 1 ? "" : "s",
		    m.origin, m.n == 1 ? "is removed, and opens" : "are removed, and open");
	json_decref(m.rows);
	return status;
}
