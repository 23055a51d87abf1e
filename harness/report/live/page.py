"""The page around the report so far: what every cell is doing, loss, answers as they arrive, the verdict with
its intervals."""

from __future__ import annotations

from functools import cache
from importlib import resources

from markupsafe import Markup

from harness.report.html import page as report_page

PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{{ name }} · live</title>
<link rel="icon" href="data:,">
<style>{{ css }}</style>
</head>
<body class="live">
<header class="top"><div class="bar">
<h1 class="brand"><b>harness</b> <span>{{ name }}</span></h1>
<span id="state" role="status">connecting</span>
<button id="stop" type="button" hidden>Stop</button>
</div></header>
<main>
<section id="live-verdict" aria-label="Verdict so far"><p class="soft">The verdict so far appears once
two recipes can be compared.</p></section>
<section aria-label="Progress"><progress id="whole" max="1" value="0" aria-label="All cells"></progress>
<div class="scroll"><table id="cells"><thead><tr><th>recipe</th><th>state</th><th>answers</th><th>training</th><th>result</th>
<th><span class="unseen">skip</span></th></tr></thead><tbody></tbody></table></div>
<p id="so-far" class="soft" hidden>A score so far has no interval: short answers finish first, and prompts with the same beginning are
asked together, so the first answers are not a random sample of the test set. A recipe counts toward the verdict once it has all its
answers; with <code>--stop-when-sure</code>, after each round, because rounds are drawn at random.</p></section>
<section id="loss" aria-label="Training loss" hidden><h2>Training loss</h2><div class="multiples"></div></section>
<section id="answers" aria-label="Latest answers" hidden><h2>Latest answers</h2><div class="scroll"><table><thead><tr>
<th>recipe</th><th>example</th><th>answer</th><th>target</th><th>score</th></tr></thead><tbody></tbody></table></div></section>
<section id="report" aria-label="Report so far" hidden><h2>Report so far</h2>
<iframe id="frame" title="Report so far"></iframe></section>
</main>
<script>{{ js }}</script>
</body>
</html>
"""


@cache
def _asset(name: str) -> str:
    return (resources.files("harness.report.live") / "assets" / name).read_text(encoding="utf-8").strip()


def _css() -> str:
    return report_page.asset("css") + "\n" + _asset("live.css")


def live(name: str) -> str:
    """The page of a running experiment."""
    return str(report_page.html(PAGE, name=name, css=Markup(_css()), js=Markup(_asset("live.js"))))


def live_policy() -> str:
    """Its own style and script, its own server, the report so far in a frame; nothing else."""
    own = report_page.policy(_css(), _asset("live.js"))
    return f"{own}; connect-src 'self'; frame-src 'self'; frame-ancestors 'none'"


def report_policy() -> str:
    """The policy for a report that the harness wrote: even if a foreign file claims to be one, no other
    script runs."""
    own = report_page.policy(report_page.asset("css"), report_page.asset("js"))
    return f"{own}; frame-ancestors 'self'"
