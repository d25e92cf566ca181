#!/usr/bin/env bats
# needs: sshd
# Live sessions: an entry for as long as one lasts, and the decision that is taken again when it opens.

load lib

setup_file() {
	load lib
	make_people
	export P=$(new_project owner)
	keyacct member add "$P" student
}

# The sessions of the test before may still be closing.
setup() { wait_until no_entries; }

teardown() {
	meanwhile_over
	if mountpoint -q /run/keyacct; then umount /run/keyacct; fi
	# shellcheck disable=SC2174 # /run is there
	mkdir -p -m 700 /run/keyacct
}

@test "an open session has one entry, which root alone may read, until it ends" {
	hold owner $P
	one_entry
	[ "$(stat -c '%a %U %G' $SESSIONS)" = "700 root root" ]
	[ "$(stat -c '%a %U %G' $SESSIONS/*)" = "600 root root" ]
	run cat $SESSIONS/*
	[[ $output =~ ^project=$P\ fingerprint=SHA256:[A-Za-z0-9/+]{43}\ address=127\.0\.0\.1\ pid=([0-9]+)\ start=([0-9]+)\ since=([0-9]+)\ account=[0-9a-f-]{36}\ handle=owner\ role=owner$ ]]
	[[ $output == *"fingerprint=$(fingerprint owner) "* ]]
	pid=${BASH_REMATCH[1]} start=${BASH_REMATCH[2]} since=${BASH_REMATCH[3]}
	# The process that PAM runs in: sshd as root, started when the entry says.
	[ "$(cat /proc/$pid/comm)" = sshd ]
	[ "$(stat -c %U /proc/$pid)" = root ]
	[ "$(sed 's/.*) //' /proc/$pid/stat | cut -d' ' -f20)" = $start ]
	[ $((EPOCHSECONDS - since)) -le 20 ]
	let_go
	wait_until no_entries
}

@test "two sessions have two entries, and each takes its own away" {
	hold owner $P
	first=$held
	one_entry
	mine=$(ls $SESSIONS)
	login student $P true
	one_more_is_gone() { [ "$(ls $SESSIONS)" = "$mine" ]; }
	wait_until one_more_is_gone
	let_go
	wait_until no_entries
}

@test "a connection without a command is a session too" {
	new_key silent
	keyacct key add owner "$D/silent.pub"
	timeout 20 ssh -F "$D/config" -i "$D/silent" -N -M -S "$D/ctl-n" $P@projects </dev/null >/dev/null 2>&1 3>&- &
	pid=$!
	wait_until one_entry
	[[ $(cat $SESSIONS/*) == *"fingerprint=$(fingerprint silent) "* ]]
	wait_until test -S "$D/ctl-n"
	[ "$(used silent owner)" -eq 1 ]
	ssh -F "$D/config" -S "$D/ctl-n" -O exit projects
	wait $pid || true
	wait_until no_entries
}

@test "a client that is killed leaves no entry" {
	hold owner $P
	one_entry
	client=$(pgrep -P $held ssh)
	kill -KILL "$client"
	exec 9>&-
	wait $held || true
	wait_until no_entries
}

@test "the registry's directories are made when they are missing" {
	rm -rf /run/keyacct
	hold owner $P
	[ "$(stat -c '%a %U' /run/keyacct)" = "700 root" ]
	[ "$(stat -c '%a %U' $SESSIONS)" = "700 root" ]
	one_entry
	let_go
	wait_until no_entries
}

@test "/run is full: the login goes on, and the log says that it is not in the registry" {
	mount -t tmpfs -o size=4k,mode=700 tmpfs /run/keyacct
	mkdir -m 700 $SESSIONS
	head -c 4096 /dev/zero >/run/keyacct/filler
	log_mark
	run login owner $P whoami
	[ "$status" -eq 0 ]
	[ "$output" = $P ]
	run log_since
	[[ $output == *"pam_keyacct(sshd:session): cannot enter the session into /run/keyacct/sessions: No space left on device"* ]]
	[[ $output == *" granted project=$P "* ]]
	# Nothing half-written stays.
	no_entries
	rm /run/keyacct/filler
	hold owner $P
	one_entry
	let_go
	wait_until no_entries
}

@test "the registry cannot be written: the same" {
	mount -t tmpfs -o ro,mode=700 tmpfs /run/keyacct
	log_mark
	enters owner $P
	[[ $(log_since) == *"cannot enter the session into /run/keyacct/sessions: Read-only file system"* ]]
}

# Between the key check and the session

@test "access that is taken away after the key check is refused when the session opens" {
	Q=$(new_project owner)
	keyacct member add $Q student
	before=$(used student student)
	log_mark
	meanwhile session "keyacct member remove $Q student; ls -A $SESSIONS >$D/entries"
	run login student $Q 'echo ran; touch /tmp/revoked-ran'
	meanwhile_over
	# sshd took the key, and only then was the member removed.
	[ -e "$D/meanwhile.ran" ]
	[ "$status" -eq 254 ]
	[ -z "$output" ]
	[ ! -e /tmp/revoked-ran ]
	[ ! -e "/projects/$(hyphened $Q)" ]
	no_entries
	[ "$(used student student)" -eq $before ]
	run log_since
	[[ $output == *"Accepted publickey for $Q from 127.0.0.1"* ]]
	[[ $output =~ "<85>"$STAMP\ sshd\[[0-9]+\]:\ pam_keyacct\(sshd:session\):\ refused\ project=$Q\ account=student\ fingerprint=$(fingerprint student | sed 's/[+]/[+]/g')\ address=127\.0\.0\.1\ reason=not-member ]]
	refute grep -q ' granted ' <<<"$output"
}

@test "such a connection stays without a session, and gets nothing done" {
	Q=$(new_project owner)
	keyacct member add $Q student
	meanwhile session "keyacct member remove $Q student"
	timeout 20 ssh -F "$D/config" -i "$D/student" -A -N -M -S "$D/ctl-r" $Q@projects </dev/null >/dev/null 2>&1 3>&- &
	pid=$!
	wait_until test -S "$D/ctl-r"
	meanwhile_over
	run timeout 20 ssh -F "$D/config" -S "$D/ctl-r" $Q@projects 'echo ran'
	[ "$status" -eq 254 ]
	[ -z "$output" ]
	run timeout 20 ssh -F "$D/config" -S "$D/ctl-r" -O forward -R 7200:127.0.0.1:22 projects
	[ "$status" -ne 0 ]
	no_entries
	ssh -F "$D/config" -S "$D/ctl-r" -O exit projects
	wait $pid || true
}

@test "a project archived, a key removed, an account suspended after the key check: refused when the session opens" {
	Q=$(new_project owner)
	new_key later
	keyacct key add owner "$D/later.pub"
	for case in "project archive $Q:project unarchive $Q:project-archived" \
		"project set $Q --ssh off:project set $Q --ssh on:ssh-off" \
		"account suspend owner:account resume owner:account-suspended" \
		"key remove $(fingerprint later):key add owner $D/later.pub:unknown-key"; do
		IFS=: read -r change back reason <<<"${case//SHA256:/SHA256=}"
		log_mark
		meanwhile session "keyacct ${change//SHA256=/SHA256:}"
		run login later $Q echo ran
		meanwhile_over
		[ "$status" -eq 254 ]
		[ -z "$output" ]
		no_entries
		[[ $(log_since) == *"pam_keyacct(sshd:session): refused project=$Q "*" reason=$reason"* ]]
		# shellcheck disable=SC2086
		keyacct $back
	done
	enters later $Q
}

@test "a project archived between the key check and the account phase: refused with its sentence" {
	Q=$(new_project owner)
	meanwhile account "keyacct project archive $Q"
	run login owner $Q echo ran
	meanwhile_over
	[ -e "$D/meanwhile.ran" ]
	[ "$status" -eq 255 ]
	[[ $output == "This project is archived. "*"Connection closed by "* ]]
	[[ $output != *ran* ]]
}

@test "a session that a later module refuses leaves no entry" {
	# pam_mkhomedir comes after us; sshd then closes no session, because it opened none.
	Q=$(new_project owner --home /proc/no-such-home)
	run login owner $Q echo ran
	[ "$status" -eq 254 ]
	refute grep -q '^ran' <<<"$output"
	wait_until no_entries
}
