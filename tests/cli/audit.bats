#!/usr/bin/env bats
# keyacct audit: what deserves a look, each kind of it, and nothing else.
load helpers

setup_file() {
	make_keys owner student outsider other
	ssh-keygen -q -t rsa -b 2048 -N '' -C rsa -f "$BATS_FILE_TMPDIR/rsa"
}

# Everybody has a key that is used and a project that is owned: there is nothing to find.
setup() {
	new_db
	people
	project=$(value .id project add --title Climate --owner owner)
	for who in owner student outsider; do
		k key add $who --title "$who" "$(pub $who)" >/dev/null
	done
}

# rows [OPTION]...: WHAT and what it is about, a line each
rows() { value '.[] | "\(.what) \(.title // .handle)"' audit "$@"; }
# row WHAT FIELD...: the fields of the one row of that kind
row() {
	local what=$1 filter
	shift
	filter=$(printf ', (.%s | tostring)' "$@")
	value "[.[] | select(.what == \"$what\")] | if length == 1 then .[0] | [${filter:2}] | join(\" \") else \"\(length) rows\" end" audit
}
# ago DAYS: that many days before now, in seconds since 1970
ago() { date -d "$1 days ago" +%s; }
id_of() { value .id account show "$1"; }

@test "where nothing deserves a look, it says so, and exits with 0" {
	try 0 k audit
	same "" "$output"
	same "Nothing deserves a look." "$stderr"
	same "[]" "$(k --json audit)"
	try 0 k audit --csv
	same '"WHAT","ACCOUNT","TITLE","ID","DETAIL"' "$output"
}

@test "an empty database has nothing that deserves a look" {
	db=$BATS_TEST_TMPDIR/empty
	keyacct --dir "$db" init
	same "[]" "$(k --json audit)"
}

@test "all kinds, each once, in their order; and all of them as a table" {
	k key add student --title short --expires +1s "$(pub other)"
	k member add "$project" student --expires +1s
	until_passed $(($(date +%s) + 1))
	k key add owner --title rsa --hosts gate "$(pub rsa)"
	k key add owner --title gate --hosts gate "$(pub other)"
	k key set "$(print_of "$(pub student)")" --expires +3d
	used "$(print_of "$(pub outsider)")" "$(id_of outsider)" "$project" "$(ago 91)"
	k account add keyless
	k project add --title Orphan
	k config set host projects
	k config set rsa-bits 3072
	same "key-bits rsa
key-host gate
key-expired short
key-expires student
key-unused outsider
project-no-owner Orphan
account-no-keys keyless
member-expired Climate" "$(rows)"
	k config set key-types ssh-rsa
	same "key-type 5" "$(rows | awk '/^key-type/ {print $1}' | sort | uniq -c | awk '{print $2, $1}')"
	k config reset key-types
	k config set security-keys required
	# The type of security key is what the next one misses, and one row tells one reason.
	same "key-bits 1 key-no-token 5" "$(rows | awk '/^key-(bits|no-token|host|type)/ {print $1}' | sort | uniq -c | awk '{print $2, $1}' | paste -sd' ')"
	k config reset security-keys
	try 0 k audit
	same "WHAT ACCOUNT TITLE ID DETAIL" "$(awk 'NR == 1 {print $1, $2, $3, $4, $5}' <<<"$output")"
	same 9 "${#lines[@]}"
	same "$(rows | cut -d' ' -f1)" "$(tail -n +2 <<<"$output" | awk '{print $1}')"
}

# Keys

@test "a key that breaks the policy: which setting, and how" {
	k key add owner --title rsa "$(pub rsa)"
	k config set rsa-bits 3072
	same "owner $(id_of owner) $(print_of "$(pub rsa)") rsa null null null It has 2048 bits, and rsa-bits is 3072." \
		"$(row key-bits handle account fingerprint title project group at detail)"
	k config reset rsa-bits
	k config set key-types ssh-ed25519,ecdsa-sha2-nistp256
	same "rsa Its type is ssh-rsa, and key-types is ssh-ed25519,ecdsa-sha2-nistp256." "$(row key-type title detail)"
	k config set key-types ssh-rsa,sk-ssh-ed25519@openssh.com
	for key in owner student outsider; do
		k key remove "$(print_of "$(pub $key)")"
	done
	k config set security-keys required
	same "rsa Its type is ssh-rsa, and security-keys wants a security key's." "$(row key-no-token title detail)"
	k config reset security-keys
	k config reset key-types
	k key set "$(print_of "$(pub rsa)")" --hosts gate,lab
	same "0 rows" "$(row key-host title)"
	k config set host desk
	same "rsa It is for gate,lab, and host is desk." "$(row key-host title detail)"
	k config set host LAB
	same "0 rows" "$(row key-host title)"
}

@test "a key that breaks the policy is listed whatever its state and its account's" {
	k key deactivate "$(print_of "$(pub owner)")"
	k account suspend student
	k config set key-types ssh-rsa
	same "outsider owner student" "$(rows | sed -n 's/^key-type //p' | sort | paste -sd' ')"
}

@test "each registration of a key is one row" {
	k key add student --title shared "$(pub owner)"
	k config set key-types ssh-rsa
	same "2 rows" "$(value "[.[] | select(.fingerprint == \"$(print_of "$(pub owner)")\")] | \"\(length) rows\"" audit)"
	same "owner student" "$(value "[.[] | select(.fingerprint == \"$(print_of "$(pub owner)")\").handle] | sort | join(\" \")" audit)"
}

@test "a key that nobody used for 90 days, or as many as are told, or since a time" {
	used "$(print_of "$(pub owner)")" "$(id_of owner)" "$project" $(($(ago 90) - 3600))
	used "$(print_of "$(pub student)")" "$(id_of student)" "$project" $(($(ago 90) + 3600))
	used "$(print_of "$(pub outsider)")" "$(id_of outsider)" "$project" "$(date -d 2020-01-02T00:00:00Z +%s)"
	same "key-unused outsider key-unused owner" "$(rows | sort | paste -sd' ')"
	same "key-unused outsider" "$(rows --unused 91)"
	same "key-unused outsider key-unused owner key-unused student" "$(rows --unused 89 | sort | paste -sd' ')"
	same "key-unused outsider" "$(rows --unused 2020-01-02T00:00:01Z)"
	same "" "$(rows --unused 2020-01-02T00:00:00Z)"
	k key remove "$(print_of "$(pub owner)")"
	same "outsider 2020-01-02T00:00:00Z It was last used at 2020-01-02T00:00:00Z." "$(row key-unused handle at detail)"
}

@test "a key that was never used counts from when it was added" {
	added=$(value '.created' key show "$(print_of "$(pub owner)")")
	until_passed "$(date -d "$added" +%s)"
	until_passed "$(date -d "$(value .created key show "$(print_of "$(pub outsider)")")" +%s)"
	# As if in the second after it was added.
	same "" "$(rows --unused "$added")"
	same "key-unused owner" "$(rows --unused "$(date -u -d "$added + 1 second" +%FT%TZ)" | grep owner)"
	now=$(date -u +%FT%TZ)
	same "null It was added at $added and never used." "$(value '.[] | select(.handle == "owner") | "\(.at) \(.detail)"' audit --unused "$now")"
	# A use takes it off the list.
	used "$(print_of "$(pub owner)")" "$(id_of owner)" "$project" "$(date -d "$now" +%s)"
	same "key-unused outsider key-unused student" "$(rows --unused "$now" | sort | paste -sd' ')"
}

@test "a key that expires within 30 days, or before another time; one that expired" {
	k key set "$(print_of "$(pub owner)")" --expires "$(date -u -d "@$(($(date +%s) + 30 * 86400 - 3600))" +%FT%TZ)"
	k key set "$(print_of "$(pub student)")" --expires "$(date -u -d "@$(($(date +%s) + 30 * 86400 + 3600))" +%FT%TZ)"
	k key set "$(print_of "$(pub outsider)")" --expires 2090-01-01
	same "key-expires owner" "$(rows)"
	end=$(value .expires key show "$(print_of "$(pub owner)")")
	same "owner $end It expires at $end." "$(row key-expires handle at detail)"
	same "key-expires owner key-expires student" "$(rows --expires-before +31d | sort | paste -sd' ')"
	same "" "$(rows --expires-before +7d)"
	same 2 "$(rows --expires-before 2089-12-31T23:59:59Z | wc -l)"
	same 3 "$(rows --expires-before 2090-01-01 | wc -l)"
	k key set "$(print_of "$(pub owner)")" --expires +1s
	until_passed $(($(date +%s) + 1))
	end=$(value .expires key show "$(print_of "$(pub owner)")")
	same "owner $end It expired at $end." "$(row key-expired handle at detail)"
	# Also when one asks for a time before it.
	same "key-expired owner" "$(rows --expires-before 2020-01-01)"
}

# Projects, accounts, members

@test "a project without an owner that can be relied on" {
	k group add staff
	k group add-member staff owner
	k account add gone
	k key add gone "$(pub other)"
	k project add --title none
	k member add "$(value .id project add --title group)" @staff --role owner
	k member add "$(value .id project add --title collaborator)" owner
	k member add "$(value .id project add --title later)" owner --role owner --not-before +1d
	k member add "$(value .id project add --title ends)" owner --role owner --expires +1d
	k project add --title suspended --owner gone
	k account suspend gone
	two=$(value .id project add --title two --owner owner)
	k member add "$two" student --role owner --expires +1d
	k project archive "$(value .id project add --title archived)"
	k project remove "$(value .id project add --title deleted)"
	same "archived collaborator ends group later none suspended" "$(rows | sed -n 's/^project-no-owner //p' | sort | paste -sd' ')"
	id=$(value '.[] | select(.title == "none").id' project list)
	same "$id null No active account owns it for good." \
		"$(value '.[] | select(.title == "none") | "\(.project) \(.handle) \(.detail)"' audit)"
	k audit | grep "^project-no-owner .*$(tr -d - <<<"$id")"
	k account resume gone
	same "archived collaborator ends group later none" "$(rows | sed -n 's/^project-no-owner //p' | sort | paste -sd' ')"
}

@test "an account without keys; one with a key that is switched off has one" {
	k account add keyless
	k key deactivate "$(print_of "$(pub owner)")"
	same "account-no-keys keyless" "$(rows)"
	same "keyless $(id_of keyless) null null null It has no key." "$(row account-no-keys handle account project fingerprint title detail)"
	k key add keyless "$(pub owner)"
	same "" "$(rows)"
}

@test "a membership that ran out, an account's or a group's; not one that has not begun" {
	k group add staff
	k member add "$project" student --expires +1s
	k member add "$project" @staff --role owner --expires +1s
	until_passed $(($(date +%s) + 1))
	k member add "$project" outsider --not-before +1d --expires +2d
	end() { value ".[] | select(.handle == \"$1\").expires" member list "$project"; }
	same "$(printf '%s\n' "@staff null $(value '.[0].id' group list) $project Climate $(end @staff) It was owner until $(end @staff)." \
		"student $(id_of student) null $project Climate $(end student) It was collaborator until $(end student).")" \
		"$(value '.[] | select(.what == "member-expired") | "\(.handle) \(.account) \(.group) \(.project) \(.title) \(.at) \(.detail)"' audit | sort)"
	same 2 "$(rows | wc -l)"
}

# The command itself

@test "bad options are named, and what is allowed" {
	for value in 0 "" 36501 1234567890123456789012; do
		refused 2 "--unused \"$value\" is no number of days: write one from 1 to 36500" k audit --unused "$value"
	done
	for value in 90d -1 +3d 2090-01-01 never 1.5; do
		refused 2 "--unused \"$value\" is neither a number of days nor a time that has passed" k audit --unused "$value"
	done
	refused 2 '--expires-before "soon" is no time' k audit --expires-before soon
	refused 2 "one word too many: it takes no arguments" k audit owner
	try 0 k audit --unused 36500
}

@test "as comma-separated values, and with times of a terminal's own" {
	k account add keyless
	k project add --title 'say "no"'
	name=$(value '.[] | select(.what == "project-no-owner").project' audit | tr -d -)
	try 0 k audit --csv
	same "\"WHAT\",\"ACCOUNT\",\"TITLE\",\"ID\",\"DETAIL\"
\"project-no-owner\",\"-\",\"say \"\"no\"\"\",\"$name\",\"No active account owns it for good.\"
\"account-no-keys\",\"keyless\",\"-\",\"-\",\"It has no key.\"" "$output"
	k key set "$(print_of "$(pub owner)")" --expires +1d
	end=$(value .expires key show "$(print_of "$(pub owner)")")
	export TZ=Asia/Tokyo
	run script -qec "keyacct --dir $db audit" /dev/null
	has "It expires at $(date -d "$end" '+%F %T')."
	# A script reads the same wherever it runs.
	run script -qec "keyacct --dir $db audit --json" /dev/null
	has "It expires at $end."
}

@test "asking changes nothing" {
	k config set key-types ssh-rsa
	k audit >/dev/null
	files=$(files)
	k audit >/dev/null
	k audit --json >/dev/null
	same "$files" "$(files)"
}
