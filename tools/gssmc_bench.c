// tools/gssmc_bench.c -- gssmc bench: the time of a step, beside the work it does.
//
// A step is the whole program, as training calls it. Inputs are random, dims at their likely values
// or as bound by -D.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ir/base/exits.h"
#include "ir/random.h"
#include "tools/gssmc.h"

enum { MAX_STEPS = 100000 };

static double now(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void fill_inputs(RtCall *call, const RtProgram *p) {
    for (int i = 0; i < p->fn->body->n_params; i++) {
        if (p->fn->inputs[i].role != IR_ROLE_INPUT)
            continue;
        int64_t n = rt_call_input_count(call, i);
        for (int64_t k = 0; k < n; k++) {
            uint32_t w[4];
            ir_philox(ir_random_key(0, map_hash_str(p->fn->inputs[i].name)), (uint64_t)k, 0, w);
            rt_call_put_at(call, i, k, ir_normal_f64(w));
        }
    }
}

// Least multiply-add rate of this machine's steps is in the report; the limit itself is measured by
// tools/bench.
static void measure(const RtProgram *p, RtCall *call, double seconds, bool json, bool first) {
    static double times[MAX_STEPS];
    int n = 0;

    for (int i = 0; i < 3; i++)
        rt_call_run(call, 0, (uint64_t)i);
    for (double start = now(); n < MAX_STEPS && (n < 5 || now() - start < seconds); n++) {
        double t = now();
        rt_call_run(call, 0, (uint64_t)n + 3);
        times[n] = now() - t;
    }
    qsort(times, (size_t)n, sizeof *times, by_value);
    double median = times[n / 2];
    if (json)
        printf(
            "%s{\"name\": \"%s\", \"us\": %.3f, \"us_min\": %.3f, \"steps\": %d, \"gflops\": %.3f}",
            first ? "" : ",\n ", p->name, 1e6 * median, 1e6 * times[0], n, p->flops / median / 1e9);
    else
        printf("%-20s median %10.1f us   min %10.1f us   %6d steps   %6.1f GFLOP/s\n", p->name,
               1e6 * median, 1e6 * times[0], n, p->flops / median / 1e9);
}

static bool is_chosen(const LangEntry *e, const OptRest *rest) {
    bool named = rest->n == 2 ? strcmp(e->name, rest->items[1]) == 0 : e->kind == LANG_PROGRAM;

    return named && !e->instance[0] && !e->generic;
}

static int bench_entry(const OptCommand *self, Gssmc *g, const LangEntry *e, double seconds,
                       bool json, bool first) {
    LangRequest request = {.instance = "", .name = e->name};
    char why[512] = "";
    int code = EXIT_OK;

    RtProgram *p =
        rt_program_new(&g->arena, g->world, &g->diag, &request, &g->def, why, sizeof why);
    RtState *s = p ? rt_initial_state(&g->arena, g->world, &g->diag, 0, why, sizeof why) : NULL;
    if (s) {
        RtCall *call = rt_call_new(p, s, g->pool);
        fill_inputs(call, p);
        measure(p, call, seconds, json, first);
        if (!json)
            gssmc_print_passes(g, p);
        code = gssmc_check_numeric(g, self, e->name);
        rt_call_free(call);
    } else {
        if (why[0])
            fprintf(stderr, "gssmc bench: %s\n", why);
        code = gssmc_report(g) == EXIT_OK ? EXIT_BUG : EXIT_BAD_INPUT;
    }
    rt_state_free(s);
    rt_program_free(p);
    return code;
}

static int bench(const OptCommand *self, Gssmc *g, const OptRest *rest, double seconds, bool json) {
    const LangEntry *entries;
    int n = lang_entries(g->world, &entries), n_chosen = 0, n_made = 0, code = EXIT_OK;

    if (rest->n == 2 &&
        ((code = gssmc_check_entry(g, self, rest->items[0], rest->items[1])) != EXIT_OK ||
         (code = gssmc_check_concrete(g, self, rest->items[1])) != EXIT_OK))
        return code;
    for (int i = 0; i < n; i++)
        n_chosen += is_chosen(&entries[i], rest);
    if (n_chosen == 0)
        return opt_refuse(self, "'%s' has no program: name a function", rest->items[0]);
    if (json)
        printf("{\"steps\": [");
    for (int i = 0; i < n && code == EXIT_OK; i++)
        if (is_chosen(&entries[i], rest))
            code = bench_entry(self, g, &entries[i], seconds, json, n_made++ == 0);
    if (json)
        printf("]}\n");
    return code;
}

int command_bench(const OptCommand *self, int argc, char **argv) {
    Gssmc g = {0};
    double seconds = 1;
    bool json = false;
    const Opt table[] = {
        GSSMC_OPTIONS(&g),
        {"seconds", 0, OPT_REAL, &seconds, "S", "how long to measure each (1)"},
        {"json", 0, OPT_FLAG, &json, NULL, "print JSON"},
    };
    OptRest rest = {.least = 1, .most = 2};

    int code = opt_parse(self, table, sizeof table / sizeof *table, argc, argv, &rest);
    if (code != OPT_GO_ON)
        return code;
    if (!(seconds >= 0 && seconds <= 86400))
        code = opt_refuse(self, "--seconds is %g, and should be from 0 to 86400", seconds);
    else if ((code = gssmc_open(&g, self, rest.items[0])) == EXIT_OK)
        code = bench(self, &g, &rest, seconds, json);
    return gssmc_close(&g, code);
}
