/*
 * Lines of an import, laid over a real database that is thrown away after each input. The first byte chooses between
 * lines as they are and lines that are put together of fields and values. Whatever they are: a line that is refused
 * has changed nothing; one that is taken changes nothing when it comes again; every index fits; and an export of what
 * came out of it is no change at all.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/check.h"
#include "tests/fuzz/fuzz.h"

/* With its functions, which nothing else can reach. */
#include "keyacct/export.c"
#include "keyacct/import.h"
#include "keyacct/lines.h"

#define LINES 24

static char dir[32] = "/dev/shm/keyacct-fuzz.XXXXXX";

static void
remove_dir(void)
{
	static const char *const names[] = {"names.mdb", "names.mdb-lock", "private/access.mdb",
	    "private/access.mdb-lock", "private/usage.mdb", "private/usage.mdb-lock", "private/lock", "private"};
	char path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		(void)remove(path);
	}
	(void)rmdir(dir);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct ka_error err = {""};

	(void)argc;
	(void)argv;
	if (mkdtemp(dir) == NULL)
		CHECK(mkdtemp(strcpy(dir, "/tmp/keyacct-fuzz.XXXXXX")) != NULL);
	CHECK(atexit(remove_dir) == 0);
	CHECK(ka_store_create(dir, getgid(), &err) == KA_OK);
	return 0;
}

static const char *const ids[] = {"11111111-0000-4000-8000-000000000001", "22222222-0000-4000-8000-000000000002",
    "33333333-0000-4000-8000-000000000003", "444444440000400080000000000000AA"};
static const char *const names[] = {"owner", "student", "outsider", "staff"};
static const char *const keys[] = {
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG3nsmDUTqLOGgmrbeI6pbtgfFMkRwPKxDAyR6w6S18J owner@laptop",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIcZVYXBmYfYI7nsYVyYTzWQeJ+rdaN9iRWYuPqkJV8Z",
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ==", "no key"};
static const char *const times[] = {
    "2020-01-01", "2030-01-01T00:00:00Z", "2040-06-01T12:00:00+01:00", "2020-02-30", "+30d"};
static const char *const texts[] = {"", "a", "two  words", "a\\u0001b\\u200b", "/srv/a", "/srv/two  words ", "/a:b",
    "192.0.2.7", "x,y", "\\ud83d\\ude00", "active", "suspended", "deleted", "archived", "inactive", "collaborator"};
static const char *const fields[] = {"id", "handle", "name", "email", "state", "created", "title", "ssh", "agent",
    "uid", "home", "shell", "project", "account", "group", "role", "not_before", "expires", "accounts", "key",
    "projects", "tags", "note", "origin", "hosts", "from", "host", "key_types", "rsa_bits", "security_keys",
    "git_author", "grace_text", "homes", "uid_next", "fingerprint", "last_used", "nick", ""};
static const char *const types[] = {"account", "project", "member", "group", "key", "settings", "counter", "end"};

#define PICK(pool, in) pool[take8(in) % (sizeof(pool) / sizeof((pool)[0]))]

static void
put_string(FILE *out, struct input *in)
{
	switch (take8(in) % 6) {
	case 0:
		(void)fprintf(out, "\"%s\"", PICK(ids, in));
		break;
	case 1:
		(void)fprintf(out, "\"%s\"", PICK(names, in));
		break;
	case 2:
		(void)fprintf(out, "\"%s\"", PICK(keys, in));
		break;
	case 3:
		(void)fprintf(out, "\"%s\"", PICK(times, in));
		break;
	case 4:
		(void)fprintf(out, "\"%s\"", PICK(texts, in));
		break;
	default:
		/* As long as a field can be, and a little around that. */
		(void)fprintf(out, "\"/%0*d\"", (int[]){62, 254, 255, 382, 383, 510, 511, 2000}[take8(in) % 8], 0);
		break;
	}
}

static void
put_value(FILE *out, struct input *in)
{
	switch (take8(in) % 10) {
	case 0:
		(void)fputs("null", out);
		break;
	case 1:
		(void)fputs(take8(in) & 1 ? "true" : "false", out);
		break;
	case 2:
		(void)fprintf(out, "%u",
		    (unsigned[]){0, 999, 5000, 60001, 1879048192, 1879048200, 4294967295, 3072}[take8(in) % 8]);
		break;
	case 3:
	case 4:
		(void)fputc('[', out);
		for (unsigned n = take8(in) % 4; n > 0; n--) {
			put_string(out, in);
			(void)fputs(n > 1 ? "," : "", out);
		}
		(void)fputc(']', out);
		break;
	default:
		put_string(out, in);
		break;
	}
}

/* What such a field is likely to hold. */
static void
put_likely(FILE *out, const char *field, struct input *in)
{
	if (strcmp(field, "id") == 0 || strcmp(field, "project") == 0)
		(void)fprintf(out, "\"%s\"", PICK(ids, in));
	else if (strcmp(field, "account") == 0 || strcmp(field, "group") == 0)
		(void)fprintf(out, "\"%s\"", take8(in) & 1 ? PICK(ids, in) : PICK(names, in));
	else if (strcmp(field, "handle") == 0 || strcmp(field, "name") == 0)
		(void)fprintf(out, "\"%s\"", PICK(names, in));
	else if (strcmp(field, "key") == 0)
		(void)fprintf(out, "\"%s\"", PICK(keys, in));
	else if (strcmp(field, "role") == 0)
		(void)fprintf(out, "\"%s\"", take8(in) & 1 ? "owner" : "collaborator");
	else
		put_value(out, in);
}

/* What a line of each type cannot do without, and then any fields. One given twice is JSON's to refuse. */
static void
put_line(FILE *out, struct input *in)
{
	static const char *const needed[] = {"id handle", "id", "project account role", "id name accounts",
	    "account key projects", "agent", "uid_next", ""};
	unsigned type = take8(in) % (sizeof(types) / sizeof(types[0]));
	unsigned left_out = take8(in);
	char words[64], *save = NULL;

	(void)fprintf(out, "{\"type\":\"%s\"", types[type]);
	(void)snprintf(words, sizeof(words), "%s", needed[type]);
	for (char *word = strtok_r(words, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save), left_out >>= 2)
		if ((left_out & 3) != 3) {
			(void)fprintf(out, ",\"%s\":", word);
			put_likely(out, word, in);
		}
	for (unsigned n = take8(in) % 4; n > 0; n--) {
		const char *field = PICK(fields, in);

		(void)fprintf(out, ",\"%s\":", field);
		put_likely(out, field, in);
	}
	(void)fputs("}\n", out);
}

static char *
make_lines(struct input *in, size_t *len)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, len);

	CHECK(out != NULL);
	if (take8(in) % 2 == 0)
		(void)fwrite(in->at, 1, in->left, out);
	else
		for (int i = 0; i < LINES && in->left > 0; i++)
			put_line(out, in);
	CHECK(fclose(out) == 0);
	return text;
}

static void
take_line(struct import *im, const char *text)
{
	uint64_t changes = ka_store_count_changes(im->store);
	uint32_t counter = ka_store_uid_counter(im->store);
	json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	enum import_outcome outcome;
	struct ka_error err = {""};
	enum ka_result r;

	if (!json_is_object(object)) {
		json_decref(object);
		return;
	}
	r = import_row(im, object, &outcome, &err);
	CHECK(r == KA_OK || r == KA_NOTFOUND || r == KA_CONFLICT || r == KA_INVALID);
	if (r != KA_OK) {
		CHECK(err.text[0] != '\0');
		CHECK(ka_store_count_changes(im->store) == changes && ka_store_uid_counter(im->store) == counter);
	} else {
		CHECK((ka_store_count_changes(im->store) == changes) ==
		      (outcome == IMPORT_UNCHANGED || outcome == IMPORT_NOTHING));
		changes = ka_store_count_changes(im->store);
		CHECK(import_row(im, object, &outcome, &err) == KA_OK);
		CHECK(outcome == IMPORT_UNCHANGED || outcome == IMPORT_NOTHING);
		CHECK(ka_store_count_changes(im->store) == changes);
	}
	json_decref(object);
}

/* The next line, as one finds it without lines.c. */
static void
check_line(const char *text, size_t len, bool first, enum lines_state state, const char *line, size_t linelen)
{
	const char *end = memchr(text, '\n', len);
	size_t mark = first && len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

	CHECK(linelen == (end != NULL ? (size_t)(end - text) : len));
	CHECK(state == (memchr(text, '\0', linelen) != NULL ? LINES_UNFIT : LINES_OK));
	if (state == LINES_OK)
		CHECK(strlen(line) == linelen - mark && memcmp(line, text + mark, linelen - mark) == 0);
}

static void
take_lines(struct import *im, const char *text, size_t len)
{
	struct lines lines;
	enum lines_state state;
	size_t linelen, at = 0;
	char *line;
	int fd = memfd_create("lines", MFD_CLOEXEC);

	CHECK(fd >= 0 && write(fd, text, len) == (ssize_t)len && lseek(fd, 0, SEEK_SET) == 0);
	lines_begin(&lines, fd);
	for (; (state = lines_next(&lines, &line, &linelen)) != LINES_END; at += linelen + 1) {
		CHECK(at < len);
		check_line(text + at, len - at, at == 0, state, line, linelen);
		if (state == LINES_OK)
			take_line(im, line);
	}
	CHECK(at == len || at == len + 1);
	lines_end(&lines);
	(void)close(fd);
}

/* Nothing of this is committed, so names.mdb knows nothing of it; and a counter steps over what was adopted. */
static void
found(void *arg, const struct ka_finding *finding)
{
	(void)arg;
	if (finding->table == KA_TABLE_NAME || finding->table == KA_TABLE_NAME_UID || finding->table == KA_TABLE_META)
		return;
	(void)fprintf(stderr, "%s\n", finding->text);
	CHECK(!"the database is whole");
}

/* What export writes of it is what is there. */
static void
take_export(struct import *im)
{
	char *text = NULL, *save = NULL;
	size_t len;
	struct export e = {.store = im->store};
	uint64_t changes = ka_store_count_changes(im->store);

	CHECK((e.out = open_memstream(&text, &len)) != NULL);
	CHECK(export_all(&e) == KA_OK && fclose(e.out) == 0);
	for (char *line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
		json_t *object = json_loads(line, 0, NULL);
		enum import_outcome outcome;
		struct ka_error err = {""};

		CHECK(object != NULL);
		if (import_row(im, object, &outcome, &err) != KA_OK)
			(void)fprintf(stderr, "%s\n%s\n", line, err.text);
		CHECK(err.text[0] == '\0' && (outcome == IMPORT_UNCHANGED || outcome == IMPORT_NOTHING));
		json_decref(object);
	}
	CHECK(ka_store_count_changes(im->store) == changes);
	CHECK(im->ended);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct import im = {.rule = KA_OWNER_KEPT};
	struct input in = {data, size};
	struct ka_error err = {""};
	size_t len;
	char *text;

	CHECK(ka_store_open(dir, true, &im.store, &err) == KA_OK);
	CHECK(ka_store_settings(im.store, &im.settings) == KA_OK);
	im.mirror = size > 0 && (data[0] & 2) != 0;
	if (im.mirror)
		im.rule = KA_OWNER_FREE;
	text = make_lines(&in, &len);
	take_lines(&im, text, len);
	CHECK(import_exchange_handles(&im, &err) == KA_OK);
	names_begin(&im.names);
	CHECK(ka_check_run(im.store, false, found, NULL) == KA_OK);
	take_export(&im);
	free(text);
	names_free(&im.names);
	seen_free(&im.seen);
	ka_store_close(im.store);
	return 0;
}
