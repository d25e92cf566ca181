/*
 * What people and sshd write: ids, times, addresses and their lists, base64, fingerprints, handles. The first byte
 * chooses, the rest is the text. What is read can be written, and what is written reads as the same.
 */
#include <string.h>

#include "common/address.h"
#include "common/base64.h"
#include "common/fingerprint.h"
#include "common/record.h"
#include "common/time.h"
#include "common/uuid.h"
#include "tests/fuzz/fuzz.h"

#define NOW 1767225600 /* 2026-01-01 */

static void
uuids(const char *text)
{
	uint8_t id[KA_UUID_LEN], again[KA_UUID_LEN], low[KA_UUID_LEN], high[KA_UUID_LEN];
	char name[KA_UUID_NAME_LEN], hyphened[KA_UUID_TEXT_LEN];

	if (ka_uuid_from_name(text, id) == KA_OK) {
		ka_uuid_name(id, name);
		CHECK(strcmp(name, text) == 0);
		CHECK(ka_uuid_parse(text, again) == KA_OK && memcmp(id, again, KA_UUID_LEN) == 0);
	}
	if (ka_uuid_parse_prefix(text, low, high) == KA_OK)
		CHECK(memcmp(low, high, KA_UUID_LEN) <= 0);
	if (ka_uuid_parse(text, id) != KA_OK)
		return;
	CHECK(ka_uuid_parse_prefix(text, low, high) == KA_OK);
	CHECK(memcmp(low, id, KA_UUID_LEN) == 0 && memcmp(high, id, KA_UUID_LEN) == 0);
	ka_uuid_name(id, name);
	CHECK(ka_uuid_from_name(name, again) == KA_OK && memcmp(id, again, KA_UUID_LEN) == 0);
	ka_uuid_text(id, hyphened);
	CHECK(ka_uuid_parse(hyphened, again) == KA_OK && memcmp(id, again, KA_UUID_LEN) == 0);
}

static void
times(const char *text)
{
	char written[KA_TIME_TEXT_LEN];
	int64_t at_s, again;

	if (ka_time_parse(text, NOW, &at_s) != KA_OK)
		return;
	CHECK(at_s >= 1 && at_s <= KA_TIME_MAX);
	ka_time_format_utc(at_s, written);
	CHECK(strlen(written) == 20 && written[19] == 'Z');
	CHECK(ka_time_parse(written, NOW, &again) == KA_OK && at_s == again);
	ka_time_format_local(at_s, written);
	CHECK(strlen(written) == 19);
}

static void
addresses(const char *text)
{
	static const uint8_t unknown[KA_ADDRESS_LEN];
	uint8_t address[KA_ADDRESS_LEN], again[KA_ADDRESS_LEN];
	char written[KA_ADDRESS_TEXT_LEN];

	if (ka_address_parse(text, address) != KA_OK)
		return;
	ka_address_format(address, written);
	if (memcmp(address, unknown, sizeof(unknown)) == 0) {
		CHECK(strcmp(written, "-") == 0);
		return;
	}
	CHECK(ka_address_parse(written, again) == KA_OK && memcmp(address, again, sizeof(address)) == 0);
	CHECK(ka_address_list_ok(written) && ka_address_matches(written, address));
}

/* An address, a NUL, a list. What is no list matches nothing; what is one, matches with another item before it too. */
static void
lists(const char *text, size_t len)
{
	const char *end = memchr(text, '\0', len), *list = end != NULL && end < text + len ? end + 1 : "";
	uint8_t address[KA_ADDRESS_LEN];
	char longer[4096];
	bool ok = ka_address_list_ok(list), matches;

	if (ka_address_parse(text, address) != KA_OK)
		memset(address, 0x11, sizeof(address));
	matches = ka_address_matches(list, address);
	CHECK(ok || !matches);
	if (snprintf(longer, sizeof(longer), "1112::/128,%s", list) >= (int)sizeof(longer))
		return;
	CHECK(ka_address_list_ok(longer) == ok);
	CHECK(ka_address_matches(longer, address) == matches);
	if (ok) {
		CHECK(strspn(list, "0123456789abcdefABCDEF.:/,") == strlen(list));
		(void)snprintf(longer, sizeof(longer), "%s,", list);
		CHECK(!ka_address_list_ok(longer));
	}
}

static void
base64(const char *text, size_t len)
{
	uint8_t bytes[2048];
	char again[KA_BASE64_LEN(sizeof(bytes))];
	size_t n;

	if (ka_base64_decode(text, len, bytes, sizeof(bytes), &n) == KA_OK) {
		CHECK(ka_base64_encode(bytes, n, again, sizeof(again)) == KA_OK);
		CHECK(strlen(again) == len && memcmp(again, text, len) == 0);
		CHECK(n == 0 || ka_base64_decode(text, len, bytes, n - 1, &n) == KA_INVALID);
	}
	if (len > 1024)
		return;
	CHECK(ka_base64_encode((const uint8_t *)text, len, again, KA_BASE64_LEN(len)) == KA_OK);
	CHECK(ka_base64_decode(again, strlen(again), bytes, sizeof(bytes), &n) == KA_OK);
	CHECK(n == len && memcmp(bytes, text, len) == 0);
}

static void
fingerprints(const char *text)
{
	uint8_t sha256[KA_SHA256_LEN];
	char again[KA_SHA256_TEXT_LEN];

	if (ka_fingerprint_parse(text, sha256) != KA_OK)
		return;
	ka_fingerprint_format(sha256, again);
	CHECK(strcmp(again, text) == 0);
}

/* A handle is never a uuid or its prefix, and never needs quoting. */
static void
handles(const char *text)
{
	uint8_t low[KA_UUID_LEN], high[KA_UUID_LEN];

	if (!ka_record_handle_ok(text))
		return;
	CHECK(ka_uuid_parse_prefix(text, low, high) == KA_INVALID);
	CHECK(strpbrk(text, " \t\n\"'\\$`=,;:/") == NULL && strlen(text) < KA_HANDLE_LEN);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	unsigned kind = take8(&in) % 7;
	char *text = malloc(in.left + 1);

	CHECK(text != NULL);
	if (in.left > 0)
		memcpy(text, in.at, in.left);
	text[in.left] = '\0';
	switch (kind) {
	case 0:
		uuids(text);
		break;
	case 1:
		times(text);
		break;
	case 2:
		addresses(text);
		break;
	case 3:
		lists(text, in.left);
		break;
	case 4:
		base64(text, in.left);
		break;
	case 5:
		fingerprints(text);
		break;
	default:
		handles(text);
		break;
	}
	free(text);
	return 0;
}
