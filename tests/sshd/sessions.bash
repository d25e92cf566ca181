# Several connections at once, and what runs behind them. After lib.bash.
# shellcheck shell=bash disable=SC2086

declare -gA client

# connect NAME KEY USER [SSH-ARGUMENT]...: a connection that stays; what is typed in and what it says go by its name
connect() {
	local name=$1 key=$2 user=$3
	shift 3
	rm -f "$D/$name.in" "$D/$name.out"
	mkfifo "$D/$name.in"
	# Open for both, so that neither side waits for the other.
	timeout 60 ssh -F "$D/config" -i "$D/$key" -l "$user" projects "$@" <>"$D/$name.in" >"$D/$name.out" 2>&1 3>&- &
	client[$name]=$!
}
type_in() { printf '%s\n' "$2" >"$D/$1.in"; }
says() { grep -q "^$2" "$D/$1.out"; }
has_lost_connection() { ! kill -0 ${client[$1]} 2>/dev/null; }
is_gone() { [ ! -e /proc/$1 ]; }
has_state() { [ "$(sed 's/.*) //' /proc/$1/stat | cut -c1)" = "$2" ]; }
entered() { [ "$(entries)" -eq "$1" ]; }
runs() { pgrep -f "^$1\$" >/dev/null || pgrep -x "$1" >/dev/null; }

# running: every process of a project's user that has not ended, by its threads: a zombie may be the first of several
running() { ps -eLo pid=,uid=,stat=,args= | awk '$2 >= 1879048192 && $3 !~ /Z/ { print $1 }' | sort -nu; }

# start_neighbour: the owner's session in P, which nothing here may touch
start_neighbour() {
	connect neighbour owner $P 'sleep 9001 & echo ready; sleep 9002'
	wait_until says neighbour ready
	wait_until runs 'sleep 9002'
	neighbours=$(running)
}
neighbour_stays() {
	[ "$(grep -cxFf <(running) <<<"$neighbours")" -eq "$(wc -l <<<"$neighbours")" ]
	kill -0 ${client[neighbour]}
	entered 1
	[ "$(keyacct --json who | jq -r '.[].handle')" = owner ]
}

end_everything() {
	local name
	pause_over
	sed -i 's/^#\(session.*pam_loginuid\)/\1/' /etc/pam.d/sshd
	for name in "${!client[@]}"; do
		kill ${client[$name]} 2>/dev/null || true
		wait ${client[$name]} || true
	done
	for pid in $(running); do
		kill -KILL $pid 2>/dev/null || true
	done
	client=()
}

# without_audit: logins get no number, as in most containers; the neighbour's begins anew
without_audit() {
	keyacct session end --account owner
	wait_until no_entries
	sed -i 's/^session.*pam_loginuid/#&/' /etc/pam.d/sshd
	refute grep -q '^session.*pam_loginuid' /etc/pam.d/sshd
	start_neighbour
}

# pause_after_us [PHASE]: from here on a session is held, by a later module, after we let it in and before anything of it runs,
# or when it is closed
pause_after_us() {
	rm -f "$D/paused" "$D/go"
	mkfifo "$D/go"
	printf '#!/bin/sh\n[ "$PAM_TYPE" = %s ] || exit 0\n: >%s\nread -r _ <%s\n' "${1:-open_session}" "$D/paused" "$D/go" >"$D/pause"
	chmod 755 "$D/pause"
	pause_mark=$(wc -l <$LOG)
	sed -i "s,^session.*pam_keyacct.so.*,&\nsession optional pam_exec.so quiet $D/pause," /etc/pam.d/sshd
	grep -q '^session optional pam_exec.so' /etc/pam.d/sshd
}
pause_over() {
	sed -i '/pam_exec.so/d' /etc/pam.d/sshd
	[ ! -p "$D/go" ] || printf '\n\n' 1<>"$D/go"
}
log_since_start() {
	log_settle
	tail -n +$((pause_mark + 1)) $LOG
}

# take_pid PID N: a process "sleep N" with this pid; 0: any
take_pid() {
	local try
	for try in 1 2 3 4 5 6 7 8 9 10; do
		if [ "$1" -ne 0 ]; then
			echo $(($1 - 1)) >/proc/sys/kernel/ns_last_pid
		fi
		sleep $2 >/dev/null 2>&1 3>&- &
		if [ "$1" -eq 0 ] || [ $! -eq "$1" ]; then
			disown $!
			return 0
		fi
		kill $!
	done
	echo "no process got the pid $1" >&2
	return 1
}
