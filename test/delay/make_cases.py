"""Writes cases.json: losses of delayed labels and their gradients, in float64, from PyTorch. Run it with a Python that has torch.

Each loss is written as in its paper, from probabilities; mtl computes it from logits.
"""
import json
from pathlib import Path

import torch

torch.manual_seed(11)
ROWS = 12
# Rows 0 to 3 are early positives, 4 to 7 negatives, 8 to 11 late positives, as the columns of each method say.
main = torch.tensor([1, 1, 0, 1] * 3).double()
auxiliary = torch.tensor([0, 1, 1, 0] * 3).double()
label = torch.tensor([1] * 4 + [0] * 4 + [1] * 4).double()
early = torch.tensor([1] * 4 + [0] * 8).double()
elapsed = torch.tensor([0.01, 0.02, 0.005, 0.03, 0.05, 1.0, 0.05, 1.0, 0.3, 0.7, 0.06, 0.99]).double()
before = torch.tensor([0, 0, 0, 0, 0, 0.05, 0, 0.05, 0.05, 0.05, 0.05, 0.05]).double()


def log_loss(p, y):
    return -(y * torch.log(p) + (1 - y) * torch.log(1 - p))


def weighted(p, y, positive, negative):
    """Log loss with constant weights of positives and negatives."""
    return -(positive.detach() * y * torch.log(p) + negative.detach() * (1 - y) * torch.log(1 - p))


def plain(out):
    return log_loss(torch.sigmoid(out[:, 0]), label)


def fnw(out):
    p = torch.sigmoid(out[:, 0])
    return weighted(p, label, 1 + p, (1 - p) * (1 + p))


def dfm(out):
    p, rate = torch.sigmoid(out[:, 0]), torch.exp(out[:, 1])
    positive = -torch.log(p) - torch.log(rate) + rate * elapsed
    survival = lambda t: -torch.log(1 - p + p * torch.exp(-rate * t))
    return label * positive + (1 - label) * survival(elapsed) - survival(before)


def elapsed_time(out, weigh):
    p, real, late = torch.sigmoid(out).unbind(1)
    late_loss = log_loss(late, label * (1 - early))
    real_loss = log_loss(real, 1 - label) * (1 - early)
    return main * weigh(p, real.detach(), late.detach()) + auxiliary * (late_loss + real_loss)


def es_dfm(out):
    return elapsed_time(out, lambda p, real, late: weighted(p, label, 1 + late, (1 + late) * real))


def defuse(out):
    def weigh(p, real, late):
        fake = 1 - real
        negative = -(fake * late * torch.log(p) + (1 - fake) * (1 + late) * torch.log(1 - p))
        positive = -(early * (1 + late) + (1 - early)) * torch.log(p)
        return label * positive + (1 - label) * negative

    return elapsed_time(out, weigh)


def defer(out):
    p, late = torch.sigmoid(out).unbind(1)
    half = 0.5 * late
    # A late conversion is a conversion, so p - half is at least p / 2 for probabilities that agree.
    positive = torch.where(p > half, p / (p - half), torch.full_like(p, 2)).clamp(1, 2)
    loss = weighted(p, label, positive, (1 - p) / (1 - p + half))
    return main * loss + auxiliary * log_loss(late, label * (1 - early))


def ulc(out):
    p, later = torch.sigmoid(out).unbind(1)
    w = later.detach()
    loss = -(label * torch.log(p) + (1 - label) * ((1 - w) * torch.log(1 - p) + w * torch.log(p)))
    return main * loss + auxiliary * log_loss(later, label) * (1 - early)


def bi_defuse(out):
    within, later = torch.sigmoid(out).unbind(1)
    z = later.detach()
    outside = (1 - FIRST) * -torch.log(later) + FIRST * (
        -z * z * torch.log(later) - (1 - z) * (1 + z) * torch.log(1 - later))
    return FIRST * log_loss(within, label) + outside


def sum_of_outputs(out):
    return torch.sigmoid(out).sum(1).clamp(max=1 - 2**-20)


def sigmoid(out):
    return torch.sigmoid(out[:, 0])


def calibrated(out):
    b = torch.sigmoid(out[:, 0])
    return (b / (1 - b)).clamp(max=1 - 2**-20)


# Late positives are second samples.
FIRST = torch.tensor([1] * 8 + [0] * 4).double()
OBSERVED = {'main': main, 'auxiliary': auxiliary, 'early': early}
METHODS = {
    'naive': (1, {}, plain, sigmoid),
    'wait': (1, {}, plain, sigmoid),
    'fnw': (1, {}, fnw, sigmoid),
    'fnc': (1, {}, plain, calibrated),
    'dfm': (2, {'elapsed': elapsed, 'before': before}, dfm, sigmoid),
    'es-dfm': (3, OBSERVED, es_dfm, sigmoid),
    'defer': (2, OBSERVED, defer, sigmoid),
    'defuse': (3, OBSERVED, defuse, sigmoid),
    'bi-defuse': (2, {'first': FIRST}, bi_defuse, sum_of_outputs),
    'ulc': (2, OBSERVED, ulc, sigmoid),
}

cases = []
for method, (outputs, columns, loss, predict) in METHODS.items():
    out = (1.5 * torch.randn(ROWS, outputs)).double().float().double().requires_grad_(True)
    mean = loss(out).mean()
    mean.backward()
    cases.append({
        'method': method,
        'out': out.tolist(),
        'label': label.tolist(),
        'columns': {name: values.float().tolist() for name, values in columns.items()},
        'mean': mean.item(),
        'gradient': out.grad.tolist(),
        'predictions': predict(out).tolist(),
    })
Path(__file__).with_name('cases.json').write_text(json.dumps(cases, indent=1) + '\n')
