// tests/check_language_features.c -- whole functions in the language, compiled: what each feature
// gives with sizes that come with the call, none and one included, within loops, maps and records.
//
// Each is evaluated directly as it was written (tests/support_eval.h), and run after all passes by
// the reference back end and by native code, on one thread and on several, which must agree.
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ir/base/buf.h"
#include "ir/lang/lang.h"
#include "tests/support_files.h"
#include "tests/support_graph.h"
#include "tests/support_run.h"

static Arena arena;
static Diag diag;
static char folder[64];

static void setup(void) {
    arena = (Arena){0};
    diag = (Diag){0};
    strcpy(folder, "/tmp/check_features.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void teardown(void) {
    ck_assert(delete_tree(folder));
    arena_free(&arena);
    diag_free(&diag);
}

static void no_errors(void) {
    if (!diag.n_errors)
        return;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    diag_print(&diag, out, false);
    fclose(out);
    ck_abort_msg("%s", text);
}

// The function `f` of a module.
static IrFunction *elaborate_at(const char *text, IrDtype real) {
    const char *path = arena_printf(&arena, "%s/module.yaml", folder);
    char why[256];
    ck_assert_msg(buf_write_file(path, text, strlen(text), why, sizeof why), "%s", why);
    LangPair bind = {.name = "", .value = path};
    const char *roots[] = {"models", folder};
    LangOptions o = {.real = real, .binds = &bind, .n_binds = 1, .roots = roots, .n_roots = 2};
    LangWorld *w = lang_open(&arena, &diag, &o);
    no_errors();
    IrModule *m = lang_elaborate(w, &diag, &(LangRequest){.instance = "", .name = "f"});
    no_errors();
    return graph_after(&arena, graph_entry(m), (PassFn *[]){pass_inline, NULL});
}

static IrFunction *elaborate(const char *text) {
    return elaborate_at(text, IR_F64);
}

// ---- features -----------------------------------------------------------------------------------

// Inputs are x: [N, 3], y: [M], i: i32[N], b: bool[N], a: []. A body of several lines starts with a
// line break.
typedef struct Feature {
    const char *name, *body;
} Feature;

// clang-format off
static const Feature features[] = {
    // order
    {"top_k of a bounded axis", "{t: \"top_k(y, 2)\"}"},
    {"top_k of rows", "{t: \"top_k(x, 2)\", all: \"top_k(x, 3).value\"}"},
    {"top_k of perhaps more than there are", "\"top_k(x[:, 0], 2)\""},
    {"top_k of as many as there are", "\"top_k(y, M)\""},
    {"top_k of equals and of whole numbers", "{t: \"top_k(i, 1)\", u: \"argsort(i)\", v: \"sort(i)\"}"},
    {"top_k under a map", "map(best, x)"},
    {"elites of a loop that draws", "\n    nodes:\n"
     "      path:\n"
     "        scan: {carry: {m: a, s: 1.0}, steps: 4}\n"
     "        nodes: {z: \"m + s * draw.normal([M])\", e: \"top_k(z, 2).value\"}\n"
     "        next: {m: mean(e), s: var(e) + 0.1}\n"
     "        collect: {path: m}\n"
     "    output: path"},
    {"gradients through top_k and sort", "grad(sorted, wrt='x')(x, y)"},
    {"argmin", "{a: argmin(x), b: argmin(y), c: argmin(i)}"},
    // loops that end early
    {"until, with what was collected", "\n    nodes:\n"
     "      path:\n"
     "        scan: {carry: {s: a, v: \"y\"}, steps: 7}\n"
     "        nodes: {t: s * s + 0.3}\n"
     "        next: {s: t, v: v + t}\n"
     "        until: t > 1.0\n"
     "        collect: {t: t, w: v, k: step, c: y}\n"
     "    output: path"},
    {"until of a loop in reverse over rows, ended by a sum of rows", "\n    nodes:\n"
     "      path:\n"
     "        scan: {carry: {s: 0.0}, over: {r: x, k: i}, reverse: true}\n"
     "        next: {s: s + sum(r * r)}\n"
     "        until: s + sum(r * r) > 4.0 or k == 3\n"
     "        collect: {t: s}\n"
     "    output: path"},
    {"until of a loop with draws within a map", "\n    nodes:\n"
     "      rows:\n"
     "        map: {over: {r: x, k: i}}\n"
     "        nodes:\n"
     "          walk:\n"
     "            scan: {carry: {s: r, n: k}, steps: M}\n"
     "            nodes: {z: \"s + 0.5 * draw.normal([3])\"}\n"
     "            next: {s: z, n: n + 1}\n"
     "            until: norm(z) > 2.0\n"
     "            collect: {z: z, m: n, step: step}\n"
     "        output: walk\n"
     "    output: rows"},
    {"until within maps of maps, and a loop within", "\n    nodes:\n"
     "      rows:\n"
     "        map: {over: {r: x}}\n"
     "        nodes:\n"
     "          each:\n"
     "            map: {over: {u: r}}\n"
     "            nodes:\n"
     "              walk:\n"
     "                scan: {carry: {s: u, p: {q: i}}, steps: 5}\n"
     "                nodes:\n"
     "                  inner:\n"
     "                    scan: {carry: {c: s}, steps: 4}\n"
     "                    next: {c: c * 1.3 + 0.1}\n"
     "                    until: abs(c) > 1.0\n"
     "                    collect: {d: c}\n"
     "                next: {s: inner.c + 0.1 * sum(inner.c), p: p + 1}\n"
     "                until: sum(p.q) > 12\n"
     "            output: walk\n"
     "        output: each\n"
     "    output: rows"},
    {"until of rows that all threads need, in a map that does not matter", "\n    nodes:\n"
     "      rows:\n"
     "        map: {over: {r: x}}\n"
     "        nodes:\n"
     "          walk:\n"
     "            scan: {carry: {s: y}, steps: 6}\n"
     "            next: {s: \"where(s < 0, s - 1, s + 1)\"}\n"
     "            until: sum(abs(s)) > 20.0\n"
     "            collect: {k: r + step}\n"
     "        output: walk\n"
     "    output: rows"},
    {"until that is never or at once true", "\n    nodes:\n"
     "      never: {scan: {carry: {s: a}, steps: 3}, next: {s: s + 1}, until: false}\n"
     "      at_once: {scan: {carry: {s: a}, steps: M}, next: {s: s + 1}, until: true, collect: {t: s}}\n"
     "    output: {n: never.steps, s: never.s, o: at_once}"},
    {"gradient past a loop that ends", "grad(past, wrt='a')(a, y)"},

    // whole numbers, truth values, sums and products on the way
    {"minibatch indices", "\n    nodes:\n"
     "      path:\n"
     "        scan: {carry: {s: 0.0}, steps: 5}\n"
     "        nodes: {rows: \"(arange(3) + 3 * step) % size(x, 0)\", far: \"(step - 2) // i\"}\n"
     "        next: {s: \"s + sum(gather(x, rows))\"}\n"
     "        collect: {far: far, part: size(y) % (step - 1)}\n"
     "    output: path"},
    {"equality of truth values", "{e: \"b == (x[:, 0] > 0)\", n: b != true, a: any(b), l: \"all(b, axis=0)\"}"},
    {"round and ceil", "{r: round(2.5 * x), c: ceil(y)}"},
    {"cumsum and cumprod", "{s: cumsum(x), t: \"cumsum(x, axis=0)\", p: cumprod(y), i: cumsum(i)}"},
    {"products", "{p: prod(y), q: \"prod(x, axis=0)\", r: \"prod(x, axis=[-1], keepdims=true)\", i: prod(i)}"},
    {"cumsum under a map", "map(cumsum, x)"},
    {"gradients of products, of zeros too", "\"grad(multiplied, wrt='x')(x * real(x > 0), y)\""},
    {"logaddexp", "{l: \"logaddexp(9 * y, y * y)\", m: \"map(grad(added, wrt='u'), y)\"}"},

    // sizes that come with the call, through loops
    {"concat, gather and top_k of bounded sizes in a loop of as many steps", "\n    nodes:\n"
     "      path:\n"
     "        scan: {carry: {t: y}, steps: N}\n"
     "        nodes:\n"
     "          both: \"concat(t, x[:, 0])\"\n"
     "          best: \"top_k(both, M).value\"\n"
     "        next: {t: \"0.5 * best + gather(t, arange(M) % 2)\"}\n"
     "        collect: {b: both, k: \"argsort(both)\"}\n"
     "    output: path"},
    {"a loop over rows of a map over rows", "\n    nodes:\n"
     "      each:\n"
     "        map: {over: {r: x, k: i}}\n"
     "        nodes:\n"
     "          path:\n"
     "            scan: {carry: {s: y}, over: {e: y}, reverse: true}\n"
     "            next: {s: \"concat(s[1:], s[:1] + e * r[0])\"}\n"
     "            collect: {c: \"concat(s, r)\", g: \"gather(s, k)\"}\n"
     "        output: path\n"
     "    output: each"},
    {"records that are carried, collected and gone over", "\n    nodes:\n"
     "      data: \"{p: x, q: {i: i, e: {}}}\"\n"
     "      path:\n"
     "        scan: {carry: {c: \"{s: a, t: {u: y}}\"}, over: {d: data}}\n"
     "        nodes: {more: \"c.s + sum(d.p) * real(d.q.i)\"}\n"
     "        next: {c: \"{t: {u: c.t.u * 0.9 + more}, s: more}\"}\n"
     "        collect: {all: \"{c: c, d: d, step: step}\"}\n"
     "    output: \"{last: path.c, all: path.all, two: 2 * path.all.c}\""},
    {"functions that are arguments of functions that are", "\n    nodes:\n"
     "      path:\n"
     "        scan: {carry: {s: a}, steps: 3}\n"
     "        next: {s: \"apply(again(f=halved(by=3.0)), s) + apply(tanh, s)\"}\n"
     "    output: \"{s: path.s, m: map(again(f=halved(by=2.0)), y), g: map(grad(bent, wrt='u'), y)}\""},

    // draws
    {"randint of sizes and of values", "{n: \"draw.randint([N, 2], 7)\", d: \"draw.randint([M], M)\", v: \"draw.randint([N], i)\", s: \"draw.randint([2], size(y) - 3)\"}"},
    {"categorical of rows", "{r: draw.categorical(x), b: draw.categorical(y)}"},
    {"draws within a map and a loop", "\n    nodes:\n"
     "      rows:\n"
     "        map: {over: {r: x, k: i}}\n"
     "        nodes:\n"
     "          path:\n"
     "            scan: {carry: {c: k}, steps: 3}\n"
     "            next: {c: \"draw.randint([], c + 5) + draw.categorical(r)\"}\n"
     "            collect: {d: c}\n"
     "        output: path\n"
     "    output: rows"},

    // indices
    {"take_along one of each row", "\"take_along(x, i)\""},
    {"take_along several of each row", "\"take_along(x, stack(i, 2 - i, axis=-1))\""},
    {"gradient of take_along", "grad(chosen, wrt='x')(x, i)"},
    {"scatter_add of rows", "{r: \"scatter_add(i, x, 4)\", s: \"scatter_add(i, a * real(i), M)\"}"},
    {"one_hot", "\"one_hot(i, 3) @ ones([3, 2])\""},
};
// clang-format on

static const char *const around = //
    "module: m\n"
    "dims: {N: {max: 20}, M: {max: 40}}\n"
    "functions:\n"
    "  best: {inputs: {r: \"[3]\"}, output: \"top_k(r, 2)\"}\n"
    "  sorted:\n"
    "    inputs: {x: \"[N, 3]\", y: \"[M]\"}\n"
    "    output: \"sum(top_k(x, 2).value * stack(1.0, 3.0)) + sum(sort(y) * real(arange(M))) * sum(x)\"\n"
    "  chosen:\n"
    "    inputs: {x: \"[N, 3]\", i: \"i32[N]\"}\n"
    "    output: \"sum(take_along(x, i) ** 2)\"\n"
    "  multiplied:\n"
    "    inputs: {x: \"[N, 3]\", y: \"[M]\"}\n"
    "    output: sum(prod(x, axis=1)) + sum(cumprod(y) * cumsum(y)) * sum(x)\n"
    "  added: {inputs: {u: \"[]\"}, output: \"logaddexp(3 * u, u * u)\"}\n"
    "  halved: {inputs: {v: \"[]\", by: \"[]\"}, output: v / by}\n"
    "  apply: {inputs: {f: function, v: \"[]\"}, output: f(v)}\n"
    "  again: {inputs: {f: function, v: \"[]\"}, output: \"apply(f, apply(f, v))\"}\n"
    "  bent: {inputs: {u: \"[]\"}, output: \"again(tanh, u) * apply(halved(by=u + 3), u)\"}\n"
    "  past:\n"
    "    inputs: {a: \"[]\", y: \"[M]\"}\n"
    "    nodes:\n"
    "      path: {scan: {carry: {s: sum(y * y)}, steps: 5}, next: {s: s * 2}, until: s > 2.0}\n"
    "    output: a * path.s + a * real(path.steps)\n"
    "  f:\n"
    "    inputs: {x: \"[N, 3]\", y: \"[M]\", i: \"i32[N]\", b: \"bool[N]\", a: \"[]\"}\n";

START_TEST(feature_agrees_with_its_meaning) {
    const Feature *x = &features[_i];
    const char *key = *x->body == '\n' ? "" : "    output: ";
    IrFunction *f = elaborate(arena_printf(&arena, "%s%s%s\n", around, key,
                                           *x->body == '\n' ? x->body + 1 : x->body));
    static const int64_t sizes[] = {0, 1, 2, 3, 9};
    double d = run_compiled_distance(f, sizes, 5, 3);
    ck_assert_msg(d < 1e-9, "%s: %g", x->name, d);
}
END_TEST

// Draws of more digits than a program's reals have.
START_TEST(draws_agree_at_f32) {
    IrFunction *f = elaborate_at(
        arena_printf(&arena, "%s    output: \"{n: draw.randint([N], 1000000007), v: draw.randint([M], "
                             "size(x)), c: draw.categorical(x), d: draw.normal([M]) + y}\"\n",
                     around),
        IR_F32);
    static const int64_t sizes[] = {0, 1, 9};
    ck_assert_double_lt(run_compiled_distance(f, sizes, 3, 3), 1e-5);
}
END_TEST

// ---- how often ----------------------------------------------------------------------------------

// Draws of a program at f32, as doubles.
static const EvalTensor *draws_of(const char *output) {
    IrFunction *f = elaborate_at(
        arena_printf(&arena, "module: m\nfunctions:\n  f: {output: \"%s\"}\n", output), IR_F32);
    Eval e = {.arena = &arena, .seed = 11};
    return eval_function(&e, f, NULL)[0];
}

// Whether `count` of n draws of probability p is within 5 standard deviations.
static void assert_frequency(int64_t count, int64_t n, double p) {
    double d = fabs((double)count - (double)n * p) / sqrt((double)n * p * (1 - p));
    ck_assert_msg(d < 5, "%d of %d with probability %g: %g deviations", (int)count, (int)n, p, d);
}

static int64_t how_many(const EvalTensor *x, double value, double modulo) {
    int64_t count = 0;
    for (int64_t i = 0; i < x->n; i++)
        count += fmod(x->x[i], modulo) == value;
    return count;
}

START_TEST(whole_draws_are_equally_frequent) {
    const EvalTensor *x = draws_of("draw.randint([20000], 7)");
    for (int k = 0; k < 7; k++)
        assert_frequency(how_many(x, k, INFINITY), x->n, 1.0 / 7);

    // of many values too: also the last digits of them, and none is left out
    x = draws_of("draw.randint([20000], 1073741824)");
    assert_frequency(how_many(x, 1, 2), x->n, 0.5);
    assert_frequency(how_many(x, 5, 8), x->n, 0.125);
    double sum = 0, least = INFINITY, most = 0;
    for (int64_t i = 0; i < x->n; i++) {
        sum += x->x[i];
        least = fmin(least, x->x[i]);
        most = fmax(most, x->x[i]);
    }
    ck_assert(least >= 0 && most < 1073741824);
    double mean = sum / (double)x->n / 1073741824;
    ck_assert_double_le(fabs(mean - 0.5), 5 * sqrt(1 / 12.0 / (double)x->n));

    x = draws_of("draw.randint([20], 1) + draw.randint([20], arange(20) - 19)");
    ck_assert_int_eq(how_many(x, 0, INFINITY), 20);
}
END_TEST

START_TEST(choices_are_as_frequent_as_their_logits_say) {
    const EvalTensor *x = draws_of("draw.categorical(broadcast(log(stack(1.0, 2.0, 0.0, 5.0)), [20000, 4]))");
    static const double p[] = {0.125, 0.25, 0, 0.625};
    for (int k = 0; k < 4; k++) {
        if (p[k] > 0)
            assert_frequency(how_many(x, k, INFINITY), x->n, p[k]);
        else
            ck_assert_int_eq(how_many(x, k, INFINITY), 0);
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("language_features");

    TCase *compiled = tcase_create("compiled");
    tcase_add_checked_fixture(compiled, setup, teardown);
    tcase_set_timeout(compiled, 60);
    tcase_add_loop_test(compiled, feature_agrees_with_its_meaning, 0,
                        (int)(sizeof features / sizeof *features));
    suite_add_tcase(s, compiled);

    TCase *draws = tcase_create("draws");
    tcase_add_checked_fixture(draws, setup, teardown);
    tcase_set_timeout(draws, 60);
    tcase_add_test(draws, draws_agree_at_f32);
    tcase_add_test(draws, whole_draws_are_equally_frequent);
    tcase_add_test(draws, choices_are_as_frequent_as_their_logits_say);
    suite_add_tcase(s, draws);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
