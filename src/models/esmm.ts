import { didYouMean, joined, quoted } from '../errors.js';
import { bottoms } from '../bottoms/bottoms.js';
import type { Term } from '../graph/graph.js';
import { mlpOptions, tower, type MlpOptions } from '../graph/mlp.js';
import type { Value } from '../graph/operations.js';
import { chainOf, givenOf } from '../tasks.js';
import { defineModel, type ModelTask } from './model.js';
import { checkTaskTowers, taskTowerOptions, towerOf } from './task-towers.js';

const towerOptions = mlpOptions.extend({ hidden: mlpOptions.shape.hidden.default([16, 8]) }).prefault({});

/**
 * Entire Space Multi-Task Model (Ma et al. 2018, https://arxiv.org/abs/1804.07931): a tower for the click and one for every
 * conversion of it; a conversion is learned through the product of all probabilities that lead to it, over all rows. The paper has
 * one conversion; chains of any length and several conversions of one click follow from the same product.
 */
export const esmm = defineModel({
  name: 'esmm',
  summary: 'Entire Space Multi-Task Model: conversion learned through click and purchase over all rows',
  options: {
    bottom: bottoms.schema.prefault({}).describe('shared layers below the towers'),
    ctrTower: towerOptions.describe('tower of a task that is given nothing: the click'),
    cvrTower: towerOptions.describe("tower of a task that is given another one's label: a conversion"),
    towers: taskTowerOptions.towers,
  },

  *checkTasks(tasks, options) {
    yield* checkTaskTowers(tasks, options);
    const example = 'ctr: { label: click } and cvr: { label: purchase, given: click }';
    if (tasks.every(({ given }) => given === undefined)) yield { path: ['tasks'], message: `esmm needs a task that is given another one's label, as in ${example}` };
    for (const task of tasks) {
      const { name, type } = task;
      if (type !== 'classification') yield { path: ['tasks', name, 'type'], message: `esmm multiplies probabilities, and ${quoted(name)} is a ${type}; leave it to another model, as mmoe` };
      if (chainOf(task, tasks) !== undefined) continue;
      const known = tasks.filter((other) => other.name !== name).map((other) => (typeof other.label === 'string' ? other.label : other.name));
      const { named } = givenOf(task)!;
      yield { path: ['tasks', name, 'given'], message: joined(`expected the label of another classification task${known.length === 0 ? '' : ` (${known.join(', ')})`}, down to one that is given nothing, found ${quoted(named)}`, didYouMean(named, known)) };
    }
  },

  build(options, { g, input, tasks }) {
    const { outputs, gates = new Map() } = bottoms.build(options.bottom, { g, input, tasks: tasks.map(({ name }) => name) });
    const optionsOf = ({ name, given }: ModelTask): MlpOptions => towerOf({ tower: given === undefined ? options.ctrTower : options.cvrTower, towers: options.towers }, name);
    const logits = new Map(tasks.map((task) => [task, tower(g, outputs.get(task.name)!, optionsOf(task), `towers.${task.name}`)]));
    const terms = tasks.map((task): Term => {
      const chain = chainOf(task, tasks);
      if (chain === undefined) throw new Error('esmm: the tasks were not checked');
      const logit = chain.map((each): Value => logits.get(each)!).reduce((above, own) => g.productLogit(above, own));
      return { name: chain.length === 1 ? task.name : `ct${task.name}`, weight: task.weight, loss: g.binaryCrossEntropy(logit, task.labelValue, task.countedInChain) };
    });
    return { gates, predictions: new Map(tasks.map((task) => [task.name, g.activation(logits.get(task)!, 'sigmoid', `${task.name}.probability`)])), terms };
  },
});
