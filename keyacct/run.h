#ifndef KEYACCT_RUN_H
#define KEYACCT_RUN_H
/*
 * Other programs of the host, run without a shell.
 */

/**
 * run_program(argv, input, output):
 * Run ${argv}[0], found in the system's directories alone, with ${input} (NULL: nothing) on its standard input, and
 * wait for it. What it writes to standard output and standard error becomes ${output} (NULL: they are ours), which the
 * caller frees. Returns its exit status; -1 when it could not be run or was killed: ${output} is NULL then.
 */
int run_program(const char *const argv[], const char *input, char **output);

#endif
