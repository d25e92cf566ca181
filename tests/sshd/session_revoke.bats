#!/usr/bin/env bats
# needs: sshd
# A change that takes access away ends the sessions that nothing else allows, and no others.

load lib
load sessions

setup_file() {
	load lib
	make_people
	export P=$(new_project owner)
	keyacct member add "$P" student
	login owner "$P" true
}

setup() {
	wait_until no_entries
	connect owner owner $P 'echo ready; exec sleep 9001'
	connect student student $P 'echo ready; exec sleep 7001'
	wait_until says owner ready
	wait_until says student ready
}
teardown() { end_everything; }

students() { keyacct --json who --account student | jq -r '.[].id'; }

# cuts REASON COMMAND...: this ends the student's session, says so after its own message, and leaves the owner's
cuts() {
	local reason=$1 id
	shift
	id=$(students)
	run keyacct "$@"
	[ "$status" -eq 0 ]
	[ "$(grep -c '^Ended the session ' <<<"$output")" -eq 1 ]
	[[ ${lines[-1]} == "Ended the session $id of \"student\" in $P, from 127.0.0.1 since "*": $reason" ]]
	wait_until has_lost_connection student
	refute runs 'sleep 7001'
	owner_stays
}
# cuts_both REASON OTHER COMMAND...: the owner's for one, the student's for the other
cuts_both() {
	run keyacct "${@:3}"
	[ "$status" -eq 0 ]
	[ "$(grep -c "^Ended the session .* of \"owner\" .*: $1\$" <<<"$output")" -eq 1 ]
	[ "$(grep -c "^Ended the session .* of \"student\" .*: $2\$" <<<"$output")" -eq 1 ]
	wait_until has_lost_connection student
	wait_until has_lost_connection owner
}
# keeps COMMAND...: this ends nobody's
keeps() {
	run keyacct "$@"
	[ "$status" -eq 0 ]
	refute grep -q 'Ended' <<<"$output"
	[ -n "$(students)" ]
	runs 'sleep 7001'
	owner_stays
}
owner_stays() {
	[ "$(keyacct --json who --account owner | jq length)" -eq 1 ]
	runs 'sleep 9001'
	kill -0 ${client[owner]}
}
# again: the student comes back
again() {
	connect student student $P 'echo ready; exec sleep 7001'
	wait_until says student ready
}

@test "a member is removed, or is to be one later" {
	cuts not-member member remove $P student
	keyacct member add $P student
	again
	cuts member-not-yet member add $P student --not-before +1d
	keyacct member add $P student --not-before never
}

@test "an account is suspended" {
	cuts account-suspended account suspend student
	keyacct account resume student
}

@test "an account is removed" {
	key=$(fingerprint student)
	cuts unknown-key account remove student
	keyacct account add student
	keyacct key add student "$D/student.pub"
	keyacct member add $P student
}

@test "a key is switched off, limited, and removed" {
	key=$(fingerprint student)
	cuts key-inactive key deactivate $key
	keyacct key activate $key
	again
	cuts key-address key set $key --from 192.0.2.0/24
	keyacct key set $key --from ""
	again
	cuts key-host key set $key --hosts elsewhere
	keyacct key set $key --hosts ""
	again
	cuts key-not-yet key set $key --not-before +1d
	keyacct key set $key --not-before never
	again
	cuts unknown-key key remove $key
	keyacct key add student "$D/student.pub"
}

@test "a key loses the project, or goes with all that one import brought" {
	key=$(fingerprint student)
	keyacct key remove $key --keep-sessions
	keyacct key add student --project $P "$D/student.pub"
	keeps key set $key --title other
	cuts key-reach key set $key --no-project $P
	keyacct key remove $key
	keyacct import --authorized-keys "$D/student.pub" --account student --origin old-host
	again
	keeps key remove --origin old-host --dry-run
	cuts unknown-key key remove --origin old-host
	keyacct key add student "$D/student.pub"
}

@test "an account is called otherwise, or what its removal would take is asked: nobody's session ends" {
	keeps account remove student --dry-run
	keeps account set student --name 'A Student' --email student@example.org
	run keyacct account set student --handle pupil
	[ "$output" = 'Account "pupil" is changed; its keys and memberships stay.' ]
	keeps account set pupil --handle student
}

@test "a group loses the account, or goes" {
	keyacct group add staff
	keyacct group add-member staff student
	keyacct member add $P @staff
	keeps member remove $P student
	cuts not-member group remove-member staff student
	keyacct group add-member staff student
	again
	cuts not-member group remove staff
	keyacct member add $P student
}


@test "a project is archived, its SSH is switched off, it is removed: everybody in it, and nobody in another" {
	Q=$(new_project owner)
	keyacct member add $Q student
	connect elsewhere student $Q 'echo ready; exec sleep 8001'
	wait_until says elsewhere ready
	all_but_elsewhere() {
		run keyacct "${@:2}"
		[ "$status" -eq 0 ]
		[ "$(grep -c "^Ended the session .* in $P, .*: $1\$" <<<"$output")" -eq 2 ]
		[ "$(grep -c '^Ended the session ' <<<"$output")" -eq 2 ]
		wait_until has_lost_connection student
		wait_until has_lost_connection owner
		kill -0 ${client[elsewhere]}
		entered 1
	}
	both() {
		connect owner owner $P 'echo ready; exec sleep 9001'
		wait_until says owner ready
		again
	}
	all_but_elsewhere project-archived project archive $P
	keyacct project unarchive $P
	both
	all_but_elsewhere ssh-off project set $P --ssh off
	keyacct project set $P --ssh on
	connect owner owner $Q 'echo ready; exec sleep 9001'
	wait_until says owner ready
	run keyacct project remove $Q
	[ "$(grep -c "^Ended the session .* in $Q, .*: project-deleted\$" <<<"$output")" -eq 2 ]
	wait_until has_lost_connection elsewhere
	no_entries
	[ -z "$(running)" ]
}

@test "a setting allows the key no more" {
	ssh-keygen -q -t ecdsa -N '' -C other -f "$D/other"
	keyacct key add owner "$D/other.pub"
	connect other other $P 'echo ready; exec sleep 8001'
	wait_until says other ready
	run keyacct config set key-types ssh-ed25519
	keyacct config reset key-types
	[ "$status" -eq 0 ]
	[ "$(grep -c '^Ended the session .* of "owner" .*: key-type$' <<<"$output")" -eq 1 ]
	wait_until has_lost_connection other
	[ -n "$(students)" ]
	owner_stays
}

@test "an import takes away what it does not name" {
	keyacct export >"$D/all.jsonl"
	member=$(keyacct --json member list $P | jq -r '.[] | select(.handle == "student").account')
	grep -vE '"type": ?"member".*'"$member" "$D/all.jsonl" >"$D/fewer.jsonl"
	[ "$(wc -l <"$D/fewer.jsonl")" -eq $(($(wc -l <"$D/all.jsonl") - 1)) ]
	keeps import --mirror --force --dry-run "$D/fewer.jsonl"
	cuts not-member import --mirror --force "$D/fewer.jsonl"
	keyacct member add $P student
}

@test "what leaves access as it is ends nobody" {
	key=$(fingerprint student)
	keeps key set $key --title other
	keeps key set $key --from 127.0.0.0/8
	keyacct key set $key --from ""
	keeps project set $P --title other
	keeps member add $P outsider
	keeps member remove $P outsider
	keeps member add $P student --role owner
	keeps member add $P student --role collaborator
	keeps account suspend outsider
	keeps account resume outsider
	keeps group add other
	keeps group remove other
}

@test "a session stays as long as another account's registration of the key allows it" {
	keyacct key add outsider "$D/student.pub"
	keyacct member add $P outsider
	keeps member remove $P student
	cuts not-member member remove $P outsider
	keyacct key remove "$(fingerprint student)" --account outsider
	keyacct member add $P student
}

@test "--keep-sessions leaves them for good, but not for what takes access away besides" {
	keeps member remove $P student --keep-sessions
	[ "$(keyacct --json who | jq -c 'map([.handle, .kept]) | sort')" = '[["owner",false],["student",true]]' ]
	keeps sweep
	keeps project set $P --title other
	# The project's own reason is not hidden by theirs, nor the account's.
	cuts_both project-archived not-member project archive $P
	keyacct project unarchive $P
	keyacct member add $P student
	connect owner owner $P 'echo ready; exec sleep 9001'
	wait_until says owner ready
	again
	keeps member remove $P student --keep-sessions
	cuts not-member account suspend student
	keyacct account resume student
	keyacct member add $P student
	again
	keeps account suspend student --keep-sessions
	cuts not-member member remove $P student
	keyacct account resume student
	keyacct member add $P student
	again
	keeps member remove $P student --keep-sessions
	run keyacct session end --account student
	[ "$status" -eq 0 ]
	wait_until has_lost_connection student
	keyacct member add $P student
	wait_until entered 1
}

@test "one that was kept and has access again is as any other" {
	keeps account suspend student --keep-sessions
	[ "$(entries)" -eq 3 ]
	keeps account resume student
	[ "$(entries)" -eq 2 ]
	cuts account-suspended account suspend student
	keyacct account resume student
	# What was noted goes with the session, however it ends.
	again
	keeps account suspend student --keep-sessions
	kill ${client[student]}
	wait_until entered 1
	keyacct account resume student
}

@test "what runs out by time alone is ended by the sweep, and not before" {
	keyacct member add $P student --expires +2s
	keeps sweep
	let_pass 2
	cuts member-expired sweep
	keyacct member add $P student --expires never
	again
	keyacct key set "$(fingerprint student)" --expires +2s
	keeps sweep --dry-run
	let_pass 2
	id=$(students)
	run keyacct sweep --dry-run
	[[ $output == "Would end the session $id of \"student\" in $P, "*": key-expired" ]]
	keeps who
	log_mark
	cuts key-expired sweep
	[[ $(log_since) == *" ended project=$P account=student "*" reason=key-expired"* ]]
	keyacct key set "$(fingerprint student)" --expires never
	run keyacct --json sweep
	[ "$status" -eq 0 ]
	[ "$output" = "[]" ]
}

@test "in JSON the object stays alone on standard output, and who was cut off is a line on the other" {
	id=$(students)
	run --separate-stderr keyacct --json member remove $P student
	keyacct member add $P student
	[ "$status" -eq 0 ]
	[ "$(jq -r .type <<<"$output")" = member ]
	[ ${#stderr_lines[@]} -eq 1 ]
	[ "$(jq -c '.ended | [.type, .id, .handle, .from, .reason, .ended, .stays]' <<<"$stderr")" = \
		"[\"session\",\"$id\",\"student\",\"127.0.0.1\",\"not-member\",true,[]]" ]
}

@test "a copy of the database ends nobody here, unless this registry is named as its own" {
	cp -a $DB "$D/copy"
	keeps --dir "$D/copy" member remove $P student
	run -2 keyacct --dir "$D/copy" sweep
	[[ $output == *"$D/copy did not let in the sessions of /run/keyacct: name their registry with --run"* ]]
	ln -s $DB "$D/link"
	keeps --dir "$D/link" sweep
	cuts not-member --dir "$D/copy" sweep --run /run/keyacct
	rm -r "$D/copy" "$D/link"
}

@test "a database that cannot be read ends nobody" {
	mv $DB "$D/away"
	run --separate-stderr keyacct sweep
	mv "$D/away" $DB
	[ "$status" -eq 5 ]
	[ -z "$output" ]
	[ "$stderr" = "keyacct: 2 open sessions could not be decided, and are left: the database cannot be read" ]
	owner_stays
	[ -n "$(students)" ]
}

@test "a registry that cannot be used is said, and the change stands" {
	chmod 777 $SESSIONS
	run --separate-stderr keyacct member remove $P student
	chmod 700 $SESSIONS
	[ "$status" -eq 0 ]
	[[ $output == *"is no member of the project any more"* ]]
	[[ $stderr == "keyacct: the change is made, but no open session was ended: $SESSIONS is not used, "* ]]
	cuts not-member sweep
	keyacct member add $P student
}

@test "a thousand sessions are decided at once" {
	start=$(sed 's/.*) //' /proc/$$/stat | cut -d' ' -f20)
	for i in {1..1000}; do
		printf 'project=%s fingerprint=%s address=127.0.0.1 pid=%d start=%d since=%d\n' $P "$(($i % 2))" $$ $start $i
	done | sed -e "s,fingerprint=0,fingerprint=$(fingerprint owner)," -e "s,fingerprint=1,fingerprint=$(fingerprint student)," |
		split -l 1 -a 8 --numeric-suffixes=1 - "$SESSIONS/$$-"
	entered 1002
	before=${EPOCHREALTIME/./}
	keeps project set $P --title other
	echo "# 1,002 sessions looked at and decided, twice listed: $(((${EPOCHREALTIME/./} - before) / 1000)) ms" >&3
	before=${EPOCHREALTIME/./}
	keyacct sweep
	echo "# 1,002 sessions decided by a sweep: $(((${EPOCHREALTIME/./} - before) / 1000)) ms" >&3
	entered 1002
	# Of all of them those without access are found.
	run keyacct sweep --dry-run
	[ -z "$output" ]
	keyacct member remove $P student --run /nonexistent
	[ "$(keyacct sweep --dry-run | grep -c '^Would end the session .*: not-member$')" -eq 501 ]
	keyacct member add $P student
	rm $SESSIONS/$$-*
}
