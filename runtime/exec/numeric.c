// runtime/exec/numeric.c -- what passes do to numbers: a graph evaluated after each of them.
#include "runtime/exec/numeric.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ir/build.h"

enum { MOST = 6 };

double rt_numeric_distance(const double *a, const double *b, int64_t n) {
    double error = 0, scale = 0;

    for (int64_t i = 0; i < n; i++) {
        if (a[i] == b[i] || (isnan(a[i]) && isnan(b[i]))) {
            scale = isfinite(b[i]) ? fmax(scale, fabs(b[i])) : scale;
            continue;
        }
        double d = fabs(a[i] - b[i]);
        if (!isfinite(d))
            return INFINITY;
        error = fmax(error, d);
        scale = fmax(scale, fabs(b[i]));
    }
    return scale > 0 ? error / scale : error;
}

// A copy that needs no State: parameters and states are inputs, their new values outputs.
static IrFunction *copy_of(Arena *a, const IrFunction *f) {
    IrFunction *g = ir_clone_function(a, f);

    for (int i = 0; i < g->body->n_params; i++)
        g->inputs[i] = (IrSlot){
            .name = arena_printf(a, "%s.%s", ir_role_name(f->inputs[i].role), f->inputs[i].name),
            .role = IR_ROLE_INPUT,
            .target = -1};
    for (int i = 0; i < g->body->n_results; i++)
        g->outputs[i] = (IrSlot){
            .name = arena_printf(a, "%s.%s", ir_role_name(f->outputs[i].role), f->outputs[i].name),
            .role = IR_ROLE_OUT,
            .target = -1};
    return g;
}

static RtProgram *build(Arena *a, const IrFunction *f) {
    static const PassId passes[] = {PASS_inline, PASS_grad,     PASS_map,
                                    PASS_fuse,   PASS_schedule, PASS_place};
    RtProgramDef def = {.backend = &ref_backend, .passes = {.pipeline = passes, .n_pipeline = 6}};
    Diag d = {0};
    char why[256];
    RtProgram *p = rt_program_from(a, copy_of(a, f), &d, &def, why, sizeof why);

    diag_free(&d); // what has no gradient is told by the compilation itself
    return p;
}

// Values of all outputs at the point; NULL where the graph cannot be compiled.
static double **evaluate(Arena *a, const RtNumeric *n, const IrFunction *f, int64_t **counts) {
    RtProgram *p = build(a, f);
    int n_out = f->body->n_results;
    double **values = arena_array(a, double *, n_out + 1);

    if (!p)
        return NULL;
    RtCall *call = rt_call_new(p, NULL, NULL);
    RtPoint point = n->point;
    point.fn = p->fn;
    rt_point_put(&point, call);
    rt_call_run(call, n->seed, 0);
    *counts = arena_array(a, int64_t, n_out + 1);
    for (int i = 0; i < n_out; i++) {
        (*counts)[i] = rt_call_output_count(call, i);
        values[i] = arena_array(a, double, (*counts)[i] + 1);
        rt_call_get(call, i, values[i], (*counts)[i]);
    }
    rt_call_free(call);
    rt_program_free(p);
    return values;
}

static bool all_finite(const RtNumeric *n, int n_out) {
    for (int i = 0; i < n_out; i++)
        for (int64_t k = 0; k < n->counts[i]; k++)
            if (isnan(n->values[i][k]))
                return false;
    return true;
}

// The values that later ones are compared with, where possible without NaN.
static void begin(RtNumeric *n, const IrFunction *f) {
    char why[256];

    rt_numeric_end(n);
    n->fn = f;
    n->dims = rt_point_dims(&n->arena, f, NULL, n->seed, why, sizeof why);
    for (int kind = 0; kind < RT_POINT_COUNT; kind++) {
        rt_point_new(&n->point, &n->arena, f, n->dims, NULL, NULL, (RtPointKind)kind, n->seed,
                     false, why, sizeof why);
        n->values = evaluate(&n->arena, n, f, &n->counts);
        if (!n->values || all_finite(n, f->body->n_results))
            return;
    }
}

static void compare(RtNumeric *n, PassId pass, int number, const IrFunction *f) {
    double tolerance = n->tolerance;
    Arena a = {0};
    int64_t *counts = NULL;
    double **values = evaluate(&a, n, f, &counts);

    n->n_passes++;
    for (int i = 0; values && i < f->body->n_results && !n->failed; i++) {
        bool narrow = f->body->results[i]->types[0].dtype == IR_F32;
        double limit = tolerance > 0 ? tolerance : narrow ? 1e-4 : 1e-10;
        double error = rt_numeric_distance(values[i], n->values[i], counts[i]);
        n->worst = fmax(n->worst, error);
        if (error <= limit)
            continue;
        n->failed = true;
        n->pass = pass;
        n->number = number;
        n->role = f->outputs[i].role;
        n->output = f->outputs[i].name;
        n->error = error;
    }
    arena_free(&a);
}

void rt_numeric_watch(void *data, PassId pass, int number, const IrFunction *f) {
    RtNumeric *n = data;

    if (n->failed)
        return;

    // little memory for the copies; the program keeps its maxima
    Arena a = {0};
    int64_t *max = arena_array(&a, int64_t, f->dims->n_vars + 1);
    for (int i = 0; i < f->dims->n_vars; i++) {
        max[i] = f->dims->vars[i]->max;
        f->dims->vars[i]->max = max[i] < MOST ? max[i] : MOST;
    }
    if (n->fn != f || n->point.n != f->body->n_params) // values of draws became inputs
        begin(n, f);
    else if (n->values)
        compare(n, pass, number, f);
    for (int i = 0; i < f->dims->n_vars; i++)
        f->dims->vars[i]->max = max[i];
    arena_free(&a);
}

void rt_numeric_end(RtNumeric *n) {
    arena_free(&n->arena);
    n->fn = NULL;
    n->dims = NULL;
    n->values = NULL;
    n->counts = NULL;
}
