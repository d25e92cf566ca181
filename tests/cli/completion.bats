#!/usr/bin/env bats
# What TAB brings in a bash with its line editor on a terminal, as somebody would type it.

load helpers

setup_file() {
	make_keys owner student
	cat >"$BATS_FILE_TMPDIR/rc" <<-'END'
		# Everything that fits goes into the line, and ctrl-o writes the line down.
		PS1='> ' PROMPT_COMMAND=': >ready'
		bind '"\t": insert-completions' '"\C-t": complete' 'set bell-style none' 'set enable-bracketed-paste off'
		bind -x '"\C-o": printf %s "$READLINE_LINE" >line.new; mv line.new line'
		unset HISTFILE
	END
}

setup() {
	new_db
	people
	project=$(new_project 829e7b5693d611e7ae8ee70cea5e8cd7 --owner owner --title 'Climate data')
	second=$(new_project 929e7b5693d611e7ae8ee70cea5e8cd7 --owner owner)
	k key add owner "$(pub owner)" >/dev/null
	k key add student "$(pub student)" >/dev/null
	k group add staff >/dev/null
	mkdir "$BATS_TEST_TMPDIR/here"
	cd "$BATS_TEST_TMPDIR/here" || return 1
}

# Words at a prompt; what it says else is in "screen".
start_bash() {
	mkfifo keys
	script -qfec "$* bash --noprofile --rcfile $BATS_FILE_TMPDIR/rc -i" screen <keys >/dev/null 3>&- &
	pid=$!
	exec 7>keys
	until [ -e ready ]; do kill -0 $pid; done
}

# typed KEYS: the line after these
typed() {
	rm -f line
	printf '\025%s\017' "$1" >&7
	until [ -e line ]; do kill -0 $pid; done
	cat line
}

# offers TEXT WORDS: TAB behind TEXT makes these of its last word, in any order
offers() {
	local got
	got=$(typed "$1"$'\t')
	got=${got#"${1% *} "}
	same "$(tr ' ' '\n' <<<"$2" | sort)" "$(tr ' ' '\n' <<<"${got% }" | sort)"
}

# offers_nothing TEXT: the line stays
offers_nothing() { same "$1" "$(typed "$1"$'\t')"; }

teardown() {
	[ -z "${pid:-}" ] || kill "$pid"
}

# source_in_bash FILE
source_in_bash() {
	printf '. %s; : >sourced\n' "$1" >&7
	until [ -e sourced ]; do kill -0 $pid; done
}

use() {
	start_bash
	source_in_bash /usr/share/bash-completion/completions/keyacct
}

@test "nouns and their verbs are those of the help" {
	use
	offers 'keyacct ' "$(echo $(nouns) --dir --json --help --version)"
	offers 'keyacct --json ac' account
	offers 'keyacct key ' 'add list show set activate deactivate remove'
	offers 'keyacct key de' deactivate
	offers 'keyacct help member ' 'add list remove'
	offers_nothing 'keyacct nonsense x'
	offers_nothing 'keyacct no/such x'
	offers_nothing 'keyacct key no/such x'
	offers_nothing 'keyacct key add --no/such x'
	refute grep sed: screen
}

@test "options are those of the help, and none a second time that is taken once" {
	use
	offers 'keyacct member add --' '--role --not-before --expires --keep-sessions --run --dir --json --help'
	offers 'keyacct member add --role owner --not-before never --keep-sessions --' '--expires --run --dir --json --help'
	offers 'keyacct key add owner --project x --pr' --project
	offers 'keyacct session list ' '--project --account --key --run --csv --dir --json --help'
	offers 'keyacct member add --role ' 'owner collaborator'
	offers 'keyacct member add --role=o' --role=owner
	offers 'keyacct project set x --tcp ' 'off loopback on'
	offers 'keyacct key list --state ' 'active inactive'
	offers 'keyacct key list --sort ' 'used title account project state type created expires'
	offers 'keyacct key add owner --expires ' never
	offers 'keyacct changes --by ro' root
	offers_nothing 'keyacct key add owner --title x'
}

@test "ids, handles, groups, settings and fingerprints are those of the database" {
	local id owner student
	owner=$(print_of "$(pub owner)")
	student=$(print_of "$(pub student)")
	id=$(value .id account show owner)
	use
	offers "keyacct --dir $db project show " "$project $second"
	offers "keyacct project show --dir $db 82" "$project"
	offers "keyacct project show --dir=$db 92" "$second"
	offers "keyacct --dir $db account show o" 'owner outsider'
	offers "keyacct --dir $db account show ${id:0:6}" "$id"
	offers "keyacct --dir $db member add $project " 'owner student outsider @staff'
	offers "keyacct --dir $db member add $project @s" '@staff'
	offers "keyacct --dir $db member add --role owner --expires never $project st" student
	offers "keyacct --dir $db key list --account=st" '--account=st'
	offers "keyacct --dir $db project add --owner=st" --owner=student
	offers "keyacct --dir $db group show " staff
	offers_nothing "keyacct --dir $db group add "
	offers "keyacct --dir $db config set rsa" rsa-bits
	offers "keyacct --dir $db key show " "$owner $student"
	offers "keyacct --dir $db key show ${owner:0:12}" "$owner"
	offers "keyacct --dir $db authorized-keys st" student
	offers "keyacct --dir $db authorized-keys 82" "$project"
}

@test "one TAB completes a word that has colons, and goes on behind it" {
	local owner
	owner=$(print_of "$(pub owner)")
	use
	same "keyacct --dir $db key show $owner --json " "$(typed "keyacct --dir $db key show ${owner:0:14}"$'\x14'--js$'\x14')"
}

@test "sessions are named by the ids of the registry" {
	make_registry "$BATS_TEST_TMPDIR/run"
	add_session $$ owner "$project"
	use
	offers "keyacct session end --run $BATS_TEST_TMPDIR/run " "$entry"
}

@test "files stand where a file may" {
	: >student.pub
	mkdir "a dir"
	use
	offers "keyacct --dir $db key add owner st" student.pub
	same 'keyacct backup a\ dir' "$(typed $'keyacct backup a\x14' | sed 's,/$,,')"
	offers "keyacct --dir $db explain $project st" student.pub
}

@test "a title in quotes is one word" {
	use
	offers "keyacct --dir $db project add --title \"a --tcp b\" --tcp l" loopback
	offers "keyacct --dir $db key add --title 'some words' st" student
}

@test "who may not read the database is offered commands, and told nothing" {
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_TEST_TMPDIR"
	chmod 777 .
	chmod 755 "$BATS_FILE_TMPDIR"
	mkdir bin
	printf '#!/bin/sh\necho "$*" >>asked\nexec /usr/sbin/keyacct "$@"\n' >bin/keyacct
	chmod 755 bin bin/keyacct
	start_bash setpriv --reuid nobody --regid nogroup --clear-groups env HOME=/ PATH="$PWD/bin:$PATH"
	source_in_bash /usr/share/bash-completion/completions/keyacct
	offers 'keyacct key de' deactivate
	offers_nothing "keyacct --dir $db project show "
	offers_nothing "keyacct --dir $db key show SHA"
	offers_nothing 'keyacct account show '
	offers_nothing 'keyacct session end '
	refute grep -iE 'keyacct:|permission|no such' screen
	# Not even asked: that could take time.
	grep -q -e --help asked
	refute grep list asked
}

@test "without a database, or one that is damaged, nothing is said" {
	use
	offers_nothing "keyacct --dir $BATS_TEST_TMPDIR/none project show "
	truncate -s 100 "$db/private/access.mdb"
	offers_nothing "keyacct --dir $db project show "
	refute grep -iE 'keyacct:|no such|damaged' screen
}

@test "bash-completion loads it by itself, behind sudo too" {
	start_bash
	source_in_bash /usr/share/bash-completion/bash_completion
	offers 'keyacct key de' deactivate
	offers 'sudo keyacct key de' deactivate
	offers "sudo keyacct --dir $db account show st" student
}
