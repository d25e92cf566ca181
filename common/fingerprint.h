#ifndef KA_FINGERPRINT_H
#define KA_FINGERPRINT_H
/*
 * Fingerprints of public keys as OpenSSH writes them. libc alone.
 * Thread safety: no state is kept; any number of threads.
 */
#include <stdint.h>

#include "common/result.h"

#define KA_SHA256_LEN      32
#define KA_MD5_LEN         16
#define KA_SHA256_TEXT_LEN 51 /* "SHA256:", 43 characters without padding, NUL */
#define KA_MD5_TEXT_LEN    48 /* 16 pairs, 15 colons, NUL */

/**
 * ka_fingerprint_parse(text, sha256):
 * Read "SHA256:" and 43 base64 characters, nothing else around them.
 * Returns KA_OK; KA_INVALID.
 */
enum ka_result ka_fingerprint_parse(const char *text, uint8_t sha256[static KA_SHA256_LEN]);

/**
 * ka_fingerprint_format(sha256, text):
 * Write "SHA256:…" as ssh-keygen -l does.
 */
void ka_fingerprint_format(const uint8_t sha256[static KA_SHA256_LEN], char text[static KA_SHA256_TEXT_LEN]);

/**
 * ka_fingerprint_format_md5(md5, text):
 * Write the colon-separated hex of ssh-keygen -l -E md5, without its "MD5:".
 */
void ka_fingerprint_format_md5(const uint8_t md5[static KA_MD5_LEN], char text[static KA_MD5_TEXT_LEN]);

#endif
