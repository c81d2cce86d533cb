"""Options of the data: how files become tensors."""

from dataclasses import dataclass
from typing import Literal

from options.values import option, require, require_at_least
from util.errors import UserError


@dataclass(frozen=True)
class DataConfig:
    """How files become tensors; a checkpoint keeps it so that inference encodes its input in the same way."""

    dataset_mode: Literal["face", "street", "pose", "paired"] = option(
        "face", "kind of semantic video; street: label maps of any scene, paired: a picture for each picture"
    )
    loadSize: int = option(512, "frames are scaled to this side (see --resize_or_crop)")
    fineSize: int = option(512, "side of the crop, for the modes that crop")
    resize_or_crop: str = option("scaleWidth", "how frames reach their size; sides become multiples of 32")
    no_canny_edge: bool = option(False, "leave out the background's Canny edges")
    no_dist_map: bool = option(False, "leave out the 14 distance maps: 1 channel in place of 15")
    label_set: str = option(
        "cityscapes35", "street: the labels; cityscapes35, cityscapes19, plainN (ids 0 to N-1), or a JSON file of them"
    )
    label_nc: int | None = option(None, "street: channels of labels; default: as many as the set has")
    ignore_label: int | None = option(None, "street: id that ids outside the set count as; default: they are refused")
    use_instance: bool = option(False, "street: a channel of edges between instances, from instance maps")
    fg_labels: str | None = option(None, "street: ids of the foreground, such as 24,26; default: the label 'car'")
    input_nc: int | None = option(None, "paired: channels of the input pictures; 1 grey, 3 RGB (default), 4 with alpha")
    openpose_only: bool = option(False, "pose: leave out the DensePose channels: 3 channels in place of 6")
    densepose_only: bool = option(False, "pose: leave out the OpenPose channels: 3 channels in place of 6")
    random_drop_prob: float = option(0.05, "pose: chance of each part of the body to be left out in training")
    remove_face_labels: bool = option(
        False, "pose: in training, no head in DensePose and a shaken one in OpenPose, against trust in small faces"
    )
    basic_point_only: bool = option(False, "pose: draw the limbs alone, without head, hands and face")
    no_center_crop: bool = option(False, "pose: keep the whole width; else its middle half")

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        if self.openpose_only and self.densepose_only:
            raise UserError("--openpose_only --densepose_only: nothing would remain, leave out one of them")
        require(
            0 <= self.random_drop_prob <= 1, f"--random_drop_prob {self.random_drop_prob}: expected a chance of 0 to 1"
        )
        if self.dataset_mode == "paired" and self.input_nc not in (None, 1, 3, 4):
            raise UserError(f"--input_nc {self.input_nc}: expected 1, 3 or 4")
        if self.dataset_mode == "street" and self.label_nc == 0:
            raise UserError("--label_nc 0: expected 1 or more, or none")
        for name in ("label_nc", "ignore_label", "use_instance", "fg_labels"):
            if self.dataset_mode != "street" and getattr(self, name):
                raise UserError(f"--{name} is for label maps: add --dataset_mode street, or leave it out")
        require_at_least(32, self, "loadSize", "fineSize")
