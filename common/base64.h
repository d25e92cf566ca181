#ifndef KA_BASE64_H
#define KA_BASE64_H
/*
 * Base64 (RFC 4648, section 4), strictly: libc alone, because the helper links nothing else.
 * Thread safety: no state is kept; any number of threads.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/result.h"

/* Characters, terminating NUL included, that encode n bytes. */
#define KA_BASE64_LEN(n) (((n) + 2) / 3 * 4 + 1)

/**
 * ka_base64_decode(text, textlen, out, outlen, n):
 * Decode ${textlen} characters into ${out} (room for ${outlen} bytes) and set ${n} to the bytes written. White space,
 * missing or surplus padding and non-zero trailing bits are errors: two texts never mean the same bytes.
 * Returns KA_OK; KA_INVALID, also when ${out} is too small.
 */
enum ka_result ka_base64_decode(const char *text, size_t textlen, uint8_t *out, size_t outlen, size_t *n);

/**
 * ka_base64_encode(bytes, len, out, outlen):
 * Encode with padding into ${out}, NUL-terminated; it needs KA_BASE64_LEN(${len}) characters.
 * Returns KA_OK; KA_INVALID when ${out} is too small.
 */
enum ka_result ka_base64_encode(const uint8_t *bytes, size_t len, char *out, size_t outlen);

#endif
