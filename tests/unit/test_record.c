/* Rows as bytes: each type there and back, what is refused, and the seal around them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/record.h"
#include "common/time.h"

#define ENVELOPE    9 /* version, checksum */
#define PAYLOAD_MAX (KA_RECORD_MAX - ENVELOPE)

/* Every row type by the same functions. */
#define TYPES(X) X(project) X(account) X(member) X(key) X(name) X(meta) X(pruned) X(settings) X(change) X(use)

union row {
#define MEMBER(type) struct ka_##type type;
	TYPES(MEMBER)
#undef MEMBER
};

struct type {
	const char *name;
	size_t size;
	enum ka_result (*put)(const union row *row, uint8_t *payload, size_t *n);
	enum ka_result (*get)(const uint8_t *payload, size_t len, union row *row);
	/* The smallest and the largest value of every field, what belongs to the key left out. */
	void (*smallest)(union row *row);
	void (*largest)(union row *row);
};

static void
fill_text(char *text, size_t size, char c)
{
	memset(text, c, size - 1);
	text[size - 1] = '\0';
}

static void
smallest_project(union row *r)
{
	r->project.state = KA_PROJECT_ACTIVE;
	r->project.uid = 1000;
	(void)strcpy(r->project.home, "/");
	(void)strcpy(r->project.shell, "/");
}

static void
largest_project(union row *r)
{
	r->project.state = KA_PROJECT_DELETED;
	r->project.ssh = true;
	r->project.policy = UINT32_MAX;
	r->project.uid = KA_UID_LAST;
	r->project.created_s = KA_TIME_MAX;
	fill_text(r->project.title, sizeof(r->project.title), '\xff');
	fill_text(r->project.home, sizeof(r->project.home), '/');
	fill_text(r->project.shell, sizeof(r->project.shell), '/');
}

static void
smallest_account(union row *r)
{
	r->account.state = KA_ACCOUNT_ACTIVE;
	(void)strcpy(r->account.handle, "a");
}

static void
largest_account(union row *r)
{
	r->account.state = KA_ACCOUNT_SUSPENDED;
	r->account.created_s = KA_TIME_MAX;
	fill_text(r->account.handle, sizeof(r->account.handle), 'z');
	fill_text(r->account.name, sizeof(r->account.name), '\xff');
	fill_text(r->account.email, sizeof(r->account.email), '@');
}

static void
smallest_member(union row *r)
{
	r->member.role = KA_ROLE_COLLABORATOR;
}

static void
largest_member(union row *r)
{
	r->member.role = KA_ROLE_OWNER;
	r->member.created_s = r->member.not_before_s = r->member.expires_s = KA_TIME_MAX;
}

static void
smallest_key(union row *r)
{
	r->key.state = KA_KEY_ACTIVE;
}

static void
largest_key(union row *r)
{
	r->key.state = KA_KEY_INACTIVE;
	r->key.named = true;
	r->key.bits = UINT32_MAX;
	r->key.created_s = r->key.not_before_s = r->key.expires_s = KA_TIME_MAX;
	memset(r->key.md5, 0xff, sizeof(r->key.md5));
	fill_text(r->key.type, sizeof(r->key.type), 't');
	fill_text(r->key.title, sizeof(r->key.title), '\xff');
	fill_text(r->key.tags, sizeof(r->key.tags), ',');
	fill_text(r->key.note, sizeof(r->key.note), '\n');
	fill_text(r->key.origin, sizeof(r->key.origin), 'o');
	fill_text(r->key.hosts, sizeof(r->key.hosts), 'h');
	/* 34 of these and a shorter one make 383 characters. */
	for (size_t i = 0; i < 34; i++)
		(void)strcpy(r->key.from + 11 * i, "10.0.0.0/8,");
	(void)strcpy(r->key.from + 374, "0.0.0.0/0");
	assert_int_equal(strlen(r->key.from), sizeof(r->key.from) - 1);
}

static void
smallest_name(union row *r)
{
	r->name.uid = 1000;
	(void)strcpy(r->name.home, "/");
	(void)strcpy(r->name.shell, "/");
}

static void
largest_name(union row *r)
{
	r->name.deleted = true;
	r->name.uid = KA_UID_LAST;
	fill_text(r->name.home, sizeof(r->name.home), '/');
	fill_text(r->name.shell, sizeof(r->name.shell), '/');
}

static void
smallest_meta(union row *r)
{
	r->meta.uid_next = KA_UID_FIRST;
}

static void
largest_meta(union row *r)
{
	r->meta.changes = UINT64_MAX;
	/* The counter when the last uid is taken. */
	r->meta.uid_next = KA_UID_LAST + 1;
}

static void
smallest_pruned(union row *r)
{
	(void)r;
}

static void
largest_pruned(union row *r)
{
	r->pruned.last = UINT64_MAX;
	r->pruned.before_s = KA_TIME_MAX;
}

static void
smallest_change(union row *r)
{
	r->change.table = (enum ka_table)0;
	r->change.after.keylen = 1;
}

static void
largest_change(union row *r)
{
	r->change.at_s = KA_TIME_MAX;
	r->change.actor = UINT32_MAX;
	r->change.table = (enum ka_table)(KA_TABLES - 1);
	fill_text(r->change.sudo_user, sizeof(r->change.sudo_user), '\xff');
	fill_text(r->change.verb, sizeof(r->change.verb), 'v');
	r->change.before.keylen = r->change.after.keylen = KA_KEY_MAX;
	r->change.before.len = r->change.after.len = KA_RECORD_MAX;
	memset(r->change.before.key, 0xff, sizeof(r->change.before.key));
	memset(r->change.after.key, 0xff, sizeof(r->change.after.key));
	memset(r->change.before.payload, 'b', sizeof(r->change.before.payload));
	memset(r->change.after.payload, 'a', sizeof(r->change.after.payload));
}

static void
smallest_settings(union row *r)
{
	r->settings.security_keys = KA_SECURITY_KEYS_OPTIONAL;
	(void)strcpy(r->settings.homes, "/");
	(void)strcpy(r->settings.shell, "/");
}

static void
largest_settings(union row *r)
{
	fill_text(r->settings.host, sizeof(r->settings.host), 'h');
	fill_text(r->settings.key_types, sizeof(r->settings.key_types), 't');
	r->settings.rsa_bits_min = r->settings.policy = UINT32_MAX;
	r->settings.security_keys = KA_SECURITY_KEYS_VERIFIED;
	r->settings.git_author = true;
	fill_text(r->settings.grace_text, sizeof(r->settings.grace_text), 'g');
	fill_text(r->settings.homes, sizeof(r->settings.homes), '/');
	fill_text(r->settings.shell, sizeof(r->settings.shell), '/');
}

static void
smallest_use(union row *r)
{
	(void)r;
}

static void
largest_use(union row *r)
{
	r->use.at_s = KA_TIME_MAX;
	r->use.count = UINT64_MAX;
	memset(r->use.project, 0xff, sizeof(r->use.project));
	memset(r->use.address, 0xff, sizeof(r->use.address));
}

#define WRAP(type)                                                                           \
	static enum ka_result put_##type(const union row *row, uint8_t *payload, size_t *n)  \
	{                                                                                    \
		return ka_record_put_##type(&row->type, payload, n);                         \
	}                                                                                    \
	static enum ka_result get_##type(const uint8_t *payload, size_t len, union row *row) \
	{                                                                                    \
		return ka_record_get_##type(payload, len, &row->type);                       \
	}
TYPES(WRAP)

#define DESCRIBE(type) {#type, sizeof(struct ka_##type), put_##type, get_##type, smallest_##type, largest_##type},
static const struct type types[] = {TYPES(DESCRIBE)};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* One of the two extreme rows and its payload, in a block of exactly its size: a sanitizer sees a read behind it. */
static uint8_t *
make_row(const struct type *type, bool largest, union row *row, size_t *n)
{
	uint8_t *payload = malloc(KA_CHANGE_MAX);

	assert_non_null(payload);
	memset(row, 0, sizeof(*row));
	(largest ? type->largest : type->smallest)(row);
	assert_int_equal(type->put(row, payload, n), KA_OK);
	assert_true(*n > 0 && *n <= (type->put == put_change ? KA_CHANGE_MAX : KA_RECORD_MAX) - ENVELOPE);
	/* cppcheck-suppress memleakOnRealloc ; a test that fails ends the program */
	payload = realloc(payload, *n);
	assert_non_null(payload);
	return payload;
}

static void
every_row_comes_back(void **state)
{
	(void)state;
	for (size_t t = 0; t < COUNT(types); t++)
		for (int largest = 0; largest < 2; largest++) {
			union row row, back;
			size_t n;
			uint8_t *payload = make_row(&types[t], largest, &row, &n);

			/* The id and the like belong to the key: they are zero, whatever was there. */
			memset(&back, 0xa5, sizeof(back));
			assert_int_equal(types[t].get(payload, n, &back), KA_OK);
			assert_memory_equal(&back, &row, types[t].size);
			free(payload);
		}
}

static void
fields_of_the_key_are_not_in_the_payload(void **state)
{
	union row row, back;
	uint8_t with[KA_RECORD_MAX], without[KA_RECORD_MAX];
	size_t n, m;

	(void)state;
	memset(&row, 0, sizeof(row));
	smallest_key(&row);
	assert_int_equal(ka_record_put_key(&row.key, without, &n), KA_OK);
	memset(row.key.sha256, 1, sizeof(row.key.sha256));
	memset(row.key.account, 2, sizeof(row.key.account));
	assert_int_equal(ka_record_put_key(&row.key, with, &m), KA_OK);
	assert_int_equal(n, m);
	assert_memory_equal(with, without, n);
	assert_int_equal(ka_record_get_key(with, m, &back.key), KA_OK);
	assert_int_equal(back.key.sha256[0], 0);
	assert_int_equal(back.key.account[0], 0);
}

/* Settings from before there was a text for terminals end in front of it. */
static bool
was_whole_once(const struct type *type, const union row *row, size_t len, size_t n)
{
	return strcmp(type->name, "settings") == 0 && len == n - strlen(row->settings.grace_text) - 2;
}

static void
every_truncation_is_corrupt(void **state)
{
	(void)state;
	for (size_t t = 0; t < COUNT(types); t++)
		for (int largest = 0; largest < 2; largest++) {
			union row row, back;
			size_t n;
			uint8_t *payload = make_row(&types[t], largest, &row, &n);

			for (size_t len = 0; len < n; len++) {
				uint8_t *cut = malloc(len > 0 ? len : 1);

				assert_non_null(cut);
				memcpy(cut, payload, len);
				assert_int_equal(types[t].get(cut, len, &back),
				    was_whole_once(&types[t], &row, len, n) ? KA_OK : KA_CORRUPT);
				free(cut);
			}
			free(payload);
		}
}

/* A later version adds fields at the end. */
static void
bytes_behind_a_row_are_ignored(void **state)
{
	(void)state;
	for (size_t t = 0; t < COUNT(types); t++)
		for (int largest = 0; largest < 2; largest++) {
			union row row, back;
			uint8_t longer[KA_CHANGE_MAX + 100];
			size_t n;
			uint8_t *payload = make_row(&types[t], largest, &row, &n);

			memset(longer, 0xff, sizeof(longer));
			memcpy(longer, payload, n);
			for (size_t more = 1; more <= 100; more++) {
				assert_int_equal(types[t].get(longer, n + more, &back), KA_OK);
				assert_memory_equal(&back, &row, types[t].size);
			}
			free(payload);
		}
}

/* Nothing that get accepts is a row that put would refuse, and no string lacks its NUL. */
static void
damaged_payload_is_refused_or_valid(void **state)
{
	(void)state;
	for (size_t t = 0; t < COUNT(types); t++)
		for (int largest = 0; largest < 2; largest++) {
			union row row, back;
			uint8_t again[KA_CHANGE_MAX];
			size_t n, m;
			uint8_t *payload = make_row(&types[t], largest, &row, &n);

			for (size_t i = 0; i < n; i++)
				for (unsigned bit = 0; bit < 8; bit++) {
					payload[i] ^= (uint8_t)(1U << bit);
					if (types[t].get(payload, n, &back) == KA_OK)
						assert_int_equal(types[t].put(&back, again, &m), KA_OK);
					payload[i] ^= (uint8_t)(1U << bit);
				}
			free(payload);
		}
}

/* Put refuses ${row} as it is, and get refuses what it would have been: ${value} in ${size} bytes at ${at}. */
static void
assert_refused(const struct type *type, const union row *row, size_t at, size_t size, uint64_t value)
{
	union row valid, back;
	uint8_t payload[KA_CHANGE_MAX];
	size_t n;
	uint8_t *made;

	assert_int_equal(type->put(row, payload, &n), KA_INVALID);
	made = make_row(type, false, &valid, &n);
	assert_true(at + size <= n);
	for (size_t i = 0; i < size; i++)
		made[at + i] = (uint8_t)(value >> (8 * (size - 1 - i)));
	assert_int_equal(type->get(made, n, &back), KA_CORRUPT);
	free(made);
}

static const struct type *
type_of(const char *name)
{
	for (size_t t = 0; t < COUNT(types); t++)
		if (strcmp(types[t].name, name) == 0)
			return &types[t];
	fail();
	return NULL;
}

static const uint32_t bad_uids[] = {
    0, 1, 999, 60001, 61184, 65519, 65534, 65535, KA_UID_LAST + 1, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};
static const uint32_t good_uids[] = {1000, 1001, 60000, 65536, KA_UID_FIRST - 1, KA_UID_FIRST, KA_UID_LAST};

static void
uids_of_others_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad_uids); i++) {
		union row row;

		assert_false(ka_record_uid_ok(bad_uids[i]));
		memset(&row, 0, sizeof(row));
		smallest_name(&row);
		row.name.uid = bad_uids[i];
		assert_refused(type_of("name"), &row, 1, 4, bad_uids[i]);
		memset(&row, 0, sizeof(row));
		smallest_project(&row);
		row.project.uid = bad_uids[i];
		assert_refused(type_of("project"), &row, 6, 4, bad_uids[i]);
	}
}

static void
uids_at_the_edges_are_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good_uids); i++) {
		union row row, back;
		uint8_t payload[KA_CHANGE_MAX];
		size_t n;

		assert_true(ka_record_uid_ok(good_uids[i]));
		memset(&row, 0, sizeof(row));
		smallest_name(&row);
		row.name.uid = good_uids[i];
		assert_int_equal(ka_record_put_name(&row.name, payload, &n), KA_OK);
		assert_int_equal(ka_record_get_name(payload, n, &back.name), KA_OK);
		assert_int_equal(back.name.uid, good_uids[i]);
	}
}

static void
uid_counter_stays_in_its_range(void **state)
{
	static const uint32_t bad[] = {0, 1000, KA_UID_FIRST - 1, KA_UID_LAST + 2, UINT32_MAX};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		union row row = {.meta = {.uid_next = bad[i]}};

		assert_refused(type_of("meta"), &row, 8, 4, bad[i]);
	}
}

#define REFUSE(type_name, field, bad, at, size)                                           \
	do {                                                                              \
		union row refused;                                                        \
                                                                                          \
		memset(&refused, 0, sizeof(refused));                                     \
		smallest_##type_name(&refused);                                           \
		refused.type_name.field = (bad);                                          \
		assert_refused(type_of(#type_name), &refused, at, size, (uint64_t)(bad)); \
	} while (0)

static void
unknown_states_and_roles_are_refused(void **state)
{
	(void)state;
	REFUSE(project, state, (enum ka_project_state)0, 0, 1);
	REFUSE(project, state, (enum ka_project_state)4, 0, 1);
	REFUSE(account, state, (enum ka_account_state)0, 0, 1);
	REFUSE(account, state, (enum ka_account_state)3, 0, 1);
	REFUSE(member, role, (enum ka_role)0, 0, 1);
	REFUSE(member, role, (enum ka_role)3, 0, 1);
	REFUSE(key, state, (enum ka_key_state)0, 0, 1);
	REFUSE(key, state, (enum ka_key_state)3, 0, 1);
}

/* A bool has no third value in memory, but a byte in a file has. */
static void
booleans_are_0_or_1(void **state)
{
	static const struct {
		const char *type;
		size_t at;
	} cases[] = {{"project", 1}, {"key", 1}, {"name", 0}};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		for (unsigned byte = 2; byte < 256; byte++) {
			union row row, back;
			size_t n;
			uint8_t *payload = make_row(type_of(cases[i].type), false, &row, &n);

			payload[cases[i].at] = (uint8_t)byte;
			assert_int_equal(type_of(cases[i].type)->get(payload, n, &back), KA_CORRUPT);
			free(payload);
		}
}

static void
times_before_1970_and_after_9999_are_refused(void **state)
{
	static const int64_t bad[] = {-1, INT64_MIN, KA_TIME_MAX + 1, INT64_MAX};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		REFUSE(project, created_s, bad[i], 10, 8);
		REFUSE(account, created_s, bad[i], 1, 8);
		REFUSE(member, created_s, bad[i], 1, 8);
		REFUSE(member, not_before_s, bad[i], 9, 8);
		REFUSE(member, expires_s, bad[i], 17, 8);
		REFUSE(key, created_s, bad[i], 6, 8);
		REFUSE(key, not_before_s, bad[i], 14, 8);
		REFUSE(key, expires_s, bad[i], 22, 8);
		REFUSE(change, at_s, bad[i], 0, 8);
		REFUSE(use, at_s, bad[i], 0, 8);
	}
}

/* A string of the full buffer, without its NUL, and one with a NUL inside. */
static void
strings_without_end_are_refused(void **state)
{
	union row row, back;
	uint8_t payload[KA_CHANGE_MAX];
	size_t n;

	(void)state;
	memset(&row, 0, sizeof(row));
	smallest_key(&row);
	memset(row.key.type, 't', sizeof(row.key.type));
	assert_int_equal(ka_record_put_key(&row.key, payload, &n), KA_INVALID);
	memset(&row, 0, sizeof(row));
	smallest_name(&row);
	memset(row.name.home, '/', sizeof(row.name.home));
	assert_int_equal(ka_record_put_name(&row.name, payload, &n), KA_INVALID);

	memset(&row, 0, sizeof(row));
	smallest_account(&row);
	(void)strcpy(row.account.name, "abc");
	assert_int_equal(ka_record_put_account(&row.account, payload, &n), KA_OK);
	assert_memory_equal(payload + n - 5, "abc\0", 5);
	payload[n - 4] = '\0';
	assert_int_equal(ka_record_get_account(payload, n, &back.account), KA_CORRUPT);
}

static const char *const bad_paths[] = {
    "", "home", "./home", "~", " /home", "/ho:me", "/home\n", "/\t", "/a\x01z", "/\x7f", ":"};
static const char *const good_paths[] = {"/", "/home", "/projects/a b", "/\xc3\xa9", "//", "/a/../b"};

static void
paths_fit_a_passwd_entry(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good_paths); i++)
		assert_true(ka_record_path_ok(good_paths[i]));
	for (size_t i = 0; i < COUNT(bad_paths); i++) {
		union row row;
		uint8_t payload[KA_CHANGE_MAX];
		size_t n;

		assert_false(ka_record_path_ok(bad_paths[i]));
		memset(&row, 0, sizeof(row));
		smallest_name(&row);
		(void)strcpy(row.name.home, bad_paths[i]);
		assert_int_equal(ka_record_put_name(&row.name, payload, &n), KA_INVALID);
		smallest_name(&row);
		(void)strcpy(row.name.shell, bad_paths[i]);
		assert_int_equal(ka_record_put_name(&row.name, payload, &n), KA_INVALID);
		memset(&row, 0, sizeof(row));
		smallest_project(&row);
		(void)strcpy(row.project.home, bad_paths[i]);
		assert_int_equal(ka_record_put_project(&row.project, payload, &n), KA_INVALID);
		smallest_project(&row);
		(void)strcpy(row.project.shell, bad_paths[i]);
		assert_int_equal(ka_record_put_project(&row.project, payload, &n), KA_INVALID);
	}
}

/* Home and shell of a stored row are checked again when they are read. */
static void
stored_paths_are_checked(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++)
		for (unsigned byte = 0; byte < 256; byte++) {
			union row row, back;
			uint8_t payload[KA_CHANGE_MAX];
			size_t n;
			bool ok = byte >= 0x20 && byte != 0x7f && byte != ':';

			memset(&row, 0, sizeof(row));
			smallest_name(&row);
			(void)strcpy(i == 0 ? row.name.home : row.name.shell, "/x");
			assert_int_equal(ka_record_put_name(&row.name, payload, &n), KA_OK);
			/* deleted, uid, then each path with its length in front */
			payload[5 + 2 + (i == 0 ? 1 : 1 + 2 + 1)] = (uint8_t)byte;
			assert_int_equal(ka_record_get_name(payload, n, &back.name), ok ? KA_OK : KA_CORRUPT);
		}
}

static const char *const bad_handles[] = {"", ".a", "_a", "@a", "+a", "-a", "A", "aB", "a b", "a/b", "a:b", "a\n",
    "\xc3\xa9", "12345678", "deadbeef", "829e7b56-93d6-11e7-ae8e-e70cea5e8cd7", "829e7b5693d611e7ae8ee70cea5e8cd7",
    "0-------", "a------f", "a%s", "a\"", "a,b"};
static const char *const good_handles[] = {"a", "0", "z9", "1234567", "deadbee", "deadbeefg", "owner@example.org",
    "a.b_c+d-e", "g-------", "deadbeef.", "12345678x"};

static void
handles_cannot_be_taken_for_ids(void **state)
{
	char longest[KA_HANDLE_LEN + 1];

	(void)state;
	for (size_t i = 0; i < COUNT(good_handles); i++)
		assert_true(ka_record_handle_ok(good_handles[i]));
	for (size_t i = 0; i < COUNT(bad_handles); i++) {
		union row row;
		uint8_t payload[KA_CHANGE_MAX];
		size_t n;

		assert_false(ka_record_handle_ok(bad_handles[i]));
		memset(&row, 0, sizeof(row));
		smallest_account(&row);
		(void)strcpy(row.account.handle, bad_handles[i]);
		assert_int_equal(ka_record_put_account(&row.account, payload, &n), KA_INVALID);
	}
	memset(longest, 'x', sizeof(longest));
	longest[64] = '\0';
	assert_true(ka_record_handle_ok(longest));
	longest[64] = 'x';
	longest[65] = '\0';
	assert_false(ka_record_handle_ok(longest));
}

static void
stored_handle_is_checked(void **state)
{
	(void)state;
	for (unsigned byte = 0; byte < 256; byte++) {
		union row row, back;
		size_t n;
		uint8_t *payload = make_row(type_of("account"), false, &row, &n);
		char handle[2] = {(char)byte, '\0'};

		/* state, created, length of the handle */
		payload[1 + 8 + 2] = (uint8_t)byte;
		assert_int_equal(ka_record_get_account(payload, n, &back.account),
		    byte != 0 && ka_record_handle_ok(handle) ? KA_OK : KA_CORRUPT);
		free(payload);
	}
}

static void
limits_of_a_key_are_an_address_list(void **state)
{
	static const char *const bad[] = {"*", "example.org", "10.0.0.1/8", "10.0.0.0/8,", ",", "\"",
	    "10.0.0.0/8\" command=\"id", "!10.0.0.0/8", " "};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		union row row;
		uint8_t payload[KA_CHANGE_MAX];
		size_t n;

		memset(&row, 0, sizeof(row));
		smallest_key(&row);
		(void)strcpy(row.key.from, bad[i]);
		assert_int_equal(ka_record_put_key(&row.key, payload, &n), KA_INVALID);
	}
}

static void
stored_limits_of_a_key_are_checked(void **state)
{
	union row row, back;
	uint8_t payload[KA_CHANGE_MAX];
	size_t n;

	(void)state;
	memset(&row, 0, sizeof(row));
	smallest_key(&row);
	(void)strcpy(row.key.from, "10.0.0.0/8");
	assert_int_equal(ka_record_put_key(&row.key, payload, &n), KA_OK);
	assert_memory_equal(payload + n - 10, "10.0.0.0/8", 10);
	payload[n - 10] = '"';
	assert_int_equal(ka_record_get_key(payload, n, &back.key), KA_CORRUPT);
}

static const struct {
	size_t keylen, len;
} seals[] = {{1, 0}, {1, 1}, {4, 16}, {16, 100}, {48, 200}, {KA_KEY_MAX, PAYLOAD_MAX}};

/* A sealed row, key and value in blocks of their size. */
struct sealed {
	uint8_t *key, *value;
	size_t keylen, len;
};

static struct sealed
make_sealed(size_t keylen, size_t len)
{
	uint8_t payload[PAYLOAD_MAX];
	struct sealed s = {.key = malloc(keylen), .value = malloc(len + ENVELOPE), .keylen = keylen};

	assert_true(s.key != NULL && s.value != NULL);
	for (size_t i = 0; i < keylen; i++)
		s.key[i] = (uint8_t)(i * 7 + 1);
	for (size_t i = 0; i < len; i++)
		payload[i] = (uint8_t)(i * 13 + 5);
	assert_int_equal(
	    ka_record_seal(KA_TABLE_NAME, s.key, keylen, payload, len, s.value, len + ENVELOPE, &s.len), KA_OK);
	assert_int_equal(s.len, len + ENVELOPE);
	return s;
}

static void
free_sealed(struct sealed *s)
{
	free(s->key);
	free(s->value);
}

static enum ka_result
unseal(const struct sealed *s, enum ka_table table)
{
	const uint8_t *payload;
	size_t n;

	return ka_record_unseal(table, s->key, s->keylen, s->value, s->len, &payload, &n);
}

static void
sealed_payload_comes_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(seals); i++) {
		struct sealed s = make_sealed(seals[i].keylen, seals[i].len);
		const uint8_t *payload;
		size_t n;

		assert_int_equal(ka_record_unseal(KA_TABLE_NAME, s.key, s.keylen, s.value, s.len, &payload, &n), KA_OK);
		assert_int_equal(n, seals[i].len);
		assert_ptr_equal(payload, s.value + ENVELOPE);
		for (size_t k = 0; k < n; k++)
			assert_int_equal(payload[k], (uint8_t)(k * 13 + 5));
		free_sealed(&s);
	}
}

static void
any_changed_byte_breaks_the_seal(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(seals); i++) {
		struct sealed s = make_sealed(seals[i].keylen, seals[i].len);

		for (size_t k = 0; k < s.len; k++)
			for (unsigned change = 1; change < 256; change += k < 64 ? 1 : 37) {
				s.value[k] ^= (uint8_t)change;
				assert_int_equal(unseal(&s, KA_TABLE_NAME), KA_CORRUPT);
				s.value[k] ^= (uint8_t)change;
			}
		for (size_t k = 0; k < s.keylen; k++)
			for (unsigned change = 1; change < 256; change++) {
				s.key[k] ^= (uint8_t)change;
				assert_int_equal(unseal(&s, KA_TABLE_NAME), KA_CORRUPT);
				s.key[k] ^= (uint8_t)change;
			}
		assert_int_equal(unseal(&s, KA_TABLE_NAME), KA_OK);
		free_sealed(&s);
	}
}

static void
seal_holds_for_one_table_and_key(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(seals); i++) {
		struct sealed s = make_sealed(seals[i].keylen, seals[i].len);

		for (unsigned table = 0; table < KA_TABLES; table++)
			assert_int_equal(unseal(&s, (enum ka_table)table), table == KA_TABLE_NAME ? KA_OK : KA_CORRUPT);
		for (size_t keylen = s.keylen; keylen > 0; s.keylen = --keylen)
			assert_int_equal(unseal(&s, KA_TABLE_NAME), keylen == seals[i].keylen ? KA_OK : KA_CORRUPT);
		free_sealed(&s);
	}
}

static void
shorter_sealed_values_are_corrupt(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(seals); i++) {
		struct sealed s = make_sealed(seals[i].keylen, seals[i].len);

		while (s.len-- > 0)
			assert_int_equal(unseal(&s, KA_TABLE_NAME), KA_CORRUPT);
		free_sealed(&s);
	}
}

/* "ab" + "c" is not "a" + "bc". */
static void
no_byte_moves_from_key_to_payload(void **state)
{
	uint8_t one[16], two[16];
	size_t n, m;

	(void)state;
	assert_int_equal(ka_record_seal(KA_TABLE_NAME, "ab", 2, "c", 1, one, sizeof(one), &n), KA_OK);
	assert_int_equal(ka_record_seal(KA_TABLE_NAME, "a", 1, "bc", 2, two, sizeof(two), &m), KA_OK);
	assert_memory_not_equal(one + 1, two + 1, 8);
}

static void
what_does_not_fit_is_not_sealed(void **state)
{
	uint8_t key[KA_KEY_MAX + 1] = {0}, payload[PAYLOAD_MAX + 1] = {0}, out[KA_RECORD_MAX + 1];
	size_t n;

	(void)state;
	memset(out, 0xa5, sizeof(out));
	assert_int_equal(ka_record_seal(KA_TABLE_KEY, key, sizeof(key), payload, 1, out, sizeof(out), &n), KA_INVALID);
	assert_int_equal(
	    ka_record_seal(KA_TABLE_KEY, key, 16, payload, sizeof(payload), out, KA_RECORD_MAX, &n), KA_INVALID);
	for (size_t room = 0; room < 20 + ENVELOPE; room++)
		assert_int_equal(ka_record_seal(KA_TABLE_KEY, key, 16, payload, 20, out, room, &n), KA_INVALID);
	assert_int_equal(out[0], 0xa5);
	assert_int_equal(ka_record_seal(KA_TABLE_KEY, key, 16, payload, 20, out, 20 + ENVELOPE, &n), KA_OK);
	assert_int_equal(out[20 + ENVELOPE], 0xa5);
}

/* The bytes of a sealed row are a file format: they may not change under an unchanged version byte. */
static void
sealed_bytes_are_pinned(void **state)
{
	uint8_t payload[KA_RECORD_MAX], value[KA_RECORD_MAX];
	struct ka_name name = {.uid = KA_UID_FIRST, .home = "/h", .shell = "/s"};
	static const uint8_t want[] = {0, 0x70, 0, 0, 0, 0, 2, '/', 'h', 0, 2, '/', 's'};
	uint64_t sum;
	size_t n, m;

	(void)state;
	assert_int_equal(ka_record_put_name(&name, payload, &n), KA_OK);
	assert_int_equal(n, sizeof(want));
	assert_memory_equal(payload, want, n);
	assert_int_equal(
	    ka_record_seal(KA_TABLE_NAME, "0123456789abcdef", 16, payload, n, value, sizeof(value), &m), KA_OK);
	assert_int_equal(value[0], 1);
	assert_memory_equal(value + ENVELOPE, want, n);
	/* FNV-1a's published values for "", "a" and "foobar" (draft-eastlake-fnv). */
	assert_true(ka_record_checksum(KA_CHECKSUM_START, "", 0) == 0xcbf29ce484222325ULL);
	assert_true(ka_record_checksum(KA_CHECKSUM_START, "a", 1) == 0xaf63dc4c8601ec8cULL);
	assert_true(ka_record_checksum(KA_CHECKSUM_START, "foobar", 6) == 0x85944171f73967e8ULL);
	sum = ka_record_checksum(KA_CHECKSUM_START, "\x01\x10name", 7); /* version, key length, table, NUL */
	sum = ka_record_checksum(ka_record_checksum(sum, "0123456789abcdef", 16), want, sizeof(want));
	assert_true(ka_table_from_be64(value + 1) == sum);
}

/* A newer writer's compatible bits and longer payload are read; an incompatible bit is not. */
static void
version_bits(void **state)
{
	uint8_t payload[KA_RECORD_MAX], value[KA_RECORD_MAX];
	struct ka_name name = {.uid = KA_UID_FIRST, .home = "/h", .shell = "/s"}, got;
	const uint8_t *found;
	size_t n, m, len;

	(void)state;
	assert_int_equal(ka_record_put_name(&name, payload, &n), KA_OK);
	memset(payload + n, 0xee, 7);
	for (unsigned version = 0; version < 256; version++) {
		const uint8_t head[] = {(uint8_t)version, 16};
		uint64_t sum = ka_record_checksum(KA_CHECKSUM_START, head, 2);

		assert_int_equal(
		    ka_record_seal(KA_TABLE_NAME, "0123456789abcdef", 16, payload, n + 7, value, sizeof(value), &m),
		    KA_OK);
		value[0] = (uint8_t)version;
		sum = ka_record_checksum(ka_record_checksum(sum, "name", 5), "0123456789abcdef", 16);
		ka_table_be64(ka_record_checksum(sum, payload, n + 7), value + 1);
		if ((version & 0x0f) != 1) {
			assert_int_equal(
			    ka_record_unseal(KA_TABLE_NAME, "0123456789abcdef", 16, value, m, &found, &len),
			    KA_CORRUPT);
			continue;
		}
		assert_int_equal(
		    ka_record_unseal(KA_TABLE_NAME, "0123456789abcdef", 16, value, m, &found, &len), KA_OK);
		assert_int_equal(ka_record_get_name(found, len, &got), KA_OK);
		assert_int_equal(got.uid, KA_UID_FIRST);
		assert_string_equal(got.shell, "/s");
	}
}

static void
order_of_keys_is_order_of_numbers(void **state)
{
	static const uint64_t numbers[] = {
	    0, 1, 255, 256, 65535, 65536, KA_UID_FIRST, UINT32_MAX, 1ULL << 32, UINT64_MAX};
	uint8_t a[8], b[8];

	(void)state;
	for (size_t i = 0; i < COUNT(numbers); i++) {
		ka_table_be64(numbers[i], b);
		assert_true(ka_table_from_be64(b) == numbers[i]);
		if (i > 0)
			assert_true(memcmp(a, b, 8) < 0);
		memcpy(a, b, 8);
	}
	ka_table_be32(0x70010203U, a);
	assert_memory_equal(a, "\x70\x01\x02\x03", 4);
}

static void
every_table_has_its_own_name(void **state)
{
	(void)state;
	for (unsigned i = 0; i < KA_TABLES; i++) {
		const char *name = ka_table_name((enum ka_table)i);

		assert_non_null(name);
		/* A key of the file's main table; LMDB takes up to 511 bytes, the view any. */
		assert_true(strlen(name) > 0 && strlen(name) <= KA_KEY_MAX);
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(name, ka_table_name((enum ka_table)k));
	}
}

/* Twenty of the largest registrations, with the longest keys that a table may have, need no overflow page. */
static void
largest_rows_fit_half_a_page(void **state)
{
	char dir[] = "/tmp/test_record.XXXXXX", path[64], lock[80];
	uint8_t key[KA_KEY_MAX] = {0};
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	MDB_stat stat;
	int overflow;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/rows.mdb", dir);
	(void)snprintf(lock, sizeof(lock), "%s-lock", path);
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOSYNC, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
	/* Changes are two rows each, and the view never reads them. */
	for (size_t t = 0; t < COUNT(types); t++)
		for (key[0] = 0; key[0] < 20 && types[t].put != put_change; key[0]++) {
			union row row;
			uint8_t value[KA_RECORD_MAX];
			size_t n;
			uint8_t *payload = make_row(&types[t], true, &row, &n);
			MDB_val k = {sizeof(key), key}, v = {0, value};

			key[1] = (uint8_t)t;
			assert_int_equal(ka_record_seal(KA_TABLE_KEY, key, sizeof(key), payload, n, value,
					     sizeof(value), &v.mv_size),
			    KA_OK);
			assert_int_equal(mdb_put(txn, dbi, &k, &v, 0), 0);
			free(payload);
		}
	assert_int_equal(mdb_stat(txn, dbi, &stat), 0);
	assert_int_equal(stat.ms_psize, 4096);
	assert_int_equal(stat.ms_entries, 20 * (COUNT(types) - 1));
	assert_int_equal(stat.ms_overflow_pages, 0);
	/* The limit itself fits, and one byte more would not: KA_RECORD_MAX is LMDB's number, not a guess. */
	for (overflow = 0; overflow < 2; overflow++) {
		uint8_t value[KA_RECORD_MAX + 1] = {0};
		MDB_val k = {sizeof(key), key}, v = {KA_RECORD_MAX + (size_t)overflow, value};

		key[0] = 0xff;
		assert_int_equal(mdb_put(txn, dbi, &k, &v, 0), 0);
		assert_int_equal(mdb_stat(txn, dbi, &stat), 0);
		assert_int_equal(stat.ms_overflow_pages, overflow);
	}
	mdb_txn_abort(txn);
	mdb_env_close(env);
	(void)unlink(path);
	(void)unlink(lock);
	(void)rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_row_comes_back),
	    cmocka_unit_test(fields_of_the_key_are_not_in_the_payload),
	    cmocka_unit_test(every_truncation_is_corrupt),
	    cmocka_unit_test(bytes_behind_a_row_are_ignored),
	    cmocka_unit_test(damaged_payload_is_refused_or_valid),
	    cmocka_unit_test(uids_of_others_are_refused),
	    cmocka_unit_test(uids_at_the_edges_are_good),
	    cmocka_unit_test(uid_counter_stays_in_its_range),
	    cmocka_unit_test(unknown_states_and_roles_are_refused),
	    cmocka_unit_test(booleans_are_0_or_1),
	    cmocka_unit_test(times_before_1970_and_after_9999_are_refused),
	    cmocka_unit_test(strings_without_end_are_refused),
	    cmocka_unit_test(paths_fit_a_passwd_entry),
	    cmocka_unit_test(stored_paths_are_checked),
	    cmocka_unit_test(handles_cannot_be_taken_for_ids),
	    cmocka_unit_test(stored_handle_is_checked),
	    cmocka_unit_test(limits_of_a_key_are_an_address_list),
	    cmocka_unit_test(stored_limits_of_a_key_are_checked),
	    cmocka_unit_test(sealed_payload_comes_back),
	    cmocka_unit_test(any_changed_byte_breaks_the_seal),
	    cmocka_unit_test(seal_holds_for_one_table_and_key),
	    cmocka_unit_test(shorter_sealed_values_are_corrupt),
	    cmocka_unit_test(no_byte_moves_from_key_to_payload),
	    cmocka_unit_test(what_does_not_fit_is_not_sealed),
	    cmocka_unit_test(sealed_bytes_are_pinned),
	    cmocka_unit_test(version_bits),
	    cmocka_unit_test(order_of_keys_is_order_of_numbers),
	    cmocka_unit_test(every_table_has_its_own_name),
	    cmocka_unit_test(largest_rows_fit_half_a_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
