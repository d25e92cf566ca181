#include "common/table.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const table_names[KA_TABLES] = {
    [KA_TABLE_PROJECT] = "project",
    [KA_TABLE_UID] = "uid",
    [KA_TABLE_ACCOUNT] = "account",
    [KA_TABLE_HANDLE] = "handle",
    [KA_TABLE_MEMBER] = "member",
    [KA_TABLE_MEMBER_OF] = "member_of",
    [KA_TABLE_KEY] = "key",
    [KA_TABLE_KEY_OF] = "key_of",
    [KA_TABLE_REACH] = "reach",
    [KA_TABLE_BLOB] = "blob",
    [KA_TABLE_CHANGE] = "change",
    [KA_TABLE_META] = "meta",
    [KA_TABLE_NAME] = "name",
    [KA_TABLE_NAME_UID] = "name_uid",
    [KA_TABLE_KEY_USE] = "key_use",
    [KA_TABLE_PROJECT_USE] = "project_use",
    [KA_TABLE_DRAINED] = "drained",
    [KA_TABLE_GROUP] = "group",
    [KA_TABLE_GROUP_NAME] = "group_name",
    [KA_TABLE_GROUP_MEMBER] = "group_member",
    [KA_TABLE_GROUP_OF] = "group_of",
    [KA_TABLE_SETTINGS] = "settings",
};

static const char *const file_names[KA_FILES] = {
    [KA_FILE_NAMES] = "names.mdb",
    [KA_FILE_ACCESS] = "private/access.mdb",
    [KA_FILE_USAGE] = "private/usage.mdb",
};

static const enum ka_table in_access[] = {KA_TABLE_PROJECT, KA_TABLE_UID, KA_TABLE_ACCOUNT, KA_TABLE_HANDLE,
    KA_TABLE_MEMBER, KA_TABLE_MEMBER_OF, KA_TABLE_KEY, KA_TABLE_KEY_OF, KA_TABLE_REACH, KA_TABLE_BLOB, KA_TABLE_CHANGE,
    KA_TABLE_META, KA_TABLE_GROUP, KA_TABLE_GROUP_NAME, KA_TABLE_GROUP_MEMBER, KA_TABLE_GROUP_OF, KA_TABLE_SETTINGS};
static const enum ka_table in_names[] = {KA_TABLE_META, KA_TABLE_NAME, KA_TABLE_NAME_UID};
static const enum ka_table in_usage[] = {KA_TABLE_KEY_USE, KA_TABLE_PROJECT_USE, KA_TABLE_DRAINED};

/* What the kernel shows for the owner of a file who has no number in the process's user namespace. */
#define NOBODYS_UID 65534

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

const char *
ka_table_file_name(enum ka_file file)
{
	return file_names[file];
}

/* Do all users of the host have their own numbers in this process? */
static bool
sees_all_users(void)
{
	unsigned long inside, outside, count;
	char text[128];
	ssize_t n;
	int fd;

	if ((fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC)) < 0)
		return true;
	n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	text[n > 0 ? n : 0] = '\0';
	return sscanf(text, "%lu %lu %lu", &inside, &outside, &count) != 3 ||
	       (inside == 0 && outside == 0 && count == UINT32_MAX);
}

bool
ka_table_is_trusted(uid_t uid, mode_t mode)
{
	if ((mode & (S_IWGRP | S_IWOTH)) != 0)
		return false;
	return uid == 0 || uid == geteuid() || (uid == NOBODYS_UID && !sees_all_users());
}

const enum ka_table *
ka_table_list(enum ka_file file, size_t *n)
{
	if (file == KA_FILE_ACCESS) {
		*n = COUNT(in_access);
		return in_access;
	}
	*n = file == KA_FILE_NAMES ? COUNT(in_names) : COUNT(in_usage);
	return file == KA_FILE_NAMES ? in_names : in_usage;
}

const char *
ka_table_name(enum ka_table table)
{
	return table_names[table];
}

bool
ka_table_is_later(enum ka_table table)
{
	return table >= KA_TABLE_GROUP;
}

void
ka_table_be32(uint32_t n, uint8_t bytes[static 4])
{
	for (int i = 3; i >= 0; i--, n >>= 8)
		bytes[i] = (uint8_t)n;
}

void
ka_table_be64(uint64_t n, uint8_t bytes[static 8])
{
	for (int i = 7; i >= 0; i--, n >>= 8)
		bytes[i] = (uint8_t)n;
}

uint64_t
ka_table_from_be64(const uint8_t bytes[static 8])
{
	uint64_t n = 0;

	for (int i = 0; i < 8; i++)
		n = n << 8 | bytes[i];
	return n;
}

size_t
ka_table_after(const struct ka_row *row, const void *prefix, size_t prefixlen, uint8_t from[static KA_KEY_MAX + 1])
{
	if (row->keylen == 0) {
		memcpy(from, prefix, prefixlen);
		return prefixlen;
	}
	/* Nothing lies between a key and itself with a zero byte added. */
	memcpy(from, row->key, row->keylen);
	from[row->keylen] = 0;
	return row->keylen + 1;
}

bool
ka_table_begins(const struct ka_row *row, const void *prefix, size_t prefixlen)
{
	return row->keylen >= prefixlen && memcmp(row->key, prefix, prefixlen) == 0;
}

void
ka_table_member_key(const uint8_t project[static KA_UUID_LEN], enum ka_subject kind,
    const uint8_t subject[static KA_UUID_LEN], uint8_t key[static KA_MEMBER_KEY_LEN])
{
	memcpy(key, project, KA_UUID_LEN);
	key[KA_UUID_LEN] = (uint8_t)kind;
	memcpy(key + KA_UUID_LEN + 1, subject, KA_UUID_LEN);
}

void
ka_table_member_of_key(const uint8_t project[static KA_UUID_LEN], enum ka_subject kind,
    const uint8_t subject[static KA_UUID_LEN], uint8_t key[static KA_MEMBER_KEY_LEN])
{
	key[0] = (uint8_t)kind;
	memcpy(key + 1, subject, KA_UUID_LEN);
	memcpy(key + 1 + KA_UUID_LEN, project, KA_UUID_LEN);
}

void
ka_table_key_key(const uint8_t sha256[static KA_SHA256_LEN], const uint8_t account[static KA_UUID_LEN],
    uint8_t key[static KA_KEY_KEY_LEN])
{
	memcpy(key, sha256, KA_SHA256_LEN);
	memcpy(key + KA_SHA256_LEN, account, KA_UUID_LEN);
}

void
ka_table_key_of_key(const uint8_t sha256[static KA_SHA256_LEN], const uint8_t account[static KA_UUID_LEN],
    uint8_t key[static KA_KEY_KEY_LEN])
{
	memcpy(key, account, KA_UUID_LEN);
	memcpy(key + KA_UUID_LEN, sha256, KA_SHA256_LEN);
}

void
ka_table_reach_key(const uint8_t sha256[static KA_SHA256_LEN], const uint8_t account[static KA_UUID_LEN],
    const uint8_t project[static KA_UUID_LEN], uint8_t key[static KA_REACH_KEY_LEN])
{
	ka_table_key_key(sha256, account, key);
	memcpy(key + KA_KEY_KEY_LEN, project, KA_UUID_LEN);
}

void
ka_table_pair_key(const uint8_t first[static KA_UUID_LEN], const uint8_t second[static KA_UUID_LEN],
    uint8_t key[static KA_PAIR_KEY_LEN])
{
	memcpy(key, first, KA_UUID_LEN);
	memcpy(key + KA_UUID_LEN, second, KA_UUID_LEN);
}
