#include "common/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int
value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

enum ka_result
ka_base64_decode(const char *text, size_t textlen, uint8_t *out, size_t outlen, size_t *n)
{
	size_t pad = 0, digits, len;
	uint32_t bits = 0;

	*n = 0;
	if (textlen % 4 != 0)
		return KA_INVALID;
	while (pad < 2 && pad < textlen && text[textlen - 1 - pad] == '=')
		pad++;
	digits = textlen - pad;
	len = textlen / 4 * 3 - pad;
	if (len > outlen)
		return KA_INVALID;
	for (size_t i = 0, o = 0; i < digits; i++) {
		int v = value(text[i]);

		if (v < 0)
			return KA_INVALID;
		bits = bits << 6 | (uint32_t)v;
		/* The first digit of four completes no byte, each of the others one. */
		if (i % 4 != 0)
			out[o++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
	}
	/* The last digit before the padding has bits that belong to no byte: one text, one meaning. */
	if ((pad == 1 && (bits & 0x3) != 0) || (pad == 2 && (bits & 0xf) != 0))
		return KA_INVALID;
	*n = len;
	return KA_OK;
}

enum ka_result
ka_base64_encode(const uint8_t *bytes, size_t len, char *out, size_t outlen)
{
	if (outlen == 0 || len > (outlen - 1) / 4 * 3)
		return KA_INVALID;
	for (size_t i = 0; i < len; i += 3) {
		size_t have = len - i < 3 ? len - i : 3;
		uint32_t bits = (uint32_t)bytes[i] << 16;

		if (have > 1)
			bits |= (uint32_t)bytes[i + 1] << 8;
		if (have > 2)
			bits |= bytes[i + 2];
		*out++ = alphabet[bits >> 18];
		*out++ = alphabet[bits >> 12 & 0x3f];
		*out++ = have > 1 ? alphabet[bits >> 6 & 0x3f] : '=';
		*out++ = have > 2 ? alphabet[bits & 0x3f] : '=';
	}
	*out = '\0';
	return KA_OK;
}
