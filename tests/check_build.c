// tests/check_build.c -- builders: types, folding, copies.
#include "ir/build.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "ir/base/exits.h"
#include "ir/text.h"

static Arena arena;
static IrDims dims;
static IrFunction *f;
static IrBuilder b;
static IrDim *N, *M;
static IrNode *x, *y, *c, *i32; // f32[N,6], f32[N,6], bool[N,6], i32[]

static IrDim *size(int64_t n) {
    return ir_dim_const(&dims, n);
}

// A type of up to three axes; NULL ends them.
static IrType type(IrDtype dtype, IrDim *d0, IrDim *d1, IrDim *d2) {
    IrDim *all[] = {d0, d1, d2};
    return ir_type(dtype, !d0 ? 0 : !d1 ? 1 : !d2 ? 2 : 3, all);
}

static IrNode *input(IrType t, const char *name) {
    return ir_add_input(f, t, (IrSlot){.name = name}, (Loc){0});
}

static void setup(void) {
    arena = (Arena){0};
    dims = (IrDims){.arena = &arena};
    N = ir_dim_var(&dims, "N", 1000, 50);
    M = ir_dim_var(&dims, "M", 100, 0);
    f = ir_function_new(&arena, &dims, "f");
    b = (IrBuilder){.fn = f, .block = f->body, .path = "here"};
    x = input(type(IR_F32, N, size(6), NULL), "x");
    y = input(type(IR_F32, N, size(6), NULL), "y");
    c = input(type(IR_BOOL, N, size(6), NULL), "c");
    i32 = input(ir_scalar(IR_I32), "i");
}

static void teardown(void) {
    arena_free(&arena);
}

static void check_type(const IrNode *n, const char *want) {
    Buf text = {0};
    ir_type_print(&text, &n->types[0]);
    ck_assert_str_eq(buf_text(&text), want);
    buf_free(&text);
}

static void check_const(const IrNode *n, double value) {
    ck_assert_int_eq(n->op, IR_OP_const);
    if (isnan(value))
        ck_assert(isnan(n->attrs.value));
    else
        ck_assert_double_eq(n->attrs.value, value);
}

static IrNode *like(double value) {
    return ir_const_like(&b, x, value);
}

static IrNode *scalar(IrDtype dtype, double value) {
    return ir_const(&b, ir_scalar(dtype), value);
}

// ---- operations

START_TEST(every_op_is_found_by_its_name) {
    ck_assert_int_eq(ir_op_find(ir_op_info[_i].name), _i);
    ck_assert_ptr_nonnull(ir_op_info[_i].doc);
    ck_assert_int_eq(ir_op_info[_i].kind == IR_KIND_MAP, ir_op_info[_i].expr != NULL);
}
END_TEST

START_TEST(unknown_name_finds_nothing) {
    ck_assert_int_eq(ir_op_find("no_such_op"), IR_OP_COUNT);
    ck_assert_int_eq(ir_op_find(""), IR_OP_COUNT);
}
END_TEST

START_TEST(meanings_are_those_of_the_table) {
    const double nan2[] = {NAN, 1}, nan3[] = {1, NAN}, tie[] = {-0.0, 0.0}, pair[] = {3, 2};
    ck_assert(isnan(ir_eval_map(IR_OP_max, IR_F32, nan2)));
    ck_assert(isnan(ir_eval_map(IR_OP_max, IR_F32, nan3)));
    ck_assert(isnan(ir_eval_map(IR_OP_min, IR_F64, nan3)));
    ck_assert(isnan(ir_eval_map(IR_OP_sign, IR_F64, nan2)));
    ck_assert(isnan(ir_eval_map(IR_OP_relu, IR_F32, nan2)));
    ck_assert(signbit(ir_eval_map(IR_OP_max, IR_F64, tie)));
    ck_assert_double_eq(ir_eval_map(IR_OP_sign, IR_F32, (double[]){-7}), -1);
    ck_assert_double_eq(ir_eval_map(IR_OP_less, IR_I32, pair), 0);
    ck_assert_double_eq(ir_eval_map(IR_OP_logical_and, IR_BOOL, (double[]){1, 0}), 0);
    ck_assert_double_eq(ir_eval_map(IR_OP_is_finite, IR_F32, (double[]){INFINITY}), 0);
    ck_assert_double_eq(ir_eval_map(IR_OP_add, IR_I32, (double[]){INT32_MAX, 1}), INT32_MIN);
    ck_assert_double_eq(ir_eval_map(IR_OP_mul, IR_I32, (double[]){65536, 65537}), 65536);
    ck_assert_double_eq(ir_eval_map(IR_OP_neg, IR_I32, (double[]){INT32_MIN}), INT32_MIN);
    ck_assert_double_eq(ir_eval_map(IR_OP_div, IR_F32, (double[]){1, 3}), (double)(1.0f / 3));
    ck_assert_double_eq(ir_eval_map(IR_OP_div, IR_F64, (double[]){1, 3}), 1.0 / 3);
}
END_TEST

// ---- folding

START_TEST(constants_fold_in_their_type) {
    check_const(ir_add(&b, like(0.1), like(0.2)), (double)(0.1f + 0.2f));
    check_const(ir_div(&b, like(1), like(0)), INFINITY);
    check_const(ir_log(&b, like(-1)), NAN);
    check_const(ir_less(&b, like(1), like(2)), 1);
    check_const(ir_add(&b, scalar(IR_F64, 0.1), scalar(IR_F64, 0.2)), 0.1 + 0.2);
    check_const(ir_mul(&b, scalar(IR_I32, 7), scalar(IR_I32, -6)), -42);
    check_type(ir_less(&b, like(1), like(2)), "bool[N,6]");
    check_const(scalar(IR_F32, 0.1), (double)0.1f);
    check_const(scalar(IR_I32, 2.9), 2);
    check_const(scalar(IR_I32, -1e20), INT32_MIN);
    check_const(scalar(IR_BOOL, 5), 1);
}
END_TEST

START_TEST(identities_of_arithmetic_vanish) {
    ck_assert_ptr_eq(ir_add(&b, x, like(0)), x);
    ck_assert_ptr_eq(ir_add(&b, like(0), x), x);
    ck_assert_ptr_eq(ir_sub(&b, x, like(0)), x);
    ck_assert_ptr_eq(ir_mul(&b, x, like(1)), x);
    ck_assert_ptr_eq(ir_mul(&b, like(1), x), x);
    ck_assert_ptr_eq(ir_div(&b, x, like(1)), x);
    ck_assert_ptr_eq(ir_neg(&b, ir_neg(&b, x)), x);
    ck_assert_ptr_eq(ir_logical_not(&b, ir_logical_not(&b, c)), c);
    ck_assert_ptr_eq(ir_logical_and(&b, c, ir_const_like(&b, c, 1)), c);
    ck_assert_ptr_eq(ir_logical_or(&b, ir_const_like(&b, c, 0), c), c);
    check_const(ir_logical_and(&b, ir_const_like(&b, c, 0), c), 0);
    check_const(ir_logical_or(&b, c, ir_const_like(&b, c, 1)), 1);
}
END_TEST

START_TEST(what_is_not_exact_stays) {
    ck_assert_int_eq(ir_mul(&b, x, like(0))->op, IR_OP_mul); // NaN * 0
    ck_assert_int_eq(ir_sub(&b, x, x)->op, IR_OP_sub);       // inf - inf
    ck_assert_int_eq(ir_sub(&b, like(0), x)->op, IR_OP_sub);
    ck_assert_int_eq(ir_div(&b, x, x)->op, IR_OP_div);
    ck_assert_int_eq(ir_pow(&b, x, like(5))->op, IR_OP_pow);
    ck_assert_int_eq(ir_pow(&b, x, like(1.5))->op, IR_OP_pow);
}
END_TEST

START_TEST(small_powers_become_products) {
    check_const(ir_pow(&b, x, like(0)), 1);
    ck_assert_ptr_eq(ir_pow(&b, x, like(1)), x);
    IrNode *square = ir_pow(&b, x, like(2));
    ck_assert_int_eq(square->op, IR_OP_mul);
    ck_assert(square->in[0] == x && square->in[1] == x);
    IrNode *cube = ir_pow(&b, x, like(3)), *fourth = ir_pow(&b, x, like(4));
    ck_assert(cube->op == IR_OP_mul && cube->in[0]->op == IR_OP_mul && cube->in[1] == x);
    ck_assert(fourth->op == IR_OP_mul && fourth->in[0] == fourth->in[1]);
    ck_assert_int_eq(ir_pow(&b, x, like(0.5))->op, IR_OP_sqrt);
    IrNode *inverse = ir_pow(&b, x, like(-1));
    ck_assert(inverse->op == IR_OP_div && inverse->in[1] == x);
    check_const(ir_pow(&b, like(3), like(5)), 243);
}
END_TEST

START_TEST(select_and_cast_fold) {
    ck_assert_ptr_eq(ir_select(&b, ir_const_like(&b, c, 1), x, y), x);
    ck_assert_ptr_eq(ir_select(&b, ir_const_like(&b, c, 0), x, y), y);
    ck_assert_ptr_eq(ir_select(&b, c, x, x), x);
    ck_assert_int_eq(ir_select(&b, c, x, y)->op, IR_OP_select);
    ck_assert_ptr_eq(ir_cast(&b, x, IR_F32), x);
    check_const(ir_cast(&b, like(2.7), IR_I32), 2);
    check_type(ir_cast(&b, x, IR_F64), "f64[N,6]");
    IrNode *stop = ir_stop_gradient(&b, x);
    ck_assert_ptr_eq(ir_stop_gradient(&b, stop), stop);
    check_const(ir_stop_gradient(&b, like(3)), 3);
}
END_TEST

START_TEST(moves_of_constants_are_constants) {
    IrDim *zero = size(0), *starts[] = {zero, size(1)};
    IrNode *s = scalar(IR_F32, 7), *k = like(7);
    IrDim *d[] = {N, size(6), M};
    check_const(ir_broadcast(&b, s, 3, d, NULL), 7);
    check_type(ir_broadcast(&b, s, 3, d, NULL), "f32[N,6,M]");
    check_const(ir_reshape(&b, k, 3, (IrDim *[]){size(2), N, size(3)}), 7);
    check_const(ir_transpose(&b, k, (int[]){1, 0}), 7);
    check_const(ir_slice(&b, k, starts, (IrDim *[]){N, size(2)}), 7);
    check_const(ir_concat(&b, 2, (IrNode *[]){k, k}, 0), 7);
    ck_assert_int_eq(ir_concat(&b, 2, (IrNode *[]){k, like(8)}, 0)->op, IR_OP_concat);
    ck_assert_int_eq(ir_pad(&b, k, starts, (IrDim *[]){N, size(9)})->op, IR_OP_pad);
    check_const(ir_pad(&b, like(0), starts, (IrDim *[]){N, size(9)}), 0);
    check_const(ir_iota(&b, type(IR_I32, size(1), N, NULL), 0), 0);
    check_const(ir_extent(&b, IR_F32, size(12)), 12);
    ck_assert_int_eq(ir_extent(&b, IR_F32, N)->op, IR_OP_extent);
}
END_TEST

START_TEST(moves_compose) {
    IrNode *t = ir_transpose(&b, x, (int[]){1, 0});
    check_type(t, "f32[6,N]");
    ck_assert_ptr_eq(ir_transpose(&b, t, (int[]){1, 0}), x);
    ck_assert_ptr_eq(ir_transpose(&b, x, (int[]){0, 1}), x);

    IrDim *flat = ir_dim_mul(&dims, N, size(6));
    IrNode *r = ir_reshape(&b, x, 1, &flat);
    check_type(r, "f32[6 * N]");
    ck_assert_ptr_eq(ir_reshape(&b, r, 2, (IrDim *[]){N, size(6)}), x);

    // an axis in front, then one between
    IrNode *w = ir_broadcast(&b, x, 3, (IrDim *[]){M, N, size(6)}, (int[]){1, 2});
    IrNode *v = ir_broadcast(&b, w, 4, (IrDim *[]){M, N, size(3), size(6)}, (int[]){0, 1, 3});
    ck_assert_ptr_eq(v->in[0], x);
    ck_assert(v->attrs.axes[0] == 1 && v->attrs.axes[1] == 3);
    ck_assert_ptr_eq(ir_broadcast(&b, x, 2, (IrDim *[]){N, size(6)}, (int[]){0, 1}), x);
    IrNode *exchanged = ir_broadcast(&b, x, 2, (IrDim *[]){size(6), N}, (int[]){1, 0});
    ck_assert_int_eq(exchanged->op, IR_OP_transpose);
    check_type(exchanged, "f32[6,N]");
}
END_TEST

START_TEST(slices_compose) {
    IrDim *zero = size(0);
    IrNode *s = ir_slice(&b, x, (IrDim *[]){zero, size(1)}, (IrDim *[]){N, size(4)});
    check_type(s, "f32[N,4]");
    IrNode *ss = ir_slice(&b, s, (IrDim *[]){zero, size(2)}, (IrDim *[]){N, size(2)});
    ck_assert_ptr_eq(ss->in[0], x);
    ck_assert_ptr_eq(ss->attrs.starts[1], size(3));
    ck_assert_ptr_eq(ir_slice(&b, x, (IrDim *[]){zero, zero}, (IrDim *[]){N, size(6)}), x);

    IrNode *xy = ir_concat(&b, 2, (IrNode *[]){x, y}, 0);
    check_type(xy, "f32[2 * N,6]");
    ck_assert_ptr_eq(ir_slice(&b, xy, (IrDim *[]){zero, zero}, (IrDim *[]){N, size(6)}), x);
    ck_assert_ptr_eq(ir_slice(&b, xy, (IrDim *[]){N, zero}, (IrDim *[]){N, size(6)}), y);
    IrNode *part = ir_slice(&b, xy, (IrDim *[]){N, size(1)}, (IrDim *[]){N, size(5)});
    ck_assert_int_eq(part->op, IR_OP_slice);

    IrNode *p = ir_pad(&b, x, (IrDim *[]){size(2), zero},
                       (IrDim *[]){ir_dim_add(&dims, N, size(2)), size(6)});
    ck_assert_ptr_eq(ir_slice(&b, p, (IrDim *[]){size(2), zero}, (IrDim *[]){N, size(6)}), x);
    ck_assert_ptr_eq(ir_pad(&b, x, (IrDim *[]){zero, zero}, (IrDim *[]){N, size(6)}), x);
}
END_TEST

START_TEST(empty_pieces_of_a_concatenation_vanish) {
    IrNode *none = input(type(IR_F32, N, size(0), NULL), "none");
    ck_assert_ptr_eq(ir_concat(&b, 2, (IrNode *[]){none, x}, 1), x);
    ck_assert_ptr_eq(ir_concat(&b, 1, &x, 1), x);
    check_type(ir_concat(&b, 3, (IrNode *[]){x, none, y}, 1), "f32[N,12]");
}
END_TEST

START_TEST(reductions_of_constants_fold_over_static_axes) {
    IrNode *s = ir_reduce(&b, IR_OP_sum, like(0.5), 1, (int[]){1});
    check_const(s, 3);
    check_type(s, "f32[N]");
    ck_assert_int_eq(ir_reduce(&b, IR_OP_sum, like(0.5), 1, (int[]){0})->op, IR_OP_sum);
    check_const(ir_reduce(&b, IR_OP_reduce_max, like(0.5), 1, (int[]){1}), 0.5);
    IrNode *none = ir_const(&b, type(IR_F32, N, size(0), NULL), 5);
    check_const(ir_reduce(&b, IR_OP_sum, none, 1, (int[]){1}), 0);
    check_const(ir_reduce(&b, IR_OP_reduce_max, none, 1, (int[]){1}), -INFINITY);
    check_const(ir_reduce(&b, IR_OP_reduce_min, none, 1, (int[]){1}), INFINITY);
    ck_assert_ptr_eq(ir_reduce(&b, IR_OP_sum, x, 0, NULL), x);
    IrNode *all = ir_reduce(&b, IR_OP_sum, x, 2, (int[]){1, 0});
    check_type(all, "f32[]");
    ck_assert(all->attrs.axes[0] == 0 && all->attrs.axes[1] == 1);
}
END_TEST

START_TEST(broadcast_to_follows_numpy) {
    IrDim *to[] = {M, N, size(6)};
    check_type(ir_broadcast_to(&b, x, 3, to), "f32[M,N,6]");
    IrNode *column = input(type(IR_F32, N, size(1), NULL), "column");
    IrNode *wide = ir_broadcast_to(&b, column, 3, to);
    check_type(wide, "f32[M,N,6]");
    ck_assert_int_eq(wide->in[0]->op, IR_OP_reshape);
    ck_assert_ptr_eq(ir_broadcast_to(&b, x, 2, to + 1), x);
    IrNode *s = input(ir_scalar(IR_F32), "s");
    check_type(ir_broadcast_to(&b, s, 3, to), "f32[M,N,6]");
}
END_TEST

// ---- types

START_TEST(products_have_batch_then_free_axes) {
    IrNode *p = input(type(IR_F32, M, N, size(6)), "p");
    IrNode *q = input(type(IR_F32, M, size(4), size(6)), "q");
    IrNode *d = ir_dot(&b, p, q, 1, 1, (int[]){2}, (int[]){2});
    check_type(d, "f32[M,N,4]");
    check_type(ir_dot(&b, x, y, 0, 2, (int[]){0, 1}, (int[]){0, 1}), "f32[]");
    check_type(ir_dot(&b, x, y, 0, 0, NULL, NULL), "f32[N,6,N,6]");
}
END_TEST

START_TEST(gathers_and_scatters_have_the_shape_of_rows) {
    IrNode *at = input(type(IR_I32, M, size(2), NULL), "at");
    IrNode *g = ir_gather(&b, x, at);
    check_type(g, "f32[M,2,6]");
    check_type(ir_scatter_add(&b, at, g, N), "f32[N,6]");
    check_type(ir_dynamic_slice(&b, x, i32, size(1)), "f32[1,6]");
    ck_assert_ptr_eq(ir_dynamic_slice(&b, x, i32, N), x);
    check_type(ir_argmax(&b, x), "i32[N]");
}
END_TEST

START_TEST(loops_give_carries_then_stacked_values) {
    IrBlock *body = ir_block_new(&arena);
    IrNode *w = ir_block_add_param(f, body, x->types[0], "w", (Loc){0});
    IrNode *s = ir_block_add_param(f, body, ir_scalar(IR_F32), "s", (Loc){0});
    IrNode *e = ir_block_add_param(f, body, type(IR_F32, size(6), NULL, NULL), "e", (Loc){0});
    ir_block_add_param(f, body, ir_scalar(IR_I32), "index", (Loc){0});
    IrBuilder in = {.fn = f, .block = body};
    IrNode *r = ir_reduce(&in, IR_OP_sum, w, 2, (int[]){0, 1});
    ir_block_add_result(f, body, ir_add(&in, s, r));
    ir_block_add_result(f, body, e);

    IrNode *start = scalar(IR_F32, 0);
    IrNode *scan = ir_scan(&b, body, N, false, "path", 1, 1, 1, (IrNode *[]){x, start, y});
    ck_assert_int_eq(scan->n_types, 2);
    check_type(ir_get(&b, scan, 0), "f32[]");
    check_type(ir_get(&b, scan, 1), "f32[N,6]");

    IrNode *again = ir_copy(&b, scan, (IrNode *[]){y, start, x});
    ck_assert_ptr_eq(again->body, body);
    ck_assert_ptr_eq(again->in[0], y);
}
END_TEST

START_TEST(gradients_follow_the_results) {
    IrBlock *body = ir_block_new(&arena);
    IrNode *p = ir_block_add_param(f, body, x->types[0], NULL, (Loc){0});
    IrNode *q = ir_block_add_param(f, body, x->types[0], NULL, (Loc){0});
    IrBuilder in = {.fn = f, .block = body};
    ir_block_add_result(f, body, ir_reduce(&in, IR_OP_sum, ir_mul(&in, p, q), 2, (int[]){0, 1}));
    IrNode *g = ir_grad(&b, body, 2, (IrNode *[]){x, y}, 1, (int[]){1});
    ck_assert_int_eq(g->n_types, 2);
    check_type(ir_get(&b, g, 1), "f32[N,6]");
}
END_TEST

START_TEST(a_misfit_is_our_bug) {
    ir_add(&b, x, c);
}
END_TEST

START_TEST(a_misfit_is_seen_before_it_folds) {
    ir_add(&b, x, scalar(IR_F32, 0));
}
END_TEST

START_TEST(only_the_first_axis_of_a_draw_is_bounded) {
    ir_draw(&b, IR_OP_draw_normal, type(IR_F32, size(6), N, NULL), "z", 0, 0, NULL, NULL);
}
END_TEST

START_TEST(draws_take_scan_indices) {
    const char *loops[] = {"over_tasks", "path"};
    IrNode *d = ir_draw(&b, IR_OP_draw_normal, type(IR_F32, M, N, size(6)), "z", 2, 1, loops, &i32);
    check_type(d, "f32[M,N,6]");
    ck_assert_int_eq(d->n_in, 1);
    ck_assert_str_eq(d->attrs.loops[1], "path");
}
END_TEST

// ---- copies

// A function with a bit of everything.
static void build_some(void) {
    IrBlock *body = ir_block_new(&arena);
    IrNode *p = ir_block_add_param(f, body, type(IR_F32, size(6), NULL, NULL), "row", (Loc){0});
    IrNode *k = ir_block_add_param(f, body, ir_scalar(IR_I32), "index", (Loc){0});
    IrBuilder in = {.fn = f, .block = body};
    const char *loops[] = {"rows"};
    IrNode *z = ir_draw(&in, IR_OP_draw_normal, p->types[0], "z", 1, 0, loops, &k);
    ir_block_add_result(f, body, ir_add(&in, p, z));
    IrNode *m = ir_map_loop(&b, body, N, "rows", 0, 1, &x);
    ir_add_output(f, ir_tanh(&b, ir_get(&b, m, 0)), (IrSlot){.name = "t", .role = IR_ROLE_OUT});
    ir_add_output(f, x, (IrSlot){.name = "x", .role = IR_ROLE_OUT});
}

static char *text_of(const IrFunction *g) {
    Buf text = {0};
    ir_print_function(&text, g, false);
    char *copy = arena_strdup(&arena, buf_text(&text));
    buf_free(&text);
    return copy;
}

START_TEST(a_clone_prints_the_same_and_shares_nothing) {
    build_some();
    ir_renumber(f);
    char *before = text_of(f);
    Arena other = {0};
    IrFunction *g = ir_clone_function(&other, f);
    ck_assert_str_eq(text_of(g), before);
    ck_assert_int_eq(g->n_nodes, f->n_nodes);
    for (int i = 0; i < g->body->n; i++)
        ck_assert_int_eq(g->body->nodes[i]->id, f->body->nodes[i]->id);
    Buf why = {0};
    ck_assert(ir_verify_function(g, &why));

    // the original goes, the clone stays
    for (int i = 0; i < f->body->n; i++)
        memset(f->body->nodes[i], 0xff, sizeof *f->body->nodes[i]);
    ck_assert_str_eq(text_of(g), before);
    arena_free(&other);
}
END_TEST

START_TEST(a_copied_block_is_whole) {
    build_some();
    ir_renumber(f);
    IrFunction *g = ir_function_new(&arena, &dims, "f");
    IrNode **map = arena_array(&arena, IrNode *, f->n_nodes);
    for (int i = 0; i < f->body->n_params; i++)
        map[f->body->params[i]->id] =
            ir_add_input(g, f->body->params[i]->types[0], f->inputs[i], (Loc){0});
    ir_copy_block(&(IrBuilder){.fn = g, .block = g->body}, f->body, map);
    for (int i = 0; i < f->body->n_results; i++)
        ir_add_output(g, map[f->body->results[i]->id], f->outputs[i]);
    ck_assert_str_eq(text_of(g), text_of(f));
    Buf why = {0};
    ck_assert_msg(ir_verify_function(g, &why), "%s", buf_text(&why));
}
END_TEST

START_TEST(a_copy_folds_with_its_new_operands) {
    IrNode *sum = ir_add(&b, x, y);
    ck_assert_ptr_eq(ir_copy(&b, sum, (IrNode *[]){x, like(0)}), x);
    b.path = "elsewhere";
    IrNode *again = ir_copy(&b, sum, (IrNode *[]){y, x});
    ck_assert_str_eq(again->path, "here");
    check_type(again, "f32[N,6]");
}
END_TEST

START_TEST(ids_are_dense_after_renumbering) {
    build_some();
    ir_renumber(f);
    const IrNode *m = NULL;
    ir_each_node(n, f->body) {
        if (n->op == IR_OP_map)
            m = n;
    }
    ck_assert_int_eq(f->body->params[0]->id, 0);
    ck_assert_int_eq(m->body->params[0]->id, f->body->n_params);
    ck_assert_int_eq(m->id, m->body->nodes[m->body->n - 1]->id + 1);
    ck_assert_int_eq(f->body->nodes[f->body->n - 1]->id, f->n_nodes - 1);
}
END_TEST

int main(void) {
    Suite *s = suite_create("build");
    TCase *ops = tcase_create("ops"), *folding = tcase_create("folding");
    TCase *types = tcase_create("types"), *copies = tcase_create("copies");
    tcase_add_loop_test(ops, every_op_is_found_by_its_name, 0, IR_OP_COUNT);
    tcase_add_test(ops, unknown_name_finds_nothing);
    tcase_add_test(ops, meanings_are_those_of_the_table);
    tcase_add_checked_fixture(folding, setup, teardown);
    tcase_add_test(folding, constants_fold_in_their_type);
    tcase_add_test(folding, identities_of_arithmetic_vanish);
    tcase_add_test(folding, what_is_not_exact_stays);
    tcase_add_test(folding, small_powers_become_products);
    tcase_add_test(folding, select_and_cast_fold);
    tcase_add_test(folding, moves_of_constants_are_constants);
    tcase_add_test(folding, moves_compose);
    tcase_add_test(folding, slices_compose);
    tcase_add_test(folding, empty_pieces_of_a_concatenation_vanish);
    tcase_add_test(folding, reductions_of_constants_fold_over_static_axes);
    tcase_add_test(folding, broadcast_to_follows_numpy);
    tcase_add_checked_fixture(types, setup, teardown);
    tcase_add_test(types, products_have_batch_then_free_axes);
    tcase_add_test(types, gathers_and_scatters_have_the_shape_of_rows);
    tcase_add_test(types, loops_give_carries_then_stacked_values);
    tcase_add_test(types, gradients_follow_the_results);
    tcase_add_exit_test(types, a_misfit_is_our_bug, EXIT_BUG);
    tcase_add_exit_test(types, a_misfit_is_seen_before_it_folds, EXIT_BUG);
    tcase_add_exit_test(types, only_the_first_axis_of_a_draw_is_bounded, EXIT_BUG);
    tcase_add_test(types, draws_take_scan_indices);
    tcase_add_checked_fixture(copies, setup, teardown);
    tcase_add_test(copies, a_clone_prints_the_same_and_shares_nothing);
    tcase_add_test(copies, a_copied_block_is_whole);
    tcase_add_test(copies, a_copy_folds_with_its_new_operands);
    tcase_add_test(copies, ids_are_dense_after_renumbering);
    suite_add_tcase(s, ops);
    suite_add_tcase(s, folding);
    suite_add_tcase(s, types);
    suite_add_tcase(s, copies);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
