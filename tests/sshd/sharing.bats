#!/usr/bin/env bats
# needs: sshd
# What sharing a Unix user means, as keyacct(7) says it: what a co-member can do with a forwarded agent, with what is left in
# the home, with ports of the host; and the ways that give nothing away.

load lib
load forward

setup_file() {
	load lib
	load forward
	make_people
	export P=$(new_project owner)             # the student collaborates: here the agent is forwarded to
	export Q=$(new_project owner)             # the owner's alone: where the owner wants to go on to
	export R=$(new_project owner)             # the owner's alone: where nobody else should ever get
	keyacct member add "$P" student
	# The short name and its keys are known to everybody on the host by what this writes.
	keyacct setup --yes
	for project in $P $Q $R; do login owner "$project" true; done
}
teardown() {
	[ -z "${agent:-}" ] || kill "$agent"
	[ -z "${held:-}" ] || { exec 9>&-; wait "$held" || :; }
}

# with_agent [SSH-ADD-OPTION]...: the owner's key in an agent
with_agent() {
	rm -f "$D/agent"
	eval "$(ssh-agent -a "$D/agent" 3>&-)" >/dev/null
	agent=$SSH_AGENT_PID
	ssh-add -q "$@" "$D/owner"
}
# owner_is_there: the owner is in P with the agent
owner_is_there() { hold owner $P -A; }
# student_tries PROJECT [COMMAND]: the student, who is in P too, goes on with whatever agent's socket lies there
student_tries() {
	login student $P -a 'export SSH_AUTH_SOCK=$(ls /tmp/ssh-*/agent.* 2>/dev/null | head -n 1)
		ssh -o BatchMode=yes -o LogLevel=ERROR '"$1"'@ssh '"'${2:-echo \$KEYACCT_ACCOUNT in \$KEYACCT_PROJECT}'"
}
# goes_on PROJECT: the owner, in P with the agent, goes on
goes_on() { login owner $P -A "ssh -o BatchMode=yes -o LogLevel=ERROR $1@ssh 'echo \$KEYACCT_ACCOUNT in \$KEYACCT_PROJECT'"; }

@test "from project to project by the short name: ssh, scp and scp -r, with the forwarded agent" {
	with_agent
	[ "$(goes_on $Q)" = "owner in $Q" ]
	login owner $P 'mkdir -p Docs/deep; echo text >Docs/deep/file; head -c 1000000 /dev/urandom >Docs/blob'
	login owner $P -A "scp -q -B -r Docs $Q@ssh:"
	[ "$(login owner $Q 'cat Docs/deep/file; cksum <Docs/blob')" = "$(login owner $P 'cat Docs/deep/file; cksum <Docs/blob')" ]
	login owner $P -A "scp -q -B $Q@ssh:Docs/deep/file back && cat back && rm back"
	# Without the agent there is no way.
	run login owner $P -a "ssh -o BatchMode=yes $Q@ssh true"
	is_denied "$Q@ssh: $DENIED"
	login owner $P rm -r Docs
	login owner $Q rm -r Docs
}

@test "the short way is a connection from 127.0.0.1, for the log and for a key's limit to addresses" {
	with_agent
	log_mark
	goes_on $Q
	[[ $(log_since) == *"granted project=$Q account=owner "*" address=127.0.0.1 "* ]]
	keyacct key set "$(fingerprint owner)" --from 127.0.0.2
	run timeout 20 ssh -A -F "$D/config" -i "$D/owner" -o BindAddress=127.0.0.2 $P@projects "ssh -o BatchMode=yes -o LogLevel=ERROR $Q@ssh true" </dev/null
	keyacct key set "$(fingerprint owner)" --from 127.0.0.2,127.0.0.1
	is_denied "$Q@ssh: $DENIED"
	[ "$(goes_on $Q)" = "owner in $Q" ]
	keyacct key set "$(fingerprint owner)" --from ''
}

@test "the short way works where a project's traffic to the outside is blocked by its uid" {
	# Two hosts: this one, and one outside that answers on a port.
	unshare --net sleep 1000 3>&- &
	outside=$!
	apart() { [ "$(readlink /proc/$outside/ns/net)" != "$(readlink /proc/self/ns/net)" ]; }
	wait_until apart
	ip link add inner type veth peer name outer netns $outside
	ip address add 198.51.100.1/24 dev inner
	ip link set inner up
	nsenter --target $outside --net sh -c 'ip address add 198.51.100.2/24 dev outer; ip link set outer up; ip link set lo up'
	nsenter --target $outside --net perl -MIO::Socket::INET -e '
		my $s = IO::Socket::INET->new(LocalPort => 7001, Listen => 9, ReuseAddr => 1) or die;
		while (my $c = $s->accept) { print $c "outside\n" }' 3>&- &
	listener=$!
	reaches='timeout 3 bash -c "cat </dev/tcp/198.51.100.2/7001" 2>/dev/null'
	reached() { [ "$(login owner $P "$reaches")" = outside ]; }
	wait_until reached
	ip rule add uidrange "$(field_of $P uid)-$(field_of $P uid)" prohibit
	blocked=$(login owner $P "$reaches" || :)
	others=$(login owner $Q "$reaches" || :)
	with_agent
	through=$(goes_on $Q || :)
	ip rule del uidrange "$(field_of $P uid)-$(field_of $P uid)" prohibit
	kill $listener $outside
	[ -z "$blocked" ]
	[ "$others" = outside ]
	[ "$through" = "owner in $Q" ]
}

@test "a co-member goes on as whoever forwards an agent, while it is there" {
	with_agent
	owner_is_there
	[ "$(student_tries $R)" = "owner in $R" ]
	# And is logged as the owner.
	grep -q "granted project=$R account=owner" <<<"$(tail -n 100 $LOG)"
	let_go
	unset held
	run student_tries $R
	is_denied "$R@ssh: $DENIED"
}

@test "agent off: there is none" {
	keyacct project set $P --agent off
	with_agent
	owner_is_there
	run student_tries $R
	keyacct project set $P --agent on
	is_denied "$R@ssh: $DENIED"
}

@test "ForwardAgent no, as ssh-config writes it: there is none" {
	keyacct ssh-config owner --project $P --host projects --identity "$D/owner" >"$D/own-config"
	sed -i "1i UserKnownHostsFile $D/known_hosts" "$D/own-config"
	with_agent
	run timeout 20 ssh -F "$D/own-config" "$(sed -n 's/^Host //p' "$D/own-config")" 'echo "[$SSH_AUTH_SOCK]"; ls -d /tmp/ssh-*'
	[ "${lines[0]}" = "[]" ]
	[[ ${lines[1]} == *"cannot access"* ]]
}

@test "ssh-add -h: the key goes where its owner said, for a co-member too, and nowhere else" {
	with_agent -H "$D/known_hosts" -h "$P@projects" -h "projects>$Q@ssh"
	[ "$(goes_on $Q)" = "owner in $Q" ]
	run goes_on $R
	[ "$status" -eq 255 ]
	[[ $output == *"$R@ssh: Permission denied (publickey)."* ]]
	owner_is_there
	[ "$(student_tries $Q)" = "owner in $Q" ]
	run student_tries $R
	[ "$status" -eq 255 ]
	[[ $output == *"$R@ssh: Permission denied (publickey)."* ]]
}

@test "ssh-add -c: its owner is asked each time" {
	printf '#!/bin/sh\necho "$1" >>%s\nexit $(cat %s)\n' "$D/asked" "$D/answer" >"$D/askpass"
	chmod 755 "$D/askpass"
	echo 0 >"$D/answer"
	export SSH_ASKPASS=$D/askpass SSH_ASKPASS_REQUIRE=force DISPLAY=:0
	with_agent -c
	owner_is_there
	rm -f "$D/asked"
	echo 1 >"$D/answer"
	run student_tries $R
	[ "$status" -eq 255 ]
	[[ $output == *"$R@ssh: Permission denied (publickey)."* ]]
	grep -q "Allow use of key" "$D/asked"
	echo 0 >"$D/answer"
	[ "$(student_tries $R)" = "owner in $R" ]
}

@test "scp -3: from project to project with no agent in either" {
	login owner $P 'echo mine >file'
	keyacct project set $P --agent off
	keyacct project set $Q --agent off
	scp -3 -q -F "$D/config" -i "$D/owner" $P@projects:file $Q@projects:copy
	[ "$(login owner $Q cat copy)" = mine ]
	keyacct project set $P --agent on
	keyacct project set $Q --agent on
	login owner $Q rm copy
}

@test "what a member leaves in the home runs with the next one's login, after the member is gone" {
	T=$(new_project owner)
	keyacct member add $T student
	login student $T 'sed -i "1i echo from the start file of \$KEYACCT_ACCOUNT >>~/left" .bashrc'
	login student $T 'rm left; setsid nohup sleep 1000 >/dev/null 2>&1 </dev/null &'
	echo '@daily true' | crontab -u $T -
	# The login's own processes may take a moment to go.
	sleep_alone() { [ "$(pgrep -u "$(id -u $T)" | wc -l)" -eq 1 ]; }
	wait_until sleep_alone
	run keyacct member remove $T student
	[[ $output == *"What still runs in the project, or will, may be theirs:"* ]]
	[[ $output == *"  crontab    /var/spool/cron/crontabs/$T"* && $output == *"  processes  1"* ]]
	denied student $T
	login owner $T true
	[ "$(login owner $T tail -n 1 left)" = "from the start file of owner" ]
	keyacct project remove $T --stop
	refute pgrep -u "$(id -u $T)"
}

@test "with tcp loopback a member reaches what another project has listening there" {
	T=$(new_project owner)
	U=$(new_project student --tcp loopback)
	login owner $T "setsid nohup perl -MIO::Socket::INET -e '
		my \$s = IO::Socket::INET->new(LocalAddr => \"127.0.0.1\", LocalPort => 7400, Listen => 9) or die;
		open my \$f, q(>), q(ready); close \$f;
		while (my \$c = \$s->accept) { print \$c qq(of another project\n) }' >/dev/null 2>&1 </dev/null &
		until [ -e ready ]; do :; done"
	[ "$(login student $U -W 127.0.0.1:7400)" = "of another project" ]
	# A command gets there without any forwarding: the policy is about what leaves the host.
	keyacct project set $U --tcp off
	[ "$(login student $U 'cat </dev/tcp/127.0.0.1/7400')" = "of another project" ]
	keyacct project remove $T --stop
}
