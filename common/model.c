#include "common/model.h"

#include <stdio.h>
#include <string.h>

#include "common/catalog.h"
#include "common/membership.h"
#include "common/registration.h"
#include "common/settings.h"
#include "common/time.h"

static const uint8_t no_id[KA_UUID_LEN];

/* A new id in the place of an all-zero one. */
static enum ka_result
fill_id(uint8_t id[static KA_UUID_LEN], struct ka_error *err)
{
	if (memcmp(id, no_id, KA_UUID_LEN) != 0 || ka_uuid_random(id) == KA_OK)
		return KA_OK;
	return ka_result_fail(err, KA_UNAVAIL, "the kernel gives no random numbers");
}

/* Accounts */

static enum ka_result
write_account(struct ka_store *s, const struct ka_account *account, struct ka_error *err)
{
	uint8_t payload[KA_RECORD_MAX];
	size_t len;

	if (ka_record_put_account(account, payload, &len) != KA_OK)
		return ka_result_fail(
		    err, KA_INVALID, "the account \"%s\" has a field out of its range", account->handle);
	return ka_store_fail(s, ka_store_change(s, KA_TABLE_ACCOUNT, account->id, KA_UUID_LEN, payload, len), err);
}

/* Is ${handle} one, and free for ${account}? */
static enum ka_result
check_handle(struct ka_store *s, const struct ka_account *account, struct ka_error *err)
{
	char text[KA_UUID_TEXT_LEN];
	struct ka_row row;
	enum ka_result r;

	if (!ka_record_handle_ok(account->handle))
		return ka_result_fail(err, KA_INVALID,
		    "\"%s\" cannot be a handle: 1 to 64 of a-z 0-9 . _ @ + -, beginning with a letter or digit, and "
		    "nothing "
		    "that reads as an id (8 or more hex digits)",
		    account->handle);
	r = ka_store_get(s, KA_TABLE_HANDLE, account->handle, strlen(account->handle), &row);
	if (r == KA_NOTFOUND)
		return KA_OK;
	if (r != KA_OK || row.len != KA_UUID_LEN)
		return ka_store_fail(s, r == KA_OK ? KA_CORRUPT : r, err);
	if (memcmp(row.payload, account->id, KA_UUID_LEN) == 0)
		return KA_OK;
	ka_uuid_text(row.payload, text);
	return ka_result_fail(
	    err, KA_CONFLICT, "the handle \"%s\" is taken by account %s: choose another", account->handle, text);
}

static enum ka_result
put_handle(struct ka_store *s, const struct ka_account *account, struct ka_error *err)
{
	enum ka_result r =
	    ka_store_put(s, KA_TABLE_HANDLE, account->handle, strlen(account->handle), account->id, KA_UUID_LEN);

	return ka_store_fail(s, r, err);
}

enum ka_result
ka_model_add_account(struct ka_store *s, struct ka_account *account, struct ka_error *err)
{
	char text[KA_UUID_TEXT_LEN];
	struct ka_account other;
	enum ka_result r;

	if ((r = check_handle(s, account, err)) != KA_OK || (r = fill_id(account->id, err)) != KA_OK)
		return r;
	ka_uuid_text(account->id, text);
	if ((r = ka_catalog_get_account(s, account->id, &other)) == KA_OK)
		return ka_result_fail(err, KA_CONFLICT, "the id %s is taken by account \"%s\"", text, other.handle);
	if (r != KA_NOTFOUND)
		return ka_store_fail(s, r, err);
	if (account->state == 0)
		account->state = KA_ACCOUNT_ACTIVE;
	if (account->created_s == 0)
		account->created_s = ka_time_now();
	if ((r = write_account(s, account, err)) != KA_OK)
		return r;
	return put_handle(s, account, err);
}

enum ka_result
ka_model_change_account(struct ka_store *s, const struct ka_account *account, struct ka_error *err)
{
	struct ka_account old;
	enum ka_result r;

	if ((r = ka_catalog_get_account(s, account->id, &old)) != KA_OK)
		return ka_store_fail(s, r, err);
	if ((r = check_handle(s, account, err)) != KA_OK || (r = write_account(s, account, err)) != KA_OK)
		return r;
	if (strcmp(account->handle, old.handle) == 0)
		return KA_OK;
	if ((r = ka_store_remove(s, KA_TABLE_HANDLE, old.handle, strlen(old.handle))) != KA_OK)
		return ka_store_fail(s, r, err);
	return put_handle(s, account, err);
}

static bool
is_among(const uint8_t id[static KA_UUID_LEN], const struct ka_account *accounts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (memcmp(accounts[i].id, id, KA_UUID_LEN) == 0)
			return true;
	return false;
}

/* Will the handle of the ${nth} account be free, once the others have theirs? */
static enum ka_result
check_moving_handle(struct ka_store *s, const struct ka_account *accounts, size_t n, size_t nth, struct ka_error *err)
{
	const struct ka_account *account = &accounts[nth];
	struct ka_row row;
	enum ka_result r;

	for (size_t i = 0; i < nth; i++)
		if (strcmp(accounts[i].handle, account->handle) == 0)
			return ka_result_fail(
			    err, KA_CONFLICT, "the handle \"%s\" cannot be that of two accounts", account->handle);
	if ((r = check_handle(s, account, err)) != KA_CONFLICT)
		return r;
	if ((r = ka_store_get(s, KA_TABLE_HANDLE, account->handle, strlen(account->handle), &row)) != KA_OK)
		return ka_store_fail(s, r, err);
	return is_among(row.payload, accounts, n) ? KA_OK : KA_CONFLICT;
}

enum ka_result
ka_model_change_accounts(struct ka_store *s, const struct ka_account *accounts, size_t n, struct ka_error *err)
{
	struct ka_account old;
	enum ka_result r = KA_OK;

	for (size_t i = 0; r == KA_OK && i < n; i++)
		r = check_moving_handle(s, accounts, n, i, err);
	for (size_t i = 0; r == KA_OK && i < n; i++)
		if ((r = ka_catalog_get_account(s, accounts[i].id, &old)) != KA_OK ||
		    (r = ka_store_remove(s, KA_TABLE_HANDLE, old.handle, strlen(old.handle))) != KA_OK)
			return ka_store_fail(s, r, err);
	for (size_t i = 0; r == KA_OK && i < n; i++)
		if ((r = write_account(s, &accounts[i], err)) == KA_OK)
			r = put_handle(s, &accounts[i], err);
	return r;
}

/* May the account go? Not while it is the last owner of projects: all of them are named, as far as there is room. */
static enum ka_result
check_orphans(struct ka_store *s, const struct ka_account *account, struct ka_error *err)
{
	char ids[5 * KA_UUID_TEXT_LEN + 1] = "";
	struct ka_row row = {.keylen = 0};
	struct ka_member member;
	size_t n = 0, at = 0;
	enum ka_result r;

	while ((r = ka_catalog_next_membership(s, KA_SUBJECT_ACCOUNT, account->id, &row, &member)) == KA_OK) {
		char text[KA_UUID_TEXT_LEN];

		if ((r = ka_membership_keep_owner(s, &member, err)) == KA_OK)
			continue;
		if (r != KA_CONFLICT)
			return r;
		ka_uuid_text(member.project, text);
		if (n++ < 5)
			at += (size_t)snprintf(ids + at, sizeof(ids) - at, " %s", text);
	}
	if (r != KA_NOTFOUND)
		return ka_store_fail(s, r, err);
	/* For a single one the sentence is there already. */
	if (n <= 1)
		return n == 0 ? KA_OK : KA_CONFLICT;
	return ka_result_fail(err, KA_CONFLICT,
	    "\"%s\" is the last owner of %zu projects:%s%s; give each another owner first (keyacct member add PROJECT "
	    "ACCOUNT --role owner), or remove it",
	    account->handle, n, ids, n > 5 ? " and more" : "");
}

static enum ka_result
drop_memberships(struct ka_store *s, const struct ka_account *account, struct ka_error *err)
{
	struct ka_row row = {.keylen = 0};
	struct ka_member member;
	struct ka_group group;
	enum ka_result r;

	while ((r = ka_catalog_next_membership(s, KA_SUBJECT_ACCOUNT, account->id, &row, &member)) == KA_OK)
		if ((r = ka_membership_drop(s, &member, err)) != KA_OK)
			return r;
	if (r != KA_NOTFOUND)
		return ka_store_fail(s, r, err);
	row.keylen = 0;
	while ((r = ka_catalog_next_group_of(s, account->id, &row, &group)) == KA_OK)
		if ((r = ka_membership_leave_group(s, &group, account, err)) != KA_OK)
			return r;
	return r == KA_NOTFOUND ? KA_OK : ka_store_fail(s, r, err);
}

enum ka_result
ka_model_remove_account(
    struct ka_store *s, const struct ka_account *account, enum ka_owner_rule rule, struct ka_error *err)
{
	struct ka_row row = {.keylen = 0};
	struct ka_key key;
	enum ka_result r;

	if ((rule == KA_OWNER_KEPT && (r = check_orphans(s, account, err)) != KA_OK) ||
	    (r = drop_memberships(s, account, err)) != KA_OK)
		return r;
	while ((r = ka_catalog_next_key_of(s, account->id, &row, &key)) == KA_OK)
		if ((r = ka_registration_remove(s, &key, err)) != KA_OK)
			return r;
	if (r != KA_NOTFOUND)
		return ka_store_fail(s, r, err);
	if ((r = ka_store_remove(s, KA_TABLE_HANDLE, account->handle, strlen(account->handle))) == KA_OK)
		r = ka_store_change(s, KA_TABLE_ACCOUNT, account->id, KA_UUID_LEN, NULL, 0);
	return ka_store_fail(s, r, err);
}

/* Projects */

static enum ka_result
write_project(struct ka_store *s, const struct ka_project *project, struct ka_error *err)
{
	uint8_t payload[KA_RECORD_MAX];
	size_t len;

	if (!ka_record_path_ok(project->home) || !ka_record_path_ok(project->shell))
		return ka_result_fail(err, KA_INVALID,
		    "\"%s\" cannot be a home or shell: an absolute path without a colon is wanted",
		    ka_record_path_ok(project->home) ? project->shell : project->home);
	if (!ka_record_uid_ok(project->uid))
		return ka_result_fail(err, KA_INVALID,
		    "%u cannot be a project's uid: 1000 to %u without 60001 to 65535, which are the system's",
		    project->uid, KA_UID_LAST);
	if (ka_record_put_project(project, payload, &len) != KA_OK)
		return ka_result_fail(
		    err, KA_INVALID, "the project \"%s\" has a field out of its range", project->title);
	return ka_store_fail(s, ka_store_change(s, KA_TABLE_PROJECT, project->id, KA_UUID_LEN, payload, len), err);
}

static enum ka_result
check_uid_free(struct ka_store *s, uint32_t uid, struct ka_error *err)
{
	char text[KA_UUID_TEXT_LEN];
	uint8_t key[4];
	struct ka_row row;
	enum ka_result r;

	ka_table_be32(uid, key);
	if ((r = ka_store_get(s, KA_TABLE_UID, key, sizeof(key), &row)) == KA_NOTFOUND)
		return KA_OK;
	if (r != KA_OK || row.len != KA_UUID_LEN)
		return ka_store_fail(s, r == KA_OK ? KA_CORRUPT : r, err);
	ka_uuid_text(row.payload, text);
	return ka_result_fail(
	    err, KA_CONFLICT, "the uid %u belongs to project %s: no uid is ever used twice", uid, text);
}

enum ka_result
ka_model_add_project(struct ka_store *s, struct ka_project *project, struct ka_error *err)
{
	char text[KA_UUID_TEXT_LEN];
	struct ka_settings settings;
	struct ka_project other;
	uint8_t uid[4];
	enum ka_result r;

	if ((r = ka_store_settings(s, &settings)) != KA_OK)
		return ka_store_fail(s, r, err);
	if ((r = fill_id(project->id, err)) != KA_OK)
		return r;
	ka_uuid_text(project->id, text);
	if ((r = ka_catalog_get_project(s, project->id, &other)) == KA_OK)
		return ka_result_fail(err, KA_CONFLICT, "there is a project %s already%s", text,
		    other.state == KA_PROJECT_DELETED ? ", a deleted one, whose id stays taken" : "");
	if (r != KA_NOTFOUND)
		return ka_store_fail(s, r, err);
	if (project->uid != 0) {
		if ((r = check_uid_free(s, project->uid, err)) != KA_OK)
			return r;
	} else if ((r = ka_store_next_uid(s, &project->uid)) != KA_OK) {
		return r == KA_CONFLICT ? ka_result_fail(err, r, "the range of uids is used up")
					: ka_store_fail(s, r, err);
	}
	if (project->home[0] == '\0')
		(void)snprintf(
		    project->home, sizeof(project->home), "%.*s/%s", KA_SETTINGS_HOMES_MAX, settings.homes, text);
	if (project->shell[0] == '\0')
		memcpy(project->shell, settings.shell, sizeof(project->shell));
	if (project->state == 0)
		project->state = KA_PROJECT_ACTIVE;
	if (project->created_s == 0)
		project->created_s = ka_time_now();
	if ((r = write_project(s, project, err)) != KA_OK)
		return r;
	ka_table_be32(project->uid, uid);
	return ka_store_fail(s, ka_store_put(s, KA_TABLE_UID, uid, sizeof(uid), project->id, KA_UUID_LEN), err);
}

enum ka_result
ka_model_change_project(struct ka_store *s, const struct ka_project *project, struct ka_error *err)
{
	char text[KA_UUID_TEXT_LEN];
	struct ka_project old;
	enum ka_result r;

	if ((r = ka_catalog_get_project(s, project->id, &old)) != KA_OK)
		return ka_store_fail(s, r, err);
	ka_uuid_text(project->id, text);
	if (old.state == KA_PROJECT_DELETED)
		return ka_result_fail(err, KA_CONFLICT, "project %s is deleted: it stays so", text);
	return write_project(s, project, err);
}

enum ka_result
ka_model_remove_project(struct ka_store *s, struct ka_project *project, struct ka_error *err)
{
	struct ka_row row = {.keylen = 0};
	struct ka_member member;
	enum ka_result r;

	while ((r = ka_catalog_next_member(s, project->id, &row, &member)) == KA_OK)
		if ((r = ka_membership_drop(s, &member, err)) != KA_OK)
			return r;
	if (r != KA_NOTFOUND)
		return ka_store_fail(s, r, err);
	project->state = KA_PROJECT_DELETED;
	return ka_model_change_project(s, project, err);
}

/* Groups */

/* Is the name one, and free for ${group}? */
static enum ka_result
check_group_name(struct ka_store *s, const struct ka_group *group, struct ka_error *err)
{
	struct ka_group other;
	enum ka_result r;

	if (!ka_record_handle_ok(group->name))
		return ka_result_fail(
		    err, KA_INVALID, "\"%s\" cannot be a group's name: the rules are those of a handle", group->name);
	if ((r = ka_catalog_find_group(s, group->name, &other, NULL)) == KA_NOTFOUND)
		return KA_OK;
	if (r != KA_OK)
		return ka_store_fail(s, r, err);
	if (memcmp(other.id, group->id, KA_UUID_LEN) == 0)
		return KA_OK;
	return ka_result_fail(err, KA_CONFLICT, "there is a group \"%s\" already: choose another name", group->name);
}

static enum ka_result
write_group(struct ka_store *s, const struct ka_group *group, struct ka_error *err)
{
	uint8_t payload[KA_RECORD_MAX];
	size_t len;
	enum ka_result r;

	if ((r = ka_record_put_group(group, payload, &len)) != KA_OK ||
	    (r = ka_store_change(s, KA_TABLE_GROUP, group->id, KA_UUID_LEN, payload, len)) != KA_OK)
		return ka_store_fail(s, r, err);
	r = ka_store_put(s, KA_TABLE_GROUP_NAME, group->name, strlen(group->name), group->id, KA_UUID_LEN);
	return ka_store_fail(s, r, err);
}

enum ka_result
ka_model_add_group(struct ka_store *s, struct ka_group *group, struct ka_error *err)
{
	enum ka_result r;

	if ((r = check_group_name(s, group, err)) != KA_OK || (r = fill_id(group->id, err)) != KA_OK)
		return r;
	if (group->created_s == 0)
		group->created_s = ka_time_now();
	return write_group(s, group, err);
}

enum ka_result
ka_model_change_group(struct ka_store *s, const struct ka_group *group, struct ka_error *err)
{
	struct ka_group old;
	enum ka_result r;

	if ((r = ka_catalog_get_group(s, group->id, &old)) != KA_OK)
		return ka_store_fail(s, r, err);
	if ((r = check_group_name(s, group, err)) != KA_OK)
		return r;
	if (strcmp(old.name, group->name) != 0 &&
	    (r = ka_store_remove(s, KA_TABLE_GROUP_NAME, old.name, strlen(old.name))) != KA_OK)
		return ka_store_fail(s, r, err);
	return write_group(s, group, err);
}

enum ka_result
ka_model_remove_group(struct ka_store *s, const struct ka_group *group, struct ka_error *err)
{
	struct ka_row row = {.keylen = 0};
	struct ka_account account;
	struct ka_member member;
	enum ka_result r;

	while ((r = ka_catalog_next_membership(s, KA_SUBJECT_GROUP, group->id, &row, &member)) == KA_OK)
		if ((r = ka_membership_drop(s, &member, err)) != KA_OK)
			return r;
	if (r != KA_NOTFOUND)
		return ka_store_fail(s, r, err);
	row.keylen = 0;
	while ((r = ka_catalog_next_group_member(s, group->id, &row, &account)) == KA_OK)
		if ((r = ka_membership_leave_group(s, group, &account, err)) != KA_OK)
			return r;
	if (r == KA_NOTFOUND &&
	    (r = ka_store_remove(s, KA_TABLE_GROUP_NAME, group->name, strlen(group->name))) == KA_OK)
		r = ka_store_change(s, KA_TABLE_GROUP, group->id, KA_UUID_LEN, NULL, 0);
	return ka_store_fail(s, r, err);
}
