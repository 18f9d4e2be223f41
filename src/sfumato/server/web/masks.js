// Selections on a small grid: what was found, what was drawn, and how they look over the photo.
(() => {
  "use strict";
  const { h } = window.sfumato;

  const SIDE = 640; // longer side of the grid; the painting itself is done at full resolution
  const LEAST = 48; // shorter side at least: the grid keeps the photo's proportions

  /** Colours of areas, and of what was found; told apart without red against green. */
  const AREAS = ["#ff8c1a", "#1aa7ff", "#e34fd0", "#2fbf9f", "#f2d21b", "#8d7bff"];
  const FOUND = { person: "#ff8c1a", subject: "#1aa7ff", background: "#8d7bff" };
  const COLOURS = ["#f2d21b", "#1aa7ff", "#e34fd0", "#2fbf9f"];

  function gridOf(width, height) {
    const side = Math.max(SIDE, (LEAST * Math.max(width, height)) / Math.min(width, height));
    const scale = side / Math.max(width, height);
    return { width: Math.round(width * scale), height: Math.round(height * scale) };
  }

  function canvasOf({ width, height }) {
    return h("canvas", { width, height });
  }

  /** Levels 0..255 of a grey picture, fitted to the grid. */
  async function read(url, grid) {
    const image = new Image();
    image.src = url;
    await image.decode();
    const context = canvasOf(grid).getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0, grid.width, grid.height);
    return channel(context, grid, 0);
  }

  function channel(context, grid, offset) {
    const { data } = context.getImageData(0, 0, grid.width, grid.height);
    const levels = new Uint8Array(grid.width * grid.height);
    for (let i = 0; i < levels.length; i++) levels[i] = data[4 * i + offset];
    return levels;
  }

  const not = (mask) => mask.map((level) => 255 - level);

  function share(mask) {
    let sum = 0;
    for (const level of mask) sum += level;
    return sum / (255 * mask.length);
  }

  /** How much two selections agree: intersection over union. */
  function agreement(a, b) {
    let both = 0, either = 0;
    for (let i = 0; i < a.length; i++) {
      both += Math.min(a[i], b[i]);
      either += Math.max(a[i], b[i]);
    }
    return either ? both / either : 1;
  }

  function rectangle(grid, [x0, y0, x1, y1]) {
    const mask = new Uint8Array(grid.width * grid.height);
    const columns = [Math.round(x0 * grid.width), Math.round(x1 * grid.width)];
    for (let y = Math.round(y0 * grid.height); y < Math.round(y1 * grid.height); y++) {
      mask.fill(255, y * grid.width + columns[0], y * grid.width + columns[1]);
    }
    return mask;
  }

  /** Strokes of a brush and of an eraser; the last one drawn wins. */
  class Strokes {
    constructor(grid) {
      this.grid = grid;
      this.add = canvasOf(grid).getContext("2d", { willReadFrequently: true });
      this.erase = canvasOf(grid).getContext("2d", { willReadFrequently: true });
      this.drawn = { add: false, erase: false };
    }

    /** From one point to another, fractions of the picture; `size` of its longer side. */
    line(kind, from, to, size) {
      const { width, height } = this.grid;
      const other = kind === "add" ? this.erase : this.add;
      for (const [context, mode] of [[this[kind], "source-over"], [other, "destination-out"]]) {
        context.globalCompositeOperation = mode;
        context.strokeStyle = "#fff";
        context.lineWidth = size * Math.max(width, height);
        context.lineCap = context.lineJoin = "round";
        context.beginPath();
        context.moveTo(from[0] * width, from[1] * height);
        context.lineTo(to[0] * width + 0.01, to[1] * height);
        context.stroke();
      }
      this.drawn[kind] = true;
    }

    levels(kind) {
      return channel(this[kind], this.grid, 3);
    }

    /** The strokes as a grey PNG in base64, white = drawn. */
    png(kind) {
      const canvas = canvasOf(this.grid);
      const context = canvas.getContext("2d");
      context.fillStyle = "#000";
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.drawImage(this[kind].canvas, 0, 0);
      return canvas.toDataURL("image/png").split(",")[1];
    }

    state() {
      const { width, height } = this.grid;
      const take = (kind) => this[kind].getImageData(0, 0, width, height);
      return { add: take("add"), erase: take("erase"), drawn: { ...this.drawn } };
    }

    restore(state) {
      this.add.putImageData(state.add, 0, 0);
      this.erase.putImageData(state.erase, 0, 0);
      this.drawn = { ...state.drawn };
    }
  }

  const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

  /** Lays a tint and an outline over pixels; `strength` 0..1 of the tint, `edge` of the outline. */
  function tint(pixels, grid, mask, colour, strength, edge) {
    const [red, green, blue] = rgb(colour);
    const { width } = grid;
    const inside = (i) => mask[i] > 127;
    for (let i = 0; i < mask.length; i++) {
      let cover = (mask[i] / 255) * strength;
      if (edge && inside(i)) {
        const x = i % width;
        const border =
          (x > 1 && !inside(i - 2)) || (x < width - 2 && !inside(i + 2)) ||
          (i >= 2 * width && !inside(i - 2 * width)) ||
          (i + 2 * width < mask.length && !inside(i + 2 * width));
        if (border) cover = edge;
      }
      if (cover <= 0) continue;
      const at = 4 * i;
      const under = (pixels[at + 3] / 255) * (1 - cover);
      const alpha = cover + under;
      pixels[at] = (red * cover + pixels[at] * under) / alpha;
      pixels[at + 1] = (green * cover + pixels[at + 1] * under) / alpha;
      pixels[at + 2] = (blue * cover + pixels[at + 2] * under) / alpha;
      pixels[at + 3] = 255 * alpha;
    }
  }

  window.sfumato.masks = {
    AREAS, FOUND, COLOURS, gridOf, read, not, share, agreement, rectangle, Strokes, tint,
  };
})();
