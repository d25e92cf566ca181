#include "common/check.h"

#include <stdio.h>
#include <string.h>

#include "common/catalog.h"
#include "common/sshkey.h"

struct check {
	struct ka_store *store;
	bool repair;
	void (*found)(void *arg, const struct ka_finding *finding);
	void *arg;
};

/* The beginning of a key, for a sentence. */
static void
format_key(const struct ka_row *row, char text[static 2 * KA_KEY_MAX + 1])
{
	size_t at = 0;

	text[0] = '\0';
	for (size_t i = 0; i < row->keylen && i < KA_KEY_MAX; i++)
		at += (size_t)snprintf(text + at, 2 * KA_KEY_MAX + 1 - at, "%02x", row->key[i]);
}

static enum ka_file
file_of(enum ka_table table)
{
	return table == KA_TABLE_NAME || table == KA_TABLE_NAME_UID ? KA_FILE_NAMES : KA_FILE_ACCESS;
}

static void
tell(struct check *c, enum ka_table table, const struct ka_row *row, bool mended, const char *what)
{
	struct ka_finding finding = {.file = file_of(table), .table = table, .mended = mended};
	char key[2 * KA_KEY_MAX + 1];

	format_key(row, key);
	(void)snprintf(finding.text, sizeof(finding.text), "%s %.140s %s", ka_table_name(table), key, what);
	c->found(c->arg, &finding);
}

/* Tables that people change are changed through the log. */
static enum ka_result
drop(struct check *c, enum ka_table table, const struct ka_row *row, bool index, const char *what)
{
	enum ka_result r = KA_OK;

	if (c->repair)
		r = index ? ka_store_remove(c->store, table, row->key, row->keylen)
			  : ka_store_change(c->store, table, row->key, row->keylen, NULL, 0);
	tell(c, table, row, c->repair && r == KA_OK, what);
	return r;
}

/* The index row that follows from another has to be there, with this value. */
static enum ka_result
expect(struct check *c, enum ka_table table, const void *key, size_t keylen, const void *payload, size_t len)
{
	struct ka_row row;
	enum ka_result r = ka_store_get(c->store, table, key, keylen, &row);

	if (r == KA_UNAVAIL || (r == KA_OK && row.len == len && memcmp(row.payload, payload, len) == 0))
		return r;
	memcpy(row.key, key, keylen);
	row.keylen = keylen;
	r = c->repair ? ka_store_put(c->store, table, key, keylen, payload, len) : KA_OK;
	tell(c, table, &row, c->repair && r == KA_OK, "is missing, damaged or another's");
	return r;
}

/* Is there no such row? One that cannot be read is there: a backup may bring it back, with all that refers to it. */
static bool
lacks(struct check *c, enum ka_table table, const void *key, size_t keylen)
{
	struct ka_row row;

	return ka_store_get(c->store, table, key, keylen, &row) == KA_NOTFOUND;
}

static bool
lacks_project(struct check *c, const uint8_t id[static KA_UUID_LEN])
{
	struct ka_project project;
	enum ka_result r = ka_catalog_get_project(c->store, id, &project);

	return r == KA_NOTFOUND || (r == KA_OK && project.state == KA_PROJECT_DELETED);
}

static enum ka_result
check_project(struct check *c, const struct ka_row *row)
{
	struct ka_project project;
	uint8_t uid[4];
	enum ka_result r;

	if (ka_record_row_project(row, &project) != KA_OK) {
		tell(c, KA_TABLE_PROJECT, row, false, "cannot be read: restore it from a backup");
		return KA_OK;
	}
	ka_table_be32(project.uid, uid);
	if ((r = expect(c, KA_TABLE_UID, uid, sizeof(uid), project.id, KA_UUID_LEN)) != KA_OK)
		return r;
	if ((r = ka_store_check_name(c->store, &project)) == KA_OK)
		return r;
	if (r == KA_UNAVAIL)
		return r;
	r = c->repair ? ka_store_project_again(c->store, project.id) : KA_OK;
	tell(c, KA_TABLE_NAME, row, c->repair && r == KA_OK, "is missing, damaged or not what access.mdb says");
	return r;
}

static enum ka_result
check_uid(struct check *c, const struct ka_row *row)
{
	struct ka_project project;
	uint8_t uid[4] = {0};

	if (row->len == KA_UUID_LEN && ka_catalog_get_project(c->store, row->payload, &project) == KA_OK)
		ka_table_be32(project.uid, uid);
	if (row->keylen == sizeof(uid) && memcmp(row->key, uid, sizeof(uid)) == 0)
		return KA_OK;
	/* It keeps a number from being used twice, so it stays. */
	tell(c, KA_TABLE_UID, row, false, "is no project's: its number stays taken");
	return KA_OK;
}

static enum ka_result
check_account(struct check *c, const struct ka_row *row)
{
	struct ka_account account;

	if (ka_record_row_account(row, &account) != KA_OK) {
		tell(c, KA_TABLE_ACCOUNT, row, false, "cannot be read: restore it from a backup");
		return KA_OK;
	}
	return expect(c, KA_TABLE_HANDLE, account.handle, strlen(account.handle), account.id, KA_UUID_LEN);
}

static enum ka_result
check_handle(struct check *c, const struct ka_row *row)
{
	enum ka_result r = KA_NOTFOUND;
	struct ka_account account;

	if (row->len == KA_UUID_LEN)
		r = ka_catalog_get_account(c->store, row->payload, &account);
	/* As long as the account cannot be read, nobody else may be called so. */
	if (r == KA_CORRUPT || r == KA_UNAVAIL ||
	    (r == KA_OK && strlen(account.handle) == row->keylen && memcmp(account.handle, row->key, row->keylen) == 0))
		return r == KA_UNAVAIL ? r : KA_OK;
	return drop(c, KA_TABLE_HANDLE, row, true, "is no account's handle");
}

static enum ka_result
check_member(struct check *c, const struct ka_row *row)
{
	uint8_t key[KA_MEMBER_KEY_LEN];
	struct ka_member member;

	if (ka_record_row_member(row, &member) != KA_OK) {
		tell(c, KA_TABLE_MEMBER, row, false, "cannot be read: remove the member and add it again");
		return KA_OK;
	}
	if (lacks_project(c, member.project) ||
	    lacks(c, member.kind == KA_SUBJECT_GROUP ? KA_TABLE_GROUP : KA_TABLE_ACCOUNT, member.subject, KA_UUID_LEN))
		return drop(c, KA_TABLE_MEMBER, row, false, "has no project, account or group");
	ka_table_member_of_key(member.project, member.kind, member.subject, key);
	return expect(c, KA_TABLE_MEMBER_OF, key, sizeof(key), "", 0);
}

static enum ka_result
check_member_of(struct check *c, const struct ka_row *row)
{
	uint8_t key[KA_MEMBER_KEY_LEN];

	if (row->keylen == KA_MEMBER_KEY_LEN) {
		ka_table_member_key(row->key + 1 + KA_UUID_LEN, (enum ka_subject)row->key[0], row->key + 1, key);
		if (!lacks(c, KA_TABLE_MEMBER, key, sizeof(key)))
			return KA_OK;
	}
	return drop(c, KA_TABLE_MEMBER_OF, row, true, "is no membership");
}

/* The public key itself, which nobody but the tool needs: a login compares what the client offers. */
static enum ka_result
check_blob(struct check *c, const struct ka_row *row, const struct ka_key *key)
{
	uint8_t blob[KA_SSHKEY_BLOB_MAX];
	size_t len = sizeof(blob);
	struct ka_sshkey sshkey;
	struct ka_error err;
	enum ka_result r = ka_store_get_blob(c->store, key->sha256, blob, &len);

	if (r == KA_UNAVAIL)
		return r;
	if (r != KA_OK || ka_sshkey_read(key->type, blob, len, &sshkey, &err) != KA_OK ||
	    memcmp(sshkey.sha256, key->sha256, KA_SHA256_LEN) != 0 || sshkey.bits != key->bits)
		tell(c, KA_TABLE_BLOB, row, false, "is missing, damaged or another key: add the key again");
	return KA_OK;
}

static enum ka_result
check_key(struct check *c, const struct ka_row *row)
{
	uint8_t full[KA_KEY_KEY_LEN];
	struct ka_key key;
	enum ka_result r;

	if (ka_record_row_key(row, &key) != KA_OK) {
		tell(c, KA_TABLE_KEY, row, false, "cannot be read: restore it from a backup");
		return KA_OK;
	}
	if (lacks(c, KA_TABLE_ACCOUNT, key.account, KA_UUID_LEN))
		return drop(c, KA_TABLE_KEY, row, false, "has no account");
	ka_table_key_of_key(key.sha256, key.account, full);
	if ((r = expect(c, KA_TABLE_KEY_OF, full, sizeof(full), "", 0)) != KA_OK)
		return r;
	return check_blob(c, row, &key);
}

static enum ka_result
check_key_of(struct check *c, const struct ka_row *row)
{
	struct ka_key key;

	if (row->keylen == KA_KEY_KEY_LEN &&
	    ka_catalog_get_registration(c->store, row->key + KA_UUID_LEN, row->key, &key) != KA_NOTFOUND)
		return KA_OK;
	return drop(c, KA_TABLE_KEY_OF, row, true, "is no registration");
}

/* Is it certain that the row of KA_TABLE_REACH gives no access? */
static bool
is_stray_reach(struct check *c, const struct ka_row *row)
{
	struct ka_key key;
	enum ka_result r;

	if (row->keylen != KA_REACH_KEY_LEN)
		return true;
	r = ka_catalog_get_registration(c->store, row->key, row->key + KA_SHA256_LEN, &key);
	if (r == KA_NOTFOUND || (r == KA_OK && !key.named))
		return true;
	return r == KA_OK && ka_catalog_is_member(c->store, row->key + KA_KEY_KEY_LEN, key.account) == KA_NOTFOUND;
}

static enum ka_result
check_reach(struct check *c, const struct ka_row *row)
{
	if (!is_stray_reach(c, row))
		return KA_OK;
	return drop(
	    c, KA_TABLE_REACH, row, false, "has no key for single projects, or its account is not in the project");
}

static enum ka_result
check_group(struct check *c, const struct ka_row *row)
{
	struct ka_group group;

	if (ka_record_row_group(row, &group) != KA_OK) {
		tell(c, KA_TABLE_GROUP, row, false, "cannot be read: restore it from a backup");
		return KA_OK;
	}
	return expect(c, KA_TABLE_GROUP_NAME, group.name, strlen(group.name), group.id, KA_UUID_LEN);
}

static enum ka_result
check_group_name(struct check *c, const struct ka_row *row)
{
	enum ka_result r = KA_NOTFOUND;
	struct ka_group group;

	if (row->len == KA_UUID_LEN)
		r = ka_catalog_get_group(c->store, row->payload, &group);
	if (r == KA_CORRUPT || r == KA_UNAVAIL ||
	    (r == KA_OK && strlen(group.name) == row->keylen && memcmp(group.name, row->key, row->keylen) == 0))
		return r == KA_UNAVAIL ? r : KA_OK;
	return drop(c, KA_TABLE_GROUP_NAME, row, true, "is no group's name");
}

static enum ka_result
check_group_member(struct check *c, const struct ka_row *row)
{
	uint8_t key[KA_PAIR_KEY_LEN];

	if (row->keylen != KA_PAIR_KEY_LEN || lacks(c, KA_TABLE_GROUP, row->key, KA_UUID_LEN) ||
	    lacks(c, KA_TABLE_ACCOUNT, row->key + KA_UUID_LEN, KA_UUID_LEN))
		return drop(c, KA_TABLE_GROUP_MEMBER, row, false, "has no group or account");
	ka_table_pair_key(row->key + KA_UUID_LEN, row->key, key);
	return expect(c, KA_TABLE_GROUP_OF, key, sizeof(key), "", 0);
}

static enum ka_result
check_group_of(struct check *c, const struct ka_row *row)
{
	uint8_t key[KA_PAIR_KEY_LEN];

	if (row->keylen == KA_PAIR_KEY_LEN) {
		ka_table_pair_key(row->key + KA_UUID_LEN, row->key, key);
		if (!lacks(c, KA_TABLE_GROUP_MEMBER, key, sizeof(key)))
			return KA_OK;
	}
	return drop(c, KA_TABLE_GROUP_OF, row, true, "is no membership in a group");
}

static enum ka_result
check_settings(struct check *c, const struct ka_row *row)
{
	struct ka_settings settings;

	if (row->keylen != strlen(KA_SETTINGS_KEY) ||
	    ka_record_get_settings(row->payload, row->len, &settings) != KA_OK)
		tell(c, KA_TABLE_SETTINGS, row, false,
		    "cannot be read: 'keyacct config reset' gives all settings their defaults, a backup has what they "
		    "were");
	return KA_OK;
}

/* A name whose project access.mdb does not know: nobody else may get its id or its uid. */
static enum ka_result
check_name(struct check *c, const struct ka_row *row)
{
	uint8_t payload[KA_RECORD_MAX], uid[4];
	struct ka_project project;
	enum ka_result r;
	size_t len;

	if (!lacks(c, KA_TABLE_PROJECT, row->key, row->keylen))
		return KA_OK;
	if ((r = ka_catalog_get_project(c->store, row->key, &project)) != KA_NOTFOUND)
		return r == KA_UNAVAIL ? r : KA_OK; /* told with the projects */
	r = ka_store_tombstone(row, &project);
	if (r == KA_OK && c->repair && (r = ka_record_put_project(&project, payload, &len)) == KA_OK &&
	    (r = ka_store_change(c->store, KA_TABLE_PROJECT, project.id, KA_UUID_LEN, payload, len)) == KA_OK) {
		ka_table_be32(project.uid, uid);
		r = ka_store_put(c->store, KA_TABLE_UID, uid, sizeof(uid), project.id, KA_UUID_LEN);
	}
	tell(c, KA_TABLE_NAME, row, c->repair && r == KA_OK, "is of no project: kept as one that is deleted");
	return r == KA_CORRUPT ? KA_OK : r;
}

/* The other way round nothing is looked for: each project has been asked for its name and number. */
static enum ka_result
check_name_uid(struct check *c, const struct ka_row *row)
{
	enum ka_result r = KA_NOTFOUND;
	struct ka_project project;
	uint8_t uid[4] = {0};

	if (row->len == KA_UUID_LEN && (r = ka_catalog_get_project(c->store, row->payload, &project)) == KA_OK)
		ka_table_be32(project.uid, uid);
	if ((r == KA_OK || r == KA_NOTFOUND) && (row->keylen != sizeof(uid) || memcmp(row->key, uid, sizeof(uid)) != 0))
		tell(c, KA_TABLE_NAME_UID, row, false,
		    "is no project's: put names.mdb aside, and 'keyacct check --repair' makes it anew");
	return KA_OK;
}

/* What rows follow from comes before what follows from it, so that one repair is enough. */
static const struct {
	enum ka_table table;
	bool index; /* all that is in it follows from other rows */
	enum ka_result (*check)(struct check *, const struct ka_row *);
} tables[] = {
    {KA_TABLE_SETTINGS, false, check_settings},
    {KA_TABLE_NAME, false, check_name},
    {KA_TABLE_NAME_UID, false, check_name_uid},
    {KA_TABLE_PROJECT, false, check_project},
    {KA_TABLE_UID, false, check_uid},
    {KA_TABLE_ACCOUNT, false, check_account},
    {KA_TABLE_HANDLE, true, check_handle},
    {KA_TABLE_GROUP, false, check_group},
    {KA_TABLE_GROUP_NAME, true, check_group_name},
    {KA_TABLE_GROUP_MEMBER, false, check_group_member},
    {KA_TABLE_GROUP_OF, true, check_group_of},
    {KA_TABLE_MEMBER, false, check_member},
    {KA_TABLE_MEMBER_OF, true, check_member_of},
    {KA_TABLE_KEY, false, check_key},
    {KA_TABLE_KEY_OF, true, check_key_of},
    {KA_TABLE_REACH, false, check_reach},
};

static enum ka_result
next(struct check *c, enum ka_table table, struct ka_row *row)
{
	return file_of(table) == KA_FILE_NAMES ? ka_store_next_in_names(c->store, table, row)
					       : ka_store_next(c->store, table, "", 0, row);
}

static enum ka_result
check_table(struct check *c, size_t n)
{
	struct ka_row row = {.keylen = 0}, last = row;
	enum ka_result r;

	while ((r = next(c, tables[n].table, &row)) != KA_NOTFOUND) {
		/* Where a page leads nowhere, there is no next row to go on with. */
		if (r == KA_CORRUPT && row.keylen == last.keylen && memcmp(row.key, last.key, row.keylen) == 0)
			return KA_CORRUPT;
		last = row;
		if (r == KA_OK)
			r = tables[n].check(c, &row);
		else if (r == KA_CORRUPT && tables[n].index)
			r = drop(c, tables[n].table, &row, true, "cannot be read");
		else if (r == KA_CORRUPT) {
			tell(c, tables[n].table, &row, false, "cannot be read: restore it from a backup");
			r = KA_OK;
		}
		if (r != KA_OK)
			return r;
	}
	return KA_OK;
}

/* Every change that is kept has to read. */
static enum ka_result
check_changes(struct check *c)
{
	struct ka_change change;
	struct ka_row row = {.keylen = 8};
	uint64_t first, last;
	enum ka_result r;

	if ((r = ka_store_changes(c->store, &first, &last)) != KA_OK)
		return r;
	for (uint64_t seq = first; seq <= last; seq++) {
		if ((r = ka_store_get_change(c->store, seq, &change)) == KA_UNAVAIL)
			return r;
		ka_table_be64(seq, row.key);
		if (r != KA_OK)
			tell(c, KA_TABLE_CHANGE, &row, false, "is missing or damaged");
	}
	ka_table_be64(ka_store_count_changes(c->store) + 1, row.key);
	if ((r = ka_store_seek(c->store, KA_TABLE_CHANGE, row.key, row.keylen, &row)) == KA_OK)
		tell(c, KA_TABLE_CHANGE, &row, false, "comes after the last change that the counter knows");
	return r == KA_UNAVAIL ? r : KA_OK;
}

enum ka_result
ka_check_run(struct ka_store *store, bool repair, void (*found)(void *arg, const struct ka_finding *finding), void *arg)
{
	struct check c = {.store = store, .repair = repair, .found = found, .arg = arg};
	enum ka_result r = KA_OK;

	for (size_t n = 0; r == KA_OK && n < sizeof(tables) / sizeof(tables[0]); n++)
		r = check_table(&c, n);
	return r == KA_OK ? check_changes(&c) : r;
}
