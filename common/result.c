#include "common/result.h"

#include <stdarg.h>
#include <stdio.h>

enum ka_result
ka_result_fail(struct ka_error *err, enum ka_result r, const char *format, ...)
{
	va_list ap;

	if (err != NULL) {
		va_start(ap, format);
		(void)vsnprintf(err->text, sizeof(err->text), format, ap);
		va_end(ap);
	}
	return r;
}
