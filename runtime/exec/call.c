// runtime/exec/call.c -- a program bound to a state: memory for its inputs and outputs, and the
// call.
#include "runtime/exec/call.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/trace.h"

struct RtCall {
    const RtProgram *program;
    RtState *state;
    RtPool *pool;
    int n_in, n_out;
    void **inputs, **outputs;         // what the step is given
    RtMemory *in_memory, *out_memory; // memory of our own (zeroed where the state's is used)
    RtMemory arena;
    int64_t *dims;
    BackendCall call;
    atomic_int barrier[2];
};

static size_t max_bytes(const IrFunction *f, const IrType *t) {
    return (size_t)ir_dim_max(ir_type_count(f->dims, t)) * ir_dtype_size(t->dtype);
}

static bool in_state(IrRole role) {
    return role == IR_ROLE_PARAM || role == IR_ROLE_STATE;
}

static void store(void *data, IrDtype dtype, int64_t i, double value) {
    switch (dtype) {
    case IR_F32:
        ((float *)data)[i] = (float)value;
        return;
    case IR_F64:
        ((double *)data)[i] = value;
        return;
    case IR_I32:
        ((int32_t *)data)[i] = (int32_t)value;
        return;
    case IR_BOOL:
        ((uint8_t *)data)[i] = value != 0;
        return;
    case IR_DTYPE_COUNT:
        break;
    }
    diag_bug("element without a dtype");
}

static double load(const void *data, IrDtype dtype, int64_t i) {
    switch (dtype) {
    case IR_F32:
        return (double)((const float *)data)[i];
    case IR_F64:
        return ((const double *)data)[i];
    case IR_I32:
        return ((const int32_t *)data)[i];
    case IR_BOOL:
        return ((const uint8_t *)data)[i];
    case IR_DTYPE_COUNT:
        break;
    }
    diag_bug("element without a dtype");
}

static void *need(void *p) {
    if (!p)
        diag_bug("out of memory");
    return p;
}

RtCall *rt_call_new(const RtProgram *p, RtState *s, RtPool *pool) {
    const IrFunction *f = p->fn;
    RtCall *r = need(calloc(1, sizeof *r));

    *r = (RtCall){
        .program = p, .pool = pool, .n_in = f->body->n_params, .n_out = f->body->n_results};
    r->inputs = need(calloc((size_t)r->n_in + 1, sizeof *r->inputs));
    r->outputs = need(calloc((size_t)r->n_out + 1, sizeof *r->outputs));
    r->in_memory = need(calloc((size_t)r->n_in + 1, sizeof *r->in_memory));
    r->out_memory = need(calloc((size_t)r->n_out + 1, sizeof *r->out_memory));
    r->dims = need(calloc((size_t)f->dims->n_vars + 1, sizeof *r->dims));
    r->arena = rt_memory_new((size_t)p->schedule->arena_bytes);

    for (int i = 0; i < f->dims->n_vars; i++) {
        const IrDimVar *v = f->dims->vars[i];
        r->dims[i] = v->likely ? v->likely : v->max;
    }
    for (int i = 0; i < r->n_in; i++) {
        const IrType *type = &f->body->params[i]->types[0];
        if (in_state(f->inputs[i].role))
            continue;
        r->in_memory[i] = rt_memory_new(max_bytes(f, type));
        r->inputs[i] = r->in_memory[i].data;
        if (f->inputs[i].role == IR_ROLE_SETTING)
            store(r->inputs[i], type->dtype, 0, f->inputs[i].value);
        else
            memset(r->inputs[i], 0, r->in_memory[i].bytes);
    }
    for (int i = 0; i < r->n_out; i++) {
        if (f->outputs[i].role == IR_ROLE_UPDATE)
            continue;
        r->out_memory[i] = rt_memory_new(max_bytes(f, &f->body->results[i]->types[0]));
        r->outputs[i] = r->out_memory[i].data;
    }
    rt_call_bind(r, s);
    return r;
}

void rt_call_free(RtCall *r) {
    if (!r)
        return;
    for (int i = 0; i < r->n_in; i++)
        rt_memory_free(&r->in_memory[i]);
    for (int i = 0; i < r->n_out; i++)
        rt_memory_free(&r->out_memory[i]);
    rt_memory_free(&r->arena);
    free(r->inputs);
    free(r->outputs);
    free(r->in_memory);
    free(r->out_memory);
    free(r->dims);
    free(r);
}

void rt_call_bind(RtCall *r, RtState *s) {
    const IrFunction *f = r->program->fn;

    r->state = s;
    for (int i = 0; i < r->n_in; i++) {
        if (!in_state(f->inputs[i].role))
            continue;
        const RtTensor *t = s ? rt_state_find(s, f->inputs[i].name) : NULL;
        size_t bytes = max_bytes(f, &f->body->params[i]->types[0]);
        if (!t || t->bytes != bytes)
            diag_bug("program '%s' needs '%s' of %zu bytes, which its state does not have",
                     r->program->name, f->inputs[i].name, bytes);
        r->inputs[i] = t->data;
    }
    for (int i = 0; i < r->n_out; i++)
        if (f->outputs[i].role == IR_ROLE_UPDATE)
            r->outputs[i] = r->inputs[f->outputs[i].target];
}

int rt_call_find_input(const RtCall *r, const char *name) {
    const IrFunction *f = r->program->fn;

    for (int i = 0; i < r->n_in; i++)
        if ((f->inputs[i].role == IR_ROLE_INPUT || f->inputs[i].role == IR_ROLE_DRAW) &&
            strcmp(f->inputs[i].name, name) == 0)
            return i;
    return -1;
}

int rt_call_find_output(const RtCall *r, const char *name) {
    const IrFunction *f = r->program->fn;

    for (int i = 0; i < r->n_out; i++)
        if (f->outputs[i].role != IR_ROLE_UPDATE && strcmp(f->outputs[i].name, name) == 0)
            return i;
    return -1;
}

bool rt_call_set_dim(RtCall *r, const char *name, int64_t value) {
    const IrDims *ds = r->program->fn->dims;

    for (int i = 0; i < ds->n_vars; i++) {
        if (strcmp(ds->vars[i]->name, name) != 0)
            continue;
        if (value < 0 || value > ds->vars[i]->max)
            diag_bug("program '%s': dim %s = %lld is not within 0 and %lld", r->program->name, name,
                     (long long)value, (long long)ds->vars[i]->max);
        r->dims[i] = value;
        return true;
    }
    return false;
}

bool rt_call_set_setting(RtCall *r, const char *name, double value) {
    const IrFunction *f = r->program->fn;

    for (int i = 0; i < r->n_in; i++)
        if (f->inputs[i].role == IR_ROLE_SETTING && strcmp(f->inputs[i].name, name) == 0) {
            store(r->inputs[i], f->body->params[i]->types[0].dtype, 0, value);
            return true;
        }
    return false;
}

int64_t rt_call_dim(const RtCall *r, const IrDim *dim) {
    return ir_dim_eval(dim, r->dims);
}

void *rt_call_input_data(RtCall *r, int i) {
    return r->inputs[i];
}

const void *rt_call_output_data(const RtCall *r, int i) {
    return r->outputs[i];
}

static int64_t count_of(const RtCall *r, const IrNode *n) {
    int64_t count = 1;

    for (int i = 0; i < n->types[0].rank; i++)
        count *= ir_dim_eval(n->types[0].dims[i], r->dims);
    return count;
}

int64_t rt_call_input_count(const RtCall *r, int i) {
    return count_of(r, r->program->fn->body->params[i]);
}

int64_t rt_call_output_count(const RtCall *r, int i) {
    return count_of(r, r->program->fn->body->results[i]);
}

void rt_call_put(RtCall *r, int input, const double *values, int64_t n) {
    IrDtype dtype = r->program->fn->body->params[input]->types[0].dtype;

    for (int64_t i = 0; i < n; i++)
        store(r->inputs[input], dtype, i, values[i]);
}

void rt_call_put_at(RtCall *r, int input, int64_t i, double value) {
    store(r->inputs[input], r->program->fn->body->params[input]->types[0].dtype, i, value);
}

void rt_call_get(const RtCall *r, int output, double *values, int64_t n) {
    IrDtype dtype = r->program->fn->body->results[output]->types[0].dtype;

    for (int64_t i = 0; i < n; i++)
        values[i] = load(r->outputs[output], dtype, i);
}

static void enter(void *data, int thread, int n) {
    RtCall *r = data;

    (void)n;
    r->program->backend->run(r->program->step, &r->call, thread);
}

void rt_call_run(RtCall *r, uint64_t seed, uint64_t call) {
    int n = r->pool && r->program->has_pieces ? rt_pool_size(r->pool) : 1;

    r->call = (BackendCall){.inputs = r->inputs,
                            .outputs = r->outputs,
                            .dims = r->dims,
                            .arena = r->arena.data,
                            .seed = seed,
                            .call = call,
                            .n_threads = n,
                            .barrier = r->barrier};
    atomic_store(&r->barrier[0], 0);
    atomic_store(&r->barrier[1], 0);
    double start = trace_now();
    if (n > 1)
        rt_pool_run(r->pool, n, enter, r);
    else
        enter(r, 0, 1);
    trace_span("step", r->program->name, start);
}
