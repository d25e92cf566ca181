#!/usr/bin/env bats
# A platform's back end that is not root: what examples/sudoers.keyacct lets it do, by a real sudo, and what not.
load helpers

setup_file() {
	make_keys owner student
	useradd --create-home platform
	useradd --create-home another
	# As the file itself says.
	install -m 440 /usr/share/doc/keyacct/examples/sudoers.keyacct /etc/sudoers.d/keyacct
	visudo -c
}

setup() {
	cd /home/platform || return 1
	default_db
	people
	id=829e7b56-93d6-11e7-ae8e-e70cea5e8cd7
	second=929e7b56-93d6-11e7-ae8e-e70cea5e8cd7
	k project add $id --owner=owner >/dev/null
	k key add owner "$(pub owner)" >/dev/null
	print=$(print_of "$(pub owner)")
}

# platform ARG...: what it asks sudo for, from its own directory
platform() { runuser -u platform -- env -C /home/platform sudo -n "$@"; }
# back_end ARG...: keyacct as the back end runs it
back_end() { platform keyacct --json "$@"; }

# denied WORD...: sudo lets it run no such thing, and nothing has changed
denied() {
	local before
	before=$(files)
	try 1 platform "$@"
	[[ $stderr == *"not allowed"* || $stderr == *"not permitted"* || $stderr == *"a password is required"* ]] || {
		show_run "expected that sudo refuses: $*"
		return 1
	}
	same "$before" "$(files)"
}

@test "the file is as sudo wants it" {
	visudo -c -f /usr/share/doc/keyacct/examples/sudoers.keyacct
	same "440 root" "$(stat -c '%a %U' /etc/sudoers.d/keyacct)"
	# Every command of it is the installed tool, and every pattern of arguments has both of its ends.
	commands=$(grep -vE '^(#|$)' /etc/sudoers.d/keyacct | grep -o '/[a-z/]*/keyacct .*')
	[ "$(wc -l <<<"$commands")" -ge 11 ]
	refute grep -vE '^/usr/sbin/keyacct (\^--json [^ ].*\$(, \\)?|import --mirror -)$' <<<"$commands"
	refute grep -E '[^\\]\.[*+?]|\[\^' <<<"$commands"
}

@test "what it is for: accounts, projects, members and keys" {
	try 0 back_end account add someone --id=11111111-93d6-11e7-ae8e-e70cea5e8cd7
	same 11111111-93d6-11e7-ae8e-e70cea5e8cd7 "$(jq -r .id <<<"$output")"
	try 0 back_end account add a.b_c+d@example.org
	try 0 back_end account suspend someone
	try 0 back_end account resume 11111111-93d6-11e7-ae8e-e70cea5e8cd7
	try 0 back_end project add $second --owner=owner --owner=someone
	try 0 back_end project add
	try 0 back_end project archive $second
	try 0 back_end project unarchive "$(tr -d - <<<$second)"
	try 0 back_end member add $id student
	try 0 back_end member add $id student --role=owner --not-before=2026-01-01 --expires=2100-01-01T00:00:00Z
	try 0 back_end member add "$(tr -d - <<<$id)" student --not-before=never --expires=+90d
	try 0 back_end member remove $id student
	try 0 back_end member add $id student --role=collaborator
	try 0 back_end key add student - <"$(pub student)"
	same "$(print_of "$(pub student)")" "$(jq -r .fingerprint <<<"$output")"
	try 0 back_end explain $id "$(print_of "$(pub student)")" --from=192.0.2.7
	same granted "$(jq -r .result <<<"$output")"
	try 0 back_end explain $id "$(print_of "$(pub student)")" --from=2001:db8::7 --at=+30d
	try 0 back_end key list
	same 2 "$(jq length <<<"$output")"
	try 0 back_end key list student --project=$id
	same 1 "$(jq length <<<"$output")"
	try 0 back_end key remove "$(print_of "$(pub student)")" --account=student
	try 0 back_end key add student --project=$id --expires=+30d - <"$(pub student)"
	try 0 back_end key remove "$(print_of "$(pub student)")"
	try 0 back_end account remove someone
	agree
}

@test "a mirror of its data, by one pipe" {
	{
		k export | grep -v '"type": *"end"'
		echo '{"type":"account","id":"11111111-93d6-11e7-ae8e-e70cea5e8cd7","handle":"someone"}'
		echo '{"type":"end"}'
	} >"$BATS_TEST_TMPDIR/data"
	try 0 platform keyacct import --mirror - <"$BATS_TEST_TMPDIR/data"
	k account show someone
	same "import" "$(value '.[-1].command' changes --by platform)"
	for words in "import" "import -" "import --mirror" "import --mirror /etc/passwd" "import --mirror - --force" \
		"import --mirror --force -" "import --mirror - --origin x" "import --passwd /etc/passwd" \
		"import --authorized-keys /root/.ssh/authorized_keys --account=owner" "--json import --mirror -" "import --mirror=- -"; do
		# shellcheck disable=SC2086
		denied keyacct $words
	done
}

@test "the change log names the back end, behind the login or root" {
	back_end member add $id student >/dev/null
	same "{\"uid\":$(cat /proc/self/loginuid 2>/dev/null | sed 's/^4294967295$/0/'),\"sudo_user\":\"platform\",\"command\":\"member add\"}" \
		"$(k --json changes --limit 1 | jq -c '.[0] | {uid: .by.uid, sudo_user: .by.sudo_user, command}')"
	same "member add" "$(value '.[].command' changes --by platform)"
	# It cannot say that it was somebody else.
	denied SUDO_USER=root keyacct --json member remove $id student
	runuser -u platform -- env SUDO_USER=root SUDO_UID=0 LOGNAME=root USER=root sudo -n keyacct --json member remove $id student
	same platform "$(value '.[-1].by.sudo_user' changes)"
}

@test "the login uid is noted as well" {
	bash -c 'echo 4321 >/proc/self/loginuid' 2>/dev/null || skip "this kernel lets nobody set a login uid here"
	uid=$(id -u another)
	bash -c "echo $uid >/proc/self/loginuid && exec runuser -u platform -- sudo -n keyacct --json member add $id student"
	same "{\"uid\":$uid,\"user\":\"another\",\"sudo_user\":\"platform\"}" "$(k --json changes --limit 1 | jq -c '.[0].by')"
	try 0 k changes --limit 1
	has " another (sudo: platform) "
}

@test "another database cannot be named" {
	for words in "--dir /tmp account add x" "--json --dir /tmp account add x" "--dir=/tmp --json account add x" \
		"--json account add x --dir /tmp" "--json account add x --dir=/tmp" "--json account --dir /tmp add x" \
		"--json account add --dir=/tmp x" "--json member add $id student --dir /tmp" "--json key list --dir /tmp" \
		"--json key list owner --dir=/tmp" "--json key add owner --dir=/tmp -" "--json key add owner - --dir /tmp" "--json project add --dir /tmp" \
		"--json project add $second --dir=/tmp" "--json explain $id $print --dir /tmp" \
		"--json key remove $print --dir /tmp" "--dir /tmp import --mirror -" "import --mirror - --dir /tmp"; do
		# shellcheck disable=SC2086
		denied keyacct $words
	done
}

@test "no file is read in its stead" {
	for words in "key add owner /etc/shadow" "key add owner $(pub student)" "key add owner" "key add owner ./-" "key add owner - /etc/shadow" \
		"explain $id /etc/shadow" "explain $id $(pub owner)" "explain $id -" "explain $id ./SHA256:x" "key add - owner"; do
		# shellcheck disable=SC2086
		denied keyacct --json $words
	done
}

@test "no other command" {
	for words in "init" "drain" "changes" "changes --prune 2026-01-01" "changes --by platform" "config list" "config set homes /" \
		"config set security-keys optional" "restore x" "backup x" "check --repair" "export" "account list" "account show owner" \
		"project list" "project show $id" "project set $id --ssh off" "project remove $id" "member list $id" \
		"group add staff" "group add-member staff student" "key show $print" "key set $print --title x" "key activate $print" \
		"key deactivate $print" "ssh-config owner" "authorized-keys owner" "session list" "session end $id" "audit" "setup" "doctor" \
		"account rm owner" "account delete owner" "member rm $id owner" "key rm $print" "help" "--version"; do
		# shellcheck disable=SC2086
		denied keyacct $words
		# shellcheck disable=SC2086
		denied keyacct --json $words
	done
	denied keyacct
	denied keyacct --json
	# JSON it is: the words alone are not in the list.
	denied keyacct account add someone
	denied keyacct member add $id student
	denied keyacct --json --json account add someone
}

@test "no other option, and none twice where it would count" {
	for words in "account add someone --name x" "account add someone --email x" "account add --id=$second someone" "account add someone --help" \
		"project add --uid 1000" "project add $second --uid 1000" "project add --home /" "project add --shell /bin/sh" "project add --title x" \
		"project add $second --owner=owner --uid 1000" "project add --ssh on" "project add --owner=owner $second" \
		"member add $id student --role=root" "member add $id student --role=owner --role=owner" "member add $id student --force" \
		"member add $id student --role owner" "project add --owner owner" "member add $id @staff" "member remove $id @staff" "member add $id student --expires=never --role=owner" \
		"key add owner --title=x -" "key add owner --from=0.0.0.0/0 -" "key add owner --expires=never -" "key add owner --note=x -" \
		"key add owner - --project=$id" "key add owner - --expires=+30d" "key add owner -- -" \
		"key add owner - -" "key add owner - --project=$id -" "key add owner - --expires=+30d -" \
		"key list --csv" "key list --tag x" "key list owner student" "key list --project=829e7b56" \
		"key remove SHA256:nThbg6kX" "key remove $print --account=owner --force" "explain $id $print --from=host" "explain $id $print --at=1"; do
		# shellcheck disable=SC2086
		denied keyacct --json $words
	done
}

@test "ids are whole, handles are handles, times are times" {
	for word in 829e7b56 "${id}0" "${id%?}" "${id^^}" "$id/" "../$id" "" "*"; do
		denied keyacct --json project add "$word"
		denied keyacct --json project archive "$word"
		denied keyacct --json member add "$word" student
		denied keyacct --json member remove "$word" student
		denied keyacct --json account add someone --id="$word"
		denied keyacct --json key add owner --project="$word" -
		denied keyacct --json key list --project="$word"
		denied keyacct --json explain "$word" "$print"
	done
	for word in Owner owner/x /owner -owner --owner ./owner 'owner*' 'own?r' 'owner;id' "owner'" 'owner"' 'owner$x' 'owner\' 'öwner' '' '@staff' \
		"$(printf 'a%.0s' {1..65})" $'\xff'; do
		denied keyacct --json account suspend "$word"
		denied keyacct --json member add $id "$word"
	done
	for word in Owner ../owner -owner 'own?r' '' '@staff'; do
		denied keyacct --json account add "$word"
		denied keyacct --json project add --owner="$word"
		denied keyacct --json member remove $id "$word"
		denied keyacct --json key add "$word" -
		denied keyacct --json key list "$word"
		denied keyacct --json key remove "$print" --account="$word"
	done
	for word in 90d -90d +90m +90 + 2026-1-1 2026-01-01T00:00:00 tomorrow "2026-01-01 12:00:00Z" +999999d '' Never; do
		denied keyacct --json member add $id student --expires="$word"
		denied keyacct --json member add $id student --not-before="$word"
		denied keyacct --json key add owner --expires="$word" -
		denied keyacct --json explain $id "$print" --at="$word"
	done
}

@test "a blank, a line break or another invisible thing brings nothing in" {
	for word in "owner --dir /tmp" "owner --role=owner" $'owner\n--dir\n/tmp' $'owner\n' $'\nowner' $'owner\t--dir' 'owner ' ' owner' \
		$'owner\r' $'owner\v' $'owner\u00a0x' $'owner\u2028x'; do
		denied keyacct --json account suspend "$word"
		denied keyacct --json key add "$word" -
		denied keyacct --json member remove $id "$word"
	done
	denied keyacct --json account add someone "--id=$second --dir /tmp"
	denied keyacct --json $'account add\nsomeone'
	denied keyacct $'--json\naccount' add someone
	denied keyacct $'--json account add someone\n'
	denied keyacct --json account add someone ""
	denied keyacct --json key add "" owner -
}

# allowed: one command line or more for every pattern of the file, with all that it takes
allowed() {
	cat <<-END
		--json account add someone --id=$second
		--json account suspend student
		--json project add $second --owner=owner --owner=student
		--json project archive $id
		--json member add $id student --role=owner --expires=+90d
		--json member remove $id student
		--json key add student --project=$id --project=$id --expires=+30d -
		--json key add student --project=$id -
		--json key add student -
		--json key list student --project=$id
		--json key remove $print --account=owner
		--json explain $id $print --from=192.0.2.7 --at=+30d
		import --mirror -
	END
}

@test "every pattern of the file lets through what it is for" {
	while read -r pattern; do
		grep -qE -- "$pattern" < <(allowed) || {
			echo "no command line is tried for: $pattern"
			return 1
		}
	done < <(grep -oE '(\^--json .*\$|import --mirror -)' /etc/sudoers.d/keyacct)
	while read -r -u 9 line; do
		# shellcheck disable=SC2086
		try 0 platform -l keyacct $line
	done 9< <(allowed)
}

@test "words that come as one, which sudo cannot tell, are refused by the tool, and name no file" {
	k member add $id student >/dev/null
	k key add student "$(pub student)" >/dev/null
	before=$(files)
	tried=0
	while read -r -u 9 line; do
		read -ra words <<<"$line"
		# Each of the gaps between the words is a gap or a blank in a word.
		for ((gaps = 1; gaps < 1 << (${#words[@]} - 1); gaps++)); do
			these=("${words[0]}")
			for ((i = 1; i < ${#words[@]}; i++)); do
				if ((gaps >> (i - 1) & 1)); then these[-1]+=" ${words[i]}"; else these+=("${words[i]}"); fi
			done
			same "$line" "${these[*]}"
			run --separate-stderr keyacct "${these[@]}" <"$(pub student)"
			[ "$status" -ge 2 ] && [ "$status" -le 4 ] && [[ $stderr != *"cannot read"* ]] || {
				show_run "$(printf '"%s" ' "${these[@]}")"
				return 1
			}
			tried=$((tried + 1))
		done
	done 9< <(allowed)
	[ $tried -gt 300 ]
	same "$before" "$(files)"
	# That sudo cannot tell is so: this one is the tool's to refuse.
	try 3 back_end key add "owner -"
}

@test "no trick with the path, the shell or the environment" {
	printf '#!/bin/sh\nid >/home/platform/ran\n' >/home/platform/keyacct
	cp /usr/sbin/keyacct /home/platform/copy
	ln -sf /bin/sh /home/platform/link
	chmod 755 /home/platform/keyacct
	words=(--json account add someone)
	denied ./keyacct "${words[@]}"
	denied /home/platform/keyacct "${words[@]}"
	denied /home/platform/copy "${words[@]}"
	denied /home/platform/link "${words[@]}"
	denied -s keyacct "${words[@]}"
	denied -i keyacct "${words[@]}"
	denied -E keyacct "${words[@]}"
	denied -u another keyacct "${words[@]}"
	denied -g root keyacct "${words[@]}"
	denied -D / keyacct "${words[@]}"
	denied -R / keyacct "${words[@]}"
	denied LD_PRELOAD=/home/platform/x.so keyacct "${words[@]}"
	denied sh -c 'keyacct --json account add someone'
	denied env keyacct "${words[@]}"
	denied sudoedit /etc/passwd
	# sudo looks the name up itself: one that stands first in the caller's path is not run.
	runuser -u platform -- env -C /home/platform PATH=/home/platform:/usr/bin sudo -n keyacct "${words[@]}"
	[ ! -e /home/platform/ran ]
	k account show someone
	# Nothing of the caller's environment reaches it.
	runuser -u platform -- env LD_PRELOAD=/nonexistent.so LD_LIBRARY_PATH=/home/platform sudo -n keyacct --json account remove someone 2>"$BATS_TEST_TMPDIR/err"
	refute k account show someone
}

@test "nobody else may run any of it" {
	for words in "--json account add someone" "import --mirror -" "--json key list"; do
		# shellcheck disable=SC2086
		try 1 runuser -u another -- sudo -n keyacct $words
	done
	# Nor the back end without sudo.
	try 5 runuser -u platform -- /usr/sbin/keyacct --json account list
}
