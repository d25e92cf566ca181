#ifndef KA_SSHKEY_H
#define KA_SSHKEY_H
/*
 * A public key as its wire blob: the types that are taken, and a check to the last byte before anything is stored.
 * What a person pasted becomes such a blob in common/paste. OpenSSL gives digests and key checks; only the admin tool
 * links this.
 * Thread safety: no state is kept; any number of threads.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/fingerprint.h"
#include "common/result.h"

#define KA_SSHKEY_TYPE_LEN    48   /* longest type name that is accepted, NUL included */
#define KA_SSHKEY_BLOB_MAX    2560 /* bytes; RSA of 16,384 bits, the most that OpenSSH takes, needs 2,077 */
#define KA_SSHKEY_COMMENT_LEN 256  /* bytes, NUL included */
#define KA_SSHKEY_QUOTE_LEN   64   /* bytes, NUL included */

/* For sentences: every type that is taken, and what to do about a key that is damaged. */
#define KA_SSHKEY_TYPES                                                                                     \
	"ssh-ed25519, ssh-rsa, ecdsa-sha2-nistp256, -nistp384 or -nistp521, sk-ssh-ed25519@openssh.com or " \
	"sk-ecdsa-sha2-nistp256@openssh.com"
#define KA_SSHKEY_AGAIN "paste the whole line of the .pub file again"

struct ka_sshkey {
	char type[KA_SSHKEY_TYPE_LEN]; /* as in an authorized_keys line: "ssh-ed25519" */
	uint8_t blob[KA_SSHKEY_BLOB_MAX];
	size_t bloblen;
	unsigned bits; /* as ssh-keygen -l shows: 256 for ed25519, the modulus for RSA */
	uint8_t sha256[KA_SHA256_LEN];
	uint8_t md5[KA_MD5_LEN];
	char comment[KA_SSHKEY_COMMENT_LEN]; /* no part of the blob; cleaned by ka_text_clean; "" if there is none */
};

/**
 * ka_sshkey_find_type(word, n):
 * The name of the type that ${word} (${n} bytes, no NUL needed) spells exactly, or NULL when it is no type that is
 * taken: certificates and DSA are not.
 */
const char *ka_sshkey_find_type(const char *word, size_t n);

/**
 * ka_sshkey_type(nth):
 * The name of the ${nth} (0: the first) type that is taken, or NULL when there are not so many.
 */
const char *ka_sshkey_type(size_t nth);

/**
 * ka_sshkey_read(type, blob, bloblen, key, err):
 * Check ${blob} (${bloblen} bytes, outside of ${key}), which is said to be of ${type}, and fill ${key}, digests and
 * bits included; the comment becomes "". Refused, each with its own sentence in ${err}: an unknown type; a blob longer
 * than KA_SSHKEY_BLOB_MAX; a type inside that is not ${type}; bytes left over; and
 * - ed25519: a point that is not canonical, not on its curve or of small order;
 * - ECDSA: another curve; a point that is not uncompressed or not on its curve;
 * - RSA: a number that is even, not positive or not in its shortest form; an exponent below 3 or of more than 64 bits
 *   (OPENSSL_RSA_MAX_PUBEXP_BITS); a modulus below 1,024 bits (SSH_RSA_MINIMUM_MODULUS_SIZE of OpenSSH) or above 16,384
 *   (OPENSSL_RSA_MAX_MODULUS_BITS). Whether 1,024 bits or more are enough is policy: the caller judges ${key}->bits;
 * - sk-: what is refused without sk-; an application that is empty or holds anything but printable ASCII, the space
 *   included (0x20..0x7e). It need not begin with "ssh:".
 * Ownership: the caller's buffers; nothing to free. After a failure ${key} is all zero.
 * Returns KA_OK; KA_INVALID; KA_NOTFOUND (without a sentence: nothing is wrong so far, but the blob ends before the key
 * does); KA_UNAVAIL (OpenSSL could not allocate or has no such digest).
 * Source: RFC 4251 5, RFC 4253 6.6, RFC 5656 3.1, RFC 8709 4, OpenSSH PROTOCOL.u2f.
 */
enum ka_result ka_sshkey_read(
    const char *type, const uint8_t *blob, size_t bloblen, struct ka_sshkey *key, struct ka_error *err);

/**
 * ka_sshkey_quote(word, n, out):
 * Put a word of what was refused (${n} bytes) into ${out} for a sentence, as ` "word"`, cut to the room for a type. It
 * may be a piece of a private key whose first line was not pasted: unless it cannot be base64, ${out} is left empty.
 */
void ka_sshkey_quote(const void *word, size_t n, char out[static KA_SSHKEY_QUOTE_LEN]);

#endif
