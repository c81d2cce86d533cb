import pytest
import torch

from util.device import choose_device
from util.errors import UserError


def test_names_and_vid2vid_numbers_name_the_same_devices() -> None:
    assert choose_device("cpu") == choose_device("-1") == torch.device("cpu")
    assert choose_device("auto").type in ("cpu", "cuda", "mps")


@pytest.mark.parametrize("wish", ["gpu", "cuda:99", "99", "meta"])
def test_a_device_that_is_not_there_is_named_with_the_way_out(wish: str) -> None:
    with pytest.raises(UserError, match="--device"):
        choose_device(wish)
