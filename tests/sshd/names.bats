#!/usr/bin/env bats
# needs: sshd
# The host's user database: names.mdb is missing or damaged, or says other than access.mdb; and what root does with a name.

load lib
load broken

setup_file() {
	load lib
	load broken
	make_whole
}

teardown() { make_whole_again; }

# names_broken HOW: the host cannot say whether there is such a user, and does not say that there is none
names_broken() {
	break_file $DB/names.mdb "$1"
	holds "Invalid user $P"
	run timeout 10 getent passwd $P
	[ "$status" -eq 2 ]
	[ -z "$output" ]
	[ "$(ask_nss $P)" = "error $EIO" ]
	[ "$(ask_nss nobody)" = nobody ]
	[ "$(ask_nss nothing)" = "not found" ]
	id root
	# A project that is added has to get a name.
	the_tool_ends_with_5 project add --owner owner
}

@test "a healthy names.mdb says \"not found\" of an id that is no project's" {
	[ "$(ask_nss 0123456789abcdef0123456789abcdef)" = "not found" ]
}

@test "names.mdb is missing" { names_broken missing; }
@test "names.mdb is empty" { names_broken empty; }
@test "names.mdb is truncated" { names_broken truncated; }
@test "names.mdb is random bytes" { names_broken random; }
@test "names.mdb is zeros" { names_broken zeros; }
@test "names.mdb has zeros after its first pages" { names_broken "zeroed after its first pages"; }
@test "names.mdb is a directory" { names_broken directory; }
@test "names.mdb is a fifo" { names_broken fifo; }
@test "names.mdb is another user's" { names_broken "another user's"; }
@test "names.mdb can be written by others" { names_broken "writable by others"; }
@test "names.mdb is of a version to come" {
	"$KEYACCT_BUILD/tests/host/newer" $DB incompatible
	holds "Invalid user $P"
	[ "$(ask_nss $P)" = "error $EIO" ]
}

@test "names.mdb is unreadable: for root nothing changes, for everybody else it is no \"not found\"" {
	chmod 000 $DB/names.mdb
	everyone_else_gets_in
	run setpriv --reuid nobody --regid nogroup --clear-groups perl -e \
		'$! = 0; my @p = getpwnam(shift); print @p ? "found" : $! + 0' $P
	[ "$output" = $EIO ]
	run login owner $P 'id -u'
	[ "$output" = "$(id -u $P)" ]
}

@test "the same where nsswitch.conf names no other service" {
	sed -i -E 's/^(passwd|group):.*/\1: files keyacct/' /etc/nsswitch.conf
	[ "$(ask_nss 0123456789abcdef0123456789abcdef)" = "not found" ]
	rm $DB/names.mdb
	[ "$(ask_nss $P)" = "error $EIO" ]
	[ "$(ask_nss nothing)" = "not found" ]
	[ "$(ask_nss root)" = root ]
}

# The two files disagree

MISMATCH="This project cannot be entered: the host's records of it disagree. Please tell the administrator."

@test "names.mdb has another uid for the project than access.mdb: refused with a sentence" {
	keyacct --dir "$D/other" init
	keyacct --dir "$D/other" account add owner
	keyacct --dir "$D/other" project add $P --uid 1999999999 --owner owner
	cat "$D/other/names.mdb" >$DB/names.mdb
	[ "$(id -u $P)" = 1999999999 ]
	log_mark
	reads owner $P "$MISMATCH"
	denied outsider $P
	run log_since
	[[ $output == *"pam_keyacct(sshd:account): refused project=$P "*" reason=uid-mismatch"* ]]
	everyone_else_gets_in
}

@test "names.mdb is that of a database without the project" {
	keyacct --dir "$D/empty" init
	cat "$D/empty/names.mdb" >$DB/names.mdb
	holds "Invalid user $P"
}

@test "names.mdb knows a project that access.mdb does not: denied, and no home is made" {
	ghost=0123456789abcdef0123456789abcdef
	keyacct --dir "$D/more" init
	keyacct --dir "$D/more" account add owner
	keyacct --dir "$D/more" project add $ghost --owner owner
	cat "$D/more/names.mdb" >$DB/names.mdb
	id $ghost
	denied owner $ghost
	denied stranger $ghost
	[ ! -e "/projects/$(hyphened $ghost)" ]
}

# Root's other ways to be a project

@test "su, runuser and ls know a project by its name" {
	uid=$(field_of $P uid)
	run su - $P -c id
	[ "$status" -eq 0 ]
	[ "$output" = "uid=$uid($P) gid=$uid($P) groups=$uid($P)" ]
	run runuser -u $P -- id -un
	[ "$output" = $P ]
	touch /tmp/of-a-project
	chown $uid:$uid /tmp/of-a-project
	[ "$(ls -l /tmp/of-a-project | awk '{ print $3, $4 }')" = "$P $P" ]
	run id root
	[ "$output" = "uid=0(root) gid=0(root) groups=0(root)" ]
}

@test "a project's user becomes nobody else: su asks for a password, which there is none for" {
	run --separate-stderr login owner $P 'su root -c id </dev/null; echo end'
	[ "$output" = end ]
	[[ $stderr == *"Authentication failure"* ]]
}
