#!/usr/bin/env bats
# keyacct group: sets of accounts that are members as one.
load helpers

setup_file() { make_keys owner student other; }

setup() {
	new_db
	people
	project=$(new_project --title Climate --owner owner)
	uuid=$(hyphens "$project")
	k group add staff >/dev/null
}

# in_group NAME: its accounts; in_projects NAME: its projects
in_group() { value '.accounts | sort | join(" ")' group show "$1"; }
in_projects() { value '.projects | sort | join(" ")' group show "$1"; }

# role FILE: as whom explain would let this key in, or why not
role() { k --json explain "$project" "$1" | jq -r '.role // .reason'; }

@test "add, list, show and remove" {
	try 0 k group add guests
	same 'Group "guests" is added. Next: keyacct group add-member guests ACCOUNT' "$output"
	k group add-member staff student
	k member add "$project" @staff
	try 0 k group list
	same "NAME ACCOUNTS PROJECTS" "$(echo "${lines[0]}" | tr -s ' ')"
	grep -qx "staff student $uuid" < <(tr -s ' ' <<<"$output")
	grep -qx "guests none none" < <(tr -s ' ' <<<"$output")
	try 0 k group show staff
	grep -qx "accounts student" < <(tr -s ' ' <<<"$output")
	grep -qx "projects $uuid" < <(tr -s ' ' <<<"$output")
	same "accounts created id name projects type" "$(value 'keys | join(" ")' group show staff)"
	same "$(k --json group list | jq -S '.[] | select(.name == "staff")')" "$(k --json group show staff | jq -S .)"
	try 0 k group remove guests
	same 'The group "guests" is removed, with its memberships; its accounts stay.' "$output"
	refused 3 "there is no group \"guests\"; 'keyacct group list' shows them" k group show guests
	same staff "$(value '.[].name' group list)"
}

@test "an empty list says what to do next" {
	k group remove staff
	try 0 k group list
	same "" "$output"
	same "There are no groups yet: keyacct group add NAME" "$stderr"
	same "[]" "$(k --json group list)"
}

@test "remove, rm, delete; list, ls; a name with or without @" {
	for verb in remove rm delete; do
		k group add @guests
		same guests "$(value .name group show guests)"
		try 0 k group $verb @guests
	done
	same "$(k group list)" "$(k group ls)"
	same "$(k group show staff)" "$(k group show @staff)"
}

@test "a name follows the rules of a handle, is unique, and may be a handle's too" {
	for bad in '' Staff 'a b' .a deadbeef "$(printf 'é')" @ @@staff; do
		refused 2 "cannot be a group's name" k group add -- "$bad"
	done
	refused 2 "is too long" k group add "$(printf 'x%.0s' {1..65})"
	try 0 k group add "$(printf 'x%.0s' {1..64})"
	refused 4 'there is a group "staff" already: choose another name' k group add staff
	try 0 k group add owner
	# A word without @ is the account then.
	refused 3 '"outsider" is no member' k member remove "$project" outsider
	k group add outsider
	k member add "$project" @outsider
	refused 3 '"outsider" is no member' k member remove "$project" outsider
	try 0 k member remove "$project" @outsider
}

@test "an account joins and leaves; twice joined is once in it" {
	try 0 k group add-member staff student
	[[ $output == *'"student"'*'"staff"'* ]]
	try 0 k group add-member @staff student
	k group add-member staff "$(value .id account show owner)"
	same "owner student" "$(in_group staff)"
	try 0 k group remove-member staff student
	same owner "$(in_group staff)"
	refused 3 "\"student\" is not in the group \"staff\"; 'keyacct group show staff' shows who is" k group remove-member staff student
	refused 3 'there is no account "nobody"' k group add-member staff nobody
	refused 3 'there is no group "nobody"' k group add-member nobody student
	refused 3 'there is no group "nobody"' k member add "$project" @nobody
	same owner "$(in_group staff)"
}

@test "a group is a member: listed as @NAME, with the id of a group in JSON" {
	try 0 k member add "$project" @staff --expires 2031-01-01
	same '"@staff" is a collaborator of the project now, until 2031-01-01T00:00:00Z.' "$output"
	k member list "$project" | grep -q '^@staff  *collaborator '
	same "$(value .id group show staff) null" "$(value '.[] | select(.handle == "@staff") | "\(.group) \(.account)"' member list "$project")"
	same "created expires group handle not_before project role type" \
		"$(value '.[] | select(.handle == "@staff") | keys | join(" ")' member list "$project")"
	same "@staff" "$(value '.collaborators | join(" ")' project show "$project")"
	same "$uuid" "$(in_projects staff)"
	# What is not given stays, for a group as for an account.
	try 0 k member add "$project" @staff --role owner
	same '"@staff" is an owner of the project now, until 2031-01-01T00:00:00Z.' "$output"
	try 0 k member remove "$project" @staff
	same '"@staff" is no member of the project any more.' "$output"
	same "" "$(in_projects staff)"
	refused 3 "\"@staff\" is no member of project $uuid" k member remove "$project" @staff
}

@test "whoever is in a group that is a member gets in; whoever leaves it does not" {
	k key add student "$(pub student)"
	same not-member "$(role "$(pub student)")"
	k member add "$project" @staff
	same not-member "$(role "$(pub student)")"
	k group add-member staff student
	same collaborator "$(role "$(pub student)")"
	try 0 k explain "$project" "$(pub student)"
	has "taken for     student, collaborator"
	same 1 "$(value .projects account show student)"
	k group remove-member staff student
	same not-member "$(role "$(pub student)")"
	k group add-member staff student
	same collaborator "$(role "$(pub student)")"
	k member remove "$project" @staff
	same not-member "$(role "$(pub student)")"
	k member add "$project" @staff
	k group remove staff
	same not-member "$(role "$(pub student)")"
	same "owner" "$(value 'map(.handle) | join(" ")' member list "$project")"
}

@test "of several roles the higher one counts" {
	k key add student "$(pub student)"
	k group add-member staff student
	k member add "$project" student
	k member add "$project" @staff --role owner
	same owner "$(role "$(pub student)")"
	k member remove "$project" @staff
	same collaborator "$(role "$(pub student)")"
	# The other way round, and with two groups.
	k member add "$project" student --role owner
	k member add "$project" @staff --role collaborator
	same owner "$(role "$(pub student)")"
	k member remove "$project" student
	k group add bosses
	k group add-member bosses student
	k member add "$project" @bosses --role owner
	same owner "$(role "$(pub student)")"
	k group remove-member bosses student
	same collaborator "$(role "$(pub student)")"
}

@test "of several memberships one that holds is enough, and each role holds for its own time" {
	k key add student "$(pub student)"
	k group add-member staff student
	k member add "$project" @staff --expires 2030-01-01
	k member add "$project" student --role owner --not-before 2029-01-01 --expires 2031-01-01
	at() { k --json explain "$project" "$(pub student)" --at "$1" | jq -r '.role // .reason'; }
	same collaborator "$(at 2028-12-31)"
	same owner "$(at 2029-06-01)"
	same owner "$(at 2030-06-01)"
	same member-expired "$(at 2031-01-01)"
}

@test "leaving the group takes the keys for its projects along, and they do not come back" {
	other=$(new_project --owner student)
	k member add "$project" @staff
	k group add-member staff student
	k key add student --project "$project" --project "$other" "$(pub student)"
	same collaborator "$(role "$(pub student)")"
	k group remove-member staff student
	same "$(hyphens "$other")" "$(value '.projects | join(" ")' key show "$(print_of "$(pub student)")")"
	k group add-member staff student
	same key-reach "$(role "$(pub student)")"
	try 0 k key add student --project "$project" "$(pub student)"
	same collaborator "$(role "$(pub student)")"
}

@test "the keys stay as long as the account is in the project in another way" {
	k group add more
	for group in staff more; do
		k group add-member $group student
		k member add "$project" @$group
	done
	k member add "$project" student
	k key add student --project "$project" "$(pub student)"
	k group remove-member staff student
	same collaborator "$(role "$(pub student)")"
	k member remove "$project" student
	same collaborator "$(role "$(pub student)")"
	k group remove more
	same key-reach "$(role "$(pub student)")"
	same 0 "$(value '.projects | length' key show "$(print_of "$(pub student)")")"
}

@test "removing the group's membership, or the group, takes its accounts' keys along" {
	for command in "member remove $project @staff" "group remove staff"; do
		k group add staff 2>/dev/null || true
		k group add-member staff student
		k member add "$project" @staff
		k key add student --project "$project" "$(pub student)"
		# shellcheck disable=SC2086
		k $command
		k member add "$project" student
		same key-reach "$(role "$(pub student)")"
		k member remove "$project" student
	done
}

@test "a group does not count as an owner that remains" {
	k group add-member staff student
	k member add "$project" @staff --role owner
	refused 4 "\"owner\" is the last owner of project $uuid (a group, a suspended account or an owner with an end does not count)" \
		k member remove "$project" owner
	refused 4 '"owner" is the last owner' k account remove owner
	# The group itself may go, or become less.
	try 0 k member add "$project" @staff --role collaborator
	try 0 k member remove "$project" @staff
}

@test "a suspended account gets in through no group" {
	k key add student "$(pub student)"
	k group add-member staff student
	k member add "$project" @staff
	k account suspend student
	same account-suspended "$(role "$(pub student)")"
}

@test "a removed account is in no group any more" {
	k group add-member staff student
	k account remove student
	same "" "$(in_group staff)"
	k account add student
	same "" "$(in_group staff)"
}

@test "ssh-config and authorized-keys know what a group opens, each once" {
	k group add more
	for group in staff more; do
		k group add-member $group student
		k member add "$project" @$group
	done
	k member add "$project" student
	k key add student "$(pub student)"
	k key add owner "$(pub owner)"
	same 1 "$(k ssh-config student | grep -c '^Host ')"
	try 0 k authorized-keys "$project"
	same 1 "$(grep -cF "$(cut -d' ' -f2 "$(pub student)")" <<<"$output")"
	same 2 "${#lines[@]}"
	# The line to type, once, too.
	try 0 k key add student "$(pub other)"
	same "ssh $project@projects" "$(grep '^ssh ' <<<"$output")"
	k member remove "$project" student
	same 1 "$(k ssh-config student | grep -c '^Host ')"
	k group remove staff
	same 1 "$(k ssh-config student | grep -c '^Host ')"
	k group remove more
	refused 3 '"student" can enter no project now' k ssh-config student
}

@test "key list --project shows keys that a group lets in" {
	k key add student --title hers "$(pub student)"
	k group add-member staff student
	same "" "$(value 'map(.title) | join(" ")' key list --project "$project")"
	k member add "$project" @staff
	same hers "$(value 'map(.title) | join(" ")' key list --project "$project")"
}

@test "sixty-four groups are the most for an account, and they all count" {
	for n in $(seq 64); do
		k group add g-$n >/dev/null
		k group add-member g-$n student >/dev/null
	done
	refused 4 '"student" is in 64 groups, and more are not possible: leave one first' k group add-member staff student
	k key add student "$(pub student)"
	k member add "$project" @g-64
	same collaborator "$(role "$(pub student)")"
	k group remove-member g-7 student
	try 0 k group add-member staff student
}
