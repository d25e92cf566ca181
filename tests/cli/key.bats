#!/usr/bin/env bats
# keyacct key: what people paste, and what becomes of it.
load helpers

setup_file() {
	make_keys owner student other rsa_owner
	cd "$BATS_FILE_TMPDIR" || return 1
	ssh-keygen -q -t rsa -b 1024 -N '' -C old -f rsa1024
	ssh-keygen -q -t rsa -b 2048 -N '' -C rsa2048 -f rsa2048
	ssh-keygen -q -t rsa -b 3072 -N '' -C rsa3072 -f rsa3072
	for bits in 256 384 521; do
		ssh-keygen -q -t ecdsa -b $bits -N '' -C ecdsa$bits -f ecdsa$bits
	done
	ssh-keygen -q -s other -I id -n owner -z 9 owner.pub
	# Security keys need a token to be made; these are the public halves of the unit tests.
	echo "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIHnrRUNdJzM80rcv/f7rzdqMXtRrEgxP8tx606sZmge7AAAABHNzaDo= token" >sk_ed25519.pub
	echo "sk-ecdsa-sha2-nistp256@openssh.com AAAAInNrLWVjZHNhLXNoYTItbmlzdHAyNTZAb3BlbnNzaC5jb20AAAAIbmlzdHAyNTYAAABBBKRi6m+Rie/MxAy5i9WtfJAZ+2XyrH3HG399z0Lh+DQPT7U8vhO7y+WbvWe7q8ADTmO7vgaWVV1Kp3uR1zh/nZkAAAAEc3NoOg== token" >sk_ecdsa.pub
}

setup() {
	new_db
	people
	project=$(new_project --owner owner)
	second=$(new_project --owner owner)
	foreign=$(new_project --owner student)
	cd "$BATS_FILE_TMPDIR" || return 1
	type=$(cut -d' ' -f1 owner.pub)
	base64=$(cut -d' ' -f2 owner.pub)
	sha256=$(print_of owner.pub)
}

# pasted TEXT [OPTION]...: key add with TEXT (escapes as in printf) on standard input, expecting the owner's key
pasted() {
	local text=$1
	shift
	try 0 k key add owner "$@" < <(printf "$text")
	same "$sha256" "$(value '.[].fingerprint' key list owner)"
	k key remove "$sha256" >/dev/null
}

# unpasted STATUS SENTENCE TEXT: refused, and nothing is registered
unpasted() {
	refused "$1" "$2" k key add owner < <(printf "$3")
	same "[]" "$(k --json key list)"
}

# Where the key comes from

@test "a key from a file, from standard input, and from -" {
	try 0 k key add owner owner.pub
	k key remove "$sha256"
	try 0 k key add owner <owner.pub
	k key remove "$sha256"
	try 0 k key add owner - <owner.pub
	same "$sha256" "$(value '.[].fingerprint' key list)"
}

@test "the message names key and account, and ends with the line to type" {
	try 0 k key add owner owner.pub
	same "The key \"owner@laptop\" ($sha256) of \"owner\" opens every project that the account owns or collaborates in:" "${lines[0]}"
	same "$(printf 'ssh %s@projects\n' "$project" "$second" | sort)" "$(tail -n +2 <<<"$output" | sort)"
	try 0 k key add owner --project "${project:0:8}" --host ssh.example.org other.pub
	same "The key \"other@laptop\" ($(print_of other.pub)) of \"owner\" opens nothing but this:" "${lines[0]}"
	same "ssh $project@ssh.example.org" "${lines[1]}"
	same 2 "${#lines[@]}"
}

@test "without a project the message says how to make one" {
	try 0 k key add outsider owner.pub
	has "there is none yet; next: keyacct project add --owner outsider"
	lacks "ssh "
}

@test "of many projects five are named" {
	for _ in 1 2 3 4 5; do new_project --owner owner >/dev/null; done
	try 0 k key add owner owner.pub
	has "7 projects, among them:"
	same 5 "$(grep -c '^ssh ' <<<"$output")"
}

@test "on a terminal it asks for the key; in a pipe it does not" {
	try 0 k key add owner <owner.pub
	same "" "$stderr"
	k key remove "$sha256"
	# Ctrl-D at the beginning of a line ends the paste.
	{ cat owner.pub; printf '\004'; } >typed
	run script -qec "keyacct --dir $db key add owner" /dev/null <typed
	same 0 "$status"
	has "Paste the public key, then Ctrl-D:"
	has "ssh $project@projects"
	same "$sha256" "$(value '.[].fingerprint' key list)"
}

@test "a file that is missing, a directory, an empty one, a huge one" {
	refused 3 "cannot read nowhere.pub: No such file or directory" k key add owner nowhere.pub
	refused 2 "there is no key here" k key add owner /dev/null
	refused 2 "longer than any public key" k key add owner /dev/zero
	same "[]" "$(k --json key list)"
}

@test "a key file that cannot be read is not a damaged database" {
	refused 6 "cannot read $BATS_FILE_TMPDIR: Is a directory" k key add owner "$BATS_FILE_TMPDIR"
}

@test "an account that does not exist is reported before anything is pasted" {
	refused 3 'there is no account "nobody"' k key add nobody </dev/null
}

# The clean-up of a paste

@test "blanks, tabs and newlines around and inside are cleaned up" {
	pasted "  $type   $base64  \n\n"
	pasted "\t$type\t$base64\tcomment\t\n"
	pasted "\n\n$type $base64 comment"
	pasted "$type $base64"
}

@test "CRLF, a lone CR, a byte order mark, a no-break space" {
	pasted "$type $base64 owner@laptop\r\n"
	pasted "$type\r\n$base64\r\nowner@laptop\r\n"
	pasted "$type $base64\r"
	pasted "\xef\xbb\xbf$type $base64\n"
	pasted "$type\xc2\xa0$base64\n"
}

@test "wrapped base64, a break after the type" {
	pasted "$type\n$base64\n"
	pasted "$type ${base64:0:20}\n${base64:20:20}\n${base64:40}\n"
	pasted "$type ${base64:0:21}\r\n   ${base64:21:1}\r\n${base64:22} comment\r\n"
	pasted "$type $(sed 's/./& /g' <<<"$base64")"
}

@test "a line that begins with # is a remark" {
	pasted "# my key\n$type $base64 owner@laptop\n"
}

@test "a wrapped RSA key" {
	b=$(cut -d' ' -f2 rsa3072.pub)
	try 0 k key add owner < <(echo ssh-rsa; fold -w 64 <<<"$b"; echo "owner@laptop and more")
	same "$(print_of rsa3072.pub)" "$(value '.[].fingerprint' key list)"
	same "owner@laptop" "$(value '.[].title' key list)"
}

# What is refused

@test "several keys: refused, with their number" {
	refused 2 "these are 2 keys" k key add owner < <(cat owner.pub other.pub)
	refused 2 "these are 5 keys" k key add owner < <(cat owner.pub rsa2048.pub ecdsa256.pub sk_ed25519.pub other.pub)
	same "[]" "$(k --json key list)"
}

@test "several keys: the command that is recommended exists" {
	run --separate-stderr k key add owner < <(cat owner.pub other.pub)
	hint=$(grep -o 'keyacct [a-z][a-z ]*' <<<"${stderr#keyacct: }")
	[ -n "$hint" ]
	# shellcheck disable=SC2086
	run $hint --help
	same 0 "$status"
}

@test "a private key: refused, and not a byte of it is kept or shown" {
	ssh-keygen -q -t rsa -b 2048 -m PEM -N '' -f "$BATS_TEST_TMPDIR/pem"
	ssh-keygen -q -t ecdsa -N '' -f "$BATS_TEST_TMPDIR/pkcs8"
	ssh-keygen -q -p -m PKCS8 -N '' -f "$BATS_TEST_TMPDIR/pkcs8"
	ssh-keygen -q -t ed25519 -N secret -f "$BATS_TEST_TMPDIR/locked"
	grep -q 'BEGIN RSA PRIVATE KEY' "$BATS_TEST_TMPDIR/pem"
	grep -q 'BEGIN PRIVATE KEY' "$BATS_TEST_TMPDIR/pkcs8"
	for file in "$BATS_FILE_TMPDIR/owner" "$BATS_TEST_TMPDIR/pem" "$BATS_TEST_TMPDIR/pkcs8" "$BATS_TEST_TMPDIR/locked"; do
		for way in "$file" -; do
			refused 2 "this is a private key: paste the public half instead" k key add owner "$way" <"$file"
			[[ $stderr == *"replace this private key"* ]]
			refused 2 "this is a private key" k explain "$project" "$way" <"$file"
			try 2 k --json key add owner "$way" <"$file"
		done
		# A piece out of the middle of each line, looked for in all that was said and stored.
		grep -v -- ----- "$file" | cut -c 5-16 | grep -E '.{12}' >"$BATS_TEST_TMPDIR/pieces"
		grep -qFf "$BATS_TEST_TMPDIR/pieces" "$file"
		for way in "$file" -; do
			for form in "" --json; do
				run ! grep -qFf "$BATS_TEST_TMPDIR/pieces" < <(k key add owner "$way" $form 2>&1 <"$file")
				run ! grep -qFf "$BATS_TEST_TMPDIR/pieces" < <(k explain "$project" "$way" $form 2>&1 <"$file")
			done
		done
		run ! grep -raqFf "$BATS_TEST_TMPDIR/pieces" "$db" /var/log
	done
	same "[]" "$(k --json key list)"
}

@test "a private key without its first line is not repeated either" {
	sed 1d owner >"$BATS_TEST_TMPDIR/headless"
	try 2 k key add owner "$BATS_TEST_TMPDIR/headless"
	sed -n 3p owner >"$BATS_TEST_TMPDIR/piece"
	try 2 k key add owner "$BATS_TEST_TMPDIR/piece"
	[[ $stderr != *"$(cut -c1-12 "$BATS_TEST_TMPDIR/piece")"* ]]
}

@test "a private key with its public half behind it is a private key" {
	refused 2 "this is a private key" k key add owner < <(cat owner owner.pub)
	refused 2 "this is a private key" k key add owner < <(cat owner.pub owner)
}

@test "options in front: refused, with the flags that do the same" {
	for options in 'command="/bin/true"' 'restrict' 'no-pty,no-X11-forwarding' 'from="192.0.2.0/24",command="echo a b"' \
		'environment="A=ssh-rsa"' 'cert-authority' 'expiry-time="20300101"'; do
		refused 2 "options or other text in front of the key" k key add owner < <(echo "$options $type $base64 owner@laptop")
		[[ $stderr == *--from* && $stderr == *--expires* ]]
	done
	same "[]" "$(k --json key list)"
}

@test "truncated base64, trailing bytes, a different type inside" {
	unpasted 2 "cut short" "$type ${base64%????}\n"
	unpasted 2 "cut short" "$type ${base64:0:20}\n"
	unpasted 2 "cut short" "$type ${base64%?}\n"
	unpasted 2 "malformed" "$type ${base64:0:30}=${base64:31}\n"
	unpasted 2 "not followed by base64" "$type\n"
	unpasted 2 "not followed by base64" "$type owner@laptop\n"
	unpasted 2 "left over" "$type $(base64 -d <<<"$base64" | { cat; printf xyz; } | base64 -w0)\n"
	unpasted 2 "holds a key of another type" "ssh-rsa $base64\n"
	unpasted 2 "holds a key of another type" "ssh-ed25519 $(cut -d' ' -f2 rsa2048.pub)\n"
}

@test "a point off the curve, an even modulus" {
	unpasted 2 "not on its curve" \
		"ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBKRi6m+Rie/MxAy5i9WtfJAZ+2XyrH3HG399z0Lh+DQPT7U8vhO7y+WbvWe7q8ADTmO7vgaWVV1Kp3uR1zh/nZg="
	# The modulus stands last in an RSA key: its last byte made even.
	raw=$BATS_TEST_TMPDIR/raw
	cut -d' ' -f2 rsa2048.pub | base64 -d | head -c -1 >"$raw"
	printf '\x02' >>"$raw"
	unpasted 2 "modulus of this RSA key is even" "ssh-rsa $(base64 -w0 "$raw")\n"
}

@test "no key at all, a type that is not known, a missing type" {
	unpasted 2 "there is no key here" ""
	unpasted 2 "there is no key here" " \n\t\r\n"
	unpasted 2 "this does not begin with a key type" "hello\n"
	unpasted 2 'unknown key type "ssh-ed448"' "ssh-ed448 AAAAC3NzaC1lZDQ0OAAAADk=\n"
	unpasted 2 "the key type in front of the base64 is missing" "$base64 owner@laptop\n"
	unpasted 2 "NUL bytes" "s\0s\0h\0"
}

@test "DSA and short RSA: refused, with the line that makes a better key" {
	# Nothing of it is read beyond the type.
	unpasted 2 "ssh-keygen -t ed25519" "ssh-dss AAAAB3NzaC1kc3MAAACBAJgt+Z7AIFIcDHKk9P2Kj owner@laptop\n"
	[[ $stderr == *"DSA"* ]]
	refused 2 "ssh-keygen -t ed25519" k key add owner rsa1024.pub
	[[ $stderr == *1024* && $stderr == *2048* ]]
	same "[]" "$(k --json key list)"
}

@test "a certificate: refused as a key" {
	refused 2 "this is a certificate: paste the plain public key" k key add owner owner-cert.pub
}

@test "SSH2 and PEM public keys: refused, with the ssh-keygen line that converts them" {
	ssh-keygen -e -f rsa2048.pub >"$BATS_TEST_TMPDIR/ssh2"
	ssh-keygen -e -m PKCS8 -f rsa2048.pub >"$BATS_TEST_TMPDIR/pkcs8"
	ssh-keygen -e -m PEM -f rsa2048.pub >"$BATS_TEST_TMPDIR/pem"
	refused 2 "ssh-keygen -i -f FILE" k key add owner "$BATS_TEST_TMPDIR/ssh2"
	refused 2 "ssh-keygen -i -m PKCS8 -f FILE" k key add owner "$BATS_TEST_TMPDIR/pkcs8"
	refused 2 "ssh-keygen -i -m PEM -f FILE" k key add owner "$BATS_TEST_TMPDIR/pem"
	# The lines do what they promise.
	for line in "-i -f ssh2" "-i -m PKCS8 -f pkcs8" "-i -m PEM -f pem"; do
		# shellcheck disable=SC2086
		(cd "$BATS_TEST_TMPDIR" && ssh-keygen $line) | k key add owner >/dev/null
		same "$(print_of rsa2048.pub)" "$(value '.[].fingerprint' key list)"
		k key remove "$(print_of rsa2048.pub)"
	done
}

@test "the same key again is a conflict that names its title" {
	k key add owner --title laptop owner.pub
	refused 4 'the account has this key already, as "laptop"' k key add owner --title desktop owner.pub
	refused 4 'as "laptop"' k key add owner --project "$project" < <(printf "$type\r\n$base64\r\n")
	same "laptop" "$(value '.[].title' key list)"
}

# What is registered

@test "every type that OpenSSH takes, with the fingerprints of ssh-keygen" {
	for file in owner.pub rsa2048.pub rsa3072.pub ecdsa256.pub ecdsa384.pub ecdsa521.pub sk_ed25519.pub sk_ecdsa.pub; do
		try 0 k key add owner $file
		read -r bits fingerprint _ < <(ssh-keygen -lf $file)
		same "$(cut -d' ' -f1 $file) $bits $fingerprint $(md5_of $file | sed 's/^MD5://')" \
			"$(value '"\(.key_type) \(.bits) \(.fingerprint) \(.fingerprint_md5)"' key show "$fingerprint")"
	done
	same 8 "$(value length key list)"
}

@test "the title is --title, else the first word of the comment, else type and date" {
	k key add owner --title 'My laptop' owner.pub
	k key add owner < <(echo "$(cut -d' ' -f1,2 other.pub) first second")
	before=$(date -u +%F)
	k key add owner < <(cut -d' ' -f1,2 student.pub)
	after=$(date -u +%F)
	same "My laptop" "$(value .title key show "$sha256")"
	same first "$(value .title key show "$(print_of other.pub)")"
	[[ "ssh-ed25519 $before|ssh-ed25519 $after" == *"$(value .title key show "$(print_of student.pub)")"* ]]
}

@test "a comment with control characters, direction marks or broken UTF-8 is cleaned" {
	for comment in '\x1b[31mlap\x1b[0mtop' '\xe2\x80\xaelap\xe2\x80\x8btop' '\xff\xfelap\xc3top'; do
		try 0 k key add owner < <(printf "$type $base64 $comment\n")
		run --separate-stderr k key list
		same "" "$(tr -d '[:print:]\n' <<<"$output" | LC_ALL=C tr -d '[:print:]\n')"
		[[ $(value '.[].title' key list) =~ ^(\[31mlap\[0mtop|laptop)$ ]]
		k key remove "$sha256"
	done
	# What is typed, and not pasted with a key, is refused.
	refused 2 '--title "a b" has the control character U+0009 in it: leave that out' k key add owner --title $'a\tb' owner.pub
	same "[]" "$(k --json key list)"
	refused 2 "--title is too long" k key add owner --title "$(printf 'x%.0s' {1..256})" other.pub
}

@test "a comment of any length" {
	try 0 k key add owner < <(echo "$type $base64 $(printf 'x%.0s' {1..2000})")
	[ "$(value '.[].title | length' key list)" -gt 20 ]
}

@test "--project opens the named projects alone; may be repeated, takes a beginning" {
	k key add owner --project "${project:0:8}" --project "$(hyphens "$second")" owner.pub
	same "$(printf '%s\n' "$(hyphens "$project")" "$(hyphens "$second")" | sort)" "$(value '.projects[]' key show "$sha256" | sort)"
	third=$(new_project --owner owner)
	try 1 k explain "$third" owner.pub
	has key-reach
	try 0 k explain "$second" owner.pub
	# For all projects: no such field.
	k key add owner other.pub
	same null "$(value .projects key show "$(print_of other.pub)")"
}

@test "--project of a project that the account is no member of is a conflict" {
	refused 4 "the account is no member of project $(hyphens "$foreign")" k key add owner --project "$foreign" owner.pub
	refused 4 "the account is no member of project" k key add owner --project "$project" --project "$foreign" owner.pub
	k project remove "$second"
	refused 4 "the account is no member of project $(hyphens "$second")" k key add owner --project "$second" owner.pub
	refused 3 "there is no project \"\"" k key add owner --project "" owner.pub
	same "[]" "$(k --json key list)"
}

@test "the JSON of key add says which projects the key is for, as key show does" {
	added=$(k --json key add owner --project "$project" owner.pub)
	same "$(value '.projects | join(" ")' key show "$sha256")" "$(jq -r '.projects // ["all"] | join(" ")' <<<"$added")"
}

@test "--expires and --not-before" {
	k key add owner --not-before 2030-01-02 --expires 2031-02-03T04:05:06Z owner.pub
	same "2030-01-02T00:00:00Z 2031-02-03T04:05:06Z" "$(value '"\(.not_before) \(.expires)"' key show "$sha256")"
	for bad in tomorrow 2030-02-30 30d '' 1; do
		refused 2 "--expires \"$bad\" is no time" k key add owner --expires "$bad" other.pub
		refused 2 "--not-before \"$bad\" is no time" k key add owner --not-before "$bad" other.pub
	done
	refused 2 '--expires "2000-01-01" has passed' k key add owner --expires 2000-01-01 other.pub
	refused 2 "the key would expire before it is valid" k key add owner --not-before +2d --expires +1d other.pub
	same 1 "$(value length key list)"
}

@test "--from takes addresses and blocks, and refuses what sshd would misread" {
	k key add owner --from 192.0.2.7,198.51.100.0/24,2001:db8::/32 owner.pub
	same "192.0.2.7 198.51.100.0/24 2001:db8::/32" "$(value '.from | join(" ")' key show "$sha256")"
	for bad in example.org '192.0.2.*' '!192.0.2.1' 192.0.2.1/24 192.0.2.0/33 2001:db8::1/32 '192.0.2.1 192.0.2.2' \
		192.0.2 192.0.2.0/ '192.0.2.0/24"' 192.0.2.0/+24; do
		refused 2 "\"$bad\" is no list of addresses" k key add owner --from "$bad" other.pub
	done
	# shellcheck disable=SC2258 # commas at the end are what is tried
	for bad in '192.0.2.1,' ',192.0.2.1' '192.0.2.1,,192.0.2.2' , ' , '; do
		refused 2 "--from \"$bad\" has an empty element" k key add owner --from "$bad" other.pub
		refused 2 "--from \"$bad\" has an empty element" k key set "$sha256" --from "$bad"
	done
	for empty in '' ' '; do
		refused 2 "--from is empty: leave it out" k key add owner --from "$empty" other.pub
	done
	same "192.0.2.7 198.51.100.0/24 2001:db8::/32" "$(value '.from | join(" ")' key show "$sha256")"
	# Blanks around the commas are nothing to refuse.
	k key add owner --from '192.0.2.1 , 192.0.2.2' student.pub
	same "192.0.2.1,192.0.2.2" "$(value '.from | join(",")' key show "$(print_of student.pub)")"
	k key remove "$(print_of student.pub)"
	refused 2 "--from is too long" k key add owner --from "$(printf '192.0.2.1,%.0s' {1..60})192.0.2.1" other.pub
	same 1 "$(value length key list)"
}

@test "an option that may stand once is not silently ignored the second time" {
	refused 2 "--from is given twice" k key add owner --from 192.0.2.1 --from 192.0.2.2 owner.pub
	refused 2 "--title is given twice" k key add owner --title a --title=a owner.pub
	same "[]" "$(k --json key list)"
}

@test "every option whose help does not say that it may be given again may stand once" {
	local command option value
	while read -r -u 9 command; do
		while read -r -u 8 option value; do
			# shellcheck disable=SC2086
			run --separate-stderr k $command $option ${value:+x} $option ${value:+x}
			same 2 "$status"
			same "keyacct: $option is given twice" "${stderr_lines[0]}"
		done 8< <(keyacct $command --help | grep -vE 'may be given again|^  --(json|help) ' | sed -nE 's/^  (--[a-z-]+) ([A-Za-z|]+)? .*/\1 \2/p')
	done 9< <(commands)
	refused 2 "--dir is given twice" k key list --dir x --dir y
}

# Listing, showing, removing

@test "list shows title, both fingerprints, reach and last use; filters by account and project" {
	k key add owner --title everywhere owner.pub
	k key add owner --title one --project "$project" other.pub
	k key add student --title foreign student.pub
	try 0 k key list
	same 4 "${#lines[@]}"
	same "TITLE ACCOUNT FINGERPRINT MD5 PROJECTS VALID LAST USED" "$(echo "${lines[0]}" | tr -s ' ')"
	rows=$(tr -s ' ' <<<"$output")
	grep -qxF "one owner $(print_of other.pub) $(md5_of other.pub | sed 's/^MD5://') ${project:0:8} yes never" <<<"$rows"
	grep -qxF "everywhere owner $sha256 $(md5_of owner.pub | sed 's/^MD5://') all yes never" <<<"$rows"
	same "everywhere one" "$(value '[.[].title] | sort | join(" ")' key list owner)"
	same "foreign" "$(value '.[].title' key list student)"
	same "[]" "$(k --json key list outsider)"
	same "everywhere one" "$(value '[.[].title] | sort | join(" ")' key list --project "$project")"
	same "everywhere" "$(value '.[].title' key list --project "$second")"
	same "foreign" "$(value '.[].title' key list --project "$foreign")"
	same "[]" "$(k --json key list student --project "$project")"
}

@test "an empty list says what to do next" {
	try 0 k key list
	same "" "$output"
	same "There are no such keys: keyacct key add ACCOUNT FILE" "$stderr"
}

@test "never used keys come in the order of their fingerprints" {
	for file in owner.pub other.pub student.pub rsa2048.pub; do k key add owner $file; done
	same "$(value '.[].fingerprint' key list | LC_ALL=C sort)" "$(value '.[].fingerprint' key list)"
}

@test "a fingerprint fits a terminal of 80 columns unbroken" {
	k key add owner --title "$(printf 'long title %.0s' {1..8})" owner.pub
	run script -qec "stty cols 80; keyacct --dir $db key list" /dev/null
	has "$sha256"
	has "$(md5_of owner.pub | sed 's/^MD5://')"
}

@test "show by the whole SHA256, its beginning, or the MD5" {
	k key add owner --title mine --note 'in the drawer' owner.pub
	md5=$(md5_of owner.pub)
	for text in "$sha256" "${sha256:0:15}" "${sha256:0:20}" "$md5" "${md5#MD5:}" "${md5^^}"; do
		try 0 k key show "$text"
		has mine
	done
	same "in the drawer" "$(value .note key show "$sha256")"
	refused 3 "there is no key \"${sha256:0:14}\"" k key show "${sha256:0:14}"
	for text in SHA256: "${sha256}x" "${sha256,,}" "${md5%?}" '' mine; do
		refused 3 "there is no key \"$text\"" k key show "$text"
	done
}

@test "remove, rm and delete by any of these" {
	md5=$(md5_of owner.pub)
	k key add owner --title mine owner.pub
	try 0 k key remove "${sha256:0:15}"
	same 'The key "mine" of "owner" is removed, and opens nothing any more.' "$output"
	refused 3 "there is no key" k key show "$sha256"
	k key add owner owner.pub
	try 0 k key rm "$md5"
	k key add owner owner.pub
	try 0 k key delete "$sha256"
	same "[]" "$(k --json key list)"
	refused 3 "there is no key" k key remove "$sha256"
}

@test "a key of several accounts: --account says whose" {
	k key add owner owner.pub
	k key add student owner.pub
	for command in show remove activate deactivate "set --title x"; do
		# shellcheck disable=SC2086
		refused 4 "2 registrations fit \"$sha256\": give the whole fingerprint, and --account ACCOUNT" k key $command "$sha256"
		# shellcheck disable=SC2086
		refused 4 "2 registrations fit" k key $command "${sha256:0:15}"
	done
	same student "$(value .handle key show "${sha256:0:15}" --account student)"
	refused 3 "of account outsider" k key show "$sha256" --account outsider
	refused 3 'there is no account "nobody"' k key show "$sha256" --account nobody
	try 0 k key remove "$sha256" --account student
	same 'The key "owner@laptop" of "student" is removed, and opens nothing any more.
1 other account has registered the same key, and still uses it: keyacct key list shows who.' "$output"
	same owner "$(value '.[].handle' key list)"
	# The key itself is still there for the other one.
	try 0 k authorized-keys owner
	has "$base64"
}

@test "a removed key leaves no trace of its project" {
	k key add owner --project "$project" owner.pub
	k key remove "$sha256"
	k key add owner --project "$second" owner.pub
	same "$(hyphens "$second")" "$(value '.projects[]' key show "$sha256")"
	try 1 k explain "$project" owner.pub
}

@test "thirty-two accounts may share a key, and no more" {
	for n in $(seq 32); do
		k account add sharer-$n >/dev/null
		k key add sharer-$n owner.pub >/dev/null
	done
	refused 4 "32 accounts have registered this key already" k key add owner owner.pub
	k key remove "$sha256" --account sharer-7
	try 0 k key add owner owner.pub
	same 32 "$(value length key list)"
}

@test "a key that lost its project with a membership can be pasted for it again" {
	k member add "$project" student
	k key add student --project "$project" student.pub
	k member remove "$project" student
	k member add "$project" student
	try 0 k key add student --project "$project" student.pub
	try 0 k explain "$project" student.pub
}

@test "a key for one project can be pasted for a second one: that is another scope" {
	k key add owner --project "$project" owner.pub
	try 0 k key add owner --project "$second" owner.pub
	same "$(printf 'ssh %s@projects\n' "$project" "$second" | sort)" "$(tail -n +2 <<<"$output" | sort)"
	try 0 k explain "$second" owner.pub
	try 0 k explain "$project" owner.pub
	same 1 "$(value length key list)"
	same "$(printf '%s\n' "$(hyphens "$project")" "$(hyphens "$second")" | sort)" "$(value '.projects[]' key show "$sha256" | sort)"
	# For one that it has it is a conflict, and so it is between all projects and single ones.
	refused 4 "the account has this key for project $(hyphens "$second") already" k key add owner --project "$second" owner.pub
	refused 4 "the account has this key already" k key add owner owner.pub
	k key add owner other.pub
	refused 4 "the account has this key already" k key add owner --project "$project" other.pub
}

@test "a key pasted for a second project: limits that are given hold, or are refused, and are not dropped" {
	k key add owner --project "$project" owner.pub
	for limit in "--expires 2031-01-01" "--not-before 2030-01-01" "--from 192.0.2.1" "--hosts elsewhere"; do
		before=$(k --json key show "$sha256")
		# shellcheck disable=SC2086
		run --separate-stderr k key add owner --project "$second" $limit owner.pub
		echo "$limit: $status $output"
		if [ "$status" -eq 0 ]; then
			[ "$(jq -S 'del(.projects)' <<<"$before")" != "$(k --json key show "$sha256" | jq -S 'del(.projects)')" ]
		fi
		k key remove "$sha256" >/dev/null
		k key add owner --project "$project" owner.pub >/dev/null
	done
}

# Changing

@test "set changes what it names and nothing else" {
	k key add owner --title old --note remark --tags work,home --from 192.0.2.1 --hosts projects --expires 2031-01-01 owner.pub
	before=$(k --json key show "$sha256")
	try 0 k key set "${sha256:0:15}" --title new
	same 'The key "new" of "owner" is changed; it holds at once.' "$output"
	same "$(jq -S '.title = "new"' <<<"$before")" "$(k --json key show "$sha256" | jq -S .)"
	k key set "$sha256" --note other --tags 'a, b ,c' --from '198.51.100.0/24' --hosts 'projects, Other' --not-before 2030-01-01 --expires 2032-01-01
	same "other a+b+c 198.51.100.0/24 projects+Other 2030-01-01T00:00:00Z 2032-01-01T00:00:00Z new" \
		"$(value '"\(.note) \(.tags | join("+")) \(.from | join("+")) \(.hosts | join("+")) \(.not_before) \(.expires) \(.title)"' key show "$sha256")"
	# An empty list, an empty text and "never" take away.
	k key set "$sha256" --note '' --tags '' --from '' --hosts '' --not-before never --expires never
	same "null null null null null null" \
		"$(value '"\(.note) \(.tags) \(.from) \(.hosts) \(.not_before) \(.expires)"' key show "$sha256")"
	same "$sha256 $(jq -r .created <<<"$before")" "$(value '"\(.fingerprint) \(.created)"' key show "$sha256")"
}

@test "set refuses what add refuses, and changes nothing then" {
	k key add owner --title old --not-before 2030-01-01 owner.pub
	before=$(state)
	refused 2 '--expires "2000-01-01" has passed' k key set "$sha256" --title new --expires 2000-01-01
	refused 2 "the key would expire before it is valid" k key set "$sha256" --expires 2029-01-01
	refused 2 '"192.0.2.*" is no list of addresses' k key set "$sha256" --from '192.0.2.*'
	refused 2 '--hosts "a,,b" has an empty element' k key set "$sha256" --hosts a,,b
	refused 2 '--tags ",a" has an empty element' k key set "$sha256" --tags ,a
	refused 2 "the title is empty" k key set "$sha256" --title ' '
	refused 2 "--note is too long" k key set "$sha256" --note "$(printf 'x%.0s' {1..5000})"
	refused 3 "there is no key" k key set SHA256:nThbg6kX --title new
	same "$before" "$(state)"
}

@test "set --project lets a key for single projects open one more" {
	k key add owner --project "$project" owner.pub
	try 1 k explain "$second" owner.pub
	try 0 k key set "$sha256" --project "$second"
	try 0 k explain "$second" owner.pub
	try 0 k explain "$project" owner.pub
	refused 4 "the account has this key for project $(hyphens "$second") already" k key set "$sha256" --project "$second"
	refused 4 "the account is no member of project $(hyphens "$foreign")" k key set "$sha256" --project "$foreign"
	refused 3 'there is no project "11111111"' k key set "$sha256" --project 11111111
	# One for all projects has nothing to gain.
	k key add owner --title wide other.pub
	refused 4 'the key "wide" opens all of its account'"'"'s projects; to narrow it down' k key set "$(print_of other.pub)" --project "$project"
	same null "$(value .projects key show "$(print_of other.pub)")"
}

@test "set --no-project takes one out of what a key opens; what opens nothing says so" {
	k key add owner --title narrow --project "$project" --project "$second" owner.pub
	try 0 k key set "$sha256" --no-project "${second:0:8}"
	same 'The key "narrow" of "owner" is changed; it holds at once.' "$output"
	same "" "$stderr"
	same "$(hyphens "$project")" "$(value '.projects[]' key show "$sha256")"
	try 1 k explain "$second" owner.pub
	has key-reach
	try 0 k explain "$project" owner.pub
	before=$(dump)
	refused 3 "the key \"narrow\" is not for project $(hyphens "$second"); 'keyacct key show' tells which it is for" \
		k key set "$sha256" --no-project "$project" --no-project "$second"
	refused 3 'there is no project "11111111"' k key set "$sha256" --no-project "$project" --no-project 11111111
	same "$before" "$(dump)"
	# One comes, one goes.
	try 0 k key set "$sha256" --no-project "$project" --project "$second"
	same "" "$stderr"
	same "$(hyphens "$second")" "$(value '.projects[]' key show "$sha256")"
	try 0 k key set "$sha256" --no-project "$second"
	same "keyacct: this key is for no project any more, and opens nothing: keyacct key set KEY --project PROJECT, or keyacct key remove KEY" "$stderr"
	same "[]" "$(value '.projects | tostring' key show "$sha256")"
	same "none key-reach" "$(k key list | awk '$1 == "narrow" {print $5, $6}')"
	try 1 k explain "$second" owner.pub
	# It is not for all of them now.
	try 1 k explain "$project" owner.pub
	has key-reach
	try 0 k key set "$sha256" --project "$project"
	try 0 k explain "$project" owner.pub
	# One for all projects cannot be narrowed down so.
	k key add owner --title wide other.pub
	refused 4 'the key "wide" opens all of its account'"'"'s projects; to narrow it down, remove it and add it again with --project' \
		k key set "$(print_of other.pub)" --no-project "$project"
}

@test "set --expires and --from hold from the next question on" {
	k key add owner owner.pub
	try 0 k explain "$project" owner.pub --at 2031-01-01 --from 192.0.2.1
	k key set "$sha256" --expires 2030-12-31
	try 1 k explain "$project" owner.pub --at 2031-01-01 --from 192.0.2.1
	has key-expired
	k key set "$sha256" --expires never --from 198.51.100.0/24
	try 1 k explain "$project" owner.pub --at 2031-01-01 --from 192.0.2.1
	has key-address
	k key set "$sha256" --from ''
	try 0 k explain "$project" owner.pub --at 2031-01-01 --from 192.0.2.1
}

@test "deactivate and activate, twice too; of several accounts it is one's own" {
	k key add owner --title mine owner.pub
	k key add student owner.pub
	try 0 k key deactivate "$sha256" --account owner
	same 'The key "mine" of "owner" is switched off, and opens nothing any more.
1 other account has registered the same key, and still uses it: keyacct key list shows who.' "$output"
	try 0 k key deactivate "$sha256" --account owner
	same "inactive active" "$(value '[.[] | select(.handle == "owner", .handle == "student")] | sort_by(.handle) | map(.state) | join(" ")' key list)"
	try 1 k explain "$project" owner.pub
	try 0 k explain "$foreign" owner.pub
	try 0 k authorized-keys owner
	lacks "$base64"
	try 0 k key activate "$sha256" --account owner
	same 'The key "mine" of "owner" is switched on.' "${lines[0]}"
	try 0 k key activate "$sha256" --account owner
	try 0 k explain "$project" owner.pub
	for n in 1 2; do
		k account add sharer-$n
		k key add sharer-$n owner.pub
	done
	try 0 k key deactivate "$sha256" --account owner
	has "3 other accounts have registered the same key, and still use it: keyacct key list shows who."
}

@test "add takes hosts and tags" {
	k key add owner --hosts 'projects, other.example.org' --tags ' laptop ,blue' owner.pub
	same "projects other.example.org laptop blue" "$(value '(.hosts + .tags) | join(" ")' key show "$sha256")"
	try 0 k key show "$sha256"
	grep -qx "hosts projects,other.example.org" < <(tr -s ' ' <<<"$output")
	grep -qx "tags laptop,blue" < <(tr -s ' ' <<<"$output")
	refused 2 "--hosts is empty: leave it out" k key add owner --hosts '' other.pub
	refused 2 '--hosts "a," has an empty element' k key add owner --hosts 'a,' other.pub
	refused 2 '--tags "a,,b" has an empty element' k key add owner --tags 'a,,b' other.pub
	same 1 "$(value length key list)"
}

# The filters of list

# listed OPTION...: the titles that key list shows, sorted
listed() { value '[.[].title] | sort | join(" ")' key list "$@"; }

@test "list filters by tag, type, state, last use and end; together they all have to hold" {
	k key add owner --title a --tags work,home --expires 2030-01-01 owner.pub
	k key add owner --title b --tags homework other.pub
	k key add student --title c --tags home --expires 2031-01-01 student.pub
	k key add owner --title d rsa2048.pub
	k key deactivate "$(print_of other.pub)"
	same "a c" "$(listed --tag home)"
	same "a" "$(listed --tag home owner)"
	same "b" "$(listed --tag homework)"
	same "" "$(listed --tag hom)"
	same "" "$(listed --tag work,home)"
	same "d" "$(listed --type ssh-rsa)"
	same "a b c" "$(listed --type ssh-ed25519)"
	same "" "$(listed --type ssh)"
	same "b" "$(listed --state inactive)"
	same "a c d" "$(listed --state active)"
	same "" "$(listed --expires-before 2030-01-01)"
	same "a" "$(listed --expires-before 2030-01-01T00:00:01Z)"
	same "a c" "$(listed --expires-before 2032-01-01)"
	same "c" "$(listed --expires-before 2032-01-01 --tag home student)"
	# Never used is not used since any time.
	same "a b c d" "$(listed --unused-since 2020-01-01)"
	refused 2 '--state "on": write active or inactive' k key list --state on
	refused 2 '--unused-since "never" is no time' k key list --unused-since never
	refused 2 '--expires-before "" is no time' k key list --expires-before ''
	try 0 k key list --tag none
	same "" "$output"
}

@test "list --unused-since knows the last use, and the last used comes first" {
	k key add owner --title early owner.pub
	k key add owner --title late other.pub
	k key add owner --title not student.pub
	account=$(value .id account show owner)
	used "$sha256" "$account" "$project" "$(date -d 2026-01-01T00:00:00Z +%s)"
	used "$(print_of other.pub)" "$account" "$project" "$(date -d 2026-02-01T00:00:00Z +%s)"
	same "late early not" "$(value 'map(.title) | join(" ")' key list)"
	same "2026-01-01T00:00:00Z 192.0.2.7 1 $(hyphens "$project")" \
		"$(value '.last_used | "\(.at) \(.from) \(.count) \(.project)"' key show "$sha256")"
	same "2026-02-01T00:00:00Z 2" "$(value '.last_used | "\(.at) \(.count)"' project show "$project")"
	same "not" "$(listed --unused-since 2026-01-01)"
	same "early not" "$(listed --unused-since 2026-01-01T00:00:01Z)"
	same "early not" "$(listed --unused-since 2026-02-01)"
	same "early late not" "$(listed --unused-since 2026-02-02)"
}

@test "list --csv: every value in quotes, quotes doubled, one line each" {
	k key add owner --title 'say "hi", twice' --project "$project" --project "$second" owner.pub
	try 0 k key list --csv
	same '"TITLE","ACCOUNT","FINGERPRINT","MD5","PROJECTS","VALID","LAST USED"' "${lines[0]}"
	same 2 "${#lines[@]}"
	reach=$(printf '%s\n' "${project:0:8}" "${second:0:8}" | sort | paste -sd,)
	same "\"say \"\"hi\"\", twice\",\"owner\",\"$sha256\",\"$(md5_of owner.pub | sed 's/^MD5://')\",\"$reach\",\"yes\",\"never\"" "${lines[1]}"
	# A reader of such files finds the values again.
	same "say \"hi\", twice|owner|$sha256" "$(perl -ne 'next if $. == 1; my @v = /"((?:[^"]|"")*)"(?:,|$)/g; s/""/"/g for @v; print join("|", @v[0 .. 2])' <<<"$output")"
	# Nothing found is a heading, and no sentence.
	try 0 k key list --csv --tag none
	same '"TITLE","ACCOUNT","FINGERPRINT","MD5","PROJECTS","VALID","LAST USED"' "$output"
	same "" "$stderr"
}

@test "VALID says why a key opens nothing now, whatever its projects are" {
	k key add owner --title yes owner.pub
	k key add owner --title late --not-before 2030-01-01 other.pub
	k key add owner --title there --hosts elsewhere rsa2048.pub
	k key add student --title off student.pub
	k key add outsider --title out ecdsa256.pub
	k key deactivate "$(print_of student.pub)"
	k account suspend outsider
	same "late key-not-yet,off key-inactive,out account-suspended,there key-host,yes yes" \
		"$(k key list | tail -n +2 | awk '{print $1, $6}' | sort | paste -sd,)"
	try 0 k key show "$(print_of student.pub)"
	grep -qx "valid key-inactive" < <(tr -s ' ' <<<"$output")
	k key add owner --title short --expires +1s rsa3072.pub
	until_passed $(($(date +%s) + 1))
	same key-expired "$(k key list | awk '$1 == "short" {print $6}')"
}
