#include "common/registration.h"

#include <stdio.h>
#include <string.h>

#include "common/access.h"
#include "common/address.h"
#include "common/catalog.h"
#include "common/time.h"

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

/* Does it say more than which projects it is for? */
static bool
has_own_fields(const struct ka_key *key)
{
	return key->title[0] != '\0' || key->tags[0] != '\0' || key->note[0] != '\0' || key->hosts[0] != '\0' ||
	       key->from[0] != '\0' || key->not_before_s != 0 || key->expires_s != 0;
}

/*
 * May one more account register this key? KA_NOTFOUND: it may. KA_OK: the account has it already, for single projects,
 * and
 * ${key}, which is for single projects too, becomes that registration.
 */
static enum ka_result
check_registrations(struct ka_store *s, struct ka_key *key, struct ka_error *err)
{
	struct ka_row row = {.keylen = 0};
	struct ka_key other;
	size_t n = 0;
	enum ka_result r;

	while ((r = ka_catalog_next_registration(s, key->sha256, &row, &other)) == KA_OK) {
		n++;
		if (memcmp(other.account, key->account, KA_UUID_LEN) != 0)
			continue;
		if (!key->named || !other.named)
			return ka_result_fail(err, KA_CONFLICT,
			    "the account has this key already, as \"%s\": remove that one first, or keep it",
			    other.title);
		if (has_own_fields(key))
			return ka_result_fail(err, KA_CONFLICT,
			    "the account has this key already, as \"%s\", for other projects: 'keyacct key set' "
			    "changes what it is "
			    "called and limited to; leave that out here",
			    other.title);
		*key = other;
		return KA_OK;
	}
	if (r != KA_NOTFOUND)
		return ka_store_fail(s, r, err);
	if (n >= KA_REGISTRATIONS_MAX)
		return ka_result_fail(err, KA_CONFLICT,
		    "%zu accounts have registered this key already, and more are not allowed: "
		    "a key that so many share tells nobody apart; make a new one",
		    n);
	return KA_NOTFOUND;
}

/* What a login would be refused for is said when the key is added. */
static enum ka_result
check_policy(struct ka_store *s, const struct ka_key *key, struct ka_error *err)
{
	struct ka_settings settings;
	enum ka_reason reason;
	enum ka_result r;

	if ((r = ka_store_settings(s, &settings)) != KA_OK)
		return ka_store_fail(s, r, err);
	reason = ka_access_judge_policy(&settings, key);
	if (reason == KA_REASON_KEY_BITS)
		return ka_result_fail(err, KA_INVALID,
		    "this RSA key has %u bits, and %u are the least: make a new one with 'ssh-keygen -t ed25519'",
		    key->bits, settings.rsa_bits_min);
	if (reason == KA_REASON_KEY_TYPE)
		return ka_result_fail(err, KA_INVALID,
		    "keys of type %s are not allowed here: make one of %s ('keyacct config get key-types')", key->type,
		    settings.key_types);
	if (reason == KA_REASON_KEY_NO_TOKEN)
		return ka_result_fail(err, KA_INVALID,
		    "keys of type %s are not allowed here, only those of a security key: make one with 'ssh-keygen -t "
		    "ed25519-sk'",
		    key->type);
	return KA_OK;
}

static enum ka_result
check_key_fields(const struct ka_key *key, struct ka_error *err)
{
	if (key->from[0] != '\0' && !ka_address_list_ok(key->from))
		return ka_result_fail(err, KA_INVALID,
		    "\"%s\" is no list of addresses: write addresses or blocks such as 192.0.2.0/24, with commas "
		    "between them, "
		    "and no host bits in a block",
		    key->from);
	if (key->expires_s != 0 && key->not_before_s >= key->expires_s)
		return ka_result_fail(err, KA_INVALID, "the key would expire before it is valid: check the two times");
	return KA_OK;
}

enum ka_result
ka_registration_add(struct ka_store *s, struct ka_key *key, const struct ka_sshkey *sshkey, struct ka_error *err)
{
	uint8_t payload[KA_RECORD_MAX], full[KA_KEY_KEY_LEN];
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
	if ((r = check_policy(s, key, err)) != KA_OK || (r = check_key_fields(key, err)) != KA_OK ||
	    (r = check_registrations(s, key, err)) != KA_NOTFOUND)
		return r;
	if (key->title[0] == '\0')
		default_title(key, sshkey->comment);
	if (ka_record_put_key(key, payload, &len) != KA_OK)
		return ka_result_fail(err, KA_INVALID, "the key \"%s\" has a field out of its range", key->title);
	ka_table_key_key(key->sha256, key->account, full);
	if ((r = ka_store_change(s, KA_TABLE_KEY, full, sizeof(full), payload, len)) != KA_OK ||
	    (r = ka_store_put(s, KA_TABLE_BLOB, key->sha256, KA_SHA256_LEN, sshkey->blob, sshkey->bloblen)) != KA_OK)
		return ka_store_fail(s, r, err);
	ka_table_key_of_key(key->sha256, key->account, full);
	return ka_store_fail(s, ka_store_put(s, KA_TABLE_KEY_OF, full, sizeof(full), "", 0), err);
}

enum ka_result
ka_registration_change(struct ka_store *s, const struct ka_key *key, struct ka_error *err)
{
	uint8_t payload[KA_RECORD_MAX], full[KA_KEY_KEY_LEN];
	size_t len;
	enum ka_result r;

	if (key->title[0] == '\0')
		return ka_result_fail(err, KA_INVALID, "the title is empty: a key needs one to be told apart");
	if ((r = check_key_fields(key, err)) != KA_OK)
		return r;
	if (ka_record_put_key(key, payload, &len) != KA_OK)
		return ka_result_fail(err, KA_INVALID, "the key \"%s\" has a field out of its range", key->title);
	ka_table_key_key(key->sha256, key->account, full);
	return ka_store_fail(s, ka_store_change(s, KA_TABLE_KEY, full, sizeof(full), payload, len), err);
}

/* Only what the account is a member of can be reached. */
static enum ka_result
check_member(
    struct ka_store *s, const struct ka_key *key, const uint8_t project[static KA_UUID_LEN], struct ka_error *err)
{
	char text[KA_UUID_TEXT_LEN];
	enum ka_result r = ka_catalog_is_member(s, project, key->account);

	if (r != KA_NOTFOUND)
		return ka_store_fail(s, r, err);
	ka_uuid_text(project, text);
	return ka_result_fail(err, KA_CONFLICT,
	    "the account is no member of project %s, so the key could never open it: add it first (keyacct "
	    "member add)",
	    text);
}

enum ka_result
ka_registration_add_reach(
    struct ka_store *s, const struct ka_key *key, const struct ka_project *project, struct ka_error *err)
{
	char text[KA_UUID_TEXT_LEN];
	uint8_t full[KA_REACH_KEY_LEN];
	struct ka_row row;
	enum ka_result r;

	if ((r = check_member(s, key, project->id, err)) != KA_OK)
		return r;
	ka_uuid_text(project->id, text);
	ka_table_reach_key(key->sha256, key->account, project->id, full);
	if ((r = ka_store_get(s, KA_TABLE_REACH, full, sizeof(full), &row)) == KA_OK)
		return ka_result_fail(
		    err, KA_CONFLICT, "the account has this key for project %s already, as \"%s\"", text, key->title);
	if (r != KA_NOTFOUND)
		return ka_store_fail(s, r, err);
	return ka_store_fail(s, ka_store_change(s, KA_TABLE_REACH, full, sizeof(full), "", 0), err);
}

enum ka_result
ka_registration_check_reach(struct ka_store *s, const struct ka_key *key, const uint8_t (*projects)[KA_UUID_LEN],
    size_t n, struct ka_error *err)
{
	enum ka_result r = KA_OK;

	for (size_t i = 0; r == KA_OK && i < n; i++)
		r = check_member(s, key, projects[i], err);
	return r;
}

enum ka_result
ka_registration_set_reach(struct ka_store *s, const struct ka_key *key, const uint8_t (*projects)[KA_UUID_LEN],
    size_t n, struct ka_error *err)
{
	struct ka_row row = {.keylen = 0};
	uint8_t full[KA_REACH_KEY_LEN], project[KA_UUID_LEN];
	enum ka_result r;

	while ((r = ka_catalog_next_reach(s, key, &row, project)) == KA_OK) {
		size_t i = 0;

		while (i < n && memcmp(projects[i], project, KA_UUID_LEN) != 0)
			i++;
		if (i == n && (r = ka_registration_remove_reach(s, key, project)) != KA_OK)
			return ka_store_fail(s, r, err);
	}
	if (r != KA_NOTFOUND)
		return ka_store_fail(s, r, err);
	for (size_t i = 0; i < n; i++) {
		ka_table_reach_key(key->sha256, key->account, projects[i], full);
		if ((r = ka_store_change(s, KA_TABLE_REACH, full, sizeof(full), "", 0)) != KA_OK)
			return ka_store_fail(s, r, err);
	}
	return KA_OK;
}

enum ka_result
ka_registration_remove_reach(struct ka_store *s, const struct ka_key *key, const uint8_t project[static KA_UUID_LEN])
{
	uint8_t full[KA_REACH_KEY_LEN];

	ka_table_reach_key(key->sha256, key->account, project, full);
	return ka_store_change(s, KA_TABLE_REACH, full, sizeof(full), NULL, 0);
}

enum ka_result
ka_registration_remove(struct ka_store *s, const struct ka_key *key, struct ka_error *err)
{
	struct ka_row row = {.keylen = 0};
	uint8_t full[KA_KEY_KEY_LEN], project[KA_UUID_LEN];
	struct ka_key other;
	enum ka_result r;

	while ((r = ka_catalog_next_reach(s, key, &row, project)) == KA_OK)
		if ((r = ka_registration_remove_reach(s, key, project)) != KA_OK)
			return ka_store_fail(s, r, err);
	ka_table_key_key(key->sha256, key->account, full);
	if (r != KA_NOTFOUND || (r = ka_store_change(s, KA_TABLE_KEY, full, sizeof(full), NULL, 0)) != KA_OK)
		return ka_store_fail(s, r, err);
	ka_table_key_of_key(key->sha256, key->account, full);
	if ((r = ka_store_remove(s, KA_TABLE_KEY_OF, full, sizeof(full))) != KA_OK)
		return ka_store_fail(s, r, err);
	row.keylen = 0;
	if ((r = ka_catalog_next_registration(s, key->sha256, &row, &other)) == KA_NOTFOUND)
		r = ka_store_remove(s, KA_TABLE_BLOB, key->sha256, KA_SHA256_LEN);
	return ka_store_fail(s, r, err);
}
