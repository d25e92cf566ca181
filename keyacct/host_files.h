#ifndef KEYACCT_HOST_FILES_H
#define KEYACCT_HOST_FILES_H
/*
 * The host's files that keyacct has lines in, as texts: with our lines and without them. Adding and taking away undo
 * each other byte for byte, and each is done once however often it is asked for.
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/result.h"

#define HOST_DROP_IN         "/etc/ssh/sshd_config.d/00-keyacct.conf"
#define HOST_DROP_IN_SHIPPED KA_SHAREDIR "/00-keyacct.conf"
#define HOST_PAM_SSHD        "/etc/pam.d/sshd"
#define HOST_NSSWITCH        "/etc/nsswitch.conf"

#define HOST_LINES_MARK " # keyacct setup"
#define HOST_LINES_MADE "# Made by keyacct setup, and removed by its --undo.\n"

/**
 * host_nsswitch_add(old, new, err), host_nsswitch_remove(old, new, err):
 * passwd and group gain keyacct: between "files" and "systemd" where they stand side by side, so that a project costs
 * no other service's lookup, and at the end of any other line. A line that names keyacct already stays as it is.
 *
 * host_pam_add(old, account, session, new, err), host_pam_remove(old, account, session, new, err):
 * The lines ${account} before "@include common-account", the lines ${session} ("": none) before the first session line.
 * A file with other lines of ours, changed by hand, is KA_CONFLICT.
 *
 * host_lines_set(old, lines, words, new, err):
 * Make ${lines}, each with ${words} words and HOST_LINES_MARK at its end, those of ours in the file; "" for none. A
 * line with that mark and more or fewer words was changed by hand: KA_CONFLICT. A file that is missing is made, with a
 * line that says so, and goes again when nobody else's lines are in it.
 *
 * ${old} is NULL for a file that is missing; ${new} is NULL for one that shall be. Ownership: the caller frees ${new}.
 * Returns KA_OK; KA_CONFLICT: the file has no place for our lines, and ${err} says which; KA_UNAVAIL: no memory.
 */
enum ka_result host_nsswitch_add(const char *old, char **new, struct ka_error *err);
enum ka_result host_nsswitch_remove(const char *old, char **new, struct ka_error *err);
enum ka_result host_pam_add(
    const char *old, const char *account, const char *session, char **new, struct ka_error *err);
enum ka_result host_pam_remove(
    const char *old, const char *account, const char *session, char **new, struct ka_error *err);
enum ka_result host_lines_set(const char *old, const char *lines, unsigned words, char **new, struct ka_error *err);

/**
 * host_hosts_find(text, name, address, size):
 * The address that a line of /etc/hosts that is not ours gives ${name}. Returns false when there is none.
 *
 * host_hosts_ours(text, name, size): the name in our line, or false.
 */
bool host_hosts_find(const char *text, const char *name, char *address, size_t size);
bool host_hosts_ours(const char *text, char *name, size_t size);

#endif
