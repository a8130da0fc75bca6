// tools/gssmc_gradcheck.c -- gssmc gradcheck: gradients against finite differences.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/exits.h"
#include "ir/lang/signature.h"
#include "runtime/exec/gradcheck.h"
#include "tools/gssmc.h"

typedef struct Gradcheck {
    const OptCommand *self;
    Gssmc *g;
    const char *file;
    GssmcData data;
    RtPointData point;
    RtGradcheckDef def;
    bool json, named; // functions were named
    int n_printed;
    int code;
} Gradcheck;

// ---- results ------------------------------------------------------------------------------------

static void put_index(Buf *b, const RtGradArray *a, int64_t at) {
    int64_t index[IR_MAX_RANK];

    if (at < 0) {
        buf_puts(b, a->n_probes == 1 ? "" : " in a direction");
        return;
    }
    for (int k = a->rank - 1; k >= 0; k--) {
        index[k] = at % a->shape[k];
        at /= a->shape[k];
    }
    for (int k = 0; k < a->rank; k++)
        buf_printf(b, "%s%lld", k ? "," : "[", (long long)index[k]);
    buf_puts(b, a->rank ? "]" : "");
}

static void put_dims(Buf *b, const RtGradcheck *r, bool json) {
    for (int i = 0; i < r->fn->dims->n_vars; i++)
        buf_printf(b, json ? "%s\"%s\": %lld" : "%s%s = %lld", i ? ", " : "",
                   r->fn->dims->vars[i]->name, (long long)r->point.dims[i]);
}

static void print_array(const RtGradArray *a, double tolerance) {
    Buf shape = {0}, where = {0};

    buf_puts(&shape, "[");
    for (int k = 0; k < a->rank; k++)
        buf_printf(&shape, "%s%lld", k ? "," : "", (long long)a->shape[k]);
    buf_puts(&shape, "]");
    put_index(&where, a, a->worst_at);
    printf("  %-28s %-12s largest %9.3e   worst %.1e%s%s", a->name, buf_text(&shape), a->largest,
           a->worst, a->worst_at < 0 ? "" : " at ", buf_text(&where));
    if (!(a->worst <= tolerance))
        printf("   gradient %.10g, difference %.10g", a->got, a->wanted);
    if (a->n_kinks)
        printf("   %d of %d not compared", a->n_kinks, a->n_probes);
    putchar('\n');
    buf_free(&shape);
    buf_free(&where);
}

static void print_checked(const Gradcheck *c, const char *name, const RtGradcheck *r) {
    static const char *const kinds[] = {"", "   small values", "   positive values"};
    Buf dims = {0}, where = {0};

    put_dims(&dims, r, false);
    put_index(&where, r->worst_array, r->worst_array->worst_at);
    printf("%-16s %d arrays, %d differences   worst %.1e, %s%s", name, r->n, r->n_probes, r->worst,
           r->worst_array->name, buf_text(&where));
    printf("%s%s%s%s", dims.len ? "   " : "", buf_text(&dims), kinds[r->kind],
           r->worst <= c->def.tolerance ? "" : "   ABOVE THE TOLERANCE");
    if (r->n_moved)
        printf("   %d moved off kinks", r->n_moved);
    if (r->n_kinks)
        printf("   %d not compared (kinks, or rounding)", r->n_kinks);
    putchar('\n');
    for (int i = 0; i < r->n; i++) {
        const RtGradArray *a = &r->arrays[i];
        if (c->named || !(a->worst <= c->def.tolerance) || a->n_kinks)
            print_array(a, c->def.tolerance);
        if (a->n_kinks && a->n_kinks == a->n_probes)
            printf("  %-28s not compared at all: no difference settles\n", a->name);
    }
    buf_free(&dims);
    buf_free(&where);
}

// A number, or null where JSON has none.
static void put_number(Buf *b, double x) {
    char text[32];

    buf_format_double(text, x);
    buf_puts(b, x - x == 0 ? text : "null");
}

static void put_array_json(Buf *b, const RtGradArray *a) {
    Buf where = {0};

    if (a->worst_at >= 0)
        put_index(&where, a, a->worst_at);
    buf_printf(b, "{\"name\": \"%s\", \"shape\": [", a->name);
    for (int k = 0; k < a->rank; k++)
        buf_printf(b, "%s%lld", k ? ", " : "", (long long)a->shape[k]);
    buf_puts(b, "], \"largest\": ");
    put_number(b, a->largest);
    buf_puts(b, ", \"worst\": ");
    put_number(b, a->worst);
    buf_printf(b, ", \"worst_at\": \"%s\", \"gradient\": ", buf_text(&where));
    put_number(b, a->got);
    buf_puts(b, ", \"difference\": ");
    put_number(b, a->wanted);
    buf_printf(b, ", \"compared\": %d, \"moved\": %d, \"kinks\": %d}", a->n_probes - a->n_kinks,
               a->n_moved, a->n_kinks);
    buf_free(&where);
}

static void print_json(Gradcheck *c, const char *name, const RtGradcheck *r, const char *status,
                       bool ok) {
    Buf b = {0};

    printf("%s{\"name\": \"%s\", \"ok\": %s", c->n_printed++ ? ",\n " : "", name,
           ok ? "true" : "false");
    gssmc_print_json(", \"status\": ", status);
    if (r && r->status == RT_GRAD_CHECKED) {
        buf_puts(&b, ", \"worst\": ");
        put_number(&b, r->worst);
        buf_puts(&b, ", \"dims\": {");
        put_dims(&b, r, true);
        buf_puts(&b, "},\n  \"arrays\": [");
        for (int i = 0; i <= r->n; i++) {
            buf_puts(&b, i ? ",\n   " : "");
            put_array_json(&b, i < r->n ? &r->arrays[i] : &r->together);
        }
        buf_puts(&b, "]");
    }
    printf("%s}", buf_text(&b));
    buf_free(&b);
}

static void fail(Gradcheck *c, int code) {
    if (code != EXIT_OK && (c->code == EXIT_OK || c->code == EXIT_CHECK))
        c->code = code;
}

// A function that is not checked, and why; wrong where it was asked for by name.
static void print_skipped(Gradcheck *c, const char *name, const char *why, bool wrong) {
    if (c->json)
        print_json(c, name, NULL, why, !wrong);
    else
        printf("%-16s %s\n", name, why);
    if (wrong)
        fail(c, EXIT_CHECK);
}

static const char *first_error(Arena *a, const Diag *d) {
    const DiagMessage *m = &d->messages[0];

    return m->loc.line ? arena_printf(a, "not differentiable: %s (%s:%d)", m->text,
                                      m->loc.file->path, m->loc.line)
                       : arena_printf(a, "not differentiable: %s", m->text);
}

static void report(Gradcheck *c, const char *name, const RtGradcheck *r, Diag *d, const char *why) {
    Gssmc *g = c->g;

    switch (r->status) {
    case RT_GRAD_CHECKED:
        if (c->json)
            print_json(c, name, r, "checked", r->ok);
        else
            print_checked(c, name, r);
        if (!r->ok)
            fail(c, EXIT_CHECK);
        return;
    case RT_GRAD_NONE:
        print_skipped(c, name, "nothing to differentiate: no real output or no real input",
                      c->named);
        return;
    case RT_GRAD_IMPASSABLE:
        print_skipped(c, name, first_error(&g->arena, d), c->named);
        return;
    case RT_GRAD_NOT_FINITE:
        print_skipped(c, name, "not finite at random values: give some with --data", true);
        return;
    case RT_GRAD_BROKEN:
        fflush(stdout);
        diag_print(d, stderr, opt_color(2));
        if (why[0])
            fprintf(stderr, "gssmc gradcheck: %s: %s\n", name, why);
        fail(c, EXIT_BAD_INPUT);
        return;
    }
}

// ---- functions ----------------------------------------------------------------------------------

// Dims without a maximum become small numbers. Opens the world again where there are some.
static int bind_open_dims(Gradcheck *c, const char *name) {
    const char *const *names;
    int n = lang_open_dims(c->g->world, name, &names);
    LangPair *pairs = arena_array(&c->g->arena, LangPair, n + 1);

    for (int i = 0; i < n; i++)
        pairs[i] =
            (LangPair){.name = names[i], .value = arena_printf(&c->g->arena, "%d", 3 + i % 3)};
    return n ? gssmc_reopen(c->g, c->self, c->file, pairs, n) : EXIT_OK;
}

static int check_draws(const Gradcheck *c, const RtGradcheck *r) {
    int code = EXIT_OK;

    for (int i = 0; i < c->g->def.n_draws && r->draws_found; i++)
        if (!r->draws_found[i]) {
            fprintf(stderr, "gssmc gradcheck: error[E0801]: the function has no draw '%s'\n",
                    c->g->def.draws[i]);
            code = EXIT_BAD_INPUT;
        }
    return code;
}

static int check_function(Gradcheck *c, const char *name) {
    Gssmc *g = c->g;
    Arena a = {0};
    Diag d = {0};
    char why[512] = "";
    LangPair *pairs = g->dim_pairs;
    int n_pairs = g->n_dim_pairs, code = bind_open_dims(c, name);
    LangRequest request = {.instance = "", .name = name};

    IrModule *m = code == EXIT_OK ? lang_elaborate(g->world, &d, &request) : NULL;
    RtState *s = m ? rt_initial_state(&a, g->world, &d, c->def.seed, why, sizeof why) : NULL;
    if (s) {
        c->def.state = s;
        RtGradcheck r = rt_gradcheck(&a, m->functions[m->n - 1], &d, &c->def, why, sizeof why);
        report(c, name, &r, &d, why);
        fail(c, gssmc_check_numeric(g, c->self, name));
        code = check_draws(c, &r);
    } else if (code == EXIT_OK) {
        RtGradcheck broken = {.status = RT_GRAD_BROKEN};
        report(c, name, &broken, &d, why);
    }
    rt_state_free(s);
    diag_free(&d);
    arena_free(&a);
    g->dim_pairs = pairs; // the next function binds its own
    g->n_dim_pairs = n_pairs;
    return code;
}

static bool is_chosen(const OptRest *rest, const LangEntry *e) {
    for (int i = 1; i < rest->n; i++)
        if (strcmp(rest->items[i], e->name) == 0)
            return true;
    return rest->n == 1 && e->kind == LANG_FUNCTION;
}

static int check_all(Gradcheck *c, const OptRest *rest) {
    Gssmc *g = c->g;
    const LangEntry *entries;
    int n = lang_entries(g->world, &entries), code;

    for (int i = 1; i < rest->n; i++)
        if ((code = gssmc_check_entry(g, c->self, c->file, rest->items[i])) != EXIT_OK)
            return code;
    if (c->json)
        printf("{\"file\": \"%s\", \"tolerance\": %g, \"seed\": %llu, \"functions\": [", c->file,
               c->def.tolerance, (unsigned long long)c->def.seed);
    else
        printf("%s   %s f64, seed %llu, tolerance %g\n", c->file, g->backend->name,
               (unsigned long long)c->def.seed, c->def.tolerance);
    for (int i = 0; i < n; i++) {
        if (entries[i].instance[0] || !is_chosen(rest, &entries[i]))
            continue;
        if (entries[i].kind == LANG_PROGRAM)
            print_skipped(c, entries[i].name, "a program: check the function that it minimises",
                          c->named);
        else if (entries[i].generic)
            print_skipped(c, entries[i].name,
                          "generic: compiled where it is called, and checked with that", c->named);
        else if ((code = check_function(c, entries[i].name)) != EXIT_OK)
            fail(c, code);
        fflush(stdout);
    }
    if (c->json)
        printf("]}\n");
    return c->code;
}

static int open_data(Gradcheck *c, const OptRest *rest, const char *path, const OptList *renames) {
    Gssmc *g = c->g;

    if (!path)
        return renames->n ? opt_refuse(c->self, "--rename needs --data") : EXIT_OK;
    if (rest->n != 2)
        return opt_refuse(c->self, "--data is for one function: name it");
    return gssmc_data_read(&c->data, g, c->self, path, renames);
}

int command_gradcheck(const OptCommand *self, int argc, char **argv) {
    Gssmc g = {0};
    Gradcheck c = {.self = self, .g = &g, .def = rt_gradcheck_def()};
    const char *data = NULL;
    OptList renames = {0};
    int64_t seed = 0, samples = c.def.samples;
    const Opt table[] = {
        GSSMC_OPTIONS_AT(&g, "f64"),
        {"data", 0, OPT_TEXT, &data, "F.safetensors",
         "parameters p.*, inputs in.*, draws draw.* (random)"},
        {"rename", 0, OPT_LIST, &renames, "OLD:NEW", "map a prefix of the data's names"},
        {"seed", 0, OPT_INT, &seed, "N", "of what is random (0)", .least = 0,
         .most = INT64_MAX - 1},
        {"tolerance", 0, OPT_REAL, &c.def.tolerance, "X", "greatest relative error (1e-6)"},
        {"samples", 0, OPT_INT, &samples, "N",
         "coordinates of each array that are tried; all where it has no more (16)", .least = 1,
         .most = 1000000},
        {"json", 0, OPT_FLAG, &c.json, NULL, "print JSON"},
    };
    OptRest rest = {.least = 1, .most = 1000};

    int code = opt_parse(self, table, sizeof table / sizeof *table, argc, argv, &rest);
    if (code != OPT_GO_ON)
        return code;
    c.file = rest.items[0];
    c.named = rest.n > 1;
    c.def.seed = (uint64_t)seed;
    c.def.samples = (int)samples;
    if (g.dtype && strcmp(g.dtype, "f64") != 0)
        code = opt_refuse(self, "--dtype is '%s', but differences need f64", g.dtype);
    else if (!(c.def.tolerance > 0))
        code = opt_refuse(self, "--tolerance is %g, and should be above 0", c.def.tolerance);
    else
        code = open_data(&c, &rest, data, &renames);
    g.dtype = "f64";
    if (code == EXIT_OK && (code = gssmc_open(&g, self, c.file)) == EXIT_OK &&
        (!c.named || !c.data.given ||
         (code = gssmc_check_entry(&g, self, c.file, rest.items[1])) == EXIT_OK) &&
        (!c.data.given ||
         (code = gssmc_data_bind_dims(&c.data, &g, self, c.file, rest.items[1])) == EXIT_OK)) {
        c.point = (RtPointData){c.data.names, c.data.tensors, c.data.n};
        g.def.n_draws = gssmc_data_draws(&c.data, &g.arena, (const char ***)&g.def.draws);
        c.def.program = &g.def;
        c.def.data = &c.point;
        c.def.pool = g.pool;
        code = check_all(&c, &rest);
    }
    gssmc_data_close(&c.data);
    return gssmc_close(&g, code);
}
