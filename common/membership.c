#include "common/membership.h"

#include <stdio.h>
#include <string.h>

#include "common/access.h"
#include "common/catalog.h"
#include "common/registration.h"
#include "common/time.h"

/* Can the project rely on this owner? KA_NOTFOUND: not. Groups do not count: they can become empty. */
static enum ka_result
is_lasting_owner(struct ka_store *s, const struct ka_member *member)
{
	struct ka_account account;
	enum ka_result r;

	if (member->kind != KA_SUBJECT_ACCOUNT)
		return KA_NOTFOUND;
	if ((r = ka_catalog_get_account(s, member->subject, &account)) != KA_OK)
		return r == KA_NOTFOUND ? KA_CORRUPT : r;
	return ka_access_owns_lastingly(member, &account, ka_time_now()) ? KA_OK : KA_NOTFOUND;
}

enum ka_result
ka_membership_has_owner(struct ka_store *s, const uint8_t project[static KA_UUID_LEN], const uint8_t *leaving)
{
	struct ka_row row = {.keylen = 0};
	struct ka_member member;
	enum ka_result r;

	while ((r = ka_catalog_next_member(s, project, &row, &member)) == KA_OK)
		if ((leaving == NULL || memcmp(member.subject, leaving, KA_UUID_LEN) != 0) &&
		    (r = is_lasting_owner(s, &member)) != KA_NOTFOUND)
			return r;
	return r;
}

enum ka_result
ka_membership_keep_owner(struct ka_store *s, const struct ka_member *leaving, struct ka_error *err)
{
	char name[KA_SUBJECT_NAME_LEN], text[KA_UUID_TEXT_LEN];
	enum ka_result r;

	/* Whose time is over owns nothing that could be kept. */
	if (leaving->kind != KA_SUBJECT_ACCOUNT || leaving->role != KA_ROLE_OWNER ||
	    !ka_access_member_holds(leaving, ka_time_now()) ||
	    (r = ka_membership_has_owner(s, leaving->project, leaving->subject)) == KA_OK)
		return KA_OK;
	if (r != KA_NOTFOUND || (r = ka_catalog_subject_name(s, leaving->kind, leaving->subject, name)) != KA_OK)
		return ka_store_fail(s, r, err);
	ka_uuid_text(leaving->project, text);
	return ka_result_fail(err, KA_CONFLICT,
	    "\"%s\" is the last owner of project %s (a group, a suspended account or an owner with an end does not "
	    "count): add another owner first (keyacct member add %s ACCOUNT --role owner), or remove the project",
	    name, text, text);
}

/* The account's keys lose the project, unless it is still a member of it in some way. */
static enum ka_result
release_keys(struct ka_store *s, const uint8_t project[static KA_UUID_LEN], const uint8_t account[static KA_UUID_LEN])
{
	struct ka_row row = {.keylen = 0};
	struct ka_key key;
	enum ka_result r;

	if ((r = ka_catalog_is_member(s, project, account)) != KA_NOTFOUND)
		return r;
	while ((r = ka_catalog_next_key_of(s, account, &row, &key)) == KA_OK)
		if (key.named && (r = ka_registration_remove_reach(s, &key, project)) != KA_OK)
			return r;
	return r == KA_NOTFOUND ? KA_OK : r;
}

static enum ka_result
release_members(struct ka_store *s, const struct ka_member *member)
{
	struct ka_row row = {.keylen = 0};
	struct ka_account account;
	enum ka_result r;

	if (member->kind == KA_SUBJECT_ACCOUNT)
		return release_keys(s, member->project, member->subject);
	while ((r = ka_catalog_next_group_member(s, member->subject, &row, &account)) == KA_OK)
		if ((r = release_keys(s, member->project, account.id)) != KA_OK)
			return r;
	return r == KA_NOTFOUND ? KA_OK : r;
}

enum ka_result
ka_membership_drop(struct ka_store *s, const struct ka_member *member, struct ka_error *err)
{
	uint8_t key[KA_MEMBER_KEY_LEN];
	enum ka_result r;

	ka_table_member_of_key(member->project, member->kind, member->subject, key);
	if ((r = ka_store_remove(s, KA_TABLE_MEMBER_OF, key, sizeof(key))) != KA_OK)
		return ka_store_fail(s, r, err);
	ka_table_member_key(member->project, member->kind, member->subject, key);
	if ((r = ka_store_change(s, KA_TABLE_MEMBER, key, sizeof(key), NULL, 0)) != KA_OK)
		return ka_store_fail(s, r, err);
	return ka_store_fail(s, release_members(s, member), err);
}

static enum ka_result
write_member(struct ka_store *s, const struct ka_member *member, struct ka_error *err)
{
	uint8_t payload[KA_RECORD_MAX], key[KA_MEMBER_KEY_LEN];
	size_t len;
	enum ka_result r;

	if (ka_record_put_member(member, payload, &len) != KA_OK)
		return ka_result_fail(err, KA_INVALID, "the membership has a role or time out of its range");
	ka_table_member_key(member->project, member->kind, member->subject, key);
	if ((r = ka_store_change(s, KA_TABLE_MEMBER, key, sizeof(key), payload, len)) != KA_OK)
		return ka_store_fail(s, r, err);
	ka_table_member_of_key(member->project, member->kind, member->subject, key);
	return ka_store_fail(s, ka_store_put(s, KA_TABLE_MEMBER_OF, key, sizeof(key), "", 0), err);
}

/* Is what would be stored the same? */
static bool
is_same(const struct ka_member *a, const struct ka_member *b)
{
	return a->role == b->role && a->created_s == b->created_s && a->not_before_s == b->not_before_s &&
	       a->expires_s == b->expires_s;
}

/* What has to hold when ${member} takes the place of ${old}. */
static enum ka_result
replace_member(struct ka_store *s, const struct ka_member *old, struct ka_member *member, enum ka_owner_rule rule,
    struct ka_error *err)
{
	enum ka_result r = KA_OK;

	if (member->created_s == 0)
		member->created_s = old->created_s;
	if (rule == KA_OWNER_KEPT && (r = is_lasting_owner(s, member)) == KA_NOTFOUND)
		r = ka_membership_keep_owner(s, old, err);
	if (r != KA_OK)
		return r;
	/* Who comes back after an end comes back without the keys of that time. */
	if (old->expires_s == 0 || ka_access_member_holds(old, ka_time_now()))
		return KA_OK;
	return ka_membership_drop(s, old, err);
}

/* May somebody come into the project? Who is in it is in one that is not deleted. */
static enum ka_result
check_open(struct ka_store *s, const uint8_t id[static KA_UUID_LEN], struct ka_error *err)
{
	char text[KA_UUID_TEXT_LEN];
	struct ka_project project;
	enum ka_result r;

	if ((r = ka_catalog_get_project(s, id, &project)) != KA_OK)
		return ka_store_fail(s, r, err);
	if (project.state != KA_PROJECT_DELETED)
		return KA_OK;
	ka_uuid_text(id, text);
	return ka_result_fail(err, KA_CONFLICT, "project %s is deleted: nobody can be added", text);
}

enum ka_result
ka_membership_put(struct ka_store *s, struct ka_member *member, const struct ka_member *old, enum ka_owner_rule rule,
    struct ka_error *err)
{
	enum ka_result r;

	if (old != NULL && is_same(old, member))
		return KA_OK;
	if (old == NULL && (r = check_open(s, member->project, err)) != KA_OK)
		return r;
	if (member->expires_s != 0 && member->not_before_s >= member->expires_s)
		return ka_result_fail(
		    err, KA_INVALID, "the membership would end before it begins: check the two times");
	if (old != NULL && (r = replace_member(s, old, member, rule, err)) != KA_OK)
		return r;
	if (member->created_s == 0)
		member->created_s = ka_time_now();
	return write_member(s, member, err);
}

enum ka_result
ka_membership_add(struct ka_store *s, struct ka_member *member, enum ka_owner_rule rule, struct ka_error *err)
{
	struct ka_member old;
	enum ka_result r = ka_catalog_get_member(s, member->project, member->kind, member->subject, &old);

	if (r != KA_OK && r != KA_NOTFOUND)
		return ka_store_fail(s, r, err);
	return ka_membership_put(s, member, r == KA_OK ? &old : NULL, rule, err);
}

enum ka_result
ka_membership_remove(struct ka_store *s, struct ka_member *member, enum ka_owner_rule rule, struct ka_error *err)
{
	char text[KA_UUID_TEXT_LEN], name[KA_SUBJECT_NAME_LEN];
	struct ka_member like = *member;
	enum ka_result r;

	if ((r = ka_catalog_subject_name(s, like.kind, like.subject, name)) != KA_OK)
		return ka_store_fail(s, r, err);
	ka_uuid_text(like.project, text);
	if ((r = ka_catalog_get_member(s, like.project, like.kind, like.subject, member)) == KA_NOTFOUND)
		return ka_result_fail(err, KA_NOTFOUND,
		    "\"%s\" is no member of project %s; 'keyacct member list %s' shows who is", name, text, text);
	if (r != KA_OK)
		return ka_store_fail(s, r, err);
	if (rule == KA_OWNER_KEPT && (r = ka_membership_keep_owner(s, member, err)) != KA_OK)
		return r;
	return ka_membership_drop(s, member, err);
}

/* Groups */

static enum ka_result
count_groups(struct ka_store *s, const struct ka_account *account, size_t *n)
{
	struct ka_row row = {.keylen = 0};
	struct ka_group group;
	enum ka_result r;

	*n = 0;
	while ((r = ka_catalog_next_group_of(s, account->id, &row, &group)) == KA_OK)
		(*n)++;
	return r == KA_NOTFOUND ? KA_OK : r;
}

enum ka_result
ka_membership_check_join(
    struct ka_store *s, const struct ka_group *group, const struct ka_account *account, struct ka_error *err)
{
	uint8_t key[KA_PAIR_KEY_LEN];
	struct ka_row row;
	size_t groups;
	enum ka_result r;

	ka_table_pair_key(group->id, account->id, key);
	if ((r = ka_store_get(s, KA_TABLE_GROUP_MEMBER, key, sizeof(key), &row)) != KA_NOTFOUND ||
	    (r = count_groups(s, account, &groups)) != KA_OK)
		return ka_store_fail(s, r, err);
	if (groups < KA_GROUPS_MAX)
		return KA_OK;
	return ka_result_fail(err, KA_CONFLICT, "\"%s\" is in %zu groups, and more are not possible: leave one first",
	    account->handle, groups);
}

enum ka_result
ka_membership_join_group(
    struct ka_store *s, const struct ka_group *group, const struct ka_account *account, struct ka_error *err)
{
	uint8_t key[KA_PAIR_KEY_LEN];
	struct ka_row row;
	enum ka_result r;

	ka_table_pair_key(group->id, account->id, key);
	if ((r = ka_store_get(s, KA_TABLE_GROUP_MEMBER, key, sizeof(key), &row)) != KA_NOTFOUND)
		return ka_store_fail(s, r, err);
	if ((r = ka_membership_check_join(s, group, account, err)) != KA_OK)
		return r;
	if ((r = ka_store_change(s, KA_TABLE_GROUP_MEMBER, key, sizeof(key), "", 0)) != KA_OK)
		return ka_store_fail(s, r, err);
	ka_table_pair_key(account->id, group->id, key);
	return ka_store_fail(s, ka_store_put(s, KA_TABLE_GROUP_OF, key, sizeof(key), "", 0), err);
}

enum ka_result
ka_membership_leave_group(
    struct ka_store *s, const struct ka_group *group, const struct ka_account *account, struct ka_error *err)
{
	struct ka_row row = {.keylen = 0};
	uint8_t key[KA_PAIR_KEY_LEN];
	struct ka_member member;
	enum ka_result r;

	ka_table_pair_key(group->id, account->id, key);
	if ((r = ka_store_get(s, KA_TABLE_GROUP_MEMBER, key, sizeof(key), &row)) == KA_NOTFOUND)
		return ka_result_fail(err, KA_NOTFOUND,
		    "\"%s\" is not in the group \"%s\"; 'keyacct group show %s' shows who is", account->handle,
		    group->name, group->name);
	if (r != KA_OK || (r = ka_store_change(s, KA_TABLE_GROUP_MEMBER, key, sizeof(key), NULL, 0)) != KA_OK)
		return ka_store_fail(s, r, err);
	ka_table_pair_key(account->id, group->id, key);
	if ((r = ka_store_remove(s, KA_TABLE_GROUP_OF, key, sizeof(key))) != KA_OK)
		return ka_store_fail(s, r, err);
	row.keylen = 0;
	while ((r = ka_catalog_next_membership(s, KA_SUBJECT_GROUP, group->id, &row, &member)) == KA_OK)
		if ((r = release_keys(s, member.project, account->id)) != KA_OK)
			return ka_store_fail(s, r, err);
	return r == KA_NOTFOUND ? KA_OK : ka_store_fail(s, r, err);
}
