#ifndef KEYACCT_INPUT_H
#define KEYACCT_INPUT_H
/*
 * A public key from a file, a pipe or a person's clipboard.
 */
#include "common/result.h"
#include "common/sshkey.h"

/**
 * input_key(file, key, err):
 * Read one public key from ${file}; NULL or "-" is standard input, where a person at a terminal is told what to do.
 * What was read is wiped: it may have been a private key.
 * Returns KA_OK; KA_INVALID; KA_NOTFOUND (no such file); KA_FAILED (it cannot be read); KA_UNAVAIL.
 */
enum ka_result input_key(const char *file, struct ka_sshkey *key, struct ka_error *err);

#endif
