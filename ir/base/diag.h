// ir/base/diag.h -- diagnostics with their place in a source file.
//
//   models/t.yaml:4:6: error[E0202]: no operation is called 'tanhh'
//      4 |   y: tanhh(h)
//        |      ^
//   models/t.yaml:4:6: note: did you mean 'tanh'?
//
// All errors of an input are collected and printed in one run, ordered by file and place; notes
// follow their error. Messages are lower case without a full stop.
#ifndef IR_BASE_DIAG_H
#define IR_BASE_DIAG_H

#include <stdbool.h>
#include <stdio.h>

#include "ir/base/arena.h"
#include "ir/base/map.h"

// A source text that locations point into. Owned by the Diag it was added to.
typedef struct DiagFile {
    const char *path; // as shown to the user
    const char *text; // whole content, NUL-terminated
    size_t len;
    int order; // files count up in the order of addition
} DiagFile;

// A place: line and column count from 1; line 0 means "no place". Column counts bytes.
typedef struct Loc {
    const DiagFile *file;
    int line, col;
} Loc;

typedef struct DiagMessage {
    Loc loc;
    int code; // Exxxx of an error, 0 for a note
    bool is_note;
    const char *text; // owned by the Diag
} DiagMessage;

typedef struct Diag {
    Arena arena;
    DiagMessage *messages;
    int n, cap;
    int n_errors;
    int max_errors; // further errors are counted, not kept; 0 means 100
    int n_files;
    bool dropped; // the newest error was not kept, so its notes are not either
} Diag;

// Registers a source text (copied) so that messages can show its lines.
const DiagFile *diag_add_file(Diag *d, const char *path, const char *text, size_t len);

// Adds an error. `code` is a number of ir/base/errors.def. An error equal to one already there
// (same place, same text) is dropped.
void diag_error(Diag *d, Loc loc, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

// Adds a note to the newest error. Dropped when that error was dropped.
void diag_note(Diag *d, Loc loc, const char *format, ...) __attribute__((format(printf, 3, 4)));

// Adds the note "did you mean 'x'?" when a name of `names` is near `name`.
void diag_did_you_mean(Diag *d, Loc loc, const char *name, const char *const *names, int n);

// The same, and where none is near the note that `what` ("its dims") are all of `names`.
void diag_did_you_mean_or(Diag *d, Loc loc, const char *name, const char *const *names, int n,
                          const char *what);

// Prints all messages, errors sorted by file (order of addition), line and column, each with its
// line and a caret; with `color`, in colour. A note at the place of the message before it does not
// show the line again. Ends with "N errors" when there was more than one. Whatever the texts hold,
// only printable UTF-8 is written: tabs become spaces, other bytes '?'.
void diag_print(const Diag *d, FILE *out, bool color);

void diag_free(Diag *d);

// Prints "internal error: ..." with place of the C source, asks for a report, exits with 70.
#define diag_bug(...) diag_bug_at(__FILE__, __LINE__, __VA_ARGS__)
_Noreturn void diag_bug_at(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
