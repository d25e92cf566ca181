/*
 * keyacct doctor: do the uids of projects belong to projects alone, and does this host have them?
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keyacct/doctor.h"

/* systemd-nspawn's, for the users of containers: uid0 of each is a multiple of 65536 (UIDS-GIDS.md). */
#define NSPAWN_FIRST 524288U
#define NSPAWN_LAST  1879048191U

_Static_assert(NSPAWN_LAST < KA_UID_FIRST, "what is handed out is clear of systemd's ranges");

static bool
is_handed_out(unsigned long first, unsigned long last)
{
	return first <= KA_UID_LAST && last >= KA_UID_FIRST;
}

/* The lowest number that nobody has in the third field. */
static unsigned long
free_id(const char *text)
{
	unsigned long id = 1000, used;
	char line[1024];
	bool taken = true;

	while (taken) {
		const char *at = text;

		taken = false;
		while (!taken && doctor_next_line(&at, line, sizeof(line)))
			taken = sscanf(line, "%*[^:]:%*[^:]:%lu", &used) == 1 && used == id;
		id += taken;
	}
	return id;
}

/* The local users, or groups, that have a project's number, or one that a project will get. */
static void
judge_local(struct doctor *d, const char *path, const char *kind)
{
	char *text = doctor_read(path), line[1024], user[KA_UUID_NAME_LEN];
	const char *at = text != NULL ? text : "", *what = kind[0] == 'u' ? "uid" : "gid";
	unsigned long id;
	struct ka_name name;

	while (doctor_next_line(&at, line, sizeof(line))) {
		if (sscanf(line, "%*[^:]:%*[^:]:%lu", &id) != 1 || id > UINT32_MAX)
			continue;
		line[strcspn(line, ":")] = '\0';
		if (id > 0 && doctor_find_uid(d, (uint32_t)id, (uint32_t)id, &name) == KA_OK) {
			ka_uuid_name(name.id, user);
			doctor_fail(d, "the local %s %s has the %s %lu of the project %s: each reads the other's files",
			    kind, line, what, id, user);
		} else if (is_handed_out(id, id)) {
			doctor_warn(
			    d, "the local %s %s has the %s %lu, which a project will get", kind, line, what, id);
		} else {
			continue;
		}
		doctor_mend(d, "%smod --%s %lu %s", kind, what, free_id(text), doctor_quote(line));
	}
	free(text);
}

static void
look_local(struct doctor *d)
{
	judge_local(d, "/etc/passwd", "user");
	judge_local(d, "/etc/group", "group");
	doctor_ok(d, "no local user or group has the number of a project");
}

/* What useradd hands out. */
static void
look_useradd(struct doctor *d)
{
	static const struct {
		const char *name, *usual;
	} limits[] = {
	    {"UID_MAX", "60000"}, {"GID_MAX", "60000"}, {"SUB_UID_MAX", "600100000"}, {"SUB_GID_MAX", "600100000"}};
	char *text = doctor_read("/etc/login.defs"), line[512], name[64];
	const char *at = text != NULL ? text : "";
	unsigned long value;

	while (doctor_next_line(&at, line, sizeof(line)))
		for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
			if (sscanf(line, " %63s %lu", name, &value) != 2 || strcmp(name, limits[i].name) != 0 ||
			    value < KA_UID_FIRST)
				continue;
			doctor_warn(d, "%s %lu in /etc/login.defs: useradd will hand out what projects get, from %u on",
			    name, value, KA_UID_FIRST);
			doctor_mend(d, "sed -i -E 's/^([[:space:]]*%s[[:space:]]+).*/\\1%s/' /etc/login.defs", name,
			    limits[i].usual);
		}
	free(text);
	doctor_ok(d, "useradd hands out nothing that a project gets");
}

/* Ranges for the users of containers: whoever runs one is every user in it. */
static void
judge_subids(struct doctor *d, const char *path)
{
	char *text = doctor_read(path), line[512], owner[128], user[KA_UUID_NAME_LEN], script[512];
	const char *at = text != NULL ? text : "";
	unsigned long first, count, last;
	struct ka_name name;

	while (doctor_next_line(&at, line, sizeof(line))) {
		if (sscanf(line, "%127[^:]:%lu:%lu", owner, &first, &count) != 3 || count == 0 || first > UINT32_MAX)
			continue;
		last = first + count - 1 < UINT32_MAX ? first + count - 1 : UINT32_MAX;
		if (doctor_find_uid(d, (uint32_t)first, (uint32_t)last, &name) == KA_OK) {
			ka_uuid_name(name.id, user);
			doctor_fail(d, "%s gives %s the uids %lu to %lu, and with them the files of project %s (%lu)",
			    path, owner, first, last, user, (unsigned long)name.uid);
		} else if (is_handed_out(first, last)) {
			doctor_warn(
			    d, "%s gives %s the uids %lu to %lu, which projects will get", path, owner, first, last);
		} else {
			continue;
		}
		(void)snprintf(script, sizeof(script), "/^%s:%lu:%lu$/d", doctor_pattern(owner), first, count);
		doctor_mend(d, "sed -i %s %s", doctor_quote(script), path);
	}
	free(text);
}

static void
look_subids(struct doctor *d)
{
	judge_subids(d, "/etc/subuid");
	judge_subids(d, "/etc/subgid");
	doctor_ok(d, "neither /etc/subuid nor /etc/subgid gives away the number of a project");
}

/* DynamicUser= and the others lie where no project's uid can (ka_record_uid_ok); an adopted one can lie here. */
static void
look_systemd(struct doctor *d)
{
	static const char unit[] = "/etc/systemd/system/systemd-nspawn@.service";
	char user[KA_UUID_NAME_LEN], real[PATH_MAX];
	struct ka_name name;

	if (doctor_find_uid(d, NSPAWN_FIRST, NSPAWN_LAST, &name) == KA_OK &&
	    access("/usr/bin/systemd-nspawn", X_OK) == 0 &&
	    !(realpath(unit, real) != NULL && strcmp(real, "/dev/null") == 0)) {
		ka_uuid_name(name.id, user);
		doctor_warn(d, "the project %s has the uid %lu, which systemd-nspawn may give to a container's users",
		    user, (unsigned long)name.uid);
		doctor_mend(d, "systemctl mask systemd-nspawn@.service");
	}
	doctor_ok(d, "no project has a number out of systemd's ranges");
}

/* Is ${id} a user of this namespace at all? */
static bool
is_mapped(const char *map, unsigned long id)
{
	unsigned long inside, count;
	char line[128];

	while (doctor_next_line(&map, line, sizeof(line)))
		if (sscanf(line, " %lu %*u %lu", &inside, &count) == 2 && id >= inside && id - inside < count)
			return true;
	return false;
}

static void
look_map(struct doctor *d)
{
	static const char *const paths[] = {"/proc/self/uid_map", "/proc/self/gid_map"};
	unsigned long wanted[] = {KA_UID_FIRST, KA_UID_LAST, d->has_project ? d->project.uid : KA_UID_FIRST};

	for (size_t i = 0; i < 2; i++) {
		char *map = doctor_read(paths[i]);

		for (size_t n = 0; map != NULL && n < 3; n++)
			if (!is_mapped(map, wanted[n])) {
				doctor_fail(d, "%s: this container has no %lu: nobody can become a project's user",
				    paths[i], wanted[n]);
				doctor_mend(d, "lxc config set CONTAINER security.idmap.size %lu", KA_UID_LAST + 1UL);
				break;
			}
		free(map);
	}
	doctor_ok(d, "this host has the uids %u to %u", KA_UID_FIRST, KA_UID_LAST);
}

const struct doctor_check doctor_uid_checks[] = {
    {"uid-map", look_map, NULL},
    {"uid-local", look_local, NULL},
    {"uid-useradd", look_useradd, NULL},
    {"uid-subids", look_subids, NULL},
    {"uid-systemd", look_systemd, NULL},
    {.name = NULL},
};
