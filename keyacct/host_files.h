#ifndef KEYACCT_HOST_FILES_H
#define KEYACCT_HOST_FILES_H
/*
 * The host's files that keyacct has lines in, as texts: with our lines and without them. Adding and taking away undo
 * each other byte for byte, and each is done once however often it is asked for.
 */
#include "common/result.h"

/**
 * host_nsswitch_add(old, new, err), host_nsswitch_remove(old, new, err):
 * passwd and group gain keyacct: between "files" and "systemd" where they stand side by side, so that a project costs
 * no other service's lookup, and at the end of any other line. A line that names keyacct already stays as it is.
 *
 * host_pam_add(old, account, session, new, err), host_pam_remove(old, account, session, new, err):
 * The lines ${account} before "@include common-account", the lines ${session} before the first session line. A file
 * with other lines of ours, changed by hand, is KA_CONFLICT.
 *
 * host_line_add(old, line, new, err), host_line_remove(old, line, new, err):
 * The one ${line}, given without its newline, at the beginning.
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
enum ka_result host_line_add(const char *old, const char *line, char **new, struct ka_error *err);
enum ka_result host_line_remove(const char *old, const char *line, char **new, struct ka_error *err);

#endif
