// runtime/record/json.h -- writing JSON text in a fixed form.
//
// Reading goes through cJSON. Writing is ours because what a run writes must be the same bytes on
// every machine: keys in the order given, doubles in their shortest round-trip form, no locale.
#ifndef RUNTIME_RECORD_JSON_H
#define RUNTIME_RECORD_JSON_H

#include <stdint.h>

#include "ir/base/buf.h"

// Puts `s` in quotes, escaped; "" for NULL. Bytes that are not UTF-8 become U+FFFD.
void rt_json_put_string(Buf *b, const char *s);

// Puts a number that reads back as the same double. Infinities and NaN, for which JSON has no
// number, become the strings "inf", "-inf" and "nan".
void rt_json_put_double(Buf *b, double x);

// Puts a number, or null where `x` is not finite.
void rt_json_put_finite(Buf *b, double x);

#endif
