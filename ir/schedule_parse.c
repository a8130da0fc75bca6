// ir/schedule_parse.c -- reading a schedule's text (written by ir/schedule_print.c).
//
// A schedule read from text runs like the one that was printed. Its function has the same inputs
// and outputs; the graph between them is not in the text, so that constants stand for the outputs.
#include <string.h>

#include "ir/kernel_build.h"
#include "ir/schedule_text.h"

enum { MAX_DEPTH = 100 };

// ---- header -------------------------------------------------------------------------------------

static IrType read_type(TextReader *r, IrDims *ds) {
    IrType type = {.dtype = text_dtype(r)};
    text_expect(r, "[");
    while (!r->failed && !text_accept(r, "]")) {
        if (type.rank)
            text_expect(r, ",");
        if (type.rank == IR_MAX_RANK) {
            text_error(r, "a tensor has at most %d axes", IR_MAX_RANK);
            break;
        }
        type.dims[type.rank++] = text_dim(r, ds);
    }
    return type;
}

static int64_t read_setting(TextReader *r, const char *name) {
    text_expect(r, name);
    text_expect(r, "=");
    return text_int(r);
}

static void read_dim_var(TextReader *r, IrSchedule *s) {
    const char *name = text_name(r);
    int64_t max = read_setting(r, "max");
    int64_t likely = 0;
    if (text_accept(r, "likely")) {
        text_expect(r, "=");
        likely = text_int(r);
    }
    if (!r->failed)
        ir_dim_var(s->dims, name, max, likely);
}

static IrRole read_role(TextReader *r) {
    TextReader before = *r;
    const char *name = text_name(r);
    for (int role = 0; role < IR_ROLE_COUNT; role++)
        if (!strcmp(name, ir_role_name((IrRole)role)))
            return (IrRole)role;
    if (!r->failed)
        *r = before;
    text_error(r, "expected the role of a slot (in, p, s, set, draw, out, g, update)");
    return IR_ROLE_INPUT;
}

// A node of the output's type.
static IrNode *stand_in(IrFunction *f, IrType type, Loc loc) {
    IrNode *n = arena_new(f->arena, IrNode);
    n->op = IR_OP_const;
    n->n_types = 1;
    n->types = arena_new(f->arena, IrType);
    n->types[0] = type;
    n->loc = loc;
    arena_push(f->arena, f->body->nodes, f->body->n, f->body->cap, n);
    return n;
}

// "0 in xc: f32[N,6]" and what depends on the role
static void read_slot(TextReader *r, IrSchedule *s, bool is_output) {
    IrFunction *f = s->fn;
    int n = is_output ? f->body->n_results : f->body->n_params;
    Loc loc = text_loc(r);
    if (text_int(r) != n)
        text_error(r, "slots are numbered in order: expected %d", n);

    IrSlot slot = {.role = read_role(r), .target = -1};
    slot.name = text_name(r);
    text_expect(r, ":");
    IrType type = read_type(r, s->dims);
    if (slot.role == IR_ROLE_UPDATE) {
        text_expect(r, "target");
        text_expect(r, "=");
        slot.target = text_index(r, f->body->n_params, "input");
    }
    if (slot.role == IR_ROLE_SETTING) {
        text_expect(r, "value");
        text_expect(r, "=");
        slot.value = text_double(r);
    }
    if (r->failed)
        return;
    if (!is_output) {
        ir_add_input(f, type, slot, loc);
        return;
    }
    ir_add_output(f, stand_in(f, type, loc), slot);
    s->update_in_place = arena_grow(s->arena, s->update_in_place, (size_t)n, (size_t)n + 1,
                                    sizeof *s->update_in_place);
    s->update_in_place[n] = slot.role == IR_ROLE_UPDATE && text_accept(r, "in_place");
}

static int find_buffer(const IrSchedule *s, const char *name) {
    for (int i = 0; i < s->n_buffers; i++)
        if (!strcmp(s->buffers[i].name, name))
            return i;
    return -1;
}

// "%h0: f32[N * 32] arena+64"
static void read_buffer(TextReader *r, IrSchedule *s) {
    IrBuffer b = {.slot = -1, .loc = text_loc(r)};
    text_expect(r, "%");
    b.name = text_name(r);
    if (find_buffer(s, b.name) >= 0)
        text_error(r, "there are two buffers '%s'", b.name);
    text_expect(r, ":");
    b.dtype = text_dtype(r);
    text_expect(r, "[");
    b.count = text_dim(r, s->dims);
    text_expect(r, "]");
    if (text_accept(r, "input")) {
        b.storage = IR_STORAGE_INPUT;
        b.slot = text_index(r, s->fn->body->n_params, "input");
    } else if (text_accept(r, "output")) {
        b.storage = IR_STORAGE_OUTPUT;
        b.slot = text_index(r, s->fn->body->n_results, "output");
    } else {
        text_expect(r, "arena");
        text_expect(r, "+");
        b.storage = IR_STORAGE_ARENA;
        b.offset = text_int(r);
    }
    if (!r->failed)
        arena_push(s->arena, s->buffers, s->n_buffers, s->cap_buffers, b);
}

static void read_kernel(TextReader *r, IrSchedule *s) {
    text_expect(r, "@k");
    if (text_int(r) != s->n_kernels)
        text_error(r, "kernels are numbered in order: expected @k%d", s->n_kernels);
    IrKernel *k = text_kernel(r);
    if (k)
        arena_push(s->arena, s->kernels, s->n_kernels, s->cap_kernels, k);
}

// ---- calls --------------------------------------------------------------------------------------

static int read_loop_ref(TextReader *r, const IrSchedule *s) {
    text_expect(r, "@L");
    return text_index(r, s->n_loops, "loop @L");
}

// "%h0[32 + 64*@L0]"
static IrCallArg read_call_arg(TextReader *r, IrSchedule *s, Arena *scratch) {
    IrCallArg arg = {.offset = ir_dim_const(s->dims, 0)};
    text_expect(r, "%");
    TextReader before = *r;
    const char *name = text_name(r);
    arg.buffer = find_buffer(s, name);
    if (arg.buffer < 0 && !r->failed) {
        *r = before;
        text_error(r, "no buffer is called '%s'", name);
    }
    if (!text_accept(r, "["))
        return arg;

    IrDim **strides = arena_array(scratch, IrDim *, s->n_loops);
    arg.offset = text_sum(r, s->dims, "@L", s->n_loops, strides, NULL);
    text_expect(r, "]");
    for (int i = 0; i < s->n_loops; i++) {
        if (!strides[i])
            continue;
        if (arg.n_loops == 4) {
            text_error(r, "an argument moves with at most 4 loops");
            break;
        }
        arg.loops[arg.n_loops] = i;
        arg.strides[arg.n_loops++] = strides[i];
    }
    return arg;
}

// "@L0", "hash 0x12", "key 0x12(@L0: 0x34, @L1: 0x56)"
static IrCallInt read_call_int(TextReader *r, const IrSchedule *s) {
    if (text_accept(r, "hash"))
        return (IrCallInt){.kind = IR_INT_HASH, .hash = text_hash(r)};
    if (!text_accept(r, "key"))
        return (IrCallInt){.kind = IR_INT_LOOP, .loop = read_loop_ref(r, s)};

    IrCallInt n = {.kind = IR_INT_KEY, .hash = text_hash(r)};
    if (!text_accept(r, "("))
        return n;
    do {
        if (n.n_loops == 4) {
            text_error(r, "a key has at most 4 loops");
            break;
        }
        n.loops[n.n_loops] = read_loop_ref(r, s);
        text_expect(r, ":");
        n.loop_hashes[n.n_loops++] = text_hash(r);
    } while (text_accept(r, ","));
    text_expect(r, ")");
    return n;
}

static void begin_list(TextReader *r, const char *name) {
    text_expect(r, name);
    text_expect(r, "=");
    text_expect(r, "[");
}

static void separate(TextReader *r, int i) {
    if (i)
        text_expect(r, ",");
}

// "@k0(%xc, %h0) dims=[N] ints=[@L0] path="loss.h""
static IrKernelCall *read_call(TextReader *r, IrSchedule *s) {
    IrKernelCall *c = arena_new(s->arena, IrKernelCall);
    Arena scratch = {0};
    c->loc = text_loc(r);
    text_expect(r, "@k");
    c->index = text_index(r, s->n_kernels, "kernel @k");
    if (r->failed)
        return c;
    c->kernel = s->kernels[c->index];

    c->args = arena_array(s->arena, IrCallArg, c->kernel->n_args);
    text_expect(r, "(");
    for (int i = 0; i < c->kernel->n_args && !r->failed; i++) {
        separate(r, i);
        c->args[i] = read_call_arg(r, s, &scratch);
    }
    text_expect(r, ")");

    int n_vars = c->kernel->dims->n_vars;
    c->dims = arena_array(s->arena, IrDim *, n_vars);
    if (n_vars)
        begin_list(r, "dims");
    for (int i = 0; i < n_vars && !r->failed; i++) {
        separate(r, i);
        c->dims[i] = text_dim(r, s->dims);
    }
    if (n_vars)
        text_expect(r, "]");

    c->ints = arena_array(s->arena, IrCallInt, c->kernel->n_ints);
    if (c->kernel->n_ints)
        begin_list(r, "ints");
    for (int i = 0; i < c->kernel->n_ints && !r->failed; i++) {
        separate(r, i);
        c->ints[i] = read_call_int(r, s);
    }
    if (c->kernel->n_ints)
        text_expect(r, "]");

    if (text_accept(r, "path")) {
        text_expect(r, "=");
        c->path = text_quoted(r);
    }
    arena_free(&scratch);
    return c;
}

// ---- tree ---------------------------------------------------------------------------------------

static IrTree *read_tree(TextReader *r, IrSchedule *s, int depth);

static void read_children(TextReader *r, IrSchedule *s, IrTree *t, int depth) {
    text_expect(r, "{");
    while (!r->failed && !text_accept(r, "}")) {
        IrTree *child = read_tree(r, s, depth + 1);
        arena_push(s->arena, t->children, t->n, t->cap, child);
    }
}

static void read_loop(TextReader *r, IrSchedule *s, IrTree *t) {
    t->kind = IR_TREE_LOOP;
    text_expect(r, "@L");
    t->loop = text_index(r, 1 << 16, "loop @L");
    if (t->loop >= s->n_loops)
        s->n_loops = t->loop + 1;
    text_expect(r, "steps");
    text_expect(r, "=");
    t->steps = text_dim(r, s->dims);
    t->reverse = text_accept(r, "reverse");
    t->ends = text_accept(r, "until");
    if (t->ends) {
        Arena scratch = {0};
        t->until = read_call_arg(r, s, &scratch);
        arena_free(&scratch);
    }
    TextReader ahead = *r;
    if (text_accept(&ahead, "\""))
        t->name = text_quoted(r);
}

static void read_par(TextReader *r, IrSchedule *s, IrTree *t) {
    t->kind = IR_TREE_PAR;
    text_expect(r, "rows");
    text_expect(r, "=");
    t->rows = text_dim(r, s->dims);
    text_expect(r, "grain");
    text_expect(r, "=");
    t->grain = text_int(r);
}

static IrTree *read_tree(TextReader *r, IrSchedule *s, int depth) {
    IrTree *t = arena_new(s->arena, IrTree);
    if (depth > MAX_DEPTH)
        text_error(r, "the tree is nested too deeply");
    if (text_accept(r, "barrier")) {
        t->kind = IR_TREE_BARRIER;
        return t;
    }
    if (text_accept(r, "call")) {
        t->kind = IR_TREE_KERNEL;
        t->call = read_call(r, s);
        return t;
    }
    if (text_accept(r, "loop"))
        read_loop(r, s, t);
    else if (text_accept(r, "par"))
        read_par(r, s, t);
    else
        text_expect(r, "seq");
    read_children(r, s, t, depth);
    return t;
}

static void read_schedule(TextReader *r, IrSchedule *s) {
    text_expect(r, "schedule");
    text_expect(r, "@");
    s->fn = ir_function_new(s->arena, s->dims, text_name(r));
    if (text_accept(r, "target")) {
        text_expect(r, "=");
        IrTarget *target = arena_new(s->arena, IrTarget);
        target->name = text_name(r);
        s->target = target;
    }
    s->arena_bytes = read_setting(r, "arena");
    s->residual_bytes = read_setting(r, "residual");

    for (;;) {
        if (text_accept(r, "dim"))
            read_dim_var(r, s);
        else if (text_accept(r, "input"))
            read_slot(r, s, false);
        else if (text_accept(r, "output"))
            read_slot(r, s, true);
        else if (text_accept(r, "buffer"))
            read_buffer(r, s);
        else if (text_accept(r, "kernel"))
            read_kernel(r, s);
        else
            break;
    }
    text_expect(r, "tree");
    s->root = arena_new(s->arena, IrTree);
    s->root->kind = IR_TREE_SEQ;
    read_children(r, s, s->root, 0);
    if (!text_at_end(r))
        text_error(r, "expected nothing after the tree");
}

IrSchedule *ir_parse_schedule(Arena *a, Diag *d, const char *path, const char *text, size_t len) {
    TextReader r = {.arena = a, .diag = d, .file = diag_add_file(d, path, text, len)};
    r.at = r.file->text;

    IrSchedule *s = arena_new(a, IrSchedule);
    s->arena = a;
    s->dims = arena_new(a, IrDims);
    s->dims->arena = a;
    read_schedule(&r, s);
    return r.failed ? NULL : s;
}
