#include "common/terminal.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define PTS_MAJOR 136 /* Documentation/admin-guide/devices.txt: Unix98 PTY slaves */
#define LINE_LEN  1024

/* The kernel's new_encode_dev: twelve bits of major between the two parts of the minor. */
static dev_t
decode(uint32_t device)
{
	return makedev(device >> 8 & 0xfff, (device & 0xff) | (device >> 12 & 0xfff00));
}

/* A terminal may be closed, and its number be another's, before it is opened here: what is open is looked at. */
static int
open_terminal(dev_t device, uint32_t uid)
{
	char path[64];
	struct stat st;
	int fd;

	if (major(device) != PTS_MAJOR)
		return -1;
	(void)snprintf(path, sizeof(path), "/dev/pts/%u", minor(device));
	if ((fd = open(path, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC)) < 0)
		return -1;
	if (fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == device && st.st_uid == uid)
		return fd;
	(void)close(fd);
	return -1;
}

bool
ka_terminal_say(uint32_t device, uint32_t uid, const char *text)
{
	char line[LINE_LEN];
	/* Its own carriage returns: a program may have switched off what adds them. */
	int n = snprintf(line, sizeof(line), "\r\n%s\r\n", text), fd;
	bool said;

	if (n < 0 || (size_t)n >= sizeof(line) || (fd = open_terminal(decode(device), uid)) < 0)
		return false;
	said = write(fd, line, (size_t)n) == n;
	(void)close(fd);
	return said;
}
