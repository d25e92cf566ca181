#!/usr/bin/env bats
# needs: sshd
# shellcheck disable=SC2034,SC2154
# keyacct doctor: the walk itself: its lines, its status, and how far it gets when half of the host is missing.
load doctor.bash

setup_file() {
	healthy_host
}

setup() {
	as_before
}

@test "a host that setup has put into service is healthy" {
	ask
	same "" "$(complaints)"
	same 0 "$status"
	[ "$(jq length <<<"$said")" -gt 40 ]
	same '["check","message","remedy","result"]' "$(jq -c '[.[] | keys] | unique | .[0]' <<<"$said")"
	same 1 "$(jq '[.[] | keys] | unique | length' <<<"$said")"
}

@test "each check says one line, in the order of a login" {
	ask
	same "$(jq length <<<"$said")" "$(jq '[.[].check] | unique | length' <<<"$said")"
	same "nsswitch nss-module lookup sshd-config AuthorizedKeysCommand helper database pam-account pam-session project shell home clock" \
		"$(jq -r '.[].check' <<<"$said" | grep -xE 'nsswitch|nss-module|lookup|sshd-config|AuthorizedKeysCommand|helper|database|pam-account|pam-session|project|shell|home|clock' | xargs)"
}

@test "for people: a line for each check, the command under it, and how many there were" {
	rm /etc/cron.d/keyacct
	try 1 keyacct doctor
	has "ok       nsswitch "
	has "warning  sweep  "
	has "mend it: echo '* * * * * root /usr/sbin/keyacct sweep' >/etc/cron.d/keyacct"
	same "47 ok, 1 warning, 0 failures, 0 skipped" "${lines[-1]}"
}

@test "colour on a terminal alone, and never with NO_COLOR" {
	try 0 keyacct doctor
	lacks $'\e['
	run script -qec "TERM=xterm NO_COLOR= keyacct doctor" /dev/null
	has $'\e[32mok'
	run script -qec "TERM=xterm NO_COLOR=1 keyacct doctor" /dev/null
	lacks $'\e['
	run script -qec "TERM=dumb NO_COLOR= keyacct doctor" /dev/null
	lacks $'\e['
}

@test "nothing that a file says reaches the terminal as a control character" {
	printf 'passwd: files \033[2J\ngroup: files\n' >/etc/nsswitch.conf
	printf '123456789012345678901234567890\033m:x:4000:4000::/:/bin/sh\n' >>/etc/passwd
	run keyacct doctor
	lacks $'\e'
	has "has a name of 32 characters"
	# A command without them would be about another name.
	ask
	same null "$(lines local-names remedy)"
	[[ $(lines local-names message) == *"; mend it by hand: the command has characters that cannot be shown" ]]
}

@test "the status is that of the worst line" {
	ask
	same 0 "$status"
	rm /etc/cron.d/keyacct
	ask
	same 1 "$status"
	chmod 666 $database/names.mdb
	ask
	same 5 "$status"
}

@test "without root it does what it can, and says what it left out" {
	run --separate-stderr as_nobody keyacct --json doctor
	said=$output
	same 0 "$status"
	same "skipped" "$(lines sshd-config result)"
	same "only root can look at this" "$(lines UsePAM message)"
	for check in nsswitch nss-module lookup pam-account pam-session pam-module user helper uid-local clock; do
		same ok "$(lines $check result)"
	done
	same 0 "$(jq '[.[] | select(.result == "warning" or .result == "failure")] | length' <<<"$said")"
	try 0 as_nobody keyacct doctor
	has "run this as root to look at everything"
	sed -i 's/ keyacct / /' /etc/nsswitch.conf
	try 5 as_nobody keyacct doctor
	has "no project is a user"
}

@test "one project's login, by its id or the beginning of it" {
	other=$(new_project --owner owner)
	ask "${other:0:8}"
	same "" "$(complaints)"
	[[ $(lines lookup message) == *"$other"* ]]
	ask "$(hyphens "$other" | tr a-f A-F)"
	[[ $(lines project message) == *"$other"* ]]
	refused 3 "there is no project \"deadbeef\"" keyacct doctor deadbeef
	refused 2 "is no project's id" keyacct doctor owner
	refused 2 "one word too many" keyacct doctor "$project" "$other"
}

@test "several projects that begin so" {
	k project add 12345678-0000-4000-8000-000000000001 --owner owner >/dev/null
	k project add 12345678-0000-4000-8000-00000000000a --owner owner >/dev/null
	refused 4 "several projects begin with \"12345678\"" keyacct doctor 12345678
}

@test "without a project it is one that can be entered" {
	k project archive "$project"
	other=$(new_project --owner owner)
	ask
	same "" "$(complaints)"
	[[ $(lines project message) == *"$other"* ]]
}

@test "without any project, what is about one is left out" {
	default_db
	ask
	same "home lookup project shell" "$(complaints)"
	same 0 "$status"
	same skipped "$(lines lookup result)"
}

@test "without a database it walks on, and init mends it" {
	rm -rf $database
	finds "files database helper-reads home lookup nss-module project shell" failure "there is no database: $database is missing"
	remedy database "keyacct init"
	bash -c "$(lines database remedy)"
	ask
	same "home lookup project shell" "$(complaints)"
}

@test "on a bare host it walks to the end" {
	keyacct setup --undo --yes >/dev/null
	rm -rf $database /etc/ssh/sshd_config /etc/nsswitch.conf /etc/pam.d/sshd
	ask
	same 5 "$status"
	same failure "$(lines nsswitch result)"
	same failure "$(lines sshd-config result)"
	same failure "$(lines pam-account result)"
	same ok "$(lines lastlog result)"
}

@test "another database than the installed parts read" {
	k account list >/dev/null
	cp -a $database "$BATS_TEST_TMPDIR/copy"
	run --separate-stderr keyacct --dir "$BATS_TEST_TMPDIR/copy" --json doctor
	said=$output
	same skipped "$(lines lookup result)"
	same warning "$(lines pam-arguments result | head -n 1)"
	[[ $(lines database message) == *"rows read and are whole"* ]]
}

# of_copy NUMBER [ARG]...: doctor about $copy has so many commands of ours to say, and each of them names the copy
of_copy() {
	local number=$1 commands
	shift
	run --separate-stderr keyacct --dir "$copy" --json doctor "$@"
	said=$output
	same 5 "$status"
	commands=$(jq -r '.[].remedy | strings' <<<"$said" | grep -oP '(^|&& )\Kkeyacct .*')
	same "$number" "$(wc -l <<<"$commands")"
	same "" "$(grep -vF "keyacct --dir '$copy' " <<<"$commands")"
}

@test "what mends a copy of the database names the copy, and never the host's own" {
	copy="$BATS_TEST_TMPDIR/a copy"
	k project set "$project" --shell /nowhere 2>/dev/null
	k project archive "$project"
	cp -a $database "$copy"
	as_before
	# Two for PAM, which asks another database, the project and its shell.
	of_copy 4 "$project"
	[[ $(lines project remedy) == *"unarchive $project" ]]
	[[ $(lines shell remedy) == *"--shell /bin/bash" ]]
	keyacct --dir "$copy" project unarchive "$project"
	keyacct --dir "$copy" project set "$project" --ssh off
	of_copy 4 "$project"
	[[ $(lines project remedy) == *"--ssh on" ]]
	keyacct --dir "$copy" project archive "$project"
	keyacct --dir "$copy" project remove "$project"
	of_copy 4 "$project"
	[[ $(lines project remedy) == *"project add --title Climate" ]]
	rm -r "$copy"
	# Two for PAM, and init for each of the directories and files, the rows and the helper.
	of_copy 9
	[[ $(lines helper-reads remedy) == *" init" ]]
	# The host has none either: whoever asks about the copy is not told to make one there.
	rm -r $database
	of_copy 9
	same skipped "$(lines nss-module result)"
}

@test "it changes nothing and takes no lock" {
	before=$(files; find $database /etc/ssh /etc/pam.d /run/keyacct -printf '%p %T@ %m %U\n' | sort)
	strace -f -e trace=flock,fcntl,unlink,rename,renameat2,unlinkat,mkdir,chmod,fchmod,chown -o "$BATS_TEST_TMPDIR/trace" keyacct doctor >/dev/null || true
	same "$before" "$(files; find $database /etc/ssh /etc/pam.d /run/keyacct -printf '%p %T@ %m %U\n' | sort)"
	[ -s "$BATS_TEST_TMPDIR/trace" ]
	run -1 grep -E 'F_SETLK|flock\(|unlink|rename|mkdir|chmod|chown' "$BATS_TEST_TMPDIR/trace"
}
