/* UTF-16LE, as Windows' protocols have text, to and from UTF-8. */
#pragma once
#include "lib/types.h"

/* Up to the first NUL, or @units code units, at @from (unaligned), to UTF-8 with its NUL at @to of
 * @capacity bytes, which must be at least 1; cut between characters when there is no more room. A
 * lone surrogate becomes U+FFFD. Returns the bytes before the NUL. */
size_t utf16_to_utf8(const void *from, size_t units, char *to, size_t capacity);

/* The NUL-terminated UTF-8 @from with a NUL at @to of @capacity code units (unaligned). What is no
 * UTF-8 becomes U+FFFD, a byte each. Returns the code units with the NUL; 0: it does not fit. */
size_t utf8_to_utf16(const char *from, void *to, size_t capacity);
