#!/usr/bin/env bats
# keyacct export: the whole database as import reads it, of one moment, or a failure that nobody can overlook.
load helpers
load import

setup_file() { make_keys owner student other third; }

setup() { new_db; }

teardown() {
	if [ -n "${holder:-}" ]; then kill -KILL "$holder" 2>/dev/null || true; fi
}

# rich: rows with everything that a row can have, through the other commands
rich() {
	people
	k account add full --name 'A "quoted" \back\ slash / é 気 😀' --email 'full+tag@example.org' >/dev/null
	k account add "$(printf 'h%.0s' {1..64})" --name "$(printf 'é%.0s' {1..127})x" --email "$(printf 'e%.0s' {1..255})" >/dev/null
	k account suspend full
	k project add $P1 --title "$(printf '😀%.0s' {1..63})abc" --owner owner --uid 5000 --home "/$(printf 'é%.0s' {1..255})" --shell "/$(printf 's%.0s' {1..254})" \
		--ssh off --agent off >/dev/null 2>&1
	k project add $P2 --title 'tombstone' --owner owner >/dev/null
	k project add $P3 --owner student --home '/srv/ two  words ' >/dev/null
	new_project >/dev/null
	k project archive $P3
	k group add staff >/dev/null
	k group add empty >/dev/null
	k group add-member staff student
	k group add-member staff owner
	k member add $P3 @staff --role owner --not-before 2030-01-01 --expires 2031-01-01
	k member add $P1 outsider --expires +1d
	k key add owner --title "$(printf 't%.0s' {1..255})" --note "$(printf 'n%.0s' {1..383})" --tags "$(printf 'x%.0s' {1..255})" \
		--hosts "$(printf 'y%.0s' {1..255})" --from "$(seq -s , -f '192.0.2.%g' 1 28)" --expires +30d --not-before 2020-01-01 "$(pub owner)" >/dev/null
	k key add owner --project $P1 --project $P2 --tags 'a b,c "d" \e' "$(pub student)" >/dev/null
	k key add outsider --project $P1 "$(pub other)" >/dev/null
	k key add student "$(pub other)" >/dev/null
	k key deactivate "$(print_of "$(pub other)")" --account student
	k member remove $P1 outsider
	k project remove $P2
	k account suspend student
	k import --authorized-keys "$(pub third)" --account owner --origin moved >/dev/null
	object settings host login.example.org rsa_bits 3072 git_author true grace_text 'Your time is up.' homes '/srv/more  projects' agent false | k import - >/dev/null
	object counter uid_next 1879050000 | k import - >/dev/null
}

@test "a round trip through an empty database gives the same bytes" {
	rich
	k export >"$BATS_TEST_TMPDIR/first"
	# It is as rich as it should be.
	jq -es 'any(.state == "deleted") and any(.state == "suspended") and any(.state == "archived") and any(.state == "inactive") and
		any(.projects == []) and any(.accounts == []) and any(.type == "settings" and .rsa_bits == 3072) and any(.group) and
		any(.uid_next == 1879050000) and (.[-1] == {type: "end"})' "$BATS_TEST_TMPDIR/first"
	for full in '.handle:64' '.name:255' '.email:255' '.title:255' '.home:511' '.shell:255' '.tags[0]?:255' '.hosts[0]?:255' '.note:383'; do
		jq -es --argjson most "${full#*:}" "any(.[]; (${full%:*} // \"\" | utf8bytelength) == \$most)" "$BATS_TEST_TMPDIR/first" >/dev/null || {
			echo "none is as long as $full"
			return 1
		}
	done
	db=$BATS_TEST_TMPDIR/second
	keyacct --dir "$db" init >/dev/null
	try 0 k import "$BATS_TEST_TMPDIR/first"
	same 0 "$(numbers | cut -d' ' -f5)"
	cmp "$BATS_TEST_TMPDIR/first" <(k export)
	try 0 k check
	imports "0 0 $(grep -cv '"counter"\|"end"' "$BATS_TEST_TMPDIR/first") 0 0" --mirror <"$BATS_TEST_TMPDIR/first"
	# In any order, and by way of any writer of JSON.
	db=$BATS_TEST_TMPDIR/third
	keyacct --dir "$db" init >/dev/null
	try 0 k import <(grep -v '"settings"' "$BATS_TEST_TMPDIR/first" | shuf | jq -cS .; grep '"settings"' "$BATS_TEST_TMPDIR/first")
	cmp "$BATS_TEST_TMPDIR/first" <(k export)
}

@test "each line is one object with the fields of its type, in one order, and nothing else" {
	rich
	k export >"$BATS_TEST_TMPDIR/lines"
	same "settings counter account group project member key end" "$(jq -r .type "$BATS_TEST_TMPDIR/lines" | uniq | xargs)"
	fields() { jq -r "select(.type == \"$1\") | keys_unsorted | join(\" \")" "$BATS_TEST_TMPDIR/lines" | sort -u; }
	same "type id handle name email state created" "$(fields account)"
	same "type id name created accounts" "$(fields group)"
	same "type id title state ssh agent tcp x11 pty sftp_only uid home shell created" "$(fields project)"
	same "type project account role not_before expires created
type project group role not_before expires created" "$(fields member)"
	same "type fingerprint fingerprint_md5 key_type bits title account state tags note origin hosts from created not_before expires key
type fingerprint fingerprint_md5 key_type bits title account state tags note origin hosts from created not_before expires projects key" "$(fields key)"
	same "$(k export)" "$(cat "$BATS_TEST_TMPDIR/lines")"
}

@test "an empty database has its settings, the counter and the end" {
	same "settings counter end" "$(k export | jq -r .type | xargs)"
	refused 5 "there is no database" keyacct --dir "$BATS_TEST_TMPDIR/none" export
	refused 2 "that is one word too many" k export file
}

@test "an export while somebody writes is of one moment" {
	people
	(
		for n in $(seq 40); do
			# Each batch is whole: a project never without its two owners and the key for it.
			id=$(printf '%08x-0000-4000-8000-000000000001' "$n")
			{
				object project id "$id"
				object member project "$id" account owner role owner
				object member project "$id" account student role owner
				object key account owner key "$(key_of owner)" projects "[\"$id\"]"
			} | k import - >/dev/null || exit 1
		done
	) 3>&- &
	writer=$! seen=
	while kill -0 $writer 2>/dev/null; do
		k export >"$BATS_TEST_TMPDIR/lines"
		same '{"type":"end"}' "$(tail -1 "$BATS_TEST_TMPDIR/lines")"
		count=$(grep -c '"type":"project"' "$BATS_TEST_TMPDIR/lines" || true)
		same $((2 * count)) "$(grep -c '"type":"member"' "$BATS_TEST_TMPDIR/lines" || true)"
		if [ "$count" -gt 0 ]; then
			same "$(jq -r 'select(.type == "project") | .id' "$BATS_TEST_TMPDIR/lines" | sort | tail -1)" "$(jq -r '.projects[0]? // empty' "$BATS_TEST_TMPDIR/lines")"
		fi
		seen="$seen $count"
	done
	wait $writer
	echo "saw $seen"
	[ "$(tr ' ' '\n' <<<"$seen" | sort -u | wc -l)" -ge 3 ]
}

@test "onto a full disk, into a closed pipe or nowhere: a sentence, and no exit status 0" {
	rich
	for n in $(seq 2000); do echo "{\"type\":\"account\",\"handle\":\"user-$n\"}"; done | k import - >/dev/null
	run --separate-stderr bash -c 'keyacct --dir "$0" export >/dev/full' "$db"
	same "6 keyacct: the output could not be written: No space left on device" "$status $stderr"
	run --separate-stderr bash -c 'keyacct --dir "$0" export | head -1 >/dev/null; exit "${PIPESTATUS[0]}"' "$db"
	same "6 keyacct: the output could not be written: Broken pipe" "$status $stderr"
	run --separate-stderr bash -c 'keyacct --dir "$0" --json export | head -1 >/dev/null; exit "${PIPESTATUS[0]}"' "$db"
	same 6 "$status"
	jq -e '.error.message | test("Broken pipe")' <<<"$stderr"
	run --separate-stderr bash -c 'keyacct --dir "$0" export >&-' "$db"
	[ "$status" -ne 0 ]
	[[ $stderr == "keyacct: "* ]]
	# A file on a disk that is full.
	mkdir "$BATS_TEST_TMPDIR/small"
	mount -t tmpfs -o size=64k tmpfs "$BATS_TEST_TMPDIR/small"
	run --separate-stderr bash -c 'keyacct --dir "$0" export >"$1"' "$db" "$BATS_TEST_TMPDIR/small/file"
	umount "$BATS_TEST_TMPDIR/small"
	same "6 keyacct: the rows could not be written: No space left on device" "$status $stderr"
}

@test "no room for the temporary file: a sentence, and nothing on standard output" {
	people
	for n in $(seq 2000); do echo "{\"type\":\"account\",\"handle\":\"user-$n\"}"; done | k import - >/dev/null
	db2=/var/lib/export-test
	rm -rf $db2
	cp -a "$db" $db2
	run --separate-stderr unshare -m bash -c 'mount -t tmpfs -o size=64k tmpfs /tmp && exec keyacct --dir "$0" export | cat; exit "${PIPESTATUS[0]}"' $db2
	rm -r $db2
	same "6 keyacct: the rows could not be written: No space left on device" "$status $stderr"
	same "" "$output"
}

@test "a paused pager pins nothing: the database is closed before a byte goes into a pipe" {
	people
	for n in $(seq 3000); do echo "{\"type\":\"account\",\"handle\":\"user-$n\"}"; done | k import - >/dev/null
	mkfifo "$BATS_TEST_TMPDIR/pipe"
	exec 7<>"$BATS_TEST_TMPDIR/pipe"
	keyacct --dir "$db" export >"$BATS_TEST_TMPDIR/pipe" 7>&- 3>&- &
	holder=$!
	# Until the pipe is full and it waits to write more: the call's number is 1.
	deadline=$((SECONDS + 60))
	until grep -q '^1 0x1 ' /proc/$holder/syscall 2>/dev/null; do [ $SECONDS -lt $deadline ]; done
	same "" "$(find /proc/$holder/fd -lname '*.mdb*')"
	run ! grep -q 'access.mdb' /proc/$holder/maps
	# The whole of what it has to say is there already, in a file that nobody else sees.
	k account add late >/dev/null
	exec 8<"$BATS_TEST_TMPDIR/pipe" 7>&-
	cat <&8 >"$BATS_TEST_TMPDIR/out"
	exec 8<&-
	wait $holder
	holder=
	same '{"type":"end"}' "$(tail -1 "$BATS_TEST_TMPDIR/out")"
	run ! grep -q '"late"' "$BATS_TEST_TMPDIR/out"
	same "" "$(find /tmp -maxdepth 1 -name 'tmpf*')"
}
