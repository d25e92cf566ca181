/*
 * One object of an import, laid over the database.
 */
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/catalog.h"
#include "common/model.h"
#include "common/paste.h"
#include "common/registration.h"
#include "keyacct/import.h"
#include "keyacct/json.h"

static const uint8_t no_id[KA_UUID_LEN];

/* A text that has to be there. */
static enum ka_result
need_text(json_t *object, const char *name, const char **text, struct ka_error *err)
{
	*text = json_string_value(json_object_get(object, name));
	if (*text != NULL)
		return KA_OK;
	return ka_result_fail(err, KA_INVALID, "\"%s\" is missing, or no text", name);
}

/* The id of an object that has one; zero otherwise. An id of zeros would stand for none. */
static enum ka_result
read_id(json_t *object, uint8_t id[static KA_UUID_LEN], struct ka_error *err)
{
	json_t *value = json_object_get(object, "id");

	memset(id, 0, KA_UUID_LEN);
	if (value == NULL)
		return KA_OK;
	if (!json_is_string(value) || ka_uuid_parse(json_string_value(value), id) != KA_OK ||
	    memcmp(id, no_id, KA_UUID_LEN) == 0)
		return ka_result_fail(err, KA_INVALID, "\"id\" is no UUID that can be an id");
	return KA_OK;
}

static enum ka_result
mark(struct import *im, enum ka_table table, const void *key, size_t keylen, struct ka_error *err)
{
	if (!im->mirror || seen_mark(&im->seen, table, key, keylen) == KA_OK)
		return KA_OK;
	return ka_result_fail(err, KA_UNAVAIL, "out of memory");
}

/* What it came to: the change log knows whether anything is different. */
static enum import_outcome
outcome_of(const struct import *im, bool found, uint64_t changes)
{
	if (!found)
		return IMPORT_ADDED;
	return ka_store_count_changes(im->store) == changes ? IMPORT_UNCHANGED : IMPORT_CHANGED;
}

/* Who an account is: by its id, or, when the line has none, by its handle. */
static enum ka_result
find_account(struct import *im, json_t *object, struct ka_account *account, bool *found, struct ka_error *err)
{
	const char *handle = json_string_value(json_object_get(object, "handle"));
	enum ka_result r;

	memset(account, 0, sizeof(*account));
	*found = false;
	if ((r = read_id(object, account->id, err)) != KA_OK)
		return r;
	if (memcmp(account->id, no_id, KA_UUID_LEN) != 0) {
		uint8_t id[KA_UUID_LEN];

		memcpy(id, account->id, KA_UUID_LEN);
		r = ka_catalog_get_account(im->store, id, account);
	} else if (handle != NULL && ka_record_handle_ok(handle)) {
		r = ka_catalog_find_account(im->store, handle, account, NULL);
	} else {
		return ka_result_fail(err, KA_INVALID, "an account needs an \"id\" or a \"handle\"");
	}
	*found = r == KA_OK;
	return r == KA_NOTFOUND ? KA_OK : ka_store_fail(im->store, r, err);
}

static enum ka_result
import_account(struct import *im, json_t *object, enum import_outcome *outcome, struct ka_error *err)
{
	uint64_t changes = ka_store_count_changes(im->store);
	struct ka_account account, old;
	bool found;
	enum ka_result r;

	if ((r = fields_check(json_account_fields, "keys projects", object, err)) != KA_OK ||
	    (r = find_account(im, object, &account, &found, err)) != KA_OK)
		return r;
	/* What can be told apart is not absent, whatever else is wrong with the line. */
	if (found && (r = mark(im, KA_TABLE_ACCOUNT, account.id, KA_UUID_LEN, err)) != KA_OK)
		return r;
	old = account;
	if ((r = fields_read(json_account_fields, object, &account, err)) != KA_OK)
		return r;
	if (!found && account.handle[0] == '\0')
		return ka_result_fail(err, KA_INVALID, "a new account needs a \"handle\"");
	/* When something was made is no limit that null could take away. */
	if (account.created_s == 0)
		account.created_s = old.created_s;
	r = found ? ka_model_change_account(im->store, &account, err) : ka_model_add_account(im->store, &account, err);
	if (r != KA_OK)
		return r;
	*outcome = outcome_of(im, found, changes);
	return mark(im, KA_TABLE_ACCOUNT, account.id, KA_UUID_LEN, err);
}

static bool
is_project(const char *name, const uint8_t project[static KA_UUID_LEN])
{
	uint8_t id[KA_UUID_LEN];

	return ka_uuid_from_name(name, id) == KA_OK && memcmp(id, project, KA_UUID_LEN) == 0;
}

/* A uid outside of our own range may be a user's of this host, who would share the project's files. */
enum ka_result
import_check_uid(uint32_t uid, const uint8_t project[static KA_UUID_LEN], struct ka_error *err)
{
	struct passwd *pw;
	struct group *gr;

	/* What is no uid for a project at all is the model's to refuse. */
	if (!ka_record_uid_ok(uid) || (uid >= KA_UID_FIRST && uid <= KA_UID_LAST))
		return KA_OK;
	if ((pw = getpwuid((uid_t)uid)) != NULL && !is_project(pw->pw_name, project))
		return ka_result_fail(err, KA_CONFLICT,
		    "the uid %u belongs to \"%s\" on this host: remove that user first (its files stay)", uid,
		    pw->pw_name);
	if ((gr = getgrgid((gid_t)uid)) != NULL && !is_project(gr->gr_name, project))
		return ka_result_fail(err, KA_CONFLICT,
		    "the gid %u belongs to the group \"%s\" on this host: remove that group first", uid, gr->gr_name);
	return KA_OK;
}

static enum ka_result
add_project(struct import *im, json_t *object, struct ka_project *project, struct ka_error *err)
{
	enum ka_result r;

	/* Root's is no uid of a project, and not a way to say that any will do. */
	if (project->uid == 0 && json_object_get(object, "uid") != NULL)
		return ka_result_fail(err, KA_INVALID, "\"uid\" cannot be 0: leave it out for a new one");
	if ((r = import_check_uid(project->uid, project->id, err)) != KA_OK)
		return r;
	return ka_model_add_project(im->store, project, err);
}

static enum ka_result
change_project(struct import *im, const struct ka_project *old, struct ka_project *project, struct ka_error *err)
{
	if (old->uid != project->uid)
		return ka_result_fail(err, KA_CONFLICT,
		    "the project has the uid %u, and keeps it: \"uid\" cannot be %u", old->uid, project->uid);
	if (project->created_s == 0)
		project->created_s = old->created_s;
	if (project->state != KA_PROJECT_DELETED)
		return ka_model_change_project(im->store, project, err);
	return old->state == KA_PROJECT_DELETED ? KA_OK : ka_model_remove_project(im->store, project, err);
}

static enum ka_result
import_project(struct import *im, json_t *object, enum import_outcome *outcome, struct ka_error *err)
{
	uint64_t changes = ka_store_count_changes(im->store);
	struct ka_project project = {.ssh = true, .policy = im->settings.policy}, old = {.uid = 0};
	uint8_t id[KA_UUID_LEN];
	enum ka_result r, found;

	if ((r = fields_check(json_project_fields, "login owners collaborators last_used", object, err)) != KA_OK ||
	    (r = read_id(object, id, err)) != KA_OK)
		return r;
	if (memcmp(id, no_id, KA_UUID_LEN) == 0)
		return ka_result_fail(
		    err, KA_INVALID, "a project needs an \"id\": by it the next import knows it again");
	if ((r = mark(im, KA_TABLE_PROJECT, id, KA_UUID_LEN, err)) != KA_OK)
		return r;
	if ((found = ka_catalog_get_project(im->store, id, &old)) == KA_OK)
		project = old;
	else if (found != KA_NOTFOUND)
		return ka_store_fail(im->store, found, err);
	if ((r = fields_read(json_project_fields, object, &project, err)) != KA_OK)
		return r;
	r = found == KA_OK ? change_project(im, &old, &project, err) : add_project(im, object, &project, err);
	*outcome = outcome_of(im, found == KA_OK, changes);
	return r;
}

/* The account that a field names, by id or handle. */
static enum ka_result
refer_account(struct import *im, json_t *object, struct ka_account *account, struct ka_error *err)
{
	const char *text;
	enum ka_result r;

	if ((r = need_text(object, "account", &text, err)) != KA_OK)
		return r;
	return ka_catalog_find_account(im->store, text, account, err);
}

static enum ka_result
refer_project(struct import *im, const char *text, uint8_t id[static KA_UUID_LEN], struct ka_error *err)
{
	struct ka_project project;
	enum ka_result r;

	if (ka_uuid_parse(text, id) != KA_OK)
		return ka_result_fail(err, KA_INVALID, "\"%.80s\" is no project's id", text);
	if ((r = ka_catalog_get_project(im->store, id, &project)) == KA_NOTFOUND)
		return ka_result_fail(err, r, "there is no project %s", text);
	return ka_store_fail(im->store, r, err);
}

/* The project of a member, and who it is: "account", or "group". */
static enum ka_result
refer_member(struct import *im, json_t *object, struct ka_member *member, struct ka_error *err)
{
	const char *project, *group;
	struct ka_account account;
	struct ka_group found;
	enum ka_result r;

	if ((r = need_text(object, "project", &project, err)) != KA_OK ||
	    (r = refer_project(im, project, member->project, err)) != KA_OK)
		return r;
	if (json_object_get(object, "group") == NULL) {
		member->kind = KA_SUBJECT_ACCOUNT;
		if ((r = refer_account(im, object, &account, err)) == KA_OK)
			memcpy(member->subject, account.id, KA_UUID_LEN);
		return r;
	}
	if (json_object_get(object, "account") != NULL)
		return ka_result_fail(err, KA_INVALID, "a member is an \"account\" or a \"group\", not both");
	member->kind = KA_SUBJECT_GROUP;
	if ((r = need_text(object, "group", &group, err)) == KA_OK &&
	    (r = ka_catalog_find_group(im->store, group, &found, err)) == KA_OK)
		memcpy(member->subject, found.id, KA_UUID_LEN);
	return r;
}

static enum ka_result
import_member(struct import *im, json_t *object, enum import_outcome *outcome, struct ka_error *err)
{
	uint64_t changes = ka_store_count_changes(im->store);
	struct ka_member member = {.role = KA_ROLE_COLLABORATOR}, old;
	uint8_t key[KA_MEMBER_KEY_LEN];
	enum ka_result r, found;

	if ((r = fields_check(json_member_fields, "project account group handle", object, err)) != KA_OK ||
	    (r = refer_member(im, object, &member, err)) != KA_OK)
		return r;
	ka_table_member_key(member.project, member.kind, member.subject, key);
	if ((r = mark(im, KA_TABLE_MEMBER, key, sizeof(key), err)) != KA_OK)
		return r;
	found = ka_catalog_get_member(im->store, member.project, member.kind, member.subject, &old);
	if (found == KA_OK)
		member = old;
	else if (found != KA_NOTFOUND)
		return ka_store_fail(im->store, found, err);
	if ((r = fields_read(json_member_fields, object, &member, err)) != KA_OK)
		return r;
	r = ka_membership_add(im->store, &member, im->rule, err);
	*outcome = outcome_of(im, found == KA_OK, changes);
	return r;
}

/* The accounts of a group, in the order of their ids. */
struct accounts {
	uint8_t (*ids)[KA_UUID_LEN];
	size_t n;
};

static int
compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, KA_UUID_LEN);
}

/* "accounts", before anything is written: is each of them there, and can it join? The caller frees ${all}->ids. */
static enum ka_result
read_accounts(
    struct import *im, const struct ka_group *group, json_t *array, struct accounts *all, struct ka_error *err)
{
	struct ka_account account;
	json_t *element;
	enum ka_result r;

	*all = (struct accounts){.ids = calloc(json_array_size(array) + 1, sizeof(*all->ids))};
	if (all->ids == NULL)
		return ka_result_fail(err, KA_UNAVAIL, "out of memory");
	if (array != NULL && !json_is_array(array))
		return ka_result_fail(err, KA_INVALID, "\"accounts\" has to be an array of handles or ids");
	json_array_foreach(array, all->n, element)
	{
		if (!json_is_string(element))
			return ka_result_fail(err, KA_INVALID, "\"accounts\" has to be an array of handles or ids");
		if ((r = ka_catalog_find_account(im->store, json_string_value(element), &account, err)) != KA_OK ||
		    (r = ka_membership_check_join(im->store, group, &account, err)) != KA_OK)
			return r;
		memcpy(all->ids[all->n], account.id, KA_UUID_LEN);
	}
	qsort(all->ids, all->n, sizeof(*all->ids), compare_ids);
	return KA_OK;
}

/* These are in the group, and nobody else. */
static enum ka_result
set_group_members(struct import *im, const struct ka_group *group, const struct accounts *all, struct ka_error *err)
{
	struct ka_row row = {.keylen = 0};
	struct ka_account account = {.handle = ""};
	enum ka_result r;

	for (size_t i = 0; i < all->n; i++) {
		memcpy(account.id, all->ids[i], KA_UUID_LEN);
		if ((r = ka_membership_join_group(im->store, group, &account, err)) != KA_OK)
			return r;
	}
	while ((r = ka_catalog_next_group_member(im->store, group->id, &row, &account)) == KA_OK)
		if (bsearch(account.id, all->ids, all->n, sizeof(*all->ids), compare_ids) == NULL &&
		    (r = ka_membership_leave_group(im->store, group, &account, err)) != KA_OK)
			return r;
	return r == KA_NOTFOUND ? KA_OK : ka_store_fail(im->store, r, err);
}

static enum ka_result
find_group(struct import *im, json_t *object, struct ka_group *group, bool *found, struct ka_error *err)
{
	const char *name = json_string_value(json_object_get(object, "name"));
	uint8_t id[KA_UUID_LEN];
	enum ka_result r;

	memset(group, 0, sizeof(*group));
	if ((r = read_id(object, id, err)) != KA_OK)
		return r;
	if (memcmp(id, no_id, KA_UUID_LEN) != 0)
		r = ka_catalog_get_group(im->store, id, group);
	else if (name != NULL)
		r = ka_catalog_find_group(im->store, name, group, NULL);
	else
		return ka_result_fail(err, KA_INVALID, "a group needs an \"id\" or a \"name\"");
	*found = r == KA_OK;
	return r == KA_NOTFOUND ? KA_OK : ka_store_fail(im->store, r, err);
}

static enum ka_result
import_group(struct import *im, json_t *object, enum import_outcome *outcome, struct ka_error *err)
{
	uint64_t changes = ka_store_count_changes(im->store);
	json_t *array = json_object_get(object, "accounts");
	struct accounts accounts = {.ids = NULL};
	struct ka_group group, old;
	bool found = false;
	enum ka_result r;

	if ((r = fields_check(json_group_fields, "accounts projects", object, err)) != KA_OK ||
	    (r = find_group(im, object, &group, &found, err)) != KA_OK)
		return r;
	if (found && (r = mark(im, KA_TABLE_GROUP, group.id, KA_UUID_LEN, err)) != KA_OK)
		return r;
	old = group;
	if ((r = fields_read(json_group_fields, object, &group, err)) != KA_OK)
		return r;
	if (group.created_s == 0)
		group.created_s = old.created_s;
	if ((r = read_accounts(im, &group, array, &accounts, err)) == KA_OK)
		r = found ? ka_model_change_group(im->store, &group, err) : ka_model_add_group(im->store, &group, err);
	if (r == KA_OK && array != NULL)
		r = set_group_members(im, &group, &accounts, err);
	free(accounts.ids);
	if (r != KA_OK)
		return r;
	*outcome = outcome_of(im, found, changes);
	return mark(im, KA_TABLE_GROUP, group.id, KA_UUID_LEN, err);
}

enum ka_result
import_key(struct import *im, struct ka_key *key, const struct ka_sshkey *sshkey,
    const uint8_t (*projects)[KA_UUID_LEN], size_t n, enum import_outcome *outcome, struct ka_error *err)
{
	uint64_t changes = ka_store_count_changes(im->store);
	uint8_t full[KA_KEY_KEY_LEN];
	struct ka_key old;
	enum ka_result r, found;

	ka_table_key_key(sshkey->sha256, key->account, full);
	if ((r = mark(im, KA_TABLE_KEY, full, sizeof(full), err)) != KA_OK)
		return r;
	found = ka_catalog_get_registration(im->store, sshkey->sha256, key->account, &old);
	if (found != KA_OK && found != KA_NOTFOUND)
		return ka_store_fail(im->store, found, err);
	memcpy(key->sha256, sshkey->sha256, sizeof(key->sha256));
	if ((r = ka_registration_check_reach(im->store, key, projects, n, err)) != KA_OK)
		return r;
	r = found == KA_OK ? ka_registration_change(im->store, key, err)
			   : ka_registration_add(im->store, key, sshkey, err);
	if (r == KA_OK)
		r = ka_registration_set_reach(im->store, key, projects, n, err);
	*outcome = outcome_of(im, found == KA_OK, changes);
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

		r = refer_project(im, text != NULL ? text : "", (*projects)[i], err);
	}
	return r;
}

/* The registration that a line is about: as it stands, or a new one. */
static enum ka_result
begin_key(struct import *im, json_t *object, const struct ka_sshkey *sshkey, struct ka_key *key, struct ka_error *err)
{
	struct ka_account account;
	enum ka_result r;

	if ((r = refer_account(im, object, &account, err)) != KA_OK)
		return r;
	r = ka_catalog_get_registration(im->store, sshkey->sha256, account.id, key);
	if (r == KA_NOTFOUND) {
		memset(key, 0, sizeof(*key));
		memcpy(key->account, account.id, KA_UUID_LEN);
		key->state = KA_KEY_ACTIVE;
		r = KA_OK;
	}
	if (r == KA_OK && im->origin != NULL)
		(void)snprintf(key->origin, sizeof(key->origin), "%s", im->origin);
	return ka_store_fail(im->store, r, err);
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

/* A title and a time of making it always has: null leaves them to be as they are, or as they are made up. */
static enum ka_result
read_fields(json_t *object, struct ka_key *key, struct ka_error *err)
{
	struct ka_key old = *key;
	enum ka_result r;

	if ((r = fields_read(json_key_fields, object, key, err)) != KA_OK || (r = check_limits(object, err)) != KA_OK)
		return r;
	if (key->title[0] == '\0')
		memcpy(key->title, old.title, sizeof(key->title));
	if (key->created_s == 0)
		key->created_s = old.created_s;
	return KA_OK;
}

static enum ka_result
import_key_object(struct import *im, json_t *object, enum import_outcome *outcome, struct ka_error *err)
{
	json_t *named = json_object_get(object, "projects");
	uint8_t(*projects)[KA_UUID_LEN] = NULL;
	struct ka_sshkey sshkey;
	struct ka_key key;
	const char *text;
	size_t n;
	enum ka_result r;

	if ((r = fields_check(json_key_fields, "key handle projects last_used", object, err)) != KA_OK ||
	    (r = need_text(object, "key", &text, err)) != KA_OK ||
	    (r = ka_paste_parse(text, strlen(text), &sshkey, err)) != KA_OK ||
	    (r = begin_key(im, object, &sshkey, &key, err)) != KA_OK || (r = read_fields(object, &key, err)) != KA_OK)
		return r;
	if ((r = read_projects(im, named, &projects, &n, err)) == KA_OK) {
		key.named = projects != NULL;
		r = import_key(im, &key, &sshkey, projects, n, outcome, err);
	}
	free(projects);
	return r;
}

static enum ka_result
import_counter(struct import *im, json_t *object, enum import_outcome *outcome, struct ka_error *err)
{
	static const struct field none[] = {{0}};
	json_int_t uid = json_integer_value(json_object_get(object, "uid_next"));
	enum ka_result r;

	*outcome = IMPORT_NOTHING;
	if ((r = fields_check(none, "uid_next", object, err)) != KA_OK)
		return r;
	if (uid < 0 || uid > UINT32_MAX || ka_store_raise_uid_counter(im->store, (uint32_t)uid) != KA_OK)
		return ka_result_fail(err, KA_INVALID, "\"uid_next\" has to be a whole number from %u to %u",
		    KA_UID_FIRST, KA_UID_LAST + 1);
	return KA_OK;
}

/* Are they the same to the last byte of what would be stored? */
static bool
is_same_settings(const struct ka_settings *a, const struct ka_settings *b)
{
	uint8_t rows[2][KA_RECORD_MAX];
	size_t lens[2];

	return ka_record_put_settings(a, rows[0], &lens[0]) == KA_OK &&
	       ka_record_put_settings(b, rows[1], &lens[1]) == KA_OK && lens[0] == lens[1] &&
	       memcmp(rows[0], rows[1], lens[0]) == 0;
}

static enum ka_result
import_settings(struct import *im, json_t *object, enum import_outcome *outcome, struct ka_error *err)
{
	uint64_t changes = ka_store_count_changes(im->store);
	struct ka_settings settings = im->settings;
	enum ka_result r;

	if ((r = fields_check(json_settings_fields, "", object, err)) != KA_OK ||
	    (r = fields_read(json_settings_fields, object, &settings, err)) != KA_OK)
		return r;
	*outcome = IMPORT_UNCHANGED;
	/* They may never have been set: then the same ones are no change either. */
	if (is_same_settings(&settings, &im->settings))
		return KA_OK;
	if ((r = ka_model_set_settings(im->store, &settings, err)) != KA_OK)
		return r;
	im->settings = settings;
	*outcome = outcome_of(im, true, changes);
	return KA_OK;
}

static enum ka_result
import_end(struct import *im, json_t *object, enum import_outcome *outcome, struct ka_error *err)
{
	static const struct field none[] = {{0}};
	enum ka_result r;

	*outcome = IMPORT_NOTHING;
	if ((r = fields_check(none, "", object, err)) == KA_OK)
		im->ended = true;
	return r;
}

static const struct {
	const char *type;
	enum ka_result (*import)(struct import *, json_t *, enum import_outcome *, struct ka_error *);
} types[] = {
    {"account", import_account},
    {"group", import_group},
    {"project", import_project},
    {"member", import_member},
    {"key", import_key_object},
    {"settings", import_settings},
    {"counter", import_counter},
    {"end", import_end},
};

enum ka_result
import_row(struct import *im, json_t *object, enum import_outcome *outcome, struct ka_error *err)
{
	const char *type;
	enum ka_result r;

	*outcome = IMPORT_NOTHING;
	if ((r = need_text(object, "type", &type, err)) != KA_OK)
		return r;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i].type, type) == 0)
			return types[i].import(im, object, outcome, err);
	return ka_result_fail(
	    err, KA_INVALID, "there is no type \"%.40s\": account, group, project, member or key", type);
}
