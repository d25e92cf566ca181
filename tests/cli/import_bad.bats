#!/usr/bin/env bats
# keyacct import: lines that cannot be taken are told with their numbers, nothing of them is left, and the others go on.
load helpers
load import

setup_file() { make_keys owner student other; }

setup() { new_db; }

teardown() { k check >/dev/null; }

# x N: that many letters
x() { printf 'x%.0s' $(seq "$1"); }

# What is wrong with a value, by the kind of its field; the first argument is the most bytes it may have.
bad_text() { printf '%s\n' "\"$(x $(($1 + 1)))\"" 7 1.5 true '{}' '[]' '["a"]'; }
bad_word() { printf '%s\n' "\"$(x $(($1 + 1)))\"" '""' null '" a"' '"a b"' '"A"' '"a\u0001"' '"a\u200b"' '"."' '"deadbeef"' 7 true '[]' '{}'; }
bad_path() {
	printf '%s\n' "\"/$(x "$1")\"" '""' null '"relative"' '"/a:b"' '"/a\u0001b"' '"/a\nb"' '"/a\u200bb"' '"/a\u00a0b"' '"/\u007f"' 7 true '[]' '{}'
}
bad_list() {
	printf '%s\n' "[\"$(x $(($1 + 1)))\"]" "[\"$(x $(($1 / 2)))\", \"$(x $(($1 - $1 / 2)))\"]" '"a"' '["a", 7]' '[""]' '["a,b"]' \
		'["a\u0001"]' '[" a"]' '["a  b"]' '[["a"]]' '[null]' '{}' '{"a": "b"}' 7 true
}
bad_time() {
	printf '%s\n' '"yesterday"' '""' '"+30d"' '"2026-13-01"' '"2026-02-30"' '"2026-01-01T24:00:00Z"' '"2026-01-01T00:00:00"' \
		'"2026-01-01T00:00:00.5Z"' '"1970-01-01"' '"1969-12-31T23:59:59Z"' '"10000-01-01"' '"2026-01-01 "' 7 1767225600 true '[]' '{}'
}
bad_number() { printf '%s\n' -1 4294967296 1.5 1e3 9223372036854775807 '"7"' '""' null true '[]' '{}'; }
bad_flag() { printf '%s\n' '"true"' '"on"' '""' 0 1 null '[]' '{}'; }
bad_choice() { printf '%s\n' '"Active"' '"none"' '""' '" "' 7 null true '[]' '{}'; }
bad_id() { printf '%s\n' '"X"' '""' null 7 true '[]' '{}' '"b1b1b1b1"' "\"${P1}0\"" "\"${P1%?}\"" "\" $P1\""; }
nil='"00000000-0000-0000-0000-000000000000"'

# with LINE FIELD: the line once with each value of standard input, to the letter
with() {
	local value
	while read -r value; do
		echo "${1%\}},\"$2\":$value}"
	done
}

# all_refused FIELD: each line of standard input is refused with a sentence about the field, and nothing is changed
all_refused() {
	local before n=0 line
	cat >"$BATS_TEST_TMPDIR/bad"
	before=$(k export)
	imports "0 0 0 0 $(wc -l <"$BATS_TEST_TMPDIR/bad")" <"$BATS_TEST_TMPDIR/bad"
	same "$before" "$(k export)"
	for line in "${stderr_lines[@]}"; do
		n=$((n + 1))
		[[ $line == "keyacct: line $n: "*"$1"* ]] || {
			printf 'line %s\n%s\n' "$(sed -n ${n}p "$BATS_TEST_TMPDIR/bad" | cut -c1-200)" "$line"
			return 1
		}
	done
	same "$(wc -l <"$BATS_TEST_TMPDIR/bad")" "$n"
}

# each TYPE FIELD KIND [MOST]: of a row that is there, and of a new one
each() {
	local there new
	case $1 in
	account)
		there=$(object account id $A1)
		new=$(object account id ${A1/a/c} handle new)
		;;
	group)
		there=$(object group id $G1)
		new=$(object group id ${G1/6/c} name new)
		;;
	project)
		there=$(object project id $P1)
		new=$(object project id $P3)
		;;
	member)
		there=$(object member project $P1 account $A1)
		new=$(object member project $P2 account $A1)
		;;
	key)
		there=$(object key account $A1 key "$(key_of owner)")
		new=$(object key account $A3 key "$(key_of other)")
		;;
	settings)
		there=$(object settings)
		new=$there
		;;
	esac
	all_refused "\"$2\"" < <("bad_$3" "${4:-0}" | with "$there" "$2")
	all_refused "\"$2\"" < <("bad_$3" "${4:-0}" | with "$new" "$2")
}

@test "an account's fields" {
	a_platform | k import - >/dev/null
	each account name text 255
	each account email text 255
	each account state choice
	each account created time
	# What is no handle is named as the handle that it is.
	all_refused "" < <(bad_word 64 | with "$(object account id $A1)" handle)
	all_refused "" < <(bad_word 64 | with "$(object account id ${A1/a/c})" handle)
	all_refused "" < <(bad_word 64 | with "$(object account)" handle)
	all_refused '"id" is no UUID' < <({ bad_id; echo "$nil"; } | with "$(object account handle owner)" id)
	refuses 'an account needs an "id" or a "handle"' <<<'{"type":"account","name":"x"}'
	refuses 'a new account needs a "handle"' <<<"$(object account id ${A1/a/c})"
	refuses 'the handle "owner" is taken by account' <<<"$(object account id ${A1/a/c} handle owner)"
}

@test "a project's fields" {
	a_platform | k import - >/dev/null
	each project title text 255
	each project state choice
	each project ssh flag
	each project agent flag
	each project uid number
	each project home path 511
	each project shell path 255
	each project created time
	all_refused '"id" is no UUID' < <({ bad_id; echo "$nil"; } | with "$(object project title x)" id)
	refuses 'a project needs an "id"' <<<'{"type":"project","title":"x"}'
}

@test "a member's fields" {
	a_platform | k import - >/dev/null
	each member role choice
	each member not_before time
	each member expires time
	each member created time
	all_refused "" < <(bad_id | with "$(object member account $A1)" project)
	all_refused "" < <(bad_id | with "$(object member project $P1)" account)
	all_refused "" < <(bad_id | with "$(object member project $P1)" group)
	refuses '"project" is missing' <<<"$(object member account $A1)"
	refuses '"account" is missing' <<<"$(object member project $P1)"
	refuses 'not both' <<<"$(object member project $P1 account $A1 group $G1)"
	refuses 'would end before it begins' <<<"$(object member project $P1 account $A3 not_before 2030-01-01 expires 2030-01-01)"
	refuses "there is no project $P3" <<<"$(object member project $P3 account $A1)"
	refuses 'there is no account "nobody"' <<<"$(object member project $P1 account nobody)"
	refuses "there is no account ${A1/a/c}" <<<"$(object member project $P1 account ${A1/a/c})"
	refuses 'there is no group "nobody"' <<<"$(object member project $P1 group nobody)"
	refuses "there is no group ${G1/6/c}" <<<"$(object member project $P1 group ${G1/6/c})"
	# The beginning of an id means somebody else tomorrow.
	refuses 'neither an account'\''s id nor a handle' <<<"$(object member project $P1 account ${A3:0:8})"
	refuses "is no project's id" <<<"$(object member project "${P1:0:8}" account $A3)"
}

@test "a group's fields" {
	a_platform | k import - >/dev/null
	each group created time
	all_refused "" < <(bad_word 64 | with "$(object group id $G1)" name)
	all_refused "" < <(bad_word 64 | with "$(object group)" name)
	all_refused '"id" is no UUID' < <({ bad_id; echo "$nil"; } | with "$(object group name crew)" id)
	all_refused '"accounts" has to be an array' < <(printf '%s\n' '"owner"' null 7 true '{}' '[7]' '[["owner"]]' '["owner", null]' | with "$(object group id $G1)" accounts)
	refuses 'a group needs an "id" or a "name"' <<<'{"type":"group","accounts":[]}'
	for members in '["owner", "nobody"]' '["nobody", "owner"]'; do
		refuses 'there is no account "nobody"' <<<"$(object group id $G1 name crew accounts "$members")"
		refuses 'there is no account "nobody"' <<<"$(object group name new accounts "$members")"
	done
	refuses 'neither an account' <<<"$(object group id $G1 accounts '["@staff"]')"
	object group id $G2 name crew | k import - >/dev/null
	refuses 'there is a group "staff" already' <<<"$(object group id $G2 name staff accounts '["owner"]')"
	refuses "cannot be a group's name" <<<"$(object group id $G2 name @crew)"
}

@test "a key's fields" {
	a_platform | k import - >/dev/null
	each key title text 255
	each key note text 383
	each key origin text 63
	each key state choice
	each key tags list 255
	each key hosts list 255
	each key from list 383
	each key created time
	each key not_before time
	each key expires time
	line=$(object key account $A1 key "$(key_of owner)")
	all_refused '"from" is empty: null stands for no such limit' <<<"$(jq -c '. + {from: []}' <<<"$line")"
	all_refused '"hosts" is empty: null stands for no such limit' <<<"$(jq -c '. + {hosts: []}' <<<"$line")"
	all_refused "is no list of addresses" < <(printf '%s\n' '["x"]' '["*.example.org"]' '["192.0.2.1/24"]' '["192.0.2.1\""]' '["!192.0.2.1"]' '["192.0.2.1", "-"]' |
		with "$line" from)
	all_refused 'would expire before it is valid' <<<"$(jq -c '. + {not_before: "2030-01-01", expires: "2030-01-01"}' <<<"$line")"
	all_refused '' < <(printf '%s\n' '"x"' 7 true '{}' "\"$P1\"" '[7]' '[null]' '["x"]' '[""]' "[\"${P1:0:8}\"]" | with "$line" projects)
	all_refused '' < <(bad_id | with "$(jq -c 'del(.account)' <<<"$line")" account)
	refuses '"account" is missing' <<<"$(jq -c 'del(.account)' <<<"$line")"
	refuses '"key" is missing' <<<"$(object key account $A1)"
}

@test "what is no public key, with the reason" {
	a_platform | k import - >/dev/null
	key=$(key_of other)
	line=$(object key account $A1)
	all_refused '"key" is missing, or no text' < <(printf '%s\n' 7 null true '[]' '{}' | with "$line" key)
	all_refused '' < <(printf '"%s"\n' '' x "ssh-ed25519" "${key%??????}" "${key}AAAA" "ssh-rsa ${key#* }" "ssh-dss AAAAB3NzaC1kc3M=" "no-pty $key" \
		"$key\\n$(key_of owner)" "${key#* }" "ssh-ed25519-cert-v01@openssh.com ${key#* }" "# a comment" | with "$line" key)
	ssh-keygen -q -t rsa -b 1024 -N '' -f "$BATS_TEST_TMPDIR/short"
	refuses "this RSA key has 1024 bits, and 2048 are the least" <<<"$(object key account $A1 key "$(cut -d' ' -f1,2 "$BATS_TEST_TMPDIR/short.pub")")"
}

@test "the settings' fields" {
	each settings host text 255
	each settings key_types list 255
	each settings rsa_bits number
	each settings security_keys choice
	each settings git_author flag
	each settings grace_text text 255
	each settings agent flag
	each settings homes path 511
	each settings shell path 255
}

@test "a field that there is not, for every type" {
	a_platform | k import - >/dev/null
	k export | jq -c '. + {nick: "x"}' | all_refused 'there is no field "nick" here'
	k export | jq -c '. + {"": "x"}' | all_refused 'there is no field "" here'
	k export | jq -c '. + {"keys projects": 1}' | all_refused 'there is no field "keys projects" here'
	k export | jq -c '. + {"rol": "owner", "Type": "x"}' | all_refused 'there is no field "'
}

@test "a type that there is not" {
	all_refused 'there is no type "' < <(printf '{"type":"%s"}\n' x '' Account 'account ' "$(x 300)" "$(printf 'é%.0s' {1..60})")
	all_refused '"type" is missing, or no text' < <(printf '%s\n' '{}' '{"type":7}' '{"type":null}' '{"type":["account"]}' '{"handle":"owner"}')
}

@test "what is no JSON object" {
	deep=$(printf '[%.0s' {1..5000})
	all_refused 'no JSON object' < <(printf '%s\n' x '"x"' 7 true null '[]' '[{"type":"account","handle":"owner"}]' '{' '{"type"' '{"type":"account",}' \
		'{"type":"account","handle":"owner"} x' '{"type":"account","handle":"owner"}{"type":"end"}' "{'type':'account'}" \
		'{"type":"account","type":"account","handle":"owner"}' '{"type":"account","handle":"ow\u0000ner"}' '{"type":"account","handle":"\ud800"}' \
		'{"type":"project","id":"'$P1'","uid":1e999}' '{"type":"project","id":"'$P1'","uid":99999999999999999999}' \
		'{"type":"account","handle":"owner","name":"\x"}' "{\"a\":$deep" "$deep")
}

@test "bytes that are no UTF-8, control characters, and a NUL byte" {
	printf '{"type":"account","handle":"owner","name":"%b"}\n' 'a\xff' '\xc3' '\xed\xa0\x80' '\xf4\x90\x80\x80' '\xc0\xaf' 'a\tb' 'a\x01b' 'a\x1b[2Jb' \
		'a\x00b' >"$BATS_TEST_TMPDIR/lines"
	before=$(k export)
	imports "0 0 0 0 9" <"$BATS_TEST_TMPDIR/lines"
	same 9 "${#stderr_lines[@]}"
	[[ ${stderr_lines[8]} == "keyacct: line 9: this line has a NUL byte" ]]
	run ! grep -q '[[:cntrl:]]' <<<"${stderr_lines[*]}"
	same "$before" "$(k export)"
	# As the command line does it: what moves a cursor or hides is dropped from a text, and does not come out again.
	imports "1 0 0 0 0" <<<'{"type":"account","handle":"owner","name":" a\u0001\u001b[2J\u200b b\n\u202ec "}'
	same "a[2J b c" "$(value .name account show owner)"
}

@test "empty lines count as lines and are nothing, CRLF ends a line, and a byte order mark begins a file" {
	printf '\xef\xbb\xbf%s\r\n\r\n \t \n\n%s\r\nx\r\n%s' "$(object account handle owner)" "$(object account handle student)" \
		"$(object account handle outsider)" >"$BATS_TEST_TMPDIR/lines"
	imports "3 0 0 0 1" <"$BATS_TEST_TMPDIR/lines"
	[[ $stderr == "keyacct: line 6: no JSON object"* ]]
	# Only there: in another place it is no JSON.
	printf '%s\n\xef\xbb\xbf%s\n' "$(object account handle owner)" "$(object account handle fourth)" >"$BATS_TEST_TMPDIR/lines"
	imports "0 0 1 0 1" <"$BATS_TEST_TMPDIR/lines"
}

@test "nothing, and empty lines alone, are an import of nothing" {
	imports "0 0 0 0 0" </dev/null
	imports "0 0 0 0 0" <<<""
	same '[0,0,0,0,0,[],false]' "$(k --json import - </dev/null | jq -c '[.added, .changed, .unchanged, .removed, .refused, .refusals, .dry_run]')"
}

@test "the others are taken, before and after, each refusal has its line's number" {
	{
		echo x
		object account handle owner
		object account handle Owner
		echo
		object project id $P1
		object project id $P1 title 7
		object member project $P1 account owner role owner
		object member project $P2 account owner
		object account handle student
	} >"$BATS_TEST_TMPDIR/lines"
	imports "4 0 0 0 4" <"$BATS_TEST_TMPDIR/lines"
	same "1 3 6 8" "$(sed -nE 's/^keyacct: line ([0-9]+): .*/\1/p' <<<"$stderr" | xargs)"
	try 6 k --json import "$BATS_TEST_TMPDIR/lines"
	same "" "$stderr"
	same "0 0 4 0 4 false" "$(jq -r '"\(.added) \(.changed) \(.unchanged) \(.removed) \(.refused) \(.dry_run)"' <<<"$output")"
	same "1 3 6 8" "$(jq -r '.refusals[].line' <<<"$output" | xargs)"
	same '"title" has to be a text, or null' "$(jq -r '.refusals[2].message' <<<"$output")"
}

@test "in JSON there are at most 1,000 refusals, each with a whole sentence" {
	for n in $(seq 1003); do echo "{\"type\":\"${n:0:1}$(printf 'é%.0s' $(seq $((n % 50))))\"}"; done >"$BATS_TEST_TMPDIR/lines"
	try 6 k --json import "$BATS_TEST_TMPDIR/lines"
	same "1003 1000 1000" "$(jq -r '"\(.refused) \(.refusals | length) \([.refusals[].message | select(test("^there is no type"))] | length)"' <<<"$output")"
	try 6 k import "$BATS_TEST_TMPDIR/lines"
	same 1003 "${#stderr_lines[@]}"
}

@test "a line of 70,000 bytes is read, one of more than 16 MiB is stepped over" {
	for n in $(seq 2000); do echo "{\"type\":\"account\",\"handle\":\"user-$n\"}"; done | k import - >/dev/null
	group=$(k --json account list | jq -c '{type: "group", name: "all", accounts: map(.id)}')
	[ "${#group}" -ge 70000 ]
	imports "1 0 0 0 0" <<<"$group"
	imports "0 0 1 0 0" <<<"$group"
	# What export writes of it comes in again.
	imports "0 0 2002 0 0" < <(k export)
	refuses '"name" is too long: at most 255 bytes, and this has 70000' <<<"$(object account handle owner name "$(x 70000)")"
	{
		printf '{"type":"account","handle":"%s"}\n' before
		head -c 17000000 /dev/zero | tr '\0' x
		printf '\n{"type":"account","handle":"%s"}\n' between
		head -c 40000000 /dev/zero | tr '\0' '\1'
	} >"$BATS_TEST_TMPDIR/lines"
	imports "2 0 0 0 2" <"$BATS_TEST_TMPDIR/lines"
	same "keyacct: line 2: 17000000 bytes are too long for a line: 16777216 are the most" "${stderr_lines[0]}"
	same "keyacct: line 4: 40000000 bytes are too long for a line: 16777216 are the most" "${stderr_lines[1]}"
	# As much as there may be of it, it is not all in memory. A sanitizer needs more than the limit.
	[ -z "$KEYACCT_MODULES" ] || return 0
	run --separate-stderr bash -c 'ulimit -d 300000; head -c 1000000000 /dev/zero | tr "\0" x | exec keyacct --dir "$0" import -' "$db"
	same 6 "$status"
	[[ $stderr == *"line 1: 1000000000 bytes are too long for a line"* ]]
}

# A private key

# no_trace TEXT: none of the words of the private key is in it
no_trace() {
	local word
	for word in $(grep -v '^-----' "$BATS_FILE_TMPDIR/owner" | fold -w 12); do
		[[ $1 != *"$word"* ]] || {
			echo "$word is in: $1"
			return 1
		}
	done
}

@test "of a private key in the place of a public one nothing is said or kept" {
	a_platform | k import - >/dev/null
	before=$(k export)
	private=$BATS_FILE_TMPDIR/owner
	{
		jq -nc --rawfile key "$private" --arg a $A1 '{type: "key", account: $a, key: $key}'
		jq -nc --rawfile key <(grep -v '^-----' "$private") --arg a $A1 '{type: "key", account: $a, key: $key}'
		jq -nc --rawfile key "$private" --arg a $A1 '{type: "key", account: $a, key: ("ssh-ed25519 " + ($key | gsub("\n"; "")))}'
		jq -nc --rawfile key "$private" --arg a $A1 '{type: "key", account: $a, key: $key, title: 7}'
	} >"$BATS_TEST_TMPDIR/lines"
	imports "0 0 0 0 4" <"$BATS_TEST_TMPDIR/lines"
	no_trace "$stderr"
	[[ ${stderr_lines[0]} == *"this is a private key: paste the public half instead"* ]]
	try 6 k --json import "$BATS_TEST_TMPDIR/lines"
	no_trace "$output$stderr"
	same "$before" "$(k export)"
	run ! grep -aqF "$(sed -n 2p "$private" | cut -c 10-40)" "$db"/names.mdb "$db"/private/*
}

@test "of a private key in the place of the lines nothing is said, not even a few letters" {
	private=$BATS_FILE_TMPDIR/owner
	try 6 k import "$private"
	same "$(wc -l <"$private")" "${#stderr_lines[@]}"
	for line in "${stderr_lines[@]}"; do
		[[ $line =~ ^"keyacct: line "[0-9]+": no JSON object: '[' or '{' expected (column "[0-9]+")"$ ]]
	done
	# A line break inside of a text is where one would be cut in two.
	printf '{"type":"key","account":"owner","key":"%s"}\n' "$(cat "$private")" >"$BATS_TEST_TMPDIR/lines"
	try 6 k import "$BATS_TEST_TMPDIR/lines"
	no_trace "$stderr"
	[[ $stderr != *near* ]]
}

# The input itself

@test "a file that is not there, a directory, one that cannot be read" {
	refused 3 "cannot read $BATS_TEST_TMPDIR/none: No such file or directory" k import "$BATS_TEST_TMPDIR/none"
	try 6 k import "$BATS_TEST_TMPDIR"
	same "keyacct: cannot read $BATS_TEST_TMPDIR: Is a directory" "$stderr"
	refused 5 "there is no database" keyacct --dir "$BATS_TEST_TMPDIR/none" import - <<<"$(object account handle owner)"
	refused 2 "is one file too many" k import --passwd /etc/passwd "$BATS_TEST_TMPDIR"
	refused 2 "--mirror goes with JSON lines alone" k import --mirror --passwd /etc/passwd
	refused 2 "are two imports" k import --passwd /etc/passwd --authorized-keys /dev/null --account owner
	refused 2 "--authorized-keys needs --account" k import --authorized-keys /dev/null
	for label in '' A 'a b' deadbeef "$(x 64)"; do
		refused 2 "is no label: the rules are those of a handle" k import --origin "$label" -
	done
	refused 3 'there is no account "nobody"' k import --authorized-keys "$(pub owner)" --account nobody
}
