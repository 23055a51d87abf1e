"""A gate as JUnit XML: a regression is a `failure`; a metric that could not be judged is an `error`.

An inconclusive check is a `failure` of type "inconclusive", or `skipped` if that is allowed.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from harness.regression.examples import ExampleChanges
from harness.regression.gate import Gate, MustPass
from harness.regression.gate_text import describe
from harness.regression.metric_check import MetricCheck

_ILLEGAL = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


def document(gate: Gate) -> str:
    """The XML text: one `testcase` per metric, per example that must pass, and per failed answer."""
    suite = _suite(gate.pin)
    if gate.recipes is not None:
        case = ET.SubElement(suite, "testcase", classname="run", name="recipes")
        ET.SubElement(case, "system-out").text = _legal(gate.recipes.sentence)
    for check in gate.checks:
        _check(suite, check, gate)
    for item in gate.must_pass:
        _must_pass(suite, item)
    for what, ids in gate.examples.lines():
        _examples(suite, what, ids, gate)
    for id in gate.errors:
        case = ET.SubElement(suite, "testcase", classname="answers", name=_legal(id))
        ET.SubElement(case, "error", type="execution", message="the answer ended in an execution error")
    return _finished(suite)


def _examples(suite: ET.Element, what: str, ids: tuple[str, ...], gate: Gate) -> None:
    """One case for all examples with one status: an error if it keeps the gate from passing."""
    case = ET.SubElement(suite, "testcase", classname="examples", name=what)
    text = _legal(f"{len(ids)} examples: {', '.join(ids)}")
    judged = what not in ExampleChanges.UNJUDGED or gate.allow_missing
    if judged:
        ET.SubElement(case, "system-out").text = text
    else:
        ET.SubElement(case, "error", type="examples", message=text)


def of_error(run: str, pin: str, error: Exception) -> str:
    """The XML text of a gate without a verdict, because the run failed: one `error`."""
    suite = _suite(pin)
    case = ET.SubElement(suite, "testcase", classname="run", name=_legal(run))
    ET.SubElement(case, "error", type=type(error).__name__, message=_legal(str(error)))
    return _finished(suite)


def _suite(pin: str) -> ET.Element:
    return ET.Element("testsuite", name=_legal(f"harness gate {pin}"))


def _finished(suite: ET.Element) -> str:
    cases = list(suite)
    suite.set("tests", str(len(cases)))
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(name, str(sum(case.find(tag) is not None for case in cases)))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _legal(text: str) -> str:
    """Text without the characters that XML 1.0 cannot hold, not even escaped."""
    return _ILLEGAL.sub("\ufffd", text)


def _check(suite: ET.Element, check: MetricCheck, gate: Gate) -> None:
    case = ET.SubElement(suite, "testcase", classname="metrics", name=_legal(check.metric))
    text, allowed = _legal(describe(check, gate.recipes)), gate.exit_code == 0
    if check.state == "regression" or (check.state == "inconclusive" and not allowed):
        ET.SubElement(case, "failure", type=check.state, message=text)
    elif check.state == "error":
        ET.SubElement(case, "error", type="execution", message=text)
    elif check.state != "passed":
        ET.SubElement(case, "skipped", message=f"{check.state}: {text}")


def _must_pass(suite: ET.Element, item: MustPass) -> None:
    case = ET.SubElement(suite, "testcase", classname="must_pass", name=_legal(item.id))
    if item.state == "regression":
        message = f"scored {item.after}, pinned {item.before}; failure mode {item.failure}"
        ET.SubElement(case, "failure", type="regression", message=message)
    elif item.state == "error":
        ET.SubElement(case, "error", type="execution", message="no score")
