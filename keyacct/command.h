#ifndef KEYACCT_COMMAND_H
#define KEYACCT_COMMAND_H
/*
 * The beginning and the end of a command that changes the database: it is open for writing, and what it leaves without
 * access is cut off.
 */
#include "keyacct/cli.h"

/**
 * command_open(cli, store, err):
 * Open for writing; what changes is logged as this command's. As ka_store_open.
 */
enum ka_result command_open(const struct cli *cli, struct ka_store **store, struct ka_error *err);

/**
 * command_finish(cli, store, r, err):
 * End a command that changed something: commit if ${r} is KA_OK, close, say what failed, and end the sessions that
 * nothing allows any more.
 */
enum cli_status command_finish(const struct cli *cli, struct ka_store *store, enum ka_result r, struct ka_error *err);

#endif
