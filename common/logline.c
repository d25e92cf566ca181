#include "common/logline.h"

#include <stdio.h>
#include <string.h>
#include <syslog.h>

static void
format_key(const struct ka_access_question *q, char text[static KA_SHA256_TEXT_LEN])
{
	static const uint8_t unknown[KA_SHA256_LEN];

	if (memcmp(q->sha256, unknown, sizeof(unknown)) == 0)
		(void)snprintf(text, KA_SHA256_TEXT_LEN, "-");
	else
		ka_fingerprint_format(q->sha256, text);
}

/* Whom a refusal is about: the registration that came closest. Those that would have admitted come first. */
static const char *
refused_account(const struct ka_access_answer *answer)
{
	const struct ka_access_registration *closest = answer->registration;

	if (answer->registrations == 0)
		return "-";
	for (size_t i = 1; answer->admitting == 0 && i < answer->registrations; i++)
		if (answer->registration[i].reason > closest->reason)
			closest = &answer->registration[i];
	return closest->account.handle;
}

void
ka_logline(const struct ka_access_question *q, const struct ka_access_answer *answer, char line[static KA_LOGLINE_LEN])
{
	char project[KA_UUID_NAME_LEN], key[KA_SHA256_TEXT_LEN], address[KA_ADDRESS_TEXT_LEN] = "-";
	size_t at;

	ka_uuid_name(q->project, project);
	format_key(q, key);
	if (q->address_known)
		ka_address_format(q->address, address);
	if (answer->reason != KA_REASON_GRANTED) {
		(void)snprintf(line, KA_LOGLINE_LEN,
		    "refused project=%s account=%s fingerprint=%s address=%s reason=%s", project,
		    refused_account(answer), key, address, ka_access_reason_name(answer->reason));
		return;
	}
	at = (size_t)snprintf(line, KA_LOGLINE_LEN,
	    "granted project=%s account=%s role=%s fingerprint=%s address=%s registrations=", project,
	    answer->admitting > 0 ? answer->registration[0].account.handle : "-",
	    answer->admitting > 0 ? ka_access_role_name(answer->registration[0].role) : "-", key, address);
	/* 32 handles of 64 characters and the rest fit; the check is for whoever raises one of the two. */
	for (size_t i = 0; i < answer->admitting && at < KA_LOGLINE_LEN; i++)
		at += (size_t)snprintf(
		    line + at, KA_LOGLINE_LEN - at, "%s%s", i > 0 ? "," : "", answer->registration[i].account.handle);
}

void
ka_logline_ended(const struct ka_access_question *q, const char *handle, const char *session, const char *reason,
    const char *by, char line[static KA_LOGLINE_LEN])
{
	char project[KA_UUID_NAME_LEN], key[KA_SHA256_TEXT_LEN], address[KA_ADDRESS_TEXT_LEN] = "-";

	ka_uuid_name(q->project, project);
	format_key(q, key);
	if (q->address_known)
		ka_address_format(q->address, address);
	(void)snprintf(line, KA_LOGLINE_LEN,
	    "ended project=%s account=%s fingerprint=%s address=%s session=%s reason=%s by=%s", project,
	    handle[0] != '\0' ? handle : "-", key, address, session, reason, by);
}

int
ka_logline_priority(enum ka_reason reason)
{
	if (reason == KA_REASON_GRANTED)
		return LOG_INFO;
	return reason == KA_REASON_UNKNOWN_PROJECT || reason == KA_REASON_UNKNOWN_KEY ? LOG_DEBUG : LOG_NOTICE;
}

const char *
ka_logline_trouble(enum ka_result r)
{
	if (r == KA_CORRUPT)
		return "damaged";
	if (r == KA_INVALID)
		return "not root's alone to write, so it may say anything";
	if (r == KA_BUSY)
		return "changing too fast to be read";
	if (r == KA_CONFLICT)
		return "older than names.mdb (was it put back alone? 'keyacct restore' brings them together)";
	return "missing or unreadable";
}

void
ka_logline_undecided(const struct ka_access_question *q, const struct ka_access_answer *answer, const char *dir,
    enum ka_result r, char line[static KA_LOGLINE_LEN])
{
	char project[KA_UUID_NAME_LEN];

	ka_uuid_name(q->project, project);
	(void)snprintf(line, KA_LOGLINE_LEN, "undecided project=%s: %s/%s is %s", project, dir,
	    ka_table_file_name(answer->file), ka_logline_trouble(r));
}
