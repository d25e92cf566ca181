# What the tests of import share, beside helpers.bash.
# shellcheck shell=bash disable=SC2154

# Ids that a reader can tell apart.
A1=a1a1a1a1-0000-4000-8000-000000000001
A2=a2a2a2a2-0000-4000-8000-000000000002
A3=a3a3a3a3-0000-4000-8000-000000000003
G1=61616161-0000-4000-8000-000000000001
G2=62626262-0000-4000-8000-000000000002
P1=b1b1b1b1-0000-4000-8000-000000000001
P2=b2b2b2b2-0000-4000-8000-000000000002
P3=b3b3b3b3-0000-4000-8000-000000000003

# object TYPE [NAME VALUE]...: one line; a value is JSON, or a text when it is none
object() {
	local args=()
	local type=$1
	shift
	while [ $# -gt 0 ]; do
		if [ -n "$2" ] && jq . <<<"$2" >/dev/null 2>&1; then
			args+=(--argjson "$1" "$2")
		else
			args+=(--arg "$1" "$2")
		fi
		shift 2
	done
	jq -nc "{type: \"$type\"} + \$ARGS.named" "${args[@]}"
}

# key_of NAME: type and base64 of its public key
key_of() { cut -d' ' -f1,2 "$(pub "$1")"; }

# three_people: owner, student and outsider with known ids
three_people() {
	object account id $A1 handle owner
	object account id $A2 handle student
	object account id $A3 handle outsider
}

# a_platform: a few rows of each type
a_platform() {
	three_people
	object group id $G1 name staff accounts "[\"$A2\"]"
	object project id $P1 title Climate
	object project id $P2
	object member project $P1 account $A1 role owner
	object member project $P1 group $G1
	object member project $P2 account $A2 role owner
	object key account $A1 key "$(key_of owner)" title laptop
	object key account $A2 key "$(key_of student)" projects "[\"$P1\"]"
}

# numbers: of the last import: added changed unchanged removed refused
numbers() { sed -nE 's/^(would be )?([0-9]+) added, ([0-9]+) changed, ([0-9]+) unchanged, ([0-9]+) removed, ([0-9]+) refused$/\2 \3 \4 \5 \6/p' <<<"$output"; }

# imports NUMBERS [ARG]...: standard input comes in with these numbers, and with the exit status that goes with them
imports() {
	local want=$1 wanted_status=0
	shift
	[ "${want##* }" -eq 0 ] || wanted_status=6
	try "$wanted_status" k import "$@" -
	same "$want" "$(numbers)" || {
		show_run "import $*"
		return 1
	}
	[ "$wanted_status" -ne 0 ] || same "" "$stderr"
}

# refuses TEXT [ARG]...: the one line of standard input is refused with a sentence that has TEXT in it, and nothing of it
# is left
refuses() {
	local text=$1 before
	shift
	before=$(k export)
	imports "0 0 0 0 1" "$@"
	[[ $stderr == "keyacct: line 1: "*"$text"* ]] || {
		show_run "expected a refusal with: $text"
		return 1
	}
	same 1 "${#stderr_lines[@]}"
	same "$before" "$(k export)"
}

# row JQ: what the export has of it
row() { k export | jq -c "select($1)"; }
