#!/usr/bin/env bats
# keyacct import --mirror: what the lines do not name is removed, and when it is not.
load helpers
load import

setup_file() { make_keys owner student other; }

setup() {
	new_db
	a_platform >"$BATS_TEST_TMPDIR/lines"
	object end >>"$BATS_TEST_TMPDIR/lines"
	k import "$BATS_TEST_TMPDIR/lines" >/dev/null
}

teardown() { k check >/dev/null; }

# without JQ: the platform's lines but for those of which it is true
without() { jq -c "select($1 | not)" "$BATS_TEST_TMPDIR/lines"; }

# types: how many rows there are of each type
types() { k export | jq -r .type | grep -v 'settings\|counter\|end' | sort | uniq -c | awk '{printf "%s%s %s", (NR > 1 ? ", " : ""), $1, $2}'; }

# stays TEXT STATUS [ARG]...: standard input is no mirror; nothing is removed, and why has TEXT in it
stays() {
	local text=$1 want=$2 before
	shift 2
	before=$(types)
	try "$want" k import --mirror "$@" -
	same 0 "$(cut -d' ' -f4 <<<"$(numbers)")"
	[[ ${stderr_lines[-1]} == "keyacct: "*"$text"* ]] || {
		show_run "expected: $text"
		return 1
	}
	same "$before" "$(types)"
}

@test "the same lines remove nothing" {
	before=$(k export)
	imports "0 0 11 0 0" --mirror <"$BATS_TEST_TMPDIR/lines"
	same "$before" "$(k export)"
	imports "0 0 12 0 0" --mirror < <(k export)
	same "$before" "$(k export)"
}

@test "what comes in for the first time is not absent" {
	db=$BATS_TEST_TMPDIR/first
	keyacct --dir "$db" init >/dev/null
	imports "11 0 0 0 0" --mirror <"$BATS_TEST_TMPDIR/lines"
	same "3 account, 1 group, 2 key, 3 member, 2 project" "$(types)"
	db=$BATS_TEST_TMPDIR/second
	keyacct --dir "$db" init >/dev/null
	imports "4 0 0 0 0" --mirror < <(object account handle owner; object account handle student; object group name staff; object project id $P1; object end)
	same "2 account, 1 group, 1 project" "$(types)"
}

@test "what is absent goes: a key, a member, a group, a project, an account" {
	imports "0 0 10 1 0" --mirror < <(without '.type == "key" and .account == "'$A1'"')
	same key-reach,unknown-key "$(k --json explain $P2 "$(pub student)" | jq -r .reason),$(k --json explain $P1 "$(pub owner)" | jq -r .reason)"
	k import "$BATS_TEST_TMPDIR/lines" >/dev/null
	imports "0 0 10 1 0" --mirror < <(without '.type == "member" and .account == "'$A2'"')
	same "" "$(value '.owners | join(" ")' project show $P2)"
	k import "$BATS_TEST_TMPDIR/lines" >/dev/null
	imports "0 1 8 2 0" --mirror < <(without '.type == "group" or .group == "'$G1'"' | jq -c 'if .type == "key" and .projects then .projects = [] else . end')
	refused 3 'there is no group "staff"' k group show staff
	k import "$BATS_TEST_TMPDIR/lines" >/dev/null
	uid=$(value .uid project show $P2)
	imports "0 0 9 2 0" --mirror < <(without '.id == "'$P2'" or .project == "'$P2'"')
	same "deleted $uid" "$(value '"\(.state) \(.uid)"' project show $P2)"
	# It stays, as a tombstone, without being named ever again.
	imports "0 0 9 0 0" --mirror < <(without '.id == "'$P2'" or .project == "'$P2'"')
	imports "0 0 8 1 0" --mirror < <(without '.id == "'$P2'" or .project == "'$P2'" or .id == "'$A3'"')
	refused 3 'there is no account' k account show outsider
}

@test "an account goes with all that is its" {
	k key add student --title 'by hand' --from 192.0.2.7 "$(pub other)"
	# Its own row, the member, the key of the lines and the one by hand.
	imports "0 1 7 4 0" --mirror < <(without '.id == "'$A2'" or .account == "'$A2'"' | jq -c 'if .type == "group" then .accounts = [] else . end')
	same "2 account, 1 group, 1 key, 2 member, 2 project" "$(types)"
	same "" "$(value '.accounts | join(" ")' group show staff)"
	k account add student
	same "0 0" "$(value '"\(.keys) \(.projects)"' account show student)"
}

@test "an account that only other lines name is removed, also as a last owner, and they are refused the next time" {
	imports "0 0 10 1 0" --mirror < <(without '.id == "'$A1'"')
	same "2 account, 1 group, 1 key, 2 member, 2 project" "$(types)"
	imports "0 0 8 0 2" --mirror < <(without '.id == "'$A1'"')
	[[ $stderr == *"line 6: there is no account $A1"*"line 9: there is no account $A1"* ]]
}

@test "a project loses its last owner, when the platform says so, and only with --mirror" {
	line=$(object member project $P1 account $A1 role collaborator)
	refuses "is the last owner" <<<"$line"
	imports "0 1 10 0 0" --mirror < <(without '.type == "member" and .project == "'$P1'" and .account == "'$A1'"' | { echo "$line"; cat; })
	same "" "$(value '.owners | join(" ")' project show $P1)"
	# Suspended, and gone.
	imports "0 0 8 3 0" --mirror < <(without '.id == "'$A1'" or .account == "'$A1'"')
	same "@staff" "$(value '.owners + .collaborators | join(" ")' project show $P1)"
}

@test "rows that only an index or a listing shows go too: a member dropped and its key for that project" {
	k member add $P2 owner
	k key add owner --project $P2 "$(pub other)"
	imports "0 0 11 2 0" --mirror <"$BATS_TEST_TMPDIR/lines"
	same "2 key" "$(types | grep -o '[0-9]* key')"
	same unknown-key "$(k --json explain $P2 "$(pub other)" | jq -r .reason)"
}

# Not without the end

@test "nothing is removed unless the last line is the end" {
	stays 'does not end with {"type":"end"}: it may be cut off, so nothing was removed' 2 < <(without '.type == "key" or .type == "end"')
	stays 'does not end with' 2 </dev/null
	stays 'does not end with' 2 < <(object end; without '.type == "key" or .type == "end"')
	stays 'does not end with' 2 < <(without '.type == "key"'; object account handle owner)
	# Empty lines are no lines.
	imports "0 0 9 2 0" --mirror < <(without '.type == "key"'; printf '\n \r\n')
}

@test "two files one after the other: the end of the first is not the last line" {
	stays 'does not end with' 2 < <(without '.type == "key"'; without '.type == "key" or .type == "end"')
}

@test "what cannot be taken yet does not undo the end" {
	# The member waits for its project, and comes behind the end.
	imports "2 0 9 2 0" --mirror < <(object member project $P3 account $A1 role owner; object project id $P3; without '.type == "key"')
	same "" "$stderr"
}

# Not when nobody knows what a line is about

@test "nothing is removed when nobody knows what a line is about" {
	for line in x '{}' '{"type":"row"}' '{"type":"account","name":"x"}' '{"type":"account","handle":"Owner"}' '{"type":"account","id":"x"}' \
		'{"type":"project","title":"x"}' '{"type":"group","name":7}' "$(object member project x account $A1)" \
		"$(object member project $P1)" "$(object member project $P1 account nobody)" "$(object member project $P1 group nobody)" \
		"$(object key account $A1)" "$(object key account nobody key "$(key_of other)")" "$(object key account 7 key "$(key_of other)")" \
		"$(printf 'a\vb')" "$(head -c 17000000 /dev/zero | tr '\0' x)"; do
		stays 'has 1 line of which nobody knows what they are about: nothing was removed' 2 < <(object account id $A1 handle owner; echo "$line"; without '.type == "key"')
	done
	printf 'a\0b\n' >"$BATS_TEST_TMPDIR/nul"
	stays 'has 3 lines of which nobody knows' 2 < <(echo '{}'; cat "$BATS_TEST_TMPDIR/nul"; without '.type == "key"' | sed '1s/^/x/')
}

@test "a refused line's own row is not absent, whatever is wrong with the line" {
	for wrong in '.nick = "x"' '.created = "yesterday"' '.state = 7' '.title = 7' '.name = 7 | .nick = 7' '.role = 7'; do
		before=$(k export)
		jq -c "if .type == \"end\" then . else $wrong end" "$BATS_TEST_TMPDIR/lines" >"$BATS_TEST_TMPDIR/wrong"
		try 6 k import --mirror --force "$BATS_TEST_TMPDIR/wrong"
		same "0 0" "$(numbers | cut -d' ' -f 1,4)"
		same "$before" "$(k export)"
	done
	# Nor one of the reach of a key, the accounts of a group, the handle of an account, the uid of a project.
	for wrong in ".projects = [\"$P3\"]" ".projects = [\"x\"]" '.accounts = ["nobody"]' '.accounts = 7' '.handle = "A"' '.uid = 7' '.from = ["x"]'; do
		jq -c "if .type == \"end\" then . else $wrong end" "$BATS_TEST_TMPDIR/lines" >"$BATS_TEST_TMPDIR/wrong"
		try 6 k import --mirror --force "$BATS_TEST_TMPDIR/wrong"
		same "0 0" "$(numbers | cut -d' ' -f 1,4)"
		same "$before" "$(k export)"
	done
}

@test "a line about what cannot be there keeps nothing from being removed" {
	for line in "$(object member project $P3 account $A1)" "$(object member project $P1 account ${A1/a/c})" "$(object member project $P1 group ${G1/6/c})" \
		"$(object key account ${A1/a/c} key "$(key_of other)")" "$(object key account $A1 key 'ssh-dss AAAAB3NzaC1kc3M=')" \
		"$(object account id ${A1/a/c} handle owner)" "$(object settings x 7)"; do
		k import "$BATS_TEST_TMPDIR/lines" >/dev/null
		imports "0 0 9 2 1" --mirror < <(echo "$line"; without '.type == "key"')
	done
}

@test "a handle that nobody can tell whose it is keeps anything from being removed" {
	# The outsider has become "owner", but the owner is still named so: which of the two is the member?
	stays 'of which nobody knows what they are about' 2 < <(
		object account id $A3 handle owner
		without '.id == "'$A3'" or .type == "member" or .type == "key"' | sed '$d'
		object member project $P1 account owner role owner
		object end
	)
}

# How much

@test "one percent or 1,000 rows, always 10, and more with --force" {
	# 1,100 rows: 11 may go.
	for n in $(seq 1089); do echo "{\"type\":\"account\",\"handle\":\"user-$n\"}"; done >"$BATS_TEST_TMPDIR/more"
	k import "$BATS_TEST_TMPDIR/more" >/dev/null
	without '.type == "end"' | cat - "$BATS_TEST_TMPDIR/more" >"$BATS_TEST_TMPDIR/all"
	same 1100 "$(wc -l <"$BATS_TEST_TMPDIR/all")"
	stays '12 of 1100 rows are not in standard input, and would be removed: that is more than 1 % or 1000, so nothing was; look with --dry-run' 4 \
		< <(head -1088 "$BATS_TEST_TMPDIR/all"; object end)
	imports "0 0 1088 12 0" --mirror --dry-run < <(head -1088 "$BATS_TEST_TMPDIR/all"; object end)
	imports "0 0 1089 11 0" --mirror < <(head -1089 "$BATS_TEST_TMPDIR/all"; object end)
	# 1,089 rows: 10.
	stays '11 of 1089 rows' 4 < <(head -1078 "$BATS_TEST_TMPDIR/all"; object end)
	imports "0 0 1079 10 0" --mirror < <(head -1079 "$BATS_TEST_TMPDIR/all"; object end)
	stays 'names nothing, so everything would be removed' 4 < <(object end)
	imports "0 0 11 1068 0" --mirror --force <"$BATS_TEST_TMPDIR/lines"
	# A small database is no exception, and never quite protected: ten are always removed.
	stays 'names nothing, so everything would be removed' 4 < <(object end)
	imports "0 0 1 10 0" --mirror < <(head -1 "$BATS_TEST_TMPDIR/lines"; object end)
}

@test "more than 1,000 are too many, also where they are less than one percent" {
	# Members are the cheapest rows.
	awk -v n=110000 'BEGIN {
		for (i = 0; i < 1000; i++) printf "{\"type\":\"account\",\"id\":\"%08x-0000-4000-8000-000000000000\",\"handle\":\"user-%d\"}\n", i + 1, i
		for (i = 0; i < 110; i++) printf "{\"type\":\"project\",\"id\":\"%08x-0000-4000-8000-000000000001\"}\n", i + 1
		for (i = 0; i < n; i++) printf "{\"type\":\"member\",\"project\":\"%08x-0000-4000-8000-000000000001\",\"account\":\"%08x-0000-4000-8000-000000000000\"}\n", i / 1000 + 1, i % 1000 + 1
	}' >"$BATS_TEST_TMPDIR/many"
	k import "$BATS_TEST_TMPDIR/many" >/dev/null
	stays "1001 of $((111110 + 11)) rows" 4 < <(without '.type == "end"'; head -110109 "$BATS_TEST_TMPDIR/many"; object end)
	imports "0 0 $((110110 + 11)) 1000 0" --mirror < <(without '.type == "end"'; head -110110 "$BATS_TEST_TMPDIR/many"; object end)
	# With --force they go in batches, to the last one.
	imports "0 0 11 110110 0" --mirror --force <"$BATS_TEST_TMPDIR/lines"
	same "3 account, 1 group, 2 key, 3 member, 112 project" "$(types)"
	same 2 "$(value length project list)"
}

# With a label

@test "with --origin only keys with that label are removed" {
	imports "0 0 9 2 0" --mirror < <(without '.type == "key"')
	imports "2 0 9 0 0" --mirror --origin platform <"$BATS_TEST_TMPDIR/lines"
	k key add owner --title 'by hand' "$(pub other)"
	imports "0 0 11 0 0" --mirror --origin platform <"$BATS_TEST_TMPDIR/lines"
	imports "0 0 10 1 0" --mirror --origin platform < <(without '.type == "key" and .account == "'$A2'"')
	same "by hand laptop" "$(value '.[].title' key list | sort | xargs)"
	same "null platform" "$(value '.[].origin' key list | sort | xargs)"
	# A label that nobody has, and then none.
	imports "0 0 9 0 0" --mirror --origin other < <(without '.type == "key"')
	imports "0 0 9 2 0" --mirror < <(without '.type == "key"')
}

@test "what the line says of its origin comes before --origin" {
	imports "1 0 0 0 0" --origin platform <<<"$(object key account owner key "$(key_of other)" origin mine)"
	same mine "$(row '.origin == "mine"' | jq -r .origin)"
	imports "0 0 1 0 0" --origin platform <<<"$(object key account owner key "$(key_of other)" origin mine)"
	imports "0 1 0 0 0" --origin platform <<<"$(object key account owner key "$(key_of other)" origin null)"
	# What is there is not taken over.
	imports "0 0 1 0 0" --origin platform <<<"$(object key account owner key "$(key_of other)")"
	same null "$(row '.account == "'$A1'" and .title != "laptop" and .type == "key"' | jq -r .origin)"
}

@test "an account goes with the keys that have another label" {
	k key add student --title 'by hand' "$(pub other)"
	imports "0 1 7 2 0" --mirror --origin platform < <(without '.id == "'$A2'" or (.account == "'$A2'" and .type == "member")' |
		jq -c 'if .type == "group" then .accounts = [] elif .type == "key" and .projects then empty else . end')
	same "1 key" "$(types | grep -o '[0-9]* key')"
}

# What clashes with what is removed

@test "who comes in the place of somebody who is removed is in after one import" {
	new=${A1/a/c}
	sed "s/$A1/$new/" "$BATS_TEST_TMPDIR/lines" >"$BATS_TEST_TMPDIR/again"
	# The old owner with a member and a key goes; the new one comes, with the same handle, a member and the key.
	cp -a "$db" "$db.before"
	for order in cat tac; do
		rm -rf "$db"
		cp -a "$db.before" "$db"
		imports "3 0 8 3 0" --mirror < <(sed '$d' "$BATS_TEST_TMPDIR/again" | $order; object end)
		same "$new" "$(value .id account show owner)"
		same owner "$(k --json explain $P1 "$(pub owner)" | jq -r .role)"
		imports "0 0 11 0 0" --mirror <"$BATS_TEST_TMPDIR/again"
	done
}

# Looking first

@test "a dry run says what would be and changes nothing" {
	for n in $(seq 20); do echo "{\"type\":\"account\",\"handle\":\"user-$n\"}"; done | k import - >/dev/null
	before=$(files)
	{
		without '.type == "key"' | jq -c 'if .type == "project" then .title = "New" else . end'
	} >"$BATS_TEST_TMPDIR/wanted"
	imports "0 2 7 22 0" --mirror --dry-run <"$BATS_TEST_TMPDIR/wanted"
	[[ $output == "would be "* ]]
	same "0 2 7 22 0 true" "$(k --json import --mirror --dry-run "$BATS_TEST_TMPDIR/wanted" | jq -r '"\(.added) \(.changed) \(.unchanged) \(.removed) \(.refused) \(.dry_run)"')"
	imports "1 0 0 0 1" --dry-run < <(object account handle new; echo x)
	stays 'does not end with' 2 --dry-run < <(object account handle new)
	same "$before" "$(files)"
	imports "0 2 7 22 0" --mirror --force <"$BATS_TEST_TMPDIR/wanted"
}
