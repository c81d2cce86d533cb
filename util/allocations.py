"""Peak memory of tensors, counted operation by operation, on real or fake tensors."""

import weakref
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class AllocationCounter(TorchDispatchMode):
    """Counts the bytes of all tensors that are made while it is on, and forgets those that are freed.

    With ``torch._subclasses.FakeTensorMode`` around it nothing is computed and no memory is taken. What operations take
    for themselves while they run (workspaces of convolutions) is not seen.

    Attributes:
        now: bytes that are in use.
        peak: the most there ever was.
    """

    def __init__(self) -> None:
        """Begin at 0; tensors that exist already are not counted."""
        super().__init__()
        self.now = 0
        self.peak = 0
        self._counted: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run one operation and count what it returns."""
        known = {self._key(one) for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)}
        result = func(*args, **(kwargs or {}))
        for one in tree_leaves(result):
            # views and in-place operations return what was there before
            if isinstance(one, Tensor) and self._key(one) not in known:
                self._count(one)
        return result

    @staticmethod
    def _key(tensor: Tensor) -> int:
        return int(tensor.untyped_storage()._cdata)

    def _count(self, tensor: Tensor) -> None:
        storage, key = tensor.untyped_storage(), self._key(tensor)
        if key in self._counted:
            return
        self._counted.add(key)
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._forget, key, storage.nbytes())

    def _forget(self, key: int, num_bytes: int) -> None:
        self._counted.discard(key)
        self.now -= num_bytes
