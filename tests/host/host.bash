# What the tests of the modules inside other programs share. They edit /etc and make a database, so they run in tests/world alone.
# shellcheck shell=bash
bats_require_minimum_version 1.5.0

T=${KEYACCT_BUILD:?}/tests/host
DB=/var/lib/keyacct

# A database with an open project and an archived one of "owner", who has a key; and PROJECT, the words that the host
# programs take: what the open one's passwd entry has to say.
make_host() {
	if [ "$(hostname)" != projects ] || [ -e $DB ]; then
		echo "run this as: tests/world --no-sshd bats $BATS_TEST_FILENAME" >&2
		return 1
	fi
	# Only "files" and ours: what a third service answers in a state that it cannot bear is not ours.
	sed -i -E '/^(passwd|group):/s/ systemd//' /etc/nsswitch.conf
	ssh-keygen -q -t ed25519 -N '' -C owner -f "$BATS_FILE_TMPDIR/owner"
	keyacct init
	keyacct account add owner
	keyacct key add owner "$BATS_FILE_TMPDIR/owner.pub"
	ID=$(keyacct --json project add --owner owner --home /projects/one --shell /bin/sh | jq -r .id | tr -d -)
	CLOSED=$(keyacct --json project add --owner owner | jq -r .id | tr -d -)
	keyacct project archive "$CLOSED"
	NUMBER=$(keyacct --json project show "$ID" | jq -r .uid)
	# As sshd says it, with a newline at its end.
	INFO="SSH_AUTH_INFO_0=publickey $(cut -d' ' -f1,2 "$BATS_FILE_TMPDIR/owner.pub")"$'\n'
	export ID CLOSED NUMBER INFO
	# For the programs that are PAM hosts.
	printf '%s required pam_keyacct.so\n' account session >/etc/pam.d/keyacct-host
}

# guest SCENARIO: run the host program in one of its states
guest() { "$T/guest" "$1" "$ID" "$NUMBER" /projects/one /bin/sh; }

# as_nobody COMMAND...: without any right
as_nobody() { setpriv --reuid nobody --regid nogroup --clear-groups -- "$@"; }
