#!/usr/bin/env bats
# The PAM module in the real libpam: each script states calls, results, exact log lines and exact words to the user. The
# language is at the top of runner.c. A script's title is the test's name.

setup_file() {
	export PAM_TESTS=$BATS_TEST_DIRNAME
	cd "$BATS_FILE_TMPDIR" || return 1
	make_keys
	make_database
	cp -a /var/lib/keyacct pristine
}

# Everybody's keys, under names that the scripts use: {owner-key}, {owner-blob}, {owner-print}, {owner-file}.
make_keys() {
	local name
	for name in owner student outsider stranger pasted shared; do
		ssh-keygen -q -t ed25519 -N '' -C "$name@laptop" -f $name
	done
	ssh-keygen -q -t rsa -b 2048 -N '' -C rsa@laptop -f rsa
	ssh-keygen -q -t ecdsa -N '' -C ecdsa@laptop -f ecdsa
	token_key
	ssh-keygen -q -s shared -I owner -n owner owner.pub
	for name in owner student outsider stranger pasted shared rsa ecdsa token; do
		echo "$name-key=$(cut -d' ' -f1,2 $name.pub)"
		echo "$name-blob=$(cut -d' ' -f2 $name.pub)"
		echo "$name-print=$(ssh-keygen -lf $name.pub | cut -d' ' -f2)"
		echo "$name-file=$PWD/$name.pub"
	done >variables
	cat >>variables <<END
certificate=$(cut -d' ' -f1,2 owner-cert.pub)
certificate-blob=$(cut -d' ' -f2 owner-cert.pub)
certificate-print=$(cut -d' ' -f2 owner-cert.pub | base64 -d | sha256_print)
zeros-3-print=$(head -c 3 /dev/zero | sha256_print)
zeros-4095-print=$(head -c 4095 /dev/zero | sha256_print)
END
}

sha256_print() { echo "SHA256:$(sha256sum | perl -ne 'print pack("H64", $_)' | base64 | tr -d =)"; }

# A security token's public key, made of an ed25519 one: type, point, application.
token_key() {
	ssh-keygen -q -t ed25519 -N '' -f point
	cut -d' ' -f2 point.pub | perl -MMIME::Base64 -e '
		my $point = substr(decode_base64(<>), -32);
		my $blob = join "", map { pack("N/a*", $_) } "sk-ssh-ed25519\@openssh.com", $point, "ssh:";
		print "sk-ssh-ed25519\@openssh.com ", encode_base64($blob, ""), " token\n"' >token.pub
}

make_database() {
	local project=829e7b5693d611e7ae8ee70cea5e8cd7 other=00d5a3be1f2a4f2f9e0ccf0df7b4f6a1 name
	keyacct init
	for name in owner student outsider; do
		keyacct account add $name
	done
	keyacct project add $project --title 'Climate data' --owner owner
	keyacct project add $other --title Thesis --owner owner
	keyacct member add $project student
	for name in owner student outsider; do
		keyacct key add $name $name.pub
	done
	keyacct key add owner --project $project pasted.pub
	keyacct key add owner shared.pub
	keyacct key add student shared.pub
	cat >>variables <<END
project=$project
project-hyphens=829e7b56-93d6-11e7-ae8e-e70cea5e8cd7
project-uid=$(id -u $project)
other=$other
share=/usr/share/keyacct
spool=/var/lib/keyacct/private/usage.spool
fixture=$KEYACCT_BUILD/tests/pam_fixture
tool=$PAM_TESTS/tool
END
}

# Every test begins with the same database, no sessions and no homes.
setup() {
	rm -rf /var/lib/keyacct /run/keyacct /projects/*
	cp -a "$BATS_FILE_TMPDIR/pristine" /var/lib/keyacct
	mkdir -m 700 /run/keyacct
	cp "$KEYACCT_BUILD/pam_keyacct.so" "$BATS_TEST_TMPDIR/"
	{
		cat "$BATS_FILE_TMPDIR/variables"
		echo "tmp=$BATS_TEST_TMPDIR"
		echo "module=$BATS_TEST_TMPDIR/pam_keyacct.so"
	} >"$BATS_TEST_TMPDIR/variables"
}

teardown() {
	local mounted
	for mounted in $(awk -v tmp="$BATS_TEST_TMPDIR/" 'index($2, tmp) == 1 { print $2 }' /proc/mounts); do
		umount "$mounted"
	done
}

# script NAME: run NAME.script. Descriptor 7 is there to be inherited by what the module starts, if that were possible.
script() {
	[ "$(sed -n 's/^title *//p' "$PAM_TESTS/$1.script")" = "$BATS_TEST_DESCRIPTION" ]
	run_under "$1" env 7</dev/zero
}

# run_under NAME COMMAND...: run NAME.script under COMMAND.
run_under() { "${@:2}" "$KEYACCT_BUILD/tests/pam_runner" "$PAM_TESTS/$1.script" "$BATS_TEST_TMPDIR/variables"; }

@test "A key of an owner opens the project, and its environment says whose it is" { script owner; }
@test "A key of a collaborator opens the project" { script collaborator; }
@test "A key that was pasted for the project opens it" { script project-key; }
@test "A key that two accounts registered is the owner's, and both get the use" { script two-registrations; }
@test "Of two registrations the one that admits counts, and it alone gets the use" { script two-registrations-one-fails; }
@test "As many registrations as there can be, with handles as long as they can be, are all named" { script many-registrations; }
@test "Every type of key is known by its blob" { script key-types; }
@test "A security token's key is known, with and without text after it" { script security-token; }
@test "Through the shipped stack an owner gets in, and gets a home that is hers alone" { script gate-login; }
@test "Through the shipped stack a refusal is the end: no home is made" { script gate-refusal; }
@test "With the module's file missing, the shipped stack lets root in and no project" { script gate-module-missing; }
@test "A key that nobody registered is refused, at debug level" { script unknown-key; }
@test "A key whose account is no member is refused" { script not-member; }
@test "A key that was pasted for one project is refused in another one" { script key-reach; }
@test "A membership ends in the second that it names" { script member-expired; }
@test "A membership begins in the second that it names" { script member-not-yet; }
@test "No key of a suspended account gets in, until it is resumed" { script account-suspended; }
@test "A key that is switched off is refused" { script key-inactive; }
@test "A key is valid from the second that it names" { script key-not-yet; }
@test "A key expires in the second that it names" { script key-expired; }
@test "A key for other hosts is refused on this one" { script key-host; }
@test "A key for some addresses is refused from others" { script key-address; }
@test "A key for some addresses is refused when the address is not known" { script key-address-unknown; }
@test "A key for some addresses is refused in account too when the address is not known" { script key-address-unknown-in-account; }
@test "Of two registrations the one without a limit admits from an unknown address, alone" { script key-address-one-limited; }
@test "Of several registrations that fail, the one that came closest says why" { script closest-reason; }
@test "Who is removed between account and open does not get in" { script removed-in-between; }
@test "A key that is removed is nobody's from the next open on" { script key-removed; }
@test "What is wrong with the project ends a session too, and the log names the key's account" { script open-project-reasons; }
@test "A deleted project has no members, and nobody gets in" { script open-project-deleted; }
@test "A uid that differs between NSS and the database ends a session" { script open-uid-mismatch; }
@test "A project that NSS knows and the database does not is refused, at debug level" { script open-unknown-project; }
@test "Before sshd tells the key, an active project may be entered, and nothing is said or logged" { script account-active; }
@test "An archived project cannot be entered, and the user reads why" { script account-archived; }
@test "A deleted project cannot be entered, and the user reads why" { script account-deleted; }
@test "A project with SSH off cannot be entered, and the user reads why" { script account-ssh-off; }
@test "A job runs while SSH is off, and none of an archived or removed project" { script account-jobs; }
@test "A project whose uid differs between NSS and the database cannot be entered" { script account-uid-mismatch; }
@test "A project that NSS knows and the database does not is no user" { script account-unknown-project; }
@test "A local user whose name looks like a project's is none" { script account-local-user; }
@test "A local user with a project's name does not become the project" { script account-local-twin; }
@test "With PAM_SILENT the user reads nothing, and the log says the same" { script account-silent; }
@test "When sshd tells the key in account already, the key is judged there" { script account-key; }
@test "In account a member's key reads what is wrong with the project, an outsider's does not" { script account-key-project-reason; }
@test "In account a certificate or an unreadable key is refused" { script account-key-unreadable; }
@test "In account other methods alone leave the key for later" { script account-other-methods; }
@test "Users that are no projects are ignored: no file is touched, no argument read, no word said" { script strangers-ignored; }
@test "A registered key makes no project of another name" { script strangers-key; }
@test "A stack with our module alone denies others: an administrator needs one more line" { script strangers-alone; }
@test "Through the shipped stack others get in, even with the database gone" { script strangers-gate; }
@test "Without a user there is nothing to judge" { script no-user; }
@test "Without the database nobody gets in, and the administrator reads why" { script database-missing; }
@test "With a database that cannot be opened nobody gets in" { script database-unreadable; }
@test "A directory, a fifo, a device or a link in the database's place is unreadable, and holds nobody up" { script database-strange; }
@test "With a damaged database nobody gets in, and the log says that it is damaged" { script database-damaged; }
@test "A database that lost its end, or all of it, is damaged" { script database-short; }
@test "One changed letter in a record is noticed" { script database-record-damaged; }
@test "dir= and run= name another database and another registry" { script database-elsewhere; }
@test "A project that NSS does not know is no user, and the administrator reads why" { script nss-unknown; }
@test "When NSS cannot answer nobody gets in" { script nss-unavailable; }
@test "A session without a public key is refused" { script no-key; }
@test "A key that cannot be read is none, however it is broken" { script key-unreadable; }
@test "Very long lines are refused as quickly as short ones" { script key-huge; }
@test "A certificate is no key of ours, although the key in it is registered" { script certificate; }
@test "Of several finished methods the first public key counts" { script several-methods; }
@test "The address comes from SSH_CONNECTION alone, and one that cannot be read is not known" { script address; }
@test "An argument that the module does not know stops the login, and is named" { script unknown-argument; }
@test "The entry of a session is one line that root alone reads" { script session-entry; }
@test "The entry of a session without an address has a hyphen there" { script session-entry-without-address; }
@test "A session is entered before it is decided, so that who revokes finds it" { script session-entered-first; }
@test "Two sessions of one process have two entries, and each closes its own" { script session-two; }
@test "A session that is being ended says so when it closes, in the words of the tool alone" { script session-ended; }
@test "A close without an open does nothing, and a second one neither" { script session-close-alone; }
@test "Opened twice and closed twice, a handle leaves no entry behind" { script session-open-twice; }
@test "A refused open does not take a granted session's entry with it" { script session-refused-after-granted; }
@test "An entry that somebody else removed is no trouble" { script session-entry-gone; }
@test "A registry that cannot be written holds nobody up, and is logged" { script registry-unwritable; }
@test "A file or a link in the registry's place is not used" { script registry-strange; }
@test "A full disk holds nobody up: the entry is missing as a whole, and it is logged" { script registry-full; }
@test "An entry that cannot be removed is logged by its name" { script registry-unremovable; }
@test "A use is recorded with its time and address, in a file that root alone reads" { script use-recorded; }
@test "A directory, a fifo or a link in the spool's place holds nobody up, and is logged" { script spool-strange; }
@test "A spool that cannot be written holds nobody up, and is logged" { script spool-unwritable; }
@test "A full disk costs the use and a log line, never the login" { script spool-full; }
@test "Whoever locks the spool holds nobody up" { script spool-locked; }
@test "With 999 records in the spool nothing is started" { script drain-not-below; }
@test "The thousandth record starts the drain, which nobody waits for" { script drain-started; }
@test "Two registrations that pass the thousandth record together start one drain" { script drain-two-registrations; }
@test "While somebody drains, no second drain is started" { script drain-not-twice; }
@test "A drain that cannot be started holds nobody up" { script drain-tool-missing; }
@test "A drain that hangs holds nobody up" { script drain-hangs; }
@test "The drain starts with a clean process: nothing of sshd's goes along" { script drain-process; }
@test "A thousand logins in one process leave nothing behind" { script rounds; }

@test "valgrind finds nothing in a thousand logins" {
	command -v valgrind >/dev/null || skip "valgrind is not installed"
	nm -D "$KEYACCT_BUILD/pam_keyacct.so" | grep -q __asan && skip "a sanitizer is at work"
	run_under rounds-valgrind valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite,indirect \
		--keep-debuginfo=yes
}

@test "valgrind finds nothing in a login and a refusal" {
	command -v valgrind >/dev/null || skip "valgrind is not installed"
	nm -D "$KEYACCT_BUILD/pam_keyacct.so" | grep -q __asan && skip "a sanitizer is at work"
	# keep-debuginfo: the module is unloaded when leaks are looked for.
	run_under member-expired valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite,indirect \
		--keep-debuginfo=yes
}

@test "every script is run by a test of this file" {
	local file
	for file in "$PAM_TESTS"/*.script; do
		grep -qE "(script $(basename "$file" .script); }\$|run_under $(basename "$file" .script) )" "$PAM_TESTS/scripts.bats"
	done
}
