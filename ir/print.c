// ir/print.c -- the IR as text. docs/ir.md gives the grammar; ir/parse.c reads it.
//
// Values are numbered as ir_renumber() would, but nothing is written to the nodes: the text of a
// function does not depend on the ids it happens to have.
#include "ir/print.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

// ---- numbers, names, strings --------------------------------------------------------------------

static intptr_t number_block(IrNodeMap *numbers, const IrBlock *b, intptr_t next) {
    for (int i = 0; i < b->n_params; i++)
        ir_node_map_put(numbers, b->params[i], (void *)++next);
    for (int i = 0; i < b->n; i++) {
        if (b->nodes[i]->body)
            next = number_block(numbers, b->nodes[i]->body, next);
        ir_node_map_put(numbers, b->nodes[i], (void *)++next);
    }
    return next;
}

void ir_print_numbers(IrNodeMap *numbers, const IrFunction *f) {
    number_block(numbers, f->body, 0);
}

static void print_value_name(Buf *out, const IrNode *n, const IrNodeMap *numbers) {
    intptr_t number = !n ? 0 : numbers ? (intptr_t)ir_node_map_get(numbers, n) : n->id + 1;
    if (number)
        buf_printf(out, "%%%" PRIdPTR, number - 1);
    else
        buf_puts(out, "%?");
}

void ir_print_string(Buf *out, const char *s) {
    buf_puts(out, "\"");
    for (; s && *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c == '\n')
            buf_puts(out, "\\n");
        else if (c == '\t')
            buf_puts(out, "\\t");
        else if (c < 0x20 || c == 0x7f)
            buf_printf(out, "\\x%02x", c);
        else
            buf_put(out, s, 1);
    }
    buf_puts(out, "\"");
}

static bool is_plain_name(const char *s) {
    if (!isalpha((unsigned char)*s) && *s != '_')
        return false;
    for (; *s; s++) {
        if (!isalnum((unsigned char)*s) && *s != '_' && *s != '.')
            return false;
    }
    return true;
}

static void print_function_name(Buf *out, const IrFunction *f) {
    const char *name = f && f->name ? f->name : "";
    buf_puts(out, "@");
    if (is_plain_name(name))
        buf_puts(out, name);
    else
        ir_print_string(out, name);
}

// The f64 with the fewest digits that rounds to the f32 `x`.
static double shorten(float x) {
    char text[64];
    for (int digits = 0; digits < 9; digits++) {
        snprintf(text, sizeof text, "%.*e", digits, (double)x);
        for (char *p = text; *p; p++) { // the locale may write another decimal point
            if (!isdigit((unsigned char)*p) && !strchr("e+-", *p))
                *p = '.';
        }
        double y = 0;
        if (buf_parse_double(text, strlen(text), &y) && (float)y == x)
            return y;
    }
    return (double)x;
}

void ir_print_value(Buf *out, IrDtype dtype, double value) {
    char text[32];
    if (dtype == IR_BOOL && (value == 0 || value == 1)) {
        buf_puts(out, value != 0 ? "true" : "false");
        return;
    }
    if (isnan(value)) {
        buf_puts(out, "nan");
        return;
    }
    if (dtype == IR_F32 && isfinite(value) && value == (double)(float)value)
        value = shorten((float)value);
    buf_format_double(text, value);
    buf_puts(out, text);
}

static void print_ints(Buf *out, const char *label, const int *x, int n) {
    buf_printf(out, "%s[", label);
    for (int i = 0; i < n; i++)
        buf_printf(out, "%s%d", i ? "," : "", x[i]);
    buf_puts(out, "]");
}

// ---- attributes ---------------------------------------------------------------------------------

static void print_name(Buf *out, const char *label, const char *name) {
    if (!name)
        return;
    buf_printf(out, " %s=", label);
    ir_print_string(out, name);
}

static void print_dim(Buf *out, const char *label, const IrDim *d) {
    buf_printf(out, " %s=", label);
    if (d)
        ir_dim_print(out, d);
}

static void print_starts(Buf *out, const IrNode *n) {
    int rank = n->n_in && n->in[0] && n->in[0]->n_types ? n->in[0]->types[0].rank : 0;
    buf_puts(out, " starts=[");
    for (int i = 0; i < rank; i++) {
        buf_puts(out, i ? "," : "");
        if (n->attrs.starts[i])
            ir_dim_print(out, n->attrs.starts[i]);
    }
    buf_puts(out, "]");
}

static void print_draw(Buf *out, const IrAttrs *a) {
    print_name(out, "site", a->name);
    if (a->n_loops == 0)
        return;
    buf_puts(out, " loops=[");
    for (int i = 0; i < a->n_loops; i++) {
        buf_puts(out, i ? "," : "");
        ir_print_string(out, a->loops[i]);
    }
    buf_printf(out, "] key_axes=%d", a->n_key_axes);
}

// The attributes that `n->op` has, in the order of IrAttrs.
static void print_attrs(Buf *out, const IrNode *n) {
    const IrAttrs *a = &n->attrs;
    switch ((int)n->op) {
    case IR_OP_iota:
    case IR_OP_concat:
        buf_printf(out, " axis=%d", a->axis);
        break;
    case IR_OP_extent:
        print_dim(out, "dim", a->dim);
        break;
    case IR_OP_sample:
        print_name(out, "site", a->name);
        break;
    case IR_OP_draw_normal:
    case IR_OP_draw_uniform:
        print_draw(out, a);
        break;
    case IR_OP_transpose:
    case IR_OP_broadcast:
    case IR_OP_sum:
    case IR_OP_reduce_max:
    case IR_OP_reduce_min:
        print_ints(out, " axes=", a->axes, a->n_axes);
        break;
    case IR_OP_slice:
    case IR_OP_pad:
        print_starts(out, n);
        break;
    case IR_OP_top_k:
        buf_puts(out, a->reverse ? " smallest" : "");
        break;
    case IR_OP_dot:
        buf_printf(out, " batch=%d", a->n_batch);
        print_ints(out, " contract=", a->lhs_axes, a->n_contract);
        print_ints(out, "x", a->rhs_axes, a->n_contract);
        break;
    case IR_OP_scan:
        buf_printf(out, " captured=%d carry=%d over=%d", a->n_captured, a->n_carry, a->n_over);
        print_dim(out, "steps", a->dim);
        buf_puts(out, a->reverse ? " reverse" : "");
        buf_puts(out, a->until ? " until" : "");
        print_name(out, "name", a->name);
        break;
    case IR_OP_map:
        buf_printf(out, " captured=%d over=%d", a->n_captured, a->n_over);
        print_dim(out, "steps", a->dim);
        print_name(out, "name", a->name);
        break;
    case IR_OP_grad:
        print_ints(out, " wrt=", a->wrt, a->n_wrt);
        break;
    case IR_OP_get:
        buf_printf(out, " index=%d", a->index);
        break;
    }
}

// ---- nodes, blocks, functions -------------------------------------------------------------------

static void print_types(Buf *out, const IrNode *n) {
    buf_puts(out, " : ");
    buf_puts(out, ir_has_results(n) ? "(" : "");
    for (int i = 0; i < n->n_types; i++) {
        buf_puts(out, i ? ", " : "");
        ir_type_print(out, &n->types[i]);
    }
    buf_puts(out, ir_has_results(n) ? ")" : "");
}

void ir_print_node_as(Buf *out, const IrNode *n, const IrNodeMap *numbers) {
    print_value_name(out, n, numbers);
    buf_printf(out, " = %s", ir_op_info[n->op].name);
    if (n->op == IR_OP_call) {
        buf_puts(out, " ");
        print_function_name(out, n->callee);
    }
    if (n->op == IR_OP_const) {
        buf_puts(out, " ");
        ir_print_value(out, n->n_types ? n->types[0].dtype : IR_F64, n->attrs.value);
    }
    if (n->op == IR_OP_input && n->attrs.name) {
        buf_puts(out, " ");
        ir_print_string(out, n->attrs.name);
    }
    for (int k = 0; k < n->n_in; k++) {
        buf_puts(out, k ? ", " : " ");
        print_value_name(out, n->in[k], numbers);
    }
    print_attrs(out, n);
    print_types(out, n);
    if (n->path && *n->path && n->op != IR_OP_input) {
        buf_puts(out, " @");
        ir_print_string(out, n->path);
    }
}

void ir_print_node(Buf *out, const IrNode *n) {
    ir_print_node_as(out, n, NULL);
}

// What a whole print shares.
typedef struct Printer {
    Buf *out;
    IrNodeMap numbers;
    bool locs;
} Printer;

static void print_loc(const Printer *p, Loc loc) {
    if (!p->locs || !loc.line || !loc.file)
        return;
    const char *slash = strrchr(loc.file->path, '/');
    buf_puts(p->out, "  # ");
    for (const char *s = slash ? slash + 1 : loc.file->path; *s; s++)
        buf_put(p->out, (unsigned char)*s < 0x20 ? "?" : s, 1);
    buf_printf(p->out, ":%d:%d", loc.line, loc.col);
}

static void print_param(const Printer *p, const IrNode *n) {
    print_value_name(p->out, n, &p->numbers);
    buf_puts(p->out, ": ");
    ir_type_print(p->out, &n->types[0]);
}

static void print_nodes(const Printer *p, const IrBlock *b, int indent);

static void print_body(const Printer *p, const IrBlock *b, int indent) {
    buf_printf(p->out, "%*s^(", indent, "");
    for (int i = 0; i < b->n_params; i++) {
        buf_puts(p->out, i ? ", " : "");
        print_param(p, b->params[i]);
        if (b->params[i]->attrs.name) {
            buf_puts(p->out, " ");
            ir_print_string(p->out, b->params[i]->attrs.name);
        }
    }
    buf_puts(p->out, "):\n");
    print_nodes(p, b, indent + 2);
    buf_printf(p->out, "%*syield", indent + 2, "");
    for (int i = 0; i < b->n_results; i++) {
        buf_puts(p->out, i ? ", " : " ");
        print_value_name(p->out, b->results[i], &p->numbers);
    }
    buf_printf(p->out, "\n%*s}\n", indent, "");
}

static void print_nodes(const Printer *p, const IrBlock *b, int indent) {
    for (int i = 0; i < b->n; i++) {
        const IrNode *n = b->nodes[i];
        buf_printf(p->out, "%*s", indent, "");
        ir_print_node_as(p->out, n, &p->numbers);
        buf_puts(p->out, n->body ? " {" : "");
        print_loc(p, n->loc);
        buf_puts(p->out, "\n");
        if (n->body)
            print_body(p, n->body, indent);
    }
}

static void print_slot(const Printer *p, const IrSlot *s, IrDtype dtype) {
    buf_printf(p->out, " %s ", ir_role_name(s->role));
    ir_print_string(p->out, s->name);
    if (s->role == IR_ROLE_SETTING) {
        buf_puts(p->out, " = ");
        ir_print_value(p->out, dtype, s->value);
    }
    if (s->role == IR_ROLE_UPDATE)
        buf_printf(p->out, " -> %d", s->target);
}

// More inputs or outputs than this stand on lines of their own.
enum { ONE_LINE = 2 };

void ir_print_function(Buf *out, const IrFunction *f, bool locs) {
    Arena scratch = {0};
    Printer p = {.out = out, .numbers = {.arena = &scratch}, .locs = locs};
    const IrBlock *b = f->body;
    ir_print_numbers(&p.numbers, f);

    buf_puts(out, "func ");
    print_function_name(out, f);
    buf_puts(out, "(");
    for (int i = 0; i < b->n_params; i++) {
        buf_puts(out, b->n_params > ONE_LINE ? (i ? ",\n    " : "\n    ") : i ? ", " : "");
        print_param(&p, b->params[i]);
        print_slot(&p, &f->inputs[i], b->params[i]->types[0].dtype);
    }
    buf_puts(out, ") {");
    print_loc(&p, f->loc);
    buf_puts(out, "\n");
    print_nodes(&p, b, 2);
    buf_puts(out, "  return");
    for (int i = 0; i < b->n_results; i++) {
        buf_puts(out, b->n_results > ONE_LINE ? (i ? ",\n    " : "\n    ") : i ? ", " : " ");
        print_value_name(out, b->results[i], &p.numbers);
        print_slot(&p, &f->outputs[i], IR_F64);
    }
    buf_puts(out, "\n}\n");
    arena_free(&scratch);
}

void ir_print_module(Buf *out, const IrModule *m, bool locs) {
    for (int i = 0; i < m->dims->n_vars; i++) {
        const IrDimVar *v = m->dims->vars[i];
        buf_printf(out, "dim %s max=%" PRId64, v->name, v->max);
        if (v->likely)
            buf_printf(out, " likely=%" PRId64, v->likely);
        buf_puts(out, "\n");
    }
    for (int i = 0; i < m->n; i++) {
        buf_puts(out, i || m->dims->n_vars ? "\n" : "");
        ir_print_function(out, m->functions[i], locs);
    }
}
