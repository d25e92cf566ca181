/*
 * commits DIR NAME N FILE: change the project N times, each with its own opening, locking, commit and closing of the
 * database, as the tool does it, and append the microseconds of each to FILE.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/store.h"

static long
now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (long)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void
check(enum ka_result r, const struct ka_error *err)
{
	if (r == KA_OK)
		return;
	(void)fprintf(stderr, "commits: %s\n", err->text);
	exit(1);
}

int
main(int argc, char **argv)
{
	uint8_t id[KA_UUID_LEN];
	FILE *out;

	if (argc != 5 || ka_uuid_from_name(argv[2], id) != KA_OK || (out = fopen(argv[4], "ae")) == NULL)
		return 2;
	for (long i = strtol(argv[3], NULL, 10); i > 0; i--) {
		struct ka_store *store = NULL;
		struct ka_error err = {"the change could not be written"};
		long began = now_us();

		check(ka_store_open(argv[1], true, &store, &err), &err);
		check(ka_store_note(store, KA_TABLE_PROJECT, id, "project set", ""), &err);
		check(ka_store_commit(store, &err), &err);
		ka_store_close(store);
		(void)fprintf(out, "%ld\n", now_us() - began);
	}
	return fclose(out) == 0 ? 0 : 1;
}
