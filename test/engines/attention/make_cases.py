"""Writes what attention.test.ts compares attention with: cases.json, by PyTorch in doubles.

Softmax attention is PyTorch's MultiheadAttention. Pointwise attention is equation 2 of Zhai et al. 2024
(https://arxiv.org/abs/2402.17152), with the mean over the items that an item attends to.

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


def ages_of(count):
    """Times from the items of a row to now, which the test computes itself; some differences are powers of two."""
    return [float((i * 7) % 11 * 2 ** (i % 5)) for i in range(count)]


def pointwise(x, weights, biases, heads, is_causal, bias, distances, octaves):
    """SiLU(Q K^T + b) V / n of one row, one pair of items at a time."""
    count, width = x.shape
    q, k, v = [(x @ weights[name] + biases[name]).reshape(count, heads, width // heads) for name in ['query', 'key', 'value']]
    ages = ages_of(count)
    sides = (distances if is_causal else max(0, 2 * distances - 1))
    rows = []
    for i in range(count):
        keys = range(i + 1 if is_causal else count)
        total = torch.zeros(heads, width // heads)
        for j in keys:
            score = (q[i] * k[j]).sum(1)
            if distances > 0:
                near = max(-distances + 1, min(distances - 1, i - j))
                score = score + bias[near if is_causal else near + distances - 1]
            if octaves > 0:
                octave = int(1 + abs(ages[i] - ages[j])).bit_length() - 1
                score = score + bias[sides + min(octave, octaves - 1)]
            total = total + torch.nn.functional.silu(score)[:, None] * v[j]
        rows.append((total / len(keys)).reshape(width))
    return torch.stack(rows) @ weights['output'] + biases['output']


def case(width, heads, is_causal, distances=None, octaves=0):
    names = ['query', 'key', 'value', 'output']
    embeddings = numbers(0, (TABLE_ROWS, width), 1)
    weights = {name: numbers(1 + i, (width, width), 0.7) for i, name in enumerate(names)}
    biases = {name: numbers(5 + i, (width,), 0.2) for i, name in enumerate(names)}
    last = numbers(9, (width, 1), 0.5)
    is_pointwise = distances is not None
    count_of_bias = ((distances if is_causal else max(0, 2 * distances - 1)) + octaves) if is_pointwise else 0
    bias = numbers(10, (count_of_bias,), 0.6) if count_of_bias > 0 else None
    attention = torch.nn.functional.multi_head_attention_forward
    ids = iter(range(sum(COUNTS)))
    outputs = []
    for count in COUNTS:
        x = embeddings[[next(ids) * 5 % TABLE_ROWS for _ in range(count)]]
        mask = torch.triu(torch.full((count, count), -torch.inf), diagonal=1) if is_causal else None
        pooled = torch.zeros(width)
        if count > 0 and is_pointwise:
            pooled = pointwise(x, weights, biases, heads, is_causal, bias, distances, octaves).sum(0)
        elif count > 0:
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
        **{f'{name}.weight': weights[name] for name in names}, **{f'{name}.bias': biases[name] for name in names},
        **({'attention.bias': bias} if bias is not None else {})}
    rounded = lambda tensor: [float(f'{value:.8g}') for value in tensor.detach().flatten().tolist()]
    return {
        'width': width, 'heads': heads, 'isCausal': is_causal,
        **({'distances': distances, 'octaves': octaves} if is_pointwise else {}), 'loss': loss.item(), 'predictions': rounded(outputs),
        'gradients': {name: rounded(tensor.grad) for name, tensor in gradients.items()}}


if __name__ == '__main__':
    cases = [case(6, 2, False), case(6, 1, True), case(16, 2, True),
             case(6, 2, False, 0, 0), case(6, 1, True, 4, 6), case(16, 2, False, 3, 5), case(6, 3, True, 9, 0), case(6, 2, False, 0, 12)]
    with open('test/engines/attention/cases.json', 'w') as file:
        file.write('[\n' + ',\n'.join(json.dumps(each) for each in cases) + '\n]\n')
