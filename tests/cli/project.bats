#!/usr/bin/env bats
# keyacct project: ids, uids, tombstones, homes.
load helpers

setup() { new_db; }

id=829e7b56-93d6-11e7-ae8e-e70cea5e8cd7
name=829e7b5693d611e7ae8ee70cea5e8cd7

@test "a project is added, listed and shown" {
	people
	try 0 k project add $id --title 'Climate data' --owner owner --owner student --host ssh.example.org
	same "Project $name is added. Its members log in with: ssh $name@ssh.example.org" "$output"
	k member add $name outsider
	try 0 k project list
	same 2 "${#lines[@]}"
	same "ID TITLE STATE SSH OWNERS LAST USED" "$(echo "${lines[0]}" | tr -s ' ')"
	has "$name Climate data active yes"
	has never
	try 0 k project show $name --host ssh.example.org
	same "Use the following username@host: $name@ssh.example.org" "${lines[0]}"
	shown=$(tr -s ' ' <<<"$output")
	for line in "id $id" "title Climate data" "state active" "ssh yes" "agent yes" \
		"uid 1879048192" "home /projects/$id" "shell /bin/bash" "collaborators outsider" "last used never"; do
		grep -qx "$line" <<<"$shown" || { echo "missing: $line"; return 1; }
	done
	same "owner student" "$(value '.owners | sort | join(" ")' project show $name)"
}

@test "a project shows the keys that open it now, and whose they are" {
	people
	make_keys owner student outsider named
	k project add $id --owner owner
	try 0 k project show $id
	has "keys             none"
	k member add $id student
	k key add owner --title laptop "$(pub owner)"
	k key add student --title 'old "desk"' "$(pub student)"
	k key add student "$(pub owner)"
	k key add outsider "$(pub outsider)"
	k key add student --project "$(new_project --owner student)" "$(pub named)"
	try 0 k project show $id
	wanted=$(for key in "$(print_of "$(pub owner)") of owner, \"laptop\"" "$(print_of "$(pub owner)") of student, \"owner@laptop\"" \
		"$(print_of "$(pub student)") of student, \"old \"desk\"\""; do echo "$key"; done | sort)
	same "$wanted" "$(sed -n '/^keys /,$p' <<<"$output" | cut -c18- | sort)"
	same "owner laptop $(print_of "$(pub owner)")" "$(value '.keys[] | select(.handle == "owner") | "\(.handle) \(.title) \(.fingerprint)"' project show $id)"
	# Only those that would get in at this moment.
	k key deactivate "$(print_of "$(pub student)")"
	same "owner student" "$(value '[.keys[].handle] | sort | join(" ")' project show $id)"
	k account suspend owner
	same student "$(value '.keys[].handle' project show $id)"
	k project archive $id
	same 0 "$(value '.keys | length' project show $id)"
	k project remove $id
	try 0 k project show $id
	lacks username@host
}

@test "an empty list says what to do next" {
	try 0 k project list
	same "" "$output"
	same "There are no projects yet: keyacct project add --owner ACCOUNT" "$stderr"
	same "[]" "$(k --json project list)"
}

@test "without an id a project gets a random one" {
	for _ in 1 2 3 4 5; do
		[[ $(value .id project add) =~ ^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$ ]]
	done
	same 5 "$(value '[.[].id] | unique | length' project list)"
}

@test "a project is found by its id in any form, and by its beginning" {
	k project add ${id^^}
	for form in $id $name ${id^^} ${name^^} 829e7b56 829E7B56 829e7b569 829e7b56-93d6-11 829e7b56-93d611e7; do
		try 0 k project show "$form"
		has "$id"
	done
}

@test "seven digits, a wrong digit or another length name no project" {
	k project add $id
	for form in 829e7b5 829e7b57 ${name}0 829e7b5-6 829e7b56--93d6 ''; do
		refused 3 "there is no project \"$form\"; 'keyacct project list' shows them" k project show "$form"
	done
}

@test "the beginning of several ids is a conflict" {
	k project add $id
	k project add 829e7b56-93d6-11e7-ae8e-e70cea5e8cd8
	refused 4 'several projects begin with "829e7b56": give more of the id' k project show 829e7b56
	refused 4 "several projects begin with \"${name%?}\"" k project remove ${name%?}
	try 0 k project show $name
	# A deleted one takes part: its id stays taken.
	k project remove $name
	refused 4 'several projects begin with "829e7b56"' k project show 829e7b56
}

@test "an id to add must be a whole UUID" {
	for bad in 829e7b56 hello ${name}0 ''; do
		refused 2 "\"$bad\" is no UUID that can be an id; leave it out for a new one" k project add "$bad"
	done
	same "[]" "$(k --json project list)"
}

@test "the id of all zeros is not taken for no id" {
	refused 2 "is no UUID that can be an id" k project add 00000000-0000-0000-0000-000000000000
	same "[]" "$(k --json project list --all)"
}

@test "a taken id is a conflict that names it, also when the project is deleted" {
	k project add $id
	refused 4 "there is a project $id already" k project add $name
	k project remove $id
	refused 4 "there is a project $id already, a deleted one, whose id stays taken" k project add $id
}

@test "an id of digits alone comes with a warning" {
	try 0 k project add 11111111-2222-3333-4444-555555555555
	[[ $stderr == *"this id is all digits"* ]]
	try 0 k project add $id
	same "" "$stderr"
}

@test "an unknown owner adds no project, and takes no uid" {
	people
	refused 3 'there is no account "nobody"' k project add --owner owner --owner nobody
	same "[]" "$(k --json project list --all)"
	same 1879048192 "$(value .uid project add)"
}

@test "uids are handed out in order and never twice" {
	same "1879048192 1879048193 1879048194" "$(for _ in 1 2 3; do value .uid project add; done | xargs)"
	last=$(value '.[] | select(.uid == 1879048194) | .id' project list)
	k project remove "$last"
	same 1879048195 "$(value .uid project add)"
	# A failed command takes none.
	try 4 k project add "$last"
	same 1879048196 "$(value .uid project add)"
}

@test "an adopted uid is stepped over" {
	k project add --uid 1879048193
	same "1879048192 1879048194" "$(for _ in 1 2; do value .uid project add; done | xargs)"
}

@test "a removed project keeps its uid and name, and lets nobody in" {
	people
	k project add $id --owner owner --title Climate
	k member add $id student
	try 0 k project remove $id
	has "Project $name is removed"
	same "[]" "$(k --json project list)"
	same "deleted 1879048192 0" "$(value '.[0] | "\(.state) \(.uid) \(.owners + .collaborators | length)"' project list --all)"
	same "[]" "$(k --json member list $id)"
	refused 4 "the uid 1879048192 belongs to project $id: no uid is ever used twice" k project add --uid 1879048192
	# It stays so.
	for change in "archive $id" "unarchive $id" "set $id --title x" "remove $id"; do
		# shellcheck disable=SC2086
		refused 4 "project $id is deleted: it stays so" k project $change
	done
	refused 4 "project $id is deleted: nobody can be added" k member add $id owner
}

@test "remove, rm, delete; list, ls" {
	for verb in remove rm delete; do
		each=$(new_project)
		try 0 k project $verb "$each"
		has "Project $each is removed"
	done
	same 3 "$(value length project ls --all)"
	same 0 "$(value length project ls)"
}

@test "archive and unarchive, ssh and agent on and off" {
	k project add $id
	try 0 k project archive $id
	has "is archived"
	same archived "$(value .state project show $id)"
	try 0 k project unarchive $id
	has "is active again"
	same active "$(value .state project show $id)"
	try 0 k project set $id --ssh off --agent off
	same "false false" "$(value '"\(.ssh) \(.agent)"' project show $id)"
	try 0 k project set $id --ssh on
	same "true false" "$(value '"\(.ssh) \(.agent)"' project show $id)"
	for bad in ON yes '' 1; do
		refused 2 "--ssh \"$bad\": write on or off" k project set $id --ssh "$bad"
		refused 2 "--agent \"$bad\": write on or off" k project add --agent "$bad"
	done
}

# policy PROJECT: its settings as one line
policy() { value '"\(.agent) \(.tcp) \(.x11) \(.pty) \(.sftp_only)"' project show "$1"; }

@test "a policy: its defaults, each setting on its own, and what is none" {
	k project add $id
	same "true off false true false" "$(policy $id)"
	try 0 k project set $id --tcp loopback
	same "true loopback false true false" "$(policy $id)"
	try 0 k project set $id --x11 on --pty off
	same "true loopback true false false" "$(policy $id)"
	try 0 k project set $id --sftp-only on --agent off --tcp on
	same "false on true false true" "$(policy $id)"
	try 0 k project set $id --title Climate
	same "false on true false true" "$(policy $id)"
	same "agent no|tcp on|x11 yes|pty no|sftp-only yes|" \
		"$(k project show $id | tr -s ' ' | grep -E '^(agent|tcp|x11|pty|sftp-only) ' | tr '\n' '|')"
	same "true loopback true false true" "$(policy "$(value .id project add --tcp loopback --x11 on --pty off --sftp-only on)")"
	for bad in LOOPBACK localhost yes ''; do
		refused 2 "--tcp \"$bad\": write off, loopback or on" k project set $id --tcp "$bad"
		refused 2 "--x11 \"$bad\": write on or off" k project add --x11 "$bad"
		refused 2 "--pty \"$bad\": write on or off" k project set $id --pty "$bad"
		refused 2 "--sftp-only \"$bad\": write on or off" k project set $id --title New --sftp-only "$bad"
	done
	same "false on true false true Climate" "$(policy $id) $(value .title project show $id)"
}

@test "set changes what it names and nothing else" {
	k project add $id --title Climate --home /srv/climate --shell /bin/sh
	before=$(k --json project show $id)
	k project set $id --title Weather
	same "$(jq -S '.title = "Weather"' <<<"$before")" "$(k --json project show $id | jq -S .)"
	k project set $id --home /srv/weather --shell /bin/bash
	same "Weather /srv/weather /bin/bash" "$(value '"\(.title) \(.home) \(.shell)"' project show $id)"
	k project set $id --title ''
	same null "$(value .title project show $id)"
}

@test "set without an option is an error: there is nothing to change" {
	k project add $id
	refused 2 "nothing to change: give one of --title, --home, --shell, --ssh, --agent, --tcp, --x11, --pty and --sftp-only" k project set $id
}

@test "a home or shell is an absolute path without a colon" {
	# shellcheck disable=SC2088 # no shell expands what a tool is given so
	for bad in projects/x ./x ../x /pro:jects '~/x' 'x'; do
		for option in --home --shell; do
			refused 2 "$option \"$bad\" cannot be used: an absolute path is wanted, without a colon, control or invisible characters" \
				k project add $option "$bad"
		done
	done
	k project add $id
	refused 2 '--home "relative" cannot be used' k project set $id --home relative
	refused 2 '--shell "" cannot be used' k project set $id --shell ''
	same "/projects/$id /bin/bash" "$(value '"\(.home) \(.shell)"' project show $id)"
	same 1 "$(value length project list --all)"
}

@test "a home or shell with a control character is refused, not changed" {
	for bad in $'/srv/a\nb' $'/srv/a\tb' $'/srv/a\eb' $'/srv/\u202eb' $'/srv/a\n'; do
		refused 2 "--home" k project add --home "$bad"
		[[ $stderr == *"cannot be used"* ]]
		refused 2 "--shell" k project add --shell "$bad"
		[[ $stderr == *"cannot be used"* ]]
	done
	same "[]" "$(k --json project list --all)"
}

@test "a shell that is no program on this host comes with a warning" {
	for shell in /bin/none /etc/passwd /usr/bin; do
		try 0 k project add --shell $shell
		has "is added"
		same "keyacct: $shell is no program on this host: nobody can log in until it is" "$stderr"
	done
	k project add $id
	try 0 k project set $id --shell /bin/none
	same "keyacct: /bin/none is no program on this host: nobody can log in until it is" "$stderr"
	same /bin/none "$(value .shell project show $id)"
	run --separate-stderr k --json project set $id --shell /bin/none
	same 0 "$status"
	same "/bin/none is no program on this host: nobody can log in until it is" "$(jq -r .warning.message <<<"$stderr")"
	try 0 k project set $id --shell /bin/sh
	same "" "$stderr"
}

@test "a home is taken letter by letter" {
	k project add $id --home '/srv/a  b '
	same '/srv/a  b ' "$(value .home project show $id)"
}

@test "what is too long is refused and named" {
	refused 2 "--title is too long: at most 255 bytes, and this has 256" k project add --title "$(printf 'x%.0s' {1..256})"
	refused 2 "--home is too long: at most 511 bytes" k project add --home "/$(printf 'x%.0s' {1..512})"
	refused 2 "--shell is too long: at most 255 bytes" k project add --shell "/$(printf 'x%.0s' {1..256})"
	try 0 k project add --title "$(printf 'x%.0s' {1..255})" --home "/$(printf 'x%.0s' {1..510})" --shell "/$(printf 'x%.0s' {1..254})"
}

@test "a title loses direction marks and blanks, and keeps its letters; one with control characters is refused" {
	k project add $id --title $'  Climate  data \u202e\u200bÜber '
	same "Climate data Über" "$(value .title project show $id)"
	refused 2 '--title "a[31mb" has the control character U+001B in it: leave that out' k project set $id --title $'a\e[31mb'
	same "Climate data Über" "$(value .title project show $id)"
}

@test "a uid out of the range for projects is refused" {
	for bad in 0 1 999 60001 65534 65535 2147352576 4294967295 4294967296 18446744073709551617 -1 +5000 5000x 0x1388 ' 5000' '' abc; do
		refused 2 "--uid \"$bad\" cannot be a project's" k project add --uid "$bad"
	done
	# No local user or group stands in the way of these here.
	sed -i -E '/^[^:]*:[^:]*:(1000|60000|65536|2147352575):/d' /etc/passwd /etc/group
	for good in 1000 60000 65536 2147352575; do
		same $good "$(value .uid project add --uid $good)"
	done
}

@test "--uid refuses the uid of a user of this host" {
	echo 'local:x:5000:5000::/home/local:/bin/sh' >>/etc/passwd
	refused 4 'the uid 5000 belongs to "local" on this host' k project add --uid 5000
	sed -i '/^local:/d' /etc/passwd
	same 5000 "$(value .uid project add --uid 5000)"
}

@test "--uid refuses a number that is a group of this host: a project's gid is its uid" {
	echo 'staffonly:x:5001:' >>/etc/group
	run k project add --uid 5001
	sed -i '/^staffonly:/d' /etc/group
	same 4 "$status"
	[[ $output == *5001* ]]
}

@test "--uid refuses the uid of another project and names it" {
	k project add $id --uid 5002
	refused 4 "the uid 5002 belongs to project $id: no uid is ever used twice" k project add --uid 5002
}

@test "NSS knows a project from the command on" {
	default_db
	k project add $id --home /srv/climate --shell /bin/sh
	same "$name:*:1879048192:1879048192::/srv/climate:/bin/sh" "$(getent passwd $name | sed 's/^\([^:]*:[^:]*:[^:]*:[^:]*:\)[^:]*/\1/')"
	same "$name" "$(getent passwd 1879048192 | cut -d: -f1)"
	same "$name:*:1879048192:" "$(getent group $name)"
	k project set $id --home /srv/weather
	same /srv/weather "$(getent passwd $name | cut -d: -f6)"
}

@test "NSS knows a removed project, so that its files keep an owner; nobody gets a shell there" {
	default_db
	k project add $id
	touch "$BATS_TEST_TMPDIR/file"
	chown 1879048192:1879048192 "$BATS_TEST_TMPDIR/file"
	k project remove $id
	same $name "$(stat -c %U "$BATS_TEST_TMPDIR/file")"
	same $name "$(stat -c %G "$BATS_TEST_TMPDIR/file")"
	same /usr/sbin/nologin "$(getent passwd $name | cut -d: -f7)"
}

@test "--uid names the other project as a project, also on a host in service" {
	default_db
	k project add $id --uid 5003
	refused 4 "belongs to project $id: no uid is ever used twice" k project add --uid 5003
}

@test "an unknown project is not found, whatever is to be done to it" {
	people
	for command in "project show" "project set" "project archive" "project unarchive" "project remove" "member list" \
		"key list --project" "ssh-config owner --project"; do
		# shellcheck disable=SC2086
		refused 3 "there is no project \"$name\"" k $command $name
	done
	refused 3 "there is no project \"$name\"" k member add $name owner
	refused 3 "there is no project \"$name\"" k member remove $name owner
}
