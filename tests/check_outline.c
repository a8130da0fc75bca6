// tests/check_outline.c -- outlines of schedules: which product stands in which loop.
//
// A golden file tests/golden/outlines/<name>.txt lists the loops and products of one entry of a
// model, in order, each product with the path it comes from and its sizes: batch, rows, columns,
// length. UPDATE_GOLDEN=1 in the environment writes the files anew.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "ir/random.h"
#include "runtime/exec/call.h"
#include "runtime/exec/roots.h"

enum { MAX_BYTES = 1 << 20, N_BINDS = 4 };

// Entries whose outlines are kept, in the world of GSSM, a policy of radial basis functions and
// Cart-Pole; with gradients of output `grad` by all parameters.
static const struct Entry {
    const char *golden, *file, *name, *grad;
} entries[] = {
    {"imagined", "objectives/bptt", "loss", NULL},
    {"bptt_step", "objectives/bptt", "step", NULL},
    {"bptt_gradient", "objectives/bptt", "loss", "loss"},
    {"inferred_within", "tests/models/inferred_within", "loss", "loss"},
    {"l2a_fit", "l2a", "fit", NULL},
};
enum { N_ENTRIES = sizeof entries / sizeof *entries };

static const struct Entry *find_entry(const char *golden) {
    for (int i = 0; i < N_ENTRIES; i++) {
        if (!strcmp(entries[i].golden, golden))
            return &entries[i];
    }
    ck_abort_msg("no outline is called '%s'", golden);
}

static Arena arena;
static Diag diag;

static void setup(void) {
    arena = (Arena){0};
    diag = (Diag){0};
}

static void teardown(void) {
    arena_free(&arena);
    diag_free(&diag);
}

static LangWorld *open_world(const struct Entry *e) {
    const LangPair binds[N_BINDS] = {{"", e->file},
                                     {"dynamics", "gssm"},
                                     {"policy", "policies/rbf"},
                                     {"task", "tasks/cartpole"}};
    LangOptions o = {.real = IR_F64, .binds = binds, .n_binds = N_BINDS};
    o.n_roots = rt_model_roots(&o.roots);
    LangWorld *w = lang_open(&arena, &diag, &o);
    if (!w || diag.n_errors) {
        diag_print(&diag, stderr, false);
        ck_abort_msg("%s is not read", e->file);
    }
    return w;
}

static RtProgram *build(LangWorld *w, const struct Entry *e, const PassOptions *passes) {
    char why[512];
    LangRequest request = {.instance = "", .name = e->name, .grad = e->grad};
    RtProgramDef def = {.backend = &ref_backend, .passes = *passes};
    RtProgram *p = rt_program_new(&arena, w, &diag, &request, &def, why, sizeof why);
    if (!p)
        diag_print(&diag, stderr, false);
    ck_assert_msg(p != NULL, "%s: %s", e->name, why);
    return p;
}

static IrSchedule *schedule_of(const struct Entry *e, const PassOptions *passes) {
    RtProgram *p = build(open_world(e), e, passes);
    rt_program_free(p); // the schedule stays
    return p->schedule;
}

// ---- the outline --------------------------------------------------------------------------------

// The product of `n` extents of a call's axes, in the program's dims.
static IrDim *extent_of(IrDims *ds, const IrKernelCall *c, int axis, int n) {
    IrDim *size = ir_dim_const(ds, 1);
    for (int i = axis; i < axis + n; i++)
        size = ir_dim_mul(ds, size, ir_dim_substitute(ds, c->kernel->axes[i].extent, c->dims));
    return size;
}

static void print_product(Buf *out, IrDims *ds, const IrKernelCall *c, bool paths, int depth) {
    const IrProduct *p = &c->kernel->product;
    const int sizes[] = {p->n_batch, p->n_m, p->n_n, p->n_k};
    buf_printf(out, "%*sproduct %s:", 2 * depth, "", paths && c->path ? c->path : "");
    for (int i = 0, axis = 0; i < 4; axis += sizes[i++]) {
        buf_puts(out, i ? " x " : " ");
        ir_dim_print(out, extent_of(ds, c, axis, sizes[i]));
    }
    buf_puts(out, "\n");
}

static void print_tree(Buf *out, IrDims *ds, const IrTree *t, bool paths, int depth) {
    if (t->kind == IR_TREE_KERNEL && t->call->kernel->product.present)
        print_product(out, ds, t->call, paths, depth);
    if (t->kind == IR_TREE_LOOP) {
        buf_printf(out, "%*sloop %s of ", 2 * depth, "", t->name);
        ir_dim_print(out, t->steps);
        buf_puts(out, t->reverse ? ", in reverse\n" : "\n");
        depth++;
    }
    for (int i = 0; i < t->n; i++)
        print_tree(out, ds, t->children[i], paths, depth);
}

// Fails with the first line that differs.
static void assert_same_lines(const char *a, const char *b, const char *what) {
    for (int line = 1; *a || *b; line++) {
        size_t n = strcspn(a, "\n"), m = strcspn(b, "\n");
        ck_assert_msg(n == m && !strncmp(a, b, n), "%s, line %d: '%.*s' and '%.*s'", what, line,
                      (int)n, a, (int)m, b);
        a += n + (a[n] != '\0');
        b += m + (b[m] != '\0');
    }
}

START_TEST(outline_is_as_kept) {
    const struct Entry *e = &entries[_i];
    Buf text = {0}, path = {0}, kept = {0};
    char why[256] = "";
    IrSchedule *s = schedule_of(e, &(PassOptions){0});
    buf_printf(&text, "# %s %s%s: batch x rows x columns x length of each product\n\n", e->file,
               e->name, e->grad ? ", with its gradient" : "");
    print_tree(&text, s->dims, s->root, true, 0);

    buf_printf(&path, "tests/golden/outlines/%s.txt", e->golden);
    if (getenv("UPDATE_GOLDEN")) {
        ck_assert_msg(buf_write_file(buf_text(&path), text.data, text.len, why, sizeof why), "%s",
                      why);
    } else {
        ck_assert_msg(buf_read_file(&kept, buf_text(&path), MAX_BYTES, why, sizeof why), "%s", why);
        assert_same_lines(buf_text(&text), buf_text(&kept), buf_text(&path));
    }
    buf_free(&text);
    buf_free(&path);
    buf_free(&kept);
}
END_TEST

// ---- keys of the context ------------------------------------------------------------------------

// Products that come from node `name`, in loops and outside of all loops.
typedef struct Places {
    int inside, outside;
} Places;

static bool ends_with_name(const char *path, const char *name) {
    const char *dot = path ? strrchr(path, '.') : NULL;
    return path && !strcmp(dot ? dot + 1 : path, name);
}

static void find_places(const IrTree *t, const char *name, bool in_loop, Places *p) {
    if (t->kind == IR_TREE_KERNEL && t->call->kernel->product.present &&
        ends_with_name(t->call->path, name))
        ++*(in_loop ? &p->inside : &p->outside);
    for (int i = 0; i < t->n; i++)
        find_places(t->children[i], name, in_loop || t->kind == IR_TREE_LOOP, p);
}

static Places places_of(const char *golden, const PassOptions *passes, const char *node) {
    Places p = {0};
    find_places(schedule_of(find_entry(golden), passes)->root, node, false, &p);
    return p;
}

START_TEST(keys_of_a_context_are_computed_once) {
    Places p = places_of("imagined", &(PassOptions){0}, "k");
    ck_assert_int_eq(p.inside, 0);
    ck_assert_int_eq(p.outside, 1);

    // adjoints of the keys, and of their weights, are products after the reverse loop
    p = places_of("bptt_gradient", &(PassOptions){0}, "k");
    ck_assert_int_eq(p.inside, 0);
    ck_assert_int_ge(p.outside, 2);
}
END_TEST

// What a rollout infers in each step from one context is the same as what it is told once.
START_TEST(keys_leave_a_loop_that_computes_them_in_each_step) {
    Buf within = {0}, once = {0};
    IrSchedule *s = schedule_of(find_entry("inferred_within"), &(PassOptions){0});
    print_tree(&within, s->dims, s->root, false, 0);
    s = schedule_of(find_entry("bptt_gradient"), &(PassOptions){0});
    print_tree(&once, s->dims, s->root, false, 0);
    assert_same_lines(buf_text(&within), buf_text(&once), "inferred_within and bptt_gradient");
    buf_free(&within);
    buf_free(&once);
}
END_TEST

// Without hoist they are computed in each step, forward and reverse.
START_TEST(keys_stay_in_the_loop_without_hoist) {
    PassOptions o = {0};
    o.disabled[PASS_hoist] = true;
    Places p = places_of("inferred_within", &o, "k");
    ck_assert_int_ge(p.inside, 2);
}
END_TEST

// ---- the same numbers ---------------------------------------------------------------------------

static void fill(RtCall *call, const RtProgram *p) {
    for (int i = 0, at = 0; i < p->fn->body->n_params; i++) {
        if (p->fn->inputs[i].role != IR_ROLE_INPUT)
            continue;
        for (int64_t k = 0; k < rt_call_input_count(call, at); k++) {
            uint32_t w[4];
            ir_philox(ir_random_key(1, (uint64_t)at), (uint64_t)k, 0, w);
            rt_call_put_at(call, at, k, 0.7 * ir_normal_f64(w));
        }
        at++;
    }
}

// All outputs of `p`, one after the other.
static double *results_of(const RtProgram *p, RtState *s, int64_t *n) {
    RtCall *call = rt_call_new(p, s, NULL);
    rt_call_set_dim(call, "N", 6);
    rt_call_set_dim(call, "K", 4);
    rt_call_set_dim(call, "H", 5);
    fill(call, p);
    rt_call_run(call, 3, 1);

    *n = 0;
    int n_outputs = p->fn->body->n_results;
    for (int i = 0; i < n_outputs; i++)
        *n += rt_call_output_count(call, i);
    double *x = arena_array(&arena, double, *n), *at = x;
    for (int i = 0; i < n_outputs; i++) {
        rt_call_get(call, i, at, rt_call_output_count(call, i));
        at += rt_call_output_count(call, i);
    }
    rt_call_free(call);
    return x;
}

// With a pass and without it a rollout and its gradient are the same computation.
START_TEST(no_pass_changes_a_number) {
    PassId pass = (PassId)_i;
    if (!pass_info[pass].run || pass == PASS_inline || pass == PASS_grad || pass == PASS_map)
        return; // there is no code without it
    const struct Entry *e = find_entry("inferred_within");
    char why[512];
    PassOptions without = {0};
    without.disabled[pass] = true;
    LangWorld *w = open_world(e);
    RtProgram *p = build(w, e, &(PassOptions){0}), *q = build(w, e, &without);
    RtState *s = rt_initial_state(&arena, w, &diag, 5, why, sizeof why);
    ck_assert_ptr_nonnull(s);

    int64_t n, n_again;
    const double *x = results_of(p, s, &n), *y = results_of(q, s, &n_again);
    ck_assert_int_eq(n, n_again);
    ck_assert_int_gt(n, 100);
    double most = 0, scale = 0;
    for (int64_t i = 0; i < n; i++) {
        ck_assert(isfinite(x[i]));
        most = fmax(most, fabs(x[i] - y[i]));
        scale = fmax(scale, fabs(y[i]));
    }
    ck_assert_double_gt(scale, 1e-3);
    ck_assert_double_le(most, 1e-10 * scale);
    rt_state_free(s);
    rt_program_free(p);
    rt_program_free(q);
}
END_TEST

int main(void) {
    Suite *s = suite_create("outline");
    TCase *c = tcase_create("outlines");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, outline_is_as_kept, 0, N_ENTRIES);
    suite_add_tcase(s, c);

    c = tcase_create("keys");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, keys_of_a_context_are_computed_once);
    tcase_add_test(c, keys_leave_a_loop_that_computes_them_in_each_step);
    tcase_add_test(c, keys_stay_in_the_loop_without_hoist);
    tcase_add_loop_test(c, no_pass_changes_a_number, 0, PASS_COUNT);
    suite_add_tcase(s, c);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
