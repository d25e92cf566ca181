#!/usr/bin/env bats
# The lock-free reader beside writers that never rest; and the same readers with their rule loosened, which must be found out.
bats_require_minimum_version 1.5.0

setup() {
	# /dev/shm is memory here; the build directory is on the disk, if the checkout is.
	disk=$KEYACCT_BUILD/stress.$$
	mkdir -p "$disk"
}

teardown() { rm -rf "$disk"; }

stress() {
	run "$KEYACCT_BUILD/$1" "${@:2}" --disk "$disk"
	echo "$output"
	total=${lines[-1]}
}

# loosened SLACK MODES: the reader that accepts S+SLACK gives wrong answers, or damaged ones; it does not just crash
loosened() {
	stress "stress-slack$1" --seconds 60 --until-caught "$2"
	[ "$status" -eq 1 ]
	[[ $total == *" crashes 0" && $output =~ "  "(wrong:|error: .* answered corrupt) ]]
}

@test "no answer is wrong beside writers that never rest, are killed and fail" {
	stress stress --seconds 20
	[ "$status" -eq 0 ]
	[[ $total == *" wrong 0 errors 0 crashes 0" ]]
	# It did happen to them.
	for what in aborted failed killed stopped torn; do
		[[ $total =~ " $what "[1-9] ]]
	done
}

@test "the reader accepting S+2 is caught by a writer that is led" { loosened 2 --gated; }

@test "the reader accepting S+2 is caught by chance" { loosened 2 --random; }

@test "the reader accepting S+3 is caught by a writer that is led" { loosened 3 --gated; }

@test "the reader accepting S+3 is caught by chance" { loosened 3 --random; }

@test "the reader accepting everything is caught by a writer that is led" { loosened 1000000000 --gated; }

@test "the reader accepting everything is caught by chance" { loosened 1000000000 --random; }
