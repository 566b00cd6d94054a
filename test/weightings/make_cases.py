"""Writes what references.test.ts compares the weightings with, one file each under cases/.

  pip install torch torchjd==0.18.0 cvxpy clarabel ecos scipy qpsolvers quadprog
  pip download --no-deps LibMTL==1.1.5 && unzip LibMTL-*.whl -d libmtl     # it asks for an old torchvision, which it need not have here
  PYTHONPATH=libmtl python test/weightings/make_cases.py                   # from the project's root; or only of the NAMES given

LibMTL and torchjd give the numbers of what they have; FAMO, MetaBalance and DB-MTL, which neither has in these releases, are
written down below from their papers. All in doubles, on terms that are distances from points: the losses are scale · (½ |x - point|² + 0.1).
"""
import itertools
import json
import sys
import types
from importlib.util import find_spec

import cvxpy as cp
import numpy as np
import torch
from scipy.optimize import root
from torchjd._linalg import QuadprogProjector
from torchjd.aggregation import (
    AlignedMTL, CAGrad, FairGradWeighting, IMTLGWeighting, MGDAWeighting, NashMTL, PCGradWeighting, UPGradWeighting,
)
from torchjd.scalarization import IMTLL, STCH

torch.set_default_dtype(torch.float64)

# LibMTL's own __init__ loads its models, which want torchvision.
package = types.ModuleType('LibMTL')
package.__path__ = [next(iter(find_spec('LibMTL').submodule_search_locations))]
sys.modules['LibMTL'] = package
from LibMTL.weighting import DWA, GradNorm, IMTL, MGDA, UW  # noqa: E402

# Clarabel's own limits leave weights that are off by 1e-4.
solve = cp.Problem.solve
EXACT = {'tol_gap_abs': 1e-14, 'tol_gap_rel': 1e-14, 'tol_feas': 1e-14}
cp.Problem.solve = lambda self, solver=None, **options: solve(self, solver=solver, **options, **(EXACT if solver == cp.CLARABEL else {}))

STEPS = 12
SCALES = [1.0, 3.0, 0.5]


def points(terms, seed=1, width=6):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(terms, width)))


class World:
    """Terms over one shared vector; a step goes down the gradients' weighted sum."""

    def __init__(self, terms=3, scales=None, seed=1):
        self.points = points(terms, seed)
        self.scales = torch.tensor((scales or SCALES)[:terms])
        self.x = torch.nn.Parameter(torch.zeros(self.points.shape[1]))

    def losses(self):
        return self.scales * (0.5 * ((self.x - self.points) ** 2).sum(1) + 0.1)

    def gradients(self):
        return (self.scales[:, None] * (self.x - self.points)).detach()

    def step(self, weights, rate=0.02):
        with torch.no_grad():
            self.x -= rate * torch.as_tensor(weights, dtype=torch.float64) @ self.gradients()

    def seen(self, epoch=1):
        g = self.gradients()
        return {'losses': self.losses().tolist(), 'gramian': (g @ g.T).flatten().tolist(), 'epoch': epoch}


def in_libmtl(method, world):
    """A LibMTL weighting over a world."""

    class Joined(method):
        def get_share_params(self):
            return [world.x]

        def zero_grad_share_params(self):
            world.x.grad = None

    joined = Joined()
    joined.task_num, joined.device, joined.rep_grad = len(world.scales), torch.device('cpu'), False
    joined.init_param()
    return joined


def case(source, steps, weights, options=None, **more):
    return {'source': source, 'options': options or {}, 'steps': steps, 'weights': [list(map(float, w)) for w in weights], **more}


def uncertainty():
    world = World()
    method = in_libmtl(UW, world)
    optimizer = torch.optim.Adam([method.loss_scale], lr=0.05)
    steps, weights = [], []
    for _ in range(STEPS):
        steps.append(world.seen())
        optimizer.zero_grad()
        weights.append(method.backward(world.losses()))
        optimizer.step()
        world.step(weights[-1])
    # LibMTL halves the losses and starts at -0.5, which is the same with the logarithm shifted by log 2.
    return [case('LibMTL UW, Adam of PyTorch', steps, weights, {'learningRate': 0.05, 'initLogVariance': -0.5 + float(np.log(2))})]


def dwa():
    cases = []
    for spans in [{}, {'everySteps': 3}]:
        world = World()
        method = in_libmtl(DWA, world)
        method.train_loss_buffer = np.zeros((3, 5))
        steps, weights = [], []
        for epoch in range(4):
            seen = []
            for batch in range(3):
                seen.append(world.losses().detach().numpy())
                steps.append(world.seen(epoch + 1))
                # The first step of an epoch does not know yet that the one before is over; of a span of steps it does.
                method.epoch = epoch if spans or batch > 0 else max(epoch - 1, 0)
                weights.append(method.backward(world.losses(), T=0.7))
                world.step(weights[-1])
            method.train_loss_buffer[:, epoch] = np.mean(seen, 0)
        cases.append(case('LibMTL DWA', steps, weights, {'temperature': 0.7, **spans}))
    return cases


def gradnorm():
    cases = []
    for alpha in [1.5, 0.0]:
        world = World()
        method = in_libmtl(GradNorm, world)
        method.epoch = 1
        method.train_loss_buffer = world.losses().detach().numpy()[:, None]
        optimizer = torch.optim.Adam([method.loss_scale], lr=0.025)
        steps, weights = [], []
        for _ in range(STEPS):
            steps.append(world.seen())
            optimizer.zero_grad()
            # Its weighted sum is written into the gradient's memory, which has to be there.
            world.x.grad = torch.zeros_like(world.x)
            compute = method._compute_grad
            method._get_grads = lambda losses, mode: (method._compute_grad_dim(), compute(losses, mode))[1]
            method._backward_new_grads = lambda *_, **__: None
            weights.append(method.backward(world.losses(), alpha=alpha))
            optimizer.step()
            world.step(weights[-1])
        cases.append(case('LibMTL GradNorm, Adam of PyTorch', steps, weights, {'alpha': alpha, 'initialSteps': 1}))
    return cases


def gradient_sets():
    """Gradients by the number of terms; conflicts and lengths of all sorts."""
    draws = np.random.default_rng(7)
    for terms in [2, 2, 2, 3, 3, 5, 8, 20]:
        g = draws.normal(size=(terms, 24)) * np.exp(draws.normal(size=(terms, 1)))
        yield torch.from_numpy(g - 0.5 * g.mean(0))
    # Conflicting: each has a common direction that half of the others go against.
    for terms in [2, 3, 6]:
        g = draws.normal(size=(terms, 24))
        g[::2] += 0.8
        g[1::2] -= 0.4
        yield torch.from_numpy(g)


def seen_of(g, losses=None):
    return {'losses': losses or [1.0] * len(g), 'gramian': (g @ g.T).flatten().tolist(), 'epoch': 1}


def pcgrad():
    cases = []
    for g in gradient_sets():
        if len(g) > 3:
            continue
        config_weights = [1.0, 0.4, 2.0][: len(g)]
        scaled = torch.tensor(config_weights)[:, None] * g
        others = [list(itertools.permutations([j for j in range(len(g)) if j != i])) for i in range(len(g))]
        outcomes = []
        for orders in itertools.product(*others):
            turn = iter(orders)
            torch.randperm, drawn = (lambda _: torch.tensor(next(turn))), torch.randperm
            outcome = PCGradWeighting()(scaled @ scaled.T) * torch.tensor(config_weights)
            torch.randperm = drawn
            outcomes.append(outcome.tolist())
        distinct = [list(o) for o in sorted({tuple(round(w, 12) for w in o) for o in outcomes})]
        cases.append({'source': 'torchjd PCGradWeighting, every order', 'options': {}, 'configWeights': config_weights, 'steps': [seen_of(g)], 'outcomes': distinct})
    return cases


def cagrad():
    cases = []
    for c in [0.5, 0.2, 0.9]:
        for g in gradient_sets():
            config_weights = [1.0, 0.4] * 10
            factors = torch.tensor(config_weights[: len(g)])
            aggregator = CAGrad(c=c, norm_eps=0.0)
            weights = aggregator.gramian_weighting((factors[:, None] * g) @ (factors[:, None] * g).T) * factors
            cases.append(case('torchjd CAGrad, solved by Clarabel', [seen_of(g)], [weights], {'c': c}, configWeights=factors.tolist()))
    return cases


def mgda():
    cases = []
    for g in gradient_sets():
        if len(g) > 6:
            # Frank-Wolfe comes near too slowly.
            weights = cp.Variable(len(g), nonneg=True)
            cp.Problem(cp.Minimize(cp.sum_squares(g.numpy().T @ weights)), [cp.sum(weights) == 1]).solve(cp.CLARABEL)
            cases.append(case('equation 3 of Sener & Koltun 2018, solved by Clarabel', [seen_of(g)], [weights.value]))
            continue
        weights = MGDAWeighting(epsilon=1e-12, max_iters=200_000)(g @ g.T)
        cases.append(case('torchjd MGDAWeighting (Frank-Wolfe)', [seen_of(g)], [weights]))
    for kind in ['l2', 'loss', 'loss+']:
        world = World()
        world.x.data += 0.3
        method = in_libmtl(MGDA, world)
        divided = method._gradient_normalizers(world.gradients(), world.losses().detach(), kind)
        norms = world.gradients().norm(dim=1)
        divisors = {'l2': norms, 'loss': world.losses().detach(), 'loss+': world.losses().detach() * norms}[kind]
        weights = MGDAWeighting(epsilon=1e-12, max_iters=200_000)(divided @ divided.T) / divisors
        cases.append(case('LibMTL MGDA, its divided gradients; torchjd MGDAWeighting', [world.seen()], [weights], {'normalization': kind}))
    return cases


def metabalance():
    """He et al. 2022 with relax factor and moving averages, over the gradient of all that is shared."""
    cases = []
    for options in [{}, {'target': 'b', 'relaxFactor': 0.4, 'beta': 0.6}]:
        at, relax, beta = 'abc'.index(options.get('target', 'a')), options.get('relaxFactor', 0.7), options.get('beta', 0.9)
        world = World()
        m = np.zeros(3)
        steps, weights = [], []
        for _ in range(STEPS):
            steps.append(world.seen())
            norms = world.gradients().norm(dim=1).numpy()
            for i in range(3):
                m[i] = beta * m[i] + (1 - beta) * norms[i]
            weights.append([relax * m[at] / m[i] + (1 - relax) for i in range(3)])
            world.step(weights[-1])
        cases.append(case("He et al. 2022, in numpy", steps, weights, options))
    return cases


def famo():
    """Liu et al. 2023: the logits' slope by autograd, their Adam by PyTorch."""
    cases = []
    for options in [{}, {'learningRate': 0.1, 'gamma': 0.2}]:
        world = World()
        logits = torch.zeros(3, requires_grad=True)
        optimizer = torch.optim.Adam([logits], lr=options.get('learningRate', 0.025), weight_decay=options.get('gamma', 0.001))
        steps, weights = [], []
        for _ in range(STEPS):
            seen, before = world.seen(), world.losses().detach()
            z = torch.softmax(logits.detach(), 0)
            weights.append((z / before) / (z / before).sum())
            world.step(weights[-1], 0.05)
            after = world.losses().detach()
            steps.append({**seen, 'lossesAfter': after.tolist()})
            optimizer.zero_grad()
            (torch.softmax(logits, 0) * (before.log() - after.log())).sum().backward()
            optimizer.step()
        cases.append(case('Liu et al. 2023, in PyTorch', steps, weights, options))
    return cases


def nash_mtl():
    cases = []
    for g in gradient_sets():
        gramian = (g @ g.T).numpy()
        d = np.sqrt(np.diag(gramian))
        cosines = gramian / np.outer(d, d)
        found = root(lambda y: cosines @ np.exp(y) - np.exp(-y), np.zeros(len(g)), tol=1e-14)
        assert found.success or np.abs(found.fun).max() < 1e-10
        alpha = np.exp(found.x) / d
        cases.append(case('the equation of Navon et al. 2022, solved by scipy', [seen_of(g)], [alpha], {'maxNorm': 0}))
        cut = alpha / np.linalg.norm(alpha @ g.numpy())
        cases.append(case('the same, cut to a norm of 1', [seen_of(g)], [cut]))
        weights = NashMTL(n_tasks=len(g), max_norm=0.0, optim_niter=100).weighting(g).numpy()
        # It stops where its equation is off by 1e-3, and where ECOS gives up it returns its start.
        if np.abs(weights * (gramian @ weights) - 1).max() < 1e-2:
            cases.append(case('torchjd NashMTL, solved by ECOS', [seen_of(g)], [weights], {'maxNorm': 0}, tolerance=2e-3))
    return cases


def aligned_mtl():
    cases = []
    for mode, theirs in [('min', 'min'), ('median', 'median'), ('mean', 'rmse')]:
        for g in gradient_sets():
            config_weights = ([1.0, 0.4] * 10)[: len(g)]
            preference = torch.tensor(config_weights) / len(g)
            weights = AlignedMTL(pref_vector=preference, scale_mode=theirs).gramian_weighting(g @ g.T)
            cases.append(case('torchjd AlignedMTL', [seen_of(g)], [weights], {'scaleMode': mode}, configWeights=config_weights))
    return cases


def imtl_g():
    cases = []
    for g in gradient_sets():
        weights = IMTLGWeighting()(g @ g.T)
        # Elsewhere the step is limited: an equal projection of a negative sum, or a step longer than all gradients.
        if weights.sum() > 0 and (weights @ g).norm() < g.norm(dim=1).max() and (weights @ g @ g.T > 0).all():
            cases.append(case('torchjd IMTLGWeighting', [seen_of(g)], [weights]))
    world = World()
    method = in_libmtl(IMTL, world)
    world.x.grad = torch.zeros_like(world.x)
    compute = method._compute_grad
    method._get_grads = lambda losses, mode: (method._compute_grad_dim(), compute(losses, mode))[1]
    method._backward_new_grads = lambda *_, **__: None
    return [*cases, case('LibMTL IMTL, its scales at 1', [world.seen()], [method.backward(world.losses())])]


def imtl_l():
    world = World()
    method = IMTLL(3)
    optimizer = torch.optim.Adam(method.parameters(), lr=0.05)
    steps, weights = [], []
    for _ in range(STEPS):
        losses = world.losses().detach().requires_grad_()
        steps.append(world.seen())
        optimizer.zero_grad()
        method(losses).backward()
        weights.append(losses.grad)
        optimizer.step()
        world.step(weights[-1])
    return [case('torchjd IMTLL, Adam of PyTorch', steps, weights, {'learningRate': 0.05})]


def fairgrad():
    cases = []
    for alpha in [0.5, 1.0, 2.0, 5.0]:
        for g in gradient_sets():
            if len(g) > 6 and alpha != 2:
                continue
            gramian = (g @ g.T).numpy()
            x, power = cp.Variable(len(g)), 1 / alpha
            utility = cp.sum(cp.log(x)) if alpha == 1 else cp.sum(cp.power(x, 1 - power)) / (1 - power)
            cp.Problem(cp.Maximize(utility - cp.sum_squares(g.numpy().T @ x) / 2)).solve(cp.CLARABEL)
            # Clarabel's solution is the start of the equation's.
            found = root(lambda y: gramian @ np.exp(y) * np.exp(y * power) - 1, np.log(x.value), tol=1e-14)
            assert np.abs(found.fun).max() < 1e-9
            weights = np.exp(found.x)
            source = 'the equation of Ban & Ji 2024, solved by scipy'
            cases.append(case(source, [seen_of(g)], [weights], {'alpha': alpha, 'maxNorm': 0}))
            cut = weights / max(1, np.linalg.norm(weights @ g.numpy()))
            if alpha == 2:
                cases.append(case('the same, cut to a norm of 1', [seen_of(g)], [cut], {'alpha': alpha}))
            # Its least squares stop where the equation is off by more in some cases.
            theirs = FairGradWeighting(alpha=alpha)(g @ g.T).numpy()
            if np.abs(theirs ** (1 / alpha) * (gramian @ theirs) - 1).max() < 1e-3:
                cases.append(case('torchjd FairGradWeighting', [seen_of(g)], [theirs], {'alpha': alpha, 'maxNorm': 0}, tolerance=1e-3))
    return cases


def upgrad():
    cases = []
    for g in gradient_sets():
        config_weights = ([1.0, 0.4] * 10)[: len(g)]
        weighting = UPGradWeighting(torch.tensor(config_weights) / len(g), QuadprogProjector(norm_eps=0.0, reg_eps=1e-13))
        cases.append(case('torchjd UPGradWeighting, solved by quadprog', [seen_of(g)], [weighting(g @ g.T)], configWeights=config_weights))
    return cases


def stch():
    """Its smooth maximum by torchjd, over the log losses relative to a baseline, as in LibMTL's main branch."""
    cases = []
    for mu, warmup in [(0.5, 4), (0.1, 1)]:
        world = World()
        steps, weights, seen = [], [], []
        for step in range(STEPS):
            losses = world.losses().detach().requires_grad_()
            steps.append(world.seen())
            if step < warmup:
                seen.append(losses.detach())
                losses.log().sum().backward()
            else:
                baseline = torch.stack(seen).mean(0)
                (3 * STCH(mu=mu, weights=torch.ones(3))(torch.log(losses / baseline))).backward()
            weights.append(losses.grad)
            world.step(weights[-1])
        cases.append(case('torchjd STCH of relative log losses', steps, weights, {'mu': mu, 'warmupSteps': warmup}))
    return cases


def db_mtl():
    """Lin et al. 2023, algorithm 1 with beta 0: gradients of the log losses by autograd."""
    world = World()
    steps, weights = [], []
    for _ in range(STEPS):
        steps.append(world.seen())
        logs = [torch.autograd.grad(loss, world.x, retain_graph=True)[0] for loss in torch.log(world.losses()).split(1)]
        norms = torch.stack(logs).norm(dim=1)
        weights.append((norms.max() / norms / world.losses()).detach())
        world.step(weights[-1], 0.002)
    return [case('Lin et al. 2023, in PyTorch', steps, weights)]


CASES = {
    'uncertainty': uncertainty, 'dwa': dwa, 'gradnorm': gradnorm, 'pcgrad': pcgrad, 'cagrad': cagrad, 'mgda': mgda,
    'metabalance': metabalance, 'famo': famo, 'nash-mtl': nash_mtl, 'aligned-mtl': aligned_mtl,
    'imtl-g': imtl_g, 'imtl-l': imtl_l, 'fairgrad': fairgrad, 'upgrad': upgrad, 'stch': stch, 'db-mtl': db_mtl,
}

if __name__ == '__main__':
    for name, make in CASES.items():
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        with open(f'test/weightings/cases/{name}.json', 'w') as file:
            made = make()
            file.write('[\n' + ',\n'.join(json.dumps(each) for each in made) + '\n]\n')
        print(name, len(made))
