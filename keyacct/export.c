/*
 * keyacct export: the whole database, one JSON object a line, as import reads it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/catalog.h"
#include "keyacct/cli.h"
#include "keyacct/json.h"
#include "keyacct/key.h"
#include "keyacct/progress.h"

struct export
{
	struct ka_store *store;
	FILE *out;
	uint64_t rows;
	struct progress progress;
};

/* One line; takes ${object}. */
static enum ka_result
put(struct export *e, json_t *object)
{
	int rc;

	if (object == NULL)
		return KA_UNAVAIL;
	rc = json_dumpf(object, e->out, JSON_COMPACT);
	json_decref(object);
	if (rc != 0 || fputc('\n', e->out) == EOF)
		return KA_FAILED;
	ka_watch_tell(&e->progress.watch, "writing", "rows", ++e->rows, 0);
	return KA_OK;
}

static enum ka_result
end_of(enum ka_result r)
{
	return r == KA_NOTFOUND ? KA_OK : r;
}

static enum ka_result
export_settings(struct export *e)
{
	struct ka_settings settings;
	enum ka_result r;

	if ((r = ka_store_settings(e->store, &settings)) != KA_OK || (r = put(e, json_settings(&settings))) != KA_OK)
		return r;
	return put(
	    e, json_pack("{s:s,s:I}", "type", "counter", "uid_next", (json_int_t)ka_store_uid_counter(e->store)));
}

static enum ka_result
export_accounts(struct export *e)
{
	struct ka_row row = {.keylen = 0};
	struct ka_account account;
	enum ka_result r;

	while ((r = ka_catalog_next_account(e->store, &row, &account)) == KA_OK)
		if ((r = put(e, json_account(&account))) != KA_OK)
			return r;
	return end_of(r);
}

static enum ka_result
export_group(struct export *e, const struct ka_group *group)
{
	json_t *object = json_group(group), *accounts = json_array();
	struct ka_row row = {.keylen = 0};
	struct ka_account account;
	enum ka_result r;

	if (json_object_set_new(object, "accounts", accounts) != 0) {
		json_decref(object);
		return KA_UNAVAIL;
	}
	while ((r = ka_catalog_next_group_member(e->store, group->id, &row, &account)) == KA_OK)
		if (json_array_append_new(accounts, json_uuid(account.id)) != 0) {
			r = KA_UNAVAIL;
			break;
		}
	if (r == KA_NOTFOUND)
		return put(e, object);
	json_decref(object);
	return r;
}

static enum ka_result
export_groups(struct export *e)
{
	struct ka_row row = {.keylen = 0};
	struct ka_group group;
	enum ka_result r;

	while ((r = ka_catalog_next_group(e->store, &row, &group)) == KA_OK)
		if ((r = export_group(e, &group)) != KA_OK)
			return r;
	return end_of(r);
}

static enum ka_result
export_projects(struct export *e)
{
	struct ka_row row = {.keylen = 0};
	struct ka_project project;
	enum ka_result r;

	while ((r = ka_catalog_next_project(e->store, &row, &project)) == KA_OK)
		if ((r = put(e, json_project(&project))) != KA_OK)
			return r;
	return end_of(r);
}

static enum ka_result
export_members(struct export *e)
{
	struct ka_row row = {.keylen = 0};
	struct ka_member member;
	enum ka_result r;

	while ((r = ka_store_next(e->store, KA_TABLE_MEMBER, "", 0, &row)) == KA_OK)
		if ((r = ka_record_row_member(&row, &member)) != KA_OK ||
		    (r = put(e, json_member(&member, NULL))) != KA_OK)
			return r;
	return end_of(r);
}

static enum ka_result
export_key(struct export *e, const struct ka_key *key)
{
	json_t *object = NULL, *projects;
	enum ka_result r;

	if ((r = key_read_reach(e->store, key, &projects)) != KA_OK)
		return r;
	object = json_key(key, NULL, projects);
	if (json_object_set_new(object, "key", key_public(e->store, key)) == 0)
		return put(e, object);
	json_decref(object);
	return KA_CORRUPT;
}

static enum ka_result
export_keys(struct export *e)
{
	struct ka_row row = {.keylen = 0};
	struct ka_key key;
	enum ka_result r;

	while ((r = ka_catalog_next_key(e->store, &row, &key)) == KA_OK)
		if ((r = export_key(e, &key)) != KA_OK)
			return r;
	return end_of(r);
}

/* What is referred to comes before what refers to it. */
static enum ka_result
export_all(struct export *e)
{
	static enum ka_result (*const parts[])(struct export *) = {
	    export_settings, export_accounts, export_groups, export_projects, export_members, export_keys};
	enum ka_result r = KA_OK;

	for (size_t i = 0; r == KA_OK && i < sizeof(parts) / sizeof(parts[0]); i++)
		r = parts[i](e);
	return r == KA_OK ? put(e, json_pack("{s:s}", "type", "end")) : r;
}

static bool
is_file(FILE *f)
{
	struct stat st;

	return fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode);
}

static enum ka_result
copy_out(FILE *from)
{
	char buf[64 * 1024];
	size_t n;

	if (fflush(from) != 0 || fseeko(from, 0, SEEK_SET) != 0)
		return KA_FAILED;
	while ((n = fread(buf, 1, sizeof(buf), from)) > 0)
		if (fwrite(buf, 1, n, stdout) != n)
			return KA_FAILED;
	return ferror(from) ? KA_FAILED : KA_OK;
}

static enum cli_status
run_export(struct cli *cli)
{
	struct export e = {.out = stdout};
	struct ka_error err = {""};
	enum ka_result r;

	/* Half an export is to be told from a whole one by everybody. */
	(void)signal(SIGPIPE, SIG_IGN);
	/* Who reads a pipe may pause, and would pin the pages of this moment: what does not go to a file waits in one.
	 */
	if (!is_file(stdout) && (e.out = tmpfile()) == NULL)
		return cli_fail(
		    cli, ka_result_fail(&err, KA_FAILED, "cannot make a temporary file: %s", strerror(errno)), &err);
	progress_begin(&e.progress, cli);
	if ((r = ka_store_open(cli->dir, false, &e.store, &err)) == KA_OK && (r = export_all(&e)) == KA_FAILED)
		(void)ka_result_fail(&err, r, "the rows could not be written: %s", strerror(errno));
	else if (r != KA_OK && e.store != NULL)
		(void)ka_store_fail(e.store, r, &err);
	progress_end(&e.progress);
	ka_store_close(e.store);
	if (r == KA_OK && e.out != stdout && (r = copy_out(e.out)) != KA_OK)
		(void)ka_result_fail(&err, r, "the output could not be written: %s", strerror(errno));
	if (e.out != stdout)
		(void)fclose(e.out);
	return r == KA_OK ? CLI_DONE : cli_fail(cli, r, &err);
}

const struct cli_verb export_verbs[] = {
    {"export", NULL, "", 0, 0, NULL, "Write the whole database, as import reads it.", "keyacct export > keyacct.jsonl",
	CLI_KEEPS_ACCESS, run_export},
    {0},
};
