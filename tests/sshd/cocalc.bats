#!/usr/bin/env bats
# needs: sshd
# A platform's database in a real PostgreSQL, mirrored by one pipe: who gets in after what the platform changed.

load lib

SQL=/usr/share/doc/keyacct/examples/cocalc.sql

# A server of its own, on a socket alone. "reader" may do what the manual says is enough.
start_postgres() {
	local bin
	bin=$(dirname "$(find /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)")
	export PGHOST=$(mktemp -d) PGUSER=postgres PGDATABASE=postgres
	chown postgres "$PGHOST"
	cd /
	runuser -u postgres -- "$bin/initdb" -D "$PGHOST/data" -A trust -E UTF8 --locale=C.UTF-8 --no-sync >/dev/null
	runuser -u postgres -- "$bin/pg_ctl" start -s -w -D "$PGHOST/data" -l "$PGHOST/log" \
		-o "-k $PGHOST -c listen_addresses='' -c fsync=off" 3>&-
	export POSTGRES=$(head -n 1 "$PGHOST/data/postmaster.pid")
}

sql() { psql -q -v ON_ERROR_STOP=1 "$@"; }

# Names and types are those of CoCalc's src/packages/util/db-schema; columns that say nothing here are left out.
make_tables() {
	sql <<-'END'
		CREATE TABLE accounts (account_id UUID, created TIMESTAMP, deleted BOOLEAN, name VARCHAR(39),
		    email_address VARCHAR(254) UNIQUE, email_address_before_delete TEXT, first_name VARCHAR(254),
		    last_name VARCHAR(254), banned BOOLEAN, last_active TIMESTAMP, groups TEXT[], ssh_keys JSONB,
		    PRIMARY KEY (account_id));
		CREATE INDEX ON accounts ((ssh_keys IS NOT NULL));
		CREATE TABLE projects (project_id UUID, name VARCHAR(100), title TEXT, description TEXT, users JSONB,
		    deleted BOOLEAN, settings JSONB, state JSONB, last_edited TIMESTAMP, last_active JSONB, created TIMESTAMP,
		    PRIMARY KEY (project_id));
		CREATE INDEX ON projects USING GIN (users);
		CREATE ROLE reader LOGIN;
		GRANT SELECT ON accounts, projects TO reader;

		-- The public keys that ssh-keygen made, and how they look in CoCalc: a map by fingerprint.
		CREATE TABLE made (file TEXT PRIMARY KEY, value TEXT);
		CREATE FUNCTION pasted(TEXT, title TEXT) RETURNS JSONB LANGUAGE SQL AS $$
		    SELECT jsonb_build_object(md5(value), jsonb_build_object('title', title, 'value', value,
		        'creation_date', 1700000000123, 'last_use_date', 1710000000000)) FROM made WHERE file = $1 $$;
		CREATE FUNCTION id(name TEXT) RETURNS UUID LANGUAGE SQL AS 'SELECT md5(name)::UUID';
		CREATE FUNCTION member(account TEXT, role TEXT, ssh_keys JSONB DEFAULT NULL) RETURNS JSONB LANGUAGE SQL AS $$
		    SELECT jsonb_build_object(id(account), jsonb_strip_nulls(jsonb_build_object('group', role, 'hide', false,
		        'ssh_keys', ssh_keys))) $$;
	END
}

# 200 people with a key each share 995 projects, in every twentieth of which one has pasted a key of its own. The five
# others are the ones that the tests are about.
fill_tables() {
	local n
	for n in owner student assistant guest pasted shared stranger {1..249}; do
		new_key "$n"
		printf '%s\t%s\n' "$n" "$(cat "$D/$n.pub")"
	done | sql -c '\copy made FROM STDIN'
	sql <<-'END'
		INSERT INTO accounts (account_id, created, email_address, first_name, last_name, ssh_keys)
		SELECT id('account ' || n), '2019-02-03 04:05:06.789', 'Person' || n || '@example.org', 'Person', n,
		    pasted(n::TEXT, 'key of person ' || n)
		FROM generate_series(1, 200) AS n;
		INSERT INTO accounts (account_id, created, email_address, first_name, last_name, ssh_keys)
		SELECT id(n), '2019-01-02 03:04:05', n || '@example.org', 'The', n, pasted(n, n || '''s laptop')
		FROM unnest('{owner, student, assistant, guest}'::TEXT[]) AS n;

		INSERT INTO projects (project_id, title, created, users)
		SELECT id('project ' || n), 'Project ' || n, '2020-01-01',
		    member('account ' || 1 + n % 200, 'owner') || member('account ' || 1 + (n + 100) % 200, 'collaborator') ||
		    member('account ' || 1 + (n + 37) % 200, 'collaborator',
		        CASE WHEN n % 20 = 0 THEN pasted((200 + n / 20)::TEXT, 'deploy') END)
		FROM generate_series(1, 995) AS n;
		INSERT INTO projects (project_id, title, created, users) VALUES
		    (id('course'), 'Course', '2020-01-01', member('owner', 'owner') || member('assistant', 'collaborator') ||
		        member('student', 'collaborator', pasted('pasted', 'for the course')) || member('guest', 'collaborator')),
		    (id('seminar'), 'Seminar', '2020-01-01', member('owner', 'owner') || member('student', 'collaborator')),
		    (id('lab'), 'Lab', '2020-01-01', member('owner', 'owner')),
		    (id('thesis'), 'Thèse: “Öl”', '2020-01-01', member('student', 'owner')),
		    (id('empty'), NULL, NULL, NULL);
	END
}

# import [OPTION]...: the pipe of the manual; what it says is left in report and refused
# shellcheck disable=SC2120 # called with arguments by run
import() {
	PGUSER=reader psql -At -f $SQL | keyacct import --mirror --json "$@" - >"$D/report" 2>"$D/refused"
}
# reports ADDED CHANGED REMOVED: and nothing was refused
reports() {
	diff <(jq -c '[.added, .changed, .removed, .refused]' "$D/report") - <<<"[$1,$2,$3,0]"
}
digits() { printf %s "$1" | md5sum | cut -c 1-32; }

setup_file() {
	load lib
	make_database
	start_postgres
	make_tables
	fill_tables
	export COURSE=$(digits course) SEMINAR=$(digits seminar) LAB=$(digits lab) THESIS=$(digits thesis)
}

teardown_file() {
	load lib
	kill -INT "$POSTGRES"
	ended() { ! kill -0 "$POSTGRES" 2>/dev/null; }
	wait_until ended
	rm -r "$PGHOST"
}

@test "a thousand projects come in" {
	import
	[ "$(keyacct --json project list | jq length)" -eq 1000 ]
	[ "$(keyacct --json account list | jq length)" -eq 204 ]
	[ "$(keyacct --json key list | jq length)" -eq 254 ]
	# All lines but the last, which says that it is the last.
	reports "$(psql -At -f $SQL | sed '$d' | wc -l)" 0 0
}

@test "the same database once more changes nothing" {
	import
	reports 0 0 0
}

@test "what is read from the database is the same each time, and whole lines" {
	psql -At -f $SQL >"$D/first"
	PGUSER=reader PGTZ=Asia/Tokyo PGCLIENTENCODING=LATIN1 psql -At -f $SQL >"$D/second"
	cmp "$D/first" "$D/second"
	jq -c . "$D/first" >/dev/null
}

@test "an owner and a collaborator log in, each with the account key, to what is theirs" {
	enters owner $COURSE
	enters owner $LAB
	enters student $COURSE
	enters student $THESIS
	denied owner $THESIS
	denied student $LAB
	denied stranger $COURSE
	run login student $COURSE 'echo $KEYACCT_ACCOUNT $KEYACCT_ROLE'
	[ "$output" = "student@example.org collaborator" ]
	run login student $THESIS 'echo $KEYACCT_ACCOUNT $KEYACCT_ROLE'
	[ "$output" = "student@example.org owner" ]
}

@test "one of a thousand others gets in with the account key and with the project key" {
	enters 21 "$(digits 'project 20')"
	enters 201 "$(digits 'project 20')"
	denied 201 "$(digits 'project 40')"
	enters 202 "$(digits 'project 40')"
}

@test "a collaborator who was dropped is refused after the next import, and the others get in" {
	enters guest $COURSE
	sql -c "UPDATE projects SET users = users - id('guest')::TEXT WHERE project_id = id('course')"
	enters guest $COURSE
	import
	reports 0 0 1
	denied guest $COURSE
	enters assistant $COURSE
	enters owner $COURSE
}

@test "a collaborator who becomes owner is one, and the owner who steps down is none" {
	sql -c "UPDATE projects SET users = member('owner', 'collaborator') || member('student', 'owner')
	    WHERE project_id = id('seminar')"
	import
	reports 0 2 0
	run login student $SEMINAR 'echo $KEYACCT_ROLE'
	[ "$output" = owner ]
	run login owner $SEMINAR 'echo $KEYACCT_ROLE'
	[ "$output" = collaborator ]
}

@test "an account key that was deleted is refused everywhere" {
	sql -c "UPDATE accounts SET ssh_keys = '{}' WHERE account_id = id('assistant')"
	import
	reports 0 0 1
	denied assistant $COURSE
	sql -c "UPDATE accounts SET ssh_keys = pasted('assistant', 'again') WHERE account_id = id('assistant')"
	import
	reports 1 0 0
	enters assistant $COURSE
}

@test "a project key opens its project alone" {
	enters pasted $COURSE
	denied pasted $SEMINAR
	denied pasted $THESIS
}

@test "a key pasted in two projects opens both, and once it is an account key, all" {
	sql -c "UPDATE projects SET users = member('student', 'owner', pasted('pasted', 'too'))
	    WHERE project_id = id('thesis')"
	import
	reports 0 1 0
	enters pasted $COURSE
	enters pasted $THESIS
	denied pasted $SEMINAR
	sql -c "UPDATE accounts SET ssh_keys = ssh_keys || pasted('pasted', 'all') WHERE account_id = id('student')"
	import
	reports 0 1 0
	enters pasted $SEMINAR
	denied pasted $LAB
	sql -c "UPDATE accounts SET ssh_keys = pasted('student', 'laptop') WHERE account_id = id('student')"
	import
	enters pasted $THESIS
	denied pasted $SEMINAR
}

@test "a project key goes with the collaborator" {
	sql -c "UPDATE projects SET users = users || member('guest', 'collaborator', pasted('shared', 'a key'))
	    WHERE project_id = id('lab')"
	import
	enters shared $LAB
	sql -c "UPDATE projects SET users = users - id('guest')::TEXT WHERE project_id = id('lab')"
	import
	denied shared $LAB
	enters owner $LAB
}

@test "a deleted project is closed, and open again when CoCalc brings it back, with the same files" {
	uid=$(field_of $LAB uid)
	sql -c "UPDATE projects SET deleted = true WHERE project_id = id('lab')"
	import
	reports 0 1 0
	reads owner $LAB 'This project is archived. Ask one of its owners or the administrator to bring it back.'
	enters owner $COURSE
	sql -c "UPDATE projects SET deleted = false WHERE project_id = id('lab')"
	import
	reports 0 1 0
	enters owner $LAB
	[ "$(field_of $LAB uid)" = "$uid" ]
}

@test "banned and deleted accounts are refused, and let in when that is undone" {
	for column in banned deleted; do
		sql -c "UPDATE accounts SET $column = true WHERE account_id = id('assistant')"
		import
		reports 0 1 0
		import
		reports 0 0 0
		denied assistant $COURSE
		enters owner $COURSE
		sql -c "UPDATE accounts SET $column = false WHERE account_id = id('assistant')"
		import
		enters assistant $COURSE
	done
}

# odd_rows: what years of use leave behind
odd_rows() {
	local key
	key=$(cut -d ' ' -f 2 "$D/shared.pub")
	sql -v key="$key" <<-'END'
		INSERT INTO accounts (account_id) VALUES (id('nobody'));
		INSERT INTO accounts (account_id, created, email_address, first_name, last_name, banned) VALUES
		    (id('later'), '2024-01-01', 'Owner@Example.ORG', ' ', 'Later', false),
		    (id('hex'), 'infinity', 'deadbeef00', repeat('é', 200), E'\tTab\x1b', NULL),
		    (id('far'), '0044-03-15 BC', repeat('a', 60) || '@example.org', repeat('x', 200), repeat('y', 200), NULL);
		-- One key twice, once wrapped as a terminal wrapped it, under a title that shows nothing; and what is no key.
		UPDATE accounts SET ssh_keys = jsonb_build_object(
		    'aa', jsonb_build_object('title', E'\u200b \t', 'value', E' ssh-ed25519 ' || :'key' || E' at home\r\n',
		        'creation_date', 1e300),
		    'bb', jsonb_build_object('title', 'again', 'value', E'ssh-ed25519\n' || left(:'key', 40) || E'\n' ||
		        substr(:'key', 41)),
		    'cc', NULL, 'dd', '{}'::JSONB, 'ee', '{"value": " "}'::JSONB, 'ff', '{"value": 7}'::JSONB)
		WHERE account_id = id('nobody');
		UPDATE accounts SET ssh_keys = 'null' WHERE account_id = id('later');
		UPDATE accounts SET ssh_keys = jsonb_build_object('gg', pasted('249', 'old') -> (SELECT md5(value) FROM made
		    WHERE file = '249') || '{"creation_date": "yesterday"}') WHERE account_id = id('hex');
		INSERT INTO projects (project_id, title, users) VALUES
		    (id('unowned'), E'a\\b "c"\n\td', '{"7": {"group": "owner"}}'::JSONB || member('purged', 'owner') ||
		        member('owner', 'viewer', pasted('stranger', 'no')) || member('nobody', 'collaborator', '[]') ||
		        jsonb_build_object(id('student'), NULL) || jsonb_build_object(id('assistant'), '{"hide": true}'::JSONB)),
		    (id('listed'), repeat('字', 100), '[]'), (id('nulled'), repeat('z', 300), 'null');
	END
}

@test "rows with nothing in them, with too much, and with what is no key come in as far as they go" {
	odd_rows
	import
	reports 10 0 0
	import
	reports 0 0 0
	keyacct --json account show owner@example.org | jq -e ".id == \"$(hyphened "$(digits owner)")\""
	for n in later hex far nobody; do
		keyacct --json account show "account-$(hyphened "$(digits $n)")" >"$D/$n.json"
	done
	jq -e '.email == "Owner@Example.ORG" and .name == "Later"' "$D/later.json"
	jq -e '.name | endswith("éé") and utf8bytelength > 120 and utf8bytelength <= 255' "$D/hex.json"
	jq -e '.name | utf8bytelength == 255' "$D/far.json"
	keyacct --json project show "$(digits unowned)" >"$D/unowned.json"
	jq -e '.title == "a\\b \"c\" d"' "$D/unowned.json"
	keyacct --json member list "$(digits unowned)" | jq -e 'length == 1 and .[0].role == "collaborator"'
	keyacct --json key list "account-$(hyphened "$(digits nobody)")" | jq -e 'map(.title) == ["at"]'
	enters shared "$(digits unowned)"
	denied stranger "$(digits unowned)"
	denied student "$(digits unowned)"
}

@test "keys that cannot be read are refused by their lines, and keep nobody in" {
	sql -c "UPDATE accounts SET ssh_keys = pasted('guest', 'good') ||
	    '{\"bad\": {\"value\": \"ssh-ed25519 AAAAC3Nza\"}}' ||
	    jsonb_build_object('long', jsonb_build_object('value', repeat('x', 100000))) WHERE account_id = id('guest')" \
	    -c "UPDATE projects SET users = users - id('nobody')::TEXT WHERE project_id = id('unowned')"
	refute import
	jq -e '[.added, .changed, .removed, .refused] == [0, 1, 1, 2]' "$D/report"
	line=$(psql -At -f $SQL | grep -n 'AAAAC3Nza"' | cut -d : -f 1)
	jq -e ".refusals[] | select(.line == $line) | .message | contains(\"cut short\")" "$D/report"
	denied shared "$(digits unowned)"
	sql -c "UPDATE accounts SET ssh_keys = pasted('guest', 'good') WHERE account_id = id('guest')"
}

@test "no line is too long to be read, whatever was pasted, and however often" {
	PGDATABASE=template1 sql -c 'CREATE DATABASE crowded TEMPLATE postgres'
	export PGDATABASE=crowded
	sql <<-'END'
		UPDATE made SET value = value || ' ' || repeat(E'\x01', 9000) WHERE file = 'pasted';
		UPDATE projects SET users = users || member('student', 'collaborator', pasted('pasted', repeat(E'\x02', 9000)));
		UPDATE projects SET title = repeat(E'\x03', 9000) WHERE project_id = id('thesis');
	END
	psql -At -f $SQL >"$D/crowded"
	[ "$(jq '.projects // [] | length' "$D/crowded" | sort -n | tail -n 1)" -eq 900 ]
	longest=$(LC_ALL=C awk 'length > n { n = length } END { print n }' "$D/crowded")
	[ "$longest" -gt 60000 ]
	[ "$longest" -lt 65536 ]
}

@test "an address that one person gives up and another takes moves along, in one import" {
	sql -c "UPDATE accounts SET email_address = NULL, email_address_before_delete = email_address, deleted = true
	    WHERE account_id = id('guest')" \
	    -c "UPDATE accounts SET email_address = 'guest@example.org' WHERE account_id = id('assistant')"
	import
	reports 0 2 0
	[ "$(keyacct --json account show guest@example.org | jq -r .id)" = "$(hyphened "$(digits assistant)")" ]
}

@test "people who exchange their addresses are suspended all the same" {
	sql -c "UPDATE accounts SET email_address = NULL WHERE account_id = id('owner')" \
	    -c "UPDATE accounts SET email_address = 'owner@example.org', banned = true WHERE account_id = id('student')" \
	    -c "UPDATE accounts SET email_address = 'student@example.org' WHERE account_id = id('owner')"
	# Whether it untangles the two handles or refuses them.
	run import
	denied student $COURSE
	enters owner $COURSE
}

@test "a pipe that breaks off takes nothing away" {
	sql -c 'REVOKE SELECT ON projects FROM reader'
	run import
	[ "$status" -ne 0 ]
	[[ $output == *'permission denied for table projects'* ]]
	grep -q 'it may be cut off, so nothing was removed' "$D/refused"
	enters owner $COURSE
	PGHOST=/nonexistent run import
	[ "$status" -ne 0 ]
	grep -q 'it may be cut off, so nothing was removed' "$D/refused"
	enters owner $COURSE
}
