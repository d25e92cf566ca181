#include "keyacct/admitted.h"

#include <string.h>
#include <unistd.h>

#include "common/catalog.h"
#include "common/time.h"

struct asking {
	const struct cli *cli;
	struct ka_store *store;
	enum ka_result (*each)(
	    struct ka_store *, const struct ka_access_answer *, const struct ka_access_registration *, void *);
	void *arg;
	struct ka_access_question question;
};

/* One registration, if the decision lets it into the project. */
static enum ka_result
ask_key(struct asking *a, const struct ka_key *key)
{
	static struct ka_access_answer answer;
	enum ka_result r;

	memcpy(a->question.sha256, key->sha256, KA_SHA256_LEN);
	if ((r = ka_access_ask(a->cli->dir, &a->question, &answer)) != KA_OK || answer.reason != KA_REASON_GRANTED)
		return r;
	for (size_t i = 0; i < answer.admitting; i++)
		if (memcmp(answer.registration[i].key.account, key->account, KA_UUID_LEN) == 0)
			return a->each(a->store, &answer, &answer.registration[i], a->arg);
	return KA_OK;
}

static enum ka_result
ask_account(struct asking *a, const struct ka_account *account)
{
	struct ka_row row = {.keylen = 0};
	struct ka_key key;
	enum ka_result r;

	while ((r = ka_catalog_next_key_of(a->store, account->id, &row, &key)) == KA_OK)
		if ((r = ask_key(a, &key)) != KA_OK)
			return r;
	return r == KA_NOTFOUND ? KA_OK : r;
}

enum ka_result
admitted_each(const struct cli *cli, struct ka_store *store, const struct ka_project *project,
    enum ka_result (*each)(
	struct ka_store *, const struct ka_access_answer *, const struct ka_access_registration *, void *),
    void *arg)
{
	static char host[256];
	struct asking a = {.cli = cli, .store = store, .each = each, .arg = arg};
	struct ka_row row = {.keylen = 0};
	struct ka_account account;
	enum ka_result r;

	(void)gethostname(host, sizeof(host) - 1);
	a.question = (struct ka_access_question){.at_s = ka_time_now(), .host = host, .address_to_sshd = true};
	memcpy(a.question.project, project->id, KA_UUID_LEN);
	/* By account and not by membership: an account counts once, however many of its groups are members. */
	while ((r = ka_catalog_next_account(store, &row, &account)) == KA_OK) {
		if ((r = ka_catalog_is_member(store, project->id, account.id)) == KA_NOTFOUND)
			continue;
		if (r != KA_OK || (r = ask_account(&a, &account)) != KA_OK)
			return r;
	}
	return r == KA_NOTFOUND ? KA_OK : r;
}
