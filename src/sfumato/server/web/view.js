// The photo with its overlay, and what fingers, mouse and keys do on it.
(() => {
  "use strict";
  const { h } = window.sfumato;

  const STEP = 0.02; // of the picture, that an arrow key moves the crosshair
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  const clamp = (value) => Math.min(1, Math.max(0, value));

  /**
   * `heard` has `click(at)`, `hover(at or null)` and `stroke(from, to, began)`, `box(corners)`;
   * points are fractions of the picture. `tool()` says which of them a drag means: "click",
   * "stroke" or "box".
   */
  class View {
    constructor(label, tool, heard) {
      Object.assign(this, { tool, heard });
      this.photo = h("img", { class: "sf-photo", alt: "" });
      this.canvas = h("canvas", {
        class: "sf-canvas", tabindex: "0", role: "application", "aria-label": label,
      });
      this.band = h("div", { class: "sf-band", hidden: true });
      this.cross = h("div", { class: "sf-cross", hidden: true });
      this.frame = h("div", { class: "sf-frame", hidden: true },
        this.photo, this.canvas, this.band, this.cross);
      this.element = h("div", { class: "sf-view" }, this.frame);
      this.listen();
    }

    async open(photo) {
      this.photo.src = photo.url;
      this.photo.alt = photo.name;
      this.element.style.setProperty("--ratio", photo.width / photo.height);
      await this.photo.decode().catch(() => {});
      this.frame.hidden = false;
    }

    /** Has `paint(pixels)` fill the overlay, once for each frame that the screen shows. */
    draw(grid, paint) {
      this.paint = paint;
      if (this.due) return;
      this.due = requestAnimationFrame(() => {
        this.due = 0;
        if (this.canvas.width !== grid.width) this.canvas.width = grid.width;
        if (this.canvas.height !== grid.height) this.canvas.height = grid.height;
        const context = this.canvas.getContext("2d");
        const image = context.createImageData(grid.width, grid.height);
        this.paint(image.data);
        context.putImageData(image, 0, 0);
      });
    }

    at(event) {
      const box = this.canvas.getBoundingClientRect();
      return [
        clamp((event.clientX - box.left) / box.width), clamp((event.clientY - box.top) / box.height),
      ];
    }

    listen() {
      let from = null, last = null;
      this.canvas.addEventListener("pointerdown", (event) => {
        if (event.button) return;
        from = last = this.at(event);
        this.canvas.setPointerCapture(event.pointerId);
        this.cross.hidden = true;
        if (this.tool() === "stroke") this.heard.stroke(from, from, true);
      });
      this.canvas.addEventListener("pointermove", (event) => {
        const at = this.at(event);
        if (!from) {
          this.heard.hover?.(at);
          return;
        }
        if (this.tool() === "stroke") this.heard.stroke(last, at, false);
        if (this.tool() === "box") this.show(from, at);
        last = at;
      });
      this.canvas.addEventListener("pointerup", (event) => {
        if (!from) return;
        this.finish(from, this.at(event));
        from = null;
      });
      this.canvas.addEventListener("pointercancel", () => {
        from = null;
        this.band.hidden = true;
      });
      this.canvas.addEventListener("pointerleave", () => this.heard.hover?.(null));
      this.canvas.addEventListener("keydown", (event) => this.key(event));
      this.canvas.addEventListener("blur", () => (this.cross.hidden = true));
    }

    finish(from, to) {
      this.band.hidden = true;
      if (this.tool() === "click") this.heard.click(to);
      if (this.tool() !== "box") return;
      const corners = [
        Math.min(from[0], to[0]), Math.min(from[1], to[1]),
        Math.max(from[0], to[0]), Math.max(from[1], to[1]),
      ];
      if (corners[2] - corners[0] > 0.01 && corners[3] - corners[1] > 0.01) this.heard.box(corners);
    }

    show(from, to) {
      const percent = (value) => `${100 * value}%`;
      Object.assign(this.band.style, {
        left: percent(Math.min(from[0], to[0])), top: percent(Math.min(from[1], to[1])),
        width: percent(Math.abs(to[0] - from[0])), height: percent(Math.abs(to[1] - from[1])),
      });
      this.band.hidden = false;
    }

    /** Arrow keys move a crosshair, Enter or Space does at it what a click does. */
    key(event) {
      this.point ??= [0.5, 0.5];
      const arrow = ARROWS[event.key];
      const acts = event.key === "Enter" || event.key === " ";
      if (event.key === "Escape") this.corner = null;
      if (!arrow && !acts) return;
      event.preventDefault();
      const before = this.point;
      if (arrow) {
        const step = event.shiftKey ? 5 * STEP : STEP;
        this.point = before.map((value, i) => clamp(value + arrow[i] * step));
        this.heard.hover?.(this.point);
        if (this.tool() === "stroke" && event.ctrlKey) this.heard.stroke(before, this.point, false);
        if (this.corner) this.show(this.corner, this.point);
      } else if (this.tool() === "box") {
        if (this.corner) this.finish(this.corner, this.point);
        this.corner = this.corner ? null : this.point;
      } else if (this.tool() === "stroke") {
        this.heard.stroke(this.point, this.point, true);
      } else {
        this.heard.click(this.point);
      }
      Object.assign(this.cross.style, {
        left: `${100 * this.point[0]}%`, top: `${100 * this.point[1]}%`,
      });
      this.cross.hidden = false;
    }
  }

  Object.assign(window.sfumato, { View });
})();
