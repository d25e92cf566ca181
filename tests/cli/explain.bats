#!/usr/bin/env bats
# keyacct explain: the decision of a login, for every reason that the tool can bring about.
load helpers

setup_file() { make_keys owner student other unknown; }

setup() {
	new_db
	people
	project=$(new_project --title Climate --owner owner)
	k key add owner --title laptop "$(pub owner)"
	print=$(print_of "$(pub owner)")
}

# why REASON ARG...: explain says no, and why, in words and in JSON; with GRANTED it says yes
why() {
	local reason=$1 status_wanted=1 result=refused line="result refused: $1"
	shift
	if [ "$reason" = granted ]; then
		status_wanted=0 result=granted line="result granted"
	fi
	try $status_wanted k explain "$@"
	same "" "$stderr"
	same "$line" "$(grep '^result' <<<"$output" | tr -s ' ')"
	try $status_wanted k --json explain "$@"
	same "$result $reason" "$(jq -r '"\(.result) \(.reason)"' <<<"$output")"
}

@test "granted: the path with project, registration, account, role, limits and result" {
	k member add "$project" student
	k key add student --title desk --from 192.0.2.0/24 --expires 2031-01-01 "$(pub owner)"
	TZ=UTC try 0 k explain "$project" "$(pub owner)" --from 192.0.2.7 --at 2030-01-01T12:00:00Z
	same "project       $project \"Climate\"
key           $print
asked         at 2030-01-01T12:00:00Z, from 192.0.2.7
registration  \"laptop\" of account \"owner\", reaches all of the account's projects
  role        owner
  limits      from everywhere
  result      granted: Access is granted.
registration  \"desk\" of account \"student\", reaches all of the account's projects
  role        collaborator
  limits      from 192.0.2.0/24, until 2031-01-01T00:00:00Z
  result      granted: Access is granted.
taken for     owner, owner
options       restrict,pty,agent-forwarding
refused here  ports (tcp off)
              X11 (x11 off)
              Unix sockets (tcp off, AllowStreamLocalForwarding no)
              tunnels (PermitTunnel no)
result        granted
              Access is granted." "$output"
}

@test "the key as a file, on standard input, as a fingerprint" {
	why granted "$project" "$(pub owner)"
	why granted "$project" "$print"
	try 0 k explain "$project" - <"$(pub owner)"
	# The beginning of a fingerprint is completed from the registrations.
	for part in "${print%?}" "${print:0:15}" "${print:0:20}"; do
		why granted "$project" "$part"
		same "$print" "$(k --json explain "$project" "$part" | jq -r .fingerprint)"
	done
	for part in SHA256: "${print:0:14}" "${print}x" "SHA256:$(printf 'A%.0s' {1..10})"; do
		refused 3 "nobody has registered a key \"$part\"" k explain "$project" "$part"
	done
	# A whole one needs no registration.
	why unknown-key "$project" "$(print_of "$(pub unknown)")"
	refused 3 "cannot read nowhere.pub" k explain "$project" nowhere.pub
	refused 2 "does not begin with a key type" k explain "$project" - <<<"hello"
}

@test "the MD5 fingerprint that key list shows is understood" {
	md5=$(md5_of "$(pub owner)")
	for form in "$md5" "${md5#MD5:}" "${md5^^}"; do
		why granted "$project" "$form"
		same "$print" "$(k --json explain "$project" "$form" | jq -r .fingerprint)"
	done
	refused 3 "nobody has registered a key" k explain "$project" "$(md5_of "$(pub unknown)")"
}

@test "the beginning of a key's fingerprint that several accounts registered names one key" {
	k key add student "$(pub owner)"
	k key add owner "$(pub other)"
	why granted "$project" "${print:0:15}"
	same 2 "$(k --json explain "$project" "${print:0:15}" | jq '.registrations | length')"
}

@test "the project in any form" {
	for form in "$project" "$(hyphens "$project")" "${project^^}" "${project:0:8}"; do
		why granted "$form" "$print"
	done
	refused 3 'there is no project "829e7b5693d611e7ae8ee70cea5e8cd7"' k explain 829e7b5693d611e7ae8ee70cea5e8cd7 "$print"
	refused 3 'there is no project "829e7b5"' k explain 829e7b5 "$print"
}

@test "unknown-key" {
	why unknown-key "$project" "$(pub unknown)"
	try 1 k explain "$project" "$(pub unknown)"
	has "No account has registered this key."
}

@test "key-reach: the key is for other projects" {
	second=$(new_project --owner owner)
	k key add owner --project "$second" "$(pub other)"
	why key-reach "$project" "$(pub other)"
	why granted "$second" "$(pub other)"
	try 0 k explain "$second" "$(pub other)"
	has "reaches the projects that it names"
}

@test "not-member" {
	k key add outsider "$(pub other)"
	why not-member "$project" "$(pub other)"
	try 1 k explain "$project" "$(pub other)"
	has "role        none"
	has "neither owns this project nor collaborates in it"
}

@test "member-not-yet and member-expired, to the second" {
	k member add "$project" student --not-before 2030-01-01 --expires 2030-02-01
	k key add student "$(pub student)"
	why member-not-yet "$project" "$(pub student)" --at 2029-12-31T23:59:59Z
	why granted "$project" "$(pub student)" --at 2030-01-01T00:00:00Z
	why granted "$project" "$(pub student)" --at 2030-01-31T23:59:59Z
	why member-expired "$project" "$(pub student)" --at 2030-02-01T00:00:00Z
	why member-expired "$project" "$(pub student)" --at 2030-02-01T01:00:00+01:00
	why granted "$project" "$(pub student)" --at 2030-02-01T00:59:59+01:00
}

@test "a change of a membership keeps its window until never takes it away" {
	k member add "$project" student --not-before +1h --expires +1d
	k key add student "$(pub student)"
	why member-expired "$project" "$(pub student)" --at +2d
	k member add "$project" student
	why member-expired "$project" "$(pub student)" --at +2d
	why member-not-yet "$project" "$(pub student)"
	k member add "$project" student --not-before never
	why granted "$project" "$(pub student)"
	why member-expired "$project" "$(pub student)" --at +2d
	k member add "$project" student --expires never
	why granted "$project" "$(pub student)" --at +2d
}

@test "account-suspended" {
	k account suspend owner
	why account-suspended "$project" "$(pub owner)"
	k account resume owner
	why granted "$project" "$(pub owner)"
}

@test "key-not-yet and key-expired, to the second" {
	k key add owner --not-before 2030-01-01 --expires 2030-02-01 "$(pub other)"
	why key-not-yet "$project" "$(pub other)" --at 2029-12-31T23:59:59Z
	why granted "$project" "$(pub other)" --at 2030-01-01
	why granted "$project" "$(pub other)" --at 2030-01-31T23:59:59Z
	why key-expired "$project" "$(pub other)" --at 2030-02-01
	why key-not-yet "$project" "$(pub other)"
}

@test "key-address: only from the addresses that the key names" {
	k key add owner --from 192.0.2.0/24,2001:db8::/32 "$(pub other)"
	for address in 192.0.2.0 192.0.2.255 2001:db8::1 ::ffff:192.0.2.9; do
		why granted "$project" "$(pub other)" --from $address
	done
	for address in 192.0.3.0 192.0.1.255 2001:db9::1 ::1 127.0.0.1; do
		why key-address "$project" "$(pub other)" --from $address
	done
	# Without an address the question is left to sshd.
	try 0 k explain "$project" "$(pub other)"
	has 'from="192.0.2.0/24,2001:db8::/32"'
}

@test "what is no address or time is refused" {
	for bad in localhost 192.0.2 192.0.2.0/24 '' 192.0.2.256 2001:db8:::1; do
		refused 2 "--from \"$bad\" is no address" k explain "$project" "$print" --from "$bad"
	done
	for bad in yesterday '' 2030-02-30 30d; do
		refused 2 "--at \"$bad\" is no time" k explain "$project" "$print" --at "$bad"
	done
}

@test "project-archived and ssh-off, for whoever would be let in" {
	k project archive "$project"
	why project-archived "$project" "$(pub owner)"
	# In the order of the list: archived before switched off.
	k project set "$project" --ssh off
	why project-archived "$project" "$(pub owner)"
	k project unarchive "$project"
	why ssh-off "$project" "$(pub owner)"
	k project set "$project" --ssh on
	why granted "$project" "$(pub owner)"
}

@test "whoever would not be let in learns nothing of the project's state" {
	k key add outsider "$(pub other)"
	k project archive "$project"
	k project set "$project" --ssh off
	why unknown-key "$project" "$(pub unknown)"
	why not-member "$project" "$(pub other)"
}

@test "project-deleted: the administrator reads that the project is gone" {
	k project remove "$project"
	why project-deleted "$project" "$(pub owner)"
}

@test "a removed project lets nobody in, and says project-deleted of every registered key alone" {
	k key add outsider "$(pub other)"
	k project remove "$project"
	why project-deleted "$project" "$(pub owner)"
	lacks '"options"'
	why project-deleted "$project" "$(pub other)"
	why unknown-key "$project" "$(pub unknown)"
}

@test "key-inactive: before, while and after a key is switched off" {
	why granted "$project" "$print"
	k key deactivate "$print"
	why key-inactive "$project" "$print"
	k key activate "$print"
	why granted "$project" "$print"
}

@test "key-host: only on the hosts that the key names, in any case" {
	k key add owner --hosts elsewhere,other.example.org "$(pub other)"
	why key-host "$project" "$(pub other)"
	k key set "$(print_of "$(pub other)")" --hosts 'elsewhere, PROJECTS'
	why granted "$project" "$(pub other)"
	k key set "$(print_of "$(pub other)")" --hosts elsewhere
	why key-host "$project" "$(pub other)"
	k key set "$(print_of "$(pub other)")" --hosts ''
	why granted "$project" "$(pub other)"
}

@test "uid-mismatch: the host takes the project for another uid" {
	default_db
	people
	k key add owner "$(pub owner)"
	k project add "$project" --owner owner
	why granted "$project" "$(pub owner)"
	cp $db/names.mdb "$BATS_TEST_TMPDIR/names.mdb"
	rm -r $db
	keyacct init
	people
	k key add owner "$(pub owner)"
	k project add "$project" --owner owner --uid 5000
	cp "$BATS_TEST_TMPDIR/names.mdb" $db/names.mdb
	same 1879048192 "$(getent passwd "$project" | cut -d: -f3)"
	why uid-mismatch "$project" "$(pub owner)"
}

@test "of several registrations one that admits is enough; an owner comes before a collaborator" {
	k member add "$project" student
	k key add outsider --title out "$(pub other)"
	k key add student --title stud "$(pub other)"
	why granted "$project" "$(pub other)"
	same "student collaborator" "$(k --json explain "$project" "$(pub other)" | jq -r '"\(.account) \(.role)"')"
	k key add owner --title own "$(pub other)"
	same "owner owner" "$(k --json explain "$project" "$(pub other)" | jq -r '"\(.account) \(.role)"')"
	same "own=granted stud=granted out=not-member" \
		"$(k --json explain "$project" "$(pub other)" | jq -r '[.registrations[] | "\(.title)=\(.reason)"] | join(" ")')"
	k account suspend owner
	same "student collaborator" "$(k --json explain "$project" "$(pub other)" | jq -r '"\(.account) \(.role)"')"
}

@test "of several registrations that fail, the one that came closest says why" {
	k key add outsider "$(pub other)"
	why not-member "$project" "$(pub other)" --at +2d
	k member add "$project" student --expires +1d
	k key add student "$(pub other)"
	why member-expired "$project" "$(pub other)" --at +2d
	k key add owner --expires +1d "$(pub other)"
	why key-expired "$project" "$(pub other)" --at +2d
}

@test "agent forwarding is a matter of the project" {
	k project set "$project" --agent off
	same "restrict,pty" "$(k --json explain "$project" "$print" | jq -r .options)"
	k project set "$project" --agent on
	same "restrict,pty,agent-forwarding" "$(k --json explain "$project" "$print" | jq -r .options)"
}

# refusals: what a session would be refused, as "REQUEST: SETTING, SETTING" with blanks between
refusals() {
	k --json explain "$project" "$print" |
		jq -r '[.refused_requests[] | "\(.request): \(.settings | join(", "))"] | join("; ")'
}

@test "what a session is refused, and which settings refuse it" {
	k project set "$project" --agent off --pty off --tcp loopback --x11 on
	same "terminals: pty off; agent: agent off; other hosts' ports: tcp loopback; Unix sockets: AllowStreamLocalForwarding no; tunnels: PermitTunnel no" \
		"$(refusals)"
	k project set "$project" --sftp-only on
	same "sftp-only on" "$(k --json explain "$project" "$print" | jq -r '[.refused_requests[].settings[0]] | unique[]')"
	# Who is refused altogether is told nothing of it.
	k project archive "$project"
	try 1 k explain "$project" "$print"
	lacks "refused here"
	same null "$(k --json explain "$project" "$print" | jq .refused_requests)"
}

@test "where sshd cannot be asked, the policy alone is told" {
	echo Nonsense >/etc/ssh/sshd_config.d/99-tests.conf
	same "ports: tcp off; X11: x11 off; Unix sockets: tcp off" "$(refusals)"
	rm /etc/ssh/sshd_config.d/99-tests.conf
}

@test "what sshd has for the address alone is told for that address" {
	printf 'Match Address 192.0.2.7\n    AllowAgentForwarding no\n' >/etc/ssh/sshd_config.d/99-tests.conf
	try 0 k explain "$project" "$print" --from 192.0.2.7
	has "agent (AllowAgentForwarding no)"
	try 0 k explain "$project" "$print" --from 192.0.2.8
	rm /etc/ssh/sshd_config.d/99-tests.conf
	lacks AllowAgentForwarding
}

@test "explain agrees with the helper that sshd asks" {
	default_db
	people
	project=$(new_project --owner owner)
	k key add owner "$(pub owner)"
	k key add outsider "$(pub other)"
	for name in owner other unknown; do
		read -r type base64 _ <"$(pub $name)"
		printed=$(/usr/libexec/keyacct-keys "$project" "$(print_of "$(pub $name)")" "$type" "$base64")
		if k explain "$project" "$(pub $name)" >/dev/null; then
			same "$(k --json explain "$project" "$(pub $name)" | jq -r .options) $type $base64" "$printed"
		else
			same "" "$printed"
		fi
	done
}

@test "nothing is changed by asking" {
	before=$(state)
	k explain "$project" "$(pub owner)"
	k explain "$project" "$(pub unknown)" || true
	same "$before" "$(state)"
	same null "$(value .last_used key show "$print")"
}
