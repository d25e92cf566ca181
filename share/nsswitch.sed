# keyacct: for sed -i -E -f. passwd and group gain keyacct as their last service; a second time changes nothing.
# Last, because a service behind it that answers "not found" would hide that the project database is unavailable.
/^(passwd|group):/{
	/\bkeyacct\b/!s/^([^#]*[^#[:space:]])/\1 keyacct/
}
