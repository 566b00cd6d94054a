"""Writes cases/*.json: predictions, loss and gradients of FuxiCTR's models in double precision, by mtl's names.

  git clone https://github.com/reczoo/FuxiCTR && pip install torch ./FuxiCTR
  PYTHONPATH=FuxiCTR python test/bottoms/make_cases.py                      # from the project's root

A case draws mtl's weights and computes FuxiCTR's from them, so that autograd gives the gradients of mtl's weights. Each
model predicts one task from a user, an item, a shop and a price, which FuxiCTR embeds as a factor times the price.
"""
import json
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from torch.func import functional_call

torch.set_default_dtype(torch.float64)
# FuxiCTR converts numbers to single precision.
torch.Tensor.float = torch.Tensor.double

ROWS, WIDTH = 8, 3
VOCABULARIES = {'user': 5, 'item': 4, 'shop': 3}
TASK, TOWER = 'ctr', 'towers.ctr.out'


class FeatureMap:
    """The part of FuxiCTR's feature map that its models read."""

    dataset_id, labels, group_id = 'cases', ['y'], None

    def __init__(self, numbers):
        ids = {field: {'type': 'categorical', 'source': '', 'vocab_size': size} for field, size in VOCABULARIES.items()}
        price = {'price': {'type': 'numeric', 'source': ''}} if numbers else {}
        self.features = OrderedDict({**ids, **price})
        self.num_fields = len(self.features)

    def sum_emb_out_dim(self):
        return self.num_fields * WIDTH


class Weights:
    """Draws mtl's weights by name, and expresses FuxiCTR's with them."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.drawn, self.theirs = {}, {}

    def draw(self, name, *shape):
        """Draws a tensor that float32 has exactly."""
        values = self.random.normal(0, 0.5, shape).astype(np.float32).astype(np.float64)
        self.drawn[name] = torch.tensor(values, requires_grad=True)
        return self.drawn[name]

    def linear(self, their, name, inputs, width, bias=True):
        self.theirs[f'{their}.weight'] = self.draw(f'{name}.weight', inputs, width).T
        if bias:
            self.theirs[f'{their}.bias'] = self.draw(f'{name}.bias', width)

    def norm(self, their, name, width):
        self.theirs[f'{their}.weight'] = self.draw(f'{name}.gain', width)
        self.theirs[f'{their}.bias'] = self.draw(f'{name}.shift', width)

    def mlp(self, their, name, widths, batch_norm=False):
        """An MLP_Block: linear, batch norm and activation of each layer."""
        for layer, (inputs, width) in enumerate(zip(widths, widths[1:])):
            at = (3 if batch_norm else 2) * layer
            self.linear(f'{their}.{at}', f'{name}.{layer}', inputs, width)
            if batch_norm:
                self.norm(f'{their}.{at + 1}', f'{name}.{layer}.norm', width)

    def embeddings(self, their='embedding_layer', ours='embeddings.{}', factors='factors.{}.weight', numbers=False, width=WIDTH):
        for field, size in VOCABULARIES.items():
            self.theirs[f'{their}.embedding_layer.embedding_layers.{field}.weight'] = self.draw(ours.format(field), size, width)
        if numbers:
            self.theirs[f'{their}.embedding_layer.embedding_layers.price.weight'] = self.draw(factors.format('price'), 1, width).T

    def towers(self, *theirs):
        """The last layer of each stream, which FuxiCTR has too."""
        for their, stream, width in theirs:
            self.linear(their, f'towers.{TASK}.{stream}.out', width, 1)

    def tower(self, *theirs, factor=1.0):
        """The last layer, of which each of FuxiCTR's reads some columns; the first has the bias."""
        weight, bias = self.draw(f'{TOWER}.weight', sum(width for _, width in theirs), 1), self.draw(f'{TOWER}.bias', 1)
        begin = 0
        for i, (their, width) in enumerate(theirs):
            self.theirs[f'{their}.weight'] = weight[begin:begin + width].T / factor
            self.theirs[f'{their}.bias'] = bias / factor if i == 0 else torch.zeros(1)
            begin += width


def batch(numbers):
    random = np.random.default_rng(1)
    ids = {field: torch.tensor(random.integers(0, size, ROWS)) for field, size in VOCABULARIES.items()}
    price = {'price': torch.tensor(random.normal(0, 1, ROWS).astype(np.float32).astype(np.float64))} if numbers else {}
    return {**ids, **price}, torch.tensor(random.integers(0, 2, ROWS)).double()


def rounded(tensor):
    return [float(f'{value:.9g}') for value in tensor.detach().flatten().tolist()]


def case(name, bottom, model, options, express, numbers=False, wide=False, distilled=False):
    """A case of a bottom with some options, from a model and a function that expresses its weights; with its own loss if distilled."""
    their = model(FeatureMap(numbers), model_root='', metrics=['AUC'], verbose=0, optimizer='adam',
                  loss='binary_crossentropy', embedding_dim=WIDTH, **options).double().train()
    weights = Weights(seed=len(json.dumps(bottom)))
    express(weights)
    expected = {key: value.shape for key, value in their.named_parameters()}
    found = {key: value.shape for key, value in weights.theirs.items()}
    assert expected == found, (name, {k: v for k, v in expected.items() if found.get(k) != v}, found.keys() - expected.keys())
    inputs, y = batch(numbers)
    output = functional_call(their, weights.theirs, (inputs,))
    p = output['y_pred'][:, 0]
    loss = their.add_loss(output, y[:, None]) if distilled else torch.nn.functional.binary_cross_entropy(p, y)
    loss.backward()
    return {
        'name': name,
        'bottom': bottom,
        'wide': wide,
        'inputs': {field: column.tolist() for field, column in inputs.items()},
        'labels': y.tolist(),
        'predictions': rounded(p),
        'loss': float(f'{loss.item():.9g}'),
        'weights': {key: {'shape': list(value.shape), 'data': rounded(value)} for key, value in weights.drawn.items()},
        'gradients': {key: rounded(torch.zeros_like(value) if value.grad is None else value.grad)
                      for key, value in weights.drawn.items()},
    }


def layers(*hidden, **options):
    return {'hidden': list(hidden), 'batchNorm': False, **options}


def gdcn():
    from model_zoo.GDCN.src import GDCN, GDCNP
    width = 3 * WIDTH

    def cross(w):
        w.embeddings()
        for layer in range(2):
            w.theirs[f'cross_net.w.{layer}.weight'] = w.draw(f'cross.{layer}.weight', width, width).T
            w.theirs[f'cross_net.b.{layer}'] = w.draw(f'cross.{layer}.bias', width)
            w.theirs[f'cross_net.wg.{layer}.weight'] = w.draw(f'cross.{layer}.gate.weight', width, width).T

    def stacked(w):
        cross(w)
        w.mlp('dnn.mlp', 'deep', [width, 5])
        w.tower(('dnn.mlp.2', 5))

    def parallel(w):
        cross(w)
        w.mlp('dnn.mlp', 'deep', [width, 5])
        w.tower(('fc', width + 5))

    options = {'num_cross_layers': 2, 'dnn_hidden_units': [5]}
    return [
        case(structure, {'name': 'gdcn', 'layers': 2, 'structure': structure, 'deep': layers(5)}, model, options, express)
        for structure, model, express in [('stacked', GDCN, stacked), ('parallel', GDCNP, parallel)]
    ]


def finalmlp():
    from model_zoo.FinalMLP.src import FinalMLP
    width = 3 * WIDTH

    def express(context, heads, batch_norm):
        def of(w):
            w.embeddings()
            for stream, number in [('first', 1), ('second', 2)]:
                gate, inputs = f'{stream}.gate', WIDTH if context else 1
                hidden, out = w.draw(f'{gate}.0.weight', inputs, 3), w.draw(f'{gate}.0.bias', 3)
                if context:
                    field = ['user', 'item'][number - 1]
                    their = f'fs_module.fs{number}_ctx_emb.embedding_layer.embedding_layers.{field}.weight'
                    w.theirs[their] = w.drawn[f'embeddings.{field}']
                    w.theirs[f'fs_module.fs{number}_gate.mlp.0.weight'] = hidden.T
                    w.theirs[f'fs_module.fs{number}_gate.mlp.0.bias'] = out
                else:
                    # Their gate reads a trained vector, whose product with the weights is a vector too: ours.
                    w.theirs[f'fs_module.fs{number}_ctx_bias'] = torch.eye(1, WIDTH)
                    w.theirs[f'fs_module.fs{number}_gate.mlp.0.weight'] = torch.cat([hidden, torch.zeros(WIDTH - 1, 3)]).T
                    w.theirs[f'fs_module.fs{number}_gate.mlp.0.bias'] = out
                w.linear(f'fs_module.fs{number}_gate.mlp.2', f'{gate}.factors', 3, width)
                w.mlp(f'mlp{number}.mlp', stream, [width, 6, 4] if number == 1 else [width, 2], batch_norm)
            w1, w2 = 4, 2
            weight, bias = w.draw(f'{TOWER}.weight', w1 + w2 + w2, 1), w.draw(f'{TOWER}.bias', 1)
            w.theirs['fusion_module.w_x.weight'] = weight[:w1].T
            w.theirs['fusion_module.w_x.bias'] = bias
            w.theirs['fusion_module.w_y.weight'] = weight[w1:w1 + w2].T
            w.theirs['fusion_module.w_y.bias'] = torch.zeros(1)
            # The tower's weights of the products scale the columns of W.
            scales = weight[w1 + w2:, 0].reshape(heads, -1)
            fused = [w.draw(f'fusion.{head}.weight', w1 // heads, w2 // heads) * scales[head] for head in range(heads)]
            w.theirs['fusion_module.w_xy'] = torch.cat([each.reshape(-1, 1) for each in fused])
        return of

    def options(context, heads, batch_norm):
        return {'mlp1_hidden_units': [6, 4], 'mlp2_hidden_units': [2], 'mlp1_batch_norm': batch_norm,
                'mlp2_batch_norm': batch_norm, 'fs_hidden_units': [3], 'num_heads': heads,
                'fs1_context': ['user'] if context else [], 'fs2_context': ['item'] if context else []}

    def bottom(context, heads, batch_norm):
        return {'name': 'finalmlp', 'heads': heads, **{
            stream: {'hidden': hidden, 'batchNorm': batch_norm,
                     'gate': {'hidden': [3], **({'input': [field]} if context else {})}}
            for stream, hidden, field in [('first', [6, 4], 'user'), ('second', [2], 'item')]}}

    return [case(name, bottom(*given), FinalMLP, options(*given), express(*given))
            for name, given in [('gates of constants', (False, 1, False)), ('gates of fields, 2 heads', (True, 2, False)),
                                ('batch norm', (True, 1, True))]]


def masknet():
    from model_zoo.MaskNet.src import MaskNet
    width = 3 * WIDTH

    def blocks(w, widths):
        w.embeddings()
        for f, field in enumerate(VOCABULARIES):
            w.norm(f'emb_norm.{f}', f'norms.{field}', WIDTH)
        for b, (inputs, out) in enumerate(widths):
            their, name = f'mask_net.mask_blocks.{b}', f'blocks.{b}'
            w.linear(f'{their}.mask_layer.0', f'{name}.mask.0', width, inputs // 2)
            w.linear(f'{their}.mask_layer.2', f'{name}.mask.1', inputs // 2, inputs)
            w.linear(f'{their}.hidden_layer.0', name, inputs, out, bias=False)
            w.norm(f'{their}.hidden_layer.1', f'{name}.norm', out)

    def serial(w):
        blocks(w, [(width, 6), (6, 4)])
        w.tower(('mask_net.fc.0', 4))

    def parallel(w):
        blocks(w, [(width, 5), (width, 5)])
        w.mlp('mask_net.dnn.mlp', 'deep', [10, 3])
        w.tower(('mask_net.dnn.mlp.2', 3))

    return [
        case('serial', {'name': 'masknet', 'blocks': [6, 4], 'reductionRatio': 0.5}, MaskNet,
             {'dnn_hidden_units': [6, 4], 'reduction_ratio': 0.5}, serial),
        case('parallel', {'name': 'masknet', 'variant': 'parallel', 'blocks': [5, 5], 'reductionRatio': 0.5, 'deep': layers(3)},
             MaskNet, {'model_type': 'ParallelMaskNet', 'parallel_num_blocks': 2, 'parallel_block_dim': 5,
                       'dnn_hidden_units': [3], 'reduction_ratio': 0.5}, parallel),
    ]


def finalnet():
    from model_zoo.FinalNet.src import FinalNet
    width, hidden = 3 * WIDTH, {'first': [6, 4], 'second': [4]}

    def express(blocks, residual, gating, batch_norm, distilled):
        def of(w):
            w.embeddings()
            if gating:
                w.linear('feature_gating.linear', 'gate', 3, 3)
            for number, stream in enumerate(blocks, 1):
                inputs = 2 * width if gating and stream == 'first' else width
                for layer, out in enumerate(hidden[stream]):
                    half = out if residual == 'sum' else out // 2
                    parts = [(w.draw(f'{stream}.{layer}{role}.weight', inputs, half), w.draw(f'{stream}.{layer}{role}.bias', half))
                             for role in ['', '.factor']]
                    their = f'block{number}.layer.{layer}.linear'
                    w.theirs[f'{their}.weight'] = torch.cat([weight for weight, _ in parts], 1).T
                    w.theirs[f'{their}.bias'] = torch.cat([bias for _, bias in parts])
                    if batch_norm:
                        w.norm(f'block{number}.norm.{layer}', f'{stream}.{layer}.norm', out)
                    inputs = out
            if distilled:
                w.towers(*[(f'fc{number}', stream, 4) for number, stream in enumerate(blocks, 1)])
                return
            # Their logit is the mean of those of the blocks.
            w.tower(*[(f'fc{number}', 4) for number in range(1, len(blocks) + 1)], factor=1 / len(blocks))
        return of

    def make(name, blocks, residual, gating, batch_norm, distilled=False):
        options = {'block_type': f'{len(blocks)}B', 'residual_type': residual, 'use_feature_gating': gating, 'batch_norm': batch_norm,
                   'block1_hidden_units': hidden['first'], 'block2_hidden_units': hidden['second']}
        streams = {stream: {'hidden': hidden[stream] if stream in blocks else [], 'batchNorm': batch_norm} for stream in hidden}
        bottom = {'name': 'finalnet', 'residual': residual, 'featureGating': gating, **streams}
        if distilled:
            bottom['distillation'] = 1
        return case(name, bottom, FinalNet, options, express(blocks, residual, gating, batch_norm, distilled), distilled=distilled)

    return [make('two stacks, gated', ['first', 'second'], 'concat', True, False),
            make('one stack of sums', ['first'], 'sum', False, False),
            make('batch norm', ['first', 'second'], 'concat', False, True),
            make('distilled', ['first', 'second'], 'concat', True, True, distilled=True)]


def deep_part(w, numbers=True):
    """The deep layers, which read the price in mtl and its embedding in FuxiCTR."""
    weight = w.draw('deep.0.weight', 3 * WIDTH + numbers, 5)
    factors = w.drawn['factors.price.weight']
    w.theirs['dnn.mlp.0.weight'] = torch.cat([weight[:-1], factors.T @ weight[-1:] / (factors ** 2).sum()]).T
    w.theirs['dnn.mlp.0.bias'] = w.draw('deep.0.bias', 5)


def cin():
    from model_zoo.xDeepFM.src import xDeepFM

    def express(w):
        w.embeddings(numbers=True)
        w.embeddings('lr_layer.embedding_layer', 'embeddings.wide.{}', f'wide.{TASK}.weight', numbers=True, width=1)
        below = 4
        for layer, maps in enumerate([3, 2]):
            weights = [w.draw(f'cin.{layer}.{field}.weight', below, maps) for field in range(4)]
            w.theirs[f'cin.cin_layer.layer_{layer + 1}.weight'] = torch.cat(weights).T[:, :, None]
            w.theirs[f'cin.cin_layer.layer_{layer + 1}.bias'] = torch.zeros(maps)
            below = maps
        deep_part(w)
        w.tower(('cin.fc', 5), ('dnn.mlp.2', 5))

    return [case('xDeepFM', {'name': 'cin', 'maps': [3, 2], 'deep': layers(5)}, xDeepFM,
                 {'cin_hidden_units': [3, 2], 'dnn_hidden_units': [5]}, express, numbers=True, wide=True)]


def autoint():
    from model_zoo.AutoInt.src import AutoInt

    def express(heads, head_width, layer_norm):
        def of(w):
            w.embeddings(numbers=True)
            inputs, width = WIDTH, heads * head_width
            for layer in range(2):
                their, name = f'self_attention.{layer}', f'attention.{layer}'
                for letter, role in [('q', 'query'), ('k', 'key'), ('v', 'value')]:
                    w.linear(f'{their}.W_{letter}', f'{name}.{role}', inputs, width, bias=False)
                if inputs != width:
                    w.linear(f'{their}.W_res', f'{name}.residual', inputs, width, bias=False)
                if layer_norm:
                    w.norm(f'{their}.layer_norm', f'{name}.norm', width)
                inputs = width
            deep_part(w)
            w.tower(('fc', 4 * width), ('dnn.mlp.2', 5))
        return of

    def make(name, heads, head_width, scaled, layer_norm):
        options = {'attention_layers': 2, 'num_heads': heads, 'attention_dim': heads * head_width, 'use_scale': scaled,
                   'layer_norm': layer_norm, 'dnn_hidden_units': [5]}
        bottom = {'name': 'autoint', 'layers': 2, 'heads': heads, 'headWidth': head_width, 'scaled': scaled,
                  'layerNorm': layer_norm, 'deep': layers(5)}
        return case(name, bottom, AutoInt, options, express(heads, head_width, layer_norm), numbers=True)

    return [make('two heads', 2, 3, False, False), make('scaled, with layer norm, residuals of equal width', 1, WIDTH, True, True)]


if __name__ == '__main__':
    for make in [autoint, cin, finalmlp, finalnet, gdcn, masknet]:
        if sys.argv[1:] in ([], [make.__name__]):
            path = Path(__file__).parent / 'cases' / f'{make.__name__}.json'
            path.write_text('[\n' + ',\n'.join(json.dumps(each) for each in make()) + '\n]\n')
