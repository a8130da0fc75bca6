// passes/labels.h -- products with labelled axes, as in Einstein's notation.
//
// An axis has a label, a small number; axes of equal labels belong together. What a product sums
// over follows from the labels that its result has.
#ifndef PASSES_LABELS_H
#define PASSES_LABELS_H

#include "ir/build.h"

enum { PASS_LABELS = 32 };

// A value whose axis i has label labels[i]; labels differ.
typedef struct Labelled {
    IrNode *node;
    int labels[IR_MAX_RANK];
} Labelled;

static inline int labelled_rank(const Labelled *x) {
    return x->node->types[0].rank;
}

// Sets of labels: bit i for label i.
static inline bool labels_has(unsigned set, int label) {
    return set >> label & 1;
}

unsigned labels_of(const Labelled *x);
int labels_count(unsigned set);

// `x` as it is behind moves that only permute or repeat; it may have fewer axes.
Labelled labelled_strip(Labelled x);

// The product of `x` and `y`, summed over the labels that are not in `out`. Its axes are in the
// order in which a dot leaves them; labels of `out` that neither has are missing.
Labelled labelled_multiply(IrBuilder *b, Labelled x, Labelled y, unsigned out);

// `x` as an array of `type` whose axis i has label i, repeated along axes that `x` lacks.
IrNode *labelled_as(IrBuilder *b, const Labelled *x, const IrType *type);

#endif
