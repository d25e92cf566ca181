#ifndef KA_RESULT_H
#define KA_RESULT_H
/*
 * What a function of keyacct can answer, and the sentence that goes with a failure.
 * Thread safety: no state is kept; any number of threads.
 */

enum ka_result {
	KA_OK = 0,
	KA_NOTFOUND, /* looked, and it is not there */
	KA_CONFLICT, /* it clashes with something that is there */
	KA_INVALID,  /* the caller's input is malformed */
	KA_BUSY,     /* somebody else is in the way; try again */
	KA_UNAVAIL,  /* could not look: no file, no permission, no memory, a failed read or write */
	KA_CORRUPT,  /* looked, and what is there is damaged or unknown to this version */
	KA_FAILED,   /* anything else: a file of the caller's that cannot be read, output that cannot be written */
};

/* One sentence without a newline: it names the bad value and says what to do. Empty when there is nothing to say. */
struct ka_error {
	char text[512];
};

/**
 * ka_result_fail(err, r, format, ...):
 * Put the sentence into ${err} (NULL: nowhere), cut to what fits, and return ${r}, so that a failure is one statement.
 */
enum ka_result ka_result_fail(struct ka_error *err, enum ka_result r, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
