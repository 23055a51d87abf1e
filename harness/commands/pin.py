"""`harness pin`: a run becomes the committed reference that later runs are held against."""

from __future__ import annotations

from harness.commands._options import takes
from harness.commands._results import Json
from harness.core.terminal import say, say_json
from harness.workflows.options.pin import PinOptions


@takes(PinOptions)
def pin(options: PinOptions, json: Json = False) -> None:
    """Write a run's per-example scores, hashes, versions and environment to baselines/pins/NAME.json.

    Example:

      harness pin support_tickets-lora-smollm2-135m-instruct-s0 --as tickets
    """
    from harness.workflows import pin as workflow

    done = workflow.from_options(options)
    if json:
        say_json(done.to_json())
        return
    count, size = len(done.snapshot.samples), done.file.stat().st_size / 1024
    say(f"{done.file}: {done.snapshot.name}, {count} examples, {size:.0f} kB; commit it")
    if done.lacks_noise_floor:
        say(
            "note: training varies from seed to seed, and for this recipe it is not known by how much: "
            "gates will be provisional. Run the recipe with --seeds 3 and pin again, or gate with --aa 3"
        )
