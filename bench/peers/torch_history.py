"""Training of models with a history in PyTorch, on the workloads of bench/workloads.ts that have one.

    python3 torch_din.py --form split --compiled --length 0 --rounds
        prints {"ready": ...}, then for each line 'go N' on stdin trains N steps and prints {"ms": ...}
    python3 torch_din.py --check FILE
        prints the loss of each form for the weights and the batch of a file, by the names of mtl's weights

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

WIDTH, LONGEST, MEAN = 16, 200, 50
HISTORY = ['205', '206', '207', '216']
ITEM_WIDTH = WIDTH * len(HISTORY)
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


def random_batches(batch, count, length):
    random = np.random.default_rng(3)
    sides = {field: draw(random, field, FIELDS[HISTORY[0]]) for field in HISTORY[1:]}
    shares = length_shares()

    def items(n):
        item = draw(random, HISTORY[0], n)
        columns = [item, *(sides[field][item] for field in HISTORY[1:])]
        return np.stack([ids + OFFSETS[field] for field, ids in zip(HISTORY, columns)], axis=1)

    for _ in range(count):
        drawn = np.full(batch, length) if length else random.choice(np.arange(1, LONGEST + 1), batch, p=shares)
        lengths = np.sort(drawn)
        others = np.stack([draw(random, field, batch) + OFFSETS[field] for field in OTHERS], axis=1)
        click = (random.random(batch) < 0.04).astype(np.float32)
        buy = click * (random.random(batch) < 0.05).astype(np.float32)
        ids = np.concatenate([np.concatenate([items(batch), others], axis=1).ravel(), items(lengths.sum()).ravel()])
        yield prepare(lengths, ids, click, buy)


def prepare(lengths, ids, click, buy):
    """A batch with what a data loader can prepare: sorted rows, and indices that depend on lengths alone.

    A group of rows has its first and last row, its first and last item, its number of items in the longest row, and the
    places of its items if it is padded.
    """
    tensor = torch.from_numpy
    begins = np.cumsum(lengths) - lengths
    row = np.repeat(np.arange(len(lengths)), lengths)
    place = np.arange(lengths.sum()) - begins[row]
    newest_first = (lengths[row] - 1 - place).astype(np.float32)

    def group(rows):
        most, first = int(lengths[rows[-1]]), int(begins[rows[0]])
        last = int(begins[rows[-1]] + lengths[rows[-1]])
        padded = (row[first:last] - rows[0]) * most + place[first:last]
        is_full = last - first == len(rows) * most
        return int(rows[0]), int(rows[-1]) + 1, first, last, most, None if is_full else tensor(padded)

    rows, count = np.arange(len(lengths)), 1 if lengths[0] == lengths[-1] else min(GROUPS, len(lengths))
    return {
        'ids': tensor(ids.astype(np.int32)), 'row': tensor(row), 'begins': tensor(begins), 'order': torch.arange(len(row)),
        'whole': group(rows), 'groups': [group(part) for part in np.array_split(rows, count)],
        'recency': tensor(np.stack([1 / (1 + newest_first), np.log1p(newest_first) / 4], axis=1)),
        'click': tensor(click), 'buy': tensor(buy),
    }


def pad(items, group):
    """Items of a group of rows, padded by zeros to as many for each row."""
    begin, end, _, _, most, padded = group
    return items if padded is None else items.new_zeros((end - begin) * most, items.shape[1]).index_copy(0, padded, items)


def unpad(items, group):
    padded = group[-1]
    return items if padded is None else items.index_select(0, padded)


def split_weight(weight):
    """Weights of q, k, q * k and what follows in [q, k, q - k, q * k, ...]: W_q q + W_k k + W_d (q - k) =
    (W_q + W_d) q + (W_k - W_d) k."""
    of_q, of_k, of_difference, of_product, of_others = weight.split([*[ITEM_WIDTH] * 4, weight.shape[1] - 4 * ITEM_WIDTH], dim=1)
    return of_q + of_difference, of_k - of_difference, of_product, of_others


def pool(weights, k, batch):
    """Weighted sums of the items of each row."""
    weights = weights.float()
    if torch.compiler.is_compiling():
        return k.new_zeros(len(batch['begins']), k.shape[1]).index_add(0, batch['row'], weights * k)
    # A sum by segments, several times as fast as index_add.
    return F.embedding_bag(batch['order'], k, batch['begins'], mode='sum', per_sample_weights=weights.squeeze(1))


class Encoder(nn.Module):
    """Turns candidates q, items k and the indices of a batch into `width` columns of its rows."""

    width = ITEM_WIDTH

    def select(self, table, batch):
        """Ids of the fields of all rows, then of the items that the encoder reads; and the indices of these items."""
        return batch['ids'], batch

    def named(self):
        """Tensors by mtl's name; a matrix is transposed."""
        raise NotImplementedError


def named_linear(name, layer):
    return {f'{name}.weight': layer.weight, **({} if layer.bias is None else {f'{name}.bias': layer.bias})}


def assign(tensors, weights):
    """Sets all tensors to the weights of the same name."""
    if tensors.keys() != weights.keys():
        raise ValueError(f'weights of one side only: {sorted(tensors.keys() ^ weights.keys())}')
    with torch.no_grad():
        for name, tensor in tensors.items():
            given = torch.tensor(weights[name]['data']).view(weights[name]['shape'])
            tensor.copy_(given.t() if tensor.dim() == 2 else given)


class Trainer:
    """ESMM's towers on the fields of a row and the columns of an encoder."""

    def __init__(self, encoder, compiled, bf16, batches, table):
        self.bf16, self.encoder = bf16, encoder
        inputs = WIDTH * len(FIELDS) + encoder.width
        self.towers = nn.ModuleList(
            nn.Sequential(nn.Linear(inputs, 16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 1)) for _ in range(2))
        parameters = [*encoder.parameters(), *self.towers.parameters()]
        self.optimizer = torch.optim.Adam(parameters, lr=RATE, betas=BETAS, eps=EPSILON, fused=True)
        # A row, its first moment and its second one are adjacent: one visit of memory instead of three.
        self.table = F.pad(table, (0, 2 * WIDTH))
        self.encode = torch.compile(encoder, dynamic=True) if compiled else encoder
        self.losses = torch.compile(self.loss, dynamic=True) if compiled else self.loss
        self.batches = itertools.cycle(batches)
        self.steps = 0

    def named(self):
        layers = {'0': 0, '1': 2, 'out': 4}
        towers = {
            name: tensor for task, tower in zip(['ctr', 'cvr'], self.towers) for layer, i in layers.items()
            for name, tensor in named_linear(f'{task}.{layer}', tower[i]).items()}
        return {**self.encoder.named(), **towers}

    def loss(self, x, click, buy):
        with torch.autocast('cpu', torch.bfloat16, enabled=self.bf16):
            logits = [tower(x).squeeze(1) for tower in self.towers]
        ctr, cvr = (torch.sigmoid(logit.float()) for logit in logits)
        return F.binary_cross_entropy(ctr, click) + F.binary_cross_entropy(ctr * cvr, buy)

    def step(self):
        batch = next(self.batches)
        self.steps += 1
        ids, history = self.encoder.select(self.table[:, :WIDTH], batch)
        ordered, order = torch.sort(ids)
        distinct, number, counts = torch.unique_consecutive(ordered, return_inverse=True, return_counts=True)
        distinct = distinct.long()
        state = self.table.index_select(0, distinct)
        weights = state[:, :WIDTH].contiguous()
        found = weights.index_select(0, torch.empty_like(order).scatter_(0, order, number))
        rows = len(batch['click'])
        fields = rows * len(FIELDS)
        x = found[:fields].view(rows, -1).requires_grad_()
        k = found[fields:].view(-1, ITEM_WIDTH).requires_grad_()
        with torch.autocast('cpu', torch.bfloat16, enabled=self.bf16):
            encoded = self.encode(x[:, :ITEM_WIDTH], k, history)
        self.optimizer.zero_grad()
        loss = self.losses(torch.cat([x, encoded], dim=1), batch['click'], batch['buy'])
        loss.backward()
        self.optimizer.step()
        gradients = torch.cat([x.grad.view(-1, WIDTH), k.grad.view(-1, WIDTH)])
        sums = F.embedding_bag(order, gradients, torch.cumsum(counts, 0) - counts, mode='sum')
        first, second = state[:, WIDTH:2 * WIDTH].contiguous(), state[:, 2 * WIDTH:].contiguous()
        torch._fused_adam_(
            [weights], [sums], [first], [second], [], [torch.tensor(float(self.steps))], lr=RATE, beta1=BETAS[0],
            beta2=BETAS[1], weight_decay=0.0, eps=EPSILON, amsgrad=False, maximize=False)
        self.table.index_copy_(0, distinct, torch.cat([weights, first, second], dim=1))
        return loss

    def train(self, steps):
        seconds = []
        for _ in range(steps):
            start = time.perf_counter()
            self.step()
            seconds.append(time.perf_counter() - start)
        return seconds


def check(path, forms, build, chosen):
    with open(path) as file:
        given = json.load(file)
    labels = [np.array(given[name], np.float32) for name in ['click', 'buy']]
    batch = prepare(np.array(given['lengths']), np.array(given['ids']), *labels)
    losses = {}
    for form in forms:
        table = torch.tensor(given['table']).view(-1, WIDTH)
        trainer = Trainer(build(form, len(given['lengths'])), chosen.compiled, chosen.bf16, [batch], table)
        assign(trainer.named(), given['weights'])
        losses[form] = trainer.step().item()
    print(json.dumps(losses))


def time_steps(form, build, chosen):
    torch.manual_seed(1)
    batches = list(random_batches(chosen.batch, chosen.rows // chosen.batch, chosen.length))
    table = torch.empty(IDS, WIDTH).normal_(std=1e-2)
    trainer = Trainer(build(form, chosen.batch), chosen.compiled, chosen.bf16, batches, table)
    trainer.train(WARM_STEPS)
    milliseconds = lambda steps: {'ms': 1000 * statistics.median((times := trainer.train(steps))[len(times) // 2:])}
    if not chosen.rounds:
        print(json.dumps(milliseconds(chosen.steps)))
        return
    print(json.dumps({'ready': form}), flush=True)
    for line in sys.stdin:
        print(json.dumps(milliseconds(int(line.split()[1]))), flush=True)


def main(description, forms, create, add_options=lambda options: None):
    """Runs the command.

    `create(form, rows, options)` gives the encoder of a form for batches of so many rows. `add_options` adds options
    that it reads.
    """
    options = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument('--form', choices=forms, default=forms[0])
    options.add_argument('--compiled', action='store_true')
    options.add_argument('--bf16', action='store_true')
    options.add_argument('--batch', type=int, default=1024)
    options.add_argument('--rows', type=int, default=20_480, help='distinct rows, repeated')
    options.add_argument('--length', type=int, default=0, help='items of each row; 0: a power law')
    options.add_argument('--rounds', action='store_true')
    options.add_argument('--steps', type=int, default=40)
    options.add_argument('--check', metavar='FILE', help='prints the loss of each form for given weights')
    add_options(options)
    chosen = options.parse_args()
    torch.set_flush_denormal(True)
    build = lambda form, rows: create(form, rows, chosen)
    if chosen.check:
        check(chosen.check, forms, build, chosen)
    else:
        time_steps(chosen.form, build, chosen)
