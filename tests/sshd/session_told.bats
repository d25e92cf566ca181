#!/usr/bin/env bats
# needs: sshd
# What is said when a session ends: on its terminals, in the log, and in the session's own record.

load lib
load sessions

setup_file() {
	load lib
	make_people
	export P=$(new_project owner)
	keyacct member add "$P" student
	login owner "$P" true
}

setup() {
	wait_until no_entries
	keyacct config set grace-text "$TEXT"
}
teardown() {
	keyacct config reset grace-text
	end_everything
}

TEXT='Your access to this project ends — please write to the owner.'

# on_terminal NAME KEY: a shell on a terminal that has answered
on_terminal() {
	connect $1 $2 $P -tt 'echo ready; exec sh'
	wait_until says $1 ready
}
# hears NAME: it was told, and then the connection was closed
hears() {
	wait_until has_lost_connection $1
	[ "$(tr -d '\r' <"$D/$1.out" | grep -cxF "$TEXT")" -eq 1 ]
	[ "$(tr -d '\r' <"$D/$1.out" | sed -n "/^$TEXT\$/,\$p" | grep -c 'closed by remote host\.$')" -ge 1 ]
}
hears_nothing() { refute grep -qF "$TEXT" "$D/$1.out"; }
session_of() { keyacct --json who --account $1 | jq -r '.[0].id'; }
# shellcheck disable=SC2010 # names are numbers
terminal_of() { ls /dev/pts | grep -x '[0-9]*'; }

@test "the text is read on the terminal before the connection closes; a neighbour on another terminal reads nothing" {
	on_terminal neighbour owner
	on_terminal student student
	keyacct member remove $P student
	keyacct member add $P student
	hears student
	type_in neighbour 'echo; echo stays'
	wait_until says neighbour stays
	hears_nothing neighbour
}

@test "every terminal of a connection is told, and one that a program has switched to raw" {
	connect student student $P -N -M -S "$D/ctl"
	wait_until test -S "$D/ctl"
	connect one student $P -S "$D/ctl" -tt 'stty raw -echo; echo ready; sleep 7001'
	connect two student $P -S "$D/ctl" -tt 'echo ready; sleep 7002'
	wait_until says one ready
	wait_until says two ready
	keyacct session end --account student
	wait_until has_lost_connection one
	wait_until has_lost_connection two
	grep -qF "$TEXT" "$D/one.out"
	grep -qF "$TEXT" "$D/two.out"
}

@test "what prints all the time does not keep the text away" {
	connect student student $P -tt 'while :; do echo noise; done'
	wait_until says student noise
	keyacct session end --account student
	wait_until has_lost_connection student
	[ "$(tr -d '\r' <"$D/student.out" | grep -cxF "$TEXT")" -eq 1 ]
}

@test "a terminal that is stopped, or whose reader is, holds up nothing" {
	on_terminal student student
	terminal=/dev/pts/$(terminal_of)
	# As ^S does, from the side of the one who reads.
	perl -MPOSIX -e 'open(my $t, "+<", $ARGV[0]) or die; POSIX::tcflow(fileno($t), POSIX::TCOOFF) or die' "$terminal"
	before=${EPOCHREALTIME/./}
	run timeout 20 keyacct session end --account student
	[ "$status" -eq 0 ]
	[[ $output == "Ended the session "* ]]
	# A stopped one is not waited for at all: all that may be waited for is 500 ms.
	echo "# a stopped terminal: $(((${EPOCHREALTIME/./} - before) / 1000)) ms" >&3
	wait_until has_lost_connection student
	hears_nothing student
	# The sshd that would have to send the text is stopped by a neighbour.
	on_terminal student student
	login owner $P kill -STOP "$(pgrep -P "$(keyacct --json who --account student | jq '.[0].pid')")"
	run keyacct session end --account student
	[ "$status" -eq 0 ]
	wait_until has_lost_connection student
	[ -z "$(running)" ]
}

@test "what is in the place of the session's terminal is not written to" {
	on_terminal neighbour owner
	others=$(terminal_of)
	place=("touch $D/other; mount --bind $D/other" "mount --bind /dev/pts/$others" "chown root")
	for what in "${place[@]}"; do
		on_terminal student student
		mine=$(terminal_of | grep -vx "$others")
		eval "$what /dev/pts/$mine"
		keyacct session end --account student
		wait_until has_lost_connection student
		hears_nothing student
		umount /dev/pts/$mine 2>/dev/null || true
	done
	[ ! -s "$D/other" ]
	type_in neighbour 'echo; echo stays'
	wait_until says neighbour stays
	hears_nothing neighbour
}

@test "no text is said unless it is set, and a command without a terminal is told nothing" {
	connect student student $P 'echo ready; exec sleep 7001'
	wait_until says student ready
	keyacct session end --account student
	wait_until has_lost_connection student
	hears_nothing student
	keyacct config reset grace-text
	on_terminal student student
	keyacct session end --account student
	wait_until has_lost_connection student
	hears_nothing student
}

@test "the sandbox of the timer is enough to tell" {
	on_terminal student student
	keyacct member remove $P student --run /nonexistent
	run setpriv --groups "$(getent group tty | cut -d: -f3)" --bounding-set=-all,+kill --inh-caps=-all --no-new-privs \
		keyacct sweep
	keyacct member add $P student
	[ "$status" -eq 0 ]
	hears student
	grep -q '^SupplementaryGroups=tty$' /usr/lib/systemd/system/keyacct-sweep.service
}

# The record

@test "the session's own lines in the log say that it was ended, why and by whom, and so does the tool's" {
	on_terminal student student
	id=$(session_of student)
	log_mark
	keyacct member remove $P student
	keyacct member add $P student
	wait_until has_lost_connection student
	run log_since
	[ "$(grep -c "sshd\[${id%-*}\]: pam_keyacct(sshd:session): closed session=$id reason=not-member by=root\$" <<<"$output")" -eq 1 ]
	[ "$(grep -c "keyacct\[[0-9]*\]: ended project=$P .* session=$id reason=not-member by=root\$" <<<"$output")" -eq 1 ]
	no_entries
	# One that ended by itself has no such line.
	log_mark
	login student $P true
	wait_until no_entries
	run log_since
	refute grep -q ' closed session=' <<<"$output"
}

@test "who ends it is the one who logged in, behind sudo too" {
	on_terminal student student
	useradd keeper
	log_mark
	(echo "$(id -u keeper)" >/proc/self/loginuid && exec keyacct session end --account student)
	run log_since
	userdel keeper
	[ "$(grep -c ' reason=session-end by=keeper$' <<<"$output")" -eq 2 ]
	wait_until has_lost_connection student
}

@test "the host's list of logins has the end of it" {
	: >/run/utmp
	: >/var/log/wtmp
	on_terminal student student
	who | grep -q "^$P "
	keyacct session end --account student
	wait_until has_lost_connection student
	rm /run/utmp
	last -w -f /var/log/wtmp | grep "^$P " | grep -qv 'still logged in'
	rm /var/log/wtmp
}

@test "two commands that end the same session log one end" {
	for i in 1 2 3 4 5; do
		on_terminal student student
		log_mark
		pids=()
		for n in 1 2 3 4; do
			keyacct session end --account student >"$D/end.$n" 2>&1 3>&- &
			pids+=($!)
		done
		wait "${pids[@]}" || true
		wait_until has_lost_connection student
		[ "$(log_since | grep -c ' ended project=')" -eq 1 ]
		[ "$(log_since | grep -c ' closed session=')" -eq 1 ]
		wait_until no_entries
	done
}

@test "one that was killed while it ended a session leaves the log to the next" {
	on_terminal student student
	id=$(session_of student)
	log_mark
	printf 'reason=session-end by=ro' >$SESSIONS/$id.ended
	keyacct session end --account student
	[ "$(log_since | grep -c ' ended project=')" -eq 1 ]
	[ "$(log_since | grep -c " closed session=$id reason=session-end by=root")" -eq 1 ]
	wait_until no_entries
}

@test "while another command is at it, the end is not said twice, and comes all the same" {
	on_terminal student student
	id=$(session_of student)
	log_mark
	exec 8>$SESSIONS/$id.ended
	flock 8
	keyacct session end --account student 8>&-
	exec 8>&-
	wait_until has_lost_connection student
	refute grep -q ' ended project=' <<<"$(log_since)"
	hears_nothing student
	wait_until no_entries
}

@test "what is noted about a session that is gone goes too, and is no session" {
	on_terminal neighbour owner
	pid=$(keyacct --json who | jq '.[0].pid')
	echo 'reason=session-end by=root' >$SESSIONS/$pid-0000000b.ended
	run --separate-stderr keyacct who
	[ -z "$stderr" ]
	[ ! -e $SESSIONS/$pid-0000000b.ended ]
	# Nothing but the tool's own words gets into the log.
	id=$(session_of owner)
	printf 'reason=x\033[2J by=root\n' >$SESSIONS/$id.ended
	log_mark
	type_in neighbour exit
	wait_until has_lost_connection neighbour
	wait_until no_entries
	refute grep -q ' closed session=' <<<"$(log_since)"
}
