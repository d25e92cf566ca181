#!/usr/bin/env bats
# What a project leaves on the host: told when it or a member is removed, ended by --stop.
load helpers

setup() {
	default_db
	people
	project=$(new_project --owner owner)
	uid=$(id -u "$project")
	home=/projects/$(hyphens "$project")
	lingering=/var/lib/systemd/linger/$project
}
teardown() {
	rm -rf "$home" "$lingering" /var/spool/cron/crontabs/"$project" /var/spool/cron/atjobs/keyacct-test*
	[ -z "${uid:-}" ] || pkill -KILL -U "$uid" || :
}

# as_project COMMAND: a process of it that stays, once COMMAND has run
as_project() {
	setpriv --reuid "$uid" --regid "$uid" --clear-groups bash -c "$1; cd / && exec sleep 1000" \
		>/dev/null 2>&1 3>&- &
	until pgrep -U "$uid" -x sleep -P $BASHPID >/dev/null; do kill -0 $!; done
}
all_kinds() {
	mkdir -p "$home/.config/systemd/user/timers.target.wants" "${lingering%/*}" /var/spool/cron/atjobs
	ln -s ../backup.timer "$home/.config/systemd/user/timers.target.wants/backup.timer"
	touch "$lingering" /var/spool/cron/atjobs/keyacct-test1 /var/spool/cron/atjobs/keyacct-test2 /var/spool/cron/atjobs/keyacct-test.root
	chown "$uid" /var/spool/cron/atjobs/keyacct-test[12]
	echo '@daily true' | crontab -u "$project" -
	as_project :
}
left() { jq -c .left; }

@test "nothing left: nothing is said of it" {
	try 0 k project remove "$project"
	same "Project $project is removed: nobody gets in. Its name and uid stay reserved, so that its files keep their owner." "$output"
}

@test "remove says which home, crontab, jobs, timers and processes are left, and ends none of them" {
	all_kinds
	try 0 k project remove "$project"
	same "Left on this host:
  home       $home
  crontab    /var/spool/cron/crontabs/$project
  at jobs    2
  timers     1, and its systemd runs without a login
  processes  1
To end what runs, or will: keyacct project remove ${project:0:8} --stop" "$(tail -n +2 <<<"$output")"
	[ -e /var/spool/cron/crontabs/"$project" ]
	pgrep -U "$uid"
	# The name stays the files' owner's, and there is no shell for it.
	same "$project $(hyphens "$project")" "$(id -nu "$uid") $(basename "$home")"
	[[ $(getent passwd "$project") == *nologin ]]
}

@test "--stop ends all of it and leaves the home; a removed project can be stopped later" {
	all_kinds
	k project remove "$project" >/dev/null
	try 0 k project remove "$project" --stop
	same "Nothing of it runs any more, or will.
Left on this host:
  home       $home
  timers     1, and its systemd runs during logins only" "$(tail -n +2 <<<"$output")"
	refute_there() { [ ! -e "$1" ] && [ ! -L "$1" ]; }
	for gone in /var/spool/cron/crontabs/"$project" /var/spool/cron/atjobs/keyacct-test1 /var/spool/cron/atjobs/keyacct-test2 "$lingering"; do
		refute_there "$gone"
	done
	[ -e /var/spool/cron/atjobs/keyacct-test.root ]
	run -1 pgrep -U "$uid"
	[ -d "$home" ]
	same '{"home":"'"$home"'","crontab":null,"at_jobs":0,"timers":1,"lingers":false,"processes":0}' \
		"$(k --json project remove "$project" --stop | left)"
	refused 4 "is deleted: it stays so" k project remove "$project"
}

@test "--stop ends what ignores SIGTERM, what is stopped, and what forks without end; and nobody else's processes" {
	other=$(new_project --owner owner)
	as_project 'trap "" TERM HUP INT'
	as_project 'kill -STOP $BASHPID & :'
	as_project '(while :; do (:) & done) & :'
	setpriv --reuid "$(id -u "$other")" --regid "$(id -u "$other")" --clear-groups sleep 100 3>&- &
	bystander=$!
	try 0 k project remove "$project" --stop
	run -1 pgrep -U "$uid"
	kill -0 $bystander
	kill $bystander
}

@test "--stop ends what ignores SIGTERM and kills whatever it may, without a pause" {
	# It would kill what --stop has running as its uid, too; five times, because it may come too late for that.
	for _ in 1 2 3 4 5; do
		setpriv --reuid "$uid" --regid "$uid" --clear-groups perl -e '
			$SIG{$_} = "IGNORE" for qw(TERM HUP INT);
			$0 = "killer";
			kill "KILL", -1 while 1' >/dev/null 2>&1 3>&- &
		until pgrep -U "$uid" -x killer >/dev/null; do kill -0 $!; done
		try 0 k project remove "$project" --stop
		run -1 pgrep -U "$uid"
	done
}

@test "--stop touches nothing where the host takes the uid for somebody else" {
	as_project :
	# Another database, whose first project has the same uid.
	db=$BATS_TEST_TMPDIR/elsewhere
	keyacct --dir "$db" init >/dev/null
	k account add owner
	twin=$(new_project --owner owner)
	same "$uid" "$(value .uid project show "$twin")"
	refused 4 "nothing is stopped: this host takes the uid $uid for $project, not for this project" k project remove "$twin" --stop
	pgrep -U "$uid"
}

@test "member remove tells what may be theirs" {
	k member add "$project" student
	try 0 k member remove "$project" student
	same '"student" is no member of the project any more.' "$output"
	k member add "$project" student
	all_kinds
	same '{"home":"'"$home"'","crontab":"/var/spool/cron/crontabs/'"$project"'","at_jobs":2,"timers":1,"lingers":true,"processes":1}' \
		"$(k --json member remove "$project" student | left)"
	k member add "$project" student
	try 0 k member remove "$project" student
	has "What still runs in the project, or will, may be theirs:"
	has "  crontab    /var/spool/cron/crontabs/$project"
	has "  processes  1"
	pgrep -U "$uid"
}
