/* The few string functions that freestanding code needs, with their usual contracts. Copies use
 * 8-byte moves: under -icount, rep movsb counts every byte. */
#pragma once
#include "lib/types.h"

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);

/* Copies @from into @to of @capacity bytes, always NUL-terminated. True when all of it fitted. */
bool string_copy(char *to, size_t capacity, const char *from);
