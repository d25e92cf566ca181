#!/usr/bin/env bats
# keyacct import: what a line of each type does to what is there.
load helpers
load import

setup_file() { make_keys owner student other; }

setup() { new_db; }

teardown() { k check >/dev/null; }

# changes FILTER LINE: the line changes one row so that the filter (jq) is true of it; once more it changes nothing
changes() {
	imports "0 1 0 0 0" <<<"$2"
	k export | jq -es "any($1)" >/dev/null || {
		echo "not so: $1 after $2"
		return 1
	}
	imports "0 0 1 0 0" <<<"$2"
}

# The same lines

@test "a platform comes in, and a second time changes nothing, in whatever order" {
	a_platform >"$BATS_TEST_TMPDIR/lines"
	imports "11 0 0 0 0" <"$BATS_TEST_TMPDIR/lines"
	before=$(k export)
	imports "0 0 11 0 0" <"$BATS_TEST_TMPDIR/lines"
	imports "0 0 11 0 0" < <(shuf "$BATS_TEST_TMPDIR/lines")
	same "$before" "$(k export)"
	same laptop "$(row '.type == "key" and .account == "'$A1'"' | jq -r .title)"
	same owner "$(k --json explain $P1 "$(pub owner)" | jq -r .role)"
	same collaborator "$(k --json explain $P1 "$(pub student)" | jq -r .role)"
	same key-reach "$(k --json explain $P2 "$(pub student)" | jq -r .reason)"
}

@test "lines may stand in any order: what refers to what is not there yet waits" {
	a_platform >"$BATS_TEST_TMPDIR/lines"
	imports "11 0 0 0 0" < <(tac "$BATS_TEST_TMPDIR/lines")
	reference=$(k export | jq -c 'del(.created)' | grep -v '"settings"\|"counter"\|"project"')
	for _ in 1 2 3 4 5; do
		db=$BATS_TEST_TMPDIR/again
		rm -rf "$db"
		keyacct --dir "$db" init >/dev/null
		imports "11 0 0 0 0" < <(shuf "$BATS_TEST_TMPDIR/lines")
		same "$reference" "$(k export | jq -c 'del(.created)' | grep -v '"settings"\|"counter"\|"project"')"
	done
}

@test "what export writes is no change, in the database itself too" {
	a_platform | k import - >/dev/null
	total=$(k export | grep -cv '"counter"\|"end"')
	imports "0 0 $total 0 0" < <(k export)
	db=$BATS_TEST_TMPDIR/fresh
	keyacct --dir "$db" init >/dev/null
	imports "0 0 1 0 0" < <(k export)
}

@test "listings can be imported: what follows from other fields is not looked at" {
	a_platform | k import - >/dev/null
	before=$(k export)
	for listing in "account list" "project list" "key list"; do
		# shellcheck disable=SC2086
		k --json $listing | jq -c '.[]' >"$BATS_TEST_TMPDIR/lines"
		imports "0 0 $(wc -l <"$BATS_TEST_TMPDIR/lines") 0 0" <"$BATS_TEST_TMPDIR/lines"
	done
	k --json member list $P1 | jq -c '.[]' >"$BATS_TEST_TMPDIR/lines"
	imports "0 0 2 0 0" <"$BATS_TEST_TMPDIR/lines"
	k --json group list | jq -c '.[]' >"$BATS_TEST_TMPDIR/lines"
	imports "0 0 1 0 0" <"$BATS_TEST_TMPDIR/lines"
	same "$before" "$(k export)"
	same "array" "$(k --json project list | jq -r '.[0].owners | type')"
}

# Fields

@test "account: added, changed by each field, found again by id or handle" {
	imports "1 0 0 0 0" <<<"$(object account id $A1 handle owner)"
	same "owner active null null" "$(row '.type == "account"' | jq -r '"\(.handle) \(.state) \(.name) \(.email)"')"
	row '.type == "account"' | jq -e '.created | test("^20[0-9-]{8}T[0-9:]{8}Z$")'
	changes '.name == "A \"B\" \\ é"' "$(object account id $A1 name 'A "B" \ é')"
	changes '.email == "owner@example.org"' "$(object account id $A1 email owner@example.org)"
	changes '.state == "suspended"' "$(object account id $A1 state suspended)"
	changes '.created == "2020-01-02T03:04:05Z"' "$(object account id $A1 created 2020-01-02T03:04:05Z)"
	changes '.handle == "boss"' "$(object account id ${A1//-/} handle boss)"
	changes '.name == "C"' "$(object account handle boss name C)"
	changes '.name == null' "$(object account handle boss name null)"
	# What the lines did not say has stayed.
	same "owner@example.org suspended 2020-01-02T03:04:05Z" "$(row '.handle == "boss"' | jq -r '"\(.email) \(.state) \(.created)"')"
	imports "1 0 0 0 0" <<<"$(object account handle student)"
	imports "0 0 1 0 0" <<<"$(object account handle student)"
	same 2 "$(value length account list)"
}

@test "project: added, changed by each field" {
	imports "1 0 0 0 0" <<<"$(object project id $P1)"
	same "active true true 1879048192 /projects/$P1 /bin/bash null" \
		"$(row '.id == "'$P1'"' | jq -r '"\(.state) \(.ssh) \(.agent) \(.uid) \(.home) \(.shell) \(.title)"')"
	changes '.title == "Climate"' "$(object project id $P1 title Climate)"
	changes '.ssh == false' "$(object project id $P1 ssh false)"
	changes '.agent == false and .type == "project"' "$(object project id $P1 agent false)"
	changes '.home == "/srv/two  words "' "$(object project id $P1 home '/srv/two  words ')"
	changes '.shell == "/bin/sh" and .type == "project"' "$(object project id $P1 shell /bin/sh)"
	changes '.state == "archived"' "$(object project id $P1 state archived)"
	changes '.created == "2020-01-02T03:04:05Z"' "$(object project id $P1 created 2020-01-02T03:04:05Z)"
	changes '.state == "active" and .ssh == true and .type == "project"' "$(object project id $P1 ssh true state active)"
	changes '.title == null and .type == "project"' "$(object project id $P1 title null)"
	same "$(hyphens "${P1//-/}")" "$(value '.[].id' project list)"
}

@test "member: added, changed by each field, as an account or a group" {
	a_platform | k import - >/dev/null
	imports "1 0 0 0 0" <<<"$(object member project $P2 account outsider)"
	member='.type == "member" and .project == "'$P2'" and .account == "'$A3'"'
	same "collaborator null null" "$(row "$member" | jq -r '"\(.role) \(.not_before) \(.expires)"')"
	changes "$member and .role == \"owner\"" "$(object member project $P2 account $A3 role owner)"
	changes "$member and .expires == \"2040-01-01T00:00:00Z\"" "$(object member project "${P2^^}" account $A3 expires 2040-01-01)"
	changes "$member and .not_before == \"2030-01-01T00:00:00Z\"" "$(object member project ${P2//-/} account $A3 not_before 2030-01-01)"
	changes "$member and .created == \"2020-01-02T03:04:05Z\"" "$(object member project $P2 account $A3 created 2020-01-02T04:04:05+01:00)"
	changes "$member and .expires == null and .not_before == null and .role == \"owner\"" \
		"$(object member project $P2 account outsider not_before null expires null)"
	for name in staff @staff $G1; do
		changes ".group == \"$G1\" and .role == \"owner\"" "$(object member project $P1 group $name role owner)"
		changes ".group == \"$G1\" and .role == \"collaborator\"" "$(object member project $P1 group $name role collaborator)"
	done
	imports "1 0 0 0 0" <<<"$(object member project $P2 group staff)"
}

@test "group: added, renamed, and with exactly the accounts that the line names" {
	three_people | k import - >/dev/null
	imports "1 0 0 0 0" <<<"$(object group name staff)"
	id=$(value .id group show staff)
	changes '.name == "crew"' "$(object group id "$id" name crew)"
	refused 3 'there is no group "staff"' k group show staff
	changes ".accounts == [\"$A1\", \"$A2\"]" "$(object group id "$id" accounts '["student", "owner", "student"]')"
	changes ".accounts == [\"$A2\", \"$A3\"]" "$(object group name crew accounts "[\"$A3\", \"student\"]")"
	# Absent: as they are. Empty: nobody.
	imports "0 0 1 0 0" <<<"$(object group name crew)"
	changes '.accounts == []' "$(object group name crew accounts '[]')"
	changes '.created == "2020-01-02T00:00:00Z"' "$(object group name crew created 2020-01-02)"
	same "" "$(value '.accounts | join(" ")' group show crew)"
}

@test "who leaves a group by an import gets in no more, nor with a key for its project" {
	a_platform | k import - >/dev/null
	imports "0 1 0 0 0" <<<"$(object group id $G1 accounts "[\"$A3\"]")"
	same key-reach "$(k --json explain $P1 "$(pub student)" | jq -r .reason)"
	same "[]" "$(row '.type == "key" and .account == "'$A2'"' | jq -c .projects)"
}

@test "key: added, changed by each field" {
	a_platform | k import - >/dev/null
	line() { object key account owner key "$(key_of owner)" "$@"; }
	changes '.title == "desktop"' "$(line title desktop)"
	changes '.state == "inactive"' "$(line state inactive)"
	changes '.tags == ["a b", "ü"]' "$(line tags '["a b", "ü"]')"
	changes '.note == "say \"hm\""' "$(line note 'say "hm"')"
	changes '.origin == "platform"' "$(line origin platform)"
	changes '.hosts == ["one", "two"]' "$(line hosts '["one", "two"]')"
	changes '.from == ["192.0.2.7", "2001:db8::/32"]' "$(line from '["192.0.2.7", "2001:db8::/32"]')"
	changes '.created == "2020-01-02T03:04:05Z"' "$(line created 2020-01-02T03:04:05Z)"
	changes '.not_before == "2020-02-01T00:00:00Z"' "$(line not_before 2020-02-01)"
	changes '.expires == "2021-01-01T00:00:00Z"' "$(line expires 2021-01-01)"
	for field in tags note origin hosts from not_before expires; do
		changes ".type == \"key\" and .account == \"$A1\" and .$field == null" "$(line $field null)"
	done
	same "desktop inactive 2020-01-02T03:04:05Z" "$(row '.account == "'$A1'" and .type == "key"' | jq -r '"\(.title) \(.state) \(.created)"')"
	# The comment is no part of the key; blanks and line ends from pasting are not either.
	imports "0 0 1 0 0" <<<"$(object key account $A1 key "$(key_of owner) another comment")"
	imports "0 0 1 0 0" <<<"$(object key account $A1 key "  $(key_of owner | fold -w 30)"$'\n')"
}

@test "key: without a title it is named as key add names it, and a title is never taken away" {
	three_people | k import - >/dev/null
	for title in '' null absent; do
		line=$(object key account owner key "$(key_of owner) home@laptop" title "$title")
		if [ "$title" = absent ]; then line=$(jq -c 'del(.title)' <<<"$line"); fi
		imports "1 0 0 0 0" <<<"$line"
		same home@laptop "$(value '.[].title' key list)"
		imports "0 0 1 0 0" <<<"$line"
		k key set "$(print_of "$(pub owner)")" --title mine
		imports "0 0 1 0 0" <<<"$line"
		same mine "$(value '.[].title' key list)"
		k key remove "$(print_of "$(pub owner)")"
	done
}

@test "when something was made null does not take away" {
	a_platform | jq -c '.created = "2020-01-02T03:04:05Z"' | k import - >/dev/null
	before=$(k export)
	imports "0 0 11 0 0" < <(a_platform | jq -c '.created = null')
	same "$before" "$(k export)"
	db=$BATS_TEST_TMPDIR/new
	keyacct --dir "$db" init >/dev/null
	imports "11 0 0 0 0" < <(a_platform | jq -c '.created = null')
	same 0 "$(k export | jq -r 'select(has("created") and .created == null) | .type' | wc -l)"
}

@test "key: projects narrow it down, widen it, and exchange" {
	a_platform | k import - >/dev/null
	k member add $P2 owner
	reach() { row '.type == "key" and .account == "'$A1'"' | jq -c .projects; }
	line() { object key account owner key "$(key_of owner)" "$@"; }
	same null "$(reach)"
	imports "0 1 0 0 0" <<<"$(line projects "[\"$P1\"]")"
	same "[\"$P1\"]" "$(reach)"
	same key-reach "$(k --json explain $P2 "$(pub owner)" | jq -r .reason)"
	imports "0 0 1 0 0" <<<"$(line projects "[\"$P1\", \"${P1//-/}\"]")"
	imports "0 1 0 0 0" <<<"$(line projects "[\"$P2\", \"$P1\"]")"
	same "[\"$P1\",\"$P2\"]" "$(reach)"
	imports "0 1 0 0 0" <<<"$(line projects "[\"$P2\"]")"
	same key-reach "$(k --json explain $P1 "$(pub owner)" | jq -r .reason)"
	imports "0 1 0 0 0" <<<"$(line projects '[]')"
	same "[]" "$(reach)"
	same key-reach "$(k --json explain $P2 "$(pub owner)" | jq -r .reason)"
	imports "0 1 0 0 0" <<<"$(line projects null)"
	same null "$(reach)"
	imports "0 1 0 0 0" <<<"$(line projects "[\"$P1\"]")"
	# Absent is all of them, as export writes it.
	imports "0 1 0 0 0" <<<"$(line)"
	same null "$(reach)"
	same owner "$(k --json explain $P1 "$(pub owner)" | jq -r .role)"
	same granted "$(k --json explain $P2 "$(pub owner)" | jq -r .reason)"
}

@test "settings: changed by each field, and a refused line changes none of them" {
	changes '.host == "login.example.org"' "$(object settings host login.example.org)"
	changes '.rsa_bits == 3072' "$(object settings rsa_bits 3072)"
	changes '.key_types == ["ssh-ed25519", "ssh-rsa"]' "$(object settings key_types '["ssh-ed25519", "ssh-rsa"]')"
	changes '.git_author == true' "$(object settings git_author true)"
	changes '.grace_text == "Over."' "$(object settings grace_text Over.)"
	changes '.homes == "/srv"' "$(object settings homes /srv)"
	changes '.shell == "/bin/sh"' "$(object settings shell /bin/sh)"
	changes '.agent == false' "$(object settings agent false)"
	changes '.security_keys == "required"' "$(object settings security_keys required key_types null)"
	changes '.host == null and .key_types == null' "$(object settings host null)"
	object settings agent true homes relative >"$BATS_TEST_TMPDIR/lines"
	object project id $P1 >>"$BATS_TEST_TMPDIR/lines"
	imports "1 0 0 0 1" <"$BATS_TEST_TMPDIR/lines"
	same "false /srv/$P1 /bin/sh" "$(row '.type == "project"' | jq -r '"\(.agent) \(.home) \(.shell)"')"
}

# Handles

@test "a handle that somebody gives up can be taken in the same import, whichever line comes first" {
	for order in cat tac; do
		three_people | k import - >/dev/null
		{
			object account id $A1 handle boss
			object account id $A2 handle owner
		} | $order >"$BATS_TEST_TMPDIR/lines"
		imports "0 2 0 0 0" <"$BATS_TEST_TMPDIR/lines"
		imports "0 0 2 0 0" <"$BATS_TEST_TMPDIR/lines"
		same "$A1 $A2" "$(value .id account show boss) $(value .id account show owner)"
		refused 3 'there is no account "student"' k account show student
	done
}

@test "accounts exchange their handles, in twos and threes, with whatever else their lines say" {
	three_people | k import - >/dev/null
	{
		object account id $A1 handle student name Exchanged
		object account id $A2 handle owner
	} >"$BATS_TEST_TMPDIR/lines"
	imports "0 2 0 0 0" <"$BATS_TEST_TMPDIR/lines"
	imports "0 0 2 0 0" <"$BATS_TEST_TMPDIR/lines"
	same "$A1 Exchanged $A2" "$(value '"\(.id) \(.name)"' account show student) $(value .id account show owner)"
	{
		object account id $A1 handle owner
		object account id $A2 handle outsider
		object account id $A3 handle student
		object account handle fourth
	} | tac >"$BATS_TEST_TMPDIR/lines"
	imports "1 3 0 0 0" <"$BATS_TEST_TMPDIR/lines"
	imports "0 0 4 0 0" <"$BATS_TEST_TMPDIR/lines"
	same "$A1 $A2 $A3" "$(value .id account show owner) $(value .id account show outsider) $(value .id account show student)"
}

@test "who wants the handle of one that keeps it is refused, with all who wait for it; the others exchange" {
	three_people | k import - >/dev/null
	object account handle fourth | k import - >/dev/null
	id=$(value .id account show fourth)
	{
		object account id $A1 handle student
		object account id $A2 handle owner
		object account id $A3 handle fourth
		object account id "$id" handle owner
	} >"$BATS_TEST_TMPDIR/lines"
	imports "0 2 0 0 2" <"$BATS_TEST_TMPDIR/lines"
	[[ ${stderr_lines[0]} == *"line 3: the handle \"fourth\" is taken by account $id: choose another" ]]
	[[ ${stderr_lines[1]} == *"line 4: the handle \"owner\" is taken by account $A2: choose another" ]]
	same "$A2 $A1 $A3 $id" "$(for h in owner student outsider fourth; do value .id account show $h; done | xargs)"
}

@test "while handles move, no line means the wrong account by one" {
	three_people | k import - >/dev/null
	object project id $P1 | k import - >/dev/null
	{
		object account id $A1 handle student
		object account id $A2 handle owner
		object member project $P1 account student role owner
		object key account student key "$(key_of owner)"
		object group name crew accounts '["student"]'
	} >"$BATS_TEST_TMPDIR/lines"
	imports "3 2 0 0 0" <"$BATS_TEST_TMPDIR/lines"
	same "$A1" "$(row '.type == "member"' | jq -r .account)"
	same "$A1" "$(row '.type == "key"' | jq -r .account)"
	same "[\"$A1\"]" "$(row '.type == "group"' | jq -c .accounts)"
	imports "0 0 5 0 0" <"$BATS_TEST_TMPDIR/lines"
	# Where it cannot be settled, nobody is meant; who is named by id is.
	{
		object account id $A3 handle owner
		object member project $P1 account owner
		object member project $P1 account outsider
		object member project $P1 account $A2
		object group name crew accounts '["owner"]'
	} >"$BATS_TEST_TMPDIR/lines"
	imports "1 0 0 0 4" <"$BATS_TEST_TMPDIR/lines"
	[[ ${stderr_lines[1]} == *"line 2: nobody knows whose handle \"owner\" is"* ]]
	[[ ${stderr_lines[2]} == *"line 3: nobody knows whose handle \"outsider\" is"* ]]
	[[ ${stderr_lines[3]} == *"line 5: nobody knows whose handle \"owner\" is"* ]]
	same "$A1 $A2" "$(row '.type == "member"' | jq -r .account | xargs)"
}

@test "while names of groups move, no line means the wrong group by one" {
	three_people | k import - >/dev/null
	{
		object project id $P1
		object group id $G1 name staff
		object group id $G2 name crew
	} | k import - >/dev/null
	{
		object group id $G1 name crew
		object member project $P1 group staff
		object member project $P1 group @crew
		object member project $P1 group $G1
	} >"$BATS_TEST_TMPDIR/lines"
	imports "1 0 0 0 3" <"$BATS_TEST_TMPDIR/lines"
	[[ $stderr == *'there is a group "crew" already'*'nobody knows which group "staff" is'*'nobody knows which group "crew" is'* ]]
	# One after the other works, in any order.
	{
		object group id $G1 name crew
		object group id $G2 name others
	} >"$BATS_TEST_TMPDIR/lines"
	imports "0 2 0 0 0" <"$BATS_TEST_TMPDIR/lines"
	same "$G1 $G2" "$(value .id group show crew) $(value .id group show others)"
}

# Owners

@test "the last owner is neither demoted nor given an end, until another comes in the same import" {
	a_platform | k import - >/dev/null
	refuses '"owner" is the last owner of project' <<<"$(object member project $P1 account owner role collaborator)"
	refuses '"owner" is the last owner of project' <<<"$(object member project $P1 account owner expires 2040-01-01)"
	{
		object member project $P1 account owner role collaborator
		object member project $P1 account outsider role owner
	} >"$BATS_TEST_TMPDIR/lines"
	imports "1 1 0 0 0" <"$BATS_TEST_TMPDIR/lines"
	same "outsider" "$(value '.owners | join(" ")' project show $P1)"
}

# Deleted projects and uids

@test "a project that is deleted stays so, and its uid is nobody's" {
	a_platform | k import - >/dev/null
	uid=$(value .uid project show $P2)
	imports "0 1 0 0 0" <<<"$(object project id $P2 state deleted)"
	same "deleted $uid" "$(value '"\(.state) \(.uid)"' project show $P2)"
	same "" "$(row '.type == "member" and .project == "'$P2'"')"
	same project-deleted "$(k --json explain $P2 "$(pub owner)" | jq -r .reason)"
	imports "0 0 1 0 0" <<<"$(object project id $P2 state deleted)"
	# Said again without a state it is no news; with another it is a contradiction.
	imports "0 0 1 0 0" <<<"$(object project id $P2 title Late)"
	refuses "project $P2 is deleted: it stays so" <<<"$(object project id $P2 state active)"
	refuses "project $P2 is deleted: nobody can be added" <<<"$(object member project $P2 account owner)"
	refuses "the uid $uid belongs to project $P2: no uid is ever used twice" <<<"$(object project id $P3 uid "$uid")"
}

@test "a deleted project in an empty database reserves its uid, with the counter and without" {
	a_platform | k import - >/dev/null
	k project remove $P1
	uid=$(value .uid project show $P1)
	k export >"$BATS_TEST_TMPDIR/lines"
	for with in cat "grep -v counter"; do
		db=$BATS_TEST_TMPDIR/second
		rm -rf "$db"
		keyacct --dir "$db" init >/dev/null
		# shellcheck disable=SC2086
		$with "$BATS_TEST_TMPDIR/lines" | k import - >/dev/null
		same "deleted $uid" "$(value '"\(.state) \(.uid)"' project show $P1)"
		for _ in 1 2 3; do new_project >/dev/null; done
		same 5 "$(value '.[].uid' project list --all | sort -u | wc -l)"
	done
	imports "1 0 0 0 0" <<<"$(object project id $P3 state deleted uid 5000)"
	refuses "the uid 5000 belongs to project $P3" <<<"$(object project id "${P3/b/c}" uid 5000)"
}

@test "a uid is adopted when it is free, and never changes" {
	imports "1 0 0 0 0" <<<"$(object project id $P1 uid 5000)"
	imports "0 0 1 0 0" <<<"$(object project id $P1 uid 5000)"
	refuses "the project has the uid 5000, and keeps it: \"uid\" cannot be 5001" <<<"$(object project id $P1 uid 5001)"
	refuses "the project has the uid 5000, and keeps it: \"uid\" cannot be 0" <<<"$(object project id $P1 uid 0)"
	refuses "the uid 5000 belongs to project $P1" <<<"$(object project id $P2 uid 5000)"
	for uid in 999 60001 65534 65535 2147352576 4294967295; do
		refuses "$uid cannot be a project's uid" <<<"$(object project id $P2 uid $uid)"
	done
	refuses '"uid" cannot be 0: leave it out for a new one' <<<"$(object project id $P2 uid 0)"
	# In our own range: the counter steps over it.
	imports "1 0 0 0 0" <<<"$(object project id $P2 uid 1879048193)"
	new_project >/dev/null
	new_project >/dev/null
	same "5000 1879048192 1879048193 1879048194" "$(value '.[].uid' project list | sort -n | xargs)"
}

@test "a uid or gid of this host is refused, but of a user that is named like the project" {
	useradd --no-create-home --uid 5001 local
	refuses 'the uid 5001 belongs to "local" on this host: remove that user first' <<<"$(object project id $P1 uid 5001)"
	groupadd --gid 5002 crew
	refuses 'the gid 5002 belongs to the group "crew" on this host: remove that group first' <<<"$(object project id $P1 uid 5002)"
	useradd --no-create-home --badname --uid 5003 ${P1//-/}
	refuses "the uid 5003 belongs to \"${P1//-/}\" on this host" <<<"$(object project id $P2 uid 5003)"
	imports "1 0 0 0 0" <<<"$(object project id $P1 uid 5003)"
	userdel local
	groupdel crew
	userdel ${P1//-/}
}

@test "the counter of uids is raised and never lowered" {
	counter() { k export | jq -r 'select(.type == "counter") | .uid_next'; }
	imports "0 0 0 0 0" <<<"$(object counter uid_next 1879050000)"
	same 1879050000 "$(counter)"
	imports "0 0 0 0 0" <<<"$(object counter uid_next 1879048192)"
	same 1879050000 "$(counter)"
	new_project >/dev/null
	same 1879050000 "$(value '.[].uid' project list)"
	same 1879050001 "$(counter)"
	for bad in 0 1879048191 2147352577 -1 4294967296 1.5 null '"1879050000"' '[]'; do
		refuses '"uid_next" has to be a whole number from 1879048192 to 2147352576' <<<"$(object counter uid_next "$bad")"
	done
	refuses '"uid_next" has to be' <<<'{"type":"counter"}'
	# A refused project takes no uid.
	refuses '"shell" cannot be "sh"' <<<"$(object project id $P1 shell sh)"
	same 1879050001 "$(counter)"
}

# What one account or key can have

@test "the limit of 64 groups: the line is refused as a whole" {
	three_people | k import - >/dev/null
	for n in $(seq 64); do object group name g-$n accounts '["student"]'; done | k import - >/dev/null
	for members in '["owner", "student", "outsider"]' '["student"]'; do
		refuses '"student" is in 64 groups' <<<"$(object group name crew accounts "$members")"
	done
	imports "1 0 0 0 0" <<<"$(object group name crew accounts '["owner"]')"
	refuses '"student" is in 64 groups' <<<"$(object group name crew accounts '["student"]')"
	refuses '"student" is in 64 groups' <<<"$(object group id "$(value .id group show crew)" name band accounts '["student", "outsider"]')"
	# One that is left in the same import makes room, whichever line comes first.
	{
		object group name crew accounts '["student"]'
		object group name g-7 accounts '[]'
	} >"$BATS_TEST_TMPDIR/lines"
	imports "0 2 0 0 0" <"$BATS_TEST_TMPDIR/lines"
	same student "$(value '.accounts | join(" ")' group show crew)"
}

@test "the limit of 32 registrations of one key" {
	for n in $(seq 33); do object account handle user-$n; done | k import - >/dev/null
	for n in $(seq 32); do object key account user-$n key "$(key_of other)"; done | k import - >/dev/null
	refuses "32 accounts have registered this key already" <<<"$(object key account user-33 key "$(key_of other)")"
	imports "0 0 1 0 0" <<<"$(object key account user-7 key "$(key_of other)")"
	same 32 "$(value length key list)"
}

@test "a key with one project of which its account is no member is refused as a whole" {
	a_platform | k import - >/dev/null
	for reach in "[\"$P1\", \"$P2\"]" "[\"$P2\", \"$P1\"]"; do
		refuses "the account is no member of project $P2" <<<"$(object key account owner key "$(key_of owner)" title new projects "$reach")"
		refuses "the account is no member of project $P2" <<<"$(object key account owner key "$(key_of other)" projects "$reach")"
	done
	refuses "there is no project $P3" <<<"$(object key account owner key "$(key_of other)" projects "[\"$P1\", \"$P3\"]")"
	same 2 "$(value length key list)"
	# The line that makes it one may come later.
	{
		object key account owner key "$(key_of other)" projects "[\"$P2\"]"
		object member project $P2 account owner
	} >"$BATS_TEST_TMPDIR/lines"
	imports "2 0 0 0 0" <"$BATS_TEST_TMPDIR/lines"
}

@test "a line that comes to nothing at first is counted once" {
	{
		object member project $P1 account owner role owner
		object group name crew accounts '["owner", "student"]'
		object project id $P1
		object account handle owner
		object account handle student
	} >"$BATS_TEST_TMPDIR/lines"
	imports "5 0 0 0 0" <"$BATS_TEST_TMPDIR/lines"
	imports "0 0 5 0 0" <"$BATS_TEST_TMPDIR/lines"
}
