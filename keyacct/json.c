#include "keyacct/json.h"

#include <stddef.h>

#include "common/address.h"
#include "common/time.h"

json_t *
json_uuid(const uint8_t id[static KA_UUID_LEN])
{
	char text[KA_UUID_TEXT_LEN];

	ka_uuid_text(id, text);
	return json_string(text);
}

json_t *
json_time(int64_t at_s)
{
	char text[KA_TIME_TEXT_LEN];

	if (at_s == 0)
		return json_null();
	ka_time_format_utc(at_s, text);
	return json_string(text);
}

#define AT(type, member) offsetof(struct type, member), sizeof(((struct type *)NULL)->member)

static const char *const account_states[] = {"active", "suspended", NULL};
static const char *const project_states[] = {"active", "archived", "deleted", NULL};
static const char *const key_states[] = {"active", "inactive", NULL};
static const char *const security_keys[] = {"optional", "required", "verified", NULL};
static const char *const roles[] = {"collaborator", "owner", NULL};

const struct field json_account_fields[] = {
    {.name = "id", FIELD_UUID, AT(ka_account, id)},
    {.name = "handle", FIELD_WORD, AT(ka_account, handle)},
    {.name = "name", FIELD_TEXT, AT(ka_account, name)},
    {.name = "email", FIELD_TEXT, AT(ka_account, email)},
    {.name = "state", FIELD_CHOICE, AT(ka_account, state), .choices = account_states},
    {.name = "created", FIELD_TIME, AT(ka_account, created_s)},
    {0},
};

const struct field json_project_fields[] = {
    {.name = "id", FIELD_UUID, AT(ka_project, id)},
    {.name = "title", FIELD_TEXT, AT(ka_project, title)},
    {.name = "state", FIELD_CHOICE, AT(ka_project, state), .choices = project_states},
    {.name = "ssh", FIELD_BOOL, AT(ka_project, ssh)},
    {.name = "agent", FIELD_POLICY, AT(ka_project, policy), .setting = "agent"},
    {.name = "tcp", FIELD_POLICY, AT(ka_project, policy), .setting = "tcp"},
    {.name = "x11", FIELD_POLICY, AT(ka_project, policy), .setting = "x11"},
    {.name = "pty", FIELD_POLICY, AT(ka_project, policy), .setting = "pty"},
    {.name = "sftp_only", FIELD_POLICY, AT(ka_project, policy), .setting = "sftp-only"},
    {.name = "uid", FIELD_NUMBER, AT(ka_project, uid)},
    {.name = "home", FIELD_PATH, AT(ka_project, home)},
    {.name = "shell", FIELD_PATH, AT(ka_project, shell)},
    {.name = "created", FIELD_TIME, AT(ka_project, created_s)},
    {0},
};

/* Whose it is and of which project stand in front. */
const struct field json_member_fields[] = {
    {.name = "role", FIELD_CHOICE, AT(ka_member, role), .choices = roles},
    {.name = "not_before", FIELD_TIME, AT(ka_member, not_before_s)},
    {.name = "expires", FIELD_TIME, AT(ka_member, expires_s)},
    {.name = "created", FIELD_TIME, AT(ka_member, created_s)},
    {0},
};

const struct field json_group_fields[] = {
    {.name = "id", FIELD_UUID, AT(ka_group, id)},
    {.name = "name", FIELD_WORD, AT(ka_group, name)},
    {.name = "created", FIELD_TIME, AT(ka_group, created_s)},
    {0},
};

const struct field json_key_fields[] = {
    {.name = "fingerprint", FIELD_SHA256, AT(ka_key, sha256), .derived = true},
    {.name = "fingerprint_md5", FIELD_MD5, AT(ka_key, md5), .derived = true},
    {.name = "key_type", FIELD_WORD, AT(ka_key, type), .derived = true},
    {.name = "bits", FIELD_NUMBER, AT(ka_key, bits), .derived = true},
    {.name = "title", FIELD_TEXT, AT(ka_key, title)},
    {.name = "account", FIELD_UUID, AT(ka_key, account), .derived = true},
    {.name = "state", FIELD_CHOICE, AT(ka_key, state), .choices = key_states},
    {.name = "tags", FIELD_LIST, AT(ka_key, tags)},
    {.name = "note", FIELD_TEXT, AT(ka_key, note)},
    {.name = "origin", FIELD_TEXT, AT(ka_key, origin)},
    {.name = "hosts", FIELD_LIST, AT(ka_key, hosts)},
    {.name = "from", FIELD_LIST, AT(ka_key, from)},
    {.name = "created", FIELD_TIME, AT(ka_key, created_s)},
    {.name = "not_before", FIELD_TIME, AT(ka_key, not_before_s)},
    {.name = "expires", FIELD_TIME, AT(ka_key, expires_s)},
    {0},
};

const struct field json_settings_fields[] = {
    {.name = "host", FIELD_TEXT, AT(ka_settings, host)},
    {.name = "key_types", FIELD_LIST, AT(ka_settings, key_types)},
    {.name = "rsa_bits", FIELD_NUMBER, AT(ka_settings, rsa_bits_min)},
    {.name = "security_keys", FIELD_CHOICE, AT(ka_settings, security_keys), .choices = security_keys},
    {.name = "git_author", FIELD_BOOL, AT(ka_settings, git_author)},
    {.name = "grace_text", FIELD_TEXT, AT(ka_settings, grace_text)},
    {.name = "homes", FIELD_PATH, AT(ka_settings, homes)},
    {.name = "shell", FIELD_PATH, AT(ka_settings, shell)},
    {.name = "agent", FIELD_POLICY, AT(ka_settings, policy), .setting = "agent"},
    {.name = "tcp", FIELD_POLICY, AT(ka_settings, policy), .setting = "tcp"},
    {.name = "x11", FIELD_POLICY, AT(ka_settings, policy), .setting = "x11"},
    {.name = "pty", FIELD_POLICY, AT(ka_settings, policy), .setting = "pty"},
    {.name = "sftp_only", FIELD_POLICY, AT(ka_settings, policy), .setting = "sftp-only"},
    {0},
};

/* The object of one type: its own fields behind "type". */
static json_t *
json_row(const char *type, const struct field *fields, const void *row)
{
	json_t *object = json_pack("{s:s}", "type", type), *all = fields_print(fields, row);

	if (object == NULL || all == NULL || json_object_update(object, all) != 0) {
		json_decref(object);
		object = NULL;
	}
	json_decref(all);
	return object;
}

json_t *
json_account(const struct ka_account *a)
{
	return json_row("account", json_account_fields, a);
}

json_t *
json_project(const struct ka_project *p)
{
	return json_row("project", json_project_fields, p);
}

json_t *
json_group(const struct ka_group *g)
{
	return json_row("group", json_group_fields, g);
}

json_t *
json_settings(const struct ka_settings *s)
{
	return json_row("settings", json_settings_fields, s);
}

json_t *
json_member(const struct ka_member *m, const char *name)
{
	json_t *object = json_pack("{s:s,s:o,s:o}", "type", "member", "project", json_uuid(m->project),
	    m->kind == KA_SUBJECT_GROUP ? "group" : "account", json_uuid(m->subject));
	json_t *fields = fields_print(json_member_fields, m);

	if (name != NULL && json_object_set_new(object, "handle", json_string(name)) != 0) {
		json_decref(object);
		object = NULL;
	}

	if (object == NULL || fields == NULL || json_object_update(object, fields) != 0) {
		json_decref(object);
		object = NULL;
	}
	json_decref(fields);
	return object;
}

json_t *
json_key(const struct ka_key *k, const struct ka_account *a, json_t *projects)
{
	json_t *object = json_row("key", json_key_fields, k);

	if ((a != NULL && json_object_set_new(object, "handle", json_string(a->handle)) != 0) ||
	    (projects != NULL && json_object_set_new(object, "projects", projects) != 0)) {
		json_decref(object);
		return NULL;
	}
	return object;
}

json_t *
json_last_used(const struct ka_use *u)
{
	char address[KA_ADDRESS_TEXT_LEN];

	if (u->count == 0)
		return json_null();
	ka_address_format(u->address, address);
	return json_pack("{s:o,s:o,s:s,s:I}", "at", json_time(u->at_s), "project", json_uuid(u->project), "from",
	    address, "count", (json_int_t)u->count);
}
