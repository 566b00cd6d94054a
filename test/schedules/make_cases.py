"""Writes what schedules.test.ts compares with: the learning rates of PyTorch's schedulers, step for step.

  pip install torch
  python test/schedules/make_cases.py        # from the project's root

A case holds the schedule in the words of a config, the base learning rate, and the rate of every step from the first on.
For a plateau, `monitored` is what was measured after each step.
"""
import json
from pathlib import Path

import torch
from torch.optim import lr_scheduler as torch_schedulers

CASES = Path(__file__).parent / 'cases'
STEPS = 40


def optimizer_of(base):
    # In float64 the rate is kept as Python's own float; no weight is needed but one.
    return torch.optim.SGD([torch.zeros(1, dtype=torch.float64, requires_grad=True)], lr=base)


def rates(scheduler_of, base, steps):
    optimizer = optimizer_of(base)
    scheduler = scheduler_of(optimizer)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        scheduler.step()
    return found


def after_warmup(warmup, first_factor, scheduler_of):
    """PyTorch's way to say 'this, then that'."""
    def chained(optimizer):
        rise = torch_schedulers.LinearLR(optimizer, start_factor=first_factor, total_iters=warmup)
        return torch_schedulers.SequentialLR(optimizer, [rise, scheduler_of(optimizer)], milestones=[warmup])
    return chained


def case(base, scheduler_of, warmup=None, until=STEPS, **schedule):
    if warmup is not None:
        schedule['warmup'] = {'steps': warmup[0], 'startFactor': warmup[1]}
        scheduler_of = after_warmup(*warmup, scheduler_of)
    return {'schedule': schedule, 'baseRate': base, 'rates': rates(scheduler_of, base, until)}


def plateau(base, mode, monitored, factor=0.1, patience=1, minDelta=0.0, cooldown=0, minFactor=0.0):
    optimizer = optimizer_of(base)
    # PyTorch waits for one measurement more than its patience; a reduction is never too small to be made (eps).
    scheduler = torch_schedulers.ReduceLROnPlateau(
        optimizer, mode=mode, factor=factor, patience=patience - 1, threshold=minDelta, threshold_mode='abs', cooldown=cooldown, min_lr=minFactor * base, eps=0)
    found = []
    for value in monitored:
        found.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        scheduler.step(value)
    schedule = {'name': 'plateau', 'factor': factor, 'patience': patience, 'minDelta': minDelta, 'cooldown': cooldown, 'minFactor': minFactor}
    return {'schedule': schedule, 'baseRate': base, 'goal': 'lower' if mode == 'min' else 'higher', 'monitored': monitored, 'rates': found}


LOSSES = [0.9, 0.8, 0.81, 0.79, 0.79, 0.79, 0.789, 0.7885, 0.8, 0.9, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.65, 0.66, 0.66, 0.66, 0.66, 0.66, 0.66, 0.66]
AUCS = [0.5, 0.55, 0.552, 0.5525, 0.552, 0.56, 0.559, 0.561, 0.57, 0.57, 0.57, 0.57, 0.6, 0.6, 0.6, 0.59, 0.58, 0.61, 0.61, 0.61, 0.61, 0.61]


def all_cases():
    t = torch_schedulers
    constant = lambda o: t.ConstantLR(o, factor=1.0, total_iters=0)
    step = lambda every, gamma: lambda o: t.StepLR(o, step_size=every, gamma=gamma)
    exponential = lambda gamma: lambda o: t.ExponentialLR(o, gamma=gamma)
    polynomial = lambda steps, power: lambda o: t.PolynomialLR(o, total_iters=steps, power=power)
    cosine = lambda steps, low: lambda o: t.CosineAnnealingLR(o, T_max=steps, eta_min=low)
    restarts = lambda steps, stretch, low: lambda o: t.CosineAnnealingWarmRestarts(o, T_0=steps, T_mult=stretch, eta_min=low)
    one_cycle = lambda base, steps, **more: lambda o: t.OneCycleLR(o, max_lr=base, total_steps=steps, cycle_momentum=False, **more)
    return {
        'constant': [
            case(0.1, constant, name='constant'),
            case(0.3, constant, warmup=(7, 0.1), name='constant'),
        ],
        'step': [
            case(0.1, step(10, 0.1), name='step', everySteps=10),
            case(0.03, step(7, 0.65), name='step', everySteps=7, factor=0.65),
            case(0.1, step(6, 0.5), warmup=(5, 0.2), name='step', everySteps=6, factor=0.5),
        ],
        'exponential': [
            case(0.1, exponential(0.9), name='exponential', everySteps=1, factor=0.9),
            case(0.02, exponential(0.25 ** (1 / 8)), name='exponential', everySteps=8, factor=0.25),
            case(0.1, exponential(0.97), warmup=(9, 0.01), name='exponential', everySteps=1, factor=0.97),
        ],
        'polynomial': [
            case(0.1, polynomial(30, 1.0), name='polynomial', steps=30),
            case(0.05, polynomial(25, 2.5), name='polynomial', steps=25, power=2.5),
            case(0.1, polynomial(20, 0.5), warmup=(10, 0.05), name='polynomial', steps=20, power=0.5),
        ],
        # Up to its end: PyTorch's rises again from there.
        'cosine': [
            case(0.1, cosine(39, 0), name='cosine', steps=39),
            case(0.1, cosine(30, 0.01), until=31, name='cosine', steps=30, minFactor=0.1),
            case(0.2, cosine(25, 0.001), warmup=(8, 0.05), until=34, name='cosine', steps=25, minFactor=0.005),
            case(0.1, restarts(9, 1, 0), name='cosine', steps=9, restarts={}),
            case(0.05, restarts(5, 2, 0.01), until=80, name='cosine', steps=5, minFactor=0.2, restarts={'tMult': 2}),
            case(0.05, restarts(4, 3, 0), warmup=(3, 0.5), until=60, name='cosine', steps=4, restarts={'tMult': 3}),
        ],
        'one-cycle': [
            case(0.1, one_cycle(0.1, 40), name='one-cycle', steps=40),
            case(0.2, one_cycle(0.2, 37, pct_start=0.45, div_factor=10, final_div_factor=50, anneal_strategy='linear'), until=37,
                 name='one-cycle', steps=37, warmupShare=0.45, startFactor=1 / 10, finalFactor=1 / 500, annealStrategy='linear'),
            case(0.2, one_cycle(0.2, 33, pct_start=0.4, three_phase=True), until=33, name='one-cycle', steps=33, warmupShare=0.4, threePhase=True),
            case(0.2, one_cycle(0.2, 40, pct_start=0.2, three_phase=True, anneal_strategy='linear', div_factor=4, final_div_factor=100),
                 name='one-cycle', steps=40, warmupShare=0.2, threePhase=True, annealStrategy='linear', startFactor=0.25, finalFactor=0.0025),
        ],
        'plateau': [
            plateau(0.1, 'min', LOSSES),
            plateau(0.1, 'min', LOSSES, factor=0.5, patience=3, minDelta=0.002, cooldown=2),
            plateau(0.05, 'max', AUCS, factor=0.3, patience=2, minDelta=0.001, cooldown=1, minFactor=0.05),
            plateau(0.05, 'max', AUCS, factor=0.5, patience=2, cooldown=3),
        ],
    }


CASES.mkdir(exist_ok=True)
for name, cases in all_cases().items():
    (CASES / f'{name}.json').write_text('[\n' + ',\n'.join(json.dumps(one) for one in cases) + '\n]\n')
