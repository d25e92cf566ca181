#include "common/restore.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/sound.h"
#include "common/store_file.h"
#include "common/usage.h"

/* How the rows of a table get into the database. */
enum way {
	WAY_NOT,   /* the change log and the counters: they go on */
	WAY_LOG,   /* what people change */
	WAY_INDEX, /* what follows from that */
};

struct run {
	struct ka_restore *r;
	struct ka_store *store, *copy;
	uint64_t done, total;
	struct ka_error *err;
};

/* A place in one of the two databases. */
struct place {
	struct ka_store *store;
	struct ka_store_value row;
	bool is_end;
};

static enum way
way_of(enum ka_table table)
{
	switch (table) {
	case KA_TABLE_PROJECT:
	case KA_TABLE_ACCOUNT:
	case KA_TABLE_MEMBER:
	case KA_TABLE_KEY:
	case KA_TABLE_REACH:
	case KA_TABLE_GROUP:
	case KA_TABLE_GROUP_MEMBER:
	case KA_TABLE_SETTINGS:
		return WAY_LOG;
	case KA_TABLE_HANDLE:
	case KA_TABLE_MEMBER_OF:
	case KA_TABLE_KEY_OF:
	case KA_TABLE_BLOB:
	case KA_TABLE_GROUP_NAME:
	case KA_TABLE_GROUP_OF:
		return WAY_INDEX;
	case KA_TABLE_UID: /* goes with its project, and never goes away */
	case KA_TABLE_CHANGE:
	case KA_TABLE_META:
	case KA_TABLE_NAME:
	case KA_TABLE_NAME_UID:
	case KA_TABLE_KEY_USE:
	case KA_TABLE_PROJECT_USE:
	case KA_TABLE_DRAINED:
	case KA_TABLES:
		break;
	}
	return WAY_NOT;
}

static enum ka_result
step(struct place *p, enum ka_table table)
{
	uint8_t from[KA_KEY_MAX + 1];
	size_t len = p->row.keylen;
	enum ka_result r;

	/* Nothing lies between a key and itself with a zero byte added. */
	memcpy(from, p->row.key, len);
	if (len > 0)
		from[len++] = 0;
	r = ka_store_seek_value(p->store, table, from, len, &p->row);
	p->is_end = r == KA_NOTFOUND;
	return p->is_end ? KA_OK : r;
}

/* As memcmp; the end comes after everything. */
static int
compare(const struct place *a, const struct place *b)
{
	size_t least = a->row.keylen < b->row.keylen ? a->row.keylen : b->row.keylen;
	int order;

	if (a->is_end || b->is_end)
		return (int)a->is_end - (int)b->is_end;
	if ((order = memcmp(a->row.key, b->row.key, least)) != 0)
		return order;
	return (a->row.keylen > least) - (b->row.keylen > least);
}

static enum ka_result
write_row(struct run *run, enum ka_table table, const struct ka_store_value *row, const uint8_t *payload, size_t len)
{
	if (way_of(table) == WAY_LOG)
		return ka_store_change(run->store, table, row->key, row->keylen, payload, len);
	if (payload == NULL)
		return ka_store_remove(run->store, table, row->key, row->keylen);
	return ka_store_put(run->store, table, row->key, row->keylen, payload, len);
}

/* Projects: an id and a uid, once given, are taken for good. */

static enum ka_result
bury(struct run *run, const struct ka_store_value *row)
{
	uint8_t payload[KA_RECORD_MAX];
	struct ka_project project;
	size_t len;
	enum ka_result r;

	if ((r = ka_record_get_project(row->payload, row->len, &project)) != KA_OK ||
	    project.state == KA_PROJECT_DELETED)
		return r;
	project.state = KA_PROJECT_DELETED;
	if ((r = ka_record_put_project(&project, payload, &len)) != KA_OK)
		return r;
	run->r->tombstones++;
	return write_row(run, KA_TABLE_PROJECT, row, payload, len);
}

static enum ka_result
is_of_another(
    struct run *run, const uint8_t id[static KA_UUID_LEN], uint32_t uid, uint32_t other_uid, const uint8_t *other)
{
	char text[KA_UUID_TEXT_LEN], owner[KA_UUID_TEXT_LEN];

	ka_uuid_text(id, text);
	if (other == NULL)
		return ka_result_fail(run->err, KA_CONFLICT,
		    "project %s has the uid %u here and %u in the backup, which is of another database: to have that "
		    "one "
		    "instead, move this one away first; nothing was changed",
		    text, other_uid, uid);
	ka_uuid_text(other, owner);
	return ka_result_fail(run->err, KA_CONFLICT,
	    "the uid %u belongs to project %s here and to %s in the backup, which is of another database: to have that "
	    "one instead, move this one away first; nothing was changed",
	    uid, owner, text);
}

/* A project of the copy: is its uid its own here too? */
static enum ka_result
claim_uid(struct run *run, const struct ka_store_value *row)
{
	struct ka_project project, here;
	struct ka_row found;
	uint8_t uid[4];
	enum ka_result r;

	if (row->keylen != KA_UUID_LEN || ka_record_get_project(row->payload, row->len, &project) != KA_OK)
		return KA_CORRUPT;
	if ((r = ka_store_get(run->store, KA_TABLE_PROJECT, row->key, KA_UUID_LEN, &found)) == KA_OK) {
		if ((r = ka_record_row_project(&found, &here)) != KA_OK)
			return r;
		if (here.uid != project.uid)
			return is_of_another(run, row->key, project.uid, here.uid, NULL);
	}
	ka_table_be32(project.uid, uid);
	if (r == KA_OK || r == KA_NOTFOUND)
		r = ka_store_get(run->store, KA_TABLE_UID, uid, sizeof(uid), &found);
	/* Two people would own the same files. */
	if (r == KA_NOTFOUND && run->r->check_uid != NULL && project.state != KA_PROJECT_DELETED) {
		enum ka_result host = run->r->check_uid(project.uid, row->key, run->err);

		if (host != KA_OK)
			return host;
	}
	if (r == KA_NOTFOUND)
		return ka_store_put(run->store, KA_TABLE_UID, uid, sizeof(uid), row->key, KA_UUID_LEN);
	if (r != KA_OK || found.len != KA_UUID_LEN)
		return r == KA_OK ? KA_CORRUPT : r;
	return memcmp(found.payload, row->key, KA_UUID_LEN) == 0
		   ? KA_OK
		   : is_of_another(run, row->key, project.uid, 0, found.payload);
}

/* Rows */

static enum ka_result
drop(struct run *run, enum ka_table table, const struct place *here)
{
	if (table == KA_TABLE_PROJECT)
		return bury(run, &here->row);
	if (way_of(table) == WAY_LOG)
		run->r->removed++;
	return write_row(run, table, &here->row, NULL, 0);
}

/* A row of the copy; ${here} is the one with its key, or NULL. */
static enum ka_result
take(struct run *run, enum ka_table table, const struct place *here, const struct place *there)
{
	const struct ka_store_value *row = &there->row;
	enum ka_result r;

	if (table == KA_TABLE_PROJECT && (r = claim_uid(run, row)) != KA_OK)
		return r;
	if (++run->done % 1024 == 0)
		ka_watch_tell(run->r->watch, "restoring", "rows", run->done, run->total);
	if (here != NULL && here->row.len == row->len && memcmp(here->row.payload, row->payload, row->len) == 0)
		return KA_OK;
	if (way_of(table) == WAY_LOG)
		++*(here != NULL ? &run->r->changed : &run->r->added);
	return write_row(run, table, row, row->payload, row->len);
}

static enum ka_result
restore_table(struct run *run, enum ka_table table)
{
	struct place here = {.store = run->store}, there = {.store = run->copy};
	enum ka_result r;

	if ((r = step(&here, table)) != KA_OK || (r = step(&there, table)) != KA_OK)
		return r;
	while (!here.is_end || !there.is_end) {
		int order = compare(&here, &there);

		r = order < 0 ? drop(run, table, &here) : take(run, table, order == 0 ? &here : NULL, &there);
		if (r == KA_OK && order <= 0)
			r = step(&here, table);
		if (r == KA_OK && order >= 0)
			r = step(&there, table);
		if (r != KA_OK)
			return r;
	}
	return KA_OK;
}

static enum ka_result
restore_tables(struct run *run)
{
	size_t n;
	const enum ka_table *tables = ka_table_list(KA_FILE_ACCESS, &n);
	enum ka_result r = KA_OK;

	run->err->text[0] = '\0';
	ka_watch_tell(run->r->watch, "restoring", "rows", 0, run->total);
	for (size_t i = 0; i < n && r == KA_OK; i++)
		if (way_of(tables[i]) != WAY_NOT)
			r = restore_table(run, tables[i]);
	if (r == KA_OK || run->err->text[0] != '\0')
		return r;
	return ka_store_fail(run->store, r, run->err);
}

/* The copy */

static enum ka_result
refuse_copy(const struct ka_sound *sound, const char *from, enum ka_result r, struct ka_error *err)
{
	if (r == KA_NOTFOUND)
		return ka_result_fail(err, r, "there is no backup in %s: %.300s", from, sound->err.text);
	return ka_result_fail(err, r == KA_CONFLICT ? KA_CORRUPT : r,
	    "the backup in %s cannot be restored; nothing was changed: %.300s", from, sound->err.text);
}

/* Sound to the last row, and of one piece; ${uid_next} is what its counters say, ${rows} how much there is to do. */
static enum ka_result
check_copy(const char *from, const struct ka_watch *watch, uint32_t *uid_next, uint64_t *rows, struct ka_error *err)
{
	struct ka_sound access, names;
	enum ka_result r;

	if ((r = ka_sound_check(from, KA_FILE_ACCESS, watch, &access)) != KA_OK)
		return refuse_copy(&access, from, r, err);
	/* access.mdb is the truth, and the other can be projected out of it; but a wrong one tells of a mix. */
	r = ka_sound_check(from, KA_FILE_NAMES, watch, &names);
	if (r != KA_OK && r != KA_NOTFOUND)
		return refuse_copy(&names, from, r, err);
	if (names.meta.changes > access.meta.changes)
		return ka_result_fail(err, KA_CORRUPT,
		    "the backup in %s cannot be restored; nothing was changed: its names.mdb is newer than its "
		    "access.mdb, so they are of two backups",
		    from);
	*uid_next = names.meta.uid_next > access.meta.uid_next ? names.meta.uid_next : access.meta.uid_next;
	*rows = 0;
	for (int t = 0; t < KA_TABLES; t++)
		*rows += way_of((enum ka_table)t) != WAY_NOT ? access.rows[t] : 0;
	return KA_OK;
}

/* One file must not be open twice in a process: LMDB would lose its locks. */
static enum ka_result
check_apart(const char *dir, const char *from, struct ka_error *err)
{
	char ours[PATH_MAX], theirs[PATH_MAX];
	struct stat a, b;
	enum ka_result r;

	for (int file = 0; file < KA_FILES; file++) {
		const char *name = ka_table_file_name((enum ka_file)file);

		if ((r = ka_store_file_path(dir, name, ours, err)) != KA_OK ||
		    (r = ka_store_file_path(from, name, theirs, err)) != KA_OK)
			return r;
		if (stat(ours, &a) == 0 && stat(theirs, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
			return ka_result_fail(err, KA_CONFLICT,
			    "%s is the database itself and no backup of it: %s is the same file as %s", from, theirs,
			    ours);
	}
	return KA_OK;
}

static enum ka_result
restore_access(const char *dir, uint32_t uid_next, struct run *run)
{
	struct ka_restore *r = run->r;
	enum ka_result result;

	if ((result = ka_store_open_mended(dir, r->gid, r->force, r->watch, &run->store, &r->mend, run->err)) != KA_OK)
		return result;
	ka_store_begin_command(run->store, "restore");
	(void)ka_store_raise_uid_counter(run->store, uid_next);
	if ((result = restore_tables(run)) == KA_OK && !r->dry_run)
		result = ka_store_commit(run->store, run->err);
	ka_store_close(run->store);
	return result;
}

enum ka_result
ka_restore_run(const char *dir, const char *from, struct ka_restore *restore, struct ka_error *err)
{
	struct run run = {.r = restore, .err = err};
	uint32_t uid_next = 0;
	enum ka_result r;

	if ((r = check_apart(dir, from, err)) != KA_OK ||
	    (r = check_copy(from, restore->watch, &uid_next, &run.total, err)) != KA_OK ||
	    (r = ka_store_open(from, false, &run.copy, err)) != KA_OK)
		return r;
	r = restore_access(dir, uid_next, &run);
	ka_store_close(run.copy);
	if (r == KA_OK && !restore->dry_run)
		(void)ka_usage_merge(dir, from, &restore->usage);
	return r;
}
