#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/lock.h"
#include "common/sound.h"
#include "common/store.h"
#include "common/store_file.h"
#include "common/store_inside.h"

/* What a file is called until it takes its place. */
#define SUFFIX ".restored"

/* How one of the two files is. */
struct state {
	char path[PATH_MAX];
	enum ka_result r; /* KA_OK, KA_NOTFOUND or KA_CORRUPT */
	struct ka_sound sound;
};

static void
remove_lock(const char *path)
{
	char lock[PATH_MAX + 8];

	(void)snprintf(lock, sizeof(lock), "%s-lock", path);
	(void)unlink(lock);
}

/* A file of the next version, or one that cannot be looked at, is not to be replaced. */
static enum ka_result
look(const char *dir, enum ka_file file, const struct ka_watch *watch, struct state *s, struct ka_error *err)
{
	if ((s->r = ka_store_file_path(dir, ka_table_file_name(file), s->path, err)) != KA_OK)
		return s->r;
	s->r = ka_sound_check(dir, file, watch, &s->sound);
	if (s->r == KA_OK || s->r == KA_NOTFOUND || s->r == KA_CORRUPT)
		return KA_OK;
	return ka_result_fail(err, s->r == KA_CONFLICT ? KA_CORRUPT : s->r, "%s", s->sound.err.text);
}

static enum ka_result
look_at_both(
    const char *dir, const struct ka_watch *watch, struct state *access, struct state *names, struct ka_error *err)
{
	enum ka_result r;

	if ((r = look(dir, KA_FILE_ACCESS, watch, access, err)) != KA_OK ||
	    (r = look(dir, KA_FILE_NAMES, watch, names, err)) != KA_OK)
		return r;
	/* Sound, but it does not know which uids have been used since. */
	if (access->r == KA_OK && names->r == KA_OK && names->sound.meta.changes > access->sound.meta.changes)
		access->r =
		    ka_result_fail(&access->sound.err, KA_CORRUPT, "%s is older than %s", access->path, names->path);
	return KA_OK;
}

/* New files */

/* Where a new access.mdb begins. */
struct beginning {
	struct ka_meta meta;
	const struct state *names;
};

static enum ka_result
put_tombstone(struct ka_store_file *f, const struct ka_row *name)
{
	uint8_t payload[KA_RECORD_MAX], uid[4];
	struct ka_project project;
	size_t len;
	enum ka_result r;

	if ((r = ka_store_tombstone(name, &project)) != KA_OK ||
	    (r = ka_record_put_project(&project, payload, &len)) != KA_OK ||
	    (r = ka_store_file_put(f, KA_TABLE_PROJECT, project.id, KA_UUID_LEN, payload, len)) != KA_OK)
		return r;
	ka_table_be32(project.uid, uid);
	return ka_store_file_put(f, KA_TABLE_UID, uid, sizeof(uid), project.id, KA_UUID_LEN);
}

static enum ka_result
put_tombstones(struct ka_store_file *f, const char *names_path)
{
	struct ka_row row = {.keylen = 0};
	struct ka_store_file names;
	enum ka_result r;

	if ((r = ka_store_file_open(names_path, KA_FILE_NAMES, false, &names, NULL)) != KA_OK)
		return r;
	while ((r = ka_store_file_next(&names, KA_TABLE_NAME, "", 0, &row)) == KA_OK)
		if ((r = put_tombstone(f, &row)) != KA_OK)
			break;
	ka_store_file_close(&names);
	return r == KA_NOTFOUND ? KA_OK : r;
}

static enum ka_result
fill_access(struct ka_store_file *f, void *arg)
{
	struct beginning *b = arg;
	enum ka_result r = b->names->r == KA_OK ? put_tombstones(f, b->names->path) : KA_OK;

	if (r != KA_OK || (r = ka_store_write_meta(f, &b->meta)) != KA_OK)
		return r;
	return ka_store_write_pruned(f, b->meta.changes);
}

static uint64_t
higher(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* The counters go on from what is known, out of a damaged file too. One change more, of which nothing is kept: so every
 * names.mdb is older, and is projected as a whole. */
static struct ka_meta
begin_counters(const struct state *access, const struct state *names)
{
	const struct ka_meta *a = &access->sound.meta, *n = &names->sound.meta;

	return (struct ka_meta){.changes = higher(a->changes, n->changes) + 1,
	    .uid_next = (uint32_t)higher(KA_UID_FIRST, higher(a->uid_next, n->uid_next))};
}

/* Write a new file beside the place of a lost one, and open it. */
static enum ka_result
open_anew(const struct state *state, enum ka_file kind, gid_t gid, struct beginning *b, struct ka_store_file *f,
    struct ka_store_anew *anew, struct ka_error *err)
{
	char path[PATH_MAX];
	enum ka_result r;

	if (snprintf(path, sizeof(path), "%s" SUFFIX, state->path) >= (int)sizeof(path))
		return ka_result_fail(err, KA_INVALID, "the directory name is too long: %s", state->path);
	if (state->r != KA_NOTFOUND && (r = ka_store_file_aside(state->path, anew->aside, err)) != KA_OK)
		return r;
	remove_lock(path);
	if ((r = ka_store_file_create(
		 path, kind, gid, kind == KA_FILE_ACCESS ? fill_access : ka_store_fill_empty, b, err)) != KA_OK)
		return r;
	memcpy(anew->place, state->path, sizeof(anew->place));
	return ka_store_file_open(path, kind, true, f, err);
}

enum ka_result
ka_store_settle(struct ka_store_file *f, struct ka_store_anew *anew, struct ka_error *err)
{
	char from[PATH_MAX], directory[PATH_MAX];
	enum ka_file kind = f->kind;
	enum ka_result r;

	if (anew->place[0] == '\0')
		return KA_OK;
	memcpy(from, f->path, sizeof(from));
	ka_store_file_close(f);
	if ((r = ka_store_file_replace(from, anew->place, anew->aside, err)) != KA_OK)
		return r;
	memcpy(directory, anew->place, sizeof(directory));
	*strrchr(directory, '/') = '\0';
	if ((r = ka_store_file_open(anew->place, kind, true, f, err)) == KA_OK)
		r = ka_store_file_sync_directory(directory, err);
	anew->place[0] = '\0';
	return r;
}

void
ka_store_drop(struct ka_store_file *f, const struct ka_store_anew *anew)
{
	ka_store_file_close(f);
	if (anew->place[0] == '\0')
		return;
	(void)unlink(f->path);
	remove_lock(f->path);
}

/* Opening */

static enum ka_result
open_files(struct ka_store *s, const struct state *access, const struct state *names, gid_t gid, struct ka_error *err)
{
	struct beginning b = {.meta = begin_counters(access, names), .names = names};
	enum ka_result r;

	r = access->r == KA_OK ? ka_store_file_open(access->path, KA_FILE_ACCESS, true, &s->access, err)
			       : open_anew(access, KA_FILE_ACCESS, gid, &b, &s->access, &s->access_anew, err);
	if (r != KA_OK)
		return r;
	r = names->r == KA_OK ? ka_store_file_open(names->path, KA_FILE_NAMES, true, &s->names, err)
			      : open_anew(names, KA_FILE_NAMES, gid, NULL, &s->names, &s->names_anew, err);
	if (r != KA_OK)
		return r;
	if ((r = ka_store_read_meta(&s->access, &s->meta)) != KA_OK)
		return ka_store_damaged(s->access.path, r, err);
	(void)ka_store_raise_uid_counter(s, names->sound.meta.uid_next);
	/* names.mdb must not follow what nobody has committed. */
	return access->r == KA_OK ? ka_store_catch_up(s, err) : KA_OK;
}

static enum ka_result
refuse_blind(const struct state *access, const struct state *names, struct ka_error *err)
{
	return ka_result_fail(err, KA_UNAVAIL,
	    "neither %s nor %s can be read, so nothing tells which uids were handed out after the backup: on a new "
	    "host, run 'keyacct init' first; otherwise --force goes by the backup alone, and the uids of projects that "
	    "were added later come again",
	    names->path, access->path);
}

static enum ka_result
take_lock(struct ka_store *s, const char *dir, gid_t gid, bool force, struct ka_error *err)
{
	char lock[PATH_MAX], private[PATH_MAX], names[PATH_MAX];
	struct stat st;
	enum ka_result r;

	if ((r = ka_store_file_path(dir, KA_STORE_LOCK, lock, err)) != KA_OK ||
	    (r = ka_store_file_path(dir, "private", private, err)) != KA_OK ||
	    (r = ka_store_file_path(dir, ka_table_file_name(KA_FILE_NAMES), names, err)) != KA_OK)
		return r;
	if (stat(private, &st) != 0 && errno == ENOENT) {
		/* Without anything to mend there is nothing that another could write either. */
		if (!force && lstat(names, &st) != 0)
			return KA_OK;
		if ((r = ka_store_directories(dir, gid, err)) != KA_OK)
			return r;
	}
	return ka_lock_take(lock, KA_STORE_WAIT_S * 1000, "another keyacct is writing", &s->lock, err);
}

enum ka_result
ka_store_open_mended(const char *dir, gid_t gid, bool force, const struct ka_watch *watch, struct ka_store **store,
    struct ka_store_mend *mend, struct ka_error *err)
{
	struct state access, names;
	struct ka_store *s;
	enum ka_result r;

	*store = NULL;
	if ((r = ka_store_new(&s, err)) != KA_OK)
		return r;
	if ((r = take_lock(s, dir, gid, force, err)) == KA_OK &&
	    (r = look_at_both(dir, watch, &access, &names, err)) == KA_OK)
		r = access.r != KA_OK && names.r != KA_OK && !force ? refuse_blind(&access, &names, err)
								    : open_files(s, &access, &names, gid, err);
	if (r != KA_OK) {
		ka_store_close(s);
		return r;
	}
	mend->access = access.sound.err;
	mend->names = names.sound.err;
	*store = s; /* now the caller's */
	return KA_OK;
}
