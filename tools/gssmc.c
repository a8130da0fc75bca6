// tools/gssmc.c -- the compiler's command line: its commands, and what they share.
#include "tools/gssmc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/errors.h"
#include "ir/base/exits.h"
#include "runtime/exec/roots.h"

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

static int read_passes(Gssmc *g, const OptCommand *command) {
    PassOptions *o = &g->def.passes;

    for (int i = 0; i < g->disabled.n; i++) {
        PassId id;
        int code = find_pass(command, g->disabled.items[i], &id);
        if (code != OPT_GO_ON)
            return code;
        o->disabled[id] = true;
    }
    if (g->passes) {
        char *list = arena_strdup(&g->arena, g->passes);
        for (char *name = strtok(list, ","); name; name = strtok(NULL, ",")) {
            if (o->n_pipeline == (int)(sizeof g->pipeline / sizeof *g->pipeline))
                return opt_refuse(command, "--passes takes at most %d passes", o->n_pipeline);
            int code = find_pass(command, name, &g->pipeline[o->n_pipeline]);
            if (code != OPT_GO_ON)
                return code;
            o->n_pipeline++;
        }
        o->pipeline = g->pipeline;
    }
    o->verify_each = g->verify_each != NULL;
    o->dump_dir = g->dump;
    o->print_after = g->print_after;
    o->print = stdout;
    o->bisect_limit = (int)g->bisect_limit;
    return OPT_GO_ON;
}

int gssmc_open_machine(Gssmc *g, const OptCommand *command) {
    char why[512];

    g->backend = backend_find(g->target ? g->target : "cpu");
    g->def.backend = g->backend;
    g->def.options.no_cache = g->no_cache;
    g->def.options.compile_threads = (int)g->threads;
    g->def.options.gemm_blas = g->gemm && strcmp(g->gemm, "blas") == 0;
    int code = read_passes(g, command);
    if (code != OPT_GO_ON)
        return code;
    if (g->list_passes) {
        for (int i = 0; i < pass_default_pipeline_length; i++)
            puts(pass_info[pass_default_pipeline[i]].name);
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
                     .sets = g->set_pairs,
                     .n_sets = g->sets.n,
                     .dims = g->dim_pairs,
                     .n_dims = g->n_dim_pairs};

    o.roots = roots;
    g->world = lang_open(&g->arena, &g->diag, &o);
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
            printf("  %6d -> %6d nodes%s", s->nodes_before, s->nodes_after,
                   s->changed ? "" : "  unchanged");
        putchar('\n');
    }
}

void gssmc_close(Gssmc *g) {
    rt_pool_free(g->pool);
    diag_free(&g->diag);
    arena_free(&g->arena);
}

static const OptCommand commands[] = {
    {"compile", "FILE [FUNCTION...]",
     "compile the file's functions and programs; print what was made", NULL, command_compile},
    {"check", "FILE...", "read and check only; no code", NULL, command_check},
    {"run", "FILE FUNCTION", "evaluate a function, or its gradient, on data", NULL, command_run},
    {"opt", "FILE.gir", "IR in, IR out (- is standard input)", NULL, command_opt},
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
