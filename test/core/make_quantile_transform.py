"""Writes the numbers that rank-scaling.test.ts compares with, from scikit-learn's QuantileTransformer.

  python test/core/make_quantile_transform.py       # from the project's root
"""
import json
from pathlib import Path

import numpy as np
from sklearn.preprocessing import QuantileTransformer

random = np.random.default_rng(7)
many = random.lognormal(0, 2, 3000)
SETS = {
    'few distinct numbers': [3, 1, 4, 1, 5, 9, 2, 6],
    'mostly zeros': [0] * 60 + [float(x) for x in np.round(random.exponential(900, 25), 2)] + [99999.0] * 5,
    'a heavy number inside': [float(x) for x in np.round(random.normal(0, 3, 40), 3)] + [0.5] * 40,
    'one number': [7.25] * 9,
    'more numbers than quantiles': [float(f'{x:.9g}') for x in many],
}


def transformed(train, values, distribution):
    transformer = QuantileTransformer(n_quantiles=min(1000, len(train)), output_distribution=distribution, subsample=None)
    transformer.fit(np.reshape(train, (-1, 1)))
    return transformer.transform(np.reshape(values, (-1, 1)))[:, 0].tolist()


def case(name, train):
    own = sorted(set(train))
    between = [(a + b) / 2 for a, b in zip(own, own[1:])]
    values = [own[0] - 3, *(own + between)[:: max(1, len(own) // 25)], own[-1], own[-1] + 1e6]
    return {
        'name': name,
        'train': train,
        'values': values,
        'uniform': transformed(train, values, 'uniform'),
        'normal': transformed(train, values, 'normal'),
    }


target = Path(__file__).with_name('quantile-transform.json')
target.write_text(json.dumps([case(*each) for each in SETS.items()]) + '\n')
