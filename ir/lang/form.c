// ir/lang/form.c -- values and types as they stand in a file.
#include <string.h>

#include "ir/base/errors.h"
#include "ir/lang/decl_read.h"
#include "ir/lang/hints.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

static Form *new_form(Arena *a, FormKind kind, Loc loc) {
    Form *f = arena_new(a, Form);
    *f = (Form){.kind = kind, .loc = loc};
    return f;
}

Form *form_bad(Reader *r, Loc loc) {
    return new_form(r->a, FORM_BAD, loc);
}

Form *form_empty(Reader *r, Loc loc) {
    return new_form(r->a, FORM_RECORD, loc);
}

Fields form_read_fields(Reader *r, const Yaml *y, const char *what, const char *item) {
    Fields fields = {0};
    if (!y || y->kind == YAML_NULL || !decl_is_map(r, y, what))
        return fields;
    fields.items = arena_array(r->a, Field, y->n);
    for (int i = 0; i < y->n; i++) {
        if (item && !decl_name_is_good(r, y->keys[i], y->key_locs[i], item))
            continue;
        fields.items[fields.n++] = (Field){
            .name = y->keys[i], .loc = y->key_locs[i], .form = form_read(r->a, r->d, y->items[i])};
    }
    return fields;
}

// ---- structures ---------------------------------------------------------------------------------

static Form *required(Reader *r, const Yaml *y, const char *key, const char *what) {
    const Yaml *found = yaml_find(y, key);
    if (found)
        return form_read(r->a, r->d, found);
    diag_error(r->d, y->loc, E_missing_key, "%s lacks '%s'", what, key);
    return form_bad(r, y->loc);
}

static Form *read_if(Reader *r, const Yaml *y) {
    static const char *const keys[] = {"if", "then", "else"};
    yaml_check_keys(y, r->d, keys, COUNT(keys), "'if'");
    Form *f = new_form(r->a, FORM_IF, y->loc);
    f->cond = required(r, y, "if", "'if'");
    f->yes = required(r, y, "then", "'if'");
    const Yaml *no = yaml_find(y, "else");
    f->no = no ? form_read(r->a, r->d, no) : NULL;
    return f;
}

// Reports a name of `fields` that `seen` has, and adds them; `kind` is what they are.
static void claim_names(Reader *r, Map *seen, const Fields *fields, const char *kind) {
    for (int i = 0; i < fields->n; i++) {
        const Field *field = &fields->items[i];
        const char *before = map_get(seen, field->name);
        if (before)
            diag_error(r->d, field->loc, E_duplicate_name,
                       "'%s' is already the name of %s of the loop", field->name, before);
        else
            map_put(seen, r->a, field->name, (void *)(uintptr_t)kind);
    }
}

// Within a body one name stands for one thing.
static void check_body_names(Reader *r, const Form *f) {
    Map seen = {0};
    map_put(&seen, r->a, f->kind == FORM_REPEAT ? f->index ? f->index : "" : "step",
            (void *)(uintptr_t) "the index");
    claim_names(r, &seen, &f->carry, "a carry");
    claim_names(r, &seen, &f->over, "a slice");
    claim_names(r, &seen, &f->nodes, "a node");
}

static Form *read_scan(Reader *r, const Yaml *y) {
    static const char *const keys[] = {"scan", "nodes", "next", "until", "collect"};
    static const char *const head_keys[] = {"carry", "over", "steps", "reverse"};
    yaml_check_keys(y, r->d, keys, COUNT(keys), "'scan'");
    const Yaml *head = yaml_find(y, "scan");
    Form *f = new_form(r->a, FORM_SCAN, y->loc);
    if (!decl_is_map(r, head, "'scan'"))
        return form_bad(r, head->loc);
    yaml_check_keys(head, r->d, head_keys, COUNT(head_keys), "'scan'");
    f->carry = form_read_fields(r, yaml_find(head, "carry"), "'carry'", "a carry");
    f->over = form_read_fields(r, yaml_find(head, "over"), "'over'", "a slice");
    const Yaml *steps = yaml_find(head, "steps"), *reverse = yaml_find(head, "reverse");
    f->steps = steps ? form_read(r->a, r->d, steps) : NULL;
    if (reverse && !yaml_as_bool(reverse, &f->reverse))
        diag_error(r->d, reverse->loc, E_wrong_kind,
                   "'reverse' is the word true or false, fixed at compile time");
    f->nodes = form_read_fields(r, yaml_find(y, "nodes"), "'nodes'", "a node");
    f->next = form_read_fields(r, yaml_find(y, "next"), "'next'", "a carry");
    const Yaml *until = yaml_find(y, "until");
    f->until = until ? form_read(r->a, r->d, until) : NULL;
    f->collect = form_read_fields(r, yaml_find(y, "collect"), "'collect'", "a collected value");
    check_body_names(r, f);
    if (!f->steps && !f->over.n) {
        const Yaml *over = yaml_find(head, "over");
        if (!over || over->kind == YAML_MAP)
            diag_error(r->d, head->loc, E_steps, "the loop has no length: give 'steps' or 'over'");
        return form_bad(r, head->loc);
    }
    return f;
}

static Form *read_map(Reader *r, const Yaml *y) {
    static const char *const keys[] = {"map", "nodes", "output"};
    static const char *const head_keys[] = {"over"};
    yaml_check_keys(y, r->d, keys, COUNT(keys), "'map'");
    const Yaml *head = yaml_find(y, "map");
    Form *f = new_form(r->a, FORM_MAP, y->loc);
    if (!decl_is_map(r, head, "'map'"))
        return form_bad(r, head->loc);
    yaml_check_keys(head, r->d, head_keys, COUNT(head_keys), "'map'");
    f->over = form_read_fields(r, yaml_find(head, "over"), "'over'", "a row");
    f->nodes = form_read_fields(r, yaml_find(y, "nodes"), "'nodes'", "a node");
    f->output = required(r, y, "output", "'map'");
    check_body_names(r, f);
    if (!f->over.n) {
        diag_error(r->d, head->loc, E_steps, "the map has no length: give 'over'");
        return form_bad(r, head->loc);
    }
    return f;
}

static Form *read_repeat(Reader *r, const Yaml *y) {
    static const char *const keys[] = {"repeat", "nodes", "next", "layer"};
    static const char *const head_keys[] = {"index", "times", "carry"};
    yaml_check_keys(y, r->d, keys, COUNT(keys), "'repeat'");
    const Yaml *head = yaml_find(y, "repeat"), *layer = yaml_find(y, "layer");
    if (!decl_is_map(r, head, "'repeat'"))
        return form_bad(r, head->loc);
    yaml_check_keys(head, r->d, head_keys, COUNT(head_keys), "'repeat'");
    Form *f = new_form(r->a, FORM_REPEAT, y->loc);
    const Yaml *index = yaml_find(head, "index");
    f->index = index ? decl_text(r, index, "'index'") : NULL;
    f->index_loc = index ? index->loc : head->loc;
    if (f->index && !decl_name_is_good(r, f->index, f->index_loc, "an index"))
        f->index = NULL;
    f->times = required(r, head, "times", "'repeat'");
    f->carry = form_read_fields(r, yaml_find(head, "carry"), "'carry'", "a carry");
    f->nodes = form_read_fields(r, yaml_find(y, "nodes"), "'nodes'", "a node");
    f->next = form_read_fields(r, yaml_find(y, "next"), "'next'", "a carry");
    f->layer = layer ? form_read(r->a, r->d, layer) : NULL;
    check_body_names(r, f);
    return f;
}

// ---- values -------------------------------------------------------------------------------------

// Where YAML has taken the end of a plain expression for punctuation of its own, says so.
static void note_cut_short(Diag *d, const Yaml *y) {
    if (y->quoted || !y->verbatim || !y->loc.file)
        return;

    // what stands behind the text in the file
    const char *at = y->loc.file->text, *end = at + y->loc.file->len;
    for (int line = 1; line < y->loc.line && at; line++)
        at = memchr(at, '\n', (size_t)(end - at)), at = at ? at + 1 : NULL;
    size_t skip = (size_t)y->loc.col - 1 + strlen(y->text);
    if (!at || skip > (size_t)(end - at))
        return;
    at += skip;
    at += strspn(at, " ");
    if (*at == '#')
        diag_note(d, y->loc, "' #' begins a comment: put the expression in quotes");
    else if (*at && strchr(",[]{}", *at))
        diag_note(d, y->loc,
                  "within { } and [ ] YAML ends plain text at ',' and brackets: put the "
                  "expression in quotes");
}

// Whether brackets of an expression are open at its end.
static bool is_cut_short(const char *text) {
    int open = 0;
    for (const char *s = text; *s; s++)
        open += *s == '(' ? 1 : *s == ')' ? -1 : 0;
    return open > 0;
}

Form *form_read(Arena *a, Diag *d, const Yaml *y) {
    Reader reader = {.a = a, .d = d}, *r = &reader;
    if (!y)
        return new_form(a, FORM_NOTHING, (Loc){0});
    if (y->kind == YAML_NULL)
        return new_form(a, FORM_NOTHING, y->loc);
    if (y->kind != YAML_MAP) {
        Form *f = new_form(a, FORM_EXPR, y->loc);
        f->expr = expr_parse(a, d, y);
        if (!f->expr)
            f->kind = FORM_BAD;
        if (!f->expr && y->kind == YAML_SCALAR && is_cut_short(y->text))
            note_cut_short(d, y);
        return f;
    }
    if (yaml_find(y, "if"))
        return read_if(r, y);
    if (yaml_find(y, "scan"))
        return read_scan(r, y);
    if (yaml_find(y, "map"))
        return read_map(r, y);
    if (yaml_find(y, "repeat"))
        return read_repeat(r, y);
    static const char *const loops[] = {"for", "while"};
    for (int i = 0; i < COUNT(loops); i++) {
        Loc loc;
        if (!yaml_find_loc(y, loops[i], &loc))
            continue;
        diag_error(d, loc, E_unknown_key, "there is no structure '%s'", loops[i]);
        hint_note(d, loc, HINT_KEY, loops[i]);
        return form_bad(r, loc);
    }
    Form *f = new_form(a, FORM_RECORD, y->loc);
    f->fields = form_read_fields(r, y, "a record", "a field");
    return f;
}

Form *form_read_params(Reader *r, const Yaml *y) {
    if (y->kind == YAML_NULL)
        return form_empty(r, y->loc);
    if (!decl_is_map(r, y, "'params'"))
        return form_bad(r, y->loc);
    return form_read(r->a, r->d, y);
}

Form *form_read_const(Reader *r, const Yaml *y, const char *item) {
    int64_t i;
    double x;
    bool b;
    if (y->kind == YAML_LIST)
        return form_read(r->a, r->d, y);
    if (y->kind == YAML_SCALAR && !y->quoted && (yaml_as_int(y, &i) || yaml_as_double(y, &x)))
        return form_read(r->a, r->d, y);
    if (y->kind == YAML_SCALAR && !y->quoted && yaml_as_bool(y, &b))
        return form_read(r->a, r->d, y);
    if (y->kind == YAML_SCALAR && (y->quoted || expr_is_name(y->text))) {
        Form *f = new_form(r->a, FORM_EXPR, y->loc);
        f->expr = arena_new(r->a, Expr);
        *f->expr = (Expr){.kind = EXPR_STRING, .loc = y->loc, .name = y->text, .height = 1};
        return f;
    }
    if (y->kind == YAML_SCALAR)
        diag_error(r->d, y->loc, E_number,
                   "%s is a number, true, false or a word, and '%s' is none", item, y->text);
    else
        diag_error(r->d, y->loc, E_wrong_kind,
                   "%s is a number, true, false or a word, and this is %s", item,
                   yaml_kind_name(y));
    return form_bad(r, y->loc);
}

Form *form_const(Arena *a, Diag *d, const Yaml *y) {
    Reader r = {.a = a, .d = d};
    return form_read_const(&r, y, "a value");
}

// ---- types --------------------------------------------------------------------------------------

static TypeExpr *new_type(Arena *a, TypeKind kind, Loc loc, const char *text) {
    TypeExpr *t = arena_new(a, TypeExpr);
    *t = (TypeExpr){.kind = kind, .loc = loc, .text = text};
    return t;
}

// Takes the sizes of an index or a list; a leading `...` stands for any axes.
static TypeExpr *take_sizes(Diag *d, TypeExpr *t, Expr *e) {
    t->sizes = e->args;
    t->n = e->n;
    if (t->n && t->sizes[0]->kind == EXPR_ELLIPSIS) {
        t->any_leading = true;
        t->sizes++;
        t->n--;
    }
    for (int i = 0; i < t->n; i++) {
        ExprKind kind = t->sizes[i]->kind;
        if (kind == EXPR_SLICE || kind == EXPR_ELLIPSIS) {
            diag_error(d, t->sizes[i]->loc, E_expr_syntax, "a size was expected%s",
                       kind == EXPR_ELLIPSIS ? "; '...' stands first or not at all" : "");
            t->kind = TYPE_BAD;
        }
    }
    if (t->n > IR_MAX_RANK) {
        diag_error(d, t->loc, E_rank, "a tensor has at most %d axes, and this has %d", IR_MAX_RANK,
                   t->n);
        t->kind = TYPE_BAD;
    }
    return t;
}

// "[N, dx]", "[..., n]", "i32[N]": read as an index of the element type.
static TypeExpr *read_tensor(Arena *a, Diag *d, const Yaml *y, const char *open) {
    TypeExpr *t = new_type(a, TYPE_TENSOR, y->loc, y->text);
    size_t len = (size_t)(open - y->text);
    while (len && y->text[len - 1] == ' ')
        len--;
    static const char *const elements[] = {"real", "i32", "bool"};
    int element = len ? COUNT(elements) : 0;
    for (int i = 0; i < COUNT(elements); i++) {
        if (len == strlen(elements[i]) && !memcmp(y->text, elements[i], len))
            element = i;
    }
    if (element == COUNT(elements)) {
        diag_error(d, y->loc, E_expr_syntax, "'%.*s' is no element type: write real, i32 or bool",
                   (int)len, y->text);
        return new_type(a, TYPE_BAD, y->loc, y->text);
    }
    t->element = (TypeElement)element;
    const char *inside = open + 1;
    inside += strspn(inside, " ");
    if (*inside == ']' && !inside[1 + strspn(inside + 1, " ")])
        return t;

    if (strchr(open, '?')) {
        diag_error(d, y->loc, E_expr_syntax, "'%s' is no shape", y->text);
        diag_note(d, y->loc, "every axis has a name or a size; '[..., n]' has any leading axes");
        return new_type(a, TYPE_BAD, y->loc, y->text);
    }

    // one byte before the bracket stands for the element type
    Yaml index = *y;
    index.text = arena_printf(a, "x%s", open);
    index.loc.col += index.verbatim ? (int)(open - y->text) - 1 : 0;
    Expr *e = expr_parse(a, d, &index);
    if (e && e->kind == EXPR_INDEX && e->base->kind == EXPR_NAME)
        return take_sizes(d, t, e);
    if (e)
        diag_error(d, y->loc, E_expr_syntax, "'%s' is no shape", y->text);
    if (strchr(open, '*'))
        diag_note(d, y->loc, "every axis has a name or a size; '[..., n]' has any leading axes");
    return new_type(a, TYPE_BAD, y->loc, y->text);
}

// [N, dx] as a YAML list.
static TypeExpr *read_tensor_list(Arena *a, Diag *d, const Yaml *y) {
    Buf text = {0};
    Expr *list = arena_new(a, Expr);
    *list = (Expr){.kind = EXPR_LIST, .loc = y->loc, .args = arena_array(a, Expr *, y->n)};
    bool good = true;
    for (int i = 0; i < y->n; i++) {
        const Yaml *item = y->items[i];
        buf_printf(&text, "%s%s", i ? ", " : "[", item->text ? item->text : "?");
        Expr *e = NULL;
        if (item->kind == YAML_SCALAR && !strcmp(item->text, "...")) {
            e = arena_new(a, Expr);
            *e = (Expr){.kind = EXPR_ELLIPSIS, .loc = item->loc, .height = 1};
        } else {
            e = expr_parse(a, d, item);
        }
        good = good && e;
        if (e)
            list->args[list->n++] = e;
    }
    buf_puts(&text, y->n ? "]" : "[]");
    TypeExpr *t =
        new_type(a, good ? TYPE_TENSOR : TYPE_BAD, y->loc, arena_strdup(a, buf_text(&text)));
    buf_free(&text);
    return good ? take_sizes(d, t, list) : t;
}

static TypeExpr *read_record_type(Arena *a, Diag *d, const Yaml *y) {
    Reader r = {.a = a, .d = d};
    TypeExpr *t = new_type(a, TYPE_RECORD, y->loc, "a record");
    t->names = arena_array(a, const char *, y->n);
    t->fields = arena_array(a, TypeExpr *, y->n);
    for (int i = 0; i < y->n; i++) {
        if (!decl_name_is_good(&r, y->keys[i], y->key_locs[i], "a field"))
            continue;
        t->names[t->n] = y->keys[i];
        t->fields[t->n++] = form_read_type(a, d, y->items[i]);
    }
    return t;
}

TypeExpr *form_read_type(Arena *a, Diag *d, const Yaml *y) {
    if (y->kind == YAML_MAP)
        return read_record_type(a, d, y);
    if (y->kind == YAML_LIST)
        return read_tensor_list(a, d, y);
    if (y->kind == YAML_NULL) {
        diag_error(d, y->loc, E_wrong_kind,
                   "a type is missing: a shape such as \"[N, 3]\" was expected");
        return new_type(a, TYPE_BAD, y->loc, "");
    }
    const char *open = strchr(y->text, '[');
    if (open)
        return read_tensor(a, d, y, open);
    if (y->text[0] >= 'A' && y->text[0] <= 'Z' && !y->text[1])
        return new_type(a, TYPE_LETTER, y->loc, y->text);
    if (!strcmp(y->text, "function"))
        return new_type(a, TYPE_FUNCTION, y->loc, y->text);

    Expr *e = expr_parse(a, d, y);
    if (e && (e->kind == EXPR_NAME || (e->kind == EXPR_FIELD && e->base->kind == EXPR_NAME))) {
        TypeExpr *t = new_type(a, TYPE_RESULT, y->loc, y->text);
        t->function = e;
        return t;
    }
    if (e)
        diag_error(
            d, y->loc, E_wrong_kind,
            "'%s' is no type: a shape such as \"[N, 3]\", a mapping of fields, the name of a "
            "function or a capital letter was expected",
            y->text);
    else
        diag_note(d, y->loc, "a shape stands in brackets, such as \"[N, 3]\"");
    return new_type(a, TYPE_BAD, y->loc, y->text);
}
