/*
 * keyacct: find the subcommand and run it.
 */
#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keyacct/cli.h"
#include "keyacct/cutoff.h"

static const struct cli_verb *const nouns[] = {init_verbs, setup_verbs, doctor_verbs, account_verbs, project_verbs,
    member_verbs, group_verbs, key_verbs, explain_verbs, ssh_config_verbs, authorized_keys_verbs, session_verbs,
    who_verbs, sweep_verbs, config_verbs, audit_verbs, import_verbs, export_verbs, backup_verbs, restore_verbs,
    check_verbs, changes_verbs, drain_verbs};

#define NOUNS (sizeof(nouns) / sizeof(nouns[0]))

/* A line for each noun: with all of their arguments the commands would fill more than a screen. */
static void
print_noun_line(const struct cli_verb *verbs, FILE *stream)
{
	(void)fprintf(stream, "  %-15s ", verbs->noun);
	if (verbs->verb == NULL)
		(void)fputs(verbs->help, stream);
	for (const struct cli_verb *v = verbs; v->noun != NULL && v->verb != NULL; v++)
		(void)fprintf(stream, "%s%s", v > verbs ? ", " : "", v->verb);
	(void)fputc('\n', stream);
}

static void
print_overview(FILE *stream)
{
	(void)fputs("usage: keyacct [--dir DIR] [--json] COMMAND ...\n"
		    "Projects as SSH users: who may enter which, with which key.\n\n"
		    "To begin, as root on a host that 'keyacct setup' has put into service:\n"
		    "    keyacct init\n"
		    "    keyacct account add owner\n"
		    "    keyacct project add --title 'Climate data' --owner owner\n"
		    "    keyacct key add owner ~/.ssh/id_ed25519.pub\n"
		    "    ssh PROJECT@HOST             as the last one prints it\n\n"
		    "Commands:\n",
	    stream);
	for (size_t i = 0; i < NOUNS; i++)
		print_noun_line(nouns[i], stream);
	(void)fputs("'keyacct key' shows what can be done with keys, 'keyacct key add --help' the\n"
		    "options of one command, with an example.\n",
	    stream);
}

static void
print_noun(const struct cli_verb *verbs, FILE *stream)
{
	(void)fprintf(stream, "usage:\n");
	for (const struct cli_verb *v = verbs; v->noun != NULL; v++)
		(void)fprintf(stream, "  keyacct %s %s %s\n      %s\n", v->noun, v->verb, v->args, v->help);
	(void)fprintf(stream, "'keyacct %s %s --help' shows the options of one of them.\n", verbs->noun, verbs->verb);
	(void)fprintf(stream, "example: %s\n", verbs->example);
}

/* "rm" and "delete" are remove everywhere, "ls" is list. */
static int
verb_matches(const struct cli_verb *v, const char *word)
{
	if (strcmp(v->verb, word) == 0)
		return 1;
	if (strcmp(v->verb, "list") == 0)
		return strcmp(word, "ls") == 0;
	return strcmp(v->verb, "remove") == 0 && (strcmp(word, "rm") == 0 || strcmp(word, "delete") == 0);
}

static enum cli_status
unknown_command(const struct cli *cli, const char *noun, const char *verb)
{
	struct ka_error err;

	(void)ka_result_fail(&err, KA_INVALID, "there is no command '%s%s%s'; 'keyacct --help' shows them all", noun,
	    verb[0] != '\0' ? " " : "", verb);
	return cli_fail(cli, KA_INVALID, &err);
}

static enum cli_status
run(struct cli *cli, int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";

	for (size_t i = 0; i < NOUNS; i++) {
		const struct cli_verb *v = nouns[i];

		if (strcmp(v->noun, argv[0]) != 0)
			continue;
		for (; v->noun != NULL && v->verb != NULL && !verb_matches(v, word); v++)
			;
		if (v->noun == NULL && (word[0] == '\0' || strcmp(word, "--help") == 0)) {
			print_noun(nouns[i], word[0] == '\0' ? stderr : stdout);
			return word[0] == '\0' ? CLI_USAGE : CLI_DONE;
		}
		if (v->noun == NULL)
			return unknown_command(cli, argv[0], word);
		cli->verb = v;
		argc -= v->verb != NULL ? 2 : 1;
		argv += v->verb != NULL ? 2 : 1;
		if (cli_parse(cli, argc, argv) != CLI_DONE)
			return CLI_USAGE;
		if (cli_value(cli, "help", 0) != NULL) {
			cli_usage(v, stdout);
			return CLI_DONE;
		}
		return v->run(cli);
	}
	return unknown_command(cli, argv[0], "");
}

/* LMDB maps its file: a page that is not there, or leads nowhere, is a signal, and has to be a sentence all the same.
 */
static void
on_bad_page(int signal)
{
	static const char text[] =
	    "keyacct: a page of the database cannot be used: its disk is full, or it is broken; make room, or "
	    "restore it from a backup\n";

	(void)signal;
	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	_exit(CLI_UNAVAIL);
}

/* A descriptor below 3 that is closed would be taken by the database, and what is printed would go into it. */
static void
open_standard_files(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY) != fd)
			_exit(CLI_OTHER);
}

/* Everything that was printed has to have arrived: a full disk behind a redirection is a failure. */
static int
finish(const struct cli *cli, enum cli_status status)
{
	struct ka_error err;

	cutoff_report(cli);
	if (fflush(stdout) == 0 && !ferror(stdout))
		return (int)status;
	if (status == CLI_DONE || status == CLI_REFUSED)
		status = cli_fail(
		    cli, ka_result_fail(&err, KA_FAILED, "the output could not be written: %s", strerror(errno)), &err);
	return (int)status;
}

int
main(int argc, char **argv)
{
	struct cli cli = {.dir = KA_DATADIR};
	const struct rlimit no_core = {0, 0};

	open_standard_files();
	/* For tables: titles are UTF-8, whatever the terminal is said to be. */
	if (setlocale(LC_CTYPE, "") == NULL || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
		(void)setlocale(LC_CTYPE, "C.UTF-8");
	/* Somebody may paste a private key: no dump may keep it. */
	(void)setrlimit(RLIMIT_CORE, &no_core);
	(void)umask(077);
	(void)signal(SIGBUS, on_bad_page);
	(void)signal(SIGSEGV, on_bad_page);
	(void)signal(SIGXFSZ, SIG_IGN); /* then a file size limit is an error that LMDB reports */
	for (argc--, argv++; argc > 0 && argv[0][0] == '-'; argc--, argv++) {
		if (strcmp(argv[0], "--json") == 0) {
			cli.json = true;
		} else if (strcmp(argv[0], "--dir") == 0 && argc > 1) {
			cli.dir = argv[1];
			argc--;
			argv++;
		} else if (strncmp(argv[0], "--dir=", 6) == 0) {
			cli.dir = argv[0] + 6;
		} else if (strcmp(argv[0], "--version") == 0) {
			(void)puts("keyacct " KA_VERSION);
			return finish(&cli, CLI_DONE);
		} else if (strcmp(argv[0], "--help") == 0) {
			print_overview(stdout);
			return finish(&cli, CLI_DONE);
		} else {
			return (int)unknown_command(&cli, argv[0], "");
		}
	}
	if (argc > 1 && strcmp(argv[0], "help") == 0) {
		/* "help key add" is "key add --help". */
		static char help[] = "--help";
		char *words[4] = {argv[1], argc > 2 ? argv[2] : help, help, NULL};

		return finish(&cli, run(&cli, 3, words));
	}
	if (argc == 0 || strcmp(argv[0], "help") == 0) {
		print_overview(argc == 0 ? stderr : stdout);
		return finish(&cli, argc == 0 ? CLI_USAGE : CLI_DONE);
	}
	return finish(&cli, run(&cli, argc, argv));
}
