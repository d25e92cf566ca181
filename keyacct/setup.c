/*
 * keyacct setup: into service on this host, and out of it again. Every file is replaced as a whole, in an order in
 * which no half of it lets anybody in or keeps anybody out, and all of them are put back when one of them does not
 * hold.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keyacct/cli.h"
#include "keyacct/host_disk.h"
#include "keyacct/host_files.h"
#include "keyacct/run.h"
#include "keyacct/setup_near.h"
#include "keyacct/setup_try.h"
#include "keyacct/show.h"

struct setup {
	const struct cli *cli;
	const char *root; /* "" or the directory of an image */
	bool undo, image;
	char *account, *session, *jobs, *drop_in; /* the pieces as they ship */
	struct setup_near near;
};

struct file {
	const char *path;
	enum ka_result (*edit)(const struct setup *s, const char *old, char **new, struct ka_error *err);
	char *old, *new; /* NULL: no file */
};

/* The files, in the order of going into service: until the last one no project is a user of the host. */

static enum ka_result
edit_drop_in(const struct setup *s, const char *old, char **new, struct ka_error *err)
{
	*new = NULL;
	if (old != NULL && strcmp(old, s->drop_in) != 0)
		return ka_result_fail(err, KA_CONFLICT,
		    "it is not as it ships (" HOST_DROP_IN_SHIPPED "): compare the two, and remove it");
	if (!s->undo && (*new = strdup(s->drop_in)) == NULL)
		return ka_result_fail(err, KA_UNAVAIL, "out of memory");
	return KA_OK;
}

static enum ka_result
edit_pam(const struct setup *s, const char *old, char **new, struct ka_error *err)
{
	return s->undo ? host_pam_remove(old, s->account, s->session, new, err)
		       : host_pam_add(old, s->account, s->session, new, err);
}

/* Who has no cron or no at needs no lines for them. */
static enum ka_result
edit_jobs(const struct setup *s, const char *old, char **new, struct ka_error *err)
{
	*new = NULL;
	if (old == NULL)
		return KA_OK;
	return s->undo ? host_pam_remove(old, s->jobs, "", new, err) : host_pam_add(old, s->jobs, "", new, err);
}

static enum ka_result
edit_hosts(const struct setup *s, const char *old, char **new, struct ka_error *err)
{
	return host_lines_set(old, s->near.hosts != NULL ? s->near.hosts : "", SETUP_NEAR_HOSTS_WORDS, new, err);
}

static enum ka_result
edit_keys(const struct setup *s, const char *old, char **new, struct ka_error *err)
{
	return host_lines_set(old, s->near.keys != NULL ? s->near.keys : "", SETUP_NEAR_KEYS_WORDS, new, err);
}

static enum ka_result
edit_nsswitch(const struct setup *s, const char *old, char **new, struct ka_error *err)
{
	return s->undo ? host_nsswitch_remove(old, new, err) : host_nsswitch_add(old, new, err);
}

static struct file files[] = {
    {HOST_DROP_IN, edit_drop_in, NULL, NULL},
    {HOST_PAM_SSHD, edit_pam, NULL, NULL},
    {"/etc/pam.d/cron", edit_jobs, NULL, NULL},
    {"/etc/pam.d/atd", edit_jobs, NULL, NULL},
    {SETUP_NEAR_KEYS, edit_keys, NULL, NULL},
    {SETUP_NEAR_HOSTS, edit_hosts, NULL, NULL},
    {HOST_NSSWITCH, edit_nsswitch, NULL, NULL},
};

#define FILES (sizeof(files) / sizeof(files[0]))

static bool
is_changed(const struct file *f)
{
	if (f->old == NULL || f->new == NULL)
		return f->old != f->new;
	return strcmp(f->old, f->new) != 0;
}

static enum ka_result
read_piece(const struct setup *s, const char *name, char **text, struct ka_error *err)
{
	enum ka_result r = host_disk_read(s->root, name, text, err);

	if (r == KA_OK && *text == NULL)
		return ka_result_fail(err, KA_NOTFOUND, "%s%s is missing: is keyacct installed there?", s->root, name);
	return r;
}

/* The short host name is there unless it is not wanted; one that was not asked for is not worth a refusal. */
static enum ka_result
plan_near(struct setup *s, struct ka_error *err)
{
	const char *wanted = cli_value(s->cli, "short-name", 0);
	bool unwanted = cli_value(s->cli, "no-short-name", 0) != NULL;
	enum ka_result r;

	if (wanted != NULL && (unwanted || s->undo))
		return ka_result_fail(
		    err, KA_INVALID, "--short-name and --%s exclude each other", s->undo ? "undo" : "no-short-name");
	if (s->undo || unwanted)
		return KA_OK;
	if ((r = setup_near_plan(s->image ? s->root : NULL, wanted, &s->near, err)) != KA_CONFLICT || wanted != NULL)
		return r;
	cli_warn(s->cli, err->text);
	setup_near_free(&s->near);
	return KA_OK;
}

/* What each file is, and what it is to be. Nothing is changed when one of them cannot be. */
static enum ka_result
plan(struct setup *s, struct ka_error *err)
{
	struct ka_error why;
	enum ka_result r;

	if ((r = read_piece(s, HOST_DROP_IN_SHIPPED, &s->drop_in, err)) != KA_OK ||
	    (r = read_piece(s, KA_SHAREDIR "/sshd.account.pam", &s->account, err)) != KA_OK ||
	    (r = read_piece(s, KA_SHAREDIR "/sshd.session.pam", &s->session, err)) != KA_OK ||
	    (r = read_piece(s, KA_SHAREDIR "/cron.account.pam", &s->jobs, err)) != KA_OK ||
	    (r = plan_near(s, err)) != KA_OK)
		return r;
	for (size_t i = 0; i < FILES; i++) {
		if ((r = host_disk_read(s->root, files[i].path, &files[i].old, err)) != KA_OK)
			return r;
		if ((r = files[i].edit(s, files[i].old, &files[i].new, &why)) != KA_OK)
			return ka_result_fail(err, r, "%s%s: %.400s", s->root, files[i].path, why.text);
	}
	return KA_OK;
}

static void
show_diff(const struct setup *s, const struct file *f)
{
	char path[PATH_MAX];
	struct ka_error err;
	const char *argv[] = {
	    "diff", "-u", "--label", f->path, "--label", f->path, f->old != NULL ? path : "/dev/null", "-", NULL};
	const char *gone[] = {"diff", "-u", "--label", f->path, "--label", "/dev/null", path, "/dev/null", NULL};

	if (host_disk_path(s->root, f->path, path, &err) == KA_OK)
		(void)run_program(f->new != NULL ? argv : gone, f->new, NULL);
}

/* Out of service goes the other way round: first no project is a user any more. */
static struct file *
nth(const struct setup *s, size_t i)
{
	return &files[s->undo ? FILES - 1 - i : i];
}

/* A file that could not be written in the first place needs no putting back. */
static bool
is_as_before(const struct setup *s, const struct file *f)
{
	struct ka_error err;
	char *now = NULL;
	bool same = host_disk_read(s->root, f->path, &now, &err) == KA_OK &&
		    (now == NULL || f->old == NULL ? now == f->old : strcmp(now, f->old) == 0);

	free(now);
	return same;
}

/* Returns whether every file is as it was. */
static bool
roll_back(const struct setup *s, size_t done)
{
	bool whole = true;
	struct ka_error err;

	while (done-- > 0) {
		const struct file *f = nth(s, done);

		if (!is_changed(f) || is_as_before(s, f) || host_disk_replace(s->root, f->path, f->old, &err) == KA_OK)
			continue;
		cli_warn(s->cli, err.text);
		whole = false;
	}
	return whole;
}

static enum ka_result
apply(const struct setup *s, struct ka_error *err)
{
	struct setup_pam before;
	enum ka_result r = KA_OK;
	size_t done = 0;

	if (!s->image)
		setup_try_pam(&before);
	for (; r == KA_OK && done < FILES; done++)
		if (is_changed(nth(s, done)))
			r = host_disk_replace(s->root, nth(s, done)->path, nth(s, done)->new, err);
	if (r == KA_OK && !s->image && (r = setup_try_after(s->undo ? NULL : s->drop_in, &before, err)) == KA_OK)
		r = setup_near_try(&s->near, err);
	if (r != KA_OK) {
		struct ka_error why = *err;

		(void)ka_result_fail(err, r, "%s: %.400s",
		    roll_back(s, done) ? "everything is as it was"
				       : "not everything could be put back (see the warnings)",
		    why.text);
	}
	return r;
}

static bool
is_wanted(const struct setup *s)
{
	char answer[16] = "";

	if (cli_value(s->cli, "yes", 0) != NULL)
		return true;
	(void)fputs("Change these files? [y/N] ", stderr);
	return fgets(answer, sizeof(answer), stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y');
}

static enum ka_result
prepare(struct setup *s, struct ka_error *err)
{
	enum ka_result r;

	if (geteuid() != 0)
		return ka_result_fail(err, KA_UNAVAIL, "only root can change the host's files: run this as root");
	if ((r = plan(s, err)) != KA_OK)
		return r;
	return s->image || s->undo ? KA_OK : setup_try_before(s->cli->dir, err);
}

/* For scripts: which files differ from what is wanted, and whether they were changed. */
static enum cli_status
show_in_service(const struct setup *s, bool done)
{
	json_t *paths = json_array();

	for (size_t i = 0; i < FILES; i++)
		if (is_changed(nth(s, i)))
			(void)json_array_append_new(paths, json_string(nth(s, i)->path));
	return show_object(s->cli,
	    json_pack("{s:o,s:b,s:o}", "files", paths, "changed", done, "short_name",
		s->near.name[0] != '\0' ? json_string(s->near.name) : json_null()),
	    NULL);
}

static enum cli_status
change(struct setup *s)
{
	bool changed = false;
	struct ka_error err = {""};
	enum ka_result r;

	for (size_t i = 0; i < FILES; i++)
		changed = is_changed(&files[i]) || changed;
	if (s->cli->json && !changed)
		return show_in_service(s, false);
	if (!changed) {
		(void)puts(s->undo ? "keyacct is not in service here." : "keyacct is in service here already.");
		return CLI_DONE;
	}
	for (size_t i = 0; i < FILES && !s->cli->json; i++)
		if (is_changed(nth(s, i)))
			show_diff(s, nth(s, i));
	if (cli_value(s->cli, "print", 0) != NULL)
		return s->cli->json ? show_in_service(s, false) : CLI_DONE;
	if (cli_value(s->cli, "yes", 0) == NULL && isatty(STDIN_FILENO) != 1)
		return cli_fail(s->cli, ka_result_fail(&err, KA_INVALID, "nothing was changed: say --yes"), &err);
	if (!is_wanted(s)) {
		(void)puts("Nothing was changed.");
		return CLI_DONE;
	}
	if ((r = apply(s, &err)) != KA_OK)
		return cli_fail(s->cli, r, &err);
	if (s->cli->json)
		return show_in_service(s, true);
	(void)puts(
	    s->undo
		? "keyacct is out of service. Now: systemctl reload ssh; systemctl disable --now keyacct-sweep.timer"
		: "keyacct is in service. Now: systemctl reload ssh; systemctl enable --now keyacct-sweep.timer; then "
		  "log in as root in a second window, before you close this one.");
	return CLI_DONE;
}

static enum cli_status
run_setup(struct cli *cli)
{
	const char *root = cli_value(cli, "root", 0);
	struct setup s = {.cli = cli, .root = root != NULL ? root : "", .image = root != NULL};
	struct ka_error err = {""};
	enum cli_status status;
	enum ka_result r;

	s.undo = cli_value(cli, "undo", 0) != NULL;
	status = (r = prepare(&s, &err)) == KA_OK ? change(&s) : cli_fail(cli, r, &err);
	for (size_t i = 0; i < FILES; i++) {
		free(files[i].old);
		free(files[i].new);
	}
	free(s.account);
	free(s.session);
	free(s.jobs);
	free(s.drop_in);
	setup_near_free(&s.near);
	return status;
}

static const struct cli_option options[] = {
    {"undo", NULL, "out of service again", false},
    {"short-name", "NAME", "how one project reaches another on this host (ssh)", false},
    {"no-short-name", NULL, "without such a name", false},
    {"print", NULL, "only show what would change", false},
    {"yes", NULL, "do not ask", false},
    {"root", "DIR", "the files of an image under DIR; nothing is tried there", false},
    {0},
};

const struct cli_verb setup_verbs[] = {
    {"setup", NULL, "", 0, 0, options, "Put sshd, PAM and NSS of this host to use keyacct, or back.",
	"keyacct setup --print", CLI_KEEPS_ACCESS, run_setup},
    {0},
};
