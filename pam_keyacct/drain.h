#ifndef PAM_KEYACCT_DRAIN_H
#define PAM_KEYACCT_DRAIN_H
/*
 * Start the tool that takes the spool into usage.mdb: liblmdb never runs inside sshd.
 */

/**
 * drain_start(tool, dir):
 * Run "${tool} --dir ${dir} drain" as a process of its own that nobody waits for. Nothing is lost when it cannot start.
 */
void drain_start(const char *tool, const char *dir);

#endif
