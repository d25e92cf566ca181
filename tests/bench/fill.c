/*
 * fill DIR N: a database of N projects, each with its owner and the owner's key, in one transaction. For benchmarks.
 * The last project's owner has the fingerprint given as a third argument, if there is one. Prints the last project's
 * name.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/membership.h"
#include "common/model.h"
#include "common/registration.h"

static void
check(enum ka_result r, const struct ka_error *err)
{
	if (r == KA_OK)
		return;
	(void)fprintf(stderr, "fill: %s\n", err->text);
	exit(1);
}

static void
add_one(struct ka_store *store, unsigned i, const char *fingerprint, struct ka_project *project)
{
	struct ka_sshkey sshkey = {.type = "ssh-ed25519", .bits = 256, .bloblen = 4, .comment = "bench"};
	struct ka_account account = {.state = KA_ACCOUNT_ACTIVE};
	struct ka_member member = {.kind = KA_SUBJECT_ACCOUNT, .role = KA_ROLE_OWNER};
	struct ka_key key = {.state = KA_KEY_ACTIVE};
	struct ka_error err = {""};

	memset(project, 0, sizeof(*project));
	project->ssh = true;
	project->policy = KA_POLICY_AGENT;
	(void)snprintf(project->title, sizeof(project->title), "project %u", i);
	(void)snprintf(account.handle, sizeof(account.handle), "owner-%u", i);
	check(ka_model_add_account(store, &account, &err), &err);
	check(ka_model_add_project(store, project, &err), &err);
	memcpy(member.project, project->id, KA_UUID_LEN);
	memcpy(member.subject, account.id, KA_UUID_LEN);
	check(ka_membership_add(store, &member, KA_OWNER_KEPT, &err), &err);
	memcpy(sshkey.sha256, account.id, KA_UUID_LEN);
	memcpy(sshkey.sha256 + KA_UUID_LEN, account.id, KA_UUID_LEN);
	if (fingerprint != NULL && ka_fingerprint_parse(fingerprint, sshkey.sha256) != KA_OK) {
		(void)fprintf(stderr, "fill: %s is no fingerprint\n", fingerprint);
		exit(2);
	}
	memcpy(key.account, account.id, KA_UUID_LEN);
	check(ka_registration_add(store, &key, &sshkey, &err), &err);
}

int
main(int argc, char **argv)
{
	char name[KA_UUID_NAME_LEN];
	struct ka_store *store = NULL;
	struct ka_project project = {.uid = 0};
	struct ka_error err = {""};
	unsigned n;

	if (argc < 3 || (n = (unsigned)strtoul(argv[2], NULL, 10)) == 0) {
		(void)fprintf(stderr, "usage: fill DIR N [FINGERPRINT]\n");
		return 2;
	}
	check(ka_store_open(argv[1], true, &store, &err), &err);
	for (unsigned i = 1; i <= n; i++)
		add_one(store, i, i == n && argc > 3 ? argv[3] : NULL, &project);
	check(ka_store_commit(store, &err), &err);
	ka_store_close(store);
	ka_uuid_name(project.id, name);
	(void)puts(name);
	return 0;
}
