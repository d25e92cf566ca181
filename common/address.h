#ifndef KA_ADDRESS_H
#define KA_ADDRESS_H
/*
 * Client addresses, and the lists of them that limit a key. What a list means here is what sshd makes of it in
 * from="…". libc alone; nothing is resolved. Thread safety: no state is kept; any number of threads.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/result.h"

#define KA_ADDRESS_LEN 16 /* IPv6, or IPv4 as ::ffff:a.b.c.d */

/**
 * ka_address_parse(text, address):
 * Read an IPv4 or IPv6 address, without scope.
 * Returns KA_OK; KA_INVALID.
 */
enum ka_result ka_address_parse(const char *text, uint8_t address[static KA_ADDRESS_LEN]);

/**
 * ka_address_format(address, text):
 * Write it as sshd logs it; "-" for the all-zero address, which stands for "not known".
 */
#define KA_ADDRESS_TEXT_LEN 46
void ka_address_format(const uint8_t address[static KA_ADDRESS_LEN], char text[static KA_ADDRESS_TEXT_LEN]);

/**
 * ka_address_list_ok(list):
 * Is ${list} one or more addresses or CIDR blocks ("192.0.2.0/24", no host bits set), separated by commas? Host names
 * and wildcards are not: with them the answer would depend on DNS.
 */
bool ka_address_list_ok(const char *list);

/**
 * ka_address_matches(list, address):
 * Does ${address} belong to ${list}? A malformed list matches nothing.
 */
bool ka_address_matches(const char *list, const uint8_t address[static KA_ADDRESS_LEN]);

#endif
