#ifndef TESTS_UNIT_FIXTURE_H
#define TESTS_UNIT_FIXTURE_H
/*
 * A database in a directory of its own, and short ways to put rows into it. Every failure ends the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/membership.h"
#include "common/model.h"
#include "common/registration.h"
#include "common/store.h"

struct fixture {
	char dir[64];
	struct ka_store *store; /* open for writing while the test fills it */
};

static inline void
fixture_new(struct fixture *f)
{
	struct ka_error err = {""};

	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/keyacct-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	if (ka_store_create(f->dir, getgid(), &err) != KA_OK || ka_store_open(f->dir, true, &f->store, &err) != KA_OK)
		fail_msg("%s", err.text);
}

static inline void
fixture_commit(struct fixture *f)
{
	struct ka_error err = {""};

	if (ka_store_commit(f->store, &err) != KA_OK)
		fail_msg("%s", err.text);
}

static inline void
fixture_close(struct fixture *f)
{
	ka_store_close(f->store);
	f->store = NULL;
}

static inline void
fixture_open(struct fixture *f)
{
	struct ka_error err = {""};

	if (ka_store_open(f->dir, true, &f->store, &err) != KA_OK)
		fail_msg("%s", err.text);
}

/* A command of the shell in the database's directory. */
static inline void
fixture_run(const struct fixture *f, const char *what)
{
	char command[256];

	assert_true(snprintf(command, sizeof(command), "cd '%s' && %s", f->dir, what) < (int)sizeof(command));
	assert_int_equal(system(command), 0);
}

static inline void
fixture_free(struct fixture *f)
{
	fixture_close(f);
	fixture_run(f, "rm -rf \"$PWD\"");
}

static inline struct ka_account
fixture_account(struct fixture *f, const char *handle)
{
	struct ka_account account = {.state = KA_ACCOUNT_ACTIVE};
	struct ka_error err = {""};

	(void)snprintf(account.handle, sizeof(account.handle), "%s", handle);
	if (ka_model_add_account(f->store, &account, &err) != KA_OK)
		fail_msg("%s", err.text);
	return account;
}

static inline struct ka_project
fixture_project(struct fixture *f, const char *title, enum ka_project_state state, bool ssh)
{
	struct ka_project project = {.state = state, .ssh = ssh, .policy = KA_POLICY_AGENT};
	struct ka_error err = {""};

	(void)snprintf(project.title, sizeof(project.title), "%s", title);
	if (ka_model_add_project(f->store, &project, &err) != KA_OK)
		fail_msg("%s", err.text);
	return project;
}

static inline void
fixture_member(struct fixture *f, const struct ka_project *project, const struct ka_account *account, enum ka_role role,
    int64_t not_before_s, int64_t expires_s)
{
	struct ka_member member = {
	    .kind = KA_SUBJECT_ACCOUNT, .role = role, .not_before_s = not_before_s, .expires_s = expires_s};
	struct ka_error err = {""};

	memcpy(member.project, project->id, KA_UUID_LEN);
	memcpy(member.subject, account->id, KA_UUID_LEN);
	if (ka_membership_add(f->store, &member, KA_OWNER_KEPT, &err) != KA_OK)
		fail_msg("%s", err.text);
}

/* Registers the key whose fingerprint is all ${mark}; ${key} holds what is to differ from an ordinary one. */
static inline void
fixture_key(struct fixture *f, uint8_t mark, const struct ka_account *account, struct ka_key *key)
{
	struct ka_sshkey sshkey = {.type = "ssh-ed25519", .bits = 256, .bloblen = 4, .comment = "laptop"};
	struct ka_error err = {""};

	memset(sshkey.sha256, mark, sizeof(sshkey.sha256));
	memset(sshkey.md5, mark, sizeof(sshkey.md5));
	memset(sshkey.blob, mark, 4);
	memcpy(key->account, account->id, KA_UUID_LEN);
	if (ka_registration_add(f->store, key, &sshkey, &err) != KA_OK)
		fail_msg("%s", err.text);
}

#endif
