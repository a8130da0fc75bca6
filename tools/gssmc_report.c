// tools/gssmc_report.c -- what gssmc compile made, for people and for programs.
#include <stdio.h>
#include <string.h>

#include "ir/lang/signature.h"
#include "tools/gssmc.h"

static const char *const kinds[] = {
    [LANG_DIM] = "dims", [LANG_OPTION] = "options", [LANG_SETTING] = "settings"};

// ---- units --------------------------------------------------------------------------------------

static void put_bytes(Buf *b, double bytes) {
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    int unit = -1;

    for (; bytes >= 1024 && unit < 3; unit++)
        bytes /= 1024;
    if (unit < 0)
        buf_printf(b, "%.0f B", bytes);
    else
        buf_printf(b, "%.*f %s", bytes < 10 ? 2 : bytes < 100 ? 1 : 0, bytes, units[unit]);
}

static void put_count(Buf *b, double n) {
    static const char *const units[] = {"k", "M", "G", "T"};
    int unit = -1;

    for (; n >= 1000 && unit < 3; unit++)
        n /= 1000;
    if (unit < 0)
        buf_printf(b, "%.0f ", n);
    else
        buf_printf(b, "%.*f %s ", n < 10 ? 2 : n < 100 ? 1 : 0, n, units[unit]);
}

// ---- what a program is made of ------------------------------------------------------------------

typedef struct Facts {
    int64_t n_params;
    double param_bytes, pass_seconds;
} Facts;

static Facts facts_of(const RtProgram *p) {
    Facts f = {0};

    for (int i = 0; i < p->fn->body->n_params; i++)
        if (p->fn->inputs[i].role == IR_ROLE_PARAM) {
            IrType *t = ir_node_type(p->fn->body->params[i]);
            int64_t count = ir_dim_max(ir_type_count(p->fn->dims, t));
            f.n_params += count;
            f.param_bytes += (double)count * (double)ir_dtype_size(t->dtype);
        }
    for (int i = 0; i < p->passes.n; i++)
        f.pass_seconds += p->passes.stats[i].seconds;
    return f;
}

static int64_t likely(const IrDimVar *v) {
    return v->likely ? v->likely : v->max;
}

// " at N = 50, M = 50", or nothing.
static void put_sizes(Buf *b, const RtProgram *p, bool most) {
    const IrDims *ds = p->fn->dims;

    for (int i = 0; i < ds->n_vars; i++)
        buf_printf(b, "%s%s = %lld", i ? ", " : " at ", ds->vars[i]->name,
                   (long long)(most ? ds->vars[i]->max : likely(ds->vars[i])));
}

static void put_work(Buf *b, const RtProgram *p) {
    buf_printf(b, "%d kernels (%d distinct), ", p->n_calls, p->schedule->n_kernels);
    put_count(b, p->flops / 2);
    buf_puts(b, "multiply-adds, ");
    put_bytes(b, p->bytes);
    buf_puts(b, " moved");
    put_sizes(b, p, false);
}

static void put_memory(Buf *b, const RtProgram *p) {
    buf_puts(b, "arena ");
    put_bytes(b, (double)p->schedule->arena_bytes);
    buf_puts(b, ", residuals ");
    put_bytes(b, (double)p->schedule->residual_bytes);
    put_sizes(b, p, true);
}

static void put_times(Buf *b, const Gssmc *g, const RtProgram *p, double pass_seconds) {
    const BackendReport *r = &p->code;

    buf_printf(b, "read %.1f ms, passes %.1f", 1e3 * p->read_seconds, 1e3 * pass_seconds);
    if (r->n_kernels == 0) {
        buf_printf(b, "; the back end '%s' makes no code", g->backend->name);
        return;
    }
    buf_printf(b, ", emit %.1f, optimize %.1f, generate %.1f, link %.1f; ", 1e3 * r->emit_seconds,
               1e3 * r->optimize_seconds, 1e3 * r->codegen_seconds, 1e3 * r->link_seconds);
    if (g->no_cache)
        buf_puts(b, "no cache, ");
    else if (r->n_cached == r->n_kernels)
        buf_printf(b, "cache hit (%d of %d), ", r->n_cached, r->n_kernels);
    else
        buf_printf(b, "cache miss (%d of %d are there), ", r->n_cached, r->n_kernels);
    put_bytes(b, (double)r->code_bytes);
    buf_puts(b, " of code");
}

// ---- text ---------------------------------------------------------------------------------------

static void print_bindings(const Gssmc *g) {
    const LangBinding *b;
    int n = lang_bindings(g->world, &b);

    for (int kind = LANG_DIM; kind <= LANG_SETTING; kind++) {
        bool any = false;
        for (int i = 0; i < n; i++) {
            if ((int)b[i].kind != kind)
                continue;
            printf("%s%s%s%s%s = %s", any ? ", " : kinds[kind], any ? "" : "  ", b[i].instance,
                   b[i].instance[0] ? "." : "", b[i].name, b[i].value);
            any = true;
        }
        if (any)
            putchar('\n');
    }
}

static const char *kind_of(const LangEntry *e) {
    return e->kind == LANG_PROGRAM ? "program" : "function";
}

static void print_program(const Gssmc *g, const LangEntry *e, const RtProgram *p) {
    Facts f = facts_of(p);
    Buf b = {0};

    buf_printf(&b, "%s   %s, %lld parameters (", e->name, kind_of(e), (long long)f.n_params);
    put_bytes(&b, f.param_bytes);
    buf_puts(&b, ")\n  work    ");
    put_work(&b, p);
    buf_puts(&b, "\n  memory  ");
    put_memory(&b, p);
    buf_puts(&b, "\n  time    ");
    put_times(&b, g, p, f.pass_seconds);
    puts(buf_text(&b));
    buf_free(&b);
    gssmc_print_passes(g, p);
}

// ---- JSON ---------------------------------------------------------------------------------------

static void print_bindings_json(const Gssmc *g) {
    const LangBinding *b;
    int n = lang_bindings(g->world, &b);

    for (int kind = LANG_DIM; kind <= LANG_SETTING; kind++) {
        bool any = false;
        printf(",\n \"%s\": [", kinds[kind]);
        for (int i = 0; i < n; i++) {
            if ((int)b[i].kind != kind)
                continue;
            gssmc_print_json(any ? ", {\"instance\": " : "{\"instance\": ", b[i].instance);
            gssmc_print_json(", \"name\": ", b[i].name);
            gssmc_print_json(", \"value\": ", b[i].value);
            gssmc_print_json(", \"origin\": ", b[i].origin);
            printf("}");
            any = true;
        }
        printf("]");
    }
}

static void print_passes_json(const RtProgram *p) {
    printf(",\n   \"passes\": [");
    for (int i = 0; i < p->passes.n; i++) {
        const PassStat *s = &p->passes.stats[i];
        printf("%s{\"name\": \"%s\", \"seconds\": %.9f, \"counts\": \"%s\", \"before\": %d, "
               "\"after\": %d, \"changed\": %s}",
               i ? ", " : "", pass_info[s->pass].name, s->seconds,
               pass_info[s->pass].lower ? "kernels" : "nodes", s->nodes_before, s->nodes_after,
               s->changed ? "true" : "false");
    }
    printf("]");
}

static void print_program_json(const LangEntry *e, const RtProgram *p) {
    const BackendReport *r = &p->code;
    const IrDims *ds = p->fn->dims;
    Facts f = facts_of(p);

    printf("{\"name\": \"%s\", \"kind\": \"%s\", \"parameters\": %lld, \"parameter_bytes\": %.0f, "
           "\"kernels\": %d, \"kernels_distinct\": %d, \"multiply_adds\": %.17g, "
           "\"bytes_moved\": %.17g, \"sizes\": {",
           e->name, kind_of(e), (long long)f.n_params, f.param_bytes, p->n_calls,
           p->schedule->n_kernels, p->flops / 2, p->bytes);
    for (int i = 0; i < ds->n_vars; i++)
        printf("%s\"%s\": {\"likely\": %lld, \"max\": %lld}", i ? ", " : "", ds->vars[i]->name,
               (long long)likely(ds->vars[i]), (long long)ds->vars[i]->max);
    printf("}, \"arena_bytes\": %lld, \"residual_bytes\": %lld,\n   \"seconds\": {\"read\": %.9f, "
           "\"passes\": %.9f, \"emit\": %.9f, \"optimize\": %.9f, \"generate\": %.9f, "
           "\"link\": %.9f}, \"cache\": {\"units\": %d, \"hits\": %d}, \"code_bytes\": %zu",
           (long long)p->schedule->arena_bytes, (long long)p->schedule->residual_bytes,
           p->read_seconds, f.pass_seconds, r->emit_seconds, r->optimize_seconds,
           r->codegen_seconds, r->link_seconds, r->n_kernels, r->n_cached, r->code_bytes);
    print_passes_json(p);
    printf("}");
}

// ---- the report ---------------------------------------------------------------------------------

void gssmc_report_begin(GssmcReport *r, const Gssmc *g, const char *file) {
    const char *dtype = g->dtype ? g->dtype : "f32";

    if (r->quiet)
        return;
    if (!r->json) {
        printf("%s   %s %s\n", file, g->backend->name, dtype);
        print_bindings(g);
        return;
    }
    gssmc_print_json("{\"file\": ", file);
    printf(", \"target\": \"%s\", \"dtype\": \"%s\"", g->backend->name, dtype);
    print_bindings_json(g);
    printf(",\n \"entries\": [\n  ");
}

void gssmc_report_program(GssmcReport *r, const Gssmc *g, const LangEntry *e, const RtProgram *p) {
    if (r->quiet)
        return;
    if (!r->json) {
        print_program(g, e, p);
        return;
    }
    printf("%s", r->n++ ? ",\n  " : "");
    print_program_json(e, p);
}

void gssmc_report_generic(GssmcReport *r, const LangEntry *e, const char *why) {
    if (r->quiet)
        return;
    if (!r->json) {
        printf("%s   generic: %s; compiled where it is called\n", e->name, why);
        return;
    }
    printf("%s{\"name\": \"%s\", \"kind\": \"%s\"", r->n++ ? ",\n  " : "", e->name, kind_of(e));
    gssmc_print_json(", \"generic\": ", why);
    printf("}");
}

void gssmc_report_end(const GssmcReport *r) {
    if (r->json && !r->quiet)
        printf("]}\n");
}

const char *gssmc_why_generic(Gssmc *g, const LangEntry *e) {
    const char *const *names;
    Buf b = {0};

    if (e->generic)
        return "takes any records, functions or shapes";
    int n = e->kind == LANG_FUNCTION ? lang_open_dims(g->world, e->name, &names) : 0;
    for (int i = 0; i < n; i++)
        buf_printf(&b, "%s%s", i == 0 ? "" : i == n - 1 ? " and " : ", ", names[i]);
    buf_puts(&b, n > 1 ? " have no maximum (bind them with" : " has no maximum (bind it with");
    for (int i = 0; i < n; i++)
        buf_printf(&b, " -D %s=...", names[i]);
    buf_puts(&b, ")");
    const char *why = n > 0 ? arena_strdup(&g->arena, buf_text(&b)) : NULL;
    buf_free(&b);
    return why;
}
