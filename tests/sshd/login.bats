#!/usr/bin/env bats
# needs: sshd
# Who gets in, as whom, when, from where, and what those read who do not.

load lib

setup_file() {
	load lib
	make_people
	export P=$(new_project owner)      # the owner's, the student collaborates
	export Q=$(new_project owner)      # the owner's alone
	export S=$(new_project student)    # the student's alone
	keyacct member add "$P" student
}

# Keys and people

@test "an account key opens every project of its owner, and no other" {
	enters owner $P
	enters owner $Q
	denied owner $S
}

@test "a session runs under the project's uid and gid, and under no other group" {
	uid=$(field_of $P uid)
	[ "$uid" -ge 1879048192 ]
	run login owner $P id
	[ "$output" = "uid=$uid($P) gid=$uid($P) groups=$uid($P)" ]
}

@test "a collaborator's key opens what the account collaborates in and owns, and no other" {
	enters student $P
	enters student $S
	denied student $Q
}

@test "a registered key of no member, and a key that nobody knows, are denied alike" {
	denied outsider $P
	denied stranger $P
}

@test "a project key opens its project alone, not the account's others" {
	new_key pasted
	keyacct key add owner --project $P "$D/pasted.pub"
	enters pasted $P
	denied pasted $Q
	denied pasted $S
}

@test "a project key can name two projects, and opens no third" {
	new_key two
	third=$(new_project owner)
	keyacct key add owner --project $P --project $Q "$D/two.pub"
	enters two $P
	enters two $Q
	denied two $third
}

@test "a project key goes with the membership of the account that added it" {
	new_key collaborates
	T=$(new_project owner)
	keyacct member add $T student
	keyacct key add student --project $T "$D/collaborates.pub"
	enters collaborates $T
	keyacct member remove $T student
	denied collaborates $T
}

@test "of two accounts with one key, the owner is taken before the collaborator; both are named, and both have used it" {
	new_key shared
	keyacct key add student "$D/shared.pub"
	keyacct key add owner "$D/shared.pub"
	log_mark
	run login shared $P 'echo $KEYACCT_ACCOUNT $KEYACCT_ROLE'
	[ "$status" -eq 0 ]
	[ "$output" = "owner owner" ]
	[[ $(log_since) == *" account=owner role=owner fingerprint=$(fingerprint shared) address=127.0.0.1 registrations=owner,student"* ]]
	[ "$(last_use shared owner count)" = 1 ]
	[ "$(last_use shared student count)" = 1 ]
	# In the student's project only one of the two admits.
	log_mark
	run login shared $S 'echo $KEYACCT_ACCOUNT $KEYACCT_ROLE'
	[ "$output" = "student owner" ]
	[[ $(log_since) == *"registrations=student"* ]]
	[ "$(last_use shared owner count)" = 1 ]
	[ "$(last_use shared student count)" = 2 ]
}

@test "of two collaborators with one key, the older registration is taken" {
	T=$(new_project owner)
	keyacct member add $T student
	keyacct member add $T outsider
	new_key first
	new_key second
	keyacct key add student "$D/first.pub"
	keyacct key add outsider "$D/second.pub"
	then=$(date +%s)
	clock_moved() { [ "$(date +%s)" != "$then" ]; }
	wait_until clock_moved
	keyacct key add outsider "$D/first.pub"
	keyacct key add student "$D/second.pub"
	run login first $T 'echo $KEYACCT_ACCOUNT'
	[ "$output" = student ]
	run login second $T 'echo $KEYACCT_ACCOUNT'
	[ "$output" = outsider ]
}

@test "the same key lets one account in while the other, better one is suspended" {
	new_key both
	keyacct key add owner "$D/both.pub"
	keyacct key add student "$D/both.pub"
	keyacct account suspend owner
	run login both $P 'echo $KEYACCT_ACCOUNT'
	keyacct account resume owner
	[ "$output" = student ]
	run login both $P 'echo $KEYACCT_ACCOUNT'
	[ "$output" = owner ]
}

@test "a suspended account is denied with all its keys, and let in when resumed" {
	new_key second_key
	keyacct key add student --project $S "$D/second_key.pub"
	enters second_key $S
	keyacct account suspend student
	denied student $S
	denied student $P
	denied second_key $S
	keyacct account resume student
	enters student $S
	enters second_key $S
}

@test "a removed member is denied from the next login on, and let in when added again" {
	T=$(new_project owner)
	denied student $T
	keyacct member add $T student
	enters student $T
	keyacct member remove $T student
	denied student $T
	keyacct member add $T student --role owner
	enters student $T
}

@test "a member of a group that is a member gets in, with the higher of the two roles, for as long as both last" {
	T=$(new_project owner)
	keyacct group add team
	keyacct member add $T @team
	denied outsider $T
	keyacct group add-member team outsider
	run login outsider $T 'echo $KEYACCT_ACCOUNT $KEYACCT_ROLE'
	[ "$output" = "outsider collaborator" ]
	keyacct member add $T @team --role owner
	keyacct member add $T outsider
	run login outsider $T 'echo $KEYACCT_ACCOUNT $KEYACCT_ROLE'
	[ "$output" = "outsider owner" ]
	keyacct group remove-member team outsider
	run login outsider $T 'echo $KEYACCT_ACCOUNT $KEYACCT_ROLE'
	[ "$output" = "outsider collaborator" ]
	keyacct member remove $T outsider
	denied outsider $T
	# And the other way about: still in the group, and the group no member any more.
	keyacct group add-member team outsider
	enters outsider $T
	keyacct member remove $T @team
	denied outsider $T
}

@test "a removed key is denied from the next login on" {
	new_key laptop
	keyacct key add owner "$D/laptop.pub"
	enters laptop $P
	keyacct key remove "$(fingerprint laptop)"
	denied laptop $P
}

@test "a removed account's key is denied, and the same key of another account goes on" {
	new_key left
	keyacct key add outsider "$D/left.pub"
	keyacct member add $P outsider
	enters left $P
	keyacct account remove outsider
	run login left $P echo ran
	keyacct account add outsider
	keyacct key add outsider "$D/outsider.pub"
	is_denied "$P@projects: $DENIED"
	# An account of the same name is another account.
	denied outsider $P
	keyacct key add owner "$D/left.pub"
	enters left $P
}

# Times and addresses

@test "a key is denied after it has expired and before it is valid, and let in between" {
	new_key past
	new_key future
	new_key now
	keyacct key add owner --expires +1s "$D/past.pub"
	keyacct key add owner --not-before +1d "$D/future.pub"
	keyacct key add owner --not-before 2020-01-01 --expires +1d "$D/now.pub"
	let_pass 1
	denied past $P
	denied future $P
	enters now $P
}

@test "a membership admits from its beginning to its end only" {
	past=$(new_project owner)
	future=$(new_project owner)
	now=$(new_project owner)
	keyacct member add $past student --expires +1s
	keyacct member add $future student --not-before +1d
	keyacct member add $now student --not-before 2020-01-01 --expires +1d
	let_pass 1
	denied student $past
	denied student $future
	enters student $now
}

@test "an expired key is refused although it was let in a moment ago" {
	new_key brief
	keyacct key add owner --expires +4s "$D/brief.pub"
	enters brief $P
	let_pass 4
	denied brief $P
}

@test "a key that is for one address is denied from another" {
	new_key desk
	keyacct key add owner --from 127.0.0.2 "$D/desk.pub"
	enters desk $P -o BindAddress=127.0.0.2
	[ "$(last_use desk owner from)" = 127.0.0.2 ]
	denied desk $P -o BindAddress=127.0.0.3
	denied desk $P
	[ "$(last_use desk owner count)" = 1 ]
}

@test "a key that is for a block and an address is let in from both, and from nowhere else" {
	new_key office
	keyacct key add owner --from 127.0.1.0/24,127.0.0.9 "$D/office.pub"
	enters office $P -o BindAddress=127.0.1.77
	enters office $P -o BindAddress=127.0.0.9
	denied office $P -o BindAddress=127.0.2.1
}

@test "of two registrations of a key, the one that the address fits lets in, as its account" {
	new_key roaming
	keyacct key add owner --from 127.0.0.2 "$D/roaming.pub"
	keyacct key add student --from 127.0.0.3 "$D/roaming.pub"
	log_mark
	run login roaming $P -o BindAddress=127.0.0.3 'echo $KEYACCT_ACCOUNT $KEYACCT_ROLE'
	[ "$status" -eq 0 ]
	[ "$output" = "student collaborator" ]
	[[ $(log_since) == *" account=student role=collaborator fingerprint=$(fingerprint roaming) address=127.0.0.3 registrations=student"* ]]
	[ "$(last_use roaming student count)" = 1 ]
	[ -z "$(last_use roaming owner count)" ]
	run login roaming $P -o BindAddress=127.0.0.2 'echo $KEYACCT_ACCOUNT $KEYACCT_ROLE'
	[ "$output" = "owner owner" ]
	denied roaming $P
}

# Projects

@test "an archived project: the holder of a key that would be let in reads why, nobody else does" {
	T=$(new_project owner)
	keyacct member add $T student
	keyacct project archive $T
	reads owner $T "This project is archived. Ask one of its owners or the administrator to bring it back."
	reads student $T "This project is archived. Ask one of its owners or the administrator to bring it back."
	denied outsider $T
	denied stranger $T
	keyacct project unarchive $T
	enters owner $T
}

@test "ssh switched off: the holder of a key that would be let in reads why, nobody else does" {
	T=$(new_project owner --ssh off)
	reads owner $T "SSH is switched off for this project. Ask one of its owners to switch it on."
	denied outsider $T
	denied stranger $T
	keyacct project set $T --ssh on
	enters owner $T
}

@test "a suspended account and an expired key read nothing about an archived project" {
	T=$(new_project owner)
	new_key outdated
	keyacct key add owner --expires +1s "$D/outdated.pub"
	let_pass 1
	keyacct member add $T outsider
	keyacct account suspend outsider
	keyacct project archive $T
	denied outdated $T
	denied outsider $T
	keyacct account resume outsider
	reads outsider $T "This project is archived. Ask one of its owners or the administrator to bring it back."
}

@test "a deleted project: nobody gets in, and those without a key learn nothing" {
	T=$(new_project owner)
	enters owner $T
	keyacct project remove $T
	run login owner $T echo ran
	[ "$status" -eq 255 ]
	[[ $output != *ran* ]]
	denied outsider $T
	denied stranger $T
	# The files keep their owner's name, who has no shell.
	run getent passwd $T
	[[ $output == "$T:*:"*:/usr/sbin/nologin ]]
}

@test "a deleted project: nobody is told that it was there, but the log and explain know" {
	T=$(new_project owner)
	keyacct project remove $T
	denied owner $T
	grep -q "refused project=$T account=owner .* reason=project-deleted" /var/log/auth.log
	run keyacct explain $T "$D/owner.pub"
	[ "$status" -eq 1 ]
	[[ $output == *project-deleted* ]]
}

@test "only the 32 lower-case digits of a project are a login name" {
	denied owner 0123456789abcdef0123456789abcdef
	denied owner "${P:0:31} "
	denied owner "${P:0:31}g"
	# What has not 32 characters is anybody's name, and treated as such.
	for name in ${P:0:31} ${P}0 "$(hyphened $P)"; do
		run login owner $name echo ran
		is_denied "$name@projects: Permission denied (publickey,password)."
	done
	# An id without a letter has no upper case.
	T=$(new_project owner abcdefab-cdef-4bcd-8fab-cdefabcdefab)
	T=abcdefabcdef4bcd8fabcdefabcdefab
	enters owner $T
	denied owner ${T^^}
	denied owner A${T:1}
}

@test "an id of digits alone works as a login name" {
	T=12345678123442348123456781234567
	run --separate-stderr keyacct project add $T --owner owner
	[ "$status" -eq 0 ]
	[[ $stderr == *"all digits"* ]]
	enters owner $T
}

@test "a style after the name changes nothing" {
	run login owner "$P:style" whoami
	[ "$status" -eq 0 ]
	[ "$output" = $P ]
	denied outsider "$P:style"
	[[ $output == "$P:style@"* ]]
}
