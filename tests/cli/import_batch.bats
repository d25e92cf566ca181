#!/usr/bin/env bats
# keyacct import in the large: batches that are in as a whole or not at all, whatever happens to it; and who may write
# meanwhile.
load helpers
load import
load killer

setup_file() {
	make_killer
	make_keys owner student
	# 45,000 lines: two batches and a part.
	awk 'BEGIN {
		for (i = 1; i <= 20000; i++) printf "{\"type\":\"account\",\"id\":\"%08x-0000-4000-8000-000000000000\",\"handle\":\"user-%d\"}\n", i, i
		for (i = 1; i <= 20000; i++) printf "{\"type\":\"project\",\"id\":\"%08x-0000-4000-8000-000000000001\"}\n", i
		for (i = 1; i <= 5000; i++) printf "{\"type\":\"member\",\"project\":\"%08x-0000-4000-8000-000000000001\",\"account\":\"user-%d\"}\n", i, i
	}' >"$BATS_FILE_TMPDIR/lines"
}

setup() { new_db; }

teardown() {
	if [ -n "${holder:-}" ]; then kill -KILL "$holder" 2>/dev/null || true; fi
	if mountpoint -q "$BATS_TEST_TMPDIR/small"; then umount -l "$BATS_TEST_TMPDIR/small"; fi
}

# rows: how many are there of what the lines have
rows() { k export | grep -c '"type":"\(account\|project\|member\)"' || true; }

# whole N: N rows are whole batches of the lines
whole() { [ "$1" -eq 0 ] || [ "$1" -eq 20000 ] || [ "$1" -eq 40000 ] || [ "$1" -eq 45000 ]; }

# completed FROM: what is missing from FROM rows on comes in with one more import
completed() {
	imports "$((45000 - $1)) 0 $1 0 0" <"$BATS_FILE_TMPDIR/lines"
	try 0 k check
	same 45000 "$(rows)"
}

@test "killed at a call that reaches a file: whole batches are there, and once more completes it" {
	cut=0 most=1 finished=no
	# Twice as far each time until it gets through, then anywhere.
	for n in 1 2 4 8 16 32 64 128 256 512 1024 2048 4096 8192 r r r r r r r r; do
		if [ "$n" != r ] && [ $finished = yes ]; then continue; fi
		[ "$n" != r ] || n=$((RANDOM % most + 1))
		rm -rf "$db"
		keyacct --dir "$db" init >/dev/null
		run killed_at "$n" import "$BATS_FILE_TMPDIR/lines"
		if [ "$status" -eq 0 ]; then
			finished=yes
		else
			same 137 "$status"
			[ "$n" -lt $most ] || most=$n
		fi
		there=$(rows)
		echo "killed at call $n: $there rows"
		whole "$there"
		case $there in 20000 | 40000) cut=$((cut + 1)) ;; esac
		completed "$there"
	done
	same yes $finished
	[ $cut -ge 1 ]
}

@test "killed at some moment" {
	killed=0
	for _ in $(seq 12); do
		rm -rf "$db"
		keyacct --dir "$db" init >/dev/null
		keyacct --dir "$db" import "$BATS_FILE_TMPDIR/lines" >/dev/null 3>&- &
		holder=$!
		# Until it has written as much as it likes to.
		size=$((RANDOM * 300))
		while [ "$(stat -c %s "$db/private/access.mdb")" -lt $size ] && kill -0 $holder 2>/dev/null; do :; done
		if kill -KILL $holder 2>/dev/null; then killed=$((killed + 1)); fi
		wait $holder 2>/dev/null || true
		there=$(rows)
		echo "killed at $size bytes: $there rows"
		whole "$there"
		completed "$there"
	done
	[ $killed -ge 1 ]
}

@test "a mirror that is killed has removed whole batches, access first; once more completes it" {
	k import "$BATS_FILE_TMPDIR/lines" >/dev/null
	object end >"$BATS_TEST_TMPDIR/end"
	killed=0
	for n in 5 20 30 15 25 40; do
		run killed_at "$n" import --mirror --force "$BATS_TEST_TMPDIR/end"
		[ "$status" -eq 0 ] || killed=$((killed + 1))
		k export >"$BATS_TEST_TMPDIR/left"
		left=$(for what in '"type":"member"' '"state":"active".*"uid"' '"type":"account"'; do grep -c "$what" "$BATS_TEST_TMPDIR/left" || true; done | xargs)
		echo "killed at call $n: status $status, $left left"
		# 5,000 members and 15,000 projects, then the other projects and 15,000 accounts, then the rest.
		case $left in '5000 20000 20000' | '0 5000 20000' | '0 0 5000' | '0 0 0') ;; *) return 1 ;; esac
	done
	[ $killed -ge 2 ]
	try 0 k import --mirror --force "$BATS_TEST_TMPDIR/end"
	try 0 k check
	same "" "$(k export | grep '"type":"\(account\|member\)"\|"state":"active"' || true)"
}

@test "what it says is in is in, also when it has to stop: on a full disk" {
	db=$BATS_TEST_TMPDIR/small/db
	mkdir "$BATS_TEST_TMPDIR/small"
	stopped=0
	for size in 2 6 10 14; do
		mount -t tmpfs -o size=${size}m tmpfs "$BATS_TEST_TMPDIR/small"
		keyacct --dir "$db" init >/dev/null
		run --separate-stderr k import "$BATS_FILE_TMPDIR/lines"
		echo "$size MB: $output $stderr"
		if [ "$status" -eq 0 ]; then break; fi
		same 5 "$status"
		same 1 "${#stderr_lines[@]}"
		# Of what could not be written as a whole LMDB says EIO.
		[[ $stderr == *"No space left on device"* || $stderr == *"Input/output error"* || $stderr == *"is its disk full"* ]]
		said=$(numbers | cut -d' ' -f1)
		whole "$said"
		# names.mdb may be full while access.mdb has the batch: then it says less than there is.
		there=$(rows)
		whole "$there"
		[ "$said" -eq "$there" ] || [[ $stderr == *"the change is recorded"* ]]
		[ "$said" -eq 0 ] || stopped=$((stopped + 1))
		umount "$BATS_TEST_TMPDIR/small"
	done
	[ $stopped -ge 1 ]
}

@test "a dry run of all of it leaves the files as they are" {
	before=$(files)
	imports "45000 0 0 0 0" --dry-run <"$BATS_FILE_TMPDIR/lines"
	same "$before" "$(files)"
	k import "$BATS_FILE_TMPDIR/lines" >/dev/null
	before=$(files)
	imports "0 0 0 45000 0" --dry-run --mirror < <(object end)
	same "$before" "$(files)"
}

# changes: how many entries the log has, and how many of an import
changes() {
	mdb_dump -n -s change "$db/private/access.mdb" | awk -v word="$(printf import | od -An -tx1 | tr -d ' ')" '
		/^HEADER=END/ { data = 1; next } /^DATA=END/ { data = 0 } data && ++n % 2 == 0 { all++; ours += index($0, word) > 0 }
		END { print all + 0, ours + 0 }'
}

@test "every change is in the log as the import's, and nothing else is" {
	k account add someone >/dev/null
	same "1 0" "$(changes)"
	a_platform >"$BATS_TEST_TMPDIR/lines"
	# Eleven rows, who is in the group, and what a key is for.
	k import --dry-run "$BATS_TEST_TMPDIR/lines" >/dev/null
	same "1 0" "$(changes)"
	k import "$BATS_TEST_TMPDIR/lines" >/dev/null
	same "14 13" "$(changes)"
	k import "$BATS_TEST_TMPDIR/lines" >/dev/null
	imports "0 0 0 0 2" < <(object account id $A1 handle student; object group id $G1 name crew accounts '["nobody"]')
	same "14 13" "$(changes)"
	imports "0 1 0 0 0" < <(object account id $A1 name New)
	same "15 14" "$(changes)"
}

# hold_open: an import that has the lock, and waits for its next line; its id in $holder
hold_open() {
	mkfifo "$BATS_TEST_TMPDIR/pipe"
	exec 7<>"$BATS_TEST_TMPDIR/pipe"
	keyacct --dir "$db" import "$BATS_TEST_TMPDIR/pipe" >"$BATS_TEST_TMPDIR/out" 2>&1 7>&- 3>&- &
	holder=$!
}

@test "an import that has no line yet holds nobody up" {
	hold_open
	deadline=$((SECONDS + 60))
	# Until it reads: the call's number is 0.
	until grep -q '^0 ' /proc/$holder/syscall 2>/dev/null; do [ $SECONDS -lt $deadline ]; done
	try 0 timeout 9 keyacct --dir "$db" account add owner
	imports "1 0 0 0 0" < <(object account handle student)
	exec 7>&-
}

@test "of two imports at once the second is told who writes; what was in before stays readable" {
	hold_open
	object account handle owner >&7
	# Until it has taken the lock and waits for more.
	deadline=$((SECONDS + 60))
	until grep -q '^0 ' /proc/$holder/syscall && [ -n "$(find /proc/$holder/fd -lname '*/private/access.mdb')" ]; do
		[ $SECONDS -lt $deadline ]
	done
	try 5 k import - < <(object account handle student)
	[[ $stderr == "keyacct: another keyacct is writing: process $holder"* ]]
	same "" "$output"
	same "[]" "$(k --json account list)"
	object account handle student >&7
	exec 7>&-
	wait $holder
	same "2 added, 0 changed, 0 unchanged, 0 removed, 0 refused" "$(cat "$BATS_TEST_TMPDIR/out")"
	same "owner student" "$(value '.[].handle' account list | sort | xargs)"
}

@test "logins and listings go on beside it" {
	default_db
	a_platform | k import - >/dev/null 2>&1 || true
	keyacct import "$BATS_FILE_TMPDIR/lines" >/dev/null 3>&- &
	holder=$!
	n=0
	while kill -0 $holder 2>/dev/null; do
		same granted "$(k --json explain $P1 "$(pub owner)" | jq -r .reason)"
		getent passwd ${P1//-/} >/dev/null
		n=$((n + 1))
	done
	wait $holder
	holder=
	[ $n -ge 1 ]
}
