#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/view.h"
#include "keyacct/doctor.h"
#include "keyacct/run.h"

#define FILE_MAX (16 * 1024 * 1024)

char *
doctor_read(const char *path)
{
	struct stat st;
	char *text = NULL;
	size_t len = 0, size = 64 * 1024;
	ssize_t n = 0;
	int fd, saved;

	/* Not st_size: files of /proc have none. */
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) < 0)
		return NULL;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		(void)close(fd);
		errno = EINVAL;
		return NULL;
	}
	do {
		char *more = len + 1 < size && text != NULL ? text : realloc(text, size *= 2);

		if (more == NULL) {
			n = -1;
			break;
		}
		text = more;
		if ((n = read(fd, text + len, size - 1 - len)) > 0)
			len += (size_t)n;
	} while ((n > 0 || (n < 0 && errno == EINTR)) && len < FILE_MAX);
	saved = errno;
	(void)close(fd);
	errno = saved;
	if (n < 0) {
		free(text);
		return NULL;
	}
	text[len] = '\0';
	return text;
}

bool
doctor_next_line(const char **at, char *line, size_t size)
{
	size_t len = strcspn(*at, "\n");

	if (**at == '\0')
		return false;
	(void)snprintf(line, size, "%.*s", (int)(len < size ? len : size - 1), *at);
	*at += len + ((*at)[len] == '\n');
	return true;
}

/* A word of ${size} bytes, one of six in turn; NULL: no memory. */
static char *
next_word(size_t size)
{
	static char *words[6];
	static unsigned turn;
	char **word = &words[turn++ % 6];

	free(*word);
	return *word = malloc(size);
}

const char *
doctor_quote(const char *text)
{
	char *word = next_word(4 * strlen(text) + 3), *to = word;

	if (word == NULL)
		return "''";
	if (text[0] != '\0' &&
	    text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._+-")] == '\0')
		return memcpy(word, text, strlen(text) + 1);
	*to++ = '\'';
	for (; *text != '\0'; text++)
		if (*text == '\'')
			to = stpcpy(to, "'\\''");
		else
			*to++ = *text;
	*to++ = '\'';
	*to = '\0';
	return word;
}

const char *
doctor_pattern(const char *text)
{
	char *word = next_word(2 * strlen(text) + 1), *to = word;

	/* One that fits nothing. */
	if (word == NULL)
		return "$^";
	for (; *text != '\0'; *to++ = *text++)
		if (strchr(".*[]^$/\\", *text) != NULL)
			*to++ = '\\';
	*to = '\0';
	return word;
}

enum ka_result
doctor_find_unsafe(const char *path, char part[static PATH_MAX], struct stat *st)
{
	char real[PATH_MAX];

	if (realpath(path, real) == NULL)
		return KA_UNAVAIL;
	for (size_t i = 1; i <= strlen(real); i++) {
		if (real[i] != '/' && real[i] != '\0' && i > 1)
			continue;
		(void)snprintf(part, PATH_MAX, "%.*s", (int)i, real);
		if (stat(part, st) != 0)
			return KA_UNAVAIL;
		if (st->st_uid != 0 || (st->st_mode & (S_IWGRP | S_IWOTH)) != 0)
			return KA_CONFLICT;
	}
	return KA_OK;
}

bool
doctor_must_be_roots(struct doctor *d, const char *path, const char *what)
{
	char part[PATH_MAX];
	struct stat st;
	enum ka_result r = doctor_find_unsafe(path, part, &st);

	if (r == KA_CONFLICT && st.st_uid != 0) {
		doctor_fail(d, "%s belongs to uid %lu and not to root, who could replace %s", part,
		    (unsigned long)st.st_uid, what);
		doctor_mend(d, "chown root %s", doctor_quote(part));
	} else if (r == KA_CONFLICT) {
		/* Debian's sshd takes a group in which there is root alone for root: misc.c, secure_permissions(). */
		bool root_group = st.st_gid == 0 && (st.st_mode & S_IWOTH) == 0;

		(root_group ? doctor_warn : doctor_fail)(d, "%s may be written by %s (mode %04o), who could replace %s",
		    part, root_group ? "the group root" : "others than root", st.st_mode & 07777U, what);
		doctor_mend(d, "chmod go-w %s", doctor_quote(part));
	}
	return r == KA_OK;
}

/* What the child found out goes through a pipe: a path, or why not. */
struct loaded {
	enum ka_result r;
	char path[PATH_MAX];
	struct ka_error err;
};

static void
load(const char *library, const char *symbol, bool (*ask)(void *), struct loaded *l)
{
	void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL), *function;
	struct link_map *map;

	l->r = KA_UNAVAIL;
	if (handle == NULL) {
		(void)ka_result_fail(&l->err, KA_UNAVAIL, "%s", dlerror());
		return;
	}
	if (dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0)
		(void)snprintf(l->path, sizeof(l->path), "%s", map->l_name);
	if ((function = dlsym(handle, symbol)) == NULL) {
		(void)ka_result_fail(&l->err, KA_UNAVAIL, "%s has no %s", l->path, symbol);
		return;
	}
	l->r = ask == NULL || ask(function) ? KA_OK : KA_FAILED;
}

enum ka_result
doctor_load(const char *library, const char *symbol, bool (*ask)(void *function), char path[static PATH_MAX],
    struct ka_error *err)
{
	struct loaded l = {.r = KA_UNAVAIL};
	int ends[2];
	ssize_t n = 0;
	pid_t pid;

	path[0] = '\0';
	if (pipe2(ends, O_CLOEXEC) != 0)
		return ka_result_fail(err, KA_UNAVAIL, "no pipe: %s", strerror(errno));
	(void)fflush(NULL);
	/* What is in a file that is no module of ours may end the process that loads it. */
	if ((pid = fork()) == 0) {
		load(library, symbol, ask, &l);
		_exit(write(ends[1], &l, sizeof(l)) == sizeof(l) ? 0 : 1);
	}
	if (pid < 0)
		(void)ka_result_fail(&l.err, KA_UNAVAIL, "no process can be started: %s", strerror(errno));
	(void)close(ends[1]);
	for (ssize_t got; n < (ssize_t)sizeof(l) && (got = read(ends[0], (char *)&l + n, sizeof(l) - (size_t)n)) > 0;)
		n += got;
	(void)close(ends[0]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (n != sizeof(l) && pid > 0)
		return ka_result_fail(err, KA_UNAVAIL, "%s ended the process that loaded it", library);
	(void)snprintf(path, PATH_MAX, "%s", l.path);
	*err = l.err;
	return l.r;
}

const char *
doctor_reinstall(const char *package)
{
	static char command[256];
	const char *const argv[] = {"dpkg-query", "-W", package, NULL};
	char *output = NULL;

	if (run_program(argv, NULL, &output) == 0)
		(void)snprintf(command, sizeof(command), "apt-get install --reinstall %s", package);
	else
		(void)snprintf(command, sizeof(command), "make install && ldconfig");
	free(output);
	return command;
}

bool
doctor_is_readable(enum ka_table table)
{
	return table != KA_TABLE_CHANGE && table != KA_TABLE_BLOB;
}

static enum ka_result
read_first(struct ka_view *view, void *arg)
{
	const enum ka_file *file = arg;
	size_t n;
	const enum ka_table *tables = ka_table_list(*file, &n);
	struct ka_row row;
	enum ka_result r = KA_OK;

	for (size_t i = 0; i < n && (r == KA_OK || r == KA_NOTFOUND); i++)
		if (doctor_is_readable(tables[i]))
			r = ka_view_seek(view, tables[i], "", 1, &row);
	return r == KA_NOTFOUND ? KA_OK : r;
}

enum ka_result
doctor_try_file(const struct doctor *d, enum ka_file file)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", d->dir, ka_table_file_name(file));
	return ka_view_read(path, read_first, &file);
}

static const char *
restore(const struct doctor *d)
{
	static char command[3 * PATH_MAX];
	const char *backup = "BACKUP";
	glob_t found = {.gl_pathc = 0};

	/* The newest, as the manual names them. */
	if (glob("/var/backups/keyacct-*/names.mdb", 0, NULL, &found) == 0) {
		char *path = found.gl_pathv[found.gl_pathc - 1];

		*strrchr(path, '/') = '\0';
		backup = path;
	}
	(void)snprintf(command, sizeof(command), "%s restore %s", d->tool, doctor_quote(backup));
	globfree(&found);
	return command;
}

/* Whoever cannot tell, because only root can look, does not take it for lost. */
static bool
access_is_lost(const struct doctor *d)
{
	return doctor_try_file(d, KA_FILE_ACCESS) == KA_CORRUPT ||
	       (access(d->access, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR));
}

const char *
doctor_anew(const struct doctor *d, enum ka_file file)
{
	static char command[3 * PATH_MAX];

	if (file == KA_FILE_ACCESS || access_is_lost(d))
		return restore(d);
	(void)snprintf(command, sizeof(command), "%s check --repair", d->tool);
	return command;
}
