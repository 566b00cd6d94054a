"""Writes nested-cases.json: items with several values, pooled by PyTorch's EmbeddingBag, then attention; in double precision.

  pip install torch numpy
  python test/sequences/make_nested_cases.py      # from the project's root
"""
import json

import numpy as np
import torch
from torch.nn import functional as F

from make_cases import COUNTS, Field, Weights, rounded, self_attention, target_attention

TABLES = {'item': (30, 4), 'tags': (8, 3)}
ENCODERS = {'target-attention': target_attention, 'self-attention': self_attention}
random = np.random.default_rng(6)
TAG_COUNTS = [0 if i % 3 == 1 else int(random.integers(1, 5)) for i in range(sum(COUNTS))]
OWN_COUNTS = random.integers(0, 3, len(COUNTS)).tolist()
BATCH = {
    'counts': COUNTS,
    'items': random.integers(0, 30, sum(COUNTS)).tolist(),
    'tagCounts': TAG_COUNTS,
    'tags': random.integers(0, 8, sum(TAG_COUNTS)).tolist(),
    'item': random.integers(0, 30, len(COUNTS)).tolist(),
    'ownCounts': OWN_COUNTS,
    'ownTags': random.integers(0, 8, sum(OWN_COUNTS)).tolist(),
    'labels': random.integers(0, 2, len(COUNTS)).tolist(),
}


def pooled(table, ids, counts, pooling):
    """EmbeddingBag; its weights divide by the root of the number of values."""
    offsets = torch.tensor(np.cumsum([0, *counts])[:-1])
    weights = torch.tensor([1 / np.sqrt(count) for count in counts for _ in range(count)]) if pooling == 'sqrtn' else None
    mode = 'mean' if pooling == 'mean' else 'sum'
    return F.embedding_bag(torch.tensor(ids), table, offsets, mode=mode, per_sample_weights=weights)


def case(pooling, is_first, name, options):
    w = Weights(seed=len(name) + len(pooling))
    tables = {table: w.draw(f'embeddings.{table}', *shape) for table, shape in TABLES.items()}
    tags = Field('clicked tags', pooled(tables['tags'], BATCH['tags'], TAG_COUNTS, pooling), pooled(tables['tags'], BATCH['ownTags'], OWN_COUNTS, 'mean'))
    item = Field('clicked item', tables['item'][BATCH['items']], tables['item'][BATCH['item']])
    fields = [tags, item] if is_first else [item, tags]
    logit = w.linear(ENCODERS[name](w, f'clicks.{name}', fields, False, **options), 'out', 1)[:, 0]
    loss = F.binary_cross_entropy_with_logits(logit, torch.tensor(BATCH['labels']).double())
    loss.backward()
    return {
        'pooling': pooling, 'isFirst': is_first, 'spec': {'name': name, **options}, 'loss': loss.item(),
        'predictions': rounded(torch.sigmoid(logit)),
        'weights': {key: {'shape': list(value.shape), 'data': rounded(value)} for key, value in w.drawn.items()},
        'gradients': {key: rounded(value.grad) for key, value in w.drawn.items()},
    }


if __name__ == '__main__':
    cases = [
        case('mean', True, 'target-attention', {'hidden': [5]}),
        case('sum', False, 'target-attention', {'hidden': [4], 'activation': 'prelu', 'weights': 'softmax'}),
        case('sqrtn', False, 'self-attention', {'width': 4, 'hidden': 5, 'readout': {'hidden': [3]}}),
    ]
    with open('test/sequences/nested-cases.json', 'w') as file:
        file.write('{"batch": ' + json.dumps(BATCH) + ',\n"cases": [\n' + ',\n'.join(json.dumps(each) for each in cases) + '\n]}\n')
