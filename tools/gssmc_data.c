// tools/gssmc_data.c -- data files of run and gradcheck: arrays by role and name.
//
// A data file holds p.* (parameters), in.* (inputs), draw.* (values of draws by site), out.* and
// g.* (expected results). Sizes follow from the shapes of the arrays.
#include <stdio.h>
#include <string.h>

#include "ir/base/exits.h"
#include "ir/lang/signature.h"
#include "tools/gssmc.h"

// Whether OLD of "OLD:NEW" (of length `len`) is `name` or leads to it.
static bool is_prefix(const char *old, size_t len, const char *name) {
    return strncmp(name, old, len) == 0 && (name[len] == '.' || name[len] == '\0');
}

// `name` with the longest matching OLD of the renames replaced; a match ends at a '.' or the end.
static const char *renamed(Arena *a, const char *name, const OptList *renames, bool *used) {
    const char *best = NULL;
    size_t best_len = 0;
    int at = 0;

    for (int i = 0; i < renames->n; i++) {
        size_t len = strcspn(renames->items[i], ":");
        if (len >= best_len && is_prefix(renames->items[i], len, name)) {
            best = renames->items[i];
            best_len = len;
            at = i;
        }
    }
    if (!best)
        return name;
    used[at] = true;
    return arena_printf(a, "%s%s", best + best_len + 1, name + best_len);
}

// The prefixes of all names of the file: "p", "p.key", "p.key.w".
static int list_prefixes(Arena *a, const RtTensorFile *file, const char ***prefixes) {
    int n = 0, cap = 0;

    *prefixes = NULL;
    for (int i = 0; i < file->n; i++) {
        const char *name = file->tensors[i].name;
        for (size_t len = strcspn(name, "."); len > 0;
             len = name[len] ? len + 1 + strcspn(name + len + 1, ".") : 0)
            arena_push(a, *prefixes, n, cap, arena_strndup(a, name, len));
    }
    return n;
}

static int refuse_rename(Gssmc *g, const OptCommand *self, const RtTensorFile *file,
                         const char *rename) {
    const char *old = arena_strndup(&g->arena, rename, strcspn(rename, ":")), **prefixes;
    int n = list_prefixes(&g->arena, file, &prefixes);
    const char *near = map_nearest(old, prefixes, n);

    return opt_refuse(self, "--rename=%s: no name of the data begins with '%s'%s%s%s", rename, old,
                      near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

int gssmc_data_read(GssmcData *data, Gssmc *g, const OptCommand *self, const char *path,
                    const OptList *renames) {
    char why[512];
    Arena *a = &g->arena;
    bool *used = arena_array(a, bool, renames->n + 1);

    for (int i = 0; i < renames->n; i++)
        if (!strchr(renames->items[i], ':'))
            return opt_refuse(self, "--rename takes OLD:NEW, not '%s'", renames->items[i]);
    if (!rt_safetensors_read(&data->file, path, why, sizeof why)) {
        fprintf(stderr, "gssmc %s: %s\n", self->name, why);
        return EXIT_BAD_INPUT;
    }
    data->given = true;
    data->n = data->file.n;
    data->names = arena_array(a, const char *, data->n + 1);
    data->tensors = arena_array(a, const RtTensor *, data->n + 1);
    for (int i = 0; i < data->n; i++) {
        data->tensors[i] = &data->file.tensors[i];
        data->names[i] = renamed(a, data->tensors[i]->name, renames, used);
    }
    for (int i = 0; i < renames->n; i++)
        if (!used[i])
            return refuse_rename(g, self, &data->file, renames->items[i]);
    return EXIT_OK;
}

int gssmc_data_bind_dims(const GssmcData *data, Gssmc *g, const OptCommand *self, const char *file,
                         const char *function) {
    LangPair pairs[64];
    int n = 0;

    for (int i = 0; i < data->n; i++) {
        const char *names[RT_MAX_RANK];
        if (strncmp(data->names[i], "in.", 3) != 0)
            continue;
        int rank = lang_signature(g->world, function, data->names[i] + 3, names);
        if (rank != data->tensors[i]->rank)
            continue;
        for (int k = 0; k < rank && n < 64; k++)
            if (names[k])
                pairs[n++] =
                    (LangPair){.name = names[k],
                               .value = arena_printf(&g->arena, "%lld",
                                                     (long long)data->tensors[i]->shape[k])};
    }
    return n ? gssmc_reopen(g, self, file, pairs, n) : EXIT_OK;
}

int gssmc_data_draws(const GssmcData *data, Arena *a, const char ***sites) {
    int n = 0;

    *sites = arena_array(a, const char *, data->n + 1);
    for (int i = 0; i < data->n; i++)
        if (strncmp(data->names[i], "draw.", 5) == 0)
            (*sites)[n++] = data->names[i] + 5;
    return n;
}

void gssmc_data_close(GssmcData *data) {
    rt_safetensors_close(&data->file);
}
