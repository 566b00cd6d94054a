#!/usr/bin/env python3
"""Speed of BST in PyTorch, on the workload bst-50; see torch_history.py for the commands.

A transformer block of causal attention reads the items, then the candidate q attends to them: a layer over [q, k,
q - k, q * k, the block's result of k, its recency], all but the last with layer norms. Rows are sorted by length, and
padding follows the items, so that causal attention masks it. Forms:
    padded   histories padded to the longest of the batch, masked in statistics and sums
    jagged   items of all rows concatenated, padded for the attention of items alone
    split    jagged, with padding in groups of rows of similar length, and the part of q computed once per row
    fold     as split, with one matrix per row for k, by batched products over groups
"""
# The first import, since it restarts Python with another allocator.
import torch_history
from torch_history import HISTORY, ITEM_WIDTH, WIDTH, named_linear, pad, pool, split_weight, unpad

import torch
import torch.nn.functional as F
from torch import nn

MODEL, HEADS, HIDDEN, UNITS = 32, 2, 64, 36
RECENCY = 2
FORMS = ['padded', 'jagged', 'split', 'fold']


def norm_fields(x):
    """Layer norms of the embeddings, whose gains and shifts a FieldScale has."""
    return F.layer_norm(x.reshape(-1, WIDTH), (WIDTH,)).view(x.shape)


class FieldScale(nn.Module):
    def __init__(self):
        super().__init__()
        self.gain, self.shift = nn.Parameter(torch.ones(ITEM_WIDTH)), nn.Parameter(torch.zeros(ITEM_WIDTH))

    def forward(self, normed):
        return torch.addcmul(self.shift, normed, self.gain)

    def named(self, name):
        parts = {'gain': self.gain, 'shift': self.shift}
        return {
            f'{name(field)}.{part}': tensor[f * WIDTH:(f + 1) * WIDTH] for f, field in enumerate(HISTORY)
            for part, tensor in parts.items()}


class Dice(nn.Module):
    def __init__(self):
        super().__init__()
        self.slope = nn.Parameter(torch.zeros(UNITS))
        self.norm = nn.BatchNorm1d(UNITS, eps=1e-9, momentum=0.01, affine=False)

    def normed(self, x, mask):
        """Batch normalization; with a mask, by the statistics of the items that are no padding."""
        if mask is None:
            return self.norm(x)
        x, count = x.float(), mask.sum()
        mean = (x * mask).sum(0) / count
        variance = ((x - mean).square() * mask).sum(0) / count
        with torch.no_grad():
            self.norm.running_mean.lerp_(mean, self.norm.momentum)
            self.norm.running_var.lerp_(variance * count / (count - 1), self.norm.momentum)
        return (x - mean) * torch.rsqrt(variance + self.norm.eps)

    def forward(self, x, mask=None):
        p = torch.sigmoid(self.normed(x, mask))
        return x * (p + (1 - p) * self.slope)


class Transformer(torch_history.Encoder):
    width = ITEM_WIDTH + MODEL + 1

    def __init__(self, form):
        super().__init__()
        self.form = form
        self.block_scale, self.item_scale, self.target_scale = FieldScale(), FieldScale(), FieldScale()
        self.projection = nn.Linear(ITEM_WIDTH + RECENCY, MODEL)
        self.inputs, self.output = nn.Linear(MODEL, 3 * MODEL), nn.Linear(MODEL, MODEL)
        self.layers = nn.ModuleList([nn.Linear(MODEL, HIDDEN), nn.Linear(HIDDEN, MODEL)])
        self.attention_norm, self.layers_norm, self.result_norm = (nn.LayerNorm(MODEL) for _ in range(3))
        self.read = nn.Linear(4 * ITEM_WIDTH + MODEL + RECENCY, UNITS)
        self.products = nn.Linear(ITEM_WIDTH, 1, bias=False)
        nn.init.constant_(self.products.weight, ITEM_WIDTH ** -0.5)
        self.dice, self.score = Dice(), nn.Linear(UNITS, 1)
        nn.init.constant_(self.score.bias, -2)

    def named(self):
        roles = {
            role: (self.inputs.weight[i * MODEL:(i + 1) * MODEL], self.inputs.bias[i * MODEL:(i + 1) * MODEL])
            for i, role in enumerate(['query', 'key', 'value'])}
        linears = {
            'projection': self.projection, 'blocks.0.attention.output': self.output, 'blocks.0.layers.0': self.layers[0],
            'blocks.0.layers.1': self.layers[1], 'readout.attention.0': self.read, 'readout.products': self.products,
            'readout.attention.out': self.score}
        norms = {
            'blocks.0.attention.norm': self.attention_norm, 'blocks.0.layers.norm': self.layers_norm,
            'readout.norms.results of the blocks.items': self.result_norm}
        tensors = {
            **{name: tensor for layer, own in linears.items() for name, tensor in named_linear(layer, own).items()},
            **{f'blocks.0.attention.{role}.weight': weight for role, (weight, _) in roles.items()},
            **{f'blocks.0.attention.{role}.bias': bias for role, (_, bias) in roles.items()},
            **{f'{name}.gain': norm.weight for name, norm in norms.items()},
            **{f'{name}.shift': norm.bias for name, norm in norms.items()},
            **self.block_scale.named(lambda field: f'norms.history.{field}'),
            **self.item_scale.named(lambda field: f'readout.norms.history.{field}.items'),
            **self.target_scale.named(lambda field: f'readout.norms.history.{field}.target'),
            'readout.attention.0.activation.slope': self.dice.slope,
        }
        return {f'history.self-attention.{name}': tensor for name, tensor in tensors.items()}

    def forward(self, q, k, batch):
        # One normalization of the items for the block and for the attention of the candidate.
        return getattr(self, self.form)(self.target_scale(norm_fields(q)), k, norm_fields(k), batch)

    def block(self, normed, recency, groups):
        x = self.projection(torch.cat([self.block_scale(normed), recency], dim=1))
        s = self.attention_norm(x + self.output(self.attend(self.inputs(x), groups)))
        return self.layers_norm(s + self.layers[1](F.leaky_relu(self.layers[0](s))))

    @staticmethod
    def attend(inputs, groups):
        parts = []
        for group in groups:
            begin, end, first, last, most, _ = group
            own = pad(inputs[first:last], group).view(end - begin, most, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
            attended = F.scaled_dot_product_attention(own[0], own[1], own[2], is_causal=True)
            parts.append(unpad(attended.transpose(1, 2).reshape(-1, MODEL), group))
        return torch.cat(parts)

    def weigh(self, hidden, products, mask=None):
        return F.softplus(self.score(self.dice(hidden, mask)) + products)

    def padded(self, q, k, normed, batch):
        rows, most, ones = len(q), batch['whole'][4], torch.ones_like(k[:, :1])
        items, normed, recency, mask = (pad(x, batch['whole']) for x in (k, normed, batch['recency'], ones))
        results = self.block(normed, recency, [(0, rows, 0, len(items), most, None)])
        of_row, of_item = q.repeat_interleave(most, dim=0), self.item_scale(normed)
        product = of_row * of_item
        hidden = self.read(
            torch.cat([of_row, of_item, of_row - of_item, product, self.result_norm(results), recency], dim=1))
        weights = self.weigh(hidden, self.products(product), mask) * mask
        summed = torch.cat([items, results, mask], dim=1).view(rows, most, -1)
        return torch.bmm(weights.view(rows, 1, most), summed.to(weights.dtype)).squeeze(1).float()

    def jagged(self, q, k, normed, batch):
        results = self.block(normed, batch['recency'], [batch['whole']])
        of_row, of_item = q.index_select(0, batch['row']), self.item_scale(normed)
        product = of_row * of_item
        hidden = self.read(
            torch.cat([of_row, of_item, of_row - of_item, product, self.others(results, batch)], dim=1))
        return self.sums(self.weigh(hidden, self.products(product)), k, results, batch)

    def split(self, q, k, normed, batch):
        of_row, of_item, of_product, of_others = split_weight(self.read.weight)
        results = self.block(normed, batch['recency'], batch['groups'])
        items, others = self.item_scale(normed), self.others(results, batch)
        # The last column is the weighted sum of products.
        of_x = torch.cat([of_item, of_product, of_others], dim=1)
        weight = torch.cat([of_x, F.pad(self.products.weight, (ITEM_WIDTH, others.shape[1]))])
        found = F.linear(torch.cat([items, q.index_select(0, batch['row']) * items, others], dim=1), weight)
        hidden = found[:, :UNITS] + F.linear(q, of_row, self.read.bias).index_select(0, batch['row'])
        return self.sums(self.weigh(hidden, found[:, UNITS:]), k, results, batch)

    def fold(self, q, k, normed, batch):
        of_row, of_item, of_product, of_others = split_weight(self.read.weight)
        results = self.block(normed, batch['recency'], batch['groups'])
        items = self.item_scale(normed)
        base = F.pad(F.linear(q, of_row, self.read.bias), (0, 1))
        of_products = (q * self.products.weight)[:, :, None]
        matrices = torch.cat([of_item.t() + q[:, :, None] * of_product.t(), of_products], dim=2)
        parts = []
        for group in batch['groups']:
            begin, end, first, last, most, _ = group
            own = pad(items[first:last], group).view(end - begin, most, -1)
            found = torch.baddbmm(base[begin:end, None], own, matrices[begin:end])
            parts.append(unpad(found.view(-1, UNITS + 1), group))
        found = torch.cat(parts)
        hidden = found[:, :UNITS] + F.linear(self.others(results, batch), of_others)
        return self.sums(self.weigh(hidden, found[:, UNITS:]), k, results, batch)

    def others(self, results, batch):
        return torch.cat([self.result_norm(results), batch['recency']], dim=1)

    @staticmethod
    def sums(weights, k, results, batch):
        """The weighted sums of the items and of their results, and the sums of the weights."""
        return pool(weights, torch.cat([k, results.float(), torch.ones_like(k[:, :1])], dim=1), batch)


if __name__ == '__main__':
    torch_history.main(__doc__, FORMS, lambda form, rows, chosen: Transformer(form))
