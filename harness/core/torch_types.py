"""Type names for networks, their layers, tokenizers and configurations in signatures; does not import torch.

To type checkers a network is a `torch.nn.Module` some of whose attributes only the architecture knows: those
are `Any`, here and nowhere else. At run time the names are placeholders, so that rooms without torch can use them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import torch
    from torch import nn
    from transformers import PretrainedConfig, PreTrainedTokenizerFast

    class Layer(nn.Module):
        """A module of a network: its submodules and parameters depend on the architecture."""

        def __getattr__(self, name: str) -> Any: ...

        def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

        def __setattr__(self, name: str, value: Any) -> None: ...

        def modules(self, remove_duplicate: bool = True) -> Iterator[Layer]: ...

        def children(self) -> Iterator[Layer]: ...

        def named_modules(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, Layer]]: ...

        def get_submodule(self, target: str) -> Layer: ...

    class Network(Layer):
        """A language model of transformers, possibly with adapters of peft inside."""

        config: ModelConfig
        device: torch.device
        dtype: torch.dtype

    class ModelConfig(PretrainedConfig):
        """A transformers configuration; which fields it has depends on the architecture."""

        def __getattr__(self, name: str) -> Any: ...

        def __setattr__(self, name: str, value: Any) -> None: ...

        def get_text_config(self, *args: Any, **kwargs: Any) -> ModelConfig: ...

    class Tokenizer(PreTrainedTokenizerFast):
        """A fast tokenizer of transformers, whose special tokens depend on the model."""

        def __getattr__(self, name: str) -> Any: ...

        def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

    class GradientContext(torch.autograd.function.FunctionCtx):
        """What an autograd function hands from its forward to its backward pass."""

        saved_tensors: tuple[torch.Tensor, ...]
        needs_input_grad: tuple[bool, ...]
        scaling: float
        activation: Callable[[torch.Tensor], torch.Tensor]

else:
    Layer = Network = ModelConfig = Tokenizer = GradientContext = object
