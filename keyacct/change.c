#include "keyacct/change.h"

#include <pwd.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/catalog.h"
#include "common/text.h"
#include "keyacct/json.h"

/* Where the key of a table's rows has which id; NONE: nowhere. */
#define NONE (-1)
static const struct layout {
	enum ka_table table;
	const char *type;
	size_t keylen;
	int project, account, group, sha256;
} layouts[] = {
    {KA_TABLE_PROJECT, "project", KA_UUID_LEN, 0, NONE, NONE, NONE},
    {KA_TABLE_ACCOUNT, "account", KA_UUID_LEN, NONE, 0, NONE, NONE},
    {KA_TABLE_GROUP, "group", KA_UUID_LEN, NONE, NONE, 0, NONE},
    {KA_TABLE_MEMBER, "member", KA_MEMBER_KEY_LEN, 0, KA_UUID_LEN + 1, KA_UUID_LEN + 1, NONE},
    {KA_TABLE_KEY, "key", KA_KEY_KEY_LEN, NONE, KA_SHA256_LEN, NONE, 0},
    {KA_TABLE_REACH, "reach", KA_REACH_KEY_LEN, KA_KEY_KEY_LEN, KA_SHA256_LEN, NONE, 0},
    {KA_TABLE_GROUP_MEMBER, "group-member", KA_PAIR_KEY_LEN, NONE, KA_UUID_LEN, 0, NONE},
    {KA_TABLE_SETTINGS, "settings", sizeof(KA_SETTINGS_KEY) - 1, NONE, NONE, NONE, NONE},
};

static const struct ka_row *
either_row(const struct ka_change *change)
{
	return change->after.keylen > 0 ? &change->after : &change->before;
}

/* NULL: a table of a newer version. */
static const struct layout *
layout_of(const struct ka_change *change)
{
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
		if (layouts[i].table == change->table && layouts[i].keylen == either_row(change)->keylen)
			return &layouts[i];
	return NULL;
}

void
change_ids(const struct ka_change *change, struct change_ids *ids)
{
	const struct layout *l = layout_of(change);
	const uint8_t *key = either_row(change)->key;

	memset(ids, 0, sizeof(*ids));
	if (l == NULL)
		return;
	ids->project = l->project != NONE ? key + l->project : NULL;
	ids->account = l->account != NONE ? key + l->account : NULL;
	ids->group = l->group != NONE ? key + l->group : NULL;
	ids->sha256 = l->sha256 != NONE ? key + l->sha256 : NULL;
	/* A member is one of the two. */
	if (l->table == KA_TABLE_MEMBER && key[KA_UUID_LEN] == KA_SUBJECT_GROUP)
		ids->account = NULL;
	else if (l->table == KA_TABLE_MEMBER)
		ids->group = NULL;
}

/* Names */

struct gone {
	uint8_t id[KA_UUID_LEN]; /* first: it is what is compared */
	char name[KA_HANDLE_LEN];
};

static int
compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, KA_UUID_LEN);
}

enum ka_result
change_names_note(struct change_names *names, const struct ka_change *change)
{
	struct ka_account account;
	struct ka_group group;
	const char *name;
	struct gone *gone, **at;

	if (change->after.keylen > 0)
		return KA_OK;
	if (change->table == KA_TABLE_ACCOUNT && ka_record_row_account(&change->before, &account) == KA_OK)
		name = account.handle;
	else if (change->table == KA_TABLE_GROUP && ka_record_row_group(&change->before, &group) == KA_OK)
		name = group.name;
	else
		return KA_OK;
	if ((gone = calloc(1, sizeof(*gone))) == NULL)
		return KA_UNAVAIL;
	memcpy(gone->id, change->before.key, KA_UUID_LEN);
	(void)snprintf(gone->name, sizeof(gone->name), "%s", name);
	if ((at = tsearch(gone, &names->tree, compare_ids)) != NULL && *at == gone)
		return KA_OK; /* now the tree's */
	free(gone);
	return at != NULL ? KA_OK : KA_UNAVAIL;
}

void
change_names_free(struct change_names *names)
{
	tdestroy(names->tree, free);
	names->tree = NULL;
}

/* What the account or the group, "@" before it, is called, or was; "" when nobody knows. */
static void
find_name(struct ka_store *store, const struct change_names *names, enum ka_subject kind, const uint8_t *id,
    char name[static KA_SUBJECT_NAME_LEN])
{
	struct gone *const *gone;

	name[0] = '\0';
	if (ka_catalog_subject_name(store, kind, id, name) != KA_OK &&
	    (gone = tfind(id, &names->tree, compare_ids)) != NULL)
		(void)snprintf(name, KA_SUBJECT_NAME_LEN, "%s%s", kind == KA_SUBJECT_GROUP ? "@" : "", (*gone)->name);
}

/* As JSON */

static json_t *
text_or_null(const char *text)
{
	return text[0] != '\0' ? json_string(text) : json_null();
}

/* ${value} is taken over; NULL is memory that ran out. */
static enum ka_result
set(json_t *object, const char *field, json_t *value)
{
	return json_object_set_new(object, field, value) == 0 ? KA_OK : KA_UNAVAIL;
}

/* A table or a row that this version does not know. */
static json_t *
unknown_json(const struct ka_row *row)
{
	char hex[2 * KA_RECORD_MAX + 1] = "";

	for (size_t i = 0; i < row->len; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", row->payload[i]);
	return json_pack("{s:s}", "row", hex);
}

/* ${object}, which is taken over, with the handle that ${what} has: perhaps null. */
static json_t *
with_handle(json_t *object, json_t *what)
{
	if (json_object_set(object, "handle", json_object_get(what, "handle")) == 0)
		return object;
	json_decref(object);
	return NULL;
}

/* Of a registration, all that its own row says: which projects it names are entries of their own. */
static json_t *
key_json(const struct ka_key *key)
{
	json_t *object = json_key(key, NULL, NULL);

	if (set(object, "reach", json_string(key->named ? "named" : "all")) == KA_OK)
		return object;
	json_decref(object);
	return NULL;
}

/* What is not there has the values of an empty database, and so has always been there. */
static json_t *
settings_row_json(const struct ka_row *row)
{
	struct ka_settings settings;

	ka_record_default_settings(&settings);
	if (row->keylen > 0 && ka_record_get_settings(row->payload, row->len, &settings) != KA_OK)
		return unknown_json(row);
	return json_settings(&settings);
}

static json_t *
pruned_row_json(const struct ka_row *row)
{
	struct ka_pruned pruned;

	if (ka_record_get_pruned(row->payload, row->len, &pruned) != KA_OK)
		return unknown_json(row);
	return json_pack("{s:I,s:o}", "last", (json_int_t)pruned.last, "before", json_time(pruned.before_s));
}

/* One side of the change, with all its fields; null when the row was not there. ${what} names its object. */
static json_t *
row_json(enum ka_table table, const struct ka_row *row, json_t *what)
{
	union {
		struct ka_project project;
		struct ka_account account;
		struct ka_group group;
		struct ka_member member;
		struct ka_key key;
	} u;

	if (table == KA_TABLE_SETTINGS)
		return settings_row_json(row);
	if (row->keylen == 0)
		return json_null();
	if (table == KA_TABLE_PROJECT && ka_record_row_project(row, &u.project) == KA_OK)
		return json_project(&u.project);
	if (table == KA_TABLE_ACCOUNT && ka_record_row_account(row, &u.account) == KA_OK)
		return json_account(&u.account);
	if (table == KA_TABLE_GROUP && ka_record_row_group(row, &u.group) == KA_OK)
		return json_group(&u.group);
	if (table == KA_TABLE_MEMBER && ka_record_row_member(row, &u.member) == KA_OK)
		return with_handle(json_member(&u.member, NULL), what);
	if (table == KA_TABLE_KEY && ka_record_row_key(row, &u.key) == KA_OK)
		return with_handle(key_json(&u.key), what);
	if (table == KA_TABLE_REACH || table == KA_TABLE_GROUP_MEMBER)
		return json_copy(what);
	if (table == KA_TABLE_META)
		return pruned_row_json(row);
	return unknown_json(row);
}

/* Of what is on both sides, keep what differs. */
static enum ka_result
keep_differences(json_t *before, json_t *after)
{
	const char *field;
	json_t *value;
	void *next;

	json_object_foreach_safe(after, next, field, value)
	{
		if (!json_equal(json_object_get(before, field), value))
			continue;
		if (json_object_del(before, field) != 0 || json_object_del(after, field) != 0)
			return KA_UNAVAIL;
	}
	return KA_OK;
}

/* What people call a project or a key, in its row. */
static json_t *
title_json(const struct ka_change *change)
{
	const struct ka_row *row = either_row(change);
	struct ka_project project;
	struct ka_key key;

	if (change->table == KA_TABLE_PROJECT && ka_record_row_project(row, &project) == KA_OK)
		return text_or_null(project.title);
	if (change->table == KA_TABLE_KEY && ka_record_row_key(row, &key) == KA_OK)
		return text_or_null(key.title);
	return json_null();
}

/* The ids in the key, and what people call whom they name. A group that is a member is written with its "@". */
static enum ka_result
add_ids(struct ka_store *store, const struct change_names *names, const struct change_ids *ids, json_t *what)
{
	char fingerprint[KA_SHA256_TEXT_LEN], name[KA_SUBJECT_NAME_LEN];
	enum ka_result r = KA_OK;

	if (ids->project != NULL)
		r = set(what, "project", json_uuid(ids->project));
	if (r == KA_OK && ids->sha256 != NULL) {
		ka_fingerprint_format(ids->sha256, fingerprint);
		r = set(what, "fingerprint", json_string(fingerprint));
	}
	if (r == KA_OK && ids->account != NULL && (r = set(what, "account", json_uuid(ids->account))) == KA_OK) {
		find_name(store, names, KA_SUBJECT_ACCOUNT, ids->account, name);
		r = set(what, "handle", text_or_null(name));
	}
	if (r == KA_OK && ids->group != NULL && (r = set(what, "group", json_uuid(ids->group))) == KA_OK) {
		find_name(store, names, KA_SUBJECT_GROUP, ids->group, name);
		r = ids->project != NULL ? set(what, "handle", text_or_null(name))
					 : set(what, "name", text_or_null(name[0] != '\0' ? name + 1 : name));
	}
	return r;
}

/* The object: its type, the ids in its key, and what people call it. */
static json_t *
what_json(struct ka_store *store, const struct change_names *names, const struct ka_change *change)
{
	const struct layout *l = layout_of(change);
	const char *type = l != NULL ? l->type : change->table == KA_TABLE_META ? "log" : "unknown";
	json_t *what = json_pack("{s:s}", "type", type);
	struct change_ids ids;
	enum ka_result r;

	change_ids(change, &ids);
	r = add_ids(store, names, &ids, what);
	if (r == KA_OK && (change->table == KA_TABLE_PROJECT || change->table == KA_TABLE_KEY))
		r = set(what, "title", title_json(change));
	if (r == KA_OK)
		return what;
	json_decref(what);
	return NULL;
}

json_t *
change_json(struct ka_store *store, const struct change_names *names, const struct ka_change *change)
{
	json_t *what = what_json(store, names, change), *before, *after;

	before = row_json(change->table, &change->before, what);
	after = row_json(change->table, &change->after, what);
	/* How far the log is pruned is one sentence, whatever it was before. */
	if (change->table != KA_TABLE_META && json_is_object(before) && json_is_object(after) &&
	    keep_differences(before, after) != KA_OK) {
		json_decref(before);
		before = NULL; /* which json_pack takes for memory that ran out */
	}
	return json_pack("{s:I,s:o,s:{s:I,s:n,s:o},s:s,s:o,s:o,s:o}", "seq", (json_int_t)change->seq, "at",
	    json_time(change->at_s), "by", "uid", (json_int_t)change->actor, "user", "sudo_user",
	    text_or_null(change->sudo_user), "command", change->verb, "what", what, "before", before, "after", after);
}

enum ka_result
change_sign(json_t *entry)
{
	/* Most entries are by the same few. */
	static json_int_t last = -1;
	static char name[256];
	json_t *by = json_object_get(entry, "by");
	json_int_t uid = json_integer_value(json_object_get(by, "uid"));
	struct passwd *pw;

	if (uid != last) {
		pw = getpwuid((uid_t)uid);
		(void)ka_text_clean(
		    pw != NULL ? pw->pw_name : "", pw != NULL ? strlen(pw->pw_name) : 0, name, sizeof(name));
		last = uid;
	}
	return set(by, "user", text_or_null(name));
}
