// tests/check_lang.c -- what the graph language means: types and values of expressions, structures,
// parameters, gradients, draws, programs, and how modules are bound.
//
// Small modules are written to a folder of their own; what they become is verified, and evaluated
// directly (tests/support_eval.h) where numbers are compared.
#include <check.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ir/base/buf.h"
#include "ir/base/errors.h"
#include "ir/lang/lang.h"
#include "ir/lang/signature.h"
#include "ir/text.h"
#include "runtime/record/safetensors.h"
#include "tests/support_files.h"
#include "tests/support_graph.h"

static Arena arena;
static Diag diag;
static char folder[64];

static void setup(void) {
    arena = (Arena){0};
    diag = (Diag){0};
    strcpy(folder, "/tmp/check_lang.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void teardown(void) {
    ck_assert(delete_tree(folder));
    arena_free(&arena);
    diag_free(&diag);
}

// ---- worlds from text ---------------------------------------------------------------------------

static const char *write_module(const char *name, const char *text) {
    const char *path = arena_printf(&arena, "%s/%s.yaml", folder, name);
    char why[256];
    ck_assert_msg(buf_write_file(path, text, strlen(text), why, sizeof why), "%s", why);
    return path;
}

static LangWorld *open_with(LangOptions o) {
    const char **roots = arena_array(&arena, const char *, 2);
    roots[0] = "models";
    roots[1] = folder;
    o.roots = roots;
    o.n_roots = 2;
    if (o.real == IR_F32)
        o.real = IR_F64;
    return lang_open(&arena, &diag, &o);
}

static LangWorld *open_path(const char *path) {
    LangPair bind = {.name = "", .value = path};
    return open_with((LangOptions){.binds = &bind, .n_binds = 1});
}

static LangWorld *open_text(const char *text) {
    return open_path(write_module("module", text));
}

// Fails with what was reported, if anything was.
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

static IrModule *ask(LangWorld *w, const LangRequest *r) {
    ck_assert_ptr_nonnull(w);
    no_errors();
    IrModule *m = lang_elaborate(w, &diag, r);
    no_errors();
    ck_assert_ptr_nonnull(m);
    Buf why = {0};
    for (int i = 0; i < m->n; i++)
        ck_assert_msg(ir_verify_function(m->functions[i], &why), "%s", buf_text(&why));
    buf_free(&why);
    return m;
}

static IrModule *ask_for(LangWorld *w, const char *name) {
    return ask(w, &(LangRequest){.instance = "", .name = name});
}

static IrFunction *inlined(const IrModule *m) {
    return graph_after(&arena, graph_entry(m), (PassFn *[]){pass_inline, NULL});
}

// The first error, with its notes, as text.
static const char *first_error(void) {
    ck_assert_int_gt(diag.n, 0);
    return diag.messages[0].text;
}

// ---- values -------------------------------------------------------------------------------------

static const int64_t dim_values[16] = {3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18};

static Eval evaluation(void) {
    return (Eval){.arena = &arena, .dims = dim_values, .seed = 7};
}

// The outputs of a function without inputs but settings and parameters, which are all zero unless
// `in` is given.
static EvalTensor **evaluate(const IrFunction *f, EvalTensor *const *in) {
    Eval e = evaluation();
    if (!in) {
        EvalTensor **zeros = arena_array(&arena, EvalTensor *, f->body->n_params);
        for (int i = 0; i < f->body->n_params; i++) {
            zeros[i] = eval_zeros(&e, &f->body->params[i]->types[0]);
            if (f->inputs[i].role == IR_ROLE_SETTING)
                zeros[i]->x[0] = f->inputs[i].value;
        }
        in = zeros;
    }
    return eval_function(&e, f, in);
}

static const char *type_text(const IrType *t) {
    Buf b = {0};
    ir_type_print(&b, t);
    const char *text = arena_strdup(&arena, buf_text(&b));
    buf_free(&b);
    return text;
}

static const char *numbers_text(const EvalTensor *t) {
    Buf b = {0};
    for (int64_t i = 0; i < t->n; i++) {
        char number[32];
        buf_format_double(number, round(t->x[i] * 1e6) / 1e6 + 0.0);
        buf_printf(&b, "%s%s", i ? " " : "", number);
    }
    const char *text = arena_strdup(&arena, buf_text(&b));
    buf_free(&b);
    return text;
}

static int output_index(const IrFunction *f, IrRole role, const char *name) {
    for (int i = 0; i < f->body->n_results; i++) {
        if (f->outputs[i].role == role && !strcmp(f->outputs[i].name, name))
            return i;
    }
    ck_abort_msg("%s has no output '%s'", f->name, name);
}

static int input_index(const IrFunction *f, const char *name) {
    for (int i = 0; i < f->body->n_params; i++) {
        if (!strcmp(f->inputs[i].name, name))
            return i;
    }
    return -1;
}

// ---- expressions --------------------------------------------------------------------------------

typedef struct Example {
    const char *expr, *type, *numbers;
} Example;

#define V "stack(1, 2, 3)"
#define M "reshape(real(arange(6)), [2, 3])"

// clang-format off
static const Example examples[] = {
    // arithmetic at compile time
    {"7 / 2",                     "f64[]",    "3.5"},
    {"7 // 2 + 7 % 4",            "i32[]",    "6"},
    {"-7 // 2",                   "i32[]",    "-4"},
    {"2 ** 10 - 1",               "i32[]",    "1023"},
    {"2 ** -1",                   "f64[]",    "0.5"},
    // whole numbers at run time
    {"(" V " - 3) // 2",          "i32[3]",   "-1 -1 0"},
    {"(arange(7) - 3) % 3",       "i32[7]",   "0 1 2 0 1 2 0"},
    {"(arange(7) - 3) % -3",      "i32[7]",   "0 -2 -1 0 -2 -1 0"},
    {V " // (" V " - 2)",         "i32[3]",   "-1 0 3"},
    {V " % (" V " - 2)",          "i32[3]",   "0 2 0"},
    {"7 // " V,                   "i32[3]",   "7 3 2"},
    {"width + latent",            "i32[]",    "7"},
    {"1 if width > latent else 2", "i32[]",   "2"},
    {"1 if kind == 'relu' and not fast else 2", "i32[]", "1"},
    {"[5, 6, 7][-1]",             "i32[]",    "7"},
    {"sqrt(16.0) + max(stack(1.0))", "f64[]", "5"},
    // promotion
    {V " + 1",                    "i32[3]",   "2 3 4"},
    {V " / 2",                    "f64[3]",   "0.5 1 1.5"},
    {V " + 0.5",                  "f64[3]",   "1.5 2.5 3.5"},
    {"exp(0 * " V ")",            "f64[3]",   "1 1 1"},
    {V " ** 2",                   "f64[3]",   "1 4 9"},
    {"2 ** " V,                   "f64[3]",   "2 4 8"},
    {"maximum(" V ", 2)",         "i32[3]",   "2 2 3"},
    {"int(stack(1.9, -1.9))",     "i32[2]",   "1 -1"},
    {"real(" V " > 1)",           "f64[3]",   "0 1 1"},
    {"-" V,                       "i32[3]",   "-1 -2 -3"},
    // comparison and choice
    {"real(" V " >= 2) + real(" V " != 2)", "f64[3]", "1 1 2"},
    {"where(" V " > 1, 10, " V ")", "i32[3]", "1 10 10"},
    {"where(" V " > 1, 0.5, 0)",  "f64[3]",   "0 0.5 0.5"},
    {"real(" V " > 1 and " V " < 3 or not (" V " < 3))", "f64[3]", "0 1 1"},
    {"clip(real(" V "), 1.5, 2)", "f64[3]",   "1.5 2 2"},
    {"real((" V " > 1) == (" V " < 3))", "f64[3]", "0 1 0"},
    {"real((" V " > 1) != true)", "f64[3]",   "1 0 0"},
    {"real(any(" V " > 2)) + 2 * real(all(" V " > 2))", "f64[]", "1"},
    {"real(all(" M " > 0, axis=1)) + 2 * real(any(" M " > 4, axis=1))", "f64[2]", "0 3"},
    {"real(any(zeros([0]) > 0)) + 2 * real(all(zeros([0]) > 0))", "f64[]", "2"},
    {"round(stack(0.5, 1.5, -2.5, 2.4))", "f64[4]", "0 2 -2 2"},
    {"ceil(stack(0.5, 2.0, -2.5))", "f64[3]", "1 2 -2"},
    // broadcasting
    {M " + " V,                   "f64[2,3]", "1 3 5 4 6 8"},
    {"reshape(real(" V "), [3, 1]) * " V, "f64[3,3]", "1 2 3 2 4 6 3 6 9"},
    {"broadcast(2, [2, 2])",      "i32[2,2]", "2 2 2 2"},
    // products
    {M " @ real(" V ")",          "f64[2]",   "8 26"},
    {"real(" V ") @ real(" V ")", "f64[]",    "14"},
    {M " @ " M ".T",              "f64[2,2]", "5 14 14 50"},
    {"stack(1, 1) @ " M,          "f64[3]",   "3 5 7"},
    {"shape(reshape(" M ", [1, 2, 3]) @ reshape(" M ", [1, 3, 2]))[1]", "i32[]", "2"},
    {"reshape(" M ", [2, 1, 3]) @ ones([3, 2])", "f64[2,1,2]", "3 3 12 12"},
    // reductions
    {"sum(" M ")",                "f64[]",    "15"},
    {"sum(" M ", axis=0)",        "f64[3]",   "3 5 7"},
    {"sum(" M ", axis=[-1], keepdims=true)", "f64[2,1]", "3 12"},
    {"max(" M ", axis=-1) - min(" M ", axis=-1)", "f64[2]", "2 2"},
    {"mean(" M ", axis=1)",       "f64[2]",   "1 4"},
    {"prod(" V ") + prod(zeros([0]))", "f64[]", "7"},
    {"prod(" M " + 1)",           "f64[]",    "720"},
    {"prod(" M " + 1, axis=0)",   "f64[3]",   "4 10 18"},
    {"prod(" M ", axis=[-1], keepdims=true)", "f64[2,1]", "0 60"},
    {"cumsum(" V ")",             "i32[3]",   "1 3 6"},
    {"cumsum(" M ", axis=0)",     "f64[2,3]", "0 1 2 3 5 7"},
    {"cumprod(" M " + 1)",        "f64[2,3]", "1 2 6 4 20 120"},
    {"logaddexp(log(stack(1.0, 5.0)), log(2.0)) - log(stack(3.0, 7.0))", "f64[2]", "0 0"},
    {"logaddexp(stack(0.0, 1000.0), 1000.0)", "f64[2]", "1000 1000.693147"},
    {"logaddexp(log(zeros([1])), log(zeros([1])))", "f64[1]", "-inf"},
    {"grad(tie, wrt='x')(0.7)",   "f64[]",    "1.5"},
    {"var(" M ", axis=1)",        "f64[2]",   "0.666667 0.666667"},
    {"norm(stack(3.0, 4.0))",     "f64[]",    "5"},
    {"argmax(stack(1.0, 3.0, 3.0))", "i32[]", "1"},
    {"argmin(stack(3, 1, 1))",    "i32[]",    "1"},
    {"top_k(stack(1.0, 3.0, 2.0, 3.0), 3).index", "i32[3]", "1 3 2"},
    {"top_k(" M ", 2).value",     "f64[2,2]", "2 1 5 4"},
    {"argsort(stack(2, 1, 2, 0))", "i32[4]",  "3 1 0 2"},
    {"sort(stack(2.5, -1.0, 2.0))", "f64[3]", "-1 2 2.5"},
    {"sum(zeros([0, 2]), axis=0)", "f64[2]",  "0 0"},
    {"mean(zeros([0]))",          "f64[]",    "0"},
    {"max(zeros([0]))",           "f64[]",    "-inf"},
    {"softmax(zeros([2]))",       "f64[2]",   "0.5 0.5"},
    {"sum(exp(log_softmax(" M ")), axis=-1)", "f64[2]", "1 1"},
    {"logsumexp(zeros([4])) - log(4)", "f64[]", "0"},
    // shapes
    {"concat(" V ", 0.5 * " V ")", "f64[6]",  "1 2 3 0.5 1 1.5"},
    {"concat(" M ", ones([1, 3]), axis=0)", "f64[3,3]", "0 1 2 3 4 5 1 1 1"},
    {"concat(" M ", zeros([2, 0]))", "f64[2,3]", "0 1 2 3 4 5"},
    {"stack(" V ", " V ", axis=1)", "i32[3,2]", "1 1 2 2 3 3"},
    {"transpose(" M ", [1, 0])",  "f64[3,2]", "0 3 1 4 2 5"},
    {"gather(" M ", stack(1, 0, 1))", "f64[3,3]", "3 4 5 0 1 2 3 4 5"},
    {"gather(" M ", 1)",          "f64[3]",   "3 4 5"},
    {"take_along(" M ", stack(2, 0))", "f64[2]", "2 3"},
    {"take_along(" M ", reshape(arange(8), [2, 4]) - 1)", "f64[2,4]", "0 0 1 2 5 5 5 5"},
    {"scatter_add(stack(2, 0, 2), " V ", 3)", "i32[3]", "2 0 4"},
    {"scatter_add(stack(0, 0), " M ", 2)", "f64[2,3]", "3 5 7 0 0 0"},
    {"one_hot(stack(1, 3, -1), 3)", "f64[3,3]", "0 1 0 0 0 0 0 0 0"},
    {"size(" M ") + size(" M ", 1)", "i32[]", "9"},
    {"reshape(" M ", shape(" M ".T))", "f64[3,2]", "0 1 2 3 4 5"},
    {"eye(2)",                    "f64[2,2]", "1 0 0 1"},
    {"full([2], 3) + zeros_like(ones([2]))", "f64[2]", "3 3"},
    {"arange(width)",             "i32[3]",   "0 1 2"},
    // indices
    {M "[1]",                     "f64[3]",   "3 4 5"},
    {M "[-1, 0:2]",               "f64[2]",   "3 4"},
    {M "[:, 1]",                  "f64[2]",   "1 4"},
    {M "[..., 1:]",               "f64[2,2]", "1 2 4 5"},
    {M "[:, 3:]",                 "f64[2,0]", ""},
    // records
    {"total({a: " M ", b: {c: 2 * " V "}})", "f64[]", "27"},
    {"({a: " V "} * 2 - {a: 1}).a", "i32[3]", "1 3 5"},
    {"merge({a: 1}, {b: 2}).b",   "i32[]",    "2"},
    {"softmax({a: zeros([2])}).a", "f64[2]",  "0.5 0.5"},
    {"where(true, {a: 1}, {a: 2}).a", "i32[]", "1"},
    {"{t: 5}.t",                  "i32[]",    "5"},
    // functions as arguments
    {"map(double, " V ")",        "i32[3]",   "2 4 6"},
    {"map(sum, " M ")",           "f64[2]",   "3 12"},
    {"map(scaled(by=2.0), " M ")", "f64[2,3]", "0 2 4 6 8 10"},
    {"twice(double, 3)",          "i32[]",    "12"},
    {"grad(square, wrt='x')(3.0)", "f64[]",   "6"},
    {"map(grad(square, wrt='x'), 1.0 * " V ")", "f64[3]", "2 4 6"},
    {"grad(slope, wrt='x')(3.0)", "f64[]",    "18"},
    {"value_and_grad(square, wrt='x')(3.0).value", "f64[]", "9"},
    // sizes as values
    {"fraction(zeros([4]))",      "f64[]",    "0.25"},
};
// clang-format on

static const char *const around = //
    "module: m\n"
    "options: {width: 3, latent: 4, kind: relu, fast: false}\n"
    "dims: {N: {max: 100}}\n"
    "functions:\n"
    "  double: {inputs: {x: P}, output: x * 2}\n"
    "  scaled: {inputs: {x: \"[3]\", by: \"[]\"}, output: x * by}\n"
    "  twice: {inputs: {f: function, x: P}, output: f(f(x))}\n"
    "  square: {inputs: {x: \"[]\"}, output: x * x}\n"
    "  tie: {inputs: {x: \"[]\"}, output: \"x + logaddexp(x, 0.7)\"}\n"
    "  cube: {inputs: {x: \"[]\"}, output: x * x * x}\n"
    "  slope: {inputs: {x: \"[]\"}, output: \"grad(cube, wrt='x')(x)\"}\n"
    "  fraction: {inputs: {x: \"[N]\"}, output: 1 / N}\n"
    "  f:\n"
    "    output: \"";

START_TEST(expression_has_type_and_value) {
    const Example *x = &examples[_i];
    LangWorld *w = open_text(arena_printf(&arena, "%s%s\"\n", around, x->expr));
    IrFunction *f = graph_entry(ask_for(w, "f"));
    ck_assert_int_eq(f->body->n_results, 1);
    ck_assert_str_eq(f->outputs[0].name, "out");
    ck_assert_str_eq(type_text(&f->body->results[0]->types[0]), x->type);
    ck_assert_str_eq(numbers_text(evaluate(f, NULL)[0]), x->numbers);
}
END_TEST

// Expressions of x: [N, 3], y: [N], k: i32[N], b: bool[N] and their types.
static const char *const typed[][2] = {
    {"x + 1", "f64[N,3]"},
    {"x @ ones([3, 5])", "f64[N,5]"},
    {"x @ x.T", "f64[N,N]"},
    {"concat(y, y)", "f64[2 * N]"},
    {"concat(x, x, axis=0)", "f64[2 * N,3]"},
    {"reshape(x, [3 * N])", "f64[3 * N]"},
    {"reshape(x, [3, N])", "f64[3,N]"},
    {"k / N", "f64[N]"},
    {"arange(2 * N + 1)", "i32[2 * N + 1]"},
    {"x[1:]", "f64[N - 1,3]"},
    {"x[0]", "f64[3]"},
    {"x[:N - 1, 0]", "f64[N - 1]"},
    {"gather(y, k)", "f64[N]"},
    {"where(b, y, 0)", "f64[N]"},
    {"map(sum, x)", "f64[N]"},
    {"broadcast(y[0:1], [N])", "f64[N]"},
    {"size(x)", "i32[]"},
    {"draw.normal([N, 2])", "f64[N,2]"},
    {"draw.randint([N], 7)", "i32[N]"},
    {"draw.categorical(x)", "i32[N]"},
};

START_TEST(sizes_are_polynomials) {
    LangWorld *w = open_text(arena_printf(
        &arena,
        "module: m\ndims: {N: {max: 100}}\nfunctions:\n  f:\n"
        "    inputs: {x: \"[N, 3]\", y: \"[N]\", k: \"i32[N]\", b: \"bool[N]\"}\n    output: %s\n",
        typed[_i][0]));
    IrFunction *f = graph_entry(ask_for(w, "f"));
    ck_assert_str_eq(type_text(&f->body->results[0]->types[0]), typed[_i][1]);
}
END_TEST

// ---- structures ---------------------------------------------------------------------------------

static const char *result_of(const char *body) {
    LangWorld *w = open_text(arena_printf(&arena, "module: m\ndims: {N: {max: 100}}\n%s", body));
    IrFunction *f = graph_entry(ask_for(w, "f"));
    return numbers_text(evaluate(f, NULL)[0]);
}

START_TEST(scan_carries_and_collects) {
    const char *numbers = result_of("functions:\n"
                                    "  f:\n"
                                    "    nodes:\n"
                                    "      k: 10\n"
                                    "      path:\n"
                                    "        scan: {carry: {s: 1.0, n: 0}, steps: 4}\n"
                                    "        nodes: {t: s * 2 + real(step) + k}\n"
                                    "        next: {s: t, n: n + 1}\n"
                                    "        collect: {before: s, c: 5}\n"
                                    "    output: \"concat(reshape(path.s, [1]), path.before, "
                                    "reshape(path.n, [1]), path.c)\"\n");
    ck_assert_str_eq(numbers, "177 1 12 35 82 4 5 5 5 5");
}
END_TEST

START_TEST(reverse_scan_goes_over_slices_from_the_last) {
    const char *numbers = result_of(
        "functions:\n"
        "  f:\n"
        "    nodes:\n"
        "      a:\n"
        "        scan: {carry: {s: 0.0}, over: {x: \"stack(1.0, 2.0, 3.0)\"}, reverse: true}\n"
        "        next: {s: 10 * s + x}\n"
        "        collect: {at: real(step), sofar: s}\n"
        "    output: \"concat(reshape(a.s, [1]), a.at, a.sofar)\"\n");
    ck_assert_str_eq(numbers, "321 0 1 2 32 3 0");
}
END_TEST

START_TEST(carry_may_be_a_record) {
    const char *numbers = result_of("functions:\n"
                                    "  f:\n"
                                    "    nodes:\n"
                                    "      a:\n"
                                    "        scan: {carry: {s: {p: 1.0, q: {r: 2.0}}}, steps: 3}\n"
                                    "        next: {s: {q: {r: s.p}, p: s.q.r + s.p}}\n"
                                    "    output: stack(a.s.p, a.s.q.r)\n");
    ck_assert_str_eq(numbers, "7 4");
}
END_TEST

START_TEST(loops_nest_and_see_names_around) {
    const char *numbers = result_of("functions:\n"
                                    "  f:\n"
                                    "    nodes:\n"
                                    "      late: base + 1\n"
                                    "      base: 1.0\n"
                                    "      rows:\n"
                                    "        map: {over: {x: \"stack(1.0, 2.0)\"}}\n"
                                    "        nodes:\n"
                                    "          inner:\n"
                                    "            scan: {carry: {s: x}, steps: 2}\n"
                                    "            next: {s: s * late + x + real(step)}\n"
                                    "        output: {y: inner.s, i: real(step)}\n"
                                    "    output: concat(rows.y, rows.i)\n");
    // x: 1 -> 2+1+0 = 3 -> 6+1+1 = 8; x: 2 -> 6 -> 12+2+1 = 15
    ck_assert_str_eq(numbers, "8 15 0 1");
}
END_TEST

START_TEST(repeat_and_if_are_unrolled) {
    LangWorld *w = open_text("module: m\n"
                             "options: {depth: 3, fast: false}\n"
                             "functions:\n"
                             "  f:\n"
                             "    nodes:\n"
                             "      a:\n"
                             "        repeat: {index: i, times: depth, carry: {h: 1.0}}\n"
                             "        nodes: {g: h * (i + 2)}\n"
                             "        next: {h: g}\n"
                             "      b: {if: fast, then: nothing_of_this_name, else: a.h}\n"
                             "      none: {repeat: {times: 0, carry: {h: 5}}, next: {h: h + 1}}\n"
                             "    output: b + none.h\n");
    IrFunction *f = graph_entry(ask_for(w, "f"));
    ck_assert_int_eq(graph_count(f, IR_OP_scan), 0);
    ck_assert_str_eq(numbers_text(evaluate(f, NULL)[0]), "29");
}
END_TEST

START_TEST(unused_nodes_leave_no_trace) {
    LangWorld *w = open_text("module: m\n"
                             "params: {w: \"zeros([3])\"}\n"
                             "functions:\n"
                             "  g: {inputs: {x: \"[]\"}, output: \"draw.normal([]) + x\"}\n"
                             "  f:\n"
                             "    nodes: {a: sum(w), b: g(a), c: \"draw.normal([2])\"}\n"
                             "    output: 1.0\n");
    IrModule *m = ask_for(w, "f");
    ck_assert_int_eq(m->n, 1);
    ck_assert_int_eq(graph_entry(m)->body->n_params, 0);
    ck_assert_int_eq(graph_entry(m)->body->n, 1);
}
END_TEST

// ---- functions ----------------------------------------------------------------------------------

START_TEST(function_is_made_once_for_each_type) {
    LangWorld *w = open_text("module: m\n"
                             "dims: {N: {max: 10}, A: {max: 10}}\n"
                             "functions:\n"
                             "  g: {inputs: {x: \"[N]\"}, arguments: {by: 2}, output: x * by}\n"
                             "  f:\n"
                             "    inputs: {x: \"[N]\", y: \"[A]\"}\n"
                             "    output: {a: g(x), b: g(x), c: g(y), d: \"g(x, by=3)\"}\n");
    ck_assert_int_eq(ask_for(w, "f")->n, 4);
}
END_TEST

START_TEST(results_of_a_function_are_a_type) {
    LangWorld *w =
        open_text("module: m\n"
                  "dims: {N: {max: 10}, M: {max: 10}}\n"
                  "functions:\n"
                  "  use: {inputs: {b: infer, x: \"[M]\"}, output: sum(b.q.h) * x / N}\n"
                  "  infer: {inputs: {x: \"[N, 2]\"}, output: {q: {h: x}, n: 3}}\n"
                  "  f: {inputs: {x: \"[N, 2]\", y: \"[M]\"}, output: \"use(infer(x), y)\"}\n");
    IrFunction *f = graph_entry(ask_for(w, "use"));
    ck_assert_int_eq(f->body->n_params, 2);
    ck_assert_str_eq(f->inputs[0].name, "b.q.h");
    ck_assert_str_eq(type_text(&f->body->params[0]->types[0]), "f64[N,2]");
    ck_assert_str_eq(type_text(&graph_entry(ask_for(w, "f"))->body->results[0]->types[0]),
                     "f64[M]");
}
END_TEST

START_TEST(inputs_and_outputs_are_flat) {
    LangWorld *w = open_text("module: m\n"
                             "settings: {rate: 0.5}\n"
                             "functions:\n"
                             "  f:\n"
                             "    inputs: {r: {b: \"[2]\", a: {c: \"i32[]\"}}}\n"
                             "    output: {y: {z: r.b * rate, e: {}}, c: r.a.c}\n");
    IrFunction *f = graph_entry(ask_for(w, "f"));
    ck_assert_int_eq(f->body->n_params, 3);
    ck_assert_str_eq(f->inputs[0].name, "r.b");
    ck_assert_str_eq(f->inputs[1].name, "r.a.c");
    ck_assert_int_eq(f->inputs[2].role, IR_ROLE_SETTING);
    ck_assert_double_eq(f->inputs[2].value, 0.5);
    ck_assert_int_eq(f->body->n_results, 2);
    ck_assert_str_eq(f->outputs[0].name, "y.z");
    ck_assert_str_eq(f->outputs[1].name, "c");
}
END_TEST

START_TEST(dims_are_given_by_name) {
    static const char *const text =
        "module: m\n"
        "dims: {N: {max: 10, likely: 4}, dx: {default: 3}}\n"
        "functions:\n"
        "  g: {dims: {K: {max: 9}, L: {default: 2}}, output: \"ones([K, L])\"}\n"
        "  f: {inputs: {x: \"[N, dx]\"}, output: \"g(K=N)\"}\n";
    LangPair bind = {.name = "", .value = write_module("module", text)};
    LangWorld *w = open_with((LangOptions){.binds = &bind, .n_binds = 1});
    IrModule *m = ask_for(w, "f");
    ck_assert_str_eq(type_text(&graph_entry(m)->body->results[0]->types[0]), "f64[N,2]");
    ck_assert_int_eq(m->dims->n_vars, 1);
    ck_assert_int_eq(m->dims->vars[0]->max, 10);
    ck_assert_int_eq(m->dims->vars[0]->likely, 4);

    // all of them bound from outside
    LangPair dims[] = {{.name = "N", .value = "5"},
                       {.name = "dx", .value = "7"},
                       {.name = "K", .value = "6"},
                       {.name = "L", .value = "8"}};
    w = open_with((LangOptions){.binds = &bind, .n_binds = 1, .dims = dims, .n_dims = 4});
    m = ask_for(w, "f");
    ck_assert_str_eq(type_text(&graph_entry(m)->body->params[0]->types[0]), "f64[5,7]");
    ck_assert_str_eq(type_text(&graph_entry(m)->body->results[0]->types[0]), "f64[5,2]");
    ck_assert_int_eq(m->dims->n_vars, 0);
    ck_assert_str_eq(type_text(&graph_entry(ask_for(w, "g"))->body->results[0]->types[0]),
                     "f64[6,8]");
}
END_TEST

START_TEST(nodes_may_be_asked_for_as_outputs) {
    LangWorld *w = open_text(
        "module: m\n"
        "functions:\n"
        "  g: {inputs: {x: \"[]\"}, output: {p: x + 1, q: {r: x + 2}}}\n"
        "  f: {inputs: {x: \"[]\"}, nodes: {a: g(x), unused: 3 * x}, output: {y: a.p}}\n");
    const char *more[] = {"a.q.r", "unused", "y"};
    LangRequest r = {.instance = "", .name = "f", .more_outputs = more, .n_more_outputs = 2};
    IrFunction *f = graph_entry(ask(w, &r));
    ck_assert_int_eq(f->body->n_results, 3);
    output_index(f, IR_ROLE_OUT, "a.q.r");
    output_index(f, IR_ROLE_OUT, "unused");
    more[0] = "b";
    ck_assert_ptr_null(lang_elaborate(w, &diag, &r));
    ck_assert_str_eq(first_error(), "'f' has no output and no node 'b'");
}
END_TEST

// ---- parameters ---------------------------------------------------------------------------------

START_TEST(parameters_of_gssm_are_those_of_the_reference) {
    LangPair bind = {.name = "", .value = "models/gssm.yaml"};
    LangPair dx = {.name = "dx", .value = "5"}, hidden = {.name = "hidden", .value = "20"};
    LangWorld *w = open_with((LangOptions){
        .binds = &bind, .n_binds = 1, .dims = &dx, .n_dims = 1, .sets = &hidden, .n_sets = 1});
    IrFunction *f = graph_entry(ask(w, &(LangRequest){.instance = ""}));

    RtTensorFile file = {0};
    char why[256];
    ck_assert_msg(rt_safetensors_read(&file, "tests/data/gssm.safetensors", why, sizeof why), "%s",
                  why);
    int n = 0;
    for (int i = 0; i < file.n; i++) {
        const RtTensor *t = &file.tensors[i];
        if (strncmp(t->name, "p.", 2))
            continue;
        n++;
        const IrType *own =
            &f->body->results[output_index(f, IR_ROLE_PARAM, t->name + 2)]->types[0];
        ck_assert_int_eq(own->rank, t->rank);
        for (int k = 0; k < own->rank; k++) {
            int64_t size;
            ck_assert(ir_dim_is_const(own->dims[k], &size));
            ck_assert_int_eq(size, t->shape[k]);
        }
    }
    ck_assert_int_eq(n, f->body->n_results);
    rt_safetensors_close(&file);
}
END_TEST

static void find_sites(IrNode *n, IrBlock *in, void *data) {
    (void)in;
    if (n->op == IR_OP_draw_normal || n->op == IR_OP_draw_uniform)
        buf_printf(data, "%s ", n->attrs.name);
}

// Sites of all draws in order, each followed by a space.
static const char *sites(const IrFunction *f) {
    Buf b = {0};
    ir_walk(f->body, find_sites, &b);
    const char *text = arena_strdup(&arena, buf_text(&b));
    buf_free(&b);
    return text;
}

START_TEST(initial_values_draw_at_names_of_their_own) {
    LangWorld *w = open_text("module: m\n"
                             "import: {nn: lib/nn}\n"
                             "params:\n"
                             "  net: nn.mlp(2, 3, depth=1, out=1)\n"
                             "  c: draw.normal([4])\n"
                             "  scale: 1\n"
                             "state: {count: 0, mean: {x: \"zeros([2])\"}}\n"
                             "functions: {f: {output: scale}}\n");
    IrFunction *f = graph_entry(ask(w, &(LangRequest){.instance = ""}));
    ck_assert_str_eq(sites(f), "init.net.0.w init.net.0.b init.net.1.w init.net.1.b init.c ");
    ck_assert_int_eq(f->body->n_params, 0);
    ck_assert_str_eq(
        type_text(&f->body->results[output_index(f, IR_ROLE_PARAM, "scale")]->types[0]), "f64[]");
    ck_assert_str_eq(
        type_text(&f->body->results[output_index(f, IR_ROLE_STATE, "count")]->types[0]), "i32[]");
    output_index(f, IR_ROLE_STATE, "mean.x");

    // uniform on +-1/sqrt(2)
    const EvalTensor *net = evaluate(f, NULL)[output_index(f, IR_ROLE_PARAM, "net.0.w")];
    for (int i = 0; i < net->n; i++)
        ck_assert_double_lt(fabs(net->x[i]), 0.7072);
}
END_TEST

START_TEST(layer_applies_to_records_of_its_kind) {
    LangWorld *w = open_text("module: m\n"
                             "import: {nn: lib/nn}\n"
                             "params: {net: \"nn.linear(2, 1)\"}\n"
                             "functions:\n"
                             "  loss: {inputs: {p: P, x: \"[2]\"}, output: sum(p(x) ** 2)}\n"
                             "  f:\n"
                             "    inputs: {x: \"[2]\"}\n"
                             "    nodes:\n"
                             "      g: grad(loss, wrt='p')(net, x)\n"
                             "      adapted: net - 0.25 * g\n"
                             "    output: stack(net(x)[0], adapted(x)[0])\n");
    IrFunction *f = graph_entry(ask_for(w, "f"));
    Eval e = evaluation();
    EvalTensor *in[3];
    for (int i = 0; i < 3; i++)
        in[i] = eval_zeros(&e, &f->body->params[i]->types[0]);
    EvalTensor *x = in[input_index(f, "x")], *weight = in[input_index(f, "net.w")];
    x->x[0] = 1, x->x[1] = 1, weight->x[0] = 2, weight->x[1] = 1;
    // y = 3; dy^2/dw = 6 each, also for b: 3 - 0.25 (6 + 6 + 6)
    ck_assert_str_eq(numbers_text(evaluate(f, in)[0]), "3 -1.5");
}
END_TEST

START_TEST(parameters_of_called_functions_become_inputs) {
    LangWorld *w = open_text("module: m\n"
                             "params: {a: 1.0, b: 2.0, c: 3.0}\n"
                             "settings: {s: 4}\n"
                             "functions:\n"
                             "  h: {inputs: {x: \"[]\"}, output: x * b + s}\n"
                             "  g: {inputs: {x: \"[]\"}, output: h(x) + a}\n"
                             "  f: {inputs: {x: \"[2]\"}, output: \"sum(map(g, x))\"}\n");
    IrFunction *f = graph_entry(ask_for(w, "f"));
    ck_assert_int_eq(f->body->n_params, 4);
    ck_assert_int_ge(input_index(f, "a"), 0);
    ck_assert_int_ge(input_index(f, "b"), 0);
    ck_assert_int_eq(input_index(f, "c"), -1);
    ck_assert_int_eq(f->inputs[input_index(f, "s")].role, IR_ROLE_SETTING);
}
END_TEST

// ---- gradients ----------------------------------------------------------------------------------

START_TEST(gradient_of_a_function_is_asked_for) {
    LangWorld *w = open_text("module: m\n"
                             "params: {a: \"ones([2])\", b: 2.0}\n"
                             "functions:\n"
                             "  f: {inputs: {x: \"[2]\"}, output: {loss: sum(a * a * x), y: x}}\n");
    LangRequest r = {.instance = "", .name = "f", .grad = "loss"};
    IrFunction *f = graph_entry(ask(w, &r));
    ck_assert_int_eq(f->body->n_results, 3);
    int at = output_index(f, IR_ROLE_GRAD, "a");
    Eval e = evaluation();
    EvalTensor *in[2];
    for (int i = 0; i < 2; i++) {
        in[i] = eval_zeros(&e, &f->body->params[i]->types[0]);
        in[i]->x[0] = 2, in[i]->x[1] = 3;
    }
    EvalTensor *g = evaluate(f, in)[at];
    ck_assert_double_eq_tol(g->x[0], 8, 1e-4);
    ck_assert_double_eq_tol(g->x[1], 18, 1e-4);

    const char *wrt[] = {"b"};
    r.wrt = wrt;
    r.n_wrt = 1;
    output_index(graph_entry(ask(w, &r)), IR_ROLE_GRAD, "b");
    r.grad = "y";
    ck_assert_ptr_null(lang_elaborate(w, &diag, &r));
}
END_TEST

START_TEST(gradient_by_parameters_sees_through_calls) {
    LangWorld *w =
        open_text("module: m\n"
                  "params: {net: {w: 1.0, b: 2.0}, other: 3.0}\n"
                  "functions:\n"
                  "  g: {inputs: {x: \"[]\"}, output: {loss: net.w * x * x + other, t: x}}\n"
                  "  f:\n"
                  "    inputs: {x: \"[]\"}\n"
                  "    nodes: {v: \"value_and_grad(g, wrt=net)(x)\"}\n"
                  "    output: {w: v.grad.w, b: v.grad.b, t: v.value.t}\n");
    IrFunction *f = graph_entry(ask_for(w, "f"));
    Eval e = evaluation();
    EvalTensor **in = arena_array(&arena, EvalTensor *, f->body->n_params);
    for (int i = 0; i < f->body->n_params; i++) {
        in[i] = eval_zeros(&e, &f->body->params[i]->types[0]);
        in[i]->x[0] = 3;
    }
    EvalTensor **out = evaluate(f, in);
    ck_assert_double_eq_tol(out[0]->x[0], 9, 1e-5);
    ck_assert_double_eq_tol(out[1]->x[0], 0, 1e-5);
    ck_assert_double_eq_tol(out[2]->x[0], 3, 1e-9);
}
END_TEST

// ---- draws --------------------------------------------------------------------------------------

START_TEST(sites_are_paths_of_names) {
    LangWorld *w = open_text("module: m\n"
                             "import: {normal: lib/normal}\n"
                             "dims: {B: {max: 10}}\n"
                             "functions:\n"
                             "  noise: {dims: {B: {max: 10}}, output: \"draw.normal([B])\"}\n"
                             "  two: {dims: {B: {max: 10}}, nodes: {e: \"draw.uniform([B])\"}, "
                             "output: \"e + draw.normal([B])\"}\n"
                             "  f:\n"
                             "    inputs: {x: \"[B]\"}\n"
                             "    nodes:\n"
                             "      a: noise(B=B) + noise(B=B)\n"
                             "      b: two(B=B) + two(B=B)\n"
                             "      c: \"draw.normal([B]) + draw.normal([B]) + draw.normal([B])\"\n"
                             "      q: \"normal.sample({mu: x, logvar: x})\"\n"
                             "      d:\n"
                             "        scan: {carry: {s: x}, steps: 3}\n"
                             "        nodes: {g: noise(B=B)}\n"
                             "        next: {s: \"s + g + draw.normal([B])\"}\n"
                             "      r:\n"
                             "        repeat: {index: i, times: 2, carry: {h: x}}\n"
                             "        nodes: {n: noise(B=B)}\n"
                             "        next: {h: h + n}\n"
                             "    output: \"a + b + c + q + d.s + r.h + draw.normal([B])\"\n");
    ck_assert_str_eq(sites(inlined(ask_for(w, "f"))),
                     "a a.2 b.e b b.2.e b.2 c c.2 c.3 q d.g d r.0.n r.1.n  ");
}
END_TEST

static void find_loops(IrNode *n, IrBlock *in, void *data) {
    (void)in;
    if (n->op != IR_OP_draw_normal)
        return;
    buf_printf(data, "%s", n->attrs.name);
    for (int i = 0; i < n->attrs.n_loops; i++)
        buf_printf(data, "%c%s", i ? ',' : ':', n->attrs.loops[i]);
    buf_puts(data, " ");
}

START_TEST(draws_know_the_loops_around_them) {
    LangWorld *w =
        open_text("module: m\n"
                  "functions:\n"
                  "  g: {inputs: {x: \"[]\"}, nodes: {z: \"draw.normal([])\"}, output: x + z}\n"
                  "  f:\n"
                  "    inputs: {x: \"[4]\"}\n"
                  "    nodes:\n"
                  "      a: sum(map(g, x))\n"
                  "      path:\n"
                  "        scan: {carry: {s: x}, steps: 3}\n"
                  "        nodes: {y: \"map(g, s)\"}\n"
                  "        next: {s: y}\n"
                  "    output: a + sum(path.s) + sum(map(g, x)) + sum(map(g, x))\n");
    Buf b = {0};
    ir_walk(inlined(ask_for(w, "f"))->body, find_loops, &b);
    ck_assert_str_eq(buf_text(&b), "a.z:a path.y.z:path,path.y z: 2.z:2 ");
    buf_free(&b);
}
END_TEST

// ---- programs -----------------------------------------------------------------------------------

static const char *const fitted = //
    "module: m\n"
    "import: {optim: lib/optim}\n"
    "params: {net: {w: \"ones([2])\"}, b: 0.5}\n"
    "state: {count: 0}\n"
    "settings: {rate: 0.5}\n"
    "functions:\n"
    "  loss: {inputs: {x: \"[2]\"}, output: {loss: \"sum((net.w * x + b) ** 2) / 2\", n: 1}}\n"
    "programs:\n"
    "  plain:\n"
    "    inputs: {x: \"[2]\"}\n"
    "    nodes: {l: loss(x)}\n"
    "    minimize: {value: l, over: net, by: optim.sgd(rate=rate)}\n"
    "    update: {count: count + l.n}\n"
    "    outputs: {value: l.loss, seen: count}\n"
    "  fit:\n"
    "    inputs: {x: \"[2]\"}\n"
    "    minimize: {value: loss(x).loss, over: params, by: optim.adam(rate=rate), "
    "clip: optim.clip_norm(limit=1)}\n"
    "  set:\n"
    "    inputs: {x: \"[2]\"}\n"
    "    update: {net: {w: x}, b: 3}\n";

START_TEST(program_steps_and_updates) {
    LangWorld *w = open_text(fitted);
    IrFunction *f = graph_entry(ask_for(w, "plain"));
    Eval e = evaluation();
    EvalTensor **in = arena_array(&arena, EvalTensor *, f->body->n_params);
    for (int i = 0; i < f->body->n_params; i++)
        in[i] = eval_zeros(&e, &f->body->params[i]->types[0]);
    in[input_index(f, "x")]->x[0] = 1, in[input_index(f, "x")]->x[1] = 2;
    in[input_index(f, "net.w")]->x[0] = 1, in[input_index(f, "net.w")]->x[1] = 1;
    in[input_index(f, "rate")]->x[0] = 0.5;
    in[input_index(f, "count")]->x[0] = 4;
    EvalTensor **out = evaluate(f, in);
    ck_assert_str_eq(numbers_text(out[output_index(f, IR_ROLE_OUT, "value")]), "2.5");
    ck_assert_str_eq(numbers_text(out[output_index(f, IR_ROLE_OUT, "seen")]), "4");
    int count = output_index(f, IR_ROLE_UPDATE, "count"),
        net = output_index(f, IR_ROLE_UPDATE, "net.w");
    ck_assert_int_eq(f->outputs[net].target, input_index(f, "net.w"));
    ck_assert_int_eq(f->outputs[count].target, input_index(f, "count"));
    ck_assert_str_eq(numbers_text(out[count]), "5");
    ck_assert_double_eq_tol(out[net]->x[0], 0.5, 1e-4); // w - rate (w x) x
    ck_assert_double_eq_tol(out[net]->x[1], -1, 1e-4);
    ck_assert_int_eq(f->body->n_results, 4);
}
END_TEST

START_TEST(optimiser_state_is_named_by_the_program) {
    LangWorld *w = open_text(fitted);
    IrFunction *f = graph_entry(ask_for(w, "fit"));
    static const char *const names[] = {"fit.m.net.w", "fit.m.b", "fit.v.net.w", "fit.v.b",
                                        "fit.t"};
    IrFunction *init = graph_entry(ask(w, &(LangRequest){.instance = ""}));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int at = output_index(f, IR_ROLE_UPDATE, names[i]);
        int in = f->outputs[at].target;
        ck_assert_str_eq(f->inputs[in].name, names[i]);
        ck_assert_int_eq(f->inputs[in].role, IR_ROLE_STATE);
        ck_assert(ir_type_equal(&f->body->params[in]->types[0], &f->body->results[at]->types[0]));
        int initial = output_index(init, IR_ROLE_STATE, names[i]);
        ck_assert_str_eq(type_text(&init->body->results[initial]->types[0]),
                         type_text(&f->body->params[in]->types[0]));
    }

    // the first step of Adam is rate * sign of the gradient, however long that is
    Eval e = evaluation();
    EvalTensor **in = arena_array(&arena, EvalTensor *, f->body->n_params);
    for (int i = 0; i < f->body->n_params; i++)
        in[i] = eval_zeros(&e, &f->body->params[i]->types[0]);
    in[input_index(f, "x")]->x[0] = 1, in[input_index(f, "x")]->x[1] = -2;
    in[input_index(f, "net.w")]->x[0] = 3, in[input_index(f, "net.w")]->x[1] = 1;
    in[input_index(f, "rate")]->x[0] = 0.5;
    EvalTensor *new = evaluate(f, in)[output_index(f, IR_ROLE_UPDATE, "net.w")];
    ck_assert_double_eq_tol(new->x[0], 2.5, 1e-5);
    ck_assert_double_eq_tol(new->x[1], 0.5, 1e-5);
}
END_TEST

START_TEST(whole_records_are_updated) {
    IrFunction *f = graph_entry(ask_for(open_text(fitted), "set"));
    ck_assert_int_eq(f->body->n_results, 2);
    EvalTensor **out = evaluate(f, NULL);
    ck_assert_str_eq(numbers_text(out[output_index(f, IR_ROLE_UPDATE, "b")]), "3");
}
END_TEST

START_TEST(optimiser_works_within_a_loop) {
    LangWorld *w =
        open_text("module: m\n"
                  "import: {optim: lib/optim}\n"
                  "functions:\n"
                  "  loss: {inputs: {p: P}, output: (p.a - 3) ** 2}\n"
                  "  f:\n"
                  "    nodes:\n"
                  "      start: {a: 1.0}\n"
                  "      path:\n"
                  "        scan: {carry: {p: start, s: {}}, steps: 2}\n"
                  "        nodes: {u: \"optim.sgd(p, grad(loss, wrt='p')(p), s, 0.25)\"}\n"
                  "        next: {p: u.params, s: u.state}\n"
                  "    output: path.p.a\n");
    EvalTensor *a = evaluate(graph_entry(ask_for(w, "f")), NULL)[0];
    ck_assert_double_eq_tol(a->x[0], 2.5, 1e-4); // halves the distance twice
}
END_TEST

// ---- records of a module's kind -----------------------------------------------------------------

// A policy tanh(x w + b) and, below it, a module that trains it.
static LangWorld *open_kinds(const char *text) {
    write_module("acting", "interface: acting\n"
                           "functions: {act: {inputs: {x: \"[B, 2]\"}, output: \"[B, 1]\"}}\n");
    write_module("line", "module: line\n"
                         "implements: acting\n"
                         "import: {nn: lib/nn}\n"
                         "params: {net: \"nn.linear(2, 1)\", shift: 0.5}\n"
                         "functions:\n"
                         "  raw: {inputs: {x: \"[B, 2]\"}, output: net(x) + shift}\n"
                         "  act: {inputs: {x: \"[B, 2]\"}, output: 2 * raw(x)}\n");
    LangPair *binds = arena_array(&arena, LangPair, 2);
    binds[0] = (LangPair){.name = "", .value = write_module("module", text)};
    binds[1] = (LangPair){.name = "policy", .value = "line"};
    return open_with((LangOptions){.binds = binds, .n_binds = 2});
}

static const char kinds[] =
    "module: m\n"
    "import: {optim: lib/optim}\n"
    "modules: {policy: acting}\n"
    "params: {scale: 3.0}\n"
    "state:\n"
    "  target: policy\n"
    "  opt: optim.adam.init(policy)\n"
    "  nested: {twice: policy * 2, own: optim.adam.init(params)}\n"
    "  seen: \"policy.act(ones([1, 2]))\"\n"
    "functions:\n"
    "  loss: {inputs: {p: policy, x: \"[2]\"}, output: \"sum(p.act(reshape(x, [1, 2])))\"}\n"
    "  square: {inputs: {p: policy, x: \"[2]\"}, output: \"loss(p, x) ** 2\"}\n"
    "  scaled: {inputs: {x: \"[2]\"}, output: \"scale * loss(policy, x)\"}\n"
    "  made:\n"
    "    inputs: {x: \"[2]\"}\n"
    "    nodes: {double: policy * 2, shifted: {net: policy.net, shift: 7 * policy.shift}}\n"
    "    output: \"stack(loss(policy, x), loss(double, x), loss(shifted, x), "
    "sum(double.net(x)), params.scaled(x), (params * 2).scaled(x), sum(map(double.act, "
    "reshape(x, [1, 1, 2]))))\"\n"
    "  stepped:\n"
    "    inputs: {x: \"[2]\"}\n"
    "    nodes:\n"
    "      one: policy - 0.25 * grad(loss, wrt='p')(policy, x)\n"
    "      path:\n"
    "        scan: {carry: {p: policy, s: optim.sgd.init(policy)}, steps: 3}\n"
    "        nodes: {o: \"optim.sgd(p, grad(loss, wrt='p')(p, x), s, 0.25)\"}\n"
    "        next: {p: o.params, s: o.state}\n"
    "        collect: {l: \"loss(p, x)\"}\n"
    "    output: \"stack(loss(one, x), path.l[2], loss(path.p, x))\"\n"
    "  adapted: {inputs: {x: \"[2]\"}, output: \"square(policy - 0.25 * grad(square, "
    "wrt='p')(policy, x), x)\"}\n"
    "  second:\n"
    "    inputs: {xs: \"[3, 2]\"}\n"
    "    output: \"sum(map(grad(adapted, wrt=policy), xs).shift)\"\n"
    "  kept: {inputs: {s: opt, t: target, w: policy.net, x: \"[2]\"}, output: \"sum(s.m.net(x)) + "
    "loss(t, x) + sum(w(x))\"}\n"
    "programs:\n"
    "  step:\n"
    "    inputs: {x: \"[2]\"}\n"
    "    nodes: {o: \"optim.adam(policy, grad(loss, wrt='p')(target, x), opt, 0.1)\"}\n"
    "    update: {policy: o.params, opt: o.state, target: 0.5 * target + 0.5 * o.params}\n"
    "    outputs: \"loss(target, x)\"\n";

// The output of the entry `entry` at x = (1, 2), where the policy's parameters are w = (3, 4),
// b = 0 and shift = 1, and the module's scale is 5.
static const EvalTensor *kinds_give(const char *entry) {
    LangWorld *w = open_kinds(kinds);
    IrFunction *f = graph_entry(ask_for(w, entry));
    Eval e = evaluation();
    EvalTensor **in = arena_array(&arena, EvalTensor *, f->body->n_params);
    for (int i = 0; i < f->body->n_params; i++) {
        in[i] = eval_zeros(&e, &f->body->params[i]->types[0]);
        const char *name = f->inputs[i].name;
        for (int k = 0; k < in[i]->n; k++)
            in[i]->x[k] = !strcmp(name, "x") || !strcmp(name, "xs") ? 1 + k % 2
                          : strstr(name, "net.w")                   ? 3 + k
                          : !strcmp(name, "policy.shift")           ? 1
                          : !strcmp(name, "scale")                  ? 5
                                                                    : 0;
    }
    return evaluate(f, in)[0];
}

// 2 (3 + 8 + 1) = 24; with doubled parameters 48; net is doubled, and not the shift of `line`; ...
START_TEST(records_of_a_modules_kind_have_its_functions) {
    ck_assert_str_eq(numbers_text(kinds_give("made")), "24 48 36 22 120 240 48");
}
END_TEST

// The loss has the gradient (2, 4) by w and 2 by b and by shift: a step changes it by -0.25 * 28.
START_TEST(kinds_pass_through_gradients_optimisers_and_loops) {
    ck_assert_str_eq(numbers_text(kinds_give("stepped")), "17 10 3");
    ck_assert_str_eq(numbers_text(kinds_give("scaled")), "120");
    ck_assert_str_eq(numbers_text(kinds_give("kept")), "33");
}
END_TEST

// l^2 has the gradient 2 l (2, 4, 2, 2); a step of 0.25 makes l of l (1 - 0.5 * 28) = -13 l, and
// the derivative of (13 l)^2 by the shift is 2 * 169 * 24 * 2 = 16224, for each of three rows.
START_TEST(gradients_through_a_step_of_a_kind_are_of_second_order) {
    ck_assert_double_eq_tol(kinds_give("adapted")->x[0], 97344, 1e-2);
    ck_assert_double_eq_tol(kinds_give("second")->x[0], 48672, 1e-2);
}
END_TEST

START_TEST(states_start_as_parameters_and_as_states_of_optimisers) {
    LangWorld *w = open_kinds(kinds);
    IrFunction *f = inlined(ask(w, &(LangRequest){.instance = ""}));
    EvalTensor **out = evaluate(f, NULL);
    const EvalTensor *net = out[output_index(f, IR_ROLE_PARAM, "policy.net.w")];
    const EvalTensor *bias = out[output_index(f, IR_ROLE_PARAM, "policy.net.b")];
    const EvalTensor *copy = out[output_index(f, IR_ROLE_STATE, "target.net.w")];
    const EvalTensor *twice = out[output_index(f, IR_ROLE_STATE, "nested.twice.net.w")];
    ck_assert_int_eq(net->n, 2);
    for (int i = 0; i < 2; i++) {
        ck_assert_double_ne(net->x[i], 0);
        ck_assert_double_eq(copy->x[i], net->x[i]);
        ck_assert_double_eq(twice->x[i], 2 * net->x[i]);
    }
    ck_assert_double_eq_tol(out[output_index(f, IR_ROLE_STATE, "seen")]->x[0],
                            2 * (net->x[0] + net->x[1] + bias->x[0] + 0.5), 1e-12);
    ck_assert_str_eq(numbers_text(out[output_index(f, IR_ROLE_STATE, "opt.m.net.w")]), "0 0");
    ck_assert_str_eq(numbers_text(out[output_index(f, IR_ROLE_STATE, "opt.t")]), "0");
    output_index(f, IR_ROLE_STATE, "nested.own.v.scale");
    ck_assert_str_eq(sites(f), "init.policy.net.w init.policy.net.b ");

    f = graph_entry(ask_for(w, "step"));
    output_index(f, IR_ROLE_UPDATE, "policy.net.w");
    output_index(f, IR_ROLE_UPDATE, "opt.v.shift");
    output_index(f, IR_ROLE_UPDATE, "target.shift");
}
END_TEST

// ---- modules ------------------------------------------------------------------------------------

static LangWorld *open_bptt(const char *dynamics, const char *policy, const char *task,
                            const LangPair *dims, int n_dims) {
    LangPair *binds = arena_array(&arena, LangPair, 4);
    binds[0] = (LangPair){.name = "", .value = "models/objectives/bptt.yaml"};
    binds[1] = (LangPair){.name = "dynamics", .value = dynamics};
    binds[2] = (LangPair){.name = "policy", .value = policy};
    binds[3] = (LangPair){.name = "task", .value = task};
    return open_with((LangOptions){.binds = binds, .n_binds = 4, .dims = dims, .n_dims = n_dims});
}

START_TEST(dims_of_instances_are_tied) {
    LangWorld *w = open_bptt("gssm", "policies/rbf", "tasks/cartpole_raw", NULL, 0);
    no_errors();
    int64_t value;
    ck_assert(lang_dim_value(w, "dynamics", "dx", &value));
    ck_assert_int_eq(value, 5);
    ck_assert(lang_dim_value(w, "policy", "dz", &value));
    ck_assert_int_eq(value, 16);
    ck_assert(lang_dim_value(w, "policy", "df", &value));
    ck_assert_int_eq(value, 4);
    ck_assert(lang_dim_value(w, "encoder", "dz", &value));
    ck_assert(!lang_dim_value(w, "dynamics", "N", &value));
    ck_assert(!lang_dim_value(w, "dynamics", "nothing", &value));
}
END_TEST

START_TEST(dims_that_differ_are_a_misfit) {
    LangPair dims[] = {{.name = "dynamics.dx", .value = "7"}};
    open_bptt("gssm", "policies/rbf", "tasks/cartpole", dims, 1);
    ck_assert_int_eq(diag.n_errors, 1);
    ck_assert_int_eq(diag.messages[0].code, E_interface_misfit);
    ck_assert_ptr_nonnull(strstr(first_error(), "'task.dx' is 6"));
    ck_assert_ptr_nonnull(strstr(first_error(), "'dynamics.dx' is 7"));
}
END_TEST

START_TEST(names_have_the_prefix_of_their_instance) {
    LangWorld *w = open_bptt("gssm", "policies/rbf", "tasks/cartpole", NULL, 0);
    IrFunction *f = graph_entry(ask_for(w, "step"));
    ck_assert_int_ge(input_index(f, "dynamics.decoder.0.w"), 0);
    ck_assert_int_ge(input_index(f, "policy.centre"), 0);
    ck_assert_int_ge(input_index(f, "dynamics.beta"), 0);
    output_index(f, IR_ROLE_UPDATE, "policy.weight");
    output_index(f, IR_ROLE_UPDATE, "step.m.policy.centre");

    LangRequest r = {.instance = "dynamics", .name = "fit"};
    f = graph_entry(ask(w, &r));
    output_index(f, IR_ROLE_UPDATE, "dynamics.fit.m.key.w");
    f = graph_entry(ask(w, &(LangRequest){.instance = ""}));
    output_index(f, IR_ROLE_STATE, "step.v.policy.log_width");
    output_index(f, IR_ROLE_STATE, "dynamics.fit.t");
    ck_assert_ptr_nonnull(strstr(sites(f), "init.dynamics.decoder.0.w "));
}
END_TEST

START_TEST(sites_of_a_rollout_are_those_of_the_reference) {
    LangWorld *w = open_bptt("gssm", "policies/rbf", "tasks/cartpole_raw", NULL, 0);
    ck_assert_str_eq(sites(inlined(ask_for(w, "loss"))), "start z path.y.z ");
}
END_TEST

START_TEST(dynamics_without_latent_gives_z_of_no_width) {
    write_module(
        "mean",
        "module: mean\n"
        "implements: interfaces/dynamics\n"
        "import: {optim: lib/optim}\n"
        "dims: {dx: {default: 1}, dy: {default: 1}, N: {max: 9}, M: {max: 9}, T: {max: 3}}\n"
        "params: {w: \"zeros([dx, dy])\"}\n"
        "functions:\n"
        "  infer: {inputs: {xc: \"[N, dx]\", yc: \"[N, dy]\"}, output: \"mean(yc, axis=0)\"}\n"
        "  predict: {inputs: {belief: infer, held: hold, x: \"[M, dx]\"}, output: x @ w + belief}\n"
        "  loss: {inputs: {xc: \"[N, dx]\", yc: \"[N, dy]\", x: \"[M, dx]\", y: \"[M, dy]\"}, "
        "output: {loss: \"mean((predict(infer(xc, yc), {}, x) - y) ** 2)\"}}\n"
        "programs:\n"
        "  fit:\n"
        "    inputs: {xc: \"[T, N, dx]\", yc: \"[T, N, dy]\", x: \"[T, M, dx]\", y: \"[T, M, "
        "dy]\"}\n"
        "    minimize: {value: \"mean(map(loss, xc, yc, x, y).loss)\", over: params, by: "
        "optim.sgd(rate=0.1)}\n");
    LangWorld *w = open_bptt("mean", "policies/rbf", "tasks/cartpole", NULL, 0);
    IrFunction *f = graph_entry(ask_for(w, "loss"));
    ck_assert_str_eq(type_text(&f->body->params[input_index(f, "policy.centre")]->types[0]),
                     "f64[50,5]");
    int64_t value;
    ck_assert(lang_dim_value(w, "encoder", "dz", &value));
    ck_assert_int_eq(value, 0);
    ask_for(w, "step");
    LangRequest r = {.instance = "dynamics", .name = "fit"};
    ask(w, &r);
}
END_TEST

START_TEST(unbound_module_is_an_error_only_when_compiled) {
    LangWorld *w = open_path("models/objectives/bptt.yaml");
    lang_check(w, &diag, true);
    no_errors();
    LangRequest r = {.instance = "", .name = "step"};
    ck_assert_ptr_null(lang_elaborate(w, &diag, &r));
    ck_assert_int_eq(diag.messages[0].code, E_unbound_module);
    ck_assert_int_eq(diag.n_errors, 1);
}
END_TEST

START_TEST(options_and_settings_are_set) {
    static const char *const text = "module: m\n"
                                    "options: {width: 3, kind: relu, deep: true, scale: 0.5}\n"
                                    "settings: {rate: 1}\n"
                                    "functions: {f: {output: \"ones([width])\"}}\n";
    LangPair bind = {.name = "", .value = write_module("module", text)};
    LangPair sets[] = {{.name = "width", .value = "5"},
                       {.name = "kind", .value = "tanh"},
                       {.name = "scale", .value = "2"},
                       {.name = "rate", .value = "1e-3"}};
    LangWorld *w =
        open_with((LangOptions){.binds = &bind, .n_binds = 1, .sets = sets, .n_sets = 4});
    IrFunction *f = graph_entry(ask_for(w, "f"));
    ck_assert_str_eq(type_text(&f->body->results[0]->types[0]), "f64[5]");
    const char *kind;
    ck_assert(lang_option_text(w, "", "kind", &kind));
    ck_assert_str_eq(kind, "tanh");
    const LangBinding *b;
    int n = lang_bindings(w, &b);
    ck_assert_int_eq(n, 5);
    ck_assert_str_eq(b[0].value, "5");
    ck_assert_str_eq(b[0].origin, "--set");
    ck_assert_str_eq(b[2].value, "true");
    ck_assert_str_eq(b[2].origin, "default");
    ck_assert_int_eq(b[4].kind, LANG_SETTING);
    ck_assert_str_eq(b[4].value, "0.001");
}
END_TEST

START_TEST(what_is_given_wrongly_is_told) {
    static const char *const text = "module: m\n"
                                    "options: {width: 3}\n"
                                    "dims: {dx: 3, N: {max: 9}}\n"
                                    "functions: {f: {inputs: {x: \"[N, dx]\"}, output: x}}\n";
    LangPair bind = {.name = "", .value = write_module("module", text)};
    LangPair sets[] = {{.name = "width", .value = "0.5"}, {.name = "widht", .value = "3"}};
    LangPair dims[] = {{.name = "dx", .value = "4"},
                       {.name = "N", .value = "10"},
                       {.name = "M", .value = "3"},
                       {.name = "x.N", .value = "3"},
                       {.name = "dx", .value = "many"}};
    open_with((LangOptions){
        .binds = &bind, .n_binds = 1, .sets = sets, .n_sets = 2, .dims = dims, .n_dims = 5});
    static const int codes[] = {E_wrong_kind, E_unknown_option, E_dim_value,  E_dim_value,
                                E_dim_value,  E_unknown_dim,    E_unknown_dim};
    int n = 0;
    for (int i = 0; i < diag.n; i++) {
        if (diag.messages[i].is_note)
            continue;
        ck_assert_int_lt(n, 7);
        ck_assert_msg(diag.messages[i].code == codes[n], "%d: %s", n, diag.messages[i].text);
        n++;
    }
    ck_assert_int_eq(n, 7);
}
END_TEST

START_TEST(signature_names_what_data_may_bind) {
    LangWorld *w = open_bptt("gssm", "policies/rbf", "tasks/cartpole_raw", NULL, 0);
    const char *names[IR_MAX_RANK];
    ck_assert_int_eq(lang_signature(w, "step", "xc", names), 3);
    ck_assert_ptr_null(names[0]);
    ck_assert_ptr_null(names[1]);
    ck_assert_str_eq(names[2], "dynamics.dx");
    ck_assert_int_eq(lang_signature(w, "step", "nothing", names), -1);
    ck_assert(lang_has_output(w, &diag, "loss", "state"));
    ck_assert(!lang_has_output(w, &diag, "loss", "start"));
}
END_TEST

START_TEST(entries_are_listed_in_order) {
    const LangEntry *e;
    LangWorld *w = open_path("models/lib/optim.yaml");
    int n = lang_entries(w, &e);
    ck_assert_int_eq(n, 12);
    ck_assert_str_eq(e[0].name, "adam");
    ck_assert(e[0].generic);
    ck_assert_str_eq(e[0].doc, "Adam (Kingma and Ba, 2015)");
    w = open_path("models/gssm.yaml");
    n = lang_entries(w, &e);
    ck_assert_str_eq(e[0].name, "weights");
    ck_assert(!e[0].generic);
    int last = 0; // of the file; what stands for the modules that it names follows
    while (last + 1 < n && !e[last + 1].instance[0])
        last++;
    ck_assert_str_eq(e[last].name, "fit");
    ck_assert_int_eq(e[last].kind, LANG_PROGRAM);
    ck_assert(lang_has_function(w, "", "infer"));
    ck_assert(lang_has_function(w, "", "measure")); // of the interface
    ck_assert(!lang_has_function(w, "", "fit"));
    ck_assert(lang_has_function(w, "scale", "x"));
    ck_assert(!lang_has_function(w, "scales", "x"));
}
END_TEST

// ---- limits -------------------------------------------------------------------------------------

// Modules of many parts, with the numbers of the part and of the next.
static const struct {
    const char *head, *part, *tail;
    int n;
} bombs[] = {
    {"  f:\n    inputs: {x: \"[]\"}\n    nodes:\n", "      n%d: n%d + 1\n",
     "      n3000: x\n    output: n0\n", 3000},
    {"  f:\n    nodes:\n      r3000: 1\n", "      r%d: {a: r%d}\n", "    output: r0\n", 3000},
    {"  f:\n    nodes:\n      r40: 1\n", "      r%d: {a: r%d, b: 2}\n",
     "    output: \"merge(r0, {c: r0})\"\n", 40},
    {"", "  f%d: {inputs: {x: f%d}, output: x}\n", "  f3000: {inputs: {x: \"[]\"}, output: x}\n",
     3000},
    {"", "  f%d: {inputs: {x: \"[]\"}, output: f%d(x) + 1}\n",
     "  f300: {inputs: {x: \"[]\"}, output: x}\n", 300},
};

START_TEST(what_is_too_large_is_told) {
    Buf text = {0};
    buf_printf(&text, "module: m\nfunctions:\n%s", bombs[_i].head);
    for (int i = 0; i < bombs[_i].n; i++) {
        const char *at = bombs[_i].part;
        int numbers[2] = {i, i + 1}, k = 0;
        for (; *at; at++) {
            if (*at == '%' && at[1] == 'd' && k < 2) {
                buf_printf(&text, "%d", numbers[k++]);
                at++;
            } else {
                buf_put(&text, at, 1);
            }
        }
    }
    buf_puts(&text, bombs[_i].tail);
    LangWorld *w = open_text(buf_text(&text));
    buf_free(&text);
    lang_check(w, &diag, true);
    if (bombs[_i].n == 40) {
        no_errors(); // not too large
        return;
    }
    ck_assert_int_gt(diag.n_errors, 0);
    ck_assert_int_eq(diag.messages[0].code, E_limit);
}
END_TEST

// ---- all models ---------------------------------------------------------------------------------

static const char *const models[] = {
    "models/gssm.yaml",           "models/examples/dropout.yaml",   "models/policies/rbf.yaml",
    "models/tasks/cartpole.yaml", "models/tasks/cartpole_raw.yaml",
};

START_TEST(model_elaborates) {
    LangWorld *w = open_path(models[_i]);
    lang_check(w, &diag, true);
    no_errors();
    const LangEntry *entries;
    int n = lang_entries(w, &entries);
    for (int i = 0; i < n; i++) {
        if (entries[i].generic || entries[i].instance[0])
            continue;
        const IrModule *m = ask_for(w, entries[i].name);

        // and its text is stable
        Buf text = {0}, again = {0};
        ir_print_module(&text, m, false);
        const IrModule *parsed = ir_parse_module(&arena, &diag, "text", buf_text(&text), text.len);
        no_errors();
        ir_print_module(&again, parsed, false);
        ck_assert_str_eq(buf_text(&text), buf_text(&again));
        buf_free(&text);
        buf_free(&again);
    }
}
END_TEST

// ---- suite --------------------------------------------------------------------------------------

static TCase *add_case(Suite *s, const char *name) {
    TCase *t = tcase_create(name);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    return t;
}

static Suite *lang_suite(void) {
    Suite *s = suite_create("lang");
    TCase *expressions = add_case(s, "expressions");
    tcase_add_loop_test(expressions, expression_has_type_and_value, 0,
                        (int)(sizeof examples / sizeof *examples));
    tcase_add_loop_test(expressions, sizes_are_polynomials, 0, (int)(sizeof typed / sizeof *typed));
    TCase *structures = add_case(s, "structures");
    tcase_add_test(structures, scan_carries_and_collects);
    tcase_add_test(structures, reverse_scan_goes_over_slices_from_the_last);
    tcase_add_test(structures, carry_may_be_a_record);
    tcase_add_test(structures, loops_nest_and_see_names_around);
    tcase_add_test(structures, repeat_and_if_are_unrolled);
    tcase_add_test(structures, unused_nodes_leave_no_trace);
    TCase *functions = add_case(s, "functions");
    tcase_add_test(functions, function_is_made_once_for_each_type);
    tcase_add_test(functions, results_of_a_function_are_a_type);
    tcase_add_test(functions, inputs_and_outputs_are_flat);
    tcase_add_test(functions, dims_are_given_by_name);
    tcase_add_test(functions, nodes_may_be_asked_for_as_outputs);
    TCase *params = add_case(s, "params");
    tcase_add_test(params, parameters_of_gssm_are_those_of_the_reference);
    tcase_add_test(params, initial_values_draw_at_names_of_their_own);
    tcase_add_test(params, layer_applies_to_records_of_its_kind);
    tcase_add_test(params, parameters_of_called_functions_become_inputs);
    TCase *grads = add_case(s, "grads");
    tcase_add_test(grads, gradient_of_a_function_is_asked_for);
    tcase_add_test(grads, gradient_by_parameters_sees_through_calls);
    TCase *draws = add_case(s, "draws");
    tcase_add_test(draws, sites_are_paths_of_names);
    tcase_add_test(draws, draws_know_the_loops_around_them);
    TCase *programs = add_case(s, "programs");
    tcase_add_test(programs, program_steps_and_updates);
    tcase_add_test(programs, optimiser_state_is_named_by_the_program);
    tcase_add_test(programs, whole_records_are_updated);
    tcase_add_test(programs, optimiser_works_within_a_loop);
    tcase_add_test(programs, records_of_a_modules_kind_have_its_functions);
    tcase_add_test(programs, kinds_pass_through_gradients_optimisers_and_loops);
    tcase_add_test(programs, gradients_through_a_step_of_a_kind_are_of_second_order);
    tcase_add_test(programs, states_start_as_parameters_and_as_states_of_optimisers);
    TCase *modules = add_case(s, "modules");
    tcase_add_test(modules, dims_of_instances_are_tied);
    tcase_add_test(modules, dims_that_differ_are_a_misfit);
    tcase_add_test(modules, names_have_the_prefix_of_their_instance);
    tcase_add_test(modules, sites_of_a_rollout_are_those_of_the_reference);
    tcase_add_test(modules, dynamics_without_latent_gives_z_of_no_width);
    tcase_add_test(modules, unbound_module_is_an_error_only_when_compiled);
    tcase_add_test(modules, options_and_settings_are_set);
    tcase_add_test(modules, what_is_given_wrongly_is_told);
    tcase_add_test(modules, signature_names_what_data_may_bind);
    tcase_add_test(modules, entries_are_listed_in_order);
    tcase_add_loop_test(add_case(s, "limits"), what_is_too_large_is_told, 0,
                        (int)(sizeof bombs / sizeof *bombs));
    TCase *all = add_case(s, "models");
    tcase_add_loop_test(all, model_elaborates, 0, (int)(sizeof models / sizeof *models));
    return s;
}

int main(void) {
    SRunner *r = srunner_create(lang_suite());
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
