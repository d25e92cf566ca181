#include "common/record.h"

#include <string.h>

#include "common/address.h"
#include "common/time.h"

#define VERSION      0x01
#define INCOMPATIBLE 0x0f /* the version byte's bits that a reader has to know */
#define ENVELOPE     9    /* version, checksum */

void
ka_record_default_settings(struct ka_settings *settings)
{
	*settings = (struct ka_settings){.rsa_bits_min = 2048,
	    .security_keys = KA_SECURITY_KEYS_OPTIONAL,
	    .homes = "/projects",
	    .shell = "/bin/bash",
	    .policy = KA_POLICY_AGENT};
}

bool
ka_record_uid_ok(uint32_t uid)
{
	/* systemd: homed and nspawn 60001.., DynamicUser 61184..65519; 65534 is nobody, 65535 the 16-bit "no user". */
	return uid >= 1000 && uid <= KA_UID_LAST && (uid < 60001 || uid > 65535);
}

bool
ka_record_path_ok(const char *path)
{
	if (path[0] != '/')
		return false;
	for (; *path != '\0'; path++)
		if (*path == ':' || (unsigned char)*path < 0x20 || *path == 0x7f)
			return false;
	return true;
}

bool
ka_record_handle_ok(const char *handle)
{
	size_t len = strlen(handle);

	return len >= 1 && len < KA_HANDLE_LEN && strspn(handle, "abcdefghijklmnopqrstuvwxyz0123456789._@+-") == len &&
	       strchr("._@+-", handle[0]) == NULL &&
	       !(len >= KA_UUID_PREFIX && strspn(handle, "0123456789abcdef-") == len);
}

uint64_t
ka_record_checksum(uint64_t sum, const void *bytes, size_t len)
{
	const uint8_t *b = bytes;

	for (size_t i = 0; i < len; i++)
		sum = (sum ^ b[i]) * 1099511628211ULL;
	return sum;
}

/* The key's length goes in too, so that no byte can move from the key to the payload. */
static uint64_t
row_checksum(uint8_t version, enum ka_table table, const void *key, size_t keylen, const void *payload, size_t len)
{
	const char *name = ka_table_name(table);
	const uint8_t head[2] = {version, (uint8_t)keylen};
	uint64_t sum = ka_record_checksum(KA_CHECKSUM_START, head, sizeof(head));

	/* The table's name and not its number here, which changes when a table is added. */
	sum = ka_record_checksum(sum, name, strlen(name) + 1);

	return ka_record_checksum(ka_record_checksum(sum, key, keylen), payload, len);
}

enum ka_result
ka_record_seal(enum ka_table table, const void *key, size_t keylen, const void *payload, size_t len, uint8_t *out,
    size_t outlen, size_t *n)
{
	if (keylen > KA_KEY_MAX || len + ENVELOPE > outlen)
		return KA_INVALID;
	out[0] = VERSION;
	ka_table_be64(row_checksum(VERSION, table, key, keylen, payload, len), out + 1);
	if (len > 0)
		memcpy(out + ENVELOPE, payload, len);
	*n = len + ENVELOPE;
	return KA_OK;
}

enum ka_result
ka_record_unseal(enum ka_table table, const void *key, size_t keylen, const uint8_t *value, size_t len,
    const uint8_t **payload, size_t *n)
{
	if (len < ENVELOPE || keylen > KA_KEY_MAX || (value[0] & INCOMPATIBLE) != VERSION)
		return KA_CORRUPT;
	if (row_checksum(value[0], table, key, keylen, value + ENVELOPE, len - ENVELOPE) !=
	    ka_table_from_be64(value + 1))
		return KA_CORRUPT;
	*payload = value + ENVELOPE;
	*n = len - ENVELOPE;
	return KA_OK;
}

/*
 * One description of each row serves both directions: a field function writes when ${w} is set and reads otherwise.
 * The first field that does not fit sets ${bad}; after that nothing is touched.
 */
struct field {
	uint8_t *w;
	const uint8_t *r;
	size_t at, len;
	bool bad;
};

static bool
field_room(struct field *f, size_t n)
{
	if (f->bad || n > f->len - f->at)
		f->bad = true;
	return !f->bad;
}

static void
field_number(struct field *f, uint64_t *v, size_t size, uint64_t min, uint64_t max)
{
	uint64_t n = 0;

	if (!field_room(f, size))
		return;
	if (f->w != NULL) {
		n = *v;
		for (size_t i = 0; i < size; i++)
			f->w[f->at + i] = (uint8_t)(n >> (8 * (size - 1 - i)));
	} else {
		for (size_t i = 0; i < size; i++)
			n = n << 8 | f->r[f->at + i];
		*v = n;
	}
	f->at += size;
	if (n < min || n > max)
		f->bad = true;
}

static void
field_u32(struct field *f, uint32_t *v, uint32_t min, uint32_t max)
{
	uint64_t n = f->w != NULL ? *v : 0;

	field_number(f, &n, 4, min, max);
	*v = (uint32_t)n;
}

/* Enumerations and booleans; enum types are unsigned int to gcc and clang alike. */
static unsigned
field_choice(struct field *f, unsigned v, unsigned min, unsigned max)
{
	uint64_t n = v;

	field_number(f, &n, 1, min, max);
	return f->bad ? min : (unsigned)n;
}

static void
field_time(struct field *f, int64_t *v)
{
	uint64_t n = f->w != NULL ? (uint64_t)*v : 0;

	field_number(f, &n, 8, 0, KA_TIME_MAX);
	*v = (int64_t)n;
}

static void
field_bytes(struct field *f, uint8_t *v, size_t len)
{
	if (!field_room(f, len))
		return;
	if (f->w != NULL)
		memcpy(f->w + f->at, v, len);
	else
		memcpy(v, f->r + f->at, len);
	f->at += len;
}

/* A length in two bytes, then the characters. ${size} is the buffer's, NUL included. */
static void
field_text(struct field *f, char *v, size_t size)
{
	uint64_t len = f->w != NULL ? strnlen(v, size) : 0;

	field_number(f, &len, 2, 0, size - 1);
	if (!field_room(f, (size_t)len))
		return;
	if (f->w != NULL) {
		memcpy(f->w + f->at, v, (size_t)len);
	} else {
		memcpy(v, f->r + f->at, (size_t)len);
		v[len] = '\0';
		if (strlen(v) != len)
			f->bad = true;
	}
	f->at += (size_t)len;
}

static void
field_uid(struct field *f, uint32_t *uid)
{
	field_u32(f, uid, 0, UINT32_MAX);
	if (!f->bad && !ka_record_uid_ok(*uid))
		f->bad = true;
}

static void
field_path(struct field *f, char *v, size_t size)
{
	field_text(f, v, size);
	if (!f->bad && !ka_record_path_ok(v))
		f->bad = true;
}

static void
project_fields(struct field *f, struct ka_project *p)
{
	p->state = (enum ka_project_state)field_choice(f, p->state, KA_PROJECT_ACTIVE, KA_PROJECT_DELETED);
	p->ssh = field_choice(f, p->ssh, 0, 1) != 0;
	field_u32(f, &p->policy, 0, UINT32_MAX);
	field_uid(f, &p->uid);
	field_time(f, &p->created_s);
	field_text(f, p->title, sizeof(p->title));
	field_path(f, p->home, sizeof(p->home));
	field_path(f, p->shell, sizeof(p->shell));
}

static void
account_fields(struct field *f, struct ka_account *a)
{
	a->state = (enum ka_account_state)field_choice(f, a->state, KA_ACCOUNT_ACTIVE, KA_ACCOUNT_SUSPENDED);
	field_time(f, &a->created_s);
	field_text(f, a->handle, sizeof(a->handle));
	field_text(f, a->name, sizeof(a->name));
	field_text(f, a->email, sizeof(a->email));
	/* The handle goes into log lines as it stands. */
	if (!f->bad && !ka_record_handle_ok(a->handle))
		f->bad = true;
}

static void
group_fields(struct field *f, struct ka_group *g)
{
	field_time(f, &g->created_s);
	field_text(f, g->name, sizeof(g->name));
	if (!f->bad && !ka_record_handle_ok(g->name))
		f->bad = true;
}

static void
member_fields(struct field *f, struct ka_member *m)
{
	m->role = (enum ka_role)field_choice(f, m->role, KA_ROLE_COLLABORATOR, KA_ROLE_OWNER);
	field_time(f, &m->created_s);
	field_time(f, &m->not_before_s);
	field_time(f, &m->expires_s);
}

static void
key_fields(struct field *f, struct ka_key *k)
{
	k->state = (enum ka_key_state)field_choice(f, k->state, KA_KEY_ACTIVE, KA_KEY_INACTIVE);
	k->named = field_choice(f, k->named, 0, 1) != 0;
	field_u32(f, &k->bits, 0, UINT32_MAX);
	field_time(f, &k->created_s);
	field_time(f, &k->not_before_s);
	field_time(f, &k->expires_s);
	field_bytes(f, k->md5, sizeof(k->md5));
	field_text(f, k->type, sizeof(k->type));
	field_text(f, k->title, sizeof(k->title));
	field_text(f, k->tags, sizeof(k->tags));
	field_text(f, k->note, sizeof(k->note));
	field_text(f, k->origin, sizeof(k->origin));
	field_text(f, k->hosts, sizeof(k->hosts));
	field_text(f, k->from, sizeof(k->from));
	/* It is printed to sshd between quotes. */
	if (!f->bad && k->from[0] != '\0' && !ka_address_list_ok(k->from))
		f->bad = true;
}

static void
name_fields(struct field *f, struct ka_name *n)
{
	n->deleted = field_choice(f, n->deleted, 0, 1) != 0;
	field_uid(f, &n->uid);
	field_path(f, n->home, sizeof(n->home));
	field_path(f, n->shell, sizeof(n->shell));
}

static void
meta_fields(struct field *f, struct ka_meta *m)
{
	field_number(f, &m->changes, 8, 0, UINT64_MAX);
	field_u32(f, &m->uid_next, KA_UID_FIRST, KA_UID_LAST + 1);
}

static void
pruned_fields(struct field *f, struct ka_pruned *p)
{
	field_number(f, &p->last, 8, 0, UINT64_MAX);
	field_time(f, &p->before_s);
}

static void
settings_fields(struct field *f, struct ka_settings *s)
{
	field_text(f, s->host, sizeof(s->host));
	field_text(f, s->key_types, sizeof(s->key_types));
	field_u32(f, &s->rsa_bits_min, 0, UINT32_MAX);
	s->security_keys = (enum ka_security_keys)field_choice(
	    f, s->security_keys, KA_SECURITY_KEYS_OPTIONAL, KA_SECURITY_KEYS_VERIFIED);
	s->git_author = field_choice(f, s->git_author, 0, 1) != 0;
	field_path(f, s->homes, sizeof(s->homes));
	field_path(f, s->shell, sizeof(s->shell));
	field_u32(f, &s->policy, 0, UINT32_MAX);
	/* Settings that were written before there was such a text end here. */
	if (f->w != NULL || f->at < f->len)
		field_text(f, s->grace_text, sizeof(s->grace_text));
}

/* One side of a change: a row's key, and its payload if it was there. ${key} is where the other side's key is. */
static void
change_side(struct field *f, const struct ka_row *key, struct ka_row *side)
{
	uint64_t len = f->w != NULL ? side->len : 0;

	if (field_choice(f, side->keylen > 0, 0, 1) == 0 || f->bad) {
		side->keylen = 0;
		return;
	}
	side->keylen = key->keylen;
	memcpy(side->key, key->key, sizeof(side->key));
	field_number(f, &len, 2, 0, sizeof(side->payload));
	field_bytes(f, side->payload, (size_t)len);
	side->len = (size_t)len;
}

static void
change_fields(struct field *f, struct ka_change *c)
{
	struct ka_row key = c->before.keylen > 0 ? c->before : c->after;
	uint64_t keylen = key.keylen;

	field_time(f, &c->at_s);
	field_u32(f, &c->actor, 0, UINT32_MAX);
	field_text(f, c->sudo_user, sizeof(c->sudo_user));
	/* A newer version may know more tables. */
	c->table = (enum ka_table)field_choice(f, c->table, 0, UINT8_MAX);
	field_text(f, c->verb, sizeof(c->verb));
	field_number(f, &keylen, 1, 1, KA_KEY_MAX);
	if (f->bad)
		return;
	key.keylen = (size_t)keylen;
	field_bytes(f, key.key, key.keylen);
	change_side(f, &key, &c->before);
	change_side(f, &key, &c->after);
	if (c->before.keylen == 0 && c->after.keylen == 0)
		f->bad = true;
}

static void
use_fields(struct field *f, struct ka_use *u)
{
	field_time(f, &u->at_s);
	field_number(f, &u->count, 8, 0, UINT64_MAX);
	field_bytes(f, u->project, sizeof(u->project));
	field_bytes(f, u->address, sizeof(u->address));
}

/* put works on a copy, because a field function takes its value by a pointer that it may write through. */
#define ROW(type, size)                                                                                \
	enum ka_result ka_record_put_##type(const struct ka_##type *row, uint8_t *payload, size_t *n)  \
	{                                                                                              \
		struct ka_##type copy = *row;                                                          \
		struct field f = {.w = payload, .len = (size)-ENVELOPE};                               \
                                                                                                       \
		type##_fields(&f, &copy);                                                              \
		*n = f.at;                                                                             \
		return f.bad ? KA_INVALID : KA_OK;                                                     \
	}                                                                                              \
	enum ka_result ka_record_get_##type(const uint8_t *payload, size_t len, struct ka_##type *row) \
	{                                                                                              \
		struct field f = {.r = payload, .len = len};                                           \
                                                                                                       \
		memset(row, 0, sizeof(*row));                                                          \
		type##_fields(&f, row);                                                                \
		return f.bad ? KA_CORRUPT : KA_OK;                                                     \
	}

ROW(project, KA_RECORD_MAX)
ROW(account, KA_RECORD_MAX)
ROW(group, KA_RECORD_MAX)
ROW(member, KA_RECORD_MAX)
ROW(key, KA_RECORD_MAX)
ROW(name, KA_RECORD_MAX)
ROW(meta, KA_RECORD_MAX)
ROW(pruned, KA_RECORD_MAX)
ROW(settings, KA_RECORD_MAX)
ROW(change, KA_CHANGE_MAX)
ROW(use, KA_RECORD_MAX)

enum ka_result
ka_record_row_project(const struct ka_row *row, struct ka_project *project)
{
	if (row->keylen != KA_UUID_LEN || ka_record_get_project(row->payload, row->len, project) != KA_OK)
		return KA_CORRUPT;
	memcpy(project->id, row->key, KA_UUID_LEN);
	return KA_OK;
}

enum ka_result
ka_record_row_account(const struct ka_row *row, struct ka_account *account)
{
	if (row->keylen != KA_UUID_LEN || ka_record_get_account(row->payload, row->len, account) != KA_OK)
		return KA_CORRUPT;
	memcpy(account->id, row->key, KA_UUID_LEN);
	return KA_OK;
}

enum ka_result
ka_record_row_group(const struct ka_row *row, struct ka_group *group)
{
	if (row->keylen != KA_UUID_LEN || ka_record_get_group(row->payload, row->len, group) != KA_OK)
		return KA_CORRUPT;
	memcpy(group->id, row->key, KA_UUID_LEN);
	return KA_OK;
}

enum ka_result
ka_record_row_member(const struct ka_row *row, struct ka_member *member)
{
	if (row->keylen != KA_MEMBER_KEY_LEN || ka_record_get_member(row->payload, row->len, member) != KA_OK)
		return KA_CORRUPT;
	memcpy(member->project, row->key, KA_UUID_LEN);
	member->kind = (enum ka_subject)row->key[KA_UUID_LEN];
	memcpy(member->subject, row->key + KA_UUID_LEN + 1, KA_UUID_LEN);
	return KA_OK;
}

enum ka_result
ka_record_row_key(const struct ka_row *row, struct ka_key *key)
{
	if (row->keylen != KA_KEY_KEY_LEN || ka_record_get_key(row->payload, row->len, key) != KA_OK)
		return KA_CORRUPT;
	memcpy(key->sha256, row->key, KA_SHA256_LEN);
	memcpy(key->account, row->key + KA_SHA256_LEN, KA_UUID_LEN);
	return KA_OK;
}
