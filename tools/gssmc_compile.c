// tools/gssmc_compile.c -- gssmc compile and gssmc check.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ir/base/exits.h"
#include "ir/text.h"
#include "tools/gssmc.h"

// A form that --emit knows, and the ending of its file.
typedef struct Form {
    const char *name, *ending;
    bool by_backend; // printed by the back end
} Form;

static const Form forms[] = {
    {"ir", "gir", false},         {"schedule", "sched", false}, {"llvm", "ll", true},
    {"llvm-opt", "opt.ll", true}, {"asm", "s", true},           {"obj", "o", true},
    {"dot", "dot", false},
};
enum { N_FORMS = sizeof forms / sizeof *forms };

static bool print_form(const Gssmc *g, const RtProgram *p, const Form *form, FILE *out, char *why,
                       size_t why_size) {
    Buf text = {0};

    if (form->by_backend) {
        if (g->backend->emit)
            return g->backend->emit(p->schedule, &g->def.options, form->name, out, why, why_size);
        snprintf(why, why_size, "the back end '%s' has no form '%s'", g->backend->name, form->name);
        return false;
    }
    IrFunction *fn = p->fn;
    if (strcmp(form->name, "dot") == 0) {
        ir_renumber(fn);
        ir_print_dot(&text, fn);
    } else if (strcmp(form->name, "ir") == 0)
        ir_print_module(&text, &(IrModule){.dims = fn->dims, .n = 1, .functions = &fn}, true);
    else
        ir_print_schedule(&text, p->schedule, true);
    fwrite(buf_text(&text), 1, text.len, out);
    buf_free(&text);
    return true;
}

// Writes one form of `p` into folder or file `output` (standard output when NULL).
static int emit(const Gssmc *g, const OptCommand *self, const RtProgram *p, const Form *form,
                const char *output, bool is_dir) {
    char path[4096], why[512] = "";
    FILE *out = stdout;

    if (output) {
        if (is_dir)
            snprintf(path, sizeof path, "%s/%s.%s", output, p->name, form->ending);
        else
            snprintf(path, sizeof path, "%s", output);
        if (!(out = fopen(path, "w"))) {
            fprintf(stderr, "gssmc %s: cannot write '%s': %s\n", self->name, path, strerror(errno));
            return EXIT_CANNOT_CREATE;
        }
    }
    bool ok = print_form(g, p, form, out, why, sizeof why);
    bool lost = ferror(out) != 0;
    if (output && (fclose(out) != 0 || lost)) {
        fprintf(stderr, "gssmc %s: cannot write '%s': %s\n", self->name, path, strerror(errno));
        return EXIT_IO;
    }
    if (!ok) {
        fprintf(stderr, "gssmc %s: %s\n", self->name, why);
        return EXIT_MISSING;
    }
    return EXIT_OK;
}

static double pass_seconds(const RtProgram *p) {
    double sum = 0;

    for (int i = 0; i < p->passes.n; i++)
        sum += p->passes.stats[i].seconds;
    return sum;
}

static void print_program(const Gssmc *g, const RtProgram *p) {
    int64_t n_params = 0;
    double bytes = 0;

    for (int i = 0; i < p->fn->body->n_params; i++)
        if (p->fn->inputs[i].role == IR_ROLE_PARAM) {
            IrType *t = ir_node_type(p->fn->body->params[i]);
            int64_t count = ir_dim_max(ir_type_count(p->fn->dims, t));
            n_params += count;
            bytes += (double)count * (double)ir_dtype_size(t->dtype);
        }
    printf("%s\n", p->name);
    printf("  parameters %lld (%.0f bytes)   kernels %d (%d distinct)   multiply-adds %.4g   bytes "
           "moved %.4g\n",
           (long long)n_params, bytes, p->n_calls, p->schedule->n_kernels, p->flops / 2, p->bytes);
    printf("  arena %lld bytes   residuals %lld bytes\n", (long long)p->schedule->arena_bytes,
           (long long)p->schedule->residual_bytes);
    printf(
        "  read %.1f ms   passes %.1f ms   code %.1f ms   cache %d of %d   object code %zu bytes\n",
        1e3 * p->read_seconds, 1e3 * pass_seconds(p),
        1e3 * (p->code.emit_seconds + p->code.optimize_seconds + p->code.codegen_seconds +
               p->code.link_seconds),
        p->code.n_cached, p->code.n_kernels, p->code.code_bytes);
    gssmc_print_passes(g, p);
}

static void print_bindings(const Gssmc *g) {
    const LangBinding *b;
    int n = lang_bindings(g->world, &b);
    static const char *const titles[] = {
        [LANG_DIM] = "dims", [LANG_OPTION] = "options", [LANG_SETTING] = "settings"};

    for (int kind = LANG_DIM; kind <= LANG_SETTING; kind++) {
        bool any = false;
        for (int i = 0; i < n; i++) {
            if ((int)b[i].kind != kind)
                continue;
            printf("%s%s%s%s%s = %s", any ? ", " : titles[kind], any ? "" : "  ", b[i].instance,
                   b[i].instance[0] ? "." : "", b[i].name, b[i].value);
            any = true;
        }
        if (any)
            putchar('\n');
    }
}

static bool is_chosen(const OptRest *rest, const char *name) {
    for (int i = 1; i < rest->n; i++)
        if (strcmp(rest->items[i], name) == 0)
            return true;
    return rest->n == 1;
}

static int parse_forms(const OptCommand *self, Arena *a, const char *list, const Form **chosen,
                       int *n) {
    char *copy = arena_strdup(a, list);

    for (char *name = strtok(copy, ","); name; name = strtok(NULL, ",")) {
        const char *names[N_FORMS];
        int k = 0;
        for (; k < N_FORMS && strcmp(forms[k].name, name) != 0; k++)
            names[k] = forms[k].name;
        if (k == N_FORMS) {
            const char *near = map_nearest(name, names, N_FORMS);
            return opt_refuse(self, "--emit knows no form '%s'%s%s%s", name,
                              near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
        }
        if (*n < N_FORMS)
            chosen[(*n)++] = &forms[k];
    }
    return EXIT_OK;
}

static int compile_all(const OptCommand *self, Gssmc *g, const OptRest *rest,
                       const Form *const *chosen, int n_chosen, const char *output) {
    const LangEntry *entries;
    int n = lang_entries(g->world, &entries);
    int n_made = 0, code = EXIT_OK;
    const char *dump = g->dump;
    char why[512];

    for (int i = 1; i < rest->n; i++)
        if ((code = gssmc_check_entry(g, self, rest->items[0], rest->items[i])) != EXIT_OK)
            return code;
    bool quiet = n_chosen > 0 && !output;
    if (!quiet) {
        printf("%s\n", rest->items[0]);
        print_bindings(g);
    }
    for (int i = 0; i < n; i++) {
        if (entries[i].instance[0] || !is_chosen(rest, entries[i].name))
            continue;
        if (entries[i].generic) {
            if (!quiet)
                printf("%s\n  compiled where it is called: it takes any records or functions\n",
                       entries[i].name);
            continue;
        }
        LangRequest request = {.instance = "", .name = entries[i].name};
        if (dump && rest->n != 2) // each has a folder of its own
            g->def.passes.dump_dir = arena_printf(&g->arena, "%s/%s", dump, entries[i].name);
        RtProgram *p =
            rt_program_new(&g->arena, g->world, &g->diag, &request, &g->def, why, sizeof why);
        if (!p && why[0])
            fprintf(stderr, "gssmc %s: %s: %s\n", self->name, entries[i].name, why);
        if (!p) {
            code = why[0] ? EXIT_BUG : EXIT_BAD_INPUT;
            continue;
        }
        int differs = gssmc_check_numeric(g, self, entries[i].name);
        code = code == EXIT_OK ? differs : code;
        if (!quiet)
            print_program(g, p);
        struct stat st;
        bool is_dir = output && ((stat(output, &st) == 0 && S_ISDIR(st.st_mode)) || n_chosen > 1 ||
                                 rest->n != 2);
        if (is_dir && n_chosen && !buf_make_dirs(output, why, sizeof why)) {
            fprintf(stderr, "gssmc %s: %s\n", self->name, why);
            code = EXIT_CANNOT_CREATE;
        }
        for (int k = 0; k < n_chosen && (code == EXIT_OK || code == EXIT_CHECK); k++)
            code = emit(g, self, p, chosen[k], output, is_dir);
        rt_program_free(p);
        n_made++;
    }
    int reported = gssmc_report(g);
    if (n_made == 0 && code == EXIT_OK && !quiet)
        printf("nothing to compile\n");
    return reported != EXIT_OK ? reported : code;
}

int command_compile(const OptCommand *self, int argc, char **argv) {
    Gssmc g = {0};
    const char *emit_list = NULL, *output = NULL;
    const Opt table[] = {
        GSSMC_OPTIONS(&g),
        {"emit", 0, OPT_TEXT, &emit_list, "LIST",
         "ir,schedule,llvm,llvm-opt,asm,obj,dot: what to write"},
        {"output", 'o', OPT_TEXT, &output, "FILE|DIR", "where to write it (standard output)"},
    };
    OptRest rest = {.least = 1, .most = 1000};
    const Form *chosen[N_FORMS];
    int n_chosen = 0;

    int code = opt_parse(self, table, sizeof table / sizeof *table, argc, argv, &rest);
    if (code != OPT_GO_ON)
        return code;
    if (output && !emit_list) {
        code = opt_refuse(self, "-o says where, and --emit is missing, which says what");
        goto end;
    }
    if (emit_list && (code = parse_forms(self, &g.arena, emit_list, chosen, &n_chosen)) != EXIT_OK)
        goto end;
    if ((code = gssmc_open(&g, self, rest.items[0])) == EXIT_OK)
        code = compile_all(self, &g, &rest, chosen, n_chosen, output);
end:
    return gssmc_close(&g, code);
}

int command_check(const OptCommand *self, int argc, char **argv) {
    Gssmc g = {0};
    const Opt table[] = {
        {NULL, 'D', OPT_LIST, &g.dims, "NAME=VALUE", "bind a dim to a number"},
        {"set", 0, OPT_LIST, &g.sets, "NAME=VALUE", "an option or setting of the model"},
        {"bind", 0, OPT_LIST, &g.binds, "NAME=MODULE", "bind a module parameter"},
    };
    OptRest rest = {.least = 1};
    int worst = EXIT_OK;

    int code = opt_parse(self, table, sizeof table / sizeof *table, argc, argv, &rest);
    if (code != OPT_GO_ON)
        return code;
    for (int i = 0; i < rest.n; i++) {
        Gssmc one = {
            .dims = g.dims, .sets = g.sets, .binds = g.binds, .target = "ref", .threads = 1};
        code = gssmc_open(&one, self, rest.items[i]);
        if (code == EXIT_OK) {
            lang_check(one.world, &one.diag, false);
            code = gssmc_report(&one);
        }
        if (code == EXIT_OK)
            printf("%s: no errors\n", rest.items[i]);
        else
            worst = code;
        gssmc_close(&one, code);
    }
    return worst;
}
