#include "common/claim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/session.h"

static bool
is_there(const char *run, const char *name)
{
	char path[PATH_MAX];

	return ka_session_note_path(run, name, "", path) == KA_OK && (access(path, F_OK) == 0 || errno != ENOENT);
}

/* In one write over what a command that was killed may have left. */
static void
write_note(int fd, const char *note)
{
	char line[KA_SESSION_NOTE_LEN];
	int n = snprintf(line, sizeof(line), "%s\n", note);

	if (n < 0 || (size_t)n >= sizeof(line) || ftruncate(fd, 0) != 0 || write(fd, line, (size_t)n) != n)
		(void)!ftruncate(fd, 0);
}

void
ka_claim_take(const char *run, const char *name, const char *note, struct ka_claim *claim)
{
	char path[PATH_MAX];

	*claim = (struct ka_claim){.fd = -1, .ours = true};
	if (ka_session_note_path(run, name, KA_SESSION_ENDED, path) != KA_OK ||
	    (claim->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)) < 0)
		return;
	if (flock(claim->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
		claim->ours = false;
		return;
	}
	/* Who ends a session removes its entry before the note. So where the entry still is, the note that we locked is
	 * the one, and nobody was before us; where it is not, somebody was, and the note may be of our own making. */
	if (!is_there(run, name)) {
		(void)unlink(path);
		claim->ours = false;
		return;
	}
	write_note(claim->fd, note);
}

void
ka_claim_release(struct ka_claim *claim)
{
	if (claim->fd >= 0)
		(void)close(claim->fd);
	claim->fd = -1;
}
