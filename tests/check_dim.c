// tests/check_dim.c -- polynomials in named dims.
#include "ir/dim.h"

#include <stdlib.h>

#include <check.h>

#include "ir/random.h"

static Arena arena;
static IrDims dims;
static IrDim *N, *M, *T;

static void setup(void) {
    arena = (Arena){0};
    dims = (IrDims){.arena = &arena};
    N = ir_dim_var(&dims, "N", 1000, 50);
    M = ir_dim_var(&dims, "M", 100, 0);
    T = ir_dim_var(&dims, "T", 8, 4);
}

static void teardown(void) {
    arena_free(&arena);
}

static IrDim *number(int64_t x) {
    return ir_dim_const(&dims, x);
}

static IrDim *add(IrDim *a, IrDim *b) {
    return ir_dim_add(&dims, a, b);
}

static IrDim *sub(IrDim *a, IrDim *b) {
    return ir_dim_sub(&dims, a, b);
}

static IrDim *mul(IrDim *a, IrDim *b) {
    return ir_dim_mul(&dims, a, b);
}

static void check_text(const IrDim *d, const char *want) {
    Buf b = {0};
    ir_dim_print(&b, d);
    ck_assert_str_eq(buf_text(&b), want);
    buf_free(&b);
}

START_TEST(equal_polynomials_are_one_pointer) {
    ck_assert_ptr_eq(add(N, M), add(M, N));
    ck_assert_ptr_eq(mul(add(N, M), add(N, M)),
                     add(add(mul(N, N), mul(M, M)), mul(number(2), mul(M, N))));
    ck_assert_ptr_eq(sub(add(N, M), M), N);
    ck_assert_ptr_eq(sub(N, N), number(0));
    ck_assert_ptr_eq(mul(N, number(0)), number(0));
    ck_assert_ptr_eq(ir_dim_var(&dims, "N", 7, 7), N);
    ck_assert_ptr_ne(N, M);
}
END_TEST

START_TEST(text_is_canonical) {
    check_text(number(0), "0");
    check_text(number(-3), "-3");
    check_text(N, "N");
    check_text(add(M, N), "N + M");
    check_text(mul(N, number(2)), "2 * N");
    check_text(add(number(1), mul(T, N)), "N * T + 1");
    check_text(sub(N, number(1)), "N - 1");
    check_text(sub(number(3), mul(number(2), N)), "-2 * N + 3");
    check_text(sub(number(0), N), "-N");
    check_text(add(add(mul(M, M), mul(N, M)), add(mul(N, N), T)), "N * N + N * M + M * M + T");
}
END_TEST

START_TEST(numbers_and_variables_are_known_as_such) {
    int64_t value = 1;
    ck_assert(ir_dim_is_const(number(0), &value));
    ck_assert_int_eq(value, 0);
    ck_assert(ir_dim_is_const(number(42), &value));
    ck_assert_int_eq(value, 42);
    ck_assert(!ir_dim_is_const(N, NULL));
    ck_assert(!ir_dim_is_const(add(N, number(1)), NULL));
    ck_assert_str_eq(ir_dim_is_var(M)->name, "M");
    ck_assert_int_eq(ir_dim_is_var(M)->index, 1);
    ck_assert_ptr_null(ir_dim_is_var(mul(number(2), M)));
    ck_assert_ptr_null(ir_dim_is_var(number(1)));
    ck_assert_ptr_null(ir_dim_is_var(mul(M, M)));
}
END_TEST

START_TEST(division_is_exact_or_nothing) {
    IrDim *p = mul(add(N, number(1)), sub(mul(number(2), M), T));
    ck_assert_ptr_eq(ir_dim_div(&dims, p, add(N, number(1))), sub(mul(number(2), M), T));
    ck_assert_ptr_eq(ir_dim_div(&dims, p, sub(mul(number(2), M), T)), add(N, number(1)));
    ck_assert_ptr_eq(ir_dim_div(&dims, number(12), number(-4)), number(-3));
    ck_assert_ptr_eq(ir_dim_div(&dims, number(0), N), number(0));
    ck_assert_ptr_null(ir_dim_div(&dims, number(12), number(5)));
    ck_assert_ptr_null(ir_dim_div(&dims, N, number(2)));
    ck_assert_ptr_null(ir_dim_div(&dims, add(N, number(1)), N));
    ck_assert_ptr_null(ir_dim_div(&dims, N, M));
    ck_assert_ptr_null(ir_dim_div(&dims, N, number(0)));
}
END_TEST

START_TEST(bounds_take_positive_terms_at_their_maxima) {
    ck_assert_int_eq(ir_dim_max(add(mul(number(2), N), M)), 2100);
    ck_assert_int_eq(ir_dim_max(sub(N, M)), 1000);
    ck_assert_int_eq(ir_dim_max(sub(N, number(1))), 999);
    ck_assert_int_eq(ir_dim_likely(add(mul(N, T), M)), 50 * 4 + 100);
    IrDim *big = N;
    for (int i = 0; i < 10; i++)
        big = mul(big, big);
    ck_assert_int_eq(ir_dim_max(big), INT64_MAX / 4);
    ck_assert_int_eq(ir_dim_max(number(INT64_MAX)), INT64_MAX / 4);
    ck_assert_int_eq(ir_dim_max(mul(number(INT64_MAX), number(INT64_MIN))), -(INT64_MAX / 4));
}
END_TEST

START_TEST(substitution_replaces_each_variable) {
    IrDims other = {.arena = &arena};
    IrDim *K = ir_dim_var(&other, "K", 5, 0);
    IrDim *to[] = {ir_dim_add(&other, K, ir_dim_const(&other, 1)), ir_dim_const(&other, 3), K};
    IrDim *d = ir_dim_substitute(&other, add(mul(N, M), sub(T, number(2))), to);
    check_text(d, "4 * K + 1");
}
END_TEST

START_TEST(terms_give_the_normal_form) {
    const IrDimTerm *terms = NULL;
    IrDim *d = sub(mul(number(3), mul(N, N)), M);
    ck_assert_int_eq(ir_dim_terms(d, &terms), 2);
    ck_assert_int_eq(terms[0].coefficient, 3);
    ck_assert_int_eq(terms[0].n_factors, 2);
    ck_assert_str_eq(terms[0].factors[1]->name, "N");
    ck_assert_int_eq(terms[1].coefficient, -1);
    ck_assert_int_eq(ir_dim_terms(number(0), &terms), 0);
}
END_TEST

// A random polynomial with up to five terms.
static IrDim *random_dim(uint64_t *seed) {
    IrDim *vars[] = {N, M, T};
    IrDim *sum = number(0);
    for (uint64_t n = (*seed = ir_random_mix(*seed + 1)) % 5 + 1; n > 0; n--) {
        IrDim *term = number((int64_t)((*seed = ir_random_mix(*seed + 1)) % 9) - 4);
        for (uint64_t k = (*seed = ir_random_mix(*seed + 1)) % 4; k > 0; k--)
            term = mul(term, vars[(*seed = ir_random_mix(*seed + 1)) % 3]);
        sum = add(sum, term);
    }
    return sum;
}

START_TEST(arithmetic_agrees_with_values) {
    uint64_t seed = 1;
    const int64_t values[] = {7, 11, 3};
    for (int i = 0; i < 2000; i++) {
        IrDim *a = random_dim(&seed), *b = random_dim(&seed), *c = random_dim(&seed);
        int64_t x = ir_dim_eval(a, values), y = ir_dim_eval(b, values);
        ck_assert_int_eq(ir_dim_eval(add(a, b), values), x + y);
        ck_assert_int_eq(ir_dim_eval(sub(a, b), values), x - y);
        ck_assert_int_eq(ir_dim_eval(mul(a, b), values), x * y);
        ck_assert_ptr_eq(mul(a, add(b, c)), add(mul(a, b), mul(a, c)));
        ck_assert_ptr_eq(add(add(a, b), c), add(a, add(b, c)));
        if (b != number(0))
            ck_assert_ptr_eq(ir_dim_div(&dims, mul(a, b), b), a);
    }
}
END_TEST

// Known answers of Random123's kat_vectors for philox4x32 with ten rounds.
START_TEST(philox_gives_the_known_answers) {
    static const struct {
        uint64_t key, index, call;
        uint32_t w[4];
    } rows[] = {
        {0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {UINT64_MAX, UINT64_MAX, UINT64_MAX, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {0x299f31d0a4093822,
         0x85a308d3243f6a88,
         0x0370734413198a2e,
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (int i = 0; i < 3; i++) {
        uint32_t w[4];
        ir_philox(rows[i].key, rows[i].index, rows[i].call, w);
        for (int k = 0; k < 4; k++)
            ck_assert_uint_eq(w[k], rows[i].w[k]);
    }
}
END_TEST

START_TEST(draws_stay_in_their_range) {
    const uint32_t zeros[4] = {0}, ones[4] = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
    ck_assert(ir_uniform_f32(zeros) == 0 && ir_uniform_f64(zeros) == 0);
    ck_assert(ir_uniform_f32(ones) < 1 && ir_uniform_f64(ones) < 1);
    ck_assert(ir_normal_f32(zeros) > 5 && ir_normal_f32(zeros) < 6);
    ck_assert(ir_normal_f64(zeros) > 8 && ir_normal_f64(zeros) < 9);
    ck_assert(ir_normal_f32(ones) == 0 && ir_normal_f64(ones) == 0);
}
END_TEST

START_TEST(draws_have_the_moments_of_their_distribution) {
    enum { COUNT = 20000 };
    double sum = 0, squares = 0, uniform = 0;
    for (uint64_t i = 0; i < COUNT; i++) {
        uint32_t w[4];
        ir_philox(ir_random_key(7, 99) + ir_random_loop(5, 3), i, 2, w);
        double x = ir_normal_f64(w);
        sum += x;
        squares += x * x;
        uniform += (double)ir_uniform_f32(w);
    }
    ck_assert_double_eq_tol(sum / COUNT, 0, 0.03);
    ck_assert_double_eq_tol(squares / COUNT, 1, 0.05);
    ck_assert_double_eq_tol(uniform / COUNT, 0.5, 0.01);
}
END_TEST

int main(void) {
    Suite *s = suite_create("dim");
    TCase *polynomials = tcase_create("polynomials"), *draws = tcase_create("draws");
    tcase_add_checked_fixture(polynomials, setup, teardown);
    tcase_add_test(polynomials, equal_polynomials_are_one_pointer);
    tcase_add_test(polynomials, text_is_canonical);
    tcase_add_test(polynomials, numbers_and_variables_are_known_as_such);
    tcase_add_test(polynomials, division_is_exact_or_nothing);
    tcase_add_test(polynomials, bounds_take_positive_terms_at_their_maxima);
    tcase_add_test(polynomials, substitution_replaces_each_variable);
    tcase_add_test(polynomials, terms_give_the_normal_form);
    tcase_add_test(polynomials, arithmetic_agrees_with_values);
    tcase_add_test(draws, philox_gives_the_known_answers);
    tcase_add_test(draws, draws_stay_in_their_range);
    tcase_add_test(draws, draws_have_the_moments_of_their_distribution);
    suite_add_tcase(s, polynomials);
    suite_add_tcase(s, draws);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
