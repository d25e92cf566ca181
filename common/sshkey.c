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

#include "common/text.h"

#define FIELDS_MAX     3
#define ED25519_LEN    32
#define POINT_MAX      133 /* an uncompressed point of nistp521 */
#define RSA_BITS_MIN   1024
#define RSA_BITS_MAX   16384
#define RSA_E_BITS_MAX 64
#define COUNT(a)       (sizeof(a) / sizeof((a)[0]))

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

void
ka_sshkey_quote(const void *word, size_t n, char out[static KA_SSHKEY_QUOTE_LEN])
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
	(void)snprintf(out, KA_SSHKEY_QUOTE_LEN, " \"%s\"", clean);
}

/* Checks of one field */

static bool
holds(const struct field *f, const char *name)
{
	return f->n == strlen(name) && memcmp(f->at, name, f->n) == 0;
}

/* Set ${uv} to u·v mod p, where u = 121666·(y² - 1) and v = 121666 - 121665·y². */
static bool
multiply_uv(BIGNUM *uv, const BIGNUM *y, const BIGNUM *p, BN_CTX *ctx)
{
	BIGNUM *v = BN_CTX_get(ctx);

	if (v == NULL || !BN_mod_sqr(uv, y, p, ctx) || BN_copy(v, uv) == NULL || !BN_mul_word(v, 121665))
		return false;
	BN_set_negative(v, 1);
	return BN_add_word(v, 121666) && BN_sub_word(uv, 1) && BN_mul_word(uv, 121666) && BN_mod_mul(uv, uv, v, p, ctx);
}

/*
 * Is there an x for this y? The curve is -x² + y² = 1 + d·x²·y² mod p, d = -121665/121666 (RFC 8032, 5.1), so that
 * x² = u/v, which is a square exactly when u·v is.
 */
static enum ka_result
check_on_ed25519(const uint8_t y_bytes[static ED25519_LEN], struct ka_error *err)
{
	enum ka_result r = KA_UNAVAIL;
	BN_CTX *ctx = BN_CTX_new();
	BIGNUM *p, *y, *uv;
	int square;

	if (ctx == NULL)
		return no_openssl(err);
	BN_CTX_start(ctx);
	p = BN_CTX_get(ctx);
	y = BN_CTX_get(ctx);
	uv = BN_CTX_get(ctx);
	if (uv == NULL || BN_lebin2bn(y_bytes, ED25519_LEN, y) == NULL || !BN_set_bit(p, 255) || !BN_sub_word(p, 19))
		goto out;
	if (BN_cmp(y, p) >= 0) {
		r = ka_result_fail(err, KA_INVALID, "the ed25519 point is not in its canonical form: " KA_SSHKEY_AGAIN);
		goto out;
	}
	if (!multiply_uv(uv, y, p, ctx))
		goto out;
	square = BN_kronecker(uv, p, ctx);
	if (square == -1)
		r = ka_result_fail(err, KA_INVALID, "the ed25519 point is not on its curve: " KA_SSHKEY_AGAIN);
	else if (square >= 0)
		r = KA_OK;
out:
	BN_CTX_end(ctx);
	BN_CTX_free(ctx);
	return r == KA_UNAVAIL ? no_openssl(err) : r;
}

/* Is it the y of a point of small order? The sign of x, its top bit, is cleared already. */
static bool
is_small_order(const uint8_t y[static ED25519_LEN])
{
	/* The y of all points of order 1, 2, 4 and 8, little-endian. */
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

	for (size_t i = 0; i < COUNT(small); i++)
		if (memcmp(y, small[i], ED25519_LEN) == 0)
			return true;
	return false;
}

static enum ka_result
check_ed25519_point(const struct field *f, struct ka_error *err)
{
	uint8_t y[ED25519_LEN];

	if (f->n != sizeof(y))
		return ka_result_fail(
		    err, KA_INVALID, "the ed25519 point has %zu bytes, not %d: " KA_SSHKEY_AGAIN, f->n, ED25519_LEN);
	memcpy(y, f->at, sizeof(y));
	y[ED25519_LEN - 1] &= 0x7f;
	if (is_small_order(y))
		return ka_result_fail(err, KA_INVALID,
		    "the ed25519 point is of small order, so the key protects nothing: make a new key with "
		    "ssh-keygen -t ed25519");
	return check_on_ed25519(y, err);
}

/*
 * OpenSSL returns the same for a bad point and for want of memory: its list of errors must name the one, not the other.
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
	    err, KA_INVALID, "the point of this %s key is not on its curve: " KA_SSHKEY_AGAIN, type->name);
}

/* Make a key of the point. The caller frees ${pkey}. */
static enum ka_result
load_ecdsa_point(const struct key_type *type, const struct field *f, EVP_PKEY **pkey, struct ka_error *err)
{
	enum ka_result r = KA_OK;
	uint8_t point[POINT_MAX];
	char group[8];
	OSSL_PARAM params[3];
	EVP_PKEY_CTX *ctx = NULL;

	if (f->n != 1 + 2 * (size_t)((type->bits + 7) / 8) || f->n > sizeof(point) || f->at[0] != 0x04)
		return ka_result_fail(err, KA_INVALID,
		    "this %s key does not hold an uncompressed point of %u bits: " KA_SSHKEY_AGAIN, type->name,
		    type->bits);
	memcpy(point, f->at, f->n);
	(void)snprintf(group, sizeof(group), "P-%u", type->bits);
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0);
	params[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, f->n);
	params[2] = OSSL_PARAM_construct_end();
	if ((ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL)) == NULL || EVP_PKEY_fromdata_init(ctx) != 1)
		r = no_openssl(err);
	else if (EVP_PKEY_fromdata(ctx, pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
		r = point_failed(type, err);
	EVP_PKEY_CTX_free(ctx);
	return r;
}

static enum ka_result
check_ecdsa_point(const struct key_type *type, const struct field *f, struct ka_error *err)
{
	EVP_PKEY_CTX *ctx = NULL;
	EVP_PKEY *pkey = NULL;
	enum ka_result r;

	ERR_clear_error();
	if ((r = load_ecdsa_point(type, f, &pkey, err)) != KA_OK)
		goto out;
	if ((ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL)) == NULL)
		r = no_openssl(err);
	else if (EVP_PKEY_public_check(ctx) != 1)
		r = point_failed(type, err);
out:
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(pkey);
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
		    "ssh:): " KA_SSHKEY_AGAIN);
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
		    "the base64 of this %s key does not name the curve %s: " KA_SSHKEY_AGAIN, type->name, type->curve);
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
		    "the %s of this RSA key is zero, negative or not in its shortest (minimal) form: " KA_SSHKEY_AGAIN,
		    e_bits == 0 ? "exponent" : "modulus");
	if ((e->at[e->n - 1] & 1) == 0 || e_bits < 2 || e_bits > RSA_E_BITS_MAX)
		return ka_result_fail(err, KA_INVALID,
		    "the exponent of this RSA key, %zu bits, is not an odd number from 3 to 64 bits: " KA_SSHKEY_AGAIN,
		    e_bits);
	if ((n->at[n->n - 1] & 1) == 0)
		return ka_result_fail(err, KA_INVALID, "the modulus of this RSA key is even: " KA_SSHKEY_AGAIN);
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

static const struct key_type *
find_type(const char *word, size_t n)
{
	for (size_t i = 0; i < COUNT(types); i++)
		if (n == strlen(types[i].name) && memcmp(word, types[i].name, n) == 0)
			return &types[i];
	return NULL;
}

const char *
ka_sshkey_find_type(const char *word, size_t n)
{
	const struct key_type *type = find_type(word, n);

	return type != NULL ? type->name : NULL;
}

const char *
ka_sshkey_type(size_t nth)
{
	return nth < COUNT(types) ? types[nth].name : NULL;
}

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
		    "the base64 of this key is damaged: it has a field of %zu bytes; " KA_SSHKEY_AGAIN, f->n);
	if (f->n > left - 4)
		return KA_NOTFOUND;
	*at = f->at + f->n;
	return KA_OK;
}

/* KA_NOTFOUND: everything fits so far, but the key is not whole. */
static enum ka_result
check_blob(const struct key_type *type, const uint8_t *blob, size_t bloblen, unsigned *bits, struct ka_error *err)
{
	const uint8_t *at = blob, *end = blob + bloblen;
	struct field inner, f[FIELDS_MAX];
	char word[KA_SSHKEY_QUOTE_LEN];
	enum ka_result r;

	if ((r = get_string(&at, end, &inner, err)) != KA_OK)
		return r;
	if (!holds(&inner, type->name)) {
		ka_sshkey_quote(inner.at, inner.n, word);
		return ka_result_fail(err, KA_INVALID,
		    "the line says %s, but its base64 holds a key of another type%s: " KA_SSHKEY_AGAIN, type->name,
		    word);
	}
	for (size_t i = 0; i < type->nfields; i++)
		if ((r = get_string(&at, end, &f[i], err)) != KA_OK)
			return r;
	if (at != end)
		return ka_result_fail(err, KA_INVALID,
		    "%zu bytes are left over after this %s key: its base64 was cut short or added to; " KA_SSHKEY_AGAIN,
		    (size_t)(end - at), type->name);
	return type->check(type, f, bits, err);
}

static enum ka_result
take_digests(struct ka_sshkey *key, struct ka_error *err)
{
	if (!EVP_Q_digest(NULL, "SHA256", NULL, key->blob, key->bloblen, key->sha256, NULL) ||
	    !EVP_Q_digest(NULL, "MD5", NULL, key->blob, key->bloblen, key->md5, NULL))
		return ka_result_fail(err, KA_UNAVAIL, "OpenSSL cannot compute SHA256 and MD5 fingerprints here");
	return KA_OK;
}

static enum ka_result
refuse_unknown(const char *type, struct ka_error *err)
{
	char word[KA_SSHKEY_QUOTE_LEN];

	ka_sshkey_quote(type, strlen(type), word);
	return ka_result_fail(err, KA_INVALID, "unknown key type%s: a key is of type " KA_SSHKEY_TYPES, word);
}

enum ka_result
ka_sshkey_read(const char *type, const uint8_t *blob, size_t bloblen, struct ka_sshkey *key, struct ka_error *err)
{
	const struct key_type *known = find_type(type, strlen(type));
	enum ka_result r;

	memset(key, 0, sizeof(*key));
	if (known == NULL)
		return refuse_unknown(type, err);
	if (bloblen > sizeof(key->blob))
		return ka_result_fail(err, KA_INVALID,
		    "%zu bytes are too long for any %s key that OpenSSH takes: " KA_SSHKEY_AGAIN, bloblen, known->name);
	if ((r = check_blob(known, blob, bloblen, &key->bits, err)) != KA_OK)
		goto out;
	(void)snprintf(key->type, sizeof(key->type), "%s", known->name);
	memcpy(key->blob, blob, bloblen);
	key->bloblen = bloblen;
	r = take_digests(key, err);
out:
	if (r != KA_OK)
		OPENSSL_cleanse(key, sizeof(*key));
	return r;
}
