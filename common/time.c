#include "common/time.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static enum ka_result
parse_distance(const char *text, int sign, int64_t now_s, int64_t *at_s)
{
	/* No "m": people who write it mean months. */
	static const struct {
		const char *unit;
		int64_t seconds;
	} units[] = {{"s", 1}, {"min", 60}, {"h", 3600}, {"d", 86400}, {"w", 604800}};
	int64_t n = 0;
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || digits > 10)
		return KA_INVALID;
	for (size_t i = 0; i < digits; i++)
		n = n * 10 + (text[i] - '0');
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(units[i].unit, text + digits) != 0)
			continue;
		*at_s = now_s + sign * n * units[i].seconds;
		return *at_s > 0 && *at_s <= KA_TIME_MAX ? KA_OK : KA_INVALID;
	}
	return KA_INVALID;
}

/* "Z", "+hh:mm" or "-hh:mm", nothing after it. */
static enum ka_result
parse_offset(const char *text, int64_t *offset_s)
{
	int hours, minutes, end = 0;

	*offset_s = 0;
	if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
		return KA_OK;
	if ((text[0] != '+' && text[0] != '-') || strspn(text + 1, "0123456789:") != 5 ||
	    sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &end) != 2 || end != 5 || text[6] != '\0' || hours > 23 ||
	    minutes > 59)
		return KA_INVALID;
	*offset_s = (hours * 60 + minutes) * 60 * (text[0] == '-' ? -1 : 1);
	return KA_OK;
}

enum ka_result
ka_time_parse(const char *text, int64_t now_s, int64_t *at_s)
{
	struct tm tm = {0}, made;
	int64_t offset_s = 0;
	int end = 0;

	if (text[0] == '+' || text[0] == '-')
		return parse_distance(text + 1, text[0] == '-' ? -1 : 1, now_s, at_s);
	/* sscanf skips blanks and takes signs: the shape is checked first. */
	for (size_t i = 0; i < 10; i++)
		if (i == 4 || i == 7 ? text[i] != '-' : text[i] < '0' || text[i] > '9')
			return KA_INVALID;
	if (sscanf(text, "%4d-%2d-%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &end) != 3 || end != 10)
		return KA_INVALID;
	text += 10;
	if (*text != '\0') {
		if (*text != 'T' && *text != 't' && *text != ' ')
			return KA_INVALID;
		text++;
		if (strspn(text, "0123456789:") < 8 ||
		    sscanf(text, "%2d:%2d:%2d%n", &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &end) != 3 || end != 8)
			return KA_INVALID;
		if (parse_offset(text + 8, &offset_s) != KA_OK)
			return KA_INVALID;
	}
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	made = tm;
	*at_s = timegm(&made) - offset_s;
	/* timegm turns February 30 into March 2: what it changed was no date. */
	if (made.tm_mday != tm.tm_mday || made.tm_mon != tm.tm_mon || made.tm_hour != tm.tm_hour ||
	    made.tm_min != tm.tm_min || made.tm_sec != tm.tm_sec)
		return KA_INVALID;
	return *at_s > 0 && *at_s <= KA_TIME_MAX ? KA_OK : KA_INVALID;
}

void
ka_time_format_utc(int64_t at_s, char text[static KA_TIME_TEXT_LEN])
{
	time_t t = (time_t)at_s;
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL || strftime(text, KA_TIME_TEXT_LEN, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		text[0] = '\0';
}

void
ka_time_format_local(int64_t at_s, char text[static KA_TIME_TEXT_LEN])
{
	time_t t = (time_t)at_s;
	struct tm tm;

	if (localtime_r(&t, &tm) == NULL || strftime(text, KA_TIME_TEXT_LEN, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		text[0] = '\0';
}

int64_t
ka_time_now(void)
{
	return (int64_t)time(NULL);
}
