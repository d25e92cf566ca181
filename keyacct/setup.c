/*
 * keyacct setup: into service on this host, and out of it again. Every file is replaced as a whole, in an order in
 * which no half of it lets anybody in or keeps anybody out, and all of them are put back when one of them does not
 * hold.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <security/pam_appl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keyacct/cli.h"
#include "keyacct/host_files.h"
#include "keyacct/host_sshd.h"
#include "keyacct/run.h"
#include "keyacct/show.h"

#define FILE_MAX (1024 * 1024)

/* A project that there is not: its name has the shape that the drop-in is about. */
#define NOBODY "00000000000000000000000000000000"

struct setup {
	const struct cli *cli;
	const char *root; /* "" or the directory of an image */
	bool undo, image;
	char *account, *session, *drop_in; /* the pieces as they ship */
};

struct file {
	const char *path;
	enum ka_result (*edit)(const struct setup *s, const char *old, char **new, struct ka_error *err);
	char *old, *new; /* NULL: no file */
};

/* Reading and replacing */

static enum ka_result
path_of(const struct setup *s, const char *name, char path[static PATH_MAX], struct ka_error *err)
{
	int n = snprintf(path, PATH_MAX, "%s%s", s->root, name);
	char real[PATH_MAX], root[PATH_MAX];

	if (n <= 0 || n >= PATH_MAX)
		return ka_result_fail(err, KA_INVALID, "--root is too long");
	/* A link in an image means a file of the image; followed from here, it would mean one of this host. */
	if (s->image && realpath(path, real) != NULL && realpath(s->root, root) != NULL &&
	    (strncmp(real, root, strlen(root)) != 0 || real[strlen(root)] != '/'))
		return ka_result_fail(err, KA_CONFLICT, "%s leads out of the image, to %s: make it a file", path, real);
	return KA_OK;
}

/* The text of a file; NULL when it is missing. */
static enum ka_result
read_file(const struct setup *s, const char *name, char **text, struct ka_error *err)
{
	char path[PATH_MAX];
	struct stat st;
	FILE *f;
	enum ka_result r;

	*text = NULL;
	if ((r = path_of(s, name, path, err)) != KA_OK)
		return r;
	if ((f = fopen(path, "re")) == NULL)
		return errno == ENOENT ? KA_OK
				       : ka_result_fail(err, KA_FAILED, "cannot read %s: %s", path, strerror(errno));
	r = KA_FAILED;
	if (fstat(fileno(f), &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
		(void)ka_result_fail(err, r, "%s is no file of a configuration", path);
	else if ((*text = calloc(1, (size_t)st.st_size + 1)) == NULL)
		(void)ka_result_fail(err, r = KA_UNAVAIL, "out of memory");
	else if (fread(*text, 1, (size_t)st.st_size, f) != (size_t)st.st_size || strlen(*text) != (size_t)st.st_size)
		(void)ka_result_fail(err, r, "cannot read %s as a text", path);
	else
		r = KA_OK;
	(void)fclose(f);
	if (r != KA_OK) {
		free(*text);
		*text = NULL;
	}
	return r;
}

/* As the old one was: owner and mode; a new one is root's, and everybody may read it. */
static int
like_before(const char *path, int fd)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return errno == ENOENT ? fchmod(fd, 0644) : -1;
	return fchown(fd, st.st_uid, st.st_gid) != 0 || fchmod(fd, st.st_mode & 07777) != 0 ? -1 : 0;
}

/* In one step: who reads the file finds the old text or the new one. A symbolic link is followed to what it names. */
static enum ka_result
replace_file(const struct setup *s, const char *name, const char *text, struct ka_error *err)
{
	char path[PATH_MAX], real[PATH_MAX], temporary[PATH_MAX + 16];
	int fd = -1, ok = 0;
	enum ka_result r;

	if ((r = path_of(s, name, path, err)) != KA_OK)
		return r;
	if (realpath(path, real) == NULL)
		(void)snprintf(real, sizeof(real), "%s", path);
	if (text == NULL)
		return unlink(real) == 0 || errno == ENOENT
			   ? KA_OK
			   : ka_result_fail(err, KA_FAILED, "cannot remove %s: %s", real, strerror(errno));
	(void)snprintf(temporary, sizeof(temporary), "%s.keyacct-new", real);
	(void)unlink(temporary);
	if ((fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) >= 0)
		ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text) && like_before(real, fd) == 0 &&
		     fsync(fd) == 0 && rename(temporary, real) == 0;
	if (!ok)
		(void)ka_result_fail(err, KA_FAILED, "cannot write %s: %s", real, strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	if (!ok)
		(void)unlink(temporary);
	return ok ? KA_OK : KA_FAILED;
}

/* The files, in the order of going into service: until the last one no project is a user of the host. */

static enum ka_result
edit_drop_in(const struct setup *s, const char *old, char **new, struct ka_error *err)
{
	*new = NULL;
	if (old != NULL && strcmp(old, s->drop_in) != 0)
		return ka_result_fail(err, KA_CONFLICT,
		    "it is not as it ships (" KA_SHAREDIR "/00-keyacct.conf): compare the two, and remove it");
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

static enum ka_result
edit_nsswitch(const struct setup *s, const char *old, char **new, struct ka_error *err)
{
	return s->undo ? host_nsswitch_remove(old, new, err) : host_nsswitch_add(old, new, err);
}

static struct file files[] = {
    {"/etc/ssh/sshd_config.d/00-keyacct.conf", edit_drop_in, NULL, NULL},
    {"/etc/pam.d/sshd", edit_pam, NULL, NULL},
    {"/etc/nsswitch.conf", edit_nsswitch, NULL, NULL},
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
	enum ka_result r = read_file(s, name, text, err);

	if (r == KA_OK && *text == NULL)
		return ka_result_fail(err, KA_NOTFOUND, "%s%s is missing: is keyacct installed there?", s->root, name);
	return r;
}

/* What each file is, and what it is to be. Nothing is changed when one of them cannot be. */
static enum ka_result
plan(struct setup *s, struct ka_error *err)
{
	struct ka_error why;
	enum ka_result r;

	if ((r = read_piece(s, KA_SHAREDIR "/00-keyacct.conf", &s->drop_in, err)) != KA_OK ||
	    (r = read_piece(s, KA_SHAREDIR "/sshd.account.pam", &s->account, err)) != KA_OK ||
	    (r = read_piece(s, KA_SHAREDIR "/sshd.session.pam", &s->session, err)) != KA_OK)
		return r;
	for (size_t i = 0; i < FILES; i++) {
		if ((r = read_file(s, files[i].path, &files[i].old, err)) != KA_OK)
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

	if (path_of(s, f->path, path, &err) == KA_OK)
		(void)run_program(f->new != NULL ? argv : gone, f->new, NULL);
}

/* Is it right? */

/* What has to hold whether we are there or not: without it nobody could enter a project, or anybody. */
static const struct {
	const char *keyword, *value, *why;
} needed[] = {
    {"usepam", "yes", "without PAM archived projects could be entered, and nothing would be recorded"},
    {"pubkeyauthentication", "yes", "without public keys nobody could enter a project"},
    {"fingerprinthash", "SHA256", "keys are found by their SHA256 fingerprint"},
    {"forcecommand", "none", "another command would run instead of what people ask for"},
};

static enum ka_result
ask_sshd(char **config, struct ka_error *err)
{
	return host_sshd_ask(NOBODY, "localhost", "127.0.0.1", config, err);
}

static enum ka_result
check_sshd(bool in_service, struct ka_error *err)
{
	char *config;
	enum ka_result r;

	if ((r = ask_sshd(&config, err)) != KA_OK)
		return r;
	for (size_t i = 0; r == KA_OK && i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!host_sshd_is(config, needed[i].keyword, needed[i].value))
			r = ka_result_fail(err, KA_CONFLICT, "sshd has no \"%s %s\" for projects: %s",
			    needed[i].keyword, needed[i].value, needed[i].why);
	if (r == KA_OK && in_service && !host_sshd_is(config, "authorizedkeyscommanduser", "keyacct"))
		r = ka_result_fail(err, KA_CONFLICT,
		    "sshd does not take /etc/ssh/sshd_config.d/00-keyacct.conf: has /etc/ssh/sshd_config an Include "
		    "for it, "
		    "before every Match?");
	free(config);
	return r;
}

static int
say_nothing(int n, const struct pam_message **messages, struct pam_response **responses, void *arg)
{
	(void)n;
	(void)messages;
	(void)responses;
	(void)arg;
	return PAM_CONV_ERR;
}

/* Would PAM let root into a session? */
static int
ask_pam(void)
{
	const struct pam_conv conv = {.conv = say_nothing};
	pam_handle_t *pamh = NULL;
	int rc = pam_start("sshd", "root", &conv, &pamh);

	if (rc == PAM_SUCCESS)
		rc = pam_acct_mgmt(pamh, PAM_SILENT);
	(void)pam_end(pamh, rc);
	return rc;
}

/* In a process of its own: this one has the old nsswitch.conf in memory. */
static bool
knows_root(const char *database)
{
	const char *argv[] = {"getent", database, "root", NULL};
	char *output;
	int status = run_program(argv, NULL, &output);

	free(output);
	return status == 0;
}

static enum ka_result
check_host(const struct setup *s, int pam_before, struct ka_error *err)
{
	char *config;
	enum ka_result r;
	int pam;

	if ((r = s->undo ? ask_sshd(&config, err) : check_sshd(true, err)) != KA_OK)
		return r;
	if (s->undo)
		free(config);
	if ((pam = ask_pam()) != pam_before)
		return ka_result_fail(
		    err, KA_FAILED, "PAM answers differently about root than before: %s", pam_strerror(NULL, pam));
	if (!knows_root("passwd") || !knows_root("group"))
		return ka_result_fail(err, KA_FAILED, "root is not found any more: 'getent passwd root'");
	return KA_OK;
}

/* Out of service goes the other way round: first no project is a user any more. */
static struct file *
nth(const struct setup *s, size_t i)
{
	return &files[s->undo ? FILES - 1 - i : i];
}

static void
roll_back(const struct setup *s, size_t done)
{
	struct ka_error err;

	while (done-- > 0)
		if (is_changed(nth(s, done)) && replace_file(s, nth(s, done)->path, nth(s, done)->old, &err) != KA_OK)
			cli_warn(s->cli, err.text);
}

static enum ka_result
apply(const struct setup *s, struct ka_error *err)
{
	int pam_before = s->image ? PAM_SUCCESS : ask_pam();
	enum ka_result r = KA_OK;
	size_t done = 0;

	for (; r == KA_OK && done < FILES; done++)
		if (is_changed(nth(s, done)))
			r = replace_file(s, nth(s, done)->path, nth(s, done)->new, err);
	if (r == KA_OK && !s->image)
		r = check_host(s, pam_before, err);
	if (r != KA_OK) {
		struct ka_error why = *err;

		roll_back(s, done);
		(void)ka_result_fail(err, r, "everything is as it was: %.400s", why.text);
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
	return s->image || s->undo ? KA_OK : check_sshd(false, err);
}

/* For scripts: which files differ from what is wanted, and whether they were changed. */
static enum cli_status
show_in_service(const struct setup *s, bool done)
{
	json_t *paths = json_array();

	for (size_t i = 0; i < FILES; i++)
		if (is_changed(nth(s, i)))
			(void)json_array_append_new(paths, json_string(nth(s, i)->path));
	return show_object(s->cli, json_pack("{s:o,s:b}", "files", paths, "changed", done), NULL);
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
		  "log in as root in a second "
		  "window, before you "
		  "close this one.");
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
	free(s.drop_in);
	return status;
}

static const struct cli_option options[] = {
    {"undo", NULL, "out of service again", false},
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
