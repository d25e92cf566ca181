#include "tests/unit/samples.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/nomem.h"

/* Which bits of the point of samples[ED], flipped alone, give another point of the curve: computed outside OpenSSL. */
static const char flipped_on_curve[] =
    "0000001111101111010110000000011100011101101110010111100011100101101001010000101010001100"
    "1011001010010011011010100111011000001111101001001101100111010000100011000100001111110101"
    "01100101010101011001100000010011111111010010010100100000101010010110011001001001";

/* Helpers */

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
read_bytes(const char *type, size_t len)
{
	/* A copy of the exact size: a sanitizer sees a read past the end. */
	uint8_t *copy = malloc(len > 0 ? len : 1);
	enum ka_result r;

	assert_non_null(copy);
	memcpy(copy, blob.bytes, len);
	memset(&key, 0xa5, sizeof(key));
	memset(&err, 0, sizeof(err));
	r = ka_sshkey_read(type, copy, len, &key, &err);
	free(copy);
	if (r == KA_NOTFOUND) {
		assert_true(all_zero(&key, sizeof(key)));
		assert_string_equal(err.text, "");
	} else if (r != KA_OK) {
		refused_cleanly();
	}
	return r;
}

static enum ka_result
read_blob(const char *type)
{
	return read_bytes(type, blob.n);
}

static void
refused_blob(const char *type, const char *word)
{
	assert_int_equal(read_blob(type), KA_INVALID);
	says(word);
}

static void
cut_short_blob(const char *type)
{
	assert_int_equal(read_blob(type), KA_NOTFOUND);
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
	(void)state;
	for (size_t i = 0; i < COUNT(samples); i++) {
		load(&samples[i]);
		assert_int_equal(read_blob(samples[i].type), KA_OK);
		assert_string_equal(err.text, "");
		same_as(&samples[i], "");
	}
}

static void
test_types(void **state)
{
	static const char *const unknown[] = {"", "ssh-ed2551", "ssh-ed25519x", "SSH-RSA", "ssh-dss", "ssh-ed448",
	    "ssh-ed25519-cert-v01@openssh.com", "ssh-ed25519 "};
	size_t listed = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(samples); i++) {
		const char *type = samples[i].type;
		char longer[KA_SSHKEY_TYPE_LEN + 1];

		(void)snprintf(longer, sizeof(longer), "%sx", type);
		assert_string_equal(ka_sshkey_find_type(longer, strlen(type)), type);
		assert_null(ka_sshkey_find_type(longer, strlen(type) + 1));
		assert_null(ka_sshkey_find_type(longer, strlen(type) - 1));
		/* The sentence about unknown types names them all. */
		if (strncmp(type, "ecdsa-", 6) != 0)
			assert_non_null(strstr(KA_SSHKEY_TYPES, type));
		else
			assert_non_null(strstr(KA_SSHKEY_TYPES, strrchr(type, '-')));
	}
	/* Each type is listed once. */
	for (size_t i = 0; ka_sshkey_type(i) != NULL; i++) {
		const char *name = ka_sshkey_type(i);

		assert_ptr_equal(ka_sshkey_find_type(name, strlen(name)), name);
		listed++;
	}
	assert_int_equal(listed, 7);
	load(&samples[ED]);
	for (size_t i = 0; i < COUNT(unknown); i++) {
		assert_null(ka_sshkey_find_type(unknown[i], strlen(unknown[i])));
		refused_blob(unknown[i], "unknown key type");
	}
	refused_blob("ssh-ed448", "unknown key type \"ssh-ed448\"");
}

static void
test_quote(void **state)
{
	static const char *const shown[] = {"ssh-ed448", "a.b", "x@y", "~", "_", "-"};
	static const char *const hidden[] = {"", "hello", "abc/def", "0123", "b3BlbnNzaC1rZXktdjE", "A-b",
	    "a-b=", "a+-b", "a -b", "a-\x1b[31m", "a-\xc3\xa9", "a-\n"};
	char out[KA_SSHKEY_QUOTE_LEN], expected[KA_SSHKEY_QUOTE_LEN], word[4000];

	(void)state;
	for (size_t i = 0; i < COUNT(shown); i++) {
		(void)snprintf(expected, sizeof(expected), " \"%s\"", shown[i]);
		ka_sshkey_quote(shown[i], strlen(shown[i]), out);
		assert_string_equal(out, expected);
	}
	for (size_t i = 0; i < COUNT(hidden); i++) {
		ka_sshkey_quote(hidden[i], strlen(hidden[i]), out);
		assert_string_equal(out, "");
	}
	ka_sshkey_quote("a-\0", 3, out);
	assert_string_equal(out, "");
	memset(word, '-', sizeof(word));
	ka_sshkey_quote(word, sizeof(word), out);
	assert_int_equal(strlen(out), KA_SSHKEY_TYPE_LEN - 1 + 3);
}

static void
test_bounds(void **state)
{
	(void)state;
	memset(blob.bytes, 0, sizeof(blob.bytes));
	blob.n = KA_SSHKEY_BLOB_MAX;
	refused_blob("ssh-rsa", "another type");
	blob.n++;
	refused_blob("ssh-rsa", "2561 bytes are too long for any ssh-rsa key");
	blob.n = sizeof(blob.bytes);
	refused_blob("ssh-rsa", "too long");
}

/* Every beginning of a key may be one of which more is coming. */
static void
test_cut_short(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(samples); i++) {
		load(&samples[i]);
		for (size_t n = 0; n < blob.n; n++)
			assert_int_equal(read_bytes(samples[i].type, n), KA_NOTFOUND);
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
	(void)state;
	for (size_t i = 0; i < COUNT(samples); i++)
		for (size_t k = 0; k < COUNT(samples); k++) {
			if (strcmp(samples[i].type, samples[k].type) == 0)
				continue;
			load(&samples[k]);
			refused_blob(samples[i].type, "another type");
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
			cut_short_blob(samples[i].type);
			length[2] = (uint8_t)(n >> 8);
			length[3] = (uint8_t)n;
			at += 4 + n;
		}
		assert_int_equal(read_blob(samples[i].type), KA_OK);
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
				assert_int_equal(read_blob(s->type), KA_OK);
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
				assert_int_equal(read_blob(s->type), KA_OK);
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
				assert_int_equal(read_blob(samples[types[t]].type), KA_OK);
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
		assert_int_equal(read_blob("ssh-rsa"), KA_OK);
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
			assert_int_equal(read_blob("ssh-rsa"), KA_OK);
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
	assert_int_equal(read_blob("ssh-rsa"), KA_OK);
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
	load(&samples[ED]);
	assert_int_equal(ka_sshkey_read("x", blob.bytes, blob.n, &key, NULL), KA_INVALID);
	assert_int_equal(ka_sshkey_read("ssh-rsa", blob.bytes, blob.n, &key, NULL), KA_INVALID);
	assert_int_equal(ka_sshkey_read("ssh-ed25519", blob.bytes, blob.n, &key, NULL), KA_OK);
}

/* Whatever byte is hit, the blob is refused, or what was read is the blob. */
static void
test_random_damage(void **state)
{
	uint32_t seed = 20260102;

	(void)state;
	for (size_t round = 0; round < 20000; round++) {
		const struct sample *s = &samples[round % COUNT(samples)];

		load(s);
		for (size_t hits = 0; hits < 1 + round % 3; hits++) {
			seed = seed * 1664525 + 1013904223;
			blob.bytes[seed / 65536 % blob.n] = (uint8_t)(seed >> 8);
		}
		if (read_blob(s->type) != KA_OK)
			continue;
		assert_string_equal(key.type, s->type);
		assert_int_equal(key.bloblen, blob.n);
		assert_memory_equal(key.blob, blob.bytes, blob.n);
	}
}

static void
test_no_memory(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * COUNT(samples); i++) {
		const struct sample *s = &samples[i / 2];
		enum ka_result r = KA_UNAVAIL;
		long failing = 0;
		bool reached = true;

		all_after = i % 2 == 0;
		load(s);
		while (reached) {
			allocations_left = ++failing;
			r = ka_sshkey_read(s->type, blob.bytes, blob.n, &key, &err);
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
	    cmocka_unit_test(test_types),
	    cmocka_unit_test(test_quote),
	    cmocka_unit_test(test_bounds),
	    cmocka_unit_test(test_cut_short),
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

	if (!nomem_install())
		return 1;
	return cmocka_run_group_tests_name("sshkey", tests, NULL, NULL);
}
