#!/usr/bin/env bats
# The change log: every change is in it, with who, when and what was there before and after; and keyacct changes shows it.
load helpers

setup_file() { make_keys owner student other; }

setup() {
	new_db
	people
	id=829e7b56-93d6-11e7-ae8e-e70cea5e8cd7
	k project add $id --title Climate --owner owner >/dev/null
	print=$(print_of "$(pub student)")
	read_last
}

teardown() {
	if [ -n "${follower:-}" ]; then kill "$follower" 2>/dev/null || true; fi
}

# read_last: what comes from here on is new
read_last() { last=$(value '.[-1].seq // 0' changes); }

# new FILTER: JQ's answer about the entries since then, one line each
new() { k --json changes | jq -r --argjson last "$last" ".[] | select(.seq > \$last) | $1"; }

# told: what each new entry is about, and what of it changed; new and removed rows without what they had
told() {
	new '"\(.command): \(.what.type) " + if .before == null then "added" elif .after == null then "removed"
		else "\(.before | tojson) \(.after | tojson)" end'
}

@test "every command that changes something leaves an entry with what was there before and after" {
	while IFS='|' read -r -u 9 command want; do
		echo "command: $command"
		read_last
		# shellcheck disable=SC2086
		try 0 k ${command//PRINT/$print}
		same "$(sed 's/; /\n/g' <<<"$want")" "$(told)"
	done 9<<-END
		account add someone --name A|account add: account added
		account suspend someone|account suspend: account {"state":"active"} {"state":"suspended"}
		account resume someone|account resume: account {"state":"suspended"} {"state":"active"}
		account remove someone|account remove: account removed
		project add --owner student|project add: project added; project add: member added
		project set $id --title New --ssh off|project set: project {"title":"Climate","ssh":true} {"title":"New","ssh":false}
		project set $id --home /h --shell /bin/sh --agent off|project set: project {"agent":true,"home":"/projects/$id","shell":"/bin/bash"} {"agent":false,"home":"/h","shell":"/bin/sh"}
		project archive $id|project archive: project {"state":"active"} {"state":"archived"}
		project unarchive $id|project unarchive: project {"state":"archived"} {"state":"active"}
		member add $id student|member add: member added
		member add $id student --role owner --expires 2100-01-01|member add: member {"role":"collaborator","expires":null} {"role":"owner","expires":"2100-01-01T00:00:00Z"}
		member remove $id student|member remove: member removed
		member add $id student --not-before 2100-01-01|member add: member added
		key add student --project $id $(pub student)|key add: key added; key add: reach added
		key set PRINT --title desktop --note x --tags a,b|key set: key {"title":"student@laptop","tags":null,"note":null} {"title":"desktop","tags":["a","b"],"note":"x"}
		key set PRINT --from 192.0.2.0/24 --hosts h|key set: key {"hosts":null,"from":null} {"hosts":["h"],"from":["192.0.2.0/24"]}
		key deactivate PRINT|key deactivate: key {"state":"active"} {"state":"inactive"}
		key activate PRINT|key activate: key {"state":"inactive"} {"state":"active"}
		key remove PRINT|key remove: reach removed; key remove: key removed
		group add staff|group add: group added
		group add-member staff student|group add-member: group-member added
		member add $id @staff|member add: member added
		member remove $id @staff|member remove: member removed
		group remove-member staff student|group remove-member: group-member removed
		group remove staff|group remove: group removed
		config set rsa-bits 3072|config set: settings {"rsa_bits":2048} {"rsa_bits":3072}
		config set git-author on|config set: settings {"git_author":false} {"git_author":true}
		config reset rsa-bits|config reset: settings {"rsa_bits":3072} {"rsa_bits":2048}
		project remove $id|project remove: member removed; project remove: member removed; project remove: project {"state":"active"} {"state":"deleted"}
	END
}

@test "an import leaves an entry for each row that it changes, the settings among them" {
	k export >"$BATS_TEST_TMPDIR/data"
	read_last
	try 0 k import --mirror "$BATS_TEST_TMPDIR/data"
	same "" "$(told)"
	jq -c 'if .type == "settings" then .rsa_bits = 3072 | .git_author = true
		elif .type == "project" then .title = "New" elif .handle == "outsider" then empty else . end' \
		"$BATS_TEST_TMPDIR/data" >"$BATS_TEST_TMPDIR/other"
	try 0 k import --mirror "$BATS_TEST_TMPDIR/other"
	same 'import: account removed
import: project {"title":"Climate"} {"title":"New"}
import: settings {"rsa_bits":2048,"git_author":false} {"rsa_bits":3072,"git_author":true}' "$(told | sort)"
	try 0 k changes --limit 3
	has 'settings: rsa_bits: 2048 -> 3072, git_author: no -> yes'
}

@test "a command that reads, that is refused or that changes nothing leaves no entry" {
	k key add owner "$(pub owner)" >/dev/null
	read_last
	while read -r -u 9 status command; do
		echo "command: $command"
		# shellcheck disable=SC2086
		try "$status" k $command
		same "" "$(told)"
	done 9<<-END
		0 account list
		0 account show owner
		0 project list
		0 project show $id
		0 member list $id
		0 key list
		0 changes
		0 drain
		0 explain $id $(pub owner)
		0 ssh-config owner
		0 authorized-keys owner
		0 account resume owner
		0 project set $id --title Climate
		0 project unarchive $id
		0 member add $id owner --role owner
		0 key activate $(print_of "$(pub owner)")
		0 changes --prune 2020-01-01
		0 config list
		0 config set rsa-bits 2048
		2 config set rsa-bits 1
		0 audit
		0 export
		0 check
		4 account add owner
		2 account add 0123456789
		4 account remove owner
		4 project add $id
		4 member remove $id owner
		4 member add $id owner --role collaborator
		3 member remove $id student
		3 member add $id nobody
		2 member add $id student --expires 2020-01-01
		4 key add owner $(pub owner)
		4 key add student --project $id $(pub student)
		3 key remove SHA256:AAAAAAAAA
		3 group remove staff
	END
}

@test "a row that is added or removed is there with all of its fields" {
	k key add student "$(pub student)" >/dev/null
	k member add $id student --expires 2100-01-01 >/dev/null
	k group add staff >/dev/null
	# Listings have more than the row: what other rows and last uses say.
	rows() { jq -S "map(del(.keys, .projects, .last_used, .key, .login, .owners, .collaborators, .accounts, .reach))"; }
	account=$(k --json account list | jq '[.[] | select(.handle == "student")]' | rows)
	project=$(k --json project list | rows)
	member=$(k --json member list $id | jq '[.[] | select(.handle == "student")]' | rows)
	key=$(k --json key list student | rows)
	group=$(k --json group list | rows)
	added() { k --json changes | jq "[.[] | select(.what.type == \"$1\" and .before == null) | .after] | [.[-1]]" | rows; }
	removed() { k --json changes | jq "[.[] | select(.what.type == \"$1\" and .after == null) | .before] | [.[-1]]" | rows; }
	same "$project" "$(added project)"
	same "$member" "$(added member)"
	same "$key" "$(added key)"
	# Which projects a key is for are entries of their own, so the row itself says whether there are any.
	k key add student --project $id "$(pub other)" >/dev/null
	same "all named" "$(value '[.[] | select(.what.type == "key") | .after.reach] | join(" ")' changes)"
	same "$group" "$(added group)"
	same "$account" "$(k --json changes | jq '[.[] | select(.what.handle == "student" and .what.type == "account") | .after]' | rows)"
	k group remove staff >/dev/null
	k account remove student >/dev/null
	same "$group" "$(removed group)"
	same "$account" "$(removed account)"
	same "$member" "$(removed member)"
	same "$key" "$(k --json changes | jq '[.[] | select(.what.title == "student@laptop" and .after == null) | .before]' | rows)"
}

@test "what goes along with a removed account, project or group is all there" {
	second=$(value .id project add --owner owner)
	k member add $id student
	k member add "$second" student
	k key add student "$(pub student)"
	k key add student --project $id --project "$second" "$(pub other)"
	for group in staff guests; do
		k group add $group
		k group add-member $group student
	done
	read_last
	k account remove student
	same "account remove 1 account
account remove 2 group-member
account remove 2 key
account remove 2 member
account remove 2 reach" "$(new '"\(.command) \(.what.type)"' | sort | uniq -c | awk '{print $2, $3, $1, $4}')"
	# Each of them names whom it was about, although the account is gone.
	same student "$(new .what.handle | sort -u)"
	same null "$(new .after | sort -u)"
	read_last
	k group add-member staff outsider
	k member add $id @staff
	k key add outsider --project $id "$(pub owner)"
	read_last
	k group remove staff
	same "group-member
member
reach
group" "$(new .what.type | sort -u | grep -vx group; new .what.type | tail -n 1)"
	same "@staff" "$(new 'select(.what.type == "member") | .what.handle')"
	read_last
	k member add $id outsider
	read_last
	k project remove $id
	same "member outsider null
member owner null
project null {\"state\":\"deleted\"}" "$(new '"\(.what.type) \(.what.handle) \(.after | tojson)"' | sort)"
}

@test "who did it: the user, and who called sudo" {
	same '{"uid":0,"user":"root","sudo_user":null}' "$(k --json changes --limit 1 | jq -c '.[0].by')"
	SUDO_USER=platform SUDO_UID=12345 k account add someone
	same '{"uid":0,"user":"root","sudo_user":"platform"}' "$(k --json changes --limit 1 | jq -c '.[0].by')"
	try 0 k changes --limit 1
	has "  root (sudo: platform)  "
	# Nothing of it moves a cursor.
	SUDO_USER=$'plat\e[2Jform' k account remove someone
	same 'plat[2Jform' "$(k --json changes --limit 1 | jq -r '.[0].by.sudo_user')"
}

@test "the login uid goes before the user that the command runs as" {
	useradd --uid 4321 admin
	# Once it is set it may not be set again by some kernels: a process of its own.
	bash -c 'echo 4321 >/proc/self/loginuid' 2>/dev/null || skip "this kernel lets nobody set a login uid here"
	bash -c "echo 4321 >/proc/self/loginuid && SUDO_USER=admin keyacct --dir $db account add someone"
	same '{"uid":4321,"user":"admin","sudo_user":"admin"}' "$(k --json changes --limit 1 | jq -c '.[0].by')"
	try 0 k changes --limit 1
	has "  admin  "
	same "root admin" "$(value '"\(.[0].by.user) \(.[-1].by.user)"' changes)"
	userdel admin
	same '{"uid":4321,"user":null,"sudo_user":"admin"}' "$(k --json changes --limit 1 | jq -c '.[0].by')"
	try 0 k changes --limit 1
	has "  4321 (sudo: admin)  "
}

@test "the list for people: one line for each entry, the newest last" {
	k project set $id --title 'The "seä"' >/dev/null
	k project set $id --ssh off >/dev/null
	k member add $id student --expires 2100-01-01 >/dev/null
	k key add student --title laptop "$(pub student)" >/dev/null
	try 0 k changes --limit 4
	same 4 "${#lines[@]}"
	same "root project set project 829e7b56 \"The \\\"seä\\\"\": title: \"Climate\" -> \"The \\\"seä\\\"\"
root project set project 829e7b56 \"The \\\"seä\\\"\": ssh: yes -> no
root member add member student of project 829e7b56: added (role: \"collaborator\", expires: \"2100-01-01T00:00:00Z\")
root key add key ${print:0:15} \"laptop\" of student: added (key_type: \"ssh-ed25519\", bits: 256, state: \"active\", reach: \"all\")" \
		"$(sed -E 's/^ +[0-9]+  [0-9-]{10}T[0-9:]{8}Z +//; s/  +/ /g' <<<"$output")"
	same "$(seq $((last + 1)) $((last + 4)) | paste -sd ' ')" "$(awk '{print $1}' <<<"$output" | paste -sd ' ')"
}

@test "no changes: said so, and empty in JSON and CSV" {
	try 0 k changes --command nonsense
	same "" "$output"
	same "There are no such changes." "$stderr"
	same "[]" "$(k --json changes --command nonsense)"
	same '"SEQ","AT","UID","USER","SUDO USER","COMMAND","WHAT","CHANGE"' "$(k changes --csv --command nonsense)"
}

@test "--csv" {
	k project set $id --title 'a "b", c' >/dev/null
	try 0 k changes --csv --limit 1
	same 2 "${#lines[@]}"
	same '"SEQ","AT","UID","USER","SUDO USER","COMMAND","WHAT","CHANGE"' "${lines[0]}"
	[[ ${lines[1]} == "\"$((last + 1))\",\"20"*"Z\",\"0\",\"root\",\"-\",\"project set\",\"project 829e7b56 \"\"a \\\"\"b\\\"\", c\"\"\",\"title: \"\"Climate\"\" -> \"\"a \\\"\"b\\\"\", c\"\"\"" ]]
}

@test "--since and --until" {
	until_passed $EPOCHSECONDS
	first=$(date -u -d "@$EPOCHSECONDS" +%FT%TZ)
	k account add first >/dev/null
	until_passed $EPOCHSECONDS
	second=$(date -u -d "@$EPOCHSECONDS" +%FT%TZ)
	k account add second >/dev/null
	handles() { value '[.[].what.handle] | join(" ")' changes "$@"; }
	# Then or later, and before then.
	same "first second" "$(handles --since "$first")"
	same "second" "$(handles --since "$second")"
	same "first" "$(handles --since "$first" --until "$second")"
	same "$(value "[.[].seq] | map(select(. <= $last)) | length" changes)" "$(value length changes --until "$first")"
	same "" "$(handles --since +1h)"
	same "$(value length changes)" "$(value length changes --since -1h)"
	same 0 "$(value length changes --until -1h)"
	for bad in yesterday -90 -1m '' 2026-02-30; do
		refused 2 "--since \"$bad\" is no time" k changes --since "$bad"
		refused 2 "--until \"$bad\" is no time" k changes --until "$bad"
	done
}

@test "--by: a name, a uid, or who called sudo" {
	SUDO_USER=platform k account add someone
	same "$(value length changes)" "$(value length changes --by root)"
	same "$(value length changes)" "$(value length changes --by 0)"
	same "someone" "$(value '.[].what.handle' changes --by platform)"
	same 0 "$(value length changes --by nobody)"
	same 0 "$(value length changes --by 1)"
	same 0 "$(value length changes --by plat)"
}

@test "--command: a whole one, or all of a noun" {
	k member add $id student
	k member remove $id student
	read_last
	same "$((last - 1)) $last" "$(value '[.[].seq] | join(" ")' changes --command member)"
	same "$((last - 1))" "$(value '.[].seq' changes --command 'member add')"
	same 0 "$(value length changes --command 'member a')"
	same 0 "$(value length changes --command mem)"
	same "project add" "$(value '.[].command' changes --command 'project add' | sort -u)"
}

@test "--project and --account: by every name, and by the id of what is gone" {
	second=$(value .id project add --owner student)
	k key add student --project "$second" "$(pub student)"
	k group add staff
	k group add-member staff student
	k member add $id @staff
	student=$(value .id account show student)
	types() { value '[.[] | "\(.command) \(.what.type)"] | join(", ")' changes "$@"; }
	same "project add project, project add member, member add member" "$(types --project $id)"
	same "project add project, project add member, key add reach" "$(types --project "$second")"
	same "$(types --project $id)" "$(types --project 829e7b56)"
	same "account add account, project add member, key add key, key add reach, group add-member group-member" "$(types --account student)"
	same "project add member, key add reach" "$(types --account student --project "$second")"
	k project remove "$second"
	k account remove student
	same "project remove member, project remove reach, project remove project" "$(types --project "$second" --command 'project remove')"
	same "account remove group-member, account remove key, account remove account" "$(types --account "$student" --command 'account remove')"
	same "$(types --account "$student")" "$(types --account "$(tr -d - <<<"${student^^}")")"
	refused 3 'there is no account "student"' k changes --account student
	refused 3 'there is no project' k changes --project ffffffff
	same "" "$(types --account 00000000-0000-4000-8000-000000000000)"
}

@test "--limit: the last ones that pass" {
	for n in 1 2 3; do k project set $id --title $n >/dev/null; done
	same "$((last + 2)) $((last + 3))" "$(value '[.[].seq] | join(" ")' changes --limit 2)"
	same "$last" "$(value '.[-1].seq' changes --command 'project add' --limit 1)"
	same "[]" "$(k --json changes --limit 0)"
	same "$((last + 3))" "$(value length changes --limit 999999999999999999)"
	for bad in -1 x '' 1x 9999999999999999999; do
		refused 2 "--limit \"$bad\" is no number" k changes --limit "$bad"
	done
}

@test "more entries than are printed at a time are all there, once, in order" {
	k export | jq -c 'if .type == "account" and .handle == "owner" then .,
		(range(600) as $n | {type, id: "00000000-0000-4000-8000-\($n + 100000000000)", handle: "n\($n).n"}) else . end' |
		k import - >/dev/null
	total=$(value length changes)
	[ "$total" -gt 600 ]
	same "$(seq "$total")" "$(value '.[].seq' changes)"
	same "$(seq "$total")" "$(k changes | awk '{print $1}')"
	same "SEQ $(seq -s ' ' "$total")" "$(k changes --csv | cut -d'"' -f2 | paste -sd ' ')"
}

# Following

# follow ARG...: start it; its lines come by next_line
follow() {
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	keyacct --dir "$db" changes --follow "$@" >"$BATS_TEST_TMPDIR/fifo" 3>&- &
	follower=$!
	exec 7<"$BATS_TEST_TMPDIR/fifo"
}

# A first line, of what was there, says that the follower has looked: what is changed from then on it shows.
# The time is a limit for what never comes, nothing is measured by it.
next_line() { read -r -t 60 -u 7 line; }

@test "--follow prints what is there, and then every change when it is committed" {
	follow
	for n in $(seq "$last"); do
		next_line
		same "$n" "${line%% *}"
	done
	k project set $id --title New
	next_line
	[[ $line == "$((last + 1))  "*'project set'*'title: "Climate" -> "New"' ]]
	# A command with several entries.
	k member add $id student
	k account remove student
	for what in "added" "removed (role" "removed (state"; do
		next_line
		[[ $line == *": $what"* ]]
	done
	# Shells let what runs behind them ignore SIGINT, so another signal that interrupts.
	kill "$follower"
	status=0
	wait "$follower" || status=$?
	same 143 $status
}

@test "--follow with filters, JSON and a limit" {
	k member add $id student
	k member remove $id student
	follow --json --command 'member' --limit 1
	# Only the last of what was there; it is watching now.
	next_line
	same "{\"seq\":$((last + 2)),\"command\":\"member remove\"}" "$(jq -c '{seq, command}' <<<"$line")"
	# Only the second passes.
	k account add someone
	k member add $id student
	next_line
	same "{\"seq\":$((last + 4)),\"command\":\"member add\"}" "$(jq -c '{seq, command}' <<<"$line")"
	SUDO_USER=platform k member remove $id student
	next_line
	same "platform student" "$(jq -r '"\(.by.sudo_user) \(.what.handle)"' <<<"$line")"
}

@test "--follow --limit 0 shows only what comes" {
	follow --limit 0
	n=0
	# Nothing tells when it watches: the first change behind that is shown.
	until read -r -t 1 -u 7 line; do
		n=$((n + 1))
		[ $n -le 60 ]
		k project set $id --title "$n"
	done
	[ "$(awk '{print $1}' <<<"$line")" -gt "$last" ]
}

@test "--follow goes on with an account that is removed, and with a database that is replaced" {
	cp "$db/private/access.mdb" "$BATS_TEST_TMPDIR/old"
	cp "$db/names.mdb" "$BATS_TEST_TMPDIR/names"
	k member add $id student
	follow --account student --limit 1
	next_line
	[[ $line == *"member add"* ]]
	k account suspend student
	next_line
	[[ $line == *"account suspend"* ]]
	# What comes has no limit.
	k account remove student
	for what in member account; do
		next_line
		[[ $line == *"account remove"*"$what student"* ]]
	done
	mv "$BATS_TEST_TMPDIR/names" "$db/names.mdb"
	mv "$BATS_TEST_TMPDIR/old" "$db/private/access.mdb"
	k member add $id student
	next_line
	[[ $line == *"member add"* ]]
}

@test "--follow says when there is nothing left to follow" {
	keyacct --dir "$db" changes --follow --limit 0 >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	follower=$!
	# Once it watches.
	until grep -q inotify <(cat /proc/$follower/fdinfo/* 2>/dev/null); do :; done
	mv "$db/private" "$db/was"
	status=0
	wait "$follower" || status=$?
	same 5 $status
	same "keyacct: $db/private was moved or removed: begin again" "$(cat "$BATS_TEST_TMPDIR/err")"
}

@test "--follow ends when nobody reads any more" {
	follow
	next_line
	exec 7<&-
	wait "$follower" || [ $? -eq 141 ]
}

@test "--follow keeps no transaction open while it waits" {
	follow
	for n in $(seq "$last"); do next_line; done
	# Once it waits it has no file of the database open; it waits for good.
	timeout 60 bash -c "while ls -l /proc/$follower/fd | grep -q mdb; do :; done"
	# shellcheck disable=SC2010 # where the links lead to
	ls -l /proc/$follower/fd | grep -q inotify
}

@test "--follow: what does not go with it, and a database that is not there" {
	refused 2 "leave --until out" k changes --follow --until 2100-01-01
	db=$BATS_TEST_TMPDIR/none
	refused 5 "" k changes --follow
	refused 5 "keyacct init" k changes
}

# Pruning

@test "--prune removes what is older, says so, and is an entry itself" {
	until_passed $EPOCHSECONDS
	now=$(date -u -d "@$EPOCHSECONDS" +%FT%TZ)
	k account add someone >/dev/null
	before=$(k --json changes --since "$now")
	try 0 k changes --prune "$now"
	same "$last entries of the change log, older than $now, are removed." "$output"
	same "$before" "$(k --json changes | jq '.[:-1]' | jq -c '.[]' | sed '1s/^/[\n/; $!s/$/,/; $s/$/\n]/')"
	same "changes log null {\"last\":$last,\"before\":\"$now\"} $((last + 2))" \
		"$(k --json changes --limit 1 | jq -r '.[0] | "\(.command) \(.what.type) \(.before) \(.after | tojson) \(.seq)"')"
	try 0 k changes --limit 1
	has "the change log: the entries up to $last, older than $now, are removed"
	# Numbers go on, and the projects are known as before.
	k project set $id --title New >/dev/null
	same $((last + 3)) "$(value '.[-1].seq' changes)"
	same "$((last + 1))" "$(value '.[0].seq' changes)"
	# The database is sound.
	k check
	# There is nothing more to remove: nothing happens.
	try 0 k changes --prune "$now"
	same "0 entries of the change log, older than $now, are removed." "$output"
	same $((last + 3)) "$(value '.[-1].seq' changes)"
	until_passed $EPOCHSECONDS
	try 0 k --json changes --prune -0s
	same "3" "$(jq .removed <<<"$output")"
	same "[$((last + 4)),{\"last\":$last,\"before\":\"$now\"}]" "$(k --json changes | jq -c '.[0] | [.seq, .before]')"
}

@test "--prune -90d is 90 days; a time to come and other options are refused" {
	days90=$(date -u -d '90 days ago' +%s)
	said=$(value .before changes --prune -90d)
	[ "$(date -d "$said" +%s)" -ge "$days90" ]
	[ "$(date -d "$said" +%s)" -le "$(date -u -d '90 days ago' +%s)" ]
	same "$last" "$(value length changes)"
	for bad in 90d yesterday never ''; do
		refused 2 "--prune \"$bad\" is no time" k changes --prune "$bad"
	done
	refused 2 '--prune "+90d" is to come: -90d removes what is older than 90 days' k changes --prune +90d
	refused 2 "--prune takes no other option" k changes --prune -0s --account owner
	refused 2 "--prune takes no other option" k changes --prune -0s --follow
	refused 2 "one word too many" k changes owner
	same "$last" "$(value length changes)"
}
