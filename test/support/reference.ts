export function logLoss(labels: ArrayLike<number>, probabilities: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < labels.length; i++)
    sum -= labels[i] === 1 ? Math.log(probabilities[i]!) : Math.log(1 - probabilities[i]!);
  return sum / labels.length;
}
