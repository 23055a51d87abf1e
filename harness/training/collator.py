"""How the rows of a batch are laid out: padded, behind a shared prefix, or packed."""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.torch_types import Network
from harness.training.batching import Batch, collate, pack
from harness.training.distributed import ALONE, ProcessGroup
from harness.training.fsdp import device_of
from harness.training.gradient_accumulation import Loss
from harness.training.loss import check_network, check_packing, response_loss
from harness.training.settings import TrainingSettings
from harness.training.tokenized import TokenizedExample


class Layout:
    """Builds batches in the fastest way that gives this network the same loss as its rows one by one.

    This is checked on the two shortest rows; `notes` lists what the network does not support.

    Raises:
        RunError: even row by row, the logits differ from the network's own.
    """

    def __init__(
        self,
        network: Network,
        rows: Sequence[TokenizedExample],
        settings: TrainingSettings,
        loss: Loss,
        group: ProcessGroup = ALONE,
    ) -> None:
        self.device = device_of(network)
        is_response_loss = loss is response_loss
        # Noise is drawn for every row: a prefix computed once would share one noise sample among all rows.
        self.share_prefix = is_response_loss and settings.neftune_noise_alpha == 0
        self.packing = is_response_loss and settings.packing
        self.notes: list[str] = []
        if settings.packing and not is_response_loss:
            self.notes.append("packing does not apply to this method's loss: its rows are padded")
        if is_response_loss:
            # The first process decides for all: others may have no weights yet.
            supported = group.broadcast(lambda: self._supported(network, sorted(rows, key=len)[:2]))
            self._restrict(*supported)

    def collate(self, rows: Sequence[TokenizedExample]) -> Batch:
        """The tensors of some rows."""
        if self.packing:
            return pack(rows, self.device)
        return collate(rows, self.device, self.share_prefix)

    def _supported(self, network: Network, shortest: Sequence[TokenizedExample]) -> tuple[bool, bool]:
        """Whether a shared prefix and packing give the loss of the rows one by one."""
        network.eval()
        whole = collate(shortest, self.device, share_prefix=False)
        shared = check_network(network, collate(shortest, self.device, self.share_prefix), whole)
        return shared, not self.packing or check_packing(network, pack(shortest, self.device), whole)

    def _restrict(self, shared: bool, packed: bool) -> None:
        if not shared:
            self.share_prefix = False
            self.notes.append("this network cannot continue a shared prefix: each row is computed whole")
        if not packed:
            self.packing = False
            self.notes.append("this network cannot keep packed rows apart: they are padded instead")
