// tests/check_residuals.c -- what a loop stores for its gradient, and the least cut that decides
// it.
#include <check.h>
#include <stdlib.h>

#include "passes/cut.h"
#include "tests/support_graph.h"

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

// ---- the cut ------------------------------------------------------------------------------------

enum { INNER = 7, EDGES = 24 };

typedef struct Network {
    int from[EDGES], to[EDGES];
    int64_t capacity[EDGES];
} Network;

// Edges between any two of the ends and INNER nodes; a few are never cut, but not from end to end.
static Network random_network(unsigned seed) {
    Network w;
    srand(seed);
    for (int e = 0; e < EDGES; e++) {
        w.from[e] = rand() % (2 + INNER);
        w.to[e] = rand() % (2 + INNER);
        bool may_never = w.from[e] > 1 && w.to[e] > 1;
        w.capacity[e] = may_never && rand() % 4 == 0 ? PASS_CUT_NEVER : rand() % 10;
    }
    return w;
}

static int64_t capacity_of(const Network *w, const bool *side) {
    int64_t sum = 0;
    for (int e = 0; e < EDGES; e++)
        sum += side[w->from[e]] && !side[w->to[e]] && sum < PASS_CUT_NEVER ? w->capacity[e] : 0;
    return sum;
}

// Sets bit i of `mask` on the source's side, and gives how many there are.
static int read_mask(unsigned mask, bool *side) {
    int n = 0;
    side[PASS_CUT_SOURCE] = true;
    side[PASS_CUT_SINK] = false;
    for (int i = 0; i < INNER; i++) {
        side[2 + i] = mask >> i & 1;
        n += side[2 + i];
    }
    return n;
}

START_TEST(cut_is_the_least_and_its_side_the_smallest) {
    for (unsigned seed = 0; seed < 50; seed++) {
        Network w = random_network((unsigned)_i * 50 + seed);
        PassCut c = {.arena = &arena, .n_nodes = 2 + INNER};
        for (int e = 0; e < EDGES; e++)
            pass_cut_edge(&c, w.from[e], w.to[e], w.capacity[e]);
        const bool *found = pass_cut_solve(&c);
        int n_found = 0;
        for (int i = 0; i < INNER; i++)
            n_found += found[2 + i];

        bool side[2 + INNER];
        int64_t least = capacity_of(&w, found);
        ck_assert(found[PASS_CUT_SOURCE] && !found[PASS_CUT_SINK]);
        for (unsigned mask = 0; mask < 1 << INNER; mask++) {
            int n = read_mask(mask, side);
            int64_t capacity = capacity_of(&w, side);
            ck_assert_int_ge(capacity, least);
            ck_assert(capacity > least || n >= n_found);
        }
    }
}
END_TEST

// ---- what is stored -----------------------------------------------------------------------------

static PassFn *const grad[] = {pass_inline, pass_grad, pass_dce, NULL};

// A loop of H steps and its gradient by weight %w and bias %b, with the lines `step` from carry %s
// and slice %u to the next carry %n.
static IrFunction *loop_of(const char *dims, const char *step) {
    const char *text = arena_printf(
        &arena,
        "%s\n"
        "func @f(%%w: f32[8,8] p \"w\", %%b: f32[8] p \"b\", %%x: f32[16,8] in \"x\", %%u: "
        "f32[H,16,8] "
        "in \"u\") {\n"
        "  %%g = grad %%w, %%b, %%x, %%u wrt=[0,1] : (f32[], f32[8,8], f32[8]) {\n"
        "  ^(%%gw: f32[8,8], %%gb: f32[8], %%gx: f32[16,8], %%gu: f32[H,16,8]):\n"
        "    %%r = scan %%gw, %%gb, %%gx, %%gu captured=2 carry=1 over=1 steps=H name=\"r\" : "
        "(f32[16,8]) {\n"
        "    ^(%%w: f32[8,8], %%b0: f32[8], %%s: f32[16,8], %%u: f32[16,8], %%i: i32[]):\n"
        "      %%b = broadcast %%b0 axes=[1] : f32[16,8]\n"
        "%s"
        "      yield %%n\n    }\n"
        "    %%y = get %%r index=0 : f32[16,8]\n"
        "    %%l = sum %%y axes=[0,1] : f32[]\n"
        "    yield %%l\n  }\n"
        "  %%l = get %%g index=0 : f32[]\n"
        "  %%dw = get %%g index=1 : f32[8,8]\n"
        "  %%db = get %%g index=2 : f32[8]\n"
        "  return %%l out \"l\", %%dw g \"w\", %%db g \"b\"\n}\n",
        dims, step);
    return graph_entry(graph_parse(&arena, &diag, text));
}

static IrFunction *gradient_of(const char *dims, const char *step) {
    return graph_after(&arena, loop_of(dims, step), grad);
}

// The forward loop (0) or the reverse loop (1).
static IrNode *loop(IrFunction *f, int number) {
    ir_each_node(n, f->body) {
        if (n->op == IR_OP_scan && number-- == 0)
            return n;
    }
    ck_abort_msg("there is no such loop");
}

static int count_in(const IrBlock *b, IrOp op) {
    int n = 0;
    for (int i = 0; i < b->n; i++)
        n += b->nodes[i]->op == op;
    return n;
}

// Whether the forward loop collects a value of operation `op`.
static bool stores(IrFunction *f, IrOp op) {
    const IrNode *forward = loop(f, 0);
    for (int i = forward->attrs.n_carry; i < forward->n_types; i++) {
        if (forward->body->results[i]->op == op)
            return true;
    }
    return false;
}

static const char layer[] = "      %p = dot %s, %w batch=0 contract=[1]x[0] : f32[16,8]\n"
                            "      %a = add %p, %b : f32[16,8]\n"
                            "      %n = relu %a : f32[16,8]\n";
static const char noisy[] = "      %e = draw_normal site=\"e\" : f32[16,8]\n"
                            "      %p = mul %b, %e : f32[16,8]\n"
                            "      %t = tanh %u : f32[16,8]\n"
                            "      %q = mul %p, %t : f32[16,8]\n"
                            "      %n = mul %s, %q : f32[16,8]\n";

START_TEST(layer_stores_its_input_and_where_it_is_on) {
    IrFunction *f = gradient_of("dim H max=30", layer);
    ck_assert_int_eq(loop(f, 0)->n_types, 3);
    ck_assert(stores(f, IR_OP_input));
    ck_assert(stores(f, IR_OP_less));
    ck_assert_int_eq(count_in(loop(f, 1)->body, IR_OP_relu), 0);
    ck_assert_int_eq(count_in(loop(f, 1)->body, IR_OP_add), 2); // of adjoints, to sums
}
END_TEST

START_TEST(what_is_much_work_is_stored_and_what_is_little_made_again) {
    IrFunction *f = gradient_of("dim H max=30", noisy);
    ck_assert(stores(f, IR_OP_draw_normal));
    ck_assert(stores(f, IR_OP_tanh));
    ck_assert(!stores(f, IR_OP_mul));
    ck_assert_int_eq(count_in(loop(f, 1)->body, IR_OP_draw_normal), 0);
    ck_assert_int_eq(count_in(loop(f, 1)->body, IR_OP_tanh), 0);
}
END_TEST

// Half a KiB for each value and step: many steps go beyond a near cache, and then a tanh is less
// work than storing it.
START_TEST(far_memory_is_dearer_than_near) {
    IrFunction *near = gradient_of("dim H max=20", noisy),
               *far = gradient_of("dim H max=20000", noisy);
    ck_assert(stores(near, IR_OP_tanh));
    ck_assert(!stores(far, IR_OP_tanh));
    ck_assert(stores(far, IR_OP_draw_normal));
}
END_TEST

START_TEST(with_too_many_steps_only_carries_are_stored) {
    IrFunction *f = gradient_of("dim H max=1000000000", layer);
    ck_assert_int_eq(loop(f, 0)->n_types, 2);
    ck_assert(stores(f, IR_OP_input));
    ck_assert_int_eq(count_in(loop(f, 1)->body, IR_OP_relu), 1);
    f = gradient_of("dim H max=1000000000", noisy);
    ck_assert_int_eq(loop(f, 0)->n_types, 2);
    ck_assert_int_eq(count_in(loop(f, 1)->body, IR_OP_draw_normal), 1);
}
END_TEST

START_TEST(likely_steps_count_not_the_most) {
    IrFunction *f = gradient_of("dim H max=1000000000 likely=10", noisy);
    ck_assert(stores(f, IR_OP_draw_normal));
    ck_assert(stores(f, IR_OP_tanh));
}
END_TEST

START_TEST(a_note_says_what_a_loop_stores) {
    static const PassId rows[] = {PASS_inline, PASS_grad};
    Buf notes = {0};
    PassOptions o = {.pipeline = rows, .n_pipeline = 2, .notes = &notes};
    ck_assert(pass_run_pipeline(loop_of("dim H max=30", layer), &o, &diag, &arena, NULL));
    ck_assert_str_eq(buf_text(&notes),
                     "grad: loop r stores 2 of 5 values, 19200 bytes in all steps\n");
    buf_free(&notes);
}
END_TEST

int main(void) {
    Suite *s = suite_create("residuals");
    TCase *cut = tcase_create("cut");
    tcase_add_checked_fixture(cut, setup, teardown);
    tcase_add_loop_test(cut, cut_is_the_least_and_its_side_the_smallest, 0, 10);
    suite_add_tcase(s, cut);

    TCase *stored = tcase_create("stored");
    tcase_add_checked_fixture(stored, setup, teardown);
    tcase_add_test(stored, layer_stores_its_input_and_where_it_is_on);
    tcase_add_test(stored, what_is_much_work_is_stored_and_what_is_little_made_again);
    tcase_add_test(stored, far_memory_is_dearer_than_near);
    tcase_add_test(stored, with_too_many_steps_only_carries_are_stored);
    tcase_add_test(stored, likely_steps_count_not_the_most);
    tcase_add_test(stored, a_note_says_what_a_loop_stores);
    suite_add_tcase(s, stored);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
