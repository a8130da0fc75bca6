// ir/parse.c -- reading the IR's text. docs/ir.md gives the grammar; ir/print.c writes it.
//
// One recursive descent over tokens; nodes are made as written and their types inferred on the
// side, so that nothing folds and a wrong type is reported with both. A syntax error ends its
// function, and reading goes on at the next line that starts with `func`.
#include "ir/parse.h"

#include <string.h>

#include "ir/base/errors.h"
#include "ir/fold.h"
#include "ir/shape.h"
#include "ir/text.h"

// Names of one block. A body sees none of those outside.
typedef struct Scope {
    struct Scope *outer;
    IrBlock *block;
    Map names; // -> IrNode
} Scope;

// ---- values -------------------------------------------------------------------------------------

static bool define(IrParser *p, Scope *s, const char *name, Loc loc, IrNode *n) {
    if (map_has(&s->names, name))
        return ir_parse_fail(p, loc, "'%%%s' is defined twice", name);
    map_put(&s->names, &p->scratch, name, n);
    return true;
}

static bool read_operand(IrParser *p, const Scope *s, IrNode **out) {
    Loc loc = p->token.loc;
    const char *name = NULL;
    if (!ir_parse_token(p, IR_TOKEN_VALUE, "a value", &name))
        return false;
    *out = map_get(&s->names, name);
    if (*out)
        return true;
    for (const Scope *outer = s->outer; outer; outer = outer->outer) {
        if (map_has(&outer->names, name))
            return ir_parse_fail(p, loc, "'%%%s' is outside; a body sees only its parameters",
                                 name);
    }
    return ir_parse_fail(p, loc, "no value is called '%%%s' here", name);
}

// Values separated by commas, at least one.
static bool read_operands(IrParser *p, const Scope *s, IrNode ***out, int *n) {
    int cap = 0;
    *n = 0;
    do {
        IrNode *x = NULL;
        if (*n == IR_PARSE_MAX_LIST)
            return ir_parse_fail(p, p->token.loc, "more than %d values", IR_PARSE_MAX_LIST);
        if (!read_operand(p, s, &x))
            return false;
        arena_push(&p->scratch, *out, *n, cap, x);
    } while (ir_parse_accept(p, ','));
    return true;
}

// ---- nodes --------------------------------------------------------------------------------------

static bool read_op(IrParser *p, IrOp *op) {
    Loc loc = p->token.loc;
    const char *name = NULL;
    if (!ir_parse_token(p, IR_TOKEN_NAME, "an operation", &name))
        return false;
    *op = ir_op_find(name);
    if (*op == IR_OP_input)
        return ir_parse_fail(p, loc, "'input' is no operation here: inputs are parameters");
    if (*op != IR_OP_COUNT)
        return true;
    ir_parse_fail(p, loc, "no operation is called '%s'", name);
    const char *names[IR_OP_COUNT];
    for (int i = 0; i < IR_OP_COUNT; i++)
        names[i] = ir_op_info[i].name;
    diag_did_you_mean(p->d, loc, name, names, IR_OP_COUNT);
    return false;
}

// "@loss" or "@\"my loss\""
static bool read_function_name(IrParser *p, const char **name) {
    if (!ir_parse_expect(p, '@'))
        return false;
    if (p->token.kind == IR_TOKEN_STRING)
        return ir_parse_string(p, name);
    return ir_parse_token(p, IR_TOKEN_NAME, "a function's name", name);
}

static bool read_callee(IrParser *p, IrFunction **out) {
    Loc loc = p->token.loc;
    const char *name = NULL;
    if (!read_function_name(p, &name))
        return false;
    *out = map_get(&p->functions, name);
    if (*out)
        return true;
    if (map_has(&p->functions, name)) { // it has errors of its own
        p->failed = true;
        return false;
    }
    ir_parse_fail(p, loc, "no function is called '%s' above this line", name);
    const char **names = arena_array(&p->scratch, const char *, p->functions.n);
    for (int i = 0; i < p->functions.n; i++)
        names[i] = p->functions.entries[i].key;
    diag_did_you_mean(p->d, loc, name, names, p->functions.n);
    return false;
}

// "f32[N]", or "(f32[N], f32[])" for nodes whose results are read by get
static bool read_types(IrParser *p, IrNode *n) {
    int cap = 0;
    IrType t;
    if (!ir_has_results(n)) {
        if (!ir_parse_type(p, &t))
            return false;
        arena_push(p->a, n->types, n->n_types, cap, t);
        return true;
    }
    n->types = arena_array(p->a, IrType, 0);
    if (!ir_parse_expect(p, '('))
        return false;
    if (ir_parse_accept(p, ')'))
        return true;
    do {
        if (n->n_types == IR_PARSE_MAX_LIST)
            return ir_parse_fail(p, p->token.loc, "more than %d types", IR_PARSE_MAX_LIST);
        if (!ir_parse_type(p, &t))
            return false;
        arena_push(p->a, n->types, n->n_types, cap, t);
    } while (ir_parse_accept(p, ','));
    return ir_parse_expect(p, ')');
}

static void put_types(Buf *b, const IrNode *n) {
    for (int i = 0; i < n->n_types; i++) {
        buf_puts(b, i ? ", " : "");
        ir_type_print(b, &n->types[i]);
    }
    buf_puts(b, n->n_types ? "" : "nothing");
}

// Compares the types as written with those that follow from operands and attributes. Where they
// differ, reading goes on with what follows, so that one mistake is reported once.
static void check_types(IrParser *p, IrNode *n) {
    IrNode copy = *n;
    copy.types = arena_array(&p->scratch, IrType, n->n_types);
    for (int i = 0; i < n->n_types; i++)
        copy.types[i] = n->types[i];

    Buf text = {0};
    if (!ir_infer(p->f, &copy, &text)) {
        diag_error(p->d, n->loc, E_ir_verify, "%s", buf_text(&text));
        buf_free(&text);
        return;
    }
    bool same = copy.n_types == n->n_types;
    for (int i = 0; i < n->n_types && same; i++)
        same = ir_type_equal(&copy.types[i], &n->types[i]);
    if (!same) {
        buf_puts(&text, "the type is written as ");
        put_types(&text, n);
        buf_puts(&text, ", but follows as ");
        put_types(&text, &copy);
        diag_error(p->d, n->loc, E_ir_verify, "%s", buf_text(&text));
        n->n_types = copy.n_types;
        n->types = copy.types;
    }
    buf_free(&text);
}

static IrBlock *read_body(IrParser *p, Scope *outer);

// "%3 = dot %1, %2 batch=0 contract=[1]x[0] : f32[N,4] @\"h\""
static bool read_node(IrParser *p, Scope *s) {
    Loc loc = p->token.loc;
    const char *name = NULL;
    IrOp op = IR_OP_COUNT;
    IrFunction *callee = NULL;
    IrNode **in = NULL;
    int n_in = 0;
    if (!ir_parse_token(p, IR_TOKEN_VALUE, "a value, yield or return", &name) ||
        !ir_parse_expect(p, '=') || !read_op(p, &op))
        return false;
    if (op == IR_OP_call && !read_callee(p, &callee))
        return false;

    // a constant's number is rounded once its type is known
    double value = 0;
    if (op == IR_OP_const && !ir_parse_value(p, IR_F64, &value))
        return false;
    if (p->token.kind == IR_TOKEN_VALUE && !read_operands(p, s, &in, &n_in))
        return false;
    IrNode *n = ir_node_new(p->f, op, n_in, in);
    n->loc = loc;
    n->callee = callee;
    if (callee)
        n->attrs.name = callee->name;
    if (op == IR_OP_grad)
        n->attrs.n_captured = n_in;
    if (!ir_parse_attrs(p, n) || !ir_parse_expect(p, ':') || !read_types(p, n))
        return false;
    if (op == IR_OP_const)
        n->attrs.value = ir_round_value(n->types[0].dtype, value);
    if (ir_parse_accept(p, '@') && !ir_parse_string(p, &n->path))
        return false;
    if (op == IR_OP_scan || op == IR_OP_map || op == IR_OP_grad) {
        n->body = read_body(p, s);
        if (!n->body)
            return false;
    }
    check_types(p, n);
    ir_block_append(p->f, s->block, n);
    return define(p, s, name, loc, n);
}

// "%10: f32[3]"
static bool read_param(IrParser *p, const char **name, IrType *type) {
    return ir_parse_token(p, IR_TOKEN_VALUE, "a parameter", name) && ir_parse_expect(p, ':') &&
           ir_parse_type(p, type);
}

static bool read_body_params(IrParser *p, Scope *s) {
    if (!ir_parse_expect(p, '{') || !ir_parse_expect(p, '^') || !ir_parse_expect(p, '('))
        return false;
    while (!ir_parse_is_punct(p, ')')) {
        Loc loc = p->token.loc;
        const char *name = NULL, *path = NULL;
        IrType type;
        if (s->block->n_params == IR_PARSE_MAX_LIST)
            return ir_parse_fail(p, loc, "more than %d parameters", IR_PARSE_MAX_LIST);
        if (!read_param(p, &name, &type) ||
            (p->token.kind == IR_TOKEN_STRING && !ir_parse_string(p, &path)))
            return false;
        IrNode *n = ir_block_add_param(p->f, s->block, type, path, loc);
        if (!define(p, s, name, loc, n) || (!ir_parse_accept(p, ',') && !ir_parse_is_punct(p, ')')))
            return ir_parse_fail_expected(p, "',' or ')'");
    }
    return ir_parse_expect(p, ')') && ir_parse_expect(p, ':');
}

// "{ ^(...): ... yield ... }"; NULL after an error.
static IrBlock *read_body(IrParser *p, Scope *outer) {
    Scope s = {.outer = outer, .block = ir_block_new(p->a)};
    if (p->depth == IR_PARSE_MAX_DEPTH) {
        ir_parse_fail(p, p->token.loc, "bodies nested deeper than %d", IR_PARSE_MAX_DEPTH);
        return NULL;
    }
    p->depth++;
    bool ok = read_body_params(p, &s);
    while (ok && !ir_parse_is_word(p, "yield"))
        ok = read_node(p, &s);
    p->depth--;
    if (!ok)
        return NULL;

    ir_parse_advance(p);
    IrNode **results = NULL;
    int n = 0;
    if (p->token.kind == IR_TOKEN_VALUE && !read_operands(p, &s, &results, &n))
        return NULL;
    for (int i = 0; i < n; i++)
        ir_block_add_result(p->f, s.block, results[i]);
    return ir_parse_expect(p, '}') ? s.block : NULL;
}

// ---- functions ----------------------------------------------------------------------------------

// A parameter or state is an input, and an output of a function of initial values.
static bool is_role_of(bool output, IrRole role) {
    bool owned = role == IR_ROLE_PARAM || role == IR_ROLE_STATE;
    return owned || (role >= IR_ROLE_OUT) == output;
}

// "in \"xc\"", "set \"beta\" = 1", "update \"w\" -> 2"
static bool read_slot(IrParser *p, bool output, IrDtype dtype, IrSlot *out) {
    *out = (IrSlot){.role = 0, .target = -1};
    while (out->role < IR_ROLE_COUNT &&
           !(is_role_of(output, out->role) && ir_parse_is_word(p, ir_role_name(out->role))))
        out->role++;
    if (out->role == IR_ROLE_COUNT)
        return ir_parse_fail_expected(p, output ? "a role (out, g, update, p or s)"
                                                : "a role (in, p, s, set or draw)");
    ir_parse_advance(p);
    if (!ir_parse_string(p, &out->name))
        return false;
    if (out->role == IR_ROLE_SETTING &&
        (!ir_parse_expect(p, '=') || !ir_parse_value(p, dtype, &out->value)))
        return false;
    if (out->role != IR_ROLE_UPDATE)
        return true;
    if (p->token.kind != IR_TOKEN_ARROW)
        return ir_parse_fail_expected(p, "'->'");
    ir_parse_advance(p);
    return ir_parse_int(p, &out->target);
}

static bool read_inputs(IrParser *p, Scope *s) {
    if (!ir_parse_expect(p, '('))
        return false;
    while (!ir_parse_is_punct(p, ')')) {
        Loc loc = p->token.loc;
        const char *name = NULL;
        IrType type;
        IrSlot slot;
        if (s->block->n_params == IR_PARSE_MAX_LIST)
            return ir_parse_fail(p, loc, "more than %d parameters", IR_PARSE_MAX_LIST);
        if (!read_param(p, &name, &type) || !read_slot(p, false, type.dtype, &slot) ||
            !define(p, s, name, loc, ir_add_input(p->f, type, slot, loc)))
            return false;
        if (!ir_parse_accept(p, ',') && !ir_parse_is_punct(p, ')'))
            return ir_parse_fail_expected(p, "',' or ')'");
    }
    return ir_parse_expect(p, ')') && ir_parse_expect(p, '{');
}

static bool read_outputs(IrParser *p, const Scope *s) {
    if (p->token.kind != IR_TOKEN_VALUE)
        return true;
    do {
        IrNode *n = NULL;
        IrSlot slot;
        if (s->block->n_results == IR_PARSE_MAX_LIST)
            return ir_parse_fail(p, p->token.loc, "more than %d results", IR_PARSE_MAX_LIST);
        if (!read_operand(p, s, &n) || !read_slot(p, true, IR_F64, &slot))
            return false;
        ir_add_output(p->f, n, slot);
    } while (ir_parse_accept(p, ','));
    return true;
}

static bool read_function(IrParser *p) {
    Loc loc = p->token.loc;
    const char *name = NULL;
    p->failed = false;
    p->depth = 0;
    if (!ir_parse_expect_word(p, "func"))
        return false;
    Loc name_loc = p->token.loc;
    if (!read_function_name(p, &name))
        return false;
    if (map_has(&p->functions, name))
        return ir_parse_fail(p, name_loc, "a second function '%s'", name);
    map_put(&p->functions, &p->scratch, name, NULL); // until it is whole

    p->f = ir_function_new(p->a, p->m->dims, name);
    p->f->loc = loc;
    Scope s = {.block = p->f->body};
    if (!read_inputs(p, &s))
        return false;
    while (!ir_parse_is_word(p, "return")) {
        if (!read_node(p, &s))
            return false;
    }
    ir_parse_advance(p);
    if (!read_outputs(p, &s) || !ir_parse_expect(p, '}'))
        return false;
    ir_renumber(p->f);
    map_put(&p->functions, &p->scratch, name, p->f);
    arena_push(p->a, p->m->functions, p->m->n, p->m->cap, p->f);
    return true;
}

// "dim N max=1000 likely=50"
static bool read_dim_line(IrParser *p) {
    int64_t max = 0, likely = 0;
    const char *name = NULL;
    ir_parse_advance(p);
    Loc loc = p->token.loc;
    if (!ir_parse_token(p, IR_TOKEN_NAME, "a dim's name", &name) ||
        !ir_parse_expect_word(p, "max") || !ir_parse_expect(p, '=') || !ir_parse_size(p, &max))
        return false;
    if (ir_parse_accept_word(p, "likely") &&
        (!ir_parse_expect(p, '=') || !ir_parse_size(p, &likely)))
        return false;
    IrDims *ds = p->m->dims;
    for (int i = 0; i < ds->n_vars; i++) {
        if (strcmp(ds->vars[i]->name, name) == 0)
            return ir_parse_fail(p, loc, "a second dim '%s'", name);
    }
    if (ds->n_vars == IR_PARSE_MAX_DIMS)
        return ir_parse_fail(p, loc, "more than %d dims", IR_PARSE_MAX_DIMS);
    ir_dim_var(ds, name, max, likely);
    return true;
}

// ---- modules ------------------------------------------------------------------------------------

// Reports each line that the verifier writes.
static void verify(IrParser *p, const IrFunction *f) {
    Buf why = {0};
    if (!ir_verify_function(f, &why)) {
        for (const char *line = buf_text(&why), *end; *line; line = *end ? end + 1 : end) {
            end = line + strcspn(line, "\n");
            while (*line == ' ')
                line++;
            diag_error(p->d, f->loc, E_ir_verify, "%.*s", (int)(end - line), line);
        }
    }
    buf_free(&why);
}

static void read_module(IrParser *p) {
    ir_parse_advance(p);
    while (ir_parse_is_word(p, "dim")) {
        if (!read_dim_line(p))
            return;
    }
    while (p->token.kind != IR_TOKEN_END) {
        const char *start = p->token.text;
        if (read_function(p))
            continue;
        if (ir_parse_is_word(p, "func") && p->token.loc.col == 1 && p->token.text != start)
            continue; // the error was that the last function does not end
        ir_lex_skip_to_line(&p->lexer, "func");
        ir_parse_advance(p);
    }
}

IrModule *ir_parse_module(Arena *a, Diag *d, const char *path, const char *text, size_t len) {
    int n_errors = d->n_errors;
    if (len > IR_PARSE_MAX_TEXT) {
        diag_error(d, (Loc){0}, E_limit, "%s has more than %d bytes", path, IR_PARSE_MAX_TEXT);
        return NULL;
    }
    IrParser p = {.a = a, .d = d, .m = arena_new(a, IrModule)};
    p.m->arena = a;
    p.m->dims = arena_new(a, IrDims);
    p.m->dims->arena = a;
    ir_lex_open(&p.lexer, diag_add_file(d, path, text, len));
    read_module(&p);
    for (int i = 0; i < p.m->n && d->n_errors == n_errors; i++)
        verify(&p, p.m->functions[i]);
    arena_free(&p.scratch);
    return d->n_errors == n_errors ? p.m : NULL;
}
