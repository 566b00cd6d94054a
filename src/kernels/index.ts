// Everything that the engine calls.
export { barrier, has, join, releaseTables, shareBegin, shareEnd, slotBegin, slotEnd, take } from './team';

/** Where memory is free: what lies below belongs to the module. */
export function heapBase(): usize {
  return __heap_base;
}
export { gemm, gemmGradient, transposePanels } from './gemm';
export { gemmBf16, gemmGradientBf16 } from './gemm-bf16';
export {
  activate, activateGradient, clear, copyColumns, dice, diceGradient, dotRows, dropout, multiply, prelu, preluGradient,
  scaleRows, softmax, softmaxGradient,
} from './elementwise';
export {
  diceSlopes, normalize, normalizeGradient, normalizeGradientSums, normalizeGradientTogether, normalizeRunning,
  normalizeSquares, normalizeSums, normalizeTogether, preluSlope,
} from './norm';
export { groupLogSumExp, groupLogSumExpGradient, groupPairs, groupPairsGradient, linkGroups, ownRows } from './groups';
export {
  affine, batchSum, batchSums, batchSumTogether, clip, clipGradient, columnProducts, crossEntropy, crossEntropyGradient,
  layerNorm, layerNormGradient, mapNumbers, mapNumbersGradient, productLogit, productLogitGradient, reciprocal,
  reciprocalGradient,
} from './maps';
export { columnSums } from './sums';
export { binaryCrossEntropy, checkFinite, countRows, mean, meanLoss, squaredError } from './losses';
export { expand, segmentMax, segmentMaxGradient, segmentSoftmax, segmentSoftmaxGradient, segmentSum, shiftItems } from './segments';
export { gatherBagGradients, lookupBags, poolingFactors } from './bags';
export { gatherGradients, lookup } from './tables';
export { accumulate, clipNorm, combine, products } from './reduce';
export { averageRows, averageWeights, exchangeRows, exchangeWeights } from './average';
export { noteNotFinite, refuseUnlessFinite, watchAll } from './finite';
export { adamDense, adamTable } from './optimizers/adam';
export { adagradDense, adagradTable } from './optimizers/adagrad';
export { ftrlDense, ftrlTable } from './optimizers/ftrl';
export { lambTable, lambTensor } from './optimizers/lamb';
export { rmspropDense, rmspropTable } from './optimizers/rmsprop';
export { rowWiseAdagradTable } from './optimizers/row-wise-adagrad';
export { sgdDense, sgdTable } from './optimizers/sgd';
