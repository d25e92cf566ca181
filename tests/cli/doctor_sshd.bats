#!/usr/bin/env bats
# needs: sshd
# shellcheck disable=SC2034,SC2154
# keyacct doctor: does sshd ask us, and does the helper answer? Each check broken once.
load doctor.bash

setup_file() {
	healthy_host
}

setup() {
	as_before
	rm -f /etc/ssh/*.old
}

main=/etc/ssh/sshd_config
projects='????????????????????????????????'

@test "sshd-config: a line that sshd does not take" {
	echo "Nonsense yes" >>$main
	ask
	same failure "$(lines sshd-config result)"
	[[ $(lines sshd-config message) == *"Bad configuration option: Nonsense"* ]]
	same skipped "$(lines UsePAM result)"
	same skipped "$(lines sshd-allowed result)"
	same "sed -i '$(wc -l <$main)s/^/#/' $main && systemctl reload ssh" "$(lines sshd-config remedy)"
	mends sshd-config
}

@test "sshd-config: what sshd needs before it says anything" {
	rmdir /run/sshd
	ask
	same "mkdir -m 755 /run/sshd" "$(lines sshd-config remedy)"
	mends sshd-config
	mkdir "$BATS_TEST_TMPDIR/keys"
	mv /etc/ssh/ssh_host_* "$BATS_TEST_TMPDIR/keys/"
	ask
	same "ssh-keygen -A" "$(lines sshd-config remedy)"
	mends sshd-config
	mv -f "$BATS_TEST_TMPDIR"/keys/* /etc/ssh/
}

@test "sshd-config: no sshd" {
	mv /usr/sbin/sshd "$BATS_TEST_TMPDIR/"
	ask
	mv "$BATS_TEST_TMPDIR/sshd" /usr/sbin/
	same failure "$(lines sshd-config result)"
	same "apt-get install openssh-server" "$(lines sshd-config remedy)"
}

@test "sshd-listens: nobody listens on sshd's port" {
	sed -i '1i Port 2222' $main
	finds sshd-listens failure "nobody listens on port 2222"
	as_before
	# A connection that is open says nothing of new ones.
	exec 8<>/dev/tcp/127.0.0.1/22
	read -r -u 8 banner
	kill "$(cat /run/sshd.pid)"
	until [ ! -e /run/sshd.pid ]; do :; done
	finds sshd-listens failure "nobody listens on port 22: \"Connection refused\""
	exec 8>&-
	mends sshd-listens
}

@test "sshd-allowed: AllowUsers and AllowGroups that leave projects out" {
	for keyword in AllowUsers AllowGroups; do
		as_before
		sed -i "1i $keyword root sudo adm*" $main
		finds sshd-allowed failure "$keyword of sshd leaves projects out"
		remedy sshd-allowed "sed -i '1s/\$/ $projects/' $main && systemctl reload ssh"
		mends sshd-allowed
		grep -qx "$keyword root sudo adm\* $projects" $main
		# A list that has them under another pattern is fine.
		sed -i "1s/.*/$keyword root *$(tail -c 9 /root/project)/" $main
		ask
		same "" "$(complaints)"
	done
}

@test "sshd-allowed: from some hosts alone" {
	sed -i "1i AllowUsers root $projects@192.0.2.* $projects@198.51.100.*" $main
	finds sshd-allowed warning "\"$projects@192.0.2.*\" of sshd lets projects in from some hosts alone"
	mends sshd-allowed
	as_before
	sed -i "1i AllowUsers root *@*" $main
	ask
	same "" "$(complaints)"
}

@test "sshd-allowed: a list of single projects is meant, until one that it keeps out is asked about" {
	other=829e7b5693d611e7ae8ee70cea5e8cd7
	for keyword in AllowUsers AllowGroups; do
		as_before
		sed -i "1i $keyword root $other" $main
		finds sshd-allowed warning "$keyword of sshd names projects one by one, and not $project: nobody can log in to it"
		finds sshd-allowed failure "and not $project" "$project"
		remedy sshd-allowed "sed -i '1s/\$/ $project/' $main && systemctl reload ssh"
		mends sshd-allowed "$project"
		ask
		same "" "$(complaints)"
	done
	for keyword in DenyUsers DenyGroups; do
		as_before
		echo "$keyword $other" >/etc/ssh/sshd_config.d/10-deny.conf
		ask
		same "" "$(complaints)"
		echo "$keyword games $project" >/etc/ssh/sshd_config.d/10-deny.conf
		finds sshd-allowed warning "$keyword \"$project\" of sshd keeps $project out"
		finds sshd-allowed failure "$keyword \"$project\" of sshd keeps $project out" "$project"
		mends sshd-allowed "$project"
	done
}

@test "sshd-allowed: what is no pattern of sshd, and no host" {
	for line in "AllowUsers root [0-9a-f]*" "AllowUsers root *@*@*" "AllowGroups root *@*"; do
		as_before
		sed -i "1i $line" $main
		finds sshd-allowed failure "${line%% *} of sshd leaves projects out: nobody can log in to $project"
	done
	for line in "DenyUsers [0-9a-f]*" "DenyUsers *@*@*" "DenyGroups *@*"; do
		as_before
		sed -i "1i $line" $main
		ask
		same "" "$(complaints)"
	done
}

@test "sshd-allowed: what the list says stays one word of the command that mends it" {
	cd "$BATS_TEST_TMPDIR"
	echo "DenyUsers games *@';>ran;'" | sed 's/ \(\*.*\)/ "\1"/' >/etc/ssh/sshd_config.d/10-deny.conf
	finds sshd-allowed warning "\"*@';>ran;'\" of sshd keeps $project out from some hosts"
	bash -c "$(lines sshd-allowed remedy)"
	[ ! -e ran ]
}

@test "sshd-allowed: DenyUsers and DenyGroups that have projects in them" {
	for keyword in DenyUsers DenyGroups; do
		as_before
		echo "$keyword games" >/etc/ssh/sshd_config.d/10-deny.conf
		ask
		same "" "$(complaints)"
		echo "$keyword games ${project:0:4}*" >/etc/ssh/sshd_config.d/10-deny.conf
		finds sshd-allowed failure "$keyword \"${project:0:4}*\" of sshd keeps $project out"
		mends sshd-allowed
		grep -qx "$keyword games" /etc/ssh/sshd_config.d/10-deny.conf
		if [ $keyword = DenyUsers ]; then
			echo "$keyword *@192.0.2.7" >/etc/ssh/sshd_config.d/10-deny.conf
			finds sshd-allowed warning "\"*@192.0.2.7\" of sshd keeps $project out from some hosts"
			mends sshd-allowed
		fi
		echo "$keyword *" >/etc/ssh/sshd_config.d/10-deny.conf
		finds sshd-allowed failure "$keyword \"*\""
		mends sshd-allowed
	done
}

@test "drop-in: not there, not included, not as it ships, not root's" {
	rm $drop_in
	ask
	same failure "$(lines drop-in result)"
	same failure "$(lines AuthorizedKeysCommand result)"
	remedy drop-in "keyacct setup --yes && systemctl reload ssh"
	mends drop-in
	sed -i '/^Include/d' $main
	ask
	[[ $(lines drop-in message) == *"does not include"* ]]
	mends drop-in
	echo "# more" >>$drop_in
	finds drop-in warning "is not as it ships"
	mends drop-in
	chown games $drop_in
	finds drop-in failure "belongs to uid "
	mends drop-in
}

@test "drop-in: the same settings elsewhere are as good" {
	sed 's/^#.*//' $drop_in >>$main
	rm $drop_in
	ask
	same "" "$(complaints)"
}

@test "UsePAM and FingerprintHash, which are for everybody" {
	for line in "UsePAM no" "FingerprintHash MD5"; do
		as_before
		keyword=${line% *}
		sed -i "/^$keyword/d" $main
		echo "$line" >/etc/ssh/sshd_config.d/10-local.conf
		finds "$keyword" failure "sshd has \"$keyword ${line#* }\" for projects"
		mends "$keyword"
		as_before
	done
	sed -i '/^UsePAM/d' $main
	finds UsePAM failure "without PAM"
	remedy UsePAM "sed -i '1i UsePAM yes' $main && systemctl reload ssh"
	mends UsePAM
}

@test "PubkeyAuthentication and ForceCommand for everybody are lifted for projects alone" {
	for line in "PubkeyAuthentication no" "ForceCommand /usr/bin/menu"; do
		as_before
		keyword=${line% *}
		echo "$line" >/etc/ssh/sshd_config.d/10-local.conf
		finds "$keyword" failure "sshd has \"$line\" for projects"
		mends "$keyword"
		sshd -T -C user=root,host=localhost,addr=127.0.0.1 | grep -qix "$line"
	done
}

# Each keyword of the drop-in, and what an earlier Match may make of it.
overrides() {
	cat <<-'END'
		AuthorizedKeysCommand /usr/bin/true %u
		AuthorizedKeysCommandUser root
		AuthorizedKeysFile .ssh/authorized_keys
		AuthenticationMethods password
		TrustedUserCAKeys /etc/ssh/ca.pub
		PermitTunnel yes
		AllowStreamLocalForwarding yes
		GatewayPorts yes
		PermitUserRC yes
		ForceCommand /usr/bin/menu
	END
}

@test "an earlier Match that overrides ours, in a drop-in" {
	while read -r -u 9 line; do
		as_before
		keyword=${line%% *}
		printf 'Match User *\n    %s\n' "$line" >/etc/ssh/sshd_config.d/00-earlier.conf
		result=failure
		[[ $keyword != @(PermitTunnel|AllowStreamLocalForwarding|GatewayPorts|PermitUserRC) ]] || result=warning
		finds "$keyword" $result "sshd has \"$line\" for projects"
		[ "$keyword" = ForceCommand ] || remedy "$keyword" "mv /etc/ssh/sshd_config.d/00-earlier.conf /etc/ssh/sshd_config.d/50-00-earlier.conf && systemctl reload ssh"
		[ "$keyword" = ForceCommand ] || mends "$keyword"
	done 9< <(overrides)
}

@test "an earlier Match that overrides ours, before the Include of sshd_config" {
	while read -r -u 9 line; do
		as_before
		keyword=${line%% *}
		printf 'Match User *\n    # ours\n    %s\nMatch all\n' "$line" | cat - $healthy/ssh/sshd_config >$main
		finds "$keyword" "$([[ $keyword == @(PermitTunnel|AllowStreamLocalForwarding|GatewayPorts|PermitUserRC) ]] && echo warning || echo failure)" "$line"
		remedy "$keyword" "sed -i '3s/^/#/' $main && systemctl reload ssh"
		mends "$keyword"
	done 9< <(overrides)
}

@test "a Match for others changes nothing" {
	while read -r -u 9 line; do
		as_before
		printf 'Match User student\n    %s\n' "$line" >/etc/ssh/sshd_config.d/00-earlier.conf
		ask
		same "" "$(complaints)"
	done 9< <(overrides)
}

@test "capitals make another path" {
	command=$(sed -n 's/^ *AuthorizedKeysCommand //p' $drop_in)
	printf 'Match User *\n AuthorizedKeysCommand %s\n' "${command/keyacct-keys/KEYACCT-KEYS}" >/etc/ssh/sshd_config.d/00-earlier.conf
	finds "AuthorizedKeysCommand helper" failure "KEYACCT-KEYS"
}

@test "AuthenticationMethods may ask for more than the key" {
	printf 'Match User *\n AuthenticationMethods publickey,keyboard-interactive:pam\n' >/etc/ssh/sshd_config.d/00-earlier.conf
	ask
	same "" "$(complaints)"
	printf 'Match User *\n AuthenticationMethods publickey,password password\n' >/etc/ssh/sshd_config.d/00-earlier.conf
	finds AuthenticationMethods failure "by its members' keys alone"
}

@test "the shipped drop-in is missing" {
	mv /usr/share/keyacct/00-keyacct.conf "$BATS_TEST_TMPDIR/"
	ask
	mv "$BATS_TEST_TMPDIR/00-keyacct.conf" /usr/share/keyacct/
	same failure "$(lines AuthorizedKeysCommand result)"
	same "make install && ldconfig" "$(lines AuthorizedKeysCommand remedy)"
}

@test "user: no user, no group, root's uid, another group" {
	sed -i '/^keyacct:/d' /etc/passwd
	ask
	same failure "$(lines user result)"
	same "systemd-sysusers keyacct.conf" "$(lines user remedy)"
	bash -c "$(lines user remedy)"
	getent passwd keyacct
	as_before
	sed -i '/^keyacct:/d' /etc/group /etc/gshadow
	ask
	[[ $(lines user message) == *"no group \"keyacct\""* ]]
	as_before
	sed -i -E 's/^keyacct:x:[0-9]+:/keyacct:x:0:/' /etc/passwd
	finds user failure "has root's uid"
	mends user
	as_before
	usermod --gid games keyacct
	finds "user helper-reads" failure "cannot read the database"
	mends user
	usermod --gid games --append --groups keyacct keyacct
	ask
	same "" "$(complaints)"
}

@test "helper: not there, not to be run, not root's alone" {
	helper=/usr/libexec/keyacct-keys
	mv $helper "$BATS_TEST_TMPDIR/"
	finds helper failure "is no program here"
	remedy helper "make install && ldconfig"
	mv "$BATS_TEST_TMPDIR/keyacct-keys" $helper
	for mode in 700 757; do
		chmod $mode $helper
		finds helper failure "$helper "
		mends helper
	done
	chmod 775 $helper
	finds helper warning "$helper may be written by the group root (mode 0775)"
	mends helper
	chown games $helper
	finds helper failure "$helper belongs to uid "
	mends helper
	chmod g+w /usr/libexec
	chgrp games /usr/libexec
	finds helper failure "/usr/libexec may be written by others than root (mode 0775)"
	remedy helper "chmod go-w /usr/libexec"
	mends helper
	chgrp root /usr/libexec
	chown games /usr/libexec
	finds helper failure "/usr/libexec belongs to uid "
	mends helper
}

@test "helper-reads: a directory on the way is closed, or the file is not the group's" {
	chmod o-x /var/lib
	ask
	same failure "$(lines helper-reads result)"
	remedy helper-reads "chmod o+x /var/lib"
	mends helper-reads
	chgrp games $database/private
	finds "helper-reads files" failure "cannot read the database in $database: nobody gets in"
	mends helper-reads
	chmod 600 $database/private/access.mdb
	finds "helper-reads files" failure "nobody gets in"
	mends helper-reads
}
