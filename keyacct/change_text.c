/*
 * An entry of the change log in words.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/uuid.h"
#include "keyacct/change.h"

/* As many characters of a fingerprint as name it elsewhere. */
#define SHORT_FINGERPRINT (sizeof("SHA256:") - 1 + 8)

static const char *
text_of(json_t *object, const char *field)
{
	const char *text = json_string_value(json_object_get(object, field));

	return text != NULL ? text : "";
}

/* A title in quotes, so that nobody can make one look like the rest of the line. */
static void
print_value(FILE *out, json_t *value)
{
	char *text = NULL;

	if (json_is_boolean(value)) {
		(void)fputs(json_is_true(value) ? "yes" : "no", out);
	} else if (json_is_null(value)) {
		(void)fputs("none", out);
	} else if ((text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT)) != NULL) {
		(void)fputs(text, out);
	}
	free(text);
}

static void
print_by(FILE *out, json_t *by)
{
	const char *user = text_of(by, "user"), *sudo_user = text_of(by, "sudo_user");

	if (user[0] != '\0')
		(void)fputs(user, out);
	else
		print_value(out, json_object_get(by, "uid"));
	/* Whose login it was says the rest already. */
	if (sudo_user[0] != '\0' && strcmp(sudo_user, user) != 0)
		(void)fprintf(out, " (sudo: %s)", sudo_user);
}

/* The handle, or the id of an account that nobody can name any more; of a group as a member likewise. */
static const char *
who(json_t *what)
{
	if (text_of(what, "handle")[0] != '\0')
		return text_of(what, "handle");
	return text_of(what, text_of(what, "account")[0] != '\0' ? "account" : "group");
}

static void
print_title(FILE *out, json_t *what)
{
	if (!json_is_string(json_object_get(what, "title")))
		return;
	(void)fputc(' ', out);
	print_value(out, json_object_get(what, "title"));
}

static void
print_what(FILE *out, json_t *what)
{
	const char *type = text_of(what, "type"), *name = text_of(what, "name");
	int digits = KA_UUID_PREFIX, letters = SHORT_FINGERPRINT;

	if (name[0] == '\0')
		name = text_of(what, "group");
	if (strcmp(type, "project") == 0) {
		(void)fprintf(out, "project %.*s", digits, text_of(what, "project"));
		print_title(out, what);
	} else if (strcmp(type, "account") == 0) {
		(void)fprintf(out, "account %s", who(what));
	} else if (strcmp(type, "group") == 0) {
		(void)fprintf(out, "group %s", name);
	} else if (strcmp(type, "member") == 0) {
		(void)fprintf(out, "member %s of project %.*s", who(what), digits, text_of(what, "project"));
	} else if (strcmp(type, "key") == 0) {
		(void)fprintf(out, "key %.*s", letters, text_of(what, "fingerprint"));
		print_title(out, what);
		(void)fprintf(out, " of %s", who(what));
	} else if (strcmp(type, "reach") == 0) {
		(void)fprintf(out, "key %.*s of %s for project %.*s", letters, text_of(what, "fingerprint"), who(what),
		    digits, text_of(what, "project"));
	} else if (strcmp(type, "group-member") == 0) {
		(void)fprintf(out, "%s in group %s", who(what), name);
	} else if (strcmp(type, "log") == 0) {
		(void)fputs("the change log", out);
	} else {
		(void)fputs(type, out);
	}
}

/* Does a field of a row that came or went say what the line says already, or nothing? */
static bool
is_told(json_t *what, const char *field, json_t *value)
{
	static const char *const told[] = {"type", "id", "created", "fingerprint_md5"};

	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
		if (strcmp(field, told[i]) == 0)
			return true;
	return json_is_null(value) || json_equal(json_object_get(what, field), value);
}

static void
print_row(FILE *out, const char *happened, json_t *what, json_t *row)
{
	const char *field, *between = " (";
	json_t *value;

	(void)fputs(happened, out);
	json_object_foreach(row, field, value)
	{
		if (is_told(what, field, value))
			continue;
		(void)fprintf(out, "%s%s: ", between, field);
		print_value(out, value);
		between = ", ";
	}
	(void)fputs(between[0] == ',' ? ")" : "", out);
}

static void
print_difference(FILE *out, json_t *before, json_t *after)
{
	const char *field, *between = "";
	json_t *value;

	json_object_foreach(after, field, value)
	{
		(void)fprintf(out, "%s%s: ", between, field);
		print_value(out, json_object_get(before, field));
		(void)fputs(" -> ", out);
		print_value(out, value);
		between = ", ";
	}
	/* A default that was written down, or a field of a newer version. */
	(void)fputs(between[0] == '\0' ? "nothing that is shown" : "", out);
}

static void
print_how(FILE *out, json_t *entry)
{
	json_t *what = json_object_get(entry, "what");
	json_t *before = json_object_get(entry, "before"), *after = json_object_get(entry, "after");

	if (strcmp(text_of(what, "type"), "log") == 0)
		(void)fprintf(out, "the entries up to %" JSON_INTEGER_FORMAT ", older than %s, are removed",
		    json_integer_value(json_object_get(after, "last")), text_of(after, "before"));
	else if (json_is_null(before))
		print_row(out, "added", what, after);
	else if (json_is_null(after))
		print_row(out, "removed", what, before);
	else
		print_difference(out, before, after);
}

/* What ${print} prints of the entry, as ${field} of ${text}. */
static enum ka_result
put_words(json_t *text, const char *field, void (*print)(FILE *, json_t *), json_t *of)
{
	char *words = NULL;
	size_t len;
	FILE *out = open_memstream(&words, &len);
	enum ka_result r = KA_UNAVAIL;

	if (out == NULL)
		return r;
	print(out, of);
	if (fclose(out) == 0 && json_object_set_new(text, field, json_string(words)) == 0)
		r = KA_OK;
	free(words);
	return r;
}

enum ka_result
change_say(json_t *entry)
{
	json_t *text = json_object();
	enum ka_result r;

	if ((r = put_words(text, "by", print_by, json_object_get(entry, "by"))) == KA_OK &&
	    (r = put_words(text, "what", print_what, json_object_get(entry, "what"))) == KA_OK &&
	    (r = put_words(text, "how", print_how, entry)) == KA_OK)
		return json_object_set_new(entry, "text", text) == 0 ? KA_OK : KA_UNAVAIL;
	json_decref(text);
	return r;
}
