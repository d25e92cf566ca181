#include "common/fingerprint.h"

#include <string.h>

#include "common/base64.h"

static const char prefix[] = "SHA256:";

#define PREFIX_LEN (sizeof(prefix) - 1)
#define DIGITS     (KA_SHA256_TEXT_LEN - 1 - PREFIX_LEN)

enum ka_result
ka_fingerprint_parse(const char *text, uint8_t sha256[static KA_SHA256_LEN])
{
	char padded[DIGITS + 1];
	uint8_t bytes[KA_SHA256_LEN];
	size_t n;

	if (strncmp(text, prefix, PREFIX_LEN) != 0 || strlen(text) != KA_SHA256_TEXT_LEN - 1)
		return KA_INVALID;
	/* ssh-keygen leaves the padding out. */
	memcpy(padded, text + PREFIX_LEN, DIGITS);
	padded[DIGITS] = '=';
	if (ka_base64_decode(padded, sizeof(padded), bytes, sizeof(bytes), &n) != KA_OK || n != sizeof(bytes))
		return KA_INVALID;
	memcpy(sha256, bytes, sizeof(bytes));
	return KA_OK;
}

void
ka_fingerprint_format(const uint8_t sha256[static KA_SHA256_LEN], char text[static KA_SHA256_TEXT_LEN])
{
	char padded[KA_BASE64_LEN(KA_SHA256_LEN)];

	/* The room is exact: this cannot fail. */
	(void)ka_base64_encode(sha256, KA_SHA256_LEN, padded, sizeof(padded));
	memcpy(text, prefix, PREFIX_LEN);
	memcpy(text + PREFIX_LEN, padded, DIGITS);
	text[KA_SHA256_TEXT_LEN - 1] = '\0';
}

void
ka_fingerprint_format_md5(const uint8_t md5[static KA_MD5_LEN], char text[static KA_MD5_TEXT_LEN])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < KA_MD5_LEN; i++) {
		text[3 * i] = digits[md5[i] >> 4];
		text[3 * i + 1] = digits[md5[i] & 0xf];
		text[3 * i + 2] = i + 1 < KA_MD5_LEN ? ':' : '\0';
	}
}
