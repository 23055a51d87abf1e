"""A gate as JUnit XML: a regression is a `failure`, what could not be judged an `error`.

An inconclusive check is a `failure` of type "inconclusive", or `skipped` where that is allowed.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

from harness.regress.gate import Gate, MustPass
from harness.regress.measure import Check
from harness.regress.wording import describe


def document(gate: Gate) -> str:
    """The XML text: one `testcase` per metric, per example that must pass, and per failed answer."""
    suite = ET.Element("testsuite", name=f"harness gate {gate.pin}")
    for check in gate.checks:
        _check(suite, check, allowed=gate.exit_code == 0)
    for item in gate.must_pass:
        _must_pass(suite, item)
    for id in gate.errors:
        case = ET.SubElement(suite, "testcase", classname="answers", name=id)
        ET.SubElement(case, "error", type="execution", message="the answer ended in an execution error")
    cases = list(suite)
    suite.set("tests", str(len(cases)))
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(name, str(sum(case.find(tag) is not None for case in cases)))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def write(gate: Gate, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document(gate), encoding="utf-8")


def _check(suite: ET.Element, check: Check, *, allowed: bool) -> None:
    case = ET.SubElement(suite, "testcase", classname="metrics", name=check.metric)
    said = describe(check)
    if check.state == "regression" or (check.state == "inconclusive" and not allowed):
        ET.SubElement(case, "failure", type=check.state, message=said)
    elif check.state == "error":
        ET.SubElement(case, "error", type="execution", message=said)
    elif check.state != "passed":
        ET.SubElement(case, "skipped", message=f"{check.state}: {said}")


def _must_pass(suite: ET.Element, item: MustPass) -> None:
    case = ET.SubElement(suite, "testcase", classname="must_pass", name=item.id)
    if item.state == "regression":
        said = f"scored {item.after}, pinned {item.before}; failure mode {item.failure}"
        ET.SubElement(case, "failure", type="regression", message=said)
    elif item.state == "error":
        ET.SubElement(case, "error", type="execution", message="no score")
