#ifndef KEYACCT_PROJECT_H
#define KEYACCT_PROJECT_H
/*
 * The parts of "keyacct project" that have a file of their own.
 */
#include "keyacct/cli.h"

/**
 * project_remove(cli): "project remove PROJECT [--stop]".
 */
enum cli_status project_remove(struct cli *cli);

#endif
