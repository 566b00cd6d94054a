"""Writes what attention.test.ts compares attention with: cases.json, by PyTorch's MultiheadAttention in doubles.

  pip install torch numpy
  python test/engines/attention/make_cases.py     # from the project's root
"""
import json

import numpy as np
import torch

torch.set_default_dtype(torch.float64)

COUNTS = [3, 0, 1, 9, 5, 1, 0, 2]
TABLE_ROWS = 12


def numbers(tensor, shape, scale):
    """Elements that the test computes itself, rounded to single precision."""
    values = scale * np.sin(1.7 * np.arange(np.prod(shape)) + 2 * tensor)
    return torch.from_numpy(values.astype(np.float32).astype(np.float64).reshape(shape)).requires_grad_()


def case(width, heads, is_causal):
    names = ['query', 'key', 'value', 'output']
    embeddings = numbers(0, (TABLE_ROWS, width), 1)
    weights = {name: numbers(1 + i, (width, width), 0.7) for i, name in enumerate(names)}
    biases = {name: numbers(5 + i, (width,), 0.2) for i, name in enumerate(names)}
    last = numbers(9, (width, 1), 0.5)
    attention = torch.nn.functional.multi_head_attention_forward
    ids = iter(range(sum(COUNTS)))
    outputs = []
    for count in COUNTS:
        x = embeddings[[next(ids) * 5 % TABLE_ROWS for _ in range(count)]]
        mask = torch.triu(torch.full((count, count), -torch.inf), diagonal=1) if is_causal else None
        pooled = torch.zeros(width)
        if count > 0:
            y, _ = attention(
                x, x, x, width, heads,
                torch.cat([weights[name].T for name in names[:3]]), torch.cat([biases[name] for name in names[:3]]),
                None, None, False, 0.0, weights['output'].T, biases['output'], attn_mask=mask, need_weights=False)
            pooled = y.sum(0)
        outputs.append(pooled @ last)
    outputs = torch.cat(outputs)
    loss = (outputs - torch.from_numpy(np.arange(len(COUNTS)) % 3)).square().mean()
    loss.backward()
    gradients = {
        'embeddings.item': embeddings, 'last.weight': last,
        **{f'{name}.weight': weights[name] for name in names}, **{f'{name}.bias': biases[name] for name in names}}
    rounded = lambda tensor: [float(f'{value:.8g}') for value in tensor.detach().flatten().tolist()]
    return {
        'width': width, 'heads': heads, 'isCausal': is_causal, 'loss': loss.item(), 'predictions': rounded(outputs),
        'gradients': {name: rounded(tensor.grad) for name, tensor in gradients.items()}}


if __name__ == '__main__':
    cases = [case(6, 2, False), case(6, 1, True), case(16, 2, True)]
    with open('test/engines/attention/cases.json', 'w') as file:
        file.write('[\n' + ',\n'.join(json.dumps(each) for each in cases) + '\n]\n')
