// runtime/exec/program.c -- an entry of a world as compiled code.
#include "runtime/exec/program.h"

#include <stdio.h>
#include <string.h>

#include "ir/base/trace.h"
#include "passes/bind_draws.h"
#include "runtime/exec/call.h"

// Counts kernel calls, work and pieces of a tree; `times` is how often it is run.
static void measure(RtProgram *p, const IrTree *t, const int64_t *likely, double times) {
    if (t->kind == IR_TREE_KERNEL) {
        const IrKernelCall *c = t->call;
        int n = c->kernel->dims->n_vars;
        int64_t values[64];

        for (int i = 0; i < n && i < 64; i++)
            values[i] = ir_dim_eval(c->dims[i], likely);
        p->n_calls++;
        p->flops += times * ir_kernel_flops(c->kernel, values);
        p->bytes += times * ir_kernel_bytes(c->kernel, values);
    }
    p->has_pieces |= t->kind == IR_TREE_PAR;
    if (t->kind == IR_TREE_LOOP)
        times *= (double)ir_dim_eval(t->steps, likely);
    for (int i = 0; i < t->n; i++)
        measure(p, t->children[i], likely, times);
}

// Runs one part of the pipeline.
static bool run_passes(RtProgram *p, Arena *a, const RtProgramDef *def, const PassId *list, int n,
                       Diag *d) {
    PassOptions options = def->passes;

    options.pipeline = list;
    options.n_pipeline = n;
    return pass_run_pipeline(p->fn, &options, d, a, &p->passes);
}

RtProgram *rt_program_from(Arena *a, IrFunction *fn, Diag *d, const RtProgramDef *def, char *why,
                           size_t why_size) {
    RtProgram *p = arena_new(a, RtProgram);

    p->name = fn->name;
    p->fn = fn;
    p->backend = def->backend;
    p->draws_found = arena_array(a, bool, def->n_draws);
    why[0] = '\0';
    if (!def->backend->open(why, why_size))
        return NULL;

    // draws are bound when their whole path is known and their loops still stand
    static const PassId first[] = {PASS_inline};
    const PassId *rest = def->passes.pipeline ? def->passes.pipeline : pass_default_pipeline;
    int n_rest = def->passes.pipeline ? def->passes.n_pipeline : pass_default_pipeline_length;
    if (def->n_draws > 0) {
        if (!run_passes(p, a, def, first, 1, d))
            return NULL;
        bind_draws(fn, def->draws, def->n_draws, p->draws_found);
    }
    if (!run_passes(p, a, def, rest, n_rest, d))
        return NULL;
    if (!(p->schedule = pass_lower(fn, &def->backend->target, &def->passes, d, a, &p->passes)))
        return NULL;

    // sizes for reports
    int64_t *likely = arena_array(a, int64_t, p->schedule->dims->n_vars + 1);
    for (int i = 0; i < p->schedule->dims->n_vars; i++) {
        const IrDimVar *v = p->schedule->dims->vars[i];
        likely[i] = v->likely ? v->likely : v->max;
    }
    measure(p, p->schedule->root, likely, 1);

    double start = trace_now();
    p->step = def->backend->compile(p->schedule, &def->options, &p->code, why, why_size);
    trace_span("stage", "code", start);
    return p->step ? p : NULL;
}

RtProgram *rt_program_new(Arena *a, LangWorld *w, Diag *d, const LangRequest *request,
                          const RtProgramDef *def, char *why, size_t why_size) {
    double start = trace_now();
    IrModule *m = lang_elaborate(w, d, request);
    double read_seconds = trace_now() - start;
    trace_span("stage", "read", start);

    why[0] = '\0';
    if (!m)
        return NULL;
    RtProgram *p = rt_program_from(a, m->functions[m->n - 1], d, def, why, why_size);
    if (!p)
        return NULL;
    p->read_seconds = read_seconds;
    p->name = !request->name ? "initial values"
              : request->instance && request->instance[0]
                  ? arena_printf(a, "%s.%s", request->instance, request->name)
                  : arena_strdup(a, request->name);
    return p;
}

void rt_program_free(RtProgram *p) {
    if (p && p->step)
        p->backend->free(p->step);
    if (p)
        p->step = NULL;
}

RtState *rt_initial_state(Arena *a, LangWorld *w, Diag *d, uint64_t seed, char *why,
                          size_t why_size) {
    LangRequest request = {.instance = ""};
    RtProgramDef def = {.backend = &ref_backend};
    RtProgram *p = rt_program_new(a, w, d, &request, &def, why, why_size);

    if (!p)
        return NULL;

    // outputs of the program are the entries
    RtState *s = rt_state_new(p->fn);
    RtCall *call = rt_call_new(p, NULL, NULL);
    rt_call_run(call, seed, 0);
    for (int i = 0; i < s->n; i++)
        memcpy(s->tensors[i].data, rt_call_output_data(call, i), s->tensors[i].bytes);
    rt_call_free(call);
    rt_program_free(p);
    return s;
}
