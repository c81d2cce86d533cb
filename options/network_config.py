"""Options of the networks: generator and discriminators."""

from dataclasses import dataclass
from typing import Literal

from options.values import option, require, require_at_least

NetG = Literal["composite", "sr_mobile_composite", "global"]

Norm = Literal["batch", "instance"]

GanMode = Literal["ls", "hinge", "original"]


@dataclass(frozen=True)
class GeneratorConfig:
    """The generator's architecture (method: composite and spatially low-demand generators)."""

    netG: NetG = option(
        "composite", "residual blocks (composite), mobile blocks (sr_mobile_composite), one image (global)"
    )
    low_demand: bool = option(False, "read half-resolution inputs, write full-resolution frames: the distilled student")
    ngf: int = option(128, "channels of the first layer")
    ngf_flow: int = option(0, "the same of the flow branch's way up, such as half of --ngf; 0: --ngf")
    n_downsample_G: int = option(3, "number of down-samplings")
    n_blocks: int = option(9, "number of residual blocks")
    norm: Norm = option("batch", "normalisation layers")
    n_frames_G: int = option(3, "semantic frames the generator sees; it is fed one generated frame less")
    no_flow: bool = option(False, "draw every pixel, warp nothing")
    fg: bool = option(
        False, "a second branch draws the pixels of the foreground labels, from labels alone (see --fg_labels)"
    )
    n_scales_spatial: int = option(1, "coarse to fine: scales, each twice the size of the one before")
    n_blocks_local: int = option(3, "residual blocks of each finer scale")
    warp_align_corners: bool = option(
        True,
        "whether the generator's warp by a zero flow is the identity; published weights were trained without. Losses "
        "always warp exactly: they measure real motion",
    )
    batch_statistics: bool = option(
        False, "at inference, normalise by each batch's own statistics; the published programs did, whatever they saved"
    )

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        require_at_least(1, self, "ngf", "n_blocks", "n_blocks_local")
        require_at_least(0, self, "ngf_flow")
        require(1 <= self.n_downsample_G <= 6, f"--n_downsample_G {self.n_downsample_G}: expected 1 to 6")
        require(self.n_frames_G >= 2, f"--n_frames_G {self.n_frames_G}: expected at least 2, one given and one drawn")
        require(not (self.fg and self.netG == "global"), "--fg does not go with --netG global: leave it out")
        scales = self.n_scales_spatial
        require(
            self.ngf_flow == 0 or (scales == 1 and self.netG != "global" and not self.no_flow),
            f"--ngf_flow {self.ngf_flow} is for a flow branch and one scale: leave it out, or --no_flow, "
            "--n_scales_spatial and --netG global",
        )
        require(1 <= scales <= 4, f"--n_scales_spatial {scales}: expected 1 to 4")
        require(
            scales == 1 or (self.netG == "composite" and not self.low_demand),
            f"--n_scales_spatial {scales} goes with --netG composite without --low_demand: choose them, or one scale",
        )
        require(
            scales == 1 or self.ngf % 2**scales == 0,
            f"--ngf {self.ngf}: expected a multiple of {2**scales} for --n_scales_spatial {scales}, as each halves it",
        )
        require(
            not (self.low_demand and self.netG == "global"),
            "--low_demand does not go with --netG global: choose --netG sr_mobile_composite or composite",
        )


@dataclass(frozen=True)
class DiscriminatorConfig:
    """The discriminators' architecture and how they judge."""

    ndf: int = option(64, "channels of a discriminator's first layer")
    n_layers_D: int = option(3, "layers of a discriminator")
    num_D: int = option(2, "spatial scales of a discriminator")
    n_scales_temporal: int = option(
        2, "temporal discriminators: scale t looks at frames n_frames_D^t apart; 0 has none"
    )
    n_frames_D: int = option(3, "frames a temporal discriminator sees at once")
    gan_mode: GanMode = option("ls", "adversarial criterion")
    sparse_D: bool = option(
        False, "temporal discriminator t judges only windows on a grid of frames n_frames_D^t apart"
    )
    add_face_disc: bool = option(False, "a further discriminator that looks at the face")
    diff_augment: bool = option(
        False, "augment what image and face discriminators see, real or not: colours, place, a hole; for small datasets"
    )
    spectral_norm: bool = option(False, "divide the discriminators' convolutions by their largest singular value")

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        require_at_least(1, self, "ndf", "n_layers_D", "num_D")
        require_at_least(0, self, "n_scales_temporal")
        require_at_least(2, self, "n_frames_D")
