#ifndef TESTS_STRESS_READER_H
#define TESTS_STRESS_READER_H
/*
 * Readers: each call of ka_view_read collects answers from one snapshot, with delays between and within the reads of
 * it, and all of them are judged together.
 */
#include <stdint.h>

#include "tests/stress/shared.h"

/**
 * reader_run(shared, mode, path, number, seed):
 * Read until shared->stop, counting in shared->readers[${number}]. Any number of threads. In a gated mode, reader 0
 * leads the writer and the others read as it goes.
 */
void reader_run(struct shared *shared, const struct mode *mode, const char *path, unsigned number, uint64_t seed);

#endif
