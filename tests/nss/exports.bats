#!/usr/bin/env bats
# What the NSS module shows to the processes that load it, and what it asks of them.

bats_require_minimum_version 1.5.0

setup() {
	module=${KEYACCT_MODULES:-${KEYACCT_BUILD:-build}}/libnss_keyacct.so.2
}

@test "the module exports its NSS functions and nothing else" {
	run nm -D --defined-only --format=just-symbols "$module"
	[ "$status" -eq 0 ]
	[ "$(sort <<<"$output")" = "$(sort <<'END'
_nss_keyacct_endgrent
_nss_keyacct_endpwent
_nss_keyacct_getgrent_r
_nss_keyacct_getgrgid_r
_nss_keyacct_getgrnam_r
_nss_keyacct_getpwent_r
_nss_keyacct_getpwnam_r
_nss_keyacct_getpwuid_r
_nss_keyacct_initgroups_dyn
_nss_keyacct_setgrent
_nss_keyacct_setpwent
END
)" ]
}

@test "the module needs libc alone and has the name that glibc asks for" {
	run readelf -W --dynamic "$module"
	[ "$status" -eq 0 ]
	needed=$(sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' <<<"$output")
	[ "$needed" = libc.so.6 ]
	[[ $output == *"soname: [libnss_keyacct.so.2]"* ]]
}

@test "the module has no thread-local data" {
	run readelf -W --program-headers "$module"
	[ "$status" -eq 0 ]
	[[ $output != *" TLS "* ]]
}

@test "the module reads no environment, logs nothing, starts nothing" {
	run nm -D --undefined-only --format=just-symbols "$module"
	[ "$status" -eq 0 ]
	run -1 grep -Ex '(secure_)?getenv.*|.*syslog.*|openlog.*|.*printf.*|getpw.*|getgr.*|fork.*|exec.*|socket.*|mmap.*' <<<"$output"
}
