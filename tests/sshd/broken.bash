# What is taken away or damaged, what must hold then, and how it is put back. After lib.bash.
# shellcheck shell=bash

NSS=/usr/lib/$(gcc -print-multiarch 2>/dev/null || dpkg-architecture -qDEB_HOST_MULTIARCH)/libnss_keyacct.so.2
PAM=${NSS%/*}/security/pam_keyacct.so
HELPER=/usr/libexec/keyacct-keys

# make_whole: people, and the owner's project P, which has been entered; and all of it kept for make_whole_again
make_whole() {
	make_people
	make_local
	export P=$(new_project owner)
	login owner "$P" true
	cp -a $DB "$D/db"
	mkdir "$D/parts"
	cp -a "$NSS" "$PAM" $HELPER "$D/parts/"
	cp /etc/nsswitch.conf /etc/pam.d/sshd "$D/parts/"
}

# make_whole_again: everything back as it was, whatever a test did
make_whole_again() {
	rm -rf $DB
	cp -a "$D/db" $DB
	for file in "$NSS" "$PAM" $HELPER; do
		rm -rf "$file"
		cp -a "$D/parts/${file##*/}" "$file"
	done
	cat "$D/parts/nsswitch.conf" >/etc/nsswitch.conf
	cat "$D/parts/sshd" >/etc/pam.d/sshd
}

# everyone_else_gets_in: root and a local user, by key, and quickly
everyone_else_gets_in() {
	for user in root local; do
		run login admin $user 'whoami; id -un 0'
		[ "$status" -eq 0 ]
		[ "$output" = "$user"$'\nroot' ]
	done
}

# no_project_gets_in: not one command runs; 124 would be the end of our patience
no_project_gets_in() {
	run login owner $P 'echo ran; touch /tmp/broken-ran'
	[ "$status" -eq 255 ] || [ "$status" -eq 254 ]
	[[ $output != *ran* ]]
	[ ! -e /tmp/broken-ran ]
	wait_until no_entries
}

# holds TEXT: the above, and the log says why
holds() {
	log_mark
	everyone_else_gets_in
	no_project_gets_in
	run log_since
	[[ $output == *"$1"* ]]
	refute grep -q ' granted ' <<<"$output"
}

# ask_nss USER: what getpwnam says: the name, or "not found", or "error" with its number
ask_nss() {
	perl -e '$! = 0; my @p = getpwnam(shift); my $e = $! + 0; print @p ? "$p[0]\n" : $e ? "error $e\n" : "not found\n"' "$1"
}
EIO=5

# the_helper_is_silent: run by hand as sshd does, it prints nothing and ends well
the_helper_is_silent() {
	read -r type key _ <"$D/owner.pub"
	run --separate-stderr timeout 10 setpriv --reuid keyacct --regid keyacct --clear-groups \
		$HELPER $P "$(fingerprint owner)" "$type" "$key"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}

# the_tool_ends_with_5 COMMAND...: and one sentence
the_tool_ends_with_5() {
	run --separate-stderr timeout 10 keyacct "$@"
	[ "$status" -eq 5 ]
	[ -z "$output" ]
	[[ ${stderr_lines[0]} == "keyacct: "* ]]
	[ ${#stderr_lines[@]} -eq 1 ]
}

# break_file FILE HOW
break_file() {
	case $2 in
	missing) rm "$1" ;;
	empty) : >"$1" ;;
	unreadable) chmod 000 "$1" ;;
	"another user's") chown local "$1" ;;
	"writable by others") chmod o+w "$1" ;;
	"another file's link") mv "$1" "$1.real" && ln -s "${1##*/}.real" "$1" ;;
	truncated) truncate -s 8192 "$1" ;;
	"cut in a page") truncate -s $(($(stat -c %s "$1") - 2000)) "$1" ;;
	random) head -c 65536 /dev/urandom >"$1" ;;
	zeros) head -c 65536 /dev/zero >"$1" ;;
	"zeroed after its first pages")
		pages=$(($(stat -c %s "$1") / 4096 - 2))
		dd if=/dev/zero of="$1" bs=4096 seek=2 count=$pages conv=notrunc status=none
		;;
	directory) rm "$1" && mkdir "$1" ;;
	fifo) rm "$1" && mkfifo -m 666 "$1" ;;
	"link to itself") rm "$1" && ln -s "${1##*/}" "$1" ;;
	esac
}
