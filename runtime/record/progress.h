// runtime/record/progress.h -- how a run shows its progress to a person.
//
// On a terminal: one table that is redrawn in place, the newest finished rows above the running
// one. In a pipe, or on a terminal that cannot move its cursor: one plain line for each finished
// row. There is no thread: the driver calls when it has something to show, as often as it likes.
#ifndef RUNTIME_RECORD_PROGRESS_H
#define RUNTIME_RECORD_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "ir/base/buf.h"

typedef enum RtColumnKind {
    RT_COLUMN_COUNT,   // a whole number
    RT_COLUMN_REAL,    // four digits
    RT_COLUMN_SECONDS, // as 1h02m, 3m20s, 12s
    RT_COLUMN_TEXT,
} RtColumnKind;

// A named value. NAN, and NULL for a text, is unknown and shown as "-".
typedef struct RtColumn {
    const char *name;
    RtColumnKind kind;
    double value;
    const char *text; // of RT_COLUMN_TEXT
} RtColumn;

enum { RT_PROGRESS_ROWS = 8, RT_PROGRESS_COLUMNS = 24, RT_PROGRESS_CELL = 48 };

// A row as text.
typedef struct RtProgressRow {
    char cells[RT_PROGRESS_COLUMNS][RT_PROGRESS_CELL];
} RtProgressRow;

typedef struct RtProgress {
    FILE *out;         // NULL: nothing is shown
    bool live;         // redraw in place
    bool color;        // SGR codes
    int width, height; // of the terminal
    RtProgressRow titles;
    RtProgressRow rows[RT_PROGRESS_ROWS + 1]; // finished ones, the oldest first, then the running
    int n_rows;                               // finished
    int n_columns;
    int widths[RT_PROGRESS_COLUMNS]; // only growing
    int n_drawn;                     // lines on the screen that the next drawing replaces
    int64_t drawn_at;                // milliseconds, monotonic
    Buf line;
} RtProgress;

// Shows on `out`, live where that is a terminal that can; NO_COLOR turns colour off. `quiet` shows
// nothing. Fields may be set afterwards.
void rt_progress_open(RtProgress *p, FILE *out, bool quiet);

// The running row, for the live table. Drawn at most ten times a second.
void rt_progress_show(RtProgress *p, const RtColumn *columns, int n);

// A finished row: the live table keeps it; a pipe gets its line.
void rt_progress_finish_row(RtProgress *p, const RtColumn *columns, int n);

// A message of one line, above the live table.
void rt_progress_note(RtProgress *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Leaves the table as it is and frees everything. Accepts a zeroed one.
void rt_progress_close(RtProgress *p);

#endif
