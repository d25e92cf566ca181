#!/usr/bin/env bats
# A few of the kills and power cuts of "make torture".

torture() {
	run "$@"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"ok 1 - "* ]]
}

@test "two hundred commands killed at random moments: what was acknowledged is there, and nothing is half" {
	torture "$KEYACCT_BUILD/torture" --kills 200 "$KEYACCT_BUILD/keyacct"
}

@test "a hundred power cuts: what was acknowledged is there, nothing is damaged, and no use is counted twice" {
	torture "$BATS_TEST_DIRNAME/powercut" --cuts 100 "$KEYACCT_BUILD"
}
