"""Writes the losses and gradients that compressed.test.ts compares with, from PyTorch in double precision.

  python test/features/make_compressed.py       # from the project's root
"""
import json
from pathlib import Path

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(4)
ROWS, BUCKETS, WIDTH, DIM = 11, 4, 3, 2
ids = torch.tensor([0, 3, 4, 10, 7, 4])
labels = torch.tensor([0.0, 1, 1, 0, 1, 0])


def leaf(*shape):
    return torch.randn(shape).float().double().requires_grad_()


def case(compression, tensors, embed):
    head, bias = leaf(WIDTH, 1), leaf(1)
    logits = (embed(*tensors.values()) @ head + bias).squeeze(1)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels)
    loss.backward()
    all_tensors = {**tensors, 'head': head, 'bias': bias}
    return {
        'compression': compression,
        'loss': loss.item(),
        'weights': {name: tensor.detach().tolist() for name, tensor in all_tensors.items()},
        'gradients': {name: tensor.grad.tolist() for name, tensor in all_tensors.items()},
    }


def tables():
    return {'embeddings.item': leaf(BUCKETS, WIDTH), 'embeddings.item_quotient': leaf(-(-ROWS // BUCKETS), WIDTH)}


lookup = torch.nn.functional.embedding
cases = [
    case({'name': 'quotient-remainder', 'buckets': BUCKETS, 'operation': 'multiply'}, tables(),
         lambda r, q: lookup(ids % BUCKETS, r) * (1 + lookup(ids // BUCKETS, q))),
    case({'name': 'quotient-remainder', 'buckets': BUCKETS, 'operation': 'add'}, tables(),
         lambda r, q: lookup(ids % BUCKETS, r) + lookup(ids // BUCKETS, q)),
    case({'name': 'low-rank', 'dim': DIM}, {'embeddings.item': leaf(ROWS, DIM), 'item.projection.weight': leaf(DIM, WIDTH)},
         lambda table, projection: torch.nn.functional.linear(lookup(ids, table), projection.T)),
]
data = {'ids': ids.tolist(), 'labels': labels.tolist(), 'rows': ROWS, 'width': WIDTH, 'cases': cases}
(Path(__file__).parent / 'compressed.json').write_text(json.dumps(data) + '\n')
