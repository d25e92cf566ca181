#!/usr/bin/env bats
# keyacct key, for many keys: in which order they are listed, and those that one import brought.
load helpers

setup_file() {
	make_keys a b c d
	ssh-keygen -q -t rsa -b 2048 -N '' -C e@laptop -f "$BATS_FILE_TMPDIR/e"
}

setup() { new_db; }

# titles OPTION...: what key list shows, in its order
titles() { value '[.[].title] | join(" ")' key list "$@"; }

# brought_by LABEL NAME...: an import whose lines have this label brings these keys as they are
brought_by() {
	local label=$1
	shift
	# shellcheck disable=SC2046
	k export | jq -c 'select(.fingerprint | IN($ARGS.positional[])) | .origin = $of' --arg of "$label" \
		--args $(for name; do print_of "$(pub "$name")"; done) | k import - >/dev/null
}

@test "list --sort: each field it names in its order, what has none last" {
	people
	k project add 11111111-93d6-11e7-ae8e-e70cea5e8cd7 --owner student
	k project add 22222222-93d6-11e7-ae8e-e70cea5e8cd7 --owner student --owner owner
	k key add owner --title Delta --expires 2031-01-01 "$(pub a)"
	until_passed "$(date +%s)"
	k key add student --title charlie --project 22222222 "$(pub b)"
	until_passed "$(date +%s)"
	k key add student --title Bravo --project 11111111 --expires 2030-01-01 "$(pub c)"
	until_passed "$(date +%s)"
	k key add outsider --title alpha "$(pub e)"
	k key deactivate "$(print_of "$(pub b)")"
	used "$(print_of "$(pub b)")" "$(value .id account show student)" 22222222-93d6-11e7-ae8e-e70cea5e8cd7 "$(date -d 2026-01-01 +%s)"
	used "$(print_of "$(pub c)")" "$(value .id account show student)" 11111111-93d6-11e7-ae8e-e70cea5e8cd7 "$(date -d 2026-02-01 +%s)"
	# What is equal comes in the order of the fingerprints.
	order() { k --json key list | jq -r '[.[] | select(.title | IN($ARGS.positional[]))] | sort_by(.fingerprint) | map(.title) | join(" ")' --args "$@"; }
	same "Bravo charlie $(order Delta alpha)" "$(titles)"
	same "Bravo charlie $(order Delta alpha)" "$(titles --sort used)"
	same "alpha Bravo charlie Delta" "$(titles --sort title)"
	same "$(value 'sort_by(.created) | reverse | map(.title) | join(" ")' key list)" "$(titles --sort created)"
	same "alpha Bravo charlie Delta" "$(titles --sort created)"
	same "Bravo Delta $(order charlie alpha)" "$(titles --sort expires)"
	same "alpha Delta $(order Bravo charlie)" "$(titles --sort account)"
	same "$(order Delta alpha) Bravo charlie" "$(titles --sort project)"
	same "$(order Delta alpha Bravo) charlie" "$(titles --sort state)"
	same "$(order Delta charlie Bravo) alpha" "$(titles --sort type)"
	# Sorted as well in what people and spreadsheets read, and behind a filter.
	same "TITLE alpha Bravo charlie Delta" "$(k key list --sort title | awk '{print $1}' | xargs)"
	same "TITLE alpha Bravo charlie Delta" "$(k key list --sort=title --csv | cut -d'"' -f2 | xargs)"
	same "Bravo charlie" "$(titles student --sort title)"
}

@test "list --sort: what is equal comes by fingerprint, then by account; a key that names no project comes last" {
	people
	project=$(new_project --owner owner --owner student)
	for name in a b c; do
		for account in student owner outsider; do k key add $account --title same "$(pub $name)"; done
	done
	expected=$(for name in a b c; do print_of "$(pub $name)"; done | LC_ALL=C sort | sed 'h; s/$/ outsider/; p; g; s/$/ owner/; p; g; s/$/ student/')
	for field in used title state type expires; do
		same "$expected" "$(value '.[] | "\(.fingerprint) \(.handle)"' key list --sort $field)"
	done
	k key add owner --title named --project "$project" "$(pub d)"
	k key add student --title none --project "$project" "$(pub d)"
	k key set "$(print_of "$(pub d)")" --account student --no-project "$project"
	same "named none" "$(titles --sort project | cut -d' ' -f10-)"
}

@test "list --sort takes the fields that the help names, and none else" {
	fields=$(keyacct key list --help | sed -nE 's/^  --sort FIELD +by (.*) \(used\)/\1/p')
	same "used, title, account, project, state, type, created or expires" "$fields"
	for field in ${fields//[, ]or/}; do try 0 k key list --sort "${field%,}"; done
	for bad in handle Title '' used,title; do
		refused 2 "--sort \"$bad\": write $fields" k key list --sort "$bad"
	done
}

@test "list --origin shows what one import brought" {
	people
	for name in a b c; do k key add owner --title $name "$(pub $name)"; done
	k key add student --title s "$(pub d)"
	brought_by old-host a d
	brought_by old b
	same "a s" "$(titles --origin old-host --sort title)"
	same "a" "$(titles owner --origin old-host)"
	same "b" "$(titles --origin old)"
	same "" "$(titles --origin nothing)"
	same "old-host" "$(value .origin key show "$(print_of "$(pub a)")")"
}

@test "remove --origin removes what one import brought, all of it and nothing else, as one change or not at all" {
	people
	project=$(new_project --owner owner)
	for name in a b c; do k key add owner --title $name "$(pub $name)"; done
	k key add student --title s "$(pub d)"
	k key add owner --title e --project "$project" "$(pub e)"
	brought_by old-host a d e
	brought_by old b
	before=$(dump)
	try 0 k key remove --origin old-host --dry-run
	same 5 "${#lines[@]}"
	same '3 keys with the origin "old-host" would be removed:' "${lines[0]}"
	same "$(printf '  %s\n' "$(print_of "$(pub a)") \"a\" of \"owner\"" "$(print_of "$(pub d)") \"s\" of \"student\"" \
		"$(print_of "$(pub e)") \"e\" of \"owner\"" | sort)" "$(sed -n 2,4p <<<"$output" | sort)"
	same "Nothing is changed." "${lines[4]}"
	same "a e s" "$(value '[.[].title] | sort | join(" ")' key remove --origin old-host --dry-run)"
	same "$before" "$(dump)"
	# A label is the whole of it.
	try 0 k key rm --origin old
	same '1 key with the origin "old" is removed, and opens nothing any more.' "$output"
	same "a c e s" "$(titles --sort title)"
	try 0 k key remove --origin old-host
	same '3 keys with the origin "old-host" are removed, and open nothing any more.' "$output"
	same c "$(titles)"
	try 1 k explain "$project" "$(pub e)"
	has unknown-key
	try 0 k explain "$project" "$(pub c)"
	# Nothing of what was removed is left behind in any table.
	k key remove "$(print_of "$(pub c)")"
	same "" "$(mdb_dump -an "$db/private/access.mdb" | sed -n '/^database=\(key\|key_of\|reach\|blob\)$/,/^DATA=END/p' | grep '^ ')"
}

@test "remove --origin with --account removes that account's alone; --json prints what they were" {
	people
	for account in owner student; do k key add $account --title $account "$(pub a)"; done
	k key add student --title other "$(pub b)"
	brought_by old-host a b
	# Both registrations of one key.
	same 3 "$(titles --origin old-host | wc -w)"
	sha256=$(print_of "$(pub b)")
	same "other student old-host" "$(value '"\(map(.title) | sort | join(" ")) \(.[0].origin)"' key remove --origin old-host --account student)"
	same owner "$(titles --origin old-host)"
	refused 3 "there is no key" k key show "$sha256"
	refused 3 'no key of student has the origin "old-host"' k key remove --origin old-host --account student
}

@test "remove takes a key or an origin, and an origin that is there" {
	people
	k key add owner --title by-hand "$(pub a)"
	before=$(dump)
	refused 3 "no key has the origin \"old-host\"; 'keyacct key list --json' shows each key's" k key remove --origin old-host
	refused 3 'no key has the origin "old-host"' k key remove --origin old-host --dry-run
	refused 3 'there is no account "nobody"' k key remove --origin old-host --account nobody
	refused 2 "it takes a KEY or --origin, and neither is given" k key remove
	refused 2 "it takes a KEY or --origin, and not both" k key remove "$(print_of "$(pub a)")" --origin old-host
	# It would be every key that was added by hand.
	refused 2 "--origin is empty: give the label of an import" k key remove --origin ''
	refused 2 "--dry-run goes with --origin" k key remove "$(print_of "$(pub a)")" --dry-run
	same "$before" "$(dump)"
}
