#include "keyacct/input.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/paste.h"

/* Unbuffered, so that no copy stays behind in a stdio buffer. */
static enum ka_result
read_all(int fd, const char *name, char *text, size_t size, size_t *len, struct ka_error *err)
{
	*len = 0;
	while (*len < size) {
		ssize_t n = read(fd, text + *len, size - *len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ka_result_fail(err, KA_FAILED, "cannot read %s: %s", name, strerror(errno));
		if (n == 0)
			return KA_OK;
		*len += (size_t)n;
	}
	return ka_result_fail(err, KA_INVALID, "%s is longer than any public key: paste the .pub file alone", name);
}

enum ka_result
input_key(const char *file, struct ka_sshkey *key, struct ka_error *err)
{
	char text[KA_PASTE_MAX + 1];
	int fd = STDIN_FILENO;
	size_t len = 0;
	enum ka_result r;

	if (file != NULL && strcmp(file, "-") != 0) {
		if ((fd = open(file, O_RDONLY | O_CLOEXEC)) < 0)
			return ka_result_fail(err, errno == ENOENT ? KA_NOTFOUND : KA_FAILED, "cannot read %s: %s",
			    file, strerror(errno));
	} else {
		file = "standard input";
		if (isatty(fd))
			(void)fputs("Paste the public key, then Ctrl-D:\n", stderr);
	}
	if ((r = read_all(fd, file, text, sizeof(text), &len, err)) == KA_OK)
		r = ka_paste_parse(text, len, key, err);
	OPENSSL_cleanse(text, sizeof(text));
	if (fd != STDIN_FILENO)
		(void)close(fd);
	return r;
}
