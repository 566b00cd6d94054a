#!/bin/sh
# A sweep as a plain loop: every combination is an ordinary run, and mtl runs gathers what came of them.
# usage: sweeps/sweep.sh [CONFIG]
set -eu
config=${1:-configs/esmm.yaml}
for rate in 0.001 0.004; do
  for size in 256 512; do
    npx mtl train "$config" --name "loop-$rate-$size" --set training.optimizer.dense.learningRate=$rate --set training.batchSize=$size
  done
done
# The best first, as tab-separated values.
npx mtl runs /loop- --sort valid.ctcvr.auc --json | node -e '
  const { runs } = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
  for (const { run, metrics, changes } of runs) console.log([metrics.valid.ctcvr.auc.toFixed(4), run, ...changes].join("\t"));
'
