"""The validator against JSON Schema's public test suite.

python -m tests.schemas.suite FOLDER    # a checkout of json-schema-org/JSON-Schema-Test-Suite
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

from harness.core.errors import ConfigError
from harness.core.kinds import build
from harness.core.values import Parsed

DRAFTS = {
    "draft4": "http://json-schema.org/draft-04/schema#",
    "draft7": "http://json-schema.org/draft-07/schema#",
    "draft2020-12": "https://json-schema.org/draft/2020-12/schema",
}


def count(folder: Path) -> tuple[Counter[str], list[str]]:
    """How many tests ended how, and those that ended otherwise than the suite says."""
    outcomes, wrong = Counter[str](), []
    for draft, address in DRAFTS.items():
        for file in sorted((folder / "tests" / draft).glob("*.json")):
            for group in json.loads(file.read_text(encoding="utf-8")):
                if isinstance(group["schema"], bool):
                    outcomes["a schema that is only true or false"] += len(group["tests"])
                    continue
                schema = {"$schema": address, **group["schema"]}
                try:
                    form = build("formats", {"kind": "json_schema", "schema": schema})
                except ConfigError as error:
                    reason = "another document" if "self-contained" in str(error) else str(error)[:120]
                    outcomes[f"refused: {reason}"] += len(group["tests"])
                    continue
                for test in group["tests"]:
                    right = isinstance(form.parse(json.dumps(test["data"])), Parsed) == test["valid"]
                    outcomes["as the suite says" if right else "otherwise"] += 1
                    if not right:
                        wrong.append(f"{draft}/{file.name}: {group['description']}: {test['description']}")
    return outcomes, wrong


if __name__ == "__main__":
    totals, others = count(Path(sys.argv[1]))
    print(*others, *(f"{number:6} {name}" for name, number in totals.most_common()), sep="\n")
