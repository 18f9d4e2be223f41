// The tab Look inside: a photo, and figures of what is in it or of what a net sees in it.
(() => {
  "use strict";
  const { h, room, Desk, Line, Downloads, Drop, accept, examples, open, stem, Problem } =
    window.sfumato;

  const IDLE = "Choose a photo.";
  const SIDE = 512; // of the copy that is sent: no figure shows more

  /** Which settings each way of looking asks for. */
  const ASKED = {
    clusters: [],
    features: ["layer", "invert"],
    saliency: ["net", "method"],
  };

  class Inside {
    constructor(element, props, server, upload) {
      this.room = room(props.room);
      Object.assign(this.room.settings, { ...props.settings, ...this.room.settings });
      this.desk = new Desk(server, upload);
      this.build(element, props);
      this.room.go = () => this.go();
    }

    build(element, props) {
      const chosen = ([file]) => this.open(file);
      this.line = new Line(IDLE);
      this.downloads = new Downloads();
      this.shown = h("img", { class: "sf-photo sf-contain", alt: "", hidden: true });
      this.drop = new Drop("Drop a photo here, or tap to choose one", chosen);
      this.figure = h("img", { class: "sf-figure", alt: "", hidden: true });
      const box = h("div", { class: "sf-view sf-small-view" }, this.shown, this.drop.element);
      accept(box, chosen);
      element.querySelector(".sf-stage").append(
        box, this.line.element, h("div", { class: "sf-row" }, this.downloads.element),
        this.figure, examples(this.desk, props.examples, chosen),
      );
    }

    async open(file) {
      this.line.say("Opening …");
      try {
        this.photo = await open(this.desk, file, (job) => this.line.show(job));
        this.shown.src = this.photo.url;
        this.shown.alt = this.photo.name;
        this.shown.hidden = false;
        this.drop.element.hidden = true;
        this.figure.hidden = true;
        this.downloads.clear();
        this.line.say("Choose what to look at, then press Look.");
      } catch (problem) {
        this.line.say(problem.message, "problem");
      }
    }

    async go() {
      if (this.job) return;
      const job = (this.job = { ended: false });
      try {
        const { photo } = this;
        if (!photo) throw new Problem("Choose a photo first.");
        const { settings } = this.room;
        const order = { look: settings.look };
        for (const name of ASKED[settings.look]) order[name] = settings[name];
        this.line.say("Sending …");
        this.line.begin(() => {
          job.ended = true;
          if (job.id) this.desk.end(job.id);
        });
        job.id = await this.desk.ask("inspect", order, [await photo.smallAs("photo", SIDE)]);
        if (job.ended) this.desk.end(job.id);
        const { ran } = await this.desk.follow(job.id, (state) => this.line.show(state));
        await this.finish(job.id, ran, photo, order);
      } catch (problem) {
        this.line.say(problem.message, problem.cancelled ? "" : "problem");
      } finally {
        this.job = null;
      }
    }

    async finish(id, ran, photo, { look }) {
      const result = await this.desk.offer(id);
      if (photo !== this.photo) return;
      this.figure.src = result.url;
      await this.figure.decode().catch(() => {});
      this.figure.alt = `Figures: ${look} of ${photo.name}`;
      this.figure.hidden = false;
      const name = `${stem(photo.name)}-${look}.${result.ending}`;
      this.downloads.show([{ url: result.url, name, label: "Download the figures" }]);
      this.line.say(ran ? `Done in ${ran < 10 ? ran.toFixed(1) : Math.round(ran)} s.` : "Done.");
      this.line.bar.value = 1;
    }
  }

  Object.assign(window.sfumato, { Inside });
})();
