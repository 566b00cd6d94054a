"""Trains gradient-boosted trees on extracted data sets and prints their test AUC and log loss as JSON.

python trees.py DIRECTORY NAME METHOD SEED THREADS; requires pandas, scikit-learn and lightgbm or catboost. The kinds of
columns are given: strings and `categories` of sets.json are categories, `lists` become a column per item,
`times` become hour and weekday. A tree per task reads the columns that the other methods read.
"""

import json
import sys
import time
from pathlib import Path

import pandas as pd
from sklearn.metrics import log_loss, roc_auc_score

PARTS = ('train', 'valid', 'test')
MAX_ITEMS = 100


def main(directory, name, method, seed, threads):
    facts = json.loads((Path(__file__).parent / 'sets.json').read_text())[name]
    labels = facts['labels']
    frames = {part: pd.read_csv(directory / name / f'{part}.csv', low_memory=False) for part in PARTS}
    targets = {part: {label: frame.pop(label) for label in labels} for part, frame in frames.items()}
    features, categories = encode(pd.concat(frames), facts)
    inputs = {part: features.loc[part] for part in PARTS}
    begin = time.process_time()
    metrics = {}
    for label in labels:
        label_of = {part: targets[part][label] for part in PARTS}
        predicted = METHODS[method](inputs, label_of, categories, seed, threads)
        truth = label_of['test']
        metrics[label] = {'auc': roc_auc_score(truth, predicted), 'logLoss': log_loss(truth, predicted)}
    print(json.dumps({'metrics': metrics, 'cpuSeconds': time.process_time() - begin}))


def encode(frame, facts):
    """Returns numbers and strings, and the names of the categories; the part is the first level of the index."""
    for column in facts.get('lists', []):
        items = frame.pop(column).str.get_dummies('|')
        common = items.loc['train'].sum().nlargest(MAX_ITEMS).index
        frame = frame.join(items[common].add_prefix(f'{column}_'))
    for column in facts.get('times', []):
        moment = pd.to_datetime(frame.pop(column), utc=True)
        frame[f'{column}_hour'] = moment.dt.hour + moment.dt.minute / 60
        frame[f'{column}_weekday'] = moment.dt.day_of_week
    texts = [name for name in frame if not pd.api.types.is_numeric_dtype(frame[name])]
    categories = [*texts, *(name for name in facts.get('categories', []) if name not in texts)]
    for name in categories:
        frame[name] = frame[name].astype('object').where(frame[name].notna(), 'missing').astype(str)
    booleans = frame.select_dtypes('bool').columns
    return frame.astype({name: int for name in booleans}), categories


def lightgbm(rounds, **parameters):
    def fit(inputs, label_of, categories, seed, threads):
        import lightgbm as lgb

        seen = {name: pd.Index(inputs['train'][name].unique()) for name in categories}
        inputs = {part: with_categories(frame, seen) for part, frame in inputs.items()}
        model = lgb.LGBMClassifier(n_estimators=rounds, random_state=seed, n_jobs=threads, verbose=-1, **parameters)
        early = {}
        if rounds > 100:
            early = {
                'eval_set': [(inputs['valid'], label_of['valid'])],
                'eval_metric': 'binary_logloss',
                'callbacks': [lgb.early_stopping(50, verbose=False)],
            }
        model.fit(inputs['train'], label_of['train'], **early)
        return model.predict_proba(inputs['test'])[:, 1]

    return fit


def with_categories(frame, categories):
    # A value that is not in the training set has no category, as LightGBM expects.
    codes = {name: pd.Categorical.from_codes(known.get_indexer(frame[name]), known) for name, known in categories.items()}
    return frame.assign(**codes)


def catboost(inputs, label_of, categories, seed, threads):
    from catboost import CatBoostClassifier, Pool

    pools = {part: Pool(inputs[part], label_of[part], cat_features=categories) for part in PARTS}
    model = CatBoostClassifier(random_seed=seed, thread_count=threads, verbose=False, allow_writing_files=False)
    model.fit(pools['train'], eval_set=pools['valid'], early_stopping_rounds=50)
    return model.predict_proba(pools['test'])[:, 1]


METHODS = {
    'lightgbm': lightgbm(100),
    # Sampling makes seeds differ.
    'lightgbm-stopped': lightgbm(1000, subsample=0.8, subsample_freq=1, colsample_bytree=0.8),
    'catboost': catboost,
}

main(Path(sys.argv[1]), *sys.argv[2:4], int(sys.argv[4]), int(sys.argv[5]))
