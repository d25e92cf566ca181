#ifndef TESTS_UNIT_SAMPLES_H
#define TESTS_UNIT_SAMPLES_H
/*
 * One public key of every type, or more, and a comparison with what was read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "common/base64.h"
#include "common/sshkey.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Made with ssh-keygen; the numbers are what ssh-keygen -l and -l -E md5 print. No private half is kept. */
static const struct sample {
	const char *type, *base64, *comment;
	unsigned bits;
	const char *sha256, *md5;
} samples[] = {
    {"ssh-ed25519", "AAAAC3NzaC1lZDI1NTE5AAAAIHnrRUNdJzM80rcv/f7rzdqMXtRrEgxP8tx606sZmge7", "owner@example.org", 256,
	"SHA256:7bP8DNkRYhrK1KxKVB1HYL98XdED+emEkSa4IQbDmek", "25:63:71:67:cd:e8:64:03:f7:8e:f1:78:67:dd:d7:35"},
    {"ssh-rsa",
	"AAAAB3NzaC1yc2EAAAADAQABAAABAQC9NU65o99tbeJv9/bVUF3uhWPOdNnvJU7h1yn8o79OrDLputN2NBMG9z+E"
	"2fcDh00hAXEH7lKYwyesE8K2tUktwRZuANGbtKw5NjgP7HaHbOMtzqI/bRu1/DFfVGhjgh1crXuY+Am/resmozQC"
	"wDzxYETqpGYbUD7WkUf/wU6sPTLqaHLvQlgZZXms5st4Ihv5f7yT3lG7p1WAHJ3IVu3DHx1sJan/RDBZy6weZNRH"
	"Nl5v8Oi1SFKVV1RBx1P5fYwBfHc35pK66yHtym3Ppcm8PmhFI9jg6p/uu+pfUYM2AiOVDIc9BZMTQ6YroFfZ9G2n"
	"Ei/D6am3WMB8hTYnTdEd",
	"student@example.org", 2048, "SHA256:dzOmVwc0YKMqkIy1nC4irvAMXQoAn8vdaloWtQfsLxQ",
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

static struct ka_sshkey key;
static struct ka_error err;

static inline bool
all_zero(const void *bytes, size_t n)
{
	const uint8_t *b = bytes;

	for (size_t i = 0; i < n; i++)
		if (b[i] != 0)
			return false;
	return true;
}

/* What holds after every refusal. */
static inline void
refused_cleanly(void)
{
	size_t n = strlen(err.text);

	assert_true(all_zero(&key, sizeof(key)));
	assert_true(n > 20 && n < sizeof(err.text) - 1);
	for (size_t i = 0; i < n; i++)
		assert_in_range(err.text[i], ' ', '~');
}

static inline void
says(const char *word)
{
	if (strstr(err.text, word) == NULL)
		fail_msg("\"%s\" is not in: %s", word, err.text);
}

/* Is the last key this sample? */
static inline void
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

#endif
