"""Writes cases.json: what losses are of some numbers of towers and labels, and their gradients, from PyTorch. Run it with a Python that has torch."""
import json
import math
from pathlib import Path

import torch
import torch.nn.functional as F

torch.manual_seed(4)
ROWS = 12
logits = torch.cat([torch.randn(ROWS - 4) * 2, torch.tensor([30.0, -30.0, 0.0, -0.5])]).double()
classes = torch.tensor([0, 1] * (ROWS // 2)).double()
shares = torch.rand(ROWS).double()
numbers = (torch.randn(ROWS) * 3).double()
counts = torch.poisson(torch.full((ROWS,), 2.0)).double()
amounts = torch.where(torch.arange(ROWS) % 3 == 0, torch.exp(torch.randn(ROWS) * 2 + 2), torch.zeros(ROWS)).double()
threes = torch.randn(ROWS, 3).double()
threes[5, 2] = -20.0


def focal(out, y, gamma, alpha=None):
    p = torch.sigmoid(out)
    p_t = p * y + (1 - p) * (1 - y)
    log_p_t = y * F.logsigmoid(out) + (1 - y) * F.logsigmoid(-out)
    loss = -((1 - p_t) ** gamma) * log_p_t
    return loss if alpha is None else loss * (alpha * y + (1 - alpha) * (1 - y))


def ziln(out, y):
    logit, mu = out[:, 0], out[:, 1]
    sigma = torch.clamp(F.softplus(out[:, 2]), min=math.sqrt(torch.finfo(torch.float32).eps))
    positive = (y > 0).double()
    safe = torch.where(y > 0, y, torch.ones_like(y))
    density = torch.distributions.LogNormal(mu, sigma).log_prob(safe)
    return F.binary_cross_entropy_with_logits(logit, positive, reduction='none') - positive * density


def ziln_mean(out):
    sigma = torch.clamp(F.softplus(out[:, 2]), min=math.sqrt(torch.finfo(torch.float32).eps))
    return torch.sigmoid(out[:, 0]) * torch.distributions.LogNormal(out[:, 1], sigma).mean


# Of losses within groups: some of one class, one row alone, and rows that are in none (-1), each by itself.
groups = torch.tensor([0, 0, 0, 1, 1, 1, 0, 2, -1, -1, 3, 3]).double()
together = (groups[:, None] == groups[None, :]) & (groups[:, None] >= 0) | torch.eye(ROWS, dtype=torch.bool)
twos = torch.stack([logits / 5, torch.randn(ROWS)], 1).double()


def pairwise(out, y):
    losses = F.softplus(out[None, :] - out[:, None])
    pairs = (together & (y[:, None] == 1) & (y[None, :] == 0)).double()
    return (losses * pairs).sum(1) / pairs.sum(1).clamp(min=1)


def listwise(out, y):
    return y * -torch.diagonal(torch.log_softmax(torch.where(together, out[None, :], -torch.inf), 1))


# As the paper's code: the log loss by two logits, and the softmax over the rows of a context, of the logit of the row's own label.
def jrc(out, y, alpha):
    log_loss = F.cross_entropy(out, y.long(), reduction='none')
    in_context = [torch.log_softmax(torch.where(together, out[:, k][None, :], -torch.inf), 1) for k in (0, 1)]
    rank = -torch.where(y == 1, torch.diagonal(in_context[1]), torch.diagonal(in_context[0]))
    return alpha * log_loss + (1 - alpha) * rank


positives = lambda each, y: each.sum() / y.sum()
of_two = lambda out: torch.softmax(out, 1)[:, 1]
column = lambda f: lambda out, y: f(out[:, 0], y)
sigmoid = lambda out: torch.sigmoid(out[:, 0])
same = lambda out: out[:, 0]
none = {'reduction': 'none'}
CASES = [
    ('classification', {'name': 'cross-entropy'}, logits, classes, column(lambda z, y: F.binary_cross_entropy_with_logits(z, y, **none)), sigmoid),
    ('classification', {'name': 'cross-entropy', 'smoothing': 0.2}, logits, classes, column(lambda z, y: F.binary_cross_entropy_with_logits(z, y * 0.8 + 0.1, **none)), sigmoid),
    ('regression', {'name': 'cross-entropy'}, logits, shares, column(lambda z, y: F.binary_cross_entropy_with_logits(z, y, **none)), sigmoid),
    ('classification', {'name': 'focal'}, logits, classes, column(lambda z, y: focal(z, y, 2)), sigmoid),
    ('classification', {'name': 'focal', 'gamma': 0.5, 'alpha': 0.25}, logits, classes, column(lambda z, y: focal(z, y, 0.5, 0.25)), sigmoid),
    ('classification', {'name': 'hinge'}, logits, classes, column(lambda z, y: torch.clamp(1 - (2 * y - 1) * z, min=0)), sigmoid),
    ('classification', {'name': 'pairwise', 'groupBy': 'user'}, logits, classes, column(pairwise), sigmoid, positives),
    ('classification', {'name': 'listwise', 'groupBy': 'user'}, logits, classes, column(listwise), sigmoid, positives),
    ('classification', {'name': 'jrc', 'groupBy': 'user'}, twos, classes, lambda out, y: jrc(out, y, 0.5), of_two),
    ('classification', {'name': 'jrc', 'groupBy': 'user', 'alpha': 0.8}, twos, classes, lambda out, y: jrc(out, y, 0.8), of_two),
    ('regression', {'name': 'squared'}, logits, numbers, column(lambda z, y: F.mse_loss(z, y, **none)), same),
    ('regression', {'name': 'absolute'}, logits, numbers, column(lambda z, y: F.l1_loss(z, y, **none)), same),
    ('regression', {'name': 'huber'}, logits, numbers, column(lambda z, y: F.huber_loss(z, y, **none)), same),
    ('regression', {'name': 'huber', 'delta': 2.5}, logits, numbers, column(lambda z, y: F.huber_loss(z, y, delta=2.5, **none)), same),
    ('regression', {'name': 'poisson'}, logits / 10, counts, column(lambda z, y: F.poisson_nll_loss(z, y, **none)), lambda out: torch.exp(out[:, 0])),
    ('regression', {'name': 'ziln'}, threes, amounts, ziln, ziln_mean),
]

cases = []
for task_type, loss, numbers_out, labels, rows, predict, *mean in CASES:
    out = numbers_out.reshape(ROWS, -1).clone().requires_grad_(True)
    each = rows(out, labels)
    total = mean[0](each, labels) if mean else each.mean()
    total.backward()
    cases.append({'type': task_type, 'loss': loss, 'out': out.tolist(), 'labels': labels.tolist(), 'groups': groups.tolist(), 'mean': total.item(), 'rowsMean': each.mean().item(), 'gradient': out.grad.tolist(), 'predictions': predict(out).tolist()})
Path(__file__).with_name('cases.json').write_text(json.dumps(cases, indent=1) + '\n')
