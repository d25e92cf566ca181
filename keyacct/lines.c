#include "keyacct/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_ROOM      (256U * 1024)
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

void
lines_begin(struct lines *l, int fd)
{
	*l = (struct lines){.fd = fd};
}

void
lines_end(struct lines *l)
{
	free(l->buf);
	memset(l, 0, sizeof(*l));
}

/* Room for more behind what is there. One byte is always left for a NUL. */
static bool
make_room(struct lines *l)
{
	size_t room = l->room > 0 ? 2 * l->room : FIRST_ROOM;
	char *grown;

	if (l->at > 0) {
		memmove(l->buf, l->buf + l->at, l->end - l->at);
		l->end -= l->at;
		l->at = 0;
	}
	if (l->end + 1 < l->room)
		return true;
	if ((grown = realloc(l->buf, room)) == NULL)
		return false;
	l->buf = grown;
	l->room = room;
	return true;
}

/* LINES_OK: there is more. */
static enum lines_state
fill(struct lines *l)
{
	ssize_t n;

	if (!make_room(l)) {
		errno = ENOMEM;
		return LINES_FAILED;
	}
	do
		n = read(l->fd, l->buf + l->end, l->room - 1 - l->end);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return LINES_FAILED;
	l->end += (size_t)n;
	return n > 0 ? LINES_OK : LINES_END;
}

/* The line of ${len} bytes at the beginning of what is there, ${skipped} of which are gone already. */
static enum lines_state
give(struct lines *l, size_t len, size_t skipped, char **text, size_t *total)
{
	bool first = l->passed == 0;

	*text = l->buf + l->at;
	*total = len + skipped;
	(*text)[len] = '\0';
	l->passed += *total + 1;
	l->at += len < l->end - l->at ? len + 1 : len;
	if (skipped > 0 || len > LINES_MAX || strlen(*text) != len)
		return LINES_UNFIT;
	if (first && strncmp(*text, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0)
		*text += strlen(BYTE_ORDER_MARK);
	return LINES_OK;
}

enum lines_state
lines_next(struct lines *l, char **text, size_t *len)
{
	size_t seen = 0, skipped = 0; /* how much holds no end of the line, and how much of it was thrown away */
	enum lines_state state;

	for (;;) {
		char *end = l->end - l->at > seen ? memchr(l->buf + l->at + seen, '\n', l->end - l->at - seen) : NULL;

		if (end != NULL)
			return give(l, (size_t)(end - l->buf) - l->at, skipped, text, len);
		seen = l->end - l->at;
		if (seen > LINES_MAX) {
			skipped += seen;
			l->at = l->end = seen = 0;
		}
		if ((state = fill(l)) == LINES_OK)
			continue;
		if (state == LINES_END && seen + skipped > 0)
			return give(l, seen, skipped, text, len);
		return state;
	}
}
