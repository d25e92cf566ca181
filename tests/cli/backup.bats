#!/usr/bin/env bats
# keyacct backup: a whole copy at any time, or none.
load helpers
load killer

setup_file() {
	make_keys owner student
	make_killer
	# A clock that runs a second further with every look at it, and copies that are not done at the first three.
	gcc -D_GNU_SOURCE -shared -fPIC -o "$BATS_FILE_TMPDIR/hurry.so" -xc - -ldl <<-'END'
		#include <dlfcn.h>
		#include <errno.h>
		#include <pthread.h>
		#include <time.h>
		int clock_gettime(clockid_t id, struct timespec *now)
		{
			static time_t ahead;
			int rc = ((int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime"))(id, now);
			if (id == CLOCK_MONOTONIC)
				now->tv_sec += ++ahead;
			return rc;
		}
		int pthread_timedjoin_np(pthread_t thread, void **result, const struct timespec *until)
		{
			static int looks;
			if (looks++ % 4 != 3)
				return ETIMEDOUT;
			return ((int (*)(pthread_t, void **, const struct timespec *))dlsym(RTLD_NEXT,
				"pthread_timedjoin_np"))(thread, result, until);
		}
	END
}

setup() {
	umask 022
	default_db
	people
	id=829e7b56-93d6-11e7-ae8e-e70cea5e8cd7
	copy=$BATS_TEST_TMPDIR/copy
}

teardown() {
	if [ -n "${holder:-}" ]; then kill -KILL "$holder" 2>/dev/null || true; fi
	if mountpoint -q "$BATS_TEST_TMPDIR/disk"; then umount -l "$BATS_TEST_TMPDIR/disk"; fi
}

# a little of everything
fill() {
	k project add $id --owner owner
	k member add $id student --expires +90d
	k key add owner "$(pub owner)"
	k key add student --project $id "$(pub student)"
	k group add staff
	k group add-member staff student
	k member add $id @staff
	k project remove "$(value .id project add --owner owner)"
}

state_of() { (db=$1 && state); }

# whole DIR: it is a database of one piece
whole() { "$BATS_TEST_DIRNAME/../whole" "$1"; }

# nothing_left: no copy, and nothing of one
nothing_left() { same "" "$(find "$BATS_TEST_TMPDIR" -maxdepth 1 -name 'copy*')"; }

@test "a backup is laid out as the database is, and root's alone" {
	fill
	umask 000
	try 0 k backup "$copy"
	same "700 root:root d
644 root:root f names.mdb
750 root:keyacct d private
640 root:keyacct f private/access.mdb
600 root:root f private/usage.mdb" "$(find "$copy" -printf '%m %u:%g %y %P\n' | LC_ALL=C sort -k4 | sed 's/ $//')"
	same "$copy" "$(find "$BATS_TEST_TMPDIR" -maxdepth 1 -name 'copy*')"
}

@test "a backup is a database with the same in it" {
	fill
	before=$(state)
	try 0 k backup "$copy"
	whole "$copy"
	same "$before" "$(state_of "$copy")"
	# What changes later does not reach it, and the other way round.
	k account suspend owner
	same "$before" "$(state_of "$copy")"
	keyacct --dir "$copy" account remove outsider
	try 0 k account show outsider
}

@test "it says what it wrote, and as JSON" {
	fill
	try 0 k backup "$copy"
	bytes=$(cat "$copy"/names.mdb "$copy"/private/*.mdb | wc -c)
	[[ $output == "The backup is in $copy: projects 2, accounts 3, keys 2, up to change "*"; $bytes bytes." ]]
	change=$(grep -oE 'change [0-9]+' <<<"$output" | cut -d' ' -f2)
	same "" "$stderr"
	k account suspend owner
	try 0 k --json backup "$copy.2"
	same "$(jq -nc --arg dir "$copy.2" --argjson changes $((change + 1)) \
		'{dir: $dir, bytes: 0, projects: 2, accounts: 3, keys: 2, changes: $changes}')" "$(jq -c '.bytes = 0' <<<"$output")"
}

@test "--compact leaves out what is not used, and nothing else" {
	fill
	for n in $(seq 40); do
		k account add "account.$n" --name "$(printf 'x%.0s' {1..200})" >/dev/null
	done
	for n in $(seq 40); do
		k account remove "account.$n" >/dev/null
	done
	before=$(state)
	full=$(value .bytes backup "$copy")
	small=$(value .bytes backup --compact "$copy.2")
	[ "$small" -lt "$full" ]
	whole "$copy"
	whole "$copy.2"
	same "$before" "$(state_of "$copy")"
	same "$before" "$(state_of "$copy.2")"
	same "$(stat -c '%a %U:%G' "$copy/names.mdb" "$copy/private/access.mdb")" \
		"$(stat -c '%a %U:%G' "$copy.2/names.mdb" "$copy.2/private/access.mdb")"
}

@test "an empty directory is taken, and names in every form" {
	fill
	mkdir -m 755 "$copy"
	try 0 k backup "$copy"
	same 700 "$(stat -c %a "$copy")"
	cd "$BATS_TEST_TMPDIR"
	try 0 k backup relative
	try 0 k backup slash//
	mkdir inside && cd inside
	try 0 k backup .
	mkdir ../below
	try 0 k backup ../below/.././below/
	for each in relative slash inside below; do
		whole "$BATS_TEST_TMPDIR/$each"
	done
	same "" "$(find "$BATS_TEST_TMPDIR" -name '*.partial')"
}

@test "what is there already is never written over" {
	fill
	mkdir "$BATS_TEST_TMPDIR/full"
	touch "$BATS_TEST_TMPDIR/full/file" "$BATS_TEST_TMPDIR/file"
	ln -s /nowhere "$BATS_TEST_TMPDIR/link"
	before=$(find "$BATS_TEST_TMPDIR" ! -name 'separate-stderr*' -printf '%P %y %m %u %s\n' | tail -n +2)
	refused 4 "$BATS_TEST_TMPDIR/full is there and not empty" k backup "$BATS_TEST_TMPDIR/full"
	refused 4 "$BATS_TEST_TMPDIR/file cannot be written as a directory: Not a directory" k backup "$BATS_TEST_TMPDIR/file"
	refused 4 "$db is there and not empty" k backup $db
	refused 5 "cannot make the directory $BATS_TEST_TMPDIR/no/copy.partial: No such file" k backup "$BATS_TEST_TMPDIR/no/copy"
	refused 5 "cannot rename" k backup "$BATS_TEST_TMPDIR/link"
	refused 2 '"" is no name' k backup ""
	refused 2 '"/" cannot become a backup' k backup /
	refused 2 '"/dev/shm" is a mount point' k backup /dev/shm
	same "$before" "$(find "$BATS_TEST_TMPDIR" ! -name 'separate-stderr*' -printf '%P %y %m %u %s\n' | tail -n +2)"
	whole $db
}

@test "what is called .partial and is not what a backup left is in the way, and stays" {
	fill
	mkdir "$BATS_TEST_TMPDIR/elsewhere"
	ln -s elsewhere "$copy.partial"
	refused 4 "$copy.partial is in the way" k backup "$copy"
	same "" "$(ls "$BATS_TEST_TMPDIR/elsewhere")"
	rm "$copy.partial"
	# Another user's: what is written into it could be read by that user.
	mkdir "$copy.partial"
	chown nobody "$copy.partial"
	refused 4 "$copy.partial is in the way" k backup "$copy"
	same "" "$(ls "$copy.partial")"
	chown root "$copy.partial"
	chmod 750 "$copy.partial"
	refused 4 "$copy.partial is in the way" k backup "$copy"
	chmod 700 "$copy.partial"
	touch "$copy.partial/notes"
	refused 4 "$copy.partial is in the way" k backup "$copy"
	same notes "$(ls "$copy.partial")"
	rm "$copy.partial/notes"
	try 0 k backup "$copy"
	whole "$copy"
}

@test "of two backups to one place the second is refused" {
	fill
	mkdir -m 700 "$copy.partial"
	refused 5 "another backup writes $copy.partial" flock "$copy.partial" keyacct backup "$copy"
	[ -d "$copy.partial" ]
	[ ! -e "$copy" ]
}

@test "only root takes backups" {
	refused 5 "run this as root" as_nobody keyacct backup "$copy"
	nothing_left
}

# hold FILE: a process that has a write lock on FILE and is stopped; its id in $holder
hold() {
	perl -e 'use Fcntl; open F, "+>>", $ARGV[0] or die; my $lock = pack("s s x4 q q i x4", F_WRLCK, 0, 0, 0, 0);
		fcntl(F, F_SETLK, $lock) or die; kill STOP => $$ while 1' "$1" 3>&- &
	holder=$!
	until_stopped
}
until_stopped() {
	until [[ $(cat /proc/$holder/stat) == *") T "* ]]; do
		kill -0 $holder
	done
}

@test "a stopped drain: a warning, and a backup all the same" {
	fill
	k project list
	hold $db/private/usage.lock
	try 0 timeout 60 keyacct backup "$copy"
	same 1 "${#stderr_lines[@]}"
	[[ $stderr == "keyacct: some of the last uses may be missing in the backup: "*"process $holder"* ]]
	whole "$copy"
}

@test "a writer that is stopped in the middle of its transaction holds no backup up" {
	fill
	before=$(state)
	in_transaction=0
	for n in 2 4 6; do
		STOP_AT=$n LD_PRELOAD=$BATS_FILE_TMPDIR/killer.so ASAN_OPTIONS=verify_asan_link_order=0 \
			keyacct project add >/dev/null 3>&- &
		holder=$!
		until_stopped
		# Whoever holds the lock is in a transaction on access.mdb, but for a moment at its beginning.
		if grep -q "POSIX .* $holder .*:$(stat -c %i $db/private/lock) " /proc/locks; then
			in_transaction=$((in_transaction + 1))
		fi
		try 0 timeout 60 keyacct backup "$copy.$n"
		same "" "$stderr"
		whole "$copy.$n"
		kill -KILL $holder
		wait $holder || true
	done
	[ $in_transaction -ge 2 ]
	k account suspend outsider
	whole $db
}

@test "backups beside writers that never rest are each of one piece" {
	fill
	go=$BATS_TEST_TMPDIR/go
	touch "$go"
	(
		while [ -e "$go" ]; do
			project=$(new_project --owner owner --owner student)
			k key add outsider "$(pub student)" || exit 1
			k key remove "$(print_of "$(pub student)")" --account outsider || exit 1
			k project remove "$project" || exit 1
		done >/dev/null
	) 3>&- &
	first=$!
	(
		while [ -e "$go" ]; do
			k member add $id outsider || exit 1
			k group add-member staff outsider || exit 1
			k member remove $id outsider || exit 1
			k group remove-member staff outsider || exit 1
		done >/dev/null
	) 3>&- &
	second=$!
	for n in $(seq 15); do
		compact=$([ $((n % 3)) -eq 0 ] && echo --compact || true)
		# shellcheck disable=SC2086
		k backup $compact "$copy.$n" || touch "$BATS_TEST_TMPDIR/failed"
		# They are at work: each backup is of a later state.
		seen=$(value .projects backup "$copy.$n.later")
		deadline=$((SECONDS + 60))
		until [ "$(value 'length' project list --all)" -gt "$seen" ]; do
			[ $SECONDS -lt $deadline ]
		done
	done
	rm "$go"
	wait $first
	wait $second
	[ ! -e "$BATS_TEST_TMPDIR/failed" ]
	for each in "$copy".*; do
		whole "$each"
	done
	whole $db
	same 30 "$(find "$BATS_TEST_TMPDIR" -maxdepth 1 -name 'copy.*' | wc -l)"
	# And can be restored.
	keyacct --dir "$BATS_TEST_TMPDIR/other" init
	keyacct --dir "$BATS_TEST_TMPDIR/other" restore "$copy.7"
	same "$(state_of "$copy.7")" "$(state_of "$BATS_TEST_TMPDIR/other")"
	whole "$BATS_TEST_TMPDIR/other"
}

@test "killed at every call, it leaves no backup or a whole one, and the next one succeeds" {
	fill
	k project list
	before=$(state)
	for n in $(seq 300); do
		run killed_at "$n" backup "$copy"
		if [ "$status" -eq 0 ]; then break; fi
		same 137 "$status"
		if [ -e "$copy" ]; then
			whole "$copy"
			rm -r "$copy"
		fi
	done
	same 0 "$status"
	[ "$n" -gt 20 ]
	whole "$copy"
	same "$copy" "$(find "$BATS_TEST_TMPDIR" -maxdepth 1 -name 'copy*')"
	same "$before" "$(state)"
}

@test "a full disk: one sentence, and nothing is left" {
	fill
	mkdir "$BATS_TEST_TMPDIR/disk"
	mount -t tmpfs -o size=256k tmpfs "$BATS_TEST_TMPDIR/disk"
	for free in 1 2 4 8 16 24; do
		dd if=/dev/zero of="$BATS_TEST_TMPDIR/disk/filler" bs=4096 status=none 2>/dev/null || true
		truncate -s $((($(stat -c %s "$BATS_TEST_TMPDIR/disk/filler") / 4096 - free) * 4096)) "$BATS_TEST_TMPDIR/disk/filler"
		run --separate-stderr k backup "$BATS_TEST_TMPDIR/disk/copy"
		one_sentence 5
		[[ $stderr == *"No space left on device"* ]]
		same filler "$(ls "$BATS_TEST_TMPDIR/disk")"
	done
	rm "$BATS_TEST_TMPDIR/disk/filler"
	try 0 k backup "$BATS_TEST_TMPDIR/disk/copy"
	whole "$BATS_TEST_TMPDIR/disk/copy"
}

@test "a damaged database gives no backup that nobody could restore" {
	fill
	cp $db/private/access.mdb "$BATS_TEST_TMPDIR/access.mdb"
	k project set $id --home /srv/climate
	for at in $(grep -abo /srv/climate $db/private/access.mdb | cut -d: -f1); do
		printf X | dd of=$db/private/access.mdb bs=1 seek=$((at + 5)) conv=notrunc status=none
	done
	refused 5 "the copy cannot be read back, so the database itself may be damaged" k backup "$copy"
	nothing_left
}

@test "last uses that cannot be copied are a warning" {
	fill
	k project list
	truncate -s 5000 $db/private/usage.mdb
	run --separate-stderr k backup "$copy"
	same 0 "$status"
	[[ ${stderr_lines[-1]} == "keyacct: the last uses are not in the backup: "*usage.mdb* ]]
	whole "$copy"
	same "$(state_of "$copy" | grep -c '"last_used": null')" "$(state_of "$copy" | grep -c last_used)"
}

@test "what takes longer than two seconds shows how far it is, on a terminal alone" {
	fill
	LD_PRELOAD=$BATS_FILE_TMPDIR/hurry.so ASAN_OPTIONS=verify_asan_link_order=0 script -qec "keyacct backup $copy" \
		"$BATS_TEST_TMPDIR/typescript" >/dev/null
	cat -v "$BATS_TEST_TMPDIR/typescript"
	grep -qE "copying private/access.mdb: [0-9.]+ kB, 100%, [0-9.]+ (bytes|kB)/s, 0 s left" "$BATS_TEST_TMPDIR/typescript"
	# The last one is taken away, and then comes what is said.
	grep -qP "\r\e\[KThe backup is in" "$BATS_TEST_TMPDIR/typescript"
	LD_PRELOAD=$BATS_FILE_TMPDIR/hurry.so ASAN_OPTIONS=verify_asan_link_order=0 try 0 keyacct backup "$copy.2"
	same "" "$stderr"
	LD_PRELOAD=$BATS_FILE_TMPDIR/hurry.so ASAN_OPTIONS=verify_asan_link_order=0 script -qec "keyacct --json backup $copy.3" \
		"$BATS_TEST_TMPDIR/typescript" >/dev/null
	run ! grep -q copying "$BATS_TEST_TMPDIR/typescript"
	# Nothing of it for one that is quick.
	script -qec "keyacct backup $copy.4" "$BATS_TEST_TMPDIR/typescript" >/dev/null
	run ! grep -q copying "$BATS_TEST_TMPDIR/typescript"
}
