import { workerData } from 'node:worker_threads';
import { answerWith } from '../../system/thread.js';
import { createPieceEncoder, type EncodeRequest, type EncoderSpec } from './encode-piece.js';
import { encodedFormat, rowFormatOf } from '../rows/row-format.js';

// A thread that encodes pieces of plain rows.

// Given by `createEncoders`.
const { shape, spec, fitted, kept } = workerData as EncoderSpec;
const encode = createPieceEncoder(shape, encodedFormat(rowFormatOf(spec), fitted), kept);

answerWith((request) => {
  if (request === undefined) return { result: 'ready' };
  const result = encode(request as EncodeRequest);
  return { result, transfer: [result.packed] };
});
