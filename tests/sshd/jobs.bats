#!/usr/bin/env bats
# needs: sshd
# Jobs of cron and at, with the account lines that are shipped for them: those of a closed project do not run.

load lib

setup_file() {
	load lib
	make_people
	export P=$(new_project owner)
	export HOME_OF_P=/projects/$(hyphened "$P")
	login owner "$P" true
	# As a member leaves them behind. @reboot is the one time that a test need not wait for.
	printf '@reboot echo ran >>~/cron-ran; id -un >>~/cron-ran\n' | crontab -u "$P" -
	printf '@reboot touch /root/root-ran\n' | crontab -u root -
	keyacct setup --yes
	for service in cron atd; do
		[ "$(grep -c '^account.*pam_keyacct.so jobs$' /etc/pam.d/$service)" -eq 1 ]
	done
}

teardown() {
	for daemon in ${cron:-} ${atd:-}; do kill $daemon 2>/dev/null || :; done
	rm -f $HOME_OF_P/cron-ran $HOME_OF_P/at-ran /root/root-ran
}

# after_boot: cron has started, as after a reboot, and has done with the project's job and with root's; then it is ended
after_boot() {
	log_mark
	rm -f /run/crond.reboot /root/root-ran
	cron -f >/dev/null 2>&1 3>&- &
	cron=$!
	done_with_both() {
		[ -e /root/root-ran ] && log_since | grep -qE "CRON\[[0-9]+\]: (pam_unix\(cron:session\): session closed for user $P|Authentication|Permission denied|User account|Module is unknown|.*$P.*FAILED)|\($P\)|cron:account.*refused"
	}
	wait_until done_with_both
	# What it started has ended with it: nothing more can come.
	children_gone() { ! pgrep -P $cron >/dev/null; }
	wait_until children_gone
	kill $cron
	unset cron
}

@test "an open project's job runs" {
	after_boot
	[ "$(cat $HOME_OF_P/cron-ran)" = "ran
$P" ]
	refute grep -q 'pam_keyacct(cron' <<<"$(log_since)"
}

@test "an archived project's job does not run, and root's does" {
	keyacct project archive $P
	after_boot
	[ ! -e $HOME_OF_P/cron-ran ]
	[ -e /root/root-ran ]
	grep -q "pam_keyacct(cron:account): refused project=$P account=- fingerprint=- address=- reason=project-archived" <<<"$(log_since)"
	keyacct project unarchive $P
	after_boot
	[ -e $HOME_OF_P/cron-ran ]
}

@test "without these lines it does: so the question was put well" {
	keyacct project archive $P
	cp /etc/pam.d/cron "$D/cron.pam"
	sed -i '/pam_keyacct.so jobs/d; /pam_succeed_if/d' /etc/pam.d/cron
	after_boot
	cp "$D/cron.pam" /etc/pam.d/cron
	keyacct project unarchive $P
	[ -e $HOME_OF_P/cron-ran ]
}

@test "that SSH is off is no reason: the job runs" {
	keyacct project set $P --ssh off
	after_boot
	keyacct project set $P --ssh on
	[ -e $HOME_OF_P/cron-ran ]
}

@test "a removed project's job does not run" {
	T=$(new_project owner)
	login owner $T true
	printf '@reboot echo ran >~/cron-ran\n' | crontab -u $T -
	keyacct project remove $T
	after_boot
	[ ! -e /projects/$(hyphened $T)/cron-ran ]
	keyacct project remove $T --stop
	[ ! -e /var/spool/cron/crontabs/$T ]
}

@test "where the module is missing, no project's job runs, and root's does" {
	module=$(find /usr/lib -name pam_keyacct.so)
	mv $module $module.away
	after_boot
	mv $module.away $module
	[ ! -e $HOME_OF_P/cron-ran ]
	[ -e /root/root-ran ]
}

# at_now: a job of the project's, with atd running until it has done with it
at_now() {
	rm -f $HOME_OF_P/at-ran
	log_mark
	su $P -s /bin/sh -c 'cd; echo "echo ran >~/at-ran" | at now' 2>&1
	atd -f -b 0 -l 100 >/dev/null 2>&1 3>&- &
	atd=$!
	done_with_it() { log_since | grep -qE "atd\[[0-9]+\]: (pam_unix\(atd:session\): session closed for user $P|Permission denied)"; }
	wait_until done_with_it
	at_children_gone() { ! pgrep -P $atd >/dev/null; }
	wait_until at_children_gone
	kill $atd
	unset atd
}

@test "at: an open project's job runs, an archived one's does not" {
	at_now
	[ "$(cat $HOME_OF_P/at-ran)" = ran ]
	keyacct project archive $P
	at_now
	keyacct project unarchive $P
	[ ! -e $HOME_OF_P/at-ran ]
	grep -q "pam_keyacct(atd:account): refused project=$P .* reason=project-archived" <<<"$(log_since)"
}
