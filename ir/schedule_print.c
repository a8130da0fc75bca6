// ir/schedule_print.c -- kernels and schedules as text; ir/schedule_parse.c reads it back.
//
//   kernel @k0 "loss_h" hash=0123456789abcdef {       # gssm.yaml:33:7
//     dims d0
//     args [f32 in, f32 in, f32 out]
//     ints 1
//     axes [d0, 32 | 16]                              parallel | reduced
//     product f32 batch=0 m=1 n=1 k=1 a0[16*i0 + i2], a1[i1 + 32*i2]
//     s0 = product : f32
//     s1 = load a2[i1] if s4 : f32
//     s2 = load a2[d0*i1 + (16)*row(s5, d0 - 1)] : f32  row s5 clamped to 0 .. d0 - 1
//     s3 = draw_normal n0(i0: n1)[i1] : f32           key ints[0], and ints[1] with index i0
//     store a3[32*i0 + i1] += s2
//   }
//
// Offsets, strides and extents are dims; one that is neither a number nor a name stands in
// parentheses. Names stand in quotes where they are free text. `#` starts a comment.
#include <inttypes.h>
#include <string.h>

#include "ir/schedule.h"
#include "ir/schedule_text.h"

static void end_line(Buf *out, Loc loc, bool locs) {
    if (locs && loc.line) {
        const char *path = loc.file ? loc.file->path : "?";
        const char *slash = strrchr(path, '/');
        buf_printf(out, "  # %s:%d:%d", slash ? slash + 1 : path, loc.line, loc.col);
    }
    buf_puts(out, "\n");
}

static void print_quoted(Buf *out, const char *s) {
    buf_puts(out, "\"");
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            buf_printf(out, "\\x%02x", c);
        else
            buf_put(out, s, 1);
    }
    buf_puts(out, "\"");
}

// A name as it is where that can be read back, else in quotes.
static void print_name(Buf *out, const char *s) {
    size_t len = strlen(s);
    if (len && strspn(s, SCHEDULE_NAME_CHARS) == len)
        buf_puts(out, s);
    else
        print_quoted(out, s);
}

static void print_double(Buf *out, double x) {
    char text[32];
    buf_put(out, text, (size_t)buf_format_double(text, x));
}

// ---- sums of dims and indices -------------------------------------------------------------------

// Separates the terms of a sum.
static void next_term(Buf *out, bool *first) {
    buf_puts(out, *first ? "" : " + ");
    *first = false;
}

static void print_offset(Buf *out, const IrDim *offset, bool *first) {
    int64_t value;
    if (!offset || (ir_dim_is_const(offset, &value) && value == 0))
        return;
    next_term(out, first);
    ir_dim_print(out, offset);
}

// "i0", "32*i0", "(N * 32)*i0".
static void print_term(Buf *out, const IrDim *stride, const char *index, int number, bool *first) {
    int64_t value;
    if (!stride)
        return;
    next_term(out, first);
    if (ir_dim_is_const(stride, &value) && value == 1) {
        buf_printf(out, "%s%d", index, number);
        return;
    }
    bool simple = (ir_dim_is_const(stride, &value) && value >= 0) || ir_dim_is_var(stride);
    buf_puts(out, simple ? "" : "(");
    ir_dim_print(out, stride);
    buf_printf(out, "%s*%s%d", simple ? "" : ")", index, number);
}

static void print_strides(Buf *out, const IrKernel *k, IrDim *const *strides, bool *first) {
    for (int a = 0; a < k->n_axes; a++)
        print_term(out, strides[a], "i", a, first);
}

static void end_sum(Buf *out, bool first) {
    buf_puts(out, first ? "0]" : "]");
}

static void print_address(Buf *out, const IrKernel *k, const IrAddress *a) {
    bool first = true;
    buf_printf(out, "a%d[", a->arg);
    print_offset(out, a->offset, &first);
    print_strides(out, k, a->strides, &first);
    if (a->indirect >= 0) {
        next_term(out, &first);
        buf_puts(out, "(");
        ir_dim_print(out, a->indirect_stride);
        buf_printf(out, ")*row(s%d, ", a->indirect);
        ir_dim_print(out, a->indirect_last);
        buf_puts(out, ")");
    }
    end_sum(out, first);
    if (a->guard >= 0)
        buf_printf(out, " if s%d", a->guard);
}

// ---- kernels ------------------------------------------------------------------------------------

static void print_axes(Buf *out, const IrKernel *k) {
    buf_puts(out, "  axes [");
    for (int i = 0; i < k->n_axes; i++) {
        bool bar = k->axes[i].reduced && (i == 0 || !k->axes[i - 1].reduced);
        buf_puts(out, bar ? (i ? " | " : "| ") : i ? ", " : "");
        ir_dim_print(out, k->axes[i].extent);
    }
    buf_puts(out, "]\n");
}

static void print_product(Buf *out, const IrKernel *k) {
    const IrProduct *p = &k->product;
    buf_printf(out, "  product %s batch=%d m=%d n=%d k=%d ", ir_dtype_name(p->dtype), p->n_batch,
               p->n_m, p->n_n, p->n_k);
    print_address(out, k, &p->lhs);
    buf_puts(out, ", ");
    print_address(out, k, &p->rhs);
    buf_puts(out, "\n");
}

static void print_draw(Buf *out, const IrKernel *k, const IrScalar *s) {
    bool first = true;
    buf_printf(out, "%s n%d", ir_op_info[s->op].name, s->number);
    for (int i = 0; i < s->n_key_axes; i++)
        buf_printf(out, "%si%d: n%d%s", i ? ", " : "(", s->key_axes[i], s->key_ints[i],
                   i + 1 == s->n_key_axes ? ")" : "");
    buf_puts(out, "[");
    print_offset(out, s->dim, &first);
    print_strides(out, k, s->draw_strides, &first);
    end_sum(out, first);
}

static void print_operands(Buf *out, const char *name, const IrScalar *s) {
    buf_puts(out, name);
    for (int i = 0; i < ir_scalar_n_in(s); i++)
        buf_printf(out, "%s s%d", i ? "," : "", s->in[i]);
}

static void print_scalar(Buf *out, const IrKernel *k, const IrScalar *s) {
    switch (s->kind) {
    case IR_SCALAR_LOAD:
        buf_puts(out, "load ");
        print_address(out, k, &s->address);
        break;
    case IR_SCALAR_CONST:
        buf_puts(out, "const ");
        print_double(out, s->value);
        break;
    case IR_SCALAR_INDEX:
        buf_printf(out, "index i%d", s->axis);
        break;
    case IR_SCALAR_EXTENT:
        buf_puts(out, "extent ");
        ir_dim_print(out, s->dim);
        break;
    case IR_SCALAR_INT:
        buf_printf(out, "int n%d", s->number);
        break;
    case IR_SCALAR_DRAW:
        print_draw(out, k, s);
        break;
    case IR_SCALAR_MAP:
    case IR_SCALAR_REDUCE:
        print_operands(out, ir_op_info[s->op].name, s);
        break;
    case IR_SCALAR_SELECT:
        print_operands(out, "select", s);
        break;
    case IR_SCALAR_CAST:
        print_operands(out, "cast", s);
        break;
    case IR_SCALAR_PRODUCT:
        buf_puts(out, "product");
        break;
    case IR_SCALAR_COUNT:
        break;
    }
    buf_printf(out, " : %s", ir_dtype_name(s->dtype));
}

// From the name on. `index` is the kernel's number in its schedule, or -1.
static void print_kernel(Buf *out, const IrKernel *k, int index, bool locs) {
    buf_puts(out, "kernel ");
    if (index >= 0)
        buf_printf(out, "@k%d ", index);
    print_quoted(out, k->name);
    buf_printf(out, " hash=%016" PRIx64 " {", k->hash);
    end_line(out, k->loc, locs);

    if (k->dims->n_vars) {
        buf_puts(out, "  dims");
        for (int i = 0; i < k->dims->n_vars; i++)
            buf_printf(out, " %s", k->dims->vars[i]->name);
        buf_puts(out, "\n");
    }
    buf_puts(out, "  args [");
    for (int i = 0; i < k->n_args; i++)
        buf_printf(out, "%s%s %s", i ? ", " : "", ir_dtype_name(k->args[i].dtype),
                   k->args[i].written ? "out" : "in");
    buf_puts(out, "]\n");
    if (k->n_ints)
        buf_printf(out, "  ints %d\n", k->n_ints);
    print_axes(out, k);
    if (k->product.present)
        print_product(out, k);

    for (int i = 0; i < k->n_scalars; i++) {
        buf_printf(out, "  s%d = ", i);
        print_scalar(out, k, &k->scalars[i]);
        end_line(out, k->scalars[i].loc, locs);
    }
    for (int i = 0; i < k->n_stores; i++) {
        const IrStore *s = &k->stores[i];
        buf_puts(out, "  store ");
        print_address(out, k, &s->address);
        buf_printf(out, " %s s%d\n", s->accumulate ? "+=" : "=", s->scalar);
    }
    buf_puts(out, "}\n");
}

void ir_print_kernel(Buf *out, const IrKernel *k, bool locs) {
    print_kernel(out, k, -1, locs);
}

// ---- header: dims, slots, buffers ---------------------------------------------------------------

static void print_slot(Buf *out, const IrSchedule *s, bool is_output, int i, bool locs) {
    const IrFunction *f = s->fn;
    const IrSlot *slot = is_output ? &f->outputs[i] : &f->inputs[i];
    const IrNode *n = is_output ? f->body->results[i] : f->body->params[i];

    buf_printf(out, "%s %d %s ", is_output ? "output" : "input", i, ir_role_name(slot->role));
    print_name(out, slot->name);
    buf_puts(out, ": ");
    ir_type_print(out, &n->types[0]);
    if (slot->role == IR_ROLE_UPDATE)
        buf_printf(out, " target=%d", slot->target);
    if (slot->role == IR_ROLE_SETTING) {
        buf_puts(out, " value=");
        print_double(out, slot->value);
    }
    if (is_output && s->update_in_place && s->update_in_place[i])
        buf_puts(out, " in_place");
    end_line(out, is_output ? (Loc){0} : n->loc, locs);
}

static void print_buffer(Buf *out, const IrBuffer *b, bool locs) {
    buf_puts(out, "buffer %");
    print_name(out, b->name);
    buf_printf(out, ": %s[", ir_dtype_name(b->dtype));
    ir_dim_print(out, b->count);
    buf_puts(out, "] ");
    switch (b->storage) {
    case IR_STORAGE_INPUT:
        buf_printf(out, "input %d", b->slot);
        break;
    case IR_STORAGE_OUTPUT:
        buf_printf(out, "output %d", b->slot);
        break;
    case IR_STORAGE_ARENA:
        buf_printf(out, "arena+%" PRId64, b->offset);
        break;
    case IR_STORAGE_COUNT:
        break;
    }
    end_line(out, b->loc, locs);
}

// ---- tree ---------------------------------------------------------------------------------------

static void print_call_arg(Buf *out, const IrSchedule *s, const IrCallArg *a) {
    int64_t value;
    bool first = true;
    buf_puts(out, "%");
    print_name(out, s->buffers[a->buffer].name);
    if (a->n_loops == 0 && (!a->offset || (ir_dim_is_const(a->offset, &value) && value == 0)))
        return;
    buf_puts(out, "[");
    print_offset(out, a->offset, &first);
    for (int i = 0; i < a->n_loops; i++)
        print_term(out, a->strides[i], "@L", a->loops[i], &first);
    end_sum(out, first);
}

static void print_call_int(Buf *out, const IrCallInt *n) {
    switch (n->kind) {
    case IR_INT_LOOP:
        buf_printf(out, "@L%d", n->loop);
        return;
    case IR_INT_HASH:
        buf_printf(out, "hash 0x%016" PRIx64, n->hash);
        return;
    case IR_INT_KEY:
        buf_printf(out, "key 0x%016" PRIx64, n->hash);
        for (int i = 0; i < n->n_loops; i++)
            buf_printf(out, "%s@L%d: 0x%016" PRIx64 "%s", i ? ", " : "(", n->loops[i],
                       n->loop_hashes[i], i + 1 == n->n_loops ? ")" : "");
        return;
    case IR_INT_COUNT:
        return;
    }
}

static void print_call(Buf *out, const IrSchedule *s, const IrKernelCall *c, bool locs) {
    const IrKernel *k = c->kernel;
    buf_printf(out, "call @k%d(", c->index);
    for (int i = 0; i < k->n_args; i++) {
        buf_puts(out, i ? ", " : "");
        print_call_arg(out, s, &c->args[i]);
    }
    buf_puts(out, ")");
    if (k->dims->n_vars) {
        buf_puts(out, " dims=[");
        for (int i = 0; i < k->dims->n_vars; i++) {
            buf_puts(out, i ? ", " : "");
            ir_dim_print(out, c->dims[i]);
        }
        buf_puts(out, "]");
    }
    if (k->n_ints) {
        buf_puts(out, " ints=[");
        for (int i = 0; i < k->n_ints; i++) {
            buf_puts(out, i ? ", " : "");
            print_call_int(out, &c->ints[i]);
        }
        buf_puts(out, "]");
    }
    if (c->path) {
        buf_puts(out, " path=");
        print_quoted(out, c->path);
    }
    end_line(out, c->loc, locs);
}

static void print_tree(Buf *out, const IrSchedule *s, const IrTree *t, int depth, bool locs);

static void print_children(Buf *out, const IrSchedule *s, const IrTree *t, int depth, bool locs) {
    buf_puts(out, "{\n");
    for (int i = 0; i < t->n; i++)
        print_tree(out, s, t->children[i], depth + 1, locs);
    buf_printf(out, "%*s}\n", 2 * depth, "");
}

static void print_tree(Buf *out, const IrSchedule *s, const IrTree *t, int depth, bool locs) {
    buf_printf(out, "%*s", 2 * depth, "");
    switch (t->kind) {
    case IR_TREE_BARRIER:
        buf_puts(out, "barrier\n");
        return;
    case IR_TREE_KERNEL:
        print_call(out, s, t->call, locs);
        return;
    case IR_TREE_SEQ:
        buf_puts(out, "seq ");
        break;
    case IR_TREE_LOOP:
        buf_printf(out, "loop @L%d steps=", t->loop);
        ir_dim_print(out, t->steps);
        buf_puts(out, t->reverse ? " reverse " : " ");
        if (t->ends) {
            buf_puts(out, "until ");
            print_call_arg(out, s, &t->until);
            buf_puts(out, " ");
        }
        if (t->name) {
            print_quoted(out, t->name);
            buf_puts(out, " ");
        }
        break;
    case IR_TREE_PAR:
        buf_puts(out, "par rows=");
        ir_dim_print(out, t->rows);
        buf_printf(out, " grain=%" PRId64 " ", t->grain);
        break;
    case IR_TREE_COUNT:
        break;
    }
    print_children(out, s, t, depth, locs);
}

void ir_print_schedule(Buf *out, const IrSchedule *s, bool locs) {
    const IrFunction *f = s->fn;
    buf_puts(out, "schedule @");
    print_name(out, f->name);
    if (s->target) {
        buf_puts(out, " target=");
        print_name(out, s->target->name);
    }
    buf_printf(out, " arena=%" PRId64 " residual=%" PRId64 "\n", s->arena_bytes, s->residual_bytes);

    for (int i = 0; i < s->dims->n_vars; i++) {
        const IrDimVar *v = s->dims->vars[i];
        buf_printf(out, "dim %s max=%" PRId64, v->name, v->max);
        if (v->likely)
            buf_printf(out, " likely=%" PRId64, v->likely);
        buf_puts(out, "\n");
    }
    for (int i = 0; i < f->body->n_params; i++)
        print_slot(out, s, false, i, locs);
    for (int i = 0; i < f->body->n_results; i++)
        print_slot(out, s, true, i, locs);
    for (int i = 0; i < s->n_buffers; i++)
        print_buffer(out, &s->buffers[i], locs);
    for (int i = 0; i < s->n_kernels; i++)
        print_kernel(out, s->kernels[i], i, locs);

    // a root that is no seq gets one, so that the text has one form
    buf_puts(out, "tree {\n");
    if (s->root && s->root->kind == IR_TREE_SEQ) {
        for (int i = 0; i < s->root->n; i++)
            print_tree(out, s, s->root->children[i], 1, locs);
    } else if (s->root) {
        print_tree(out, s, s->root, 1, locs);
    }
    buf_puts(out, "}\n");
}
