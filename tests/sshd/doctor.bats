#!/usr/bin/env bats
# needs: sshd
# keyacct doctor beside a real login: what it finds is what keeps people out, and after its command they are in.
load lib

setup_file() {
	make_people
	echo '* * * * * root /usr/sbin/keyacct sweep' >/etc/cron.d/keyacct
	new_project owner >"$D/project"
	cat >/usr/local/sbin/systemctl <<-'END'
		#!/bin/bash
		[ "$*" = "reload ssh" ] || exit 1
		pid=$(cat /run/sshd.pid)
		rm /run/sshd.pid
		kill -HUP "$pid"
		until [ -s /run/sshd.pid ]; do kill -0 "$pid" || exit 1; done
	END
	chmod 755 /usr/local/sbin/systemctl
}

setup() {
	project=$(cat "$D/project")
}

# finds CHECK: doctor fails, and this is its first failure
finds() {
	run keyacct --json doctor "$project"
	[ "$status" -eq 5 ]
	said=$output
	[ "$(jq -r '[.[] | select(.result == "failure")][0].check' <<<"$said")" = "$1" ]
}

# mended: its command is run, doctor is content, and the owner is in
mended() {
	bash -c "$(jq -r '[.[] | select(.result == "failure")][0].remedy' <<<"$said")"
	run keyacct doctor "$project"
	echo "$output"
	[ "$status" -eq 0 ]
	enters owner "$project"
}

# kept_out: the owner is not let in
kept_out() { refute login owner "$project" true; }

@test "all is well, before a first login and after it" {
	run keyacct doctor
	echo "$output"
	[ "$status" -eq 0 ]
	enters owner "$project"
	run keyacct doctor "$project"
	[ "$status" -eq 0 ]
	[[ $output == *" is the project's"* ]]
}

@test "nsswitch.conf without keyacct" {
	sed -i -E '/^passwd:/s/ keyacct \[[^]]*\]//' /etc/nsswitch.conf
	kept_out
	finds nsswitch
	mended
}

@test "AllowUsers" {
	sed -i '1i AllowUsers root' /etc/ssh/sshd_config
	sshd_again
	kept_out
	finds sshd-allowed
	mended
	sed -i 1d /etc/ssh/sshd_config
	sshd_again
}

@test "DenyGroups" {
	sshd_with "DenyGroups games ${project:0:6}*"
	kept_out
	finds sshd-allowed
	mended
	sshd_with
}

@test "an earlier Match with another AuthorizedKeysCommand" {
	printf 'Match User *\n AuthorizedKeysCommand /usr/bin/true %%u\n' >/etc/ssh/sshd_config.d/00-earlier.conf
	sshd_again
	kept_out
	finds AuthorizedKeysCommand
	mended
	rm /etc/ssh/sshd_config.d/50-00-earlier.conf
	sshd_again
}

@test "ForceCommand" {
	sshd_with "ForceCommand /usr/bin/true"
	run login owner "$project" whoami
	[ -z "$output" ]
	finds ForceCommand
	mended
	rm /etc/ssh/sshd_config.d/01-projects-ForceCommand.conf
	sshd_with
}

@test "FingerprintHash md5" {
	sshd_with "FingerprintHash md5"
	kept_out
	finds FingerprintHash
	mended
	sshd_with
}

@test "a helper that others may write" {
	chmod g+w /usr/libexec
	chgrp games /usr/libexec
	kept_out
	finds helper
	mended
	chgrp root /usr/libexec
	chmod o+w /usr/libexec/keyacct-keys
	kept_out
	finds helper
	mended
}

@test "a database that the helper cannot read" {
	chmod 600 $DB/private/access.mdb
	kept_out
	finds helper-reads
	mended
}

@test "PAM without the module" {
	mv /usr/lib/x86_64-linux-gnu/security/pam_keyacct.so "$D/"
	kept_out
	finds pam-module
	mv "$D/pam_keyacct.so" /usr/lib/x86_64-linux-gnu/security/
	enters owner "$project"
}

@test "a shell that is no program" {
	keyacct project set "$project" --shell /nonexistent
	kept_out
	finds shell
	mended
}

@test "doctor waits for nobody: a stopped command holds every lock, and logins go on" {
	perl -e 'use Fcntl; open F, "+>>", $ARGV[0] or die; my $lock = pack("s s x4 q q i x4", F_WRLCK, 0, 0, 0, 0);
		fcntl(F, F_SETLK, $lock) or die; kill STOP => $$ while 1' $DB/private/lock 3>&- &
	holder=$!
	until [[ $(cat /proc/$holder/stat) == *") T "* ]]; do kill -0 $holder; done
	enters owner "$project"
	finds writer
	[[ $said == *"process $holder (perl "* ]]
	kill -KILL $holder
	wait $holder || true
	run keyacct doctor "$project"
	[ "$status" -eq 0 ]
}
