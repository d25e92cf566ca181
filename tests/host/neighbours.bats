#!/usr/bin/env bats
# needs: sshd
# A user of the same host who has a shell and no rights, and does what can be done with that against the installed files.

load ../sshd/lib

T=${KEYACCT_BUILD:?}/tests/host

setup_file() {
	load ../sshd/lib
	make_people
	export P=$(new_project owner)
	useradd --create-home --shell /bin/bash neighbour
	# Something in the spool and in the registry, and every lock file.
	login owner $P true
	keyacct drain
	login owner $P true
	export UIDNUMBER=$(field_of $P uid)
	sed -i -E '/^(passwd|group):/s/ systemd//' /etc/nsswitch.conf
}

teardown() {
	if [ -n "${neighbour:-}" ]; then
		kill "$neighbour"
		wait "$neighbour" 2>/dev/null || true
	fi
	if [ -d /root/bats ]; then
		umount --lazy "$BATS_RUN_TMPDIR" /tmp /dev/shm /root/bats
		rmdir /root/bats
	fi
}

# neighbour COMMAND...: as the neighbour
as_neighbour=(setpriv --reuid neighbour --regid neighbour --init-groups -- env -i PATH=/usr/bin:/bin)
neighbour() { "${as_neighbour[@]}" "$@"; }

# begin MODE ARG...: a neighbour that goes on until the test's end; returns when it has all that it can get
begin() {
	# Each of these becomes the next, so that what is ended is "timeout", which ends all that the neighbour has started.
	"${as_neighbour[@]}" timeout 120 "$T/neighbour" "$@" >"$BATS_TEST_TMPDIR/said" 2>/dev/null 3>&- &
	neighbour=$!
	wait_until grep -q ready "$BATS_TEST_TMPDIR/said"
}
end() {
	kill "$neighbour"
	wait "$neighbour" || true
	neighbour=
}

# same WHAT GOT: equal, or both are shown
same() {
	[ "$1" = "$2" ] || {
		printf 'expected: %s\ngot:      %s\n' "$1" "$2"
		return 1
	}
}

# commits N FILE [DIR]
commits() { "$T/commits" "${3:-$DB}" $P "$1" "$2"; }
# at PERCENT FILE: that percentile of microseconds
at() { sort -n "$2" | awk -v p="$1" '{t[NR] = $1} END {i = int(NR * p / 100); print t[(i > 0) ? i : 1]}'; }
sizes() { stat -c '%n %s' $DB/names.mdb $DB/private/access.mdb $DB/private/usage.mdb | sed 's,.*/,,'; }

@test "nothing can be opened for writing, made, replaced, linked, removed, changed or locked" {
	run neighbour "$T/neighbour" try $DB /run/keyacct
	[ "$output" = "" ]
	[ "$status" -eq 0 ]
}

@test "nor by a member, under the project's own uid" {
	run setpriv --reuid $UIDNUMBER --regid $UIDNUMBER --clear-groups -- "$T/neighbour" try $DB /run/keyacct
	[ "$output" = "" ]
	[ "$status" -eq 0 ]
}

@test "only names.mdb and its directory are for everyone" {
	run neighbour find $DB /run/keyacct -readable
	[ "$(sed '/Permission denied/d' <<<"$output" | sort)" = "$DB
$DB/names.mdb" ]
	[ "$(stat -c '%A %U' $DB $DB/names.mdb $DB/names.mdb-lock $DB/private $DB/private/access.mdb $DB/private/usage.mdb /run/keyacct |
		sort | uniq -c | awk '{print $1, $2, $3}')" = "2 -rw------- root
1 -rw-r----- root
1 -rw-r--r-- root
1 drwx------ root
1 drwxr-x--- root
1 drwxr-xr-x root" ]
}

@test "no moment of making a database lets a neighbour in" {
	mkdir -m 755 /var/lib/again
	begin race /var/lib/again
	for _ in {1..40}; do
		keyacct --dir /var/lib/again init >/dev/null
		keyacct --dir /var/lib/again account add someone >/dev/null
		rm -rf /var/lib/again/*
	done
	same ready "$(cat "$BATS_TEST_TMPDIR/said")"
}

# A neighbour that is stopped gives nothing back: who waited for it would wait until the timeout.
stop_neighbour() { pkill -STOP -u neighbour; }
wake_neighbour() { pkill -CONT -u neighbour; }

@test "a writer does not wait for a neighbour who holds and locks all that it can get, and is stopped" {
	quiet=$BATS_TEST_TMPDIR/quiet beside=$BATS_TEST_TMPDIR/beside
	commits 100 "$quiet"
	begin hold $DB
	stop_neighbour
	timeout 30 "$T/commits" $DB $P 100 "$beside"
	timeout 30 keyacct project set $P --title 'Beside a neighbour'
	wake_neighbour
	end
	for p in 50 90; do
		echo "# commit, ${p}th percentile: alone $(at $p "$quiet") us, beside a neighbour $(at $p "$beside") us" >&3
	done
}

@test "no file grows because of it: 1,000 commits beside it take what 1,000 commits take alone" {
	commits 200 /dev/null
	cp -a $DB /var/lib/alone
	commits 1000 /dev/null /var/lib/alone
	begin hold $DB
	[[ $(cat "$BATS_TEST_TMPDIR/said") =~ ^ready\ ([0-9]+)$ ]]
	[ "${BASH_REMATCH[1]}" -ge 1000 ]
	echo "# descriptors held: ${BASH_REMATCH[1]}" >&3
	names=$(stat -c %s $DB/names.mdb)
	commits 1000 /dev/null
	[ "$(stat -c %s $DB/names.mdb)" -eq "$names" ]
	[ "$(sizes)" = "$(DB=/var/lib/alone sizes)" ]
}

@test "no answer changes, and the tool, the helper and a login work, while it holds on" {
	begin hold $DB
	home=$(field_of $P home) shell=$(field_of $P shell)
	for _ in {1..20}; do
		"$T/guest" answers $P "$UIDNUMBER" "$home" "$shell"
		commits 10 /dev/null
	done
	keyacct project set $P --ssh off >/dev/null
	keyacct project set $P --ssh on >/dev/null
	enters owner $P
	denied stranger $P
	keyacct drain
	no_entries
}

@test "full directories and a full process table of its own hold up nobody" {
	# bats writes under /tmp too: its files move aside, and /tmp becomes small.
	case $PWD in /tmp/*) skip "the checkout is in /tmp" ;; esac
	mkdir /root/bats
	mount --bind "$BATS_RUN_TMPDIR" /root/bats
	mount -t tmpfs -o size=4m,nr_inodes=4k,mode=1777 tmpfs /tmp
	mkdir -p "$BATS_RUN_TMPDIR"
	mount --bind /root/bats "$BATS_RUN_TMPDIR"
	mount -t tmpfs -o size=4m,nr_inodes=4k,mode=1777 tmpfs /dev/shm
	begin fill /tmp /dev/shm
	run ! sh -c 'echo more >/tmp/more'
	enters owner $P
	keyacct account add another
	commits 10 /dev/null
	keyacct drain
	"$T/guest" answers $P "$UIDNUMBER" "$(field_of $P home)" "$(field_of $P shell)"
}

@test "a login does not wait for a neighbour who holds all that it can get, and is stopped" {
	begin hold $DB
	stop_neighbour
	enters owner $P
	wake_neighbour
	end
}
