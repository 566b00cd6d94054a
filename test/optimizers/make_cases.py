"""Writes what every optimizer is held to: the weights after each of 20 steps, and its slots after some of them.

  pip install torch numpy
  python test/optimizers/make_cases.py        # from the project's root

SGD, Adam, AdamW, Adagrad and RMSprop are PyTorch's, in float64 and in float32. The others are the arithmetic of their
papers below, in float64. The step counts from 1 for all rows of a table, whenever they are touched.

A case has the options in the words of a config. `factors` multiply the learning rate, step for step. The gradients of a
'dense' case have zeros here and there and one step of zeros alone; those of a 'table' case are zero in the rows that the
step does not touch. A lazy table updates the touched rows by the same rule and leaves the others, slots too, as they were;
one that is not lazy takes the zeros for gradients like any other. L1 is added to the gradient as l1 · sign(w).
"""
import json
from pathlib import Path

import numpy as np
import torch

CASES = Path(__file__).parent / 'cases'
ROWS, WIDTH, STEPS = 3, 5, 20
SLOTS_AFTER = [1, 2, 10, 20]
LEVEL = [1.0] * STEPS
# A warm-up, a level stretch, a fall, and a step at rate 0.
CHANGING = [0.25, 0.5, 0.75] + [1.0] * 6 + [0.8, 0.65, 0.5, 0.35, 0.2, 0.1, 0.0, 0.05, 1.5, 1.0, 0.3]

# Row 1 is first touched at step 12; step 7 touches none.
TOUCHED = [[0], [0, 2], [2], [0, 2], [0], [2], [], [0], [0, 2], [2], [0], [0, 1, 2], [1], [2], [0, 1], [1, 2], [0], [1], [0, 2], [0, 1, 2]]


def inputs():
    """Weights and gradients that single precision holds exactly: sixty-fourths, and one column of gradients near 1e-4."""
    random = np.random.default_rng(7)
    sixty_fourths = lambda size, bound: random.integers(-bound, bound + 1, size) / 64
    initial = sixty_fourths((ROWS, WIDTH), 96)
    dense = sixty_fourths((STEPS, ROWS, WIDTH), 80) * (random.random((STEPS, ROWS, WIDTH)) > 0.2)
    dense[:, :, 4] *= 2.0 ** -13
    dense[5] = 0
    table = dense.copy()
    table[5] = dense[11]
    for step, touched in enumerate(TOUCHED):
        table[step, [row for row in range(ROWS) if row not in touched]] = 0
    return initial, {'dense': dense, 'table': table}


INITIAL, GRADIENTS = inputs()
ZERO = np.zeros((ROWS, WIDTH))


class Torch:
    """One of PyTorch's rules. `names`: its names of the slots, by ours."""

    def __init__(self, build, names, dtype, initial, options):
        self.weight = torch.tensor(initial, dtype=dtype)
        self.l1 = options.get('l1', 0)
        self.names = names
        self.optimizer = build([self.weight], options)

    def step(self, gradient, rate, _step):
        self.optimizer.param_groups[0]['lr'] = rate
        self.weight.grad = torch.tensor(gradient, dtype=self.weight.dtype) + self.l1 * torch.sign(self.weight)
        self.optimizer.step()

    def arrays(self):
        state = self.optimizer.state[self.weight]
        slots = {ours: state[theirs].numpy() for ours, theirs in self.names.items() if state.get(theirs) is not None}
        return {'weight': self.weight.numpy(), **slots}


class Paper:
    """A rule of its paper's arithmetic: a function that changes weights and slots in place."""

    def __init__(self, rule, slots, initial, options):
        self.options, self.rule = options, rule
        self.held = {'weight': initial.copy(), **slots(options)}

    def step(self, gradient, rate, step):
        self.rule(self.held, gradient, rate, step, self.options)

    def arrays(self):
        return self.held


def lamb(held, g, rate, t, o):
    """You et al. 2020 (https://arxiv.org/abs/1904.00962), algorithm 2: both moments corrected, decay inside what is
    scaled, phi(z) = z, one trust ratio for the tensor, 1 where a norm is 0; gradients are not clipped."""
    w, (beta1, beta2) = held['weight'], o['betas']
    held['firstMoment'][:] = beta1 * held['firstMoment'] + (1 - beta1) * g
    held['secondMoment'][:] = beta2 * held['secondMoment'] + (1 - beta2) * g * g
    corrected = held['firstMoment'] / (1 - beta1 ** t), held['secondMoment'] / (1 - beta2 ** t)
    update = corrected[0] / (np.sqrt(corrected[1]) + o['epsilon']) + o['weightDecay'] * w
    norms = np.linalg.norm(w), np.linalg.norm(update)
    w -= rate * (norms[0] / norms[1] if min(norms) > 0 else 1) * update


def row_wise_adagrad(held, g, rate, _t, o):
    """One number a row, the running sum of the mean square of its gradient: EXACT_ROWWISE_ADAGRAD of FBGEMM
    (https://github.com/pytorch/FBGEMM, fbgemm_gpu) and DLRM's RWSAdagrad (https://github.com/facebookresearch/dlrm);
    weight decay is L2 in the gradient."""
    w = held['weight']
    g = g + o['weightDecay'] * w
    held['squares'] += (g * g).mean(1)
    w -= rate * g / (np.sqrt(held['squares']) + o['epsilon'])[:, None]


def ftrl(held, g, rate, _t, o):
    """McMahan et al. 2013 (https://dl.acm.org/doi/10.1145/2487575.2488200), algorithm 1, with alpha = the learning rate of
    the step. The paper takes the weight before a step from z; here it is the one that the last step left, which is the same
    while alpha is and the weights start at 0. One that starts elsewhere counts by sigma in its first step alone, and a first
    gradient of 0 makes it 0. TensorFlow's and Keras's Ftrl is the same, but that squares start at 0.1 and beta is 0 where
    nothing is said, and that l2 here is twice theirs."""
    w, z, n = held['weight'], held['linear'], held['squares']
    roots = np.sqrt(n), np.sqrt(n + g * g)
    z += g - (roots[1] - roots[0]) / rate * w
    n += g * g
    denominator = (o['beta'] + roots[1]) / rate + o['l2']
    far = np.abs(z) > o['l1']
    w[:] = np.where(far, -(z - np.sign(z) * o['l1']) / np.where(far, denominator, 1), 0)


def run(rule, options, kind, lazy, factors):
    weights, slots = [], {}
    for step in range(STEPS):
        before = {name: held.copy() for name, held in rule.arrays().items()}
        rule.step(GRADIENTS[kind][step], options['learningRate'] * factors[step], step + 1)
        if lazy:
            untouched = [row for row in range(ROWS) if row not in TOUCHED[step]]
            for name, held in rule.arrays().items():
                # A slot that PyTorch makes in its first step was 0.
                held[untouched] = before[name][untouched] if name in before else 0
        arrays = {name: held.astype(np.float64) for name, held in rule.arrays().items()}
        weights.append(arrays.pop('weight'))
        if step + 1 in SLOTS_AFTER:
            for name, values in arrays.items():
                slots.setdefault(name, []).append(values)
    return weights, slots


def of_torch(build, names):
    precisions = {'float64': torch.float64, 'float32': torch.float32}
    return {precision: lambda initial, options, dtype=dtype: Torch(build, names, dtype, initial, options) for precision, dtype in precisions.items()}


def of_paper(rule, slots):
    return {'float64': lambda initial, options: Paper(rule, slots, initial, options)}


weights_like = lambda value=0.0: np.full((ROWS, WIDTH), value)
moments = {'firstMoment': 'exp_avg', 'secondMoment': 'exp_avg_sq'}
optim = torch.optim
RULES = {
    'sgd': of_torch(lambda w, o: optim.SGD(w, lr=o['learningRate'], momentum=o['momentum'], nesterov=o['nesterov'], weight_decay=o['weightDecay']), {'momentum': 'momentum_buffer'}),
    'adam': of_torch(lambda w, o: optim.Adam(w, lr=o['learningRate'], betas=o['betas'], eps=o['epsilon'], weight_decay=o['weightDecay']), moments),
    'adamw': of_torch(lambda w, o: optim.AdamW(w, lr=o['learningRate'], betas=o['betas'], eps=o['epsilon'], weight_decay=o['weightDecay']), moments),
    'adagrad': of_torch(lambda w, o: optim.Adagrad(w, lr=o['learningRate'], initial_accumulator_value=o['initialAccumulator'], eps=o['epsilon'], weight_decay=o['weightDecay']), {'squares': 'sum'}),
    'rmsprop': of_torch(lambda w, o: optim.RMSprop(w, lr=o['learningRate'], alpha=o['alpha'], eps=o['epsilon'], momentum=o['momentum'], weight_decay=o['weightDecay']), {'secondMoment': 'square_avg', 'momentum': 'momentum_buffer'}),
    'lamb': of_paper(lamb, lambda o: {'firstMoment': weights_like(), 'secondMoment': weights_like()}),
    'row-wise-adagrad': of_paper(row_wise_adagrad, lambda o: {'squares': np.full(ROWS, o['initialAccumulator'])}),
    'ftrl': of_paper(ftrl, lambda o: {'linear': weights_like(), 'squares': weights_like(o['initialAccumulator'])}),
}
DENSE, LAZY, EAGER = ('dense', False), ('table', True), ('table', False)
sgd = lambda rate=0.1, momentum=0.0, nesterov=False, decay=0.0, **more: {'learningRate': rate, 'momentum': momentum, 'nesterov': nesterov, 'weightDecay': decay, **more}
adam = lambda rate=0.01, betas=(0.9, 0.999), epsilon=1e-8, decay=0.0, **more: {'learningRate': rate, 'betas': betas, 'epsilon': epsilon, 'weightDecay': decay, **more}
adagrad = lambda rate=0.1, start=0.0, epsilon=1e-10, decay=0.0, **more: {'learningRate': rate, 'initialAccumulator': start, 'epsilon': epsilon, 'weightDecay': decay, **more}
rmsprop = lambda rate=0.01, alpha=0.99, epsilon=1e-8, momentum=0.0, decay=0.0: {'learningRate': rate, 'alpha': alpha, 'epsilon': epsilon, 'momentum': momentum, 'weightDecay': decay}
ftrl_options = lambda rate=0.1, beta=1.0, l1=0.0, l2=0.0, start=0.0, **more: {'learningRate': rate, 'beta': beta, 'l1': l1, 'l2': l2, 'initialAccumulator': start, **more}
# FTRL divides by the rate, so that none is 0.
FTRL_CHANGING = [factor or 0.02 for factor in CHANGING]
LIST = {
    'sgd': [
        (sgd(), *DENSE, LEVEL), (sgd(momentum=0.9), *DENSE, LEVEL), (sgd(0.05, 0.8, True, 0.02), *DENSE, CHANGING), (sgd(0.05, decay=0.02, l1=0.03), *DENSE, CHANGING),
        (sgd(0.05, 0.9, decay=0.01), *LAZY, LEVEL), (sgd(0.05, 0.9, decay=0.01), *EAGER, LEVEL),
    ],
    'adam': [(adam(), *DENSE, LEVEL), (adam(0.05, (0.8, 0.95), 1e-3, 0.05), *DENSE, CHANGING), (adam(0.02, decay=0.01), *LAZY, LEVEL), (adam(0.02, decay=0.01), *EAGER, LEVEL)],
    'adamw': [(adam(decay=0.01), *DENSE, LEVEL), (adam(0.05, (0.8, 0.95), 1e-3, 0.5), *DENSE, CHANGING), (adam(0.02, decay=0.2), *LAZY, LEVEL), (adam(0.02, decay=0.2), *EAGER, LEVEL)],
    'adagrad': [(adagrad(), *DENSE, LEVEL), (adagrad(0.3, 0.1, 1e-3, 0.05, l1=0.02), *DENSE, CHANGING), (adagrad(0.1, 0.1, decay=0.01), *LAZY, LEVEL), (adagrad(0.1, 0.1, decay=0.01), *EAGER, LEVEL)],
    'rmsprop': [(rmsprop(), *DENSE, LEVEL), (rmsprop(0.02, 0.9, 1e-3, 0.8, 0.05), *DENSE, CHANGING), (rmsprop(momentum=0.9, decay=0.01), *LAZY, LEVEL), (rmsprop(momentum=0.9, decay=0.01), *EAGER, LEVEL)],
    'lamb': [(adam(epsilon=1e-6), *DENSE, LEVEL), (adam(0.05, (0.8, 0.95), 1e-3, 0.1), *DENSE, CHANGING), (adam(0.05, epsilon=1e-6, decay=0.01), *DENSE, LEVEL, ZERO)],
    'row-wise-adagrad': [(adagrad(epsilon=1e-8), *DENSE, LEVEL), (adagrad(0.3, 0.1, 1e-3, 0.05), *DENSE, CHANGING), (adagrad(epsilon=1e-8, decay=0.01), *LAZY, LEVEL), (adagrad(epsilon=1e-8, decay=0.01), *EAGER, LEVEL)],
    'ftrl': [
        (ftrl_options(), *DENSE, LEVEL, ZERO), (ftrl_options(0.3, 0.5, 0.6, 0.2), *DENSE, FTRL_CHANGING, ZERO),
        (ftrl_options(0.2, 0.0, 0.3, 0.1, 0.1), *DENSE, FTRL_CHANGING), (ftrl_options(0.2, 1.0, 0.3, 0.1), *LAZY, FTRL_CHANGING), (ftrl_options(0.2, 1.0, 0.3, 0.1), *EAGER, FTRL_CHANGING),
    ],
}


def short(array, digits=9):
    """Numbers with as many digits as single precision has."""
    return [float(f'{value:.{digits}g}') + 0.0 for value in np.ravel(array)]


def written(value):
    return json.dumps(value, separators=(',', ':')).replace('.0,', ',').replace('.0]', ']')


CASES.mkdir(exist_ok=True)
shared = {'shape': [ROWS, WIDTH], 'gradients': {kind: [[float(g) for g in np.ravel(step)] for step in all_steps] for kind, all_steps in GRADIENTS.items()}, 'touched': TOUCHED, 'slotsAfter': SLOTS_AFTER}
(CASES / 'inputs.json').write_text(written(shared) + '\n')
for rule, listed in LIST.items():
    lines = []
    for options, kind, lazy, factors, *start in listed:
        initial = start[0] if start else INITIAL
        for precision, make in RULES[rule].items():
            weights, slots = run(make(initial, options), options, kind, lazy, factors)
            lines.append(written({
                'options': options, 'kind': kind, 'lazy': lazy, 'precision': precision, 'factors': factors, 'initial': short(initial, 17), 'weights': [short(w) for w in weights],
                # In single precision the weights tell enough.
                'slots': {name: [short(values) for values in steps] for name, steps in slots.items()} if precision == 'float64' else {},
            }))
    (CASES / f'{rule}.json').write_text('[\n' + ',\n'.join(lines) + '\n]\n')
