// ir/lang/yaml.c -- a YAML file as a tree whose every node knows its place.
//
// libyaml turns the text into events; this file turns events into a tree. The text is checked to be
// printable UTF-8 first, so that libyaml's marks (which count characters) can be turned into bytes.
// Semantic errors do not stop the reading; syntax errors and passed limits do.
#include "ir/lang/yaml.h"

#include <string.h>
#include <sys/stat.h>

#include <yaml.h>

#include "ir/base/buf.h"
#include "ir/base/errors.h"
#include "ir/base/map.h"
#include "ir/lang/yaml_words.h"

enum { STRIDE = 64 }; // characters between two entries of Reader.bytes

// A node while it is read.
typedef struct Node {
    Yaml yaml;     // first, so that a Node is a Yaml
    int64_t count; // nodes below and including this one, aliases written out
    int64_t bytes; // of their texts
    int height;    // 0 for a scalar
    bool open;     // a collection that is still being read
} Node;

typedef struct Reader {
    Arena *arena;
    Arena scratch;
    Diag *diag;
    const DiagFile *file;
    uint32_t *bytes; // byte offset of every STRIDE-th character
    uint32_t *lines; // byte offset of every line
    int n_lines;
    yaml_parser_t parser;
    Map anchors; // of Node
    int64_t n_nodes;
    int64_t n_bytes; // of all texts
    bool stopped;    // after a syntax error or a passed limit
} Reader;

// ---- places

// Byte offset of character `index`.
static size_t find_byte(const Reader *r, size_t index) {
    const char *text = r->file->text;
    size_t at = r->bytes[index / STRIDE];
    for (size_t i = index % STRIDE; i && at < r->file->len; i--) {
        at++;
        while (at < r->file->len && (text[at] & 0xc0) == 0x80)
            at++;
    }
    return at;
}

static Loc find_loc(const Reader *r, size_t at) {
    int lo = 0, hi = r->n_lines;
    while (hi - lo > 1) {
        int mid = lo + (hi - lo) / 2;
        if (r->lines[mid] <= at)
            lo = mid;
        else
            hi = mid;
    }
    return (Loc){r->file, lo + 1, (int)(at - r->lines[lo]) + 1};
}

static Loc mark_loc(const Reader *r, yaml_mark_t mark) {
    return find_loc(r, find_byte(r, mark.index));
}

// Fills the tables behind find_byte() and find_loc().
static void index_text(Reader *r) {
    const char *text = r->file->text;
    size_t len = r->file->len, n_chars = 0;

    r->bytes = arena_array(&r->scratch, uint32_t, len / STRIDE + 2);
    r->n_lines = 1;
    for (size_t i = 0; i < len; i++)
        r->n_lines += text[i] == '\n';
    r->lines = arena_array(&r->scratch, uint32_t, r->n_lines);

    int line = 1;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\n')
            r->lines[line++] = (uint32_t)i + 1;
        if ((text[i] & 0xc0) != 0x80 && n_chars++ % STRIDE == 0)
            r->bytes[(n_chars - 1) / STRIDE] = (uint32_t)i;
    }
    for (size_t k = (n_chars + STRIDE - 1) / STRIDE; k < len / STRIDE + 2; k++)
        r->bytes[k] = (uint32_t)len;
}

// ---- the text before it is parsed

// What is wrong with character `c`, or NULL. YAML takes printable characters only.
static const char *refuse_char(int32_t c, unsigned char byte, Arena *a) {
    if (c < 0)
        return arena_printf(a, "byte 0x%02x is not UTF-8", byte);
    if (c == 0)
        return "a NUL byte is not allowed";
    if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || (c >= 0x7f && c < 0xa0 && c != 0x85))
        return arena_printf(a, "the control character 0x%02x is not allowed", (unsigned)c);
    if (c == 0xfeff || c == 0xfffe || c == 0xffff)
        return arena_printf(a, "the character U+%04X is not allowed", (unsigned)c);
    return NULL;
}

// Reports the first bad character of each line.
static void check_encoding(Reader *r) {
    const char *s = r->file->text, *end = s + r->file->len;
    int bad_line = 0;

    for (int len; s < end; s += len) {
        int32_t c = buf_decode_utf8(s, end, &len);
        const char *why = refuse_char(c, (unsigned char)*s, &r->scratch);
        if (!why)
            continue;
        Loc loc = find_loc(r, (size_t)(s - r->file->text));
        if (loc.line != bad_line)
            diag_error(r->diag, loc, E_encoding, "%s", why);
        bad_line = loc.line;
    }
}

// ---- events

static void report_syntax(Reader *r) {
    const yaml_parser_t *p = &r->parser;
    if (p->error == YAML_MEMORY_ERROR)
        arena_out_of_memory(r->file->len);

    YamlProblem problem = {.text = "the text does not parse"};
    if (p->problem)
        problem = yaml_problem(p->problem, r->file->text, r->file->len,
                               find_byte(r, p->problem_mark.index));
    bool whole = problem.whole && p->context;
    Loc loc = mark_loc(r, whole ? p->context_mark : p->problem_mark);
    diag_error(r->diag, loc, E_yaml_syntax, "%s", problem.text);
    const char *context = p->context && !whole ? yaml_context(p->context) : NULL;
    if (problem.note)
        diag_note(r->diag, loc, "%s", problem.note);
    else if (context)
        diag_note(r->diag, mark_loc(r, p->context_mark), "%s", context);
}

// The next event, which the caller deletes. False after a syntax error.
static bool next_event(Reader *r, yaml_event_t *e) {
    if (!r->stopped && yaml_parser_parse(&r->parser, e))
        return true;
    if (!r->stopped)
        report_syntax(r);
    r->stopped = true;
    return false;
}

static void pass_limit(Reader *r, Loc loc, const char *what, int limit) {
    diag_error(r->diag, loc, E_limit, "%s: the limit is %d", what, limit);
    r->stopped = true;
}

static void add_nodes(Reader *r, Loc loc, int64_t n) {
    r->n_nodes += n;
    if (r->n_nodes > YAML_MAX_NODES && !r->stopped)
        pass_limit(r, loc, "the document has too many values, aliases written out", YAML_MAX_NODES);
}

// ---- nodes

// The first byte of the value of `e` behind its anchor and tag.
static size_t value_start(const Reader *r, const yaml_event_t *e, bool has_properties) {
    const char *text = r->file->text;
    size_t at = find_byte(r, e->start_mark.index), end = find_byte(r, e->end_mark.index);
    if (e->type != YAML_SCALAR_EVENT)
        end = r->file->len;

    while (has_properties && at < end) {
        if (text[at] == '&' || text[at] == '!')
            at += strcspn(text + at, " \t\r\n,[]{}");
        else if (text[at] == '#')
            at += strcspn(text + at, "\n");
        else if (strchr(" \t\r\n", text[at]))
            at++;
        else
            break;
    }
    return at < end ? at : end;
}

// A zeroed node of `kind` at `loc`, known as `anchor` unless that is NULL.
static Node *new_node(Reader *r, YamlKind kind, Loc loc, const yaml_char_t *anchor) {
    Node *n = arena_new(r->arena, Node);
    n->yaml.kind = kind;
    n->yaml.loc = loc;
    n->count = 1;
    add_nodes(r, loc, 1);
    if (anchor)
        map_put(&r->anchors, &r->scratch, arena_strdup(&r->scratch, (const char *)anchor), n);
    return n;
}

// The core tag that `tag` is ("str", "map"), "" for none, or NULL for a foreign one.
static const char *core_tag(const yaml_char_t *tag) {
    static const char prefix[] = "tag:yaml.org,2002:";
    static const char *const core[] = {"str", "int", "float", "bool", "null", "map", "seq"};
    if (!tag)
        return "";
    const char *s = (const char *)tag;
    if (!strcmp(s, "!"))
        return "str";
    if (strncmp(s, prefix, sizeof prefix - 1))
        return NULL;
    for (size_t i = 0; i < sizeof core / sizeof *core; i++) {
        if (!strcmp(s + sizeof prefix - 1, core[i]))
            return core[i];
    }
    return NULL;
}

// Whether `y`, read without its tag, is what the core tag says.
static bool fits_tag(const Yaml *y, const char *tag) {
    bool b;
    int64_t i;
    double x;
    if (!strcmp(tag, "map"))
        return y->kind == YAML_MAP;
    if (!strcmp(tag, "seq"))
        return y->kind == YAML_LIST;
    if (!strcmp(tag, "null"))
        return y->kind == YAML_NULL;
    if (!strcmp(tag, "bool"))
        return yaml_as_bool(y, &b);
    if (!strcmp(tag, "int"))
        return yaml_as_int(y, &i);
    if (!strcmp(tag, "float"))
        return yaml_as_double(y, &x);
    return y->kind == YAML_NULL || y->kind == YAML_SCALAR;
}

static void check_tag(Reader *r, Yaml *y, const yaml_char_t *tag) {
    const char *core = core_tag(tag);
    if (!core)
        diag_error(r->diag, y->loc, E_yaml_syntax, "the tag '%s' is not known", (const char *)tag);
    else if (*core && !fits_tag(y, core))
        diag_error(r->diag, y->loc, E_wrong_kind, "the tag '!!%s' stands before %s", core,
                   yaml_kind_name(y));
    else if (*core && !strcmp(core, "str")) {
        y->quoted = true;
        y->kind = YAML_SCALAR;
    }
}

static bool is_null(const char *s) {
    return !*s || !strcmp(s, "~") || !strcmp(s, "null") || !strcmp(s, "Null") || !strcmp(s, "NULL");
}

static Node *read_scalar(Reader *r, const yaml_event_t *e) {
    const char *text = (const char *)e->data.scalar.value;
    size_t len = e->data.scalar.length;
    yaml_scalar_style_t style = e->data.scalar.style;
    bool plain = style == YAML_PLAIN_SCALAR_STYLE;
    bool quotes =
        style == YAML_SINGLE_QUOTED_SCALAR_STYLE || style == YAML_DOUBLE_QUOTED_SCALAR_STYLE;

    // the value is verbatim when its bytes are those of the source
    size_t start = value_start(r, e, e->data.scalar.anchor || e->data.scalar.tag);
    size_t end = find_byte(r, e->end_mark.index);
    size_t first = start + quotes, last = end - (quotes && end > start);
    bool verbatim = (plain || quotes) && first <= last && last - first == len &&
                    !memcmp(r->file->text + first, text, len);

    Loc loc = find_loc(r, verbatim ? first : start);
    Node *n = new_node(r, YAML_SCALAR, loc, e->data.scalar.anchor);
    if (len > YAML_MAX_SCALAR) {
        pass_limit(r, loc, "the text is too long, in bytes", YAML_MAX_SCALAR);
        return n;
    }
    if (memchr(text, '\0', len))
        diag_error(r->diag, loc, E_encoding, "a NUL byte is not allowed");
    n->bytes = (int64_t)len;
    r->n_bytes += n->bytes;
    n->yaml.verbatim = verbatim;
    n->yaml.quoted = !plain;
    n->yaml.text = arena_strndup(r->arena, text, len);
    if (plain && is_null(n->yaml.text))
        n->yaml.kind = YAML_NULL;
    check_tag(r, &n->yaml, e->data.scalar.tag);
    return n;
}

// The node that an alias shares; nothing in its place after an error.
static Node *read_alias(Reader *r, const yaml_event_t *e, int depth) {
    const char *name = (const char *)e->data.alias.anchor;
    Loc loc = mark_loc(r, e->start_mark);
    Node *n = map_get(&r->anchors, name);

    if (!n) {
        diag_error(r->diag, loc, E_alias, "no anchor '&%s' stands before this alias", name);
        return new_node(r, YAML_NULL, loc, NULL);
    }
    if (n->open) {
        diag_error(r->diag, loc, E_alias, "the alias '*%s' refers to what it is part of", name);
        diag_note(r->diag, n->yaml.loc, "'&%s' stands here", name);
        return new_node(r, YAML_NULL, loc, NULL);
    }
    add_nodes(r, loc, n->count);
    r->n_bytes += n->bytes;
    if (r->n_bytes > YAML_MAX_BYTES && !r->stopped)
        pass_limit(r, loc, "the document has too many bytes, aliases written out", YAML_MAX_BYTES);
    if (!r->stopped && depth + n->height > YAML_MAX_DEPTH)
        pass_limit(r, loc, "lists and mappings are nested too deep", YAML_MAX_DEPTH);
    return n;
}

static Node *read_node(Reader *r, yaml_event_t *e, int depth);

// Starts a list or mapping within `depth` others.
static Node *open_node(Reader *r, const yaml_event_t *e, int depth) {
    bool list = e->type == YAML_SEQUENCE_START_EVENT;
    const yaml_char_t *anchor = list ? e->data.sequence_start.anchor : e->data.mapping_start.anchor;
    const yaml_char_t *tag = list ? e->data.sequence_start.tag : e->data.mapping_start.tag;

    Loc loc = find_loc(r, value_start(r, e, anchor || tag));
    Node *n = new_node(r, list ? YAML_LIST : YAML_MAP, loc, anchor);
    n->open = true;
    check_tag(r, &n->yaml, tag);
    if (depth >= YAML_MAX_DEPTH && !r->stopped)
        pass_limit(r, loc, "lists and mappings are nested too deep", YAML_MAX_DEPTH);
    return n;
}

static void add_child(Node *n, const Node *child) {
    if (child->height >= n->height)
        n->height = child->height + 1;
}

static Node *read_list(Reader *r, const yaml_event_t *start, int depth) {
    int64_t n_nodes = r->n_nodes, n_bytes = r->n_bytes;
    Node *n = open_node(r, start, depth);
    n->height = 1;
    int cap = 0;

    for (yaml_event_t e; next_event(r, &e);) {
        if (e.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&e);
            break;
        }
        Node *item = read_node(r, &e, depth + 1);
        add_child(n, item);
        arena_push(r->arena, n->yaml.items, n->yaml.n, cap, &item->yaml);
    }
    n->count = r->n_nodes - n_nodes;
    n->bytes = r->n_bytes - n_bytes;
    n->open = false;
    return n;
}

// Whether `key` may stand in a mapping with the keys in `seen`. Reports it if not.
static bool check_key(Reader *r, const Map *seen, const Yaml *key, Loc loc) {
    if (key->kind != YAML_SCALAR) {
        diag_error(r->diag, loc, E_wrong_kind, "a key is text, but here is %s",
                   yaml_kind_name(key));
        return false;
    }
    if (!key->quoted && !strcmp(key->text, "<<")) {
        diag_error(r->diag, loc, E_yaml_syntax, "the merge key '<<' is not part of YAML 1.2");
        return false;
    }
    const Loc *first = map_get(seen, key->text);
    if (first) {
        diag_error(r->diag, loc, E_duplicate_key, "the key '%s' stands here a second time",
                   key->text);
        diag_note(r->diag, *first, "the first is here");
        return false;
    }
    return true;
}

static void add_entry(Reader *r, Node *n, int *cap, const char *key, Loc loc, Node *value) {
    Yaml *y = &n->yaml;
    if (y->n == *cap) {
        size_t n_old = (size_t)y->n, n_new = n_old ? 2 * n_old : 8;
        y->items = arena_grow(r->arena, y->items, n_old, n_new, sizeof *y->items);
        y->keys = arena_grow(r->arena, y->keys, n_old, n_new, sizeof *y->keys);
        y->key_locs = arena_grow(r->arena, y->key_locs, n_old, n_new, sizeof *y->key_locs);
        *cap = (int)n_new;
    }
    y->items[y->n] = &value->yaml;
    y->keys[y->n] = key;
    y->key_locs[y->n++] = loc;
    add_child(n, value);
}

static Node *read_map(Reader *r, const yaml_event_t *start, int depth) {
    int64_t n_nodes = r->n_nodes, n_bytes = r->n_bytes;
    Node *n = open_node(r, start, depth);
    n->height = 1;
    Map seen = {0};
    int cap = 0;

    for (yaml_event_t e; next_event(r, &e);) {
        if (e.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&e);
            break;
        }
        bool alias = e.type == YAML_ALIAS_EVENT;
        Loc loc = mark_loc(r, e.start_mark);
        Node *key = read_node(r, &e, depth + 1);
        if (!alias)
            loc = key->yaml.loc;
        if (!next_event(r, &e))
            break;
        Node *value = read_node(r, &e, depth + 1);
        if (r->stopped || !check_key(r, &seen, &key->yaml, loc))
            continue;
        Loc *place = arena_new(&r->scratch, Loc);
        *place = loc;
        map_put(&seen, &r->scratch, key->yaml.text, place);
        add_entry(r, n, &cap, key->yaml.text, loc, value);
    }
    n->count = r->n_nodes - n_nodes;
    n->bytes = r->n_bytes - n_bytes;
    n->open = false;
    return n;
}

// Reads the node that starts with `e`, which is deleted. Never NULL; after `stopped` it is whatever
// was read. `depth` collections are around it.
static Node *read_node(Reader *r, yaml_event_t *e, int depth) {
    Node *n;
    if (e->type == YAML_SCALAR_EVENT)
        n = read_scalar(r, e);
    else if (e->type == YAML_ALIAS_EVENT)
        n = read_alias(r, e, depth);
    else if (e->type == YAML_SEQUENCE_START_EVENT)
        n = read_list(r, e, depth);
    else
        n = read_map(r, e, depth);
    yaml_event_delete(e);
    return n;
}

// ---- documents

// Reads the whole stream: one document.
static Node *read_stream(Reader *r) {
    Node *root = NULL;
    bool done = false;

    for (yaml_event_t e; !done && !r->stopped && next_event(r, &e);) {
        if (e.type == YAML_DOCUMENT_START_EVENT && root) {
            diag_error(r->diag, mark_loc(r, e.start_mark), E_yaml_syntax,
                       "a second document starts here; a file holds one");
            r->stopped = true;
        }
        if (e.type == YAML_STREAM_END_EVENT)
            done = true;
        bool inside = e.type == YAML_SCALAR_EVENT || e.type == YAML_ALIAS_EVENT ||
                      e.type == YAML_SEQUENCE_START_EVENT || e.type == YAML_MAPPING_START_EVENT;
        if (inside)
            root = read_node(r, &e, 0);
        else
            yaml_event_delete(&e);
    }
    if (!r->stopped && (!root || root->yaml.kind == YAML_NULL))
        diag_error(r->diag, (Loc){r->file, 0, 0}, E_empty, "the file holds no document");
    return root;
}

static Node *read_text(Reader *r) {
    index_text(r);
    int n_errors = r->diag->n_errors;
    check_encoding(r);
    if (r->diag->n_errors > n_errors)
        return NULL;

    if (!yaml_parser_initialize(&r->parser))
        arena_out_of_memory(sizeof r->parser);
    yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r->parser, (const unsigned char *)r->file->text, r->file->len);
    Node *root = read_stream(r);
    yaml_parser_delete(&r->parser);
    return r->diag->n_errors > n_errors ? NULL : root;
}

static Yaml *refuse_size(Diag *d, const char *path, uintmax_t len) {
    Loc loc = {.file = diag_add_file(d, path, "", 0)};
    diag_error(d, loc, E_limit, "the file has %ju bytes: the limit is %d", len, YAML_MAX_BYTES);
    return NULL;
}

Yaml *yaml_read_text(Arena *a, Diag *d, const char *path, const char *text, size_t len) {
    if (len > YAML_MAX_BYTES)
        return refuse_size(d, path, len);
    if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
        text += 3;
        len -= 3;
    }
    Reader r = {.arena = a, .diag = d, .file = diag_add_file(d, path, text, len)};
    Node *root = read_text(&r);
    arena_free(&r.scratch);
    return root ? &root->yaml : NULL;
}

Yaml *yaml_read_file(Arena *a, Diag *d, const char *path) {
    Buf text = {0};
    char why[512];
    Yaml *y = NULL;
    struct stat st;

    if (!stat(path, &st) && S_ISREG(st.st_mode) && st.st_size > YAML_MAX_BYTES)
        return refuse_size(d, path, (uintmax_t)st.st_size);
    if (buf_read_file(&text, path, YAML_MAX_BYTES, why, sizeof why))
        y = yaml_read_text(a, d, path, buf_text(&text), text.len);
    else
        diag_error(d, (Loc){.file = diag_add_file(d, path, "", 0)}, E_file, "%s", why);
    buf_free(&text);
    return y;
}
