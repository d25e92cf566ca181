#ifndef KA_MEMBERSHIP_H
#define KA_MEMBERSHIP_H
/*
 * Who is in a project, as an account or through a group: what may change about it, and what has to stay true when it
 * does. A project keeps an account that owns it for good; an account that is in a project in no way any more has no key
 * for it. As common/model: inside the store's open transaction, which the caller commits, or drops after a failure.
 * Thread safety: none, as the store.
 *
 * Returns of every function, unless it says more: KA_OK; KA_NOTFOUND, KA_CONFLICT and KA_INVALID, each with the
 * sentence in ${err}; KA_UNAVAIL and KA_CORRUPT from the store, also with a sentence.
 */
#include <stdint.h>

#include "common/record.h"
#include "common/result.h"
#include "common/store.h"

/* Whether a project has to keep an owner: always, but where the truth is a platform's, which a mirror follows. */
enum ka_owner_rule { KA_OWNER_KEPT, KA_OWNER_FREE };

/**
 * ka_membership_add(store, member, rule, err):
 * Add an account or a group to a project, or change its role and window there. KA_CONFLICT: the project is deleted, or,
 * with KA_OWNER_KEPT, its last owner would be demoted or would stop being one for part of the time.
 */
enum ka_result ka_membership_add(
    struct ka_store *store, struct ka_member *member, enum ka_owner_rule rule, struct ka_error *err);

/**
 * ka_membership_put(store, member, old, rule, err):
 * The same for a caller who has read the membership as it stands: ${old}, or NULL when there is none.
 */
enum ka_result ka_membership_put(struct ka_store *store, struct ka_member *member, const struct ka_member *old,
    enum ka_owner_rule rule, struct ka_error *err);

/**
 * ka_membership_remove(store, member, rule, err):
 * Remove the membership with ${member}'s project, kind and subject; the rest of ${member} is filled in. Keys that were
 * pasted for this project alone open nothing any more, also after their account comes back. KA_NOTFOUND: it is no
 * member; KA_CONFLICT: with KA_OWNER_KEPT, it is the last owner.
 */
enum ka_result ka_membership_remove(
    struct ka_store *store, struct ka_member *member, enum ka_owner_rule rule, struct ka_error *err);

/**
 * ka_membership_drop(store, member, err):
 * The same without asking whether it is there and whether an owner stays: for those who remove the project, the account
 * or the group itself.
 */
enum ka_result ka_membership_drop(struct ka_store *store, const struct ka_member *member, struct ka_error *err);

/**
 * ka_membership_keep_owner(store, leaving, err):
 * KA_CONFLICT when the project would be left without an account that owns it for good.
 */
enum ka_result ka_membership_keep_owner(struct ka_store *store, const struct ka_member *leaving, struct ka_error *err);

/**
 * ka_membership_has_owner(store, project, leaving):
 * Has the project an account that owns it for good, other than ${leaving} (NULL: any)?
 * Returns KA_OK; KA_NOTFOUND; KA_UNAVAIL; KA_CORRUPT, without a sentence.
 */
enum ka_result ka_membership_has_owner(
    struct ka_store *store, const uint8_t project[static KA_UUID_LEN], const uint8_t *leaving);

/**
 * ka_membership_join_group(store, group, account, err), ka_membership_leave_group(store, group, account, err):
 * Joining twice is fine. KA_CONFLICT: in KA_GROUPS_MAX groups already. KA_NOTFOUND: it is not in the group.
 *
 * ka_membership_check_join(store, group, account, err): could it join? Nothing is written.
 */
enum ka_result ka_membership_check_join(
    struct ka_store *store, const struct ka_group *group, const struct ka_account *account, struct ka_error *err);
enum ka_result ka_membership_join_group(
    struct ka_store *store, const struct ka_group *group, const struct ka_account *account, struct ka_error *err);
enum ka_result ka_membership_leave_group(
    struct ka_store *store, const struct ka_group *group, const struct ka_account *account, struct ka_error *err);

#endif
