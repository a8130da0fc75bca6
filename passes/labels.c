// passes/labels.c -- products with labelled axes.
#include "passes/labels.h"

unsigned labels_of(const Labelled *x) {
    unsigned set = 0;
    for (int i = 0; i < labelled_rank(x); i++)
        set |= 1u << x->labels[i];
    return set;
}

int labels_count(unsigned set) {
    int n = 0;
    for (; set; set &= set - 1)
        n++;
    return n;
}

Labelled labelled_strip(Labelled x) {
    while (x.node->op == IR_OP_transpose || x.node->op == IR_OP_broadcast) {
        Labelled in = {.node = x.node->in[0]};
        for (int i = 0; i < in.node->types[0].rank; i++)
            in.labels[i] = x.labels[i];
        for (int i = 0; i < x.node->attrs.n_axes; i++) {
            if (x.node->op == IR_OP_transpose)
                in.labels[x.node->attrs.axes[i]] = x.labels[i];
            else
                in.labels[i] = x.labels[x.node->attrs.axes[i]];
        }
        x = in;
    }
    return x;
}

// `x` summed over the labels that are not in `keep`.
static Labelled sum_away(IrBuilder *b, Labelled x, unsigned keep) {
    Labelled y = x;
    int axes[IR_MAX_RANK], n = 0, kept = 0;
    for (int i = 0; i < labelled_rank(&x); i++) {
        if (labels_has(keep, x.labels[i]))
            y.labels[kept++] = x.labels[i];
        else
            axes[n++] = i;
    }
    if (n > 0)
        y.node = ir_reduce(b, IR_OP_sum, x.node, n, axes);
    return y;
}

// `x` with the axes of `lead` in front, in order of their labels, the others as they were.
static Labelled put_in_front(IrBuilder *b, Labelled x, unsigned lead) {
    Labelled y = x;
    int axes[IR_MAX_RANK], n = 0;
    for (int label = 0; label < PASS_LABELS; label++) {
        for (int i = 0; i < labelled_rank(&x); i++) {
            if (x.labels[i] == label && labels_has(lead, label))
                axes[n++] = i;
        }
    }
    for (int i = 0; i < labelled_rank(&x); i++) {
        if (!labels_has(lead, x.labels[i]))
            axes[n++] = i;
    }
    for (int i = 0; i < n; i++)
        y.labels[i] = x.labels[axes[i]];
    y.node = ir_transpose(b, x.node, axes);
    return y;
}

Labelled labelled_multiply(IrBuilder *b, Labelled x, Labelled y, unsigned out) {
    x = sum_away(b, x, out | labels_of(&y));
    y = sum_away(b, y, out | labels_of(&x));
    unsigned both = labels_of(&x) & labels_of(&y), batch = both & out;
    x = put_in_front(b, x, batch);
    y = put_in_front(b, y, batch);

    int axes[2][IR_MAX_RANK] = {{0}}, n_contract = 0, n_batch = labels_count(batch);
    for (int i = n_batch; i < labelled_rank(&x); i++) {
        for (int k = n_batch; k < labelled_rank(&y); k++) {
            if (x.labels[i] != y.labels[k])
                continue;
            axes[0][n_contract] = i;
            axes[1][n_contract++] = k;
        }
    }
    Labelled z = {.node = ir_dot(b, x.node, y.node, n_batch, n_contract, axes[0], axes[1])};
    int n = 0;
    for (int i = 0; i < labelled_rank(&x); i++) {
        if (i < n_batch || !labels_has(both, x.labels[i]))
            z.labels[n++] = x.labels[i];
    }
    for (int i = n_batch; i < labelled_rank(&y); i++) {
        if (!labels_has(both, y.labels[i]))
            z.labels[n++] = y.labels[i];
    }
    return z;
}

IrNode *labelled_as(IrBuilder *b, const Labelled *x, const IrType *type) {
    if (labelled_rank(x) < type->rank)
        return ir_broadcast(b, x->node, type->rank, type->dims, x->labels);
    int axes[IR_MAX_RANK] = {0};
    for (int i = 0; i < type->rank; i++)
        axes[x->labels[i]] = i;
    return ir_transpose(b, x->node, axes);
}
