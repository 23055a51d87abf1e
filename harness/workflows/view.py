"""The live page of an experiment that is running, was interrupted, or has ended."""

from __future__ import annotations

from harness.core.errors import ConfigError
from harness.report.live import opening
from harness.results import live
from harness.workflows.options.view import ViewOptions


def from_options(options: ViewOptions) -> None:
    """Serve the page until Ctrl-C.

    Raises:
        ConfigError: no such experiment, a port that is taken, or a package that is missing.
    """
    opening.check()
    from harness.report.live import server
    from harness.report.live.watch import Watch

    name = live.choose(options.results_path, options.experiment)
    try:
        listening = server.bind(options.port)
    except OSError as error:
        raise ConfigError(
            f"port {options.port} cannot be used: {error.strerror}",
            remedy="leave out --port, or name another",
        ) from None
    token = server.new_token()
    opening.announce(server.address(listening.getsockname()[1], token))
    try:
        server.LiveServer(Watch(options.results_path, name), token).run(listening)
    except KeyboardInterrupt:
        return
