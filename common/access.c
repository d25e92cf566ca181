#include "common/access.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static const struct {
	const char *name, *text;
} reasons[KA_REASONS] = {
    [KA_REASON_GRANTED] = {"granted", "Access is granted."},
    [KA_REASON_UNKNOWN_PROJECT] = {"unknown-project", "There is no such project."},
    [KA_REASON_UNKNOWN_KEY] = {"unknown-key", "No account has registered this key."},
    [KA_REASON_KEY_REACH] = {"key-reach", "The key is registered for other projects only."},
    [KA_REASON_NOT_MEMBER] = {"not-member", "The key's account neither owns this project nor collaborates in it."},
    [KA_REASON_MEMBER_NOT_YET] = {"member-not-yet", "The account's membership in this project has not begun."},
    [KA_REASON_MEMBER_EXPIRED] = {"member-expired", "The account's membership in this project has expired."},
    [KA_REASON_ACCOUNT_SUSPENDED] = {"account-suspended", "The key's account is suspended."},
    [KA_REASON_KEY_INACTIVE] = {"key-inactive", "The key is switched off."},
    [KA_REASON_KEY_NOT_YET] = {"key-not-yet", "The key is not valid yet."},
    [KA_REASON_KEY_EXPIRED] = {"key-expired", "The key has expired."},
    [KA_REASON_KEY_TYPE] = {"key-type", "Keys of this type are not allowed here any more."},
    [KA_REASON_KEY_BITS] = {"key-bits", "RSA keys of this size are not allowed here any more."},
    [KA_REASON_KEY_NO_TOKEN] = {"key-no-token", "Only keys of a security key (sk-) are allowed here."},
    [KA_REASON_KEY_HOST] = {"key-host", "The key may not be used on this host."},
    [KA_REASON_KEY_ADDRESS] = {"key-address", "The key may not be used from this address."},
    [KA_REASON_PROJECT_DELETED] = {"project-deleted", "This project has been deleted."},
    [KA_REASON_PROJECT_ARCHIVED] = {"project-archived",
	"This project is archived. Ask one of its owners or the administrator to bring it back."},
    [KA_REASON_SSH_OFF] = {"ssh-off", "SSH is switched off for this project. Ask one of its owners to switch it on."},
    [KA_REASON_UID_MISMATCH] = {"uid-mismatch",
	"This project cannot be entered: the host's records of it disagree. Please tell the administrator."},
};

const char *
ka_access_reason_name(enum ka_reason reason)
{
	return reasons[reason].name;
}

const char *
ka_access_reason_text(enum ka_reason reason)
{
	return reasons[reason].text;
}

bool
ka_access_reason_is_project(enum ka_reason reason)
{
	return reason >= KA_REASON_PROJECT_DELETED;
}

const char *
ka_access_role_name(enum ka_role role)
{
	return role == KA_ROLE_OWNER ? "owner" : "collaborator";
}

/* Does ${word}, a host or a type, stand in the comma-separated ${list}? Host names have no case. */
static bool
list_has(const char *list, const char *word)
{
	for (;;) {
		size_t len = strcspn(list, ",");

		if (word != NULL && len == strlen(word) && strncasecmp(list, word, len) == 0)
			return true;
		if (list[len] == '\0')
			return false;
		list += len + 1;
	}
}

static bool
too_early(int64_t not_before_s, int64_t at_s)
{
	return not_before_s != 0 && at_s < not_before_s;
}

bool
ka_access_has_ended(int64_t expires_s, int64_t at_s)
{
	return expires_s != 0 && at_s >= expires_s;
}

bool
ka_access_account_is_active(const struct ka_account *account)
{
	return account->state == KA_ACCOUNT_ACTIVE;
}

bool
ka_access_member_holds(const struct ka_member *member, int64_t at_s)
{
	return !too_early(member->not_before_s, at_s) && !ka_access_has_ended(member->expires_s, at_s);
}

bool
ka_access_owns_lastingly(const struct ka_member *member, const struct ka_account *account, int64_t at_s)
{
	return ka_access_account_is_active(account) && member->role == KA_ROLE_OWNER && member->expires_s == 0 &&
	       !too_early(member->not_before_s, at_s);
}

static enum ka_reason
judge_project(const struct ka_project *project, const struct ka_access_question *q)
{
	switch (project->state) {
	case KA_PROJECT_DELETED:
		return KA_REASON_PROJECT_DELETED;
	case KA_PROJECT_ARCHIVED:
		return KA_REASON_PROJECT_ARCHIVED;
	case KA_PROJECT_ACTIVE:
		break;
	}
	if (!project->ssh && !q->not_ssh)
		return KA_REASON_SSH_OFF;
	if (q->uid_known && q->uid != project->uid)
		return KA_REASON_UID_MISMATCH;
	return KA_REASON_GRANTED;
}

enum ka_reason
ka_access_judge_policy(const struct ka_settings *settings, const struct ka_key *key)
{
	if (settings->key_types[0] != '\0' && !list_has(settings->key_types, key->type))
		return KA_REASON_KEY_TYPE;
	if (strcmp(key->type, "ssh-rsa") == 0 && key->bits < settings->rsa_bits_min)
		return KA_REASON_KEY_BITS;
	if (settings->security_keys != KA_SECURITY_KEYS_OPTIONAL && strncmp(key->type, "sk-", 3) != 0)
		return KA_REASON_KEY_NO_TOKEN;
	return KA_REASON_GRANTED;
}

/* May the key be used on a host of this name? */
static bool
is_for_host(const struct ka_key *key, const char *host)
{
	return key->hosts[0] == '\0' || list_has(key->hosts, host);
}

enum ka_reason
ka_access_judge_settings(const struct ka_settings *settings, const struct ka_key *key)
{
	enum ka_reason of_policy = ka_access_judge_policy(settings, key);

	if (of_policy == KA_REASON_GRANTED && settings->host[0] != '\0' && !is_for_host(key, settings->host))
		return KA_REASON_KEY_HOST;
	return of_policy;
}

enum ka_reason
ka_access_judge_key(const struct ka_settings *settings, const struct ka_account *account, const struct ka_key *key,
    const struct ka_access_question *q)
{
	const char *host = settings->host[0] != '\0' ? settings->host : q->host;
	enum ka_reason of_policy;

	if (!ka_access_account_is_active(account))
		return KA_REASON_ACCOUNT_SUSPENDED;
	if (key->state != KA_KEY_ACTIVE)
		return KA_REASON_KEY_INACTIVE;
	if (too_early(key->not_before_s, q->at_s))
		return KA_REASON_KEY_NOT_YET;
	if (ka_access_has_ended(key->expires_s, q->at_s))
		return KA_REASON_KEY_EXPIRED;
	if ((of_policy = ka_access_judge_policy(settings, key)) != KA_REASON_GRANTED)
		return of_policy;
	if (!is_for_host(key, host))
		return KA_REASON_KEY_HOST;
	if (key->from[0] != '\0' && !q->address_to_sshd &&
	    (!q->address_known || !ka_address_matches(key->from, q->address)))
		return KA_REASON_KEY_ADDRESS;
	return KA_REASON_GRANTED;
}

/*
 * What one membership, the account's own or a group's, adds to ${reg}: the highest role of those that hold now, or,
 * when none does, the reason of the one that came closest. ${reg}->reason is KA_REASON_NOT_MEMBER at first.
 */
static enum ka_result
add_membership(struct ka_view *view, const struct ka_access_question *q, enum ka_subject kind,
    const uint8_t subject[static KA_UUID_LEN], struct ka_access_registration *reg)
{
	enum ka_reason reason = KA_REASON_GRANTED;
	uint8_t key[KA_MEMBER_KEY_LEN];
	struct ka_member member;
	struct ka_row row;
	enum ka_result r;

	ka_table_member_key(q->project, kind, subject, key);
	if ((r = ka_view_get(view, KA_TABLE_MEMBER, key, sizeof(key), &row)) == KA_NOTFOUND)
		return KA_OK;
	if (r != KA_OK || (r = ka_record_row_member(&row, &member)) != KA_OK)
		return r;
	if (too_early(member.not_before_s, q->at_s))
		reason = KA_REASON_MEMBER_NOT_YET;
	else if (ka_access_has_ended(member.expires_s, q->at_s))
		reason = KA_REASON_MEMBER_EXPIRED;
	if (reason == KA_REASON_GRANTED) {
		bool first = reg->reason != KA_REASON_GRANTED;

		if (first || member.role > reg->role)
			reg->role = member.role;
		/* Of several the last end counts, and no end is the last. */
		if (first || member.expires_s == 0 || (reg->until_s != 0 && member.expires_s > reg->until_s))
			reg->until_s = member.expires_s;
	}
	if (reason == KA_REASON_GRANTED || (reg->reason != KA_REASON_GRANTED && reason > reg->reason))
		reg->reason = reason;
	return KA_OK;
}

/* Is the registration's account in the project now, itself or through a group? Sets ${reg}->role when it is. */
static enum ka_result
judge_member(struct ka_view *view, const struct ka_access_question *q, struct ka_access_registration *reg)
{
	struct ka_row row = {.keylen = 0};
	enum ka_result r;

	reg->reason = KA_REASON_NOT_MEMBER;
	if ((r = add_membership(view, q, KA_SUBJECT_ACCOUNT, reg->account.id, reg)) != KA_OK)
		return r;
	for (int i = 0; (r = ka_view_next(view, KA_TABLE_GROUP_OF, reg->account.id, KA_UUID_LEN, &row)) == KA_OK; i++) {
		if (i == KA_GROUPS_MAX || row.keylen != KA_PAIR_KEY_LEN)
			return KA_CORRUPT;
		if ((r = add_membership(view, q, KA_SUBJECT_GROUP, row.key + KA_UUID_LEN, reg)) != KA_OK)
			return r;
	}
	return r == KA_NOTFOUND ? KA_OK : r;
}

/* May this key of this account be used for the project at all? */
static enum ka_result
judge_reach(struct ka_view *view, const struct ka_access_question *q, struct ka_access_registration *reg)
{
	uint8_t key[KA_REACH_KEY_LEN];
	struct ka_row row;
	enum ka_result r;

	reg->reason = KA_REASON_GRANTED;
	if (!reg->key.named)
		return KA_OK;
	ka_table_reach_key(reg->key.sha256, reg->key.account, q->project, key);
	if ((r = ka_view_get(view, KA_TABLE_REACH, key, sizeof(key), &row)) == KA_NOTFOUND) {
		reg->reason = KA_REASON_KEY_REACH;
		return KA_OK;
	}
	return r;
}

static enum ka_result
read_account(struct ka_view *view, const uint8_t id[static KA_UUID_LEN], struct ka_account *account)
{
	struct ka_row row;
	enum ka_result r = ka_view_get(view, KA_TABLE_ACCOUNT, id, KA_UUID_LEN, &row);

	/* A registration never outlives its account. */
	if (r == KA_NOTFOUND)
		return KA_CORRUPT;
	return r == KA_OK ? ka_record_row_account(&row, account) : r;
}

/* Judge one registration, from the outermost question to the innermost: the order of enum ka_reason. */
static enum ka_result
judge_registration(struct ka_view *view, const struct ka_settings *settings, const struct ka_access_question *q,
    struct ka_access_registration *reg)
{
	enum ka_result r;

	if ((r = read_account(view, reg->key.account, &reg->account)) != KA_OK)
		return r;
	if ((r = judge_reach(view, q, reg)) != KA_OK || reg->reason != KA_REASON_GRANTED)
		return r;
	if ((r = judge_member(view, q, reg)) != KA_OK || reg->reason != KA_REASON_GRANTED)
		return r;
	reg->reason = ka_access_judge_key(settings, &reg->account, &reg->key, q);
	if (reg->until_s == 0 || (reg->key.expires_s != 0 && reg->key.expires_s < reg->until_s))
		reg->until_s = reg->key.expires_s;
	return KA_OK;
}

/* Is ${a} the better one to take a person for? Ids break ties, so that the answer never depends on the file's order. */
static bool
better(const struct ka_access_registration *a, const struct ka_access_registration *b)
{
	if ((a->reason == KA_REASON_GRANTED) != (b->reason == KA_REASON_GRANTED))
		return a->reason == KA_REASON_GRANTED;
	if (a->role != b->role)
		return a->role > b->role;
	if (a->key.created_s != b->key.created_s)
		return a->key.created_s < b->key.created_s;
	return memcmp(a->key.account, b->key.account, KA_UUID_LEN) < 0;
}

static void
sort_registrations(struct ka_access_answer *answer)
{
	for (size_t i = 1; i < answer->registrations; i++)
		for (size_t j = i; j > 0 && better(&answer->registration[j], &answer->registration[j - 1]); j--) {
			struct ka_access_registration swap = answer->registration[j];

			answer->registration[j] = answer->registration[j - 1];
			answer->registration[j - 1] = swap;
		}
}

/* Judge every registration of the key; the reason is the closest one's. */
static enum ka_result
judge_registrations(struct ka_view *view, const struct ka_access_question *q, struct ka_access_answer *answer)
{
	struct ka_row row = {.keylen = 0};
	enum ka_result r;

	answer->reason = KA_REASON_UNKNOWN_KEY;
	while ((r = ka_view_next(view, KA_TABLE_KEY, q->sha256, KA_SHA256_LEN, &row)) == KA_OK) {
		struct ka_access_registration *reg;

		if (answer->registrations == KA_REGISTRATIONS_MAX)
			return KA_CORRUPT;
		reg = &answer->registration[answer->registrations];
		memset(reg, 0, sizeof(*reg));
		if ((r = ka_record_row_key(&row, &reg->key)) != KA_OK ||
		    (r = judge_registration(view, &answer->settings, q, reg)) != KA_OK)
			return r;
		answer->registrations++;
		if (reg->reason == KA_REASON_GRANTED)
			answer->admitting++;
		else if (reg->reason > answer->reason)
			answer->reason = reg->reason;
	}
	if (answer->admitting > 0)
		answer->reason = KA_REASON_GRANTED;
	sort_registrations(answer);
	return r == KA_NOTFOUND ? KA_OK : r;
}

static void
clear_answer(struct ka_access_answer *answer)
{
	answer->reason = KA_REASON_UNKNOWN_PROJECT;
	answer->admitting = answer->registrations = 0;
	memset(&answer->project, 0, sizeof(answer->project));
	ka_record_default_settings(&answer->settings);
}

static enum ka_result
read_settings(struct ka_view *view, struct ka_settings *settings)
{
	struct ka_row row;
	enum ka_result r = ka_view_get(view, KA_TABLE_SETTINGS, KA_SETTINGS_KEY, strlen(KA_SETTINGS_KEY), &row);

	if (r == KA_NOTFOUND)
		return KA_OK;
	return r == KA_OK ? ka_record_get_settings(row.payload, row.len, settings) : r;
}

/* KA_OK with ${found} false when there is none. */
static enum ka_result
read_project(struct ka_view *view, const uint8_t id[static KA_UUID_LEN], struct ka_project *project, bool *found)
{
	struct ka_row row;
	enum ka_result r = ka_view_get(view, KA_TABLE_PROJECT, id, KA_UUID_LEN, &row);

	*found = r == KA_OK;
	if (r == KA_NOTFOUND)
		return KA_OK;
	return r == KA_OK ? ka_record_row_project(&row, project) : r;
}

enum ka_result
ka_access_decide(struct ka_view *view, const struct ka_access_question *q, struct ka_access_answer *answer)
{
	enum ka_reason of_project;
	enum ka_result r;
	bool found;

	clear_answer(answer);
	if ((r = read_project(view, q->project, &answer->project, &found)) != KA_OK || !found)
		return r;
	if ((r = read_settings(view, &answer->settings)) != KA_OK ||
	    (r = judge_registrations(view, q, answer)) != KA_OK)
		return r;
	/* Strangers learn nothing about the project: its own reason is only for a key that would be let in. A deleted
	 * one has no members any more, so nobody's would be; the log and the administrator are told all the same. */
	of_project = judge_project(&answer->project, q);
	if (answer->reason == KA_REASON_GRANTED ||
	    (of_project == KA_REASON_PROJECT_DELETED && answer->registrations > 0))
		answer->reason = of_project;
	return KA_OK;
}

enum ka_result
ka_access_decide_project(struct ka_view *view, const struct ka_access_question *q, struct ka_access_answer *answer)
{
	enum ka_result r;
	bool found;

	clear_answer(answer);
	if ((r = read_project(view, q->project, &answer->project, &found)) != KA_OK || !found)
		return r;
	answer->reason = judge_project(&answer->project, q);
	return KA_OK;
}

/* How many changes the file of ${view} has. */
static enum ka_result
read_changes(struct ka_view *view, void *changes)
{
	struct ka_meta meta;
	struct ka_row row;
	enum ka_result r = ka_view_get(view, KA_TABLE_META, KA_META_KEY, strlen(KA_META_KEY), &row);

	if (r == KA_NOTFOUND)
		return KA_CORRUPT;
	if (r != KA_OK || (r = ka_record_get_meta(row.payload, row.len, &meta)) != KA_OK)
		return r;
	*(uint64_t *)changes = meta.changes;
	return KA_OK;
}

struct asking {
	const struct ka_access_question *question;
	struct ka_access_answer *answer;
	bool project_only;
	uint64_t projected; /* changes that names.mdb has */
};

static enum ka_result
walk(struct ka_view *view, void *arg)
{
	struct asking *a = arg;
	uint64_t changes;
	enum ka_result r;

	if ((r = read_changes(view, &changes)) != KA_OK)
		return r;
	if (changes < a->projected)
		return KA_CONFLICT;
	return a->project_only ? ka_access_decide_project(view, a->question, a->answer)
			       : ka_access_decide(view, a->question, a->answer);
}

static enum ka_result
read_file(const char *dir, enum ka_file file, enum ka_result (*read)(struct ka_view *, void *), void *arg)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s", dir, ka_table_file_name(file));

	return n < 0 || (size_t)n >= sizeof(path) ? KA_UNAVAIL : ka_view_read(path, read, arg);
}

/* names.mdb first: a commit in between can only make access.mdb newer. Who may not read it has nothing to compare, and
 * whose NSS may not finds no project to ask about. */
static enum ka_result
read_projected(const char *dir, uint64_t *projected)
{
	char path[PATH_MAX];
	enum ka_result r = read_file(dir, KA_FILE_NAMES, read_changes, projected);

	(void)snprintf(path, sizeof(path), "%s/%s", dir, ka_table_file_name(KA_FILE_NAMES));
	if (r == KA_UNAVAIL && faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) != 0 && (errno == ENOENT || errno == EACCES))
		return KA_OK;
	return r;
}

static enum ka_result
ask(const char *dir, struct asking *a)
{
	enum ka_result r;

	a->answer->file = KA_FILE_NAMES;
	if ((r = read_projected(dir, &a->projected)) != KA_OK)
		return r;
	a->answer->file = KA_FILE_ACCESS;
	return read_file(dir, KA_FILE_ACCESS, walk, a);
}

enum ka_result
ka_access_ask(const char *dir, const struct ka_access_question *question, struct ka_access_answer *answer)
{
	struct asking a = {.question = question, .answer = answer};

	return ask(dir, &a);
}

enum ka_result
ka_access_ask_project(const char *dir, const struct ka_access_question *question, struct ka_access_answer *answer)
{
	struct asking a = {.question = question, .answer = answer, .project_only = true};

	return ask(dir, &a);
}

void
ka_access_options(
    const struct ka_access_answer *answer, const struct ka_key *key, char options[static KA_ACCESS_OPTIONS_LEN])
{
	bool verify = answer->settings.security_keys == KA_SECURITY_KEYS_VERIFIED;
	char policy[KA_POLICY_OPTIONS_LEN] = "";

	if (answer->reason == KA_REASON_GRANTED)
		ka_policy_options(answer->project.policy, policy);
	(void)snprintf(options, KA_ACCESS_OPTIONS_LEN, "restrict%s%s%s%s%s", policy, verify ? ",verify-required" : "",
	    key->from[0] != '\0' ? ",from=\"" : "", key->from, key->from[0] != '\0' ? "\"" : "");
}
