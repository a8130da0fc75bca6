// tests/check_models.c -- the models, compiled: against reference data, against the interpreter,
// for any number of threads and rows, at the edges of their dims; and what their code looks like.
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "ir/base/errors.h"
#include "ir/base/exits.h"
#include "ir/random.h"
#include "ir/text.h"
#include "runtime/exec/call.h"
#include "runtime/exec/roots.h"
#include "tests/support_cli.h"
#include "tests/support_files.h"

static char cache[] = "/tmp/check_models_XXXXXX"; // compiled objects, shared by the tests

// The world of the Cart-Pole experiment.
static const LangPair cartpole[] = {{"dynamics", "gssm"},
                                    {"policy", "policies/rbf"},
                                    {"objective", "objectives/bptt"},
                                    {"task", "tasks/cartpole"},
                                    {"actor", "actors/policy"}};
enum { N_CARTPOLE = sizeof cartpole / sizeof *cartpole };

// A world, and programs of it.
typedef struct Model {
    Arena arena;
    Diag diag;
    LangWorld *world;
    char why[512];
} Model;

static void give_up(Model *m, const char *what) {
    diag_print(&m->diag, stderr, false);
    ck_abort_msg("%s: %s", what, m->why);
}

// Opens `file` in the world of Cart-Pole, or alone; `sets` ends with a zeroed pair.
static void open_model(Model *m, const char *file, bool alone, IrDtype real, const LangPair *sets) {
    LangPair binds[N_CARTPOLE + 1] = {{"", file}};
    LangOptions o = {.real = real, .binds = binds, .n_binds = alone ? 1 : N_CARTPOLE + 1};

    *m = (Model){0};
    memcpy(binds + 1, cartpole, sizeof cartpole);
    o.n_roots = rt_model_roots(&o.roots);
    o.sets = sets;
    while (sets && sets[o.n_sets].name)
        o.n_sets++;
    m->world = lang_open(&m->arena, &m->diag, &o);
    if (!m->world || m->diag.n_errors)
        give_up(m, file);
}

static void close_model(Model *m) {
    diag_free(&m->diag);
    arena_free(&m->arena);
}

static RtProgram *build(Model *m, Backend *backend, const char *name, const char *grad) {
    LangRequest request = {.instance = "", .name = name, .grad = grad};
    RtProgramDef def = {.backend = backend,
                        .passes.verify_each = true,
                        .options = {.cache_dir = cache, .compile_threads = 2}};

    RtProgram *p =
        rt_program_new(&m->arena, m->world, &m->diag, &request, &def, m->why, sizeof m->why);
    if (!p)
        give_up(m, name);
    return p;
}

static RtState *initial(Model *m) {
    RtState *s = rt_initial_state(&m->arena, m->world, &m->diag, 5, m->why, sizeof m->why);

    if (!s)
        give_up(m, "initial values");
    return s;
}

static Backend *const targets[] = {&ref_backend, &llvm_backend};

// Random inputs, the same for every program that has inputs of these names.
static void fill(RtCall *call, const RtProgram *p) {
    for (int i = 0; i < p->fn->body->n_params; i++) {
        if (p->fn->inputs[i].role != IR_ROLE_INPUT)
            continue;
        uint64_t key = ir_random_key(1, map_hash_str(p->fn->inputs[i].name));
        for (int64_t k = 0; k < rt_call_input_count(call, i); k++) {
            uint32_t w[4];
            ir_philox(key, (uint64_t)k, 0, w);
            rt_call_put_at(call, i, k, 0.7 * ir_normal_f64(w));
        }
    }
}

static double *values_of(Arena *a, const RtCall *call, int output, int64_t *n) {
    *n = rt_call_output_count(call, output);
    double *v = arena_array(a, double, *n + 1);

    rt_call_get(call, output, v, *n);
    return v;
}

// Greatest |a - b| over greatest |b|; NaN when one of them is not finite.
static double distance(const double *a, const double *b, int64_t n) {
    double most = 0, scale = 0;

    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(a[i]) || !isfinite(b[i]))
            return NAN;
        most = fmax(most, fabs(a[i] - b[i]));
        scale = fmax(scale, fabs(b[i]));
    }
    return scale > 0 ? most / scale : most;
}

// ---- reference data -----------------------------------------------------------------------------

static const struct {
    const char *arguments, *gradient;
    int arrays;
} reference[] = {
    {"models/gssm.yaml loss --data=tests/data/gssm.safetensors --set hidden=20", "g.node.0.w ", 27},
    {"models/mlsm_v0.yaml loss --data=tests/data/mlsm_v0.safetensors --set hidden=20",
     "g.node.0.w ", 21},
    {"models/mlsm_v1.yaml loss --data=tests/data/mlsm_v1.safetensors --set hidden=20",
     "g.query.w ", 24},
    {"models/m_dpilco.yaml error --data=tests/data/m_dpilco.safetensors --set hidden=20 "
     "--set dropout=0.3 --rename=draw.mask:draw.mask.kept",
     "g.net.0.w ", 9},
    {"models/l2a.yaml windows --data=tests/data/l2a.safetensors --set hidden=20 "
     "--set inner_rate=0.05 --rename=in.x_past:in.xc --rename=in.y_past:in.yc "
     "--rename=in.x_next:in.x --rename=in.y_next:in.y",
     "g.net.0.w ", 9},
    {"models/objectives/bptt.yaml loss --bind dynamics=gssm --bind policy=policies/rbf "
     "--bind task=tasks/cartpole_raw --set dynamics.hidden=20 --set policy.centres=10 "
     "--data=tests/data/bptt.safetensors --rename=draw.task:draw.z --rename=draw.z:draw.path.y.z",
     "g.policy.centre ", 5},
};
enum { N_REFERENCE = sizeof reference / sizeof *reference };

// Values and gradients; the tolerance is that of --check: 1e-10, and 1e-4 for f32.
START_TEST(reference_data_is_met) {
    char equal[32];
    Cli cli;

    cli_open(&cli, "gssmc");
    cli_expect(&cli, EXIT_OK, "run %s --grad=loss --target=%s --dtype=%s --check",
               reference[_i / 4].arguments, _i & 1 ? "cpu" : "ref", _i & 2 ? "f32" : "f64");
    cli_expect_out(&cli, "out.loss ");
    cli_expect_out(&cli, reference[_i / 4].gradient);
    snprintf(equal, sizeof equal, "equal: %d arrays", reference[_i / 4].arrays);
    cli_expect_out(&cli, equal);
    cli_close(&cli);
}
END_TEST

START_TEST(adam_meets_reference_data) {
    IrDtype real = _i & 2 ? IR_F32 : IR_F64;
    RtTensorFile file = {0};
    Model m;

    open_model(&m, "tests/models/adam.yaml", true, real, NULL);
    RtProgram *p = build(&m, targets[_i & 1], "step", NULL);
    RtState *s = initial(&m);
    RtCall *call = rt_call_new(p, s, NULL);
    if (!rt_safetensors_read(&file, "tests/data/adam.safetensors", m.why, sizeof m.why))
        give_up(&m, "data");
    const double *gradient = rt_safetensors_find(&file, "in.gradient")->data;
    const double *want = rt_safetensors_find(&file, "out.w")->data;
    const double *start = rt_safetensors_find(&file, "p.w")->data;
    RtTensor *w = rt_state_find(s, "w");
    ck_assert_ptr_nonnull(w);
    for (int i = 0; i < 21; i++)
        if (real == IR_F64)
            ((double *)w->data)[i] = start[i];
        else
            ((float *)w->data)[i] = (float)start[i];

    for (int step = 0; step < 5; step++) {
        double got[21];
        rt_call_put(call, rt_call_find_input(call, "gradient"), gradient + 21 * step, 21);
        rt_call_run(call, 0, (uint64_t)step);
        for (int i = 0; i < 21; i++)
            got[i] = real == IR_F64 ? ((double *)w->data)[i] : (double)((float *)w->data)[i];
        double d = distance(got, want + 21 * step, 21);
        ck_assert_msg(d <= (real == IR_F64 ? 1e-10 : 1e-4), "step %d: %g", step, d);
    }
    rt_safetensors_close(&file);
    rt_call_free(call);
    rt_state_free(s);
    rt_program_free(p);
    close_model(&m);
}
END_TEST

// ---- threads and rows ---------------------------------------------------------------------------

static const struct {
    const char *file, *program;
    struct {
        const char *name;
        int64_t value;
    } dims[4];
} steps[] = {
    {"gssm", "fit", {{"T", 4}, {"N", 37}, {"M", 23}}},
    {"objectives/bptt", "step", {{"G", 2}, {"N", 50}, {"K", 25}, {"H", 12}}},
};

// The state after three steps is the same to the bit.
START_TEST(threads_do_not_change_results) {
    Model m;

    open_model(&m, steps[_i].file, false, IR_F32, NULL);
    RtProgram *p = build(&m, &llvm_backend, steps[_i].program, NULL);
    ck_assert(p->has_pieces);
    RtState *start = initial(&m), *first = NULL;
    for (int threads = 1; threads <= 3; threads++) {
        RtState *s = rt_state_clone(start);
        RtPool *pool = rt_pool_new(threads);
        RtCall *call = rt_call_new(p, s, pool);
        for (int k = 0; k < 4 && steps[_i].dims[k].name; k++)
            ck_assert(rt_call_set_dim(call, steps[_i].dims[k].name, steps[_i].dims[k].value));
        fill(call, p);
        for (uint64_t step = 0; step < 3; step++)
            rt_call_run(call, 11, step);
        ck_assert(memcmp(s->memory.data, start->memory.data, s->memory.bytes) != 0);
        ck_assert_msg(!first || !memcmp(s->memory.data, first->memory.data, s->memory.bytes),
                      "%d threads give another state", threads);
        rt_call_free(call);
        rt_pool_free(pool);
        if (first)
            rt_state_free(s);
        else
            first = s;
    }
    rt_state_free(first);
    rt_state_free(start);
    rt_program_free(p);
    close_model(&m);
}
END_TEST

static const char *const by_row[] = {"predict", "posterior_at"};

// A row's result does not depend on the rows beside it.
START_TEST(rows_do_not_change_each_other) {
    static const int64_t sizes[] = {50, 7, 1};
    void *all[8] = {0};
    Model m;

    open_model(&m, "gssm", true, IR_F32, NULL);
    RtProgram *p = build(&m, &llvm_backend, by_row[_i], NULL);
    RtState *s = initial(&m);
    RtPool *pool = rt_pool_new(2);
    RtCall *call = rt_call_new(p, s, pool);
    int n_out = p->fn->body->n_results;
    ck_assert_int_le(n_out, 8);
    ck_assert(rt_call_set_dim(call, "N", 29));
    for (int k = 0; k < 3; k++) {
        ck_assert(rt_call_set_dim(call, "M", sizes[k]));
        fill(call, p);
        rt_call_run(call, 3, 4);
        for (int o = 0; o < n_out; o++) {
            size_t bytes = (size_t)rt_call_output_count(call, o) * sizeof(float);
            ck_assert_uint_gt(bytes, 0);
            if (k == 0)
                all[o] =
                    memcpy(arena_array(&m.arena, char, bytes), rt_call_output_data(call, o), bytes);
            ck_assert_msg(memcmp(all[o], rt_call_output_data(call, o), bytes) == 0,
                          "output %d differs beside %d rows", o, (int)sizes[k]);
        }
    }
    rt_call_free(call);
    rt_pool_free(pool);
    rt_state_free(s);
    rt_program_free(p);
    close_model(&m);
}
END_TEST

// ---- every entry --------------------------------------------------------------------------------

static glob_t files; // every YAML file of the models

static bool is_module(const char *path) {
    Buf text = {0};
    char why[256];

    ck_assert_msg(buf_read_file(&text, path, 0, why, sizeof why), "%s", why);
    bool found = strstr(buf_text(&text), "\nmodule: ") != NULL;
    buf_free(&text);
    return found;
}

static void check_ir_text(Model *m, const char *name, const IrModule *module) {
    Buf first = {0}, again = {0};

    ir_print_module(&first, module, false);
    IrModule *parsed = ir_parse_module(&m->arena, &m->diag, name, buf_text(&first), first.len);
    if (!parsed || m->diag.n_errors)
        give_up(m, name);
    ir_print_module(&again, parsed, false);
    ck_assert_str_eq(buf_text(&again), buf_text(&first));
    buf_free(&first);
    buf_free(&again);
}

static void check_schedule_text(Model *m, const RtProgram *p) {
    Buf first = {0}, again = {0}, why = {0};

    ir_print_schedule(&first, p->schedule, false);
    IrSchedule *parsed =
        ir_parse_schedule(&m->arena, &m->diag, p->name, buf_text(&first), first.len);
    if (!parsed || m->diag.n_errors)
        give_up(m, p->name);
    ir_print_schedule(&again, parsed, false);
    ck_assert_str_eq(buf_text(&again), buf_text(&first));
    ck_assert_msg(ir_verify_schedule(parsed, &why), "%s: %.900s", p->name, buf_text(&why));
    buf_free(&first);
    buf_free(&again);
    buf_free(&why);
}

// Whether all that is wrong is that sizes have no maximum.
static bool is_of_any_size(const Model *m) {
    for (int i = 0; i < m->diag.n; i++)
        if (!m->diag.messages[i].is_note && m->diag.messages[i].code != E_dim_unbound)
            return false;
    return true;
}

// Compiles for both targets, each pass verified; the texts of all forms are read and printed again.
START_TEST(every_entry_compiles_and_its_texts_round_trip) {
    const char *path = files.gl_pathv[_i];
    const LangEntry *entries;
    int n_made = 0;
    Model m;

    if (!is_module(path))
        return;
    open_model(&m, path, false, IR_F32, NULL);
    int n = lang_entries(m.world, &entries);
    for (int i = 0; i < n; i++) {
        if (entries[i].instance[0] || entries[i].generic)
            continue;
        fprintf(stderr, "%s %s\n", path, entries[i].name);
        LangRequest request = {.instance = "", .name = entries[i].name};
        IrModule *module = lang_elaborate(m.world, &m.diag, &request);
        if (!module && is_of_any_size(&m)) { // compiled where it is called, where sizes are known
            m.diag.n = m.diag.n_errors = 0;
            continue;
        }
        if (!module)
            give_up(&m, entries[i].name);
        n_made++;
        check_ir_text(&m, entries[i].name, module);
        for (int k = 0; k < 2; k++) {
            RtProgram *p = build(&m, targets[k], entries[i].name, NULL);
            IrModule alone = {.dims = p->fn->dims, .n = 1, .functions = &p->fn};
            check_ir_text(&m, entries[i].name, &alone);
            check_schedule_text(&m, p);
            rt_program_free(p);
        }
    }
    ck_assert_msg(n_made > 0 || strstr(path, "/lib/"), "%s has no entry", path);
    close_model(&m);
}
END_TEST

// ---- machine code -------------------------------------------------------------------------------

// A line of assembly in a function: which label it is or jumps to, -1 for none.
typedef struct Line {
    const char *text;
    int label, jump;
} Line;

// The number of the label that begins at `s` (".LBB3_7": 7), or -1.
static int label_number(const char *s) {
    int function, label;

    return sscanf(s, ".LBB%d_%d", &function, &label) == 2 ? label : -1;
}

static int split_lines(Arena *a, char *text, Line **lines) {
    int n = 0, cap = 0;

    *lines = NULL;
    for (char *rest = NULL, *s = strtok_r(text, "\n", &rest); s; s = strtok_r(NULL, "\n", &rest)) {
        const char *target = strrchr(s, '.');
        Line l = {.text = s, .label = label_number(s), .jump = -1};
        if (l.label < 0 && s[0] == '\t' && target && strncmp(target, ".LBB", 4) == 0)
            l.jump = label_number(target);
        arena_push(a, *lines, n, cap, l);
    }
    return n;
}

static bool is_fma(const char *s) {
    return strstr(s, "\tvfmadd") || strstr(s, "\tfmla") || strstr(s, "\tfmadd");
}

static bool is_call(const char *s) {
    return strncmp(s, "\tcall", 5) == 0 || strncmp(s, "\tbl\t", 4) == 0;
}

// Number of innermost loops (from a label to the last jump back to it, without a loop inside) that
// have a fused multiply-add; fails where one of them calls.
static int count_fma_loops(const Line *lines, int n, const char *name) {
    int n_loops = 0;

    for (int end = 0; end < n; end++) {
        int start = end;
        while (start >= 0 && !(lines[start].label >= 0 && lines[start].label == lines[end].jump))
            start--;
        if (lines[end].jump < 0 || start < 0)
            continue;
        bool is_innermost = true, has_fma = false, has_call = false;
        for (int i = start; i <= end; i++) {
            for (int k = start; k < i && i < end && lines[i].jump >= 0; k++)
                is_innermost &= lines[k].label != lines[i].jump;
            has_fma |= is_fma(lines[i].text);
            has_call |= is_call(lines[i].text);
        }
        if (!is_innermost || !has_fma)
            continue;
        ck_assert_msg(!has_call, "%s: the innermost loop at .LBB*_%d calls", name, lines[end].jump);
        n_loops++;
    }
    return n_loops;
}

static bool cpu_has_fma(void) {
#if defined(__x86_64__)
    return __builtin_cpu_supports("fma");
#else
    return true;
#endif
}

// Each kernel with a product multiplies and adds in one instruction, in a loop that calls nobody.
START_TEST(products_are_loops_of_fused_multiply_adds) {
    Model m;

    if (!cpu_has_fma()) {
        printf("skipped: this CPU has no fused multiply-add\n");
        return;
    }
    open_model(&m, steps[_i].file, false, IR_F32, NULL);
    RtProgram *p = build(&m, &llvm_backend, steps[_i].program, NULL);
    FILE *f = tmpfile();
    ck_assert_ptr_nonnull(f);
    BackendOptions options = {.cache_dir = cache};
    if (!llvm_backend.emit(p->schedule, &options, "asm", f, m.why, sizeof m.why))
        give_up(&m, "asm");
    size_t size = (size_t)ftell(f);
    char *text = arena_array(&m.arena, char, size + 1);
    rewind(f);
    ck_assert_uint_eq(fread(text, 1, size, f), size);
    fclose(f);

    int n_products = 0;
    for (int k = 0; k < p->schedule->n_kernels; k++) {
        const IrKernel *kernel = p->schedule->kernels[k];
        if (!kernel->product.present)
            continue;
        char label[64];
        snprintf(label, sizeof label, "\nk_%016llx:", (unsigned long long)kernel->hash);
        const char *begin = strstr(text, label);
        ck_assert_msg(begin != NULL, "%s: no function %s", kernel->name, label + 1);
        const char *end = strstr(begin, "\n.Lfunc_end");
        ck_assert_ptr_nonnull(end);
        Line *lines;
        int n =
            split_lines(&m.arena, arena_strndup(&m.arena, begin, (size_t)(end - begin)), &lines);
        ck_assert_msg(count_fma_loops(lines, n, kernel->name) > 0,
                      "%s (%s) has no innermost loop with a fused multiply-add", kernel->name,
                      label + 1);
        n_products++;
    }
    ck_assert_int_gt(n_products, 5);
    rt_program_free(p);
    close_model(&m);
}
END_TEST

// ---- edges of dims ------------------------------------------------------------------------------

static const LangPair narrow[] = {{.name = "hidden", .value = "8"}, {0}};
static const LangPair narrow_world[] = {
    {.name = "dynamics.hidden", .value = "8"}, {.name = "policy.centres", .value = "5"}, {0}};

// Context rows, target rows: none, one, and the most.
static const struct {
    const char *file, *name, *grad;
    struct {
        const char *name;
        int64_t value;
    } dims[4];
} edges[] = {
    {"gssm", "infer", NULL, {{"N", 0}}},
    {"gssm", "infer", NULL, {{"N", 1}}},
    {"gssm", "infer", NULL, {{"N", 1000}}},
    {"gssm", "posterior_at", NULL, {{"N", 0}, {"M", 3}}},
    {"gssm", "posterior_at", NULL, {{"N", 1}, {"M", 1}}},
    {"gssm", "posterior_at", NULL, {{"N", 1000}, {"M", 1000}}},
    {"gssm", "predict", NULL, {{"N", 0}, {"M", 3}}},
    {"gssm", "predict", NULL, {{"N", 3}, {"M", 0}}},
    {"gssm", "predict", NULL, {{"N", 1000}, {"M", 1000}}},
    {"gssm", "loss", "loss", {{"N", 0}, {"M", 3}}},
    {"gssm", "loss", "loss", {{"N", 1}, {"M", 1}}},
    {"gssm", "loss", "loss", {{"N", 3}, {"M", 0}}},
    {"gssm", "loss", "loss", {{"N", 0}, {"M", 0}}},
    {"gssm", "loss", "loss", {{"N", 1000}, {"M", 1000}}},
    {"gssm", "fit", NULL, {{"T", 2}, {"N", 0}, {"M", 5}}},
    {"gssm", "fit", NULL, {{"T", 1}, {"N", 1}, {"M", 1}}},
    {"gssm", "fit", NULL, {{"T", 0}, {"N", 5}, {"M", 5}}},
    {"gssm", "fit", NULL, {{"T", 8}, {"N", 4}, {"M", 1000}}},
    {"objectives/bptt", "loss", NULL, {{"N", 4}, {"K", 3}, {"H", 0}}},
    {"objectives/bptt", "loss", NULL, {{"N", 0}, {"K", 3}, {"H", 4}}},
    {"objectives/bptt", "step", NULL, {{"G", 2}, {"N", 4}, {"K", 3}, {"H", 0}}},
    {"objectives/bptt", "step", NULL, {{"G", 1}, {"N", 4}, {"K", 1}, {"H", 1}}},
    {"objectives/bptt", "step", NULL, {{"G", 0}, {"N", 4}, {"K", 3}, {"H", 2}}},
    {"objectives/bptt", "step", NULL, {{"G", 1}, {"N", 0}, {"K", 0}, {"H", 2}}},
    {"objectives/bptt", "loss", NULL, {{"N", 1000}, {"K", 2}, {"H", 1000}}},
};

// Everything that a step gives, one after the other: outputs, then the state.
static double *run_edge(Model *m, Backend *backend, RtPool *pool, int edge, int64_t *n) {
    RtProgram *p = build(m, backend, edges[edge].name, edges[edge].grad);
    RtState *s = initial(m);
    RtCall *call = rt_call_new(p, s, pool);
    double *all = NULL;
    int cap = 0, n_all = 0;

    for (int k = 0; k < 4 && edges[edge].dims[k].name; k++)
        ck_assert(rt_call_set_dim(call, edges[edge].dims[k].name, edges[edge].dims[k].value));
    fill(call, p);
    rt_call_run(call, 3, 1);
    for (int o = 0; o < p->fn->body->n_results; o++) {
        if (p->fn->outputs[o].role == IR_ROLE_UPDATE)
            continue;
        int64_t count;
        const double *v = values_of(&m->arena, call, o, &count);
        for (int64_t i = 0; i < count; i++)
            arena_push(&m->arena, all, n_all, cap, v[i]);
    }
    for (int i = 0; i < s->n; i++)
        for (int64_t k = 0; s->tensors[i].dtype == RT_F64 && k < rt_tensor_elements(&s->tensors[i]);
             k++)
            arena_push(&m->arena, all, n_all, cap, ((const double *)s->tensors[i].data)[k]);
    rt_call_free(call);
    rt_state_free(s);
    rt_program_free(p);
    *n = n_all;
    return all;
}

START_TEST(edges_of_dims_give_finite_results_and_agree) {
    int64_t n, n_again;
    Model m;

    open_model(&m, edges[_i].file, strcmp(edges[_i].file, "gssm") == 0, IR_F64,
               strcmp(edges[_i].file, "gssm") == 0 ? narrow : narrow_world);
    RtPool *pool = rt_pool_new(2);
    double *want = run_edge(&m, &ref_backend, pool, _i, &n);
    double *got = run_edge(&m, &llvm_backend, pool, _i, &n_again);
    ck_assert_int_eq(n, n_again);
    double d = distance(got, want, n);
    ck_assert_msg(d <= 1e-9, "%s %s, edge %d: %g", edges[_i].file, edges[_i].name, _i, d);
    rt_pool_free(pool);
    close_model(&m);
}
END_TEST

// A loop of no steps gives its start, costs nothing, and moves no parameter.
START_TEST(a_loop_without_steps_gives_its_start) {
    Model m;

    open_model(&m, "objectives/bptt", false, IR_F64, narrow_world);
    RtProgram *p = build(&m, targets[_i], "loss", NULL);
    RtProgram *step = build(&m, targets[_i], "step", NULL);
    RtState *s = initial(&m), *before = rt_state_clone(s);
    RtCall *call = rt_call_new(p, s, NULL);
    double loss, state[12];
    rt_call_set_dim(call, "N", 4);
    rt_call_set_dim(call, "K", 3);
    rt_call_set_dim(call, "H", 0);
    fill(call, p);
    rt_call_run(call, 3, 1);
    rt_call_get(call, rt_call_find_output(call, "loss"), &loss, 1);
    rt_call_get(call, rt_call_find_output(call, "state"), state, 12);
    ck_assert_double_eq(loss, 0);
    for (int i = 0; i < 12; i++) // hanging, with a spread of 0.02
        ck_assert_double_eq_tol(state[i], i % 4 == 2 ? 3.14159265358979 : 0, 0.2);
    rt_call_free(call);

    call = rt_call_new(step, s, NULL);
    rt_call_set_dim(call, "H", 0);
    rt_call_set_dim(call, "K", 3);
    rt_call_run(call, 3, 1);
    for (int i = 0; i < s->n; i++)
        if (s->roles[i] == IR_ROLE_PARAM)
            ck_assert(memcmp(s->tensors[i].data, before->tensors[i].data, s->tensors[i].bytes) ==
                      0);
    rt_call_free(call);
    rt_state_free(before);
    rt_state_free(s);
    rt_program_free(step);
    rt_program_free(p);
    close_model(&m);
}
END_TEST

static Suite *models_suite(void) {
    Suite *s = suite_create("models");

    TCase *data = tcase_create("data");
    tcase_set_timeout(data, 300);
    tcase_add_loop_test(data, reference_data_is_met, 0, 4 * N_REFERENCE);
    tcase_add_loop_test(data, adam_meets_reference_data, 0, 4);
    suite_add_tcase(s, data);

    TCase *same = tcase_create("same");
    tcase_set_timeout(same, 300);
    tcase_add_loop_test(same, threads_do_not_change_results, 0, sizeof steps / sizeof *steps);
    tcase_add_loop_test(same, rows_do_not_change_each_other, 0, sizeof by_row / sizeof *by_row);
    suite_add_tcase(s, same);

    TCase *forms = tcase_create("forms");
    tcase_set_timeout(forms, 300);
    tcase_add_loop_test(forms, every_entry_compiles_and_its_texts_round_trip, 0,
                        (int)files.gl_pathc);
    tcase_add_loop_test(forms, products_are_loops_of_fused_multiply_adds, 0,
                        sizeof steps / sizeof *steps);
    suite_add_tcase(s, forms);

    TCase *dims = tcase_create("dims");
    tcase_set_timeout(dims, 300);
    tcase_add_loop_test(dims, edges_of_dims_give_finite_results_and_agree, 0,
                        sizeof edges / sizeof *edges);
    tcase_add_loop_test(dims, a_loop_without_steps_gives_its_start, 0, 2);
    suite_add_tcase(s, dims);
    return s;
}

int main(void) {

    if (!mkdtemp(cache) || glob("models/*.yaml", 0, NULL, &files) != 0 ||
        glob("models/*/*.yaml", GLOB_APPEND, NULL, &files) != 0)
        return EXIT_FAILURE;
    SRunner *r = srunner_create(models_suite());
    srunner_run_all(r, CK_ENV);
    int n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    globfree(&files);
    return delete_tree(cache) && n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
