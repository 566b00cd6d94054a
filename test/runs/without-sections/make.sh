#!/usr/bin/env bash
# Made this checkpoint with mtl as it was before a checkpoint's state had sections: make.sh CHECKOUT, at commit 1fc1494.
# Of a synthetic world, the columns that the config reads. Saved within the second epoch; its paths are made relative then.
set -e
here=$(cd "$(dirname "$0")" && pwd)
mtl="node $1/bin/mtl.js"
world=$(mktemp -d)
$mtl synth "$world" --train 120 --valid 60 --test 60 --users 12 --items 9 --click-rate 0.4 --purchase-rate 0.4
for split in train valid test; do cut -d, -f1-4,12 "$world/$split.csv" > "$here/$split.csv"; done
cd "$world"
$mtl train "$here/small.yaml" --run-dir run --set checkpoints.everySteps=1 --set checkpoints.keepLast=9 --set training.epochs=2
rm -rf "$here/run"
mkdir -p "$here/run/checkpoints"
cp -r run/checkpoints/step-00000005 "$here/run/checkpoints/"
cp run/config.source.yaml "$here/run/"
head -n 1 run/metrics.jsonl > "$here/run/metrics.jsonl"
node -e '
  const { readFileSync, writeFileSync } = require("node:fs");
  const { createHash } = require("node:crypto");
  const [folder, data] = process.argv.slice(1);
  const text = readFileSync(`${folder}/config.yaml`, "utf8").replaceAll(`${data}/`, "");
  writeFileSync(`${folder}/config.yaml`, text);
  const manifest = JSON.parse(readFileSync(`${folder}/manifest.json`, "utf8"));
  manifest.files["config.yaml"] = { bytes: Buffer.byteLength(text), sha256: createHash("sha256").update(text).digest("hex") };
  writeFileSync(`${folder}/manifest.json`, `${JSON.stringify(manifest, null, 2)}\n`);
' "$here/run/checkpoints/step-00000005" "$here"
rm -rf "$here/.mtl" "$world"
