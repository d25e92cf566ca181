#!/usr/bin/env bats
# needs: sshd
# A part is missing, or the database is damaged: root and local users log in as ever, project users do not, nothing hangs,
# and what can say why says so. names.mdb is in names.bats.

load lib
load broken

setup_file() {
	load lib
	load broken
	make_whole
}

teardown() { make_whole_again; }

@test "nothing is broken: a project user gets in, so what follows refuses for its own reason" {
	enters owner $P
	everyone_else_gets_in
	read -r type key _ <"$D/owner.pub"
	run setpriv --reuid keyacct --regid keyacct --clear-groups $HELPER $P "$(fingerprint owner)" "$type" "$key"
	[ "$output" = "restrict,pty,agent-forwarding $type $key" ]
	[ "$(ask_nss $P)" = $P ]
}

# Parts

@test "pam_keyacct.so is missing" {
	rm "$PAM"
	holds "PAM unable to dlopen(pam_keyacct.so)"
	[[ $output == *"$P by PAM account configuration"* ]]
}

@test "the gate in front of pam_keyacct.so is missing: who may come in comes in, and a closed project stays closed" {
	gate=${PAM%/*}/pam_succeed_if.so
	mv "$gate" "$gate.away"
	everyone_else_gets_in
	enters owner $P
	keyacct project archive $P
	no_project_gets_in
	mv "$gate.away" "$gate"
}

@test "a limit on file sizes that sshd inherited ends no session" {
	# Longer than the limit of 1,024 bytes, so that the next record would cross it.
	keyacct drain
	head -c 2048 /dev/zero >$DB/private/usage.spool
	chmod 600 $DB/private/usage.spool
	(ulimit -S -f 1; exec /usr/sbin/sshd -p 2223 -o PidFile=/run/limited.pid)
	wait_until test -s /run/limited.pid
	log_mark
	run login owner $P -p 2223 echo ran
	kill "$(cat /run/limited.pid)"
	[[ $output == *ran* ]]
	[[ $(log_since) == *"cannot record the use of the key"*"File too large"* ]]
}

@test "pam_keyacct.so is no library" {
	echo nonsense >"$PAM"
	holds "PAM unable to dlopen(pam_keyacct.so)"
}

@test "keyacct-keys is missing" {
	rm $HELPER
	holds "Could not stat AuthorizedKeysCommand \"$HELPER\""
}

@test "keyacct-keys is not executable" {
	chmod 644 $HELPER
	holds "$HELPER"
}

@test "keyacct-keys ends by a signal after it has printed its line" {
	cp $HELPER /usr/libexec/keyacct-keys.real
	printf '#!/bin/sh\n/usr/libexec/keyacct-keys.real "$@"\nkill -SEGV $$\n' >$HELPER
	run setpriv --reuid keyacct --regid keyacct --clear-groups $HELPER $P "$(fingerprint owner)" $(cut -d' ' -f1,2 "$D/owner.pub")
	[[ $output == restrict* ]]
	holds "$HELPER"
}

@test "libnss_keyacct.so.2 is missing" {
	rm "$NSS"
	holds "Invalid user $P"
	# And again with root's own programs.
	id root
	[ "$(getent passwd root | cut -d: -f1)" = root ]
}

@test "nsswitch.conf does not name keyacct" {
	sed -i 's/ keyacct//' /etc/nsswitch.conf
	holds "Invalid user $P"
}

@test "our lines are taken out of PAM's file by hand: root and local users get in as before" {
	for taken in 's/^account required   pam_keyacct.*//' '/pam_keyacct/d' '/keyacct/d' '/pam_succeed_if/d'; do
		cp "$D/parts/sshd" /etc/pam.d/sshd
		sed -i "$taken" /etc/pam.d/sshd
		everyone_else_gets_in
	done
}

@test "the PAM lines without the module's session line: refused nowhere else, so the key is what counts" {
	# The account phase and the helper stay: an outsider is still no member.
	sed -i '/^session requisite  pam_keyacct/d; /^session \[success=ignore default=2\]/s/default=2/default=1/' /etc/pam.d/sshd
	denied outsider $P
}

# access.mdb

# access_broken HOW WHAT: everything that holds when access.mdb is broken like this; WHAT the log calls it
access_broken() {
	break_file $DB/private/access.mdb "$1"
	holds "keyacct-keys["
	[[ $output == *"undecided project=$P: $DB/private/access.mdb is $2"* ]]
	the_helper_is_silent
	the_tool_ends_with_5 project list
	the_tool_ends_with_5 member add $P outsider
	# Its name goes on: it is in the other file.
	[ "$(ask_nss $P)" = $P ]
}

@test "access.mdb is missing" { access_broken missing "missing or unreadable"; }
@test "access.mdb is empty" { access_broken empty damaged; }
@test "access.mdb is truncated" { access_broken truncated damaged; }
@test "access.mdb is cut within a page" {
	break_file $DB/private/access.mdb "cut in a page"
	# What was cut may be a page that nobody reads; then all goes on. Nothing may hang or crash.
	everyone_else_gets_in
	run login stranger $P true
	[ "$status" -eq 255 ]
	run timeout 10 keyacct project list
	[ "$status" -eq 5 ] || [ "$status" -eq 0 ]
}
@test "access.mdb is random bytes" { access_broken random damaged; }
@test "access.mdb is zeros" { access_broken zeros damaged; }
@test "access.mdb has zeros after its first pages" { access_broken "zeroed after its first pages" damaged; }
@test "access.mdb is a directory" { access_broken directory "missing or unreadable"; }
@test "access.mdb is a fifo" { access_broken fifo "missing or unreadable"; }
@test "access.mdb is a link to itself" { access_broken "link to itself" "missing or unreadable"; }

@test "access.mdb is another user's" { access_broken "another user's" "not root's alone to write"; }
@test "access.mdb can be written by others" { access_broken "writable by others" "not root's alone to write"; }
@test "access.mdb is a link to a good one" { access_broken "another file's link" "missing or unreadable"; }

@test "access.mdb is unreadable for the helper" {
	break_file $DB/private/access.mdb unreadable
	holds "undecided project=$P: $DB/private/access.mdb is missing or unreadable"
	the_helper_is_silent
	# Root's tool may read what it likes.
	keyacct project list
}

@test "access.mdb of before is put back alone: who was taken out since does not come in" {
	keyacct member add "$P" student
	cp -a $DB/private/access.mdb "$D/before.mdb"
	keyacct member remove "$P" student
	cp -a "$D/before.mdb" $DB/private/access.mdb
	log_mark
	run login student "$P" 'echo ran'
	[ "$status" -eq 255 ]
	[[ $output != *ran* ]]
	[[ $(log_since) == *"undecided project=$P: $DB/private/access.mdb is older than names.mdb"* ]]
	holds "undecided project=$P: $DB/private/access.mdb is older than names.mdb"
	the_tool_ends_with_5 explain "$P" "$(fingerprint student)"
	[[ $stderr == *"older than names.mdb"* ]]
	the_tool_ends_with_5 member add "$P" outsider
}

@test "private/ is missing" {
	rm -rf $DB/private
	holds "undecided project=$P: $DB/private/access.mdb is missing or unreadable"
	the_helper_is_silent
	the_tool_ends_with_5 project list
}

@test "the whole database is missing" {
	rm -rf $DB
	holds "Invalid user $P"
	the_helper_is_silent
	the_tool_ends_with_5 project list
	[[ ${stderr_lines[0]} == *"keyacct init"* ]]
}

@test "one byte of any record changed: refused, and said" {
	# The record of the project itself, wherever it lies: its title stands in it.
	T=$(new_project owner --title 'a title to be found')
	enters owner $T
	at=$(grep -abo 'a title to be found' $DB/private/access.mdb | head -n 1 | cut -d: -f1)
	# Every copy in the file, those of older snapshots too.
	sed -i 's/a title to be found/a title to be fouNd/g' $DB/private/access.mdb
	[ -n "$at" ]
	log_mark
	run login owner $T echo ran
	[ "$status" -eq 255 ]
	[[ $output != *ran* ]]
	[[ $(log_since) == *"undecided project=$T: $DB/private/access.mdb is damaged"* ]]
}

UNAVAILABLE="This project cannot be entered right now: its access records are unavailable. Please tell the administrator."

@test "access.mdb goes away between the key check and the account phase: refused with a sentence" {
	meanwhile account "mv $DB/private/access.mdb $DB/private/away"
	log_mark
	reads owner $P "$UNAVAILABLE"
	[[ $(log_since) == *"pam_keyacct(sshd:account): undecided project=$P: $DB/private/access.mdb is missing or unreadable"* ]]
}

@test "access.mdb goes away between the account phase and the session: nothing runs, and no entry stays" {
	meanwhile session "mv $DB/private/access.mdb $DB/private/away"
	log_mark
	run login owner $P echo ran
	[ "$status" -eq 254 ]
	[ -z "$output" ]
	wait_until no_entries
	[[ $(log_since) == *"pam_keyacct(sshd:session): undecided project=$P: $DB/private/access.mdb is missing or unreadable"* ]]
}

# How often the project was used.
count() { keyacct --json project show $P | sed -n 's/^ *"count": \([0-9]*\).*/\1/p'; }

@test "usage.mdb is damaged: logins go on, and what they note is not lost" {
	before=$(count)
	mv $DB/private/usage.mdb $DB/private/away
	head -c 65536 /dev/urandom >$DB/private/usage.mdb
	enters owner $P
	the_tool_ends_with_5 key list
	mv $DB/private/away $DB/private/usage.mdb
	[ "$(count)" -eq $((before + 1)) ]
}

@test "usage.mdb is missing: logins go on, and the counts begin anew" {
	keyacct drain
	rm $DB/private/usage.mdb
	enters owner $P
	[ "$(count)" -eq 1 ]
	[ "$(stat -c %a $DB/private/usage.mdb)" = 600 ]
}
