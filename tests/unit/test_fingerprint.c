#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "common/fingerprint.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* What sha256sum, base64 and md5sum make of no bytes at all. */
static const uint8_t sha256_of_nothing[KA_SHA256_LEN] = {0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb,
    0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78,
    0x52, 0xb8, 0x55};
static const char text_of_nothing[] = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";
static const uint8_t md5_of_nothing[KA_MD5_LEN] = {
    0xd4, 0x1d, 0x8c, 0xd9, 0x8f, 0x00, 0xb2, 0x04, 0xe9, 0x80, 0x09, 0x98, 0xec, 0xf8, 0x42, 0x7e};

static void
test_format(void **state)
{
	char text[KA_SHA256_TEXT_LEN], md5[KA_MD5_TEXT_LEN];

	(void)state;
	ka_fingerprint_format(sha256_of_nothing, text);
	assert_string_equal(text, text_of_nothing);
	assert_int_equal(strlen(text) + 1, KA_SHA256_TEXT_LEN);
	ka_fingerprint_format_md5(md5_of_nothing, md5);
	assert_string_equal(md5, "d4:1d:8c:d9:8f:00:b2:04:e9:80:09:98:ec:f8:42:7e");
	assert_int_equal(strlen(md5) + 1, KA_MD5_TEXT_LEN);
}

static void
test_parse(void **state)
{
	uint8_t sha256[KA_SHA256_LEN] = {0};

	(void)state;
	assert_int_equal(ka_fingerprint_parse(text_of_nothing, sha256), KA_OK);
	assert_memory_equal(sha256, sha256_of_nothing, sizeof(sha256));
}

static void
test_there_and_back(void **state)
{
	uint8_t sha256[KA_SHA256_LEN], back[KA_SHA256_LEN];
	char text[KA_SHA256_TEXT_LEN];

	(void)state;
	for (size_t bit = 0; bit < 8 * sizeof(sha256); bit++) {
		memset(sha256, 0, sizeof(sha256));
		sha256[bit / 8] = (uint8_t)(1u << bit % 8);
		ka_fingerprint_format(sha256, text);
		assert_int_equal(ka_fingerprint_parse(text, back), KA_OK);
		assert_memory_equal(back, sha256, sizeof(back));
	}
}

static void
refused(const char *text)
{
	uint8_t sha256[KA_SHA256_LEN], before[KA_SHA256_LEN];

	memset(before, 0xa5, sizeof(before));
	memcpy(sha256, before, sizeof(before));
	assert_int_equal(ka_fingerprint_parse(text, sha256), KA_INVALID);
	assert_memory_equal(sha256, before, sizeof(before));
}

static void
test_refused(void **state)
{
	static const char *const bad[] = {"", "SHA256", "SHA256:", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
	    "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU", "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
	    " SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
	    "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU ",
	    "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU\n",
	    "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuF=", "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuA=",
	    "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuF", "SHA256:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
	    "MD5:d4:1d:8c:d9:8f:00:b2:04:e9:80:09:98:ec:f8:42:7e", "d4:1d:8c:d9:8f:00:b2:04:e9:80:09:98:ec:f8:42:7e"};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		refused(bad[i]);
}

static void
test_every_place(void **state)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char text[sizeof(text_of_nothing)];

	(void)state;
	for (size_t at = 0; at < sizeof(text) - 1; at++) {
		memcpy(text, text_of_nothing, sizeof(text));
		text[at] = '\0';
		refused(text);
		text[at] = '!';
		refused(text);
	}
	/* Of the last digit's six bits two belong to no byte. */
	memcpy(text, text_of_nothing, sizeof(text));
	for (size_t d = 0; d < 64; d++) {
		uint8_t sha256[KA_SHA256_LEN];

		text[sizeof(text) - 2] = digits[d];
		assert_int_equal(ka_fingerprint_parse(text, sha256), d % 4 == 0 ? KA_OK : KA_INVALID);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_format),
	    cmocka_unit_test(test_parse),
	    cmocka_unit_test(test_there_and_back),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_every_place),
	};

	return cmocka_run_group_tests_name("fingerprint", tests, NULL, NULL);
}
