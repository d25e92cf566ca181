#!/usr/bin/env bats
# needs: sshd
# What a member tries in order to stay after access was taken away.

load lib
load sessions

setup_file() {
	load lib
	make_people
	export P=$(new_project owner)
	keyacct member add "$P" student
	login owner "$P" true
	install -m 755 "$KEYACCT_BUILD/tests/sshd/escape" /usr/local/bin/escape
}

setup() {
	wait_until no_entries
	start_neighbour
}
teardown() { end_everything; }

# removed: the student's membership ends, and with it all that was started, and nothing else
removed() {
	run keyacct member remove $P student
	keyacct member add $P student
	[ "$status" -eq 0 ]
	echo "$output"
	[ "$(grep -c '^Ended the session .*: not-member$' <<<"$output")" -eq 1 ]
	refute grep -q 'go on:' <<<"$output"
	wait_until has_lost_connection student
	wait_until only_neighbours
	nothing_hops
	neighbour_stays
}
# What lives too short for ps to see it leaves a trace.
nothing_hops() {
	local hops=/projects/$(hyphened $P)/hops before
	[ -e $hops ] || return 0
	before=$(od -An -tu8 $hops)
	[ "$before" -gt 0 ]
	for _ in {1..20}; do
		[ "$(running)" = "$neighbours" ]
		[ "$(od -An -tu8 $hops)" = "$before" ]
	done
	rm $hops
}
only_neighbours() { [ "$(running)" = "$neighbours" ]; }
needs_audit() { [ "$(cat /proc/self/sessionid)" ] || skip "this kernel has no audit"; }

# tries WAY: it runs behind a session, in one of its own
tries() {
	connect student student $P "setsid escape $1 2>&1"
	wait_until says student ready
	removed
}

@test "a process whose first thread has ended looks like a zombie, and is ended" {
	tries first-thread
}

@test "the same behind another session of setsid, and without audit" {
	needs_audit
	connect student student $P 'setsid -f escape first-thread; exec sleep 7001'
	wait_until says student ready
	removed
}

@test "one that is traced, and forks from another thread" {
	needs_audit
	tries traced
}

@test "one that waits for a child, and forks from another thread" {
	needs_audit
	tries waiting
}

@test "forks without a pause, each in a session of its own" {
	needs_audit
	connect student student $P 'for i in 1 2 3 4 5 6 7 8; do escape forks & done; exec sleep 7001'
	wait_until says student ready
	removed
}

@test "namespaces of its own" {
	needs_audit
	tries namespace
}

@test "a name that reads like a line of /proc, and no signal that it hears" {
	tries ignoring
}

@test "it stops its own sshd" {
	connect student student $P 'kill -STOP $PPID; sleep 7001'
	wait_until runs 'sleep 7001'
	sshd=$(pgrep -P "$(keyacct --json who --account student | jq '.[0].pid')")
	wait_until has_state "$sshd" T
	removed
}

@test "it cannot trace its sshd, and finds no way to the registry" {
	connect student student $P 'escape trace $PPID; echo "traced: $?"; ls -d /run/keyacct/sessions 2>&1; echo over; exec sleep 7001'
	wait_until says student over
	says student 'traced: 1$'
	says student "ls: cannot access '/run/keyacct/sessions': Permission denied"
	removed
}

@test "a tmux server, and what runs in it" {
	needs_audit
	connect student student $P -tt 'tmux -L stay new-session -d "sleep 7001"; echo ready; exec sleep 7002'
	wait_until says student ready
	wait_until runs 'sleep 7001'
	removed
}

@test "a login from the session to itself: it is a session of its own, and ends by its own right" {
	connect student student $P 'echo ready; exec sleep 7001'
	connect second student $P 'echo ready; exec sleep 7002'
	wait_until says student ready
	wait_until says second ready
	run keyacct member remove $P student
	keyacct member add $P student
	[ "$(grep -c '^Ended the session .*: not-member$' <<<"$output")" -eq 2 ]
	wait_until only_neighbours
}

@test "who stops a project ends what looks like a zombie too" {
	Q=$(new_project owner)
	login owner $Q 'setsid -f escape first-thread >/dev/null 2>&1; until pgrep escape >/dev/null; do :; done'
	uid=$(field_of $Q uid)
	run keyacct project remove $Q --stop
	[ "$status" -eq 0 ]
	[ -z "$(ps -eLo uid=,stat= | awk -v uid=$uid '$1 == uid && $2 !~ /Z/')" ]
}

@test "a process that cannot be looked at is told, and not taken for gone" {
	connect student student $P 'echo ready; sleep 7001; echo survived'
	wait_until says student ready
	wait_until runs 'sleep 7001'
	pid=$(pgrep -f '^sleep 7001$')
	mount --bind /dev/null /proc/$pid/stat
	run --separate-stderr keyacct session end --account student
	umount /proc/$pid/stat
	kill $pid
	[ "$status" -eq 6 ]
	[[ $stderr == "keyacct: process $pid could not be looked at, and may belong to a session that was ended: "* ]]
	wait_until only_neighbours
	# In a change it is a warning.
	connect student student $P 'echo ready; sleep 7001; echo survived'
	wait_until says student ready
	wait_until runs 'sleep 7001'
	pid=$(pgrep -f '^sleep 7001$')
	mount --bind /dev/null /proc/$pid/stat
	run --separate-stderr keyacct --json member remove $P student
	umount /proc/$pid/stat
	kill $pid
	keyacct member add $P student
	[ "$status" -eq 0 ]
	[ "$(grep -c "\"warning\".*process $pid could not be looked at" <<<"$stderr")" -eq 1 ]
	wait_until only_neighbours
	neighbour_stays
}
