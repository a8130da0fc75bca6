// passes/pass.c -- the table of passes, and the runner that does everything around one.
//
// Around each pass: ids are made dense, scratch memory is taken back, the time is taken, the result
// is verified, printed and written to a numbered file. Bisection counts the executions that could
// be left out, and leaves out those beyond a limit: halving it finds the pass that broke a program.
#include "passes/pass.h"

#include <stdlib.h>
#include <string.h>

#include "ir/base/errors.h"
#include "ir/base/trace.h"
#include "ir/text.h"

const PassInfo pass_info[PASS_COUNT] = {
// clang-format off
#define PASS(pass, text)  [PASS_##pass] = {.name = #pass, .run = pass_##pass, .doc = text},
#define LOWER(pass, text) [PASS_##pass] = {.name = #pass, .lower = pass_##pass, .doc = text},
#include "passes/passes.def"
    // clang-format on
};

PassId pass_find(const char *name) {
    for (int i = 0; i < PASS_COUNT; i++) {
        if (!strcmp(pass_info[i].name, name))
            return (PassId)i;
    }
    return PASS_COUNT;
}

bool pass_is_needed(PassId id) {
    return id == PASS_inline || id == PASS_grad || id == PASS_map || pass_info[id].lower;
}

// One of `f` and `s` is worked on: a function, or the schedule it becomes.
typedef struct Run {
    IrFunction *f;
    IrSchedule *s;
    const PassOptions *options;
    Diag *diag;
    Arena *report_arena;
    PassReport *report;
    Arena scratch;
    int n_optional; // optional executions so far, for bisection
    int position;   // in the pipeline, for names of dumps
} Run;

static void count_block(IrNode *n, IrBlock *in, void *data) {
    (void)n, (void)in;
    ++*(int *)data;
}

static int count_nodes(const Run *r) {
    if (r->s)
        return r->s->n_kernels;
    int n = 0;
    ir_walk(r->f->body, count_block, &n);
    return n;
}

static void print_subject(const Run *r, Buf *out) {
    IrFunction *f = r->f;

    if (r->s)
        ir_print_schedule(out, r->s, true);
    else
        ir_print_module(out, &(IrModule){.dims = f->dims, .n = 1, .functions = &f}, true);
}

// Prints after `id` to options->print, and writes the numbered file of the dump folder.
static void show(const Run *r, PassId id, bool changed) {
    const PassOptions *o = r->options;
    const char *when = o->print_after;
    bool print = o->print && when &&
                 (!strcmp(when, "all") || !strcmp(when, pass_info[id].name) ||
                  (!strcmp(when, "change") && changed));
    if (!print && !o->dump_dir)
        return;

    Buf text = {0};
    print_subject(r, &text);
    if (print && !changed && strcmp(when, pass_info[id].name))
        fprintf(o->print, "# after %s: unchanged\n", pass_info[id].name);
    else if (print)
        fprintf(o->print, "# after %s\n%s\n", pass_info[id].name, buf_text(&text));

    char why[256] = "";
    if (o->dump_dir) {
        Buf path = {0};
        buf_printf(&path, "%s/%02d-after-%s.gir", o->dump_dir, r->position, pass_info[id].name);
        if (!buf_make_dirs(o->dump_dir, why, sizeof why) ||
            !buf_write_file(buf_text(&path), buf_text(&text), text.len, why, sizeof why))
            diag_error(r->diag, (Loc){0}, E_file, "%s", why);
        buf_free(&path);
    }
    buf_free(&text);
}

// A pass that leaves an invalid graph is our bug: everything that is wrong, then the end.
static void verify(const Run *r, PassId id) {
#ifdef NDEBUG
    if (!r->options->verify_each)
        return;
#endif
    Buf why = {0};

    // a tree is complete only after place
    bool good =
        !r->s ? ir_verify_function(r->f, &why) : id != PASS_place || ir_verify_schedule(r->s, &why);
    if (!good) {
        Buf text = {0};
        print_subject(r, &text);
        fprintf(stderr, "%s\nverify after %s, in @%s:\n%s", buf_text(&text), pass_info[id].name,
                (r->s ? r->s->fn : r->f)->name, buf_text(&why));
        ir_bug(NULL, "pass %s left an invalid %s", pass_info[id].name,
               r->s ? "schedule" : "function");
    }
    buf_free(&why);
}

// False when the pass reported an error; `changed` says whether it did something.
static bool run_one(Run *r, PassId id, bool *changed) {
    const PassOptions *o = r->options;
    *changed = false;
    r->position++;
    if (!pass_is_needed(id)) {
        if (o->disabled[id] || (o->bisect_limit > 0 && r->n_optional >= o->bisect_limit))
            return true;
        r->n_optional++;
    }

    int errors_before = r->diag->n_errors;
    PassStat stat = {.pass = id, .nodes_before = count_nodes(r)};
    PassCtx cx = {.scratch = &r->scratch, .diag = r->diag, .notes = o->notes};
    double start = trace_now();
    if (r->s) {
        stat.changed = pass_info[id].lower(&cx, r->s);
    } else {
        ir_renumber(r->f);
        stat.changed = pass_info[id].run(&cx, r->f);
        ir_renumber(r->f);
    }
    stat.seconds = trace_now() - start;
    trace_span("pass", pass_info[id].name, start);
    stat.nodes_after = count_nodes(r);
    *changed = stat.changed;
    arena_reset(&r->scratch);

    if (r->report)
        arena_push(r->report_arena, r->report->stats, r->report->n, r->report->cap, stat);
    if (r->diag->n_errors > errors_before)
        return false;
    verify(r, id);
    show(r, id, stat.changed);
    if (o->watch && !r->s)
        o->watch(o->watch_data, id, r->position, r->f);
    return true;
}

// Runs the PASS rows of the pipeline, or with a schedule the LOWER rows.
static bool run_rows(Run *r) {
    static const PassOptions quiet;
    if (!r->options)
        r->options = &quiet;
    const PassId *pipeline = r->options->pipeline;
    int n = r->options->n_pipeline;
    if (!pipeline) {
        pipeline = pass_default_pipeline;
        n = pass_default_pipeline_length;
    }

    // files of one program are numbered through
    r->position = r->report ? r->report->n_runs : 0;
    bool good = true, changed;
    for (int i = 0, start = 0; i < n && good; i++) {
        if ((pass_info[pipeline[i]].lower != NULL) != (r->s != NULL))
            continue;
        good = run_one(r, pipeline[i], &changed);
        if (pipeline[i] == PASS_inline)
            start = i + 1;
        else if (changed && (pipeline[i] == PASS_grad || pipeline[i] == PASS_map))
            i = start - 1; // innermost first: what is around comes after what tidies
    }
    if (r->report)
        r->report->n_runs = r->position;
    arena_free(&r->scratch);
    return good;
}

bool pass_run_pipeline(IrFunction *f, const PassOptions *options, Diag *d, Arena *report_arena,
                       PassReport *report) {
    Run r = {.f = f, .options = options, .diag = d, .report_arena = report_arena, .report = report};
    return run_rows(&r);
}

IrSchedule *pass_lower(IrFunction *f, const IrTarget *target, const PassOptions *options, Diag *d,
                       Arena *report_arena, PassReport *report) {
    IrSchedule *s = arena_new(f->arena, IrSchedule);
    s->arena = f->arena;
    s->dims = f->dims;
    s->fn = f;
    s->target = target;

    Run r = {.s = s, .options = options, .diag = d, .report_arena = report_arena, .report = report};
    ir_renumber(f);
    return run_rows(&r) ? s : NULL;
}
