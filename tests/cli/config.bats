#!/usr/bin/env bats
# keyacct config: the settings, checked when they are set, and where they are used.
load helpers

setup_file() {
	make_keys owner student
	ssh-keygen -q -t rsa -b 2048 -N '' -C rsa -f "$BATS_FILE_TMPDIR/rsa"
}

setup() {
	new_db
	people
}

# defaults: NAME VALUE of each setting of an empty database, as keyacct(5) has them
defaults() {
	cat <<-END
		host projects
		key-types all
		rsa-bits 2048
		security-keys optional
		git-author off
		grace-text none
		homes /projects
		shell /bin/bash
		agent on
		tcp off
		x11 off
		pty on
		sftp-only off
	END
}

# other NAME: a value that is not the default
other() {
	case $1 in
	host) echo ssh.example.org ;;
	key-types) echo ssh-ed25519,ssh-rsa ;;
	rsa-bits) echo 4096 ;;
	security-keys) echo required ;;
	git-author) echo on ;;
	grace-text) echo 'Your access ends.' ;;
	homes) echo /srv/homes ;;
	shell) echo /bin/sh ;;
	agent | pty) echo off ;;
	tcp) echo loopback ;;
	x11 | sftp-only) echo on ;;
	esac
}

settings() { value '.[] | "\(.name) \(.value)"' config list; }
changes() { mdb_dump -n -s change "$db/private/access.mdb" | sed '1,/^HEADER=END/d' | grep -c '^ ' | awk '{print $1 / 2}'; }

# Show

@test "list shows each setting with its value, whether it is the default, and its meaning" {
	same "$(defaults)" "$(settings)"
	same "true" "$(value 'all(.default == true and (.meaning | length) > 20) | tostring' config list)"
	k config set rsa-bits 3072
	try 0 k config list
	same "NAME VALUE DEFAULT MEANING" "$(awk 'NR == 1 {print $1, $2, $3, $4}' <<<"$output")"
	same "rsa-bits 3072 no" "$(awk '/^rsa-bits/ {print $1, $2, $3}' <<<"$output")"
	same "shell /bin/bash yes" "$(awk '/^shell/ {print $1, $2, $3}' <<<"$output")"
	has "how many bits an RSA key needs: 2048 to 16384"
	same $(($(defaults | wc -l) + 1)) "${#lines[@]}"
}

@test "get prints the value alone, and as JSON the object of the list" {
	while read -r -u 9 name value; do
		try 0 k config get "$name"
		same "$value" "$output"
		same "$(k --json config list | jq -S ".[] | select(.name == \"$name\")")" "$(k --json config get "$name" | jq -S .)"
	done 9< <(defaults)
}

@test "a host that is not set is what this host calls itself" {
	hostname elsewhere
	same elsewhere "$(k config get host)"
	hostname projects
	k config set host ssh.example.org
	same "ssh.example.org false" "$(value '"\(.value) \(.default)"' config get host)"
}

# Change

@test "set changes one setting and says so; reset gives the default again" {
	while read -r -u 9 name value; do
		try 0 k config set "$name" "$(other "$name")"
		same "$name is $(other "$name") now; it was $value." "$output"
		same "" "$stderr"
		same "$(defaults | sed "s|^$name .*|$name $(other "$name")|")" "$(settings)"
		same "$name" "$(value '.[] | select(.default | not).name' config list)"
		try 0 k config reset "$name"
		same "$name is $value now; it was $(other "$name")." "$output"
		same "$(defaults)" "$(settings)"
	done 9< <(defaults)
}

@test "each setting stays when another one changes" {
	while read -r -u 9 name _; do
		[ "$name" != security-keys ] || continue
		k config set "$name" "$(other "$name")" >/dev/null
	done 9< <(defaults)
	same "$(defaults | while read -r name value; do
		[ "$name" = security-keys ] && echo "$name $value" || echo "$name $(other "$name")"
	done)" "$(settings)"
	k config reset key-types
	k config set security-keys verified
	same "verified 4096 /srv/homes" "$(k config get security-keys) $(k config get rsa-bits) $(k config get homes)"
}

@test "set and reset print the setting as JSON" {
	same "rsa-bits 3072 false" "$(value '"\(.name) \(.value) \(.default)"' config set rsa-bits 3072)"
	same "rsa-bits 2048 true" "$(value '"\(.name) \(.value) \(.default)"' config reset rsa-bits)"
}

@test "what is so already is said, and is no change" {
	before=$(changes)
	try 0 k config set rsa-bits 2048
	same "rsa-bits is 2048 already." "$output"
	try 0 k config reset shell
	same "shell is /bin/bash already." "$output"
	same "$before" "$(changes)"
	k config set rsa-bits 3072
	same $((before + 1)) "$(changes)"
	k config set rsa-bits 3072
	same $((before + 1)) "$(changes)"
	k config reset rsa-bits
	same $((before + 2)) "$(changes)"
}

@test "the change log has the setting as it was and as it is, and the command" {
	k config set homes /srv/before
	k config set homes /srv/after
	last=$(mdb_dump -p -n -s change "$db/private/access.mdb" | sed '1,/^HEADER=END/d' | grep '^ ' | tail -n 1)
	[[ $last == *"config set"*"/srv/before"*"/srv/after"* ]]
	k config reset homes
	last=$(mdb_dump -p -n -s change "$db/private/access.mdb" | sed '1,/^HEADER=END/d' | grep '^ ' | tail -n 1)
	[[ $last == *"config reset"*"/srv/after"*"/projects"* ]]
}

# Wrong values

@test "a bad value is a usage error that names it and what is allowed, and changes nothing" {
	files=$(files)
	long=/$(printf 'x%.0s' {1..470})
	check() {
		refused 2 "$3" k config set "$1" "$2"
		[[ $stderr == *"$1"* ]]
	}
	check host "two words" 'host "two words" is no host name: write one such as ssh.example.org'
	check host "-x" '"-x" is no host name'
	check host "$(printf 'x%.0s' {1..300})" "is no host name"
	check key-types ssh-dss '"ssh-dss" is no type that is taken: write all, or some of ssh-ed25519,ssh-rsa,ecdsa-sha2-nistp256,'
	check key-types "ssh-rsa,,ssh-ed25519" '"" is no type that is taken'
	check rsa-bits 2047 '"2047": write a number from 2048 to 16384'
	check rsa-bits 16385 '"16385": write a number from 2048 to 16384'
	check rsa-bits lots '"lots": write a number from 2048 to 16384'
	check security-keys on '"on": write optional, required or verified'
	check git-author yes '"yes": write on or off'
	check grace-text $'over\nand out' 'cannot be used: one line is wanted, without control or invisible characters'
	check grace-text $'\e[2J' 'cannot be used'
	check grace-text "$(printf 'x%.0s' {1..256})" "grace-text is too long: at most 255 bytes, and this has 256"
	check agent 1 '"1": write on or off'
	check homes projects '"projects" cannot be used: an absolute path is wanted'
	check homes /projects/ "without a slash at its end"
	check homes $'/pro\e[2Jjects' "cannot be used"
	check homes "$long" "homes is too long: at most 470 bytes, and this has 471"
	check shell bash '"bash" cannot be used: an absolute path is wanted'
	check shell "/$(printf 'x%.0s' {1..255})" "shell is too long: at most 255 bytes, and this has 256"
	same "$files" "$(files)"
}

@test "an empty value is refused: a variable that was not set would take the host's name away" {
	k config set host ssh.example.org
	for name in $(value '.[].name' config list); do
		refused 2 "the value for $name is empty: 'keyacct config reset $name' takes it back" k config set "$name" ""
	done
	same ssh.example.org "$(k config get host)"
}

@test "an unknown name is not found, and the names are listed" {
	for words in "get nothing" "set nothing 1" "reset nothing" "get rsa_bits" "get HOST"; do
		# shellcheck disable=SC2086
		refused 3 "there is no setting \"$(awk '{print $2}' <<<"$words")\"; there are: $(value '[.[].name] | join(" ")' config list)" \
			k config $words
	done
	same not-found "$(k --json config get nothing 2>&1 | jq -r .error.code)"
}

@test "words that are missing or too many are a usage error" {
	refused 2 "something is missing: it takes NAME VALUE" k config set rsa-bits
	refused 2 "one word too many: it takes NAME VALUE" k config set key-types ssh-rsa, ssh-ed25519
	refused 2 "something is missing: it takes NAME" k config get
	refused 2 "one word too many: it takes no arguments" k config list rsa-bits
	refused 2 "there is no command 'config unset'" k config unset host
}

@test "settings under which no key could be used are a conflict" {
	k config set key-types ssh-ed25519,ssh-rsa
	refused 4 "no key could be used: security-keys would be required, and key-types ssh-ed25519,ssh-rsa; change the other one first" \
		k config set security-keys required
	k config set key-types ssh-ed25519,sk-ssh-ed25519@openssh.com
	try 0 k config set security-keys required
	refused 4 "no key could be used" k config set key-types ssh-ed25519
	same "required ssh-ed25519,sk-ssh-ed25519@openssh.com" "$(k config get security-keys) $(k config get key-types)"
}

@test "import takes what config set takes, and nothing else; export has it" {
	bad() {
		run --separate-stderr k import - <<<"{\"type\":\"settings\",$1}"
		same 6 "$status"
		[[ $stderr == *"$2"* ]]
	}
	before=$(settings)
	bad '"rsa_bits":1024' 'rsa-bits "1024": write a number from 2048 to 16384'
	bad '"host":"two words"' 'host "two words" is no host name'
	bad '"key_types":["ssh-dss"]' 'key-types: "ssh-dss" is no type that is taken'
	bad '"homes":"/srv/"' 'without a slash at its end'
	bad '"key_types":["ssh-rsa"],"security_keys":"required"' "no key could be used"
	same "$before" "$(settings)"
	k import - <<<'{"type":"settings","rsa_bits":4096,"host":"ssh.example.org","key_types":["ssh-ed25519","ssh-rsa"]}'
	same "ssh.example.org ssh-ed25519,ssh-rsa 4096" "$(k config get host) $(k config get key-types) $(k config get rsa-bits)"
	k config set security-keys optional
	k config set homes /srv/homes
	same "4096 /srv/homes" "$(k export | jq -r 'select(.type == "settings") | "\(.rsa_bits) \(.homes)"')"
}

# What a change does

@test "a policy that locks registered keys out says how many" {
	k key add owner "$(pub owner)"
	k key add student "$(pub owner)"
	k key add student "$(pub rsa)"
	try 0 k config set rsa-bits 3072
	same "keyacct: 1 registration is refused now; 'keyacct audit' shows which" "$stderr"
	# The one that is locked out already does not count again.
	try 0 k config set key-types ssh-rsa
	same "keyacct: 2 registrations are refused now; 'keyacct audit' shows which" "$stderr"
	same 3 "$(value '[.[] | select(.what | test("^key-(type|bits)$"))] | length' audit)"
	try 0 k config reset key-types
	same "" "$stderr"
	run --separate-stderr k --json config set key-types ssh-rsa
	same "2 registrations are refused now; 'keyacct audit' shows which" "$(jq -r .warning.message <<<"$stderr")"
}

@test "a host's name that locks registered keys out says how many" {
	k key add owner --hosts projects "$(pub owner)"
	k key add student --hosts gate,ssh.example.org "$(pub student)"
	try 0 k config set host ssh.example.org
	same "keyacct: 1 registration is refused now; 'keyacct audit' shows which" "$stderr"
	same "owner key-host" "$(value '.[] | select(.what == "key-host") | "\(.handle) \(.what)"' audit)"
}

@test "key add refuses what the policy does not allow, and says what is" {
	k config set rsa-bits 3072
	refused 2 "this RSA key has 2048 bits, and 3072 are the least" k key add owner "$(pub rsa)"
	k config set key-types ssh-ed25519
	refused 2 "keys of type ssh-rsa are not allowed here: make one of ssh-ed25519 ('keyacct config get key-types')" \
		k key add owner "$(pub rsa)"
	try 0 k key add owner "$(pub owner)"
	k config reset key-types
	k config set security-keys required
	refused 2 "keys of type ssh-ed25519 are not allowed here, only those of a security key" k key add student "$(pub student)"
	same 1 "$(value length key list)"
}

@test "key list, authorized-keys and explain know a change at once" {
	project=$(new_project --owner owner)
	k key add owner "$(pub rsa)"
	valid() { k key list --csv | tail -n 1 | cut -d, -f6; }
	same '"yes" 1 0' "$(valid) $(k authorized-keys owner 2>/dev/null | wc -l) $(k explain "$project" "$(pub rsa)" >/dev/null; echo $?)"
	k config set rsa-bits 3072
	same '"key-bits" 0 1' "$(valid) $(k authorized-keys owner 2>/dev/null | wc -l) $(k explain "$project" "$(pub rsa)" >/dev/null; echo $?)"
	same 0 "$(k authorized-keys "$project" 2>/dev/null | wc -l)"
	try 1 k explain "$project" "$(pub rsa)"
	has "refused: key-bits"
	k config reset rsa-bits
	same '"yes" 1 0' "$(valid) $(k authorized-keys owner 2>/dev/null | wc -l) $(k explain "$project" "$(pub rsa)" >/dev/null; echo $?)"
}

@test "the host's name is the one that a key's limit to hosts is judged by" {
	project=$(new_project --owner owner)
	k key add owner --hosts ssh.example.org "$(pub owner)"
	valid() { k key list --csv | tail -n 1 | cut -d, -f6; }
	same '"key-host"' "$(valid)"
	try 0 k authorized-keys owner
	same "" "$output"
	try 1 k explain "$project" "$(pub owner)"
	k config set host SSH.example.org
	same '"yes"' "$(valid)"
	same 1 "$(k authorized-keys owner | wc -l)"
	same 1 "$(k authorized-keys "$project" | wc -l)"
	try 0 k explain "$project" "$(pub owner)"
}

@test "the host's name is shown where people are told what to type; --host goes before it" {
	k config set host ssh.example.org
	try 0 k project add --owner owner
	has "@ssh.example.org"
	id=$(value '.[0].id' project list)
	name=$(tr -d - <<<"$id")
	same "ssh $name@ssh.example.org" "$(value .login project show "$id")"
	same "ssh $name@ssh.example.org" "$(value '.[0].login' project list)"
	same "ssh $name@other" "$(value .login project show "$id" --host other)"
	try 0 k project show "$id"
	has "$name@ssh.example.org"
	try 0 k key add owner "$(pub owner)"
	has "$name@ssh.example.org"
	same ssh.example.org "$(value '.[0].hostname' ssh-config owner)"
	same other "$(value '.[0].hostname' ssh-config owner --host other)"
	k config reset host
	same "ssh $name@projects" "$(value .login project show "$id")"
	same projects "$(value '.[0].hostname' ssh-config owner)"
}

@test "new projects get home, shell and agent of the settings, older ones stay" {
	old=$(value .id project add)
	k config set homes "/srv/two  homes"
	k config set shell /bin/sh
	k config set agent off
	new=$(value .id project add)
	told=$(value .id project add --home /home/told --shell /bin/dash --agent on)
	shown() { value '"\(.home) \(.shell) \(.agent)"' project show "$1"; }
	same "/projects/$old /bin/bash true" "$(shown "$old")"
	same "/srv/two  homes/$new /bin/sh false" "$(shown "$new")"
	same "/home/told /bin/dash true" "$(shown "$told")"
	k config reset agent
	same true "$(value .agent project add)"
}

@test "a shell that this host does not have is set, with a warning" {
	try 0 k config set shell /bin/none
	same "keyacct: /bin/none is no program on this host: nobody can log in until it is" "$stderr"
	# Once, not at every other change.
	try 0 k config set agent off
	same "" "$stderr"
}

@test "settings that are damaged are told, and nothing is said or changed as if they were the defaults" {
	k config set rsa-bits 3072
	k project add --owner owner
	k key add owner "$(pub owner)"
	perl -0777 -i -pe 's/(\/projects)(\x00\x09\/bin\/bash\x00\x00\x00\x01)/\/projectz$2/g' "$db/private/access.mdb"
	for words in "config list" "config get host" "config set host x" "audit" "key add student $(pub student)" \
		"key list" "project list" "authorized-keys owner" "ssh-config owner" "project add"; do
		# shellcheck disable=SC2086
		refused 5 "is damaged" k $words
	done
}

@test "reset --all gives every setting its default, also when they are damaged" {
	k config set rsa-bits 4096
	k config set host gate
	try 0 k config reset --all
	same "All settings have their defaults now." "$output"
	same 0 "$(k --json config list | jq '[.[] | select(.default | not)] | length')"
	k config set host a-host-to-be-found
	for at in $(grep -abo a-host-to-be-found $db/private/access.mdb | cut -d: -f1); do
		printf X | dd of=$db/private/access.mdb bs=1 seek="$at" conv=notrunc status=none
	done
	refused 5 "damaged" k config list
	try 0 k config reset --all
	try 0 k config list
}

@test "reset wants one name, or --all" {
	refused 2 "name one setting, or say --all" k config reset
	refused 2 "name one setting, or say --all" k config reset host --all
}
