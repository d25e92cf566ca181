# What the tests of keyacct doctor share: a healthy host, one thing of it broken, the line about it, and its mending.
# shellcheck shell=bash disable=SC2034,SC2154
load helpers

drop_in=/etc/ssh/sshd_config.d/00-keyacct.conf
database=/var/lib/keyacct
healthy=/root/healthy
# The files of the host that these tests break.
broken_files=(passwd group shadow gshadow subuid subgid login.defs nsswitch.conf nscd.conf pam.d/sshd ssh/sshd_config
	ssh/sshd_config.d cron.d systemd/system)

# In place of systemctl, which needs a booted host: what it was told stays under /run/units. "reload ssh" is sshd's own.
make_systemctl() {
	cat >/usr/bin/systemctl <<-'END'
		#!/bin/bash
		mkdir -p /run/units
		unit=${!#}
		case $* in
		"reload ssh")
			pid=$(cat /run/sshd.pid)
			rm /run/sshd.pid
			kill -HUP "$pid"
			until [ -s /run/sshd.pid ]; do kill -0 "$pid" || exit 1; done
			;;
		"enable --now ssh") /usr/sbin/sshd ;;
		"enable --now "*) touch "/run/units/$unit" ;;
		"mask "*) ln -s /dev/null "/etc/systemd/system/$unit" ;;
		"restart nscd") ;;
		"--quiet is-active "* | "--quiet is-enabled "*) [ -e "/run/units/$unit" ] ;;
		*) exit 1 ;;
		esac
	END
}

# healthy_host: as the manual has it, by the tool itself; with one project, whose id is $project
healthy_host() {
	local file
	cp -p /root/before/sshd.pam /etc/pam.d/sshd
	cp -p /root/before/nsswitch.conf /etc/nsswitch.conf
	rm -f $drop_in
	make_systemctl
	keyacct setup --yes >/dev/null
	systemctl reload ssh
	echo '* * * * * root /usr/sbin/keyacct sweep' >/etc/cron.d/keyacct
	: >/etc/nscd.conf
	default_db
	k account add owner >/dev/null
	new_project --owner owner --title Climate >/root/project
	rm -rf $healthy
	for file in "${broken_files[@]}"; do
		mkdir -p "$healthy/$(dirname "$file")"
		cp -a "/etc/$file" "$healthy/$file"
	done
	cp -a $database $healthy/database
}

# as_before: what a test broke is whole again
as_before() {
	local file
	for file in "${broken_files[@]}"; do
		rm -rf "/etc/${file:?}"
		cp -a "$healthy/$file" "/etc/$file"
	done
	rm -rf $database /run/units
	cp -a $healthy/database $database
	chmod 755 /var/lib /usr/libexec
	chown root:root /usr/libexec
	project=$(cat /root/project)
	db=$database
}

# ask [ARG]...: doctor's answer in $said, its status in $status
ask() {
	run --separate-stderr keyacct --json doctor "$@"
	said=$output
	[ -z "$stderr" ]
}

# complaints: the checks that are not ok, each once, in their order; but for sshd-reloaded, which complains of each file of sshd's
# that a test has written
complaints() { jq -r '[.[] | select(.result != "ok" and .check != "sshd-reloaded") | .check] | unique_by(.) | join(" ")' <<<"$said"; }

# lines CHECK FIELD: of all lines of a check
lines() { jq -r --arg check "$1" ".[] | select(.check == \$check) | .$2" <<<"$said"; }

# finds "CHECK [OTHER]..." RESULT TEXT [ARG]...: these checks complain and no other one; the first has this result and says this
finds() {
	local checks=$1 check=${1%% *} result=$2 text=$3 want
	shift 3
	ask "$@"
	same "$(tr ' ' '\n' <<<"$checks" | sort | xargs)" "$(complaints)"
	want=5
	[ "$(jq -r '[.[].result] | any(. == "failure")' <<<"$said")" = true ] || want=1
	same $want "$status"
	same "$result" "$(lines "$check" result | head -n 1)"
	[[ $(lines "$check" message) == *"$text"* ]] || {
		echo "expected: $text"
		lines "$check" message
		return 1
	}
	# Whatever is not as it should be has a command that mends it.
	same 0 "$(jq '[.[] | select((.result == "warning" or .result == "failure") and (.remedy | type != "string"))] | length' <<<"$said")"
	same 0 "$(jq '[.[] | select((.result == "ok" or .result == "skipped") and .remedy != null)] | length' <<<"$said")"
}

# remedy CHECK TEXT: that is the command
remedy() { same "$2" "$(lines "$1" remedy)"; }

# mends CHECK [ARG]...: what the first line of the check says is run as it is, again for what is left then, and all is well
mends() {
	local check=$1 command rounds=0
	shift
	until [ "$(complaints)" = "" ]; do
		command=$(lines "$check" remedy | grep -v '^null$' | head -n 1)
		echo "# $command"
		bash -c "$command"
		ask "$@"
		rounds=$((rounds + 1))
		[ $rounds -le 4 ] || {
			jq -c '.[] | select(.result != "ok")' <<<"$said"
			return 1
		}
	done
	same 0 "$status"
}
