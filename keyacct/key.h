#ifndef KEYACCT_KEY_H
#define KEYACCT_KEY_H
/*
 * What the verbs of keyacct key share: key_list.c shows, key_sort.c sorts, key.c and key_origin.c change.
 */
#include "common/catalog.h"
#include "keyacct/cli.h"

/**
 * key_find(cli, store, key, err):
 * The registration that the first argument and --account name.
 */
enum ka_result key_find(const struct cli *cli, struct ka_store *store, struct ka_key *key, struct ka_error *err);

/**
 * key_read_reach(store, key, projects):
 * The projects that a registration names, as a new array of ids; NULL when it reaches all of its account's.
 */
enum ka_result key_read_reach(struct ka_store *store, const struct ka_key *key, json_t **projects);

/**
 * key_public(store, key):
 * The key itself, type and base64 as in a .pub file; NULL when it cannot be read.
 */
json_t *key_public(struct ka_store *store, const struct ka_key *key);

/**
 * key_next_reached(store, key, of, project):
 * Step through the projects that a key reaches: those that it names, or all of its account's. ${of} is all zero at
 * first.
 */
struct key_reach {
	struct ka_row row;
	struct ka_project_of at;
};
enum ka_result key_next_reached(
    struct ka_store *store, const struct ka_key *key, struct key_reach *of, uint8_t project[static KA_UUID_LEN]);

/**
 * key_reaches(store, key, project): KA_OK: it does; KA_NOTFOUND: it does not; KA_UNAVAIL; KA_CORRUPT.
 */
enum ka_result key_reaches(struct ka_store *store, const struct ka_key *key, const struct ka_project *project);

/**
 * key_read_order(cli, order, err): the order that --sort names.
 * key_sort_rows(rows, order): the keys of an array in that order. Ownership: takes ${rows}; NULL when memory ran out.
 */
#define KEY_ORDERS "used, title, account, project, state, type, created or expires"
struct key_order;
enum ka_result key_read_order(const struct cli *cli, const struct key_order **order, struct ka_error *err);
json_t *key_sort_rows(json_t *rows, const struct key_order *order);

/* Verbs and parts of them. */
enum cli_status key_run_list(struct cli *cli);
enum cli_status key_run_show(struct cli *cli);
enum cli_status key_run_remove_origin(struct cli *cli);

#endif
