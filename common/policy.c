#include "common/policy.h"

#include <stdio.h>
#include <string.h>

/* sshd compares these words with what the client asks for, to the letter and before any lookup (sshd(8), permitopen).
 */
#define LOOPBACK(option) "," option "=\"localhost:*\"," option "=\"127.0.0.1:*\"," option "=\"[::1]:*\""

/* Each value of each setting; the first one of a setting is what bits that mean nothing are read as. */
static const struct value {
	const char *setting, *value;
	uint32_t mask, bits;
} values[] = {
    {"agent", "off", KA_POLICY_AGENT, 0},
    {"agent", "on", KA_POLICY_AGENT, KA_POLICY_AGENT},
    {"tcp", "off", KA_POLICY_TCP, 0},
    {"tcp", "loopback", KA_POLICY_TCP, KA_POLICY_TCP_LOOPBACK},
    {"tcp", "on", KA_POLICY_TCP, KA_POLICY_TCP_ON},
    {"x11", "off", KA_POLICY_X11, 0},
    {"x11", "on", KA_POLICY_X11, KA_POLICY_X11},
    {"pty", "off", KA_POLICY_NO_PTY, KA_POLICY_NO_PTY},
    {"pty", "on", KA_POLICY_NO_PTY, 0},
    {"sftp-only", "off", KA_POLICY_SFTP_ONLY, 0},
    {"sftp-only", "on", KA_POLICY_SFTP_ONLY, KA_POLICY_SFTP_ONLY},
};
#define VALUES (sizeof(values) / sizeof(values[0]))

const char *const ka_policy_settings[] = {"agent", "tcp", "x11", "pty", "sftp-only", NULL};

bool
ka_policy_is_switch(const char *setting)
{
	return strcmp(setting, "tcp") != 0;
}

const char *
ka_policy_values(const char *setting)
{
	return ka_policy_is_switch(setting) ? "on|off" : "off|loopback|on";
}

const char *
ka_policy_get(uint32_t policy, const char *setting)
{
	const char *first = NULL;

	for (size_t i = 0; i < VALUES; i++) {
		if (strcmp(values[i].setting, setting) != 0)
			continue;
		if (first == NULL)
			first = values[i].value;
		if ((policy & values[i].mask) == values[i].bits)
			return values[i].value;
	}
	return first;
}

enum ka_result
ka_policy_set(uint32_t *policy, const char *setting, const char *value)
{
	for (size_t i = 0; i < VALUES; i++)
		if (strcmp(values[i].setting, setting) == 0 && strcmp(values[i].value, value) == 0) {
			*policy = (*policy & ~values[i].mask) | values[i].bits;
			return KA_OK;
		}
	return KA_INVALID;
}

const char *
ka_policy_request_name(enum ka_request request)
{
	switch (request) {
	case KA_REQUEST_COMMANDS:
		return "commands";
	case KA_REQUEST_PTY:
		return "terminals";
	case KA_REQUEST_AGENT:
		return "agent";
	case KA_REQUEST_PORTS:
		return "ports";
	case KA_REQUEST_OTHER_HOSTS:
		return "other hosts' ports";
	case KA_REQUEST_X11:
		return "X11";
	case KA_REQUEST_SOCKETS:
		return "Unix sockets";
	case KA_REQUEST_TUNNELS:
		return "tunnels";
	case KA_REQUESTS:
		break;
	}
	return "?";
}

const char *
ka_policy_refusal(uint32_t policy, enum ka_request request)
{
	uint32_t tcp = policy & KA_POLICY_TCP;
	bool no_ports = tcp != KA_POLICY_TCP_LOOPBACK && tcp != KA_POLICY_TCP_ON;

	if ((policy & KA_POLICY_SFTP_ONLY) != 0)
		return "sftp-only on";
	switch (request) {
	case KA_REQUEST_PTY:
		return (policy & KA_POLICY_NO_PTY) != 0 ? "pty off" : NULL;
	case KA_REQUEST_AGENT:
		return (policy & KA_POLICY_AGENT) == 0 ? "agent off" : NULL;
	case KA_REQUEST_OTHER_HOSTS:
		if (tcp == KA_POLICY_TCP_LOOPBACK)
			return "tcp loopback";
		return no_ports ? "tcp off" : NULL;
	case KA_REQUEST_PORTS:
	case KA_REQUEST_SOCKETS: /* sshd asks the same flag, and not permitopen: so the drop-in refuses them all */
		return no_ports ? "tcp off" : NULL;
	case KA_REQUEST_X11:
		return (policy & KA_POLICY_X11) == 0 ? "x11 off" : NULL;
	case KA_REQUEST_COMMANDS:
	case KA_REQUEST_TUNNELS: /* no option of a key is about them: the drop-in refuses them */
	case KA_REQUESTS:
		break;
	}
	return NULL;
}

void
ka_policy_options(uint32_t policy, char options[static KA_POLICY_OPTIONS_LEN])
{
	bool ports = ka_policy_refusal(policy, KA_REQUEST_PORTS) == NULL;
	bool loopback = ports && ka_policy_refusal(policy, KA_REQUEST_OTHER_HOSTS) != NULL;

	(void)snprintf(options, KA_POLICY_OPTIONS_LEN, "%s%s%s%s%s%s",
	    ka_policy_refusal(policy, KA_REQUEST_PTY) == NULL ? ",pty" : "",
	    ka_policy_refusal(policy, KA_REQUEST_AGENT) == NULL ? ",agent-forwarding" : "",
	    ports ? ",port-forwarding" : "", loopback ? LOOPBACK("permitopen") LOOPBACK("permitlisten") : "",
	    ka_policy_refusal(policy, KA_REQUEST_X11) == NULL ? ",X11-forwarding" : "",
	    ka_policy_refusal(policy, KA_REQUEST_COMMANDS) != NULL ? ",command=\"internal-sftp\"" : "");
}
