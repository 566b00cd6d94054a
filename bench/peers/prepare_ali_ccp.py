"""What a Python script does with the raw files of Ali-CCP, in the manner of those that come with recommender libraries:
one process, a dict a row that keeps the last value of a field, vocabularies of ids with at least ten occurrences, a CSV.

usage: prepare_ali_ccp.py RAW_FOLDER OUT_FOLDER; prints JSON: seconds of parsing alone, and of all of it
"""

import json
import os
import sys
import time
from collections import Counter

FIELDS = "101 121 122 124 125 126 127 128 129 205 206 207 216 508 509 702 853 301 109_14 110_14 127_14 150_14".split()


def features(text):
    """Field to id; a field with several ids keeps the last."""
    row = {}
    for feature in text.split("\x01"):
        field, _, rest = feature.partition("\x02")
        row[field] = rest.partition("\x03")[0]
    return row


def common_rows(path):
    with open(path, encoding="latin1") as lines:
        for line in lines:
            index, _, text = line.rstrip("\n").split(",")
            yield index, features(text)


def skeleton_rows(path):
    with open(path, encoding="latin1") as lines:
        for line in lines:
            _, click, purchase, index, _, text = line.rstrip("\n").split(",")
            yield click, purchase, index, features(text)


def parse(raw, split):
    for _ in common_rows(f"{raw}/common_features_{split}.csv"):
        pass
    for _ in skeleton_rows(f"{raw}/sample_skeleton_{split}.csv"):
        pass


def joined(raw, split):
    common = dict(common_rows(f"{raw}/common_features_{split}.csv"))
    for click, purchase, index, row in skeleton_rows(f"{raw}/sample_skeleton_{split}.csv"):
        if purchase == "1" and click == "0":
            continue
        row.update(common[index])
        yield click, purchase, [row.get(field, "0") for field in FIELDS]


def prepare(raw, out):
    os.makedirs(out, exist_ok=True)
    counts = [Counter() for _ in FIELDS]
    for split in ("train", "test"):
        with open(f"{out}/{split}.tmp", "w") as file:
            for click, purchase, ids in joined(raw, split):
                if split == "train":
                    for counter, id in zip(counts, ids):
                        counter[id] += 1
                file.write(",".join([click, purchase, *ids]) + "\n")
    vocabularies = [{id: i + 1 for i, id in enumerate(id for id, count in counter.items() if count >= 10)} for counter in counts]
    for split in ("train", "test"):
        with open(f"{out}/{split}.tmp") as lines, open(f"{out}/{split}.csv", "w") as file:
            file.write(",".join(["click", "purchase", *FIELDS]) + "\n")
            for line in lines:
                click, purchase, *ids = line.rstrip("\n").split(",")
                file.write(",".join([click, purchase, *(str(v.get(id, 0)) for v, id in zip(vocabularies, ids))]) + "\n")
        os.remove(f"{out}/{split}.tmp")


if __name__ == "__main__":
    raw, out = sys.argv[1:]
    start = time.perf_counter()
    for split in ("train", "test"):
        parse(raw, split)
    parsed = time.perf_counter()
    prepare(raw, out)
    print(json.dumps({"python": sys.version.split()[0], "parseSeconds": parsed - start, "prepareSeconds": time.perf_counter() - parsed}))
