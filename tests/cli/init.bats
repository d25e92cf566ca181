#!/usr/bin/env bats
# keyacct init: what it leaves on the disk, for whom, and what it says when it cannot.
load helpers

setup_file() {
	make_keys owner
	chmod 711 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_RUN_TMPDIR"/*
}

setup() {
	rm -rf /var/lib/keyacct
	db=/var/lib/keyacct
}

teardown() {
	if [ -e "$BATS_TEST_TMPDIR/group" ]; then
		cat "$BATS_TEST_TMPDIR/group" >/etc/group
	fi
}

listing() { find /var/lib/keyacct -printf '%m %u:%g %y %P\n' | LC_ALL=C sort -k4; }

fresh='755 root:root d
644 root:root f names.mdb
750 root:keyacct d private
640 root:keyacct f private/access.mdb
600 root:root f private/lock
600 root:root f private/usage.mdb'

used='755 root:root d
644 root:root f names.mdb
600 root:root f names.mdb-lock
750 root:keyacct d private
640 root:keyacct f private/access.mdb
600 root:root f private/access.mdb-lock
600 root:root f private/lock
600 root:root f private/usage.lock
600 root:root f private/usage.mdb
600 root:root f private/usage.mdb-lock'

listing_is() { same "$1" "$(listing | sed 's/ $//')"; }

use_everything() {
	k account add owner
	k project add --owner owner
	k key add owner "$(pub owner)"
	k project list
	k key list
}

@test "init makes three files and one directory, each with its mode and owner" {
	try 0 keyacct init
	same "There is an empty database in /var/lib/keyacct now. Next: keyacct account add HANDLE" "$output"
	listing_is "$fresh"
}

@test "a umask of 000 lets nobody in" {
	umask 000
	try 0 keyacct init
	listing_is "$fresh"
	use_everything
	listing_is "$used"
}

@test "a umask of 777 keeps nobody out" {
	umask 777
	try 0 keyacct init
	listing_is "$fresh"
	use_everything
	listing_is "$used"
	umask 022
}

@test "lock files belong to root alone, also when the first command only reads" {
	umask 000
	keyacct init
	for command in "account list" "project list" "key list" "drain"; do
		# shellcheck disable=SC2086
		try 0 k $command
		same "" "$(find /var/lib/keyacct -name '*lock*' ! -perm 600 -o -name '*lock*' ! -user root)"
	done
	same 4 "$(find /var/lib/keyacct -name '*lock' | wc -l)"
}

@test "a directory that is there already gets its mode and group" {
	mkdir -m 777 $db
	mkdir -m 777 $db/private
	try 0 keyacct init
	listing_is "$fresh"
}

@test "a directory that is there already becomes root's" {
	mkdir $db $db/private
	chown nobody $db/private $db
	keyacct init || true
	listing_is "$fresh"
}

@test "a second init is a conflict and changes nothing" {
	keyacct init
	k account add owner
	before=$(cat $db/names.mdb $db/private/*.mdb | sha256sum)
	refused 4 "there is a database already: /var/lib/keyacct/private/access.mdb exists" keyacct init
	same "$before" "$(cat $db/names.mdb $db/private/*.mdb | sha256sum)"
	try 0 k account show owner
}

@test "without the group keyacct, init says how to make it and makes nothing" {
	cp /etc/group "$BATS_TEST_TMPDIR/group"
	sed -i '/^keyacct:/d' /etc/group
	refused 3 'there is no group "keyacct"' keyacct init
	[[ $stderr == *"systemd-sysusers keyacct.conf"* ]]
	[ ! -e $db ]
}

@test "without root, init and every other command say so and exit 5" {
	refused 5 "run this as root" as_nobody keyacct init
	[ ! -e $db ]
	keyacct init
	use_everything
	refused 5 "run this as root" as_nobody keyacct init
	while read -r -u 9 line; do
		# shellcheck disable=SC2086
		refused 5 "run this as root" as_nobody keyacct $line
	done 9< <(every_command)
}

@test "without a database every command exits 5 and says how to make one" {
	for prepare in "rm -rf $db" "mkdir $db" "mkdir $db/private"; do
		$prepare
		while read -r -u 9 line; do
			# The last one is below.
			if [ "$prepare $line" = "mkdir $db/private drain" ]; then continue; fi
			# shellcheck disable=SC2086
			refused 5 "'keyacct init'" keyacct $line </dev/null
		done 9< <(every_command)
	done
}

@test "a directory that init left half made: drain exits 5 and makes no file there" {
	mkdir -p $db/private
	refused 5 "'keyacct init'" keyacct drain
	same "" "$(find $db -type f)"
}

@test "a command without a database makes no file" {
	while read -r -u 9 line; do
		# shellcheck disable=SC2086
		try 5 keyacct $line
	done 9< <(every_command)
	[ ! -e $db ]
}

@test "init completes what a killed one left" {
	keyacct init
	mv $db/private/access.mdb $db/private/access.mdb.new
	refused 5 "'keyacct init'" keyacct account list
	refused 5 "'keyacct init'" keyacct account add owner
	try 0 keyacct init
	# A command that failed may have made one of LMDB's lock files.
	same "$fresh" "$(listing | grep -v -e -lock | sed 's/ $//')"
	use_everything
	listing_is "$used"
}

@test "init replaces a half-written file that a killed one left" {
	mkdir -p $db/private
	for file in names.mdb private/usage.mdb private/access.mdb; do
		head -c 5000 /dev/urandom >$db/$file.new
	done
	try 0 keyacct init
	listing_is "$fresh"
	use_everything
}

@test "killed at any moment, init leaves a database or something that init completes" {
	killed=0 completed=0
	for i in $(seq 1 60); do
		rm -rf $db
		if timeout -s KILL "0.00$((i % 10))$((i / 10))" keyacct init >/dev/null 2>&1; then
			completed=$((completed + 1))
		else
			killed=$((killed + 1))
		fi
		if [ -e $db/private/access.mdb ]; then
			refused 4 "there is a database already" keyacct init
		else
			refused 5 "'keyacct init'" keyacct account list
			try 0 keyacct init
		fi
		try 0 keyacct account add owner
		same "" "$(find $db -name '*.new')"
	done
	echo "killed $killed, completed $completed"
	[ "$killed" -ge 1 ]
}

@test "a file or a link in the place of the directory is refused" {
	touch $db
	refused 5 "cannot make the directory /var/lib/keyacct" keyacct init
	rm $db
	mkdir "$BATS_TEST_TMPDIR/elsewhere"
	ln -s "$BATS_TEST_TMPDIR/elsewhere" $db
	refused 5 "cannot make the directory /var/lib/keyacct" keyacct init
	same "" "$(ls "$BATS_TEST_TMPDIR/elsewhere")"
	rm $db
	mkdir $db "$BATS_TEST_TMPDIR/private"
	ln -s "$BATS_TEST_TMPDIR/private" $db/private
	refused 5 "cannot make the directory /var/lib/keyacct/private" keyacct init
	same "" "$(ls "$BATS_TEST_TMPDIR/private")"
}

@test "a directory whose parent is missing is refused by name" {
	refused 5 "cannot make the directory $BATS_TEST_TMPDIR/a/b: No such file or directory" \
		keyacct --dir "$BATS_TEST_TMPDIR/a/b" init
}

@test "--dir stands before the command or after it, with a blank or =" {
	keyacct --dir "$BATS_TEST_TMPDIR/1" init
	keyacct "--dir=$BATS_TEST_TMPDIR/2" init
	keyacct init --dir "$BATS_TEST_TMPDIR/3"
	keyacct init "--dir=$BATS_TEST_TMPDIR/4"
	for n in 1 2 3 4; do
		[ -s "$BATS_TEST_TMPDIR/$n/private/access.mdb" ]
	done
	[ ! -e $db ]
}

@test "when names.mdb alone is missing, the sentence says how it is made anew" {
	keyacct init
	k account add owner
	k project list
	rm $db/names.mdb
	refused 5 "$db/names.mdb is missing: 'keyacct check --repair' makes it anew" k project add
	refused 4 "there is a database already" keyacct init
	[ ! -e $db/names.mdb ]
	k check --repair
	k project add
}

@test "when usage.mdb alone is missing, last uses begin anew, for root alone, and nothing else is lost" {
	keyacct init
	use_everything
	before=$(state)
	for command in "project list" "project show $(value '.[0].id' project list)" "key list" "key show $(print_of "$(pub owner)")" drain; do
		rm $db/private/usage.mdb
		# shellcheck disable=SC2086
		try 0 k $command
		same "" "$stderr"
		same "600 root:root" "$(stat -c '%a %U:%G' $db/private/usage.mdb)"
		same "$before" "$(state)"
	done
	rm $db/private/usage.mdb
	refused 4 "there is a database already" keyacct init
}

@test "two inits at once make one database" {
	for _ in $(seq 20); do
		rm -rf $db
		for n in 1 2 3; do
			keyacct init >/dev/null 2>&1 3>&- &
			pids[n]=$!
		done
		won=0 lost=0
		for n in 1 2 3; do
			status=0
			wait "${pids[n]}" || status=$?
			case $status in
			0) won=$((won + 1)) ;;
			4) lost=$((lost + 1)) ;;
			esac
		done
		same "1 2" "$won $lost"
		k account add owner >/dev/null
		k project list 2>/dev/null
		listing_is "$used"
	done
}
