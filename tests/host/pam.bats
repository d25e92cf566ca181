#!/usr/bin/env bats
# The installed PAM module in hosts that it was not made for, and what both modules export and share.

load host

setup_file() {
	load host
	make_host
	export MODULE=$(echo /usr/lib/*/security/pam_keyacct.so)
}

teardown() {
	if [ -n "${writer:-}" ]; then
		kill "$writer" || true
		wait "$writer" || true
	fi
}

# exported FILE: the names that a version script makes public; pattern FILE: as an extended regular expression
exported() { sed -n '/global:/,/local:/s/^\t\([a-z_*]*\);$/\1/p' "$1" | sort; }
symbols() { nm -D --defined-only --format=just-symbols "$1" | sort; }

@test "the PAM module exports what its version script says and nothing else" {
	want=$(exported pam_keyacct/pam_keyacct.map)
	[ "$(wc -l <<<"$want")" -eq 3 ]
	[ "$(symbols "$MODULE")" = "$want" ]
}

@test "the NSS module exports what its version script says and nothing else" {
	[ "$(exported nss_keyacct/nss_keyacct.map)" = '_nss_keyacct_*' ]
	[ "$(symbols /usr/lib/*/libnss_keyacct.so.2 | wc -l)" -ge 11 ]
	run -1 grep -v '^_nss_keyacct_' <(symbols /usr/lib/*/libnss_keyacct.so.2)
}

@test "64 threads, each with handles of its own, in the account phase" {
	"$T/pam_threads" "$ID" "$CLOSED" "$INFO"
}

@test "every call of the module fails in turn: never in without having read access, never a crash, nothing left behind" {
	"$T/pam_failing" "$ID" "$NUMBER" /projects/one /bin/sh "$CLOSED" "$INFO" "$MODULE"
}

@test "both modules in 64 threads beside a writer: the thread sanitizer sees no race" {
	timeout 60 sh -c 'while keyacct project set "$1" --ssh on; do :; done' sh "$ID" >/dev/null 2>&1 3>&- &
	writer=$!
	# Address space randomisation of 32 bits is more than clang 14's sanitizer can bear.
	TSAN_OPTIONS=halt_on_error=1 setarch --addr-no-randomize timeout 60 "$T/races" "$ID" "$NUMBER" "$CLOSED" "${INFO#*=}"
}
