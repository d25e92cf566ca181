#ifndef KA_TIME_H
#define KA_TIME_H
/*
 * Times: seconds since the epoch, UTC, in the database; 0 means never or no limit. libc alone.
 * Thread safety: no state is kept; any number of threads (local time follows TZ as localtime_r does).
 */
#include <stdint.h>

#include "common/result.h"

#define KA_TIME_TEXT_LEN 26           /* "2026-01-31T23:59:59Z" or with an offset, NUL */
#define KA_TIME_MAX      253402300799 /* the last second of the year 9999 */

/**
 * ka_time_parse(text, now_s, at_s):
 * Read RFC 3339 ("2026-01-31T12:00:00Z", an offset such as +01:00 instead of Z, a space instead of T), a date
 * ("2026-01-31": its first second, UTC), or a distance from ${now_s} ("+90s", "+15min", "+12h", "+30d", "+2w"; "-30d"
 * goes back). Returns KA_OK; KA_INVALID, also for the first second of 1970, which would mean "never", for earlier times
 * and for those after 9999. ${at_s} is undefined then.
 */
enum ka_result ka_time_parse(const char *text, int64_t now_s, int64_t *at_s);

/**
 * ka_time_format_utc(at_s, text), ka_time_format_local(at_s, text):
 * Write RFC 3339 in UTC with Z, or "2026-01-31 12:00:00" in local time; "" when ${at_s} is beyond KA_TIME_MAX.
 */
void ka_time_format_utc(int64_t at_s, char text[static KA_TIME_TEXT_LEN]);
void ka_time_format_local(int64_t at_s, char text[static KA_TIME_TEXT_LEN]);

/**
 * ka_time_now():
 * The wall clock in seconds.
 */
int64_t ka_time_now(void);

#endif
