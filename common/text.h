#ifndef KA_TEXT_H
#define KA_TEXT_H
/*
 * Text that people typed or pasted, made safe to store and to show: valid UTF-8 without anything that moves a cursor,
 * reorders or hides. libc alone.
 * Thread safety: no state is kept; any number of threads.
 */
#include <stdbool.h>
#include <stddef.h>

/**
 * ka_text_clean(in, inlen, out, outlen):
 * Copy ${in} to ${out} (${outlen} >= 1 bytes, NUL-terminated): runs of white space (all that Unicode calls so, the line
 * separators U+0085, U+2028 and U+2029 included) become one space, none at either end; control characters (C0, DEL,
 * C1), bytes that are no UTF-8, zero-width, bidirectional-control, filler, variation-selector and other invisible
 * characters (U+00AD, U+034F, U+061C, U+115F, U+1160, U+17B4, U+17B5, U+180E, U+200B..U+200F, U+202A..U+202E,
 * U+2060..U+206F, U+3164, U+FE00..U+FE0F, U+FEFF, U+FFA0, U+FFF9..U+FFFB, U+E0000..U+E0FFF) are dropped. Cut between
 * two characters when it does not fit.
 * Returns true when ${out} holds the same bytes as ${in}: nothing was changed.
 */
bool ka_text_clean(const char *in, size_t inlen, char *out, size_t outlen);

/**
 * ka_text_is_visible(text):
 * Is ${text} UTF-8 without anything that ka_text_clean drops, and without another blank than the space? For what is
 * taken to the letter, such as a path.
 */
bool ka_text_is_visible(const char *text);

#endif
