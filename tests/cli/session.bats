#!/usr/bin/env bats
# Who is logged in: what the registry says, found by what it says. Sessions that are real are in tests/sshd.

load helpers

P=829e7b5693d611e7ae8ee70cea5e8cd7
Q=829e7b5600000000000000000000000a
KEY=SHA256:7bP8DNkRYhrK1KxKVB1HYL98XdED+emEkSa4IQbDmek
OTHER=SHA256:7bP8DNkRAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA

setup() {
	make_registry "$BATS_TEST_TMPDIR/run"
	process=$$
}

s() { keyacct --dir /nonexistent "$@" --run "$registry"; }
# ids [OPTION]...: the sessions that are found
ids() { s --json session list "$@" | jq -r '.[].id'; }

# three: the owner in P and in Q by one key, the student in P by another
three() {
	add_session $process owner $P $KEY 1795171600
	owner_p=$entry
	add_session $process student $P $OTHER 1795171700
	student_p=$entry
	add_session $process owner $Q $KEY 1795171500
	owner_q=$entry
}

@test "nobody is logged in: no table, an empty array, status 0, with and without a registry" {
	local run
	for run in "$registry" /nonexistent; do
		try 0 keyacct session list --run $run
		[ -z "$output" ]
		[ "$stderr" = "No session is open." ]
		try 0 keyacct --json who --run $run
		[ "$output" = "[]" ]
		[ -z "$stderr" ]
	done
}

@test "session list shows who is where, the first who came at the top, without a database" {
	three
	try 0 s session list
	[ "${#lines[@]}" -eq 4 ]
	[ -z "$stderr" ]
	[ "$(tr -s ' ' <<<"${lines[0]}")" = "ACCOUNT PROJECT ROLE SINCE FROM KEY PID ID" ]
	[ "$(tr -s ' ' <<<"${lines[1]}")" = "owner $Q owner 2026-11-20T10:45:00Z 192.0.2.7 $KEY $process $owner_q" ]
	[ "$(tr -s ' ' <<<"${lines[2]}")" = "owner $P owner 2026-11-20T10:46:40Z 192.0.2.7 $KEY $process $owner_p" ]
	[ "$(tr -s ' ' <<<"${lines[3]}")" = "student $P owner 2026-11-20T10:48:20Z 192.0.2.7 $OTHER $process $student_p" ]
	listed=$output
	try 0 s who
	[ "$output" = "$listed" ]
	try 0 s who --csv
	[ "${lines[3]}" = "\"student\",\"$P\",\"owner\",\"2026-11-20T10:48:20Z\",\"192.0.2.7\",\"$OTHER\",\"$process\",\"$student_p\"" ]
}

@test "a session in JSON has its fields, and null where it is being decided" {
	add_session $process owner $P $KEY
	try 0 s --json session list
	[ "$(jq -c '.[0] | del(.account)' <<<"$output")" = "{\"type\":\"session\",\"id\":\"$entry\",\"project\":\"829e7b56-93d6-11e7-ae8e-e70cea5e8cd7\",\"handle\":\"owner\",\"role\":\"owner\",\"fingerprint\":\"$KEY\",\"from\":\"192.0.2.7\",\"since\":\"2026-11-20T10:48:12Z\",\"pid\":$process,\"kept\":false}" ]
	[[ $(jq -r '.[0].account' <<<"$output") =~ ^[0-9a-f]{8}-[0-9a-f-]{27}$ ]]
	rm "$registry"/sessions/*
	add_session $process "" $P $KEY
	sed -i 's/address=[^ ]*/address=-/' "$registry/sessions/$entry"
	try 0 s --json session list
	[ "$(jq -c '.[0] | [.account, .handle, .role, .from]' <<<"$output")" = '[null,null,null,"-"]' ]
}

@test "sessions are found by project, account and key, and all that is given has to fit" {
	three
	[ "$(ids --project $P)" = "$owner_p"$'\n'"$student_p" ]
	[ "$(ids --project 829E7B56-93D6)" = "$owner_p"$'\n'"$student_p" ]
	[ "$(ids --account owner)" = "$owner_q"$'\n'"$owner_p" ]
	account=$(s --json who --account student | jq -r '.[0].account')
	[ "$(ids --account "$account")" = "$student_p" ]
	[ "$(ids --account "${account:0:8}")" = "$student_p" ]
	[ "$(ids --key $KEY)" = "$owner_q"$'\n'"$owner_p" ]
	[ "$(ids --key ${KEY:0:17})" = "$owner_q"$'\n'"$owner_p" ]
	[ "$(ids --account owner --project $P)" = "$owner_p" ]
	[ -z "$(ids --account student --project $Q)" ]
	[ -z "$(ids --account outsider)" ]
}

@test "the beginning of a name that fits several is a conflict, and no name at all is wrong usage" {
	three
	refused 4 '--project "829e7b56" fits the sessions of several: give more of it' s session list --project 829e7b56
	refused 4 "--key \"${KEY:0:15}\" fits the sessions of several: give more of it" s session list --key ${KEY:0:15}
	refused 2 '--project "829e" is neither an id nor the beginning of one with 8 digits' s who --project 829e
	refused 2 '--account "829e/" is neither an id nor the beginning of one with 8 digits, nor a handle' s who --account 829e/
	refused 2 '--key "SHA256:7bP8" is no SHA256 fingerprint' s who --key SHA256:7bP8
	refused 2 '--key "7bP8DNkRYhrK" is no SHA256 fingerprint' s who --key 7bP8DNkRYhrK
}

@test "a name that is nobody's is told, where the database can be asked" {
	three
	new_db
	people
	make_keys owner
	k key add owner "$(pub owner)" >/dev/null
	p=$(new_project --owner owner)
	e() { k "$@" --run "$registry"; }
	for verb in "session end" "session list" who; do
		# shellcheck disable=SC2086
		{
			refused 3 'no project' e $verb --project 11111111
			[[ $stderr == *11111111* ]]
			refused 3 'nobody' e $verb --account nobody
			refused 3 "there is no key \"SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\": 'keyacct key list' shows them" \
				e $verb --key SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
			refused 3 'SHA256:AAAAAAAA' e $verb --key SHA256:AAAAAAAA
			refused 3 nobody e $verb --account nobody --project "$p"
			# What is there and has no session is no mistake.
			try 0 e $verb --project "$p"
			try 0 e $verb --account outsider
			try 0 e $verb --key "$(print_of "$(pub owner)")" --project "$p"
			# Nor is what cannot be asked.
			try 0 s $verb --project 11111111
			[ "$stderr" = "No open session fits." ]
		}
	done
	refused 3 'there is no open session "1-00000001"' e session end 1-00000001
	[ "$(ls "$registry/sessions" | wc -l)" -eq 3 ]
}

@test "project show says who is in it now, and since when and from where" {
	new_db
	people
	p=$(new_project --owner owner)
	try 0 k project show $p --run "$registry"
	[ "$(grep -E '^sessions' <<<"$output" | tr -s ' ')" = "sessions none" ]
	[ "$(k --json project show $p --run "$registry" | jq -c .sessions)" = "[]" ]
	add_session $process student "$p" $OTHER 1795171700
	add_session $process "" "$p" $OTHER 1795171800
	add_session $process owner $Q $KEY 1795171500
	try 0 k project show $p --run "$registry"
	[ "$(sed -n '/^sessions/,/^keys/p' <<<"$output" | tr -s ' ')" = "sessions 2
 student from 192.0.2.7 since 2026-11-20T10:48:20Z
 - from 192.0.2.7 since 2026-11-20T10:50:00Z
keys none" ]
	[ "$(k --json project show $p --run "$registry" | jq -c '.sessions | map([.type, .handle, .from, .since])')" = \
		'[["session","student","192.0.2.7","2026-11-20T10:48:20Z"],["session",null,"192.0.2.7","2026-11-20T10:50:00Z"]]' ]
	# A database that let none of this host's in does not know.
	try 0 k --json project show $p
	[ "$(jq -c .sessions <<<"$output")" = null ]
	try 0 k project show $p
	[ "$(grep -E '^sessions' <<<"$output" | tr -s ' ')" = "sessions -" ]
	# Nor one whose registry cannot be used; the rest is shown.
	chmod 777 "$registry/sessions"
	try 0 k --json project show $p --run "$registry"
	[ "$(jq -c '[.sessions, (.last_used | type), .owners]' <<<"$output")" = '[null,"null",["owner"]]' ]
	[[ $(jq -r .warning.message <<<"$stderr") == "$registry/sessions is not used, "* ]]
}

@test "entries of processes that have ended are not shown, and removed" {
	sleep 1000 >/dev/null 2>&1 3>&- &
	add_session $! owner $P
	kill $!
	wait $! || true
	add_session $process student $P
	sed -i -E 's/start=[0-9]+/start=7/' "$registry/sessions/$entry"
	touch "$registry/sessions/.$!-00000001"
	[ "$(ls -A "$registry/sessions" | wc -l)" -eq 3 ]
	try 0 s session list
	[ -z "$output" ]
	[ -z "$(ls -A "$registry/sessions")" ]
}

@test "what is no entry is left alone, and said" {
	three
	echo hello >"$registry/sessions/1-00000001"
	try 0 s --json session list
	[ "$(jq length <<<"$output")" -eq 3 ]
	[[ $(jq -r .warning.message <<<"$stderr") == "1 file that is no entry in $registry/sessions is not looked at, such as \"1-00000001\": "* ]]
	[ -e "$registry/sessions/1-00000001" ]
}

@test "a registry that others can write to is not used" {
	three
	chmod 777 "$registry/sessions"
	refused 5 "$registry/sessions is not used, because others could write to it" s session list
}

@test "without /proc nobody is taken for gone" {
	three
	run -5 unshare --mount sh -c "mount -t tmpfs tmpfs /proc && exec keyacct session list --run $registry"
	[[ $output == *"cannot read the sessions in $registry/sessions"* ]]
	[ "$(ls "$registry/sessions" | wc -l)" -eq 3 ]
}

@test "the timer and its service are as systemd wants them, and run what is installed" {
	local units=/usr/lib/systemd/system
	run -0 systemd-analyze verify --man=no --recursive-errors=no $units/keyacct-sweep.service $units/keyacct-sweep.timer
	[ -z "$output" ]
	try 0 sed -n 's/^ExecStart=//p' $units/keyacct-sweep.service
	[ "$output" = "/usr/sbin/keyacct sweep" ]
	[ -x "${output% *}" ]
	run -1 grep -E '@(TOOL|RUNDIR)@' $units/keyacct-sweep.service
}
