/* Writes JSON into a bounded buffer. What does not fit sets is_overflown and is left out; the
 * caller checks once at the end. Text from elsewhere may hold any bytes: what is not UTF-8 shows
 * U+FFFD. */
#pragma once
#include "lib/types.h"

struct json {
    char *out;
    size_t capacity, used;
    bool is_overflown;
    bool needs_comma;
};

void json_init(struct json *j, char *out, size_t capacity);
void json_object_begin(struct json *j);
void json_object_end(struct json *j);
void json_list_begin(struct json *j);
void json_list_end(struct json *j);
void json_key(struct json *j, const char *key);
void json_bytes(struct json *j, const char *text, size_t n);
void json_string(struct json *j, const char *text);
void json_number(struct json *j, uint64_t v);
void json_bool(struct json *j, bool v);
void json_null(struct json *j);
void json_hex(struct json *j, uint64_t v); /* "0x..." with 16 digits */

/* Puts @n bytes that are already JSON; as a value when they follow a key or stand in a list. */
void json_raw(struct json *j, const char *text, size_t n);

void json_field_string(struct json *j, const char *key, const char *text);
void json_field_number(struct json *j, const char *key, uint64_t v);
void json_field_bool(struct json *j, const char *key, bool v);
void json_field_hex(struct json *j, const char *key, uint64_t v);
void json_field_null(struct json *j, const char *key);

/* The inside of a JSON string, for text that comes in pieces. Takes bytes of @in as long as their
 * escaped form fits @capacity and returns how many it took; *@written is the length of the output.
 * A sequence that is cut by the end of @in is left for the next piece, unless @is_last. */
size_t json_escape(const char *in, size_t n, bool is_last, char *out, size_t capacity,
                   size_t *written);

/* Length of the UTF-8 sequence at @s: 1-4; 0 when the first byte begins none; -1 when it is cut
 * by the end but right so far. */
int utf8_sequence(const char *s, size_t n);
