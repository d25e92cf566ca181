#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "common/base64.h"
#include "common/sshkey.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define LINE_LEN 8192

/* Made with ssh-keygen; the numbers are what ssh-keygen -l and -l -E md5 print. No private half is kept. */
static const struct sample {
	const char *type, *base64, *comment;
	unsigned bits;
	const char *sha256, *md5;
} samples[] = {
    {"ssh-ed25519", "AAAAC3NzaC1lZDI1NTE5AAAAIHnrRUNdJzM80rcv/f7rzdqMXtRrEgxP8tx606sZmge7", "alice@example.org", 256,
	"SHA256:7bP8DNkRYhrK1KxKVB1HYL98XdED+emEkSa4IQbDmek", "25:63:71:67:cd:e8:64:03:f7:8e:f1:78:67:dd:d7:35"},
    {"ssh-rsa",
	"AAAAB3NzaC1yc2EAAAADAQABAAABAQC9NU65o99tbeJv9/bVUF3uhWPOdNnvJU7h1yn8o79OrDLputN2NBMG9z+E"
	"2fcDh00hAXEH7lKYwyesE8K2tUktwRZuANGbtKw5NjgP7HaHbOMtzqI/bRu1/DFfVGhjgh1crXuY+Am/resmozQC"
	"wDzxYETqpGYbUD7WkUf/wU6sPTLqaHLvQlgZZXms5st4Ihv5f7yT3lG7p1WAHJ3IVu3DHx1sJan/RDBZy6weZNRH"
	"Nl5v8Oi1SFKVV1RBx1P5fYwBfHc35pK66yHtym3Ppcm8PmhFI9jg6p/uu+pfUYM2AiOVDIc9BZMTQ6YroFfZ9G2n"
	"Ei/D6am3WMB8hTYnTdEd",
	"bob@example.org", 2048, "SHA256:dzOmVwc0YKMqkIy1nC4irvAMXQoAn8vdaloWtQfsLxQ",
	"90:97:57:4d:e7:92:2e:0a:c1:0d:9a:4e:7b:4b:45:1e"},
    {"ssh-rsa",
	"AAAAB3NzaC1yc2EAAAADAQABAAABgQDgiLM4SZqkMIYjcnE8WWA9rj6Jx5NE5AsfQX2Sui2VPuvhCRvAujOBC3Pa"
	"va2yz8w0mKv52/br+LDu9V55oG9SP3uFNrvZJ4DeVp8XEHzg3K2qcQFhCYEKQkF0TAa1IGyBIqeHJYzQVS48uSd3"
	"7DZIdGhJbZJFb1/nJUBXAIGbLf+2bV4lZUZcKNqTpwjx7n6iP2nuVjsrNBZBfCBXMxMKq3iikFhEmNJ33MFWjeE5"
	"1mibUh0v09JIv0oXCU//h28MobvvbsXtmDyXDX/e2IY3o0VxCajstSiYfuo7H/qIVCnC28i5KodvlpnXajxICXL7"
	"prdY4eCGDez93bFMoAg5BDDXMg9xVo5tuWyMdDOYuaZnko3lDrOPY0y7SIPSA1Xa2QMsq+070IK7u5kbE+uuw5Ek"
	"lagTiguLujw1nLFaHrClS2UAiZorBbbH0Rknh9oyqJsZxEhjh5Wf7udpEj3OiOFcqHwquCH/DZzBT6eNWy5/p0Ah"
	"B+CujZzfXKuicMs=",
	"", 3072, "SHA256:7cfgPsPy7WO8Q02f3CbtXefmmTzT2g2+bG3JppuCeEs",
	"70:25:a6:16:76:8e:75:97:c1:d4:5c:20:7f:51:b3:87"},
    {"ssh-rsa",
	"AAAAB3NzaC1yc2EAAAADAQABAAAAgQDKB+iGpPQ16ZoANV7/TFgsGkjwct/LUP1/ZA9l8C7+YMGLLJTFCmTo06HY"
	"MmEJ2X4BRGMSXM55brVd+3G5J5qX0AUn9csQQ6wl2t+/xXXxtgKODIFfTgf+j8q+KENISZEoPRzBXkrxlqytC+4q"
	"5b9G7y1ToOdfeosXszgmTLcC+w==",
	"old", 1024, "SHA256:K8gd8b+MwgymZISaEvxOmkKI1R6i6I00bjtCaLyo5yc",
	"2a:e9:57:72:95:75:77:22:5e:b5:f7:4f:e5:9c:61:90"},
    {"ecdsa-sha2-nistp256",
	"AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBKRi6m+Rie/MxAy5i9WtfJAZ+2XyrH3HG399"
	"z0Lh+DQPT7U8vhO7y+WbvWe7q8ADTmO7vgaWVV1Kp3uR1zh/nZk=",
	"ec256", 256, "SHA256:OIclzFWb5VkG8KfWsKE+Ny2KA9jg/P2/VBFsPtsxlxs",
	"91:6a:49:2d:bb:d3:b8:cb:a3:61:35:60:1b:8c:18:60"},
    {"ecdsa-sha2-nistp384",
	"AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBH6Le5mrZ4ytHNYzM6o8ZamsrC+qyNDDs2wU"
	"6geKTqL76az1fZGcE4mNqLCx/T98S+W3A/3nee1P0uxYR+ezAyviu2toWkd4PLBgReVnBpj2XnLa0kdS3+tb3h7G"
	"IuUIiA==",
	"ec384", 384, "SHA256:ol4L7QHwRRb4IYWsFba1AyzM6IBHMg1cRVgJBCfFGBo",
	"f8:50:70:e1:f9:9c:2f:62:1d:90:40:c4:f5:d6:93:7e"},
    {"ecdsa-sha2-nistp521",
	"AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBABnsFZsOZopbkl7PUT9zFRuKe62ZCQ7W7+O"
	"6+FGKSVL5Asq7YT1znN3w5PPrPAlo5WLPPSdCo47vSbGlGKixqgzXQBMIOFt6wHigLXLD3u758R13zUmVfIc/vll"
	"qorSfIM36pf5edaA4ENZ3PJhwEtHAAdFt8yx/9PsTZm6iWZPzVzptA==",
	"ec521", 521, "SHA256:4AlkmyvHivISNg24YO7zSZ1B2z0pXa1hB/DAZk300RE",
	"e4:ad:1f:36:e9:b6:31:d4:98:6d:81:aa:30:31:91:c3"},
    {"sk-ssh-ed25519@openssh.com",
	"AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIHnrRUNdJzM80rcv/f7rzdqMXtRrEgxP8tx606sZmge7"
	"AAAABHNzaDo=",
	"token", 256, "SHA256:NqXWCjVGkKAB8eMfxXA4Vhgnaz1zULzsDNxapPoJsfY",
	"da:56:78:3b:01:f5:b8:f3:1d:f2:f4:7d:73:79:e3:7a"},
    {"sk-ecdsa-sha2-nistp256@openssh.com",
	"AAAAInNrLWVjZHNhLXNoYTItbmlzdHAyNTZAb3BlbnNzaC5jb20AAAAIbmlzdHAyNTYAAABBBKRi6m+Rie/MxAy5"
	"i9WtfJAZ+2XyrH3HG399z0Lh+DQPT7U8vhO7y+WbvWe7q8ADTmO7vgaWVV1Kp3uR1zh/nZkAAAAEc3NoOg==",
	"token", 256, "SHA256:syhZKBWMd11rs2Vk30S1yaiNuTMv3gn/9YL3CdV67NI",
	"b5:83:46:f4:ba:e8:0d:fa:02:01:19:1f:73:2d:7e:5a"},
};

enum { ED, RSA2048, RSA3072, RSA1024, P256, P384, P521, SKED, SKEC };

static const char second_key[] =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINjwy9c9XkgJJJ22IVLJ4GXXaD1q3kN0G0KNxY1s6fCR carol@e"
    "xample.org\n";
static const char dsa_line[] =
    "ssh-dss AAAAB3NzaC1kc3MAAACBAJgt+Z7AIFIcDHKk9P2Kj/sy0cyIcCudF8YCndLuwoH2dBG0F70qX9vXv1Ac"
    "U0vPqkKn3eNtEitEhR7HlWiKJotcn5sIdyYaE+qwltQCE/JVJ0eNxGsgf3DszCN8sEcLg4sTwjsUucUSPa4zthrY"
    "rF7o5dUq7e6ac1mrCmdkCjwrAAAAFQCZf+w3YDaRZ3mz2A9HVzuYfQydkQAAAIABJWSUJZcXoGh94RL3QSVmJMbz"
    "SRTGhv+CKQxFXRX/0h/zHyy9FIemPjeG4n9ByjcQ8VTNGMZAtlQVIOUM/q+Yesstqe8WmFM6bhJd5eY8f+v4JspP"
    "Jq4DzDtiy2JyWLbxpGCqCnP+PAqLWg23TCkTnLS3TUtPtMCmWcMMHhsoCQAAAIAf8P8zszcq9rB/CfOFfmq+RH+t"
    "44fstRTSWfZwFGyDskUl1h0AGxAfqPmSIURIQC+PWvrLdMmC7BXcuXYTVwY0xARtzNUNmD4yHde10YspFOMUEfEW"
    "noqGNW+8Xp3628KGtb9EUQj3u0bcb7TpDqlnSEdLNxmfUy1mnO3RNSv8aQ== dsa\n";
static const char cert_line[] =
    "ssh-ed25519-cert-v01@openssh.com AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29tAAAAIFr"
    "MpZDSFbAxp4sInaZwkLFT+Vzv3Iq9xJ7ZoiVuy90vAAAAIHnrRUNdJzM80rcv/f7rzdqMXtRrEgxP8tx606sZmge"
    "7AAAAAAAAAAAAAAABAAAAAmlkAAAACQAAAAVhbGljZQAAAAAAAAAA//////////8AAAAAAAAAggAAABVwZXJtaXQ"
    "tWDExLWZvcndhcmRpbmcAAAAAAAAAF3Blcm1pdC1hZ2VudC1mb3J3YXJkaW5nAAAAAAAAABZwZXJtaXQtcG9ydC1"
    "mb3J3YXJkaW5nAAAAAAAAAApwZXJtaXQtcHR5AAAAAAAAAA5wZXJtaXQtdXNlci1yYwAAAAAAAAAAAAAAMwAAAAt"
    "zc2gtZWQyNTUxOQAAACD1sViKSB6eyYjZ4PTjnLyg7fhuuhXpjwerQrFA63eyJQAAAFMAAAALc3NoLWVkMjU1MTk"
    "AAABAbsEWjdthbK32YASp2iyFilYkmbDWR4pobUpipYgeWq48NmfGqw4OenlspZtqecb5G64dOw3ypUfZQO750GE"
    "RCA== alice@example.org\n";
static const char ssh2_file[] = "---- BEGIN SSH2 PUBLIC KEY ----\n"
				"Comment: \"256-bit ED25519, converted by alice@host from OpenSSH\"\n"
				"AAAAC3NzaC1lZDI1NTE5AAAAIHnrRUNdJzM80rcv/f7rzdqMXtRrEgxP8tx606sZmge7\n"
				"---- END SSH2 PUBLIC KEY ----\n";
static const char pkcs8_file[] = "-----BEGIN PUBLIC KEY-----\n"
				 "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEpGLqb5GJ78zEDLmL1a18kBn7ZfKs\n"
				 "fccbf33PQuH4NA9PtTy+E7vL5Zu9Z7urwANOY7u+BpZVXUqne5HXOH+dmQ==\n"
				 "-----END PUBLIC KEY-----\n";
static const char pem_file[] = "-----BEGIN RSA PUBLIC KEY-----\n"
			       "MIIBCgKCAQEAvTVOuaPfbW3ib/f21VBd7oVjznTZ7yVO4dcp/KO/Tqwy6brTdjQT\n"
			       "Bvc/hNn3A4dNIQFxB+5SmMMnrBPCtrVJLcEWbgDRm7SsOTY4D+x2h2zjLc6iP20b\n"
			       "tfwxX1RoY4IdXK17mPgJv63rJqM0AsA88WBE6qRmG1A+1pFH/8FOrD0y6mhy70JY\n"
			       "GWV5rObLeCIb+X+8k95Ru6dVgBydyFbtwx8dbCWp/0QwWcusHmTURzZeb/DotUhS\n"
			       "lVdUQcdT+X2MAXx3N+aSuush7cptz6XJvD5oRSPY4Oqf7rvqX1GDNgIjlQyHPQWT\n"
			       "E0OmK6BX2fRtpxIvw+mpt1jAfIU2J03RHQIDAQAB\n"
			       "-----END RSA PUBLIC KEY-----\n";

/* Throwaway private keys that open nothing, and one in the layout of PuTTY with made-up contents. */
static const char *const private_files[] = {
    "-----BEGIN OPENSSH PRIVATE KEY-----\n"
    "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n"
    "QyNTUxOQAAACAo0ucaV30lcPohX6aRQFxDIrSRHjOIcaNvLRlaP1xLPAAAAJBP1CekT9Qn\n"
    "pAAAAAtzc2gtZWQyNTUxOQAAACAo0ucaV30lcPohX6aRQFxDIrSRHjOIcaNvLRlaP1xLPA\n"
    "AAAEDl+bWL4RK6BmD7biWJ+12LQttwLpVXfmtzo1RJFWEOuijS5xpXfSVw+iFfppFAXEMi\n"
    "tJEeM4hxo28tGVo/XEs8AAAACXRocm93YXdheQECAwQ=\n"
    "-----END OPENSSH PRIVATE KEY-----\n",
    "-----BEGIN RSA PRIVATE KEY-----\n"
    "MIICXgIBAAKBgQDx48kfZYKJF4NdXMmwRXZmFlb2pCxYLvKZts3sHLgbyCG39paB\n"
    "YkT9LXzy5nfIucyvvssi+NDzDyZHVnRlfRLvyR+a4KlqQOFrZq0qd9oafcnNy0Nw\n"
    "9lWhVvuvkRFw5owOXPFnytoORywE6+iaA65jToUbUr8Qf6kkhhxyZqSUuwIDAQAB\n"
    "AoGBALtmtK0kYeuAUgAFIST1y/Lvn9RaARkY1k+MtyEUZvbvKGB0JMp8reJQWZt+\n"
    "PpM+j3whHxQrHQcSV5+xNWBjdETcPlYNDC/J7XY9TOipSsuXRiUn9wh6DRLIz9Q+\n"
    "HglIhcJHkAHIUbbJ3hWj3BrUBRSj/ra4huNdcb8eewP3P9BxAkEA+s4f51df0QFO\n"
    "U7lxDEa54XV5sqK26O8KXmSXfcYHX5cq/Klwk7uD2OHQJV9MLP9f93oEPIFfgfv5\n"
    "KB9j9ggvlwJBAPbmY0o48A6UZIjoYU5a9BjylUSVJfHS03wxLkpcgehAOyZZAC2i\n"
    "BObjkIoQgWrJTvvohNqd6ZmrNdVFMcMwaH0CQQDy/JzAP1CfZ4qBZxp1cFhKbMw5\n"
    "G5fmWSFMjlyPCDrAi+6j120wU+3LRAurCYb92XUaiOZt0FG912dvTepExW2FAkA1\n"
    "/lQgWytERPdnaUo+VG2lNwelo+hUZgKR2j+BS5GtNL66uCPt1syzoXhueQWUUMnR\n"
    "FRxYosf/Lw3qweMMCH4RAkEAkgdPqtIoVcMwVlzqYWXo2v2VfUtVr8bNPk2E/Jyx\n"
    "BUtZBySfvle3u2gPWTeS27fgnt8aEh00VdDXftAobugDNg==\n"
    "-----END RSA PRIVATE KEY-----\n",
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgW+1wmHZoWYDp518r\n"
    "8sqQnTFUHvB0tK4EPcq1fBb9dBmhRANCAASGiZIt2a9EvqsQueziIoVqd4GEWaES\n"
    "EkVwRCnAT04RYUyGvgNuIy/uvkTKqIgw4WTaqxtweMivWICZNu1/RB3e\n"
    "-----END PRIVATE KEY-----\n",
    "PuTTY-User-Key-File-3: ssh-ed25519\n"
    "Encryption: none\n"
    "Comment: made-up\n"
    "Public-Lines: 2\n"
    "AAAAC3NzaC1lZDI1NTE5AAAAIHnrRUNdJzM80rcv/f7rzdqMXtRrEgxP8tx606sZ\n"
    "mge7\n"
    "Private-Lines: 1\n"
    "AAAAIMadeUpSecretMadeUpSecretMadeUpSecretMadeUp1\n"
    "Private-MAC: 0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9\n",
    "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\n"
    "Comment: \"made-up\"\n"
    "P2/56wAAAgIAAAA3aWYtbW9kbntzaWdue3JzYS1wa2NzMS1zaGExfSxlbmNyeXB0e3JzYS\n"
    "MadeUpSecretMadeUpSecretMadeUpSecretMadeUpSecretMadeUpSecretMadeUp\n"
    "---- END SSH2 ENCRYPTED PRIVATE KEY ----\n",
    "SSH PRIVATE KEY FILE FORMAT 1.1\n"
    "MadeUpSecretMadeUpSecretMadeUpSecret\n",
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
    "MadeUpSecretMadeUpSecretMadeUpSecretMadeUpSecretMadeUpSecretMade\n"
    "-----END ENCRYPTED PRIVATE KEY-----\n",
    "-----BEGIN EC PRIVATE KEY-----\n"
    "MadeUpSecretMadeUpSecretMadeUpSecretMadeUpSecretMadeUpSecretMade\n"
    "-----END EC PRIVATE KEY-----\n",
};

/* Which bits of the point of samples[ED], flipped alone, give another point of the curve: computed outside OpenSSL. */
static const char flipped_on_curve[] =
    "0000001111101111010110000000011100011101101110010111100011100101101001010000101010001100"
    "1011001010010011011010100111011000001111101001001101100111010000100011000100001111110101"
    "01100101010101011001100000010011111111010010010100100000101010010110011001001001";

static struct ka_sshkey key;
static struct ka_error err;

/* Helpers */

static bool
all_zero(const void *bytes, size_t n)
{
	const uint8_t *b = bytes;

	for (size_t i = 0; i < n; i++)
		if (b[i] != 0)
			return false;
	return true;
}

static enum ka_result
parse(const char *text, size_t len)
{
	/* A copy of the exact size: a sanitizer sees a read past the end. */
	char *copy = malloc(len > 0 ? len : 1);
	enum ka_result r;

	assert_non_null(copy);
	if (len > 0)
		memcpy(copy, text, len);
	memset(&key, 0xa5, sizeof(key));
	memset(&err, 0, sizeof(err));
	r = ka_sshkey_parse(copy, len, &key, &err);
	free(copy);
	if (r != KA_OK) {
		size_t n = strlen(err.text);

		assert_true(all_zero(&key, sizeof(key)));
		assert_true(n > 20 && n < sizeof(err.text) - 1);
		for (size_t i = 0; i < n; i++)
			assert_in_range(err.text[i], ' ', '~');
	}
	return r;
}

static void
refused_bytes(const char *text, size_t len, const char *word)
{
	assert_int_equal(parse(text, len), KA_INVALID);
	if (strstr(err.text, word) == NULL)
		fail_msg("\"%s\" is not in: %s", word, err.text);
}

static void
refused(const char *text, const char *word)
{
	refused_bytes(text, strlen(text), word);
}

/* Is the last parsed key this sample? */
static void
same_as(const struct sample *s, const char *comment)
{
	char text[KA_BASE64_LEN(KA_SSHKEY_BLOB_MAX)], sha256[KA_SHA256_TEXT_LEN], md5[KA_MD5_TEXT_LEN];

	assert_string_equal(key.type, s->type);
	assert_int_equal(ka_base64_encode(key.blob, key.bloblen, text, sizeof(text)), KA_OK);
	assert_string_equal(text, s->base64);
	assert_int_equal(key.bits, s->bits);
	ka_fingerprint_format(key.sha256, sha256);
	assert_string_equal(sha256, s->sha256);
	ka_fingerprint_format_md5(key.md5, md5);
	assert_string_equal(md5, s->md5);
	assert_string_equal(key.comment, comment);
}

static void
accepted(const char *text, const struct sample *s, const char *comment)
{
	if (parse(text, strlen(text)) != KA_OK)
		fail_msg("%s: %s", text, err.text);
	same_as(s, comment);
}

/* A blob under construction */
static struct {
	uint8_t bytes[4 * KA_SSHKEY_BLOB_MAX];
	size_t n;
} blob;

static void
put(const void *bytes, size_t n)
{
	const uint8_t length[] = {(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};

	assert_true(blob.n + 4 + n <= sizeof(blob.bytes));
	memcpy(blob.bytes + blob.n, length, 4);
	if (n > 0)
		memcpy(blob.bytes + blob.n + 4, bytes, n);
	blob.n += 4 + n;
}

static void
begin(const char *type)
{
	blob.n = 0;
	put(type, strlen(type));
}

static void
load(const struct sample *s)
{
	assert_int_equal(
	    ka_base64_decode(s->base64, strlen(s->base64), blob.bytes, sizeof(blob.bytes), &blob.n), KA_OK);
}

static enum ka_result
parse_blob(const char *type)
{
	static char line[sizeof(blob.bytes) * 2];
	size_t n = (size_t)snprintf(line, sizeof(line), "%s ", type);

	assert_int_equal(ka_base64_encode(blob.bytes, blob.n, line + n, sizeof(line) - n), KA_OK);
	return parse(line, strlen(line));
}

static void
refused_blob(const char *type, const char *word)
{
	assert_int_equal(parse_blob(type), KA_INVALID);
	if (strstr(err.text, word) == NULL)
		fail_msg("\"%s\" is not in: %s", word, err.text);
}

static void
put_rsa(const uint8_t *e, size_t elen, const uint8_t *n, size_t nlen)
{
	begin("ssh-rsa");
	put(e, elen);
	put(n, nlen);
}

/* An RSA blob with a modulus of so many bits, all of them set. */
static void
put_rsa_bits(size_t bits, uint8_t last)
{
	static const uint8_t e[] = {1, 0, 1};
	uint8_t n[KA_SSHKEY_BLOB_MAX + 64];
	size_t len = bits / 8 + 1;

	memset(n, 0xff, sizeof(n));
	n[0] = (uint8_t)((1u << bits % 8) - 1);
	n[len - 1] = last;
	put_rsa(e, sizeof(e), n, len);
}

/* Whole keys */

static void
test_samples(void **state)
{
	char line[LINE_LEN];

	(void)state;
	for (size_t i = 0; i < COUNT(samples); i++) {
		const struct sample *s = &samples[i];

		(void)snprintf(line, sizeof(line), "%s %s %s\n", s->type, s->base64, s->comment);
		accepted(line, s, s->comment);
		(void)snprintf(line, sizeof(line), "%s %s", s->type, s->base64);
		accepted(line, s, "");
		(void)snprintf(line, sizeof(line), "\r\n\t %s\t\t%s  \r\n\r\n", s->type, s->base64);
		accepted(line, s, "");
	}
}

static void
test_wrapped_anywhere(void **state)
{
	static const char *const breaks[] = {"\n", "\r\n", " ", "\t", "\r", " \v\f\n  ", "\xc2\xa0", "\n\n\xc2\xa0 "};
	char line[LINE_LEN];

	(void)state;
	for (size_t i = 0; i < COUNT(samples); i++) {
		const struct sample *s = &samples[i];

		for (size_t b = 0; b < COUNT(breaks); b++)
			for (size_t at = 0; at <= strlen(s->base64); at++) {
				(void)snprintf(line, sizeof(line), "%s%s%.*s%s%s%salice@example.org", s->type,
				    breaks[b], (int)at, s->base64, breaks[b], s->base64 + at, breaks[b]);
				accepted(line, s, "alice@example.org");
			}
	}
}

static void
test_wrapped_everywhere(void **state)
{
	char line[LINE_LEN];

	(void)state;
	for (size_t i = 0; i < COUNT(samples); i++)
		for (size_t width = 1; width < 77; width++) {
			size_t n = (size_t)snprintf(line, sizeof(line), "%s", samples[i].type);

			for (size_t at = 0; at < strlen(samples[i].base64); at += width)
				n += (size_t)snprintf(
				    line + n, sizeof(line) - n, "\r\n  %.*s", (int)width, samples[i].base64 + at);
			(void)snprintf(line + n, sizeof(line) - n, "\r\n");
			accepted(line, &samples[i], "");
		}
}

static void
test_front_matter(void **state)
{
	const struct sample *s = &samples[ED];
	char line[LINE_LEN];

	(void)state;
	(void)snprintf(line, sizeof(line), "\xef\xbb\xbf%s %s x", s->type, s->base64);
	accepted(line, s, "x");
	(void)snprintf(line, sizeof(line), "\xef\xbb\xbf\xc2\xa0\n%s\xc2\xa0%s\xc2\xa0x\xc2\xa0", s->type, s->base64);
	accepted(line, s, "x");
	(void)snprintf(
	    line, sizeof(line), "# my key\n#\n\n  # ssh-rsa AAAA\r\n%s %s # work\n# end\n", s->type, s->base64);
	accepted(line, s, "# work");
	(void)snprintf(line, sizeof(line), "\xef\xbb\xbf# my key\r%s\n# between\n%s\n#end", s->type, s->base64);
	accepted(line, s, "");
}

static void
test_comments(void **state)
{
	const struct sample *s = &samples[ED];
	char line[LINE_LEN], long_comment[400];

	(void)state;
	(void)snprintf(line, sizeof(line), "%s %s  Alice's \t laptop\r\n2026 ", s->type, s->base64);
	accepted(line, s, "Alice's laptop 2026");
	(void)snprintf(line, sizeof(line),
	    "%s %s a\x1b[31m\xe2\x80\xae"
	    "b\x7f\xff \xc3\xa9",
	    s->type, s->base64);
	accepted(line, s, "a[31mb \xc3\xa9");
	(void)snprintf(line, sizeof(line), "%s %s AAAA", s->type, s->base64);
	accepted(line, s, "AAAA");
	(void)snprintf(line, sizeof(line), "%s %s my ssh-rsa key, options from= --- ", s->type, s->base64);
	accepted(line, s, "my ssh-rsa key, options from= ---");
	/* Only what can be the beginning of a blob makes a second key. */
	(void)snprintf(line, sizeof(line), "%s %s ssh-rsa Apple alice@host A", s->type, s->base64);
	accepted(line, s, "ssh-rsa Apple alice@host A");
	memset(long_comment, 'x', sizeof(long_comment));
	long_comment[sizeof(long_comment) - 1] = '\0';
	(void)snprintf(line, sizeof(line), "%s %s %s", s->type, s->base64, long_comment);
	assert_int_equal(parse(line, strlen(line)), KA_OK);
	assert_int_equal(strlen(key.comment), KA_SSHKEY_COMMENT_LEN - 1);
}

/* What is no key */

static void
test_nothing(void **state)
{
	(void)state;
	assert_int_equal(ka_sshkey_parse(NULL, 0, &key, &err), KA_INVALID);
	assert_non_null(strstr(err.text, "nothing"));
	refused("", "nothing");
	refused(" \t\r\n\v\f\xc2\xa0", "nothing");
	refused("\xef\xbb\xbf", "nothing");
	refused("# only a comment\n#ssh-ed25519 AAAA", "nothing");
}

static void
test_bounds(void **state)
{
	static char big[KA_SSHKEY_PASTE_MAX + 1];
	const struct sample *s = &samples[ED];
	size_t n;

	(void)state;
	memset(big, '\n', sizeof(big));
	n = (size_t)snprintf(big, sizeof(big), "%s %s", s->type, s->base64);
	big[n] = '\n';
	assert_int_equal(parse(big, sizeof(big) - 1), KA_OK);
	same_as(s, "");
	refused_bytes(big, sizeof(big), "65537 bytes are too long");
	for (size_t i = 0; i <= n; i++) {
		char c = big[i];

		big[i] = '\0';
		refused_bytes(big, n + 1, "NUL");
		big[i] = c;
	}
	memset(big + n, 'A', sizeof(big) - n);
	refused_bytes(big, sizeof(big) - 1, "too long");
}

static void
test_several(void **state)
{
	const struct sample *s = &samples[ED];
	char line[LINE_LEN];
	size_t n = 0;

	(void)state;
	(void)snprintf(line, sizeof(line), "%s %s a\n%s", s->type, s->base64, second_key);
	refused(line, "2 keys");
	assert_non_null(strstr(err.text, "keyacct import --authorized-keys"));
	(void)snprintf(line, sizeof(line), "%s %s %s %s", s->type, s->base64, s->type, s->base64);
	refused(line, "2 keys");
	(void)snprintf(line, sizeof(line), "%s %s\nno-pty,from=\"::1\" %s", s->type, s->base64, second_key);
	refused(line, "2 keys");
	(void)snprintf(line, sizeof(line), "%s %s\n%s", s->type, s->base64, dsa_line);
	refused(line, "2 keys");
	(void)snprintf(line, sizeof(line), "%s %s\n%s", s->type, s->base64, cert_line);
	refused(line, "2 keys");
	(void)snprintf(line, sizeof(line), "%s %s\nssh-new AAAAB3NzaC1", s->type, s->base64);
	refused(line, "2 keys");
	(void)snprintf(line, sizeof(line), "%s %s\nssh-rsa\nA\nAAAB3", s->type, s->base64);
	refused(line, "2 keys");
	for (size_t i = 0; i < COUNT(samples); i++)
		n += (size_t)snprintf(line + n, sizeof(line) - n, "%s %s\n", samples[i].type, samples[i].base64);
	refused(line, "9 keys");
}

/* No eight characters of the secret may come back, nor may any be left in the key. */
static void
refused_private(const char *text, size_t len, const char *secret, const char *word)
{
	size_t n = strlen(secret);

	refused_bytes(text, len, word);
	for (size_t i = 0; i + 8 <= n; i++) {
		char piece[9];

		memcpy(piece, secret + i, 8);
		piece[8] = '\0';
		assert_null(strstr(err.text, piece));
	}
}

static void
test_private(void **state)
{
	char text[LINE_LEN];

	(void)state;
	for (size_t i = 0; i < COUNT(private_files); i++) {
		const char *file = private_files[i], *body = strchr(file, '\n') + 1;
		size_t n = 0;

		refused_private(file, strlen(file), body, "private key");
		assert_non_null(strstr(err.text, ".pub"));
		assert_non_null(strstr(err.text, "exposed"));
		assert_non_null(strstr(err.text, "replace"));
		/* Around it: a public key before, after; other white space. */
		(void)snprintf(text, sizeof(text), "%s\n%s", second_key, file);
		refused_private(text, strlen(text), body, "private key");
		(void)snprintf(text, sizeof(text), "%s\n%s", file, second_key);
		refused_private(text, strlen(text), body, "private key");
		(void)snprintf(text, sizeof(text), "# %s", file);
		refused_private(text, strlen(text), body, "private key");
		for (const char *c = file; *c != '\0'; c++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s",
			    *c == ' ' ? "\r\n\xc2\xa0" : (const char[]){*c == '\n' ? '\r' : *c, '\0'});
		refused_private(text, n, body, "private key");
		/* A NUL and too much text do not hide it. */
		n = (size_t)snprintf(text, sizeof(text), "%s", file) + 1;
		refused_private(text, n, body, "private key");
	}
}

static void
test_private_in_pieces(void **state)
{
	(void)state;
	/* Whatever piece was pasted is refused, and nothing of it is shown. */
	for (size_t i = 0; i < COUNT(private_files); i++) {
		const char *file = private_files[i], *body = strchr(file, '\n') + 1;

		for (size_t from = 0; from < strlen(file); from++)
			refused_private(file + from, strlen(file + from), body, "");
		for (const char *line = body, *end; (end = strchr(line, '\n')) != NULL; line = end + 1)
			refused_private(line, (size_t)(end - line), body, "");
	}
	/* Each mark alone is enough. */
	refused("b3BlbnNzaC1rZXktdjEAAAAABG5vbmU", "private key");
	refused("PuTTY-User-Key-File-2: ssh-rsa\nComment: x", "private key");
	refused("Private-Lines: 1\nAAAA", "private key");
	refused("Private-MAC: 00", "private key");
	refused("x\nPRIVATE \r\n KEY", "private key");
}

static void
test_private_too_long(void **state)
{
	static char big[KA_SSHKEY_PASTE_MAX + 100];

	(void)state;
	memset(big, ' ', sizeof(big));
	memcpy(big + sizeof(big) - 11, "PRIVATE KEY", 11);
	refused_bytes(big, sizeof(big), "private key");
	big[sizeof(big) - 1] = 'E';
	refused_bytes(big, sizeof(big), "too long");
}

static void
test_other_formats(void **state)
{
	char line[LINE_LEN];

	(void)state;
	refused(ssh2_file, "ssh-keygen -i -f FILE");
	assert_non_null(strstr(err.text, "SSH2"));
	refused(pkcs8_file, "ssh-keygen -i -m PKCS8 -f FILE");
	refused(pem_file, "ssh-keygen -i -m PEM -f FILE");
	refused(cert_line, "certificate");
	assert_non_null(strstr(err.text, "plain public key"));
	refused("ecdsa-sha2-nistp256-cert-v01@openssh.com", "certificate");
	refused(dsa_line, "DSA");
	refused("ssh-dss", "DSA");
	(void)snprintf(line, sizeof(line), "restrict %s", cert_line);
	refused(line, "in front");
}

static void
test_options(void **state)
{
	static const char *const fronts[] = {"from=\"192.0.2.0/24,!192.0.2.7\"", "expiry-time=\"20270101\"",
	    "command=\"echo \\\"a b\\\" c\",no-pty", "restrict", "no-pty , from=\"::1\"", "host.example.org",
	    "command=\"ssh-ed25519 x\"", "key:\n", "\xe2\x80\x9c", "a", "1."};
	char line[LINE_LEN];

	(void)state;
	for (size_t i = 0; i < COUNT(fronts); i++) {
		(void)snprintf(line, sizeof(line), "%s %s", fronts[i], second_key);
		refused(line, "in front");
		assert_non_null(strstr(err.text, "from= as --from"));
		assert_non_null(strstr(err.text, "expiry-time= as --expires"));
		assert_non_null(strstr(err.text, "policy"));
	}
}

static void
test_unknown_type(void **state)
{
	const struct sample *s = &samples[ED];
	char line[LINE_LEN];

	(void)state;
	refused("ssh-ed448 AAAACXNzaC1lZDQ0OA== x", "unknown key type \"ssh-ed448\"");
	refused("ssh-ed448 AAAACXNzaC1lZDQ0OA== my ssh-rsa key", "unknown key type \"ssh-ed448\"");
	refused("~/.ssh/id_ed25519.pub", "\"~/.ssh/id_ed25519.pub\"");
	refused("ssh-ed25519x AAAAC3Nz", "\"ssh-ed25519x\"");
	refused("ssh-ed2551 AAAAC3Nz", "\"ssh-ed2551\"");
	refused("hello", "does not begin with a key type");
	refused("SSH-RSA AAAAB3Nz", "does not begin with a key type");
	refused("\"ssh-rsa AAAAB3Nz\"", "does not begin with a key type");
	refused("s\xc3\xa9same-x", "does not begin with a key type");
	refused("\x1b[31m-x", "does not begin with a key type");
	/* A long word is cut to the room for a type. */
	memset(line, 'a', 4000);
	line[4] = '-';
	line[4000] = '\0';
	refused(line, "unknown key type \"aaaa-a");
	assert_null(strstr(err.text, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
	refused(s->base64, "is missing");
	(void)snprintf(line, sizeof(line), "%s alice@example.org", s->base64);
	refused(line, "is missing");
	(void)snprintf(line, sizeof(line), "%s", s->base64);
	line[30] = '\n';
	refused(line, "is missing");
}

/* Damaged base64 */

static void
test_cut_short(void **state)
{
	static const char *const tails[] = {"", "\n", " alice@example.org", " @"};
	char line[LINE_LEN];

	(void)state;
	for (size_t i = 0; i < COUNT(samples); i++)
		for (size_t t = 0; t < COUNT(tails); t++)
			for (size_t n = 0; n < strlen(samples[i].base64); n++) {
				(void)snprintf(line, sizeof(line), "%s %.*s%s", samples[i].type, (int)n,
				    samples[i].base64, tails[t]);
				refused(line, n == 0 ? "not followed by base64" : "cut short");
			}
}

static void
test_cut_short_before_a_word(void **state)
{
	char line[LINE_LEN];

	(void)state;
	/* The comment looks like base64 and is taken for more of it, but it never fits. */
	for (size_t n = 1; n < 60; n++) {
		(void)snprintf(line, sizeof(line), "ssh-ed25519 %.*s alice", (int)n, samples[ED].base64);
		refused(line, "paste the whole line");
	}
}

static void
test_malformed(void **state)
{
	char line[LINE_LEN];

	(void)state;
	refused("ssh-ed25519", "not followed by base64");
	refused("ssh-ed25519 \xe2\x80\xa6", "not followed by base64");
	(void)snprintf(line, sizeof(line), "ssh-ed25519 %s", samples[ED].base64);
	for (size_t i = strlen("ssh-ed25519 "); i < strlen(line); i++) {
		static const char foreign[] = "-_!.\x80\x01*#";
		char c = line[i];

		for (size_t k = 0; k < strlen(foreign); k++) {
			line[i] = foreign[k];
			refused(line, "malformed");
		}
		line[i] = '=';
		refused(line, "malformed");
		line[i] = c;
	}
}

/* The digit before the padding has two or four bits that belong to no byte: only one of its values is right. */
static void
test_loose_bits(void **state)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static const size_t padded[] = {P256, RSA1024};
	char line[LINE_LEN];

	(void)state;
	for (size_t i = 0; i < COUNT(padded); i++) {
		const struct sample *s = &samples[padded[i]];
		unsigned loose = i == 0 ? 3 : 15, right;
		char *last;

		(void)snprintf(line, sizeof(line), "%s %s", s->type, s->base64);
		last = strchr(line, '=') - 1;
		assert_int_equal(strlen(last), i == 0 ? 2 : 3);
		right = (unsigned)(strchr(digits, *last) - digits);
		for (unsigned bits = 1; bits <= loose; bits++) {
			*last = digits[right | bits];
			refused(line, "malformed");
		}
	}
}

static void
test_left_over(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(samples); i++) {
		for (size_t more = 1; more < 9; more++) {
			char word[32];

			load(&samples[i]);
			memset(blob.bytes + blob.n, 0, more);
			blob.n += more;
			(void)snprintf(word, sizeof(word), "%zu bytes are left over", more);
			refused_blob(samples[i].type, word);
		}
	}
}

static void
test_other_type_inside(void **state)
{
	char line[LINE_LEN];

	(void)state;
	for (size_t i = 0; i < COUNT(samples); i++)
		for (size_t k = 0; k < COUNT(samples); k++) {
			if (strcmp(samples[i].type, samples[k].type) == 0)
				continue;
			(void)snprintf(line, sizeof(line), "%s %s", samples[i].type, samples[k].base64);
			refused(line, "another type");
			assert_non_null(strstr(err.text, samples[i].type));
			assert_non_null(strstr(err.text, samples[k].type));
		}
	begin("ssh-ed25519\n\x1b[31m");
	refused_blob("ssh-ed25519", "another type:");
	begin("ssh-ed2551");
	refused_blob("ssh-ed25519", "another type \"ssh-ed2551\"");
	begin("ssh-ed25519-cert-v01@openssh.com");
	refused_blob("ssh-ed25519", "another type");
	begin("");
	refused_blob("ssh-ed25519", "another type:");
}

static void
test_lengths_that_lie(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(samples); i++) {
		size_t at = 0;

		load(&samples[i]);
		while (at < blob.n) {
			uint8_t *length = blob.bytes + at;
			size_t n = (size_t)length[2] << 8 | length[3];

			length[0] = 0xff;
			refused_blob(samples[i].type, "damaged");
			length[0] = 0;
			length[2] = 0x0a; /* 2560 and more */
			length[3] = 0x01;
			refused_blob(samples[i].type, "damaged");
			length[2] = 0x09; /* no more than a blob, but more than this one */
			length[3] = 0xff;
			refused_blob(samples[i].type, "cut short");
			length[2] = (uint8_t)(n >> 8);
			length[3] = (uint8_t)n;
			at += 4 + n;
		}
		assert_int_equal(parse_blob(samples[i].type), KA_OK);
	}
}

/* Fields */

static void
test_ed25519_every_bit(void **state)
{
	static const size_t types[] = {ED, SKED};
	size_t off = 0;

	(void)state;
	for (size_t t = 0; t < COUNT(types); t++)
		for (size_t bit = 0; bit < 256; bit++) {
			const struct sample *s = &samples[types[t]];
			uint8_t *y;

			load(s);
			y = blob.bytes + 4 + strlen(s->type) + 4;
			y[bit / 8] = (uint8_t)(y[bit / 8] ^ 1u << bit % 8);
			if (flipped_on_curve[bit] == '1') {
				assert_int_equal(parse_blob(s->type), KA_OK);
			} else {
				refused_blob(s->type, "not on its curve");
				off++;
			}
		}
	assert_true(off > 100);
}

static void
refused_ed25519(const uint8_t *point, size_t len, const char *word)
{
	begin("ssh-ed25519");
	put(point, len);
	refused_blob("ssh-ed25519", word);
	begin("sk-ssh-ed25519@openssh.com");
	put(point, len);
	put("ssh:", 4);
	refused_blob("sk-ssh-ed25519@openssh.com", word);
}

static void
test_ed25519_small_order(void **state)
{
	/* As in RFC 7748 and 8032: y = 0, 1, p - 1 and the two of order 8. */
	static const char *const small[] = {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
	    "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "7P///////////////////////////////////////38=",
	    "JuiVj8KyJ7BFw/SJ8u+Y8NXfrAXTxjM5sTgCiG1T/AU=", "xxdqcD1N2E+6PAt2DRBnDyogU/osOczGTsf9d5KsA3o="};

	(void)state;
	for (size_t i = 0; i < COUNT(small); i++) {
		uint8_t y[33];
		size_t n;

		assert_int_equal(ka_base64_decode(small[i], strlen(small[i]), y, sizeof(y), &n), KA_OK);
		assert_int_equal(n, 32);
		refused_ed25519(y, n, "small order");
		y[31] |= 0x80;
		refused_ed25519(y, n, "small order");
	}
}

static void
test_ed25519_form(void **state)
{
	uint8_t y[33];

	(void)state;
	/* p to 2^255 - 1: each has a smaller twin. */
	memset(y, 0xff, sizeof(y));
	for (unsigned low = 0xed; low <= 0xff; low++) {
		y[0] = (uint8_t)low;
		y[31] = 0x7f;
		refused_ed25519(y, 32, "canonical");
		y[31] = 0xff;
		refused_ed25519(y, 32, "canonical");
	}
	/* Lengths */
	for (size_t n = 0; n <= sizeof(y); n++)
		if (n != 32)
			refused_ed25519(y, n, "bytes, not 32");
}

static void
test_ecdsa(void **state)
{
	static const size_t types[] = {P256, P384, P521, SKEC};

	(void)state;
	for (size_t t = 0; t < COUNT(types); t++) {
		const struct sample *s = &samples[types[t]];
		bool sk = types[t] == SKEC;
		size_t curve_at = 4 + strlen(s->type) + 4, point_at = curve_at + 8 + 4, len;

		load(s);
		len = (size_t)blob.bytes[point_at - 1];
		for (size_t i = 1; i < len; i += 7) {
			blob.bytes[point_at + i] ^= 1;
			refused_blob(s->type, "not on its curve");
			blob.bytes[point_at + i] ^= 1;
		}
		for (unsigned form = 0; form < 256; form++) {
			blob.bytes[point_at] = (uint8_t)form;
			if (form == 4)
				assert_int_equal(parse_blob(s->type), KA_OK);
			else
				refused_blob(s->type, "uncompressed point");
		}
		blob.bytes[point_at] = 4;
		memset(blob.bytes + point_at + 1, 0, len - 1);
		refused_blob(s->type, "not on its curve");
		memset(blob.bytes + point_at + 1, 0xff, len - 1);
		refused_blob(s->type, "not on its curve");
		/* Other lengths, among them the point at infinity and the compressed form */
		for (size_t n = 0; n < 200; n++) {
			uint8_t point[200] = {4};

			if (n == len)
				continue;
			begin(s->type);
			put(strchr(s->type, 'n'), 8);
			put(point, n);
			if (sk)
				put("ssh:", 4);
			refused_blob(s->type, "uncompressed point");
		}
		load(s);
		blob.bytes[curve_at + 5] ^= 1;
		refused_blob(s->type, "does not name the curve nistp");
	}
	/* The whole point of another curve */
	begin("ecdsa-sha2-nistp256");
	put("nistp384", 8);
	put("x", 1);
	refused_blob("ecdsa-sha2-nistp256", "does not name the curve nistp256");
	begin("ecdsa-sha2-nistp256");
	put("", 0);
	put("x", 1);
	refused_blob("ecdsa-sha2-nistp256", "does not name the curve nistp256");
}

static void
test_application(void **state)
{
	static const size_t types[] = {SKED, SKEC};
	static const struct {
		const char *text;
		size_t n;
		bool ok;
	} names[] = {{"ssh:", 4, true}, {"ssh:my work", 11, true}, {"", 0, false}, {"ssh:\n", 5, false},
	    {"ssh:\0", 5, false}, {"ssh:\x7f", 5, false}, {"ssh:\xc3\xa9", 6, false}, {"\x1f", 1, false}};

	(void)state;
	for (size_t t = 0; t < COUNT(types); t++)
		for (size_t i = 0; i < COUNT(names); i++) {
			load(&samples[types[t]]);
			blob.n -= 4 + strlen("ssh:");
			put(names[i].text, names[i].n);
			if (names[i].ok)
				assert_int_equal(parse_blob(samples[types[t]].type), KA_OK);
			else
				refused_blob(samples[types[t]].type, "application");
		}
}

static void
test_rsa_sizes(void **state)
{
	static const size_t good[] = {1024, 1025, 1026, 2047, 2048, 2049, 3071, 3072, 4096, 8192, 16383, 16384};
	static const size_t bad[] = {1, 8, 512, 1016, 1022, 1023};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		put_rsa_bits(good[i], 0xff);
		assert_int_equal(parse_blob("ssh-rsa"), KA_OK);
		assert_int_equal(key.bits, good[i]);
		put_rsa_bits(good[i], 0xfe);
		refused_blob("ssh-rsa", "modulus of this RSA key is even");
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		char word[64];

		put_rsa_bits(bad[i], bad[i] == 1 ? 1 : bad[i] < 8 ? 3 : 0xff);
		if (bad[i] % 8 == 0 && bad[i] == 8)
			assert_int_equal(blob.bytes[blob.n - 1], 0xff);
		(void)snprintf(word, sizeof(word), "%zu bits are too short for an RSA key", bad[i]);
		refused_blob("ssh-rsa", word);
	}
	put_rsa_bits(16385, 0xff);
	refused_blob("ssh-rsa", "16385 bits are more than OpenSSH takes for an RSA key, 16384");
	put_rsa_bits(20000, 0xff);
	refused_blob("ssh-rsa", "20000 bits are more");
	put_rsa_bits(20480, 0xff);
	refused_blob("ssh-rsa", "too long");
}

static void
test_rsa_exponents(void **state)
{
	static const struct {
		const char *e;
		size_t n;
		const char *word; /* NULL: it is accepted */
	} exponents[] = {
	    {"\x03", 1, NULL},
	    {"\x11", 1, NULL},
	    {"\x23", 1, NULL},
	    {"\x7f", 1, NULL},
	    {"\x00\x81", 2, NULL},
	    {"\x01\x00\x01", 3, NULL},
	    {"\x00\xff\xff\xff\xff\xff\xff\xff\xff", 9, NULL},
	    {"\x01\x00\x00\x00\x00\x00\x00\x00\x01", 9, "exponent of this RSA key, 65 bits"},
	    {"\x01", 1, "exponent of this RSA key, 1 bits"},
	    {"\x02", 1, "odd"},
	    {"\x04", 1, "odd"},
	    {"\x01\x00\x00", 3, "odd"},
	    {"", 0, "exponent of this RSA key is zero, negative"},
	    {"\x00", 1, "minimal"},
	    {"\x00\x00", 2, "minimal"},
	    {"\x00\x03", 2, "minimal"},
	    {"\x00\x7f", 2, "minimal"},
	    {"\x00\x01\x00\x01", 4, "minimal"},
	    {"\x81", 1, "negative"},
	    {"\xff\xff\xff", 3, "negative"},
	};
	uint8_t n[256];

	(void)state;
	memset(n, 0x7f, sizeof(n));
	for (size_t i = 0; i < COUNT(exponents); i++) {
		begin("ssh-rsa");
		put(exponents[i].e, exponents[i].n);
		put(n, sizeof(n));
		if (exponents[i].word == NULL)
			assert_int_equal(parse_blob("ssh-rsa"), KA_OK);
		else
			refused_blob("ssh-rsa", exponents[i].word);
	}
}

static void
test_rsa_modulus_form(void **state)
{
	static const uint8_t e[] = {1, 0, 1};
	uint8_t n[258];

	(void)state;
	memset(n, 0x7f, sizeof(n));
	put_rsa(e, sizeof(e), n, 256);
	assert_int_equal(parse_blob("ssh-rsa"), KA_OK);
	assert_int_equal(key.bits, 2047);
	n[0] = 0;
	put_rsa(e, sizeof(e), n, 257);
	refused_blob("ssh-rsa", "modulus of this RSA key is zero, negative or not in its shortest (minimal) form");
	n[0] = n[1] = 0;
	put_rsa(e, sizeof(e), n, 258);
	refused_blob("ssh-rsa", "minimal");
	n[0] = 0x80;
	put_rsa(e, sizeof(e), n, 256);
	refused_blob("ssh-rsa", "negative");
	put_rsa(e, sizeof(e), n, 0);
	refused_blob("ssh-rsa", "modulus of this RSA key is zero");
	/* n before e, as RFC 4253 does not have it */
	memset(n, 0x7f, sizeof(n));
	begin("ssh-rsa");
	put(n, 256);
	put(e, sizeof(e));
	refused_blob("ssh-rsa", "exponent");
}

/* Robustness */

static void
test_no_error_wanted(void **state)
{
	(void)state;
	assert_int_equal(ka_sshkey_parse("x", 1, &key, NULL), KA_INVALID);
	assert_int_equal(ka_sshkey_parse(second_key, strlen(second_key), &key, NULL), KA_OK);
}

/* Whatever byte is hit, it is refused with a sentence or it is a key that stands up to being read again. */
static void
test_random_damage(void **state)
{
	uint32_t seed = 20260101;
	char line[LINE_LEN], again[LINE_LEN];
	struct ka_sshkey first;

	(void)state;
	for (size_t round = 0; round < 20000; round++) {
		const struct sample *s = &samples[round % COUNT(samples)];
		size_t len = (size_t)snprintf(line, sizeof(line), "%s %s x", s->type, s->base64), n;

		for (size_t hits = 0; hits < 1 + round % 3; hits++) {
			seed = seed * 1664525 + 1013904223;
			line[seed / 65536 % len] = (char)(seed >> 8);
		}
		if (parse(line, len) != KA_OK)
			continue;
		first = key;
		n = (size_t)snprintf(again, sizeof(again), "%s ", first.type);
		assert_int_equal(ka_base64_encode(first.blob, first.bloblen, again + n, sizeof(again) - n), KA_OK);
		assert_int_equal(parse(again, strlen(again)), KA_OK);
		assert_memory_equal(key.sha256, first.sha256, sizeof(key.sha256));
	}
}

/* The allocation that fails, counted down to 0, and whether all after it fail as well; negative: none fails. */
static long allocations_left = -1;
static bool all_after;

static bool
out_of_memory(void)
{
	if (allocations_left > 0)
		allocations_left--;
	if (allocations_left != 0)
		return false;
	allocations_left = all_after ? 0 : -1;
	return true;
}

static void *
failing_malloc(size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return out_of_memory() ? NULL : malloc(n);
}

static void *
failing_realloc(void *p, size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return out_of_memory() ? NULL : realloc(p, n);
}

static void
plain_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	free(p);
}

static void
test_no_memory(void **state)
{
	char line[LINE_LEN];

	(void)state;
	for (size_t i = 0; i < 2 * COUNT(samples); i++) {
		const struct sample *s = &samples[i / 2];
		enum ka_result r = KA_UNAVAIL;
		long failing = 0;
		bool reached = true;

		all_after = i % 2 == 0;
		(void)snprintf(line, sizeof(line), "%s %s", s->type, s->base64);
		while (reached) {
			allocations_left = ++failing;
			r = ka_sshkey_parse(line, strlen(line), &key, &err);
			reached = all_after ? allocations_left == 0 : allocations_left < 0;
			allocations_left = -1;
			/* A good key is never called a bad one. */
			if (r != KA_OK && r != KA_UNAVAIL)
				fail_msg("%s, allocation %ld: %s", s->type, failing, err.text);
		}
		assert_true(failing > 1);
		assert_int_equal(r, KA_OK);
		same_as(s, "");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_samples),
	    cmocka_unit_test(test_wrapped_anywhere),
	    cmocka_unit_test(test_wrapped_everywhere),
	    cmocka_unit_test(test_front_matter),
	    cmocka_unit_test(test_comments),
	    cmocka_unit_test(test_nothing),
	    cmocka_unit_test(test_bounds),
	    cmocka_unit_test(test_several),
	    cmocka_unit_test(test_private),
	    cmocka_unit_test(test_private_in_pieces),
	    cmocka_unit_test(test_private_too_long),
	    cmocka_unit_test(test_other_formats),
	    cmocka_unit_test(test_options),
	    cmocka_unit_test(test_unknown_type),
	    cmocka_unit_test(test_cut_short),
	    cmocka_unit_test(test_cut_short_before_a_word),
	    cmocka_unit_test(test_malformed),
	    cmocka_unit_test(test_loose_bits),
	    cmocka_unit_test(test_left_over),
	    cmocka_unit_test(test_other_type_inside),
	    cmocka_unit_test(test_lengths_that_lie),
	    cmocka_unit_test(test_ed25519_every_bit),
	    cmocka_unit_test(test_ed25519_small_order),
	    cmocka_unit_test(test_ed25519_form),
	    cmocka_unit_test(test_ecdsa),
	    cmocka_unit_test(test_application),
	    cmocka_unit_test(test_rsa_sizes),
	    cmocka_unit_test(test_rsa_exponents),
	    cmocka_unit_test(test_rsa_modulus_form),
	    cmocka_unit_test(test_no_error_wanted),
	    cmocka_unit_test(test_random_damage),
	    cmocka_unit_test(test_no_memory),
	};

	/* OpenSSL takes other allocators only before its first allocation. */
	if (CRYPTO_set_mem_functions(failing_malloc, failing_realloc, plain_free) != 1)
		return 1;
	return cmocka_run_group_tests_name("sshkey", tests, NULL, NULL);
}
