"""What other rooms need to know about a training stage: memory, progress and search read these from any
weights kind."""

from __future__ import annotations


class TrainingFacts:
    """The knobs that are read outside a kind's own training, with the value for a kind that lacks them.

    A kind that has the knob declares a field of the same name (`harness.training.settings`).
    """

    @property
    def num_train_epochs(self) -> float | None:
        """Passes over the data; None if that is not known in advance."""
        return None

    @property
    def per_device_train_batch_size(self) -> int:
        """Rows computed at once."""
        return 1

    @property
    def gradient_accumulation_steps(self) -> int:
        """Passes whose gradients are accumulated in one step."""
        return 1

    @property
    def max_length(self) -> int | None:
        """Longest lesson in tokens; None means the model's context."""
        return None

    @property
    def prompt_loss_weight(self) -> float:
        """Weight of the loss on prompt tokens."""
        return 0.0

    @property
    def neftune_noise_alpha(self) -> float:
        """Noise on embeddings; 0: none."""
        return 0.0

    @property
    def packing(self) -> bool:
        """Whether the rows of a batch are packed end to end."""
        return False

    @property
    def optim(self) -> str:
        """The optimizer, by the name that `TrainingSettings.optim` has for it."""
        return "adamw"

    @property
    def ema_decay(self) -> float:
        """Decay of a moving average of the weights; 0: none."""
        return 0.0

    @property
    def lora_dropout(self) -> float:
        """Share of an adapter's inputs that is dropped."""
        return 0.0

    @property
    def activation_checkpointing(self) -> bool:
        """Whether activations are computed twice instead of kept."""
        return False

    @property
    def eval_per_epoch(self) -> int:
        """Evaluations on dev in each epoch; 0: none."""
        return 1

    @property
    def dev_examples(self) -> int:
        """Dev examples that are evaluated; 0: none."""
        return 0
