// ir/base/trace.h -- what took how long on which thread, as a Chrome trace.
//
// Off until trace_start(). Then spans are kept until trace_write() puts them into a file that
// chrome://tracing and Perfetto open. Any thread may add spans.
#ifndef IR_BASE_TRACE_H
#define IR_BASE_TRACE_H

#include <stdbool.h>
#include <stddef.h>

// Starts to keep spans; times count from here.
void trace_start(void);

// Seconds on a clock that never goes back.
double trace_now(void);

// Keeps a span of this thread from `start` (by trace_now()) until now. Does nothing while tracing
// is off. `category` and `name` are copied.
void trace_span(const char *category, const char *name, double start);

// Writes all spans as JSON and stops. False with a sentence in `why`.
bool trace_write(const char *path, char *why, size_t why_size);

#endif
