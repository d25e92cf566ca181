#!/usr/bin/env bats
# needs: sshd
# shellcheck disable=SC2034,SC2154
# keyacct doctor: is the database sound, is there room, and does anybody hold others up? Each check broken once.
load doctor.bash

setup_file() {
	healthy_host
	keyacct drain
	rm -rf $healthy/database
	cp -a $database $healthy/database
	keyacct backup /var/backups/keyacct-2026-01-01
}

setup() {
	umount $database 2>/dev/null || true
	as_before
}

private=$database/private

# no_restore: no command takes the database out of a backup, which grants again what was revoked since
no_restore() { same "" "$(jq -r '.[] | select(.remedy) | .check + ": " + .remedy' <<<"$said" | grep -w restore)"; }

@test "files: modes that are too wide, and too narrow" {
	while read -r -u 9 path mode; do
		chmod 777 "$database$path"
		# A database that others can write is not believed, which other checks see too.
		ask
		same 5 "$status"
		same "$database$path has mode 0777 and not 0$mode: others may do more than they should" "$(lines files message)"
		remedy files "chmod 0$mode $database$path"
		no_restore
		mends files
		same "$mode" "$(stat -c %a "$database$path")"
	done 9<<-END
		/names.mdb 644
		/private 750
		/private/access.mdb 640
		/private/usage.mdb 600
	END
	chmod 777 $database
	finds "files" failure "$database has mode 0777 and not 0755"
	mends files
	chmod 600 $database/names.mdb
	ask
	same "$database/names.mdb has mode 0600 and not 0644: who has to read it cannot" "$(lines files message)"
	mends files
	chmod 700 $private
	finds "files helper-reads" failure "$private has mode 0700"
	mends files
}

@test "files: owners and groups" {
	for path in "" /names.mdb /private /private/access.mdb /private/usage.mdb; do
		chown games "$database$path"
		ask
		same 5 "$status"
		[[ $(lines files message) == "$database$path belongs to "* ]]
		no_restore
		mends files
	done
	chgrp games $private/access.mdb
	finds "files helper-reads" failure "$private/access.mdb belongs to 0:60 and not to root:keyacct"
	remedy files "chown root:keyacct $private/access.mdb"
	mends files
}

@test "files: a directory on the way that others can replace" {
	chmod g+w /var/lib
	finds files warning "/var/lib may be written by the group root (mode 0775)"
	mends files
	chmod o+w /var/lib
	finds files failure "/var/lib may be written by others than root (mode 0757)"
	mends files
}

@test "files: a link, a fifo or a directory in a file's place" {
	for kind in link fifo directory; do
		as_before
		mv $database/names.mdb "$BATS_TEST_TMPDIR/names.mdb"
		case $kind in
		link) ln -s "$BATS_TEST_TMPDIR/names.mdb" $database/names.mdb ;;
		fifo) mkfifo -m 644 $database/names.mdb ;;
		directory) mkdir -m 644 $database/names.mdb ;;
		esac
		ask
		same failure "$(lines files result | head -n 1)"
		[[ $(lines files message) == *"$database/names.mdb is no regular file"* ]]
		mends files
		rm -rf $database/names.mdb.strange
	done
	# The directory itself may lie elsewhere.
	mv $database /srv/keyacct
	ln -s /srv/keyacct $database
	ask
	same "" "$(complaints)"
	rm $database
	rm -r /srv/keyacct
}

@test "files: what is missing" {
	rm $database/names.mdb
	ask
	[[ $(lines files message) == "$database/names.mdb is missing" ]]
	same "keyacct check --repair" "$(lines files remedy)"
	no_restore
	mends files
	rm $private/access.mdb
	ask
	[[ $(lines files message) == "$private/access.mdb is missing" ]]
	same "keyacct restore /var/backups/keyacct-2026-01-01" "$(lines files remedy)"
	mends files
	as_before
	rm $private/usage.mdb
	finds files warning "the counts of last uses begin anew"
	remedy files "keyacct drain"
	mends files
	mv /var/backups/keyacct-2026-01-01 "$BATS_TEST_TMPDIR/"
	rm $private/access.mdb
	ask
	mv "$BATS_TEST_TMPDIR/keyacct-2026-01-01" /var/backups/
	same "keyacct restore BACKUP" "$(lines files remedy)"
}

@test "locks: others can open a lock file" {
	for path in names.mdb-lock private/access.mdb-lock private/usage.mdb-lock private/lock private/usage.lock; do
		[ -e "$database/$path" ]
		chmod 644 "$database/$path"
		finds locks failure "$database/$path has mode 0644 and not 0600: whoever can open it can make root's tool wait"
		remedy locks "chmod 0600 $database/$path"
		mends locks
		chown games "$database/$path"
		finds locks failure "$database/$path belongs to "
		mends locks
	done
	rm $private/lock
	ln -s /etc/passwd $private/lock
	finds locks failure "$private/lock is no regular file"
	mends locks
}

# damage FILE: its second half is nothing that was ever written there, whichever page is the current root
damage() {
	perl -e 'open my $f, "+<", $ARGV[0] or die; seek $f, 8192, 0; print $f "\xee" x ((-s $ARGV[0]) - 8192)' "$1"
}

@test "database: a file that is damaged" {
	damage $private/access.mdb
	ask
	same failure "$(lines database result)"
	[[ $(lines database message) == "$private/access.mdb is damaged, or a newer version wrote it" ]]
	mends database
	as_before
	damage $database/names.mdb
	ask
	[[ $(lines database message) == "$database/names.mdb is damaged, or a newer version wrote it" ]]
	remedy database "keyacct check --repair"
	no_restore
	mends database
	as_before
	damage $private/usage.mdb
	finds database failure "$private/usage.mdb is damaged"
	remedy database "keyacct check --repair"
	no_restore
	mends database
	# What is to be made anew follows from what is damaged too.
	damage $database/names.mdb
	damage $private/access.mdb
	ask
	same "keyacct restore /var/backups/keyacct-2026-01-01" "$(lines database remedy)"
}

@test "database: a row that is damaged" {
	k account set owner --name 'Of a kind' >/dev/null
	perl -0777 -pi -e 's/Of a kind/Of a kinh/g' $private/access.mdb
	finds database failure "$private/access.mdb is damaged"
	mends database
}

@test "database: one file is newer than the other" {
	cp -a $private/access.mdb "$BATS_TEST_TMPDIR/"
	new_project --owner owner >/dev/null
	cp -a "$BATS_TEST_TMPDIR/access.mdb" $private/
	ask
	[[ $(lines database message) == "names.mdb is newer than access.mdb"* ]]
	[[ $(lines helper-reads message) == "$private/access.mdb is older than names.mdb"* ]]
	remedy helper-reads "keyacct restore /var/backups/keyacct-2026-01-01"
	same "keyacct restore /var/backups/keyacct-2026-01-01" "$(lines database remedy)"
	mends database
	as_before
	cp -a $database/names.mdb "$BATS_TEST_TMPDIR/"
	k project add ffffffff-ffff-4fff-bfff-ffffffffffff --owner owner >/dev/null
	cp -a "$BATS_TEST_TMPDIR/names.mdb" $database/
	finds database warning "changes behind access.mdb: the newest projects are no users yet"
	mends database
}

@test "room: a disk that is nearly full, has no inodes left, or is read-only" {
	mkdir -p "$BATS_TEST_TMPDIR/kept"
	cp -a $database/. "$BATS_TEST_TMPDIR/kept/"
	on_disk() {
		mount -t tmpfs -o "mode=755,$1" tmpfs $database
		cp -a "$BATS_TEST_TMPDIR/kept/." $database/
	}
	on_disk size=32m
	finds room warning "$database has 3"
	remedy room "du -xh $database | sort -h | tail"
	head -c 40000000 /dev/zero >$database/filler 2>/dev/null || true
	finds room failure "$database has 0 kB left: no change is taken"
	umount $database
	on_disk size=128m,nr_inodes=512
	finds room warning "has room for 50"
	remedy room "du -x --inodes $database | sort -n | tail"
	for n in $(seq 510); do : >"$database/$n"; done 2>/dev/null || true
	finds room failure "has room for 0 more files"
	umount $database
	on_disk size=128m
	mount -o remount,ro $database
	finds room failure "is on a file system that is read-only"
	remedy room "mount -o remount,rw $database"
	mends room
	umount $database
}

@test "room: of the homes and of the registry" {
	mount -t tmpfs -o mode=755,size=1m tmpfs /projects
	finds room warning "/projects has 1024 kB left: no home can be made"
	umount /projects
	mkdir -p /run/keyacct
	mount -t tmpfs -o mode=700,size=512k tmpfs /run/keyacct
	finds room failure "/run/keyacct has 512 kB left"
	umount /run/keyacct
}

# hold PATH [SHARED]: a process that holds this lock, in $holder
hold() {
	rm -f "$BATS_TEST_TMPDIR/held"
	perl -e '
		use Fcntl qw(:DEFAULT :flock);
		open my $f, "+>>", $ARGV[0] or die;
		if ($ARGV[1]) { flock($f, LOCK_SH) or die }
		else { my $lock = pack("s s x4 q q i x4", F_WRLCK, 0, 0, 0, 0); fcntl($f, F_SETLK, $lock) or die }
		open my $h, ">", $ARGV[2]; close $h;
		sleep 1000' "$1" "${2:-}" "$BATS_TEST_TMPDIR/held" 3>&- &
	holder=$!
	until [ -e "$BATS_TEST_TMPDIR/held" ]; do kill -0 $holder; done
}
is_state() { [[ $(sed 's/.*) //' "/proc/$holder/stat") == "$1 "* ]]; }
let_go() {
	kill -KILL $holder
	wait $holder || true
}

@test "writer: a command that is stopped is named" {
	hold $private/lock
	ask
	same "" "$(complaints)"
	kill -STOP $holder
	until is_state T; do :; done
	finds writer failure "process $holder (perl "
	[[ $(lines writer message) == *") is stopped and holds the lock of who changes the database: others wait for it" ]]
	remedy writer "kill -CONT $holder"
	mends writer
	let_go
	ask
	same "" "$(complaints)"
}

@test "writer: one that has had it for long" {
	hold $private/lock
	# The host has run for long, as far as is told.
	echo "999999999.00 1.00" >"$BATS_TEST_TMPDIR/uptime"
	mount --bind "$BATS_TEST_TMPDIR/uptime" /proc/uptime
	finds writer warning "holds the lock of who changes the database: others wait for it"
	umount /proc/uptime
	remedy writer "kill $holder"
	mends writer
	wait $holder || true
}

@test "spool: a drain that is stopped, and a login that is" {
	hold $private/usage.lock
	kill -STOP $holder
	until is_state T; do :; done
	finds spool failure "is stopped and holds the lock of who takes in last uses"
	mends spool
	let_go
	: >$private/usage.spool
	chmod 600 $private/usage.spool
	hold $private/usage.spool shared
	ask
	same "" "$(complaints)"
	kill -STOP $holder
	until is_state T; do :; done
	finds spool failure "is stopped and holds the spool of last uses"
	remedy spool "kill -CONT $holder"
	mends spool
	let_go
}

@test "spool: what waits too long, and too much of it" {
	make_keys owner
	k key add owner "$(pub owner)" >/dev/null
	owner=$(value .id account show owner)
	note() { used "$(print_of "$(pub owner)")" "$owner" "$(hyphens "$project")" "$1"; }
	note "$EPOCHSECONDS"
	chmod 600 $private/usage.spool
	ask
	same "" "$(complaints)"
	[[ $(lines spool message) == "1 last uses, the oldest of "*", wait to be taken in: few enough" ]]
	for _ in $(seq 14); do
		cat $private/usage.spool $private/usage.spool >"$BATS_TEST_TMPDIR/twice"
		cat "$BATS_TEST_TMPDIR/twice" >$private/usage.spool
	done
	finds spool warning "16384 last uses, the oldest of "
	remedy spool "keyacct drain"
	mends spool
	note $((EPOCHSECONDS - 31 * 86400))
	chmod 600 $private/usage.spool
	finds spool warning "1 last uses, the oldest of "
	mends spool
	# One that a killed drain had put aside counts as well.
	note $((EPOCHSECONDS - 31 * 86400))
	chmod 600 $private/usage.spool
	mv $private/usage.spool $private/usage.spool.99
	finds spool warning "1 last uses"
}

@test "spool: others can write it" {
	: >$private/usage.spool
	chmod 622 $private/usage.spool
	finds files failure "$private/usage.spool has mode 0622 and not 0600"
	mends files
	rm $private/usage.spool
	ln -s /etc/passwd $private/usage.spool
	finds files failure "$private/usage.spool is no regular file"
	mends files
}
