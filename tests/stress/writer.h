#ifndef TESTS_STRESS_WRITER_H
#define TESTS_STRESS_WRITER_H
/*
 * A process that commits the history's next transaction, again and again, through liblmdb.
 */
#include <stdint.h>

#include "tests/stress/shared.h"

/**
 * writer_create(shared, mode, path), writer_run(shared, mode, path, seed):
 * Make the file with the first transaction; then go on from whatever ${path} holds until shared->stop. Each belongs in
 * a process of its own. Returns the exit status: 0, or 1 and a sentence in ${shared}.
 */
int writer_create(struct shared *shared, const struct mode *mode, const char *path);
int writer_run(struct shared *shared, const struct mode *mode, const char *path, uint64_t seed);

#endif
