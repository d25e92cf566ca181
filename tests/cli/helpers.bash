# What the tests of the command line share. Loaded by every .bats file here; runs inside tests/world alone.
bats_require_minimum_version 1.5.0
# shellcheck shell=bash disable=SC2154,SC2015

if [ "$HOSTNAME" != projects ]; then
	echo "run this with tests/world: it makes and removes databases under /var/lib" >&2
	exit 1
fi

# An empty database of this test's own.
new_db() {
	db=$BATS_TEST_TMPDIR/db
	keyacct --dir "$db" init >/dev/null
}

# An empty database where the installed parts look for it, for what NSS has to see.
default_db() {
	db=/var/lib/keyacct
	rm -rf $db
	keyacct init >/dev/null
}

people() {
	local handle
	for handle in owner student outsider; do
		k account add $handle >/dev/null
	done
}

# k ARG...: the tool on this test's database
k() { keyacct --dir "$db" "$@"; }

# new_project [OPTION]...: add one and print its 32 digits
new_project() { k --json project add "$@" | jq -r .id | tr -d -; }

# hyphens NAME: 32 digits as a UUID is written
hyphens() { sed -E 's/^(.{8})(.{4})(.{4})(.{4})(.{12})$/\1-\2-\3-\4-\5/' <<<"$1"; }

# make_keys NAME...: an ed25519 pair each, in this file's own directory
make_keys() {
	local name
	for name; do
		ssh-keygen -q -t ed25519 -N '' -C "$name@laptop" -f "$BATS_FILE_TMPDIR/$name"
	done
}

# pub NAME: the public key's file; print_of FILE: its SHA256 fingerprint as ssh-keygen says it
pub() { echo "$BATS_FILE_TMPDIR/$1.pub"; }
print_of() { ssh-keygen -lf "$1" | awk '{print $2}'; }
md5_of() { ssh-keygen -l -E md5 -f "$1" | awk '{print $2}'; }

show_run() {
	printf '%s\nstatus: %s\nstdout: %s\nstderr: %s\n' "$1" "$status" "$output" "$stderr"
}

# try STATUS COMMAND...: run it and expect this status; $output is its standard output, $stderr the other.
try() {
	local want=$1
	shift
	run --separate-stderr "$@"
	[ "$status" -eq "$want" ] || {
		show_run "expected status $want of: $*"
		return 1
	}
}

# refused STATUS TEXT COMMAND...: it fails with this status, prints nothing, and says one sentence that has TEXT in it.
# After a usage error one more line may say where the options are explained.
refused() {
	local want=$1 text=$2
	shift 2
	try "$want" "$@"
	if [ -n "$output" ]; then
		show_run "expected an empty standard output"
		return 1
	fi
	if [ "${#stderr_lines[@]}" -ne 1 ]; then
		[ "$want" -eq 2 ] && [ "${#stderr_lines[@]}" -eq 2 ] && [[ ${stderr_lines[1]} == "'keyacct "*" --help' shows what it takes." ]] || {
			show_run "expected one sentence"
			return 1
		}
	fi
	[[ ${stderr_lines[0]} == "keyacct: "* && ${stderr_lines[0]} == *"$text"* ]] || {
		show_run "expected a sentence with: $text"
		return 1
	}
}

# has TEXT: the last standard output contains it; lacks TEXT: it does not
has() {
	[[ $output == *"$1"* ]] || {
		show_run "expected in the output: $1"
		return 1
	}
}
lacks() {
	[[ $output != *"$1"* ]] || {
		show_run "not expected in the output: $1"
		return 1
	}
}

# refute COMMAND...: it must fail ("!" does not end a test)
refute() {
	if "$@"; then
		echo "came out true: $*" >&2
		return 1
	fi
}

# same WHAT GOT: equal, or both are shown
same() {
	[ "$1" = "$2" ] || {
		printf 'expected: %s\ngot:      %s\n' "$1" "$2"
		return 1
	}
}

# value JQ ARG...: a value out of the tool's JSON
value() {
	local filter=$1
	shift
	k --json "$@" | jq -r "$filter"
}

# as_nobody COMMAND...: without any right
as_nobody() { setpriv --reuid nobody --regid nogroup --clear-groups --no-new-privs -- "$@"; }

# files: a checksum of each file of the database
files() { (cd "$db" && sha256sum names.mdb private/access.mdb private/usage.mdb); }

# dump: every row of the database, for a comparison before and after
dump() {
	local file
	for file in names.mdb private/access.mdb; do
		mdb_dump -an "$db/$file" | grep -vE '^(mapsize|maxreaders)='
	done
}

# state: everything that the database says, for a comparison before and after
state() {
	local name
	k --json account list
	k --json group list
	k --json project list --all
	k --json key list
	for name in $(value '.[].id' project list --all); do
		k --json member list "$name"
	done
}

# nouns: the first word of every command, as the overview lists them
nouns() { keyacct --help | sed -nE '/^Commands:/,$s/^  ([a-z-]+) .*/\1/p'; }

# usages: every command with its arguments, as the help of its noun has it
usages() {
	local noun
	for noun in $(nouns); do
		keyacct "$noun" --help | sed -nE 's/^(usage:| ) keyacct ([a-z].*)/\2/p' | sed -E 's/ \[OPTION\]\.\.\.$//; s/ +$//'
	done
}

# commands: every command by its words alone
commands() { usages | sed -E 's/ [A-Z[].*//'; }

# every_command: one line each, with words that would do if there were a database and its rows
every_command() {
	cat <<-END
		account add someone
		account list
		account show owner
		account set owner --name Owner
		account suspend owner
		account resume owner
		account remove owner
		account remove owner --dry-run
		project add
		project list
		project show 829e7b5693d611e7ae8ee70cea5e8cd7
		project set 829e7b5693d611e7ae8ee70cea5e8cd7 --ssh off
		project archive 829e7b5693d611e7ae8ee70cea5e8cd7
		project unarchive 829e7b5693d611e7ae8ee70cea5e8cd7
		project remove 829e7b5693d611e7ae8ee70cea5e8cd7
		member add 829e7b5693d611e7ae8ee70cea5e8cd7 owner
		member list 829e7b5693d611e7ae8ee70cea5e8cd7
		member remove 829e7b5693d611e7ae8ee70cea5e8cd7 owner
		key add owner $(pub owner)
		group add someone
		group list
		group show someone
		group add-member someone owner
		group remove-member someone owner
		group remove someone
		key list
		key list owner
		key show SHA256:nThbg6kX
		key set SHA256:nThbg6kX --title desktop
		key activate SHA256:nThbg6kX
		key deactivate SHA256:nThbg6kX
		key remove SHA256:nThbg6kX
		explain 829e7b5693d611e7ae8ee70cea5e8cd7 $(pub owner)
		ssh-config owner
		authorized-keys owner
		config list
		config get host
		config set rsa-bits 3072
		config reset rsa-bits
		audit
		changes
		changes --prune 2026-01-01
		backup $BATS_TEST_TMPDIR/copy
		drain
	END
}

# used FINGERPRINT ACCOUNT PROJECT SECONDS: as if a login had noted it (the record of keyacct(5))
used() {
	perl -e '
		my ($fp, $account, $project, $at) = @ARGV;
		my $body = pack("Q>", $at) . pack("H*", $project =~ s/-//gr) . pack("H*", $account =~ s/-//gr) . pack("H*", $fp) .
			pack("H*", "00000000000000000000ffffc0000207") . pack("Q>", 1);
		use integer;
		my $sum = 0xcbf29ce484222325;
		$sum = ($sum ^ $_) * 0x100000001b3 for unpack("C*", $body);
		print "kaUSE\x01\r\n" . pack("Q>", $sum) . $body;
	' "$(base64 -d <<<"${1#SHA256:}=" | od -An -v -tx1 | tr -d ' \n')" "$2" "$3" "$4" >>"$db/private/usage.spool"
}

# one_sentence STATUS: it was that, and said one clear sentence, and was not killed
one_sentence() {
	same "$1" "$status"
	same 1 "${#stderr_lines[@]}"
	[[ $stderr == "keyacct: "* ]]
}

# agree: every project of access.mdb has its name and uid in names.mdb
agree() {
	local row
	for row in $(value '.[] | "\(.id):\(.uid)"' project list --all); do
		same "${row#*:}" "$(getent passwd "$(tr -d - <<<"${row%:*}")" | cut -d: -f3)"
	done
	same "$(value '.[].uid' project list --all | sort -u | wc -l)" "$(value length project list --all)"
}

# until_passed TIME: wait until the clock is past this second
until_passed() {
	while [ "$EPOCHSECONDS" -le "$1" ]; do :; done
}

# make_registry DIR: an empty registry of live sessions
make_registry() {
	registry=$1
	# shellcheck disable=SC2174 # the one above is seen by nobody else
	mkdir -p -m 700 "$registry/sessions"
}

# add_session PID HANDLE PROJECT [FINGERPRINT [SINCE]]: an entry as a login of that process would make it; $entry is its name.
# HANDLE "" is a login that is being decided.
add_session() {
	local who=
	entry=$1-$(printf %08x $RANDOM$RANDOM)
	if [ -n "$2" ]; then
		who=" account=$(printf %s "$2" | md5sum | sed -E 's/(.{8})(.{4})(.{4})(.{4})(.{12}).*/\1-\2-\3-\4-\5/') handle=$2 role=owner"
	fi
	echo "project=$3 fingerprint=${4:-SHA256:$(head -c 43 /dev/zero | tr '\0' A)} address=192.0.2.7 pid=$1" \
		"start=$(sed 's/.*) //' "/proc/$1/stat" | cut -d' ' -f20) since=${5:-1795171692}$who" >"$registry/sessions/$entry"
}
