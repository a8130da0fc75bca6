// tests/check_schedule.c -- pieces and barriers.
#include <check.h>
#include <stdlib.h>

#include "tests/support_graph.h"
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

static IrSchedule *lower_for(const char *text, const IrTarget *target) {
    return run_lower(&arena, graph_entry(graph_parse(&arena, &diag, text)), target);
}

static IrSchedule *lower(const char *text) {
    return lower_for(text, &run_small_pieces);
}

static int count(const IrSchedule *s, IrTreeKind kind) {
    return run_count(s->root, kind);
}

static void agrees(const char *text) {
    for (int64_t size = 0; size < 6; size++)
        ck_assert_msg(run_text_distance(text, size) < 1e-5, "size %d", (int)size);
}

// A loop that all threads leave at the same step: rows are cut into pieces, a sum over them tells.
static const char ending[] =
    "dim N max=40 "
    "func @ending(%x: f32[N,5] in \"x\", %w: f32[5,5] p \"w\") {"
    "  %no = const false : bool[]"
    "  %s = scan %w, %no, %x captured=1 carry=2 over=0 steps=9 until name=\"path\""
    "    : (bool[], f32[N,5], f32[9,N]) {"
    "  ^(%v: f32[5,5], %u: bool[], %h: f32[N,5], %t: i32[]):"
    "    %p = dot %h, %v batch=0 contract=[1]x[0] : f32[N,5]"
    "    %n = tanh %p : f32[N,5]"
    "    %q = mul %n, %n : f32[N,5]"
    "    %r = sum %q axes=[1] : f32[N]"
    "    %a = sum %r axes=[0] : f32[]"
    "    %l = const 0.4 : f32[]"
    "    %e = less %a, %l : bool[]"
    "    yield %e, %n, %r"
    "  }"
    "  %y = get %s index=1 : f32[N,5]"
    "  %z = get %s index=2 : f32[9,N]"
    "  return %y out \"y\", %z out \"z\""
    "}";

static const IrTree *find_loop(const IrTree *t) {
    const IrTree *loop = t->kind == IR_TREE_LOOP ? t : NULL;
    for (int i = 0; i < t->n && !loop; i++)
        loop = find_loop(t->children[i]);
    return loop;
}

START_TEST(all_threads_leave_a_loop_at_one_step) {
    IrSchedule *s = lower(ending);
    const IrTree *loop = find_loop(s->root);
    ck_assert(loop->ends);
    ck_assert_int_eq(s->buffers[loop->until.buffer].dtype, IR_BOOL);
    ck_assert_int_gt(run_count(loop, IR_TREE_PAR), 0);

    // the next step must not be told before all have seen what this one tells
    ck_assert_int_eq(loop->children[loop->n - 1]->kind, IR_TREE_BARRIER);
    agrees(ending);
}
END_TEST

// Two products one after the other, with different numbers of columns.
static const char net[] =
    "dim N max=40 "
    "func @net(%x: f32[N,5] in \"x\", %w: f32[5,32] p \"w\", %v: f32[32,8] p \"v\") {"
    "  %h = dot %x, %w batch=0 contract=[1]x[0] : f32[N,32]"
    "  %y = relu %h : f32[N,32]"
    "  %z = dot %y, %v batch=0 contract=[1]x[0] : f32[N,8]"
    "  %t = tanh %z : f32[N,8]"
    "  return %t out \"t\""
    "}";

START_TEST(small_work_stays_on_one_thread) {
    static const IrTarget target = {.name = "test", .flops_per_row_piece = 1e9};
    IrSchedule *s = lower_for(net, &target);
    ck_assert_int_eq(count(s, IR_TREE_PAR), 0);
    ck_assert_int_eq(count(s, IR_TREE_BARRIER), 0);
}
END_TEST

START_TEST(rows_go_through_a_chain_of_layers) {
    IrSchedule *s = lower(net);
    ck_assert_int_eq(count(s, IR_TREE_PAR), 1);
    ck_assert_int_eq(count(s, IR_TREE_BARRIER), 0);
    ck_assert_int_eq(count(s, IR_TREE_KERNEL), 2);
    agrees(net);
}
END_TEST

START_TEST(a_barrier_stands_where_rows_mix) {
    static const char text[] = "dim N max=40 "
                               "func @f(%x: f32[N,6] in \"x\") {"
                               "  %a = tanh %x : f32[N,6]"
                               "  %g = dot %a, %a batch=0 contract=[0]x[0] : f32[6,6]"
                               "  %y = dot %a, %g batch=0 contract=[1]x[0] : f32[N,6]"
                               "  return %y out \"y\""
                               "}";
    IrSchedule *s = lower(text);
    ck_assert_int_eq(count(s, IR_TREE_BARRIER), 2);
    agrees(text);
}
END_TEST

// Particles of a rollout: no row needs another.
static const char rollout[] =
    "dim N max=40 "
    "func @rollout(%x: f32[N,6] in \"x\", %w: f32[6,6] p \"w\") {"
    "  %s = scan %w, %x captured=1 carry=1 over=0 steps=5 name=\"path\" : (f32[N,6], f32[5,N]) {"
    "  ^(%v: f32[6,6], %c: f32[N,6], %t: i32[]):"
    "    %d = dot %c, %v batch=0 contract=[1]x[0] : f32[N,6]"
    "    %e = tanh %d : f32[N,6]"
    "    %f = sum %e axes=[1] : f32[N]"
    "    yield %e, %f"
    "  }"
    "  %y = get %s index=0 : f32[N,6]"
    "  %z = get %s index=1 : f32[5,N]"
    "  return %y out \"y\", %z out \"z\""
    "}";

START_TEST(threads_walk_a_loop_apart_when_no_step_mixes_rows) {
    IrSchedule *s = lower(rollout);
    ck_assert_int_eq(count(s, IR_TREE_BARRIER), 0);
    ck_assert_int_eq(count(s, IR_TREE_PAR), 1);
    agrees(rollout);
}
END_TEST

START_TEST(a_loop_that_mixes_rows_has_barriers) {
    static const char text[] =
        "dim N max=40 "
        "func @f(%x: f32[N,6] in \"x\") {"
        "  %s = scan %x captured=0 carry=1 over=0 steps=5 name=\"path\" : (f32[N,6]) {"
        "  ^(%c: f32[N,6], %t: i32[]):"
        "    %g = dot %c, %c batch=0 contract=[0]x[0] : f32[6,6]"
        "    %h = tanh %g : f32[6,6]"
        "    %y = dot %c, %h batch=0 contract=[1]x[0] : f32[N,6]"
        "    yield %y"
        "  }"
        "  %y = get %s index=0 : f32[N,6]"
        "  return %y out \"y\""
        "}";
    IrSchedule *s = lower(text);
    ck_assert_int_ge(count(s, IR_TREE_BARRIER), 2);
    agrees(text);
}
END_TEST

int main(void) {
    Suite *s = suite_create("schedule");

    TCase *tree = tcase_create("tree");
    tcase_add_checked_fixture(tree, setup, teardown);
    tcase_add_test(tree, small_work_stays_on_one_thread);
    tcase_add_test(tree, rows_go_through_a_chain_of_layers);
    tcase_add_test(tree, all_threads_leave_a_loop_at_one_step);
    tcase_add_test(tree, a_barrier_stands_where_rows_mix);
    tcase_add_test(tree, threads_walk_a_loop_apart_when_no_step_mixes_rows);
    tcase_add_test(tree, a_loop_that_mixes_rows_has_barriers);
    suite_add_tcase(s, tree);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
