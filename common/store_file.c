#include "common/store_file.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/store_file_inside.h"

/* Key blobs and changes may be longer than KA_RECORD_MAX: the view never reads them. */
#define VALUE_MAX KA_CHANGE_MAX

static enum ka_result
result_of(int rc)
{
	switch (rc) {
	case MDB_SUCCESS:
		return KA_OK;
	case MDB_NOTFOUND:
		return KA_NOTFOUND;
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_INVALID:
	case MDB_MAP_RESIZED: /* no file of ours grows beyond the map */
	case MDB_VERSION_MISMATCH:
	case MDB_INCOMPATIBLE:
	case MDB_BAD_DBI:
		return KA_CORRUPT;
	case MDB_BAD_VALSIZE:
		return KA_INVALID;
	default:
		return KA_UNAVAIL;
	}
}

/* The same, and what it was is kept for the sentence that somebody above will say. */
static enum ka_result
answer(struct ka_store_file *f, int rc)
{
	if (rc != 0 && rc != MDB_NOTFOUND)
		f->failed = rc;
	return result_of(rc);
}

enum ka_result
ka_store_file_failed(struct ka_error *err, int rc, const char *path)
{
	enum ka_result r = result_of(rc);

	if (rc == EACCES)
		return ka_result_fail(err, r, "cannot open %s: permission denied; run this as root", path);
	if (rc == ENOENT)
		return ka_result_fail(err, r,
		    "there is no database: %s is missing; make one with 'keyacct init', or restore it if there was one",
		    path);
	if (rc == ENOSPC || rc == EDQUOT || rc == EIO || rc == EFBIG)
		return ka_result_fail(err, r,
		    "cannot write %s: %s; nothing was changed, free some space or lift the limit and try again", path,
		    mdb_strerror(rc));
	if (r == KA_CORRUPT || rc == MDB_NOTFOUND)
		return ka_result_fail(
		    err, KA_CORRUPT, "%s is damaged (%s): restore it from a backup", path, mdb_strerror(rc));
	return ka_result_fail(err, r, "cannot use %s: %s", path, mdb_strerror(rc));
}

/* A page that makes no sense stops liblmdb; it must not stop with a core dump but with our sentence and status. */
static void
on_assert(MDB_env *env, const char *message)
{
	const char *path = "the database";

	(void)mdb_env_get_path(env, &path);
	(void)fprintf(stderr, "keyacct: %s is damaged (%s): restore it from a backup\n", path, message);
	_exit(5);
}

enum ka_result
ka_store_file_path(const char *dir, const char *name, char path[static PATH_MAX], struct ka_error *err)
{
	int n = snprintf(path, PATH_MAX, "%s/%s", dir, name);

	if (n < 0 || n >= PATH_MAX)
		return ka_result_fail(err, KA_INVALID, "the directory name is too long: %s", dir);
	return KA_OK;
}

int
ka_store_file_open_env(const char *path, unsigned flags, MDB_env **env)
{
	int rc, fd;

	*env = NULL;
	if ((rc = mdb_env_create(env)) != 0)
		return rc;
	if ((rc = mdb_env_set_mapsize(*env, KA_STORE_MAP_SIZE)) == 0 &&
	    (rc = mdb_env_set_maxdbs(*env, KA_TABLES)) == 0 && (rc = mdb_env_set_assert(*env, on_assert)) == 0 &&
	    /* 0600 is the lock file's mode: nobody else may ever read or write it (LMDB 0.9.24 mdb.c:726). */
	    (rc = mdb_env_open(*env, path, flags | MDB_NOSUBDIR | MDB_NOTLS, 0600)) == 0 &&
	    (rc = mdb_env_get_fd(*env, &fd)) == 0) {
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
		return 0;
	}
	mdb_env_close(*env);
	*env = NULL;
	return rc;
}

int
ka_store_file_open_tables(struct ka_store_file *f, unsigned flags)
{
	size_t n;
	const enum ka_table *tables = ka_table_list(f->kind, &n);
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = mdb_dbi_open(f->txn, ka_table_name(tables[i]), flags, &f->dbi[tables[i]]);
		if (rc == MDB_NOTFOUND && ka_table_is_later(tables[i])) {
			f->dbi[tables[i]] = KA_NO_TABLE;
			rc = 0;
		}
	}
	return rc;
}

static enum ka_result
distrust(const char *path, const struct stat *st, struct ka_error *err)
{
	if (S_ISLNK(st->st_mode))
		return ka_result_fail(
		    err, KA_CORRUPT, "%s is a link, and could lead anywhere: put the file itself there", path);
	return ka_result_fail(err, KA_CORRUPT,
	    "%s is not this user's alone to write (owner %u, mode %04o), so nobody can tell what is in it: look at it, "
	    "or "
	    "restore it from a backup; then 'chown root' and 'chmod go-w'",
	    path, (unsigned)st->st_uid, (unsigned)(st->st_mode & 07777));
}

enum ka_result
ka_store_file_check_trust(const char *path, struct ka_error *err)
{
	char directory[PATH_MAX], lock[PATH_MAX + 8];
	struct stat st;

	(void)snprintf(directory, sizeof(directory), "%s", path);
	(void)snprintf(lock, sizeof(lock), "%s-lock", path);
	if (strrchr(directory, '/') != NULL)
		*strrchr(directory, '/') = '\0';
	/* The directory may be reached by a link: who can write its place is not asked, as everywhere on a host. */
	if (stat(directory[0] != '\0' ? directory : "/", &st) == 0 && !ka_table_is_trusted(st.st_uid, st.st_mode))
		return distrust(directory, &st, err);
	if (lstat(path, &st) == 0 && (S_ISLNK(st.st_mode) || !ka_table_is_trusted(st.st_uid, st.st_mode)))
		return distrust(path, &st, err);
	if (lstat(lock, &st) == 0 &&
	    (!S_ISREG(st.st_mode) || st.st_nlink != 1 || !ka_table_is_trusted(st.st_uid, st.st_mode)))
		return distrust(lock, &st, err);
	return KA_OK;
}

enum ka_result
ka_store_file_open(const char *path, enum ka_file kind, bool write, struct ka_store_file *f, struct ka_error *err)
{
	enum ka_result r;
	struct stat st;
	int rc, dead;

	memset(f, 0, sizeof(*f));
	f->kind = kind;
	f->write = write;
	(void)snprintf(f->path, sizeof(f->path), "%s", path);
	/* liblmdb creates a file that is missing, and takes one without a byte for a new one. */
	if (stat(path, &st) != 0 && errno == ENOENT && kind == KA_FILE_NAMES)
		return ka_result_fail(err, KA_UNAVAIL, "%s is missing: 'keyacct check --repair' makes it anew", path);
	if (stat(path, &st) != 0)
		return ka_store_file_failed(err, errno, path);
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return ka_store_file_failed(err, MDB_INVALID, path);
	if ((r = ka_store_file_check_trust(path, err)) != KA_OK)
		return r;
	if ((rc = ka_store_file_open_env(path, write ? 0 : MDB_RDONLY, &f->env)) != 0) {
		f->failed = rc;
		return ka_store_file_failed(err, rc, path);
	}
	(void)mdb_reader_check(f->env, &dead);
	if ((rc = mdb_txn_begin(f->env, NULL, write ? 0 : MDB_RDONLY, &f->txn)) == 0 &&
	    /* A writer adds the tables that an older version did not know. */
	    (rc = ka_store_file_open_tables(f, write ? MDB_CREATE : 0)) == 0)
		return KA_OK;
	ka_store_file_close(f);
	return ka_store_file_failed(err, rc, path);
}

void
ka_store_file_close(struct ka_store_file *f)
{
	if (f->txn != NULL)
		mdb_txn_abort(f->txn);
	if (f->env != NULL)
		mdb_env_close(f->env);
	f->txn = NULL;
	f->env = NULL;
}

enum ka_result
ka_store_file_begin(struct ka_store_file *f, struct ka_error *err)
{
	int rc = f->txn != NULL ? 0 : mdb_txn_begin(f->env, NULL, f->write ? 0 : MDB_RDONLY, &f->txn);

	return rc == 0 ? KA_OK : ka_store_file_failed(err, rc, f->path);
}

enum ka_result
ka_store_file_commit(struct ka_store_file *f, struct ka_error *err)
{
	int rc = mdb_txn_commit(f->txn);

	f->txn = NULL;
	return rc == 0 ? KA_OK : ka_store_file_failed(err, rc, f->path);
}

enum ka_result
ka_store_file_value(
    struct ka_store_file *f, enum ka_table table, const void *key, size_t keylen, const uint8_t **payload, size_t *n)
{
	uint8_t bytes[KA_KEY_MAX]; /* MDB_val has no const */
	MDB_val k = {.mv_size = keylen, .mv_data = bytes}, v;
	int rc;

	if (f->dbi[table] == KA_NO_TABLE)
		return KA_NOTFOUND;
	memcpy(bytes, key, keylen);
	if ((rc = mdb_get(f->txn, f->dbi[table], &k, &v)) != 0)
		return answer(f, rc);
	return ka_record_unseal(table, key, keylen, v.mv_data, v.mv_size, payload, n);
}

enum ka_result
ka_store_file_seek_value(
    struct ka_store_file *f, enum ka_table table, const void *key, size_t keylen, struct ka_store_value *value)
{
	uint8_t bytes[KA_KEY_MAX + 1];
	MDB_val k = {.mv_size = keylen, .mv_data = bytes}, v;
	MDB_cursor *cursor = NULL;
	enum ka_result r;

	if (f->dbi[table] == KA_NO_TABLE)
		return KA_NOTFOUND;
	if ((r = answer(f, mdb_cursor_open(f->txn, f->dbi[table], &cursor))) != KA_OK)
		return r;
	memcpy(bytes, key, keylen);
	/* MDB_SET_RANGE takes no empty key. */
	r = answer(f, mdb_cursor_get(cursor, &k, &v, keylen > 0 ? MDB_SET_RANGE : MDB_FIRST));
	mdb_cursor_close(cursor);
	if (r != KA_OK)
		return r;
	if (k.mv_size == 0 || k.mv_size > KA_KEY_MAX)
		return KA_CORRUPT;
	/* The key stands also when the rest is damaged: who looks for damage goes on behind it. */
	value->keylen = k.mv_size;
	memcpy(value->key, k.mv_data, k.mv_size);
	return ka_record_unseal(table, k.mv_data, k.mv_size, v.mv_data, v.mv_size, &value->payload, &value->len);
}

enum ka_result
ka_store_file_seek(struct ka_store_file *f, enum ka_table table, const void *key, size_t keylen, struct ka_row *row)
{
	struct ka_store_value value = {.keylen = 0};
	enum ka_result r = ka_store_file_seek_value(f, table, key, keylen, &value);

	if (value.keylen > 0) {
		row->keylen = value.keylen;
		memcpy(row->key, value.key, value.keylen);
	}
	if (r != KA_OK)
		return r;
	if (value.len > sizeof(row->payload))
		return KA_CORRUPT;
	row->len = value.len;
	memcpy(row->payload, value.payload, value.len);
	return KA_OK;
}

enum ka_result
ka_store_file_get(struct ka_store_file *f, enum ka_table table, const void *key, size_t keylen, struct ka_row *row)
{
	const uint8_t *payload;
	enum ka_result r = ka_store_file_value(f, table, key, keylen, &payload, &row->len);

	if (r != KA_OK)
		return r;
	if (row->len > sizeof(row->payload))
		return KA_CORRUPT;
	row->keylen = keylen;
	memcpy(row->key, key, keylen);
	memcpy(row->payload, payload, row->len);
	return KA_OK;
}

enum ka_result
ka_store_file_next(
    struct ka_store_file *f, enum ka_table table, const void *prefix, size_t prefixlen, struct ka_row *row)
{
	uint8_t from[KA_KEY_MAX + 1];
	size_t len = ka_table_after(row, prefix, prefixlen, from);
	enum ka_result r;

	if ((r = ka_store_file_seek(f, table, from, len, row)) != KA_OK)
		return r;
	return ka_table_begins(row, prefix, prefixlen) ? KA_OK : KA_NOTFOUND;
}

enum ka_result
ka_store_file_put(
    struct ka_store_file *f, enum ka_table table, const void *key, size_t keylen, const void *payload, size_t len)
{
	size_t room = table == KA_TABLE_BLOB || table == KA_TABLE_CHANGE ? VALUE_MAX : KA_RECORD_MAX;
	uint8_t bytes[KA_KEY_MAX], value[VALUE_MAX];
	MDB_val k = {.mv_size = keylen, .mv_data = bytes}, v = {.mv_data = value};

	if (ka_record_seal(table, key, keylen, payload, len, value, room, &v.mv_size) != KA_OK)
		return KA_INVALID;
	memcpy(bytes, key, keylen);
	return answer(f, mdb_put(f->txn, f->dbi[table], &k, &v, 0));
}

enum ka_result
ka_store_file_remove(struct ka_store_file *f, enum ka_table table, const void *key, size_t keylen)
{
	uint8_t bytes[KA_KEY_MAX];
	MDB_val k = {.mv_size = keylen, .mv_data = bytes};
	int rc;

	memcpy(bytes, key, keylen);
	rc = mdb_del(f->txn, f->dbi[table], &k, NULL);
	return rc == MDB_NOTFOUND ? KA_OK : answer(f, rc);
}

enum ka_result
ka_store_file_fail(const struct ka_store_file *f, enum ka_result r, struct ka_error *err)
{
	switch (r) {
	case KA_OK:
		return r;
	case KA_INVALID:
		return ka_result_fail(err, r, "the row is too long for the database: shorten its texts");
	case KA_CORRUPT:
	case KA_NOTFOUND:
		return ka_result_fail(err, KA_CORRUPT, "%s is damaged: restore it from a backup", f->path);
	case KA_CONFLICT:
	case KA_BUSY:
	case KA_UNAVAIL:
	case KA_FAILED:
		break;
	}
	if (f->failed != 0)
		(void)ka_store_file_failed(err, f->failed, f->path);
	else
		(void)ka_result_fail(
		    err, r, "%s could not be read or written, or memory ran out; nothing was changed", f->path);
	return r;
}
