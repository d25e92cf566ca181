#include "common/paste.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include <openssl/crypto.h>

#include "common/base64.h"
#include "common/text.h"

#define CERT_SUFFIX     "-cert-v01@openssh.com"
#define BYTE_ORDER_MARK "\xef\xbb\xbf"
#define COUNT(a)        (sizeof(a) / sizeof((a)[0]))

/* One word of the paste, or the rest of it; not NUL-terminated. */
struct span {
	const char *at;
	size_t n;
};

/* The base64 of the paste, put together from its words. */
struct base64 {
	char text[KA_BASE64_LEN(KA_SSHKEY_BLOB_MAX)];
	size_t n;
};

/* White space and words */

/* Bytes of the white space at ${s}: ASCII, or the no-break space that web pages and word processors leave. */
static size_t
space_at(const char *s, size_t left)
{
	if (left > 0 && (*s == ' ' || (*s >= '\t' && *s <= '\r')))
		return 1;
	return left > 1 && memcmp(s, "\xc2\xa0", 2) == 0 ? 2 : 0;
}

static bool
skip_space(struct span *c)
{
	const char *from = c->at;

	for (size_t n; (n = space_at(c->at, c->n)) > 0; c->n -= n)
		c->at += n;
	return c->at != from;
}

static bool
next_token(struct span *c, struct span *t)
{
	(void)skip_space(c);
	t->at = c->at;
	for (; c->n > 0 && space_at(c->at, c->n) == 0; c->n--)
		c->at++;
	t->n = (size_t)(c->at - t->at);
	return t->n > 0;
}

static bool
is_word(const struct span *t, const char *word)
{
	return t->n == strlen(word) && memcmp(t->at, word, t->n) == 0;
}

static bool
is_base64(const struct span *t)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";

	for (size_t i = 0; i < t->n; i++)
		if (memchr(digits, t->at[i], sizeof(digits) - 1) == NULL)
			return false;
	return t->n > 0;
}

/* Blank out the lines that begin with #, as in a file of keys. */
static void
blank_comments(char *text, size_t len)
{
	bool first = true, comment = false;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\n' || text[i] == '\r') {
			first = true;
			comment = false;
		}
		comment = comment || (first && text[i] == '#');
		first = first && space_at(text + i, 1) > 0;
		if (comment)
			text[i] = ' ';
	}
}

/* Other formats */

static const char private_key[] =
    "this is a private key: paste the public half instead, the one line of the .pub file; and replace "
    "this private key with a new one (ssh-keygen -t ed25519), because it has now been exposed";

/* What is no OpenSSH public key, by its mark anywhere in the paste. A space stands for any white space. */
static const struct {
	const char *mark, *sentence;
} formats[] = {
    {"PRIVATE KEY", private_key},
    {"PuTTY-User-Key-File", private_key},
    {"Private-Lines:", private_key},
    {"Private-MAC:", private_key},
    {"b3BlbnNzaC1rZXktdjE", private_key}, /* "openssh-key-v1": the base64 without the line above it */
    {"BEGIN SSH2 PUBLIC KEY",
	"this is an SSH2 (RFC 4716) public key: convert it with ssh-keygen -i -f FILE and paste the result"},
    {"BEGIN PUBLIC KEY",
	"this is a PEM public key: convert it with ssh-keygen -i -m PKCS8 -f FILE and paste the result"},
    {"BEGIN RSA PUBLIC KEY",
	"this is a PEM public key of RSA: convert it with ssh-keygen -i -m PEM -f FILE and paste the result"},
};

/* Does the text begin with ${mark}, in which a space stands for any white space? */
static bool
begins_with(struct span c, const char *mark)
{
	for (; *mark != '\0'; mark++) {
		if (*mark == ' ' ? !skip_space(&c) : c.n == 0 || *c.at != *mark)
			return false;
		if (*mark != ' ') {
			c.at++;
			c.n--;
		}
	}
	return true;
}

/* Where words are looked for, what is before them is none: the base64 of a public key can end in "PRIVATE". */
static bool
begins_word(const char *text, size_t at, const char *mark)
{
	char before = at > 0 ? text[at - 1] : ' ';

	return strchr(mark, ' ') == NULL || !(isalnum((unsigned char)before) || before == '+' || before == '/');
}

/* Shows and copies nothing of what it refuses. */
static enum ka_result
refuse_formats(const char *text, size_t len, struct ka_error *err)
{
	for (size_t f = 0; f < COUNT(formats); f++)
		for (size_t i = 0; i < len; i++)
			if (begins_word(text, i, formats[f].mark) &&
			    begins_with((struct span){text + i, len - i}, formats[f].mark))
				return ka_result_fail(err, KA_INVALID, "%s", formats[f].sentence);
	return KA_OK;
}

/* What the words mean */

/* The base64 of every key begins so: the length of its type's name has three zero bytes. It may be wrapped sooner. */
static bool
begins_blob(const struct span *t)
{
	return is_base64(t) && memcmp(t->at, "AAAA", t->n < 4 ? t->n : 4) == 0;
}

static bool
is_cert_type(const struct span *t)
{
	size_t n = strlen(CERT_SUFFIX);

	return t->n > n && memcmp(t->at + t->n - n, CERT_SUFFIX, n) == 0;
}

static bool
is_type(const struct span *t)
{
	return ka_sshkey_find_type(t->at, t->n) != NULL || is_word(t, "ssh-dss") || is_cert_type(t);
}

/* Do these two words begin a key, of whatever type? Wrapped base64 is all base64: no second line of it looks so. */
static bool
begins_key(const struct span *word, const struct span *next)
{
	return begins_blob(next) && (is_type(word) || (next->n >= 4 && !is_base64(word)));
}

static enum ka_result
refuse_several(struct span c, struct ka_error *err)
{
	struct span t, last = {"", 0};
	size_t keys = 0;

	for (; next_token(&c, &t); last = t)
		if (last.n > 0 && begins_key(&last, &t))
			keys++;
	if (keys > 1)
		return ka_result_fail(err, KA_INVALID,
		    "these are %zu keys: give them one at a time, each to a 'keyacct key add' of its own", keys);
	return KA_OK;
}

/* The paste does not begin with a key type: say what it begins with. */
static enum ka_result
refuse_beginning(const struct span *first, struct span c, struct ka_error *err)
{
	struct span t;
	char word[KA_SSHKEY_QUOTE_LEN];
	bool more = next_token(&c, &t);

	for (more = more && !begins_key(first, &t); more; more = next_token(&c, &t))
		if (is_type(&t))
			return ka_result_fail(err, KA_INVALID,
			    "there are options or other text in front of the key: paste it without them; give from= as "
			    "--from and expiry-time= as --expires, all else is decided by the project's policy");
	if (begins_blob(first) && first->n >= 4)
		return ka_result_fail(err, KA_INVALID,
		    "the key type in front of the base64 is missing, ssh-ed25519 for example: " KA_SSHKEY_AGAIN);
	ka_sshkey_quote(first->at, first->n, word);
	if (word[0] == '\0')
		return ka_result_fail(err, KA_INVALID,
		    "this does not begin with a key type such as ssh-ed25519: paste the one line of the .pub file");
	return ka_result_fail(
	    err, KA_INVALID, "unknown key type%s: paste the one line of a .pub file of type " KA_SSHKEY_TYPES, word);
}

/* Read the type, the first word. */
static enum ka_result
read_type(struct span *c, const char **type, struct ka_error *err)
{
	struct span t;

	if (!next_token(c, &t))
		return ka_result_fail(
		    err, KA_INVALID, "there is no key here, nothing at all: paste the one line of the .pub file");
	if (is_word(&t, "ssh-dss"))
		return ka_result_fail(err, KA_INVALID,
		    "this is a DSA key (ssh-dss), which OpenSSH no longer takes: make a new key with ssh-keygen -t "
		    "ed25519");
	if (is_cert_type(&t))
		return ka_result_fail(err, KA_INVALID,
		    "this is a certificate: paste the plain public key, the line of the .pub file "
		    "without -cert in its name");
	if ((*type = ka_sshkey_find_type(t.at, t.n)) == NULL)
		return refuse_beginning(&t, *c, err);
	return KA_OK;
}

static enum ka_result
add_word(struct base64 *b, const struct span *word, const char *type, struct ka_error *err)
{
	if (word->n > sizeof(b->text) - 1 - b->n)
		return ka_result_fail(err, KA_INVALID,
		    "the base64 is too long for any %s key that OpenSSH takes: " KA_SSHKEY_AGAIN, type);
	memcpy(b->text + b->n, word->at, word->n);
	b->n += word->n;
	return KA_OK;
}

/* KA_NOTFOUND: it is not a whole key yet. */
static enum ka_result
try_blob(const struct base64 *b, const char *type, struct ka_sshkey *key, struct ka_error *err)
{
	uint8_t blob[KA_SSHKEY_BLOB_MAX];
	size_t n = 0;
	enum ka_result r;

	if (b->n % 4 != 0)
		return KA_NOTFOUND;
	if (ka_base64_decode(b->text, b->n, blob, sizeof(blob), &n) == KA_OK)
		r = ka_sshkey_read(type, blob, n, key, err);
	else
		r = ka_result_fail(err, KA_INVALID,
		    "the base64 of this %s key is malformed within its first %zu characters: " KA_SSHKEY_AGAIN, type,
		    b->n);
	OPENSSL_cleanse(blob, sizeof(blob));
	return r;
}

static enum ka_result
refuse_short(const char *type, size_t n, struct ka_error *err)
{
	if (n == 0)
		return ka_result_fail(err, KA_INVALID,
		    "%s is not followed by base64 (AAAA...), or it is malformed: " KA_SSHKEY_AGAIN, type);
	return ka_result_fail(
	    err, KA_INVALID, "the base64 of this %s key is cut short after %zu characters: " KA_SSHKEY_AGAIN, type, n);
}

/* Words of base64 are put together until they are a whole key; what follows is the comment. */
static enum ka_result
read_blob(struct span *c, const char *type, struct ka_sshkey *key, struct ka_error *err)
{
	struct base64 b = {.n = 0};
	struct span ahead = *c;
	struct span t;
	enum ka_result r = KA_NOTFOUND;

	while (r == KA_NOTFOUND && next_token(&ahead, &t) && is_base64(&t)) {
		*c = ahead;
		if ((r = add_word(&b, &t, type, err)) == KA_OK)
			r = try_blob(&b, type, key, err);
	}
	if (r == KA_NOTFOUND)
		r = refuse_short(type, b.n, err);
	OPENSSL_cleanse(&b, sizeof(b));
	return r;
}

/* A private key is named first, whatever else is wrong. */
static enum ka_result
check_text(const char *text, size_t len, struct ka_error *err)
{
	enum ka_result r;

	if ((r = refuse_formats(text, len, err)) != KA_OK)
		return r;
	if (len > KA_PASTE_MAX)
		return ka_result_fail(err, KA_INVALID, "%zu bytes are too long for a key: " KA_SSHKEY_AGAIN, len);
	if (len > 0 && memchr(text, '\0', len) != NULL)
		return ka_result_fail(
		    err, KA_INVALID, "this holds NUL bytes, so it is no plain text (perhaps UTF-16): " KA_SSHKEY_AGAIN);
	return KA_OK;
}

/* Does another key begin in what would be the comment? */
static enum ka_result
refuse_comment(struct span c, struct ka_error *err)
{
	struct span word, next;
	bool there = next_token(&c, &word);

	for (; there && next_token(&c, &next); word = next)
		if (begins_key(&word, &next))
			return ka_result_fail(err, KA_INVALID, "these are several keys: paste one at a time");
	return KA_OK;
}

static enum ka_result
read_line(struct span c, struct ka_sshkey *key, struct ka_error *err)
{
	const char *type = NULL;
	enum ka_result r;
	char *clean;

	if ((r = refuse_several(c, err)) != KA_OK || (r = read_type(&c, &type, err)) != KA_OK ||
	    (r = read_blob(&c, type, key, err)) != KA_OK)
		return r;
	/* Cleaning takes away what can hide a second key or a private one: look again, before anything is cut off. */
	if ((clean = OPENSSL_malloc(c.n + 1)) == NULL)
		return ka_result_fail(err, KA_UNAVAIL, "out of memory for the pasted key");
	(void)ka_text_clean(c.at, c.n, clean, c.n + 1);
	if ((r = refuse_formats(clean, strlen(clean), err)) == KA_OK)
		r = refuse_comment((struct span){clean, strlen(clean)}, err);
	if (r == KA_OK)
		(void)ka_text_clean(clean, strlen(clean), key->comment, sizeof(key->comment));
	OPENSSL_clear_free(clean, c.n + 1);
	return r;
}

enum ka_result
ka_paste_parse(const char *text, size_t len, struct ka_sshkey *key, struct ka_error *err)
{
	char *copy = NULL;
	enum ka_result r;

	memset(key, 0, sizeof(*key));
	if (len >= 3 && memcmp(text, BYTE_ORDER_MARK, 3) == 0) {
		text += 3;
		len -= 3;
	}
	if ((r = check_text(text, len, err)) != KA_OK)
		return r;
	if ((copy = OPENSSL_malloc(len + 1)) == NULL)
		return ka_result_fail(err, KA_UNAVAIL, "out of memory for the pasted key");
	if (len > 0)
		memcpy(copy, text, len);
	blank_comments(copy, len);
	r = read_line((struct span){copy, len}, key, err);
	OPENSSL_clear_free(copy, len + 1);
	if (r != KA_OK)
		OPENSSL_cleanse(key, sizeof(*key));
	return r;
}
