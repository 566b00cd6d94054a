import { Document, isScalar, isSeq, visit } from 'yaml';
import type { Experiment } from './experiment.js';

/** Formats a resolved config as YAML that loads back to an equal config. Lists of scalars are on one line. */
export function dumpConfig(experiment: Experiment): string {
  const document = new Document(experiment);
  visit(document, {
    Seq: (_, node) => {
      if (isSeq(node) && node.items.every(isScalar)) node.flow = true;
    },
  });
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}
