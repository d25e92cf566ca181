#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Clean into a buffer of exactly ${outlen} bytes, then copy: a sanitizer sees a byte too far. */
static bool
clean(const char *in, size_t inlen, char *out, size_t outlen)
{
	char *copy = malloc(inlen > 0 ? inlen : 1), *room = malloc(outlen);
	bool same;

	assert_non_null(copy);
	assert_non_null(room);
	if (inlen > 0)
		memcpy(copy, in, inlen);
	memset(room, 0xa5, outlen);
	same = ka_text_clean(copy, inlen, room, outlen);
	assert_non_null(memchr(room, '\0', outlen));
	memcpy(out, room, strlen(room) + 1);
	assert_int_equal(same, strlen(out) == inlen && (inlen == 0 || memcmp(in, out, inlen) == 0));
	free(copy);
	free(room);
	return same;
}

static void
becomes_bytes(const char *in, size_t inlen, const char *expected)
{
	char out[256];

	(void)clean(in, inlen, out, sizeof(out));
	assert_string_equal(out, expected);
}

static void
becomes(const char *in, const char *expected)
{
	becomes_bytes(in, strlen(in), expected);
}

static size_t
utf8_put(uint32_t c, char *out)
{
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

	for (size_t i = n; i-- > 1; c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3f));
	out[0] = (char)(lead[n] | c);
	return n;
}

static void
test_unchanged(void **state)
{
	static const char *const good[] = {"", "a", "The owner's laptop", "\xc3\xa9t\xc3\xa9",
	    "\xe6\x97\xa5\xe6\x9c\xac", "\xf0\x9f\x94\x91 key", "~", "!", "\xf4\x8f\xbf\xbf", "\xef\xbf\xbd"};
	char out[64];

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		assert_true(clean(good[i], strlen(good[i]), out, sizeof(out)));
		assert_string_equal(out, good[i]);
		assert_true(clean(good[i], strlen(good[i]), out, strlen(good[i]) + 1));
	}
	assert_true(ka_text_clean(NULL, 0, out, sizeof(out)));
	assert_string_equal(out, "");
}

static void
test_white_space(void **state)
{
	(void)state;
	becomes(" a", "a");
	becomes("a ", "a");
	becomes("  ", "");
	becomes(" \t\r\n\v\f a \t\r\n\v\f b \n", "a b");
	becomes("a\xc2\xa0\xe2\x80\x83\xe3\x80\x80"
		"b",
	    "a b");
	/* Line separators part words. */
	becomes("a\xe2\x80\xa8"
		"b",
	    "a b");
	becomes("\xe2\x80\xa9"
		"a\xe2\x80\xa9 \xe2\x80\xa8"
		"b\xc2\x85",
	    "a b");
	becomes("a\xc2\x85"
		"b",
	    "a b");
	/* One byte alone is no U+0085. */
	becomes("a\x85"
		"b",
	    "ab");
	/* What is dropped between blanks leaves one of them, and none at an end. */
	becomes("a \x01 b", "a b");
	becomes("a \xe2\x80\x8b \xe2\x80\x8b", "a");
	becomes("\x7f a", "a");
	becomes("\xff \xff", "");
	becomes_bytes("a\0b", 3, "ab");
	becomes_bytes("\0", 1, "");
}

static void
test_attacks(void **state)
{
	(void)state;
	becomes("\x1b[2J\x1b]0;x\x07", "[2J]0;x");
	becomes("a\r\nroot", "a root");
	becomes("user\xe2\x80\xae"
		"txt.exe",
	    "usertxt.exe");
	becomes("\xef\xbb\xbf"
		"key",
	    "key");
	becomes("a\xc2\x9b"
		"31mb",
	    "a31mb");
	becomes("a\x9b"
		"31mb",
	    "a31mb");
	becomes("k\xf3\xa0\x81\xa5y", "ky");
	/* Fillers that draw nothing, alone and in a row, would make two names look the same. */
	becomes("root\xe3\x85\xa4", "root");
	becomes("r\xcd\x8fo\xe1\x85\x9fo\xe1\x85\xa0t\xef\xbe\xa0", "root");
	becomes("\xe1\x9e\xb4\xe1\x9e\xb5root\xef\xb8\x80\xef\xb8\x8f", "root");
	becomes("\xe2\x9d\xa4\xef\xb8\x8f", "\xe2\x9d\xa4");
}

static void
test_bad_utf8(void **state)
{
	(void)state;
	becomes("a\xc3", "a");
	becomes("a\xe2\x82", "a");
	becomes("a\xf0\x9f\x94", "a");
	becomes("\xe2(\xa1", "(");
	becomes("\xe2\x82(", "(");
	becomes("\xf0\x9f(\x94", "(");
	becomes("\xc0\xaf\xc1\xbf", "");
	becomes("\xe0\x80\xaf\xe0\x9f\xbf", "");
	becomes("\xf0\x80\x80\xaf\xf0\x8f\xbf\xbf", "");
	becomes("\xed\xa0\x80\xed\xbf\xbf", "");
	becomes("\xf4\x90\x80\x80", "");
	becomes("\xf8\x88\x80\x80\x80\xfc\xfe\xff", "");
	becomes("\xc3\xc3\xa9", "\xc3\xa9");
	/* The character that is cut off by the end of the text is not read past it. */
	becomes_bytes("a\xc3\xa9", 2, "a");
}

/* Blanks and what the contract lists, in the contract's order; everything else of Unicode stays. */
static void
test_every_character(void **state)
{
	static const uint32_t dropped[][2] = {{0x00, 0x08}, {0x0e, 0x1f}, {0x7f, 0x7f}, {0x80, 0x84}, {0x86, 0x9f},
	    {0xad, 0xad}, {0x34f, 0x34f}, {0x61c, 0x61c}, {0x115f, 0x115f}, {0x1160, 0x1160}, {0x17b4, 0x17b4},
	    {0x17b5, 0x17b5}, {0x180e, 0x180e}, {0x200b, 0x200f}, {0x202a, 0x202e}, {0x2060, 0x206f}, {0x3164, 0x3164},
	    {0xfe00, 0xfe0f}, {0xfeff, 0xfeff}, {0xffa0, 0xffa0}, {0xfff9, 0xfffb}, {0xe0000, 0xe0fff},
	    {0xd800, 0xdfff}, {0x110000, 0x1fffff}};
	static const uint32_t blank[][2] = {{0x09, 0x0d}, {0x20, 0x20}, {0x85, 0x85}, {0xa0, 0xa0}, {0x1680, 0x1680},
	    {0x2000, 0x200a}, {0x2028, 0x2028}, {0x2029, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000}};

	(void)state;
	for (uint32_t c = 0; c <= 0x110fff; c++) {
		char in[8], out[8], expected[8];
		size_t n = utf8_put(c, in + 1);
		bool drop = false, space = false, same;

		for (size_t i = 0; i < COUNT(dropped); i++)
			drop = drop || (c >= dropped[i][0] && c <= dropped[i][1]);
		for (size_t i = 0; i < COUNT(blank); i++)
			space = space || (c >= blank[i][0] && c <= blank[i][1]);
		in[0] = 'a';
		in[n + 1] = 'b';
		in[n + 2] = '\0';
		memcpy(expected, drop ? "ab" : space ? "a b" : in, drop ? 3 : space ? 4 : n + 3);
		same = ka_text_clean(in, n + 2, out, sizeof(out));
		if (strcmp(out, expected) != 0)
			fail_msg("U+%04X", c);
		assert_int_equal(same, (!drop && !space) || c == ' ');
	}
}

static void
test_cut(void **state)
{
	static const char in[] = "a \xc3\xa9 \xf0\x9f\x94\x91z";
	static const char *const expected[] = {"", "a", "a", "a", "a \xc3\xa9", "a \xc3\xa9", "a \xc3\xa9",
	    "a \xc3\xa9", "a \xc3\xa9", "a \xc3\xa9 \xf0\x9f\x94\x91", "a \xc3\xa9 \xf0\x9f\x94\x91z",
	    "a \xc3\xa9 \xf0\x9f\x94\x91z"};
	char out[32];

	(void)state;
	for (size_t room = 1; room <= COUNT(expected); room++) {
		assert_int_equal(clean(in, strlen(in), out, room), room > strlen(in));
		assert_string_equal(out, expected[room - 1]);
	}
	/* After a cut nothing follows, though it would fit. */
	assert_false(clean("ab\xf0\x9f\x94\x91z", 7, out, 5));
	assert_string_equal(out, "ab");
}

/* Any bytes: the outcome is clean, so that cleaning it again changes nothing. */
static void
test_twice(void **state)
{
	uint32_t seed = 42;

	(void)state;
	for (size_t round = 0; round < 50000; round++) {
		char in[24] = {0}, once[24], twice[24];
		size_t len = round % sizeof(in), room;

		for (size_t i = 0; i < len; i++) {
			seed = seed * 1664525 + 1013904223;
			in[i] = (char)(seed >> 24);
			if (round % 3 == 0)
				in[i] = "\xe2\x80\x8b\xc2\xa0 \t\xad"
					"a\xf0"[(uint8_t)in[i] % 10];
		}
		room = 1 + (seed >> 8) % sizeof(once);
		(void)clean(in, len, once, room);
		assert_true(clean(once, strlen(once), twice, room));
		assert_string_equal(once, twice);
	}
}

/* What is taken to the letter: every blank but the space would be taken for one, and is refused. */
static void
test_visible(void **state)
{
	static const char *const visible[] = {"", " ", "/srv/two  words ", "\xc3\xbc\xe6\xb0\x97\xf0\x9f\x98\x80"};
	static const char *const not [] = {"\t", "a\nb", "\x7f", "a\x1b[2J", "\xff", "a\xc3", "\xed\xa0\x80",
	    "\xc2\xa0", "\xc2\x85", "a\xe2\x80\x8b", "\xe2\x80\xa8", "\xe3\x80\x80", "\xef\xbb\xbf", "\xc2\xad"};

	(void)state;
	for (size_t i = 0; i < sizeof(visible) / sizeof(visible[0]); i++)
		if (!ka_text_is_visible(visible[i]))
			fail_msg("%zu", i);
	for (size_t i = 0; i < sizeof(not ) / sizeof(not [0]); i++)
		if (ka_text_is_visible(not [i]))
			fail_msg("%zu", i);
}

static void
is_plain(const char *in, const char *expected)
{
	char fault[KA_TEXT_FAULT_LEN] = "";

	assert_int_equal(ka_text_is_plain(in, fault), expected[0] == '\0');
	assert_string_equal(fault, expected);
}

static void
test_plain(void **state)
{
	(void)state;
	is_plain("", "");
	is_plain("  The owner's  laptop ", "");
	is_plain("\xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x94\x91 \xf4\x8f\xbf\xbf", "");
	/* Blanks of other scripts, and what cleaning drops without a word. */
	is_plain("a\xc2\xa0"
		 "b\xe3\x80\x80\xe2\x9d\xa4\xef\xb8\x8f\xe2\x80\xae",
	    "");
	is_plain("a\nb", "the control character U+000A");
	is_plain("a\tb\x01", "the control character U+0009");
	is_plain("\x01", "the control character U+0001");
	is_plain("a\x1f", "the control character U+001F");
	is_plain("a\x7f", "the control character U+007F");
	is_plain("a\xc2\x80", "the control character U+0080");
	is_plain("a\xc2\x9f", "the control character U+009F");
	is_plain("a\xe2\x80\xa8", "the control character U+2028");
	is_plain("a\xe2\x80\xa9", "the control character U+2029");
	/* Not the neighbours of these. */
	is_plain("a ~\xc2\xa0\xe2\x80\xa7\xe2\x80\xaa", "");
	/* A byte alone, a cut character, a longer form than needed, a surrogate, past the end of Unicode. */
	is_plain("a\xff", "the byte 0xFF, which is no UTF-8");
	is_plain("a\x80", "the byte 0x80, which is no UTF-8");
	is_plain("a\xc3", "the byte 0xC3, which is no UTF-8");
	is_plain("a\xe2\x82", "the byte 0xE2, which is no UTF-8");
	is_plain("a\xc0\x8a", "the byte 0xC0, which is no UTF-8");
	is_plain("a\xed\xa0\x80", "the byte 0xED, which is no UTF-8");
	is_plain("a\xf4\x90\x80\x80", "the byte 0xF4, which is no UTF-8");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_unchanged),
	    cmocka_unit_test(test_white_space),
	    cmocka_unit_test(test_attacks),
	    cmocka_unit_test(test_bad_utf8),
	    cmocka_unit_test(test_every_character),
	    cmocka_unit_test(test_cut),
	    cmocka_unit_test(test_twice),
	    cmocka_unit_test(test_visible),
	    cmocka_unit_test(test_plain),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
