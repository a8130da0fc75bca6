// codegen/llvm_step.c -- the tree of a schedule as one native function.
#include "codegen/llvm_step.h"

#include <stdio.h>
#include <string.h>

#include "codegen/backend.h"
#include "codegen/llvm_dims.h"
#include "codegen/llvm_kernel.h"
#include "ir/random.h"

typedef struct Step {
    LlvmFn *f;
    const IrSchedule *s;
    Arena arena;
    LlvmDims dims;
    LLVMValueRef inputs, outputs, memory, seed, number, n_threads, barrier, thread; // of the call
    LLVMValueRef *buffers; // for each: its first element
    LLVMValueRef *loops;   // index of each open loop
    LLVMValueRef from, to; // rows of the piece, NULL outside of `par`
    LLVMValueRef wait;     // the barrier function
    LLVMTypeRef wait_type, kernel_type;
} Step;

// ---- barrier ------------------------------------------------------------------------------------

static LLVMValueRef load_word(LlvmFn *f, LLVMValueRef pointer, LLVMAtomicOrdering order) {
    LLVMValueRef x = llvm_load(f, f->i32, pointer, 4);
    LLVMSetOrdering(x, order);
    return x;
}

static void store_word(LlvmFn *f, LLVMValueRef x, LLVMValueRef pointer, LLVMAtomicOrdering order) {
    LLVMValueRef store = LLVMBuildStore(f->b, x, pointer);
    LLVMSetAlignment(store, 4);
    LLVMSetOrdering(store, order);
}

static void call_void(LlvmFn *f, const char *name) {
    LLVMTypeRef type = LLVMFunctionType(f->i32, NULL, 0, false);
    LLVMValueRef fn = LLVMGetNamedFunction(f->module, name);
    if (!fn)
        fn = LLVMAddFunction(f->module, name, type);
    LLVMBuildCall2(f->b, type, fn, NULL, 0, "");
}

static void pause_briefly(LlvmFn *f) {
    if (strncmp(f->target->triple, "x86_64", 6) != 0)
        return;
    unsigned id = LLVMLookupIntrinsicID("llvm.x86.sse2.pause", strlen("llvm.x86.sse2.pause"));
    LLVMValueRef fn = LLVMGetIntrinsicDeclaration(f->module, id, NULL, 0);
    LLVMBuildCall2(f->b, LLVMGlobalGetValueType(fn), fn, NULL, 0, "");
}

// Spins until the generation changes; after a while each turn gives the core away.
static void wait_for_next(LlvmFn *f, LLVMValueRef word, LLVMValueRef generation) {
    LLVMBasicBlockRef before = LLVMGetInsertBlock(f->b);
    LLVMBasicBlockRef spin = LLVMAppendBasicBlockInContext(f->context, f->fn, "spin");
    LLVMBasicBlockRef yield = LLVMAppendBasicBlockInContext(f->context, f->fn, "yield");
    LLVMBasicBlockRef again = LLVMAppendBasicBlockInContext(f->context, f->fn, "again");
    LLVMBasicBlockRef open = LLVMAppendBasicBlockInContext(f->context, f->fn, "open");
    LLVMValueRef zero = LLVMConstInt(f->i32, 0, false);
    LLVMBuildBr(f->b, spin);

    LLVMPositionBuilderAtEnd(f->b, spin);
    LLVMValueRef turns = LLVMBuildPhi(f->b, f->i32, "turns");
    pause_briefly(f);
    LLVMValueRef now = load_word(f, word, LLVMAtomicOrderingAcquire);
    LLVMValueRef more =
        LLVMBuildICmp(f->b, LLVMIntULT, turns, LLVMConstInt(f->i32, BACKEND_SPINS, 0), "");
    LLVMValueRef next = LLVMBuildAdd(f->b, turns, LLVMBuildZExt(f->b, more, f->i32, ""), "");
    LLVMBasicBlockRef check = LLVMAppendBasicBlockInContext(f->context, f->fn, "check");
    LLVMBuildCondBr(f->b, LLVMBuildICmp(f->b, LLVMIntEQ, now, generation, ""), check, open);

    LLVMPositionBuilderAtEnd(f->b, check);
    LLVMBuildCondBr(f->b, more, again, yield);
    LLVMPositionBuilderAtEnd(f->b, yield);
    call_void(f, "sched_yield");
    LLVMBuildBr(f->b, again);
    LLVMPositionBuilderAtEnd(f->b, again);
    LLVMBuildBr(f->b, spin);
    LLVMAddIncoming(turns, (LLVMValueRef[]){zero, next}, (LLVMBasicBlockRef[]){before, again}, 2);
    LLVMPositionBuilderAtEnd(f->b, open);
}

// void wait(ptr words, i32 n): arrived count and generation, as in codegen/barrier.c.
static void emit_barrier_function(Step *c) {
    LlvmFn *f = c->f;
    LLVMTypeRef in[] = {f->ptr, f->i32};
    c->wait_type = LLVMFunctionType(f->nothing, in, 2, false);
    llvm_fn_begin(f, "wait_for_all", c->wait_type);
    c->wait = f->fn;
    LLVMSetLinkage(f->fn, LLVMInternalLinkage);

    LLVMValueRef words = LLVMGetParam(f->fn, 0), n = LLVMGetParam(f->fn, 1);
    LLVMValueRef one = LLVMConstInt(f->i32, 1, false);
    LLVMValueRef word = llvm_byte(f, words, 4);
    LLVMBasicBlockRef done = llvm_if_begin(f, llvm_less(f, one, n), "several");
    LLVMValueRef generation = load_word(f, word, LLVMAtomicOrderingMonotonic);
    LLVMValueRef arrived = LLVMBuildAtomicRMW(f->b, LLVMAtomicRMWBinOpAdd, words, one,
                                              LLVMAtomicOrderingAcquireRelease, false);
    LLVMValueRef last = llvm_equal(f, arrived, llvm_sub(f, n, one));
    LLVMBasicBlockRef release = LLVMAppendBasicBlockInContext(f->context, f->fn, "last");
    LLVMBasicBlockRef others = LLVMAppendBasicBlockInContext(f->context, f->fn, "others");
    LLVMBuildCondBr(f->b, last, release, others);

    // the last one resets the count before it opens the gate
    LLVMPositionBuilderAtEnd(f->b, release);
    store_word(f, LLVMConstInt(f->i32, 0, false), words, LLVMAtomicOrderingMonotonic);
    store_word(f, llvm_add(f, generation, one), word, LLVMAtomicOrderingRelease);
    LLVMBuildBr(f->b, done);

    LLVMPositionBuilderAtEnd(f->b, others);
    wait_for_next(f, word, generation);
    llvm_if_end(f, done);
    llvm_fn_end(f);
}

// ---- arguments ----------------------------------------------------------------------------------

static LLVMValueRef pointer_at(LlvmFn *f, LLVMValueRef array, int index) {
    return llvm_load(f, f->ptr, llvm_byte(f, array, 8 * (int64_t)index), 8);
}

// First element of a buffer, computed in the entry block.
static LLVMValueRef buffer_pointer(Step *c, int index) {
    if (c->buffers[index])
        return c->buffers[index];
    LlvmFn *f = c->f;
    const IrBuffer *b = &c->s->buffers[index];
    LLVMBuilderRef here = f->b;
    f->b = f->entry;
    LLVMValueRef x = NULL;

    switch (b->storage) {
    case IR_STORAGE_INPUT:
        x = pointer_at(f, c->inputs, b->slot);
        break;
    case IR_STORAGE_OUTPUT:
        if (c->s->update_in_place && c->s->update_in_place[b->slot])
            x = pointer_at(f, c->inputs, c->s->fn->outputs[b->slot].target);
        else
            x = pointer_at(f, c->outputs, b->slot);
        break;
    case IR_STORAGE_ARENA:
        x = llvm_byte(f, c->memory, b->offset);
        break;
    case IR_STORAGE_COUNT:
        break;
    }
    f->b = here;
    c->buffers[index] = x;
    return x;
}

static LLVMValueRef argument(Step *c, const IrCallArg *a, LLVMTypeRef element) {
    LlvmFn *f = c->f;
    LLVMValueRef offset = llvm_dims_value(&c->dims, a->offset);
    for (int i = 0; i < a->n_loops; i++) {
        LLVMValueRef stride = llvm_dims_value(&c->dims, a->strides[i]);
        offset = llvm_add(f, offset, llvm_mul(f, c->loops[a->loops[i]], stride));
    }
    return llvm_at(f, element, buffer_pointer(c, a->buffer), offset);
}

static LLVMValueRef integer(Step *c, const IrCallInt *x) {
    LlvmFn *f = c->f;
    switch (x->kind) {
    case IR_INT_LOOP:
        return c->loops[x->loop];
    case IR_INT_HASH:
        return llvm_int(f, (int64_t)x->hash);
    case IR_INT_KEY: {
        LLVMValueRef site = llvm_int(f, (int64_t)ir_random_mix(x->hash));
        LLVMValueRef key = llvm_random_mix(f, LLVMBuildXor(f->b, c->seed, site, ""));
        for (int i = 0; i < x->n_loops; i++) {
            LLVMValueRef loop = llvm_int(f, (int64_t)x->loop_hashes[i]);
            LLVMValueRef at = llvm_add(f, loop, c->loops[x->loops[i]]);
            key = llvm_add(f, key, llvm_random_mix(f, at));
        }
        return key;
    }
    case IR_INT_COUNT:
        break;
    }
    diag_bug("no such integer argument");
}

// What no loop changes is written in the entry block.
static void write_args(Step *c, const IrKernelCall *call, LLVMValueRef args) {
    LlvmFn *f = c->f;
    for (int i = 0; i < call->kernel->n_args; i++) {
        const IrCallArg *a = &call->args[i];
        LLVMTypeRef element = llvm_memory_type(f, call->kernel->args[i].dtype);
        LLVMBuilderRef here = f->b;
        if (a->n_loops == 0)
            f->b = f->entry;
        llvm_store(f, argument(c, a, element), llvm_byte(f, args, 8 * (int64_t)i), 8);
        f->b = here;
    }
}

static bool changes(const IrCallInt *x) {
    return x->kind == IR_INT_LOOP || (x->kind == IR_INT_KEY && x->n_loops > 0);
}

static void write_ints(Step *c, const IrKernelCall *call, LLVMValueRef ints) {
    LlvmFn *f = c->f;
    const IrKernel *k = call->kernel;
    LLVMBuilderRef here = f->b;
    int at = 0;

    f->b = f->entry;
    for (int i = 0; i < k->dims->n_vars; i++, at++)
        llvm_store(f, llvm_dims_value(&c->dims, call->dims[i]), llvm_byte(f, ints, 8L * at), 8);
    for (int i = 0; i < k->n_ints; i++, at++) {
        f->b = changes(&call->ints[i]) ? here : f->entry;
        llvm_store(f, integer(c, &call->ints[i]), llvm_byte(f, ints, 8L * at), 8);
    }
    f->b = f->entry;
    llvm_store(f, c->number, llvm_byte(f, ints, 8L * at), 8);
    f->b = here;
}

// ---- tree ---------------------------------------------------------------------------------------

static LLVMValueRef kernel_function(Step *c, const IrKernel *k) {
    char name[32];
    llvm_kernel_symbol(k, name);
    LLVMValueRef fn = LLVMGetNamedFunction(c->f->module, name);
    return fn ? fn : LLVMAddFunction(c->f->module, name, c->kernel_type);
}

// Value of a dim of the kernel, whose variables the call gives; computed in the entry block.
static LLVMValueRef kernel_size(Step *c, const IrKernelCall *call, const IrDim *d) {
    LlvmFn *f = c->f;
    const IrDimTerm *terms;
    int n = ir_dim_terms(d, &terms);
    LLVMBuilderRef here = f->b;
    f->b = f->entry;

    LLVMValueRef sum = llvm_int(f, 0);
    for (int t = 0; t < n; t++) {
        LLVMValueRef x = llvm_int(f, terms[t].coefficient);
        for (int i = 0; i < terms[t].n_factors; i++) {
            IrDim *size = call->dims[terms[t].factors[i]->index];
            x = llvm_mul(f, x, llvm_dims_value(&c->dims, size));
        }
        sum = llvm_add(f, sum, x);
    }
    f->b = here;
    return sum;
}

static void emit_call(Step *c, const IrKernelCall *call) {
    LlvmFn *f = c->f;
    const IrKernel *k = call->kernel;
    char name[64];
    snprintf(name, sizeof name, "args.%s", k->name);
    LLVMValueRef args = llvm_alloca(f, LLVMArrayType2(f->ptr, (uint64_t)k->n_args + 1), name);
    uint64_t n_ints = (uint64_t)(k->dims->n_vars + k->n_ints + 1);
    LLVMValueRef ints = llvm_alloca(f, LLVMArrayType2(f->i64, n_ints), "ints");
    LLVMSetAlignment(args, 8);
    LLVMSetAlignment(ints, 8);
    write_args(c, call, args);
    write_ints(c, call, ints);

    // a piece, or the whole of axis 0
    LLVMValueRef from = c->from, to = c->to;
    if (!from) {
        from = llvm_int(f, 0);
        to = llvm_int(f, 1);
        if (ir_kernel_n_parallel(k) > 0)
            to = kernel_size(c, call, k->axes[0].extent);
    }
    LLVMValueRef in[] = {args, ints, from, to};
    LLVMValueRef fn = kernel_function(c, k);
    LLVMValueRef x = LLVMBuildCall2(f->b, c->kernel_type, fn, in, 4, "");
    LLVMMetadataRef text = LLVMMDStringInContext2(f->context, k->name, strlen(k->name));
    LLVMMetadataRef node = LLVMMDNodeInContext2(f->context, &text, 1);
    LLVMSetMetadata(x, LLVMGetMDKindIDInContext(f->context, "kernel", 6),
                    LLVMMetadataAsValue(f->context, node));
}

static void emit_tree(Step *c, const IrTree *t);

// Leaves the loop where the bool is true.
static void emit_end(Step *c, const IrTree *t, const LlvmLoop *loop) {
    LlvmFn *f = c->f;
    LLVMValueRef end = llvm_load(f, f->i8, argument(c, &t->until, f->i8), 1);
    LLVMBasicBlockRef step = LLVMAppendBasicBlockInContext(f->context, f->fn, "step");
    LLVMValueRef zero = LLVMConstInt(f->i8, 0, false);
    LLVMBuildCondBr(f->b, LLVMBuildICmp(f->b, LLVMIntEQ, end, zero, ""), step, loop->done);
    LLVMPositionBuilderAtEnd(f->b, step);
}

static void emit_loop(Step *c, const IrTree *t) {
    LlvmFn *f = c->f;
    LLVMValueRef steps = llvm_dims_value(&c->dims, t->steps);
    LlvmLoop loop =
        llvm_loop_begin(f, llvm_int(f, 0), steps, llvm_int(f, 1), t->name ? t->name : "loop");
    c->loops[t->loop] = loop.index;
    if (t->reverse)
        c->loops[t->loop] = llvm_sub(f, llvm_sub(f, steps, llvm_int(f, 1)), loop.index);
    if (t->ends)
        emit_end(c, t, &loop);
    for (int i = 0; i < t->n; i++)
        emit_tree(c, t->children[i]);
    llvm_loop_end(f, &loop);
}

// Piece p belongs to thread p % n_threads.
static void emit_par(Step *c, const IrTree *t) {
    LlvmFn *f = c->f;
    LLVMValueRef rows = llvm_dims_value(&c->dims, t->rows);
    LLVMValueRef grain = llvm_int(f, t->grain > 0 ? t->grain : 1);
    LLVMValueRef thread = LLVMBuildSExt(f->b, c->thread, f->i64, "");
    LLVMValueRef n_threads = LLVMBuildSExt(f->b, c->n_threads, f->i64, "");

    LlvmLoop loop = llvm_loop_begin(f, llvm_mul(f, thread, grain), rows,
                                    llvm_mul(f, n_threads, grain), "piece");
    c->from = loop.index;
    c->to = llvm_min_int(f, llvm_add(f, loop.index, grain), rows);
    for (int i = 0; i < t->n; i++)
        emit_tree(c, t->children[i]);
    c->from = c->to = NULL;
    llvm_loop_end(f, &loop);
}

static void emit_children(Step *c, const IrTree *t) {
    for (int i = 0; i < t->n; i++)
        emit_tree(c, t->children[i]);
}

static void emit_tree(Step *c, const IrTree *t) {
    LlvmFn *f = c->f;
    switch (t->kind) {
    case IR_TREE_SEQ:
        emit_children(c, t);
        return;
    case IR_TREE_LOOP:
        emit_loop(c, t);
        return;
    case IR_TREE_PAR:
        emit_par(c, t);
        return;
    case IR_TREE_BARRIER: {
        LLVMValueRef in[] = {c->barrier, c->n_threads};
        LLVMBuildCall2(f->b, c->wait_type, c->wait, in, 2, "");
        return;
    }
    case IR_TREE_KERNEL:
        // inside `par` by the piece's thread, else by the first
        if (c->from) {
            emit_call(c, t->call);
        } else {
            LLVMValueRef zero = LLVMConstInt(f->i32, 0, false);
            LLVMBasicBlockRef done = llvm_if_begin(f, llvm_equal(f, c->thread, zero), "first");
            emit_call(c, t->call);
            llvm_if_end(f, done);
        }
        return;
    case IR_TREE_COUNT:
        break;
    }
    diag_bug("no such tree");
}

// ---- the function -------------------------------------------------------------------------------

static LLVMValueRef field(LlvmFn *f, LLVMTypeRef type, LLVMValueRef call, size_t offset, int align,
                          const char *name) {
    LLVMValueRef x = llvm_load(f, type, llvm_byte(f, call, (int64_t)offset), align);
    LLVMSetValueName2(x, name, strlen(name));
    return x;
}

static void read_call(Step *c, LLVMValueRef call) {
    LlvmFn *f = c->f;
    LLVMBuilderRef here = f->b;
    f->b = f->entry;
    c->inputs = field(f, f->ptr, call, offsetof(BackendCall, inputs), 8, "inputs");
    c->outputs = field(f, f->ptr, call, offsetof(BackendCall, outputs), 8, "outputs");
    c->dims.values = field(f, f->ptr, call, offsetof(BackendCall, dims), 8, "dims");
    c->memory = field(f, f->ptr, call, offsetof(BackendCall, arena), 8, "arena");
    c->seed = field(f, f->i64, call, offsetof(BackendCall, seed), 8, "seed");
    c->number = field(f, f->i64, call, offsetof(BackendCall, call), 8, "call");
    c->n_threads = field(f, f->i32, call, offsetof(BackendCall, n_threads), 4, "n_threads");
    c->barrier = field(f, f->ptr, call, offsetof(BackendCall, barrier), 8, "barrier");
    f->b = here;
}

void llvm_step_emit(LlvmFn *f, const IrSchedule *s) {
    Step c = {.f = f, .s = s};
    c.dims = (LlvmDims){.f = f, .arena = &c.arena};
    c.buffers = arena_array(&c.arena, LLVMValueRef, s->n_buffers);
    c.loops = arena_array(&c.arena, LLVMValueRef, s->n_loops);
    LLVMTypeRef kernel[] = {f->ptr, f->ptr, f->i64, f->i64};
    c.kernel_type = LLVMFunctionType(f->nothing, kernel, 4, false);
    emit_barrier_function(&c);

    LLVMTypeRef in[] = {f->ptr, f->i32};
    llvm_fn_begin(f, "step", LLVMFunctionType(f->nothing, in, 2, false));
    c.thread = LLVMGetParam(f->fn, 1);
    LLVMSetValueName2(LLVMGetParam(f->fn, 0), "call", 4);
    LLVMSetValueName2(c.thread, "thread", 6);
    read_call(&c, LLVMGetParam(f->fn, 0));
    emit_tree(&c, s->root);
    llvm_fn_end(f);
    arena_free(&c.arena);
}
