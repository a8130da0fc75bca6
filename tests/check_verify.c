// tests/check_verify.c -- each rule of the verifier, by breaking a sound function.
#include "ir/text.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

static const char *const sound =
    "dim N max=1000\n"
    "\n"
    "func @square(%0: f32[N] in \"x\") {\n"
    "  %1 = mul %0, %0 : f32[N]\n"
    "  return %1 out \"y\"\n"
    "}\n"
    "\n"
    "func @f(\n"
    "    %0: f32[N] in \"x\",\n"
    "    %1: f32[6] p \"w\",\n"
    "    %2: f32[N,6] in \"rows\",\n"
    "    %3: f32[] set \"rate\" = 0.1) {\n"
    "  %4 = const 2 : f32[6]\n"
    "  %5 = mul %1, %4 : f32[6] @\"w2\"\n"
    "  %6 = call @square %0 : (f32[N])\n"
    "  %7 = get %6 index=0 : f32[N]\n"
    "  %13 = scan %5, %3, %2 captured=1 carry=1 over=1 steps=N name=\"path\" "
    ": (f32[], f32[N,6]) {\n"
    "  ^(%8: f32[6], %9: f32[], %10: f32[6], %11: i32[]):\n"
    "    %12 = mul %8, %10 : f32[6]\n"
    "    yield %9, %12\n"
    "  }\n"
    "  %14 = get %13 index=1 : f32[N,6]\n"
    "  %15 = sum %14 axes=[0,1] : f32[]\n"
    "  %17 = const 3 : i32[]\n"
    "  %16 = draw_normal %17 site=\"z\" loops=[\"a\"] key_axes=0 : f32[N,2]\n"
    "  return\n"
    "    %15 out \"loss\",\n"
    "    %5 update \"w\" -> 1,\n"
    "    %7 out \"squares\"\n"
    "}\n";

static Arena arena;
static Diag diag;
static IrModule *m;
static IrFunction *f;
static Buf why;

static void setup(void) {
    arena = (Arena){0};
    diag = (Diag){0};
    why = (Buf){0};

    m = ir_parse_module(&arena, &diag, "sound", sound, strlen(sound));
    ck_assert_msg(m != NULL, "%s", diag.n ? diag.messages[0].text : "");
    f = m->functions[1];
}

static void teardown(void) {
    arena_free(&arena);
    diag_free(&diag);
    buf_free(&why);
}

// The first node of `op`.
static IrNode *find(IrOp op) {
    ir_each_node(n, f->body) {
        if (n->op == op)
            return n;
    }
    return NULL;
}

static IrDim *number(int64_t x) {
    return ir_dim_const(m->dims, x);
}

START_TEST(a_sound_function_is_silent) {
    ck_assert(ir_verify_function(f, &why));
    ck_assert_uint_eq(why.len, 0);
}
END_TEST

// ---- ways to break it

static void operand_missing(void) {
    find(IR_OP_mul)->in[0] = NULL;
}
static void operand_from_elsewhere(void) {
    find(IR_OP_mul)->in[0] = m->functions[0]->body->params[0];
}
static void operand_defined_later(void) {
    find(IR_OP_mul)->in[1] = find(IR_OP_get);
}
static void operand_of_a_body(void) {
    find(IR_OP_mul)->in[0] = find(IR_OP_scan)->body->params[0];
}
static void body_looks_outside(void) {
    find(IR_OP_scan)->body->nodes[0]->in[0] = f->body->params[1];
}
static void several_results_as_operand(void) {
    find(IR_OP_sum)->in[0] = find(IR_OP_scan);
}
static void too_few_operands(void) {
    find(IR_OP_mul)->n_in = 1;
}
static void wrong_type(void) {
    find(IR_OP_mul)->types[0].dims[0] = number(7);
}
static void wrong_result_count(void) {
    find(IR_OP_scan)->n_types = 1;
}
static void negative_size(void) {
    find(IR_OP_const)->types[0].dims[0] = number(-1);
}
static void axis_out_of_range(void) {
    find(IR_OP_sum)->attrs.axes[1] = 2;
}
static void axes_out_of_order(void) {
    find(IR_OP_sum)->attrs.axes[0] = 1;
    find(IR_OP_sum)->attrs.axes[1] = 0;
}
static void get_out_of_range(void) {
    find(IR_OP_get)->attrs.index = 1;
}
static void constant_not_of_its_type(void) {
    find(IR_OP_const)->attrs.value = 0.1;
}
static void parameter_of_another_type(void) {
    find(IR_OP_scan)->body->params[0]->types[0].dims[0] = number(5);
}
static void carry_changes(void) {
    IrBlock *body = find(IR_OP_scan)->body;
    body->results[0] = body->nodes[0];
}
static void ends_by_a_number(void) {
    find(IR_OP_scan)->attrs.until = true;
}
static void groups_do_not_add_up(void) {
    find(IR_OP_scan)->attrs.n_captured = 2;
}
static void body_is_missing(void) {
    find(IR_OP_scan)->body = NULL;
}
static void body_is_superfluous(void) {
    find(IR_OP_mul)->body = ir_block_new(&arena);
}
static void result_of_elsewhere(void) {
    f->body->results[0] = find(IR_OP_scan)->body->nodes[0];
}
static void index_is_no_i32(void) {
    find(IR_OP_draw_normal)->in[0] = f->body->params[3];
}
static void draw_with_a_bounded_second_axis(void) {
    find(IR_OP_draw_normal)->types[0].dims[1] = ir_dim_var(m->dims, "N", 0, 0);
}
static void call_with_another_type(void) {
    find(IR_OP_call)->in[0] = f->body->params[1];
}
static void update_of_an_input(void) {
    f->outputs[1].target = 0;
}
static void update_of_nothing(void) {
    f->outputs[1].target = 99;
}
static void update_of_another_type(void) {
    f->body->results[1] = find(IR_OP_sum);
}
static void two_updates(void) {
    f->outputs[2].role = IR_ROLE_UPDATE;
    f->outputs[2].target = 1;
}
static void output_role_on_an_input(void) {
    f->inputs[0].role = IR_ROLE_OUT;
}
static void input_role_on_an_output(void) {
    f->outputs[0].role = IR_ROLE_INPUT;
}
static void setting_with_axes(void) {
    f->inputs[0].role = IR_ROLE_SETTING;
}
static void name_twice(void) {
    f->outputs[2].name = "loss";
}
static void id_too_large(void) {
    find(IR_OP_mul)->id = 1000;
}
static void id_twice(void) {
    find(IR_OP_mul)->id = 0;
}
static void node_twice(void) {
    f->body->nodes[1] = f->body->nodes[0];
}
static void input_among_nodes(void) {
    find(IR_OP_const)->op = IR_OP_input;
}
static void parameter_out_of_order(void) {
    f->body->params[1]->attrs.index = 0;
}
static void function_calls_itself(void) {
    find(IR_OP_call)->callee = f;
}
static void callee_calls_back(void) {
    m->functions[0]->body->nodes[0]->op = IR_OP_call;
    m->functions[0]->body->nodes[0]->callee = f;
}

static const struct {
    void (*damage)(void);
    const char *rule;
} rows[] = {
    {operand_missing, "operands: defined before, in the same block"},
    {operand_missing, "operands: single values; get reads the others"},
    {operand_from_elsewhere, "input 0 is not in the function   operands: defined before"},
    {operand_defined_later, "input 1 is defined later   operands: defined before"},
    {operand_of_a_body, "input 0 is defined later   operands: defined before"},
    {body_looks_outside, "input 0 is of another block   operands: defined before"},
    {several_results_as_operand, "operands: single values; get reads the others"},
    {too_few_operands, "operands: as many as the operation has"},
    {wrong_type, "inferred f32[6]   types: as inferred"},
    {wrong_result_count, "inferred f32[], f32[N,6]   types: as inferred"},
    {negative_size, "type: sizes are not negative"},
    {axis_out_of_range, "axis 2 of 2 axes   reduce: axes in range, in order"},
    {axes_out_of_order, "reduce: axes in range, in order"},
    {get_out_of_range, "result 1 of call, which has 1   get: "},
    {constant_not_of_its_type, "const: a value of its dtype"},
    {parameter_of_another_type, "parameter 0 is f32[5], what it is given is f32[6]   scan: "},
    {carry_changes, "carry 0 starts as f32[] and becomes f32[6]   scan: carries keep their type"},
    {ends_by_a_number, "carry 0 is f32[]   scan: ends by its first carry, a bool scalar"},
    {groups_do_not_add_up, "2 captured, 1 carried, 1 per step of 3 inputs   scan: "},
    {body_is_missing, "missing   nodes: scan, map and grad have a body"},
    {body_is_superfluous, "superfluous   nodes: scan, map and grad have a body"},
    {result_of_elsewhere, "result 0 is of another block   results: of their own block"},
    {index_is_no_i32, "draw: an index is an i32 scalar"},
    {draw_with_a_bounded_second_axis, "draw: only the first axis may be bounded"},
    {call_with_another_type, "call: inputs as the function's"},
    {update_of_an_input, "an update of input 0   updates: of a param or state"},
    {update_of_nothing, "an update of input 99   updates: of a param or state"},
    {update_of_another_type, "input 1 is f32[6]   updates: keep the type"},
    {two_updates, "a second update of input 1   updates: at most one of an input"},
    {output_role_on_an_input, "slots: an input's role"},
    {input_role_on_an_output, "slots: an output's role"},
    {setting_with_axes, "slots: settings are scalars"},
    {name_twice, "output 2 is a second out \"loss\"   slots: names differ within a role"},
    {id_too_large, "id 1000 of 18   ids: below n_nodes"},
    {id_twice, "ids: distinct"},
    {node_twice, "defined twice   nodes: listed once"},
    {input_among_nodes, "nodes: inputs are parameters"},
    {parameter_out_of_order, "parameters: inputs, numbered in order"},
    {function_calls_itself, "calls itself   calls: acyclic"},
    {callee_calls_back, "calls itself   calls: acyclic"},
};

START_TEST(broken_rules_are_told) {
    rows[_i].damage();
    ck_assert(!ir_verify_function(f, &why));
    ck_assert_msg(strstr(buf_text(&why), rows[_i].rule) != NULL, "got\n%s", buf_text(&why));
}
END_TEST

START_TEST(everything_wrong_is_collected_in_order) {
    wrong_type();
    axis_out_of_range();
    name_twice();
    ck_assert(!ir_verify_function(f, &why));
    ck_assert_str_eq(
        buf_text(&why),
        "  %5 = mul %1, %4 : f32[7] @\"w2\"   inferred f32[6]   types: as inferred\n"
        "  %13 = scan %5, %3, %2 captured=1 carry=1 over=1 steps=N name=\"path\" : (f32[], "
        "f32[N,6])   parameter 0 is f32[6], what it is given is f32[7]   scan: the body fits the "
        "inputs\n"
        "  %15 = sum %14 axes=[0,2] : f32[]   axis 2 of 2 axes   reduce: axes in range, in order\n"
        "  %5 = mul %1, %4 : f32[7] @\"w2\"   input 1 is f32[6]   updates: keep the type\n"
        "  @f   output 2 is a second out \"loss\"   slots: names differ within a role\n");
}
END_TEST

START_TEST(verifying_changes_nothing) {
    Buf before = {0}, after = {0};
    ir_print_module(&before, m, true);
    size_t n_bytes = arena.n_bytes;
    ck_assert(ir_verify_function(f, &why));
    ck_assert_uint_eq(arena.n_bytes, n_bytes);
    ir_print_module(&after, m, true);
    ck_assert_str_eq(buf_text(&before), buf_text(&after));
    buf_free(&before);
    buf_free(&after);
}
END_TEST

int main(void) {
    Suite *s = suite_create("verify");
    TCase *rules = tcase_create("rules");
    tcase_add_checked_fixture(rules, setup, teardown);
    tcase_add_test(rules, a_sound_function_is_silent);
    tcase_add_loop_test(rules, broken_rules_are_told, 0, (int)(sizeof rows / sizeof *rows));
    tcase_add_test(rules, everything_wrong_is_collected_in_order);
    tcase_add_test(rules, verifying_changes_nothing);
    suite_add_tcase(s, rules);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
