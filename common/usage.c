#include "common/usage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/lock.h"
#include "common/sound.h"
#include "common/spool.h"
#include "common/store_file.h"
#include "common/time.h"

#define DRAINED_KEY "spool"
#define SPOOL_BASE  "usage.spool"

/* A pending spool, the one that was begun since, and one for those who log in meanwhile; a last round finds nothing,
 * and what it does find waits for the next drain. */
#define ROUNDS 4

struct ka_usage {
	struct ka_store_file file;
};

struct drain {
	int privatefd, lock;
	struct ka_store_file file; /* its transaction is the drain's: what it reads and what it writes are one step */
	uint64_t drained;
};

static enum ka_result
get_use(struct ka_store_file *f, enum ka_table table, const void *key, size_t keylen, struct ka_use *use)
{
	const uint8_t *payload;
	size_t len;
	enum ka_result r;

	memset(use, 0, sizeof(*use));
	if ((r = ka_store_file_value(f, table, key, keylen, &payload, &len)) == KA_NOTFOUND)
		return KA_OK;
	return r == KA_OK ? ka_record_get_use(payload, len, use) : r;
}

static enum ka_result
count_use(struct ka_store_file *u, enum ka_table table, const void *key, size_t keylen, const struct ka_spool_use *seen)
{
	uint8_t payload[KA_RECORD_MAX];
	struct ka_use use;
	size_t len;
	enum ka_result r;

	if ((r = get_use(u, table, key, keylen, &use)) != KA_OK)
		return r;
	use.count++;
	/* Processes append in no order: the latest stands, not the last written. One from a future that never came does
	 * not. */
	if (seen->at_s >= use.at_s || use.at_s > ka_time_now()) {
		use.at_s = seen->at_s;
		memcpy(use.project, seen->project, sizeof(use.project));
		memcpy(use.address, seen->address, sizeof(use.address));
	}
	if ((r = ka_record_put_use(&use, payload, &len)) != KA_OK)
		return r;
	return ka_store_file_put(u, table, key, keylen, payload, len);
}

static enum ka_result
apply_use(struct ka_store_file *u, const struct ka_spool_use *seen)
{
	uint8_t key[KA_KEY_KEY_LEN];
	enum ka_result r;

	ka_table_key_key(seen->sha256, seen->account, key);
	if ((r = count_use(u, KA_TABLE_KEY_USE, key, sizeof(key), seen)) != KA_OK)
		return r;
	/* One login through a key that several accounts registered is several records, but one use of the project. */
	if (!seen->first)
		return KA_OK;
	return count_use(u, KA_TABLE_PROJECT_USE, seen->project, KA_UUID_LEN, seen);
}

/* Apply every whole record of ${fd}; what is torn is stepped over to the next magic number. */
static enum ka_result
apply_spool(struct ka_store_file *u, int fd)
{
	uint8_t buf[64 * 1024];
	const int64_t now_s = ka_time_now();
	struct ka_spool_use use;
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
			/* A clock that was ahead once must not hide every use since. */
			if (use.at_s > now_s)
				use.at_s = now_s;
			if ((r = apply_use(u, &use)) != KA_OK)
				return r;
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
	enum ka_result r =
	    ka_store_file_value(&d->file, KA_TABLE_DRAINED, DRAINED_KEY, strlen(DRAINED_KEY), &payload, &len);

	d->drained = 0;
	if (r == KA_NOTFOUND)
		return KA_OK;
	if (r != KA_OK || len != 8)
		return KA_CORRUPT;
	d->drained = ka_table_from_be64(payload);
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
apply_next(struct drain *d, const char *next, struct ka_error *err)
{
	uint8_t number[8];
	int fd = openat(d->privatefd, next, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	enum ka_result r;

	if (fd < 0)
		return ka_result_fail(err, KA_UNAVAIL, "cannot open private/%s: %s", next, strerror(errno));
	if ((r = lock_spool(fd)) == KA_BUSY)
		(void)ka_result_fail(err, r, "a login that is stopped in mid-write holds back some of the last uses");
	if (r != KA_OK)
		goto out;
	ka_table_be64(d->drained + 1, number);
	if ((r = apply_spool(&d->file, fd)) != KA_OK || (r = ka_store_file_put(&d->file, KA_TABLE_DRAINED, DRAINED_KEY,
							     strlen(DRAINED_KEY), number, sizeof(number))) != KA_OK) {
		(void)ka_store_file_fail(&d->file, r, err);
		goto out;
	}
	if ((r = ka_store_file_commit(&d->file, err)) == KA_OK)
		(void)unlinkat(d->privatefd, next, 0);
out:
	(void)close(fd);
	return r;
}

/* One spool, in one write transaction. KA_NOTFOUND: there was none. */
static enum ka_result
drain_one(struct drain *d, struct ka_error *err)
{
	char next[64];
	enum ka_result r;

	if ((r = ka_store_file_begin(&d->file, err)) != KA_OK)
		return r;
	if ((r = read_drained(d)) != KA_OK)
		return ka_result_fail(err, r, "%s is damaged: restore it from a backup", d->file.path);
	numbered(d->drained + 1, next);
	if ((r = remove_drained(d)) == KA_OK)
		r = set_aside(d, next);
	if (r == KA_UNAVAIL)
		(void)ka_result_fail(err, r, "cannot set private/" SPOOL_BASE " aside: %s", strerror(errno));
	return r == KA_OK ? apply_next(d, next, err) : r;
}

static enum ka_result
usage_path(const char *dir, char path[static PATH_MAX], struct ka_error *err)
{
	return ka_store_file_path(dir, ka_table_file_name(KA_FILE_USAGE), path, err);
}

enum ka_result
ka_usage_create(const char *dir, struct ka_error *err)
{
	char path[PATH_MAX];
	enum ka_result r = usage_path(dir, path, err);

	return r == KA_OK ? ka_store_file_create(path, KA_FILE_USAGE, 0, NULL, NULL, err) : r;
}

/* A damaged file is kept; what was counted in it is lost. */
static enum ka_result
replace_damaged(const char *dir, const char *path, struct ka_error *err)
{
	char aside[PATH_MAX], fresh[PATH_MAX];
	struct ka_sound sound;
	enum ka_result r;

	if (ka_sound_check(dir, KA_FILE_USAGE, NULL, &sound) != KA_CORRUPT)
		return KA_OK;
	if ((r = ka_store_file_path(dir, "private/usage.mdb.restored", fresh, err)) != KA_OK ||
	    (r = ka_store_file_aside(path, aside, err)) != KA_OK ||
	    (r = ka_store_file_create(fresh, KA_FILE_USAGE, 0, NULL, NULL, err)) != KA_OK)
		return r;
	return ka_store_file_replace(fresh, path, aside, err);
}

static enum ka_result
drain_open(const char *dir, bool is_mended, struct drain *d, struct ka_error *err)
{
	char private[PATH_MAX], lock[PATH_MAX], path[PATH_MAX], access_path[PATH_MAX];
	enum ka_result r;

	if ((r = ka_store_file_path(dir, "private", private, err)) != KA_OK ||
	    (r = ka_store_file_path(dir, KA_SPOOL_LOCK, lock, err)) != KA_OK ||
	    (r = usage_path(dir, path, err)) != KA_OK)
		return r;
	if ((r = ka_store_file_path(dir, ka_table_file_name(KA_FILE_ACCESS), access_path, err)) != KA_OK)
		return r;
	if ((d->privatefd = open(private, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 && errno != ENOENT)
		return ka_result_fail(
		    err, KA_UNAVAIL, "cannot open %s: %s; run this as root", private, strerror(errno));
	if (d->privatefd < 0 || access(access_path, F_OK) != 0)
		return ka_result_fail(err, KA_UNAVAIL,
		    "there is no database: %s is missing; make one with 'keyacct init', or restore it if there was one",
		    access_path);
	if ((r = ka_lock_take(lock, KA_USAGE_WAIT_S * 1000, "last use is being brought up to date", &d->lock, err)) !=
	    KA_OK)
		return r;
	/* It holds no more than last uses: a lost one begins anew. */
	if (access(path, F_OK) != 0 && errno == ENOENT && (r = ka_usage_create(dir, err)) != KA_OK)
		return r;
	if (is_mended && (r = replace_damaged(dir, path, err)) != KA_OK)
		return r;
	return ka_store_file_open(path, KA_FILE_USAGE, true, &d->file, err);
}

static void
drain_close(struct drain *d)
{
	ka_store_file_close(&d->file);
	if (d->lock >= 0)
		(void)close(d->lock);
	if (d->privatefd >= 0)
		(void)close(d->privatefd);
}

enum ka_result
ka_usage_drain(const char *dir, struct ka_error *err)
{
	struct drain d = {.privatefd = -1, .lock = -1};
	enum ka_result r = drain_open(dir, false, &d, err);

	for (int i = 0; i < ROUNDS && r == KA_OK; i++)
		r = drain_one(&d, err);
	drain_close(&d);
	return r == KA_NOTFOUND ? KA_OK : r;
}

/* Merging */

static enum ka_result
merge_use(struct ka_store_file *to, enum ka_table table, const struct ka_row *row)
{
	uint8_t payload[KA_RECORD_MAX];
	struct ka_use mine, use;
	size_t len;
	enum ka_result r;

	if ((r = ka_record_get_use(row->payload, row->len, &use)) != KA_OK ||
	    (r = get_use(to, table, row->key, row->keylen, &mine)) != KA_OK)
		return r;
	if (mine.count >= use.count)
		return KA_OK;
	/* The later use stands, whatever was counted since. */
	if (mine.at_s > use.at_s) {
		mine.count = use.count;
		use = mine;
	}
	if ((r = ka_record_put_use(&use, payload, &len)) != KA_OK)
		return r;
	return ka_store_file_put(to, table, row->key, row->keylen, payload, len);
}

static enum ka_result
merge_file(struct ka_store_file *to, const char *path, struct ka_error *err)
{
	static const enum ka_table tables[] = {KA_TABLE_KEY_USE, KA_TABLE_PROJECT_USE};
	struct ka_store_file from;
	enum ka_result r;

	if ((r = ka_store_file_open(path, KA_FILE_USAGE, false, &from, err)) != KA_OK)
		return r;
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]) && r == KA_OK; i++) {
		struct ka_row row = {.keylen = 0};

		while ((r = ka_store_file_next(&from, tables[i], "", 0, &row)) == KA_OK)
			if ((r = merge_use(to, tables[i], &row)) != KA_OK)
				break;
		if (r == KA_NOTFOUND)
			r = KA_OK;
	}
	ka_store_file_close(&from);
	return r == KA_OK ? ka_store_file_commit(to, err) : ka_store_file_fail(to, r, err);
}

enum ka_result
ka_usage_merge(const char *dir, const char *from, struct ka_error *err)
{
	struct drain d = {.privatefd = -1, .lock = -1};
	char path[PATH_MAX];
	struct ka_sound sound;
	enum ka_result r;

	if ((r = ka_sound_check(from, KA_FILE_USAGE, NULL, &sound)) != KA_OK)
		return ka_result_fail(err, r, "%s", sound.err.text);
	if ((r = usage_path(from, path, err)) == KA_OK && (r = drain_open(dir, true, &d, err)) == KA_OK)
		r = merge_file(&d.file, path, err);
	drain_close(&d);
	return r;
}

enum ka_result
ka_usage_mend(const char *dir, struct ka_error *err)
{
	struct drain d = {.privatefd = -1, .lock = -1};
	enum ka_result r = drain_open(dir, true, &d, err);

	drain_close(&d);
	return r;
}

enum ka_result
ka_usage_open(const char *dir, struct ka_usage **usage, struct ka_error *err)
{
	char path[PATH_MAX];
	struct ka_usage *u;
	enum ka_result r;

	*usage = NULL;
	if ((r = usage_path(dir, path, err)) != KA_OK)
		return r;
	if ((u = calloc(1, sizeof(*u))) == NULL)
		return ka_result_fail(err, KA_UNAVAIL, "out of memory");
	if ((r = ka_store_file_open(path, KA_FILE_USAGE, false, &u->file, err)) == KA_OK)
		*usage = u;
	else
		free(u);
	return r;
}

void
ka_usage_close(struct ka_usage *u)
{
	if (u == NULL)
		return;
	ka_store_file_close(&u->file);
	free(u);
}

enum ka_result
ka_usage_of_key(struct ka_usage *u, const uint8_t sha256[static KA_SHA256_LEN],
    const uint8_t account[static KA_UUID_LEN], struct ka_use *use)
{
	uint8_t key[KA_KEY_KEY_LEN];

	ka_table_key_key(sha256, account, key);
	return get_use(&u->file, KA_TABLE_KEY_USE, key, sizeof(key), use);
}

enum ka_result
ka_usage_of_project(struct ka_usage *u, const uint8_t project[static KA_UUID_LEN], struct ka_use *use)
{
	return get_use(&u->file, KA_TABLE_PROJECT_USE, project, KA_UUID_LEN, use);
}
