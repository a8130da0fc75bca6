// runtime/record/progress.c -- how a run shows its progress to a person.
#include "runtime/record/progress.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { MIN_MILLISECONDS = 100, CELL_SIZE = RT_PROGRESS_CELL };

static int64_t now_ms(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

// Takes the size of the terminal, whose window may have changed.
static void measure(RtProgress *p) {
    struct winsize size;
    bool known = ioctl(fileno(p->out), TIOCGWINSZ, &size) == 0 && size.ws_col && size.ws_row;

    p->width = known ? size.ws_col : 80;
    p->height = known ? size.ws_row : 24;
}

void rt_progress_open(RtProgress *p, FILE *out, bool quiet) {
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");

    *p = (RtProgress){.out = quiet ? NULL : out};
    if (quiet)
        return;
    p->live = isatty(fileno(out)) && term && *term && strcmp(term, "dumb") != 0;
    p->color = p->live && !(no_color && *no_color);
}

static void format_seconds(char out[CELL_SIZE], double s) {
    long long whole = s > 0 ? (long long)(s + 0.5) : 0;

    if (whole < 60)
        snprintf(out, CELL_SIZE, "%llds", whole);
    else if (whole < 3600)
        snprintf(out, CELL_SIZE, "%lldm%02llds", whole / 60, whole % 60);
    else
        snprintf(out, CELL_SIZE, "%lldh%02lldm", whole / 3600, whole / 60 % 60);
}

static void format_value(char out[CELL_SIZE], const RtColumn *c) {
    if (c->kind == RT_COLUMN_TEXT) {
        snprintf(out, CELL_SIZE, "%.40s", c->text ? c->text : "-");
        return;
    }
    if (!isfinite(c->value)) {
        snprintf(out, CELL_SIZE, "%s", isnan(c->value) ? "-" : c->value > 0 ? "inf" : "-inf");
        return;
    }
    switch (c->kind) {
    case RT_COLUMN_COUNT:
        snprintf(out, CELL_SIZE, fabs(c->value) < 1e15 ? "%.0f" : "%.4g", c->value);
        return;
    case RT_COLUMN_REAL:
        snprintf(out, CELL_SIZE, fabs(c->value) >= 1000 && fabs(c->value) < 1e6 ? "%.1f" : "%.4g",
                 c->value);
        return;
    case RT_COLUMN_SECONDS:
        format_seconds(out, c->value < 1e15 ? c->value : 1e15);
        return;
    case RT_COLUMN_TEXT:
        return;
    }
}

// Formats the row and takes its titles; columns become as wide as their widest cell.
static void take_row(RtProgress *p, RtProgressRow *row, const RtColumn *columns, int n) {
    p->n_columns = n < RT_PROGRESS_COLUMNS ? n : RT_PROGRESS_COLUMNS;
    for (int i = 0; i < p->n_columns; i++) {
        format_value(row->cells[i], &columns[i]);
        snprintf(p->titles.cells[i], CELL_SIZE, "%.40s", columns[i].name);
        int cell = (int)strlen(row->cells[i]), title = (int)strlen(p->titles.cells[i]);
        int width = cell > title ? cell : title;
        p->widths[i] = width > p->widths[i] ? width : p->widths[i];
    }
}

// Cells beside each other. What does not fit into the terminal's width is left out, so that a line
// never wraps and the cursor finds its way back.
static void draw_row(RtProgress *p, const RtProgressRow *row, const char *color) {
    int room = p->width - 1;

    fputs(p->color ? color : "", p->out);
    for (int i = 0; i < p->n_columns; i++) {
        int width = p->widths[i] + (i ? 2 : 0);
        if (width > room)
            break;
        fprintf(p->out, "%*s", width, row->cells[i]);
        room -= width;
    }
    fputs(p->color && *color ? "\033[0m\n" : "\n", p->out);
    p->n_drawn++;
}

// Back to the first line of what was drawn.
static void erase(RtProgress *p) {
    if (p->n_drawn > 0)
        fprintf(p->out, "\r\033[%dA\033[J", p->n_drawn);
    p->n_drawn = 0;
}

static void draw(RtProgress *p, bool running) {
    measure(p);
    erase(p);

    // titles, as many finished rows as the screen holds, the running row
    int room = p->height - 3, first = p->n_rows > room ? p->n_rows - (room > 0 ? room : 0) : 0;
    draw_row(p, &p->titles, "\033[1m");
    for (int i = first; i < p->n_rows; i++)
        draw_row(p, &p->rows[i], "");
    if (running)
        draw_row(p, &p->rows[p->n_rows], "\033[36m");
    fflush(p->out);
    p->drawn_at = now_ms();
}

void rt_progress_show(RtProgress *p, const RtColumn *columns, int n) {
    if (!p->out || !p->live || now_ms() - p->drawn_at < MIN_MILLISECONDS)
        return;
    take_row(p, &p->rows[p->n_rows], columns, n);
    draw(p, true);
}

static void print_line(RtProgress *p, const RtColumn *columns, int n) {
    char cell[CELL_SIZE];

    buf_reset(&p->line);
    for (int i = 0; i < n; i++) {
        format_value(cell, &columns[i]);
        buf_printf(&p->line, "%s%s %s", i ? "  " : "", columns[i].name, cell);
    }
    fprintf(p->out, "%s\n", buf_text(&p->line));
    fflush(p->out);
}

void rt_progress_finish_row(RtProgress *p, const RtColumn *columns, int n) {
    if (!p->out)
        return;
    if (!p->live) {
        print_line(p, columns, n);
        return;
    }
    if (p->n_rows == RT_PROGRESS_ROWS) {
        memmove(p->rows, p->rows + 1, sizeof *p->rows * (RT_PROGRESS_ROWS - 1));
        p->n_rows--;
    }
    take_row(p, &p->rows[p->n_rows++], columns, n);
    draw(p, false);
}

void rt_progress_note(RtProgress *p, const char *format, ...) {
    va_list args;

    if (!p->out)
        return;
    buf_reset(&p->line);
    va_start(args, format);
    buf_vprintf(&p->line, format, args);
    va_end(args);
    if (p->live)
        erase(p);
    fprintf(p->out, "%s\n", buf_text(&p->line));
    fflush(p->out);
    if (p->live && p->n_rows > 0)
        draw(p, false);
    p->drawn_at = 0; // the running row is missing: draw it at the next call
}

void rt_progress_close(RtProgress *p) {
    buf_free(&p->line);
    *p = (RtProgress){0};
}
