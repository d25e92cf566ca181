/*
 * Handles that move: a platform's accounts may have exchanged theirs, or taken one that somebody else gave up, and the
 * lines say so one after the other. While a handle is on its way, no line may mean an account by it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/catalog.h"
#include "common/model.h"
#include "keyacct/import.h"

#define NOBODY  SIZE_MAX       /* a handle is free */
#define ANOTHER (SIZE_MAX - 1) /* it is somebody's who keeps it */

void
names_free(struct names *names)
{
	json_decref(names->moving);
	free(names->clashes);
	memset(names, 0, sizeof(*names));
}

void
names_begin(struct names *names)
{
	if (names->moving != NULL)
		(void)json_object_clear(names->moving);
	names->n = 0;
}

static void
full_name(const char *mark, const char *name, char full[static KA_SUBJECT_NAME_LEN])
{
	(void)snprintf(full, KA_SUBJECT_NAME_LEN, "%s%s", mark, name);
}

void
names_move(struct names *names, const char *mark, const char *name)
{
	char full[KA_SUBJECT_NAME_LEN];

	full_name(mark, name, full);
	if (names->moving == NULL)
		names->moving = json_object();
	(void)json_object_set_new(names->moving, full, json_true());
}

bool
names_is_moving(const struct names *names, const char *mark, const char *name)
{
	char full[KA_SUBJECT_NAME_LEN];

	full_name(mark, name, full);
	return names->moving != NULL && json_object_get(names->moving, full) != NULL;
}

enum ka_result
names_clash(struct names *names, const struct ka_account *account, size_t line)
{
	struct clash clash = {.line = line};
	struct clash *grown = names->clashes;

	if ((names->n & (names->n - 1)) == 0)
		grown = realloc(names->clashes, (names->n > 0 ? 2 * names->n : 1) * sizeof(*grown));
	if (grown == NULL)
		return KA_UNAVAIL;
	memcpy(clash.id, account->id, sizeof(clash.id));
	memcpy(clash.handle, account->handle, sizeof(clash.handle));
	names->clashes = grown;
	grown[names->n++] = clash;
	return KA_OK;
}

/* Which of the clashes is the account that has the handle of the ${nth} one? */
static enum ka_result
find_holder(struct import *im, size_t nth, size_t *holder)
{
	const struct names *names = &im->names;
	struct ka_account account;
	enum ka_result r = ka_catalog_find_account(im->store, names->clashes[nth].handle, &account, NULL);

	*holder = NOBODY;
	if (r != KA_OK)
		return r == KA_NOTFOUND ? KA_OK : r;
	*holder = ANOTHER;
	for (size_t i = 0; i < names->n && *holder == ANOTHER; i++)
		if (memcmp(names->clashes[i].id, account.id, KA_UUID_LEN) == 0)
			*holder = i;
	return KA_OK;
}

static bool
is_wanted_before(const struct names *names, size_t nth)
{
	for (size_t i = 0; i < nth; i++)
		if (names->clashes[i].moves &&
		    (strcmp(names->clashes[i].handle, names->clashes[nth].handle) == 0 ||
			memcmp(names->clashes[i].id, names->clashes[nth].id, KA_UUID_LEN) == 0))
			return true;
	return false;
}

/* Who waits for somebody that stays where it is stays too. */
static void
keep_waiting(struct names *names, const size_t *holders)
{
	bool again = true;

	while (again) {
		again = false;
		for (size_t i = 0; i < names->n; i++) {
			if (!names->clashes[i].moves || holders[i] == NOBODY ||
			    (holders[i] != ANOTHER && names->clashes[holders[i]].moves))
				continue;
			names->clashes[i].moves = false;
			again = true;
		}
	}
}

static enum ka_result
choose(struct import *im)
{
	struct names *names = &im->names;
	size_t *holders = calloc(names->n, sizeof(*holders));
	enum ka_result r = holders != NULL ? KA_OK : KA_UNAVAIL;

	for (size_t i = 0; r == KA_OK && i < names->n; i++) {
		r = find_holder(im, i, &holders[i]);
		names->clashes[i].moves = !is_wanted_before(names, i);
	}
	if (r == KA_OK)
		keep_waiting(names, holders);
	free(holders);
	return r;
}

static enum ka_result
read_moving(struct import *im, struct ka_account *accounts, size_t *n)
{
	const struct names *names = &im->names;
	enum ka_result r = KA_OK;

	*n = 0;
	for (size_t i = 0; r == KA_OK && i < names->n; i++) {
		if (!names->clashes[i].moves)
			continue;
		r = ka_catalog_get_account(im->store, names->clashes[i].id, &accounts[*n]);
		memcpy(accounts[(*n)++].handle, names->clashes[i].handle, KA_HANDLE_LEN);
	}
	return r;
}

enum ka_result
import_exchange_handles(struct import *im, struct ka_error *err)
{
	struct ka_account *accounts;
	size_t n;
	enum ka_result r;

	if (im->names.n == 0)
		return KA_OK;
	if ((accounts = calloc(im->names.n, sizeof(*accounts))) == NULL)
		return ka_result_fail(err, KA_UNAVAIL, "out of memory");
	if ((r = choose(im)) != KA_OK || (r = read_moving(im, accounts, &n)) != KA_OK)
		(void)ka_store_fail(im->store, r, err);
	else
		r = ka_model_change_accounts(im->store, accounts, n, err);
	free(accounts);
	return r;
}
