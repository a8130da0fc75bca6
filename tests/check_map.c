// tests/check_map.c -- batched operations compute what the loop computes.
#include <check.h>
#include <stdlib.h>

#include "tests/support_graph.h"
#include "tests/support_ops.h"

static PassFn *const map[] = {pass_inline, pass_map, NULL};

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

// ---- each operation -----------------------------------------------------------------------------

// A map over the operands in `mask`; the others are captured.
static IrFunction *map_of_op(IrOp op, int example, int mask, IrDims *dims) {
    static const char *const names[OPS_MAX_INPUTS] = {"x", "y", "z"};
    IrFunction *f = ir_function_new(&arena, dims, "f");
    IrDim *extent = ir_dim_var(dims, "G", 10, 0);
    IrType types[OPS_MAX_INPUTS];
    int n = ops_inputs(dims, op, example, types), n_captured = 0, n_in = 0;
    IrBlock *body = ir_block_new(&arena);
    IrNode *in[OPS_MAX_INPUTS], *x[OPS_MAX_INPUTS];

    for (int pass = 0; pass < 2; pass++) {
        for (int k = 0; k < n; k++) {
            if ((mask >> k & 1) != pass)
                continue;
            IrType t = types[k];
            if (pass) {
                t.rank++;
                for (int i = t.rank - 1; i > 0; i--)
                    t.dims[i] = t.dims[i - 1];
                t.dims[0] = extent;
            }
            n_captured += !pass;
            in[n_in++] = ir_add_input(f, t, (IrSlot){.name = names[k]}, (Loc){0});
            x[k] = ir_block_add_param(f, body, types[k], NULL, (Loc){0});
        }
    }
    ir_block_add_param(f, body, ir_scalar(IR_I32), NULL, (Loc){0});

    IrBuilder inside = {.fn = f, .block = body}, b = {.fn = f, .block = f->body};
    ir_block_add_result(f, body, ops_build(&inside, op, example, x));
    IrNode *m = ir_map_loop(&b, body, extent, "m", n_captured, n_in - n_captured, in);
    ir_add_output(f, ir_get(&b, m, 0), (IrSlot){.name = "y", .role = IR_ROLE_OUT});
    return f;
}

START_TEST(batched_operation_agrees_with_the_loop) {
    IrOp op = (IrOp)_i;
    for (int k = 0; k < ops_count(op); k++) {
        IrDims probe = {.arena = &arena};
        IrType types[OPS_MAX_INPUTS];
        int n = ops_inputs(&probe, op, k, types);
        for (int mask = 0; mask < 1 << n; mask++) {
            IrDims dims = {.arena = &arena};
            IrFunction *f = map_of_op(op, k, mask, &dims);
            IrFunction *g = graph_after(&arena, f, map);
            ck_assert_int_eq(graph_count(g, IR_OP_map), 0);
            for (int64_t size = 0; size < 4; size++) {
                double d = graph_distance(f, g, size, 5);
                ck_assert_msg(d < 1e-12, "%s, example %d, mapped %x, %d of them: %g",
                              ir_op_info[op].name, k, (unsigned)mask, (int)size, d);
            }
        }
    }
}
END_TEST

// A product stays one product, whichever side is mapped.
START_TEST(products_stay_one) {
    for (int k = 0; k < ops_count(IR_OP_dot); k++) {
        for (int mask = 1; mask < 4; mask++) {
            IrDims dims = {.arena = &arena};
            IrFunction *g = graph_after(&arena, map_of_op(IR_OP_dot, k, mask, &dims), map);
            ck_assert_int_eq(graph_count(g, IR_OP_dot), 1);
            ck_assert_int_eq(graph_count(g, IR_OP_broadcast), 0);
        }
    }
}
END_TEST

// ---- loops, draws, maps in maps -----------------------------------------------------------------

static const struct Graph {
    const char *name, *text;
} graphs[] = {
    {"the index as a number, a start of a slice, a carry and a result",
     "dim G max=20\n"
     "func @f(%x: f64[5,2] in \"x\") {\n"
     "  %m = map %x captured=1 over=0 steps=G name=\"m\" : (f64[G,2,2], i32[G], i32[G], i32[G,3], "
     "f64[G,5,2], i32[G]) {\n"
     "  ^(%mx: f64[5,2], %i: i32[]):\n"
     "    %d = dynamic_slice %mx, %i : f64[2,2]\n"
     "    %s = scan %i, %i captured=1 carry=1 over=0 steps=3 name=\"s\" : (i32[], i32[3]) {\n"
     "    ^(%j: i32[], %c: i32[], %t: i32[]):\n"
     "      %n = add %c, %t : i32[]\n"
     "      %k = add %n, %j : i32[]\n"
     "      yield %k, %j\n"
     "    }\n"
     "    %last = get %s index=0 : i32[]\n"
     "    %js = get %s index=1 : i32[3]\n"
     "    %z = const 7 : i32[]\n"
     "    yield %d, %i, %last, %js, %mx, %z\n"
     "  }\n"
     "  %a = get %m index=0 : f64[G,2,2]\n"
     "  %b = get %m index=1 : i32[G]\n"
     "  %c = get %m index=2 : i32[G]\n"
     "  %d = get %m index=3 : i32[G,3]\n"
     "  %e = get %m index=4 : f64[G,5,2]\n"
     "  %h = get %m index=5 : i32[G]\n"
     "  return %a out \"a\", %b out \"b\", %c out \"c\", %d out \"d\", %e out \"e\", %h out "
     "\"h\"\n}\n"},

    {"carries that become mapped only after some steps; a reversed loop over shared and mapped "
     "arrays",
     "dim G max=20\ndim H max=20\n"
     "func @f(%x: f64[G] in \"x\", %u: f64[H] in \"u\", %v: f64[G,H,2] in \"v\") {\n"
     "  %m = map %u, %x, %v captured=1 over=2 steps=G name=\"m\" : (f64[G], f64[G], f64[G], "
     "f64[G], f64[G,H,2], f64[G,H]) {\n"
     "  ^(%mu: f64[H], %mx: f64[], %mv: f64[H,2], %i: i32[]):\n"
     "    %z = const 1 : f64[]\n"
     "    %s = scan %mx, %z, %z, %z, %z, %mu, %mv captured=1 carry=4 over=2 steps=H reverse "
     "name=\"s\" : (f64[], f64[], f64[], f64[], f64[H,2], f64[H]) {\n"
     "    ^(%sx: f64[], %a: f64[], %b: f64[], %c: f64[], %d: f64[], %su: f64[], %sv: f64[2], %t: "
     "i32[]):\n"
     "      %p = add %a, %b : f64[]\n"
     "      %q = mul %b, %c : f64[]\n"
     "      %r = add %c, %sx : f64[]\n"
     "      %w = add %d, %su : f64[]\n"
     "      %ub = broadcast %su axes=[] : f64[2]\n"
     "      %y = mul %sv, %ub : f64[2]\n"
     "      yield %p, %q, %r, %w, %y, %w\n"
     "    }\n"
     "    %a = get %s index=0 : f64[]\n"
     "    %b = get %s index=1 : f64[]\n"
     "    %c = get %s index=2 : f64[]\n"
     "    %d = get %s index=3 : f64[]\n"
     "    %e = get %s index=4 : f64[H,2]\n"
     "    %h = get %s index=5 : f64[H]\n"
     "    yield %a, %b, %c, %d, %e, %h\n"
     "  }\n"
     "  %a = get %m index=0 : f64[G]\n"
     "  %b = get %m index=1 : f64[G]\n"
     "  %c = get %m index=2 : f64[G]\n"
     "  %d = get %m index=3 : f64[G]\n"
     "  %e = get %m index=4 : f64[G,H,2]\n"
     "  %h = get %m index=5 : f64[G,H]\n"
     "  return %a out \"a\", %b out \"b\", %c out \"c\", %d out \"d\", %e out \"e\", %h out "
     "\"h\"\n}\n"},

    {"draws at all depths of maps and loops",
     "dim G max=20\ndim K max=20\n"
     "func @f(%x: f64[G,2] in \"x\") {\n"
     "  %m = map %x captured=0 over=1 steps=G name=\"g\" : (f64[G,K,3,2], f64[G,2], f64[G,3,2]) {\n"
     "  ^(%mx: f64[2], %i: i32[]):\n"
     "    %e = draw_normal site=\"e\" : f64[2]\n"
     "    %n = map %mx captured=1 over=0 steps=K name=\"k\" : (f64[K,3,2]) {\n"
     "    ^(%nx: f64[2], %j: i32[]):\n"
     "      %s = scan %nx captured=1 carry=0 over=0 steps=3 name=\"t\" : (f64[3,2]) {\n"
     "      ^(%sx: f64[2], %t: i32[]):\n"
     "        %z = draw_uniform site=\"z\" : f64[2]\n"
     "        %y = add %z, %sx : f64[2]\n"
     "        yield %y\n"
     "      }\n"
     "      %y = get %s index=0 : f64[3,2]\n"
     "      yield %y\n"
     "    }\n"
     "    %y = get %n index=0 : f64[K,3,2]\n"
     "    %q = scan captured=0 carry=0 over=0 steps=3 name=\"q\" : (f64[3,2]) {\n"
     "    ^(%t: i32[]):\n"
     "      %r = map captured=0 over=0 steps=2 name=\"r\" : (f64[2]) {\n"
     "      ^(%l: i32[]):\n"
     "        %w = draw_normal site=\"w\" : f64[]\n"
     "        yield %w\n"
     "      }\n"
     "      %w = get %r index=0 : f64[2]\n"
     "      yield %w\n"
     "    }\n"
     "    %w = get %q index=0 : f64[3,2]\n"
     "    yield %y, %e, %w\n"
     "  }\n"
     "  %y = get %m index=0 : f64[G,K,3,2]\n"
     "  %e = get %m index=1 : f64[G,2]\n"
     "  %w = get %m index=2 : f64[G,3,2]\n"
     "  return %y out \"y\", %e out \"e\", %w out \"w\"\n}\n"},

    {"maps in maps in a loop, products over both",
     "dim G max=20\ndim K max=20\ndim H max=20\n"
     "func @f(%x: f64[G,K,2] in \"x\", %w: f64[G,2,2] in \"w\", %v: f64[2,2] in \"v\") {\n"
     "  %s = scan %w, %v, %x captured=2 carry=1 over=0 steps=H name=\"s\" : (f64[G,K,2]) {\n"
     "  ^(%sw: f64[G,2,2], %sv: f64[2,2], %c: f64[G,K,2], %t: i32[]):\n"
     "    %m = map %sv, %c, %sw captured=1 over=2 steps=G name=\"g\" : (f64[G,K,2]) {\n"
     "    ^(%mv: f64[2,2], %mx: f64[K,2], %mw: f64[2,2], %i: i32[]):\n"
     "      %n = map %mw, %mv, %mx captured=2 over=1 steps=K name=\"k\" : (f64[K,2]) {\n"
     "      ^(%nw: f64[2,2], %nv: f64[2,2], %nx: f64[2], %j: i32[]):\n"
     "        %p = dot %nw, %nx batch=0 contract=[1]x[0] : f64[2]\n"
     "        %q = dot %nv, %p batch=0 contract=[0]x[0] : f64[2]\n"
     "        %wv = dot %nw, %nv batch=0 contract=[1]x[0] : f64[2,2]\n"
     "        %r = dot %wv, %q batch=0 contract=[1]x[0] : f64[2]\n"
     "        %y = tanh %r : f64[2]\n"
     "        yield %y\n"
     "      }\n"
     "      %y = get %n index=0 : f64[K,2]\n"
     "      yield %y\n"
     "    }\n"
     "    %y = get %m index=0 : f64[G,K,2]\n"
     "    yield %y\n"
     "  }\n"
     "  %y = get %s index=0 : f64[G,K,2]\n"
     "  return %y out \"y\"\n}\n"},
};

START_TEST(graph_agrees_with_the_loop) {
    const struct Graph *g = &graphs[_i];
    IrFunction *f = graph_entry(graph_parse(&arena, &diag, g->text));
    IrFunction *after = graph_after(&arena, f, map);
    ck_assert_int_eq(graph_count(after, IR_OP_map), 0);
    for (int64_t size = 0; size < 4; size++) {
        double d = graph_distance(f, after, size, (uint64_t)size + 1);
        ck_assert_msg(d < 1e-12, "%s, size %d: %g", g->name, (int)size, d);
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("map");
    TCase *ops = tcase_create("ops");
    tcase_add_checked_fixture(ops, setup, teardown);
    tcase_add_loop_test(ops, batched_operation_agrees_with_the_loop, 0, IR_OP_COUNT);
    tcase_add_test(ops, products_stay_one);
    suite_add_tcase(s, ops);

    TCase *whole = tcase_create("graphs");
    tcase_add_checked_fixture(whole, setup, teardown);
    tcase_add_loop_test(whole, graph_agrees_with_the_loop, 0,
                        (int)(sizeof graphs / sizeof *graphs));
    suite_add_tcase(s, whole);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
