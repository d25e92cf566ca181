#ifndef KA_SETTINGS_H
#define KA_SETTINGS_H
/*
 * What an administrator decides for all keys and projects: what each setting is called, which values it takes, and what
 * has to stay true when one changes. As common/model: inside the store's open transaction, which the caller commits, or
 * drops after a failure. Thread safety: none, as the store.
 */
#include <stddef.h>

#include "common/record.h"
#include "common/result.h"
#include "common/store.h"

#define KA_SETTINGS_VALUE_LEN KA_HOME_LEN /* bytes of the longest value as text, NUL included */
#define KA_SETTINGS_HOMES_MAX 470         /* bytes: "/" and an id follow, and all of it is a home */
#define KA_SETTINGS_RSA_LEAST 2048
#define KA_SETTINGS_RSA_MOST  16384 /* what OpenSSH takes */

/*
 * One setting. What format writes, parse reads: for the host's name "" is how uname says.
 * parse changes nothing else, and nothing at all when it returns KA_INVALID, with the sentence in ${err}.
 */
struct ka_setting {
	const char *name;    /* "rsa-bits"; NULL ends the table */
	const char *meaning; /* what it decides, and which values it takes */
	enum ka_result (*parse)(const char *text, struct ka_settings *settings, struct ka_error *err);
	void (*format)(const struct ka_settings *settings, char text[static KA_SETTINGS_VALUE_LEN]);
};

extern const struct ka_setting ka_settings_table[];

/**
 * ka_settings_find(name, setting, err):
 * Returns KA_OK; KA_NOTFOUND, and the sentence in ${err} lists the names.
 */
enum ka_result ka_settings_find(const char *name, const struct ka_setting **setting, struct ka_error *err);

/**
 * ka_settings_write(store, settings, err):
 * Make ${settings} those of the database, at once; logged as one change, unless they are so already.
 * Returns KA_OK; KA_INVALID: one of them is none that its parse would take; KA_CONFLICT: no key of any type could be
 * used; KA_UNAVAIL; KA_CORRUPT, each with the sentence in ${err}.
 */
enum ka_result ka_settings_write(struct ka_store *store, const struct ka_settings *settings, struct ka_error *err);

/**
 * ka_settings_reset(store, err):
 * Give all settings their defaults, also when what they were cannot be read.
 * Returns KA_OK; KA_UNAVAIL.
 */
enum ka_result ka_settings_reset(struct ka_store *store, struct ka_error *err);

/**
 * ka_settings_count_refused(store, before, after, n):
 * How many registrations ${before} lets be used and ${after} does not, whatever their state and time.
 * Returns KA_OK; KA_UNAVAIL; KA_CORRUPT, without a sentence.
 */
enum ka_result ka_settings_count_refused(
    struct ka_store *store, const struct ka_settings *before, const struct ka_settings *after, size_t *n);

#endif
