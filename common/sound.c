#include "common/sound.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/store_file.h"
#include "common/store_inside.h"

/* What the two processes share. */
struct shared {
	enum ka_result r; /* as long as nothing else is known, a page has ended the process */
	struct ka_sound sound;
	_Atomic uint64_t done, total;
};

static void
note(void *arg, uint64_t done, uint64_t total)
{
	struct shared *s = arg;

	s->total = total;
	s->done = done;
}

/* LMDB maps what a meta page says: where our own size can be mapped and that cannot, it is nonsense. */
static bool
is_size_nonsense(const struct ka_store_file *f)
{
	void *map;

	if (f->failed != ENOMEM)
		return false;
	map = mmap(NULL, KA_STORE_MAP_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return false;
	(void)munmap(map, KA_STORE_MAP_SIZE);
	return true;
}

static enum ka_result
check(const char *path, enum ka_file file, struct shared *s)
{
	struct ka_error *err = &s->sound.err;
	struct ka_store_file f;
	struct stat st;
	enum ka_result r;

	/* What is there and leads nowhere is in the way of a new file, and so is not missing. */
	if (stat(path, &st) != 0 && (errno == ENOENT || errno == ENOTDIR))
		return lstat(path, &st) != 0 ? ka_result_fail(err, KA_NOTFOUND, "%s is missing", path)
					     : ka_result_fail(err, KA_CORRUPT, "%s is a link that leads nowhere", path);
	if ((r = ka_store_file_open(path, file, false, &f, err)) != KA_OK)
		return is_size_nonsense(&f) ? ka_store_damaged(path, KA_CORRUPT, err) : r;
	if (file != KA_FILE_USAGE && (r = ka_store_read_meta(&f, &s->sound.meta)) != KA_OK) {
		memset(&s->sound.meta, 0, sizeof(s->sound.meta));
		r = ka_store_damaged(path, r, err);
	} else {
		r = ka_store_file_verify(&f, s->sound.rows, &s->sound.unread, note, s, err);
	}
	ka_store_file_close(&f);
	return r;
}

/* The signals of a page that leads nowhere, is behind the end of the file, or makes no sense. */
static const int page_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGABRT};

#define PAGE_SIGNALS (sizeof(page_signals) / sizeof(page_signals[0]))

/* In the process that may end: what it would say about that is said by the one that waits. */
static void
check_and_exit(const char *path, enum ka_file file, struct shared *s)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (null >= 0)
		(void)dup2(null, STDERR_FILENO);
	for (size_t i = 0; i < PAGE_SIGNALS; i++)
		(void)signal(page_signals[i], SIG_DFL);
	s->r = check(path, file, s);
	_exit(0);
}

/* Until the child has ended: it is the only one that holds the pipe's other end. */
static void
watch_child(int fd, const struct ka_watch *watch, const char *what, const struct shared *s)
{
	struct pollfd p = {.fd = fd};

	do
		ka_watch_tell(watch, what, "rows", s->done, s->total);
	while (poll(&p, 1, 100) <= 0);
}

/* Or liblmdb noticed, and it exited. Anything else, such as SIGKILL, is not the file's fault. */
static bool
was_ended_by_page(int status)
{
	if (WIFEXITED(status))
		return true;
	for (size_t i = 0; i < PAGE_SIGNALS; i++)
		if (WTERMSIG(status) == page_signals[i])
			return true;
	return false;
}

static enum ka_result
check_apart(const char *path, enum ka_file file, const struct ka_watch *watch, struct shared *s)
{
	char what[PATH_MAX + 16];
	int ends[2], status = 0;
	pid_t child;

	(void)snprintf(what, sizeof(what), "checking %s", path);
	if (pipe2(ends, O_CLOEXEC) != 0)
		return ka_result_fail(&s->sound.err, KA_UNAVAIL, "cannot check %s: %s", path, strerror(errno));
	if ((child = fork()) == 0)
		check_and_exit(path, file, s);
	(void)close(ends[1]);
	if (child < 0) {
		(void)close(ends[0]);
		return ka_result_fail(&s->sound.err, KA_UNAVAIL, "cannot check %s: %s", path, strerror(errno));
	}
	watch_child(ends[0], watch, what, s);
	(void)close(ends[0]);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return s->r;
	if (!was_ended_by_page(status))
		return ka_result_fail(
		    &s->sound.err, KA_UNAVAIL, "the process that checked %s was ended: try again", path);
	return ka_result_fail(&s->sound.err, KA_CORRUPT, "%s is damaged: restore it from a backup", path);
}

enum ka_result
ka_sound_check(const char *dir, enum ka_file file, const struct ka_watch *watch, struct ka_sound *sound)
{
	char path[PATH_MAX];
	struct shared *s;
	enum ka_result r;

	memset(sound, 0, sizeof(*sound));
	if ((r = ka_store_file_path(dir, ka_table_file_name(file), path, &sound->err)) != KA_OK)
		return r;
	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s == MAP_FAILED)
		return ka_result_fail(&sound->err, KA_UNAVAIL, "out of memory");
	s->r = KA_CORRUPT;
	r = check_apart(path, file, watch, s);
	*sound = s->sound;
	(void)munmap(s, sizeof(*s));
	return r;
}
