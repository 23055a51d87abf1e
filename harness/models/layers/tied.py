"""Input embeddings and output layer that are one matrix: an adapter on either end makes them two."""

from __future__ import annotations

from harness.core.errors import ConfigError
from harness.core.torch_types import Layer, ModelConfig, Network
from harness.models.layers import plain_layers


def adapted(network: Network) -> bool:
    """Whether the two ends share one matrix and an adapter changes one of them, or adapters change each
    differently."""
    ends = _ends(network)
    if len(ends) < 2:
        return False
    weights = [plain_layers.innermost(end).weight for end in ends]
    return weights[0] is weights[1] and any(plain_layers.wrappers(end) for end in ends)


def untie(network: Network) -> None:
    """Give an adapted end a matrix of its own, so that merging changes that end alone."""
    from torch import nn

    if not adapted(network):
        return
    for end in _ends(network):
        base = plain_layers.innermost(end)
        if plain_layers.wrappers(end):
            base.weight = nn.Parameter(base.weight.detach().clone(), requires_grad=base.weight.requires_grad)
    mark(network.config)


def mark(configuration: ModelConfig) -> None:
    """State in a configuration that the two ends are two matrices."""
    for part in {id(one): one for one in (configuration, configuration.get_text_config())}.values():
        part.tie_word_embeddings = False


def refuse_others(network: Network) -> None:
    """Reject adapters on a weight that other layers share, unless these are the two ends.

    Raises:
        ConfigError: no configuration can say that such layers differ.
    """
    ends = {id(plain_layers.innermost(end)) for end in _ends(network)}
    users: dict[int, list[int]] = {}
    for _, module in network.named_modules(remove_duplicate=True):
        for parameter in module.parameters(recurse=False):
            users.setdefault(id(parameter), []).append(id(module))
    for path, layer in plain_layers.adapted(network):
        base = plain_layers.innermost(layer)
        for parameter in base.parameters(recurse=False):
            others = [user for user in users[id(parameter)] if user != id(base)]
            if others and not {id(base), *others} <= ends:
                raise ConfigError(
                    f"'{path}' shares its weight with other layers, so an adapter on it cannot be exported",
                    remedy="leave it out of target_modules",
                )


def _ends(network: Network) -> list[Layer]:
    ends = [network.get_input_embeddings(), network.get_output_embeddings()]
    return [end for end in ends if end is not None and hasattr(plain_layers.innermost(end), "weight")]
