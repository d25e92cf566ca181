#!/usr/bin/env bats
# needs: sshd
# Backups and restores on a host in service: logins go on, and each decides by what was before or by what is after.

load lib

setup_file() {
	load lib
	make_people
	export P=$(new_project owner)
	keyacct member add "$P" student
	sshd_with "MaxStartups 100"
}

setup() {
	copy=$BATS_TEST_TMPDIR/copy
	go=$BATS_TEST_TMPDIR/go
	touch "$go"
}

teardown() { rm -f "$go"; }

# keeps_entering KEY: one login after the other until $go is gone; each that fails is noted, and each that is let in counted
keeps_entering() {
	while [ -e "$go" ]; do
		if [ "$(login "$1" $P whoami 2>&1)" = $P ]; then
			echo $P >>"$BATS_TEST_TMPDIR/entered"
		else
			date +%T.%N >>"$BATS_TEST_TMPDIR/failed"
		fi
	done
}
entered() { wc -l <"$BATS_TEST_TMPDIR/entered" 2>/dev/null || echo 0; }
has_entered() { [ "$(entered)" -ge "$1" ]; }
# and_one_more: a login that began after now has got in
and_one_more() { wait_until has_entered $(($(entered) + 2)); }
none_failed() {
	[ ! -e "$BATS_TEST_TMPDIR/failed" ] || {
		echo "logins that failed:"
		cat "$BATS_TEST_TMPDIR/failed"
		return 1
	}
}

whole() { "$BATS_TEST_DIRNAME/../whole" "$1"; }

@test "backups beside logins and changes: each is of one piece, and has every use up to it" {
	new_key busy
	keyacct key add owner "$D/busy.pub"
	keeps_entering busy 3>&- &
	people=$!
	(
		while [ -e "$go" ]; do
			project=$(new_project owner)
			keyacct member add "$project" student && keyacct member remove "$project" student &&
				keyacct project remove "$project" || echo "$project" >>"$BATS_TEST_TMPDIR/failed"
		done >/dev/null
	) 3>&- &
	platform=$!
	for n in 1 2 3 4 5 6; do
		and_one_more
		before=$(entered)
		keyacct backup $([ $n -gt 3 ] && echo --compact) "$copy.$n"
		whole "$copy.$n"
		# A login notes its use before its command runs.
		[ "$(keyacct --dir "$copy.$n" --json key show "$(fingerprint busy)" | sed -n 's/^ *"count": //p')" -ge "$before" ]
	done
	rm "$go"
	wait $people
	wait $platform
	none_failed
	whole $DB
	[ "$(used busy owner)" -eq "$(entered)" ]
}

@test "restores beside logins: an allowed key always gets in, and access that goes is gone at once" {
	keyacct backup "$copy.with"
	keyacct member remove $P student
	keyacct backup "$copy.without"
	keeps_entering owner 3>&- &
	people=$!
	for _ in 1 2 3 4; do
		and_one_more
		keyacct restore "$copy.with"
		enters student $P
		and_one_more
		keyacct restore "$copy.without"
		denied student $P
	done
	keyacct restore "$copy.with"
	rm "$go"
	wait $people
	none_failed
	[ "$(entered)" -ge 16 ]
	whole $DB
}

@test "a project that was added after the backup is closed, its session ended, and its files keep their owner's name" {
	keyacct backup "$copy"
	Q=$(new_project student)
	login student $Q 'touch mine'
	hold student $Q
	keyacct restore "$copy"
	refute let_go
	wait_until no_entries
	log_mark
	denied student $Q
	[[ $(log_since) == *" refused project=$Q account=student "*"reason=project-deleted"* ]]
	[ "$(stat -c %U "/projects/$(hyphened $Q)/mine")" = $Q ]
	R=$(new_project student)
	enters student $R
	[ "$(login student $R id -u)" -gt "$(id -u $Q)" ]
}

@test "a lost access.mdb: nobody gets in until it is restored, and then as before" {
	keyacct backup "$copy"
	rm $DB/private/access.mdb
	denied owner $P
	keyacct restore "$copy"
	enters owner $P
	enters student $P
	denied stranger $P
	whole $DB
}

@test "a lost names.mdb: nobody gets in until it is restored, and then as before" {
	keyacct backup "$copy"
	rm $DB/names.mdb
	run login owner $P whoami
	[ "$status" -eq 255 ]
	keyacct restore "$copy"
	enters owner $P
	whole $DB
}

@test "lost last uses come back with the backup, and go on" {
	new_key counted
	keyacct key add owner "$D/counted.pub"
	for _ in 1 2 3; do login counted $P true; done
	keyacct backup "$copy"
	rm $DB/private/usage.mdb
	keyacct restore "$copy"
	[ "$(used counted owner)" -eq 3 ]
	login counted $P true
	[ "$(used counted owner)" -eq 4 ]
	# What is newer than the backup stays.
	keyacct restore "$copy"
	[ "$(used counted owner)" -eq 4 ]
}
