// tests/check_fuse.c -- graphs become the kernels that one expects, and compute the same.
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "ir/text.h"
#include "passes/pass.h"
#include "tests/support_graph.h"
#include "tests/support_random.h"
#include "tests/support_run.h"

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

static IrSchedule *lower(const char *text) {
    return run_lower(&arena, graph_entry(graph_parse(&arena, &diag, text)), &run_small_pieces);
}

// Runs the graph with sizes 0 to 4 against its direct evaluation.
static void agrees(const char *text) {
    for (int64_t size = 0; size < 5; size++) {
        double d = run_text_distance(text, size);
        ck_assert_msg(d < 1e-5, "size %d: %g", (int)size, d);
    }
}

static int n_calls(const IrSchedule *s) {
    return run_count(s->root, IR_TREE_KERNEL);
}

// ---- what shares a kernel

static const char softmax[] = "dim N max=40 "
                              "func @softmax(%x: f32[N,7] in \"x\") {"
                              "  %m = reduce_max %x axes=[1] : f32[N]"
                              "  %mb = broadcast %m axes=[0] : f32[N,7]"
                              "  %d = sub %x, %mb : f32[N,7]"
                              "  %e = exp %d : f32[N,7]"
                              "  %s = sum %e axes=[1] : f32[N]"
                              "  %sb = broadcast %s axes=[0] : f32[N,7]"
                              "  %y = div %e, %sb : f32[N,7]"
                              "  return %y out \"y\""
                              "}";

START_TEST(softmax_is_one_kernel) {
    IrSchedule *s = lower(softmax);
    ck_assert_int_eq(n_calls(s), 1);
    ck_assert_int_eq(s->kernels[0]->n_stores, 1);
    agrees(softmax);
}
END_TEST

static const char linear[] =
    "dim N max=40 "
    "func @linear(%x: f32[N,5] in \"x\", %w: f32[5,32] p \"w\", %b: f32[32] p \"b\") {"
    "  %h = dot %x, %w batch=0 contract=[1]x[0] : f32[N,32]"
    "  %c = broadcast %b axes=[1] : f32[N,32]"
    "  %a = add %h, %c : f32[N,32]"
    "  %y = relu %a : f32[N,32]"
    "  return %y out \"y\""
    "}";

START_TEST(linear_bias_relu_is_one_kernel) {
    IrSchedule *s = lower(linear);
    ck_assert_int_eq(n_calls(s), 1);
    ck_assert(s->kernels[0]->product.present);
    ck_assert_int_eq((int)s->arena_bytes, 0);
    agrees(linear);
}
END_TEST

static const char adam[] =
    "func @adam(%p: f32[5,6] p \"p\", %m: f32[5,6] s \"m\", %v: f32[5,6] s \"v\","
    "           %g: f32[5,6] in \"g\", %rate: f32[] set \"rate\" = 0.001) {"
    "  %a = const 0.9 : f32[5,6]"
    "  %b = const 0.1 : f32[5,6]"
    "  %c = const 0.999 : f32[5,6]"
    "  %d = const 0.001 : f32[5,6]"
    "  %e = const 1e-08 : f32[5,6]"
    "  %m1 = mul %m, %a : f32[5,6]"
    "  %m2 = mul %g, %b : f32[5,6]"
    "  %mn = add %m1, %m2 : f32[5,6]"
    "  %v1 = mul %v, %c : f32[5,6]"
    "  %gg = mul %g, %g : f32[5,6]"
    "  %v2 = mul %gg, %d : f32[5,6]"
    "  %vn = add %v1, %v2 : f32[5,6]"
    "  %sq = sqrt %vn : f32[5,6]"
    "  %sp = add %sq, %e : f32[5,6]"
    "  %st = div %mn, %sp : f32[5,6]"
    "  %rb = broadcast %rate axes=[] : f32[5,6]"
    "  %rs = mul %rb, %st : f32[5,6]"
    "  %pn = sub %p, %rs : f32[5,6]"
    "  return %pn update \"p\" -> 0, %mn update \"m\" -> 1, %vn update \"v\" -> 2"
    "}";

START_TEST(leaf_of_adam_is_one_kernel_in_place) {
    IrSchedule *s = lower(adam);
    ck_assert_int_eq(n_calls(s), 1);
    ck_assert_int_eq(s->kernels[0]->n_stores, 3);
    ck_assert_int_eq((int)s->arena_bytes, 0);
    agrees(adam);
}
END_TEST

START_TEST(two_sums_over_the_same_axis_share_a_kernel) {
    static const char text[] = "dim N max=40 "
                               "func @f(%x: f32[N,5] in \"x\") {"
                               "  %s = sum %x axes=[1] : f32[N]"
                               "  %q = mul %x, %x : f32[N,5]"
                               "  %t = sum %q axes=[1] : f32[N]"
                               "  %y = div %t, %s : f32[N]"
                               "  return %y out \"y\""
                               "}";
    ck_assert_int_eq(n_calls(lower(text)), 1);
    agrees(text);
}
END_TEST

START_TEST(concat_is_stored_part_by_part) {
    static const char text[] = "dim N max=40 "
                               "func @f(%x: f32[N,5] in \"x\", %w: f32[9,3] p \"w\") {"
                               "  %t = tanh %x : f32[N,5]"
                               "  %u = slice %x starts=[0,1] : f32[N,4]"
                               "  %c = concat %t, %u axis=1 : f32[N,9]"
                               "  %y = dot %c, %w batch=0 contract=[1]x[0] : f32[N,3]"
                               "  return %y out \"y\""
                               "}";
    IrSchedule *s = lower(text);
    ck_assert_int_eq(n_calls(s), 3);
    for (int i = 0; i < s->n_kernels; i++) {
        for (int k = 0; k < s->kernels[i]->n_scalars; k++)
            ck_assert_int_ne(s->kernels[i]->scalars[k].kind, IR_SCALAR_SELECT);
    }
    agrees(text);
}
END_TEST

// ---- order

START_TEST(top_k_orders_all_numbers) {
    static const char text[] = "func @f(%x: f64[2,8] in \"x\", %i: i32[5] in \"i\") {"
                               "  %l = top_k %x : i32[2,8]"
                               "  %s = top_k %x smallest : i32[2,8]"
                               "  %k = top_k %x : i32[2,3]"
                               "  %e = top_k %x : i32[2,0]"
                               "  %j = top_k %i : i32[5]"
                               "  return %l out \"l\", %s out \"s\", %k out \"k\", %e out \"e\","
                               "         %j out \"j\""
                               "}";
    static const double x[16] = {1,      NAN, -INFINITY, INFINITY, NAN,    1, -1, INFINITY,
                                 1e-310, 0.0, -0.0,      0.0,      -1e300, 0, 5,  -1e-310};
    static const double i[5] = {INT32_MIN, 7, INT32_MAX, 7, -1};
    static const double expected[5][16] = {{1, 4, 3, 7, 0, 5, 6, 2, 6, 0, 1, 2, 3, 5, 7, 4},
                                           {2, 6, 0, 5, 3, 7, 1, 4, 4, 7, 1, 2, 3, 5, 0, 6},
                                           {1, 4, 3, 6, 0, 1},
                                           {0},
                                           {2, 1, 3, 4, 0}};
    IrFunction *f = graph_entry(graph_parse(&arena, &diag, text));
    Eval e = {.arena = &arena};
    EvalTensor **in = eval_random_inputs(&e, f, 1);
    memcpy(in[0]->x, x, sizeof x);
    memcpy(in[1]->x, i, sizeof i);
    EvalTensor **direct = eval_function(&e, f, in);
    EvalTensor **out = run_schedule(&e, run_lower(&arena, f, &run_small_pieces), in, 1);
    for (int k = 0; k < 5; k++) {
        ck_assert_mem_eq(direct[k]->x, expected[k], (size_t)out[k]->n * sizeof(double));
        ck_assert_mem_eq(out[k]->x, expected[k], (size_t)out[k]->n * sizeof(double));
    }
}
END_TEST

// ---- products

static const IrTree *find_loop(const IrTree *t) {
    const IrTree *loop = t->kind == IR_TREE_LOOP ? t : NULL;
    for (int i = 0; i < t->n && !loop; i++)
        loop = find_loop(t->children[i]);
    return loop;
}

START_TEST(transposed_weights_are_copied_before_the_loop) {
    static const char text[] =
        "dim N max=40 "
        "func @f(%x: f32[N,4] in \"x\", %w: f32[4,4] p \"w\") {"
        "  %s = scan %w, %x captured=1 carry=1 over=0 steps=3 name=\"path\" : (f32[N,4]) {"
        "  ^(%v: f32[4,4], %c: f32[N,4], %t: i32[]):"
        "    %d = dot %c, %v batch=0 contract=[1]x[1] : f32[N,4]"
        "    %e = tanh %d : f32[N,4]"
        "    yield %e"
        "  }"
        "  %y = get %s index=0 : f32[N,4]"
        "  return %y out \"y\""
        "}";
    IrSchedule *s = lower(text);
    const IrTree *loop = find_loop(s->root);
    ck_assert_ptr_nonnull(loop);
    ck_assert_int_eq(run_count(loop, IR_TREE_KERNEL), 2); // product, and the carry's copy
    agrees(text);
}
END_TEST

START_TEST(product_with_a_vector_is_a_reduction) {
    static const char text[] = "dim N max=40 "
                               "func @f(%x: f32[N,5] in \"x\", %w: f32[5] p \"w\") {"
                               "  %y = dot %x, %w batch=0 contract=[1]x[0] : f32[N]"
                               "  return %y out \"y\""
                               "}";
    IrSchedule *s = lower(text);
    ck_assert(!s->kernels[0]->product.present);
    agrees(text);
}
END_TEST

// Heads of an attention joined again: the reshape is a view, and yet needs a place of its own,
// since a product reads it as rows.
START_TEST(reshaped_view_with_a_place_is_copied) {
    agrees("func @f(%q: f32[2,3,5,4] in \"q\", %s: f32[2,3,5,6] in \"s\", %w: f32[5,12] p \"w\","
           "        %z: f32[2,6,7] in \"z\") {"
           "  %d = dot %q, %s batch=2 contract=[2]x[2] : f32[2,3,4,6]"
           "  %t = transpose %d axes=[0,3,1,2] : f32[2,6,3,4]"
           "  %r = reshape %t : f32[2,6,12]"
           "  %a = dot %r, %w batch=0 contract=[2]x[1] : f32[2,6,5]"
           "  %b = dot %z, %r batch=0 contract=[0,1]x[0,1] : f32[7,12]"
           "  return %a out \"a\", %b out \"b\""
           "}");
}
END_TEST

// ---- loops

static const char loop_start[] =
    "dim N max=9 "
    "func @f(%x: f32[N,2] in \"x\", %y: f32[2] in \"y\", %z: f32[2] in \"z\") {";

START_TEST(loops_agree) {
    static const char *const bodies[] = {
        // reversed, over, collected, the step's index
        "  %s = scan %y, %x captured=0 carry=1 over=1 steps=N reverse name=\"p\" : (f32[2], "
        "f32[N,2]) {"
        "  ^(%a: f32[2], %b: f32[2], %t: i32[]):"
        "    %r = cast %t : f32[]"
        "    %u = broadcast %r axes=[] : f32[2]"
        "    %c = mul %a, %b : f32[2]"
        "    %d = add %c, %u : f32[2]"
        "    yield %d, %c"
        "  }",
        // carries exchanged
        "  %s = scan %y, %z, %x captured=0 carry=2 over=1 steps=N name=\"p\" : (f32[2], f32[2], "
        "f32[N,2]) {"
        "  ^(%a: f32[2], %b: f32[2], %c: f32[2], %t: i32[]):"
        "    %d = add %a, %c : f32[2]"
        "    yield %b, %d, %a"
        "  }",
        // nested, the inner collects within the outer's slice
        "  %s = scan %y, %x captured=1 carry=0 over=1 steps=N name=\"p\" : (f32[N,3,2], f32[N,2]) {"
        "  ^(%a: f32[2], %b: f32[2], %t: i32[]):"
        "    %i = scan %a, %b captured=1 carry=1 over=0 steps=3 name=\"q\" : (f32[2], f32[3,2]) {"
        "    ^(%u: f32[2], %v: f32[2], %k: i32[]):"
        "      %w = mul %u, %v : f32[2]"
        "      yield %w, %v"
        "    }"
        "    %m = get %i index=1 : f32[3,2]"
        "    %n = get %i index=0 : f32[2]"
        "    yield %m, %n"
        "  }",
    };
    static const char *const types[] = {"f32[2]", "f32[2]", "f32[N,3,2]"};
    static const char *const others[] = {"f32[N,2]", "f32[2]", "f32[N,2]"};
    Buf text = {0};
    buf_printf(&text,
               "%s%s  %%g = get %%s index=0 : %s  %%h = get %%s index=1 : %s"
               "  return %%g out \"g\", %%h out \"h\" }",
               loop_start, bodies[_i], types[_i], others[_i]);
    agrees(buf_text(&text));
    buf_free(&text);
}
END_TEST

START_TEST(updates_that_exchange_go_through_memory_of_their_own) {
    static const char text[] = "func @f(%p: f32[4] p \"p\", %q: f32[4] p \"q\") {"
                               "  %n = neg %p : f32[4]"
                               "  return %q update \"p\" -> 0, %n update \"q\" -> 1, %p out \"old\""
                               "}";
    agrees(text);
}
END_TEST

START_TEST(equal_kernels_are_one) {
    static const char text[] = "func @f(%x: f32[4] in \"x\", %y: f32[4] in \"y\") {"
                               "  %a = tanh %x : f32[4]"
                               "  %b = tanh %y : f32[4]"
                               "  return %a out \"a\", %b out \"b\""
                               "}";
    IrSchedule *s = lower(text);
    ck_assert_int_eq(n_calls(s), 2);
    ck_assert_int_eq(s->n_kernels, 1);
}
END_TEST

START_TEST(schedule_prints_and_parses_back) {
    static const char *const texts[] = {softmax, linear, adam};
    IrSchedule *s = lower(texts[_i]);
    Buf once = {0}, twice = {0};
    ir_print_schedule(&once, s, false);
    IrSchedule *t = ir_parse_schedule(&arena, &diag, "s", buf_text(&once), once.len);
    ck_assert_ptr_nonnull(t);
    ir_print_schedule(&twice, t, false);
    ck_assert_str_eq(buf_text(&once), buf_text(&twice));
    buf_free(&once);
    buf_free(&twice);
}
END_TEST

START_TEST(notes_say_why_not) {
    static const char text[] = "dim N max=40 "
                               "func @f(%x: f32[N,5] in \"x\", %w: f32[5,5] p \"w\") {"
                               "  %a = tanh %x : f32[N,5]"
                               "  %y = dot %a, %w batch=0 contract=[1]x[0] : f32[N,5]"
                               "  return %y out \"y\""
                               "}";
    IrFunction *f = graph_entry(graph_parse(&arena, &diag, text));
    Buf notes = {0};
    PassOptions o = {.notes = &notes};
    ck_assert_ptr_nonnull(pass_lower(f, &run_small_pieces, &o, &diag, &arena, NULL));
    ck_assert_ptr_nonnull(strstr(buf_text(&notes), "fuse: dot"));
    ck_assert_ptr_nonnull(strstr(buf_text(&notes), "read at another index"));
    buf_free(&notes);
}
END_TEST

// ---- random graphs

static PassFn *const clean[] = {pass_inline, pass_simplify, pass_fold, pass_cse, pass_dce,
                                pass_hoist,  pass_simplify, pass_cse,  pass_dce, NULL};

START_TEST(random_graphs_agree) {
    for (uint64_t k = 0; k < 5; k++) {
        uint64_t seed = (uint64_t)_i * 5 + k;
        IrFunction *f = random_function(&arena, seed, k % 2 ? 30 : 8);
        IrFunction *g = graph_after(&arena, f, clean);
        for (int64_t size = 1; size < 4; size++) {
            ck_assert_msg(run_distance(f, size, seed) < 1e-9, "seed %d as it is", (int)seed);
            ck_assert_msg(run_distance(g, size, seed) < 1e-9, "seed %d cleaned", (int)seed);
        }
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("fuse");

    TCase *kernels = tcase_create("kernels");
    tcase_add_checked_fixture(kernels, setup, teardown);
    tcase_add_test(kernels, softmax_is_one_kernel);
    tcase_add_test(kernels, linear_bias_relu_is_one_kernel);
    tcase_add_test(kernels, leaf_of_adam_is_one_kernel_in_place);
    tcase_add_test(kernels, two_sums_over_the_same_axis_share_a_kernel);
    tcase_add_test(kernels, concat_is_stored_part_by_part);
    tcase_add_test(kernels, top_k_orders_all_numbers);
    tcase_add_test(kernels, transposed_weights_are_copied_before_the_loop);
    tcase_add_test(kernels, product_with_a_vector_is_a_reduction);
    tcase_add_test(kernels, reshaped_view_with_a_place_is_copied);
    tcase_add_test(kernels, equal_kernels_are_one);
    tcase_add_loop_test(kernels, schedule_prints_and_parses_back, 0, 3);
    tcase_add_test(kernels, notes_say_why_not);
    suite_add_tcase(s, kernels);

    TCase *loops = tcase_create("loops");
    tcase_add_checked_fixture(loops, setup, teardown);
    tcase_add_loop_test(loops, loops_agree, 0, 3);
    tcase_add_test(loops, updates_that_exchange_go_through_memory_of_their_own);
    suite_add_tcase(s, loops);

    TCase *random = tcase_create("random");
    tcase_add_checked_fixture(random, setup, teardown);
    tcase_set_timeout(random, 120);
    tcase_add_loop_test(random, random_graphs_agree, 0, 12);
    suite_add_tcase(s, random);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
