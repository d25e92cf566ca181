#ifndef KA_REGISTRATION_H
#define KA_REGISTRATION_H
/*
 * What may change about the keys that accounts registered, and what has to stay true when it does. As common/model:
 * inside the store's open transaction, which the caller commits, or drops after a failure. Thread safety: none, as the
 * store.
 *
 * Returns of every function, unless it says more: KA_OK; KA_NOTFOUND, KA_CONFLICT and KA_INVALID, each with the
 * sentence in ${err}; KA_UNAVAIL and KA_CORRUPT from the store, also with a sentence.
 */
#include <stdint.h>

#include "common/record.h"
#include "common/result.h"
#include "common/sshkey.h"
#include "common/store.h"

/**
 * ka_registration_add(store, key, sshkey, err):
 * Register ${sshkey} for ${key}->account. What describes the key itself is taken from ${sshkey}; an empty title becomes
 * the first word of its comment, or its type and the date; zero state and created_s are filled in. When the account has
 * the key for single projects already, and ${key} is ->named too, ${key} becomes that registration, which
 * ka_registration_add_reach then adds to.
 * KA_INVALID: what the settings do not allow, a malformed limit. KA_CONFLICT: the account has it already
 * (${err} tells the title), or KA_REGISTRATIONS_MAX accounts have.
 */
enum ka_result ka_registration_add(
    struct ka_store *store, struct ka_key *key, const struct ka_sshkey *sshkey, struct ka_error *err);

/**
 * ka_registration_change(store, key, err):
 * Write ${key} over the registration with its fingerprint and account.
 */
enum ka_result ka_registration_change(struct ka_store *store, const struct ka_key *key, struct ka_error *err);

/**
 * ka_registration_add_reach(store, key, project, err):
 * Let ${key}, which must be ${key}->named, reach one more project, of which its account must be a member. KA_CONFLICT:
 * it is not, or the key reaches the project already.
 */
enum ka_result ka_registration_add_reach(
    struct ka_store *store, const struct ka_key *key, const struct ka_project *project, struct ka_error *err);

/**
 * ka_registration_check_reach(store, key, projects, n, err), ka_registration_set_reach(store, key, projects, n, err):
 * Can ${key}'s account reach all of ${projects}? KA_CONFLICT: it is no member of one. Then: let the key name exactly
 * these.
 */
enum ka_result ka_registration_check_reach(struct ka_store *store, const struct ka_key *key,
    const uint8_t (*projects)[KA_UUID_LEN], size_t n, struct ka_error *err);
enum ka_result ka_registration_set_reach(struct ka_store *store, const struct ka_key *key,
    const uint8_t (*projects)[KA_UUID_LEN], size_t n, struct ka_error *err);

/**
 * ka_registration_remove_reach(store, key, project):
 * Take one project out of what ${key} names. One that is not there is fine.
 * Returns KA_OK; KA_UNAVAIL, without a sentence.
 */
enum ka_result ka_registration_remove_reach(
    struct ka_store *store, const struct ka_key *key, const uint8_t project[static KA_UUID_LEN]);

/**
 * ka_registration_remove(store, key, err):
 * Remove this registration; the key itself goes with the last one.
 */
enum ka_result ka_registration_remove(struct ka_store *store, const struct ka_key *key, struct ka_error *err);

#endif
