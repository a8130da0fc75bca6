// tools/gssmc.c -- the compiler's command line: its commands, and what they share.
#include "tools/gssmc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/errors.h"
#include "ir/base/exits.h"
#include "ir/base/trace.h"
#include "runtime/exec/roots.h"
#include "runtime/record/json.h"

// "NAME=VALUE" parted at the first '='; false when there is none.
static bool split_pair(Arena *a, const char *text, LangPair *pair) {
    const char *equals = strchr(text, '=');

    if (!equals || equals == text)
        return false;
    *pair = (LangPair){.name = arena_strndup(a, text, (size_t)(equals - text)),
                       .value = arena_strdup(a, equals + 1)};
    return true;
}

static int pairs_of(Gssmc *g, const OptCommand *command, const OptList *list, const char *option,
                    LangPair **pairs) {
    *pairs = arena_array(&g->arena, LangPair, list->n + 1);
    for (int i = 0; i < list->n; i++)
        if (!split_pair(&g->arena, list->items[i], &(*pairs)[i]))
            return opt_refuse(command, "%s takes NAME=VALUE, not '%s'", option, list->items[i]);
    return OPT_GO_ON;
}

static int find_pass(const OptCommand *command, const char *name, PassId *id) {
    const char *names[PASS_COUNT];

    *id = pass_find(name);
    if (*id != PASS_COUNT)
        return OPT_GO_ON;
    for (int i = 0; i < PASS_COUNT; i++)
        names[i] = pass_info[i].name;
    const char *near = map_nearest(name, names, PASS_COUNT);
    return near ? opt_refuse(command, "no pass is called '%s'; did you mean '%s'?", name, near)
                : opt_refuse(command, "no pass is called '%s'; gssmc passes lists them", name);
}

// Passes without which there is no code, in the order in which they must run.
static int list_needed(PassId needed[PASS_COUNT]) {
    int n = 0;

    for (int i = 0; i < pass_default_pipeline_length; i++)
        if (pass_is_needed(pass_default_pipeline[i]))
            needed[n++] = pass_default_pipeline[i];
    return n;
}

// Reads --passes. A list that stops at the graph goes on to kernels by itself.
static int read_pipeline(Gssmc *g, const OptCommand *command) {
    enum { MAX = sizeof g->pipeline / sizeof *g->pipeline - PASS_COUNT };
    PassId needed[PASS_COUNT];
    int n_needed = list_needed(needed);
    PassOptions *o = &g->def.passes;
    char *list = arena_strdup(&g->arena, g->passes);
    int n_lower = 0;

    for (char *name = strtok(list, ","); name; name = strtok(NULL, ",")) {
        if (o->n_pipeline == MAX)
            return opt_refuse(command, "--passes takes at most %d passes", MAX);
        int code = find_pass(command, name, &g->pipeline[o->n_pipeline]);
        if (code != OPT_GO_ON)
            return code;
        n_lower += pass_info[g->pipeline[o->n_pipeline++]].lower != NULL;
    }
    o->pipeline = g->pipeline;
    for (int i = 0; i < n_needed && n_lower == 0; i++)
        if (pass_info[needed[i]].lower)
            g->pipeline[o->n_pipeline++] = needed[i];

    int met = 0;
    for (int i = 0; i < o->n_pipeline && met < n_needed; i++)
        met += g->pipeline[i] == needed[met];
    if (!g->graph_only && met < n_needed)
        return opt_refuse(command,
                          "--passes leaves out '%s', or has it too early: code needs "
                          "inline, grad, map, fuse, schedule and place, in this order",
                          pass_info[needed[met]].name);
    if (!g->graph_only && n_lower > 3)
        return opt_refuse(command, "--passes has fuse, schedule or place twice");
    return OPT_GO_ON;
}

static int read_passes(Gssmc *g, const OptCommand *command) {
    PassOptions *o = &g->def.passes;
    PassId shown;

    for (int i = 0; i < g->disabled.n; i++) {
        PassId id;
        int code = find_pass(command, g->disabled.items[i], &id);
        if (code != OPT_GO_ON)
            return code;
        if (pass_is_needed(id))
            return opt_refuse(command, "--disable-pass=%s: there is no code without this pass",
                              pass_info[id].name);
        o->disabled[id] = true;
    }
    if (g->print_after && strcmp(g->print_after, "all") != 0 &&
        strcmp(g->print_after, "change") != 0) {
        int code = find_pass(command, g->print_after, &shown);
        if (code != OPT_GO_ON)
            return code;
    }
    if (g->passes) {
        int code = read_pipeline(g, command);
        if (code != OPT_GO_ON)
            return code;
    }
    if (g->pass_stats)
        o->notes = g->notes = arena_new(&g->arena, Buf);
    if (g->verify_each && *g->verify_each && strcmp(g->verify_each, "numeric") != 0)
        return opt_refuse(command, "--verify-each is '%s', and should be numeric or nothing",
                          g->verify_each);
    o->verify_each = g->verify_each != NULL;
    if (g->verify_each && *g->verify_each) {
        o->watch = rt_numeric_watch;
        o->watch_data = &g->numeric;
    }
    o->dump_dir = g->dump;
    o->print_after = g->print_after;
    o->print = stdout;
    o->bisect_limit = (int)g->bisect_limit;
    return OPT_GO_ON;
}

int gssmc_open_machine(Gssmc *g, const OptCommand *command) {
    char why[512];

    if (g->trace)
        trace_start();
    g->backend = backend_find(g->target ? g->target : "cpu");
    g->def.backend = g->backend;
    g->def.options.no_cache = g->no_cache;
    g->def.options.compile_threads = (int)g->threads;
    g->def.options.gemm_blas = g->gemm && strcmp(g->gemm, "blas") == 0;
    int code = read_passes(g, command);
    if (code != OPT_GO_ON)
        return code;
    if (g->list_passes) {
        const PassOptions *o = &g->def.passes;
        int n = o->pipeline ? o->n_pipeline : pass_default_pipeline_length;
        const PassId *list = o->pipeline ? o->pipeline : pass_default_pipeline;
        for (int i = 0; i < n; i++)
            if (!o->disabled[list[i]])
                puts(pass_info[list[i]].name);
        exit(EXIT_OK);
    }
    if (g->dump && !buf_make_dirs(g->dump, why, sizeof why)) {
        fprintf(stderr, "gssmc %s: %s\n", command->name, why);
        return EXIT_CANNOT_CREATE;
    }
    if (!g->backend->open(why, sizeof why)) {
        fprintf(stderr, "gssmc %s: %s\n", command->name, why);
        return EXIT_MISSING;
    }
    g->pool = rt_pool_new((int)g->threads);
    return EXIT_OK;
}

static int open_world(Gssmc *g) {
    const char *const *roots;
    LangOptions o = {.n_roots = rt_model_roots(&roots),
                     .real = g->dtype && strcmp(g->dtype, "f64") == 0 ? IR_F64 : IR_F32,
                     .binds = g->bind_pairs,
                     .n_binds = g->binds.n + 1,
                     .strict_binds = true,
                     .sets = g->set_pairs,
                     .n_sets = g->sets.n,
                     .dims = g->dim_pairs,
                     .n_dims = g->n_dim_pairs};

    o.roots = roots;
    double start = trace_now();
    g->world = lang_open(&g->arena, &g->diag, &o);
    trace_span("stage", "open", start);
    return gssmc_report(g);
}

int gssmc_open(Gssmc *g, const OptCommand *command, const char *file) {
    int code = gssmc_open_machine(g, command);

    if (code != EXIT_OK)
        return code;
    if ((code = pairs_of(g, command, &g->dims, "-D", &g->dim_pairs)) != OPT_GO_ON ||
        (code = pairs_of(g, command, &g->sets, "--set", &g->set_pairs)) != OPT_GO_ON ||
        (code = pairs_of(g, command, &g->binds, "--bind", &g->bind_pairs)) != OPT_GO_ON)
        return code;
    g->n_dim_pairs = g->dims.n;
    g->bind_pairs[g->binds.n] = (LangPair){.name = "", .value = file};
    return open_world(g);
}

int gssmc_reopen(Gssmc *g, const OptCommand *command, const char *file, const LangPair *more,
                 int n) {
    LangPair *all = arena_array(&g->arena, LangPair, g->n_dim_pairs + n);

    (void)command, (void)file;
    memcpy(all, more, (size_t)n * sizeof *all);
    memcpy(all + n, g->dim_pairs, (size_t)g->n_dim_pairs * sizeof *all);
    g->dim_pairs = all;
    g->n_dim_pairs += n;
    return open_world(g);
}

int gssmc_check_entry(Gssmc *g, const OptCommand *command, const char *file, const char *name) {
    const LangEntry *entries;
    int n = lang_entries(g->world, &entries), n_names = 0;
    const char **names = arena_array(&g->arena, const char *, n + 1);

    for (int i = 0; i < n; i++) {
        if (entries[i].instance[0])
            continue;
        if (strcmp(entries[i].name, name) == 0)
            return EXIT_OK;
        names[n_names++] = entries[i].name;
    }
    const char *near = map_nearest(name, names, n_names);
    return opt_refuse(command, "'%s' has no function or program '%s'%s%s%s", file, name,
                      near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

int gssmc_check_concrete(Gssmc *g, const OptCommand *command, const char *name) {
    const LangEntry *entries;
    int n = lang_entries(g->world, &entries);

    for (int i = 0; i < n; i++) {
        if (entries[i].instance[0] || strcmp(entries[i].name, name) != 0)
            continue;
        const char *why = gssmc_why_generic(g, &entries[i]);
        if (why)
            return opt_refuse(command, "'%s' is generic: %s", name, why);
    }
    return EXIT_OK;
}

int gssmc_report(Gssmc *g) {
    if (g->diag.n == 0)
        return EXIT_OK;
    fflush(stdout);
    diag_print(&g->diag, stderr, opt_color(2));
    return g->diag.n_errors ? EXIT_BAD_INPUT : EXIT_OK;
}

void gssmc_print_passes(const Gssmc *g, const RtProgram *p) {
    for (int i = 0; i < p->passes.n && (g->time_passes || g->pass_stats); i++) {
        const PassStat *s = &p->passes.stats[i];
        printf("  pass %-10s", pass_info[s->pass].name);
        if (g->time_passes)
            printf(" %9.3f ms", 1e3 * s->seconds);
        if (g->pass_stats)
            printf("  %6d -> %6d %s%s", s->nodes_before, s->nodes_after,
                   pass_info[s->pass].lower ? "kernels" : "nodes", s->changed ? "" : "  unchanged");
        putchar('\n');
    }
    if (g->notes) {
        fputs(buf_text(g->notes), stdout);
        buf_reset(g->notes); // those of the next program follow
    }
}

int gssmc_check_numeric(Gssmc *g, const OptCommand *command, const char *name) {
    RtNumeric *n = &g->numeric;
    bool failed = n->failed;

    if (failed) {
        fflush(stdout);
        fprintf(stderr,
                "gssmc %s: %s: %s.%s differs by %.1e after pass %d, %s, from what it was before\n",
                command->name, name, ir_role_name(n->role), n->output, n->error, n->number,
                pass_info[n->pass].name);
    }
    rt_numeric_end(n);
    *n = (RtNumeric){0};
    return failed ? EXIT_CHECK : EXIT_OK;
}

int gssmc_close(Gssmc *g, int code) {
    char why[512];

    if (g->notes)
        buf_free(g->notes);
    if (g->trace && g->backend && !trace_write(g->trace, why, sizeof why)) {
        fprintf(stderr, "gssmc: %s\n", why);
        code = code == EXIT_OK ? EXIT_CANNOT_CREATE : code;
    }
    rt_numeric_end(&g->numeric);
    rt_pool_free(g->pool);
    diag_free(&g->diag);
    arena_free(&g->arena);
    return code;
}

void gssmc_print_json(const char *head, const char *text) {
    Buf b = {0};

    rt_json_put_string(&b, text);
    printf("%s%s", head, buf_text(&b));
    buf_free(&b);
}

static const OptCommand commands[] = {
    {"compile", "FILE [FUNCTION...]",
     "compile the file's functions and programs; print what was made", NULL, command_compile},
    {"check", "FILE...", "read and check only; no code", NULL, command_check},
    {"run", "FILE FUNCTION", "evaluate a function, or its gradient, on data", NULL, command_run},
    {"gradcheck", "FILE [FUNCTION...]",
     "gradients against finite differences, f64; of all functions where none is named",
     "Every real parameter, state, setting and input counts. Draws are the same in all "
     "evaluations,\n"
     "and what stands under stop_gradient keeps its value at the point. An error is relative to "
     "the\n"
     "greatest gradient by an element of the array. Exit code 1 above the tolerance.",
     command_gradcheck},
    {"verify", "FILE [FUNCTION...]",
     "every back end and pass against the reference interpreter, on random inputs",
     "What all are compared with is the interpreter at f64 without any optional pass. Sizes that "
     "come\n"
     "with each call are 0, 1, 2, some from 3 to 5, and 9. Exit code 1 where something differs.",
     command_verify},
    {"opt", "FILE.gir", "IR in, IR out (- is standard input)", NULL, command_opt},
    {"explain", "[E0123...]", "what a diagnostic's code means, with an example; all codes", NULL,
     command_explain},
    {"bench", "FILE [FUNCTION]", "time a step, beside the work it does", NULL, command_bench},
    {"ops", "", "the table of operations", NULL, command_ops},
    {"passes", "", "the table of passes", NULL, command_passes},
    {"cache", "ls|gc|verify|clear", "the cache of compiled objects", NULL, command_cache},
    {"doctor", "", "what this machine has, with versions and where it was found", NULL,
     command_doctor},
};

int main(int argc, char **argv) {
    static const OptProgram program = {"gssmc", GSSM_VERSION,
                                       "compiles dataflow graphs of models to native code",
                                       commands, sizeof commands / sizeof *commands};

    return opt_main(&program, argc, argv);
}
