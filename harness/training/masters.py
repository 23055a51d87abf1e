"""Float32 master weights of the parameters that are trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


class Master:
    """The float32 value of a parameter: the parameter itself, or a copy if the parameter has another number format.

    `variable` is what an optimizer updates; then `end` is called.
    """

    def __init__(self, parameter: torch.nn.Parameter) -> None:
        import torch

        self.parameter = parameter
        self.variable = (
            parameter if parameter.dtype == torch.float32 else torch.nn.Parameter(parameter.detach().float())
        )

    @property
    def size(self) -> int:
        """Numbers in it."""
        return self.parameter.numel()

    def value(self) -> torch.Tensor:
        """The current value; not to be modified."""
        return self.variable.detach()

    def assign(self, value: torch.Tensor) -> None:
        """Set the value, and the parameter to it."""
        self.variable.detach().copy_(value)
        self.end()

    def end(self) -> None:
        """Set the value, and the parameter, to what `variable` has become."""
        if self.variable is not self.parameter:
            self.parameter.detach().copy_(self.variable.detach())
