// The tab Batch: many photos, one style and region, an archive of the results.
(() => {
  "use strict";
  const { h, room, Desk, Line, Downloads, Drop, examples, open, accept, sleep, stem, Problem } =
    window.sfumato;

  const AT_ONCE = 2; // in line at a time: others want their turn, too
  const IDLE = "Choose photos.";

  class Batch {
    constructor(element, props, server, upload) {
      this.room = room(props.room);
      Object.assign(this.room.settings, { ...props.settings, ...this.room.settings });
      this.desk = new Desk(server, upload);
      this.entries = [];
      this.most = props.most;
      this.build(element, props);
      Object.assign(this.room, {
        go: () => this.go(), choose: (style) => this.choose(style),
        say: (text, kind) => this.line.say(text, kind),
      });
    }

    build(element, props) {
      const chosen = (files) => this.add(files);
      this.line = new Line(IDLE);
      this.downloads = new Downloads();
      this.drop = new Drop("Drop photos here, or tap to choose them", chosen, { multiple: true });
      this.list = h("ul", { class: "sf-list", "aria-label": "Photos" });
      this.clear = h("button", {
        type: "button", class: "sf-button", disabled: true, onclick: () => this.empty(),
      }, "Remove all");
      const box = h("div", { class: "sf-view sf-many" }, this.drop.element, this.list);
      accept(box, chosen, true);
      element.querySelector(".sf-stage").append(
        box, this.line.element,
        h("div", { class: "sf-row" }, this.clear, this.downloads.element),
        examples(this.desk, props.examples, chosen),
      );
    }

    add(files) {
      if (this.job) return;
      const room_ = this.most - this.entries.length;
      for (const file of files.slice(0, Math.max(0, room_))) this.entries.push(this.entry(file));
      this.line.say(files.length > room_ ? `At most ${this.most} photos at a time.` : this.count());
      this.drop.element.classList.toggle("sf-small", this.entries.length > 0);
      this.clear.disabled = !this.entries.length;
      this.downloads.clear();
      if (!this.previewed && this.entries.length) this.preview(this.entries[0].file);
    }

    count() {
      const many = this.entries.length;
      return many ? `${many} photo${many > 1 ? "s" : ""}; choose a style.` : IDLE;
    }

    entry(file) {
      const image = h("img", { src: URL.createObjectURL(file), alt: "", class: "sf-mini" });
      image.addEventListener("error", () => (image.style.visibility = "hidden"));
      const state = h("span", { class: "sf-state" }, "");
      this.list.append(h("li", {}, image, h("span", { class: "sf-called" }, file.name), state));
      return { file, state, id: null, done: false };
    }

    empty() {
      this.entries = [];
      this.list.replaceChildren();
      this.previewed = false;
      this.add([]);
    }

    async preview(file) {
      this.previewed = true;
      try {
        this.room.previews?.open(await open(this.desk, file));
      } catch {
        this.previewed = false; // it will be told when its turn comes
      }
    }

    choose(style) {
      this.style = style;
      this.room.previews?.mark(style.name);
    }

    async go() {
      if (this.job) return;
      const job = (this.job = { ended: false, began: performance.now() });
      this.room.busy = true;
      try {
        if (!this.entries.length) throw new Problem("Choose photos first.");
        if (!this.style) throw new Problem("Choose a style first.");
        this.downloads.clear();
        this.line.say("Sending …");
        this.line.begin(() => {
          job.ended = true;
          for (const { id, done } of this.entries) if (id && !done) this.desk.end(id);
        });
        this.clear.disabled = true;
        for (const entry of this.entries) {
          Object.assign(entry, { done: false, id: null, name: null });
          this.mark(entry, "");
        }
        const waiting = [...this.entries];
        const lane = async () => {
          while (waiting.length && !job.ended) await this.one(waiting.shift(), job);
        };
        await Promise.all(Array.from({ length: AT_ONCE }, lane));
        if (job.ended) throw new Problem("Cancelled.", { cancelled: true });
        await this.finish();
      } catch (problem) {
        this.line.say(problem.message, problem.cancelled ? "" : "problem");
      } finally {
        this.job = null;
        this.room.busy = false;
        this.clear.disabled = !this.entries.length;
        this.room.previews?.next();
      }
    }

    async one(entry, job) {
      const { name, file } = this.style;
      const order = { ...this.room.settings, style: name };
      const files = [{ part: "photo", name: entry.file.name, file: entry.file }];
      if (file) files.push({ part: "files", name, file });
      try {
        while (!entry.id) {
          if (job.ended) return;
          this.mark(entry, "in line");
          entry.id = await this.desk.ask("paint", order, files).catch(async (problem) => {
            if (!problem.again) throw problem;
            await sleep(1000 * Math.min(10, problem.again)); // the line is full: wait for room
            return null;
          });
        }
        if (job.ended) this.desk.end(entry.id);
        await this.desk.follow(entry.id, ({ state }) =>
          this.mark(entry, state === "running" ? "painting" : "in line"));
        this.mark(entry, "done", "good");
      } catch (problem) {
        entry.id = null;
        this.mark(entry, problem.message, problem.cancelled ? "" : "problem");
      }
      entry.done = true;
      if (!job.ended) this.progress(job);
    }

    mark({ state }, text, kind = "") {
      state.textContent = text;
      state.dataset.kind = kind;
    }

    progress({ began }) {
      const many = this.entries.length;
      const done = this.entries.filter((entry) => entry.done).length;
      const ran = (performance.now() - began) / 1000;
      this.line.show({
        state: "running", stage: "stylize", ran, share: done / many, left: (ran / done) * (many - done),
      });
    }

    async finish() {
      const good = this.entries.filter(({ id }) => id);
      if (!good.length) throw new Problem("None of the photos could be painted; the list says why.");
      const files = {}, taken = new Set();
      for (const { id, file } of good) {
        let name = `${stem(file.name)}-painted`;
        while (taken.has(name)) name += "-2";
        taken.add(name);
        files[id] = name;
      }
      const { path } = await this.desk.call("pack", { files });
      const { url } = await this.desk.take(path);
      this.downloads.show([{ url, name: "sfumato.zip", label: `Download ${good.length} as a zip` }]);
      const bad = this.entries.length - good.length;
      this.line.say(`${good.length} painted${bad ? `, ${bad} not: the list says why` : ""}.`);
      this.line.bar.value = 1;
    }
  }

  Object.assign(window.sfumato, { Batch });
})();
