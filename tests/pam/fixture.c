/*
 * Change a registered key behind the tool's back: switch it off, let it in on some hosts only, or give it the label of
 * an import.
 *
 *   pam_fixture FINGERPRINT inactive|origin=LABEL|HOST[,HOST]...
 */
#include <stdio.h>
#include <string.h>

#include "common/store.h"

static enum ka_result
limit_one(struct ka_store *store, struct ka_row *row, const char *how)
{
	struct ka_key key;
	size_t len;
	enum ka_result r;

	if ((r = ka_record_get_key(row->payload, row->len, &key)) != KA_OK)
		return r;
	if (strcmp(how, "inactive") == 0)
		key.state = KA_KEY_INACTIVE;
	else if (strncmp(how, "origin=", 7) == 0)
		(void)snprintf(key.origin, sizeof(key.origin), "%s", how + 7);
	else
		(void)snprintf(key.hosts, sizeof(key.hosts), "%s", how);
	if ((r = ka_record_put_key(&key, row->payload, &len)) != KA_OK)
		return r;
	return ka_store_put(store, KA_TABLE_KEY, row->key, row->keylen, row->payload, len);
}

/* All of its registrations. */
static enum ka_result
limit(struct ka_store *store, const uint8_t sha256[static KA_SHA256_LEN], const char *how)
{
	struct ka_row row = {.keylen = 0};
	size_t n = 0;
	enum ka_result r;

	for (; (r = ka_store_next(store, KA_TABLE_KEY, sha256, KA_SHA256_LEN, &row)) == KA_OK; n++)
		if ((r = limit_one(store, &row, how)) != KA_OK)
			return r;
	return n > 0 && r == KA_NOTFOUND ? KA_OK : r;
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
