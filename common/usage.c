#include "common/usage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/spool.h"
#include "common/store.h"

#define DRAINED_KEY "spool"
#define SPOOL_BASE  "usage.spool"

/* After a pending spool there is at most the one that was begun since; one more round shows that nothing is left. */
#define ROUNDS 4

static const enum ka_table tables[] = {KA_TABLE_KEY_USE, KA_TABLE_PROJECT_USE, KA_TABLE_DRAINED};

struct ka_usage {
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi[KA_TABLES];
};

struct drain {
	const char *dir;
	char private[PATH_MAX];
	int privatefd, lock;
	struct ka_usage db; /* its transaction is the drain's: what it reads and what it writes are one step */
	uint64_t drained;
};

static enum ka_result
usage_failed(enum ka_result r, struct ka_error *err)
{
	if (r == KA_CORRUPT)
		return ka_result_fail(err, r, "private/usage.mdb is damaged: restore it from a backup");
	if (r == KA_UNAVAIL)
		return ka_result_fail(err, r, "private/usage.mdb could not be read or written: %s", strerror(errno));
	return r;
}

static enum ka_result
get(struct ka_usage *u, enum ka_table table, const void *key, size_t keylen, const uint8_t **payload, size_t *len)
{
	uint8_t bytes[KA_KEY_MAX];
	MDB_val k = {.mv_size = keylen, .mv_data = bytes}, v;
	int rc;

	memcpy(bytes, key, keylen);
	if ((rc = mdb_get(u->txn, u->dbi[table], &k, &v)) != 0)
		return rc == MDB_NOTFOUND ? KA_NOTFOUND : KA_CORRUPT;
	return ka_record_unseal(table, key, keylen, v.mv_data, v.mv_size, payload, len);
}

static enum ka_result
put(struct ka_usage *u, enum ka_table table, const void *key, size_t keylen, const void *payload, size_t len)
{
	uint8_t bytes[KA_KEY_MAX], value[KA_RECORD_MAX];
	MDB_val k = {.mv_size = keylen, .mv_data = bytes}, v = {.mv_data = value};
	int rc;

	memcpy(bytes, key, keylen);
	if (ka_record_seal(table, key, keylen, payload, len, value, sizeof(value), &v.mv_size) != KA_OK)
		return KA_INVALID;
	if ((rc = mdb_put(u->txn, u->dbi[table], &k, &v, 0)) == 0)
		return KA_OK;
	errno = rc > 0 ? rc : EIO;
	return KA_UNAVAIL;
}

static enum ka_result
get_use(struct ka_usage *u, enum ka_table table, const void *key, size_t keylen, struct ka_use *use)
{
	const uint8_t *payload;
	size_t len;
	enum ka_result r;

	memset(use, 0, sizeof(*use));
	if ((r = get(u, table, key, keylen, &payload, &len)) == KA_NOTFOUND)
		return KA_OK;
	return r == KA_OK ? ka_record_get_use(payload, len, use) : r;
}

static enum ka_result
count_use(struct ka_usage *u, enum ka_table table, const void *key, size_t keylen, const struct ka_spool_use *seen)
{
	uint8_t payload[KA_RECORD_MAX];
	struct ka_use use;
	size_t len;
	enum ka_result r;

	if ((r = get_use(u, table, key, keylen, &use)) != KA_OK)
		return r;
	use.count++;
	/* Processes append in no order: the latest stands, not the last written. */
	if (seen->at_s >= use.at_s) {
		use.at_s = seen->at_s;
		memcpy(use.project, seen->project, sizeof(use.project));
		memcpy(use.address, seen->address, sizeof(use.address));
	}
	if ((r = ka_record_put_use(&use, payload, &len)) != KA_OK)
		return r;
	return put(u, table, key, keylen, payload, len);
}

static enum ka_result
apply_use(struct ka_usage *u, const struct ka_spool_use *seen, const struct ka_spool_use *before)
{
	uint8_t key[KA_SHA256_LEN + KA_UUID_LEN];
	enum ka_result r;

	memcpy(key, seen->sha256, KA_SHA256_LEN);
	memcpy(key + KA_SHA256_LEN, seen->account, KA_UUID_LEN);
	if ((r = count_use(u, KA_TABLE_KEY_USE, key, sizeof(key), seen)) != KA_OK)
		return r;
	/* One login through a key that several accounts registered is several records in a row, but one use of the project. */
	if (before->at_s == seen->at_s && memcmp(before->project, seen->project, KA_UUID_LEN) == 0 &&
	    memcmp(before->sha256, seen->sha256, KA_SHA256_LEN) == 0 &&
	    memcmp(before->account, seen->account, KA_UUID_LEN) != 0)
		return KA_OK;
	return count_use(u, KA_TABLE_PROJECT_USE, seen->project, KA_UUID_LEN, seen);
}

/* Apply every whole record of ${fd}; what is torn is stepped over to the next magic number. */
static enum ka_result
apply_spool(struct ka_usage *u, int fd)
{
	uint8_t buf[64 * 1024];
	struct ka_spool_use use, before = {.at_s = 0};
	size_t have = 0;
	enum ka_result r;

	for (;;) {
		ssize_t n = read(fd, buf + have, sizeof(buf) - have);
		size_t at = 0;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return KA_UNAVAIL;
		have += (size_t)n;
		while (have - at >= KA_SPOOL_RECORD_LEN) {
			if (ka_spool_decode(buf + at, &use) != KA_OK) {
				at++;
				continue;
			}
			if ((r = apply_use(u, &use, &before)) != KA_OK)
				return r;
			before = use;
			at += KA_SPOOL_RECORD_LEN;
		}
		if (n == 0)
			return KA_OK;
		have -= at;
		memmove(buf, buf + at, have);
	}
}

static bool
pause_briefly(int *tries)
{
	const struct timespec pause = {.tv_nsec = 5L * 1000 * 1000};

	if ((*tries)++ >= KA_USAGE_WAIT_S * 200)
		return false;
	(void)nanosleep(&pause, NULL);
	return true;
}

static enum ka_result
take_lock(struct drain *d, struct ka_error *err)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int tries = 0;

	d->lock = openat(d->privatefd, "usage.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (d->lock < 0)
		return ka_result_fail(err, KA_UNAVAIL, "cannot open %s/usage.lock: %s", d->private, strerror(errno));
	while (fcntl(d->lock, F_SETLK, &l) != 0)
		if (!pause_briefly(&tries))
			return ka_result_fail(err, KA_BUSY,
			    "last use is being brought up to date by another process, which holds %s/usage.lock", d->private);
	return KA_OK;
}

static void
numbered(uint64_t n, char name[static 64])
{
	(void)snprintf(name, 64, SPOOL_BASE ".%llu", (unsigned long long)n);
}

/* A drain that was killed after its commit left the file behind: all that is in it has been counted. */
static enum ka_result
remove_drained(struct drain *d)
{
	struct dirent *e;
	DIR *dir;
	int fd;

	if ((fd = openat(d->privatefd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return KA_UNAVAIL;
	if ((dir = fdopendir(fd)) == NULL) {
		(void)close(fd);
		return KA_UNAVAIL;
	}
	while ((e = readdir(dir)) != NULL) {
		unsigned long long n;
		int end = 0;

		if (sscanf(e->d_name, SPOOL_BASE ".%llu%n", &n, &end) == 1 && e->d_name[end] == '\0' && n <= d->drained)
			(void)unlinkat(d->privatefd, e->d_name, 0);
	}
	(void)closedir(dir);
	return KA_OK;
}

static enum ka_result
read_drained(struct drain *d)
{
	const uint8_t *payload;
	size_t len;
	enum ka_result r = get(&d->db, KA_TABLE_DRAINED, DRAINED_KEY, strlen(DRAINED_KEY), &payload, &len);

	d->drained = 0;
	if (r == KA_NOTFOUND)
		return KA_OK;
	if (r != KA_OK || len != 8)
		return KA_CORRUPT;
	d->drained = ka_record_from_be64(payload);
	return KA_OK;
}

/* Make the current spool the next one to drain, unless a killed drain left one. KA_NOTFOUND: nothing to drain. */
static enum ka_result
set_aside(struct drain *d, const char *next)
{
	struct stat st;

	if (fstatat(d->privatefd, next, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return KA_OK;
	if (errno != ENOENT)
		return KA_UNAVAIL;
	if (fstatat(d->privatefd, SPOOL_BASE, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? KA_NOTFOUND : KA_UNAVAIL;
	if (st.st_size == 0)
		return KA_NOTFOUND;
	/* On disk before it is counted: otherwise a power cut could bring the old name back, to be counted again. */
	if (renameat(d->privatefd, SPOOL_BASE, d->privatefd, next) != 0 || fsync(d->privatefd) != 0)
		return KA_UNAVAIL;
	return KA_OK;
}

/* Wait for the logins that are in the middle of an append to the file that was set aside; new ones use a new file. */
static enum ka_result
lock_spool(int fd)
{
	int tries = 0;

	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return KA_UNAVAIL;
		if (!pause_briefly(&tries))
			return KA_BUSY;
	}
	return KA_OK;
}

static enum ka_result
apply_next(struct drain *d, const char *next)
{
	uint8_t number[8];
	int fd = openat(d->privatefd, next, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	enum ka_result r;
	int rc;

	if (fd < 0)
		return KA_UNAVAIL;
	if ((r = lock_spool(fd)) != KA_OK || (r = apply_spool(&d->db, fd)) != KA_OK)
		goto out;
	ka_record_be64(d->drained + 1, number);
	if ((r = put(&d->db, KA_TABLE_DRAINED, DRAINED_KEY, strlen(DRAINED_KEY), number, sizeof(number))) != KA_OK)
		goto out;
	rc = mdb_txn_commit(d->db.txn);
	d->db.txn = NULL;
	if (rc != 0) {
		errno = rc > 0 ? rc : EIO;
		r = KA_UNAVAIL;
		goto out;
	}
	(void)unlinkat(d->privatefd, next, 0);
out:
	(void)close(fd);
	return r;
}

/* One spool, in one write transaction. KA_NOTFOUND: there was none. */
static enum ka_result
drain_one(struct drain *d)
{
	char next[64];
	enum ka_result r;
	int rc;

	if (d->db.txn == NULL && (rc = mdb_txn_begin(d->db.env, NULL, 0, &d->db.txn)) != 0) {
		errno = rc > 0 ? rc : EIO;
		return KA_UNAVAIL;
	}
	if ((r = read_drained(d)) != KA_OK || (r = remove_drained(d)) != KA_OK)
		return r;
	numbered(d->drained + 1, next);
	if ((r = set_aside(d, next)) != KA_OK)
		return r;
	return apply_next(d, next);
}

enum ka_result
ka_usage_drain(const char *dir, struct ka_error *err)
{
	struct drain d = {.dir = dir, .privatefd = -1, .lock = -1};
	char path[PATH_MAX];
	enum ka_result r = KA_UNAVAIL;

	if (snprintf(d.private, sizeof(d.private), "%s/private", dir) >= PATH_MAX ||
	    snprintf(path, sizeof(path), "%s/private/usage.mdb", dir) >= PATH_MAX)
		return ka_result_fail(err, KA_INVALID, "the directory name is too long: %s", dir);
	if ((d.privatefd = open(d.private, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return ka_result_fail(err, KA_UNAVAIL,
		    errno == ENOENT ? "there is no database in %s; make one with 'keyacct init'"
				    : "cannot open the database in %s; run this as root",
		    dir);
	if ((r = take_lock(&d, err)) != KA_OK)
		goto out;
	if ((r = ka_store_open_env(path, true, tables, sizeof(tables) / sizeof(tables[0]), &d.db.env, &d.db.txn, d.db.dbi,
		 err)) != KA_OK)
		goto out;
	for (int i = 0; i < ROUNDS && r == KA_OK; i++)
		r = drain_one(&d);
	r = r == KA_NOTFOUND ? KA_OK : usage_failed(r, err);
	if (r == KA_BUSY)
		(void)ka_result_fail(err, r, "a login that is stopped in mid-write holds back some of the last uses");
out:
	if (d.db.txn != NULL)
		mdb_txn_abort(d.db.txn);
	if (d.db.env != NULL)
		mdb_env_close(d.db.env);
	if (d.lock >= 0)
		(void)close(d.lock);
	(void)close(d.privatefd);
	return r;
}

enum ka_result
ka_usage_open(const char *dir, struct ka_usage **usage, struct ka_error *err)
{
	char path[PATH_MAX];
	struct ka_usage *u;
	enum ka_result r;

	*usage = NULL;
	if (snprintf(path, sizeof(path), "%s/private/usage.mdb", dir) >= PATH_MAX)
		return ka_result_fail(err, KA_INVALID, "the directory name is too long: %s", dir);
	if ((u = calloc(1, sizeof(*u))) == NULL)
		return ka_result_fail(err, KA_UNAVAIL, "out of memory");
	r = ka_store_open_env(path, false, tables, sizeof(tables) / sizeof(tables[0]), &u->env, &u->txn, u->dbi, err);
	if (r != KA_OK) {
		free(u);
		return r;
	}
	*usage = u;
	return KA_OK;
}

void
ka_usage_close(struct ka_usage *u)
{
	if (u == NULL)
		return;
	mdb_txn_abort(u->txn);
	mdb_env_close(u->env);
	free(u);
}

enum ka_result
ka_usage_of_key(struct ka_usage *u, const uint8_t sha256[static KA_SHA256_LEN],
    const uint8_t account[static KA_UUID_LEN], struct ka_use *use)
{
	uint8_t key[KA_SHA256_LEN + KA_UUID_LEN];

	memcpy(key, sha256, KA_SHA256_LEN);
	memcpy(key + KA_SHA256_LEN, account, KA_UUID_LEN);
	return get_use(u, KA_TABLE_KEY_USE, key, sizeof(key), use);
}

enum ka_result
ka_usage_of_project(struct ka_usage *u, const uint8_t project[static KA_UUID_LEN], struct ka_use *use)
{
	return get_use(u, KA_TABLE_PROJECT_USE, project, KA_UUID_LEN, use);
}
