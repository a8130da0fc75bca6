// ir/schedule_text.h -- reading the text of kernels and schedules.
//
// A reader walks over the text; `#` starts a comment, line ends are spaces. After the first error,
// which goes to the Diag with its place, the reader stands at the end of the text and nothing
// matches any more, so callers need not look at each step.
#ifndef IR_SCHEDULE_TEXT_H
#define IR_SCHEDULE_TEXT_H

#include "ir/schedule.h"

// Names made of these stand without quotes.
#define SCHEDULE_NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_."

typedef struct TextReader {
    Arena *arena;
    Diag *diag;
    const DiagFile *file;
    const char *at; // next byte
    bool failed;
} TextReader;

Loc text_loc(const TextReader *r); // of what comes next

void text_error(TextReader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Whether `word` comes next; if so it is read. A word of two letters or more must end where the
// text's does.
bool text_accept(TextReader *r, const char *word);
void text_expect(TextReader *r, const char *word);
bool text_at_end(TextReader *r);

// A name, bare or in quotes; a quoted text. "" after an error.
const char *text_name(TextReader *r);
const char *text_quoted(TextReader *r);

int64_t text_int(TextReader *r);
double text_double(TextReader *r);
uint64_t text_hash(TextReader *r); // hexadecimal, with or without 0x

// A number from 0 to limit - 1; `what` is for the message.
int text_index(TextReader *r, int limit, const char *what);

IrDtype text_dtype(TextReader *r);
IrDim *text_dim(TextReader *r, IrDims *ds); // a polynomial in variables of `ds`

// A sum of dims and of products of a dim with an index: "4 + N * 2 + 32*i0". Indices are
// `prefix` and a number below `limit`; strides[number] is what each is multiplied with, else NULL.
// Gives the sum of the others. With `row`, one term may be a product with "row(sK, last)".
IrDim *text_sum(TextReader *r, IrDims *ds, const char *prefix, int limit, IrDim **strides,
                IrAddress *row);

// A kernel from the word after "kernel" and its number on.
IrKernel *text_kernel(TextReader *r);

#endif
