"""What is a run told? Frozen dataclasses that refuse impossible values and survive JSON unchanged.

Field names are the flags' names; the vid2vid spelling is kept where vid2vid has the flag (people have scripts).
Networks and losses never see these objects: ``models/build.py`` and the programs take them apart.
"""

from dataclasses import dataclass, fields
from typing import Literal

from options.values import option, require

LIVE_PORT = 8000

Stage = Literal["first_frame", "teacher", "skd", "tkd"]
NetG = Literal["composite", "sr_mobile_composite", "global"]
Norm = Literal["batch", "instance"]
GanMode = Literal["ls", "hinge", "original"]
Perceptual = Literal["auto", "vgg19", "efficientnet_lite0", "none"]
VggInput = Literal["imagenet", "published"]
Flow = Literal["dis", "raft", "flownet2"]
RawRows = Literal["all", "pixel"]
Amp = Literal["off", "bf16", "fp16"]
Keyframes = Literal["dp", "uniform", "published", "all"]
Interpolation = Literal["auto", "guided", "dis-fast", "dis", "dis-medium", "blocks", "minterpolate", "blend", "nearest"]
FirstFrame = Literal["real", "single", "generated"]
Runtime = Literal["auto", "eager", "folded", "compile", "openvino", "onnx"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]


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
        require(
            not (self.openpose_only and self.densepose_only),
            "--openpose_only --densepose_only: nothing would remain, leave out one of them",
        )
        require(
            0 <= self.random_drop_prob <= 1, f"--random_drop_prob {self.random_drop_prob}: expected a chance of 0 to 1"
        )
        require(
            self.dataset_mode != "paired" or self.input_nc in (None, 1, 3, 4),
            f"--input_nc {self.input_nc}: expected 1, 3 or 4",
        )
        require(self.dataset_mode != "street" or self.label_nc != 0, "--label_nc 0: expected 1 or more, or none")
        for name in ("label_nc", "ignore_label", "use_instance", "fg_labels"):
            require(
                self.dataset_mode == "street" or not getattr(self, name),
                f"--{name} is for label maps: add --dataset_mode street, or leave it out",
            )
        require(self.loadSize >= 32, f"--loadSize {self.loadSize}: expected at least 32")
        require(self.fineSize >= 32, f"--fineSize {self.fineSize}: expected at least 32")


@dataclass(frozen=True)
class GeneratorConfig:
    """The generator's architecture (method: composite and spatially low-demand generators)."""

    netG: NetG = option(
        "composite", "residual blocks (composite), mobile blocks (sr_mobile_composite), one image (global)"
    )
    low_demand: bool = option(False, "read half-resolution inputs, write full-resolution frames: the distilled student")
    ngf: int = option(128, "channels of the first layer")
    n_downsample_G: int = option(3, "number of down-samplings")
    n_blocks: int = option(9, "number of residual blocks")
    norm: Norm = option("batch", "normalisation layers")
    n_frames_G: int = option(3, "semantic frames the generator sees; it is fed one generated frame less")
    no_flow: bool = option(False, "draw every pixel, warp nothing")
    fg: bool = option(False, "a second branch draws the pixels of the foreground labels (see --fg_labels)")
    n_scales_spatial: int = option(1, "coarse to fine: scales, each twice the size of the one before")
    n_blocks_local: int = option(3, "residual blocks of each finer scale")
    warp_align_corners: bool = option(
        True, "whether warping by a zero flow is the identity; published weights were trained without"
    )
    batch_statistics: bool = option(
        False, "at inference, normalise by each batch's own statistics; the published programs did, whatever they saved"
    )

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        require(self.ngf >= 1, f"--ngf {self.ngf}: expected at least 1")
        require(1 <= self.n_downsample_G <= 6, f"--n_downsample_G {self.n_downsample_G}: expected 1 to 6")
        require(self.n_blocks >= 1, f"--n_blocks {self.n_blocks}: expected at least 1")
        require(self.n_frames_G >= 2, f"--n_frames_G {self.n_frames_G}: expected at least 2, one given and one drawn")
        require(self.n_blocks_local >= 1, f"--n_blocks_local {self.n_blocks_local}: expected at least 1")
        require(not (self.fg and self.netG == "global"), "--fg does not go with --netG global: leave it out")
        scales = self.n_scales_spatial
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

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        for name in ("ndf", "n_layers_D", "num_D"):
            require(getattr(self, name) >= 1, f"--{name} {getattr(self, name)}: expected at least 1")
        require(self.n_scales_temporal >= 0, f"--n_scales_temporal {self.n_scales_temporal}: expected 0 or more")
        require(self.n_frames_D >= 2, f"--n_frames_D {self.n_frames_D}: expected at least 2")


@dataclass(frozen=True)
class LossConfig:
    """Weights of the rows of the loss table (paper defaults) and the frozen networks behind them."""

    lambda_feat: float = option(10.0, "weight of feature matching")
    lambda_F: float = option(10.0, "weight of the flow rows F_Flow and F_Warp")
    lambda_T: float = option(10.0, "weight of the temporal warp row G_Warp")
    lambda_perceptual: float | None = option(
        None, "weight of the perceptual row; default 10 with VGG19, 2 with EfficientNet"
    )
    lambda_W: float | None = option(
        None, "weight of W: show the warp where the flow is sure; default 1 with --no_first_img"
    )
    lambda_pixel: float = option(0.0, "weight of the L1 distance to the real frame; the paper has none")
    lambda_kd: float = option(1.0, "weight of spatial distillation: L1 and perceptual distance to the teacher")
    lambda_kd_local: float = option(2.0, "weight of the local temporal distillation")
    lambda_kd_global: float = option(15.0, "weight of the global temporal distillation")
    lambda_face: float = option(2.0, "weight of the face discriminator's rows (--add_face_disc)")
    kd_mask: bool = option(False, "distil frames only where the reference flow is confident; the paper: everywhere")
    raw_rows: RawRows = option(
        "all", "rows of the raw image beside the final one's: all (vid2vid), or the pixel row alone: a third faster"
    )
    perceptual: Perceptual = option("auto", "features of the perceptual rows; auto: VGG19 if its weights are at hand")
    vgg_weights: str | None = option(None, "VGG19 weights, a .pth as torchvision publishes it")
    vgg_input: VggInput = option("imagenet", "what VGG19 sees: normalised colours, or [-1, 1] as once published")
    i3d_weights: str | None = option(None, "I3D weights (rgb_imagenet.pt) for the global temporal row of --stage tkd")
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
    steps_per_epoch: int = option(0, "clips drawn in an epoch / batchSize; 0: every sequence once")
    n_frames_total: int = option(30, "generated frames of a training clip at the start", aliases=("--n_frames_start",))
    max_clip_frames: int = option(128, "where the doubling of clips ends")
    frames_per_step: int = option(1, "generated frames between two weight updates at the start")
    max_frames_per_gpu: int = option(1, "where the doubling of frames a step ends")
    frames_backpropagate: int = option(1, "generated frames a gradient crosses at the start")
    max_frames_backpropagate: int = option(1, "where the doubling of back-propagated frames ends")
    max_t_step: int = option(1, "largest random distance in time between a clip's frames")
    no_first_img: bool = option(False, "learn to draw the first frames too, from nothing")
    begin_as_copy: bool = option(False, "start from a generator that repeats the previous frame; for short trainings")
    no_flip: bool = option(False, "never mirror a clip")
    affine: float = option(0.0, "strength of one random affine map per clip; 1 is about 8 degrees and 8 percent")
    given_noise: float = option(0.0, "largest std of noise on the given frames, against drift; colours are in [-1, 1]")
    max_minutes: float = option(0.0, "stop, saved, after so many minutes of training in all; 0: never")
    recalibrate: int = option(
        0, "clips on whose rollouts the norm layers' running statistics are measured anew when training ends"
    )

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        for name in ("batchSize", "accumulate", "niter_step", "n_frames_total", "max_clip_frames", "frames_per_step",
                     "max_t_step", "max_frames_per_gpu", "frames_backpropagate",
                     "max_frames_backpropagate"):  # fmt: skip
            require(getattr(self, name) >= 1, f"--{name} {getattr(self, name)}: expected at least 1")
        for name in ("niter", "niter_decay", "niter_fix_global", "steps_per_epoch", "affine", "given_noise",
                     "max_minutes", "recalibrate", "clip_grad"):  # fmt: skip
            require(getattr(self, name) >= 0, f"--{name} {getattr(self, name)}: expected 0 or more")
        for name in ("lr", "lr_heads"):
            require(getattr(self, name) > 0, f"--{name} {getattr(self, name)}: expected more than 0")
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
    guard_lr_factor: float = option(1.0, "after a collapse the learning rate is multiplied by this")
    guard_max_failures: int = option(3, "collapses without a save between that a run survives")
    validation_freq: int = option(0, "epochs between two validations, by which 'best' is chosen; 0: never")
    val_phase: str = option("val", "part of the dataset to validate on: <val_phase>_img and so on")
    validation_frames: int = option(0, "frames of every sequence that are validated on; 0: all")
    plan: bool = option(False, "estimate the memory that a training would need, and do nothing else")
    plan_memory_gb: float = option(0.0, "with --plan: say what to reduce to fit into so many GB; 0: the device's own")
    nThreads: int = option(1, "processes that load data")
    print_freq: int = option(100, "steps between two rows of the loss log")
    display_freq: int = option(500, "steps between two pictures; 0 draws none")
    save_latest_freq: int = option(500, "steps between two saves of 'latest'")
    save_epoch_freq: int = option(0, "epochs between two saves that are kept; 0 keeps 'latest' alone")
    debug: bool = option(False, "show the traceback of user errors")

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        is_plain = bool(self.name) and "/" not in self.name and not self.name.startswith(".")
        require(is_plain, f"--name '{self.name}': expected a plain folder name")
        require(0 <= self.seed < 2**31, f"--seed {self.seed}: expected 0 to {2**31 - 1}")
        require(
            0 < self.guard_lr_factor <= 1, f"--guard_lr_factor {self.guard_lr_factor}: expected more than 0, at most 1"
        )
        for name in ("nThreads", "display_freq", "save_epoch_freq", "guard_max_failures", "validation_freq",
                     "validation_frames", "plan_memory_gb"):  # fmt: skip
            require(getattr(self, name) >= 0, f"--{name} {getattr(self, name)}: expected 0 or more")
        for name in ("print_freq", "save_latest_freq"):
            require(getattr(self, name) >= 1, f"--{name} {getattr(self, name)}: expected at least 1")


@dataclass(frozen=True)
class TrainConfig:
    """Everything ``train.py`` is told; a checkpoint keeps it whole."""

    run: RunConfig = RunConfig()
    data: DataConfig = DataConfig()
    generator: GeneratorConfig = GeneratorConfig()
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    loss: LossConfig = LossConfig()
    schedule: ScheduleConfig = ScheduleConfig()

    def __post_init__(self) -> None:
        """Refuse combinations that cannot work, before anything is loaded."""
        stage, is_image = self.run.stage, self.generator.netG == "global"
        if stage in ("skd", "tkd"):
            require(
                self.run.teacher is not None,
                f"--stage {stage} needs the frozen teacher: --teacher checkpoints/NAME_OF_TEACHER",
            )
            require(
                self.generator.low_demand,
                f"--stage {stage} trains the low-demand generator: add --netG sr_mobile_composite --low_demand",
            )
        else:
            require(self.run.teacher is None, f"--stage {stage} has no teacher: leave out --teacher, or --stage skd")
        require(
            stage != "tkd" or self.run.init is not None or self.run.resume,
            "--stage tkd starts from the generator of spatial distillation: --init checkpoints/NAME_OF_SKD",
        )
        require(
            (stage == "first_frame") == is_image,
            "--netG global draws single images and goes with --stage first_frame, and only with it",
        )
        require(
            not self.schedule.begin_as_copy or not (self.generator.no_flow or is_image),
            "--begin_as_copy needs a generator that warps: leave out --no_flow, or --begin_as_copy",
        )
        require(
            not self.schedule.begin_as_copy or self.generator.n_scales_spatial == 1,
            "--begin_as_copy goes with --n_scales_spatial 1: leave out one of them",
        )
        require(
            self.schedule.niter_fix_global == 0 or self.generator.n_scales_spatial > 1,
            "--niter_fix_global trains the finest of several scales: add --n_scales_spatial 2, or leave it out",
        )
        require(
            not self.generator.fg or self.data.dataset_mode == "street",
            f"--fg draws the foreground labels of label maps: --dataset_mode street, found {self.data.dataset_mode}",
        )
        require(
            not self.discriminator.add_face_disc or self.data.dataset_mode in ("face", "pose"),
            f"--add_face_disc looks for faces: --dataset_mode pose or face, found {self.data.dataset_mode}",
        )
        require(
            not (self.discriminator.add_face_disc and self.data.dataset_mode == "face" and self.data.no_dist_map)
            or self.data.no_canny_edge,
            "--add_face_disc finds faces by their distance maps: leave out --no_dist_map, or add --no_canny_edge",
        )
        is_hidden = self.data.basic_point_only if self.data.openpose_only else self.data.remove_face_labels
        require(
            not (self.discriminator.add_face_disc and self.data.dataset_mode == "pose" and is_hidden),
            "--add_face_disc does not go with --remove_face_labels or --openpose_only --basic_point_only, which hide "
            "the face: leave out one of them",
        )
        require(
            not self.loss.kd_mask or stage in ("skd", "tkd"),
            f"--kd_mask goes with --stage skd or tkd, found --stage {stage}: leave it out",
        )
        require(
            stage != "tkd" or self.schedule.n_frames_total >= 3,
            f"--stage tkd --n_frames_total {self.schedule.n_frames_total}: expected at least 3, so that a clip has a "
            "frame to leave out",
        )
        require(
            self.loss.vgg_weights is None or self.loss.perceptual in ("auto", "vgg19"),
            f"--vgg_weights does not go with --perceptual {self.loss.perceptual}: leave out one of them",
        )
        require(
            self.loss.vgg_input == "imagenet" or self.loss.perceptual in ("auto", "vgg19"),
            f"--vgg_input {self.loss.vgg_input} does not go with --perceptual {self.loss.perceptual}: leave out one",
        )
        require(
            self.loss.i3d_weights is None or stage == "tkd",
            f"--i3d_weights goes with --stage tkd, found --stage {stage}: leave it out",
        )


@dataclass(frozen=True)
class TestConfig:
    """Everything ``test.py`` is told."""

    __test__ = False  # not a pytest class

    checkpoint: str = option("", "checkpoint of the student that draws the key-frames: a folder, or checkpoints/NAME")
    dataroot: str = option("datasets/face", "folder of the dataset")
    video: str | None = option(None, "a video of your own in place of the dataset (face, paired); writes an mp4")
    webcam: str | None = option(None, "live from a camera: its number, or a video file in its place", alone="0")
    serve: int | None = option(
        None, "show the stream on a page of this machine, http://127.0.0.1:N; 0: any free port", alone=LIVE_PORT
    )
    phase: str = option("test", "which part of the dataset: <phase>_keypoints, <phase>_img")
    teacher: str | None = option(None, "checkpoint of the teacher, to be run on every frame beside the student")
    name: str | None = option(None, "name of the results; default: the checkpoint's")
    results_dir: str = option("results", "folder of all results")
    output: str | None = option(
        None, "folder of these results, default: RESULTS_DIR/NAME/PHASE_LABEL; with --video an mp4 file"
    )
    keyframes: Keyframes = option("dp", "which frames the student draws")
    keyframe_share: float = option(0.3, "key-frames per output frame (dp, uniform)")
    keyframe_quality: float | None = option(
        None, "in place of the share (dp): as few key-frames as predict every other semantic frame to so many decibels"
    )
    interpolation: Interpolation = option(
        "auto", "motion compensation between key-frames; guided: by the semantic frames there; auto: best for the data"
    )
    first_frame: FirstFrame = option("real", "where the first frames come from")
    single_checkpoint: str | None = option(None, "checkpoint of the single-image generator for --first_frame single")
    student_all: bool = option(False, "run the student on every frame too, as a method")
    baselines: bool = option(False, "add two baselines: repeat the last given frame, mean training frame")
    image_format: Literal["png", "jpg"] = option("png", "format of the written frames")
    how_many: int = option(0, "sequences to do; 0: all")
    start_frame: int = option(0, "first frame of every sequence")
    max_frames: int = option(0, "frames of every sequence; 0: all")
    timing_runs: int = option(1, "repetitions behind the frame rate (median)")
    runtime: Runtime = option(
        "eager", "what runs the student; auto: the fastest that is installed, eager: the network as it was trained"
    )
    precision: Precision = option("auto", "bits of the student's layers; auto: 16 where the processor is made for it")
    runtime_file: str | None = option(None, "run the student from this file of python -m models.inference.export")
    lookahead: int = option(
        0, "choose key-frames live, so many frames ahead, and report the latency of every frame; 0: whole video known"
    )
    seed: int = option(0, "everything random follows from it")
    device: str = option("auto", "auto, cpu, cuda, cuda:1, mps", aliases=("--gpu_ids",))
    debug: bool = option(False, "show the traceback of user errors")

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        require(
            bool(self.checkpoint), "--checkpoint is missing: give the folder of a trained student, checkpoints/NAME"
        )
        require(
            0 < self.keyframe_share <= 1, f"--keyframe_share {self.keyframe_share}: expected more than 0, at most 1"
        )
        require(
            (self.first_frame == "single") == (self.single_checkpoint is not None),
            "--first_frame single and --single_checkpoint checkpoints/NAME go together: give both or none",
        )
        require(
            not self.baselines or self.first_frame == "real",
            "--baselines repeats the last given frame: it needs --first_frame real",
        )
        for name in ("how_many", "start_frame", "max_frames"):
            require(getattr(self, name) >= 0, f"--{name} {getattr(self, name)}: expected 0 or more")
        require(self.timing_runs >= 1, f"--timing_runs {self.timing_runs}: expected at least 1")
        require(
            self.runtime_file is None or self.runtime == "eager",
            f"--runtime_file brings its own runtime: leave out --runtime {self.runtime}",
        )
        require(self.lookahead >= 0, f"--lookahead {self.lookahead}: expected 0 or more")
        require(
            self.lookahead == 0 or self.keyframes == "dp",
            f"--lookahead chooses key-frames by dp: leave out --keyframes {self.keyframes}",
        )
        require(
            self.keyframe_quality is None or abs(self.keyframe_quality) < 1000,
            f"--keyframe_quality {self.keyframe_quality}: expected decibels, such as 30",
        )
        require(
            self.keyframe_quality is None or self.keyframes == "dp",
            f"--keyframe_quality chooses key-frames by dp: leave out --keyframes {self.keyframes}",
        )
        self._refuse_with_streams()

    def _refuse_with_streams(self) -> None:
        """Refuse what a stream, live or of one's own video, has no use for."""
        require(
            self.video is None or self.webcam is None, "--video and --webcam are two sources: leave out one of them"
        )
        require(
            self.serve is None or 0 <= self.serve < 2**16, f"--serve {self.serve}: expected a port of 0 to {2**16 - 1}"
        )
        is_live = self.serve is not None or self.webcam is not None
        flag = "--serve" if self.serve is not None else "--webcam" if is_live else "--video"
        if not is_live and self.video is None:
            return
        useless = ["teacher", "student_all", "baselines"]
        if self.video is not None or self.webcam is not None:
            useless += ["how_many", "start_frame", "max_frames"]
        if is_live:
            useless += ["output"]
        for name in useless:
            require(not getattr(self, name), f"--{name} does not go with {flag}: leave it out")
        require(
            not is_live or self.keyframes == "dp",
            f"{flag} chooses key-frames live, by dp: leave out --keyframes {self.keyframes}",
        )
        require(
            is_live or self.output is None or self.output.lower().endswith(".mp4"),
            f"--output {self.output}: expected an .mp4 file with --video",
        )
