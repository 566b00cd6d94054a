// What the thread that speaks HTTP and those that predict tell each other. Bodies are read where rows are predicted:
// the former has
// enough to do.

import type { CountsByColumn } from '../data/rows/observe-cells.js';
import type { OnMissing } from '../data/rows/object-rows.js';

/** How rows are written: as JSON objects, or as tensors of the Open Inference Protocol. */
export type Form = 'rows' | 'tensors';

/** What a request says of its body. */
export interface BodyKind {
  readonly form: Form;
  /** Whether a bad row is an error, or is answered without a prediction. */
  readonly onBadRow: 'error' | 'skip';
  /** Treatment of columns that a request does not have. */
  readonly onMissing: OnMissing;
  /** Bytes of JSON at its beginning, where tensors follow in binary. */
  readonly jsonBytes?: number | undefined;
}

/** The body of one request among those of a bundle. */
export interface BundledBody extends BodyKind {
  readonly begin: number;
  readonly end: number;
}

/** Requests that go to a thread together, so that their rows are predicted at once. */
export interface Bundle {
  readonly bytes: Uint8Array;
  readonly bodies: readonly BundledBody[];
}

/** What a request is answered with. */
export interface Answered {
  /** Of HTTP. */
  readonly status: number;
  readonly body: string | Uint8Array;
  /** Bytes of JSON at the beginning of the body, where tensors follow in binary. */
  readonly jsonBytes?: number | undefined;
  /** Rows that were predicted. */
  readonly rows: number;
  /** What nobody foresaw, for whoever keeps the server. */
  readonly bug?: string | undefined;
}

/** The answers to a bundle, in the order of its bodies. */
export interface AnsweredBundle {
  readonly answers: readonly Answered[];
  readonly counts: CountsByColumn;
}

/** What a thread must know that predicts. */
export interface PredictorSpec {
  /** Of the checkpoint. */
  readonly folder: string;
  /** What the model is called; what its config says where it is left out. */
  readonly name: string | undefined;
  readonly limits: BodyLimits;
  /** Whether the model's own predictions are answered, not as they are calibrated. */
  readonly raw?: boolean | undefined;
}

/** What a request may ask for at the most. */
export interface BodyLimits {
  /** Of a body, also once it is unpacked. */
  readonly bytes: number;
  readonly rows: number;
}

/** What a thread says of its model once it is loaded. */
export interface ModelFacts {
  readonly name: string;
  /** The optimizer steps behind its weights, as text. */
  readonly version: string;
  /** The folder of its checkpoint. */
  readonly checkpoint: string;
  readonly inputs: readonly { readonly name: string; readonly holds: 'id' | 'text' | 'number' | 'bag' | 'vector' }[];
  readonly outputs: readonly string[];
}

/** Requests that a model answered since the server started. */
export interface ModelStatistics {
  readonly rows: number;
  readonly bundles: number;
  /** Time of the last answer with predictions, in milliseconds since the epoch; 0 for none. */
  readonly lastMs: number;
  readonly success: { readonly count: number; readonly seconds: number };
  readonly fail: { readonly count: number; readonly seconds: number };
}

/** Puts bodies one behind the other, into memory that can move to another thread. */
export function packRequests(requests: readonly { readonly body: Uint8Array; readonly kind: BodyKind }[]): Bundle {
  const bytes = new Uint8Array(requests.reduce((sum, { body }) => sum + body.length, 0));
  let end = 0;
  const bodies = requests.map(({ body, kind }): BundledBody => {
    bytes.set(body, end);
    const begin = end;
    end += body.length;
    return { ...kind, begin, end };
  });
  return { bytes, bodies };
}
