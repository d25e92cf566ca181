#!/usr/bin/env bats
# keyacct import --authorized-keys and --passwd: what a host without keyacct has.
load helpers
load import

setup_file() { make_keys owner student other third fourth; }

setup() {
	new_db
	three_people | k import - >/dev/null
}

teardown() {
	k check >/dev/null
	userdel local 2>/dev/null || true
}

# keys NUMBERS [OPTION]...: standard input as the authorized_keys file of the owner; passwd: as a passwd file
keys() {
	cat >"$BATS_TEST_TMPDIR/authorized_keys"
	from "$1" --authorized-keys "$BATS_TEST_TMPDIR/authorized_keys" --account owner "${@:2}"
}
passwd() {
	cat >"$BATS_TEST_TMPDIR/passwd"
	from "$1" --passwd "$BATS_TEST_TMPDIR/passwd" "${@:2}"
}
from() {
	local wanted_status=0
	[ "${1##* }" -eq 0 ] || wanted_status=6
	try $wanted_status k import "${@:2}"
	same "$1" "$(numbers)" || {
		show_run "import"
		return 1
	}
}

# field_of_key NAME JQ: of the owner's registration of that key
of_key() { value "$2" key show "$(print_of "$(pub "$1")")" --account owner; }

@test "a file of keys with blanks, comments, CRLF, a byte order mark and no last line end" {
	{
		printf '\xef\xbb\xbf# my keys\r\n\r\n   \t\n'
		printf '  %s owner@laptop\r\n' "$(key_of owner)"
		printf '\t# %s\n' "$(key_of fourth)"
		printf '%s\n' "$(key_of student)"
		printf '%s desk top, second' "$(key_of other)"
	} >"$BATS_TEST_TMPDIR/lines"
	keys "3 0 0 0 0" <"$BATS_TEST_TMPDIR/lines"
	same "owner@laptop desk authorized-keys null null active" \
		"$(of_key owner .title) $(of_key other .title) $(of_key other '"\(.origin) \(.from) \(.projects) \(.state)"')"
	[[ $(of_key student .title) == "ssh-ed25519 20"* ]]
	before=$(k export)
	keys "0 0 3 0 0" <"$BATS_TEST_TMPDIR/lines"
	same "$before" "$(k export)"
	refused 3 "no key" k key show "$(print_of "$(pub fourth)")" || refused 3 "there is no key" k key show "$(print_of "$(pub fourth)")"
}

@test "all types of keys" {
	for type in rsa ecdsa; do ssh-keygen -q -t $type -N '' -C $type -f "$BATS_TEST_TMPDIR/$type"; done
	ssh-keygen -q -t rsa -b 1024 -N '' -C short -f "$BATS_TEST_TMPDIR/short"
	keys "2 0 0 0 2" < <(cat "$BATS_TEST_TMPDIR"/{rsa,ecdsa,short}.pub; echo "ssh-dss AAAAB3NzaC1kc3MAAACB x")
	[[ ${stderr_lines[0]} == "keyacct: line 3: this RSA key has 1024 bits, and 2048 are the least"* ]]
	[[ ${stderr_lines[1]} == "keyacct: line 4: this is a DSA key"* ]]
}

@test "from= is kept; a key with any other option is refused, with the option named" {
	{
		echo "from=\"192.0.2.0/24,2001:db8::1\" $(key_of owner) a"
		echo "FROM=\"192.0.2.7\"	$(key_of student) b"
		echo "no-pty $(key_of other)"
		echo "command=\"/bin/echo \\\"two words\\\", no\",no-pty $(key_of other)"
		echo "from=\"192.0.2.7\",restrict $(key_of other)"
		echo "restrict,from=\"192.0.2.7\" $(key_of other)"
		echo "from=\"192.0.2.7\",from=\"192.0.2.8\" $(key_of other)"
		echo "from=\"\" $(key_of other)"
		echo "from=192.0.2.7 $(key_of other)"
		echo "expiry-time=\"20300101\" $(key_of other)"
		echo "cert-authority $(key_of other)"
		echo "environment=\"A=ssh-ed25519 AAAA\" $(key_of other)"
		echo "from=\"192.0.2.7 $(key_of other)"
	} >"$BATS_TEST_TMPDIR/lines"
	keys "2 0 0 0 11" <"$BATS_TEST_TMPDIR/lines"
	same "192.0.2.0/24,2001:db8::1 192.0.2.7" "$(of_key owner '.from | join(",")') $(of_key student '.from | join(",")')"
	same 11 "$(grep -c "and only from=\"...\" can be kept: add it by hand\|there are options or other text in front of the key" <<<"$stderr")"
	[[ ${stderr_lines[1]} == 'keyacct: line 4: this key has the options command="/bin/echo \"two words\", no",no-pty, and only'* ]]
	[[ ${stderr_lines[4]} == *'line 7: this key has the options from="192.0.2.7",from="192.0.2.8", and only'* ]]
	same 2 "$(value length key list)"
}

@test "a from= that is no list of addresses is refused, and too long a one" {
	for list in '*.example.org' '!192.0.2.7' '192.0.2.*' 'host' '192.0.2.1/24' '192.0.2.7, 192.0.2.8' '192.0.2.7,' '?'; do
		keys "0 0 0 0 1" <<<"from=\"$list\" $(key_of owner)"
		[[ $stderr == *"is no list of addresses"* ]]
	done
	keys "0 0 0 0 1" <<<"from=\"192.0.2.7$(printf ',192.0.2.7%.0s' {1..60})\" $(key_of owner)"
	[[ $stderr == *"the from= of this key is too long"* ]]
	same 0 "$(value length key list)"
}

@test "several keys on a line, pieces, a private key" {
	keys "0 0 0 0 5" < <(
		echo "$(key_of owner) $(key_of student)"
		echo "$(key_of owner | cut -c -50)"
		echo "$(key_of owner | cut -d' ' -f2)"
		echo "hello world"
		echo "ssh-ed25519-cert-v01@openssh.com AAAA"
	)
	keys "0 0 0 0 $(wc -l <"$BATS_FILE_TMPDIR/owner")" <"$BATS_FILE_TMPDIR/owner"
	for word in $(grep -v '^-----' "$BATS_FILE_TMPDIR/owner" | fold -w 12); do [[ $stderr != *"$word"* ]]; done
	same 0 "$(value length key list)"
}

@test "what the account has already stays as it is; another account's is another registration" {
	k key add owner --title mine --from 192.0.2.7 --tags a "$(pub owner)"
	k key add student "$(pub owner)"
	before=$(k export)
	keys "0 0 1 0 0" <<<"from=\"192.0.2.9\" $(key_of owner) other title"
	same "$before" "$(k export)"
	from "1 0 0 0 0" --authorized-keys "$(pub owner)" --account outsider --origin moved
	same moved "$(value .origin key show "$(print_of "$(pub owner)")" --account outsider)"
	same "mine 192.0.2.7" "$(of_key owner '"\(.title) \(.from[0])"')"
	from "1 0 0 0 0" --authorized-keys "$(pub other)" --account $A3
	# Twice in the file is once.
	keys "1 0 1 0 0" < <(key_of fourth; echo "$(key_of fourth) again")
}

@test "from standard input, and as a dry run" {
	before=$(files)
	try 0 k import --dry-run --authorized-keys "$(pub owner)" --account owner
	same "would be 1 added, 0 changed, 0 unchanged, 0 removed, 0 refused" "$output"
	same "$before" "$(files)"
	try 0 k import --authorized-keys - --account owner <"$(pub owner)"
	same "1 0 0 0 0" "$(numbers)"
	try 0 k import --passwd - <<<"local:x:5001:5001::/home/local:/bin/sh"
	same "1 0 0 0 0" "$(numbers)"
}

# Users

@test "each user becomes a project with the uid, home and shell, owned by the account of that name" {
	passwd "3 0 0 0 0" <<-END
		root:x:0:0:root:/root:/bin/bash
		daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
		systemd-network:x:998:998::/:/usr/sbin/nologin
		nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
		dynamic:x:61184:61184::/:/usr/sbin/nologin
		big:x:4294967294:100::/:/bin/sh

		# a comment
		student:x:5001:100:Somebody Else,room 1,,:/home/student:/bin/bash
		local:x:5002:5002:Local User,,,:/home/local:/bin/sh
		last:x:2147352575:100::/srv/two  words:
	END
	same "student 5001 /home/student /bin/bash true active" \
		"$(row '.uid == 5001' | jq -r '"\(.title) \(.uid) \(.home) \(.shell) \(.ssh) \(.state)"')"
	same "last /srv/two  words /bin/sh" "$(row '.uid == 2147352575' | jq -r '"\(.title) \(.home) \(.shell)"')"
	# The account that is there is the owner, as it is; others are made.
	same "null $A2" "$(value '"\(.name) \(.id)"' account show student)"
	same "Local User" "$(value .name account show local)"
	same "student local last" "$(for uid in 5001 5002 2147352575; do value '.owners | join(" ")' project show "$(row ".uid == $uid" | jq -r .id)"; done | xargs)"
	same "" "$(value '.[].collaborators[]' project list)"
}

@test "a second time changes nothing: users are known again by their uids" {
	line="local:x:5002:5002:Local User:/home/local:/bin/sh"
	passwd "1 0 0 0 0" <<<"$line"
	before=$(k export)
	passwd "0 0 1 0 0" <<<"$line"
	passwd "0 0 1 0 0" <<<"${line/local/renamed}"
	passwd "0 0 1 0 0" --account owner <<<"$line"
	same "$before" "$(k export)"
	# Also when the project was deleted: its uid is not given to another.
	k project remove "$(value '.[].id' project list)"
	passwd "0 0 1 0 0" <<<"$line"
	same "" "$(value '.[].id' project list)"
}

@test "names that begin alike, or like an id, become different projects" {
	passwd "4 0 0 0 0" < <(printf '%s:x:%d:100::/home/%s:/bin/sh\n' abe 5001 abe abel 5002 abel a 5003 a dad 5004 dad)
	same 4 "$(value '.[].id' project list | sort -u | wc -l)"
	same 4 "$(value '.[].id' project list | grep -c '^........-....-4...-[89ab]...-............$')"
}

@test "a name that is a project's id becomes that project, with no owner but one that is named" {
	passwd "1 0 0 0 0" <<<"${P1//-/}:x:5001:5001::/projects/$P1:/bin/bash"
	same "$P1 null 5001" "$(row '.uid == 5001' | jq -r '"\(.id) \(.title) \(.uid)"')"
	same "0 3" "$(value '.[].owners | length' project list) $(value length account list)"
	passwd "1 0 0 0 0" --account owner <<<"${P2//-/}:x:5002:5002::/projects/$P2:/bin/bash"
	same owner "$(value '.owners | join(" ")' project show $P2)"
	# With another uid it is somebody else's.
	passwd "0 0 0 0 1" <<<"${P1//-/}:x:5003:5003::/x:/bin/bash"
	[[ $stderr == *"line 1: there is a project $P1 already"* ]]
}

@test "--account owns all of them" {
	passwd "2 0 0 0 0" --account owner < <(printf '%s:x:%d:100::/home/%s:/bin/sh\n' local 5001 local 'Big Name' 5002 big)
	same "owner owner" "$(value '.[].owners[]' project list | xargs)"
	same "Big Name local" "$(value '.[].title' project list | sort | xargs)"
	same 3 "$(value length account list)"
}

@test "lines that are none, each with its number; nothing of them is left" {
	before=$(k export)
	{
		printf 'local\n'
		printf 'local:x:5001:5001::/home/local\n'
		printf 'local:x:5001:5001::/home/local:/bin/sh:\n'
		printf 'local:x::5001::/home/local:/bin/sh\n'
		printf 'local:x:+5001:5001::/home/local:/bin/sh\n'
		printf 'local:x:5001x:5001::/home/local:/bin/sh\n'
		printf 'local:x:99999999999999999999999:5001::/home/local:/bin/sh\n'
		printf 'local:x:5001:5001:::/bin/sh\n'
		printf 'local:x:5001:5001::home/local:/bin/sh\n'
		printf 'local:x:5001:5001::/home/local:sh\n'
		printf 'local:x:5001:5001::/home/l\xfc:/bin/sh\n'
		printf 'local:x:5001:5001::/home/l\xe2\x80\x8b:/bin/sh\n'
		printf 'local:x:5001:5001::/home/a\tb:/bin/sh\n'
		printf 'local:x:5001:5001::/%s:/bin/sh\n' "$(printf 'x%.0s' {1..511})"
		printf 'Local:x:5001:5001::/home/local:/bin/sh\n'
		printf 'deadbeef:x:5001:5001::/home/local:/bin/sh\n'
		printf '+::::::\n'
		printf ':x:5001:5001::/home/local:/bin/sh\n'
	} >"$BATS_TEST_TMPDIR/lines"
	passwd "0 0 0 0 18" <"$BATS_TEST_TMPDIR/lines"
	same "$(seq 18)" "$(sed -nE 's/^keyacct: line ([0-9]+): .*/\1/p' <<<"$stderr")"
	[[ ${stderr_lines[14]} == *'"Local" cannot be an account'\''s handle: say with --account who owns its project' ]]
	same "$before" "$(k export)"
}

@test "what is no UTF-8 is left out of names, and everything can be shown and exported afterwards" {
	passwd "2 0 0 0 0" --account owner < <(printf 'l\xfccal:x:5001:5001:J\xfcrgen:/home/a:/bin/sh\nl\x1b[2J:x:5002:5002::/home/b:/bin/sh\n')
	passwd "1 0 0 0 0" < <(printf 'local:x:5003:5003:J\xfcrgen \xc3\xbc\x1b[2J,x:/home/c:/bin/sh\n')
	same "l[2J lcal local" "$(value '.[].title' project list | sort | xargs)"
	same "Jrgen ü[2J" "$(value .name account show local)"
	k export | jq -es 'length > 5'
}

@test "a group that is not the user's own number is refused: its files could become another project's" {
	passwd "1 0 0 0 2" < <(printf '%s\n' a:x:5001:5002::/home/a:/bin/sh b:x:5002:100::/home/b:/bin/sh c:x:5003:x::/home/c:/bin/sh)
	[[ $stderr == *"chgrp -h 5001"* ]]
	passwd "1 0 0 0 0" <<<"a:x:5001:5001::/home/a:/bin/sh"
}

@test "the user of sshd's helper stays what it is" {
	passwd "0 0 0 0 0" <<<"keyacct:x:5001:5001::/nonexistent:/usr/sbin/nologin"
}

@test "as long as the host has the user, or a group of that number, the line is refused" {
	useradd --no-create-home --uid 5001 local
	before=$(k export)
	passwd "0 0 0 0 1" < <(getent passwd local)
	[[ $stderr == *'line 1: the uid 5001 belongs to "local" on this host: remove that user first (its files stay)' ]]
	same "$before" "$(k export)"
	getent passwd local >"$BATS_TEST_TMPDIR/saved"
	userdel local
	groupadd --gid 5001 crew
	passwd "0 0 0 0 1" <"$BATS_TEST_TMPDIR/saved"
	[[ $stderr == *'line 1: the gid 5001 belongs to the group "crew" on this host'* ]]
	groupdel crew
	passwd "1 0 0 0 0" <"$BATS_TEST_TMPDIR/saved"
}
