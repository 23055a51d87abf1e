"""Our engine as an lm-eval model. Importing this module imports lm-eval, so import it late.

Texts become tokens exactly as in lm-eval's own `hf` model: where a BOS goes, how whitespace moves
from a context into its continuation (both inherited), and how long inputs are truncated on the left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from lm_eval.api.instance import Instance
from lm_eval.api.model import TemplateLM
from lm_eval.models.utils import (
    handle_stop_sequences,
    has_bos_prefix,
    normalize_gen_kwargs,
    postprocess_generated_text,
)
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from harness.benchmarks.completion_chat import RawChat
from harness.core.errors import ConfigError, EngineError
from harness.core.values import Completion, Request
from harness.models import chat_template

CHUNK = 256
"""Requests between two progress reports; the answers of a finished chunk survive a kill."""

Pair = tuple[list[int], list[int]]


class Answering(Protocol):
    """What lm-eval asks of an engine."""

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion]]: ...

    def loglikelihoods(
        self, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]
    ) -> list[tuple[float, bool]]: ...


class EngineLM(TemplateLM):
    """`lm_eval.api.model.LM` over an engine whose model speaks through a `RawChat`.

    `max_length` is in tokens. `progress(kind, done, total)` is called after every chunk.
    """

    backend = "causal"

    def __init__(
        self,
        engine: Answering,
        chat: RawChat,
        max_length: int,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> None:
        super().__init__()
        self.engine, self.max_length = engine, max_length
        self.tokenizer = chat.tokenizer
        self.max_gen_toks = 256
        self._progress = progress or (lambda *_: None)
        self._encoded: dict[str, list[int]] = {}

    @property
    def eot_token_id(self) -> int:
        return int(self.tokenizer.eos_token_id)

    @property
    def prefix_token_id(self) -> int:
        """Precedes a text that has no context."""
        bos = self.tokenizer.bos_token_id
        return self.eot_token_id if bos is None else int(bos)

    @property
    def tokenizer_name(self) -> str:
        return str(self.tokenizer.name_or_path).replace("/", "__")

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **kwargs: object) -> list[int]:
        """Token ids; without `add_special_tokens` a BOS is added if the tokenizer does so and the
        text does not start with one."""
        if add_special_tokens is None and string in self._encoded:
            return self._encoded[string]
        special = self._special(string) if add_special_tokens is None else add_special_tokens
        return list(self.tokenizer.encode(string, add_special_tokens=special))

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """The text of a dialogue; system messages are dropped if the template rejects them."""
        from jinja2.exceptions import TemplateError

        def render(rows: list[dict[str, str]]) -> str:
            conversation = chat_template.Conversation(
                template=str(self.tokenizer.get_chat_template()),
                messages=rows,
                functions=[],
                generation_prompt=add_generation_prompt,
                settings=dict(self.tokenizer.special_tokens_map),
                continued=not add_generation_prompt,
            )
            if not conversation.is_cheap:
                return chat_template.render(conversation)
            return str(
                self.tokenizer.apply_chat_template(
                    rows,
                    tokenize=False,
                    add_generation_prompt=add_generation_prompt,
                    continue_final_message=not add_generation_prompt,
                )
            )

        try:
            return render(chat_history)
        except (TemplateError, ConfigError):
            return render([row for row in chat_history if row["role"] != "system"])

    def loglikelihood(self, requests: list[Instance], disable_tqdm: bool = True) -> list[tuple[float, bool]]:
        self._encode_ahead([request.args for request in requests])
        try:
            return list(super().loglikelihood(requests, disable_tqdm=True))
        finally:
            self._encoded.clear()

    def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = True) -> list[float]:
        """Log-likelihood of whole texts, each token scored once with as much context as fits."""
        pairs: list[Pair] = []
        counts = []
        for request in requests:
            windows = get_rolling_token_windows(
                token_list=self.tok_encode(request.args[0]),
                prefix_token=self.prefix_token_id,
                max_seq_len=self.max_length,
                context_len=1,
            )
            disjoint = [make_disjoint_window(window) for window in windows]
            pairs += [(list(context), list(continuation)) for context, continuation in disjoint]
            counts.append(len(disjoint))
        values = iter(self._score(pairs))
        return [sum(next(values)[0] for _ in range(count)) for count in counts]

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = True) -> list[str]:
        """Greedy answers, cut at the first stop string; sampled ones if a task requires it.

        Raises:
            ConfigError: a task requires a decoding method that the engine does not support.
            EngineError: a prompt that could not be answered.
        """
        eos = str(self.tokenizer.decode(self.eot_token_id, skip_special_tokens=False))
        repeats: Counter[str] = Counter()
        engine_requests: list[Request] = []
        stops: list[list[str]] = []
        for position, request in enumerate(requests):
            context, kwargs = request.args
            settings = _checked(normalize_gen_kwargs(kwargs, self.max_gen_toks), self.max_length)
            stop = handle_stop_sequences(settings["until"], eos=eos)
            room = self.max_length - settings["max_gen_toks"]
            ids = self.tokenizer.encode(context, add_special_tokens=self._special(context, prompt=True))
            engine_requests.append(
                Request(
                    id=str(position),
                    token_ids=tuple(ids[-room:]),
                    max_new_tokens=settings["max_gen_toks"],
                    stop=tuple(text for text in stop if text),
                    temperature=_temperature(settings),
                    seed=repeats[context],
                )
            )
            stops.append(stop)
            repeats[context] += 1
        return self._generate(engine_requests, stops)

    def _generate(self, requests: Sequence[Request], stops: Sequence[list[str]]) -> list[str]:
        texts = [""] * len(requests)
        for done, (position, completion) in enumerate(self.engine.generate(requests), start=1):
            if completion.finish_reason == "error":
                raise EngineError(f"benchmark prompt {position}: {completion.error}")
            text = self.tokenizer.decode(list(completion.token_ids), skip_special_tokens=True)
            texts[position] = postprocess_generated_text(text, stops[position], None)
            if done % CHUNK == 0 or done == len(requests):
                self._progress("answers", done, len(requests))
        return texts

    def _loglikelihood_tokens(
        self, requests: list[tuple[tuple[str, str], list[int], list[int]]], **kwargs: object
    ) -> list[tuple[float, bool]]:
        pairs = []
        for _, context, continuation in requests:
            if not 0 < len(continuation) <= self.max_length:
                raise ConfigError(
                    f"a continuation of {len(continuation)} tokens cannot be scored",
                    remedy=f"the task's answers must have between 1 and {self.max_length} tokens",
                )
            room = self.max_length + 1 - len(continuation)
            pairs.append((context[-room:], continuation))
        return self._score(pairs)

    def _score(self, pairs: Sequence[Pair]) -> list[tuple[float, bool]]:
        """Sorted by tokens, so that requests with a common prefix are computed together."""
        scores: list[tuple[float, bool]] = [(0.0, False)] * len(pairs)
        order = sorted(range(len(pairs)), key=lambda i: pairs[i][0] + pairs[i][1])
        for start in range(0, len(order), CHUNK):
            part = order[start : start + CHUNK]
            for i, value in zip(part, self.engine.loglikelihoods([pairs[i] for i in part]), strict=True):
                scores[i] = value
            self._progress("log-likelihoods", min(start + CHUNK, len(order)), len(order))
        return scores

    def _encode_ahead(self, arguments: Sequence[tuple[str, str]]) -> None:
        """Tokenize all texts of a call at once; contexts recur with every choice."""
        texts: dict[str, None] = {}
        for context, continuation in arguments:
            if context:
                texts[context.rstrip()] = texts[context + continuation] = None
        for special in (True, False):
            chosen = [text for text in texts if text and self._special(text) is special]
            if chosen:
                ids = self.tokenizer(chosen, add_special_tokens=special, return_attention_mask=False)
                self._encoded.update(zip(chosen, ids["input_ids"], strict=True))

    def _special(self, text: str, prompt: bool = False) -> bool:
        """Whether the tokenizer may add its special tokens: not to a text that starts with the BOS."""
        tokenizer = self.tokenizer
        begins = tokenizer.bos_token if prompt else tokenizer.decode(self.prefix_token_id)
        return not has_bos_prefix(text, begins)


def _temperature(settings: Mapping[str, object]) -> float:
    """0, which is greedy, if a task names none, as lm-eval's own backend does."""
    given = settings.get("temperature")
    return float(given) if isinstance(given, int | float) else 0.0


_KNOWN = ("until", "max_gen_toks", "do_sample", "temperature")


_NEUTRAL = {"num_beams": 1, "num_return_sequences": 1, "repetition_penalty": 1.0, "top_p": 1.0}
"""Settings that have no effect at these values."""
_OF_SAMPLING = ("top_p", "top_k", "min_p", "typical_p")
"""Settings that have no effect on a greedy answer."""


def _checked(kwargs: Mapping[str, Any], max_length: int) -> Mapping[str, Any]:
    greedy = _temperature(kwargs) == 0.0
    unknown = {
        name: value
        for name, value in kwargs.items()
        if name not in _KNOWN
        and value is not None
        and not (name in _NEUTRAL and value == _NEUTRAL[name])
        and not (greedy and name in _OF_SAMPLING)
    }
    if unknown:
        raise ConfigError(
            f"the task decodes with {', '.join(f'{name}={value}' for name, value in unknown.items())}",
            remedy=f"our engine knows {', '.join(_KNOWN)} in generation_kwargs",
        )
    if not 0 < kwargs["max_gen_toks"] < max_length:
        raise ConfigError(
            f"max_gen_toks={kwargs['max_gen_toks']} must be above 0 and below the model's context of {max_length}"
        )
    return kwargs
