#!/usr/bin/env bats
# needs: sshd
# A project's shell as the way into its workspace, with the shipped example: all that a session can ask for goes through it.

load lib
load forward

EXAMPLES=/usr/share/doc/keyacct/examples
STOPPED="This workspace is stopped. Your key is right: start the workspace, then log in again."
workspace() { $EXAMPLES/workspace-bubblewrap "$@" 3>&-; }

setup_file() {
	load lib
	make_people
	install -D $EXAMPLES/enter-bubblewrap /usr/local/libexec/enter-bubblewrap
	export P=$(new_project owner --shell /usr/local/libexec/enter-bubblewrap --tcp loopback)
	export Q=$(new_project owner)
	export HOME_OF_P=/projects/$(hyphened "$P")
	login owner "$Q" true
	head -c 3000000 /dev/urandom >"$D/blob"
	workspace start "$P"
}
teardown_file() { workspace stop "$P"; }
setup() { workspace start "$P"; }
teardown() { rm -f "$D"/got*; }

@test "a stopped workspace is one sentence on standard error, and no wrong key" {
	workspace stop $P
	[ "$(workspace status $P)" = stopped ]
	for request in "-T" "-tt" "echo ran"; do
		run --separate-stderr login owner $P $request
		[ "$status" -eq 69 ]
		[[ $output$stderr == *"$STOPPED"* ]]
		[[ $output$stderr != *"Permission denied"* && $output != *ran* ]]
	done
	run scp -O -F "$D/config" -i "$D/owner" "$D/blob" $P@projects:
	[ "$status" -ne 0 ]
	[ "${lines[0]}" = "$STOPPED" ]
	# Of a subsystem sshd throws standard error away.
	for copy in "scp $D/blob $P@projects:" "sftp -b /dev/null $P@projects"; do
		run ${copy%% *} -F "$D/config" -i "$D/owner" ${copy#* }
		[ "$status" -eq 255 ]
		[ "${output%$'\r'}" = "${copy%% *}: Connection closed" ] || [ "${output%$'\r'}" = "Connection closed" ]
	done
	# Whose key is wrong reads what strangers read.
	denied outsider $P
	workspace start $P
	enters owner $P
}

@test "a command runs in the workspace: its own root, processes and home" {
	login owner $P 'echo inside >mine'
	[ "$(cat $HOME_OF_P/workspace/mine)" = inside ]
	run login owner $P 'pwd; ls /projects; ls -d /root /var/lib/keyacct/private /etc/../srv; id -un; ps ax -o comm= | sort | uniq -c'
	[ "${lines[0]}" = $HOME_OF_P ]
	[ "${lines[1]}" = "${HOME_OF_P#/projects/}" ]
	[[ $output == *"cannot access '/root'"* && $output == *"cannot access '/var/lib/keyacct/private'"* ]]
	[[ $output == *"cannot access '/etc/../srv'"* ]]
	grep -qx $P <<<"$output"
	refute grep -q sshd <<<"$output"
	# Neither the directory that it was called from nor an open file leads out.
	run login owner $P 'ls -l /proc/self/cwd /proc/self/fd; ls workspace'
	[[ $output == *"/proc/self/cwd -> $HOME_OF_P"* ]]
	[[ $output == *"cannot access 'workspace'"* ]]
}

@test "what sshd and PAM read in a home is out of the members' reach" {
	login owner $P 'echo LD_PRELOAD=/tmp/evil.so >.pam_environment; echo KEYACCT_ACCOUNT=student >>.pam_environment'
	run login owner $P 'echo $KEYACCT_ACCOUNT$LD_PRELOAD'
	[ "$output" = owner ]
	login owner $P rm .pam_environment
	# In a project without a workspace it is read: so the question was put well.
	login owner $Q 'echo KEYACCT_ACCOUNT=student >.pam_environment'
	[ "$(login owner $Q 'echo $KEYACCT_ACCOUNT')" = student ]
	login owner $Q rm .pam_environment
}

@test "a login without a command is a login shell with its terminal" {
	printf 'shopt -q login_shell && echo "a login"; tty; stat -c %%U "$(tty)"; stty -a | head -n 1; exit 9\n' |
		timeout 20 script -qec "stty cols 123; ssh -F $D/config -i $D/owner $P@projects" /dev/null >"$D/got.tty" || status=$?
	[ "$status" -eq 9 ]
	sed 's/\x1b\[[?0-9;]*[a-zA-Z]//g; s/\r//g' <"$D/got.tty" >"$D/got.text"
	grep -q '^a login$' "$D/got.text"
	grep -q '^/dev/pts/[0-9]*$' "$D/got.text"
	grep -q "^$P\$" "$D/got.text"
	grep -q 'columns 123;' "$D/got.text"
}

@test "a shell without a terminal reads its commands from standard input" {
	run timeout 20 ssh -T -F "$D/config" -i "$D/owner" $P@projects <<<'echo "$0"; exit 3'
	[ "$status" -eq 3 ]
	[[ $output == *bash ]]
}

@test "exit status, signals, both outputs, and three megabytes each way" {
	for wanted in 0 1 7 69 254; do
		run login owner $P "exit $wanted"
		[ "$status" -eq $wanted ]
		[ -z "$output" ]
	done
	run login owner $P -v 'kill -TERM $$'
	[ "$status" -eq 255 ]
	[[ $output == *"rtype exit-signal"* ]]
	run --separate-stderr login owner $P 'echo out; echo err >&2'
	[ "$output" = out ]
	[ "$stderr" = err ]
	timeout 20 ssh -F "$D/config" -i "$D/owner" $P@projects cat <"$D/blob" >"$D/got"
	cmp "$D/blob" "$D/got"
	# A word of the command is no word of the entry program.
	run login owner $P "printf '%s|' 'a  b' '\$x' \"c'd\" -c '*'"
	[ "$output" = "a  b|\$x|c'd|-c|*|" ]
}

@test "an interrupt at the terminal is for the command, which may catch it" {
	mkfifo "$D/keys"
	timeout 20 ssh -tt -F "$D/config" -i "$D/owner" $P@projects \
		'trap "echo caught; exit 5" INT; echo ready; while :; do read -t 1 x; done' <"$D/keys" >"$D/got.int" 2>/dev/null 3>&- &
	ssh=$!
	exec 9>"$D/keys"
	wait_until grep -q ready "$D/got.int"
	printf '\003' >&9
	wait $ssh || status=$?
	exec 9>&-
	rm "$D/keys"
	[ "$status" -eq 5 ]
	grep -q caught "$D/got.int"
}

@test "the environment is sshd's and PAM's" {
	run login owner $P -o SetEnv=LC_TEST=sent 'env | LC_ALL=C sort'
	inside=$(grep -vE '^(PWD|SHLVL|SSH_C.*|_|SHELL)=' <<<"$output")
	[[ $output == *$'\nSHELL=/bin/bash\n'* ]]
	run login owner $Q -o SetEnv=LC_TEST=sent 'env | LC_ALL=C sort'
	[ "$inside" = "$(grep -vE '^(PWD|SHLVL|SSH_C.*|_|SHELL)=' <<<"$output" | sed "s/$Q/$P/; s,^HOME=.*,HOME=$HOME_OF_P,; s/^USER=.*/USER=$P/; s/^LOGNAME=.*/LOGNAME=$P/")" ]
	[[ $inside == *KEYACCT_ACCOUNT=owner* && $inside == *LC_TEST=sent* ]]
}

@test "scp, scp -O, sftp with the host's external server, rsync and git" {
	sshd -T | grep -qx 'subsystem sftp /usr/lib/openssh/sftp-server'
	for how in scp "scp -O"; do
		rm -f $HOME_OF_P/workspace/there
		$how -q -F "$D/config" -i "$D/owner" "$D/blob" $P@projects:there
		cmp "$D/blob" $HOME_OF_P/workspace/there
		$how -q -F "$D/config" -i "$D/owner" $P@projects:there "$D/got"
		cmp "$D/blob" "$D/got"
		rm "$D/got"
	done
	run sftp -q -b - -F "$D/config" -i "$D/owner" $P@projects <<<$'pwd\nls -1 /projects'
	[[ $output == *"Remote working directory: $HOME_OF_P"* ]]
	[[ $output != *"$(hyphened $Q)"* ]]
	rsync -q -e "ssh -F $D/config -i $D/owner" "$D/blob" $P@projects:rsynced
	cmp "$D/blob" $HOME_OF_P/workspace/rsynced
	login owner $P git init -q --bare repository
	export GIT_SSH_COMMAND="ssh -F $D/config -i $D/owner"
	git init -q "$D/local"
	git -C "$D/local" -c user.name=owner -c user.email=owner@example.org commit -q --allow-empty -m first
	git -C "$D/local" push -q $P@projects:repository HEAD:main
	[ "$(git ls-remote $P@projects:repository main | cut -f1)" = "$(git -C "$D/local" rev-parse HEAD)" ]
	[ -d $HOME_OF_P/workspace/repository ]
}

@test "an editor's server: started by one command, seen by the next, reached through -L and -D" {
	port=$(login owner $P 'setsid nohup perl -MIO::Socket::INET -e "
		my \$s = IO::Socket::INET->new(LocalAddr => q(127.0.0.1), LocalPort => 0, Listen => 9) or die;
		open my \$f, q(>), q(port); print \$f \$s->sockport; close \$f; rename q(port), q(server.port);
		while (my \$c = \$s->accept) { print \$c qq(served\n); close \$c }" >/dev/null 2>&1 </dev/null & echo $! >server.pid
		until [ -e server.port ]; do :; done; cat server.port')
	login owner $P 'kill -0 $(cat server.pid)'
	timeout 20 ssh -f -N -F "$D/config" -i "$D/owner" -o AddressFamily=inet -M -S "$D/ctl" -L 7300:127.0.0.1:$port -D 7301 \
		$P@projects 3>&-
	[ "$(ask_port 7300)" = served ]
	[ "$(timeout 5 perl -MIO::Socket::INET -e 'my $c = IO::Socket::INET->new("127.0.0.1:7301") or die;
		print $c pack("CCnC4x", 4, 1, shift, 127, 0, 0, 1); read $c, my $r, 8; print <$c>' $port)" = served ]
	ssh -F "$D/config" -S "$D/ctl" -O exit projects
	# From outside it is the same server, with another number.
	refute kill -0 "$(cat $HOME_OF_P/workspace/server.pid)"
}

@test "a forwarded agent is there" {
	eval "$(ssh-agent -a "$D/agent" 3>&-)" >/dev/null
	ssh-add -q "$D/owner"
	run login owner $P -A ssh-add -l
	kill $SSH_AGENT_PID
	[ "$output" = "$(ssh-keygen -lf "$D/owner.pub")" ]
}

@test "stop ends all that runs in the workspace, and start finds the files again" {
	login owner $P 'echo kept >kept; setsid nohup sleep 1000 >/dev/null 2>&1 </dev/null &'
	hold owner $P
	workspace stop $P
	wait $held || :
	exec 9>&-
	none_left() { ! pgrep -u $P >/dev/null; }
	wait_until none_left
	run login owner $P true
	[ "$status" -eq 69 ]
	workspace start $P
	[ "$(login owner $P cat kept)" = kept ]
	# A second start changes nothing.
	before=$(workspace status $P)
	workspace start $P
	[ "$(workspace status $P)" = "$before" ]
}

@test "a holder that died, and a number that another process has now, are a stopped workspace" {
	read -r pid _ </run/workspaces/$P
	kill -KILL $pid
	gone() { [ ! -e /proc/$pid ]; }
	wait_until gone
	run login owner $P true
	[ "$status" -eq 69 ]
	echo "$$ pid:[1]" >/run/workspaces/$P
	run login owner $P true
	[ "$status" -eq 69 ]
	workspace start $P
	enters owner $P
}

@test "a program inside that runs the user's shell gets a shell" {
	run login owner $P 'getent passwd $(id -u) | cut -d: -f7'
	[ "$output" = /usr/local/libexec/enter-bubblewrap ]
	install -D $EXAMPLES/enter-bubblewrap /usr/libexec/enter-bubblewrap
	run login owner $P '/usr/libexec/enter-bubblewrap -c "echo \$0 from inside"'
	[ "$output" = "/bin/bash from inside" ]
}

@test "an entry program alone is no boundary: with a home that members write, their code runs in it" {
	T=$(new_project owner)
	login owner $T 'printf "LD_PRELOAD=%s/mine.so\n" ~ >.pam_environment'
	install -m 755 /bin/true /usr/local/libexec/refuse
	keyacct project set $T --shell /usr/local/libexec/refuse
	run login owner $T true
	# The loader was told to load it into that program, and did not find it.
	[[ $output == *"ERROR: ld.so: object '/projects/$(hyphened $T)/mine.so' from LD_PRELOAD cannot be preloaded"* ]]
}
