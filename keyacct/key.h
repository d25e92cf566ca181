#ifndef KEYACCT_KEY_H
#define KEYACCT_KEY_H
/*
 * What the verbs of keyacct key share: key_list.c shows, key.c changes.
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

/* Two of the verbs. */
enum cli_status key_run_list(struct cli *cli);
enum cli_status key_run_show(struct cli *cli);

#endif
