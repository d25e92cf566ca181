#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "common/uuid.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char name[] = "0123456789abcdeffedcba9876543210";
static const char text[] = "01234567-89ab-cdef-fedc-ba9876543210";
static const uint8_t bytes[KA_UUID_LEN] = {
    0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10};

static void
test_name(void **state)
{
	uint8_t uuid[KA_UUID_LEN];
	char out[KA_UUID_NAME_LEN];

	(void)state;
	assert_int_equal(ka_uuid_from_name(name, uuid), KA_OK);
	assert_memory_equal(uuid, bytes, sizeof(uuid));
	ka_uuid_name(bytes, out);
	assert_string_equal(out, name);
}

static void
test_name_every_place(void **state)
{
	uint8_t uuid[KA_UUID_LEN];
	char n[sizeof(name) + 1];

	(void)state;
	for (size_t at = 0; at < sizeof(name) - 1; at++)
		for (unsigned c = 0; c < 256; c++) {
			memcpy(n, name, sizeof(name));
			n[at] = (char)c;
			assert_int_equal(ka_uuid_from_name(n, uuid),
			    c != 0 && strchr("0123456789abcdef", (int)c) != NULL ? KA_OK : KA_INVALID);
		}
	for (unsigned c = 1; c < 256; c++) {
		memcpy(n, name, sizeof(name));
		n[sizeof(name) - 1] = (char)c;
		n[sizeof(name)] = '\0';
		assert_int_equal(ka_uuid_from_name(n, uuid), KA_INVALID);
	}
}

static void
test_name_refused(void **state)
{
	static const char *const bad[] = {"", "root", "0123456789abcdef", text, "0123456789ABCDEFfedcba9876543210",
	    " 0123456789abcdeffedcba987654321", "0123456789abcdeffedcba987654321 "};
	uint8_t uuid[KA_UUID_LEN];

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(ka_uuid_from_name(bad[i], uuid), KA_INVALID);
}

static void
test_text(void **state)
{
	static const char *const whole[] = {name, text, "01234567-89AB-CDEF-FEDC-BA9876543210",
	    "0123456789ABCDEFfedcba9876543210", "01234567-89abcdeffedcba9876543210"};
	uint8_t uuid[KA_UUID_LEN], low[KA_UUID_LEN], high[KA_UUID_LEN];
	char out[KA_UUID_TEXT_LEN];

	(void)state;
	ka_uuid_text(bytes, out);
	assert_string_equal(out, text);
	for (size_t i = 0; i < COUNT(whole); i++) {
		memset(uuid, 0xa5, sizeof(uuid));
		assert_int_equal(ka_uuid_parse(whole[i], uuid), KA_OK);
		assert_memory_equal(uuid, bytes, sizeof(uuid));
		assert_int_equal(ka_uuid_parse_prefix(whole[i], low, high), KA_OK);
		assert_memory_equal(low, bytes, sizeof(low));
		assert_memory_equal(high, bytes, sizeof(high));
	}
}

static void
test_prefix(void **state)
{
	uint8_t low[KA_UUID_LEN], high[KA_UUID_LEN], uuid[KA_UUID_LEN], first[KA_UUID_LEN], last[KA_UUID_LEN];
	char part[sizeof(name)], padded[sizeof(name)];

	(void)state;
	for (size_t n = 0; n <= sizeof(name) - 1; n++) {
		memcpy(part, name, n);
		part[n] = '\0';
		if (n < KA_UUID_PREFIX) {
			assert_int_equal(ka_uuid_parse_prefix(part, low, high), KA_INVALID);
			continue;
		}
		assert_int_equal(ka_uuid_parse_prefix(part, low, high), KA_OK);
		memset(padded, '0', sizeof(padded) - 1);
		padded[sizeof(padded) - 1] = '\0';
		memcpy(padded, name, n);
		assert_int_equal(ka_uuid_from_name(padded, first), KA_OK);
		memset(padded + n, 'f', sizeof(padded) - 1 - n);
		assert_int_equal(ka_uuid_from_name(padded, last), KA_OK);
		assert_memory_equal(low, first, sizeof(low));
		assert_memory_equal(high, last, sizeof(high));
		assert_int_equal(ka_uuid_parse(part, uuid), n == sizeof(name) - 1 ? KA_OK : KA_INVALID);
	}
	assert_int_equal(ka_uuid_parse_prefix("01234567-89AB-c", low, high), KA_OK);
	assert_int_equal(low[6], 0xc0);
	assert_int_equal(high[6], 0xcf);
	assert_int_equal(high[15], 0xff);
}

static void
test_text_refused(void **state)
{
	static const char *const bad[] = {"", "-", "0123456", "-01234567", "0123456-7", "01234567--89ab",
	    "01234567-89ab-cdef-fedc-ba98765432100", "01234567-89ab-cdef-fedc-ba987654321g",
	    "01234567-89ab-cdef-fedc-ba9876543210-", "01234567 89ab", "{01234567-89ab-cdef-fedc-ba9876543210}",
	    "01234567-89-ab", "01234567\n"};
	uint8_t low[KA_UUID_LEN], high[KA_UUID_LEN];

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_int_equal(ka_uuid_parse_prefix(bad[i], low, high), KA_INVALID);
		assert_int_equal(ka_uuid_parse(bad[i], low), KA_INVALID);
	}
}

static void
test_random(void **state)
{
	uint8_t uuid[KA_UUID_LEN], last[KA_UUID_LEN] = {0}, ones[KA_UUID_LEN] = {0}, zeros[KA_UUID_LEN] = {0};
	char out[KA_UUID_NAME_LEN];

	(void)state;
	for (size_t i = 0; i < 2000; i++) {
		assert_int_equal(ka_uuid_random(uuid), KA_OK);
		assert_memory_not_equal(uuid, last, sizeof(uuid));
		memcpy(last, uuid, sizeof(last));
		assert_int_equal(uuid[6] >> 4, 4);
		assert_int_equal(uuid[8] >> 6, 2);
		ka_uuid_name(uuid, out);
		assert_true(strspn(out, "0123456789") < 2 * KA_UUID_LEN);
		for (size_t b = 0; b < KA_UUID_LEN; b++) {
			ones[b] |= uuid[b];
			zeros[b] = (uint8_t)(zeros[b] | ~uuid[b]);
		}
	}
	/* Each bit but the six fixed ones was seen both ways. */
	for (size_t b = 0; b < KA_UUID_LEN; b++) {
		assert_int_equal(ones[b], b == 6 ? 0x4f : b == 8 ? 0xbf : 0xff);
		assert_int_equal(zeros[b], b == 6 ? 0xbf : b == 8 ? 0x7f : 0xff);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_name),
	    cmocka_unit_test(test_name_every_place),
	    cmocka_unit_test(test_name_refused),
	    cmocka_unit_test(test_text),
	    cmocka_unit_test(test_prefix),
	    cmocka_unit_test(test_text_refused),
	    cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("uuid", tests, NULL, NULL);
}
