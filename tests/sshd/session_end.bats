#!/usr/bin/env bats
# needs: sshd
# Ending a session: the connection and everything that belongs to it, by whatever kind of channel; and nobody else's.

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
	start_neighbour
}
teardown() { end_everything; }

# the student's session ended: the client lost its connection, nothing of it runs, and the neighbour's goes on
the_student_is_out() {
	wait_until has_lost_connection student
	[ "$(running)" = "$neighbours" ]
	neighbour_stays
}

@test "a shell on a terminal, and what runs in it" {
	connect student student $P -tt
	type_in student 'sleep 7001 & sleep 7002 & echo re''ady'
	wait_until says student ready
	run keyacct session end --account student
	[ "$status" -eq 0 ]
	[[ $output =~ ^"Ended the session "[0-9]+-[0-9a-f]{8}' of "student" in '$P', from 127.0.0.1 since '[0-9TZ:-]+': session-end'$ ]]
	the_student_is_out
}

@test "a command without a terminal, and its children" {
	connect student student $P 'sleep 7001 & (sleep 7002 & sleep 7003) & echo ready; sleep 7004; echo survived'
	wait_until says student ready
	keyacct session end --account student
	the_student_is_out
	refute says student survived
}

@test "a connection without a command" {
	connect student student $P -N -M -S "$D/ctl"
	wait_until test -S "$D/ctl"
	wait_until entered 2
	keyacct session end --account student
	the_student_is_out
}

@test "commands that share a connection, with their children" {
	connect student student $P -N -M -S "$D/ctl"
	wait_until test -S "$D/ctl"
	connect one student $P -S "$D/ctl" -tt 'sleep 7001 & echo ready; sleep 7002'
	connect two student $P -S "$D/ctl" 'sleep 7003 & echo ready; sleep 7004'
	wait_until says one ready
	wait_until says two ready
	entered 2
	keyacct session end --account student
	wait_until has_lost_connection one
	wait_until has_lost_connection two
	the_student_is_out
}

@test "a file transfer" {
	connect student student $P -s sftp
	wait_until runs sftp-server
	keyacct session end --account student
	the_student_is_out
}

@test "what was left behind by setsid, nohup and two forks, also after its shell ended" {
	[ "$(cat /proc/self/sessionid)" ] || skip "this kernel has no audit"
	connect student student $P 'setsid sleep 7001 >/dev/null 2>&1 </dev/null & nohup sleep 7002 >/dev/null 2>&1 </dev/null &
		(setsid sh -c "sleep 7003 & sleep 7004 &" >/dev/null 2>&1 </dev/null &); echo ready; exec sleep 7005'
	wait_until says student ready
	wait_until runs 'sleep 7004'
	keyacct session end --account student
	the_student_is_out
}

@test "without audit, what runs in a shell ends, and what left it is told by its number and goes on" {
	without_audit
	connect student student $P -tt
	type_in student 'setsid sleep 7001 >/dev/null 2>&1 </dev/null; (sleep 7002 &); nohup sleep 7003 >/dev/null 2>&1 & echo re''ady'
	wait_until says student ready
	wait_until runs 'sleep 7001'
	wait_until runs 'sleep 7002'
	wait_until runs 'sleep 7003'
	left=$(pgrep -f '^sleep 7001$')
	# Neither is the neighbour's, and the shell's terminal tells about the other two.
	run keyacct session end --account student
	echo "$output"
	[ "$status" -eq 0 ]
	[ "${lines[1]}" = "Processes of this project that are of no open session go on: $left" ]
	[ ${#lines[@]} -eq 2 ]
	wait_until has_lost_connection student
	runs 'sleep 7001'
	refute runs 'sleep 7002'
	refute runs 'sleep 7003'
	neighbour_stays
	run keyacct --json session end --account owner
	echo "$output"
	[ "$(jq -c '.[0] | [.ended, .reason, .stays]' <<<"$output")" = "[true,\"session-end\",[$left]]" ]
	kill $left
}

@test "a job of a session that ended before is told and left: it may be anybody's" {
	login owner $P 'setsid sleep 7001 >/dev/null 2>&1 </dev/null &'
	wait_until runs 'sleep 7001'
	left=$(pgrep -f '^sleep 7001$')
	connect student student $P 'echo ready; sleep 7002'
	wait_until says student ready
	run keyacct session end --account student
	[ "${lines[1]}" = "Processes of this project that are of no open session go on: $left" ]
	runs 'sleep 7001'
	kill $left
	wait_until is_gone $left
	the_student_is_out
}

@test "a member of the same project stops it with SIGSTOP, and keeps it from nothing" {
	connect student student $P 'sleep 7001 & echo ready; sleep 7002'
	wait_until says student ready
	monitor=$(keyacct --json who --account student | jq '.[0].pid')
	for pid in $(pgrep -P "$monitor") $(pgrep -f '^sleep 700[12]$'); do
		login owner $P kill -STOP "$pid"
		wait_until has_state "$pid" T
	done
	keyacct session end --account student
	the_student_is_out
}

@test "a member of the same project continues what is being stopped, again and again" {
	connect student student $P 'sleep 7001 & echo ready; sleep 7002'
	wait_until says student ready
	pids=$(pgrep -P "$(keyacct --json who --account student | jq '.[0].pid')"; pgrep -f '^sleep 700[12]$')
	connect stubborn owner $P "echo ready; while kill -CONT $(tr '\n' ' ' <<<"$pids") 2>/dev/null; do :; done; echo over"
	wait_until says stubborn ready
	keyacct session end --account student
	wait_until has_lost_connection student
	refute runs 'sleep 7001'
	refute runs 'sleep 7002'
	wait_until says stubborn over
}

@test "what forks all the time is caught" {
	# Each one starts the next and goes away: there is no parent to be found, and no two looks see the same.
	connect student student $P 'cat >hop <<<'"'"'exec >/dev/null 2>&1 </dev/null; [ -e stop ] || setsid sh ./hop & sleep 0.01'"'"'
		rm -f stop; for i in 1 2 3; do setsid sh ./hop & done; echo ready; sleep 7001'
	wait_until says student ready
	run keyacct session end --account student
	login owner $P 'touch stop'
	[ "$status" -eq 0 ]
	[ ${#lines[@]} -eq 1 ]
	the_student_is_out
}

@test "without audit, what forks all the time is caught as long as its parent lives" {
	without_audit
	connect student student $P 'i=0; echo ready; while [ $i -lt 1500 ]; do i=$((i + 1)); sleep 7001 >/dev/null 2>&1 </dev/null & done; wait'
	wait_until says student ready
	wait_until runs 'sleep 7001'
	run keyacct session end --account student
	[ "$status" -eq 0 ]
	[ ${#lines[@]} -eq 1 ]
	the_student_is_out
}

@test "an sshd that root has stopped" {
	connect student student $P 'echo ready; sleep 7001'
	wait_until says student ready
	monitor=$(keyacct --json who --account student | jq '.[0].pid')
	kill -STOP "$monitor"
	wait_until has_state "$monitor" T
	keyacct session end --account student
	the_student_is_out
}

@test "PAM's session is closed, as with any other end" {
	connect student student $P -tt
	wait_until entered 2
	monitor=$(keyacct --json who --account student | jq '.[0].pid')
	wait_until test -n "$(pgrep -P "$monitor")"
	log_mark
	keyacct session end --account student
	run log_since
	[[ $output == *"sshd[$monitor]: pam_unix(sshd:session): session closed for user $P"* ]]
	the_student_is_out
}

@test "a PAM module that hangs when the session is closed does not keep it" {
	pause_after_us close_session
	connect student student $P 'echo ready; sleep 7001'
	wait_until says student ready
	run keyacct session end --account student
	pause_over
	[ "$status" -eq 0 ]
	[ -e "$D/paused" ]
	[[ $output == "Ended the session "* ]]
	the_student_is_out
}

# A session that begins

@test "a session that was let in and has not begun is ended before it does" {
	pause_after_us
	connect student student $P 'echo ran; touch began; sleep 7001'
	wait_until test -e "$D/paused"
	wait_until entered 2
	monitor=$(keyacct --json who --account student | jq '.[0].pid')
	run keyacct session end --account student
	[ "$status" -eq 0 ]
	[[ $output == "Ended the session "* ]]
	pause_over
	the_student_is_out
	refute says student ran
	# It did not come one module further.
	refute grep -q "sshd\[$monitor\]: pam_unix(sshd:session): session opened" <<<"$(log_since_start)"
	[ ! -e "/projects/$(hyphened $P)/began" ]
}

@test "access that is taken away between the decision and the first process ends the session" {
	pause_after_us
	connect student student $P 'echo ran; touch began; sleep 7001'
	wait_until test -e "$D/paused"
	[[ $(log_since_start) == *"granted project=$P account=student "* ]]
	run keyacct member remove $P student
	pause_over
	keyacct member add $P student
	[ "$status" -eq 0 ]
	# Behind what the project still runs.
	[[ ${lines[-1]} == "Ended the session "*": not-member" ]]
	the_student_is_out
	refute says student ran
	[ ! -e "/projects/$(hyphened $P)/began" ]
}

@test "a login that is in the registry and not decided yet is ended too" {
	connect student student $P 'echo ready; sleep 7001'
	wait_until says student ready
	entry=$(keyacct --json who --account student | jq -r '.[0].id')
	sed -i 's/ account=.*//' $SESSIONS/$entry
	[ "$(keyacct --json who --key "$(fingerprint student)" | jq -r '.[0].handle')" = null ]
	run keyacct member remove $P student
	keyacct member add $P student
	[[ ${lines[-1]} == "Ended the session $entry of \"-\" in $P, "*": not-member" ]]
	the_student_is_out
}

# Entries that are left behind

@test "after an sshd was killed its entry goes, and nobody is signalled in its place" {
	connect student student $P -N
	wait_until entered 2
	monitor=$(keyacct --json who --account student | jq '.[0].pid')
	entry=$(keyacct --json who --account student | jq -r '.[0].id')
	users=$(pgrep -P "$monitor")
	cp $SESSIONS/$entry "$D/entry"
	kill -KILL "$monitor"
	wait_until is_gone "$monitor"
	kill -KILL $users
	wait_until has_lost_connection student
	# Another process gets the number, and then the entry appears again, as if nobody had looked yet.
	take_pid "$monitor" 7009
	[ "$(pgrep -f '^sleep 7009$')" -eq "$monitor" ]
	cp "$D/entry" $SESSIONS/$entry
	run -3 keyacct session end $entry
	[ ! -e $SESSIONS/$entry ]
	cp "$D/entry" $SESSIONS/$entry
	keyacct member remove $P student
	keyacct member add $P student
	[ ! -e $SESSIONS/$entry ]
	runs 'sleep 7009'
	kill "$monitor"
	neighbour_stays
}

@test "an sshd that was killed while it wrote its entry leaves nothing" {
	take_pid 0 7009
	pid=$(pgrep -f '^sleep 7009$')
	echo project= >$SESSIONS/.$pid-0000000a
	keyacct who >/dev/null
	[ -e $SESSIONS/.$pid-0000000a ]
	kill "$pid"
	wait_until is_gone "$pid"
	keyacct who >/dev/null
	[ ! -e $SESSIONS/.$pid-0000000a ]
	entered 1
}

# Which, and what is said

@test "one is named by its id; --dry-run ends nobody; several are named by what fits" {
	connect one student $P 'echo ready; sleep 7001'
	connect two student $P 'echo ready; sleep 7002'
	wait_until says one ready
	wait_until says two ready
	run keyacct session end --project $P --dry-run
	[ "$status" -eq 0 ]
	[ "$(grep -c '^Would end the session ' <<<"$output")" -eq 3 ]
	entered 3
	first=$(keyacct --json who --account student | jq -r '.[0].id')
	run keyacct --json session end $first
	[ "$status" -eq 0 ]
	[ "$(jq -c '.[] | [.type, .id, .handle, .reason, .ended, .stays]' <<<"$output")" = "[\"session\",\"$first\",\"student\",\"session-end\",true,[]]" ]
	entered 2
	run keyacct session end --key "$(fingerprint student)" --project $P
	[ "$status" -eq 0 ]
	[ ${#lines[@]} -eq 1 ]
	run --separate-stderr keyacct session end --account student
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[ "$stderr" = "No open session fits." ]
	neighbour_stays
}

@test "the log says whose session was ended, and why" {
	connect student student $P 'echo ready; sleep 7001'
	wait_until says student ready
	log_mark
	keyacct session end --account student
	run log_since
	[[ $output =~ "<85>"$STAMP\ keyacct\[[0-9]+\]:\ ended\ project=$P\ account=student\ fingerprint=$(fingerprint student | sed 's/[+]/[+]/g')\ address=127\.0\.0\.1\ session=[0-9]+-[0-9a-f]{8}\ reason=session-end\ by=root($'\n'|$) ]]
	[ "$(grep -c ' ended project=' <<<"$output")" -eq 1 ]
}

@test "the sandbox of the timer is enough to end a session" {
	connect student student $P 'setsid sleep 7001 >/dev/null 2>&1 </dev/null & echo ready; sleep 7002'
	wait_until says student ready
	keyacct member remove $P student --run /nonexistent
	entered 2
	run setpriv --bounding-set=-all,+kill --inh-caps=-all --no-new-privs keyacct sweep
	keyacct member add $P student
	[ "$status" -eq 0 ]
	[[ $output == "Ended the session "*": not-member" ]]
	the_student_is_out
}
