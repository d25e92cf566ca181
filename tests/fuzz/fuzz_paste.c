/*
 * What a person pastes as a public key, and the key's own bytes. What is accepted is canonical: written as a line, it
 * reads as the same key. What is refused leaves an empty key and one printable sentence.
 */
#include <stdbool.h>
#include <string.h>

#include "common/base64.h"
#include "common/paste.h"
#include "tests/fuzz/fuzz.h"

static const char *const types[] = {"ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521", "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"};

static void
check_refused(const struct ka_sshkey *key, const struct ka_error *err, bool sentence)
{
	static const struct ka_sshkey none;

	CHECK(memcmp(key, &none, sizeof(none)) == 0);
	CHECK(memchr(err->text, '\0', sizeof(err->text)) != NULL);
	CHECK(!sentence || err->text[0] != '\0');
	for (const char *p = err->text; *p != '\0'; p++)
		CHECK((unsigned char)*p >= 0x20 && *p != 0x7f);
}

static void
check_key(const struct ka_sshkey *key)
{
	char line[KA_BASE64_LEN(KA_SSHKEY_BLOB_MAX) + 512], text[KA_BASE64_LEN(KA_SSHKEY_BLOB_MAX)];
	struct ka_sshkey again;
	struct ka_error err = {""};
	/* One that fills its room was cut, and ends in another word than the one that was looked at. */
	const char *comment = strlen(key->comment) < KA_SSHKEY_COMMENT_LEN - 4 ? key->comment : "";
	int n;

	CHECK(key->bloblen > 0 && key->bloblen <= KA_SSHKEY_BLOB_MAX && key->bits >= 256);
	CHECK(ka_sshkey_find_type(key->type, strlen(key->type)) != NULL);
	CHECK(strpbrk(key->comment, "\r\n\t") == NULL);
	CHECK(ka_base64_encode(key->blob, key->bloblen, text, sizeof(text)) == KA_OK);
	n = snprintf(line, sizeof(line), "%s %s %s\n", key->type, text, comment);
	CHECK(ka_paste_parse(line, (size_t)n, &again, &err) == KA_OK);
	CHECK(strcmp(key->type, again.type) == 0 && key->bloblen == again.bloblen && key->bits == again.bits);
	CHECK(
	    memcmp(key->blob, again.blob, key->bloblen) == 0 && memcmp(key->sha256, again.sha256, KA_SHA256_LEN) == 0);
	CHECK(strcmp(comment, again.comment) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ka_error err = {""};
	struct ka_sshkey key;
	struct input in = {data, size};
	unsigned kind = take8(&in) % 16;
	enum ka_result r;

	memset(&key, 0xa5, sizeof(key));
	if (kind < sizeof(types) / sizeof(types[0])) {
		r = ka_sshkey_read(types[kind], in.at, in.left, &key, &err);
		CHECK(r == KA_OK || r == KA_INVALID || r == KA_NOTFOUND);
		if (r == KA_OK)
			CHECK(key.bloblen == in.left && memcmp(key.blob, in.at, in.left) == 0);
	} else {
		r = ka_paste_parse((const char *)in.at, in.left, &key, &err);
		CHECK(r == KA_OK || r == KA_INVALID);
	}
	if (r == KA_OK)
		check_key(&key);
	else
		check_refused(&key, &err, r == KA_INVALID);
	return 0;
}
