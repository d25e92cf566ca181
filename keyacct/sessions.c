#include "keyacct/sessions.h"

#include <stdio.h>
#include <string.h>

#include "common/catalog.h"
#include "keyacct/json.h"
#include "keyacct/show.h"

const struct show_column sessions_columns[] = {
    {"ACCOUNT", "handle", SHOW_TEXT},
    {"PROJECT", "project", SHOW_ID},
    {"ROLE", "role", SHOW_TEXT},
    {"SINCE", "since", SHOW_FROM},
    {"FROM", "from", SHOW_TEXT},
    {"KEY", "fingerprint", SHOW_TEXT},
    {"PID", "pid", SHOW_TEXT},
    {"ID", "id", SHOW_TEXT},
    {NULL, NULL, SHOW_TEXT},
};

enum ka_result
sessions_in(const struct cli *cli, const uint8_t project[static KA_UUID_LEN], json_t *rows, struct ka_error *err)
{
	struct ka_registry reg;
	enum ka_result r = ka_registry_read(cli_run(cli), &reg, err);

	for (size_t i = 0; r == KA_OK && i < reg.n; i++)
		if (memcmp(reg.entries[i].project, project, KA_UUID_LEN) == 0 &&
		    json_array_append_new(rows, sessions_json(&reg.entries[i])) != 0)
			r = ka_result_fail(err, KA_FAILED, "out of memory");
	ka_registry_free(&reg);
	return r;
}

json_t *
sessions_json(const struct ka_registry_entry *e)
{
	char address[KA_ADDRESS_TEXT_LEN] = "-", key[KA_SHA256_TEXT_LEN];

	ka_fingerprint_format(e->sha256, key);
	if (e->address_known)
		ka_address_format(e->address, address);
	return json_pack("{s:s,s:s,s:o,s:o,s:o,s:o,s:s,s:s,s:o,s:I,s:b}", "type", "session", "id", e->name, "project",
	    json_uuid(e->project), "account", e->identified ? json_uuid(e->account) : json_null(), "handle",
	    e->identified ? json_string(e->handle) : json_null(), "role",
	    e->identified ? json_string(ka_access_role_name(e->role)) : json_null(), "fingerprint", key, "from",
	    address, "since", json_time(e->since_s), "pid", (json_int_t)e->pid, "kept", e->kept[0] != '\0');
}

/* What an option names: bytes that an entry's must lie between. */
struct wanted {
	const char *option, *text;
	bool given, handle; /* by its handle, and not by low and high */
	uint8_t low[KA_SHA256_LEN], high[KA_SHA256_LEN];
};

static enum ka_result
read_id(const struct cli *cli, const char *option, struct wanted *w, struct ka_error *err)
{
	w->option = option;
	w->text = cli_value(cli, option, 0);
	w->given = w->text != NULL;
	if (!w->given || ka_uuid_parse_prefix(w->text, w->low, w->high) == KA_OK)
		return KA_OK;
	if (strcmp(option, "account") == 0 && ka_record_handle_ok(w->text)) {
		w->handle = true;
		return KA_OK;
	}
	return ka_result_fail(err, KA_INVALID, "--%s \"%s\" is neither an id nor the beginning of one with %d digits%s",
	    option, w->text, KA_UUID_PREFIX, strcmp(option, "account") == 0 ? ", nor a handle" : "");
}

#define KEY_PREFIX "SHA256:"
#define KEY_MIN    8

/* The beginning of a fingerprint is compared as text: base64 does not end between bytes. */
static enum ka_result
read_key(const struct cli *cli, struct wanted *w, struct ka_error *err)
{
	w->option = "key";
	w->text = cli_value(cli, "key", 0);
	w->given = w->text != NULL;
	if (!w->given || (strncmp(w->text, KEY_PREFIX, strlen(KEY_PREFIX)) == 0 &&
			     strlen(w->text) >= strlen(KEY_PREFIX) + KEY_MIN && strlen(w->text) < KA_SHA256_TEXT_LEN))
		return KA_OK;
	return ka_result_fail(err, KA_INVALID,
	    "--key \"%s\" is no SHA256 fingerprint, nor the beginning of one with %d characters after " KEY_PREFIX,
	    w->text, KEY_MIN);
}

static bool
id_fits(const struct wanted *w, const uint8_t id[static KA_UUID_LEN])
{
	return !w->given || (memcmp(id, w->low, KA_UUID_LEN) >= 0 && memcmp(id, w->high, KA_UUID_LEN) <= 0);
}

static bool
account_fits(const struct wanted *w, const struct ka_registry_entry *e)
{
	if (!w->given)
		return true;
	if (!e->identified)
		return false;
	return w->handle ? strcmp(w->text, e->handle) == 0 : id_fits(w, e->account);
}

static bool
key_fits(const struct wanted *w, const struct ka_registry_entry *e)
{
	char key[KA_SHA256_TEXT_LEN];

	ka_fingerprint_format(e->sha256, key);
	return !w->given || strncmp(key, w->text, strlen(w->text)) == 0;
}

static enum ka_result
several(const struct wanted *w, struct ka_error *err)
{
	return ka_result_fail(
	    err, KA_CONFLICT, "--%s \"%s\" fits the sessions of several: give more of it", w->option, w->text);
}

/* One name is one project, one account, one key. */
static enum ka_result
check_unique(const struct ka_registry *reg, const struct wanted *project, const struct wanted *account,
    const struct wanted *key, struct ka_error *err)
{
	for (size_t i = 1; i < reg->n; i++) {
		const struct ka_registry_entry *a = &reg->entries[0], *b = &reg->entries[i];

		if (project->given && memcmp(a->project, b->project, KA_UUID_LEN) != 0)
			return several(project, err);
		if (account->given && memcmp(a->account, b->account, KA_UUID_LEN) != 0)
			return several(account, err);
		if (key->given && memcmp(a->sha256, b->sha256, KA_SHA256_LEN) != 0)
			return several(key, err);
	}
	return KA_OK;
}

static enum ka_result
find_key(struct ka_store *store, const char *text, struct ka_error *err)
{
	uint8_t sha256[KA_SHA256_LEN];
	struct ka_row row = {.keylen = 0};
	struct ka_key key;
	enum ka_result r = ka_catalog_find_fingerprint(store, text, sha256, err);

	if (r == KA_OK && ka_catalog_next_registration(store, sha256, &row, &key) == KA_NOTFOUND)
		r = ka_result_fail(err, KA_NOTFOUND, "there is no key \"%s\": 'keyacct key list' shows them", text);
	return r;
}

/* No session fits: is it because a name was misspelt? What the database cannot tell is no failure: nobody is in there.
 */
static enum ka_result
check_known(const struct cli *cli, const struct wanted *project, const struct wanted *account, const struct wanted *key,
    struct ka_error *err)
{
	struct ka_store *store = NULL;
	struct ka_project a_project;
	struct ka_account an_account;
	enum ka_result r;

	if ((r = ka_store_open(cli->dir, false, &store, err)) == KA_OK && project->given)
		r = ka_catalog_find_project(store, project->text, &a_project, err);
	if (r == KA_OK && account->given)
		r = ka_catalog_find_account(store, account->text, &an_account, err);
	if (r == KA_OK && key->given)
		r = find_key(store, key->text, err);
	ka_store_close(store);
	return r == KA_NOTFOUND || r == KA_CONFLICT ? r : KA_OK;
}

enum ka_result
sessions_find(const struct cli *cli, struct ka_registry *reg, struct ka_error *err)
{
	struct wanted project = {.given = false}, account = {.given = false}, key = {.given = false};
	const char *id = cli->nargs > 0 ? cli->args[0] : NULL;
	enum ka_result r;
	size_t n = 0;

	memset(reg, 0, sizeof(*reg));
	if ((r = read_id(cli, "project", &project, err)) != KA_OK ||
	    (r = read_id(cli, "account", &account, err)) != KA_OK || (r = read_key(cli, &key, err)) != KA_OK ||
	    (r = ka_registry_read(cli_run(cli), reg, err)) != KA_OK)
		return r;
	for (size_t i = 0; i < reg->n; i++) {
		const struct ka_registry_entry *e = &reg->entries[i];

		if (id_fits(&project, e->project) && account_fits(&account, e) && key_fits(&key, e) &&
		    (id == NULL || strcmp(id, e->name) == 0))
			reg->entries[n++] = *e;
	}
	reg->n = n;
	if (n == 0 && (r = check_known(cli, &project, &account, &key, err)) != KA_OK)
		return r;
	if (id != NULL && n == 0)
		return ka_result_fail(
		    err, KA_NOTFOUND, "there is no open session \"%s\": 'keyacct session list' shows their ids", id);
	return check_unique(reg, &project, &account, &key, err);
}
