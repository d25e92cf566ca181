#ifndef KEYACCT_PROJECT_H
#define KEYACCT_PROJECT_H
/*
 * The parts of "keyacct project" that have a file of their own, and what they share.
 */
#include "common/usage.h"
#include "keyacct/cli.h"
#include "keyacct/show.h"

/**
 * project_show(cli): "project show PROJECT".
 * project_remove(cli): "project remove PROJECT [--stop]".
 */
enum cli_status project_show(struct cli *cli);
enum cli_status project_remove(struct cli *cli);

extern const struct cli_option project_show_options[];
extern const struct show_column project_columns[];

/**
 * project_describe(cli, store, usage, project, object):
 * ${*object} becomes what a listing says of the project. Returns KA_OK; KA_UNAVAIL; KA_CORRUPT, without a sentence.
 */
enum ka_result project_describe(
    struct cli *cli, struct ka_store *store, struct ka_usage *usage, const struct ka_project *project, json_t **object);

#endif
