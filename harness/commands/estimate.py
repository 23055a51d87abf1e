"""`harness estimate`: how much memory a model takes, asked and trained, before anything is loaded."""

from __future__ import annotations

from harness.commands._options import takes
from harness.commands._results import Json
from harness.core.terminal import say_json
from harness.workflows.options.estimate import EstimateOptions


@takes(EstimateOptions)
def estimate(options: EstimateOptions, json: Json = False) -> None:
    """Weights, gradients, optimizer states and activations of each method, from the configuration.

    GB is 10⁹ bytes. The textbook's rule counts gradients and Adam states in the weights' format;
    the methods are counted as this harness allocates, with gradients and states in float32.

    Examples:

      harness estimate smollm2-135m-instruct --length 300

      harness estimate 13B

      harness estimate meta-llama/Llama-3.1-8B --length 2048 --gpu 24
    """
    from harness.workflows import estimate as workflow

    figures = workflow.from_options(options)
    if json:
        say_json(figures)
        return
    from harness.report.terminal.summary import print_estimate

    print_estimate(figures)
