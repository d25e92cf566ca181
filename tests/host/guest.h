#ifndef TESTS_HOST_GUEST_H
#define TESTS_HOST_GUEST_H
/*
 * What the host programs share: one project that is known to be there, the questions about it through the C library,
 * and what the answers have to be. The module is the installed one, loaded by glibc as nsswitch.conf says.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK(condition)                                                                                       \
	do {                                                                                                   \
		if (!(condition)) {                                                                            \
			dprintf(2, "%s:%d: not true: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno); \
			_exit(1);                                                                              \
		}                                                                                              \
	} while (0)

/* Ways to ask. */
enum way { PWNAM, PWUID, GRNAM, GRGID, WAYS };

struct expected {
	const char *name, *home, *shell;
	uid_t uid;
};

/* The project that is there, and one that is not: another last digit, and the last uid of the range. */
static struct expected known;
static char absent_name[64];
#define ABSENT_UID ((uid_t)2147352575)

/* Neither the module's names and uids nor anybody's. */
static const char *const other_names[] = {"nobody-at-all", "829e7b56-93d6-11e7-ae8e-e70cea5e8cd7",
    "829E7B5693D611E7AE8EE70CEA5E8CD7", "829e7b5693d611e7ae8ee70cea5e8cd", "829e7b5693d611e7ae8ee70cea5e8cd7a"};
static const uid_t other_uids[] = {990, 61500, 65533, 2147352576U, (uid_t)-2};

/* One answer: 0 and found; 0 and nothing; an error. */
struct answer {
	int rc;
	bool found;
	struct passwd pw;
	struct group gr;
	char buf[2048];
};

static inline void
ask(enum way way, const char *name, uid_t uid, struct answer *a)
{
	struct passwd *pw = NULL;
	struct group *gr = NULL;

	switch (way) {
	case PWNAM:
		a->rc = getpwnam_r(name, &a->pw, a->buf, sizeof(a->buf), &pw);
		break;
	case PWUID:
		a->rc = getpwuid_r(uid, &a->pw, a->buf, sizeof(a->buf), &pw);
		break;
	case GRNAM:
		a->rc = getgrnam_r(name, &a->gr, a->buf, sizeof(a->buf), &gr);
		break;
	case GRGID:
	case WAYS:
		a->rc = getgrgid_r(uid, &a->gr, a->buf, sizeof(a->buf), &gr);
		break;
	}
	a->found = pw != NULL || gr != NULL;
}

static inline bool
is_right(enum way way, const struct answer *a)
{
	if (a->rc != 0 || !a->found)
		return false;
	if (way == GRNAM || way == GRGID)
		return strcmp(a->gr.gr_name, known.name) == 0 && a->gr.gr_gid == known.uid && a->gr.gr_mem[0] == NULL &&
		       strcmp(a->gr.gr_passwd, "*") == 0;
	return strcmp(a->pw.pw_name, known.name) == 0 && a->pw.pw_uid == known.uid && a->pw.pw_gid == known.uid &&
	       strcmp(a->pw.pw_dir, known.home) == 0 && strcmp(a->pw.pw_shell, known.shell) == 0 &&
	       strcmp(a->pw.pw_passwd, "*") == 0 && a->pw.pw_gecos[0] == '\0';
}

/* The project is found by every way; what is ours and not there, and what is not ours, is not found; root is root. */
static inline void
check_others(void)
{
	struct answer a;

	for (size_t i = 0; i < sizeof(other_names) / sizeof(other_names[0]); i++)
		for (enum way way = PWNAM; way < WAYS; way++) {
			ask(way, other_names[i], other_uids[i], &a);
			CHECK(a.rc == 0 && !a.found);
		}
}

static inline void
check_root(void)
{
	struct answer a;

	ask(PWNAM, "root", 0, &a);
	CHECK(a.found && a.pw.pw_uid == 0);
	ask(GRGID, NULL, 0, &a);
	CHECK(a.found && strcmp(a.gr.gr_name, "root") == 0);
}

static inline void
check_answers(void)
{
	struct answer a;

	for (enum way way = PWNAM; way < WAYS; way++) {
		ask(way, known.name, known.uid, &a);
		CHECK(is_right(way, &a));
		ask(way, absent_name, ABSENT_UID, &a);
		CHECK(a.rc == 0 && !a.found);
	}
	check_others();
	check_root();
}

/* The database cannot be read: an error that does not mean "no such user" (getpwnam(3)), for what is ours and for that
 * alone. */
static inline void
check_unavailable(void)
{
	struct answer a;

	for (enum way way = PWNAM; way < WAYS; way++) {
		ask(way, known.name, known.uid, &a);
		CHECK(a.rc == EIO && !a.found);
		ask(way, absent_name, ABSENT_UID, &a);
		CHECK(a.rc == EIO && !a.found);
	}
	check_others();
}

static inline void
know(char **words)
{
	size_t len;

	known = (struct expected){
	    .name = words[0], .uid = (uid_t)strtoul(words[1], NULL, 10), .home = words[2], .shell = words[3]};
	(void)snprintf(absent_name, sizeof(absent_name), "%s", known.name);
	len = strlen(absent_name);
	absent_name[len - 1] = absent_name[len - 1] == '0' ? '1' : '0';
}

#endif
