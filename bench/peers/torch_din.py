#!/usr/bin/env python3
"""Speed of DIN in PyTorch, on the workloads din-50, din-200 and sim-2000; see torch_history.py for the commands.

Forms of the attention layer over [q, k, q - k, q * k], q the candidate and k an item of its history:
    padded   histories padded to the longest of the batch, one layer
    jagged   items of all rows concatenated, one layer
    split    jagged, with the part of q computed once per row
    fold     one matrix per row for k, by batched products over groups of rows of similar length
With --top, attention reads the items with the largest inner products alone: all items are looked up and scored without
gradients, and only the selected ones are looked up with them.
"""
# The first import, since it restarts Python with another allocator.
import torch_history
from torch_history import FIELDS, HISTORY, ITEM_WIDTH, named_linear, pad, pool, split_weight

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

UNITS, SEARCH = 36, 16
FORMS = ['padded', 'jagged', 'split', 'fold']


class Attention(torch_history.Encoder):
    def __init__(self, form, rows, top):
        super().__init__()
        self.top = top
        self.form = getattr(self, form)
        # With a search, the layer also reads the products by which it selects.
        self.layer, self.score = nn.Linear(4 * ITEM_WIDTH + (1 if top else 0), UNITS), nn.Linear(UNITS, 1)
        self.slope = nn.Parameter(torch.tensor([0.25]))
        if top:
            self.projections = nn.Sequential(
                nn.Linear(ITEM_WIDTH, SEARCH, bias=False), nn.Linear(SEARCH, ITEM_WIDTH, bias=False))
            nn.init.zeros_(self.projections[1].weight)
            # The same for all batches: each row has as many selected items.
            none = [np.zeros(1, np.float32)] * 3
            self.selected = torch_history.prepare(np.full(rows, top), *none)

    def named(self):
        layers = {'0': self.layer, '1': self.score}
        tensors = {name: tensor for i, layer in layers.items() for name, tensor in named_linear(f'attention.{i}', layer).items()}
        searched = {f'search.{i}.weight': layer.weight for i, layer in enumerate(self.projections)} if self.top else {}
        return {**tensors, 'attention.0.slope': self.slope, **searched}

    def query(self, q):
        return q + self.projections(q)

    def select(self, table, batch):
        if not self.top:
            return super().select(table, batch)
        rows = len(batch['begins'])
        fields = rows * len(FIELDS)
        ids, items = batch['ids'][:fields], batch['ids'][fields:]
        with torch.no_grad():
            candidates = ids.view(rows, -1)[:, :len(HISTORY)].reshape(-1)
            q = table.index_select(0, candidates).view(rows, -1)
            k = table.index_select(0, items).view(rows, -1, ITEM_WIDTH)
            scores = torch.bmm(k, self.query(q)[:, :, None]).squeeze(2)
            places = scores.topk(self.top, dim=1, sorted=False).indices.sort(dim=1).values
            selected = (places + k.shape[1] * torch.arange(rows)[:, None]).view(-1)
            found = items.view(-1, len(HISTORY)).index_select(0, selected).view(-1)
            return torch.cat([ids, found]), self.selected

    def forward(self, q, k, batch):
        self.products = [(self.query(q).index_select(0, batch['row']) * k).sum(1, keepdim=True)] if self.top else []
        return self.form(q, k, batch)

    def with_products(self, hidden, of_search, begin=None, end=None):
        for products in self.products:
            hidden = hidden + F.linear(products[begin:end], of_search).view(hidden.shape)
        return hidden

    def weigh(self, hidden):
        return self.score(F.prelu(hidden, self.slope.to(hidden.dtype)))

    def padded(self, q, k, batch):
        items, *products = (pad(x, batch['whole']).view(len(q), -1, x.shape[1]) for x in (k, *self.products))
        rows = q[:, None].expand(items.shape)
        # A padding item is zero, so that its weight does not count.
        weights = self.weigh(self.layer(torch.cat([rows, items, rows - items, rows * items, *products], dim=2)))
        return torch.bmm(weights.transpose(1, 2), items.to(weights.dtype)).squeeze(1).float()

    def jagged(self, q, k, batch):
        rows = q.index_select(0, batch['row'])
        return pool(self.weigh(self.layer(torch.cat([rows, k, rows - k, rows * k, *self.products], dim=1))), k, batch)

    def split(self, q, k, batch):
        of_row, of_item, of_product, of_search = split_weight(self.layer.weight)
        rows = q.index_select(0, batch['row'])
        hidden = F.linear(torch.cat([k, rows * k], dim=1), torch.cat([of_item, of_product], dim=1))
        hidden = hidden + F.linear(q, of_row, self.layer.bias).index_select(0, batch['row'])
        return pool(self.weigh(self.with_products(hidden, of_search)), k, batch)

    def fold(self, q, k, batch):
        of_row, of_item, of_product, of_search = split_weight(self.layer.weight)
        base = F.linear(q, of_row, self.layer.bias)
        matrices = of_item.t() + q[:, :, None] * of_product.t()
        pooled = []
        for group in batch['groups']:
            begin, end, first, last, most, _ = group
            items = pad(k[first:last], group).view(end - begin, most, -1)
            hidden = torch.baddbmm(base[begin:end, None], items, matrices[begin:end])
            weights = self.weigh(self.with_products(hidden, of_search, first, last))
            pooled.append(torch.bmm(weights.transpose(1, 2), items.to(weights.dtype)).squeeze(1).float())
        return torch.cat(pooled)


if __name__ == '__main__':
    torch_history.main(
        __doc__, FORMS, lambda form, rows, chosen: Attention(form, rows, chosen.top),
        lambda options: options.add_argument('--top', type=int, default=0, help='items that a search selects in each row; 0: no search'))
