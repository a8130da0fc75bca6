// runtime/record/curves.h -- learning curves: what runs' records say of each iteration, over seeds.
#ifndef RUNTIME_RECORD_CURVES_H
#define RUNTIME_RECORD_CURVES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/base/arena.h"

// A tag of one run, in each iteration that has it.
typedef struct RtCurve {
    int n;
    int64_t *iteration; // (n) from 1: after so many
    double *x, *y;      // (n) of the axis; of the tag
    double last_x;      // of the axis after the last iteration, NAN where it has none
} RtCurve;

// Reads the tag `tag` of the run at `run_dir`, over `axis`: "iteration", or another tag. Owned by
// `a`; a curve without the tag is empty. False with a sentence in `why`.
bool rt_curve_read(RtCurve *c, Arena *a, const char *run_dir, const char *tag, const char *axis,
                   char *why, size_t why_size);

// Several curves as one: for each iteration that one of them has, the mean over those that have it.
typedef struct RtBand {
    int n;
    double *x, *mean; // (n)
    double *sd;       // (n) deviation of the sample (n - 1); 0 where there is one curve
    int most;         // curves at a point, at most
} RtBand;

// Joins `n` curves. Each is first smoothed: a point becomes the mean of it and the `smooth` - 1
// points before it. Owned by `a`.
RtBand rt_band_of(Arena *a, const RtCurve *curves, int n, int smooth);

#endif
