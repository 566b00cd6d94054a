import { checkFunnel, funnelEmbeddingParts, buildFunnel, funnelOptions } from './funnel.js';
import { defineModel } from './model.js';

/**
 * Entire Space Multi-Task Model (Ma et al. 2018, https://arxiv.org/abs/1804.07931): a tower for the click and one for
 * every conversion. A conversion trains over all rows through the product of all probabilities that lead to it. The
 * paper has one conversion; the product extends to chains of any length and to several conversions per click.
 */
export const esmm = defineModel({
  name: 'esmm',
  summary: 'Entire Space Multi-Task Model: conversion trained through click and purchase over all rows',
  options: () => funnelOptions,
  checkTasks: (tasks, options) => checkFunnel('esmm', tasks, options),
  embeddingParts: funnelEmbeddingParts,

  build(options, context) {
    const { gates, predictions, clicks, products, distilled } = buildFunnel(context, options);
    return { gates, predictions, terms: [...clicks, ...products, ...distilled] };
  },
});
