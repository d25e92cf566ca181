#include "tests/unit/samples.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/paste.h"
#include "tests/unit/nomem.h"

#define LINE_LEN 8192

static const char second_key[] =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINjwy9c9XkgJJJ22IVLJ4GXXaD1q3kN0G0KNxY1s6fCR outsider@e"
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
    "RCA== owner@example.org\n";
static const char ssh2_file[] = "---- BEGIN SSH2 PUBLIC KEY ----\n"
				"Comment: \"256-bit ED25519, converted by owner@host from OpenSSH\"\n"
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

/* Helpers */

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
	r = ka_paste_parse(copy, len, &key, &err);
	free(copy);
	if (r != KA_OK)
		refused_cleanly();
	return r;
}

static void
refused_bytes(const char *text, size_t len, const char *word)
{
	assert_int_equal(parse(text, len), KA_INVALID);
	says(word);
}

static void
refused(const char *text, const char *word)
{
	refused_bytes(text, strlen(text), word);
}

static void
accepted(const char *text, const struct sample *s, const char *comment)
{
	if (parse(text, strlen(text)) != KA_OK)
		fail_msg("%s: %s", text, err.text);
	same_as(s, comment);
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
				(void)snprintf(line, sizeof(line), "%s%s%.*s%s%s%sowner@example.org", s->type,
				    breaks[b], (int)at, s->base64, breaks[b], s->base64 + at, breaks[b]);
				accepted(line, s, "owner@example.org");
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
	(void)snprintf(line, sizeof(line), "%s %s  owner's \t laptop\r\n2026 ", s->type, s->base64);
	accepted(line, s, "owner's laptop 2026");
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
	(void)snprintf(line, sizeof(line), "%s %s ssh-rsa Apple owner@host A", s->type, s->base64);
	accepted(line, s, "ssh-rsa Apple owner@host A");
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
	assert_int_equal(ka_paste_parse(NULL, 0, &key, &err), KA_INVALID);
	assert_non_null(strstr(err.text, "nothing"));
	refused("", "nothing");
	refused(" \t\r\n\v\f\xc2\xa0", "nothing");
	refused("\xef\xbb\xbf", "nothing");
	refused("# only a comment\n#ssh-ed25519 AAAA", "nothing");
}

static void
test_bounds(void **state)
{
	static char big[KA_PASTE_MAX + 1];
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
	assert_non_null(strstr(err.text, "one at a time"));
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
	static char big[KA_PASTE_MAX + 100];

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
	(void)snprintf(line, sizeof(line), "%s owner@example.org", s->base64);
	refused(line, "is missing");
	(void)snprintf(line, sizeof(line), "%s", s->base64);
	line[30] = '\n';
	refused(line, "is missing");
}

/* Damaged base64 */

static void
test_cut_short(void **state)
{
	static const char *const tails[] = {"", "\n", " owner@example.org", " @"};
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
		(void)snprintf(line, sizeof(line), "ssh-ed25519 %.*s owner", (int)n, samples[ED].base64);
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

/* The limit is the key's, not the word's. This modulus claims so many bytes that no blob holds it. */
static void
test_too_long_wrapped(void **state)
{
	static const char head[] = "AAAAB3NzaC1yc2EAAAADAQABAAAKAABB";
	const size_t fit = (KA_BASE64_LEN(KA_SSHKEY_BLOB_MAX) - 1 - strlen(head)) / 20;
	char line[LINE_LEN], word[64];
	size_t n = (size_t)snprintf(line, sizeof(line), "ssh-rsa %s", head);

	(void)state;
	for (size_t i = 0; i <= fit; i++) {
		(void)snprintf(word, sizeof(word), "cut short after %zu characters", strlen(head) + 20 * i);
		refused(line, word);
		n += (size_t)snprintf(line + n, sizeof(line) - n, "\nBBBBBBBBBBBBBBBBBBBB");
	}
	refused(line, "the base64 is too long for any ssh-rsa key");
}

/* What is wrong inside is said by ka_sshkey_read, and a field that goes on after the end makes the text cut short. */
static void
test_refused_by_sshkey(void **state)
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
	(void)snprintf(line, sizeof(line), "ssh-ed25519 %.*sAAAA", 68, samples[ED].base64);
	refused(line, "3 bytes are left over");
	refused("ssh-ed25519 AAACAXNz", "cut short after 8 characters");
	refused("ssh-ed25519 AAAKAXNz", "damaged");
	refused("ssh-ed25519 /wAAC3Nz", "damaged");
	refused("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAAA==", "bytes, not 32");
}

/* Robustness */

static void
test_no_error_wanted(void **state)
{
	(void)state;
	assert_int_equal(ka_paste_parse("x", 1, &key, NULL), KA_INVALID);
	assert_int_equal(ka_paste_parse(second_key, strlen(second_key), &key, NULL), KA_OK);
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
			r = ka_paste_parse(line, strlen(line), &key, &err);
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
	    cmocka_unit_test(test_too_long_wrapped),
	    cmocka_unit_test(test_refused_by_sshkey),
	    cmocka_unit_test(test_no_error_wanted),
	    cmocka_unit_test(test_random_damage),
	    cmocka_unit_test(test_no_memory),
	};

	if (!nomem_install())
		return 1;
	return cmocka_run_group_tests_name("paste", tests, NULL, NULL);
}
