#ifndef KA_ACCESS_H
#define KA_ACCESS_H
/*
 * May this key enter this project now? The only place where that is decided: nothing else compares roles, states, times
 * or limits. The helper, the PAM module and the tool ask here. libc alone.
 * Thread safety: no state is kept; any number of threads.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/address.h"
#include "common/record.h"
#include "common/result.h"
#include "common/view.h"

#define KA_ACCESS_OPTIONS_LEN (KA_FROM_LEN + KA_POLICY_OPTIONS_LEN + 64)

/*
 * Why not. The later a reason stands in this list, the closer it came: of several registrations that all fail, the one
 * that came closest says why.
 */
enum ka_reason {
	KA_REASON_GRANTED = 0,
	KA_REASON_UNKNOWN_PROJECT,
	KA_REASON_UNKNOWN_KEY,
	KA_REASON_KEY_REACH, /* the key is for other projects */
	KA_REASON_NOT_MEMBER,
	KA_REASON_MEMBER_NOT_YET,
	KA_REASON_MEMBER_EXPIRED,
	KA_REASON_ACCOUNT_SUSPENDED,
	KA_REASON_KEY_INACTIVE,
	KA_REASON_KEY_NOT_YET,
	KA_REASON_KEY_EXPIRED,
	KA_REASON_KEY_TYPE, /* the settings */
	KA_REASON_KEY_BITS,
	KA_REASON_KEY_NO_TOKEN,
	KA_REASON_KEY_HOST,
	KA_REASON_KEY_ADDRESS,
	/* the project's own: a key that would be let in reads them */
	KA_REASON_PROJECT_DELETED,
	KA_REASON_PROJECT_ARCHIVED,
	KA_REASON_SSH_OFF,
	KA_REASON_UID_MISMATCH,
	KA_REASONS
};

struct ka_access_question {
	uint8_t project[KA_UUID_LEN];
	uint8_t sha256[KA_SHA256_LEN];
	int64_t at_s;
	const char *host;   /* this host's name, for a key's limit to hosts, unless the settings have another */
	bool address_known; /* false: a key that is limited to addresses is refused, unless … */
	uint8_t address[KA_ADDRESS_LEN];
	bool address_to_sshd; /* … limits to addresses are left to sshd's from=, as the helper has to: sshd 9.2 tells it
				 none */
	bool not_ssh;         /* something else than a login over SSH: that this is off does not count */
	bool uid_known;       /* false: the project's uid is not compared */
	uint32_t uid;         /* what NSS says the project's uid is */
};

/* One registration of the key, and what came of it. */
struct ka_access_registration {
	enum ka_reason reason; /* as if the project were open */
	enum ka_role role;     /* set once it is known to be a member */
	int64_t until_s;       /* when this access runs out by itself, by the key's or the membership's end; 0: never */
	struct ka_account account;
	struct ka_key key;
};

struct ka_access_answer {
	enum ka_reason reason;
	enum ka_file file;           /* when nothing was decided by ka_access_ask: which one is why */
	struct ka_settings settings; /* as they were when it was decided */
	struct ka_project project;   /* zero when it is unknown */
	/* Those that admit come first, best first: owner before collaborator, then the oldest. The rest follow. */
	size_t admitting, registrations;
	struct ka_access_registration registration[KA_REGISTRATIONS_MAX];
};

/**
 * ka_access_decide(view, question, answer):
 * Decide on one snapshot. ${answer}->reason is KA_REASON_GRANTED, or why not; with a project's reason
 * ${answer}->admitting counts the registrations that would have been let in, and with any other it is 0. Ownership:
 * ${answer} (about 80 KB) is the caller's. Returns KA_OK when decided, either way; KA_UNAVAIL; KA_CORRUPT: nothing was
 * decided, which is no.
 */
enum ka_result ka_access_decide(
    struct ka_view *view, const struct ka_access_question *question, struct ka_access_answer *answer);

/**
 * ka_access_decide_project(view, question, answer):
 * Judge the project alone, for the account phase, which is told no key: ${answer}->reason is KA_REASON_GRANTED,
 * KA_REASON_UNKNOWN_PROJECT or one of the project's own.
 * Returns as ka_access_decide.
 */
enum ka_result ka_access_decide_project(
    struct ka_view *view, const struct ka_access_question *question, struct ka_access_answer *answer);

/**
 * ka_access_judge_key(settings, account, key, question):
 * The part of a decision that no project has a say in: may this account use this key at that time, from there, here?
 * KA_REASON_GRANTED, or one of ACCOUNT_SUSPENDED and KEY_*.
 *
 * ka_access_judge_policy(settings, key):
 * What the settings say of keys of this type and size: KA_REASON_GRANTED, KEY_TYPE, KEY_BITS or KEY_NO_TOKEN.
 *
 * ka_access_judge_settings(settings, key):
 * The same, and KEY_HOST when the settings name this host and the key is limited to others: does the key break what is
 * decided for all keys, whatever its state and time?
 */
enum ka_reason ka_access_judge_key(const struct ka_settings *settings, const struct ka_account *account,
    const struct ka_key *key, const struct ka_access_question *question);
enum ka_reason ka_access_judge_policy(const struct ka_settings *settings, const struct ka_key *key);
enum ka_reason ka_access_judge_settings(const struct ka_settings *settings, const struct ka_key *key);

/**
 * ka_access_account_is_active(account): may the account use anything at all?
 */
bool ka_access_account_is_active(const struct ka_account *account);

/**
 * ka_access_member_holds(member, at_s): has the membership begun, and not ended?
 */
bool ka_access_member_holds(const struct ka_member *member, int64_t at_s);

/**
 * ka_access_has_ended(expires_s, at_s): has this end, of a key or a membership, come? 0 never does.
 */
bool ka_access_has_ended(int64_t expires_s, int64_t at_s);

/**
 * ka_access_owns_lastingly(member, account, at_s):
 * Is it the ownership of an active account, begun and without an end, so that a project can rely on it?
 */
bool ka_access_owns_lastingly(const struct ka_member *member, const struct ka_account *account, int64_t at_s);

/**
 * ka_access_ask(dir, question, answer), ka_access_ask_project(dir, question, answer):
 * The same on a fresh snapshot of ${dir}/private/access.mdb. It must have every change that ${dir}/names.mdb has, which
 * is written after it, unless that cannot be read: one that was put back alone would grant again what was taken away
 * since. Returns as above; KA_BUSY when a writer outran every retry; KA_CONFLICT when access.mdb is older than
 * names.mdb; KA_INVALID when others than root can write one of them.
 */
enum ka_result ka_access_ask(
    const char *dir, const struct ka_access_question *question, struct ka_access_answer *answer);
enum ka_result ka_access_ask_project(
    const char *dir, const struct ka_access_question *question, struct ka_access_answer *answer);

/**
 * ka_access_options(answer, key, options):
 * The authorized_keys options for ${key}, one of those that ${answer} admits: restrict, then what the project's policy
 * gives back, unless the project is closed, then what is asked of the key.
 */
void ka_access_options(
    const struct ka_access_answer *answer, const struct ka_key *key, char options[static KA_ACCESS_OPTIONS_LEN]);

/**
 * ka_access_reason_name(reason), ka_access_reason_text(reason):
 * The word for a log line ("not-member"), and one plain sentence for a person.
 */
const char *ka_access_reason_name(enum ka_reason reason);
const char *ka_access_reason_text(enum ka_reason reason);

/**
 * ka_access_reason_is_project(reason):
 * Is it the project's own, so that a holder of a key that would be let in may read it?
 */
bool ka_access_reason_is_project(enum ka_reason reason);

/**
 * ka_access_role_name(role):
 * "owner" or "collaborator".
 */
const char *ka_access_role_name(enum ka_role role);

#endif
