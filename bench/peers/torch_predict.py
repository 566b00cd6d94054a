#!/usr/bin/env python3
"""What PyTorch predicts in a second: esmm of torch-rechub's size, on rows that lie in memory; prints a line of JSON.

    python3 torch_predict.py dataloader      torch's DataLoader over its TensorDataset, batches of 4096, no gradients
    python3 torch_predict.py torch-rechub    torch-rechub's own data loader and MTLTrainer.predict

Reading and writing files is not in it. Needs numpy, torch and torch-rechub.
"""
import contextlib
import json
import resource
import sys
import time

import numpy as np
import torch

from torch_peer import FIELDS, ITEM, MODELS, USER, draw_rows

BATCH = 4096
ROWS = {'dataloader': 200_000, 'torch-rechub': 50_000}


def predict(side):
    """Predicts all rows once, after a few to get warm; the seconds."""
    from torch_rechub.basic.features import SparseFeature
    from torch_rechub.models.multi_task import ESMM
    from torch_rechub.trainers import MTLTrainer
    from torch_rechub.utils.data import DataGenerator

    rows = ROWS[side]
    ids, _, click, purchase = draw_rows(rows)
    model = MODELS['esmm']
    sparse = lambda fields: [SparseFeature(name, vocab_size=size, embed_dim=model['width']) for name, size in fields.items()]
    network = ESMM(sparse(USER), sparse(ITEM), {'dims': model['tower']}, {'dims': model['tower']})
    network.eval()

    if side == 'torch-rechub':
        labels = np.stack([purchase, click, purchase], axis=1)
        loader = DataGenerator(ids, labels).generate_dataloader(x_val=ids, y_val=labels, x_test=ids, y_test=labels, batch_size=BATCH)[2]
        trainer = MTLTrainer(network, task_types=['classification'] * 3, n_epoch=1, device='cpu')
        # A loader of test gives rows with their labels; predict takes them without.
        without = lambda: (batch[0] if isinstance(batch, (list, tuple)) else batch for batch in loader)
        start = time.perf_counter()
        found = trainer.predict(network, without())
    else:
        columns = torch.from_numpy(np.stack([ids[field] for field in FIELDS], axis=1))
        loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(columns), batch_size=BATCH)
        start = time.perf_counter()
        with torch.no_grad():
            found = torch.cat([network({field: batch[:, f] for f, field in enumerate(FIELDS)}) for (batch,) in loader])
    seconds = time.perf_counter() - start
    assert len(found) == rows
    return rows, seconds


if __name__ == '__main__':
    with contextlib.redirect_stdout(sys.stderr):
        rows, seconds = predict(sys.argv[1])
    print(json.dumps({'rows': rows, 'ms': 1000 * seconds, 'peakMB': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
