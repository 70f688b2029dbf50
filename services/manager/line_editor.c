/* Keys of a VT100 and of Emacs, as shells have them. When a key only adds at the end the key alone
 * is echoed; everything else draws the line again. */
#include "lib/format.h"
#include "lib/string.h"
#include "services/manager/line_editor.h"

#define WINDOW  64u /* columns of the line that are shown; a longer one is shown in part */
#define CTRL(c) ((c)&0x1f)
#define ESC     0x1b
#define RUBOUT  0x7f

bool line_editor_is_good(const struct line_editor *e)
{
    return e->n <= LINE_BYTES_MAX && e->cursor <= e->n && e->history_n <= HISTORY_BYTES;
}

void line_editor_draw(const struct line_editor *e, const char *prompt, line_editor_echo echo)
{
    uint32_t from = e->cursor > WINDOW ? e->cursor - WINDOW : 0;
    uint32_t n = min(e->n - from, WINDOW + 8u);
    char move[16];

    echo("\r", 1);
    echo(prompt, strlen(prompt));
    echo(e->line + from, n);
    echo("\033[K", 3);
    if (from + n > e->cursor)
        echo(move, format(move, sizeof(move), "\033[%uD", from + n - e->cursor));
}

void line_editor_insert(struct line_editor *e, const char *text, size_t n, const char *prompt,
                        line_editor_echo echo)
{
    n = min(n, (size_t)(LINE_BYTES_MAX - e->n));
    bool is_simple = e->cursor == e->n && e->n + n <= WINDOW;

    memmove(e->line + e->cursor + n, e->line + e->cursor, e->n - e->cursor);
    memcpy(e->line + e->cursor, text, n);
    e->n += (uint32_t)n;
    e->cursor += (uint32_t)n;
    if (is_simple)
        echo(text, n);
    else
        line_editor_draw(e, prompt, echo);
}

static void remove(struct line_editor *e, uint32_t from, uint32_t to)
{
    memmove(e->line + from, e->line + to, e->n - to);
    e->n -= to - from;
    e->cursor = from;
}

/* ---- history: lines ended by NUL, the newest last ---- */

static const char *history_line(const struct line_editor *e, uint32_t back)
{
    uint32_t at = e->history_n;

    for (; back && at; back--) {
        at--;
        while (at && e->history[at - 1])
            at--;
    }
    return back ? NULL : e->history + at;
}

static void remember(struct line_editor *e)
{
    const char *last = e->history_n ? history_line(e, 1) : NULL;

    e->line[e->n] = 0;
    if (!e->n || e->n + 1 > HISTORY_BYTES / 2 || (last && strcmp(last, e->line) == 0))
        return;
    while (e->history_n + e->n + 1 > HISTORY_BYTES) {
        size_t oldest = strlen(e->history) + 1;

        memmove(e->history, e->history + oldest, e->history_n - oldest);
        e->history_n -= (uint32_t)oldest;
    }
    memcpy(e->history + e->history_n, e->line, e->n + 1);
    e->history_n += e->n + 1;
}

void line_editor_clear(struct line_editor *e)
{
    remember(e);
    e->n = e->cursor = e->history_at = e->escape = 0;
}

static void recall(struct line_editor *e, uint32_t back)
{
    const char *line = back ? history_line(e, back) : "";

    if (!line || (back && !e->history_n))
        return;
    e->history_at = back;
    e->n = e->cursor = (uint32_t)strlen(line);
    memcpy(e->line, line, e->n);
}

/* ---- keys ---- */

static void control_key(struct line_editor *e, char c)
{
    uint32_t word = e->cursor;

    switch (c) {
    case CTRL('A'): e->cursor = 0; break;
    case CTRL('E'): e->cursor = e->n; break;
    case CTRL('B'): e->cursor -= e->cursor > 0; break;
    case CTRL('F'): e->cursor += e->cursor < e->n; break;
    case CTRL('P'): recall(e, e->history_at + 1); break;
    case CTRL('N'):
        if (e->history_at)
            recall(e, e->history_at - 1);
        break;
    case CTRL('K'): e->n = e->cursor; break;
    case CTRL('U'): remove(e, 0, e->cursor); break;
    case CTRL('C'): e->n = e->cursor = 0; break;
    case CTRL('H'):
    case RUBOUT:
        if (e->cursor)
            remove(e, e->cursor - 1, e->cursor);
        break;
    case CTRL('D'):
        if (e->cursor < e->n)
            remove(e, e->cursor, e->cursor + 1);
        break;
    case CTRL('W'):
        while (word && e->line[word - 1] == ' ')
            word--;
        while (word && e->line[word - 1] != ' ')
            word--;
        remove(e, word, e->cursor);
        break;
    default: break;
    }
}

static void escape_key(struct line_editor *e, char c)
{
    static const struct {
        char end;
        uint32_t parameter;
        char key;
    } keys[] = {
        { 'A', 0, CTRL('P') }, { 'B', 0, CTRL('N') }, { 'C', 0, CTRL('F') },
        { 'D', 0, CTRL('B') }, { 'H', 0, CTRL('A') }, { 'F', 0, CTRL('E') },
        { '~', 1, CTRL('A') }, { '~', 3, CTRL('D') }, { '~', 4, CTRL('E') },
    };

    if (e->escape == 1) {
        e->escape = c == '[' || c == 'O' ? 2 : 0;
        e->parameter = 0;
        return;
    }
    if ((c >= '0' && c <= '9') || c == ';') {
        e->parameter = c == ';' ? 0 : (e->parameter * 10 + (uint32_t)(c - '0')) % 1000;
        return;
    }
    e->escape = 0;
    for (unsigned i = 0; i < array_count(keys); i++)
        if (keys[i].end == c && (c != '~' || keys[i].parameter == e->parameter)) {
            control_key(e, keys[i].key);
            return;
        }
}

enum line_editor_result line_editor_key(struct line_editor *e, char c, const char *prompt,
                                        line_editor_echo echo)
{
    bool was_return = e->was_return;

    e->was_return = c == '\r';
    if (e->escape) {
        escape_key(e, c);
    } else if (c == '\r' || c == '\n') {
        if (c == '\n' && was_return)
            return LINE_EDITOR_MORE;
        echo("\r\n", 2);
        return LINE_EDITOR_LINE;
    } else if (c == '\t') {
        return LINE_EDITOR_TAB;
    } else if (c == ESC) {
        e->escape = 1;
        return LINE_EDITOR_MORE;
    } else if ((uint8_t)c >= 0x20 && c != RUBOUT) {
        line_editor_insert(e, &c, 1, prompt, echo);
        return LINE_EDITOR_MORE;
    } else {
        control_key(e, c);
    }
    if (!e->escape)
        line_editor_draw(e, prompt, echo);
    return LINE_EDITOR_MORE;
}
