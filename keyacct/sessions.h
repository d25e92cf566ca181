#ifndef KEYACCT_SESSIONS_H
#define KEYACCT_SESSIONS_H
/*
 * What the commands about live sessions share: which of them are meant, and how one is shown.
 */
#include <jansson.h>

#include "common/registry.h"
#include "keyacct/cli.h"
#include "keyacct/show.h"

/**
 * sessions_find(cli, registry, err):
 * The live sessions that the first argument, --project, --account and --key name, all of which have to fit. They are
 * found by what the registry itself says, so that the database is not needed; it is asked only when none fits, whether
 * what was named is there at all. Those that do not fit are taken out of ${registry}. Ownership: ka_registry_free, also
 * after a failure. Returns KA_OK, also when there are none; KA_NOTFOUND: there is no such session, project, account or
 * key; KA_INVALID; KA_CONFLICT: the beginning of an id or a fingerprint fits several; KA_UNAVAIL.
 */
enum ka_result sessions_find(const struct cli *cli, struct ka_registry *registry, struct ka_error *err);

/**
 * sessions_in(cli, project, rows, err): append the live sessions in that project, as sessions_json has them.
 * Returns KA_OK; KA_UNAVAIL; KA_FAILED.
 */
enum ka_result sessions_in(
    const struct cli *cli, const uint8_t project[static KA_UUID_LEN], json_t *rows, struct ka_error *err);

/**
 * sessions_json(entry): a session as an object, with the fields of keyacct(5).
 */
json_t *sessions_json(const struct ka_registry_entry *entry);

/* Their columns, for show_list. */
extern const struct show_column sessions_columns[];

#endif
