#include "common/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/lock.h"
#include "common/store_file.h"
#include "common/store_inside.h"
#include "common/text.h"
#include "common/time.h"

enum ka_result
ka_store_read_meta(struct ka_store_file *f, struct ka_meta *meta)
{
	struct ka_row row;
	enum ka_result r = ka_store_file_get(f, KA_TABLE_META, KA_META_KEY, strlen(KA_META_KEY), &row);

	if (r == KA_NOTFOUND)
		return KA_CORRUPT;
	return r == KA_OK ? ka_record_get_meta(row.payload, row.len, meta) : r;
}

enum ka_result
ka_store_write_meta(struct ka_store_file *f, const struct ka_meta *meta)
{
	uint8_t payload[KA_RECORD_MAX];
	size_t len;
	enum ka_result r;

	if ((r = ka_record_put_meta(meta, payload, &len)) != KA_OK)
		return r;
	return ka_store_file_put(f, KA_TABLE_META, KA_META_KEY, strlen(KA_META_KEY), payload, len);
}

enum ka_result
ka_store_damaged(const char *path, enum ka_result r, struct ka_error *err)
{
	return ka_result_fail(err, r == KA_NOTFOUND ? KA_CORRUPT : r, "%s is damaged: restore it from a backup", path);
}

enum ka_result
ka_store_read_pruned(struct ka_store *s, struct ka_pruned *pruned)
{
	struct ka_row row;
	enum ka_result r = ka_store_get(s, KA_TABLE_META, KA_PRUNED_KEY, strlen(KA_PRUNED_KEY), &row);

	memset(pruned, 0, sizeof(*pruned));
	if (r == KA_NOTFOUND)
		return KA_OK;
	return r == KA_OK ? ka_record_get_pruned(row.payload, row.len, pruned) : r;
}

enum ka_result
ka_store_write_pruned(struct ka_store_file *f, uint64_t last)
{
	const struct ka_pruned pruned = {.last = last};
	uint8_t payload[KA_RECORD_MAX];
	size_t len;
	enum ka_result r;

	if ((r = ka_record_put_pruned(&pruned, payload, &len)) != KA_OK)
		return r;
	return ka_store_file_put(f, KA_TABLE_META, KA_PRUNED_KEY, strlen(KA_PRUNED_KEY), payload, len);
}

/* Opening and closing */

/* Who is at the keyboard: the login uid outlives su and sudo. */
static uint32_t
actor(void)
{
	char text[16] = "";
	uint32_t uid = getuid();
	unsigned long login;
	ssize_t n;
	int fd;

	if ((fd = open("/proc/self/loginuid", O_RDONLY | O_CLOEXEC)) < 0)
		return uid;
	n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	if (n <= 0)
		return uid;
	login = strtoul(text, NULL, 10);
	return login < UINT32_MAX ? (uint32_t)login : uid;
}

/* sudo(8) tells who called it; nobody but root can make root's environment say otherwise. */
static void
sudo_user(char name[static KA_ACTOR_LEN])
{
	const char *user = getenv("SUDO_USER");

	if (user != NULL)
		(void)ka_text_clean(user, strlen(user), name, KA_ACTOR_LEN);
}

static enum ka_result
open_for_writing(const char *dir, struct ka_store *s, struct ka_error *err)
{
	char lock[PATH_MAX], access_path[PATH_MAX], names[PATH_MAX];
	enum ka_result r;

	if ((r = ka_store_file_path(dir, KA_STORE_LOCK, lock, err)) != KA_OK ||
	    (r = ka_store_file_path(dir, ka_table_file_name(KA_FILE_ACCESS), access_path, err)) != KA_OK ||
	    (r = ka_store_file_path(dir, ka_table_file_name(KA_FILE_NAMES), names, err)) != KA_OK)
		return r;
	/* A missing database is told by its file, not by its lock. */
	if (access(access_path, F_OK) == 0 &&
	    (r = ka_lock_take(lock, KA_STORE_WAIT_S * 1000, "another keyacct is writing", &s->lock, err)) != KA_OK)
		return r;
	if ((r = ka_store_file_open(access_path, KA_FILE_ACCESS, true, &s->access, err)) != KA_OK ||
	    (r = ka_store_file_open(names, KA_FILE_NAMES, true, &s->names, err)) != KA_OK)
		return r;
	if ((r = ka_store_read_meta(&s->access, &s->meta)) != KA_OK)
		return ka_store_damaged(s->access.path, r, err);
	/* What is late from before must not keep anybody's access from being taken away: the commit tries again. */
	return (r = ka_store_catch_up(s, err)) == KA_UNAVAIL ? KA_OK : r;
}

static enum ka_result
open_for_reading(const char *dir, struct ka_store *s, struct ka_error *err)
{
	char path[PATH_MAX];
	enum ka_result r;

	if ((r = ka_store_file_path(dir, ka_table_file_name(KA_FILE_ACCESS), path, err)) != KA_OK)
		return r;
	if ((r = ka_store_file_open(path, KA_FILE_ACCESS, false, &s->access, err)) != KA_OK)
		return r;
	if ((r = ka_store_read_meta(&s->access, &s->meta)) != KA_OK)
		return ka_store_damaged(s->access.path, r, err);
	return KA_OK;
}

enum ka_result
ka_store_new(struct ka_store **store, struct ka_error *err)
{
	struct ka_store *s;

	if ((s = *store = calloc(1, sizeof(*s))) == NULL)
		return ka_result_fail(err, KA_UNAVAIL, "out of memory");
	s->lock = -1;
	s->verb = "";
	s->actor = actor();
	sudo_user(s->sudo_user);
	return KA_OK;
}

enum ka_result
ka_store_open(const char *dir, bool write, struct ka_store **store, struct ka_error *err)
{
	struct ka_store *s;
	enum ka_result r;

	*store = NULL;
	if ((r = ka_store_new(&s, err)) != KA_OK)
		return r;
	(void)snprintf(s->dir, sizeof(s->dir), "%s", dir);
	r = write ? open_for_writing(dir, s, err) : open_for_reading(dir, s, err);
	if (r == KA_OK)
		*store = s; /* now the caller's */
	else
		ka_store_close(s);
	return r;
}

void
ka_store_close(struct ka_store *s)
{
	if (s == NULL)
		return;
	ka_store_drop(&s->names, &s->names_anew);
	ka_store_drop(&s->access, &s->access_anew);
	if (s->lock >= 0)
		(void)close(s->lock);
	free(s);
}

enum ka_result
ka_store_commit(struct ka_store *s, struct ka_error *err)
{
	enum ka_result r;

	if ((r = ka_store_write_meta(&s->access, &s->meta)) != KA_OK)
		return ka_store_fail(s, r, err);
	if ((r = ka_store_file_commit(&s->access, err)) != KA_OK)
		return r;
	s->committed = true;
	if ((r = ka_store_settle(&s->access, &s->access_anew, err)) != KA_OK ||
	    (r = ka_store_file_begin(&s->access, err)) != KA_OK || (r = ka_store_catch_up(s, err)) != KA_OK)
		return r;
	return ka_store_settle(&s->names, &s->names_anew, err);
}

bool
ka_store_has_committed(const struct ka_store *s)
{
	return s != NULL && s->committed;
}

/* Rows */

enum ka_result
ka_store_get(struct ka_store *s, enum ka_table table, const void *key, size_t keylen, struct ka_row *row)
{
	return ka_store_file_get(&s->access, table, key, keylen, row);
}

enum ka_result
ka_store_seek(struct ka_store *s, enum ka_table table, const void *key, size_t keylen, struct ka_row *row)
{
	return ka_store_file_seek(&s->access, table, key, keylen, row);
}

enum ka_result
ka_store_seek_value(
    struct ka_store *s, enum ka_table table, const void *key, size_t keylen, struct ka_store_value *value)
{
	return ka_store_file_seek_value(&s->access, table, key, keylen, value);
}

enum ka_result
ka_store_next(struct ka_store *s, enum ka_table table, const void *prefix, size_t prefixlen, struct ka_row *row)
{
	return ka_store_file_next(&s->access, table, prefix, prefixlen, row);
}

enum ka_result
ka_store_put(struct ka_store *s, enum ka_table table, const void *key, size_t keylen, const void *payload, size_t len)
{
	return ka_store_file_put(&s->access, table, key, keylen, payload, len);
}

enum ka_result
ka_store_remove(struct ka_store *s, enum ka_table table, const void *key, size_t keylen)
{
	return ka_store_file_remove(&s->access, table, key, keylen);
}

enum ka_result
ka_store_get_blob(struct ka_store *s, const uint8_t sha256[static KA_SHA256_LEN], uint8_t *blob, size_t *bloblen)
{
	const uint8_t *payload;
	size_t len;
	enum ka_result r = ka_store_file_value(&s->access, KA_TABLE_BLOB, sha256, KA_SHA256_LEN, &payload, &len);

	if (r != KA_OK)
		return r;
	if (len > *bloblen)
		return KA_CORRUPT;
	memcpy(blob, payload, len);
	*bloblen = len;
	return KA_OK;
}

static enum ka_result
append_change(struct ka_store *s, struct ka_change *change)
{
	uint8_t payload[KA_CHANGE_MAX], key[8];
	size_t len;
	enum ka_result r;

	change->at_s = ka_time_now();
	change->actor = s->actor;
	memcpy(change->sudo_user, s->sudo_user, sizeof(change->sudo_user));
	(void)snprintf(change->verb, sizeof(change->verb), "%s", s->verb);
	if ((r = ka_record_put_change(change, payload, &len)) != KA_OK)
		return r;
	ka_table_be64(s->meta.changes + 1, key);
	if ((r = ka_store_put(s, KA_TABLE_CHANGE, key, sizeof(key), payload, len)) != KA_OK)
		return r;
	s->meta.changes++;
	if (change->table == KA_TABLE_PROJECT && s->project_at == 0)
		s->project_at = s->meta.changes;
	return KA_OK;
}

enum ka_result
ka_store_change(
    struct ka_store *s, enum ka_table table, const void *key, size_t keylen, const void *payload, size_t len)
{
	struct ka_change change = {.table = table};
	enum ka_result r = ka_store_get(s, table, key, keylen, &change.before);

	if (r != KA_OK && r != KA_NOTFOUND)
		return r;
	if (payload == NULL
		? r == KA_NOTFOUND
		: r == KA_OK && change.before.len == len && memcmp(change.before.payload, payload, len) == 0)
		return KA_OK;
	if (payload != NULL) {
		if (len > sizeof(change.after.payload))
			return KA_INVALID;
		change.after.keylen = keylen;
		change.after.len = len;
		memcpy(change.after.key, key, keylen);
		memcpy(change.after.payload, payload, len);
		r = ka_store_put(s, table, key, keylen, payload, len);
	} else {
		r = ka_store_remove(s, table, key, keylen);
	}
	return r == KA_OK ? append_change(s, &change) : r;
}

enum ka_result
ka_store_project_again(struct ka_store *s, const uint8_t project[static KA_UUID_LEN])
{
	struct ka_change change = {.table = KA_TABLE_PROJECT};
	enum ka_result r = ka_store_get(s, KA_TABLE_PROJECT, project, KA_UUID_LEN, &change.before);

	change.after = change.before;
	return r == KA_OK ? append_change(s, &change) : r;
}

void
ka_store_begin_command(struct ka_store *s, const char *verb)
{
	s->verb = verb;
}

enum ka_result
ka_store_get_change(struct ka_store *s, uint64_t seq, struct ka_change *change)
{
	const uint8_t *payload;
	uint8_t key[8];
	size_t len;
	enum ka_result r;

	ka_table_be64(seq, key);
	if ((r = ka_store_file_value(&s->access, KA_TABLE_CHANGE, key, sizeof(key), &payload, &len)) != KA_OK)
		return r;
	r = ka_record_get_change(payload, len, change);
	change->seq = seq;
	return r;
}

enum ka_result
ka_store_changes(struct ka_store *s, uint64_t *first, uint64_t *last)
{
	struct ka_pruned pruned;
	struct ka_meta meta;
	enum ka_result r;

	if ((r = ka_store_read_meta(&s->access, &meta)) != KA_OK || (r = ka_store_read_pruned(s, &pruned)) != KA_OK)
		return r;
	*first = pruned.last + 1;
	*last = meta.changes;
	return KA_OK;
}

enum ka_result
ka_store_prune_changes(struct ka_store *s, const struct ka_pruned *wanted)
{
	struct ka_pruned pruned = *wanted, old;
	uint8_t key[8], payload[KA_RECORD_MAX];
	size_t len;
	enum ka_result r = ka_store_read_pruned(s, &old);

	/* names.mdb takes what changed from the log. */
	if (pruned.last > s->projected)
		pruned.last = s->projected;
	if (r != KA_OK || pruned.last <= old.last)
		return r;
	for (uint64_t seq = old.last + 1; r == KA_OK && seq <= pruned.last; seq++) {
		ka_table_be64(seq, key);
		r = ka_store_remove(s, KA_TABLE_CHANGE, key, sizeof(key));
	}
	if (r != KA_OK || (r = ka_record_put_pruned(&pruned, payload, &len)) != KA_OK)
		return r;
	return ka_store_change(s, KA_TABLE_META, KA_PRUNED_KEY, strlen(KA_PRUNED_KEY), payload, len);
}

enum ka_result
ka_store_settings(struct ka_store *s, struct ka_settings *settings)
{
	struct ka_row row;
	enum ka_result r = ka_store_get(s, KA_TABLE_SETTINGS, KA_SETTINGS_KEY, strlen(KA_SETTINGS_KEY), &row);

	ka_record_default_settings(settings);
	if (r == KA_NOTFOUND)
		return KA_OK;
	return r == KA_OK ? ka_record_get_settings(row.payload, row.len, settings) : r;
}

enum ka_result
ka_store_next_uid(struct ka_store *s, uint32_t *uid)
{
	struct ka_row row;
	enum ka_result r;

	/* An adopted uid may lie in the range: step over it. */
	for (; s->meta.uid_next <= KA_UID_LAST; s->meta.uid_next++) {
		uint8_t key[4];

		ka_table_be32(s->meta.uid_next, key);
		if ((r = ka_store_get(s, KA_TABLE_UID, key, sizeof(key), &row)) == KA_NOTFOUND) {
			*uid = s->meta.uid_next++;
			return KA_OK;
		}
		if (r != KA_OK)
			return r;
	}
	return KA_CONFLICT;
}

uint32_t
ka_store_uid_counter(const struct ka_store *s)
{
	return s->meta.uid_next;
}

enum ka_result
ka_store_raise_uid_counter(struct ka_store *s, uint32_t uid)
{
	if (uid < KA_UID_FIRST || uid > KA_UID_LAST + 1)
		return KA_INVALID;
	if (uid > s->meta.uid_next)
		s->meta.uid_next = uid;
	return KA_OK;
}

uint64_t
ka_store_count_changes(const struct ka_store *s)
{
	return s->meta.changes;
}

enum ka_result
ka_store_fail(const struct ka_store *s, enum ka_result r, struct ka_error *err)
{
	return ka_store_file_fail(&s->access, r, err);
}
