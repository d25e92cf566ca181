#ifndef KA_SSHKEY_H
#define KA_SSHKEY_H
/*
 * A public key as a person pasted it: cleaned, taken apart and checked to the last byte before anything is stored.
 * OpenSSL gives digests and key checks; only the admin tool links this.
 * Thread safety: no state is kept; any number of threads.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/fingerprint.h"
#include "common/result.h"

#define KA_SSHKEY_TYPE_LEN    48   /* longest type name that is accepted, NUL included */
#define KA_SSHKEY_BLOB_MAX    2560 /* bytes; RSA of 16,384 bits, the most that OpenSSH takes, needs 2,077 */
#define KA_SSHKEY_COMMENT_LEN 256  /* bytes, NUL included */
#define KA_SSHKEY_PASTE_MAX   65536

struct ka_sshkey {
	char type[KA_SSHKEY_TYPE_LEN]; /* as in an authorized_keys line: "ssh-ed25519" */
	uint8_t blob[KA_SSHKEY_BLOB_MAX];
	size_t bloblen;
	unsigned bits; /* as ssh-keygen -l shows: 256 for ed25519, the modulus for RSA */
	uint8_t sha256[KA_SHA256_LEN];
	uint8_t md5[KA_MD5_LEN];
	char comment[KA_SSHKEY_COMMENT_LEN]; /* cleaned by ka_text_clean; "" if there is none */
};

/**
 * ka_sshkey_parse(text, len, key, err):
 * Read exactly one public key out of ${text} (${len} bytes, at most KA_SSHKEY_PASTE_MAX). Spaces, tabs, CR and line
 * breaks around and inside the base64 are cleaned up. Refused, each with its own sentence in ${err}: nothing at all;
 * several keys; a private key in any format (the sentence never holds a byte of it); options in front of the key; an
 * SSH2 or PEM public key (with the ssh-keygen line that converts it); a certificate; DSA; an unknown type; base64 that is
 * malformed or cut short; bytes left over; a type inside that is not the one outside; a point that is not on its curve
 * or of small order; an RSA key with an even or non-minimal number, an exponent below 3, or more than 16,384 bits.
 * Whether an RSA key is long enough is policy, not syntax: the caller judges ${key}->bits.
 * Ownership: the caller's buffers; nothing to free. The caller wipes ${text} if it may have held a secret.
 * Returns KA_OK; KA_INVALID; KA_UNAVAIL (OpenSSL could not allocate or has no such digest).
 * Source: RFC 4253 6.6, RFC 5656 3.1, RFC 8709 4, OpenSSH PROTOCOL.u2f.
 */
enum ka_result ka_sshkey_parse(const char *text, size_t len, struct ka_sshkey *key, struct ka_error *err);

#endif
