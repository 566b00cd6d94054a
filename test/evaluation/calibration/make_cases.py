"""Writes what methods.test.ts compares calibrations with, one file each under cases/.

  pip install numpy scipy "scikit-learn>=1.8"
  python test/evaluation/calibration/make_cases.py         # from the project's root

scikit-learn gives the numbers, with the logits of the predictions as its classifier's scores (of isotonic, the predictions themselves). Its
search for a slope and a temperature ends a little before the minimum; SciPy's goes on from there. Predictions are floats of 32 bits, which
they are here; some are equal.
"""
import json
import warnings

import numpy as np
import scipy
import sklearn
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression

ROWS = 500


class Scores(ClassifierMixin, BaseEstimator):
    """A classifier whose score is what it is given."""
    def fit(self, X, y):
        self.classes_ = np.array([0, 1])
        self.fitted_ = True
        return self

    def decision_function(self, X):
        return X[:, 0]

    def predict(self, X):
        return (X[:, 0] > 0).astype(int)


def of_scikit(method, scores, labels, at):
    base = FrozenEstimator(Scores().fit(None, None))
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        fitted = CalibratedClassifierCV(base, method=method).fit(scores[:, None], labels)
    return fitted.predict_proba(at[:, None])[:, 1]


def least(loss, start):
    found = minimize(loss, start, method='Nelder-Mead', options={'xatol': 1e-13, 'fatol': 1e-16, 'maxiter': 10000, 'maxfev': 10000})
    return found.x


def case(name, seed, with_ties, shift):
    random = np.random.default_rng(seed)
    truth = random.beta(1, 4, ROWS)
    predictions = expit(shift + 1.7 * logit(truth) + 0.5 * random.normal(size=ROWS))
    if with_ties:
        predictions = np.round(predictions, 2) * 0.98 + 0.01
    predictions = predictions.astype(np.float32).astype(float)
    labels = (random.uniform(size=ROWS) < truth).astype(int)
    at = np.sort(np.concatenate([random.uniform(0.001, 0.999, 60), predictions[:20]])).astype(np.float32).astype(float)
    x, positives, negatives = logit(predictions), labels.sum(), (1 - labels).sum()

    targets = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    def loss(line, t):
        z = line[0] * x + line[1]
        return np.sum(np.logaddexp(0, z) - t * z)
    slope, intercept = least(lambda line: loss(line, targets), [1, 0])
    inverse, = least(lambda line: loss([line[0], 0], labels), [1])
    rising = IsotonicRegression(out_of_bounds='clip', y_min=0, y_max=1).fit(predictions, labels)
    expected = {
        'platt': expit(slope * logit(at) + intercept),
        'temperature': expit(inverse * logit(at)),
        'isotonic': rising.predict(at),
    }
    # Of scikit-learn alone, so far as it went.
    scikit = {'platt': of_scikit('sigmoid', x, labels, logit(at)), 'temperature': of_scikit('temperature', x, labels, logit(at)), 'isotonic': of_scikit('isotonic', predictions, labels, at)}
    for method, values in expected.items():
        print(name, method, 'SciPy to scikit-learn:', np.abs(values - scikit[method]).max())
    with open(f'test/evaluation/calibration/cases/{name}.json', 'w') as file:
        json.dump({'versions': {'scikit-learn': sklearn.__version__, 'scipy': scipy.__version__}, 'labels': labels.tolist(), 'predictions': predictions.tolist(), 'at': at.tolist(),
                   'expected': {k: v.tolist() for k, v in expected.items()}, 'scikit': {k: v.tolist() for k, v in scikit.items()}}, file)
        file.write('\n')


case('too-sure', 1, False, 0)
case('too-high', 2, True, 1.5)
