/*
 * keyacct doctor: the database as it lies on the disk: who may read and write what, and does it fit together?
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/logline.h"
#include "common/spool.h"
#include "common/view.h"
#include "keyacct/doctor.h"

#define GROUP "keyacct"

/* What a look reads at most, so that it takes no minutes: 'keyacct check' reads all of it. */
#define ROWS_MAX 200000

#define ROOM_LEAST   (64ULL * 1024 * 1024)
#define INODES_LEAST 1000ULL

/* What each file protects by its mode. */
static const struct item {
	const char *name; /* below the directory */
	mode_t type, mode;
	bool helpers;      /* of the helper's group */
	bool optional;     /* it need not be there */
	enum ka_file file; /* what is lost without it, if it is not optional */
} items[] = {
    {"", S_IFDIR, 0755, false, false, KA_FILE_ACCESS},
    {"/names.mdb", S_IFREG, 0644, false, false, KA_FILE_NAMES},
    {"/names.mdb-lock", S_IFREG, 0600, false, true, KA_FILES},
    {"/private", S_IFDIR, 0750, true, false, KA_FILE_ACCESS},
    {"/private/access.mdb", S_IFREG, 0640, true, false, KA_FILE_ACCESS},
    {"/private/access.mdb-lock", S_IFREG, 0600, false, true, KA_FILES},
    {"/private/usage.mdb", S_IFREG, 0600, false, false, KA_FILE_USAGE},
    {"/private/usage.mdb-lock", S_IFREG, 0600, false, true, KA_FILES},
    {"/" KA_STORE_LOCK, S_IFREG, 0600, false, true, KA_FILES},
    {"/" KA_SPOOL_LOCK, S_IFREG, 0600, false, true, KA_FILES},
    {"/" KA_SPOOL_NAME, S_IFREG, 0600, false, true, KA_FILES},
};

#define ITEMS (sizeof(items) / sizeof(items[0]))

static bool
is_lock(const struct item *item)
{
	size_t len = strlen(item->name);

	return len > 5 && strcmp(item->name + len - 4, "lock") == 0;
}

static void
judge_missing(struct doctor *d, const struct item *item, const char *path)
{
	bool none = access(d->names, F_OK) != 0 && access(d->access, F_OK) != 0;

	if (errno == EACCES && !d->root)
		return;
	if (errno != ENOENT && errno != ENOTDIR) {
		doctor_fail(d, "cannot look at %s: %s", path, strerror(errno));
		doctor_mend(d, "ls -ld %s", doctor_quote(path));
	} else if (item->file == KA_FILE_USAGE && !none) {
		doctor_warn(d, "%s is missing: the counts of last uses begin anew", path);
		doctor_mend(d, "%s drain", d->tool);
	} else if (none && !item->optional) {
		doctor_fail(d, "there is no database: %s is missing", path);
		doctor_mend(d, "%s init", d->tool);
	} else if (!item->optional) {
		doctor_fail(d, "%s is missing", path);
		doctor_mend(d, "%s", doctor_anew(d, item->file));
	}
}

static void
judge_item(struct doctor *d, const struct item *item, gid_t helpers)
{
	char path[PATH_MAX];
	struct stat st;
	gid_t gid = item->helpers ? helpers : 0;

	(void)snprintf(path, sizeof(path), "%s%s", d->dir, item->name);
	/* The directory itself may be on another disk. */
	if (fstatat(AT_FDCWD, path, &st, item->name[0] == '\0' ? 0 : AT_SYMLINK_NOFOLLOW) != 0) {
		judge_missing(d, item, path);
		return;
	}
	if ((st.st_mode & S_IFMT) != item->type) {
		doctor_fail(d, "%s is no %s", path, item->type == S_IFDIR ? "directory" : "regular file");
		if (item->optional)
			doctor_mend(d, "mv %s %s.strange", doctor_quote(path), doctor_quote(path));
		else
			doctor_mend(d, "mv %s %s.strange && %s", doctor_quote(path), doctor_quote(path),
			    doctor_anew(d, item->file));
		return;
	}
	if (st.st_uid != 0 || (item->helpers && st.st_gid != gid)) {
		doctor_fail(d, "%s belongs to %lu:%lu and not to root%s%s", path, (unsigned long)st.st_uid,
		    (unsigned long)st.st_gid, item->helpers ? ":" : "", item->helpers ? GROUP : "");
		doctor_mend(d, "chown root:%s %s", item->helpers ? GROUP : "root", doctor_quote(path));
	}
	if ((st.st_mode & 07777U) != item->mode) {
		doctor_fail(d, "%s has mode %04o and not %04o: %s", path, st.st_mode & 07777U, item->mode,
		    (st.st_mode & 07777U & ~item->mode) != 0
			? (is_lock(item) ? "whoever can open it can make root's tool wait, or worse"
					 : "others may do more than they should")
			: "who has to read it cannot");
		doctor_mend(d, "chmod %04o %s", item->mode, doctor_quote(path));
	}
}

static void
look_items(struct doctor *d, bool locks)
{
	struct group *group = getgrnam(GROUP);

	for (size_t i = 0; i < ITEMS; i++)
		if (is_lock(&items[i]) == locks)
			judge_item(d, &items[i], group != NULL ? group->gr_gid : (gid_t)-1);
}

static void
look_files(struct doctor *d)
{
	char part[PATH_MAX];
	struct stat st;

	look_items(d, false);
	/* Who can replace a directory on the way can put another database there. */
	if (d->said == 0 && doctor_find_unsafe(d->dir, part, &st) == KA_CONFLICT)
		(void)doctor_must_be_roots(d, d->dir, "the database");
	if (d->said == 0 && !d->root)
		doctor_skip(d, "only root can look into %s/private", d->dir);
	doctor_ok(d, "every file of %s has its owner and its mode", d->dir);
}

static void
look_locks(struct doctor *d)
{
	if (!doctor_needs_root(d))
		return;
	look_items(d, true);
	doctor_ok(d, "only root can open the lock files");
}

/* The rows */

struct reading {
	enum ka_file file;
	unsigned rows;
	bool all;
	struct ka_meta meta;
};

static enum ka_result
read_rows(struct ka_view *view, void *arg)
{
	struct reading *reading = arg;
	size_t n;
	const enum ka_table *tables = ka_table_list(reading->file, &n);
	struct ka_row row;
	enum ka_result r = KA_OK;

	reading->rows = 0;
	if (reading->file != KA_FILE_USAGE &&
	    ((r = ka_view_get(view, KA_TABLE_META, KA_META_KEY, strlen(KA_META_KEY), &row)) != KA_OK ||
		(r = ka_record_get_meta(row.payload, row.len, &reading->meta)) != KA_OK))
		return r == KA_NOTFOUND ? KA_CORRUPT : r;
	for (size_t i = 0; i < n && reading->rows < ROWS_MAX; i++) {
		if (!doctor_is_readable(tables[i]))
			continue;
		row.keylen = 0;
		while (reading->rows < ROWS_MAX && (r = ka_view_next(view, tables[i], "", 0, &row)) == KA_OK)
			reading->rows++;
		if (r != KA_OK && r != KA_NOTFOUND)
			return r;
	}
	reading->all = reading->rows < ROWS_MAX;
	return KA_OK;
}

/* Returns whether the counters are known. */
static bool
read_file(struct doctor *d, enum ka_file file, struct reading *reading)
{
	char path[PATH_MAX];

	enum ka_result r;

	*reading = (struct reading){.file = file};
	(void)snprintf(path, sizeof(path), "%s/%s", d->dir, ka_table_file_name(file));
	switch (r = ka_view_read(path, read_rows, reading)) {
	case KA_OK:
		return true;
	case KA_INVALID:
		/* With its mode and owner anything may be wrong with it, or nothing. */
		doctor_skip(d, "%s is %s: see the check \"files\"", path, ka_logline_trouble(r));
		return false;
	case KA_BUSY:
		doctor_warn(d, "%s changes faster than it could be read", path);
		doctor_mend(d, "%s check", d->tool);
		return false;
	case KA_CORRUPT:
		doctor_fail(d, "%s is damaged, or a newer version wrote it", path);
		break;
	case KA_NOTFOUND:
	case KA_CONFLICT:
	case KA_UNAVAIL:
	case KA_FAILED:
		doctor_fail(d, "%s is %s", path, ka_logline_trouble(r));
		break;
	}
	doctor_mend(d, "%s", doctor_anew(d, file));
	return false;
}

static void
look_database(struct doctor *d)
{
	struct reading names, full, usage;
	char usage_path[PATH_MAX];

	if (!doctor_needs_root(d))
		return;
	if (access(d->names, F_OK) != 0 && access(d->access, F_OK) != 0) {
		doctor_fail(d, "there is no database in %s", d->dir);
		doctor_mend(d, "%s init", d->tool);
		return;
	}
	(void)snprintf(usage_path, sizeof(usage_path), "%s/%s", d->dir, ka_table_file_name(KA_FILE_USAGE));
	usage = (struct reading){.all = true};
	if (access(usage_path, F_OK) == 0)
		(void)read_file(d, KA_FILE_USAGE, &usage);
	if (!read_file(d, KA_FILE_NAMES, &names) || !read_file(d, KA_FILE_ACCESS, &full))
		return;
	if (names.meta.changes > full.meta.changes) {
		doctor_fail(d, "names.mdb is newer than access.mdb, as if one was put back without the other");
		doctor_mend(d, "%s", doctor_anew(d, KA_FILE_ACCESS));
	} else if (names.meta.changes < full.meta.changes) {
		doctor_warn(d, "names.mdb is %llu changes behind access.mdb: the newest projects are no users yet",
		    (unsigned long long)(full.meta.changes - names.meta.changes));
		doctor_mend(d, "%s check --repair", d->tool);
	}
	doctor_ok(d, "%u rows read and are whole, and the files belong together%s", names.rows + full.rows + usage.rows,
	    names.all && full.all && usage.all ? "" : "; 'keyacct check' reads the rest");
}

/* Room */

static void
mount_point(const char *path, char mount[static PATH_MAX])
{
	char up[PATH_MAX];
	struct stat here, above;

	if (realpath(path, mount) == NULL)
		(void)snprintf(mount, PATH_MAX, "%s", path);
	while (strcmp(mount, "/") != 0 && stat(mount, &here) == 0) {
		(void)snprintf(up, sizeof(up), "%s", mount);
		*(strrchr(up, '/') + (strrchr(up, '/') == up)) = '\0';
		if (stat(up, &above) != 0 || above.st_dev != here.st_dev)
			return;
		(void)snprintf(mount, PATH_MAX, "%s", up);
	}
}

static void
judge_room(struct doctor *d, const char *path, const char *what)
{
	struct statvfs fs;
	char mount[PATH_MAX];
	unsigned long long room;

	if (statvfs(path, &fs) != 0)
		return;
	mount_point(path, mount);
	room = (unsigned long long)fs.f_bfree * fs.f_frsize;
	if ((fs.f_flag & ST_RDONLY) != 0) {
		doctor_fail(d, "%s is on a file system that is read-only: %s", path, what);
		doctor_mend(d, "mount -o remount,rw %s", doctor_quote(mount));
	} else if (room < ROOM_LEAST) {
		(room < 1024 * 1024 ? doctor_fail : doctor_warn)(d, "%s has %llu kB left: %s", path, room / 1024, what);
		doctor_mend(d, "du -xh %s | sort -h | tail", doctor_quote(mount));
	} else if (fs.f_files > 0 && fs.f_ffree < INODES_LEAST) {
		(fs.f_ffree < 10 ? doctor_fail : doctor_warn)(
		    d, "%s has room for %llu more files: %s", path, (unsigned long long)fs.f_ffree, what);
		doctor_mend(d, "du -x --inodes %s | sort -n | tail", doctor_quote(mount));
	}
}

static void
look_room(struct doctor *d)
{
	const char *home = d->has_project ? d->project.home : "/projects/.";
	char parent[PATH_MAX];

	(void)snprintf(parent, sizeof(parent), "%s", home);
	if (strrchr(parent, '/') != NULL)
		*(strrchr(parent, '/') + (strrchr(parent, '/') == parent)) = '\0';
	judge_room(d, d->dir, "no change is taken, and no last use is noted");
	judge_room(
	    d, access(KA_RUNDIR, F_OK) == 0 ? KA_RUNDIR : "/run", "no session can be ended that is not entered there");
	judge_room(d, parent, "no home can be made");
	doctor_ok(d, "there is room for the database, the sessions and the homes");
}

const struct doctor_check doctor_file_checks[] = {
    {"files", look_files, NULL},
    {"locks", look_locks, NULL},
    {"database", look_database, NULL},
    {"room", look_room, NULL},
    {.name = NULL},
};
