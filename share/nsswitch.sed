# keyacct: for sed -i -E -f. passwd and group gain keyacct; a second time changes nothing.
#
# Behind "files systemd", as Debian has it, keyacct goes between the two, so that a project costs no other service's lookup. The
# actions: when the project database is unavailable, systemd would answer "no such user" about a project. Everywhere else it goes
# last, for the same reason, and because then nobody of another service waits for it or is hidden by it.
/^(passwd|group):/{
	/\bkeyacct\b/b
	s/\bfiles[[:space:]]+systemd[[:space:]]*(#.*)?$/files keyacct [UNAVAIL=return TRYAGAIN=return] systemd \1/
	t tidy
	s/^([^#]*[^#[:space:]])/\1 keyacct/
	:tidy
	s/[[:space:]]+$//
}
