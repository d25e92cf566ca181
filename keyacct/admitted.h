#ifndef KEYACCT_ADMITTED_H
#define KEYACCT_ADMITTED_H
/*
 * Which keys would be let into a project now: every registration of every member, asked about as a login asks.
 */
#include "common/access.h"
#include "keyacct/cli.h"

/**
 * admitted_each(cli, store, project, each, arg):
 * Call ${each} with each registration that would be let into ${project} now, on this host and from anywhere (limits to
 * addresses are left to sshd), and with the answer that says so. Accounts come in the order of their ids, each once.
 * Returns KA_OK; what ${each} returned, if that was not KA_OK; as ka_access_ask and the catalog otherwise.
 */
enum ka_result admitted_each(const struct cli *cli, struct ka_store *store, const struct ka_project *project,
    enum ka_result (*each)(struct ka_store *store, const struct ka_access_answer *answer,
	const struct ka_access_registration *registration, void *arg),
    void *arg);

#endif
