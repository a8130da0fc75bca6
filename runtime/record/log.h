// runtime/record/log.h -- append-only logs with a known committed length.
//
// What is appended waits in memory until rt_log_flush(), which a commit calls: a log on disk ends
// at a commit, or is cut back to one by the next rt_log_open(). `events.jsonl` is the source of
// truth and holds nothing that may differ between two runs of the same recipe: no time, path,
// process or thread; those go to `timing.jsonl`.
#ifndef RUNTIME_RECORD_LOG_H
#define RUNTIME_RECORD_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "ir/base/buf.h"

// A zeroed log is closed; what is put into it is dropped.
typedef struct RtLog {
    int fd; // valid while `path` is not NULL
    char *path;
    int64_t offset; // bytes that are durable
    Buf pending;    // whole lines after them
    Buf line;       // of the event that has begun
} RtLog;

// Opens the log at `path`, made where missing, and cuts it to `offset` bytes (0 for a new run).
// False with a sentence in `why` where the file is shorter than that.
bool rt_log_open(RtLog *log, const char *path, int64_t offset, char *why, size_t why_size);

// Writes what is pending and waits until it is durable. False with a sentence; then the pending
// text is kept and the file cut back, so that it can be tried again.
bool rt_log_flush(RtLog *log, char *why, size_t why_size);

// Drops what is pending and cuts the file to `offset`, at most its length.
bool rt_log_truncate(RtLog *log, int64_t offset, char *why, size_t why_size);

// Drops what is pending: a stage that was cut off is done again.
void rt_log_discard(RtLog *log);

// Closes without flushing. Accepts a closed log.
void rt_log_close(RtLog *log);

// One line of JSON: {"event":kind,...} with keys in the order put. The line counts once
// rt_event_end() is called; rt_event_begin() drops an unfinished one.
void rt_event_begin(RtLog *log, const char *kind);
void rt_event_put_int(RtLog *log, const char *key, int64_t x);
void rt_event_put_bool(RtLog *log, const char *key, bool x);
void rt_event_put_double(RtLog *log, const char *key, double x); // shortest; "inf", "-inf", "nan"
void rt_event_put_text(RtLog *log, const char *key, const char *s);
void rt_event_put_doubles(RtLog *log, const char *key, const double *x, int n);
void rt_event_put_json(RtLog *log, const char *key, const char *json); // JSON without newlines
void rt_event_end(RtLog *log);

#endif
