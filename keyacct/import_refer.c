/*
 * What a line says of itself and of others: the texts, ids and names in it.
 */
#include <string.h>

#include "common/catalog.h"
#include "keyacct/import.h"

enum ka_result
import_need_text(json_t *object, const char *name, const char **text, struct ka_error *err)
{
	*text = json_string_value(json_object_get(object, name));
	if (*text != NULL)
		return KA_OK;
	return ka_result_fail(err, KA_INVALID, "\"%s\" is missing, or no text", name);
}

enum ka_result
import_read_id(json_t *object, uint8_t id[static KA_UUID_LEN], struct ka_error *err)
{
	static const uint8_t no_id[KA_UUID_LEN];
	json_t *value = json_object_get(object, "id");

	memset(id, 0, KA_UUID_LEN);
	if (value == NULL)
		return KA_OK;
	if (!json_is_string(value) || ka_uuid_parse(json_string_value(value), id) != KA_OK ||
	    memcmp(id, no_id, KA_UUID_LEN) == 0)
		return ka_result_fail(err, KA_INVALID, "\"id\" is no UUID that can be an id");
	return KA_OK;
}

/* Nothing can be there that refers to an id that is not there. */
static enum ka_result
nobody_has(struct import *im, const char *what, const char *id, struct ka_error *err)
{
	im->told = true;
	return ka_result_fail(err, KA_NOTFOUND, "there is no %s %s", what, id);
}

enum ka_result
import_refer_account(struct import *im, const char *text, struct ka_account *account, struct ka_error *err)
{
	uint8_t id[KA_UUID_LEN];
	enum ka_result r;

	if (ka_uuid_parse(text, id) == KA_OK) {
		if ((r = ka_catalog_get_account(im->store, id, account)) == KA_NOTFOUND)
			return nobody_has(im, "account", text, err);
		return ka_store_fail(im->store, r, err);
	}
	if (!ka_record_handle_ok(text))
		return ka_result_fail(err, KA_INVALID, "\"%.80s\" is neither an account's id nor a handle", text);
	if (names_is_moving(&im->names, "", text))
		return ka_result_fail(err, KA_CONFLICT,
		    "nobody knows whose handle \"%s\" is: the line that gives it to somebody else is refused", text);
	if ((r = ka_catalog_find_account(im->store, text, account, NULL)) == KA_NOTFOUND)
		return ka_result_fail(err, r, "there is no account \"%s\"", text);
	return ka_store_fail(im->store, r, err);
}

enum ka_result
import_refer_project(struct import *im, const char *text, uint8_t id[static KA_UUID_LEN], struct ka_error *err)
{
	struct ka_row row;
	enum ka_result r;

	if (ka_uuid_parse(text, id) != KA_OK)
		return ka_result_fail(err, KA_INVALID, "\"%.80s\" is no project's id", text);
	if ((r = ka_store_get(im->store, KA_TABLE_PROJECT, id, KA_UUID_LEN, &row)) == KA_NOTFOUND)
		return nobody_has(im, "project", text, err);
	return ka_store_fail(im->store, r, err);
}

enum ka_result
import_refer_group(struct import *im, const char *text, struct ka_group *group, struct ka_error *err)
{
	const char *name = text[0] == '@' ? text + 1 : text;
	uint8_t id[KA_UUID_LEN];
	enum ka_result r;

	if (ka_uuid_parse(text, id) == KA_OK) {
		if ((r = ka_catalog_get_group(im->store, id, group)) == KA_NOTFOUND)
			return nobody_has(im, "group", text, err);
		return ka_store_fail(im->store, r, err);
	}
	if (!ka_record_handle_ok(name))
		return ka_result_fail(err, KA_INVALID, "\"%.80s\" is neither a group's id nor a name", text);
	if (names_is_moving(&im->names, "@", name))
		return ka_result_fail(err, KA_CONFLICT,
		    "nobody knows which group \"%s\" is: the line that gives the name to another is refused", name);
	if ((r = ka_catalog_find_group(im->store, name, group, NULL)) == KA_NOTFOUND)
		return ka_result_fail(err, r, "there is no group \"%s\"", name);
	return ka_store_fail(im->store, r, err);
}
