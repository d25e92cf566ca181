/*
 * newer DIR compatible|incompatible: rewrite names.mdb as a version to come might. Compatible: every row has one of the
 * compatible bits and more at its end, and there is one more table. Incompatible: every row has another number in the
 * low bits.
 */
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/record.h"

static void
check(int rc)
{
	if (rc == 0)
		return;
	(void)fprintf(stderr, "newer: %s\n", mdb_strerror(rc));
	exit(1);
}

/* The row's value with ${version}, sealed as record.c seals it, with ${more} bytes at its end. */
static size_t
reseal(enum ka_table table, const MDB_val *k, const uint8_t *payload, size_t len, uint8_t version, size_t more,
    uint8_t *value)
{
	const char *name = ka_table_name(table);
	const uint8_t head[] = {version, (uint8_t)k->mv_size};
	uint64_t sum = ka_record_checksum(KA_CHECKSUM_START, head, sizeof(head));

	memcpy(value + 9, payload, len);
	memset(value + 9 + len, 0xee, more);
	sum = ka_record_checksum(ka_record_checksum(sum, name, strlen(name) + 1), k->mv_data, k->mv_size);
	value[0] = version;
	ka_table_be64(ka_record_checksum(sum, value + 9, len + more), value + 1);
	return 9 + len + more;
}

static void
rewrite(MDB_txn *txn, enum ka_table table, uint8_t version, size_t more)
{
	MDB_cursor *cursor;
	MDB_val k, v;
	MDB_dbi dbi;

	check(mdb_dbi_open(txn, ka_table_name(table), 0, &dbi));
	check(mdb_cursor_open(txn, dbi, &cursor));
	while (mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0) {
		uint8_t value[KA_RECORD_MAX];
		const uint8_t *payload;
		MDB_val put = {.mv_data = value};
		size_t len;

		if (ka_record_unseal(table, k.mv_data, k.mv_size, v.mv_data, v.mv_size, &payload, &len) != KA_OK)
			check(MDB_CORRUPTED);
		put.mv_size = reseal(table, &k, payload, len, version, more, value);
		check(mdb_cursor_put(cursor, &k, &put, MDB_CURRENT));
	}
	mdb_cursor_close(cursor);
}

int
main(int argc, char **argv)
{
	bool compatible = argc == 3 && strcmp(argv[2], "compatible") == 0;
	char path[4096];
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	if (argc != 3 || (!compatible && strcmp(argv[2], "incompatible") != 0)) {
		(void)fprintf(stderr, "usage: newer DIR compatible|incompatible\n");
		return 2;
	}
	(void)snprintf(path, sizeof(path), "%s/names.mdb", argv[1]);
	check(mdb_env_create(&env));
	check(mdb_env_set_maxdbs(env, KA_TABLES + 1));
	check(mdb_env_set_mapsize(env, (size_t)1 << 28));
	check(mdb_env_open(env, path, MDB_NOSUBDIR, 0600));
	check(mdb_txn_begin(env, NULL, 0, &txn));
	/* A row of uids is read to the byte: what is added there is a bit alone. */
	rewrite(txn, KA_TABLE_NAME, compatible ? 0x11 : 0x02, compatible ? 7 : 0);
	rewrite(txn, KA_TABLE_NAME_UID, compatible ? 0x21 : 0x02, 0);
	rewrite(txn, KA_TABLE_META, compatible ? 0x11 : 0x02, compatible ? 7 : 0);
	if (compatible)
		check(mdb_dbi_open(txn, "added", MDB_CREATE, &dbi));
	check(mdb_txn_commit(txn));
	mdb_env_close(env);
	return 0;
}
