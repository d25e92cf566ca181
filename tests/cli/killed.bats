#!/usr/bin/env bats
# A command that is killed leaves the old or the new state, and what was acknowledged stays.
load helpers
load killer

setup_file() {
	make_keys owner student
	make_killer
}

setup() {
	umask 022
	default_db
	people
	id=829e7b56-93d6-11e7-ae8e-e70cea5e8cd7
	name=829e7b5693d611e7ae8ee70cea5e8cd7
}

@test "project add, killed at every call that reaches a file, leaves the old or the new state" {
	for n in $(seq 200); do
		each=$(printf '%08x-93d6-11e7-ae8e-e70cea5e8cd7' $((n + 268435456)))
		run killed_at "$n" project add "$each" --owner owner
		[ "$status" -eq 0 ] || [ "$status" -eq 137 ]
		acknowledged=$status
		# Reading works at once; the project is not there or is there with its owner.
		owners=$(value ".[] | select(.id == \"$each\") | .owners | join(\" \")" project list)
		[ -z "$owners" ] || [ "$owners" = owner ]
		if [ "$acknowledged" -eq 0 ]; then
			same owner "$owners"
			break
		fi
	done
	same 0 "$acknowledged"
	[ "$n" -gt 8 ]
	# The next command that writes closes every gap.
	k account suspend outsider
	agree
}

@test "after each kill the next command that writes closes the gap" {
	gaps=0
	for n in $(seq 200); do
		each=$(printf '%08x-93d6-11e7-ae8e-e70cea5e8cd7' $((n + 268435456)))
		run killed_at "$n" project add "$each"
		killed=$status
		listed=$(value "any(.[]; .id == \"$each\")" project list)
		if [ "$listed" = true ] && ! getent passwd "$(tr -d - <<<"$each")" >/dev/null; then
			gaps=$((gaps + 1))
		fi
		k account suspend outsider >/dev/null
		if [ "$listed" = true ]; then
			getent passwd "$(tr -d - <<<"$each")" >/dev/null
		fi
		if [ "$killed" -eq 0 ]; then break; fi
	done
	agree
	# The order is access.mdb, then names.mdb: some of the kills must have hit between the two.
	[ "$gaps" -ge 1 ]
}

@test "key add and member add, killed at every call, leave the old or the new state" {
	project=$(new_project --owner owner)
	for command in "member add $project student" "key add owner --project $project $(pub owner)" \
		"member remove $project student" "key remove $(print_of "$(pub owner)")" "project archive $project" \
		"account suspend student" "account add someone"; do
		before=$(state)
		for n in $(seq 200); do
			# shellcheck disable=SC2086
			run killed_at "$n" $command
			if [ "$status" -eq 0 ]; then break; fi
			same 137 "$status"
			after=$(state)
			if [ "$before" != "$after" ]; then
				# It was done, and could only not say so; whole, as the same command now finds.
				# shellcheck disable=SC2086
				run k $command
				[ "$status" -eq 0 ] || [ "$status" -eq 3 ] || [ "$status" -eq 4 ]
				break
			fi
		done
		[ "$n" -gt 4 ]
	done
	same archived "$(value .state project show "$project")"
	same "[]" "$(k --json key list)"
	same owner "$(value '.[].handle' member list "$project")"
	same suspended "$(value .state account show student)"
	k account show someone
	agree
}

@test "a change and its entry in the log are there together or not at all" {
	project=$(new_project --owner owner)
	# What there is beside the log, without what a change of something else says about it.
	rows() { state | jq -cS 'map(del(.owners, .collaborators))' | cksum; }
	entries() { value length changes; }
	while IFS='|' read -r -u 9 want command; do
		for n in $(seq 200); do
			before=$(rows) logged=$(entries)
			# shellcheck disable=SC2086
			run killed_at "$n" $command
			ended=$status
			[ "$ended" -eq 0 ] || [ "$ended" -eq 137 ]
			if [ "$(rows)" = "$before" ]; then
				same "$logged" "$(entries)"
			else
				same $((logged + want)) "$(entries)"
				break
			fi
		done
		# It was killed before it was done, and then done once.
		[ "$n" -gt 4 ]
		refute test "$before" = "$(rows)"
	done 9<<-END
		1|account add someone
		1|project set $project --title New
		1|member add $project student
		2|key add student --project $project $(pub student)
		2|member remove $project student
		1|account suspend owner
		2|account remove student
	END
}

@test "changes --prune, killed at every call: all is kept, or what was removed is noted" {
	until_passed $EPOCHSECONDS
	last=$(value '.[-1].seq' changes)
	for n in $(seq 200); do
		run killed_at "$n" changes --prune -0s
		[ "$status" -eq 0 ] || [ "$status" -eq 137 ]
		kept=$(value length changes)
		if [ "$kept" -ne "$last" ]; then
			same "1 $((last + 1)) $last" "$(value '"\(length) \(.[0].seq) \(.[0].after.last)"' changes)"
			break
		fi
	done
	[ "$n" -gt 4 ]
	[ "$kept" -eq 1 ]
	k account add someone
	same "$((last + 2))" "$(value '.[-1].seq' changes)"
}

@test "init, killed at every call, leaves something that init completes" {
	for n in $(seq 300); do
		rm -rf $db
		run killed_at "$n" init
		finished=$status
		if [ -e $db/private/access.mdb ]; then
			refused 4 "there is a database already" keyacct init
		else
			refused 5 "'keyacct init'" k account list
			try 0 keyacct init
		fi
		try 0 k account add owner
		same "" "$(find $db -name '*.new')"
		if [ "$finished" -eq 0 ]; then break; fi
	done
	same 0 "$finished"
	[ "$n" -gt 20 ]
}

@test "killed at any time, whatever was acknowledged is there" {
	acknowledged=() killed=0
	for n in $(seq 60); do
		each=$(printf '%08x-93d6-11e7-ae8e-e70cea5e8cd7' $((n + 268435456)))
		if timeout -s KILL "0.00$((n % 10))$((n / 10))" keyacct project add "$each" --owner owner >/dev/null 2>&1; then
			acknowledged+=("$each")
		else
			killed=$((killed + 1))
		fi
	done
	echo "killed $killed, acknowledged ${#acknowledged[@]}"
	[ "$killed" -ge 1 ]
	k account suspend outsider
	listed=$(value '.[].id' project list)
	for each in "${acknowledged[@]}"; do
		grep -qx "$each" <<<"$listed"
	done
	same "" "$(value '.[] | select(.owners != ["owner"]) | .id' project list)"
	agree
}
