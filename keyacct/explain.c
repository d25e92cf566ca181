/*
 * keyacct explain: the decision of a login, taken by the same code, with the path it took.
 */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/access.h"
#include "common/catalog.h"
#include "common/logline.h"
#include "common/time.h"
#include "keyacct/cli.h"
#include "keyacct/host_sshd.h"
#include "keyacct/input.h"
#include "keyacct/json.h"
#include "keyacct/show.h"

static bool
is_md5(const char *text)
{
	if (strncasecmp(text, "MD5:", 4) == 0)
		text += 4;
	return strlen(text) == KA_MD5_TEXT_LEN - 1 && strspn(text, "0123456789abcdefABCDEF:") == strlen(text);
}

/* The second argument: a fingerprint, which ${store} completes, or a public key in a file or on standard input. */
static enum ka_result
read_key(const struct cli *cli, struct ka_store *store, uint8_t sha256[static KA_SHA256_LEN], struct ka_error *err)
{
	struct ka_sshkey sshkey;
	enum ka_result r;

	if (strncmp(cli->args[1], "SHA256:", 7) == 0 || is_md5(cli->args[1]))
		return ka_catalog_find_fingerprint(store, cli->args[1], sha256, err);
	if ((r = input_key(cli->args[1], &sshkey, err)) == KA_OK)
		memcpy(sha256, sshkey.sha256, KA_SHA256_LEN);
	return r;
}

static enum ka_result
read_question(const struct cli *cli, struct ka_store *store, struct ka_access_question *q, struct ka_error *err)
{
	static char host[256];
	const char *from = cli_value(cli, "from", 0);
	char name[KA_UUID_NAME_LEN];
	struct passwd *pw;
	enum ka_result r;

	q->at_s = ka_time_now();
	if ((r = cli_time(cli, "at", &q->at_s, err)) != KA_OK || (r = read_key(cli, store, q->sha256, err)) != KA_OK)
		return r;
	if (from != NULL && ka_address_parse(from, q->address) != KA_OK)
		return ka_result_fail(
		    err, KA_INVALID, "--from \"%s\" is no address: write 192.0.2.7 or 2001:db8::7", from);
	q->address_known = from != NULL;
	q->address_to_sshd = from == NULL;
	(void)gethostname(host, sizeof(host) - 1);
	q->host = host;
	/* As a login does; on a host that is not in service yet the name is unknown, and there is nothing to compare.
	 */
	ka_uuid_name(q->project, name);
	if ((pw = getpwnam(name)) != NULL) {
		q->uid_known = true;
		q->uid = pw->pw_uid;
	}
	return KA_OK;
}

/* What came of one registration: "laptop of owner: granted as owner". */
static json_t *
json_step(const struct ka_access_registration *reg)
{
	json_t *object = json_pack("{s:s,s:s,s:s,s:o,s:o,s:o,s:o,s:s,s:s}", "title", reg->key.title, "account",
	    reg->account.handle, "state", reg->key.state == KA_KEY_ACTIVE ? "active" : "inactive", "role",
	    reg->role != 0 ? json_string(ka_access_role_name(reg->role)) : json_null(), "from",
	    reg->key.from[0] != '\0' ? json_string(reg->key.from) : json_null(), "not_before",
	    json_time(reg->key.not_before_s), "expires", json_time(reg->key.expires_s), "reason",
	    ka_access_reason_name(reg->reason), "explanation", ka_access_reason_text(reg->reason));

	if (object != NULL &&
	    json_object_set_new(object, "reach", json_string(reg->key.named ? "named" : "all")) != 0) {
		json_decref(object);
		return NULL;
	}
	return object;
}

/* The settings that refuse a request, the project's before those of this host's sshd. */
static json_t *
json_refusing(uint32_t policy, const char *config, enum ka_request request)
{
	const char *refusal = ka_policy_refusal(policy, request);
	json_t *settings = json_array();
	char setting[160];

	if (refusal != NULL)
		(void)json_array_append_new(settings, json_string(refusal));
	for (unsigned i = 0; config != NULL && host_sshd_refusal(config, request, i, setting, sizeof(setting)); i++)
		(void)json_array_append_new(settings, json_string(setting));
	return settings;
}

/* What a session would be refused, and by which settings. That other hosts' ports are goes without saying where all
 * are. */
static json_t *
json_refused_requests(const struct ka_access_question *q, const struct ka_access_answer *a)
{
	char name[KA_UUID_NAME_LEN], address[KA_ADDRESS_TEXT_LEN] = "127.0.0.1";
	json_t *requests = json_array();
	bool ports = true;
	char *config;

	ka_uuid_name(q->project, name);
	if (q->address_known)
		ka_address_format(q->address, address);
	(void)host_sshd_ask(name, address, address, &config, NULL);
	for (unsigned i = 0; i < KA_REQUESTS; i++) {
		json_t *settings = json_refusing(a->project.policy, config, (enum ka_request)i);
		bool refused = json_array_size(settings) > 0 && (ports || i != KA_REQUEST_OTHER_HOSTS);

		if (refused)
			(void)json_array_append_new(
			    requests, json_pack("{s:s,s:O}", "request", ka_policy_request_name((enum ka_request)i),
					  "settings", settings));
		if (i == KA_REQUEST_PORTS)
			ports = !refused;
		json_decref(settings);
	}
	free(config);
	return requests;
}

static json_t *
json_answer(const struct ka_access_question *q, const struct ka_access_answer *a)
{
	char fingerprint[KA_SHA256_TEXT_LEN], address[KA_ADDRESS_TEXT_LEN], options[KA_ACCESS_OPTIONS_LEN];
	const struct ka_access_registration *best = &a->registration[0];
	json_t *steps = json_array(), *object;

	ka_fingerprint_format(q->sha256, fingerprint);
	ka_address_format(q->address, address);
	object = json_pack("{s:o,s:s,s:o,s:o,s:o,s:s,s:s,s:s}", "project", json_project(&a->project), "fingerprint",
	    fingerprint, "at", json_time(q->at_s), "address", q->address_known ? json_string(address) : json_null(),
	    "registrations", steps, "result", a->reason == KA_REASON_GRANTED ? "granted" : "refused", "reason",
	    ka_access_reason_name(a->reason), "explanation", ka_access_reason_text(a->reason));
	for (size_t i = 0; object != NULL && i < a->registrations; i++)
		(void)json_array_append_new(steps, json_step(&a->registration[i]));
	if (object == NULL || a->admitting == 0)
		return object;
	ka_access_options(a, &best->key, options);
	(void)json_object_set_new(object, "account", json_string(best->account.handle));
	(void)json_object_set_new(object, "role", json_string(ka_access_role_name(best->role)));
	(void)json_object_set_new(object, "options", json_string(options));
	if (a->reason == KA_REASON_GRANTED)
		(void)json_object_set_new(object, "refused_requests", json_refused_requests(q, a));
	return object;
}

static void
print_registration(const struct ka_access_registration *reg)
{
	char from[KA_TIME_TEXT_LEN] = "", until[KA_TIME_TEXT_LEN] = "";

	if (reg->key.not_before_s != 0)
		show_format_time(reg->key.not_before_s, from);
	if (reg->key.expires_s != 0)
		show_format_time(reg->key.expires_s, until);
	(void)printf("registration  \"%s\" of account \"%s\", reaches %s\n", reg->key.title, reg->account.handle,
	    reg->key.named ? "the projects that it names" : "all of the account's projects");
	(void)printf("  role        %s\n", reg->role != 0 ? ka_access_role_name(reg->role) : "none");
	(void)printf("  limits      from %s", reg->key.from[0] != '\0' ? reg->key.from : "everywhere");
	if (reg->key.hosts[0] != '\0')
		(void)printf(", on %s", reg->key.hosts);
	if (from[0] != '\0')
		(void)printf(", not before %s", from);
	if (until[0] != '\0')
		(void)printf(", until %s", until);
	(void)printf(
	    "\n  result      %s: %s\n", ka_access_reason_name(reg->reason), ka_access_reason_text(reg->reason));
}

static void
print_refused_requests(const struct ka_access_question *q, const struct ka_access_answer *a)
{
	json_t *requests = json_refused_requests(q, a), *request, *setting;
	size_t i, n;

	json_array_foreach(requests, i, request)
	{
		(void)printf(
		    "%-13s %s", i == 0 ? "refused here" : "", json_string_value(json_object_get(request, "request")));
		json_array_foreach(json_object_get(request, "settings"), n, setting)
		{
			(void)printf("%s%s", n == 0 ? " (" : ", ", json_string_value(setting));
		}
		(void)puts(")");
	}
	json_decref(requests);
}

/* The path of the decision, in its order: project, registrations with account, role and limits, result. */
static void
print_path(const struct ka_access_question *q, const struct ka_access_answer *a)
{
	char name[KA_UUID_NAME_LEN], fingerprint[KA_SHA256_TEXT_LEN], at[KA_TIME_TEXT_LEN];
	char address[KA_ADDRESS_TEXT_LEN] = "any address", options[KA_ACCESS_OPTIONS_LEN];

	ka_uuid_name(q->project, name);
	ka_fingerprint_format(q->sha256, fingerprint);
	show_format_time(q->at_s, at);
	if (q->address_known)
		ka_address_format(q->address, address);
	(void)printf("project       %s \"%s\"\n", name, a->project.title);
	(void)printf("key           %s\nasked         at %s, from %s\n", fingerprint, at, address);
	for (size_t i = 0; i < a->registrations; i++)
		print_registration(&a->registration[i]);
	if (a->admitting > 0) {
		ka_access_options(a, &a->registration[0].key, options);
		(void)printf("taken for     %s, %s\noptions       %s\n", a->registration[0].account.handle,
		    ka_access_role_name(a->registration[0].role), options);
	}
	if (a->reason == KA_REASON_GRANTED)
		print_refused_requests(q, a);
	(void)printf("result        %s%s\n",
	    a->reason == KA_REASON_GRANTED ? "" : "refused: ", ka_access_reason_name(a->reason));
	(void)printf("              %s\n", ka_access_reason_text(a->reason));
}

static enum cli_status
run_explain(struct cli *cli)
{
	static struct ka_access_answer answer;
	struct ka_access_question q = {.address_known = false};
	struct ka_store *store = NULL;
	struct ka_project project;
	struct ka_error err = {""};
	enum cli_status status = CLI_DONE;
	enum ka_result r;

	if ((r = ka_store_open(cli->dir, false, &store, &err)) == KA_OK &&
	    (r = ka_catalog_find_project(store, cli->args[0], &project, &err)) == KA_OK) {
		memcpy(q.project, project.id, KA_UUID_LEN);
		r = read_question(cli, store, &q, &err);
	}
	ka_store_close(store);
	if (r != KA_OK)
		return cli_fail(cli, r, &err);
	if ((r = ka_access_ask(cli->dir, &q, &answer)) != KA_OK) {
		r = ka_result_fail(&err, r == KA_CONFLICT || r == KA_INVALID ? KA_CORRUPT : r,
		    "%s/%s is %s: nobody gets in", cli->dir, ka_table_file_name(answer.file), ka_logline_trouble(r));
		return cli_fail(cli, r, &err);
	}
	if (cli->json)
		status = show_object(cli, json_answer(&q, &answer), NULL);
	else
		print_path(&q, &answer);
	if (status != CLI_DONE)
		return status;
	return answer.reason == KA_REASON_GRANTED ? CLI_DONE : CLI_REFUSED;
}

static const struct cli_option options[] = {
    {"from", "ADDRESS", "as if from this address", false},
    {"at", "TIME", "as if at this time", false},
    {0},
};

const struct cli_verb explain_verbs[] = {
    {"explain", NULL, "PROJECT FINGERPRINT|FILE|-", 2, 2, options, "Would this key get into this project, and why?",
	"keyacct explain 829e7b56 id_ed25519.pub --from 192.0.2.7", CLI_KEEPS_ACCESS, run_explain},
    {0},
};
