"""Writes distillation-cases.json: losses with a teacher, and their gradients, from PyTorch. Run it with a Python that has torch."""
import json
from pathlib import Path

import torch
import torch.nn.functional as F

torch.manual_seed(7)
ROWS = 12
logits = torch.cat([torch.randn(ROWS - 3) * 2, torch.tensor([9.0, -9.0, 0.0])]).double()
labels = torch.tensor([0, 1, 1] * (ROWS // 3)).double()
teacher = torch.cat([torch.rand(ROWS - 4), torch.tensor([1e-7, 1 - 1e-7, 0.5, 0.999])]).double()
known = torch.tensor([1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 1, 0]).double()
mask = torch.tensor([1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1]).double()
weights = torch.tensor([1, 2, 0.5, 0] * (ROWS // 4)).double()


def log_loss(z, y):
    return F.binary_cross_entropy_with_logits(z, y, reduction='none')


def focal(z, y, gamma=2):
    m = z * (2 * y - 1)
    return -((1 - torch.sigmoid(m)) ** gamma) * F.logsigmoid(m)


CASES = [
    ({'name': 'cross-entropy'}, 0.5, 2.0, log_loss),
    ({'name': 'cross-entropy'}, 0.3, 1.0, log_loss),
    ({'name': 'cross-entropy'}, 1.0, 4.0, log_loss),
    ({'name': 'cross-entropy', 'smoothing': 0.2}, 0.7, 0.5, lambda z, y: log_loss(z, y * 0.8 + 0.1)),
    ({'name': 'focal'}, 0.5, 3.0, focal),
]

cases = []
for loss, weight, temperature, hard in CASES:
    z = logits.clone().requires_grad_(True)
    target = torch.sigmoid(torch.logit(teacher) / temperature)
    distilled = (1 - weight) * hard(z, labels) + weight * temperature**2 * log_loss(z / temperature, target)
    each = torch.where(known == 1, distilled, hard(z, labels))
    mean = (each * weights * mask).sum() / mask.sum()
    mean.backward()
    cases.append({'loss': loss, 'weight': weight, 'temperature': temperature, 'mean': mean.item(), 'gradient': z.grad.tolist()})

columns = {'out': logits, 'label': labels, 'teacher': teacher, 'known': known, 'mask': mask, 'rowWeight': weights}
result = {'columns': {name: values.tolist() for name, values in columns.items()}, 'cases': cases}
Path(__file__).with_name('distillation-cases.json').write_text(json.dumps(result, indent=1) + '\n')
