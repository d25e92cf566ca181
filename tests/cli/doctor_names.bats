#!/usr/bin/env bats
# needs: sshd
# shellcheck disable=SC2034,SC2154
# keyacct doctor: is a project a user of the host, and do uids belong to projects alone? Each check broken once.
load doctor.bash

setup_file() {
	healthy_host
}

setup() {
	as_before
}

@test "nsswitch: a line without keyacct" {
	for line in passwd group; do
		as_before
		sed -i -E "/^$line:/s/ keyacct \[[^]]*\]//" /etc/nsswitch.conf
		finds "nsswitch lookup" failure "the line \"$line:\" of /etc/nsswitch.conf does not name keyacct"
		remedy nsswitch "keyacct setup --yes"
		mends nsswitch
	done
}

@test "nsswitch: a line that is not there" {
	sed -i '/^group:/d' /etc/nsswitch.conf
	finds "nsswitch lookup" failure "has no line \"group:\""
	mends nsswitch
}

@test "nsswitch: no file" {
	rm /etc/nsswitch.conf
	ask
	same failure "$(lines nsswitch result)"
	mends nsswitch
}

@test "nsswitch: an action that ends the line before keyacct" {
	sed -i -E 's/^passwd:.*/passwd: files [NOTFOUND=return] keyacct/' /etc/nsswitch.conf
	finds "nsswitch lookup" failure "ends at [NOTFOUND=return], before keyacct is asked"
	mends nsswitch
	sed -i -E 's/^group:.*/group: files [!SUCCESS=return SUCCESS=return] keyacct/' /etc/nsswitch.conf
	finds "nsswitch lookup" failure "before keyacct is asked"
	mends nsswitch
}

@test "nsswitch: an action for success alone is fine" {
	sed -i -E 's/^group:.*/group: files [SUCCESS=merge] keyacct/' /etc/nsswitch.conf
	ask
	same "" "$(complaints)"
}

@test "nsswitch: keyacct before files" {
	sed -i -E 's/^passwd:.*/passwd: keyacct [UNAVAIL=return TRYAGAIN=return] files systemd/' /etc/nsswitch.conf
	finds nsswitch warning "asks keyacct before files"
	mends nsswitch
	grep -qE '^passwd: files keyacct \[UNAVAIL=return TRYAGAIN=return\] systemd$' /etc/nsswitch.conf
}

@test "nsswitch: somebody behind keyacct answers when it cannot" {
	sed -i -E 's/^(passwd:.*keyacct) \[[^]]*\]/\1/' /etc/nsswitch.conf
	finds nsswitch warning "systemd would say that there is no such user"
	mends nsswitch
	sed -i -E 's/^(group:.*keyacct) \[[^]]*\]/\1 [UNAVAIL=return]/' /etc/nsswitch.conf
	finds nsswitch warning "the line \"group:\""
	mends nsswitch
}

@test "nss-module: not where the loader looks" {
	mkdir "$BATS_TEST_TMPDIR/away"
	mv /usr/lib/x86_64-linux-gnu/libnss_keyacct.so.2 "$BATS_TEST_TMPDIR/away/"
	finds "nss-module lookup" failure "glibc cannot load libnss_keyacct.so.2: "
	remedy nss-module "make install && ldconfig"
	mv "$BATS_TEST_TMPDIR/away/libnss_keyacct.so.2" /usr/lib/x86_64-linux-gnu/
	ask
	same "" "$(complaints)"
}

@test "nss-module: packages are named where there are packages" {
	mv /usr/lib/x86_64-linux-gnu/libnss_keyacct.so.2 "$BATS_TEST_TMPDIR/"
	cp /var/lib/dpkg/status "$BATS_TEST_TMPDIR/status"
	printf '%s\n' '' 'Package: libnss-keyacct' 'Status: install ok installed' 'Version: 0.1.0' 'Architecture: all' \
		'Maintainer: owner <owner@example.org>' 'Description: a stand-in' >>/var/lib/dpkg/status
	ask
	cp "$BATS_TEST_TMPDIR/status" /var/lib/dpkg/status
	mv "$BATS_TEST_TMPDIR/libnss_keyacct.so.2" /usr/lib/x86_64-linux-gnu/
	remedy nss-module "apt-get install --reinstall libnss-keyacct"
}

@test "nss-module: no module of ours, and one that ends its host" {
	module=/usr/lib/x86_64-linux-gnu/libnss_keyacct.so.2
	mv $module "$BATS_TEST_TMPDIR/"
	echo 'int nothing;' | cc -shared -o $module -x c -
	ask
	same failure "$(lines nss-module result)"
	[[ $(lines nss-module message) == *"has no _nss_keyacct_getpwnam_r"* ]]
	echo '#include <stdlib.h>
		__attribute__((constructor)) static void end(void) { abort(); }' | cc -shared -o $module -x c -
	ask
	[[ $(lines nss-module message) == *"ended the process that loaded it"* ]]
	mv "$BATS_TEST_TMPDIR/libnss_keyacct.so.2" $module
}

@test "nss-module: others may replace it" {
	module=$(realpath /usr/lib/x86_64-linux-gnu/libnss_keyacct.so.2)
	chmod o+w "$module"
	finds nss-module failure "$module may be written by others than root (mode 0646)"
	remedy nss-module "chmod go-w $module"
	mends nss-module
	chown games "$module"
	finds nss-module failure "$module belongs to uid "
	mends nss-module
}

@test "nss-module: it cannot read names.mdb" {
	: >$database/names.mdb
	ask
	same failure "$(lines nss-module result)"
	[[ $(lines nss-module message) == *"but not read $database/names.mdb"* ]]
	remedy nss-module "keyacct check --repair"
	mends nss-module
	rm $database/names.mdb
	ask
	remedy nss-module "keyacct check --repair"
	mends nss-module
	for break in "chmod 666" "chown games"; do
		$break $database/names.mdb
		ask
		[[ $(lines nss-module message) == *"but not read $database/names.mdb"* ]]
		remedy nss-module "chown root:root $database/names.mdb && chmod 644 $database/names.mdb"
		mends nss-module
	done
}

@test "lookup: the project is in access.mdb alone" {
	mv $database/names.mdb "$BATS_TEST_TMPDIR/"
	default_db
	cp -a $database/names.mdb "$BATS_TEST_TMPDIR/empty.mdb"
	as_before
	cp -a "$BATS_TEST_TMPDIR/empty.mdb" $database/names.mdb
	finds "lookup database" failure "does not have the project $project"
	mends lookup
}

@test "lookup: somebody else answers for the project" {
	echo "$project:x:4000:4000::/tmp:/bin/sh" >>/etc/passwd
	finds "lookup local-names" failure "says 4000, and the project is 1879048192"
	remedy lookup "userdel $project"
	mends lookup
	echo "$project:x:4000:" >>/etc/group
	finds "lookup" failure "'getent group $project' says 4000"
	mends lookup
}

@test "nscd: it remembers users" {
	mkdir -p /run/nscd
	perl -MIO::Socket::UNIX -e '
		my $s = IO::Socket::UNIX->new(Local => "/run/nscd/socket", Listen => 8) or die;
		open my $f, ">", "/run/nscd/ready"; close $f;
		while (my $c = $s->accept) { close $c }' &
	nscd=$!
	until [ -e /run/nscd/ready ]; do :; done
	ask
	same "" "$(complaints)"
	[[ $(lines nscd message) == *"remembers neither"* ]]
	printf '\tenable-cache\t\tpasswd\t\tyes\n\tenable-cache\t\thosts\t\tyes\n' >/etc/nscd.conf
	finds nscd warning "nscd remembers passwd"
	mends nscd
	grep -q 'hosts.*yes' /etc/nscd.conf
	echo 'enable-cache group yes' >/etc/nscd.conf
	finds nscd warning "nscd remembers group"
	mends nscd
	echo 'enable-cache group yes' >/etc/nscd.conf
	kill $nscd
	wait $nscd || true
	ask
	same "" "$(complaints)"
	rm -r /run/nscd
}

@test "local-names: a local user's name has a project id's shape, or its length" {
	useradd --badname 0123456789abcdef0123456789abcdef || echo '0123456789abcdef0123456789abcdef:x:4000:4000::/tmp:/bin/sh' >>/etc/passwd
	finds local-names failure "the local user 0123456789abcdef0123456789abcdef has a project id's name"
	mends local-names
	as_before
	echo 'student-of-the-institute-of-water:x:4000:4000::/tmp:/bin/sh' >>/etc/passwd
	ask
	same "" "$(complaints)"
	echo 'student-of-the-institute-of-wate:x:4000:4000::/tmp:/bin/sh' >>/etc/passwd
	finds local-names warning "sshd does not read its authorized_keys"
	mends local-names
}

@test "what a file says stays one word of the command that mends it" {
	printf '%s:x:4000:4000::/tmp:/bin/sh\n' '`>ran`-of-the-institute-of-water' >>/etc/passwd
	for file in subuid subgid; do
		printf '%s\n' "o'; >ran; './*w:1879048192:65536" 'ox:1879048192:65536' student:100000:65536 >/etc/$file
	done
	ask
	cd "$BATS_TEST_TMPDIR"
	jq -r '.[] | select(.check == "local-names" or .check == "uid-subids") | .remedy' <<<"$said" >remedies
	same 5 "$(wc -l <remedies)"
	# usermod does not take that name.
	bash remedies || true
	[ ! -e ran ]
	same student:100000:65536 "$(cat /etc/subuid)"
	same student:100000:65536 "$(cat /etc/subgid)"
	usermod() { printf '%s\n' "$@"; }
	same "local-\`>ran\`-o" "$(eval "$(head -n 1 remedies)" | sed -n 2p)"
}

@test "uid-map: a user namespace without the uids of projects" {
	run --separate-stderr unshare --user --map-root-user keyacct --json doctor
	said=$output
	same failure "$(lines uid-map result | head -n 1)"
	[[ $(lines uid-map message) == *"/proc/self/uid_map: this container has no 1879048192"* ]]
	[[ $(lines uid-map message) == *"/proc/self/gid_map: "* ]]
	same "lxc config set CONTAINER security.idmap.size 2147352576" "$(lines uid-map remedy | head -n 1)"
}

@test "uid-map: a namespace that ends within the range" {
	unshare --user sleep infinity &
	sleeper=$!
	until [ "$(readlink /proc/$sleeper/ns/user)" != "$(readlink /proc/self/ns/user)" ]; do :; done
	echo '0 0 1879048200' >/proc/$sleeper/uid_map
	echo '0 0 2147352576' >/proc/$sleeper/gid_map
	run --separate-stderr nsenter --user --target $sleeper -S 0 -G 0 keyacct --json doctor
	said=$output
	kill $sleeper
	same 1 "$(lines uid-map result | grep -c failure)"
	[[ $(lines uid-map message) == *"has no 2147352575"* ]]
}

@test "uid-local: a local user and a local group with a project's number" {
	echo 'student:x:1879048192:100::/tmp:/bin/sh' >>/etc/passwd
	finds uid-local failure "the local user student has the uid 1879048192 of the project $project"
	mends uid-local
	echo 'students:x:1879048192:' >>/etc/group
	finds uid-local failure "the local group students has the gid 1879048192 of the project $project"
	mends uid-local
}

@test "uid-local: one that a project will get, and one that an adopted uid has" {
	echo 'student:x:2000000000:100::/tmp:/bin/sh' >>/etc/passwd
	finds uid-local warning "the local user student has the uid 2000000000, which a project will get"
	mends uid-local
	as_before
	new_project --owner owner --uid 4711 >/dev/null
	echo 'student:x:4711:100::/tmp:/bin/sh' >>/etc/passwd
	finds uid-local failure "has the uid 4711 of the project"
	echo 'outsider:x:4710:100::/tmp:/bin/sh' >>/etc/passwd
	same 1 "$(lines uid-local result | wc -l)"
	mends uid-local
}

@test "uid-useradd: it hands out what projects get" {
	for limit in UID_MAX GID_MAX SUB_UID_MAX SUB_GID_MAX; do
		as_before
		sed -i "/^[[:space:]]*${limit}[[:space:]]/d" /etc/login.defs
		echo "$limit		1879048191" >>/etc/login.defs
		ask
		same "" "$(complaints)"
		sed -i "s/1879048191/1879048192/" /etc/login.defs
		finds uid-useradd warning "$limit 1879048192 in /etc/login.defs"
		mends uid-useradd
	done
}

@test "uid-subids: the users of a container are projects" {
	for file in subuid subgid; do
		as_before
		echo 'student:100000:65536' >/etc/$file
		ask
		same "" "$(complaints)"
		echo 'student:1879000000:65536' >>/etc/$file
		finds uid-subids failure "/etc/$file gives student the uids 1879000000 to 1879065535, and with them the files of project $project (1879048192)"
		mends uid-subids
		grep -q 100000 /etc/$file
		echo 'student:1979000000:65536' >>/etc/$file
		finds uid-subids warning "which projects will get"
		mends uid-subids
	done
	new_project --owner owner --uid 150000 >/dev/null
	echo 'student:100000:65536' >/etc/subuid
	finds uid-subids failure "(150000)"
	mends uid-subids
}

@test "uid-systemd: a container of systemd-nspawn may have a project's number" {
	[ -e /usr/bin/systemd-nspawn ] || install -m 755 /bin/true /usr/bin/systemd-nspawn
	new_project --owner owner --uid 524287 >/dev/null
	ask
	same "" "$(complaints)"
	new_project --owner owner --uid 524288 >/dev/null
	finds uid-systemd warning "has the uid 524288, which systemd-nspawn may give"
	mends uid-systemd
}
