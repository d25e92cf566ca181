#!/usr/bin/env bats
# needs: sshd
# Many clients at once, most of whom must not get in: no wrong decision, nothing left behind, each use counted.
# "make flood" runs it for a minute with 200 clients; here it is a taste.

load lib

CLIENTS=${FLOOD_CLIENTS:-40}
TIME=${FLOOD_SECONDS:-5}

setup_file() {
	load lib
	make_people
	sshd_with "MaxStartups 2000" "LoginGraceTime 600"
}

# client N: logs in until the time is over, and notes of each attempt what it was and what became of it. Of ten the first asks
# for a project that there is not, five have a key that nobody knows, and four are let in.
client() {
	local n=$1 user key what status
	while [ $SECONDS -lt "$end" ]; do
		user=$P key=owner what=owner
		case $((n++ % 10)) in
		0) user=$NOBODYS what=unknown ;;
		[1-5]) key=stranger what=stranger ;;
		esac
		status=0
		ssh -F "$D/config" -o ConnectTimeout=300 -i "$D/$key" -l "$user" projects 'echo let in' \
			</dev/null >"$D/out.$1" 2>&1 || status=$?
		echo "$what $status $(tr -d '\r\n' <"$D/out.$1")" >>"$D/client.$1"
	done
}

processes() { find /proc -maxdepth 1 -name '[0-9]*' | wc -l; }
has_processes() { [ "$(processes)" -le "$1" ]; }
descriptors() { find "/proc/$(cat /run/sshd.pid)/fd" -type l | wc -l; }
memory() { awk '/^VmRSS/ { print $2 }' "/proc/$(cat /run/sshd.pid)/status"; }
attempts() { cat "$D"/client.* | grep -c "$@"; }

@test "whoever has a key gets in, nobody else does, and each use is counted" {
	P=$(new_project owner)
	NOBODYS=0123456789abcdef0123456789abcdef
	enters owner "$P"
	wait_until no_entries
	log_mark
	processes=$(processes) descriptors=$(descriptors) memory=$(memory)

	end=$((SECONDS + TIME)) clients=()
	for n in $(seq "$CLIENTS"); do
		client "$n" 3>&- &
		clients+=($!)
	done
	wait "${clients[@]}"

	echo "$(attempts '^owner ') let in, $(attempts '^stranger ') with a key that nobody knows, $(attempts '^unknown ') to no project"
	cat "$D"/client.* | grep -vxE "owner 0 let in|(stranger|unknown) 255 [0-9a-f]{32}@projects: Permission denied \\(publickey\\)\\." | sort | uniq -c | tee "$D/wrong"
	[ ! -s "$D/wrong" ]
	[ "$(attempts '^owner ')" -gt 0 ]
	[ "$(attempts '^unknown ')" -gt 0 ]

	wait_until no_entries
	wait_until has_processes "$processes"
	[ "$(descriptors)" -eq "$descriptors" ]
	# The listening sshd; a page or two come and go.
	echo "sshd has $(memory) kB, and had $memory"
	[ "$(memory)" -le $((memory + 1024)) ]
	[ "$(used owner owner)" -eq $(($(attempts '^owner ') + 1)) ]
	[ "$(log_since | grep -c ' granted ')" -eq "$(attempts '^owner ')" ]
	refute grep -q 'undecided\|error' <<<"$(log_since | grep keyacct)"
}
