#include "keyacct/fields.h"

#include <stdio.h>
#include <string.h>

#include "common/fingerprint.h"
#include "common/policy.h"
#include "common/record.h"
#include "common/text.h"
#include "common/time.h"
#include "common/uuid.h"
#include "keyacct/json.h"

/* Where a field lies in its structure; the type is the kind's. */
static const void *
at(const struct field *f, const void *row)
{
	return (const char *)row + f->offset;
}

/* "a,b" as ["a", "b"]; null for "". */
static json_t *
print_list(const char *list)
{
	json_t *array;

	if (list[0] == '\0')
		return json_null();
	array = json_array();
	for (;;) {
		size_t len = strcspn(list, ",");

		if (json_array_append_new(array, json_stringn(list, len)) != 0) {
			json_decref(array);
			return NULL;
		}
		if (list[len] == '\0')
			return array;
		list += len + 1;
	}
}

static json_t *
print_policy(const struct field *f, uint32_t policy)
{
	const char *value = ka_policy_get(policy, f->setting);

	return ka_policy_is_switch(f->setting) ? json_boolean(strcmp(value, "on") == 0) : json_string(value);
}

static json_t *
print_field(const struct field *f, const void *row)
{
	char text[KA_SHA256_TEXT_LEN > KA_MD5_TEXT_LEN ? KA_SHA256_TEXT_LEN : KA_MD5_TEXT_LEN];
	const char *string = at(f, row);

	switch (f->kind) {
	case FIELD_UUID:
		return json_uuid(at(f, row));
	case FIELD_TEXT:
		return string[0] != '\0' ? json_string(string) : json_null();
	case FIELD_WORD:
	case FIELD_PATH:
		return json_string(string);
	case FIELD_LIST:
		return print_list(string);
	case FIELD_TIME:
		return json_time(*(const int64_t *)at(f, row));
	case FIELD_NUMBER:
		return json_integer((json_int_t) * (const uint32_t *)at(f, row));
	case FIELD_BOOL:
		return json_boolean(*(const bool *)at(f, row));
	case FIELD_POLICY:
		return print_policy(f, *(const uint32_t *)at(f, row));
	case FIELD_CHOICE:
		return json_string(f->choices[*(const unsigned *)at(f, row) - 1]);
	case FIELD_SHA256:
		ka_fingerprint_format(at(f, row), text);
		return json_string(text);
	case FIELD_MD5:
		ka_fingerprint_format_md5(at(f, row), text);
		return json_string(text);
	}
	return NULL;
}

json_t *
fields_print(const struct field *fields, const void *row)
{
	json_t *object = json_object();

	for (const struct field *f = fields; f->name != NULL; f++)
		if (json_object_set_new_nocheck(object, f->name, print_field(f, row)) != 0) {
			json_decref(object);
			return NULL;
		}
	return object;
}

/* What a field has to be, for a value of another type. */
static const char *
wanted_of(const struct field *f)
{
	switch (f->kind) {
	case FIELD_UUID:
	case FIELD_WORD:
	case FIELD_PATH:
	case FIELD_CHOICE:
	case FIELD_SHA256:
	case FIELD_MD5:
		return "a text";
	case FIELD_TEXT:
		return "a text, or null";
	case FIELD_LIST:
		return "an array of texts that are not empty and have no comma, or null";
	case FIELD_TIME:
		return "a time such as \"2026-12-31T12:00:00Z\", or null";
	case FIELD_NUMBER:
		return "a whole number from 0 to 4294967295";
	case FIELD_BOOL:
		return "true or false";
	case FIELD_POLICY:
		return ka_policy_is_switch(f->setting) ? "true or false" : "\"off\", \"loopback\" or \"on\"";
	}
	return "something else";
}

static enum ka_result
wrong(const struct field *f, struct ka_error *err)
{
	return ka_result_fail(err, KA_INVALID, "\"%s\" has to be %s", f->name, wanted_of(f));
}

/* Texts as the command line takes them: cleaned, and refused when they are too long. The rest of ${out} is zero. */
static enum ka_result
read_text(const struct field *f, const char *text, char *out, struct ka_error *err)
{
	if (strlen(text) >= f->size)
		return ka_result_fail(err, KA_INVALID, "\"%s\" is too long: at most %zu bytes, and this has %zu",
		    f->name, f->size - 1, strlen(text));
	memset(out, 0, f->size);
	(void)ka_text_clean(text, strlen(text), out, f->size);
	return KA_OK;
}

/* What cleaning would change is no handle. */
static enum ka_result
read_word(const struct field *f, const char *text, char *out, struct ka_error *err)
{
	enum ka_result r;

	if ((r = read_text(f, text, out, err)) != KA_OK)
		return r;
	if (text[0] == '\0' || strcmp(text, out) != 0)
		return ka_result_fail(err, KA_INVALID, "\"%s\" cannot be \"%.80s\"", f->name, text);
	return KA_OK;
}

/* To the letter, as the command line takes it: blanks are letters here. */
static enum ka_result
read_path(const struct field *f, const char *text, char *out, struct ka_error *err)
{
	enum ka_result r;

	if ((r = read_text(f, text, out, err)) != KA_OK)
		return r;
	if (!ka_record_path_ok(text) || !ka_text_is_visible(text))
		return ka_result_fail(err, KA_INVALID,
		    "\"%s\" cannot be \"%.80s\": an absolute path is wanted, without a colon, control or invisible "
		    "characters",
		    f->name, text);
	(void)snprintf(out, f->size, "%s", text);
	return KA_OK;
}

static enum ka_result
read_list(const struct field *f, json_t *value, char *out, struct ka_error *err)
{
	json_t *element;
	size_t i, used = 0;

	memset(out, 0, f->size);
	json_array_foreach(value, i, element)
	{
		const char *text = json_string_value(element);
		size_t len = text != NULL ? strlen(text) : 0;

		if (len == 0 || strchr(text, ',') != NULL)
			return wrong(f, err);
		if (used + (used > 0) + len >= f->size)
			return ka_result_fail(err, KA_INVALID, "\"%s\" is too long: at most %zu bytes with its commas",
			    f->name, f->size - 1);
		if (used > 0)
			out[used++] = ',';
		(void)ka_text_clean(text, len, out + used, f->size - used);
		if (strcmp(out + used, text) != 0)
			return ka_result_fail(err, KA_INVALID,
			    "\"%s\" cannot have \"%.80s\" in it: no control characters, no blanks but single ones "
			    "between words",
			    f->name, out + used);
		used += len;
	}
	return KA_OK;
}

static enum ka_result
read_time(const struct field *f, const char *text, int64_t *at_s, struct ka_error *err)
{
	/* A distance would be another time at each import. */
	if (text[0] == '+' || ka_time_parse(text, 0, at_s) != KA_OK)
		return ka_result_fail(
		    err, KA_INVALID, "\"%s\": \"%.40s\" is no time such as 2026-12-31T12:00:00Z", f->name, text);
	return KA_OK;
}

static enum ka_result
read_choice(const struct field *f, const char *text, unsigned *choice, struct ka_error *err)
{
	for (unsigned i = 0; f->choices[i] != NULL; i++)
		if (strcmp(f->choices[i], text) == 0) {
			*choice = i + 1;
			return KA_OK;
		}
	return ka_result_fail(
	    err, KA_INVALID, "\"%s\" cannot be \"%.80s\", but \"%s\" for one", f->name, text, f->choices[0]);
}

/* A string, or null where a kind has one. */
static enum ka_result
read_string(const struct field *f, const char *text, void *out, struct ka_error *err)
{
	switch (f->kind) {
	case FIELD_UUID:
		if (ka_uuid_parse(text, out) == KA_OK)
			return KA_OK;
		return ka_result_fail(err, KA_INVALID, "\"%s\": \"%.40s\" is no UUID", f->name, text);
	case FIELD_TEXT:
		return read_text(f, text, out, err);
	case FIELD_WORD:
		return read_word(f, text, out, err);
	case FIELD_PATH:
		return read_path(f, text, out, err);
	case FIELD_TIME:
		return read_time(f, text, out, err);
	case FIELD_CHOICE:
		return read_choice(f, text, out, err);
	case FIELD_POLICY:
		if (!ka_policy_is_switch(f->setting) && ka_policy_set(out, f->setting, text) == KA_OK)
			return KA_OK;
		return ka_result_fail(err, KA_INVALID, "\"%s\" cannot be \"%.80s\"", f->name, text);
	case FIELD_LIST:
	case FIELD_NUMBER:
	case FIELD_BOOL:
	case FIELD_SHA256:
	case FIELD_MD5:
		break;
	}
	return wrong(f, err);
}

static enum ka_result
read_boolean(const struct field *f, bool value, void *out, struct ka_error *err)
{
	if (f->kind == FIELD_BOOL)
		*(bool *)out = value;
	else if (f->kind != FIELD_POLICY || !ka_policy_is_switch(f->setting))
		return wrong(f, err);
	else
		(void)ka_policy_set(out, f->setting, value ? "on" : "off");
	return KA_OK;
}

static enum ka_result
read_field(const struct field *f, json_t *value, void *row, struct ka_error *err)
{
	void *out = (char *)row + f->offset;
	json_int_t n;

	if (json_is_null(value) && (f->kind == FIELD_TEXT || f->kind == FIELD_LIST || f->kind == FIELD_TIME)) {
		memset(out, 0, f->size);
		return KA_OK;
	}
	if (json_is_string(value))
		return read_string(f, json_string_value(value), out, err);
	if (json_is_boolean(value))
		return read_boolean(f, json_is_true(value), out, err);
	if (json_is_array(value) && f->kind == FIELD_LIST)
		return read_list(f, value, out, err);
	n = json_integer_value(value);
	if (!json_is_integer(value) || f->kind != FIELD_NUMBER || n < 0 || n > UINT32_MAX)
		return wrong(f, err);
	*(uint32_t *)out = (uint32_t)n;
	return KA_OK;
}

enum ka_result
fields_read(const struct field *fields, json_t *object, void *row, struct ka_error *err)
{
	enum ka_result r = KA_OK;

	for (const struct field *f = fields; r == KA_OK && f->name != NULL; f++) {
		json_t *value = f->derived ? NULL : json_object_get(object, f->name);

		if (value != NULL)
			r = read_field(f, value, row, err);
	}
	return r;
}

/* Is ${word} one of ${words}, which have blanks between them? */
static bool
is_word_of(const char *words, const char *word)
{
	size_t wordlen = strlen(word), len;

	for (; *words != '\0'; words += len, words += strspn(words, " ")) {
		len = strcspn(words, " ");
		if (len == wordlen && memcmp(words, word, len) == 0)
			return true;
	}
	return false;
}

enum ka_result
fields_check(const struct field *fields, const char *others, json_t *object, struct ka_error *err)
{
	const char *name;
	json_t *value;

	json_object_foreach(object, name, value)
	{
		const struct field *f = fields;

		while (f->name != NULL && strcmp(f->name, name) != 0)
			f++;
		if (f->name == NULL && strcmp(name, "type") != 0 && !is_word_of(others, name))
			return ka_result_fail(err, KA_INVALID, "there is no field \"%.40s\" here", name);
	}
	return KA_OK;
}
