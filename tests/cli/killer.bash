# Commands that are killed at a call of one's choice. Loaded beside helpers.bash.
# shellcheck shell=bash disable=SC2154

# make_killer: in setup_file
make_killer() {
	# A library that ends its process by SIGKILL instead of the KILL_AT'th call that reaches a file: so a command dies at
	# every moment that can matter, and not at some moment.
	cat >"$BATS_FILE_TMPDIR/killer.c" <<-'END'
		#define _GNU_SOURCE
		#include <dlfcn.h>
		#include <fcntl.h>
		#include <signal.h>
		#include <stdio.h>
		#include <stdlib.h>
		#include <sys/uio.h>
		#include <unistd.h>
		static void tick(void)
		{
			static int n = -1;
			if (n < 0)
				n = atoi(getenv("KILL_AT"));
			if (n > 0 && --n == 0)
				kill(getpid(), SIGKILL);
		}
		#define CALL(name, ...) tick(); return ((__typeof__(&name))dlsym(RTLD_NEXT, #name))(__VA_ARGS__)
		ssize_t pwrite(int fd, const void *b, size_t n, off_t o) { CALL(pwrite, fd, b, n, o); }
		ssize_t pwrite64(int fd, const void *b, size_t n, off64_t o) { CALL(pwrite64, fd, b, n, o); }
		ssize_t pwritev(int fd, const struct iovec *v, int n, off_t o) { CALL(pwritev, fd, v, n, o); }
		ssize_t pwritev64(int fd, const struct iovec *v, int n, off64_t o) { CALL(pwritev64, fd, v, n, o); }
		ssize_t writev(int fd, const struct iovec *v, int n) { CALL(writev, fd, v, n); }
		ssize_t write(int fd, const void *b, size_t n) { CALL(write, fd, b, n); }
		int fdatasync(int fd) { CALL(fdatasync, fd); }
		int fsync(int fd) { CALL(fsync, fd); }
		int ftruncate(int fd, off_t n) { CALL(ftruncate, fd, n); }
		int ftruncate64(int fd, off64_t n) { CALL(ftruncate64, fd, n); }
		int rename(const char *a, const char *b) { CALL(rename, a, b); }
		int unlink(const char *a) { CALL(unlink, a); }
		int fchmod(int fd, mode_t m) { CALL(fchmod, fd, m); }
		int close(int fd) { CALL(close, fd); }
	END
	gcc -shared -fPIC -O1 -o "$BATS_FILE_TMPDIR/killer.so" "$BATS_FILE_TMPDIR/killer.c" -ldl
}

# killed_at N ARG...: the tool, killed at its N-th call; its exit status
killed_at() {
	local n=$1
	shift
	KILL_AT=$n LD_PRELOAD=$BATS_FILE_TMPDIR/killer.so ASAN_OPTIONS=verify_asan_link_order=0 keyacct --dir "$db" "$@"
}
