#ifndef KEYACCT_HOST_SSHD_H
#define KEYACCT_HOST_SSHD_H
/*
 * What this host's sshd is configured to do for a user: sshd itself is asked (sshd -T), so that files, Match blocks and
 * defaults count as they do in a login.
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/policy.h"
#include "common/result.h"
#include "common/sshkey.h"

/* A project that there is not: its name has the shape that everything is about. */
#define HOST_SSHD_NOBODY "00000000000000000000000000000000"

/* What has to hold for projects, whether we are there or not: without it nobody can enter one, or anybody. */
enum {
	HOST_SSHD_NEEDS_PAM,
	HOST_SSHD_NEEDS_HASH,
	HOST_SSHD_NEEDS_KEYS,
	HOST_SSHD_NEEDS_NO_COMMAND,
	HOST_SSHD_NEEDS,
};

struct host_sshd_need {
	const char *keyword, *value;
	const char *why; /* what follows when it has another value */
};

extern const struct host_sshd_need host_sshd_needed[HOST_SSHD_NEEDS];

/**
 * host_sshd_ask(user, host, address, config, err):
 * The effective settings for ${user} coming from ${address}, whose name is ${host} (with "UseDNS no", the default, it
 * is the address again), as "keyword value" lines in ${config}. Ownership: free it; it is NULL when it is not KA_OK.
 * Returns KA_OK; KA_NOTFOUND: there is no sshd; KA_FAILED: it does not accept its configuration, and ${err} says why in
 * its own words; KA_INVALID: too long.
 */
enum ka_result host_sshd_ask(
    const char *user, const char *host, const char *address, char **config, struct ka_error *err);

/**
 * host_sshd_value(config, keyword, nth, value, size):
 * The value of the ${nth} (from 0) line of ${keyword}, cut to ${size}: "HostKey", "AllowUsers" and others have a line
 * for each of theirs. Returns false when there is no such line.
 */
bool host_sshd_value(const char *config, const char *keyword, unsigned nth, char *value, size_t size);

/**
 * host_sshd_same(a, b): is it the same value of a keyword? Only in paths small letters and capitals differ.
 * host_sshd_is(config, keyword, value): is that so of the first line of ${keyword} and ${value}?
 */
bool host_sshd_same(const char *a, const char *b);
bool host_sshd_is(const char *config, const char *keyword, const char *value);

/**
 * host_sshd_refusal(config, request, nth, setting, size):
 * The ${nth} (from 0) setting of ${config} that refuses ${request}, at least in part, as sshd_config(5) writes it:
 * "X11Forwarding no". Returns false when there is none such.
 */
bool host_sshd_refusal(const char *config, enum ka_request request, unsigned nth, char *setting, size_t size);

/**
 * host_sshd_key(config, nth, key):
 * The next host key, beginning with ${nth} 0, whose public half can be read. Returns false when there are no more.
 */
bool host_sshd_key(const char *config, unsigned *nth, struct ka_sshkey *key);

/**
 * host_sshd_near(config, address, size):
 * An address at whose port 22 sshd listens, for connections from this host: 127.0.0.1 or ::1 if it can be, or any.
 * Returns false when there is none.
 */
bool host_sshd_near(const char *config, char *address, size_t size);

/* What a list of sshd says of a user. The later one counts, when several of its patterns do. */
enum host_sshd_listed {
	HOST_SSHD_NO_LIST,
	HOST_SSHD_OTHERS,   /* it has others in it */
	HOST_SSHD_PROJECTS, /* it names projects one by one, and not this one: that is taken for meant */
	HOST_SSHD_BY_HOST,  /* it has the user, from some hosts alone */
	HOST_SSHD_LISTED,
};

/**
 * host_sshd_judge_list(config, keyword, name, pattern, size):
 * What AllowUsers, DenyUsers, AllowGroups or DenyGroups says of ${name}, a project's, whose one group is called as it
 * is. ${pattern} is the word of the list that counts, "" without a list.
 *
 * host_sshd_is_project(pattern): is it a project's name itself, with or without a host?
 */
enum host_sshd_listed host_sshd_judge_list(
    const char *config, const char *keyword, const char *name, char *pattern, size_t size);
bool host_sshd_is_project(const char *pattern);

/**
 * host_sshd_keeps_out(config, setting, size):
 * Does one of those lists keep projects out, all of them or those with some ids? ${setting} names it. Lists that name
 * projects one by one, or hosts, are taken for meant.
 */
bool host_sshd_keeps_out(const char *config, char *setting, size_t size);

#endif
