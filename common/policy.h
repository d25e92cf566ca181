#ifndef KA_POLICY_H
#define KA_POLICY_H
/*
 * What a login into a project may ask for: the settings of a project's policy, what each is called and set to, the
 * authorized_keys options that it becomes, and which setting stands in the way of which request. libc alone.
 * Thread safety: no state is kept; any number of threads.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/result.h"

#define KA_POLICY_OPTIONS_LEN 256

/* Bits of a policy: 0 is a terminal and commands, and nothing else, so that rows without a bit keep that meaning. */
#define KA_POLICY_AGENT        0x01U
#define KA_POLICY_TCP          0x06U /* both bits: no value that is written, and read as off */
#define KA_POLICY_TCP_LOOPBACK 0x02U
#define KA_POLICY_TCP_ON       0x04U
#define KA_POLICY_X11          0x08U
#define KA_POLICY_NO_PTY       0x10U
#define KA_POLICY_SFTP_ONLY    0x20U /* whatever the other bits say */

/* What a client can ask a session for. */
enum ka_request {
	KA_REQUEST_COMMANDS, /* a shell, commands, sftp-server: all that is no transfer by internal-sftp */
	KA_REQUEST_PTY,
	KA_REQUEST_AGENT,
	KA_REQUEST_PORTS, /* at least those of the loopback addresses */
	KA_REQUEST_OTHER_HOSTS,
	KA_REQUEST_X11,
	KA_REQUEST_SOCKETS,
	KA_REQUEST_TUNNELS,
	KA_REQUESTS
};

/**
 * ka_policy_settings: the settings' names ("agent"), ended by NULL.
 */
extern const char *const ka_policy_settings[];

/**
 * ka_policy_values(setting): what can be set, for people: "on|off".
 * ka_policy_is_switch(setting): is it on or off, and nothing else?
 * ka_policy_get(policy, setting): its value. Never NULL, if ${setting} is one.
 */
const char *ka_policy_values(const char *setting);
bool ka_policy_is_switch(const char *setting);
const char *ka_policy_get(uint32_t policy, const char *setting);

/**
 * ka_policy_set(policy, setting, value):
 * Returns KA_OK; KA_INVALID, with ${policy} as it was: no such setting, or no such value.
 */
enum ka_result ka_policy_set(uint32_t *policy, const char *setting, const char *value);

/**
 * ka_policy_refusal(policy, request):
 * The setting that stands in the way, as "tcp off", or NULL when the policy allows it. What it allows, the
 * configuration of sshd may still refuse.
 */
const char *ka_policy_refusal(uint32_t policy, enum ka_request request);

/**
 * ka_policy_request_name(request): for people, such as "agent".
 */
const char *ka_policy_request_name(enum ka_request request);

/**
 * ka_policy_options(policy, options): what follows "restrict" in authorized_keys, beginning with a comma, or "".
 */
void ka_policy_options(uint32_t policy, char options[static KA_POLICY_OPTIONS_LEN]);

#endif
