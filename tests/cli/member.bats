#!/usr/bin/env bats
# keyacct member: who owns a project, and who collaborates in it.
load helpers

setup_file() { make_keys owner student; }

setup() {
	new_db
	people
	project=$(new_project --owner owner)
	uuid=$(hyphens "$project")
}

roles() { value '[.[] | "\(.handle)=\(.role)"] | sort | join(" ")' member list "$project"; }

@test "add, list and remove" {
	try 0 k member add "$project" student
	same '"student" is a collaborator of the project now.' "$output"
	try 0 k member add "$project" outsider --role owner
	same '"outsider" is an owner of the project now.' "$output"
	same "outsider=owner owner=owner student=collaborator" "$(roles)"
	try 0 k member list "$project"
	same 4 "${#lines[@]}"
	same "HANDLE ROLE SINCE EXPIRES NOT BEFORE" "$(echo "${lines[0]}" | tr -s ' ')"
	try 0 k member remove "$project" student
	same '"student" is no member of the project any more.' "$output"
	same "outsider=owner owner=owner" "$(roles)"
}

@test "remove, rm, delete; list, ls" {
	for verb in remove rm delete; do
		k member add "$project" student
		try 0 k member $verb "$project" student
		same "owner=owner" "$(roles)"
	done
	same "$(k member list "$project")" "$(k member ls "$project")"
}

@test "added again, a member keeps the role and the times that are not given" {
	window() { value '.[] | select(.handle == "student") | "\(.role) \(.not_before) \(.expires)"' member list "$project"; }
	try 0 k member add "$project" student --role owner --not-before 2030-01-01 --expires 2031-01-01
	same '"student" is an owner of the project now, not before 2030-01-01T00:00:00Z, until 2031-01-01T00:00:00Z.' "$output"
	try 0 k member add "$project" student
	same '"student" is an owner of the project now, not before 2030-01-01T00:00:00Z, until 2031-01-01T00:00:00Z.' "$output"
	same "owner 2030-01-01T00:00:00Z 2031-01-01T00:00:00Z" "$(window)"
	try 0 k member add "$project" student --role collaborator
	same "collaborator 2030-01-01T00:00:00Z 2031-01-01T00:00:00Z" "$(window)"
	try 0 k member add "$project" student --expires 2032-01-01
	same "collaborator 2030-01-01T00:00:00Z 2032-01-01T00:00:00Z" "$(window)"
	refused 2 "would end before it begins" k member add "$project" student --expires 2029-01-01
	try 0 k member add "$project" student --not-before never
	same '"student" is a collaborator of the project now, until 2032-01-01T00:00:00Z.' "$output"
	same "collaborator null 2032-01-01T00:00:00Z" "$(window)"
	try 0 k member add "$project" student --expires never
	same '"student" is a collaborator of the project now.' "$output"
	same "collaborator null null" "$(window)"
	# The last owner may be named again without anything.
	try 0 k member add "$project" owner
	same "owner=owner student=collaborator" "$(roles)"
}

@test "a project without members says what to do" {
	empty=$(new_project)
	try 0 k member list "$empty"
	same "" "$output"
	same "The project has no members: keyacct member add PROJECT ACCOUNT" "$stderr"
	same "[]" "$(k --json member list "$empty")"
}

@test "project and account are taken in any form" {
	account=$(value .id account show student)
	for form in "$project" "$uuid" "${project:0:8}" "${uuid^^}"; do
		for who in student "$account" "${account:0:8}" "${account^^}"; do
			k member remove "$project" student 2>/dev/null || true
			try 0 k member add "$form" "$who"
			same "owner=owner student=collaborator" "$(roles)"
		done
	done
}

@test "a project can have several owners; each can be demoted but the last" {
	k member add "$project" student --role owner
	try 0 k member add "$project" owner --role collaborator
	same "owner=collaborator student=owner" "$(roles)"
	refused 4 "\"student\" is the last owner of project $uuid" k member add "$project" student --role collaborator
	same "owner=collaborator student=owner" "$(roles)"
}

@test "the last owner can be neither removed, demoted nor given an end or a late beginning" {
	sentence="\"owner\" is the last owner of project $uuid (a group, a suspended account or an owner with an end does not count): add another owner first (keyacct member add $uuid ACCOUNT --role owner), or remove the project"
	k member add "$project" student
	before=$(state)
	refused 4 "$sentence" k member remove "$project" owner
	refused 4 "$sentence" k member add "$project" owner --expires +90d
	refused 4 "$sentence" k member add "$project" owner --role collaborator
	refused 4 "$sentence" k member add "$project" owner --role owner --expires +90d
	refused 4 "$sentence" k member add "$project" owner --role owner --not-before +1d
	same "$before" "$(state)"
}

@test "an owner for a while does not count as another owner" {
	k member add "$project" student --role owner --expires +90d
	refused 4 '"owner" is the last owner' k member remove "$project" owner
	refused 4 '"owner" is the last owner' k account remove owner
	# The one with an end may go.
	try 0 k member remove "$project" student
}

@test "a suspended owner does not count as another owner, and may go" {
	k member add "$project" student --role owner
	k account suspend student
	refused 4 '"owner" is the last owner' k member remove "$project" owner
	refused 4 '"owner" is the last owner' k member add "$project" owner --role collaborator
	refused 4 '"owner" is the last owner' k account remove owner
	k account resume student
	try 0 k member remove "$project" owner
	same "student=owner" "$(roles)"
}

@test "a suspended owner may leave while another one remains" {
	k member add "$project" student --role owner
	k account suspend student
	try 0 k member remove "$project" student
	same "owner=owner" "$(roles)"
}

@test "two options of one name are refused" {
	refused 2 "--role is given twice" k member add "$project" student --role owner --role collaborator
	refused 2 "--expires is given twice" k member add "$project" student --expires +1d --expires=+2d
	same "owner=owner" "$(roles)"
}

@test "an owner from later on does not count as another owner" {
	k member add "$project" student --role owner --not-before +90d
	refused 4 '"owner" is the last owner' k member remove "$project" owner
}

@test "the last owner may be confirmed as one" {
	try 0 k member add "$project" owner --role owner
	same "owner=owner" "$(roles)"
}

@test "a removed project has no last owner" {
	k project remove "$project"
	try 0 k account remove owner
}

@test "a role is owner or collaborator" {
	for bad in Owner admin '' owner,collaborator; do
		refused 2 "--role \"$bad\": write owner or collaborator" k member add "$project" student --role "$bad"
	done
	same "owner=owner" "$(roles)"
}

@test "a window is kept, in UTC" {
	k member add "$project" student --not-before 2030-01-02 --expires 2031-02-03T04:05:06+02:00
	same "2030-01-02T00:00:00Z 2031-02-03T02:05:06Z" \
		"$(value '.[] | select(.handle == "student") | "\(.not_before) \(.expires)"' member list "$project")"
	same "null null" "$(value '.[] | select(.handle == "owner") | "\(.not_before) \(.expires)"' member list "$project")"
	TZ=UTC try 0 k member list "$project"
	has "2031-02-03"
	has never
}

@test "a distance counts from now" {
	before=$(date +%s)
	k member add "$project" student --not-before +30min --expires +2w
	after=$(date +%s)
	from=$(value '.[] | select(.handle == "student") | .not_before | fromdate' member list "$project")
	until=$(value '.[] | select(.handle == "student") | .expires | fromdate' member list "$project")
	[ "$from" -ge $((before + 1800)) ]
	[ "$from" -le $((after + 1800)) ]
	[ "$until" -ge $((before + 1209600)) ]
	[ "$until" -le $((after + 1209600)) ]
}

@test "what is no time is refused" {
	for bad in tomorrow 2030-02-30 2030-13-01 30d +30 +d +30m +30M +30mo +30y +1.5d +-1d 2030-01-01T25:00:00Z 2030-01-01T00:00 1 '' +99999999999d 2030-1-1; do
		refused 2 "--expires \"$bad\" is no time" k member add "$project" student --expires "$bad"
		refused 2 "--not-before \"$bad\" is no time" k member add "$project" student --not-before "$bad"
	done
	same "owner=owner" "$(roles)"
}

@test "a window that ends before it begins is refused" {
	refused 2 "would end before it begins" k member add "$project" student --not-before +2d --expires +1d
	refused 2 "would end before it begins" k member add "$project" student --not-before 2030-01-01 --expires 2030-01-01
	same "owner=owner" "$(roles)"
}

@test "an end that has passed is refused" {
	refused 2 '--expires "2000-01-01" has passed' k member add "$project" student --expires 2000-01-01
	same "owner=owner" "$(roles)"
}

@test "whoever is no member cannot be removed" {
	refused 3 "\"student\" is no member of project $uuid; 'keyacct member list $uuid' shows who is" k member remove "$project" student
}

@test "added again, a member keeps the day of joining" {
	k member add "$project" student
	first=$(value '.[] | select(.handle == "student") | .created' member list "$project")
	until_passed "$(date +%s)"
	k member add "$project" student --role owner
	same "$first" "$(value '.[] | select(.handle == "student") | .created' member list "$project")"
}

@test "a suspended account stays a member" {
	k member add "$project" student
	k account suspend student
	same "owner=owner student=collaborator" "$(roles)"
}

@test "removal takes the keys for this project along, and they do not come back" {
	other=$(new_project --owner student)
	k member add "$project" student
	k key add student --project "$project" --project "$other" "$(pub student)"
	k key add student --title everywhere "$(pub owner)"
	k member remove "$project" student
	same "$(hyphens "$other")" "$(value '.projects | join(" ")' key show "$(print_of "$(pub student)")")"
	k member add "$project" student
	same "$(hyphens "$other")" "$(value '.projects | join(" ")' key show "$(print_of "$(pub student)")")"
	try 1 k explain "$project" "$(pub student)"
	has key-reach
	# A key for all of the account's projects opens it again.
	try 0 k explain "$project" "$(pub owner)"
	# And pasted again, the other one does.
	try 0 k key add student --project "$project" "$(pub student)"
	try 0 k explain "$project" "$(pub student)"
	same 2 "$(value '.projects | length' key show "$(print_of "$(pub student)")")"
}

@test "after an end that has passed a member comes back without the keys of that time, and can paste them again" {
	k member add "$project" student --expires +1s
	k key add student --project "$project" "$(pub student)"
	until_passed $(($(date +%s) + 1))
	try 1 k explain "$project" "$(pub student)"
	has member-expired
	k member add "$project" student --expires never
	try 1 k explain "$project" "$(pub student)"
	has key-reach
	try 0 k key add student --project "$project" "$(pub student)"
	try 0 k explain "$project" "$(pub student)"
}

@test "adding a member whose time is over without another end is refused: it would let nobody in" {
	project=$(new_project --owner owner)
	k member add "$project" student --expires +1s
	has_ended() { [ "$(value '.[] | select(.handle == "student") | .expires' member list "$project")" \< "$(date -u +%FT%TZ)" ]; }
	until has_ended; do :; done
	refused 4 "has ended: give it another end with --expires TIME, or none with --expires never" k member add "$project" student
	k member add "$project" student --expires never
	same null "$(value '.[] | select(.handle == "student") | .expires' member list "$project")"
}
