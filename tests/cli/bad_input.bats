#!/usr/bin/env bats
# Bad input for every option and every argument of every command that changes something: an error that names it, the exit
# status that goes with it, and not a row of the database is another one afterwards. What there is to try comes out of the
# help: a command, an option or a kind of value that is not told here what is bad for it fails.
load helpers

setup_file() { make_keys owner narrow shared new; }

setup() {
	new_db
	people
	project=829e7b56-93d6-11e7-ae8e-e70cea5e8cd7
	second=11111111-93d6-11e7-ae8e-e70cea5e8cd7
	k project add $project --owner owner --title Climate >/dev/null
	k project add $second --owner owner --owner student >/dev/null
	# Ids that begin alike.
	for n in 1 2; do
		k account add twin-$n --id aaaaaaaa-93d6-11e7-ae8e-e70cea5e8cd$n >/dev/null
		k project add bbbbbbbb-93d6-11e7-ae8e-e70cea5e8cd$n >/dev/null
	done
	k group add staff >/dev/null
	k group add-member staff student >/dev/null
	k member add $project outsider >/dev/null
	k key add owner "$(pub owner)" >/dev/null
	k key add owner --project $project "$(pub narrow)" >/dev/null
	k key add owner "$(pub shared)" >/dev/null
	k key add student "$(pub shared)" >/dev/null
	cd "$BATS_TEST_TMPDIR" || return 1
	k export >lines
	tried=0
}

# changing: the commands that change rows by what they are given; the others are named here. What is bad for the end of a
# session and for the files of a host is in tests/sshd/session_end.bats and setup.bats.
changing() {
	commands | grep -vxE '(account|project|group|key) (list|show)|(member|config) list|config get' |
		grep -vxE 'init|setup|doctor|explain|ssh-config|authorized-keys|session (list|end)|who|sweep|audit|export|check|backup|restore|drain'
}

# options COMMAND: its options with their kinds of value, but for those that only choose what is shown
options() {
	# shellcheck disable=SC2086
	keyacct $1 --help | sed -nE 's/^  (--[a-z-]+)( [A-Za-z|]+)? .*/\1\2/p' | grep -vE '^--(dir|json|help)( |$)' |
		grep -vE "$([ "$1" = changes ] && echo '^--(since|until|by|command|project|account|limit|follow|csv)' || echo '^$')"
}

# args_of COMMAND OPTION: arguments with which it works, beside this option
args_of() {
	case "$1 $2" in
	"account add "*) echo newcomer ;;
	"account set "* | "account suspend "* | "account resume "*) echo student ;;
	"account remove "*) echo outsider ;;
	"project add "*) echo cccccccc-93d6-11e7-ae8e-e70cea5e8cd7 ;;
	"project set "* | "project archive "* | "project unarchive "* | "project remove "*) echo $project ;;
	"member add "*) echo "$second outsider" ;;
	"member remove "*) echo "$project outsider" ;;
	"group add "*) echo guests ;;
	"group add-member "*) echo "staff outsider" ;;
	"group remove-member "*) echo "staff student" ;;
	"group remove "*) echo staff ;;
	"key add "*) echo "owner $(pub new)" ;;
	# Instead of a key, or of lines, there can be something else.
	"key remove --origin" | "import --authorized-keys" | "import --passwd" | "import --account") ;;
	"key set "* | "key activate "* | "key deactivate "* | "key remove "*) print_of "$(pub narrow)" ;;
	"config set "*) echo "rsa-bits 3072" ;;
	"config reset "*) echo rsa-bits ;;
	"import "*) echo lines ;;
	"changes "*) ;;
	*)
		echo "what does '$1' work with?" >&2
		return 1
		;;
	esac
}

# needs_of COMMAND OPTION: options without which it has nothing to do
needs_of() {
	case "$1 $2" in
	"account set ") echo "--name x" ;;
	"project set " | "key set ") echo "--title x" ;;
	"import --authorized-keys" | "import --passwd") echo "--account owner" ;;
	"import --account") echo "--authorized-keys $(pub new)" ;;
	esac
}

# repeat TEXT N
repeat() { printf "$1%.0s" $(seq "$2"); }

# What is bad: lines of exit status, text of the error, and value as printf takes it, with | between them.

no_text() {
	cat <<-'END'
		2|has the control character U+000A|a\nb
		2|has the control character U+0009|\tb
		2|has the control character U+001B|a\x1b[31mb
		2|has the control character U+0001|\x01
		2|has the control character U+007F|a\x7f
		2|has the control character U+0085|a\xc2\x85b
		2|has the control character U+2028|a\xe2\x80\xa8b
		2|has the byte 0xFF, which is no UTF-8|a\xffb
		2|has the byte 0xC3, which is no UTF-8|a\xc3
		2|has the byte 0xED, which is no UTF-8|\xed\xa0\x80
	END
}

no_time() {
	local bad
	for bad in tomorrow '' 2030-02-30 2030-13-01 2030-1-1 10000-01-01 9999-12-31T23:59:59-00:01 1969-12-31 1970-01-01 \
		1969-12-31T23:59:59Z 2016-12-31T23:59:60Z 2030-06-30T12:30:60Z 2030-01-01T24:00:00Z 2030-01-01T00:00 +99999999d +99999999999999999999s \
		+1mo +-1d 30d never-ever; do
		echo "2|--$1 \"$bad\" is no time|$bad"
	done
	[ "$1" != expires ] || echo '2|--expires "2000-01-01" has passed|2000-01-01'
}

no_account() {
	echo '3|there is no account "nobody"|nobody'
	echo '3|there is no account ""|'
	echo '3|there is no account "aaaaaaa"|aaaaaaa'
	echo "3|there is no account \"xxxx|$(repeat x 5000)"
	echo '4|several accounts begin with "aaaaaaaa"|aaaaaaaa'
}

no_project() {
	echo '3|there is no project "22222222"|22222222'
	echo '3|there is no project ""|'
	echo '3|there is no project "829e7b5"|829e7b5'
	echo '3|there is no project "Climate"|Climate'
	echo "3|there is no project \"xxxx|$(repeat x 5000)"
	echo '4|several projects begin with "bbbbbbbb"|bbbbbbbb'
}

no_group() {
	echo '3|there is no group "nobody"|nobody'
	echo '3|there is no group ""|'
	echo '3|there is no group "xxxx|'"$(repeat x 5000)"
}

no_handle() {
	local bad
	for bad in '' Upper 'a b' .a deadbeef öwner; do echo "2|\"$bad\" cannot be a $1|$bad"; done
	echo "2|is too long|$(repeat x 65)"
}

no_list() {
	echo "2|--$1 is too long: at most|$(repeat x 5000)"
	echo "2|--$1 \"a,,b\" has an empty element|a,,b"
	echo "2|--$1 \",\" has an empty element|,"
}

no_file() {
	printf '%s\n' '3|cannot read nowhere: No such file|nowhere' '3|cannot read : No such file|' '6|cannot read /tmp: Is a directory|/tmp' \
		"6|cannot read xxxx|$(repeat x 5000)"
}

no_path() {
	echo "2|--$1 is too long: at most|/$(repeat x 5000)"
	echo "2|--$1 \"relative\" cannot be used|relative"
	echo "2|--$1 \"\" cannot be used|"
	echo "2|--$1 \"/a:b\" cannot be used|/a:b"
	printf '2|--%s "/a b" cannot be used|/a\\nb\n2|--%s "/ab" cannot be used|/a\\xffb\n' "$1" "$1"
}

# bad_options COMMAND OPTION KIND: what is bad for this one
bad_options() {
	local bad
	[[ $3 == DIR || $3 == FILE ]] || no_text
	case $3 in
	TITLE | NAME | EMAIL | TEXT) echo "2|--$2 is too long: at most|$(repeat x 5000)" ;;
	TIME | "TIME|never") no_time "$2" ;;
	TAGS | HOSTS) no_list "$2" ;;
	ADDRESSES)
		no_list "$2"
		for bad in example.org '192.0.2.*' '!192.0.2.1' 192.0.2.1/24 2001:db8::1/32 192.0.2.0/33; do
			echo "2|\"$bad\" is no list of addresses|$bad"
		done
		;;
	HOST) printf '2|--host "" can be no host|\n2|can be no host'"'"'s name: 1 to 253 characters|%s\n' "$(repeat x 254)" ;;
	"off|loopback|on") for bad in On '' yes 1 offloopback; do echo "2|--$2 \"$bad\": write off, loopback or on|$bad"; done ;;
	"on|off") for bad in On '' yes 1 onoff; do echo "2|--$2 \"$bad\": write on or off|$bad"; done ;;
	"owner|collaborator") for bad in Owner '' admin owner,collaborator; do echo "2|--role \"$bad\": write owner or collaborator|$bad"; done ;;
	N) for bad in '' 0 999 65534 2147352576 18446744073709551617 -1 1e4 0x1388 ' 5000'; do echo "2|--uid \"$bad\" cannot be|$bad"; done ;;
	UUID) for bad in '' 5f0c8a3e hello 00000000-0000-0000-0000-000000000000; do echo "2|\"$bad\" is no UUID that can be an id|$bad"; done ;;
	FILE) if [ "$1" = import ]; then no_file; else no_path "$2"; fi ;;
	DIR) no_path "$2" ;;
	HANDLE) no_handle handle && echo '4|the handle "owner" is taken|owner' ;;
	ACCOUNT) no_account ;;
	PROJECT) no_project ;;
	LABEL) if [ "$1" = import ]; then
		for bad in '' Upper 'a b' a,b deadbeef; do echo "2|--origin \"$bad\" is no label|$bad"; done
		echo "2|is no label|$(repeat x 64)"
	else printf '2|--origin is empty|\n3|has the origin "no-such"|no-such\n3|has the origin "xxxx|%s\n' "$(repeat x 5000)"; fi ;;
	*)
		echo "what is bad for --$2 $3?" >&2
		return 1
		;;
	esac
	# Of one kind, and yet of its own.
	case "$1 --$2" in
	"key set --title") echo '2|the title is empty|' ;;
	"key add --from" | "key add --hosts") echo "2|--$2 is empty|" ;;
	"key add --project" | "key set --project") echo "4|is no member of project bbbbbbbb-93d6-11e7-ae8e-e70cea5e8cd1|bbbbbbbb-93d6-11e7-ae8e-e70cea5e8cd1" ;;
	"changes --prune") echo '2|--prune "+1d" is to come|+1d' ;;
	"key set --no-project") echo "3|is not for project $second|$second" ;;
	"account add --id") echo '4|is taken by account "twin-1"|aaaaaaaa-93d6-11e7-ae8e-e70cea5e8cd1' ;;
	esac
}

# bad_arguments COMMAND KIND: the same for an argument
bad_arguments() {
	local bad
	case "$1 $2" in
	*" ACCOUNT") no_account ;;
	*" PROJECT") no_project ;;
	*" ACCOUNT|@GROUP") no_account && no_group | sed -E 's/\|([^|]*)$/|@\1/' ;;
	*" HANDLE") no_handle handle && printf '%s\n' '4|the handle "owner" is taken|owner' '2|cannot be a handle|a\nb' '2|cannot be a handle|a\xff' ;;
	"group add NAME") no_handle "group's name" && printf '%s\n' '4|there is a group "staff" already|staff' '2|cannot be a group|a\nb' ;;
	"group "*" NAME") no_group ;;
	*" UUID") bad_options "$1" "" UUID | grep -v U+ | grep -v UTF && echo "4|there is a project $second already|$second" ;;
	"config "*" NAME") printf '%s\n' '3|there is no setting ""|' '3|there is no setting "nonsense"|nonsense' '3|there is no setting "a b"|a\nb' \
		"3|there is no setting \"xxxx|$(repeat x 5000)" ;;
	*" VALUE") for bad in 0 2047 16385 1e4 -1 x "$(repeat 9 200)"; do echo "2|rsa-bits \"$bad\": write a number|$bad"; done ;;
	"import FILE|-") no_file ;;
	*" FILE|-") printf '3|cannot read nowhere.pub|nowhere.pub\n6|cannot read /tmp|/tmp\n2|there is no key here|/dev/null\n2|private key|%s\n' "$BATS_FILE_TMPDIR/owner" ;;
	*" KEY") printf '%s\n' '3|there is no key "SHA256:nThbg6kX"|SHA256:nThbg6kX' '3|there is no key ""|' '3|there is no key "laptop"|laptop' \
		"3|there is no key \"xxxx|$(repeat x 5000)" "4|2 registrations fit|$(print_of "$(pub shared)")" ;;
	*)
		echo "what is bad for the argument $2 of '$1'?" >&2
		return 1
		;;
	esac
}

# rejected STATUS TEXT COMMAND...: with this status and an error that has this text, and nothing is printed
rejected() {
	local want=$1 text=$2 err status=0
	shift 2
	err=$(k "$@" 2>&1 >out </dev/null) || status=$?
	# An import reports in any case.
	[ "$1" != import ] || sed -i '/^0 added, 0 changed, 0 unchanged, 0 removed, 0 refused$/d' out
	if [ "$status" -ne "$want" ] || [[ $err != "keyacct: "*"$text"* ]] || [ -s out ]; then
		printf 'expected status %s and: %s\ncommand: %s\nstatus: %s\nstderr: %s\n' "$want" "$text" "$(printf '%q ' "$@" | cut -c 1-300)" \
			"$status" "$err"
		return 1
	fi
	tried=$((tried + 1))
}

# each_bad COMMAND POSITION OPTION: read lines of bad values, and try each of them: as the argument at this position, or as
# this option's value
each_bad() {
	local command=$1 position=$2 option=$3 status text value args
	while IFS='|' read -r -u 8 status text value; do
		# A last | is part of no value here; printf keeps a newline at the end that $(...) would take away.
		printf -v value '%b' "$value"
		# shellcheck disable=SC2207
		args=($(args_of "$command" "$option"))
		[ -z "$position" ] || args[position]=$value
		# shellcheck disable=SC2086
		rejected "$status" "$text" $command ${option:+$(needs_of "$command" "$option") "$option=$value"} -- "${args[@]}" || return 1
	done 8<&0
}

# all_bad NOUN: everything that is bad for the commands of this noun
all_bad() {
	local before usage command kinds i option kind
	before=$(dump)
	while read -r -u 9 usage; do
		command=$(sed -E 's/ [A-Z[].*//' <<<"$usage")
		read -r -a kinds <<<"$(sed -E 's/^[a-z -]+//; s/[][]//g' <<<"$usage")"
		# It works when nothing is bad.
		rm -rf works
		cp -a "$db" works
		# shellcheck disable=SC2046,SC2086
		keyacct --dir works $command $(args_of "$command" "") $(needs_of "$command" "") </dev/null
		for i in "${!kinds[@]}"; do
			bad_arguments "$command" "${kinds[i]}" >bad
			each_bad "$command" "$i" "" <bad
		done
		while read -r -u 7 option kind; do
			if [ -z "$kind" ]; then
				# shellcheck disable=SC2046,SC2086
				rejected 2 "$option takes no value" $command $option=x $(args_of "$command" "")
				continue
			fi
			bad_options "$command" "${option#--}" "$kind" >bad
			each_bad "$command" "" "$option" <bad
		done 7< <(options "$command")
		same "$before" "$(dump)"
	done 9< <(usages | grep -E "^$1( |$)" | grep -Ef <(changing | sed 's/.*/^&( [A-Z[]|$)/'))
	echo "tried: $tried"
}

@test "account: nothing bad gets in" {
	all_bad account
	[ "$tried" -ge 143 ]
}

@test "project: nothing bad gets in" {
	all_bad project
	[ "$tried" -ge 307 ]
}

@test "member: nothing bad gets in" {
	all_bad member
	[ "$tried" -ge 117 ]
}

@test "group: nothing bad gets in" {
	all_bad group
	[ "$tried" -ge 56 ]
}

@test "key: nothing bad gets in" {
	all_bad key
	[ "$tried" -ge 460 ]
}

@test "config: nothing bad gets in" {
	all_bad config
	[ "$tried" -ge 29 ]
}

@test "import: nothing bad gets in" {
	all_bad import
	[ "$tried" -ge 53 ]
}

@test "changes: nothing bad gets in" {
	all_bad changes
	[ "$tried" -ge 31 ]
}

@test "every command that changes something is among these" {
	same "account changes config group import key member project" "$(changing | cut -d' ' -f1 | sort -u | xargs)"
}
