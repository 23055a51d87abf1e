"""Money: each method's price with the user's own prices, and where finetuning breaks even."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from harness.evidence.cost import Method
from harness.report.data import ReportData
from harness.report.html import components
from harness.report.html.page import html
from harness.results.billing import Bill

ORDER = 35
TITLE = "Money"

_SENTENCES = (
    """<ul class="notes">{% for item in bill.break_evens %}<li>{{ item.sentence }}</li>{% endfor %}</ul>"""
)


@dataclass(frozen=True)
class Info:
    bills: tuple[Bill, ...]


def collect(data: ReportData) -> Info | None:
    return Info(data.bills) if data.bills else None


def render(info: Info) -> Markup:
    return components.groups([(f"{bill.task} · {bill.model}", _one(bill)) for bill in info.bills])


def _one(bill: Bill) -> Markup:
    columns = (
        ("recipe", ""),
        ("once", "GPU time to train, and labels"),
        ("a month", "hosting own weights"),
        ("per 1,000 answers", "tokens in and out"),
    )
    rows = [_row(method) for method in bill.methods]
    content = components.Table(caption="Cost with your prices", columns=columns, rows=rows, sortable=True)
    return components.table(content) + html(_SENTENCES, bill=bill)


def _row(method: Method) -> list[components.TableCell]:
    amounts = (method.once, method.monthly, method.per_thousand)
    cells = [components.number(f"{amount:,.4g} {method.currency}", amount) for amount in amounts]
    return [components.TableCell(text=method.recipe), *cells]
