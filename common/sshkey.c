#include "common/sshkey.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ecerr.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "common/base64.h"
#include "common/text.h"

#define FIELDS_MAX      3
#define QUOTE_LEN       64
#define ED25519_LEN     32
#define POINT_MAX       133 /* an uncompressed point of nistp521 */
#define RSA_BITS_MIN    1024
#define RSA_BITS_MAX    16384
#define RSA_E_BITS_MAX  64
#define PASTE_AGAIN     "paste the whole line of the .pub file again"
#define CERT_SUFFIX     "-cert-v01@openssh.com"
#define BYTE_ORDER_MARK "\xef\xbb\xbf"
#define COUNT(a)        (sizeof(a) / sizeof((a)[0]))

/* One word of the paste, or the rest of it; not NUL-terminated. */
struct span {
	const char *at;
	size_t n;
};

struct field {
	const uint8_t *at;
	size_t n;
};

/* A blob is a row of SSH strings: the name of the type, then so many fields. */
struct key_type {
	const char *name;
	const char *curve; /* ECDSA: as the blob names it */
	unsigned bits;     /* 0: the key tells */
	size_t nfields;
	enum ka_result (*check)(
	    const struct key_type *type, const struct field *f, unsigned *bits, struct ka_error *err);
};

static enum ka_result
no_openssl(struct ka_error *err)
{
	return ka_result_fail(
	    err, KA_UNAVAIL, "OpenSSL could not check this key, perhaps for want of memory: try again");
}

/*
 * Put a word in quotes for a sentence, or leave ${out} empty. The word may be a piece of a private key whose first line
 * was not pasted, so only what cannot be base64 is shown.
 */
static void
quote(const void *word, size_t n, char out[static QUOTE_LEN])
{
	static const char shown[] = "abcdefghijklmnopqrstuvwxyz0123456789/-._@~";
	const char *c = word;
	char clean[KA_SSHKEY_TYPE_LEN];
	bool foreign = false;

	out[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		if (memchr(shown, c[i], sizeof(shown) - 1) == NULL)
			return;
		foreign = foreign || memchr("-._@~", c[i], 5) != NULL;
	}
	if (!foreign)
		return;
	(void)ka_text_clean(word, n, clean, sizeof(clean));
	(void)snprintf(out, QUOTE_LEN, " \"%s\"", clean);
}

/* Checks of one field */

static bool
holds(const struct field *f, const char *name)
{
	return f->n == strlen(name) && memcmp(f->at, name, f->n) == 0;
}

/* Is there an x for this y? The curve is -x² + y² = 1 + d·x²·y² mod p, d = -121665/121666 (RFC 8032, 5.1). */
static enum ka_result
check_on_ed25519(const uint8_t y_bytes[static ED25519_LEN], struct ka_error *err)
{
	enum ka_result r = KA_UNAVAIL;
	BN_CTX *ctx = BN_CTX_new();
	BIGNUM *p, *y, *u, *v;
	int square;

	if (ctx == NULL)
		return no_openssl(err);
	BN_CTX_start(ctx);
	p = BN_CTX_get(ctx);
	y = BN_CTX_get(ctx);
	u = BN_CTX_get(ctx);
	v = BN_CTX_get(ctx);
	if (v == NULL || BN_lebin2bn(y_bytes, ED25519_LEN, y) == NULL || !BN_set_bit(p, 255) || !BN_sub_word(p, 19))
		goto out;
	if (BN_cmp(y, p) >= 0) {
		r = ka_result_fail(err, KA_INVALID, "the ed25519 point is not in its canonical form: " PASTE_AGAIN);
		goto out;
	}
	/* x² = u/v is a square exactly when u·v is: u = 121666·(y² - 1), v = 121666 - 121665·y². */
	if (!BN_mod_sqr(u, y, p, ctx) || BN_copy(v, u) == NULL || !BN_mul_word(v, 121665))
		goto out;
	BN_set_negative(v, 1);
	if (!BN_add_word(v, 121666) || !BN_sub_word(u, 1) || !BN_mul_word(u, 121666) || !BN_mod_mul(u, u, v, p, ctx))
		goto out;
	square = BN_kronecker(u, p, ctx);
	if (square == -1)
		r = ka_result_fail(err, KA_INVALID, "the ed25519 point is not on its curve: " PASTE_AGAIN);
	else if (square >= 0)
		r = KA_OK;
out:
	BN_CTX_end(ctx);
	BN_CTX_free(ctx);
	return r == KA_UNAVAIL ? no_openssl(err) : r;
}

static enum ka_result
check_ed25519_point(const struct field *f, struct ka_error *err)
{
	/* The y of all points of order 1, 2, 4 and 8, little-endian; the sign of x, the top bit, is not looked at. */
	static const uint8_t small[][ED25519_LEN] = {
	    {0},
	    {1},
	    {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
	    {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
		0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
	    {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
		0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
	};
	uint8_t y[ED25519_LEN];

	if (f->n != ED25519_LEN)
		return ka_result_fail(
		    err, KA_INVALID, "the ed25519 point has %zu bytes, not %d: " PASTE_AGAIN, f->n, ED25519_LEN);
	memcpy(y, f->at, sizeof(y));
	y[ED25519_LEN - 1] &= 0x7f;
	for (size_t i = 0; i < COUNT(small); i++)
		if (memcmp(y, small[i], sizeof(y)) == 0)
			return ka_result_fail(err, KA_INVALID,
			    "the ed25519 point is of small order, so the key protects nothing: make a new key with "
			    "ssh-keygen -t ed25519");
	return check_on_ed25519(y, err);
}

/* OpenSSL returns the same for a bad point and for want of memory: its list of errors must name the one, not the other.
 */
static enum ka_result
point_failed(const struct key_type *type, struct ka_error *err)
{
	bool bad = false, no_memory = false;

	for (unsigned long e; (e = ERR_get_error()) != 0;) {
		no_memory = no_memory || ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE;
		bad = bad || (ERR_GET_LIB(e) == ERR_LIB_EC && (ERR_GET_REASON(e) == EC_R_POINT_IS_NOT_ON_CURVE ||
								  ERR_GET_REASON(e) == EC_R_INVALID_ENCODING));
	}
	if (no_memory || !bad)
		return no_openssl(err);
	return ka_result_fail(
	    err, KA_INVALID, "the point of this %s key is not on its curve: " PASTE_AGAIN, type->name);
}

static enum ka_result
check_ecdsa_point(const struct key_type *type, const struct field *f, struct ka_error *err)
{
	enum ka_result r = KA_UNAVAIL;
	uint8_t point[POINT_MAX];
	char group[8];
	OSSL_PARAM params[3];
	EVP_PKEY_CTX *make = NULL, *check = NULL;
	EVP_PKEY *pkey = NULL;

	if (f->n != 1 + 2 * (size_t)((type->bits + 7) / 8) || f->n > sizeof(point) || f->at[0] != 0x04)
		return ka_result_fail(err, KA_INVALID,
		    "this %s key does not hold an uncompressed point of %u bits: " PASTE_AGAIN, type->name, type->bits);
	memcpy(point, f->at, f->n);
	(void)snprintf(group, sizeof(group), "P-%u", type->bits);
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0);
	params[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, f->n);
	params[2] = OSSL_PARAM_construct_end();
	ERR_clear_error();
	if ((make = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL)) == NULL || EVP_PKEY_fromdata_init(make) != 1)
		r = no_openssl(err);
	else if (EVP_PKEY_fromdata(make, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
		r = point_failed(type, err);
	else if ((check = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL)) == NULL)
		r = no_openssl(err);
	else
		r = EVP_PKEY_public_check(check) == 1 ? KA_OK : point_failed(type, err);
	EVP_PKEY_CTX_free(check);
	EVP_PKEY_free(pkey);
	EVP_PKEY_CTX_free(make);
	return r;
}

static enum ka_result
check_application(const struct field *f, struct ka_error *err)
{
	bool printable = f->n > 0;

	for (size_t i = 0; i < f->n; i++)
		printable = printable && f->at[i] >= 0x20 && f->at[i] < 0x7f;
	if (!printable)
		return ka_result_fail(err, KA_INVALID,
		    "the application of this security key is empty or not printable (usually it is "
		    "ssh:): " PASTE_AGAIN);
	return KA_OK;
}

/* The size of an SSH mpint that is positive and in its shortest form (RFC 4251, 5), else 0. */
static size_t
mpint_bits(const struct field *f)
{
	size_t bits = f->n * 8;

	if (f->n == 0 || (f->at[0] & 0x80) != 0 || (f->at[0] == 0 && (f->n == 1 || (f->at[1] & 0x80) == 0)))
		return 0;
	if (f->at[0] == 0)
		return bits - 8;
	for (unsigned top = f->at[0]; (top & 0x80) == 0; top <<= 1)
		bits--;
	return bits;
}

/* Checks of all fields, one function for each family of types */

static enum ka_result
check_ed25519(const struct key_type *type, const struct field *f, unsigned *bits, struct ka_error *err)
{
	enum ka_result r = check_ed25519_point(&f[0], err);

	*bits = type->bits;
	return r == KA_OK && type->nfields > 1 ? check_application(&f[1], err) : r;
}

static enum ka_result
check_ecdsa(const struct key_type *type, const struct field *f, unsigned *bits, struct ka_error *err)
{
	enum ka_result r;

	*bits = type->bits;
	if (!holds(&f[0], type->curve))
		return ka_result_fail(err, KA_INVALID,
		    "the base64 of this %s key does not name the curve %s: " PASTE_AGAIN, type->name, type->curve);
	r = check_ecdsa_point(type, &f[1], err);
	return r == KA_OK && type->nfields > 2 ? check_application(&f[2], err) : r;
}

static enum ka_result
check_rsa(const struct key_type *type, const struct field *f, unsigned *bits, struct ka_error *err)
{
	const struct field *e = &f[0], *n = &f[1];
	size_t e_bits = mpint_bits(e), n_bits = mpint_bits(n);

	(void)type;
	if (e_bits == 0 || n_bits == 0)
		return ka_result_fail(err, KA_INVALID,
		    "the %s of this RSA key is zero, negative or not in its shortest (minimal) form: " PASTE_AGAIN,
		    e_bits == 0 ? "exponent" : "modulus");
	if ((e->at[e->n - 1] & 1) == 0 || e_bits < 2 || e_bits > RSA_E_BITS_MAX)
		return ka_result_fail(err, KA_INVALID,
		    "the exponent of this RSA key, %zu bits, is not an odd number from 3 to 64 bits: " PASTE_AGAIN,
		    e_bits);
	if ((n->at[n->n - 1] & 1) == 0)
		return ka_result_fail(err, KA_INVALID, "the modulus of this RSA key is even: " PASTE_AGAIN);
	if (n_bits < RSA_BITS_MIN)
		return ka_result_fail(err, KA_INVALID,
		    "%zu bits are too short for an RSA key: make a new key with ssh-keygen -t ed25519", n_bits);
	if (n_bits > RSA_BITS_MAX)
		return ka_result_fail(err, KA_INVALID,
		    "%zu bits are more than OpenSSH takes for an RSA key, %d: make a new key with ssh-keygen -t "
		    "ed25519",
		    n_bits, RSA_BITS_MAX);
	*bits = (unsigned)n_bits;
	return KA_OK;
}

static const struct key_type types[] = {
    {"ssh-ed25519", NULL, 256, 1, check_ed25519},
    {"ssh-rsa", NULL, 0, 2, check_rsa},
    {"ecdsa-sha2-nistp256", "nistp256", 256, 2, check_ecdsa},
    {"ecdsa-sha2-nistp384", "nistp384", 384, 2, check_ecdsa},
    {"ecdsa-sha2-nistp521", "nistp521", 521, 2, check_ecdsa},
    {"sk-ssh-ed25519@openssh.com", NULL, 256, 2, check_ed25519},
    {"sk-ecdsa-sha2-nistp256@openssh.com", "nistp256", 256, 3, check_ecdsa},
};

/* The blob */

/* One SSH string (RFC 4251, 5). KA_NOTFOUND: it goes on after the end of the blob. */
static enum ka_result
get_string(const uint8_t **at, const uint8_t *end, struct field *f, struct ka_error *err)
{
	size_t left = (size_t)(end - *at);

	if (left < 4)
		return KA_NOTFOUND;
	f->n = (size_t)(*at)[0] << 24 | (size_t)(*at)[1] << 16 | (size_t)(*at)[2] << 8 | (size_t)(*at)[3];
	f->at = *at + 4;
	if (f->n > KA_SSHKEY_BLOB_MAX)
		return ka_result_fail(err, KA_INVALID,
		    "the base64 of this key is damaged: it has a field of %zu bytes; " PASTE_AGAIN, f->n);
	if (f->n > left - 4)
		return KA_NOTFOUND;
	*at = f->at + f->n;
	return KA_OK;
}

/* KA_NOTFOUND: everything fits so far, but the key is not whole. */
static enum ka_result
check_blob(const struct key_type *type, struct ka_sshkey *key, struct ka_error *err)
{
	const uint8_t *at = key->blob, *end = key->blob + key->bloblen;
	struct field inner, f[FIELDS_MAX];
	char word[QUOTE_LEN];
	enum ka_result r;

	if ((r = get_string(&at, end, &inner, err)) != KA_OK)
		return r;
	if (!holds(&inner, type->name)) {
		quote(inner.at, inner.n, word);
		return ka_result_fail(err, KA_INVALID,
		    "the line says %s, but its base64 holds a key of another type%s: " PASTE_AGAIN, type->name, word);
	}
	for (size_t i = 0; i < type->nfields; i++)
		if ((r = get_string(&at, end, &f[i], err)) != KA_OK)
			return r;
	if (at != end)
		return ka_result_fail(err, KA_INVALID,
		    "%zu bytes are left over after this %s key: its base64 was cut short or added to; " PASTE_AGAIN,
		    (size_t)(end - at), type->name);
	return type->check(type, f, &key->bits, err);
}

static enum ka_result
take_digests(struct ka_sshkey *key, struct ka_error *err)
{
	if (!EVP_Q_digest(NULL, "SHA256", NULL, key->blob, key->bloblen, key->sha256, NULL) ||
	    !EVP_Q_digest(NULL, "MD5", NULL, key->blob, key->bloblen, key->md5, NULL))
		return ka_result_fail(err, KA_UNAVAIL, "OpenSSL cannot compute SHA256 and MD5 fingerprints here");
	return KA_OK;
}

/* The paste */

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

/* What is no OpenSSH public key, found by its mark anywhere in the paste. Shows and copies nothing of it. */
static enum ka_result
refuse_formats(const char *text, size_t len, struct ka_error *err)
{
	static const char private_key[] =
	    "this is a private key: paste the public half instead, the one line of the .pub file; and replace "
	    "this private key with a new one (ssh-keygen -t ed25519), because it has now been exposed";
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

	for (size_t f = 0; f < COUNT(formats); f++)
		for (size_t i = 0; i < len; i++)
			if (begins_with((struct span){text + i, len - i}, formats[f].mark))
				return ka_result_fail(err, KA_INVALID, "%s", formats[f].sentence);
	return KA_OK;
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
is_base64(const struct span *t)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";

	for (size_t i = 0; i < t->n; i++)
		if (memchr(digits, t->at[i], sizeof(digits) - 1) == NULL)
			return false;
	return t->n > 0;
}

/* The base64 of every key begins so: the length of its type's name has three zero bytes. It may be wrapped sooner. */
static bool
begins_blob(const struct span *t)
{
	return is_base64(t) && memcmp(t->at, "AAAA", t->n < 4 ? t->n : 4) == 0;
}

static bool
is_word(const struct span *t, const char *word)
{
	return t->n == strlen(word) && memcmp(t->at, word, t->n) == 0;
}

static const struct key_type *
find_type(const struct span *t)
{
	for (size_t i = 0; i < COUNT(types); i++)
		if (is_word(t, types[i].name))
			return &types[i];
	return NULL;
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
	return find_type(t) != NULL || is_word(t, "ssh-dss") || is_cert_type(t);
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
		    "these are %zu keys: paste one at a time, or import them all with keyacct import --authorized-keys",
		    keys);
	return KA_OK;
}

/* The paste does not begin with a key type: say what it begins with. */
static enum ka_result
refuse_beginning(const struct span *first, struct span c, struct ka_error *err)
{
	struct span t;
	char word[QUOTE_LEN];
	bool more = next_token(&c, &t);

	for (more = more && !begins_key(first, &t); more; more = next_token(&c, &t))
		if (is_type(&t))
			return ka_result_fail(err, KA_INVALID,
			    "there are options or other text in front of the key: paste it without them; give from= as "
			    "--from and expiry-time= as --expires, all else is decided by the project's policy");
	if (begins_blob(first) && first->n >= 4)
		return ka_result_fail(err, KA_INVALID,
		    "the key type in front of the base64 is missing, ssh-ed25519 for example: " PASTE_AGAIN);
	quote(first->at, first->n, word);
	if (word[0] == '\0')
		return ka_result_fail(err, KA_INVALID,
		    "this does not begin with a key type such as ssh-ed25519: paste the one line of the .pub file");
	return ka_result_fail(err, KA_INVALID,
	    "unknown key type%s: paste the one line of a .pub file of type ssh-ed25519, ssh-rsa, ecdsa-sha2-nistp256, "
	    "-nistp384 or -nistp521, sk-ssh-ed25519@openssh.com or sk-ecdsa-sha2-nistp256@openssh.com",
	    word);
}

/* Read the type, the first word. */
static enum ka_result
read_type(struct span *c, const struct key_type **type, struct ka_error *err)
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
	if ((*type = find_type(&t)) == NULL)
		return refuse_beginning(&t, *c, err);
	return KA_OK;
}

/* Words of base64 are put together until they are a whole key; what follows is the comment. */
static enum ka_result
read_blob(struct span *c, const struct key_type *type, struct ka_sshkey *key, struct ka_error *err)
{
	char base64[KA_BASE64_LEN(KA_SSHKEY_BLOB_MAX)];
	struct span ahead = *c;
	struct span t;
	size_t n = 0;
	enum ka_result r = KA_NOTFOUND;

	while (r == KA_NOTFOUND && next_token(&ahead, &t) && is_base64(&t)) {
		*c = ahead;
		if (t.n > sizeof(base64) - 1 - n) {
			r = ka_result_fail(err, KA_INVALID,
			    "the base64 is too long for any %s key that OpenSSH takes: " PASTE_AGAIN, type->name);
			break;
		}
		memcpy(base64 + n, t.at, t.n);
		n += t.n;
		if (n % 4 != 0)
			continue;
		if (ka_base64_decode(base64, n, key->blob, sizeof(key->blob), &key->bloblen) != KA_OK) {
			r = ka_result_fail(err, KA_INVALID,
			    "the base64 of this %s key is malformed within its first %zu characters: " PASTE_AGAIN,
			    type->name, n);
			break;
		}
		r = check_blob(type, key, err);
	}
	if (r == KA_NOTFOUND && n == 0)
		r = ka_result_fail(err, KA_INVALID,
		    "%s is not followed by base64 (AAAA...), or it is malformed: " PASTE_AGAIN, type->name);
	else if (r == KA_NOTFOUND)
		r = ka_result_fail(err, KA_INVALID,
		    "the base64 of this %s key is cut short after %zu characters: " PASTE_AGAIN, type->name, n);
	OPENSSL_cleanse(base64, sizeof(base64));
	return r;
}

enum ka_result
ka_sshkey_parse(const char *text, size_t len, struct ka_sshkey *key, struct ka_error *err)
{
	enum ka_result r = KA_UNAVAIL;
	const struct key_type *type = NULL;
	char *copy = NULL;
	struct span c;

	memset(key, 0, sizeof(*key));
	if (len >= 3 && memcmp(text, BYTE_ORDER_MARK, 3) == 0) {
		text += 3;
		len -= 3;
	}
	if ((r = refuse_formats(text, len, err)) != KA_OK)
		goto out;
	if (len > KA_SSHKEY_PASTE_MAX) {
		r = ka_result_fail(err, KA_INVALID, "%zu bytes are too long for a key: " PASTE_AGAIN, len);
		goto out;
	}
	if (len > 0 && memchr(text, '\0', len) != NULL) {
		r = ka_result_fail(
		    err, KA_INVALID, "this holds NUL bytes, so it is no plain text (perhaps UTF-16): " PASTE_AGAIN);
		goto out;
	}
	if ((copy = OPENSSL_malloc(len + 1)) == NULL) {
		r = ka_result_fail(err, KA_UNAVAIL, "out of memory for the pasted key");
		goto out;
	}
	if (len > 0)
		memcpy(copy, text, len);
	blank_comments(copy, len);
	c = (struct span){copy, len};
	if ((r = refuse_several(c, err)) != KA_OK || (r = read_type(&c, &type, err)) != KA_OK ||
	    (r = read_blob(&c, type, key, err)) != KA_OK || (r = take_digests(key, err)) != KA_OK)
		goto out;
	(void)snprintf(key->type, sizeof(key->type), "%s", type->name);
	(void)ka_text_clean(c.at, c.n, key->comment, sizeof(key->comment));
out:
	OPENSSL_clear_free(copy, len + 1);
	if (r != KA_OK)
		OPENSSL_cleanse(key, sizeof(*key));
	return r;
}
