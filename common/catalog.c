#include "common/catalog.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/access.h"
enum ka_result
ka_catalog_get_account(struct ka_store *s, const uint8_t id[static KA_UUID_LEN], struct ka_account *account)
{
	struct ka_row row;
	enum ka_result r = ka_store_get(s, KA_TABLE_ACCOUNT, id, KA_UUID_LEN, &row);

	return r == KA_OK ? ka_record_row_account(&row, account) : r;
}

enum ka_result
ka_catalog_get_project(struct ka_store *s, const uint8_t id[static KA_UUID_LEN], struct ka_project *project)
{
	struct ka_row row;
	enum ka_result r = ka_store_get(s, KA_TABLE_PROJECT, id, KA_UUID_LEN, &row);

	return r == KA_OK ? ka_record_row_project(&row, project) : r;
}

enum ka_result
ka_catalog_get_group(struct ka_store *s, const uint8_t id[static KA_UUID_LEN], struct ka_group *group)
{
	struct ka_row row;
	enum ka_result r = ka_store_get(s, KA_TABLE_GROUP, id, KA_UUID_LEN, &row);

	return r == KA_OK ? ka_record_row_group(&row, group) : r;
}

enum ka_result
ka_catalog_subject_name(struct ka_store *s, enum ka_subject kind, const uint8_t id[static KA_UUID_LEN],
    char name[static KA_SUBJECT_NAME_LEN])
{
	struct ka_account account;
	struct ka_group group;
	enum ka_result r;

	if (kind == KA_SUBJECT_GROUP) {
		if ((r = ka_catalog_get_group(s, id, &group)) == KA_OK)
			(void)snprintf(name, KA_SUBJECT_NAME_LEN, "@%s", group.name);
		return r;
	}
	if ((r = ka_catalog_get_account(s, id, &account)) == KA_OK)
		(void)snprintf(name, KA_SUBJECT_NAME_LEN, "%s", account.handle);
	return r;
}

enum ka_result
ka_catalog_get_member(struct ka_store *s, const uint8_t project[static KA_UUID_LEN], enum ka_subject kind,
    const uint8_t subject[static KA_UUID_LEN], struct ka_member *member)
{
	uint8_t key[KA_MEMBER_KEY_LEN];
	struct ka_row row;
	enum ka_result r;

	ka_table_member_key(project, kind, subject, key);
	if ((r = ka_store_get(s, KA_TABLE_MEMBER, key, sizeof(key), &row)) != KA_OK)
		return r;
	return ka_record_row_member(&row, member);
}

enum ka_result
ka_catalog_next_group(struct ka_store *s, struct ka_row *row, struct ka_group *group)
{
	enum ka_result r = ka_store_next(s, KA_TABLE_GROUP, "", 0, row);

	return r == KA_OK ? ka_record_row_group(row, group) : r;
}

/* The second id of the next pair that begins with ${first}. */
static enum ka_result
next_pair(struct ka_store *s, enum ka_table table, const uint8_t first[static KA_UUID_LEN], struct ka_row *row)
{
	enum ka_result r = ka_store_next(s, table, first, KA_UUID_LEN, row);

	return r == KA_OK && row->keylen != KA_PAIR_KEY_LEN ? KA_CORRUPT : r;
}

enum ka_result
ka_catalog_next_group_member(
    struct ka_store *s, const uint8_t group[static KA_UUID_LEN], struct ka_row *row, struct ka_account *account)
{
	enum ka_result r = next_pair(s, KA_TABLE_GROUP_MEMBER, group, row);

	if (r == KA_OK && (r = ka_catalog_get_account(s, row->key + KA_UUID_LEN, account)) == KA_NOTFOUND)
		return KA_CORRUPT;
	return r;
}

enum ka_result
ka_catalog_next_group_of(
    struct ka_store *s, const uint8_t account[static KA_UUID_LEN], struct ka_row *row, struct ka_group *group)
{
	enum ka_result r = next_pair(s, KA_TABLE_GROUP_OF, account, row);

	if (r == KA_OK && (r = ka_catalog_get_group(s, row->key + KA_UUID_LEN, group)) == KA_NOTFOUND)
		return KA_CORRUPT;
	return r;
}

enum ka_result
ka_catalog_is_member(
    struct ka_store *s, const uint8_t project[static KA_UUID_LEN], const uint8_t account[static KA_UUID_LEN])
{
	struct ka_row row = {.keylen = 0};
	struct ka_member member;
	struct ka_group group;
	enum ka_result r;

	if ((r = ka_catalog_get_member(s, project, KA_SUBJECT_ACCOUNT, account, &member)) != KA_NOTFOUND)
		return r;
	while ((r = ka_catalog_next_group_of(s, account, &row, &group)) == KA_OK)
		if ((r = ka_catalog_get_member(s, project, KA_SUBJECT_GROUP, group.id, &member)) != KA_NOTFOUND)
			return r;
	return r;
}

/* Does the member of this kind and id hold at ${at_s} (0: or ever)? */
static enum ka_result
holds(struct ka_store *s, const uint8_t project[static KA_UUID_LEN], enum ka_subject kind,
    const uint8_t subject[static KA_UUID_LEN], int64_t at_s)
{
	struct ka_member member;
	enum ka_result r = ka_catalog_get_member(s, project, kind, subject, &member);

	return r == KA_OK && at_s != 0 && !ka_access_member_holds(&member, at_s) ? KA_NOTFOUND : r;
}

/* Has ${account} the project by itself, or by a group that comes before ${group}? Then it has been named already. */
static enum ka_result
listed_before(struct ka_store *s, const uint8_t account[static KA_UUID_LEN], int64_t at_s, const struct ka_group *group,
    const uint8_t project[static KA_UUID_LEN])
{
	struct ka_row row = {.keylen = 0};
	struct ka_group earlier;
	enum ka_result r;

	if ((r = holds(s, project, KA_SUBJECT_ACCOUNT, account, at_s)) != KA_NOTFOUND)
		return r;
	while ((r = ka_catalog_next_group_of(s, account, &row, &earlier)) == KA_OK &&
	       memcmp(earlier.id, group->id, KA_UUID_LEN) != 0)
		if ((r = holds(s, project, KA_SUBJECT_GROUP, earlier.id, at_s)) != KA_NOTFOUND)
			return r;
	return r == KA_OK ? KA_NOTFOUND : r;
}

enum ka_result
ka_catalog_next_account(struct ka_store *s, struct ka_row *row, struct ka_account *account)
{
	enum ka_result r = ka_store_next(s, KA_TABLE_ACCOUNT, "", 0, row);

	return r == KA_OK ? ka_record_row_account(row, account) : r;
}

enum ka_result
ka_catalog_next_project(struct ka_store *s, struct ka_row *row, struct ka_project *project)
{
	enum ka_result r = ka_store_next(s, KA_TABLE_PROJECT, "", 0, row);

	return r == KA_OK ? ka_record_row_project(row, project) : r;
}

enum ka_result
ka_catalog_next_member(
    struct ka_store *s, const uint8_t project[static KA_UUID_LEN], struct ka_row *row, struct ka_member *member)
{
	enum ka_result r = ka_store_next(s, KA_TABLE_MEMBER, project, KA_UUID_LEN, row);

	return r == KA_OK ? ka_record_row_member(row, member) : r;
}

enum ka_result
ka_catalog_next_membership(struct ka_store *s, enum ka_subject kind, const uint8_t subject[static KA_UUID_LEN],
    struct ka_row *row, struct ka_member *member)
{
	uint8_t prefix[1 + KA_UUID_LEN];
	enum ka_result r;

	prefix[0] = (uint8_t)kind;
	memcpy(prefix + 1, subject, KA_UUID_LEN);
	if ((r = ka_store_next(s, KA_TABLE_MEMBER_OF, prefix, sizeof(prefix), row)) != KA_OK)
		return r;
	if (row->keylen != KA_MEMBER_KEY_LEN)
		return KA_CORRUPT;
	r = ka_catalog_get_member(s, row->key + sizeof(prefix), kind, subject, member);
	return r == KA_NOTFOUND ? KA_CORRUPT : r;
}

enum ka_result
ka_catalog_next_project_of(struct ka_store *s, const uint8_t account[static KA_UUID_LEN], int64_t at_s,
    struct ka_project_of *at, uint8_t project[static KA_UUID_LEN])
{
	struct ka_member member;
	enum ka_result r;

	for (;;) {
		if (at->groups)
			r = ka_catalog_next_membership(s, KA_SUBJECT_GROUP, at->group.id, &at->row, &member);
		else
			r = ka_catalog_next_membership(s, KA_SUBJECT_ACCOUNT, account, &at->row, &member);
		if (r == KA_OK && at_s != 0 && !ka_access_member_holds(&member, at_s))
			continue;
		if (r == KA_OK && at->groups) {
			/* Named once: by its own membership, or by the first of its groups. */
			r = listed_before(s, account, at_s, &at->group, member.project);
			if (r == KA_OK)
				continue;
			if (r == KA_NOTFOUND)
				r = KA_OK;
		}
		if (r == KA_OK)
			memcpy(project, member.project, KA_UUID_LEN);
		if (r != KA_NOTFOUND)
			return r;
		at->groups = true;
		at->row.keylen = 0;
		if ((r = ka_catalog_next_group_of(s, account, &at->group_row, &at->group)) != KA_OK)
			return r;
	}
}

enum ka_result
ka_catalog_get_registration(struct ka_store *s, const uint8_t sha256[static KA_SHA256_LEN],
    const uint8_t account[static KA_UUID_LEN], struct ka_key *key)
{
	uint8_t full[KA_KEY_KEY_LEN];
	struct ka_row row;
	enum ka_result r;

	ka_table_key_key(sha256, account, full);
	if ((r = ka_store_get(s, KA_TABLE_KEY, full, sizeof(full), &row)) != KA_OK)
		return r;
	return ka_record_row_key(&row, key);
}

enum ka_result
ka_catalog_next_registration(
    struct ka_store *s, const uint8_t sha256[static KA_SHA256_LEN], struct ka_row *row, struct ka_key *key)
{
	enum ka_result r = ka_store_next(s, KA_TABLE_KEY, sha256, KA_SHA256_LEN, row);

	return r == KA_OK ? ka_record_row_key(row, key) : r;
}

enum ka_result
ka_catalog_next_key(struct ka_store *s, struct ka_row *row, struct ka_key *key)
{
	enum ka_result r = ka_store_next(s, KA_TABLE_KEY, "", 0, row);

	return r == KA_OK ? ka_record_row_key(row, key) : r;
}

enum ka_result
ka_catalog_next_key_of(
    struct ka_store *s, const uint8_t account[static KA_UUID_LEN], struct ka_row *row, struct ka_key *key)
{
	enum ka_result r;

	if ((r = ka_store_next(s, KA_TABLE_KEY_OF, account, KA_UUID_LEN, row)) != KA_OK)
		return r;
	if (row->keylen != KA_KEY_KEY_LEN)
		return KA_CORRUPT;
	r = ka_catalog_get_registration(s, row->key + KA_UUID_LEN, account, key);
	return r == KA_NOTFOUND ? KA_CORRUPT : r;
}

enum ka_result
ka_catalog_next_reach(
    struct ka_store *s, const struct ka_key *key, struct ka_row *row, uint8_t project[static KA_UUID_LEN])
{
	uint8_t prefix[KA_KEY_KEY_LEN];
	enum ka_result r;

	ka_table_key_key(key->sha256, key->account, prefix);
	if ((r = ka_store_next(s, KA_TABLE_REACH, prefix, sizeof(prefix), row)) != KA_OK)
		return r;
	if (row->keylen != KA_REACH_KEY_LEN)
		return KA_CORRUPT;
	memcpy(project, row->key + KA_KEY_KEY_LEN, KA_UUID_LEN);
	return KA_OK;
}

/* Is the next row after the one in ${row} still between ${low} and ${high}? Then ${text} is ambiguous. */
static enum ka_result
find_by_prefix(struct ka_store *s, enum ka_table table, const char *what, const char *text, struct ka_row *row,
    struct ka_error *err)
{
	uint8_t low[KA_UUID_LEN], high[KA_UUID_LEN], after[KA_UUID_LEN + 1];
	struct ka_row second;
	enum ka_result r;

	if (ka_uuid_parse_prefix(text, low, high) != KA_OK)
		return ka_result_fail(
		    err, KA_NOTFOUND, "there is no %s \"%s\"; 'keyacct %s list' shows them", what, text, what);
	r = ka_store_seek(s, table, low, sizeof(low), row);
	if (r == KA_NOTFOUND || (r == KA_OK && memcmp(row->key, high, KA_UUID_LEN) > 0))
		return ka_result_fail(
		    err, KA_NOTFOUND, "there is no %s \"%s\"; 'keyacct %s list' shows them", what, text, what);
	if (r != KA_OK)
		return ka_store_fail(s, r, err);
	memcpy(after, row->key, KA_UUID_LEN);
	after[KA_UUID_LEN] = 0;
	r = ka_store_seek(s, table, after, sizeof(after), &second);
	if (r == KA_OK && memcmp(second.key, high, KA_UUID_LEN) <= 0)
		return ka_result_fail(
		    err, KA_CONFLICT, "several %ss begin with \"%s\": give more of the id", what, text);
	return r == KA_NOTFOUND ? KA_OK : ka_store_fail(s, r, err);
}

enum ka_result
ka_catalog_find_account(struct ka_store *s, const char *text, struct ka_account *account, struct ka_error *err)
{
	struct ka_row row;
	enum ka_result r;

	if (!ka_record_handle_ok(text)) {
		if ((r = find_by_prefix(s, KA_TABLE_ACCOUNT, "account", text, &row, err)) != KA_OK)
			return r;
		return ka_store_fail(s, ka_record_row_account(&row, account), err);
	}
	if ((r = ka_store_get(s, KA_TABLE_HANDLE, text, strlen(text), &row)) == KA_NOTFOUND)
		return ka_result_fail(
		    err, KA_NOTFOUND, "there is no account \"%s\"; 'keyacct account list' shows them", text);
	if (r == KA_OK)
		r = row.len == KA_UUID_LEN ? ka_catalog_get_account(s, row.payload, account) : KA_CORRUPT;
	return ka_store_fail(s, r, err);
}

enum ka_result
ka_catalog_find_group(struct ka_store *s, const char *text, struct ka_group *group, struct ka_error *err)
{
	uint8_t id[KA_UUID_LEN];
	struct ka_row row;
	enum ka_result r = KA_NOTFOUND;

	if (ka_uuid_parse(text, id) == KA_OK) {
		if ((r = ka_catalog_get_group(s, id, group)) == KA_NOTFOUND)
			return ka_result_fail(err, r, "there is no group %s; 'keyacct group list' shows them", text);
		return ka_store_fail(s, r, err);
	}
	if (text[0] == '@')
		text++;
	if (ka_record_handle_ok(text))
		r = ka_store_get(s, KA_TABLE_GROUP_NAME, text, strlen(text), &row);
	if (r == KA_NOTFOUND)
		return ka_result_fail(err, r, "there is no group \"%s\"; 'keyacct group list' shows them", text);
	if (r == KA_OK)
		r = row.len == KA_UUID_LEN ? ka_catalog_get_group(s, row.payload, group) : KA_CORRUPT;
	return ka_store_fail(s, r, err);
}

enum ka_result
ka_catalog_find_project(struct ka_store *s, const char *text, struct ka_project *project, struct ka_error *err)
{
	struct ka_row row;
	enum ka_result r;

	if ((r = find_by_prefix(s, KA_TABLE_PROJECT, "project", text, &row, err)) != KA_OK)
		return r;
	return ka_store_fail(s, ka_record_row_project(&row, project), err);
}

/* Does ${text} name ${key}: the beginning of its SHA256 fingerprint, or its MD5? */
static bool
key_named(const struct ka_key *key, const char *text)
{
	char sha256[KA_SHA256_TEXT_LEN], md5[KA_MD5_TEXT_LEN];
	size_t len = strlen(text);

	ka_fingerprint_format(key->sha256, sha256);
	if (strncmp(text, "SHA256:", 7) == 0)
		return len >= 15 && strncmp(sha256, text, len) == 0;
	ka_fingerprint_format_md5(key->md5, md5);
	return strcasecmp(strncasecmp(text, "MD5:", 4) == 0 ? text + 4 : text, md5) == 0;
}

enum ka_result
ka_catalog_find_fingerprint(
    struct ka_store *s, const char *text, uint8_t sha256[static KA_SHA256_LEN], struct ka_error *err)
{
	struct ka_row row = {.keylen = 0};
	struct ka_key found;
	bool any = false;
	enum ka_result r;

	/* A whole one needs no registration: it is what an unknown key has too. */
	if (ka_fingerprint_parse(text, sha256) == KA_OK)
		return KA_OK;
	while ((r = ka_catalog_next_key(s, &row, &found)) == KA_OK) {
		if (!key_named(&found, text))
			continue;
		if (any && memcmp(found.sha256, sha256, KA_SHA256_LEN) != 0)
			return ka_result_fail(
			    err, KA_CONFLICT, "several keys fit \"%s\": give the whole fingerprint", text);
		memcpy(sha256, found.sha256, KA_SHA256_LEN);
		any = true;
	}
	if (r != KA_NOTFOUND)
		return ka_store_fail(s, r, err);
	return any ? KA_OK : ka_result_fail(err, KA_NOTFOUND, "nobody has registered a key \"%s\"", text);
}

/* The next registration that ${text} could name: of one account, of one whole fingerprint, or any. */
static enum ka_result
next_candidate(
    struct ka_store *s, const char *text, const struct ka_account *account, struct ka_row *row, struct ka_key *key)
{
	uint8_t sha256[KA_SHA256_LEN];

	if (account != NULL)
		return ka_catalog_next_key_of(s, account->id, row, key);
	if (ka_fingerprint_parse(text, sha256) == KA_OK)
		return ka_catalog_next_registration(s, sha256, row, key);
	return ka_catalog_next_key(s, row, key);
}

enum ka_result
ka_catalog_find_key(
    struct ka_store *s, const char *text, const struct ka_account *account, struct ka_key *key, struct ka_error *err)
{
	struct ka_row row = {.keylen = 0};
	struct ka_key found;
	size_t n = 0;
	enum ka_result r;

	while ((r = next_candidate(s, text, account, &row, &found)) == KA_OK) {
		if (!key_named(&found, text))
			continue;
		*key = found;
		n++;
	}
	if (r != KA_NOTFOUND)
		return ka_store_fail(s, r, err);
	if (n == 0)
		return ka_result_fail(err, KA_NOTFOUND,
		    "there is no key \"%s\"%s%s: give the fingerprint as 'keyacct key list' shows it", text,
		    account != NULL ? " of account " : "", account != NULL ? account->handle : "");
	if (n > 1)
		return ka_result_fail(err, KA_CONFLICT,
		    "%zu registrations fit \"%s\": give the whole fingerprint, and --account ACCOUNT", n, text);
	return KA_OK;
}
