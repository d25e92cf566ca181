/*
 * Limit a registered key as the tool cannot yet: switch it off, or let it in on some hosts only.
 *
 *   pam_fixture FINGERPRINT inactive|HOST[,HOST]...
 */
#include <stdio.h>
#include <string.h>

#include "common/store.h"

static enum ka_result
limit(struct ka_store *store, const uint8_t sha256[static KA_SHA256_LEN], const char *how)
{
	struct ka_row row = {.keylen = 0};
	struct ka_key key;
	size_t len;
	enum ka_result r;

	if ((r = ka_store_next(store, KA_TABLE_KEY, sha256, KA_SHA256_LEN, &row)) != KA_OK ||
	    (r = ka_record_get_key(row.payload, row.len, &key)) != KA_OK)
		return r;
	if (strcmp(how, "inactive") == 0)
		key.state = KA_KEY_INACTIVE;
	else
		(void)snprintf(key.hosts, sizeof(key.hosts), "%s", how);
	if ((r = ka_record_put_key(&key, row.payload, &len)) != KA_OK)
		return r;
	return ka_store_put(store, KA_TABLE_KEY, row.key, row.keylen, row.payload, len);
}

int
main(int argc, char **argv)
{
	uint8_t sha256[KA_SHA256_LEN];
	struct ka_store *store = NULL;
	struct ka_error err = {""};
	enum ka_result r = KA_INVALID;

	if (argc == 3 && (r = ka_fingerprint_parse(argv[1], sha256)) == KA_OK &&
	    (r = ka_store_open(KA_DATADIR, true, &store, &err)) == KA_OK &&
	    (r = limit(store, sha256, argv[2])) == KA_OK)
		r = ka_store_commit(store, &err);
	ka_store_close(store);
	if (r != KA_OK)
		(void)fprintf(stderr, "pam_fixture: result %d %s\n", (int)r, err.text);
	return r == KA_OK ? 0 : 1;
}
