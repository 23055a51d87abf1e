"""Models and engines of one process: an untrained base is loaded once and shared by cells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.core.json_types import JsonObject
from harness.core.keys import digest
from harness.core.kinds import build
from harness.core.protocols import TEMPLATE_DATE, Engine, LanguageModel
from harness.core.recipes import Recipe
from harness.core.secrets import refuse_in_model
from harness.runner import environment
from harness.runner.peak_memory import release


class ModelPool:
    """Opens engines; `cache` is the folder of remembered answers, or None to generate every time."""

    def __init__(self, cache: Path | None) -> None:
        self.cache = cache
        self._held: tuple[str, LanguageModel] | None = None

    def base(self, spec: str, recipe: Recipe, *, fresh: bool = False) -> LanguageModel:
        """The recipe's base model; `fresh` loads one that training may change."""
        key = digest([spec, recipe.base.identity()])
        if not fresh and self._held is not None and self._held[0] == key:
            return self._held[1]
        self.discard()
        model: LanguageModel = recipe.base.load(spec)
        if not fresh:
            self._held = (key, model)
        return model

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
        return self.remembering(local(model), digest([identity, gave]))

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
