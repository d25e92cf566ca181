#!/usr/bin/env bats
# A module stays mapped in running processes for months: it has to go on answering from the files of later versions.

# The first tree whose rows have version bits. A module of that tree answers from today's files.
OLD=4c1bb17

setup_file() {
	keyacct init
	keyacct account add owner
	export P=$(keyacct --json project add --owner owner | sed -n 's/^ *"id": "\(.*\)",$/\1/p' | tr -d -)
	export ENTRY=$(getent passwd "$P")
	[ -n "$ENTRY" ]
	cp /var/lib/keyacct/names.mdb /root/names.mdb
	export MODULE=$(ldconfig -p | sed -n 's/.*libnss_keyacct\.so\.2.* => //p' | head -n 1)
	cp "$MODULE" /root/today.so
}

teardown() {
	cat /root/names.mdb >/var/lib/keyacct/names.mdb
	install -m 644 /root/today.so "$MODULE"
}

# answers: by name and by uid, as before
answers() {
	[ "$(getent passwd "$P")" = "$ENTRY" ]
	[ "$(getent passwd "$(cut -d: -f3 <<<"$ENTRY")")" = "$ENTRY" ]
	[ "$(getent group "$P" | cut -d: -f1)" = "$P" ]
}

# unavailable: EIO, which is not "no such user"
unavailable() {
	[ "$(perl -e '$! = 0; my @p = getpwnam($ARGV[0]); print @p ? "found" : $! + 0' "$P")" = 5 ]
}

# old_module: the one of the older tree, built here; skips where there is no history
old_module() {
	git -c safe.directory='*' cat-file -e $OLD 2>/dev/null || skip "the history of this checkout does not go back to $OLD"
	mkdir -p "$BATS_TEST_TMPDIR/old"
	git -c safe.directory='*' archive $OLD | tar -x -C "$BATS_TEST_TMPDIR/old"
	make -s -C "$BATS_TEST_TMPDIR/old" build/libnss_keyacct.so.2 >/dev/null
	install -m 644 "$BATS_TEST_TMPDIR/old/build/libnss_keyacct.so.2" "$MODULE"
}

@test "today's module answers from a file with compatible additions" {
	"$KEYACCT_BUILD/tests/host/newer" /var/lib/keyacct compatible
	answers
}

@test "today's module is unavailable, and does not guess, before a file that is incompatible" {
	"$KEYACCT_BUILD/tests/host/newer" /var/lib/keyacct incompatible
	unavailable
}

@test "a module of an older tree answers from today's file" {
	old_module
	answers
}

@test "a module of an older tree answers from a file with compatible additions" {
	old_module
	"$KEYACCT_BUILD/tests/host/newer" /var/lib/keyacct compatible
	answers
}

@test "a module of an older tree is unavailable before a file that is incompatible" {
	old_module
	"$KEYACCT_BUILD/tests/host/newer" /var/lib/keyacct incompatible
	unavailable
}

@test "a process that has the older module mapped goes on answering while the newer one is installed over it" {
	old_module
	# It looks up once, which maps the module, then each time it is told to.
	coproc host { perl -e '$| = 1; while (<STDIN>) { my @p = getpwnam($ARGV[0]); print @p ? "$p[2]\n" : "none\n" }' "$P"; }
	ask() { echo >&"${host[1]}"; read -r got <&"${host[0]}"; }
	ask
	[ "$got" = "$(cut -d: -f3 <<<"$ENTRY")" ]
	make -s install -o all B="$KEYACCT_BUILD" MODULES="${KEYACCT_MODULES:-$KEYACCT_BUILD}" >/dev/null
	keyacct project set "$P" --title 'Written by the newer one'
	ask
	[ "$got" = "$(cut -d: -f3 <<<"$ENTRY")" ]
	"$KEYACCT_BUILD/tests/host/newer" /var/lib/keyacct compatible
	ask
	[ "$got" = "$(cut -d: -f3 <<<"$ENTRY")" ]
}
