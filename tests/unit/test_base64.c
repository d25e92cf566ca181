#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/base64.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static enum ka_result
decode(const char *text, size_t textlen, uint8_t *out, size_t outlen, size_t *n)
{
	/* Copies of the exact size: a sanitizer sees a byte too far. */
	char *in = malloc(textlen > 0 ? textlen : 1);
	uint8_t *room = malloc(outlen > 0 ? outlen : 1);
	enum ka_result r;

	assert_non_null(in);
	assert_non_null(room);
	if (textlen > 0)
		memcpy(in, text, textlen);
	*n = 12345;
	r = ka_base64_decode(in, textlen, room, outlen, n);
	assert_true(*n <= outlen);
	if (r == KA_OK)
		memcpy(out, room, *n);
	free(in);
	free(room);
	return r;
}

static void
refused(const char *text)
{
	uint8_t out[64];
	size_t n;

	assert_int_equal(decode(text, strlen(text), out, sizeof(out), &n), KA_INVALID);
	assert_int_equal(n, 0);
}

/* RFC 4648, section 10 */
static void
test_vectors(void **state)
{
	static const struct {
		const char *bytes, *text;
	} vectors[] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="},
	    {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xbe", "+/++"}, {"\xff\xff\xff", "////"}};

	(void)state;
	for (size_t i = 0; i < COUNT(vectors); i++) {
		size_t len = strlen(vectors[i].bytes), n;
		uint8_t out[16];
		char text[16];

		assert_int_equal(ka_base64_encode((const uint8_t *)vectors[i].bytes, len, text, sizeof(text)), KA_OK);
		assert_string_equal(text, vectors[i].text);
		assert_int_equal(decode(text, strlen(text), out, len, &n), KA_OK);
		assert_int_equal(n, len);
		assert_memory_equal(out, vectors[i].bytes, len);
	}
}

static void
test_every_length(void **state)
{
	uint8_t bytes[200], out[200];
	char text[KA_BASE64_LEN(sizeof(bytes))];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 37 + 11);
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		size_t n;

		assert_int_equal(ka_base64_encode(bytes, len, text, KA_BASE64_LEN(len)), KA_OK);
		assert_int_equal(strlen(text) + 1, KA_BASE64_LEN(len));
		assert_int_equal(decode(text, strlen(text), out, len, &n), KA_OK);
		assert_int_equal(n, len);
		assert_memory_equal(out, bytes, len);
		/* One less is too little, on both ways. */
		assert_int_equal(ka_base64_encode(bytes, len, text, KA_BASE64_LEN(len) - 1), KA_INVALID);
		if (len > 0)
			assert_int_equal(decode(text, strlen(text), out, len - 1, &n), KA_INVALID);
	}
	assert_int_equal(ka_base64_encode(bytes, 0, text, 0), KA_INVALID);
	/* A length that would wrap around is too long, not short. */
	assert_int_equal(ka_base64_encode(bytes, SIZE_MAX, text, sizeof(text)), KA_INVALID);
	assert_int_equal(ka_base64_encode(bytes, SIZE_MAX / 4 * 3 + 1, text, sizeof(text)), KA_INVALID);
}

static void
test_digits(void **state)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	(void)state;
	/* At each of the four places, each of the 256 bytes. */
	for (size_t at = 0; at < 4; at++)
		for (unsigned c = 0; c < 256; c++) {
			char text[] = "AAAA";
			const char *digit = c == 0 ? NULL : strchr(digits, (int)c);
			uint8_t out[3];
			size_t n;

			text[at] = (char)c;
			if (digit != NULL) {
				uint32_t bits = (uint32_t)(digit - digits) << 6 * (3 - at);

				assert_int_equal(decode(text, 4, out, 3, &n), KA_OK);
				assert_int_equal(n, 3);
				assert_int_equal((uint32_t)out[0] << 16 | (uint32_t)out[1] << 8 | out[2], bits);
			} else if (c != '=' || at != 3) {
				assert_int_equal(decode(text, 4, out, 3, &n), KA_INVALID);
			}
		}
}

static void
test_strict(void **state)
{
	static const char *const bad[] = {"A", "AA", "AAA", "A===", "====", "=", "==", "=AAA", "A=AA", "AA=A",
	    "AA==AAAA", "AAA=AAAA", "AAAA=", "AAAA==", "AAAA====", "Zg=", "Zg", "Zm8", "Zm8==", " Zm9v", "Zm9v ",
	    "Zm9v\n", "Zm 9v==", "Zm9-", "Zm9_"};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		refused(bad[i]);
}

static void
test_loose_bits(void **state)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint8_t out[3];
	size_t n;

	(void)state;
	for (unsigned d = 0; d < 64; d++) {
		const char two[] = {'A', digits[d], '=', '='}, one[] = {'A', 'A', digits[d], '='};

		assert_int_equal(decode(two, 4, out, 3, &n), d % 16 == 0 ? KA_OK : KA_INVALID);
		assert_int_equal(decode(one, 4, out, 3, &n), d % 4 == 0 ? KA_OK : KA_INVALID);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_vectors),
	    cmocka_unit_test(test_every_length),
	    cmocka_unit_test(test_digits),
	    cmocka_unit_test(test_strict),
	    cmocka_unit_test(test_loose_bits),
	};

	return cmocka_run_group_tests_name("base64", tests, NULL, NULL);
}
