#!/usr/bin/env bats
# A full disk and other limits: one sentence, and all or nothing.
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
	if mountpoint -q /var/lib/keyacct; then umount -l /var/lib/keyacct; fi
}

# small_disk: the database on a file system of its own, of 1 MB, with people and a project
small_disk() {
	rm -rf /var/lib/keyacct
	mkdir /var/lib/keyacct
	mount -t tmpfs -o size=1m,mode=755 tmpfs /var/lib/keyacct
	keyacct init
	people
	k project add $id --owner owner
	k project list
}

fill_disk() { dd if=/dev/zero of=$db/filler bs=4096 status=none 2>/dev/null || true; }
# leave N: only N pages are free
leave() {
	fill_disk
	truncate -s $((($(stat -c %s $db/filler) / 4096 - $1) * 4096)) $db/filler
}

@test "a full disk: a change fails with one sentence, the old state stands, and later it works" {
	small_disk
	before=$(state)
	fill_disk
	failed=0
	for n in $(seq 12); do
		run --separate-stderr timeout 20 keyacct project add --owner owner
		if [ "$status" -eq 0 ]; then continue; fi
		one_sentence 5
		[[ $stderr == *"No space left on device"* ]]
		failed=$((failed + 1))
	done
	[ $failed -ge 1 ]
	done_before=$((12 - failed))
	same $((1 + done_before)) "$(value length project list)"
	# Reading needs no room.
	try 0 k account list
	try 0 k key list
	rm $db/filler
	try 0 k project add --owner owner
	same $((2 + done_before)) "$(value length project list)"
	agree
	same "$(jq -cS . <<<"$before" | head -1)" "$(k --json account list | jq -cS '[.[] | if .handle == "owner" then .projects = 1 else . end]')"
}

@test "a disk with a few pages left: at every size all or nothing, and no gap stays" {
	for free in $(seq 0 16); do
		small_disk >/dev/null
		leave "$free"
		each=$(printf '%08x-93d6-11e7-ae8e-e70cea5e8cd7' $((free + 268435456)))
		# Enough to need new pages in both files.
		for n in 1 2 3 4 5 6; do
			run --separate-stderr timeout 20 keyacct project add --owner owner --home "/$(printf 'x%.0s' {1..500})"
			if [ "$status" -ne 0 ]; then break; fi
		done
		if [ "$status" -ne 0 ]; then one_sentence 5; fi
		echo "$free pages free, command $n: $status $stderr"
		count=$(value length project list)
		rm $db/filler
		# A sentence that says so is right: either nothing was changed, or the change is recorded.
		case $stderr in
		*"nothing was changed"*) same $n "$count" ;;
		*"the change is recorded"*) same $((n + 1)) "$count" ;;
		"") same 7 "$count" ;;
		*) echo "unclear: $stderr"; return 1 ;;
		esac
		k account suspend student >/dev/null
		agree
		umount -l /var/lib/keyacct
	done
}

@test "a disk that was full before the first command: the sentence is about room, not damage" {
	small_disk
	rm $db/*lock $db/private/*lock
	fill_disk
	for command in "account list" "project list" "project add"; do
		# shellcheck disable=SC2086
		run --separate-stderr timeout 20 keyacct $command
		[ "$status" -eq 0 ] && continue
		one_sentence 5
		[[ $stderr != *damaged* ]]
	done
}

@test "init on a full disk: one sentence, and nothing that stands in the way later" {
	rm -rf /var/lib/keyacct
	mkdir /var/lib/keyacct
	mount -t tmpfs -o size=1m,mode=755 tmpfs /var/lib/keyacct
	for free in 0 1 2 4 8 12 16 24 32; do
		leave $free
		run --separate-stderr timeout 20 keyacct init
		if [ "$status" -ne 0 ]; then one_sentence 5; fi
		rm -r "${db:?}"/*
	done
	try 0 keyacct init
	try 0 k account add owner
}

@test "a limit on file sizes is an error, not a signal" {
	k project add $id --owner owner
	k project list >/dev/null
	before=$(state)
	failed=0
	for blocks in 0 1 4 8 16 24 32 40 48 64; do
		for command in "project add" "key add owner $(pub owner)" "account add someone"; do
			# shellcheck disable=SC2086
			# The sentence goes to a pipe, which has no limit.
			run bash -c "(ulimit -f $blocks && exec keyacct $command) 2>&1 >/dev/null | cat; exit \${PIPESTATUS[0]}"
			[ "$status" -eq 0 ] && continue
			echo "$blocks: $command: $status $output"
			same 5 "$status"
			same 1 "${#lines[@]}"
			[[ $output == "keyacct: "* ]]
			failed=$((failed + 1))
		done
		[ "$status" -eq 0 ] && break
	done
	[ $failed -ge 3 ]
	agree
}

@test "a limit on open files or on memory is an error, not a crash" {
	[ -z "$KEYACCT_MODULES" ] || skip "a sanitizer needs more memory than the limit"
	k project add $id --owner owner
	k project list >/dev/null
	before=$(state)
	failed=0
	for limit in "-n 6" "-n 7" "-n 8" "-n 9" "-v 100000" "-v 1000000"; do
		for command in "account list" "account add owner" "key list"; do
			run --separate-stderr bash -c "ulimit $limit && exec keyacct $command"
			[ "$status" -eq 0 ] && continue
			echo "$limit: $command: $status $stderr"
			# Below that the program loader itself has no room.
			[ "$status" -eq 127 ] && continue
			# Below that the program loader itself has no room.
			[ "$status" -lt 124 ]
			[ "${#stderr_lines[@]}" -eq 1 ]
			[ "$status" -eq 4 ] || failed=$((failed + 1))
		done
	done
	[ $failed -ge 3 ]
	same "$before" "$(state)"
}
