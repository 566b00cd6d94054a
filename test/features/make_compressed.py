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


def mixed(dims, sizes):
    """Blocks of ids from 1; rows 0 and 1 of each table are id 0 and all other ids. A first block of the full width is not projected."""
    ends = [*sizes, ROWS - 1 - sum(sizes)]
    names = ['item' if block == 0 else f'item_block{block + 1}' for block in range(len(dims))]
    tensors = {}
    for name, dim, size in zip(names, dims, ends):
        tensors[f'embeddings.{name}'] = leaf(size + 2, dim)
        if dim < WIDTH:
            tensors[f'{name}.projection.weight'] = leaf(dim, WIDTH)

    def embed(*_):
        total, begin = 0, 1
        for name, dim, size in zip(names, dims, ends):
            rows = torch.where((ids >= begin) & (ids < begin + size), ids - begin + 2, (ids > 0).long())
            part = lookup(rows, tensors[f'embeddings.{name}'])
            total = total + (part if dim == WIDTH else part @ tensors[f'{name}.projection.weight'])
            begin += size
        return total

    return case({'name': 'mixed-dimension', 'sizes': sizes, 'dims': dims}, tensors, embed)

cases = [
    case({'name': 'quotient-remainder', 'buckets': BUCKETS, 'operation': 'multiply'}, tables(),
         lambda r, q: lookup(ids % BUCKETS, r) * (1 + lookup(ids // BUCKETS, q))),
    case({'name': 'quotient-remainder', 'buckets': BUCKETS, 'operation': 'add'}, tables(),
         lambda r, q: lookup(ids % BUCKETS, r) + lookup(ids // BUCKETS, q)),
    case({'name': 'low-rank', 'dim': DIM}, {'embeddings.item': leaf(ROWS, DIM), 'item.projection.weight': leaf(DIM, WIDTH)},
         lambda table, projection: torch.nn.functional.linear(lookup(ids, table), projection.T)),
    mixed([WIDTH, 2, 1], [3, 2]),
    mixed([2, 1], [4]),
]
data = {'ids': ids.tolist(), 'labels': labels.tolist(), 'rows': ROWS, 'width': WIDTH, 'cases': cases}
(Path(__file__).parent / 'compressed.json').write_text(json.dumps(data) + '\n')
