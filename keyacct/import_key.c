/*
 * One object of an import that has a key.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/catalog.h"
#include "common/paste.h"
#include "common/registration.h"
#include "keyacct/import.h"
#include "keyacct/json.h"

enum ka_result
import_key(struct import *im, struct ka_key *key, bool found, const struct ka_sshkey *sshkey,
    const uint8_t (*projects)[KA_UUID_LEN], size_t n, enum import_outcome *outcome, struct ka_error *err)
{
	uint64_t changes = ka_store_count_changes(im->store);
	enum ka_result r;

	memcpy(key->sha256, sshkey->sha256, sizeof(key->sha256));
	if ((r = ka_registration_check_reach(im->store, key, projects, n, err)) != KA_OK)
		return r;
	r = found ? ka_registration_change(im->store, key, err) : ka_registration_add(im->store, key, sshkey, err);
	if (r == KA_OK)
		r = ka_registration_set_reach(im->store, key, projects, n, err);
	*outcome = import_outcome_of(im, found, changes);
	return r;
}

/* "projects": an array of ids, or absent or null for all. The caller frees ${projects}. */
static enum ka_result
read_projects(struct import *im, json_t *array, uint8_t (**projects)[KA_UUID_LEN], size_t *n, struct ka_error *err)
{
	enum ka_result r = KA_OK;

	*projects = NULL;
	*n = json_array_size(array);
	if (array == NULL || json_is_null(array))
		return KA_OK;
	if (!json_is_array(array))
		return ka_result_fail(err, KA_INVALID, "\"projects\" has to be an array of ids, or absent for all");
	if ((*projects = calloc(*n + 1, KA_UUID_LEN)) == NULL)
		return ka_result_fail(err, KA_UNAVAIL, "out of memory");
	for (size_t i = 0; r == KA_OK && i < *n; i++) {
		const char *text = json_string_value(json_array_get(array, i));

		r = import_refer_project(im, text != NULL ? text : "", (*projects)[i], err);
	}
	return r;
}

/* A limit that comes out empty would be none: who wants none says null. */
static enum ka_result
check_limits(json_t *object, struct ka_error *err)
{
	static const char *const limits[] = {"from", "hosts"};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		json_t *limit = json_object_get(object, limits[i]);

		if (json_is_array(limit) && json_array_size(limit) == 0)
			return ka_result_fail(
			    err, KA_INVALID, "\"%s\" is empty: null stands for no such limit", limits[i]);
	}
	return KA_OK;
}

/* The registration that a line is about: as it stands, or a new one. */
static enum ka_result
begin_key(struct import *im, json_t *object, const struct ka_sshkey *sshkey, struct ka_key *key, bool *found,
    struct ka_error *err)
{
	uint8_t full[KA_KEY_KEY_LEN];
	struct ka_account account;
	const char *text;
	enum ka_result r;

	if ((r = import_need_text(object, "account", &text, err)) != KA_OK ||
	    (r = import_refer_account(im, text, &account, err)) != KA_OK)
		return r;
	ka_table_key_key(sshkey->sha256, account.id, full);
	if ((r = import_mark(im, KA_TABLE_KEY, full, sizeof(full), err)) != KA_OK)
		return r;
	r = ka_catalog_get_registration(im->store, sshkey->sha256, account.id, key);
	*found = r == KA_OK;
	if (r != KA_OK && r != KA_NOTFOUND)
		return ka_store_fail(im->store, r, err);
	if (!*found) {
		*key = (struct ka_key){.state = KA_KEY_ACTIVE};
		memcpy(key->account, account.id, KA_UUID_LEN);
	}
	return KA_OK;
}

/* A title and a time of making it always has: null leaves them to be as they are, or as they are made up. */
static enum ka_result
read_fields(json_t *object, struct ka_key *key, struct ka_error *err)
{
	struct ka_key old = *key;
	enum ka_result r;

	if ((r = fields_check(json_key_fields, "key handle projects last_used", object, err)) != KA_OK ||
	    (r = fields_read(json_key_fields, object, key, err)) != KA_OK || (r = check_limits(object, err)) != KA_OK)
		return r;
	if (key->title[0] == '\0')
		memcpy(key->title, old.title, sizeof(key->title));
	if (key->created_s == 0)
		key->created_s = old.created_s;
	return KA_OK;
}

enum ka_result
import_key_object(struct import *im, json_t *object, enum import_outcome *outcome, struct ka_error *err)
{
	json_t *named = json_object_get(object, "projects");
	uint8_t(*projects)[KA_UUID_LEN] = NULL;
	struct ka_sshkey sshkey;
	struct ka_key key;
	const char *text;
	bool found;
	size_t n;
	enum ka_result r;

	if ((r = import_need_text(object, "key", &text, err)) != KA_OK)
		return r;
	if ((r = ka_paste_parse(text, strlen(text), &sshkey, err)) != KA_OK) {
		/* What is no key is none that somebody has. */
		im->told = true;
		return r;
	}
	if ((r = begin_key(im, object, &sshkey, &key, &found, err)) != KA_OK ||
	    (r = read_fields(object, &key, err)) != KA_OK)
		return r;
	/* What somebody added by hand stays that, and is not removed with what the label stands for. */
	if (!found && im->origin != NULL && key.origin[0] == '\0')
		(void)snprintf(key.origin, sizeof(key.origin), "%s", im->origin);
	if ((r = read_projects(im, named, &projects, &n, err)) == KA_OK) {
		key.named = projects != NULL;
		r = import_key(im, &key, found, &sshkey, projects, n, outcome, err);
	}
	free(projects);
	return r;
}
