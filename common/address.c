#include "common/address.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>

static const uint8_t v4_mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

enum ka_result
ka_address_parse(const char *text, uint8_t address[static KA_ADDRESS_LEN])
{
	if (inet_pton(AF_INET6, text, address) == 1)
		return KA_OK;
	memcpy(address, v4_mapped, sizeof(v4_mapped));
	return inet_pton(AF_INET, text, address + sizeof(v4_mapped)) == 1 ? KA_OK : KA_INVALID;
}

void
ka_address_format(const uint8_t address[static KA_ADDRESS_LEN], char text[static KA_ADDRESS_TEXT_LEN])
{
	static const uint8_t unknown[KA_ADDRESS_LEN];

	if (memcmp(address, unknown, KA_ADDRESS_LEN) == 0)
		memcpy(text, "-", 2);
	else if (memcmp(address, v4_mapped, sizeof(v4_mapped)) == 0)
		(void)inet_ntop(AF_INET, address + sizeof(v4_mapped), text, KA_ADDRESS_TEXT_LEN);
	else
		(void)inet_ntop(AF_INET6, address, text, KA_ADDRESS_TEXT_LEN);
}

/* The prefix length after the slash: 1 to 3 digits, at most ${max}. */
static enum ka_result
parse_prefix(const char *text, unsigned max, unsigned *bits)
{
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || digits > 3 || text[digits] != '\0')
		return KA_INVALID;
	*bits = 0;
	for (size_t i = 0; i < digits; i++)
		*bits = *bits * 10 + (unsigned)(text[i] - '0');
	return *bits <= max ? KA_OK : KA_INVALID;
}

/* One element of a list, from ${at} up to the comma or the end, as an address and the number of its bits that count. */
static enum ka_result
parse_block(const char *at, size_t len, uint8_t address[static KA_ADDRESS_LEN], unsigned *bits)
{
	char text[KA_ADDRESS_TEXT_LEN + 4];
	char *slash;
	bool v4;

	if (len >= sizeof(text))
		return KA_INVALID;
	memcpy(text, at, len);
	text[len] = '\0';
	if ((slash = strchr(text, '/')) != NULL)
		*slash = '\0';
	if (ka_address_parse(text, address) != KA_OK)
		return KA_INVALID;
	v4 = strchr(text, ':') == NULL;
	*bits = 8 * KA_ADDRESS_LEN;
	if (slash != NULL) {
		if (parse_prefix(slash + 1, v4 ? 32 : 128, bits) != KA_OK)
			return KA_INVALID;
		if (v4)
			*bits += 96;
	}
	/* sshd takes a block with host bits for an error in the whole list (addrmatch.c, "inconsistent mask"). */
	for (unsigned i = *bits; i < 8 * KA_ADDRESS_LEN; i++)
		if (address[i / 8] & (0x80U >> i % 8))
			return KA_INVALID;
	return KA_OK;
}

static bool
same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned rest = bits % 8;

	return memcmp(a, b, bits / 8) == 0 && (rest == 0 || ((a[bits / 8] ^ b[bits / 8]) >> (8 - rest)) == 0);
}

/* Walk ${list}; count its elements, and those that hold ${address}. KA_INVALID as soon as one is malformed. */
static enum ka_result
walk_list(const char *list, const uint8_t *address, size_t *matches)
{
	*matches = 0;
	for (;;) {
		uint8_t block[KA_ADDRESS_LEN];
		size_t len = strcspn(list, ",");
		unsigned bits;

		if (parse_block(list, len, block, &bits) != KA_OK)
			return KA_INVALID;
		if (address != NULL && same_prefix(block, address, bits))
			(*matches)++;
		if (list[len] == '\0')
			return KA_OK;
		list += len + 1;
	}
}

bool
ka_address_list_ok(const char *list)
{
	size_t matches;

	return walk_list(list, NULL, &matches) == KA_OK;
}

bool
ka_address_matches(const char *list, const uint8_t address[static KA_ADDRESS_LEN])
{
	size_t matches;

	return walk_list(list, address, &matches) == KA_OK && matches > 0;
}
