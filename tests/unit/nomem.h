#ifndef TESTS_UNIT_NOMEM_H
#define TESTS_UNIT_NOMEM_H
/*
 * OpenSSL's allocations, each of them made to fail once.
 */
#include <stdbool.h>
#include <stdlib.h>

#include <openssl/crypto.h>

/* The allocation that fails, counted down to 0, and whether all after it fail as well; negative: none fails. */
static long allocations_left = -1;
static bool all_after;

static bool
out_of_memory(void)
{
	if (allocations_left > 0)
		allocations_left--;
	if (allocations_left != 0)
		return false;
	allocations_left = all_after ? 0 : -1;
	return true;
}

static void *
failing_malloc(size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return out_of_memory() ? NULL : malloc(n);
}

static void *
failing_realloc(void *p, size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return out_of_memory() ? NULL : realloc(p, n);
}

static void
plain_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	free(p);
}

/* OpenSSL takes other allocators only before its first allocation. */
static inline bool
nomem_install(void)
{
	return CRYPTO_set_mem_functions(failing_malloc, failing_realloc, plain_free) == 1;
}

#endif
