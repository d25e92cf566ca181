/*
 * What a host without keyacct has: authorized_keys files, and users.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/catalog.h"
#include "common/model.h"
#include "common/paste.h"
#include "common/text.h"
#include "keyacct/import.h"

static bool
is_empty(const char *line)
{
	line += strspn(line, " \t\r\n");
	return *line == '\0' || *line == '#';
}

/* The options in front of a key end at the first blank that stands in no quotes (sshd(8), AUTHORIZED_KEYS FILE FORMAT).
 */
static size_t
options_len(const char *line)
{
	bool quoted = false;
	size_t n = 0;

	for (; line[n] != '\0' && (quoted || (line[n] != ' ' && line[n] != '\t')); n++)
		if (line[n] == '\\' && line[n + 1] == '"')
			n++;
		else if (line[n] == '"')
			quoted = !quoted;
	return n;
}

/* Of the options only from="..." has a place here; whatever else one says would be lost in silence. */
static enum ka_result
read_options(const char *options, size_t len, struct ka_key *key, struct ka_error *err)
{
	static const char from[] = "from=\"";

	if (len > sizeof(from) && strncasecmp(options, from, sizeof(from) - 1) == 0 &&
	    strcspn(options + sizeof(from) - 1, "\"") == len - sizeof(from)) {
		if (len - sizeof(from) >= sizeof(key->from))
			return ka_result_fail(err, KA_INVALID, "the from= of this key is too long");
		(void)snprintf(
		    key->from, sizeof(key->from), "%.*s", (int)(len - sizeof(from)), options + sizeof(from) - 1);
		return KA_OK;
	}
	return ka_result_fail(err, KA_INVALID,
	    "this key has the options %.*s, and only from=\"...\" can be kept: add it by hand (keyacct key add)",
	    (int)(len < 80 ? len : 80), options);
}

/* Does the line begin with a key's type? Then there are no options. */
static bool
begins_with_type(const char *line)
{
	return ka_sshkey_find_type(line, strcspn(line, " \t")) != NULL;
}

enum ka_result
import_authorized_key(struct import *im, const struct ka_account *account, const char *line,
    enum import_outcome *outcome, struct ka_error *err)
{
	struct ka_key key = {.state = KA_KEY_ACTIVE};
	struct ka_sshkey sshkey;
	size_t len;
	enum ka_result r;

	*outcome = IMPORT_NOTHING;
	if (is_empty(line))
		return KA_OK;
	line += strspn(line, " \t");
	if (!begins_with_type(line)) {
		len = options_len(line);
		/* What has no options and no type either is for the one who reads keys to refuse. */
		if (begins_with_type(line + len + strspn(line + len, " \t"))) {
			if ((r = read_options(line, len, &key, err)) != KA_OK)
				return r;
			line += len + strspn(line + len, " \t");
		}
	}
	if ((r = ka_paste_parse(line, strlen(line), &sshkey, err)) != KA_OK)
		return r;
	/* What the account has already stays as it is: its title, times and limits say more than such a line. */
	if ((r = ka_catalog_get_registration(im->store, sshkey.sha256, account->id, &key)) == KA_OK) {
		*outcome = IMPORT_UNCHANGED;
		return KA_OK;
	}
	if (r != KA_NOTFOUND)
		return ka_store_fail(im->store, r, err);
	memcpy(key.account, account->id, KA_UUID_LEN);
	(void)snprintf(key.origin, sizeof(key.origin), "%s", im->origin != NULL ? im->origin : "authorized-keys");
	return import_key(im, &key, false, &sshkey, NULL, 0, outcome, err);
}

enum { NAME, PASSWORD, UID, GID, GECOS, HOME, SHELL, PASSWD_FIELDS };

static bool
split_passwd(char *line, char *fields[static PASSWD_FIELDS])
{
	line[strcspn(line, "\r\n")] = '\0';
	for (int i = 0; i < PASSWD_FIELDS; i++) {
		if (line == NULL)
			return false;
		fields[i] = line;
		if ((line = strchr(line, ':')) != NULL)
			*line++ = '\0';
	}
	return line == NULL;
}

/* The project that has this uid, if one has. */
static enum ka_result
project_of_uid(struct import *im, uint32_t uid, struct ka_project *project)
{
	uint8_t key[4];
	struct ka_row row;
	enum ka_result r;

	ka_table_be32(uid, key);
	if ((r = ka_store_get(im->store, KA_TABLE_UID, key, sizeof(key), &row)) != KA_OK)
		return r;
	return row.len == KA_UUID_LEN ? ka_catalog_get_project(im->store, row.payload, project) : KA_CORRUPT;
}

/* Who owns the project of a user: the account that is named like the user, made if there is none. */
static enum ka_result
owner_of_user(
    struct import *im, char *const fields[static PASSWD_FIELDS], struct ka_account *owner, struct ka_error *err)
{
	enum ka_result r;

	memset(owner, 0, sizeof(*owner));
	if (!ka_record_handle_ok(fields[NAME]))
		return ka_result_fail(err, KA_INVALID,
		    "\"%.80s\" cannot be an account's handle: say with --account who owns its project", fields[NAME]);
	if ((r = ka_catalog_find_account(im->store, fields[NAME], owner, NULL)) != KA_NOTFOUND)
		return ka_store_fail(im->store, r, err);
	(void)snprintf(owner->handle, sizeof(owner->handle), "%s", fields[NAME]);
	/* Old files are in Latin-1. */
	(void)ka_text_clean(fields[GECOS], strcspn(fields[GECOS], ","), owner->name, sizeof(owner->name));
	return ka_model_add_account(im->store, owner, err);
}

static enum ka_result
add_owner(struct import *im, const struct ka_project *project, const struct ka_account *owner, struct ka_error *err)
{
	struct ka_member member = {.kind = KA_SUBJECT_ACCOUNT, .role = KA_ROLE_OWNER};

	memcpy(member.project, project->id, KA_UUID_LEN);
	memcpy(member.subject, owner->id, KA_UUID_LEN);
	return ka_membership_add(im->store, &member, KA_OWNER_KEPT, err);
}

static enum ka_result
read_path(const char *what, const char *path, char *out, size_t outlen, struct ka_error *err)
{
	if (!ka_record_path_ok(path) || !ka_text_is_visible(path) || strlen(path) >= outlen)
		return ka_result_fail(err, KA_INVALID,
		    "the %s \"%.80s\" cannot be used: an absolute path in UTF-8 is wanted, of at most %zu bytes", what,
		    path, outlen - 1);
	(void)snprintf(out, outlen, "%s", path);
	return KA_OK;
}

/* A project with the uid, home and shell of the user. A name that is a project's id already stays one. */
static enum ka_result
fill_project(struct import *im, char *const fields[static PASSWD_FIELDS], uint32_t uid, struct ka_project *project,
    struct ka_error *err)
{
	/* passwd(5): an empty shell is this one. */
	const char *shell = fields[SHELL][0] != '\0' ? fields[SHELL] : "/bin/sh";
	enum ka_result r;

	*project = (struct ka_project){.ssh = true, .policy = im->settings.policy, .uid = uid};
	if ((r = read_path("home", fields[HOME], project->home, sizeof(project->home), err)) != KA_OK ||
	    (r = read_path("shell", shell, project->shell, sizeof(project->shell), err)) != KA_OK)
		return r;
	if (ka_uuid_from_name(fields[NAME], project->id) != KA_OK) {
		memset(project->id, 0, sizeof(project->id));
		(void)ka_text_clean(fields[NAME], strlen(fields[NAME]), project->title, sizeof(project->title));
	}
	return KA_OK;
}

static enum ka_result
import_user(struct import *im, const struct ka_account *owner, char *const fields[static PASSWD_FIELDS], uint32_t uid,
    enum import_outcome *outcome, struct ka_error *err)
{
	struct ka_project project;
	struct ka_account own;
	uint8_t id[KA_UUID_LEN];
	enum ka_result r;

	/* By its uid a user is known again. */
	if ((r = project_of_uid(im, uid, &project)) == KA_OK) {
		*outcome = IMPORT_UNCHANGED;
		return KA_OK;
	}
	if (r != KA_NOTFOUND)
		return ka_store_fail(im->store, r, err);
	if ((r = fill_project(im, fields, uid, &project, err)) != KA_OK ||
	    (r = import_check_uid(uid, project.id, err)) != KA_OK)
		return r;
	/* A user whose name is a project's id is nobody: such a project has an owner only when one is named. */
	if (owner == NULL && ka_uuid_from_name(fields[NAME], id) != KA_OK) {
		if ((r = owner_of_user(im, fields, &own, err)) != KA_OK)
			return r;
		owner = &own;
	}
	if ((r = ka_model_add_project(im->store, &project, err)) != KA_OK)
		return r;
	*outcome = IMPORT_ADDED;
	return owner != NULL ? add_owner(im, &project, owner, err) : KA_OK;
}

/* A project's group has its uid. Files with another group's number would be the next project's that gets this number.
 */
static enum ka_result
check_group(char *const fields[static PASSWD_FIELDS], uint32_t uid, struct ka_error *err)
{
	unsigned long gid;
	char *end;

	gid = strtoul(fields[GID], &end, 10);
	if (fields[GID][0] < '0' || fields[GID][0] > '9' || *end != '\0' || gid > UINT32_MAX)
		return ka_result_fail(err, KA_INVALID, "the gid \"%.20s\" is no number", fields[GID]);
	if (gid == uid || !ka_record_uid_ok((uint32_t)gid))
		return KA_OK;
	return ka_result_fail(err, KA_CONFLICT,
	    "the group of \"%.80s\" is %lu, and a project's is its uid, %u: another project could get the files of "
	    "that "
	    "group. Give them the project's ('find HOME -xdev -gid %lu -exec chgrp -h %u {} +'), and write %u into the "
	    "line's fourth field",
	    fields[NAME], gid, uid, gid, uid, uid);
}

/* Root and the system's own users stay where they are, and so does the one that sshd's helper runs as. */
static bool
is_systems(const char *name, unsigned long uid)
{
	return !ka_record_uid_ok((uint32_t)uid) || strcmp(name, "keyacct") == 0;
}

enum ka_result
import_passwd(struct import *im, const struct ka_account *owner, const char *line, enum import_outcome *outcome,
    struct ka_error *err)
{
	char *copy, *fields[PASSWD_FIELDS], *end;
	unsigned long uid;
	enum ka_result r;

	*outcome = IMPORT_NOTHING;
	if (is_empty(line))
		return KA_OK;
	if ((copy = strdup(line)) == NULL)
		return ka_result_fail(err, KA_UNAVAIL, "out of memory");
	if (!split_passwd(copy, fields)) {
		r = ka_result_fail(
		    err, KA_INVALID, "this is no line of a passwd file: seven fields with colons between them");
		goto out;
	}
	uid = strtoul(fields[UID], &end, 10);
	if (fields[UID][0] < '0' || fields[UID][0] > '9' || *end != '\0' || uid > UINT32_MAX)
		r = ka_result_fail(err, KA_INVALID, "the uid \"%.20s\" is no number", fields[UID]);
	else if (is_systems(fields[NAME], uid))
		r = KA_OK;
	else if ((r = check_group(fields, (uint32_t)uid, err)) == KA_OK)
		r = import_user(im, owner, fields, (uint32_t)uid, outcome, err);
out:
	free(copy);
	return r;
}
