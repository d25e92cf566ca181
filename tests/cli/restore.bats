#!/usr/bin/env bats
# keyacct restore: the database as it was, in one step; nothing comes back that must not, and nothing is used twice.
load helpers
load killer

setup_file() {
	make_keys owner student
	make_killer
}

setup() {
	umask 022
	default_db
	people
	id=829e7b56-93d6-11e7-ae8e-e70cea5e8cd7
	name=829e7b5693d611e7ae8ee70cea5e8cd7
	copy=$BATS_TEST_TMPDIR/copy
}

teardown() {
	if mountpoint -q /var/lib/keyacct; then umount -l /var/lib/keyacct; fi
	if [ -e "$BATS_TEST_TMPDIR/group" ]; then cat "$BATS_TEST_TMPDIR/group" >/etc/group; fi
}

# whole DIR: it is a database of one piece
whole() { "$BATS_TEST_DIRNAME/../whole" "$1"; }

# a little of everything, and a backup of it
fill() {
	k project add $id --owner owner --title Climate
	k member add $id student --expires +90d
	k key add owner "$(pub owner)"
	k key add student --project $id "$(pub student)"
	k group add staff
	k group add-member staff student
	k member add $id @staff
	k project remove "$(value .id project add --owner owner)"
	k backup "$copy"
	then=$(state)
}

# change of every kind, after the backup; the later project's name is in $later
change() {
	later=$(new_project --owner outsider --home /srv/later)
	later_uid=$(value .uid project show "$later")
	k key add outsider --project "$later" "$(pub student)"
	k account add someone
	k account suspend owner
	k project set $id --title Weather
	k member remove $id @staff
	k group remove staff
	k key remove "$(print_of "$(pub owner)")"
	now=$(state)
}

# as_then: the state is what it was at the backup, and the later project is a tombstone
as_then() {
	same "$then" "$(state | without_later)"
	same deleted "$(value .state project show "$later")"
	same "[]" "$(k --json member list "$later")"
	whole $db
}
# What state says, without the later project: its object, and its (empty) list of members.
without_later() {
	jq -s --indent 2 --arg id "$(hyphens "$later")" 'def is_later: type == "object" and .id == $id;
		(.[2] | map(is_later) | index(true)) as $at | .[2] |= map(select(is_later | not)) |
		if $at == null then . else del(.[4 + $at]) end | .[]'
}
unchanged() {
	same "$now" "$(state)"
	whole $db
}

# next_is_new: the next project gets a uid that none ever had
next_is_new() {
	local uid highest
	highest=$(value '[.[].uid] | max' project list --all)
	uid=$(value .uid project add)
	[ "$uid" -gt "$highest" ]
	[ "$uid" -gt "${later_uid:-0}" ]
}

@test "restore brings back what was, and says what it did" {
	fill
	change
	try 0 k restore "$copy"
	same "The database is what it was in $copy: rows added 4, changed 2, removed 4; projects deleted that were added later 1 (their ids and uids stay taken)." \
		"$output"
	same "" "$stderr"
	as_then
}

@test "restore --json" {
	fill
	change
	try 0 k --json restore "$copy"
	same "{\"dir\":\"$copy\",\"dry_run\":false,\"added\":4,\"changed\":2,\"removed\":4,\"deleted\":1}" "$(jq -c . <<<"$output")"
	as_then
}

@test "--dry-run says the same and changes nothing" {
	fill
	change
	before=$(files)
	try 0 k restore "$copy" --dry-run
	same "Nothing was changed. It would become what it was in $copy: rows added 4, changed 2, removed 4; projects deleted that were added later 1 (their ids and uids stay taken)." \
		"$output"
	try 0 k --json restore --dry-run "$copy"
	same true "$(jq .dry_run <<<"$output")"
	same "$before" "$(files)"
	unchanged
}

@test "restored twice, the second time changes nothing" {
	fill
	change
	k restore "$copy"
	before=$(state)
	try 0 k --json restore "$copy"
	same '[0,0,0,0]' "$(jq -c '[.added, .changed, .removed, .deleted]' <<<"$output")"
	try 0 k restore "$copy"
	same "The database is what the backup in $copy is: there was nothing to change." "$output"
	same "$before" "$(state)"
	whole $db
}

@test "what was there before the restore can be had back" {
	fill
	change
	k backup "$copy.later"
	k restore "$copy"
	as_then
	try 0 k restore "$copy.later"
	same "$now" "$(state)"
	whole $db
	next_is_new
}

@test "a uid never comes twice, and the later project keeps its name" {
	fill
	change
	k restore "$copy"
	next_is_new
	same "$later:*:$later_uid:$later_uid::/srv/later:/usr/sbin/nologin" "$(getent passwd "$later")"
	same "$later:*:$later_uid:$later_uid::/srv/later:/usr/sbin/nologin" "$(getent passwd "$later_uid")"
	refused 4 "a deleted one" k project add "$later"
	refused 4 "no uid is ever used twice" k project add --uid "$later_uid"
	same project-deleted "$(k --json explain "$later" "$(pub student)" | jq -r .reason)"
}

@test "a project that was removed since is open again" {
	fill
	k project remove $id
	same /usr/sbin/nologin "$(getent passwd $name | cut -d: -f7)"
	k restore "$copy"
	same "$then" "$(state)"
	same /bin/bash "$(getent passwd $name | cut -d: -f7)"
	same granted "$(k --json explain $id "$(pub owner)" | jq -r .result)"
	whole $db
}

@test "a compact backup is restored as well" {
	fill
	rm -r "$copy"
	k backup --compact "$copy"
	change
	try 0 k restore "$copy"
	as_then
}

@test "a backup of an empty database empties it, and all of its names stay taken" {
	keyacct --dir "$BATS_TEST_TMPDIR/empty" init
	keyacct --dir "$BATS_TEST_TMPDIR/empty" backup "$copy.empty"
	fill
	try 0 k restore "$copy.empty"
	same "[]" "$(k --json account list)"
	same "[]" "$(k --json project list)"
	same 2 "$(value length project list --all)"
	whole $db
	next_is_new
}

# Files that are lost or damaged

@test "a lost access.mdb: it is made anew, and every name that names.mdb knows stays taken" {
	fill
	change
	rm $db/private/access.mdb
	before=$(sha256sum $db/names.mdb)
	try 0 k restore --dry-run "$copy"
	same "$before" "$(sha256sum $db/names.mdb)"
	same "" "$(find $db/private -name 'access.mdb*' ! -name access.mdb-lock)"
	refused 5 "access.mdb is missing" k account list
	try 0 k restore "$copy"
	same 1 "${#stderr_lines[@]}"
	[[ $stderr == *"$db/private/access.mdb is missing" ]]
	as_then
	same "640 root:keyacct" "$(stat -c '%a %U:%G' $db/private/access.mdb)"
	same "" "$(find $db -name '*.restored*' -o -name '*.new' -o -name '*.damaged*')"
	same "$later_uid" "$(getent passwd "$later" | cut -d: -f3)"
	same /usr/sbin/nologin "$(getent passwd "$later" | cut -d: -f7)"
	next_is_new
	whole $db
	try 0 k restore "$copy"
	same "" "$stderr"
}

@test "who still has the lost file open keeps its lock file, and the new one has its own" {
	fill
	for file in $db/private/access.mdb $db/names.mdb; do
		exec 7<"$file-lock"
		rm "$file"
		k restore "$copy" 2>/dev/null
		[ ! "$file-lock" -ef /proc/self/fd/7 ]
		exec 7<&-
		exec 7<"$file-lock"
		echo damage >"$file"
		k restore "$copy" 2>/dev/null
		[ ! "$file-lock" -ef /proc/self/fd/7 ]
		[ "$file.damaged-lock" -ef /proc/self/fd/7 ]
		exec 7<&-
		same "" "$(find $db -name '*.restored*')"
	done
	whole $db
}

@test "a lost names.mdb: it is made anew out of access.mdb" {
	fill
	change
	rm $db/names.mdb
	try 0 k restore --dry-run "$copy"
	[ ! -e $db/names.mdb ]
	try 0 k restore "$copy"
	[[ $stderr == *"$db/names.mdb is missing" ]]
	as_then
	same "644 root:root" "$(stat -c '%a %U:%G' $db/names.mdb)"
	same /bin/bash "$(getent passwd $name | cut -d: -f7)"
	next_is_new
}

@test "a lost private/: with names.mdb alone nothing is used twice either" {
	fill
	change
	rm -r $db/private
	try 0 k restore "$copy"
	as_then
	same "750 root:keyacct" "$(stat -c '%a %U:%G' $db/private)"
	next_is_new
}

@test "both lost: only --force restores, and the sentence says what that means" {
	fill
	change
	for lost in "$db/names.mdb $db/private/access.mdb" "$db/private" "$db"; do
		# shellcheck disable=SC2086
		rm -rf $lost
		if [ "$lost" = $db/private ]; then rm $db/names.mdb; fi
		refused 5 "the uids of projects that were added later come again" k restore "$copy"
		[[ $stderr == *"keyacct init"* && $stderr == *"--force"* ]]
		[ ! -e $db/private/access.mdb ]
		[ ! -e $db/names.mdb ]
		try 0 k restore --force "$copy"
		same 2 "${#stderr_lines[@]}"
		same "$then" "$(state)"
		whole $db
		# As it says: nothing can know that this one was used.
		same "$later_uid" "$(value .uid project add)"
	done
}

@test "on a new host: init, restore, and uids go on" {
	fill
	keyacct --dir "$BATS_TEST_TMPDIR/new" init
	db=$BATS_TEST_TMPDIR/new
	try 0 k restore "$copy"
	same "" "$stderr"
	same "$then" "$(state)"
	whole "$db"
	next_is_new
}

# damage HOW: what is done to $file, which is $size long
cut_to_half() { truncate -s $((size / 2)) "$file"; }
cut_to_zero() { : >"$file"; }
zeros() { head -c "$size" /dev/zero >"$file"; }
noise() { perl -e 'srand(101); print pack("C*", map { int rand 256 } 1 .. $ARGV[0])' "$size" >"$file"; }
noise_in_the_middle() {
	perl -e 'srand(102); print pack("C*", map { int rand 256 } 1 .. $ARGV[0])' $((size - 8192)) |
		dd of="$file" bs=4096 seek=2 conv=notrunc status=none
}
a_directory() { rm "$file" && mkdir "$file"; }
a_dangling_link() { rm "$file" && ln -s /nowhere "$file"; }

damaged() {
	fill
	change
	file=$1
	size=$(stat -c %s "$file")
	cp -a $db "$BATS_TEST_TMPDIR/sound"
	for how in cut_to_half cut_to_zero zeros noise noise_in_the_middle a_directory a_dangling_link; do
		echo "$how"
		rm -rf "${db:?}"
		cp -a "$BATS_TEST_TMPDIR/sound" $db
		$how
		damage=$(stat -c '%s %F %i' "$file")
		try 0 k restore --dry-run "$copy"
		same "$damage" "$(stat -c '%s %F %i' "$file")"
		try 0 k restore "$copy"
		same 1 "${#stderr_lines[@]}"
		[[ $stderr == *"a new file takes the place of one that could not be used: $file"* ]]
		# Kept, never deleted.
		same "$damage" "$(stat -c '%s %F %i' "$file.damaged")"
		as_then
		next_is_new
		whole $db
	done
}

@test "a damaged access.mdb is put aside, whatever the damage is" { damaged $db/private/access.mdb; }
@test "a damaged names.mdb is put aside, whatever the damage is" { damaged $db/names.mdb; }

@test "one wrong byte in access.mdb is damage" {
	fill
	change
	for at in $(grep -abo /srv/later $db/private/access.mdb | cut -d: -f1); do
		printf X | dd of=$db/private/access.mdb bs=1 seek=$((at + 5)) conv=notrunc status=none
	done
	try 0 k restore "$copy"
	[[ $stderr == *"$db/private/access.mdb is damaged"* ]]
	as_then
	# names.mdb knew it.
	same /srv/later "$(getent passwd "$later" | cut -d: -f6)"
}

@test "what was damaged before is not overwritten by what is damaged now" {
	fill
	change
	for n in 1 2 3; do
		echo "damage $n" >$db/private/access.mdb
		k restore "$copy"
	done
	same "damage 1 damage 2 damage 3" "$(cat $db/private/access.mdb.damaged{,.2,.3} | paste -sd' ')"
}

@test "a damaged usage.mdb is put aside too" {
	fill
	k project list
	truncate -s 5000 $db/private/usage.mdb
	try 0 k restore "$copy"
	same "" "$stderr"
	try 0 k project list
	same "" "$stderr"
	same 5000 "$(stat -c %s $db/private/usage.mdb.damaged)"
	same "600 root:root" "$(stat -c '%a %U:%G' $db/private/usage.mdb)"
}

@test "one file put back by hand is refused as before, and restore mends it" {
	fill
	change
	cp "$copy/private/access.mdb" $db/private/access.mdb
	refused 5 "$db/names.mdb is newer than $db/private/access.mdb" k project add
	try 0 k restore "$copy"
	[[ $stderr == *"$db/private/access.mdb is older than $db/names.mdb"* ]]
	as_then
	next_is_new
}

@test "a check that is killed is no damage: nothing is put aside" {
	fill
	change
	for n in $(seq 60); do
		run killed_at "$n" restore --dry-run "$copy"
		same "" "$(find $db -name '*.damaged*')"
		if [ "$status" -eq 0 ]; then break; fi
	done
	same 0 "$status"
	unchanged
}

# Backups that are none

@test "a backup with one wrong byte is refused, and nothing is changed" {
	fill
	change
	before=$(files)
	cp -a "$copy" "$BATS_TEST_TMPDIR/sound"
	for text in Climate owner staff; do
		for file in private/access.mdb names.mdb; do
			at=$(grep -abo $text "$copy/$file" | tail -1 | cut -d: -f1)
			if [ -z "$at" ]; then continue; fi
			for each in $(grep -abo $text "$copy/$file" | cut -d: -f1); do
				printf X | dd of="$copy/$file" bs=1 seek=$((each + 1)) conv=notrunc status=none
			done
			refused 5 "the backup in $copy cannot be restored; nothing was changed: $copy/$file is damaged" k restore "$copy"
			refused 5 "$copy/$file is damaged" k restore --dry-run "$copy"
			refused 5 "$copy/$file is damaged" k restore --force "$copy"
			cp "$BATS_TEST_TMPDIR/sound/$file" "$copy/$file"
		done
	done
	same "$before" "$(files)"
	unchanged
	try 0 k restore "$copy"
	as_then
}

@test "a backup that is cut, empty, noise or something else is refused" {
	fill
	change
	before=$(files)
	cp -a "$copy" "$BATS_TEST_TMPDIR/sound"
	for part in private/access.mdb names.mdb; do
		file=$copy/$part
		size=$(stat -c %s "$file")
		for how in cut_to_half cut_to_zero zeros noise noise_in_the_middle a_directory; do
			echo "$part: $how"
			$how
			refused 5 "the backup in $copy cannot be restored; nothing was changed: $file" k restore "$copy"
			rm -rf "$file"
			cp -a "$BATS_TEST_TMPDIR/sound/$part" "$file"
		done
	done
	refused 3 "there is no backup in /nowhere: /nowhere/private/access.mdb is missing" k restore /nowhere
	refused 3 "there is no backup in $copy/names.mdb" k restore "$copy/names.mdb"
	same "$before" "$(files)"
	unchanged
}

@test "files of two backups are refused" {
	fill
	change
	k backup "$copy.later"
	cp "$copy.later/names.mdb" "$copy/names.mdb"
	refused 5 "are of two backups" k restore "$copy"
	unchanged
	# access.mdb alone is enough.
	rm "$copy/names.mdb"
	try 0 k restore "$copy"
	as_then
}

@test "last uses that the backup does not have are a warning" {
	fill
	change
	rm "$copy/private/usage.mdb"
	try 0 k restore "$copy"
	[[ $stderr == "keyacct: the last uses of the backup were not taken over: "*"$copy/private/usage.mdb is missing" ]]
	as_then
}

@test "the database is no backup of itself" {
	fill
	before=$(files)
	ln -s $db "$BATS_TEST_TMPDIR/link"
	mkdir -p "$BATS_TEST_TMPDIR/linked/private"
	refused 4 "is the database itself" k restore $db
	refused 4 "is the database itself" k restore "$BATS_TEST_TMPDIR/link/"
	same "$before" "$(files)"
	cp -a $db "$BATS_TEST_TMPDIR/db"
	db=$BATS_TEST_TMPDIR/db
	for file in private/access.mdb names.mdb private/usage.mdb; do
		cp -a "$copy" "$BATS_TEST_TMPDIR/one"
		ln -f "$db/$file" "$BATS_TEST_TMPDIR/one/$file"
		refused 4 "is the database itself and no backup of it: $BATS_TEST_TMPDIR/one/$file is the same file" \
			k restore "$BATS_TEST_TMPDIR/one"
		rm -r "$BATS_TEST_TMPDIR/one"
	done
}

@test "a backup that others than root can write is refused: they would decide who gets in" {
	fill
	change
	before=$(files)
	for part in . names.mdb private private/access.mdb private/usage.mdb; do
		for how in "chmod g+w" "chmod o+w" "chown nobody"; do
			cp -a "$copy" "$BATS_TEST_TMPDIR/one"
			$how "$BATS_TEST_TMPDIR/one/$part"
			refused 4 "others than root can write it" k restore "$BATS_TEST_TMPDIR/one"
			rm -r "$BATS_TEST_TMPDIR/one"
		done
	done
	for part in names.mdb private private/access.mdb private/usage.mdb private/access.mdb-lock; do
		cp -a "$copy" "$BATS_TEST_TMPDIR/one"
		rm -rf "$BATS_TEST_TMPDIR/one/${part:?}"
		ln -s "$copy/$part" "$BATS_TEST_TMPDIR/one/$part"
		refused 4 "$BATS_TEST_TMPDIR/one/$part is a link" k restore "$BATS_TEST_TMPDIR/one"
		rm -r "$BATS_TEST_TMPDIR/one"
	done
	same "$before" "$(files)"
	unchanged
	# Where it lies, a link may say.
	ln -s "$copy" "$BATS_TEST_TMPDIR/link"
	try 0 k restore "$BATS_TEST_TMPDIR/link"
	as_then
}

@test "a backup with a uid of a user of this host is refused" {
	keyacct --dir "$BATS_TEST_TMPDIR/other" init
	uid=$(value .uid project add --uid 4321)
	k backup "$copy"
	useradd --non-unique --uid "$uid" --no-create-home neighbour
	db=$BATS_TEST_TMPDIR/other
	run --separate-stderr k restore "$copy"
	userdel neighbour
	one_sentence 4
	[[ $stderr == *"the uid 4321 belongs to \"neighbour\" on this host"* ]]
	same "[]" "$(k --json project list --all)"
	try 0 k restore "$copy"
	whole "$db"
}

@test "a backup of another database is refused when a uid is another's there" {
	fill
	keyacct --dir "$BATS_TEST_TMPDIR/other" init
	keyacct --dir "$BATS_TEST_TMPDIR/other" project add
	keyacct --dir "$BATS_TEST_TMPDIR/other" backup "$copy.other"
	now=$(state)
	refused 4 "which is of another database" k restore "$copy.other"
	[[ $stderr == *"the uid 1879048192 belongs to project $id here"* ]]
	unchanged
}

@test "only root restores; without the group keyacct it says how to make it" {
	fill
	refused 5 "run this as root" as_nobody keyacct restore "$copy"
	cp /etc/group "$BATS_TEST_TMPDIR/group"
	sed -i '/^keyacct:/d' /etc/group
	refused 3 'there is no group "keyacct"' k restore "$copy"
}

# Killed, and without room

# killed_restoring: with the database in $BATS_TEST_TMPDIR/before, killed at every call
killed_restoring() {
	local n before=0 after=0
	for n in $(seq 400); do
		rm -rf "${db:?}"
		cp -a "$BATS_TEST_TMPDIR/before" $db
		run killed_at "$n" restore "$copy"
		finished=$status
		"$@"
		if [ "$finished" -eq 0 ]; then break; fi
		# And now in peace, after some of them.
		if [ $((n % 6)) -eq 0 ]; then
			k restore "$copy" 2>/dev/null
			as_then
			next_is_new
		fi
	done
	same 0 "$finished"
	echo "$n calls; before $before, after $after"
	[ $before -ge 5 ]
	[ $after -ge 1 ]
}

@test "killed at every call, the database is what it was before or after" {
	fill
	change
	cp -a $db "$BATS_TEST_TMPDIR/before"
	before_or_after() {
		local got
		# The next command that writes closes the gap, if there is one.
		k account suspend owner >/dev/null
		k account resume owner >/dev/null
		whole $db
		got=$(state)
		if [ "$(jq -cs '.[0] |= map(.state = "active")' <<<"$now")" = "$(jq -cs . <<<"$got")" ]; then
			before=$((before + 1))
		else
			as_then
			after=$((after + 1))
		fi
	}
	killed_restoring before_or_after
}

@test "killed at every call with access.mdb lost, it is still lost or it is restored" {
	fill
	change
	rm $db/private/access.mdb
	cp -a $db "$BATS_TEST_TMPDIR/before"
	lost_or_after() {
		if [ ! -e $db/private/access.mdb ]; then
			refused 5 "access.mdb is missing" k account list
			refused 5 "access.mdb is missing" k account add other
			before=$((before + 1))
		else
			k account suspend owner >/dev/null
			k account resume owner >/dev/null
			as_then
			after=$((after + 1))
		fi
	}
	killed_restoring lost_or_after
}

@test "a disk without room: all or nothing, and one sentence" {
	fill
	for n in $(seq 30); do
		k account add "account.$n" --name "$(printf 'x%.0s' {1..250})"
	done >/dev/null
	rm -r "$copy"
	k backup "$copy"
	then=$(state)
	for n in $(seq 30); do
		k account remove "account.$n"
	done >/dev/null
	change
	rm -rf "$BATS_TEST_TMPDIR/before"
	cp -a $db "$BATS_TEST_TMPDIR/before"
	failed=0
	for free in 1 2 4 6 8 12 16 24 32 48; do
		rm -rf "${db:?}"
		mkdir $db
		mount -t tmpfs -o size=2m,mode=755 tmpfs $db
		cp -a "$BATS_TEST_TMPDIR/before/." $db
		k account list >/dev/null
		dd if=/dev/zero of=$db/filler bs=4096 status=none 2>/dev/null || true
		truncate -s $((($(stat -c %s $db/filler) / 4096 - free) * 4096)) $db/filler
		run --separate-stderr timeout 60 keyacct restore "$copy"
		echo "$free pages free: $status $stderr"
		rm $db/filler
		case "$status $stderr" in
		"0 "*) as_then ;;
		*"the change is recorded"*)
			one_sentence 5
			k account suspend owner >/dev/null
			k account resume owner >/dev/null
			as_then
			;;
		*)
			one_sentence 5
			[[ $stderr == *"No space left on device; nothing was changed"* || $stderr == *"Input/output error; nothing was changed"* ]]
			unchanged
			failed=$((failed + 1))
			;;
		esac
		umount -l $db
	done
	[ $failed -ge 2 ]
	[ "$status" -eq 0 ]
}

@test "readers beside a restore see what was before or after" {
	fill
	change
	before=$(value 'map(.handle) | sort | join(" ")' account list)
	k restore "$copy" >/dev/null
	after=$(value 'map(.handle) | sort | join(" ")' account list)
	k backup "$copy.2"
	k restore "$copy" >/dev/null
	(
		for _ in 1 2 3 4 5 6; do
			k account add someone && k restore "$copy" || exit 1
		done >/dev/null
	) 3>&- &
	writer=$!
	seen=0
	while kill -0 $writer 2>/dev/null; do
		got=$(value 'map(.handle) | sort | join(" ")' account list)
		[ "$got" = "$before" ] || same "$after" "$got"
		seen=$((seen + 1))
	done
	wait $writer
	[ $seen -ge 3 ]
}
