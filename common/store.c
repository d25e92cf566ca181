#include "common/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/time.h"

/* Address space, not disk: far beyond what any host's projects need, so that no administrator ever meets the limit. */
#define MAP_SIZE ((size_t)1 << 38)

/* A key blob is the only value that may be longer than KA_RECORD_MAX: the view never reads it. */
#define VALUE_MAX 4096

#define META_KEY "state"

static const enum ka_table access_tables[] = {KA_TABLE_PROJECT, KA_TABLE_UID, KA_TABLE_ACCOUNT, KA_TABLE_HANDLE,
    KA_TABLE_MEMBER, KA_TABLE_MEMBER_OF, KA_TABLE_KEY, KA_TABLE_KEY_OF, KA_TABLE_REACH, KA_TABLE_BLOB, KA_TABLE_CHANGE,
    KA_TABLE_META};
static const enum ka_table names_tables[] = {KA_TABLE_META, KA_TABLE_NAME, KA_TABLE_NAME_UID};
static const enum ka_table usage_tables[] = {KA_TABLE_KEY_USE, KA_TABLE_PROJECT_USE, KA_TABLE_DRAINED};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct file {
	char path[PATH_MAX];
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi[KA_TABLES];
};

struct ka_store {
	int lock;
	bool write;
	struct file access, names;
	struct ka_meta meta; /* as it will be when this transaction commits */
};

static enum ka_result
lmdb_result(int rc)
{
	switch (rc) {
	case MDB_SUCCESS:
		return KA_OK;
	case MDB_NOTFOUND:
		return KA_NOTFOUND;
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_INVALID:
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

static enum ka_result
lmdb_fail(struct ka_error *err, int rc, const char *path)
{
	enum ka_result r = lmdb_result(rc);

	if (rc == EACCES)
		return ka_result_fail(err, r, "cannot open %s: permission denied; run this as root", path);
	if (rc == ENOENT)
		return ka_result_fail(err, r, "there is no database: %s is missing; make one with 'keyacct init'", path);
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
lmdb_assert(MDB_env *env, const char *message)
{
	const char *path = "the database";

	(void)mdb_env_get_path(env, &path);
	(void)fprintf(stderr, "keyacct: %s is damaged (%s): restore it from a backup\n", path, message);
	_exit(5);
}

static int
open_env(const char *path, unsigned flags, MDB_env **env)
{
	int rc, fd;

	*env = NULL;
	if ((rc = mdb_env_create(env)) != 0)
		return rc;
	if ((rc = mdb_env_set_mapsize(*env, MAP_SIZE)) == 0 && (rc = mdb_env_set_maxdbs(*env, KA_TABLES)) == 0 &&
	    (rc = mdb_env_set_assert(*env, lmdb_assert)) == 0 &&
	    /* 0600 is the lock file's mode: nobody else may ever read or write it (facts: LMDB 0.9.24 mdb.c:726). */
	    (rc = mdb_env_open(*env, path, flags | MDB_NOSUBDIR | MDB_NOTLS, 0600)) == 0 &&
	    (rc = mdb_env_get_fd(*env, &fd)) == 0) {
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
		return 0;
	}
	mdb_env_close(*env);
	*env = NULL;
	return rc;
}

static int
open_tables(MDB_txn *txn, unsigned flags, const enum ka_table *tables, size_t n, MDB_dbi dbi[static KA_TABLES])
{
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++)
		rc = mdb_dbi_open(txn, ka_record_table_name(tables[i]), flags, &dbi[tables[i]]);
	return rc;
}

enum ka_result
ka_store_open_env(const char *path, bool write, const enum ka_table *tables, size_t ntables, MDB_env **env,
    MDB_txn **txn, unsigned dbi[static KA_TABLES], struct ka_error *err)
{
	unsigned flags = write ? 0 : MDB_RDONLY;
	struct stat st;
	int rc, dead;

	*env = NULL;
	*txn = NULL;
	/* liblmdb creates a file that is missing, and takes one without a byte for a new one. */
	if (stat(path, &st) != 0)
		return lmdb_fail(err, errno, path);
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return lmdb_fail(err, MDB_INVALID, path);
	if ((rc = open_env(path, flags, env)) != 0)
		return lmdb_fail(err, rc, path);
	(void)mdb_reader_check(*env, &dead);
	if ((rc = mdb_txn_begin(*env, NULL, flags, txn)) == 0 && (rc = open_tables(*txn, 0, tables, ntables, dbi)) == 0)
		return KA_OK;
	if (*txn != NULL)
		mdb_txn_abort(*txn);
	mdb_env_close(*env);
	*env = NULL;
	*txn = NULL;
	return lmdb_fail(err, rc, path);
}

static enum ka_result
join(char path[static PATH_MAX], const char *dir, const char *name, struct ka_error *err)
{
	int n = snprintf(path, PATH_MAX, "%s/%s", dir, name);

	if (n < 0 || n >= PATH_MAX)
		return ka_result_fail(err, KA_INVALID, "the directory name is too long: %s", dir);
	return KA_OK;
}

/* Rows */

static enum ka_result
put_row(struct file *f, enum ka_table table, const void *key, size_t keylen, const void *payload, size_t len)
{
	uint8_t value[VALUE_MAX];
	MDB_val k = {.mv_size = keylen}, v = {.mv_data = value};
	uint8_t keybytes[KA_KEY_MAX];

	if (ka_record_seal(table, key, keylen, payload, len, value,
		table == KA_TABLE_BLOB ? sizeof(value) : KA_RECORD_MAX, &v.mv_size) != KA_OK)
		return KA_INVALID;
	memcpy(keybytes, key, keylen); /* MDB_val has no const */
	k.mv_data = keybytes;
	return lmdb_result(mdb_put(f->txn, f->dbi[table], &k, &v, 0));
}

static enum ka_result
remove_row(struct file *f, enum ka_table table, const void *key, size_t keylen)
{
	uint8_t keybytes[KA_KEY_MAX];
	MDB_val k = {.mv_size = keylen, .mv_data = keybytes};
	int rc;

	memcpy(keybytes, key, keylen);
	rc = mdb_del(f->txn, f->dbi[table], &k, NULL);
	return rc == MDB_NOTFOUND ? KA_OK : lmdb_result(rc);
}

static enum ka_result
copy_row(enum ka_table table, const MDB_val *k, const MDB_val *v, struct ka_row *row)
{
	const uint8_t *payload;

	if (k->mv_size == 0 || k->mv_size > KA_KEY_MAX ||
	    ka_record_unseal(table, k->mv_data, k->mv_size, v->mv_data, v->mv_size, &payload, &row->len) != KA_OK ||
	    row->len > sizeof(row->payload))
		return KA_CORRUPT;
	row->keylen = k->mv_size;
	memcpy(row->key, k->mv_data, k->mv_size);
	memcpy(row->payload, payload, row->len);
	return KA_OK;
}

static enum ka_result
seek_row(struct file *f, enum ka_table table, const void *key, size_t keylen, struct ka_row *row)
{
	uint8_t keybytes[KA_KEY_MAX + 1];
	MDB_val k = {.mv_size = keylen, .mv_data = keybytes}, v;
	MDB_cursor *cursor = NULL;
	enum ka_result r;

	if ((r = lmdb_result(mdb_cursor_open(f->txn, f->dbi[table], &cursor))) != KA_OK)
		return r;
	memcpy(keybytes, key, keylen);
	/* MDB_SET_RANGE takes no empty key. */
	r = lmdb_result(mdb_cursor_get(cursor, &k, &v, keylen > 0 ? MDB_SET_RANGE : MDB_FIRST));
	if (r == KA_OK)
		r = copy_row(table, &k, &v, row);
	mdb_cursor_close(cursor);
	return r;
}

static enum ka_result
get_row(struct file *f, enum ka_table table, const void *key, size_t keylen, struct ka_row *row)
{
	enum ka_result r = seek_row(f, table, key, keylen, row);

	if (r == KA_OK && (row->keylen != keylen || memcmp(row->key, key, keylen) != 0))
		return KA_NOTFOUND;
	return r;
}

enum ka_result
ka_store_get(struct ka_store *s, enum ka_table table, const void *key, size_t keylen, struct ka_row *row)
{
	return get_row(&s->access, table, key, keylen, row);
}

enum ka_result
ka_store_seek(struct ka_store *s, enum ka_table table, const void *key, size_t keylen, struct ka_row *row)
{
	return seek_row(&s->access, table, key, keylen, row);
}

enum ka_result
ka_store_next(struct ka_store *s, enum ka_table table, const void *prefix, size_t prefixlen, struct ka_row *row)
{
	uint8_t from[KA_KEY_MAX + 1];
	size_t len = prefixlen;
	enum ka_result r;

	if (row->keylen > 0) {
		memcpy(from, row->key, row->keylen);
		from[row->keylen] = 0;
		len = row->keylen + 1;
	} else {
		memcpy(from, prefix, prefixlen);
	}
	if ((r = seek_row(&s->access, table, from, len, row)) != KA_OK)
		return r;
	return row->keylen >= prefixlen && memcmp(row->key, prefix, prefixlen) == 0 ? KA_OK : KA_NOTFOUND;
}

enum ka_result
ka_store_put(
    struct ka_store *s, enum ka_table table, const void *key, size_t keylen, const void *payload, size_t len)
{
	return put_row(&s->access, table, key, keylen, payload, len);
}

enum ka_result
ka_store_remove(struct ka_store *s, enum ka_table table, const void *key, size_t keylen)
{
	return remove_row(&s->access, table, key, keylen);
}

enum ka_result
ka_store_get_blob(struct ka_store *s, const uint8_t sha256[static KA_SHA256_LEN], uint8_t *blob, size_t *bloblen)
{
	uint8_t key[KA_SHA256_LEN];
	MDB_val k = {.mv_size = sizeof(key), .mv_data = key}, v;
	const uint8_t *payload;
	size_t len;
	enum ka_result r;

	memcpy(key, sha256, sizeof(key));
	if ((r = lmdb_result(mdb_get(s->access.txn, s->access.dbi[KA_TABLE_BLOB], &k, &v))) != KA_OK)
		return r;
	if (ka_record_unseal(KA_TABLE_BLOB, key, sizeof(key), v.mv_data, v.mv_size, &payload, &len) != KA_OK ||
	    len > *bloblen)
		return KA_CORRUPT;
	memcpy(blob, payload, len);
	*bloblen = len;
	return KA_OK;
}

static enum ka_result
read_meta(struct file *f, struct ka_meta *meta)
{
	struct ka_row row;
	enum ka_result r = get_row(f, KA_TABLE_META, META_KEY, strlen(META_KEY), &row);

	if (r == KA_NOTFOUND)
		return KA_CORRUPT;
	return r == KA_OK ? ka_record_get_meta(row.payload, row.len, meta) : r;
}

static enum ka_result
write_meta(struct file *f, const struct ka_meta *meta)
{
	uint8_t payload[KA_RECORD_MAX];
	size_t len;
	enum ka_result r;

	if ((r = ka_record_put_meta(meta, payload, &len)) != KA_OK)
		return r;
	return put_row(f, KA_TABLE_META, META_KEY, strlen(META_KEY), payload, len);
}

/* Creation */

/* One file, made beside its final name and renamed when it is whole and has its mode. */
static int
create_file(const char *path, mode_t mode, gid_t gid, const enum ka_table *tables, size_t ntables)
{
	const struct ka_meta meta = {.changes = 0, .uid_next = KA_UID_FIRST};
	char temporary[PATH_MAX + 8];
	struct file f = {.env = NULL};
	int rc, fd;

	(void)snprintf(temporary, sizeof(temporary), "%s.new", path);
	if (unlink(temporary) != 0 && errno != ENOENT)
		return errno;
	/* Nobody else knows this file yet; without a lock file there is none to protect. */
	if ((rc = open_env(temporary, MDB_NOLOCK, &f.env)) != 0)
		return rc;
	if ((rc = mdb_txn_begin(f.env, NULL, 0, &f.txn)) != 0)
		goto out;
	if ((rc = open_tables(f.txn, MDB_CREATE, tables, ntables, f.dbi)) != 0)
		goto out;
	for (size_t i = 0; i < ntables; i++)
		if (tables[i] == KA_TABLE_META && write_meta(&f, &meta) != KA_OK)
			rc = EIO;
	if (rc != 0)
		goto out;
	rc = mdb_txn_commit(f.txn);
	f.txn = NULL;
	if (rc != 0 || (rc = mdb_env_get_fd(f.env, &fd)) != 0)
		goto out;
	if (fchown(fd, (uid_t)-1, gid) != 0 || fchmod(fd, mode) != 0 || fsync(fd) != 0 || rename(temporary, path) != 0)
		rc = errno;
out:
	if (f.txn != NULL)
		mdb_txn_abort(f.txn);
	mdb_env_close(f.env);
	if (rc != 0)
		(void)unlink(temporary);
	return rc;
}

static int
create_directory(const char *path, mode_t mode, gid_t gid)
{
	struct stat st;

	if (mkdir(path, 0700) == 0)
		return chown(path, (uid_t)-1, gid) != 0 || chmod(path, mode) != 0 ? errno : 0;
	if (errno != EEXIST)
		return errno;
	/* It was there: its mode is what protects the files, so it is set again, but never through a symbolic link. */
	if (lstat(path, &st) != 0)
		return errno;
	if (!S_ISDIR(st.st_mode))
		return ENOTDIR;
	return chown(path, (uid_t)-1, gid) != 0 || chmod(path, mode) != 0 ? errno : 0;
}

static int
sync_directory(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;

	if (fd < 0)
		return errno;
	if (fsync(fd) != 0)
		rc = errno;
	(void)close(fd);
	return rc;
}

enum ka_result
ka_store_create(const char *dir, gid_t gid, struct ka_error *err)
{
	char private[PATH_MAX], access_path[PATH_MAX], names[PATH_MAX], usage[PATH_MAX];
	enum ka_result r;
	int rc;

	if ((r = join(private, dir, "private", err)) != KA_OK || (r = join(names, dir, "names.mdb", err)) != KA_OK ||
	    (r = join(access_path, dir, "private/access.mdb", err)) != KA_OK ||
	    (r = join(usage, dir, "private/usage.mdb", err)) != KA_OK)
		return r;
	/* access.mdb comes last: while it is missing there is no database, and init can be run again. */
	if (access(access_path, F_OK) == 0)
		return ka_result_fail(err, KA_CONFLICT, "there is a database already: %s exists", access_path);
	if ((rc = create_directory(dir, 0755, 0)) != 0)
		return ka_result_fail(err, KA_UNAVAIL, "cannot make the directory %s: %s", dir, strerror(rc));
	if ((rc = create_directory(private, 0750, gid)) != 0)
		return ka_result_fail(err, KA_UNAVAIL, "cannot make the directory %s: %s", private, strerror(rc));
	if ((rc = create_file(usage, 0600, 0, usage_tables, COUNT(usage_tables))) != 0)
		return lmdb_fail(err, rc, usage);
	if ((rc = create_file(names, 0644, 0, names_tables, COUNT(names_tables))) != 0)
		return lmdb_fail(err, rc, names);
	if ((rc = create_file(access_path, 0640, gid, access_tables, COUNT(access_tables))) != 0)
		return lmdb_fail(err, rc, access_path);
	if ((rc = sync_directory(dir)) != 0 || (rc = sync_directory(private)) != 0)
		return ka_result_fail(err, KA_UNAVAIL, "cannot write %s to disk: %s", dir, strerror(rc));
	return KA_OK;
}

/* The writers' lock */

static char
process_state(pid_t pid)
{
	char path[64], line[512];
	const char *paren;
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return '?';
	n = read(fd, line, sizeof(line) - 1);
	(void)close(fd);
	if (n <= 0)
		return '?';
	line[n] = '\0';
	/* The program's name stands in parentheses and may hold anything. */
	paren = strrchr(line, ')');
	return paren != NULL && paren[1] == ' ' ? paren[2] : '?';
}

static enum ka_result
lock_busy(int fd, const char *path, struct ka_error *err)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char state;

	if (fcntl(fd, F_GETLK, &l) != 0 || l.l_type == F_UNLCK || l.l_pid <= 0)
		return ka_result_fail(err, KA_BUSY, "another keyacct is writing (it holds %s); try again", path);
	state = process_state(l.l_pid);
	return ka_result_fail(err, KA_BUSY,
	    "another keyacct is writing: process %ld%s holds %s; wait for it%s, then try again", (long)l.l_pid,
	    state == 'T' ? ", which is stopped," : "", path, state == 'T' ? ", continue it (kill -CONT) or end it" : "");
}

static enum ka_result
take_lock(const char *dir, int *fd, struct ka_error *err)
{
	const struct timespec pause = {.tv_nsec = 20L * 1000 * 1000};
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[PATH_MAX];
	enum ka_result r;

	if ((r = join(path, dir, "private/lock", err)) != KA_OK)
		return r;
	if ((*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600)) < 0) {
		if (errno == ENOENT)
			return ka_result_fail(
			    err, KA_UNAVAIL, "there is no database in %s; make one with 'keyacct init'", dir);
		return lmdb_fail(err, errno, path);
	}
	for (int i = 0; i < KA_STORE_WAIT_S * 50; i++) {
		if (fcntl(*fd, F_SETLK, &l) == 0)
			return KA_OK;
		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			return ka_result_fail(err, KA_UNAVAIL, "cannot lock %s: %s", path, strerror(errno));
		(void)nanosleep(&pause, NULL);
	}
	return lock_busy(*fd, path, err);
}

/* The projection of access.mdb into names.mdb */

static enum ka_result
project_name(struct ka_store *s, const uint8_t id[static KA_UUID_LEN])
{
	uint8_t payload[KA_RECORD_MAX], uid[4];
	struct ka_project project;
	struct ka_name name = {.deleted = false};
	struct ka_row row;
	size_t len;
	enum ka_result r;

	if ((r = get_row(&s->access, KA_TABLE_PROJECT, id, KA_UUID_LEN, &row)) != KA_OK)
		return r == KA_NOTFOUND ? KA_CORRUPT : r;
	if ((r = ka_record_get_project(row.payload, row.len, &project)) != KA_OK)
		return r;
	name.deleted = project.state == KA_PROJECT_DELETED;
	name.uid = project.uid;
	memcpy(name.home, project.home, sizeof(name.home));
	memcpy(name.shell, project.shell, sizeof(name.shell));
	if ((r = ka_record_put_name(&name, payload, &len)) != KA_OK ||
	    (r = put_row(&s->names, KA_TABLE_NAME, id, KA_UUID_LEN, payload, len)) != KA_OK)
		return r;
	ka_record_be32(project.uid, uid);
	return put_row(&s->names, KA_TABLE_NAME_UID, uid, sizeof(uid), id, KA_UUID_LEN);
}

/* Bring names.mdb, whose transaction is open, from ${done} changes to all of access.mdb's, and commit it. */
static enum ka_result
project_names(struct ka_store *s, const struct ka_meta *done, struct ka_error *err)
{
	struct ka_row row;
	enum ka_result r = KA_OK;
	int rc;

	for (uint64_t seq = done->changes + 1; seq <= s->meta.changes && r == KA_OK; seq++) {
		struct ka_change change;
		uint8_t key[8];

		ka_record_be64(seq, key);
		if ((r = get_row(&s->access, KA_TABLE_CHANGE, key, sizeof(key), &row)) != KA_OK ||
		    (r = ka_record_get_change(row.payload, row.len, &change)) != KA_OK)
			break;
		if (change.table == KA_TABLE_PROJECT)
			r = project_name(s, change.id);
	}
	if (r == KA_OK)
		r = write_meta(&s->names, &s->meta);
	if (r == KA_OK) {
		rc = mdb_txn_commit(s->names.txn);
		s->names.txn = NULL;
		r = lmdb_result(rc);
	}
	if (r != KA_OK)
		return ka_result_fail(err, r == KA_NOTFOUND ? KA_CORRUPT : r,
		    "the change is recorded, but %s could not be written: new projects stay unknown to this host until "
		    "the next command that writes succeeds",
		    s->names.path);
	return KA_OK;
}

/* After a commit of access.mdb, or after somebody was killed between the two. */
static enum ka_result
catch_up(struct ka_store *s, struct ka_error *err)
{
	struct ka_meta done;
	enum ka_result r;
	int rc;

	if (s->names.txn == NULL && (rc = mdb_txn_begin(s->names.env, NULL, 0, &s->names.txn)) != 0)
		return lmdb_fail(err, rc, s->names.path);
	if ((r = read_meta(&s->names, &done)) != KA_OK)
		return ka_result_fail(err, r, "%s is damaged: restore it from a backup", s->names.path);
	if (done.changes > s->meta.changes)
		return ka_result_fail(err, KA_CORRUPT,
		    "%s is newer than %s (was one of them restored alone?): restore both from the same backup",
		    s->names.path, s->access.path);
	if (done.uid_next > s->meta.uid_next)
		s->meta.uid_next = done.uid_next;
	if (done.changes < s->meta.changes)
		return project_names(s, &done, err);
	/* Nothing to do. Committed all the same: an abort would close the table handles with it (lmdb.h, mdb_dbi_open). */
	rc = mdb_txn_commit(s->names.txn);
	s->names.txn = NULL;
	return rc == 0 ? KA_OK : lmdb_fail(err, rc, s->names.path);
}

enum ka_result
ka_store_open(const char *dir, bool write, struct ka_store **store, struct ka_error *err)
{
	struct ka_store *s = NULL;
	enum ka_result r;

	*store = NULL;
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return ka_result_fail(err, KA_UNAVAIL, "out of memory");
	s->lock = -1;
	s->write = write;
	if ((r = join(s->access.path, dir, "private/access.mdb", err)) != KA_OK ||
	    (r = join(s->names.path, dir, "names.mdb", err)) != KA_OK)
		goto out;
	if (write && (r = take_lock(dir, &s->lock, err)) != KA_OK)
		goto out;
	if ((r = ka_store_open_env(s->access.path, write, access_tables, COUNT(access_tables), &s->access.env,
		 &s->access.txn, s->access.dbi, err)) != KA_OK)
		goto out;
	if ((r = read_meta(&s->access, &s->meta)) != KA_OK) {
		(void)ka_result_fail(err, r, "%s is damaged: restore it from a backup", s->access.path);
		goto out;
	}
	if (write) {
		if ((r = ka_store_open_env(s->names.path, true, names_tables, COUNT(names_tables), &s->names.env,
			 &s->names.txn, s->names.dbi, err)) != KA_OK ||
		    (r = catch_up(s, err)) != KA_OK)
			goto out;
	}
	*store = s;
	s = NULL; /* now the caller's */
out:
	ka_store_close(s);
	return r;
}

static void
close_file(struct file *f)
{
	if (f->txn != NULL)
		mdb_txn_abort(f->txn);
	if (f->env != NULL)
		mdb_env_close(f->env);
}

void
ka_store_close(struct ka_store *s)
{
	if (s == NULL)
		return;
	close_file(&s->names);
	close_file(&s->access);
	if (s->lock >= 0)
		(void)close(s->lock);
	free(s);
}

enum ka_result
ka_store_commit(struct ka_store *s, struct ka_error *err)
{
	enum ka_result r;
	int rc;

	if ((r = write_meta(&s->access, &s->meta)) != KA_OK)
		return ka_result_fail(err, r, "cannot write %s; nothing was changed", s->access.path);
	rc = mdb_txn_commit(s->access.txn);
	s->access.txn = NULL;
	if (rc != 0)
		return lmdb_fail(err, rc, s->access.path);
	if ((rc = mdb_txn_begin(s->access.env, NULL, 0, &s->access.txn)) != 0)
		return lmdb_fail(err, rc, s->access.path);
	return catch_up(s, err);
}

/* Who is at the keyboard: the login uid outlives su and sudo. */
static uint32_t
actor(void)
{
	char text[16] = "";
	uint32_t uid = getuid();
	unsigned long login;
	ssize_t n;
	int fd;

	if ((fd = open("/proc/self/loginuid", O_RDONLY | O_CLOEXEC)) < 0)
		return uid;
	n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	if (n <= 0)
		return uid;
	login = strtoul(text, NULL, 10);
	return login < UINT32_MAX ? (uint32_t)login : uid;
}

enum ka_result
ka_store_note(struct ka_store *s, enum ka_table table, const uint8_t id[static KA_UUID_LEN], const char *verb,
    const char *detail)
{
	struct ka_change change = {.at_s = ka_time_now(), .actor = actor(), .table = table};
	uint8_t payload[KA_RECORD_MAX], key[8];
	size_t len;
	enum ka_result r;

	memcpy(change.id, id, KA_UUID_LEN);
	(void)snprintf(change.verb, sizeof(change.verb), "%s", verb);
	(void)snprintf(change.detail, sizeof(change.detail), "%s", detail);
	if ((r = ka_record_put_change(&change, payload, &len)) != KA_OK)
		return r;
	ka_record_be64(s->meta.changes + 1, key);
	if ((r = put_row(&s->access, KA_TABLE_CHANGE, key, sizeof(key), payload, len)) == KA_OK)
		s->meta.changes++;
	return r;
}

enum ka_result
ka_store_next_uid(struct ka_store *s, uint32_t *uid)
{
	struct ka_row row;
	enum ka_result r = KA_OK;

	/* An adopted uid may lie in the range: step over it. */
	for (; s->meta.uid_next <= KA_UID_LAST; s->meta.uid_next++) {
		uint8_t key[4];

		ka_record_be32(s->meta.uid_next, key);
		if ((r = get_row(&s->access, KA_TABLE_UID, key, sizeof(key), &row)) == KA_NOTFOUND) {
			*uid = s->meta.uid_next++;
			return KA_OK;
		}
		if (r != KA_OK)
			return r;
	}
	return KA_CONFLICT;
}
