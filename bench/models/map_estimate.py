"""Estimates the planted log odds of `mtl synth` from its training rows, knowing their form and the planted priors.

python map_estimate.py DIRECTORY; requires numpy and scipy. DIRECTORY has train.csv, test.csv and oracle.json of a log
without biases, bags and sequences. The estimate maximizes the posterior (logistic regression with one normal prior per
group of effects, as src/synth/world.ts draws them), so a model that must find the form itself rarely exceeds it. The
script prints the distance to the AUC and the log loss of the true probabilities on the test set, in units of 1e-4.
"""

import json
import sys
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

# Columns of ids, their number of ids, and the standard deviations of their effects on click and purchase.
PROFILE = {"121": 20, "122": 14, "124": 3, "125": 8, "126": 4, "127": 4, "128": 3}
EFFECTS = [
    *[(column, size, 0.3, 0.3) for column, size in PROFILE.items()],
    ("206", 10, 0.5, 0.4),
    ("216", 25, 0.2, 0.4),
    ("129", 5, 0.2, 0.5),
    ("101", 600, 0.2, 0.2),
    ("205", 200, 0.25, 0.2),
]
# The taste of a profile for a category, and the two matches with the history; 508 and 509 are 0 without one.
TASTE, MATCHES, MATCH, POSITIONS, POSITION = (0.4, 0.3), ("508", "509"), 0.7, 3, 0.5


def main(directory):
    train, test = (read(directory / f"{split}.csv") for split in ("train", "test"))
    clicked = {name: values[train["click"] == 1] for name, values in train.items()}
    click = estimate(train, test, train["click"], 0)
    purchase = estimate(clicked, test, clicked["purchase"], 1)
    is_clicked = test["click"] == 1
    outputs = {
        "ctr": (test["click"], click),
        "cvr": (test["purchase"][is_clicked], purchase[is_clicked]),
        "ctcvr": (test["purchase"], click * purchase),
    }
    truth = json.loads((directory / "oracle.json").read_text())["test"]
    for name, (labels, chances) in outputs.items():
        auc, loss = compute_auc(labels, chances), compute_log_loss(labels, chances)
        distances = 1e4 * (auc - truth[name]["auc"]), 1e4 * (loss - truth[name]["logLoss"])
        print(f"{name}: AUC {distances[0]:+.1f}, log loss {distances[1]:+.1f}")


def read(path):
    with open(path, encoding="utf-8") as file:
        names = file.readline().strip().split(",")
    return dict(zip(names, np.loadtxt(path, delimiter=",", skiprows=1, dtype="f4").T))


def design(rows, outcome):
    """Returns the matrix of effects, with a 1 per group and row, and the standard deviation of each effect."""
    groups = [(rows[column], size + 1, deviations[outcome]) for column, size, *deviations in EFFECTS]
    groups.append((rows["121"] * 11 + rows["206"], 21 * 11, TASTE[outcome]))
    groups += [(rows[column] > 0, 2, MATCH) for column in MATCHES]
    if outcome == 0:
        groups.append((rows["301"], POSITIONS + 1, POSITION))
    begins = np.cumsum([0] + [size for _, size, _ in groups])
    columns = np.stack([codes.astype("i8") + begin for (codes, *_), begin in zip(groups, begins)], axis=1)
    count, width = columns.shape
    matrix = csr_matrix((np.ones(count * width), columns.ravel(), np.arange(count + 1) * width), (count, begins[-1]))
    return matrix, np.concatenate([np.full(size, deviation) for _, size, deviation in groups])


def estimate(train, test, labels, outcome):
    """Returns the probabilities of an outcome on the test rows."""
    matrix, deviations = design(train, outcome)
    transposed, precision = matrix.T.tocsr(), deviations**-2

    def posterior(effects):
        weights, odds = effects[:-1], matrix @ effects[:-1] + effects[-1]
        loss = (np.logaddexp(0, odds) - labels * odds).sum() + (precision * weights**2).sum() / 2
        errors = 1 / (1 + np.exp(-odds)) - labels
        return loss, np.append(transposed @ errors + precision * weights, errors.sum())

    options = {"maxiter": 300, "ftol": 1e-10}
    effects = minimize(posterior, np.zeros(matrix.shape[1] + 1), jac=True, method="L-BFGS-B", options=options).x
    return 1 / (1 + np.exp(-(design(test, outcome)[0] @ effects[:-1] + effects[-1])))


def compute_auc(labels, scores):
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    positives = labels.sum()
    return (ranks[labels == 1].sum() - positives * (positives + 1) / 2) / (positives * (len(labels) - positives))


def compute_log_loss(labels, chances):
    return -np.where(labels == 1, np.log(chances), np.log1p(-chances)).mean()


main(Path(sys.argv[1]))
