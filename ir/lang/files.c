// ir/lang/files.c -- finding and reading files, each once, with all that it refers to.
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ir/base/errors.h"
#include "ir/lang/world.h"

static bool is_file(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
}

// `path`, or `path`.yaml, when there is such a file; else NULL.
static const char *existing(LangWorld *w, const char *path) {
    size_t len = strlen(path);
    bool has_ending = len > 5 && !strcmp(path + len - 5, ".yaml");
    if (has_ending)
        return is_file(path) ? path : NULL;
    const char *with = arena_printf(w->a, "%s.yaml", path);
    if (is_file(with))
        return with;
    return is_file(path) ? path : NULL;
}

static const char *find_file(LangWorld *w, const char *path, const LangFile *beside) {
    if (*path == '/' || !beside) {
        const char *found = existing(w, path);
        if (found || *path == '/')
            return found;
    }
    if (beside) {
        const char *slash = strrchr(beside->path, '/');
        int dir = slash ? (int)(slash - beside->path) + 1 : 0;
        const char *found = existing(w, arena_printf(w->a, "%.*s%s", dir, beside->path, path));
        if (found)
            return found;
    }
    for (int i = 0; i < w->n_roots; i++) {
        const char *found = existing(w, arena_printf(w->a, "%s/%s", w->roots[i], path));
        if (found)
            return found;
    }
    return NULL;
}

// The files of the folders in each root, as paths without their ending.
static void list_files(LangWorld *w, const char ***names, int *n) {
    int cap = 0;
    for (int i = 0; i < w->n_roots; i++) {
        glob_t found;
        if (glob(arena_printf(w->a, "%s/*/*.yaml", w->roots[i]), 0, NULL, &found))
            continue;
        size_t root = strlen(w->roots[i]) + 1;
        for (size_t k = 0; k < found.gl_pathc; k++) {
            const char *path = found.gl_pathv[k] + root;
            const char *name = arena_strndup(w->a, path, strlen(path) - strlen(".yaml"));
            arena_push(w->a, *names, *n, cap, name);
        }
        globfree(&found);
    }
}

// "dynamics" is "interfaces/dynamics"; else the nearest path.
static void suggest_path(LangWorld *w, const char *path, Loc loc) {
    const char **names = NULL;
    int n = 0;
    list_files(w, &names, &n);
    for (int i = 0; i < n; i++) {
        const char *slash = strrchr(names[i], '/');
        if (slash && !strcmp(slash + 1, path)) {
            diag_note(w->d, loc, "did you mean '%s'?", names[i]);
            return;
        }
    }
    diag_did_you_mean(w->d, loc, path, names, n);
}

static void not_found(LangWorld *w, const char *path, const LangFile *beside, Loc loc,
                      const char *what) {
    diag_error(w->d, loc, beside ? E_unknown_import : E_file, "%s '%s' is not found", what, path);
    Buf b = {0};
    if (beside)
        buf_puts(&b, "beside the file");
    else
        buf_puts(&b, "as a path");
    for (int i = 0; i < w->n_roots; i++)
        buf_printf(&b, ", in %s", w->roots[i]);
    diag_note(w->d, loc, "searched %s; '.yaml' is added", buf_text(&b));
    buf_free(&b);
    suggest_path(w, path, loc);
}

static void read_references(LangWorld *w, LangFile *f) {
    f->loading = true;
    for (int i = 0; i < f->n_implements; i++) {
        Reference *r = &f->implements[i];
        r->file = world_read(w, r->path, f, r->path_loc, "the interface");
        if (r->file && !r->file->is_interface) {
            diag_error(w->d, r->path_loc, E_wrong_kind,
                       "'%s' is a module, and an interface was expected", r->path);
            r->file = NULL;
        }
    }
    for (int i = 0; i < f->n_modules; i++) {
        Reference *r = &f->modules[i];
        r->file = world_read(w, r->path, f, r->path_loc, "the interface");
        if (r->file && !r->file->is_interface) {
            diag_error(w->d, r->path_loc, E_wrong_kind,
                       "'%s' is a module, and a module parameter names an interface", r->path);
            diag_note(w->d, r->path_loc, "libraries stand under 'import'");
            r->file = NULL;
        }
    }
    for (int i = 0; i < f->n_imports; i++) {
        Reference *r = &f->imports[i];
        r->file = world_read(w, r->path, f, r->path_loc, "the library");
        if (r->file && r->file->loading) {
            diag_error(w->d, r->path_loc, E_cycle, "'%s' is imported in a circle", r->path);
            diag_note(w->d, r->file->loc, "it imports this file, maybe by others");
            r->file = NULL;
        }
        if (r->file && r->file->is_interface) {
            diag_error(w->d, r->path_loc, E_wrong_kind,
                       "'%s' is an interface, and a library was expected", r->path);
            diag_note(w->d, r->path_loc,
                      "what implements an interface is a module parameter, under 'modules'");
            r->file = NULL;
        }
        if (r->file && (r->file->params || r->file->state)) {
            diag_error(w->d, r->path_loc, E_bad_param,
                       "'%s' has parameters or state, so it is no library: take it as a module "
                       "parameter, under 'modules'",
                       r->path);
            r->file = NULL;
        }
    }
    f->loading = false;
}

LangFile *world_read(LangWorld *w, const char *path, const LangFile *beside, Loc loc,
                     const char *what) {
    const char *found = find_file(w, path, beside);
    if (!found) {
        not_found(w, path, beside, loc, what);
        return NULL;
    }
    char real[PATH_MAX];
    const char *identity = arena_strdup(w->a, realpath(found, real) ? real : found);
    LangFile *f = map_get(&w->files, identity);
    if (f || map_has(&w->files, identity))
        return f;
    map_put(&w->files, w->a, identity, NULL);
    Yaml *root = yaml_read_file(w->a, w->d, found);
    if (!root)
        return NULL;
    f = decl_read(w->a, w->d, found, identity, root);
    if (!f)
        return NULL;
    map_put(&w->files, w->a, identity, f);
    read_references(w, f);
    return f;
}
