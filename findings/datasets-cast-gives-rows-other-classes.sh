#!/usr/bin/env bash
# datasets 5.2.0. Seen 2026-11-30.
#
# Two files with the classes "negative" and "positive", numbered in another order, cannot be concatenated: "the features can't be
# aligned". `cast_column("label", ...)` and `cast(...)` to the other's features make them fit, and give every row of one file the opposite
# class: a cast between two ClassLabels keeps the numbers and changes the names. A cast from texts looks the names up, as one would expect of
# both. The same happens after `class_encode_column`, which numbers classes by the alphabet, when the order of a trained model is put in
# place by a cast. The number of rows, of classes and the schema are right; the labels train and score as their opposites.
# `align_labels_with_mapping` renumbers. A cast to a text column gives "0" and "1".
# No thread about the exchange of names was found; issue 8494 there (open) is about numbers out of range that the same cast lets through.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet datasets==5.2.0
cd "$folder"
HF_HUB_OFFLINE=1 HF_HOME="$folder/cache" venv/bin/python -W ignore - <<'PY'
from datasets import ClassLabel, Dataset, Value, concatenate_datasets, disable_progress_bars

disable_progress_bars()
TEXTS, NAMES = ["awful", "lovely"], ["negative", "positive"]
OTHER = ClassLabel(names=NAMES[::-1])
texts = Dataset.from_dict({"text": TEXTS, "label": NAMES})
numbered = texts.class_encode_column("label")


def classes(rows: Dataset) -> dict[str, str]:
    label = rows.features["label"]
    return {text: label.int2str(value) if hasattr(label, "int2str") else value for text, value in zip(rows["text"], rows["label"])}


try:
    concatenate_datasets([numbered, texts.cast_column("label", OTHER)])
    refused = False
except ValueError as error:
    refused = "can't be aligned" in str(error)
features = numbered.features.copy()
features["label"] = OTHER
right = dict(zip(TEXTS, NAMES))
seen = {
    "numbered": classes(numbered),
    "cast from texts": classes(texts.cast_column("label", OTHER)),
    "cast_column": classes(numbered.cast_column("label", OTHER)),
    "cast": classes(numbered.cast(features)),
    "align_labels_with_mapping": classes(numbered.align_labels_with_mapping({"positive": 0, "negative": 1}, "label")),
    "cast to text": classes(numbered.cast_column("label", Value("string"))),
}
for name, found in seen.items():
    print(f"{name:26} {found}")
assert refused
assert seen["numbered"] == seen["cast from texts"] == seen["align_labels_with_mapping"] == right
assert seen["cast_column"] == seen["cast"] == dict(zip(TEXTS, NAMES[::-1])), "a cast keeps the classes now"
assert list(seen["cast to text"].values()) == ["0", "1"]
PY
