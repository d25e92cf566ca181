/*
 * commits DIR NAME N FILE: change the project N times, each with its own opening, locking, commit and closing of the
 * database, as the tool does it, and append the microseconds of each to FILE.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/catalog.h"
#include "common/model.h"

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

/* Any change of the project will do. */
static enum ka_result
change(struct ka_store *store, const uint8_t id[static KA_UUID_LEN], long n)
{
	struct ka_project project;
	struct ka_error err;
	enum ka_result r;

	if ((r = ka_catalog_get_project(store, id, &project)) != KA_OK)
		return r;
	(void)snprintf(project.title, sizeof(project.title), "%ld", n);
	return ka_model_change_project(store, &project, &err);
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
		check(change(store, id, i), &err);
		check(ka_store_commit(store, &err), &err);
		ka_store_close(store);
		(void)fprintf(out, "%ld\n", now_us() - began);
	}
	return fclose(out) == 0 ? 0 : 1;
}
