#!/usr/bin/env bats
# needs: sshd
# What a session in a project may forward: its agent, and nothing else.
#
#   ssh option              what it asks for                          local user   project   what ssh says of the project
#   -L PORT:HOST:PORT       a client's port to a server's             passes       refused   open failed: administratively ...
#   -L PORT:SOCKET          a client's port to a server's socket      passes       refused   open failed: connect failed
#   -L SOCKET:HOST:PORT     a client's socket to a server's port      passes       refused   open failed: administratively ...
#   -L SOCKET:SOCKET        a client's socket to a server's           passes       refused   open failed: connect failed
#   -D PORT                 a client's SOCKS port                     passes       refused   open failed: administratively ...
#   -W HOST:PORT            standard input and output to a port       passes       refused   stdio forwarding failed
#   -R PORT:HOST:PORT       a server's port to a client's             passes       refused   remote port forwarding failed
#   -R PORT                 a server's SOCKS port                     passes       refused   remote port forwarding failed
#   -R SOCKET:HOST:PORT     a server's socket to a client's port      passes       refused   remote port forwarding failed
#   -X, -Y                  the client's display                      passes       refused   X11 forwarding request failed
#   -w TUN:TUN              a tunnel device                           root's does  refused   Tunnel forwarding failed
#   -A                      the client's agent                        passes       passes; with --agent off refused

load lib
load forward

setup_file() {
	load lib
	load forward
	make_people
	make_local
	export P=$(new_project owner)
	listen
}

teardown_file() { listen_no_more; }
setup() { rm -f "$D"/*.sock /tmp/forwarded.sock; }
teardown() { rm -f /etc/ssh/sshd_config.d/9*-tests.conf; }

# during KEY USER "SSH-OPTIONS" ASK WHERE: ask while a session with these options is open
during() {
	# shellcheck disable=SC2086
	hold "$1" "$2" $3
	"$4" "$5"
	let_go
	cat "$D/hold.err" >&2
}

# forward "SSH-OPTIONS" ASK WHERE MESSAGE: one row of the table. The local user is the proof that asking works.
forward() {
	run --separate-stderr during admin local "$1" "$2" "$3"
	[ "$output" = secret ]
	rm -f "$D"/*.sock /tmp/forwarded.sock
	run --separate-stderr during owner "$P" "$1" "$2" "$3"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[[ $stderr == *"$4"* ]]
}

PROHIBITED="open failed: administratively prohibited"
# sshd's word for a socket that it does not connect to; that the socket can be reached is what the local user shows.
NOT_CONNECTED="open failed: connect failed"

@test "-L: a client's port to a server's port" {
	forward "-L 7100:127.0.0.1:7001" ask_port 7100 "$PROHIBITED"
}

@test "-L: a client's port to a server's Unix socket" {
	forward "-L 7101:/tmp/secret.sock" ask_port 7101 "$NOT_CONNECTED"
}

@test "-L: a client's Unix socket to a server's port" {
	forward "-L $D/c.sock:127.0.0.1:7001" ask_socket "$D/c.sock" "$PROHIBITED"
}

@test "-L: a client's Unix socket to a server's Unix socket" {
	forward "-L $D/c.sock:/tmp/secret.sock" ask_socket "$D/c.sock" "$NOT_CONNECTED"
}

@test "-D: a client's SOCKS port" {
	forward "-D 7102" ask_socks 7102 "$PROHIBITED"
}

@test "-R: a server's port to a client's port" {
	forward "-R 7103:127.0.0.1:7001" ask_port 7103 "remote port forwarding failed for listen port 7103"
}

@test "-R: a server's SOCKS port" {
	forward "-R 7104" ask_socks 7104 "remote port forwarding failed for listen port 7104"
}

@test "-R: a server's Unix socket to a client's port" {
	forward "-R /tmp/forwarded.sock:127.0.0.1:7001" ask_socket /tmp/forwarded.sock \
		"remote port forwarding failed for listen path /tmp/forwarded.sock"
	[ ! -e /tmp/forwarded.sock ]
}

@test "-R with ExitOnForwardFailure ends before the command" {
	for where in 7105:127.0.0.1:7001 7105 /tmp/forwarded.sock:127.0.0.1:7001; do
		run login admin local -o ExitOnForwardFailure=yes -R $where echo ran
		[ "$output" = ran ]
		rm -f /tmp/forwarded.sock
		run login owner $P -o ExitOnForwardFailure=yes -R $where echo ran
		[ "$status" -eq 255 ]
		[[ $output == *"remote port forwarding failed"* ]]
		[[ $output != *ran* ]]
	done
}

@test "-W: standard input and output to a server's port" {
	run login admin local -W 127.0.0.1:7001
	[ "$output" = secret ]
	run login owner $P -W 127.0.0.1:7001
	[ "$status" -eq 255 ]
	[[ $output == *"$PROHIBITED"* && $output == *"stdio forwarding failed"* ]]
	[[ $output != *secret* ]]
}

@test "-X and -Y: the client's display" {
	# Without IPv6 sshd makes a display only where it is told so.
	sshd_with "AddressFamily inet" "X11Forwarding yes"
	export DISPLAY=127.0.0.1:0
	run --separate-stderr login admin local -Y 'echo "[$DISPLAY]"'
	local_display=$output
	run --separate-stderr login owner $P -X 'echo "[$DISPLAY]"'
	project_display=$output
	run --separate-stderr login owner $P -Y 'echo "[$DISPLAY]"'
	sshd_with
	[[ $local_display == "[localhost:"*"]" ]]
	[ "$project_display" = "[]" ]
	[ "$output" = "[]" ]
	# -X gives up by itself where there is no display to make a limited cookie for; -Y makes one up and asks.
	[[ $stderr == *"X11 forwarding request failed on channel 0"* ]]
}

# tunnel KEY USER: does the server give a tunnel device? Once there is one, ssh would stay for it.
tunnel() {
	local ssh
	login "$1" "$2" -o ExitOnForwardFailure=yes -w 5:6 echo ran >"$D/tunnel.out" 2>&1 3>&- &
	ssh=$!
	ran_or_ended() { grep -qx ran "$D/tunnel.out" || ! kill -0 $ssh 2>/dev/null; }
	wait_until ran_or_ended
	pkill -P $ssh || :
	wait $ssh || local status=$?
	cat "$D/tunnel.out"
	return ${status:-0}
}

@test "-w: a tunnel device" {
	[ -e /dev/net/tun ] || { mkdir -p /dev/net && mknod -m 666 /dev/net/tun c 10 200; }
	run tunnel owner $P
	[ "$status" -eq 255 ]
	[[ $output == *"Tunnel forwarding failed"* && $output != *ran* ]]
	sshd_with "PermitTunnel yes"
	run tunnel admin root
	[ "${lines[0]}" = ran ]
	run tunnel owner $P
	sshd_with
	[ "$status" -eq 255 ]
	[[ $output == *"Tunnel forwarding failed"* && $output != *ran* ]]
}

@test "-w: refused also where the host permits tunnels and the project's uid has a device" {
	[ -e /dev/net/tun ] || { mkdir -p /dev/net && mknod -m 666 /dev/net/tun c 10 200; }
	ip tuntap add dev tun6 mode tun user "$(field_of $P uid)"
	sshd_with "PermitTunnel yes"
	run tunnel owner $P
	sshd_with
	ip tuntap del dev tun6 mode tun
	[ "$status" -eq 255 ]
	[[ $output != *ran* ]]
}

@test "a host that allows every forward in its own configuration allows a project none" {
	sshd_with "AllowTcpForwarding yes" "AllowStreamLocalForwarding yes" "GatewayPorts yes" "X11Forwarding yes" \
		"PermitOpen any" "PermitListen any" "AllowAgentForwarding yes"
	forward "-L 7110:127.0.0.1:7001" ask_port 7110 "$PROHIBITED"
	forward "-L 7111:/tmp/secret.sock" ask_port 7111 "$NOT_CONNECTED"
	forward "-R 7112:127.0.0.1:7001" ask_port 7112 "remote port forwarding failed"
	rm -f /tmp/forwarded.sock
	forward "-R /tmp/forwarded.sock:127.0.0.1:7001" ask_socket /tmp/forwarded.sock "remote port forwarding failed"
	sshd_with
}

@test "a multiplexed connection forwards nothing that is asked for later" {
	hold owner $P -M -S "$D/ctl"
	run ssh -F "$D/config" -S "$D/ctl" -O forward -R 7113:127.0.0.1:7001 projects
	[ "$status" -ne 0 ]
	run ssh -F "$D/config" -S "$D/ctl" -O forward -L 7114:127.0.0.1:7001 projects
	[ -z "$(ask_port 7114)" ]
	[ -z "$(ask_port 7113)" ]
	let_go
	hold admin local -M -S "$D/ctl"
	ssh -F "$D/config" -S "$D/ctl" -O forward -R 7113:127.0.0.1:7001 projects
	[ "$(ask_port 7113)" = secret ]
	let_go
}

@test "-A: the agent is forwarded, and refused where --agent off is set" {
	eval "$(ssh-agent -a "$D/agent" 3>&-)" >/dev/null
	ssh-add -q "$D/owner"
	run login owner $P -A ssh-add -l
	keyacct project set $P --agent off
	run --separate-stderr login owner $P -A 'echo "[$SSH_AUTH_SOCK]"; ssh-add -l'
	off=$output
	off_status=$status
	keyacct project set $P --agent on
	run login owner $P -A ssh-add -l
	ssh-agent -k >/dev/null
	[ "$status" -eq 0 ]
	[ "$output" = "$(ssh-keygen -lf "$D/owner.pub")" ]
	[ "$off" = "[]" ]
	[ $off_status -eq 2 ]
}

# The second line: PAM alone refuses, whatever sshd thinks of the key.

# every_key_is_good: as if keyacct-keys gave every key every right
every_key_is_good() {
	printf '#!/bin/sh\necho "$3 $4"\n' >/usr/libexec/every-key
	chmod 755 /usr/libexec/every-key
	cat >/etc/ssh/sshd_config.d/00-a-tests.conf <<-'END'
		Match User ????????????????????????????????
		    AuthorizedKeysCommand /usr/libexec/every-key %u %f %t %k
		    AuthorizedKeysCommandUser keyacct
		    AllowStreamLocalForwarding yes
	END
	sshd_again
}

@test "a key that sshd lets through and we do not runs nothing and forwards nothing" {
	every_key_is_good
	# The proof that such a key would forward, if it were a member's.
	run --separate-stderr during owner $P "-L 7120:127.0.0.1:7001" ask_port 7120
	[ "$output" = secret ]
	for key in outsider stranger; do
		run login $key $P 'echo ran; touch /tmp/outsider-ran'
		[ "$status" -eq 254 ]
		[ -z "$output" ]
		[ ! -e /tmp/outsider-ran ]
		run login $key $P -tt 'echo ran'
		[ "$status" -eq 254 ]
		[[ $output != *ran* ]]
		run login $key $P -s sftp
		[ "$status" -ne 0 ]
		run login $key $P -W 127.0.0.1:7001
		[ "$status" -eq 255 ]
		[[ $output != *secret* ]]
		run login $key $P -o ExitOnForwardFailure=yes -N -R 7121:127.0.0.1:7001
		[ "$status" -eq 255 ]
		[[ $output == *"remote port forwarding failed"* ]]
		run login $key $P -o ExitOnForwardFailure=yes -N -R /tmp/forwarded.sock:127.0.0.1:7001
		[ "$status" -eq 255 ]
		[ ! -e /tmp/forwarded.sock ]
		wait_until no_entries
		[ -z "$(last_use outsider outsider count)" ]
	done
	rm /etc/ssh/sshd_config.d/00-a-tests.conf
	sshd_again
	denied outsider $P
}
