#ifndef KA_TREE_H
#define KA_TREE_H
/*
 * Which processes belong to which session: by descent from its sshd, by setsid's session while its leader lives, and by
 * the number that audit gave the login, which setsid, nohup and a dead parent do not change.
 * Thread safety: no state is kept; any number of threads.
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/process.h"
#include "common/registry.h"

/* A session as the process table shows it. */
struct ka_tree {
	pid_t pid;                /* sshd as root: the monitor, PAM's process */
	unsigned long long start; /* of the monitor */
	bool lives;               /* the monitor does */
	/* The monitor has forked the project's sshd. From then on its root children are PAM's, and none of the session;
	 * before, all are. It stays true. */
	bool established;
	uint32_t uid;   /* the project's; KA_PROCESS_UNSET while unknown */
	uint32_t audit; /* KA_PROCESS_UNSET: not to go by */
};

#define KA_TREE_NONE SIZE_MAX

/**
 * ka_tree_look(table, n, entry, tree):
 * Bring ${tree} up to date, which is all zero but for uid and audit at first. ${table} is as ka_process_table gives it.
 */
void ka_tree_look(
    const struct ka_process *table, size_t n, const struct ka_registry_entry *entry, struct ka_tree *tree);

/**
 * ka_tree_drop_shared(trees, n):
 * No two sessions have the same number of audit. Where two have, because a host lets nobody change it, go by neither.
 */
void ka_tree_drop_shared(struct ka_tree *trees, size_t n);

/**
 * ka_tree_mark(table, n, trees, ntrees, owner):
 * ${owner}[i] becomes which of ${trees} the process ${table}[i] is of, or KA_TREE_NONE. The monitor is of its session,
 * and the calling process of none.
 */
void ka_tree_mark(const struct ka_process *table, size_t n, const struct ka_tree *trees, size_t ntrees, size_t *owner);

/**
 * ka_tree_spread(table, n, trees, owner):
 * Give to each process without an owner that of its parent, or of the leader of its setsid session.
 */
void ka_tree_spread(const struct ka_process *table, size_t n, const struct ka_tree *trees, size_t *owner);

/**
 * ka_tree_has_uid(process, uid): is it one of the process's three?
 */
bool ka_tree_has_uid(const struct ka_process *process, uint32_t uid);

#endif
