// A picture that the visitor chose, and the box into which it is dropped.
(() => {
  "use strict";
  const { h, Problem } = window.sfumato;

  const TYPES = "image/*,.heic,.heif,.tif,.tiff";

  /** One chosen picture: the file as it is, what to show of it, and smaller copies. */
  class Photo {
    constructor(file, name, image, url) {
      Object.assign(this, { file, name, image, url });
      this.width = image.naturalWidth;
      this.height = image.naturalHeight;
      this.copies = new Map();
    }

    /** A JPEG copy whose longer side has at most so many pixels, made by the browser. */
    small(side) {
      if (!this.copies.has(side)) {
        const scale = Math.min(1, side / Math.max(this.width, this.height));
        const canvas = h("canvas", {
          width: Math.max(1, Math.round(this.width * scale)),
          height: Math.max(1, Math.round(this.height * scale)),
        });
        const context = canvas.getContext("2d");
        context.imageSmoothingQuality = "high";
        context.drawImage(this.image, 0, 0, canvas.width, canvas.height);
        this.copies.set(side, new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.92)));
      }
      return this.copies.get(side);
    }

    /** As a part of an order. */
    as(part) {
      return { part, name: this.name, file: this.file };
    }

    async smallAs(part, side) {
      return { part, name: `${side}.jpg`, file: await this.small(side) };
    }
  }

  async function load(url) {
    const image = new Image();
    image.src = url;
    await image.decode();
    if (!image.naturalWidth) throw new Error("no pixels");
    return image;
  }

  /** Opens a file. What this browser cannot show (HEIC, TIFF) a worker turns into a JPEG. */
  async function open(desk, file, told) {
    const name = (file.name || "picture").slice(-200);
    if (!file.size) throw new Problem(`${name} is empty.`);
    if (!/svg/.test(file.type)) { // a browser shows drawings, too; let the worker say what it takes
      const url = URL.createObjectURL(file);
      try {
        return new Photo(file, name, await load(url), url);
      } catch {
        URL.revokeObjectURL(url);
      }
    }
    const order = { style: "ink", strength: 0, size: 64, format: "jpeg" };
    const id = await desk.ask("paint", order, [{ part: "photo", name, file }]);
    await desk.follow(id, told);
    const shown = (await desk.offer(id)).url;
    return new Photo(file, name, await load(shown), shown);
  }

  /** A box to drop a picture into, or to choose one by click or key. */
  class Drop {
    constructor(label, chosen, { multiple = false, capture = false } = {}) {
      this.input = h("input", {
        type: "file", accept: TYPES, class: "sf-unseen", multiple,
        "aria-label": label,
        onchange: () => {
          if (this.input.files.length) chosen([...this.input.files]);
          this.input.value = ""; // the same file may be chosen again
        },
      });
      this.element = h(
        "label", { class: "sf-drop" }, this.input,
        h("span", { class: "sf-drop-mark", "aria-hidden": "true" }), h("span", {}, label),
      );
      accept(this.element, chosen, multiple);
    }
  }

  /** Lets files be dropped onto an element. */
  function accept(element, chosen, multiple = false) {
    const over = (on) => (event) => {
      if (![...(event.dataTransfer?.types ?? [])].includes("Files")) return;
      event.preventDefault();
      element.classList.toggle("sf-over", on);
    };
    element.addEventListener("dragover", over(true));
    element.addEventListener("dragleave", over(false));
    element.addEventListener("drop", (event) => {
      over(false)(event);
      const files = [...(event.dataTransfer?.files ?? [])];
      if (files.length) chosen(multiple ? files : files.slice(0, 1));
    });
  }

  /** A row of pictures to try: [{name, label, thumb}]. */
  function examples(desk, list, chosen, label = "Or try one of these") {
    const buttons = list.map(({ name, label: called, thumb }) =>
      h(
        "button", {
          type: "button", class: "sf-example", title: called, "aria-label": `Example: ${called}`,
          onclick: async () => chosen([await example(desk, name)]),
        },
        h("img", { src: thumb, alt: "", width: 56, height: 56 }),
      ),
    );
    return h(
      "div", { class: "sf-examples", role: "group", "aria-label": label }, h("span", {}, label),
      ...buttons,
    );
  }

  async function example(desk, name) {
    const { url } = await desk.call("example", { name });
    return new File([await (await fetch(url)).blob()], name, { type: "image/jpeg" });
  }

  Object.assign(window.sfumato, { Photo, open, Drop, accept, examples });
})();
