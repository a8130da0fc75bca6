// runtime/record/csv.h -- comma-separated values; progress.csv, derived from the events.
#ifndef RUNTIME_RECORD_CSV_H
#define RUNTIME_RECORD_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/base/arena.h"
#include "ir/base/buf.h"
#include "ir/base/map.h"

// Puts `s`, in quotes where CSV needs them.
void rt_csv_put_text(Buf *b, const char *s);

// progress.csv: one row for each event of one kind, a column for each of its plain values, in order
// of first appearance. Zeroed but for `kind`, it is ready; it follows a growing events file.
typedef struct RtCsv {
    const char *kind; // events that become rows; must outlive it
    int64_t offset;   // of the events file, read so far
    Arena arena;
    Map columns; // name -> number + 1
    const char ***rows;
    int *n_cells; // of each row
    int n_rows, cap;
} RtCsv;

// Reads what is new in the events file and writes the whole CSV when there are new rows or no file.
// A resumed run starts with a fresh RtCsv and gets the same file. False with a sentence in `why`.
bool rt_csv_update(RtCsv *csv, const char *events_path, const char *csv_path, char *why,
                   size_t why_size);

void rt_csv_free(RtCsv *csv);

#endif
