#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/store_file.h"
#include "common/store_file_inside.h"

/* Making */

/* Fill the new file and give it its mode and group. */
static int
create_contents(struct ka_store_file *f, gid_t gid, enum ka_result (*fill)(struct ka_store_file *, void *), void *arg)
{
	static const mode_t modes[KA_FILES] = {[KA_FILE_NAMES] = 0644, [KA_FILE_ACCESS] = 0640, [KA_FILE_USAGE] = 0600};
	int rc, fd;

	if ((rc = mdb_txn_begin(f->env, NULL, 0, &f->txn)) != 0 || (rc = ka_store_file_open_tables(f, MDB_CREATE)) != 0)
		return rc;
	if (fill != NULL && fill(f, arg) != KA_OK)
		return f->failed != 0 ? f->failed : EIO;
	rc = mdb_txn_commit(f->txn);
	f->txn = NULL;
	if (rc != 0 || (rc = mdb_env_get_fd(f->env, &fd)) != 0)
		return rc;
	if (f->kind != KA_FILE_ACCESS)
		gid = 0;
	return fchown(fd, (uid_t)-1, gid) != 0 || fchmod(fd, modes[f->kind]) != 0 || fsync(fd) != 0 ? errno : 0;
}

enum ka_result
ka_store_file_create(const char *path, enum ka_file kind, gid_t gid,
    enum ka_result (*fill)(struct ka_store_file *, void *), void *arg, struct ka_error *err)
{
	char temporary[PATH_MAX + 8];
	struct ka_store_file f = {.kind = kind, .write = true};
	int rc;

	(void)snprintf(temporary, sizeof(temporary), "%s.new", path);
	if (unlink(temporary) != 0 && errno != ENOENT)
		return ka_store_file_failed(err, errno, temporary);
	/* Nobody else knows this file yet; without a lock file there is none to protect. */
	if ((rc = ka_store_file_open_env(temporary, MDB_NOLOCK, &f.env)) != 0)
		return ka_store_file_failed(err, rc, temporary);
	rc = create_contents(&f, gid, fill, arg);
	ka_store_file_close(&f);
	if (rc == 0 && rename(temporary, path) != 0)
		rc = errno;
	if (rc != 0)
		(void)unlink(temporary);
	return rc == 0 ? KA_OK : ka_store_file_failed(err, rc, path);
}

enum ka_result
ka_store_file_sync_directory(const char *path, struct ka_error *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum ka_result r = KA_OK;

	if (fd < 0 || fsync(fd) != 0)
		r = ka_result_fail(err, KA_UNAVAIL, "cannot write %s to disk: %s", path, strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	return r;
}

/* Copying */

struct copying {
	MDB_env *env;
	int fd;
	unsigned flags;
	int rc;
};

static void *
copy_in_thread(void *arg)
{
	struct copying *c = arg;

	c->rc = mdb_env_copyfd2(c->env, c->fd, c->flags);
	return NULL;
}

/* mdb_env_copyfd2 tells nobody how far it is: the size of what it writes does. */
static int
copy_watched(struct copying *c, uint64_t room, void (*tell)(void *, uint64_t, bool), void *arg)
{
	struct timespec until;
	pthread_t thread;
	struct stat st;
	int rc;

	if ((rc = pthread_create(&thread, NULL, copy_in_thread, c)) != 0)
		return rc;
	do {
		(void)clock_gettime(CLOCK_REALTIME, &until);
		if ((until.tv_nsec += 5L * 1000 * 1000) >= 1000L * 1000 * 1000) {
			until.tv_nsec -= 1000L * 1000 * 1000;
			until.tv_sec++;
		}
		rc = pthread_timedjoin_np(thread, NULL, &until);
		if (fstat(c->fd, &st) == 0)
			tell(arg, (uint64_t)st.st_size, (uint64_t)st.st_size >= room);
	} while (rc == ETIMEDOUT);
	return rc != 0 ? rc : c->rc;
}

static int
copy_env(MDB_env *env, int fd, bool compact, void (*tell)(void *, uint64_t, bool), void *arg)
{
	struct copying c = {.env = env, .fd = fd, .flags = compact ? MDB_CP_COMPACT : 0};
	MDB_stat stat;
	int rc;

	if ((rc = mdb_env_stat(env, &stat)) != 0)
		return rc;
	/* Without MDB_CP_COMPACT it keeps LMDB's writers off until both meta pages are written, and a reader's snapshot
	 * protects the rest (LMDB 0.9.24 mdb.c, mdb_env_copyfd0). */
	return copy_watched(&c, 2 * (uint64_t)stat.ms_psize, tell, arg);
}

/* The copy belongs to whom the original does. */
static int
finish_copy(int fd, const struct stat *st)
{
	return fchown(fd, (uid_t)-1, st->st_gid) != 0 || fchmod(fd, st->st_mode & 0777) != 0 || fsync(fd) != 0 ? errno
													       : 0;
}

enum ka_result
ka_store_file_copy(const char *from, const char *to, bool compact, void (*tell)(void *, uint64_t, bool), void *arg,
    struct ka_error *err)
{
	MDB_env *env = NULL;
	enum ka_result r;
	struct stat st;
	int rc, fd;

	/* liblmdb takes a file without a byte for a new one. */
	if (stat(from, &st) != 0)
		return ka_store_file_failed(err, errno, from);
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return ka_store_file_failed(err, MDB_INVALID, from);
	if ((r = ka_store_file_check_trust(from, err)) != KA_OK)
		return r;
	if ((rc = ka_store_file_open_env(from, MDB_RDONLY, &env)) != 0)
		return ka_store_file_failed(err, rc, from);
	if ((fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)) < 0) {
		rc = errno;
	} else {
		if ((rc = copy_env(env, fd, compact, tell, arg)) == 0)
			rc = finish_copy(fd, &st);
		(void)close(fd);
	}
	mdb_env_close(env);
	if (rc == 0)
		return KA_OK;
	(void)unlink(to);
	/* LMDB's own codes are about what was read. */
	return ka_store_file_failed(err, rc, rc > 0 ? to : from);
}

/* Checking */

struct verifying {
	struct ka_store_file *file;
	void (*tell)(void *, uint64_t, uint64_t);
	void *arg;
	uint64_t done, total, unread;
};

/* Does a look-up of the key lead to this row? Readers look up; going through the rows needs no inner page. */
static bool
is_found(struct ka_store_file *f, enum ka_table table, const MDB_val *key, const MDB_val *value)
{
	MDB_val k = *key, v;

	return mdb_get(f->txn, f->dbi[table], &k, &v) == 0 && v.mv_data == value->mv_data;
}

static bool
is_in_place(struct ka_store_file *f, enum ka_table table, const MDB_val *last, const MDB_val *k, const MDB_val *v)
{
	return k->mv_size > 0 && k->mv_size <= KA_KEY_MAX &&
	       (last->mv_size == 0 || mdb_cmp(f->txn, f->dbi[table], last, k) < 0) && is_found(f, table, k, v);
}

static bool
is_readable(enum ka_table table, const MDB_val *k, const MDB_val *v)
{
	const uint8_t *payload;
	size_t n;

	return ka_record_unseal(table, k->mv_data, k->mv_size, v->mv_data, v->mv_size, &payload, &n) == KA_OK;
}

static int
verify_rows(struct verifying *v, enum ka_table table, MDB_cursor *cursor, uint64_t *rows)
{
	MDB_val last = {.mv_size = 0}, key, value;
	int rc;

	*rows = 0;
	for (;;) {
		if ((rc = mdb_cursor_get(cursor, &key, &value, *rows == 0 ? MDB_FIRST : MDB_NEXT)) != 0)
			return rc == MDB_NOTFOUND ? 0 : rc;
		if (!is_in_place(v->file, table, &last, &key, &value))
			return MDB_CORRUPTED;
		v->unread += !is_readable(table, &key, &value);
		last = key; /* nothing is written: it stays where it is */
		++*rows;
		if (++v->done % 1024 == 0)
			v->tell(v->arg, v->done, v->total);
	}
}

static int
verify_table(struct verifying *v, enum ka_table table, uint64_t *rows)
{
	struct ka_store_file *f = v->file;
	MDB_cursor *cursor = NULL;
	MDB_stat stat;
	int rc;

	if ((rc = mdb_stat(f->txn, f->dbi[table], &stat)) != 0 ||
	    (rc = mdb_cursor_open(f->txn, f->dbi[table], &cursor)) != 0)
		return rc;
	if ((rc = verify_rows(v, table, cursor, rows)) == 0 && *rows != stat.ms_entries)
		rc = MDB_CORRUPTED;
	mdb_cursor_close(cursor);
	return rc;
}

/* The table of that name, or KA_TABLES. */
static enum ka_table
find_table(enum ka_file kind, const MDB_val *name)
{
	size_t n;
	const enum ka_table *tables = ka_table_list(kind, &n);

	for (size_t i = 0; i < n; i++) {
		const char *known = ka_table_name(tables[i]);

		if (strlen(known) == name->mv_size && memcmp(known, name->mv_data, name->mv_size) == 0)
			return tables[i];
	}
	return KA_TABLES;
}

/* The file's own table holds the names of the others: as many as were found when it was opened, and no other. */
static int
verify_names(struct ka_store_file *f, MDB_cursor *cursor, size_t expected, MDB_val *unknown)
{
	enum ka_table table;
	MDB_val name;
	int rc;

	while ((rc = mdb_cursor_get(cursor, &name, NULL, MDB_NEXT)) == 0) {
		if ((table = find_table(f->kind, &name)) == KA_TABLES) {
			*unknown = name;
			return 0;
		}
		if (f->dbi[table] == KA_NO_TABLE || expected-- == 0)
			return MDB_CORRUPTED;
	}
	if (rc != MDB_NOTFOUND)
		return rc;
	return expected == 0 ? 0 : MDB_CORRUPTED;
}

static enum ka_result
verify_tables(struct ka_store_file *f, size_t expected, struct ka_error *err)
{
	MDB_val unknown = {.mv_size = 0};
	MDB_cursor *cursor = NULL;
	MDB_dbi all;
	int rc;

	if ((rc = mdb_dbi_open(f->txn, NULL, 0, &all)) == 0 && (rc = mdb_cursor_open(f->txn, all, &cursor)) == 0) {
		rc = verify_names(f, cursor, expected, &unknown);
		mdb_cursor_close(cursor);
	}
	if (rc != 0)
		return ka_store_file_failed(err, rc, f->path);
	if (unknown.mv_size == 0)
		return KA_OK;
	return ka_result_fail(err, KA_CONFLICT,
	    "%s has a table \"%.*s\", which this version does not know: use the newer keyacct that wrote it", f->path,
	    (int)(unknown.mv_size < 64 ? unknown.mv_size : 64), (const char *)unknown.mv_data);
}

enum ka_result
ka_store_file_verify(struct ka_store_file *f, uint64_t rows[static KA_TABLES], uint64_t *unread,
    void (*tell)(void *, uint64_t, uint64_t), void *arg, struct ka_error *err)
{
	struct verifying v = {.file = f, .tell = tell, .arg = arg};
	MDB_stat stat;
	size_t n = 0;
	int rc = 0;
	enum ka_result r;

	*unread = 0;
	memset(rows, 0, KA_TABLES * sizeof(rows[0]));
	for (unsigned t = 0; t < KA_TABLES; t++)
		if (f->dbi[t] != KA_NO_TABLE && mdb_stat(f->txn, f->dbi[t], &stat) == 0) {
			v.total += stat.ms_entries;
			n++;
		}
	for (unsigned t = 0; t < KA_TABLES && rc == 0; t++)
		if (f->dbi[t] != KA_NO_TABLE)
			rc = verify_table(&v, (enum ka_table)t, &rows[t]);
	if (rc != 0)
		return ka_store_file_failed(err, rc, f->path);
	if ((r = verify_tables(f, n, err)) != KA_OK || v.unread == 0)
		return r;
	*unread = v.unread;
	return ka_store_file_failed(err, MDB_CORRUPTED, f->path);
}

/* Putting out of the way */

enum ka_result
ka_store_file_aside(const char *path, char aside[static PATH_MAX], struct ka_error *err)
{
	struct stat st;

	for (int i = 1; i < 1000; i++) {
		int n = i == 1 ? snprintf(aside, PATH_MAX, "%s.damaged", path)
			       : snprintf(aside, PATH_MAX, "%s.damaged.%d", path, i);

		if (n < 0 || n >= PATH_MAX)
			break;
		if (lstat(aside, &st) != 0)
			return errno == ENOENT ? KA_OK : ka_store_file_failed(err, errno, aside);
	}
	return ka_result_fail(err, KA_UNAVAIL,
	    "there is no free name for the damaged %s: move away what is called %s.damaged", path, path);
}

enum ka_result
ka_store_file_replace(const char *from, const char *path, const char *aside, struct ka_error *err)
{
	char lock[PATH_MAX + 8], aside_lock[PATH_MAX + 8];

	/* LMDB's lock file goes with the file that it is about: who has that one open still uses it. */
	(void)snprintf(lock, sizeof(lock), "%s-lock", path);
	(void)snprintf(aside_lock, sizeof(aside_lock), "%s-lock", aside);
	if ((aside[0] != '\0' ? rename(lock, aside_lock) : unlink(lock)) != 0 && errno != ENOENT)
		return ka_store_file_failed(err, errno, lock);
	if (aside[0] != '\0' && rename(path, aside) != 0)
		return ka_store_file_failed(err, errno, path);
	if (rename(from, path) != 0)
		return ka_store_file_failed(err, errno, path);
	(void)snprintf(lock, sizeof(lock), "%s-lock", from);
	(void)unlink(lock);
	return KA_OK;
}
