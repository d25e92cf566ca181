#!/usr/bin/env bats
# keyacct check: a whole database, a damaged one, and mending. Which damage is found is in tests/unit/test_check.c.
load helpers

setup_file() { make_keys owner student; }

setup() {
	default_db
	people
	project=$(new_project --owner owner)
	k key add owner "$(pub owner)"
}

@test "a whole database has nothing to find, and reading it writes nothing" {
	before=$(sha256sum $db/names.mdb $db/private/access.mdb)
	try 0 k check
	same "Everything reads, and fits together." "$output"
	same "[]" "$(k --json check)"
	same "$before" "$(sha256sum $db/names.mdb $db/private/access.mdb)"
}

@test "an older names.mdb is found, and mended" {
	cp $db/names.mdb "$BATS_TEST_TMPDIR/names.mdb"
	late=$(new_project --owner owner)
	cp "$BATS_TEST_TMPDIR/names.mdb" $db/names.mdb
	try 5 k check
	has "is missing, damaged or not what access.mdb says"
	run ! getent passwd "$late"
	try 0 k check --repair
	getent passwd "$late"
	try 0 k check
}

# repaired FILE: found, mended, and what is whole afterwards has nobody in it who was not
repaired() {
	try 5 k check
	has "$1"
	try 5 k --json check
	same "names.mdb" "$(jq -r '.[] | select(.table == null) | .file' <<<"$output" | sort -u)"
	try 0 k check --repair
	try 0 k check
	same "Everything reads, and fits together." "$output"
	getent passwd "$project"
	k explain "$project" "$(pub owner)"
}

@test "a lost names.mdb is made anew" {
	rm $db/names.mdb
	repaired "$db/names.mdb is missing"
}

@test "a damaged names.mdb is kept aside, and made anew" {
	head -c 40960 /dev/urandom >$db/names.mdb
	repaired "$db/names.mdb"
	[ -e $db/names.mdb.damaged ]
}

@test "a lost or damaged usage.mdb begins anew" {
	for damage in "rm" "truncate -s 5000"; do
		$damage $db/private/usage.mdb
		try 5 k check
		has "$db/private/usage.mdb"
		try 0 k check --repair
		try 0 k check
	done
	[ -e $db/private/usage.mdb.damaged ]
}

@test "a lost or damaged access.mdb is told, and left to restore" {
	cp $db/private/access.mdb "$BATS_TEST_TMPDIR/access.mdb"
	for damage in "rm" "truncate -s 5000"; do
		$damage $db/private/access.mdb
		for repair in "" --repair; do
			try 5 k check $repair
			has "$db/private/access.mdb"
		done
		cp -a "$BATS_TEST_TMPDIR/access.mdb" $db/private/access.mdb
		try 0 k check
	done
}

@test "an access.mdb of before is told, and left to restore" {
	cp $db/private/access.mdb "$BATS_TEST_TMPDIR/access.mdb"
	k account add late
	cp "$BATS_TEST_TMPDIR/access.mdb" $db/private/access.mdb
	for repair in "" --repair; do
		try 5 k check $repair
		has "private/access.mdb is older than names.mdb: 'keyacct restore' brings them together"
	done
	same false "$(k --json check | jq '.[0].mended')"
}

@test "one row that cannot be read is told by its table and key, and everything else is looked at" {
	k project set "$project" --title 'a title to be found'
	at=$(grep -abo 'a title to be found' $db/private/access.mdb | head -n 1 | cut -d: -f1)
	printf X | dd of=$db/private/access.mdb bs=1 seek="$at" conv=notrunc status=none
	try 5 k --json check --repair
	same "project" "$(jq -r '.[0].table' <<<"$output")"
	same "private/access.mdb" "$(jq -r '.[0].file' <<<"$output")"
	same false "$(jq '.[0].mended' <<<"$output")"
	[[ $(jq -r '.[0].finding' <<<"$output") == *"$project cannot be read: restore it from a backup" ]]
}

@test "a database that is not there" {
	refused 5 "there is no database" keyacct --dir "$BATS_TEST_TMPDIR/none" check
}
