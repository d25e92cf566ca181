#ifndef KEYACCT_HOST_DISK_H
#define KEYACCT_HOST_DISK_H
/*
 * The host's files, or those of an image, read and replaced as a whole.
 */
#include <limits.h>

#include "common/result.h"

/**
 * host_disk_path(root, name, path, err):
 * Where ${name}, "/etc/...", is: ${root} is "", or the directory of an image, whose links may not lead out of it.
 * Returns KA_OK; KA_CONFLICT; KA_INVALID: too long.
 *
 * host_disk_read(root, name, text, err):
 * The text of a file, NULL when it is missing. Ownership: the caller frees ${text}.
 *
 * host_disk_replace(root, name, text, err):
 * In one step: who reads the file finds the old text or the new one. It keeps owner and mode; a new one is root's, and
 * everybody may read it. A symbolic link is followed to what it names. NULL: remove the file. One that is mounted on
 * its own is written over instead.
 *
 * Return KA_OK; KA_FAILED; KA_UNAVAIL: no memory; and as host_disk_path.
 */
enum ka_result host_disk_path(const char *root, const char *name, char path[static PATH_MAX], struct ka_error *err);
enum ka_result host_disk_read(const char *root, const char *name, char **text, struct ka_error *err);
enum ka_result host_disk_replace(const char *root, const char *name, const char *text, struct ka_error *err);

#endif
