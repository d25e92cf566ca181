#include "keyacct/host_files.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BLANKS " \t"

/* When the project database is unavailable, systemd behind us would answer "no such user" about a project. */
#define BETWEEN " keyacct [UNAVAIL=return TRYAGAIN=return]"
#define AT_END  " keyacct"

static enum ka_result
out_of_memory(struct ka_error *err)
{
	(void)ka_result_fail(err, KA_UNAVAIL, "out of memory");
	return KA_UNAVAIL;
}

/* ${old} with ${len} bytes at ${at} replaced by ${with}. */
static enum ka_result
splice(const char *old, size_t at, size_t len, const char *with, char **new, struct ka_error *err)
{
	if (asprintf(new, "%.*s%s%s", (int)at, old, with, old + at + len) >= 0)
		return KA_OK;
	*new = NULL;
	return out_of_memory(err);
}

/* The line that begins with ${word} and a colon, or NULL. */
static const char *
find_line(const char *text, const char *word)
{
	size_t len = strlen(word);

	for (; *text != '\0'; text += strcspn(text, "\n"), text += *text == '\n')
		if (strncmp(text, word, len) == 0 && text[len + strspn(text + len, BLANKS)] == ':')
			return text;
	return NULL;
}

/* Where a line's services end: before a comment, and the blanks in front of it. */
static size_t
services_len(const char *line)
{
	size_t len = strcspn(line, "#\n");

	while (len > 0 && strchr(BLANKS, line[len - 1]) != NULL)
		len--;
	return len;
}

/* Where ${word} stands in the line as a service, or NULL. */
static const char *
find_service(const char *line, size_t len, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = line; (at = strstr(at, word)) != NULL && at + n <= line + len; at += n)
		if (at > line && strchr(BLANKS ":", at[-1]) != NULL && strchr(BLANKS "\n#[", at[n]) != NULL)
			return at;
	return NULL;
}

/* Does "files" stand right before "systemd", and systemd last? Then ${at} is behind "files". */
static bool
is_debians(const char *line, size_t len, size_t *at)
{
	const char *files = find_service(line, len, "files"), *systemd;

	if (files == NULL)
		return false;
	systemd = files + 5 + strspn(files + 5, BLANKS);
	*at = (size_t)(files + 5 - line);
	return systemd == line + len - 7 && strncmp(systemd, "systemd", 7) == 0;
}

static enum ka_result
add_service(const char *old, const char *word, char **new, struct ka_error *err)
{
	const char *line = find_line(old, word);
	size_t len, at;

	if (line == NULL)
		return ka_result_fail(err, KA_CONFLICT, "it has no line \"%s:\"", word);
	len = services_len(line);
	if (find_service(line, len, "keyacct") != NULL)
		return splice(old, 0, 0, "", new, err);
	if (is_debians(line, len, &at))
		return splice(old, (size_t)(line - old) + at, 0, BETWEEN, new, err);
	return splice(old, (size_t)(line - old) + len, 0, AT_END, new, err);
}

/* Actions that belong to keyacct go with it. */
static enum ka_result
remove_service(const char *old, const char *word, char **new, struct ka_error *err)
{
	const char *line = find_line(old, word), *found = NULL;
	size_t begin, len = 7;

	if (line != NULL)
		found = find_service(line, services_len(line), "keyacct");
	if (found == NULL)
		return splice(old, 0, 0, "", new, err);
	begin = (size_t)(found - old);
	if (begin > 0 && old[begin - 1] == ' ') {
		begin--;
		len++;
	}
	if (old[begin + len + strspn(old + begin + len, BLANKS)] == '[')
		len += strcspn(old + begin + len, "]\n") + 1;
	return splice(old, begin, len, "", new, err);
}

static enum ka_result
both(const char *old, enum ka_result (*edit)(const char *, const char *, char **, struct ka_error *), char **new,
    struct ka_error *err)
{
	char *between = NULL;
	enum ka_result r;

	*new = NULL;
	if (old == NULL)
		return ka_result_fail(err, KA_CONFLICT, "it is missing");
	if ((r = edit(old, "passwd", &between, err)) == KA_OK)
		r = edit(between, "group", new, err);
	free(between);
	return r;
}

enum ka_result
host_nsswitch_add(const char *old, char **new, struct ka_error *err)
{
	return both(old, add_service, new, err);
}

enum ka_result
host_nsswitch_remove(const char *old, char **new, struct ka_error *err)
{
	return both(old, remove_service, new, err);
}

/* PAM */

/* The first line for which ${is} holds, or NULL. */
static const char *
first_line(const char *text, bool (*is)(const char *))
{
	for (; *text != '\0'; text += strcspn(text, "\n"), text += *text == '\n')
		if (is(text))
			return text;
	return NULL;
}

static bool
is_common_account(const char *line)
{
	static const char include[] = "@include";

	if (strncmp(line, include, sizeof(include) - 1) != 0)
		return false;
	line += sizeof(include) - 1;
	return strncmp(line + strspn(line, BLANKS), "common-account", 14) == 0;
}

/* "session ..." and "-session ...": a control value may hold blanks, so only the first word counts. */
static bool
is_session(const char *line)
{
	line += *line == '-';
	return strncmp(line, "session", 7) == 0 && strchr(BLANKS, line[7]) != NULL && line[7] != '\0';
}

/* Our module, or the line that keeps others out of it: alone it skips somebody else's line. */
static bool
is_ours(const char *line)
{
	static const char *const words[] = {"pam_keyacct.so", "user =~ ????????????????????????????????"};
	size_t len = strcspn(line, "\n");

	for (size_t i = 0; line[0] != '#' && i < sizeof(words) / sizeof(words[0]); i++) {
		const char *found = strstr(line, words[i]);

		if (found != NULL && found < line + len)
			return true;
	}
	return false;
}

enum ka_result
host_pam_remove(const char *old, const char *account, const char *session, char **new, struct ka_error *err)
{
	const char *pieces[] = {account, session};
	char *text;

	*new = NULL;
	if (old == NULL)
		return KA_OK;
	if ((text = strdup(old)) == NULL)
		return out_of_memory(err);
	for (size_t i = 0; i < 2; i++) {
		char *found = pieces[i][0] != '\0' ? strstr(text, pieces[i]) : NULL;

		if (found != NULL)
			memmove(found, found + strlen(pieces[i]), strlen(found + strlen(pieces[i])) + 1);
	}
	*new = text;
	if (first_line(text, is_ours) == NULL)
		return KA_OK;
	return ka_result_fail(err, KA_CONFLICT,
	    "it has lines with pam_keyacct.so, or the pam_succeed_if line before them, that are not as they ship: take "
	    "them out by hand; 'keyacct doctor' prints how");
}

static enum ka_result
add_before(const char *text, bool (*is)(const char *), const char *lines, const char *missing, char **new,
    struct ka_error *err)
{
	const char *first = first_line(text, is);

	*new = NULL;
	if (first == NULL) {
		(void)ka_result_fail(err, KA_CONFLICT, "it has no %s, before which ours belong", missing);
		return KA_CONFLICT;
	}
	return splice(text, (size_t)(first - text), 0, lines, new, err);
}

enum ka_result
host_pam_add(const char *old, const char *account, const char *session, char **new, struct ka_error *err)
{
	char *bare = NULL, *half = NULL;
	enum ka_result r;

	*new = NULL;
	if (old == NULL)
		return ka_result_fail(err, KA_CONFLICT, "it is missing");
	/* From the file without them they are put where they belong, also when one of the two was there. */
	if ((r = host_pam_remove(old, account, session, &bare, err)) == KA_OK)
		r = add_before(bare, is_common_account, account, "line \"@include common-account\"", &half, err);
	if (r == KA_OK && session[0] != '\0') {
		r = add_before(half, is_session, session, "session line", new, err);
	} else {
		*new = half;
		half = NULL;
	}
	free(bare);
	free(half);
	return r;
}

/* Lines of ours in a file of others */

static bool
is_marked(const char *line, size_t len)
{
	static const char mark[] = HOST_LINES_MARK;
	size_t n = sizeof(mark) - 1;

	return len > n && strncmp(line + len - n, mark, n) == 0;
}

/* The words before the mark. */
static unsigned
count_words(const char *line, size_t len)
{
	const char *end = line + len - (sizeof(HOST_LINES_MARK) - 1);
	unsigned n = 0;

	while ((line += strspn(line, BLANKS)) < end) {
		line += strcspn(line, BLANKS);
		n++;
	}
	return n;
}

/* ${mine}: our lines of the file; ${bare}: the file without them. */
static enum ka_result
split_lines(const char *old, unsigned words, FILE *mine, FILE *bare, struct ka_error *err)
{
	for (const char *line = old; *line != '\0';) {
		size_t len = strcspn(line, "\n"), whole = len + (line[len] == '\n');
		bool ours = is_marked(line, len);

		if (ours && count_words(line, len) != words)
			return ka_result_fail(err, KA_CONFLICT,
			    "the line that begins with \"%.*s\" is not as setup wrote it: take it out, or the comment "
			    "at its end",
			    (int)(len < 40 ? len : 40), line);
		(void)fwrite(line, 1, whole, ours ? mine : bare);
		line += whole;
	}
	return KA_OK;
}

/* After the last line that ends: so that taking them out again restores a last line without an end as well. */
static enum ka_result
put_lines(const char *bare, const char *lines, char **new, struct ka_error *err)
{
	const char *last = strrchr(bare, '\n');

	return splice(bare, last != NULL ? (size_t)(last + 1 - bare) : 0, 0, lines, new, err);
}

/* A file that began with our lines goes with them, unless somebody added others. */
static enum ka_result
without_lines(const char *bare, char **new, struct ka_error *err)
{
	static const char made[] = HOST_LINES_MADE;
	size_t n = sizeof(made) - 1;

	if (strcmp(bare, made) == 0)
		return KA_OK;
	return splice(bare, 0, strncmp(bare, made, n) == 0 ? n : 0, "", new, err);
}

enum ka_result
host_lines_set(const char *old, const char *lines, unsigned words, char **new, struct ka_error *err)
{
	char *mine = NULL, *bare = NULL;
	size_t len;
	FILE *m = open_memstream(&mine, &len), *b = open_memstream(&bare, &len);
	enum ka_result r = KA_UNAVAIL;

	*new = NULL;
	if (m != NULL && b != NULL)
		r = split_lines(old != NULL ? old : "", words, m, b, err);
	if ((m != NULL && fclose(m) != 0) || (b != NULL && fclose(b) != 0))
		r = KA_UNAVAIL;
	if (r == KA_UNAVAIL)
		(void)out_of_memory(err);
	else if (r == KA_OK && old == NULL && lines[0] != '\0')
		r = splice(HOST_LINES_MADE, sizeof(HOST_LINES_MADE) - 1, 0, lines, new, err);
	else if (r == KA_OK && old != NULL && strcmp(mine, lines) == 0)
		r = splice(old, 0, 0, "", new, err);
	else if (r == KA_OK && old != NULL)
		r = lines[0] != '\0' ? put_lines(bare, lines, new, err) : without_lines(bare, new, err);
	free(mine);
	free(bare);
	return r;
}

/* The word that begins at ${at} in a line of /etc/hosts; false at the line's end or a comment. */
static bool
next_word(const char **at, size_t *len)
{
	*at += strspn(*at, BLANKS);
	*len = strcspn(*at, BLANKS "#\n");
	return *len > 0;
}

bool
host_hosts_find(const char *text, const char *name, char *address, size_t size)
{
	for (const char *line = text; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *at = line, *first;
		size_t len, firstlen;

		if (is_marked(line, strcspn(line, "\n")) || !next_word(&at, &len))
			continue;
		first = at;
		firstlen = len;
		while (at += len, next_word(&at, &len))
			if (len == strlen(name) && strncasecmp(at, name, len) == 0) {
				(void)snprintf(address, size, "%.*s", (int)firstlen, first);
				return true;
			}
	}
	return false;
}

bool
host_hosts_ours(const char *text, char *name, size_t size)
{
	for (const char *line = text; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *at = line;
		size_t len;

		if (!is_marked(line, strcspn(line, "\n")) || !next_word(&at, &len))
			continue;
		at += len;
		if (!next_word(&at, &len))
			continue;
		(void)snprintf(name, size, "%.*s", (int)len, at);
		return true;
	}
	return false;
}
