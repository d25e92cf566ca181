/*
 * glibc's view of the projects: a project's id is a user name and a group name, its uid is both its uid and its gid.
 * This code runs inside every process of the host, setuid programs included. It answers from names.mdb alone, trusts no
 * environment, keeps nothing between calls, and says nothing: not even to syslog.
 * Thread safety: no state is kept; any number of threads.
 */
#include <errno.h>
#include <grp.h>
#include <nss.h>
#include <pthread.h>
#include <pwd.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/record.h"
#include "common/result.h"
#include "common/uuid.h"
#include "common/view.h"

#define NAMES_FILE KA_DATADIR "/names.mdb"

/* sshd and su accept "*" without a shadow entry; "x" needs one, and "!" means locked. */
#define NO_PASSWORD "*"

#define DELETED_SHELL "/usr/sbin/nologin"

/* glibc's types for every function of a module: a wrong parameter list does not compile. */
NSS_DECLARE_MODULE_FUNCTIONS(keyacct)

/* What is asked for, an id or else a uid, and the row that answers it. */
struct query {
	const uint8_t *id;
	uint32_t uid;
	struct ka_name *found;
};

/* What is left of the caller's buffer, and whether something did not fit. */
struct room {
	char *at;
	size_t left;
	bool full;
};

/* The project that has the uid, out of the uid's own table. */
static enum ka_result
read_owner(struct ka_view *view, uint32_t uid, uint8_t id[static KA_UUID_LEN])
{
	struct ka_row row;
	uint8_t key[4];
	enum ka_result r;

	ka_table_be32(uid, key);
	if ((r = ka_view_get(view, KA_TABLE_NAME_UID, key, sizeof(key), &row)) != KA_OK)
		return r;
	if (row.len != KA_UUID_LEN)
		return KA_CORRUPT;
	memcpy(id, row.payload, KA_UUID_LEN);
	return KA_OK;
}

static enum ka_result
read_name(struct ka_view *view, const uint8_t id[static KA_UUID_LEN], struct ka_name *name)
{
	struct ka_row row;
	enum ka_result r;

	if ((r = ka_view_get(view, KA_TABLE_NAME, id, KA_UUID_LEN, &row)) != KA_OK)
		return r;
	if ((r = ka_record_get_name(row.payload, row.len, name)) != KA_OK)
		return r;
	memcpy(name->id, id, KA_UUID_LEN);
	return KA_OK;
}

/* One lookup on one snapshot. It may be called again: what is asked for stays apart from what was found. */
static enum ka_result
walk(struct ka_view *view, void *arg)
{
	const struct query *q = arg;
	uint8_t id[KA_UUID_LEN];
	enum ka_result r;

	if (q->id != NULL)
		return read_name(view, q->id, q->found);
	if ((r = read_owner(view, q->uid, id)) != KA_OK)
		return r;
	r = read_name(view, id, q->found);
	/* A uid whose project is missing, or says that it has another one, is damage and not "no such user". */
	if (r == KA_NOTFOUND || (r == KA_OK && q->found->uid != q->uid))
		return KA_CORRUPT;
	return r;
}

/*
 * The only place where a file is touched. A thread cancelled in here would leak the descriptor and the page, and the
 * host's errno is the host's.
 */
static enum ka_result
look_up(struct query *q)
{
	int host_errno = errno, host_cancel = PTHREAD_CANCEL_ENABLE;
	enum ka_result r;

	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &host_cancel);
	r = ka_view_read(NAMES_FILE, walk, q);
	(void)pthread_setcancelstate(host_cancel, NULL);
	errno = host_errno;
	return r;
}

/* Every user of the host passes through here, root included: the shape alone decides whether a file is touched. */
static enum ka_result
find_name(const char *name, struct ka_name *found)
{
	uint8_t id[KA_UUID_LEN];
	struct query q = {.id = id, .found = found};

	return ka_uuid_from_name(name, id) == KA_OK ? look_up(&q) : KA_NOTFOUND;
}

static enum ka_result
find_uid(uint32_t uid, struct ka_name *found)
{
	struct query q = {.uid = uid, .found = found};

	return ka_record_uid_ok(uid) ? look_up(&q) : KA_NOTFOUND;
}

/* The status for a lookup's answer; on failure also the errno, which must then not be 0. */
static enum nss_status
status_of(enum ka_result r, int *errnop)
{
	switch (r) {
	case KA_OK:
		return NSS_STATUS_SUCCESS;
	case KA_NOTFOUND:
		*errnop = ENOENT;
		return NSS_STATUS_NOTFOUND;
	case KA_BUSY:
		*errnop = EAGAIN;
		return NSS_STATUS_TRYAGAIN;
	case KA_UNAVAIL:
	case KA_CORRUPT:
	case KA_CONFLICT:
	case KA_INVALID:
	case KA_FAILED:
		break;
	}
	/* Not ENOENT, ESRCH, EBADF or EPERM: to callers of getpwnam_r they mean "no such user" (getpwnam(3)). */
	*errnop = EIO;
	return NSS_STATUS_UNAVAIL;
}

/* ERANGE means this and nothing else: glibc answers it with a larger buffer, without end. */
static enum nss_status
too_small(int *errnop)
{
	*errnop = ERANGE;
	return NSS_STATUS_TRYAGAIN;
}

static void *
take(struct room *room, size_t len, size_t align)
{
	size_t gap = (align - (uintptr_t)room->at % align) % align;
	char *taken;

	if (gap > room->left || len > room->left - gap) {
		room->full = true;
		return NULL;
	}
	taken = room->at + gap;
	room->at = taken + len;
	room->left -= gap + len;
	return taken;
}

static char *
take_text(struct room *room, const char *text)
{
	size_t len = strlen(text) + 1;
	char *copy = take(room, len, 1);

	if (copy != NULL)
		memcpy(copy, text, len);
	return copy;
}

static enum nss_status
answer_passwd(const struct ka_name *found, struct passwd *pwd, char *buf, size_t buflen, int *errnop)
{
	struct room room = {.at = buf, .left = buflen};
	char name[KA_UUID_NAME_LEN];
	struct passwd entry = {.pw_uid = found->uid, .pw_gid = found->uid};

	ka_uuid_name(found->id, name);
	entry.pw_name = take_text(&room, name);
	entry.pw_passwd = take_text(&room, NO_PASSWORD);
	/* A project's title is for its members: everyone reads this. */
	entry.pw_gecos = take_text(&room, "");
	entry.pw_dir = take_text(&room, found->home);
	/* A deleted project's files keep an owner's name, and nobody gets in. */
	entry.pw_shell = take_text(&room, found->deleted ? DELETED_SHELL : found->shell);
	if (room.full)
		return too_small(errnop);
	*pwd = entry;
	return NSS_STATUS_SUCCESS;
}

static enum nss_status
answer_group(const struct ka_name *found, struct group *grp, char *buf, size_t buflen, int *errnop)
{
	struct room room = {.at = buf, .left = buflen};
	char name[KA_UUID_NAME_LEN];
	struct group entry = {.gr_gid = found->uid};

	ka_uuid_name(found->id, name);
	entry.gr_mem = take(&room, sizeof(*entry.gr_mem), alignof(char *));
	entry.gr_name = take_text(&room, name);
	entry.gr_passwd = take_text(&room, NO_PASSWORD);
	if (room.full)
		return too_small(errnop);
	entry.gr_mem[0] = NULL;
	*grp = entry;
	return NSS_STATUS_SUCCESS;
}

enum nss_status
_nss_keyacct_getpwnam_r(const char *name, struct passwd *pwd, char *buf, size_t buflen, int *errnop)
{
	struct ka_name found;
	enum ka_result r = find_name(name, &found);

	return r == KA_OK ? answer_passwd(&found, pwd, buf, buflen, errnop) : status_of(r, errnop);
}

enum nss_status
_nss_keyacct_getpwuid_r(uid_t uid, struct passwd *pwd, char *buf, size_t buflen, int *errnop)
{
	struct ka_name found;
	enum ka_result r = find_uid(uid, &found);

	return r == KA_OK ? answer_passwd(&found, pwd, buf, buflen, errnop) : status_of(r, errnop);
}

enum nss_status
_nss_keyacct_getgrnam_r(const char *name, struct group *grp, char *buf, size_t buflen, int *errnop)
{
	struct ka_name found;
	enum ka_result r = find_name(name, &found);

	return r == KA_OK ? answer_group(&found, grp, buf, buflen, errnop) : status_of(r, errnop);
}

enum nss_status
_nss_keyacct_getgrgid_r(gid_t gid, struct group *grp, char *buf, size_t buflen, int *errnop)
{
	struct ka_name found;
	enum ka_result r = find_uid(gid, &found);

	return r == KA_OK ? answer_group(&found, grp, buf, buflen, errnop) : status_of(r, errnop);
}

/*
 * A project has its own group and no other. glibc asks this about every user, and without it would enumerate the groups
 * instead (initgroups.c, compat_call).
 */
enum nss_status
_nss_keyacct_initgroups_dyn(
    const char *user, gid_t group, long *start, long *size, gid_t **groups, long limit, int *errnop)
{
	(void)user;
	(void)group;
	(void)start;
	(void)size;
	(void)groups;
	(void)limit;
	return status_of(KA_NOTFOUND, errnop);
}

/* Nobody may list the projects through NSS: there can be millions, and who has one is not everyone's business. */
enum nss_status
_nss_keyacct_setpwent(int stayopen)
{
	(void)stayopen;
	return NSS_STATUS_SUCCESS;
}

enum nss_status
_nss_keyacct_endpwent(void)
{
	return NSS_STATUS_SUCCESS;
}

enum nss_status
_nss_keyacct_getpwent_r(struct passwd *pwd, char *buf, size_t buflen, int *errnop)
{
	(void)pwd;
	(void)buf;
	(void)buflen;
	return status_of(KA_NOTFOUND, errnop);
}

enum nss_status
_nss_keyacct_setgrent(int stayopen)
{
	(void)stayopen;
	return NSS_STATUS_SUCCESS;
}

enum nss_status
_nss_keyacct_endgrent(void)
{
	return NSS_STATUS_SUCCESS;
}

enum nss_status
_nss_keyacct_getgrent_r(struct group *grp, char *buf, size_t buflen, int *errnop)
{
	(void)grp;
	(void)buf;
	(void)buflen;
	return status_of(KA_NOTFOUND, errnop);
}
