// Figures of labeled rows, from their definitions in float64, and labels that are drawn from predictions.

/** Predictions of a row. */
export type Predicted = Readonly<Record<'ctr' | 'cvr' | 'ctcvr', number>>;
export type Labels = readonly { readonly click: number; readonly purchase: number }[];
/** A row of an output: its label and its prediction. */
export type Scored = readonly [label: number, prediction: number];

/** A generator with a fixed seed (Park & Miller 1988). */
export function createUniform(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

/** Draws labels by probabilities. */
export function drawLabels(predictions: readonly Predicted[], uniform: () => number): Labels {
  return predictions.map(({ ctr, cvr }) => {
    const click = Number(uniform() < ctr);
    return { click, purchase: click * Number(uniform() < cvr) };
  });
}

/** Lists the rows on which an output is measured. */
export function scored(
  answers: readonly (readonly [readonly Predicted[], Labels])[],
  output: keyof Predicted,
): Scored[] {
  return answers.flatMap(([predictions, labels]) =>
    labels.flatMap(({ click, purchase }, row): Scored[] =>
      output === 'cvr' && click === 0 ? [] : [[output === 'ctr' ? click : purchase, predictions[row]![output]]],
    ),
  );
}

export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
export const rowLoss = ([label, p]: Scored): number => -Math.log(label === 1 ? p : 1 - p);
export const standardError = (values: readonly number[]): number => {
  const center = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - center) ** 2, 0) / (values.length - 1) / values.length);
};

/** Computes the figures of rows. */
export function computeFigures(rows: readonly Scored[]) {
  const [positives, negatives] = [1, 0].map((class_) => rows.filter(([label]) => label === class_).map(([, p]) => p));
  const wins = positives!.flatMap((p) => negatives!.map((n) => (p > n ? 1 : p === n ? 0.5 : 0)));
  const meanLabel = mean(rows.map(([label]) => label));
  const meanPrediction = mean(rows.map(([, p]) => p));
  return {
    rows: rows.length,
    meanLabel,
    meanPrediction,
    auc: mean(wins),
    logLoss: mean(rows.map(rowLoss)),
    pcoc: meanPrediction / meanLabel,
  };
}
