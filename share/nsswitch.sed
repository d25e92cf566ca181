# keyacct: for sed -i -E -f. passwd and group gain keyacct after files; a second time changes nothing.
# Right after files, so that a project costs no other service's lookup. The two actions: when the project database is
# unavailable, a service behind it would answer "no such user" about a project. They never hide anybody else from the services
# behind it, because about other names keyacct answers "not found" without looking.
/^(passwd|group):/{
	/\bkeyacct\b/!s/\bfiles\b/files keyacct [UNAVAIL=return TRYAGAIN=return]/
}
