#!/usr/bin/env bats
# needs: sshd
# The table of keyacct(7): which policy lets through what a client asks for. Each of its cells is tried, in every way to ask
# that its row has, and a row passes only when all of them come out as the manual says.

load lib
load forward

# The policies, in the order of the table's columns.
POLICIES=("" "--agent off" "--tcp loopback" "--tcp on" "--x11 on" "--pty off" "--sftp-only on --agent on --tcp on --x11 on --pty on")

# The host's own configuration allows every forward. Without IPv6 sshd makes a display only where it is told so.
HOST=("AddressFamily inet" "X11Forwarding yes" "AllowTcpForwarding yes" "AllowStreamLocalForwarding yes" "GatewayPorts yes"
	"PermitTunnel yes")

setup_file() {
	load lib
	load forward
	make_people
	make_local
	local projects=()
	for policy in "${POLICIES[@]}"; do
		# shellcheck disable=SC2086
		projects+=("$(new_project owner $policy)")
	done
	export PROJECTS="${projects[*]}"
	export DEFAULT=${projects[0]} LOOPBACK=${projects[2]} ON=${projects[3]} SFTP=${projects[6]}
	listen
	sshd_with "${HOST[@]}"
	[ -e /dev/net/tun ] || { mkdir -p /dev/net && mknod -m 666 /dev/net/tun c 10 200; }
	eval "$(ssh-agent -a "$D/agent" 3>&-)" >/dev/null
	echo "$SSH_AGENT_PID" >"$D/agent.pid"
	ssh-add -q "$D/owner"
	export SSH_AUTH_SOCK
	export DISPLAY=127.0.0.1:0
	head -c 100000 /dev/urandom >"$D/blob"
}

teardown_file() {
	kill "$(cat "$BATS_FILE_TMPDIR/agent.pid")"
	listen_no_more
}
setup() { rm -f "$D"/*.sock /tmp/forwarded.sock; }

# in_manual ROW: the cells of the row of keyacct(7) that begins so
in_manual() {
	sed -n '/^\.Ss What a session may ask for/,/^\.Ss /p' "$BATS_TEST_DIRNAME/../../keyacct/keyacct.7" | sed 's/\\//g' |
		grep -F -- "$1  " | grep -oE '(yes|no)( +(yes|no)){6}$' | xargs
}

# row NAME ASK...: each function of ASK answers yes or no for a project; the whole row is as the manual says
row() {
	local ask got project name=$1 wanted
	wanted=$(in_manual "$name")
	[ "$(wc -w <<<"$wanted")" -eq 7 ]
	for ask in "${@:2}"; do
		got=
		for project in $PROJECTS; do
			got+="$($ask "$project") "
		done
		if [ "${got% }" != "$wanted" ]; then
			printf 'manual:  %s\n%s: %s\n' "$wanted" "$ask" "$got" >&2
			return 1
		fi
	done
}

# yes_if GOT WANTED: "no" is only what came out empty or as one of sshd's refusals
yes_if() {
	local refusals='^(|This service allows sftp connections only\.|not a tty|\[\]|.*(failed|refused|closed).*)$'
	if [ "$1" = "$2" ]; then
		echo yes
	elif grep -qE "$refusals" <<<"${1%%$'\r'*}"; then
		echo no
	else
		echo "neither: $1"
	fi
}

# Commands

command_() { yes_if "$(login owner "$1" echo ran 2>&1 | tail -n 1)" ran; }
shell_() { yes_if "$(echo 'echo ran' | timeout 20 ssh -F "$D/config" -i "$D/owner" -T "$1@projects" 2>&1 | grep -v '^Linux' | tail -n 1)" ran; }
rsync_() {
	rm -rf "$D/got"
	rsync -q -e "ssh -F $D/config -i $D/owner" "$D/blob" "$1@projects:rsynced" 2>/dev/null
	rsync -q -e "ssh -F $D/config -i $D/owner" "$1@projects:rsynced" "$D/got" 2>/dev/null
	yes_if "$(cat "$D/got" 2>/dev/null | cksum)" "$(cksum <"$D/blob")" | sed 's/^neither: 4294967295 0$/no/'
}
old_scp_() {
	rm -rf "$D/got"
	scp -q -O -F "$D/config" -i "$D/owner" "$D/blob" "$1@projects:copied" 2>/dev/null
	scp -q -O -F "$D/config" -i "$D/owner" "$1@projects:copied" "$D/got" 2>/dev/null
	yes_if "$(cat "$D/got" 2>/dev/null | cksum)" "$(cksum <"$D/blob")" | sed 's/^neither: 4294967295 0$/no/'
}

@test "commands, a shell without a terminal, rsync and scp -O" {
	row "commands, rsync, git, scp -O" command_ shell_ rsync_ old_scp_
}

@test "where commands are refused, one sentence says why" {
	run login owner $SFTP echo ran
	[ "$status" -eq 1 ]
	[ "$output" = "This service allows sftp connections only." ]
	# A subsystem that is none is refused as anywhere.
	run login owner $SFTP -s none
	[ "$status" -ne 0 ]
	[[ $output == *"subsystem request failed on channel 0"* ]]
}

# Files

scp_() {
	rm -rf "$D/got"
	scp -q -F "$D/config" -i "$D/owner" "$D/blob" "$1@projects:copied" 2>/dev/null
	scp -q -F "$D/config" -i "$D/owner" "$1@projects:copied" "$D/got" 2>/dev/null
	yes_if "$(cksum 2>/dev/null <"$D/got")" "$(cksum <"$D/blob")"
}
sftp_() {
	rm -rf "$D/got"
	sftp -q -b - -F "$D/config" -i "$D/owner" "$1@projects" >/dev/null 2>&1 <<-END
		put $D/blob put
		get put $D/got
	END
	yes_if "$(cksum 2>/dev/null <"$D/got")" "$(cksum <"$D/blob")"
}

@test "sftp, and scp by it" {
	row "sftp, scp, sshfs" scp_ sftp_
}

@test "with sftp-only no shell runs, so a start file that a member wrote does not either" {
	T=$(new_project owner)
	login owner $T 'sed -i "1i touch ~/started" .bashrc; rm -f started'
	[ "$(scp_ $T)" = yes ]
	home=/projects/$(hyphened $T)
	# With the host's external server it does: so the question was put well.
	[ -e $home/started ]
	rm $home/started
	keyacct project set $T --sftp-only on
	[ "$(scp_ $T)$(sftp_ $T)" = yesyes ]
	run login owner $T true
	[ "$status" -eq 1 ]
	[ ! -e $home/started ]
	# It needs no shell that anybody could use.
	keyacct project set $T --shell /usr/sbin/nologin
	[ "$(sftp_ $T)" = yes ]
	# The files are the host's.
	run sftp -q -b - -F "$D/config" -i "$D/owner" $T@projects <<<'ls /etc/passwd'
	[ "$status" -eq 0 ]
}

# Sessions

terminal_() { yes_if "$(login owner "$1" -tt tty 2>/dev/null | tr -d '\r' | sed 's,/dev/pts/[0-9]*,pts,')" pts; }
agent_() { yes_if "$(login owner "$1" -A 'ssh-add -l || echo "[$SSH_AUTH_SOCK]"' 2>/dev/null)" "$(ssh-keygen -lf "$D/owner.pub")"; }
display_() { yes_if "$(login owner "$1" -Y 'echo "[$DISPLAY]"' 2>/dev/null | sed 's/localhost:[0-9.]*/display/')" "[display]"; }

# The same for a session that is SFTP, which sftp-only lets through: a socket of the agent's there would be anybody's in
# the project.
with_sftp() { timeout 20 ssh -F "$D/config" -i "$D/owner" -l "$1" "${@:2}" -s projects sftp; }
not_failed() { if grep -qE "$2" <<<"$1"; then echo no; else echo yes; fi; }
terminal_with_sftp_() { not_failed "$(with_sftp "$1" -tt 2>&1 </dev/null | tr -d '\0')" "^PTY allocation request failed"; }
display_with_sftp_() { not_failed "$(with_sftp "$1" -Y 2>&1 </dev/null | tr -d '\0')" "^X11 forwarding request failed"; }
agent_with_sftp_() {
	local sockets
	coproc SFTP_SESSION { with_sftp "$1" -A 2>&1 3>&-; }
	# Its version, after which the session is as it is going to be: the server answers in the order of the requests.
	printf '\0\0\0\5\1\0\0\0\3' >&"${SFTP_SESSION[1]}"
	head -c 4 <&"${SFTP_SESSION[0]}" >/dev/null
	sockets=$(find /tmp -maxdepth 2 -path '/tmp/ssh-*/agent.*' -user "$1" | wc -l)
	eval "exec ${SFTP_SESSION[1]}>&-"
	wait "$SFTP_SESSION_PID" || :
	case $sockets in
	0) echo no ;;
	1) echo yes ;;
	*) echo "$sockets" ;;
	esac
}

@test "-t: a terminal" {
	row "-t (terminal)" terminal_ terminal_with_sftp_
}

@test "-A: the agent" {
	row "-A (agent)" agent_ agent_with_sftp_
}

@test "-X: the display" {
	row "-X, -Y (X11)" display_ display_with_sftp_
}

# connect USER SSH-OPTION...: a connection that runs nothing. ssh -f returns when what it asked for is there.
connect() {
	local key=owner
	# shellcheck disable=SC2209 # a name of a key, not the command
	[ "$1" != local ] || key=admin
	timeout 20 ssh -f -N -F "$D/config" -i "$D/$key" -o ExitOnForwardFailure=yes -M -S "$D/ctl" -l "$1" "${@:2}" projects \
		>/dev/null 2>"$D/connect.err" 3>&- </dev/null
}
disconnect() { ssh -F "$D/config" -S "$D/ctl" -O exit projects 2>/dev/null; }

# through PROJECT ASK WHERE SSH-OPTION...: does what is asked come out of the connection?
through() {
	local got=
	if connect "$1" "${@:4}"; then
		# shellcheck disable=SC2086
		got=$($2 $3)
		disconnect
	else
		grep -qE "(forwarding failed|Tunnel forwarding failed)" "$D/connect.err" || got=$(cat "$D/connect.err")
	fi
	yes_if "$got" secret
}

nothing_() {
	connect "$1" && ssh -F "$D/config" -S "$D/ctl" -O check projects 2>/dev/null && echo yes
	disconnect
}

@test "-N: a connection that runs nothing" {
	row "-N (nothing)" nothing_
}

L_() { through "$1" ask_port 7100 -L 7100:127.0.0.1:7001; }
L_name_() { through "$1" ask_port 7100 -L 7100:localhost:7001; }
L_from_socket_() { rm -f "$D/c.sock"; through "$1" ask_socket "$D/c.sock" -L "$D/c.sock:127.0.0.1:7001"; }
D_() { through "$1" ask_socks 7100 -D 7100; }
W_() { yes_if "$(login owner "$1" -W 127.0.0.1:7001 2>/dev/null)" secret; }

@test "-L, -D and -W to this host" {
	row "-L, -D, -W to this host" L_ L_name_ L_from_socket_ D_ W_
}

L_other_() { through "$1" ask_port 7100 -L 7100:192.0.2.1:7001; }
D_other_() { through "$1" ask_socks "7100 192.0.2.1" -D 7100; }
W_other_() { yes_if "$(login owner "$1" -W 192.0.2.1:7001 2>/dev/null)" secret; }

@test "-L, -D and -W to other hosts" {
	row "-L, -D, -W to other hosts" L_other_ D_other_ W_other_
}

R_() { through "$1" ask_port 7100 -R 7100:127.0.0.1:7001; }
R_name_() { through "$1" ask_port 7100 -R localhost:7100:127.0.0.1:7001; }
R_socks_() { through "$1" ask_socks 7100 -R 7100; }

@test "-R: a port of this host" {
	row "-R (port of this host)" R_ R_name_ R_socks_
}

L_socket_() { through "$1" ask_port 7100 -L 7100:/tmp/secret.sock; }
L_socket_socket_() { rm -f "$D/c.sock"; through "$1" ask_socket "$D/c.sock" -L "$D/c.sock:/tmp/secret.sock"; }
R_socket_() { through "$1" ask_socket /tmp/forwarded.sock -R /tmp/forwarded.sock:127.0.0.1:7001; }

@test "-L and -R with Unix sockets of this host" {
	row "-L, -R of Unix sockets" L_socket_ L_socket_socket_ R_socket_
}

tunnel_() {
	# ssh does not wait for this one.
	connect "$1" -v -w 5:6
	wait_until grep -q "^Tunnel forwarding failed" "$D/connect.err" && echo no
	disconnect || :
}

@test "-w: a tunnel device, also where the project's uid has one" {
	for project in $PROJECTS; do
		ip tuntap add dev tun6 mode tun user "$(field_of $project uid)"
		[ "$(tunnel_ $project)" = no ]
		ip tuntap del dev tun6 mode tun
	done
	row "-w (tunnel)" tunnel_
}

# What "this host" is

@test "tcp loopback reaches localhost, 127.0.0.1 and ::1, by these names alone" {
	[ "$(yes_if "$(login owner $LOOPBACK -W localhost:7001 2>/dev/null)" secret)" = yes ]
	for name in 127.0.0.2 0.0.0.0 127.1 projects ssh LOCALHOST localhost. 2130706433; do
		run login owner $LOOPBACK -W $name:7001
		[ "$status" -eq 255 ]
		[[ $output == *"administratively prohibited"* ]]
		# All of them lead to the listener, or nowhere.
		run login owner $ON -W $name:7001
		[[ $output != *"administratively prohibited"* ]]
	done
}

@test "tcp loopback reaches ::1, and no other address of IPv6" {
	sshd_with
	echo 0 >/proc/sys/net/ipv6/conf/all/disable_ipv6
	echo 0 >/proc/sys/net/ipv6/conf/lo/disable_ipv6
	ip address add 2001:db8::1/128 dev lo nodad
	perl -MIO::Socket::IP -e '
		my $s = IO::Socket::IP->new(LocalAddr => "::", LocalPort => 7002, Listen => 5, V6Only => 1) or die;
		open my $ready, ">", shift;
		while (my $c = $s->accept) { print $c "secret\n" }' "$D/ipv6.ready" >/dev/null 2>&1 3>&- &
	six=$!
	wait_until test -e "$D/ipv6.ready"
	got=$(login owner $LOOPBACK -W '[::1]:7002' 2>&1)
	run login owner $LOOPBACK -W '[2001:db8::1]:7002'
	on=$(login owner $ON -W '[2001:db8::1]:7002' 2>&1)
	kill $six
	echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
	sshd_with "${HOST[@]}"
	[ "$got" = secret ]
	[[ $output == *"administratively prohibited"* ]]
	[ "$on" = secret ]
}

# listens ADDRESS:PORT: who listens there, of all that ss shows
listens() { ss -Hltn "sport = :7100" | awk '{print $4}'; }

@test "-R listens on the loopback addresses alone, whatever is asked and the host's GatewayPorts" {
	for where in 7100 '*:7100' :7100 0.0.0.0:7100 192.0.2.1:7100; do
		connect $ON -R "$where:127.0.0.1:7001"
		[ "$(listens)" = 127.0.0.1:7100 ]
		disconnect
	done
	# With tcp loopback the policy says no by itself.
	for where in 0.0.0.0:7100 192.0.2.1:7100; do
		refute connect $LOOPBACK -R "$where:127.0.0.1:7001"
		[ -z "$(listens)" ]
	done
	# A local user of this host has what the host gives.
	connect local -R 7100:127.0.0.1:7001
	[ "$(listens)" = 0.0.0.0:7100 ]
	disconnect
}

@test "-R takes no privileged port, and a free one when it is asked for one" {
	refute connect $ON -R 80:127.0.0.1:7001
	connect $LOOPBACK -R 0:127.0.0.1:7001
	port=$(grep -oE 'Allocated port [0-9]+' "$D/connect.err" | grep -oE '[0-9]+')
	[ "$(ask_port $port)" = secret ]
	disconnect
}

# What the host's own configuration refuses

# refused_here PROJECT REQUEST: what explain says stands in its way
refused_here() { keyacct explain "$1" "$D/owner.pub" | sed -n "s/^\(refused here \|             \) $2 (\(.*\))\$/\2/p"; }

@test "explain names the setting of the policy that refuses" {
	[ "$(keyacct explain $DEFAULT "$D/owner.pub" | sed -n '/^refused here/,/^result/p' | sed '$d' | cut -c15-)" = \
		"ports (tcp off)
X11 (x11 off)
Unix sockets (tcp off, AllowStreamLocalForwarding no)
tunnels (PermitTunnel no)" ]
	[ "$(refused_here $LOOPBACK "other hosts' ports")" = "tcp loopback" ]
	[ -z "$(refused_here $LOOPBACK ports)" ]
	[ -z "$(refused_here $ON "other hosts' ports")" ]
	[ "$(keyacct --json explain $SFTP "$D/owner.pub" | jq -c '[.refused_requests[] | .settings[0]] | unique')" = \
		'["sftp-only on"]' ]
}

@test "explain names the setting of the host that refuses what the policy allows" {
	all=$(new_project owner --tcp on --x11 on)
	[ -z "$(refused_here $all X11)" ]
	sshd_with "AddressFamily inet" "X11Forwarding no" "AllowTcpForwarding no" "AllowAgentForwarding no" "PermitTTY no"
	[ "$(display_ $all)$(agent_ $all)$(L_ $all)$(R_ $all)$(terminal_ $all)" = nonononono ]
	[ "$(refused_here $all X11)" = "X11Forwarding no" ]
	[ "$(refused_here $all ports)" = "AllowTcpForwarding no" ]
	[ "$(refused_here $all agent)" = "AllowAgentForwarding no" ]
	[ "$(refused_here $all terminals)" = "PermitTTY no" ]
	[ "$(refused_here $all 'Unix sockets')" = "AllowStreamLocalForwarding no" ]
	[ "$(refused_here $all tunnels)" = "PermitTunnel no" ]
	[ "$(refused_here $DEFAULT X11)" = "x11 off, X11Forwarding no" ]
	sshd_with "DisableForwarding yes"
	[ "$(refused_here $all X11)" = "DisableForwarding yes" ]
	[ "$(L_ $all)$(agent_ $all)" = nono ]
	sshd_with "ForceCommand echo forced"
	[ "$(refused_here $all commands)" = "ForceCommand echo forced" ]
	sshd_with "${HOST[@]}"
}
