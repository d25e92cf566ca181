# What the tests with a real sshd share. They edit /etc, /run and /var/lib/keyacct, so they run in tests/world alone.
# shellcheck shell=bash
bats_require_minimum_version 1.5.0

LOG=/var/log/auth.log
DB=/var/lib/keyacct
SESSIONS=/run/keyacct/sessions
DENIED='Permission denied (publickey).'
# How every line of ours begins in the log, up to what it says.
STAMP='[A-Z][a-z]{2} [ 0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}'
D=$BATS_FILE_TMPDIR

# in_world: only on a private copy of a host, and before there is a database
in_world() {
	if [ "$(hostname)" != projects ] || [ ! -e /run/syslogd.ready ] || [ -e $DB ]; then
		echo "run this as: tests/world bats $BATS_TEST_FILENAME" >&2
		return 1
	fi
}

# make_database: an empty database, and what ssh needs to know
make_database() {
	in_world
	cat >"$D/config" <<-END
		StrictHostKeyChecking accept-new
		UserKnownHostsFile $D/known_hosts
		IdentitiesOnly yes
		BatchMode yes
		ConnectTimeout 10
	END
	sed 's/^/projects,localhost,ssh,127.0.0.1 /' /etc/ssh/ssh_host_ed25519_key.pub >"$D/known_hosts"
	keyacct init
}

# make_people: then owner, student and outsider with a key each; and a stranger, whose key nobody knows.
make_people() {
	make_database
	for handle in owner student outsider; do
		keyacct account add $handle
		new_key $handle
		keyacct key add $handle "$D/$handle.pub"
	done
	new_key stranger
}

# make_local: a local user "local", who logs in by authorized_keys, as root does; both with the key "admin".
make_local() {
	new_key admin
	useradd --create-home --shell /bin/bash local
	for home in /root /home/local; do
		mkdir -p $home/.ssh
		cat "$D/admin.pub" >>$home/.ssh/authorized_keys
	done
	chown -R local: /home/local
}

new_key() { ssh-keygen -q -t ed25519 -N '' -C "$1" -f "$D/$1"; }
fingerprint() { ssh-keygen -lf "$D/$1.pub" | cut -d' ' -f2; }

# new_project OWNER [OPTION]...: prints its 32 digits
new_project() { keyacct --json project add --owner "$@" | sed -n 's/^ *"id": "\(.*\)",$/\1/p' | tr -d -; }
hyphened() { sed -E 's/^(.{8})(.{4})(.{4})(.{4})/\1-\2-\3-\4-/' <<<"$1"; }
field_of() { keyacct --json project show "$1" | sed -n "s/^ *\"$2\": \"*\([^\",]*\)\"*,*\$/\1/p"; }

# login KEY USER [SSH-OPTION]... [COMMAND]: one ssh of a person who has this key alone
login() {
	local key=$1 user=$2
	shift 2
	timeout 20 ssh -F "$D/config" -i "$D/$key" -l "$user" projects "$@" </dev/null
}

# enters KEY PROJECT [SSH-OPTION]...: the key opens the project, and nothing but the command's output comes back
enters() {
	run login "$@" whoami
	[ "$status" -eq 0 ]
	[ "$output" = "$2" ]
}

# denied KEY USER [SSH-OPTION]...: what a stranger reads, and not a word more
denied() {
	run login "$@" echo ran
	is_denied "$2@projects: $DENIED"
}
# is_denied LINE: what was run came out as just this; ssh ends its own lines with a carriage return
is_denied() {
	[ "$status" -eq 255 ]
	[ "$output" = "$1"$'\r' ]
}

# reads KEY PROJECT SENTENCE: not let in, and told why on standard error
reads() {
	run --separate-stderr login "$1" "$2" echo ran
	[ "$status" -eq 255 ]
	[ -z "$output" ]
	[ "${stderr_lines[0]}" = "$3" ]
	[ "${stderr_lines[1]}" = "Connection closed by 127.0.0.1 port 22"$'\r' ]
	[ ${#stderr_lines[@]} -eq 2 ]
}

# refute COMMAND...: it must fail ("!" does not end a test)
refute() {
	if "$@"; then
		echo "came out true: $*" >&2
		return 1
	fi
}

# wait_until COMMAND...: true within 10 seconds
wait_until() {
	local end=$((SECONDS + 10))
	until "$@"; do
		if [ $SECONDS -ge $end ]; then
			echo "not within 10 seconds: $*" >&2
			return 1
		fi
	done
}

# log_mark: from here on; log_since: all that was logged since, once everything sent so far has arrived
log_mark() {
	log_settle
	mark=$(wc -l <$LOG)
}
log_since() {
	log_settle
	tail -n +$((mark + 1)) $LOG | grep -v ' tests: settled'
}
log_settle() {
	local token=settled-$BASHPID-$RANDOM$RANDOM
	logger -p authpriv.debug -t tests $token
	wait_until grep -q "tests: $token" $LOG
}

# let_pass SECONDS: until what was made to expire that long after now has expired
let_pass() {
	local from=$(($(date +%s) + $1 + 1))
	has_passed() { [ "$(date +%s)" -ge "$from" ]; }
	wait_until has_passed
}

# hold KEY USER [SSH-OPTION]...: a session that stays open until let_go; when this returns, its command runs
hold() {
	local key=$1 user=$2
	shift 2
	rm -f "$D/hold.in" "$D/hold.out"
	mkfifo "$D/hold.in"
	timeout 20 ssh -F "$D/config" -i "$D/$key" -l "$user" projects "$@" 'echo ready; exec cat' \
		<"$D/hold.in" >"$D/hold.out" 2>"$D/hold.err" 3>&- &
	held=$!
	exec 9>"$D/hold.in"
	wait_until grep -q ready "$D/hold.out"
}
let_go() {
	exec 9>&-
	wait "$held"
}

entries() { ls -A $SESSIONS 2>/dev/null | wc -l; }
no_entries() { [ "$(entries)" -eq 0 ]; }
one_entry() { [ "$(entries)" -eq 1 ]; }

# last_use KEY ACCOUNT FIELD: of at, project, from, count; nothing when it was never used
last_use() {
	keyacct --json key show "$(fingerprint "$1")" --account "$2" |
		sed -n '/"last_used": {/,/}/s/^ *"'"$3"'": "*\([^",]*\)"*,*$/\1/p'
}

# used KEY ACCOUNT: how many times
used() {
	local n
	n=$(last_use "$@" count)
	echo "${n:-0}"
}

# sshd_with [LINE]...: the same sshd, with these lines in a drop-in after ours. Without any: as it was.
sshd_with() {
	printf '%s\n' "$@" >/etc/ssh/sshd_config.d/99-tests.conf
	[ $# -gt 0 ] || rm /etc/ssh/sshd_config.d/99-tests.conf
	sshd_again
}
# The pid file appears when it listens.
sshd_again() {
	local pid
	pid=$(cat /run/sshd.pid)
	/usr/sbin/sshd -t
	rm /run/sshd.pid
	kill -HUP "$pid"
	wait_until test -s /run/sshd.pid
}

# meanwhile PHASE COMMAND: what happens on the host while a login is between sshd's key check and our PHASE line (account,
# session). meanwhile_over ends it.
meanwhile() {
	printf '#!/bin/sh\n[ "$PAM_TYPE" != close_session ] || exit 0\nexec >/dev/null 2>&1\necho ran >%s\n%s\n' \
		"$D/meanwhile.ran" "$2" >"$D/meanwhile"
	chmod 755 "$D/meanwhile"
	rm -f "$D/meanwhile.ran"
	sed -i "0,/^$1.*pam_succeed_if/s,^$1.*pam_succeed_if,$1 requisite pam_exec.so quiet $D/meanwhile\n&," /etc/pam.d/sshd
	grep -q "^$1 requisite pam_exec.so" /etc/pam.d/sshd
}
meanwhile_over() { sed -i /pam_exec.so/d /etc/pam.d/sshd; }
