#!/usr/bin/env bats
# needs: sshd
# What a login leaves behind: the last use, and a line in the log.

load lib

setup_file() {
	load lib
	make_people
	make_local
	export P=$(new_project owner)
	keyacct member add "$P" student
	# Twenty clients at once: sshd would turn some of them away at random.
	sshd_with "MaxStartups 100"
}

teardown() {
	if mountpoint -q $DB/private/usage.spool; then umount $DB/private/usage.spool; fi
}

# Last use

@test "each login counts once, with its time, project and address" {
	new_key counted
	keyacct key add owner "$D/counted.pub"
	Q=$(new_project owner)
	[ "$(used counted owner)" -eq 0 ]
	for n in 1 2 3; do
		login counted $P true
		[ "$(used counted owner)" -eq $n ]
	done
	before=$(date -u +%FT%TZ)
	login counted $Q -o BindAddress=127.0.0.5 true
	after=$(date -u +%FT%TZ)
	[ "$(used counted owner)" -eq 4 ]
	[ "$(last_use counted owner project)" = "$(hyphened $Q)" ]
	[ "$(last_use counted owner from)" = 127.0.0.5 ]
	at=$(last_use counted owner at)
	[[ ! $at < $before && ! $at > $after ]]
	# The project's own.
	[ "$(keyacct --json project show $Q | sed -n 's/^ *"count": //p')" -eq 1 ]
}

@test "a failing command and a session without one count as uses" {
	new_key failing
	keyacct key add owner "$D/failing.pub"
	run login failing $P false
	[ "$status" -eq 1 ]
	[ "$(used failing owner)" -eq 1 ]
	login failing $P -tt exit
	[ "$(used failing owner)" -eq 2 ]
}

@test "twenty logins at once count twenty times" {
	new_key crowd
	keyacct key add owner "$D/crowd.pub"
	login crowd $P true
	pids=()
	for ((i = 0; i < 20; i++)); do
		login crowd $P true 3>&- &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait $pid; done
	[ "$(used crowd owner)" -eq 21 ]
	wait_until no_entries
}

@test "a probe counts nothing: a key that is offered and never used to sign" {
	new_key probe
	keyacct key add owner "$D/probe.pub"
	mkdir -p "$D/public-half"
	cp "$D/probe.pub" "$D/public-half/"
	log_mark
	run login public-half/probe.pub $P -v true
	[ "$status" -eq 255 ]
	[[ $output == *"Server accepts key: "* ]]
	[[ $output == *"$P@projects: $DENIED"* ]]
	[ "$(used probe owner)" -eq 0 ]
	wait_until no_entries
	refute grep -q keyacct <<<"$(log_since)"
	# The same key with its private half.
	login probe $P true
	[ "$(used probe owner)" -eq 1 ]
}

@test "a refused login counts nothing" {
	before=$(used outsider outsider)
	denied outsider $P
	Q=$(new_project outsider)
	keyacct project archive $Q
	run login outsider $Q true
	[ "$status" -eq 255 ]
	keyacct project unarchive $Q
	keyacct account suspend outsider
	denied outsider $Q
	keyacct account resume outsider
	[ "$(used outsider outsider)" -eq $before ]
	login outsider $Q true
	[ "$(used outsider outsider)" -eq $((before + 1)) ]
}

@test "of three keys that a client offers, the one that gets in counts" {
	new_key third
	keyacct key add student "$D/third.pub"
	log_mark
	before=$(used outsider outsider)
	run login stranger $P -i "$D/outsider" -i "$D/third" whoami
	[ "$output" = $P ]
	[ "$(used third student)" -eq 1 ]
	[ "$(used outsider outsider)" -eq $before ]
	run log_since
	[ "$(grep -c ' granted ' <<<"$output")" -eq 1 ]
	[ "$(grep -c 'reason=not-member' <<<"$output")" -eq 1 ]
	[ "$(grep -c 'reason=unknown-key' <<<"$output")" -eq 1 ]
}

@test "commands that share one connection count once, and are one session" {
	new_key shared
	keyacct key add owner "$D/shared.pub"
	log_mark
	hold shared $P -M -S "$D/ctl"
	for n in 1 2 3; do
		run timeout 20 ssh -F "$D/config" -S "$D/ctl" $P@projects 'echo $KEYACCT_KEY'
		[ "$output" = "$(fingerprint shared)" ]
	done
	one_entry
	let_go
	wait_until no_entries
	[ "$(used shared owner)" -eq 1 ]
	[ "$(log_since | grep -c ' granted ')" -eq 1 ]
}

# The log

# one_line TEXT: what was logged since log_mark has one line of ours, and it is like this
one_line() {
	local ours
	ours=$(log_since | grep -E 'keyacct')
	if [[ ! $ours =~ ^$1$ ]]; then
		printf 'expected: %s\nlogged:   %s\n' "$1" "$ours" >&2
		return 1
	fi
}

@test "a login leaves one line, at priority info of authpriv" {
	log_mark
	login student $P true
	one_line "<86>$STAMP sshd\[[0-9]+\]: pam_keyacct\(sshd:session\): granted project=$P account=student\
 role=collaborator fingerprint=$(fingerprint student | sed 's/[+]/[+]/g') address=127\.0\.0\.1 registrations=student"
}

@test "a refused key leaves one line with the reason, at priority notice" {
	log_mark
	denied outsider $P
	one_line "<85>$STAMP keyacct-keys\[[0-9]+\]: refused project=$P account=outsider\
 fingerprint=$(fingerprint outsider | sed 's/[+]/[+]/g') address=- reason=not-member"
}

@test "every reason of a key stands in the log by its name" {
	Q=$(new_project owner)
	reason() {
		log_mark
		denied "$1" $Q
		[[ $(log_since) == *"refused project=$Q account=$2 fingerprint=$(fingerprint "$1") address=- reason=$3"$'\n'* ]]
	}
	for key in reach expired early; do new_key $key; done
	keyacct key add owner --project $P "$D/reach.pub"
	keyacct key add owner --expires +1s "$D/expired.pub"
	keyacct key add owner --not-before +1d "$D/early.pub"
	keyacct member add $Q student --expires +1s
	let_pass 1
	reason student student member-expired
	keyacct member remove $Q student
	reason reach owner key-reach
	reason expired owner key-expired
	reason early owner key-not-yet
	reason student student not-member
	keyacct member add $Q student --not-before +1d
	reason student student member-not-yet
	keyacct member add $Q student --not-before never
	keyacct account suspend student
	reason student student account-suspended
	keyacct account resume student
}

@test "a closed project leaves a line that names whom it refused for each look at the key, and PAM's, all at notice" {
	Q=$(new_project owner)
	keyacct project archive $Q
	log_mark
	run login owner $Q true
	run log_since
	ours=$(grep keyacct <<<"$output")
	[ "$(wc -l <<<"$ours")" -eq 3 ]
	[ "$(grep -cE "^<85>$STAMP keyacct-keys\[[0-9]+\]: refused project=$Q account=owner\
 fingerprint=$(fingerprint owner | sed 's/[+]/[+]/g') address=- reason=project-archived$" <<<"$ours")" -eq 2 ]
	[ "$(grep -cE "^<85>$STAMP sshd\[[0-9]+\]: pam_keyacct\(sshd:account\): refused project=$Q account=-\
 fingerprint=- address=127\.0\.0\.1 reason=project-archived$" <<<"$ours")" -eq 1 ]
}

@test "a key that nobody knows is logged for debugging only" {
	log_mark
	denied stranger $P
	one_line "<87>$STAMP keyacct-keys\[[0-9]+\]: refused project=$P account=-\
 fingerprint=$(fingerprint stranger | sed 's/[+]/[+]/g') address=- reason=unknown-key"
}

@test "a name that is no project leaves nothing of ours in the log" {
	log_mark
	denied owner 0123456789abcdef0123456789abcdef
	run log_since
	refute grep -q keyacct <<<"$output"
	[[ $output == *"Invalid user 0123456789abcdef0123456789abcdef"* ]]
}

# Where it cannot be recorded

# spool_trouble TEXT: the login goes on, and the log says why nothing was recorded
spool_trouble() {
	log_mark
	enters owner $P
	[[ $(log_since) == *"pam_keyacct(sshd:session): cannot record the use of the key in $DB/private/usage.spool: $1"* ]]
}

@test "the spool's disk is full: the login goes on, and the log says so" {
	before=$(used owner owner)
	mkdir -p "$D/full"
	mount -t tmpfs -o size=4k tmpfs "$D/full"
	head -c 4096 /dev/zero >"$D/full/spool"
	: >>$DB/private/usage.spool
	mount --bind "$D/full/spool" $DB/private/usage.spool
	spool_trouble "No space left on device"
	umount $DB/private/usage.spool
	umount "$D/full"
	[ "$(used owner owner)" -eq $before ]
	login owner $P true
	[ "$(used owner owner)" -eq $((before + 1)) ]
}

@test "the spool is something else: the login goes on and waits for nobody" {
	before=$(used owner owner)
	rm -f $DB/private/usage.spool
	mkdir $DB/private/usage.spool
	spool_trouble "Is a directory"
	rmdir $DB/private/usage.spool
	ln -s /etc/passwd $DB/private/usage.spool
	spool_trouble "Too many levels of symbolic links"
	rm $DB/private/usage.spool
	mkfifo $DB/private/usage.spool
	spool_trouble ""
	rm $DB/private/usage.spool
	[ "$(used owner owner)" -eq $before ]
}

@test "the spool is held by somebody who does not let go: the login goes on" {
	login owner $P true
	exec 8<$DB/private/usage.spool
	flock -x 8
	log_mark
	enters owner $P
	exec 8<&-
	[[ $(log_since) == *"cannot record the use of the key in $DB/private/usage.spool: "* ]]
}
