#!/usr/bin/env bats
# A database that version 0.1.0 wrote, and what its export was: whatever comes later reads it, says the same, and goes on in it.
# A change of the format that breaks this has to bring the way over along.
load helpers
load killer

setup_file() { make_killer; }

setup() {
	default_db
	tar xzf "$BATS_TEST_DIRNAME/first.tar.gz" -C $db
	chgrp keyacct $db/private/access.mdb
	first=1111111122224333844455555555555a
}

# says_the_same: all rows and counters are those of 0.1.0; a newer version may say more of each
says_the_same() {
	k export >"$BATS_TEST_TMPDIR/now.jsonl"
	same true "$(jq -s --slurpfile first "$BATS_TEST_DIRNAME/first.jsonl" \
		'. as $now | ($now | length) == ($first | length) and
		 all(range($first | length) as $i | $first[$i] | to_entries[] | $now[$i][.key] == .value; .)' "$BATS_TEST_TMPDIR/now.jsonl")"
}

# said FIELD: what the owner's key was
said() { jq -r "select(.type == \"key\" and .title == \"owner\") | $1" "$BATS_TEST_DIRNAME/first.jsonl"; }

@test "everybody reads it as it is: the tool, NSS and the helper" {
	says_the_same
	try 0 k check
	same "$first" "$(getent passwd $first | cut -d: -f1)"
	same 5001 "$(id -u 3333333344444555866677777777777a)"
	# Deleted, and its number still its own.
	getent passwd 4444444455554666877788888888888a
	read -r type key <<<"$(said '.key')"
	run setpriv --reuid keyacct --regid keyacct --clear-groups /usr/libexec/keyacct-keys $first "$(said '.fingerprint')" \
		"$type" "$key"
	same 0 "$status"
	[[ $output == "restrict,pty,agent-forwarding,from=\"192.0.2.0/24\" $type $key" ]]
	same "config set" "$(value '[.[] | select(.what | tostring | test("setting"))][0].command' changes)"
}

@test "the first change is made in it, and its counters go on" {
	last=$(value '.[0].uid' project list | sort -n | tail -n 1)
	new=$(new_project --owner owner)
	[ "$(id -u "$new")" -gt "$last" ]
	refute grep -qx "$(id -u "$new")" <(jq -r '.uid // empty' "$BATS_TEST_DIRNAME/first.jsonl")
	try 0 k check
	k project remove "$new"
}

@test "killed at every call of the first change it is what it was, or has the change" {
	cp -a $db "$BATS_TEST_TMPDIR/first"
	for n in $(seq 200); do
		rm -rf $db
		cp -a "$BATS_TEST_TMPDIR/first" $db
		run killed_at "$n" account add late
		finished=$status
		if ! k account show late >/dev/null 2>&1; then says_the_same; fi
		[ "$finished" -ne 0 ] || break
	done
	same 0 "$finished"
	k config set rsa-bits 4096
	try 0 k check
}

@test "as a backup it is restored" {
	cp -a $db "$BATS_TEST_TMPDIR/first"
	k account add late
	k restore "$BATS_TEST_TMPDIR/first"
	says_the_same
}

@test "a file of a version to come is refused with a sentence, and left as it is" {
	"$KEYACCT_BUILD/tests/host/newer" $db incompatible
	before=$(sha256sum $db/names.mdb)
	refused 5 "names.mdb" k project add --owner owner
	same "$before" "$(sha256sum $db/names.mdb)"
}
