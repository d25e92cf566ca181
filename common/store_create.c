#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/lock.h"
#include "common/store.h"
#include "common/store_file.h"
#include "common/store_inside.h"
#include "common/usage.h"

enum ka_result
ka_store_fill_empty(struct ka_store_file *f, void *arg)
{
	const struct ka_meta meta = {.changes = 0, .uid_next = KA_UID_FIRST};

	(void)arg;
	return ka_store_write_meta(f, &meta);
}

/* Its mode is what protects the files, so it is set even when the directory was there, but never through a symbolic
 * link. */
static enum ka_result
create_directory(const char *path, mode_t mode, gid_t gid, struct ka_error *err)
{
	int fd = -1, saved;

	if ((mkdir(path, 0700) == 0 || errno == EEXIST) &&
	    (fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) >= 0 &&
	    fchown(fd, geteuid(), gid) == 0 && fchmod(fd, mode) == 0) {
		(void)close(fd);
		return KA_OK;
	}
	saved = errno;
	if (fd >= 0)
		(void)close(fd);
	return ka_result_fail(err, KA_UNAVAIL, "cannot make the directory %s: %s", path, strerror(saved));
}

enum ka_result
ka_store_directories(const char *dir, gid_t gid, struct ka_error *err)
{
	char private[PATH_MAX];
	enum ka_result r;

	if ((r = ka_store_file_path(dir, "private", private, err)) != KA_OK ||
	    (r = create_directory(dir, 0755, 0, err)) != KA_OK)
		return r;
	return create_directory(private, 0750, gid, err);
}

/* names.mdb outlived access.mdb: it knows which uids have been used, and must not be replaced by one that does not. */
static enum ka_result
check_names_unused(const char *path, struct ka_error *err)
{
	struct ka_store_file f;
	struct ka_meta meta;
	enum ka_result r;

	if (access(path, F_OK) != 0)
		return KA_OK;
	if ((r = ka_store_file_open(path, KA_FILE_NAMES, false, &f, err)) != KA_OK)
		return r;
	r = ka_store_read_meta(&f, &meta);
	ka_store_file_close(&f);
	if (r != KA_OK)
		return ka_store_damaged(path, r, err);
	if (meta.changes == 0 && meta.uid_next == KA_UID_FIRST)
		return KA_OK;
	return ka_result_fail(err, KA_CONFLICT,
	    "%s has projects whose private/access.mdb is missing: restore that one with 'keyacct restore', so that no "
	    "uid "
	    "is used twice",
	    path);
}

/* access.mdb comes last: while it is missing there is no database, and init can be run again. */
static enum ka_result
create_files(const char *dir, const char *names_path, const char *access_path, gid_t gid, struct ka_error *err)
{
	enum ka_result r;

	if (access(access_path, F_OK) == 0)
		return ka_result_fail(
		    err, KA_CONFLICT, "there is a database already: %s exists; nothing was changed", access_path);
	if ((r = check_names_unused(names_path, err)) != KA_OK || (r = ka_usage_create(dir, err)) != KA_OK ||
	    (r = ka_store_file_create(names_path, KA_FILE_NAMES, gid, ka_store_fill_empty, NULL, err)) != KA_OK)
		return r;
	return ka_store_file_create(access_path, KA_FILE_ACCESS, gid, ka_store_fill_empty, NULL, err);
}

enum ka_result
ka_store_create(const char *dir, gid_t gid, struct ka_error *err)
{
	char private[PATH_MAX], access_path[PATH_MAX], names_path[PATH_MAX], lock_path[PATH_MAX];
	enum ka_result r;
	int lock;

	if ((r = ka_store_file_path(dir, "private", private, err)) != KA_OK ||
	    (r = ka_store_file_path(dir, ka_table_file_name(KA_FILE_NAMES), names_path, err)) != KA_OK ||
	    (r = ka_store_file_path(dir, KA_STORE_LOCK, lock_path, err)) != KA_OK ||
	    (r = ka_store_file_path(dir, ka_table_file_name(KA_FILE_ACCESS), access_path, err)) != KA_OK)
		return r;
	if ((r = ka_store_directories(dir, gid, err)) != KA_OK)
		return r;
	/* Two at once: the second finds what the first made. */
	if ((r = ka_lock_take(lock_path, KA_STORE_WAIT_S * 1000, "another keyacct is writing", &lock, err)) != KA_OK)
		return r;
	if ((r = create_files(dir, names_path, access_path, gid, err)) == KA_OK &&
	    (r = ka_store_file_sync_directory(dir, err)) == KA_OK)
		r = ka_store_file_sync_directory(private, err);
	(void)close(lock);
	return r;
}
