"""Options of a training: losses, schedule and the run itself."""

from dataclasses import dataclass, fields
from typing import Literal

from options.values import option, require, require_at_least, require_plain_name

Stage = Literal["first_frame", "teacher", "skd", "tkd"]

Perceptual = Literal["auto", "vgg19", "efficientnet_lite0", "none"]

VggInput = Literal["imagenet", "published"]

Flow = Literal["dis", "raft", "flownet2"]

RawRows = Literal["all", "pixel"]

Amp = Literal["off", "bf16", "fp16"]


@dataclass(frozen=True)
class LossConfig:
    """Weights of the loss terms (paper defaults) and the frozen networks behind them."""

    lambda_feat: float = option(10.0, "weight of feature matching")
    lambda_F: float = option(10.0, "weight of the flow terms F_Flow and F_Warp")
    lambda_T: float = option(10.0, "weight of the temporal warp term G_Warp")
    lambda_perceptual: float | None = option(
        None, "weight of the perceptual term; default 10 with VGG19, 2 with EfficientNet"
    )
    lambda_W: float | None = option(
        None, "weight of W: show the warp where the flow is sure; default 1 with --no_first_img"
    )
    lambda_pixel: float = option(0.0, "weight of the L1 distance to the real frame; the paper has none")
    lambda_kd: float = option(1.0, "weight of spatial distillation: L1 and perceptual distance to the teacher")
    lambda_kd_feat: float = option(
        0.0, "weight of the distance of inner features to the teacher's, through a learned 1x1 convolution; 0: none"
    )
    lambda_kd_local: float = option(2.0, "weight of the local temporal distillation")
    lambda_kd_global: float = option(15.0, "weight of the global temporal distillation")
    lambda_face: float = option(2.0, "weight of the face discriminator's terms (--add_face_disc)")
    lambda_R1: float = option(0.0, "weight of R1, the squared gradient of the discriminators' scores at real images")
    kd_mask: bool = option(False, "distil frames only where the reference flow is confident; the paper: everywhere")
    raw_rows: RawRows = option(
        "all", "terms of the raw image beside the final one's: all (vid2vid), or the pixel term alone: a third faster"
    )
    perceptual: Perceptual = option("auto", "features of the perceptual terms; auto: VGG19 if its weights are at hand")
    vgg_weights: str | None = option(None, "VGG19 weights, a .pth as torchvision publishes it")
    vgg_input: VggInput = option("imagenet", "what VGG19 sees: normalised colours, or [-1, 1] as once published")
    i3d_weights: str | None = option(None, "I3D weights (rgb_imagenet.pt) for the global temporal term of --stage tkd")
    flow: Flow = option("dis", "reference flow; dis is OpenCV's dense inverse search and needs no weights")
    flow_weights: str | None = option(
        None, "weights of the reference flow: FlowNet2_checkpoint.pth.tar (flownet2), torchvision's .pth (raft)"
    )

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        for one in fields(self):
            value = getattr(self, one.name)
            require(
                not one.name.startswith("lambda_") or value is None or value >= 0,
                f"--{one.name} {value}: a loss weight cannot be negative",
            )
        require(
            self.flow_weights is None or self.flow != "dis",
            "--flow_weights does not go with --flow dis, which has none: add --flow flownet2 or raft, or leave it out",
        )


@dataclass(frozen=True)
class ScheduleConfig:
    """How long, how fast, on how much at once, and with which remedies against drift."""

    batchSize: int = option(1, "clips a process takes at once")
    accumulate: int = option(1, "batches whose gradients are added up for one update of the weights")
    clip_grad: float = option(0.0, "largest norm of a network's gradient, larger ones are scaled down; 0: no limit")
    lr: float = option(2e-4, "learning rate of Adam")
    lr_heads: float = option(
        1.0,
        "learning rate of the heads for flow and blending, as a share of --lr; a unit of flow is 20 pixels: at a high "
        "--lr the heads overshoot and the flow dies",
    )
    beta1: float = option(0.5, "first moment of Adam")
    TTUR: bool = option(False, "two time scales: betas (0, 0.9), generator lr/2, discriminators lr*2")
    niter: int = option(10, "epochs at the full learning rate")
    niter_decay: int = option(10, "epochs in which it falls to zero")
    niter_fix_global: int = option(0, "epochs in which the finest of --n_scales_spatial is trained alone")
    niter_step: int = option(5, "epochs after which clips, frames a step and back-propagated frames double")
    steps_per_epoch: int = option(0, "clips of an epoch / batchSize; 0: every sequence once")
    n_frames_total: int = option(30, "generated frames of a training clip at the start", aliases=("--n_frames_start",))
    max_clip_frames: int = option(128, "where the doubling of clips ends")
    frames_per_step: int = option(1, "generated frames between two weight updates at the start")
    max_frames_per_gpu: int = option(1, "where the doubling of frames a step ends")
    frames_backpropagate: int = option(1, "generated frames a gradient crosses at the start")
    max_frames_backpropagate: int = option(1, "where the doubling of back-propagated frames ends")
    max_t_step: int = option(1, "largest random distance in time between a clip's frames")
    every_frame_share: float = option(
        0.0, "--stage tkd: share of the clips whose frames are all key-frames, for a student that is to hold on every "
        "frame, too; the paper has none",
    )  # fmt: skip
    no_first_img: bool = option(False, "learn to generate the first frames too, from nothing")
    begin_as_copy: bool = option(False, "start from a generator that repeats the previous frame; for short trainings")
    no_flip: bool = option(False, "never mirror a clip")
    affine: float = option(0.0, "strength of one random affine map per clip; 1 is about 8 degrees and 8 percent")
    given_noise: float = option(0.0, "largest std of noise on the given frames, against drift; colours are in [-1, 1]")
    cond_noise: float = option(
        0.0, "largest std of noise on the frames that a chunk continues, generated ones too; against drift"
    )
    cond_dropout: float = option(
        0.0, "share of the chunks that continue noise alone or heavily noised frames, half and half; against drift"
    )
    ema: float = option(
        0.0,
        "decay of a moving average of the generator's weights, such as 0.999; tests, validation, students and exports "
        "use it; 0: none",
    )
    max_minutes: float = option(0.0, "stop, saved, after so many minutes of training in all; 0: never")
    recalibrate: int = option(
        0, "clips on whose rollouts the norm layers' running statistics are measured again when training ends"
    )

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        require_at_least(1, self, "batchSize", "accumulate", "niter_step", "n_frames_total", "max_clip_frames",
                         "frames_per_step", "max_t_step", "max_frames_per_gpu", "frames_backpropagate",
                         "max_frames_backpropagate")  # fmt: skip
        require_at_least(0, self, "niter", "niter_decay", "niter_fix_global", "steps_per_epoch", "affine",
                         "given_noise", "cond_noise", "max_minutes", "recalibrate", "clip_grad")  # fmt: skip
        for name in ("lr", "lr_heads"):
            require(getattr(self, name) > 0, f"--{name} {getattr(self, name)}: expected more than 0")
        require(0 <= self.cond_dropout <= 1, f"--cond_dropout {self.cond_dropout}: expected 0 to 1")
        require(0 <= self.every_frame_share <= 1, f"--every_frame_share {self.every_frame_share}: expected 0 to 1")
        require(0 <= self.ema < 1, f"--ema {self.ema}: expected at least 0 and less than 1")
        require(0 <= self.beta1 < 1, f"--beta1 {self.beta1}: expected 0 to 1")
        require(self.niter + self.niter_decay > 0, "--niter 0 --niter_decay 0: nothing to train, give one of them")


@dataclass(frozen=True)
class RunConfig:
    """Which run, where it lives and how it reports."""

    name: str = option("experiment", "name of the run: checkpoints go to CHECKPOINTS_DIR/NAME")
    checkpoints_dir: str = option("checkpoints", "folder of all runs")
    dataroot: str = option("datasets/face", "folder of the dataset")
    stage: Stage = option("teacher", "which training")
    teacher: str | None = option(None, "checkpoint of the frozen teacher (skd, tkd)")
    init: str | None = option(None, "checkpoint whose generator weights start this run", aliases=("--load_pretrain",))
    resume: bool = option(False, "go on from the last save of this run", aliases=("--continue_train",))
    seed: int = option(0, "everything random follows from it")
    device: str = option("auto", "auto, cpu, cuda, cuda:1, mps", aliases=("--gpu_ids",))
    amp: Amp = option("off", "mixed precision")
    channels_last: bool = option(False, "memory layout of the networks; faster on CPUs")
    compile: bool = option(False, "compile the generator (torch.compile); slow to start, then faster")
    sync_bn: bool = option(False, "batch norm over the batches of all processes (torchrun with CUDA)")
    guard_lr_factor: float = option(1.0, "after a divergence the learning rate is multiplied by this")
    guard_max_failures: int = option(3, "divergences without a save between that a run survives")
    validation_freq: int = option(0, "epochs between two validations, by which 'best' is chosen; 0: never")
    val_phase: str = option("val", "part of the dataset to validate on: <val_phase>_img and so on")
    validation_frames: int = option(0, "frames of every sequence that are validated on; 0: all")
    plan: bool = option(False, "estimate the memory that a training would need, and do nothing else")
    plan_memory_gb: float = option(0.0, "with --plan: say what to reduce to fit into so many GB; 0: the device's own")
    nThreads: int = option(1, "processes that load data")
    print_freq: int = option(100, "steps between two lines of the loss log")
    display_freq: int = option(500, "steps between two pictures; 0: none")
    save_latest_freq: int = option(500, "steps between two saves of 'latest'")
    save_epoch_freq: int = option(0, "epochs between two saves that are kept; 0 keeps 'latest' alone")
    debug: bool = option(False, "show the traceback of user errors")

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        require_plain_name("--name", self.name)
        require(0 <= self.seed < 2**31, f"--seed {self.seed}: expected 0 to {2**31 - 1}")
        require(
            0 < self.guard_lr_factor <= 1, f"--guard_lr_factor {self.guard_lr_factor}: expected more than 0, at most 1"
        )
        require_at_least(0, self, "nThreads", "display_freq", "save_epoch_freq", "guard_max_failures",
                         "validation_freq", "validation_frames", "plan_memory_gb")  # fmt: skip
        require_at_least(1, self, "print_freq", "save_latest_freq")
