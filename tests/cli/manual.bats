#!/usr/bin/env bats
# The manual, the README and the product say the same: commands, options, reasons, fields, shipped pieces.

load helpers

setup_file() {
	make_keys owner
}

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || return 1
	pages=(keyacct/*.[578] pam_keyacct/*.8 nss_keyacct/*.8)
	# Those of the nouns; keyacct-keys is no noun of keyacct.
	mapfile -t noun_pages < <(compgen -G 'keyacct/keyacct-*.8' | grep -vx 'keyacct/keyacct-keys.8')
}

# agree WHAT LEFT RIGHT: two texts are equal, and neither is empty; their difference is shown.
agree() {
	[ -n "$2" ] && [ -n "$3" ] || {
		echo "$1: nothing was found to compare"
		return 1
	}
	diff <(echo "$2") <(echo "$3") || {
		echo "$1 differ (<: the first, >: the second)"
		return 1
	}
}

# section FILE NAME: the lines of one .Sh or .Ss
section() { sed -n "/^\.S[hs] $2\$/,/^\.S[hs] /p" "$1" | sed '1d;$d'; }

# words: what mdoc macros say, as help writes it: "Op Ar FILE | Cm \-" is [FILE|-]
words() { sed -E 's/ Op (.*)$/ [\1]/; s/(^|[ [|])(Ar|Cm|Fl|No) /\1/g; s/(^|[ [|])(Ar|Cm|Fl|No) /\1/g; s/ \| /|/g; s/\\-/-/g; s/ Ns / /g; s/^-/--/'; }

# manual_commands: "COMMAND ARGS", and "COMMAND: --OPTION VALUE" for each of its options, out of the pages' source
manual_commands() {
	local page
	for page in "${noun_pages[@]}"; do section "$page" COMMANDS; done | sed -n 's/^\.It Cm \(.*\)/C Cm \1/p; s/^\.It Fl \(.*\)/O Fl \1/p' |
		while read -r kind text; do
			text=$(words <<<"$text")
			case $kind in
			C)
				echo "$text"
				command=$(sed -E 's/ ([A-Z[]).*//' <<<"$text")
				;;
			O) echo "$command: $text" ;;
			esac
		done
}

# help_commands: the same out of what the commands say of themselves
help_commands() {
	local text command
	usages | while read -r text; do
		echo "$text"
		command=$(sed -E 's/ ([A-Z[]).*//' <<<"$text")
		# shellcheck disable=SC2086
		text=$(keyacct $command --help | sed -nE 's/^  (--[a-z0-9-]+( [^ ]+)?) .*/\1/p' | grep -vE '^--(dir|json|help)( |$)' || true)
		# Those of every command that changes something are told once.
		if grep -q '^--keep-sessions$' <<<"$text"; then
			text=$(grep -vE '^--(keep-sessions|run DIR)$' <<<"$text" || true)
		fi
		[ -z "$text" ] || sed "s/^/$command: /" <<<"$text"
	done
}

@test "every command, argument and option of the help is in the nouns' pages, and none else" {
	agree "the pages and --help" "$(manual_commands | sort)" "$(help_commands | sort)"
}

@test "the synopsis of each noun's page has its commands, and its name those that are nouns" {
	local page
	for page in "${noun_pages[@]}"; do
		agree "$page: SYNOPSIS and COMMANDS" "$(section "$page" SYNOPSIS | sed -n 's/^\.Cm //p')" "$(section "$page" COMMANDS | sed -n 's/^\.It Cm //p')"
		agree "$page: NAME and COMMANDS" "$(section "$page" NAME | sed -nE 's/^\.Nm keyacct-([a-z-]+).*/\1/p' | sort)" \
			"$(section "$page" COMMANDS | sed -nE 's/^\.It Cm ([a-z-]+).*/\1/p' | sort -u)"
	done
}

@test "keyacct(8) names the page of every noun" {
	agree "COMMANDS of keyacct(8) and the pages" "$(section keyacct/keyacct.8 COMMANDS | sed -nE 's/^\.It Xr ([a-z-]+) 8$/\1/p' | sort)" \
		"$(basename -s .8 "${noun_pages[@]}" | sort)"
	agree "SEE ALSO of keyacct(8) and the pages" "$(section keyacct/keyacct.8 'SEE ALSO' | sed -nE 's/^\.Xr (keyacct-[a-z-]+) 8.*/\1/p')" \
		"$(compgen -G 'keyacct/keyacct-*.8' | xargs basename -s .8 | sort)"
}

@test "man finds every noun's page by the noun" {
	local noun
	for noun in $(nouns); do
		grep -q "^\.Nm keyacct-$noun\( ,\)*$" "/usr/share/man/man8/keyacct-$noun.8"
	done
}

@test "the options that every command takes are in keyacct(8)" {
	local everywhere
	everywhere=$(keyacct account list --help | sed -nE 's/^  (--[a-z0-9-]+( [^ ]+)?) .*/\1/p')
	agree "keyacct(8) and --help" \
		"$(sed -n '/^\.Sh DESCRIPTION/,/^These go with every command that changes/p' keyacct/keyacct.8 | sed -n 's/^\.It \(Fl .*\)/\1/p' | words)" "$everywhere"
}

@test "the options that every command takes which changes something are in keyacct(8)" {
	local command found=0
	while read -r command; do
		agree "keyacct(8) and $command --help" \
			"$(sed -n '/^These go with every command that changes/,/^\.Sh COMMANDS/p' keyacct/keyacct.8 | sed -n 's/^\.It \(Fl .*\)/\1/p' | words)" \
			"$(keyacct $command --help | sed -nE 's/^  (--(keep-sessions|run)( [^ ]+)?) .*/\1/p')"
		found=$((found + 1))
	done < <(help_commands | sed -nE 's/^([a-z-]+ (add|set|suspend|resume|archive|unarchive|activate|deactivate|reset|add-member|remove-member|remove)|import|restore)( .*)?$/\1/p' | sort -u)
	[ $found -gt 15 ]
}

@test "the examples of the manual are commands that there are" {
	local line command found=0
	while read -r line; do
		command=$(sed -E 's/^keyacct (--json )?//; s/^([a-z-]+( [a-z]+)?).*/\1/' <<<"$line")
		help_commands | grep -qE "^${command%% *}( |$)" || {
			echo "no such command: $line"
			return 1
		}
		found=$((found + 1))
	done < <(for page in keyacct/keyacct.8 "${noun_pages[@]}"; do section "$page" EXAMPLES; done | sed -n 's/^# \(keyacct .*\)/\1/p')
	[ $found -gt 20 ]
}

@test "the options of keyacct-keys are in keyacct-keys(8), and none else" {
	agree "keyacct-keys(8) and the source" \
		"$(sed -n 's/^\.It \(Fl -[a-z]*\).*/\1/p' keyacct/keyacct-keys.8 | words | sort)" \
		"$(grep -oE '"--[a-z-]+"' keyacct/keyacct-keys.c | tr -d '"' | sort -u)"
}

@test "the arguments of pam_keyacct are in pam_keyacct(8), and none else" {
	agree "pam_keyacct(8) and the source" "$(section pam_keyacct/pam_keyacct.8 Arguments | sed -nE 's/^\.It Cm ([a-z]+=?)( .*|$)/\1/p' | sort)" \
		"$(sed -nE 's/^ +\{"([a-z]+=)".*/\1/p; s/.*strcmp\(arg, "([a-z]+)"\).*/\1/p' pam_keyacct/options.c | sort)"
}

@test "every PAM code that the module answers is in pam_keyacct(8), and none else" {
	agree "pam_keyacct(8) and the source" \
		"$(section pam_keyacct/pam_keyacct.8 'Return codes' | sed -nE 's/^\.It Dv //p' | sort)" \
		"$(grep -ohE 'PAM_(SUCCESS|IGNORE|[A-Z_]*(ERR|DENIED|UNKNOWN|EXPIRED))\b' pam_keyacct/*.c | sort -u)"
}

@test "every message of pam_keyacct is in pam_keyacct(8)" {
	local text found=0
	# What stands between the parts that a message is filled in with has to be in the manual.
	while read -r text; do
		found=$((found + 1))
		grep -qF -- "$text" pam_keyacct/pam_keyacct.8 || {
			echo "not in pam_keyacct(8): $text"
			return 1
		}
	done < <(cat pam_keyacct/*.c | tr '\n' ' ' | grep -oE 'pam_syslog\([^;]*;' | grep -oE '"[^;]*"' |
		sed -E 's/" KA_SPOOL_NAME "/private\/usage.spool/; s/\\"/\n/g; s/"/\n/g; s/%[a-z]/\n/g' | sed -E 's/^[ .:\/,]+//; s/[ .:\/,]+$//' | grep -E '.{4}')
	[ $found -gt 8 ]
}

@test "the reasons of common/access.c are in keyacct(5), in their order, and none else" {
	agree "keyacct(5) and the source" "$(section keyacct/keyacct.5 Reasons | sed -n 's/^\.It Li //p')" \
		"$(grep -ozE '\{"[a-z-]+",[[:space:]]+"[^}]*\}' common/access.c | tr '\0' '\n' | sed -nE 's/^\{"([a-z-]+)",.*/\1/p' | grep -v '^granted$')"
}

@test "the names of the fields of a log line are in keyacct(5), in their order" {
	local verb
	for verb in granted refused ended; do
		agree "keyacct(5) and the source about \"$verb\"" \
			"$(section keyacct/keyacct.5 LOG | sed -n "/^$verb project=/,/[^e]\$/p" | grep -oE '[a-z]+=')" \
			"$(grep -oE "\"$verb project=.*" common/logline.c | grep -oE '[a-z]+=')"
	done
	grep -q '"undecided project=%s: ' common/logline.c
	grep -q '^undecided project=ID: ' keyacct/keyacct.5
}

@test "the fields of a registry entry are in keyacct(5), in their order" {
	agree "keyacct(5) and the source" "$(section keyacct/keyacct.5 'LIVE SESSIONS' | grep -E '^(project|  account)=' | grep -oE '[a-z]+=')" \
		"$(grep -oE '"(project=%s| account=%s) .*' common/session.c | tac | grep -oE '[a-z]+=')"
}

@test "the variables of a session are in keyacct(5), and none else" {
	agree "keyacct(5) and the source" "$(section keyacct/keyacct.5 ENVIRONMENT | sed -n 's/^\.It Ev //p' | sort)" \
		"$(grep -ohE 'export_text\(l, "[A-Z_]+"' pam_keyacct/*.c | cut -d'"' -f2 | sort -u)"
}

@test "the tables of the database are in keyacct(5), and none else" {
	agree "keyacct(5) and the source" "$(section keyacct/keyacct.5 DATABASE | sed -nE 's/^\.It ([a-z_]+) Ta.*/\1/p' | sort -u)" \
		"$(sed -nE 's/.*\[KA_TABLE_[A-Z_]+\] = "([a-z_]+)".*/\1/p' common/table.c | sort -u)"
}

@test "the settings are in keyacct(5), with their defaults, in their order, and none else" {
	new_db
	# What the host calls itself is nobody's default to write down.
	agree "keyacct(5) and config list" "$(section keyacct/keyacct.5 SETTINGS | sed -nE 's/^\.It Cm ([a-z0-9-]+)( Pq (.*))?/\1 \3/p')" \
		"$(value '.[] | "\(.name) \(if .name == "host" then "" else .value end)"' config list)"
}

@test "the types of keys that a setting takes are in keyacct(5), and none else" {
	agree "keyacct(5) and the source" "$(section keyacct/keyacct.5 SETTINGS | sed -n '/^\.It Cm key-types/,/^\.It Cm rsa/p' |
		sed -nE 's/^\.Ql ((sk-|ssh-|ecdsa-)[a-z0-9@.-]*[a-z0-9]).*/\1/p' | sort)" \
		"$(sed -n '/^static const struct key_type types/,/^};/s/^ *{"\([^"]*\)".*/\1/p' common/sshkey.c | sort)"
}

@test "the words of audit are in keyacct(5), in their order, and none else" {
	agree "keyacct(5) and the source" "$(section keyacct/keyacct.5 AUDIT | sed -n 's/^\.It Li //p')" \
		"$(sed -nE 's/^ +\[[A-Z_]+\] = "([a-z-]+)",$/\1/p' keyacct/audit.c)"
}

# fields NAME: the field names that keyacct(5) gives for one kind of object
fields() {
	sed -n "/^\.It Em $1\$/,/^\.\(It\|El\)/p" keyacct/keyacct.5 | sed '1d;$d' | grep -E '^\.Li ' |
		sed 's/^\.Li //' | tr -d ',.;' | tr ' ' '\n' | grep -E '^[a-z_0-9]+$' | sort -u
}

@test "the fields that listings print as JSON are in keyacct(5), and none else" {
	local project
	new_db
	people
	project=$(new_project --owner owner --title Climate)
	k key add owner --project "$project" "$(pub owner)" >/dev/null
	k group add staff >/dev/null
	k member add "$project" @staff >/dev/null
	agree "account" "$(fields account)" "$(value '.[0] | keys[]' account list | sort)"
	agree "project" "$(fields project)" "$(value '(keys[], (.keys[] | keys[]))' project show "$project" | sort -u)"
	agree "member" "$(fields member)" "$(value '.[] | keys[]' member list "$project" | sort -u)"
	agree "group" "$(fields group)" "$(value '.[0] | keys[]' group list | sort)"
	agree "account remove" "$(fields 'account remove --dry-run')" "$(k account add guest --json >/dev/null && value 'keys[]' account remove guest --dry-run | sort)"
	agree "key" "$(fields key)" "$(value '.[0] | keys[]' key list | sort)"
	agree "ssh-config" "$(fields ssh-config)" "$(value '.[0] | keys[]' ssh-config owner | sort)"
	agree "setting" "$(fields setting)" "$(value '.[0] | keys[]' config list | sort)"
	agree "doctor" "$(fields doctor)" "$(keyacct --dir "$db" --json doctor | jq -r '.[0] | keys[]')"
	agree "audit" "$(fields audit)" "$(value '.[] | keys[]' audit | sort -u)"
	make_registry "$BATS_TEST_TMPDIR/run"
	add_session $$ owner "$project"
	agree "session" "$(fields session)" "$(value '.[0] | keys[]' session list --run "$BATS_TEST_TMPDIR/run" | sort)"
	k group add-member staff student >/dev/null
	agree "change" "$(fields change)" "$(value '.[] | (keys[], (.by | keys[]), (.what | keys[]))' changes | sort -u)"
	agree "explain" "$(fields explain)" "$(value '(keys[], ((.registrations + .refused_requests)[] | keys[]))' explain "$project" "$(pub owner)" | sort -u)"
}

@test "the checks of doctor are in keyacct-doctor(8), in their order, and none else" {
	new_db
	agree "keyacct-doctor(8) and doctor" "$(sed -n '/^\.Sh CHECKS/,/^\.Sh EXIT/s/^\.It Li //p' keyacct/keyacct-doctor.8)" \
		"$(keyacct --dir "$db" --json doctor | jq -r '.[].check' | uniq)"
}

@test "the codes of errors in JSON are in keyacct(8)" {
	agree "keyacct(8) and the source" "$(section keyacct/keyacct.8 JSON | sed -n '/^The code is/,$p' | sed -nE 's/^\.Ql ([a-z-]+).*/\1/p' | sort)" \
		"$(sed -nE '/^status_name/,/^}/s/.*return "([a-z-]+)";/\1/p' keyacct/cli.c | grep -vE '^(done|refused)$' | sort)"
}

@test "every exit status is in keyacct(8), and none else" {
	agree "keyacct(8) and the source" "$(section keyacct/keyacct.8 'EXIT STATUS' | sed -n 's/^\.It //p')" \
		"$(sed -nE 's/.*CLI_[A-Z]+ = ([0-9]),/\1/p' keyacct/cli.h)"
}

@test "the manual pages are without a warning" {
	local page warnings
	for page in "${pages[@]}"; do
		warnings=$(mandoc -Tlint -W warning "$page" | grep -v 'referenced manual not found' || true)
		[ -z "$warnings" ] || {
			echo "$warnings"
			return 1
		}
	done
}

@test "every page of ours that a page refers to is there" {
	local page name section
	for page in "${pages[@]}"; do
		while read -r name section; do
			case $name in
			*keyacct*)
				compgen -G "*/$name.$section" >/dev/null || {
					echo "$page: there is no $name($section)"
					return 1
				}
				;;
			esac
		done < <(sed -nE 's/^\.Xr ([^ ]+) ([0-9]).*/\1 \2/p' "$page")
	done
}

# shipped FILE: what it says, as it is installed, without its comments
shipped() { grep -v '^#' "$1" | sed 's,@HELPER@,/usr/libexec/keyacct-keys,'; }

@test "the manual quotes the shipped pieces for sshd and PAM as they are" {
	agree "keyacct-keys(8) and 00-keyacct.conf" "$(sed -n '/^Match User/,/^\.Ed/p' keyacct/keyacct-keys.8 | sed '$d')" \
		"$(shipped share/00-keyacct.conf)"
	agree "pam_keyacct(8) and sshd.account.pam" "$(grep '^account ' pam_keyacct/pam_keyacct.8 | head -n 3)" "$(shipped share/sshd.account.pam)"
	agree "pam_keyacct(8) and cron.account.pam" "$(grep '^account ' pam_keyacct/pam_keyacct.8 | tail -n 3)" "$(shipped share/cron.account.pam)"
	agree "pam_keyacct(8) and sshd.session.pam" "$(grep '^session ' pam_keyacct/pam_keyacct.8)" "$(shipped share/sshd.session.pam)"
}

@test "nss_keyacct(8) shows the lines that nsswitch.sed makes" {
	# Every other line gains it at the end.
	agree "nsswitch.sed" "passwd: files sss keyacct # note" "$(echo 'passwd: files sss # note' | sed -E -f share/nsswitch.sed)"
	agree "nss_keyacct(8) and nsswitch.sed" "$(section nss_keyacct/nss_keyacct.8 SYNOPSIS | grep -E '^(passwd|group):')" \
		"$(printf 'passwd:  files systemd\ngroup:   files systemd\n' | sed -E -f share/nsswitch.sed)"
}

# readme_lines NAME...: the indented lines of these parts of the README
readme_lines() {
	local part
	for part; do
		sed -nE "/^##+ $part\$/,/^##/s/^    //p" README.md
	done
}

INTO_SERVICE='^(make .*install|ldconfig|systemd-|mkdir -p /projects|install -m 644 /usr/share|sed -i|\}'"'"')'

@test "the README puts a host into service with the commands of tests/world, in their order" {
	agree "README.md and tests/world" \
		"$(readme_lines 'Build and install' 'sshd and PAM' 'Let projects in' | grep -E "$INTO_SERVICE")" \
		"$(sed -n '/--stage3/,$p' tests/world | sed -E 's/ (B|MODULES)="[^"]*"//g; s/ \$\{KEYACCT_MAKE:-\}//; s/ --no-print-directory//; s/ -o all//; s/ *>\/dev\/null.*//' |
			grep -E "$INTO_SERVICE")"
}

@test "the README takes a host out of service, byte for byte, and back in" {
	mkdir -p "$BATS_TEST_TMPDIR/in"
	cp -p /etc/pam.d/sshd /etc/nsswitch.conf "$BATS_TEST_TMPDIR/in"
	readme_lines 'Out of service' | grep '^sed -i' >"$BATS_TEST_TMPDIR/out.sh"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/out.sh")" -eq 2 ]
	bash -e "$BATS_TEST_TMPDIR/out.sh"
	run -1 grep keyacct /etc/pam.d/sshd /etc/nsswitch.conf
	if [ -d /root/before ]; then
		cmp /etc/pam.d/sshd /root/before/sshd.pam
		cmp /etc/nsswitch.conf /root/before/nsswitch.conf
	fi
	readme_lines 'sshd and PAM' 'Let projects in' | grep -E "^(sed -i|\}')" >"$BATS_TEST_TMPDIR/in.sh"
	bash -e "$BATS_TEST_TMPDIR/in.sh"
	cmp /etc/pam.d/sshd "$BATS_TEST_TMPDIR/in/sshd"
	cmp /etc/nsswitch.conf "$BATS_TEST_TMPDIR/in/nsswitch.conf"
}

@test "the README puts cron and atd into service and out of it, byte for byte" {
	readme_lines 'sshd and PAM' | sed -n '/^for s in cron atd/,/done$/p' >"$BATS_TEST_TMPDIR/in.sh"
	readme_lines 'Out of service' | grep '^for s in cron atd' >"$BATS_TEST_TMPDIR/out.sh"
	cp -p /etc/pam.d/cron /etc/pam.d/atd "$BATS_TEST_TMPDIR/"
	bash -e "$BATS_TEST_TMPDIR/in.sh"
	for service in cron atd; do
		[ "$(grep -B2 '^@include common-account' /etc/pam.d/$service | head -n 1)" = "account required   pam_keyacct.so jobs" ]
	done
	bash -e "$BATS_TEST_TMPDIR/out.sh"
	for service in cron atd; do
		cmp /etc/pam.d/$service "$BATS_TEST_TMPDIR/$service"
	done
}

@test "what the README removes is what make install puts there" {
	local file
	readme_lines 'Out of service' | grep '^rm ' >"$BATS_TEST_TMPDIR/rm.sh"
	make --no-print-directory install -o all B="${KEYACCT_BUILD:-build}" DESTDIR="$BATS_TEST_TMPDIR/root" >/dev/null
	# The same lines, on a copy of what is installed: nothing may be left, and every pattern has to match something.
	mkdir -p "$BATS_TEST_TMPDIR/root/etc/ssh/sshd_config.d"
	: >"$BATS_TEST_TMPDIR/root/etc/ssh/sshd_config.d/00-keyacct.conf"
	sed -E "s, /, $BATS_TEST_TMPDIR/root/,g" "$BATS_TEST_TMPDIR/rm.sh" >"$BATS_TEST_TMPDIR/rm2.sh"
	bash -e "$BATS_TEST_TMPDIR/rm2.sh"
	file=$(find "$BATS_TEST_TMPDIR/root" -type f)
	[ -z "$file" ] || {
		echo "left behind: $file"
		return 1
	}
}

@test "the README's commands, files and parts exist" {
	local word
	for word in $(grep -oE '\]\([A-Z][A-Za-z.]*\)' README.md | tr -d ']()') $(grep -oE 'man \./[a-z/._0-9]+' README.md | sed 's/man //'); do
		[ -e "$word" ] || {
			echo "README.md names $word, which is not there"
			return 1
		}
	done
	for word in $(section_tree); do
		[ -d "$word" ] || {
			echo "README.md names the directory $word, which is not there"
			return 1
		}
	done
	for word in $(grep -oE '\(#[a-z-]+\)' README.md | tr -d '(#)'); do
		grep -E '^##' README.md | sed -E 's/^#+ //' | tr 'A-Z ' 'a-z-' | grep -qx "$word" || {
			echo "README.md links to #$word, which is not there"
			return 1
		}
	done
	while read -r word; do
		help_commands | grep -qE "^$word( |$)" || {
			echo "README.md shows keyacct $word, which is not there"
			return 1
		}
	done < <(sed -nE 's/^    # keyacct /    keyacct /; s/^    keyacct (([a-z-]+)( [a-z]+)?).*/\1/p' README.md |
		sed -E 's/^(init|explain|ssh-config|authorized-keys|changes|backup|restore|drain) .*/\1/')
	[ "$(sed -nE '/^    make (demo|check) /p' README.md | wc -l)" -eq 2 ]
	make -n demo >/dev/null && make -n check >/dev/null
}

section_tree() { sed -nE '/^## The tree/,/^## /s/^    ([a-z_]+)\/ .*/\1/p' README.md; }

@test "the README reaches its two commands within a screen" {
	[ "$(grep -n '^    make check' README.md | cut -d: -f1)" -le 32 ]
}
