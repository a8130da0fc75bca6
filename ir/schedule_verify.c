// ir/schedule_verify.c -- the rules of a schedule.
//
// The tree is walked as thread 0 would run it, each loop's body twice, so that what one iteration
// leaves for the next is seen. Kept are, for each buffer, whether it holds what was written to it,
// and the uses of buffers since the last barrier, with the threads that made them.
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ir/schedule.h"

enum { MAX_WRONG = 100 }; // more lines help nobody

// A use of a buffer since the last barrier. Thread 0 alone made it, or pieces of rows.
typedef struct Use {
    const IrKernelCall *call; // NULL: all threads look whether a loop ends
    const IrCallArg *arg;
    bool is_write;
    const IrTree *par; // NULL: thread 0; the loop that may end
    IrDim *start;      // address of the first element within the argument
    IrDim *row_stride; // elements from a row to the next, NULL: 0
} Use;

typedef struct Verify {
    const IrSchedule *s;
    Buf *why;
    int n_wrong;
    Arena scratch;
    bool *written;     // of each buffer: it holds what was written to it
    bool *ever;        // of each buffer: something was written to it
    bool *in_loop;     // of each loop: it encloses what is being checked
    const IrTree *par; // that encloses what is being checked, or NULL
    Use *uses;
    int n_uses, cap_uses;
    bool again; // the second walk of a loop's body: only what depends on the order is told
} Verify;

static void wrong(Verify *v, const IrKernelCall *c, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void wrong(Verify *v, const IrKernelCall *c, const char *format, ...) {
    if (v->n_wrong++ >= MAX_WRONG)
        return;
    if (c)
        buf_printf(v->why, "call @k%d '%s'%s%s: ", c->index, c->kernel ? c->kernel->name : "?",
                   c->path ? " of " : "", c->path ? c->path : "");
    va_list args;
    va_start(args, format);
    buf_vprintf(v->why, format, args);
    va_end(args);
    buf_puts(v->why, "\n");
}

// ---- buffers ------------------------------------------------------------------------------------

static int64_t buffer_bytes(const IrBuffer *b) {
    int64_t size = (int64_t)ir_dtype_size(b->dtype), n = ir_dim_max(b->count);
    return n > INT64_MAX / 16 ? INT64_MAX / 2 : n * size;
}

static bool is_update_in_place(const IrSchedule *s, const IrBuffer *b) {
    return b->storage == IR_STORAGE_OUTPUT && s->update_in_place && s->update_in_place[b->slot];
}

static void check_buffer(Verify *v, int i) {
    const IrSchedule *s = v->s;
    const IrBuffer *b = &s->buffers[i];
    const IrBlock *body = s->fn->body;
    for (int j = 0; j < i; j++)
        if (!strcmp(b->name, s->buffers[j].name))
            wrong(v, NULL, "two buffers are called %%%s", b->name);

    switch (b->storage) {
    case IR_STORAGE_INPUT:
        if (b->slot < 0 || b->slot >= body->n_params)
            wrong(v, NULL, "buffer %%%s is input %d of %d", b->name, b->slot, body->n_params);
        else if (body->params[b->slot]->types[0].dtype != b->dtype)
            wrong(v, NULL, "buffer %%%s has another type than input %d", b->name, b->slot);
        return;
    case IR_STORAGE_OUTPUT:
        if (b->slot < 0 || b->slot >= body->n_results)
            wrong(v, NULL, "buffer %%%s is output %d of %d", b->name, b->slot, body->n_results);
        return;
    case IR_STORAGE_ARENA:
        if (b->offset < 0 || b->offset % 64)
            wrong(v, NULL, "buffer %%%s is at %" PRId64 ", no multiple of 64", b->name, b->offset);
        if (s->arena_bytes && b->offset > s->arena_bytes - buffer_bytes(b))
            wrong(v, NULL, "buffer %%%s ends after the arena", b->name);
        return;
    case IR_STORAGE_COUNT:
        break;
    }
    wrong(v, NULL, "buffer %%%s has no storage", b->name);
}

static bool share_memory(const IrSchedule *s, const IrBuffer *a, const IrBuffer *b) {
    return s->arena_bytes && a->storage == IR_STORAGE_ARENA && b->storage == IR_STORAGE_ARENA &&
           a->offset < b->offset + buffer_bytes(b) && b->offset < a->offset + buffer_bytes(a);
}

// What is written to one buffer is lost to those that share its memory.
static void mark_written(Verify *v, int buffer) {
    for (int i = 0; i < v->s->n_buffers; i++)
        if (i != buffer && share_memory(v->s, &v->s->buffers[i], &v->s->buffers[buffer]))
            v->written[i] = false;
    v->written[buffer] = true;
    v->ever[buffer] = true;
}

// ---- uses between barriers ----------------------------------------------------------------------

static bool same_start(const Use *a, const Use *b) {
    if (a->start != b->start || a->arg->n_loops != b->arg->n_loops)
        return false;
    for (int i = 0; i < a->arg->n_loops; i++)
        if (a->arg->loops[i] != b->arg->loops[i] || a->arg->strides[i] != b->arg->strides[i])
            return false;
    return true;
}

// Whether each element that both touch is touched by the same thread.
static bool same_threads(const Use *a, const Use *b) {
    if (!a->par && !b->par)
        return true;
    if (!a->par || !b->par)
        return false;
    return a->par->rows == b->par->rows && a->par->grain == b->par->grain && a->row_stride &&
           a->row_stride == b->row_stride;
}

// Uses that start at one element do meet; of others it cannot be told.
static void put_use(Verify *v, Use u) {
    for (int i = 0; i < v->n_uses; i++) {
        const Use *o = &v->uses[i];
        if (o->arg->buffer != u.arg->buffer || (!o->is_write && !u.is_write) ||
            !same_start(o, &u) || same_threads(o, &u))
            continue;
        wrong(v, u.call, "%s %%%s, which '%s' %s on another thread, with no barrier between",
              u.is_write ? "writes" : "reads", v->s->buffers[u.arg->buffer].name,
              o->call ? o->call->kernel->name : "until", o->is_write ? "writes" : "reads");
        break;
    }
    arena_push(&v->scratch, v->uses, v->n_uses, v->cap_uses, u);
}

// The element and the row stride in the program's dims. A par of a single piece is one thread's.
static Use make_use(Verify *v, const IrKernelCall *c, const IrAddress *a, bool is_write) {
    const IrCallArg *arg = &c->args[a->arg];
    bool pieces = v->par && ir_dim_max(v->par->rows) > v->par->grain;
    Use u = {.call = c, .arg = arg, .is_write = is_write, .par = pieces ? v->par : NULL};
    u.start = ir_dim_substitute(v->s->dims, a->offset, c->dims);
    if (arg->offset)
        u.start = ir_dim_add(v->s->dims, u.start, arg->offset);
    if (a->strides[0])
        u.row_stride = ir_dim_substitute(v->s->dims, a->strides[0], c->dims);
    return u;
}

static void read_address(Verify *v, const IrKernelCall *c, const IrAddress *a) {
    int buffer = c->args[a->arg].buffer;
    if (!v->written[buffer]) {
        wrong(v, c, "reads %%%s, %s", v->s->buffers[buffer].name,
              v->ever[buffer] ? "whose memory was written as another buffer"
                              : "which nothing has written");
        v->written[buffer] = true; // say it once
    }
    put_use(v, make_use(v, c, a, false));
}

static void write_address(Verify *v, const IrKernelCall *c, const IrStore *s) {
    int buffer = c->args[s->address.arg].buffer;
    Use u = make_use(v, c, &s->address, true);
    if (v->s->buffers[buffer].storage == IR_STORAGE_INPUT)
        wrong(v, c, "writes the input %%%s", v->s->buffers[buffer].name);
    if (u.par && (!u.row_stride || s->accumulate))
        wrong(v, c, "pieces of rows %s %%%s", s->accumulate ? "add to" : "all write one element of",
              v->s->buffers[buffer].name);
    put_use(v, u);
    mark_written(v, buffer);
}

// ---- calls --------------------------------------------------------------------------------------

static void check_loop(Verify *v, const IrKernelCall *c, int loop) {
    if (loop < 0 || loop >= v->s->n_loops || !v->in_loop[loop])
        wrong(v, c, "it moves with loop @L%d, which does not enclose it", loop);
}

static void check_int(Verify *v, const IrKernelCall *c, const IrCallInt *n) {
    if (n->kind == IR_INT_LOOP)
        check_loop(v, c, n->loop);
    for (int i = 0; n->kind == IR_INT_KEY && i < n->n_loops; i++)
        check_loop(v, c, n->loops[i]);
}

// Whether the call can be looked at any further.
static bool check_arg(Verify *v, const IrKernelCall *c, int i) {
    const IrCallArg *a = &c->args[i];
    if (a->buffer < 0 || a->buffer >= v->s->n_buffers) {
        wrong(v, c, "argument %d is buffer %d of %d", i, a->buffer, v->s->n_buffers);
        return false;
    }
    const IrBuffer *b = &v->s->buffers[a->buffer];
    if (b->dtype != c->kernel->args[i].dtype)
        wrong(v, c, "argument %d is %%%s of type %s, not %s", i, b->name, ir_dtype_name(b->dtype),
              ir_dtype_name(c->kernel->args[i].dtype));
    for (int j = 0; j < a->n_loops; j++)
        check_loop(v, c, a->loops[j]);
    return true;
}

static void check_rows(Verify *v, const IrKernelCall *c) {
    const IrKernel *k = c->kernel;
    if (ir_kernel_n_parallel(k) == 0) {
        wrong(v, c, "it stands in par, but has no parallel axis");
        return;
    }
    IrDim *rows = ir_dim_substitute(v->s->dims, k->axes[0].extent, c->dims);
    if (rows == v->par->rows)
        return;
    Buf text = {0};
    ir_dim_print(&text, rows);
    buf_puts(&text, ", not ");
    ir_dim_print(&text, v->par->rows);
    wrong(v, c, "its axis 0 is not the rows of par: %s", buf_text(&text));
    buf_free(&text);
}

static bool check_call(Verify *v, const IrKernelCall *c) {
    const IrSchedule *s = v->s;
    if (c->index < 0 || c->index >= s->n_kernels || s->kernels[c->index] != c->kernel) {
        wrong(v, NULL, "a call's kernel is not @k%d", c->index);
        return false;
    }
    bool usable = true;
    for (int i = 0; i < c->kernel->n_args; i++)
        usable = check_arg(v, c, i) && usable;
    for (int i = 0; i < c->kernel->dims->n_vars; i++)
        if (!c->dims[i]) {
            wrong(v, c, "dim %d has no value", i);
            usable = false;
        }
    for (int i = 0; i < c->kernel->n_ints; i++)
        check_int(v, c, &c->ints[i]);
    if (usable && v->par)
        check_rows(v, c);
    return usable;
}

static void walk_call(Verify *v, const IrKernelCall *c) {
    const IrKernel *k = c->kernel;
    if (!v->again && !check_call(v, c))
        return;
    if (k->product.present) {
        read_address(v, c, &k->product.lhs);
        read_address(v, c, &k->product.rhs);
    }
    for (int i = 0; i < k->n_scalars; i++)
        if (k->scalars[i].kind == IR_SCALAR_LOAD)
            read_address(v, c, &k->scalars[i].address);
    for (int i = 0; i < k->n_stores; i++)
        if (k->stores[i].accumulate)
            read_address(v, c, &k->stores[i].address);
    for (int i = 0; i < k->n_stores; i++)
        write_address(v, c, &k->stores[i]);
}

// ---- tree ---------------------------------------------------------------------------------------

static void walk(Verify *v, const IrTree *t);

static void walk_children(Verify *v, const IrTree *t) {
    for (int i = 0; i < t->n; i++)
        walk(v, t->children[i]);
}

// Before each step all threads read whether loop `t` ends.
static void read_end(Verify *v, const IrTree *t) {
    const IrCallArg *a = &t->until;
    if (!t->ends)
        return;
    bool sound = !v->par && a->buffer >= 0 && a->buffer < v->s->n_buffers &&
                 v->s->buffers[a->buffer].dtype == IR_BOOL;
    for (int i = 0; sound && i < a->n_loops; i++)
        sound = a->loops[i] >= 0 && a->loops[i] < v->s->n_loops && a->loops[i] != t->loop &&
                v->in_loop[a->loops[i]];
    if (!sound) {
        wrong(v, NULL, "loop @L%d does not end by a bool outside of it and of par", t->loop);
        return;
    }
    if (!v->written[a->buffer])
        wrong(v, NULL, "loop @L%d ends by %%%s, which nothing has written", t->loop,
              v->s->buffers[a->buffer].name);
    IrDim *start = a->offset ? a->offset : ir_dim_const(v->s->dims, 0);
    put_use(v, (Use){.arg = a, .par = t, .start = start});
}

static void walk_loop(Verify *v, const IrTree *t) {
    if (t->loop < 0 || t->loop >= v->s->n_loops || !t->steps || v->in_loop[t->loop]) {
        wrong(v, NULL, "loop @L%d is no loop of its own", t->loop);
        return;
    }
    v->in_loop[t->loop] = true;
    read_end(v, t);
    walk_children(v, t);
    read_end(v, t);

    // what is wrong in one walk needs no second; nested loops are walked anew by the first
    bool again = v->again;
    if (v->n_wrong == 0 && !again) {
        v->again = true;
        walk_children(v, t);
        read_end(v, t);
        v->again = again;
    }
    v->in_loop[t->loop] = false;
}

static void walk_par(Verify *v, const IrTree *t) {
    if (v->par || !t->rows || t->grain < 1) {
        wrong(v, NULL, "a par stands in another, or has no rows or grain");
        return;
    }
    v->par = t;
    walk_children(v, t);
    v->par = NULL;
}

static void walk(Verify *v, const IrTree *t) {
    switch (t->kind) {
    case IR_TREE_SEQ:
        walk_children(v, t);
        return;
    case IR_TREE_LOOP:
        walk_loop(v, t);
        return;
    case IR_TREE_PAR:
        walk_par(v, t);
        return;
    case IR_TREE_BARRIER:
        if (v->par)
            wrong(v, NULL, "a barrier stands in par: not all threads would come");
        v->n_uses = 0;
        return;
    case IR_TREE_KERNEL:
        walk_call(v, t->call);
        return;
    case IR_TREE_COUNT:
        break;
    }
    wrong(v, NULL, "a node of the tree is of no kind");
}

static void check_outputs(Verify *v) {
    const IrSchedule *s = v->s;
    bool *has = arena_array(&v->scratch, bool, s->fn->body->n_results);
    for (int i = 0; i < s->n_buffers; i++)
        if (s->buffers[i].storage == IR_STORAGE_OUTPUT && v->ever[i])
            has[s->buffers[i].slot] = true;
    for (int i = 0; i < s->fn->body->n_results; i++)
        if (!has[i] && !(s->update_in_place && s->update_in_place[i]))
            wrong(v, NULL, "output %d, %s, is never written", i, s->fn->outputs[i].name);
}

bool ir_verify_schedule(const IrSchedule *s, Buf *why) {
    Verify v = {.s = s, .why = why};
    v.written = arena_array(&v.scratch, bool, s->n_buffers);
    v.ever = arena_array(&v.scratch, bool, s->n_buffers);
    v.in_loop = arena_array(&v.scratch, bool, s->n_loops);

    for (int i = 0; i < s->n_kernels; i++)
        v.n_wrong += !ir_verify_kernel(s->kernels[i], why);
    for (int i = 0; i < s->n_buffers; i++)
        check_buffer(&v, i);
    if (!s->root)
        wrong(&v, NULL, "there is no tree");
    if (v.n_wrong == 0) {
        for (int i = 0; i < s->n_buffers; i++)
            v.written[i] =
                s->buffers[i].storage == IR_STORAGE_INPUT || is_update_in_place(s, &s->buffers[i]);
        walk(&v, s->root);
    }
    if (v.n_wrong == 0)
        check_outputs(&v);

    arena_free(&v.scratch);
    return v.n_wrong == 0;
}
