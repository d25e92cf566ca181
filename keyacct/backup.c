/*
 * keyacct backup, keyacct restore: a copy of the whole database, and the database as it was in one.
 */
#include "common/backup.h"

#include <sys/stat.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/restore.h"
#include "keyacct/cli.h"
#include "keyacct/cutoff.h"
#include "keyacct/import.h"
#include "keyacct/progress.h"
#include "keyacct/show.h"

static const struct cli_option backup_options[] = {
    {"compact", NULL, "leave unused pages out: smaller, slower", false},
    {0},
};

static const struct cli_option restore_options[] = {
    {"dry-run", NULL, "say what would change, and change nothing", false},
    {"force", NULL, "also when both files that know of used uids are lost", false},
    {0},
};

static enum ka_result
check_root(const struct cli *cli, struct ka_error *err)
{
	if (geteuid() == 0)
		return KA_OK;
	return ka_result_fail(err, KA_UNAVAIL, "only root can %s the database: run this as root",
	    strcmp(cli->verb->noun, "backup") == 0 ? "copy" : "restore");
}

/* A warning: ${what}, and why. */
static void
warn(const struct cli *cli, const char *what, const struct ka_error *why)
{
	struct ka_error warning;

	if (why->text[0] == '\0')
		return;
	(void)ka_result_fail(&warning, KA_OK, "%s: %.380s", what, why->text);
	cli_warn(cli, warning.text);
}

static enum cli_status
show_backup(const struct cli *cli, const struct ka_backup *b)
{
	const char *to = cli->args[0];

	warn(cli, "some of the last uses may be missing in the backup", &b->drain);
	warn(cli, "the last uses are not in the backup", &b->usage);
	if (cli->json)
		return show_object(cli,
		    json_pack("{s:s,s:I,s:I,s:I,s:I,s:I}", "dir", to, "bytes", (json_int_t)b->bytes, "projects",
			(json_int_t)b->rows[KA_TABLE_PROJECT], "accounts", (json_int_t)b->rows[KA_TABLE_ACCOUNT],
			"keys", (json_int_t)b->rows[KA_TABLE_KEY], "changes", (json_int_t)b->changes),
		    NULL);
	(void)printf("The backup is in %s: projects %llu, accounts %llu, keys %llu, up to change %llu; %llu bytes.\n",
	    to, (unsigned long long)b->rows[KA_TABLE_PROJECT], (unsigned long long)b->rows[KA_TABLE_ACCOUNT],
	    (unsigned long long)b->rows[KA_TABLE_KEY], (unsigned long long)b->changes, (unsigned long long)b->bytes);
	return CLI_DONE;
}

static enum cli_status
run_backup(struct cli *cli)
{
	struct progress progress;
	struct ka_backup backup;
	struct ka_error err = {""};
	enum ka_result r;

	if ((r = check_root(cli, &err)) != KA_OK)
		return cli_fail(cli, r, &err);
	progress_begin(&progress, cli);
	r = ka_backup_write(
	    cli->dir, cli->args[0], cli_value(cli, "compact", 0) != NULL, &progress.watch, &backup, &err);
	progress_end(&progress);
	return r == KA_OK ? show_backup(cli, &backup) : cli_fail(cli, r, &err);
}

/* What it did, or would do, in a sentence. */
static void
say_restored(const struct cli *cli, const struct ka_restore *r)
{
	const char *from = cli->args[0];

	if (r->added + r->changed + r->removed + r->tombstones == 0) {
		(void)printf("The database is what the backup in %s is: there %s nothing to change.\n", from,
		    r->dry_run ? "is" : "was");
		return;
	}
	(void)printf("%s %s: rows added %llu, changed %llu, removed %llu",
	    r->dry_run ? "Nothing was changed. It would become what it was in" : "The database is what it was in", from,
	    (unsigned long long)r->added, (unsigned long long)r->changed, (unsigned long long)r->removed);
	if (r->tombstones > 0)
		(void)printf("; projects deleted that were added later %llu (their ids and uids stay taken)",
		    (unsigned long long)r->tombstones);
	(void)printf(".\n");
}

static enum cli_status
show_restored(const struct cli *cli, const struct ka_restore *r)
{
	static const char anew[] = "a new file takes the place of one that could not be used";

	warn(cli, anew, &r->mend.access);
	warn(cli, anew, &r->mend.names);
	warn(cli, "the last uses of the backup were not taken over", &r->usage);
	if (cli->json)
		return show_object(cli,
		    json_pack("{s:s,s:b,s:I,s:I,s:I,s:I}", "dir", cli->args[0], "dry_run", (int)r->dry_run, "added",
			(json_int_t)r->added, "changed", (json_int_t)r->changed, "removed", (json_int_t)r->removed,
			"deleted", (json_int_t)r->tombstones),
		    NULL);
	say_restored(cli, r);
	return CLI_DONE;
}

/* Who can write a backup decides who gets in, and by a link in it could have root write elsewhere. */
static enum ka_result
check_owner(const char *dir, struct ka_error *err)
{
	static const char *const names[] = {"", "/names.mdb", "/names.mdb-lock", "/private", "/private/access.mdb",
	    "/private/access.mdb-lock", "/private/usage.mdb", "/private/usage.mdb-lock"};
	char path[PATH_MAX];
	struct stat st;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path, sizeof(path), "%.4000s%s", dir, names[i]);
		/* What is missing is for the restore itself to tell. The directory may be reached by a link. */
		if ((i == 0 ? stat(path, &st) : lstat(path, &st)) != 0)
			continue;
		if (st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0 || S_ISLNK(st.st_mode))
			return ka_result_fail(err, KA_CONFLICT,
			    "%s is a link, or others than root can write it, and so decide who gets in: copy the "
			    "backup as "
			    "root, and look at it",
			    path);
	}
	return KA_OK;
}

static enum cli_status
run_restore(struct cli *cli)
{
	struct ka_restore restore = {.force = cli_value(cli, "force", 0) != NULL,
	    .dry_run = cli_value(cli, "dry-run", 0) != NULL,
	    .check_uid = import_check_uid};
	struct progress progress;
	struct ka_error err = {""};
	enum ka_result r;

	if ((r = check_root(cli, &err)) != KA_OK || (r = cli_group(&restore.gid, &err)) != KA_OK ||
	    (r = check_owner(cli->args[0], &err)) != KA_OK)
		return cli_fail(cli, r, &err);
	progress_begin(&progress, cli);
	restore.watch = &progress.watch;
	r = ka_restore_run(cli->dir, cli->args[0], &restore, &err);
	progress_end(&progress);
	/* A backup may know less access than there was; what failed behind the commit is no reason to leave it. */
	if (!restore.dry_run)
		cutoff_after_change(cli);
	return r == KA_OK ? show_restored(cli, &restore) : cli_fail(cli, r, &err);
}

const struct cli_verb backup_verbs[] = {
    {"backup", NULL, "DIR", 1, 1, backup_options, "Copy the whole database, while logins and changes go on.",
	"keyacct backup /var/backups/keyacct-monday", CLI_KEEPS_ACCESS, run_backup},
    {0},
};

const struct cli_verb restore_verbs[] = {
    {"restore", NULL, "DIR", 1, 1, restore_options, "Make the database what it was in a backup.",
	"keyacct restore /var/backups/keyacct-monday", CLI_CHANGES_ACCESS, run_restore},
    {0},
};
