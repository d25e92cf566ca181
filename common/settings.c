#include "common/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/access.h"
#include "common/catalog.h"
#include "common/sshkey.h"
#include "common/text.h"

/* Longest name of a host, and of one label of it (RFC 1123 2.1, RFC 1035 2.3.4). */
#define HOST_MAX  253
#define LABEL_MAX 63

#define ALNUM "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

/* Host */

static bool
host_ok(const char *host)
{
	if (strlen(host) > HOST_MAX)
		return false;
	for (;;) {
		size_t len = strcspn(host, ".");

		if (len == 0 || len > LABEL_MAX || strspn(host, ALNUM "-") < len || host[0] == '-' ||
		    host[len - 1] == '-')
			return false;
		if (host[len] == '\0')
			return true;
		host += len + 1;
	}
}

static enum ka_result
parse_host(const char *text, struct ka_settings *s, struct ka_error *err)
{
	if (text[0] != '\0' && !host_ok(text))
		return ka_result_fail(err, KA_INVALID,
		    "host \"%.300s\" is no host name: write one such as ssh.example.org, of letters, digits, hyphens "
		    "and dots",
		    text);
	(void)snprintf(s->host, sizeof(s->host), "%s", text);
	return KA_OK;
}

static void
format_host(const struct ka_settings *s, char text[static KA_SETTINGS_VALUE_LEN])
{
	(void)snprintf(text, KA_SETTINGS_VALUE_LEN, "%s", s->host);
}

/* Key types: "all" is no limit, also for types that a later version takes. */

static enum ka_result
no_type(const char *word, size_t len, struct ka_error *err)
{
	char all[KA_TYPES_LEN] = "";
	size_t at = 0;

	for (size_t i = 0; ka_sshkey_type(i) != NULL; i++)
		at += (size_t)snprintf(all + at, sizeof(all) - at, "%s%s", i > 0 ? "," : "", ka_sshkey_type(i));
	return ka_result_fail(err, KA_INVALID,
	    "key-types: \"%.*s\" is no type that is taken: write all, or some of %s, with commas between them",
	    (int)(len < 100 ? len : 100), word, all);
}

/* Append the type, unless it is there already. */
static void
append_type(char types[static KA_TYPES_LEN], const char *type)
{
	size_t at = strlen(types), len = strlen(type);

	for (const char *c = types; (c = strstr(c, type)) != NULL; c += len)
		if ((c == types || c[-1] == ',') && (c[len] == ',' || c[len] == '\0'))
			return;
	(void)snprintf(types + at, KA_TYPES_LEN - at, "%s%s", at > 0 ? "," : "", type);
}

/* The next word of the list at ${at}, without the blanks around it; ${at} is NULL behind the last one. */
static const char *
next_word(const char **at, size_t *len)
{
	const char *word = *at + strspn(*at, " ");

	*len = strcspn(word, ",");
	*at = word[*len] == ',' ? word + *len + 1 : NULL;
	while (*len > 0 && word[*len - 1] == ' ')
		(*len)--;
	return word;
}

static enum ka_result
parse_key_types(const char *text, struct ka_settings *s, struct ka_error *err)
{
	const char *at = strcmp(text, "all") != 0 ? text : NULL;
	char types[KA_TYPES_LEN] = "";

	while (at != NULL) {
		size_t len;
		const char *word = next_word(&at, &len), *type = ka_sshkey_find_type(word, len);

		if (type == NULL)
			return no_type(word, len, err);
		append_type(types, type);
	}
	memcpy(s->key_types, types, sizeof(s->key_types));
	return KA_OK;
}

static void
format_key_types(const struct ka_settings *s, char text[static KA_SETTINGS_VALUE_LEN])
{
	(void)snprintf(text, KA_SETTINGS_VALUE_LEN, "%s", s->key_types[0] != '\0' ? s->key_types : "all");
}

/* RSA keys */

static enum ka_result
parse_rsa_bits(const char *text, struct ka_settings *s, struct ka_error *err)
{
	unsigned long bits = strtoul(text, NULL, 10);

	if (text[0] == '\0' || strspn(text, "0123456789") != strlen(text) || bits < KA_SETTINGS_RSA_LEAST ||
	    bits > KA_SETTINGS_RSA_MOST)
		return ka_result_fail(err, KA_INVALID, "rsa-bits \"%.300s\": write a number from %d to %d", text,
		    KA_SETTINGS_RSA_LEAST, KA_SETTINGS_RSA_MOST);
	s->rsa_bits_min = (uint32_t)bits;
	return KA_OK;
}

static void
format_rsa_bits(const struct ka_settings *s, char text[static KA_SETTINGS_VALUE_LEN])
{
	(void)snprintf(text, KA_SETTINGS_VALUE_LEN, "%u", s->rsa_bits_min);
}

/* Security keys */

static const char *const security_keys[] = {
    [KA_SECURITY_KEYS_OPTIONAL] = "optional",
    [KA_SECURITY_KEYS_REQUIRED] = "required",
    [KA_SECURITY_KEYS_VERIFIED] = "verified",
};

static enum ka_result
parse_security_keys(const char *text, struct ka_settings *s, struct ka_error *err)
{
	for (unsigned i = KA_SECURITY_KEYS_OPTIONAL; i <= KA_SECURITY_KEYS_VERIFIED; i++)
		if (strcmp(text, security_keys[i]) == 0) {
			s->security_keys = (enum ka_security_keys)i;
			return KA_OK;
		}
	return ka_result_fail(err, KA_INVALID, "security-keys \"%.300s\": write optional, required or verified", text);
}

static void
format_security_keys(const struct ka_settings *s, char text[static KA_SETTINGS_VALUE_LEN])
{
	(void)snprintf(text, KA_SETTINGS_VALUE_LEN, "%s", security_keys[s->security_keys]);
}

/* What is on or off */

static enum ka_result
read_switch(const char *name, const char *text, bool *on, struct ka_error *err)
{
	*on = strcmp(text, "on") == 0;
	if (!*on && strcmp(text, "off") != 0)
		return ka_result_fail(err, KA_INVALID, "%s \"%.300s\": write on or off", name, text);
	return KA_OK;
}

static enum ka_result
parse_git_author(const char *text, struct ka_settings *s, struct ka_error *err)
{
	bool on;
	enum ka_result r = read_switch("git-author", text, &on, err);

	if (r == KA_OK)
		s->git_author = on;
	return r;
}

static void
format_git_author(const struct ka_settings *s, char text[static KA_SETTINGS_VALUE_LEN])
{
	(void)snprintf(text, KA_SETTINGS_VALUE_LEN, "%s", s->git_author ? "on" : "off");
}

/* The policy of new projects, whose values common/policy knows. */

static enum ka_result
read_policy(const char *name, const char *text, struct ka_settings *s, struct ka_error *err)
{
	if (ka_policy_set(&s->policy, name, text) == KA_OK)
		return KA_OK;
	return ka_result_fail(err, KA_INVALID, "%s \"%.300s\": write %s", name, text,
	    ka_policy_is_switch(name) ? "on or off" : "off, loopback or on");
}

#define POLICY(id, name)                                                                                \
	static enum ka_result parse_##id(const char *text, struct ka_settings *s, struct ka_error *err) \
	{                                                                                               \
		return read_policy(name, text, s, err);                                                 \
	}                                                                                               \
	static void format_##id(const struct ka_settings *s, char text[static KA_SETTINGS_VALUE_LEN])   \
	{                                                                                               \
		(void)snprintf(text, KA_SETTINGS_VALUE_LEN, "%s", ka_policy_get(s->policy, name));      \
	}

POLICY(agent, "agent")
POLICY(tcp, "tcp")
POLICY(x11, "x11")
POLICY(pty, "pty")
POLICY(sftp_only, "sftp-only")

/* Paths, to the letter */

static enum ka_result
read_path(const char *name, const char *text, size_t max, struct ka_error *err)
{
	size_t len = strlen(text);

	if (len > max)
		return ka_result_fail(
		    err, KA_INVALID, "%s is too long: at most %zu bytes, and this has %zu", name, max, len);
	if (!ka_record_path_ok(text) || !ka_text_is_visible(text) || text[len - 1] == '/')
		return ka_result_fail(err, KA_INVALID,
		    "%s \"%.300s\" cannot be used: an absolute path is wanted, without a slash at its end, a colon, "
		    "control or invisible characters",
		    name, text);
	return KA_OK;
}

static enum ka_result
parse_homes(const char *text, struct ka_settings *s, struct ka_error *err)
{
	enum ka_result r = read_path("homes", text, KA_SETTINGS_HOMES_MAX, err);

	if (r == KA_OK)
		(void)snprintf(s->homes, sizeof(s->homes), "%s", text);
	return r;
}

static void
format_homes(const struct ka_settings *s, char text[static KA_SETTINGS_VALUE_LEN])
{
	(void)snprintf(text, KA_SETTINGS_VALUE_LEN, "%s", s->homes);
}

static enum ka_result
parse_shell(const char *text, struct ka_settings *s, struct ka_error *err)
{
	enum ka_result r = read_path("shell", text, sizeof(s->shell) - 1, err);

	if (r == KA_OK)
		(void)snprintf(s->shell, sizeof(s->shell), "%s", text);
	return r;
}

static void
format_shell(const struct ka_settings *s, char text[static KA_SETTINGS_VALUE_LEN])
{
	(void)snprintf(text, KA_SETTINGS_VALUE_LEN, "%s", s->shell);
}

/* A sentence for people, to the letter; or "none" */

static enum ka_result
parse_grace_text(const char *text, struct ka_settings *s, struct ka_error *err)
{
	size_t len = strlen(text);

	if (len >= sizeof(s->grace_text))
		return ka_result_fail(err, KA_INVALID, "grace-text is too long: at most %zu bytes, and this has %zu",
		    sizeof(s->grace_text) - 1, len);
	/* It goes to terminals as it stands. */
	if (!ka_text_is_visible(text))
		return ka_result_fail(err, KA_INVALID,
		    "grace-text \"%.300s\" cannot be used: one line is wanted, without control or invisible characters",
		    text);
	(void)snprintf(s->grace_text, sizeof(s->grace_text), "%s", strcmp(text, "none") != 0 ? text : "");
	return KA_OK;
}

static void
format_grace_text(const struct ka_settings *s, char text[static KA_SETTINGS_VALUE_LEN])
{
	(void)snprintf(text, KA_SETTINGS_VALUE_LEN, "%s", s->grace_text[0] != '\0' ? s->grace_text : "none");
}

const struct ka_setting ka_settings_table[] = {
    {"host", "this host's name, for keys that are limited to hosts and in 'ssh PROJECT@HOST': a host name", parse_host,
	format_host},
    {"key-types", "the types of keys that may be used: types with commas between them, or all", parse_key_types,
	format_key_types},
    {"rsa-bits", "how many bits an RSA key needs: 2048 to 16384", parse_rsa_bits, format_rsa_bits},
    {"security-keys", "must keys be a security key's: optional, required, or verified (its PIN or a finger, too)",
	parse_security_keys, format_security_keys},
    {"git-author", "are sessions told GIT_AUTHOR_NAME and GIT_AUTHOR_EMAIL: on or off", parse_git_author,
	format_git_author},
    {"grace-text", "what the terminals of a session are told before it is ended: a line of at most 255 bytes, or none",
	parse_grace_text, format_grace_text},
    {"homes", "where the homes of new projects are: an absolute path of at most 470 bytes", parse_homes, format_homes},
    {"shell", "the login shell of new projects: an absolute path", parse_shell, format_shell},
    {"agent", "may an agent be forwarded into new projects: on or off", parse_agent, format_agent},
    {"tcp", "may ports be forwarded through new projects: off, loopback (this host's own) or on", parse_tcp,
	format_tcp},
    {"x11", "may X11 be forwarded out of new projects: on or off", parse_x11, format_x11},
    {"pty", "do new projects have terminals: on or off", parse_pty, format_pty},
    {"sftp-only", "are new projects for file transfer by SFTP alone: on or off", parse_sftp_only, format_sftp_only},
    {0},
};

enum ka_result
ka_settings_find(const char *name, const struct ka_setting **setting, struct ka_error *err)
{
	char names[256] = "";
	size_t at = 0;

	for (const struct ka_setting *s = ka_settings_table; s->name != NULL; s++) {
		if (strcmp(s->name, name) == 0) {
			*setting = s;
			return KA_OK;
		}
		at += (size_t)snprintf(names + at, sizeof(names) - at, " %s", s->name);
	}
	return ka_result_fail(err, KA_NOTFOUND, "there is no setting \"%.200s\"; there are:%s", name, names);
}

/* What came another way than as text is held to the same rules. */
static enum ka_result
check_values(const struct ka_settings *settings, struct ka_error *err)
{
	struct ka_settings scratch;
	enum ka_result r = KA_OK;

	ka_record_default_settings(&scratch);
	for (const struct ka_setting *s = ka_settings_table; r == KA_OK && s->name != NULL; s++) {
		char text[KA_SETTINGS_VALUE_LEN];

		s->format(settings, text);
		r = s->parse(text, &scratch, err);
	}
	return r;
}

/* Settings that contradict each other would keep everybody out. */
static enum ka_result
check_usable(const struct ka_settings *s, struct ka_error *err)
{
	struct ka_key key = {.bits = KA_SETTINGS_RSA_MOST};
	const char *type;

	for (size_t i = 0; (type = ka_sshkey_type(i)) != NULL; i++) {
		(void)snprintf(key.type, sizeof(key.type), "%s", type);
		if (ka_access_judge_policy(s, &key) == KA_REASON_GRANTED)
			return KA_OK;
	}
	return ka_result_fail(err, KA_CONFLICT,
	    "no key could be used: security-keys would be %s, and key-types %s; change the other one first",
	    security_keys[s->security_keys], s->key_types);
}

enum ka_result
ka_settings_write(struct ka_store *store, const struct ka_settings *settings, struct ka_error *err)
{
	uint8_t payload[KA_RECORD_MAX], old_payload[KA_RECORD_MAX];
	struct ka_settings old;
	size_t len, old_len;
	enum ka_result r;

	if (ka_record_put_settings(settings, payload, &len) != KA_OK)
		return ka_result_fail(err, KA_INVALID, "a setting is out of its range");
	if ((r = check_values(settings, err)) != KA_OK || (r = check_usable(settings, err)) != KA_OK)
		return r;
	if ((r = ka_store_settings(store, &old)) != KA_OK)
		return ka_store_fail(store, r, err);
	/* Without a row they are the defaults: to say so is no change. */
	if (ka_record_put_settings(&old, old_payload, &old_len) == KA_OK && old_len == len &&
	    memcmp(old_payload, payload, len) == 0)
		return KA_OK;
	r = ka_store_change(store, KA_TABLE_SETTINGS, KA_SETTINGS_KEY, strlen(KA_SETTINGS_KEY), payload, len);
	return ka_store_fail(store, r, err);
}

enum ka_result
ka_settings_reset(struct ka_store *store, struct ka_error *err)
{
	struct ka_settings settings;
	enum ka_result r;

	/* The log keeps rows as they were: of one that cannot be read there is nothing to keep. */
	if ((r = ka_store_settings(store, &settings)) == KA_CORRUPT)
		r = ka_store_remove(store, KA_TABLE_SETTINGS, KA_SETTINGS_KEY, strlen(KA_SETTINGS_KEY));
	if (r != KA_OK)
		return ka_store_fail(store, r, err);
	ka_record_default_settings(&settings);
	return ka_settings_write(store, &settings, err);
}

enum ka_result
ka_settings_count_refused(
    struct ka_store *store, const struct ka_settings *before, const struct ka_settings *after, size_t *n)
{
	struct ka_row row = {.keylen = 0};
	struct ka_key key;
	enum ka_result r;

	*n = 0;
	while ((r = ka_catalog_next_key(store, &row, &key)) == KA_OK)
		*n += ka_access_judge_settings(before, &key) == KA_REASON_GRANTED &&
		      ka_access_judge_settings(after, &key) != KA_REASON_GRANTED;
	return r == KA_NOTFOUND ? KA_OK : r;
}
