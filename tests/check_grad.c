// tests/check_grad.c -- gradients agree with finite differences.
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/errors.h"
#include "passes/grad.h"
#include "tests/support_graph.h"
#include "tests/support_ops.h"

static PassFn *const grad[] = {pass_grad, NULL};
static PassFn *const all[] = {pass_inline, pass_grad, pass_map, NULL};

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

// Builds the scalar to be differentiated from the parameters of a body.
typedef IrNode *Loss(IrBuilder *b, IrOp op, int example, IrNode *const *x, int n);

static IrNode *loss_of_op(IrBuilder *b, IrOp op, int example, IrNode *const *x, int n) {
    (void)n;
    IrNode *y = ops_build(b, op, example, x);
    return ops_scalar(b, ir_sin(b, y));
}

// A gradient of `loss` by all real ones of x. Fills dx with them; gives their number.
static int build_grad(IrBuilder *b, Loss *loss, IrOp op, int example, IrNode *const *x, int n,
                      IrNode **dx) {
    IrBuilder in = {.fn = b->fn, .block = ir_block_new(b->fn->arena)};
    int wrt[OPS_MAX_INPUTS], n_wrt = 0;
    for (int k = 0; k < n; k++) {
        ir_block_add_param(b->fn, in.block, x[k]->types[0], NULL, b->loc);
        if (ir_dtype_is_real(x[k]->types[0].dtype))
            wrt[n_wrt++] = k;
    }
    ir_block_add_result(b->fn, in.block, loss(&in, op, example, in.block->params, n));
    IrNode *g = ir_grad(b, in.block, n, x, n_wrt, wrt);
    for (int i = 0; i < n_wrt; i++)
        dx[i] = ir_get(b, g, i + 1);
    return n_wrt;
}

// Of the gradients of the loss, again a scalar.
static IrNode *loss_of_gradients(IrBuilder *b, IrOp op, int example, IrNode *const *x, int n) {
    IrNode *dx[OPS_MAX_INPUTS], *sum = NULL;
    int n_wrt = build_grad(b, loss_of_op, op, example, x, n, dx);
    for (int i = 0; i < n_wrt; i++) {
        IrNode *part = ops_scalar(b, dx[i]);
        sum = sum ? ir_add(b, sum, part) : part;
    }
    return sum;
}

static const char *const names[OPS_MAX_INPUTS] = {"x", "y", "z"};

static double distance_for(Loss *loss, IrOp op, int example) {
    IrDims dims = {.arena = &arena};
    IrFunction *f = ir_function_new(&arena, &dims, "f");
    IrType types[OPS_MAX_INPUTS];
    int n = ops_inputs(&dims, op, example, types);
    for (int k = 0; k < n; k++)
        ir_add_input(f, types[k], (IrSlot){.name = names[k]}, (Loc){0});

    IrBuilder b = {.fn = f, .block = f->body};
    IrNode *dx[OPS_MAX_INPUTS];
    int n_wrt = build_grad(&b, loss, op, example, f->body->params, n, dx);
    for (int i = 0; i < n_wrt; i++)
        ir_add_output(f, dx[i], (IrSlot){.name = names[i], .role = IR_ROLE_GRAD});
    IrFunction *g = graph_after(&arena, f, grad);
    ck_assert_int_eq(graph_count(g, IR_OP_grad), 0);
    return graph_distance(f, g, 3, 11);
}

// Operations whose gradient does not exist, and the one whose gradient is not the derivative.
static bool has_no_gradient(IrOp op) {
    return grad_rule[op] == grad_none || op == IR_OP_stop_gradient || op == IR_OP_sample;
}

START_TEST(gradient_agrees_with_finite_differences) {
    IrOp op = (IrOp)_i;
    for (int k = 0; k < ops_count(op) && !has_no_gradient(op); k++) {
        double d = distance_for(loss_of_op, op, k);
        ck_assert_msg(d < 1e-8, "%s, example %d: %g", ir_op_info[op].name, k, d);
    }
}
END_TEST

START_TEST(second_gradient_agrees_with_finite_differences) {
    IrOp op = (IrOp)_i;
    for (int k = 0; k < ops_count(op) && !has_no_gradient(op); k++) {
        double d = distance_for(loss_of_gradients, op, k);
        ck_assert_msg(d < 1e-6, "%s, example %d: %g", ir_op_info[op].name, k, d);
    }
}
END_TEST

// ---- ties, kinks and stops ----------------------------------------------------------------------

// Gradient of `expr`, a scalar of x: f64[4] and y: f64[4], at given points.
static EvalTensor **gradients_at(const char *expr, const double *x, const double *y) {
    char *text =
        arena_printf(&arena,
                     "func @f(%%x: f64[4] in \"x\", %%y: f64[4] in \"y\") {\n"
                     "  %%g = grad %%x, %%y wrt=[0,1] : (f64[], f64[4], f64[4]) {\n"
                     "  ^(%%a: f64[4] \"x\", %%b: f64[4] \"y\"):\n%s"
                     "    yield %%l\n  }\n"
                     "  %%dx = get %%g index=1 : f64[4]\n  %%dy = get %%g index=2 : f64[4]\n"
                     "  return %%dx g \"x\", %%dy g \"y\"\n}\n",
                     expr);
    IrFunction *f = graph_after(&arena, graph_entry(graph_parse(&arena, &diag, text)), grad);
    Eval e = {.arena = &arena};
    EvalTensor **in = eval_random_inputs(&e, f, 0);
    for (int i = 0; i < 4; i++) {
        in[0]->x[i] = x[i];
        in[1]->x[i] = y[i];
    }
    return eval_function(&e, f, in);
}

static void assert_equals(const EvalTensor *t, double a, double b, double c, double d) {
    double want[] = {a, b, c, d};
    for (int i = 0; i < 4; i++)
        ck_assert_double_eq(t->x[i], want[i]);
}

static const double ties_x[] = {1, 0, -1, 2}, ties_y[] = {1, 0, 3, -2};

START_TEST(ties_of_max_and_min_go_to_the_first) {
    EvalTensor **d = gradients_at("    %m = max %a, %b : f64[4]\n"
                                  "    %l = sum %m axes=[0] : f64[]\n",
                                  ties_x, ties_y);
    assert_equals(d[0], 1, 1, 0, 1);
    assert_equals(d[1], 0, 0, 1, 0);
    d = gradients_at("    %m = min %a, %b : f64[4]\n"
                     "    %l = sum %m axes=[0] : f64[]\n",
                     ties_x, ties_y);
    assert_equals(d[0], 1, 1, 1, 0);
    assert_equals(d[1], 0, 0, 0, 1);
}
END_TEST

START_TEST(kinks_at_zero_have_gradient_zero) {
    EvalTensor **d = gradients_at("    %r = relu %a : f64[4]\n"
                                  "    %s = abs %b : f64[4]\n"
                                  "    %t = add %r, %s : f64[4]\n"
                                  "    %l = sum %t axes=[0] : f64[]\n",
                                  ties_x, ties_y);
    assert_equals(d[0], 1, 0, 0, 1);
    assert_equals(d[1], 1, 0, 1, -1);
}
END_TEST

START_TEST(largest_of_equals_is_the_first) {
    static const double x[] = {1, 3, 3, 2}, y[] = {-1, 0, -1, 0};
    EvalTensor **d = gradients_at("    %m = reduce_max %a axes=[0] : f64[]\n"
                                  "    %n = reduce_min %b axes=[0] : f64[]\n"
                                  "    %l = add %m, %n : f64[]\n",
                                  x, y);
    assert_equals(d[0], 0, 1, 0, 0);
    assert_equals(d[1], 1, 0, 0, 0);
}
END_TEST

START_TEST(select_hides_what_it_does_not_choose) {
    static const double x[] = {1, 0, 4, 0}, y[] = {1, 1, 1, 1};
    EvalTensor **d = gradients_at("    %z = const 0 : f64[4]\n"
                                  "    %p = less %z, %a : bool[4]\n"
                                  "    %q = sqrt %a : f64[4]\n"
                                  "    %s = select %p, %q, %b : f64[4]\n"
                                  "    %l = sum %s axes=[0] : f64[]\n",
                                  x, y);
    ck_assert_double_eq(d[0]->x[0], 0.5);
    ck_assert_double_eq(d[0]->x[2], 0.25);
    assert_equals(d[1], 0, 1, 0, 1);
}
END_TEST

START_TEST(power_of_zero_has_finite_gradients) {
    static const double x[] = {0, 0, 2, -2}, y[] = {0, 2, 0, 2};
    EvalTensor **d = gradients_at("    %p = pow %a, %b : f64[4]\n"
                                  "    %l = sum %p axes=[0] : f64[]\n",
                                  x, y);
    assert_equals(d[0], 0, 0, 0, -4);
    ck_assert_double_eq(d[1]->x[0], 0);
    ck_assert_double_eq(d[1]->x[1], 0);
    ck_assert_double_eq(d[1]->x[3], 0);
}
END_TEST

START_TEST(gradient_stops_where_told) {
    EvalTensor **d = gradients_at("    %s = stop_gradient %a : f64[4]\n"
                                  "    %p = mul %s, %a : f64[4]\n"
                                  "    %q = mul %p, %b : f64[4]\n"
                                  "    %l = sum %q axes=[0] : f64[]\n",
                                  ties_x, ties_y);
    assert_equals(d[0], 1, 0, -3, -4); // x y, with one x held
    assert_equals(d[1], 1, 0, 1, 4);   // x^2
}
END_TEST

START_TEST(gradient_through_a_call_is_an_error) {
    static const char text[] = "func @g(%x: f64[] in \"x\") {\n"
                               "  return %x out \"y\"\n}\n\n"
                               "func @f(%x: f64[] in \"x\") {\n"
                               "  %g = grad %x wrt=[0] : (f64[], f64[]) {\n"
                               "  ^(%a: f64[] \"x\"):\n"
                               "    %c = call @g %a : (f64[])\n"
                               "    %l = get %c index=0 : f64[]\n"
                               "    yield %l\n  }\n"
                               "  %d = get %g index=1 : f64[]\n"
                               "  return %d g \"x\"\n}\n";
    IrFunction *f = graph_entry(graph_parse(&arena, &diag, text));
    PassCtx cx = {.scratch = &arena, .diag = &diag};
    pass_grad(&cx, f);
    ck_assert_int_eq(diag.n_errors, 1);
    ck_assert_int_eq(diag.messages[0].code, E_not_differentiable);
    ck_assert_str_eq(diag.messages[0].text, "no gradient through 'call'");
    ck_assert_int_eq(diag.messages[0].loc.line, 8);
}
END_TEST

START_TEST(gradient_through_a_loop_that_ends_early_is_an_error) {
    static const char text[] = "func @f(%x: f64[] in \"x\") {\n"
                               "  %g = grad %x wrt=[0] : (f64[], f64[]) {\n"
                               "  ^(%a: f64[] \"x\"):\n"
                               "    %no = const false : bool[]\n"
                               "    %s = scan %no, %a captured=0 carry=2 over=0 steps=3 until "
                               ": (bool[], f64[]) {\n"
                               "    ^(%u: bool[], %c: f64[], %t: i32[]):\n"
                               "      %d = add %c, %c : f64[]\n"
                               "      %e = less %c, %d : bool[]\n"
                               "      yield %e, %d\n    }\n"
                               "    %l = get %s index=1 : f64[]\n"
                               "    yield %l\n  }\n"
                               "  %d = get %g index=1 : f64[]\n"
                               "  return %d g \"x\"\n}\n";
    IrFunction *f = graph_entry(graph_parse(&arena, &diag, text));
    PassCtx cx = {.scratch = &arena, .diag = &diag};
    pass_grad(&cx, f);
    ck_assert_int_eq(diag.n_errors, 1);
    ck_assert_int_eq(diag.messages[0].code, E_not_differentiable);
    ck_assert_str_eq(diag.messages[0].text,
                     "no gradient through a loop that ends early, by 'until'");
    ck_assert_int_eq(diag.messages[0].loc.line, 5);
}
END_TEST

// ---- loops --------------------------------------------------------------------------------------

// Graphs that are compared with finite differences, for several lengths of their loops, none too.
static const struct Graph {
    const char *name, *text;
} graphs[] = {
    {"two nested loops, a shared weight, an outer value in the inner loop",
     "dim H max=20\ndim K max=20 likely=1\n"
     "func @f(%w: f64[2,2] p \"w\", %s: f64[2] in \"s\", %u: f64[H,2] in \"u\", %v: f64[K] in "
     "\"v\") {\n"
     "  %g = grad %w, %s, %u, %v wrt=[0,1,2,3] : (f64[], f64[2,2], f64[2], f64[H,2], f64[K]) {\n"
     "  ^(%gw: f64[2,2], %gs: f64[2], %gu: f64[H,2], %gv: f64[K]):\n"
     "    %o = scan %gw, %gv, %gs, %gu captured=2 carry=1 over=1 steps=H name=\"o\" : (f64[2], "
     "f64[H]) {\n"
     "    ^(%ow: f64[2,2], %ov: f64[K], %os: f64[2], %ou: f64[2], %i: i32[]):\n"
     "      %n = scan %ow, %ou, %os, %ov captured=2 carry=1 over=1 steps=K reverse name=\"n\" : "
     "(f64[2], f64[K,2]) {\n"
     "      ^(%nw: f64[2,2], %nu: f64[2], %ns: f64[2], %nv: f64[], %j: i32[]):\n"
     "        %p = dot %nw, %ns batch=0 contract=[1]x[0] : f64[2]\n"
     "        %b = broadcast %nv axes=[] : f64[2]\n"
     "        %q = mul %p, %b : f64[2]\n"
     "        %r = add %q, %nu : f64[2]\n"
     "        %t = tanh %r : f64[2]\n"
     "        %x = sin %p : f64[2]\n"
     "        yield %t, %x\n"
     "      }\n"
     "      %s2 = get %n index=0 : f64[2]\n"
     "      %xs = get %n index=1 : f64[K,2]\n"
     "      %y = mul %s2, %ou : f64[2]\n"
     "      %sum = sum %xs axes=[0,1] : f64[]\n"
     "      %e = exp %y : f64[2]\n"
     "      %m = reduce_max %e axes=[0] : f64[]\n"
     "      %c = mul %sum, %m : f64[]\n"
     "      yield %y, %c\n"
     "    }\n"
     "    %last = get %o index=0 : f64[2]\n"
     "    %cs = get %o index=1 : f64[H]\n"
     "    %c = sum %cs axes=[0] : f64[]\n"
     "    %l2 = sum %last axes=[0] : f64[]\n"
     "    %l = add %c, %l2 : f64[]\n"
     "    yield %l\n"
     "  }\n"
     "  %l = get %g index=0 : f64[]\n"
     "  %dw = get %g index=1 : f64[2,2]\n"
     "  %ds = get %g index=2 : f64[2]\n"
     "  %du = get %g index=3 : f64[H,2]\n"
     "  %dv = get %g index=4 : f64[K]\n"
     "  return %l out \"l\", %dw g \"w\", %ds g \"s\", %du g \"u\", %dv g \"v\"\n}\n"},

    {"carries that swap, an i32 counter, a carry that nothing needs, a product of captured values",
     "dim H max=20\n"
     "func @f(%x: f64[2] in \"x\", %y: f64[2] in \"y\", %w: f64[2,2] in \"w\") {\n"
     "  %g = grad %x, %y, %w wrt=[0,1,2] : (f64[], f64[2], f64[2], f64[2,2]) {\n"
     "  ^(%gx: f64[2], %gy: f64[2], %gw: f64[2,2]):\n"
     "    %z = const 0 : i32[]\n"
     "    %s = scan %gw, %gx, %gy, %z, %gx captured=1 carry=4 over=0 steps=H name=\"s\" : (f64[2], "
     "f64[2], i32[], f64[2], f64[H,2], f64[H,2]) {\n"
     "    ^(%sw: f64[2,2], %a: f64[2], %b: f64[2], %c: i32[], %d: f64[2], %i: i32[]):\n"
     "      %ww = dot %sw, %sw batch=0 contract=[1]x[0] : f64[2,2]\n"
     "      %p = dot %ww, %b batch=0 contract=[1]x[0] : f64[2]\n"
     "      %r = cast %c : f64[]\n"
     "      %rb = broadcast %r axes=[] : f64[2]\n"
     "      %q = mul %p, %rb : f64[2]\n"
     "      %t = sin %q : f64[2]\n"
     "      %one = const 1 : i32[]\n"
     "      %c2 = add %c, %one : i32[]\n"
     "      %d2 = mul %d, %t : f64[2]\n"
     "      %k = const 3 : f64[2]\n"
     "      yield %b, %t, %c2, %d2, %d2, %k\n"
     "    }\n"
     "    %a = get %s index=0 : f64[2]\n"
     "    %b = get %s index=1 : f64[2]\n"
     "    %ab = mul %a, %b : f64[2]\n"
     "    %l = sum %ab axes=[0] : f64[]\n"
     "    yield %l\n"
     "  }\n"
     "  %dx = get %g index=1 : f64[2]\n"
     "  %dy = get %g index=2 : f64[2]\n"
     "  %dw = get %g index=3 : f64[2,2]\n"
     "  return %dx g \"x\", %dy g \"y\", %dw g \"w\"\n}\n"},

    {"rows in a loop: weights see all rows and steps; indices and draws within",
     "dim H max=20\ndim N max=20 likely=1\n"
     "func @f(%w: f64[3,2] p \"w\", %v: f64[3,2] p \"v\", %x: f64[N,3] in \"x\", %i: i32[H,N] in "
     "\"i\") {\n"
     "  %g = grad %w, %v, %x, %i wrt=[0,1,2] : (f64[], f64[3,2], f64[3,2], f64[N,3]) {\n"
     "  ^(%gw: f64[3,2], %gv: f64[3,2], %gx: f64[N,3], %gi: i32[H,N]):\n"
     "    %s = scan %gw, %gv, %gx, %gi captured=2 carry=1 over=1 steps=H name=\"s\" : (f64[N,3], "
     "f64[H]) {\n"
     "    ^(%sw: f64[3,2], %sv: f64[3,2], %c: f64[N,3], %at: i32[N], %t: i32[]):\n"
     "      %h = dot %c, %sw batch=0 contract=[1]x[0] : f64[N,2]\n"
     "      %a = tanh %h : f64[N,2]\n"
     "      %o = dot %a, %sv batch=0 contract=[1]x[1] : f64[N,3]\n"
     "      %k = dot %o, %sw batch=0 contract=[1]x[0] : f64[N,2]\n"
     "      %q = dot %k, %sv batch=0 contract=[1]x[1] : f64[N,3]\n"
     "      %e = draw_normal site=\"e\" : f64[N,3]\n"
     "      %m = mul %q, %e : f64[N,3]\n"
     "      %n = gather %m, %at : f64[N,3]\n"
     "      %z = sin %n : f64[N,3]\n"
     "      %cost = sum %z axes=[0,1] : f64[]\n"
     "      yield %z, %cost\n"
     "    }\n"
     "    %cs = get %s index=1 : f64[H]\n"
     "    %l = sum %cs axes=[0] : f64[]\n"
     "    yield %l\n"
     "  }\n"
     "  %dw = get %g index=1 : f64[3,2]\n"
     "  %dv = get %g index=2 : f64[3,2]\n"
     "  %dx = get %g index=3 : f64[N,3]\n"
     "  return %dw g \"w\", %dv g \"v\", %dx g \"x\"\n}\n"},

    {"a gradient in a map: one for each row",
     "dim N max=20\n"
     "func @f(%x: f64[N,2] in \"x\", %w: f64[2,2] in \"w\") {\n"
     "  %m = map %w, %x captured=1 over=1 steps=N name=\"m\" : (f64[N], f64[N,2], f64[N,2,2]) {\n"
     "  ^(%mw: f64[2,2], %mx: f64[2], %i: i32[]):\n"
     "    %g = grad %mx, %mw wrt=[0,1] : (f64[], f64[2], f64[2,2]) {\n"
     "    ^(%gx: f64[2], %gw: f64[2,2]):\n"
     "      %p = dot %gw, %gx batch=0 contract=[1]x[0] : f64[2]\n"
     "      %q = dot %p, %gx batch=0 contract=[0]x[0] : f64[]\n"
     "      %l = sin %q : f64[]\n"
     "      yield %l\n"
     "    }\n"
     "    %l = get %g index=0 : f64[]\n"
     "    %dx = get %g index=1 : f64[2]\n"
     "    %dw = get %g index=2 : f64[2,2]\n"
     "    yield %l, %dx, %dw\n"
     "  }\n"
     "  %l = get %m index=0 : f64[N]\n"
     "  %dx = get %m index=1 : f64[N,2]\n"
     "  %dw = get %m index=2 : f64[N,2,2]\n"
     "  return %l out \"l\", %dx g \"x\", %dw g \"w\"\n}\n"},

    {"a loop over a map in a gradient",
     "dim H max=20\ndim N max=20\n"
     "func @f(%x: f64[N] in \"x\", %w: f64[] in \"w\") {\n"
     "  %g = grad %x, %w wrt=[0,1] : (f64[], f64[N], f64[]) {\n"
     "  ^(%gx: f64[N], %gw: f64[]):\n"
     "    %s = scan %gw, %gx captured=1 carry=1 over=0 steps=H name=\"s\" : (f64[N]) {\n"
     "    ^(%sw: f64[], %c: f64[N], %t: i32[]):\n"
     "      %m = map %sw, %c captured=1 over=1 steps=N name=\"m\" : (f64[N]) {\n"
     "      ^(%mw: f64[], %mc: f64[], %i: i32[]):\n"
     "        %e = draw_uniform site=\"e\" : f64[]\n"
     "        %p = mul %mw, %mc : f64[]\n"
     "        %q = mul %p, %e : f64[]\n"
     "        %r = sin %q : f64[]\n"
     "        %ir = cast %i : f64[]\n"
     "        %y = add %r, %ir : f64[]\n"
     "        yield %y\n"
     "      }\n"
     "      %y = get %m index=0 : f64[N]\n"
     "      yield %y\n"
     "    }\n"
     "    %y = get %s index=0 : f64[N]\n"
     "    %z = mul %y, %y : f64[N]\n"
     "    %l = sum %z axes=[0] : f64[]\n"
     "    yield %l\n"
     "  }\n"
     "  %dx = get %g index=1 : f64[N]\n"
     "  %dw = get %g index=2 : f64[]\n"
     "  return %dx g \"x\", %dw g \"w\"\n}\n"},

    {"an inner gradient step in a loop, differentiated",
     "dim H max=20\n"
     "func @f(%p: f64[2] in \"p\", %a: f64[2,2] in \"a\") {\n"
     "  %g = grad %p, %a wrt=[0,1] : (f64[], f64[2], f64[2,2]) {\n"
     "  ^(%gp: f64[2], %ga: f64[2,2]):\n"
     "    %s = scan %ga, %gp captured=1 carry=1 over=0 steps=H name=\"s\" : (f64[2]) {\n"
     "    ^(%sa: f64[2,2], %c: f64[2], %t: i32[]):\n"
     "      %in = grad %c, %sa wrt=[0] : (f64[], f64[2]) {\n"
     "      ^(%ic: f64[2], %ia: f64[2,2]):\n"
     "        %q = dot %ia, %ic batch=0 contract=[1]x[0] : f64[2]\n"
     "        %r = tanh %q : f64[2]\n"
     "        %l = dot %r, %ic batch=0 contract=[0]x[0] : f64[]\n"
     "        yield %l\n"
     "      }\n"
     "      %d = get %in index=1 : f64[2]\n"
     "      %k = const 0.3 : f64[2]\n"
     "      %m = mul %k, %d : f64[2]\n"
     "      %n = sub %c, %m : f64[2]\n"
     "      yield %n\n"
     "    }\n"
     "    %e = get %s index=0 : f64[2]\n"
     "    %z = sin %e : f64[2]\n"
     "    %l = sum %z axes=[0] : f64[]\n"
     "    yield %l\n"
     "  }\n"
     "  %dp = get %g index=1 : f64[2]\n"
     "  %da = get %g index=2 : f64[2,2]\n"
     "  return %dp g \"p\", %da g \"a\"\n}\n"},

    {"the gradient of the gradient of a loop",
     "dim H max=20\n"
     "func @f(%p: f64[2] in \"p\", %a: f64[2,2] in \"a\", %u: f64[H,2] in \"u\") {\n"
     "  %g = grad %p, %a, %u wrt=[0,1,2] : (f64[], f64[2], f64[2,2], f64[H,2]) {\n"
     "  ^(%gp: f64[2], %ga: f64[2,2], %gu: f64[H,2]):\n"
     "    %in = grad %gp, %ga, %gu wrt=[0,1] : (f64[], f64[2], f64[2,2]) {\n"
     "    ^(%ip: f64[2], %ia: f64[2,2], %iu: f64[H,2]):\n"
     "      %s = scan %ia, %ip, %iu captured=1 carry=1 over=1 steps=H name=\"s\" : (f64[2]) {\n"
     "      ^(%sa: f64[2,2], %c: f64[2], %x: f64[2], %t: i32[]):\n"
     "        %q = dot %sa, %c batch=0 contract=[1]x[0] : f64[2]\n"
     "        %r = add %q, %x : f64[2]\n"
     "        %n = sin %r : f64[2]\n"
     "        yield %n\n"
     "      }\n"
     "      %e = get %s index=0 : f64[2]\n"
     "      %l = sum %e axes=[0] : f64[]\n"
     "      yield %l\n"
     "    }\n"
     "    %dp = get %in index=1 : f64[2]\n"
     "    %da = get %in index=2 : f64[2,2]\n"
     "    %x = mul %dp, %dp : f64[2]\n"
     "    %y = mul %da, %da : f64[2,2]\n"
     "    %xs = sum %x axes=[0] : f64[]\n"
     "    %ys = sum %y axes=[0,1] : f64[]\n"
     "    %l = add %xs, %ys : f64[]\n"
     "    yield %l\n"
     "  }\n"
     "  %dp = get %g index=1 : f64[2]\n"
     "  %da = get %g index=2 : f64[2,2]\n"
     "  %du = get %g index=3 : f64[H,2]\n"
     "  return %dp g \"p\", %da g \"a\", %du g \"u\"\n}\n"},
};

// `text` for so many likely steps that next to nothing can be stored.
static char *when_memory_is_short(const char *text) {
    Buf out = {0};
    const char *at;
    for (; (at = strstr(text, "max=20")); text = at + strlen("max=20")) {
        buf_put(&out, text, (size_t)(at - text));
        buf_puts(&out, "max=1073741824");
    }
    buf_puts(&out, text);
    char *s = arena_strdup(&arena, buf_text(&out));
    buf_free(&out);
    return s;
}

START_TEST(loops_agree_with_finite_differences) {
    const struct Graph *g = &graphs[_i / 2];
    const char *text = _i % 2 ? when_memory_is_short(g->text) : g->text;
    IrFunction *f = graph_entry(graph_parse(&arena, &diag, text));
    IrFunction *after = graph_after(&arena, f, all);
    ck_assert_int_eq(graph_count(after, IR_OP_grad), 0);
    ck_assert_int_eq(graph_count(after, IR_OP_map), 0);
    for (int64_t size = 0; size < 4; size++) {
        double d = graph_distance(f, after, size, (uint64_t)size + 1);
        ck_assert_msg(d < 1e-6, "%s, size %d: %g", g->name, (int)size, d);
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("grad");
    TCase *ops = tcase_create("ops");
    tcase_add_checked_fixture(ops, setup, teardown);
    tcase_set_timeout(ops, 60);
    tcase_add_loop_test(ops, gradient_agrees_with_finite_differences, 0, IR_OP_COUNT);
    tcase_add_loop_test(ops, second_gradient_agrees_with_finite_differences, 0, IR_OP_COUNT);
    suite_add_tcase(s, ops);

    TCase *edges = tcase_create("edges");
    tcase_add_checked_fixture(edges, setup, teardown);
    tcase_add_test(edges, ties_of_max_and_min_go_to_the_first);
    tcase_add_test(edges, kinks_at_zero_have_gradient_zero);
    tcase_add_test(edges, largest_of_equals_is_the_first);
    tcase_add_test(edges, select_hides_what_it_does_not_choose);
    tcase_add_test(edges, power_of_zero_has_finite_gradients);
    tcase_add_test(edges, gradient_stops_where_told);
    tcase_add_test(edges, gradient_through_a_call_is_an_error);
    tcase_add_test(edges, gradient_through_a_loop_that_ends_early_is_an_error);
    suite_add_tcase(s, edges);

    TCase *loops = tcase_create("loops");
    tcase_add_checked_fixture(loops, setup, teardown);
    tcase_set_timeout(loops, 60);
    tcase_add_loop_test(loops, loops_agree_with_finite_differences, 0,
                        2 * (int)(sizeof graphs / sizeof *graphs));
    suite_add_tcase(s, loops);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
