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

@test "a lost names.mdb is not taken for a whole one" {
	rm $db/names.mdb
	refused 5 "$db" k check
}

@test "a database that is not there" {
	refused 5 "there is no database" keyacct --dir "$BATS_TEST_TMPDIR/none" check
}
