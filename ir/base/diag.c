// ir/base/diag.c -- collecting diagnostics, and printing them beside their source lines.
//
// Messages are kept in the order of reporting, each error followed by its notes. Printing sorts the
// errors and takes the notes along. A source line is turned into cells, one for each character as
// shown, so that the caret stands right below tabs, accents and bytes that cannot be shown.
#include "ir/base/diag.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/buf.h"
#include "ir/base/exits.h"

enum {
    MAX_ERRORS = 100, // kept when max_errors is 0
    TAB = 4,          // columns between tab stops
    WIDTH = 100,      // columns of a source line that are shown
    LONGEST = 1000,   // bytes of a message
    NEAR = 4 * WIDTH, // bytes around the caret that are looked at; a character has up to 4
};

const DiagFile *diag_add_file(Diag *d, const char *path, const char *text, size_t len) {
    DiagFile *f = arena_new(&d->arena, DiagFile);
    f->path = arena_strdup(&d->arena, path);
    f->text = arena_strndup(&d->arena, text, len);
    f->len = len;
    f->order = d->n_files++;
    return f;
}

static bool same_place(Loc x, Loc y) {
    return x.file == y.file && x.line == y.line && x.col == y.col;
}

static bool is_known(const Diag *d, Loc loc, const char *text) {
    for (int i = 0; i < d->n; i++) {
        const DiagMessage *m = &d->messages[i];
        if (!m->is_note && same_place(m->loc, loc) && !strcmp(m->text, text))
            return true;
    }
    return false;
}

// The text of a message, owned by `d`. Names in it come from the input and may be of any length.
static const char *format_text(Diag *d, const char *format, va_list args) {
    char *text = arena_vprintf(&d->arena, format, args);
    if (strlen(text) > LONGEST + 3)
        memcpy(text + LONGEST, "...", 4);
    return text;
}

static int max_kept(const Diag *d) {
    return d->max_errors > 0 ? d->max_errors : MAX_ERRORS;
}

void diag_error(Diag *d, Loc loc, int code, const char *format, ...) {
    d->dropped = true;
    if (d->n_errors >= max_kept(d)) {
        d->n_errors++;
        return;
    }
    va_list args;
    va_start(args, format);
    const char *text = format_text(d, format, args);
    va_end(args);
    if (is_known(d, loc, text))
        return;

    d->n_errors++;
    d->dropped = false;
    DiagMessage m = {.loc = loc, .code = code, .text = text};
    arena_push(&d->arena, d->messages, d->n, d->cap, m);
}

void diag_note(Diag *d, Loc loc, const char *format, ...) {
    if (d->dropped || !d->n)
        return;
    va_list args;
    va_start(args, format);
    const char *text = format_text(d, format, args);
    va_end(args);

    DiagMessage m = {.loc = loc, .is_note = true, .text = text};
    arena_push(&d->arena, d->messages, d->n, d->cap, m);
}

void diag_did_you_mean(Diag *d, Loc loc, const char *name, const char *const *names, int n) {
    const char *nearest = map_nearest(name, names, n);
    if (nearest && strcmp(nearest, name))
        diag_note(d, loc, "did you mean '%s'?", nearest);
}

void diag_did_you_mean_or(Diag *d, Loc loc, const char *name, const char *const *names, int n,
                          const char *what) {
    if (map_nearest(name, names, n)) {
        diag_did_you_mean(d, loc, name, names, n);
        return;
    }
    Buf all = {0};
    for (int i = 0; i < n; i++)
        buf_printf(&all, "%s%s", i ? ", " : "", names[i]);
    if (n)
        diag_note(d, loc, "%s are %s", what, buf_text(&all));
    buf_free(&all);
}

// Whether `c` would do something to the terminal, or turn the order of the text around.
static bool is_control(int32_t c) {
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069) || c == 0x200e || c == 0x200f || c == 0xfeff;
}

// Puts one cell: the character at `s` as shown. Returns its length in the source.
static int put_cell(Buf *out, const char *s, const char *end) {
    int len;
    int32_t c = buf_decode_utf8(s, end, &len);
    if (c < 0 || is_control(c))
        buf_puts(out, "?");
    else
        buf_put(out, s, (size_t)len);
    return len;
}

static void put_clean(Buf *out, const char *s) {
    const char *end = s + strlen(s);
    while (s < end)
        s += put_cell(out, s, end);
}

// The bytes of line `line` of `f`, without its end; false if there is no such line.
static bool find_line(const DiagFile *f, int line, const char **start, const char **end) {
    const char *s = f->text, *file_end = f->text + f->len;
    for (int i = 1; i < line; i++) {
        s = memchr(s, '\n', (size_t)(file_end - s));
        if (!s)
            return false;
        s++;
    }
    const char *e = memchr(s, '\n', (size_t)(file_end - s));
    e = e ? e : file_end;
    if (e > s && e[-1] == '\r')
        e--;
    *start = s;
    *end = e;
    return true;
}

// A source line as cells: cell i is bytes [at[i], at[i + 1]) of `text`.
typedef struct Cells {
    Buf text;
    size_t at[2 * NEAR * TAB + 2];
    int n;
    int caret;     // the cell of the caret; n when it stands behind the line
    bool cut_left; // the line goes on before the first cell, or behind the last
    bool cut_right;
} Cells;

static void add_cell(Cells *c, const char **s, const char *end) {
    if (**s == '\t') {
        do {
            buf_puts(&c->text, " ");
            c->at[++c->n] = c->text.len;
        } while (c->n % TAB);
        ++*s;
        return;
    }
    *s += put_cell(&c->text, *s, end);
    c->at[++c->n] = c->text.len;
}

// Looks only at the bytes near column `col`, since a line may be as long as a file.
static void read_cells(Cells *c, const char *start, const char *end, int col) {
    size_t len = (size_t)(end - start);
    size_t caret = col > 0 ? (size_t)col - 1 : 0;
    caret = caret < len ? caret : len;
    size_t from = caret > NEAR ? caret - NEAR : 0;
    size_t to = len - caret > NEAR ? caret + NEAR : len;
    while (from && from < caret && (start[from] & 0xc0) == 0x80)
        from++;

    c->cut_left = from > 0;
    c->cut_right = to < len;
    c->caret = -1;
    for (const char *s = start + from; s < start + to;) {
        const char *before = s;
        int cell = c->n;
        add_cell(c, &s, end);
        if (before <= start + caret && start + caret < s)
            c->caret = cell;
    }
    if (c->caret < 0)
        c->caret = c->n;
}

static const char *const plain[] = {"", "", "", ""};
static const char *const colored[] = {"\x1b[1;31m", "\x1b[1;34m", "\x1b[1m", "\x1b[0m"};
enum { RED, BLUE, BOLD, OFF };

// The line of `loc` with a caret below its column. Long lines are cut around the caret.
static void put_excerpt(Buf *out, Loc loc, const char *const *style, int ink) {
    const char *start, *end;
    if (!find_line(loc.file, loc.line, &start, &end))
        return;

    Cells c = {.n = 0};
    read_cells(&c, start, end, loc.col);
    int first = 0, last = c.n;
    if (c.n > WIDTH || c.cut_left || c.cut_right) {
        first = c.caret > WIDTH / 2 ? c.caret - WIDTH / 2 : 0;
        if (first > c.n - WIDTH && !c.cut_right)
            first = c.n > WIDTH ? c.n - WIDTH : 0;
        last = first + WIDTH < c.n ? first + WIDTH : c.n;
    }
    bool dots_left = first > 0 || c.cut_left, dots_right = last < c.n || c.cut_right;

    buf_printf(out, "%4d | %s", loc.line, dots_left ? "..." : "");
    buf_put(out, buf_text(&c.text) + c.at[first], c.at[last] - c.at[first]);
    while (!dots_right && out->len && out->data[out->len - 1] == ' ')
        out->data[--out->len] = '\0';
    buf_printf(out, "%s\n", dots_right ? "..." : "");

    char number[16];
    int gutter = snprintf(number, sizeof number, "%4d", loc.line);
    int indent = c.caret - first + (dots_left ? 3 : 0);
    buf_printf(out, "%*s | %*s%s^%s\n", gutter, "", indent, "", style[ink], style[OFF]);
    buf_free(&c.text);
}

static void put_message(Buf *out, const DiagMessage *m, const Loc *before,
                        const char *const *style) {
    int ink = m->is_note ? BLUE : RED;

    if (m->loc.file) {
        buf_puts(out, style[BOLD]);
        put_clean(out, m->loc.file->path);
        if (m->loc.line > 0)
            buf_printf(out, ":%d", m->loc.line);
        if (m->loc.line > 0 && m->loc.col > 0)
            buf_printf(out, ":%d", m->loc.col);
        buf_printf(out, ":%s ", style[OFF]);
    }
    buf_puts(out, style[ink]);
    if (m->is_note)
        buf_puts(out, "note:");
    else
        buf_printf(out, "error[E%04d]:", m->code);
    buf_printf(out, "%s ", style[OFF]);
    put_clean(out, m->text);
    buf_puts(out, "\n");

    bool shown = before && same_place(*before, m->loc);
    if (m->loc.file && m->loc.line > 0 && m->loc.col > 0 && !shown)
        put_excerpt(out, m->loc, style, ink);
}

// An error and its place among the messages.
typedef struct Row {
    const DiagMessage *error;
    int index;
} Row;

static int compare_rows(const void *x, const void *y) {
    const Row *a = x, *b = y;
    int a_file = a->error->loc.file ? a->error->loc.file->order : -1;
    int b_file = b->error->loc.file ? b->error->loc.file->order : -1;
    if (a_file != b_file)
        return a_file < b_file ? -1 : 1;
    if (a->error->loc.line != b->error->loc.line)
        return a->error->loc.line < b->error->loc.line ? -1 : 1;
    if (a->error->loc.col != b->error->loc.col)
        return a->error->loc.col < b->error->loc.col ? -1 : 1;
    return a->index < b->index ? -1 : 1;
}

void diag_print(const Diag *d, FILE *out, bool color) {
    const char *const *style = color ? colored : plain;
    Arena scratch = {0};
    Row *rows = arena_array(&scratch, Row, d->n);
    int n_rows = 0;
    for (int i = 0; i < d->n; i++) {
        if (!d->messages[i].is_note)
            rows[n_rows++] = (Row){&d->messages[i], i};
    }
    qsort(rows, (size_t)n_rows, sizeof *rows, compare_rows);

    Buf text = {0};
    for (int i = 0; i < n_rows; i++) {
        put_message(&text, rows[i].error, NULL, style);
        for (int k = rows[i].index + 1; k < d->n && d->messages[k].is_note; k++)
            put_message(&text, &d->messages[k], &d->messages[k - 1].loc, style);
    }
    if (d->n_errors > n_rows)
        buf_printf(&text, "%d errors, %d of them not shown\n", d->n_errors, d->n_errors - n_rows);
    else if (d->n_errors > 1)
        buf_printf(&text, "%d errors\n", d->n_errors);
    fputs(buf_text(&text), out);

    buf_free(&text);
    arena_free(&scratch);
}

void diag_free(Diag *d) {
    arena_free(&d->arena);
    *d = (Diag){0};
}

void diag_bug_at(const char *file, int line, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fflush(stdout);
    fprintf(stderr, "internal error: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, " (%s:%d)\nthis is a bug in gssm; please report it with the input\n", file,
            line);
    va_end(args);
    exit(EXIT_BUG);
}
