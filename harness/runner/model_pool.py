"""Models and engines of one process: a base is loaded once and shared by cells, those that train adapters included.

Only a training that changes the base's own weights uses it up: the next cell that needs it loads it again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.json_types import JsonObject
from harness.core.keys import digest
from harness.core.kinds import build
from harness.core.protocols import TEMPLATE_DATE, Engine, LanguageModel
from harness.core.recipes import Recipe
from harness.core.secrets import refuse_in_model
from harness.runner import environment
from harness.runner.peak_memory import release

if TYPE_CHECKING:
    from harness.engines.hf.prefix_memory import PrefixMemory


@dataclass
class _Held:
    """A loaded base. `prefixes` is what it has computed of prompts, `loaded` its parameters as they were loaded: their names
    and whether they had gradients, `lent` whether adapters may be in it."""

    key: str
    model: LanguageModel
    prefixes: PrefixMemory
    loaded: dict[str, bool] = field(init=False)
    lent: bool = False

    def __post_init__(self) -> None:
        self.loaded = {name: p.requires_grad for name, p in self.model.network.named_parameters()}

    def lend(self) -> None:
        """Give it to a training that puts adapters into it; what was computed before makes room for it."""
        self.prefixes.clear()
        self.lent = True

    def take_back(self) -> bool:
        """Make it what it was when it was loaded, bit for bit (`tests/contract/test_weights.py`); False if what a
        training put into it cannot be taken out."""
        from harness.models.layers import adapters

        if not self.lent:
            return True
        network = self.model.network
        adapters.detach(network)
        parameters = dict(network.named_parameters())
        if list(parameters) != list(self.loaded):
            return False
        for name, parameter in parameters.items():
            parameter.requires_grad_(self.loaded[name])
            parameter.grad = None
        network.eval()
        self.prefixes.clear()
        self.lent = False
        return True


class ModelPool:
    """Opens engines; `cache` is the folder of remembered answers, or None to generate every time."""

    def __init__(self, cache: Path | None) -> None:
        self.cache = cache
        self._held: _Held | None = None

    def base(self, spec: str, recipe: Recipe, *, fresh: bool = False) -> LanguageModel:
        """The recipe's base model, untrained; `fresh` is one that the recipe's training may change. It is in use until
        the next call."""
        key = digest([spec, recipe.base.identity()])
        held = self._held
        if held is None or held.key != key or not held.take_back():
            held = None  # a reference would keep it in memory while the next one is loaded
            self.discard()
            held = self._held = _hold(key, recipe.base.load(spec))
        if fresh and leaves_base(recipe) and not _trained_by_several():
            held.lend()
        elif fresh:
            self._held = None
        return held.model

    def asked(self, spec: str, recipe: Recipe, *, fresh: bool = False) -> LanguageModel:
        """`base`, its chat template configured as the recipe's program says."""
        model, program = self.base(spec, recipe, fresh=fresh), recipe.program
        if program.thinking is None and program.template_date == TEMPLATE_DATE:
            return model
        return replace(model, chat=model.chat.configured(bool(program.thinking), program.template_date))

    def discard(self) -> None:
        """Drop the held base to free its memory for the next."""
        self._held = None
        release()

    def engine(self, model: LanguageModel, identity: str) -> Engine:
        """An engine over a loaded model; `identity` says which weights answer.

        Answers are remembered with the library versions, the number format and the class of device that
        gave them: each of these can change an answer.
        """
        from harness.engines.engine_for import local

        network = model.network
        device = getattr(getattr(network, "device", None), "type", None)
        gave = [environment.answering(), environment.computed_in(network), device, *model.chat.settings]
        engine = local(model, prefixes=self._prefixes(model))
        return self.remembering(engine, digest([identity, gave]))

    def _prefixes(self, model: LanguageModel) -> PrefixMemory | None:
        """What the held base remembers of prompts, if it is what answers."""
        held = self._held
        return held.prefixes if held and not held.lent and held.model.network is model.network else None

    def plain(self, spec: str, recipe: Recipe) -> Engine:
        """The engine of a model as it stands, loaded here or served, whatever base `recipe` has."""
        if is_server(spec):
            return self.server(spec)
        unchanged = replace(recipe, base=build("base", "plain"))
        return self.engine(self.base(spec, unchanged), digest([fingerprint(spec), unchanged.base.identity()]))

    def server(self, spec: str) -> Engine:
        """The engine of a model that is asked but not loaded: `openai:NAME@URL` or `fake`."""
        if spec.startswith("openai:"):
            from harness.engines import served
            from harness.engines.openai import OpenAIEngine

            return self.remembering(OpenAIEngine(spec), served.identity(spec))
        from harness.engines.fake import FakeEngine

        return FakeEngine(spec.partition(":")[2] or "fake")

    def remembering(self, engine: Engine, identity: str) -> Engine:
        if self.cache is None:
            return engine
        from harness.engines.answer_cache import CachedEngine

        return CachedEngine(engine, self.cache, identity)


def leaves_base(recipe: Recipe) -> bool:
    """Whether the base is what it was once the recipe's training is taken out again. Of several stages, one may merge
    what another has added."""
    return len(recipe.weights) == 1 and not recipe.weights[0].alters_base


def _hold(key: str, model: LanguageModel) -> _Held:
    from harness.engines.hf.prefix_memory import PrefixMemory
    from harness.models.remembering_chat import RememberingChat

    return _Held(key, replace(model, chat=RememberingChat(model.chat)), PrefixMemory())


def _trained_by_several() -> bool:
    """Whether other processes help to train: they leave the network in parts of their own."""
    from harness.training.distributed import started

    return started() > 1


def is_server(spec: str) -> bool:
    """Whether a model is asked over a wire (or faked) instead of loaded here."""
    return spec.startswith("openai:") or spec == "fake" or spec.startswith("fake:")


def served(spec: str) -> JsonObject | None:
    """What a server says about the model that answers, for a run's record; None for a model that is loaded here."""
    if not spec.startswith("openai:"):
        return None
    from harness.engines import served as servers

    return servers.known(spec).to_json()


def forget_servers() -> None:
    """A new command asks every server anew which model it serves."""
    from harness.engines import served as servers

    servers.forget()


def fingerprint(spec: str) -> str:
    """What identifies a model: its files; for a server, its address and what it says about the model, which
    takes a request.

    Raises:
        ConfigError: no such model, or a secret in a server's address.
    """
    if spec.startswith("openai:"):
        refuse_in_model(spec)
        from harness.engines import served

        served.ask(spec)
        return digest(["server", served.identity(spec)])
    if is_server(spec):
        return digest(["server", spec.partition("#")[0]])
    from harness.models.fingerprint import fingerprint as of_files

    return of_files(spec)
