#ifndef KA_MODEL_H
#define KA_MODEL_H
/*
 * What may change, and what has to stay true when it does: handles and uids are unique, a project keeps an owner, a key
 * registration never outlives its account. Every change of the database goes through here, common/membership or
 * common/registration, inside the store's open transaction; the caller commits, so that one command or one batch of an
 * import is all or nothing. After a failure the caller closes the store without committing. Thread safety: none, as the
 * store.
 *
 * Returns of every function, unless it says more: KA_OK; KA_NOTFOUND, KA_CONFLICT and KA_INVALID, each with the
 * sentence in ${err}; KA_UNAVAIL and KA_CORRUPT from the store, also with a sentence.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/membership.h"
#include "common/record.h"
#include "common/result.h"
#include "common/store.h"

/**
 * ka_model_add_account(store, account, err):
 * Add ${account}. An all-zero id is filled in, a zero state is active, a zero created_s is now.
 * KA_CONFLICT: the handle or the id is taken.
 */
enum ka_result ka_model_add_account(struct ka_store *store, struct ka_account *account, struct ka_error *err);

/**
 * ka_model_change_account(store, account, err):
 * Write ${account} over the one with its id. KA_CONFLICT: the handle is another's.
 */
enum ka_result ka_model_change_account(struct ka_store *store, const struct ka_account *account, struct ka_error *err);

/**
 * ka_model_change_accounts(store, accounts, n, err):
 * The same for several at once, whose handles may go from one to another among them. All of them or none:
 * KA_CONFLICT: a handle is one's who is not among them, or is given twice.
 */
enum ka_result ka_model_change_accounts(
    struct ka_store *store, const struct ka_account *accounts, size_t n, struct ka_error *err);

/**
 * ka_model_remove_account(store, account, rule, err):
 * Remove it with its registrations and memberships. KA_CONFLICT, with KA_OWNER_KEPT: it is the last owner of projects,
 * which ${err} names.
 */
enum ka_result ka_model_remove_account(
    struct ka_store *store, const struct ka_account *account, enum ka_owner_rule rule, struct ka_error *err);

/**
 * ka_model_add_project(store, project, err):
 * Add ${project}. An all-zero id, a zero uid, an empty home or shell (from the settings), and zero state and created_s
 * are filled in. KA_CONFLICT: the id or the uid is taken, also by a deleted project, or the range of uids is used up.
 * Whether the uid is taken by a user of the host is the caller's to ask.
 */
enum ka_result ka_model_add_project(struct ka_store *store, struct ka_project *project, struct ka_error *err);

/**
 * ka_model_change_project(store, project, err):
 * Write ${project} over the one with its id; its id, uid and created_s must be those of that one. A project that is
 * deleted stays so: KA_CONFLICT.
 */
enum ka_result ka_model_change_project(struct ka_store *store, const struct ka_project *project, struct ka_error *err);

/**
 * ka_model_remove_project(store, project, err):
 * Make it a tombstone: name and uid stay, NSS answers with nologin for a shell, no members, nobody gets in.
 */
enum ka_result ka_model_remove_project(struct ka_store *store, struct ka_project *project, struct ka_error *err);

/**
 * ka_model_add_group(store, group, err), ka_model_change_group(store, group, err), ka_model_remove_group(store, group,
 * err):
 * A group is made with its name alone, and can get another; it goes with its memberships, and its accounts stay.
 * KA_CONFLICT: the name is taken.
 */
enum ka_result ka_model_add_group(struct ka_store *store, struct ka_group *group, struct ka_error *err);
enum ka_result ka_model_change_group(struct ka_store *store, const struct ka_group *group, struct ka_error *err);
enum ka_result ka_model_remove_group(struct ka_store *store, const struct ka_group *group, struct ka_error *err);

#endif
