# keyacct: for sed -i -E -f. passwd and group gain keyacct after files; a second time changes nothing.
/^(passwd|group):/{
	/keyacct/!s/files/files keyacct/
}
