#ifndef KEYACCT_HOST_SSHD_H
#define KEYACCT_HOST_SSHD_H
/*
 * What this host's sshd is configured to do for a user: sshd itself is asked (sshd -T), so that files, Match blocks and
 * defaults count as they do in a login.
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/policy.h"

/**
 * host_sshd_ask(user, address):
 * The configuration for ${user} coming from ${address}, as "keyword value" lines. Ownership: free it. NULL: there is no
 * sshd, or it does not accept its configuration.
 */
char *host_sshd_ask(const char *user, const char *address);

/**
 * host_sshd_value(config, keyword, nth, value, size):
 * The value of the ${nth} (from 0) line of ${keyword}, cut to ${size}. Returns false when there is no such line.
 */
bool host_sshd_value(const char *config, const char *keyword, unsigned nth, char *value, size_t size);

/**
 * host_sshd_refusal(config, request, nth, setting, size):
 * The ${nth} (from 0) setting of ${config} that refuses ${request}, at least in part, as sshd_config(5) writes it:
 * "X11Forwarding no". Returns false when there is none such.
 */
bool host_sshd_refusal(const char *config, enum ka_request request, unsigned nth, char *setting, size_t size);

#endif
