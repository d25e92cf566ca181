/*
 * keyacct doctor: whose login is walked, and what is the project's own: its state, shell and home.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/view.h"
#include "keyacct/doctor.h"

/* Far enough to meet one that can be entered, and no walk through millions. */
#define PROJECTS_MAX 10000

struct pick {
	uint8_t low[KA_UUID_LEN], high[KA_UUID_LEN];
	bool any; /* the first that can be entered */
	unsigned found;
	struct ka_project project;
	enum ka_reason closed;
	struct ka_name name;
};

static bool
is_behind(const struct ka_row *row, const struct pick *p)
{
	return row->keylen != KA_UUID_LEN || memcmp(row->key, p->high, KA_UUID_LEN) > 0;
}

static enum ka_result
step(struct ka_view *view, enum ka_table table, const struct pick *p, struct ka_row *row)
{
	uint8_t from[KA_KEY_MAX + 1];
	size_t len = ka_table_after(row, p->low, KA_UUID_LEN, from);
	enum ka_result r = ka_view_seek(view, table, from, len, row);

	return r == KA_OK && is_behind(row, p) ? KA_NOTFOUND : r;
}

static enum ka_result
decide(struct ka_view *view, struct pick *p)
{
	static struct ka_access_answer answer;
	struct ka_access_question q = {.at_s = 1, .host = ""};
	enum ka_result r;

	memcpy(q.project, p->project.id, KA_UUID_LEN);
	r = ka_access_decide_project(view, &q, &answer);
	p->closed = answer.reason;
	return r;
}

static enum ka_result
pick_project(struct ka_view *view, void *arg)
{
	struct pick *p = arg;
	struct ka_row row = {.keylen = 0};
	enum ka_result r = KA_OK;

	p->found = 0;
	for (unsigned n = 0; n < PROJECTS_MAX && (r = step(view, KA_TABLE_PROJECT, p, &row)) == KA_OK; n++) {
		if ((r = ka_record_row_project(&row, &p->project)) != KA_OK || (r = decide(view, p)) != KA_OK)
			return r;
		if (p->any && p->closed != KA_REASON_GRANTED)
			continue;
		if (++p->found > 1 || p->any)
			break;
	}
	return r == KA_NOTFOUND ? KA_OK : r;
}

static enum ka_result
pick_name(struct ka_view *view, void *arg)
{
	struct pick *p = arg;
	struct ka_name name;
	struct ka_row row = {.keylen = 0};
	enum ka_result r = KA_OK;

	p->found = 0;
	for (unsigned n = 0; n < PROJECTS_MAX && (r = step(view, KA_TABLE_NAME, p, &row)) == KA_OK; n++) {
		if ((r = ka_record_get_name(row.payload, row.len, &name)) != KA_OK)
			return r;
		memcpy(name.id, row.key, KA_UUID_LEN);
		if (p->any && name.deleted)
			continue;
		p->name = name;
		if (++p->found > 1 || p->any)
			break;
	}
	return r == KA_NOTFOUND ? KA_OK : r;
}

/* What names.mdb has about the project that was found in access.mdb. */
static void
find_name(struct doctor *d, const uint8_t id[static KA_UUID_LEN])
{
	struct pick p = {.any = false};

	memcpy(p.low, id, KA_UUID_LEN);
	memcpy(p.high, id, KA_UUID_LEN);
	d->has_name = ka_view_read(d->names, pick_name, &p) == KA_OK && p.found == 1;
	if (d->has_name)
		d->name = p.name;
}

enum ka_result
doctor_find_project(struct doctor *d, const char *text, struct ka_error *err)
{
	struct pick p = {.any = text == NULL};
	enum ka_result r;

	memcpy(d->user, HOST_SSHD_NOBODY, sizeof(d->user));
	memset(p.high, 0xff, sizeof(p.high));
	if (text != NULL && ka_uuid_parse_prefix(text, p.low, p.high) != KA_OK)
		return ka_result_fail(err, KA_INVALID,
		    "\"%s\" is no project's id: write its 32 digits, with or without hyphens, or at least the first %d",
		    text, KA_UUID_PREFIX);
	/* Without access.mdb, or without the right to read it, names.mdb tells who is a user. */
	if ((r = ka_view_read(d->access, pick_project, &p)) == KA_OK && p.found == 1) {
		d->has_project = true;
		d->project = p.project;
		d->closed = p.closed;
		find_name(d, p.project.id);
		ka_uuid_name(p.project.id, d->user);
	} else if (r != KA_OK && (r = ka_view_read(d->names, pick_name, &p)) == KA_OK && p.found == 1) {
		d->has_name = true;
		d->name = p.name;
		ka_uuid_name(p.name.id, d->user);
	}
	if (r == KA_OK && p.found > 1)
		return ka_result_fail(
		    err, KA_CONFLICT, "several projects begin with \"%s\": write more of the id", text);
	if (r == KA_OK && p.found == 0 && text != NULL)
		return ka_result_fail(err, KA_NOTFOUND, "there is no project \"%s\"", text);
	if (r != KA_OK && text != NULL)
		ka_uuid_name(p.low, d->user);
	return KA_OK;
}

struct seek_uid {
	uint32_t first, last;
	struct ka_name name;
};

static enum ka_result
seek_uid(struct ka_view *view, void *arg)
{
	struct seek_uid *s = arg;
	uint8_t key[4], last[4];
	struct ka_row row;
	enum ka_result r;

	ka_table_be32(s->first, key);
	ka_table_be32(s->last, last);
	if ((r = ka_view_seek(view, KA_TABLE_NAME_UID, key, sizeof(key), &row)) != KA_OK)
		return r;
	if (row.keylen != sizeof(last) || memcmp(row.key, last, sizeof(last)) > 0)
		return KA_NOTFOUND;
	if (row.len != KA_UUID_LEN)
		return KA_CORRUPT;
	memcpy(s->name.id, row.payload, KA_UUID_LEN);
	s->name.uid = (uint32_t)row.key[0] << 24 | (uint32_t)row.key[1] << 16 | (uint32_t)row.key[2] << 8 | row.key[3];
	return KA_OK;
}

enum ka_result
doctor_find_uid(struct doctor *d, uint32_t first, uint32_t last, struct ka_name *name)
{
	struct seek_uid s = {.first = first, .last = last};
	enum ka_result r = ka_view_read(d->names, seek_uid, &s);

	*name = s.name;
	return r;
}

/* The project's own */

static void
judge_project(struct doctor *d)
{
	switch (d->closed) {
	case KA_REASON_PROJECT_ARCHIVED:
		doctor_fail(d, "the project %s is archived: nobody gets in", d->user);
		doctor_mend(d, "%s project unarchive %s", d->tool, d->user);
		break;
	case KA_REASON_PROJECT_DELETED:
		doctor_fail(d, "the project %s was removed: nobody gets in, and its id is never used again", d->user);
		doctor_mend(d, "%s project add --title %s", d->tool,
		    d->project.title[0] != '\0' ? doctor_quote(d->project.title) : "TITLE");
		break;
	case KA_REASON_SSH_OFF:
		doctor_fail(d, "the project %s is closed to SSH", d->user);
		doctor_mend(d, "%s project set %s --ssh on", d->tool, d->user);
		break;
	case KA_REASON_GRANTED:
		doctor_ok(d, "the project %s is active and open to SSH", d->user);
		break;
	case KA_REASON_UNKNOWN_PROJECT:
	case KA_REASON_UNKNOWN_KEY:
	case KA_REASON_KEY_REACH:
	case KA_REASON_NOT_MEMBER:
	case KA_REASON_MEMBER_NOT_YET:
	case KA_REASON_MEMBER_EXPIRED:
	case KA_REASON_ACCOUNT_SUSPENDED:
	case KA_REASON_KEY_INACTIVE:
	case KA_REASON_KEY_NOT_YET:
	case KA_REASON_KEY_EXPIRED:
	case KA_REASON_KEY_TYPE:
	case KA_REASON_KEY_BITS:
	case KA_REASON_KEY_NO_TOKEN:
	case KA_REASON_KEY_HOST:
	case KA_REASON_KEY_ADDRESS:
	case KA_REASON_UID_MISMATCH:
	case KA_REASONS:
		/* None of a project that is there, when neither a key nor a uid is asked about. */
		doctor_fail(d, "the project %s: %s", d->user, ka_access_reason_text(d->closed));
		doctor_mend(d, "%s project show %s", d->tool, d->user);
		break;
	}
}

static void
look_project(struct doctor *d)
{
	if (d->has_project)
		judge_project(d);
	else
		doctor_skip(d, d->has_name ? "only root can read the state of a project"
					   : "there is no project that can be entered yet");
}

static void
look_shell(struct doctor *d)
{
	const char *shell = d->has_project ? d->project.shell : d->name.shell;

	if (!d->has_project && !d->has_name) {
		doctor_skip(d, "there is no project that can be entered yet");
		return;
	}
	if (!cli_is_shell(shell)) {
		doctor_fail(d, "%s, the shell of project %s, is no program here: sshd lets nobody in", shell, d->user);
		doctor_mend(d, "%s project set %s --shell /bin/bash", d->tool, d->user);
	}
	doctor_ok(d, "%s can be run", shell);
}

/* The nearest directory that is there: from it on pam_mkhomedir makes the rest. */
static bool
nearest(const char *path, char part[static PATH_MAX], struct stat *st)
{
	(void)snprintf(part, PATH_MAX, "%s", path);
	while (stat(part, st) != 0) {
		char *slash = strrchr(part, '/');

		if (slash == NULL || (errno != ENOENT && errno != ENOTDIR))
			return false;
		slash[slash == part] = '\0';
	}
	return true;
}

static void
look_home(struct doctor *d)
{
	const char *home = d->has_project ? d->project.home : d->name.home;
	uint32_t uid = d->has_project ? d->project.uid : d->name.uid;
	char part[PATH_MAX];
	struct stat st;

	if (!d->has_project && !d->has_name) {
		doctor_skip(d, "there is no project that can be entered yet");
		return;
	}
	if (!nearest(home, part, &st)) {
		if (!d->root && errno == EACCES) {
			doctor_skip(d, "only root can look at %s", home);
			return;
		}
		doctor_fail(d, "cannot look at %s, for the home %s: %s", part, home, strerror(errno));
		doctor_mend(d, "ls -ld %s", doctor_quote(part));
	} else if (!S_ISDIR(st.st_mode)) {
		doctor_fail(d, "%s is in the way of the home %s", part, home);
		doctor_mend(d, "mv %s %s.old", doctor_quote(part), doctor_quote(part));
	} else if (strcmp(part, home) == 0 && st.st_uid != uid) {
		doctor_fail(d,
		    "the home %s belongs to uid %lu, not to the project's %lu: who logs in cannot write there", home,
		    (unsigned long)st.st_uid, (unsigned long)uid);
		doctor_mend(d, "chown -hR %lu:%lu %s", (unsigned long)uid, (unsigned long)uid, doctor_quote(home));
	} else if (strcmp(part, home) == 0 && (st.st_mode & S_IWOTH) != 0) {
		doctor_fail(d, "everybody on this host may write into the home %s", home);
		doctor_mend(d, "chmod o-w %s", doctor_quote(home));
	} else if (strcmp(part, home) != 0 && st.st_uid != 0) {
		doctor_fail(d, "%s, in which the home of project %s is to be made, belongs to uid %lu and not to root",
		    part, d->user, (unsigned long)st.st_uid);
		doctor_mend(d, "chown root %s", doctor_quote(part));
	}
	doctor_ok(d, strcmp(part, home) == 0 ? "%s is the project's" : "%s will be made at the first login", home);
}

const struct doctor_check doctor_project_checks[] = {
    {"project", look_project, NULL},
    {"shell", look_shell, NULL},
    {"home", look_home, NULL},
    {.name = NULL},
};
