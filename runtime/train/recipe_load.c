// runtime/train/recipe_load.c -- the layers of a recipe, laid upon each other.
//
// Reading a file gives three trees: what it and its bases say, what the chosen profile says, and
// what was said above the file that the profile stands in. They are laid together last, so that a
// profile changes the experiment it belongs to, and a file of one's own changes both.
#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ir/base/errors.h"
#include "runtime/exec/roots.h"
#include "runtime/train/recipe.h"

enum { MAX_DEPTH = 16, MAX_WORDS = 32 };

typedef struct Layers {
    Yaml *tree, *profile, *above;
    bool has_profile;
} Layers;

typedef struct Loader {
    RtRecipe *recipe;
    Arena *arena;
    Diag *diag;
    const char *const *roots;
    int n_roots;
    const char *profile; // that is wanted, or NULL
    const char *open[MAX_DEPTH];
    int n_open;
    const char **profiles; // names of all profiles met
    int n_profiles, cap_profiles;
} Loader;

static const char *with_suffix(Loader *l, const char *folder, const char *name) {
    size_t len = strlen(name);
    bool has = len > 5 && strcmp(name + len - 5, ".yaml") == 0;

    return arena_printf(l->arena, "%s%s%s%s", folder, *folder ? "/" : "", name, has ? "" : ".yaml");
}

// The file that `name` means: a path; beside `beside`; under the models folders, or their
// experiments.
static const char *find_file(Loader *l, const char *name, const char *beside) {
    const char *path = with_suffix(l, "", name);
    const char *slash = beside ? strrchr(beside, '/') : NULL;

    if (slash)
        path = with_suffix(l, arena_strndup(l->arena, beside, (size_t)(slash - beside)), name);
    if (access(path, R_OK) == 0)
        return path;
    for (int i = 0; i < l->n_roots && name[0] != '/'; i++) {
        path = with_suffix(l, l->roots[i], name);
        if (access(path, R_OK) == 0)
            return path;
        path = with_suffix(l, arena_printf(l->arena, "%s/experiments", l->roots[i]), name);
        if (access(path, R_OK) == 0)
            return path;
    }
    return NULL;
}

// Adds the names of the recipes in `folder`, each with `prefix`, and of those in its folders.
static void list_recipes(Loader *l, const char *folder, const char *prefix, int depth,
                         const char ***names, int *n, int *cap) {
    DIR *dir = opendir(folder);

    for (struct dirent *d = dir ? readdir(dir) : NULL; d; d = readdir(dir)) {
        size_t len = strlen(d->d_name);
        bool yaml = len > 5 && strcmp(d->d_name + len - 5, ".yaml") == 0;
        const char *name =
            arena_printf(l->arena, "%s%.*s", prefix, (int)(yaml ? len - 5 : len), d->d_name);
        if (yaml)
            arena_push(l->arena, *names, *n, *cap, name);
        else if (depth > 0 && !strchr(d->d_name, '.'))
            list_recipes(l, arena_printf(l->arena, "%s/%s", folder, d->d_name),
                         arena_printf(l->arena, "%s/", name), depth - 1, names, n, cap);
    }
    if (dir)
        closedir(dir);
}

// Tells that no recipe is called `name`, and which is nearest.
static void refuse_name(Loader *l, const char *name) {
    const DiagFile *file = diag_add_file(l->diag, RT_COMMAND_LINE, name, strlen(name));
    const char **names = NULL;
    int n = 0, cap = 0;

    for (int i = 0; i < l->n_roots; i++)
        list_recipes(l, arena_printf(l->arena, "%s/experiments", l->roots[i]), "", 1, &names, &n,
                     &cap);
    diag_error(l->diag, (Loc){file, 1, 1}, E_file,
               "there is no recipe '%s', as a path or under models/experiments", name);
    diag_did_you_mean(l->diag, (Loc){file, 1, 1}, name, names, n);
}

static Yaml *without(Loader *l, const Yaml *map, const char *key) {
    static const char null[] = "null";
    Yaml *removal = arena_new(l->arena, Yaml);

    *removal = (Yaml){.kind = YAML_NULL, .text = null};
    return rt_tree_merge(l->arena, map, rt_tree_map(l->arena, key, map->loc, removal));
}

// The tree of the wanted profile, its places in a file of its own so that they tell.
static Yaml *take_profile(Loader *l, const Yaml *file) {
    const Yaml *profiles = yaml_find(file, "profiles");
    RtOrigins *o = &l->recipe->origins;

    if (profiles && profiles->kind != YAML_MAP) {
        diag_error(l->diag, profiles->loc, E_recipe, "profiles should be a mapping of profiles");
        return NULL;
    }
    for (int i = 0; profiles && i < profiles->n; i++)
        arena_push(l->arena, l->profiles, l->n_profiles, l->cap_profiles, profiles->keys[i]);
    const Yaml *y = l->profile ? yaml_find(profiles, l->profile) : NULL;
    if (!y)
        return NULL;
    if (y->kind != YAML_MAP) {
        diag_error(l->diag, y->loc, E_recipe, "the profile '%s' should be a mapping", l->profile);
        return NULL;
    }
    const DiagFile *from = y->loc.file;
    const DiagFile *copy = diag_add_file(l->diag, from->path, from->text, from->len);
    arena_push(&o->arena, o->profile_files, o->n, o->cap, copy);
    return rt_tree_move(l->arena, y, copy, 0);
}

static bool read_layers(Loader *l, const char *path, Loc asked, Layers *out);

// A module in place of a recipe is told as that, not as unknown keys.
static bool is_recipe(Loader *l, const Yaml *file) {
    static const char *const others[] = {"module", "interface"};
    for (int i = 0; i < 2; i++) {
        Loc loc;
        if (yaml_find(file, "experiment") || !yaml_find_loc(file, others[i], &loc))
            continue;
        diag_error(l->diag, loc, E_wrong_kind, "this is %s %s, and an experiment was expected",
                   i ? "an" : "a", others[i]);
        if (i == 0)
            diag_note(l->diag, loc,
                      "an experiment binds modules and says how they are trained: see "
                      "docs/experiments.md; 'gssmc compile' takes a module");
        return false;
    }
    return true;
}

static bool read_bases(Loader *l, const char *path, const Yaml *file, Layers *out) {
    RtReader r = {l->arena, l->diag};
    const char **names;
    Loc *locs;
    int n = rt_read_texts(&r, file, "base", &names, &locs);
    bool done = true;

    for (int i = 0; i < n; i++) {
        const char *base = *names[i] ? find_file(l, names[i], path) : NULL;
        Layers b = {0};

        if (*names[i] && !base)
            diag_error(l->diag, locs[i], E_file, "there is no recipe '%s'", names[i]);
        done = base && read_layers(l, base, locs[i], &b) && done;
        out->tree = rt_tree_stack(l->arena, out->tree, b.tree);
        out->profile = rt_tree_stack(l->arena, out->profile, b.profile);
        out->above = rt_tree_stack(l->arena, out->above, b.above);
        out->has_profile |= b.has_profile;
    }
    return done;
}

static bool read_layers(Loader *l, const char *path, Loc asked, Layers *out) {
    for (int i = 0; i < l->n_open; i++)
        if (strcmp(l->open[i], path) == 0) {
            diag_error(l->diag, asked, E_cycle, "the recipe '%s' is a base of itself", path);
            return false;
        }
    if (l->n_open == MAX_DEPTH) {
        diag_error(l->diag, asked, E_limit, "recipes stand on more than %d others", MAX_DEPTH);
        return false;
    }
    l->open[l->n_open++] = path;

    Yaml *file = yaml_read_file(l->arena, l->diag, rt_short_path(l->arena, path));
    bool done = file != NULL;
    if (file && file->kind != YAML_MAP) {
        diag_error(l->diag, file->loc, E_wrong_kind, "a recipe should be a mapping, not %s",
                   yaml_kind_name(file));
        done = false;
    }
    done = done && is_recipe(l, file);
    if (done) {
        done = read_bases(l, path, file, out);
        Yaml *profile = take_profile(l, file);
        Yaml *own = without(l, without(l, file, "base"), "profiles");

        // a file that gives the profile stands below it, with all that came before
        if (profile) {
            out->tree = rt_tree_stack(l->arena, out->tree, out->above);
            out->tree = rt_tree_stack(l->arena, out->tree, own);
            out->profile = rt_tree_stack(l->arena, out->profile, profile);
            out->above = NULL;
            out->has_profile = true;
        } else if (out->has_profile)
            out->above = rt_tree_stack(l->arena, out->above, own);
        else
            out->tree = rt_tree_stack(l->arena, out->tree, own);
    }
    l->n_open--;
    return done;
}

// A module's path may be told from the folder of the recipe that binds it (or, on the command line,
// from the present one). Models folders come first: a recipe may be called like its model. The path
// is made absolute, so that a run's config.yaml means the same module.
static void place_module(Loader *l, Yaml *y) {
    const DiagFile *file = y->loc.file;
    const char *slash = file ? strrchr(file->path, '/') : NULL;
    const char *path = with_suffix(l, "", y->text);
    char absolute[PATH_MAX];

    if (y->text[0] == '/')
        return;
    for (int i = 0; i < l->n_roots; i++)
        if (access(with_suffix(l, l->roots[i], y->text), R_OK) == 0)
            return;
    if (slash)
        path = with_suffix(l, arena_strndup(l->arena, file->path, (size_t)(slash - file->path)),
                           y->text);
    if (realpath(path, absolute))
        y->text = arena_strdup(l->arena, absolute);
}

static void place_modules(Loader *l, const Yaml *root) {
    const Yaml *bind = yaml_find(root, "bind");

    for (int i = 0; bind && bind->kind == YAML_MAP && i < bind->n; i++)
        if (bind->items[i]->kind == YAML_SCALAR)
            place_module(l, bind->items[i]);
}

// ---- the command line ---------------------------------------------------------------------------

static const char *const lists[] = {"every_task", "every_iteration"};

static void add_name(Loader *l, const char ***names, int *n, int *cap, const char *name) {
    arena_push(l->arena, *names, *n, *cap, name);
}

// The keys that lead from a list of stages to the one called `word`, which may be within another:
// its rounds are "search", "stages". Gives how many, or -1 where none is called so.
static int path_to(Loader *l, const Yaml *list, const char *word, const char **path, int depth,
                   const char ***names, int *n, int *cap) {
    for (int i = 0; list && list->kind == YAML_MAP && i < list->n && depth < MAX_WORDS - 2; i++) {
        const Yaml *stage = list->items[i];
        const Yaml *inner = stage->kind == YAML_MAP ? yaml_find(stage, "stages") : NULL;
        if (strcmp(list->keys[i], word) == 0)
            return depth;
        add_name(l, names, n, cap, list->keys[i]);
        path[depth] = list->keys[i];
        path[depth + 1] = "stages";
        int found = path_to(l, inner, word, path, depth + 2, names, n, cap);
        if (found >= 0)
            return found;
    }
    return -1;
}

// The keys before the first word of a setting: none where it is at the top, "every_iteration" and
// what else leads there for a stage, "set" for an instance. Gives how many, or -1 where nothing is
// called so.
static int place_of(Loader *l, const Yaml *root, const char *word, const char **path,
                    const char ***names, int *n) {
    int cap = 0;

    for (int i = 0; rt_recipe_keys[i]; i++) {
        if (strcmp(rt_recipe_keys[i], word) == 0)
            return 0;
        add_name(l, names, n, &cap, rt_recipe_keys[i]);
    }
    for (int k = 0; k < 2; k++) {
        path[0] = lists[k];
        int found = path_to(l, yaml_find(root, lists[k]), word, path, 1, names, n, &cap);
        if (found >= 0)
            return found;
    }
    const Yaml *bind = yaml_find(root, "bind");
    for (int i = 0; bind && bind->kind == YAML_MAP && i < bind->n; i++) {
        if (strcmp(bind->keys[i], word) == 0) {
            path[0] = "set";
            return 1;
        }
        add_name(l, names, n, &cap, bind->keys[i]);
    }
    return -1;
}

// The value that stands from byte `from` of `text`, as YAML; its places are those of the argument.
static Yaml *read_value(Loader *l, const DiagFile *file, const char *text, size_t from) {
    const char *value = text + from;

    if (!*value) {
        diag_error(l->diag, (Loc){file, 1, (int)from + 1}, E_recipe, "a value is missing");
        return NULL;
    }
    if (strcmp(value, "null") == 0 || strcmp(value, "~") == 0) {
        Yaml *none = arena_new(l->arena, Yaml);
        *none = (Yaml){.kind = YAML_NULL, .loc = {file, 1, (int)from + 1}, .text = value};
        return none;
    }
    Yaml *y = yaml_read_text(l->arena, l->diag, RT_COMMAND_LINE, value, strlen(value));
    return y ? rt_tree_move(l->arena, y, file, (int)from) : NULL;
}

// Lays KEY=VALUE upon the tree.
static void apply_setting(Loader *l, Yaml **root, const char *text) {
    const DiagFile *file = diag_add_file(l->diag, RT_COMMAND_LINE, text, strlen(text));
    size_t len = strcspn(text, "=");
    Loc at = {file, 1, 1};
    const char *names_of[MAX_WORDS], *path[MAX_WORDS], **names = NULL;
    int n_words = 0, n_names = 0;

    if (text[len] != '=' || len == 0) {
        diag_error(l->diag, at, E_recipe, "'%s' is not KEY=VALUE", text);
        return;
    }
    char *key = arena_strndup(l->arena, text, len);
    for (char *word = key; word; n_words++) {
        char *dot = strchr(word, '.');
        if (dot)
            *dot = '\0';
        if (!*word || n_words == MAX_WORDS - 1) {
            diag_error(l->diag, at, E_recipe, "'%.*s' is no key of a recipe", (int)len, text);
            return;
        }
        names_of[n_words] = word;
        word = dot ? dot + 1 : NULL;
    }
    int n_path = place_of(l, *root, names_of[0], path, &names, &n_names);
    if (n_path < 0) {
        diag_error(l->diag, at, E_unknown_key, "the recipe has no key '%s'", names_of[0]);
        diag_did_you_mean(l->diag, at, names_of[0], names, n_names);
        return;
    }

    Yaml *value = read_value(l, file, text, len + 1);
    if (!value)
        return;
    for (int i = n_words - 1; i >= 0; i--) {
        Loc loc = {file, 1, 1 + (int)(names_of[i] - key)};
        value = rt_tree_map(l->arena, names_of[i], loc, value);
    }
    while (n_path > 0)
        value = rt_tree_map(l->arena, path[--n_path], at, value);
    *root = rt_tree_merge(l->arena, *root, value);
}

// ---- all of it ----------------------------------------------------------------------------------

// Reads all files. With a profile in them, twice: the first time tells its name.
static Yaml *read_all(Loader *l, const char *path, const char *profile) {
    Layers layers = {0};

    l->profile = profile;
    l->n_profiles = 0;
    if (!read_layers(l, path, (Loc){0}, &layers) || l->diag->n_errors)
        return NULL;
    const Yaml *said = yaml_find(layers.tree, "profile");
    if (yaml_find(layers.above, "profile"))
        said = yaml_find(layers.above, "profile");
    if (!profile && said && said->kind == YAML_SCALAR && l->n_profiles > 0) {
        const char *name = arena_strdup(l->arena, said->text);
        return read_all(l, path, name);
    }

    Loc at = said ? said->loc : (Loc){0};
    if (profile && !layers.has_profile) {
        const bool own = said && strcmp(said->text, profile) == 0;
        if (!own) {
            const char *text = arena_printf(l->arena, "profile=%s", profile);
            at = (Loc){diag_add_file(l->diag, RT_COMMAND_LINE, text, strlen(text)), 1, 9};
        }
        diag_error(l->diag, at, E_recipe, "the recipe has no profile '%s'", profile);
        diag_did_you_mean(l->diag, at, profile, l->profiles, l->n_profiles);
    }
    l->recipe->origins.profile = profile;
    Yaml *root = rt_tree_stack(l->arena, layers.tree, layers.profile);
    return rt_tree_merge(l->arena, NULL, rt_tree_stack(l->arena, root, layers.above));
}

bool rt_recipe_load(RtRecipe *r, const RtRecipeDef *def) {
    Loader l = {.recipe = r, .arena = &r->arena, .diag = &r->diag};
    const char *name = def->name ? def->name : "default";

    l.n_roots = rt_model_roots(&l.roots);
    const char *path = find_file(&l, name, NULL), *profile = def->profile;
    for (int i = 0; i < def->n_settings; i++)
        if (strncmp(def->settings[i], "profile=", 8) == 0)
            profile = def->settings[i] + 8;
    if (!path) {
        refuse_name(&l, name);
        return false;
    }
    r->root = read_all(&l, path, profile);
    if (!r->root)
        return false;
    if (profile)
        apply_setting(&l, &r->root, arena_printf(l.arena, "profile=%s", profile));
    for (int i = 0; i < def->n_settings; i++)
        apply_setting(&l, &r->root, def->settings[i]);
    place_modules(&l, r->root);
    return r->diag.n_errors == 0;
}
