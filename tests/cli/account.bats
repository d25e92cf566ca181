#!/usr/bin/env bats
# keyacct account: the people.
load helpers

setup_file() { make_keys owner; }

setup() { new_db; }

id=5f0c8a3e-1b2d-4c6f-9e77-0123456789ab

@test "an account is added, listed and shown" {
	try 0 k account add owner --name 'The Owner' --email owner@example.org --id $id
	same 'Account "owner" is added. Next: keyacct key add owner' "$output"
	try 0 k account add student
	try 0 k account list
	has "The Owner"
	same 3 "${#lines[@]}"
	same "HANDLE NAME STATE KEYS PROJECTS ID" "$(echo "${lines[0]}" | tr -s ' ')"
	try 0 k account show owner
	same "id $id" "$(grep '^id' <<<"$output" | tr -s ' ')"
	same "name The Owner" "$(grep '^name' <<<"$output" | tr -s ' ')"
	same "email owner@example.org" "$(grep '^email' <<<"$output" | tr -s ' ')"
	same "state active" "$(grep '^state' <<<"$output" | tr -s ' ')"
}

@test "an empty list says what to do next, and is an empty array for a script" {
	try 0 k account list
	same "" "$output"
	same "There are no accounts yet: keyacct account add HANDLE" "$stderr"
	same "[]" "$(k --json account list)"
}

@test "an account shows how many keys and projects it has" {
	people
	k project add --owner owner
	k project add --owner owner
	k key add owner "$(pub owner)"
	same "1 2" "$(value '"\(.keys) \(.projects)"' account show owner)"
	same "0 0" "$(value '"\(.keys) \(.projects)"' account show student)"
	same "owner 1 2" "$(value '.[] | select(.handle == "owner") | "\(.handle) \(.keys) \(.projects)"' account list)"
}

@test "an account without an id gets one of its own" {
	people
	same 3 "$(value '.[].id' account list | sort -u | wc -l)"
	for each in $(value '.[].id' account list); do
		[[ $each =~ ^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$ ]]
	done
}

@test "suspend and resume" {
	people
	try 0 k account suspend student
	has "is suspended"
	same suspended "$(value .state account show student)"
	same active "$(value .state account show owner)"
	try 0 k account resume student
	has "is active again"
	same active "$(value .state account show student)"
}

@test "set changes what it names and nothing else" {
	people
	before=$(k --json account show student)
	try 0 k account set student --name 'A Student'
	same 'Account "student" is changed; its keys and memberships stay.' "$output"
	same "$(jq -S '.name = "A Student"' <<<"$before")" "$(k --json account show student | jq -S .)"
	k account suspend student
	k account set student --email student@example.org
	same "A Student student@example.org suspended" "$(value '"\(.name) \(.email) \(.state)"' account show student)"
	k account set student --name '' --email ''
	same "null null" "$(value '"\(.name) \(.email)"' account show student)"
	k account resume student
	same "$(jq -S . <<<"$before")" "$(k --json account show student | jq -S .)"
	same "$before" "$(k --json account set student --name '' | jq --argjson old "$before" '. + {keys: $old.keys, projects: $old.projects}')"
}

@test "set --handle: keys, memberships, groups and last use stay, and the old handle is free" {
	people
	project=$(new_project --owner student)
	k group add staff
	k group add-member staff student
	k key add student "$(pub owner)"
	id=$(value .id account show student)
	used "$(print_of "$(pub owner)")" "$id" "$project" "$(date -d 2026-01-01T00:00:00Z +%s)"
	key=$(k --json key show "$(print_of "$(pub owner)")")
	same 1 "$(jq .last_used.count <<<"$key")"
	try 0 k account set student --handle pupil
	same 'Account "pupil" is changed; its keys and memberships stay.' "$output"
	same "$id 1 1" "$(value '"\(.id) \(.keys) \(.projects)"' account show pupil)"
	same "$(jq -S '.handle = "pupil"' <<<"$key")" "$(k --json key show "$(print_of "$(pub owner)")" | jq -S .)"
	same "pupil" "$(value '.[].handle' member list "$project")"
	same "pupil" "$(value '.accounts[]' group show staff)"
	try 0 k explain "$project" "$(pub owner)"
	has "pupil, owner"
	refused 3 'there is no account "student"' k account show student
	# Whoever takes the old handle is somebody else.
	k account add student
	same "0 0" "$(value '"\(.keys) \(.projects)"' account show student)"
}

@test "set --handle of another is a conflict, the account's own is fine; what can be no handle is refused" {
	people
	before=$(state)
	refused 4 "the handle \"owner\" is taken by account $(value .id account show owner): choose another" \
		k account set student --name x --handle owner
	for bad in '' Student 'a b' deadbeef -x; do
		refused 2 "\"$bad\" cannot be a handle" k account set student --name x --handle "$bad"
	done
	refused 2 "is too long" k account set student --handle "$(printf 'x%.0s' {1..65})"
	refused 2 "--name is too long: at most 255 bytes, and this has 256" k account set student --name "$(printf 'x%.0s' {1..256})"
	refused 2 "nothing to change: give one of --handle, --name and --email" k account set student
	refused 3 'there is no account "nobody"' k account set nobody --name x
	same "$before" "$(state)"
	try 0 k account set student --handle student
	same "$before" "$(state)"
}

@test "suspending twice is fine" {
	people
	k account suspend student
	try 0 k account suspend student
	try 0 k account resume student
	try 0 k account resume student
	same active "$(value .state account show student)"
}

@test "remove, rm and delete are one command; so are list and ls" {
	for verb in remove rm delete; do
		k account add student
		try 0 k account $verb student
		same 'Account "student" is removed, with its keys and memberships.' "$output"
		refused 3 'there is no account "student"' k account show student
	done
	k account add student
	same "$(k account list)" "$(k account ls)"
}

@test "a removed account takes its keys and memberships along" {
	people
	project=$(new_project --owner owner)
	k member add "$project" student
	k key add student "$(pub owner)"
	k key add student "$(pub owner)" 2>/dev/null || true
	k account remove student
	same "owner" "$(value '.[].handle' member list "$project")"
	same "[]" "$(k --json key list)"
	# Whoever takes the handle next is somebody else.
	k account add student
	same "0 0" "$(value '"\(.keys) \(.projects)"' account show student)"
	refused 3 'no member' k member remove "$project" student
}

@test "an account is found by its id in any form, and by its beginning" {
	k account add owner --id $id
	for form in $id ${id^^} ${id//-/} 5f0c8a3e 5F0C8A3E 5f0c8a3e1b 5f0c8a3e-1b2d 5f0c8a3e-1b2d-4; do
		try 0 k account show "$form"
		has "owner"
	done
}

@test "seven digits, a wrong digit, or one too many name no account" {
	k account add owner --id $id
	for form in 5f0c8a3 5f0c8a3e-0 ${id}0 5f0c8a3g 5f-0c8a3e-1b2d '' -- ' '; do
		try 3 k account show -- "$form"
	done
	refused 3 'there is no account "5f0c8a3e-0"' k account show 5f0c8a3e-0
}

@test "the beginning of several ids is a conflict" {
	k account add owner --id $id
	k account add student --id 5f0c8a3e-1b2d-4c6f-9e77-0123456789ac
	refused 4 'several accounts begin with "5f0c8a3e": give more of the id' k account show 5f0c8a3e
	refused 4 'several accounts begin with "5f0c8a3e-1b2d-4c6f-9e77-0123456789a"' \
		k account suspend 5f0c8a3e-1b2d-4c6f-9e77-0123456789a
	try 0 k account show $id
	has "owner"
	try 0 k account show 5f0c8a3e1b2d4c6f9e770123456789ac
	has "student"
}

@test "a taken handle or id is a conflict that names who has it" {
	k account add owner --id $id
	refused 4 "the handle \"owner\" is taken by account $id: choose another" k account add owner
	refused 4 "the id $id is taken by account \"owner\"" k account add student --id "${id^^}"
	same 1 "$(value length account list)"
}

@test "what cannot be a handle is refused, with the rule" {
	for handle in '' Owner owneR 'own er' .owner -owner _owner @owner +owner 'own/er' 'own:er' "own'er" 'öwner' 'own
er' $'own\ter' 'own*' 'own,er' deadbeef 12345678 5f0c8a3e-1b2d $id 00000000 a-b-c-d-e 'face-feed'; do
		run --separate-stderr k account add -- "$handle"
		echo "handle: $handle"
		same 2 "$status"
		same "" "$output"
		[[ $stderr == *"cannot be a handle"* && $stderr == *"a-z 0-9 . _ @ + -"* ]]
	done
	same 0 "$(value length account list)"
}

@test "what can be a handle is taken" {
	for handle in a 0 a.b a_b a@b a+b a-b 1234567 deadbee feed-me owner@example.org "$(printf 'x%.0s' {1..64})"; do
		try 0 k account add "$handle"
		same "$handle" "$(value .handle account show "$handle")"
	done
}

@test "a handle of 65 characters is too long" {
	refused 2 "is too long" k account add "$(printf 'x%.0s' {1..65})"
	refused 2 "is too long" k account add "$(printf 'x%.0s' {1..5000})"
}

@test "an id that is none is refused" {
	for bad in 5f0c8a3e hello '' ${id}00 ${id%?}g; do
		refused 2 "\"$bad\" is no UUID that can be an id; leave it out for a new one" k account add owner --id "$bad"
	done
}

@test "the id of all zeros is not taken for no id" {
	refused 2 "is no UUID that can be an id" k account add owner --id 00000000-0000-0000-0000-000000000000
	same "[]" "$(k --json account list)"
}

@test "name and email lose direction marks and blanks at their ends, and may not be too long" {
	k account add owner --name $' The  Owner\u202e of\u00a0it ' --email ' owner@example.org '
	same "The Owner of it" "$(value .name account show owner)"
	same "owner@example.org" "$(value .email account show owner)"
	k account add student --name "$(printf 'é%.0s' {1..127})"
	same 127 "$(value '.name | length' account show student)"
	refused 2 "--name is too long: at most 255 bytes, and this has 256" k account add outsider --name "$(printf 'x%.0s' {1..256})"
	refused 2 "--email is too long: at most 255 bytes, and this has 300" k account add outsider --email "$(printf 'x%.0s' {1..300})"
}

@test "an unknown account is not found, whatever is to be done to it" {
	people
	project=$(new_project --owner owner)
	for command in "account show" "account set --name x" "account suspend" "account resume" "account remove" "ssh-config" "key list" \
		"key list --state active" "member add $project" "member remove $project"; do
		# shellcheck disable=SC2086
		refused 3 'there is no account "nobody"' k $command nobody
	done
	refused 3 'there is no project or account "nobody"' k authorized-keys nobody
	refused 3 'there is no account "nobody"' k key add nobody "$(pub owner)"
	refused 3 'there is no account "nobody"' k project add --owner nobody
	same 1 "$(value length project list)"
}

@test "the last owner of a project cannot be removed; the project is named" {
	people
	project=$(new_project --owner owner)
	other=$(new_project --owner owner --owner student)
	refused 4 "\"owner\" is the last owner of project $(hyphens "$project")" k account remove owner
	[[ $stderr == *"keyacct member add $(hyphens "$project") ACCOUNT --role owner"* ]]
	# Nothing of it has happened, in the project with another owner neither.
	same "owner student" "$(value '.[].handle' member list "$other" | sort | xargs)"
	same active "$(value .state account show owner)"
	# What the sentence says helps.
	k member add "$(hyphens "$project")" student --role owner
	try 0 k account remove owner
	same student "$(value '.[].handle' member list "$project")"
}

@test "the last owner of two projects: both are named, and no third" {
	people
	one=$(hyphens "$(new_project --owner owner)")
	two=$(hyphens "$(new_project --owner owner)")
	new_project --owner owner --owner student >/dev/null
	before=$(state)
	both=$(printf '%s\n' "$one" "$two" | sort | xargs)
	for option in "" --dry-run; do
		# shellcheck disable=SC2086
		refused 4 "\"owner\" is the last owner of 2 projects: $both; give each another owner first" k account remove owner $option
	done
	same "$before" "$(state)"
}

@test "the last owner of seven projects: five are named, and that there are more" {
	people
	for _ in 1 2 3 4 5 6 7; do new_project --owner owner >/dev/null; done
	before=$(state)
	refused 4 '"owner" is the last owner of 7 projects: ' k account remove owner
	[[ $stderr == *" and more; give each another owner first (keyacct member add PROJECT ACCOUNT --role owner), or remove it" ]]
	same 5 "$(grep -oFf <(value '.[].id' project list) <<<"$stderr" | sort -u | wc -l)"
	same "$before" "$(state)"
	# What the sentence says helps.
	for each in $(value '.[].id' project list); do k member add "$each" student --role owner; done
	try 0 k account remove owner
}

@test "remove --dry-run says which keys, memberships and groups would go, and changes nothing" {
	people
	project=$(new_project --owner owner)
	k member add "$project" student
	k key add student --title laptop "$(pub owner)"
	k group add staff
	k group add-member staff student
	before=$(dump)
	try 0 k account remove student --dry-run
	same "Account \"student\" would be removed,
  its key $(print_of "$(pub owner)") \"laptop\",
  as collaborator of project $(hyphens "$project"),
  from the group \"staff\".
Nothing is changed." "$output"
	same "student $(print_of "$(pub owner)") $(hyphens "$project") staff" \
		"$(value '"\(.account.handle) \(.keys[].fingerprint) \(.members[].project) \(.groups[])"' account remove student --dry-run)"
	same "$before" "$(dump)"
	try 0 k account remove outsider --dry-run
	same 'Account "outsider" would be removed.
Nothing is changed.' "$output"
	refused 3 'there is no account "nobody"' k account remove nobody --dry-run
}

@test "removing the project frees its last owner" {
	people
	project=$(new_project --owner owner)
	k project remove "$project"
	try 0 k account remove owner
}
