#!/usr/bin/env bats
# needs: sshd
# shellcheck disable=SC2034,SC2154
# keyacct doctor: does PAM decide, does the session begin, and what goes on around it? Each check broken once.
load doctor.bash

setup_file() {
	healthy_host
}

setup() {
	as_before
}

stack=/etc/pam.d/sshd
modules=/usr/lib/x86_64-linux-gnu/security

@test "pam: no line of ours" {
	sed -i '/^account.*pam_keyacct/d' $stack
	finds "pam-account" failure "has no account line with pam_keyacct.so: archived projects can be entered"
	mends pam-account
	sed -i '/^session.*pam_keyacct/d' $stack
	finds "pam-session" failure "has no session line with pam_keyacct.so"
	mends pam-session
	cmp $stack $healthy/pam.d/sshd
	keyacct setup --undo --yes >/dev/null
	ask
	same failure "$(lines pam-account result)"
	same failure "$(lines pam-session result)"
}

@test "pam: a control value with which a no does not count" {
	for control in optional sufficient '[success=ok default=ignore]'; do
		as_before
		sed -i "s/^account required   pam_keyacct/account $control pam_keyacct/" $stack
		finds pam-account failure "pam_keyacct.so is \"$control\" in the account lines of $stack: its no does not count"
		mends pam-account
		sed -i "s/^session requisite  pam_keyacct/session $control pam_keyacct/" $stack
		finds pam-session failure "its no does not count"
		mends pam-session
		cmp $stack $healthy/pam.d/sshd
	done
	sed -i "s/^session requisite  pam_keyacct/session required pam_keyacct/" $stack
	finds pam-session failure "a session that it refuses is begun all the same"
	mends pam-session
	sed -i "s/^account required   pam_keyacct/account requisite pam_keyacct/" $stack
	ask
	same "" "$(complaints)"
}

@test "pam: somebody whose yes ends the stack stands before us" {
	sed -i '1i account sufficient pam_permit.so' $stack
	finds pam-account failure "\"sufficient pam_permit.so\" stands before pam_keyacct.so"
	as_before
	sed -i '1i account [success=done default=ignore] pam_permit.so' $stack
	finds pam-account failure "stands before"
	as_before
	# What ours is put behind by hand is put in front again.
	sed -i -E '/^account.*(pam_succeed_if|pam_keyacct)/d' $stack
	cat /usr/share/keyacct/sshd.account.pam >>$stack
	finds pam-account failure "\"@include common-account\" stands before"
	mends pam-account
	sed -i -E '/^session.*(pam_succeed_if|pam_keyacct|pam_mkhomedir)/d' $stack
	cat /usr/share/keyacct/sshd.session.pam >>$stack
	finds pam-session failure "\"@include common-session\" stands before"
	mends pam-session
}

@test "pam: an entry before us jumps over us, ends the stack or hides others" {
	local type control
	for type in account session; do
		for control in '[success=9 default=ignore]' '[default=9]' '[ success = 9 ]' '[default=done]' '[success=ok ignore=done]' \
			'[new_authtok_reqd=done default=ignore]' '[SUCCESS=ok default=done]' Sufficient; do
			sed -i "1i $type $control pam_permit.so" $stack
			finds pam-$type failure "\"$control pam_permit.so\" stands before pam_keyacct.so in the $type lines"
			mends pam-$type
			as_before
		done
		for control in substack include; do
			sed -i "1i $type $control common-$type" $stack
			finds pam-$type failure "\"$control common-$type\" stands before"
			mends pam-$type
			as_before
		done
		sed -i '1i # A comment is not joined to its next line.\\\n'"$type"' \\\n[success=ok \\\n default=done] pam_permit.so' $stack
		finds pam-$type failure "default=done] pam_permit.so\" stands before"
		mends pam-$type
		as_before
		sed -i "1i @include more" $stack
		finds "pam-account pam-session" failure "\"@include more\" stands before"
		[[ $(lines pam-account remedy) == "editor $stack" ]]
		as_before
	done
	# As near as it gets: the entry before the gate jumps over that alone, a failure that ends the stack, another type.
	sed -i -e "1i auth sufficient pam_permit.so" -e "/^account.*pam_succeed_if/i account [success=1 auth_err=die default=bad] pam_permit.so" \
		-e '1i session [success=ok new_authtok_reqd=ok ignore=ignore default=done] pam_permit.so' $stack
	ask
	same "" "$(complaints)"
	sed -i 's/^account .success=1 /account [success=2 /' $stack
	finds pam-account failure "\"[success=2 auth_err=die default=bad] pam_permit.so\" stands before"
}

@test "pam: our account line is gone, and its gate is not" {
	sed -i '/^account.*\(pam_keyacct\|pam_permit\)/d' $stack
	finds pam-account failure "has no account line"
	[[ $(lines pam-account message) == *'skips "common-account" in its place: root and local users may be locked out' ]]
	mends pam-account
	cmp $stack $healthy/pam.d/sshd
	sed -i '/^session.*\(pam_keyacct\|pam_mkhomedir\)/d' $stack
	finds pam-session failure "has no session line"
	[[ $(lines pam-session message) == *"root and local users may be locked out" ]]
	mends pam-session
	# The shipped files have a line behind ours that nobody misses.
	sed -i '/^account.*pam_keyacct/d' $stack
	finds pam-account failure "has no account line"
	refute grep -q "locked out" <<<"$said"
}

@test "pam: the line before ours, which keeps everyone else out" {
	sed -i '/^account.*pam_succeed_if/d' $stack
	finds pam-account warning "nothing keeps root and local users out"
	mends pam-account
	sed -i 's/^session.*auth_err=2/session [success=ignore auth_err=1/' $stack
	finds pam-session failure "skips 1 lines for who is no project, and not 2"
	mends pam-session
	sed -i 's/^account.*auth_err=1/account [success=ignore auth_err=2/' $stack
	finds pam-account failure "skips 2 lines for who is no project, and not 1"
	mends pam-account
	# As the design has it, with default alone.
	sed -i 's/auth_err=1 default=ignore/default=1/' $stack
	ask
	same "" "$(complaints)"
}

@test "pam: no file" {
	rm $stack
	finds "pam-account pam-session pam-arguments" failure "$stack cannot be read"
	[[ $(lines pam-account remedy) == "apt-get install --reinstall "*" openssh-server && keyacct setup --yes" ]]
}

@test "pam-arguments: another database" {
	sed -i 's,^account.*pam_keyacct.so,& dir=/srv/keyacct,' $stack
	finds pam-arguments warning "another database than $database in the account lines"
	mends pam-arguments
}

@test "pam-module: missing, of something else, or not root's alone" {
	mv $modules/pam_keyacct.so "$BATS_TEST_TMPDIR/"
	finds pam-module failure "PAM cannot load pam_keyacct.so"
	remedy pam-module "make install && ldconfig"
	echo 'int nothing;' | cc -shared -o $modules/pam_keyacct.so -x c -
	finds pam-module failure "has no pam_sm_open_session"
	mv "$BATS_TEST_TMPDIR/pam_keyacct.so" $modules/
	chmod o+w $modules/pam_keyacct.so
	finds pam-module failure "may be written by others than root"
	mends pam-module
	for stock in pam_succeed_if pam_mkhomedir; do
		mv $modules/$stock.so "$BATS_TEST_TMPDIR/"
		finds pam-module failure "$modules/$stock.so is missing"
		remedy pam-module "apt-get install --reinstall libpam-modules"
		mv "$BATS_TEST_TMPDIR/$stock.so" $modules/
	done
}

@test "registry: somebody else's, open, or no directory" {
	chown games /run/keyacct
	finds registry failure "/run/keyacct is not root's alone (uid "
	mends registry
	mkdir -m 777 /run/keyacct/sessions
	finds registry failure "/run/keyacct/sessions is not root's alone (uid 0, mode 0777)"
	mends registry
	rm -r /run/keyacct
	ask
	same "" "$(complaints)"
	: >/run/keyacct
	finds registry failure "/run/keyacct is no directory"
	mends registry
	[ -d /run/keyacct ]
}

@test "project: archived, closed, removed" {
	k project archive "$project"
	finds project failure "is archived: nobody gets in" "$project"
	mends project "$project"
	k project set "$project" --ssh off
	finds project failure "is closed to SSH" "$project"
	mends project "$project"
	k project remove "$project" --yes 2>/dev/null || k project remove "$project"
	run --separate-stderr keyacct --json doctor "$project"
	said=$output
	same failure "$(lines project result)"
	same "keyacct project add --title Climate" "$(lines project remedy)"
}

@test "shell: no program" {
	for shell in /nonexistent /etc/passwd /bin; do
		k project set "$project" --shell $shell 2>/dev/null
		finds shell failure "$shell, the shell of project $project, is no program here"
		mends shell
	done
}

@test "home: somebody else's, open to all, or something in its place" {
	home=$(value .home project show "$project")
	mkdir -p "$home"
	finds home failure "the home $home belongs to uid 0, not to the project's 1879048192"
	mends home
	same 1879048192 "$(stat -c %u "$home")"
	chmod 777 "$home"
	finds home failure "everybody on this host may write"
	mends home
	rmdir "$home"
	: >"$home"
	finds home failure "$home is in the way of the home"
	mends home
	rm "$home.old"
	mv /projects "$BATS_TEST_TMPDIR/"
	: >/projects
	finds home failure "/projects is in the way of the home $home"
	remedy home "mv /projects /projects.old"
	bash -c "$(lines home remedy)"
	mv "$BATS_TEST_TMPDIR/projects" /
	rm /projects.old
	ln -s /projects /projects/loop
	ln -sf loop /projects/loop
	k project set "$project" --home /projects/loop/home
	finds home failure "cannot look at /projects/loop/home, for the home /projects/loop/home: Too many"
	rm /projects/loop
	as_before
	chown games /projects
	finds home failure "/projects, in which the home of project $project is to be made, belongs to uid"
	mends home
}

@test "sweep: nobody runs it, without systemd and with it" {
	rm /etc/cron.d/keyacct
	finds sweep warning "nobody runs 'keyacct sweep'"
	mends sweep
	sed -i 's/^/#/' /etc/cron.d/keyacct
	finds sweep warning "nobody runs"
	mkdir -p /run/systemd/system
	finds sweep warning "nobody runs"
	remedy sweep "systemctl enable --now keyacct-sweep.timer"
	mends sweep
	[[ $(lines sweep message) == *"by keyacct-sweep.timer" ]]
	rm -r /run/units
	sed -i 's/^#*//' /etc/cron.d/keyacct
	ask
	same "" "$(complaints)"
	rmdir /run/systemd/system
}

@test "clock: before the database, and before there was a keyacct" {
	touch -d '+2 min' $database/private/access.mdb
	finds clock failure "what has ended may be let in"
	remedy clock "timedatectl set-ntp true"
	touch $database/private/access.mdb
	# A clock of 1970 for this process alone.
	cat >"$BATS_TEST_TMPDIR/clock.c" <<-'END'
		#include <time.h>
		time_t time(time_t *t) { if (t) *t = 86400; return 86400; }
		int clock_gettime(clockid_t c, struct timespec *t) { (void)c; t->tv_sec = 86400; t->tv_nsec = 0; return 0; }
	END
	cc -shared -fPIC -o "$BATS_TEST_TMPDIR/clock.so" "$BATS_TEST_TMPDIR/clock.c"
	run --separate-stderr env LD_PRELOAD="$BATS_TEST_TMPDIR/clock.so" keyacct --json doctor
	said=$output
	same failure "$(lines clock result)"
	[[ $(lines clock message) == "the clock says 1970-01-02T00:00:00Z: keys and memberships "* ]]
}

@test "lastlog: it seems to be larger than it is, which is well, and is said" {
	: >/var/log/lastlog
	ask
	same "/var/log/lastlog has 0 kB" "$(lines lastlog message)"
	truncate --size $((292 * 1879048193)) /var/log/lastlog
	ask
	same 0 "$status"
	same ok "$(lines lastlog result)"
	same null "$(lines lastlog remedy)"
	[[ $(lines lastlog message) == *" seems to have 548 GB, and takes 0 kB: a backup that does not know sparse files writes all of it"* ]]
	rm /var/log/lastlog
	ask
	same "" "$(complaints)"
}
