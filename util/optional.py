"""Optional packages, imported at the moment they are used."""

import importlib
from importlib.util import find_spec
from types import ModuleType

from util.errors import UserError


def is_installed(package: str) -> bool:
    """Whether ``package`` could be imported."""
    return find_spec(package) is not None


def require(package: str, *, instead: str) -> ModuleType:
    """The optional ``package``.

    Args:
        package: its name.
        instead: what to do without it, for the error.

    Raises:
        UserError: it is not installed.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise UserError(
            f"the package {package} is missing ({error}): pip install -r requirements-fast.txt, or {instead}"
        ) from None
