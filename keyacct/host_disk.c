#include "keyacct/host_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (1024 * 1024)

enum ka_result
host_disk_path(const char *root, const char *name, char path[static PATH_MAX], struct ka_error *err)
{
	int n = snprintf(path, PATH_MAX, "%s%s", root, name);
	char real[PATH_MAX], top[PATH_MAX], above[PATH_MAX];
	const char *found;

	if (n <= 0 || n >= PATH_MAX)
		return ka_result_fail(err, KA_INVALID, "--root is too long");
	if (root[0] == '\0' || realpath(root, top) == NULL)
		return KA_OK;
	/* A link in an image means a file of the image; followed from here, it would mean one of this host. Of a file
	 * that is to be made its directory counts. */
	(void)snprintf(above, sizeof(above), "%s", path);
	*strrchr(above, '/') = '\0';
	if ((found = realpath(path, real)) == NULL && errno == ENOENT)
		found = realpath(above, real);
	if (found != NULL &&
	    (strncmp(real, top, strlen(top)) != 0 || (real[strlen(top)] != '/' && real[strlen(top)] != '\0')))
		return ka_result_fail(err, KA_CONFLICT, "%s leads out of the image, to %s: make it a file", path, real);
	return KA_OK;
}

enum ka_result
host_disk_read(const char *root, const char *name, char **text, struct ka_error *err)
{
	char path[PATH_MAX];
	struct stat st;
	FILE *f;
	enum ka_result r;

	*text = NULL;
	if ((r = host_disk_path(root, name, path, err)) != KA_OK)
		return r;
	if ((f = fopen(path, "re")) == NULL)
		return errno == ENOENT ? KA_OK
				       : ka_result_fail(err, KA_FAILED, "cannot read %s: %s", path, strerror(errno));
	r = KA_FAILED;
	if (fstat(fileno(f), &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
		(void)ka_result_fail(err, r, "%s is no file of a configuration", path);
	else if ((*text = calloc(1, (size_t)st.st_size + 1)) == NULL)
		(void)ka_result_fail(err, r = KA_UNAVAIL, "out of memory");
	else if (fread(*text, 1, (size_t)st.st_size, f) != (size_t)st.st_size || strlen(*text) != (size_t)st.st_size)
		(void)ka_result_fail(err, r, "cannot read %s as a text", path);
	else
		r = KA_OK;
	(void)fclose(f);
	if (r != KA_OK) {
		free(*text);
		*text = NULL;
	}
	return r;
}

/* As the old one was: owner and mode; a new one is root's, and everybody may read it. */
static int
like_before(const char *path, int fd)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return errno == ENOENT ? fchmod(fd, 0644) : -1;
	return fchown(fd, st.st_uid, st.st_gid) != 0 || fchmod(fd, st.st_mode & 07777) != 0 ? -1 : 0;
}

/* A file that is mounted on its own, as a container's /etc/hosts is, cannot be replaced: it is written over. */
static bool
write_over(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) &&
		  ftruncate(fd, (off_t)strlen(text)) == 0 && fsync(fd) == 0;

	if (fd >= 0)
		(void)close(fd);
	return ok;
}

static bool
put_in_place(const char *temporary, const char *path, const char *text)
{
	if (rename(temporary, path) == 0)
		return true;
	if (errno != EBUSY || !write_over(path, text))
		return false;
	(void)unlink(temporary);
	return true;
}

enum ka_result
host_disk_replace(const char *root, const char *name, const char *text, struct ka_error *err)
{
	char path[PATH_MAX], real[PATH_MAX], temporary[PATH_MAX + 16];
	int fd = -1, ok = 0;
	enum ka_result r;

	if ((r = host_disk_path(root, name, path, err)) != KA_OK)
		return r;
	if (realpath(path, real) == NULL)
		(void)snprintf(real, sizeof(real), "%s", path);
	if (text == NULL)
		return unlink(real) == 0 || errno == ENOENT
			   ? KA_OK
			   : ka_result_fail(err, KA_FAILED, "cannot remove %s: %s", real, strerror(errno));
	(void)snprintf(temporary, sizeof(temporary), "%s.keyacct-new", real);
	(void)unlink(temporary);
	if ((fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) >= 0)
		ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text) && like_before(real, fd) == 0 &&
		     fsync(fd) == 0 && put_in_place(temporary, real, text);
	if (!ok)
		(void)ka_result_fail(err, KA_FAILED, "cannot write %s: %s", real, strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	if (!ok)
		(void)unlink(temporary);
	return ok ? KA_OK : KA_FAILED;
}
