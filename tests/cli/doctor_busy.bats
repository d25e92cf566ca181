#!/usr/bin/env bats
# needs: sshd
# shellcheck disable=SC2016,SC2034,SC2154
# keyacct doctor, asked by root while sshd runs on with what it once read, and others do as they like: whom it names, what it prints, and how long it waits.
load doctor.bash

setup_file() {
	healthy_host
}

setup() {
	as_before
	private=$database/private
}

# stopped FILE BECOME: a stopped process, $holder, whose shared lock is on that file; once it has it, it is that uid's
stopped() {
	perl -e '
		use Fcntl qw(:flock);
		open my $f, "+>>", $ARGV[0] or die;
		flock($f, LOCK_SH) or die;
		$< = $> = $ARGV[1];
		kill STOP => $$ while 1' "$1" "$2" 3>&- &
	holder=$!
	until [[ $(sed 's/.*) //' "/proc/$holder/stat") == "T "* ]]; do kill -0 $holder; done
}

let_go() {
	kill -KILL $holder
	wait $holder || true
}

@test "spool: a lock on another file of that inode is nobody's business" {
	for fs in one other; do
		mkdir "$BATS_TEST_TMPDIR/$fs"
		mount -t tmpfs -o mode=777 tmpfs "$BATS_TEST_TMPDIR/$fs"
		: >"$BATS_TEST_TMPDIR/$fs/file"
		chmod 600 "$BATS_TEST_TMPDIR/$fs/file"
	done
	: >$private/usage.spool
	mount --bind "$BATS_TEST_TMPDIR/one/file" $private/usage.spool
	same "$(stat -c %i $private/usage.spool)" "$(stat -c %i "$BATS_TEST_TMPDIR/other/file")"
	stopped "$BATS_TEST_TMPDIR/other/file" 65534
	ask
	same "" "$(complaints)"
	let_go
	# The same process with the spool itself; what it calls itself at length is not repeated.
	stopped $private/usage.spool 65534
	finds spool failure "process $holder (perl, uid 65534) is stopped and holds the spool of last uses"
	let_go
	stopped $private/usage.spool 0
	finds spool failure "process $holder (perl -e use Fcntl"
	let_go
	umount $private/usage.spool "$BATS_TEST_TMPDIR/one" "$BATS_TEST_TMPDIR/other"
}

# hostile SIGNAL: a process of the user keyacct, $holder, sends that to all others of its own, until doctor says so
hostile() {
	perl -e '
		(undef, undef, my $uid) = getpwnam("keyacct");
		$< = $> = $uid;
		kill $ARGV[0] => -1 while 1' "$1" 3>&- &
	holder=$!
	# It may come too late.
	for ((i = 0; i < 50; i++)); do
		ask
		kill -0 $holder
		[ "$(complaints)" = "" ] || break
	done
	kill -KILL $holder
	wait $holder || true
	same helper-reads "$(complaints)"
	same failure "$(lines helper-reads result)"
	remedy helper-reads "ps -u keyacct -f"
}

@test "helper-reads: it waits for no process that another one stops or kills" {
	hostile STOP
	[[ $(lines helper-reads message) == *" did not read the database within 10 seconds"* ]]
	hostile KILL
	[[ $(lines helper-reads message) == *" was killed by signal 9 while it read the database" ]]
	ask
	same "" "$(complaints)"
}

# reread: sshd has read its configuration since then
reread() {
	rm /run/sshd.pid
	kill -HUP "$1"
	until [ -s /run/sshd.pid ]; do kill -0 "$1"; done
}

@test "sshd-reloaded: a file is newer than what the sshd that runs has read" {
	local file pid
	pid=$(cat /run/sshd.pid)
	ask
	same ok "$(lines sshd-reloaded result)"
	same 0 "$status"
	for file in /etc/ssh/sshd_config "$drop_in"; do
		touch -d '+1 min' "$file"
		ask
		same 1 "$status"
		same warning "$(lines sshd-reloaded result)"
		same "$file was written after sshd read its configuration" "$(lines sshd-reloaded message)"
		remedy sshd-reloaded 'kill -HUP $(cat /run/sshd.pid)'
		mkdir -p /run/systemd/system
		ask
		remedy sshd-reloaded "systemctl reload ssh"
		rmdir /run/systemd/system
		touch -d '-1 min' "$file"
	done
	touch -d '-1 hour' /run/sshd.pid
	ask
	same warning "$(lines sshd-reloaded result)"
	reread "$pid"
	ask
	same ok "$(lines sshd-reloaded result)"
}

@test "sshd-reloaded: no pid file, or one of another process" {
	local pid
	pid=$(cat /run/sshd.pid)
	for other in 999999999 $$ nothing; do
		echo $other >/run/sshd.pid
		ask
		same skipped "$(lines sshd-reloaded result)"
	done
	rm /run/sshd.pid
	ask
	same skipped "$(lines sshd-reloaded result)"
	same 0 "$status"
	echo "$pid" >/run/sshd.pid
}
