#include "pam_keyacct/authinfo.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>

#include "common/address.h"
#include "common/base64.h"

#define METHOD   "publickey "
#define BLOB_MAX 4096 /* an RSA key of 16,384 bits, the most that sshd takes, has 2,071 */

/* The line after the one that ${line} is in; NULL after the last. */
static const char *
next_line(const char *line)
{
	const char *end = strchr(line, '\n');

	return end != NULL && end[1] != '\0' ? end + 1 : NULL;
}

static bool
is_certificate(const char *type, size_t len)
{
	static const char mark[] = "-cert-";

	return memmem(type, len, mark, sizeof(mark) - 1) != NULL;
}

enum ka_result
authinfo_key(const char *info, uint8_t sha256[static KA_SHA256_LEN])
{
	uint8_t blob[BLOB_MAX];
	size_t typelen, bloblen, digestlen;

	while (info != NULL && strncmp(info, METHOD, strlen(METHOD)) != 0)
		info = next_line(info);
	if (info == NULL || *info == '\0')
		return KA_NOTFOUND;
	info += strlen(METHOD);
	typelen = strcspn(info, " \n");
	if (info[typelen] != ' ' || is_certificate(info, typelen))
		return KA_INVALID;
	info += typelen + 1;
	/* More text may follow the key of a security token. */
	if (ka_base64_decode(info, strcspn(info, " \n"), blob, sizeof(blob), &bloblen) != KA_OK || bloblen == 0)
		return KA_INVALID;
	if (EVP_Q_digest(NULL, "SHA256", NULL, blob, bloblen, sha256, &digestlen) != 1 || digestlen != KA_SHA256_LEN)
		return KA_UNAVAIL;
	return KA_OK;
}

enum ka_result
authinfo_address(const char *connection, uint8_t *address)
{
	char text[KA_ADDRESS_TEXT_LEN + 16]; /* and the interface of a link-local one */
	size_t len;

	if (connection == NULL || (len = strcspn(connection, " ")) >= sizeof(text))
		return KA_INVALID;
	memcpy(text, connection, len);
	text[len] = '\0';
	/* A link-local address carries its interface: fe80::7%eth0. */
	if (strchr(text, ':') != NULL)
		text[strcspn(text, "%")] = '\0';
	return ka_address_parse(text, address);
}
