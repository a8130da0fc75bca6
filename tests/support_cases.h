// tests/support_cases.h -- every operation at any sizes: examples whose dims are parameters, and
// how far results may be from exact ones. An operation of ir/ops.def without a row here fails the
// tests over the table.
#ifndef TESTS_SUPPORT_CASES_H
#define TESTS_SUPPORT_CASES_H

#include "ir/build.h"

enum {
    CASES_MAX_INPUTS = 4,
    CASES_MAX_RANK = 3,
    CASES_SCAN_ENDS = 4, // the first variant of scan that may end early, and has no gradient
};

// What an example is made for: the shape of its first operand or, of a leaf, of its result.
typedef struct CaseShape {
    IrDtype dtype;
    int rank;
    IrDim *dims[CASES_MAX_RANK];
} CaseShape;

// How results are compared: native code with `ref`, and `ref` with the exact value.
typedef enum CaseBound {
    CASE_BITS,  // one value is right, and all have it
    CASE_EQUAL, // the same, but zeros of either sign are equal
    CASE_ULPS,  // as the operation's row in support_exact.c says
    CASE_DRAWS, // native: 4 ulp of the greatest draw; `ref` has the bits of ir/random.h
    CASE_TERMS, // native: the same bits; `ref`: 70 roundings of the sum of the terms' sizes
    CASE_NEAR,  // gradients: relative to 1 + |value|, 1e-4 at f32, 1e-8 at f64
} CaseBound;

typedef struct CaseRow {
    CaseBound bound;
    unsigned dtypes;         // of the shape: a bit for each IrDtype
    int least_rank;          // of the shape
    int n_variants;          // at most: `inputs` says which there are
    bool leading_only;       // only the first dim may be bounded
    int most;                // elements of the shape in quick tests, where they are slow; 0: any
    const char *no_gradient; // why there is none

    // The types of the operands; their number, or -1 where a rank has no such variant.
    int (*inputs)(IrDims *ds, IrOp op, const CaseShape *s, int variant, IrType *types);

    // The operation applied to such operands: one tensor.
    IrNode *(*apply)(IrBuilder *b, IrOp op, const CaseShape *s, int variant, IrNode *const *x);
} CaseRow;

// The row of an operation; fails the test where there is none.
const CaseRow *case_row(IrOp op);

// A shape's type.
IrType case_type(const CaseShape *s);

// Whether GSSM_TEST_LONG=1 asks for the long form of tests.
bool cases_are_long(void);

// The operations to test, first .. end - 1: all, or that which GSSM_TEST_OP names. False, with a
// sentence on standard error, where there is none of that name.
bool cases_range(int *first, int *end);

#endif
