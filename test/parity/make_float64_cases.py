"""Recomputes the references of parity.test.ts in float64, from the weights and batches of torch-rechub's float32 runs.

  pip install torch torch-rechub safetensors
  python test/parity/make_float64_cases.py       # from the project's root

torch-rechub trains in float32, so its predictions are up to 8.8e-5 from exact arithmetic. This script runs the same classes,
initial weights (`init.*`) and batches (`stepN.x.*`, `stepN.y`) in double precision. It writes NAME.float64.safetensors next to
NAME.safetensors: `stepN.pred_train`, `step0.grad.*`, `loss.tasks` [steps, tasks], `loss.total` [steps], `final.*` and `eval.pred`.

The script first runs in float32 and prints the largest distance from the stored float32 values, then that of float64. The first
step of float32 agrees within 1e-6 (gradients: 2e-6). Predictions of later steps agree within 5e-6, except where canceled.ts applies, as in aitm and shared_bottom.
"""
import json
import re
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch_rechub.basic.features import DenseFeature, SparseFeature
from torch_rechub.models.multi_task import AITM, ESMM, MMOE, PLE, SharedBottom

CASES = Path('test/parity/cases')
LOSSES = {'classification': torch.nn.BCELoss(), 'regression': torch.nn.MSELoss()}


def build(case):
    spec = case['model']
    feature = {name: SparseFeature(name, rows, embed_dim=case['embed_dim']) for name, rows in case['sparse']}
    features = list(feature.values()) + [DenseFeature(name) for name in case['dense']]
    types = case['task_types']
    if spec['name'] == 'ESMM':
        return ESMM([feature[f] for f in spec['user']], [feature[f] for f in spec['item']], spec['cvr'], spec['ctr'])
    if spec['name'] == 'AITM':
        return AITM(features, len(types), spec['bottom'], spec['towers'])
    if spec['name'] == 'SharedBottom':
        return SharedBottom(features, types, spec['bottom'], spec['towers'])
    if spec['name'] == 'MMOE':
        return MMOE(features, types, spec['n_expert'], spec['expert'], spec['towers'])
    return PLE(features, types, spec['n_level'], spec['n_expert_specific'], spec['n_expert_shared'], spec['expert'], spec['towers'])


def train(case, stored, dtype):
    """Trains all steps of the case and returns the references."""
    model = build(case).to(dtype)
    # torch-rechub counts the batches of each norm, and the cases do not.
    keys = model.load_state_dict({k[5:]: v.to(dtype) for k, v in stored.items() if k.startswith('init.')}, strict=False)
    assert not keys.unexpected_keys and all(k.endswith('num_batches_tracked') for k in keys.missing_keys), keys
    for norm in (m for m in model.modules() if isinstance(m, torch.nn.BatchNorm1d)):
        assert (norm.eps, norm.momentum) == (case['batch_norm']['eps'], case['batch_norm']['momentum'])
    adam = {k: case['optimizer'][k] for k in ['lr', 'weight_decay', 'betas', 'eps']}
    assert case['optimizer']['name'] == 'adam' and case['optimizer']['dense_embedding_update']
    optimizer = torch.optim.Adam(model.parameters(), **adam)

    def columns(step):
        prefix = f'step{step}.x.'
        return {k[len(prefix):]: v for k, v in stored.items() if k.startswith(prefix)}

    results, tasks, totals = {}, [], []
    model.train()
    for step in range(case['steps']):
        predictions = model(columns(step))
        labels = stored[f'step{step}.y'].to(dtype)
        losses = [LOSSES[kind](predictions[:, t], labels[:, t]) for t, kind in enumerate(case['task_types'])]
        total = sum(losses[1:]) if case['model']['name'] == 'ESMM' else sum(losses) / len(losses)
        optimizer.zero_grad()
        total.backward()
        results[f'step{step}.pred_train'] = predictions.detach().clone()
        if step == 0:
            results |= {f'step0.grad.{k}': p.grad.clone() for k, p in model.named_parameters()}
        tasks.append([loss.item() for loss in losses])
        totals.append(total.item())
        optimizer.step()
    results |= {f'final.{k}': v.clone() for k, v in model.state_dict().items() if 'num_batches' not in k}
    model.eval()
    with torch.no_grad():
        results['eval.pred'] = model(columns(0))
    results |= {'loss.tasks': torch.tensor(tasks, dtype=dtype), 'loss.total': torch.tensor(totals, dtype=dtype)}
    return results


def is_noise(name, results):
    """Whether rounding decides a tensor: see isNoise in parity.test.ts."""
    norm = re.sub(r'\.(\d+)\.bias$', lambda m: f'.{int(m[1]) + 1}.bias', name)
    has_norm = norm != name and norm in results and results[norm].shape == results[name].shape and int(norm.split('.')[-2]) % 4 == 1
    return name.endswith('running_mean') or has_norm


def distances(results, stored):
    """The largest distance by kind of tensor; that of gradients is relative to the largest element of each."""
    worst = {}
    for name, value in results.items():
        kind = next(k for k in ['step0.pred_train', 'pred_train', 'grad', 'loss', 'final', 'eval'] if k in name)
        expected = stored[name].double()
        distance = (value.double() - expected).abs().max().item()
        if is_noise(name, results):
            kind += ' (noise)'
        elif kind == 'grad':
            distance /= expected.abs().max().item()
        worst[kind] = max(worst.get(kind, 0), distance)
    return '  '.join(f'{kind} {distance:.1e}' for kind, distance in worst.items())


for path in sorted(CASES.glob('*.json')):
    case = json.loads(path.read_text())
    if 'steps' not in case:
        continue  # a case of sample.test.ts
    stored = load_file(path.with_suffix('.safetensors'))
    stored['loss.tasks'] = torch.tensor([step['tasks'] for step in case['losses']])
    stored['loss.total'] = torch.tensor([step['total'] for step in case['losses']])
    print(f'{case["case"]}: float32 from stored: {distances(train(case, stored, torch.float32), stored)}')
    exact = train(case, stored, torch.float64)
    print(f'{case["case"]}: float64 from stored: {distances(exact, stored)}')
    save_file(exact, path.with_suffix('.float64.safetensors'))
