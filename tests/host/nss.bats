#!/usr/bin/env bats
# The installed NSS module, loaded by the C library into programs in every state that hosts get into.

load host

setup_file() {
	load host
	make_host
}

@test "100,000 lookups leave no descriptor, thread, mapping, memory, signal, locale or cancellation state behind" {
	guest leaves-nothing
}

@test "errno after an answer is one that getpwnam(3) knows" {
	guest errno
}

@test "a buffer that grows byte by byte comes to the answer" {
	guest any-buffer
}

@test "after fork, also beside threads that are in a lookup" {
	guest after-fork
}

@test "after closefrom: the host's own descriptors are not touched, and none is needed" {
	guest after-closefrom
}

@test "in a chroot without the database only names and uids of ours are unavailable" {
	guest in-empty-root
}

@test "without a database only names and uids of ours are unavailable" {
	unshare --mount sh -c 'mount -t tmpfs tmpfs /var/lib && exec "$@"' sh "$T/guest" without-database "$ID" "$NUMBER" / /
}

@test "without memory: right or unavailable, and right again afterwards" {
	guest without-memory
}

@test "without a free descriptor: unavailable, and right again afterwards" {
	guest without-descriptors
}

@test "RLIMIT_FSIZE 0 and other limits of 0 change no answer" {
	guest without-file-size
	guest other-limits
}

@test "a seccomp filter that refuses open, pread or fstat makes ours unavailable, nothing else, and kills nobody" {
	guest refused-open
	guest refused-pread
	guest refused-fstat
}

@test "a filter that allows opening, reading, memory and nothing else lets every lookup pass" {
	guest only-reading
}

@test "64 threads at once, from loading the module on" {
	guest in-threads
}

@test "64 threads with stacks of 32 KB" {
	guest on-small-stacks
}

@test "under a timer signal every 50 microseconds" {
	guest under-signals
}

@test "in a process without any right" {
	guest without-rights
}

@test "every open, fstat, pread and malloc of the module fails in turn: right or an error, never 'no such user'" {
	"$T/nss_failing" "$ID" "$NUMBER" /projects/one /bin/sh
}

# A set-uid program. What its caller set up, and what the same program says with nothing set up.
set_uid() {
	install -m 4755 "$T/guest" /usr/local/bin/set-uid-guest
	want=$(as_nobody env -i /usr/local/bin/set-uid-guest print "$ID" "$NUMBER" /projects/one /bin/sh)
	[[ $want == *"uid 65534 euid 0"* && $want == *"0 $ID:*:$NUMBER:$NUMBER::/projects/one:/bin/sh"* ]]
}

@test "a set-uid program gives the same answers in a hostile environment" {
	set_uid
	evil=$BATS_TEST_TMPDIR/evil
	mkdir -m 755 "$evil"
	chmod 711 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR" 2>/dev/null || true
	: >"$evil/libnss_keyacct.so.2"
	: >"$evil/preload.so"
	cp $DB/names.mdb "$evil/names.mdb"
	truncate -s 8192 "$evil/names.mdb"
	hostile=(LD_LIBRARY_PATH="$evil" LD_PRELOAD="$evil/preload.so" LD_AUDIT="$evil/preload.so" NSS_WRAPPER_PASSWD="$evil/names.mdb"
		NSS_WRAPPER_MODULE_SO_PATH="$evil/libnss_keyacct.so.2" NSS_PATH="$evil" HOME="$evil" TMPDIR="$evil" PATH="$evil" LOCPATH="$evil"
		LANG=../../evil LC_ALL="$evil" GCONV_PATH="$evil" NLSPATH="$evil/%N" TZ="$evil/names.mdb" TZDIR="$evil" MALLOC_CHECK_=3
		MALLOC_PERTURB_=165 MALLOC_ARENA_MAX=1 MALLOC_TOP_PAD_=1 MALLOC_MMAP_THRESHOLD_=1 GLIBC_TUNABLES=glibc.malloc.check=3
		KEYACCT_DIR="$evil" KEYACCT_DATADIR="$evil" KEYACCT_NAMES="$evil/names.mdb" KEYACCT_BUILD="$evil" KA_DATADIR="$evil"
		HOSTALIASES="$evil/names.mdb" RES_OPTIONS=debug NIS_PATH="$evil" GETCONF_DIR="$evil")
	cd "$evil"
	got=$(as_nobody env -i "${hostile[@]}" /usr/local/bin/set-uid-guest print "$ID" "$NUMBER" /projects/one /bin/sh 2>/dev/null)
	[ "$got" = "$want" ]
	# It is hostile: the same without the set-uid bit finds nothing, or says other things.
	got=$(as_nobody env -i "${hostile[@]}" "$T/guest" print "$ID" "$NUMBER" /projects/one /bin/sh 2>/dev/null) || true
	[ "$got" != "$want" ]
}

@test "a set-uid program gives the same answers with closed standard descriptors, low limits, signals ignored and blocked" {
	set_uid
	got=$(as_nobody sh -c 'trap "" 1 2 3 13 14 15; ulimit -n 16; ulimit -f 0; ulimit -c 0; ulimit -s 64; umask 777; cd /
		exec "$@" <&- 2>&-' sh /usr/local/bin/set-uid-guest print "$ID" "$NUMBER" /projects/one /bin/sh)
	[ "$got" = "$want" ]
}

@test "valgrind finds nothing to complain about" {
	valgrind --quiet --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite "$T/guest" answers \
		"$ID" "$NUMBER" /projects/one /bin/sh
}
