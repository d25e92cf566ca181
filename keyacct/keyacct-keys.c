/*
 * sshd's AuthorizedKeysCommand: the offered key in, the authorized_keys lines that would let it in out, best first.
 * It links libc alone, because it starts twice in every login, and it never writes: sshd runs it for mere probes as
 * well.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "common/access.h"
#include "common/logline.h"
#include "common/time.h"

#define BASE64 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="

static const char usage[] =
    "usage: keyacct-keys [--dir DIR] USER FINGERPRINT TYPE KEY\n"
    "sshd runs this as its AuthorizedKeysCommand with \"%u %f %t %k\" and reads authorized_keys lines from it.\n"
    "example: keyacct-keys 829e7b5693d611e7ae8ee70cea5e8cd7 SHA256:abc… ssh-ed25519 AAAAC3…\n"
    "To find out why a key is refused, ask 'keyacct explain'.\n";

/* Nothing may be printed that is more than a key: these two words go out as they came in. */
static int
is_key(const char *type, const char *key)
{
	return type[0] != '\0' && type[strspn(type, "abcdefghijklmnopqrstuvwxyz0123456789-@.")] == '\0' &&
	       key[0] != '\0' && key[strspn(key, BASE64)] == '\0';
}

/* A line for each distinct set of options: of a grant, or, for a project that is closed, so that PAM can tell its
 * holder why. */
static void
print_lines(const struct ka_access_answer *answer, const char *type, const char *key)
{
	static char options[KA_REGISTRATIONS_MAX][KA_ACCESS_OPTIONS_LEN];

	for (size_t i = 0; i < answer->admitting; i++) {
		size_t same = 0;

		ka_access_options(answer, &answer->registration[i].key, options[i]);
		while (strcmp(options[same], options[i]) != 0)
			same++;
		if (same == i)
			(void)printf("%s %s %s\n", options[i], type, key);
	}
}

static void
decide(const char *dir, const struct ka_access_question *q, const char *type, const char *key)
{
	static struct ka_access_answer answer;
	char line[KA_LOGLINE_LEN];
	enum ka_result r = ka_access_ask(dir, q, &answer);

	if (r != KA_OK) {
		ka_logline_undecided(q, &answer, dir, r, line);
		syslog(LOG_ERR, "%s", line);
		return;
	}
	/* A grant is logged at session open. Who was refused because of the project, only we know: PAM is told no key
	 * then. */
	print_lines(&answer, type, key);
	if (answer.reason == KA_REASON_GRANTED)
		return;
	ka_logline(q, &answer, line);
	syslog(ka_logline_priority(answer.reason), "%s", line);
}

int
main(int argc, char **argv)
{
	struct ka_access_question q = {.address_to_sshd = true};
	const char *dir = KA_DATADIR;
	char host[256] = "";

	/* A closed one would be taken by what is opened next. */
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return 0;
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		(void)fputs(usage, stdout);
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		(void)puts("keyacct-keys " KA_VERSION);
		return 0;
	}
	if (argc > 2 && strcmp(argv[1], "--dir") == 0) {
		dir = argv[2];
		argc -= 2;
		argv += 2;
	}
	openlog("keyacct-keys", LOG_PID, LOG_AUTHPRIV);
	if (argc != 5) {
		syslog(LOG_ERR, "called with %d words instead of 4: AuthorizedKeysCommand needs %%u %%f %%t %%k",
		    argc - 1);
		(void)fputs(usage, stderr);
		return 2;
	}
	/* sshd may stop reading at the first line that fits. */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)gethostname(host, sizeof(host) - 1);
	q.at_s = ka_time_now();
	q.host = host;
	if (ka_fingerprint_parse(argv[2], q.sha256) != KA_OK) {
		syslog(LOG_ERR, "\"%.80s\" is no SHA256 fingerprint: is FingerprintHash set to md5?", argv[2]);
		return 0;
	}
	/* An offered certificate gets nothing: its type has a name of its own. */
	if (ka_uuid_from_name(argv[1], q.project) != KA_OK || !is_key(argv[3], argv[4]) ||
	    strstr(argv[3], "-cert-") != NULL)
		return 0;
	decide(dir, &q, argv[3], argv[4]);
	(void)fflush(stdout);
	return 0;
}
