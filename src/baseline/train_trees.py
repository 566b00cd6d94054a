"""Trains one LightGBM model per task on the rows that mtl wrote to a directory, and writes its predictions there.

The directory has spec.json and, per split, SPLIT.features.f32 (rows x columns) and SPLIT.targets.f32 (rows x tasks x
[label, weight]; weight 0: the task is undefined on the row), row by row as little-endian 32-bit floats. The script
writes SPLIT.predictions.f32 (rows x tasks), task-N.txt (models) and result.json, and prints progress as JSON lines.

If spec.json has folds above 0, train.folds.u8 has the fold of each row, and the script writes task-N.fold-K.txt: models
with as many trees, trained without the rows of fold K.
"""

import json
import os
import sys

import lightgbm as lgb
import numpy as np

folder = sys.argv[1]
with open(os.path.join(folder, "spec.json"), encoding="utf-8") as file:
    spec = json.load(file)
columns, tasks = spec["columns"], spec["tasks"]
categorical = [at for at, column in enumerate(columns) if column["isCategorical"]]


def read(split, name, shape):
    path = os.path.join(folder, f"{split}.{name}.f32")
    return np.memmap(path, dtype="<f4", mode="r", shape=(spec["rows"][split], *shape))


features = {split: read(split, "features", (len(columns),)) for split in spec["rows"]}
targets = {split: read(split, "targets", (len(tasks), 2)) for split in spec["rows"]}
folds = np.fromfile(os.path.join(folder, "train.folds.u8"), "u1") if spec["folds"] > 0 else None


def dataset(split, task, reference=None, without=None):
    """Returns the rows of a split on which a task is defined, without those of a fold; None if there are none."""
    labels, weights = targets[split][:, task, 0], targets[split][:, task, 1]
    rows = weights > 0 if without is None else (weights > 0) & (folds != without)
    if not rows.any():
        return None
    return lgb.Dataset(
        features[split] if rows.all() else features[split][rows],
        label=labels[rows],
        weight=weights[rows],
        feature_name=[f"c{at}" for at in range(len(columns))],
        categorical_feature=categorical,
        reference=reference,
        params={"verbosity": -1},
    )


def report_progress(name):
    def callback(env):
        if env.iteration % 10 == 0:
            share = (env.iteration + 1) / env.end_iteration
            print(json.dumps({"task": name, "share": share}), flush=True)

    callback.order = 40
    return callback


def parameters(task):
    return {
        "objective": tasks[task]["objective"],
        "learning_rate": 0.1,
        "num_leaves": 31,
        "seed": spec["seed"],
        "num_threads": spec["threads"],
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
        **spec["params"],
    }


def train(task):
    """Trains a task; returns the model, its number of trees and its losses at that number."""
    training = dataset("train", task)
    if training is None:
        sys.exit(f"task {tasks[task]['name']} is defined on no training row")
    valid = dataset("valid", task, training) if "valid" in spec["rows"] else None
    history = {}
    callbacks = [report_progress(tasks[task]["name"]), lgb.record_evaluation(history)]
    if valid is not None:
        callbacks.append(lgb.early_stopping(spec["patience"], first_metric_only=True, verbose=False))
    model = lgb.train(
        parameters(task),
        training,
        num_boost_round=spec["rounds"],
        valid_sets=[training] if valid is None else [training, valid],
        valid_names=["train"] if valid is None else ["train", "valid"],
        callbacks=callbacks,
    )
    trees = model.best_iteration or model.current_iteration()
    losses = {split: next(iter(values.values()))[trees - 1] for split, values in history.items()}
    return model, trees, losses


def train_fold(task, trees, fold):
    """Trains a task without the rows of a fold."""
    name = tasks[task]["name"]
    training = dataset("train", task, without=fold)
    if training is None:
        sys.exit(f"task {name} is defined on no training row outside of fold {fold}; use fewer folds")
    progress = report_progress(f"{name}, fold {fold + 1} of {spec['folds']}")
    model = lgb.train(parameters(task), training, num_boost_round=trees, callbacks=[progress])
    model.save_model(os.path.join(folder, f"task-{task}.fold-{fold}.txt"))


results, models = [], []
for task in range(len(tasks)):
    model, trees, losses = train(task)
    model.save_model(os.path.join(folder, f"task-{task}.txt"), num_iteration=trees)
    models.append((model, trees))
    results.append({"trees": trees, "losses": losses})
    for fold in range(spec["folds"]):
        train_fold(task, trees, fold)
for split in spec["rows"]:
    if split == "train":
        continue
    predictions = [model.predict(features[split], num_iteration=trees) for model, trees in models]
    np.stack(predictions, axis=1).astype("<f4").tofile(os.path.join(folder, f"{split}.predictions.f32"))
with open(os.path.join(folder, "result.json"), "w", encoding="utf-8") as file:
    json.dump(results, file)
