#include "keyacct/setup_try.h"

#include <pwd.h>
#include <security/pam_appl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/catalog.h"
#include "common/uuid.h"
#include "keyacct/host_files.h"
#include "keyacct/host_sshd.h"
#include "keyacct/run.h"

/* What sshd has for a project. */
static enum ka_result
ask_sshd(char **config, struct ka_error *err)
{
	return host_sshd_ask(HOST_SSHD_NOBODY, "localhost", "127.0.0.1", config, err);
}

/* Every setting of our drop-in has to be what counts for a project: of two Match blocks the first one does. */
static enum ka_result
try_drop_in(const char *config, const char *drop_in, struct ka_error *err)
{
	for (const char *line = drop_in; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n') {
		char keyword[64], value[256];

		if (line[0] != ' ' || sscanf(line, " %63s %255[^\n]", keyword, value) != 2 ||
		    host_sshd_is(config, keyword, value))
			continue;
		return ka_result_fail(err, KA_CONFLICT,
		    "sshd does not take \"%s\" from " HOST_DROP_IN ": has /etc/ssh/sshd_config "
		    "an Include for it, before every Match?",
		    keyword);
	}
	return KA_OK;
}

static enum ka_result
try_sshd(const char *drop_in, struct ka_error *err)
{
	char *config, setting[320];
	enum ka_result r;

	if ((r = ask_sshd(&config, err)) != KA_OK)
		return r;
	for (size_t i = 0; r == KA_OK && i < HOST_SSHD_NEEDS; i++) {
		const struct host_sshd_need *need = &host_sshd_needed[i];

		if (!host_sshd_is(config, need->keyword, need->value))
			r = ka_result_fail(err, KA_CONFLICT, "sshd has no \"%s %s\" for projects: %s", need->keyword,
			    need->value, need->why);
	}
	if (r == KA_OK && host_sshd_keeps_out(config, setting, sizeof(setting)))
		r = ka_result_fail(err, KA_CONFLICT,
		    "sshd's %s keeps projects out: the pattern of 32 question marks is all of them, where it allows "
		    "and where it denies",
		    setting);
	if (r == KA_OK && drop_in != NULL)
		r = try_drop_in(config, drop_in, err);
	free(config);
	return r;
}

/* Local users */

/* Is it a project of the database, by the same uid: one that was adopted? */
static bool
is_project(struct ka_store *store, const struct passwd *pw)
{
	struct ka_project project;
	uint8_t id[KA_UUID_LEN];

	return store != NULL && ka_uuid_from_name(pw->pw_name, id) == KA_OK &&
	       ka_catalog_get_project(store, id, &project) == KA_OK && project.uid == pw->pw_uid;
}

static enum ka_result
refuse_user(const struct passwd *pw, struct ka_error *err)
{
	uint8_t id[KA_UUID_LEN];

	if (ka_uuid_from_name(pw->pw_name, id) != KA_OK)
		return ka_result_fail(err, KA_CONFLICT,
		    "sshd would ask the local user %s for a project's key: the name has 32 characters: rename it",
		    pw->pw_name);
	return ka_result_fail(err, KA_CONFLICT,
	    "sshd would take the local user %s for a project: rename it, or make it one with "
	    "'keyacct project add %s --uid %u --home %s'",
	    pw->pw_name, pw->pw_name, pw->pw_uid, pw->pw_dir);
}

/* Whoever has a name of 32 characters is asked for a project's key from now on, and could log in no more. */
static enum ka_result
try_local_users(const char *dir, struct ka_error *err)
{
	FILE *f = fopen("/etc/passwd", "re");
	struct ka_store *store = NULL;
	const struct passwd *pw;
	enum ka_result r = KA_OK;

	if (f == NULL)
		return ka_result_fail(err, KA_FAILED, "cannot read /etc/passwd");
	if (ka_store_open(dir, false, &store, NULL) != KA_OK)
		store = NULL;
	while (r == KA_OK && (pw = fgetpwent(f)) != NULL)
		if (strlen(pw->pw_name) == KA_UUID_NAME_LEN - 1 && !is_project(store, pw))
			r = refuse_user(pw, err);
	ka_store_close(store);
	(void)fclose(f);
	return r;
}

enum ka_result
setup_try_before(const char *dir, struct ka_error *err)
{
	enum ka_result r;

	if (getpwnam("keyacct") == NULL)
		return ka_result_fail(err, KA_NOTFOUND,
		    "there is no user \"keyacct\", as whom sshd runs the helper: 'systemd-sysusers keyacct.conf' makes "
		    "it");
	if ((r = try_sshd(NULL, err)) != KA_OK)
		return r;
	return try_local_users(dir, err);
}

/* PAM and NSS */

static const char *const services[SETUP_SERVICES] = {"sshd", "cron", "atd"};

static int
say_nothing(int n, const struct pam_message **messages, struct pam_response **responses, void *arg)
{
	(void)n;
	(void)messages;
	(void)responses;
	(void)arg;
	return PAM_CONV_ERR;
}

/* Would PAM let root in? */
static int
ask_pam(const char *service)
{
	const struct pam_conv conv = {.conv = say_nothing};
	pam_handle_t *pamh = NULL;
	int rc = pam_start(service, "root", &conv, &pamh);

	if (rc == PAM_SUCCESS)
		rc = pam_acct_mgmt(pamh, PAM_SILENT);
	(void)pam_end(pamh, rc);
	return rc;
}

void
setup_try_pam(struct setup_pam *answers)
{
	for (size_t i = 0; i < SETUP_SERVICES; i++) {
		char path[64];

		(void)snprintf(path, sizeof(path), "/etc/pam.d/%s", services[i]);
		answers->answer[i] = access(path, F_OK) == 0 ? ask_pam(services[i]) : -1;
	}
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

enum ka_result
setup_try_after(const char *drop_in, const struct setup_pam *before, struct ka_error *err)
{
	struct setup_pam now;
	char *config = NULL;
	enum ka_result r = drop_in != NULL ? try_sshd(drop_in, err) : ask_sshd(&config, err);

	free(config);
	if (r != KA_OK)
		return r;
	setup_try_pam(&now);
	for (size_t i = 0; i < SETUP_SERVICES; i++)
		if (now.answer[i] != before->answer[i])
			return ka_result_fail(err, KA_FAILED,
			    "PAM answers differently about root than before, for %s: %s", services[i],
			    pam_strerror(NULL, now.answer[i]));
	if (!knows_root("passwd") || !knows_root("group"))
		return ka_result_fail(err, KA_FAILED, "root is not found any more: 'getent passwd root'");
	return KA_OK;
}
