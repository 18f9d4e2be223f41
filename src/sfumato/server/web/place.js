// The tab Place: a portrait, a painting, and where the one goes in the other.
(() => {
  "use strict";
  const { h, room, Desk, Line, Compare, Downloads, Drop, View } = window.sfumato;
  const { open, accept, examples, stem, Problem } = window.sfumato;

  const IDLE = "Choose a portrait and a painting.";
  const CANDIDATES = 6;

  class Place {
    constructor(element, props, server, upload) {
      this.room = room(props.room);
      Object.assign(this.room.settings, { ...props.settings, ...this.room.settings });
      this.desk = new Desk(server, upload);
      this.spot = null; // null: a place is found
      this.candidate = 1;
      this.build(element, props);
      this.room.go = () => this.go();
      this.room.changed = (setting) => setting === "height" && this.mark();
    }

    build(element, props) {
      this.line = new Line(IDLE);
      this.compare = new Compare();
      this.downloads = new Downloads();
      const portrait = ([file]) => this.open("portrait", file);
      const painting = ([file]) => this.open("painting", file);

      this.shown = h("img", { class: "sf-photo sf-contain", alt: "", hidden: true });
      this.drops = {
        portrait: new Drop("The portrait: drop it here, or tap", portrait),
        painting: new Drop("The painting: drop it here, or tap", painting),
      };
      const box = h("div", { class: "sf-view sf-portrait" }, this.shown, this.drops.portrait.element);
      accept(box, portrait);
      this.view = new View(
        "The painting. Arrow keys move a crosshair, Enter puts the figure's feet there.",
        () => "stroke", { stroke: (from, to) => this.put(to), click: () => {} },
      );
      this.ghost = h("div", { class: "sf-ghost", hidden: true });
      this.view.frame.append(this.ghost);
      this.view.element.append(this.drops.painting.element, this.compare.element);
      accept(this.view.element, painting);

      const button = (label, onclick) =>
        h("button", { type: "button", class: "sf-button", onclick }, label);
      const change = (label, chosen) => {
        const drop = new Drop(label, chosen);
        drop.element.className = "sf-button";
        drop.element.querySelector(".sf-drop-mark").remove();
        return drop.element;
      };
      this.auto = button("Find a place", () => this.free());
      this.next = button("Next place", () => this.another());
      this.back = button("Choose a spot", () => this.edit());
      element.querySelector(".sf-stage").append(
        h("div", { class: "sf-pair" }, box, this.view.element), this.line.element,
        h("div", { class: "sf-row" }, this.auto, this.next, this.back,
          change("Another portrait", portrait), change("Another painting", painting),
          this.downloads.element),
        examples(this.desk, props.portraits, portrait, "Portraits to try"),
        examples(this.desk, props.paintings, painting, "Paintings to try"),
      );
      this.mark();
    }

    async open(part, file) {
      this.line.say("Opening …");
      try {
        const picture = await open(this.desk, file, (job) => this.line.show(job));
        this[part] = picture;
        this.result = null;
        this.candidate = 1;
        this.compare.hide();
        this.downloads.clear();
        this.drops[part].element.hidden = true;
        if (part === "painting") await this.view.open(picture);
        else {
          this.shown.src = picture.url;
          this.shown.alt = picture.name;
          this.shown.hidden = false;
        }
        this.say();
      } catch (problem) {
        this.line.say(problem.message, "problem");
      }
      this.mark();
    }

    say() {
      const missing = ["portrait", "painting"].filter((part) => !this[part]);
      if (missing.length) this.line.say(`Choose a ${missing.join(" and a ")}.`);
      else if (this.spot) this.line.say("Drag the outline to where the figure goes, then press Place.");
      else this.line.say("Press Place to have a spot found, or click where the feet go.");
    }

    put(at) {
      this.spot = at;
      if (!this.job) this.say();
      this.mark();
    }

    free() {
      this.spot = null;
      this.edit();
    }

    edit() {
      this.compare.hide();
      if (!this.job) this.say();
      this.mark();
    }

    another() {
      this.spot = null;
      this.candidate = (this.candidate % CANDIDATES) + 1;
      this.go();
    }

    mark() {
      const { spot } = this;
      this.ghost.hidden = !spot;
      this.auto.disabled = !spot;
      this.next.disabled = !this.portrait || !this.painting;
      this.back.disabled = this.compare.element.hidden;
      if (!spot) return;
      const tall = this.room.settings.height;
      Object.assign(this.ghost.style, {
        left: `${100 * spot[0]}%`, top: `${100 * (spot[1] - tall)}%`, height: `${100 * tall}%`,
      });
    }

    async go() {
      if (this.job) return;
      const job = (this.job = { ended: false });
      try {
        for (const part of ["portrait", "painting"]) {
          if (!this[part]) throw new Problem(`Choose a ${part} first.`);
        }
        const { height, ...settings } = this.room.settings;
        const [x, y] = this.spot ?? [];
        const where = this.spot ? { x, y, height } : { candidate: this.candidate };
        const { portrait, painting } = this;
        this.line.say("Sending …");
        this.view.element.scrollIntoView({ block: "nearest", behavior: "smooth" });
        this.line.begin(() => {
          job.ended = true;
          if (job.id) this.desk.end(job.id);
        });
        job.id = await this.desk.ask("place", { ...settings, ...where },
          [portrait.as("portrait"), painting.as("painting")]);
        if (job.ended) this.desk.end(job.id);
        const { ran } = await this.desk.follow(job.id, (state) => this.line.show(state));
        await this.finish(job.id, ran, portrait, painting);
      } catch (problem) {
        this.line.say(problem.message, problem.cancelled ? "" : "problem");
      } finally {
        this.job = null;
        this.mark();
      }
    }

    async finish(id, ran, portrait, painting) {
      const [result, manifest] = await Promise.all([this.desk.offer(id), this.desk.offer(id, "manifest")]);
      if (painting !== this.painting) return;
      await this.compare.show(painting.url, result.url);
      this.compare.slider.value = 0; // the whole of it: there is little to compare
      this.compare.place();
      const name = `${stem(portrait.name)}-in-${stem(painting.name)}`;
      this.downloads.show([
        { url: result.url, name: `${name}.${result.ending}`,
          label: `Download ${painting.width} × ${painting.height}` },
        { url: manifest.url, name: `${name}.json`, label: "Manifest" },
      ]);
      this.line.say(ran ? `Done in ${ran < 10 ? ran.toFixed(1) : Math.round(ran)} s.` : "Done.");
      this.line.bar.value = 1;
    }
  }

  Object.assign(window.sfumato, { Place });
})();
