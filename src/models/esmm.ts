import { didYouMean, joined, quoted } from '../errors.js';
import { bottoms } from '../bottoms/bottoms.js';
import { mlpOptions, tower } from '../graph/mlp.js';
import { conditionOf, type Task } from '../tasks.js';
import { defineModel } from './model.js';

const towerOptions = mlpOptions.extend({ hidden: mlpOptions.shape.hidden.default([16, 8]) }).prefault({});

/** The click task and the conversion task: the one that is given the other's label. */
function roles<T extends Task>(tasks: readonly T[]): { readonly click: T; readonly conversion: T } | undefined {
  const conversion = tasks.find((task) => task.given !== undefined);
  const click = conversion && (conditionOf(conversion, tasks) as T | undefined);
  const areProbabilities = tasks.every((task) => task.type === 'classification');
  return conversion && click && areProbabilities && tasks.length === 2 ? { click, conversion } : undefined;
}

/**
 * Entire Space Multi-Task Model (Ma et al. 2018, https://arxiv.org/abs/1804.07931): one tower for the click, one for the
 * conversion of a click; the conversion is learned through the product of both alone, over all rows.
 */
export const esmm = defineModel({
  name: 'esmm',
  summary: 'Entire Space Multi-Task Model: conversion learned through click and purchase over all rows',
  options: {
    bottom: bottoms.schema.prefault({}).describe('shared layers below the towers'),
    ctrTower: towerOptions.describe('tower of the click task'),
    cvrTower: towerOptions.describe('tower of the conversion task'),
  },

  *checkTasks(tasks) {
    if (roles(tasks) !== undefined) return;
    const [task, other] = [tasks.find(({ given }) => given !== undefined), tasks.find(({ given }) => given === undefined)];
    if (tasks.length === 2 && task?.given !== undefined && other !== undefined && task.given !== other.label) {
      yield { path: ['tasks', task.name, 'given'], message: joined(`expected ${quoted(other.label)}, the label of ${other.name}, found ${quoted(task.given)}`, didYouMean(task.given, [other.label])) };
      return;
    }
    const example = 'ctr: { label: click } and cvr: { label: purchase, given: click }';
    yield { path: ['tasks'], message: `esmm needs two classification tasks, a click and a conversion that is given it, as in ${example}` };
  },

  build(options, { g, input, tasks }) {
    const found = roles(tasks);
    if (found === undefined) throw new Error('esmm: the tasks were not checked');
    const { click, conversion } = found;
    const { outputs, gates = new Map() } = bottoms.build(options.bottom, { g, input, tasks: tasks.map(({ name }) => name) });
    const ctrLogit = tower(g, outputs.get(click.name)!, options.ctrTower, `towers.${click.name}`);
    const cvrLogit = tower(g, outputs.get(conversion.name)!, options.cvrTower, `towers.${conversion.name}`);
    return {
      gates,
      predictions: new Map([
        [click.name, g.activation(ctrLogit, 'sigmoid', `${click.name}.probability`)],
        [conversion.name, g.activation(cvrLogit, 'sigmoid', `${conversion.name}.probability`)],
      ]),
      terms: [
        { name: click.name, weight: click.weight, loss: g.binaryCrossEntropy(ctrLogit, click.labelValue) },
        {
          name: `ct${conversion.name}`,
          weight: conversion.weight,
          loss: g.productCrossEntropy([ctrLogit, cvrLogit], conversion.labelValue),
        },
      ],
    };
  },
});
