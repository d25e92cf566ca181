#!/usr/bin/env bats
# Damaged files, and files that disagree: exit 5 and one sentence, never a crash or a wrong answer.
load helpers

setup_file() { make_keys owner student; }

setup() {
	umask 022
	default_db
	people
	id=829e7b56-93d6-11e7-ae8e-e70cea5e8cd7
	name=829e7b5693d611e7ae8ee70cea5e8cd7
}

# The two files disagree

@test "names.mdb older than access.mdb: the next command that writes closes the gap" {
	cp $db/names.mdb "$BATS_TEST_TMPDIR/names.mdb"
	k project add $id
	k project add 11111111-93d6-11e7-ae8e-e70cea5e8cd7
	k project remove 11111111
	k project set $id --home /srv/climate
	cp "$BATS_TEST_TMPDIR/names.mdb" $db/names.mdb
	run ! getent passwd $name
	# Reading does not write.
	k project list
	run ! getent passwd $name
	k account suspend outsider
	same /srv/climate "$(getent passwd $name | cut -d: -f6)"
	same /usr/sbin/nologin "$(getent passwd 1111111193d611e7ae8ee70cea5e8cd7 | cut -d: -f7)"
	agree
	same 1879048194 "$(value .uid project add)"
}

@test "names.mdb newer than access.mdb: commands that write stop, and nothing is changed" {
	cp $db/private/access.mdb "$BATS_TEST_TMPDIR/access.mdb"
	k project add $id --owner owner
	cp "$BATS_TEST_TMPDIR/access.mdb" $db/private/access.mdb
	before=$(sha256sum $db/names.mdb $db/private/access.mdb)
	for command in "project add" "project add $id" "account add someone" "account suspend owner" "account remove owner" \
		"key add owner $(pub owner)" "project remove $id"; do
		# shellcheck disable=SC2086
		refused 5 "$db/names.mdb is newer than $db/private/access.mdb" k $command
	done
	same "$before" "$(sha256sum $db/names.mdb $db/private/access.mdb)"
	# Reading goes on, and files of the lost project keep their owner's name.
	try 0 k account list
	getent passwd $name
}

@test "a uid is not handed out again after a restore of access.mdb and a few changes" {
	cp $db/private/access.mdb "$BATS_TEST_TMPDIR/access.mdb"
	k project add $id
	# The older file catches up in the number of changes, not in the uid counter.
	cp $db/names.mdb "$BATS_TEST_TMPDIR/newer-names.mdb"
	cp "$BATS_TEST_TMPDIR/access.mdb" $db/private/access.mdb
	rm $db/names.mdb
	keyacct --dir "$BATS_TEST_TMPDIR/other" init
	cp "$BATS_TEST_TMPDIR/other/names.mdb" $db/names.mdb
	k account suspend owner
	k account resume owner
	cp "$BATS_TEST_TMPDIR/newer-names.mdb" $db/names.mdb
	same 1879048193 "$(value .uid project add)"
}

# attempts FILE: what to try when FILE is damaged
attempts() {
	case $1 in
	names.mdb) printf '%s\n' "account suspend owner" "project add" "key add owner $(pub student)" ;;
	private/access.mdb) printf '%s\n' "account list" "project list" "key list" "explain $id $(pub owner)" "account add someone" \
		"project add" "ssh-config owner" "authorized-keys owner" ;;
	private/usage.mdb) printf '%s\n' "project list" "project show $id" "key list" "key show $(print_of "$(pub owner)")" "drain" ;;
	esac
}

# after_damage FILE: every attempt ends with 5 and one sentence that names the file
after_damage() {
	while read -r -u 9 command; do
		echo "$1, $2: $command"
		# shellcheck disable=SC2086
		run --separate-stderr timeout 20 keyacct $command </dev/null
		same "" "$output"
		one_sentence 5
		[[ $stderr == *"$(basename "$1")"* || $stderr == *"the database is damaged"* ||
			$stderr == *"a page of the database cannot be used"*"restore it from a backup"* ]]
		[[ $stderr != *"keyacct init"* ]]
	done 9< <(attempts "$1")
	same "" "$(find / -xdev -maxdepth 1 -name 'core*')$(find "$PWD" -maxdepth 1 -name 'core*')"
}

spoil() {
	k project add $id --owner owner
	k key add owner "$(pub owner)"
	k project list
	cp -a $db "$BATS_TEST_TMPDIR/sound"
	ulimit -c unlimited
	cd "$BATS_TEST_TMPDIR" || return 1
	for file in names.mdb private/access.mdb private/usage.mdb; do
		size=$(stat -c %s $db/$file)
		"$@"
		after_damage $file "$1"
		rm -rf "${db:?}/$file"
		cp -a "$BATS_TEST_TMPDIR/sound/$file" $db/$file
	done
	# And all is well again.
	try 0 k project list
	try 0 k account add someone
	try 0 k project add
}

cut_to_zero() { : >$db/$file; }
cut_to_half() { truncate -s $((size / 2)) $db/$file; }
cut_to_a_page() { truncate -s 4096 $db/$file; }
cut_to_less_than_a_page() { truncate -s 100 $db/$file; }
zeros() { head -c "$size" /dev/zero >$db/$file; }
noise() { head -c "$size" /dev/urandom >$db/$file; }
text() { echo "This is no database." >$db/$file; }
a_directory() { rm $db/$file && mkdir $db/$file; }
a_pipe() { rm $db/$file && mkfifo $db/$file; }
a_dangling_link() { rm $db/$file && ln -s /nowhere $db/$file; }

@test "a file without a byte: exit 5 and one sentence" { spoil cut_to_zero; }
@test "a file cut to half: exit 5 and one sentence" { spoil cut_to_half; }
@test "a file cut to one page: exit 5 and one sentence" { spoil cut_to_a_page; }
@test "a file cut to less than a page: exit 5 and one sentence" { spoil cut_to_less_than_a_page; }
@test "a file of zeros: exit 5 and one sentence" { spoil zeros; }
@test "a file of noise: exit 5 and one sentence" { spoil noise; }
@test "a file of text: exit 5 and one sentence" { spoil text; }
@test "a directory instead of a file: exit 5 and one sentence" { spoil a_directory; }
@test "a pipe instead of a file: exit 5 and one sentence, no hang" { spoil a_pipe; }

@test "a file that may not be read: exit 5 and one sentence" {
	k project add $id --owner owner
	k key add owner "$(pub owner)"
	k project list
	for file in names.mdb private/access.mdb private/usage.mdb; do
		mode=$(stat -c %a $db/$file)
		chmod 000 $db/$file
		while read -r -u 9 command; do
			# Root without its power over modes.
			# shellcheck disable=SC2086
			refused 5 "permission denied" setpriv --bounding-set -dac_override,-dac_read_search -- keyacct $command
			[[ $stderr == *"$(basename $file)"* ]]
		done 9< <(attempts $file)
		chmod "$mode" $db/$file
	done
}

# noise_page N: always the same 4096 bytes for the same N
noise_page() { perl -e 'srand($ARGV[0]); print pack("C*", map { int rand 256 } 1 .. 4096)' "$1" >"$BATS_TEST_TMPDIR/noise$1"; }

# pages FILE PATTERN: spoil each page of FILE in turn; nothing may crash, hang or say more than a sentence
pages() {
	local file=$1 pattern=$2 page count=0
	rm -rf "$BATS_TEST_TMPDIR/sound"
	cp -a $db "$BATS_TEST_TMPDIR/sound"
	for page in $(seq 0 $(($(stat -c %s $db/$file) / 4096 - 1))); do
		head -c 4096 "$pattern" | dd of=$db/$file bs=4096 seek="$page" conv=notrunc status=none
		while read -r -u 9 command; do
			status=0
			# shellcheck disable=SC2086
			timeout 20 keyacct $command </dev/null >/dev/null 2>"$BATS_TEST_TMPDIR/err" || status=$?
			if [ "$status" -ge 124 ] || [ "$(wc -l <"$BATS_TEST_TMPDIR/err")" -gt 1 ]; then
				echo "$file, page $page of $pattern: keyacct $command: status $status: $(cat "$BATS_TEST_TMPDIR/err")"
				count=$((count + 1))
			fi
		done 9< <(attempts "$file" | grep -vE '^(key list|account list|key add|ssh-config|authorized-keys|project show|key show|account suspend)')
		cp "$BATS_TEST_TMPDIR/sound/$file" $db/$file
		# What a writer may have done to the others is undone too.
		cp "$BATS_TEST_TMPDIR/sound/names.mdb" $db/names.mdb
		cp "$BATS_TEST_TMPDIR/sound/private/access.mdb" $db/private/access.mdb
	done
	same 0 "$count"
}

fill() {
	for n in $(seq 12); do
		k project add --owner owner --title "project $n" >/dev/null
	done
	k project add $id --owner owner
	k key add owner "$(pub owner)"
	k project list >/dev/null
}

@test "a page of zeros in names.mdb crashes nothing" { fill; pages names.mdb /dev/zero; }
@test "a page of zeros in access.mdb crashes nothing" { fill; pages private/access.mdb /dev/zero; }
@test "a page of zeros in usage.mdb crashes nothing" { fill; pages private/usage.mdb /dev/zero; }

@test "a page of noise in names.mdb crashes nothing" {
	fill
	noise_page 101
	pages names.mdb "$BATS_TEST_TMPDIR/noise101"
}
@test "a page of noise in access.mdb crashes nothing" {
	fill
	noise_page 101
	pages private/access.mdb "$BATS_TEST_TMPDIR/noise101"
}
@test "a page of noise in usage.mdb crashes nothing" {
	fill
	noise_page 101
	pages private/usage.mdb "$BATS_TEST_TMPDIR/noise101"
}

@test "a record with one wrong byte is damage, not an answer" {
	k project add $id --home /srv/climate
	at=$(grep -abo '/srv/climate' $db/private/access.mdb | tail -1 | cut -d: -f1)
	for each in $(grep -abo '/srv/climate' $db/private/access.mdb | cut -d: -f1); do
		printf X | dd of=$db/private/access.mdb bs=1 seek="$((each + 5))" conv=notrunc status=none
	done
	[ -n "$at" ]
	for command in "project list" "project show $id" "project archive $id" "explain $id $(pub owner)"; do
		# shellcheck disable=SC2086
		run --separate-stderr k $command
		one_sentence 5
	done
}

@test "a directory of another user makes root write nowhere else, and is not believed" {
	useradd --create-home other 2>/dev/null || true
	mkdir -p /home/other/db/private
	echo precious >"$BATS_TEST_TMPDIR/precious"
	ln -s $db/names.mdb /home/other/db/names.mdb
	ln -s $db/private/access.mdb /home/other/db/private/access.mdb
	ln -s "$BATS_TEST_TMPDIR/precious" /home/other/db/private/access.mdb-lock
	chown -hR other: /home/other/db
	for words in "project list" "account add someone" "check" "backup $BATS_TEST_TMPDIR/copy"; do
		# shellcheck disable=SC2086
		run --separate-stderr keyacct --dir /home/other/db $words
		same 5 "$status"
	done
	chown -h root: /home/other/db /home/other/db/private
	refused 5 "is a link" keyacct --dir /home/other/db project list
	same precious "$(cat "$BATS_TEST_TMPDIR/precious")"
	# The lock file by itself.
	rm -rf /home/other/db
	k backup "$BATS_TEST_TMPDIR/whole"
	ln -sf "$BATS_TEST_TMPDIR/precious" "$BATS_TEST_TMPDIR/whole/private/access.mdb-lock"
	refused 5 "is a link" keyacct --dir "$BATS_TEST_TMPDIR/whole" project list
	same precious "$(cat "$BATS_TEST_TMPDIR/precious")"
}
