"""Training examples as token ids, with a loss weight for every position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.protocols import Chat
from harness.core.values import TrainingExample


@dataclass(frozen=True)
class TokenizedExample:
    """One sequence to learn. `weights[i]` is the loss weight of predicting `ids[i]`.

    Weights go by position, never by token id: if pad equals EOS, a mask by id would hide
    the EOS of the answer, and the model would never learn to stop.
    """

    id: str
    ids: tuple[int, ...]
    weights: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.ids)


def to_row(example: TrainingExample, chat: Chat, prompt_loss_weight: float = 0.0) -> TokenizedExample:
    """The prompt exactly as the model will be asked, then the answer and its end of turn."""
    prompt, answer = chat.encode(example.messages), chat.encode_answer(example.answer)
    weights = [prompt_loss_weight] * len(prompt) + [1.0] * len(answer)
    return TokenizedExample(example.id, (*prompt, *answer), tuple(weights))


def to_rows(
    examples: Sequence[TrainingExample], chat: Chat, max_length: int, prompt_loss_weight: float = 0.0
) -> tuple[list[TokenizedExample], tuple[str, ...]]:
    """Rows, and the ids of the training examples that are longer than `max_length` tokens.

    Truncating them would teach a prompt that never occurs, or an answer without an end.
    """
    rows = [to_row(example, chat, prompt_loss_weight) for example in examples]
    kept = [row for row in rows if len(row) <= max_length]
    return kept, tuple(row.id for row in rows if len(row) > max_length)
