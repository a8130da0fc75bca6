// ir/lang/hints.c -- what users of other languages and libraries write, one row each.
#include "ir/lang/hints.h"

#include <string.h>

// clang-format off
static const Hint hints[] = {
    {HINT_NAME, "True",    "truth is written true and false"},
    {HINT_NAME, "False",   "truth is written true and false"},
    {HINT_NAME, "None",    "nothing is written null"},
    {HINT_NAME, "np",      "functions have no prefix: exp(x)"},
    {HINT_NAME, "numpy",   "functions have no prefix: exp(x)"},
    {HINT_NAME, "jnp",     "functions have no prefix: exp(x)"},
    {HINT_NAME, "jax",     "functions have no prefix: exp(x)"},
    {HINT_NAME, "torch",   "functions have no prefix: exp(x)"},
    {HINT_NAME, "F",       "functions have no prefix: exp(x)"},
    {HINT_NAME, "tf",      "functions have no prefix: exp(x)"},
    {HINT_NAME, "math",    "functions have no prefix: exp(x)"},
    {HINT_NAME, "random",  "draws are draw.normal(shape), draw.uniform(shape) and others"},
    {HINT_NAME, "pi",      "write the number, or declare it under 'options'"},
    {HINT_NAME, "inf",     "there is no number for infinity; where(c, a, b) chooses without it"},
    {HINT_NAME, "nan",     "there is no number for NaN; where(c, a, b) chooses without it"},

    {HINT_FUNCTION, "draw",          "draws are draw.normal(shape), draw.uniform(shape) and others"},
    {HINT_FUNCTION, "randn",         "did you mean 'draw.normal'?"},
    {HINT_FUNCTION, "rand",          "did you mean 'draw.uniform'?"},
    {HINT_FUNCTION, "dropout",       "a mask is draw.bernoulli(shape, keep)"},
    {HINT_FUNCTION, "concatenate",   "did you mean 'concat'?"},
    {HINT_FUNCTION, "cat",           "did you mean 'concat'?"},
    {HINT_FUNCTION, "matmul",        "a product of matrices is x @ y"},
    {HINT_FUNCTION, "dot",           "a product of matrices is x @ y"},
    {HINT_FUNCTION, "bmm",           "a product of matrices is x @ y"},
    {HINT_FUNCTION, "einsum",        "write it as x @ y, or as sum(x * y, axis=..)"},
    {HINT_FUNCTION, "square",        "a square is x ** 2"},
    {HINT_FUNCTION, "power",         "did you mean 'pow'?"},
    {HINT_FUNCTION, "len",           "size(x, 0) is the size of the first axis"},
    {HINT_FUNCTION, "range",         "arange(n) counts from 0; loops are 'scan', 'map' and 'repeat'"},
    {HINT_FUNCTION, "linspace",      "did you mean 'arange'? it counts from 0, as i32"},
    {HINT_FUNCTION, "std",           "a deviation is sqrt(var(x))"},
    {HINT_FUNCTION, "permute",       "did you mean 'transpose'?"},
    {HINT_FUNCTION, "view",          "did you mean 'reshape'?"},
    {HINT_FUNCTION, "flatten",       "did you mean 'reshape'? it takes the sizes"},
    {HINT_FUNCTION, "squeeze",       "did you mean 'reshape'? it takes the sizes"},
    {HINT_FUNCTION, "unsqueeze",     "did you mean 'reshape'? it takes the sizes"},
    {HINT_FUNCTION, "expand_dims",   "did you mean 'reshape'? it takes the sizes"},
    {HINT_FUNCTION, "broadcast_to",  "did you mean 'broadcast'?"},
    {HINT_FUNCTION, "expand",        "did you mean 'broadcast'?"},
    {HINT_FUNCTION, "tile",          "did you mean 'broadcast'?"},
    {HINT_FUNCTION, "take",          "did you mean 'gather'?"},
    {HINT_FUNCTION, "index_select",  "did you mean 'gather'?"},
    {HINT_FUNCTION, "detach",        "did you mean 'stop_gradient'?"},
    {HINT_FUNCTION, "amax",          "did you mean 'max'?"},
    {HINT_FUNCTION, "isfinite",      "did you mean 'is_finite'?"},
    {HINT_FUNCTION, "isnan",         "x != x is true where x is NaN"},
    {HINT_FUNCTION, "float",         "did you mean 'real'?"},
    {HINT_FUNCTION, "mse_loss",      "a mean squared error is mean((x - y) ** 2)"},
    {HINT_FUNCTION, "cross_entropy", "log_softmax(x) gives the logarithms of the probabilities"},
    {HINT_FUNCTION, "print",         "nothing prints: a node is seen as an output"},

    {HINT_FIELD, "shape", "the sizes are shape(x), one of them size(x, axis)"},
    {HINT_FIELD, "size",  "the number of elements is size(x)"},
    {HINT_FIELD, "ndim",  "the number of axes stands in the type of an input"},
    {HINT_FIELD, "dtype", "the element type stands in the type of an input"},

    {HINT_TYPE, "real",   "a scalar is written \"[]\""},
    {HINT_TYPE, "i32",    "a scalar is written \"i32[]\""},
    {HINT_TYPE, "int",    "a scalar is written \"i32[]\""},
    {HINT_TYPE, "bool",   "a scalar is written \"bool[]\""},
    {HINT_TYPE, "float",  "a scalar is written \"[]\""},
    {HINT_TYPE, "f32",    "a scalar is written \"[]\""},
    {HINT_TYPE, "f64",    "a scalar is written \"[]\""},
    {HINT_TYPE, "scalar", "a scalar is written \"[]\""},
    {HINT_TYPE, "tensor", "a tensor has a shape such as \"[N, 3]\", or \"[..., n]\" for any leading axes"},
    {HINT_TYPE, "array",  "a tensor has a shape such as \"[N, 3]\", or \"[..., n]\" for any leading axes"},
    {HINT_TYPE, "str",    "words are options, or arguments with a default"},

    {HINT_KEY, "return",   "the value of a function stands under 'output'"},
    {HINT_KEY, "minimize", "'minimize' stands in a program, under 'programs'"},
    {HINT_KEY, "update",   "'update' stands in a program, under 'programs'"},
    {HINT_KEY, "elif",     "a further 'if' stands as a mapping of its own under 'else'"},
    {HINT_KEY, "for",      "loops are 'scan', 'map' and 'repeat'"},
    {HINT_KEY, "while",    "loops are 'scan', 'map' and 'repeat'"},

    {HINT_MAPPING, "'inputs'",    "written as  inputs: {x: \"[N, 3]\"}"},
    {HINT_MAPPING, "'nodes'",     "written as  nodes: {h: x + 1}, in any order"},
    {HINT_MAPPING, "'import'",    "written as  import: {nn: lib/nn}"},
    {HINT_MAPPING, "'modules'",   "written as  modules: {dynamics: interfaces/dynamics}"},
    {HINT_MAPPING, "'functions'", "written as  functions: {f: {inputs: {x: \"[3]\"}, output: x}}"},
    {HINT_MAPPING, "'programs'",  "written as  programs: {fit: {inputs: {x: \"[3]\"}, outputs: x}}"},
    {HINT_MAPPING, "'over'",      "written as  over: {row: x}"},
    {HINT_MAPPING, "'carry'",     "written as  carry: {h: x}"},
    {HINT_MAPPING, "'next'",      "written as  next: {h: h + 1}"},
    {HINT_MAPPING, "'collect'",   "written as  collect: {cost: sum(h)}"},
    {HINT_MAPPING, "'update'",    "written as  update: {count: count + 1}"},
    {HINT_MAPPING, "'minimize'",  "written as  minimize: {value: l, over: params, by: optim.adam(rate=rate)}"},
    {HINT_MAPPING, "'scan'",      "written as  scan: {carry: {h: x}, steps: 5}"},
    {HINT_MAPPING, "'map'",       "written as  map: {over: {row: x}}"},
    {HINT_MAPPING, "'repeat'",    "written as  repeat: {index: i, times: 3, carry: {h: x}}"},
    {HINT_MAPPING, "'dims'",      "written as  dims: {dx: 3, N: {max: 100}}"},
};
// clang-format on

static const Hint *find(HintKind kind, const char *name) {
    for (int i = 0; i < hint_count(); i++) {
        if (hints[i].kind == kind && !strcmp(hints[i].name, name))
            return &hints[i];
    }
    return NULL;
}

bool hint_note(Diag *d, Loc loc, HintKind kind, const char *name) {
    const Hint *h = find(kind, name);
    if (h)
        diag_note(d, loc, "%s", h->text);
    return h != NULL;
}

bool hint_is_type(const char *name) {
    return find(HINT_TYPE, name) != NULL;
}

int hint_count(void) {
    return (int)(sizeof hints / sizeof *hints);
}

const Hint *hint_at(int i) {
    return &hints[i];
}
