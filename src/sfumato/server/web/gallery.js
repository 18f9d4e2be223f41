// All styles as buttons; each shows the visitor's own photo in it as soon as that is painted.
(() => {
  "use strict";
  const { h, room, Desk, open, accept, sleep, examples } = window.sfumato;

  const SIDE = 224; // of the previews
  const AT_ONCE = 2; // previews in line: whoever asks for a picture does not wait for forty

  function gallery(element, props, server, upload) {
    const here = room(props.room);
    const desk = new Desk(server, upload);
    const tiles = new Map();
    const watcher = new IntersectionObserver((entries) => {
      for (const { isIntersecting, target } of entries) if (isIntersecting) want(target.entry);
    });
    let waiting = [], running = 0, photo = null;

    const grid = h("div", { class: "sf-tiles", role: "group", "aria-label": "Styles" });
    const own = h("input", {
      type: "file", accept: "image/*,.heic,.heif,.tif,.tiff", class: "sf-unseen",
      "aria-label": "Your own style picture",
      onchange: () => own.files.length && add([...own.files]),
    });
    const drop = h("label", { class: "sf-tile sf-own" }, own,
      h("span", { class: "sf-thumb", "aria-hidden": "true" }, h("span", { class: "sf-drop-mark" })),
      h("span", { class: "sf-name" }, "Your own picture"));
    grid.append(drop);
    for (const style of props.styles) grid.append(tile(style));
    accept(drop, add);
    element.querySelector(".sf-gallery").append(
      grid, examples(desk, props.examples, add, "Or a painting as the style"));

    function tile(style) {
      const image = h("img", {
        class: style.url ? "sf-thumb" : "sf-thumb sf-sample", alt: "", src: style.url ?? style.thumb,
      });
      const button = h(
        "button", {
          type: "button", class: "sf-tile", title: style.description, "aria-pressed": "false",
          "aria-label": `${style.label}: ${style.description}`, onclick: () => here.choose?.(style),
        },
        h("span", { class: "sf-thumb sf-blank", "aria-hidden": "true" }), image,
        h("span", { class: "sf-name" }, style.label),
      );
      button.entry = { style, button, image, seen: false };
      tiles.set(style.name, button.entry);
      watcher.observe(button);
      return button;
    }

    async function add([file]) {
      let picture;
      try {
        picture = await open(desk, file);
      } catch (problem) {
        here.say?.(problem.message, "problem");
        return;
      }
      const number = [...tiles.keys()].filter((name) => name.startsWith("own-")).length + 1;
      const ending = (file.name.match(/\.[a-z0-9]{1,5}$/i) ?? [".jpg"])[0];
      const style = {
        name: `own-${number}${ending}`, label: picture.name, description: "your own picture",
        file, small: await picture.small(SIDE * 2), url: URL.createObjectURL(await picture.small(SIDE)),
      };
      drop.after(tile(style));
      here.choose?.(style);
    }

    /** Previews are painted for tiles that come into sight, nearest to the top first. */
    function want(entry) {
      if (!photo || entry.seen) return;
      entry.seen = true;
      waiting.push(entry);
      next();
    }

    function next() {
      while (photo && !here.busy && running < AT_ONCE && waiting.length) {
        running++;
        preview(waiting.shift(), photo).finally(() => {
          running--;
          next();
        });
      }
    }

    async function preview(entry, of) {
      const { style, image, button } = entry;
      const order = { style: style.name, size: SIDE, format: "jpeg", quality: 85 };
      button.classList.add("sf-busy");
      try {
        const files = [await of.smallAs("photo", SIDE)];
        if (style.small) files.push({ part: "files", name: style.name, file: style.small });
        const id = await desk.ask("paint", order, files);
        await desk.follow(id);
        const url = await desk.fetch(id);
        if (of !== photo) return;
        image.src = url;
        await image.decode().catch(() => {});
        image.classList.remove("sf-sample");
        image.hidden = false;
      } catch (problem) {
        if (problem.again && of === photo) {
          await sleep(1000 * Math.min(10, problem.again)); // the line is full
          waiting.push(entry);
        }
      } finally {
        button.classList.remove("sf-busy");
      }
    }

    here.previews = {
      /** A new photo: all previews anew. */
      open(given) {
        photo = given;
        waiting = [];
        for (const entry of tiles.values()) {
          entry.seen = false;
          if (!entry.style.file) entry.image.hidden = true;
          watcher.unobserve(entry.button); // observed anew, it tells whether it is in sight
          watcher.observe(entry.button);
        }
      },
      mark(name) {
        for (const [key, { button }] of tiles) button.setAttribute("aria-pressed", key === name);
      },
      next,
    };
  }

  window.sfumato.gallery = gallery;
})();
