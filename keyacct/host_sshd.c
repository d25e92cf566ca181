#include "keyacct/host_sshd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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
host_sshd_is(const char *config, const char *keyword, const char *value)
{
	char found[1024];

	return host_sshd_value(config, keyword, 0, found, sizeof(found)) && strcmp(found, value) == 0;
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
