/*
 * The rows' bytes. The first byte chooses the kind, the rest is a payload. Whatever can be read, is within the limits
 * that record.h promises and becomes the same bytes again; a sealed value opens again, and only for its own table and
 * key.
 */
#include <stdbool.h>
#include <string.h>

#include "common/address.h"
#include "common/record.h"
#include "common/time.h"
#include "tests/fuzz/fuzz.h"

static bool
time_ok(int64_t at_s)
{
	return at_s >= 0 && at_s <= KA_TIME_MAX;
}

static bool
is_text(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

/* get, then put: the payload's first bytes again. What follows them belongs to a newer version. */
#define ROW(type, promise)                                              \
	static void type##_row(const uint8_t *payload, size_t len)      \
	{                                                               \
		uint8_t again[KA_CHANGE_MAX];                           \
		struct ka_##type row, twice;                            \
		size_t n;                                               \
                                                                        \
		if (ka_record_get_##type(payload, len, &row) != KA_OK)  \
			return;                                         \
		CHECK(promise);                                         \
		CHECK(ka_record_put_##type(&row, again, &n) == KA_OK);  \
		CHECK(n <= len && memcmp(payload, again, n) == 0);      \
		CHECK(ka_record_get_##type(again, n, &twice) == KA_OK); \
		CHECK(memcmp(&row, &twice, sizeof(row)) == 0);          \
	}

ROW(project, row.state >= KA_PROJECT_ACTIVE && row.state <= KA_PROJECT_DELETED && ka_record_uid_ok(row.uid) &&
		 time_ok(row.created_s) && is_text(row.title, sizeof(row.title)) &&
		 is_text(row.home, sizeof(row.home)) && is_text(row.shell, sizeof(row.shell)) &&
		 ka_record_path_ok(row.home) && ka_record_path_ok(row.shell))
ROW(account, (row.state == KA_ACCOUNT_ACTIVE || row.state == KA_ACCOUNT_SUSPENDED) && time_ok(row.created_s) &&
		 is_text(row.handle, sizeof(row.handle)) && ka_record_handle_ok(row.handle) &&
		 is_text(row.name, sizeof(row.name)) && is_text(row.email, sizeof(row.email)))
ROW(member, (row.role == KA_ROLE_COLLABORATOR || row.role == KA_ROLE_OWNER) && time_ok(row.created_s) &&
		time_ok(row.not_before_s) && time_ok(row.expires_s))
ROW(key, (row.state == KA_KEY_ACTIVE || row.state == KA_KEY_INACTIVE) && time_ok(row.created_s) &&
	     time_ok(row.not_before_s) && time_ok(row.expires_s) && is_text(row.type, sizeof(row.type)) &&
	     is_text(row.title, sizeof(row.title)) && is_text(row.tags, sizeof(row.tags)) &&
	     is_text(row.note, sizeof(row.note)) && is_text(row.origin, sizeof(row.origin)) &&
	     is_text(row.hosts, sizeof(row.hosts)) && is_text(row.from, sizeof(row.from)) &&
	     (row.from[0] == '\0' || ka_address_list_ok(row.from)))
ROW(name, ka_record_uid_ok(row.uid) && is_text(row.home, sizeof(row.home)) && is_text(row.shell, sizeof(row.shell)) &&
	      ka_record_path_ok(row.home) && ka_record_path_ok(row.shell))
ROW(meta, row.uid_next >= KA_UID_FIRST && row.uid_next <= KA_UID_LAST + 1)
ROW(change, time_ok(row.at_s) && (unsigned)row.table <= UINT8_MAX && is_text(row.verb, sizeof(row.verb)) &&
		is_text(row.sudo_user, sizeof(row.sudo_user)) && (row.before.keylen > 0 || row.after.keylen > 0))
ROW(use, time_ok(row.at_s))

static void (*const kinds[])(const uint8_t *, size_t) = {
    project_row, account_row, member_row, key_row, name_row, meta_row, change_row, use_row};

/* As a stored value, as it stands and sealed. */
static void
seals(enum ka_table table, const uint8_t *bytes, size_t len)
{
	uint8_t value[KA_RECORD_MAX];
	size_t keylen = len > 0 ? bytes[0] % (KA_KEY_MAX + 1) : 0, n, again;
	const uint8_t *payload;

	if (len < keylen)
		keylen = len;
	if (ka_record_unseal(table, bytes, keylen, bytes + keylen, len - keylen, &payload, &n) == KA_OK)
		CHECK(payload >= bytes + keylen && payload + n == bytes + len);
	if (ka_record_seal(table, bytes, keylen, bytes + keylen, len - keylen, value, sizeof(value), &n) != KA_OK) {
		CHECK(len - keylen > KA_RECORD_MAX - 9);
		return;
	}
	CHECK(ka_record_unseal(table, bytes, keylen, value, n, &payload, &again) == KA_OK);
	CHECK(again == len - keylen && memcmp(payload, bytes + keylen, again) == 0);
	CHECK(ka_record_unseal((table + 1) % KA_TABLES, bytes, keylen, value, n, &payload, &again) == KA_CORRUPT);
	CHECK(keylen == 0 || ka_record_unseal(table, bytes, keylen - 1, value, n, &payload, &again) == KA_CORRUPT);
	CHECK(ka_record_unseal(table, bytes, keylen, value, n - 1, &payload, &again) == KA_CORRUPT);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	unsigned kind = take8(&in);

	kinds[kind % 8](in.at, in.left);
	seals(kind % KA_TABLES, in.at, in.left);
	return 0;
}
