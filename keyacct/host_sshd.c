#include "keyacct/host_sshd.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

#define SSHD       "/usr/sbin/sshd"
#define CONFIG_MAX 65536

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

/* Standard output of ${argv} as one text; NULL unless it ends with status 0. */
static char *
output_of(char *const argv[])
{
	char *text = calloc(1, CONFIG_MAX);
	posix_spawn_file_actions_t actions;
	int fds[2], status = -1;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	if (text == NULL || pipe2(fds, O_CLOEXEC) != 0) {
		free(text);
		return NULL;
	}
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
	(void)posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	if (posix_spawn(&pid, argv[0], &actions, NULL, argv, environ) != 0)
		pid = -1;
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)close(fds[1]);
	while (pid > 0 && len < CONFIG_MAX - 1 && (n = read(fds[0], text + len, CONFIG_MAX - 1 - len)) > 0)
		len += (size_t)n;
	(void)close(fds[0]);
	if (pid > 0 && waitpid(pid, &status, 0) == pid && status == 0)
		return text;
	free(text);
	return NULL;
}

char *
host_sshd_ask(const char *user, const char *address)
{
	static char sshd[] = SSHD, test[] = "-T", connection[] = "-C";
	char spec[512];
	char *const argv[] = {sshd, test, connection, spec, NULL};

	(void)snprintf(spec, sizeof(spec), "user=%s,host=%s,addr=%s", user, address, address);
	return output_of(argv);
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
