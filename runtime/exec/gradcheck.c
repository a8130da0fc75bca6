// runtime/exec/gradcheck.c -- gradients of a function against finite differences.
//
// Three programs are made of one graph: r and its gradients, the values under stop_gradient, and r
// with these values as inputs. Differences come from the third. Their step is found for each
// direction: from a hundredth down, two steps of one pair give an extrapolated value and say how
// far to trust it; the most trusted pair wins, and near a kink that is one that does not reach it.
// A kink at the point itself shows in the jump between the slopes on both sides.
#include "runtime/exec/gradcheck.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ir/build.h"
#include "ir/random.h"
#include "passes/bind_draws.h"
#include "passes/hold.h"

enum { MAX_MOVES = 4, NORMAL_WORDS = 4 };

// Steps in the order in which they are tried, for values of size 1. Larger ones lose less to
// rounding, but many kinks within a step can look like one slope.
static const double steps[] = {1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8};
enum { N_STEPS = sizeof steps / sizeof *steps };

// The least scale of errors, by the greatest gradient of all arrays and by r, whose rounding hides
// what is smaller; how far a point moves.
static const double scale_by_all = 1e-6, scale_by_value = 1e-5, move_size = 1e-2;

// Points are drawn until a gradient by some element is this part of r, so that differences see it.
enum { MAX_POINTS = 10 };
static const double visible = 1e-3;

typedef struct Check {
    Arena *a;
    const RtGradcheckDef *def;
    RtGradcheck *out;
    IrFunction *f; // inlined; its bodies are copied
    int n_weights; // inputs behind those of f that weigh its outputs
    RtProgram *value, *gradient, *held;
    RtCall *value_call, *gradient_call, *held_call;
    double **weights;
    int64_t *weight_counts;
    int *wrt;      // inputs of f
    double **x;    // the point; moved from kinks
    double **g;    // gradients there, of each array in `wrt`
    double **v;    // the direction
    double r;      // the value
    uint64_t seed; // of random values and draws
} Check;

RtGradcheckDef rt_gradcheck_def(void) {
    return (RtGradcheckDef){.tolerance = 1e-6, .samples = 16};
}

// ---- graphs -------------------------------------------------------------------------------------

static bool is_real(const IrNode *n) {
    return ir_dtype_is_real(n->types[0].dtype);
}

// One real scalar needs no weight.
static bool is_scalar(const IrFunction *f) {
    int n = 0, rank = 0;

    for (int i = 0; i < f->body->n_results; i++)
        if (is_real(f->body->results[i])) {
            n++;
            rank += f->body->results[i]->types[0].rank;
        }
    return n == 1 && rank == 0;
}

// The sum of the real ones of `outs`, each times a parameter of `weights`.
static IrNode *project(IrBuilder *b, IrNode *const *outs, int n, IrNode *const *weights) {
    IrNode *sum = NULL;
    int axes[IR_MAX_RANK];

    for (int i = 0; i < IR_MAX_RANK; i++)
        axes[i] = i;
    for (int i = 0; i < n; i++) {
        if (!is_real(outs[i]))
            continue;
        IrNode *x = weights ? ir_mul(b, outs[i], *weights++) : outs[i];
        if (x->types[0].rank > 0)
            x = ir_reduce(b, IR_OP_sum, x, x->types[0].rank, axes);
        sum = sum ? ir_add(b, sum, x) : x;
    }
    return sum;
}

// Adds to `fn` an input for each weight, called "weight.0", ...
static IrNode **add_weights(Check *c, IrFunction *fn, const IrFunction *f) {
    IrNode **weights = arena_array(fn->arena, IrNode *, f->body->n_results + 1);
    int n = 0;

    for (int i = 0; i < f->body->n_results && !is_scalar(f); i++)
        if (is_real(f->body->results[i])) {
            IrSlot slot = {.name = arena_printf(fn->arena, "weight.%d", n), .target = -1};
            weights[n++] = ir_add_input(fn, f->body->results[i]->types[0], slot, f->loc);
        }
    c->n_weights = n;
    return weights;
}

// A copy whose inputs are all given with the call, by their names with their roles.
static IrFunction *copy_of(Check *c) {
    IrFunction *fn = ir_clone_function(c->f->arena, c->f);

    for (int i = 0; i < fn->body->n_params; i++) {
        IrSlot *s = &fn->inputs[i];
        *s = (IrSlot){.name = arena_printf(c->a, "%s.%s", ir_role_name(s->role), s->name),
                      .role = IR_ROLE_INPUT,
                      .target = -1};
    }
    return fn;
}

static IrFunction *value_graph(Check *c) {
    IrFunction *fn = copy_of(c);
    IrNode **weights = add_weights(c, fn, c->f);
    IrBuilder b = {.fn = fn, .block = fn->body, .loc = fn->loc};
    IrNode *r = project(&b, fn->body->results, fn->body->n_results, c->n_weights ? weights : NULL);

    fn->body->n_results = 0;
    ir_add_output(fn, r, (IrSlot){.name = "r", .role = IR_ROLE_OUT, .target = -1});
    hold_inputs(fn);
    return fn;
}

static IrFunction *held_graph(Check *c) {
    IrFunction *fn = copy_of(c);

    fn->body->n_results = 0;
    c->out->n_held = hold_outputs(fn);
    return fn;
}

static IrFunction *gradient_graph(Check *c) {
    IrFunction *from = copy_of(c);
    IrFunction *fn = ir_function_new(from->arena, from->dims, from->name);
    IrBlock *body = ir_clone_block(fn, from->body);
    int n = from->body->n_params;

    for (int i = 0; i < n; i++)
        ir_add_input(fn, from->body->params[i]->types[0], from->inputs[i], from->loc);
    add_weights(c, fn, c->f);
    IrNode **weights = arena_array(c->a, IrNode *, c->n_weights + 1);
    for (int i = 0; i < c->n_weights; i++)
        weights[i] = ir_block_add_param(fn, body, fn->body->params[n + i]->types[0],
                                        fn->inputs[n + i].name, fn->loc);
    IrBuilder b = {.fn = fn, .block = body, .loc = from->loc};
    IrNode *r = project(&b, body->results, body->n_results, c->n_weights ? weights : NULL);
    body->n_results = 0;
    ir_block_add_result(fn, body, r);

    b.block = fn->body;
    IrNode *grad = ir_grad(&b, body, fn->body->n_params, fn->body->params, c->out->n, c->wrt);
    ir_add_output(fn, ir_get(&b, grad, 0),
                  (IrSlot){.name = "r", .role = IR_ROLE_OUT, .target = -1});
    for (int i = 0; i < c->out->n; i++)
        ir_add_output(fn, ir_get(&b, grad, 1 + i),
                      (IrSlot){.name = c->out->arrays[i].name, .role = IR_ROLE_GRAD, .target = -1});
    fn->loc = from->loc;
    ir_renumber(fn);
    return fn;
}

// ---- what there is to differentiate -------------------------------------------------------------

static void list_arrays(Check *c) {
    const IrFunction *f = c->f;
    RtGradcheck *out = c->out;

    out->arrays = arena_array(c->a, RtGradArray, f->body->n_params + 1);
    c->wrt = arena_array(c->a, int, f->body->n_params + 1);
    for (int i = 0; i < f->body->n_params; i++) {
        const IrType *type = &f->body->params[i]->types[0];
        if (!is_real(f->body->params[i]) || f->inputs[i].role == IR_ROLE_DRAW)
            continue;
        RtGradArray *array = &out->arrays[out->n];
        *array = (RtGradArray){
            .name = arena_printf(c->a, "%s.%s", ir_role_name(f->inputs[i].role), f->inputs[i].name),
            .rank = type->rank,
            .worst_at = -1};
        c->wrt[out->n++] = i;
    }
    out->together = (RtGradArray){.name = "all together", .worst_at = -1};
}

static bool has_real_output(const IrFunction *f) {
    for (int i = 0; i < f->body->n_results; i++)
        if (is_real(f->body->results[i]))
            return true;
    return false;
}

static RtProgram *build(Check *c, IrFunction *fn, Diag *d, char *why, size_t why_size) {
    RtProgramDef def = *c->def->program;

    def.n_draws = 0; // bound already
    return rt_program_from(c->a, fn, d, &def, why, why_size);
}

// ---- evaluation ---------------------------------------------------------------------------------

static void put(const Check *c, RtCall *call, bool weights) {
    const RtPoint *p = &c->out->point;

    for (int i = 0; i < p->fn->dims->n_vars; i++)
        rt_call_set_dim(call, p->fn->dims->vars[i]->name, p->dims[i]);
    for (int i = 0; i < p->n; i++)
        rt_call_put(call, i, c->x[i], p->counts[i]);
    for (int i = 0; i < c->n_weights && weights; i++)
        rt_call_put(call, p->n + i, c->weights[i], c->weight_counts[i]);
}

// Values, gradients and what is held, at the point c->x. False where r is not finite.
static bool evaluate(Check *c) {
    const RtGradcheck *out = c->out;

    put(c, c->value_call, true);
    if (out->n_held > 0) {
        put(c, c->held_call, false);
        rt_call_run(c->held_call, c->seed, 0);
    }
    for (int i = 0; i < out->n_held; i++) {
        int64_t n = rt_call_output_count(c->held_call, i);
        double *values = arena_array(c->a, double, n + 1);
        rt_call_get(c->held_call, i, values, n);
        rt_call_put(c->value_call, out->point.n + c->n_weights + i, values, n);
    }
    rt_call_run(c->value_call, c->seed, 0);
    rt_call_get(c->value_call, 0, &c->r, 1);
    if (!isfinite(c->r))
        return false;

    put(c, c->gradient_call, true);
    rt_call_run(c->gradient_call, c->seed, 0);
    for (int i = 0; i < out->n; i++)
        rt_call_get(c->gradient_call, 1 + i, c->g[i], out->point.counts[c->wrt[i]]);
    return true;
}

// A direction: coordinate `at` of array `array`, or with at = -1 all of its elements, or with array
// = -1 all of all arrays.
typedef struct Probe {
    int array;
    int64_t at;
    RtGradArray *to;
    bool moved;
} Probe;

static bool is_touched(const Probe *p, int array) {
    return p->array < 0 || p->array == array;
}

// r at the point moved by `t` along the probe's direction.
static double value_at(const Check *c, const Probe *p, double t) {
    const RtPoint *point = &c->out->point;
    double r;

    for (int i = 0; i < c->out->n; i++) {
        int input = c->wrt[i];
        if (!is_touched(p, i))
            continue;
        if (p->at >= 0)
            rt_call_put_at(c->value_call, input, p->at, c->x[input][p->at] + t);
        for (int64_t k = 0; k < point->counts[input] && p->at < 0; k++)
            rt_call_put_at(c->value_call, input, k, c->x[input][k] + t * c->v[i][k]);
    }
    rt_call_run(c->value_call, c->seed, 0);
    rt_call_get(c->value_call, 0, &r, 1);
    return r;
}

static void put_back(const Check *c, const Probe *p) {
    for (int i = 0; i < c->out->n; i++)
        if (is_touched(p, i))
            rt_call_put(c->value_call, c->wrt[i], c->x[c->wrt[i]], c->out->point.counts[c->wrt[i]]);
}

// ---- one difference -----------------------------------------------------------------------------

// A derivative, how far it may be off, and what of that is rounding.
typedef struct Estimate {
    double slope, doubt, rounding;
} Estimate;

// By Ridders' scheme, from the steps h, h / 2, h / 4.
static Estimate estimate(const Check *c, const Probe *p, double h) {
    double slopes[3], most = 0;

    for (int i = 0; i < 3; i++) {
        double t = h / (1 << i), up = value_at(c, p, t), down = value_at(c, p, -t);
        slopes[i] = (up - down) / (2 * t);
        most = fmax(most, fmax(fabs(up), fabs(down)));
    }
    double first = (4 * slopes[1] - slopes[0]) / 3, second = (4 * slopes[2] - slopes[1]) / 3;
    double best = (16 * second - first) / 15;
    double rounding = 16 * DBL_EPSILON * most / h;
    return (Estimate){.slope = best,
                      .doubt = fmax(fabs(best - first), fabs(best - second)) + rounding,
                      .rounding = rounding};
}

// How much the slopes on both sides differ, from a step; and what rounding makes of it.
static double jump_at(const Check *c, const Probe *p, double h, double *rounding) {
    double up = value_at(c, p, h), down = value_at(c, p, -h);

    *rounding = 16 * DBL_EPSILON * fmax(fabs(c->r), fmax(fabs(up), fabs(down))) / h;
    return (up - 2 * c->r + down) / h;
}

// Whether the point itself is at a kink: the jump does not shrink with the step.
static bool is_at_kink(const Check *c, const Probe *p, double size) {
    static const double far = 1e-5, near = 1e-6;
    double doubt, near_doubt;
    double jump = jump_at(c, p, far * size, &doubt);
    double near_jump = jump_at(c, p, near * size, &near_doubt);

    return fabs(near_jump) > 4 * near_doubt && fabs(near_jump) > 0.5 * fabs(jump);
}

// Whether smaller steps say something else than the estimate `e`: a kink is within its steps.
static bool is_near_kink(const Check *c, const Probe *p, double size, Estimate e) {
    for (int i = 1; i < N_STEPS; i++) {
        Estimate small = estimate(c, p, steps[i] * size);
        if (fabs(small.slope - e.slope) > 4 * small.rounding + e.doubt)
            return true;
    }
    return false;
}

// The most trusted of several steps; the search ends where the doubt is below `enough`.
static Estimate differentiate(const Check *c, const Probe *p, double size, double enough) {
    Estimate best = {.doubt = INFINITY};

    for (int i = 0; i < N_STEPS && !(best.doubt <= enough); i++) {
        Estimate e = estimate(c, p, steps[i] * size);
        if (e.doubt < best.doubt)
            best = e;
    }
    put_back(c, p);
    return best;
}

// ---- probes -------------------------------------------------------------------------------------

static double normal_at(uint64_t key, int64_t i) {
    uint32_t w[NORMAL_WORDS];

    ir_philox(key, (uint64_t)i, 0, w);
    return ir_normal_f64(w);
}

// A random direction of length 1 through what the probe touches.
static void draw_direction(Check *c, const Probe *p, uint64_t salt) {
    double sum = 0;

    for (int i = 0; i < c->out->n; i++)
        for (int64_t k = 0; is_touched(p, i) && k < c->out->point.counts[c->wrt[i]]; k++) {
            c->v[i][k] = normal_at(ir_random_key(c->def->seed ^ salt, (uint64_t)i), k);
            sum += c->v[i][k] * c->v[i][k];
        }
    for (int i = 0; i < c->out->n; i++)
        for (int64_t k = 0; is_touched(p, i) && k < c->out->point.counts[c->wrt[i]]; k++)
            c->v[i][k] /= sum > 0 ? sqrt(sum) : 1;
}

static double slope_of_gradient(const Check *c, const Probe *p) {
    double sum = 0;

    if (p->at >= 0)
        return c->g[p->array][p->at];
    for (int i = 0; i < c->out->n; i++)
        for (int64_t k = 0; is_touched(p, i) && k < c->out->point.counts[c->wrt[i]]; k++)
            sum += c->g[i][k] * c->v[i][k];
    return sum;
}

// How far elements of the arrays are from 0, at least 1: steps are in proportion.
static double size_of(const Check *c, const Probe *p) {
    double size = 1;

    for (int i = 0; i < c->out->n; i++)
        for (int64_t k = 0; is_touched(p, i) && k < c->out->point.counts[c->wrt[i]]; k++)
            if (p->at < 0 || k == p->at)
                size = fmax(size, fabs(c->x[c->wrt[i]][k]));
    return size;
}

static double greatest(const double *x, int64_t n) {
    double most = 0;

    for (int64_t i = 0; i < n; i++)
        most = x[i] == x[i] ? fmax(most, fabs(x[i])) : NAN;
    return most;
}

// What errors of array `array` (-1: of all) are divided by.
static double scale_of(const Check *c, int array) {
    double all = 0;

    for (int i = 0; i < c->out->n; i++)
        all = fmax(all, greatest(c->g[i], c->out->point.counts[c->wrt[i]]));
    double own = array < 0 ? all : greatest(c->g[array], c->out->point.counts[c->wrt[array]]);
    double scale = fmax(fmax(own, scale_by_all * all), scale_by_value * fabs(c->r));
    return scale > 0 ? scale : 1;
}

// Compares one probe. False at a kink.
static bool try(Check *c, const Probe *p) {
    double tolerance = c->def->tolerance, scale = scale_of(c, p->array);

    if (p->at < 0)
        draw_direction(c, p, (uint64_t)p->array + 1);
    double g = slope_of_gradient(c, p);
    Estimate e = differentiate(c, p, size_of(c, p), tolerance * scale / 1000);
    double off = fabs(e.slope - g);
    bool inside = off <= tolerance * scale;
    if (isfinite(g) && !inside && !(e.doubt <= tolerance * scale / 4))
        return false; // no steps agree
    if (isfinite(g) && !inside) {
        bool kink = is_at_kink(c, p, size_of(c, p)) || is_near_kink(c, p, size_of(c, p), e);
        put_back(c, p);
        if (kink)
            return false;
    }
    double error = off / scale;
    RtGradArray *to = p->to;
    to->n_moved += p->moved;
    if (!(error <= to->worst)) {
        to->worst = error == error ? error : INFINITY;
        to->worst_at = p->at;
        to->got = g;
        to->wanted = e.slope;
    }
    return true;
}

// Moves the point a little, along all arrays.
static bool move(Check *c, int attempt) {
    for (int i = 0; i < c->out->n; i++) {
        int input = c->wrt[i];
        uint64_t key = ir_random_key(c->seed + 77, (uint64_t)(attempt * 1000 + i));
        for (int64_t k = 0; k < c->out->point.counts[input]; k++) {
            double x = c->out->point.values[input][k];
            c->x[input][k] = x + move_size * fmax(0.1, fabs(x)) * normal_at(key, k);
        }
    }
    return evaluate(c);
}

// The coordinates to try, in places[]: all, or the one of the greatest gradient and a sample.
static int choose_places(const Check *c, int array, int64_t *places) {
    int64_t n = c->out->point.counts[c->wrt[array]], at = 0;
    int samples = c->def->samples;

    for (int64_t k = 0; k < n && n <= samples; k++)
        places[k] = k;
    if (n <= samples)
        return (int)n;
    for (int64_t k = 0; k < n; k++)
        at = fabs(c->g[array][k]) > fabs(c->g[array][at]) ? k : at;
    int chosen = 0;
    places[chosen++] = at;
    uint64_t key = ir_random_key(c->def->seed + 5, (uint64_t)array);
    for (uint64_t k = 0; chosen < samples && k < 1000; k++) {
        int64_t place = (int64_t)(ir_random_mix(key + k) % (uint64_t)n);
        bool is_new = true;
        for (int i = 0; i < chosen; i++)
            is_new = is_new && places[i] != place;
        if (is_new)
            places[chosen++] = place;
    }
    return chosen;
}

static int list_probes(Check *c, Probe *probes) {
    int64_t *places = arena_array(c->a, int64_t, c->def->samples + 1);
    RtGradcheck *out = c->out;
    int n = 0;

    for (int i = 0; i < out->n; i++) {
        RtGradArray *array = &out->arrays[i];
        int n_places = choose_places(c, i, places);
        for (int k = 0; k < n_places; k++)
            probes[n++] = (Probe){.array = i, .at = places[k], .to = array};
        if (out->point.counts[c->wrt[i]] > 1)
            probes[n++] = (Probe){.array = i, .at = -1, .to = array};
        array->n_probes = n_places + (out->point.counts[c->wrt[i]] > 1);
        array->largest = greatest(c->g[i], out->point.counts[c->wrt[i]]);
        for (int k = 0; k < array->rank; k++)
            array->shape[k] =
                rt_call_dim(c->gradient_call, c->f->body->params[c->wrt[i]]->types[0].dims[k]);
    }
    out->together.n_probes = 1;
    probes[n++] = (Probe){.array = -1, .at = -1, .to = &out->together};
    return n;
}

// Tries all probes at the point; those at kinks again at others near it.
static void try_all(Check *c) {
    RtGradcheck *out = c->out;
    Probe *probes = arena_array(c->a, Probe, out->n * (c->def->samples + 1) + 1);
    int n = list_probes(c, probes);

    for (int attempt = 0; n > 0 && attempt <= MAX_MOVES; attempt++) {
        int left = 0;
        if (attempt > 0 && !move(c, attempt))
            continue;
        for (int i = 0; i < n; i++) {
            probes[i].moved = attempt > 0;
            if (!try(c, &probes[i]))
                probes[left++] = probes[i];
        }
        n = left;
    }
    for (int i = 0; i < n; i++)
        probes[i].to->n_kinks++;
}

static void sum_up(Check *c) {
    RtGradcheck *out = c->out;
    RtGradArray *together = arena_new(c->a, RtGradArray); // `out` itself is handed on as a copy

    *together = out->together;
    out->ok = true;
    for (int i = 0; i <= out->n; i++) {
        const RtGradArray *array = i < out->n ? &out->arrays[i] : together;
        if (!out->worst_array || array->worst > out->worst) {
            out->worst = array->worst;
            out->worst_array = array;
        }
        out->n_probes += array->n_probes;
        out->n_kinks += array->n_kinks;
        out->n_moved += array->n_moved;
        bool tried = array->n_kinks < array->n_probes || array->n_probes == 0;
        out->ok = out->ok && array->worst <= c->def->tolerance && (tried || i == out->n);
    }
}

// ---- the check ----------------------------------------------------------------------------------

// Weights of the outputs, and memory for what the point needs.
static void prepare(Check *c) {
    RtPoint *p = &c->out->point;

    c->weights = arena_array(c->a, double *, c->n_weights + 1);
    c->weight_counts = arena_array(c->a, int64_t, c->n_weights + 1);
    c->x = arena_array(c->a, double *, p->n + 1);
    c->g = arena_array(c->a, double *, c->out->n + 1);
    c->v = arena_array(c->a, double *, c->out->n + 1);
    for (int i = 0; i < p->n; i++) {
        c->x[i] = arena_array(c->a, double, p->counts[i] + 1);
        memcpy(c->x[i], p->values[i], (size_t)p->counts[i] * sizeof(double));
    }
    for (int i = 0; i < c->out->n; i++) {
        c->g[i] = arena_array(c->a, double, p->counts[c->wrt[i]] + 1);
        c->v[i] = arena_array(c->a, double, p->counts[c->wrt[i]] + 1);
    }
    for (int i = 0; i < p->fn->dims->n_vars; i++)
        rt_call_set_dim(c->value_call, p->fn->dims->vars[i]->name, p->dims[i]);
    for (int i = 0; i < c->n_weights; i++) {
        c->weight_counts[i] = rt_call_input_count(c->value_call, p->n + i);
        c->weights[i] = arena_array(c->a, double, c->weight_counts[i] + 1);
        uint64_t key = ir_random_key(c->def->seed + 9, (uint64_t)i);
        for (int64_t k = 0; k < c->weight_counts[i]; k++)
            c->weights[i][k] = normal_at(key, k);
    }
}

// How well gradients are seen at a point: the greatest, as a part of r; negative where r is not
// finite.
static double look(Check *c, const int64_t *dims, int number, char *why, size_t why_size) {
    RtGradcheck *out = c->out;

    out->kind = (RtPointKind)(number < RT_POINT_COUNT ? number : RT_POINT_NORMAL);
    c->seed = c->def->seed + (uint64_t)(number < RT_POINT_COUNT ? 0 : number) * 1000003;
    if (!rt_point_new(&out->point, c->a, c->f, dims, c->def->data, c->def->state, out->kind,
                      c->seed, false, why, why_size))
        return -1;
    prepare(c);
    if (!evaluate(c))
        return -1;
    double most = 0;
    for (int i = 0; i < out->n; i++)
        most = fmax(most, greatest(c->g[i], out->point.counts[c->wrt[i]]));
    return c->r == 0 ? (most > 0 ? visible : 0) : most / fabs(c->r);
}

// Checks at the first point where gradients are well seen, or at the one of several where they are
// seen best.
static RtGradStatus check_somewhere(Check *c, const int64_t *dims, char *why, size_t why_size) {
    double best = -1;
    int chosen = -1, last = -1;

    for (int i = 0; i < MAX_POINTS && best < visible; i++) {
        double seen = look(c, dims, i, why, why_size);
        if (why[0])
            return RT_GRAD_BROKEN;
        last = i;
        if (seen > best) {
            best = seen;
            chosen = i;
        }
    }
    if (chosen < 0)
        return RT_GRAD_NOT_FINITE;
    if (chosen != last)
        look(c, dims, chosen, why, why_size);
    try_all(c);
    sum_up(c);
    return RT_GRAD_CHECKED;
}

static RtGradStatus check(Check *c, Diag *d, char *why, size_t why_size) {
    PassOptions inline_only = {.pipeline = (const PassId[]){PASS_inline, PASS_dce},
                               .n_pipeline = 2};
    const RtProgramDef *program = c->def->program;

    if (!pass_run_pipeline(c->f, &inline_only, d, c->a, NULL))
        return RT_GRAD_BROKEN;
    c->out->draws_found = arena_array(c->a, bool, program->n_draws + 1);
    bind_draws(c->f, program->draws, program->n_draws, c->out->draws_found);
    rt_point_cap(c->f, c->def->data, 8);
    int64_t *dims = rt_point_dims(c->a, c->f, c->def->data, c->def->seed, why, why_size);
    if (!dims)
        return RT_GRAD_BROKEN;
    list_arrays(c);
    if (c->out->n == 0 || !has_real_output(c->f))
        return RT_GRAD_NONE;
    if (!(c->gradient = build(c, gradient_graph(c), d, why, why_size)))
        return why[0] ? RT_GRAD_BROKEN : RT_GRAD_IMPASSABLE;
    if (!(c->value = build(c, value_graph(c), d, why, why_size)) ||
        !(c->held = build(c, held_graph(c), d, why, why_size)))
        return RT_GRAD_BROKEN;
    c->gradient_call = rt_call_new(c->gradient, NULL, c->def->pool);
    c->value_call = rt_call_new(c->value, NULL, c->def->pool);
    c->held_call = rt_call_new(c->held, NULL, c->def->pool);
    return check_somewhere(c, dims, why, why_size);
}

RtGradcheck rt_gradcheck(Arena *a, IrFunction *f, Diag *d, const RtGradcheckDef *def, char *why,
                         size_t why_size) {
    RtGradcheck out = {.fn = f};
    Check c = {.a = a, .def = def, .out = &out, .f = f};

    why[0] = '\0';
    out.status = check(&c, d, why, why_size);
    rt_call_free(c.gradient_call);
    rt_call_free(c.value_call);
    rt_call_free(c.held_call);
    rt_program_free(c.gradient);
    rt_program_free(c.value);
    rt_program_free(c.held);
    return out;
}
