#ifndef KA_PASTE_H
#define KA_PASTE_H
/*
 * What a person pasted, taken apart into one public key: cleaned, and refused with a sentence that says what to paste
 * instead. The key itself is checked by common/sshkey. Only the admin tool links this.
 * Thread safety: no state is kept; any number of threads.
 */
#include <stddef.h>

#include "common/result.h"
#include "common/sshkey.h"

#define KA_PASTE_MAX 65536 /* bytes */

/**
 * ka_paste_parse(text, len, key, err):
 * Read exactly one public key out of ${text} (${len} bytes, at most KA_PASTE_MAX). A byte order mark in front, lines
 * that begin with #, and spaces, tabs, no-break spaces, CR and line breaks around and inside the base64 are cleaned up;
 * what follows the base64 is the comment. Refused, each with its own sentence in ${err}: nothing at all; too much text;
 * NUL bytes, wherever they are; several keys; a private key in any format, also in text that is too long or holds NUL
 * bytes; options in front of the key; an SSH2 or PEM public key (with the ssh-keygen line that converts it); a
 * certificate; DSA; an unknown type; base64 that is malformed or cut short; whatever ka_sshkey_read refuses. No
 * sentence holds a byte of a private key, not even when a piece of one was pasted.
 * Ownership: the caller's buffers; nothing to free. After a failure ${key} is all zero. The caller wipes ${text} if it
 * may have held a secret; the copies that were made of it are wiped.
 * Returns KA_OK; KA_INVALID; KA_UNAVAIL (no memory, or OpenSSL has no such digest).
 */
enum ka_result ka_paste_parse(const char *text, size_t len, struct ka_sshkey *key, struct ka_error *err);

#endif
