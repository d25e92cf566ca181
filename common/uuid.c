#include "common/uuid.h"

#include <string.h>
#include <sys/random.h>

static int
hex_value(char c, bool upper_too)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (upper_too && c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

enum ka_result
ka_uuid_from_name(const char *name, uint8_t uuid[static KA_UUID_LEN])
{
	for (size_t i = 0; i < 2 * KA_UUID_LEN; i++) {
		int v = hex_value(name[i], false);

		if (v < 0)
			return KA_INVALID;
		uuid[i / 2] = (uint8_t)(i % 2 == 0 ? v << 4 : uuid[i / 2] | v);
	}
	return name[2 * KA_UUID_LEN] == '\0' ? KA_OK : KA_INVALID;
}

enum ka_result
ka_uuid_parse_prefix(const char *text, uint8_t low[static KA_UUID_LEN], uint8_t high[static KA_UUID_LEN])
{
	size_t digits = 0;

	memset(low, 0, KA_UUID_LEN);
	memset(high, 0xff, KA_UUID_LEN);
	for (const char *c = text; *c != '\0'; c++) {
		int v = hex_value(*c, true);

		if (*c == '-' && (digits == 8 || digits == 12 || digits == 16 || digits == 20) && c[-1] != '-')
			continue;
		if (v < 0 || digits == 2 * KA_UUID_LEN)
			return KA_INVALID;
		if (digits % 2 == 0) {
			low[digits / 2] = (uint8_t)(v << 4);
			high[digits / 2] = (uint8_t)(v << 4 | 0xf);
		} else {
			low[digits / 2] = (uint8_t)(low[digits / 2] | v);
			high[digits / 2] = low[digits / 2];
		}
		digits++;
	}
	return digits >= KA_UUID_PREFIX ? KA_OK : KA_INVALID;
}

enum ka_result
ka_uuid_parse(const char *text, uint8_t uuid[static KA_UUID_LEN])
{
	uint8_t high[KA_UUID_LEN];

	if (ka_uuid_parse_prefix(text, uuid, high) != KA_OK || memcmp(uuid, high, KA_UUID_LEN) != 0)
		return KA_INVALID;
	return KA_OK;
}

void
ka_uuid_name(const uint8_t uuid[static KA_UUID_LEN], char name[static KA_UUID_NAME_LEN])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < KA_UUID_LEN; i++) {
		name[2 * i] = digits[uuid[i] >> 4];
		name[2 * i + 1] = digits[uuid[i] & 0xf];
	}
	name[2 * KA_UUID_LEN] = '\0';
}

void
ka_uuid_text(const uint8_t uuid[static KA_UUID_LEN], char text[static KA_UUID_TEXT_LEN])
{
	char name[KA_UUID_NAME_LEN];
	char *out = text;

	ka_uuid_name(uuid, name);
	for (size_t i = 0; i < 2 * KA_UUID_LEN; i++) {
		if (i == 8 || i == 12 || i == 16 || i == 20)
			*out++ = '-';
		*out++ = name[i];
	}
	*out = '\0';
}

enum ka_result
ka_uuid_random(uint8_t uuid[static KA_UUID_LEN])
{
	char name[KA_UUID_NAME_LEN];

	do {
		if (getrandom(uuid, KA_UUID_LEN, 0) != KA_UUID_LEN)
			return KA_UNAVAIL;
		uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x40);
		uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
		ka_uuid_name(uuid, name);
	} while (strspn(name, "0123456789") == 2 * KA_UUID_LEN);
	return KA_OK;
}
