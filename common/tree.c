#include "common/tree.h"

#include <stdlib.h>
#include <unistd.h>

static int
by_pid(const void *a, const void *b)
{
	const struct ka_process *x = a, *y = b;

	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

static const struct ka_process *
find(const struct ka_process *table, size_t n, pid_t pid)
{
	const struct ka_process key = {.pid = pid};

	return bsearch(&key, table, n, sizeof(*table), by_pid);
}

bool
ka_tree_has_uid(const struct ka_process *p, uint32_t uid)
{
	return uid != KA_PROCESS_UNSET && (p->uid[0] == uid || p->uid[1] == uid || p->uid[2] == uid);
}

/* The number is the session's own when its login is the project's, and the sshd that waits for connections, which an
 * administrator may have started out of a login, has another. */
static bool
audit_is_own(const struct ka_process *table, size_t n, const struct ka_process *monitor, uint32_t uid)
{
	const struct ka_process *listener = find(table, n, monitor->parent);

	return monitor->audit != KA_PROCESS_UNSET && monitor->login == uid && ka_record_uid_ok(uid) &&
	       (listener == NULL || listener->audit != monitor->audit);
}

void
ka_tree_look(const struct ka_process *table, size_t n, const struct ka_registry_entry *e, struct ka_tree *tree)
{
	const struct ka_process *monitor = find(table, n, e->pid);

	tree->pid = e->pid;
	tree->start = e->start;
	tree->lives = monitor != NULL && monitor->start == e->start && !ka_process_has_ended(monitor);
	if (!tree->lives)
		return;
	for (size_t i = 0; i < n; i++)
		if (table[i].parent == e->pid && table[i].uid[0] != 0) {
			tree->established = true;
			if (tree->uid == KA_PROCESS_UNSET)
				tree->uid = table[i].uid[0];
		}
	if (audit_is_own(table, n, monitor, tree->uid))
		tree->audit = monitor->audit;
}

void
ka_tree_drop_shared(struct ka_tree *trees, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool shared = false;

		for (size_t j = i + 1; j < n && trees[i].audit != KA_PROCESS_UNSET; j++)
			if (trees[j].audit == trees[i].audit && trees[j].pid != trees[i].pid) {
				trees[j].audit = KA_PROCESS_UNSET;
				shared = true;
			}
		if (shared)
			trees[i].audit = KA_PROCESS_UNSET;
	}
}

static bool
is_monitor(const struct ka_process *p, const struct ka_tree *tree)
{
	return p->pid == tree->pid && p->start == tree->start;
}

static void
mark_roots(const struct ka_process *table, size_t n, const struct ka_tree *trees, size_t ntrees, size_t *owner)
{
	for (size_t i = 0; i < n; i++)
		owner[i] = KA_TREE_NONE;
	for (size_t t = 0; t < ntrees; t++)
		for (size_t i = 0; i < n; i++) {
			bool audited = trees[t].audit != KA_PROCESS_UNSET && table[i].audit == trees[t].audit &&
				       ka_tree_has_uid(&table[i], trees[t].uid);

			if (table[i].pid != getpid() && (audited || is_monitor(&table[i], &trees[t])))
				owner[i] = t;
		}
}

/* Whose session does a process get from its parent, or from the leader of its setsid session? */
static size_t
inherited(const struct ka_process *table, size_t n, const struct ka_tree *trees, const size_t *owner,
    const struct ka_process *p)
{
	const struct ka_process *parent = find(table, n, p->parent), *leader = find(table, n, p->sid);
	size_t t;

	if (parent != NULL && (t = owner[parent - table]) != KA_TREE_NONE)
		return is_monitor(parent, &trees[t]) && trees[t].established && p->uid[0] == 0 ? KA_TREE_NONE : t;
	if (leader != NULL && (t = owner[leader - table]) != KA_TREE_NONE && !is_monitor(leader, &trees[t]))
		return t;
	return KA_TREE_NONE;
}

void
ka_tree_mark(const struct ka_process *table, size_t n, const struct ka_tree *trees, size_t ntrees, size_t *owner)
{
	mark_roots(table, n, trees, ntrees, owner);
	ka_tree_spread(table, n, trees, owner);
}

void
ka_tree_spread(const struct ka_process *table, size_t n, const struct ka_tree *trees, size_t *owner)
{
	bool more = true;

	while (more) {
		more = false;
		for (size_t i = 0; i < n; i++) {
			if (owner[i] != KA_TREE_NONE || table[i].pid == getpid() || table[i].pid == 1)
				continue;
			owner[i] = inherited(table, n, trees, owner, &table[i]);
			more = more || owner[i] != KA_TREE_NONE;
		}
	}
}
