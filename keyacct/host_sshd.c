#include "keyacct/host_sshd.h"

#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/uuid.h"
#include "keyacct/input.h"
#include "keyacct/run.h"

/* A request passes while the keyword has this value. */
static const struct {
	enum ka_request request;
	const char *keyword, *passes;
} keywords[] = {
    {KA_REQUEST_COMMANDS, "ForceCommand", "none"},
    {KA_REQUEST_PTY, "PermitTTY", "yes"},
    {KA_REQUEST_AGENT, "AllowAgentForwarding", "yes"},
    {KA_REQUEST_AGENT, "DisableForwarding", "no"},
    {KA_REQUEST_PORTS, "AllowTcpForwarding", "yes"},
    {KA_REQUEST_PORTS, "DisableForwarding", "no"},
    {KA_REQUEST_OTHER_HOSTS, "PermitOpen", "any"},
    {KA_REQUEST_X11, "X11Forwarding", "yes"},
    {KA_REQUEST_X11, "DisableForwarding", "no"},
    {KA_REQUEST_SOCKETS, "AllowStreamLocalForwarding", "yes"},
    {KA_REQUEST_SOCKETS, "DisableForwarding", "no"},
    {KA_REQUEST_TUNNELS, "PermitTunnel", "yes"},
};

const struct host_sshd_need host_sshd_needed[HOST_SSHD_NEEDS] = {
    [HOST_SSHD_NEEDS_PAM] = {"UsePAM", "yes",
	"without PAM archived projects can be entered, nothing is recorded and no session is ever ended"},
    [HOST_SSHD_NEEDS_HASH] = {"FingerprintHash", "SHA256", "keys are found by their SHA256 fingerprint: none is"},
    [HOST_SSHD_NEEDS_KEYS] = {"PubkeyAuthentication", "yes", "without public keys nobody enters a project"},
    [HOST_SSHD_NEEDS_NO_COMMAND] = {"ForceCommand", "none", "another command runs instead of what people ask for"},
};

enum ka_result
host_sshd_ask(const char *user, const char *host, const char *address, char **config, struct ka_error *err)
{
	char spec[1024];
	const char *const argv[] = {"sshd", "-T", "-C", spec, NULL};
	enum ka_result r = KA_OK;
	int n, status;

	*config = NULL;
	/* Without these a "Match LocalPort" anywhere makes sshd answer nothing at all: servconf.c,
	 * match_test_missing_fatal(). */
	n = snprintf(
	    spec, sizeof(spec), "user=%s,host=%s,addr=%s,laddr=127.0.0.1,lport=22,rdomain=", user, host, address);
	if (n <= 0 || (size_t)n >= sizeof(spec))
		return ka_result_fail(err, KA_INVALID, "\"%.100s\" is too long for a user or a host", user);
	if ((status = run_program(argv, NULL, config)) == 0)
		return KA_OK;
	if (status < 0 || *config == NULL)
		r = ka_result_fail(err, KA_NOTFOUND, "'sshd -T' could not be run: is openssh-server installed?");
	else
		r = ka_result_fail(err, KA_FAILED, "'sshd -T' refuses the configuration: %.*s",
		    (int)strcspn(*config, "\r\n"), *config);
	free(*config);
	*config = NULL;
	return r;
}

bool
host_sshd_value(const char *config, const char *keyword, unsigned nth, char *value, size_t size)
{
	size_t len = strlen(keyword);

	for (const char *line = config; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n') {
		if (strncasecmp(line, keyword, len) != 0 || line[len] != ' ' || nth-- > 0)
			continue;
		line += len + 1;
		(void)snprintf(value, size, "%.*s", (int)strcspn(line, "\n"), line);
		return true;
	}
	return false;
}

bool
host_sshd_same(const char *a, const char *b)
{
	return strchr(a, '/') != NULL ? strcmp(a, b) == 0 : strcasecmp(a, b) == 0;
}

bool
host_sshd_is(const char *config, const char *keyword, const char *value)
{
	char found[1024];

	return host_sshd_value(config, keyword, 0, found, sizeof(found)) && host_sshd_same(found, value);
}

bool
host_sshd_refusal(const char *config, enum ka_request request, unsigned nth, char *setting, size_t size)
{
	for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
		char value[128];

		if (keywords[i].request != request ||
		    !host_sshd_value(config, keywords[i].keyword, 0, value, sizeof(value)) ||
		    strcmp(value, keywords[i].passes) == 0 || nth-- > 0)
			continue;
		(void)snprintf(setting, size, "%s %s", keywords[i].keyword, value);
		return true;
	}
	return false;
}

bool
host_sshd_key(const char *config, unsigned *nth, struct ka_sshkey *key)
{
	char file[PATH_MAX - 8], public[PATH_MAX];

	while (host_sshd_value(config, "HostKey", (*nth)++, file, sizeof(file))) {
		(void)snprintf(public, sizeof(public), "%s.pub", file);
		if (input_key(public, key, NULL) == KA_OK)
			return true;
	}
	return false;
}

/* Is one of the ${n} ${addresses} what sshd listens on at port 22? ${n} 0: any that is no wildcard. */
static bool
listens_on(const char *config, const char *const *addresses, size_t n, char *address, size_t size)
{
	char value[128], *port;

	for (unsigned i = 0; host_sshd_value(config, "ListenAddress", i, value, sizeof(value)); i++) {
		char *host = value + (value[0] == '[');

		if ((port = strrchr(value, ':')) == NULL || strcmp(port, ":22") != 0)
			continue;
		*(port - (value[0] == '[')) = '\0';
		for (size_t j = 0; j < n; j++)
			if (strcmp(host, addresses[j]) == 0) {
				(void)snprintf(address, size, "%s", addresses[n - 1]);
				return true;
			}
		if (n == 0) {
			(void)snprintf(address, size, "%s", host);
			return true;
		}
	}
	return false;
}

bool
host_sshd_near(const char *config, char *address, size_t size)
{
	static const char *const four[] = {"0.0.0.0", "127.0.0.1"}, *const six[] = {"::", "::1"};

	return listens_on(config, four, 2, address, size) || listens_on(config, six, 2, address, size) ||
	       listens_on(config, NULL, 0, address, size);
}

/* Who may log in */

/* sshd's own patterns know * and ? alone, and a bracket stands for itself: match.c, match_pattern(). */
static bool
fits(const char *pattern, const char *name)
{
	return strchr(pattern, '[') == NULL && fnmatch(pattern, name, FNM_NOESCAPE) == 0;
}

/* "USER@HOST" is for users alone; a group's @ is a letter of its name. With two of them it is nobody's: no name of a
 * project has one, and no host either. */
static enum host_sshd_listed
judge_pattern(const char *pattern, bool users, const char *name)
{
	const char *at = users ? strchr(pattern, '@') : NULL;
	char user[256];

	(void)snprintf(user, sizeof(user), "%.*s", at != NULL ? (int)(at - pattern) : (int)strlen(pattern), pattern);
	if (at != NULL && strchr(at + 1, '@') != NULL)
		return HOST_SSHD_OTHERS;
	if (fits(user, name))
		return at == NULL || strcmp(at, "@*") == 0 ? HOST_SSHD_LISTED : HOST_SSHD_BY_HOST;
	return host_sshd_is_project(pattern) ? HOST_SSHD_PROJECTS : HOST_SSHD_OTHERS;
}

enum host_sshd_listed
host_sshd_judge_list(const char *config, const char *keyword, const char *name, char *pattern, size_t size)
{
	bool users = strcasecmp(keyword, "AllowUsers") == 0 || strcasecmp(keyword, "DenyUsers") == 0;
	enum host_sshd_listed listed = HOST_SSHD_NO_LIST, one;
	char value[256];

	pattern[0] = '\0';
	for (unsigned i = 0; host_sshd_value(config, keyword, i, value, sizeof(value)); i++) {
		if ((one = judge_pattern(value, users, name)) <= listed)
			continue;
		listed = one;
		(void)snprintf(pattern, size, "%s", value);
	}
	return listed;
}

bool
host_sshd_is_project(const char *pattern)
{
	return strspn(pattern, "0123456789abcdef") == KA_UUID_NAME_LEN - 1 &&
	       strchr("@", pattern[KA_UUID_NAME_LEN - 1]) != NULL;
}

bool
host_sshd_keeps_out(const char *config, char *setting, size_t size)
{
	static const char *const allow[] = {"AllowUsers", "AllowGroups"}, *const deny[] = {"DenyUsers", "DenyGroups"};
	char name[KA_UUID_NAME_LEN], pattern[256];

	/* One name for each digit that a project's can begin with. */
	for (const char *digit = "0123456789abcdef"; *digit != '\0'; digit++) {
		memset(name, *digit, sizeof(name) - 1);
		name[sizeof(name) - 1] = '\0';
		for (size_t i = 0; i < 2; i++) {
			if (host_sshd_judge_list(config, deny[i], name, pattern, sizeof(pattern)) == HOST_SSHD_LISTED &&
			    !host_sshd_is_project(pattern)) {
				(void)snprintf(setting, size, "%s %s", deny[i], pattern);
				return true;
			}
			if (host_sshd_judge_list(config, allow[i], name, pattern, sizeof(pattern)) ==
			    HOST_SSHD_OTHERS) {
				(void)snprintf(setting, size, "%s", allow[i]);
				return true;
			}
		}
	}
	return false;
}
