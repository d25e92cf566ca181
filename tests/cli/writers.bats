#!/usr/bin/env bats
# Several commands at once, and one that is stopped.
load helpers

setup_file() { make_keys owner student; }

setup() {
	umask 022
	default_db
	people
	id=829e7b56-93d6-11e7-ae8e-e70cea5e8cd7
	name=829e7b5693d611e7ae8ee70cea5e8cd7
}

teardown() {
	if [ -n "${holder:-}" ]; then
		kill -KILL "$holder" 2>/dev/null || true
	fi
}

@test "twenty at once: all are there, each with a uid of its own" {
	for n in $(seq 20); do
		keyacct --json project add --owner owner >"$BATS_TEST_TMPDIR/$n.json" 2>"$BATS_TEST_TMPDIR/$n.err" &
		pids[n]=$!
	done
	for n in $(seq 20); do
		wait "${pids[n]}" || { cat "$BATS_TEST_TMPDIR/$n.err"; return 1; }
	done
	same 20 "$(jq -r .id "$BATS_TEST_TMPDIR"/*.json | sort -u | wc -l)"
	same "$(seq 1879048192 1879048211)" "$(jq -r .uid "$BATS_TEST_TMPDIR"/*.json | sort)"
	same "$(jq -r .id "$BATS_TEST_TMPDIR"/*.json | sort)" "$(value '.[].id' project list | sort)"
	agree
}

@test "readers beside a writer always see a whole state" {
	(
		for n in $(seq 30); do
			keyacct project add --owner owner --owner student >/dev/null || exit 1
		done
	) &
	writer=$!
	while kill -0 $writer 2>/dev/null; do
		same "" "$(value '.[] | select((.owners | length) != 2) | .id' project list)"
	done
	wait $writer
	same 30 "$(value length project list)"
}

@test "of two that add the same handle one wins" {
	for n in 1 2 3 4 5 6; do
		keyacct account add someone >/dev/null 2>&1 &
		pids[n]=$!
	done
	won=0 lost=0
	for n in 1 2 3 4 5 6; do
		status=0
		wait "${pids[n]}" || status=$?
		case $status in
		0) won=$((won + 1)) ;;
		4) lost=$((lost + 1)) ;;
		esac
	done
	same "1 5" "$won $lost"
}

@test "a key add that waits for the paste holds nobody up" {
	mkfifo "$BATS_TEST_TMPDIR/typing"
	exec 7<>"$BATS_TEST_TMPDIR/typing"
	keyacct key add owner <&7 >/dev/null 2>&1 7>&- &
	holder=$!
	# Until it reads: the call's number is 0 (read), its first argument 0 (standard input).
	deadline=$((SECONDS + 60))
	until grep -q '^0 0x0 ' /proc/$holder/syscall 2>/dev/null; do
		[ $SECONDS -lt $deadline ]
	done
	try 0 timeout 9 keyacct project add
	try 0 timeout 9 keyacct account add someone
	same "" "$(find /proc/$holder/fd -lname '*/keyacct/*')"
	exec 7>&-
}

# hold FILE: a process that has a write lock on FILE and is stopped; its id in $holder
hold() {
	perl -e 'use Fcntl; open F, "+>>", $ARGV[0] or die; my $lock = pack("s s x4 q q i x4", F_WRLCK, 0, 0, 0, 0);
		fcntl(F, F_SETLK, $lock) or die; kill STOP => $$ while 1' "$1" 3>&- &
	holder=$!
	until [[ $(cat /proc/$holder/stat) == *") T "* ]]; do
		kill -0 $holder
	done
}

@test "a stopped writer: the next one waits, then names it; readers go on" {
	k project add $id --owner owner
	k key add owner "$(pub owner)"
	hold $db/private/lock
	started=$SECONDS
	keyacct account add someone >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" &
	waiting=$!
	for command in "account list" "project list" "key list" "member list $id" "explain $id $(pub owner)" "ssh-config owner" \
		"authorized-keys owner"; do
		# shellcheck disable=SC2086
		try 0 timeout 9 keyacct $command
		same "" "$stderr"
	done
	status=0
	wait $waiting || status=$?
	same 5 "$status"
	[ $((SECONDS - started)) -ge 9 ]
	[ $((SECONDS - started)) -le 40 ]
	same "" "$(cat "$BATS_TEST_TMPDIR/out")"
	same "keyacct: another keyacct is writing: process $holder, which is stopped, holds $db/private/lock; wait for it, continue it (kill -CONT) or end it, then try again" \
		"$(cat "$BATS_TEST_TMPDIR/err")"
	# What the sentence says helps.
	kill -KILL "$holder"
	wait "$holder" 2>/dev/null || true
	holder=
	try 0 k account add someone
}

@test "a stopped drain: listings wait a moment, say so, and come all the same" {
	k project add $id --owner owner
	hold $db/private/usage.lock
	try 0 timeout 9 keyacct project list
	has $name
	same 1 "${#stderr_lines[@]}"
	[[ $stderr == *"last use"* ]]
}

@test "a stopped drain: with --json standard error is JSON too" {
	hold $db/private/usage.lock
	try 0 timeout 9 keyacct --json project list
	jq -es 'length == 1' <<<"$stderr"
}
