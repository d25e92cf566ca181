#include "common/result.h"

#include <stdarg.h>
#include <stdio.h>

enum ka_result
ka_result_fail(struct ka_error *err, enum ka_result r, const char *format, ...)
{
	va_list ap;

	if (err != NULL) {
		va_start(ap, format);
		/* clang-tidy 14 takes the pointer that ap decays to for another one than va_start got.
		 * NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
		(void)vsnprintf(err->text, sizeof(err->text), format, ap);
		va_end(ap);
	}
	return r;
}
