"""CUDA devices that are not there: CPU memory that says it is on `cuda:0`, and operations that hold to CUDA's rules.

Where a tensor is stands on its storage, so views, parameters and quantized weights share it. `Answers` is between Python
and torch, and answers what is asked about devices; `Kernels` is below torch's own code (autograd, optimizers), and there
refuses what CUDA refuses: operands on two devices, 16-bit kernels on other formats, products of two formats. Numbers are
the CPU's, so results can be compared with those of a run without it.

It shows what is computed where, in which format and whether the host waits. It shows no speed, and no memory.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
import torch.utils.checkpoint
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
CPU = torch.device("cpu")
SHORT = (torch.bfloat16, torch.float16)
_true_device = Tensor.device.__get__


@dataclass
class Pretended:
    """What went on: operations by name and number format, and where the host waited for the device."""

    operations: Counter[str] = field(default_factory=Counter)
    formats: Counter[tuple[str, torch.dtype]] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)
    free: int = 0
    """Bytes that each device says are free."""
    devices: Counter[torch.device] = field(default_factory=Counter)
    """Operations by the device that they ran on."""
    out_of_memory: Callable[[str, int], bool] = lambda _name, _count: False
    """(operation, elements of its result) → whether the device has no memory for it."""


def device_of(tensor: Tensor) -> torch.device | None:
    """Where a tensor says it is; None for what an operation made inside, which goes with anything."""
    with torch._C.DisableTorchFunction():
        return _location(tensor)


def _location(tensor: Tensor) -> torch.device | None:
    """The same where no mode answers."""
    true: torch.device = _true_device(tensor)
    if true.type != "cpu":
        return true
    location: torch.device | None = getattr(tensor.untyped_storage(), "pretended", None)
    return location


def put(tensor: Tensor, device: torch.device) -> Tensor:
    """Say that a tensor's memory is on a device."""
    with torch._C.DisableTorchFunction():
        if _true_device(tensor).type == "cpu":
            storage: Any = tensor.untyped_storage()
            storage.pretended = device
    return tensor


def _tensors(*values: object) -> list[Tensor]:
    """Every tensor in what an operation is given or gives; for each operation, so torch's general trees are too slow."""
    tensors: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            tensors.append(value)
        elif isinstance(value, list | tuple):
            tensors += _tensors(*value)
        elif isinstance(value, dict):
            tensors += _tensors(*value.values())
    return tensors


def _device(value: object) -> torch.device:
    device = torch.device("cuda", value) if isinstance(value, int) else torch.device(value)  # type: ignore[call-overload]
    if device.type != "cuda":
        return device
    if device.index is not None and device.index >= torch.cuda.device_count():
        raise RuntimeError("CUDA error: invalid device ordinal")
    return torch.device("cuda", device.index or 0)


def _on_gpu(tensor: Tensor) -> bool:
    device = device_of(tensor)
    return device is not None and device.type == "cuda"


class _Moved(torch.autograd.Function):
    """A copy to another device, whose gradient is copied back."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, device: torch.device) -> Tensor:
        ctx.source = device_of(tensor)
        with torch._C.DisableTorchFunction():
            copy = tensor.clone()
        return put(copy, device)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        with torch._C.DisableTorchFunction():
            copy = grads[0].clone()
        return put(copy, ctx.source), None


class Answers(TorchFunctionMode):
    """What Python is told about devices, and copies between them."""

    def __init__(self, log: Pretended) -> None:
        super().__init__()
        self.log = log

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func == _true_device:  # not `is`: every look at it makes a new object
            return self._asked(args[0])
        if func in (Tensor.is_cuda.__get__, Tensor.is_cpu.__get__):
            return self._asked(args[0]).type == ("cuda" if func == Tensor.is_cuda.__get__ else "cpu")
        if func in (torch.device, torch._C._nn._parse_to) and type(args[0]) is int:
            args = (_device(args[0]), *args[1:])  # a number asks for an accelerator, and there is none
        if func is Tensor.get_device:
            device = self._asked(args[0])
            return device.index if device.type == "cuda" else -1
        if func in (Tensor.numpy, Tensor.__array__) and _on_gpu(args[0]):
            raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first")
        if func is Tensor.cpu:
            return self.moved(args[0], CPU)
        if func is Tensor.cuda:
            return self.moved(args[0], _device(args[1] if args[1:] else kwargs.get("device", "cuda")))
        if func is Tensor.pin_memory:
            return args[0]
        if func is Tensor.to:
            return self._to(*args, **kwargs)
        return self._called(func, args, kwargs)

    def _asked(self, tensor: Tensor) -> torch.device:
        return device_of(tensor) or CPU

    def _called(self, func: Any, args: Any, kwargs: Any) -> Any:
        given = _tensors(args, kwargs)
        for tensor in given:
            if device_of(tensor) is None:
                put(tensor, CPU)
        wanted = kwargs.get("device")
        target = None if wanted is None else _device(wanted)
        if target is not None and target.type in ("cpu", "cuda"):
            kwargs["device"] = CPU
        generator = kwargs.get("generator")
        on_gpu = any(map(_on_gpu, given)) if target is None else target.type == "cuda"
        if generator is not None and on_gpu:
            raise RuntimeError("Expected a 'cuda' device type for generator but found 'cpu'")
        if func in (torch.tensor, torch.as_tensor) and on_gpu:
            self.log.waits["tensor"] += 1
        kwargs.pop("pin_memory", None)
        result = func(*args, **kwargs)
        if target is not None and target.type in ("cpu", "cuda"):
            if func is torch.as_tensor and isinstance(args[0], Tensor):
                return self.moved(result, target)
            for tensor in _tensors(result):
                put(tensor, target)
        return result

    def _to(self, tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        target, rest = kwargs.pop("device", None), []
        other = kwargs.pop("other", None)
        for value in args:
            if isinstance(value, Tensor):
                other = value
            elif isinstance(value, torch.device | str) or (type(value) is int):
                target = value
            else:
                rest.append(value)
        if other is not None:
            target, kwargs["dtype"] = device_of(other) or CPU, other.dtype
        before = device_of(tensor)
        if target is not None and _device(target).type not in ("cpu", "cuda"):
            return tensor.to(target, *rest, **kwargs)
        kwargs.pop("non_blocking", None)
        formats = [value for value in rest if isinstance(value, torch.dtype | torch.memory_format)]
        same = tensor.to(*formats, **kwargs) if formats or kwargs else tensor
        if same is not tensor and before is not None and device_of(same) is None:
            put(same, before)
        return same if target is None else self.moved(same, _device(target))

    def moved(self, tensor: Tensor, device: torch.device) -> Tensor:
        if _true_device(tensor).type != "cpu":
            return put(torch.empty_like(tensor, device=CPU), device)
        if device_of(tensor) == device:
            return tensor
        if device_of(tensor) is not None:
            self.log.waits["to host" if device == CPU else "to device"] += 1
        if tensor.requires_grad and torch.is_grad_enabled():
            moved: Tensor = _Moved.apply(tensor, device)  # type: ignore[no-untyped-call]
            return moved
        with torch._C.DisableTorchFunction():
            copy = tensor.clone()
        return put(copy, device)


_TWO_DEVICES = {
    aten.copy_.default,
    aten._to_copy.default,
    aten._foreach_copy_.default,
    aten.is_same_size.default,
}
_BY_INDEX = {
    aten.index.Tensor,
    aten.index_put.default,
    aten.index_put_.default,
    aten._index_put_impl_.default,
    aten._unsafe_index.Tensor,
}
_WAITS = {
    aten._local_scalar_dense.default,
    aten.nonzero.default,
    aten.masked_select.default,
    aten.equal.default,
}
_PRODUCTS = {
    aten.mm.default: (0, 1),
    aten.bmm.default: (0, 1),
    aten.addmm.default: (1, 2),
    aten.baddbmm.default: (1, 2),
    aten.addmm_.default: (1, 2),
}


class Kernels(TorchDispatchMode):
    """Every operation as CUDA would take it."""

    def __init__(self, log: Pretended) -> None:
        super().__init__()
        self.log = log

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        with torch._C.DisableTorchFunction():
            operands = [tensor for tensor in _tensors(args, kwargs) if tensor.numel()]
            locations = [_location(tensor) for tensor in operands]
            gpu = next(
                (location for location in locations if location is not None and location.type == "cuda"), None
            )
            if gpu is not None:
                self._refuse(func, args, operands, locations)
            result = (func if gpu is None else _KERNELS.get(func, func))(*args, **kwargs)
            made = _tensors(result)
            if gpu is not None:
                self._note(func, args, made)
                self.log.devices[gpu] += 1
            for tensor in made if operands else ():
                if _location(tensor) is None:
                    put(tensor, gpu or CPU)
            return result

    def _refuse(
        self, func: Any, args: Any, operands: list[Tensor], locations: list[torch.device | None]
    ) -> None:
        if func in _PRODUCTS:
            left, right = (args[i] for i in _PRODUCTS[func])
            if left.dtype != right.dtype:
                raise RuntimeError(
                    f"expected m1 and m2 to have the same dtype, but got: {left.dtype} != {right.dtype}"
                )
        if func in _TWO_DEVICES:
            return
        different = set(locations) - {None}
        if len(different) < 2:
            return
        devices = sorted(str(location) for location in different if location != CPU)
        if len(devices) > 1:
            raise RuntimeError(
                f"Expected all tensors to be on the same device, but found at least two devices, {' and '.join(devices)}! "
                f"(in {func})"
            )
        hosts = [tensor for tensor, location in zip(operands, locations, strict=True) if location == CPU]
        if func in _BY_INDEX:
            values = [value for value in args[2:3] if isinstance(value, Tensor) and value.dim()]
            if _on_gpu(args[0]) and not any(device_of(value) == CPU for value in values):
                self.log.waits["index from the host"] += 1
                return
        numbers = func.namespace == "aten" and not any(tensor.dim() for tensor in hosts)
        if numbers and func not in _BY_INDEX and not any(word in str(func) for word in ("cat", "stack")):
            return  # a number of the host goes with tensors of the device
        raise RuntimeError(
            "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu! "
            f"(in {func})"
        )

    def _note(self, func: Any, args: Any, made: list[Tensor]) -> None:
        name = str(func)
        if not func.is_view:
            self.log.operations[name] += 1
            if made:
                self.log.formats[name, made[0].dtype] += 1
        by_mask = func in _BY_INDEX and any(t is not None and t.dtype == torch.bool for t in args[1])
        if func in _WAITS or by_mask:
            self.log.waits[name] += 1
        if made and self.log.out_of_memory(name, sum(tensor.numel() for tensor in made)):
            raise torch.OutOfMemoryError(
                "CUDA out of memory. Tried to allocate more than is pretended to be free."
            )


def _attention(
    query: Tensor, key: Tensor, value: Tensor, causal: bool, scale: float | None
) -> tuple[Tensor, Tensor]:
    if query.shape[1] != key.shape[1] or query.stride(-1) != 1:
        raise RuntimeError(f"no CUDA kernel for queries {tuple(query.shape)} and keys {tuple(key.shape)}")
    scores = (query.float() @ key.float().transpose(2, 3)) * (
        query.shape[-1] ** -0.5 if scale is None else scale
    )
    if causal:
        values = torch.ones(scores.shape[-2:], dtype=torch.bool).tril(scores.shape[-1] - scores.shape[-2])
        scores = scores.masked_fill(~values, -torch.inf)
    return (scores.softmax(-1) @ value.float()).to(query.dtype), scores.logsumexp(-1)


def _flash(
    query: Tensor, key: Tensor, value: Tensor, dropout: float = 0.0, causal: bool = False, debug: bool = False, *,
    scale: float | None = None,
) -> tuple[Any, ...]:  # fmt: skip
    if query.dtype not in SHORT or query.shape[-1] > 256 or query.shape[-1] % 8:
        raise RuntimeError("FlashAttention only support fp16 and bf16 data type")
    out, sums = _attention(query, key, value, causal, scale)
    none = torch.empty(0)
    return out, sums, none, none, query.shape[2], key.shape[2], none, none, none


def _efficient(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, wants_sums: bool, dropout: float = 0.0,
    causal: bool = False, *, scale: float | None = None,
) -> tuple[Any, ...]:  # fmt: skip
    out, sums = _attention(query, key, value, causal, scale)
    padded = torch.full((*sums.shape[:2], -(-sums.shape[2] // 32) * 32), torch.inf)
    padded[..., : sums.shape[2]] = sums
    return out, padded, torch.empty(0), torch.empty(0)


_KERNELS: dict[Any, Callable[..., Any]] = {
    aten._scaled_dot_product_flash_attention.default: _flash,
    aten._scaled_dot_product_efficient_attention.default: _efficient,
    aten.bmm.dtype: lambda left, right, dtype: torch.bmm(left.to(dtype), right.to(dtype)),
}
"""What only CUDA has."""


def _metadata(tensor: Tensor) -> dict[str, Any]:
    """What activation checkpointing compares; it asks where no mode of Python answers."""
    return {"shape": tensor.shape, "dtype": tensor.dtype, "device": device_of(tensor)}


def _cuda(log: Pretended, count: int, bfloat16: bool, total: int) -> dict[str, Callable[..., object]]:
    """torch.cuda, as far as it is asked."""
    state = torch.zeros(16, dtype=torch.uint8)
    about = SimpleNamespace(
        name="pretended", major=8, minor=0, total_memory=total, multi_processor_count=100, gcnArchName=""
    )

    def nothing(*_: object, **__: object) -> None: ...

    silent = ("empty_cache", "synchronize", "set_device", "manual_seed", "manual_seed_all", "_lazy_init")
    silent += ("set_rng_state", "set_rng_state_all", "ipc_collect", "reset_peak_memory_stats", "init")
    return dict.fromkeys(silent, nothing) | {
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "device_count": lambda: count,
        "current_device": lambda: 0,
        "get_device_name": lambda *_: "pretended",
        "get_device_capability": lambda *_: (8, 0) if bfloat16 else (7, 5),
        "get_device_properties": lambda *_: about,
        "is_bf16_supported": lambda *_, **__: bfloat16,
        "mem_get_info": lambda *_: (log.free, total),
        "get_rng_state": lambda *_: state,
        "get_rng_state_all": lambda *_: [state] * count,
        "is_current_stream_capturing": lambda: False,
        "_is_in_bad_fork": lambda: False,
        "device": lambda *_: contextlib.nullcontext(),
        "current_stream": lambda *_: mock.Mock(),
    } | dict.fromkeys(("memory_reserved", "memory_allocated"), lambda *_: 0) | dict.fromkeys(
        ("max_memory_reserved", "max_memory_allocated"), lambda *_: 1 << 20
    )  # fmt: skip


@contextlib.contextmanager
def pretended(
    count: int = 1, *, bfloat16: bool = True, free: int = 20 << 30, total: int = 20 << 30
) -> Iterator[Pretended]:
    """Inside the `with` block this machine has CUDA.

    Args:
        count: devices that are counted; what names none is on the first.
        bfloat16: whether they compute it, as Ampere and later do.
        free: bytes that each says are free, as long as the log says so.
        total: bytes that each has.
    """
    import bitsandbytes  # noqa: F401  (chooses its own kernels when it is imported: those of the CPU)
    import transformers  # noqa: F401

    log, load, gradients = Pretended(free=free), torch.from_numpy, torch.autograd._engine_run_backward
    answers = Answers(log)

    def run_backward(*args: Any, **kwargs: Any) -> Any:
        # Torch turns a mode off inside a call that it answers, and gradients written in Python ask for devices, too.
        with answers:
            return gradients(*args, **kwargs)

    with contextlib.ExitStack() as stack:
        # Modes belong to a thread, and transformers loads in several.
        stack.enter_context(mock.patch.dict("os.environ", {"HF_DEACTIVATE_ASYNC_LOAD": "1"}))
        for name, value in _cuda(log, count, bfloat16, total).items():
            stack.enter_context(mock.patch.object(torch.cuda, name, value, create=True))
        for name, value in {"is_available": True, "current_device_index": 0, "device_count": count}.items():
            stack.enter_context(mock.patch.object(torch.accelerator, name, return_value=value))
        extractors = torch.utils.checkpoint._allowed_determinism_checks_to_fns
        stack.enter_context(mock.patch.dict(extractors, {"default": _metadata}))
        stack.enter_context(mock.patch.object(torch, "from_numpy", lambda array: put(load(array), CPU)))
        stack.enter_context(mock.patch.object(torch.autograd, "_engine_run_backward", run_backward))
        stack.enter_context(answers)
        stack.enter_context(Kernels(log))
        yield log
