// tests/support_run.c -- graphs lowered to kernels, run by the reference back end or compiled, and
// compared with their direct evaluation.
#include "tests/support_run.h"

#include <check.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/text.h"
#include "passes/pass.h"
#include "tests/support_graph.h"

const IrTarget run_small_pieces = {.name = "test",
                                   .vector_bytes = 32,
                                   .l1_bytes = 32768,
                                   .l2_bytes = 1 << 20,
                                   .flops_per_row_piece = 4};

static LowerFn *const lower_rows[] = {pass_fuse, pass_schedule, pass_place};

IrSchedule *run_lower(Arena *a, const IrFunction *f, const IrTarget *target) {
    IrSchedule *s = arena_new(a, IrSchedule);
    s->arena = a;
    s->fn = ir_clone_function(a, f);
    s->dims = s->fn->dims;
    s->target = target;
    ir_renumber(s->fn);

    Arena scratch = {0};
    Diag d = {0};
    PassCtx cx = {.scratch = &scratch, .diag = &d};
    pass_layout(&cx, s->fn);
    ir_renumber(s->fn);
    for (size_t i = 0; i < sizeof lower_rows / sizeof *lower_rows; i++) {
        lower_rows[i](&cx, s);
        arena_reset(&scratch);
    }
    arena_free(&scratch);
    diag_free(&d);

    Buf why = {0};
    if (!ir_verify_schedule(s, &why)) {
        Buf text = {0};
        ir_print_function(&text, s->fn, false);
        ir_print_schedule(&text, s, false);
        fprintf(stderr, "%s\n%s", buf_text(&text), buf_text(&why));
        ck_abort_msg("the schedule is not valid");
    }
    buf_free(&why);
    return s;
}

// ---- running ------------------------------------------------------------------------------------

typedef struct Thread {
    pthread_t thread;
    const Backend *backend;
    const BackendStep *step;
    const BackendCall *call;
    int number;
} Thread;

static void *enter(void *data) {
    const Thread *t = data;
    t->backend->run(t->step, t->call, t->number);
    return NULL;
}

void run_threads(const Backend *backend, const BackendStep *step, const BackendCall *call) {
    Thread threads[8];
    for (int i = 0; i < call->n_threads; i++) {
        threads[i] = (Thread){.backend = backend, .step = step, .call = call, .number = i};
        if (i > 0)
            pthread_create(&threads[i].thread, NULL, enter, &threads[i]);
    }
    enter(&threads[0]);
    for (int i = 1; i < call->n_threads; i++)
        pthread_join(threads[i].thread, NULL);
}

static EvalTensor **run_on(Backend *backend, const Eval *e, const IrSchedule *s,
                           EvalTensor *const *in, int n_threads) {
    const IrFunction *f = s->fn;
    int n_in = f->body->n_params, n_out = f->body->n_results;
    char why[256] = "";
    ck_assert_msg(backend->open(why, sizeof why), "%s", why);
    BackendReport report = {0};
    BackendStep *step =
        backend->compile(s, &(BackendOptions){.no_cache = true}, &report, why, sizeof why);
    ck_assert_msg(step != NULL, "%s", why);

    // memory that starts out as NaN, so that nobody relies on zeros
    void **inputs = arena_array(e->arena, void *, n_in);
    void **outputs = arena_array(e->arena, void *, n_out);
    EvalTensor **out = arena_array(e->arena, EvalTensor *, n_out);
    for (int i = 0; i < n_in; i++) {
        inputs[i] = calloc((size_t)in[i]->n + 1, 8);
        eval_store(in[i], inputs[i]);
    }
    for (int i = 0; i < n_out; i++) {
        out[i] = eval_zeros(e, &f->body->results[i]->types[0]);
        size_t size = (size_t)out[i]->n * 8 + 8;
        outputs[i] = malloc(size);
        memset(outputs[i], 0xff, size);
    }
    size_t arena_size = ((size_t)s->arena_bytes + 127) / 64 * 64;
    void *memory = aligned_alloc(64, arena_size);
    memset(memory, 0xff, arena_size);

    atomic_int barrier[2] = {0};
    BackendCall call = {.inputs = inputs,
                        .outputs = outputs,
                        .dims = e->dims,
                        .arena = memory,
                        .seed = e->seed,
                        .call = e->call,
                        .n_threads = n_threads,
                        .barrier = barrier};
    run_threads(backend, step, &call);
    for (int i = 0; i < n_out; i++)
        eval_load(out[i], s->update_in_place[i] ? inputs[f->outputs[i].target] : outputs[i]);
    for (int i = 0; i < n_in; i++)
        free(inputs[i]);
    for (int i = 0; i < n_out; i++)
        free(outputs[i]);
    free(memory);
    backend->free(step);
    return out;
}

EvalTensor **run_schedule(const Eval *e, const IrSchedule *s, EvalTensor *const *in,
                          int n_threads) {
    return run_on(&ref_backend, e, s, in, n_threads);
}

// Dim i is `size` + i, or its maximum if that is less; with size 0 all are 0.
static int64_t *dims_of_size(Arena *a, const IrFunction *f, int64_t size) {
    int64_t *dims = arena_array(a, int64_t, f->dims->n_vars);
    for (int i = 0; i < f->dims->n_vars; i++) {
        dims[i] = size ? size + i : 0;
        if (dims[i] > f->dims->vars[i]->max)
            dims[i] = f->dims->vars[i]->max;
    }
    return dims;
}

// The greatest distance of what 1, 2 and 3 threads give, which is the same to the bit, to what is
// expected.
static double distance_on(Backend *backend, const Eval *e, const IrSchedule *s,
                          EvalTensor *const *in, EvalTensor *const *expected) {
    double most = 0;
    EvalTensor **first = NULL;
    for (int n_threads = 1; n_threads <= 3; n_threads++) {
        EvalTensor **out = run_on(backend, e, s, in, n_threads);
        for (int i = 0; i < s->fn->body->n_results; i++) {
            double d = eval_distance(expected[i], out[i]);
            most = d > most || isnan(d) ? d : most;
            ck_assert_msg(!first || !memcmp(first[i]->x, out[i]->x, (size_t)out[i]->n * 8),
                          "output %s differs with %d threads", s->fn->outputs[i].name, n_threads);
        }
        first = first ? first : out;
    }
    return most;
}

double run_distance(const IrFunction *f, int64_t size, uint64_t salt) {
    Arena a = {0};
    Eval e = {.arena = &a, .dims = dims_of_size(&a, f, size), .seed = 7, .call = 3};
    EvalTensor **in = eval_random_inputs(&e, f, salt);
    EvalTensor **expected = eval_function(&e, f, in);
    double most = distance_on(&ref_backend, &e, run_lower(&a, f, &run_small_pieces), in, expected);
    arena_free(&a);
    return most;
}

double run_compiled_distance(const IrFunction *f, const int64_t *sizes, int n_sizes,
                             uint64_t salt) {
    static PassFn *const all[] = {pass_inline,   pass_simplify, pass_fold, pass_cse,
                                  pass_dce,      pass_grad,     pass_map,  pass_simplify,
                                  pass_fold,     pass_cse,      pass_dce,  pass_hoist,
                                  pass_simplify, pass_cse,      pass_dce,  NULL};
    Arena a = {0};
    IrFunction *g = graph_after(&a, f, all);
    IrSchedule *s = run_lower(&a, g, &run_small_pieces);
    double most = 0;
    for (int k = 0; k < n_sizes; k++) {
        Eval e = {.arena = &a, .dims = dims_of_size(&a, f, sizes[k]), .seed = 7, .call = 3};
        EvalTensor **in = eval_random_inputs(&e, f, salt);
        EvalTensor **expected = eval_function(&e, f, in);
        Backend *const backends[] = {&ref_backend, &llvm_backend};
        for (int i = 0; i < 2; i++) {
            double d = distance_on(backends[i], &e, s, in, expected);
            most = d > most || isnan(d) ? d : most;
        }
    }
    arena_free(&a);
    return most;
}

double run_text_distance(const char *text, int64_t size) {
    Arena a = {0};
    Diag d = {0};
    double distance = run_distance(graph_entry(graph_parse(&a, &d, text)), size, 1);
    arena_free(&a);
    diag_free(&d);
    return distance;
}

int run_count(const IrTree *t, IrTreeKind kind) {
    int n = t->kind == kind;
    for (int i = 0; i < t->n; i++)
        n += run_count(t->children[i], kind);
    return n;
}
