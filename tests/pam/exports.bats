#!/usr/bin/env bats
# What the PAM module shows to the process that loads it, and what it asks of it.

setup() {
	module=${KEYACCT_BUILD:-build}/pam_keyacct.so
}

# Of the code alone: what a sanitizer adds is not ours.
undefined() {
	nm -D --undefined-only --format=just-symbols "$module" | grep -v '^__[a-z]*san_' | sed 's/@.*//'
}

# bats does not see a "!" fail in the middle of a test.
undefined_are_none_of() { [ -z "$(undefined | grep -Ex "$1")" ]; }

@test "the module exports its three PAM functions and nothing else" {
	run nm -D --defined-only --format=just-symbols "$module"
	[ "$status" -eq 0 ]
	[ "$(sort <<<"$output")" = "$(printf '%s\n' pam_sm_acct_mgmt pam_sm_close_session pam_sm_open_session)" ]
}

@test "the module needs libpam, libcrypto and libc alone: no liblmdb" {
	run readelf -W --dynamic "$module"
	[ "$status" -eq 0 ]
	needed=$(sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' <<<"$output" | grep -v 'lib[a-z]*san' | sort | paste -sd' ')
	[ "$needed" = "libc.so.6 libcrypto.so.3 libpam.so.0" ]
}

@test "the module is hardened: relro, bound at once, no executable stack" {
	run readelf -W --dynamic --program-headers "$module"
	[ "$status" -eq 0 ]
	[[ $output == *GNU_RELRO* ]]
	[[ $output == *BIND_NOW* || $output == *" NOW"* ]]
	grep -q 'GNU_STACK .* RW  *0x' <<<"$output"
}

@test "the module can be unloaded: no thread-local data, no thread, nothing to run at exit" {
	run readelf -W --program-headers "$module"
	[ "$status" -eq 0 ]
	[[ $output != *" TLS "* ]]
	undefined_are_none_of '__cxa_atexit|atexit|on_exit|pthread_create|pthread_atfork|pthread_key_create|sigaction'
}

@test "the module logs by pam_syslog alone, asks for users by pam_modutil, and reads no environment of the process" {
	undefined_are_none_of 'openlog|closelog|(__)?v?syslog(_chk)?|getpw.*|getgr.*|getspnam.*|(secure_)?getenv|setenv|putenv'
	undefined_are_none_of 'system|popen|execl.*|execv|execvp.*'
	undefined | grep -qx pam_syslog
	undefined | grep -qx pam_modutil_getpwnam
}
