#ifndef PAM_KEYACCT_AUTHINFO_H
#define PAM_KEYACCT_AUTHINFO_H
/*
 * What sshd tells PAM about the finished authentication.
 */
#include <stdint.h>

#include "common/fingerprint.h"
#include "common/result.h"

/**
 * authinfo_key(info, sha256):
 * The fingerprint of the public key in SSH_AUTH_INFO_0: the first line "publickey TYPE BASE64…". Certificates are not
 * keys of ours, and a line that cannot be read is no key.
 * Returns KA_OK; KA_NOTFOUND: ${info} (NULL: not set) tells of no public key; KA_INVALID; KA_UNAVAIL: no SHA-256 to be
 * had. Source: OpenSSH 9.2 auth2.c, auth2_update_session_info and auth2-pubkey.c.
 */
enum ka_result authinfo_key(const char *info, uint8_t sha256[static KA_SHA256_LEN]);

/**
 * authinfo_address(connection, address):
 * The client's address in SSH_CONNECTION: its first word. Never PAM_RHOST, which is a name under UseDNS.
 * Returns KA_OK; KA_INVALID.
 */
enum ka_result authinfo_address(const char *connection, uint8_t *address);

#endif
