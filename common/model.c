#include "common/model.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/text.h"
#include "common/time.h"

#define MEMBER_KEY (KA_UUID_LEN + 1 + KA_UUID_LEN)
#define KEY_KEY    (KA_SHA256_LEN + KA_UUID_LEN)
#define REACH_KEY  (KEY_KEY + KA_UUID_LEN)

static const uint8_t no_id[KA_UUID_LEN];

static enum ka_result
store_failed(enum ka_result r, struct ka_error *err)
{
	switch (r) {
	case KA_OK:
		return r;
	case KA_CORRUPT:
	case KA_NOTFOUND:
		return ka_result_fail(err, KA_CORRUPT, "the database is damaged: restore it from a backup");
	case KA_INVALID:
		return ka_result_fail(err, r, "the row is too long for the database: shorten its texts");
	case KA_CONFLICT:
	case KA_BUSY:
	case KA_UNAVAIL:
		break;
	}
	return ka_result_fail(err, r, "the database could not be read or written; nothing was changed");
}

static enum ka_result
note(struct ka_store *s, enum ka_table table, const uint8_t *id, const char *verb, const char *detail,
    struct ka_error *err)
{
	return store_failed(ka_store_note(s, table, id, verb, detail), err);
}

/* Keys of the tables that have more than one part. */

static void
member_key(const struct ka_member *m, uint8_t key[static MEMBER_KEY])
{
	memcpy(key, m->project, KA_UUID_LEN);
	key[KA_UUID_LEN] = (uint8_t)m->kind;
	memcpy(key + KA_UUID_LEN + 1, m->subject, KA_UUID_LEN);
}

static void
member_of_key(const struct ka_member *m, uint8_t key[static MEMBER_KEY])
{
	key[0] = (uint8_t)m->kind;
	memcpy(key + 1, m->subject, KA_UUID_LEN);
	memcpy(key + 1 + KA_UUID_LEN, m->project, KA_UUID_LEN);
}

static void
key_key(const struct ka_key *k, uint8_t key[static KEY_KEY])
{
	memcpy(key, k->sha256, KA_SHA256_LEN);
	memcpy(key + KA_SHA256_LEN, k->account, KA_UUID_LEN);
}

static void
key_of_key(const struct ka_key *k, uint8_t key[static KEY_KEY])
{
	memcpy(key, k->account, KA_UUID_LEN);
	memcpy(key + KA_UUID_LEN, k->sha256, KA_SHA256_LEN);
}

/* Rows to structures */

static enum ka_result
account_of_row(const struct ka_row *row, struct ka_account *account)
{
	enum ka_result r = ka_record_get_account(row->payload, row->len, account);

	if (r != KA_OK || row->keylen != KA_UUID_LEN)
		return KA_CORRUPT;
	memcpy(account->id, row->key, KA_UUID_LEN);
	return KA_OK;
}

static enum ka_result
project_of_row(const struct ka_row *row, struct ka_project *project)
{
	enum ka_result r = ka_record_get_project(row->payload, row->len, project);

	if (r != KA_OK || row->keylen != KA_UUID_LEN)
		return KA_CORRUPT;
	memcpy(project->id, row->key, KA_UUID_LEN);
	return KA_OK;
}

static enum ka_result
member_of_row(const struct ka_row *row, struct ka_member *member)
{
	enum ka_result r = ka_record_get_member(row->payload, row->len, member);

	if (r != KA_OK || row->keylen != MEMBER_KEY)
		return KA_CORRUPT;
	memcpy(member->project, row->key, KA_UUID_LEN);
	member->kind = (enum ka_subject)row->key[KA_UUID_LEN];
	memcpy(member->subject, row->key + KA_UUID_LEN + 1, KA_UUID_LEN);
	return KA_OK;
}

static enum ka_result
key_of_row(const struct ka_row *row, struct ka_key *key)
{
	enum ka_result r = ka_record_get_key(row->payload, row->len, key);

	if (r != KA_OK || row->keylen != KEY_KEY)
		return KA_CORRUPT;
	memcpy(key->sha256, row->key, KA_SHA256_LEN);
	memcpy(key->account, row->key + KA_SHA256_LEN, KA_UUID_LEN);
	return KA_OK;
}

/* Reading */

enum ka_result
ka_model_get_account(struct ka_store *s, const uint8_t id[static KA_UUID_LEN], struct ka_account *account)
{
	struct ka_row row;
	enum ka_result r = ka_store_get(s, KA_TABLE_ACCOUNT, id, KA_UUID_LEN, &row);

	return r == KA_OK ? account_of_row(&row, account) : r;
}

enum ka_result
ka_model_get_project(struct ka_store *s, const uint8_t id[static KA_UUID_LEN], struct ka_project *project)
{
	struct ka_row row;
	enum ka_result r = ka_store_get(s, KA_TABLE_PROJECT, id, KA_UUID_LEN, &row);

	return r == KA_OK ? project_of_row(&row, project) : r;
}

enum ka_result
ka_model_next_account(struct ka_store *s, struct ka_row *row, struct ka_account *account)
{
	enum ka_result r = ka_store_next(s, KA_TABLE_ACCOUNT, "", 0, row);

	return r == KA_OK ? account_of_row(row, account) : r;
}

enum ka_result
ka_model_next_project(struct ka_store *s, struct ka_row *row, struct ka_project *project)
{
	enum ka_result r = ka_store_next(s, KA_TABLE_PROJECT, "", 0, row);

	return r == KA_OK ? project_of_row(row, project) : r;
}

enum ka_result
ka_model_next_member(struct ka_store *s, const uint8_t project[static KA_UUID_LEN], struct ka_row *row,
    struct ka_member *member)
{
	enum ka_result r = ka_store_next(s, KA_TABLE_MEMBER, project, KA_UUID_LEN, row);

	return r == KA_OK ? member_of_row(row, member) : r;
}

enum ka_result
ka_model_next_membership(struct ka_store *s, const uint8_t account[static KA_UUID_LEN], struct ka_row *row,
    struct ka_member *member)
{
	uint8_t prefix[1 + KA_UUID_LEN] = {KA_SUBJECT_ACCOUNT}, key[MEMBER_KEY];
	struct ka_row found;
	enum ka_result r;

	memcpy(prefix + 1, account, KA_UUID_LEN);
	if ((r = ka_store_next(s, KA_TABLE_MEMBER_OF, prefix, sizeof(prefix), row)) != KA_OK)
		return r;
	if (row->keylen != MEMBER_KEY)
		return KA_CORRUPT;
	memcpy(key, row->key + 1 + KA_UUID_LEN, KA_UUID_LEN);
	memcpy(key + KA_UUID_LEN, row->key, 1 + KA_UUID_LEN);
	if ((r = ka_store_get(s, KA_TABLE_MEMBER, key, sizeof(key), &found)) != KA_OK)
		return r == KA_NOTFOUND ? KA_CORRUPT : r;
	return member_of_row(&found, member);
}

enum ka_result
ka_model_next_registration(
    struct ka_store *s, const uint8_t sha256[static KA_SHA256_LEN], struct ka_row *row, struct ka_key *key)
{
	enum ka_result r = ka_store_next(s, KA_TABLE_KEY, sha256, KA_SHA256_LEN, row);

	return r == KA_OK ? key_of_row(row, key) : r;
}

enum ka_result
ka_model_next_key(struct ka_store *s, struct ka_row *row, struct ka_key *key)
{
	enum ka_result r = ka_store_next(s, KA_TABLE_KEY, "", 0, row);

	return r == KA_OK ? key_of_row(row, key) : r;
}

enum ka_result
ka_model_next_key_of(
    struct ka_store *s, const uint8_t account[static KA_UUID_LEN], struct ka_row *row, struct ka_key *key)
{
	uint8_t full[KEY_KEY];
	struct ka_row found;
	enum ka_result r;

	if ((r = ka_store_next(s, KA_TABLE_KEY_OF, account, KA_UUID_LEN, row)) != KA_OK)
		return r;
	if (row->keylen != KEY_KEY)
		return KA_CORRUPT;
	memcpy(full, row->key + KA_UUID_LEN, KA_SHA256_LEN);
	memcpy(full + KA_SHA256_LEN, row->key, KA_UUID_LEN);
	if ((r = ka_store_get(s, KA_TABLE_KEY, full, sizeof(full), &found)) != KA_OK)
		return r == KA_NOTFOUND ? KA_CORRUPT : r;
	return key_of_row(&found, key);
}

enum ka_result
ka_model_next_reach(
    struct ka_store *s, const struct ka_key *key, struct ka_row *row, uint8_t project[static KA_UUID_LEN])
{
	uint8_t prefix[KEY_KEY];
	enum ka_result r;

	key_key(key, prefix);
	if ((r = ka_store_next(s, KA_TABLE_REACH, prefix, sizeof(prefix), row)) != KA_OK)
		return r;
	if (row->keylen != REACH_KEY)
		return KA_CORRUPT;
	memcpy(project, row->key + KEY_KEY, KA_UUID_LEN);
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
		return ka_result_fail(err, KA_NOTFOUND, "there is no %s \"%s\"; 'keyacct %s list' shows them", what, text, what);
	r = ka_store_seek(s, table, low, sizeof(low), row);
	if (r == KA_NOTFOUND || (r == KA_OK && memcmp(row->key, high, KA_UUID_LEN) > 0))
		return ka_result_fail(err, KA_NOTFOUND, "there is no %s \"%s\"; 'keyacct %s list' shows them", what, text, what);
	if (r != KA_OK)
		return store_failed(r, err);
	memcpy(after, row->key, KA_UUID_LEN);
	after[KA_UUID_LEN] = 0;
	r = ka_store_seek(s, table, after, sizeof(after), &second);
	if (r == KA_OK && memcmp(second.key, high, KA_UUID_LEN) <= 0)
		return ka_result_fail(
		    err, KA_CONFLICT, "several %ss begin with \"%s\": give more of the id", what, text);
	return r == KA_NOTFOUND ? KA_OK : store_failed(r, err);
}

enum ka_result
ka_model_find_account(struct ka_store *s, const char *text, struct ka_account *account, struct ka_error *err)
{
	struct ka_row row;
	enum ka_result r;

	if (!ka_record_handle_ok(text)) {
		if ((r = find_by_prefix(s, KA_TABLE_ACCOUNT, "account", text, &row, err)) != KA_OK)
			return r;
		return store_failed(account_of_row(&row, account), err);
	}
	if ((r = ka_store_get(s, KA_TABLE_HANDLE, text, strlen(text), &row)) == KA_NOTFOUND)
		return ka_result_fail(
		    err, KA_NOTFOUND, "there is no account \"%s\"; 'keyacct account list' shows them", text);
	if (r == KA_OK)
		r = row.len == KA_UUID_LEN ? ka_model_get_account(s, row.payload, account) : KA_CORRUPT;
	return store_failed(r, err);
}

enum ka_result
ka_model_find_project(struct ka_store *s, const char *text, struct ka_project *project, struct ka_error *err)
{
	struct ka_row row;
	enum ka_result r;

	if ((r = find_by_prefix(s, KA_TABLE_PROJECT, "project", text, &row, err)) != KA_OK)
		return r;
	return store_failed(project_of_row(&row, project), err);
}

/* Accounts */

static enum ka_result
write_account(struct ka_store *s, const struct ka_account *account, struct ka_error *err)
{
	uint8_t payload[KA_RECORD_MAX];
	size_t len;

	if (ka_record_put_account(account, payload, &len) != KA_OK)
		return ka_result_fail(err, KA_INVALID, "the account \"%s\" has a field out of its range", account->handle);
	return store_failed(ka_store_put(s, KA_TABLE_ACCOUNT, account->id, KA_UUID_LEN, payload, len), err);
}

enum ka_result
ka_model_add_account(struct ka_store *s, struct ka_account *account, struct ka_error *err)
{
	char text[KA_UUID_TEXT_LEN];
	struct ka_account other;
	struct ka_row row;
	enum ka_result r;

	if (!ka_record_handle_ok(account->handle))
		return ka_result_fail(err, KA_INVALID,
		    "\"%s\" cannot be a handle: 1 to 64 of a-z 0-9 . _ @ + -, beginning with a letter or digit, and nothing "
		    "that reads as an id (8 or more hex digits)",
		    account->handle);
	if ((r = ka_store_get(s, KA_TABLE_HANDLE, account->handle, strlen(account->handle), &row)) == KA_OK) {
		ka_uuid_text(row.payload, text);
		return ka_result_fail(
		    err, KA_CONFLICT, "the handle \"%s\" is taken by account %s: choose another", account->handle, text);
	}
	if (r != KA_NOTFOUND)
		return store_failed(r, err);
	if (memcmp(account->id, no_id, KA_UUID_LEN) == 0 && ka_uuid_random(account->id) != KA_OK)
		return ka_result_fail(err, KA_UNAVAIL, "the kernel gives no random numbers");
	ka_uuid_text(account->id, text);
	if ((r = ka_model_get_account(s, account->id, &other)) == KA_OK)
		return ka_result_fail(err, KA_CONFLICT, "the id %s is taken by account \"%s\"", text, other.handle);
	if (r != KA_NOTFOUND)
		return store_failed(r, err);
	if (account->state == 0)
		account->state = KA_ACCOUNT_ACTIVE;
	if (account->created_s == 0)
		account->created_s = ka_time_now();
	if ((r = write_account(s, account, err)) != KA_OK)
		return r;
	r = ka_store_put(s, KA_TABLE_HANDLE, account->handle, strlen(account->handle), account->id, KA_UUID_LEN);
	if (r != KA_OK)
		return store_failed(r, err);
	return note(s, KA_TABLE_ACCOUNT, account->id, "account add", account->handle, err);
}

enum ka_result
ka_model_set_account_state(
    struct ka_store *s, struct ka_account *account, enum ka_account_state state, struct ka_error *err)
{
	enum ka_result r;

	account->state = state;
	if ((r = write_account(s, account, err)) != KA_OK)
		return r;
	return note(s, KA_TABLE_ACCOUNT, account->id,
	    state == KA_ACCOUNT_SUSPENDED ? "account suspend" : "account resume", account->handle, err);
}

/* Has ${project} an owner to rely on, other than ${account}? */
static enum ka_result
has_other_owner(struct ka_store *s, const uint8_t *project, const uint8_t *account)
{
	struct ka_row row = {.keylen = 0};
	struct ka_member member;
	enum ka_result r;

	while ((r = ka_model_next_member(s, project, &row, &member)) == KA_OK)
		if (ka_access_owns_lastingly(&member, ka_time_now()) && memcmp(member.subject, account, KA_UUID_LEN) != 0)
			return KA_OK;
	return r;
}

/* Refuse what would leave the project without an owner. */
static enum ka_result
keep_owner(struct ka_store *s, const struct ka_member *leaving, struct ka_error *err)
{
	char text[KA_UUID_TEXT_LEN];
	struct ka_account account;
	enum ka_result r;

	if ((r = has_other_owner(s, leaving->project, leaving->subject)) == KA_OK)
		return KA_OK;
	if (r != KA_NOTFOUND || (r = ka_model_get_account(s, leaving->subject, &account)) != KA_OK)
		return store_failed(r, err);
	ka_uuid_text(leaving->project, text);
	return ka_result_fail(err, KA_CONFLICT,
	    "\"%s\" is the last owner of project %s: add another owner first (keyacct member add %s ACCOUNT --role owner), or "
	    "remove the project",
	    account.handle, text, text);
}

static enum ka_result
drop_reach(struct ka_store *s, const struct ka_key *key, const uint8_t project[static KA_UUID_LEN])
{
	uint8_t full[REACH_KEY];

	key_key(key, full);
	memcpy(full + KEY_KEY, project, KA_UUID_LEN);
	return ka_store_remove(s, KA_TABLE_REACH, full, sizeof(full));
}

static enum ka_result
drop_member(struct ka_store *s, const struct ka_member *member)
{
	struct ka_row row = {.keylen = 0};
	uint8_t key[MEMBER_KEY];
	struct ka_key pasted;
	enum ka_result r;

	while ((r = ka_model_next_key_of(s, member->subject, &row, &pasted)) == KA_OK)
		if (pasted.named && (r = drop_reach(s, &pasted, member->project)) != KA_OK)
			return r;
	if (r != KA_NOTFOUND)
		return r;
	member_of_key(member, key);
	if ((r = ka_store_remove(s, KA_TABLE_MEMBER_OF, key, sizeof(key))) != KA_OK)
		return r;
	member_key(member, key);
	return ka_store_remove(s, KA_TABLE_MEMBER, key, sizeof(key));
}

enum ka_result
ka_model_remove_account(struct ka_store *s, const struct ka_account *account, struct ka_error *err)
{
	struct ka_row row = {.keylen = 0};
	struct ka_member member;
	struct ka_key key;
	enum ka_result r;

	while ((r = ka_model_next_membership(s, account->id, &row, &member)) == KA_OK) {
		if (member.role == KA_ROLE_OWNER && (r = keep_owner(s, &member, err)) != KA_OK)
			return r;
		if ((r = drop_member(s, &member)) != KA_OK)
			return store_failed(r, err);
	}
	if (r != KA_NOTFOUND)
		return store_failed(r, err);
	row.keylen = 0;
	while ((r = ka_model_next_key_of(s, account->id, &row, &key)) == KA_OK)
		if ((r = ka_model_remove_key(s, &key, err)) != KA_OK)
			return r;
	if (r != KA_NOTFOUND)
		return store_failed(r, err);
	if ((r = ka_store_remove(s, KA_TABLE_HANDLE, account->handle, strlen(account->handle))) != KA_OK ||
	    (r = ka_store_remove(s, KA_TABLE_ACCOUNT, account->id, KA_UUID_LEN)) != KA_OK)
		return store_failed(r, err);
	return note(s, KA_TABLE_ACCOUNT, account->id, "account remove", account->handle, err);
}

/* Projects */

static enum ka_result
write_project(struct ka_store *s, const struct ka_project *project, struct ka_error *err)
{
	uint8_t payload[KA_RECORD_MAX], uid[4];
	size_t len;
	enum ka_result r;

	if (!ka_record_path_ok(project->home) || !ka_record_path_ok(project->shell))
		return ka_result_fail(err, KA_INVALID,
		    "\"%s\" cannot be a home or shell: an absolute path without a colon is wanted",
		    ka_record_path_ok(project->home) ? project->shell : project->home);
	if (!ka_record_uid_ok(project->uid))
		return ka_result_fail(err, KA_INVALID,
		    "%u cannot be a project's uid: 1000 to %u without 60001 to 65535, which are the system's", project->uid,
		    KA_UID_LAST);
	if (ka_record_put_project(project, payload, &len) != KA_OK)
		return ka_result_fail(err, KA_INVALID, "the project \"%s\" has a field out of its range", project->title);
	if ((r = ka_store_put(s, KA_TABLE_PROJECT, project->id, KA_UUID_LEN, payload, len)) != KA_OK)
		return store_failed(r, err);
	ka_record_be32(project->uid, uid);
	return store_failed(ka_store_put(s, KA_TABLE_UID, uid, sizeof(uid), project->id, KA_UUID_LEN), err);
}

static enum ka_result
check_uid_free(struct ka_store *s, uint32_t uid, struct ka_error *err)
{
	char text[KA_UUID_TEXT_LEN];
	uint8_t key[4];
	struct ka_row row;
	enum ka_result r;

	ka_record_be32(uid, key);
	if ((r = ka_store_get(s, KA_TABLE_UID, key, sizeof(key), &row)) == KA_NOTFOUND)
		return KA_OK;
	if (r != KA_OK || row.len != KA_UUID_LEN)
		return store_failed(r == KA_OK ? KA_CORRUPT : r, err);
	ka_uuid_text(row.payload, text);
	return ka_result_fail(err, KA_CONFLICT, "the uid %u belongs to project %s: no uid is ever used twice", uid, text);
}

enum ka_result
ka_model_add_project(struct ka_store *s, struct ka_project *project, struct ka_error *err)
{
	char text[KA_UUID_TEXT_LEN];
	struct ka_project other;
	enum ka_result r;

	if (memcmp(project->id, no_id, KA_UUID_LEN) == 0 && ka_uuid_random(project->id) != KA_OK)
		return ka_result_fail(err, KA_UNAVAIL, "the kernel gives no random numbers");
	ka_uuid_text(project->id, text);
	if ((r = ka_model_get_project(s, project->id, &other)) == KA_OK)
		return ka_result_fail(err, KA_CONFLICT, "there is a project %s already%s", text,
		    other.state == KA_PROJECT_DELETED ? ", a deleted one, whose id stays taken" : "");
	if (r != KA_NOTFOUND)
		return store_failed(r, err);
	if (project->uid != 0) {
		if ((r = check_uid_free(s, project->uid, err)) != KA_OK)
			return r;
	} else if ((r = ka_store_next_uid(s, &project->uid)) != KA_OK) {
		return r == KA_CONFLICT ? ka_result_fail(err, r, "the range of uids is used up") : store_failed(r, err);
	}
	if (project->home[0] == '\0')
		(void)snprintf(project->home, sizeof(project->home), "/projects/%s", text);
	if (project->shell[0] == '\0')
		(void)snprintf(project->shell, sizeof(project->shell), "/bin/bash");
	if (project->state == 0)
		project->state = KA_PROJECT_ACTIVE;
	if (project->created_s == 0)
		project->created_s = ka_time_now();
	if ((r = write_project(s, project, err)) != KA_OK)
		return r;
	return note(s, KA_TABLE_PROJECT, project->id, "project add", project->title, err);
}

enum ka_result
ka_model_change_project(
    struct ka_store *s, const struct ka_project *project, const char *verb, struct ka_error *err)
{
	char text[KA_UUID_TEXT_LEN];
	struct ka_project old;
	enum ka_result r;

	if ((r = ka_model_get_project(s, project->id, &old)) != KA_OK)
		return store_failed(r, err);
	ka_uuid_text(project->id, text);
	if (old.state == KA_PROJECT_DELETED)
		return ka_result_fail(err, KA_CONFLICT, "project %s is deleted: it stays so", text);
	if ((r = write_project(s, project, err)) != KA_OK)
		return r;
	return note(s, KA_TABLE_PROJECT, project->id, verb, project->title, err);
}

enum ka_result
ka_model_remove_project(struct ka_store *s, struct ka_project *project, struct ka_error *err)
{
	struct ka_row row = {.keylen = 0};
	struct ka_member member;
	enum ka_result r;

	while ((r = ka_model_next_member(s, project->id, &row, &member)) == KA_OK)
		if ((r = drop_member(s, &member)) != KA_OK)
			return store_failed(r, err);
	if (r != KA_NOTFOUND)
		return store_failed(r, err);
	project->state = KA_PROJECT_DELETED;
	return ka_model_change_project(s, project, "project remove", err);
}

/* Members */

static enum ka_result
note_member(struct ka_store *s, const struct ka_member *m, const char *verb, const char *handle, struct ka_error *err)
{
	char detail[KA_TITLE_LEN];

	(void)snprintf(detail, sizeof(detail), "%s %s", handle, ka_access_role_name(m->role));
	return note(s, KA_TABLE_MEMBER, m->project, verb, detail, err);
}

/* The membership as it stands; KA_NOTFOUND if there is none. */
static enum ka_result
get_member(struct ka_store *s, const struct ka_member *like, struct ka_member *member)
{
	uint8_t key[MEMBER_KEY];
	struct ka_row row;
	enum ka_result r;

	member_key(like, key);
	if ((r = ka_store_get(s, KA_TABLE_MEMBER, key, sizeof(key), &row)) != KA_OK)
		return r;
	return member_of_row(&row, member);
}

static enum ka_result
write_member(struct ka_store *s, const struct ka_member *member, struct ka_error *err)
{
	uint8_t payload[KA_RECORD_MAX], key[MEMBER_KEY];
	size_t len;
	enum ka_result r;

	if (ka_record_put_member(member, payload, &len) != KA_OK)
		return ka_result_fail(err, KA_INVALID, "the membership has a role or time out of its range");
	member_key(member, key);
	if ((r = ka_store_put(s, KA_TABLE_MEMBER, key, sizeof(key), payload, len)) != KA_OK)
		return store_failed(r, err);
	member_of_key(member, key);
	return store_failed(ka_store_put(s, KA_TABLE_MEMBER_OF, key, sizeof(key), "", 0), err);
}

enum ka_result
ka_model_add_member(struct ka_store *s, struct ka_member *member, struct ka_error *err)
{
	char text[KA_UUID_TEXT_LEN];
	struct ka_account account;
	struct ka_project project;
	struct ka_member old;
	enum ka_result r;

	member->kind = KA_SUBJECT_ACCOUNT;
	if ((r = ka_model_get_project(s, member->project, &project)) != KA_OK ||
	    (r = ka_model_get_account(s, member->subject, &account)) != KA_OK)
		return store_failed(r, err);
	ka_uuid_text(project.id, text);
	if (project.state == KA_PROJECT_DELETED)
		return ka_result_fail(err, KA_CONFLICT, "project %s is deleted: nobody can be added", text);
	if (member->expires_s != 0 && member->not_before_s >= member->expires_s)
		return ka_result_fail(err, KA_INVALID, "the membership would end before it begins: check the two times");
	if ((r = get_member(s, member, &old)) != KA_OK && r != KA_NOTFOUND)
		return store_failed(r, err);
	if (r == KA_OK && old.role == KA_ROLE_OWNER && !ka_access_owns_lastingly(member, ka_time_now()) &&
	    (r = keep_owner(s, member, err)) != KA_OK)
		return r;
	if (member->created_s == 0)
		member->created_s = ka_time_now();
	if ((r = write_member(s, member, err)) != KA_OK)
		return r;
	return note_member(s, member, "member add", account.handle, err);
}

enum ka_result
ka_model_remove_member(struct ka_store *s, const struct ka_project *project, const struct ka_account *account,
    struct ka_error *err)
{
	struct ka_member like = {.kind = KA_SUBJECT_ACCOUNT}, member;
	char text[KA_UUID_TEXT_LEN];
	enum ka_result r;

	memcpy(like.project, project->id, KA_UUID_LEN);
	memcpy(like.subject, account->id, KA_UUID_LEN);
	ka_uuid_text(project->id, text);
	if ((r = get_member(s, &like, &member)) == KA_NOTFOUND)
		return ka_result_fail(err, KA_NOTFOUND, "\"%s\" is no member of project %s; 'keyacct member list %s' shows who is",
		    account->handle, text, text);
	if (r != KA_OK)
		return store_failed(r, err);
	if (member.role == KA_ROLE_OWNER && (r = keep_owner(s, &member, err)) != KA_OK)
		return r;
	if ((r = drop_member(s, &member)) != KA_OK)
		return store_failed(r, err);
	return note_member(s, &member, "member remove", account->handle, err);
}

/* Keys */

/* The first word of the comment, or the type and the date. */
static void
default_title(struct ka_key *key, const char *comment)
{
	char day[KA_TIME_TEXT_LEN];
	size_t len = strcspn(comment, " ");

	if (len > 0) {
		(void)snprintf(key->title, sizeof(key->title), "%.*s", (int)len, comment);
		return;
	}
	ka_time_format_utc(key->created_s, day);
	(void)snprintf(key->title, sizeof(key->title), "%s %.10s", key->type, day);
}

static enum ka_result
check_registrations(struct ka_store *s, const struct ka_key *key, struct ka_error *err)
{
	struct ka_row row = {.keylen = 0};
	struct ka_key other;
	size_t n = 0;
	enum ka_result r;

	while ((r = ka_model_next_registration(s, key->sha256, &row, &other)) == KA_OK) {
		if (memcmp(other.account, key->account, KA_UUID_LEN) == 0)
			return ka_result_fail(err, KA_CONFLICT,
			    "the account has this key already, as \"%s\": remove that one first, or keep it", other.title);
		n++;
	}
	if (r != KA_NOTFOUND)
		return store_failed(r, err);
	if (n >= KA_ACCESS_REGISTRATIONS)
		return ka_result_fail(err, KA_CONFLICT, "%zu accounts have registered this key already, and more are not allowed: "
		    "a key that so many share tells nobody apart; make a new one", n);
	return KA_OK;
}

static enum ka_result
check_key_fields(const struct ka_key *key, struct ka_error *err)
{
	if (strcmp(key->type, "ssh-rsa") == 0 && key->bits < KA_MODEL_RSA_BITS_MIN)
		return ka_result_fail(err, KA_INVALID,
		    "this RSA key has %u bits, and %d are the least: make a new one with 'ssh-keygen -t ed25519'", key->bits,
		    KA_MODEL_RSA_BITS_MIN);
	if (key->from[0] != '\0' && !ka_address_list_ok(key->from))
		return ka_result_fail(err, KA_INVALID,
		    "\"%s\" is no list of addresses: write addresses or blocks such as 192.0.2.0/24, with commas between them, "
		    "and no host bits in a block",
		    key->from);
	if (key->expires_s != 0 && key->not_before_s >= key->expires_s)
		return ka_result_fail(err, KA_INVALID, "the key would expire before it is valid: check the two times");
	return KA_OK;
}

enum ka_result
ka_model_add_key(struct ka_store *s, struct ka_key *key, const struct ka_sshkey *sshkey, struct ka_error *err)
{
	uint8_t payload[KA_RECORD_MAX], full[KEY_KEY];
	size_t len;
	enum ka_result r;

	memcpy(key->sha256, sshkey->sha256, sizeof(key->sha256));
	memcpy(key->md5, sshkey->md5, sizeof(key->md5));
	memcpy(key->type, sshkey->type, sizeof(key->type));
	key->bits = sshkey->bits;
	if (key->state == 0)
		key->state = KA_KEY_ACTIVE;
	if (key->created_s == 0)
		key->created_s = ka_time_now();
	if (key->title[0] == '\0')
		default_title(key, sshkey->comment);
	if ((r = check_key_fields(key, err)) != KA_OK || (r = check_registrations(s, key, err)) != KA_OK)
		return r;
	if (ka_record_put_key(key, payload, &len) != KA_OK)
		return ka_result_fail(err, KA_INVALID, "the key \"%s\" has a field out of its range", key->title);
	key_key(key, full);
	if ((r = ka_store_put(s, KA_TABLE_KEY, full, sizeof(full), payload, len)) != KA_OK ||
	    (r = ka_store_put(s, KA_TABLE_BLOB, key->sha256, KA_SHA256_LEN, sshkey->blob, sshkey->bloblen)) != KA_OK)
		return store_failed(r, err);
	key_of_key(key, full);
	if ((r = ka_store_put(s, KA_TABLE_KEY_OF, full, sizeof(full), "", 0)) != KA_OK)
		return store_failed(r, err);
	return note(s, KA_TABLE_KEY, key->account, "key add", key->title, err);
}

enum ka_result
ka_model_add_reach(
    struct ka_store *s, const struct ka_key *key, const struct ka_project *project, struct ka_error *err)
{
	struct ka_member like = {.kind = KA_SUBJECT_ACCOUNT}, member;
	char text[KA_UUID_TEXT_LEN];
	uint8_t full[REACH_KEY];
	enum ka_result r;

	ka_uuid_text(project->id, text);
	memcpy(like.project, project->id, KA_UUID_LEN);
	memcpy(like.subject, key->account, KA_UUID_LEN);
	if ((r = get_member(s, &like, &member)) == KA_NOTFOUND)
		return ka_result_fail(err, KA_CONFLICT,
		    "the account is no member of project %s, so the key could never open it: add it first (keyacct member add)",
		    text);
	if (r != KA_OK)
		return store_failed(r, err);
	key_key(key, full);
	memcpy(full + KEY_KEY, project->id, KA_UUID_LEN);
	return store_failed(ka_store_put(s, KA_TABLE_REACH, full, sizeof(full), "", 0), err);
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

/* The next registration that ${text} could name: of one account, of one whole fingerprint, or any. */
static enum ka_result
next_candidate(struct ka_store *s, const char *text, const struct ka_account *account, struct ka_row *row,
    struct ka_key *key)
{
	uint8_t sha256[KA_SHA256_LEN];

	if (account != NULL)
		return ka_model_next_key_of(s, account->id, row, key);
	if (ka_fingerprint_parse(text, sha256) == KA_OK)
		return ka_model_next_registration(s, sha256, row, key);
	return ka_model_next_key(s, row, key);
}

enum ka_result
ka_model_find_key(struct ka_store *s, const char *text, const struct ka_account *account, struct ka_key *key,
    struct ka_error *err)
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
		return store_failed(r, err);
	if (n == 0)
		return ka_result_fail(err, KA_NOTFOUND,
		    "there is no key \"%s\"%s%s: give the fingerprint as 'keyacct key list' shows it", text,
		    account != NULL ? " of account " : "", account != NULL ? account->handle : "");
	if (n > 1)
		return ka_result_fail(err, KA_CONFLICT,
		    "%zu registrations fit \"%s\": give the whole fingerprint, and --account ACCOUNT", n, text);
	return KA_OK;
}

enum ka_result
ka_model_remove_key(struct ka_store *s, const struct ka_key *key, struct ka_error *err)
{
	struct ka_row row = {.keylen = 0};
	uint8_t full[KEY_KEY], project[KA_UUID_LEN];
	struct ka_key other;
	enum ka_result r;

	while ((r = ka_model_next_reach(s, key, &row, project)) == KA_OK)
		if ((r = drop_reach(s, key, project)) != KA_OK)
			return store_failed(r, err);
	key_key(key, full);
	if (r != KA_NOTFOUND || (r = ka_store_remove(s, KA_TABLE_KEY, full, sizeof(full))) != KA_OK)
		return store_failed(r, err);
	key_of_key(key, full);
	if ((r = ka_store_remove(s, KA_TABLE_KEY_OF, full, sizeof(full))) != KA_OK)
		return store_failed(r, err);
	row.keylen = 0;
	if ((r = ka_model_next_registration(s, key->sha256, &row, &other)) == KA_NOTFOUND)
		r = ka_store_remove(s, KA_TABLE_BLOB, key->sha256, KA_SHA256_LEN);
	if (r != KA_OK)
		return store_failed(r, err);
	return note(s, KA_TABLE_KEY, key->account, "key remove", key->title, err);
}
