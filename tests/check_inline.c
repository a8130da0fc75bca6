// tests/check_inline.c -- calls become bodies, and draws know the loops around them.
#include <check.h>
#include <stdlib.h>

#include "tests/support_graph.h"

static PassFn *const once[] = {pass_inline, NULL};
static PassFn *const twice[] = {pass_inline, pass_inline, NULL};

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

static IrFunction *parse(const char *text) {
    return graph_entry(graph_parse(&arena, &diag, text));
}

// The only node of `op` in `b` and its bodies.
typedef struct Found {
    IrOp op;
    IrNode *node;
} Found;

static void find_node(IrNode *n, IrBlock *in, void *data) {
    (void)in;
    Found *f = data;
    if (n->op == f->op)
        f->node = n;
}

static IrNode *find(IrFunction *f, IrOp op) {
    Found found = {.op = op};
    ir_walk(f->body, find_node, &found);
    ck_assert_ptr_nonnull(found.node);
    return found.node;
}

// ---- names --------------------------------------------------------------------------------------

// A draw in a function that is called in a function; %s are the paths of the calls, and the site.
static IrFunction *called_twice(const char *outer, const char *inner, const char *site) {
    return parse(arena_printf(&arena,
                              "func @draws() {\n"
                              "  %%e = draw_normal site=\"%s\" : f32[2]\n"
                              "  return %%e out \"e\"\n}\n\n"
                              "func @middle() {\n"
                              "  %%c = call @draws : (f32[2])%s\n"
                              "  %%e = get %%c index=0 : f32[2]\n"
                              "  return %%e out \"e\"\n}\n\n"
                              "func @main() {\n"
                              "  %%c = call @middle : (f32[2])%s\n"
                              "  %%e = get %%c index=0 : f32[2]\n"
                              "  return %%e out \"e\"\n}\n",
                              site, inner, outer));
}

static void assert_site(const char *outer, const char *inner, const char *site, const char *want) {
    IrFunction *f = called_twice(outer, inner, site), *g = graph_after(&arena, f, once);
    ck_assert_int_eq(graph_count(g, IR_OP_call), 0);
    ck_assert_str_eq(find(g, IR_OP_draw_normal)->attrs.name, want);
    ck_assert_double_eq(graph_distance(f, g, 3, 0), 0);
}

START_TEST(sites_get_the_callers_path) {
    assert_site(" @\"a\"", " @\"b.c\"", "z", "a.b.c.z");
    assert_site(" @\"a\"", " @\"b\"", "", "a.b");
    assert_site("", " @\"b\"", "z", "b.z");
    assert_site(" @\"a\"", "", "", "a");
    assert_site("", "", "z", "z");
}
END_TEST

START_TEST(a_node_without_path_takes_the_calls) {
    IrFunction *g = graph_after(&arena, called_twice(" @\"a\"", " @\"b\"", "z"), once);
    ck_assert_str_eq(find(g, IR_OP_draw_normal)->path, "a.b");
}
END_TEST

START_TEST(a_callee_is_not_changed_by_being_inlined) {
    IrFunction *f = called_twice(" @\"a\"", " @\"b\"", "z");
    graph_after(&arena, f, once);
    IrFunction *middle = find(f, IR_OP_call)->callee;
    ck_assert_str_eq(find(find(middle, IR_OP_call)->callee, IR_OP_draw_normal)->attrs.name, "z");
}
END_TEST

START_TEST(a_result_may_be_a_parameter) {
    IrFunction *f = parse("func @same(%x: f32[2] in \"x\") {\n"
                          "  return %x out \"y\", %x out \"z\"\n}\n\n"
                          "func @main(%x: f32[2] in \"x\") {\n"
                          "  %c = call @same %x : (f32[2], f32[2])\n"
                          "  %y = get %c index=1 : f32[2]\n"
                          "  %s = sin %y : f32[2]\n"
                          "  return %s out \"s\", %y out \"y\"\n}\n");
    IrFunction *g = graph_after(&arena, f, once);
    ck_assert_ptr_eq(g->body->results[1], g->body->params[0]);
    ck_assert_double_eq(graph_distance(f, g, 3, 0), 0);
}
END_TEST

// ---- loops --------------------------------------------------------------------------------------

static const char nested[] =
    "dim G max=9\n\n"
    "func @inner(%x: f64[2] in \"x\") {\n"
    "  %s = scan %x captured=0 carry=1 over=0 steps=3 name=\"walk\" : (f64[2]) @\"walk\" {\n"
    "  ^(%c: f64[2], %t: i32[]):\n"
    "    %g = grad %c wrt=[0] : (f64[], f64[2]) {\n"
    "    ^(%d: f64[2]):\n"
    "      %e = draw_normal site=\"e\" : f64[2]\n"
    "      %p = mul %e, %d : f64[2]\n"
    "      %l = sum %p axes=[0] : f64[]\n"
    "      yield %l\n"
    "    }\n"
    "    %n = get %g index=1 : f64[2]\n"
    "    yield %n\n"
    "  }\n"
    "  %y = get %s index=0 : f64[2]\n"
    "  return %y out \"y\"\n}\n\n"
    "func @main(%x: f64[G,2] in \"x\", %z: f64[2] in \"z\") {\n"
    "  %m = map %z, %x captured=1 over=1 steps=G name=\"task\" : (f64[G,2]) {\n"
    "  ^(%mz: f64[2], %mx: f64[2], %i: i32[]):\n"
    "    %a = add %mx, %mz : f64[2]\n"
    "    %c = call @inner %a : (f64[2]) @\"y\"\n"
    "    %y = get %c index=0 : f64[2]\n"
    "    yield %y\n"
    "  }\n"
    "  %y = get %m index=0 : f64[G,2]\n"
    "  return %y out \"y\"\n}\n";

START_TEST(draws_list_all_loops_outermost_first) {
    IrFunction *g = graph_after(&arena, parse(nested), once);
    IrNode *draw = find(g, IR_OP_draw_normal);
    ck_assert_int_eq(draw->attrs.n_loops, 2);
    ck_assert_int_eq(draw->attrs.n_key_axes, 0);
    ck_assert_str_eq(draw->attrs.loops[0], "task");
    ck_assert_str_eq(draw->attrs.loops[1], "y.walk");
    ck_assert_str_eq(draw->attrs.name, "y.e");
}
END_TEST

START_TEST(indices_are_captured_once) {
    IrFunction *g = graph_after(&arena, parse(nested), once);
    IrNode *grad = find(g, IR_OP_grad), *scan = find(g, IR_OP_scan), *map = find(g, IR_OP_map);
    ck_assert_int_eq(grad->n_in, 3);
    ck_assert_int_eq(grad->attrs.n_wrt, 1);
    ck_assert_int_eq(scan->attrs.n_captured, 1);
    ck_assert_ptr_eq(scan->in[0], map->body->params[map->body->n_params - 1]);
    ck_assert_int_eq(map->n_in, 2);
}
END_TEST

START_TEST(numbers_stay) {
    IrFunction *f = parse(nested);
    for (int64_t size = 0; size < 4; size++)
        ck_assert_double_lt(graph_distance(f, graph_after(&arena, f, once), size, 1), 1e-9);
}
END_TEST

START_TEST(a_second_run_changes_nothing) {
    IrFunction *f = parse(nested), *g = graph_after(&arena, f, twice);
    ck_assert_int_eq(g->n_nodes, graph_after(&arena, f, once)->n_nodes);
    ck_assert_int_eq(find(g, IR_OP_draw_normal)->attrs.n_loops, 2);
    ck_assert(!pass_inline(&(PassCtx){.scratch = &arena, .diag = &diag}, g));
}
END_TEST

int main(void) {
    Suite *s = suite_create("inline");
    TCase *names = tcase_create("names");
    tcase_add_checked_fixture(names, setup, teardown);
    tcase_add_test(names, sites_get_the_callers_path);
    tcase_add_test(names, a_node_without_path_takes_the_calls);
    tcase_add_test(names, a_callee_is_not_changed_by_being_inlined);
    tcase_add_test(names, a_result_may_be_a_parameter);
    suite_add_tcase(s, names);

    TCase *loops = tcase_create("loops");
    tcase_add_checked_fixture(loops, setup, teardown);
    tcase_add_test(loops, draws_list_all_loops_outermost_first);
    tcase_add_test(loops, indices_are_captured_once);
    tcase_add_test(loops, numbers_stay);
    tcase_add_test(loops, a_second_run_changes_nothing);
    suite_add_tcase(s, loops);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
