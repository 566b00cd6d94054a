"""Trains torch-rechub's ESMM and MMOE on data/sample and writes what sample.test.ts compares with.

  pip install torch torch-rechub safetensors pandas scikit-learn
  python test/parity/make_sample_cases.py        # from the project's root

Both models are torch-rechub's own, in its example's sizes; the loop below is its trainer's, in file order. Embeddings start
from N(0, 0.1) and Adam's epsilon is 1e-6: from N(0, 1e-4) and with 1e-8, training starts at a saddle where rounding noise
decides, and two runs of torch (in single and in double precision) part for good within one epoch. Trained on valid.csv,
which is the smaller file, and measured on test.csv.
"""
import json

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file
from sklearn.metrics import roc_auc_score
from torch_rechub.basic.features import DenseFeature, SparseFeature
from torch_rechub.models.multi_task import ESMM, MMOE

BATCH, EPOCHS, LR, DECAY, EPSILON = 256, 2, 1e-3, 1e-5, 1e-6
ITEM = ['129', '205', '206', '207', '210', '216']
data = {split: pd.read_csv(f'data/sample/{split}.csv') for split in ['valid', 'test']}
dense = [c for c in data['valid'] if c.startswith('D')]
sparse = [c for c in data['valid'] if c not in dense and c not in ('click', 'purchase')]
vocabulary = {c: int(max(d[c].max() for d in data.values())) + 1 for c in sparse}


def columns(split, begin, end, model):
    rows = data[split].iloc[begin:end]
    x = {c: torch.tensor(rows[c].values) for c in sparse} | {c: torch.tensor(rows[c].values, dtype=torch.float32) for c in dense}
    y = [rows['purchase'].values, rows['click'].values]
    if model == 'esmm':
        y.append(y[0])
    return x, torch.tensor(np.stack(y, 1), dtype=torch.float32)


for name in ['esmm', 'mmoe']:
    torch.manual_seed(1)
    width = 16 if name == 'esmm' else 4
    feature = {c: SparseFeature(c, vocabulary[c], embed_dim=width) for c in sparse}
    user = [c for c in sparse if c not in ITEM]
    if name == 'esmm':
        model = ESMM([feature[c] for c in user], [feature[c] for c in ITEM], {'dims': [16, 8]}, {'dims': [16, 8]})
    else:
        model = MMOE([feature[c] for c in sparse] + [DenseFeature(c) for c in dense], ['classification'] * 2, 8, {'dims': [16]}, [{'dims': [8]}] * 2)
    for table in model.embedding.embed_dict.values():
        torch.nn.init.normal_(table.weight, 0, 0.1)
    tensors = {f'init.{k}': v.clone() for k, v in model.state_dict().items() if 'num_batches' not in k}
    optimizer = torch.optim.Adam(model.parameters(), lr=LR, weight_decay=DECAY, eps=EPSILON)
    loss_of = torch.nn.BCELoss()
    epochs = []
    for _ in range(EPOCHS):
        model.train()
        sums, batches = 0, 0
        for begin in range(0, len(data['valid']), BATCH):
            x, y = columns('valid', begin, begin + BATCH, name)
            predictions = model(x)
            losses = [loss_of(predictions[:, t], y[:, t]) for t in range(y.shape[1])]
            optimizer.zero_grad()
            (sum(losses[1:]) if name == 'esmm' else sum(losses) / len(losses)).backward()
            optimizer.step()
            sums, batches = sums + np.array([loss.item() for loss in losses]), batches + 1
        model.eval()
        with torch.no_grad():
            x, y = columns('test', 0, None, name)
            predictions = model(x)
        epochs.append({'train_loss': list(sums / batches), 'val_auc': [roc_auc_score(y[:, t], predictions[:, t].numpy()) for t in range(y.shape[1])]})
    tensors |= {f'final.{k}': v for k, v in model.state_dict().items() if 'num_batches' not in k}
    save_file({**tensors, 'test.pred': predictions}, f'test/parity/cases/synthetic_sample_{name}.safetensors')
    case = dict(model=name, labels=['purchase', 'click'] + ['ctcvr'] * (name == 'esmm'), user=user, item=ITEM, sparse=sparse, dense=dense if name == 'mmoe' else [],
                vocabulary=vocabulary, embed_dim=width, lr=LR, weight_decay=DECAY, eps=EPSILON, epochs=epochs, batch_size=BATCH, shuffle=False, torch=torch.__version__,
                test_auc=epochs[-1]['val_auc'])
    with open(f'test/parity/cases/synthetic_sample_{name}.json', 'w') as file:
        json.dump(case, file, indent=1)
    print(name, epochs[-1], case['test_auc'])
