#!/usr/bin/env bats
# What the tool writes: JSON for scripts, help for people, files for ssh, and the exit status.
load helpers

setup_file() { make_keys owner student other; }

setup() {
	new_db
	people
	id=829e7b56-93d6-11e7-ae8e-e70cea5e8cd7
	name=829e7b5693d611e7ae8ee70cea5e8cd7
	k project add $id --title 'Climate data' --owner owner >/dev/null
	k key add owner --title laptop "$(pub owner)" >/dev/null
	print=$(print_of "$(pub owner)")
}

# fields JSON: the names of an object, sorted
fields() { jq -r 'keys | join(" ")' <<<"$1"; }

# JSON

@test "a listing is one array of objects with the field names of the design" {
	k member add $id student
	k group add staff
	k group add-member staff student
	k member add $id @staff
	same "created email handle id keys name projects state type" "$(fields "$(k --json account list | jq '.[0]')")"
	same "agent collaborators created home id last_used login owners pty sftp_only shell ssh state tcp title type uid x11" \
		"$(fields "$(k --json project list | jq '.[0]')")"
	same "account created expires handle not_before project role type" "$(fields "$(k --json member list $id | jq '.[] | select(.handle == "owner")')")"
	same "created expires group handle not_before project role type" "$(fields "$(k --json member list $id | jq '.[] | select(.handle == "@staff")')")"
	same "accounts created id name projects type" "$(fields "$(k --json group list | jq '.[0]')")"
	same "account bits created expires fingerprint fingerprint_md5 from handle hosts key key_type last_used not_before note origin state tags title type" \
		"$(fields "$(k --json key list | jq '.[0]')")"
	for list in "account list" "group list" "project list" "member list $id" "key list" "ssh-config owner" "authorized-keys owner"; do
		# shellcheck disable=SC2086
		same "array 1" "$(k --json $list | jq -rs '"\(.[0] | type) \(length)"')"
	done
}

@test "what is shown is the object of the listing" {
	same "$(k --json account list | jq -S '.[] | select(.handle == "owner")')" "$(k --json account show owner | jq -S .)"
	# Only one project by itself shows its keys, for a listing each of all keys would have to be asked about; and who is in it.
	same "$(k --json project list | jq -S '.[0]')" "$(k --json project show $id | jq -S 'del(.keys, .sessions)')"
	same "$(k --json key list | jq -S '.[0]')" "$(k --json key show "$print" | jq -S .)"
}

@test "values have their types; times are RFC 3339 in UTC" {
	k member add $id student --expires 2030-01-01
	export TZ=Asia/Tokyo
	k --json project show $id | jq -e '.uid == 1879048192 and .ssh == true and .type == "project" and .last_used == null and
		.owners == ["owner"] and .collaborators == ["student"] and (.created | test("^[0-9-]{10}T[0-9:]{8}Z$"))'
	k --json key show "$print" | jq -e '.type == "key" and .bits == 256 and .state == "active" and .tags == null'
	k --json member list $id | jq -e 'any(.type == "member" and .role == "collaborator" and .expires == "2030-01-01T00:00:00Z")'
	k --json account show owner | jq -e '.type == "account" and .keys == 1 and .projects == 1 and .name == null'
}

@test "a key's JSON has the key itself, type and base64" {
	same "$(cut -d' ' -f1,2 "$(pub owner)")" "$(value .key key show "$print")"
}

@test "--json may stand anywhere" {
	for words in "--json account show owner" "account show --json owner" "account show owner --json"; do
		# shellcheck disable=SC2086
		run --separate-stderr k $words
		same owner "$(jq -r .handle <<<"$output")"
	done
}

@test "every command that succeeds prints JSON when it is asked for" {
	bad=
	check() {
		run --separate-stderr "$@" --json
		same 0 "$status"
		jq -es 'length == 1' <<<"$output" >/dev/null || bad="$bad; ${*:2}"
	}
	check keyacct --dir "$BATS_TEST_TMPDIR/second" init
	check k account add someone
	check k account suspend someone
	check k account resume someone
	check k account remove someone
	check k project add 11111111-93d6-11e7-ae8e-e70cea5e8cd7
	check k project set 11111111 --title x
	check k project archive 11111111
	check k project unarchive 11111111
	check k project remove 11111111
	check k member add $id student
	check k member remove $id student
	check k key add student "$(pub student)"
	check k key set "$(print_of "$(pub student)")" --title x
	check k key deactivate "$(print_of "$(pub student)")"
	check k key activate "$(print_of "$(pub student)")"
	check k key remove "$(print_of "$(pub student)")"
	check k group add staff
	check k group add-member staff student
	check k group show staff
	check k member add $id @staff
	check k member remove $id @staff
	check k group remove-member staff student
	check k group remove staff
	check k config list
	check k config get host
	check k config set rsa-bits 3072
	check k config reset rsa-bits
	check k audit
	check k explain $id "$print"
	same "" "$bad"
}

@test "an error is one JSON object on standard error, and standard output stays empty" {
	check() {
		run --separate-stderr k --json "${@:3}"
		same "$1" "$status"
		same "" "$output"
		same "$2" "$(jq -rs '"\(length) \(.[0].error.code) \(.[0].error.message | length > 10)"' <<<"$stderr")"
		run --separate-stderr k "${@:3}"
		same "" "$output"
		same "$(sed -n '1s/^keyacct: //p' <<<"$stderr")" "$(k --json "${@:3}" 2>&1 | jq -r .error.message)"
	}
	check 2 "1 usage true" account add Nobody
	check 2 "1 usage true" account add
	check 2 "1 usage true" account add a b
	check 2 "1 usage true" account frobnicate
	check 2 "1 usage true" frobnicate
	check 2 "1 usage true" project add --frobnicate
	check 2 "1 usage true" project add --uid
	check 3 "1 not-found true" account show nobody
	check 4 "1 conflict true" account add owner
	db=$BATS_TEST_TMPDIR/none
	check 5 "1 unavailable true" account list
	check 5 "1 unavailable true" key list
}

@test "a quote, a backslash or a control character in a name leaves an error valid JSON" {
	while read -r word said; do
		word=$(printf "$word")
		run --separate-stderr k --json account show "$word"
		same 3 "$status"
		jq -e --arg said "\"${said:-$word}\"" '.error.message | contains($said)' <<<"$stderr"
		# Cleaned as every text is.
		run ! grep -q '[[:cntrl:]]' <<<"$(jq -r .error.message <<<"$stderr")"
	done <<-'END'
		a"b
		a\\\\b
		ü
		a\nb a b
		a\033b ab
	END
}

@test "a byte that is no UTF-8 leaves an error valid JSON" {
	run --separate-stderr k --json account show $'a\xffb'
	same 3 "$status"
	jq -es 'length == 1 and (.[0].error.message | length > 10)' <<<"$stderr"
}

@test "a long word that is cut leaves an error valid JSON" {
	for n in 300 301 500 501; do
		run --separate-stderr k --json project show "$(printf 'x%.0s' $(seq $n))$(printf 'é%.0s' {1..200})"
		same 3 "$status"
		jq -es 'length == 1 and (.[0].error.message | length > 10)' <<<"$stderr"
	done
}

@test "an error repeats no control character to the terminal" {
	run --separate-stderr k account show $'a\e[2Jb'
	same 3 "$status"
	[[ $stderr != *$'\e'* ]]
}

# Usage

@test "an unknown command, verb or option is a usage error that says where to look" {
	refused 2 "there is no command 'frobnicate'; 'keyacct --help' shows them all" k frobnicate
	refused 2 "there is no command 'account frobnicate'; 'keyacct --help' shows them all" k account frobnicate
	try 2 k account
	same "" "$output"
	[[ $stderr == "usage:"*"keyacct account add HANDLE"* ]]
	refused 2 "there is no option --frobnicate here" k account list --frobnicate
	same "'keyacct account list --help' shows what it takes." "${stderr_lines[1]}"
	refused 2 "there is no option --title here" k account add someone --title x
	refused 2 "--uid needs a N" k project add --uid
	refused 2 "--all takes no value" k project list --all=yes
	refused 2 "something is missing: it takes HANDLE" k account add
	refused 2 "one word too many: it takes HANDLE" k account add a b
	refused 2 "something is missing: it takes PROJECT ACCOUNT" k member add $id
	refused 2 "one word too many: it takes no arguments" k account list owner
	refused 2 "" keyacct --frobnicate
	same "3 1" "$(value length account list) $(value length project list)"
}

@test "nothing at all shows the overview, as a usage error" {
	try 2 keyacct
	same "" "$output"
	same "usage: keyacct [--dir DIR] [--json] COMMAND ..." "${stderr_lines[0]}"
}

@test "--help, help and --version" {
	try 0 keyacct --help
	same "usage: keyacct [--dir DIR] [--json] COMMAND ..." "${lines[0]}"
	has "To begin"
	same "$output" "$(keyacct help)"
	same "$(keyacct key add --help)" "$(keyacct help key add)"
	same "$(keyacct explain --help)" "$(keyacct help explain)"
	same "$(keyacct key --help)" "$(keyacct help key)"
	refused 2 "there is no command 'nonsense'" keyacct help nonsense
	refused 2 "there is no command 'key nonsense'" keyacct help key nonsense
	try 0 keyacct --version
	[[ $output =~ ^keyacct\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
}

@test "every command has help with its usage and an example, and needs no database for it" {
	[ "$(commands | wc -l)" -ge 24 ]
	while read -r -u 9 words; do
		echo "command: $words"
		# shellcheck disable=SC2086
		try 0 keyacct --dir "$BATS_TEST_TMPDIR/none" $words --help
		[[ ${lines[0]} == "usage: keyacct $words"* ]]
		grep -q "^example: keyacct $words" <<<"$output"
		same "" "$stderr"
	done 9< <(commands)
	[ ! -e "$BATS_TEST_TMPDIR/none" ]
}

@test "every noun has help" {
	while read -r -u 9 noun; do
		try 0 keyacct "$noun" --help
		has "keyacct $noun"
		has "example: keyacct $noun"
		if commands | grep -q "^$noun [a-z]"; then
			# The noun alone lists its verbs too, and is a usage error.
			lists=$output
			while read -r verb; do
				has "keyacct $verb"
			done < <(commands | grep "^$noun ")
			try 2 keyacct --dir "$BATS_TEST_TMPDIR/none" "$noun"
			same "" "$output"
			same "$lists" "$stderr"
		fi
	done 9< <(nouns)
}

@test "the overview has a line for each noun with all of its verbs, and how to begin is on the first screen" {
	try 0 keyacct --help
	same "$(commands | cut -d' ' -f1 | uniq)" "$(nouns)"
	while read -r -u 9 noun; do
		verbs=$(commands | sed -n "s/^$noun //p" | paste -sd, | sed 's/,/, /g')
		[ -z "$verbs" ] || grep -qxE "  $noun +$verbs" <<<"$output"
	done 9< <(nouns)
	begin=$(grep -n '^    ssh ' <<<"$output" | cut -d: -f1)
	[ "$begin" -lt 12 ]
	same 5 "$(sed -n '/^To begin/,/^$/p' <<<"$output" | grep -c '^    ')"
	# Nothing but the lines of nouns makes it longer, and no line is wider than a terminal.
	[ "${#lines[@]}" -le $((12 + $(nouns | wc -l))) ]
	same "" "$(grep -E '^.{81}' <<<"$output" || true)"
}

@test "the examples of the help work as they stand" {
	# Their project, files and accounts are there in this directory.
	cd "$BATS_TEST_TMPDIR"
	cp "$(pub student)" id_ed25519.pub
	print=$(print_of id_ed25519.pub)
	ran=0
	while read -r -u 9 words; do
		case $words in
		# There is a database, a removed project would not come back, and this host may be ill.
		init | doctor | "project remove") continue ;;
		esac
		# shellcheck disable=SC2086
		example=$(keyacct $words --help | sed -n 's/^example: keyacct //p' | sed "s,SHA256:nThbg6kX,${print:0:15},")
		{
			k account add student
			k account resume student
			k project set $id --ssh on
			k project unarchive $id
			k member add $id student --expires never
			k group add staff
			k group add-member staff student
			k key remove "$print"
			k key add student id_ed25519.pub
			k export >platform.jsonl
			case $words in
			"account add") k account remove student ;;
			"group add") k group remove staff ;;
			"group add-member") k group remove-member staff student ;;
			"key add") k key remove "$print" ;;
			esac
		} >/dev/null 2>&1 || true
		# This is not the host's own database.
		[ "$words" != sweep ] || example+=" --run $BATS_TEST_TMPDIR/run"
		echo "example: $example"
		eval "k $example" >/dev/null
		ran=$((ran + 1))
	done 9< <(commands)
	same $(($(commands | wc -l) - 3)) $ran
}

@test "--json behind -- is a word, not an option" {
	refused 2 "cannot be a handle" k account add -- --json
}

@test "-- ends the options" {
	refused 2 "cannot be a handle" k account add -- --help
	refused 3 'there is no account "--help"' k account show -- --help
}

# To a pipe, a file, a full disk

@test "no escape sequence when piped" {
	export TERM=xterm-256color
	while read -r -u 9 words; do
		# shellcheck disable=SC2086
		run k $words </dev/null
		lacks $'\e'
	done 9< <(every_command)
}

@test "a standard output that is full is an error: listings" {
	for words in "account list" "project list" "member list $id" "key list" "account show owner" "project show $id" \
		"key show $print" "account list --json" "explain $id $print --json" "ssh-config owner --json" "config list" "config get host" "audit"; do
		status=0
		# shellcheck disable=SC2086
		stderr=$(k $words 2>&1 >/dev/full) || status=$?
		echo "$words: $status $stderr"
		same 6 "$status"
		[[ $stderr == *"the output could not be written"* ]]
	done
}

@test "a standard output that is full is an error: the files for ssh" {
	for words in "authorized-keys owner" "authorized-keys $id" "ssh-config owner"; do
		status=0
		# shellcheck disable=SC2086
		k $words >/dev/full || status=$?
		echo "$words: $status"
		same 6 "$status"
	done
}

@test "a standard output that is full is an error: everything else" {
	for words in "explain $id $print" "project add" "account add someone" "--help" "account --help" "account add --help" "--version" \
		"config set rsa-bits 3072"; do
		status=0
		# shellcheck disable=SC2086
		k $words >/dev/full || status=$?
		echo "$words: $status"
		same 6 "$status"
	done
}

@test "a standard output that is closed is an error" {
	for words in "account list" "authorized-keys owner" "project add"; do
		status=0
		# shellcheck disable=SC2086
		k $words >&- || status=$?
		echo "$words: $status"
		same 6 "$status"
	done
}

@test "closed standard files leave the database alone" {
	before=$(state)
	for words in "account list" "account add owner" "account show nobody" "project list" "key list" "key add owner -" "drain" \
		"account add Owner" "project set $id --home x"; do
		# shellcheck disable=SC2086
		k $words <&- >&- 2>&- || true
	done
	same "$before" "$(state)"
	try 0 k project add
}

@test "a closed standard output: what is said gets into no file of the database" {
	k project list >/dev/null
	before=$(files)
	for words in "account list" "project list" "project show $id" "member list $id" "key list" "key list --csv" "key show $print" \
		"group list" "explain $id $print" "ssh-config owner" "authorized-keys owner" "key list --json" "account show nobody" \
		"account add owner" "--help" "key add --help" "--version"; do
		# shellcheck disable=SC2086
		k $words >&- 2>/dev/null || true
		# shellcheck disable=SC2086
		k $words >&- 2>&- || true
		# shellcheck disable=SC2086
		k $words <&- >&- 2>&- || true
		same "$before" "$(files)"
	done
	# What changes something changes that, and nothing of its message is in a file.
	status=0
	k project add 11111111-93d6-11e7-ae8e-e70cea5e8cd7 --owner owner --host message.example.org >&- 2>&- || status=$?
	same 6 "$status"
	same "11111111-93d6-11e7-ae8e-e70cea5e8cd7 $id" "$(value '[.[].id] | join(" ")' project list)"
	run ! grep -raqE 'message.example.org|is added' "$db"
	try 0 k project list
}

@test "a limit on file sizes: a change that fails leaves every file as it was" {
	k project list >/dev/null
	before=$(files)
	list=$(k project list)
	for blocks in 0 1 2 4; do
		for words in "project add --owner owner" "account add someone" "key add student $(pub student)" "member add $id student" \
			"key deactivate $print" "group add staff" "config set rsa-bits 3072"; do
			# The sentences go to a pipe, which has no limit.
			run bash -c "(ulimit -f $blocks && exec keyacct --dir $db $words) 2>&1 | cat; exit \${PIPESTATUS[0]}"
			echo "$blocks: $words: $status $output"
			same 5 "$status"
			same 1 "${#lines[@]}"
			same "$before" "$(files)"
			# And with a file, which has one, as standard output.
			run bash -c "ulimit -f $blocks && exec keyacct --dir $db $words >$BATS_TEST_TMPDIR/out 2>&1"
			same 5 "$status"
			same "$before" "$(files)"
		done
	done
	same "$list" "$(k project list)"
	try 0 k project add --owner owner
}

@test "titles are UTF-8 in tables, whatever the locale" {
	k project set $id --title 'Über das Klima – 気候'
	k key set "$print" --title 'Schlüssel'
	k account add someone --name 'Žofie'
	for locale in C POSIX C.UTF-8 xx_YY.nonsense ''; do
		export LC_ALL=$locale LANG=$locale
		try 0 k project list
		has 'Über das Klima – 気候'
		try 0 k key list
		has 'Schlüssel'
		lacks '\x'
		try 0 k account list
		has 'Žofie'
		lacks '\x'
		try 0 k project show $id
		has 'Über das Klima – 気候'
		try 0 k key list --csv
		has '"Schlüssel"'
	done
	unset LC_ALL LANG
	try 0 k project list
	has 'Über das Klima – 気候'
}

# ssh-config

@test "ssh-config is what ssh reads" {
	second=$(new_project --title '"quoted" % # title \ ' --owner owner)
	third=$(new_project --owner owner)
	k ssh-config owner --host ssh.example.org >"$BATS_TEST_TMPDIR/config"
	for pair in "climate-data-829e7b56 $name" "quoted-title-${second:0:8} $second" "project-${third:0:8} $third"; do
		read -r alias user <<<"$pair"
		run --separate-stderr ssh -G -T -F "$BATS_TEST_TMPDIR/config" "$alias"
		same 0 "$status"
		same "" "$stderr"
		grep -qx "user $user" <<<"$output"
		grep -qx "hostname ssh.example.org" <<<"$output"
		grep -qx "identitiesonly yes" <<<"$output"
		grep -qx 'identityfile ~/.ssh/id_ed25519' <<<"$output"
	done
	same 3 "$(grep -c '^Host ' "$BATS_TEST_TMPDIR/config")"
}

@test "ssh-config for one project, with a host and an identity" {
	new_project --owner owner
	k ssh-config owner --project 829e7b56 --host 192.0.2.1 --identity /keys/mine >"$BATS_TEST_TMPDIR/config"
	same "# Climate data
$(for type in rsa ecdsa ed25519; do
		echo "#   host key $(cut -d' ' -f1 /etc/ssh/ssh_host_${type}_key.pub) $(print_of /etc/ssh/ssh_host_${type}_key.pub)"
	done)
Host climate-data-829e7b56
    HostName \"192.0.2.1\"
    User $name
    IdentityFile \"/keys/mine\"
    IdentitiesOnly yes
    ForwardAgent no" "$(cat "$BATS_TEST_TMPDIR/config")"
	same "climate-data-829e7b56 192.0.2.1 $name /keys/mine Climate data" "$(k --json ssh-config owner --project $id --host 192.0.2.1 \
		--identity /keys/mine | jq -r '.[] | "\(.host) \(.hostname) \(.user) \(.identity_file) \(.title)"')"
}

@test "ssh-config shows the host keys that sshd is told to show, as far as they can be read" {
	echo "HostKey /etc/ssh/ssh_host_ed25519_key" >/etc/ssh/sshd_config.d/99-tests.conf
	same "ssh-ed25519 $(print_of /etc/ssh/ssh_host_ed25519_key.pub)" "$(value '.[0].host_keys | join(",")' ssh-config owner)"
	mv /etc/ssh/ssh_host_ed25519_key.pub "$BATS_TEST_TMPDIR/"
	same "" "$(value '.[0].host_keys | join(",")' ssh-config owner)"
	mv "$BATS_TEST_TMPDIR/ssh_host_ed25519_key.pub" /etc/ssh/
	rm /etc/ssh/sshd_config.d/99-tests.conf
}

@test "ssh-config without --host names this host" {
	k ssh-config owner >"$BATS_TEST_TMPDIR/config"
	ssh -G -F "$BATS_TEST_TMPDIR/config" climate-data-829e7b56 | grep -qx "hostname projects"
}

@test "ssh-config of an account without projects says so" {
	refused 3 '"outsider" can enter no project now; '"'keyacct member add PROJECT outsider' may change that" k ssh-config outsider
	refused 3 '"outsider" can enter no such project now' k ssh-config outsider --project $id
}

@test "ssh-config takes an identity file with a blank in its name" {
	k ssh-config owner --identity '/keys/my laptop' >"$BATS_TEST_TMPDIR/config"
	run --separate-stderr ssh -G -F "$BATS_TEST_TMPDIR/config" climate-data-829e7b56
	same 0 "$status"
	grep -qx 'identityfile /keys/my laptop' <<<"$output"
}

@test "ssh-config refuses a host or identity with a newline in it" {
	for bad in $'h\n    ProxyCommand /bin/false' $'h\r' $'h\x7f' 'h"' 'h" -o "ProxyCommand=/bin/false'; do
		case $bad in
		*'"'*) refused 2 "has a character that ssh_config cannot hold" k ssh-config owner --host "$bad" ;;
		*) refused 2 "has the control character U+00" k ssh-config owner --host "$bad" ;;
		esac
		refused 2 "has a character that ssh_config cannot hold" k ssh-config owner --identity "$bad"
	done
}

@test "ssh-config leaves out what cannot be entered now" {
	k project add 11111111-93d6-11e7-ae8e-e70cea5e8cd7 --owner owner
	k project archive 11111111
	k project add 22222222-93d6-11e7-ae8e-e70cea5e8cd7 --owner student
	k member add 22222222 owner --expires +1s
	until_passed $(($(date +%s) + 1))
	k project add 33333333-93d6-11e7-ae8e-e70cea5e8cd7 --owner owner --ssh off
	k project add 44444444-93d6-11e7-ae8e-e70cea5e8cd7 --owner student
	k member add 44444444 owner --not-before +1d
	k project add 55555555-93d6-11e7-ae8e-e70cea5e8cd7 --owner owner
	k project remove 55555555
	same climate-data-829e7b56 "$(value '.[].host' ssh-config owner)"
	k project archive $id
	refused 3 '"owner" can enter no project now' k ssh-config owner
}

@test "ssh-config of a suspended account lists nothing: it can enter nothing now" {
	k account suspend owner
	refused 3 '"owner" can enter no project now' k ssh-config owner
}

# authorized-keys

@test "authorized-keys of an account: its keys for all projects, as ssh-keygen reads them" {
	k key add owner --project $id "$(pub student)"
	k key add owner --from 192.0.2.0/24 --expires 2031-02-03T04:05:06Z "$(pub other)"
	try 0 k authorized-keys owner
	same 2 "${#lines[@]}"
	grep -qxF "$(cut -d' ' -f1,2 "$(pub owner)") owner" <<<"$output"
	grep -qxF "from=\"192.0.2.0/24\",expiry-time=\"20310203040506Z\" $(cut -d' ' -f1,2 "$(pub other)") owner" <<<"$output"
	printf '%s\n' "$output" >"$BATS_TEST_TMPDIR/authorized_keys"
	same "$(printf '%s\n' "$print" "$(print_of "$(pub other)")" | sort)" \
		"$(ssh-keygen -lf "$BATS_TEST_TMPDIR/authorized_keys" | awk '{print $2}' | sort)"
}

@test "authorized-keys of a project: its members' keys, restricted" {
	k member add $id student
	k key add student --project $id "$(pub student)"
	k key add outsider "$(pub other)"
	try 0 k authorized-keys 829e7b56
	same 2 "${#lines[@]}"
	grep -qxF "restrict,pty,agent-forwarding $(cut -d' ' -f1,2 "$(pub owner)") owner" <<<"$output"
	grep -qxF "restrict,pty,agent-forwarding $(cut -d' ' -f1,2 "$(pub student)") student" <<<"$output"
	printf '%s\n' "$output" >"$BATS_TEST_TMPDIR/authorized_keys"
	same 2 "$(ssh-keygen -lf "$BATS_TEST_TMPDIR/authorized_keys" | wc -l)"
	k project set $id --agent off
	same 2 "$(k authorized-keys $id | grep -c '^restrict,pty ssh-ed25519 ')"
	same "$(k authorized-keys $id)" "$(value '.[]' authorized-keys $name)"
}

@test "every type of key survives the way through the database" {
	cd "$BATS_TEST_TMPDIR"
	ssh-keygen -q -t rsa -b 2048 -N '' -f rsa
	ssh-keygen -q -t ecdsa -b 521 -N '' -f ecdsa
	k key add owner rsa.pub
	k key add owner ecdsa.pub
	same "$(cut -d' ' -f1,2 rsa.pub ecdsa.pub "$(pub owner)" | sort)" "$(k authorized-keys owner | cut -d' ' -f1,2 | sort)"
}

@test "authorized-keys holds only what is valid now" {
	k key add owner --expires +1s "$(pub student)"
	until_passed $(($(date +%s) + 1))
	k key add owner --not-before +1d "$(pub other)"
	same 1 "$(k authorized-keys owner | wc -l)"
	same 1 "$(k authorized-keys $id | wc -l)"
	k member add $id student --expires +1s
	k member add $id outsider --not-before +1d
	k key add student "$(pub student)"
	k key add outsider "$(pub other)"
	until_passed $(($(date +%s) + 1))
	same 1 "$(k authorized-keys $id | wc -l)"
	none() {
		try 0 k authorized-keys "$1"
		same "" "$output"
		same "No key is valid there now." "$stderr"
		same "[]" "$(k --json authorized-keys "$1")"
	}
	k account suspend owner
	none owner
	none $id
	k account resume owner
	k project archive $id
	none $id
	same 1 "$(k authorized-keys owner | wc -l)"
	k project unarchive $id
	k project set $id --ssh off
	none $id
	k project remove $id
	none $id
}

@test "authorized-keys of a project ends a member's key with the membership" {
	k member add $id student --expires 2031-02-03T04:05:06Z
	k key add student "$(pub student)"
	k authorized-keys $id | grep -F "$(cut -d' ' -f2 "$(pub student)")" | grep -F 'expiry-time="20310203040506Z"'
}

@test "authorized-keys of an unknown project says so" {
	refused 3 'there is no project or account "11111111-93d6-11e7-ae8e-e70cea5e8cd7"' \
		k authorized-keys 11111111-93d6-11e7-ae8e-e70cea5e8cd7
}
