#ifndef KEYACCT_CHANGE_H
#define KEYACCT_CHANGE_H
/*
 * One entry of the change log, as JSON and as a line for people.
 */
#include <jansson.h>
#include <stdint.h>

#include "common/record.h"
#include "common/result.h"
#include "common/store.h"
#include "keyacct/show.h"

/**
 * change_ids(change, ids):
 * Whom and what the entry is about: pointers into ${change}, NULL for what is not in the key of its row.
 */
struct change_ids {
	const uint8_t *project, *account, *group, *sha256;
};
void change_ids(const struct ka_change *change, struct change_ids *ids);

/**
 * change_names_note(names, change), change_names_free(names):
 * What the accounts and groups that are gone were called stands in the entry that removed them. All zero at first; note
 * every entry behind those that are shown. Returns KA_OK; KA_UNAVAIL: no memory.
 */
struct change_names {
	void *tree;
};
enum ka_result change_names_note(struct change_names *names, const struct ka_change *change);
void change_names_free(struct change_names *names);

/**
 * change_json(store, names, change):
 * The entry as JSON, as keyacct(5) has it, but without the name of the user: nobody is asked for that while a
 * transaction is open. Ownership: a new reference; NULL: no memory.
 *
 * change_sign(entry): put the user's name in.
 * change_say(entry): put in, as "text", who, what and how in words. For people; scripts have the fields.
 */
json_t *change_json(struct ka_store *store, const struct change_names *names, const struct ka_change *change);
enum ka_result change_sign(json_t *entry);
enum ka_result change_say(json_t *entry);

#endif
