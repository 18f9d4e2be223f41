// The tabs Paint and Optimise: a photo, areas chosen on it, and the painting.
(() => {
  "use strict";
  const { h, room, Desk, Line, Compare, Downloads, Drop, View, Areas, masks } = window.sfumato;
  const { open, accept, examples, stem, Problem } = window.sfumato;

  const IDLE = "Choose a photo to begin.";
  const TOOLS = [
    ["things", "Things", "Click on a person, the subject or the background"],
    ["colours", "Colours", "Click on an area of one colour"],
    ["point", "Point", "Click on anything: a net finds its outline"],
    ["box", "Box", "Drag a rectangle"],
    ["object", "Box a thing", "Drag a rectangle around a thing: a net finds its outline"],
    ["add", "Brush", "Paint what belongs to the area"],
    ["erase", "Eraser", "Rub out what does not belong to it"],
  ];
  const HINTS = Object.fromEntries(TOOLS.map(([name, , hint]) => [name, hint]));
  const BUSY_FINDING = "Looking at the photo …";

  class Stage {
    constructor(element, props, server, upload) {
      this.props = props;
      this.room = room(props.room);
      Object.assign(this.room.settings, { ...props.settings, ...this.room.settings });
      this.desk = new Desk(server, upload);
      this.tool = "things";
      this.build(element);
      Object.assign(this.room, {
        go: () => this.go(), choose: (style) => this.choose(style),
        say: (text, kind) => this.line.say(text, kind),
      });
    }

    build(element) {
      const chosen = ([file]) => this.open(file);
      this.line = new Line(IDLE);
      this.compare = new Compare();
      this.downloads = new Downloads();
      this.view = new View(
        "The photo. Arrow keys move a crosshair, Enter chooses what lies under it.",
        () => ({ add: "stroke", erase: "stroke", box: "box", object: "box" })[this.tool] ?? "click",
        {
          click: (at) => this.click(at), hover: (at) => this.hover(at),
          stroke: (...stroke) => this.stroke(...stroke), box: (corners) => this.box(corners),
        },
      );
      this.drop = new Drop("Drop a photo here, or tap to choose one", chosen);
      this.view.element.append(this.drop.element, this.compare.element);
      accept(this.view.element, chosen);
      this.tools = this.radios("What a click does", TOOLS, this.tool, (tool) => this.use(tool));
      this.views = this.radios("Show", [["choose", "Choose"], ["result", "Before and after"]],
        "choose", (which) => this.show(which));
      this.views.classList.add("sf-views");
      this.another = new Drop("Another photo", chosen);
      this.another.element.className = "sf-button";
      this.another.element.querySelector(".sf-drop-mark").remove();
      this.size = h("input", {
        type: "range", min: "1", max: "20", value: "5", "aria-label": "Size of the brush",
      });
      this.brush = h("label", { class: "sf-brush" }, "Size", this.size);
      this.chips = h("div", { class: "sf-chips", role: "group", "aria-label": "What was found" });
      this.list = h("div", { class: "sf-areas", role: "group", "aria-label": "Areas to paint" });
      const button = (label, onclick) =>
        h("button", { type: "button", class: "sf-button", onclick }, label);
      this.undo = button("Undo", () => this.areas && (this.areas.undo(), this.update()));
      this.examples = examples(this.desk, this.props.examples, chosen);
      element.querySelector(".sf-stage").append(
        this.view.element, this.line.element,
        h("div", { class: "sf-row" }, this.views, this.another.element, this.downloads.element),
        h("div", { class: "sf-row" }, this.tools, this.brush, this.undo), this.chips, this.list,
        this.examples,
      );
      if (this.props.kind === "optimise") {
        this.curve = h("canvas", { class: "sf-curve", role: "img", "aria-label": "Loss curve" });
        this.line.element.after(this.curve);
      }
      this.use(this.tool);
      this.update();
    }

    radios(label, options, chosen, use) {
      const name = `sf-${this.props.room}-${label}`;
      return h("div", { class: "sf-radios", role: "radiogroup", "aria-label": label },
        ...options.map(([value, text, hint]) =>
          h("label", { title: hint ?? text },
            h("input", { type: "radio", name, value, checked: value === chosen, onchange: () => use(value) }),
            h("span", {}, text))));
    }

    async open(file) {
      this.line.say("Opening …");
      const turn = (this.turn = {}); // what another photo overtakes is dropped
      try {
        const photo = await open(this.desk, file, (job) => this.line.show(job));
        if (this.turn !== turn) return;
        this.photo = photo;
        this.areas = new Areas(photo, this.desk);
        this.result = null;
        this.downloads.clear();
        await this.view.open(photo);
        this.drop.element.hidden = true;
        this.show("choose");
        this.update();
        const { style } = this;
        if (style) this.areas.now.style = style;
        await this.find("things", turn);
        this.room.previews?.open(photo);
      } catch (problem) {
        if (this.turn === turn) this.problem(problem);
      }
    }

    async find(group, turn = this.turn) {
      const { areas } = this;
      if (!areas || areas[group]) return;
      areas[group] = true;
      this.line.say(BUSY_FINDING);
      const { said } = this.line;
      try {
        const told = (job) => this.turn === turn && !this.job && this.line.show(job);
        const any = group === "things"
          ? await areas.findThings(told) : (await areas.findColours(told), true);
        if (this.turn !== turn) return;
        if (!this.job && this.line.said === said) {
          this.line.say(any ? `${HINTS[group]}, and choose a style.`
            : "Nothing stands out here: pick colours, draw a box or use the brush.");
        }
      } catch (problem) {
        areas[group] = false;
        if (this.turn === turn) this.problem(problem);
      }
      this.update();
    }

    use(tool) {
      this.tool = tool;
      this.brush.style.visibility = tool === "add" || tool === "erase" ? "visible" : "hidden";
      this.view.canvas.dataset.tool = tool;
      if (!this.areas) return;
      this.show("choose");
      if (tool === "colours") this.find("colours");
      else if (!this.job) this.line.say(`${HINTS[tool]}.`);
      this.update();
    }

    group() {
      return this.tool === "colours" ? "colours" : "things";
    }

    hit(at) {
      return this.areas.hit(at, "pointed") ?? this.areas.hit(at, this.group());
    }

    hover(at) {
      const under = at && this.areas && ["things", "colours"].includes(this.tool) ? this.hit(at) : null;
      if (under === this.under) return;
      this.under = under;
      this.redraw();
    }

    click(at) {
      if (this.tool === "point") {
        this.seek(`point:${at.map((v) => Math.min(v, 0.9999).toFixed(4)).join(",")}`, "Point");
        return;
      }
      const region = this.hit(at);
      if (region) this.areas.toggle(region);
      this.update();
    }

    stroke(from, to, began) {
      const size = this.size.value / 100;
      if (began) this.areas.change(() => {});
      this.areas.now.strokes.line(this.tool, from, to, size);
      if (began) this.update();
      else this.redraw();
    }

    box(corners) {
      if (this.tool === "object") {
        this.seek(`object:${corners.map((v) => v.toFixed(4)).join(",")}`, "Thing");
        return;
      }
      this.areas.box(corners);
      this.update();
    }

    async seek(region, label) {
      const { areas } = this;
      try {
        await areas.findAt(region, label, (job) => !this.job && this.line.show(job));
        if (!this.job) this.line.say(`${HINTS[this.tool]}.`);
      } catch (problem) {
        this.problem(problem);
      }
      if (areas === this.areas) this.update();
    }

    choose(style) {
      this.style = style;
      if (this.areas) this.areas.now.style = style;
      this.update();
    }

    problem(problem) {
      this.line.say(problem.message, problem.cancelled ? "" : "problem");
    }

    show(which) {
      const result = which === "result" && this.result;
      if (result) this.compare.show(this.photo.url, this.result);
      else this.compare.hide();
      for (const input of this.views.querySelectorAll("input")) {
        input.checked = input.value === (result ? "result" : "choose");
        input.disabled = input.value === "result" && !this.result;
      }
    }

    /** Everything that follows from what has been chosen. */
    update() {
      const { areas } = this;
      this.room.previews?.mark(areas ? areas.now.style?.name : this.style?.name);
      this.chips.replaceChildren(...this.chipsOf(areas));
      this.list.replaceChildren(...this.areasOf(areas));
      this.undo.disabled = !areas?.past.length;
      this.show(this.compare.element.hidden ? "choose" : "result");
      this.redraw();
    }

    chipsOf(areas) {
      const shown = [...(areas?.found ?? [])].filter(
        ([region, { group }]) =>
          group === this.group() || group === "pointed" || areas.now.picks.has(region));
      if (!shown.length) return [h("span", { class: "sf-hint" }, "What is found appears here.")];
      return shown.map(([region, { label, colour }]) =>
        h("button", {
          type: "button", class: "sf-chip", style: `--colour: ${colour}`,
          "aria-pressed": String(areas.now.picks.has(region)),
          onclick: () => { areas.toggle(region); this.update(); this.focus(this.chips, label); },
          onpointerenter: () => { this.under = region; this.redraw(); },
          onpointerleave: () => { this.under = null; this.redraw(); },
        }, label));
    }

    areasOf(areas) {
      if (!areas) return [h("span", { class: "sf-hint" }, "Areas to paint appear here.")];
      const rows = areas.list.map((area, i) =>
        h("div", { class: "sf-area", style: `--colour: ${masks.AREAS[i % masks.AREAS.length]}` },
          h("button", {
            type: "button", class: "sf-area-name", "aria-pressed": String(i === areas.at),
            onclick: () => { areas.at = i; this.update(); },
          }, `${i + 1}  ${areas.name(area)} → ${area.style?.label ?? "choose a style"}`),
          areas.list.length > 1 && h("button", {
            type: "button", class: "sf-button sf-remove", "aria-label": `Remove area ${i + 1}`,
            onclick: () => { areas.remove(i); this.update(); },
          }, "×")));
      rows.push(h("button", {
        type: "button", class: "sf-button", disabled: areas.list.length >= masks.AREAS.length,
        onclick: () => { areas.add(); this.update(); },
      }, "Another area, another style"));
      return rows;
    }

    focus(group, label) {
      [...group.children].find((child) => child.textContent === label)?.focus();
    }

    redraw() {
      const { areas } = this;
      if (!areas) return;
      const { grid } = areas;
      this.view.draw(grid, (pixels) => {
        const shown = ["things", "colours"].includes(this.tool);
        for (const [region, { mask, colour, group }] of areas.found) {
          if (region === this.under) masks.tint(pixels, grid, mask, colour, 0.4, 0.9);
          else if (shown && group === this.group() && !areas.now.picks.has(region)) {
            masks.tint(pixels, grid, mask, colour, 0.3, 0.9);
          }
        }
        areas.list.forEach((area, i) => {
          if (area.empty) return;
          const strength = i === areas.at ? 0.5 : 0.3;
          const colour = masks.AREAS[i % masks.AREAS.length];
          masks.tint(pixels, grid, areas.mask(area), colour, strength, 1);
        });
      });
    }

    order() {
      if (!this.areas) throw new Problem("Choose a photo first.");
      const optimise = this.props.kind === "optimise";
      const { layers, files } = this.areas.layers(optimise ? "gatys" : null);
      const order = { ...this.room.settings, style: null, layers };
      return [this.props.kind, order, [this.photo.as("photo"), ...files]];
    }

    async go() {
      if (this.job) return;
      const { turn, photo } = this;
      const job = (this.job = { ended: null });
      this.room.busy = true;
      try {
        const order = this.order();
        this.line.say("Sending …");
        this.view.element.scrollIntoView({ block: "nearest", behavior: "smooth" });
        this.line.begin((keep) => {
          job.ended = { keep };
          if (job.id) this.desk.end(job.id, keep);
        }, this.props.kind === "optimise");
        job.id = await this.desk.ask(...order);
        if (job.ended) this.desk.end(job.id);
        const done = await this.desk.follow(job.id, (state) => {
          this.line.show(state);
          if (this.props.kind === "optimise") this.watch(job, state);
        });
        job.done = true;
        if (this.turn === turn) await this.finish(job.id, done, photo);
      } catch (problem) {
        this.problem(problem);
      } finally {
        this.job = null;
        this.room.busy = false;
        this.room.previews?.next();
      }
    }

    async finish(id, { ran }, photo) {
      const [result, manifest] = await Promise.all([this.desk.offer(id), this.desk.offer(id, "manifest")]);
      this.result = result.url;
      await this.compare.show(photo.url, result.url);
      this.show("result");
      const name = `${stem(photo.name)}-painted`;
      this.downloads.show([
        { url: result.url, name: `${name}.${result.ending}`,
          label: `Download ${photo.width} × ${photo.height}` },
        { url: manifest.url, name: `${name}.json`, label: "Manifest" },
      ]);
      this.line.say(ran ? `Done in ${ran < 10 ? ran.toFixed(1) : Math.round(ran)} s.` : "Done.");
      this.line.bar.value = 1;
    }

    /** A look at an optimisation that goes on: its picture and its loss. */
    async watch(job, state) {
      if (state.losses?.length && this.curve) window.sfumato.curve(this.curve, state.losses);
      const now = performance.now();
      if (state.stage !== "optimise" || now < (job.due ?? 0)) return;
      job.due = now + 3000;
      const url = await this.desk.fetch(job.id, "preview").catch(() => null); // not yet
      if (!url || job.done) return;
      this.result = url;
      await this.compare.show(this.photo.url, url);
      this.show("result");
    }
  }

  Object.assign(window.sfumato, { Stage });
})();
