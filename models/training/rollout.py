"""The autoregressive rollout: a generator makes each frame from its own earlier frames."""

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor

from data.clips import Clip
from models.networks.coarse_to_fine import VideoGenerator
from models.networks.generator import GeneratorOutput


@dataclass
class Rollout:
    """A clip as the generator drew it.

    Attributes:
        image: [B, T, 3, H, W], the given frames first, then the generated ones.
        raw: the generated frames before blending, [B, T - num_given, 3, H, W].
        flow: predicted flow from each generated frame's predecessor, [B, T - num_given, 2, H, W] in pixels, or None.
        weight: blending weight, [B, T - num_given, 1, H, W], or None.
        index: absolute frame numbers, [B, T].
        num_given: how many frames were given.
        bottleneck: inner features of the generated frames, [B, T - num_given, C, h, w], or None.
    """

    image: Tensor
    raw: Tensor
    flow: Tensor | None
    weight: Tensor | None
    index: Tensor
    num_given: int
    bottleneck: Tensor | None = None

    @property
    def generated(self) -> Tensor:
        """The generated frames, [B, T - num_given, 3, H, W]."""
        return self.image[:, self.num_given :]

    @property
    def previous(self) -> Tensor:
        """The frame before each generated one, [B, T - num_given, 3, H, W]."""
        return self.image[:, self.num_given - 1 : -1]

    def copied(self) -> "Rollout":
        """The same images as leaves of another graph, which ends at them and not at the generator's weights."""
        image, raw = (frames.detach().requires_grad_() for frames in (self.image, self.raw))
        return dataclasses.replace(self, image=image, raw=raw)


def unroll(
    generator: VideoGenerator,
    clip: Clip,
    given: Tensor,
    *,
    num_frames: int,
    backpropagate: int | None = None,
    conditioning: Tensor | None = None,
    first_is_raw: bool = False,
    keeps_bottleneck: bool = False,
) -> Rollout:
    """Generate the frames of ``clip`` that follow the given ones, each from its predecessors.

    Args:
        generator: makes one frame from ``num_frames`` semantic frames and ``num_frames - 1`` earlier frames.
        clip: T frames at any times; the first K are given.
        given: those frames, [B, K, 3, H, W] in [-1, 1], K at least ``num_frames - 1``.
        num_frames: ``--n_frames_G``.
        backpropagate: generated frames that a gradient crosses before it is cut; None never cuts.
        conditioning: what the generator sees in place of ``given`` (noise against drift), same shape.
        first_is_raw: the first generated frame warps nothing, since what came before it is not an image.
        keeps_bottleneck: keep the inner features too, for their distillation.

    Raises:
        ValueError: when too few frames are given.
    """
    num_given = given.shape[1]
    if num_given < num_frames - 1:
        raise ValueError(f"expected at least {num_frames - 1} given frames, got {num_given}")
    generated: list[Tensor] = []
    past = list((given if conditioning is None else conditioning).unbind(dim=1))
    outputs: list[GeneratorOutput] = []
    bottlenecks: list[Tensor] = []
    for position in range(num_given, clip.semantic.shape[1]):
        past = past[1 - num_frames :]
        if backpropagate is not None and (position - num_given) % backpropagate == 0:
            past = [frame.detach() for frame in past]
        output = generator(
            clip.semantic[:, position - num_frames + 1 : position + 1].flatten(1, 2),
            torch.cat(past, dim=1),
            foreground_mask=None if clip.foreground is None else clip.foreground[:, position],
            raw_only=first_is_raw and position == num_given,
        )
        if keeps_bottleneck and output.features is not None and output.features.bottleneck is not None:
            bottlenecks.append(output.features.bottleneck)
        # the features are for finer scales; kept, those of a long clip would fill the memory
        outputs.append(output._replace(features=None))
        generated.append(output.final)
        past.append(output.final)
    flows = [output.flow for output in outputs if output.flow is not None]
    weights = [output.weight for output in outputs if output.weight is not None]
    has_flow = bool(flows) and len(flows) == len(outputs)
    return Rollout(
        image=torch.cat([given, torch.stack(generated, dim=1)], dim=1) if generated else given,
        raw=torch.stack([output.raw for output in outputs], dim=1) if generated else given[:, :0],
        flow=torch.stack(flows, dim=1) if has_flow else None,
        weight=torch.stack(weights, dim=1) if has_flow else None,
        index=clip.index,
        num_given=num_given,
        bottleneck=torch.stack(bottlenecks, dim=1) if bottlenecks else None,
    )
