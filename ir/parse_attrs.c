// ir/parse_attrs.c -- attributes of nodes: one table says which op has which, and who reads it.
#include "ir/parse.h"

typedef bool AttrReader(IrParser *p, IrNode *n);

static bool read_axis(IrParser *p, IrNode *n) {
    return ir_parse_int(p, &n->attrs.axis);
}

static bool read_axes(IrParser *p, IrNode *n) {
    return ir_parse_ints(p, n->attrs.axes, IR_MAX_RANK, &n->attrs.n_axes);
}

static bool read_attr_dim(IrParser *p, IrNode *n) {
    return ir_parse_dim(p, &n->attrs.dim);
}

static bool read_attr_name(IrParser *p, IrNode *n) {
    return ir_parse_string(p, &n->attrs.name);
}

static bool read_key_axes(IrParser *p, IrNode *n) {
    return ir_parse_int(p, &n->attrs.n_key_axes);
}

static bool read_loops(IrParser *p, IrNode *n) {
    int cap = 0;
    const char *loop = NULL;
    if (!ir_parse_expect(p, '['))
        return false;
    if (ir_parse_accept(p, ']'))
        return true;
    do {
        if (!ir_parse_string(p, &loop))
            return false;
        arena_push(p->a, n->attrs.loops, n->attrs.n_loops, cap, loop);
    } while (ir_parse_accept(p, ','));
    return ir_parse_expect(p, ']');
}

static bool read_starts(IrParser *p, IrNode *n) {
    int n_starts = 0;
    Loc loc = p->token.loc;
    if (!ir_parse_dims(p, n->attrs.starts, &n_starts))
        return false;
    if (n->n_in != 1 || n->in[0]->n_types != 1 || n->in[0]->types[0].rank != n_starts)
        return ir_parse_fail(p, loc, "%d starts, but the input has other axes", n_starts);
    return true;
}

static bool read_batch(IrParser *p, IrNode *n) {
    return ir_parse_int(p, &n->attrs.n_batch);
}

// "[1,2]x[0,1]"
static bool read_contract(IrParser *p, IrNode *n) {
    int n_rhs = 0;
    Loc loc = p->token.loc;
    if (!ir_parse_ints(p, n->attrs.lhs_axes, IR_MAX_RANK, &n->attrs.n_contract) ||
        !ir_parse_expect_word(p, "x") || !ir_parse_ints(p, n->attrs.rhs_axes, IR_MAX_RANK, &n_rhs))
        return false;
    return n_rhs == n->attrs.n_contract ||
           ir_parse_fail(p, loc, "%d axes against %d", n->attrs.n_contract, n_rhs);
}

static bool read_captured(IrParser *p, IrNode *n) {
    return ir_parse_int(p, &n->attrs.n_captured);
}

static bool read_carry(IrParser *p, IrNode *n) {
    return ir_parse_int(p, &n->attrs.n_carry);
}

static bool read_over(IrParser *p, IrNode *n) {
    return ir_parse_int(p, &n->attrs.n_over);
}

static bool read_wrt(IrParser *p, IrNode *n) {
    n->attrs.wrt = arena_array(p->a, int, n->n_in);
    return ir_parse_ints(p, n->attrs.wrt, n->n_in, &n->attrs.n_wrt);
}

static bool read_index(IrParser *p, IrNode *n) {
    return ir_parse_int(p, &n->attrs.index);
}

static bool set_reverse(IrParser *p, IrNode *n) {
    (void)p;
    return n->attrs.reverse = true;
}

static bool set_until(IrParser *p, IrNode *n) {
    (void)p;
    return n->attrs.until = true;
}

enum {
    OPTIONAL = 1, // may be absent
    FLAG = 2,     // has no value
};

// Which attribute belongs to which ops.
static const struct {
    IrOp op;
    const char *name;
    AttrReader *read;
    int flags;
} attr_rows[] = {
    {IR_OP_iota, "axis", read_axis, 0},
    {IR_OP_extent, "dim", read_attr_dim, 0},
    {IR_OP_draw_normal, "site", read_attr_name, 0},
    {IR_OP_draw_normal, "loops", read_loops, OPTIONAL},
    {IR_OP_draw_normal, "key_axes", read_key_axes, OPTIONAL},
    {IR_OP_draw_uniform, "site", read_attr_name, 0},
    {IR_OP_draw_uniform, "loops", read_loops, OPTIONAL},
    {IR_OP_draw_uniform, "key_axes", read_key_axes, OPTIONAL},
    {IR_OP_sample, "site", read_attr_name, 0},
    {IR_OP_transpose, "axes", read_axes, 0},
    {IR_OP_broadcast, "axes", read_axes, 0},
    {IR_OP_slice, "starts", read_starts, 0},
    {IR_OP_pad, "starts", read_starts, 0},
    {IR_OP_concat, "axis", read_axis, 0},
    {IR_OP_sum, "axes", read_axes, 0},
    {IR_OP_reduce_max, "axes", read_axes, 0},
    {IR_OP_reduce_min, "axes", read_axes, 0},
    {IR_OP_top_k, "smallest", set_reverse, OPTIONAL | FLAG},
    {IR_OP_dot, "batch", read_batch, 0},
    {IR_OP_dot, "contract", read_contract, 0},
    {IR_OP_scan, "captured", read_captured, 0},
    {IR_OP_scan, "carry", read_carry, 0},
    {IR_OP_scan, "over", read_over, 0},
    {IR_OP_scan, "steps", read_attr_dim, 0},
    {IR_OP_scan, "reverse", set_reverse, OPTIONAL | FLAG},
    {IR_OP_scan, "until", set_until, OPTIONAL | FLAG},
    {IR_OP_scan, "name", read_attr_name, OPTIONAL},
    {IR_OP_map, "captured", read_captured, 0},
    {IR_OP_map, "over", read_over, 0},
    {IR_OP_map, "steps", read_attr_dim, 0},
    {IR_OP_map, "name", read_attr_name, OPTIONAL},
    {IR_OP_grad, "wrt", read_wrt, 0},
    {IR_OP_get, "index", read_index, 0},
};
enum { N_ATTR_ROWS = sizeof attr_rows / sizeof *attr_rows };

static bool fail_attr(IrParser *p, IrOp op) {
    const char *names[N_ATTR_ROWS], *name = NULL;
    int n = 0;
    for (int i = 0; i < N_ATTR_ROWS; i++) {
        if (attr_rows[i].op == op)
            names[n++] = attr_rows[i].name;
    }
    Loc loc = p->token.loc;
    if (!ir_parse_token(p, IR_TOKEN_NAME, "an attribute or ':'", &name))
        return false;
    ir_parse_fail(p, loc, "%s has no attribute '%s'", ir_op_info[op].name, name);
    diag_did_you_mean(p->d, loc, name, names, n);
    return false;
}

// All attributes up to the colon, in any order, each at most once.
bool ir_parse_attrs(IrParser *p, IrNode *n) {
    bool seen[N_ATTR_ROWS] = {false};
    while (!ir_parse_is_punct(p, ':')) {
        int row = 0;
        while (row < N_ATTR_ROWS &&
               !(attr_rows[row].op == n->op && ir_parse_is_word(p, attr_rows[row].name)))
            row++;
        if (row == N_ATTR_ROWS)
            return fail_attr(p, n->op);
        if (seen[row])
            return ir_parse_fail(p, p->token.loc, "'%s' twice", attr_rows[row].name);
        seen[row] = true;
        ir_parse_advance(p);
        bool is_flag = attr_rows[row].flags & FLAG;
        if ((!is_flag && !ir_parse_expect(p, '=')) || !attr_rows[row].read(p, n))
            return false;
    }
    for (int row = 0; row < N_ATTR_ROWS; row++) {
        if (attr_rows[row].op == n->op && !seen[row] && !(attr_rows[row].flags & OPTIONAL))
            return ir_parse_fail(p, p->token.loc, "%s needs '%s'", ir_op_info[n->op].name,
                                 attr_rows[row].name);
    }
    return true;
}
