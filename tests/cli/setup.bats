#!/usr/bin/env bats
# keyacct setup: into service on a host and out of it. Where in each file our lines go is in tests/unit/test_host_files.c.
load helpers

HOSTS=/etc/hosts KNOWN=/etc/ssh/ssh_known_hosts

setup_file() {
	for file in ssh/sshd_config pam.d/cron pam.d/atd passwd hosts; do cp -p /etc/$file /root/before/$(basename $file); done
}
# The host as it was before tests/world put it into service.
setup() {
	cp -p /root/before/sshd.pam /etc/pam.d/sshd
	cp -p /root/before/{cron,atd} /etc/pam.d/
	cp -p /root/before/{nsswitch.conf,passwd,hosts} /etc/
	rm -f /etc/ssh/sshd_config.d/* $KNOWN
	cp -p /root/before/sshd_config /etc/ssh/sshd_config
	before=$(sums)
}

# told STATUS TEXT COMMAND...: ends so, with that on standard error; the diff is on standard output
told() {
	run --separate-stderr "${@:3}"
	same "$1" "$status"
	[[ $stderr == *"$2"* ]]
}

sums() { find /etc/pam.d/{sshd,cron,atd} /etc/nsswitch.conf $HOSTS /etc/ssh -not -name '*_key*' -type f -exec sha256sum {} + | sort; }
drop_in=/etc/ssh/sshd_config.d/00-keyacct.conf

@test "it makes the files that the README makes" {
	try 0 keyacct setup --yes
	has "keyacct is in service"
	for s in sshd cron atd; do cp /etc/pam.d/$s "$BATS_TEST_TMPDIR/$s.pam"; done
	cp /etc/nsswitch.conf "$BATS_TEST_TMPDIR/nsswitch.conf"
	cmp $drop_in /usr/share/keyacct/00-keyacct.conf
	setup
	sed -i '/^@include common-account/e cat /usr/share/keyacct/sshd.account.pam' /etc/pam.d/sshd
	sed -i '0,/^session/{/^session/e cat /usr/share/keyacct/sshd.session.pam
}' /etc/pam.d/sshd
	sed -i -E -f /usr/share/keyacct/nsswitch.sed /etc/nsswitch.conf
	for s in cron atd; do sed -i '/^@include common-account/e cat /usr/share/keyacct/cron.account.pam' /etc/pam.d/$s; done
	cmp /etc/pam.d/sshd "$BATS_TEST_TMPDIR/sshd.pam"
	cmp /etc/pam.d/cron "$BATS_TEST_TMPDIR/cron.pam"
	cmp /etc/pam.d/atd "$BATS_TEST_TMPDIR/atd.pam"
	cmp /etc/nsswitch.conf "$BATS_TEST_TMPDIR/nsswitch.conf"
}

@test "it shows what it will change, and changes nothing until it is told to" {
	try 0 keyacct setup --print
	has "+account required   pam_keyacct.so"
	has "+passwd:         files keyacct [UNAVAIL=return TRYAGAIN=return] systemd"
	has "+    AuthorizedKeysCommandUser keyacct"
	same "$before" "$(sums)"
	told 2 "nothing was changed: say --yes" keyacct setup </dev/null
	same "$before" "$(sums)"
}

@test "a second time changes nothing" {
	keyacct setup --yes
	after=$(sums)
	try 0 keyacct setup --yes
	same "keyacct is in service here already." "$output"
	same "$after" "$(sums)"
}

@test "undo restores every byte, mode and owner" {
	chmod 640 /etc/pam.d/sshd
	chgrp games /etc/pam.d/sshd
	printf 'passwd:\tfiles systemd \t# ours\ngroup: files' >/etc/nsswitch.conf
	before=$(sums)
	keyacct setup --yes
	same "640 root:games" "$(stat -c '%a %U:%G' /etc/pam.d/sshd)"
	try 0 keyacct setup --undo --yes
	has "keyacct is out of service"
	same "$before" "$(sums)"
	same "640 root:games" "$(stat -c '%a %U:%G' /etc/pam.d/sshd)"
	try 0 keyacct setup --undo --yes
	same "keyacct is not in service here." "$output"
	chmod 644 /etc/pam.d/sshd
	chgrp root /etc/pam.d/sshd
}

@test "what was added beside our lines by hand stays, in both directions" {
	keyacct setup --yes
	sed -i '1i # by hand' /etc/pam.d/sshd
	echo "# by hand" >>/etc/nsswitch.conf
	try 0 keyacct setup --yes
	same "keyacct is in service here already." "$output"
	keyacct setup --undo --yes
	grep -q '^# by hand' /etc/pam.d/sshd
	grep -q '^# by hand' /etc/nsswitch.conf
	run ! grep -q keyacct /etc/pam.d/sshd /etc/nsswitch.conf
}

@test "lines of ours that were changed by hand are refused, and nothing is changed" {
	keyacct setup --yes
	sed -i 's/^session requisite  pam_keyacct/session optional  pam_keyacct/' /etc/pam.d/sshd
	after=$(sums)
	refused 4 "/etc/pam.d/sshd: it has lines with pam_keyacct.so, or the pam_succeed_if line before them, that are not as they ship" keyacct setup --yes
	refused 4 "not as they ship" keyacct setup --undo --yes
	echo "# more" >>$drop_in
	cp /root/before/sshd.pam /etc/pam.d/sshd
	refused 4 "$drop_in: it is not as it ships" keyacct setup --yes
}

@test "an sshd in which nobody could log in, or everybody, is refused" {
	for line in "UsePAM no" "PubkeyAuthentication no" "FingerprintHash md5" "ForceCommand /bin/false"; do
		echo "$line" >/etc/ssh/sshd_config.d/0.conf
		before=$(sums)
		refused 4 "sshd has no \"${line%% *} " keyacct setup --yes
		same "$before" "$(sums)"
	done
}

@test "an sshd whose lists of users and groups keep projects out, all or some, is refused with the list's name" {
	all='????????????????????????????????'
	while IFS='|' read -r line setting; do
		echo "$line" >/etc/ssh/sshd_config.d/0.conf
		before=$(sums)
		refused 4 "sshd's $setting keeps projects out" keyacct setup --yes
		same "$before" "$(sums)"
	done <<-END
		AllowUsers root|AllowUsers
		AllowUsers root admin@192.0.2.*|AllowUsers
		AllowUsers root 0*|AllowUsers
		AllowUsers ???????????????????????????????|AllowUsers
		AllowGroups sudo|AllowGroups
		DenyUsers nobody e*|DenyUsers e*
		DenyUsers *@*|DenyUsers *@*
		AllowUsers [0-9a-f]*|AllowUsers
		AllowUsers *@*@*|AllowUsers
		AllowGroups *@*|AllowGroups
		DenyGroups $all|DenyGroups $all
	END
	while read -r line; do
		echo "$line" >/etc/ssh/sshd_config.d/0.conf
		keyacct setup --yes
		keyacct setup --undo --yes
	done <<-END
		AllowUsers root $all
		AllowUsers root $all@192.0.2.*
		AllowUsers root 829e7b5693d611e7ae8ee70cea5e8cd7 1ca63c684e664bdd98e201fbac781940@192.0.2.1
		AllowGroups sudo *
		AllowUsers root *@*
		DenyUsers *@*@*
		DenyUsers [0-9a-f]*
		DenyUsers nobody root@192.0.2.1 *@192.0.2.2 829e7b5693d611e7ae8ee70cea5e8cd7
		DenyGroups games
	END
}

@test "a local user that would be taken for a project is refused, unless the project is there" {
	name=829e7b5693d611e7ae8ee70cea5e8cd7
	echo "$name:x:5001:5001::/home/old:/bin/sh" >>/etc/passwd
	refused 4 "sshd would take the local user $name for a project" keyacct setup --yes
	keyacct init
	refused 4 "'keyacct project add $name --uid 5001 --home /home/old'" keyacct setup --yes
	keyacct account add owner
	keyacct project add $name --uid 5001 --home /home/old --owner owner
	keyacct setup --yes
	keyacct setup --undo --yes
	# By another uid it is another user.
	sed -i "s/^$name:x:5001/$name:x:5002/" /etc/passwd
	refused 4 "take the local user $name for" keyacct setup --yes
	# The drop-in goes by the length alone.
	cp -p /root/before/passwd /etc/passwd
	echo "a-local-user-with-32-characters-:x:5001:5001::/home/old:/bin/sh" >>/etc/passwd
	refused 4 "the name has 32 characters: rename it" keyacct setup --yes
}

@test "without the system user that sshd's helper runs as it is refused" {
	sed -i '/^keyacct:/d' /etc/passwd
	before=$(sums)
	refused 3 "there is no user \"keyacct\"" keyacct setup --yes
	same "$before" "$(sums)"
}

# The short host name

@test "the short name is found, with the keys of sshd, and goes with --undo to the byte" {
	printf '127.0.0.1 localhost projects\n# no end' >$HOSTS
	before=$(sums)
	keyacct setup --yes
	same "127.0.0.1" "$(getent ahosts ssh | awk '{print $1}' | sort -u)"
	same "localhost" "$(getent hosts 127.0.0.1 | awk '{print $2}')"
	for key in /etc/ssh/ssh_host_*_key.pub; do
		same "ssh $(cut -d' ' -f1,2 $key)" "$(ssh-keygen -F ssh -f $KNOWN | grep -F "$(cut -d' ' -f2 $key)" | cut -d' ' -f1-3)"
	done
	same "$(ls /etc/ssh/ssh_host_*_key.pub | wc -l)" "$(grep -c '^ssh ' $KNOWN)"
	after=$(sums)
	try 0 keyacct setup --yes
	same "keyacct is in service here already." "$output"
	same "$after" "$(sums)"
	keyacct setup --undo --yes
	same "$before" "$(sums)"
	[ ! -e $KNOWN ]
}

@test "new host keys replace the old ones, and lines of others stay" {
	echo "web $(cat /etc/ssh/ssh_host_ed25519_key.pub)" >$KNOWN
	keyacct setup --yes
	cp -p /etc/ssh/ssh_host_ed25519_key.pub "$BATS_TEST_TMPDIR/"
	ssh-keygen -q -t ed25519 -N '' -f "$BATS_TEST_TMPDIR/new"
	cp "$BATS_TEST_TMPDIR/new.pub" /etc/ssh/ssh_host_ed25519_key.pub
	keyacct setup --yes
	cp -p "$BATS_TEST_TMPDIR/ssh_host_ed25519_key.pub" /etc/ssh/
	same "ssh $(cut -d' ' -f1,2 "$BATS_TEST_TMPDIR/new.pub")" "$(grep '^ssh ssh-ed25519' $KNOWN | cut -d' ' -f1-3)"
	keyacct setup --undo --yes
	same "web $(cat /etc/ssh/ssh_host_ed25519_key.pub)" "$(cat $KNOWN)"
}

@test "another name, which stays until another is said, and none" {
	keyacct setup --yes --short-name near
	grep -q '^127.0.0.1 near # keyacct setup$' $HOSTS
	try 0 keyacct setup --yes
	same "keyacct is in service here already." "$output"
	keyacct setup --yes --short-name here
	run ! grep -q near $HOSTS $KNOWN
	same here "$(keyacct --json setup --print | jq -r .short_name)"
	keyacct setup --yes --no-short-name
	cmp $HOSTS /root/before/hosts
	[ ! -e $KNOWN ]
	same null "$(keyacct --json setup --print --no-short-name | jq -r .short_name)"
	grep -q pam_keyacct /etc/pam.d/sshd
	for name in "" SSH 1ssh s.h localhost -ssh ssh- 's h' "$(printf 'a%.0s' {1..64})"; do
		refused 2 "is no short host name" keyacct setup --yes --short-name "$name"
	done
	refused 2 "exclude each other" keyacct setup --yes --short-name near --no-short-name
	refused 2 "exclude each other" keyacct setup --yes --short-name near --undo
}

@test "a name that is another host's is left alone: refused when it was asked for, and said when not" {
	echo "192.0.2.7 web ssh" >>$HOSTS
	before=$(sums)
	refused 4 "\"ssh\" is another host's: /etc/hosts says 192.0.2.7" keyacct setup --yes --short-name ssh
	same "$before" "$(sums)"
	told 0 "\"ssh\" is another host's: /etc/hosts says 192.0.2.7" keyacct setup --yes
	grep -q pam_keyacct /etc/pam.d/sshd
	run ! grep -q "keyacct setup" $HOSTS
	[ ! -e $KNOWN ]
}

@test "a name that DNS knows is left alone as well" {
	# A name server that has one answer for every question: 192.0.2.8.
	perl -MIO::Socket::INET -e '
		my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => 53, Proto => "udp") or die;
		open my $f, ">", $ARGV[0]; close $f;
		while (my $peer = $s->recv(my $q, 512)) {
			my ($id, $type) = (substr($q, 0, 2), unpack("n", substr($q, -4, 2)));
			$q =~ /^.{12}(.*?\0....)/s;
			my $a = $type == 1 ? "\xc0\x0c\0\1\0\1\0\0\0\0\0\4\xc0\0\2\x08" : "";
			$s->send($id . "\x81\x80\0\1" . ($a ? "\0\1" : "\0\0") . "\0\0\0\0" . $1 . $a);
		}' "$BATS_TEST_TMPDIR/ready" 3>&- &
	server=$!
	until [ -e "$BATS_TEST_TMPDIR/ready" ]; do :; done
	cp -p /etc/resolv.conf "$BATS_TEST_TMPDIR/resolv.conf"
	echo "nameserver 127.0.0.1" >/etc/resolv.conf
	run --separate-stderr keyacct setup --yes --short-name ssh
	other=$status told=$stderr
	# The very address at which sshd listens is no other host's.
	echo "ListenAddress 192.0.2.8" >/etc/ssh/sshd_config.d/0.conf
	run --separate-stderr keyacct setup --yes --short-name ssh
	kill $server
	cp -p "$BATS_TEST_TMPDIR/resolv.conf" /etc/resolv.conf
	same 4 "$other"
	[[ $told == *"\"ssh\" is another host's: the lookup of it says 192.0.2.8"* ]]
	same 0 "$status"
	cmp $HOSTS /root/before/hosts
	grep -q '^ssh ' $KNOWN
}

@test "without the public half of a host key there is no name to be sure of" {
	mkdir "$BATS_TEST_TMPDIR/keys"
	cp -p /etc/ssh/ssh_host_*_key "$BATS_TEST_TMPDIR/keys/"
	printf 'HostKey %s\n' "$BATS_TEST_TMPDIR"/keys/* >/etc/ssh/sshd_config.d/0.conf
	told 0 "\"ssh\" is of no use: no host key of sshd has its .pub file beside it" keyacct setup --yes
	cmp $HOSTS /root/before/hosts
	[ ! -e $KNOWN ]
}

@test "a name that is this host's by hand needs the keys alone" {
	echo "127.0.1.1 ssh" >>$HOSTS
	hosts=$(sha256sum $HOSTS)
	keyacct setup --yes --short-name ssh
	same "$hosts" "$(sha256sum $HOSTS)"
	grep -q '^ssh ' $KNOWN
	keyacct setup --undo --yes
	[ ! -e $KNOWN ]
}

@test "the address is one at whose port 22 sshd listens" {
	while IFS='|' read -r listen address; do
		printf '%b\n' "$listen" >/etc/ssh/sshd_config.d/0.conf
		keyacct setup --yes
		same "$address ssh # keyacct setup" "$(grep ssh $HOSTS)"
	done <<-'END'
		ListenAddress 192.0.2.7\nListenAddress 0.0.0.0|127.0.0.1
		ListenAddress 192.0.2.7|192.0.2.7
		ListenAddress 192.0.2.7:2222\nListenAddress 127.0.0.1|127.0.0.1
		ListenAddress [::]\nListenAddress 192.0.2.7|::1
	END
	printf 'Port 2222\n' >/etc/ssh/sshd_config.d/0.conf
	told 0 "\"ssh\" is of no use: sshd listens on no address at port 22" keyacct setup --yes
	cmp $HOSTS /root/before/hosts
	[ ! -e $KNOWN ]
}

@test "a name that is not found afterwards is rolled back" {
	sed -i 's/^hosts:.*/hosts: dns/' /etc/nsswitch.conf
	before=$(sums)
	told 6 "everything is as it was: the short host name \"ssh\" is not found" keyacct setup --yes
	same "$before" "$(sums)"
	keyacct setup --yes --no-short-name
}

@test "lines of ours in hosts and known_hosts that were changed by hand are refused, and nothing is changed" {
	keyacct setup --yes
	for file in $HOSTS $KNOWN; do
		cp -p $file "$BATS_TEST_TMPDIR/kept"
		sed -i 's/ # keyacct setup$/ more # keyacct setup/' $file
		after=$(sums)
		refused 4 "$file: the line that begins with \"" keyacct setup --yes
		refused 4 "is not as setup wrote it" keyacct setup --undo --yes
		same "$after" "$(sums)"
		cp -p "$BATS_TEST_TMPDIR/kept" $file
	done
}

@test "a file that is mounted on its own, as a container's /etc/hosts is, is written over" {
	run unshare --mount bash -ec "
		cp /etc/hosts '$BATS_TEST_TMPDIR/hosts'
		mount --bind '$BATS_TEST_TMPDIR/hosts' /etc/hosts
		keyacct setup --yes
		grep -c 'ssh # keyacct setup' /etc/hosts
		keyacct setup --undo --yes
		cmp /etc/hosts /root/before/hosts
		[ ! -e /etc/hosts.keyacct-new ]
	"
	[ "$status" -eq 0 ]
	[[ $output == *$'\n1\n'* ]]
	[[ $output == *"keyacct is out of service"* ]]
}

@test "sshd is asked for its settings whatever its Match blocks go by, and what it says is passed on" {
	# It answers only who says all that a Match asks for.
	printf 'Match LocalPort 22\nMatch LocalAddress 127.0.0.1\nMatch RDomain none\n' >/etc/ssh/sshd_config.d/99.conf
	run ! sshd -T -C user=root,host=localhost,addr=127.0.0.1
	try 0 keyacct setup --yes
	echo "NoSuchKeyword yes" >/etc/ssh/sshd_config.d/99.conf
	refused 6 "'sshd -T' refuses the configuration: /etc/ssh/sshd_config.d/99.conf: line 1: Bad configuration option" \
		keyacct setup --yes
	rm /etc/ssh/sshd_config.d/99.conf
	mv /usr/sbin/sshd "$BATS_TEST_TMPDIR/"
	run --separate-stderr keyacct setup --yes
	mv "$BATS_TEST_TMPDIR/sshd" /usr/sbin/
	same 3 "$status"
	[[ $stderr == *"is openssh-server installed?"* ]]
}

@test "what cannot be put back is named, and nobody is told that all is as it was" {
	mv /usr/bin/getent "$BATS_TEST_TMPDIR/"
	# A file that something is mounted on cannot be removed.
	printf '#!/bin/sh\nmount --bind %s %s\nexit 1\n' $drop_in $drop_in >/usr/bin/getent
	chmod 755 /usr/bin/getent
	run --separate-stderr keyacct setup --yes --no-short-name
	umount $drop_in
	mv -f "$BATS_TEST_TMPDIR/getent" /usr/bin/
	same 6 "$status"
	[[ $stderr == *"cannot remove $drop_in: "* ]]
	[[ $stderr == *"not everything could be put back (see the warnings): root is not found any more"* ]]
	refute grep -q "as it was" <<<"$stderr"
	# One that could not be written in the first place is as it was.
	setup
	mount --bind /etc/nsswitch.conf /etc/nsswitch.conf
	mount -o remount,bind,ro /etc/nsswitch.conf
	run --separate-stderr keyacct setup --yes --no-short-name
	umount /etc/nsswitch.conf
	same 6 "$status"
	[[ $stderr == *"everything is as it was: cannot write /etc/nsswitch.conf"* ]]
	same "$before" "$(sums)"
}

@test "what does not hold afterwards is rolled back: sshd does not read the drop-in" {
	sed -i '/^Include/d' /etc/ssh/sshd_config
	before=$(sums)
	told 4 "everything is as it was: sshd does not take \"AuthorizedKeysFile\" from $drop_in" keyacct setup --yes
	same "$before" "$(sums)"
}

@test "what does not hold afterwards is rolled back: an earlier Match has another value for any of its settings" {
	tried=
	while read -r setting; do
		tried+="${setting%% *}"$'\n'
		cp -p /root/before/sshd_config /etc/ssh/sshd_config
		# For projects' names alone.
		sed -i "1i Match User ????????????????????????????????\n$setting\nMatch all" /etc/ssh/sshd_config
		before=$(sums)
		told 4 "sshd does not take \"${setting%% *}\" from $drop_in" keyacct setup --yes
		same "$before" "$(sums)"
	done <<-END
		AuthorizedKeysFile .ssh/authorized_keys
		AuthorizedKeysCommand /bin/false %u
		AuthorizedKeysCommandUser nobody
		AuthenticationMethods any
		TrustedUserCAKeys /etc/ssh/ca.pub
		AllowStreamLocalForwarding yes
		GatewayPorts yes
		PermitTunnel yes
		PermitUserRC yes
	END
	same "$(awk '/^ / { print $1 }' /usr/share/keyacct/00-keyacct.conf)" "${tried%$'\n'}"
	# Later ones do no harm.
	cp -p /root/before/sshd_config /etc/ssh/sshd_config
	printf 'Match User *\nPermitUserRC yes\n' >>/etc/ssh/sshd_config
	keyacct setup --yes
}

@test "what does not hold afterwards is rolled back: PAM lets root in no more, for sshd or for cron and at" {
	module=$(ls -d /usr/lib/*/security)
	for piece in sshd cron; do
		mv $module/pam_keyacct.so "$BATS_TEST_TMPDIR/"
		# The gate keeps root out of a missing module; a piece without it does not.
		cp /usr/share/keyacct/$piece.account.pam "$BATS_TEST_TMPDIR/account"
		sed -i '/pam_succeed_if/d' /usr/share/keyacct/$piece.account.pam
		run --separate-stderr keyacct setup --yes
		cp "$BATS_TEST_TMPDIR/account" /usr/share/keyacct/$piece.account.pam
		mv "$BATS_TEST_TMPDIR/pam_keyacct.so" $module/
		same 6 "$status"
		[[ $stderr == *"everything is as it was: PAM answers differently about root than before, for $piece: "* ]]
		same "$before" "$(sums)"
	done
}

@test "a missing piece, a missing file" {
	mv /usr/share/keyacct/sshd.session.pam "$BATS_TEST_TMPDIR/"
	run --separate-stderr keyacct setup --yes
	mv "$BATS_TEST_TMPDIR/sshd.session.pam" /usr/share/keyacct/
	same 3 "$status"
	[[ $stderr == *"/usr/share/keyacct/sshd.session.pam is missing"* ]]
	rm /etc/pam.d/sshd
	refused 4 "/etc/pam.d/sshd: it is missing" keyacct setup --yes
}

@test "--root writes nothing through a linked directory of the image" {
	image=$BATS_TEST_TMPDIR/image
	mkdir -p "$image/etc/ssh" "$image/etc/pam.d" "$image/usr/share" "$BATS_TEST_TMPDIR/outside"
	cp -r /usr/share/keyacct "$image/usr/share/"
	cp /etc/nsswitch.conf /etc/hosts "$image/etc/"
	cp /etc/pam.d/sshd "$image/etc/pam.d/"
	ln -s "$BATS_TEST_TMPDIR/outside" "$image/etc/ssh/sshd_config.d"
	refused 4 "leads out of the image" keyacct setup --root "$image" --yes
	same "" "$(ls "$BATS_TEST_TMPDIR/outside")"
}

@test "--root changes the files of an image, and none of this host" {
	image=$BATS_TEST_TMPDIR/image
	mkdir -p "$image"/etc/{pam.d,ssh/sshd_config.d} "$image/usr/share"
	cp /root/before/sshd.pam "$image/etc/pam.d/sshd"
	cp /root/before/nsswitch.conf "$image/etc/"
	cp -r /usr/share/keyacct "$image/usr/share/"
	try 0 keyacct setup --yes --root "$image"
	grep -q pam_keyacct.so "$image/etc/pam.d/sshd"
	grep -q keyacct "$image/etc/nsswitch.conf"
	cmp "$image$drop_in" /usr/share/keyacct/00-keyacct.conf
	same "$before" "$(sums)"
	# A name, but no host keys: whatever is made of the image has its own. And no cron in it, so no lines for it.
	same "127.0.0.1 ssh # keyacct setup" "$(tail -n 1 "$image/etc/hosts")"
	same "" "$(find "$image/etc" -name 'ssh_known_hosts' -o -path '*pam.d/cron')"
	keyacct setup --undo --yes --root "$image"
	cmp "$image/etc/pam.d/sshd" /root/before/sshd.pam
	[ ! -e "$image/etc/hosts" ]
	# What the image's own file says counts, and not what this host finds.
	echo "192.0.2.9 ssh" >"$image/etc/hosts"
	refused 4 "/etc/hosts says 192.0.2.9" keyacct setup --yes --root "$image" --short-name ssh
}

@test "only root, and a symbolic link stays one" {
	refused 5 "run this as root" setpriv --reuid=65534 --clear-groups keyacct setup --yes
	mv /etc/nsswitch.conf /etc/nsswitch.real
	ln -s nsswitch.real /etc/nsswitch.conf
	keyacct setup --yes
	[ -L /etc/nsswitch.conf ]
	grep -q keyacct /etc/nsswitch.real
	mv /etc/nsswitch.real /etc/nsswitch.conf
}
