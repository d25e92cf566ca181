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
#include "common/settings.h"
#include "keyacct/import.h"
#include "keyacct/json.h"

static const uint8_t no_id[KA_UUID_LEN];

enum ka_result
import_mark(struct import *im, enum ka_table table, const void *key, size_t keylen, struct ka_error *err)
{
	im->told = true;
	if (!im->mirror || seen_mark(&im->seen, table, key, keylen) == KA_OK)
		return KA_OK;
	return ka_result_fail(err, KA_UNAVAIL, "out of memory");
}

/* The change log knows whether anything is different. */
enum import_outcome
import_outcome_of(const struct import *im, bool found, uint64_t changes)
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
	uint8_t id[KA_UUID_LEN];
	enum ka_result r;

	memset(account, 0, sizeof(*account));
	*found = false;
	if ((r = import_read_id(object, id, err)) != KA_OK)
		return r;
	if (memcmp(id, no_id, KA_UUID_LEN) != 0)
		r = ka_catalog_get_account(im->store, id, account);
	else if (handle == NULL)
		return ka_result_fail(err, KA_INVALID, "an account needs an \"id\" or a \"handle\"");
	else if (!ka_record_handle_ok(handle))
		return ka_result_fail(err, KA_INVALID, "\"%.80s\" cannot be a handle, and there is no \"id\"", handle);
	else if (names_is_moving(&im->names, "", handle))
		return import_refer_account(im, handle, account, err);
	else
		r = ka_catalog_find_account(im->store, handle, account, NULL);
	*found = r == KA_OK;
	if (r != KA_OK && r != KA_NOTFOUND)
		return ka_store_fail(im->store, r, err);
	im->told = true;
	return *found ? import_mark(im, KA_TABLE_ACCOUNT, account->id, KA_UUID_LEN, err) : KA_OK;
}

/* Another has the handle. Both that one and the old one may be on their way: nobody is meant by them until it is done.
 */
static enum ka_result
clash(struct import *im, const struct ka_account *old, const struct ka_account *account, struct ka_error *err)
{
	names_move(&im->names, "", account->handle);
	if (old->handle[0] == '\0')
		return KA_CONFLICT;
	names_move(&im->names, "", old->handle);
	if (names_clash(&im->names, account, im->line) == KA_OK)
		return KA_CONFLICT;
	return ka_result_fail(err, KA_UNAVAIL, "out of memory");
}

static enum ka_result
import_account(struct import *im, json_t *object, enum import_outcome *outcome, struct ka_error *err)
{
	uint64_t changes = ka_store_count_changes(im->store);
	struct ka_account account, old;
	bool found;
	enum ka_result r;

	if ((r = find_account(im, object, &account, &found, err)) != KA_OK ||
	    (r = fields_check(json_account_fields, "keys projects", object, err)) != KA_OK)
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
		return r == KA_CONFLICT ? clash(im, &old, &account, err) : r;
	*outcome = import_outcome_of(im, found, changes);
	return found ? KA_OK : import_mark(im, KA_TABLE_ACCOUNT, account.id, KA_UUID_LEN, err);
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

	if ((r = import_read_id(object, id, err)) != KA_OK)
		return r;
	if (memcmp(id, no_id, KA_UUID_LEN) == 0)
		return ka_result_fail(
		    err, KA_INVALID, "a project needs an \"id\": by it the next import knows it again");
	if ((r = import_mark(im, KA_TABLE_PROJECT, id, KA_UUID_LEN, err)) != KA_OK ||
	    (r = fields_check(json_project_fields, "login owners collaborators last_used", object, err)) != KA_OK)
		return r;
	if ((found = ka_catalog_get_project(im->store, id, &old)) == KA_OK)
		project = old;
	else if (found != KA_NOTFOUND)
		return ka_store_fail(im->store, found, err);
	if ((r = fields_read(json_project_fields, object, &project, err)) != KA_OK)
		return r;
	r = found == KA_OK ? change_project(im, &old, &project, err) : add_project(im, object, &project, err);
	*outcome = import_outcome_of(im, found == KA_OK, changes);
	return r;
}

/* Who a member is: "account", or "group". */
static enum ka_result
refer_subject(struct import *im, json_t *object, struct ka_member *member, struct ka_error *err)
{
	const char *text;
	struct ka_account account;
	struct ka_group group;
	enum ka_result r;

	if (json_object_get(object, "group") == NULL) {
		member->kind = KA_SUBJECT_ACCOUNT;
		if ((r = import_need_text(object, "account", &text, err)) == KA_OK &&
		    (r = import_refer_account(im, text, &account, err)) == KA_OK)
			memcpy(member->subject, account.id, KA_UUID_LEN);
		return r;
	}
	if (json_object_get(object, "account") != NULL)
		return ka_result_fail(err, KA_INVALID, "a member is an \"account\" or a \"group\", not both");
	member->kind = KA_SUBJECT_GROUP;
	if ((r = import_need_text(object, "group", &text, err)) == KA_OK &&
	    (r = import_refer_group(im, text, &group, err)) == KA_OK)
		memcpy(member->subject, group.id, KA_UUID_LEN);
	return r;
}

static enum ka_result
import_member(struct import *im, json_t *object, enum import_outcome *outcome, struct ka_error *err)
{
	uint64_t changes = ka_store_count_changes(im->store);
	struct ka_member member = {.role = KA_ROLE_COLLABORATOR}, old;
	uint8_t key[KA_MEMBER_KEY_LEN];
	const char *project;
	enum ka_result r, found;

	if ((r = import_need_text(object, "project", &project, err)) != KA_OK ||
	    (r = import_refer_project(im, project, member.project, err)) != KA_OK ||
	    (r = refer_subject(im, object, &member, err)) != KA_OK)
		return r;
	ka_table_member_key(member.project, member.kind, member.subject, key);
	if ((r = import_mark(im, KA_TABLE_MEMBER, key, sizeof(key), err)) != KA_OK ||
	    (r = fields_check(json_member_fields, "project account group handle", object, err)) != KA_OK)
		return r;
	found = ka_catalog_get_member(im->store, member.project, member.kind, member.subject, &old);
	if (found == KA_OK)
		member = old;
	else if (found != KA_NOTFOUND)
		return ka_store_fail(im->store, found, err);
	if ((r = fields_read(json_member_fields, object, &member, err)) != KA_OK)
		return r;
	r = ka_membership_put(im->store, &member, found == KA_OK ? &old : NULL, im->rule, err);
	*outcome = import_outcome_of(im, found == KA_OK, changes);
	return r;
}

static enum ka_result
import_counter(struct import *im, json_t *object, enum import_outcome *outcome, struct ka_error *err)
{
	static const struct field none[] = {{0}};
	json_int_t uid = json_integer_value(json_object_get(object, "uid_next"));
	enum ka_result r;

	*outcome = IMPORT_NOTHING;
	im->told = true;
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

	im->told = true;
	if ((r = fields_check(json_settings_fields, "", object, err)) != KA_OK ||
	    (r = fields_read(json_settings_fields, object, &settings, err)) != KA_OK)
		return r;
	*outcome = IMPORT_UNCHANGED;
	/* They may never have been set: then the same ones are no change either. */
	if (is_same_settings(&settings, &im->settings))
		return KA_OK;
	if ((r = ka_settings_write(im->store, &settings, err)) != KA_OK)
		return r;
	im->settings = settings;
	*outcome = import_outcome_of(im, true, changes);
	return KA_OK;
}

static enum ka_result
import_end(struct import *im, json_t *object, enum import_outcome *outcome, struct ka_error *err)
{
	static const struct field none[] = {{0}};
	enum ka_result r;

	*outcome = IMPORT_NOTHING;
	im->told = true;
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
	if ((r = import_need_text(object, "type", &type, err)) != KA_OK)
		return r;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i].type, type) == 0)
			return types[i].import(im, object, outcome, err);
	return ka_result_fail(
	    err, KA_INVALID, "there is no type \"%.40s\": account, group, project, member or key", type);
}
