/*
 * SSH_AUTH_INFO_0 and SSH_CONNECTION, as sshd gives them to PAM. What is taken for a key is compared with what OpenSSL
 * makes of the first publickey line.
 */
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <string.h>

#include "common/address.h"
#include "pam_keyacct/authinfo.h"
#include "tests/fuzz/fuzz.h"

/* The digest of the word after "publickey TYPE ", by other means. */
static bool
same_key(const char *info, const uint8_t *sha256)
{
	const char *line = strncmp(info, "publickey ", 10) == 0 ? info : strstr(info, "\npublickey ");
	const char *word, *end;
	uint8_t *blob, digest[SHA256_DIGEST_LENGTH] = {0};
	size_t len;
	int n;

	if (line == NULL || (word = strchr(line + (*line == '\n') + 10, ' ')) == NULL)
		return false;
	word++;
	end = word + strcspn(word, " \n");
	len = (size_t)(end - word);
	if (memmem(line, (size_t)(word - line), "-cert-", 6) != NULL || (blob = malloc(len + 4)) == NULL)
		return false;
	n = EVP_DecodeBlock(blob, (const uint8_t *)word, (int)len);
	/* It counts the padding as zeros. */
	for (size_t i = len; i > 0 && word[i - 1] == '='; i--)
		n--;
	if (n > 0)
		(void)SHA256(blob, (size_t)n, digest);
	free(blob);
	return n > 0 && memcmp(digest, sha256, sizeof(digest)) == 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t sha256[KA_SHA256_LEN], address[KA_ADDRESS_LEN], again[KA_ADDRESS_LEN];
	char *text = malloc(size + 1), written[KA_ADDRESS_TEXT_LEN];
	enum ka_result r;

	CHECK(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	r = authinfo_key(text, sha256);
	CHECK(r == KA_OK || r == KA_NOTFOUND || r == KA_INVALID);
	CHECK(r != KA_OK || same_key(text, sha256));
	CHECK(r != KA_NOTFOUND || (strncmp(text, "publickey ", 10) != 0 && strstr(text, "\npublickey ") == NULL));
	if (authinfo_address(text, address) == KA_OK) {
		ka_address_format(address, written);
		CHECK(strcmp(written, "-") == 0 ||
		      (ka_address_parse(written, again) == KA_OK && memcmp(address, again, 16) == 0));
	}
	free(text);
	return 0;
}
