/*
 * keyacct key list --sort: in which order keys are listed.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "keyacct/key.h"

struct key_order {
	const char *name;
	const char *field;
	bool newest; /* what was last comes first */
};

/* The first is taken when none is asked for. */
static const struct key_order orders[] = {{"used", "last_used", true}, {"title", "title", false},
    {"account", "handle", false}, {"project", "projects", false}, {"state", "state", false},
    {"type", "key_type", false}, {"created", "created", true}, {"expires", "expires", false}};

#define ORDERS (sizeof(orders) / sizeof(orders[0]))

enum ka_result
key_read_order(const struct cli *cli, const struct key_order **order, struct ka_error *err)
{
	const char *name = cli_value(cli, "sort", 0);

	*order = &orders[0];
	for (size_t i = 0; name != NULL && i < ORDERS; i++)
		if (strcmp(orders[i].name, name) == 0) {
			*order = &orders[i];
			return KA_OK;
		}
	if (name == NULL)
		return KA_OK;
	return ka_result_fail(err, KA_INVALID, "--sort \"%s\": write " KEY_ORDERS, name);
}

/* What is compared. NULL, for what was never used, has no end or names no project any more, comes last. */
static const char *
value_of(const json_t *row, const struct key_order *order)
{
	const json_t *value = json_object_get(row, order->field);

	if (json_is_object(value))
		return json_string_value(json_object_get(value, "at"));
	if (json_is_array(value))
		return json_string_value(json_array_get(value, 0));
	/* Keys for all projects are before those for single ones. */
	if (value == NULL)
		return "";
	return json_string_value(value);
}

static int
compare_values(const char *x, const char *y, bool newest)
{
	if (x == NULL || y == NULL)
		return (x == NULL) - (y == NULL);
	return newest ? strcmp(y, x) : strcasecmp(x, y);
}

static int
compare_rows(const void *a, const void *b, void *arg)
{
	static const struct key_order ties[] = {{"", "fingerprint", false}, {"", "handle", false}};
	json_t *const *x = a, *const *y = b;
	const struct key_order *order = arg;
	int c = compare_values(value_of(*x, order), value_of(*y, order), order->newest);

	for (size_t i = 0; c == 0 && i < sizeof(ties) / sizeof(ties[0]); i++)
		c = strcmp(value_of(*x, &ties[i]), value_of(*y, &ties[i]));
	return c;
}

json_t *
key_sort_rows(json_t *rows, const struct key_order *order)
{
	size_t n = json_array_size(rows);
	json_t *sorted = json_array();
	json_t **refs = calloc(n + 1, sizeof(json_t *));
	struct key_order by = *order;

	/* jansson sorts no arrays: the references are taken out, sorted and put into a new one. */
	for (size_t i = 0; refs != NULL && i < n; i++)
		refs[i] = json_array_get(rows, i);
	if (refs != NULL)
		qsort_r(refs, n, sizeof(json_t *), compare_rows, &by);
	for (size_t i = 0; refs != NULL && i < n; i++)
		if (json_array_append(sorted, refs[i]) != 0)
			break;
	free(refs);
	if (json_array_size(sorted) != n) {
		json_decref(sorted);
		sorted = NULL;
	}
	json_decref(rows);
	return sorted;
}
