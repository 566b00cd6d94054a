"""Writes cases.json: predictions, weights of items, loss and gradients of PyTorch in double precision, by mtl's names of weights.

  pip install torch numpy
  python test/sequences/make_cases.py      # from the project's root

Transformer blocks are PyTorch's TransformerEncoderLayer, and recurrent units its GRU; the attention of the candidate and
units with attention are computed here, row by row.
"""
import json
import math

import numpy as np
import torch
from torch.nn import functional as F

torch.set_default_dtype(torch.float64)

TABLES = {'item': (30, 4), 'shop': (8, 3), 'action': (5, 2)}
COUNTS = [2, 0, 1, 6, 3, 0, 5, 4]
MAX_ITEMS = 6
ACTIVATIONS = {'relu': F.relu, 'gelu': F.gelu, 'leaky-relu': F.leaky_relu}
random = np.random.default_rng(5)
BATCH = {
    'counts': COUNTS,
    'items': {table: random.integers(0, rows, sum(COUNTS)).tolist() for table, (rows, _) in TABLES.items()},
    'weights': random.integers(1, 5, sum(COUNTS)).tolist(),
    'targets': {table: random.integers(0, TABLES[table][0], len(COUNTS)).tolist() for table in ['item', 'shop']},
    'labels': random.integers(0, 2, len(COUNTS)).tolist(),
    'ages': (random.integers(0, 40, sum(COUNTS)) ** 2).tolist(),
}


class Weights:
    """Draws weights by name, as numbers that float32 has exactly."""

    def __init__(self, seed):
        self.random, self.drawn = np.random.default_rng(seed), {}
        # Statistics of the batch, with which predictions in evaluation mode equal those in training mode.
        self.running, self.attention = {}, None

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
            self.running |= {f'{name}.runningMean': x.mean(0), f'{name}.runningVariance': x.var(0, unbiased=False)}
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
    results, attention = [], []
    for begin, end in rows_of_items(counts):
        s, share = scores[begin:end], shares()[chosen][begin:end] if is_weighted else torch.ones(end - begin, 1)
        if weights == 'softmax':
            powers = share * torch.exp(s)
            a = powers / powers.sum()
        else:
            a = share * {'softplus': F.softplus, 'sigmoid': torch.sigmoid, 'linear': lambda x: x}[weights](s)
        attention.append(a)
        strength = (a * s).sum() if weights == 'softmax' else a.sum()
        results.append(torch.cat([(a * raw[begin:end]).sum(0), *([strength[None]] if sum else [])]))
    w.attention = torch.cat(attention)
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


def hstu(w, prefix, fields, is_weighted, has_ages=False, blocks=1, width=32, heads=2, causal=True, distances=None, octaves=40, position=None, readout={}):
    """Equations 1 to 3 of Zhai et al. 2024, with the mean over the items that an item attends to."""
    inputs = [w.embedding_norm(field.items, f'{prefix}.norms.{field.name}') for field in fields]
    x = w.linear(torch.cat([*inputs, *side_inputs(is_weighted, position)], 1), f'{prefix}.projection', width)
    distances = min(MAX_ITEMS, (0 if is_weighted else 128) if distances is None else distances)
    octaves = octaves if has_ages else 0
    sides = distances if causal else max(0, 2 * distances - 1)
    for b in range(blocks):
        name = f'{prefix}.blocks.{b}'
        normed = w.norm(x, f'{name}.norm')
        u, v, q, k = [F.silu(w.linear(normed, f'{name}.{role}', width)) for role in 'uvqk']
        bias = w.draw(f'{name}.attention.bias', sides + octaves) if sides + octaves > 0 else None
        parts = [torch.zeros(0, width)]
        for begin, end in rows_of_items():
            if begin == end:
                continue
            count = end - begin
            query, key, value = [part[begin:end].reshape(count, heads, -1).transpose(0, 1) for part in (q, k, v)]
            scores = query @ key.transpose(1, 2)
            place = torch.arange(count)
            if distances > 0:
                near = (place[:, None] - place[None, :]).clamp(-distances + 1, distances - 1)
                scores = scores + bias[near.clamp(min=0) if causal else near + distances - 1]
            if octaves > 0:
                ages = torch.tensor(BATCH['ages'][begin:end])
                octave = [[min(int(1 + gap).bit_length() - 1, octaves - 1) for gap in row] for row in (ages[:, None] - ages[None, :]).abs().tolist()]
                scores = scores + bias[sides + torch.tensor(octave)]
            mask = torch.tril(torch.ones(count, count)) if causal else torch.ones(count, count)
            weights = F.silu(scores) * mask / mask.sum(1, keepdim=True)
            parts.append((weights @ value).transpose(0, 1).reshape(count, width))
        x = x + w.linear(w.norm(torch.cat(parts), f'{name}.attention.norm') * u, f'{name}.output', width)
    x = w.norm(x, f'{prefix}.norm')
    if all(field.target is None for field in fields):
        factors = shares() if is_weighted else torch.cat([torch.full((count, 1), 1 / max(count, 1)) for count in COUNTS])
        return torch.stack([(factors * x)[begin:end].sum(0) for begin, end in rows_of_items()])
    return target_attention(w, f'{prefix}.readout', [*fields, Field('results of the blocks', x, None)], is_weighted, **readout)


def interest_inputs(w, prefix, fields, is_weighted, position):
    items = [w.embedding_norm(field.items, f'{prefix}.norms.{field.name}') for field in fields]
    return torch.cat([*items, *side_inputs(is_weighted, position)], 1)


def last_states(rows, width):
    return torch.stack([row[-1] if len(row) > 0 else torch.zeros(width) for row in rows])


def torch_gru(w, x, name, width):
    """PyTorch's GRU over the packed sequences of all rows that have items."""
    state = {'weight_ih_l0': w.draw(f'{name}.inputs.weight', x.shape[1], 3 * width).T, 'bias_ih_l0': w.draw(f'{name}.inputs.bias', 3 * width),
             'weight_hh_l0': w.draw(f'{name}.weight', width, 3 * width).T, 'bias_hh_l0': w.draw(f'{name}.bias', 3 * width)}
    layer = torch.nn.GRU(x.shape[1], width)
    assert state.keys() == dict(layer.named_parameters()).keys()
    rows = [x[begin:end] for begin, end in rows_of_items() if end > begin]
    packed = torch.nn.utils.rnn.pack_sequence(rows, enforce_sorted=False)
    states, lengths = torch.nn.utils.rnn.pad_packed_sequence(torch.func.functional_call(layer, state, (packed,))[0], batch_first=True)
    found = iter([row[:length] for row, length in zip(states, lengths)])
    return [next(found) if count > 0 else torch.zeros(0, width) for count in COUNTS]


def augru_states(w, x, attention, name, width):
    """Zhou et al. 2019, eq. 2-5 with the update gate of eq. 15 and 16, item by item; the reset gate scales the product.

    The gate u of the paper is 1 - z of PyTorch's z, so the columns of z have the opposite sign.
    """
    inputs = w.linear(x, f'{name}.inputs', 3 * width)
    weight, bias = w.draw(f'{name}.weight', width, 3 * width), w.draw(f'{name}.bias', 3 * width)
    rows = []
    for begin, end in rows_of_items():
        h, states = torch.zeros(width), [torch.zeros(0, width)]
        for i in range(begin, end):
            (x_r, x_z, x_n), (s_r, s_z, s_n) = inputs[i].split(width), (h @ weight + bias).split(width)
            u = torch.sigmoid(-(x_z + s_z))
            candidate = torch.tanh(x_n + torch.sigmoid(x_r + s_r) * s_n)
            scaled = attention[i] * u
            h = (1 - scaled) * h + scaled * candidate
            states.append(h[None])
        rows.append(torch.cat(states))
    return rows


def gru(w, prefix, fields, is_weighted, width=32, position=None):
    x = interest_inputs(w, prefix, fields, is_weighted, position)
    return last_states(torch_gru(w, x, f'{prefix}.gru', width), width)


def augru(w, prefix, fields, is_weighted, width=32, position=None):
    x = interest_inputs(w, prefix, fields, is_weighted, position)
    interests = torch.cat(torch_gru(w, x, f'{prefix}.interests', width))
    q = torch.cat([w.embedding_norm(field.target, f'{prefix}.norms.{field.name}.target') for field in fields if field.target is not None], 1)
    row = torch.tensor([b for b, count in enumerate(COUNTS) for _ in range(count)])
    matrix = w.draw(f'{prefix}.candidate.weight', q.shape[1], width) @ torch.diag(w.draw(f'{prefix}.attention.weight', width, 1)[:, 0])
    scores = ((q[row] @ matrix) * interests).sum(1)
    powers = torch.exp(scores) * (shares()[:, 0] if is_weighted else 1)
    attention = torch.cat([powers[begin:end] / powers[begin:end].sum() for begin, end in rows_of_items()])
    w.attention = attention
    return last_states(augru_states(w, interests, attention, f'{prefix}.evolution', width), width)


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
    result = target_attention(w, prefix, selected, is_weighted, counts=counts, chosen=chosen, **attention)
    # Items that are not selected have no weight.
    w.attention = torch.full((sum(COUNTS), 1), torch.nan).index_put((torch.tensor(chosen),), w.attention)
    return result


ENCODERS = {
    'target-attention': target_attention, 'self-attention': self_attention, 'hstu': hstu, 'gru': gru, 'augru': augru, 'search': search,
}


def rounded(tensor):
    return [None if math.isnan(value) else float(f'{value:.9g}') for value in tensor.detach().flatten().tolist()]


def case(name, options, is_weighted=False, targets=('item', 'shop'), has_ages=False):
    w = Weights(seed=len(json.dumps(options)))
    tables = {table: w.draw(f'embeddings.{table}', *shape) for table, shape in TABLES.items()}
    fields = [Field(f'clicked {table}', tables[table][BATCH['items'][table]], tables[table][BATCH['targets'][table]] if table in targets else None) for table in TABLES]
    encoded = ENCODERS[name](w, 'encoder', fields, is_weighted, **options, **({'has_ages': True} if has_ages else {}))
    logit = w.linear(encoded, 'out', 1)[:, 0]
    loss = F.binary_cross_entropy_with_logits(logit, torch.tensor(BATCH['labels']).double())
    loss.backward()
    return {
        'spec': {'name': name, **options}, 'isWeighted': is_weighted, 'targets': list(targets), **({'hasAges': True} if has_ages else {}), 'loss': loss.item(),
        'predictions': rounded(torch.sigmoid(logit)),
        **({} if w.attention is None else {'attention': rounded(w.attention)}),
        'weights': {key: {'shape': list(value.shape), 'data': rounded(value)} for key, value in w.drawn.items()},
        'running': {key: rounded(value) for key, value in w.running.items()},
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
        case('hstu', {'width': 4, 'readout': small}, has_ages=True),
        case('hstu', {'width': 6, 'heads': 3, 'blocks': 2, 'causal': False, 'distances': 3, 'octaves': 6}, True, (), True),
        case('hstu', {'width': 4, 'heads': 1, 'blocks': 2, 'causal': False, 'readout': small}),
        case('hstu', {'width': 6, 'position': False, 'distances': 0, 'octaves': 9, 'readout': {'hidden': [4], 'weights': 'softmax', 'activation': 'prelu'}}, True, ('shop',), True),
        case('self-attention', {'width': 4, 'hidden': 3, 'activation': 'gelu', 'position': False, 'readout': {'hidden': [2], 'weights': 'softmax', 'activation': 'relu'}}),
        case('gru', {'width': 8}),
        case('gru', {'width': 16, 'position': True}, True, ()),
        case('augru', {'width': 8}),
        case('augru', {'width': 24, 'position': False}, True, ('shop',)),
        case('search', {'top': 2, 'width': 3, 'attention': small}),
        case('search', {'by': 'hash', 'top': 3, 'bits': 13, 'attention': {**small, 'weights': 'softmax'}}, False, ('shop',)),
        case('search', {'top': 1, 'attention': {'hidden': [3], 'activation': 'prelu'}}, True),
    ]
    with open('test/sequences/cases.json', 'w') as file:
        file.write('{"batch": ' + json.dumps(BATCH) + ',\n"cases": [\n' + ',\n'.join(json.dumps(each) for each in cases) + '\n]}\n')
