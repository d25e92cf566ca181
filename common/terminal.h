#ifndef KA_TERMINAL_H
#define KA_TERMINAL_H
/*
 * A word to whoever sits at a terminal, without ever waiting for it. For root's tool.
 * Thread safety: no state is kept; any number of threads.
 */
#include <stdbool.h>
#include <stdint.h>

/**
 * ka_terminal_say(device, uid, text):
 * Write ${text} as a line of its own to the terminal under /dev/pts that has this number in /proc/PID/stat, if it is
 * ${uid}'s. Returns true when all of it is on its way: one that was stopped (^S), or whose buffer is full, gets nothing
 * or a part.
 */
bool ka_terminal_say(uint32_t device, uint32_t uid, const char *text);

#endif
