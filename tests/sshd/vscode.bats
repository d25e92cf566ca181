#!/usr/bin/env bats
# needs: sshd
# The pattern of Visual Studio Code's Remote-SSH, with the policy "tcp loopback": a script on the standard input of a shell
# starts a server that listens on the loopback address, stays, and is reached over many channels of one connection.

load lib
load forward

setup_file() {
	load lib
	make_people
	export P=$(new_project owner --tcp loopback)
	# This host has no ::1 to listen on.
	echo 'AddressFamily inet' >>"$D/config"
	# What the client sends. The server writes its number, its port and who runs it to each that connects.
	cat >"$D/bootstrap" <<-'END'
		set -e
		mkdir -p ~/.editor-server
		cat >~/.editor-server/server <<'SERVER'
		use IO::Select; use IO::Socket::INET;
		my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => 0, Listen => 100) or die;
		open my $port, ">", "$ENV{HOME}/.editor-server/port.new" or die;
		print $port $s->sockport; close $port;
		rename "$ENV{HOME}/.editor-server/port.new", "$ENV{HOME}/.editor-server/port";
		my @clients; my $poll = IO::Select->new($s);
		# Nobody is served before all are there: so all channels are open at once.
		while (@clients < $ARGV[0]) { $poll->can_read; push @clients, scalar $s->accept }
		for (0 .. $#clients) { my $c = $clients[$_]; print $c "$_ ", scalar getpwuid($<), "\n"; close $c }
		SERVER
		rm -f ~/.editor-server/port
		setsid nohup perl ~/.editor-server/server "$CHANNELS" >~/.editor-server/log 2>&1 </dev/null &
		until [ -e ~/.editor-server/port ]; do :; done
		echo "listening on $(cat ~/.editor-server/port)"
	END
}

# start_server CHANNELS [SSH-OPTION]...: prints its port
start_server() {
	{
		echo "CHANNELS=$1"
		cat "$D/bootstrap"
	} | timeout 20 ssh -T -F "$D/config" -i "$D/owner" "${@:2}" "$P@projects" bash | sed -n 's/^listening on //p'
}

# ask_all CHANNELS COMMAND...: so many at the same time; prints what they read, sorted
ask_all() {
	local i
	for ((i = 0; i < $1; i++)); do
		"${@:2}" >"$D/answer.$i" 3>&- &
	done
	wait
	cat "$D"/answer.* | sort -n
	rm "$D"/answer.*
}
expected() { for ((i = 0; i < $1; i++)); do echo "$i $P"; done; }

ask_socks_port() {
	timeout 10 perl -MIO::Socket::INET -e '
		my $c = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $ARGV[0]) or die;
		print $c pack("CCnC4x", 4, 1, $ARGV[1], 127, 0, 0, 1); $c->flush; read $c, my $reply, 8; print while <$c>' "$1" "$2"
}

@test "-D: a hundred channels at once to a server that the connection started" {
	timeout 20 ssh -f -N -F "$D/config" -i "$D/owner" -M -S "$D/ctl" -D 7200 "$P@projects" 3>&-
	port=$(start_server 100 -S "$D/ctl")
	[ "$port" -gt 1023 ]
	[ "$(ask_all 100 ask_socks_port 7200 "$port")" = "$(expected 100)" ]
	ssh -F "$D/config" -S "$D/ctl" -O exit projects
}

@test "-L: to the port that the server wrote, on a second connection; the server outlives the first" {
	port=$(start_server 50)
	timeout 20 ssh -f -N -F "$D/config" -i "$D/owner" -M -S "$D/ctl" -L "7201:127.0.0.1:$port" "$P@projects" 3>&-
	[ "$(ask_all 50 ask_port 7201)" = "$(expected 50)" ]
	ssh -F "$D/config" -S "$D/ctl" -O exit projects
}

@test "a port that is forwarded later over the open connection, as for a page to look at" {
	port=$(start_server 2)
	timeout 20 ssh -f -N -F "$D/config" -i "$D/owner" -M -S "$D/ctl" "$P@projects" 3>&-
	ssh -F "$D/config" -S "$D/ctl" -O forward -L "7202:localhost:$port" projects
	[ "$(ask_all 2 ask_port 7202)" = "$(expected 2)" ]
	ssh -F "$D/config" -S "$D/ctl" -O exit projects
}

@test "with tcp off the server starts, and nothing reaches it" {
	port=$(start_server 1)
	keyacct project set "$P" --tcp off
	timeout 20 ssh -f -N -F "$D/config" -i "$D/owner" -M -S "$D/ctl" -L "7203:127.0.0.1:$port" "$P@projects" 2>/dev/null 3>&-
	[ -z "$(ask_port 7203)" ]
	ssh -F "$D/config" -S "$D/ctl" -O exit projects
	keyacct project set "$P" --tcp loopback
	timeout 20 ssh -f -N -F "$D/config" -i "$D/owner" -M -S "$D/ctl" -L "7203:127.0.0.1:$port" "$P@projects" 3>&-
	[ "$(ask_port 7203)" = "0 $P" ]
	ssh -F "$D/config" -S "$D/ctl" -O exit projects
}
