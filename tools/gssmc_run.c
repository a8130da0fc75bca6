// tools/gssmc_run.c -- gssmc run: evaluate a function, or its gradient, on data, and compare.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/exits.h"
#include "ir/lang/signature.h"
#include "ir/random.h"
#include "tools/gssmc.h"

typedef struct Names {
    const char **items;
    const RtTensor **tensors;
    int n;
} Names;

typedef struct Run {
    const OptCommand *self;
    Gssmc *g;
    const char *file, *function, *grad;
    GssmcData data;
    Names p, in, draw, out, grads; // arrays of the file by role, without the role's prefix
} Run;

static void add_name(Arena *a, Names *names, const char *name, const RtTensor *t) {
    names->items =
        arena_grow(a, names->items, (size_t)names->n, (size_t)names->n + 1, sizeof *names->items);
    names->tensors = arena_grow(a, names->tensors, (size_t)names->n, (size_t)names->n + 1,
                                sizeof *names->tensors);
    names->items[names->n] = name;
    names->tensors[names->n++] = t;
}

// Sorts the arrays of the file by role.
static void sort_data(Run *r) {
    static const char *const prefixes[] = {"p.", "in.", "draw.", "out.", "g."};
    Names *const to[] = {&r->p, &r->in, &r->draw, &r->out, &r->grads};

    for (int i = 0; i < r->data.n; i++)
        for (int k = 0; k < 5; k++)
            if (strncmp(r->data.names[i], prefixes[k], strlen(prefixes[k])) == 0)
                add_name(&r->g->arena, to[k], r->data.names[i] + strlen(prefixes[k]),
                         r->data.tensors[i]);
}

static const RtTensor *find(const Names *names, const char *name) {
    for (int i = 0; i < names->n; i++)
        if (strcmp(names->items[i], name) == 0)
            return names->tensors[i];
    return NULL;
}

// Sets runtime dims so that `type` has the shape of `t`. False when it cannot.
static bool match_dims(RtCall *call, const IrType *type, const RtTensor *t) {
    if (type->rank != t->rank)
        return false;
    for (int k = 0; k < type->rank; k++) {
        const IrDimVar *v = ir_dim_is_var(type->dims[k]);
        int64_t fixed;
        if (v && t->shape[k] <= v->max && t->shape[k] >= 0)
            rt_call_set_dim(call, v->name, t->shape[k]);
        else if (v || (ir_dim_is_const(type->dims[k], &fixed) && fixed != t->shape[k]))
            return false;
    }
    return true;
}

static void print_shape(FILE *out, const RtTensor *t) {
    fputc('[', out);
    for (int k = 0; k < t->rank; k++)
        fprintf(out, "%s%lld", k ? "," : "", (long long)t->shape[k]);
    fputc(']', out);
}

// Whether arrays of `type` have no elements, so that data need not tell them.
static bool is_void(const IrType *type) {
    int64_t size;
    for (int k = 0; k < type->rank; k++)
        if (ir_dim_is_const(type->dims[k], &size) && size == 0)
            return true;
    return false;
}

static int put_values(Run *r, RtCall *call, const RtProgram *p, uint64_t seed) {
    const IrFunction *f = p->fn;

    for (int pass = 0; pass < 2; pass++) // shapes first, values then
        for (int i = 0; i < f->body->n_params; i++) {
            IrRole role = f->inputs[i].role;
            if (role != IR_ROLE_INPUT && role != IR_ROLE_DRAW)
                continue;
            const IrType *type = &f->body->params[i]->types[0];
            const RtTensor *t = find(role == IR_ROLE_DRAW ? &r->draw : &r->in, f->inputs[i].name);
            if (!t && r->data.given && !is_void(type)) {
                fprintf(stderr, "gssmc run: error[E0801]: the data has no '%s.%s'\n",
                        ir_role_name(role), f->inputs[i].name);
                return EXIT_BAD_INPUT;
            }
            if (t && !match_dims(call, type, t)) {
                Buf text = {0};
                ir_type_print(&text, type);
                fprintf(stderr, "gssmc run: error[E0802]: '%s.%s' is ", ir_role_name(role),
                        f->inputs[i].name);
                print_shape(stderr, t);
                fprintf(stderr, " in the data, but the function takes %s\n", buf_text(&text));
                buf_free(&text);
                return EXIT_BAD_INPUT;
            }
            if (pass == 0)
                continue;
            int64_t n = rt_call_input_count(call, i);
            for (int64_t k = 0; k < n; k++) {
                uint32_t w[4];
                double x;
                if (t)
                    x = rt_tensor_element(t, k);
                else {
                    ir_philox(ir_random_key(seed, map_hash_str(f->inputs[i].name)), (uint64_t)k, 0,
                              w);
                    x = ir_normal_f64(w);
                }
                rt_call_put_at(call, i, k, x);
            }
        }
    return EXIT_OK;
}

static int put_params(Run *r, RtState *s) {
    if (!r->p.n)
        return EXIT_OK;
    for (int i = 0; i < s->n; i++) {
        RtTensor *to = &s->tensors[i];
        if (s->roles[i] != IR_ROLE_PARAM)
            continue;
        const RtTensor *t = find(&r->p, to->name);
        if (!t)
            continue;
        bool same = t->rank == to->rank;
        for (int k = 0; same && k < t->rank; k++)
            same = t->shape[k] == to->shape[k];
        if (!same) {
            fprintf(stderr, "gssmc run: error[E0802]: 'p.%s' is ", to->name);
            print_shape(stderr, t);
            fprintf(stderr, " in the data, but the model has ");
            print_shape(stderr, to);
            fputc('\n', stderr);
            return EXIT_BAD_INPUT;
        }
        for (int64_t k = 0; k < rt_tensor_elements(t); k++)
            if (to->dtype == RT_F64)
                ((double *)to->data)[k] = rt_tensor_element(t, k);
            else if (to->dtype == RT_F32)
                ((float *)to->data)[k] = (float)rt_tensor_element(t, k);
            else if (to->dtype == RT_I32)
                ((int32_t *)to->data)[k] = (int32_t)rt_tensor_element(t, k);
    }

    // parameters that the function uses must all be there; those of the file must all exist
    int missing = 0;
    for (int i = 0; i < r->p.n; i++)
        if (!rt_state_find(s, r->p.items[i])) {
            fprintf(stderr, "gssmc run: error[E0801]: the model has no parameter '%s'\n",
                    r->p.items[i]);
            missing++;
        }
    for (int i = 0; i < s->n; i++)
        if (s->roles[i] == IR_ROLE_PARAM && !find(&r->p, s->tensors[i].name)) {
            fprintf(stderr, "gssmc run: error[E0801]: the data has no 'p.%s'\n",
                    s->tensors[i].name);
            missing++;
        }
    return missing ? EXIT_BAD_INPUT : EXIT_OK;
}

// NaN without a sign, which says nothing.
static double plain(double v) {
    return isnan(v) ? NAN : v;
}

// "min 0  mean 0.5  max 1": the least and greatest of what are numbers.
static void print_range(const double *v, int64_t n) {
    double low = INFINITY, high = -INFINITY, sum = 0;
    int64_t n_nan = 0;

    for (int64_t k = 0; k < n; k++) {
        low = fmin(low, v[k]);
        high = fmax(high, v[k]);
        sum += v[k];
        n_nan += isnan(v[k]) != 0;
    }
    if (n == 0)
        printf("empty\n");
    else if (n_nan == n)
        printf("all nan\n");
    else
        printf("min %.6g  mean %.6g  max %.6g\n", low, plain(sum / (double)n), high);
}

static void print_results(const RtProgram *p, const RtCall *call) {
    for (int i = 0; i < p->fn->body->n_results; i++) {
        const IrSlot *slot = &p->fn->outputs[i];
        Buf text = {0};
        int64_t n = rt_call_output_count(call, i);
        double *v = malloc((size_t)(n ? n : 1) * sizeof *v);

        if (!v)
            diag_bug("out of memory");
        rt_call_get(call, i, v, n);
        ir_type_print(&text, &p->fn->body->results[i]->types[0]);
        printf("%s.%-24s %-16s ", ir_role_name(slot->role), slot->name, buf_text(&text));
        if (n == 1)
            printf("%.17g\n", plain(v[0]));
        else
            print_range(v, n);
        buf_free(&text);
        free(v);
    }
}

// Greatest |a - b| over greatest |b|, printed; whether it is within the tolerance.
static bool compare(const RtProgram *p, const RtCall *call, const char *role, const char *name,
                    int output, const RtTensor *want, double tolerance) {
    int64_t n = rt_call_output_count(call, output);
    const IrType *type = &p->fn->body->results[output]->types[0];

    if (n != rt_tensor_elements(want) || type->rank != want->rank) {
        printf("%s.%-28s has another shape than in the data\n", role, name);
        return false;
    }
    double *got = malloc((size_t)(n ? n : 1) * sizeof *got), error = 0, scale = 0;
    if (!got)
        diag_bug("out of memory");
    rt_call_get(call, output, got, n);
    for (int64_t i = 0; i < n; i++) {
        double b = rt_tensor_element(want, i), d = fabs(got[i] - b);
        error = d > error || d != d ? d : error;
        scale = fmax(scale, fabs(b));
    }
    free(got);
    double relative = scale > 0 ? error / scale : error;
    bool ok = relative <= tolerance;
    printf("%s.%-28s %.2e%s\n", role, name, relative, ok ? "" : "   above the tolerance");
    return ok;
}

static int check_all(Run *r, const RtProgram *p, const RtCall *call, double tolerance) {
    bool ok = true;
    int n = 0;
    const struct {
        const Names *names;
        IrRole role;
    } groups[] = {{&r->out, IR_ROLE_OUT}, {&r->grads, IR_ROLE_GRAD}};

    for (int k = 0; k < 2; k++)
        for (int i = 0; i < groups[k].names->n; i++) {
            const char *name = groups[k].names->items[i];
            int output = -1;
            if (groups[k].role == IR_ROLE_GRAD && !r->grad)
                continue;
            for (int o = 0; o < p->fn->body->n_results; o++)
                if (p->fn->outputs[o].role == groups[k].role &&
                    strcmp(p->fn->outputs[o].name, name) == 0)
                    output = o;
            if (output < 0) {
                printf("%s.%-28s is in the data, but the function has none\n",
                       ir_role_name(groups[k].role), name);
                ok = false;
                continue;
            }
            ok &= compare(p, call, ir_role_name(groups[k].role), name, output,
                          groups[k].names->tensors[i], tolerance);
            n++;
        }
    if (n == 0 && ok) {
        fprintf(stderr, "gssmc run: error[E0801]: the data has nothing to compare: no out.* %s\n",
                r->grad ? "and no g.*" : "(g.* is compared with --grad)");
        return EXIT_BAD_INPUT;
    }
    printf("%s: %d arrays, tolerance %g\n", ok ? "equal" : "not equal", n, tolerance);
    return ok ? EXIT_OK : EXIT_CHECK;
}

static int write_results(Run *r, const RtProgram *p, const RtCall *call, const char *path) {
    Arena *a = &r->g->arena;
    int n = p->fn->body->n_results;
    RtTensor *tensors = arena_array(a, RtTensor, n + 1);
    static const RtDtype dtypes[] = {
        [IR_F32] = RT_F32, [IR_F64] = RT_F64, [IR_I32] = RT_I32, [IR_BOOL] = RT_BOOL};
    char why[512];

    for (int i = 0; i < n; i++) {
        const IrType *type = &p->fn->body->results[i]->types[0];
        RtTensor *t = &tensors[i];
        *t = (RtTensor){.name = arena_printf(a, "%s.%s", ir_role_name(p->fn->outputs[i].role),
                                             p->fn->outputs[i].name),
                        .dtype = dtypes[type->dtype],
                        .rank = type->rank,
                        .data = (void *)(uintptr_t)rt_call_output_data(call, i)};
        for (int k = 0; k < type->rank; k++)
            t->shape[k] = rt_call_dim(call, type->dims[k]);
        t->bytes = (size_t)rt_tensor_elements(t) * rt_dtype_size(t->dtype);
    }
    if (rt_safetensors_write(path, tensors, n, NULL, 0, why, sizeof why))
        return EXIT_OK;
    fprintf(stderr, "gssmc run: %s\n", why);
    return EXIT_CANNOT_CREATE;
}

// Sites in the data that the function does not draw from.
static int check_draws(const Run *r, const RtProgram *p) {
    int code = EXIT_OK;

    for (int i = 0; i < r->draw.n; i++)
        if (!p->draws_found[i]) {
            fprintf(stderr, "gssmc run: error[E0801]: the function has no draw '%s'\n",
                    r->draw.items[i]);
            code = EXIT_BAD_INPUT;
        }
    return code;
}

// Names in out.* that are no output of the function are paths of its nodes.
static int more_outputs(Run *r, const char ***paths) {
    int n = 0;

    *paths = arena_array(&r->g->arena, const char *, r->out.n + 1);
    for (int i = 0; i < r->out.n; i++)
        if (!lang_has_output(r->g->world, &r->g->diag, r->function, r->out.items[i]))
            (*paths)[n++] = r->out.items[i];
    return n;
}

// A program minimises by itself: --grad is for functions.
static bool is_program(const Run *r) {
    const LangEntry *entries;
    int n = lang_entries(r->g->world, &entries);

    for (int i = 0; i < n; i++)
        if (!entries[i].instance[0] && strcmp(entries[i].name, r->function) == 0)
            return entries[i].kind == LANG_PROGRAM;
    return false;
}

static int run(Run *r, bool check, double tolerance, uint64_t seed, const char *output) {
    Gssmc *g = r->g;
    char why[512] = "";
    const char **paths = NULL;
    if (r->grad && is_program(r))
        return opt_refuse(r->self, "--grad is for functions, and '%s' is a program", r->function);
    int code = gssmc_data_bind_dims(&r->data, g, r->self, r->file, r->function);

    if (code != EXIT_OK || (code = gssmc_check_concrete(g, r->self, r->function)) != EXIT_OK)
        return code;
    int n_paths = check ? more_outputs(r, &paths) : 0;
    LangRequest request = {.instance = "",
                           .name = r->function,
                           .grad = r->grad,
                           .wrt = r->grads.n && check ? r->grads.items : NULL,
                           .n_wrt = check ? r->grads.n : 0,
                           .more_outputs = paths,
                           .n_more_outputs = n_paths};
    g->def.draws = r->draw.items;
    g->def.n_draws = r->draw.n;
    RtProgram *p =
        rt_program_new(&g->arena, g->world, &g->diag, &request, &g->def, why, sizeof why);
    RtState *s = p ? rt_initial_state(&g->arena, g->world, &g->diag, seed, why, sizeof why) : NULL;
    if (!s) {
        if (why[0])
            fprintf(stderr, "gssmc run: %s\n", why);
        code = gssmc_report(g);
        rt_program_free(p);
        return code != EXIT_OK ? code : EXIT_BUG;
    }
    RtCall *call = rt_call_new(p, s, g->pool);
    if ((code = check_draws(r, p)) == EXIT_OK && (code = put_params(r, s)) == EXIT_OK &&
        (code = put_values(r, call, p, seed)) == EXIT_OK) {
        rt_call_run(call, seed, 0);
        if (check)
            code = check_all(r, p, call, tolerance);
        else
            print_results(p, call);
        if (output && code != EXIT_BAD_INPUT) {
            int written = write_results(r, p, call, output);
            code = written != EXIT_OK ? written : code;
        }
        gssmc_print_passes(g, p);
        int differs = gssmc_check_numeric(g, r->self, r->function);
        code = code == EXIT_OK ? differs : code;
    }
    rt_call_free(call);
    rt_state_free(s);
    rt_program_free(p);
    return code;
}

int command_run(const OptCommand *self, int argc, char **argv) {
    Gssmc g = {0};
    Run r = {.self = self, .g = &g};
    const char *data = NULL, *check = NULL, *output = NULL;
    OptList renames = {0};
    int64_t seed = 0;
    const Opt table[] = {
        GSSMC_OPTIONS(&g),
        {"data", 0, OPT_TEXT, &data, "F.safetensors",
         "parameters p.*, inputs in.*, draws draw.* (random)"},
        {"grad", 0, OPT_TEXT, &r.grad, "OUTPUT",
         "also differentiate this output by the parameters"},
        {"check", 0, OPT_MAYBE, &check, "TOLERANCE",
         "compare with out.* and g.* of the data (1e-10 for f64, 1e-4 for f32)"},
        {"rename", 0, OPT_LIST, &renames, "OLD:NEW", "map a prefix of the data's names"},
        {"seed", 0, OPT_INT, &seed, "N", "of what is random (0)", .least = 0,
         .most = INT64_MAX - 1},
        {"output", 'o', OPT_TEXT, &output, "G.safetensors", "write out.* and g.*"},
    };
    OptRest rest = {.least = 2, .most = 2};
    double tolerance = 0;

    int code = opt_parse(self, table, sizeof table / sizeof *table, argc, argv, &rest);
    if (code != OPT_GO_ON)
        return code;
    r.file = rest.items[0];
    r.function = rest.items[1];
    if (check && !data)
        code = opt_refuse(self, "--check needs --data");
    else if (check && *check && !buf_parse_double(check, strlen(check), &tolerance))
        code = opt_refuse(self, "--check takes a tolerance, not '%s'", check);
    else if (data && (code = gssmc_data_read(&r.data, &g, self, data, &renames)) != EXIT_OK)
        ;
    else if ((code = gssmc_open(&g, self, r.file)) == EXIT_OK &&
             (code = gssmc_check_entry(&g, self, r.file, r.function)) == EXIT_OK) {
        if (tolerance == 0)
            tolerance = g.dtype && strcmp(g.dtype, "f64") == 0 ? 1e-10 : 1e-4;
        sort_data(&r);
        code = run(&r, check != NULL, tolerance, (uint64_t)seed, output);
    }
    gssmc_data_close(&r.data);
    return gssmc_close(&g, code);
}
