// tests/check_kernel.c -- building and finishing kernels; what can be read off them.
#include "ir/kernel_build.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "ir/schedule.h"

static Arena arena;

static void setup(void) {
    arena = (Arena){0};
}

static void teardown(void) {
    arena_free(&arena);
}

static IrKernel *new_kernel(void) {
    return ir_kernel_new(&arena, "test", (Loc){0});
}

static IrDim *number(IrKernel *k, int64_t value) {
    return ir_dim_const(k->dims, value);
}

static IrDim *variable(IrKernel *k, const char *name) {
    return ir_dim_var(k->dims, name, 1000, 0);
}

static void assert_valid(const IrKernel *k) {
    Buf why = {0};
    bool valid = ir_verify_kernel(k, &why);
    ck_assert_msg(valid, "%s", buf_text(&why));
    buf_free(&why);
}

static void assert_text(const IrKernel *k, const char *part) {
    Buf text = {0};
    ir_print_kernel(&text, k, false);
    ck_assert_msg(strstr(buf_text(&text), part) != NULL, "no '%s' in\n%s", part, buf_text(&text));
    buf_free(&text);
}

// exp of a dense array of shape (rows, 4, 8): three axes, one when finished.
static IrKernel *dense_kernel(const char *rows) {
    IrKernel *k = new_kernel();
    IrDim *extents[] = {variable(k, rows), number(k, 4), number(k, 8)};
    int64_t strides[] = {32, 8, 1};
    IrAddress in = ir_address(ir_kernel_add_arg(k, IR_F32, false));
    IrAddress out = ir_address(ir_kernel_add_arg(k, IR_F32, true));
    for (int i = 0; i < 3; i++) {
        ir_kernel_add_axis(k, extents[i], false);
        in.strides[i] = out.strides[i] = number(k, strides[i]);
    }
    int x = ir_scalar_load(k, in);
    ir_kernel_add_store(k, out, ir_scalar_map(k, IR_OP_exp, &x), false);
    return k;
}

// Row softmax of (rows, 5); the reduced axes are (1, 5).
static IrKernel *softmax_kernel(void) {
    IrKernel *k = new_kernel();
    ir_kernel_add_axis(k, variable(k, "rows"), false);
    ir_kernel_add_axis(k, number(k, 1), true);
    ir_kernel_add_axis(k, number(k, 5), true);
    IrAddress in = ir_address(ir_kernel_add_arg(k, IR_F32, false));
    IrAddress out = ir_address(ir_kernel_add_arg(k, IR_F32, true));
    in.strides[0] = out.strides[0] = number(k, 5);
    in.strides[2] = out.strides[2] = number(k, 1);
    int x = ir_scalar_load(k, in);
    int max = ir_scalar_reduce(k, IR_OP_reduce_max, x);
    int shifted = ir_scalar_map(k, IR_OP_sub, (int[]){x, max});
    int e = ir_scalar_map(k, IR_OP_exp, &shifted);
    int sum = ir_scalar_reduce(k, IR_OP_sum, e);
    ir_kernel_add_store(k, out, ir_scalar_map(k, IR_OP_div, (int[]){e, sum}), false);
    return k;
}

// (m, k) times (k, n), with axes of the given static extents.
static IrKernel *product_kernel(int64_t m, int64_t n, int64_t depth) {
    IrKernel *k = new_kernel();
    ir_kernel_add_axis(k, number(k, m), false);
    ir_kernel_add_axis(k, number(k, n), false);
    ir_kernel_add_axis(k, number(k, depth), true);
    IrAddress lhs = ir_address(ir_kernel_add_arg(k, IR_F32, false));
    IrAddress rhs = ir_address(ir_kernel_add_arg(k, IR_F32, false));
    IrAddress out = ir_address(ir_kernel_add_arg(k, IR_F32, true));
    lhs.strides[0] = number(k, depth);
    lhs.strides[2] = number(k, 1);
    rhs.strides[1] = number(k, 1);
    rhs.strides[2] = number(k, n);
    out.strides[0] = number(k, n);
    out.strides[1] = number(k, 1);
    ir_kernel_set_product(k, IR_F32, 0, 1, 1, 1, lhs, rhs);
    ir_kernel_add_store(k, out, ir_scalar_product(k), false);
    return k;
}

// ---- build

START_TEST(equal_scalars_are_made_once) {
    IrKernel *k = new_kernel();
    IrAddress a = ir_address(ir_kernel_add_arg(k, IR_F32, false));
    int x = ir_scalar_load(k, a), y = ir_scalar_const(k, IR_F32, 0);
    ck_assert_int_eq(ir_scalar_load(k, a), x);
    ck_assert_int_eq(ir_scalar_const(k, IR_F32, 0), y);
    ck_assert_int_ne(ir_scalar_const(k, IR_F32, -0.0), y);
    ck_assert_int_ne(ir_scalar_const(k, IR_F64, 0), y);
    a.offset = number(k, 1);
    ck_assert_int_ne(ir_scalar_load(k, a), x);

    int sum = ir_scalar_map(k, IR_OP_add, (int[]){x, y});
    ck_assert_int_eq(ir_scalar_map(k, IR_OP_add, (int[]){x, y}), sum);
    ck_assert_int_eq(ir_scalar_cast(k, IR_F32, sum), sum);
    int less = ir_scalar_map(k, IR_OP_less, (int[]){x, y});
    ck_assert_int_eq(k->scalars[less].dtype, IR_BOOL);
    ck_assert_int_eq(ir_scalar_select(k, less, x, x), x);
}
END_TEST

START_TEST(strides_of_zero_are_null) {
    IrKernel *k = new_kernel();
    IrAddress a = ir_address(ir_kernel_add_arg(k, IR_F32, false));
    a.strides[0] = number(k, 0);
    int x = ir_scalar_load(k, a);
    ck_assert_ptr_null(k->scalars[x].address.strides[0]);
    ck_assert_ptr_eq(k->scalars[x].address.offset, number(k, 0));
}
END_TEST

// ---- finish

START_TEST(dense_axes_merge_into_one) {
    IrKernel *k = dense_kernel("rows");
    ir_kernel_finish(k);
    assert_valid(k);
    ck_assert_int_eq(k->n_axes, 1);
    assert_text(k, "axes [32 * d0]");
    assert_text(k, "load a0[i0]");
}
END_TEST

START_TEST(kept_axes_stay) {
    IrKernel *k = dense_kernel("rows");
    ir_kernel_finish_keep(k, 1);
    assert_valid(k);
    assert_text(k, "axes [d0, 32]");
    assert_text(k, "load a0[32*i0 + i1]");
}
END_TEST

START_TEST(equal_kernels_have_equal_hashes) {
    IrKernel *a = dense_kernel("rows"), *b = dense_kernel("columns"), *c = softmax_kernel();
    b->name = "other";
    ir_kernel_finish(a);
    ir_kernel_finish(b);
    ir_kernel_finish(c);
    ck_assert(ir_kernel_equal(a, b));
    ck_assert_uint_eq(a->hash, b->hash);
    ck_assert(!ir_kernel_equal(a, c));
}
END_TEST

START_TEST(an_index_keeps_its_axis) {
    IrKernel *k = dense_kernel("rows");
    int i = ir_scalar_index(k, 1);
    IrAddress out = k->stores[0].address;
    out.arg = ir_kernel_add_arg(k, IR_I32, true);
    ir_kernel_add_store(k, out, i, false);
    ir_kernel_finish(k);
    assert_valid(k);
    assert_text(k, "axes [d0, 4, 8]");
}
END_TEST

START_TEST(an_index_along_one_element_is_zero) {
    IrKernel *k = new_kernel();
    ir_kernel_add_axis(k, number(k, 1), false);
    ir_kernel_add_axis(k, number(k, 7), false);
    IrAddress out = ir_address(ir_kernel_add_arg(k, IR_I32, true));
    out.strides[1] = number(k, 1);
    int sum = ir_scalar_map(k, IR_OP_add, (int[]){ir_scalar_index(k, 0), ir_scalar_index(k, 1)});
    ir_kernel_add_store(k, out, sum, false);
    ir_kernel_finish(k);
    assert_valid(k);
    assert_text(k, "axes [7]");
    assert_text(k, "s0 = const 0 : i32\n  s1 = index i0 : i32");
}
END_TEST

START_TEST(key_axes_of_draws_stay) {
    IrKernel *k = new_kernel();
    ir_kernel_add_axis(k, number(k, 1), false);
    ir_kernel_add_axis(k, variable(k, "n"), false);
    ir_kernel_add_axis(k, number(k, 3), false);
    IrAddress out = ir_address(ir_kernel_add_arg(k, IR_F32, true));
    IrDim *strides[IR_MAX_AXES] = {NULL, number(k, 3), number(k, 1)};
    out.strides[0] = ir_dim_mul(k->dims, number(k, 3), variable(k, "n"));
    out.strides[1] = number(k, 3);
    out.strides[2] = number(k, 1);
    int key = ir_kernel_add_int(k), loop = ir_kernel_add_int(k);
    int z = ir_scalar_draw(k, IR_F32, IR_OP_draw_normal, key, NULL, strides, 1, (int[]){0}, &loop);
    ir_kernel_add_store(k, out, z, false);
    ir_kernel_finish(k);
    assert_valid(k);
    assert_text(k, "axes [1, 3 * d0]");
    assert_text(k, "draw_normal n0(i0: n1)[i1]");
}
END_TEST

// Without a reduced axis nothing would tell where the reduction ends.
START_TEST(the_last_reduced_axis_stays) {
    IrKernel *k = new_kernel();
    ir_kernel_add_axis(k, number(k, 1), false);
    ir_kernel_add_axis(k, number(k, 1), true);
    ir_kernel_add_axis(k, number(k, 1), true);
    int x = ir_scalar_load(k, ir_address(ir_kernel_add_arg(k, IR_F32, false)));
    IrAddress out = ir_address(ir_kernel_add_arg(k, IR_I32, true));
    ir_kernel_add_store(k, out, ir_scalar_reduce(k, IR_OP_argmax, x), false);
    ir_kernel_finish(k);
    assert_valid(k);
    assert_text(k, "axes [| 1]");
}
END_TEST

START_TEST(unused_scalars_and_variables_go) {
    IrKernel *k = dense_kernel("rows");
    IrDim *other = variable(k, "other");
    IrAddress unused = ir_address(0);
    unused.strides[0] = other;
    ir_scalar_map(k, IR_OP_neg, (int[]){ir_scalar_load(k, unused)});
    int n = k->n_scalars;
    ir_kernel_finish(k);
    ck_assert_int_eq(k->n_scalars, n - 2);
    ck_assert_int_eq(k->dims->n_vars, 1);
    ck_assert_int_eq(k->var_from[0], 0);
}
END_TEST

START_TEST(variables_are_named_in_order_of_use) {
    IrKernel *k = new_kernel();
    IrDim *stride = variable(k, "stride");
    ir_kernel_add_axis(k, variable(k, "n"), false);
    IrAddress a = ir_address(ir_kernel_add_arg(k, IR_F32, true));
    a.strides[0] = stride;
    ir_kernel_add_store(k, a, ir_scalar_const(k, IR_F32, 0), false);
    ir_kernel_finish(k);
    assert_text(k, "axes [d0]");
    assert_text(k, "store a0[d1*i0]");
    ck_assert_int_eq(k->var_from[0], 1);
    ck_assert_int_eq(k->var_from[1], 0);
}
END_TEST

START_TEST(a_product_keeps_an_axis_in_each_group) {
    IrKernel *k = product_kernel(1, 8, 1);
    ir_kernel_finish(k);
    assert_valid(k);
    ck_assert_int_eq(k->n_axes, 3);
    assert_text(k, "axes [1, 8 | 1]");
}
END_TEST

START_TEST(reduced_axes_are_dropped_and_merged) {
    IrKernel *k = softmax_kernel();
    ir_kernel_finish(k);
    assert_valid(k);
    assert_text(k, "axes [d0 | 5]");
}
END_TEST

// ---- facts

START_TEST(softmax_has_three_stages) {
    IrKernel *k = softmax_kernel();
    int stages[6];
    ck_assert_int_eq(k->n_scalars, 6);
    ck_assert_int_eq(ir_kernel_stages(k, stages), 3);
    int expected[] = {0, 1, 1, 1, 2, 2}; // x, max, x - max, exp, sum, quotient
    bool varies[] = {true, false, true, true, false, true};
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(stages[i], expected[i]);
        ck_assert_int_eq(ir_kernel_varies(k, i), varies[i]);
    }
}
END_TEST

START_TEST(work_is_counted) {
    IrKernel *k = product_kernel(10, 20, 30);
    ir_kernel_finish(k);
    ck_assert_double_eq(ir_kernel_flops(k, NULL), 2 * 10 * 20 * 30);
    ck_assert_double_eq(ir_kernel_bytes(k, NULL), 4 * (10 * 30 + 20 * 30 + 10 * 20));

    IrKernel *dense = dense_kernel("rows");
    ir_kernel_finish(dense);
    int64_t rows = 10;
    ck_assert_double_eq(ir_kernel_flops(dense, &rows), 10 * 320);
    ck_assert_double_eq(ir_kernel_bytes(dense, &rows), 2 * 4 * 320);
}
END_TEST

int main(void) {
    Suite *s = suite_create("kernel");
    TCase *build = tcase_create("build");
    tcase_add_checked_fixture(build, setup, teardown);
    tcase_add_test(build, equal_scalars_are_made_once);
    tcase_add_test(build, strides_of_zero_are_null);
    suite_add_tcase(s, build);

    TCase *finish = tcase_create("finish");
    tcase_add_checked_fixture(finish, setup, teardown);
    tcase_add_test(finish, dense_axes_merge_into_one);
    tcase_add_test(finish, kept_axes_stay);
    tcase_add_test(finish, equal_kernels_have_equal_hashes);
    tcase_add_test(finish, an_index_keeps_its_axis);
    tcase_add_test(finish, an_index_along_one_element_is_zero);
    tcase_add_test(finish, key_axes_of_draws_stay);
    tcase_add_test(finish, the_last_reduced_axis_stays);
    tcase_add_test(finish, unused_scalars_and_variables_go);
    tcase_add_test(finish, variables_are_named_in_order_of_use);
    tcase_add_test(finish, a_product_keeps_an_axis_in_each_group);
    tcase_add_test(finish, reduced_axes_are_dropped_and_merged);
    suite_add_tcase(s, finish);

    TCase *facts = tcase_create("facts");
    tcase_add_checked_fixture(facts, setup, teardown);
    tcase_add_test(facts, softmax_has_three_stages);
    tcase_add_test(facts, work_is_counted);
    suite_add_tcase(s, facts);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
