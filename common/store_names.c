/*
 * The projection of access.mdb into names.mdb: which project has which number, home and shell.
 */
#include <stdio.h>
#include <string.h>

#include "common/store_inside.h"

/* What names.mdb has to say of a project. */
static struct ka_name
name_of(const struct ka_project *project)
{
	struct ka_name name = {.deleted = project->state == KA_PROJECT_DELETED, .uid = project->uid};

	memcpy(name.home, project->home, sizeof(name.home));
	memcpy(name.shell, project->shell, sizeof(name.shell));
	return name;
}

static enum ka_result
project_name(struct ka_store *s, const uint8_t id[static KA_UUID_LEN])
{
	uint8_t payload[KA_RECORD_MAX], uid[4];
	struct ka_project project;
	struct ka_name name;
	struct ka_row row;
	size_t len;
	enum ka_result r;

	if ((r = ka_store_file_get(&s->access, KA_TABLE_PROJECT, id, KA_UUID_LEN, &row)) != KA_OK ||
	    (r = ka_record_row_project(&row, &project)) != KA_OK)
		return r;
	name = name_of(&project);
	if ((r = ka_record_put_name(&name, payload, &len)) != KA_OK ||
	    (r = ka_store_file_put(&s->names, KA_TABLE_NAME, id, KA_UUID_LEN, payload, len)) != KA_OK)
		return r;
	ka_table_be32(project.uid, uid);
	return ka_store_file_put(&s->names, KA_TABLE_NAME_UID, uid, sizeof(uid), id, KA_UUID_LEN);
}

static enum ka_result
open_names(struct ka_store *s)
{
	char path[PATH_MAX];
	enum ka_result r;

	if (s->names.env != NULL)
		return ka_store_file_begin(&s->names, NULL);
	if ((r = ka_store_file_path(s->dir, ka_table_file_name(KA_FILE_NAMES), path, NULL)) != KA_OK)
		return r;
	return ka_store_file_open(path, KA_FILE_NAMES, false, &s->names, NULL);
}

enum ka_result
ka_store_check_name(struct ka_store *s, const struct ka_project *project)
{
	uint8_t want[KA_RECORD_MAX], uid[4];
	struct ka_name name = name_of(project);
	struct ka_row row;
	size_t len;
	enum ka_result r;

	if ((r = open_names(s)) != KA_OK || (r = ka_record_put_name(&name, want, &len)) != KA_OK)
		return r;
	if ((r = ka_store_file_get(&s->names, KA_TABLE_NAME, project->id, KA_UUID_LEN, &row)) != KA_OK)
		return r;
	if (row.len != len || memcmp(row.payload, want, len) != 0)
		return KA_CONFLICT;
	ka_table_be32(project->uid, uid);
	if ((r = ka_store_file_get(&s->names, KA_TABLE_NAME_UID, uid, sizeof(uid), &row)) != KA_OK)
		return r;
	return row.len == KA_UUID_LEN && memcmp(row.payload, project->id, KA_UUID_LEN) == 0 ? KA_OK : KA_CONFLICT;
}

enum ka_result
ka_store_next_in_names(struct ka_store *s, enum ka_table table, struct ka_row *row)
{
	enum ka_result r = open_names(s);

	return r == KA_OK ? ka_store_file_next(&s->names, table, "", 0, row) : r;
}

enum ka_result
ka_store_tombstone(const struct ka_row *row, struct ka_project *project)
{
	struct ka_name name;

	if (row->keylen != KA_UUID_LEN || ka_record_get_name(row->payload, row->len, &name) != KA_OK)
		return KA_CORRUPT;
	*project = (struct ka_project){.state = KA_PROJECT_DELETED, .uid = name.uid};
	memcpy(project->id, row->key, KA_UUID_LEN);
	memcpy(project->home, name.home, sizeof(project->home));
	memcpy(project->shell, name.shell, sizeof(project->shell));
	return KA_OK;
}

/* What the changes after the first ${done} did to projects. */
static enum ka_result
project_changes(struct ka_store *s, uint64_t done)
{
	struct ka_change change;
	uint64_t seq = done + 1;
	enum ka_result r;

	/* What it has changed itself a store knows without reading it again. */
	if (s->follows && done == s->projected)
		seq = s->project_at != 0 ? s->project_at : s->meta.changes + 1;
	for (; seq <= s->meta.changes; seq++) {
		if ((r = ka_store_get_change(s, seq, &change)) != KA_OK)
			return r;
		if (change.table == KA_TABLE_PROJECT && (r = project_name(s, change.after.key)) != KA_OK)
			return r;
	}
	return KA_OK;
}

static enum ka_result
project_all(struct ka_store *s)
{
	struct ka_row row = {.keylen = 0};
	enum ka_result r;

	while ((r = ka_store_next(s, KA_TABLE_PROJECT, "", 0, &row)) == KA_OK)
		if ((r = project_name(s, row.key)) != KA_OK)
			return r;
	return r == KA_NOTFOUND ? KA_OK : r;
}

/* Bring names.mdb, which has the first ${done} changes, up to access.mdb. */
static enum ka_result
project_from(struct ka_store *s, uint64_t done)
{
	struct ka_pruned pruned;
	enum ka_result r;

	if ((r = ka_store_read_pruned(s, &pruned)) != KA_OK)
		return r;
	/* The log does not tell any more: names.mdb is an old copy, or a new file in the place of a lost one. */
	if ((r = done < pruned.last ? project_all(s) : project_changes(s, done)) != KA_OK)
		return r;
	return ka_store_write_meta(&s->names, &s->meta);
}

/* After a commit of access.mdb, or after somebody was killed between the two commits: bring names.mdb up to it. */
enum ka_result
ka_store_catch_up(struct ka_store *s, struct ka_error *err)
{
	struct ka_meta done;
	enum ka_result r;

	if ((r = ka_store_file_begin(&s->names, err)) != KA_OK)
		return r;
	if ((r = ka_store_read_meta(&s->names, &done)) != KA_OK)
		return ka_store_damaged(s->names.path, r, err);
	if (done.changes > s->meta.changes)
		return ka_result_fail(err, KA_CORRUPT,
		    "%s is newer than %s (was one of them restored alone?): 'keyacct restore BACKUP' brings them "
		    "together",
		    s->names.path, s->access.path);
	/* No uid that either file has seen is handed out again. */
	if (done.uid_next > s->meta.uid_next)
		s->meta.uid_next = done.uid_next;
	if (done.changes < s->meta.changes)
		r = project_from(s, done.changes);
	/* Also when there was nothing to do: an abort would close the table handles with it (lmdb.h, mdb_dbi_open). */
	if (r == KA_OK)
		r = ka_store_file_commit(&s->names, NULL);
	if (r != KA_OK)
		return ka_result_fail(err, r == KA_NOTFOUND ? KA_CORRUPT : r,
		    "the change is recorded, but %s could not be written (is its disk full?): new projects stay "
		    "unknown to this host "
		    "until the next command that writes succeeds",
		    s->names.path);
	s->projected = s->meta.changes;
	s->follows = true;
	s->project_at = 0;
	return KA_OK;
}
