#!/usr/bin/env bats
# needs: sshd
# What is set for all keys and sessions holds at the very next login: key types, RSA sizes, security keys, the host's
# name, the git author.

load lib

setup_file() {
	load lib
	make_people
	export P=$(new_project owner)
	ssh-keygen -q -t rsa -b 2048 -N '' -C rsa2048 -f "$D/rsa2048"
	ssh-keygen -q -t rsa -b 3072 -N '' -C rsa3072 -f "$D/rsa3072"
	# OpenSSH's own stand-in for a security key.
	export SK=$(dpkg -L openssh-tests | grep '/sk-dummy\.so$')
	ssh-keygen -q -t ed25519-sk -w $SK -N '' -C token -f "$D/token"
	ssh-keygen -q -t ed25519-sk -w $SK -O verify-required -N '' -C verified -f "$D/verified"
	ssh-keygen -q -t ecdsa-sk -w $SK -O verify-required -N '' -C ecdsa-verified -f "$D/ecdsa-verified"
	for key in rsa2048 rsa3072 token verified ecdsa-verified; do
		keyacct key add owner "$D/$key.pub"
	done
}

teardown() {
	for name in security-keys key-types rsa-bits host git-author; do
		keyacct config reset $name
	done
}

# enters_with_token KEY PROJECT: as enters; ssh itself says when it waits for a touch, and there is no PIN to ask for
enters_with_token() {
	run --separate-stderr login "$1" "$2" -o SecurityKeyProvider=$SK whoami
	[ "$status" -eq 0 ]
	[ "$output" = "$2" ]
}
denied_with_token() {
	run --separate-stderr login "$1" "$2" -o SecurityKeyProvider=$SK echo ran
	[ "$status" -eq 255 ]
	[ -z "$output" ]
	[ "${stderr_lines[-1]}" = "$2@projects: $DENIED"$'\r' ]
}

# refused_for REASON KEY: denied; the log names the reason, and so does explain
refused_for() {
	log_mark
	denied $2 $P
	[[ $(log_since) == *"refused project=$P account=owner fingerprint=$(fingerprint $2) "*" reason=$1"* ]]
	run keyacct explain $P "$D/$2.pub"
	[ "$status" -eq 1 ]
	[[ $output == *"refused: $1"* ]]
}

@test "types that are allowed no more: a registered key is refused at the next login, the others enter" {
	enters rsa2048 $P
	keyacct config set key-types ssh-ed25519
	refused_for key-type rsa2048
	enters owner $P
	run keyacct key add student "$D/rsa3072.pub"
	[ "$status" -eq 2 ]
	[[ $output == *"keys of type ssh-rsa are not allowed here: make one of ssh-ed25519 "* ]]
	keyacct config set key-types ssh-rsa
	enters rsa2048 $P
	refused_for key-type owner
	keyacct config reset key-types
	enters owner $P
}

@test "more bits for RSA: a registered key with fewer is refused, one with as many enters" {
	enters rsa2048 $P
	keyacct config set rsa-bits 3072
	refused_for key-bits rsa2048
	enters rsa3072 $P
	enters owner $P
	run keyacct key add student "$D/rsa2048.pub"
	[ "$status" -eq 2 ]
	[[ $output == *"this RSA key has 2048 bits, and 3072 are the least"* ]]
	keyacct config set rsa-bits 3073
	refused_for key-bits rsa3072
	keyacct config reset rsa-bits
	enters rsa2048 $P
}

@test "security keys required: only they enter, with a PIN or without" {
	enters owner $P
	keyacct config set security-keys required
	refused_for key-no-token owner
	refused_for key-no-token rsa3072
	enters_with_token token $P
	enters_with_token verified $P
	enters_with_token ecdsa-verified $P
	run keyacct key add student "$D/owner.pub"
	[ "$status" -eq 2 ]
	[[ $output == *"only those of a security key"* ]]
	keyacct config reset security-keys
	enters owner $P
}

@test "security keys verified: sshd refuses one whose holder was not verified" {
	keyacct config set security-keys verified
	refused_for key-no-token owner
	enters_with_token verified $P
	enters_with_token ecdsa-verified $P
	log_mark
	denied_with_token token $P
	# keyacct lets the key be tried, with an option that sshd then finds not met.
	log=$(log_since)
	[[ $log == *"sshd"*"$(fingerprint token) signature for $P "*"rejected: user verification requirement not met"* ]]
	[[ $log != *granted* ]]
	run keyacct explain $P "$D/token.pub"
	[ "$status" -eq 0 ]
	[[ $output == *"options "*",verify-required"* ]]
	keyacct config set security-keys required
	enters_with_token token $P
}

@test "the host's name that is set is the one that limits to hosts are judged by" {
	new_key elsewhere
	new_key here
	keyacct key add owner --hosts ssh.example.org "$D/elsewhere.pub"
	keyacct key add owner --hosts projects "$D/here.pub"
	refused_for key-host elsewhere
	enters here $P
	keyacct config set host ssh.example.org
	enters elsewhere $P
	refused_for key-host here
	enters owner $P
	keyacct config set host gate
	refused_for key-host elsewhere
	keyacct config reset host
	refused_for key-host elsewhere
	enters here $P
}

@test "a policy that comes between sshd's key check and the session is the one that counts" {
	log_mark
	meanwhile session "keyacct config set key-types ssh-ed25519"
	run login rsa2048 $P echo ran
	meanwhile_over
	[ "$status" -ne 0 ]
	[[ $output != *ran* ]]
	[ -e "$D/meanwhile.ran" ]
	[[ $(log_since) == *"pam_keyacct(sshd:session): refused project=$P account=owner "*" reason=key-type"* ]]
	no_entries
}

@test "a session that is open ends when the policy changes, unless it is kept" {
	hold owner $P
	run keyacct config set security-keys required --keep-sessions
	[ "$status" -eq 0 ]
	refused_for key-no-token owner
	echo still >&9
	wait_until grep -q still "$D/hold.out"
	keyacct config reset security-keys
	run keyacct config set security-keys required
	[ "$status" -eq 0 ]
	[[ ${lines[-1]} == "Ended the session "*' of "owner" in '"$P"', '*": key-no-token" ]]
	run let_go
	[ "$status" -ne 0 ]
	no_entries
}

# commit KEY: who git says made a commit in the project in a session with this key, and who put it there
commit() {
	login "$1" $P 'cd work && git commit -q --allow-empty -m change && git log -1 --format="%an <%ae>, %cn <%ce>"'
}

@test "git-author on: a commit carries the account's name and email; off: the project's alone" {
	new_key named
	keyacct account add named --name 'A Person' --email person@example.org
	keyacct key add named "$D/named.pub"
	keyacct member add $P named
	login owner $P 'git init -q work && git config --global user.name Climate && git config --global user.email climate@example.org'
	[ "$(commit named)" = "Climate <climate@example.org>, Climate <climate@example.org>" ]
	run login named $P 'env | grep GIT_'
	[ -z "$output" ]
	keyacct config set git-author on
	[ "$(commit named)" = "A Person <person@example.org>, Climate <climate@example.org>" ]
	# An account without a name is its handle, and one without an email has the project's.
	[ "$(commit owner)" = "owner <climate@example.org>, Climate <climate@example.org>" ]
	run login owner $P 'env | grep GIT_'
	[ "$output" = GIT_AUTHOR_NAME=owner ]
	keyacct config set git-author off
	[ "$(commit named)" = "Climate <climate@example.org>, Climate <climate@example.org>" ]
}

@test "an agent's forwarding into new projects is as it was set when they were added" {
	eval "$(ssh-agent -s)" >/dev/null
	ssh-add -q "$D/owner"
	agent() { login owner "$1" -A 'test -S "$SSH_AUTH_SOCK" && echo forwarded || echo none'; }
	[ "$(agent $P)" = forwarded ]
	keyacct config set agent off
	closed=$(new_project owner)
	keyacct config set agent on
	open=$(new_project owner)
	outcome="$(agent $closed) $(agent $open) $(agent $P)"
	ssh-agent -k >/dev/null
	[ "$outcome" = "none forwarded forwarded" ]
}

@test "new projects have the homes and the shell that are set, and people enter them" {
	keyacct config set homes /srv/homes
	keyacct config set shell /bin/sh
	T=$(new_project owner)
	keyacct config reset homes
	keyacct config reset shell
	run login owner $T 'pwd; echo $0'
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "/srv/homes/$(hyphened $T)" ]
	[[ ${lines[1]} != *bash ]]
	enters owner $P
}
