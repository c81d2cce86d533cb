"use strict";
// One player per sequence: the first video is the master clock, the others follow it.

let activePlayer = null;

class Player {
  constructor(root) {
    this.root = root;
    this.frames = Number(root.dataset.frames);
    this.rate = Number(root.dataset.rate);
    this.given = Number(root.dataset.given);
    this.keys = new Set(JSON.parse(root.dataset.keys));
    this.curves = JSON.parse(root.dataset.curves);
    this.units = JSON.parse(root.dataset.units);
    this.videos = [...root.querySelectorAll("video")];
    this.master = this.videos[0];
    this.scrubber = root.querySelector(".scrubber");
    this.cursors = root.querySelectorAll(".cursor");
    this.readout = root.querySelector(".readout");
    this.values = [...root.querySelectorAll(".legend output")];
    this.playButton = root.querySelector(".play");
    this.loopBox = root.querySelector(".loop input");
    this.speed = 1;
    this.frame = -1;
    this.playing = false;
    this.isFresh = true; // opens on a picture from the middle; the first press of play starts at the beginning

    for (const video of this.videos) {
      video.removeAttribute("controls");
      takeFromMemory(video);
      video.addEventListener("loadedmetadata", () => {
        this.widen(video);
        if (!this.playing) video.currentTime = this.timeOf(this.frame);
      });
    }
    this.master?.addEventListener("ended", () => this.atEnd());
    this.playButton.addEventListener("click", () => this.toggle());
    for (const button of root.querySelectorAll("[data-step]"))
      button.addEventListener("click", () => this.step(Number(button.dataset.step)));
    this.onChange(".of-speed input", (radio) => this.setSpeed(Number(radio.value)));
    this.setUpWipe();
    this.scrubber.addEventListener("input", () => this.seek(Number(this.scrubber.value)));
    for (const axis of root.querySelectorAll(".axis > svg")) this.seekByPointer(axis);
    for (const kind of ["pointerdown", "focusin"]) root.addEventListener(kind, () => (activePlayer = this));
    // what was clicked does not keep the keyboard: arrows go on to step
    root.addEventListener("pointerup", () => setTimeout(() => document.activeElement.matches(".player input, .player button") && document.activeElement.blur()));
    this.show(Math.floor(this.frames / 2));
  }

  // Small sources are enlarged, at most threefold and to 640 px.
  widen(video) {
    const widest = Math.min(640, Math.max(256, 3 * video.videoWidth));
    const style = video.closest(".videos").style;
    style.setProperty("--widest", `${widest}px`);
    style.setProperty("--aspect", video.videoWidth / video.videoHeight);
  }

  onChange(selector, act) {
    for (const element of this.root.querySelectorAll(selector)) element.addEventListener("change", () => act(element));
  }

  // Two videos are laid over each other; the upper one, on the left, is clipped at the edge.
  setUpWipe() {
    const slider = this.root.querySelector(".wipe");
    if (!slider) return;
    const figures = this.videos.map((video) => video.closest("figure"));
    const sides = [...this.root.querySelectorAll(".sides select")];
    let chosen = sides.map((select) => select.value);
    const place = (changed) => {
      // a video is not compared with itself: the sides change places
      if (sides[0].value === sides[1].value) sides.find((one) => one !== changed).value = chosen[sides.indexOf(changed)];
      chosen = sides.map((select) => select.value);
      for (const side of sides)
        figures.forEach((figure, number) => figure.classList.toggle(side.className, number === Number(side.value)));
    };
    const move = () => {
      slider.parentElement.style.setProperty("--at", `${slider.value}%`);
      slider.setAttribute("aria-valuetext", `${slider.value} percent of the left video`);
    };
    this.onChange(".sides select", place);
    this.onChange(".of-view input", (radio) => this.root.classList.toggle("wiping", radio.value === "wipe"));
    slider.addEventListener("input", move);
    place();
    move();
  }

  // The middle of a frame's time: rounding on either side cannot land in its neighbour.
  timeOf(frame) {
    return (frame + 0.5) / this.rate;
  }

  clamp(frame) {
    return Math.min(Math.max(frame, 0), this.frames - 1);
  }

  seek(frame) {
    this.isFresh = false;
    this.show(this.clamp(frame));
  }

  show(frame) {
    for (const video of this.videos) video.currentTime = this.timeOf(frame);
    this.mark(frame);
  }

  step(count) {
    this.pause();
    this.seek(this.frame + count);
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  play() {
    if (!this.master) return;
    activePlayer = this;
    for (const other of players) if (other !== this) other.pause();
    if (this.isFresh || this.frame === this.frames - 1) this.show(0);
    this.isFresh = false;
    this.setPlaying(true);
    this.setSpeed(this.speed);
    for (const video of this.videos) video.play().catch(() => video === this.master && this.setPlaying(false));
    requestAnimationFrame(() => this.tick());
  }

  pause() {
    if (!this.playing) return;
    this.setPlaying(false);
    for (const video of this.videos) video.pause();
    this.show(this.frame);
  }

  setPlaying(isPlaying) {
    this.playing = isPlaying;
    this.root.classList.toggle("playing", isPlaying);
    this.playButton.setAttribute("aria-label", isPlaying ? "Pause" : "Play");
  }

  setSpeed(speed) {
    this.speed = speed;
    for (const video of this.videos) video.playbackRate = speed;
  }

  atEnd() {
    if (!this.playing) return;
    if (!this.loopBox.checked) return this.pause();
    for (const video of this.videos) {
      video.currentTime = 0;
      video.play().catch(() => {});
    }
  }

  tick() {
    if (!this.playing) return;
    this.mark(this.clamp(Math.floor(this.master.currentTime * this.rate + 0.01)));
    for (const video of this.videos.slice(1)) this.follow(video);
    requestAnimationFrame(() => this.tick());
  }

  // A follower a little off runs slightly faster or slower, which no one sees; one far off jumps.
  follow(video) {
    if (video.seeking || this.master.seeking) return;
    const lead = (video.currentTime - this.master.currentTime) * this.rate; // in frames
    if (Math.abs(lead) > 3) video.currentTime = this.master.currentTime;
    const wanted = this.speed * (Math.abs(lead) > 0.2 ? 1 - Math.sign(lead) * 0.08 : 1);
    if (video.playbackRate !== wanted) video.playbackRate = wanted;
  }

  mark(frame) {
    if (frame === this.frame) return;
    this.frame = frame;
    const kind = this.kindOf(frame);
    const position = `${((frame + 0.5) / this.frames) * 100}%`;
    for (const cursor of this.cursors) {
      cursor.setAttribute("x1", position);
      cursor.setAttribute("x2", position);
    }
    this.scrubber.value = frame;
    this.scrubber.setAttribute("aria-valuetext", `frame ${frame} of ${this.frames - 1}, ${kind}`);
    const number = document.createElement("b");
    number.textContent = frame;
    this.readout.replaceChildren("frame ", number, ` / ${this.frames - 1} · ${kind}`);
    this.curves.forEach((curve, i) => {
      const value = curve[frame];
      this.values[i].textContent = value === null ? "–" : `${value.toFixed(value < 100 ? 2 : 0)} ${this.units[i]}`;
    });
  }

  kindOf(frame) {
    if (frame < this.given) return "given";
    if (this.keys.size === 0) return "generated";
    return this.keys.has(frame) ? "key-frame" : "between key-frames";
  }

  seekByPointer(axis) {
    const go = (event) => {
      const box = axis.getBoundingClientRect();
      this.seek(Math.floor(((event.clientX - box.left) / box.width) * this.frames));
    };
    axis.addEventListener("pointerdown", (event) => {
      axis.setPointerCapture(event.pointerId);
      go(event);
    });
    axis.addEventListener("pointermove", (event) => axis.hasPointerCapture(event.pointerId) && go(event));
  }
}

// Safari plays no video from a data URI, but every browser plays one from memory, and saves it from there.
function takeFromMemory(video) {
  const source = video.getAttribute("src");
  if (!source.startsWith("data:")) return;
  const bytes = Uint8Array.from(atob(source.slice(source.indexOf(",") + 1)), (letter) => letter.charCodeAt(0));
  video.src = URL.createObjectURL(new Blob([bytes], { type: "video/mp4" }));
  video.closest("figure").querySelector(".download").href = video.src;
}

const players = [];
for (const root of document.querySelectorAll(".player")) {
  root.classList.remove("without-script");
  players.push(new Player(root));
}
activePlayer = players[0] ?? null;

document.addEventListener("keydown", (event) => {
  if (!activePlayer || event.ctrlKey || event.metaKey || event.altKey) return;
  const element = event.target;
  const isOurScrubber = element === activePlayer.scrubber;
  // controls keep the keys that they use themselves; a focused slider is stepped here so that it also pauses
  const isPlayOverSlider = event.key === " " && element.matches(".wipe");
  if (element.matches("input, select, textarea, .scroll, pre") && !isOurScrubber && !isPlayOverSlider) return;
  const actions = {
    ArrowLeft: () => activePlayer.step(-1),
    ArrowRight: () => activePlayer.step(1),
    Home: () => activePlayer.step(-activePlayer.frames),
    End: () => activePlayer.step(activePlayer.frames),
    " ": () => activePlayer.toggle(),
  };
  if (!(event.key in actions)) return;
  if (event.key === " " && element.matches("button, a")) return;
  if ((event.key === "Home" || event.key === "End") && !activePlayer.root.contains(element)) return;
  event.preventDefault();
  actions[event.key]();
});
