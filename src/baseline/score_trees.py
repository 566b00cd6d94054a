"""Predicts rows with LightGBM: reads rows from standard input and writes predictions to standard output.

The first line is JSON: columns (their number), threads, and models (per task the path of its model, or one path per
fold). Then, until the end of the input: the number of rows (32 bits); if a task has several models, the fold of each
row (8 bits), whose model predicts it; features (rows x columns). The answer has rows x tasks predictions. Numbers are
little-endian, features and predictions 32-bit floats, row by row.
"""

import json
import os
import sys

import lightgbm as lgb
import numpy as np

# LightGBM may print to standard output, where only predictions belong.
answers = os.fdopen(os.dup(1), "wb")
os.dup2(2, 1)
requests = sys.stdin.buffer
spec = json.loads(requests.readline())
models = [[lgb.Booster(model_file=path) for path in paths] for paths in spec["models"]]


def predict(features, folds):
    predictions = np.empty((len(features), len(models)), "<f4")
    for task, boosters in enumerate(models):
        for fold, booster in enumerate(boosters):
            rows = slice(None) if folds is None else folds == fold
            if folds is None or rows.any():
                predictions[rows, task] = booster.predict(features[rows], num_threads=spec["threads"])
    return predictions


while header := requests.read(4):
    rows = int.from_bytes(header, "little")
    folds = np.frombuffer(requests.read(rows), "u1") if len(models[0]) > 1 else None
    features = np.frombuffer(requests.read(4 * rows * spec["columns"]), "<f4")
    answers.write(predict(features.reshape(rows, -1), folds).tobytes())
    answers.flush()
