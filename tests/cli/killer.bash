# Commands that are killed at a call of one's choice. Loaded beside helpers.bash.
# shellcheck shell=bash disable=SC2154

# make_killer: the library of killer.c, which ends its process by SIGKILL instead of the KILL_AT'th call that reaches a file: so a
# command dies at every moment that can matter, and not at some moment. In setup_file.
make_killer() {
	gcc -D_GNU_SOURCE -shared -fPIC -O1 -o "$BATS_FILE_TMPDIR/killer.so" "$BATS_TEST_DIRNAME/killer.c" -ldl
}

# killed_at N ARG...: the tool, killed at its N-th call; its exit status
killed_at() {
	local n=$1
	shift
	KILL_AT=$n LD_PRELOAD=$BATS_FILE_TMPDIR/killer.so ASAN_OPTIONS=verify_asan_link_order=0 keyacct --dir "$db" "$@"
}

# whole DIR: it is a database of one piece
whole() { "$BATS_TEST_DIRNAME/../whole" "$1"; }
