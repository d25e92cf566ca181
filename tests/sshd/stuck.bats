#!/usr/bin/env bats
# needs: sshd
# Disks that take nothing, and processes that stand still in the middle of a change: logins go on, and do not wait.

load lib

setup_file() {
	load lib
	make_people
	export P=$(new_project owner)
	gcc -D_GNU_SOURCE -shared -fPIC -O1 -o "$D/killer.so" "$BATS_TEST_DIRNAME/../cli/killer.c" -ldl
	cp -a $DB "$D/db"
}

setup() { disk=; }

teardown() {
	if [ -n "$disk" ]; then umount -l $DB; fi
	jobs -rp | xargs -r kill -KILL
	rm -rf $DB
	cp -a "$D/db" $DB
}

# on_disk OPTIONS: the database on a file system of its own
on_disk() {
	rm -rf $DB
	mkdir $DB
	mount -t tmpfs -o "$1" tmpfs $DB
	disk=yes
	cp -a "$D/db/." $DB
	# The lock files of readers, which are made once.
	keyacct account list
}

# logins_go_on: the owner's, and who may not still may not; within what ssh itself takes
logins_go_on() {
	enters owner "$P"
	denied outsider "$P"
}

# a_change_fails SENTENCE: one sentence, and the old state stands
a_change_fails() {
	before=$(keyacct --json member list "$P")
	run --separate-stderr timeout 20 keyacct member add "$P" student
	[ "$status" -eq 5 ]
	[ -z "$output" ]
	[ ${#stderr_lines[@]} -eq 1 ]
	[[ $stderr == "keyacct: "*"$1"* ]]
	[ "$(keyacct --json member list "$P")" = "$before" ]
	denied student "$P"
}

@test "the disk is full" {
	on_disk size=1m,mode=755
	dd if=/dev/zero of=$DB/filler bs=4096 status=none 2>/dev/null || true
	logins_go_on
	# The pages that are free inside the files are used up first.
	n=0
	while keyacct account add "filler-$n" >/dev/null 2>&1; do n=$((n + 1)); done
	a_change_fails "No space left on device"
}

@test "the disk has no room for another file" {
	on_disk nr_inodes=16,mode=755
	n=0
	until ! : >$DB/filler.$n; do n=$((n + 1)); done 2>/dev/null
	[ -e $DB/filler.0 ]
	[ ! -e $DB/private/usage.spool ]
	log_mark
	logins_go_on
	[[ $(log_since) == *"No space left on device"* ]]
	# A change makes no file.
	keyacct member add "$P" student
	enters student "$P"
}

@test "the disk can only be read" {
	on_disk size=4m,mode=755
	mount -o remount,ro $DB
	log_mark
	logins_go_on
	[[ $(log_since) == *"Read-only file system"* ]]
	a_change_fails "Read-only file system"
	run keyacct project list
	[ "$status" -eq 0 ]
}

@test "a change that is stopped at any of its calls holds up no login, and is whole or not there" {
	# Each second call: what is between two of them is no other state of the files.
	for ((n = 1; n < 100; n += 2)); do
		STOP_AT=$n LD_PRELOAD=$D/killer.so keyacct member add "$P" student >/dev/null 2>&1 3>&- &
		stopped=$!
		wait_until stands "$stopped"
		ended=no
		[ -e /proc/$stopped ] || ended=yes
		enters owner "$P"
		run login student "$P" whoami
		[ "$output" = "$P" ] || is_denied "$P@projects: $DENIED"
		kill -KILL "$stopped" 2>/dev/null || true
		wait "$stopped" 2>/dev/null || true
		keyacct member remove "$P" student >/dev/null 2>&1 || true
		[ "$ended" = no ] || break
	done
	[ "$ended" = yes ]
	[ "$n" -gt 10 ]
}

# stands PID: it is stopped, or has ended
stands() {
	[ ! -e "/proc/$1" ] || [[ $(cat "/proc/$1/stat" 2>/dev/null) == *") "[TZ]" "* ]]
}

@test "lock files that are held, removed or replaced hold up no login" {
	perl -MFcntl=:flock -e '
		for (@ARGV) { open($f{$_}, "+>>", $_) or die "$_: $!"; flock($f{$_}, LOCK_EX) or die }
		print "held\n"; close STDOUT; kill "STOP", $$' \
		$DB/private/lock $DB/private/usage.lock $DB/private/access.mdb-lock $DB/names.mdb-lock >"$D/held" 2>&1 3>&- &
	holder=$!
	wait_until stands "$holder"
	grep -q held "$D/held"
	logins_go_on
	kill -KILL "$holder"
	rm -f $DB/private/lock $DB/private/usage.lock $DB/private/*-lock $DB/*-lock
	logins_go_on
	for file in $DB/private/access.mdb-lock $DB/names.mdb-lock $DB/private/lock; do
		head -c 8192 /dev/urandom >$file
	done
	logins_go_on
}

@test "a login that is stopped while it notes the use of a key holds up no other, whose uses are counted" {
	before=$(used owner owner)
	touch $DB/private/usage.spool
	perl -MFcntl=:flock -e 'open(my $f, "+<", shift) or die; flock($f, LOCK_SH) or die; kill "STOP", $$' \
		$DB/private/usage.spool 3>&- &
	holder=$!
	wait_until stands "$holder"
	enters owner "$P"
	enters owner "$P"
	run timeout 20 keyacct drain
	kill -KILL "$holder"
	[ "$(used owner owner)" -eq $((before + 2)) ]
}

@test "the database is replaced by a restore while people log in" {
	keyacct backup "$D/backup"
	(while login owner "$P" true; do :; done) 3>&- &
	logins=$!
	for n in 1 2 3 4 5; do
		keyacct member add "$P" student
		enters student "$P"
		keyacct restore "$D/backup"
		denied student "$P"
	done
	[ -e "/proc/$logins" ]
	kill "$logins"
}
