#!/usr/bin/env python3
"""Speed of DIN in PyTorch, on the workloads din-50, din-200 and sim-2000 of bench/workloads.ts.

    python3 torch_din.py --form split --compiled --length 0 --rounds
        prints {"ready": ...}, then for each line 'go N' on stdin trains N steps and prints {"ms": ...}

Forms of the attention layer over [q, k, q - k, q * k], q the candidate and k an item of its history:
    padded   histories padded to the longest of the batch, one layer
    jagged   items of all rows concatenated, one layer
    split    jagged, with the part of q computed once per row
    fold     one matrix per row for k, by batched products over groups of rows of similar length
With --top, attention reads the items with the largest inner products alone, in the forms split and fold: all items are
looked up and scored without gradients, and only the selected ones are looked up with them.
Rows of a batch are sorted by length in advance. A step sorts its ids once, for its distinct rows and for the sums of
their gradients, and updates only these rows by fused Adam. A time is the median of the second half of the steps.
"""
import os
import sys

# Without these, glibc returns large blocks to the kernel after each step, and page faults take longer than the step.
ALLOCATOR = {'MALLOC_MMAP_MAX_': '0', 'MALLOC_TRIM_THRESHOLD_': '20000000000', 'MALLOC_TOP_PAD_': '1000000000'}
if any(os.environ.get(name) != value for name, value in ALLOCATOR.items()):
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ALLOCATOR})

import argparse
import itertools
import json
import statistics
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from torch_peer import FIELDS

WIDTH, UNITS, LONGEST, MEAN = 16, 36, 200, 50
SEARCH = 16
HISTORY = ['205', '206', '207', '216']
OTHERS = [field for field in FIELDS if field not in HISTORY]
OFFSETS = dict(zip(FIELDS, np.cumsum([0, *FIELDS.values()])))
IDS = sum(FIELDS.values())
GROUPS = 8
# A prime: multiples of it, modulo a size, are a permutation, so that popular ids have any row.
SPREAD = 15_485_863
WARM_STEPS = 6
RATE, BETAS, EPSILON = 1e-3, (0.9, 0.999), 1e-8


def draw(random, field, count):
    """Log-uniform ids, spread over the table; uniform ones of small vocabularies."""
    size = FIELDS[field]
    if size < 200:
        return random.integers(0, size, count)
    ranks = np.minimum(np.exp(random.random(count) * np.log(size + 1)) - 1, size - 1).astype(np.int64)
    return ranks * SPREAD % size if field in HISTORY else ranks


def length_shares():
    """Probabilities of lengths 1 to LONGEST, in proportion to length ** -a, with the mean MEAN."""
    lengths, low, high = np.arange(1.0, LONGEST + 1), 0.0, 2.0
    for _ in range(60):
        a = (low + high) / 2
        shares = lengths ** -a / np.sum(lengths ** -a)
        low, high = (a, high) if shares @ lengths > MEAN else (low, a)
    return shares


class Batches:
    """Batches in memory, with what a data loader can prepare: sorted rows, and indices that depend on lengths alone."""

    def __init__(self, batch, count, length):
        random = np.random.default_rng(3)
        sides = {field: draw(random, field, FIELDS[HISTORY[0]]) for field in HISTORY[1:]}
        shares = length_shares()

        def items(n):
            item = draw(random, HISTORY[0], n)
            columns = [item, *(sides[field][item] for field in HISTORY[1:])]
            return np.stack([ids + OFFSETS[field] for field, ids in zip(HISTORY, columns)], axis=1)

        self.all = []
        for _ in range(count):
            drawn = np.full(batch, length) if length else random.choice(np.arange(1, LONGEST + 1), batch, p=shares)
            lengths = np.sort(drawn)
            others = np.stack([draw(random, field, batch) + OFFSETS[field] for field in OTHERS], axis=1)
            click = (random.random(batch) < 0.04).astype(np.float32)
            buy = click * (random.random(batch) < 0.05).astype(np.float32)
            ids = np.concatenate([np.concatenate([items(batch), others], axis=1).ravel(), items(lengths.sum()).ravel()])
            self.all.append(self.prepared(lengths, ids, click, buy))

    @staticmethod
    def prepared(lengths, ids, click, buy):
        begins = np.cumsum(lengths) - lengths
        row = np.repeat(np.arange(len(lengths)), lengths)
        place = np.arange(lengths.sum()) - begins[row]
        groups = []
        for rows in np.array_split(np.arange(len(lengths)), 1 if lengths[0] == lengths[-1] else GROUPS):
            most, first = int(lengths[rows[-1]]), int(begins[rows[0]])
            last = int(begins[rows[-1]] + lengths[rows[-1]])
            padded = (row[first:last] - rows[0]) * most + place[first:last]
            is_full = last - first == len(rows) * most
            groups.append((int(rows[0]), int(rows[-1]) + 1, first, last, most, None if is_full else torch.from_numpy(padded)))
        tensor = torch.from_numpy
        return {
            'ids': tensor(ids.astype(np.int32)), 'row': tensor(row), 'begins': tensor(begins), 'groups': groups,
            'longest': int(lengths[-1]), 'padded': tensor(row * int(lengths[-1]) + place), 'order': torch.arange(len(row)),
            'click': tensor(click), 'buy': tensor(buy),
        }


class Attention(nn.Module):
    def __init__(self, form, is_searched):
        super().__init__()
        width = WIDTH * len(HISTORY)
        self.of_product = nn.Linear(1, UNITS, bias=False) if is_searched else None
        self.form = getattr(self, form)
        self.layer, self.score = nn.Linear(4 * width, UNITS), nn.Linear(UNITS, 1)
        self.slope = nn.Parameter(torch.tensor([0.25]))

    def forward(self, q, k, batch, query=None):
        self.products = None if query is None else (query.index_select(0, batch['row']) * k).sum(1, keepdim=True)
        return self.form(q, k, batch)

    def with_products(self, hidden, begin=None, end=None):
        if self.products is None:
            return hidden
        return hidden + self.of_product(self.products[begin:end]).view(hidden.shape)

    def weigh(self, hidden):
        return self.score(F.prelu(hidden, self.slope.to(hidden.dtype)))

    def padded(self, q, k, batch):
        longest = batch['longest']
        items = k.new_zeros(len(q) * longest, k.shape[1]).index_copy(0, batch['padded'], k).view(len(q), longest, -1)
        rows = q[:, None].expand(-1, longest, -1)
        # A padding item is zero, so that its weight does not count.
        weights = self.weigh(self.layer(torch.cat([rows, items, rows - items, rows * items], dim=2)))
        return torch.bmm(weights.transpose(1, 2), items.to(weights.dtype)).squeeze(1).float()

    def jagged(self, q, k, batch):
        rows = q.index_select(0, batch['row'])
        return self.pooled(self.weigh(self.layer(torch.cat([rows, k, rows - k, rows * k], dim=1))), k, batch)

    def split(self, q, k, batch):
        of_row, of_item, of_product = self.parts()
        rows = q.index_select(0, batch['row'])
        hidden = F.linear(torch.cat([k, rows * k], dim=1), torch.cat([of_item, of_product], dim=1))
        hidden = hidden + F.linear(q, of_row, self.layer.bias).index_select(0, batch['row'])
        return self.pooled(self.weigh(self.with_products(hidden)), k, batch)

    def fold(self, q, k, batch):
        of_row, of_item, of_product = self.parts()
        base = F.linear(q, of_row, self.layer.bias)
        matrices = of_item.t() + q[:, :, None] * of_product.t()
        pooled = []
        for begin, end, first, last, most, padded in batch['groups']:
            items = k[first:last]
            if padded is not None:
                items = k.new_zeros((end - begin) * most, k.shape[1]).index_copy(0, padded, items)
            items = items.view(end - begin, most, -1)
            hidden = torch.baddbmm(base[begin:end, None], items, matrices[begin:end])
            weights = self.weigh(self.with_products(hidden, first, last))
            pooled.append(torch.bmm(weights.transpose(1, 2), items.to(weights.dtype)).squeeze(1).float())
        return torch.cat(pooled)

    def parts(self):
        """Weights of q, k and q * k: W_q q + W_k k + W_d (q - k) = (W_q + W_d) q + (W_k - W_d) k."""
        of_q, of_k, of_difference, of_product = self.layer.weight.chunk(4, dim=1)
        return of_q + of_difference, of_k - of_difference, of_product

    @staticmethod
    def pooled(weights, k, batch):
        weights = weights.float()
        if torch.compiler.is_compiling():
            return k.new_zeros(len(batch['begins']), k.shape[1]).index_add(0, batch['row'], weights * k)
        # A sum by segments, several times as fast as index_add.
        return F.embedding_bag(batch['order'], k, batch['begins'], mode='sum', per_sample_weights=weights.squeeze(1))


class Peer:
    def __init__(self, form, compiled, bf16, batch, rows, length, top):
        torch.manual_seed(1)
        self.batch, self.bf16 = batch, bf16
        self.top, self.length = top, length
        self.attention = Attention(form, top > 0)
        width = WIDTH * len(HISTORY)
        self.projections = nn.Sequential(nn.Linear(width, SEARCH, bias=False), nn.Linear(SEARCH, width, bias=False))
        nn.init.zeros_(self.projections[1].weight)
        # The same for all batches: each row has as many selected items.
        self.selected = Batches.prepared(np.full(batch, top), *[np.zeros(1, np.float32)] * 3) if top else None
        inputs = WIDTH * (len(FIELDS) + len(HISTORY))
        self.towers = nn.ModuleList(
            nn.Sequential(nn.Linear(inputs, 16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 1)) for _ in range(2))
        parameters = [*self.attention.parameters(), *self.towers.parameters(), *(self.projections.parameters() if top else [])]
        self.optimizer = torch.optim.Adam(parameters, lr=RATE, betas=BETAS, eps=EPSILON, fused=True)
        # A row, its first moment and its second one are adjacent: one visit of memory instead of three.
        self.table = torch.zeros(IDS, 3 * WIDTH)
        self.table[:, :WIDTH].normal_(std=1e-2)
        self.attend = torch.compile(self.attention, dynamic=True) if compiled else self.attention
        self.losses = torch.compile(self.loss, dynamic=True) if compiled else self.loss
        self.batches = itertools.cycle(Batches(batch, rows // batch, length).all)
        self.steps = 0

    def loss(self, x, click, buy):
        with torch.autocast('cpu', torch.bfloat16, enabled=self.bf16):
            logits = [tower(x).squeeze(1) for tower in self.towers]
        ctr, cvr = (torch.sigmoid(logit.float()) for logit in logits)
        return F.binary_cross_entropy(ctr, click) + F.binary_cross_entropy(ctr * cvr, buy)

    def found(self, batch):
        """Ids of the fields of all rows, then of the selected items, in the order of the history."""
        fields = self.batch * len(FIELDS)
        ids, items = batch['ids'][:fields], batch['ids'][fields:]
        with torch.no_grad():
            table = self.table[:, :WIDTH]
            candidates = ids.view(self.batch, -1)[:, :len(HISTORY)].reshape(-1)
            q = table.index_select(0, candidates).view(self.batch, -1)
            k = table.index_select(0, items).view(self.batch, self.length, -1)
            scores = torch.bmm(k, (q + self.projections(q))[:, :, None]).squeeze(2)
            places = scores.topk(self.top, dim=1, sorted=False).indices.sort(dim=1).values
            rows = (places + self.length * torch.arange(self.batch)[:, None]).view(-1)
            return torch.cat([ids, items.view(-1, len(HISTORY)).index_select(0, rows).view(-1)])

    def step(self):
        batch = next(self.batches)
        self.steps += 1
        ids, history = (self.found(batch), self.selected) if self.top else (batch['ids'], batch)
        ordered, order = torch.sort(ids)
        distinct, number, counts = torch.unique_consecutive(ordered, return_inverse=True, return_counts=True)
        distinct = distinct.long()
        state = self.table.index_select(0, distinct)
        weights = state[:, :WIDTH].contiguous()
        found = weights.index_select(0, torch.empty_like(order).scatter_(0, order, number))
        fields = self.batch * len(FIELDS)
        x = found[:fields].view(self.batch, -1).requires_grad_()
        k = found[fields:].view(-1, WIDTH * len(HISTORY)).requires_grad_()
        with torch.autocast('cpu', torch.bfloat16, enabled=self.bf16):
            q = x[:, :k.shape[1]]
            pooled = self.attend(q, k, history, *([q + self.projections(q)] if self.top else []))
        self.optimizer.zero_grad()
        self.losses(torch.cat([x, pooled], dim=1), batch['click'], batch['buy']).backward()
        self.optimizer.step()
        gradients = torch.cat([x.grad.view(-1, WIDTH), k.grad.view(-1, WIDTH)])
        sums = F.embedding_bag(order, gradients, torch.cumsum(counts, 0) - counts, mode='sum')
        first, second = state[:, WIDTH:2 * WIDTH].contiguous(), state[:, 2 * WIDTH:].contiguous()
        torch._fused_adam_(
            [weights], [sums], [first], [second], [], [torch.tensor(float(self.steps))], lr=RATE, beta1=BETAS[0],
            beta2=BETAS[1], weight_decay=0.0, eps=EPSILON, amsgrad=False, maximize=False)
        self.table.index_copy_(0, distinct, torch.cat([weights, first, second], dim=1))

    def train(self, steps):
        seconds = []
        for _ in range(steps):
            start = time.perf_counter()
            self.step()
            seconds.append(time.perf_counter() - start)
        return seconds


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument('--form', choices=['padded', 'jagged', 'split', 'fold'], required=True)
    options.add_argument('--compiled', action='store_true')
    options.add_argument('--bf16', action='store_true')
    options.add_argument('--batch', type=int, default=1024)
    options.add_argument('--rows', type=int, default=20_480, help='distinct rows, repeated')
    options.add_argument('--length', type=int, default=0, help='items of each row; 0: a power law')
    options.add_argument('--top', type=int, default=0, help='items that a search selects in each row; 0: no search')
    options.add_argument('--rounds', action='store_true')
    options.add_argument('--steps', type=int, default=40)
    chosen = options.parse_args()
    torch.set_flush_denormal(True)
    peer = Peer(chosen.form, chosen.compiled, chosen.bf16, chosen.batch, chosen.rows, chosen.length, chosen.top)
    peer.train(WARM_STEPS)
    milliseconds = lambda steps: {'ms': 1000 * statistics.median((times := peer.train(steps))[len(times) // 2:])}
    if not chosen.rounds:
        print(json.dumps(milliseconds(chosen.steps)))
        return
    print(json.dumps({'ready': chosen.form}), flush=True)
    for line in sys.stdin:
        print(json.dumps(milliseconds(int(line.split()[1]))), flush=True)


if __name__ == '__main__':
    main()
