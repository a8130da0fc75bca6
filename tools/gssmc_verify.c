// tools/gssmc_verify.c -- gssmc verify: every back end and every pass against the reference
// interpreter.
//
// The truth of an entry is the interpreter's result at f64 without any optional pass. It is
// compared with the other back ends and precisions, with each optional pass left out, and with the
// graph after each pass. What native code does with two threads, and with three, is compared bit by
// bit with what it does with one.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/exits.h"
#include "ir/lang/signature.h"
#include "runtime/exec/numeric.h"
#include "tools/gssmc.h"

enum { MOST = 9, MAX_SIZES = 5, MAX_WAYS = PASS_COUNT + 8 };

// A way to compile an entry.
typedef struct Way {
    const char *name; // "cpu f64 --disable-pass=cse"
    Backend *backend;
    bool narrow;     // f32
    bool bare;       // no optional pass
    bool as_planned; // maxima as declared, sizes as likely: work for several threads
    bool bits;       // two and three threads against one
    bool watched;    // evaluate after each pass
    bool blas;
    PassId without; // PASS_COUNT: none

    // what was found
    double worst;
    IrSlot at;       // the output that differs most
    int size;        // and the set of sizes there
    bool failed;     // above the tolerance, or other bits
    const char *why; // where it could not be compiled
    RtNumeric numeric;
} Way;

typedef struct Values {
    int64_t *counts;
    double **values;
} Values;

typedef struct Verify {
    const OptCommand *self;
    Gssmc wide, narrow; // worlds at f64 and f32
    const char *file;
    uint64_t seed;
    double tolerance[2]; // f64, f32
    bool json, named;
    int n_printed;
    int code;

    // the entry
    Arena arena;
    Way ways[MAX_WAYS];
    int n_ways;
    IrFunction *fn; // as the language gives it, at f64
    bool draws;
    int n_sizes;
    int64_t *sizes[MAX_SIZES];
    RtPoint points[MAX_SIZES];
    RtState *state[2];          // memory for f64 and f32
    Values truth[2][MAX_SIZES]; // f64 and f32
} Verify;

// ---- programs -----------------------------------------------------------------------------------

static IrFunction *elaborate(Gssmc *g, Diag *d, const char *name) {
    LangRequest request = {.instance = "", .name = name};
    IrModule *m = lang_elaborate(g->world, d, &request);

    return m ? m->functions[m->n - 1] : NULL;
}

static RtProgram *build(Verify *v, Way *w, const char *name, Diag *d, char *why, size_t why_size) {
    static const PassId bare[] = {PASS_inline, PASS_grad,     PASS_map,
                                  PASS_fuse,   PASS_schedule, PASS_place};
    Gssmc *g = w->narrow ? &v->narrow : &v->wide;
    IrFunction *f = elaborate(g, d, name);
    RtProgramDef def = g->def;

    if (!f)
        return NULL;
    if (!w->as_planned)
        rt_point_cap(f, NULL, MOST);
    def.backend = w->backend;
    def.options.gemm_blas = w->blas;
    def.passes.verify_each = true;
    if (w->bare) {
        def.passes.pipeline = bare;
        def.passes.n_pipeline = sizeof bare / sizeof *bare;
    }
    if (w->without != PASS_COUNT)
        def.passes.disabled[w->without] = true;
    if (w->watched) {
        w->numeric = (RtNumeric){.seed = v->seed, .tolerance = v->tolerance[w->narrow]};
        def.passes.watch = rt_numeric_watch;
        def.passes.watch_data = &w->numeric;
    }
    RtProgram *p = w->backend->open(why, why_size)
                       ? rt_program_from(&v->arena, f, d, &def, why, why_size)
                       : NULL;
    rt_numeric_end(&w->numeric);
    return p;
}

static Values run(Verify *v, const RtProgram *p, RtState *state, RtPool *pool,
                  const RtPoint *point) {
    RtCall *call = rt_call_new(p, state, pool);
    int n = p->fn->body->n_results;
    Values out = {.counts = arena_array(&v->arena, int64_t, n + 1),
                  .values = arena_array(&v->arena, double *, n + 1)};

    rt_point_put(point, call);
    rt_call_run(call, v->seed, 0);
    for (int i = 0; i < n; i++) {
        out.counts[i] = rt_call_output_count(call, i);
        out.values[i] = arena_array(&v->arena, double, out.counts[i] + 1);
        rt_call_get(call, i, out.values[i], out.counts[i]);
    }
    rt_call_free(call);
    return out;
}

// ---- comparison ---------------------------------------------------------------------------------

static void compare(Verify *v, Way *w, const RtProgram *p, int size, Values got) {
    for (int i = 0; i < p->fn->body->n_results; i++) {
        bool real = ir_dtype_is_real(p->fn->body->results[i]->types[0].dtype);

        // draws at f32 are other numbers, and whole numbers may be beside a rounding
        const Values *truth = &v->truth[w->narrow && (!real || v->draws)][size];
        double error = rt_numeric_distance(got.values[i], truth->values[i], got.counts[i]);
        if (error > w->worst || !w->at.name) {
            w->worst = error;
            w->at = p->fn->outputs[i];
            w->size = size;
        }
    }
    w->failed = w->failed || !(w->worst <= v->tolerance[w->narrow]);
}

static bool same_bits(const Values *a, const Values *b, int i) {
    return memcmp(a->values[i], b->values[i], (size_t)a->counts[i] * sizeof(double)) == 0;
}

static void compare_threads(Verify *v, Way *w, const RtProgram *p) {
    const IrFunction *f = p->fn;
    int64_t *dims = arena_array(&v->arena, int64_t, f->dims->n_vars + 1);
    RtPoint point;
    char why[256];

    for (int i = 0; i < f->dims->n_vars; i++) {
        const IrDimVar *d = f->dims->vars[i];
        dims[i] = d->likely ? d->likely : d->max < 50 ? d->max : 50;
    }
    rt_point_new(&point, &v->arena, f, dims, NULL, v->state[1], RT_POINT_NORMAL, v->seed, true, why,
                 sizeof why);
    Values one = run(v, p, v->state[w->narrow], NULL, &point);
    for (int threads = 2; threads <= 3; threads++) {
        RtPool *pool = rt_pool_new(threads);
        Values more = run(v, p, v->state[w->narrow], pool, &point);
        rt_pool_free(pool);
        for (int i = 0; i < f->body->n_results && !w->failed; i++)
            if (!same_bits(&one, &more, i)) {
                w->failed = true;
                w->at = f->outputs[i];
            }
    }
}

static void try_way(Verify *v, Way *w, const char *name) {
    Diag d = {0};
    char why[512] = "";
    RtProgram *p = build(v, w, name, &d, why, sizeof why);

    if (!p) {
        w->why = arena_strdup(&v->arena, d.n ? d.messages[0].text : why);
        w->failed = true;
    } else if (w->bits)
        compare_threads(v, w, p);
    else if (w->watched) {
        w->worst = w->numeric.worst;
        w->failed = w->numeric.failed;
    } else
        for (int i = 0; i < v->n_sizes; i++)
            compare(v, w, p, i, run(v, p, v->state[w->narrow], NULL, &v->points[i]));
    rt_program_free(p);
    diag_free(&d);
}

// ---- the ways -----------------------------------------------------------------------------------

static Way *add_way(Verify *v, const char *name, Backend *backend) {
    Way *w = &v->ways[v->n_ways++];

    *w = (Way){.name = name, .backend = backend, .without = PASS_COUNT};
    return w;
}

static void list_ways(Verify *v) {
    const PassOptions *o = &v->wide.def.passes;
    const PassId *list = o->pipeline ? o->pipeline : pass_default_pipeline;
    int n = o->pipeline ? o->n_pipeline : pass_default_pipeline_length;
    bool seen[PASS_COUNT] = {0};

    v->n_ways = 0;
    add_way(v, "ref f64", &ref_backend);
    add_way(v, "ref f64 after each pass", &ref_backend)->watched = true;
    add_way(v, "cpu f64", &llvm_backend);
    add_way(v, "cpu f64 --gemm=blas", &llvm_backend)->blas = true;
    for (int i = 0; i < n; i++) {
        PassId id = list[i];
        if (pass_is_needed(id) || seen[id] || o->disabled[id])
            continue;
        seen[id] = true;
        add_way(v, arena_printf(&v->arena, "cpu f64 --disable-pass=%s", pass_info[id].name),
                &llvm_backend)
            ->without = id;
    }
    add_way(v, "ref f32", &ref_backend)->narrow = true;
    add_way(v, "cpu f32", &llvm_backend)->narrow = true;
    Way *threads = add_way(v, "cpu f32 with 2 and 3 threads", &llvm_backend);
    threads->narrow = threads->bits = threads->as_planned = true;
}

static void find_draw(IrNode *n, IrBlock *in, void *data) {
    (void)in;
    if (n->op == IR_OP_draw_normal || n->op == IR_OP_draw_uniform)
        *(bool *)data = true;
}

// Sizes 0, 1, 2, some from 3 to 5, and the greatest.
static void choose_sizes(Verify *v) {
    const IrDims *ds = v->fn->dims;
    char why[256];

    v->n_sizes = ds->n_vars > 0 ? MAX_SIZES : 1;
    for (int k = 0; k < v->n_sizes; k++) {
        v->sizes[k] = rt_point_dims(&v->arena, v->fn, NULL, v->seed, why, sizeof why);
        for (int i = 0; i < ds->n_vars && k != 3; i++) {
            int64_t size = k == 4 ? MOST : k;
            v->sizes[k][i] = size < ds->vars[i]->max ? size : ds->vars[i]->max;
        }
    }
}

// The truth, at both precisions, and the points at which it was found.
static bool find_truth(Verify *v, const char *name, Diag *d, char *why, size_t why_size) {
    Gssmc *worlds[2] = {&v->wide, &v->narrow};
    RtProgram *p[2] = {NULL, NULL};
    bool ok = true;

    for (int k = 0; k < 2 && ok; k++) {
        Way bare = {.backend = &ref_backend, .narrow = k == 1, .bare = true, .without = PASS_COUNT};
        p[k] = build(v, &bare, name, d, why, why_size);
        v->state[k] =
            p[k] ? rt_initial_state(&v->arena, worlds[k]->world, d, v->seed, why, why_size) : NULL;
        ok = v->state[k] != NULL;
    }
    if (ok) {
        v->fn = p[0]->fn;
        v->draws = false;
        ir_walk(v->fn->body, find_draw, &v->draws);
        choose_sizes(v);
    }
    for (int i = 0; ok && i < v->n_sizes; i++) {
        ok = rt_point_new(&v->points[i], &v->arena, v->fn, v->sizes[i], NULL, v->state[1],
                          RT_POINT_NORMAL, v->seed, true, why, why_size);
        for (int k = 0; ok && k < 2; k++)
            v->truth[k][i] = run(v, p[k], v->state[k], NULL, &v->points[i]);
    }
    rt_program_free(p[0]);
    rt_program_free(p[1]);
    return ok;
}

// ---- reports ------------------------------------------------------------------------------------

static void put_sizes(Buf *b, const Verify *v, int size) {
    for (int i = 0; v->fn && i < v->fn->dims->n_vars; i++)
        buf_printf(b, "%s%s = %lld", i ? ", " : "", v->fn->dims->vars[i]->name,
                   (long long)v->sizes[size][i]);
}

static void put_way(Buf *b, const Verify *v, const Way *w) {
    const char *role = w->at.name ? ir_role_name(w->at.role) : "";

    if (w->why)
        buf_printf(b, "not compiled: %s", w->why);
    else if (w->bits)
        buf_printf(b, w->failed ? "other bits than with 1 thread in %s.%s" : "the bits of 1 thread",
                   role, w->at.name ? w->at.name : "");
    else if (w->watched && w->failed)
        buf_printf(b, "differs first after %02d-after-%s: %.1e in %s.%s", w->numeric.number,
                   pass_info[w->numeric.pass].name, w->numeric.error, ir_role_name(w->numeric.role),
                   w->numeric.output);
    else if (w->watched)
        buf_printf(b, "worst %.1e, %d passes", w->worst, w->numeric.n_passes);
    else {
        buf_printf(b, "worst %.1e", w->worst);
        if (w->worst > 0) {
            buf_printf(b, " in %s.%s", role, w->at.name);
            buf_puts(b, v->fn->dims->n_vars ? " at " : "");
            put_sizes(b, v, w->size);
        }
    }
}

static void print_text(const Verify *v, const char *name, bool ok) {
    double worst[2] = {0, 0};

    for (int i = 0; i < v->n_ways; i++)
        worst[v->ways[i].narrow] = fmax(worst[v->ways[i].narrow], v->ways[i].worst);
    printf("%-16s %d ways, %d sizes   worst f64 %.1e, f32 %.1e%s\n", name, v->n_ways, v->n_sizes,
           worst[0], worst[1], ok ? "" : "   DIFFERS");
    for (int i = 0; i < v->n_ways; i++) {
        const Way *w = &v->ways[i];
        Buf b = {0};
        if (!v->named && !w->failed)
            continue;
        put_way(&b, v, w);
        printf("  %-34s %s%s\n", w->name, buf_text(&b), w->failed ? "   DIFFERS" : "");
        buf_free(&b);
    }
}

static void print_json(Verify *v, const char *name, const char *status, bool ok) {
    printf("%s{\"name\": \"%s\", \"ok\": %s", v->n_printed++ ? ",\n " : "", name,
           ok ? "true" : "false");
    gssmc_print_json(", \"status\": ", status);
    printf(", \"ways\": [");
    for (int i = 0; i < v->n_ways; i++) {
        const Way *w = &v->ways[i];
        Buf b = {0};
        put_way(&b, v, w);
        printf("%s{\"name\": \"%s\", \"ok\": %s", i ? ",\n   " : "\n   ", w->name,
               w->failed ? "false" : "true");
        if (isfinite(w->worst) && !w->why && !w->bits)
            printf(", \"worst\": %.17g", w->worst);
        gssmc_print_json(", \"text\": ", buf_text(&b));
        printf("}");
        buf_free(&b);
    }
    printf("]}");
}

static void print_skipped(Verify *v, const char *name, const char *why) {
    v->n_ways = 0;
    if (v->json)
        print_json(v, name, why, true);
    else
        printf("%-16s %s\n", name, why);
}

// ---- entries ------------------------------------------------------------------------------------

static void verify_entry(Verify *v, const char *name) {
    Diag d = {0};
    char why[512] = "";
    bool ok = find_truth(v, name, &d, why, sizeof why);

    if (!ok) {
        fflush(stdout);
        diag_print(&d, stderr, opt_color(2));
        if (why[0])
            fprintf(stderr, "gssmc verify: %s: %s\n", name, why);
        v->code = EXIT_BAD_INPUT;
    } else {
        list_ways(v);
        for (int i = 0; i < v->n_ways; i++) {
            try_way(v, &v->ways[i], name);
            ok = ok && !v->ways[i].failed;
        }
        if (v->json)
            print_json(v, name, "compared", ok);
        else
            print_text(v, name, ok);
        if (!ok && v->code == EXIT_OK)
            v->code = EXIT_CHECK;
    }
    rt_state_free(v->state[0]);
    rt_state_free(v->state[1]);
    v->state[0] = v->state[1] = NULL;
    v->fn = NULL;
    diag_free(&d);
    arena_reset(&v->arena);
}

// Dims without a maximum become small numbers, in both worlds.
static int bind_open_dims(Verify *v, const char *name) {
    const char *const *names;
    int n = lang_open_dims(v->wide.world, name, &names), code = EXIT_OK;
    LangPair *pairs = arena_array(&v->wide.arena, LangPair, n + 1);

    for (int i = 0; i < n; i++)
        pairs[i] =
            (LangPair){.name = names[i], .value = arena_printf(&v->wide.arena, "%d", 3 + i % 3)};
    if (n && (code = gssmc_reopen(&v->wide, v->self, v->file, pairs, n)) == EXIT_OK)
        code = gssmc_reopen(&v->narrow, v->self, v->file, pairs, n);
    return code;
}

static bool is_chosen(const OptRest *rest, const char *name) {
    for (int i = 1; i < rest->n; i++)
        if (strcmp(rest->items[i], name) == 0)
            return true;
    return rest->n == 1;
}

static int verify_all(Verify *v, const OptRest *rest) {
    const LangEntry *entries;
    int n = lang_entries(v->wide.world, &entries), code;

    for (int i = 1; i < rest->n; i++)
        if ((code = gssmc_check_entry(&v->wide, v->self, v->file, rest->items[i])) != EXIT_OK)
            return code;
    if (v->json)
        printf("{\"file\": \"%s\", \"seed\": %llu, \"entries\": [", v->file,
               (unsigned long long)v->seed);
    else
        printf("%s   against ref f64 without optional passes, seed %llu\n", v->file,
               (unsigned long long)v->seed);
    for (int i = 0; i < n; i++) {
        LangPair *wide = v->wide.dim_pairs, *narrow = v->narrow.dim_pairs;
        int n_wide = v->wide.n_dim_pairs, n_narrow = v->narrow.n_dim_pairs;
        if (entries[i].instance[0] || !is_chosen(rest, entries[i].name))
            continue;
        if (entries[i].generic)
            print_skipped(v, entries[i].name, "generic: compiled where it is called");
        else if ((code = bind_open_dims(v, entries[i].name)) != EXIT_OK)
            v->code = code;
        else
            verify_entry(v, entries[i].name);
        v->wide.dim_pairs = wide;
        v->wide.n_dim_pairs = n_wide;
        v->narrow.dim_pairs = narrow;
        v->narrow.n_dim_pairs = n_narrow;
        fflush(stdout);
    }
    if (v->json)
        printf("]}\n");
    return v->code;
}

int command_verify(const OptCommand *self, int argc, char **argv) {
    Verify v = {.self = self, .tolerance = {1e-10, 1e-4}};
    int64_t seed = 0;
    const Opt table[] = {
        {NULL, 'D', OPT_LIST, &v.wide.dims, "NAME=VALUE", "bind a dim to a number"},
        {"set", 0, OPT_LIST, &v.wide.sets, "NAME=VALUE", "an option or setting of the model"},
        {"bind", 0, OPT_LIST, &v.wide.binds, "NAME=MODULE", "bind a module parameter"},
        {"threads", 0, OPT_INT, &v.wide.threads, "N", "threads that compile (all cores)",
         .least = 1, .most = 256},
        {"no-cache", 0, OPT_FLAG, &v.wide.no_cache, NULL,
         "neither read nor write compiled objects"},
        {"passes", 0, OPT_TEXT, &v.wide.passes, "LIST", "verify these passes, parted by commas"},
        {"disable-pass", 0, OPT_LIST, &v.wide.disabled, "PASS", "leave this pass out"},
        {"seed", 0, OPT_INT, &seed, "N", "of parameters, inputs and draws (0)", .least = 0,
         .most = INT64_MAX - 1},
        {"tolerance", 0, OPT_REAL, &v.tolerance[0], "X", "greatest relative error at f64 (1e-10)"},
        {"tolerance-f32", 0, OPT_REAL, &v.tolerance[1], "X", "the same at f32 (1e-4)"},
        {"json", 0, OPT_FLAG, &v.json, NULL, "print JSON"},
    };
    OptRest rest = {.least = 1, .most = 1000};

    int code = opt_parse(self, table, sizeof table / sizeof *table, argc, argv, &rest);
    if (code != OPT_GO_ON)
        return code;
    v.file = rest.items[0];
    v.named = rest.n > 1;
    v.seed = (uint64_t)seed;
    v.narrow = v.wide;
    v.wide.dtype = "f64";
    if (!(v.tolerance[0] > 0) || !(v.tolerance[1] > 0))
        code = opt_refuse(self, "a tolerance should be above 0");
    else if ((code = gssmc_open(&v.wide, self, v.file)) == EXIT_OK &&
             (code = gssmc_open(&v.narrow, self, v.file)) == EXIT_OK)
        code = verify_all(&v, &rest);
    arena_free(&v.arena);
    code = gssmc_close(&v.wide, code);
    return gssmc_close(&v.narrow, code);
}
