#include "keyacct/setup_near.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base64.h"
#include "keyacct/host_disk.h"
#include "keyacct/host_files.h"
#include "keyacct/host_sshd.h"
#include "keyacct/run.h"

/* A label of a host name that no program takes for an address: with a letter at its beginning. */
static enum ka_result
check_name(const char *name, struct ka_error *err)
{
	size_t len = strlen(name);

	if (len > 0 && len < sizeof(((struct setup_near *)NULL)->name) && isalpha((unsigned char)name[0]) &&
	    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len && name[len - 1] != '-' &&
	    strcmp(name, "localhost") != 0)
		return KA_OK;
	return ka_result_fail(err, KA_INVALID,
	    "--short-name \"%.100s\" is no short host name: a letter, then up to 62 letters, digits and "
	    "hyphens, in lower case",
	    name);
}

static bool
is_loopback(const char *address)
{
	return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

static enum ka_result
elsewhere(const char *name, const char *address, const char *by, struct ka_error *err)
{
	return ka_result_fail(err, KA_CONFLICT,
	    "the short host name \"%s\" is another host's: %s says %s. Take --short-name NAME or --no-short-name", name,
	    by, address);
}

/* What the name means here now, without a line of ours. ${found}: it means this host already. */
static enum ka_result
look_up(const struct setup_near *near, const char *address, bool *found, struct ka_error *err)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;
	char text[INET6_ADDRSTRLEN] = "";
	enum ka_result r = KA_OK;

	*found = getaddrinfo(near->name, NULL, &hints, &list) == 0;
	for (struct addrinfo *a = *found ? list : NULL; a != NULL && r == KA_OK; a = a->ai_next) {
		(void)getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST);
		if (!is_loopback(text) && strcmp(text, address) != 0)
			r = elsewhere(near->name, text, "the lookup of it", err);
	}
	if (list != NULL)
		freeaddrinfo(list);
	return r;
}

/* The host keys, each as a line of known_hosts. */
static enum ka_result
write_keys(const char *config, struct setup_near *near, struct ka_error *err)
{
	struct ka_sshkey key;
	unsigned nth = 0;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		return ka_result_fail(err, KA_UNAVAIL, "out of memory");
	while (host_sshd_key(config, &nth, &key)) {
		char blob[KA_BASE64_LEN(KA_SSHKEY_BLOB_MAX)];

		if (ka_base64_encode(key.blob, key.bloblen, blob, sizeof(blob)) == KA_OK)
			(void)fprintf(f, "%s %s %s" HOST_LINES_MARK "\n", near->name, key.type, blob);
	}
	if (fclose(f) != 0)
		return ka_result_fail(err, KA_UNAVAIL, "out of memory");
	free(near->keys);
	near->keys = text;
	if (len > 0)
		return KA_OK;
	return ka_result_fail(err, KA_CONFLICT,
	    "the short host name \"%s\" is of no use: no host key of sshd has its .pub file beside it", near->name);
}

static enum ka_result
write_hosts(const char *address, struct setup_near *near, struct ka_error *err)
{
	free(near->hosts);
	if (asprintf(&near->hosts, "%s %s" HOST_LINES_MARK "\n", address, near->name) >= 0)
		return KA_OK;
	near->hosts = NULL;
	return ka_result_fail(err, KA_UNAVAIL, "out of memory");
}

/* /etc/hosts, if the name does not mean this host without us. */
static enum ka_result
plan_hosts(const char *address, bool image, struct setup_near *near, struct ka_error *err)
{
	const char *text = near->hosts_old != NULL ? near->hosts_old : "";
	char said[64], ours[64];
	bool found = false;
	enum ka_result r;

	if (host_hosts_find(text, near->name, said, sizeof(said)))
		return is_loopback(said) || strcmp(said, address) == 0
			   ? KA_OK
			   : elsewhere(near->name, said, SETUP_NEAR_HOSTS, err);
	if (!image && (!host_hosts_ours(text, ours, sizeof(ours)) || strcmp(ours, near->name) != 0)) {
		if ((r = look_up(near, address, &found, err)) != KA_OK || found)
			return r;
	}
	return write_hosts(address, near, err);
}

static enum ka_result
plan_on_host(struct setup_near *near, struct ka_error *err)
{
	char address[INET6_ADDRSTRLEN + 32], *config;
	enum ka_result r;

	if ((r = host_sshd_ask("root", "localhost", "127.0.0.1", &config, err)) != KA_OK)
		return r;
	if (!host_sshd_near(config, address, sizeof(address)))
		r = ka_result_fail(err, KA_CONFLICT,
		    "the short host name \"%s\" is of no use: sshd listens on no address at port 22", near->name);
	if (r == KA_OK && (r = write_keys(config, near, err)) == KA_OK)
		r = plan_hosts(address, false, near, err);
	free(config);
	return r;
}

enum ka_result
setup_near_plan(const char *root, const char *wanted, struct setup_near *near, struct ka_error *err)
{
	const char *name = wanted != NULL ? wanted : SETUP_NEAR_NAME;
	char ours[64];
	enum ka_result r;

	if ((r = host_disk_read(root != NULL ? root : "", SETUP_NEAR_HOSTS, &near->hosts_old, err)) != KA_OK)
		return r;
	if (wanted == NULL && near->hosts_old != NULL && host_hosts_ours(near->hosts_old, ours, sizeof(ours)))
		name = ours;
	if ((r = check_name(name, err)) != KA_OK)
		return r;
	(void)snprintf(near->name, sizeof(near->name), "%s", name);
	return root != NULL ? plan_hosts("127.0.0.1", true, near, err) : plan_on_host(near, err);
}

void
setup_near_free(struct setup_near *near)
{
	free(near->hosts_old);
	free(near->hosts);
	free(near->keys);
	*near = (struct setup_near){.hosts = NULL};
}

enum ka_result
setup_near_try(const struct setup_near *near, struct ka_error *err)
{
	const char *lookup[] = {"getent", "ahosts", near->name, NULL};
	const char *key[] = {"ssh-keygen", "-F", near->name, "-f", SETUP_NEAR_KEYS, NULL};
	char *output;
	int status;

	if (near->name[0] == '\0')
		return KA_OK;
	status = run_program(lookup, NULL, &output);
	free(output);
	if (status != 0)
		return ka_result_fail(err, KA_FAILED,
		    "the short host name \"%s\" is not found; has hosts in /etc/nsswitch.conf files? Or take "
		    "--no-short-name",
		    near->name);
	status = run_program(key, NULL, &output);
	free(output);
	if (status == 0)
		return KA_OK;
	return ka_result_fail(err, KA_FAILED, "the host key of \"%s\" is not found in " SETUP_NEAR_KEYS, near->name);
}
