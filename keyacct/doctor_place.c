/*
 * Where something stands in sshd's configuration: "sshd -T" says what holds, and not why.
 */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "keyacct/doctor.h"

#define CONFIG "/etc/ssh/sshd_config"

/* Includes in includes, as deep as servconf.c, SERVCONF_MAX_DEPTH. */
#define DEPTH_MAX 16

struct search {
	const char *keyword, *value; /* NULL: our drop-in itself */
	struct doctor_place *place;
};

static bool find_in_file(const struct search *s, const char *path, bool in_match, unsigned depth);

/* "Keyword value", "Keyword=value" and "Keyword "value"": the word, and what follows it. */
static void
split(const char *line, char word[static 64], char value[static 1024])
{
	size_t len;

	line += strspn(line, " \t");
	len = strcspn(line, " \t=");
	(void)snprintf(word, 64, "%.*s", (int)len, line);
	line += len;
	line += strspn(line, " \t=\"");
	(void)snprintf(value, 1024, "%s", line);
	len = strlen(value);
	while (len > 0 && strchr(" \t\r\"", value[len - 1]) != NULL)
		value[--len] = '\0';
}

static bool
find_in_include(const struct search *s, char *patterns, bool in_match, unsigned depth)
{
	bool found = false;

	for (char *rest = NULL, *one = strtok_r(patterns, " \t\"", &rest); one != NULL && !found;
	     one = strtok_r(NULL, " \t\"", &rest)) {
		char path[PATH_MAX];
		glob_t files;

		(void)snprintf(path, sizeof(path), "%s%s", one[0] == '/' ? "" : "/etc/ssh/", one);
		if (glob(path, 0, NULL, &files) != 0)
			continue;
		for (size_t i = 0; i < files.gl_pathc && !found; i++)
			found = find_in_file(s, files.gl_pathv[i], in_match, depth + 1);
		globfree(&files);
	}
	return found;
}

static bool
is_it(const struct search *s, const char *word, const char *value)
{
	return s->keyword != NULL && strcasecmp(word, s->keyword) == 0 &&
	       (s->value == NULL || strcasestr(value, s->value) != NULL);
}

static bool
find_in_file(const struct search *s, const char *path, bool in_match, unsigned depth)
{
	char *text, line[2048], word[64], value[1024];
	const char *at;
	bool found = false;

	if (strcmp(path, HOST_DROP_IN) == 0)
		return s->keyword == NULL;
	if (depth > DEPTH_MAX || (text = doctor_read(path)) == NULL)
		return false;
	at = text;
	for (unsigned n = 1; !found && doctor_next_line(&at, line, sizeof(line)); n++) {
		split(line, word, value);
		if (strcasecmp(word, "Match") == 0)
			in_match = strcasecmp(value, "all") != 0;
		if (strcasecmp(word, "Include") == 0) {
			found = find_in_include(s, value, in_match, depth);
		} else if (s->place != NULL && is_it(s, word, value)) {
			found = true;
			s->place->line = n;
			s->place->in_match = in_match;
			(void)snprintf(s->place->path, sizeof(s->place->path), "%s", path);
			(void)snprintf(s->place->value, sizeof(s->place->value), "%s", value);
		}
	}
	free(text);
	return found;
}

bool
doctor_find_keyword(const char *keyword, const char *value, struct doctor_place *place)
{
	const struct search s = {.keyword = keyword, .value = value, .place = place};

	memset(place, 0, sizeof(*place));
	return find_in_file(&s, CONFIG, false, 0);
}

bool
doctor_reads_drop_in(void)
{
	const struct search s = {.keyword = NULL};

	return find_in_file(&s, CONFIG, false, 0);
}
