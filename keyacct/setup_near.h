#ifndef KEYACCT_SETUP_NEAR_H
#define KEYACCT_SETUP_NEAR_H
/*
 * The short host name, by which one project is reached from another on the same host.
 */
#include <stdbool.h>

#include "common/result.h"

#define SETUP_NEAR_NAME  "ssh"
#define SETUP_NEAR_HOSTS "/etc/hosts"
#define SETUP_NEAR_KEYS  "/etc/ssh/ssh_known_hosts"

/* How many words a line of ours has in each. */
#define SETUP_NEAR_HOSTS_WORDS 2
#define SETUP_NEAR_KEYS_WORDS  3

struct setup_near {
	char name[64];      /* "": none */
	char *hosts_old;    /* the text of /etc/hosts, or NULL */
	char *hosts, *keys; /* our lines in the two files, or NULL */
};

/**
 * setup_near_plan(root, wanted, near, err):
 * What the files need for the name ${wanted}; NULL: the one that is there, or SETUP_NEAR_NAME. In an image (${root} is
 * not NULL) the keys are left out: each host that is made of it has its own.
 * Ownership: setup_near_free, in every case.
 * Returns KA_OK; KA_CONFLICT: the host has no use for it, and ${err} says why; KA_INVALID: no name; and what reading
 * can.
 */
enum ka_result setup_near_plan(const char *root, const char *wanted, struct setup_near *near, struct ka_error *err);

/**
 * setup_near_free(near): no name any more.
 */
void setup_near_free(struct setup_near *near);

/**
 * setup_near_try(near, err):
 * Is the name found, in a process of its own, and the key? Returns KA_OK; KA_FAILED.
 */
enum ka_result setup_near_try(const struct setup_near *near, struct ka_error *err);

#endif
