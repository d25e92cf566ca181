#include "common/text.h"

#include <stdint.h>
#include <string.h>

struct range {
	uint32_t first, last;
};

/* All that Unicode calls White_Space: the blanks of other scripts and of typesetters, line separators included. */
static const struct range blanks[] = {{'\t', '\r'}, {' ', ' '}, {0x85, 0x85}, {0xa0, 0xa0}, {0x1680, 0x1680},
    {0x2000, 0x200a}, {0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000}};

/* Looked at after blanks. */
static const struct range hidden[] = {{0x00, 0x1f}, {0x7f, 0x9f}, {0xad, 0xad}, {0x34f, 0x34f}, {0x61c, 0x61c},
    {0x115f, 0x1160}, {0x17b4, 0x17b5}, {0x180e, 0x180e}, {0x200b, 0x200f}, {0x202a, 0x202e}, {0x2060, 0x206f},
    {0x3164, 0x3164}, {0xfe00, 0xfe0f}, {0xfeff, 0xfeff}, {0xffa0, 0xffa0}, {0xfff9, 0xfffb}, {0xe0000, 0xe0fff}};

static bool
among(uint32_t c, const struct range *ranges, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}

/* The character at ${s} and its length in bytes, or 0 when no UTF-8 character begins there (RFC 3629). */
static size_t
utf8_get(const char *s, size_t left, uint32_t *c)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint8_t lead = (uint8_t)s[0];
	size_t n = lead < 0x80 ? 1 : lead < 0xc0 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf8 ? 4 : 0;

	if (n == 0 || n > left)
		return 0;
	*c = n == 1 ? lead : lead & (0x7fU >> n);
	for (size_t i = 1; i < n; i++) {
		uint8_t next = (uint8_t)s[i];

		if ((next & 0xc0) != 0x80)
			return 0;
		*c = *c << 6 | (next & 0x3f);
	}
	/* No longer form than needed, no surrogate, nothing past the end of Unicode. */
	return *c < least[n] || (*c >= 0xd800 && *c <= 0xdfff) || *c > 0x10ffff ? 0 : n;
}

bool
ka_text_clean(const char *in, size_t inlen, char *out, size_t outlen)
{
	size_t used = 0;
	bool blank = false;

	for (size_t i = 0, n; i < inlen; i += n) {
		uint32_t c = 0;

		n = utf8_get(in + i, inlen - i, &c);
		if (n == 0) {
			n = 1;
			continue;
		}
		if (among(c, blanks, sizeof(blanks) / sizeof(blanks[0]))) {
			blank = used > 0;
			continue;
		}
		if (among(c, hidden, sizeof(hidden) / sizeof(hidden[0])))
			continue;
		if (used + (blank ? 1 : 0) + n >= outlen)
			break;
		if (blank)
			out[used++] = ' ';
		blank = false;
		memcpy(out + used, in + i, n);
		used += n;
	}
	out[used] = '\0';
	return used == inlen && (inlen == 0 || memcmp(in, out, inlen) == 0);
}

bool
ka_text_is_visible(const char *text)
{
	size_t left = strlen(text);

	for (size_t n; left > 0; text += n, left -= n) {
		uint32_t c;

		if ((n = utf8_get(text, left, &c)) == 0 || among(c, hidden, sizeof(hidden) / sizeof(hidden[0])) ||
		    (c != ' ' && among(c, blanks, sizeof(blanks) / sizeof(blanks[0]))))
			return false;
	}
	return true;
}
