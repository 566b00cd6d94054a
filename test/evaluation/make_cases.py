"""Writes what references.test.ts compares the metrics with, one file each under cases/.

  pip install numpy scipy scikit-learn torch torchmetrics
  python test/evaluation/make_cases.py                     # from the project's root

scikit-learn, SciPy and torchmetrics give the numbers; DeLong's variance, which none of them has, is written down below as its paper
defines it, pair by pair. Predictions are floats of 32 bits, which they are here; some are equal.
"""
import json

import numpy as np
import torch
from scipy.stats import norm, spearmanr
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss, mean_absolute_error, mean_squared_error, precision_score, r2_score, recall_score, roc_auc_score
from torchmetrics.classification import BinaryCalibrationError
from torchmetrics.retrieval import RetrievalHitRate, RetrievalNormalizedDCG

ROWS = 600


def write(name, **case):
    def plain(value):
        return value.tolist() if isinstance(value, np.ndarray) else float(value) if isinstance(value, (np.floating, torch.Tensor)) else value
    with open(f'test/evaluation/cases/{name}.json', 'w') as file:
        json.dump({key: plain(value) if not isinstance(value, dict) else {k: plain(v) for k, v in value.items()} for key, value in case.items()}, file)
        file.write('\n')


def delong(labels, predictions, level):
    positives, negatives = predictions[labels == 1], predictions[labels == 0]
    right = (positives[:, None] > negatives[None, :]) + 0.5 * (positives[:, None] == negatives[None, :])
    half = norm.ppf((1 + level) / 2) * np.sqrt(right.mean(1).var(ddof=1) / len(positives) + right.mean(0).var(ddof=1) / len(negatives))
    return right.mean() - half, right.mean() + half


def top(labels, predictions, share):
    chosen = np.zeros(len(labels), int)
    chosen[np.argsort(-predictions, kind='stable')[: int(np.ceil(share * len(labels)))]] = 1
    precision = precision_score(labels, chosen)
    return {f'precision@{share:.0%}': precision, f'recall@{share:.0%}': recall_score(labels, chosen), f'lift@{share:.0%}': precision / labels.mean()}


def ece_of_rows(labels, predictions, bins):
    rates, means = calibration_curve(labels, predictions, n_bins=bins, strategy='quantile')
    edges = np.percentile(predictions, np.linspace(0, 1, bins + 1) * 100)
    sizes = np.bincount(np.searchsorted(edges[1:-1], predictions), minlength=bins)
    sizes = sizes[sizes > 0]
    return float((sizes / len(labels) * np.abs(rates - means)).sum()), [{'rows': int(s), 'prediction': m, 'label': r} for s, m, r in zip(sizes, means, rates)]


def classes(name, seed, with_ties):
    random = np.random.default_rng(seed)
    truth = random.beta(1, 6, ROWS)
    predictions = np.clip(truth * np.exp(0.6 * random.normal(size=ROWS)) * 0.8, 1e-4, 0.99)
    if with_ties:
        predictions = np.round(predictions, 2) + 0.001
    predictions = predictions.astype(np.float32).astype(float)
    labels = (random.uniform(size=ROWS) < truth).astype(int)
    groups = random.integers(0, 60, ROWS) ** 2 // 60
    both = [g for g in np.unique(groups) if len(np.unique(labels[groups == g])) == 2]
    aucs = np.array([roc_auc_score(labels[groups == g], predictions[groups == g]) for g in both])
    sizes = np.array([(groups == g).sum() for g in both])
    indexes = torch.from_numpy(groups)
    # A copy in doubles: torchmetrics sorts what it is given.
    retrieval = [torch.from_numpy(predictions), torch.from_numpy(labels)]
    rate = labels.mean()
    low, high = delong(labels, predictions, 0.95)
    ece, bins = ece_of_rows(labels, predictions, 15)
    with_positive = sum(labels[groups == g].any() for g in np.unique(groups))
    expected = {
        'auc': roc_auc_score(labels, predictions), 'auc_low': low, 'auc_high': high,
        'logLoss': log_loss(labels, predictions),
        'normalizedEntropy': log_loss(labels, predictions) / log_loss(labels, np.full(ROWS, rate)),
        'pcoc': predictions.mean() / rate,
        'gauc': np.average(aucs, weights=sizes), 'gauc_mean': aucs.mean(), 'gauc_groups': len(both), 'gauc_rows': int(sizes.sum()), 'gauc_oneClassGroups': len(np.unique(groups)) - len(both),
        'ece': ece,
        'ndcg@5': RetrievalNormalizedDCG(top_k=5, empty_target_action='skip')(*retrieval, indexes=indexes), 'ndcg@5_groups': int(with_positive),
    }
    if not with_ties:
        # With ties, these depend on how a sort breaks them; and bins of one width on what stands on an edge.
        expected |= top(labels, predictions, 0.05) | top(labels, predictions, 0.2)
        expected['hit@2'] = RetrievalHitRate(top_k=2, empty_target_action='skip')(*retrieval, indexes=indexes)
        expected['eceOfWidth'] = BinaryCalibrationError(n_bins=10, norm='l1')(*retrieval)
    write(name, labels=labels, predictions=predictions, groups=groups, expected=expected, bins=bins)


def numbers(name, seed, with_ties):
    random = np.random.default_rng(seed)
    labels = (random.gamma(2, 20, ROWS)).astype(np.float32).astype(float)
    predictions = (labels * 0.7 + random.normal(size=ROWS) * 15).astype(np.float32).astype(float)
    if with_ties:
        labels, predictions = np.round(labels, -1), np.round(predictions, -1)
    expected = {'mae': mean_absolute_error(labels, predictions), 'rmse': np.sqrt(mean_squared_error(labels, predictions)), 'r2': r2_score(labels, predictions), 'spearman': spearmanr(labels, predictions).statistic}
    write(name, labels=labels, predictions=predictions, expected=expected)


classes('classes', 1, False)
classes('classes-with-ties', 2, True)
numbers('numbers', 3, False)
numbers('numbers-with-ties', 4, True)
