#!/usr/bin/env bats
# needs: sshd
# What an import means for logins: a host's users who become projects, and what a mirror takes away.

load lib

setup_file() {
	load lib
	make_people
}

teardown() { keyacct check >/dev/null; }

# a_user NAME UID: a user of the host with files in a home, whom one key lets in
a_user() {
	useradd --create-home --uid "$2" --shell /bin/bash "$1"
	mkdir -m 700 "/home/$1/.ssh"
	cat "$D/$1.pub" >"/home/$1/.ssh/authorized_keys"
	echo "work of years" >"/home/$1/thesis"
	mkdir "/home/$1/data"
	echo 42 >"/home/$1/data/answer"
	chmod 640 "/home/$1/data/answer"
	chown -R "$1:" "/home/$1"
}

@test "a user of the host becomes a project: the same key, home, files and uid, and their owner has the project's name" {
	new_key moving
	a_user moving 5001
	run login moving moving 'pwd; cat thesis'
	[ "$output" = $'/home/moving\nwork of years' ]
	getent passwd moving >"$D/passwd"
	# As long as the user is there, two would own the files.
	run keyacct import --passwd "$D/passwd"
	[ "$status" -eq 6 ]
	[[ $output == *'the uid 5001 belongs to "moving" on this host: remove that user first'* ]]
	userdel moving
	[ -e /home/moving/thesis ]
	run login moving moving true
	[ "$status" -eq 255 ]
	# First the users, then the keys of each.
	run keyacct import --passwd "$D/passwd"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "1 added, 0 changed, 0 unchanged, 0 removed, 0 refused" ]
	run keyacct import --authorized-keys /home/moving/.ssh/authorized_keys --account moving
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "1 added, 0 changed, 0 unchanged, 0 removed, 0 refused" ]
	T=$(keyacct --json project list | sed -n 's/^ *"id": "\(.*\)",$/\1/p' | tr -d -)
	run login moving "$T" 'pwd; id -u; cat thesis data/answer; echo $KEYACCT_ACCOUNT $KEYACCT_ROLE; echo more >>thesis'
	[ "$status" -eq 0 ]
	[ "$output" = $'/home/moving\n5001\nwork of years\n42\nmoving owner' ]
	[ "$(cat /home/moving/thesis)" = $'work of years\nmore' ]
	# The files have an owner with a name again, the project's, in the group of that name.
	run ls -ld /home/moving /home/moving/data/answer
	[[ ${lines[0]} =~ ^drwx[rwx-]+\ +[0-9]+\ $T\ $T\ .*\ /home/moving$ ]]
	[[ ${lines[1]} =~ ^-rw-r-----\ +1\ $T\ $T\ .*\ /home/moving/data/answer$ ]]
	[ "$(find /home/moving -nouser -o -nogroup)" = "" ]
	# Nobody else gets in, and the old name is nobody's.
	denied stranger "$T"
	denied outsider "$T"
	run login moving moving true
	[ "$status" -eq 255 ]
	# A file of keys in the home counts no more: what the project writes there opens nothing.
	cat "$D/stranger.pub" >>/home/moving/.ssh/authorized_keys
	denied stranger "$T"
}

@test "from= of an authorized_keys file holds for the login" {
	new_key there
	new_key here
	P=$(new_project owner)
	{
		echo "from=\"192.0.2.0/24\" $(cat "$D/there.pub")"
		echo "from=\"127.0.0.0/8,::1\" $(cat "$D/here.pub")"
	} >"$D/authorized_keys"
	keyacct import --authorized-keys "$D/authorized_keys" --account owner
	enters here "$P"
	denied there "$P"
}

@test "a member who is dropped upstream is refused at the very next login, the others still get in" {
	P=$(new_project owner)
	keyacct member add "$P" student
	keyacct member add "$P" outsider
	keyacct export >"$D/lines"
	for key in owner student outsider; do enters $key "$P"; done
	student=$(keyacct --json account show student | sed -n 's/^ *"id": "\(.*\)",$/\1/p')
	grep -v "\"type\":\"member\".*$(hyphened "$P").*$student" "$D/lines" >"$D/without"
	run keyacct import --mirror "$D/without"
	[ "$status" -eq 0 ]
	[[ ${lines[0]} == "0 added, 0 changed, "*" unchanged, 1 removed, 0 refused" ]]
	denied student "$P"
	enters owner "$P"
	enters outsider "$P"
	# And back with the next import.
	keyacct import --mirror "$D/lines"
	enters student "$P"
}

@test "what an import changes holds at the very next login: a key's limits and state, a suspended account, ssh off" {
	P=$(new_project owner)
	keyacct member add "$P" student
	account=$(keyacct --json account show student | sed -n 's/^ *"id": "\(.*\)",$/\1/p')
	key="\"type\":\"key\",\"account\":\"student\",\"key\":\"$(cut -d' ' -f1,2 "$D/student.pub")\""
	enters student "$P"
	for line in "{$key,\"state\":\"inactive\"}" "{$key,\"expires\":\"2020-01-01\"}" "{$key,\"from\":[\"192.0.2.7\"]}" "{$key,\"hosts\":[\"other\"]}" \
		"{$key,\"projects\":[]}" "{\"type\":\"account\",\"id\":\"$account\",\"state\":\"suspended\"}" \
		"{\"type\":\"member\",\"project\":\"$P\",\"account\":\"student\",\"expires\":\"2020-01-01\"}"; do
		keyacct import - <<<"$line"
		denied student "$P"
		enters owner "$P"
		# Everything as it was.
		keyacct import - <<-END
			{$key,"state":"active","expires":null,"from":null,"hosts":null,"projects":null}
			{"type":"account","id":"$account","state":"active"}
			{"type":"member","project":"$P","account":"student","expires":null}
		END
		enters student "$P"
	done
	keyacct import - <<<"{\"type\":\"project\",\"id\":\"$P\",\"ssh\":false}"
	run login student "$P" true
	[ "$status" -eq 255 ]
	keyacct import - <<<"{\"type\":\"project\",\"id\":\"$P\",\"state\":\"deleted\"}"
	denied student "$P"
	denied owner "$P"
}

@test "logins go on while a large import runs" {
	P=$(new_project owner)
	awk 'BEGIN { for (i = 1; i <= 60000; i++) printf "{\"type\":\"project\",\"id\":\"%08x-0000-4000-8000-000000000001\"}\n", i }' >"$D/many"
	keyacct import "$D/many" >"$D/out" 3>&- &
	importing=$!
	n=0
	while kill -0 $importing 2>/dev/null; do
		enters owner "$P"
		denied stranger "$P"
		n=$((n + 1))
	done
	wait $importing
	[ "$(cat "$D/out")" = "60000 added, 0 changed, 0 unchanged, 0 removed, 0 refused" ]
	[ $n -ge 1 ]
}
