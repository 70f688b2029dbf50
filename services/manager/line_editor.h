/* A line of text being typed on a terminal: keys in, echo out. Pure but for the echo function. */
#pragma once
#include "services/manager/grammar.h"

#define HISTORY_BYTES 8192u

struct line_editor {
    uint32_t n, cursor;
    uint32_t escape; /* how far into an escape sequence: 0 none, 1 ESC, 2 ESC [ or O */
    uint32_t parameter;
    uint32_t was_return; /* a LF after a CR is swallowed */
    uint32_t history_n;
    uint32_t history_at; /* lines back from now, 0: the line itself */
    char line[LINE_BYTES_MAX + 1];
    char history[HISTORY_BYTES]; /* lines, each ended by NUL, the newest last */
};

enum line_editor_result { LINE_EDITOR_MORE, LINE_EDITOR_LINE, LINE_EDITOR_TAB };

typedef void (*line_editor_echo)(const char *text, size_t n);

/* Takes one byte. LINE: line[0..n) is complete; call line_editor_clear when it has been used. */
enum line_editor_result line_editor_key(struct line_editor *e, char c, const char *prompt,
                                        line_editor_echo echo);

/* Puts @text at the cursor, as if typed. */
void line_editor_insert(struct line_editor *e, const char *text, size_t n, const char *prompt,
                        line_editor_echo echo);

/* Draws prompt and line again from the left edge. */
void line_editor_draw(const struct line_editor *e, const char *prompt, line_editor_echo echo);

/* Forgets the line; it joins the history. */
void line_editor_clear(struct line_editor *e);

bool line_editor_is_good(const struct line_editor *e);
