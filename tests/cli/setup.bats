#!/usr/bin/env bats
# keyacct setup: into service on a host and out of it. Where in each file our lines go is in tests/unit/test_host_files.c.
load helpers

# The host as it was before tests/world put it into service.
setup() {
	cp -p /root/before/sshd.pam /etc/pam.d/sshd
	cp -p /root/before/nsswitch.conf /etc/nsswitch.conf
	rm -f /etc/ssh/sshd_config.d/*
	[ -e /root/before/sshd_config ] || cp -p /etc/ssh/sshd_config /root/before/sshd_config
	cp -p /root/before/sshd_config /etc/ssh/sshd_config
	before=$(sums)
}

# told STATUS TEXT COMMAND...: ends so, with that on standard error; the diff is on standard output
told() {
	run --separate-stderr "${@:3}"
	same "$1" "$status"
	[[ $stderr == *"$2"* ]]
}

sums() { find /etc/pam.d/sshd /etc/nsswitch.conf /etc/ssh/sshd_config /etc/ssh/sshd_config.d -type f -exec sha256sum {} + | sort; }
drop_in=/etc/ssh/sshd_config.d/00-keyacct.conf

@test "it makes the files that the README makes" {
	try 0 keyacct setup --yes
	has "keyacct is in service"
	cp /etc/pam.d/sshd "$BATS_TEST_TMPDIR/sshd.pam"
	cp /etc/nsswitch.conf "$BATS_TEST_TMPDIR/nsswitch.conf"
	cmp $drop_in /usr/share/keyacct/00-keyacct.conf
	setup
	sed -i '/^@include common-account/e cat /usr/share/keyacct/sshd.account.pam' /etc/pam.d/sshd
	sed -i '0,/^session/{/^session/e cat /usr/share/keyacct/sshd.session.pam
}' /etc/pam.d/sshd
	sed -i -E -f /usr/share/keyacct/nsswitch.sed /etc/nsswitch.conf
	cmp /etc/pam.d/sshd "$BATS_TEST_TMPDIR/sshd.pam"
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
	refused 4 "/etc/pam.d/sshd: it has lines with pam_keyacct.so that are not as they ship" keyacct setup --yes
	refused 4 "not as they ship" keyacct setup --undo --yes
	echo "# more" >>$drop_in
	cp /root/before/sshd.pam /etc/pam.d/sshd
	refused 4 "$drop_in: it is not as it ships" keyacct setup --yes
}

@test "an sshd in which nobody could log in, or everybody, is refused" {
	for line in "UsePAM no" "PubkeyAuthentication no" "FingerprintHash md5" "ForceCommand /bin/false"; do
		echo "$line" >/etc/ssh/sshd_config.d/0.conf
		before=$(sums)
		refused 4 "sshd has no \"$(tr '[:upper:]' '[:lower:]' <<<"${line%% *}") " keyacct setup --yes
		same "$before" "$(sums)"
	done
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

@test "what does not hold afterwards is rolled back: sshd does not read the drop-in" {
	sed -i '/^Include/d' /etc/ssh/sshd_config
	before=$(sums)
	told 4 "everything is as it was: sshd does not take $drop_in" keyacct setup --yes
	same "$before" "$(sums)"
}

@test "what does not hold afterwards is rolled back: PAM lets root in no more" {
	mv /usr/lib/*/security/pam_keyacct.so "$BATS_TEST_TMPDIR/"
	module=$(ls -d /usr/lib/*/security)
	# The gate keeps root out of a missing module; a piece without it does not.
	cp /usr/share/keyacct/sshd.account.pam "$BATS_TEST_TMPDIR/account"
	sed -i '/pam_succeed_if/d' /usr/share/keyacct/sshd.account.pam
	run --separate-stderr keyacct setup --yes
	cp "$BATS_TEST_TMPDIR/account" /usr/share/keyacct/sshd.account.pam
	mv "$BATS_TEST_TMPDIR/pam_keyacct.so" "$module/"
	same 6 "$status"
	[[ $stderr == *"everything is as it was: PAM answers differently about root than before"* ]]
	same "$before" "$(sums)"
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
	keyacct setup --undo --yes --root "$image"
	cmp "$image/etc/pam.d/sshd" /root/before/sshd.pam
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
