/*
 * One object of an import that is a group.
 */
#include <stdlib.h>
#include <string.h>

#include "common/catalog.h"
#include "common/model.h"
#include "keyacct/import.h"
#include "keyacct/json.h"

static const uint8_t no_id[KA_UUID_LEN];

/* The accounts of a group, in the order of their ids. */
struct accounts {
	uint8_t (*ids)[KA_UUID_LEN];
	size_t n;
};

static int
compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, KA_UUID_LEN);
}

/* "accounts", before anything is written: is each of them there, and can it join? The caller frees ${all}->ids. */
static enum ka_result
read_accounts(
    struct import *im, const struct ka_group *group, json_t *array, struct accounts *all, struct ka_error *err)
{
	struct ka_account account;
	json_t *element;
	enum ka_result r;

	*all = (struct accounts){.ids = calloc(json_array_size(array) + 1, sizeof(*all->ids))};
	if (all->ids == NULL)
		return ka_result_fail(err, KA_UNAVAIL, "out of memory");
	if (array != NULL && !json_is_array(array))
		return ka_result_fail(err, KA_INVALID, "\"accounts\" has to be an array of handles or ids");
	json_array_foreach(array, all->n, element)
	{
		if (!json_is_string(element))
			return ka_result_fail(err, KA_INVALID, "\"accounts\" has to be an array of handles or ids");
		if ((r = import_refer_account(im, json_string_value(element), &account, err)) != KA_OK ||
		    (r = ka_membership_check_join(im->store, group, &account, err)) != KA_OK)
			return r;
		memcpy(all->ids[all->n], account.id, KA_UUID_LEN);
	}
	qsort(all->ids, all->n, sizeof(*all->ids), compare_ids);
	return KA_OK;
}

/* These are in the group, and nobody else. */
static enum ka_result
set_group_members(struct import *im, const struct ka_group *group, const struct accounts *all, struct ka_error *err)
{
	struct ka_row row = {.keylen = 0};
	struct ka_account account = {.handle = ""};
	enum ka_result r;

	for (size_t i = 0; i < all->n; i++) {
		memcpy(account.id, all->ids[i], KA_UUID_LEN);
		if ((r = ka_membership_join_group(im->store, group, &account, err)) != KA_OK)
			return r;
	}
	while ((r = ka_catalog_next_group_member(im->store, group->id, &row, &account)) == KA_OK)
		if (bsearch(account.id, all->ids, all->n, sizeof(*all->ids), compare_ids) == NULL &&
		    (r = ka_membership_leave_group(im->store, group, &account, err)) != KA_OK)
			return r;
	return r == KA_NOTFOUND ? KA_OK : ka_store_fail(im->store, r, err);
}

static enum ka_result
find_group(struct import *im, json_t *object, struct ka_group *group, bool *found, struct ka_error *err)
{
	const char *name = json_string_value(json_object_get(object, "name"));
	uint8_t id[KA_UUID_LEN];
	enum ka_result r;

	memset(group, 0, sizeof(*group));
	if ((r = import_read_id(object, id, err)) != KA_OK)
		return r;
	if (memcmp(id, no_id, KA_UUID_LEN) != 0)
		r = ka_catalog_get_group(im->store, id, group);
	else if (name == NULL)
		return ka_result_fail(err, KA_INVALID, "a group needs an \"id\" or a \"name\"");
	else if (!ka_record_handle_ok(name))
		return ka_result_fail(
		    err, KA_INVALID, "\"%.80s\" cannot be a group's name, and there is no \"id\"", name);
	else
		r = ka_catalog_find_group(im->store, name, group, NULL);
	*found = r == KA_OK;
	if (r != KA_OK && r != KA_NOTFOUND)
		return ka_store_fail(im->store, r, err);
	im->told = true;
	return *found ? import_mark(im, KA_TABLE_GROUP, group->id, KA_UUID_LEN, err) : KA_OK;
}

static enum ka_result
write_group(struct import *im, struct ka_group *group, const struct ka_group *old, struct ka_error *err)
{
	bool found = old->name[0] != '\0';
	enum ka_result r;

	if (group->created_s == 0)
		group->created_s = old->created_s;
	r = found ? ka_model_change_group(im->store, group, err) : ka_model_add_group(im->store, group, err);
	if (r != KA_CONFLICT)
		return r;
	names_move(&im->names, "@", group->name);
	if (found)
		names_move(&im->names, "@", old->name);
	return r;
}

enum ka_result
import_group(struct import *im, json_t *object, enum import_outcome *outcome, struct ka_error *err)
{
	uint64_t changes = ka_store_count_changes(im->store);
	json_t *array = json_object_get(object, "accounts");
	struct accounts accounts = {.ids = NULL};
	struct ka_group group, old;
	bool found = false;
	enum ka_result r;

	if ((r = find_group(im, object, &group, &found, err)) != KA_OK ||
	    (r = fields_check(json_group_fields, "accounts projects", object, err)) != KA_OK)
		return r;
	old = group;
	if ((r = fields_read(json_group_fields, object, &group, err)) == KA_OK &&
	    (r = read_accounts(im, &group, array, &accounts, err)) == KA_OK &&
	    (r = write_group(im, &group, &old, err)) == KA_OK && array != NULL)
		r = set_group_members(im, &group, &accounts, err);
	free(accounts.ids);
	if (r != KA_OK)
		return r;
	*outcome = import_outcome_of(im, found, changes);
	return found ? KA_OK : import_mark(im, KA_TABLE_GROUP, group.id, KA_UUID_LEN, err);
}
