/*
 * The spool, drained into a real usage.mdb. The input puts together whole records, torn ones and any bytes; each whole
 * record is counted once, whatever lies around it, and nothing else is counted.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "common/spool.h"
#include "common/store.h"
#include "common/usage.h"
#include "tests/fuzz/fuzz.h"

#define KINDS     4
#define SPOOL_MAX (256 * 1024)

/* In memory where that can be had: every input is a synchronous commit. */
static char dir[32] = "/dev/shm/keyacct-fuzz.XXXXXX";
static uint8_t whole[KINDS][KA_SPOOL_RECORD_LEN];
static struct ka_spool_use uses[KINDS];
static uint64_t counted[KINDS];
static uint8_t spool[SPOOL_MAX];

static void
remove_dir(void)
{
	static const char *const names[] = {"names.mdb", "names.mdb-lock", "private/access.mdb",
	    "private/access.mdb-lock", "private/usage.mdb", "private/usage.mdb-lock", "private/usage.lock",
	    "private/usage.spool", "private/lock", "private"};
	char path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		(void)remove(path);
	}
	(void)rmdir(dir);
}

static void
spool_path(char path[static 128])
{
	(void)snprintf(path, 128, "%s/" KA_SPOOL_NAME, dir);
}

/* The records as logins write them. */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct ka_error err = {""};
	char path[128];
	int fd;

	(void)argc;
	(void)argv;
	if (mkdtemp(dir) == NULL)
		CHECK(mkdtemp(strcpy(dir, "/tmp/keyacct-fuzz.XXXXXX")) != NULL);
	CHECK(atexit(remove_dir) == 0);
	CHECK(ka_store_create(dir, getgid(), &err) == KA_OK);
	spool_path(path);
	for (int i = 0; i < KINDS; i++) {
		uses[i].at_s = 1767225600 + i;
		memset(uses[i].project, 0x10 + i / 2, KA_UUID_LEN);
		memset(uses[i].account, 0x20 + i, KA_UUID_LEN);
		memset(uses[i].sha256, 0x30 + i, KA_SHA256_LEN);
		CHECK(ka_spool_append(dir, &uses[i], 1) == KA_OK);
		CHECK((fd = open(path, O_RDONLY | O_CLOEXEC)) >= 0);
		CHECK(read(fd, whole[i], KA_SPOOL_RECORD_LEN) == KA_SPOOL_RECORD_LEN);
		(void)close(fd);
		CHECK(unlink(path) == 0);
	}
	return 0;
}

static size_t
add(size_t at, const uint8_t *bytes, size_t len)
{
	if (len > SPOOL_MAX - at)
		len = SPOOL_MAX - at;
	memcpy(spool + at, bytes, len);
	return at + len;
}

static size_t
put_together(struct input *in)
{
	size_t at = 0, n;

	while (in->left > 0 && at + KA_SPOOL_RECORD_LEN <= SPOOL_MAX) {
		unsigned what = take8(in), kind = what / 8 % KINDS;

		switch (what % 8) {
		case 0: /* any bytes */
			n = take8(in) < in->left ? in->at[-1] : in->left;
			at = add(at, in->at, n);
			in->at += n;
			in->left -= n;
			break;
		case 1: /* torn at its end */
			at = add(at, whole[kind], take8(in) % KA_SPOOL_RECORD_LEN);
			break;
		case 2: /* its beginning is missing */
			n = take8(in) % KA_SPOOL_RECORD_LEN;
			at = add(at, whole[kind] + n, KA_SPOOL_RECORD_LEN - n);
			break;
		case 3: /* one byte changed */
			at = add(at, whole[kind], KA_SPOOL_RECORD_LEN);
			spool[at - 1 - take8(in) % KA_SPOOL_RECORD_LEN] ^= (uint8_t)(take8(in) | 1);
			break;
		case 4: /* many */
			for (n = (size_t)take8(in) * 4; n > 0; n--)
				at = add(at, whole[kind], KA_SPOOL_RECORD_LEN);
			break;
		case 5: /* zeros, as a crash leaves them */
			for (n = (size_t)take8(in) * 32; n > 0 && at < SPOOL_MAX; n--)
				spool[at++] = 0;
			break;
		default:
			at = add(at, whole[kind], KA_SPOOL_RECORD_LEN);
			break;
		}
	}
	return at;
}

/* A record begins wherever its bytes stand; two never overlap, since the magic number stands in none of the rest. */
static void
count(size_t len)
{
	for (size_t at = 0; at + KA_SPOOL_RECORD_LEN <= len; at++)
		for (int i = 0; i < KINDS; i++)
			if (spool[at] == whole[i][0] && memcmp(spool + at, whole[i], KA_SPOOL_RECORD_LEN) == 0) {
				counted[i]++;
				at += KA_SPOOL_RECORD_LEN - 1;
				break;
			}
}

static void
check_counts(void)
{
	struct ka_usage *usage = NULL;
	struct ka_error err = {""};
	struct ka_use use;

	CHECK(ka_usage_open(dir, &usage, &err) == KA_OK);
	for (int i = 0; i < KINDS; i++) {
		CHECK(ka_usage_of_key(usage, uses[i].sha256, uses[i].account, &use) == KA_OK);
		CHECK(use.count == counted[i]);
		CHECK(use.at_s == (counted[i] > 0 ? uses[i].at_s : 0));
	}
	ka_usage_close(usage);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct ka_error err = {""};
	struct ka_spool_use use;
	size_t len = put_together(&in);
	char path[128];
	int fd;

	if (size >= KA_SPOOL_RECORD_LEN && ka_spool_decode(data, &use) == KA_OK)
		CHECK(memcmp(data, KA_SPOOL_MAGIC, 8) == 0 && use.at_s >= 0);
	spool_path(path);
	CHECK((fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) >= 0);
	CHECK(write(fd, spool, len) == (ssize_t)len);
	(void)close(fd);
	count(len);
	CHECK(ka_usage_drain(dir, &err) == KA_OK);
	(void)unlink(path); /* an empty one stays */
	check_counts();
	return 0;
}
