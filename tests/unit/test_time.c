#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/time.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define NOW_S INT64_C(1767268800) /* 2026-01-01T12:00:00Z */

/* The seconds are those of date -u -d TEXT +%s. */
static void
test_absolute(void **state)
{
	static const struct {
		const char *text;
		int64_t at_s;
	} times[] = {
	    {"2026-01-01T12:00:00Z", NOW_S},
	    {"2026-01-01t12:00:00z", NOW_S},
	    {"2026-01-01 12:00:00Z", NOW_S},
	    {"2026-01-01T13:00:00+01:00", NOW_S},
	    {"2026-01-01T06:30:00-05:30", NOW_S},
	    {"2026-01-02T11:59:00+23:59", NOW_S},
	    {"2026-01-01T12:00:00+00:00", NOW_S},
	    {"2026-01-01T12:00:00-00:00", NOW_S},
	    {"2026-01-01", NOW_S - 43200},
	    {"2024-02-29", 1709164800},
	    {"2000-02-29T23:59:59Z", 951868799},
	    {"1970-01-01T00:00:01Z", 1},
	    {"2038-01-19T03:14:08Z", INT64_C(2147483648)},
	    {"9999-12-31T23:59:59Z", KA_TIME_MAX},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(times); i++) {
		int64_t at_s = -1;

		assert_int_equal(ka_time_parse(times[i].text, NOW_S, &at_s), KA_OK);
		assert_int_equal(at_s, times[i].at_s);
	}
}

static void
test_distance(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} distances[] = {{"+90s", 90}, {"+15min", 900}, {"+12h", 43200}, {"+30d", 2592000}, {"+2w", 1209600},
	    {"+0s", 0}, {"+0030d", 2592000}, {"+9999999999s", INT64_C(9999999999)}, {"-90s", -90}, {"-30d", -2592000},
	    {"-2w", -1209600}, {"-0s", 0}, {"-1767268799s", 1 - NOW_S}};

	(void)state;
	for (size_t i = 0; i < COUNT(distances); i++) {
		int64_t at_s = -1;

		assert_int_equal(ka_time_parse(distances[i].text, NOW_S, &at_s), KA_OK);
		assert_int_equal(at_s, NOW_S + distances[i].seconds);
	}
}

static void
test_refused(void **state)
{
	static const char *const bad[] = {"", " ", "never", "2026", "2026-1-1", "2026-01", "20260101", "2026-01-01x",
	    "2026-01-01 ", "2026-01-01T", "2026-01-01T12:00", "2026-01-01T12:00:00", "2026-01-01 12:00:00",
	    "2026-01-01T12:00:00Zx", "2026-01-01T12:00:00ZZ", "2026-01-01T12:00:00 Z", "2026-01-01  12:00:00Z",
	    " 2026-01-01", "2026-01-01T1:00:000Z", "2026-01-01T12:00:000Z", "2026-01-01T12-00-00Z",
	    "2026-01-01T12:00:00.5Z", "2026-01-01T+1:00:00Z", "2026-01-01T12:00:00+1:00", "2026-01-01T12:00:00+0100",
	    "2026-01-01T12:00:00+01", "2026-01-01T12:00:00+01:000", "2026-01-01T12:00:00+24:00",
	    "2026-01-01T12:00:00+01:60", "2026-01-01T12:00:00+-1:00", "2026-01-01T12:00:00+1:0:0", "2026/01/01",
	    "+2026-01-01", "-2026-01-01", "2026-00-01", "2026-13-01", "2026-01-00", "2026-01-32", "2026-02-29",
	    "2026-02-30", "2026-04-31", "1900-02-29", "2026-01-01T24:00:00Z", "2026-01-01T12:60:00Z",
	    "2026-01-01T12:00:61Z", "1969-12-31", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00+00:01", "0000-01-01",
	    "9999-12-31T23:59:59-00:01", "10000-01-01", "+", "+d", "+1", "+1x", "+1D", "+1dd", "+ 1d", "+-1d", "++1d",
	    "+1.5d", "+1d2h", "30d", "-", "-d", "-1", "-1m", "-+1d", "--1d", "-99999999999s", "-9999999999w",
	    "+99999999999s", "+9999999999w", "+9999999999d"};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		int64_t at_s;

		if (ka_time_parse(bad[i], NOW_S, &at_s) != KA_INVALID)
			fail_msg("\"%s\" was read", bad[i]);
	}
}

static void
test_distance_limit(void **state)
{
	int64_t at_s;

	(void)state;
	assert_int_equal(ka_time_parse("+1s", KA_TIME_MAX - 1, &at_s), KA_OK);
	assert_int_equal(at_s, KA_TIME_MAX);
	assert_int_equal(ka_time_parse("+2s", KA_TIME_MAX - 1, &at_s), KA_INVALID);
	assert_int_equal(ka_time_parse("-1s", 2, &at_s), KA_OK);
	assert_int_equal(at_s, 1);
	assert_int_equal(ka_time_parse("-2s", 2, &at_s), KA_INVALID);
	assert_int_equal(ka_time_parse("-3s", 2, &at_s), KA_INVALID);
}

/* No byte in any place makes it read past the end, or accept a thing that is not written back the same. */
static void
test_every_place(void **state)
{
	static const char good[] = "2026-01-01T12:00:00Z";

	(void)state;
	for (size_t at = 0; at < sizeof(good) - 1; at++)
		for (unsigned c = 0; c < 256; c++) {
			char *text = strdup(good), back[KA_TIME_TEXT_LEN];
			int64_t at_s;

			assert_non_null(text);
			text[at] = (char)c;
			if (ka_time_parse(text, NOW_S, &at_s) == KA_OK && strlen(text) == sizeof(good) - 1) {
				ka_time_format_utc(at_s, back);
				if (c == ' ' || c == 't' || c == 'z')
					assert_string_equal(back, good);
				else
					assert_string_equal(back, text);
			}
			free(text);
		}
}

static void
test_every_day(void **state)
{
	(void)state;
	/* 1970-01-02 to 9999-12-31: 0 is kept for never. */
	for (int64_t day = 1; day <= KA_TIME_MAX / 86400; day++) {
		char text[KA_TIME_TEXT_LEN];
		int64_t at_s = -1;

		ka_time_format_utc(day * 86400, text);
		text[10] = '\0';
		assert_int_equal(ka_time_parse(text, NOW_S, &at_s), KA_OK);
		assert_int_equal(at_s, day * 86400);
	}
}

static void
test_format(void **state)
{
	char text[KA_TIME_TEXT_LEN];

	(void)state;
	ka_time_format_utc(0, text);
	assert_string_equal(text, "1970-01-01T00:00:00Z");
	ka_time_format_utc(NOW_S, text);
	assert_string_equal(text, "2026-01-01T12:00:00Z");
	ka_time_format_utc(KA_TIME_MAX, text);
	assert_string_equal(text, "9999-12-31T23:59:59Z");
	assert_int_equal(setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1), 0);
	tzset();
	ka_time_format_local(NOW_S, text);
	assert_string_equal(text, "2026-01-01 13:00:00");
	ka_time_format_local(1782907200, text);
	assert_string_equal(text, "2026-07-01 14:00:00");
	ka_time_format_utc(NOW_S, text);
	assert_string_equal(text, "2026-01-01T12:00:00Z");
	assert_int_equal(setenv("TZ", "UTC0", 1), 0);
	tzset();
}

/* Reading is in UTC whatever the zone is. */
static void
test_zone(void **state)
{
	int64_t at_s;

	(void)state;
	assert_int_equal(setenv("TZ", "XXX+9", 1), 0);
	tzset();
	assert_int_equal(ka_time_parse("2026-01-01", NOW_S, &at_s), KA_OK);
	assert_int_equal(at_s, NOW_S - 43200);
	assert_int_equal(setenv("TZ", "UTC0", 1), 0);
	tzset();
}

static void
test_now(void **state)
{
	time_t before = time(NULL);
	int64_t now_s = ka_time_now();

	(void)state;
	assert_true(now_s >= before && now_s <= time(NULL));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_absolute),
	    cmocka_unit_test(test_distance),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_distance_limit),
	    cmocka_unit_test(test_every_place),
	    cmocka_unit_test(test_every_day),
	    cmocka_unit_test(test_format),
	    cmocka_unit_test(test_zone),
	    cmocka_unit_test(test_now),
	};

	return cmocka_run_group_tests_name("time", tests, NULL, NULL);
}
