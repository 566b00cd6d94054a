"""Writes the losses and gradients that periodic.test.ts compares with, from rtdl_num_embeddings in double precision.

  python test/features/make_periodic.py       # from the project's root; requires torch and rtdl_num_embeddings
"""
import json
from pathlib import Path

import torch
from rtdl_num_embeddings import PeriodicEmbeddings

torch.set_default_dtype(torch.float64)
torch.manual_seed(11)
FIELDS, WIDTH, FREQUENCIES = ['age', 'income'], 5, 6
values = torch.randn(9, len(FIELDS)).float().double()
labels = torch.tensor([0.0, 1, 1, 0, 1, 0, 0, 1, 1])

embeddings = PeriodicEmbeddings(
    len(FIELDS), WIDTH, n_frequencies=FREQUENCIES, frequency_init_scale=1.0, activation=True, lite=False
)
head = torch.nn.Linear(len(FIELDS) * WIDTH, 1)
parameters = [*embeddings.parameters(), *head.parameters()]
with torch.no_grad():
    for parameter in parameters:
        parameter.copy_(parameter.float().double())
logits = head(embeddings(values).flatten(1)).squeeze(1)
loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels)
loss.backward()

frequencies, weight, bias = embeddings.periodic.weight, embeddings.linear.weight, embeddings.linear.bias


def sines_first(layer):
    """The rows of rtdl's layer are those of cosines, then of sines."""
    return torch.cat([layer[FREQUENCIES:], layer[:FREQUENCIES]])


def tensors(of):
    found = {'head': of(head.weight).T.tolist(), 'bias': of(head.bias).tolist()}
    for f, field in enumerate(FIELDS):
        found[f'{field}_periodic.frequencies.weight'] = [of(frequencies)[f].tolist()]
        found[f'{field}_periodic.embedding.weight'] = sines_first(of(weight)[f]).tolist()
        found[f'{field}_periodic.embedding.bias'] = of(bias)[f].tolist()
    return found


data = {
    'width': WIDTH,
    'frequencies': FREQUENCIES,
    'values': {field: values[:, f].tolist() for f, field in enumerate(FIELDS)},
    'labels': labels.tolist(),
    'loss': loss.item(),
    'weights': tensors(lambda tensor: tensor.detach()),
    'gradients': tensors(lambda tensor: tensor.grad),
}
Path(__file__).with_name('periodic.json').write_text(json.dumps(data) + '\n')
