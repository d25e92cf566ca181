#!/usr/bin/env bats
# needs: sshd
# Whoever has no right to know reads the same text, by the same packets in the same order, whatever the reason is.

load lib

setup_file() {
	load lib
	make_people
	export P=$(new_project owner) ARCHIVED=$(new_project owner) OFF=$(new_project owner --ssh off) DELETED=$(new_project owner)
	keyacct project archive "$ARCHIVED"
	keyacct project remove "$DELETED"
	for handle in suspended late early; do
		keyacct account add $handle
		new_key $handle
		keyacct member add "$P" $handle
	done
	keyacct key add suspended "$D/suspended.pub"
	keyacct account suspend suspended
	keyacct key add late "$D/late.pub"
	keyacct member add "$P" late --expires +1s
	keyacct key add early "$D/early.pub" --not-before +1d
	new_key inactive
	keyacct key add owner "$D/inactive.pub"
	keyacct key deactivate "$(fingerprint inactive)"
	new_key elsewhere
	keyacct key add owner --from 192.0.2.1 "$D/elsewhere.pub"
	new_key other
	keyacct key add owner --project "$(new_project owner)" "$D/other.pub"
	let_pass 1
}

# conversation KEY USER [SSH-OPTION]...: what is said, then the packets, then what ends it; the client's own name for the user is taken out
conversation() {
	login "$1" "$2" "${@:3}" -vvv echo ran 2>&1 |
		grep -oE '((send|receive) packet: type [0-9]+|^[^ ]*@projects: .*|^Connection .*|^ran|Authentications that can continue: .*)' |
		sed "s/^$2@/USER@/"
}

@test "one text and one order of packets for every reason that a stranger must not learn" {
	nobody=0123456789abcdef0123456789abcdef
	reference=$(conversation stranger $nobody)
	grep -q "^USER@projects: $DENIED" <<<"$reference"
	# The request with the key, and the answer that it is none, are in it: 50 and 51 of RFC 4252.
	[ "$(grep -c 'send packet: type 50' <<<"$reference")" -eq 2 ]
	[ "$(grep -c 'receive packet: type 51' <<<"$reference")" -eq 2 ]
	while read -r key user; do
		said=$(conversation $key $user)
		diff <(echo "$reference") <(echo "$said") || {
			echo "otherwise for $key into $user"
			return 1
		}
	done <<-END
		owner $nobody
		stranger $P
		outsider $P
		suspended $P
		late $P
		early $P
		inactive $P
		elsewhere $P
		other $P
		stranger $ARCHIVED
		outsider $ARCHIVED
		inactive $ARCHIVED
		suspended $ARCHIVED
		stranger $OFF
		outsider $OFF
		stranger $DELETED
		owner $DELETED
	END
}

@test "the same with several keys, and with a member's key offered by who cannot sign with it" {
	for user in 0123456789abcdef0123456789abcdef $P $ARCHIVED $OFF $DELETED; do
		said=$(conversation stranger $user -i "$D/outsider" -i "$D/inactive")
		: "${first:=$said}"
		[ "$said" = "$first" ]
	done
	# Only the public half of the owner's key: sshd says that it would do, of an open and of a closed project alike.
	mkdir "$D/public"
	cp "$D/owner.pub" "$D/public/"
	for user in $P $ARCHIVED $OFF; do
		said=$(timeout 20 ssh -vvv -F "$D/config" -i "$D/public/owner.pub" "$user@projects" true 2>&1 </dev/null |
			grep -oE '(send|receive) packet: type [0-9]+') || :
		: "${offered:=$said}"
		[ "$said" = "$offered" ]
		grep -q 'receive packet: type 60' <<<"$said"
	done
}

@test "a holder of a valid key reads one sentence of a closed project" {
	reads owner $ARCHIVED "This project is archived. Ask one of its owners or the administrator to bring it back."
	reads owner $OFF "SSH is switched off for this project. Ask one of its owners to switch it on."
	# Also who transfers files, or runs nothing.
	for request in "sftp -b /dev/null" "scp $D/config" "scp -O $D/config"; do
		run ${request%% *} -F "$D/config" -i "$D/owner" ${request#* } $ARCHIVED@projects:
		[ "$status" -ne 0 ]
		[ "${lines[0]}" = "This project is archived. Ask one of its owners or the administrator to bring it back." ]
	done
	run login owner $ARCHIVED -N
	[ "$status" -eq 255 ]
	[ "${lines[0]}" = "This project is archived. Ask one of its owners or the administrator to bring it back." ]
}
