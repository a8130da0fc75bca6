// runtime/train/measure.h -- the error of a model on a task, by a function of it.
//
// The function takes the transitions of the context as xc, yc (N, width) and others as x, y; or
// windows of them, (T, N, width): transitions of one episode that follow each other, the first of
// them xc and yc, the rest x and y. It gives an output mse, and may give kl.
#ifndef RUNTIME_TRAIN_MEASURE_H
#define RUNTIME_TRAIN_MEASURE_H

#include "runtime/train/scene.h"

typedef struct RtMeasure {
    RtUnit *unit;                 // NULL: nothing measures
    struct RtMeasurePorts *ports; // of each field
    bool windows;                 // it takes them
    int64_t rows, context;        // of a window
    int out_mse, out_kl;
} RtMeasure;

// Finds the function that the recipe's test names, for contexts of `context` transitions and
// `model` further ones in episodes of `steps`. False with errors in the world's diag.
bool rt_measure_bind(RtMeasure *m, RtScene *scene, int64_t context, int64_t model, int64_t steps);

// Measures on the scene's task: the transitions labelled `context_label` are the context, those
// labelled `model_label` the others. `kl` is left as it was where the function gives none. An exit
// code, with a sentence in the scene's `why`.
int rt_measure_run(const RtMeasure *m, RtScene *scene, const char *context_label,
                   const char *model_label, uint64_t key, double *mse, double *kl);

#endif
