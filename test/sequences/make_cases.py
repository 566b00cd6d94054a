"""Writes cases.json: predictions, loss and gradients of PyTorch in double precision, by mtl's names of weights.

  pip install torch numpy
  python test/sequences/make_cases.py      # from the project's root

Transformer blocks are PyTorch's TransformerEncoderLayer; the attention of the candidate is computed here, row by row.
"""
import json

import numpy as np
import torch
from torch.nn import functional as F

torch.set_default_dtype(torch.float64)

TABLES = {'item': (30, 4), 'shop': (8, 3), 'action': (5, 2)}
COUNTS = [2, 0, 1, 6, 3, 0, 5, 4]
ACTIVATIONS = {'relu': F.relu, 'gelu': F.gelu, 'leaky-relu': F.leaky_relu}
random = np.random.default_rng(5)
BATCH = {
    'counts': COUNTS,
    'items': {table: random.integers(0, rows, sum(COUNTS)).tolist() for table, (rows, _) in TABLES.items()},
    'weights': random.integers(1, 5, sum(COUNTS)).tolist(),
    'targets': {table: random.integers(0, TABLES[table][0], len(COUNTS)).tolist() for table in ['item', 'shop']},
    'labels': random.integers(0, 2, len(COUNTS)).tolist(),
}


class Weights:
    """Draws weights by name, as numbers that float32 has exactly."""

    def __init__(self, seed):
        self.random, self.drawn = np.random.default_rng(seed), {}

    def draw(self, name, *shape):
        values = self.random.normal(0, 0.5, shape).astype(np.float32).astype(np.float64)
        self.drawn[name] = torch.tensor(values, requires_grad=True)
        return self.drawn[name]

    def linear(self, x, name, width):
        return x @ self.draw(f'{name}.weight', x.shape[1], width) + self.draw(f'{name}.bias', width)

    def norm(self, x, name):
        return F.layer_norm(x, x.shape[1:], self.draw(f'{name}.gain', x.shape[1]), self.draw(f'{name}.shift', x.shape[1]))

    def embedding_norm(self, x, name):
        return self.norm(x, name) if x.shape[1] > 2 else x

    def activation(self, x, kind, name):
        if kind == 'dice':
            p = torch.sigmoid(F.batch_norm(x, None, None, training=True, eps=1e-9))
            return x * (p + (1 - p) * self.draw(f'{name}.slope', x.shape[1]))
        if kind == 'prelu':
            return F.prelu(x, self.draw(f'{name}.slope', 1))
        return ACTIVATIONS[kind](x)


class Field:
    def __init__(self, name, items, target):
        self.name, self.items, self.target = name, items, target


def rows_of_items(counts=COUNTS):
    """Begin and end of the items of each row."""
    ends = np.cumsum(counts)
    return list(zip(ends - counts, ends))


def shares():
    weights = torch.tensor(BATCH['weights']).double()
    return torch.cat([weights[begin:end] / weights[begin:end].sum() for begin, end in rows_of_items()])[:, None]


def side_inputs(is_weighted, position, chosen=slice(None)):
    columns = []
    if not is_weighted if position is None else position:
        newest_first = torch.tensor([end - 1 - i for begin, end in rows_of_items() for i in range(begin, end)]).double()[:, None]
        columns += [1 / (1 + newest_first[chosen]), torch.log(1 + newest_first[chosen]) / 4]
    if is_weighted:
        columns.append(1 + torch.log(shares()[chosen]) / 4)
    return columns


def target_attention(w, prefix, fields, is_weighted, hidden=(36,), activation='dice', weights='softplus', norm=True, position=None, products=True, sum=True, counts=COUNTS, chosen=slice(None)):
    """Columns of the batch: for each row, the weighted sum of its items, and the sum of the weights."""
    def read(x, name):
        return w.embedding_norm(x, f'{prefix}.norms.{name}') if norm else x

    row = torch.tensor([b for b, count in enumerate(counts) for _ in range(count)])
    items = [read(field.items, f'{field.name}.items') for field in fields]
    pairs = [(read(field.target, f'{field.name}.target')[row], k) for field, k in zip(fields, items) if field.target is not None]
    q, k = [torch.cat(part, 1) for part in zip(*pairs)]
    others = [k for field, k in zip(fields, items) if field.target is None]
    h = torch.cat([q, k, q - k, q * k, *others, *side_inputs(is_weighted, position, chosen)], 1)
    for layer, width in enumerate(hidden):
        name = f'{prefix}.attention.{layer}'
        h = w.activation(w.linear(h, name, width), activation, f'{name}.activation')
    scores = w.linear(h, f'{prefix}.attention.out', 1)
    if products:
        scores = scores + (q * k) @ w.draw(f'{prefix}.products.weight', q.shape[1], 1)
    raw = torch.cat([field.items for field in fields], 1)
    results = []
    for begin, end in rows_of_items(counts):
        s, share = scores[begin:end], shares()[chosen][begin:end] if is_weighted else torch.ones(end - begin, 1)
        if weights == 'softmax':
            powers = share * torch.exp(s)
            a = powers / powers.sum()
        else:
            a = share * {'softplus': F.softplus, 'sigmoid': torch.sigmoid, 'linear': lambda x: x}[weights](s)
        strength = (a * s).sum() if weights == 'softmax' else a.sum()
        results.append(torch.cat([(a * raw[begin:end]).sum(0), *([strength[None]] if sum else [])]))
    return torch.stack(results)


def encoder_layer(w, name, width, heads, hidden, activation, norm):
    """PyTorch's layer with weights of mtl's names."""
    layer = torch.nn.TransformerEncoderLayer(width, heads, hidden, 0.0, ACTIVATIONS[activation], batch_first=True, norm_first=norm == 'pre')
    roles = ['query', 'key', 'value']
    drawn = [(w.draw(f'{name}.attention.{role}.weight', width, width), w.draw(f'{name}.attention.{role}.bias', width)) for role in roles + ['output']]
    state = {'self_attn.in_proj_weight': torch.cat([weight.T for weight, _ in drawn[:3]]), 'self_attn.in_proj_bias': torch.cat([bias for _, bias in drawn[:3]]),
             'self_attn.out_proj.weight': drawn[3][0].T, 'self_attn.out_proj.bias': drawn[3][1]}
    for i, (inputs, outputs) in enumerate([(width, hidden), (hidden, width)]):
        state |= {f'linear{i + 1}.weight': w.draw(f'{name}.layers.{i}.weight', inputs, outputs).T, f'linear{i + 1}.bias': w.draw(f'{name}.layers.{i}.bias', outputs)}
    for i, part in enumerate(['attention', 'layers']):
        state |= {f'norm{i + 1}.weight': w.draw(f'{name}.{part}.norm.gain', width), f'norm{i + 1}.bias': w.draw(f'{name}.{part}.norm.shift', width)}
    assert state.keys() == dict(layer.named_parameters()).keys()
    return lambda *args, **options: torch.func.functional_call(layer, state, args, options)


def self_attention(w, prefix, fields, is_weighted, blocks=1, width=32, heads=2, hidden=64, activation='leaky-relu', causal=False, norm='post', position=None, readout={}):
    inputs = [w.embedding_norm(field.items, f'{prefix}.norms.{field.name}') for field in fields]
    x = w.linear(torch.cat([*inputs, *side_inputs(is_weighted, position)], 1), f'{prefix}.projection', width)
    layers = [encoder_layer(w, f'{prefix}.blocks.{b}', width, heads, hidden, activation, norm) for b in range(blocks)]
    parts = []
    for begin, end in rows_of_items():
        h, count = x[None, begin:end], end - begin
        mask = torch.triu(torch.ones(count, count, dtype=torch.bool), 1) if causal else None
        for layer in layers if count > 0 else []:
            h = layer(h, src_mask=mask)
        parts.append(h[0])
    x = torch.cat(parts)
    if norm == 'pre':
        x = w.norm(x, f'{prefix}.norm')
    if all(field.target is None for field in fields):
        factors = shares() if is_weighted else torch.cat([torch.full((count, 1), 1 / max(count, 1)) for count in COUNTS])
        return torch.stack([(factors * x)[begin:end].sum(0) for begin, end in rows_of_items()])
    return target_attention(w, f'{prefix}.readout', [*fields, Field('results of the blocks', x, None)], is_weighted, **readout)


def search(w, prefix, fields, is_weighted, by='product', top=50, width=16, bits=48, attention={}):
    compared = [field for field in fields if field.target is not None]
    items, candidate = torch.cat([field.items for field in compared], 1), torch.cat([field.target for field in compared], 1)
    row = torch.tensor([b for b, count in enumerate(COUNTS) for _ in range(count)])
    if by == 'product':
        projected = candidate @ w.draw(f'{prefix}.search.candidate.weight', candidate.shape[1], width)
        query = candidate + projected @ w.draw(f'{prefix}.search.items.weight', width, candidate.shape[1])
        scores = (items * query[row]).sum(1)
    else:
        projection = w.draw(f'{prefix}.hash.projection', candidate.shape[1], bits).detach()
        scores = ((items @ projection < 0) == (candidate @ projection < 0)[row]).sum(1)
    # Of equal scores, the newest; in the order of the items.
    best = [sorted(sorted(range(begin, end), key=lambda i: (-scores[i].item(), -i))[:top]) for begin, end in rows_of_items()]
    chosen, counts = [i for own in best for i in own], [len(own) for own in best]
    selected = [Field(field.name, field.items[chosen], field.target) for field in fields]
    if by == 'product':
        selected.append(Field('scores of the search', scores[chosen][:, None], None))
    return target_attention(w, prefix, selected, is_weighted, counts=counts, chosen=chosen, **attention)


ENCODERS = {'target-attention': target_attention, 'self-attention': self_attention, 'search': search}


def rounded(tensor):
    return [float(f'{value:.9g}') for value in tensor.detach().flatten().tolist()]


def case(name, options, is_weighted=False, targets=('item', 'shop')):
    w = Weights(seed=len(json.dumps(options)))
    tables = {table: w.draw(f'embeddings.{table}', *shape) for table, shape in TABLES.items()}
    fields = [Field(f'clicked {table}', tables[table][BATCH['items'][table]], tables[table][BATCH['targets'][table]] if table in targets else None) for table in TABLES]
    encoded = ENCODERS[name](w, 'encoder', fields, is_weighted, **options)
    logit = w.linear(encoded, 'out', 1)[:, 0]
    loss = F.binary_cross_entropy_with_logits(logit, torch.tensor(BATCH['labels']).double())
    loss.backward()
    return {
        'spec': {'name': name, **options}, 'isWeighted': is_weighted, 'targets': list(targets), 'loss': loss.item(),
        'predictions': rounded(torch.sigmoid(logit)),
        'weights': {key: {'shape': list(value.shape), 'data': rounded(value)} for key, value in w.drawn.items()},
        'gradients': {key: rounded(value.grad) for key, value in w.drawn.items() if value.grad is not None},
    }


if __name__ == '__main__':
    small = {'hidden': [5]}
    cases = [
        case('target-attention', small),
        case('target-attention', {**small, 'weights': 'sigmoid', 'activation': 'prelu'}, True),
        case('target-attention', {'hidden': [4, 3], 'weights': 'softmax', 'position': True}, True, ('shop',)),
        case('target-attention', {'hidden': [], 'weights': 'linear', 'norm': False, 'position': False, 'products': False, 'sum': False}),
        case('self-attention', {'width': 4, 'hidden': 5, 'readout': small}),
        case('self-attention', {'width': 6, 'heads': 3, 'hidden': 5, 'blocks': 2, 'norm': 'pre', 'causal': True, 'activation': 'relu'}, True, ()),
        case('self-attention', {'width': 4, 'hidden': 3, 'activation': 'gelu', 'position': False, 'readout': {'hidden': [2], 'weights': 'softmax', 'activation': 'relu'}}),
        case('search', {'top': 2, 'width': 3, 'attention': small}),
        case('search', {'by': 'hash', 'top': 3, 'bits': 13, 'attention': {**small, 'weights': 'softmax'}}, False, ('shop',)),
        case('search', {'top': 1, 'attention': {'hidden': [3], 'activation': 'prelu'}}, True),
    ]
    with open('test/sequences/cases.json', 'w') as file:
        file.write('{"batch": ' + json.dumps(BATCH) + ',\n"cases": [\n' + ',\n'.join(json.dumps(each) for each in cases) + '\n]}\n')
