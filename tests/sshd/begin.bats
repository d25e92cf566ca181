#!/usr/bin/env bats
# needs: sshd
# A new user, who has a host in service, an SSH key and what 'keyacct --help' says.

load lib

setup_file() {
	load lib
	in_world
	# ssh goes by root's home in the passwd database, whatever $HOME says.
	rm -rf /root/.ssh
	install -d -m 700 /root/.ssh
	printf 'StrictHostKeyChecking accept-new\nBatchMode yes\n' >/root/.ssh/config
	ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
}

@test "the commands with which the overview begins, run as they stand, end with a login" {
	keyacct --help | sed -n '/^To begin/,/^$/s/^    //p' >"$D/begin"
	[ "$(wc -l <"$D/begin")" -eq 5 ]
	# The last of them is what the one before it prints.
	[[ $(tail -n 1 "$D/begin") == "ssh PROJECT@HOST "* ]]
	head -n 4 "$D/begin" >"$D/begin.sh"
	run --separate-stderr bash -e "$D/begin.sh" </dev/null
	[ "$status" -eq 0 ]
	[[ ${lines[-1]} =~ ^ssh\ ([0-9a-f]{32})@projects$ ]]
	project=${BASH_REMATCH[1]}
	run --separate-stderr timeout 20 ${lines[-1]} whoami </dev/null
	[ "$status" -eq 0 ]
	[ "$output" = "$project" ]
	[[ $(keyacct project list) == *"$project"*"Climate data"* ]]
}
