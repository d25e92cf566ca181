#include "keyacct/json.h"

#include <stdio.h>
#include <string.h>

#include "common/access.h"
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

/* "a,b" as ["a", "b"]; null for "". */
static json_t *
json_commas(const char *list)
{
	json_t *array;

	if (list[0] == '\0')
		return json_null();
	array = json_array();
	for (;;) {
		size_t len = 0;

		while (list[len] != '\0' && list[len] != ',')
			len++;
		if (json_array_append_new(array, json_stringn(list, len)) != 0) {
			json_decref(array);
			return NULL;
		}
		if (list[len] == '\0')
			return array;
		list += len + 1;
	}
}

static json_t *
json_text(const char *text)
{
	return text[0] != '\0' ? json_string(text) : json_null();
}

json_t *
json_account(const struct ka_account *a)
{
	return json_pack("{s:s,s:o,s:s,s:o,s:o,s:s,s:o}", "type", "account", "id", json_uuid(a->id), "handle",
	    a->handle, "name", json_text(a->name), "email", json_text(a->email), "state",
	    a->state == KA_ACCOUNT_ACTIVE ? "active" : "suspended", "created", json_time(a->created_s));
}

static const char *
project_state(enum ka_project_state state)
{
	switch (state) {
	case KA_PROJECT_ACTIVE:
		return "active";
	case KA_PROJECT_ARCHIVED:
		return "archived";
	case KA_PROJECT_DELETED:
		break;
	}
	return "deleted";
}

/* One field for each setting, named as JSON has names: "sftp_only". */
static int
add_policy(json_t *object, uint32_t policy)
{
	for (const char *const *setting = ka_policy_settings; *setting != NULL; setting++) {
		const char *value = ka_policy_get(policy, *setting);
		char field[32];

		(void)snprintf(field, sizeof(field), "%s", *setting);
		for (char *c = field; *c != '\0'; c++)
			if (*c == '-')
				*c = '_';
		if (json_object_set_new(object, field,
			ka_policy_is_switch(*setting) ? json_boolean(strcmp(value, "on") == 0) : json_string(value)) !=
		    0)
			return -1;
	}
	return 0;
}

json_t *
json_project(const struct ka_project *p)
{
	json_t *object = json_pack("{s:s,s:o,s:o,s:s,s:b}", "type", "project", "id", json_uuid(p->id), "title",
	    json_text(p->title), "state", project_state(p->state), "ssh", p->ssh);
	json_t *rest = json_pack("{s:I,s:s,s:s,s:o}", "uid", (json_int_t)p->uid, "home", p->home, "shell", p->shell,
	    "created", json_time(p->created_s));

	if (object != NULL && add_policy(object, p->policy) == 0 && rest != NULL &&
	    json_object_update(object, rest) == 0) {
		json_decref(rest);
		return object;
	}
	json_decref(object);
	json_decref(rest);
	return NULL;
}

json_t *
json_member(const struct ka_member *m, const char *name)
{
	return json_pack("{s:s,s:o,s:o,s:s,s:s,s:o,s:o,s:o}", "type", "member", "project", json_uuid(m->project),
	    m->kind == KA_SUBJECT_GROUP ? "group" : "account", json_uuid(m->subject), "handle", name, "role",
	    ka_access_role_name(m->role), "not_before", json_time(m->not_before_s), "expires", json_time(m->expires_s),
	    "created", json_time(m->created_s));
}

json_t *
json_group(const struct ka_group *g)
{
	return json_pack("{s:s,s:o,s:s,s:o}", "type", "group", "id", json_uuid(g->id), "name", g->name, "created",
	    json_time(g->created_s));
}

json_t *
json_key(const struct ka_key *k, const struct ka_account *a, json_t *projects)
{
	char sha256[KA_SHA256_TEXT_LEN], md5[KA_MD5_TEXT_LEN];
	json_t *object;

	ka_fingerprint_format(k->sha256, sha256);
	ka_fingerprint_format_md5(k->md5, md5);
	object = json_pack("{s:s,s:s,s:s,s:s,s:I,s:s,s:o,s:s,s:s,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "type", "key",
	    "fingerprint", sha256, "fingerprint_md5", md5, "key_type", k->type, "bits", (json_int_t)k->bits, "title",
	    k->title, "account", json_uuid(k->account), "handle", a->handle, "state",
	    k->state == KA_KEY_ACTIVE ? "active" : "inactive", "tags", json_commas(k->tags), "note", json_text(k->note),
	    "origin", json_text(k->origin), "hosts", json_commas(k->hosts), "from", json_commas(k->from), "created",
	    json_time(k->created_s), "not_before", json_time(k->not_before_s), "expires", json_time(k->expires_s));
	if (object != NULL && projects != NULL && json_object_set_new(object, "projects", projects) != 0) {
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
