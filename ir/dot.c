// ir/dot.c -- a function as a picture, in the language of Graphviz.
//
// A node is a box with its operation, type and path of names; a body is a frame around its nodes.
// Solid edges are operands. Dashed ones lead from operands to the parameters of the body that get
// them, and from the body's results to the node it belongs to.
#include "ir/text.h"

static void put_text(Buf *out, const char *s) {
    for (; *s; s++)
        if (*s == '"' || *s == '\\')
            buf_printf(out, "\\%c", *s);
        else
            buf_put(out, s, 1);
}

static void put_type(Buf *out, const IrType *type) {
    Buf text = {0};

    ir_type_print(&text, type);
    put_text(out, buf_text(&text));
    buf_free(&text);
}

static void put_const(Buf *out, const IrNode *n) {
    char text[32];

    buf_format_double(text, n->attrs.value);
    buf_printf(out, " %s", text);
}

static void put_node(Buf *out, const IrNode *n, int indent) {
    bool leaf = ir_op_info[n->op].kind == IR_KIND_LEAF;

    buf_printf(out, "%*sn%d [label=\"%s", indent, "", n->id, ir_op_info[n->op].name);
    if (n->op == IR_OP_const)
        put_const(out, n);
    if (n->attrs.name) {
        buf_puts(out, " ");
        put_text(out, n->attrs.name);
    }
    for (int i = 0; i < n->n_types; i++) {
        buf_puts(out, "\\n");
        put_type(out, &n->types[i]);
    }
    if (n->path && *n->path) {
        buf_puts(out, "\\n");
        put_text(out, n->path);
    }
    buf_printf(out, "\"%s];\n", leaf ? ", style=rounded" : n->body ? ", style=bold" : "");
}

static void put_block(Buf *out, const IrBlock *b, int indent);

static void put_body(Buf *out, const IrNode *owner, int indent) {
    const IrBlock *body = owner->body;

    buf_printf(out, "%*ssubgraph cluster_%d {\n%*slabel=\"%s ", indent, "", owner->id, indent + 2,
               "", ir_op_info[owner->op].name);
    put_text(out, owner->attrs.name ? owner->attrs.name : "");
    buf_puts(out, "\";\n");
    put_block(out, body, indent + 2);
    buf_printf(out, "%*s}\n", indent, "");
    for (int k = 0; k < owner->n_in && k < body->n_params; k++)
        buf_printf(out, "%*sn%d -> n%d [style=dashed];\n", indent, "", owner->in[k]->id,
                   body->params[k]->id);
    for (int k = 0; k < body->n_results; k++)
        buf_printf(out, "%*sn%d -> n%d [style=dashed];\n", indent, "", body->results[k]->id,
                   owner->id);
}

static void put_block(Buf *out, const IrBlock *b, int indent) {
    for (int i = 0; i < b->n_params; i++)
        put_node(out, b->params[i], indent);
    for (int i = 0; i < b->n; i++) {
        const IrNode *n = b->nodes[i];
        put_node(out, n, indent);
        for (int k = 0; k < n->n_in && !n->body; k++)
            buf_printf(out, "%*sn%d -> n%d;\n", indent, "", n->in[k]->id, n->id);
        if (n->body)
            put_body(out, n, indent);
    }
}

static void put_slot(Buf *out, const IrSlot *slot) {
    buf_printf(out, "%s ", ir_role_name(slot->role));
    put_text(out, slot->name ? slot->name : "");
}

void ir_print_dot(Buf *out, const IrFunction *f) {
    buf_puts(out, "digraph \"");
    put_text(out, f->name);
    buf_puts(out, "\" {\n  node [shape=box, fontname=\"monospace\", fontsize=10];\n");
    put_block(out, f->body, 2);
    for (int i = 0; i < f->body->n_params; i++) {
        buf_printf(out, "  in%d [shape=plaintext, label=\"", i);
        put_slot(out, &f->inputs[i]);
        buf_printf(out, "\"];\n  in%d -> n%d;\n", i, f->body->params[i]->id);
    }
    for (int i = 0; i < f->body->n_results; i++) {
        buf_printf(out, "  out%d [shape=plaintext, label=\"", i);
        put_slot(out, &f->outputs[i]);
        buf_printf(out, "\"];\n  n%d -> out%d;\n", f->body->results[i]->id, i);
    }
    buf_puts(out, "}\n");
}
