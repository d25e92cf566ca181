#include "common/backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/lock.h"
#include "common/sound.h"
#include "common/spool.h"
#include "common/store.h"
#include "common/store_file.h"
#include "common/store_inside.h"
#include "common/usage.h"

/* A writer that is in the middle of something is done by then; one that goes on for long is not waited for. */
#define LOCK_WAIT_MS 1000

#define PARTIAL ".partial"

/* The directory in the making. */
struct target {
	char path[PATH_MAX];    /* what it is to be called */
	char partial[PATH_MAX]; /* what it is called until it is whole */
	int fd;                 /* locked: of two backups to one place the second is refused */
};

/* One file under way. */
struct copying {
	const struct ka_watch *watch;
	const char *what;
	int lock; /* keeps writers off until it is fixed what will be in the copy; -1: nothing does */
	uint64_t total;
};

/* The target */

static enum ka_result
check_empty(const char *path, struct ka_error *err)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	bool empty = true;

	if (dir == NULL && errno == ENOENT)
		return KA_OK;
	if (dir == NULL)
		return ka_result_fail(err, KA_CONFLICT, "%s cannot be written as a directory: %s; choose another name",
		    path, strerror(errno));
	while (empty && (e = readdir(dir)) != NULL)
		empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
	(void)closedir(dir);
	return empty ? KA_OK
		     : ka_result_fail(
			   err, KA_CONFLICT, "%s is there and not empty: name a directory that is to be made", path);
}

/* A path whose last component is a name: "x/" and "." have none. */
static enum ka_result
resolve(const char *to, char path[static PATH_MAX], struct ka_error *err)
{
	size_t len = strlen(to);
	struct stat here, above;
	char parent[PATH_MAX];

	if (realpath(to, path) == NULL) {
		while (len > 1 && to[len - 1] == '/')
			len--;
		if (len == 0 || len + sizeof(PARTIAL) > PATH_MAX)
			return ka_result_fail(err, KA_INVALID, "\"%s\" is no name for a directory", to);
		(void)snprintf(path, PATH_MAX, "%.*s", (int)len, to);
		return KA_OK;
	}
	if (strlen(path) + sizeof(PARTIAL) > PATH_MAX || strcmp(path, "/") == 0)
		return ka_result_fail(err, KA_INVALID, "\"%s\" cannot become a backup: name a directory below it", to);
	(void)snprintf(parent, sizeof(parent), "%s", path);
	*strrchr(parent, '/') = '\0';
	/* It is renamed into its place, and nothing can be renamed onto a mount point. */
	if (stat(path, &here) == 0 && stat(parent[0] != '\0' ? parent : "/", &above) == 0 &&
	    here.st_dev != above.st_dev)
		return ka_result_fail(
		    err, KA_INVALID, "\"%s\" is a mount point: name a directory below it, which is to be made", to);
	return KA_OK;
}

/* What backups make, and nothing else: what is left of one that was killed, or failed. */
static void
empty_partial(const struct target *t)
{
	static const char *const ours[] = {"names.mdb", "names.mdb-lock", "names.mdb.new", "private/access.mdb",
	    "private/access.mdb-lock", "private/usage.mdb", "private/usage.mdb-lock", "private/usage.mdb.new",
	    KA_STORE_LOCK};

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		(void)unlinkat(t->fd, ours[i], 0);
	(void)unlinkat(t->fd, "private", AT_REMOVEDIR);
}

static void
remove_target(struct target *t)
{
	if (t->fd < 0)
		return;
	empty_partial(t);
	(void)rmdir(t->partial);
}

static enum ka_result
in_the_way(const struct target *t, const char *why, struct ka_error *err)
{
	return ka_result_fail(
	    err, KA_CONFLICT, "%s is in the way (%s): remove it, or choose another name", t->partial, why);
}

/* The directory itself, ours alone and empty. */
static enum ka_result
make_partial(struct target *t, struct ka_error *err)
{
	struct stat mine, there;

	if (mkdir(t->partial, 0700) != 0 && errno != EEXIST)
		return ka_result_fail(err, KA_UNAVAIL, "cannot make the directory %s: %s", t->partial, strerror(errno));
	if ((t->fd = open(t->partial, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
		return in_the_way(t, strerror(errno), err);
	if (flock(t->fd, LOCK_EX | LOCK_NB) != 0 || fstat(t->fd, &mine) != 0 || lstat(t->partial, &there) != 0 ||
	    mine.st_ino != there.st_ino || mine.st_dev != there.st_dev) {
		(void)close(t->fd);
		t->fd = -1;
		return ka_result_fail(err, KA_BUSY, "another backup writes %s: wait for it, or end it", t->partial);
	}
	if (mine.st_uid != geteuid() || (mine.st_mode & 077) != 0) {
		(void)close(t->fd);
		t->fd = -1;
		return in_the_way(t, "and is somebody else's", err);
	}
	empty_partial(t);
	return check_empty(t->partial, NULL) == KA_OK ? KA_OK : in_the_way(t, "and holds other files", err);
}

static enum ka_result
check_database(const char *dir, struct ka_error *err)
{
	char path[PATH_MAX];
	struct stat st;
	enum ka_result r;

	if ((r = ka_store_file_path(dir, ka_table_file_name(KA_FILE_ACCESS), path, err)) != KA_OK)
		return r;
	if (stat(path, &st) == 0 || errno != ENOENT)
		return KA_OK;
	return ka_result_fail(err, KA_UNAVAIL,
	    "there is no database: %s is missing; make one with 'keyacct init', or restore it if there was one", path);
}

/* As in ${dir}, so that the copy can also be put in its place. */
static enum ka_result
make_private(const char *dir, const struct target *t, struct ka_error *err)
{
	char from[PATH_MAX], to[PATH_MAX];
	struct stat st;
	enum ka_result r;

	if ((r = ka_store_file_path(dir, "private", from, err)) != KA_OK ||
	    (r = ka_store_file_path(t->partial, "private", to, err)) != KA_OK)
		return r;
	if (stat(from, &st) != 0)
		return ka_result_fail(err, KA_UNAVAIL, "cannot look at %s: %s", from, strerror(errno));
	if (mkdir(to, 0700) != 0 || chown(to, (uid_t)-1, st.st_gid) != 0 || chmod(to, st.st_mode & 0777) != 0)
		return ka_result_fail(err, KA_UNAVAIL, "cannot make the directory %s: %s", to, strerror(errno));
	return KA_OK;
}

/* Copying */

static void
tell(void *arg, uint64_t bytes, bool is_fixed)
{
	struct copying *c = arg;

	if (is_fixed && c->lock >= 0) {
		(void)close(c->lock);
		c->lock = -1;
	}
	ka_watch_tell(c->watch, c->what, "bytes", bytes, c->total);
}

/*
 * LMDB's plain copy waits without end for a writer that is stopped in the middle of a transaction. So there must be
 * none: whoever writes holds our lock, which is taken with a timeout. A compact copy waits for nobody, and is the way
 * out when a writer goes on for long; but a damaged page would end this process, so there must be none of those.
 */
static enum ka_result
choose_way(const char *dir, enum ka_file file, bool *compact, struct copying *c, struct ka_error *err)
{
	char lock[PATH_MAX];
	struct ka_sound sound;
	enum ka_result r;

	if ((r = ka_store_file_path(dir, file == KA_FILE_USAGE ? KA_SPOOL_LOCK : KA_STORE_LOCK, lock, err)) != KA_OK)
		return r;
	if (!*compact) {
		if ((r = ka_lock_take(lock, LOCK_WAIT_MS, "another keyacct is writing", &c->lock, err)) != KA_BUSY)
			return r;
		*compact = true;
	}
	if ((r = ka_sound_check(dir, file, c->watch, &sound)) == KA_OK || r == KA_CONFLICT)
		return KA_OK;
	*err = sound.err;
	return r == KA_NOTFOUND ? KA_UNAVAIL : r;
}

static enum ka_result
copy_file(const char *dir, const struct target *t, enum ka_file file, bool compact, const struct ka_watch *watch,
    struct ka_error *err)
{
	char from[PATH_MAX], to[PATH_MAX], what[64];
	struct copying c = {.watch = watch, .what = what, .lock = -1};
	struct stat st;
	enum ka_result r;

	if ((r = ka_store_file_path(dir, ka_table_file_name(file), from, err)) != KA_OK ||
	    (r = ka_store_file_path(t->partial, ka_table_file_name(file), to, err)) != KA_OK ||
	    (r = choose_way(dir, file, &compact, &c, err)) != KA_OK)
		return r;
	c.total = stat(from, &st) == 0 ? (uint64_t)st.st_size : 0;
	(void)snprintf(what, sizeof(what), "copying %s", ka_table_file_name(file));
	ka_watch_tell(watch, what, "bytes", 0, c.total);
	r = ka_store_file_copy(from, to, compact, tell, &c, err);
	if (c.lock >= 0)
		(void)close(c.lock);
	return r;
}

static enum ka_result
copy_uses(const char *dir, const struct target *t, bool compact, const struct ka_watch *watch, struct ka_backup *backup,
    struct ka_error *err)
{
	struct ka_sound sound;
	enum ka_result r;

	if ((r = ka_sound_check(dir, KA_FILE_USAGE, watch, &sound)) != KA_OK && r != KA_NOTFOUND) {
		*err = sound.err;
		return r;
	}
	if (ka_usage_drain(dir, &backup->drain) == KA_OK)
		backup->drain.text[0] = '\0';
	if ((r = copy_file(dir, t, KA_FILE_USAGE, compact, watch, err)) != KA_OK)
		return r;
	if ((r = ka_sound_check(t->partial, KA_FILE_USAGE, watch, &sound)) != KA_OK)
		*err = sound.err;
	return r;
}

/* Nothing depends on last uses: a database without them is backed up too. */
static enum ka_result
copy_usage(const char *dir, const struct target *t, bool compact, const struct ka_watch *watch,
    struct ka_backup *backup, struct ka_error *err)
{
	char path[PATH_MAX];
	struct ka_error why = {""};
	enum ka_result r;

	if (copy_uses(dir, t, compact, watch, backup, &why) == KA_OK)
		return KA_OK;
	backup->usage = why;
	if ((r = ka_store_file_path(t->partial, ka_table_file_name(KA_FILE_USAGE), path, err)) != KA_OK)
		return r;
	(void)unlink(path);
	return ka_usage_create(t->partial, err);
}

/* names.mdb is copied first, so access.mdb can only be newer: whoever opens them for writing closes that gap. */
static enum ka_result
close_gap(const struct target *t, struct ka_error *err)
{
	struct ka_store *store;
	enum ka_result r = ka_store_open(t->partial, true, &store, err);

	if (r == KA_OK)
		ka_store_close(store);
	return r;
}

static enum ka_result
copy_all(const char *dir, const struct target *t, bool compact, const struct ka_watch *watch, struct ka_backup *backup,
    struct ka_error *err)
{
	enum ka_result r;

	if ((r = copy_file(dir, t, KA_FILE_NAMES, compact, watch, err)) != KA_OK ||
	    (r = copy_file(dir, t, KA_FILE_ACCESS, compact, watch, err)) != KA_OK ||
	    (r = copy_usage(dir, t, compact, watch, backup, err)) != KA_OK)
		return r;
	return close_gap(t, err);
}

/* Finishing */

/* A copy that cannot be read is none: that has to be said now, and not when it is needed. */
static enum ka_result
verify(const struct target *t, enum ka_file file, const struct ka_watch *watch, struct ka_sound *sound,
    struct ka_error *err)
{
	enum ka_result r = ka_sound_check(t->partial, file, watch, sound);

	if (r == KA_OK)
		return r;
	return ka_result_fail(err, r == KA_UNAVAIL ? r : KA_CORRUPT,
	    "the copy cannot be read back, so the database itself may be damaged: %.300s", sound->err.text);
}

static enum ka_result
measure(const struct target *t, const struct ka_watch *watch, struct ka_backup *backup, struct ka_error *err)
{
	struct ka_sound access, names;
	struct stat st;
	enum ka_result r;

	if ((r = verify(t, KA_FILE_ACCESS, watch, &access, err)) != KA_OK ||
	    (r = verify(t, KA_FILE_NAMES, watch, &names, err)) != KA_OK)
		return r;
	memcpy(backup->rows, access.rows, sizeof(backup->rows));
	backup->changes = access.meta.changes;
	for (int file = 0; file < KA_FILES; file++)
		if (fstatat(t->fd, ka_table_file_name((enum ka_file)file), &st, 0) == 0)
			backup->bytes += (uint64_t)st.st_size;
	return KA_OK;
}

/* Only the three files; durable; and then its name. */
static enum ka_result
finish(const struct target *t, struct ka_error *err)
{
	static const char *const locks[] = {
	    "names.mdb-lock", "private/access.mdb-lock", "private/usage.mdb-lock", KA_STORE_LOCK};
	char private[PATH_MAX], parent[PATH_MAX];
	enum ka_result r;

	for (size_t i = 0; i < sizeof(locks) / sizeof(locks[0]); i++)
		(void)unlinkat(t->fd, locks[i], 0);
	if ((r = ka_store_file_path(t->partial, "private", private, err)) != KA_OK ||
	    (r = ka_store_file_sync_directory(private, err)) != KA_OK ||
	    (r = ka_store_file_sync_directory(t->partial, err)) != KA_OK)
		return r;
	if (rename(t->partial, t->path) != 0)
		return ka_result_fail(
		    err, KA_UNAVAIL, "cannot rename %s to %s: %s", t->partial, t->path, strerror(errno));
	(void)snprintf(parent, sizeof(parent), "%s", t->path);
	if (strrchr(parent, '/') == NULL)
		return ka_store_file_sync_directory(".", err);
	strrchr(parent, '/')[strrchr(parent, '/') == parent ? 1 : 0] = '\0';
	return ka_store_file_sync_directory(parent, err);
}

enum ka_result
ka_backup_write(const char *dir, const char *to, bool compact, const struct ka_watch *watch, struct ka_backup *backup,
    struct ka_error *err)
{
	struct target t = {.fd = -1};
	enum ka_result r;

	memset(backup, 0, sizeof(*backup));
	if ((r = check_database(dir, err)) != KA_OK || (r = resolve(to, t.path, err)) != KA_OK ||
	    (r = check_empty(t.path, err)) != KA_OK)
		return r;
	(void)snprintf(
	    t.partial, sizeof(t.partial), "%.*s" PARTIAL, (int)(sizeof(t.partial) - sizeof(PARTIAL)), t.path);
	if ((r = make_partial(&t, err)) == KA_OK && (r = make_private(dir, &t, err)) == KA_OK &&
	    (r = copy_all(dir, &t, compact, watch, backup, err)) == KA_OK &&
	    (r = measure(&t, watch, backup, err)) == KA_OK)
		r = finish(&t, err);
	if (r != KA_OK)
		remove_target(&t);
	if (t.fd >= 0)
		(void)close(t.fd);
	return r;
}
