/*
 * A mirror removes what the import did not name.
 */
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "common/catalog.h"
#include "common/model.h"
#include "common/registration.h"
#include "keyacct/import.h"

/* Half of a SHA256: whom an access belongs to may never be mistaken for somebody who is still there. */
static void
digest(enum ka_table table, const void *key, size_t keylen, uint8_t out[static 16])
{
	uint8_t text[1 + KA_KEY_MAX], sum[SHA256_DIGEST_LENGTH];

	text[0] = (uint8_t)table;
	memcpy(text + 1, key, keylen);
	(void)SHA256(text, 1 + keylen, sum);
	memcpy(out, sum, 16);
}

enum ka_result
seen_mark(struct seen *seen, enum ka_table table, const void *key, size_t keylen)
{
	if (seen->n == seen->room) {
		size_t room = seen->room > 0 ? 2 * seen->room : 1024;
		uint8_t(*marks)[16] = realloc(seen->marks, room * sizeof(*marks));

		if (marks == NULL)
			return KA_UNAVAIL;
		seen->marks = marks;
		seen->room = room;
	}
	digest(table, key, keylen, seen->marks[seen->n++]);
	return KA_OK;
}

static int
compare(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

bool
seen_has(struct seen *seen, enum ka_table table, const void *key, size_t keylen)
{
	uint8_t mark[16];

	if (!seen->sorted && seen->n > 0)
		qsort(seen->marks, seen->n, sizeof(*seen->marks), compare);
	seen->sorted = true;
	digest(table, key, keylen, mark);
	return seen->n > 0 && bsearch(mark, seen->marks, seen->n, sizeof(*seen->marks), compare) != NULL;
}

void
seen_free(struct seen *seen)
{
	free(seen->marks);
	memset(seen, 0, sizeof(*seen));
}

/* A row of one of the tables, read so far as it takes to know whether it is the mirror's, and to remove it. */
union mirrored {
	struct ka_key key;
	struct ka_member member;
	struct ka_group group;
	struct ka_project project;
	struct ka_account account;
};

static bool
is_ours_key(const struct import *im, const union mirrored *m)
{
	return im->origin == NULL || strcmp(m->key.origin, im->origin) == 0;
}

/* What was deleted stays, as a tombstone. */
static bool
is_ours_project(const struct import *im, const union mirrored *m)
{
	(void)im;
	return m->project.state != KA_PROJECT_DELETED;
}

static bool
is_ours(const struct import *im, const union mirrored *m)
{
	(void)im;
	(void)m;
	return true;
}

static enum ka_result
read_key(const struct ka_row *row, union mirrored *m)
{
	return ka_record_row_key(row, &m->key);
}

static enum ka_result
read_member(const struct ka_row *row, union mirrored *m)
{
	return ka_record_row_member(row, &m->member);
}

static enum ka_result
read_group(const struct ka_row *row, union mirrored *m)
{
	return ka_record_row_group(row, &m->group);
}

static enum ka_result
read_project(const struct ka_row *row, union mirrored *m)
{
	return ka_record_row_project(row, &m->project);
}

static enum ka_result
read_account(const struct ka_row *row, union mirrored *m)
{
	return ka_record_row_account(row, &m->account);
}

static enum ka_result
remove_key(struct import *im, union mirrored *m, struct ka_error *err)
{
	return ka_registration_remove(im->store, &m->key, err);
}

static enum ka_result
remove_member(struct import *im, union mirrored *m, struct ka_error *err)
{
	return ka_membership_remove(im->store, &m->member, KA_OWNER_FREE, err);
}

static enum ka_result
remove_group(struct import *im, union mirrored *m, struct ka_error *err)
{
	return ka_model_remove_group(im->store, &m->group, err);
}

static enum ka_result
remove_project(struct import *im, union mirrored *m, struct ka_error *err)
{
	return ka_model_remove_project(im->store, &m->project, err);
}

static enum ka_result
remove_account(struct import *im, union mirrored *m, struct ka_error *err)
{
	return ka_model_remove_account(im->store, &m->account, KA_OWNER_FREE, err);
}

/* Access first, and nothing before what refers to it. */
static const struct {
	enum ka_table table;
	enum ka_result (*read)(const struct ka_row *, union mirrored *);
	bool (*is_ours)(const struct import *, const union mirrored *);
	enum ka_result (*remove)(struct import *, union mirrored *, struct ka_error *);
} mirror[] = {
    {KA_TABLE_KEY, read_key, is_ours_key, remove_key},
    {KA_TABLE_MEMBER, read_member, is_ours, remove_member},
    {KA_TABLE_GROUP, read_group, is_ours, remove_group},
    {KA_TABLE_PROJECT, read_project, is_ours_project, remove_project},
    {KA_TABLE_ACCOUNT, read_account, is_ours, remove_account},
};

#define MIRRORED (sizeof(mirror) / sizeof(mirror[0]))

/* The next row that the mirror is about, and whether it is absent. KA_NOTFOUND after the last of table ${n}. */
static enum ka_result
next_row(struct import *im, size_t n, struct ka_row *row, union mirrored *m, bool *absent)
{
	enum ka_result r;

	do {
		if ((r = ka_store_next(im->store, mirror[n].table, "", 0, row)) != KA_OK ||
		    (r = mirror[n].read(row, m)) != KA_OK)
			return r;
	} while (!mirror[n].is_ours(im, m));
	*absent = !seen_has(&im->seen, mirror[n].table, row->key, row->keylen);
	return KA_OK;
}

enum ka_result
import_count_absent(struct import *im, size_t *absent, size_t *all)
{
	union mirrored m;
	bool is_absent;
	enum ka_result r;

	*absent = *all = 0;
	for (size_t n = 0; n < MIRRORED; n++) {
		struct ka_row row = {.keylen = 0};

		while ((r = next_row(im, n, &row, &m, &is_absent)) == KA_OK) {
			(*all)++;
			*absent += is_absent;
		}
		if (r != KA_NOTFOUND)
			return r;
	}
	return KA_OK;
}

enum ka_result
import_remove_absent(struct import *im, size_t batch, size_t *removed, struct ka_error *err)
{
	union mirrored m;
	bool absent;
	enum ka_result r;

	*removed = 0;
	for (; im->mirrored < MIRRORED; im->mirrored++, im->at.keylen = 0) {
		while ((r = next_row(im, im->mirrored, &im->at, &m, &absent)) == KA_OK) {
			if (!absent)
				continue;
			if ((r = mirror[im->mirrored].remove(im, &m, err)) != KA_OK)
				return r;
			if (++*removed == batch)
				return KA_OK;
		}
		if (r != KA_NOTFOUND)
			return ka_store_fail(im->store, r, err);
	}
	return KA_OK;
}
