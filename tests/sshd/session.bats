#!/usr/bin/env bats
# needs: sshd
# What a session is like: no other way in, its home and environment, what it carries; and that everyone else's is as before.

load lib

setup_file() {
	load lib
	make_people
	keyacct setup --yes
	make_local
	export P=$(new_project owner)      # the owner's, the student collaborates
	export Q=$(new_project owner)      # the owner's alone
	export S=$(new_project student)    # the student's alone
	keyacct member add "$P" student
}

teardown() {
	if [ -n "${agent:-}" ]; then kill "$agent"; fi
	rm -f /etc/ssh/sshd_config.d/99-tests.conf
}

# Other ways in

@test "a file of authorized keys in a project's home lets nobody in" {
	login owner $P "mkdir -p -m 700 .ssh && cat >.ssh/authorized_keys <<<'$(cat "$D/stranger.pub")'"
	login owner $P cat .ssh/authorized_keys | grep -qF "$(cut -d' ' -f2 "$D/stranger.pub")"
	denied stranger $P
	denied outsider $P
}

# offer_certificate KEY USER [SSH-OPTION]...: the certificate of the key alone, not the plain key
offer_certificate() {
	# ssh finds KEY-cert.pub beside KEY by itself.
	login "$1" "$2" -o PubkeyAcceptedAlgorithms=ssh-ed25519-cert-v01@openssh.com "${@:3}"
}

@test "a certificate is denied, whoever signed it for whomever" {
	for subject in certified uncertified; do
		new_key $subject
		ssh-keygen -q -s "$D/owner" -I test -n "$P,local" -V +1h "$D/$subject.pub"
	done
	keyacct key add owner "$D/certified.pub"
	for subject in certified uncertified; do
		run offer_certificate $subject $P -v whoami
		[ "$status" -eq 255 ]
		# It was offered, and nothing else was.
		[ "$(grep -c 'Offering public key' <<<"$output")" -eq 1 ]
		[[ $output == *"Offering public key: $D/$subject ED25519-CERT SHA256:"* ]]
		[[ $output == *"$P@projects: $DENIED"* ]]
	done
	# The plain key of the same file works.
	enters certified $P
}

@test "where a CA is trusted, its certificate opens no project, and a local user as before" {
	new_key trusted
	ssh-keygen -q -s "$D/owner" -I test -n "$P,local" -V +1h "$D/trusted.pub"
	keyacct key add owner "$D/trusted.pub"
	cp "$D/owner.pub" /etc/ssh/ca.pub
	sshd_with "TrustedUserCAKeys /etc/ssh/ca.pub"
	log_mark
	run offer_certificate trusted local whoami
	[ "$output" = local ]
	run offer_certificate trusted $P 'echo ran; touch /tmp/certificate-ran'
	[ "$status" -ne 0 ]
	[[ $output != *ran* ]]
	[ ! -e /tmp/certificate-ran ]
	wait_until no_entries
	[ -z "$(last_use trusted owner count)" ]
	refute grep -q granted <<<"$(log_since)"
	sshd_with
}

@test "a project user is asked for no password and no other factor" {
	for methods in password keyboard-interactive hostbased gssapi-with-mic none; do
		run login owner $P -o PreferredAuthentications=$methods -o BatchMode=no -o NumberOfPasswordPrompts=1 true
		is_denied "$P@projects: $DENIED"
	done
	# A local user is, so the question was put well.
	run login owner local -o PreferredAuthentications=none true
	is_denied "local@projects: Permission denied (publickey,password)."
}

@test "keyboard-interactive, where the host offers it, is not offered to a project user" {
	sshd_with "KbdInteractiveAuthentication yes"
	run login owner $P -o PreferredAuthentications=password,keyboard-interactive true
	is_denied "$P@projects: $DENIED"
	run login owner local -o PreferredAuthentications=none true
	[[ $output == *"(publickey,password,keyboard-interactive)."* ]]
	sshd_with
}

# Homes and environment

@test "a home is made at the first login that is let in, for the project alone" {
	T=$(new_project owner)
	home=/projects/$(hyphened $T)
	denied outsider $T
	denied stranger $T
	[ ! -e $home ]
	keyacct project archive $T
	run login owner $T true
	[ "$status" -eq 255 ]
	[ ! -e $home ]
	keyacct project unarchive $T
	run login owner $T 'pwd; echo $HOME'
	[ "$output" = "$home"$'\n'"$home" ]
	[ "$(stat -c '%a %u %g %U' $home)" = "700 $(field_of $T uid) $(field_of $T uid) $T" ]
	[ "$(stat -c %U $home/.bashrc)" = $T ]
}

@test "a home that is there stays as it is" {
	T=$(new_project owner --home /srv/adopted)
	mkdir -p /srv/adopted
	chown $T: /srv/adopted
	chmod 751 /srv/adopted
	run login owner $T pwd
	[ "$output" = /srv/adopted ]
	[ "$(stat -c %a /srv/adopted)" = 751 ]
	[ ! -e /srv/adopted/.bashrc ]
}

@test "a local user's home is not made" {
	useradd --no-create-home --home-dir /home/homeless homeless
	sshd_with "AuthorizedKeysFile /etc/ssh/keys-of-%u"
	cp "$D/admin.pub" /etc/ssh/keys-of-homeless
	run login admin homeless pwd
	sshd_with
	[ "$status" -eq 0 ]
	[[ $output == *"Could not chdir to home directory /home/homeless"* ]]
	[ ! -e /home/homeless ]
}

@test "the session is told project, account, role and key, and nothing of sshd's own" {
	run login student $P 'env | grep -E "KEYACCT|SSH_AUTH_INFO" | LC_ALL=C sort'
	[ "$output" = "KEYACCT_ACCOUNT=student
KEYACCT_KEY=$(fingerprint student)
KEYACCT_PROJECT=$P
KEYACCT_ROLE=collaborator" ]
}

@test "ssh's own start file of a project is not run" {
	login owner $P 'mkdir -p .ssh; echo "echo from rc >&2" >.ssh/rc; chmod 755 .ssh/rc'
	run login owner $P echo command
	login owner $P rm .ssh/rc
	[ "$output" = command ]
	# As a local user's is.
	install -d -o local /home/local/.ssh
	echo 'echo from rc >&2' >/home/local/.ssh/rc
	run login admin local echo command
	rm /home/local/.ssh/rc
	[[ $output == *"from rc"* ]]
}

# Everyone else

@test "root and a local user log in as before, and nothing of ours is in their log and environment" {
	for user in root local; do
		log_mark
		run login admin $user 'whoami; env'
		[ "$status" -eq 0 ]
		[ "${lines[0]}" = $user ]
		[[ $output != *KEYACCT* ]]
		wait_until no_entries
		run log_since
		[[ $output == *"Accepted publickey for $user from"* ]]
		[[ $output == *"session opened for user $user("* ]]
		refute grep -qi keyacct <<<"$output"
		refute grep -q succeed_if <<<"$output"
	done
}

@test "a project's key opens no local user, and an administrator's key no project" {
	run login owner local true
	is_denied "local@projects: Permission denied (publickey,password)."
	run login owner root true
	[ "$status" -eq 255 ]
	denied admin $P
}

@test "a local user with a name of 32 characters gets in by nothing of ours" {
	# shellcheck disable=SC2100 # a name and no sum
	long=long-name-of-thirty-two-characters
	long=${long:0:32}
	[ ${#long} -eq 32 ]
	useradd --create-home --shell /bin/bash $long
	run login owner $long echo ran
	is_denied "$long@projects: $DENIED"
	id $long
	userdel --remove $long
}

# What a session carries

@test "the command's exit status comes back" {
	for wanted in 0 1 7 254; do
		run login owner $P "exit $wanted"
		[ "$status" -eq $wanted ]
		[ -z "$output" ]
	done
}

@test "standard output and standard error stay apart, and nothing is added to either" {
	run --separate-stderr login owner $P 'echo out; echo err >&2'
	[ "$output" = out ]
	[ "$stderr" = err ]
}

@test "ten megabytes go through in both directions unchanged" {
	head -c 10000000 /dev/urandom >"$D/blob"
	timeout 20 ssh -F "$D/config" -i "$D/owner" $P@projects cat <"$D/blob" >"$D/back"
	cmp "$D/blob" "$D/back"
	[ "$(stat -c %s "$D/back")" -eq 10000000 ]
}

@test "a terminal is to be had, and belongs to the project" {
	run login owner $P -tt 'tty; stat -c %U "$(tty)"; tput -T xterm cols'
	[ "$status" -eq 0 ]
	[[ ${lines[0]} == /dev/pts/* ]]
	[ "${lines[1]//$'\r'/}" = $P ]
}

# start_agent KEY: a person's agent, with that key
start_agent() {
	eval "$(ssh-agent -a "$D/agent-$1" 3>&-)" >/dev/null
	agent=$SSH_AGENT_PID
	ssh-add -q "$D/$1"
}

@test "the agent is forwarded when asked for, and only then" {
	start_agent owner
	run login owner $P -A ssh-add -l
	[ "$status" -eq 0 ]
	[ "$output" = "$(ssh-keygen -lf "$D/owner.pub")" ]
	run login owner $P -a 'echo "[$SSH_AUTH_SOCK]"'
	[ "$output" = "[]" ]
}

@test "from project to project through the agent, by the short host name" {
	start_agent owner
	run login owner $P -A "ssh -o BatchMode=yes -o LogLevel=ERROR $Q@ssh whoami"
	[ "$status" -eq 0 ]
	[ "$output" = $Q ]
	# Not into a project that the owner is not in.
	run login owner $P -A "ssh -o BatchMode=yes -o LogLevel=ERROR $S@ssh whoami"
	is_denied "$S@ssh: $DENIED"
}
