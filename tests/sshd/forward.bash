# What the tests of forwarding share: something to reach, and ways to ask for it. Loaded after lib.
# shellcheck shell=bash

# listen: whoever connects to port 7001 of 127.0.0.1 or of 192.0.2.1, "another host", or to /tmp/secret.sock, reads "secret"
listen() {
	ip address add 192.0.2.1/32 dev lo
	perl -MIO::Select -MIO::Socket::INET -MIO::Socket::UNIX -e '
		my $unix = shift;
		my @s = (IO::Socket::UNIX->new(Local => $unix, Listen => 50), map {
			IO::Socket::INET->new(LocalAddr => $_, LocalPort => 7001, Listen => 50, ReuseAddr => 1)
		} "127.0.0.1", "192.0.2.1");
		chmod 0777, $unix;
		open my $ready, ">", "$unix.ready";
		my $poll = IO::Select->new(@s);
		while (my @ready = $poll->can_read) { for (@ready) { my $c = $_->accept; print $c "secret\n" } }
	' /tmp/secret.sock >/dev/null 2>&1 3>&- &
	echo $! >"$D/listener"
	wait_until test -e /tmp/secret.sock.ready
	# sshd forwards a display only where xauth is installed.
	[ -x /usr/bin/xauth ] || install -m 755 /bin/true /usr/bin/xauth
}
listen_no_more() {
	kill "$(cat "$BATS_FILE_TMPDIR/listener")"
	ip address del 192.0.2.1/32 dev lo
}

# What comes out of a port, a socket, or an address's port 7001 through a SOCKS port. Nobody there: nothing.
ask_port() { timeout 5 bash -c "exec 5<>/dev/tcp/127.0.0.1/$1 && cat <&5" 2>/dev/null || :; }
ask_socket() {
	timeout 5 perl -MIO::Socket::UNIX -e 'my $s = IO::Socket::UNIX->new(Peer => shift) or exit; print while <$s>' "$1" || :
}
ask_socks() {
	local a
	a=$(printf '\\x%x' $(tr . ' ' <<<"${2:-127.0.0.1}"))
	timeout 5 bash -c "exec 5<>/dev/tcp/127.0.0.1/$1 && printf '\4\1\x1b\x59$a\0' >&5 && cat <&5" 2>/dev/null | tr -dc a-z
}
