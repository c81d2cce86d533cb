"""Sound of one video in another: packets are copied where the file format allows it."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet

from util.media.containers import named_when_damaged, opened

# what players of mp4 files know; others, such as PCM, may stand in the file and stay silent
PLAYABLE_CODECS = ("aac", "mp3", "opus", "flac", "ac3", "eac3", "alac")
FALLBACK_CODEC: Final = "aac"
FALLBACK_RATE = 48_000
# which language a track speaks, and what it is called
_KEPT_METADATA = ("language", "title", "handler_name")


@contextmanager
def sound_of(path: Path, *, target: OutputContainer) -> Iterator["Sound"]:
    """The sound of the file ``path``, ready to be written into ``target``, of which nothing is written yet.

    Raises:
        UserError: the file is missing, or nothing that has sound or pictures.
    """
    with opened(path) as source:
        with named_when_damaged(path):
            sound = Sound(source, target=target)
        yield sound


class Sound:
    """The audio streams of a file on their way into another; every packet keeps its time.

    Attributes:
        description: what becomes of the sound, in words for the log.
    """

    def __init__(self, source: InputContainer, *, target: OutputContainer) -> None:
        """Add the streams to ``target``: copied where players know their codec in it, else encoded anew as AAC."""
        self._path = Path(source.name)
        self._target = target
        self._streams = [stream for stream in source.streams.audio if stream.codec_context is not None]
        self._tracks = {stream.index: self._new_track(stream) for stream in self._streams}
        self._packets = source.demux(self._streams) if self._streams else iter(())
        self._next: Packet | None = None
        num_others = len(source.streams) - len(self._streams) - bool(source.streams.video)
        self.description = self._described(num_others)

    def _is_copied(self, stream: AudioStream) -> bool:
        name = stream.codec_context.codec.canonical_name  # decoders have names of their own, such as mp3float
        return name in PLAYABLE_CODECS and name in self._target.supported_codecs

    def _new_track(self, stream: AudioStream) -> AudioStream:
        track = self._copied_or_encoded(stream)
        track.metadata.update({name: stream.metadata[name] for name in _KEPT_METADATA if name in stream.metadata})
        track.disposition = stream.disposition
        return track

    def _copied_or_encoded(self, stream: AudioStream) -> AudioStream:
        if self._is_copied(stream):
            track = self._target.add_stream_from_template(stream)
            assert isinstance(track, AudioStream)
            return track
        rates = av.codec.Codec(FALLBACK_CODEC, "w").audio_rates or [stream.rate]
        rate = stream.rate if stream.rate in rates else FALLBACK_RATE
        # old files do not say where their channels belong, and encoders must know
        return self._target.add_stream(FALLBACK_CODEC, rate=rate, layout=_layout(stream))

    def _described(self, num_others: int) -> str:
        words = [
            f"{stream.codec_context.name} copied"
            if self._is_copied(stream)
            else f"{stream.codec_context.name} encoded anew as {_layout(stream)} {FALLBACK_CODEC}"
            for stream in self._streams
        ]
        left_out = f"; {num_others} other streams of the file left out" if num_others else ""
        return (", ".join(words) or "none") + left_out

    def write(self, *, until: Fraction | None) -> None:
        """Write what is heard up to a time, in seconds; with None all that is left.

        Raises:
            UserError: the sound is damaged there.
        """
        with named_when_damaged(self._path):
            while (packet := self._next or next(self._packets, None)) is not None:
                self._next = packet
                if until is not None and packet.pts is not None and packet.pts * packet.time_base > until:
                    return
                self._next = None
                self._write(packet)

    def _write(self, packet: Packet) -> None:
        stream = packet.stream
        assert isinstance(stream, AudioStream)
        track = self._tracks[stream.index]
        if self._is_copied(stream):
            if packet.size:  # the last one of a stream is empty: it is there for decoders
                packet.stream = track
                self._target.mux(packet)
            return
        for frame in stream.codec_context.decode(packet):
            self._target.mux(track.encode(frame))
        if not packet.size:
            self._target.mux(track.encode(None))


def _layout(stream: AudioStream) -> str:
    return "mono" if stream.channels == 1 else "stereo"
