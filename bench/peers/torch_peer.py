#!/usr/bin/env python3
"""What PyTorch trains in a second, on the workloads of bench/workloads.ts.

    python3 torch_peer.py --side hand --model esmm --batch 1024                a line of JSON, for 100 steps
    python3 torch_peer.py --side torch-rechub --model mmoe --batch 1024 --rounds
        stays warm: says {"ready": …}, then for every line 'go N' on stdin trains N steps and says {"ms": …}
    python3 torch_peer.py --versions                                           what is installed here

Sides: torch-rechub, as it ships: its models, its data loader, its trainer's loop (Adam over all weights, dense gradients of the
tables, weight decay 1e-5); and hand, PyTorch as someone writes it who knows where the time goes: one table for all fields with
sparse gradients and SparseAdam, fused Adam for the rest, no weight decay, batches as slices of what lies in memory. Of hand there
are other forms: --compiled, by torch.compile, which compiles in its first steps, before it is ready; --bf16, under autocast; and both.
A time is the median of a step in the second half of the steps. Needs numpy, torch and, for its side, torch-rechub.
"""
import os
import sys

# Without these glibc hands large blocks back to the kernel after each step, and to take them again costs more than the step.
ALLOCATOR = {'MALLOC_MMAP_MAX_': '0', 'MALLOC_TRIM_THRESHOLD_': '20000000000', 'MALLOC_TOP_PAD_': '1000000000'}
if any(os.environ.get(name) != value for name, value in ALLOCATOR.items()):
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ALLOCATOR})

import argparse
import contextlib
import itertools
import json
import re
import time
from importlib import metadata

# Ids of each field of the full Ali-CCP; the second group are ESMM's item fields in torch-rechub's example.
USER = {'101': 238635, '121': 98, '122': 14, '124': 3, '125': 8, '126': 4, '127': 4, '128': 3, '508': 5888, '509': 104830,
        '702': 51878, '853': 37148, '301': 4, '109_14': 6000, '110_14': 100000, '127_14': 54000, '150_14': 32000}
ITEM = {'129': 5, '205': 467298, '206': 6929, '207': 263942, '210': 80000, '216': 106399}
FIELDS = {**USER, **ITEM}
NUMBERS = 8
# What is compiled is compiled by the end of these.
WARM_STEPS = 3

MODELS = {
    'esmm': dict(width=16, tower=[16, 8]),
    'esmm-paper': dict(width=18, tower=[360, 200, 80]),
    'mmoe': dict(width=4, tower=[8], experts=8, expert=[16], numbers=NUMBERS),
    'mmoe-wide': dict(width=16, tower=[128, 64], experts=3, expert=[128, 64]),
}


def draw_rows(count):
    """Ids by field (uniform below 200 of them, log-uniform above), numbers, and labels: 4% click, 5% of those buy."""
    random = np.random.default_rng(7)
    log_uniform = lambda size: np.minimum(np.exp(random.random(count) * np.log(size + 1)) - 1, size - 1).astype(np.int64)
    ids = {field: random.integers(0, size, count) if size < 200 else log_uniform(size) for field, size in FIELDS.items()}
    click = (random.random(count) < 0.04).astype(np.float32)
    purchase = click * (random.random(count) < 0.05)
    return ids, random.random((count, NUMBERS), dtype=np.float32), click, purchase.astype(np.float32)


def hand(model, batch, rows, compiled, bf16):
    """A function that trains so many steps and gives the seconds of each."""
    ids, numbers, click, purchase = draw_rows(rows)
    offsets = np.cumsum([0, *FIELDS.values()])
    all_ids = torch.from_numpy(np.stack([ids[field] + offset for field, offset in zip(FIELDS, offsets)], axis=1))
    all_numbers, all_clicks, all_purchases = torch.from_numpy(numbers), torch.from_numpy(click), torch.from_numpy(purchase)

    has_numbers = 'numbers' in model
    inputs = len(FIELDS) * model['width'] + model.get('numbers', 0)
    table = nn.Embedding(int(offsets[-1]), model['width'], sparse=True)
    nn.init.normal_(table.weight, std=1e-4)

    def stack(width, hidden, head):
        layers = []
        for out in hidden:
            layers += [nn.Linear(width, out), nn.BatchNorm1d(out), nn.ReLU()]
            width = out
        return nn.Sequential(*layers, nn.Linear(width, 1)) if head else nn.Sequential(*layers)

    if 'experts' in model:
        experts = nn.ModuleList(stack(inputs, model['expert'], False) for _ in range(model['experts']))
        gates = nn.ModuleList(nn.Sequential(nn.Linear(inputs, model['experts']), nn.BatchNorm1d(model['experts']), nn.Softmax(1)) for _ in range(2))
        towers = nn.ModuleList(stack(model['expert'][-1], model['tower'], True) for _ in range(2))
        parts = nn.ModuleList([experts, gates, towers])

        def logits_of(x):
            outputs = torch.stack([expert(x) for expert in experts], dim=1)
            return [tower((gate(x).unsqueeze(2) * outputs).sum(1)).squeeze(1) for gate, tower in zip(gates, towers)]

        def losses_of(ctr, cvr, clicks, purchases):
            return (F.binary_cross_entropy_with_logits(ctr, clicks) + F.binary_cross_entropy_with_logits(cvr, purchases)) / 2
    else:
        parts = nn.ModuleList(stack(inputs, model['tower'], True) for _ in range(2))

        def logits_of(x):
            return [tower(x).squeeze(1) for tower in parts]

        def losses_of(ctr, cvr, clicks, purchases):
            ctr, cvr = torch.sigmoid(ctr), torch.sigmoid(cvr)
            return F.binary_cross_entropy(ctr, clicks) + F.binary_cross_entropy(ctr * cvr, purchases)

    def loss_of(x, clicks, purchases):
        with torch.autocast('cpu', torch.bfloat16, enabled=bf16):
            logits = logits_of(x)
        return losses_of(*(logit.float() for logit in logits), clicks, purchases)

    if compiled:
        loss_of = torch.compile(loss_of)
    optimizers = [torch.optim.SparseAdam(table.parameters(), lr=1e-3), torch.optim.Adam(parts.parameters(), lr=1e-3, fused=True)]
    begins = itertools.cycle(range(0, rows, batch))

    def train(steps):
        seconds = []
        for begin in itertools.islice(begins, steps):
            start = time.perf_counter()
            part = slice(begin, begin + batch)
            x = table(all_ids[part]).flatten(1)
            if has_numbers:
                x = torch.cat([x, all_numbers[part]], dim=1)
            loss = loss_of(x, all_clicks[part], all_purchases[part])
            for optimizer in optimizers:
                optimizer.zero_grad()
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()
            seconds.append(time.perf_counter() - start)
        return seconds

    return train


def rechub(model, batch, rows, *_):
    """The same for torch-rechub: a step lasts from one optimizer step to the next, its data loader included."""
    from torch_rechub.basic.features import DenseFeature, SparseFeature
    from torch_rechub.models.multi_task import ESMM, MMOE
    from torch_rechub.trainers import MTLTrainer
    from torch_rechub.utils.data import DataGenerator

    columns, numbers, click, purchase = draw_rows(rows)
    sparse = lambda fields: [SparseFeature(name, vocab_size=size, embed_dim=model['width']) for name, size in fields.items()]
    if 'experts' in model:
        dense = [DenseFeature(f'D{i}') for i in range(model.get('numbers', 0))]
        columns.update({f'D{i}': numbers[:, i] for i in range(len(dense))})
        kinds, labels = ['classification'] * 2, np.stack([purchase, click], axis=1)
        network = MMOE(sparse(FIELDS) + dense, kinds, model['experts'], {'dims': model['expert']}, [{'dims': model['tower']}] * 2)
    else:
        kinds, labels = ['classification'] * 3, np.stack([purchase, click, purchase], axis=1)
        network = ESMM(sparse(USER), sparse(ITEM), {'dims': model['tower']}, {'dims': model['tower']})
    loader = DataGenerator(columns, labels).generate_dataloader(x_val=columns, y_val=labels, x_test=columns, y_test=labels, batch_size=batch)[0]
    trainer = MTLTrainer(network, task_types=kinds, optimizer_params={'lr': 1e-3, 'weight_decay': 1e-5}, n_epoch=1, device='cpu')

    ends = []
    step_of = trainer.optimizer.step

    def step(*arguments, **options):
        result = step_of(*arguments, **options)
        ends.append(time.perf_counter())
        return result

    trainer.optimizer.step = step

    def train(steps):
        ends[:] = [time.perf_counter()]
        trainer.train_one_epoch(itertools.islice(itertools.chain.from_iterable(itertools.repeat(loader)), steps))
        return [end - begin for begin, end in itertools.pairwise(ends)]

    return train


SIDES = {'hand': hand, 'torch-rechub': rechub}


def versions():
    """What a reader needs to know of this PyTorch."""
    blas = re.search(r'BLAS_INFO=(\w+)', torch.__config__.show())
    try:
        hub = metadata.version('torch-rechub')
    except metadata.PackageNotFoundError:
        hub = None
    return {'python': sys.version.split()[0], 'torch': torch.__version__, 'torchRechub': hub, 'blas': blas.group(1) if blas else 'unknown',
            'threads': torch.get_num_threads(), 'cpu': torch.backends.cpu.get_cpu_capability()}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument('--side', choices=SIDES)
    options.add_argument('--model', choices=MODELS)
    options.add_argument('--compiled', action='store_true')
    options.add_argument('--bf16', action='store_true')
    options.add_argument('--batch', type=int, default=1024)
    options.add_argument('--steps', type=int, default=100)
    options.add_argument('--rows', type=int, help='distinct rows, gone through again and again (as many as the steps take, at most 1,000,000)')
    options.add_argument('--rounds', action='store_true')
    options.add_argument('--versions', action='store_true')
    chosen = options.parse_args()

    # What libraries print must not come between the lines of JSON.
    out = sys.stdout
    say = lambda line: print(json.dumps(line), file=out, flush=True)
    with contextlib.redirect_stdout(sys.stderr):
        if chosen.versions:
            return say(versions())
        if chosen.side is None or chosen.model is None:
            options.error('name a --side and a --model')
        torch.manual_seed(0)
        rows = (chosen.rows or min(chosen.batch * chosen.steps, 1_000_000)) // chosen.batch * chosen.batch
        train = SIDES[chosen.side](MODELS[chosen.model], chosen.batch, rows, chosen.compiled, chosen.bf16)

        def measure(steps):
            seconds = train(steps)
            return 1000 * float(np.median(seconds[len(seconds) // 2:]))

        if not chosen.rounds:
            ms = measure(chosen.steps)
            return say({'side': chosen.side, 'model': chosen.model, 'batch': chosen.batch, 'ms': ms, 'rowsPerSecond': round(1000 * chosen.batch / ms), **versions()})
        train(WARM_STEPS)
        say({'ready': versions()})
        for line in sys.stdin:
            say({'ms': measure(int(line.removeprefix('go ')))})


try:
    import numpy as np
    import torch
    import torch.nn as nn
    import torch.nn.functional as F
except ImportError as error:
    sys.exit(f'{sys.executable}: {error}')
if __name__ == '__main__':
    main()
