// tests/support_graph.c -- graphs from text for tests, passes run on them, and what they compute.
#include "tests/support_graph.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ir/text.h"

IrModule *graph_parse(Arena *a, Diag *d, const char *text) {
    IrModule *m = ir_parse_module(a, d, "test.gir", text, strlen(text));
    if (!m) {
        diag_print(d, stderr, false);
        ck_abort_msg("the graph does not parse");
    }
    return m;
}

IrFunction *graph_entry(const IrModule *m) {
    return m->functions[m->n - 1];
}

static void verify(const IrFunction *f) {
    Buf why = {0};
    if (!ir_verify_function(f, &why)) {
        Buf text = {0};
        ir_print_function(&text, f, false);
        fprintf(stderr, "%s\n%s", buf_text(&text), buf_text(&why));
        ck_abort_msg("a pass left a graph that is not valid");
    }
    buf_free(&why);
}

IrFunction *graph_after(Arena *a, const IrFunction *f, PassFn *const *passes) {
    IrFunction *g = ir_clone_function(a, f);
    ir_renumber(g);
    for (int i = 0; passes[i]; i++) {
        Arena scratch = {0};
        Diag d = {0};
        PassCtx cx = {.scratch = &scratch, .diag = &d};
        bool changed = passes[i](&cx, g);
        if (d.n_errors) {
            diag_print(&d, stderr, false);
            ck_abort_msg("a pass reported an error");
        }
        verify(g);
        diag_free(&d);
        arena_free(&scratch);
        if (changed && (passes[i] == pass_grad || passes[i] == pass_map))
            i = -1; // as the runner: the innermost first, what is around comes later
    }
    return g;
}

double graph_distance(const IrFunction *f, const IrFunction *g, int64_t size, uint64_t salt) {
    Arena a = {0};
    int64_t *dims = arena_array(&a, int64_t, f->dims->n_vars);
    for (int i = 0; i < f->dims->n_vars; i++) {
        dims[i] = size ? size + i : 0;
        if (dims[i] > f->dims->vars[i]->max)
            dims[i] = f->dims->vars[i]->max;
    }
    Eval e = {.arena = &a, .dims = dims, .seed = 7, .call = 3};
    EvalTensor **in = eval_random_inputs(&e, f, salt);
    EvalTensor **x = eval_function(&e, f, in), **y = eval_function(&e, g, in);

    double most = f->body->n_results == g->body->n_results ? 0 : INFINITY;
    for (int i = 0; i < f->body->n_results && most < INFINITY; i++) {
        double d = eval_distance(x[i], y[i]);
        most = d > most ? d : most;
    }
    arena_free(&a);
    return most;
}

typedef struct Count {
    IrOp op;
    int n;
} Count;

static void count_node(IrNode *n, IrBlock *in, void *data) {
    (void)in;
    Count *c = data;
    c->n += n->op == c->op;
}

int graph_count(IrFunction *f, IrOp op) {
    Count c = {.op = op};
    ir_walk(f->body, count_node, &c);
    return c.n;
}
