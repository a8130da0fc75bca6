// ir/base/buf.h -- growing text.
#ifndef IR_BASE_BUF_H
#define IR_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A zeroed Buf is empty. `data` is NUL-terminated once anything was put (NULL before).
typedef struct Buf {
    char *data;
    size_t len, cap;
} Buf;

void buf_put(Buf *b, const char *s, size_t len);
void buf_puts(Buf *b, const char *s);
void buf_printf(Buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(Buf *b, const char *format, va_list args);

// The text, never NULL; read until the next put.
const char *buf_text(const Buf *b);

void buf_reset(Buf *b); // empty, memory kept
void buf_free(Buf *b);  // leaves `b` zeroed

// The character at `text`, its length in bytes in `len`; -1 (and 1) for a byte that is not UTF-8.
int32_t buf_decode_utf8(const char *text, const char *end, int *len);

// Reads the whole file at `path` into `b` (replacing what was there). False with a sentence in
// `why` (file missing, not readable, larger than `max` bytes; 0 for no limit).
bool buf_read_file(Buf *b, const char *path, size_t max, char *why, size_t why_size);

// Writes `len` bytes to `path` so that a reader sees the old file or the new one: temporary name,
// fsync, rename, fsync of the folder. A path that is no ordinary file (/dev/stdout) is written to
// directly. False with a sentence in `why`.
bool buf_write_file(const char *path, const void *data, size_t len, char *why, size_t why_size);

// Creates folder `path` and its parents as needed (like mkdir -p). False with a sentence in `why`.
bool buf_make_dirs(const char *path, char *why, size_t why_size);

// Shortest decimal text that reads back as the same double ("0.1", "1e-08", "inf", "nan", "-0");
// never depends on the locale. Returns its length; `out` holds at least 32 bytes.
int buf_format_double(char *out, double x);

// Reads a whole-string number without the locale; false if `s` is anything else or out of range.
// Accepts an optional sign, decimals, exponent; .inf/.nan forms of YAML 1.2 are NOT accepted here.
bool buf_parse_double(const char *s, size_t len, double *x);

#endif
