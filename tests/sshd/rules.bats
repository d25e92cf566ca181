#!/usr/bin/env bats
# needs: sshd
# What an administrator changes about keys, accounts, members and groups holds at the very next login; and the log, explain and
# the session say the same about it. Who gets in at all is in login.bats, the form of the log in record.bats.

load lib

setup_file() {
	load lib
	make_people
	export P=$(new_project owner)   # the owner's
	export Q=$(new_project student) # the student's, and the owner collaborates
	keyacct member add "$Q" owner
}

# same WHAT GOT: equal, or both are shown
same() {
	if [ "$1" != "$2" ]; then
		printf 'expected: %s\ngot:      %s\n' "$1" "$2" >&2
		return 1
	fi
}

# answer JQ KEY PROJECT [OPTION]...: out of what explain says
answer() {
	local filter=$1 key=$2 project=$3
	shift 3
	keyacct --json explain "$project" "$D/$key.pub" "$@" | jq -r "$filter"
}

# in_as KEY PROJECT ACCOUNT ROLE [SSH-OPTION]...: let in, for this account in this role, say session, log and explain
in_as() {
	local key=$1 project=$2 account=$3 role=$4 from
	shift 4
	from=$(sed -n 's/.*BindAddress=//p' <<<"$*")
	log_mark
	run --separate-stderr login "$key" "$project" "$@" 'echo $KEYACCT_ACCOUNT $KEYACCT_ROLE'
	same "0 $account $role" "$status $output"
	same "account=$account role=$role fingerprint=$(fingerprint "$key") address=${from:-127.0.0.1}" \
		"$(log_since | sed -nE "s/.*: granted project=$project (.*) registrations=.*/\1/p")"
	same "granted $account $role" "$(answer '"\(.reason) \(.account) \(.role)"' "$key" "$project" --from "${from:-127.0.0.1}")"
}

# out_for KEY PROJECT ACCOUNT REASON: not let in, and why, say log and explain
out_for() {
	local reasons
	log_mark
	denied "$1" "$2"
	reasons=$(log_since | sed -nE "s/.*keyacct-keys\[[0-9]+\]: refused project=$2 (.*)/\1/p")
	same "account=$3 fingerprint=$(fingerprint "$1") address=- reason=$4" "$reasons"
	same "refused $4" "$(answer '"\(.result) \(.reason)"' "$1" "$2")"
	refute keyacct explain "$2" "$D/$1.pub"
}

# laptop NAME [OPTION]...: a new key of the owner
laptop() {
	new_key "$1"
	keyacct key add owner "${@:2}" "$D/$1.pub"
}

# Keys

@test "a key that is switched off, and on again" {
	laptop switched
	in_as switched $P owner owner
	keyacct key deactivate "$(fingerprint switched)"
	out_for switched $P owner key-inactive
	# In every project.
	out_for switched $Q owner key-inactive
	keyacct key activate "$(fingerprint switched)"
	in_as switched $P owner owner
	in_as switched $Q owner collaborator
}

@test "a key whose beginning is put off, and taken away" {
	laptop begins
	in_as begins $P owner owner
	keyacct key set "$(fingerprint begins)" --not-before +1d
	out_for begins $P owner key-not-yet
	keyacct key set "$(fingerprint begins)" --not-before 2020-01-01
	in_as begins $P owner owner
	keyacct key set "$(fingerprint begins)" --not-before +1d
	keyacct key set "$(fingerprint begins)" --not-before never
	in_as begins $P owner owner
}

@test "a key that is given an end, and a later one" {
	laptop ends
	keyacct key set "$(fingerprint ends)" --expires +5s
	in_as ends $P owner owner
	let_pass 5
	out_for ends $P owner key-expired
	keyacct key set "$(fingerprint ends)" --expires +1d
	in_as ends $P owner owner
	keyacct key set "$(fingerprint ends)" --expires never
	in_as ends $P owner owner
}

@test "a key that is renamed opens what it opened" {
	laptop renamed --title old --project $P
	keyacct key set "$(fingerprint renamed)" --title new --note 'in the drawer' --tags a,b
	in_as renamed $P owner owner
	out_for renamed $Q owner key-reach
	[ "$(answer '.registrations[].title' renamed $P)" = new ]
}

@test "a key for one project: another one is added, and each is taken out" {
	laptop narrow --project $P
	in_as narrow $P owner owner
	out_for narrow $Q owner key-reach
	keyacct key set "$(fingerprint narrow)" --project $Q
	in_as narrow $P owner owner
	in_as narrow $Q owner collaborator
	keyacct key set "$(fingerprint narrow)" --no-project $P
	out_for narrow $P owner key-reach
	in_as narrow $Q owner collaborator
	# For no project any more, and not for all of them.
	keyacct key set "$(fingerprint narrow)" --no-project $Q
	out_for narrow $P owner key-reach
	out_for narrow $Q owner key-reach
	keyacct key set "$(fingerprint narrow)" --project $P
	in_as narrow $P owner owner
}

@test "a key that is limited to hosts" {
	laptop hosted --hosts projects
	in_as hosted $P owner owner
	keyacct key set "$(fingerprint hosted)" --hosts elsewhere,far-away
	out_for hosted $P owner key-host
	keyacct key set "$(fingerprint hosted)" --hosts 'elsewhere, PROJECTS'
	in_as hosted $P owner owner
	keyacct key set "$(fingerprint hosted)" --hosts project
	out_for hosted $P owner key-host
	keyacct key set "$(fingerprint hosted)" --hosts ''
	in_as hosted $P owner owner
}

@test "a key that is limited to addresses: sshd is told by from=, and explain --from knows" {
	laptop placed
	in_as placed $P owner owner
	keyacct key set "$(fingerprint placed)" --from 127.0.0.2,127.0.1.0/24
	log_mark
	denied placed $P
	# The helper is not told the address: it is sshd that refuses, and says so.
	[[ $(log_since) == *" Authentication tried for $P with correct key but not from a permitted host ("*"ip=127.0.0.1,"* ]]
	same "refused key-address" "$(answer '"\(.result) \(.reason)"' placed $P --from 127.0.0.1)"
	in_as placed $P owner owner -o BindAddress=127.0.0.2
	in_as placed $P owner owner -o BindAddress=127.0.1.9
	keyacct key set "$(fingerprint placed)" --from 127.0.0.1
	in_as placed $P owner owner
	denied placed $P -o BindAddress=127.0.0.2
	keyacct key set "$(fingerprint placed)" --from ''
	in_as placed $P owner owner -o BindAddress=127.0.0.2
}

@test "of two registrations only the second fits the address, and then only the first" {
	laptop both --from 127.0.0.2
	keyacct key add student --from 127.0.0.3 "$D/both.pub"
	in_as both $Q owner collaborator -o BindAddress=127.0.0.2
	in_as both $Q student owner -o BindAddress=127.0.0.3
	denied both $Q
	same key-address "$(answer .reason both $Q --from 127.0.0.1)"
	keyacct key set "$(fingerprint both)" --account student --from 127.0.0.4
	denied both $Q -o BindAddress=127.0.0.3
	in_as both $Q student owner -o BindAddress=127.0.0.4
	in_as both $Q owner collaborator -o BindAddress=127.0.0.2
}

@test "of two registrations that both fail, the one that came closest says why, in the log as in explain" {
	laptop closest --project $Q
	keyacct key add student "$D/closest.pub"
	out_for closest $P student not-member
	keyacct key deactivate "$(fingerprint closest)" --account student
	keyacct key set "$(fingerprint closest)" --account owner --expires +1s
	let_pass 1
	out_for closest $Q owner key-expired
	keyacct key activate "$(fingerprint closest)" --account student
	in_as closest $Q student owner
}

@test "keys that one import brought are removed at once, and others of their accounts stay" {
	laptop stays
	new_key imported
	keyacct import --authorized-keys "$D/imported.pub" --account owner --origin old-host
	in_as imported $P owner owner
	keyacct key remove --origin old-host --dry-run
	in_as imported $P owner owner
	keyacct key remove --origin old-host
	out_for imported $P - unknown-key
	in_as stays $P owner owner
}

# Accounts

@test "a suspended account is out at once with all its keys, which are kept, and in again when it is resumed" {
	laptop kept --project $P
	in_as kept $P owner owner
	keyacct account suspend owner
	out_for kept $P owner account-suspended
	out_for owner $Q owner account-suspended
	keyacct account resume owner
	in_as kept $P owner owner
	in_as owner $Q owner collaborator
}

@test "an account that is called otherwise is known by that from the next login on" {
	keyacct account add pupil
	new_key pupil
	keyacct key add pupil "$D/pupil.pub"
	keyacct member add $P pupil
	in_as pupil $P pupil collaborator
	keyacct account set pupil --handle fellow --name 'A Fellow'
	in_as pupil $P fellow collaborator
	[ "$(used pupil fellow)" -eq 2 ]
	keyacct account suspend fellow
	out_for pupil $P fellow account-suspended
	keyacct account resume fellow
	# Whoever is called pupil now is nobody there.
	keyacct account add pupil
	new_key second-pupil
	keyacct key add pupil "$D/second-pupil.pub"
	out_for second-pupil $P pupil not-member
	in_as pupil $P fellow collaborator
}

@test "a removed account is out with all its keys; what the removal would take is said before, and changes nothing" {
	keyacct account add leaver
	for key in one two; do
		new_key leaver-$key
		keyacct key add leaver "$D/leaver-$key.pub"
	done
	keyacct member add $P leaver
	run keyacct account remove leaver --dry-run
	[ "$status" -eq 0 ]
	for key in one two; do [[ $output == *"$(fingerprint leaver-$key)"* ]]; done
	in_as leaver-one $P leaver collaborator
	in_as leaver-two $P leaver collaborator
	keyacct account remove leaver
	out_for leaver-one $P - unknown-key
	out_for leaver-two $P - unknown-key
}

# Members

@test "a collaborator becomes an owner, and a collaborator again, and nobody" {
	T=$(new_project owner)
	keyacct member add $T student
	in_as student $T student collaborator
	keyacct member add $T student --role owner
	in_as student $T student owner
	keyacct member add $T student --role collaborator
	in_as student $T student collaborator
	keyacct member remove $T student
	out_for student $T student not-member
	keyacct member add $T student
	in_as student $T student collaborator
}

@test "a membership whose window moves" {
	T=$(new_project owner)
	keyacct member add $T student --not-before +1d
	out_for student $T student member-not-yet
	keyacct member add $T student --not-before 2020-01-01
	in_as student $T student collaborator
	keyacct member add $T student --expires +5s
	in_as student $T student collaborator
	let_pass 5
	out_for student $T student member-expired
	keyacct member add $T student --expires +1d
	in_as student $T student collaborator
	keyacct member add $T student --not-before never --expires never --role owner
	in_as student $T student owner
}

@test "a group: who joins is in, in the group's role and window; who leaves is out" {
	T=$(new_project owner)
	keyacct group add crew
	keyacct group add-member crew outsider
	out_for outsider $T outsider not-member
	keyacct member add $T @crew
	in_as outsider $T outsider collaborator
	keyacct member add $T @crew --role owner
	in_as outsider $T outsider owner
	keyacct member add $T @crew --not-before +1d
	out_for outsider $T outsider member-not-yet
	# An own membership holds beside it, in its own role.
	keyacct member add $T outsider
	in_as outsider $T outsider collaborator
	keyacct member add $T @crew --not-before never
	in_as outsider $T outsider owner
	keyacct member remove $T outsider
	in_as outsider $T outsider owner
	keyacct member add $T @crew --expires +1s
	let_pass 1
	out_for outsider $T outsider member-expired
	keyacct member add $T @crew --expires never
	in_as outsider $T outsider owner
	keyacct group remove-member crew outsider
	out_for outsider $T outsider not-member
	keyacct group add-member crew outsider
	in_as outsider $T outsider owner
	keyacct group remove crew
	out_for outsider $T outsider not-member
}

@test "the last owner stays one, whatever is tried; the last but one may go" {
	T=$(new_project owner)
	keyacct group add heirs
	keyacct group add-member heirs student
	keyacct member add $T @heirs --role owner
	in_as student $T student owner
	for command in "member remove $T owner" "member add $T owner --role collaborator" "member add $T owner --expires +1d" \
		"member add $T owner --not-before +1d" "account remove owner"; do
		run --separate-stderr keyacct $command
		[ "$status" -eq 4 ]
		[[ $stderr == *"last owner"*"$(hyphened $T)"* ]]
		in_as owner $T owner owner
	done
	keyacct member add $T outsider --role owner
	keyacct member add $T owner --role collaborator
	in_as owner $T owner collaborator
	in_as outsider $T outsider owner
	run keyacct member remove $T outsider
	[ "$status" -eq 4 ]
	in_as outsider $T outsider owner
	keyacct member remove $T owner
	out_for owner $T owner not-member
}
